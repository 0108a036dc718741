import { describe, expect, test } from '@jest/globals';
import { ByteWriter, readUint32 } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { type ChannelHandle, DataChannelError, type DataChannelEvent, DataChannels, type DtlsRole, encodeOpen } from '@petrel/data-channel';
import type { Instant } from '@petrel/sans-io';
import { CHUNK_TYPE, decodePacket, encodePacket, type Packet, SctpAssociation, type SctpOptions } from '@petrel/sctp';
import { CoreLink, type LinkedCore, type LinkOptions, seededRandom } from '@petrel/testing';

const OPEN = { label: 'chat', protocol: '', ordered: true, priority: 256 };

/** An association with its channels, as one core: what the transport stack does with them. */
class End implements LinkedCore<DataChannelEvent> {
  readonly association: SctpAssociation;
  readonly channels: DataChannels = new DataChannels();
  now: Instant = 0;

  constructor(seed: number, options: Partial<SctpOptions>) {
    this.association = new SctpAssociation({
      crypto: nobleCrypto(seededRandom(seed)),
      maxRetransmits: Number.POSITIVE_INFINITY,
      maxInitRetransmits: Number.POSITIVE_INFINITY,
      maxProbedPacket: 1160,
      ...options,
    });
  }

  start(role: DtlsRole): void {
    this.association.connect(this.now);
    this.channels.start(this.association, role, this.now);
  }

  receive(datagram: Uint8Array, now: Instant): void {
    this.now = now;
    this.association.receive(datagram, now);
  }

  handleTimeout(now: Instant): void {
    this.now = now;
    this.association.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return this.association.nextTimeout();
  }

  pollTransmit(now: Instant): Uint8Array | undefined {
    this.now = now;
    const packet = this.association.pollTransmit(now);
    if (packet !== undefined) return packet;
    this.#handOver();
    return this.association.pollTransmit(now);
  }

  pollEvent(): DataChannelEvent | undefined {
    this.#handOver();
    return this.channels.pollEvent();
  }

  #handOver(): void {
    for (let event = this.association.pollEvent(); event; event = this.association.pollEvent())
      this.channels.handleAssociationEvent(event, this.now);
  }
}

interface Pair {
  readonly a: End;
  readonly b: End;
  readonly link: CoreLink<DataChannelEvent>;
}

/** `a` is the DTLS client. */
function pair(link: LinkOptions = {}, optionsOfA: Partial<SctpOptions> = {}, optionsOfB: Partial<SctpOptions> = optionsOfA): Pair {
  const seed = link.seed ?? 1;
  const [a, b] = [new End(seed * 2, optionsOfA), new End(seed * 2 + 1, optionsOfB)];
  return { a, b, link: new CoreLink<DataChannelEvent>(a, b, link) };
}

function connect(link: LinkOptions = {}, optionsOfA: Partial<SctpOptions> = {}, optionsOfB: Partial<SctpOptions> = optionsOfA): Pair {
  const both = pair(link, optionsOfA, optionsOfB);
  both.a.start('client');
  both.b.start('server');
  expect(both.link.runUntil(() => both.a.association.state === 'established' && both.b.association.state === 'established', 60_000)).toBe(
    true,
  );
  both.link.run(500);
  return both;
}

const of = <Type extends DataChannelEvent['type']>(
  events: readonly DataChannelEvent[],
  type: Type,
): Extract<DataChannelEvent, { type: Type }>[] =>
  events.filter((event): event is Extract<DataChannelEvent, { type: Type }> => event.type === type);
const types = (events: readonly DataChannelEvent[], channel?: ChannelHandle): string[] =>
  events
    .filter((event) => !event.type.startsWith('buffered-amount') && (channel === undefined || event.channel === channel))
    .map(({ type }) => type);
const received = (events: readonly DataChannelEvent[]): (string | Uint8Array)[] => of(events, 'message').map(({ data }) => data);

