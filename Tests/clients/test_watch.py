"""A viewer's list through real clients: redis-py subscribes on one connection and watches on another, in RESP2 and RESP3."""

import json
import socket
import threading
import time

import pytest
import redis

from harness import Ear, encode, eventually

SETTINGS = ("--push-window", "20ms", "--watch-linger", "2s", "--status-changes-per-minute", "0", "--event-loops", "2")


def key(name):
    return "presence:user:" + name


def frames(subscriber, seconds):
    """The frames that come within that time."""
    seen = len(subscriber.messages)
    return [json.loads(data) for _, data, _ in subscriber.listen(seconds)[seen:]]


def rows(found):
    return [(row[0], row[1]) for frame in found for row in frame["rows"]]


def watch(client, viewer, *users, since=None):
    words = ["SINCE", since] if since else []
    return client.execute_command("PRESENCE.WATCH", key(viewer), *words, *map(key, users))


def test_changes_are_frames(either, server, connect):
    viewer = f"viewer-{either.connection_pool.connection_kwargs['protocol']}"
    subscriber = Ear(connect(server, protocol=either.connection_pool.connection_kwargs["protocol"]), f"presence.watch:{viewer}")
    cursor, kind, found = watch(either, viewer, "anna", "bert")
    assert kind == "snapshot"
    assert [row[:2] for row in found] == [["anna", "offline"], ["bert", "offline"]]
    either.execute_command("PRESENCE.CONNECT", key("anna"), "phone")
    assert rows(frames(subscriber, 0.5)) == [("anna", "online")]
    # What goes and comes within a window is told once, as it ends.
    with either.pipeline(transaction=False) as pipe:
        for _ in range(20):
            pipe.execute_command("PRESENCE.SET", key("anna"), "STATUS", "dnd")
            pipe.execute_command("PRESENCE.SET", key("anna"), "STATUS", "away")
        pipe.execute()
    assert rows(frames(subscriber, 0.5))[-1] == ("anna", "away")
    either.execute_command("PRESENCE.BLOCK", key("anna"), key(viewer))
    either.execute_command("PRESENCE.SET", key("anna"), "STATUS", "auto")
    assert rows(frames(subscriber, 0.5)) == [("anna", "offline")]
    either.execute_command("PRESENCE.UNBLOCK", key("anna"), key(viewer))
    last = frames(subscriber, 0.5)
    assert rows(last) == [("anna", "online")]
    # Gone on from an earlier cursor: who changed since, once; from the newest: nobody.
    cursor, kind, found = watch(either, viewer, "anna", "bert", since=cursor)
    assert kind == "resumed" and [row[0] for row in found] == ["anna"]
    cursor, kind, found = watch(either, viewer, "anna", "bert", since=cursor)
    assert kind == "resumed" and found == []
    subscriber.close()
    assert either.execute_command("PRESENCE.UNWATCH", key(viewer)) == 2
    either.execute_command("PRESENCE.SET", key("anna"), "STATUS", "auto")
    either.execute_command("PRESENCE.DISCONNECT", key("anna"), "phone")


def test_a_list_lingers_and_then_is_gone(client, server, connect):
    cursor, _, _ = watch(client, "lingerer", "anna")
    assert int(client.info("presence")["watch_lists"]) >= 1
    time.sleep(1)
    cursor, kind, _ = watch(client, "lingerer", "anna", since=cursor)
    assert kind == "resumed"
    subscriber = Ear(connect(server), "presence.watch:lingerer")
    time.sleep(3)
    cursor, kind, _ = watch(client, "lingerer", "anna", since=cursor)
    assert kind == "resumed"
    subscriber.close()
    assert eventually(lambda: int(client.info("presence")["watch_lists"]) == 0, 8)
    assert watch(client, "lingerer", "anna", since=cursor)[1] == "snapshot"
    client.execute_command("PRESENCE.UNWATCH", key("lingerer"))


def test_who_listens_by_a_pattern_hears_a_list_and_keeps_none(client, server, connect):
    everything = Ear(connect(server), patterns=["presence.watch:*"])
    watch(client, "patterned", "anna")
    client.execute_command("PRESENCE.CONNECT", key("anna"), "phone")
    assert rows(frames(everything, 0.3)) == [("anna", "online")]
    assert eventually(lambda: int(client.info("presence")["watch_lists"]) == 0, 8)
    everything.close()


