import { describe, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { type Candidate, IceAgent, parseCandidate, requestedFragment } from '@petrel/ice';
import { encodeStunMessage, newTransactionId, parseStunMessage, shortTermKey, type StunAttributes, type StunMessage } from '@petrel/stun';
import {
  answerCheck,
  connectedPair,
  exchangeParameters,
  Network,
  newPair,
  Peer,
  runUntilConnected,
  seededCrypto,
  startHosts,
} from './support/network.ts';

const crypto = seededCrypto(99);
const HOST = { address: '192.0.2.1', port: 5001 };

interface ForgeOptions {
  readonly attributes?: StunAttributes;
  readonly password?: string;
  readonly username?: string;
  readonly fingerprint?: boolean;
}

/** A check as the peer would send it, except for what is changed. */
function forgeCheck(target: Peer, options: ForgeOptions = {}): Uint8Array {
  const { usernameFragment, password } = target.agent.localParameters;
  const attributes = { username: options.username ?? `${usernameFragment}:peer`, priority: 1_845_501_695, ...options.attributes };
  const key = 'password' in options ? options.password && shortTermKey(crypto, options.password) : shortTermKey(crypto, password);
  const message = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
  return encodeStunMessage(message, { ...(key ? { key } : {}), fingerprint: options.fingerprint ?? true });
}

/** One agent with a socket; what it sends is collected. */
function loneAgent(options: Partial<ConstructorParameters<typeof IceAgent>[0]> = {}): {
  network: Network;
  peer: Peer;
  sent: () => StunMessage[];
} {
  const network = new Network();
  const peer = new Peer(network, { role: 'controlled', ...options });
  peer.addSocket(1, HOST);
  const sent = (): StunMessage[] =>
    network.packets
      .filter(({ from }) => from.port === HOST.port)
      .map(({ data }) => parseStunMessage(data, { keyFor: () => 'unprotected' }).message!);
  return { network, peer, sent };
}

const REMOTE = { usernameFragment: 'peer', password: 'p'.repeat(24) };
const ATTACKER = { address: '198.51.100.66', port: 6666 };

function hostCandidate(address: string, port: number, priority = 2_130_706_431): Candidate {
  return { foundation: '1', component: 1, protocol: 'udp', priority, address, port, type: 'host' };
}

describe('I01, RFC 8489 §9.1.3, RFC 8445 §7.3: checks that are not authenticated', () => {
  test.each<[string, ForgeOptions, number | undefined]>([
    ['the wrong password', { password: 'wrong' }, 401],
    ['no MESSAGE-INTEGRITY', { password: '' }, 400],
    ['an unknown fragment', { username: 'unknown:peer' }, 401],
    ['no FINGERPRINT', { fingerprint: false }, undefined],
  ])('%s: no success, no candidate, no pair, no role, no nomination', (_, options, code) => {
    const { network, peer, sent } = loneAgent();
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    const data = forgeCheck(peer, { ...options, attributes: { useCandidate: true, iceControlled: 0n } });
    network.spoof(ATTACKER, HOST, data);
    network.clock.advanceBy(5_000);
    expect(sent().map((message) => message.attributes.errorCode?.code)).toEqual(code === undefined ? [] : [code]);
    expect([peer.agent.role, peer.state, peer.agent.stats.pairs, peer.agent.stats.remoteCandidates]).toEqual(['controlled', 'new', [], []]);
    for (const packet of network.packets.filter(({ from }) => from.port === HOST.port))
      expect(packet.data.length).toBeLessThanOrEqual(data.length);
  });

  test('F02: a bare request of 20 bytes gets no longer answer than it is: none', () => {
    const { network, peer, sent } = loneAgent();
    network.spoof(
      ATTACKER,
      HOST,
      encodeStunMessage({ class: 'request', method: 'binding', transactionId: new Uint8Array(12), attributes: {} }),
    );
    network.clock.advanceBy(1_000);
    expect([sent(), peer.agent.discards.of('unknown-key')]).toEqual([[], 1]);
  });

  test('the malformed nomination of another stack changes nothing', () => {
    const { network, peer, sent } = loneAgent();
    const bytes = Uint8Array.from(Buffer.from('000100082112a442000102030405060708090a0bc001000101000000', 'hex'));
    network.spoof(ATTACKER, HOST, bytes);
    network.clock.advanceBy(1_000);
    expect([sent().length, peer.agent.stats.pairs.length]).toEqual([0, 0]);
  });

  test('S05, RFC 8489 §6.3.1: an authenticated one with unknown required attributes gets a 420 that lists them, and has no effect', () => {
    const { network, peer, sent } = loneAgent();
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    const key = shortTermKey(crypto, peer.agent.localParameters.password);
    const username = `${peer.agent.localParameters.usernameFragment}:peer`;
    const bare = encodeStunMessage({ class: 'request', method: 'binding', transactionId: new Uint8Array(12), attributes: { username } });
    // An unknown attribute before the integrity: signed by hand.
    const whole = new Uint8Array(bare.length + 4 + 24);
    whole.set(bare);
    whole.set([0x7f, 0xff, 0, 0, 0, 8, 0, 20], bare.length);
    whole[3] = whole.length - 20;
    whole.set(key.compute('sha-1', whole, bare.length + 4), bare.length + 8);
    const marked = withFingerprint(whole);
    network.spoof(ATTACKER, HOST, marked);
    network.clock.advanceBy(1_000);
    expect(sent().map(({ attributes }) => [attributes.errorCode?.code, attributes.unknownAttributes])).toEqual([[420, [0x7fff]]]);
    expect(peer.agent.stats.pairs).toEqual([]);
  });
});

function withFingerprint(message: Uint8Array): Uint8Array {
  const whole = new Uint8Array(message.length + 8);
  whole.set(message);
  whole[3] = whole.length - 20;
  let crc = 0xffffffff;
  for (const byte of whole.subarray(0, message.length)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  const value = (~crc ^ 0x5354554e) >>> 0;
  whole.set([0x80, 0x28, 0, 4, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255], message.length);
  return whole;
}

describe('RFC 8445 §7.3, RFC 8838 §11: checks before the answer', () => {
  test('get a response at once, and are remembered until the credentials come', () => {
    const { network, peer, sent } = loneAgent();
    network.bind({ address: '192.0.2.2', port: 5002 }, () => undefined);
    network.spoof({ address: '192.0.2.2', port: 5002 }, HOST, forgeCheck(peer));
    network.clock.advanceBy(100);
    expect(sent().map((message) => message.class)).toEqual(['success']);
    expect(peer.agent.stats.remoteCandidates).toMatchObject([{ type: 'prflx', address: '192.0.2.2', port: 5002 }]);
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    expect(sent().map((message) => message.class)).toEqual(['success', 'request']);
    expect(peer.agent.stats.remoteCandidates).toMatchObject([{ type: 'prflx', address: '192.0.2.2', port: 5002, priority: 1_845_501_695 }]);
  });

  test('are limited in number, and forgotten when they named other credentials', () => {
    const { network, peer } = loneAgent();
    for (let port = 1; port <= 100; port++) network.spoof({ address: '192.0.2.2', port }, HOST, forgeCheck(peer));
    network.spoof(
      { address: '192.0.2.2', port: 101 },
      HOST,
      forgeCheck(peer, { username: `${peer.agent.localParameters.usernameFragment}:other` }),
    );
    network.clock.advanceBy(100);
    expect(peer.agent.discards.of('too-many-early-checks')).toBe(100 + 1 - 32);
    peer.input((agent, now) => agent.setRemoteParameters({ ...REMOTE, usernameFragment: 'new1' }, now));
    expect(peer.agent.stats.pairs).toEqual([]);
  });

  test('a peer-reflexive candidate that is signalled afterwards becomes what it is', () => {
    const { network, peer } = loneAgent();
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    network.spoof({ address: '192.0.2.2', port: 5002 }, HOST, forgeCheck(peer));
    network.clock.advanceBy(100);
    peer.input((agent, now) => agent.addRemoteCandidate(hostCandidate('192.0.2.2', 5002), now));
    expect(peer.agent.stats.remoteCandidates).toMatchObject([{ type: 'host', priority: 2_130_706_431 }]);
    expect(peer.agent.stats.pairs).toMatchObject([{ remote: { type: 'host' } }]);
  });
});

describe('I03, RFC 8445 §7.2.5.2.1: responses', () => {
  function checking(): { network: Network; peer: Peer; check: StunMessage } {
    const { network, peer, sent } = loneAgent({ role: 'controlling' });
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      agent.addRemoteCandidate(hostCandidate('192.0.2.2', 5002), now);
    });
    return { network, peer, check: sent()[0]! };
  }
  const key = shortTermKey(crypto, REMOTE.password);
  const attributes = { xorMappedAddress: HOST };

  test('a check has what it must have', () => {
    const { peer, check } = checking();
    const { iceControlling, ...others } = check.attributes;
    expect(others).toEqual({
      username: `peer:${peer.agent.localParameters.usernameFragment}`,
      priority: 110 * 2 ** 24 + 65_534 * 256 + 255,
    });
    expect(iceControlling).toBeGreaterThan(0n);
  });

  test('from another address than the request went to: the pair fails', () => {
    const { network, peer, check } = checking();
    network.spoof(
      { address: '192.0.2.3', port: 5002 },
      HOST,
      encodeStunMessage({ ...check, class: 'success', attributes }, { key, fingerprint: true }),
    );
    network.clock.advanceBy(20);
    expect(peer.agent.stats.pairs).toMatchObject([{ state: 'failed' }]);
    expect(peer.agent.discards.of('asymmetric-response')).toBe(1);
  });

  test.each([
    ['S04: without integrity', {}, {}, 'missing-integrity'],
    ['S04: with the integrity of another password', { key: shortTermKey(crypto, 'other') }, {}, 'wrong-integrity'],
    ['S07: to another transaction', { key }, { transactionId: new Uint8Array(12) }, 'unknown-key'],
  ])('%s: as if never received', (_, protection, change, discard) => {
    const { network, peer, check } = checking();
    const from = { address: '192.0.2.2', port: 5002 };
    network.spoof(
      from,
      HOST,
      encodeStunMessage({ ...check, class: 'success', attributes, ...change }, { ...protection, fingerprint: true }),
    );
    network.clock.advanceBy(20);
    expect(peer.agent.stats.pairs).toMatchObject([{ state: 'in-progress', responsesReceived: 0 }]);
    expect(peer.agent.discards.of(discard as 'missing-integrity')).toBe(1);
  });

  test('an authenticated error other than a role conflict fails the pair', () => {
    const { network, peer, check } = checking();
    const error = { errorCode: { code: 400, reason: '' } };
    network.spoof(
      { address: '192.0.2.2', port: 5002 },
      HOST,
      encodeStunMessage({ ...check, class: 'error', attributes: error }, { key, fingerprint: true }),
    );
    network.clock.advanceBy(20);
    expect(peer.agent.stats.pairs).toMatchObject([{ state: 'failed' }]);
  });

  test('S07: every check has a new transaction id', () => {
    const { network, a, b } = newPair({ network: new Network({ loss: 1 }) });
    startHosts(a, b);
    network.clock.advanceBy(60_000);
    const ids = network.packets.map(({ data }) => toHex(data.subarray(8, 20)));
    expect(ids.length).toBeGreaterThan(100);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('I04, RFC 8445 §7.3.1.1: role conflicts', () => {
  test.each(['controlling', 'controlled'] as const)('both %s: solved within two exchanges, whoever has the larger tie-breaker', (role) => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = newPair({ seed, a: { role }, b: { role } });
      startHosts(pair.a, pair.b);
      expect(runUntilConnected(pair, 2_000)).toBe(true);
      pair.network.clock.advanceBy(2_000);
      const { a, b } = pair;
      expect([a.agent.role, b.agent.role].toSorted()).toEqual(['controlled', 'controlling']);
      const conflicts = pair.network.packets.filter(({ data }) => data[0] === 1 && data[1] === 0x11).length;
      expect(conflicts).toBeLessThanOrEqual(2);
      const changes = [...a.events, ...b.events].filter(({ type }) => type === 'role');
      expect(changes).toEqual([{ type: 'role', role: role === 'controlling' ? 'controlled' : 'controlling' }]);
      expect([a.agent.stats.pairs, b.agent.stats.pairs].map((pairs) => pairs.filter(({ nominated }) => nominated).length)).toEqual([1, 1]);
    }
  });

  // The agent's tie-breaker is what its random source says first.
  const MIDDLE = 0x8080808080808080n;
  const fixed = { ...crypto, randomBytes: (length: number) => (length === 8 ? new Uint8Array(8).fill(0x80) : crypto.randomBytes(length)) };
  test.each([
    ['controlling', { iceControlling: MIDDLE - 1n }, 487, 'controlling'],
    ['controlling', { iceControlling: MIDDLE }, 487, 'controlling'],
    ['controlling', { iceControlling: MIDDLE + 1n }, undefined, 'controlled'],
    ['controlled', { iceControlled: MIDDLE - 1n }, undefined, 'controlling'],
    ['controlled', { iceControlled: MIDDLE }, undefined, 'controlling'],
    ['controlled', { iceControlled: MIDDLE + 1n }, 487, 'controlled'],
    ['controlled', { iceControlling: 0n }, undefined, 'controlled'],
  ] as const)('own role %s, request %j: response %s, role %s', (role, attributes, code, roleAfter) => {
    const { network, peer, sent } = loneAgent({ role, crypto: fixed });
    network.spoof(ATTACKER, HOST, forgeCheck(peer, { attributes }));
    network.clock.advanceBy(20);
    expect(sent().map((message) => message.attributes.errorCode?.code)).toEqual([code]);
    expect(peer.agent.role).toBe(roleAfter);
    // setRole of a later description that says the same again does not undo it.
    peer.input((agent, now) => agent.setRole(role, now));
    expect(peer.agent.role).toBe(roleAfter);
  });

  test('a 487 to a check that was sent in the role before the last change does not change it back', () => {
    const { network, peer, sent } = loneAgent({ role: 'controlling', crypto: fixed });
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      agent.addRemoteCandidate(hostCandidate('192.0.2.2', 5002), now);
    });
    const check = sent()[0]!;
    const from = { address: '192.0.2.2', port: 5002 };
    network.spoof(from, HOST, forgeCheck(peer, { attributes: { iceControlling: MIDDLE + 1n } }));
    network.clock.advanceBy(20);
    expect(peer.agent.role).toBe('controlled');
    const error = { ...check, class: 'error', attributes: { errorCode: { code: 487, reason: '' } } } as const;
    network.spoof(from, HOST, encodeStunMessage(error, { key: shortTermKey(crypto, REMOTE.password), fingerprint: true }));
    network.clock.advanceBy(20);
    expect(peer.agent.role).toBe('controlled');
  });

  test('§7.2.5.1: after a 487 the tie-breaker is another one, and then stays', () => {
    const { network, peer, sent } = loneAgent({ role: 'controlling' });
    const key = shortTermKey(crypto, REMOTE.password);
    const from = { address: '192.0.2.2', port: 5002 };
    const tieBreakers = (): (bigint | undefined)[] => sent().map(({ attributes }) => attributes.iceControlling ?? attributes.iceControlled);
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      agent.addRemoteCandidate(hostCandidate(from.address, from.port), now);
    });
    network.clock.advanceBy(300);
    const before = tieBreakers();
    expect([before.length > 1, new Set(before).size]).toEqual([true, 1]);
    const refuse = (check: StunMessage): void => {
      const error = { ...check, class: 'error', attributes: { errorCode: { code: 487, reason: '' } } } as const;
      network.spoof(from, HOST, encodeStunMessage(error, { key, fingerprint: true }));
    };
    for (const check of sent()) refuse(check);
    network.clock.advanceBy(1_000);
    const after = tieBreakers().slice(before.length);
    expect([peer.agent.role, after.length > 1, new Set(after).size]).toEqual(['controlled', true, 1]);
    expect(after[0]).not.toBe(before[0]);
  });

  test('a 487 for ever does not make a storm: one check for each response at most', () => {
    const { network, peer, sent } = loneAgent({ role: 'controlling' });
    const key = shortTermKey(crypto, REMOTE.password);
    network.bind({ address: '192.0.2.2', port: 5002 }, (data, from, to) => {
      const { message } = parseStunMessage(data, { keyFor: () => 'unprotected' });
      const attributes = { errorCode: { code: 487, reason: '' } };
      network.send(to, from, encodeStunMessage({ ...message!, class: 'error', attributes }, { key, fingerprint: true }));
    });
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      agent.addRemoteCandidate(hostCandidate('192.0.2.2', 5002), now);
    });
    network.clock.advanceBy(10_000);
    expect(sent().length).toBeLessThanOrEqual(10_000 / 50 + 1);
  });
});

