"""Every live setting changes what a client sees, from the CONFIG SET on. The last test holds the list complete."""

import json
import re
import socket
import subprocess
import time

import pytest
import redis

import test_cluster_certificates
import test_tls
from harness import BINARY, SLACK, Ear, admitted, eventually

SETTINGS = ("--manual-clock", "yes", "--enable-debug-command", "yes")
USER = "presence:user:dora"
tested = set()


def effect(*names):
    """Marks a test as the one that sees these settings change behaviour."""
    tested.update(names)
    return lambda test: test


@pytest.fixture
def reset(client):
    """Puts every live setting back after the test."""
    before = client.config_get("*")
    yield
    after = client.config_get("*")
    changed = [word for name in before if before[name] != after[name] for word in (name, before[name])]
    if changed:
        client.execute_command("CONFIG", "SET", *changed)


pytestmark = pytest.mark.usefixtures("reset")


def advance(client, seconds):
    client.execute_command("PRESENCE.ADVANCE", int(seconds * 1000))


def status(client):
    return client.execute_command("PRESENCE.MGET", USER)[0]


def open_session(client, *options):
    return client.execute_command("PRESENCE.CONNECT", USER, "s", *options)


@effect("session-ttl")
def test_session_ttl_is_the_life_of_sessions_opened_from_then_on(client):
    client.config_set("session-ttl", "60s")
    open_session(client)
    assert client.ttl(USER) == 60
    advance(client, 59.9)
    assert status(client) == "online"
    advance(client, 0.1)
    assert status(client) == "offline"


@effect("heartbeat-hard-limit")
def test_heartbeat_hard_limit_bounds_what_may_be_asked_and_what_is_shown(client):
    open_session(client, "EX", 300)
    client.config_set("heartbeat-hard-limit", "150s")
    with pytest.raises(redis.ResponseError, match="heartbeat-hard-limit"):
        open_session(client, "EX", 151)
    advance(client, 149)
    assert status(client) == "online"
    advance(client, 1)
    assert status(client) == "offline"


@effect("idle-after", "away-after")
def test_idle_after_and_away_after_turn_a_user_without_activity(client):
    client.execute_command("CONFIG", "SET", "idle-after", "10s", "away-after", "20s")
    open_session(client, "EX", 300)
    client.execute_command("PRESENCE.ACTIVE", USER, "s")
    seen = []
    for _ in range(3):
        seen.append(status(client))
        advance(client, 10)
    assert seen == ["online", "idle", "away"]


@pytest.mark.parametrize("name, reason", [("disconnect-grace", "disconnect"), ("lost-grace", "lease_lost")])
@effect("disconnect-grace", "lost-grace")
def test_graces_hold_back_that_a_user_went(client, name, reason):
    client.config_set(name, "7s")
    open_session(client)
    client.execute_command("PRESENCE.DISCONNECT", USER, "s", "REASON", reason)
    assert status(client) == "online"
    advance(client, 6.9)
    assert status(client) == "online"
    advance(client, 0.1)
    assert status(client) == "offline"
    client.config_set(name, "0")
    open_session(client)
    client.execute_command("PRESENCE.DISCONNECT", USER, "s", "REASON", reason)
    assert status(client) == "offline"
    # Made longer, it brings nobody back.
    advance(client, 1)
    client.config_set(name, "60s")
    assert (status(client), client.exists(USER), client.ttl(USER)) == ("offline", 0, -2)
    open_session(client)
    client.execute_command("PRESENCE.DISCONNECT", USER, "s", "REASON", reason)
    assert (status(client), client.ttl(USER)) == ("online", 60)


@effect("max-sessions-per-user")
def test_max_sessions_per_user_refuses_one_more(client):
    client.config_set("max-sessions-per-user", 2)
    for session in ("a", "b"):
        client.execute_command("PRESENCE.CONNECT", USER, session)
    with pytest.raises(redis.ResponseError, match="max-sessions-per-user"):
        client.execute_command("PRESENCE.CONNECT", USER, "c")
    client.config_set("max-sessions-per-user", 3)
    assert client.execute_command("PRESENCE.CONNECT", USER, "c") == 3


@effect("max-activity-length")
def test_max_activity_length_bounds_the_text(client):
    open_session(client)
    client.config_set("max-activity-length", 5)
    with pytest.raises(redis.ResponseError, match="max-activity-length"):
        client.execute_command("PRESENCE.SET", USER, "ACTIVITY", "playing chess")
    client.config_set("max-activity-length", 128)
    client.execute_command("PRESENCE.SET", USER, "ACTIVITY", "playing chess")
    assert json.loads(client.get(USER))["activity"] == "playing chess"


