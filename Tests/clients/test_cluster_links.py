"""What links between nodes stand over, what is told of settings on them, and what becomes of them when a process stands still or has no descriptors."""

import os
import pathlib
import resource
import time

from cluster import PATIENCE, Cluster, cluster, online
from cluster_load import key
from harness import eventually


def test_links_stand_over_addresses_of_version_6_and_host_names():
    peers = {"a": "[::1]", "b": "localhost", "c": "127.0.0.1"}
    with Cluster(hosts=lambda name: ("127.0.0.1", peers[name], ())) as cluster:
        a, b, c = cluster.start()
        assert a.ask("PRESENCE.CONNECT", key("ann"), "s", "EX", 60) == 1
        eventually(lambda: online(b, "ann") and online(c, "ann"))
        assert f"peer [::1]:{a.peer_port}" in a.server.log + b.server.log + cluster.conf.read_text()
        b.restart()
        cluster.wait_until_linked()
        assert online(b, "ann")


def test_a_shared_setting_that_is_set_is_compared_anew(cluster):
    a, b, c = cluster
    assert "another session-ttl" not in a.log + b.log + c.log
    a.client.config_set("session-ttl", "90s")
    line = "node a has another session-ttl: set it alike on all nodes"
    eventually(lambda: line in b.log and line in c.log and "node b has another session-ttl" in a.log)
    for node in (b, c):
        node.client.config_set("session-ttl", "90s")
    eventually(lambda: all("has the same settings again" in node.log for node in (a, b, c)))


def test_a_node_that_stood_still_counts_it(cluster):
    a, _, _ = cluster
    assert a.client.config_get("stall-hold") == {"stall-hold": "5s"}
    before = a.info("presence")["stalls"]
    a.pause()
    time.sleep(3)
    a.go_on()
    eventually(lambda: a.info("presence")["stalls"] == before + 1)


def test_a_node_that_missed_more_than_is_kept_is_sent_whole_shards_and_that_is_told():
    # It stands still for a while without being taken for dead.
    settings = ("--replica-log-entries", "1024", "--peer-timeout", "60s")
    with Cluster("ab", settings) as cluster:
        a, b = cluster.start()
        eventually(lambda: a.info()["slave0"]["state"] == "online")
        b.pause()
        # More than the buffers of sockets hold, and then more than the logs.
        for batch in range(30):
            with a.connect().pipeline(transaction=False) as pipe:
                for number in range(1_000):
                    pipe.set(f"k{number}:{batch}", "v" * 1_000)
                pipe.execute()
        lag = a.peers()["b"]["lag_ms"]
        time.sleep(1.5)
        peer = a.peers()["b"]
        assert peer["lag_ms"] > lag + 1_000 and peer["behind"] > 2_048, "nothing is acknowledged"
        assert peer["lag_ms"] > 1_500 and a.info()["slave0"]["lag"] >= 1
        b.go_on()
        eventually(lambda: b.client.dbsize() == 30_000, PATIENCE)
        eventually(lambda: a.peers()["b"]["behind"] == 0)
        peer, info = a.peers()["b"], a.info()
        assert peer["shards_resent"] == info["cluster_shards_resent"] > 0
        assert (info["slave0"]["state"], peer["copy_out"], peer["reconnects"]) == ("online", "-", 0)
        assert "node b missed more changes than replica-log-entries keeps: it is sent whole shards" in a.log
        assert "sent node b whole shards, for the changes that it missed" in a.log
        a.client.set("last", "v")
        eventually(lambda: a.peers()["b"]["lag_ms"] < 1_000)


def test_running_out_of_descriptors_neither_spins_nor_keeps_links_away_for_good(cluster):
    a, b, c = cluster
    # It takes the links of both others.
    process = c.server.process.pid
    assert c.client.ping() and b.client.ping()
    a.stop()
    eventually(lambda: c.info()["connected_slaves"] == 1)
    used = {int(name) for name in os.listdir(f"/proc/{process}/fd")}
    free = next(number for number in range(len(used) + 1) if number not in used)
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (free, hard))
    a.start()
    eventually(lambda: "cannot accept other nodes" in c.log, PATIENCE)
    begin = processor_seconds(process)
    time.sleep(2)
    assert processor_seconds(process) - begin < 0.6, "it does not spin"
    refused = c.info()
    assert refused["connected_slaves"] == 1 and b.info()["connected_slaves"] >= 1, refused
    assert refused["cluster_refusals"]["accept"] > 0, refused
    resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
    cluster.wait_until_linked()
    assert c.server.process.pid == process


def processor_seconds(process):
    words = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
