"""Nodes that are not what they were: stopped for a minute and gone on, of a clock that was stepped, started anew under an old name for its start, of
other facts than the others without anybody's having said so. Old state wins nowhere, and nobody who lives is told offline.

A node sleeps for a minute while the other tests of this file run, each at a cluster of its own; the last test wakes it."""

import json
import time

import pytest

from cluster import Cluster, online
from cluster_clients import PATIENCE, AllAlong
from cluster_load import Beating, Ears, key
from faked_clock import FakedClock
from harness import SLACK, Ear, eventually

# For how long a node is stopped, in seconds.
STOPPED = 60
# Within it, in seconds, a peer that is stopped is noticed, and shown to clients of the cluster as one that serves nothing.
NOTICED = 2
# Within it, in seconds, what differs in silence is found and mended.
MENDED = 60
# For how long a node that goes on holds those whom it could not hear of, in seconds.
HELD = 5


def friends(node, user):
    said = node.ask("PRESENCE.RELATIONS", key(user))
    return said[said.index("friends") + 1]


class Sleeper:
    """A cluster of three whose third node is stopped; what its users did meanwhile, and what they should be."""

    # At home at the node that stops: their clients turn to another node when it does not answer.
    MOVED = [f"moved{number}" for number in range(10)]
    # They beat at other nodes all along.
    ELSEWHERE = [f"elsewhere{number}" for number in range(20)]
    # Of these nobody beats: the first end meanwhile, the others have longer than that.
    SILENT = [f"silent{number}" for number in range(5)]
    PATIENT = [f"patient{number}" for number in range(5)]
    # Sessions that are closed, users who set a status, elsewhere and meanwhile.
    CLOSED = [f"closed{number}" for number in range(5)]
    SET = [f"set{number}" for number in range(5)]
    LIVE = MOVED + ELSEWHERE + PATIENT

    def __init__(self, cluster):
        self.cluster = cluster
        a, b, c = cluster
        for user in self.SILENT:
            c.ask("PRESENCE.CONNECT", key(user), "s", "PX", 6_000)
        for user in self.PATIENT:
            c.ask("PRESENCE.CONNECT", key(user), "s", "EX", 240)
        for user in self.CLOSED + self.SET + ["ann"]:
            c.ask("PRESENCE.CONNECT", key(user), "s", "EX", 250)
        for number in range(20):
            c.client.set(f"k{number}", "old")
        self.moved = Beating([c, a], self.MOVED, ttl_ms=20_000, spread=False)
        self.elsewhere = Beating([a, b], self.ELSEWHERE, ttl_ms=6_000)
        self.clients = AllAlong(a).go_on()
        everybody = self.clients.users + self.LIVE + self.SILENT + self.CLOSED + self.SET
        eventually(lambda: all(online(node, *everybody) for node in cluster), 10)
        eventually(lambda: all(node.client.mget([f"k{number}" for number in range(20)]) == ["old"] * 20 for node in cluster))
        self.ears = Ears([a, b])
        self.ear = Ear(c.connect(), "user.status.changed")
        self.watch = Ear(c.connect(), "presence.watch:watcher")
        c.ask("PRESENCE.WATCH", key("watcher"), *map(key, everybody))
        c.pause()
        self.stopped_at = time.monotonic()
        for user in self.CLOSED:
            a.ask("PRESENCE.DISCONNECT", key(user), "s")
        for user in self.SET:
            b.ask("PRESENCE.SET", key(user), "STATUS", "dnd", "ACTIVITY", "reading")
        for number in range(10):
            a.client.set(f"k{number}", "new")
        b.client.delete(*[f"k{number}" for number in range(10, 15)])
        a.client.set("fresh", "1")
        a.ask("PRESENCE.BLOCK", key("ann"), key("bob"))
        b.ask("PRESENCE.FRIEND", key("ann"), key("cid"))

    def stop(self):
        self.moved.stop()
        self.elsewhere.stop()
        self.ears.stop()
        self.clients.stop()
        self.ear.close()
        self.watch.close()


