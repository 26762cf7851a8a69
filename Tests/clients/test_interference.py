"""Two servers, one story, but for what hidden users do: whatever their viewer can read is the same on both, byte for byte.

On the *quiet* one they do nothing once they are hidden, on the *busy* one they do what they like, but for showing themselves to him. Time stands still and
goes on alike on both. Only what names a list in its cursors is masked: it is drawn at random."""

import copy
import itertools
import random
import re

import pytest

from harness import Raw, Server, encode, seeds

# Lives are short, since a clock that stands still goes on 10 ms at a step.
SETTINGS = (
    "--manual-clock", "yes", "--enable-debug-command", "yes", "--status-changes-per-minute", "0", "--shards", "1", "--max-watch", "5",
    "--heartbeat-hard-limit", "12s", "--heartbeat-interval", "2s", "--session-ttl", "6s", "--disconnect-grace", "500ms", "--lost-grace", "2s",
    "--idle-after", "4s", "--away-after", "8s")
CASES, STEPS = 30, 25
DAY = 86_400_000
# The list's name, and the number of its newest frame.
CURSOR = re.compile(rb"\b[0-9a-f]{8,16}-\d+")


def key(name):
    return "presence:user:" + name


class Exact(Raw):
    """A connection whose replies are kept as they came."""

    def __init__(self, server):
        super().__init__(server.host, server.port)
        self.seen = b""

    def _more(self):
        before = len(self.buffer)
        super()._more()
        self.seen += self.buffer[before:]

    def exact(self):
        """The bytes of one reply or message."""
        start = len(self.seen) - len(self.buffer)
        self.reply()
        return self.seen[start:len(self.seen) - len(self.buffer)]

    def messages(self):
        """The bytes of all messages that were sent by now."""
        self.send(encode("PING"))
        found = []
        while b"pong" not in (message := self.exact()).lower():
            found.append(message)
        return found


class Pair:
    """A connection to each of the two servers."""

    def __init__(self, servers):
        self.both = self.quiet, self.busy = [Exact(server) for server in servers]

    def tell(self, *words):
        """Sends a command to both; their replies, byte by byte."""
        for side in self.both:
            side.send(encode(*words))
        return [side.exact() for side in self.both]

    def close(self):
        for side in self.both:
            side.close()


def masked(data):
    """Without what names a list, and the lengths of texts in which that stands."""
    data = re.sub(rb"\$\d+\r\n(?=\{|[0-9a-f]{8,16}-)", b"", data)
    return CURSOR.sub(lambda cursor: b"list-" + cursor[0].split(b"-")[1], data)


class Relations:
    """Who sees whom, as one of the servers has it of one target and the viewer."""

    def __init__(self, hides_both):
        self.hides_both = hides_both
        self.blocks = self.is_blocked = self.is_friend = False
        self.visibility = "everyone"
        # Whether nothing but the viewer's own block hid the target at some time since he is to be hidden. Once the viewer lifts that, he may read what
        # the target showed him meanwhile.
        self.left_it_to_the_viewer = False

    def hides_himself(self):
        return self.blocks or self.visibility == "nobody" or self.visibility == "friends" and not self.is_friend

    def hide(self):
        return self.hides_himself() or self.hides_both and self.is_blocked

    def begin(self):
        """From now on he is to be hidden."""
        self.left_it_to_the_viewer = not self.hides_himself()

    def after(self, words, target, viewer):
        """What they are after a command of the one or the other."""
        after = copy.copy(self)
        on = words[0] in ("PRESENCE.BLOCK", "PRESENCE.FRIEND")
        if words[0] in ("PRESENCE.BLOCK", "PRESENCE.UNBLOCK") and words[1:] == (target, viewer):
            after.blocks = on
        elif words[0] in ("PRESENCE.BLOCK", "PRESENCE.UNBLOCK") and words[1:] == (viewer, target):
            after.is_blocked = on
        elif words[0] in ("PRESENCE.FRIEND", "PRESENCE.UNFRIEND") and words[1:] == (target, viewer):
            after.is_friend = on
        elif words[:2] == ("PRESENCE.SET", target) and "VISIBILITY" in words:
            after.visibility = words[words.index("VISIBILITY") + 1]
        after.left_it_to_the_viewer |= not after.hides_himself()
        return after


