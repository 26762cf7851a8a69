"""Connections come and go in every bad way there is, and nothing of them stays: no descriptor, no buffer, no entry in a list."""

import os
import random
import re
import threading
import time

import pytest

from harness import Raw, Server, encode, eventually

SETTINGS = ("--event-loops", 3)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def is_clean(server, client, before):
    """Whether the client that asks is the only one, in every list."""
    stats, clients = client.info("stats"), client.info("clients")
    return (
        clients["connected_clients"] == 1 and len(client.client_list()) == 1 and descriptors(server) == before
        and stats["pubsub_channels"] == 0 and stats["pubsub_patterns"] == 0)


def begin_nothing(raw):
    pass


def begin_command(raw):
    raw.send(encode("PING") + encode("SET", "key", "x" * 300)[:-40])


def begin_transaction(raw):
    raw.send(encode("WATCH", "key") + encode("MULTI") + encode("SET", "key", "x") * 3)


def begin_subscription(raw):
    raw.send(encode("SUBSCRIBE", "news", f"own{random.random()}") + encode("PSUBSCRIBE", f"n{random.random()}*"))


def begin_monitor(raw):
    raw.send(encode("MONITOR"))


def begin_waiting(raw):
    raw.send(encode("CLIENT", "LIST") + encode("CLIENT", "KILL", "ID", 1 << 40) + encode("KEYS", "*"))


def begin_error(raw):
    raw.send(b"*1\r\n$-7\r\n")


BEGINNINGS = [
    begin_nothing, begin_command, begin_transaction, begin_subscription, begin_monitor, begin_waiting, begin_error]


def test_twenty_thousand_connections_come_and_go(server, client):
    client.ping()
    before = descriptors(server)
    wave = 1000
    resident = []
    for number in range(20):
        raws = [server.raw() for _ in range(wave)]
        for place, raw in enumerate(raws):
            begin = BEGINNINGS[place % len(BEGINNINGS)]
            # A few of those that are told of all others are enough.
            if begin not in (begin_monitor, begin_waiting) or place < 21:
                begin(raw)
        for place, raw in enumerate(raws):
            raw.vanish() if place % 3 == 0 else raw.close()
        eventually(lambda: client.info("clients")["connected_clients"] == 1, 20)
        client.publish("news", "x")
        resident.append(server.resident_bytes)
    eventually(lambda: is_clean(server, client, before))
    assert client.info("stats")["total_connections_received"] >= 20 * wave
    # What the first waves took is used again by the later ones.
    assert min(resident[-5:]) - min(resident[3:8]) < 6 << 20, resident
    client.set("key", "1")
    assert client.get("key") == "1"


def test_thousands_of_connections_at_once_leave_no_memory(server, client):
    client.ping()
    before = descriptors(server)
    resident = server.resident_bytes
    raws = [server.raw() for _ in range(4000)]
    for raw in raws:
        raw.send(encode("PING"))
    assert all(raw.reply() == b"+PONG" for raw in raws)
    full = server.resident_bytes
    for raw in raws:
        raw.close()
    eventually(lambda: is_clean(server, client, before), 20)
    # The allocator gives pages back within ten seconds.
    eventually(lambda: server.resident_bytes - resident < (full - resident) / 2 + (4 << 20), 15)