@pytest.fixture(scope="module")
def sleeper():
    with Cluster() as cluster:
        sleeper = Sleeper(cluster.start())
        yield sleeper
        sleeper.stop()


@pytest.fixture(scope="module", autouse=True)
def sleeps(sleeper):
    """It begins to sleep before the first test of this file, and wakes in the last."""


@pytest.fixture
def clock(tmp_path):
    return FakedClock(tmp_path)


def on_loopback(prefix=(), names="c"):
    """Where nodes are, for `Cluster`; those that are named have the prefix."""
    return lambda name: ("127.0.0.1", "127.0.0.1", prefix if name in names else ())


# Clocks

def test_a_clock_that_is_stepped_by_an_hour_turns_nobody_offline(clock):
    users = [f"u{number}" for number in range(30)]
    with Cluster(hosts=on_loopback(clock.prefix)) as cluster:
        a, b, c = cluster.start()
        ears = Ears(cluster)
        beating = Beating(cluster, users, ttl_ms=5_000)
        clients = AllAlong(a).go_on()
        eventually(lambda: all(online(node, *users, *clients.users) for node in cluster))
        links = [peer["reconnects"] for node in cluster for peer in node.peers().values()]
        for step in (3_600, -3_600):
            before = float(a.peers()["c"]["clock_offset_us"])
            clock.set(step)
            time.sleep(12)
            # It was felt: the node's time runs after its wall clock, a part in 200 faster or slower, and no more.
            moved = float(a.peers()["c"]["clock_offset_us"]) - before
            assert 20_000 < moved * (1 if step > 0 else -1) < 120_000, moved
            # What it writes is of now.
            c.ask("PRESENCE.CONNECT", key("new"), "s", "EX", 60)
            stamp = c.ask("PRESENCE.GET", key("new"))
            eventually(lambda: a.ask("PRESENCE.GET", key("new")) == stamp)
            c.ask("PRESENCE.DISCONNECT", key("new"), "s")
            c.client.set("k", str(step))
            eventually(lambda: a.client.get("k") == str(step))
            # Nor does what it wrote stand in the way of who writes later.
            time.sleep(0.5)
            a.client.set("k", "later")
            eventually(lambda: b.client.get("k") == c.client.get("k") == "later")
        clients.go_on().stop()
        clients.noticed_nothing(cluster, PATIENCE)
        beating.stop()
        ears.stop()
        assert beating.lost == []
        offline = ears.of("offline")
        assert {user for events in offline.values() for _, user, _, _ in events} <= {"new"}
        assert all(online(node, *users) for node in cluster)
        assert [peer["reconnects"] for node in cluster for peer in node.peers().values()] == links, "no link was closed"


def test_a_node_that_begins_with_a_wrong_clock_is_refused_and_its_time_is_nobody_elses(clock):
    week = 7 * 86_400
    with Cluster(hosts=on_loopback(clock.prefix)) as cluster:
        a, b, c = cluster.start()
        c.stop()
        clock.set(week)
        c.start().wait_until_ready()
        c.client.set("k", "of next week")
        c.ask("PRESENCE.CONNECT", key("ann"), "s", "EX", 60)
        eventually(lambda: "max-clock-offset" in c.log and "max-clock-offset" in a.log)
        said = [line for line in a.log.splitlines() if "max-clock-offset" in line]
        assert "set the clock that is wrong" in said[0] and "no link with node c" in said[0], said
        assert a.info()["connected_slaves"] == b.info()["connected_slaves"] == 1 and c.info()["connected_slaves"] == 0
        assert a.client.get("k") is None and a.status("ann") == "offline"
        # The others' stamps are of today.
        a.client.set("k", "of today")
        eventually(lambda: b.client.get("k") == "of today")
        seconds, _ = a.ask("TIME")
        assert abs(int(seconds) - time.time()) < 2
        # With its clock set right it is one of them again, and takes what they have.
        c.stop()
        clock.set(0)
        c.start()
        cluster.wait_until_linked()
        assert c.client.get("k") == "of today"


