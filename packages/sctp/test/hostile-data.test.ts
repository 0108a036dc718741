import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { readUint16, writeUint16, writeUint32 } from '@petrel/bytes';
import { type Chunk, CHUNK_TYPE, type SctpOptions } from '@petrel/sctp';
import {
  connect,
  type DataFields,
  dataChunk,
  decode,
  drain,
  forge,
  forgeMany,
  initialTsnOf,
  messages,
  NO_PROBES,
  type Pair,
  sackChunk,
  tagFrom,
  utf8,
} from './support.ts';

interface Victim {
  readonly both: Pair;
  /** Of the first DATA that `b` waits for. */
  readonly tsn: number;
  /** One packet for `b`. */
  readonly send: (...chunks: Chunk[]) => void;
  /** DATA whose TSN is so many after the first. */
  readonly data: (offset: number, fields?: Omit<DataFields, 'tsn'>) => Chunk;
  /** What `b` answers. */
  readonly answers: () => Uint8Array[];
  /** What `b` has delivered. */
  readonly delivered: () => string[];
}

function victim(options: Partial<SctpOptions> = {}): Victim {
  const both = connect({}, { ...NO_PROBES, interleaving: false, ...options });
  both.link.run(1000);
  const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
  return {
    both,
    tsn,
    send: (...chunks) => both.b.receive(forgeMany(tag, chunks), both.link.now()),
    data: (offset, fields = {}) => dataChunk({ tsn: (tsn + offset) >>> 0, ...fields }),
    answers: () => {
      const packets: Uint8Array[] = [];
      for (let packet = both.b.pollTransmit(both.link.now()); packet; packet = both.b.pollTransmit(both.link.now())) packets.push(packet);
      return packets;
    },
    delivered: () => {
      both.link.flush();
      return messages(both.link.eventsOfB);
    },
  };
}

const sackIn = (packets: readonly Uint8Array[]): Uint8Array =>
  packets.flatMap((packet) => decode(packet).chunks).find(({ type }) => type === CHUNK_TYPE.sack)!.value;
const pad = (length: number): Chunk => ({ type: CHUNK_TYPE.pad, flags: 0, value: new Uint8Array(length) });
const FLAG = { end: 1, begin: 2, unordered: 4 } as const;

/** I-DATA (RFC 8260 §2.1): the last word is the payload protocol identifier of a first fragment, else the fragment's number. */
function iDataChunk({ tsn, flags = 3, stream = 1, message = 0, last = 51, data = utf8('x') }: InterleavedFields): Chunk {
  const value = new Uint8Array(16 + data.length);
  writeUint32(value, 0, tsn >>> 0);
  writeUint16(value, 4, stream);
  writeUint32(value, 8, message);
  writeUint32(value, 12, last);
  value.set(data, 16);
  return { type: CHUNK_TYPE.iData, flags, value };
}

interface InterleavedFields {
  readonly tsn: number;
  readonly flags?: number;
  readonly stream?: number;
  readonly message?: number;
  readonly last?: number;
  readonly data?: Uint8Array;
}

describe('C11: chunks that are too short', () => {
  test.each([
    ['DATA', false, CHUNK_TYPE.data, 11],
    ['I-DATA', true, CHUNK_TYPE.iData, 15],
  ] as const)('%s without its whole header is dropped', (_, interleaving, type, longest) => {
    const { both, send } = victim({ interleaving });
    for (let length = 0; length <= longest; length++) send({ type, flags: 3, value: new Uint8Array(length) });
    expect([both.b.state, both.b.discards.of('malformed-chunk')]).toEqual(['established', longest + 1]);
  });

  test('RFC 9260 §6.2: one without user data ends the association, and no timer is left for what was before it', () => {
    const { both, send, data } = victim();
    send(data(0), data(1, { data: new Uint8Array(0) }));
    expect([both.b.state, both.b.nextTimeout()]).toEqual(['closed', Infinity]);
  });

  test('I-FORWARD-TSN with half an entry is dropped', () => {
    const { both } = victim({ interleaving: true });
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.iForwardTsn, 0, new Uint8Array(8)), both.link.now());
    expect(both.b.discards.of('bad-forward-tsn')).toBe(1);
  });
});

/** Every second TSN, so many. */
const gaps = ({ send, data }: Victim, count: number): void => {
  for (let i = 1; i <= count; i++) send(data(2 * i, { flags: FLAG.begin | FLAG.end | FLAG.unordered }));
};

