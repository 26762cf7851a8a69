"""Every limit of a connection, and of all together, when it is full: what happens, what is told, and that nobody else notices."""

import os
import pathlib
import resource
import socket
import subprocess
import sys
import time

import pytest
import redis

from harness import BINARY, SLACK, admitted, encode, eventually, free_port


def stat(client, name):
    return client.info("stats")[name]


def processor_seconds(server):
    words = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


class TestOutput:
    def test_the_soft_bound_holds_after_its_seconds_only(self, start, connect):
        server = start("--client-output-buffer-limit", "pubsub", "0", "1mb", "7")
        client = connect(server)
        with server.raw() as deaf, server.raw() as slow:
            for raw in (deaf, slow):
                raw.command("SUBSCRIBE", "news")
            begin = time.monotonic()
            for _ in range(20):
                client.publish("news", "x" * 1_000_000)
            assert client.publish("news", "x") == 2
            # Who is above the bound for less than its time, is not closed.
            for _ in range(20):
                assert len(slow.reply()[2]) == 1_000_000
            slow.reply()
            eventually(lambda: stat(client, "client_output_buffer_limit_disconnections") == 1, 10)
            assert 7 < time.monotonic() - begin < 10 + SLACK
            assert client.publish("news", "x") == 1
            assert slow.reply()[2] == b"x"
            deaf.vanish()

    def test_a_reply_above_the_hard_bound_of_normal_clients_is_not_sent(self, start, connect):
        server = start("--client-output-buffer-limit", "normal", "70mb", "0", "0")
        client = connect(server)
        client.set("big", b"x" * (80 << 20))
        with server.raw() as raw:
            raw.send(encode("GET", "big"))
            assert raw.rest() == b""
        assert stat(client, "client_output_buffer_limit_disconnections") == 1
        client.config_set("client-output-buffer-limit", "normal 0 0 0")
        assert client.get("big") == "x" * (80 << 20)

    def test_long_replies_leave_in_parts_and_in_order(self, start, connect):
        server = start("--client-output-buffer-limit", "normal", "0", "0", "0")
        client = connect(server, decode_responses=False)
        value = os.urandom(1 << 20) * 150
        client.set("big", value)
        pipeline = client.pipeline(transaction=False)
        pipeline.echo("before").get("big").echo("after")
        assert pipeline.execute() == [b"before", value, b"after"]


class TestInput:
    def test_a_command_above_the_query_buffer_limit_is_counted_and_ends_its_connection(self, start, connect):
        server = start("--client-query-buffer-limit", "1mb")
        client = connect(server)
        with server.raw() as raw:
            raw.send(encode("PING"))
            assert raw.reply() == b"+PONG"
            try:
                raw.send(b"*100\r\n" + b"$20000\r\n%s\r\n" % (b"x" * 20_000) * 99)
            except ConnectionError:
                pass
            assert raw.rest() == b""
        assert stat(client, "client_query_buffer_limit_disconnections") == 1

    def test_a_transaction_is_bounded_as_a_command_is(self, start, connect):
        server = start("--client-query-buffer-limit", "1mb")
        with server.raw() as raw:
            raw.command("MULTI")
            replies = [raw.command("SET", "a", b"x" * 100_000) for _ in range(12)]
            assert replies[0] == b"+QUEUED" and b"client-query-buffer-limit" in replies[-1]
            assert raw.command("EXEC").startswith(b"-EXECABORT")

    def test_the_largest_length_that_redis_takes_is_taken_and_costs_nothing(self, start, connect):
        largest = str(2**63 - 1)
        server = start("--proto-max-bulk-len", largest, "--client-query-buffer-limit", largest)
        client = connect(server)
        for name in ("proto-max-bulk-len", "client-query-buffer-limit"):
            assert client.config_get(name) == {name: largest}
            with pytest.raises(redis.ResponseError):
                client.config_set(name, str(2**63))
            client.config_set(name, "1mb")
            client.config_set(name, largest)
        before = server.resident_bytes
        # What no buffer could ever hold ends the connection at once.
        for claimed in (2**63 - 1, 2**63 - 2, 2**32 + 10, 2**32, 2**32 - 1, 2**31 + 1):
            with server.raw() as raw:
                raw.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\nabc" % claimed)
                assert raw.rest() in (b"", b"-ERR Protocol error: invalid bulk length\r\n"), claimed
        with server.raw() as raw:
            raw.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\nabc" % 2**63)
            assert raw.rest() == b"-ERR Protocol error: invalid bulk length\r\n"
        waiting = [server.raw().send(b"*2\r\n$4\r\nECHO\r\n$2000000000\r\nabc") for _ in range(30)]
        time.sleep(0.2)
        assert server.resident_bytes - before < 48 << 20
        for raw in waiting:
            raw.close()
        with server.raw() as raw:
            assert raw.command("SET", "a", b"x" * 1_500_000) == b"+OK"
            assert raw.command("APPEND", "a", "y") == 1_500_001