def name(number):
    return f"presence:user:person-{number}"


@effect("max-relations", "max-watch", "max-watchers-per-user", "max-watch-lists", "status-changes-per-minute", "allow-invisible")
@pytest.mark.parametrize("setting, value, words", [
    ("max-relations", 0, ("PRESENCE.BLOCK", name(1), name(2))),
    ("max-watch", 0, ("PRESENCE.WATCH", name(1), name(2))),
    ("max-watchers-per-user", 0, ("PRESENCE.WATCH", name(1), name(2))),
    ("max-watch-lists", 0, ("PRESENCE.WATCH", name(1), name(2))),
    ("allow-invisible", "no", ("PRESENCE.SET", name(1), "STATUS", "invisible")),
])
def test_bounds_of_presence_refuse_and_name_themselves(client, setting, value, words):
    before = client.config_get(setting)[setting]
    client.config_set(setting, value)
    with pytest.raises(redis.ResponseError, match=setting):
        client.execute_command(*words)
    client.config_set(setting, before)
    client.execute_command(*words)
    for undo in (("PRESENCE.UNBLOCK", name(1), name(2)), ("PRESENCE.UNWATCH", name(1)), ("PRESENCE.SET", name(1), "STATUS", "auto")):
        client.execute_command(*undo)


def test_status_changes_per_minute_bounds_what_is_set_by_hand(client):
    advance(client, 60)
    client.config_set("status-changes-per-minute", 1)
    client.execute_command("PRESENCE.SET", USER, "STATUS", "dnd")
    with pytest.raises(redis.ResponseError, match="status-changes-per-minute"):
        client.execute_command("PRESENCE.SET", USER, "STATUS", "auto")
    client.config_set("status-changes-per-minute", 0)
    client.execute_command("PRESENCE.SET", USER, "STATUS", "auto")


