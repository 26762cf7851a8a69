"""The process: its banner, its orderly end, and the one line that says why it does not start."""

import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from harness import BINARY, REDIS_BENCHMARK, Server, encode, eventually, free_port


def run(*words):
    return subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=20)


def test_the_banner_says_version_port_allocator_and_what_to_type(start):
    log = eventually(lambda: (lambda text: text if "PRESENCE.CONNECT" in text else None)(start().log))
    version = run("--version").stdout.split()[1]
    assert version in log
    assert re.search(r"jemalloc-5|libc", log)
    assert "redis-cli -p" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_replies_and_ends_in_order(number):
    server = Server()
    raw = server.raw()
    raw.command("SET", "k", "x" * 10_000)
    raw.send(encode("GET", "k") * 500)
    assert raw.reply() == b"x" * 10_000
    server.signal(number)
    rest = raw.rest()
    one = b"$10000\r\n" + b"x" * 10_000 + b"\r\n"
    assert len(rest) % len(one) == 0, "a reply was cut"
    assert server.process.wait(timeout=10) == 0, server.log
    with pytest.raises(OSError):
        socket.create_connection((server.host, server.port), timeout=1)


def test_a_signal_ends_it_with_idle_clients_and_subscribers():
    server = Server()
    idle = [server.raw() for _ in range(50)]
    idle[0].command("SUBSCRIBE", "news")
    server.signal(signal.SIGTERM)
    assert server.process.wait(timeout=10) == 0, server.log
    assert all(raw.is_closed() for raw in idle)


@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_records_lie_in_huge_pages_where_the_system_has_them_and_they_are_wanted(start, wanted):
    server = start("--huge-pages", wanted)
    empty = server.regions_for_huge_pages()
    assert empty == 0, "a small store has plain pages"
    with server.raw() as raw:
        raw.send(b"".join(encode("PRESENCE.CONNECT", f"presence:user:{n}", "s") for n in range(40_000)))
        assert all(raw.reply() == 1 for _ in range(40_000))
    exists = os.path.exists("/sys/kernel/mm/transparent_hugepage/enabled")
    assert (server.regions_for_huge_pages() > 0) == (exists and wanted == "yes")


@pytest.mark.parametrize("words", [["SHUTDOWN"], ["SHUTDOWN", "NOSAVE"]])
def test_shutdown_ends_it_as_a_signal_does(words):
    server = Server()
    with server.raw() as raw:
        raw.send(encode(*words))
        assert raw.rest() == b""
    assert server.process.wait(timeout=10) == 0, server.log


def problem(*words):
    ended = run(*words)
    assert ended.returncode == 1
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    return lines


def test_a_port_in_use_is_one_line_that_names_the_setting(start):
    server = start()
    lines = problem("--port", server.port)
    assert len(lines) == 1
    assert "port" in lines[0] and str(server.port) in lines[0] and "in use" in lines[0]


def test_an_address_of_another_machine_is_one_line_that_names_the_setting():
    lines = problem("--port", free_port(), "--bind", "203.0.113.7", "--requirepass", "secret")
    assert len(lines) == 1
    assert "bind" in lines[0] and "203.0.113.7" in lines[0]


