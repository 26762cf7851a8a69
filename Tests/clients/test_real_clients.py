"""Clients that were written for Redis, as their makers ship them, in every mode that the commands served here allow."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time

import hiredis
import pytest
import redis
import redis.asyncio
import valkey

from harness import NODE, NODE_MODULES, REDIS_BENCHMARK, REDIS_CLI, encode, eventually
from tls import SecureServer, file

ANN = "presence:user:ann"
KEYS = 300


@pytest.fixture(scope="module")
def server():
    """Speaks plain text and TLS."""
    server = SecureServer("--notify-keyspace-events", "KEA")
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture(params=["plain", "TLS"])
def way(request):
    """How a client comes."""
    return request.param


@pytest.fixture
def cli(server, client, way):
    """Runs redis-cli; returns what it prints."""
    def cli(*words, input=None, seconds=30):
        process = subprocess.run(
            cli_command(server, way) + [str(word) for word in words], input=input, capture_output=True, text=True,
            timeout=seconds)
        assert process.returncode == 0, process.stdout + process.stderr
        assert process.stderr == ""
        return process.stdout

    return cli


def cli_command(server, way):
    if way == "TLS":
        return [REDIS_CLI, "-h", server.host, "-p", str(server.tls_port), "--tls", "--cacert", file("ca.pem")]
    return [REDIS_CLI, "-h", server.host, "-p", str(server.port)]


def on_a_terminal(command, until, number=signal.SIGINT, seconds=20):
    """What a program shows on a terminal, up to what `until` finds in it; then it is told to stop."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""

    def read():
        nonlocal shown
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:
            pass

    thread = threading.Thread(target=read)
    thread.start()
    try:
        eventually(lambda: until(shown.decode(errors="replace")), seconds)
    finally:
        process.send_signal(number)
        process.wait(timeout=10)
        thread.join()
        os.close(ours)
    return shown.decode(errors="replace")


def fill(client):
    """A hundred presences and more strings, the one called `big` the longest."""
    with client.pipeline(transaction=False) as pipeline:
        for number in range(KEYS - 101):
            pipeline.set(f"s{number}", "x" * (number % 50))
        pipeline.set("big", "x" * 5000)
        for number in range(100):
            pipeline.execute_command("PRESENCE.CONNECT", f"presence:user:u{number}", "s", "EX", 100)
        pipeline.execute()


