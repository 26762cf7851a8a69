"""Three nodes as three processes on the loopback interface: what one is told, all know; and what is left of it when one dies, stops, comes back."""

import json
import os
import socket
import subprocess
import time

import pytest
import redis
import valkey.cluster

from cluster import Cluster, cluster, online
from cluster_load import Beating, Ears, Events, Task, key
from harness import NODE, NODE_MODULES, REDIS_CLI, SLACK, Ear, eventually
from relay import Relay

# A peer that died is noticed within it.
NOTICED = 2.0
# Within it what differs in silence is found and mended.
MENDED = 60
# The shortest life of a session, in milliseconds.
TTL = 5_000


@pytest.fixture(scope="module")
def shared():
    """A cluster for all tests that leave its nodes alone."""
    with Cluster() as cluster:
        yield cluster.start()


@pytest.fixture
def trio(shared):
    """The same, with nothing in it."""
    a, b, c = shared
    a.client.flushall()
    eventually(lambda: all(node.client.dbsize() == 0 for node in shared), 10)
    return a, b, c


# What one node is told

def test_a_user_who_connects_at_one_node_is_online_at_all(trio):
    a, b, c = trio
    assert a.ask("PRESENCE.CONNECT", key("ann"), "phone", "DEVICE", "mobile", "EX", 60) == 1
    eventually(lambda: online(b, "ann") and online(c, "ann"))
    assert b.client.get(key("ann")) == c.client.get(key("ann")) == a.client.get(key("ann"))
    # Sessions of one user may be at several nodes.
    assert c.ask("PRESENCE.CONNECT", key("ann"), "laptop", "EX", 60) == 2
    eventually(lambda: all(len(node.ask("PRESENCE.SESSIONS", key("ann"))) == 2 for node in (a, b)))
    assert b.ask("PRESENCE.DISCONNECT", key("ann"), "phone") == 1
    assert b.ask("PRESENCE.DISCONNECT", key("ann"), "laptop") == 1
    eventually(lambda: all(node.status("ann") == "offline" for node in trio))


def test_beats_at_one_node_keep_a_user_online_at_all(trio):
    a, b, c = trio
    events = [Events(node) for node in trio]
    a.ask("PRESENCE.CONNECT", key("ben"), "s", "PX", TTL)
    eventually(lambda: online(b, "ben") and online(c, "ben"))
    end = time.monotonic() + 2.4 * TTL / 1_000
    while time.monotonic() < end:
        assert a.ask("PRESENCE.BEAT", key("ben"), "s") == 1
        assert [node.status("ben") for node in trio] == ["online"] * 3
        time.sleep(0.2)
    assert [heard.heard(0.2) for heard in events] == [[("ben", "online")]] * 3
    # Then he falls silent, which all nodes find out, and say once.
    eventually(lambda: all(node.status("ben") == "offline" for node in trio), 10)
    assert [heard.heard(3) for heard in events] == [[("ben", "online"), ("ben", "offline")]] * 3
    for heard in events:
        heard.close()


def test_a_session_goes_on_at_another_node(trio):
    a, b, c = trio
    events = [Events(node) for node in trio]
    a.ask("PRESENCE.CONNECT", key("cleo"), "s", "PX", TTL)
    eventually(lambda: online(b, "cleo") and online(c, "cleo"))
    end = time.monotonic() + 2.4 * TTL / 1_000
    turn = 0
    while time.monotonic() < end:
        assert trio[turn % 3].ask("PRESENCE.BEAT", key("cleo"), "s") == 1, f"at {trio[turn % 3]}"
        turn += 1
        time.sleep(0.3)
    assert [heard.heard(0.3) for heard in events] == [[("cleo", "online")]] * 3
    for heard in events:
        heard.close()


