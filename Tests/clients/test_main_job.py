"""The main job, as a service sees it through redis-cli and redis-py: sessions that beat, events, and silence that ends on time."""

import json
import time

import pytest

from harness import SLACK, Ear

ALICE = "presence:user:alice"
CHANNELS = ("user.status.changed", "user.status.changed:alice", "__keyevent@0__:expired")
FIELDS = [
    "userId", "status", "lastSeen", "lastHeartbeat", "deviceType", "platform", "connectionId", "serverId",
]


@pytest.fixture(scope="module")
def story(server):
    """Two sessions of alice by redis-cli: both beat, one says goodbye, the other falls silent. Played once; the tests look at it."""
    import redis

    client = redis.Redis(host=server.host, port=server.port, decode_responses=True, protocol=2)
    ear = Ear(client, *CHANNELS)
    seen = {}
    seen["phone"] = server.cli("PRESENCE.CONNECT", ALICE, "phone", "DEVICE", "mobile", "PLATFORM", "ios", "EX", 5)
    seen["laptop"] = server.cli(
        "PRESENCE.CONNECT", ALICE, "laptop", "DEVICE", "desktop", "PLATFORM", "linux", "SERVER", "s-2", "EX", 5)
    seen["beats"] = [server.cli("PRESENCE.BEAT", ALICE, session) for session in ("phone", "laptop")]
    seen["status"] = client.execute_command("PRESENCE.MGET", ALICE)
    ear.listen(0.5)
    seen["goodbye"] = server.cli("PRESENCE.DISCONNECT", ALICE, "laptop")
    seen["still"] = client.execute_command("PRESENCE.MGET", ALICE)
    before = time.monotonic()
    assert client.execute_command("PRESENCE.BEAT", ALICE, "phone") == 1
    after = time.monotonic()
    ear.listen(5 + 2 * SLACK)
    seen["gone"] = client.execute_command("PRESENCE.MGET", ALICE)
    seen["exists"] = client.exists(ALICE)
    ear.listen(0.5)
    seen["earliest"], seen["latest"] = before + 5, after + 5
    seen["messages"] = ear.messages
    ear.close()
    client.close()
    return seen


def test_two_sessions_of_one_user_are_counted_and_beat(story):
    assert story["phone"] == "1"
    assert story["laptop"] == "2"
    assert story["beats"] == ["1", "1"]
    assert story["status"] == ["online"]


def test_the_end_of_one_session_leaves_the_user_online(story):
    assert story["goodbye"] == "1"
    assert story["still"] == ["online"]


def test_the_first_session_announces_online_once(story):
    online = [json.loads(data) for channel, data, _ in story["messages"] if channel == CHANNELS[0]]
    assert [event["status"] for event in online] == ["online", "offline"]
    assert (online[0]["oldStatus"], online[0]["newStatus"], online[0]["reason"]) == ("offline", "online", "connect")


@pytest.mark.parametrize("channel", CHANNELS[:2])
def test_silence_announces_offline_exactly_once_and_on_time(story, channel):
    offline = [
        (json.loads(data), instant) for name, data, instant in story["messages"]
        if name == channel and json.loads(data)["status"] == "offline"]
    assert len(offline) == 1
    event, instant = offline[0]
    assert event["userId"] == "alice"
    assert (event["oldStatus"], event["newStatus"], event["reason"]) == ("online", "offline", "heartbeat_timeout")
    assert event["connectionId"] == "phone"
    assert story["earliest"] - 0.002 <= instant <= story["latest"] + 0.020 + SLACK
    print(f"announced {1000 * (instant - story['latest']):.1f} ms after the TTL")


def test_silence_expires_the_key_exactly_once_and_on_time(story):
    expired = [(data, instant) for channel, data, instant in story["messages"] if channel == CHANNELS[2]]
    assert [data for data, _ in expired] == [ALICE]
    assert story["earliest"] - 0.002 <= expired[0][1] <= story["latest"] + 0.020 + SLACK


def test_a_user_who_is_gone_is_offline_and_his_key_is_not_there(story):
    assert story["gone"] == ["offline"]
    assert story["exists"] == 0


