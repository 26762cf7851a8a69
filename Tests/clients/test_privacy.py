"""Privacy through real clients: redis-py in RESP2 and RESP3."""

import pytest
import redis


def key(name):
    return "presence:user:" + name


def test_who_is_blocked_sees_offline(either):
    client = either
    client.execute_command("PRESENCE.CONNECT", key("alice"), "phone")
    view = lambda: client.execute_command("PRESENCE.VIEW", key("bob"), key("alice"), key("carol"))
    assert view() == ["online", "offline"]
    assert client.execute_command("PRESENCE.BLOCK", key("alice"), key("bob"), key("dora")) == 2
    assert view() == ["offline", "offline"]
    relations = client.execute_command("PRESENCE.RELATIONS", key("alice"))
    if isinstance(relations, dict):
        assert relations["blocked"] == ["bob", "dora"]
    else:
        assert relations[relations.index("blocked") + 1] == ["bob", "dora"]
    with client.pipeline(transaction=True) as pipe:
        pipe.execute_command("PRESENCE.UNBLOCK", key("alice"), key("bob"), key("dora"))
        pipe.execute_command("PRESENCE.VIEW", key("bob"), key("alice"))
        assert pipe.execute() == [2, ["online"]]


def test_the_bound_of_relations(client):
    client.config_set("max-relations", 2)
    try:
        with pytest.raises(redis.ResponseError, match="max-relations"):
            client.execute_command("PRESENCE.FRIEND", key("a"), key("b"), key("c"), key("d"))
        assert client.execute_command("PRESENCE.FRIEND", key("a"), key("b"), key("c")) == 2
        with pytest.raises(redis.ResponseError, match="max-relations"):
            client.execute_command("PRESENCE.BLOCK", key("a"), key("d"))
        assert client.execute_command("PRESENCE.BLOCK", key("a"), key("c")) == 1
    finally:
        client.config_set("max-relations", 5000)
    with pytest.raises(redis.ResponseError, match="immutable"):
        client.config_set("block-hides", "both")


def test_blocks_hide_both(start, connect):
    client = connect(start("--block-hides", "both"))
    client.execute_command("PRESENCE.CONNECT", key("alice"), "phone")
    client.execute_command("PRESENCE.BLOCK", key("bob"), key("alice"))
    assert client.execute_command("PRESENCE.VIEW", key("bob"), key("alice")) == ["offline"]
    client.execute_command("PRESENCE.UNBLOCK", key("bob"), key("alice"))
    assert client.execute_command("PRESENCE.VIEW", key("bob"), key("alice")) == ["online"]