/** A channel that is open on both sides. */
function openChannel(both: Pair, options: Partial<Parameters<DataChannels['create']>[0]> = {}): { a: ChannelHandle; b: ChannelHandle } {
  const before = of(both.link.eventsOfB, 'incoming').length;
  const a = both.a.channels.create({ label: 'chat', ...options }, both.link.now());
  const isOpen = (): boolean =>
    of(both.link.eventsOfB, 'incoming').length > before && of(both.link.eventsOfA, 'open').some(({ channel }) => channel === a);
  expect(both.link.runUntil(isOpen, both.link.now() + 60_000)).toBe(true);
  return { a, b: of(both.link.eventsOfB, 'incoming').at(-1)!.channel };
}

const isUnordered = (datagram: Uint8Array): boolean => (datagram[13]! & 4) !== 0;

describe('opening (RFC 8832)', () => {
  test.each([
    { ordered: true, protocol: '', priority: 256 },
    { ordered: false, protocol: 'json', priority: 1024 },
    { ordered: true, protocol: 'x', maxRetransmits: 0, priority: 128 },
    { ordered: false, protocol: 'ü', maxPacketLifeTime: 500, priority: 512 },
    { ordered: true, protocol: '', maxRetransmits: 65_535, priority: 256 },
  ])('the other side learns all parameters: %j', (options) => {
    const both = connect();
    openChannel(both, { label: 'größe 大きさ 🐦', ...options });
    expect(of(both.link.eventsOfB, 'incoming')[0]!.options).toEqual({ label: 'größe 大きさ 🐦', id: 0, negotiated: false, ...options });
    expect(types(both.link.eventsOfB)).toEqual(['incoming', 'open']);
  });

  test('a label of 65,535 bytes in UTF-8 fits, a longer one is told', () => {
    const both = connect();
    openChannel(both, { label: 'é'.repeat(32_767) });
    expect(of(both.link.eventsOfB, 'incoming')[0]!.options.label).toHaveLength(32_767);
    expect(() => both.a.channels.create({ label: 'é'.repeat(32_768) }, both.link.now())).toThrow(RangeError);
  });

  test('RFC 8832 §6: the DTLS client opens even ids, the server odd ones; those created before get theirs then', () => {
    const both = pair();
    const early = both.a.channels.create({ label: 'early' }, 0);
    expect(both.a.channels.id(early)).toBeUndefined();
    both.a.start('client');
    both.b.start('server');
    const second = both.a.channels.create({ label: 'second' }, 0);
    const odd = both.b.channels.create({ label: 'odd' }, 0);
    both.link.run(1000);
    expect([both.a.channels.id(early), both.a.channels.id(second), both.b.channels.id(odd)]).toEqual([0, 2, 1]);
    expect(of(both.link.eventsOfB, 'incoming').map(({ options }) => [options.label, options.id])).toEqual([
      ['early', 0],
      ['second', 2],
    ]);
    expect(types(both.link.eventsOfA, early)).toEqual(['open']);
  });

  test('RFC 8832 §6: data may follow without the ACK, in order until it has come', () => {
    const both = connect();
    const channel = both.a.channels.create({ label: 'u', ordered: false }, both.link.now());
    for (let i = 0; i < 5; i++) both.a.channels.send(channel, `${i}`, both.link.now());
    both.link.run(15);
    expect(received(both.link.eventsOfB)).toEqual(['0', '1', '2', '3', '4']);
    expect(both.link.wire.filter(({ from }) => from === 'a').some(({ datagram }) => isUnordered(datagram))).toBe(false);
    both.link.run(500);
    both.a.channels.send(channel, 'later', both.link.now());
    both.link.flush();
    expect(isUnordered(both.link.wire.findLast(({ from }) => from === 'a')!.datagram)).toBe(true);
  });

  test('negotiated: nothing is announced, both sides name the id', () => {
    const both = pair();
    const a = both.a.channels.create({ label: 'n', negotiated: true, id: 5 }, 0);
    const b = both.b.channels.create({ label: 'other', negotiated: true, id: 5, ordered: false }, 0);
    both.a.start('client');
    both.b.start('server');
    both.link.run(1000);
    expect([types(both.link.eventsOfA), types(both.link.eventsOfB)]).toEqual([['open'], ['open']]);
    both.a.channels.send(a, 'there', both.link.now());
    both.b.channels.send(b, 'back', both.link.now());
    both.link.run(100);
    expect([received(both.link.eventsOfA), received(both.link.eventsOfB)]).toEqual([['back'], ['there']]);
  });

  test('ids that are taken, missing or too high are told', () => {
    const both = connect({}, { streams: 4 });
    openChannel(both);
    const create =
      (options: object): (() => unknown) =>
      () =>
        both.a.channels.create({ label: '', ...options }, both.link.now());
    expect(create({ negotiated: true })).toThrow(DataChannelError);
    expect(create({ negotiated: true, id: 0 })).toThrow(/0 is in use/);
    expect(create({ negotiated: true, id: 4 })).toThrow(/4 streams/);
    expect(create({})).not.toThrow();
    expect(create({})).toThrow(/all stream identifiers/);
  });

  test('more channels than the association turns out to have streams for are closed with an error', () => {
    const both = pair({}, {}, { streams: 4 });
    const handles = Array.from({ length: 5 }, () => both.a.channels.create({ label: '' }, 0));
    both.a.start('client');
    both.b.start('server');
    both.link.run(1000);
    expect(handles.map((handle) => types(both.link.eventsOfA, handle)[0])).toEqual(['open', 'open', 'closed', 'closed', 'closed']);
    expect(of(both.link.eventsOfA, 'closed')[0]!.error?.message).toMatch(/4 streams/);
  });
});

