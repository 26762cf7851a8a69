"""One server whose wall clock is stepped by an hour while it runs: lives are decided by time that goes on evenly, and only labels follow the clock."""

import json
import threading
import time

import pytest

from faked_clock import FakedClock
from harness import SLACK, Ear, eventually

HOUR = 3_600
# Time follows a step by a part in 200, which is 50 ms in ten seconds.
TOLERANCE = SLACK + 0.05
USERS = [f"user{number}" for number in range(20)]


def key(name):
    return "presence:user:" + name


class Beats:
    """Keeps sessions alive once a second, from a thread of its own, and counts the beats that were not known."""

    def __init__(self, client, users):
        self.client, self.users, self.unknown = client, users, []
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.end.wait(1):
            for user in self.users:
                if self.client.execute_command("PRESENCE.BEAT", key(user), "s") != 1:
                    self.unknown.append(user)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join(10)


class Lives:
    """Five users whose status changes by itself, each in a way of its own, and a string that ends; when each is due."""

    def __init__(self, client):
        self.due = {}
        self._begin(client, "silent", 6, "offline", "heartbeat_timeout", ("CONNECT", "s", "PX", 6_000))
        self._begin(client, "lost", 2, "offline", "grace_ended", ("CONNECT", "s", "EX", 60), ("DISCONNECT", "s", "REASON", "lease_lost"))
        self._begin(client, "still", 3, "idle", "inactivity", ("CONNECT", "s", "EX", 60), ("ACTIVE", "s"))
        self._begin(client, "busy", 5, "online", "manual_ended", ("CONNECT", "s", "EX", 60), ("SET", "STATUS", "dnd", "EX", 5))
        client.execute_command("PRESENCE.CONNECT", key("leased"), "s", "SERVER", "gateway", "EX", 5)
        self._begin(client, "leased", 9, "offline", "grace_ended")
        client.execute_command("PRESENCE.LEASE", "gateway", "EX", 7)
        client.set("string", "value", px=9_000)
        self.string_due = time.monotonic() + 9

    def _begin(self, client, user, seconds, status, reason, *commands):
        for name, *words in commands:
            client.execute_command(f"PRESENCE.{name}", key(user), *words)
        self.due[user] = (status, reason, time.monotonic() + seconds)


def offset(client):
    """How far the server's time is from this machine's even one, in seconds, within 2 ms."""
    def measure():
        asked = time.monotonic()
        seconds, microseconds = client.time()
        answered = time.monotonic()
        return (seconds + microseconds / 1e6 - (asked + answered) / 2,) if answered - asked < 0.004 else None
    return eventually(measure)[0]


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_wall_clock_that_is_stepped_turns_nobody_offline_and_lives_end_on_time(start, connect, tmp_path, step):
    clock = FakedClock(tmp_path)
    server = start("--lost-grace", "2s", "--idle-after", "3s", "--away-after", "60s", prefix=clock.prefix)
    client = connect(server)
    for user in USERS:
        client.execute_command("PRESENCE.CONNECT", key(user), "s", "EX", 10)
    ear = Ear(connect(server), "user.status.changed")
    online = lambda: client.execute_command("PRESENCE.MGET", *map(key, USERS)) == ["online"] * len(USERS)
    with Beats(connect(server), USERS) as beats:
        lives = Lives(client)
        before = offset(client)
        told = lambda: client.info("server")["server_time_offset_usec"] / 1e6
        # It goes evenly, and the wall clock is read a moment later.
        assert abs(told()) < 0.01
        clock.set(step)
        # It is behind a clock that went ahead, and says so.
        assert abs(told() + step) < 0.01
        # Reads agree with it at once: nobody is older or younger by an hour.
        assert online() and client.get("string") == "value" and client.ttl(key("busy")) in range(55, 61)
        ear.listen(8.2)
        assert eventually(lambda: client.get("string") is None) and abs(time.monotonic() - lives.string_due) < TOLERANCE
        # It was felt: time runs after the wall clock, a part in 200 faster or slower, and does not leap.
        moved = offset(client) - before
        assert 0.02 < moved * (1 if step > 0 else -1) < 0.12 and online(), moved
        assert abs(told() + step - (offset(client) - before)) < 0.01
        # Stepped to where it was: the same.
        clock.set(0)
        assert abs(told() - (offset(client) - before)) < 0.01
        ear.listen(2)
        assert online()
    assert beats.unknown == []
    events = [(json.loads(data), came) for _, data, came in ear.messages]
    ear.close()
    assert not [event for event, _ in events if event["userId"] in USERS]
    for user, (status, reason, due) in lives.due.items():
        own = [(event, came) for event, came in events if event["userId"] == user]
        versions = [int(event["version"]) for event, _ in own]
        assert versions == sorted(set(versions))
        # The last change of each is the one that time made, once.
        (event, came), *more = [(event, came) for event, came in own if event["reason"] == reason]
        assert not more and event is own[-1][0] and event["newStatus"] == status
        assert abs(came - due) < TOLERANCE, (user, came - due)