def test_an_event_has_the_documented_fields_in_order(story):
    event = json.loads(next(data for channel, data, _ in story["messages"] if channel == CHANNELS[0]))
    assert list(event) == [
        "userId", "status", "oldStatus", "newStatus", "timestamp", "since", "reason", "activity", "version",
        "deviceType", "connectionId", "serverId", "node",
    ]


@pytest.fixture
def bob(either):
    either.execute_command(
        "PRESENCE.CONNECT", "presence:user:bob", "ws-1", "DEVICE", "web", "PLATFORM", "chrome", "SERVER", "s-1", "EX", 60)
    return either


def test_get_gives_the_eight_fields_of_the_record_in_order(bob):
    record = json.loads(bob.get("presence:user:bob"))
    assert list(record) == FIELDS
    assert (record["userId"], record["status"]) == ("bob", "online")
    assert (record["deviceType"], record["platform"]) == ("web", "chrome")
    assert (record["connectionId"], record["serverId"]) == ("ws-1", "s-1")
    assert time.strptime(record["lastHeartbeat"], "%Y-%m-%dT%H:%M:%S.%fZ")


def test_hgetall_gives_the_same_fields(bob):
    record = json.loads(bob.get("presence:user:bob"))
    fields = bob.hgetall("presence:user:bob")
    assert {name: value or "" for name, value in record.items()} == fields


def test_ttl_type_and_exists_are_those_of_a_key(bob):
    assert 58 <= bob.ttl("presence:user:bob") <= 60
    assert 58_000 < bob.pttl("presence:user:bob") <= 60_000
    assert bob.type("presence:user:bob") == "presence"
    assert bob.exists("presence:user:bob", "presence:user:nobody") == 1
    assert bob.ttl("presence:user:nobody") == -2
    assert bob.type("presence:user:nobody") == "none"
    assert bob.get("presence:user:nobody") is None


def test_scan_finds_presences_and_strings_once_each(either):
    users = {f"presence:user:u{number}" for number in range(300)}
    strings = {f"s{number}" for number in range(300)}
    for key in users:
        either.execute_command("PRESENCE.CONNECT", key, "s", "EX", 60)
    for key in strings:
        either.set(key, "1")
    assert sorted(either.scan_iter(count=50)) == sorted(users | strings)
    assert set(either.scan_iter(match="presence:user:*")) == users
    assert set(either.scan_iter(_type="presence")) == users
    assert set(either.scan_iter(_type="string")) == strings
    assert either.dbsize() == 600


def test_del_ends_a_user(bob):
    assert bob.delete("presence:user:bob", "presence:user:nobody") == 1
    assert bob.execute_command("PRESENCE.MGET", "presence:user:bob") == ["offline"]


def test_presence_replies_in_both_protocols(bob):
    reply = bob.execute_command("PRESENCE.GET", "presence:user:bob")
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))
    assert list(pairs) == ["userId", "status", "lastSeen", "lastStatusChange", "activity", "version"]
    assert (pairs["userId"], pairs["status"], pairs["activity"]) == ("bob", "online", None)
    sessions = bob.execute_command("PRESENCE.SESSIONS", "presence:user:bob")
    assert len(sessions) == 1
    count = bob.execute_command("PRESENCE.COUNT")
    counts = count if isinstance(count, dict) else dict(zip(count[::2], count[1::2]))
    assert counts["online"] == 1


def test_mbeat_answers_the_positions_of_unknown_sessions(bob):
    user = "presence:user:bob"
    assert bob.execute_command("PRESENCE.MBEAT", user, "ws-1", user, "ws-1") == []
    assert bob.execute_command("PRESENCE.MBEAT", user, "nope", user, "ws-1", "presence:user:x", "y") == [1, 3]
    assert bob.execute_command("PRESENCE.BEAT", user, "nope") == 0
    assert bob.execute_command("PRESENCE.ACTIVE", user, "ws-1") == 1


def test_a_late_heartbeat_does_not_resurrect(bob):
    assert bob.execute_command("PRESENCE.DISCONNECT", "presence:user:bob", "ws-1") == 1
    assert bob.execute_command("PRESENCE.BEAT", "presence:user:bob", "ws-1") == 0
    assert bob.execute_command("PRESENCE.DISCONNECT", "presence:user:bob", "ws-1") == 0
    assert bob.execute_command("PRESENCE.MGET", "presence:user:bob") == ["offline"]
