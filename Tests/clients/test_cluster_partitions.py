"""Three nodes in three network namespaces: links that are cut, slow, lossy, and the healing of it. Clients reach every node all along,
and two of them, of redis-py and GLIDE, write and read as clients of the cluster while links are cut and spoiled."""

import time

import pytest

from cluster import Cluster, online
from cluster_clients import AllAlong
from cluster_load import Beating, Ears, Events, key
from harness import SLACK, eventually
from wire import Wire

# A peer that is gone is noticed within it.
NOTICED = 2.0
# Every node answers by itself, so a client waits for no link: less than one that does would. A busy machine takes the most of it.
ANSWERED = 2.0


@pytest.fixture
def wire():
    with Wire() as wire:
        yield wire


@pytest.fixture
def cluster(wire):
    # Clients come from another address than the loopback's.
    with Cluster(settings=("--protected-mode", "no"), hosts=wire.hosts) as cluster:
        yield cluster.start()


@pytest.fixture
def clients(cluster):
    """Clients of the cluster that notice nothing, whatever its links do."""
    with AllAlong(cluster["a"]) as clients:
        yield clients
    clients.noticed_nothing(cluster, ANSWERED)


def is_down(node, *names):
    return all(node.shown()[name][0] == "master,fail" for name in names)


def test_a_link_that_is_down_for_five_seconds_loses_nobody(wire, cluster, clients):
    a, b, c = cluster
    users = [f"u{number}" for number in range(30)]
    ears = Ears(cluster)
    # A third of them beats at each node; all nodes know of all of them.
    beating = Beating(cluster, users, ttl_ms=12_000)
    eventually(lambda: all(online(node, *users, *clients.users) for node in cluster))
    wire.set_link("c", "down")
    begin = time.monotonic()
    eventually(lambda: is_down(a, "c") and is_down(b, "c") and is_down(c, "a", "b"), NOTICED + SLACK)
    # Sessions opened on both sides of the cut.
    a.ask("PRESENCE.CONNECT", key("left"), "s", "EX", 60)
    c.ask("PRESENCE.CONNECT", key("right"), "s", "EX", 60)
    a.ask("PRESENCE.CONNECT", key("both"), "one", "EX", 60)
    c.ask("PRESENCE.CONNECT", key("both"), "two", "EX", 60)
    time.sleep(max(0, 5 - (time.monotonic() - begin)))
    assert a.status("right") == "offline" and c.status("left") == "offline"
    wire.set_link("c", "up")
    cluster.wait_until_linked(30)
    eventually(lambda: all(online(node, "left", "right", "both", *users) for node in cluster))
    for node in cluster:
        assert len(node.ask("PRESENCE.SESSIONS", key("both"))) == 2
    time.sleep(3)
    beating.stop()
    ears.stop()
    assert beating.lost == []
    assert ears.of("offline") == {"a": [], "b": [], "c": []}
    # What a node missed it heard when it was told, once.
    for name in "abc":
        told = [user for _, user, status, _ in ears.heard[name] if status == "online" and user in ("left", "right", "both")]
        assert sorted(told) == ["both", "left", "right"], f"{name}: {told}"


def test_each_side_of_a_cut_goes_on_and_the_last_write_holds(wire, cluster):
    a, b, c = cluster
    a.client.set("k", "before")
    eventually(lambda: c.client.get("k") == "before")
    wire.cut("ab", "c")
    eventually(lambda: is_down(a, "c") and is_down(c, "a", "b"), NOTICED + SLACK)
    # Each side is shown to clients as the whole.
    assert sum(c.shown()[name][1] for name in "ab") == 0 and c.shown()["c"][1] == 16384
    for number in range(100):
        a.client.set(f"a{number}", "1")
        c.client.set(f"c{number}", "1")
    c.client.set("k", "right")
    time.sleep(0.05)
    b.client.set("k", "left")
    a.ask("PRESENCE.SET", key("x"), "STATUS", "dnd", "ACTIVITY", "left")
    a.ask("PRESENCE.CONNECT", key("x"), "s", "EX", 60)
    time.sleep(0.05)
    c.ask("PRESENCE.SET", key("x"), "ACTIVITY", "right")
    wire.heal()
    cluster.wait_until_linked(30)
    keys = ["k", *[f"a{n}" for n in range(100)], *[f"c{n}" for n in range(100)]]
    _, strings = cluster.wait_until_equal(["x"], keys)
    assert strings == ["left"] + ["1"] * 200
    assert [node.ask("PRESENCE.GET", key("x"))[9] for node in cluster] == ["right"] * 3
    assert [node.status("x") for node in cluster] == ["dnd"] * 3