def test_a_node_that_comes_back_as_of_an_older_start_is_refused(clock):
    with Cluster(settings=("--max-clock-offset", "60s"), hosts=on_loopback(clock.prefix)) as cluster:
        a, b, c = cluster.start()
        a.client.set("k", "1")
        c.kill()
        # By its clock it begins before it began last.
        clock.set(-30)
        c.start().wait_until_ready()
        c.client.set("k", "of an old start")
        eventually(lambda: "was seen in incarnation" in a.log and "was seen in incarnation" in b.log)
        said = [line for line in a.log.splitlines() if "was seen in incarnation" in line]
        assert "no link with node c" in said[0] and "is it running twice, or was its clock set back?" in said[0], said
        eventually(lambda: a.shown()["c"][0] == "master,fail")
        assert a.info()["connected_slaves"] == 1
        # It tries again and again, and takes each for a link until it is refused.
        eventually(lambda: c.info()["connected_slaves"] == 0)
        assert a.client.get("k") == b.client.get("k") == "1"
        c.stop()
        clock.set(0)
        c.start().wait_until_ready()
        cluster.wait_until_linked()
        assert c.client.get("k") == "1"


# What differs in silence

def test_what_differs_in_silence_is_found_mended_and_counted_within_a_minute():
    with Cluster(settings=("--enable-debug-command", "yes")) as cluster:
        a, b, c = cluster.start()
        for number in range(500):
            a.client.set(f"k{number}", "v")
            a.ask("PRESENCE.CONNECT", key(f"u{number}"), "s", "EX", 250)
        cluster.wait_until_equal([f"u{number}" for number in range(500)], [f"k{number}" for number in range(500)])
        # What was on its way when the links were new has been compared.
        time.sleep(3)
        before = {node: node.info()["cluster_ranges_mended"] for node in cluster}
        assert a.ask("DEBUG", "TELL-PEERS", "no") == "OK"
        a.client.set("k0", "other")
        a.client.set("fresh", "1")
        a.client.delete("k1")
        a.ask("PRESENCE.DISCONNECT", key("u0"), "s")
        a.ask("PRESENCE.CONNECT", key("someone"), "s", "EX", 250)
        a.ask("PRESENCE.SET", key("u1"), "STATUS", "dnd")
        a.ask("PRESENCE.FRIEND", key("u2"), key("u3"))
        assert a.ask("DEBUG", "TELL-PEERS", "yes") == "OK"
        a.client.set("told", "1")
        eventually(lambda: b.client.get("told") == c.client.get("told") == "1")
        planted = time.monotonic()
        keys = ["k0", "k1", "fresh"]
        users = ["u0", "u1", "someone"]
        assert a.client.mget(keys) == ["other", None, "1"] and a.statuses(users) == ["offline", "dnd", "online"]
        if all(node.info()["cluster_ranges_mended"] == before[node] for node in cluster):
            assert b.client.mget(keys) == c.client.mget(keys) == ["v", "v", None], "nobody told them"
            assert b.statuses(users) == ["online", "online", "offline"]
        cluster.wait_until_equal(users, keys, MENDED)
        assert time.monotonic() - planted < MENDED
        assert b.client.mget(keys) == ["other", None, "1"] and c.statuses(users) == ["offline", "dnd", "online"]
        after = {node: node.info()["cluster_ranges_mended"] for node in cluster}
        assert sum(after.values()) >= sum(before.values()) + 2, f"{before} and {after}: once with b, once with c"
        eventually(lambda: friends(b, "u2") == ["u3"], MENDED)


# A minute is over

