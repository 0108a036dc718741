import { describe, expect, test } from '@jest/globals';
import { ByteWriter, readUint32 } from '@petrel/bytes';
import { CHUNK_TYPE, type SctpAssociation } from '@petrel/sctp';
import {
  connect,
  cookieOf,
  dataChunk,
  decode,
  drain,
  forge,
  forgeMany,
  init,
  newAssociation,
  NO_PROBES,
  parameter,
  sackChunk,
  tagFrom,
  typesOf,
} from './support.ts';

const NOTHING = new Uint8Array(0);

/** An association that has sent its INIT; `receive` is a chunk from the peer. */
function connecting(): {
  association: SctpAssociation;
  tag: number;
  tsn: number;
  receive: (type: number, value: Uint8Array, flags?: number) => void;
} {
  const association = newAssociation(1, NO_PROBES);
  association.connect(0);
  const { value } = decode(drain(association, 0)[0]!).chunks[0]!;
  const tag = readUint32(value, 0);
  return {
    association,
    tag,
    tsn: readUint32(value, 12),
    receive: (type, chunk, flags = 0) => association.receive(forge(tag, type, flags, chunk), 10),
  };
}

/** The same after an INIT ACK. */
function echoing(): ReturnType<typeof connecting> {
  const peer = connecting();
  peer.receive(CHUNK_TYPE.initAck, init({ parameters: parameter(7, new Uint8Array(8)) }));
  expect(peer.association.state).toBe('cookie-echoed');
  drain(peer.association, 10);
  return peer;
}

const cause = (code: number): Uint8Array => new ByteWriter().uint16(code).uint16(8).uint32(0).finish();
const uint32 = (value: number): Uint8Array => new ByteWriter().uint32(value >>> 0).finish();
const resetRequest = new ByteWriter().uint16(13).uint16(18).uint32(1).uint32(0).uint32(0).uint16(3).finish();

describe('before there is a peer', () => {
  test('in COOKIE-WAIT no chunk but INIT ACK and ABORT means anything, and nothing waits to be answered', () => {
    const { association, tag, tsn, receive } = connecting();
    receive(CHUNK_TYPE.sack, sackChunk(tsn - 1, 100_000).value);
    expect(association.discards.toJSON()).toEqual({ 'bad-sack': 1 });
    for (let i = 0; i < 1000; i++) {
      receive(CHUNK_TYPE.heartbeat, new Uint8Array(100));
      receive(0x7f, new Uint8Array(100));
    }
    for (const type of [CHUNK_TYPE.forwardTsn, CHUNK_TYPE.iForwardTsn, CHUNK_TYPE.shutdown]) receive(type, uint32(0));
    for (const type of [CHUNK_TYPE.data, CHUNK_TYPE.iData]) receive(type, new Uint8Array(20), 3);
    for (const type of [CHUNK_TYPE.heartbeatAck, CHUNK_TYPE.cookieAck, CHUNK_TYPE.shutdownComplete, CHUNK_TYPE.pad]) receive(type, NOTHING);
    receive(CHUNK_TYPE.error, cause(3));
    receive(CHUNK_TYPE.reConfig, resetRequest);
    expect([association.state, drain(association, 10)]).toEqual(['cookie-wait', []]);
    association.receive(forge(tag, CHUNK_TYPE.initAck, 0, init({ parameters: parameter(7, new Uint8Array(8)) })), 10);
    expect(drain(association, 10).map(typesOf)).toEqual([[CHUNK_TYPE.cookieEcho]]);
  });

  test('C04: an INIT ACK that is malformed leaves the attempt going on', () => {
    const { association, receive } = connecting();
    receive(CHUNK_TYPE.initAck, init().subarray(0, 15));
    expect([association.state, association.discards.of('malformed-init'), drain(association, 10)]).toEqual(['cookie-wait', 1, []]);
  });

  test('C04: an INIT that is cut off is dropped', () => {
    const association = newAssociation(1);
    for (let length = 0; length < 16; length++) association.receive(forge(0, CHUNK_TYPE.init, 0, init().subarray(0, length)), 0);
    expect([association.discards.of('malformed-init'), drain(association, 0)]).toEqual([16, []]);
  });
});

describe('in COOKIE-ECHOED', () => {
  test('SHUTDOWN and RE-CONFIG are dropped, whatever they say', () => {
    const { association, tsn, receive } = echoing();
    receive(CHUNK_TYPE.shutdown, uint32(tsn - 1));
    receive(CHUNK_TYPE.reConfig, resetRequest);
    expect([association.state, association.discards.of('unexpected-chunk'), drain(association, 10)]).toEqual(['cookie-echoed', 2, []]);
  });

  test('RFC 9260 §5.2.6: no other error than that of a stale cookie begins the handshake again', () => {
    const { association, receive } = echoing();
    receive(CHUNK_TYPE.error, cause(1));
    expect(association.state).toBe('cookie-echoed');
    receive(CHUNK_TYPE.error, cause(3));
    expect(association.state).toBe('cookie-wait');
  });
});

