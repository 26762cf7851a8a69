"""`presenced migrate`: presences of a running Redis are copied with their TTLs and followed until it is told to stop."""

import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
import redis

from differential import RedisServer
from harness import BINARY, Server, eventually, free_port
from redis.backoff import NoBackoff
from redis.retry import Retry
from tls import SecureServer, file, settings

PREFIX = "presence:user:"
LETTERS = "Kg$hxe"


class Migration:
    """A running `presenced migrate`, with what it says in files."""

    def __init__(self, source, target, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="presenced-migrate-")
        self.files = [pathlib.Path(self.folder.name, name) for name in ("out", "err")]
        with self.files[0].open("w") as out, self.files[1].open("w") as err:
            self.process = subprocess.Popen(
                [BINARY, "migrate", url(source), "--to", url(target), *map(str, options)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    @property
    def out(self):
        return self.files[0].read_text()

    @property
    def err(self):
        return self.files[1].read_text()

    def says(self, pattern, seconds=20):
        def heard():
            assert self.process.poll() is None or re.search(pattern, self.err), self.err + self.out
            return re.search(pattern, self.err)

        return eventually(heard, seconds)

    def follows(self, times=1):
        def heard():
            assert self.process.poll() is None, self.err + self.out
            return self.err.count("following changes") >= times

        eventually(heard, 30)
        return self

    def stop(self, number=signal.SIGINT):
        """Tells it to stop; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self, seconds=40):
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it does not end:\n{self.err}") from None


def url(server):
    return server if isinstance(server, str) else f"redis://{server.host}:{server.port}"


def again(server):
    """Starts a server that was killed anew: the same port, the same options, empty."""
    args = server.process.args
    server.process = subprocess.Popen(
        args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: answers(server), 20)


def answers(server):
    try:
        with server.raw() as raw:
            return raw.command("PING") == b"+PONG"
    except OSError:
        return False


def kill(server):
    server.process.kill()
    server.process.wait()


def run(*words):
    return subprocess.run([BINARY, "migrate", *map(str, words)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def source():
    server = RedisServer("--notify-keyspace-events", LETTERS)
    yield server
    server.stop()


@pytest.fixture
def migrate(start):
    """Starts migrations, and ends with the test what still runs. After `start`, so that the servers are there to the end."""
    running = []

    def migrate(*words):
        running.append(Migration(*words))
        return running[-1]

    yield migrate
    for migration in running:
        if migration.process.poll() is None:
            migration.process.kill()
        migration.process.wait()
        migration.folder.cleanup()


@pytest.fixture
def target(start):
    return start()


@pytest.fixture
def old(source, client_of):
    return client_of(source)


@pytest.fixture
def new(target, client_of):
    return client_of(target)


@pytest.fixture
def client_of():
    clients = []

    def client_of(server, **options):
        clients.append(
            redis.Redis(
                host=server.host, port=server.port, decode_responses=True, socket_timeout=10, protocol=2,
                retry=Retry(NoBackoff(), 0), **options))
        return clients[-1]

    yield client_of
    for client in clients:
        client.close()


def record(user, **changes):
    return {
        "userId": user, "status": "online", "lastSeen": "2025-01-19T10:35:22.123Z", "deviceType": "web",
        "platform": "chrome", "connectionId": f"ws-{user}", "serverId": "server-2",
    } | changes


def put(client, user, ttl=100, **changes):
    client.set(PREFIX + user, json.dumps(record(user, **changes)), ex=ttl)


def status(client, user):
    return client.execute_command("PRESENCE.MGET", PREFIX + user)[0]


def sessions(client, user):
    found = client.execute_command("PRESENCE.SESSIONS", PREFIX + user)
    return sorted(dict(zip(row[::2], row[1::2]))["connectionId"] for row in found)


# Copying.


def test_thousands_of_records_are_copied_with_their_ttls(source, target, old, new):
    with old.pipeline(transaction=False) as pipeline:
        for number in range(3000):
            pipeline.set(f"{PREFIX}j{number}", json.dumps(record(f"j{number}")), px=60_000 + 10 * number)
            pipeline.hset(f"{PREFIX}h{number}", mapping=record(f"h{number}", status="dnd", lastSeen="1737282922123"))
            pipeline.pexpire(f"{PREFIX}h{number}", 90_000 + 10 * number)
            pipeline.set(f"other:{number}", "not a presence")
        pipeline.execute()
    ended = run(url(source), "--to", url(target), "--once")
    assert ended.returncode == 0, ended.stderr
    assert "6000 records written (3000 JSON, 3000 hashes, 0 bare words)" in ended.stdout
    assert new.dbsize() == 6000
    for name in ("j0", "j1499", "j2999", "h0", "h2999"):
        assert abs(new.pttl(PREFIX + name) - old.pttl(PREFIX + name)) < 1000, "the TTL is kept"
    json_record, hash_record = json.loads(new.get(PREFIX + "j7")), json.loads(new.get(PREFIX + "h7"))
    # In the source the user was seen long ago: here that is his last activity, and he is away for it.
    assert json_record | {"lastHeartbeat": None} == record("j7", status="away") | {"lastHeartbeat": None}
    assert hash_record | {"lastHeartbeat": None} == record("h7", status="dnd") | {"lastHeartbeat": None}
    assert json_record["lastHeartbeat"] > "2025-02"


def test_each_kind_is_copied_or_counted_with_the_reason(source, target, old, new):
    put(old, "plain")
    old.set(PREFIX + "word", "dnd", ex=50)
    old.set(PREFIX + "goner", "offline", ex=50)
    old.set(PREFIX + "forever", json.dumps(record("forever")))
    put(old, "day", ttl=86_400)
    put(old, "extra", mood="good", level=3)
    put(old, "gone", status="offline")
    old.set(PREFIX + "broken", '{"status":"online"', ex=50)
    old.set(PREFIX + "shout", '{"status":"ONLINE"}', ex=50)
    old.set(PREFIX + "huge", '{"status":"online","x":"' + "x" * 3_000_000 + '"}', ex=50)
    old.hset(PREFIX + "nameless", "device", "web")
    old.zadd(PREFIX + "scores", {"a": 1})
    old.sadd(PREFIX + "set", "a")
    old.set(PREFIX, json.dumps(record("")))
    ended = run(url(source), "--to", url(target), "--once")
    assert ended.returncode == 0, ended.stderr
    out = ended.stdout
    assert out.splitlines()[0] == "5 records written (4 JSON, 0 hashes, 1 bare words), 14 keys looked at"
    for line in [
        "1 had no TTL: they got the target's session-ttl, and end with it unless they are written again",
        "1 had a TTL above the target's heartbeat-hard-limit: they got that",
        "2 say offline: there is no session to copy",
        "2 fields are none that a record keeps: they were dropped",
        "1 keys are of type set, which holds no presence record: docs/porting.md has what replaces them",
        "1 keys are of type zset, which holds no presence record: docs/porting.md has what replaces them",
        "5 keys hold no presence record:",
        f"    {PREFIX}broken: the presence record is not valid JSON at byte 18",
        f"    {PREFIX}nameless: the hash lacks the field status",
        f"    {PREFIX}huge: a presence record has at most 65536 bytes",
    ]:
        assert line in out.splitlines(), out
    assert new.dbsize() == 5
    assert 118 <= new.ttl(PREFIX + "forever") <= 120
    assert 298 <= new.ttl(PREFIX + "day") <= 300
    assert status(new, "word") == "dnd"
    assert sessions(new, "word") == ["default"]


def test_other_names_and_databases_are_mapped(source, start, client_of):
    old = client_of(source, db=5)
    old.set("app:7:status", json.dumps(record("7:status")), ex=50)
    old.set("app:8:other", json.dumps(record("8")), ex=50)
    client_of(source).set("app:9:status", json.dumps(record("9")), ex=50)
    target = start("--key-prefix", "p:")
    ended = run(url(source) + "/5", "--to", url(target), "--once", "--match", "app:*:status")
    assert ended.returncode == 0, ended.stderr
    assert list(client_of(target).scan_iter()) == ["p:7:status"]
    ended = run(url(source) + "/5", "--to", url(target), "--once", "--key-prefix", "app:")
    assert "2 records written" in ended.stdout
    assert sorted(client_of(target).scan_iter()) == ["p:7:status", "p:8:other"]


def test_passwords_are_given_in_the_urls(start, client_of):
    source = RedisServer("--requirepass", "p@ss", "--notify-keyspace-events", "KEA")
    try:
        target = start("--requirepass", "other")
        put(client_of(source, password="p@ss"), "ann")
        at = f"@{source.host}:{source.port}"
        to = f"redis://:other@{target.host}:{target.port}"
        for ours, theirs, reason in [
            (f"redis://{at[1:]}", to, "asks for a password"), (f"redis://:wrong{at}", to, "does not take this user and password"),
            (f"redis://:p%40ss{at}", url(target), "asks for a password"),
        ]:
            ended = run(ours, "--to", theirs)
            assert ended.returncode == 1
            assert reason in ended.stderr and "wrong@" not in ended.stderr
            assert len(ended.stderr.splitlines()) == 1
        ended = run(f"redis://:p%40ss{at}", "--to", to, "--once")
        assert (ended.returncode, ended.stdout.split()[0]) == (0, "1"), ended.stderr
        ended = run(f"redis://default:p%40ss{at}", "--to", to, "--once")
        assert (ended.returncode, ended.stdout.split()[0]) == (0, "1"), ended.stderr
    finally:
        source.stop()


def test_a_rate_is_held_and_shown(source, target, old, migrate):
    for number in range(300):
        put(old, f"u{number}")
    begin = time.monotonic()
    migration = migrate(source, target, "--once", "--rate", 150)
    assert migration.wait() == 0
    assert 1.5 < time.monotonic() - begin < 10
    assert re.search(r"copying: 300 keys looked at \(300 in the database\), 300 written, 0 not to be written", migration.err)


def test_a_terminal_has_one_line_that_changes(source, target, old):
    for number in range(200):
        put(old, f"u{number}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BINARY, "migrate", url(source), "--to", url(target), "--once", "--rate", "200"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass
    assert process.wait(timeout=20) == 0
    os.close(ours)
    assert shown.count(b"\r\x1b[Kcopying: ") >= 2
    assert shown.count(b"\n") <= 2, shown
    assert process.stdout.read().startswith("200 records written")


# Following.


def test_changes_are_followed_until_told_to_stop(source, target, old, new, migrate):
    put(old, "ann")
    put(old, "bob")
    old.hset(PREFIX + "eve", mapping=record("eve", status="dnd"))
    old.expire(PREFIX + "eve", 100)
    migration = migrate(source, target).follows()
    put(old, "cid", status="dnd")
    old.delete(PREFIX + "ann")
    old.hset(PREFIX + "eve", "status", "away")
    old.expire(PREFIX + "bob", 30)
    put(old, "leo", status="dnd")
    old.set(PREFIX + "leo", json.dumps(record("leo", status="offline")), ex=100)
    eventually(lambda: [status(new, user) for user in ("ann", "cid", "eve", "leo")] == ["offline", "dnd", "away", "offline"])
    eventually(lambda: 28 <= new.ttl(PREFIX + "bob") <= 30)
    old.rename(PREFIX + "cid", PREFIX + "kim")
    eventually(lambda: (status(new, "cid"), status(new, "kim")) == ("offline", "dnd"))
    assert migration.stop() == 0
    assert "sessions ended" in migration.out
    put(old, "late")
    time.sleep(0.2)
    assert status(new, "late") == "offline", "it follows no more"


def test_what_expires_there_expires_here_at_the_same_time(source, target, old, new, migrate):
    migrate(source, target).follows()
    old.set(PREFIX + "ann", json.dumps(record("ann", status="dnd")), px=1500)
    begin = time.monotonic()
    eventually(lambda: status(new, "ann") == "dnd")
    eventually(lambda: status(new, "ann") == "offline")
    assert 1.3 < time.monotonic() - begin < 2.2


def test_a_newer_session_replaces_the_one_before_and_leaves_those_of_the_target_alone(source, target, old, new, migrate):
    put(old, "ann", connectionId="first")
    migrate(source, target).follows()
    new.execute_command("PRESENCE.CONNECT", PREFIX + "ann", "own")
    put(old, "ann", connectionId="second")
    eventually(lambda: sessions(new, "ann") == ["own", "second"])
    old.delete(PREFIX + "ann")
    eventually(lambda: sessions(new, "ann") == ["own"])
    old.delete(PREFIX + "ann")
    put(old, "bob")
    eventually(lambda: status(new, "bob") != "offline")
    assert sessions(new, "ann") == ["own"], "a session that was opened on the target is its own"


def test_nothing_is_lost_of_what_changes_while_it_copies(source, target, old, new, client_of, migrate):
    with old.pipeline(transaction=False) as pipeline:
        for number in range(4000):
            pipeline.set(f"{PREFIX}u{number}", json.dumps(record(f"u{number}", status="dnd")), ex=200)
        pipeline.execute()
    stop = threading.Event()
    alive = set(range(4000))

    def change():
        mine, number = client_of(source), 0
        while not stop.is_set():
            number += 1
            mine.delete(f"{PREFIX}u{number * 37 % 4000}")
            alive.discard(number * 37 % 4000)
            put(mine, f"n{number}", status="dnd")
            alive.add(f"n{number}")
            # Two keys change each time: less than the rate, or the copy would never come to an end.
            time.sleep(0.001)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        migrate(source, target, "--rate", 4000).follows()
        time.sleep(0.3)
    finally:
        stop.set()
        thread.join()
    names = {key.removeprefix(PREFIX) for key in old.scan_iter(count=1000)}
    assert len(names) == len(alive)
    eventually(lambda: {key.removeprefix(PREFIX) for key in new.scan_iter(count=1000)} == names, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_while_it_copies(source, target, old, migrate, number):
    for user in range(500):
        put(old, f"u{user}")
    migration = migrate(source, target, "--rate", 50)
    migration.says("copying: ")
    begin = time.monotonic()
    assert migration.stop(number) == 0
    assert time.monotonic() - begin < 5
    assert "records written" in migration.out


# Notifications.


def test_missing_notifications_are_an_error_that_names_the_command(source, target, old):
    old.config_set("notify-keyspace-events", "Ex")
    ended = run(url(source), "--to", url(target))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    command = re.search(r"CONFIG SET notify-keyspace-events (\S+),", ended.stderr)
    assert "--set-notifications" in ended.stderr and "--once" in ended.stderr
    assert old.config_get("notify-keyspace-events")["notify-keyspace-events"] == "xE", "nothing was changed"
    old.config_set("notify-keyspace-events", command[1])
    migration = Migration(source, target).follows()
    assert migration.stop() == 0


def test_notifications_are_set_and_put_back_if_asked_for(source, target, old, new, migrate):
    old.config_set("notify-keyspace-events", "Ex")
    migration = migrate(source, target, "--set-notifications").follows()
    assert set(LETTERS) | {"E"} == set(old.config_get("notify-keyspace-events")["notify-keyspace-events"])
    put(old, "ann", status="dnd")
    eventually(lambda: status(new, "ann") == "dnd")
    assert migration.stop() == 0
    assert old.config_get("notify-keyspace-events")["notify-keyspace-events"] == "xE"


def test_notifications_that_somebody_else_changed_meanwhile_stay(source, target, old, migrate):
    old.config_set("notify-keyspace-events", "")
    migration = migrate(source, target, "--set-notifications").follows()
    old.config_set("notify-keyspace-events", "KEA")
    assert migration.stop() == 0
    assert old.config_get("notify-keyspace-events")["notify-keyspace-events"] == "AKE"


def test_a_source_without_config_is_followed_with_a_word_of_warning(target, new, client_of, migrate):
    source = RedisServer("--notify-keyspace-events", "KA", "--rename-command", "CONFIG", "")
    try:
        migration = migrate(source, target).follows()
        assert "does not let CONFIG be read" in migration.err
        put(client_of(source), "ann", status="dnd")
        eventually(lambda: status(new, "ann") == "dnd")
        assert migration.stop() == 0
    finally:
        source.stop()


# Losses.


def test_a_source_that_restarts_is_read_again(source, target, old, new, migrate):
    put(old, "ann", ttl=3)
    put(old, "bob", status="dnd")
    migration = migrate(source, target).follows()
    kill(source)
    migration.says("lost|not reached")
    time.sleep(0.5)
    again(source)
    put(old, "cid", status="dnd")
    migration.follows(times=2)
    put(old, "dan", status="dnd")
    eventually(lambda: [status(new, user) for user in ("bob", "cid", "dan")] == ["dnd"] * 3)
    eventually(lambda: status(new, "ann") == "offline", 5)
    assert migration.stop() == 0
    assert re.search(r"^[12] times a connection was lost", migration.out, re.M), migration.out


def test_notifications_that_a_restart_forgot_are_set_again(source, target, old, new, migrate):
    old.config_set("notify-keyspace-events", "")
    source.process.args[source.process.args.index(LETTERS)] = ""
    migration = migrate(source, target, "--set-notifications").follows()
    kill(source)
    again(source)
    migration.follows(times=2)
    put(old, "ann", status="dnd")
    eventually(lambda: status(new, "ann") == "dnd")
    assert migration.stop() == 0
    assert old.config_get("notify-keyspace-events")["notify-keyspace-events"] == ""


def test_a_killed_target_that_comes_back_gets_everything_again(source, old, client_of, migrate, start):
    target = start()
    put(old, "ann", status="dnd")
    migration = migrate(source, target).follows()
    kill(target)
    put(old, "bob", status="dnd")
    migration.says("lost|not reached")
    again(target)
    migration.follows(times=2)
    new = client_of(target)
    eventually(lambda: [status(new, user) for user in ("ann", "bob")] == ["dnd"] * 2)
    assert migration.stop() == 0


def test_a_target_that_stays_away_ends_it_with_a_line_and_the_summary(source, old, migrate):
    target = Server()
    put(old, "ann")
    migration = migrate(source, target, "--retries", 3).follows()
    kill(target)
    assert migration.wait() == 1
    assert "gave up after 3 attempts" in migration.err.splitlines()[-1]
    assert "--retries" in migration.err.splitlines()[-1]
    assert "1 records written" in migration.out


def test_a_source_that_is_stopped_does_not_hold_up_the_end(source, target, old, migrate):
    put(old, "ann")
    migration = migrate(source, target).follows()
    source.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(0.2)
        begin = time.monotonic()
        assert migration.stop() == 0
        assert time.monotonic() - begin < 15
    finally:
        source.process.send_signal(signal.SIGCONT)


# What is wrong from the start.


@pytest.mark.parametrize(
    "address, reason",
    [
        ("localhost:6379", "begins with redis://"), ("http://localhost", "rediss://"), ("redis://localhost/first", "number"),
        ("redis://host.invalid", "not reached: its name is not known"),
    ])
def test_a_wrong_address_is_one_line_that_says_so(target, address, reason):
    ended = run(address, "--to", url(target))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("presenced: ") and reason in ended.stderr


def test_a_server_that_is_not_there_is_one_line(source, target):
    nobody = f"redis://127.0.0.1:{free_port()}"
    for words, side in [((nobody, "--to", url(target)), "source"), ((url(source), "--to", nobody), "target")]:
        ended = run(*words)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            f"presenced: the {side} {nobody} is not reached: Connection refused. Is it running, and is this its address?\n")


def test_a_target_that_is_no_presenced_is_told(source, target):
    other = RedisServer()
    try:
        ended = run(url(source), "--to", url(other))
        assert ended.returncode == 1 and "is not a presenced" in ended.stderr and "--to" in ended.stderr
    finally:
        other.stop()
    ended = run(url(target), "--to", url(target))
    assert ended.returncode == 1 and "same server" in ended.stderr


def test_a_database_that_is_not_there_is_told(source, target):
    ended = run(url(source) + "/99", "--to", url(target))
    assert ended.returncode == 1 and "SELECT 99" in ended.stderr and "out of range" in ended.stderr


def test_what_does_not_speak_redis_is_told(target):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        ended = run(f"redis://127.0.0.1:{listener.getsockname()[1]}", "--to", url(target))
        thread.join()
    assert ended.returncode == 1
    assert "does not speak the Redis protocol" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_presenced_is_copied_once_but_not_followed(start, client_of):
    source, target = start(), start()
    old, new = client_of(source), client_of(target)
    old.execute_command("PRESENCE.CONNECT", PREFIX + "ann", "s-1", "STATUS", "dnd", "EX", 60)
    ended = run(url(source), "--to", url(target))
    assert ended.returncode == 1 and "--once" in ended.stderr and "heartbeats" in ended.stderr
    assert run(url(source), "--to", url(target), "--once").returncode == 0
    assert (status(new, "ann"), sessions(new, "ann")) == ("dnd", ["s-1"])


# TLS.


@pytest.fixture
def secure_source():
    port = free_port()
    server = RedisServer("--notify-keyspace-events", LETTERS, *map(str, settings(port=port, auth="yes")))
    server.url = f"rediss://{server.host}:{port}"
    yield server
    server.stop()


def test_both_servers_may_speak_tls(secure_source, client_of, migrate):
    target = SecureServer(auth="yes")
    try:
        put(client_of(secure_source), "ann", status="dnd")
        to = f"rediss://{target.host}:{target.tls_port}"
        files = ("--tls-ca-cert-file", file("ca.pem"), "--tls-cert-file", file("client.pem"), "--tls-key-file", file("client-key.pem"))
        migration = migrate(secure_source.url, to, *files).follows()
        new = client_of(target)
        assert status(new, "ann") == "dnd"
        put(client_of(secure_source), "bob", status="dnd")
        eventually(lambda: status(new, "bob") == "dnd")
        assert migration.stop() == 0
        assert run(secure_source.url, "--to", to, "--once", "--tls-insecure", *files[2:]).returncode == 0
    finally:
        assert target.stop() == 0, target.log


def test_a_tls_server_that_is_not_trusted_or_wants_a_certificate_is_one_line(secure_source, target):
    for words, reason in [((), "certificate"), (("--tls-ca-cert-file", file("ca.pem")), "certificate")]:
        ended = run(secure_source.url, "--to", url(target), *words)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert len(ended.stderr.splitlines()) == 1
        assert "TLS" in ended.stderr and reason in ended.stderr and "--tls-ca-cert-file" in ended.stderr
    ended = run(secure_source.url, "--to", url(target), "--tls-ca-cert-file", "/nowhere/ca.pem")
    assert ended.returncode == 1 and "/nowhere/ca.pem" in ended.stderr


def test_plain_text_and_tls_are_told_apart(secure_source, target, source):
    plain = f"redis://{source.host}:{source.port}"
    ended = run(secure_source.url.replace("rediss", "redis"), "--to", url(target))
    assert ended.returncode == 1 and "rediss://" in ended.stderr and len(ended.stderr.splitlines()) == 1
    ended = run(plain.replace("redis", "rediss"), "--to", url(target))
    assert ended.returncode == 1 and "redis:// is for plain text" in ended.stderr and len(ended.stderr.splitlines()) == 1