@effect("push-window")
def test_push_window_gathers_changes_for_so_long(client, server, connect):
    ear = Ear(connect(server), "presence.watch:viewer")
    client.execute_command("PRESENCE.WATCH", "presence:user:viewer", USER)
    for window in (0.2, 3):
        client.config_set("push-window", f"{int(window * 1000)}ms")
        # Windows follow each other from when the server began, at the first instant of a year.
        seconds, microseconds = client.time()
        advance(client, window - (seconds * 1_000 + microseconds // 1_000) % int(window * 1_000) / 1_000)
        seen = len(ear.messages)
        open_session(client)
        advance(client, window - 0.05)
        assert len(ear.listen(0.3)) == seen
        advance(client, 0.05)
        assert len(ear.listen(0.3)) == seen + 1
        client.execute_command("PRESENCE.DISCONNECT", USER, "s")
        advance(client, 4)
        ear.listen(0.3)
    ear.close()
    client.execute_command("PRESENCE.UNWATCH", "presence:user:viewer")


@effect("watch-linger")
def test_watch_linger_is_the_life_of_a_list_that_nobody_hears(client):
    for linger, kind in ((10, "resumed"), (5, "snapshot")):
        client.config_set("watch-linger", f"{linger}s")
        cursor = client.execute_command("PRESENCE.WATCH", "presence:user:viewer", USER)[0]
        advance(client, 7)
        assert client.info("everything")["watch_lists"] == (1 if kind == "resumed" else 0)
        assert client.execute_command("PRESENCE.WATCH", "presence:user:viewer", "SINCE", cursor, USER)[1] == kind
        client.execute_command("PRESENCE.UNWATCH", "presence:user:viewer")


def shown(client):
    """How many of the twenty are shown online."""
    return client.execute_command("PRESENCE.MGET", *map(name, range(20))).count("online")


def lose(client, settings, pause=0):
    """Twenty users behind two gateways, which are lost one after the other; how many are shown then."""
    # What came before is over, and forgotten.
    advance(client, 400)
    client.execute_command(
        "CONFIG", "SET", "lost-grace", "0", "storm-share", "50", "storm-minimum", "15", "storm-window", "10s",
        "storm-hold", "5s", "storm-pace", "1000000")
    for setting, value in settings.items():
        client.config_set(setting, value)
    for number in range(20):
        client.execute_command("PRESENCE.CONNECT", name(number), "s", "SERVER", f"gw-{number % 2}")
    advance(client, 1)
    client.execute_command("PRESENCE.DROP", "gw-0")
    if pause:
        advance(client, pause)
    client.execute_command("PRESENCE.DROP", "gw-1")
    return shown(client)


@effect("storm-share", "storm-minimum", "storm-window", "storm-hold", "storm-pace")
@pytest.mark.parametrize("settings, pause, held", [
    ({}, 0, True), ({"storm-share": 0}, 0, False), ({"storm-minimum": 21}, 0, False),
    ({"storm-window": "10s"}, 2, True), ({"storm-window": "1s"}, 2, False),
])
def test_storms_are_many_losses_within_a_window(client, settings, pause, held):
    left = lose(client, settings, pause)
    assert left >= 10 if held else left == 0


def test_storm_hold_and_pace_are_when_they_are_told(client):
    assert lose(client, {"storm-hold": "8s"}) == 20
    advance(client, 7)
    assert shown(client) == 20
    advance(client, 2)
    assert shown(client) == 0
    # Twenty at one a second: half of them are told after ten seconds.
    assert lose(client, {"storm-hold": "1s", "storm-pace": 1}) == 20
    advance(client, 11)
    assert 0 < shown(client) < 20
    advance(client, 11)
    assert shown(client) == 0


@effect("max-words")
def test_max_words_bounds_the_kinds_of_devices(client):
    client.config_set("max-words", 16)
    with pytest.raises(redis.ResponseError, match="max-words"):
        for number in range(16 * 32 + 1):
            client.execute_command("PRESENCE.CONNECT", f"{USER}{number}", "s", "DEVICE", f"device-{number}")
    client.config_set("max-words", 16_384)
    for number in range(16 * 32 + 1):
        client.execute_command("PRESENCE.CONNECT", f"{USER}{number}", "s", "DEVICE", f"device-{number}")


@effect("maxmemory")
def test_maxmemory_refuses_new_users_and_strings_and_serves_known_ones(client):
    open_session(client)
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", max(used, 4 << 20) + (1 << 20))
    with pytest.raises(redis.ResponseError, match="command not allowed when used memory"):
        for number in range(100):
            client.set(f"fill{number}", "x" * 1_000_000)
    assert client.execute_command("PRESENCE.BEAT", USER, "s") == 1
    client.config_set("maxmemory", 0)
    assert client.set("more", "x" * 1_000_000)


@effect("notify-keyspace-events")
def test_notify_keyspace_events_chooses_events_and_channels(client, connect, server):
    ear = Ear(connect(server), patterns=("__key*@0__:*",))
    for letters in ("", "Kg", "Ex", "K$", "En"):
        client.config_set("notify-keyspace-events", letters)
        client.set("a", "1")
        client.delete("a")
        client.set("b", "1", px=50)
        advance(client, 0.1)
    heard = [(channel, data) for channel, data, _ in ear.listen(0.3)]
    ear.close()
    assert heard == [
        ("__keyspace@0__:a", "del"), ("__keyspace@0__:b", "expire"), ("__keyevent@0__:expired", "b"),
        ("__keyspace@0__:a", "set"), ("__keyspace@0__:b", "set"), ("__keyevent@0__:new", "a"), ("__keyevent@0__:new", "b"),
    ]


@effect("heartbeat-interval")
def test_heartbeat_interval_is_told_to_clients(client):
    client.config_set("heartbeat-interval", "20s")
    told = [value for name, value in client.info("presence").items() if name.startswith("heartbeat_interval")]
    assert told and told[0] in (20, 20_000)


@effect("requirepass")
def test_requirepass_asks_new_connections(client, server):
    client.config_set("requirepass", "secret")
    with server.raw() as raw:
        assert raw.command("PING") == b"-NOAUTH Authentication required."
        assert raw.command("AUTH", "secret") == b"+OK"
    assert client.ping(), "who is authenticated stays so"
    client.config_set("requirepass", "")
    with server.raw() as raw:
        assert raw.command("PING") == b"+PONG"


@effect("maxclients")
def test_maxclients_refuses_one_more(client, server):
    connected = client.info("clients")["connected_clients"]
    client.config_set("maxclients", connected)
    with server.raw() as raw:
        assert raw.rest() == b"-ERR max number of clients reached\r\n"
    client.config_set("maxclients", connected + 1)
    eventually(lambda: admitted(server)).close()


@effect("protected-mode")
def test_protected_mode_refuses_other_machines(start, connect):
    address = own_address()
    if not address:
        pytest.skip("this machine has the loopback interface only")
    server = start("--bind", "*")
    with socket.create_connection((address, server.port), timeout=10) as other:
        assert other.recv(4096).startswith(b"-DENIED")
    connect(server).config_set("protected-mode", "no")
    with socket.create_connection((address, server.port), timeout=10) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(4096) == b"+PONG\r\n"


def own_address():
    """An address of this machine that is not the loopback interface's; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


@effect("tcp-keepalive")
def test_tcp_keepalive_sets_the_kernel_s_timer_of_new_connections(client, server):
    def timer(raw):
        """The timer column of the server's end of the connection: 02 is keep-alive, with the time until it fires in hundredths."""
        mine = raw.socket.getsockname()[1]
        for line in open("/proc/net/tcp").read().splitlines()[1:]:
            words = line.split()
            if int(words[1].split(":")[1], 16) == server.port and int(words[2].split(":")[1], 16) == mine:
                kind, rest = words[5].split(":")
                return int(kind, 16), int(rest, 16) / 100

    client.config_set("tcp-keepalive", 1000)
    with server.raw() as raw:
        raw.command("PING")
        kind, seconds = timer(raw)
        assert kind == 2 and 900 < seconds <= 1000
    client.config_set("tcp-keepalive", 0)
    with server.raw() as raw:
        raw.command("PING")
        time.sleep(0.3)
        assert timer(raw)[0] != 2


@effect("proto-max-bulk-len")
def test_proto_max_bulk_len_bounds_an_argument(client, server):
    client.config_set("proto-max-bulk-len", "1mb")
    with server.raw() as raw:
        raw.send(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
        assert raw.rest() == b"-ERR Protocol error: invalid bulk length\r\n"


@effect("client-query-buffer-limit")
def test_client_query_buffer_limit_bounds_a_command(client, server):
    client.config_set("client-query-buffer-limit", "1mb")
    with server.raw() as raw:
        try:
            raw.send(b"*4\r\n$4\r\nMGET\r\n" + b"$600000\r\n" + b"x" * 600_000 + b"\r\n$600000\r\n" + b"x" * 600_000)
        except ConnectionError:
            pass
        assert raw.is_closed()


@effect("client-output-buffer-limit")
def test_client_output_buffer_limit_bounds_what_waits(client, server):
    client.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
    with server.raw() as deaf:
        deaf.command("SUBSCRIBE", "news")
        counts = [client.publish("news", "x" * 100_000) for _ in range(300)]
        assert (counts[0], counts[-1]) == (1, 0)
        deaf.vanish()


@effect("timeout")
def test_timeout_closes_silent_connections_and_no_subscribers(start, connect):
    server = start()
    with server.raw() as silent, server.raw() as subscriber:
        silent.command("PING")
        subscriber.command("SUBSCRIBE", "news")
        client = connect(server)
        client.config_set("timeout", 1)
        start_of_silence = time.monotonic()
        assert silent.is_closed()
        assert 0.5 < time.monotonic() - start_of_silence < 3 + SLACK
        subscriber.socket.settimeout(0.5)
        assert not subscriber.is_closed()


@effect("slowlog-log-slower-than", "slowlog-max-len")
def test_slowlog_settings_say_what_is_kept_and_how_much(client):
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    for _ in range(5):
        client.ping()
    assert client.slowlog_len() >= 5
    client.config_set("slowlog-max-len", 2)
    assert client.slowlog_len() == 2
    client.config_set("slowlog-log-slower-than", -1)
    client.slowlog_reset()
    client.ping()
    assert client.slowlog_len() == 0


@effect("loglevel")
def test_loglevel_holds_at_once(start, connect):
    server = start("--loglevel", "nothing")
    client = connect(server)
    client.config_set("timeout", 100)
    assert server.log == ""
    client.config_set("loglevel", "notice")
    client.config_set("timeout", 200)
    eventually(lambda: "notice settings changed names=timeout" in server.log)
    client.config_set("loglevel", "warning")
    before = server.log
    client.config_set("timeout", 300)
    assert server.log == before


def test_several_settings_change_together_or_not_at_all(client):
    with pytest.raises(redis.ResponseError, match="heartbeat-hard-limit"):
        client.execute_command("CONFIG", "SET", "maxclients", "77", "session-ttl", "400s")
    assert client.config_get("maxclients")["maxclients"] != "77"
    client.execute_command("CONFIG", "SET", "heartbeat-hard-limit", "500s", "session-ttl", "400s")
    assert client.config_get("session-ttl") == {"session-ttl": "400s"}


def test_every_live_setting_has_a_test_above():
    reference = subprocess.run(
        [BINARY, "documentation", "settings"], capture_output=True, text=True, check=True).stdout
    live = {
        match[1] for line in reference.splitlines()
        if (match := re.match(r"\| `([a-z-]+)` \|.*\| yes \| ", line))}
    assert live
    assert live == tested | test_tls.tested | test_cluster_certificates.tested