describe('messages (RFC 8831 §6.6)', () => {
  test('C15: strings and binary, empty ones too, arrive as they were', () => {
    const both = connect();
    const { a, b } = openChannel(both);
    const sent = ['text', '', Uint8Array.of(1, 2, 3), new Uint8Array(0), '🐦 grün', new Uint8Array(100_000).fill(7), 'x'.repeat(200_000)];
    for (const data of sent) both.a.channels.send(a, data, both.link.now());
    both.b.channels.send(b, '', both.link.now());
    both.link.run(10_000);
    expect(received(both.link.eventsOfB)).toEqual(sent);
    expect(received(both.link.eventsOfA)).toEqual(['']);
  });

  test('C15: an unknown payload protocol identifier closes the channel, and no other', () => {
    const both = connect();
    const { a } = openChannel(both);
    const other = openChannel(both, { label: 'other' });
    both.a.association.send(both.a.channels.id(a)!, 99, Uint8Array.of(1), {}, both.link.now());
    both.link.run(1000);
    expect(of(both.link.eventsOfB, 'closed').map(({ error }) => error?.message)).toEqual([expect.stringContaining('99')]);
    expect(types(both.link.eventsOfA, a)).toEqual(['open', 'closing', 'closed']);
    both.a.channels.send(other.a, 'alive', both.link.now());
    both.link.run(100);
    expect(received(both.link.eventsOfB)).toEqual(['alive']);
  });

  test('C15: malformed UTF-8 is delivered with U+FFFD', () => {
    const both = connect();
    const { a } = openChannel(both);
    both.a.association.send(both.a.channels.id(a)!, 51, Uint8Array.of(0x61, 0xff, 0x62), {}, both.link.now());
    both.link.run(100);
    expect(received(both.link.eventsOfB)).toEqual(['a\ufffdb']);
  });

  test('before the channel is open sending is an error, once it closes it does nothing', () => {
    const both = pair();
    const channel = both.a.channels.create({ label: '' }, 0);
    expect(() => both.a.channels.send(channel, 'x', 0)).toThrow(/not open yet/);
    both.a.channels.close(channel, 0);
    both.a.channels.send(channel, 'x', 0);
    expect(both.a.channels.pollEvent()).toEqual({ type: 'closed', channel });
  });

  test('W3C: the buffered amount counts bytes of user data, falls with the event, and says once when it is low', () => {
    const both = connect({ delay: 30 });
    const { a } = openChannel(both);
    both.a.channels.setBufferedAmountLowThreshold(a, 10_000);
    both.a.channels.send(a, 'é', both.link.now());
    both.a.channels.send(a, '', both.link.now());
    expect(both.a.channels.bufferedAmount(a)).toBe(2);
    both.a.channels.send(a, new Uint8Array(60_000), both.link.now());
    expect(both.a.channels.bufferedAmount(a)).toBe(60_002);
    const before = both.link.eventsOfA.length;
    both.link.run(5000);
    expect(both.a.channels.bufferedAmount(a)).toBe(0);
    const events = both.link.eventsOfA.slice(before);
    const amounts = of(events, 'buffered-amount').map(({ amount }) => amount);
    expect(amounts).toEqual(amounts.toSorted((x, y) => y - x));
    expect(amounts.at(-1)).toBe(0);
    const low = events.findIndex(({ type }) => type === 'buffered-amount-low');
    expect(events.filter(({ type }) => type === 'buffered-amount-low')).toHaveLength(1);
    expect(events[low - 1]).toMatchObject({ type: 'buffered-amount' });
    expect((events[low - 1] as { amount: number }).amount).toBeLessThanOrEqual(10_000);
  });

  test('C18: to a peer that does not read, the buffered amount stays exact and no event is repeated', () => {
    const both = connect();
    const { a, b } = openChannel(both);
    both.b.channels.pauseReading(b);
    for (let i = 0; i < 40; i++) both.a.channels.send(a, new Uint8Array(65_536), both.link.now());
    both.link.run(60_000);
    const amount = both.a.channels.bufferedAmount(a);
    expect(amount).toBe(both.a.association.bufferedAmount(0));
    expect(amount).toBeGreaterThan(1_000_000);
    const before = both.link.eventsOfA.length;
    both.link.run(60_000);
    expect(both.link.eventsOfA.length - before).toBeLessThan(5);
    expect(received(both.link.eventsOfB)).toHaveLength(0);
    both.b.channels.resumeReading(b, both.link.now());
    both.link.run(10_000);
    expect(received(both.link.eventsOfB)).toHaveLength(40);
    expect(both.a.channels.bufferedAmount(a)).toBe(0);
  });
});

