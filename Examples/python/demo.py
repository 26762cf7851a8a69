#!/usr/bin/env python3
"""A story of four users, against a presenced at PRESENCED_URL (redis://127.0.0.1:6399)."""

import os
import sqlite3
import time
from datetime import UTC, datetime

import redis

from presence import (
    Presence, Presences, Status, StatusCache, get_status, get_user_status, get_user_status_as, instant, text)


class Database:
    """The service's own database: profiles, and who blocked whom."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.connection.executescript("""
            CREATE TABLE UserProfile (userId TEXT PRIMARY KEY, lastSeen TEXT);
            CREATE TABLE Block (byUser TEXT, userId TEXT, PRIMARY KEY (byUser, userId));
            INSERT INTO UserProfile VALUES ('carol', '2025-01-19T10:35:22.000Z');
            INSERT INTO Block VALUES ('alice', 'eve');
        """)
        self.questions = 0

    def last_seen(self, user_id: str) -> datetime | None:
        self.questions += 1
        row = self.connection.execute("SELECT lastSeen FROM UserProfile WHERE userId = ?", (user_id,)).fetchone()
        return instant(row[0]) if row else None

    def is_blocked(self, by: str, user_id: str) -> bool:
        row = self.connection.execute("SELECT 1 FROM Block WHERE byUser = ? AND userId = ?", (by, user_id)).fetchone()
        return row is not None


def wait_for(cache: StatusCache, user_id: str, status: Status) -> Status:
    """An event takes a moment."""
    deadline = time.monotonic() + 5
    while cache.status(user_id) != status and time.monotonic() < deadline:
        time.sleep(0.01)
    return cache.status(user_id)


def main() -> None:
    client = redis.Redis.from_url(os.environ.get("PRESENCED_URL", "redis://127.0.0.1:6399"), decode_responses=True)
    presences, database = Presences(client), Database()
    cache = StatusCache(presences)

    print("4. Cache strategy")
    print("  before:", cache.status("alice"))
    presences.set(
        Presence(
            user_id="alice", status=Status.ONLINE, last_seen=datetime.now(UTC), device_type="web", platform="chrome",
            connection_id="ws-1", server_id="server-2"))
    print("  TTL:", client.ttl(presences.key("alice")))
    print("  told by an event:", wait_for(cache, "alice", Status.ONLINE))
    print("  friends:", ", ".join(f"{user} {status}" for user, status in presences.statuses(["alice", "carol"]).items()))
    print("  heartbeat:", "known" if presences.heartbeat("alice", "ws-1") else "unknown")

    print("5. Look-up with a database")
    print("  alice:", get_user_status(presences, database, "alice").status)
    for _ in range(2):
        carol = get_user_status(presences, database, "carol")
        print("  carol:", carol.status, "since", text(carol.last_seen))
    print("  questions to the database:", database.questions)

    print("6. Blocking")
    presences.set(Presence(user_id="eve", status=Status.DO_NOT_DISTURB, connection_id="ws-7"))
    for target, requester in [("alice", "carol"), ("alice", "eve"), ("eve", "alice")]:
        print(f"  {requester} sees {target}:", get_user_status_as(presences, database, target, requester))

    print("8. Consistency")
    print("  open:", get_status(presences, "alice"))
    presences.close("alice", "ws-1")
    print("  closed:", get_status(presences, "alice"))
    print("  told by an event:", wait_for(cache, "alice", Status.OFFLINE))
    print("  a late heartbeat:", "known" if presences.heartbeat("alice", "ws-1") else "unknown")
    print("  still:", get_status(presences, "alice"))

    presences.close("eve", "ws-7")
    cache.close()


if __name__ == "__main__":
    main()