def test_a_block_beyond_a_cut_is_answered_and_holds_once_it_heals(wire, cluster):
    a, b, c = cluster
    a.ask("PRESENCE.CONNECT", key("ann"), "s", "EX", 100)
    eventually(lambda: online(c, "ann"))
    wire.cut("ab", "c")
    begin = time.monotonic()
    assert a.ask("PRESENCE.BLOCK", key("ann"), key("bob")) == 1
    assert time.monotonic() - begin < 2 + SLACK, "until c is not reachable any more, or two seconds"
    assert b.ask("PRESENCE.VIEW", key("bob"), key("ann")) == ["offline"]
    wire.heal()
    cluster.wait_until_linked(30)
    eventually(lambda: c.ask("PRESENCE.VIEW", key("bob"), key("ann")) == ["offline"])
    assert c.ask("PRESENCE.VIEW", key("cid"), key("ann")) == ["online"]


def test_a_cut_in_one_direction_is_noticed_by_both_and_heals(wire, cluster, clients):
    a, b, c = cluster
    eventually(lambda: all(online(node, *clients.users) for node in cluster))
    wire.cut("a", "c", both=False)
    eventually(lambda: is_down(c, "a") and is_down(a, "c"), NOTICED + 1.5)
    # Both are well with b.
    assert b.shown()["a"][0] == b.shown()["c"][0] == "master"
    a.ask("PRESENCE.CONNECT", key("ann"), "s", "EX", 100)
    wire.heal()
    cluster.wait_until_linked(30)
    eventually(lambda: online(c, "ann"))


def test_lossy_and_slow_links_delay_what_is_told_and_lose_nothing(wire, cluster):
    a, b, c = cluster
    users = [f"u{number}" for number in range(30)]
    wire.spoil(loss=0.02, delay=(0.02, 0.06), duplicates=0.01)
    cluster.wait_until_linked(60)
    ears = Ears(cluster)
    clients = AllAlong(a)
    beating = Beating(cluster, users, ttl_ms=6_000)
    eventually(lambda: all(online(node, *users) for node in cluster), 20)
    for number in range(500):
        (a, b, c)[number % 3].client.set(f"k{number}", number)
    cluster.wait_until_equal(users, [f"k{number}" for number in range(500)], 30)
    assert c.client.get("k499") == "499"
    for index, user in enumerate(users[:10]):
        (b, c, a)[index % 3].ask("PRESENCE.SET", key(user), "STATUS", "away")
    eventually(lambda: all(node.statuses(users[:10]) == ["away"] * 10 for node in cluster), 20)
    time.sleep(8)
    clients.go_on().stop()
    clients.noticed_nothing(cluster, ANSWERED)
    beating.stop()
    ears.stop()
    assert beating.lost == []
    assert ears.of("offline") == {"a": [], "b": [], "c": []}
    lag = a.peers()["b"]["lag_p50_ms"]
    assert 20 < float(lag) < 2_000, lag


