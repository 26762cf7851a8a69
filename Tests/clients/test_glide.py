"""Valkey GLIDE, whose core is another implementation than those of redis-py and valkey-py: one node, and a cluster that loses one and gets it back."""

import json
import pathlib
import subprocess
import sys
import time

import glide
import glide_sync
import pytest

from cluster import cluster
from cluster_load import Task, key
from glide_clients import LOST, Glide
from harness import eventually
from tls import SecureServer, file

# A peer that died is noticed within it.
NOTICED = 2.0
# Within it what differs in silence is found and mended.
MENDED = 60
ANN = key("ann")
KINDS = ["async", "sync"]


@pytest.fixture(scope="module")
def server():
    """Speaks plain text and TLS."""
    server = SecureServer("--notify-keyspace-events", "KEA")
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def alone(server, client, kind):
    """GLIDE's client of an empty server."""
    with Glide(kind, (server.host, server.port)) as glide_:
        yield glide_


# One node

def test_strings(alone):
    assert alone.set("k", "v") == "OK" and alone.get("k") == b"v" and alone.get("nobody") is None
    assert alone.mset({"a": "1", "b": "2"}) == "OK" and alone.mget(["a", "b", "c"]) == [b"1", b"2", None]
    assert alone.incr("n") == 1 and alone.incrby("n", 4) == 5
    assert alone.expire("k", 100) is True and alone.ttl("k") == 100
    assert alone.type("k") == b"string" and alone.exists(["k", "a", "c"]) == 2
    assert alone.delete(["a", "b"]) == 2 and alone.dbsize() == 2
    assert alone.ping() == b"PONG"
    cursor, keys = alone.scan("0")
    assert cursor == b"0" and sorted(keys) == [b"k", b"n"]


def test_presences(alone):
    assert alone.ask("PRESENCE.CONNECT", ANN, "phone", "DEVICE", "mobile", "EX", 60) == 1
    assert alone.ask("PRESENCE.BEAT", ANN, "phone") == 1
    assert alone.ask("PRESENCE.MGET", ANN, key("bob")) == [b"online", b"offline"]
    assert alone.ask("PRESENCE.GET", ANN)[b"status"] == b"online"
    assert alone.hgetall(ANN)[b"deviceType"] == b"mobile"
    assert alone.ask("PRESENCE.SESSIONS", ANN)[0][b"connectionId"] == b"phone"
    assert alone.ask("PRESENCE.DISCONNECT", ANN, "phone") == 1
    with pytest.raises(alone.module.RequestError, match="unknown command"):
        alone.ask("PRESENCE.NOSUCH")


def test_the_older_protocol_and_tls(server, client, kind):
    module = glide if kind == "async" else glide_sync
    with Glide(kind, (server.host, server.port), protocol=module.ProtocolVersion.RESP2) as older:
        assert older.ask("PRESENCE.CONNECT", ANN, "s", "EX", 60) == 1
        assert older.ask("PRESENCE.MGET", ANN) == [b"online"]
    with open(file("ca.pem"), "rb") as authority:
        trust = module.TlsAdvancedConfiguration(root_pem_cacerts=authority.read())
    advanced = module.AdvancedGlideClientConfiguration(tls_config=trust)
    with Glide(kind, (server.host, server.tls_port), use_tls=True, advanced_config=advanced) as secure:
        assert secure.ask("PRESENCE.MGET", ANN) == [b"online"]
        assert secure.set("k", "v" * 100_000) == "OK" and len(secure.get("k")) == 100_000


def test_batches(alone):
    batch = alone.module.Batch(is_atomic=True)
    batch.set("k", "1")
    batch.incr("k")
    batch.custom_command(["PRESENCE.CONNECT", ANN, "s", "EX", "60"])
    assert alone.exec(batch, raise_on_error=True) == ["OK", 2, 1]
    batch = alone.module.Batch(is_atomic=False)
    for number in range(500):
        batch.set(f"k{number}", str(number))
        batch.get(f"k{number}")
    answers = alone.exec(batch, raise_on_error=True)
    assert answers[1::2] == [str(number).encode() for number in range(500)]


def test_subscriptions(server, alone, kind):
    heard = []
    with Glide(kind, (server.host, server.port), channels=["user.status.changed", "hall"], patterns=["__keyspace@0__:*"], heard=heard) as ear:
        eventually(lambda: alone.pubsub_numsub(["hall"]) == {b"hall": 1} and ear.ping())
        assert alone.publish("hello", "hall") == 1
        alone.set("k", "v")
        alone.ask("PRESENCE.CONNECT", ANN, "s", "EX", 60)
        eventually(lambda: ear.ping() and {"hall", "user.status.changed", "__keyspace@0__:k"} <= {channel for channel, _ in heard})
    said = dict(heard)
    assert said["hall"] == "hello" and said["__keyspace@0__:k"] == "set"
    event = json.loads(said["user.status.changed"])
    assert (event["userId"], event["newStatus"]) == ("ann", "online")


