"""Run by `test_limits.py` in a network namespace of its own: what clients of each address are told."""

import os
import sys

os.environ["PRESENCED_BINARY"] = sys.argv[1]

from harness import Raw, Server  # noqa: E402

OTHER = "10.11.12.13"


def said(host, port, *words):
    try:
        raw = Raw(host, port)
        replies = [raw.command(*each.split()) for each in words]
        return replies[-1].split()[0].decode()
    except (EOFError, ConnectionError) as error:
        return str(error)


server = Server("--bind", "*")
print(f"{OTHER}:", said(OTHER, server.port, "PING"))
print("127.0.0.1:", said("127.0.0.1", server.port, "PING"))
with server.raw() as raw:
    raw.command("CONFIG", "SET", "requirepass", "secret")
print(f"{OTHER} with a password:", said(OTHER, server.port, "PING"))
print(f"{OTHER} with a password given:", said(OTHER, server.port, "AUTH secret", "PING"))
with server.raw() as raw:
    raw.command("AUTH", "secret")
    raw.command("CONFIG", "SET", "requirepass", "", "protected-mode", "no")
print(f"{OTHER} after protected-mode no:", said(OTHER, server.port, "PING"))
sys.exit(server.stop())