def test_many_viewers_on_both_loops_hear_of_one(client, server, connect):
    subscribers = [Ear(connect(server), f"presence.watch:fan-{number}") for number in range(40)]
    for number in range(40):
        watch(client, f"fan-{number}", "star")
    client.execute_command("PRESENCE.CONNECT", key("star"), "phone")
    for subscriber in subscribers:
        assert rows(frames(subscriber, 0.3)) == [("star", "online")]
    for number, subscriber in enumerate(subscribers):
        subscriber.close()
        client.execute_command("PRESENCE.UNWATCH", key(f"fan-{number}"))


def test_where_time_stands_still_all_are_told_when_it_was_moved(start):
    """However many they are: more than a turn of the event loop has room for."""
    server = start("--manual-clock", "yes", "--enable-debug-command", "yes", "--push-window", "50ms")
    viewers = [f"viewer-{number}" for number in range(3_000)]
    subscriber, teller = server.raw(), server.raw()
    assert subscriber.command("PSUBSCRIBE", "presence.watch:*")[2] == 1
    for viewer in viewers:
        assert teller.command("PRESENCE.WATCH", key(viewer), key("anna"))[1] == b"snapshot"
    teller.command("PRESENCE.CONNECT", key("anna"), "phone")
    assert teller.command("PRESENCE.ADVANCE", 50) == b"+OK"
    subscriber.send(encode("PING"))
    told = set()
    while (message := subscriber.reply())[0] == b"pmessage":
        told.add(message[2])
    assert message[0] == b"pong"
    assert told == {f"presence.watch:{viewer}".encode() for viewer in viewers}


def test_a_slow_viewer_loses_only_what_was_in_between(client, server):
    """It reads nothing while its users change ten thousand times, and then finds all of them as they are."""
    users = [f"busy-{number}" for number in range(200)]
    with server.raw() as slow:
        slow.send(b"SUBSCRIBE presence.watch:slow\r\n")
        slow.reply()
        watch(client, "slow", *users)
        for round in range(50):
            with client.pipeline(transaction=False) as pipe:
                for user in users:
                    pipe.execute_command("PRESENCE.SET", key(user), "ACTIVITY", f"{round} " + "x" * 100)
                    pipe.execute_command("PRESENCE.CONNECT", key(user), "s")
                pipe.execute()
            time.sleep(0.03)
        with client.pipeline(transaction=False) as pipe:
            for user in users:
                pipe.execute_command("PRESENCE.SET", key(user), "ACTIVITY", "done")
            pipe.execute()
        known = {}
        deadline = time.time() + 10
        while time.time() < deadline and set(known.values()) != {"done"}:
            message = slow.reply()
            for row in json.loads(message[2])["rows"]:
                known[row[0]] = row[3]
        assert set(known) == set(users) and set(known.values()) == {"done"}
    client.execute_command("PRESENCE.UNWATCH", key("slow"))


def test_a_slow_viewer_is_cut_alone_at_its_output_limit(start, connect):
    """Two hear of one list, one of whom reads nothing: he gets every frame until what waits for him is over the limit, and nobody else loses anything."""
    server = start(*SETTINGS, "--client-output-buffer-limit", "pubsub", "1mb", "0", "0", "--max-activity-length", "255")
    client = connect(server)
    users = [f"busy-{number}" for number in range(400)]
    slow, prompt, other = server.raw(), Listener(server, "twice"), Listener(server, "other")
    slow.command("SUBSCRIBE", "presence.watch:twice")
    for viewer in ("twice", "other"):
        watch(client, viewer, *users)
    with client.pipeline(transaction=False) as pipe:
        for user in users:
            pipe.execute_command("PRESENCE.CONNECT", key(user), "s", "EX", 300)
        pipe.execute()
    closed = lambda: int(client.info("stats")["client_output_buffer_limit_disconnections"])
    for round in range(300):
        with client.pipeline(transaction=False) as pipe:
            for user in users:
                # Each quotation mark is two bytes in a frame.
                pipe.execute_command("PRESENCE.SET", key(user), "ACTIVITY", f"{round}" + '"' * 250)
            pipe.execute()
        if closed():
            break
    assert closed() == 1
    for user in users:
        client.execute_command("PRESENCE.SET", key(user), "ACTIVITY", "done")
    for listener in (prompt, other):
        assert eventually(lambda: listener.activities() == dict.fromkeys(users, "done"), 10)
    # What had left for the slow one is what the prompt one heard, from the first frame on and without a gap.
    taken = frames_to_the_end(slow)
    assert taken and taken == prompt.frames[:len(taken)] and len(taken) < len(prompt.frames)
    # He goes on from the last that he read, since the list lives as long as anybody listens.
    _, kind, found = watch(client, "twice", *users, since=taken[-1]["cursor"])
    assert kind == "resumed" and {row[0]: row[3] for row in found} == dict.fromkeys(users, "done")
    assert closed() == 1
    for listener in (prompt, other):
        listener.close()