describe('I05, RFC 8445 §6.1.2.5: many candidates', () => {
  test('10,000 remote candidates: 100 pairs at most, checks no faster than Ta', () => {
    const { network, peer } = loneAgent({ role: 'controlling' });
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      let accepted = 0;
      for (let index = 0; index < 10_000; index++)
        if (agent.addRemoteCandidate(hostCandidate(`203.0.${index >> 8}.${index & 255}`, 1024 + index, 2_000_000_000 + index), now))
          accepted += 1;
      expect(accepted).toBe(100);
    });
    expect(peer.agent.discards.of('unusable-candidate')).toBe(9_900);
    network.clock.advanceBy(60_000);
    const targets = new Set(network.packets.map(({ to }) => `${to.address}|${to.port}`));
    expect(targets.size).toBeLessThanOrEqual(100);
    const times = network.packets.map(({ at }) => at);
    for (let index = 1; index < times.length; index++) expect(times[index]! - times[index - 1]!).toBeGreaterThanOrEqual(50);
  });

  test('with several addresses of our own, the pairs of the lowest priority make room', () => {
    const network = new Network();
    const peer = new Peer(network, { role: 'controlling', maxPairs: 10 });
    for (let id = 1; id <= 4; id++) peer.addSocket(id, { address: `192.0.2.${id}`, port: 5000 + id });
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      for (let index = 0; index < 20; index++)
        agent.addRemoteCandidate(hostCandidate('203.0.113.1', 1000 + index, 2_000_000_000 + index), now);
    });
    const { pairs } = peer.agent.stats;
    expect(pairs).toHaveLength(10);
    expect(pairs.filter(({ state }) => state !== 'in-progress').every(({ remote }) => remote.priority >= 2_000_000_016)).toBe(true);
  });

  test('pacing is 5 ms at least', () => {
    const { network, peer } = loneAgent({ role: 'controlling', pacing: 1 });
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      for (let index = 0; index < 50; index++) agent.addRemoteCandidate(hostCandidate('203.0.113.1', 1000 + index), now);
    });
    network.clock.advanceBy(1_000);
    expect(network.packets.length).toBeLessThanOrEqual(201);
  });
});

