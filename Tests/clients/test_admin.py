"""What operators do to connections: list and close them, pause them, watch their commands, change and keep settings, stop the server."""

import re
import threading
import time

import pytest
import redis

from harness import SLACK, encode, eventually, free_port

# Several event loops: what is said here must hold across them.
SETTINGS = ("--event-loops", 3)


def fields(line):
    line = line.decode() if isinstance(line, bytes) else line
    return dict(word.split("=", 1) for word in line.strip().split(" "))


def listed(raw, *words):
    return [fields(line) for line in raw.command("CLIENT", "LIST", *words).decode().splitlines()]


def own(raw):
    return fields(raw.command("CLIENT", "INFO"))


class TestClientList:
    def test_a_line_tells_what_a_connection_is_doing(self, server):
        with server.raw() as raw, server.raw() as asker:
            raw.command("CLIENT", "SETNAME", "me")
            raw.command("CLIENT", "SETINFO", "LIB-NAME", "lib")
            raw.command("CLIENT", "SETINFO", "LIB-VER", "1.2")
            raw.command("WATCH", "a", "b")
            raw.command("MULTI")
            raw.command("SET", "a", "b")
            raw.command("NOSUCH")
            raw.send(encode("SET", "half", "x" * 100)[:-20])
            name, port = raw.socket.getsockname()
            number = eventually(lambda: [line for line in listed(asker) if line["name"] == "me" and line["qbuf"] > "0"])
            line = number[0]
            assert line["addr"] == f"{name}:{port}"
            assert line["laddr"] == f"127.0.0.1:{server.port}"
            assert (line["lib-name"], line["lib-ver"], line["user"], line["db"], line["resp"]) == ("lib", "1.2", "default", "0", "2")
            assert (line["multi"], line["watch"], line["flags"], line["cmd"]) == ("1", "2", "xd", "set")
            assert int(line["qbuf"]) > 100 and int(line["multi-mem"]) > 20
            assert listed(asker, "ID", line["id"], "999999") == listed(asker, "ID", line["id"])
            assert len(listed(asker, "ID", line["id"])) == 1

    def test_flags_and_types(self, server):
        with server.raw() as subscriber, server.raw() as monitor, server.raw() as asker:
            assert own(asker)["flags"] == "N"
            asker.command("CLIENT", "NO-EVICT", "ON")
            asker.command("CLIENT", "NO-TOUCH", "ON")
            assert own(asker)["flags"] == "eT"
            subscriber.command("SUBSCRIBE", "a")
            subscriber.send(encode("PSUBSCRIBE", "b*")).reply()
            assert monitor.command("MONITOR") == b"+OK"
            of_type = {kind: {line["flags"] for line in listed(asker, "TYPE", kind)} for kind in ("normal", "pubsub", "master")}
            assert of_type["pubsub"] == {"P"} and of_type["master"] == set()
            assert "O" in of_type["normal"] and "P" not in of_type["normal"]
            assert [(line["sub"], line["psub"]) for line in listed(asker, "TYPE", "PUBSUB")] == [("1", "1")]

    def test_every_loop_s_clients_are_listed_by_age(self, server, client):
        raws = [server.raw() for _ in range(20)]
        numbers = [raw.command("CLIENT", "ID") for raw in raws]
        found = [int(line["id"]) for line in client.client_list()]
        assert found == sorted(found) and set(numbers) <= set(found)
        for raw in raws:
            raw.close()

    def test_reset_makes_a_connection_as_new(self, server):
        with server.raw() as raw:
            fresh = own(raw)
            assert raw.command("HELLO", "3", "SETNAME", "me")
            assert raw.command("CLIENT", "NO-EVICT", "ON") == raw.command("CLIENT", "NO-TOUCH", "ON") == b"+OK"
            assert raw.command("WATCH", "a") == b"+OK"
            # One write: so no line of MONITOR comes in between.
            raw.send(encode("SUBSCRIBE", "a") + encode("MONITOR") + encode("MULTI") + encode("PING") + encode("NOSUCH")
                     + encode("CLIENT", "REPLY", "OFF") + encode("RESET"))
            shown = b""
            while b"+RESET" not in shown:
                shown += raw.line() + b" "
            assert b"subscribe" in shown and b"+QUEUED" in shown
            assert shown.count(b"+OK") == 2, "MONITOR, MULTI"
            after = own(raw)
            for changing in ("idle", "age", "cmd"):
                del fresh[changing], after[changing]
            assert after == fresh


