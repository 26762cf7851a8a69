"""docs/porting.md: what it says to write here is taken by the server, and what it says is not there is not."""

import re
import shlex

import pytest
import redis

from harness import ROOT

TEXT = (ROOT / "docs/porting.md").read_text()


def blocks(language):
    """The blocks of code in one language, with their number and first line."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    return [(f"{number} {text.splitlines()[0]}", text) for number, text in enumerate(found)]


def commands(text):
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def test_there_are_blocks():
    assert len(blocks("presenced")) > 10 and len(blocks("redis")) > 8


@pytest.mark.parametrize("text", [text for _, text in blocks("presenced")], ids=[name for name, _ in blocks("presenced")])
def test_what_to_write_here_is_served(client, text):
    for words in commands(text):
        client.execute_command(*words)


NOT_THERE = [
    "LPUSH l a", "SADD s a", "SINTER a b", "ZADD z 1 a", "SETBIT b 1 1", "PFADD p a", "GEOADD g 1 1 a", "HSET h a b",
    "HDEL h a", "HINCRBY h a 1", "XADD x * a b", "XREAD STREAMS x 0", "EVAL return 0", "EVALSHA a 0", "SCRIPT LOAD x",
    "FUNCTION LIST", "RENAME a b", "COPY a b", "RANDOMKEY", "MSETNX a 1", "GETRANGE a 0 1", "SETRANGE a 0 x", "INCRBYFLOAT a 1",
    "OBJECT ENCODING a", "MOVE a 1", "SWAPDB 0 1", "ACL LIST", "SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE", "REPLICAOF a 1",
    "SYNC", "ROLE",
]


@pytest.mark.parametrize("command", NOT_THERE)
def test_what_is_not_there_says_so_and_has_a_replacement(client, command):
    words = command.split()
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command(*words)
    table = TEXT[TEXT.index("## What is not there"):TEXT.index("## What is different")]
    families = {"L": "lists", "S": "sets", "Z": "sorted sets", "P": "HyperLogLog", "G": "geo"}
    assert words[0] in table or families[words[0][0]] in table


def test_databases_and_tracking_are_not_there(client):
    for words, error in [(("SELECT", 1), "out of range"), (("CLIENT", "TRACKING", "ON"), "unknown subcommand")]:
        with pytest.raises(redis.ResponseError, match=error):
            client.execute_command(*words)
    assert client.execute_command("SELECT", 0)


@pytest.fixture
def release():
    """The function of the page."""
    scope = {"redis": redis}
    exec(blocks("python")[0][1], scope)
    return scope["release"]


def test_the_release_of_a_lock_deletes_only_what_is_mine(client, release):
    assert client.set("lock", "mine", nx=True, px=5000)
    assert not release(client, "lock", "other's")
    assert client.get("lock") == "mine"
    assert release(client, "lock", "mine")
    assert not release(client, "lock", "mine")
    assert client.set("lock", "next", nx=True, px=5000)


def test_a_transaction_refuses_what_the_page_says(client):
    for command in ("CLIENT LIST", "CLIENT KILL ID 1", "CLIENT PAUSE 1", "CONFIG SET timeout 0", "SHUTDOWN", "MONITOR"):
        with client.pipeline() as pipeline:
            pipeline.execute_command(*command.split())
            with pytest.raises(redis.ResponseError, match="not allowed inside a transaction"):
                pipeline.execute()
    with client.pipeline() as pipeline:
        for command in ("SCAN 0", "KEYS *", "DBSIZE", "INFO", "FLUSHALL"):
            pipeline.execute_command(*command.split())
        assert len(pipeline.execute()) == 5


def test_differences_are_as_the_page_says(client):
    key = "presence:user:ann"
    client.execute_command("PRESENCE.CONNECT", key, "s-1")
    assert client.type(key) == "presence"
    for words, error in [
        (("PERSIST", key), "heartbeat-hard-limit"), (("INCR", key), "key-prefix"), (("APPEND", key, "x"), "key-prefix"),
        (("SET", key, '{"status":"online"}', "EX", 301), "heartbeat-hard-limit"), (("SET", key, "online", "EX", 60), "session"),
    ]:
        with pytest.raises(redis.ResponseError, match=error):
            client.execute_command(*words)
    client.set("presence:user:bob", '{"status":"online","mood":"good"}')
    assert client.ttl("presence:user:bob") == 120
    assert "mood" not in client.get("presence:user:bob")