describe('not reading', () => {
  test('what is held comes in order when reading goes on, also behind the end of the channel', () => {
    const both = connect();
    const { a, b } = openChannel(both);
    both.b.channels.pauseReading(b);
    both.a.channels.send(a, 'one', both.link.now());
    both.a.channels.send(a, 'two', both.link.now());
    both.a.channels.close(a, both.link.now());
    both.link.run(2000);
    expect(types(both.link.eventsOfB, b)).toEqual(['incoming', 'open']);
    expect(types(both.link.eventsOfA, a)).toEqual(['open', 'closed']);
    both.b.channels.resumeReading(b, both.link.now());
    both.link.run(1);
    expect(types(both.link.eventsOfB, b)).toEqual(['incoming', 'open', 'message', 'message', 'closing', 'closed']);
    expect(both.b.channels.size).toBe(0);
  });

  test('F05: tens of thousands of tiny messages to somebody who does not read: held up to the window, and no more', () => {
    const both = connect();
    const { a, b } = openChannel(both);
    both.b.channels.pauseReading(b);
    for (let i = 0; i < 50_000; i++) both.a.channels.send(a, 'x', both.link.now());
    both.link.run(20_000);
    expect(both.a.channels.bufferedAmount(a)).toBeGreaterThan(20_000);
    both.b.channels.resumeReading(b, both.link.now());
    both.link.run(60_000);
    expect(received(both.link.eventsOfB)).toHaveLength(50_000);
  });
});