class Target:
    """Somebody who is to be hidden from the viewer in some way."""

    def __init__(self, name, viewer, other, hides_both, way):
        self.name, self.viewer, self.other, self.way = name, viewer, other, way
        self.quiet, self.busy = Relations(hides_both), Relations(hides_both)
        # His alone: no act of his may end the sessions of others.
        self.gateway = "gateway-of-" + name

    def hiding(self):
        """The command that hides him in his way, and those that must come before it."""
        me, viewer = key(self.name), key(self.viewer)
        return {
            "block": [("PRESENCE.BLOCK", me, viewer)],
            "blocked": [("PRESENCE.BLOCK", viewer, me)],
            "nobody": [("PRESENCE.SET", me, "VISIBILITY", "nobody")],
            "friends": [("PRESENCE.UNFRIEND", me, viewer), ("PRESENCE.SET", me, "VISIBILITY", "friends")],
            "unfriend": [
                ("PRESENCE.FRIEND", me, viewer), ("PRESENCE.SET", me, "VISIBILITY", "friends"), ("PRESENCE.UNFRIEND", me, viewer)],
            "invisible": [("PRESENCE.SET", me, "STATUS", "invisible")],
        }[self.way]

    def note(self, words, on_both=True):
        """Keeps in mind what a command changed of who sees whom."""
        names = key(self.name), key(self.viewer)
        self.busy = self.busy.after(words, *names)
        if on_both:
            self.quiet = self.quiet.after(words, *names)

    def keeps_hidden(self, words, on_both=True):
        """Whether he stays hidden where this is done, in the way he was hidden."""
        names = key(self.name), key(self.viewer)
        sides = [(side, side.after(words, *names)) for side in ([self.quiet] if on_both else []) + [self.busy]]
        if self.way == "invisible":
            # Everybody sees him, offline: so who may know when he was last seen, and whether he stays invisible, is for them to see as well.
            is_allowed = words[:2] != ("PRESENCE.SET", names[0]) or words[2] == "ACTIVITY" or words[2:] == ("STATUS", "invisible")
            return is_allowed and not any(
                before.hide() and not after.hide() or before.is_friend != after.is_friend for before, after in sides)
        if words == ("PRESENCE.UNBLOCK", names[1], names[0]) and any(before.left_it_to_the_viewer for before, _ in sides):
            return False
        return all(after.hide() for _, after in sides)

    def act(self, source):
        """Anything that somebody may do, as a command."""
        me, pick = key(self.name), source.choice
        session = pick("ab")
        record = '{"status":"%s","connectionId":"%s"}' % (pick(["online", "idle", "away", "dnd", "offline"]), session)
        ends = pick([(), ("EX", 1), ("EX", 5), ("PX", 300)])
        whom = key(pick([self.viewer, self.viewer, self.other]))
        return source.choices([
            ("PRESENCE.CONNECT", me, session, *pick([
                (), ("EX", 5), ("EX", 12), ("SERVER", self.gateway), ("STATUS", "away"), ("STATUS", "dnd", "PASSIVE"), ("PASSIVE",)])),
            (pick(["PRESENCE.ACTIVE", "PRESENCE.BEAT", "PRESENCE.MBEAT", "PRESENCE.MACTIVE"]), me, session),
            ("PRESENCE.DISCONNECT", me, session, "REASON", pick(["disconnect", "dropped", "lease_lost", "ws_disconnect"])),
            ("PRESENCE.SET", me, "STATUS", pick(["auto", "dnd", "away", "idle", "invisible"]), *ends),
            ("PRESENCE.SET", me, "ACTIVITY", pick(["", "at lunch", "in a raid"]), *ends),
            ("PRESENCE.SET", me, "LASTSEEN", pick(["everyone", "friends", "nobody", "coarse"])),
            ("PRESENCE.SET", me, "VISIBILITY", pick(["everyone", "friends", "nobody"])),
            (pick(["PRESENCE.BLOCK", "PRESENCE.UNBLOCK", "PRESENCE.FRIEND", "PRESENCE.UNFRIEND"]), me, whom),
            ("SET", me, record, *pick([(), ("EX", 12), ("EX", 5)])),
            pick([("DEL", me), ("EXPIRE", me, 9), ("EXPIRE", me, 0), ("SET", me, "offline"), ("PEXPIRE", me, 7000, "GT")]),
            pick([("PRESENCE.LEASE", self.gateway, "EX", pick([2, 10])), ("PRESENCE.DROP", self.gateway)]),
            pick([("PRESENCE.WATCH", me, whom), ("PRESENCE.UNWATCH", me)]),
        ], weights=[4, 3, 2, 3, 2, 1, 2, 3, 2, 2, 2, 1])[0]


