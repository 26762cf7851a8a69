"""Starts the real binary and speaks to it: through real clients, or byte by byte where a client would be too polite."""

import itertools
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("PRESENCED_BINARY", ROOT / ".build/debug/presenced"))
REDIS_CLI = shutil.which("redis-cli")
REDIS_BENCHMARK = shutil.which("redis-benchmark")
NODE = shutil.which("node")
# Where Debian's packages for Node.js are.
NODE_MODULES = pathlib.Path("/usr/share/nodejs")

# What a busy machine may add to any time that a test measures, in seconds.
SLACK = 0.4


# From 10 000 up, each once: below those that Linux gives to outgoing connections, any of which could take a port before its server does.
_PORTS = itertools.count(random.randrange(22_000))


def free_port():
    """A port of the loopback interface that nobody listens on, and that nobody else was given here."""
    while True:
        port = 10_000 + next(_PORTS) % 22_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """One presenced on a free port of the loopback interface, or on the one that its settings name, with its log in a file. `prefix` is the command that
    starts it, such as one that enters a network namespace."""

    def __init__(self, *settings, host="127.0.0.1", port=None, prefix=()):
        self.host = host
        self.port = port or free_port()
        self.log_file = tempfile.NamedTemporaryFile(prefix="presenced-test-", suffix=".log")
        self.process = subprocess.Popen(
            [*prefix, BINARY, *([] if port else ["--port", str(self.port)]), *map(str, settings)],
            stdin=subprocess.DEVNULL, stdout=self.log_file, stderr=self.log_file)
        self._wait_until_it_serves()

    def _wait_until_it_serves(self):
        deadline = time.monotonic() + 20
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"presenced ended with {self.process.returncode}:\n{self.log}")
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(f"presenced does not listen:\n{self.log}") from None
                time.sleep(0.01)

    @property
    def log(self):
        return pathlib.Path(self.log_file.name).read_text()

    @property
    def resident_bytes(self):
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def regions_for_huge_pages(self):
        """How many regions of memory the process asked the kernel to make of huge pages (`madvise`)."""
        return sum(" hg" in line for line in open(f"/proc/{self.process.pid}/smaps") if line.startswith("VmFlags:"))

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ends it in order; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def raw(self):
        return Raw(self.host, self.port)

    def cli(self, *words, options=(), input=None):
        """What redis-cli prints for one command, or for lines of input."""
        run = subprocess.run(
            [REDIS_CLI, "-h", self.host, "-p", str(self.port), *options, *map(str, words)],
            input=input, capture_output=True, text=True, timeout=30, check=True)
        return run.stdout.rstrip("\n")


class Raw:
    """A socket that sends bytes as they are and reads replies one by one."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def vanish(self):
        """Ends the connection with a reset, as a lost machine's kernel would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def command(self, *words):
        """Sends one command and reads its reply."""
        return self.send(encode(*words)).reply()

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def reply(self):
        """One reply: bytes for texts and errors (with their sign), int, None, list or dict."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind in b"+-,#(":
            return line
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        count = int(rest)
        if count < 0:
            return None
        if kind in b"$=":
            while len(self.buffer) < count + 2:
                self._more()
            body, self.buffer = self.buffer[:count], self.buffer[count + 2:]
            return body
        if kind == b"%":
            return {self.reply(): self.reply() for _ in range(count)}
        return [self.reply() for _ in range(count)]

    def rest(self):
        """Everything up to the end of the connection."""
        try:
            while True:
                self._more()
        except (EOFError, ConnectionResetError):
            return self.buffer

    def is_closed(self):
        """Whether the server ends the connection."""
        try:
            self.rest()
            return True
        except TimeoutError:
            return False


class Ear:
    """Subscribes and notes when each message came."""

    def __init__(self, client, *channels, patterns=()):
        self.pubsub = client.pubsub()
        if channels:
            self.pubsub.subscribe(*channels)
        if patterns:
            self.pubsub.psubscribe(*patterns)
        self.messages = []
        # Once all is confirmed, nothing is missed.
        for _ in range(len(channels) + len(patterns)):
            assert self.pubsub.get_message(timeout=5)["type"] in ("subscribe", "psubscribe")

    def listen(self, seconds):
        """Collects what comes within that time, as (channel, data, instant)."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            message = self.pubsub.get_message(timeout=rest)
            if message:
                self.messages.append((message["channel"], message["data"], time.monotonic()))
        return self.messages

    def close(self):
        self.pubsub.close()


def encode(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out += b"$%d\r\n%s\r\n" % (len(word), word)
    return out


def seeds(count):
    """What random cases follow from, as in Swift: that of PRESENCE_SEED alone, always the same ones of PRESENCE_SEEDS, or new ones."""
    if seed := os.environ.get("PRESENCE_SEED"):
        return [int(seed, 0)]
    origin = os.environ.get("PRESENCE_SEEDS")
    source = random.Random(int(origin, 0) if origin else None)
    return [source.randrange(1 << 32) for _ in range(count)]


def admitted(server):
    """A connection that is served, or None if the server refuses it."""
    raw = server.raw()
    try:
        if raw.command("PING") == b"+PONG":
            return raw
    except (EOFError, ConnectionError):
        pass
    raw.close()
    return None


def eventually(check, seconds=5.0):
    """Waits until `check()` is true, and fails with what it last was, or with the assertion in it that failed."""
    deadline = time.monotonic() + seconds
    while True:
        problem = None
        try:
            value = check()
        except AssertionError as error:
            value, problem = None, error
        if value:
            return value
        if time.monotonic() > deadline:
            raise problem or AssertionError(f"not so after {seconds} s: {value!r}")
        time.sleep(0.01)