describe('closing (RFC 8831 §6.7)', () => {
  test('delivers what was sent, then both sides are closed and the id is free again', () => {
    const both = connect();
    const { a, b } = openChannel(both);
    both.a.channels.send(a, new Uint8Array(30_000), both.link.now());
    both.a.channels.send(a, 'last', both.link.now());
    both.a.channels.close(a, both.link.now());
    both.link.run(2000);
    expect(types(both.link.eventsOfA, a)).toEqual(['open', 'closed']);
    expect(types(both.link.eventsOfB, b)).toEqual(['incoming', 'open', 'message', 'message', 'closing', 'closed']);
    expect([both.a.channels.size, both.b.channels.size]).toEqual([0, 0]);
    const again = openChannel(both, { label: 'again' });
    expect(both.a.channels.id(again.a)).toBe(0);
    both.a.channels.send(again.a, 'hello', both.link.now());
    both.link.run(100);
    expect(received(both.link.eventsOfB).at(-1)).toBe('hello');
  });

  test('what arrives after close() is dropped', () => {
    const both = connect();
    const { a, b } = openChannel(both);
    both.b.channels.send(b, 'crossing', both.link.now());
    both.a.channels.close(a, both.link.now());
    both.link.run(1000);
    expect(received(both.link.eventsOfA)).toEqual([]);
    expect(types(both.link.eventsOfB, b)).toEqual(['incoming', 'open', 'closing', 'closed']);
  });

  test.each([0, 0.2])('C13: at %f loss both sides close all channels at once, and open them again', (loss) => {
    for (let seed = 1; seed <= 5; seed++) {
      const both = connect({ loss, seed });
      for (let round = 0; round < 5; round++) {
        const closedBefore = [of(both.link.eventsOfA, 'closed').length, of(both.link.eventsOfB, 'closed').length];
        const incomingBefore = of(both.link.eventsOfB, 'incoming').length;
        const ours = Array.from({ length: 10 }, (_, i) => both.a.channels.create({ label: `${i}` }, both.link.now()));
        expect(both.link.runUntil(() => of(both.link.eventsOfB, 'incoming').length === incomingBefore + 10, both.link.now() + 60_000)).toBe(
          true,
        );
        const theirs = of(both.link.eventsOfB, 'incoming').slice(incomingBefore);
        for (const channel of ours) both.a.channels.close(channel, both.link.now());
        for (const { channel } of theirs) both.b.channels.close(channel, both.link.now());
        const all = (): boolean =>
          of(both.link.eventsOfA, 'closed').length === closedBefore[0]! + 10 &&
          of(both.link.eventsOfB, 'closed').length === closedBefore[1]! + 10;
        expect(both.link.runUntil(all, both.link.now() + 60_000)).toBe(true);
        both.link.run(5000);
        expect([both.a.channels.size, both.b.channels.size]).toEqual([0, 0]);
      }
      expect(of(both.link.eventsOfB, 'closed').every(({ error }) => error === undefined)).toBe(true);
    }
  });

  test('closed before the handshake is done: the peer never gets to see it', () => {
    const both = pair();
    const channel = both.a.channels.create({ label: 'short' }, 0);
    both.a.start('client');
    both.b.start('server');
    both.a.channels.close(channel, 0);
    both.link.run(3000);
    expect(of(both.link.eventsOfA, 'closed')).toEqual([{ type: 'closed', channel }]);
    expect([both.a.channels.size, both.b.channels.size]).toEqual([0, 0]);
  });

  test('an ABORT closes all channels, with its cause code', () => {
    const both = connect();
    const { a } = openChannel(both);
    both.b.association.abort('gone');
    both.link.run(100);
    expect(of(both.link.eventsOfA, 'closed')).toEqual([{ type: 'closed', channel: a, error: { message: 'gone', sctpCauseCode: 12 } }]);
    expect(both.a.channels.size).toBe(0);
  });

  test('a SHUTDOWN closes all channels without an error; endAll is final', () => {
    const both = connect();
    openChannel(both);
    both.b.association.shutdown(both.link.now());
    both.link.run(1000);
    expect(of(both.link.eventsOfA, 'closed').map(({ error }) => error)).toEqual([undefined]);
    both.a.channels.endAll({ message: 'twice' });
    both.link.flush();
    expect(of(both.link.eventsOfA, 'closed')).toHaveLength(1);
    both.a.channels.handleAssociationEvent({ type: 'message', streamId: 9, ppid: 51, data: Uint8Array.of(1) }, both.link.now());
    expect(both.a.channels.pollEvent()).toBeUndefined();
  });

  test('C11: a message larger than max-message-size closes the channel', () => {
    const both = connect({}, {}, { maxReceivedMessageSize: 10_000 });
    const { a, b } = openChannel(both);
    both.a.channels.send(a, new Uint8Array(10_001), both.link.now());
    both.link.run(1000);
    expect(of(both.link.eventsOfB, 'closed')).toEqual([
      { type: 'closed', channel: b, error: { message: expect.stringContaining('larger') } },
    ]);
    expect(types(both.link.eventsOfA, a)).toEqual(['open', 'closing', 'closed']);
  });

  test('K03: ids are used again, and nothing is left, over 1,000 channels', () => {
    const both = connect({ delay: 1 });
    for (let i = 0; i < 1000; i++) {
      const channel = both.a.channels.create({ label: '' }, both.link.now());
      expect(both.a.channels.id(channel)).toBeLessThan(4);
      both.link.run(10);
      both.a.channels.close(channel, both.link.now());
      both.link.runUntil(() => both.a.channels.size === 0 && both.b.channels.size === 0);
      both.link.eventsOfA.length = 0;
      both.link.eventsOfB.length = 0;
      both.link.wire.length = 0;
    }
    expect([both.a.channels.size, both.b.channels.size]).toEqual([0, 0]);
  });
});

