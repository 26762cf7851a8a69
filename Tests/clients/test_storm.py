"""A gateway dies with most of its users: they are held, told of as one, and those who come back were never gone."""

import json

from harness import Ear, eventually

SETTINGS = (
    "--storm-minimum", "200", "--storm-share", "20", "--storm-hold", "2s", "--storm-pace", "200", "--lost-grace", "0")


def key(name):
    return "presence:user:" + name


def test_a_dropped_gateway_is_a_storm(client, server, connect):
    with client.pipeline(transaction=False) as pipe:
        for number in range(600):
            pipe.execute_command("PRESENCE.CONNECT", key(f"user-{number}"), "s", "SERVER", "gw-a" if number < 400 else "gw-b")
        pipe.execute()
    ear = Ear(connect(server), "user.status.changed", "user.status.storm")
    assert client.execute_command("PRESENCE.DROP", "gw-a") == 400
    assert eventually(lambda: client.info("presence")["storm_active"] == 1, 3)
    explained = "\n".join(client.execute_command("PRESENCE.EXPLAIN", key("user-399")))
    assert "by the storm that began" in explained
    # Nobody was told before it was seen.
    assert client.execute_command("PRESENCE.MGET", *[key(f"user-{number}") for number in range(400)]) == ["online"] * 400
    back = range(50)
    for number in back:
        client.execute_command("PRESENCE.CONNECT", key(f"user-{number}"), "s", "SERVER", "gw-c")
    messages = ear.listen(7)
    storms = [json.loads(data) for channel, data, _ in messages if channel == "user.status.storm"]
    assert [storm["event"] for storm in storms] == ["began", "over"]
    assert storms[0]["lost"] == 400
    gone = {json.loads(data)["userId"] for channel, data, _ in messages
            if channel == "user.status.changed" and json.loads(data)["newStatus"] == "offline"}
    assert gone == {f"user-{number}" for number in range(50, 400)}
    assert client.info("presence")["storm_active"] == 0
    assert client.info("presence")["storms"] == 1
    ear.close()
