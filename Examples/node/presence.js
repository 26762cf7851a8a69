// @ts-check
'use strict';

/**
 * Presence for a Node.js service: typed functions over node-redis, which is all the client that presenced needs.
 *
 * `Presences` is what a gateway and a service do with users who are here. The functions below it are those that
 * presence code on Redis usually has: cache, look-up, blocking, consistency. Types are JSDoc: `tsc --checkJs` and editors read them.
 *
 * @typedef {ReturnType<typeof import('redis').createClient>} RedisClient
 *
 * @typedef {'online' | 'idle' | 'dnd' | 'away' | 'offline'} UserStatus
 *
 * @typedef {object} Presence The record at `presence:user:<id>`: of a user who is here, his most present connection.
 * @property {string} userId
 * @property {UserStatus} status
 * @property {string | null} [lastSeen] ISO 8601, as all instants here.
 * @property {string | null} [lastHeartbeat]
 * @property {string | null} [deviceType]
 * @property {string | null} [platform]
 * @property {string | null} [connectionId]
 * @property {string | null} [serverId]
 * @property {string} [activity]
 *
 * @typedef {object} StatusChanged One message of `user.status.changed`.
 * @property {string} userId
 * @property {UserStatus} status The new one.
 * @property {UserStatus} oldStatus
 * @property {UserStatus} newStatus
 * @property {string} timestamp
 * @property {string} reason
 * @property {string} version Digits. Rises with every change of a user: one that was seen before is a repeat.
 *
 * @typedef {object} Profiles What the service's own database knows.
 * @property {(userId: string) => Promise<string | null>} lastSeen
 * @property {(by: string, userId: string) => Promise<boolean>} isBlocked
 */

const UserStatus = Object.freeze({
  ONLINE: /** @type {const} */ ('online'),
  IDLE: /** @type {const} */ ('idle'),
  DO_NOT_DISTURB: /** @type {const} */ ('dnd'),
  AWAY: /** @type {const} */ ('away'),
  OFFLINE: /** @type {const} */ ('offline'),
});

const CHANNEL = 'user.status.changed';

/** Who is here. One for a process. */
class Presences {
  /**
   * @param {RedisClient} client connected
   * @param {number} ttl seconds that a connection lives without a heartbeat
   */
  constructor(client, ttl = 120) {
    this.client = client;
    this.ttl = ttl;
  }

  /** @param {string} userId */
  key(userId) {
    return `presence:user:${userId}`;
  }

  // What a gateway does for a connection that it holds.

  /**
   * A connection is there: `SET presence:user:<id> {...} EX 120`, and everyone who listens hears of it.
   * @param {Presence} presence
   */
  async set(presence) {
    await this.client.set(this.key(presence.userId), JSON.stringify(presence), { EX: this.ttl });
  }

  /**
   * The connection is alive. False: the server does not know it (any more); `set` it again if it is open.
   * @param {string} userId
   * @param {string} connectionId
   */
  async heartbeat(userId, connectionId) {
    return (await this.client.sendCommand(['PRESENCE.BEAT', this.key(userId), connectionId])) === 1;
  }

  /**
   * The connection is alive, and a person did something: he is not idle.
   * @param {string} userId
   * @param {string} connectionId
   */
  async act(userId, connectionId) {
    return (await this.client.sendCommand(['PRESENCE.ACTIVE', this.key(userId), connectionId])) === 1;
  }

  /**
   * The connection was closed: the user is offline at once, unless another of his is open.
   * @param {string} userId
   * @param {string} connectionId
   */
  async close(userId, connectionId) {
    const words = ['PRESENCE.DISCONNECT', this.key(userId), connectionId, 'REASON', 'ws_disconnect'];
    return (await this.client.sendCommand(words)) === 1;
  }

  // What everybody asks.

  /**
   * The user's record; null if he is offline.
   * @param {string} userId
   * @returns {Promise<Presence | null>}
   */
  async get(userId) {
    const record = await this.client.get(this.key(userId));
    return record === null ? null : JSON.parse(record);
  }

  /**
   * @param {string} userId
   * @returns {Promise<UserStatus>}
   */
  async status(userId) {
    return (await this.statuses([userId]))[userId];
  }

  /**
   * A whole friends list with one command.
   * @param {string[]} userIds
   * @returns {Promise<Record<string, UserStatus>>}
   */
  async statuses(userIds) {
    if (userIds.length === 0) return {};
    const words = await this.client.sendCommand(['PRESENCE.MGET', ...userIds.map((userId) => this.key(userId))]);
    return Object.fromEntries(userIds.map((userId, index) => [userId, words[index]]));
  }

