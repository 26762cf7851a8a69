"""Many users end in one command, or in one moment: each end is one event, however small the rings are that carry them."""

import json

import pytest

from harness import Ear

SETTINGS = ("--shards", "2", "--change-ring-size", "64kb", "--lost-grace", "0s", "--storm-share", "0")
USERS = 12_000


def fill(client):
    for start in range(0, USERS, 500):
        with client.pipeline(transaction=False) as pipe:
            for number in range(start, start + 500):
                pipe.execute_command(
                    "PRESENCE.CONNECT", f"presence:user:{number:08}-0000-4000-8000-000000000000", "s", "SERVER", "gw", "EX", "100")
            pipe.execute()


def ended(ear):
    for _ in range(60):
        if len(ear.listen(0.5)) >= USERS:
            break
    changes = [json.loads(data) for _, data, _ in ear.messages]
    assert all(change["newStatus"] == "offline" for change in changes)
    gone = {change["userId"] for change in changes}
    assert len(gone) == len(changes)
    return gone


@pytest.mark.parametrize("loops", ["1", "2"])
def test_a_flush_is_told_of_everybody(start, connect, loops):
    server = start(*SETTINGS, "--event-loops", loops)
    client = connect(server)
    fill(client)
    ear = Ear(connect(server), "user.status.changed")
    assert client.flushall()
    assert len(ended(ear)) == USERS
    assert client.dbsize() == 0
    assert client.info()["events_missed"] == 0
    ear.close()


def test_time_that_goes_on_at_once_is_told_of_everybody(start, connect):
    server = start(*SETTINGS, "--manual-clock", "yes", "--enable-debug-command", "yes")
    client = connect(server)
    fill(client)
    ear = Ear(connect(server), "user.status.changed")
    client.execute_command("PRESENCE.ADVANCE", 200_000)
    assert len(ended(ear)) == USERS
    assert client.info()["events_missed"] == 0
    ear.close()
