"""What goes on at a cluster while a test does something to it: sessions that beat, clients that read and write, ears at every node."""

import json
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import Ear


def key(user):
    return f"presence:user:{user}"


def connect(node, **options):
    """A client that does not try again what failed: to whom it turns then, its user decides."""
    options = {"decode_responses": True, "socket_connect_timeout": 0.5, "retry": Retry(NoBackoff(), 0)} | options
    return redis.Redis(host=node.host, port=node.port, **options)


class Task:
    """Something that goes on in a thread of its own until it is stopped; what it raises comes out there."""

    def __init__(self, work):
        self._end = threading.Event()
        self._work = work
        self.failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._end.is_set():
                self._work()
        except Exception as failure:
            self.failure = failure

    def check(self):
        """Raises what ended it, if something did."""
        if self.failure:
            raise self.failure

    def stop(self):
        self._end.set()
        self._thread.join(30)
        self.check()


class Beating:
    """Users whose sessions beat all along, each at the node that it is at, or at the next one that answers: as a client of several nodes does.

    A session that a node does not know is opened again, and counted: it had been lost."""

    def __init__(self, nodes, users, ttl_ms=5_000, every=0.3, spread=True):
        self.nodes, self.ttl_ms, self.every = list(nodes), ttl_ms, every
        # Where each user is: they are spread over the nodes, or all at the first.
        self.homes = {user: index % len(self.nodes) if spread else 0 for index, user in enumerate(users)}
        self.clients = {}
        self.lost, self.moves, self.rounds = [], 0, 0
        for user in users:
            self._ask(user, "PRESENCE.CONNECT", key(user), "s", "PX", ttl_ms)
        self._task = Task(self._round)

    def _ask(self, user, *words):
        for _ in range(len(self.nodes) + 1):
            node = self.nodes[self.homes[user]]
            try:
                client = self.clients.get(node.name)
                if client is None:
                    client = self.clients[node.name] = connect(node, socket_timeout=0.5)
                return client.execute_command(*words)
            except (redis.ConnectionError, redis.TimeoutError):
                gone = self.clients.pop(node.name, None)
                if gone:
                    gone.close()
                self.homes[user] = (self.homes[user] + 1) % len(self.nodes)
                self.moves += 1
        raise AssertionError(f"no node answers {words}")

    def _round(self):
        begin = time.monotonic()
        for user in self.homes:
            if self._ask(user, "PRESENCE.BEAT", key(user), "s") == 0:
                self.lost.append((user, self.nodes[self.homes[user]].name, time.monotonic()))
                self._ask(user, "PRESENCE.CONNECT", key(user), "s", "PX", self.ttl_ms)
        self.rounds += 1
        time.sleep(max(0, self.every - (time.monotonic() - begin)))

    def stop(self):
        self._task.stop()
        for client in self.clients.values():
            client.close()


class Events:
    """What subscribers of one node hear of all users, in the order in which it came."""

    def __init__(self, node):
        self.node = node
        self.ear = Ear(node.connect(), "user.status.changed")

    def heard(self, seconds=0.5):
        """All so far, as (user, new status), after listening for so long."""
        self.ear.listen(seconds)
        events = [json.loads(data) for _, data, _ in self.ear.messages]
        return [(event["userId"], event["newStatus"]) for event in events]

    def close(self):
        self.ear.close()


class Ears:
    """Subscribers of several nodes that listen in the background and come back when their node does; what they hear is noted by node."""

    def __init__(self, nodes):
        self.heard = {node.name: [] for node in nodes}
        self.tasks = []
        for node in nodes:
            self.tasks.append(Task(self._listener(node)))

    def _listener(self, node):
        state = {}

        def listen():
            try:
                if "pubsub" not in state:
                    state["pubsub"] = connect(node, socket_timeout=2).pubsub()
                    state["pubsub"].subscribe("user.status.changed")
                message = state["pubsub"].get_message(timeout=0.2)
                if message and message["type"] == "message":
                    event = json.loads(message["data"])
                    self.heard[node.name].append((time.monotonic(), event["userId"], event["newStatus"], event))
            except (redis.ConnectionError, redis.TimeoutError):
                state.pop("pubsub", None)
                time.sleep(0.1)

        return listen

    def of(self, status):
        return {name: [event for event in events if event[2] == status] for name, events in self.heard.items()}

    def stop(self):
        for task in self.tasks:
            task.stop()
