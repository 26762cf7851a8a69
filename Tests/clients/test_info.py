"""INFO as tools read it: Redis's sections and names where the meaning is the same, and figures that are true."""

import time

import pytest

from harness import encode, eventually

# What redis-cli --stat, redis-py and exporters look for.
FIELDS = {
    "server": ["redis_version", "redis_mode", "os", "arch_bits", "process_id", "run_id", "tcp_port", "server_time_usec", "server_time_offset_usec", "uptime_in_seconds"],
    "clients": ["connected_clients", "maxclients", "blocked_clients"],
    "memory": [
        "used_memory", "used_memory_human", "used_memory_rss", "used_memory_dataset", "total_system_memory", "maxmemory",
        "maxmemory_policy", "mem_fragmentation_ratio", "mem_allocator", "allocator_allocated", "allocator_resident"],
    "persistence": ["loading", "rdb_bgsave_in_progress", "aof_enabled"],
    "stats": [
        "total_connections_received", "total_commands_processed", "instantaneous_ops_per_sec", "total_net_input_bytes",
        "total_net_output_bytes", "rejected_connections", "expired_keys", "evicted_keys", "keyspace_hits",
        "keyspace_misses", "pubsub_channels", "pubsub_patterns", "total_error_replies"],
    "replication": ["role", "connected_slaves", "master_repl_offset"],
    "cpu": ["used_cpu_sys", "used_cpu_user"],
    "cluster": ["cluster_enabled"],
    "presence": ["users_online", "sessions", "expiry_lateness_p99_ms", "lock_hold_usec", "loop_turn_usec", "loop_delay_usec"],
}


@pytest.mark.parametrize("section", FIELDS)
def test_a_section_has_its_fields_alone_and_in_the_whole(either, section):
    alone, whole = either.info(section), either.info()
    missing = [name for name in FIELDS[section] if name not in alone or name not in whole]
    assert not missing
    everything = either.info("everything")
    assert set(alone) <= set(everything)


def test_sections_may_be_several_and_an_unknown_one_is_empty(client):
    both = client.info("server", "cpu")
    assert "redis_version" in both and "used_cpu_sys" in both and "used_memory" not in both
    assert client.execute_command("INFO", "nothing") == {}


def test_the_keyspace_is_told_as_redis_does(client):
    assert client.info("keyspace") == {}
    client.set("a", "1", ex=100)
    client.set("b", "1")
    client.execute_command("PRESENCE.CONNECT", "presence:user:alice", "s", "EX", 60)
    keyspace = client.info("keyspace")["db0"]
    assert keyspace["keys"] == 3
    assert keyspace["expires"] == 2
    client.config_resetstat()
    client.persist("a")
    assert client.info("keyspace")["db0"]["expires"] == 1
    client.expire("b", 100)
    client.delete("a")
    assert client.info("keyspace")["db0"]["expires"] == 2
    assert "avg_ttl" in keyspace


def test_errors_are_counted_by_code_and_reset(server, client):
    with server.raw() as raw:
        raw.send(encode("CONFIG", "RESETSTAT")).reply()
        # Another event loop counts what it answered within a second.
        eventually(lambda: not any(name.startswith("errorstat_") for name in client.info("errorstats")))
        assert raw.command("NOSUCH").startswith(b"-ERR")
        assert raw.command("SET", "k").startswith(b"-ERR")
        assert raw.command("SET", "k", "v") == b"+OK"
        assert raw.command("HGET", "k", "f").startswith(b"-WRONGTYPE")
    eventually(lambda: client.info("errorstats") == {
        "errorstat_ERR": {"count": 2}, "errorstat_WRONGTYPE": {"count": 1}})
    assert client.info("stats")["total_error_replies"] == 3
    client.config_resetstat()
    eventually(lambda: client.info("stats")["total_error_replies"] == 0)


def test_the_rate_of_commands_is_that_of_the_last_seconds(server, client):
    with server.raw() as raw:
        def busy():
            raw.send(encode("PING") * 1000)
            for _ in range(1000):
                raw.reply()
            return client.info("stats")["instantaneous_ops_per_sec"] > 500

        eventually(busy)
    eventually(lambda: client.info("stats")["instantaneous_ops_per_sec"] < 500, seconds=10)


def test_memory_of_keys_and_the_process(either):
    # Enough keys that a key's share of the index is what it is in a store that is used.
    either.mset({f"key:{number}": "v" for number in range(20_000)})
    either.set("small", "v")
    either.set("large", b"x" * 100_000)
    either.execute_command("PRESENCE.CONNECT", "presence:user:alice", "s", "EX", 60)
    small, large = either.memory_usage("small"), either.memory_usage("large")
    assert 0 < small < 200
    assert 100_000 <= large < 130_000
    assert 60 < either.memory_usage("presence:user:alice") < 300
    assert either.memory_usage("nothing") is None
    assert either.memory_usage("presence:user:nobody") is None
    stats = either.memory_stats()
    assert stats["keys.count"] == 20_003
    assert stats["total.allocated"] >= stats["allocator.allocated"] > 100_000
    assert stats["dataset.bytes"] > 100_000
    assert "memory" in either.execute_command("MEMORY", "DOCTOR").lower()


def test_purge_gives_memory_back(start, connect):
    server = start()
    client = connect(server)
    for number in range(200):
        client.set(f"large:{number}", b"x" * 1_000_000)
    full = server.resident_bytes
    client.flushall()
    assert client.execute_command("MEMORY", "PURGE") in (True, "OK", b"OK")
    assert server.resident_bytes < full - 100_000_000


def spread(client, name):
    """A histogram of INFO: count, percentiles, maximum."""
    value = client.info("presence")[name]
    return value if isinstance(value, dict) else dict(part.split("=") for part in value.split(","))


def test_what_holds_up_a_loop_is_told(start, connect):
    client = connect(start("--enable-debug-command", "yes"))
    client.config_resetstat()
    client.execute_command("DEBUG", "SLEEP", "0.05")
    turn = spread(client, "loop_turn_usec")
    assert 50_000 <= int(turn["max"]) < 5_000_000 and int(turn["count"]) >= 1, turn
    # The loop that slept looked at the time too late, within a tick.
    eventually(lambda: int(spread(client, "loop_delay_usec")["max"]) >= 40_000)
    client.config_resetstat()
    eventually(lambda: int(spread(client, "loop_turn_usec")["max"]) < 50_000)


def test_holds_of_locks_are_told(client):
    client.config_resetstat()
    for number in range(300):
        client.set(f"key{number}", "value")
    client.keys("*")
    hold = spread(client, "lock_hold_usec")
    assert int(hold["count"]) >= 32, "a walk holds every shard once"
    assert int(hold["p50"]) <= int(hold["p99"]) <= int(hold["p99.9"]) <= int(hold["max"]) < 1_000_000
