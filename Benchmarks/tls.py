#!/usr/bin/env python3
"""What TLS costs: handshakes, commands and idle connections over TLS, beside Redis with TLS in the same run.

    Benchmarks/tls.py --server .build/release/presenced [--rounds 5] [--connections 2000]

Prints tables as docs/BENCHMARKS.md has them. Servers run on free ports of the loopback interface and are ended by their process ids.
Server time is what all threads of a server used, user and system: its processor clock over what it was asked.
"""

import argparse
import pathlib
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SUITE = "TLS_AES_128_GCM_SHA256"


def free_ports(count):
    """That nobody listens on; held together while they are looked for, so that no two are one."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Server:
    """One server with a plain and a TLS port; nobody is asked for a certificate, both have the same one."""

    def __init__(self, name, program, more, certificates):
        self.name, (self.port, self.tls_port) = name, free_ports(2)
        self.certificates = certificates
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--tls-port", str(self.tls_port), "--bind", "127.0.0.1",
             "--tls-cert-file", f"{certificates}/server.pem", "--tls-key-file", f"{certificates}/server-key.pem",
             "--tls-ca-cert-file", f"{certificates}/ca.pem", "--tls-auth-clients", "no",
             "--tls-ciphersuites", SUITE, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        deadline = time.monotonic() + 20
        while True:
            try:
                self.ask("PING")
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{program} does not serve") from None
                time.sleep(0.02)

    def ask(self, *words):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            answer = b""
            while not answer.endswith(b"\r\n") or (answer[:1] == b"$" and answer.count(b"\r\n") < 2):
                answer += connection.recv(65536)
            return answer.decode()

    def info(self, section, name):
        return int(re.search(rf"^{name}:(\d+)", self.ask("INFO", section), re.MULTILINE)[1])

    def processor_seconds(self):
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def benchmark(self, *words, tls):
        where = ["-p", str(self.tls_port), "--tls", "--cacert", f"{self.certificates}/ca.pem"] if tls else ["-p", str(self.port)]
        run = subprocess.run(
            ["redis-benchmark", *where, "--csv", *words], capture_output=True, text=True, timeout=300)
        if run.returncode != 0:
            raise SystemExit(f"redis-benchmark {' '.join(words)}: {run.stdout}{run.stderr}")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


def command(server, tls, depth, count):
    """Microseconds of the server a GET of 100 bytes."""
    before = server.info("stats", "total_commands_processed")
    began = server.processor_seconds()
    server.benchmark("-c", "50", "-P", str(depth), "-n", str(count), "GET", "bench", tls=tls)
    used = server.processor_seconds() - began
    taken = server.info("stats", "total_commands_processed") - before
    assert taken >= count, f"{server.name} ran {taken} of {count}"
    return used / taken * 1e6


def handshake(server, count):
    """Microseconds of the server a connection over TLS 1.3: the handshake, one PING, the end."""
    before = server.info("stats", "total_connections_received")
    began = server.processor_seconds()
    server.benchmark("-k", "0", "-c", "20", "-n", str(count), "PING", tls=True)
    used = server.processor_seconds() - began
    taken = server.info("stats", "total_connections_received") - before
    assert taken >= count, f"{server.name} took {taken} of {count} connections"
    return used / taken * 1e6


def idle(server, count):
    """Bytes of the server a connection over TLS that did one PING and then nothing."""
    context = ssl.create_default_context(cafile=f"{server.certificates}/ca.pem")
    open_ones = []
    # What is allocated once is there beforehand.
    for _ in range(100):
        open_ones.append(connect(server, context))
    time.sleep(2)
    before = server.resident_bytes()
    for _ in range(count):
        open_ones.append(connect(server, context))
    time.sleep(6)
    each = (server.resident_bytes() - before) / count
    for connection in open_ones:
        connection.close()
    return each


def connect(server, context):
    connection = context.wrap_socket(
        socket.create_connection(("127.0.0.1", server.tls_port), timeout=10), server_hostname="127.0.0.1")
    connection.sendall(b"PING\r\n")
    assert connection.recv(64) == b"+PONG\r\n"
    return connection


def table(title, columns, rows, *notes):
    cells = [columns, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns))]
    def line(row):
        return "| " + " | ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))) + " |"
    rule = "| " + " | ".join("-" * width if not column else "-" * (width - 1) + ":" for column, width in enumerate(widths)) + " |"
    return "\n".join([f"### {title}", "", line(columns), rule, *map(line, rows), "", *notes, ""])


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--server", default=str(ROOT / ".build/release/presenced"))
    options.add_argument("--redis", default=shutil.which("redis-server"))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--connections", type=int, default=2000)
    options = options.parse_args()
    if not options.redis or not shutil.which("redis-benchmark"):
        raise SystemExit("redis-server or redis-benchmark is missing (Debian packages redis-server, redis-tools)")
    needed = options.connections + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))

    with tempfile.TemporaryDirectory() as certificates:
        subprocess.run([ROOT / "scripts/test-certificates", certificates], check=True)
        servers = [
            Server("presenced", str(pathlib.Path(options.server).resolve()), [], certificates),
            Server("Redis", options.redis, ["--save", "", "--appendonly", "no", "--daemonize", "no"], certificates)]
        try:
            print(measure(servers, options), flush=True)
        finally:
            for server in servers:
                server.stop()


def measure(servers, options):
    works = {
        ("a GET by 1", False): lambda server: command(server, False, 1, 20_000),
        ("a GET by 1", True): lambda server: command(server, True, 1, 20_000),
        ("a GET by 16", False): lambda server: command(server, False, 16, 200_000),
        ("a GET by 16", True): lambda server: command(server, True, 16, 200_000),
        ("a connection: handshake, PING, end", True): lambda server: handshake(server, 600),
    }
    for server in servers:
        server.ask("SET", "bench", "x" * 100)
    samples = {}
    for round in range(options.rounds):
        print(f"tls: round {round + 1} of {options.rounds}", file=sys.stderr)
        # Every other round backwards, so that none always comes after the other.
        for work, run in works.items():
            for server in servers if round % 2 == 0 else reversed(servers):
                samples.setdefault((work, server.name), []).append(run(server))
    rows = []
    for work in works:
        for server in servers:
            values = samples[work, server.name]
            middle = statistics.median(values)
            redis = statistics.median(samples[work, servers[1].name])
            rows.append([
                work[0], "TLS" if work[1] else "plain", server.name, f"{middle:.2f}", f"{min(values):.2f} to {max(values):.2f}",
                f"{middle / redis:.2f}" if server is servers[0] else ""])
    costs = table(
        f"TLS 1.3, {SUITE}, P-256: {options.rounds} rounds in turns",
        ["work", "", "server", "server us", "spread", "of Redis"], rows,
        "redis-benchmark -c 50 (connections: -c 20 -k 0), a value of 100 bytes. *server us*: processor time of all the server's threads, user and system;",
        "the median, least and greatest of the rounds.")
    print("tls: idle", file=sys.stderr)
    memory = table(
        f"{options.connections} idle connections over TLS", ["server", "bytes each"],
        [[server.name, f"{idle(server, options.connections):.0f}"] for server in servers],
        "Resident bytes beyond those of the server with 100 connections, each after a handshake and one PING.")
    return f"{costs}\n{memory}"


if __name__ == "__main__":
    main()
