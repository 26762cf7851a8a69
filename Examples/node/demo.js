#!/usr/bin/env node
// @ts-check
'use strict';

// A story of four users, against a presenced at PRESENCED_URL (redis://127.0.0.1:6399).

const { createClient } = require('redis');
const {
  Presences, StatusCache, UserStatus, getStatus, getUserStatus, getUserStatusAs,
} = require('./presence.js');

/** Stands for the service's own database: profiles, and who blocked whom. */
class Database {
  constructor() {
    this.profiles = new Map([['carol', { lastSeen: '2025-01-19T10:35:22.000Z' }]]);
    this.blocks = new Set(['alice blocks eve']);
    this.questions = 0;
  }

  /** @param {string} userId */
  async lastSeen(userId) {
    this.questions += 1;
    return this.profiles.get(userId)?.lastSeen ?? null;
  }

  /**
   * @param {string} by
   * @param {string} userId
   */
  async isBlocked(by, userId) {
    return this.blocks.has(`${by} blocks ${userId}`);
  }
}

/**
 * An event takes a moment.
 * @param {StatusCache} cache
 * @param {string} userId
 * @param {import('./presence.js').UserStatus} status
 */
async function waitFor(cache, userId, status) {
  const deadline = Date.now() + 5000;
  while ((await cache.status(userId)) !== status && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return cache.status(userId);
}

async function main() {
  const client = createClient({ url: process.env.PRESENCED_URL ?? 'redis://127.0.0.1:6399' });
  client.on('error', (/** @type {Error} */ error) => console.error(error.message));
  await client.connect();
  const presences = new Presences(client);
  const database = new Database();
  const cache = await StatusCache.open(presences);

  console.log('4. Cache strategy');
  console.log('  before:', await cache.status('alice'));
  await presences.set({
    userId: 'alice', status: UserStatus.ONLINE, lastSeen: new Date().toISOString(), deviceType: 'web',
    platform: 'chrome', connectionId: 'ws-1', serverId: 'server-2',
  });
  console.log('  TTL:', await client.ttl(presences.key('alice')));
  console.log('  told by an event:', await waitFor(cache, 'alice', UserStatus.ONLINE));
  const friends = Object.entries(await presences.statuses(['alice', 'carol']));
  console.log('  friends:', friends.map((pair) => pair.join(' ')).join(', '));
  console.log('  heartbeat:', (await presences.heartbeat('alice', 'ws-1')) ? 'known' : 'unknown');

  console.log('5. Look-up with a database');
  console.log('  alice:', (await getUserStatus(presences, database, 'alice')).status);
  for (let time = 0; time < 2; time += 1) {
    const carol = await getUserStatus(presences, database, 'carol');
    console.log('  carol:', carol.status, 'since', carol.lastSeen);
  }
  console.log('  questions to the database:', database.questions);

  console.log('6. Blocking');
  await presences.set({ userId: 'eve', status: UserStatus.DO_NOT_DISTURB, connectionId: 'ws-7' });
  for (const [target, requester] of [['alice', 'carol'], ['alice', 'eve'], ['eve', 'alice']]) {
    console.log(`  ${requester} sees ${target}:`, await getUserStatusAs(presences, database, target, requester));
  }

  console.log('8. Consistency');
  console.log('  open:', await getStatus(presences, 'alice'));
  await presences.close('alice', 'ws-1');
  console.log('  closed:', await getStatus(presences, 'alice'));
  console.log('  told by an event:', await waitFor(cache, 'alice', UserStatus.OFFLINE));
  console.log('  a late heartbeat:', (await presences.heartbeat('alice', 'ws-1')) ? 'known' : 'unknown');
  console.log('  still:', await getStatus(presences, 'alice'));

  await presences.close('eve', 'ws-7');
  await cache.close();
  await client.quit();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