class TestDescriptors:
    def test_running_out_of_them_neither_spins_nor_stops_accepting_for_good(self, start, connect):
        server = start("--event-loops", 2)
        client = connect(server)
        assert client.ping()
        room = 6
        eventually(lambda: client.info("clients")["connected_clients"] == 1)
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (descriptors(server) + room, hard))
        raws = [server.raw().send(encode("PING")) for _ in range(40)]
        served, waiting = [], []
        time.sleep(0.5)
        for raw in raws:
            raw.socket.settimeout(0.02)
            try:
                served.append(raw) if raw.reply() == b"+PONG" else None
            except TimeoutError:
                waiting.append(raw)
        assert len(served) == room and len(waiting) == 34
        begin = processor_seconds(server)
        time.sleep(2)
        assert processor_seconds(server) - begin < 0.4, "it does not spin"
        assert client.ping() and all(raw.command("PING") == b"+PONG" for raw in served)
        stats = client.info("stats")
        assert stats["accept_errors"] > 0 and "cannot accept connections" in server.log
        # INFO opens files of /proc: it does without.
        assert client.info("memory")["used_memory"] > 0
        assert client.info("clients")["connected_clients"] == room + 1
        for raw in served:
            raw.close()
        for raw in waiting[:room]:
            raw.socket.settimeout(5)
            assert raw.reply() == b"+PONG"
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (1024, hard))
        for raw in waiting[room:]:
            raw.socket.settimeout(5)
            assert raw.reply() == b"+PONG"
        for raw in waiting:
            raw.close()

    def test_maxclients_is_no_more_than_the_descriptors_there_are(self, tmp_path):
        port = free_port()
        code = (
            "import os, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)); "
            f"os.execv({str(BINARY)!r}, ['presenced', '--port', '{port}', '--maxclients', '1000'])")
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
        try:
            client = redis.Redis(port=port, decode_responses=True)
            eventually(lambda: answers(client), 20)
            granted = int(client.config_get("maxclients")["maxclients"])
            assert 100 <= granted < 200
            assert "maxclients is lowered" in (tmp_path / "log").read_text()
            with pytest.raises(redis.ResponseError, match="limit of open files"):
                client.config_set("maxclients", 1000)
            client.close()
        finally:
            process.terminate()
            assert process.wait(timeout=10) == 0

    def test_refusals_leave_nothing_and_are_counted(self, start, connect):
        server = start("--maxclients", 5)
        held = [eventually(lambda: admitted(server)) for _ in range(4)]
        client = connect(server)
        before = descriptors(server) if client.ping() else 0
        for _ in range(300):
            with server.raw() as refused:
                assert refused.rest() == b"-ERR max number of clients reached\r\n"
        eventually(lambda: descriptors(server) == before)
        assert stat(client, "rejected_connections") >= 300
        assert all(raw.command("PING") == b"+PONG" for raw in held)
        for raw in held:
            raw.close()

    def test_who_closes_and_never_reads_the_rest_is_let_go(self, start, connect):
        """Otherwise his descriptor would be gone for good: no limit looks at what is closing."""
        server = start("--client-output-buffer-limit", "normal", "0", "0", "0")
        client = connect(server)
        client.ping()
        before = descriptors(server)
        with small_window(server) as deaf:
            # First the kernel's buffers are filled, so that what follows waits in the server.
            name = "%s:%d" % deaf.getsockname()
            line = {"omem": "0"}
            while line["omem"] == "0":
                deaf.sendall(encode("ECHO", "x" * 8_000))
                time.sleep(0.002)
                line = next(line for line in client.client_list() if line["addr"] == name)
            assert "c" not in line["flags"]
            deaf.sendall(encode("ECHO", "x" * 200_000) + encode("QUIT"))
            line = eventually(lambda: [line for line in client.client_list() if line["addr"] == name and "c" in line["flags"]])[0]
            assert int(line["omem"]) > 100_000
            eventually(lambda: descriptors(server) == before, 16)