class TestKilled:
    def test_within_a_transaction_it_never_runs(self, server, client):
        client.delete("key")
        for how in ("kill", "vanish", "close"):
            raw = server.raw()
            number = raw.command("CLIENT", "ID")
            raw.command("WATCH", "key")
            raw.command("MULTI")
            raw.send(encode("SET", "key", "x") * 1000)
            for _ in range(1000):
                assert raw.reply() == b"+QUEUED"
            if how == "kill":
                assert client.execute_command("CLIENT", "KILL", "ID", number) == 1
                assert raw.is_closed()
            raw.vanish() if how == "vanish" else raw.close()
        eventually(lambda: len(client.client_list()) == 1)
        assert client.get("key") is None

    def test_while_its_output_waits(self, server, client):
        client.set("big", "x" * 1_000_000)
        before = server.resident_bytes
        for _ in range(5):
            raw = server.raw()
            number = raw.command("CLIENT", "ID")
            raw.send(encode("GET", "big") * 100)
            eventually(lambda: int(client.client_list(client_id=[number])[0]["omem"]) > 0)
            assert client.execute_command("CLIENT", "KILL", "ID", number) == 1
            eventually(lambda: len(client.client_list()) == 1)
            raw.close()
        assert server.resident_bytes - before < 48 << 20

    def test_while_other_loops_are_asked_for_it(self, server, client):
        """The answers find nobody."""
        for number in range(300):
            raw = server.raw()
            raw.send(encode("CLIENT", "LIST") + encode("CONFIG", "SET", "timeout", "0") + encode("MONITOR")
                     + encode("CLIENT", "PAUSE", "0") + encode("PING"))
            if number % 4 == 0:
                raw.reply()
            raw.vanish() if number % 2 else raw.close()
        eventually(lambda: len(client.client_list()) == 1)
        client.ping()

    def test_while_messages_are_delivered_to_it(self, server, client):
        """Publishers on all loops, subscribers that are killed, vanish and kill themselves, all at once."""
        end = time.monotonic() + 3
        problems = []

        def run(body):
            def until_the_end():
                try:
                    while time.monotonic() < end:
                        body()
                except Exception as problem:  # noqa: BLE001
                    problems.append(repr(problem))

            threads.append(threading.Thread(target=until_the_end))
            threads[-1].start()

        def publish():
            with server.raw() as raw:
                raw.send(encode("PUBLISH", "storm", "x" * 500) * 200 + encode("PING"))
                while raw.reply() != b"+PONG":
                    pass

        def subscribe():
            raws = [server.raw() for _ in range(10)]
            for raw in raws:
                raw.send(encode("SUBSCRIBE", "storm") + encode("PSUBSCRIBE", "st*m"))
            for place, raw in enumerate(raws):
                raw.vanish() if place % 2 else raw.close()

        def suicide():
            with server.raw() as raw:
                number = raw.command("HELLO", "3")[b"id"]
                raw.send(encode("SUBSCRIBE", "storm") + encode("PUBLISH", "storm", "mine")
                         + encode("CLIENT", "KILL", "ID", number, "SKIPME", "no") + encode("PUBLISH", "storm", "late"))
                assert b"late" not in raw.rest()

        def kill():
            with server.raw() as raw:
                for _ in range(20):
                    assert raw.command("CLIENT", "KILL", "TYPE", "pubsub") >= 0
                    assert raw.command("CLIENT", "KILL", "TYPE", "normal", "ID", random.randrange(1, 1000), "SKIPME", "yes") in (0, 1)

        threads = []
        for body in (publish, publish, subscribe, subscribe, suicide, kill):
            run(body)
        for thread in threads:
            thread.join()
        # Whoever was killed by his number says so; nothing else may have gone wrong.
        assert not [problem for problem in problems if "Connection" not in problem and "EOF" not in problem], problems
        # Some left without waiting for what they had asked for: they subscribe, and are gone, when a loop comes to read it. Who is left is `client`.
        eventually(lambda: client.info("clients")["connected_clients"] == 1 and client.info("stats")["pubsub_channels"] == 0)
        with server.raw() as raw:
            assert raw.command("SUBSCRIBE", "storm") == [b"subscribe", b"storm", 1]
            assert client.publish("storm", "after") == 1
            assert raw.reply() == [b"message", b"storm", b"after"]


@pytest.mark.parametrize(
    "words",
    [["GET"], ["MSET", "a"], ["PRESENCE.MBEAT", "a"], ["EVAL", "x", "99999999999", "a"],
     ["ZUNIONSTORE", "a", "-1", "b"], ["NOSUCH", "a"], ["COMMAND", "GETKEYS", "GET", "a"], ["XREAD", "STREAMS"],
     ["MIGRATE", "a", "1", "", "0", "0", "KEYS"], ["SET", "a"] * 1000],
    ids=lambda words: " ".join(words)[:30])
