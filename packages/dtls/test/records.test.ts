import { describe, expect, test } from '@jest/globals';
import { concatBytes, readUint16, toHex } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import { CIPHER_SUITES, type DtlsConnection } from '@petrel/dtls';
import { Discards } from '@petrel/sans-io';
import { seededRandom } from '@petrel/testing';
import { CipherState } from '../src/cipher-state.ts';
import { CONTENT_TYPE, type RecordDiscard, RecordLayer } from '../src/record-layer.ts';
import { clearRecord, connect, drain, eventsOf, node, pair, utf8 } from './support/pair.ts';
import negative from './vectors/negative.json' with { type: 'json' };

/** Datagrams with these contents, as the connection seals them. */
function sealed(connection: DtlsConnection, ...contents: readonly string[]): Uint8Array[] {
  for (const content of contents) connection.send(utf8(content));
  return drain(connection);
}

/** The texts that the connection delivers. */
function texts(connection: DtlsConnection): string[] {
  return eventsOf(connection).flatMap((event) => (event.type === 'data' ? [new TextDecoder().decode(event.data)] : []));
}

/** A connected pair whose datagrams the test carries. */
function connected(): { client: DtlsConnection; server: DtlsConnection } {
  const { client, server, link } = connect();
  link.run(1000);
  return { client, server };
}

describe('records that are not authentic', () => {
  test.each(negative.dtls)('D13: $id ($ref) is dropped by a connection, and the rest of its datagram is read', ({ hex }) => {
    const { client, server } = connected();
    const [good] = sealed(client, 'good');
    const bad = Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16));
    server.receive(bad.slice(), 2000);
    server.receive(good!.slice(), 2000);
    expect(texts(server)).toEqual(['good']);
    expect(drain(server)).toEqual([]);
    // In one datagram: only a record with a wrong length takes what follows with it.
    const whole = bad.length >= 13 && 13 + readUint16(bad, 11) === bad.length;
    server.receive(concatBytes(bad, sealed(client, 'next')[0]!), 2000);
    if (whole) expect(texts(server)).toEqual(['next']);
    expect(server.state).toBe('connected');
  });

  test.each(negative.dtls)('D13: $id ($ref) before a handshake does not prevent it', ({ hex, id }) => {
    const { client, server, link } = pair();
    const bad = Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16));
    server.start(0);
    server.receive(bad.slice(), 0);
    client.start(0);
    link.run(3000);
    // An alert in the clear is the only one that is believed: a peer that cannot go on has no other way to say so.
    const states = { 'alert-close-epoch0': 'closed', 'alert-fatal-epoch0': 'failed' } as Record<string, string>;
    expect(server.state).toBe(states[id] ?? 'connected');
  });

  test('D09: data in epoch 0 is dropped, during and after the handshake', () => {
    const { client, server, link } = pair();
    const forged = clearRecord(23, 1, 2, 3);
    server.start(0);
    client.start(0);
    for (const time of [0, 10, 20, 30, 1000]) {
      server.receive(forged.slice(), time);
      client.receive(forged.slice(), time);
      link.run(10);
    }
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect([...link.eventsOfA, ...link.eventsOfB].map(({ type }) => type)).toEqual(['connected', 'connected']);
    expect(server.discards.of('unprotected-data')).toBe(5);
  });

  test('D10: alerts, handshakes and unknown types in the clear change nothing once there are keys', () => {
    const { client, server } = connected();
    for (const subject of [client, server]) {
      for (const forged of [clearRecord(21, 1, 0), clearRecord(21, 2, 40), clearRecord(99, 1), clearRecord(20, 1), clearRecord(20, 2)])
        subject.receive(forged, 2000);
      expect(subject.discards.toJSON()).toMatchObject({
        'unprotected-alert': 2,
        'unknown-content-type': 1,
        'malformed-change-cipher-spec': 1,
      });
    }
    server.receive(sealed(client, 'up')[0]!, 2000);
    client.receive(sealed(server, 'down')[0]!, 2000);
    expect([texts(server), texts(client), drain(server), drain(client)]).toEqual([['up'], ['down'], [], []]);
  });

  test('a changed bit anywhere in a record is found, in its header as well', () => {
    const { client, server } = connected();
    const [good] = sealed(client, 'good');
    for (let bit = 0; bit < good!.length * 8; bit++) {
      const forged = good!.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      server.receive(forged, 2000);
    }
    expect(texts(server)).toEqual([]);
    server.receive(good!, 2000);
    expect([texts(server), server.state]).toEqual([['good'], 'connected']);
  });

  test('RFC 6347 §4.1.2.7: a changed record is dropped, and the rest of its datagram is read', () => {
    const { client, server } = connected();
    const [bad, good] = sealed(client, 'bad', 'good');
    bad![bad!.length - 1]! ^= 1;
    server.receive(concatBytes(bad!, good!), 2000);
    expect(texts(server)).toEqual(['good']);
    expect(server.discards.of('bad-record-mac')).toBe(1);
  });

  test('RFC 5246 §6.2.1: an empty record of data is nothing', () => {
    const { client, server } = connected();
    server.receive(sealed(client, '')[0]!, 2000);
    expect(eventsOf(server)).toEqual([]);
  });

  test('noise never throws and changes nothing', () => {
    const { server, client } = connected();
    const random = seededRandom(3);
    for (let i = 0; i < 5000; i++) {
      const noise = random.randomBytes(random.below(80));
      if (noise.length > 13) noise.set([20 + random.below(5), 0xfe, 0xfd, 0, random.below(3)]);
      server.receive(noise, 2000);
    }
    server.receive(sealed(client, 'still here')[0]!, 2000);
    expect(texts(server)).toEqual(['still here']);
  });
});