describe('I06, RFC 8445 §7.3.1.3: many peer-reflexive candidates', () => {
  test('an authenticated peer from 10,000 ports: 32 candidates, the oldest unused ones make room, the pair in use stays', () => {
    const { network, a, b } = connectedPair();
    network.record = false;
    for (let port = 10_000; port < 20_000; port++) {
      network.spoof({ address: '192.0.2.2', port }, { address: '192.0.2.1', port: 5001 }, forgeCheck(a));
      if (port % 100 === 0) network.clock.advanceBy(1);
    }
    network.clock.advanceBy(1_000);
    const { remoteCandidates, pairs } = a.agent.stats;
    expect(remoteCandidates.filter(({ type }) => type === 'prflx')).toHaveLength(32);
    expect(remoteCandidates.some(({ port }) => port === 19_999)).toBe(true);
    expect(pairs.length).toBeLessThanOrEqual(100);
    expect(a.agent.selectedPair?.remote.port).toBe(5002);
    a.send('still there');
    network.clock.advanceBy(100);
    expect(b.texts()).toEqual(['still there']);
    a.texts();
    network.spoof({ address: '192.0.2.2', port: 10_001 }, { address: '192.0.2.1', port: 5001 }, Uint8Array.of(128, 1));
    network.spoof({ address: '192.0.2.2', port: 19_999 }, { address: '192.0.2.1', port: 5001 }, Uint8Array.of(128, 2));
    network.clock.advanceBy(100);
    expect(a.payloads).toEqual([Uint8Array.of(128, 2)]);
  });
});

