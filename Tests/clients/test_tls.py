"""The TLS port: real clients, good and bad certificates, pre-shared keys, reloads, and bytes that no client would send."""

import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import time

import pytest
import redis

from harness import Raw, encode, eventually, free_port
from tls import SecureServer, Wire, file, settings

OPENSSL = shutil.which("openssl")
KEY = "9f3a1c5b7d2e4f60818293a4b5c6d7e8f9a0b1c2d3e4f5061728394a5b6c7d8e"
tested = set()


def effect(*names):
    """Marks a test as the one that sees these settings change behaviour; test_settings.py holds the list complete."""
    tested.update(names)
    return lambda test: test


@pytest.fixture(scope="module")
def server():
    server = SecureServer()
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture
def start_tls():
    servers = []

    def start(*more, **options):
        servers.append(SecureServer(*more, **options))
        return servers[-1]

    yield start
    codes = [server.stop() for server in servers]
    assert all(code == 0 for code in codes), "\n".join(server.log for server in servers)


@pytest.fixture
def copy(tmp_path):
    """A certificate and its key under names that the test may overwrite."""
    def copy(name):
        for end in (".pem", "-key.pem"):
            shutil.copy(file(f"{name}{end}"), tmp_path / f"live{end}")
        return str(tmp_path / "live.pem"), str(tmp_path / "live-key.pem")

    return copy