/** What `a` sends on a stream, as if there were no data channels on its side. */
function victim(): { both: Pair; send: (streamId: number, ppid: number, data: Uint8Array) => void; lives: () => boolean } {
  const both = connect();
  const { a, b } = openChannel(both);
  let texts = 0;
  return {
    both,
    send: (streamId, ppid, data) => {
      both.a.association.send(streamId, ppid, data, {}, both.link.now());
      both.link.run(200);
    },
    lives: () => {
      both.a.channels.send(a, `${++texts}`, both.link.now());
      both.b.channels.send(b, `${texts}`, both.link.now());
      both.link.run(300);
      return received(both.link.eventsOfB).at(-1) === `${texts}` && received(both.link.eventsOfA).at(-1) === `${texts}`;
    },
  };
}

/** The server of an association with a peer that has so many streams, and perhaps RE-CONFIG (RFC 6525 §5). */
function stranger(
  outbound: number,
  inbound: number,
  reConfig: boolean,
): { end: End; receive: (type: number, flags: number, value: Uint8Array) => void } {
  const end = new End(1, {});
  const extensions = Uint8Array.of(0x80, 8, 0, 5, reConfig ? CHUNK_TYPE.reConfig : CHUNK_TYPE.data, 0, 0, 0);
  let verificationTag = 0;
  const receive = (type: number, flags: number, value: Uint8Array): void => {
    end.receive(encodePacket({ sourcePort: 5000, destinationPort: 5000, verificationTag }, [{ type, flags, value }]), 0);
    end.pollEvent();
  };
  end.channels.start(end.association, 'server', 0);
  receive(
    CHUNK_TYPE.init,
    0,
    new ByteWriter().uint32(1).uint32(100_000).uint16(outbound).uint16(inbound).uint32(0).bytes(extensions).finish(),
  );
  const { value } = (decodePacket(end.pollTransmit(0)!) as Packet).chunks[0]!;
  verificationTag = readUint32(value, 0);
  const cookie = Buffer.from(value).indexOf(Uint8Array.of(0, 7, 0));
  receive(CHUNK_TYPE.cookieEcho, 0, value.slice(cookie + 4, cookie + value[cookie + 3]!));
  expect(end.association.state).toBe('established');
  return { end, receive };
}

/** DATA with an OPEN, as its chunk has it. */
function openOn(stream: number, tsn: number): Uint8Array {
  return new ByteWriter().uint32(tsn).uint16(stream).uint16(tsn).uint32(50).bytes(encodeOpen(OPEN)).finish();
}

