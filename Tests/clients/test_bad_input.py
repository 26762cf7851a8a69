"""Bad input gets Redis's texts, ends at most the connection that it came on, and costs no memory for what a client only claims."""

import socket
import time

import pytest
import redis

from harness import Raw, admitted, encode, eventually

USER = "presence:user:carol"


@pytest.fixture(autouse=True)
def others_are_served(server):
    """Whatever a test does to its own connection: another one, opened before, is answered after it."""
    with server.raw() as other:
        assert other.command("PING") == b"+PONG"
        yield
        assert other.command("PING") == b"+PONG"
        assert server.process.poll() is None, server.log


@pytest.mark.parametrize(
    "sent, error",
    [
        (b"*1\r\n$-5\r\n", b"Protocol error: invalid bulk length"),
        (b"*1\r\n$abc\r\n", b"Protocol error: invalid bulk length"),
        (b"*2\r\n$4\r\nECHO\r\n$536870913\r\n", b"Protocol error: invalid bulk length"),
        (b"*2\r\n$4\r\nECHO\r\n$9223372036854775808\r\n", b"Protocol error: invalid bulk length"),
        (b"*99999999999\r\n", b"Protocol error: invalid multibulk length"),
        (b"*1048577\r\n", b"Protocol error: invalid multibulk length"),
        (b"*abc\r\n", b"Protocol error: invalid multibulk length"),
        (b"*1\r\n+PING\r\n", b"Protocol error: expected '$', got '+'"),
        (b"SET a \"b\r\n", b"Protocol error: unbalanced quotes in request"),
        (b"a" * 70_000, b"Protocol error: too big inline request"),
        (b"*" + b"1" * 70_000, b"Protocol error: too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70_000, b"Protocol error: too big bulk count string"),
    ],
    ids=lambda value: value[:24].decode("latin-1").encode("unicode_escape").decode() if isinstance(value, bytes) else None)
def test_a_protocol_error_is_named_and_ends_its_connection_alone(server, sent, error):
    with server.raw() as raw:
        assert raw.command("PING") == b"+PONG"
        raw.send(sent)
        assert raw.rest() == b"-ERR " + error + b"\r\n"


def test_replies_before_a_protocol_error_arrive(server):
    with server.raw() as raw:
        raw.send(encode("PING") + encode("ECHO", "hello") + b"*1\r\n$-5\r\n" + encode("PING"))
        assert raw.rest() == b"+PONG\r\n$5\r\nhello\r\n-ERR Protocol error: invalid bulk length\r\n"


def test_empty_commands_are_skipped(server):
    with server.raw() as raw:
        assert raw.send(b"\r\n*0\r\n*-1\r\n\r\nPING\r\n").reply() == b"+PONG"


def test_claimed_lengths_cost_no_memory(server):
    before = server.resident_bytes
    claims = [server.raw().send(b"*1048576\r\n$3\r\nSET\r\n$536870912\r\nabc") for _ in range(50)]
    time.sleep(0.3)
    assert server.resident_bytes - before < 64 << 20
    for claim in claims:
        claim.close()


def test_commands_may_come_byte_by_byte(server):
    with server.raw() as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in encode("SET", "slow", "x\r\ny") + encode("GET", "slow"):
            raw.send(bytes([byte]))
        assert [raw.reply(), raw.reply()] == [b"+OK", b"x\r\ny"]


def test_half_commands_wait_and_clients_may_vanish(server, client):
    halves = [server.raw() for _ in range(100)]
    for number, raw in enumerate(halves):
        raw.send(encode("SET", f"half{number}", "x" * 1000)[:-(1 + number)])
    assert client.dbsize() == 0
    for number, raw in enumerate(halves):
        raw.vanish() if number % 2 else raw.close()
    eventually(lambda: client.info("clients")["connected_clients"] < 10)
    assert client.dbsize() == 0


def test_clients_that_vanish_with_replies_on_the_way_break_nothing(server, client):
    client.set("big", "x" * 100_000)
    for _ in range(20):
        raw = server.raw()
        raw.send(encode("GET", "big") * 200)
        raw.vanish()
    eventually(lambda: client.info("clients")["connected_clients"] < 10)
    assert client.ping()


def test_a_client_that_only_writes_is_not_read_from_for_ever(server, client):
    """Its replies pile up no further than one batch; its commands wait in the kernel."""
    client.set("big", "x" * 1_000_000)
    before = server.resident_bytes
    with server.raw() as raw:
        raw.socket.settimeout(0.5)
        sent = 0
        try:
            for _ in range(100):
                raw.send(encode("GET", "big") * 1000)
                sent += 1000
        except TimeoutError:
            pass
        assert server.resident_bytes - before < 64 << 20
        assert client.ping()
        raw.socket.settimeout(10)
        for _ in range(100):
            assert raw.reply() == b"x" * 1_000_000


@pytest.mark.parametrize(
    "words, error",
    [
        (["NOSUCH", "a b", "c"], "unknown command 'NOSUCH', with args beginning with: 'a b' 'c' "),
        (["GET"], "wrong number of arguments for 'get' command"),
        (["PRESENCE.BEAT", USER], "wrong number of arguments for 'presence.beat' command"),
        (["PRESENCE.MBEAT", USER, "a", USER], "wrong number of arguments for 'presence.mbeat' command"),
        (["CONFIG", "GET"], "wrong number of arguments for 'config|get' command"),
        (["SET", "a", "1", "EX", "abc"], "value is not an integer or out of range"),
        (["SET", "a", "1", "EX", "0"], "invalid expire time in 'set' command"),
        (["SET", "a", "1", "EX", "-1"], "invalid expire time in 'set' command"),
        (["SET", "a", "1", "EX", "9223372036854775807"], "invalid expire time in 'set' command"),
        (["SET", "a", "1", "NX", "XX"], "syntax error"),
        (["SET", "a", "1", "EX", "1", "PX", "1"], "syntax error"),
        (["EXPIRE", "a", "x"], "value is not an integer or out of range"),
        (["SCAN", "abc"], "invalid cursor"),
        (["SELECT", "1"], "DB index is out of range"),
        (["HELLO", "9"], "unsupported protocol version"),
        (["HGETALL", "string"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (["PRESENCE.CONNECT", "alice", "s"], "key-prefix"),
        (["PRESENCE.MGET", USER, "alice"], "key-prefix"),
        (["PRESENCE.CONNECT", USER, "s", "EX", "4"], "5000 ms"),
        (["PRESENCE.CONNECT", USER, "s", "EX", "301"], "heartbeat-hard-limit"),
        (["PRESENCE.CONNECT", USER, "s", "STATUS", "online"], "STATUS"),
        (["PRESENCE.CONNECT", USER, "s", "NONSENSE"], "syntax error"),
        (["PRESENCE.CONNECT", "presence:user:" + "x" * 300, "s"], "255"),
        (["PRESENCE.CONNECT", "presence:user:", "s"], "key-prefix"),
        (["PRESENCE.CONNECT", USER, ""], "must not be empty"),
        (["SET", USER, '{"status":"online","connectionId":""}'], "must not be empty"),
        (["PRESENCE.CONNECT", USER, "s", "DEVICE", "a", "DEVICE", "b"], "syntax error"),
        (["PRESENCE.SET", USER, "STATUS", "auto", "EX", "10"], "leave them out"),
        (["PRESENCE.DISCONNECT", USER, "s", "REASON", "nonsense"], "REASON"),
        (["CONFIG", "SET", "nope", "1"], "Unknown option or number of arguments for CONFIG SET - 'nope'"),
        (["CONFIG", "SET", "port", "7"], "can't set immutable config"),
        (["CONFIG", "SET", "timeout", "soon"], "is not a duration"),
        (["PRESENCE.ADVANCE", "1"], "manual-clock"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None)
def test_wrong_arguments_are_answered_with_what_is_wrong(client, words, error):
    client.set("string", "x")
    with pytest.raises(redis.RedisError) as raised:
        client.execute_command(*words)
    assert error in str(raised.value)
    assert client.ping()


def test_keys_and_words_may_be_any_bytes(server):
    user = b"presence:user:\x00\xff\r\n$5\r\n*1\r\n"
    word = b"\xfe\x00 '\""
    with server.raw() as raw:
        assert raw.command("FLUSHALL") == b"+OK"
        assert raw.command("PRESENCE.CONNECT", user, word, "DEVICE", word, "PLATFORM", word, "SERVER", word) == 1
        assert raw.command("PRESENCE.BEAT", user, word) == 1
        assert raw.command("PRESENCE.MGET", user) == [b"online"]
        assert raw.command("SCAN", "0", "COUNT", "1000") == [b"0", [user]]
        assert word in raw.command("PRESENCE.SESSIONS", user)[0]
        assert raw.command("SET", b"\x00\r\n", word) == b"+OK"
        assert raw.command("GET", b"\x00\r\n") == word
        assert raw.command("DEL", user, b"\x00\r\n") == 2


def test_one_more_than_maxclients_is_told_so(start):
    server = start("--maxclients", 10)
    held = [eventually(lambda: admitted(server)) for _ in range(10)]
    with server.raw() as one_more:
        assert one_more.rest() == b"-ERR max number of clients reached\r\n"
    held.pop().close()
    held.append(eventually(lambda: admitted(server)))
    for raw in held:
        raw.close()


class TestBeforeAuth:
    """With a password, a stranger may claim and receive little, and learns nothing."""

    @pytest.fixture
    def guarded(self, start):
        return start("--requirepass", "correct horse")

    def test_only_what_leads_to_authentication_is_served(self, guarded):
        with guarded.raw() as raw:
            assert raw.command("PING") == b"-NOAUTH Authentication required."
            assert raw.command("PRESENCE.MGET", USER) == b"-NOAUTH Authentication required."
            assert raw.command("AUTH", "wrong").startswith(b"-WRONGPASS invalid username-password pair")
            assert raw.command("AUTH", "default", "correct horse") == b"+OK"
            assert raw.command("PING") == b"+PONG"
        with guarded.raw() as raw:
            assert raw.command("HELLO", "3").startswith(b"-NOAUTH")
            assert raw.command("HELLO", "3", "AUTH", "default", "correct horse")[b"server"]

    def test_commands_and_arguments_are_short(self, guarded):
        with guarded.raw() as raw:
            assert raw.send(b"*11\r\n").rest() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"
        with guarded.raw() as raw:
            assert raw.send(b"*1\r\n$16385\r\n").rest() == b"-ERR Protocol error: unauthenticated bulk length\r\n"

    def test_output_is_short(self, guarded):
        with guarded.raw() as raw:
            raw.socket.settimeout(20)
            try:
                for _ in range(2000):
                    raw.send(encode("PING") * 1000)
            except (ConnectionError, TimeoutError):
                pass
            before = guarded.resident_bytes
            assert before < 512 << 20
        assert guarded.cli("-a", "correct horse", "--no-auth-warning", "PING") == "PONG"

    def test_real_clients_authenticate(self, guarded, connect):
        for protocol in (2, 3):
            assert connect(guarded, password="correct horse", protocol=protocol).ping()
            with pytest.raises(redis.AuthenticationError):
                connect(guarded, password="wrong", protocol=protocol).ping()


def test_an_unread_subscriber_is_closed_at_its_bound(start, connect):
    server = start("--client-output-buffer-limit", "pubsub", "1mb", "1mb", "1")
    publisher = connect(server)
    with server.raw() as deaf:
        assert deaf.command("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
        message = "x" * 100_000
        counts = [publisher.publish("news", message) for _ in range(300)]
        assert counts[0] == 1
        assert counts[-1] == 0
        deaf.vanish()
    assert publisher.ping()


def test_a_thousand_connections_come_and_go(server, client):
    for _ in range(5):
        raws = [Raw(server.host, server.port) for _ in range(200)]
        for raw in raws:
            raw.close()
    eventually(lambda: client.info("clients")["connected_clients"] < 10, 10)