def test_a_slow_viewer_is_spared_on_whichever_event_loop_he_is(start, connect):
    """Others subscribed before he did, on his event loop or another, and left: he alone counts, and gets states in place of frames."""
    server = start(*SETTINGS, "--client-output-buffer-limit", "pubsub", "400kb", "0", "0", "--max-activity-length", "255")
    client = connect(server)
    users = [f"busy-{number}" for number in range(400)]
    slow, others = {}, []
    for number in range(4):
        viewer = f"spared-{number}"
        first = Listener(server, viewer)
        watch(client, viewer, *users)
        slow[viewer] = server.raw()
        slow[viewer].command("SUBSCRIBE", f"presence.watch:{viewer}")
        first.close()
        if number % 2:
            # Connections go to the event loops in turn.
            others.append(server.raw())
    with client.pipeline(transaction=False) as pipe:
        for user in users:
            pipe.execute_command("PRESENCE.CONNECT", key(user), "s", "EX", 300)
        pipe.execute()
    for text in [f"{round}" + "x" * 250 for round in range(80)] + ["done"]:
        with client.pipeline(transaction=False) as pipe:
            for user in users:
                pipe.execute_command("PRESENCE.SET", key(user), "ACTIVITY", text)
            pipe.execute()
    assert client.info("stats")["client_output_buffer_limit_disconnections"] == 0
    for viewer, raw in slow.items():
        known = {}
        while len(known) < len(users) or set(known.values()) != {"done"}:
            known.update({row[0]: row[3] for row in json.loads(raw.reply()[2])["rows"]})
        raw.close()
    for raw in others:
        raw.close()


def frames_to_the_end(raw):
    """The frames that come on a connection until it ends; one that is not whole is left out."""
    found = []
    try:
        while True:
            message = raw.reply()
            if message[0] == b"message":
                found.append(json.loads(message[2]))
    except (EOFError, OSError):
        return found


class Listener:
    """Subscribes to a viewer's list and reads at once what comes, on a thread of its own."""

    def __init__(self, server, viewer):
        self.frames, self.raw = [], server.raw()
        self.raw.command("SUBSCRIBE", f"presence.watch:{viewer}")
        self.raw.socket.settimeout(None)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while True:
                self.frames.append(json.loads(self.raw.reply()[2]))
        except (EOFError, OSError):
            pass

    def activities(self):
        return {row[0]: row[3] for frame in list(self.frames) for row in frame["rows"]}

    def close(self):
        self.raw.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.raw.close()


def test_bounds_name_their_settings(client):
    client.config_set("max-watch", 2)
    try:
        with pytest.raises(redis.ResponseError, match="max-watch"):
            watch(client, "greedy", "a", "b", "c")
    finally:
        client.config_set("max-watch", 5000)
    with pytest.raises(redis.ResponseError, match="not allowed|MULTI"):
        with client.pipeline(transaction=True) as pipe:
            pipe.execute_command("PRESENCE.WATCH", key("x"), key("y"))
            pipe.execute()


def test_transactions_block_and_subscribe_while_lists_are_told(client, server, connect):
    """Locks of lists come before those of shards, and a transaction holds shards: both at once must go on."""
    ear = Ear(connect(server), "presence.watch:busy")
    users = [f"both-{number}" for number in range(50)]
    watch(client, "busy", *users)
    stop = threading.Event()

    def look():
        mine = connect(server)
        while not stop.is_set():
            watch(mine, "busy", *users)

    def change():
        mine = connect(server)
        while not stop.is_set():
            with mine.pipeline(transaction=True) as pipe:
                for user in users[:10]:
                    pipe.execute_command("PRESENCE.BLOCK", key(user), key("busy"))
                    pipe.execute_command("PRESENCE.CONNECT", key(user), "s")
                    pipe.execute_command("PRESENCE.UNBLOCK", key(user), key("busy"))
                    pipe.execute_command("PRESENCE.EXPLAIN", key(user), "AS", key("busy"))
                pipe.execute_command("PRESENCE.DROP", "nobody")
                pipe.execute()

    threads = [threading.Thread(target=work) for work in (look, change, look)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with server.raw() as raw:
            raw.send(b"MULTI\r\nSUBSCRIBE presence.watch:busy\r\nEXEC\r\n")
            raw.line()
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert client.ping()
    assert rows(frames(ear, 1))
    ear.close()
    client.execute_command("PRESENCE.UNWATCH", key("busy"))
