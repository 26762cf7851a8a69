"""PRESENCE.CHANGES through redis-py: cursors, waiting, and what is said when changes were lost."""

import threading
import time

import pytest
import redis

from harness import eventually

SETTINGS = ("--change-ring-size", "16kb", "--event-loops", "2")


def key(name):
    return "presence:user:" + name


def changes(client, cursor, *words):
    cursor, rows = client.execute_command("PRESENCE.CHANGES", cursor, *words)
    return cursor, {row[0]: row[1] for row in rows}


def blocked(client):
    return int(client.info("clients")["blocked_clients"])


def test_cursors_go_on_over_all_shards(client):
    cursor, _ = changes(client, "$")
    for number in range(100):
        client.execute_command("PRESENCE.CONNECT", key(f"user-{number}"), "s")
    seen = {}
    while True:
        cursor, found = changes(client, cursor, "COUNT", 7)
        assert len(found) <= 7
        if not found:
            break
        assert not set(found) & set(seen)
        seen |= found
    assert seen == {f"user-{number}": "online" for number in range(100)}


def test_a_client_waits_for_a_change(client, server, connect):
    cursor, _ = changes(client, "$")
    answers = []
    waiter = connect(server)
    thread = threading.Thread(target=lambda: answers.append(changes(waiter, cursor, "BLOCK", 8000)))
    thread.start()
    assert eventually(lambda: blocked(client) == 1)
    time.sleep(0.2)
    assert not answers
    # Something that is no change of a user's does not wake it for good.
    client.set("string", "x")
    time.sleep(0.1)
    assert not answers
    began = time.time()
    client.execute_command("PRESENCE.CONNECT", key("waited-for"), "s")
    thread.join(5)
    assert time.time() - began < 1
    assert answers[0][1] == {"waited-for": "online"}
    assert blocked(client) == 0
    # And the connection goes on as before.
    assert waiter.ping()


def test_a_wait_ends_with_its_time_or_its_client(client, server):
    cursor, _ = changes(client, "$")
    began = time.time()
    assert changes(client, cursor, "BLOCK", 300)[1] == {}
    assert 0.25 < time.time() - began < 2
    with server.raw() as raw:
        raw.send(b"PRESENCE.CHANGES $ BLOCK 0\r\nPING\r\n")
        assert eventually(lambda: blocked(client) == 1)
    assert eventually(lambda: blocked(client) == 0)


def test_who_asks_too_seldom_is_told(client):
    cursor, _ = changes(client, "$")
    for round in range(60):
        with client.pipeline(transaction=False) as pipe:
            for number in range(100):
                pipe.execute_command("PRESENCE.CONNECT", key(f"busy-{number}"), "s")
                pipe.execute_command("PRESENCE.DISCONNECT", key(f"busy-{number}"), "s")
            pipe.execute()
    with pytest.raises(redis.ResponseError, match="change-ring-size"):
        changes(client, cursor)
    assert len(changes(client, "0", "COUNT", 10000)[1]) > 0


def test_a_cursor_of_another_run_is_refused(start, connect):
    first = connect(start())
    cursor, _ = changes(first, "$")
    with pytest.raises(redis.ResponseError, match="present run"):
        changes(connect(start()), cursor)