describe('I07, RFC 8445 §19.5.1: a candidate that points at a victim', () => {
  test('costs it less than 10 kB, whatever the session does', () => {
    const { network, peer } = loneAgent({ role: 'controlling' });
    peer.addSocket(2, { address: '192.0.2.9', port: 5009 });
    peer.input((agent, now) => {
      agent.setRemoteParameters({ ...REMOTE, usernameFragment: 'f'.repeat(256) }, now);
      agent.addRemoteCandidate(hostCandidate('203.0.113.1', 7), now);
    });
    network.clock.advanceBy(300_000);
    const bytes = network.packets.reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes).toBeLessThan(10_000);
    expect(network.packets.length).toBeGreaterThan(10);
    expect(peer.state).toBe('failed');
    expect(peer.agent.nextTimeout()).toBe(Infinity);
  });
});

test('I07: an address that checks come from, and no answers, is sent no more of ours', () => {
  const { network, peer } = loneAgent();
  peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
  for (let count = 0; count < 300; count++) {
    network.spoof(ATTACKER, HOST, forgeCheck(peer));
    network.clock.advanceBy(150);
  }
  const checks = network.packets.filter(({ to, data }) => to.port === ATTACKER.port && data[0] === 0);
  expect(checks.length).toBeGreaterThan(10);
  expect(checks.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThan(10_000);
});

describe('I11: payload', () => {
  const PEER = { address: '192.0.2.2', port: 5002 };

  test('from a 5-tuple that was never authenticated is dropped and counted', () => {
    const { network, a, b } = connectedPair();
    network.spoof(ATTACKER, HOST, Uint8Array.of(22, 254, 253));
    network.spoof({ address: '192.0.2.2', port: 5003 }, HOST, Uint8Array.of(128, 96));
    network.clock.advanceBy(20);
    expect([a.payloads, a.agent.discards.of('unvalidated-path')]).toEqual([[], 2]);
    b.send('authentic');
    network.clock.advanceBy(20);
    expect(a.texts()).toEqual(['authentic']);
  });

  test('from a candidate that was signalled, but has not authenticated itself, is dropped', () => {
    const { network, peer } = loneAgent();
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      agent.addRemoteCandidate(hostCandidate('192.0.2.2', 5002), now);
    });
    network.spoof({ address: '192.0.2.2', port: 5002 }, HOST, Uint8Array.of(22, 1));
    network.clock.advanceBy(20);
    expect([peer.payloads, peer.agent.discards.of('unvalidated-path')]).toEqual([[], 1]);
  });

  test('I16: with the relay policy not even an authentic check to the socket gets an answer', () => {
    const { network, peer, sent } = loneAgent({ transportPolicy: 'relay' });
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    network.spoof({ address: '192.0.2.2', port: 5002 }, HOST, forgeCheck(peer));
    network.clock.advanceBy(20);
    expect([sent(), peer.agent.stats.pairs, peer.agent.discards.of('policy')]).toEqual([[], [], 1]);
  });

  test('that comes with the peer’s first check is not lost: the 5-tuple is authenticated already', () => {
    const { network, peer } = loneAgent();
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    network.spoof(PEER, HOST, Uint8Array.of(22, 1));
    network.spoof(PEER, HOST, forgeCheck(peer));
    network.spoof(PEER, HOST, Uint8Array.of(22, 2));
    network.clock.advanceBy(20);
    expect(peer.payloads).toEqual([Uint8Array.of(22, 2)]);
  });

  test('RFC 8842 §5.3: that comes with a check before the answer waits for that, the newest four of a path', () => {
    const { network, peer } = loneAgent();
    network.spoof(PEER, HOST, Uint8Array.of(22, 1));
    network.spoof(PEER, HOST, forgeCheck(peer));
    for (let count = 2; count <= 7; count++) network.spoof(PEER, HOST, Uint8Array.of(22, count));
    network.clock.advanceBy(20);
    expect([peer.payloads, peer.agent.discards.of('unvalidated-path')]).toEqual([[], 3]); // the first, and what four others have replaced
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    expect(peer.payloads.map((data) => data[1])).toEqual([4, 5, 6, 7]);
  });

  test('that waits is 16 datagrams in all, none longer than 1,500 bytes, and goes with the socket', () => {
    const { network, peer } = loneAgent();
    network.spoof(PEER, HOST, forgeCheck(peer));
    network.spoof(PEER, HOST, new Uint8Array(1501).fill(22));
    network.clock.advanceBy(20);
    expect(peer.agent.discards.of('unvalidated-path')).toBe(1);
    for (let port = 1; port <= 10; port++) {
      network.spoof({ ...PEER, port }, HOST, forgeCheck(peer));
      for (let count = 0; count < 4; count++) network.spoof({ ...PEER, port }, HOST, Uint8Array.of(22, count));
    }
    network.clock.advanceBy(20);
    expect(peer.agent.discards.of('unvalidated-path')).toBe(1 + 40 - 16);
    peer.removeSocket(1);
    peer.addSocket(1, HOST);
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    expect(peer.payloads).toEqual([]);
  });

  describe('a check that is sent again from another address', () => {
    test('by who has seen it moves nothing and lets nothing in', () => {
      const { network, a, b } = connectedPair();
      const seen = network.packets.filter(({ data }) => data[0] === 0 && data[1] === 1);
      const selected = [a, b].map(({ agent }) => agent.selectedPair);
      for (let second = 0; second < 120; second++) {
        for (const { to, data } of seen) network.spoof(ATTACKER, to, data);
        for (const to of [HOST, { address: '192.0.2.2', port: 5002 }])
          for (const first of [22, 128]) network.spoof(ATTACKER, to, Uint8Array.of(first, second));
        network.clock.advanceBy(1_000);
      }
      expect([a.payloads, b.payloads, a.state, b.state]).toEqual([[], [], 'completed', 'completed']);
      expect([a, b].map(({ agent }) => agent.selectedPair)).toEqual(selected);
      for (const { agent } of [a, b]) {
        expect(agent.discards.of('copied-request')).toBeGreaterThanOrEqual(120);
        expect(agent.standing(1, ATTACKER.address, ATTACKER.port)).toBe('authentic');
        expect(agent.stats.selectedPairChanges).toBe(1);
      }
      a.send('up');
      b.send('down');
      network.clock.advanceBy(20);
      expect([a.texts(), b.texts()]).toEqual([['down'], ['up']]);
      // I07: nor is the address of a victim worth more than that of a candidate.
      const checks = network.packets.filter(({ to, data }) => to.address === ATTACKER.address && data[0] === 0);
      expect(checks.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThan(2 * 10_000);
    });

    test('by the peer, whose NAT has changed in between, lets in what it sends when it has answered', () => {
      const { network, peer } = loneAgent();
      peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
      const moved = { ...PEER, port: 6002 };
      const check = forgeCheck(peer);
      network.spoof(PEER, HOST, check);
      network.clock.advanceBy(50);
      network.spoof(moved, HOST, check);
      network.spoof(moved, HOST, Uint8Array.of(22, 1));
      network.clock.advanceBy(200);
      expect(peer.payloads).toEqual([]);
      network.bind(moved, (data, source) => {
        const answer = answerCheck(data, source, REMOTE.password);
        if (answer !== undefined) network.send(moved, source, answer);
      });
      network.clock.advanceBy(1_000);
      expect(peer.payloads).toEqual([Uint8Array.of(22, 1)]);
    });

    test('before the answer is known as well', () => {
      const { network, peer } = loneAgent();
      const check = forgeCheck(peer);
      network.spoof(PEER, HOST, check);
      for (let count = 0; count < 2; count++) network.spoof(ATTACKER, HOST, check);
      network.spoof(ATTACKER, HOST, Uint8Array.of(22, 1));
      network.spoof(PEER, HOST, Uint8Array.of(22, 2));
      network.clock.advanceBy(20);
      peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
      network.clock.advanceBy(10_000);
      expect(peer.payloads).toEqual([Uint8Array.of(22, 2)]);
    });

    test('RFC 8445 §2.5: to a lite agent selects nothing', () => {
      const { network, peer } = loneAgent({ lite: true });
      peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
      const check = forgeCheck(peer, { attributes: { useCandidate: true } });
      network.spoof(PEER, HOST, check);
      network.clock.advanceBy(40_000);
      network.spoof(ATTACKER, HOST, check);
      network.spoof(ATTACKER, HOST, Uint8Array.of(22, 1));
      network.clock.advanceBy(20);
      expect([peer.payloads, peer.agent.selectedPair, peer.state]).toEqual([[], undefined, 'failed']);
    });

    test('is known to be one for thousands of checks', () => {
      const { network, a } = connectedPair();
      const [first] = network.packets.filter(({ to, data }) => to.port === HOST.port && data[0] === 0 && data[1] === 1);
      network.record = false;
      const fill = (count: number): void => {
        for (let index = 0; index < count; index++) network.spoof({ address: '192.0.2.2', port: 5002 }, HOST, forgeCheck(a));
        network.clock.advanceBy(20);
      };
      const replay = (port: number): number => {
        const before = a.agent.discards.of('copied-request');
        network.spoof({ ...ATTACKER, port }, HOST, first!.data);
        network.clock.advanceBy(20);
        return a.agent.discards.of('copied-request') - before;
      };
      fill(4_000);
      expect(replay(1)).toBe(1);
      fill(4_200);
      expect(replay(2)).toBe(0);
    });
  });

  test('of no bytes, over an unknown socket, or from something that is no address, is dropped', () => {
    const { a } = connectedPair();
    expect(a.agent.receive(1, new Uint8Array(0), '192.0.2.2', 5002, 1e5)).toBeUndefined();
    expect(a.agent.receive(7, Uint8Array.of(22), '192.0.2.2', 5002, 1e5)).toBeUndefined();
    expect(a.agent.receive(1, Uint8Array.of(22), 'nonsense', 5002, 1e5)).toBeUndefined();
  });

  test('I12, RFC 7983 §7: no first byte and no length make receive throw; STUN and TURN ranges are never payload', () => {
    const { a } = connectedPair();
    for (let first = 0; first < 256; first++)
      for (let length = 0; length <= 64; length++) {
        const data = new Uint8Array(length);
        if (length > 0) data[0] = first;
        const payload = a.agent.receive(1, data, '192.0.2.2', 5002, 1e5);
        if (length === 0 || first < 4 || (first >= 64 && first < 80)) expect(payload).toBeUndefined();
        else expect(payload).toBe(data);
      }
  });
});