test('RFC 9260 §5.2.6: the error of a stale cookie means nothing to an association that is up', () => {
  const both = connect({}, NO_PROBES);
  both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.error, 0, cause(3)), both.link.now());
  expect(both.b.state).toBe('established');
});

const echo = (association: SctpAssociation, { tag, cookie }: ReturnType<typeof cookieOf>): void =>
  association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 0);

describe('cookies', () => {
  test('C06: what is bundled with a forged one is dropped with it', () => {
    const both = connect({}, NO_PROBES);
    both.b.receive(
      forgeMany(tagFrom(both, 'a'), [
        { type: CHUNK_TYPE.cookieEcho, flags: 0, value: new Uint8Array(80) },
        { type: CHUNK_TYPE.abort, flags: 0, value: NOTHING },
      ]),
      both.link.now(),
    );
    expect([both.b.state, both.b.discards.of('forged-cookie')]).toEqual(['established', 1]);
  });

  test('C06, W05: the right one does not revive an association that has ended', () => {
    const association = newAssociation(1);
    const made = cookieOf(association);
    echo(association, made);
    association.abort('over');
    drain(association, 0);
    echo(association, made);
    expect([association.state, association.nextTimeout()]).toEqual(['closed', Infinity]);
  });

  test('C07 RFC 9260 §5.2.4: with the tag that the peer has already, and another of ours, it is dropped', () => {
    const association = newAssociation(1);
    echo(association, cookieOf(association));
    echo(association, cookieOf(association));
    expect(association.discards.of('cookie-for-another-association')).toBe(1);
  });

  test('C07 RFC 9260 §5.2.4: the tie-tag of the peer has to be that of now', () => {
    const association = newAssociation(1);
    const [first, second] = [cookieOf(association, 0, { tag: 1 }), cookieOf(association, 0, { tag: 2 })];
    echo(association, first);
    const restart = cookieOf(association, 0, { tag: 3 });
    echo(association, second); // action B: the peer has another tag
    drain(association, 0);
    echo(association, restart);
    expect(association.discards.of('cookie-for-another-association')).toBe(1);
  });

  test('C07 RFC 9260 §5.2.4: the tie-tag of ours has to be that of now', () => {
    const association = newAssociation(1);
    echo(association, cookieOf(association, 0, { tag: 1 }));
    const old = cookieOf(association, 0, { tag: 3 });
    for (const tag of [2, 1]) echo(association, cookieOf(association, 0, { tag })); // two restarts: the peer’s tag is as before
    drain(association, 0);
    echo(association, old);
    expect(association.discards.of('cookie-for-another-association')).toBe(1);
  });
});

const isHeartbeat = (datagram: Uint8Array): boolean => typesOf(datagram).includes(CHUNK_TYPE.heartbeat);

describe('HEARTBEAT ACK', () => {
  test('RFC 9260 §8.3: without the nonce of the HEARTBEAT it is no answer', () => {
    const both = connect({ filter: (datagram) => (isHeartbeat(datagram) ? undefined : datagram) }, NO_PROBES);
    both.link.runUntil(() => both.link.wire.some(({ from, datagram }) => from === 'a' && isHeartbeat(datagram)), 60_000);
    const before = both.a.discards.of('unexpected-chunk');
    both.a.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.heartbeatAck, 0, new Uint8Array(12)), both.link.now());
    expect(both.a.discards.of('unexpected-chunk')).toBe(before + 1);
  });

  test('RFC 8899: without the nonce of the probe no larger packet is sent', () => {
    const both = connect({ filter: (datagram) => (datagram.length > 1160 ? undefined : datagram) });
    both.a.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.heartbeatAck, 0, new Uint8Array(20)), both.link.now());
    expect([both.a.stats.maxPacket, both.a.discards.of('unexpected-chunk')]).toEqual([1160, 1]);
  });
});

test('RFC 9260 §8.4: before the beginning nothing out of the blue is answered; after the end an INIT gets an ABORT with its tag', () => {
  const association = newAssociation(1);
  association.receive(forgeMany(9, [dataChunk({ tsn: 1 })]), 0);
  expect(drain(association, 0)).toEqual([]);
  association.abort('never began');
  association.receive(forge(0, CHUNK_TYPE.init, 0, init()), 0);
  expect(drain(association, 0).map(decode)).toMatchObject([{ verificationTag: 0x11223344, chunks: [{ type: CHUNK_TYPE.abort }] }]);
});