class TestRedisCli:
    def test_commands_by_argument_and_from_a_pipe(self, cli):
        assert cli("SET", "a", "1") == "OK\n"
        assert cli(input="INCR a\nGET a\n\nECHO \"two words\"\n") == "2\n2\ntwo words\n"
        assert cli("-x", "SET", "b", input="from a pipe") == "OK\n"
        assert cli("--raw", "GET", "b") == "from a pipe\n"
        assert cli("--no-raw", "MGET", "a", "b", "c") == '1) "2"\n2) "from a pipe"\n3) (nil)\n'
        assert cli("--csv", "MGET", "a", "b", "c") == '"2","from a pipe",NULL\n'
        assert cli("-r", "3", "INCR", "a") == "3\n4\n5\n"

    def test_databases(self, cli, server, way):
        assert cli("-n", "0", "PING") == "PONG\n"
        refused = subprocess.run(cli_command(server, way) + ["-n", "1", "PING"], capture_output=True, text=True, timeout=30)
        assert "SELECT 1 failed: ERR DB index is out of range" in refused.stdout + refused.stderr

    def test_resp3(self, cli, client):
        client.execute_command("PRESENCE.CONNECT", ANN, "s-1", "DEVICE", "web", "EX", 60)
        shown = cli("-3", "--no-raw", "HGETALL", ANN)
        assert re.match(r'1# "userId" => "ann"\n2# "status" => "online"\n', shown)
        count = cli("-3", "--no-raw", "PRESENCE.COUNT")
        assert '"online" => (integer) 1' in count
        assert json.loads(cli("--json", "PRESENCE.GET", ANN))["status"] == "online"
        assert json.loads(cli("-3", "--json", "CONFIG", "GET", "session-ttl")) == {"session-ttl": "120s"}

    def test_its_help_knows_the_server_s_commands(self, cli):
        assert "EXPIRE" in cli("help", "expire")
        assert "PRESENCE.CONNECT" in cli("PRESENCE.HELP")

    def test_mass_insertion(self, cli, client):
        commands = b"".join(encode("SET", f"k{number}", number) for number in range(5000))
        shown = cli("--pipe", input=commands.decode())
        assert shown.endswith("errors: 0, replies: 5000\n")
        assert client.dbsize() == 5000
        with_errors = b"".join(encode("INCR", f"k{number}", "too many") for number in range(3)) + encode("SET", "a", "1")
        process = subprocess.run(
            [REDIS_CLI, "-p", str(client.connection_pool.connection_kwargs["port"]), "--pipe"], input=with_errors,
            capture_output=True, timeout=30)
        assert b"errors: 3, replies: 4" in process.stdout

    def test_mass_insertion_of_presences(self, cli, client):
        record = '{"status":"online","connectionId":"s"}'
        lines = "".join(f"SET presence:user:u{number} {json.dumps(record)} EX 60\r\n" for number in range(500))
        assert "errors: 0, replies: 500" in cli("--pipe", input=lines)
        assert client.dbsize() == 500

    def test_scan_finds_every_key(self, cli, client):
        fill(client)
        assert len(set(cli("--scan").split())) == KEYS
        assert len(set(cli("--scan", "--pattern", "presence:user:*").split())) == 100

    def test_biggest_keys(self, cli, client):
        """Presences have no length that redis-cli could ask for: it counts them, and calls their sizes unknown."""
        fill(client)
        shown = cli("--bigkeys")
        assert f"Sampled {KEYS} keys in the keyspace!" in shown
        assert "Biggest string found '\"big\"' has 5000 bytes" in shown
        assert f"{KEYS - 100} strings with" in shown
        assert re.search(r"^100 presences with 0 \? \(33\.33% of keys", shown, re.M)

    @pytest.mark.parametrize("words", [["--memkeys"], ["--memkeys-samples", "5"]], ids=["memkeys", "samples"])
    def test_biggest_keys_by_memory(self, cli, client, words):
        fill(client)
        shown = cli(*words)
        assert f"Sampled {KEYS} keys in the keyspace!" in shown
        size = re.search(r"Biggest string found '\"big\"' has (\d+) bytes", shown)
        assert 5000 < int(size[1]) < 10_000
        presences = re.search(r"^100 presences with (\d+) bytes \(33\.33% of keys, avg size ([\d.]+)\)", shown, re.M)
        assert 50 < float(presences[2]) < 1000

    def test_statistics_every_second(self, server, client, way):
        fill(client)
        shown = on_a_terminal(
            cli_command(server, way) + ["--stat", "-i", "0.1"], lambda text: len(re.findall(r"^%d " % KEYS, text, re.M)) >= 3)
        assert "keys       mem      clients blocked requests            connections" in shown
        requests = [int(number) for number in re.findall(r"^%d +\S+ +\d+ +\d+ +(\d+) " % KEYS, shown, re.M)]
        assert requests == sorted(set(requests)), "every line counts more requests"

    def test_latency(self, server, client, way):
        command = cli_command(server, way) + ["--latency", "-i", "1"]
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        lowest, highest, average, samples = process.stdout.split()[:4]
        assert 0 <= int(lowest) <= float(average) <= int(highest) < 1000 and int(samples) > 10
        on_a_terminal(
            cli_command(server, way) + ["--latency-history", "-i", "0.3"],
            lambda text: text.count("seconds range") >= 2)

    def test_monitor(self, server, client, way):
        def until(text):
            client.set("watched", "1")
            return '"SET" "watched" "1"' in text

        shown = on_a_terminal(cli_command(server, way) + ["monitor"], until)
        assert re.search(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "watched" "1"', shown)

    def test_subscriptions(self, server, client, way):
        def until(text):
            client.publish("news", "hello")
            return "hello" in text and "message" in text

        shown = on_a_terminal(cli_command(server, way) + ["--no-raw", "SUBSCRIBE", "news"], until)
        assert '1) "message"' in shown and '3) "hello"' in shown
        shown = on_a_terminal(cli_command(server, way) + ["-3", "PSUBSCRIBE", "n*"], until)
        assert "pmessage" in shown

    def test_a_transaction_from_a_pipe(self, cli):
        assert cli(input="MULTI\nSET a 1\nINCR a\nEXEC\n") == "OK\nQUEUED\nQUEUED\nOK\n2\n"

    def test_its_prompt_follows_a_transaction(self, server, client, way):
        ours, theirs = pty.openpty()
        environment = os.environ | {"TERM": "dumb", "REDISCLI_HISTFILE": "/dev/null"}
        process = subprocess.Popen(
            cli_command(server, way), stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
        os.close(theirs)
        os.write(ours, b"MULTI\nSET a 1\nEXEC\nQUIT\n")
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:
            pass
        process.wait(timeout=10)
        os.close(ours)
        assert b"(TX)>" in shown and b"QUEUED" in shown and b"1) OK" in shown

    def test_what_is_not_served_says_so(self, server, client, way):
        client.set("a", "1")
        process = subprocess.run(
            cli_command(server, way) + ["--hotkeys"], capture_output=True, text=True, timeout=30)
        assert process.returncode != 0 and "unknown command 'OBJECT'" in process.stderr + process.stdout


# redis-py and its fork, which speak alike.

PARSERS = {
    "redis-py with hiredis": (redis, redis.Redis, redis._parsers._HiredisParser),
    "redis-py alone": (redis, redis.Redis, redis._parsers._RESP2Parser),
    "valkey-py": (valkey, valkey.Valkey, valkey._parsers._RESP2Parser),
}


@pytest.fixture(params=PARSERS)
def library(request):
    return PARSERS[request.param]


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def make(request, server, client, library, way):
    """Makes clients of one library, reading with one parser, in one version of the protocol, plain or by TLS."""
    module, kind, parser = library
    made = []

    def make(**options):
        options = {
            "host": server.host, "port": server.port, "protocol": request.param, "decode_responses": True,
            "parser_class": parser, "socket_timeout": 10} | options
        if way == "TLS":
            options |= {
                "port": server.tls_port, "ssl_ca_certs": file("ca.pem"), "connection_class": module.connection.SSLConnection}
        made.append(kind(connection_pool=module.ConnectionPool(**options)))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.connection_pool.disconnect()


@pytest.fixture
def one(make):
    return make()


def test_hiredis_is_there_and_used():
    assert redis.connection.DefaultParser is redis._parsers._HiredisParser
    assert hiredis.__version__


class TestLibraries:
    def test_pipelines_with_and_without_a_transaction(self, one):
        with one.pipeline() as pipeline:
            pipeline.set("a", 1).incr("a").execute_command("PRESENCE.CONNECT", ANN, "s-1")
            pipeline.execute_command("PRESENCE.MGET", ANN).get("nothing")
            assert pipeline.execute() == [True, 2, 1, ["online"], None]
        with one.pipeline(transaction=False) as pipeline:
            for number in range(1000):
                pipeline.set(f"k{number}", number, ex=60)
                pipeline.get(f"k{number}")
            assert pipeline.execute() == [part for number in range(1000) for part in (True, str(number))]

    def test_an_error_in_a_pipeline_is_told_with_its_place(self, one, library):
        one.set("text", "x")
        for transaction in (True, False):
            with one.pipeline(transaction=transaction) as pipeline:
                pipeline.set("a", 1).incr("text").set("b", 2)
                with pytest.raises(library[0].ResponseError, match="Command # 2.*not an integer"):
                    pipeline.execute()
            assert one.mget("a", "b") == ["1", "2"]

    def test_a_watched_key_that_changes_breaks_the_transaction(self, one, library, client):
        one.set("a", 1)
        with one.pipeline() as pipeline:
            pipeline.watch("a", ANN)
            assert pipeline.get("a") == "1"
            client.execute_command("PRESENCE.CONNECT", ANN, "s-1")
            pipeline.multi()
            pipeline.set("a", 2)
            with pytest.raises(library[0].WatchError):
                pipeline.execute()
        assert one.get("a") == "1"

        def add(pipeline):
            value = int(pipeline.get("a"))
            pipeline.multi()
            pipeline.set("a", value + 10)

        assert one.transaction(add, "a") == [True]
        assert one.get("a") == "11"

    def test_subscriptions(self, one, make):
        with make().pubsub() as pubsub:
            pubsub.subscribe("news", "more")
            pubsub.psubscribe("n*")
            confirmed = [pubsub.get_message(timeout=5) for _ in range(3)]
            assert [(message["type"], message["data"]) for message in confirmed] == [
                ("subscribe", 1), ("subscribe", 2), ("psubscribe", 3)]
            assert one.publish("news", "hello") == 2
            heard = [pubsub.get_message(timeout=5) for _ in range(2)]
            assert sorted((message["type"], message["pattern"], message["data"]) for message in heard) == [
                ("message", None, "hello"), ("pmessage", "n*", "hello")]
            assert one.pubsub_numsub("news", "none") == [("news", 1), ("none", 0)]
            assert sorted(one.pubsub_channels()) == ["more", "news"]
            assert one.pubsub_numpat() == 1
            pubsub.unsubscribe("news")
            assert pubsub.get_message(timeout=5)["type"] == "unsubscribe"
            pubsub.ping()
            assert pubsub.get_message(timeout=5) is not None

    def test_a_listener_in_a_thread_hears_of_presences_and_keys(self, one, make):
        heard = []
        pubsub = make().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(**{"user.status.changed:ann": lambda message: heard.append(json.loads(message["data"])["newStatus"])})
        pubsub.psubscribe(**{"__keyevent@0__:*": lambda message: heard.append((message["channel"][15:], message["data"]))})
        # Both are confirmed.
        for _ in range(2):
            pubsub.get_message(timeout=5)
        thread = pubsub.run_in_thread(sleep_time=0.1)
        one.set("a", "1", ex=5)
        one.execute_command("PRESENCE.CONNECT", ANN, "s-1")
        one.delete(ANN)
        eventually(lambda: "offline" in heard)
        thread.stop()
        thread.join()
        pubsub.close()
        assert [event for event in heard if event in ("online", "offline")] == ["online", "offline"]
        assert [event for event in heard if event[1] == "a"] == [("set", "a"), ("expire", "a")]

    def test_health_checks_and_names(self, make):
        checked = make(health_check_interval=1, client_name="checked")
        assert checked.client_getname() == "checked"
        number = checked.client_id()
        time.sleep(1.1)
        assert checked.get("a") is None
        assert checked.client_id() == number, "the connection was checked, not replaced"

    def test_a_connection_that_was_killed_is_opened_again(self, make, client):
        retried = make(retry_on_error=[redis.ConnectionError, valkey.ConnectionError], retry=None)
        number = retried.client_id()
        client.client_kill_filter(_id=number)
        retried.connection_pool.reset()
        assert retried.client_id() > number

    def test_a_lock_is_acquired_once_and_ends_by_its_time(self, one, make, library):
        first, second = one.lock("lock", timeout=5), make().lock("lock", timeout=5)
        assert first.acquire(blocking=False) and not second.acquire(blocking=False)
        assert 4 <= one.ttl("lock") <= 5
        with pytest.raises(library[0].ResponseError, match="unknown command 'EVALSHA'"):
            first.release()
        one.pexpire("lock", 50)
        assert second.acquire(blocking_timeout=5)

    def test_bytes_go_through_unchanged(self, make):
        raw = make(decode_responses=False)
        value = bytes(range(256)) * 300
        assert raw.set(b"\x00key\r\n", value) is True
        assert raw.get(b"\x00key\r\n") == value
        assert raw.strlen(b"\x00key\r\n") == len(value)

    def test_a_presence_by_the_commands_of_redis(self, one):
        record = {"userId": "ann", "status": "dnd", "deviceType": "web", "connectionId": "ws-1", "serverId": "s-2"}
        assert one.set(ANN, json.dumps(record), ex=120) is True
        got = json.loads(one.get(ANN))
        assert {name: got[name] for name in record} == record
        assert one.hget(ANN, "status") == "dnd"
        assert one.hmget(ANN, "status", "serverId", "none") == ["dnd", "s-2", None]
        assert one.hgetall(ANN)["connectionId"] == "ws-1"
        assert (one.type(ANN), one.exists(ANN), one.ttl(ANN)) == ("presence", 1, 120)
        assert one.expire(ANN, 60) and one.ttl(ANN) == 60
        assert list(one.scan_iter(match="presence:*", _type="presence")) == [ANN]
        assert one.delete(ANN) == 1 and one.get(ANN) is None

    def test_strings_and_lifetimes(self, one):
        assert one.set("a", "1", nx=True, px=5000) is True and one.set("a", "2", nx=True) is None
        assert one.set("a", "2", xx=True, get=True) == "1"
        assert one.getex("a", ex=10) == "2" and one.ttl("a") == 10
        assert one.getset("a", "3") == "2" and one.getdel("a") == "3"
        assert (one.incrby("n", 5), one.decr("n"), one.append("t", "ab"), one.strlen("t")) == (5, 4, 2, 2)
        assert one.mset({"x": 1, "y": 2}) and one.mget("x", "y", "z") == ["1", "2", None]
        assert one.expire("x", 100, nx=True) and not one.expire("x", 100, nx=True)
        assert one.expire("x", 200, gt=True) and not one.expire("x", 100, gt=True)
        assert one.persist("x") and one.ttl("x") == -1
        assert one.expireat("y", int(time.time()) + 50) and one.expiretime("y") == pytest.approx(time.time() + 50, abs=2)
        assert sorted(one.keys("?")) == ["n", "t", "x", "y"]
        assert one.unlink("x", "y", "none") == 2 and one.touch("n", "t") == 2
        assert one.flushdb() and one.dbsize() == 0

    def test_what_operators_ask(self, one):
        assert one.echo("hi") == "hi" and abs(one.time()[0] - time.time()) < 5
        assert one.info()["redis_version"].startswith("7.") and "used_memory" in one.info("memory")
        assert one.config_get("maxc*").keys() == {"maxclients"}
        assert one.config_set("slowlog-log-slower-than", one.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"])
        assert one.config_resetstat()
        assert one.client_setname("me") and "me" in [row["name"] for row in one.client_list()]
        me = one.client_info()
        assert (me["name"], me["db"], me["qbuf-free"], me["argv-mem"], me["oll"]) == ("me", 0, 0, 0, 0)
        assert one.command_count() > 70 and "presence.connect" in one.command()
        one.set("a", "x" * 1000)
        assert 1000 < one.memory_usage("a") < 4000 and one.memory_stats()
        assert isinstance(one.slowlog_get(), list) and one.slowlog_reset()
        assert one.client_no_evict("ON") and one.client_pause(1) and one.client_unpause()

    def test_monitor(self, one, make):
        with make().monitor() as monitor:
            one.set("watched", "1")
            seen = []
            while "SET watched 1" not in seen:
                seen.append(monitor.next_command()["command"])

    def test_asynchronous_clients(self, server, library, make, way):
        module, kind, _ = library
        secure = {"ssl": True, "ssl_ca_certs": file("ca.pem")} if way == "TLS" else {}
        protocol = make().connection_pool.connection_kwargs["protocol"]

        async def story():
            asynchronous = getattr(module.asyncio, kind.__name__)
            one = asynchronous(
                host=server.host, port=server.tls_port if secure else server.port, protocol=protocol,
                decode_responses=True, **secure)
            async with one.pipeline(transaction=True) as pipeline:
                pipeline.set("a", 1)
                pipeline.incr("a")
                assert await pipeline.execute() == [True, 2]
            assert sorted(await asyncio.gather(*(one.incr("n") for _ in range(8)))) == list(range(1, 9))
            async with one.pubsub() as pubsub:
                await pubsub.subscribe("news")
                await pubsub.get_message(timeout=5)
                await one.publish("news", "hello")
                assert (await pubsub.get_message(timeout=5))["data"] == "hello"
            await one.aclose()

        asyncio.run(story())


@pytest.mark.parametrize("protocol", [2, 3], ids=["RESP2", "RESP3"])
def test_hiredis_reads_every_kind_of_reply_byte_by_byte(server, client, protocol):
    commands = [
        ("HELLO", protocol), ("SET", "a", "1"), ("GET", "a"), ("GET", "none"), ("INCR", "a"), ("NOSUCH",), ("MGET", "a", "none"),
        ("PRESENCE.CONNECT", ANN, "s-1", "EX", 60), ("PRESENCE.GET", ANN), ("PRESENCE.SESSIONS", ANN), ("PRESENCE.COUNT",),
        ("HGETALL", ANN), ("CONFIG", "GET", "max*"), ("COMMAND", "INFO", "get"), ("COMMAND", "DOCS", "get"), ("MULTI",),
        ("PING",), ("EXEC",), ("INFO", "server"), ("CLIENT", "INFO"), ("MEMORY", "STATS"), ("SCAN", 0), ("SUBSCRIBE", "news"),
    ]
    reader = hiredis.Reader(encoding="utf-8", errors="replace")
    with server.raw() as raw:
        for command in commands:
            raw.send(encode(*command))
            reply = False
            while reply is False:
                reader.feed(raw.socket.recv(1))
                reply = reader.gets()
            assert not isinstance(reply, hiredis.ReplyError) or command == ("NOSUCH",), command
            assert not reader.has_data()


class TestRedisBenchmark:
    """Its own tests, as far as their commands are served."""

    def run(self, server, way, *words):
        command = [REDIS_BENCHMARK, *cli_command(server, way)[1:], "-q", "-n", "1000", "-c", "10", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    @pytest.mark.parametrize("options", [(), ("-P", "16"), ("-3",), ("--threads", "2"), ("-k", "0", "-n", "60")], ids=" ".join)
    def test_its_own_tests(self, server, client, way, options):
        ended = self.run(server, way, "-t", "ping_inline,ping_mbulk,set,get,incr,mset", "-r", "1000", *options)
        assert ended.returncode == 0, ended.stderr
        assert "rror" not in ended.stdout, ended.stdout
        for name in ("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"):
            assert re.search(rf"^{re.escape(name)}: [\d.]+ requests per second", ended.stdout.replace("\r", "\n"), re.M), ended.stdout
        assert 0 < client.dbsize()

    def test_what_it_cannot_test_here(self, server, client, way):
        ended = self.run(server, way)
        assert ended.returncode != 0
        assert "ERR unknown command 'LPUSH'" in ended.stdout + ended.stderr
        assert "INCR: " in ended.stdout, "everything before was tested"

    def test_idle_connections(self, server, client):
        process = subprocess.Popen(
            [REDIS_BENCHMARK, "-p", str(server.port), "-I", "-c", "50"], stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: client.info("clients")["connected_clients"] >= 51)
        finally:
            process.terminate()
            process.wait()


NODE_SCRIPT = """
const redis = require('redis');
const fs = require('fs');
const out = {};
const wait = async (check) => { while (!(await check())) await new Promise((go) => setTimeout(go, 5)); };
async function main() {
  const socket = process.env.CA ? { tls: true, ca: fs.readFileSync(process.env.CA) } : {};
  const client = redis.createClient({ url: process.env.URL, name: 'node', socket });
  client.on('error', (error) => { out.errors = [...(out.errors ?? []), error.message]; });
  await client.connect();
  %s
  await client.quit();
  console.log(JSON.stringify(out));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


class TestNodeRedis:
    @pytest.fixture
    def node(self, server, client, way):
        def node(body):
            address = f"redis://{server.host}:{server.port}"
            environment = {"URL": address}
            if way == "TLS":
                environment = {"URL": f"rediss://{server.host}:{server.tls_port}", "CA": file("ca.pem")}
            ended = subprocess.run(
                [NODE, "-"], input=NODE_SCRIPT % body, env=os.environ | environment | {"NODE_PATH": str(NODE_MODULES)},
                capture_output=True, text=True, timeout=60)
            assert ended.returncode == 0, ended.stderr
            return json.loads(ended.stdout)

        return node

    def test_strings_lifetimes_and_walks(self, node):
        out = node("""
            out.ping = await client.ping();
            out.set = [await client.set('a', '1', { EX: 60 }), await client.set('a', '2', { NX: true })];
            out.got = [await client.get('a'), await client.ttl('a'), await client.incrBy('a', 4)];
            await client.mSet({ x: '1', y: '2' });
            out.mget = await client.mGet(['x', 'y', 'z']);
            out.keys = [];
            for await (const key of client.scanIterator({ COUNT: 2 })) out.keys.push(key);
            out.many = (await Promise.all([...Array(500).keys()].map((n) => client.incr('n')))).at(-1);
            await Promise.all([...Array(500).keys()].map((n) => client.set('many:' + n, 'v')));
            const walked = [];
            for await (const key of client.scanIterator({ MATCH: 'many:*', COUNT: 7 })) walked.push(key);
            out.walked = [walked.length, new Set(walked).size];
            out.binary = (await client.get(redis.commandOptions({ returnBuffers: true }), 'a')).toString();
            out.name = await client.clientGetName();
            out.info = (await client.info('server')).includes('redis_version:7');
        """)
        assert (out["ping"], out["set"], out["got"]) == ("PONG", ["OK", None], ["1", 60, 5])
        assert (out["mget"], sorted(out["keys"]), out["many"]) == (["1", "2", None], ["a", "x", "y"], 500)
        assert out["walked"] == [500, 500], "a cursor is a number in JavaScript: exact below 2^53"
        assert (out["binary"], out["name"], out["info"]) == ("5", "node", True)

    def test_transactions(self, node):
        out = node("""
            out.multi = await client.multi().set('a', '1').incr('a').get('a').exec();
            const race = async (interfere) => client.executeIsolated(async (isolated) => {
              await isolated.watch('a');
              const value = Number(await isolated.get('a'));
              await interfere();
              return isolated.multi().set('a', String(value + 10)).exec();
            });
            out.alone = await race(async () => {});
            try { await race(() => client.set('a', 'other')); } catch (error) { out.conflict = error.constructor.name; }
            out.end = await client.get('a');
        """)
        assert out["multi"] == ["OK", 2, "2"]
        assert (out["alone"], out["conflict"], out["end"]) == (["OK"], "WatchError", "other")

    def test_subscriptions_and_presences(self, node):
        out = node("""
            const heard = [];
            const subscriber = client.duplicate();
            await subscriber.connect();
            await subscriber.subscribe('user.status.changed:ann', (message) => heard.push(JSON.parse(message).newStatus));
            await subscriber.pSubscribe('__keyevent@0__:d*', (message, channel) => heard.push([channel, message]));
            const key = 'presence:user:ann';
            await client.set(key, JSON.stringify({ status: 'dnd', connectionId: 'ws-1' }), { EX: 60 });
            out.record = JSON.parse(await client.get(key));
            out.hash = (await client.hGetAll(key)).status;
            out.beat = await client.sendCommand(['PRESENCE.BEAT', key, 'ws-1']);
            out.type = await client.type(key);
            await client.del(key);
            await wait(() => heard.length === 3);
            out.heard = heard;
            await subscriber.unsubscribe('user.status.changed:ann');
            await subscriber.pUnsubscribe();
            await subscriber.quit();
        """)
        assert (out["record"]["status"], out["record"]["connectionId"], out["hash"]) == ("dnd", "ws-1", "dnd")
        assert (out["beat"], out["type"]) == (1, "presence")
        assert [event for event in out["heard"] if isinstance(event, str)] == ["dnd", "offline"]
        assert ["__keyevent@0__:del", "presence:user:ann"] in out["heard"]

    # Debian's node-redis 4 speaks RESP2 alone; redis-py watches in both (test_watch.py).
    def test_a_list_of_friends(self, node):
        out = node("""
            const frames = [];
            const subscriber = client.duplicate();
            await subscriber.connect();
            await subscriber.subscribe('presence.watch:ann', (message) => frames.push(JSON.parse(message)));
            const key = (user) => 'presence:user:' + user;
            const watch = (...parts) => client.sendCommand(['PRESENCE.WATCH', key('ann'), ...parts]);
            const told = (user, status) => frames.some(({ rows }) => rows.some((row) => row[0] === user && row[1] === status));
            await client.sendCommand(['PRESENCE.CONNECT', key('bob'), 'phone']);
            out.first = await watch(key('bob'), key('cid'));
            await client.sendCommand(['PRESENCE.CONNECT', key('cid'), 'phone']);
            await wait(() => told('cid', 'online'));
            await client.sendCommand(['PRESENCE.BLOCK', key('bob'), key('ann')]);
            await wait(() => told('bob', 'offline'));
            await client.sendCommand(['PRESENCE.SET', key('bob'), 'STATUS', 'away']);
            await client.sendCommand(['PRESENCE.SET', key('cid'), 'STATUS', 'dnd', 'ACTIVITY', 'reading']);
            await wait(() => told('cid', 'dnd'));
            out.bob = frames.flatMap(({ rows }) => rows).filter((row) => row[0] === 'bob').map((row) => row[1]);
            out.text = frames.at(-1).rows[0][3];
            out.resumed = await watch('SINCE', frames.at(-1).cursor, key('bob'), key('cid'));
            out.since = (await watch('SINCE', out.first[0], key('bob'), key('cid')))[2].map((row) => row.slice(0, 2));
            out.gone = await client.sendCommand(['PRESENCE.UNWATCH', key('ann')]);
            // What is not of sessions outlives FLUSHALL, and the next test.
            await client.sendCommand(['PRESENCE.UNBLOCK', key('bob'), key('ann')]);
            for (const user of ['bob', 'cid']) await client.sendCommand(['PRESENCE.SET', key(user), 'STATUS', 'auto', 'ACTIVITY', '']);
            await subscriber.unsubscribe();
            await subscriber.quit();
        """)
        assert (out["first"][1], [row[:2] for row in out["first"][2]]) == (
            "snapshot", [["bob", "online"], ["cid", "offline"]])
        assert out["bob"] == ["offline"], "who blocked the viewer is offline to him, and stays it whatever he does"
        assert (out["text"], out["resumed"][1:], out["gone"]) == ("reading", ["resumed", []], 2)
        assert sorted(out["since"]) == [["bob", "offline"], ["cid", "dnd"]]

    def test_errors_and_a_connection_that_is_opened_again(self, node):
        out = node("""
            await client.set('text', 'x');
            try { await client.incr('text'); } catch (error) { out.error = [error.constructor.name, error.message]; }
            try { await client.lPush('list', 'x'); } catch (error) { out.unknown = error.message; }
            const number = await client.sendCommand(['CLIENT', 'ID']);
            const other = client.duplicate();
            await other.connect();
            await other.sendCommand(['CLIENT', 'KILL', 'ID', String(number)]);
            await wait(async () => { try { return (await client.sendCommand(['CLIENT', 'ID'])) > number; } catch { return false; } });
            out.name = await client.clientGetName();
            await other.quit();
        """)
        assert out["error"] == ["ErrorReply", "ERR value is not an integer or out of range"]
        assert out["unknown"].startswith("ERR unknown command 'LPUSH'")
        assert out["name"] == "node"
