"""Limits of what one user may change, and that each error names its setting."""

import pytest
import redis

SETTINGS = ("--status-changes-per-minute", "5")


def key(name):
    return "presence:user:" + name


def test_a_user_changes_so_often_a_minute_and_beats_as_he_likes(start, connect):
    client = connect(start("--manual-clock", "yes", "--enable-debug-command", "yes", "--status-changes-per-minute", "5"))
    client.execute_command("PRESENCE.CONNECT", key("alice"), "phone")
    for status in ("dnd", "away", "idle", "dnd", "auto"):
        assert client.execute_command("PRESENCE.SET", key("alice"), "STATUS", status) == "OK"
    for change in (("STATUS", "dnd"), ("ACTIVITY", "lunch"), ("VISIBILITY", "nobody"), ("LASTSEEN", "coarse")):
        with pytest.raises(redis.ResponseError, match="visibility was set 5 times .* status-changes-per-minute"):
            client.execute_command("PRESENCE.SET", key("alice"), *change)
    assert client.execute_command("PRESENCE.MGET", key("alice")) == ["online"]
    for _ in range(100):
        assert client.execute_command("PRESENCE.ACTIVE", key("alice"), "phone") == 1
    assert client.execute_command("PRESENCE.SET", key("bob"), "STATUS", "dnd") == "OK"
    assert int(client.info("presence")["refused_changes"]) == 4
    client.execute_command("PRESENCE.ADVANCE", 60_000)
    assert client.execute_command("PRESENCE.SET", key("alice"), "STATUS", "dnd") == "OK"
    client.config_set("status-changes-per-minute", 0)
    for _ in range(50):
        client.execute_command("PRESENCE.SET", key("alice"), "STATUS", "dnd")


def test_invisible_may_be_forbidden(client):
    client.execute_command("PRESENCE.CONNECT", key("carol"), "phone")
    client.execute_command("PRESENCE.SET", key("carol"), "STATUS", "invisible")
    client.config_set("allow-invisible", "no")
    try:
        with pytest.raises(redis.ResponseError, match="allow-invisible"):
            client.execute_command("PRESENCE.SET", key("dora"), "STATUS", "invisible", "ACTIVITY", "hidden")
        assert client.execute_command("PRESENCE.GET", key("dora"))[9] is None
        assert client.execute_command("PRESENCE.MGET", key("carol")) == ["offline"]
        client.execute_command("PRESENCE.SET", key("carol"), "STATUS", "auto")
        assert client.execute_command("PRESENCE.MGET", key("carol")) == ["online"]
    finally:
        client.config_set("allow-invisible", "yes")