  /**
   * Calls `listener` for each change of these users, or of all. Has a connection of its own.
   * @param {(change: StatusChanged) => void} listener
   * @param {string[]} userIds
   * @returns {Promise<() => Promise<void>>} ends it
   */
  async onChange(listener, userIds = []) {
    const subscriber = this.client.duplicate();
    subscriber.on('error', (/** @type {Error} */ error) => this.client.emit('error', error));
    await subscriber.connect();
    const channels = userIds.length === 0 ? [CHANNEL] : userIds.map((userId) => `${CHANNEL}:${userId}`);
    await subscriber.subscribe(channels, (/** @type {string} */ message) => listener(JSON.parse(message)));
    return () => subscriber.disconnect();
  }
}

// The cache strategy.

/**
 * Statuses in this process, told of changes by events: `status` of a user that was asked for before costs no round trip.
 * Begins to listen before it reads, so no change falls between.
 */
class StatusCache {
  /** @param {Presences} presences */
  static async open(presences) {
    const cache = new StatusCache(presences);
    cache.close = await presences.onChange((change) => cache.known.set(change.userId, change.newStatus));
    return cache;
  }

  /** @param {Presences} presences */
  constructor(presences) {
    this.presences = presences;
    /** @type {Map<string, UserStatus>} */
    this.known = new Map();
    /** @type {() => Promise<void>} */
    this.close = async () => {};
  }

  /**
   * @param {string} userId
   * @returns {Promise<UserStatus>}
   */
  async status(userId) {
    const known = this.known.get(userId);
    if (known !== undefined) return known;
    const read = await this.presences.status(userId);
    // An event that came while this was read is newer.
    if (!this.known.has(userId)) this.known.set(userId, read);
    return /** @type {UserStatus} */ (this.known.get(userId));
  }
}

// The look-up of a service that also has a database.

const PROFILE_TTL = 120;

/**
 * Who is here is known in memory; of who is not, the database knows when he was seen last.
 *
 * On Redis the database's status is often written back to the presence key. That would make a user online whom nobody heard of for
 * long, so presenced refuses it: a key that is not there *is* the answer "offline". What is worth caching is the profile,
 * under a key of its own.
 *
 * @param {Presences} presences
 * @param {Profiles} profiles
 * @param {string} userId
 * @returns {Promise<{status: UserStatus, lastSeen: string | null}>}
 */
async function getUserStatus(presences, profiles, userId) {
  const presence = await presences.get(userId);
  if (presence) return { status: presence.status, lastSeen: presence.lastSeen ?? null };
  const key = `profile:${userId}`;
  let cached = await presences.client.get(key);
  if (cached === null) {
    cached = (await profiles.lastSeen(userId)) ?? '';
    await presences.client.set(key, cached, { EX: PROFILE_TTL });
  }
  return { status: UserStatus.OFFLINE, lastSeen: cached || null };
}

// Blocking.

/**
 * What `requester` may see of `target`.
 *
 * @param {Presences} presences
 * @param {Profiles} profiles
 * @param {string} target
 * @param {string} requester
 * @returns {Promise<UserStatus>}
 */
async function getUserStatusAs(presences, profiles, target, requester) {
  // Neither more nor less than of anybody who is offline.
  if (await profiles.isBlocked(target, requester)) return UserStatus.OFFLINE;
  // Whoever blocks somebody goes on seeing him; it is the other who does not see.
  return presences.status(target);
}

// Consistency.

const HARD_LIMIT_MS = 5 * 60 * 1000;

/**
 * Whether nothing was heard for so long that nobody may be shown as being here.
 * @param {Presence} presence
 * @param {number} now milliseconds
 */
function isTooOld(presence, now) {
  return presence.lastHeartbeat != null && now - Date.parse(presence.lastHeartbeat) > HARD_LIMIT_MS;
}

/**
 * The check of the heartbeat that is usual on Redis. Of a plain Redis it catches records without a TTL; presenced has the same limit
 * (`heartbeat-hard-limit`) and announces the end itself, so there it never strikes.
 *
 * @param {Presences} presences
 * @param {string} userId
 * @returns {Promise<UserStatus>}
 */
async function getStatus(presences, userId) {
  const presence = await presences.get(userId);
  if (!presence) return UserStatus.OFFLINE;
  if (isTooOld(presence, Date.now())) {
    await presences.client.del(presences.key(userId));
    return UserStatus.OFFLINE;
  }
  return presence.status;
}

module.exports = { Presences, StatusCache, UserStatus, getStatus, getUserStatus, getUserStatusAs, isTooOld };