describe('C10: what is tracked and reported', () => {
  test('at most 256 gaps: what would be another one is refused, what fills them is not', () => {
    const peer = victim();
    gaps(peer, 300);
    expect(peer.both.b.discards.of('data-out-of-window')).toBe(44);
    expect(readUint16(sackIn(peer.answers()), 8)).toBe(256);
    for (let i = 0; i < 512; i += 2) peer.send(peer.data(i === 0 ? 0 : i - 1), peer.data(i + 1));
    expect(readUint16(sackIn(peer.answers()), 8)).toBeLessThan(256);
  });

  test('RFC 3758 §3.6: a FORWARD TSN ends the wait, however many gaps there are', () => {
    const peer = victim();
    gaps(peer, 256);
    peer.answers();
    peer.send({ type: CHUNK_TYPE.forwardTsn, flags: 0, value: sackChunk(peer.tsn + 1, 0).value.subarray(0, 4) });
    expect(readUint16(sackIn(peer.answers()), 8)).toBe(255);
    expect(peer.both.b.discards.of('bad-forward-tsn')).toBe(0);
  });

  test('a hundred duplicates are reported as sixteen', () => {
    const { send, data, answers } = victim();
    send(data(0));
    answers();
    send(...Array.from({ length: 100 }, () => data(0)));
    expect(readUint16(sackIn(answers()), 10)).toBe(16);
  });

  test('a SACK takes the room that other chunks leave in its packet', () => {
    const peer = victim();
    gaps(peer, 256);
    peer.answers();
    peer.send({ type: CHUNK_TYPE.heartbeat, flags: 0, value: new Uint8Array(700) }, ...Array.from({ length: 16 }, () => peer.data(2)));
    const packets = peer.answers();
    const sack = sackIn(packets);
    expect(sack).toHaveLength(12 + 4 * (readUint16(sack, 8) + readUint16(sack, 10)));
    expect(Math.max(...packets.map(({ length }) => length))).toBeLessThanOrEqual(1160);
  });

  test('C09: what is acknowledged again and again by gap blocks opens the window once', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    both.link.run(1000);
    for (let i = 0; i < 200; i++) both.a.send(1, 51, new Uint8Array(1000), {}, both.link.now());
    drain(both.a, both.link.now());
    const sack = forgeMany(tagFrom(both, 'b'), [sackChunk((initialTsnOf(both, 'a') - 1) >>> 0, 1_000_000, [[2, 3]])]);
    const later = both.link.now() + 50;
    both.a.receive(sack.slice(), later);
    const { congestionWindow } = both.a.stats;
    for (let i = 0; i < 100; i++) {
      drain(both.a, later);
      both.a.receive(sack.slice(), later);
    }
    expect(both.a.stats.congestionWindow).toBe(congestionWindow);
  });
});