def small_window(server):
    """A connection that takes next to nothing from the server."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((server.host, server.port))
    return raw


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def test_timeout_spares_subscribers_monitors_and_who_is_held(start, connect):
    server = start("--timeout", 1)
    client = connect(server)
    with server.raw() as silent, server.raw() as subscriber, server.raw() as monitor, server.raw() as held:
        silent.command("PING")
        subscriber.command("SUBSCRIBE", "news")
        monitor.command("MONITOR")
        client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        held.send(encode("SET", "a", "b"))
        assert silent.is_closed()
        for _ in range(15):
            time.sleep(0.1)
            client.ping()
        client.execute_command("CLIENT", "UNPAUSE")
        assert held.reply() == b"+OK"
        assert client.publish("news", "x") == 1 and subscriber.reply() == [b"message", b"news", b"x"]
        while b'"news"' not in monitor.line():
            pass
        assert stat(client, "client_idle_disconnections") >= 1


class TestAuthentication:
    def test_failures_are_counted_and_logged_once_a_second_at_most(self, start, connect):
        server = start("--requirepass", "correct horse")
        client = connect(server, password="correct horse")
        with server.raw() as raw:
            for number in range(50):
                assert raw.command("AUTH", f"guess-{number}").startswith(b"-WRONGPASS")
                assert raw.command("HELLO", "2", "AUTH", "default", f"guess-{number}").startswith(b"-WRONGPASS")
            assert raw.command("AUTH", "nobody", "correct horse").startswith(b"-WRONGPASS")
        assert stat(client, "acl_access_denied_auth") == 101
        lines = [line for line in server.log.splitlines() if "failed authentication" in line]
        assert 1 <= len(lines) <= 2 * 3, "a line a second and event loop at most"
        assert "127.0.0.1" in lines[0]
        assert "guess" not in server.log and "horse" not in server.log

    def test_a_stranger_who_never_reads_is_cut_early(self, start, connect):
        """What was unbounded in CVE-2025-21605."""
        server = start("--requirepass", "correct horse")
        client = connect(server, password="correct horse")
        before = server.resident_bytes
        with server.raw() as raw:
            raw.socket.settimeout(20)
            with pytest.raises(ConnectionError):
                for _ in range(5000):
                    raw.send(encode("PING") * 1000)
            assert server.resident_bytes - before < 32 << 20
        assert stat(client, "client_output_buffer_limit_disconnections") == 1

    def test_every_length_of_password_is_compared(self, start, connect):
        server = start("--requirepass", "p" * 512)
        with server.raw() as raw:
            for wrong in ("", "p", "p" * 511, "p" * 513, "p" * 511 + "q", "q" + "p" * 511, "p" * 5000, "p" * 512 + "\0"):
                assert raw.command("AUTH", wrong).startswith(b"-WRONGPASS")
            assert raw.command("AUTH", "p" * 512) == b"+OK"
            for password in ("", "a", "a\0"):
                raw.command("CONFIG", "SET", "requirepass", password)
                with server.raw() as other:
                    if password:
                        assert other.command("AUTH", password + "\0").startswith(b"-WRONGPASS")
                        assert other.command("AUTH", password) == b"+OK"
                    assert other.command("PING") == b"+PONG"


def test_protected_mode_refuses_other_addresses_and_says_how_to_change_that(tmp_path):
    """In a network of its own, where this machine has an address besides the loopback interface's."""
    script = f"""
        set -e
        ip link set lo up
        ip address add 10.11.12.13/32 dev lo
        exec {sys.executable} {pathlib.Path(__file__).with_name('protected.py')} {BINARY}
    """
    namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    run = subprocess.run([*namespace, "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines() == [
        "10.11.12.13: -DENIED", "127.0.0.1: +PONG", "10.11.12.13 with a password: -NOAUTH",
        "10.11.12.13 with a password given: +PONG", "10.11.12.13 after protected-mode no: +PONG"]
