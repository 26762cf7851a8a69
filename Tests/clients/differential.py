"""Plays one list of inputs to two servers and compares what they answer, value by value, with the types of the wire.

`Tests/Differential/README.md` tells the form of the lists.
"""

import dataclasses
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from harness import Raw, encode, free_port

LISTS = pathlib.Path(__file__).resolve().parents[1] / "Differential"
REDIS_SERVER = shutil.which("redis-server")


# What comes from the wire: (type, value), written as the lists write it.

def read(raw):
    """One value as (kind, content); ("closed", None) at the end of the connection."""
    try:
        line = raw.line()
    except (EOFError, ConnectionError):
        return ("closed", None)
    kind, rest = chr(line[0]), line[1:]
    if kind in "+-:,#(_":
        return (kind, rest)
    count = int(rest)
    if count < 0:
        return (kind, None)
    if kind in "$=":
        while len(raw.buffer) < count + 2:
            raw._more()
        body, raw.buffer = raw.buffer[:count], raw.buffer[count + 2:]
        return (kind, body)
    if kind == "%":
        return (kind, [(read(raw), read(raw)) for _ in range(count)])
    return (kind, [read(raw) for _ in range(count)])


def quoted(data):
    special = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    return '"' + "".join(
        special.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in data) + '"'


def text(value, is_ordered=True):
    """A value as the lists write it. Without an order, the elements of all aggregates are sorted."""
    kind, content = value
    if kind == "closed":
        return "(closed)"
    if content is None:
        return f"{kind}-1"
    if kind in "+-:,#(_":
        return kind + content.decode("utf-8", "backslashreplace")
    if kind == "$":
        return quoted(content)
    if kind == "=":
        return "=" + quoted(content)
    if kind == "%":
        parts = [f"{text(key, is_ordered)}: {text(inner, is_ordered)}" for key, inner in content]
        return "{" + ", ".join(parts if is_ordered else sorted(parts)) + "}"
    parts = [text(inner, is_ordered) for inner in content]
    return {"*": "", "~": "~", ">": ">"}[kind] + "[" + ", ".join(parts if is_ordered else sorted(parts)) + "]"


def shape(value):
    """The types of a value without its content: of an aggregate, those of its first elements."""
    kind, content = value
    if kind in "*~>%" and content is not None:
        inner = content[0] if content else None
        if kind == "%" and inner:
            return f"%({shape(inner[0])}: {shape(inner[1])})"
        return f"{kind}({shape(inner) if inner else ''})"
    return kind


# The lists.

@dataclasses.dataclass
class Step:
    line: int
    connection: str = "main"
    # What is sent, or None if only something is read.
    sent: bytes | None = None
    # Values that are read.
    count: int = 1
    comparison: str = "exact"
    tolerance: int = 0
    why: str | None = None
    # Expected replies where they differ, by protocol.
    expected: dict = dataclasses.field(default_factory=dict)
    pause: float = 0

    @property
    def shown(self):
        return f"line {self.line}"


@dataclasses.dataclass
class Section:
    title: str
    steps: list


@dataclasses.dataclass
class List:
    path: pathlib.Path
    options: dict
    sections: list


def words(source):
    """The words of a command as redis-cli reads them; `{x*3}` is `xxx`, `{now+5}` and `{now_ms+5}` are instants, `{port}` is a free port."""
    out = []
    rest = source.strip()
    while rest:
        if rest[0] == '"':
            match = re.match(r'"((?:[^"\\]|\\.)*)"(?:\s+|$)', rest)
            assert match, f"unbalanced quotes: {source}"
            out.append(unescape(match.group(1)))
        elif rest[0] == "'":
            match = re.match(r"'([^']*)'(?:\s+|$)", rest)
            assert match, f"unbalanced quotes: {source}"
            out.append(match.group(1).encode())
        else:
            match = re.match(r"(\S+)(?:\s+|$)", rest)
            out.append(macro(match.group(1)))
        rest = rest[match.end():]
    return out


def macro(word):
    if word == "{port}":
        return str(free_port()).encode()
    if match := re.fullmatch(r"\{(.+)\*(\d+)\}", word):
        return match.group(1).encode() * int(match.group(2))
    if match := re.fullmatch(r"\{now(_ms)?([+-]\d+)\}", word):
        now = time.time() * (1000 if match.group(1) else 1)
        return str(int(now) + int(match.group(2))).encode()
    return word.encode()


def unescape(body):
    simple = {"n": b"\n", "r": b"\r", "t": b"\t", "a": b"\a", "b": b"\b"}
    out = b""
    for match in re.finditer(r"\\x([0-9a-fA-F]{2})|\\(.)|([^\\]+)", body, re.S):
        if match.group(1):
            out += bytes([int(match.group(1), 16)])
        elif match.group(2):
            out += simple.get(match.group(2), match.group(2).encode())
        else:
            out += match.group(3).encode()
    return out