describe('RFC 6347 §4.1.2.6: replay', () => {
  test('D14: duplicates are dropped, in any order, and what the window has forgotten as well', () => {
    const { client, server } = connected();
    const datagrams = sealed(client, ...Array.from({ length: 200 }, (_, index) => String(index)));
    const deliver = (...indexes: readonly number[]): string[] => {
      for (const index of indexes) server.receive(datagrams[index]!.slice(), 2000);
      return texts(server);
    };
    expect(deliver(0, 0, 1, 0)).toEqual(['0', '1']);
    expect(deliver(10, 5, 5, 10, 4)).toEqual(['10', '5', '4']);
    expect(deliver(100, 100)).toEqual(['100']);
    expect(deliver(37, 36, 37)).toEqual(['37']); // 63 before the newest is the oldest that can be told
    expect(deliver(199, 136, 135, 168, 167, 168, 167)).toEqual(['199', '136', '168', '167']);
    expect(server.discards.of('replayed-record')).toBe(10);
  });

  test('D14: a forged record far ahead does not move the window', () => {
    const { client, server } = connected();
    const [good] = sealed(client, 'data');
    const forged = good!.slice();
    forged[5] = 0x7f;
    server.receive(forged, 2000);
    server.receive(good!, 2000);
    expect(texts(server)).toEqual(['data']);
  });

  test('D14: every pair of distances agrees with a set of what was received', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 50; round++) {
      const { client, server } = connected();
      const datagrams = sealed(client, ...Array.from({ length: 150 }, (_, index) => String(index)));
      const seen = new Set<number>();
      let highest = -1;
      for (let i = 0; i < 300; i++) {
        const index = random.below(150);
        server.receive(datagrams[index]!.slice(), 2000);
        const expected = index > highest || (highest - index < 64 && !seen.has(index)) ? [String(index)] : [];
        expect(texts(server)).toEqual(expected);
        highest = Math.max(highest, index);
        seen.add(index);
      }
    }
  });
});

describe('RFC 5288 §3: nonces', () => {
  test('D20: each record has its own, epoch and sequence number, over 2^17 records with retransmitted flights among them', () => {
    const nonces = new Set<string>();
    let repeated = 0;
    const counting: CryptoProvider = {
      ...node,
      aead: () => ({
        seal(nonce, plaintext, _, output, offset) {
          const hex = toHex(nonce);
          if (nonces.has(hex)) repeated += 1;
          nonces.add(hex);
          output.set(plaintext, offset);
        },
        open: (_, sealedBytes) => sealedBytes.length - 16,
      }),
    };
    const layer = new RecordLayer(new Discards<RecordDiscard>());
    const state = (): CipherState => new CipherState(counting, CIPHER_SUITES[0]!, new Uint8Array(16), Uint8Array.of(1, 2, 3, 4));
    layer.setKeys(state(), state());
    for (let i = 0; i < 2 ** 17; i++) {
      const record = layer.seal(i % 64 === 0 ? CONTENT_TYPE.handshake : CONTENT_TYPE.applicationData, 1, new Uint8Array(1));
      if (i % 1000 === 0) expect(toHex(record.subarray(13, 21))).toBe(`0001${i.toString(16).padStart(12, '0')}`);
    }
    expect([nonces.size, repeated]).toEqual([2 ** 17, 0]);
  });

  test('D20: the last sequence number is used, and none after it', () => {
    const layer = new RecordLayer(new Discards<RecordDiscard>());
    layer.startAt(2 ** 48 - 1);
    expect(toHex(layer.seal(CONTENT_TYPE.alert, 0, Uint8Array.of(1, 0)))).toBe('15fefd0000ffffffffffff00020100');
    expect(() => layer.seal(CONTENT_TYPE.alert, 0, Uint8Array.of(1, 0))).toThrow(RangeError);
  });
});

test('W06: what was delivered does not change later, and a record is not written again after it was polled', () => {
  const { client, server } = connected();
  const delivered: Uint8Array[] = [];
  const polled: Uint8Array[] = [];
  for (let i = 0; i < 300; i++) {
    client.send(new Uint8Array(1000).fill(i));
    const [datagram] = drain(client);
    polled.push(datagram!);
    server.receive(datagram!.slice(), 2000);
    for (const event of eventsOf(server)) if (event.type === 'data') delivered.push(event.data);
  }
  delivered.forEach((data, index) => expect(data).toEqual(new Uint8Array(1000).fill(index)));
  expect(new Set(polled.map((datagram) => toHex(datagram.subarray(0, 40)))).size).toBe(300);
});

test('F05: a small record does not keep its large datagram', () => {
  const { client, server } = connected();
  const datagram = new Uint8Array(20_000);
  datagram.set(sealed(client, 'small')[0]!);
  server.receive(datagram, 2000);
  const event = server.pollEvent();
  expect(event?.type === 'data' && event.data.buffer.byteLength).toBe(5);
});

test('sending before the handshake, or too much, is told', () => {
  const { client } = pair();
  expect(client.send(utf8('x'))).toBe(false);
  expect(() => client.exportKeyingMaterial('label', 16)).toThrow(/connected/);
  expect(() => connect().client.send(new Uint8Array(16_385))).toThrow(RangeError);
});
