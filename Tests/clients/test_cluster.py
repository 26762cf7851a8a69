"""Clients of Redis Cluster, as their makers ship them, against a cluster of one; and cluster.conf, right and wrong."""

import binascii
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
import redis
import valkey.cluster

from harness import BINARY, NODE, NODE_MODULES, REDIS_CLI, ROOT, Server, free_port
from tls import SecureServer, file

KEYS = 500


@pytest.fixture(scope="module")
def server():
    server = SecureServer("--cluster", "shop", "--node", "a")
    yield server
    assert server.stop() == 0, server.log


def slot(key):
    """As the specification says; Python has the checksum."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1:end]
    return binascii.crc_hqx(key, 0) % 16384


def redis_cli(*words):
    ended = subprocess.run([REDIS_CLI, *map(str, words)], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


# redis-cli

def test_redis_cli_in_cluster_mode(server, client):
    assert server.cli("SET", "a", "1", options=["-c"]) == "OK"
    lines = "GET a\nMGET a b\nCLUSTER KEYSLOT a\nPRESENCE.CONNECT presence:user:ann s\nDBSIZE\n"
    assert server.cli(options=["-c"], input=lines).splitlines() == ["1", "1", "", "15495", "1", "2"]


def test_redis_cli_cluster_info_and_check(server, client):
    for number in range(7):
        client.set(f"k{number}", "v")
    address = f"127.0.0.1:{server.port}"
    info = redis_cli("--cluster", "info", address)
    assert f"{address} (260ef1d3...) -> 7 keys | 16384 slots | 0 slaves." in info
    assert "[OK] 7 keys in 1 masters." in info
    check = redis_cli("--cluster", "check", address)
    assert "slots:[0-16383] (16384 slots) master" in check
    assert "[OK] All 16384 slots covered." in check
    called = redis_cli("--cluster", "call", address, "GET", "k1")
    assert f"{address}: v" in called


# Python

@pytest.fixture(params=["redis", "redis RESP3", "redis TLS", "valkey"])
def cluster(request, server, client):
    options = {"host": server.host, "port": server.port, "decode_responses": True, "socket_timeout": 10}
    if request.param == "redis TLS":
        options |= {"port": server.tls_port, "ssl": True, "ssl_ca_certs": file("ca.pem")}
    if request.param == "redis RESP3":
        options["protocol"] = 3
    make = valkey.cluster.ValkeyCluster if request.param == "valkey" else redis.RedisCluster
    cluster = make(**options)
    yield cluster
    cluster.close()


def test_a_cluster_client_finds_the_node_and_all_slots(request, cluster, server):
    nodes = cluster.get_nodes()
    assert len(nodes) == 1
    # The address that it came by: no other was said.
    assert nodes[0].port == (server.tls_port if "TLS" in request.node.callspec.id else server.port)
    assert len(cluster.nodes_manager.slots_cache) == 16384
    assert cluster.cluster_info()["cluster_state"] == "ok"
    shown = cluster.cluster_nodes()
    assert len(shown) == 1 and all("myself,master" in node["flags"] for node in shown.values())
    assert cluster.cluster_keyslot("a") == 15495
    assert cluster.cluster_myid(nodes[0]) == "260ef1d35a741f3b92d413e06b2c21378d85e0ec"
    assert cluster.cluster_links(nodes[0]) == []
    assert cluster.readonly() and cluster.readwrite()


def test_a_cluster_client_reads_and_writes(cluster):
    for number in range(KEYS):
        assert cluster.set(f"key:{number}", number, ex=60)
    assert [cluster.get(f"key:{number}") for number in range(KEYS)] == [str(number) for number in range(KEYS)]
    assert cluster.mset_nonatomic({f"many:{n}": n for n in range(50)})
    assert cluster.mget_nonatomic([f"many:{n}" for n in range(50)]) == [str(n) for n in range(50)]
    assert cluster.dbsize() == KEYS + 50
    assert len(list(cluster.scan_iter("key:*", count=37))) == KEYS
    with cluster.pipeline() as pipeline:
        for number in range(100):
            pipeline.incr(f"count:{number}")
        assert pipeline.execute() == [1] * 100
    assert cluster.delete(*[f"count:{number}" for number in range(100)]) == 100


def test_a_cluster_client_speaks_presence(cluster):
    user = "presence:user:ann"
    assert cluster.execute_command("PRESENCE.CONNECT", user, "phone") == 1
    assert cluster.execute_command("PRESENCE.BEAT", user, "phone") == 1
    assert cluster.execute_command("PRESENCE.MGET", user) == ["online"]
    assert json.loads(cluster.get(user))["status"] == "online"
    assert cluster.cluster_countkeysinslot(slot(user.encode())) == 1
    listener = cluster.pubsub()
    listener.subscribe("user.status.changed:ann")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    assert cluster.execute_command("PRESENCE.DISCONNECT", user, "phone") == 1
    event = json.loads(listener.get_message(timeout=5)["data"])
    assert (event["userId"], event["newStatus"], event["node"]) == ("ann", "offline", "a")
    listener.close()


def test_keys_are_counted_by_slot(server, client, cluster):
    keys = [f"key:{number}".encode() for number in range(3_000)] + [b"{t}%d" % number for number in range(200)]
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.set(key, "v")
        pipeline.execute()
    slots = sorted({slot(key) for key in keys})
    for one in slots[::150] + [slot(b"t")]:
        assert cluster.cluster_countkeysinslot(one) == sum(slot(key) == one for key in keys)


# Node.js

NODE_SCRIPT = """
const redis = require('redis');
async function main() {
  const cluster = redis.createCluster({ rootNodes: [{ url: process.env.URL }] });
  cluster.on('error', (error) => { throw error; });
  await cluster.connect();
  const out = {};
  out.masters = cluster.getMasters().length;
  out.slots = [0, 1, 8191, 16383].filter((slot) => cluster.getSlotMaster(slot)).length;
  for (let n = 0; n < 300; n++) await cluster.set('key:' + n, String(n));
  out.got = (await Promise.all([...Array(300).keys()].map((n) => cluster.get('key:' + n)))).map(Number);
  out.tags = await cluster.mGet(['{t}a', '{t}b']);
  out.multi = await cluster.multi().set('{t}a', '1').incr('{t}a').get('{t}a').exec();
  out.connect = await cluster.sendCommand('presence:user:bo', false, ['PRESENCE.CONNECT', 'presence:user:bo', 's']);
  out.status = (await cluster.sendCommand('presence:user:bo', true, ['PRESENCE.MGET', 'presence:user:bo']))[0];
  await cluster.disconnect();
  console.log(JSON.stringify(out));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


def test_node_redis_as_a_cluster(server, client):
    ended = subprocess.run(
        [NODE, "-"], input=NODE_SCRIPT, capture_output=True, text=True, timeout=60,
        env=os.environ | {"NODE_PATH": str(NODE_MODULES), "URL": f"redis://{server.host}:{server.port}"})
    assert ended.returncode == 0, ended.stderr
    out = json.loads(ended.stdout)
    assert (out["masters"], out["slots"]) == (1, 4)
    assert out["got"] == list(range(300))
    assert (out["tags"], out["multi"]) == ([None, None], ["OK", 2, "2"])
    assert (out["connect"], out["status"]) == (1, "online")


# cluster.conf

def run(*words, **environment):
    return subprocess.run(
        [BINARY, *map(str, words)], capture_output=True, text=True, timeout=20, env=os.environ | environment)


@pytest.fixture
def three(tmp_path):
    """A good cluster.conf of three nodes, and its secret."""
    secret = tmp_path / "secret"
    secret.write_text("0f" * 32 + "\n")
    secret.chmod(0o600)
    conf = tmp_path / "cluster.conf"
    conf.write_text(
        f"cluster shop\nsecret-file {secret}\n"
        + "".join(f"node {name} resp 127.0.0.1:700{n} peer 127.0.0.1:800{n}\n" for n, name in enumerate("abc", 1)))
    return conf


def test_check_config_says_ok_and_what_would_hold(three):
    ended = run("check-config", three, "--node", "b")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "ok"
    assert lines[1] == (
        "# cluster shop, node b with number 2, resp 127.0.0.1:7002, peer 127.0.0.1:8002; a full copy on each of 3 nodes; "
        "other nodes: a at 127.0.0.1:8001, c at 127.0.0.1:8003")
    assert "node c number 3 resp 127.0.0.1:7003 peer 127.0.0.1:8003" in lines
    assert run("check-config", three, PRESENCED_NODE="c").stdout.splitlines()[1].startswith("# cluster shop, node c ")
    assert run("check-config", "--config", three, "--node", "a").returncode == 0


def test_check_config_explains_mistakes_with_their_lines(three):
    def problems(*words, **environment):
        ended = run("check-config", three, *words, **environment)
        assert (ended.returncode, ended.stdout) == (1, "")
        return ended.stderr.splitlines()

    secret = three.parent / "secret"
    secret.chmod(0o644)
    unknown, readable = problems("--node", "d")
    assert unknown.startswith("presenced: --node-name: which node is this? node-name says 'd', and the nodes are a, b, c: ")
    assert readable == (
        f"presenced: {three}:2: secret-file: others may read {secret} (mode 644): chmod 600 {secret}")
    secret.chmod(0o600)
    assert "PRESENCED_NODE says 'd'" in problems(PRESENCED_NODE="d")[0]
    three.write_text(three.read_text().replace(":7003", ":7001"))
    assert problems("--node", "a") == [
        f"presenced: {three}:5: node: resp 127.0.0.1:7001 of node c is also resp of node a: give each an address of its own"]
    three.write_text(three.read_text().replace("node c resp 127.0.0.1:7001", "node c resp LOCALHOST:7001"))
    said = f"{three}:5: node: resp LOCALHOST:7001 of node c is also resp of node a, as 127.0.0.1:7001: give each an address of its own"
    assert problems("--node", "a") == [f"presenced: {said}"]
    assert said in run("--config", three, "--node", "a").stderr, "nor does it start"


def test_a_server_does_not_start_beside_others_without_a_secret(three):
    three.write_text(re.sub("secret-file.*\n", "", three.read_text()))
    ended = run("--config", three, "--node", "a")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines() == [
        f"presenced: {three}:4: nodes know each other by a secret, and there is none: openssl rand -hex 32 > FILE; "
        "chmod 600 FILE; then secret-file FILE on every node, the same file"]


def test_a_server_whose_peer_port_is_taken_says_so(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        secret = tmp_path / "secret"
        secret.write_text("0f" * 32)
        secret.chmod(0o600)
        conf = tmp_path / "cluster.conf"
        conf.write_text(
            f"cluster shop\nsecret-file {secret}\nnode a resp 127.0.0.1:{free_port()} "
            f"peer 127.0.0.1:{taken.getsockname()[1]}\nnode b resp 127.0.0.1:{free_port()} peer 127.0.0.1:{free_port()}\n")
        ended = run("--config", conf, "--node", "a")
        assert ended.returncode == 1
        assert ended.stderr.splitlines()[-1] == (
            f"presenced: peer 127.0.0.1:{taken.getsockname()[1]} cannot be listened on: Address already in use")


def test_make_cluster_starts_three_nodes_that_know_the_same_and_ends_them(tmp_path):
    ports = [free_port() for _ in range(6)]
    secret = tmp_path / "secret"
    secret.write_text("0f" * 32)
    secret.chmod(0o600)
    # The script keeps a file that is there: the ports are those that are free here.
    (tmp_path / "cluster.conf").write_text(
        f"cluster shop\nsecret-file {secret}\n" + "".join(
            f"node {name} resp 127.0.0.1:{ports[n]} peer 127.0.0.1:{ports[n + 3]}\n" for n, name in enumerate("abc")))
    script = subprocess.Popen(
        [ROOT / "scripts" / "cluster", BINARY], env={**os.environ, "FOLDER": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        lines = []
        while sum("this node knows everybody" in line for line in lines) < 3:
            lines.append(script.stdout.readline())
            assert lines[-1], lines
        assert lines[0] == f"three nodes of {tmp_path}/cluster.conf; Ctrl-C ends them. In another terminal:\n"
        assert f"  redis-cli -p {ports[0]} PRESENCE.CONNECT presence:user:alice phone EX 60\n" in lines
        clients = [redis.Redis(port=port, decode_responses=True) for port in ports[:3]]
        clients[0].execute_command("PRESENCE.CONNECT", "presence:user:alice", "phone", "EX", "60")
        deadline = time.monotonic() + 5
        while any(json.loads(client.get("presence:user:alice") or "{}").get("status") != "online" for client in clients):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        # Ctrl-C, as a terminal sends it to all.
        os.killpg(script.pid, signal.SIGINT)
        rest = script.communicate(timeout=15)[0].splitlines()
        assert script.returncode == 0
        for name in "abc":
            assert any(line.startswith(f"{name} | ") and line.endswith(" notice stopped") for line in rest), rest
    finally:
        if script.poll() is None:
            os.killpg(script.pid, signal.SIGKILL)


def test_a_node_listens_and_sends_clients_where_its_line_says(tmp_path):
    port = free_port()
    conf = tmp_path / "cluster.conf"
    conf.write_text(f"cluster shop\nnode a number 9 resp 127.0.0.1:{port} peer 127.0.0.1:7399\nnode-name a\n")
    server = Server("--config", conf, port=port)
    try:
        assert server.cli("CONFIG", "GET", "port") == f"port\n{port}"
        assert server.cli("CONFIG", "GET", "node") == f"node\na number 9 resp 127.0.0.1:{port} peer 127.0.0.1:7399"
        assert f" 127.0.0.1:{port}@7399 myself,master - " in server.cli("CLUSTER", "NODES")
        # Its number is in what it writes.
        server.cli("PRESENCE.CONNECT", "presence:user:ann", "s")
        assert " at node 9;" in server.cli("PRESENCE.EXPLAIN", "presence:user:ann")
        text = conf.read_text()
        assert server.cli("CONFIG", "SET", "timeout", "7") == "OK"
        assert server.cli("CONFIG", "REWRITE") == "OK"
        assert conf.read_text() == text + "# Generated by CONFIG REWRITE\ntimeout 7\n"
        assert "can't set immutable" in server.cli("CONFIG", "SET", "cluster", "other").lower()
        with redis.RedisCluster(host="localhost", port=port, decode_responses=True) as cluster:
            assert [(node.host, node.port) for node in cluster.get_nodes()] == [("127.0.0.1", port)]
            assert cluster.set("a", "1")
    finally:
        assert server.stop() == 0, server.log
