"""Every list of `Tests/Differential` played to presenced and to a real Redis 7 beside it: equal replies, or a difference that the list explains."""

import pytest

import differential
from harness import Server

PATHS = sorted(differential.LISTS.glob("*.txt"))


def test_there_are_lists():
    assert len(PATHS) > 5


@pytest.mark.parametrize("protocol", [2, 3], ids=["RESP2", "RESP3"])
@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_replies_are_those_of_redis(path, protocol):
    steps = differential.parse(path)
    redis = differential.RedisServer(*steps.options["redis"])
    try:
        presenced = Server(*steps.options["presenced"])
        try:
            failures = []
            for section in steps.sections:
                failures += play(section, protocol, presenced, redis)
        finally:
            assert presenced.stop() == 0, presenced.log
    finally:
        redis.stop()
    assert not failures, f"{path.name}:\n" + "\n".join(failures)


def play(section, protocol, presenced, redis):
    """Plays a section on empty servers and new connections; tells every step that is wrong."""
    failures = []
    for server in (presenced, redis):
        with server.raw() as raw:
            raw.command("FLUSHALL")
    players = [differential.Player(server, protocol) for server in (presenced, redis)]
    try:
        for step in section.steps:
            ours, theirs = [player.play(step) for player in players]
            if step.count == 0:
                continue
            if failure := differential.compare(step, protocol, ours, theirs):
                failures.append(f"{step.shown} ({section.title}) {failure}")
    finally:
        for player in players:
            player.close()
    return failures


def step(**options):
    return differential.Step(1, **options)


def test_a_difference_that_nobody_explains_is_told():
    assert "differs" in differential.compare(step(), 2, [(":", b"1")], [(":", b"2")])
    assert "differs" in differential.compare(step(), 2, [("+", b"OK")], [("$", b"OK")])
    assert differential.compare(step(), 2, [(":", b"1")], [(":", b"1")]) is None
    assert "differs" in differential.compare(step(comparison="within", tolerance=1), 2, [(":", b"1")], [(":", b"3")])
    assert "differs" in differential.compare(step(comparison="types"), 3, [("*", [(":", b"1")])], [("*", [("$", b"")])])


def test_a_difference_that_is_explained_must_be_there_and_be_that_one():
    explained = step(why="for a reason", expected={2: [":<any>"]})
    assert differential.compare(explained, 2, [(":", b"1")], [(":", b"2")]) is None
    assert "any more" in differential.compare(explained, 2, [(":", b"1")], [(":", b"1")])
    assert "not what the list expects" in differential.compare(explained, 2, [("+", b"1")], [(":", b"2")])
    assert "differs" in differential.compare(explained, 3, [(":", b"1")], [(":", b"2")])


def test_values_are_written_with_their_types():
    value = ("%", [(("$", b'a"\x00'), ("*", [("_", b""), (":", b"1")])), (("+", b"b"), ("$", None))])
    assert differential.text(value) == '{"a\\"\\x00": [_, :1], +b: $-1}'
    assert differential.text(("*", [(":", b"2"), (":", b"1")]), is_ordered=False) == "[:1, :2]"
