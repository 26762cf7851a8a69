"""Presence for a Python service: typed functions over redis-py, which is all the client that presenced needs.

`Presences` is what a gateway and a service do with users who are here. The functions below it are those that
presence code on Redis usually has: cache, look-up, blocking, consistency.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self

import redis


class Status(StrEnum):
    """What others see of a user."""

    ONLINE = "online"
    IDLE = "idle"
    DO_NOT_DISTURB = "dnd"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """The record at `presence:user:<id>`: of a user who is here, his most present connection."""

    user_id: str
    status: Status
    last_seen: datetime | None = None
    last_heartbeat: datetime | None = None
    device_type: str | None = None
    platform: str | None = None
    connection_id: str | None = None
    server_id: str | None = None
    activity: str | None = None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        record = json.loads(text)
        return cls(
            user_id=record["userId"], status=Status(record["status"]), last_seen=instant(record.get("lastSeen")),
            last_heartbeat=instant(record.get("lastHeartbeat")), device_type=record.get("deviceType"),
            platform=record.get("platform"), connection_id=record.get("connectionId"),
            server_id=record.get("serverId"), activity=record.get("activity"))

    def to_json(self) -> str:
        record = {
            "userId": self.user_id, "status": self.status, "lastSeen": text(self.last_seen),
            "deviceType": self.device_type, "platform": self.platform, "connectionId": self.connection_id,
            "serverId": self.server_id,
        }
        return json.dumps({name: value for name, value in record.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """One message of `user.status.changed`."""

    user_id: str
    old_status: Status
    new_status: Status
    timestamp: datetime | None
    reason: str
    # Rises with every change of a user: a message with a version that was seen before is a repeat.
    version: int

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        event = json.loads(text)
        return cls(
            user_id=event["userId"], old_status=Status(event["oldStatus"]), new_status=Status(event["newStatus"]),
            timestamp=instant(event["timestamp"]), reason=event["reason"], version=int(event["version"]))


class Presences:
    """Who is here. One for a process; `client` is any redis-py client with `decode_responses=True`."""

    PREFIX = "presence:user:"
    CHANNEL = "user.status.changed"

    def __init__(self, client: redis.Redis, ttl: timedelta = timedelta(minutes=2)) -> None:
        self.client = client
        self.ttl = ttl

    def key(self, user_id: str) -> str:
        return self.PREFIX + user_id

    # What a gateway does for a connection that it holds.

    def set(self, presence: Presence) -> None:
        """A connection is there: `SET presence:user:<id> {...} EX 120`, and everyone who listens hears of it."""
        self.client.set(self.key(presence.user_id), presence.to_json(), ex=self.ttl)

    def heartbeat(self, user_id: str, connection_id: str) -> bool:
        """The connection is alive. False: the server does not know it (any more); `set` it again if it is open."""
        return self.client.execute_command("PRESENCE.BEAT", self.key(user_id), connection_id) == 1

    def act(self, user_id: str, connection_id: str) -> bool:
        """The connection is alive, and a person did something: he is not idle."""
        return self.client.execute_command("PRESENCE.ACTIVE", self.key(user_id), connection_id) == 1

    def close(self, user_id: str, connection_id: str) -> bool:
        """The connection was closed: the user is offline at once, unless another of his is open."""
        return self.client.execute_command(
            "PRESENCE.DISCONNECT", self.key(user_id), connection_id, "REASON", "ws_disconnect") == 1

    # What everybody asks.

    def get(self, user_id: str) -> Presence | None:
        """The user's record; None if he is offline."""
        record = self.client.get(self.key(user_id))
        return Presence.from_json(record) if record else None

    def status(self, user_id: str) -> Status:
        return self.statuses([user_id])[user_id]

    def statuses(self, user_ids: Iterable[str]) -> dict[str, Status]:
        """A whole friends list with one command."""
        ids = list(user_ids)
        words = self.client.execute_command("PRESENCE.MGET", *map(self.key, ids)) if ids else []
        return {user_id: Status(word) for user_id, word in zip(ids, words, strict=True)}

    def changes(self, *user_ids: str) -> Iterator[StatusChanged]:
        """Each change of these users, or of all, as it happens. Blocks while nothing does."""
        channels = [f"{self.CHANNEL}:{user_id}" for user_id in user_ids] or [self.CHANNEL]
        with self.client.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe(*channels)
            for message in pubsub.listen():
                yield StatusChanged.from_json(message["data"])