def test_subscribers_and_watchers_of_every_node_hear_each_change_once(trio):
    users = [f"u{number}" for number in range(30)]
    events = [Events(node) for node in trio]
    frames = [Ear(node.connect(), f"presence.watch:w{node.name}") for node in trio]
    for node in trio:
        node.ask("PRESENCE.WATCH", key(f"w{node.name}"), *map(key, users))
    for index, user in enumerate(users):
        trio[index % 3].ask("PRESENCE.CONNECT", key(user), "s", "EX", 60)
    for index, user in enumerate(users):
        trio[(index + 1) % 3].ask("PRESENCE.SET", key(user), "STATUS", "dnd")
    eventually(lambda: all(node.statuses(users) == ["dnd"] * 30 for node in trio))
    # A list tells what differs once a push-window: who comes and goes within one was never away.
    time.sleep(0.3)
    for index, user in enumerate(users):
        trio[(index + 2) % 3].ask("PRESENCE.DISCONNECT", key(user), "s")
    eventually(lambda: all(node.statuses(users) == ["offline"] * 30 for node in trio))
    for node, heard in zip(trio, events):
        by_user = {}
        for user, status in heard.heard(1):
            by_user.setdefault(user, []).append(status)
        # A node may have been told of two changes at once; none is told twice, and all end the same.
        for user in users:
            told = by_user[user]
            assert told in (["online", "dnd", "offline"], ["dnd", "offline"], ["online", "offline"], ["offline"]), \
                f"{node}: {user} {told}"
        heard.close()
    for node, ear in zip(trio, frames):
        last = {}
        for _, data, _ in ear.listen(0.5):
            for row in json.loads(data)["rows"]:
                assert last.get(row[0]) != row[1], f"{node}: {row} twice"
                last[row[0]] = row[1]
        assert last == {user: "offline" for user in users}
        ear.close()


def test_who_is_blocked_sees_nothing_at_any_node_once_block_has_answered(trio):
    a, b, c = trio
    a.ask("PRESENCE.CONNECT", key("dora"), "s", "EX", 60)
    eventually(lambda: online(b, "dora") and online(c, "dora"))
    for number in range(100):
        stalker = key(f"stalker{number}")
        assert a.ask("PRESENCE.BLOCK", key("dora"), stalker) == 1
        assert b.ask("PRESENCE.VIEW", stalker, key("dora")) == ["offline"]
        assert c.ask("PRESENCE.VIEW", stalker, key("dora")) == ["offline"]
    assert a.info()["block_waits_timed_out"] == 0


def test_settings_of_a_user_are_everywhere(trio):
    a, b, c = trio
    a.ask("PRESENCE.CONNECT", key("eve"), "s", "EX", 60)
    b.ask("PRESENCE.FRIEND", key("eve"), key("fay"))
    c.ask("PRESENCE.SET", key("eve"), "STATUS", "away", "ACTIVITY", "reading", "VISIBILITY", "friends")
    for node in trio:
        def look(node=node):
            return node.ask("PRESENCE.VIEW", key("fay"), key("eve")) == ["away"] \
                and node.ask("PRESENCE.VIEW", key("gus"), key("eve")) == ["offline"]
        eventually(look)
        assert node.ask("PRESENCE.GET", key("eve"))[9] == "reading"


def test_strings_are_everywhere(trio):
    a, b, c = trio
    for number in range(300):
        trio[number % 3].client.set(f"k{number}", f"v{number}", ex=None if number % 2 else 100)
    keys = [f"k{number}" for number in range(300)]
    eventually(lambda: all(node.client.mget(keys) == [f"v{number}" for number in range(300)] for node in trio))
    assert all(90 < node.client.ttl("k0") <= 100 and node.client.ttl("k1") == -1 for node in trio)
    # The last write holds, wherever it was made.
    a.client.set("x", "1")
    eventually(lambda: b.client.get("x") == "1")
    b.client.set("x", "2")
    eventually(lambda: all(node.client.get("x") == "2" for node in trio))
    assert c.client.delete("x", *keys[:100]) == 101
    eventually(lambda: all(node.client.exists("x", *keys) == 200 for node in trio))
    a.client.set("y", "soon", px=300)
    eventually(lambda: b.client.get("y") == "soon" or True)
    eventually(lambda: all(node.client.get("y") is None for node in trio), 3)


def test_a_flush_is_everywhere_and_what_is_written_after_it_stays(trio):
    a, b, c = trio
    for number in range(2_000):
        trio[number % 3].client.set(f"k{number}", "v")
    b.ask("PRESENCE.CONNECT", key("hal"), "s", "EX", 60)
    eventually(lambda: all(node.client.dbsize() == 2_001 for node in trio))
    assert c.client.flushall()
    c.client.set("after", "1")
    eventually(lambda: all(node.client.dbsize() == 1 and node.client.get("after") == "1" for node in trio))
    assert all(node.status("hal") == "offline" for node in trio)