def test_a_node_that_was_stopped_for_a_minute_brings_nothing_back_and_tells_nobody_offline(sleeper):
    cluster = sleeper.cluster
    a, b, c = cluster
    time.sleep(max(0, sleeper.stopped_at + STOPPED - time.monotonic()))
    assert online(a, *sleeper.LIVE) and online(b, *sleeper.LIVE)
    assert a.statuses(sleeper.SILENT + sleeper.CLOSED) == ["offline"] * 10
    # Clients of the cluster waited in vain for the one that was stopped until the others said so, and one of them not since. All was right that they read.
    told_at = sleeper.stopped_at + NOTICED + 3 * PATIENCE + SLACK
    for traffic in sleeper.clients.go_on(5):
        assert traffic.wrong_besides(sleeper.stopped_at) == [], f"{traffic.name}: {traffic.wrong}"
        if traffic.kind.leaves_silent_nodes:
            assert traffic.raised_after(told_at) == [], f"{traffic.name}: {traffic.raised}, stopped at {sleeper.stopped_at}"
            assert traffic.longest_pause() < told_at - sleeper.stopped_at, f"{traffic.name}: {traffic.longest_pause()}"
    c.go_on()
    woken = time.monotonic()
    # What its clients read, from the first instant on.
    looks = 0
    while time.monotonic() < woken + 3:
        assert online(c, *sleeper.LIVE), f"{dict(zip(sleeper.LIVE, c.statuses(sleeper.LIVE)))} {time.monotonic() - woken} s later"
        looks += 1
    assert looks > 10
    cluster.wait_until_linked()
    keys = [f"k{number}" for number in range(20)] + ["fresh"]
    everybody = sleeper.LIVE + sleeper.SILENT + sleeper.CLOSED + sleeper.SET
    statuses, strings = cluster.wait_until_equal(everybody, keys)
    assert strings == ["new"] * 10 + [None] * 5 + ["old"] * 5 + ["1"]
    assert statuses == ["online"] * len(sleeper.LIVE) + ["offline"] * 10 + ["dnd"] * 5
    for node in cluster:
        assert node.ask("PRESENCE.GET", key("set0"))[9] == "reading"
        assert node.ask("PRESENCE.VIEW", key("bob"), key("ann")) == ["offline"]
        assert node.ask("PRESENCE.VIEW", key("cid"), key("ann")) == ["online"]
        assert friends(node, "ann") == ["cid"]
    # What its own clients were told meanwhile, and until well after nobody is held any more.
    told = [json.loads(data) for _, data, _ in sleeper.ear.listen(max(0, woken + HELD + 3 - time.monotonic()))]
    offline = [event["userId"] for event in told if event["newStatus"] == "offline"]
    assert sorted(offline) == sorted(sleeper.SILENT + sleeper.CLOSED)
    rows = [row for _, data, _ in sleeper.watch.listen(0.5) for row in json.loads(data)["rows"]]
    assert sorted(row[0] for row in rows if row[1] == "offline") == sorted(sleeper.SILENT + sleeper.CLOSED)
    # Nor was anything of its coming back to be seen by them, but that it answers.
    for traffic in sleeper.clients.go_on():
        back = woken + PATIENCE + SLACK
        assert traffic.raised_after(back) == [], f"{traffic.name}: {traffic.raised}"
        assert traffic.wrong_besides(sleeper.stopped_at) == [], f"{traffic.name}: {traffic.wrong}"
        assert traffic.longest_pause(since=back) < 2 * PATIENCE, f"{traffic.name}: {traffic.longest_pause(since=back)}"
    sleeper.moved.stop()
    sleeper.elsewhere.stop()
    assert sleeper.moved.lost == [] and sleeper.elsewhere.lost == []
    # At the others each end was told once, when it was.
    for name, events in sleeper.ears.of("offline").items():
        assert sorted(user for _, user, _, _ in events) == sorted(sleeper.SILENT + sleeper.CLOSED), name
        assert all(at < woken for at, _, _, _ in events), name