class Story:
    """One case. `hide` is whether its users are hidden in truth, or only think so."""

    # Nobody is of two cases: what hidden users set in one outlives it, on one of the servers alone.
    numbers = itertools.count(1)

    def __init__(self, servers, seed, ways, hides_both, hide=True):
        self.source, self.seed, self.hide = random.Random(seed), seed, hide
        self.number = next(Story.numbers)
        self.viewer, self.other = (f"{role}-of-{self.number}" for role in ("viewer", "other"))
        self.targets = [
            Target(f"target{place}-of-{self.number}", self.viewer, self.other, hides_both, way) for place, way in enumerate(ways)]
        self.pair, self.clock, self.ear = Pair(servers), Pair(servers), Pair(servers)
        self.log, self.cursors = [], [("1-1", "1-1")]
        self.is_long = seed % 16 == 0
        protocol = self.source.choice([2, 3])
        for pair in (self.pair, self.ear):
            for side in pair.both:
                side.command("HELLO", protocol)
        self.ear.tell("SUBSCRIBE", f"presence.watch:{self.viewer}")

    def close(self):
        self.pair.tell("PRESENCE.UNWATCH", key(self.viewer))
        for pair in (self.pair, self.clock, self.ear):
            pair.close()

    def same(self, *words, since=None):
        """Both are told the same, and must answer the same; with `since` each goes on from its own cursor."""
        self.log.append(words)
        for side, cursor in zip(self.pair.both, since or (None, None)):
            side.send(encode(*(words[:2] + ("SINCE", cursor) + words[2:] if cursor else words)))
        self.agree(words, *[[side.exact()] for side in self.pair.both])

    def agree(self, what, quiet, busy):
        cursors = [CURSOR.findall(b"".join(side)) for side in (quiet, busy)]
        self.cursors += zip(*cursors)
        assert list(map(masked, busy)) == list(map(masked, quiet)), (
            f"PRESENCE_SEED={self.seed}: {what} after\n" + "\n".join(map(str, self.log[-60:])))

    def pass_time(self):
        milliseconds = self.source.choice([0, 0, 10, 70, 200, 500, 1_000, 2_500, 4_500, 6_500, self.source.choice([0, 500, 13_000])])
        # Within a day, a week, a month: now and then more than a day goes by at once.
        if self.is_long and self.source.random() < 0.1:
            self.is_long, milliseconds = False, DAY + 1
        self.log.append(("advance", milliseconds))
        self.clock.tell("PRESENCE.ADVANCE", milliseconds)

    def drain(self):
        """Goes on until every window is over, so that no frame is waiting, and compares what came."""
        for _ in range(2):
            self.clock.tell("PRESENCE.ADVANCE", 60)
            self.agree("frames", *[side.messages() for side in self.ear.both])

    def look(self):
        """Whatever a viewer may ask, and what he may not."""
        viewer, other, source = key(self.viewer), key(self.other), self.source
        targets = [key(target.name) for target in self.targets]
        everybody = [*targets, other]
        self.same("PRESENCE.VIEW", viewer, *everybody, viewer)
        for whom in targets:
            self.same("PRESENCE.GET", whom, "AS", viewer)
        whom = source.choice(everybody)
        asked = source.choice([
            ("PRESENCE.GET", viewer, "AS", viewer), ("PRESENCE.GET", other, "AS", viewer), ("PRESENCE.RELATIONS", viewer),
            ("PRESENCE.WATCH", viewer, whom), ("PRESENCE.WATCH", viewer, *everybody), ("PRESENCE.UNWATCH", viewer, whom),
            ("PRESENCE.UNWATCH", viewer), ("PRESENCE.WATCH", viewer, "SINCE", "0"), ("PRESENCE.VIEW", viewer, self.targets[0].name),
            ("PRESENCE.MGET", whom, "AS", viewer), ("PRESENCE.GET", whom, "FOR", viewer), ("PRESENCE.GET", whom, "AS", self.viewer),
            ("PRESENCE.WATCH", viewer, *[key(f"stranger{number}") for number in range(6)], whom),
        ])
        self.same(*asked)
        if source.random() < 0.4:
            self.same("PRESENCE.WATCH", viewer, *everybody, since=source.choice(self.cursors[-4:]))

    def act_of_others(self):
        """Something that is done on both: by somebody who is not hidden, or by the viewer himself."""
        viewer, other, target = key(self.viewer), key(self.other), self.source.choice(self.targets)
        words = self.source.choice([
            ("PRESENCE.CONNECT", other, "s"), ("PRESENCE.DISCONNECT", other, "s"), ("PRESENCE.SET", other, "STATUS", "dnd"),
            ("PRESENCE.SET", other, "ACTIVITY", "at work"), ("PRESENCE.SET", other, "STATUS", "auto"),
            ("PRESENCE.CONNECT", viewer, "s"), ("PRESENCE.FRIEND", viewer, key(target.name)),
            ("PRESENCE.BLOCK", viewer, key(target.name)), ("PRESENCE.UNBLOCK", viewer, key(target.name)),
        ])
        if target.keeps_hidden(words):
            target.note(words)
            self.same(*words)
        # Whoever said goodbye is seen for a while: until that is over, too.
        self.clock.tell("PRESENCE.ADVANCE", 600)

    def run(self):
        source = self.source
        # Until then both are the same; some are hidden before they do anything.
        for _ in range(source.choice([0, 0, 5, 15, 25])):
            words = source.choice(self.targets).act(source)
            for target in self.targets:
                target.note(words)
            self.same(*words)
            self.pass_time()
        if source.random() < 0.7:
            self.same("PRESENCE.WATCH", key(self.viewer), *[key(target.name) for target in self.targets], key(self.other))
        for target in self.targets:
            for words in target.hiding() if self.hide else target.hiding()[:-1]:
                self.same(*words)
            for words in target.hiding():
                target.note(words)
            for side in (target.quiet, target.busy):
                side.begin()
        self.drain()
        for _ in range(STEPS):
            target = source.choice(self.targets)
            words = target.act(source)
            if target.keeps_hidden(words, on_both=False):
                target.note(words, on_both=False)
                self.log.append(("hidden", *words))
                self.pair.busy.command(*words)
            for _ in range(source.choice([0, 0, 2])):
                # Within a window, and over its end: when it ends must not depend on what is hidden.
                self.clock.tell("PRESENCE.ADVANCE", source.choice([20, 40, 60]))
                self.same("PRESENCE.SET", key(self.other), "ACTIVITY", source.choice(["", "at work", "at lunch"]))
                self.agree("frames within a window", *[side.messages() for side in self.ear.both])
            self.pass_time()
            self.drain()
            if source.random() < 0.5:
                self.act_of_others()
                self.drain()
            self.look()
            self.drain()