class TestClientKill:
    def test_one_is_closed_by_address_number_and_type(self, server, client):
        for words in (lambda raw: ["ADDR", "%s:%d" % raw.socket.getsockname()],
                      lambda raw: ["ID", raw.command("CLIENT", "ID")],
                      lambda raw: ["LADDR", f"127.0.0.1:{server.port}", "ID", raw.command("CLIENT", "ID"), "TYPE", "normal"]):
            with server.raw() as raw, server.raw() as other:
                assert raw.command("PING") == b"+PONG", "it is there"
                assert client.execute_command("CLIENT", "KILL", *words(raw)) == 1
                assert raw.is_closed()
                assert other.command("PING") == b"+PONG"

    def test_the_old_form(self, server, client):
        with server.raw() as raw:
            assert raw.command("PING") == b"+PONG", "it is there"
            assert client.execute_command("CLIENT", "KILL", "%s:%d" % raw.socket.getsockname()) in ("OK", True)
            assert raw.is_closed()
        with pytest.raises(redis.ResponseError, match="No such client"):
            client.execute_command("CLIENT", "KILL", "1.2.3.4:5")

    def test_whoever_kills_himself_is_answered_first(self, server):
        with server.raw() as raw:
            number = raw.command("CLIENT", "ID")
            assert raw.command("CLIENT", "KILL", "ID", number) == 0
            raw.send(encode("CLIENT", "KILL", "ID", number, "SKIPME", "no") + encode("PING"))
            assert raw.rest() == b":1\r\n"

    def test_all_subscribers_at_once(self, server, client):
        subscribers = [server.raw() for _ in range(30)]
        for raw in subscribers:
            raw.command("SUBSCRIBE", "news")
        assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 30
        assert all(raw.is_closed() for raw in subscribers)
        assert client.publish("news", "x") == 0


class TestClientPause:
    def test_writes_wait_on_every_loop_and_reads_do_not(self, server, client):
        client.set("a", "1")
        raws = [server.raw() for _ in range(6)]
        try:
            assert client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE") in ("OK", True)
            for raw in raws:
                raw.send(encode("GET", "a") + encode("APPEND", "a", "x") + encode("PING"))
                assert raw.reply() == b"1"
                raw.socket.settimeout(0.05)
            for raw in raws:
                with pytest.raises(TimeoutError):
                    raw.reply()
                raw.socket.settimeout(10)
            assert sum("b" in line["flags"] for line in client.client_list()) == 6
            assert client.get("a") == "1"
            client.execute_command("CLIENT", "UNPAUSE")
            lengths = sorted(raw.reply() for raw in raws)
            assert lengths == [2, 3, 4, 5, 6, 7]
            assert [raw.reply() for raw in raws] == [b"+PONG"] * 6
        finally:
            for raw in raws:
                raw.close()

    def test_all_waits_and_goes_on_by_itself(self, server, client):
        client.execute_command("CLIENT", "PAUSE", 300)
        begin = time.monotonic()
        with server.raw() as raw:
            assert raw.command("PING") == b"+PONG"
        assert 0.2 < time.monotonic() - begin < 0.3 + SLACK

    def test_clients_that_go_while_they_are_held_leave_nothing(self, server, client):
        client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        for _ in range(50):
            raw = server.raw()
            raw.send(encode("SET", "gone", "x"))
            raw.vanish()
        eventually(lambda: len(client.client_list()) == 1)
        client.execute_command("CLIENT", "UNPAUSE")
        assert client.ping()