describe('which remote candidates are of use', () => {
  test.each([
    ['another component', '1 2 udp 1 192.0.2.2 5002 typ host'],
    ['a name that was not resolved', '1 1 udp 1 host.local 5002 typ host'],
    ['port 0', '1 1 udp 1 192.0.2.2 0 typ host'],
    ['0.0.0.0', '1 1 udp 1 0.0.0.0 5002 typ host'],
    ['a multicast address', '1 1 udp 1 224.0.0.1 5002 typ host'],
    ['TCP active: it connects to us', '1 1 tcp 1 192.0.2.2 9 typ host tcptype active'],
    ['the fragment of another session', '1 1 udp 1 192.0.2.2 5002 typ host ufrag older'],
  ])('not %s', (_, line) => {
    const { peer } = loneAgent();
    peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
    expect(peer.input((agent, now) => agent.addRemoteCandidate(parseCandidate(line)!, now))).toBe(false);
    expect(peer.agent.stats.pairs).toEqual([]);
  });

  test('families and scopes are not mixed', () => {
    const network = new Network();
    const peer = new Peer(network, { role: 'controlling' });
    const addresses = ['192.0.2.1', '2001:db8::1', 'fe80::1', '127.0.0.1'];
    addresses.forEach((address, index) => peer.addSocket(index, { address, port: 5000 + index }));
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      for (const address of ['192.0.2.2', '2001:db8::2', 'fe80::2', '127.0.0.1'])
        agent.addRemoteCandidate(hostCandidate(address, 6000), now);
    });
    const pairs = peer.agent.stats.pairs.map(({ local, remote }) => `${local.address} ${remote.address}`);
    expect(pairs.toSorted()).toEqual(['127.0.0.1 127.0.0.1', '192.0.2.1 192.0.2.2', '2001:db8::1 2001:db8::2', 'fe80::1 fe80::2']);
  });
});