def parse(path):
    """Reads a list; a line that means nothing fails the test."""
    result = List(path, {"redis": [], "presenced": []}, [])
    step = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.name}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        if match := re.match(r"start (redis|presenced) (.+)", line):
            assert not result.sections, f"{where}: options come first"
            result.options[match.group(1)] += [word.decode() for word in words(match.group(2))]
            continue
        if line.startswith("== "):
            result.sections.append(Section(line[3:].strip(), []))
            step = None
            continue
        assert result.sections, f"{where}: a section (== title) comes first"
        if match := re.match(r"([a-z]*)>> ?(.*)", line):
            step = Step(number, match.group(1) or "main", unescape(match.group(2)))
        elif match := re.match(r"([a-z]*)> (.*)", line):
            step = Step(number, match.group(1) or "main")
            # Instants are made when the list is read, a moment before it is played.
            step.sent = encode(*words(match.group(2)))
        elif match := re.match(r"([a-z]+)< (\d+)$", line):
            step = Step(number, match.group(1), count=int(match.group(2)))
        elif match := re.match(r"wait (\d+)ms$", line):
            step = Step(number, count=0, pause=int(match.group(1)) / 1000)
        elif match := re.match(r"\? (unordered|types|within (\d+))$", line):
            step.comparison = match.group(1).split()[0]
            step.tolerance = int(match.group(2) or 0)
            continue
        elif line.startswith("~ "):
            step.why = line[2:].strip()
            continue
        elif match := re.match(r"\|([23]?) (.*)", line):
            assert step.why, f"{where}: a reply that differs needs a reason (~ why)"
            for protocol in [int(match.group(1))] if match.group(1) else [2, 3]:
                step.expected.setdefault(protocol, []).append(match.group(2))
            continue
        else:
            raise AssertionError(f"{where}: what does this line mean? {line}")
        result.sections[-1].steps.append(step)
    for section in result.sections:
        for step in section.steps:
            assert bool(step.why) == bool(step.expected), f"{path.name}:{step.line}: a reason and the reply go together"
    return result


# Playing them.

class RedisServer:
    """A real Redis on a free port, without anything on disk."""

    def __init__(self, *options):
        assert REDIS_SERVER, "redis-server is not there: make setup-tests installs it"
        self.host = "127.0.0.1"
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="presenced-redis-")
        self.process = subprocess.Popen(
            [REDIS_SERVER, "--port", str(self.port), "--bind", self.host, "--save", "", "--appendonly", "no",
             "--dir", self.folder.name, "--daemonize", "no", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                with self.raw() as raw:
                    if raw.command("PING") in (b"+PONG", b"-NOAUTH Authentication required."):
                        break
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "redis-server does not start"
                time.sleep(0.01)
        with self.raw() as raw:
            info = raw.command("INFO", "server")
            assert b"redis_version:7." in info or info.startswith(b"-NOAUTH"), "a Redis 7 is what is compared with"

    def raw(self):
        return Raw(self.host, self.port)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Player:
    """The connections of one section with one server."""

    def __init__(self, server, protocol):
        self.server = server
        self.protocol = protocol
        self.connections = {}

    def connection(self, name):
        if name not in self.connections:
            raw = self.connections[name] = self.server.raw()
            if self.protocol == 3:
                read(raw.send(encode("HELLO", "3")))
        return self.connections[name]

    def play(self, step):
        if step.pause:
            time.sleep(step.pause)
        raw = self.connection(step.connection) if step.count else None
        if step.sent is not None:
            raw.send(step.sent)
        values = []
        for _ in range(step.count):
            try:
                values.append(read(raw))
            except (socket.timeout, TimeoutError):
                values.append(("+", b"(nothing came)"))
                break
        return values

    def close(self):
        for raw in self.connections.values():
            raw.close()


def matches(expected, found):
    """Whether `found` is what the list expects; `<any>` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("<any>"))), found, re.S) is not None


def compare(step, protocol, ours, theirs):
    """None, or in one text what is wrong with the two replies to a step."""
    if step.comparison == "types":
        mine, reference = map(shape, (ours[0], theirs[0]))
        mine_shown, reference_shown = [mine], [reference]
    else:
        is_ordered = step.comparison != "unordered"
        mine_shown, reference_shown = [[text(value, is_ordered) for value in side] for side in (ours, theirs)]
        if not is_ordered:
            mine_shown.sort()
            reference_shown.sort()
        if step.comparison == "within":
            numbers = [side[0] for side in (ours, theirs)]
            if all(kind == ":" for kind, _ in numbers):
                if abs(int(numbers[0][1]) - int(numbers[1][1])) <= step.tolerance:
                    reference_shown = mine_shown
    shown = f"RESP{protocol}\n  Redis:     {' '.join(reference_shown)}\n  presenced: {' '.join(mine_shown)}"
    expected = step.expected.get(protocol)
    if expected is None:
        return None if mine_shown == reference_shown else f"differs, {shown}"
    if mine_shown == reference_shown:
        return f"does not differ any more (~ {step.why}), {shown}"
    if len(expected) == len(mine_shown) and all(map(matches, expected, mine_shown)):
        return None
    return f"is not what the list expects, {shown}\n  expected:  {' '.join(expected)}"