class Comeback(Story):
    """One case in which users show themselves again: of what they did while they were hidden, and took back, nothing is told then."""

    def traceless(self, target):
        """What a hidden user may do, and take back, so that nothing of it is left."""
        me, viewer, other = key(target.name), key(self.viewer), key(self.other)
        pairs = [
            [("PRESENCE.SET", me, "ACTIVITY", "in a raid"), ("PRESENCE.SET", me, "ACTIVITY", "")],
            [("PRESENCE.SET", me, "LASTSEEN", "coarse"), ("PRESENCE.SET", me, "LASTSEEN", "everyone")],
            [("PRESENCE.BLOCK", me, other), ("PRESENCE.UNBLOCK", me, other)],
            [("PRESENCE.FRIEND", me, other), ("PRESENCE.UNFRIEND", me, other)],
            [("PRESENCE.WATCH", me, me, viewer, other), ("PRESENCE.UNWATCH", me)],
            [("PRESENCE.CONNECT", me, "p", "PASSIVE"), ("PRESENCE.DISCONNECT", me, "p")],
        ]
        if target.way != "block":
            pairs.append([("PRESENCE.BLOCK", me, viewer), ("PRESENCE.UNBLOCK", me, viewer)])
        if target.way in ("block", "blocked"):
            pairs.append([("PRESENCE.SET", me, "VISIBILITY", "nobody"), ("PRESENCE.SET", me, "VISIBILITY", "everyone")])
        if target.way in ("block", "blocked", "nobody"):
            pairs.append([("PRESENCE.FRIEND", me, viewer), ("PRESENCE.UNFRIEND", me, viewer)])
        return self.source.choice(pairs)

    def showing(self, target):
        """The command that takes back what hid him."""
        me, viewer = key(target.name), key(self.viewer)
        return {
            "block": ("PRESENCE.UNBLOCK", me, viewer), "blocked": ("PRESENCE.UNBLOCK", viewer, me),
            "unfriend": ("PRESENCE.FRIEND", me, viewer)}.get(target.way, ("PRESENCE.SET", me, "VISIBILITY", "everyone"))

    def run(self):
        source, viewer, channel = self.source, key(self.viewer), f"presence.watch:{self.viewer}"
        others = [key(self.other), *[key(f"other{place}-of-{self.number}") for place in range(2)]]
        people = [key(target.name) for target in self.targets] + others
        for person in people:
            self.same("PRESENCE.CONNECT", person, "s", "EX", 12)
            self.same("PRESENCE.ACTIVE", person, "s")
        for _ in range(4):
            source.shuffle(people)
            self.same("PRESENCE.WATCH", viewer, *people)
            for target in self.targets:
                for words in target.hiding():
                    self.same(*words)
            self.drain()
            # All in one window; or while nobody listens, since marks wait until somebody does.
            is_heard = source.random() < 0.5
            if not is_heard:
                self.ear.tell("UNSUBSCRIBE", channel)
            hidden = list(self.targets)
            while hidden:
                for words in self.traceless(source.choice(hidden)):
                    self.log.append(("hidden", *words))
                    self.pair.busy.command(*words)
                if not is_heard:
                    self.clock.tell("PRESENCE.ADVANCE", source.choice([0, 70]))
                somebody = source.choice(others)
                self.same(*source.choice([
                    ("PRESENCE.SET", somebody, "STATUS", source.choice(["dnd", "auto"])),
                    ("PRESENCE.SET", somebody, "ACTIVITY", source.choice(["", "at work"])),
                    ("PRESENCE.CONNECT", somebody, "s", "EX", 12), ("PRESENCE.DISCONNECT", somebody, "s")]))
                if source.random() < 0.2:
                    self.same("PRESENCE.WATCH", viewer, *people[:3], since=source.choice(self.cursors[-4:]))
                if source.random() < 0.4:
                    self.same(*self.showing(hidden.pop(source.randrange(len(hidden)))))
            if not is_heard:
                self.ear.tell("SUBSCRIBE", channel)
            self.drain()
            self.same("PRESENCE.VIEW", viewer, *people)
            for person in people:
                self.same("PRESENCE.GET", person, "AS", viewer)
            self.same("PRESENCE.WATCH", viewer, *people, since=source.choice(self.cursors[-4:]))
            self.drain()