def test_a_port_of_the_system_is_one_line_that_names_the_setting():
    if int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 1:
        pytest.skip("this machine lets everybody have every port")
    # Root without the one right that it would need.
    less = ["setpriv", "--inh-caps=-net_bind_service", "--bounding-set=-net_bind_service"] if os.geteuid() == 0 else []
    ended = subprocess.run([*less, BINARY, "--port", "1"], capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert len(lines) == 1
    assert "permission" in lines[0] and "port 1" in lines[0]


def test_bad_settings_are_all_listed_with_their_lines(tmp_path):
    file = tmp_path / "cluster.conf"
    file.write_text("port 7000\nsession-tll 90s\nmaxmemory lots\n")
    assert problem("--config", file, "--shards", "3") == [
        f"presenced: {file}:2: unknown setting 'session-tll'; did you mean session-ttl?",
        f"presenced: {file}:3: maxmemory: 'lots' is not a size such as 1048576 or 64mb; allowed: 0 to 16tb",
        "presenced: --shards: 3 is out of bounds; allowed: 1 to 1024, a power of two",
    ]
    assert problem("check-config", "--config", tmp_path / "none.conf") == [
        f"presenced: {tmp_path}/none.conf: No such file or directory"]


def test_check_config_shows_what_would_hold_and_serves_nothing(tmp_path):
    file = tmp_path / "cluster.conf"
    file.write_text("# mine\nsession-ttl 90s\nrequirepass \"two words\"\n")
    checked = run("check-config", "--config", file, "--port", 7001)
    assert checked.returncode == 0
    assert checked.stdout.splitlines() == [
        "ok", "# the configuration is good; settings that differ from the defaults:", "port 7001",
        "requirepass \"********\"", "session-ttl 90s"]


def test_a_file_is_served_and_the_command_line_wins(tmp_path, start):
    file = tmp_path / "cluster.conf"
    file.write_text("port 1\nsession-ttl 90s\n")
    server = start("--config", file)
    assert server.cli("CONFIG", "GET", "session-ttl") == "session-ttl\n90s"
    assert server.cli("CONFIG", "GET", "port") == f"port\n{server.port}"
    assert str(file) in server.cli("INFO", "server")


def test_the_log_goes_to_a_file_one_line_an_event(tmp_path, start):
    file = tmp_path / "presenced.log"
    server = start("--logfile", file, "--loglevel", "debug")
    server.cli("PRESENCE.CONNECT", "presence:user:zoe", "s")
    server.stop()
    lines = file.read_text().splitlines()
    assert lines
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (trace|debug|info|notice|warning|error|critical) \S", line)


def test_no_user_is_named_in_the_log_above_debug(start):
    server = start("--loglevel", "verbose")
    for _ in range(3):
        server.cli("PRESENCE.CONNECT", "presence:user:zoe-the-secret", "s", "DEVICE", "x")
        server.cli("PRESENCE.CONNECT", "presence:user:zoe-the-secret", "s", "EX", "1000")
        server.cli("DEL", "presence:user:zoe-the-secret")
    server.stop()
    assert "zoe-the-secret" not in server.log


def test_open_files_are_raised_for_maxclients_or_maxclients_is_lowered(tmp_path):
    port = free_port()
    command = f"ulimit -n 300; exec {BINARY} --port {port} --maxclients 5000"
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(["bash", "-c", command], stdout=output, stderr=output)
    try:
        def maxclients():
            got = subprocess.run(
                ["redis-cli", "-p", str(port), "CONFIG", "GET", "maxclients"], capture_output=True, text=True)
            return got.stdout.split()

        name, value = eventually(lambda: maxclients() or None, 10)
        assert name == "maxclients"
        assert 100 < int(value) < 300
        assert "maxclients" in log.read_text() and "warning" in log.read_text()
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0


class TestRedisBenchmark:
    def run(self, server, *words):
        ended = subprocess.run(
            [REDIS_BENCHMARK, "-h", server.host, "-p", str(server.port), "-q", "-c", "20", *words],
            capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        assert "rror" not in ended.stdout, ended.stdout
        assert "requests per second" in ended.stdout
        return ended.stdout

    @pytest.mark.parametrize("pipeline", ["1", "16", "100"])
    def test_heartbeats(self, server, client, pipeline):
        client.execute_command("PRESENCE.CONNECT", "presence:user:alice", "phone")
        self.run(server, "-n", "20000", "-P", pipeline, "PRESENCE.BEAT", "presence:user:alice", "phone")
        assert client.execute_command("PRESENCE.MGET", "presence:user:alice") == ["online"]

    def test_its_own_tests_of_what_is_served(self, server, client):
        self.run(server, "-n", "5000", "-P", "4", "-t", "ping,set,get", "-r", "1000", "-d", "250")
        assert client.dbsize() > 0

    def test_random_keys(self, server, client):
        self.run(
            server, "-n", "5000", "-r", "1000", "-P", "16", "PRESENCE.CONNECT", "presence:user:__rand_int__", "s")
        assert 900 < client.dbsize() <= 1000