describe('RFC 8445 §6.1.2.6: foundations', () => {
  test('one pair of each foundation is checked, the others wait frozen until it has succeeded or nothing else is left', () => {
    const network = new Network();
    const peer = new Peer(network, { role: 'controlling' });
    peer.addSocket(1, HOST);
    const order: number[] = [];
    network.bind({ address: '192.0.2.2', port: 1 }, () => undefined);
    peer.input((agent, now) => {
      agent.setRemoteParameters(REMOTE, now);
      for (const [port, foundation] of [
        [1, 'a'],
        [2, 'a'],
        [3, 'b'],
      ] as const)
        agent.addRemoteCandidate({ ...hostCandidate('203.0.113.5', port, 1000 - port), foundation }, now);
    });
    expect(peer.agent.stats.pairs.map(({ state }) => state)).toEqual(['in-progress', 'frozen', 'waiting']);
    network.clock.advanceBy(99);
    order.push(...network.packets.map(({ to }) => to.port));
    expect(order).toEqual([1, 3]);
    network.clock.advanceBy(200);
    expect(network.packets.map(({ to }) => to.port)).toContain(2);
  });
});

test('parameters: 8 and 24 random characters of the ICE alphabet, others for every agent and restart', () => {
  const { peer } = loneAgent();
  const seen = new Set<string>();
  for (let count = 0; count < 50; count++) {
    const { usernameFragment, password } = peer.agent.localParameters;
    expect(usernameFragment).toMatch(/^[A-Za-z0-9+/]{8}$/);
    expect(password).toMatch(/^[A-Za-z0-9+/]{24}$/);
    seen.add(usernameFragment).add(password);
    peer.input((agent, now) => agent.restart(now));
  }
  expect(seen.size).toBe(100);
});