describe('C14: hostile peers (RFC 8832 §6)', () => {
  const lying = encodeOpen(OPEN);
  lying.set([0xff, 0xff], 8);
  const unknownType = encodeOpen(OPEN);
  unknownType[1] = 7;
  test.each([
    ['an OPEN with a length that lies', 50, lying, 'bad-dcep'],
    ['an OPEN of an unknown type', 50, unknownType, 'bad-dcep'],
    ['an OPEN with something behind it', 50, Uint8Array.from([...encodeOpen(OPEN), 0]), 'bad-dcep'],
    ['an unknown DCEP message', 50, Uint8Array.of(9), 'bad-dcep'],
    ['an ACK without an OPEN', 50, Uint8Array.of(2), 'unused-stream'],
    ['user data before an OPEN', 51, Uint8Array.of(65), 'unused-stream'],
  ] as const)('%s: that stream is reset, the others live, and it can be used afterwards', (_, ppid, data, reason) => {
    const { both, send, lives } = victim();
    send(20, ppid, data);
    expect(both.b.channels.discards.of(reason)).toBe(1);
    expect(lives()).toBe(true);
    expect(of(both.link.eventsOfB, 'incoming')).toHaveLength(1);
    both.a.association.resetStreams([20], both.link.now());
    both.link.run(500);
    send(20, 50, encodeOpen(OPEN));
    expect(of(both.link.eventsOfB, 'incoming')).toHaveLength(2);
  });

  test('an OPEN with the wrong parity is refused', () => {
    const { both, send, lives } = victim();
    send(21, 50, encodeOpen(OPEN));
    expect(both.b.channels.discards.of('wrong-parity')).toBe(1);
    expect(lives()).toBe(true);
  });

  test('an OPEN on a stream in use closes that channel', () => {
    const { both, send, lives } = victim();
    const second = openChannel(both, { label: 'second' });
    send(2, 50, encodeOpen(OPEN));
    expect(types(both.link.eventsOfB, second.b)).toEqual(['incoming', 'open', 'closing', 'closed']);
    expect(lives()).toBe(true);
  });

  test('labels of channels that are closed do not count', () => {
    const both = connect();
    for (let i = 0; i < 70; i++) {
      both.a.channels.close(openChannel(both, { label: 'x'.repeat(65_535) }).a, both.link.now());
      both.link.runUntil(() => both.a.channels.size + both.b.channels.size === 0, both.link.now() + 5000);
    }
    expect(both.b.channels.discards.of('too-many-labels')).toBe(0);
  });

  test('an OPEN on a stream that we do not have: nothing could be sent back', () => {
    const { end, receive } = stranger(100, 10, true);
    for (let i = 0; i < 2; i++) receive(CHUNK_TYPE.data, 3, openOn(50, i));
    expect([end.channels.discards.toJSON(), end.channels.size]).toEqual([{ 'bad-dcep': 2 }, 0]);
  });

  test('RFC 8831 §6.7: an id whose streams the peer cannot reset is not used again', () => {
    const { end } = stranger(100, 100, false);
    const ids = [0, 1].map(() => {
      const channel = end.channels.create({ label: '' }, 0);
      const id = end.channels.id(channel);
      end.pollTransmit(0);
      end.channels.close(channel, 0);
      end.pollTransmit(0);
      end.pollEvent();
      return id;
    });
    expect(ids).toEqual([1, 3]);
  });

  test('32,767 channels can be open; more labels than fit in the budget are refused', () => {
    for (const [length, expected] of [
      [100, 32_767],
      [500, Math.floor(4_194_304 / 500)],
    ] as const) {
      // The other side is an association without data channels.
      const a = new SctpAssociation({ crypto: nobleCrypto(seededRandom(1)), maxProbedPacket: 1160 });
      const b = new End(2, {});
      const link = new CoreLink<unknown, DataChannelEvent>(a, b);
      a.connect(0);
      b.start('server');
      for (let id = 0; id < 65_534; id += 2) a.send(id, 50, encodeOpen({ ...OPEN, label: 'x'.repeat(length) }), {}, 0);
      link.run(20_000);
      expect([b.channels.size, b.channels.discards.of('too-many-labels')]).toEqual([expected, 32_767 - expected]);
    }
  });
});