def test_commands_that_read_and_then_write_say_that_several_nodes_cannot(trio):
    a = trio[0]
    for words in (["INCR", "n"], ["APPEND", "n", "x"], ["SETNX", "n", "1"], ["SET", "n", "1", "NX"], ["GETDEL", "n"]):
        with pytest.raises(redis.ResponseError, match="reads and then writes"):
            a.ask(*words)
    assert a.client.exists("n") == 0


# What is told of the cluster

def test_wait_answers_when_the_others_have_it(trio):
    a = trio[0]
    for number in range(200):
        a.client.set(f"k{number}", "v")
        assert a.client.wait(2, 5_000) == 2
        assert [node.client.get(f"k{number}") for node in trio[1:]] == ["v", "v"]
    begin = time.monotonic()
    assert a.client.wait(3, 300) == 2
    assert time.monotonic() - begin >= 0.3
    assert a.client.wait(0, 300) == 2


def test_info_tells_of_links(trio):
    a, b, c = trio
    eventually(lambda: a.info()["slave0"]["state"] == a.info()["slave1"]["state"] == "online")
    info = a.info()
    assert (info["role"], info["connected_slaves"], info["cluster_ready"], info["draining"]) == ("master", 2, 1, 0)
    assert info["slave0"]["state"] == "online" and info["slave0"]["port"] in (b.port, c.port)
    peers = a.peers()
    assert set(peers) == {"b", "c"}
    for peer in peers.values():
        assert peer["state"] == "alive" and peer["link"] in ("to", "from")
        assert abs(int(peer["clock_offset_us"])) < 50_000
        assert peer["bytes_sent"] > 0 and peer["bytes_received"] > 0
    assert {b.peers()["a"]["link"], peers["b"]["link"]} == {"to", "from"}, "one side dialed"
    eventually(lambda: all(peer["behind"] == 0 for peer in a.peers().values()))
    eventually(lambda: {a.info()[slave]["offset"] for slave in ("slave0", "slave1")} == {a.info()["master_repl_offset"]})
    assert len(a.ask("CLUSTER", "LINKS")) == 2
    said = dict(line.split(":") for line in a.server.cli("CLUSTER", "INFO").split())
    assert int(said["cluster_stats_messages_sent"]) > 10 and int(said["cluster_stats_messages_received"]) > 10
    for line in a.server.cli("CLUSTER", "NODES").splitlines():
        if "myself" not in line:
            assert abs(int(line.split()[5]) - 1_000 * time.time()) < 2_000, "a pong came lately"