@pytest.mark.parametrize("end", ["client.close()", "pass"], ids=["closed", "left"])
def test_its_threads_hold_up_nobody_who_ends(server, kind, end):
    """GLIDE's core has threads of its own: a process ends all the same, be the client closed or not."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from glide_clients import Glide\n"
        "client = Glide(sys.argv[2], (sys.argv[3], int(sys.argv[4])))\n"
        "print(client.set('k', 'v'))\n" + end)
    run = subprocess.run(
        [sys.executable, "-c", program, str(pathlib.Path(__file__).parent), kind, server.host, str(server.port)],
        capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stdout) == (0, "OK\n"), run.stderr


# A cluster

def test_a_cluster_client_spreads_over_all_nodes(cluster, kind):
    a = cluster["a"]
    with Glide(kind, (a.host, a.port), cluster=True) as client:
        before = [node.info("stats")["total_commands_processed"] for node in cluster]
        for number in range(600):
            assert client.set(f"key:{number}", str(number)) == "OK"
        eventually(lambda: all(node.client.dbsize() == 600 for node in cluster))
        assert [client.get(f"key:{number}") for number in range(600)] == [str(number).encode() for number in range(600)]
        after = [node.info("stats")["total_commands_processed"] for node in cluster]
        assert all(now - then > 200 for now, then in zip(after, before))
        # Several slots in one command, which GLIDE takes apart; and what it asks of all nodes.
        assert client.mset({f"m{number}": str(number) for number in range(50)}) == "OK"
        eventually(lambda: client.mget([f"m{number}" for number in range(50)]) == [str(number).encode() for number in range(50)])
        eventually(lambda: all(node.client.dbsize() == 650 for node in cluster))
        assert set(client.info()) == {f"{node.host}:{node.port}".encode() for node in cluster}
        cursor, keys = client.module.ClusterScanCursor(), set()
        while not cursor.is_finished():
            cursor, some = client.scan(cursor)
            keys.update(some)
        assert len(keys) == 650
        batch = client.module.ClusterBatch(is_atomic=False)
        for number in range(100):
            batch.get(f"key:{number}")
        assert client.exec(batch, raise_on_error=True) == [str(number).encode() for number in range(100)]


class Load:
    """Writes and reads at a cluster all along, in a thread of its own. `lost` may be raised, and is tried again; its client is closed with it."""

    def __init__(self, kind, node, lost=()):
        self.kind, self.node, self.lost = kind, node, lost
        self.client, self.done, self.longest, self.raised = None, 0, 0.0, []
        self._task = Task(self._step)

    def _step(self):
        if self.client is None:
            self.client = Glide(self.kind, (self.node.host, self.node.port), cluster=True, request_timeout=5_000)
        begin = time.monotonic()
        while True:
            try:
                number = self.done
                assert self.client.set(f"key:{number % 500}", str(number)) == "OK"
                assert self.client.ask("PRESENCE.CONNECT", key(f"u{number % 100}"), "s", "EX", 60) >= 1
                assert self.client.ask("PRESENCE.MGET", key(f"u{number % 100}")) == [b"online"]
                break
            except self.lost as problem:
                self.raised.append(repr(problem))
                assert time.monotonic() - begin < 10, f"no node serves: {problem!r}"
                time.sleep(0.02)
        self.longest = max(self.longest, time.monotonic() - begin)
        self.done += 1

    def goes_on(self, seconds=20):
        before = self.done
        eventually(lambda: self._task.check() or self.done > before + 200, seconds)

    def stop(self):
        self._task.stop()
        self.client.close()

    def is_everywhere(self, nodes):
        """Whether every key has its last value at all nodes."""
        last = {f"key:{number % 500}": str(number) for number in range(self.done)}
        return all(node.client.mget(list(last)) == list(last.values()) for node in nodes)


def test_a_cluster_client_goes_on_while_a_node_dies_and_uses_it_when_it_is_back(cluster, kind):
    a, b, c = cluster
    load = Load(kind, a, LOST)
    load.goes_on()
    c.kill()
    killed_at = load.done
    time.sleep(4)
    load.goes_on()
    assert load.done > killed_at + 200
    assert load.longest < NOTICED + 1, load.raised
    c.start()
    cluster.wait_until_linked()
    served = c.info("stats")["total_commands_processed"]
    # Beyond what the test itself asks of it.
    eventually(lambda: load.goes_on() or c.info("stats")["total_commands_processed"] > served + 500, 40)
    load.stop()
    assert all(node.status(f"u{number}") == "online" for node in cluster for number in range(100))
    # What the dead node had told one and not the other, comparisons find.
    eventually(lambda: load.is_everywhere([a, b, c]), MENDED)


def test_a_cluster_client_goes_on_through_a_rolling_restart(cluster, kind):
    a, b, c = cluster
    # GLIDE tries again by itself. Once in many runs a command is on its way to a connection that it has just seen end: it says so, and does not send that
    # again, since it cannot know whether it was done. No other error is allowed, and that one once a node.
    load = Load(kind, a, LOST)
    for node in cluster:
        load.goes_on()
        raw = node.server.raw()
        raw.send(b"SHUTDOWN DRAIN 2\r\n")
        assert raw.rest() == b""
        node.wait_for_end(10)
        node.start()
        cluster.wait_until_linked()
    load.goes_on()
    load.stop()
    assert len(load.raised) <= 3 and all("internal sender" in problem for problem in load.raised), load.raised
    eventually(lambda: load.is_everywhere(cluster))