# The cache strategy.


class StatusCache:
    """Statuses in this process, told of changes by events: `status` of a user that was asked for before costs no round trip.

    Begins to listen before it reads, so no change falls between; the subscription runs in a thread of its own.
    """

    def __init__(self, presences: Presences) -> None:
        self._presences = presences
        self._known: dict[str, Status] = {}
        self._pubsub = presences.client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(**{presences.CHANNEL: self._changed})
        # The subscription stands once it is confirmed.
        self._pubsub.get_message(timeout=5)
        self._thread = self._pubsub.run_in_thread(sleep_time=1.0, daemon=True)

    def status(self, user_id: str) -> Status:
        if user_id not in self._known:
            # An event that came while this was read is newer.
            self._known.setdefault(user_id, self._presences.status(user_id))
        return self._known[user_id]

    def close(self) -> None:
        self._thread.stop()
        self._thread.join()

    def _changed(self, message: dict[str, str]) -> None:
        event = StatusChanged.from_json(message["data"])
        self._known[event.user_id] = event.new_status


# The look-up of a service that also has a database.


class Profiles(Protocol):
    """What the service's own database knows. `demo.py` has one in SQLite."""

    def last_seen(self, user_id: str) -> datetime | None: ...

    def is_blocked(self, by: str, user_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class UserStatus:
    """What a profile page shows."""

    status: Status
    last_seen: datetime | None


PROFILE_TTL = timedelta(minutes=2)


def get_user_status(presences: Presences, profiles: Profiles, user_id: str) -> UserStatus:
    """Who is here is known in memory; of who is not, the database knows when he was seen last.

    On Redis the database's status is often written back to the presence key. That would make a user online whom nobody heard of
    for long, so presenced refuses it: a key that is not there *is* the answer "offline". What is worth caching is the
    profile, under a key of its own.
    """
    presence = presences.get(user_id)
    if presence:
        return UserStatus(presence.status, presence.last_seen)
    key = f"profile:{user_id}"
    cached = presences.client.get(key)
    if cached is None:
        cached = text(profiles.last_seen(user_id)) or ""
        presences.client.set(key, cached, ex=PROFILE_TTL)
    return UserStatus(Status.OFFLINE, instant(str(cached)))


# Blocking.


def get_user_status_as(presences: Presences, profiles: Profiles, target: str, requester: str) -> Status:
    """What `requester` may see of `target`."""
    if profiles.is_blocked(by=target, user_id=requester):
        # Neither more nor less than of anybody who is offline.
        return Status.OFFLINE
    # Whoever blocks somebody goes on seeing him; it is the other who does not see.
    return presences.status(target)


# Consistency.

HARD_LIMIT = timedelta(minutes=5)


def is_too_old(presence: Presence, now: datetime) -> bool:
    """Whether nothing was heard for so long that nobody may be shown as being here."""
    return presence.last_heartbeat is not None and now - presence.last_heartbeat > HARD_LIMIT


def get_status(presences: Presences, user_id: str) -> Status:
    """The check of the heartbeat that is usual on Redis. Of a plain Redis it catches records without a TTL; presenced has the same limit
    (`heartbeat-hard-limit`) and announces the end itself, so there it never strikes."""
    presence = presences.get(user_id)
    if presence is None:
        return Status.OFFLINE
    if is_too_old(presence, datetime.now(UTC)):
        presences.client.delete(presences.key(user_id))
        return Status.OFFLINE
    return presence.status


# Instants: ISO 8601 in UTC with milliseconds, as the server writes them.


def text(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if instant else None


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