def s_client(server, *options, input=(("PING\r\n", "+PONG"),)):
    """What openssl s_client shows. Sends each line of `input` and waits until the text beside it comes, or the end."""
    process = subprocess.Popen(
        [OPENSSL, "s_client", "-connect", f"{server.host}:{server.tls_port}", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    shown = b""
    try:
        for line, answer in input:
            try:
                process.stdin.write(line.encode())
                process.stdin.flush()
            except BrokenPipeError:
                break
            deadline = time.monotonic() + 20
            while answer.encode() not in shown and time.monotonic() < deadline:
                if select.select([process.stdout], [], [], 0.1)[0]:
                    more = os.read(process.stdout.fileno(), 65536)
                    if not more:
                        break
                    shown += more
        try:
            shown += process.communicate(timeout=20)[0] or b""
        except BrokenPipeError:
            pass
        return shown.decode(errors="replace")
    finally:
        process.kill()
        process.wait()


def secure_redis(server, protocol=2, **options):
    return redis.Redis(
        host=server.host, port=server.tls_port, ssl=True, ssl_ca_certs=file("ca.pem"), protocol=protocol,
        decode_responses=True, socket_timeout=10, **options)


# Real clients


def test_redis_cli_works_over_tls(server):
    assert server.tls_cli("SET", "greeting", "hello") == "OK"
    assert server.tls_cli("GET", "greeting") == "hello"
    assert f"laddr=127.0.0.1:{server.tls_port}" in server.tls_cli("CLIENT", "LIST")
    assert f"tls_port:{server.tls_port}" in server.tls_cli("INFO", "server")


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_works_over_tls(server, protocol):
    with secure_redis(server, protocol) as client:
        client.execute_command("PRESENCE.CONNECT", "presence:user:tess", "s", "EX", 60)
        assert client.execute_command("PRESENCE.MGET", "presence:user:tess") == ["online"]
        values = {f"key{number}": "x" * number for number in range(500)}
        with client.pipeline(transaction=True) as pipeline:
            for key, value in values.items():
                pipeline.set(key, value)
            assert all(pipeline.execute())
        assert client.mget(list(values)) == list(values.values())
        big = "0123456789" * 400_000
        client.set("big", big)
        assert client.get("big") == big


@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_cross_between_the_ports(server, connect, protocol):
    with secure_redis(server, protocol) as client:
        pubsub = client.pubsub()
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        plain = connect(server)
        for number in range(300):
            assert plain.publish("news", f"{number}" * 100) == 1
        seen = [pubsub.get_message(timeout=5)["data"] for _ in range(300)]
        assert seen == [f"{number}" * 100 for number in range(300)]


@pytest.mark.parametrize("version, suite", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_speaks_both_versions(server, version, suite):
    shown = s_client(server, version, "-CAfile", file("ca.pem"), "-verify_return_error")
    assert "+PONG" in shown
    assert "Verify return code: 0 (ok)" in shown
    assert f"New, {suite}, Cipher is" in shown


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(server, version):
    assert "+PONG" not in s_client(server, version, "-cipher", "DEFAULT:@SECLEVEL=0")


def test_renegotiation_is_refused(server):
    shown = s_client(server, "-tls1_2", input=(("PING\r\n", "+PONG"), ("R\n", "no renegotiation")))
    assert "RENEGOTIATING" in shown
    assert "no renegotiation" in shown
    assert server.tls_cli("PING") == "PONG"


def test_nothing_is_resumed(server):
    shown = s_client(server, "-tls1_3") + s_client(server, "-tls1_2", "-reconnect")
    assert "New Session Ticket" not in shown
    assert "Reused" not in shown


# Certificates of clients


@effect("tls-auth-clients")
def test_tls_auth_clients_decides_who_must_show_a_certificate(start_tls, connect):
    server = start_tls(auth="yes")
    plain = connect(server)

    def served():
        return [
            name for name in (None, "client", "foreign", "expired")
            if server.tls_cli("PING", certificate=name, check=False) == "PONG"]

    assert served() == ["client"]
    plain.config_set("tls-auth-clients", "optional")
    assert served() == [None, "client"]
    plain.config_set("tls-auth-clients", "no")
    assert served() == [None, "client", "foreign", "expired"]
    plain.config_set("tls-auth-clients", "yes")
    assert served() == ["client"]
    for reason in (
            "peer did not return a certificate", "unable to get local issuer certificate", "certificate has expired"):
        assert reason in server.log


def test_default_asks_clients_for_certificates(server):
    assert server.cli("CONFIG", "GET", "tls-auth-clients").split("\n") == ["tls-auth-clients", "no"]
    shown = subprocess.run(
        [server.process.args[0], "--tls-port", "6390", "--tls-cert-file", "a", "--tls-key-file", "b"],
        capture_output=True, text=True, timeout=20)
    assert shown.returncode != 0
    assert "tls-auth-clients yes needs authorities to trust: tls-ca-cert-file or tls-ca-cert-dir" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


@effect("tls-ca-cert-file", "tls-ca-cert-dir")
def test_authorities_come_from_a_file_or_a_directory(start_tls, connect):
    server = start_tls(auth="yes")
    plain = connect(server)
    plain.config_set("tls-ca-cert-file", file("foreign-ca.pem"))
    assert server.tls_cli("PING", certificate="foreign") == "PONG"
    assert server.tls_cli("PING", certificate="client", check=False) != "PONG"
    plain.execute_command("CONFIG", "SET", "tls-ca-cert-file", "", "tls-ca-cert-dir", file("authorities"))
    assert server.tls_cli("PING", certificate="client") == "PONG"
    assert server.tls_cli("PING", certificate="foreign", check=False) != "PONG"
    with pytest.raises(redis.ResponseError, match="tls-auth-clients yes needs authorities"):
        plain.config_set("tls-ca-cert-dir", "")


@effect("tls-crl-file")
def test_a_certificate_that_was_taken_back_lets_nobody_in(start_tls, connect, tmp_path):
    server = start_tls(auth="yes")
    plain = connect(server)

    def served():
        return [name for name in ("client", "revoked") if server.tls_cli("PING", certificate=name, check=False) == "PONG"]

    # Many, so that it takes several slices, and one who is still in his handshake.
    there = {name: [server.tls(certificate=name) for _ in range(30)] for name in ("client", "revoked")}
    halfway = Wire(server.host, server.tls_port)
    lists = tmp_path / "lists.pem"
    shutil.copy(file("empty-crl.pem"), lists)
    plain.config_set("tls-crl-file", str(lists))
    assert served() == ["client", "revoked"]
    # The file is another one, and is read again.
    shutil.copy(file("crl.pem"), lists)
    plain.config_set("tls-crl-file", str(lists))
    assert served() == ["client"]
    eventually(lambda: "certificate verify failed: certificate revoked" in server.log)
    # Who is there goes, and nobody else.
    for raw in there["revoked"]:
        assert raw.is_closed()
    assert halfway.socket.recv(1) == b""
    for raw in there["client"]:
        assert raw.command("PING") == b"+PONG"
        raw.close()
    closed = re.findall("closed connections of clients whose certificate .* connections=([0-9]+)", server.log)
    assert sum(map(int, closed)) == 31
    shutil.copy(file("old-crl.pem"), lists)
    for reason, path in (
            ("its list of CN=ca ended on 2020-02-01 00:00 UTC: have that authority make a new one", str(lists)),
            ("it has no list of CN=ca, whose certificates would all be refused", file("foreign-crl.pem")),
            ("no start line", file("ca.pem")), ("No such file or directory", str(tmp_path / "missing"))):
        with pytest.raises(redis.ResponseError, match=f"tls-crl-file {re.escape(path)}: {re.escape(reason)}"):
            plain.config_set("tls-crl-file", path)
        assert served() == ["client"], "what cannot be used changes nothing"
    plain.config_set("tls-crl-file", "")
    assert served() == ["client", "revoked"]


# Pre-shared keys


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# who may come\n\nnode-a:{KEY}\nnode:b:{'0' * 32}\n")
    return path


@effect("tls-psk-file")
def test_a_pre_shared_key_opens_the_port_without_certificates(start_tls, connect, keys):
    server = start_tls("--tls-psk-file", keys, auth="yes")
    shown = s_client(server, "-psk", KEY, "-psk_identity", "node-a")
    assert "+PONG" in shown
    assert "Reused, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256" in shown
    assert "+PONG" in s_client(server, "-psk", "0" * 32, "-psk_identity", "node:b")
    for identity, key in (
            ("node-b", KEY), ("node-a", KEY[:-1] + "f"), ("node-a", "0" * 32), ("node-", KEY), ("node-a ", KEY)):
        assert "+PONG" not in s_client(server, "-psk", key, "-psk_identity", identity), identity
    assert "+PONG" not in s_client(server), "and who has neither key nor certificate stays outside"
    assert server.tls_cli("PING", certificate="client") == "PONG", "who has a certificate needs no key"

    keys.write_text(f"node-c:{KEY}\n")
    connect(server).config_set("tls-psk-file", str(keys))
    assert "+PONG" in s_client(server, "-psk", KEY, "-psk_identity", "node-c")
    assert "+PONG" not in s_client(server, "-psk", KEY, "-psk_identity", "node-a")


def test_keys_alone_are_enough(start, keys):
    port = free_port()
    server = start("--tls-port", port, "--tls-psk-file", keys)
    server.tls_port = port
    assert "+PONG" in s_client(server, "-psk", KEY, "-psk_identity", "node-a")
    assert "+PONG" not in s_client(server)
    assert "+PONG" not in s_client(server, "-psk", KEY, "-psk_identity", "node-a", "-tls1_2")
    # And nothing else: a server with keys alone has no certificate to show.
    assert "no peer certificate" in s_client(server)


@pytest.mark.parametrize("text, reason", [
    ("", "no key is in it"), ("node-a\n", "keys:1: name:hexadecimal digits is expected"),
    ("a:00\n", "keys:1: the key is not 32 to 128 hexadecimal digits"), (f"\n:{KEY}", "keys:2: the name has 0 bytes"),
    (f"a:{KEY}x0", "keys:1: the key is not"), (f"a:{KEY}\na:{KEY}", "keys:2: the name is there twice")])
def test_a_bad_file_of_keys_is_refused_without_showing_a_key(start_tls, connect, keys, text, reason):
    server = start_tls("--tls-psk-file", keys)
    keys.write_text(text)
    with pytest.raises(redis.ResponseError) as problem:
        connect(server).config_set("tls-psk-file", str(keys))
    assert reason in str(problem.value)
    assert KEY not in str(problem.value) and KEY not in server.log
    assert "+PONG" in s_client(server, "-psk", KEY, "-psk_identity", "node-a"), "the old keys are in force"


# Reloading


@effect("tls-cert-file", "tls-key-file")
def test_config_set_reads_the_files_again_and_connections_live_on(start_tls, connect, copy):
    certificate, key = copy("server")
    server = start_tls("--tls-cert-file", certificate, "--tls-key-file", key)
    plain = connect(server)
    with server.tls() as old:
        assert old.command("PING") == b"+PONG"
        assert server.served_certificate() == "server"
        copy("renewed")
        assert server.served_certificate() == "server", "nobody said so"
        # The same name, as a renewal leaves it.
        plain.config_set("tls-cert-file", certificate)
        assert server.served_certificate() == "renewed"
        plain.execute_command(
            "CONFIG", "SET", "tls-cert-file", file("server.pem"), "tls-key-file", file("server-key.pem"))
        assert server.served_certificate() == "server"
        assert old.command("PING") == b"+PONG"


def test_a_bad_file_changes_nothing(start_tls, connect, copy, tmp_path):
    certificate, key = copy("server")
    server = start_tls("--tls-cert-file", certificate, "--tls-key-file", key)
    plain = connect(server)
    for name, value, reason in (
            ("tls-cert-file", str(tmp_path / "missing"), "No such file or directory"),
            ("tls-cert-file", key, "no start line"),
            ("tls-key-file", file("client-key.pem"), f"it is not the key of tls-cert-file {certificate}"),
            ("tls-key-file", file("locked-key.pem"), "the key is locked: set tls-key-file-pass"),
            ("tls-ca-cert-file", str(tmp_path), "no certificate or crl found|directory"),
            ("tls-ca-cert-dir", str(tmp_path / "missing"), "No such file or directory"),
            ("tls-ciphers", "NONSENSE", "no cipher match"), ("tls-ciphersuites", "NONSENSE", "no cipher match"),
            ("tls-cert-file", "", "tls-key-file .* is the key of no certificate|needs a certificate")):
        with pytest.raises(redis.ResponseError, match=reason) as problem:
            plain.execute_command("CONFIG", "SET", "timeout", "77", name, value)
        assert f"possibly related to argument '{name}'" in str(problem.value)
        assert server.served_certificate() == "server"
    assert plain.config_get("timeout") == {"timeout": "0"}
    assert plain.config_get("tls-cert-file") == {"tls-cert-file": certificate}


@effect("tls-key-file-pass")
def test_a_locked_key_is_opened_by_its_password(start_tls, connect):
    server = start_tls()
    plain = connect(server)
    plain.execute_command("CONFIG", "SET", "tls-key-file", file("locked-key.pem"), "tls-key-file-pass", "sesame")
    assert server.served_certificate() == "server"
    with pytest.raises(redis.ResponseError):
        plain.config_set("tls-key-file-pass", "simsalabim")
    assert server.served_certificate() == "server"
    assert "sesame" not in server.log and "simsalabim" not in server.log


def test_sighup_reads_certificates_and_settings_again(start, connect, copy, tmp_path):
    certificate, key = copy("server")
    configuration = tmp_path / "cluster.conf"
    port, tls_port = free_port(), free_port()

    def write(*lines):
        configuration.write_text("\n".join([
            f"port {port}", f"tls-port {tls_port}", f"tls-cert-file {certificate}", f"tls-key-file {key}",
            "tls-auth-clients no", *lines, ""]))

    write("timeout 100")
    server = start("--config", configuration, port=port)
    server.tls_port = tls_port
    plain = connect(server)

    def served():
        return SecureServer.served_certificate(server)

    server.tls = lambda **options: SecureServer.tls(server, **options)

    def hang_up(expected):
        seen = server.log.count(expected)
        server.signal(1)
        eventually(lambda: server.log.count(expected) > seen)

    def get(name):
        return plain.config_get(name)[name]

    with server.tls() as old:
        assert old.command("PING") == b"+PONG"
        copy("renewed")
        hang_up("read again changed=nothing")
        assert served() == "renewed"
        assert old.command("PING") == b"+PONG"

    # What CONFIG SET changed stays, unless the file has changed there too.
    plain.config_set("session-ttl", "60s")
    write("timeout 200", "idle-after 10m", "shards 64")
    hang_up("changed=timeout idle-after")
    assert (get("timeout"), get("idle-after"), get("session-ttl"), get("shards")) == ("200", "600s", "60s", "32")
    assert "SIGHUP: shards takes effect at the next start" in server.log

    # One wrong line, and nothing is taken: neither what stands beside it nor the certificate.
    copy("server")
    write("timeout 300", "session-ttl never")
    hang_up("SIGHUP: nothing was changed: ")
    assert "cluster.conf:7: session-ttl: 'never' is not a duration" in server.log
    assert get("timeout") == "200"
    assert served() == "renewed"
    write("timeout 300", "heartbeat-interval 90s")
    hang_up("SIGHUP: nothing was changed: heartbeat-interval 90s is not below session-ttl 60s")
    assert get("timeout") == "200"
    # A certificate that cannot be used leaves the settings too.
    with open(certificate, "w") as broken:
        broken.write("nothing")
    write("timeout 300")
    hang_up(f"SIGHUP: nothing was changed: tls-cert-file {certificate}: no start line")
    assert (get("timeout"), served()) == ("200", "renewed")
    configuration.rename(tmp_path / "moved")
    hang_up("cluster.conf: No such file or directory")
    (tmp_path / "moved").rename(configuration)
    copy("server")
    hang_up("changed=timeout")
    assert (get("timeout"), served()) == ("300", "server")

    # CONFIG REWRITE says what is in force: then there is nothing to change.
    assert plain.config_rewrite()
    plain.config_set("timeout", "400")
    hang_up("read again changed=nothing")
    assert get("timeout") == "400"


# Versions, suites, time


def agreement(server, **options):
    with server.tls(**options) as raw:
        assert raw.command("PING") == b"+PONG"
        return raw.socket.version(), raw.socket.cipher()[0]


@effect("tls-protocols")
def test_tls_protocols_names_the_versions(start_tls, connect):
    server = start_tls()
    plain = connect(server)
    old, new = {"version": ssl.TLSVersion.TLSv1_2}, {"version": ssl.TLSVersion.TLSv1_3}
    for value, good, bad in (("TLSv1.2", old, new), ("TLSv1.3", new, old)):
        plain.config_set("tls-protocols", value)
        agreement(server, **good)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            agreement(server, **bad)
    plain.config_set("tls-protocols", "TLSv1.2 TLSv1.3")
    assert agreement(server)[0] == "TLSv1.3"
    assert plain.config_get("tls-protocols") == {"tls-protocols": "TLSv1.2 TLSv1.3"}
    with pytest.raises(redis.ResponseError, match="allowed: TLSv1.2, TLSv1.3"):
        plain.config_set("tls-protocols", "TLSv1.1")


@effect("tls-ciphers", "tls-ciphersuites", "tls-prefer-server-ciphers")
def test_suites_are_those_that_are_named_in_the_order_of_who_decides(start_tls, connect):
    server = start_tls()
    plain = connect(server)
    plain.config_set("tls-ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert agreement(server, version=ssl.TLSVersion.TLSv1_2)[1] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    plain.config_set("tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384")
    assert agreement(server)[1] == "TLS_AES_256_GCM_SHA384", "the client's order"
    plain.config_set("tls-prefer-server-ciphers", "yes")
    assert agreement(server)[1] == "TLS_CHACHA20_POLY1305_SHA256"


@effect("tls-handshake-timeout")
def test_a_handshake_that_does_not_end_is_ended(start_tls, connect):
    server = start_tls()
    connect(server).config_set("tls-handshake-timeout", "300ms")
    before = server.descriptors
    silent = [socket.create_connection((server.host, server.tls_port)) for _ in range(50)]
    halves = [Wire(server.host, server.tls_port) for _ in range(50)]
    for half in halves:
        with pytest.raises(ssl.SSLWantReadError):
            half.tls.do_handshake()
        half.send_all()
    with server.tls() as raw:
        eventually(lambda: server.descriptors <= before + 1)
        assert raw.command("PING") == b"+PONG", "who has finished has all the time"
    assert server.log.count("TLS handshake was not over after 300 ms") == 100
    for connection in silent + halves:
        connection.close()


# Bytes that no client sends


def test_plain_text_on_the_tls_port_is_told_the_right_one(server):
    for words in (b"PING\r\n", encode("PING"), encode("SET", "k", "x" * 100_000), b"GET / HTTP/1.1\r\n\r\n"):
        with Raw(server.host, server.tls_port) as raw:
            raw.send(words)
            answer = raw.rest()
        assert answer == (
            b"-ERR this port speaks TLS and got plain text: connect with TLS (redis-cli --tls), "
            b"or without it to port %d\r\n" % server.port)
    run = subprocess.run(
        ["redis-cli", "-p", str(server.tls_port), "PING"], capture_output=True, text=True, timeout=20)
    assert f"or without it to port {server.port}" in run.stdout + run.stderr
    assert "on tls-port: plain text where TLS is spoken" in server.log


@pytest.mark.parametrize("piece", [1, 2, 1000])
def test_tls_on_the_plain_port_is_told_the_right_one(server, piece):
    wire = Wire(server.host, server.port)
    with pytest.raises(ssl.SSLWantReadError):
        wire.tls.do_handshake()
    hello = wire.outgoing.read()
    with Raw(server.host, server.port) as raw:
        for start in range(0, len(hello), piece):
            try:
                raw.send(hello[start:start + piece])
            except ConnectionError:
                break
            if piece < 3:
                time.sleep(0.001)
        assert raw.line() == b"-ERR this port does not speak TLS; the port that does is tls-port %d" % server.tls_port
        assert raw.rest() == b""
    wire.close()
    eventually(lambda: f"began with TLS on the port without it; the port that does is tls-port {server.tls_port}" in server.log)


def test_the_plain_port_without_a_tls_port_names_the_setting(start):
    server = start()
    with server.raw() as raw:
        raw.send(b"\x16\x03\x01\x02\x00\x01")
        assert raw.line() == b"-ERR this port does not speak TLS; tls-port in cluster.conf makes a port that does"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_byte_at_a_time_is_served(server, version):
    wire = Wire(server.host, server.tls_port, version).shake_hands(piece=1)
    for byte in wire.records(encode("PING") * 3):
        wire.socket.sendall(bytes([byte]))
    assert wire.read(21) == b"+PONG\r\n" * 3
    wire.close()


def test_a_record_that_is_cut_runs_no_command(server, connect):
    plain = connect(server)
    plain.delete("cut")
    before = server.descriptors
    for missing in (1, 10, 20):
        wire = Wire(server.host, server.tls_port).shake_hands()
        record = wire.records(encode("SET", "cut", "yes"))
        wire.socket.sendall(record[:-missing])
        wire.close()
    # A changed record neither; what stood before it is run, though the connection is past answering.
    wire = Wire(server.host, server.tls_port).shake_hands()
    good, bad = wire.records(encode("SET", "whole", "yes")), wire.records(encode("SET", "cut", "yes"))
    wire.socket.sendall(good + bad[:-1] + bytes([bad[-1] ^ 1]))
    with pytest.raises(ssl.SSLError):
        wire.read(1)
    wire.close()
    eventually(lambda: server.descriptors <= before)
    assert plain.exists("cut") == 0
    assert plain.get("whole") == "yes"


def test_garbage_is_refused(server):
    before = server.descriptors
    for number in range(64):
        with Raw(server.host, server.tls_port) as raw:
            raw.send(bytes([22, 3, number & 3, 0, 200]) + bytes((number * 7 + index) & 255 for index in range(200)))
            raw.socket.shutdown(socket.SHUT_WR)
            assert raw.is_closed()
    eventually(lambda: server.descriptors <= before)
    assert server.tls_cli("PING") == "PONG"


def test_connections_cut_in_the_handshake_leave_nothing(server, connect):
    plain = connect(server)
    eventually(lambda: len(plain.client_list()) == 1)
    before = server.descriptors
    for number in range(300):
        wire = Wire(server.host, server.tls_port)
        with pytest.raises(ssl.SSLWantReadError):
            wire.tls.do_handshake()
        hello = wire.outgoing.read()
        wire.socket.sendall(hello[:len(hello) * number // 300])
        if number % 3 == 0:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.close()
    eventually(lambda: server.descriptors <= before, 15)
    eventually(lambda: len(plain.client_list()) == 1)


def test_a_client_that_does_not_read_is_not_read_from(server):
    wire = Wire(server.host, server.tls_port).shake_hands()
    with server.tls() as raw:
        assert raw.command("SET", "page", "x" * 100_000) == b"+OK"
    before = server.resident_bytes
    request = encode("GET", "page")
    for _ in range(10):
        wire.socket.sendall(wire.records(request * 100))
    time.sleep(0.5)
    # 100 MB of replies are asked for; what is there is what fits the socket, and a few replies.
    assert server.resident_bytes - before < 40 << 20
    expected = b"$100000\r\n" + b"x" * 100_000 + b"\r\n"
    # And nothing is lost of it.
    assert wire.read(len(expected) * 1000) == expected * 1000
    wire.close()
    with server.tls() as raw:
        assert raw.command("PING") == b"+PONG"


# Starting


@pytest.mark.parametrize("change, reason", [
    ({}, r"tls-port \d+ needs a certificate \(tls-cert-file, tls-key-file\) or pre-shared keys \(tls-psk-file\)"),
    ({"--tls-cert-file": "server.pem"}, "tls-cert-file .* is nothing without its key: set tls-key-file too"),
    ({"--tls-key-file": "server-key.pem"}, "needs a certificate|key of no certificate"),
    ({"--tls-cert-file": "missing.pem", "--tls-key-file": "server-key.pem"},
     r"tls-port \d+ cannot be served: tls-cert-file .*missing.pem: No such file or directory"),
    ({"--tls-cert-file": "server.pem", "--tls-key-file": "other-key.pem"},
     "tls-key-file .*other-key.pem: it is not the key of tls-cert-file .*server.pem"),
    ({"--tls-psk-file": "missing"}, "tls-psk-file .*missing: No such file or directory"),
])
def test_a_port_that_cannot_be_secure_is_not_opened(server, change, reason):
    port = free_port()
    words = [word for name, value in change.items() for word in (name, file(value))]
    run = subprocess.run(
        [server.process.args[0], "--port", str(port), "--tls-port", str(free_port()), "--tls-auth-clients", "no", *words],
        capture_output=True, text=True, timeout=20)
    assert run.returncode != 0
    lines = [line for line in run.stderr.splitlines() if line.startswith("presenced: ")]
    assert len(lines) >= 1
    assert [line for line in lines if re.search(reason, line)], run.stderr


def test_port_0_leaves_the_tls_port_alone(start):
    port = free_port()
    server = start("--port", "0", *settings(port=port), port=port)
    server.tls_port = port
    assert SecureServer.tls_cli(server, "PING") == "PONG"
    with Raw(server.host, port) as raw:
        assert raw.send(b"PING\r\n").rest() == (
            b"-ERR this port speaks TLS and got plain text: connect with TLS (redis-cli --tls)\r\n")


def test_a_tls_port_in_use_is_named(server):
    run = subprocess.run(
        [server.process.args[0], "--port", str(free_port()), *map(str, settings(port=server.tls_port))],
        capture_output=True, text=True, timeout=20)
    assert f"presenced: tls-port {server.tls_port} is in use by another process" in run.stderr
