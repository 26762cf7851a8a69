"""Presence code that was written for Redis goes on working: SET with EX, GET, EXPIRE, DEL, expired events."""

import json
import time

import pytest
import redis

from harness import SLACK, Ear, eventually

KEY = "presence:user:550e8400-e29b-41d4-a716-446655440000"


def instant():
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"


def record(**changes):
    return json.dumps({
        "userId": KEY.removeprefix("presence:user:"), "status": "online", "lastSeen": instant(),
        "lastHeartbeat": instant(), "deviceType": "web", "platform": "chrome", "connectionId": "ws-conn-abc123def456",
        "serverId": "server-2",
    } | changes)


def test_the_document_s_line_sets_a_presence(either):
    value = record()
    assert either.set("presence:user:550e8400-e29b-41d4-a716-446655440000", value, ex=120) is True
    got = json.loads(either.get(KEY))
    want = json.loads(value)
    for name in ("userId", "status", "deviceType", "platform", "connectionId", "serverId", "lastSeen"):
        assert got[name] == want[name]
    assert 118 <= either.ttl(KEY) <= 120
    assert either.execute_command("PRESENCE.MGET", KEY) == ["online"]


def test_expire_keeps_the_user_alive(either):
    either.set(KEY, record(), px=700)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert either.pexpire(KEY, 700) == 1
        assert either.execute_command("PRESENCE.MGET", KEY) == ["online"]
        time.sleep(0.1)
    assert either.expire(KEY, 1) == 1
    assert either.ttl(KEY) == 1
    eventually(lambda: either.get(KEY) is None, 1 + SLACK)
    assert either.ttl(KEY) == -2
    assert either.expire(KEY, 1) == 0


def test_a_key_that_runs_out_is_heard_of_once_and_on_time(client, connect, server):
    ear = Ear(connect(server), patterns=("__keyevent@*__:expired", "user.status.changed:*"))
    client.set(KEY, record(), px=300)
    start = time.monotonic()
    heard = [(channel, data, at - start) for channel, data, at in ear.listen(1)]
    ear.close()
    expired = [(data, at) for channel, data, at in heard if channel == "__keyevent@0__:expired"]
    statuses = [json.loads(data)["newStatus"] for channel, data, _ in heard if channel.startswith("user.")]
    assert [data for data, _ in expired] == [KEY]
    assert 0.29 < expired[0][1] < 0.32 + SLACK
    assert statuses == ["online", "offline"]


def test_setex_in_a_pipeline_without_a_transaction(client):
    with client.pipeline(transaction=False) as pipeline:
        pipeline.execute_command("SETEX", KEY, 60, record())
        pipeline.get(KEY)
        pipeline.ttl(KEY)
        ok, got, ttl = pipeline.execute()
    assert ok is True
    assert json.loads(got)["status"] == "online"
    assert 58 <= ttl <= 60


@pytest.mark.parametrize("status", ["online", "idle", "away", "dnd"])
def test_every_status_of_the_document_can_be_set(client, status):
    client.set(KEY, record(status=status), ex=60)
    assert client.execute_command("PRESENCE.MGET", KEY) == [status]
    assert json.loads(client.get(KEY))["status"] == status


def test_offline_ends_the_session_it_names_or_all(client):
    client.set(KEY, record(connectionId="a"), ex=60)
    client.set(KEY, record(connectionId="b"), ex=60)
    client.set(KEY, record(connectionId="a", status="offline"))
    assert client.execute_command("PRESENCE.MGET", KEY) == ["online"]
    assert client.set(KEY, "offline") is True
    assert client.get(KEY) is None


@pytest.mark.parametrize("value", ["online", "hello", "{}", '{"status":"busy"}', '{"status":"online"', "", b"\xff\x00"])
def test_what_is_not_a_presence_is_refused_with_the_remedy(client, value):
    with pytest.raises(redis.ResponseError) as error:
        client.set(KEY, value, ex=60)
    assert "PRESENCE.CONNECT" in str(error.value)
    assert "key-prefix" in str(error.value)
    assert client.exists(KEY) == 0


def test_a_ttl_above_the_hard_limit_names_the_setting(client):
    with pytest.raises(redis.ResponseError, match="heartbeat-hard-limit"):
        client.set(KEY, record(), ex=301)
    client.set(KEY, record(), ex=300)
    with pytest.raises(redis.ResponseError, match="heartbeat-hard-limit"):
        client.expire(KEY, 301)


def test_expire_in_the_past_ends_the_user(client):
    client.set(KEY, record(), ex=60)
    assert client.expire(KEY, 0) == 1
    assert client.exists(KEY) == 0


def test_plain_keys_are_plain_strings_with_a_ttl(either):
    assert either.set("session:1", b"\x00\xff\r\n", px=300) is True
    assert either.type("session:1") == "string"
    assert 0 < either.pttl("session:1") <= 300
    eventually(lambda: either.exists("session:1") == 0, 0.3 + SLACK)
    assert either.set("a", "1", nx=True) is True
    assert either.set("a", "2", nx=True) is None
    assert either.set("a", "2", xx=True, keepttl=True) is True
    assert either.set("a", "3", get=True) == "2"
    assert either.get("a") == "3"
    assert either.ttl("a") == -1
    assert either.unlink("a", "b") == 1