def test_redis_cli_and_its_cluster_tools(trio):
    a, b, c = trio
    lines = "SET a 1\nGET a\nSET b 2\nGET b\nCLUSTER KEYSLOT a\n"
    assert a.server.cli(options=["-c"], input=lines).splitlines() == ["OK", "1", "OK", "2", "15495"]
    eventually(lambda: all(node.client.dbsize() == 2 for node in trio))
    info = subprocess.run(
        [REDIS_CLI, "--cluster", "info", f"127.0.0.1:{a.port}"], capture_output=True, text=True, timeout=30, check=True).stdout
    for node in trio:
        assert f"127.0.0.1:{node.port} (" in info
    assert info.count("-> 2 keys | ") == 3 and "[OK] 6 keys in 3 masters." in info
    check = subprocess.run(
        [REDIS_CLI, "--cluster", "check", f"127.0.0.1:{b.port}"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert "[OK] All nodes agree about slots configuration." in check
    assert "[OK] All 16384 slots covered." in check


@pytest.mark.parametrize("make", [redis.RedisCluster, valkey.cluster.ValkeyCluster])
def test_cluster_clients_spread_over_all_nodes(trio, make):
    a = trio[0]
    before = [node.info("stats")["total_commands_processed"] for node in trio]
    with make(host=a.host, port=a.port, decode_responses=True) as client:
        assert len(client.get_nodes()) == 3
        for number in range(600):
            assert client.set(f"key:{number}", number)
        eventually(lambda: all(node.client.dbsize() == 600 for node in trio))
        assert [client.get(f"key:{number}") for number in range(600)] == [str(number) for number in range(600)]
    after = [node.info("stats")["total_commands_processed"] for node in trio]
    assert all(now - then > 200 for now, then in zip(after, before))


# Who is not let in

def test_the_peer_port_takes_no_garbage(shared):
    a, b, c = shared
    before = a.info()
    for data in (b"", b"PING\r\n" * 100, b"\x16\x03\x01" + bytes(500), os.urandom(4_096), b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((a.peer_host, a.peer_port), timeout=10) as stranger:
            stranger.sendall(data)
            if data:
                stranger.shutdown(socket.SHUT_WR)
                try:
                    while stranger.recv(4_096):
                        pass
                except ConnectionResetError:
                    pass
    after = a.info()
    assert after["connected_slaves"] == 2
    assert [peer["reconnects"] for peer in a.peers().values()] == [
        peer["reconnects"] for key_, peer in sorted(before.items()) if key_.startswith("peer")]
    eventually(lambda: str(a.info()["cluster_refusals"]) != str(before["cluster_refusals"]))


@pytest.mark.parametrize("wrong", ["secret", "cluster name"])
def test_a_stranger_is_not_let_in_and_the_others_go_on(cluster, wrong):
    a, b, c = cluster
    c.stop()
    eventually(lambda: a.info()["connected_slaves"] == 1)
    secret, conf = cluster.secret.read_text(), cluster.conf.read_text()
    try:
        if wrong == "secret":
            cluster.write("shop", "5a" * 32)
        else:
            cluster.write("shed", secret.strip())
        c.start()
        time.sleep(2)
        assert c.info()["connected_slaves"] == 0
        assert a.info()["connected_slaves"] == b.info()["connected_slaves"] == 1
        c.client.set("theirs", "1")
        a.client.set("ours", "1")
        eventually(lambda: b.client.get("ours") == "1")
        assert a.client.get("theirs") is None and c.client.get("ours") is None
        said = a.log + b.log + c.log
        assert "a node with another secret-file or cluster name" in said, said
        c.stop()
    finally:
        cluster.secret.write_text(secret)
        cluster.conf.write_text(conf)
    c.start()
    cluster.wait_until_linked()
    eventually(lambda: c.client.get("ours") == "1")


def refused(node):
    """How often it refused whom, by the reason."""
    return {reason: int(count) for reason, count in (
        part.split("=") for part in node.server.cli("INFO", "replication").split("cluster_refusals:")[1].split()[0].split(","))}


def test_what_was_overheard_between_nodes_is_no_use_when_it_is_said_again():
    with Cluster("ab") as cluster:
        a, b = cluster
        b.start()
        with Relay(b.peer_host, b.peer_port) as relay:
            # What a is told: b is where the relay is.
            b.peer_port, real = relay.port, b.peer_port
            cluster.write("shop", cluster.secret.read_text().strip())
            a.start()
            cluster.wait_until_linked()
            for number in range(50):
                a.client.set(f"k{number}", "overheard")
                a.ask("PRESENCE.CONNECT", key(f"u{number}"), "s", "EX", 200)
            eventually(lambda: b.client.dbsize() == 100)
            b.client.delete(*[f"k{number}" for number in range(50)])
            b.client.set("k0", "later")
            eventually(lambda: a.client.dbsize() == 51)
            links = a.peers()["b"]["reconnects"]
            heard = relay.records(len(relay.recorded) - 1)
            assert len(heard) > 20 and sum(map(len, heard)) > 5_000
            # The handshake and all that followed it, to the port, at once and record by record.
            before = refused(b)
            for parts in ([b"".join(heard)], heard, heard[1:], heard[-3:]):
                with socket.create_connection((b.peer_host, real), timeout=10) as stranger:
                    try:
                        for part in parts:
                            stranger.sendall(part)
                        stranger.shutdown(socket.SHUT_WR)
                        while stranger.recv(65_536):
                            pass
                    except TimeoutError:
                        raise
                    except OSError:
                        pass  # The node has ended it; which call notices first is chance.
            eventually(lambda: sum(refused(b).values()) >= sum(before.values()) + 4)
            assert b.client.dbsize() == a.client.dbsize() == 51 and b.client.get("k0") == "later"
            assert (a.peers()["b"]["reconnects"], a.info()["connected_slaves"]) == (links, 1), "the link was there all along"
            # A record that came already, and one that is not as it was sent, within the link: it ends, another one begins, nothing is lost.
            for number, disturb in enumerate([lambda: relay.say(heard[-1]), relay.spoil]):
                disturb()
                a.client.set("k1", f"after {number}")
                eventually(lambda: a.peers()["b"]["reconnects"] == links + number + 1, 10)
                cluster.wait_until_linked()
                eventually(lambda: b.client.get("k1") == f"after {number}")
            assert b.client.dbsize() == 52 and b.client.get("k0") == "later"
            assert b.statuses([f"u{number}" for number in range(50)]) == ["online"] * 50
            assert "TLS" in b.log


# Losing nodes

def test_a_node_that_dies_is_noticed_and_its_users_stay_online_where_they_beat(cluster):
    a, b, c = cluster
    users = [f"u{number}" for number in range(30)]
    ears = Ears(cluster)
    beating = Beating([c, a, b], users, ttl_ms=TTL)
    eventually(lambda: all(online(node, *users) for node in cluster))
    died = time.monotonic()
    c.kill()
    eventually(lambda: all(node.shown()["c"][0] == "master,fail" for node in (a, b)), NOTICED + SLACK)
    assert time.monotonic() - died < NOTICED + SLACK
    shown = a.shown()
    assert shown["c"][1] == 0 and shown["a"][1] + shown["b"][1] == 16384
    assert a.peers()["c"]["state"] == "down" and a.peers()["c"]["cause"]
    # What it knew last was known to the others: nobody who beats is told offline.
    time.sleep(9)
    beating.stop()
    assert beating.lost == []
    assert all(online(node, *users) for node in (a, b))
    offline = ears.of("offline")
    assert offline == {"a": [], "b": [], "c": []}
    ears.stop()


@pytest.mark.parametrize("how", ["SHUTDOWN DRAIN 1", "SIGTERM"])
def test_a_node_that_ends_hands_the_last_heartbeats_over(cluster, how):
    a, b, c = cluster
    users = [f"u{number}" for number in range(300)]
    for user in users:
        c.ask("PRESENCE.CONNECT", key(user), "s", "PX", 10_000)
    # What the others know of by themselves is told before that, and once a TTL.
    begin = time.monotonic()
    time.sleep(7.5)
    for user in users:
        assert c.ask("PRESENCE.BEAT", key(user), "s") == 1
    beaten = time.monotonic()
    if how == "SIGTERM":
        c.server.process.terminate()
    else:
        c.server.raw().send(how.encode() + b"\r\n")
    c.server.process.wait(10)
    # Behind the deadline and the margin of what was told when they connected.
    time.sleep(begin + 12.5 - time.monotonic())
    assert a.statuses(users) == b.statuses(users) == ["online"] * len(users)
    time.sleep(beaten + 12.5 - time.monotonic())
    assert a.statuses(users) == b.statuses(users) == ["offline"] * len(users)


def test_users_of_a_dead_node_who_beat_nowhere_end_on_time(cluster):
    a, b, c = cluster
    ears = Ears([a, b])
    for number in range(20):
        c.ask("PRESENCE.CONNECT", key(f"u{number}"), "s", "PX", TTL)
    eventually(lambda: all(online(node, *[f"u{n}" for n in range(20)]) for node in (a, b)))
    c.kill()
    begin = time.monotonic()
    users = [f"u{number}" for number in range(20)]
    eventually(lambda: all(node.statuses(users) == ["offline"] * 20 for node in (a, b)), 10)
    # Their deadline, and the margin in which their home might have spoken.
    assert 4 < time.monotonic() - begin < 5 + 2 + SLACK
    time.sleep(0.5)
    ears.stop()
    assert [len(events) for events in ears.of("offline").values()] == [20, 20]


def test_a_node_that_comes_back_copies_before_it_is_ready(cluster):
    a, b, c = cluster
    count = 20_000
    with a.connect().pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.execute_command("PRESENCE.CONNECT", key(f"u{number}"), "s", "EX", 250)
        for number in range(count):
            pipe.set(f"k{number}", "v")
        pipe.execute()
    eventually(lambda: c.client.dbsize() == 2 * count, 20)
    c.kill()
    a.ask("PRESENCE.CONNECT", key("late"), "s", "EX", 250)
    a.client.delete("k0")
    eventually(lambda: a.shown()["c"][0] == "master,fail")
    c.start()
    # As soon as it says that it is ready, it knows all.
    eventually(lambda: c.info()["cluster_ready"] == 1, 60)
    assert c.client.dbsize() == 2 * count
    assert c.status("late") == "online" and c.client.get("k0") is None
    cluster.wait_until_linked()
    eventually(lambda: "copied everything from" in c.log)


def test_a_node_that_was_stopped_for_a_while_goes_on_and_its_old_state_does_not_win(cluster):
    a, b, c = cluster
    users = [f"u{number}" for number in range(20)]
    c.ask("PRESENCE.CONNECT", key("old"), "s", "EX", 200)
    c.client.set("k", "old")
    eventually(lambda: online(a, "old") and a.client.get("k") == "old")
    ears = Ears([a, b])
    beating = Beating([a, b], users, ttl_ms=TTL)
    eventually(lambda: online(c, *users))
    c.pause()
    a.ask("PRESENCE.DISCONNECT", key("old"), "s")
    a.client.set("k", "new")
    b.client.set("gone", "1")
    b.client.delete("gone")
    eventually(lambda: a.shown()["c"][0] == "master,fail", NOTICED + SLACK)
    time.sleep(10)
    c.go_on()
    cluster.wait_until_linked()
    eventually(lambda: all(node.client.get("k") == "new" and node.status("old") == "offline" for node in cluster))
    assert all(node.client.get("gone") is None for node in cluster)
    eventually(lambda: all(online(node, *users) for node in cluster))
    time.sleep(6)
    beating.stop()
    ears.stop()
    assert beating.lost == []
    assert [event[1] for events in ears.of("offline").values() for event in events] == ["old", "old"]


@pytest.mark.parametrize("make", [redis.RedisCluster, valkey.cluster.ValkeyCluster])
def test_cluster_clients_go_on_while_a_node_dies(cluster, make):
    a, b, c = cluster
    client = make(host=a.host, port=a.port, decode_responses=True, socket_timeout=2, socket_connect_timeout=1)
    counts = {"done": 0, "longest": 0.0}

    def work():
        number = counts["done"]
        begin = time.monotonic()
        while True:
            try:
                assert client.set(f"key:{number % 500}", number)
                assert client.execute_command("PRESENCE.CONNECT", key(f"u{number % 100}"), "s", "EX", 60) >= 1
                assert client.execute_command("PRESENCE.MGET", key(f"u{number % 100}")) == ["online"]
                break
            except (redis.ConnectionError, redis.TimeoutError, valkey.ConnectionError, valkey.TimeoutError,
                    redis.exceptions.ClusterError, valkey.exceptions.ClusterError,
                    redis.exceptions.RedisClusterException, valkey.exceptions.ValkeyClusterException):
                assert time.monotonic() - begin < 10, "no node serves"
                time.sleep(0.02)
        counts["longest"] = max(counts["longest"], time.monotonic() - begin)
        counts["done"] += 1

    task = Task(work)
    eventually(lambda: counts["done"] > 200, 20)
    c.kill()
    killed_at = counts["done"]
    time.sleep(4)
    eventually(lambda: counts["done"] > killed_at + 200, 30)
    task.stop()
    assert counts["longest"] < NOTICED + 1
    client.close()
    # What the dead node had told one and not the other, comparisons find.
    keys = [f"key:{number}" for number in range(500)]
    eventually(lambda: a.client.mget(keys) == b.client.mget(keys), MENDED)


NODE_SCRIPT = """
const redis = require('redis');
const out = { done: 0, longest: 0, looks: 0 };
const pause = (time) => new Promise((go) => setTimeout(go, time));
async function main() {
  const cluster = redis.createCluster({
    rootNodes: process.env.URLS.split(' ').map((url) => ({ url })),
    defaults: { socket: { connectTimeout: 1000, reconnectStrategy: () => new Error('it is gone') } },
  });
  cluster.on('error', () => {});
  await cluster.connect();
  out.masters = cluster.getMasters().length;
  console.log('ready');
  let stop = false;
  process.stdin.on('data', () => { stop = true; });
  while (!stop) {
    const begin = Date.now();
    for (;;) {
      try {
        const n = out.done;
        const user = 'presence:user:u' + n % 100;
        await cluster.set('key:' + n % 500, String(n));
        const count = await cluster.sendCommand(user, false, ['PRESENCE.CONNECT', user, 's', 'EX', '60']);
        const [status] = await cluster.sendCommand(user, true, ['PRESENCE.MGET', user]);
        if (count < 1 || status !== 'online') throw new TypeError(count + ' ' + status);
        break;
      } catch (error) {
        if (error instanceof TypeError || Date.now() - begin > 10000) throw error;
        // This library takes the map of slots anew when it is told MOVED, and else when it is asked to.
        out.looks++;
        await pause(20);
        await cluster.connect().catch(() => {});
      }
    }
    out.longest = Math.max(out.longest, Date.now() - begin);
    out.done++;
    if (out.done % 100 === 0) console.log(out.done);
  }
  out.lost = [...Array(16384).keys()].filter((slot) => !cluster.getSlotMaster(slot).client.isOpen).length;
  // It remembers the dead node, and will not end what is ended.
  await cluster.disconnect().catch(() => {});
  console.log(JSON.stringify(out));
  process.exit(0);
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


def test_node_redis_as_a_cluster_goes_on_while_a_node_dies(cluster):
    a, b, c = cluster
    urls = " ".join(f"redis://{node.host}:{node.port}" for node in (a, b))
    process = subprocess.Popen(
        [NODE, "-e", NODE_SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"NODE_PATH": str(NODE_MODULES), "URLS": urls})
    lines = []
    reader = Task(lambda: lines.append(process.stdout.readline()) or (lines[-1] or time.sleep(0.1)))
    try:
        eventually(lambda: "300\n" in lines, 30)
        c.kill()
        killed_at = int(lines[-1])
        eventually(lambda: int(lines[-1]) >= killed_at + 1_000, 30)
    finally:
        process.stdin.write("stop\n")
        process.stdin.flush()
        code = process.wait(timeout=30)
        eventually(lambda: not lines or lines[-1] == "", 10)
        reader.stop()
    assert code == 0
    out = json.loads([line for line in lines if line.startswith("{")][0])
    assert (out["masters"], out["lost"]) == (3, 0)
    assert out["looks"] > 0 and out["done"] > killed_at + 1_000
    assert out["longest"] < 1_000 * (NOTICED + 1), out
    keys = [f"key:{number}" for number in range(500)]
    eventually(lambda: a.client.mget(keys) == b.client.mget(keys), MENDED)
    last = out["done"] - 1
    assert a.client.get(f"key:{last % 500}") == str(last)


def test_a_rolling_restart_under_load_tells_nobody_offline(cluster):
    users = [f"u{number}" for number in range(60)]
    ears = Ears(cluster)
    beating = Beating(cluster, users, ttl_ms=TTL)
    eventually(lambda: all(online(node, *users) for node in cluster))
    for node in cluster:
        # The client's connection is the last to end, with the process.
        with pytest.raises(redis.ConnectionError):
            node.connect(socket_timeout=20).execute_command("SHUTDOWN", "DRAIN", "3")
        node.wait_for_end(10)
        others = [other for other in cluster if other is not node]
        eventually(lambda: all(other.shown()[node.name][1] == 0 for other in others))
        node.start()
        cluster.wait_until_linked()
        eventually(lambda: online(node, *users))
    time.sleep(8)
    beating.stop()
    ears.stop()
    assert beating.lost == []
    assert ears.of("offline") == {node.name: [] for node in cluster}
    assert all(online(node, *users) for node in cluster)


@pytest.mark.parametrize("make", [redis.RedisCluster, valkey.cluster.ValkeyCluster])
def test_cluster_clients_notice_nothing_of_a_rolling_restart(cluster, make):
    a, b, c = cluster
    client = make(host=a.host, port=a.port, decode_responses=True, socket_timeout=5)
    done = [0]

    def work():
        # No error is caught: what the client tries again by itself is all that is allowed.
        done[0] += 1
        assert client.set(f"key:{done[0] % 500}", done[0])
        assert client.execute_command("PRESENCE.CONNECT", key(f"u{done[0] % 50}"), "s", "EX", 60) >= 1
        assert client.execute_command("PRESENCE.MGET", key(f"u{done[0] % 50}")) == ["online"]

    task = Task(work)

    def goes_on():
        before = done[0]
        eventually(lambda: task.check() or done[0] > before + 200, 20)

    for node in cluster:
        goes_on()
        raw = node.server.raw()
        raw.send(b"SHUTDOWN DRAIN 2\r\n")
        assert raw.rest() == b""
        node.wait_for_end(10)
        node.start()
        cluster.wait_until_linked()
    goes_on()
    task.stop()
    client.close()
    # Nothing that was answered is lost: every key has its last value, everywhere.
    last = {f"key:{number % 500}": str(number) for number in range(1, done[0] + 1)}
    eventually(lambda: all(node.client.mget(list(last)) == list(last.values()) for node in cluster))


def test_block_does_not_wait_for_a_node_that_is_stopped(cluster):
    a, b, c = cluster
    a.ask("PRESENCE.CONNECT", key("ann"), "s", "EX", 200)
    eventually(lambda: online(b, "ann") and online(c, "ann"))
    c.pause()
    begin = time.monotonic()
    assert a.ask("PRESENCE.BLOCK", key("ann"), key("bob")) == 1
    assert time.monotonic() - begin < NOTICED + SLACK
    assert b.ask("PRESENCE.VIEW", key("bob"), key("ann")) == ["offline"]
    # Once it is known to be gone, nobody waits.
    eventually(lambda: a.shown()["c"][0] == "master,fail", NOTICED + SLACK)
    begin = time.monotonic()
    assert a.ask("PRESENCE.BLOCK", key("ann"), key("cid")) == 1
    assert time.monotonic() - begin < SLACK
    c.go_on()
    cluster.wait_until_linked()
    eventually(lambda: c.ask("PRESENCE.VIEW", key("bob"), key("ann")) == c.ask("PRESENCE.VIEW", key("cid"), key("ann")) == ["offline"])


def test_a_node_that_drains_owns_no_slots_and_sends_newcomers_elsewhere(cluster):
    a, b, c = cluster
    raw = c.server.raw()
    raw.send(b"SHUTDOWN DRAIN 30\r\n")
    eventually(lambda: a.shown()["c"][1] == 0 and b.shown()["c"][1] == 0)
    with c.server.raw() as late:
        assert late.send(b"GET k\r\n").rest() == b""
    # What there is not is answered so, whether it is a command or a subcommand: libraries ask for what only newer servers have.
    with c.server.raw() as late:
        late.send(b"NOSUCH\r\nCLIENT NOSUCH\r\nINFO replication\r\n")
        assert b"unknown command" in late.reply() and b"unknown subcommand" in late.reply()
        assert b"draining:1" in late.reply()
    # To client libraries that is a node which cannot be reached.
    with pytest.raises(redis.ConnectionError):
        c.connect().ping()
    with redis.RedisCluster(host=a.host, port=a.port, decode_responses=True) as client:
        for number in range(200):
            assert client.set(f"k{number}", "v")
    assert "draining:1" in c.server.cli("INFO", "replication")
    assert c.server.cli("SHUTDOWN", "ABORT") == "OK"
    assert b"the server stays" in raw.reply()
    raw.close()
    cluster.wait_until_linked()


def test_a_node_without_room_for_a_copy_is_ready_and_says_what_it_lacks():
    users = 20_000
    with Cluster("ab") as cluster:
        a, b = cluster
        cluster.start("a")
        a.wait_until_ready()
        pipe = a.client.pipeline(transaction=False)
        for number in range(users):
            pipe.execute_command("PRESENCE.CONNECT", key(f"user-{number}"), "s", "EX", 120)
        pipe.execute()
        b.start("--maxmemory", "15mb").wait_until_ready()
        info, link = b.info(), b.peers()["a"]
        assert 0 < info["cluster_copy_images_refused"] < users
        assert int(link["copy_images_refused"]) == info["cluster_copy_images_refused"]
        assert "raise maxmemory" in str(link["last_failure"])
        eventually(lambda: "this node serves without all that it could not keep" in b.log)
        assert "cannot keep all that node a tells: no memory for what another node knows: raise maxmemory" in b.log
        assert "copied from node a what can be kept here" in b.log and "copied everything" not in b.log
        assert "knows everybody" not in b.log
        # What it had no room for comes once there is some.
        b.client.config_set("maxmemory", "0")
        eventually(lambda: b.client.dbsize() == users, MENDED)
