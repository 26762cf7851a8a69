"""Clients of Redis Cluster that write and read all along, whatever a test does to the nodes: redis-py's and GLIDE's, each with keys and users of its own."""

import time

import glide_sync
import redis

from cluster_load import Task, key
from glide_clients import LOST, Glide
from harness import eventually

# How long one of them waits for an answer, in seconds.
PATIENCE = 1.0


class RedisPy:
    name = "redis-py"
    # Whether it leaves a node that answers nothing, and whose connections are open, once the others say that it serves nothing.
    leaves_silent_nodes = True
    lost = (
        redis.ConnectionError, redis.TimeoutError, redis.exceptions.ClusterError, redis.exceptions.RedisClusterException)

    def __init__(self, node):
        self.client = redis.RedisCluster(
            host=node.host, port=node.port, decode_responses=True, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        self.ask = self.client.execute_command

    def close(self):
        self.client.close()


class GlideCluster:
    name = "glide"
    # Observed of 2.6: it goes on asking such a node, however often it is to look at the cluster. One whose connection ends it leaves.
    leaves_silent_nodes = False
    lost = LOST

    def __init__(self, node):
        self.client = Glide(
            "sync", (node.host, node.port), cluster=True, request_timeout=int(1_000 * PATIENCE),
            periodic_checks=glide_sync.PeriodicChecksManualInterval(1))

    def ask(self, *words):
        answer = self.client.ask(*words)
        if isinstance(answer, list):
            return [word.decode() for word in answer]
        return answer.decode() if isinstance(answer, bytes) else answer

    def close(self):
        self.client.close()


class Traffic:
    """One client, in a thread of its own. What it reads otherwise than it must be is noted with the instant of its last write, what is raised with its own."""

    KEYS, USERS = 100, 20

    def __init__(self, kind, node):
        self.name = kind.name
        self.kind, self.client = kind, kind(node)
        self.users = [f"{kind.name}-user{number}" for number in range(self.USERS)]
        self.begun, self.done, self.wrong, self.raised, self.pauses, self.last = 0, 0, [], [], [], {}
        for user in self.users:
            self._connect(user)
        self._answered = self._written = time.monotonic()
        self._task = Task(self._step)

    def _connect(self, user):
        assert self.client.ask("PRESENCE.CONNECT", key(user), "s", "EX", 240) >= 1

    def _step(self):
        self.begun += 1
        name, value = f"{self.name}:{self.begun % self.KEYS}", str(self.begun)
        user = self.users[self.begun % self.USERS]
        try:
            assert self.client.ask("SET", name, value) in ("OK", True)
            self.last[name] = value
            self._written = time.monotonic()
            self._expect(name, self.client.ask("GET", name), value)
            self._connect(user)
            # He was online before anything went wrong, so he is at every node.
            self._expect(user, self.client.ask("PRESENCE.MGET", key(user)), ["online"])
            self.done += 1
        except self.kind.lost as problem:
            # It may have been written.
            self.last.pop(name, None)
            self.raised.append((time.monotonic(), repr(problem)))
            return
        now = time.monotonic()
        self.pauses.append((self._answered, now - self._answered))
        self._answered = now
        time.sleep(0.01)

    def _expect(self, name, answer, right):
        if answer != right:
            self.wrong.append((self._written, name, answer, right))

    def wrong_besides(self, stopped_at):
        """What was wrong, but for a write that was answered in the moment before a node was stopped: until that goes on it may be its alone."""
        return [found for found in self.wrong if not stopped_at - 0.2 < found[0] <= stopped_at]

    def goes_on(self, rounds=50):
        before = self.done
        eventually(lambda: self._task.check() or self.done > before + rounds, 30)

    def raised_after(self, instant):
        return [problem for at, problem in self.raised if at > instant]

    def longest_pause(self, since=0.0):
        """From one round in which all was answered to the next, in seconds; of those that began after an instant."""
        return max(pause for begin, pause in self.pauses if begin > since)

    def is_everywhere(self, nodes):
        """Whether what was written last is at all nodes."""
        names, values = list(self.last), list(self.last.values())
        return all(node.client.mget(names) == values for node in nodes)

    def stop(self):
        self._task.stop()
        self.client.close()


class AllAlong:
    """Both clients. As a context manager it lets them begin, and in the end go on, and stops them."""

    def __init__(self, node):
        self.all = [Traffic(kind, node) for kind in (RedisPy, GlideCluster)]

    def __iter__(self):
        return iter(self.all)

    @property
    def users(self):
        return [user for traffic in self.all for user in traffic.users]

    def __enter__(self):
        return self.go_on()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.go_on()
        finally:
            self.stop()

    def go_on(self, rounds=50):
        for traffic in self.all:
            traffic.goes_on(rounds)
        return self

    def stop(self):
        for traffic in self.all:
            traffic.stop()

    def noticed_nothing(self, nodes, pause):
        """Asserts that all was answered and right, no later than so many seconds, and that all nodes have what was written last."""
        for traffic in self.all:
            assert traffic.raised == [] and traffic.wrong == [], f"{traffic.name}: {traffic.raised} {traffic.wrong}"
            assert traffic.longest_pause() < pause, f"{traffic.name} waited for {traffic.longest_pause()} s"
            eventually(lambda: traffic.is_everywhere(nodes), 20)
