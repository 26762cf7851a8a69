"""The examples for Python and Node.js: their demos tell the same story, and each function does what its like on Redis does."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from harness import NODE, NODE_MODULES, ROOT, eventually

EXAMPLES = ROOT / "Examples"

STORY = """\
4. Cache strategy
  before: offline
  TTL: 120
  told by an event: online
  friends: alice online, carol offline
  heartbeat: known
5. Look-up with a database
  alice: online
  carol: offline since 2025-01-19T10:35:22.000Z
  carol: offline since 2025-01-19T10:35:22.000Z
  questions to the database: 1
6. Blocking
  carol sees alice: online
  eve sees alice: offline
  alice sees eve: dnd
8. Consistency
  open: online
  closed: offline
  told by an event: offline
  a late heartbeat: unknown
  still: offline
"""


def run(server, *words, input=None):
    environment = os.environ | {
        "PRESENCED_URL": f"redis://{server.host}:{server.port}", "NODE_PATH": str(NODE_MODULES)}
    ended = subprocess.run(
        list(map(str, words)), input=input, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def test_the_python_demo_tells_its_story(server, client):
    assert run(server, sys.executable, EXAMPLES / "python/demo.py") == STORY


def test_the_node_demo_tells_the_same_story(server, client):
    assert run(server, NODE, EXAMPLES / "node/demo.js") == STORY


@pytest.fixture(scope="module")
def presence():
    """The Python example as a module."""
    spec = importlib.util.spec_from_file_location("presence", EXAMPLES / "python/presence.py")
    module = sys.modules["presence"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["presence"]


@pytest.fixture
def presences(presence, client):
    return presence.Presences(client)


class Profiles:
    """A database that notes what it is asked."""

    def __init__(self, last_seen=None, blocks=()):
        self.asked = []
        self.instant = last_seen
        self.blocks = set(blocks)

    def last_seen(self, user_id):
        self.asked.append(user_id)
        return self.instant

    def is_blocked(self, by, user_id):
        return (by, user_id) in self.blocks


class TestPython:
    def test_a_record_goes_in_and_comes_out(self, presence, presences):
        seen = datetime.now(UTC).replace(microsecond=123_000)
        put = presence.Presence(
            user_id="rita", status=presence.Status.ONLINE, last_seen=seen - timedelta(minutes=1), device_type="web",
            platform="chrome", connection_id="ws-1", server_id="server-2")
        presences.set(put)
        got = presences.get("rita")
        assert got.last_heartbeat - datetime.now(UTC) < timedelta(seconds=5)
        for field in ("user_id", "status", "last_seen", "device_type", "platform", "connection_id", "server_id"):
            assert getattr(got, field) == getattr(put, field)
        assert presences.client.ttl(presences.key("rita")) == 120
        assert presences.get("nobody") is None

    def test_statuses_are_those_of_a_friends_list(self, presence, presences):
        presences.set(presence.Presence(user_id="ann", status=presence.Status.DO_NOT_DISTURB, connection_id="a"))
        assert presences.statuses(["ann", "bob"]) == {
            "ann": presence.Status.DO_NOT_DISTURB, "bob": presence.Status.OFFLINE}
        assert presences.statuses([]) == {}

    def test_activity_ends_idleness(self, presence, presences):
        long_ago = datetime.now(UTC) - timedelta(minutes=6)
        presences.set(
            presence.Presence(user_id="ann", status=presence.Status.ONLINE, last_seen=long_ago, connection_id="a"))
        assert presences.status("ann") == presence.Status.IDLE
        assert presences.heartbeat("ann", "a") and presences.status("ann") == presence.Status.IDLE
        assert presences.act("ann", "a") and presences.status("ann") == presence.Status.ONLINE

    def test_a_user_with_two_connections_stays_when_one_is_closed(self, presence, presences):
        for connection in ("a", "b"):
            presences.set(presence.Presence(user_id="ann", status=presence.Status.ONLINE, connection_id=connection))
        assert presences.close("ann", "a")
        assert presences.status("ann") == presence.Status.ONLINE
        assert presences.close("ann", "b") and not presences.close("ann", "b")
        assert presences.status("ann") == presence.Status.OFFLINE

    def test_changes_come_as_they_happen(self, presence, presences, connect, server):
        heard = []
        listener = presence.Presences(connect(server))

        def listen():
            for change in listener.changes("ann"):
                heard.append(change)
                if change.new_status == presence.Status.OFFLINE:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        eventually(lambda: presences.client.pubsub_numsub("user.status.changed:ann")[0][1])
        presences.set(presence.Presence(user_id="ann", status=presence.Status.ONLINE, connection_id="a"))
        presences.set(presence.Presence(user_id="bob", status=presence.Status.ONLINE, connection_id="a"))
        presences.close("ann", "a")
        thread.join(timeout=10)
        assert [(change.user_id, change.old_status, change.new_status) for change in heard] == [
            ("ann", "offline", "online"), ("ann", "online", "offline")]
        assert heard[1].reason == "ws_disconnect"
        assert heard[0].version < heard[1].version

    def test_a_cache_asks_once_and_is_told_of_changes(self, presence, presences, connect, server):
        cache = presence.StatusCache(presence.Presences(connect(server)))
        try:
            assert cache.status("ann") == presence.Status.OFFLINE
            presences.set(presence.Presence(user_id="ann", status=presence.Status.ONLINE, connection_id="a"))
            eventually(lambda: cache.status("ann") == presence.Status.ONLINE)
            cache._presences = None
            assert cache.status("ann") == presence.Status.ONLINE, "without asking"
        finally:
            cache.close()

    def test_the_database_is_asked_for_who_is_not_here_and_once(self, presence, presences):
        seen = datetime(2025, 1, 19, 10, 35, 22, tzinfo=UTC)
        profiles = Profiles(last_seen=seen)
        presences.set(presence.Presence(user_id="ann", status=presence.Status.ONLINE, connection_id="a"))
        assert presence.get_user_status(presences, profiles, "ann").status == presence.Status.ONLINE
        assert profiles.asked == []
        for _ in range(3):
            status = presence.get_user_status(presences, profiles, "bob")
            assert status == presence.UserStatus(presence.Status.OFFLINE, seen)
        assert profiles.asked == ["bob"]
        assert presence.get_user_status(presences, Profiles(), "stranger").last_seen is None
        assert presences.client.exists(presences.key("bob")) == 0, "nobody comes online by being asked for"

    def test_who_is_blocked_sees_offline_and_who_blocks_sees_the_truth(self, presence, presences):
        profiles = Profiles(blocks=[("ann", "eve")])
        for user in ("ann", "eve"):
            presences.set(presence.Presence(user_id=user, status=presence.Status.ONLINE, connection_id="a"))
        seen = {
            pair: presence.get_user_status_as(presences, profiles, *pair)
            for pair in [("ann", "eve"), ("eve", "ann"), ("ann", "bob")]}
        assert seen == {("ann", "eve"): "offline", ("eve", "ann"): "online", ("ann", "bob"): "online"}

    def test_a_heartbeat_that_is_too_old_is_offline(self, presence, presences):
        now = datetime.now(UTC)
        for minutes, too_old in [(4.9, False), (5.1, True)]:
            record = presence.Presence(
                user_id="ann", status=presence.Status.ONLINE, last_heartbeat=now - timedelta(minutes=minutes))
            assert presence.is_too_old(record, now) == too_old

        class Stale(presence.Presences):
            def get(self, user_id):
                return presence.Presence(
                    user_id=user_id, status=presence.Status.ONLINE, last_heartbeat=now - timedelta(minutes=6))

        presences.set(presence.Presence(user_id="ann", status=presence.Status.ONLINE, connection_id="a"))
        assert presence.get_status(presences, "ann") == presence.Status.ONLINE
        assert presence.get_status(Stale(presences.client), "ann") == presence.Status.OFFLINE
        assert presences.status("ann") == presence.Status.OFFLINE, "and his key is deleted"
        assert presence.get_status(presences, "nobody") == presence.Status.OFFLINE


# Each calls functions of the Node.js example, and puts what they give into `out`.
NODE_SCRIPT = """
const { createClient } = require('redis');
const example = require(process.argv[2] + '/presence.js');
const out = {};
async function main() {
  const client = createClient({ url: process.env.PRESENCED_URL });
  await client.connect();
  const presences = new example.Presences(client, 60);
  %s
  await client.quit();
  console.log(JSON.stringify(out));
}
main();
"""


class TestNode:
    def out(self, server, body):
        return json.loads(run(server, NODE, "-", EXAMPLES / "node", input=NODE_SCRIPT % body))

    def test_a_record_goes_in_and_comes_out(self, server, client):
        out = self.out(server, """
            const now = Date.now();
            await presences.set({
              userId: 'eva', status: 'online', lastSeen: new Date(now - 60000).toISOString(), deviceType: 'web',
              connectionId: 'ws-1' });
            out.got = await presences.get('eva');
            out.nobody = await presences.get('nobody');
            out.age = now - Date.parse(out.got.lastSeen);
            out.ttl = await client.ttl(presences.key('eva'));
            out.statuses = await presences.statuses(['eva', 'bob']);
            out.none = await presences.statuses([]);
        """)
        assert out["got"] | {"lastSeen": "", "lastHeartbeat": ""} == {
            "userId": "eva", "status": "online", "lastSeen": "", "lastHeartbeat": "", "deviceType": "web",
            "platform": None, "connectionId": "ws-1", "serverId": None}
        assert (out["nobody"], out["age"], out["ttl"]) == (None, 60_000, 60)
        assert (out["statuses"], out["none"]) == ({"eva": "online", "bob": "offline"}, {})

    def test_connections_are_beaten_acted_on_and_closed(self, server, client):
        out = self.out(server, """
            const lastSeen = new Date(Date.now() - 400000).toISOString();
            await presences.set({ userId: 'ann', status: 'online', lastSeen, connectionId: 'a' });
            out.steps = [await presences.status('ann')];
            out.steps.push(await presences.heartbeat('ann', 'a'), await presences.status('ann'));
            out.steps.push(await presences.act('ann', 'a'), await presences.status('ann'));
            out.steps.push(await presences.close('ann', 'a'), await presences.status('ann'));
            out.steps.push(await presences.close('ann', 'a'), await presences.heartbeat('ann', 'a'));
        """)
        assert out["steps"] == ["idle", True, "idle", True, "online", True, "offline", False, False]

    def test_changes_and_the_cache_that_they_keep_true(self, server, client):
        out = self.out(server, """
            const heard = [];
            const wait = async (check) => { while (!(await check())) await new Promise((go) => setTimeout(go, 10)); };
            const end = await presences.onChange((change) => heard.push(change), ['ann']);
            const cache = await example.StatusCache.open(presences);
            out.before = await cache.status('ann');
            await presences.set({ userId: 'bob', status: 'dnd', connectionId: 'a' });
            await presences.set({ userId: 'ann', status: 'online', connectionId: 'a' });
            await wait(async () => (await cache.status('ann')) === 'online');
            cache.presences = null;
            out.cached = [await cache.status('ann'), await cache.status('bob')];
            await presences.close('ann', 'a');
            await wait(() => heard.length === 2);
            out.heard = heard.map((change) => [change.userId, change.oldStatus, change.newStatus, change.reason]);
            await end();
            await cache.close();
        """)
        assert (out["before"], out["cached"]) == ("offline", ["online", "dnd"])
        assert [row[:3] for row in out["heard"]] == [["ann", "offline", "online"], ["ann", "online", "offline"]]
        assert out["heard"][1][3] == "ws_disconnect"

    def test_the_usual_functions(self, server, client):
        out = self.out(server, """
            const asked = [];
            const profiles = {
              lastSeen: async (userId) => { asked.push(userId); return userId === 'bob' ? '2025-01-19T10:35:22.000Z' : null; },
              isBlocked: async (by, userId) => by === 'ann' && userId === 'eve' };
            for (const userId of ['ann', 'eve']) await presences.set({ userId, status: 'online', connectionId: 'a' });
            out.five = [];
            for (const userId of ['ann', 'bob', 'bob', 'zoe']) {
              out.five.push(await example.getUserStatus(presences, profiles, userId));
            }
            out.asked = asked;
            out.six = [];
            for (const [target, requester] of [['ann', 'eve'], ['eve', 'ann'], ['ann', 'bob']]) {
              out.six.push(await example.getUserStatusAs(presences, profiles, target, requester));
            }
            out.eight = [await example.getStatus(presences, 'ann'), await example.getStatus(presences, 'nobody')];
            const stale = { client, key: (userId) => presences.key(userId), get: async (userId) => ({
              userId, status: 'online', lastHeartbeat: new Date(Date.now() - 301000).toISOString() }) };
            out.eight.push(await example.getStatus(stale, 'ann'), await presences.status('ann'));
            out.limits = [299000, 301000].map((age) =>
              example.isTooOld({ lastHeartbeat: new Date(1e12 - age).toISOString() }, 1e12));
        """)
        assert [(row["status"], row["lastSeen"]) for row in out["five"][1:]] == [
            ("offline", "2025-01-19T10:35:22.000Z"), ("offline", "2025-01-19T10:35:22.000Z"), ("offline", None)]
        assert out["five"][0]["status"] == "online"
        assert out["asked"] == ["bob", "zoe"]
        assert out["six"] == ["offline", "online", "online"]
        assert out["eight"] == ["online", "offline", "offline", "offline"]
        assert out["limits"] == [False, True]