describe('C10: messages that do not fit together', () => {
  test('a number that was delivered, or that waits already, is not kept', () => {
    const { both, send, data, delivered } = victim();
    send(data(0, { sequence: 0 }), data(1, { sequence: 1 }));
    send(data(2, { sequence: 0, data: utf8('again') }), data(3, { sequence: 1, data: utf8('again') }));
    expect(delivered()).toEqual(['1:51:x', '1:51:x']);
    expect(both.b.inspect().heldBytes).toBe(0);
    send(data(4, { sequence: 5, data: utf8('waits') }), data(5, { sequence: 5, data: utf8('other') }));
    expect(both.b.inspect().heldBytes).toBe(5);
  });

  test.each<[string, [number, Omit<DataFields, 'tsn'>][], string[]]>([
    [
      'of two streams',
      [
        [0, { flags: FLAG.begin }],
        [1, { flags: FLAG.end, stream: 2 }],
      ],
      [],
    ],
    [
      'of two streams, the second first',
      [
        [1, { flags: FLAG.end, stream: 2 }],
        [0, { flags: FLAG.begin }],
      ],
      [],
    ],
    [
      'of two messages',
      [
        [0, { flags: FLAG.begin, sequence: 1 }],
        [1, { flags: FLAG.end }],
      ],
      [],
    ],
    [
      'before a beginning',
      [
        [0, { flags: FLAG.begin, data: utf8('a') }],
        [1, { flags: FLAG.begin, data: utf8('b') }],
        [2, { flags: FLAG.end, data: utf8('c') }],
      ],
      ['1:51:bc'],
    ],
    [
      'behind an end',
      [
        [1, { flags: FLAG.end, data: utf8('b') }],
        [2, { flags: FLAG.end, data: utf8('c') }],
        [0, { flags: FLAG.begin, data: utf8('a') }],
      ],
      ['1:51:ab'],
    ],
  ])('fragments %s do not become one', (_, chunks, expected) => {
    const { send, data, delivered } = victim();
    for (const [offset, fields] of chunks) send(data(offset, fields));
    expect(delivered()).toEqual(expected);
  });

  test.each<[string, readonly (readonly [number, Omit<InterleavedFields, 'tsn'>])[]]>([
    ['twice, in order', [[1, { flags: FLAG.begin, data: utf8('other') }]]],
    [
      'twice, early',
      [
        [1, { flags: 0, last: 2, data: utf8('c') }],
        [2, { flags: 0, last: 2, data: utf8('other') }],
      ],
    ],
    ['behind the last', [[1, { flags: 0, last: 9, data: utf8('other') }]]],
  ])('RFC 8260 §2.2.3: a fragment that comes %s changes nothing', (name, extra) => {
    const { tsn, send, delivered } = victim({ interleaving: true });
    send(iDataChunk({ tsn, flags: FLAG.begin, data: utf8('a') }));
    const last = name === 'twice, early' ? 3 : 2;
    send(iDataChunk({ tsn: tsn + 9, flags: FLAG.end, last, data: utf8('d') }));
    for (const [offset, fields] of extra) send(iDataChunk({ tsn: tsn + offset, ...fields }));
    send(iDataChunk({ tsn: tsn + 5, flags: 0, last: 1, data: utf8('b') }));
    expect(delivered()).toEqual([name === 'twice, early' ? '1:51:abcd' : '1:51:abd']);
  });
});

/** Bytes of buffers that are alive. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) collect(); // buffers are freed in the background, until the next one
  return process.memoryUsage().arrayBuffers;
}

describe('C11: messages that are too large', () => {
  const LIMITS = { maxReceivedMessageSize: 20_000, receiveBuffer: 100_000 };

  test('in one chunk', () => {
    const { both, send, data, delivered } = victim({ maxReceivedMessageSize: 100 });
    send(data(0, { data: new Uint8Array(101) }), data(1, { sequence: 1 }));
    expect(delivered()).toEqual(['1:51:x']);
    expect(both.link.eventsOfB.filter(({ type }) => type === 'message-too-large')).toHaveLength(1);
  });

  test.each([false, true])('in fragments: nothing of it is held, or stays in memory, while it goes on; I-DATA: %j', (interleaving) => {
    const { both, tsn, send, data } = victim({ ...LIMITS, interleaving });
    const before = liveBytes();
    for (let i = 0; i < 400; i++) {
      const [flags, bytes] = [i === 0 ? FLAG.begin : 0, new Uint8Array(16_000)];
      send(interleaving ? iDataChunk({ tsn: tsn + i, flags, last: i, data: bytes }) : data(i, { flags, data: bytes }));
      drain(both.b, both.link.now());
    }
    expect([both.b.discards.of('receive-buffer-full'), both.b.inspect().heldBytes]).toEqual([0, 0]);
    expect(liveBytes() - before).toBeLessThan(2_000_000);
  });

  test('RFC 8260 §2.2.3: fragments that came early do not stay in memory either', () => {
    const { both, tsn, send } = victim({ interleaving: true });
    const before = liveBytes();
    for (let i = 0; i < 400; i++) {
      const message = Math.floor(i / 20); // 320,000 bytes each, all but the first
      send(iDataChunk({ tsn: tsn + i, flags: FLAG.unordered, stream: message, last: 1 + (i % 20), data: new Uint8Array(16_000) }));
      drain(both.b, both.link.now());
    }
    expect(both.b.discards.of('receive-buffer-full')).toBe(0);
    expect(liveBytes() - before).toBeLessThan(2_000_000);
  });

  test('C10: a small piece does not keep its large packet', () => {
    const { both, send, data } = victim();
    send(data(0, { flags: FLAG.begin | FLAG.end | FLAG.unordered }), pad(16_000));
    const event = both.b.pollEvent();
    expect(event?.type === 'message' && event.data.buffer.byteLength).toBe(1);
  });
});
