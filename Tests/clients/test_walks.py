"""Commands over all keys: they go in slices, others are served in between, and a client that leaves meanwhile harms nobody."""

import os
import select

import pytest
import redis

from harness import Server, encode, eventually

# One event loop: what one command does there, all others would wait for.
SETTINGS = ("--event-loops", "1", "--client-output-buffer-limit", "normal 8mb 4mb 60")
COUNT = 150_000


def fill(client):
    """Nothing but many strings and some users."""
    client.flushall()
    for start in range(0, COUNT, 10_000):
        client.mset({f"key:{number:06}": "v" for number in range(start, start + 10_000)})
    for number in range(100):
        client.execute_command("PRESENCE.CONNECT", f"presence:user:u{number}", "s", "EX", 300)


@pytest.fixture
def full(server, connect):
    """A client of a server with many strings and some users."""
    client = connect(server)
    fill(client)
    return client


def is_silent(raw):
    """Whether nothing has come for a connection yet."""
    return not raw.buffer and not select.select([raw.socket], [], [], 0)[0]


def turns_of_another(server, command):
    """How many commands of another client are answered until a walk is; the one that was read before it began included."""
    with server.raw() as walker, server.raw() as other:
        assert other.command("PING") == b"+PONG"
        assert walker.command("PING") == b"+PONG"
        walker.send(encode(*command))
        turns = 0
        while other.command("SET", f"new:{turns}", "v") == b"+OK" and is_silent(walker):
            turns += 1
        reply = walker.reply()
        assert reply == b"+OK" if command[0] != "KEYS" else len(reply) >= COUNT + 100
        if turns > 1:
            assert other.command("EXISTS", "new:1") == 1, "what was written meanwhile stays"
        return turns


@pytest.mark.parametrize("command", [("KEYS", "*"), ("FLUSHALL",), ("FLUSHDB", "ASYNC")])
def test_others_are_served_while_all_keys_are_looked_at(server, full, command):
    assert turns_of_another(server, command) >= 2, "no other command ran meanwhile"


def test_a_client_waits_for_its_own_walk_only(full, server):
    with server.raw() as raw:
        raw.send(encode("KEYS", "nothing*") + encode("ECHO", "behind"))
        assert raw.reply() == []
        assert raw.reply() == b"behind"


def test_keys_finds_what_matches_and_both_kinds(full):
    assert sorted(full.keys("key:00000?")) == [f"key:00000{digit}" for digit in range(10)]
    assert sorted(full.keys("presence:user:u9?")) == [f"presence:user:u9{digit}" for digit in range(10)]
    assert len(full.keys("*")) == COUNT + 100


def test_keys_within_a_transaction_runs_at_once(full):
    pipeline = full.pipeline(transaction=True)
    pipeline.keys("key:00000?").flushall().dbsize()
    keys, flushed, size = pipeline.execute()
    assert (len(keys), flushed, size) == (10, True, 0)


def test_a_client_that_leaves_during_its_walk_harms_nobody(full, server):
    before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    for command in [("KEYS", "*")] * 20 + [("FLUSHALL",)]:
        raw = server.raw()
        raw.send(encode(*command) + encode("PING"))
        raw.vanish()
    assert full.ping()
    eventually(lambda: full.dbsize() == 0)
    eventually(lambda: full.info("clients")["connected_clients"] == 1)
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) <= before


def test_keys_that_take_more_than_the_output_limit_are_refused_and_scan_is_named(start, connect):
    server = start("--client-output-buffer-limit", "normal 100kb 0 0")
    client = connect(server)
    client.mset({f"key:{number:06}": "v" for number in range(20_000)})
    with pytest.raises(redis.ResponseError, match="client-output-buffer-limit.*SCAN"):
        client.keys("*")
    with pytest.raises(redis.ResponseError, match="client-output-buffer-limit.*ask for less"):
        client.set("large", b"x" * 10_000)
        client.mget(["large"] * 50)
    client.execute_command("PRESENCE.CONNECT", "presence:user:alice", "s", "DEVICE", "x" * 100)
    for words in (["COMMAND", "INFO"] + ["get"] * 1_000, ["COMMAND", "DOCS"] + ["set"] * 1_000,
                  ["HMGET", "presence:user:alice"] + ["deviceType"] * 2_000):
        with server.raw() as raw:
            assert b"ask for less" in raw.command(*words)
            assert raw.command("PING") == b"+PONG"
    transaction = client.pipeline(transaction=True)
    for _ in range(50):
        transaction.get("large").incr("count")
    with pytest.raises(redis.ResponseError, match="commands were run.*client-output-buffer-limit"):
        transaction.execute()
    assert client.get("count") == "50"
    assert client.keys("key:00001?") != []
    assert sorted(client.scan_iter(match="key:00001?")) == [f"key:00001{digit}" for digit in range(10)]


def test_scan_finds_every_key_that_stays_once_while_others_come_and_go(either):
    stay = [f"stay:{number}" for number in range(3_000)] + [f"presence:user:stay{number}" for number in range(300)]
    for key in stay:
        either.set(key, '{"status":"online"}')
    for number in range(3_000):
        either.set(f"go:{number}", "v")
    seen = []
    wanted = set(stay)
    cursor, turn = 0, 0
    while True:
        cursor, keys = either.scan(cursor, count=300)
        seen += [key for key in keys if key in wanted]
        if turn < 10:
            # Growth by far more than was there: segments split under the cursor.
            either.mset({f"come:{turn}:{number}": "v" for number in range(3_000)})
            either.delete(*(f"go:{number}" for number in range(turn * 300, turn * 300 + 300)))
        turn += 1
        if cursor == 0:
            break
    assert turn > 20
    assert sorted(seen) == sorted(stay)


def test_scan_by_type_and_pattern_of_whole_keys(either):
    either.execute_command("PRESENCE.CONNECT", "presence:user:alice", "s", "EX", 60)
    either.mset({"presence": "a string", "alice": "a string"})
    assert list(either.scan_iter(_type="presence", count=1000)) == ["presence:user:alice"]
    assert sorted(either.scan_iter(_type="string")) == ["alice", "presence"]
    assert list(either.scan_iter(match="presence:*")) == ["presence:user:alice"]
    assert list(either.scan_iter(match="alice")) == ["alice"]
    assert sorted(either.scan_iter(match="*alice")) == ["alice", "presence:user:alice"]
    assert list(either.scan_iter(_type="hash")) == []


def test_debug_sleep_stops_its_own_event_loop_alone(start):
    server: Server = start("--event-loops", "2", "--enable-debug-command", "yes")
    others = [server.raw() for _ in range(4)]
    sleeper = server.raw()
    sleeper.send(encode("DEBUG", "SLEEP", "1"))
    for other in others:
        other.send(encode("PING"))
    ready, _, _ = select.select([other.socket for other in others], [], [], 0.8)
    assert ready, "a loop without the sleeper goes on"
    assert len(ready) < len(others) or is_silent(sleeper)
    assert sleeper.reply() == b"+OK"
    assert all(other.reply() == b"+PONG" for other in others)
    for raw in [*others, sleeper]:
        raw.close()