def test_nodes_that_flap_end_equal(wire, cluster):
    a, b, c = cluster
    ears = [Events(node) for node in cluster]
    for round in range(4):
        wire.cut(*["a|bc", "ab|c", "ac|b", "a|b|c"][round].split("|"))
        for number in range(50):
            cluster.nodes[number % 3].client.set(f"r{round}k{number}", "v")
            cluster.nodes[(number + round) % 3].ask("PRESENCE.CONNECT", key(f"r{round}u{number}"), "s", "EX", 200)
        time.sleep(1.2 if round % 2 else 2.5)
        wire.heal()
        time.sleep(0.7)
    cluster.wait_until_linked(30)
    users = [f"r{round}u{number}" for round in range(4) for number in range(50)]
    strings = [f"r{round}k{number}" for round in range(4) for number in range(50)]
    statuses, values = cluster.wait_until_equal(users, strings, 30)
    assert statuses == ["online"] * 200 and values == ["v"] * 200
    for heard in ears:
        assert sorted(heard.heard(1)) == sorted((user, "online") for user in users), f"{heard.node}"
        heard.close()


def test_two_full_nodes_that_meet_for_the_first_time_know_all_that_either_knew(wire):
    wire.cut("a", "b", "c")
    count = 3_000
    with Cluster(settings=("--protected-mode", "no"), hosts=wire.hosts) as cluster:
        for node in cluster:
            node.start()
        a, b, c = cluster
        # Each is ready by itself, once nobody answers.
        eventually(lambda: all(node.info()["cluster_ready"] == 1 for node in cluster), 10)
        for node in (a, b):
            with node.connect().pipeline(transaction=False) as pipe:
                for number in range(count):
                    pipe.execute_command("PRESENCE.CONNECT", key(f"{node.name}{number}"), "s", "DEVICE", "mobile", "EX", 280)
                    pipe.set(f"{node.name}:{number}", node.name)
                pipe.execute()
        # Of some both know something, and not the same: the first half was written last at b, the other at a.
        both = [f"both{number}" for number in range(100)]
        for first, second, part in ((a, b, both[:50]), (b, a, both[50:])):
            for node in (first, second):
                for name in part:
                    node.client.set(name, node.name)
                    node.ask("PRESENCE.SET", key(name), "STATUS", "away" if node is first else "dnd", "ACTIVITY", node.name)
                    node.ask("PRESENCE.CONNECT", key(name), f"at-{node.name}", "EX", 280)
                time.sleep(0.05)
        a.client.set("gone", "1")
        a.client.set("back", "1")
        time.sleep(0.05)
        b.client.set("gone", "2")
        b.client.delete("gone", "back")
        time.sleep(0.05)
        a.client.set("back", "2")
        a.ask("PRESENCE.BLOCK", key("both0"), key("bob"))
        b.ask("PRESENCE.FRIEND", key("both0"), key("cid"))
        assert a.client.exists("b:0", "both0") == 1 and b.status("a0") == "offline"
        wire.heal()
        cluster.wait_until_linked(30)
        users = [f"{name}{number}" for name in "ab" for number in range(count)] + both
        strings = [f"{name}:{number}" for name in "ab" for number in range(count)] + both + ["gone", "back"]
        statuses, values = cluster.wait_until_equal(users, strings, 60)
        assert statuses == ["online"] * 2 * count + ["dnd"] * 100
        assert values == ["a"] * count + ["b"] * count + ["b"] * 50 + ["a"] * 50 + [None, "2"]
        for node in cluster:
            assert node.client.dbsize() == 4 * count + 201, f"{node}: {node.client.dbsize()}"
            assert [node.ask("PRESENCE.GET", key(name))[9] for name in both] == ["b"] * 50 + ["a"] * 50
            for name in both:
                ids = [session[1] for session in node.ask("PRESENCE.SESSIONS", key(name))]
                assert sorted(ids) == ["at-a", "at-b"], f"{node}: {name} {ids}"
            assert node.ask("PRESENCE.VIEW", key("bob"), key("both0")) == ["offline"]
            assert node.ask("PRESENCE.VIEW", key("cid"), key("both0")) == ["dnd"]
        # Each brought the other what it had.
        assert a.peers()["b"]["images_merged"] >= 2 * count and b.peers()["a"]["images_merged"] >= 2 * count