def test_command_getkeys_with_counts_that_lie_is_an_error(server, words):
    with server.raw() as raw:
        reply = raw.command("COMMAND", "GETKEYS", *words)
        assert isinstance(reply, list) and words[0] == "SET" or reply.startswith(b"-ERR")
        assert raw.command("PING") == b"+PONG"


def test_a_subscriber_that_stops_reading_costs_its_bound_and_nobody_else(start, connect):
    """A gigabyte is published; one does not read and is cut, the others get every byte."""
    server = start("--event-loops", 3)
    client = connect(server)
    count, size = 1000, 1 << 20
    received = [0, 0]
    begun = threading.Barrier(3)

    def read(place):
        with server.raw() as raw:
            raw.command("SUBSCRIBE", "news")
            begun.wait()
            block = bytearray(1 << 20)
            while received[place] < count * size:
                received[place] += raw.socket.recv_into(block)

    readers = [threading.Thread(target=read, args=(place,)) for place in range(2)]
    for reader in readers:
        reader.start()
    begun.wait()
    before = server.resident_bytes
    most = 0
    message = "x" * size
    with server.raw() as deaf:
        deaf.command("SUBSCRIBE", "news")
        for number in range(count):
            # Publishing goes no faster than who reads: else they would be cut as well.
            while min(received) < (number - 8) * size:
                time.sleep(0.0005)
            client.publish("news", message)
            if number % 50 == 0:
                most = max(most, server.resident_bytes)
        for reader in readers:
            reader.join()
        deaf.vanish()
    assert min(received) >= count * size
    assert most - before < 120 << 20, most - before
    assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1


def test_a_million_commands_that_nobody_reads_the_replies_of(server, client):
    client.set("key", "v" * 100)
    before = server.resident_bytes
    count = 1_000_000
    request = encode("GET", "key") * 1000
    with server.raw() as raw:
        raw.socket.settimeout(60)
        sender = threading.Thread(target=lambda: [raw.send(request) for _ in range(count // 1000)])
        sender.start()
        time.sleep(1)
        assert sender.is_alive(), "the server reads no more than it can answer"
        most = server.resident_bytes
        for _ in range(100):
            begin = time.monotonic()
            assert client.ping()
            assert time.monotonic() - begin < 0.5
        assert most - before < 24 << 20, most - before
        # And then every reply comes, in order.
        expected, got = len(b"$100\r\n" + b"v" * 100 + b"\r\n") * count, 0
        block = bytearray(1 << 20)
        while got < expected:
            got += raw.socket.recv_into(block)
        sender.join()
        assert raw.command("PING") == b"+PONG" and got == expected


def test_replies_and_messages_leave_whole_and_in_order_however_full_the_socket_is(start, connect):
    """One client asks, is told, and reads now and then: part of what it gets leaves at once, part waits for room."""
    server = start("--event-loops", 3)
    publisher = connect(server)
    count = 3_000
    with server.raw() as raw:
        raw.socket.settimeout(60)
        raw.command("HELLO", "3")
        raw.command("SUBSCRIBE", "news")
        asking = threading.Thread(
            target=lambda: [raw.send(encode("ECHO", f"r{place:07}" + "x" * 2_000)) for place in range(count)])
        asking.start()
        told = threading.Thread(
            target=lambda: [publisher.publish("news", f"m{place:07}" + "y" * 500) for place in range(count)])
        told.start()
        reply = len(b"$2008\r\n\r\n") + 2_008
        message = len(b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$508\r\n\r\n") + 508
        got, chance = bytearray(), random.Random(3)
        while len(got) < count * (reply + message):
            if chance.random() < 0.02:
                time.sleep(0.05)
            got += raw.socket.recv(chance.choice((100, 10_000, 1_000_000)))
        asking.join()
        told.join()
        assert raw.command("PING") == b"+PONG" and len(got) == count * (reply + message)
    numbers = [f"{place:07}".encode() for place in range(count)]
    assert re.findall(rb"\$2008\r\nr(\d{7})x{2000}\r\n", got) == numbers
    assert re.findall(rb">3\r\n\$7\r\nmessage\r\n\$4\r\nnews\r\n\$508\r\nm(\d{7})y{500}\r\n", got) == numbers
