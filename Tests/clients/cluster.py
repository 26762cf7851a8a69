"""Starts the nodes of a cluster as processes of their own, and ends, stops, restarts them as a test asks for."""

import pathlib
import secrets
import signal
import tempfile

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import Server, eventually, free_port

# Below it a machine that has other things to do is no failure: what is said to take 2 s may take so much longer.
PATIENCE = 20


class Node:
    """One node: a process that comes and goes, and the clients that a test has made for it."""

    def __init__(self, cluster, name, host, port, peer_host, peer_port, prefix=()):
        self.cluster, self.name = cluster, name
        self.host, self.port = host, port
        self.peer_host, self.peer_port = peer_host, peer_port
        self.prefix = prefix
        # Of this node alone; those of all are the cluster's.
        self.settings = ()
        self.server = None
        self.logs = []
        self._client = None

    def __repr__(self):
        return f"<node {self.name}>"

    @property
    def line(self):
        return f"node {self.name} resp {self.host}:{self.port} peer {self.peer_host}:{self.peer_port}"

    # Life

    def start(self, *settings):
        assert self.server is None, f"{self.name} runs"
        self.server = Server(
            "--config", self.cluster.conf, "--node", self.name, *self.cluster.settings, *self.settings, *settings,
            host=self.host, port=self.port, prefix=self.prefix)
        return self

    def kill(self):
        """As a machine that loses its power: nothing is said."""
        self.server.signal(signal.SIGKILL)
        self.server.process.wait()
        self._forget()

    def pause(self):
        self.server.signal(signal.SIGSTOP)

    def go_on(self):
        self.server.signal(signal.SIGCONT)

    def stop(self):
        """In order; its exit code must be 0."""
        if self.server is None:
            return
        # One that is stopped hears no other signal.
        self.server.signal(signal.SIGCONT)
        code = self.server.stop()
        log = self.server.log
        self._forget()
        assert code == 0, log

    def wait_for_end(self, seconds):
        code = self.server.process.wait(timeout=seconds)
        log = self.server.log
        self._forget()
        assert code == 0, log

    def restart(self, *settings):
        self.stop()
        return self.start(*settings)

    def _forget(self):
        self.logs.append(self.server.log)
        self.server = None
        if self._client:
            self._client.close()
            self._client = None

    @property
    def log(self):
        return "".join(self.logs) + (self.server.log if self.server else "")

    # Clients

    def connect(self, **options):
        """A client that does not try again what failed; it is closed with the cluster."""
        options = {"decode_responses": True, "protocol": 2, "retry": Retry(NoBackoff(), 0), "socket_timeout": 10} | options
        client = redis.Redis(host=self.host, port=self.port, **options)
        self.cluster.clients.append(client)
        return client

    @property
    def client(self):
        self._client = self._client or self.connect()
        return self._client

    def ask(self, *words):
        return self.client.execute_command(*words)

    def wait_until_ready(self):
        """Waits until it serves clients: it has copied what others hold, or has waited for them in vain."""
        eventually(lambda: self.info()["cluster_ready"] == 1, PATIENCE)
        return self

    # What it says

    def info(self, section="replication"):
        return self.client.info(section)

    def peers(self):
        """What it tells of the other nodes, by their names."""
        info = self.info()
        return {peer["name"]: peer for key, peer in info.items() if key.startswith("peer") and key[4:].isdigit()}

    def status(self, user):
        return self.ask("PRESENCE.MGET", f"presence:user:{user}")[0]

    def statuses(self, users):
        return self.ask("PRESENCE.MGET", *[f"presence:user:{user}" for user in users])

    def shown(self):
        """How it shows each node to clients of Redis Cluster: the flags, and how many slots it is master of."""
        shown = {}
        for line in self.server.cli("CLUSTER", "NODES").splitlines():
            words = line.split()
            name = self.cluster.by_address[words[1].split("@")[0]]
            slots = 0
            for part in words[8:]:
                first, _, last = part.partition("-")
                slots += int(last or first) - int(first) + 1
            shown[name] = (words[2].replace("myself,", ""), slots, words[7])
        return shown


class Cluster:
    """Nodes of one cluster.conf. As a context manager it ends them, each of which must end well."""

    def __init__(self, names="abc", settings=(), secret=None, name="shop", hosts=None):
        self.folder = tempfile.TemporaryDirectory(prefix="presenced-cluster-")
        self.conf = pathlib.Path(self.folder.name) / "cluster.conf"
        self.secret = pathlib.Path(self.folder.name) / "secret"
        self.settings = settings
        self.clients = []
        self.nodes = []
        for name_ in names:
            # host, peer host, command that starts it
            host, peer_host, prefix = hosts(name_) if hosts else ("127.0.0.1", "127.0.0.1", ())
            self.nodes.append(Node(self, name_, host, free_port(), peer_host, free_port(), prefix))
        self.by_name = {node.name: node for node in self.nodes}
        self.by_address = {f"{node.host}:{node.port}": node.name for node in self.nodes}
        self.write(name, secret or secrets.token_hex(32))

    def write(self, name, secret):
        self.secret.write_text(secret + "\n")
        self.secret.chmod(0o600)
        lines = [f"cluster {name}", f"secret-file {self.secret}", *[node.line for node in self.nodes]]
        self.conf.write_text("\n".join(lines) + "\n")

    def __getitem__(self, name):
        return self.by_name[name]

    def __iter__(self):
        return iter(self.nodes)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for client in self.clients:
            client.close()
        problems = []
        for node in self.nodes:
            try:
                node.stop()
            except AssertionError as problem:
                problems.append(f"{node.name}: {problem}")
        if kind is not None:
            for node in self.nodes:
                print(f"--- log of {node.name}\n{node.log}")
        self.folder.cleanup()
        assert kind is not None or not problems, "\n".join(problems)

    @property
    def running(self):
        return [node for node in self.nodes if node.server]

    def start(self, *names):
        for node in self.nodes:
            if not names or node.name in names:
                node.start()
        return self.wait_until_linked()

    def wait_until_linked(self, seconds=PATIENCE):
        """Waits until every node that runs has a link to every other, has copied what they hold, and shows all of them as masters."""
        running = self.running

        def is_linked():
            for node in running:
                info = node.info()
                assert info["connected_slaves"] == len(running) - 1, f"{node}: {info}"
                assert info["cluster_ready"] == 1, f"{node}: {info}"
                shown = node.shown()
                for other in running:
                    assert shown[other.name][0] == "master" and shown[other.name][1] > 0, f"{node} shows {shown}"
            return True

        eventually(is_linked, seconds)
        return self

    def wait_until_equal(self, users, strings=(), seconds=PATIENCE):
        """Waits until every node that runs says the same of users and strings; returns what."""
        def look():
            answers = [(node.statuses(users) if users else [], node.client.mget(strings) if strings else [])
                       for node in self.running]
            assert all(answer == answers[0] for answer in answers), answers
            return answers[0] or True

        return eventually(look, seconds)


def online(node, *users):
    return node.statuses(users) == ["online"] * len(users)


@pytest.fixture
def cluster():
    """A cluster of a test's own. A file whose tests need it imports it; one whose clusters are otherwise has a fixture of that name."""
    with Cluster() as cluster:
        yield cluster.start()