WAYS = {"target": ["block", "nobody", "friends", "unfriend", "invisible"]}
WAYS["both"] = [*WAYS["target"], "blocked"]


@pytest.fixture(scope="module", params=["target", "both"])
def servers(request):
    pair = [Server(*SETTINGS, "--block-hides", request.param) for _ in range(2)]
    yield request.param, pair
    assert [server.stop() for server in pair] == [0, 0]


def tell(servers, seed, ways, hide=True, kind=Story):
    hides, pair = servers
    story = kind(pair, seed, ways, hides == "both", hide)
    try:
        story.run()
    finally:
        story.close()


def test_nothing_that_hidden_users_do_changes_what_their_viewer_reads(servers):
    for seed in seeds(CASES):
        tell(servers, seed, random.Random(seed ^ 1).sample(WAYS[servers[0]], 2))


def test_what_hidden_users_took_back_is_not_told_when_they_show_themselves(servers):
    ways = [way for way in WAYS[servers[0]] if way != "invisible"]
    for seed in seeds(CASES):
        tell(servers, seed, random.Random(seed ^ 1).sample(ways, 2), kind=Comeback)


def test_a_hiding_that_is_left_out_is_found(servers):
    """What the test above could not see, it would not guard: each way of hiding is left out once, and something must differ."""
    for way in WAYS[servers[0]]:
        for seed in range(1, 16):
            try:
                tell(servers, seed, [way], hide=False)
            except AssertionError:
                break
        else:
            raise AssertionError(f"no reading tells that {way} was left out")