class TestSlowLog:
    def test_slow_commands_are_kept_the_newest_first(self, server):
        with server.raw() as raw:
            raw.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
            raw.command("SLOWLOG", "RESET")
            raw.command("CLIENT", "SETNAME", "slow")
            raw.command("SET", "a", "x" * 200)
            raw.command("MGET", *["k"] * 40)
            many, long = raw.command("SLOWLOG", "GET", 2)
            raw.command("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
            assert many[0] == long[0] + 1
            assert abs(many[1] - time.time()) < 10 and many[2] >= 0
            assert many[3] == [b"MGET"] + [b"k"] * 30 + [b"... (10 more arguments)"]
            assert long[3] == [b"SET", b"a", b"x" * 128 + b"... (72 more bytes)"]
            assert many[4] == b"127.0.0.1:%d" % raw.socket.getsockname()[1]
            assert many[5] == b"slow"
            assert len(raw.command("SLOWLOG", "GET", 1)) == 1
            assert len(raw.command("SLOWLOG", "GET", -1)) == raw.command("SLOWLOG", "LEN") > 4

    def test_it_is_bounded(self, client):
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", 5)
        for _ in range(20):
            client.ping()
        assert client.slowlog_len() == 5
        client.config_set("slowlog-max-len", 0)
        assert client.slowlog_len() == 0
        client.config_set("slowlog-log-slower-than", -1)
        client.config_set("slowlog-max-len", 128)
        client.slowlog_reset()
        client.ping()
        assert client.slowlog_len() == 0
        client.config_set("slowlog-log-slower-than", 10_000)

    def test_no_password_is_in_it_nor_shown_to_monitors(self, start, connect):
        server = start("--slowlog-log-slower-than", 0)
        with server.raw() as monitor, server.raw() as raw:
            assert monitor.command("MONITOR") == b"+OK"
            raw.command("CONFIG", "SET", "requirepass", "hush-hush")
            raw.command("AUTH", "hush-hush")
            raw.command("AUTH", "default", "hush-hush")
            raw.command("HELLO", "2", "AUTH", "default", "hush-hush", "SETNAME", "me")
            raw.command("AUTH", "hush-hush2")
            raw.command("PING", "the-end")
            shown = b""
            while b"the-end" not in shown:
                shown += monitor.line() + b"\n"
            entries = str(raw.command("SLOWLOG", "GET", "-1"))
        assert b"hush" not in shown and "hush" not in entries and "hush" not in server.log
        assert shown.count(b"(redacted)") == 6
        assert b'"HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me"' in shown
        assert "failed authentication from 127.0.0.1" in server.log


LINE = re.compile(rb'^\+(\d+)\.(\d{6}) \[0 127\.0\.0\.1:(\d+)\] (.*)$')


class TestMonitor:
    def test_every_loop_s_commands_are_shown_in_redis_s_form(self, server):
        raws = [server.raw() for _ in range(6)]
        with server.raw() as monitor:
            assert monitor.command("MONITOR") == b"+OK"
            for raw in raws:
                raw.send(encode("SET", b"a\x00\n\"\\\xff", "\t") + encode("PRESENCE.BEAT", "presence:user:m", "s") + encode("get", "b"))
                [raw.reply() for _ in range(3)]
            lines = [LINE.match(monitor.line()) for _ in range(18)]
            assert all(lines)
            by_port = {}
            for line in lines:
                assert abs(int(line[1]) - time.time()) < 10
                by_port.setdefault(int(line[3]), []).append(line[4])
            for raw in raws:
                assert by_port[raw.socket.getsockname()[1]] == [
                    rb'"SET" "a\x00\n\"\\\xff" "\t"', b'"PRESENCE.BEAT" "presence:user:m" "s"', b'"get" "b"']
        for raw in raws:
            raw.close()

    def test_commands_of_administration_are_not_shown(self, server):
        with server.raw() as monitor, server.raw() as raw:
            monitor.command("MONITOR")
            raw.command("CONFIG", "GET", "port")
            raw.command("CLIENT", "LIST")
            raw.command("SLOWLOG", "LEN")
            raw.command("CLIENT", "ID")
            raw.command("PING")
            assert b'"CLIENT" "ID"' in monitor.line()
            assert b'"PING"' in monitor.line()

    def test_reset_ends_it(self, server):
        with server.raw() as monitor, server.raw() as raw:
            monitor.command("MONITOR")
            raw.command("PING")
            assert b'"PING"' in monitor.line()
            assert monitor.command("RESET").startswith((b"+RESET", b"+1"))
            raw.command("PING")
            monitor.send(encode("ECHO", "end"))
            rest = monitor.line()
            while rest != b"$3":
                assert b'"RESET"' in rest or rest == b"+RESET"
                rest = monitor.line()

    def test_a_monitor_that_does_not_read_is_cut_at_its_bound(self, start, connect):
        server = start("--client-output-buffer-limit", "normal", "1mb", "0", "0")
        client = connect(server)
        with server.raw() as deaf, server.raw() as raw:
            assert deaf.command("MONITOR") == b"+OK"
            value = b"x" * 16_000
            for _ in range(1000):
                assert raw.command("SET", "a", value) == b"+OK"
                if len(client.client_list()) == 2:
                    break
            assert len(client.client_list()) == 2
            assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
            assert deaf.is_closed()

    def test_monitors_may_come_and_go_in_any_order(self, server, client):
        def coming_and_going():
            for _ in range(30):
                with server.raw() as monitor:
                    monitor.send(encode("MONITOR"))
                    if _ % 2:
                        assert monitor.reply() == b"+OK"

        threads = [threading.Thread(target=coming_and_going) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            client.set("a", "b")
        with server.raw() as monitor:
            assert monitor.command("MONITOR") == b"+OK"
            client.set("last", "one")
            while b'"last"' not in monitor.line():
                pass
        eventually(lambda: len(client.client_list()) == 1)


class TestConfigRewrite:
    TEXT = """\
# The office's presence server.
port {port}
  timeout   2m
    # indented, and kept
maxclients 500

client-output-buffer-limit   pubsub  16mb 4mb 30
\trequirepass "two  words"
"""

    @pytest.fixture
    def file(self, tmp_path):
        return tmp_path / "cluster.conf"

    def begin(self, start, file, text=TEXT):
        port = free_port()
        file.write_text(text.format(port=port))
        return start("--config", file, port=port)

    def test_comments_order_and_spelling_stay(self, start, connect, file):
        server = self.begin(start, file)
        client = connect(server, password="two  words")
        before = file.read_text()
        assert client.config_rewrite()
        assert file.read_text() == before, "nothing was changed"
        client.config_set("maxclients", 600)
        client.config_set("session-ttl", "90s")
        client.config_set("maxmemory", "64mb")
        client.config_set("client-output-buffer-limit", "normal 128mb 32mb 10 pubsub 8mb 2mb 20")
        assert client.config_rewrite()
        text = file.read_text()
        expected = before.replace("maxclients 500", "maxclients 600").replace(
            "client-output-buffer-limit   pubsub  16mb 4mb 30", "client-output-buffer-limit pubsub 8mb 2mb 20")
        assert text.startswith(expected)
        added = text[len(expected):].splitlines()
        assert added[0] == "# Generated by CONFIG REWRITE"
        assert sorted(added[1:]) == [
            "client-output-buffer-limit normal 128mb 32mb 10", "maxmemory 64mb", "session-ttl 90s"]
        client.config_set("maxmemory", "0")
        client.config_set("session-ttl", "100s")
        assert client.config_rewrite()
        again = file.read_text()
        assert again.count("# Generated by CONFIG REWRITE") == 1
        assert "session-ttl 100s" in again and "maxmemory 0" in again
        assert [path.name for path in file.parent.iterdir()] == ["cluster.conf"], "no temporary file is left"

    def test_what_was_written_is_what_a_start_reads(self, start, connect, file):
        server = self.begin(start, file)
        client = connect(server, password="two  words")
        client.config_set("requirepass", 'quo"te \\ and \' blank')
        client.config_set("notify-keyspace-events", "")
        client.config_set("idle-after", "1500ms")
        values = client.config_get("*")
        assert client.config_rewrite()
        assert server.stop() == 0
        server = start("--config", file, port=server.port)
        client = connect(server, password='quo"te \\ and \' blank')
        assert client.config_get("*") == values

    def test_a_link_stays_a_link_and_the_mode_stays(self, start, connect, file):
        real = file.parent / "real.conf"
        server = self.begin(start, real, "port {port}\n")
        server.stop()
        real.chmod(0o600)
        file.symlink_to(real)
        server = start("--config", file, port=server.port)
        client = connect(server)
        client.config_set("timeout", "77")
        assert client.config_rewrite()
        assert file.is_symlink() and "timeout 77" in real.read_text()
        assert real.stat().st_mode & 0o777 == 0o600

    def test_errors_leave_the_file_as_it_was(self, start, connect, file, server, client):
        with pytest.raises(redis.ResponseError, match="The server is running without a config file"):
            client.config_rewrite()
        other = self.begin(start, file, "port {port}\n")
        client = connect(other)
        client.config_set("timeout", "77")
        file.write_text("nonsense here\n")
        with pytest.raises(redis.ResponseError, match="Rewriting config file: .*nonsense"):
            client.config_rewrite()
        assert file.read_text() == "nonsense here\n"
        file.unlink()
        with pytest.raises(redis.ResponseError, match="Rewriting config file: No such file or directory"):
            client.config_rewrite()
        assert client.ping()


class TestShutdown:
    @pytest.mark.parametrize("words", [[], ["NOSAVE"], ["NOW"], ["NOSAVE", "NOW", "FORCE"], ["FORCE"]], ids=" ".join)
    def test_it_stops_the_server_in_order(self, start, words):
        server = start()
        with server.raw() as raw, server.raw() as other:
            raw.send(encode("PING") + encode("SHUTDOWN", *words) + encode("PING"))
            assert raw.rest() == b"+PONG\r\n"
            assert other.is_closed()
        assert server.process.wait(timeout=10) == 0

    def test_saving_is_refused_since_nothing_is_kept(self, server):
        with server.raw() as raw:
            assert raw.command("SHUTDOWN", "SAVE").startswith(b"-ERR nothing is kept on disk")
            assert raw.command("PING") == b"+PONG"