test('trickled candidates and complete ones lead to the same', () => {
  const { network, a, b } = newPair();
  a.other = b.other = undefined;
  for (const [peer, host] of [
    [a, 1],
    [b, 2],
  ] as const) {
    peer.addSocket(1, { address: `192.0.2.${host}`, port: 5000 + host });
    peer.input((agent, now) => agent.endOfSockets(now));
  }
  for (const [peer, other] of [
    [a, b],
    [b, a],
  ] as const)
    for (const candidate of other.agent.stats.localCandidates) peer.input((agent, now) => agent.addRemoteCandidate(candidate, now));
  exchangeParameters(a, b);
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfRemoteCandidates(now));
  expect(runUntilConnected({ network, a, b })).toBe(true);
  network.clock.advanceBy(1_000);
  expect([a.state, b.state]).toEqual(['completed', 'completed']);
});

describe('I02, F02: a flood of requests', () => {
  test('for unknown fragments, or with random integrity: no state, answers no longer than the requests, the call goes on', () => {
    const { network, a, b } = connectedPair();
    const before = JSON.stringify([a.agent.stats.pairs.length, a.agent.stats.remoteCandidates.length, a.state]);
    const own = a.agent.localParameters.usernameFragment;
    const key = shortTermKey(crypto, 'random');
    let received = 0;
    let sent = 0;
    for (let count = 0; count < 20_000; count++) {
      const username = count % 2 === 0 ? `${own}:${count}` : `u${count}:${count}`;
      const attributes = { username, priority: count + 1, useCandidate: true as const };
      const message = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
      const bytes = encodeStunMessage(message, { key, fingerprint: true });
      received += bytes.length;
      a.agent.receive(1, bytes, '198.51.100.66', 1 + (count % 65_535), network.now());
      for (let transmit = a.agent.pollTransmit(network.now()); transmit; transmit = a.agent.pollTransmit(network.now()))
        sent += transmit.data.length;
    }
    expect(sent).toBeLessThanOrEqual(received);
    expect(JSON.stringify([a.agent.stats.pairs.length, a.agent.stats.remoteCandidates.length, a.state])).toBe(before);
    b.send('going on');
    network.clock.advanceBy(100);
    expect(a.texts()).toEqual(['going on']);
  });

  test('the fragment that a request asks for is found without parsing it, for agents that share a port', () => {
    const { peer } = loneAgent();
    expect(requestedFragment(forgeCheck(peer))).toBe(peer.agent.localParameters.usernameFragment);
    expect(requestedFragment(forgeCheck(peer, { username: 'nocolon' }))).toBeUndefined();
    for (const bytes of [new Uint8Array(0), new Uint8Array(20), Uint8Array.of(22, 254), forgeCheck(peer).subarray(0, 26)])
      expect(requestedFragment(bytes)).toBeUndefined();
  });
});
