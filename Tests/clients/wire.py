"""Network namespaces for the nodes of a cluster, and a wire between them that a test can cut, delay and make lossy.

```
 this process ── bridge ── clients@ns-a, clients@ns-b, clients@ns-c      Redis port: never cut
       └── Switch: one TAP device in each namespace (peers@ns-*)         peer port: every frame passes through this process
```
The frames between nodes go through a thread here and not through `tc netem`, which many kernels are built without: so loss, delay, one-way cuts and
reordering are the same everywhere, and a test says them by the names of nodes. Needs root and iproute2, and says so."""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def run(*words):
    ended = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    if ended.returncode != 0:
        raise AssertionError(
            f"{' '.join(map(str, words))}: {ended.stderr.strip()}\nThese tests make network namespaces: they need root and "
            "Debian's iproute2 (make setup-tests)")


class Path:
    """What happens to frames from one node to another."""

    def __init__(self):
        self.is_cut = False
        self.loss = 0.0
        self.delay = (0.0, 0.0)
        self.duplicates = 0.0


class Switch:
    """Carries Ethernet frames between TAP devices, each on its own way."""

    def __init__(self, taps, seed):
        self.taps = taps
        self.random = random.Random(seed)
        self.paths = {(one, other): Path() for one in taps for other in taps if one != other}
        self.homes = {}
        self.carried = self.dropped = 0
        self._waiting, self._count = [], 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        names = {tap: name for name, tap in self.taps.items()}
        while not self._end.is_set():
            rest = self._waiting[0][0] - time.monotonic() if self._waiting else 0.05
            ready, _, _ = select.select(list(names), [], [], max(0, min(rest, 0.05)))
            for tap in ready:
                # A device that is down has nothing to read.
                try:
                    frame = os.read(tap, 65536)
                except OSError:
                    continue
                self._take(names[tap], frame)
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, _, name, frame = heapq.heappop(self._waiting)
                try:
                    os.write(self.taps[name], frame)
                    self.carried += 1
                except OSError:
                    self.dropped += 1

    def _take(self, source, frame):
        self.homes[frame[6:12]] = source
        home = self.homes.get(frame[:6])
        for target in [home] if home else [name for name in self.taps if name != source]:
            if target == source:
                continue
            path = self.paths[source, target]
            if path.is_cut or self.random.random() < path.loss:
                self.dropped += 1
                continue
            for _ in range(2 if self.random.random() < path.duplicates else 1):
                self._count += 1
                due = time.monotonic() + self.random.uniform(*path.delay)
                heapq.heappush(self._waiting, (due, self._count, target, frame))

    def stop(self):
        self._end.set()
        self._thread.join(10)


class Wire:
    """The namespaces of some nodes. As a context manager it removes all that it made."""

    def __init__(self, names="abc", seed=None):
        self.seed = random.randrange(1 << 32) if seed is None else seed
        # Names of devices have 15 bytes, and what was removed is gone a little later: each wire has its own.
        tag = f"{random.randrange(1 << 24):06x}"
        net = random.randrange(1, 250)
        self.bridge = f"pdb{tag}"
        self.clients_net, self.peers_net = f"10.213.{net}", f"10.214.{net}"
        self.spaces = {name: f"pd{tag}{name}" for name in names}
        self.numbers = {name: number for number, name in enumerate(names, 1)}
        self.taps = {}
        self.switch = None
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def _make(self):
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.clients_net}.254/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for name, space in self.spaces.items():
            number = self.numbers[name]
            outside, tap = f"{space}v", f"{space}t"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", outside, "type", "veth", "peer", "name", "clients", "netns", space)
            run("ip", "link", "set", outside, "master", self.bridge, "up")
            self.taps[name] = self._tap(tap)
            run("ip", "link", "set", tap, "netns", space)
            run("ip", "-n", space, "link", "set", tap, "name", "peers")
            for device, net in (("clients", self.clients_net), ("peers", self.peers_net)):
                run("ip", "-n", space, "addr", "add", f"{net}.{number}/24", "dev", device)
                run("ip", "-n", space, "link", "set", device, "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
        self.switch = Switch(self.taps, self.seed)

    @staticmethod
    def _tap(name):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
        return tap

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"wire with seed {self.seed}: {self.switch.carried} frames carried, {self.switch.dropped} dropped")
        self.remove()

    def remove(self):
        if self.switch:
            self.switch.stop()
        for tap in self.taps.values():
            os.close(tap)
        for space in self.spaces.values():
            subprocess.run(["ip", "link", "del", f"{space}v"], capture_output=True)
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)

    def hosts(self, name):
        """Where a node is, for `Cluster`: the address for clients, that for peers, and the command that starts it there."""
        number = self.numbers[name]
        return (f"{self.clients_net}.{number}", f"{self.peers_net}.{number}", ("ip", "netns", "exec", self.spaces[name]))

    # What happens to it

    def paths(self, *sides, both=True):
        """The ways between nodes of different sides, each a string of names; only from the first side to the others unless `both`."""
        for one in sides if both else sides[:1]:
            for other in sides:
                if one is not other:
                    for source in one:
                        for target in other:
                            yield self.switch.paths[source, target]

    def cut(self, *sides, both=True):
        for path in self.paths(*sides, both=both):
            path.is_cut = True

    def spoil(self, loss=0.0, delay=(0.0, 0.0), duplicates=0.0):
        """Makes every way lossy and slow; delay in seconds, from and to."""
        for path in self.switch.paths.values():
            path.loss, path.delay, path.duplicates = loss, delay, duplicates

    def heal(self):
        for path in self.switch.paths.values():
            path.__init__()

    def set_link(self, name, state):
        """Takes a node's device for peers down or up, as a plug that is drawn."""
        run("ip", "-n", self.spaces[name], "link", "set", "peers", state)
