"""Random commands of the families for strings and keys, played to presenced and to a real Redis 7: the same replies, whatever was asked before."""

import os
import random

import pytest

import differential
from harness import Server, encode

ROUNDS = int(os.environ.get("DIFFERENTIAL_ROUNDS", "1500"))
SEED = os.environ.get("DIFFERENTIAL_SEED")

KEYS = ["a", "b", "c", ""]
VALUES = ["", "v", "0", "10", "-1", "9223372036854775807", "-9223372036854775808", " 1", "1.5", "x" * 70, "\x00\xff"]
# No lifetime may end while the two servers are asked one after the other: nearly none, or very long ones.
NUMBERS = [
    "0", "-1", "1000", "100000", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "abc", "", "1.5",
    "+5", "007", "9999999999",
]
INSTANTS = ["0", "1", "-1", "33177117420", "33177117420500", "9223372036854775807", "abc"]
PATTERNS = ["*", "a", "?", "[ab]", "[^a]", "\\a", "x*", "", "[a", "*[b-c]", "a\\"]
WORDS = ["NX", "XX", "GT", "LT", "GET", "KEEPTTL", "PERSIST", "EX", "PX", "EXAT", "PXAT", "FOO", "ex", ""]

# What stands in a shape: k a key, v a value, n a number, t an instant, p a pattern, w a word; + any number of what follows.
SHAPES = [
    "GET k", "SET k v", "SET k v +w", "SET k v EX n", "SET k v PX n", "SET k v EXAT t", "SET k v PXAT t", "SET k v NX GET",
    "SET k v XX GET KEEPTTL", "SETEX k n v", "PSETEX k n v", "SETNX k v", "GETEX k", "GETEX k +w", "GETEX k EX n",
    "GETEX k PXAT t", "GETEX k PERSIST", "GETDEL k", "GETSET k v", "MGET +k", "MSET k v k v", "MSET k v k", "STRLEN k",
    "APPEND k v", "INCR k", "DECR k", "INCRBY k n", "DECRBY k n", "DEL +k", "UNLINK +k", "EXISTS +k", "TOUCH +k", "TYPE k",
    "EXPIRE k n", "EXPIRE k n +w", "PEXPIRE k n w", "EXPIREAT k t", "PEXPIREAT k t w", "TTL k", "PTTL k", "EXPIRETIME k",
    "PEXPIRETIME k", "PERSIST k", "SCAN 0", "SCAN abc MATCH p", "SCAN 0 COUNT n", "SCAN 0 MATCH p TYPE string", "KEYS p",
    "HGET k v", "HMGET k v v", "HGETALL k", "COMMAND GETKEYS GET k", "COMMAND GETKEYS MSET +k", "MEMORY USAGE nothing",
    "FLUSHALL w", "MULTI", "EXEC", "DISCARD", "UNWATCH", "PING", "ECHO v",
]
POOLS = {"k": KEYS, "v": VALUES, "n": NUMBERS, "t": INSTANTS, "p": PATTERNS, "w": WORDS}
UNORDERED = ("SCAN", "KEYS", "EXEC")


def command(source):
    out = []
    for word in source.choice(SHAPES).split():
        count = 1
        if word.startswith("+"):
            word, count = word[1:], source.randint(0, 3)
        out += [source.choice(POOLS[word]) if word in POOLS else word for _ in range(count)]
    if source.random() < 0.03:
        out.append(source.choice(WORDS))
    return [word.encode("latin-1") for word in out]


# By how much a reply may differ because the second server was asked later: what is left of a life, or an instant, in the command's unit.
SLACK = {"TTL": 2, "EXPIRETIME": 2, "PTTL": 2_000, "PEXPIRETIME": 2_000, "EXEC": 2_000}


def values_match(ours, theirs, slack):
    """Equal; or numbers that differ by at most `slack`. Those below zero say why there is none, and are equal."""
    if ours[0] != theirs[0]:
        return False
    if ours[0] == ":":
        ours, theirs = int(ours[1]), int(theirs[1])
        return ours == theirs or min(ours, theirs) >= 0 and abs(ours - theirs) <= slack
    if ours[0] in "*~>" and ours[1] is not None and theirs[1] is not None:
        if differential.text(ours, False) == differential.text(theirs, False):
            return True
        return len(ours[1]) == len(theirs[1]) and all(values_match(*pair, slack) for pair in zip(ours[1], theirs[1]))
    return ours == theirs


def is_same(name, ours, theirs):
    if name in UNORDERED and differential.text(ours, False) == differential.text(theirs, False):
        return True
    return values_match(ours, theirs, SLACK[name]) if name in SLACK else ours == theirs


@pytest.mark.parametrize("protocol", [2, 3], ids=["RESP2", "RESP3"])
def test_random_commands_get_the_same_replies(protocol):
    seed = int(SEED) if SEED else random.randrange(1 << 32)
    print(f"DIFFERENTIAL_SEED={seed}")
    source = random.Random(seed)
    redis, presenced = differential.RedisServer(), None
    try:
        presenced = Server()
        players = [differential.Player(server, protocol) for server in (presenced, redis)]
        history = []
        for _ in range(ROUNDS):
            words = command(source)
            history = history[-30:] + [words]
            ours, theirs = [differential.read(player.connection("main").send(encode(*words))) for player in players]
            assert is_same(words[0].decode(), ours, theirs), (
                f"DIFFERENTIAL_SEED={seed}: {words}\n  Redis:     {differential.text(theirs)}\n"
                f"  presenced: {differential.text(ours)}\n  after {history[:-1]}")
        for player in players:
            player.close()
    finally:
        redis.stop()
        assert presenced is None or presenced.stop() == 0
