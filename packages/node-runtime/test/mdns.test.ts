import { createSocket, type Socket } from 'node:dgram';
import { afterEach, describe, expect, test } from '@jest/globals';
import { fromHex } from '@petrel/bytes';
import { decodeQuestion, decodeResponse, encodeAnswer, encodeQuery } from '../src/mdns-message.ts';
import { AnswerBudget, MdnsResponder } from '../src/mdns-responder.ts';
import { isMulticastName, MdnsResolver } from '../src/mdns-resolver.ts';
import { multicast } from '../src/mdns-sockets.ts';
import { networkInterfaces } from '../src/network-interfaces.ts';
import { OpenHandles } from '../src/open-handles.ts';

/** Not 5353: another responder on the machine must not get into the test, nor the test into its records. */
const PORT = 45_353;
const NAME = '7b1e2f6c-0d3f-4a7e-9f3c-1d2e3f4a5b6c.local';

const name = (text: string): number[] => [...text.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]), 0];
const record = (owner: number[], type: number, data: readonly number[], ttl = 120, recordClass = 0x8001): number[] => [
  ...owner,
  0,
  type,
  recordClass >> 8,
  recordClass & 255,
  0,
  0,
  0,
  ttl,
  0,
  data.length,
  ...data,
];
const response = (records: readonly number[][], flags = [0x84, 0]): Uint8Array =>
  Uint8Array.from([0, 0, ...flags, 0, 0, 0, records.length, 0, 0, 0, 0, ...records.flat()]);

describe('messages', () => {
  test('RFC 1035 §4.1, RFC 6762 §18: a query asks for A and AAAA with identifier zero', () => {
    expect(encodeQuery('a.local')).toEqual(fromHex('000000000002000000000000 0161056c6f63616c0000010001 0161056c6f63616c00001c0001'));
    expect(() => encodeQuery(`${'x'.repeat(64)}.local`)).toThrow(RangeError);
  });

  test('addresses of a response, with compressed names, in lower case', () => {
    const v6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    expect(decodeResponse(response([record(name('HoSt.local'), 1, [192, 0, 2, 7]), record([0xc0, 12], 28, v6)]))).toEqual([
      { name: 'host.local', address: '192.0.2.7' },
      { name: 'host.local', address: '2001:db8::1' },
    ]);
  });

  test('queries, errors, goodbyes, other classes and types give nothing', () => {
    const a = record(name('a.local'), 1, [192, 0, 2, 7]);
    for (const flags of [
      [0, 0],
      [0x84, 3],
      [0xa4, 0],
    ])
      expect(decodeResponse(response([a], flags))).toEqual([]);
    expect(decodeResponse(response([record(name('a.local'), 1, [192, 0, 2, 7], 0)]))).toEqual([]);
    expect(decodeResponse(response([record(name('a.local'), 1, [192, 0, 2, 7], 9, 3)]))).toEqual([]);
    expect(decodeResponse(response([record(name('a.local'), 1, [192, 0, 2])]))).toEqual([]);
    expect(decodeResponse(response([record(name('a.local'), 28, [192, 0, 2, 7])]))).toEqual([]);
    expect(decodeResponse(response([record(name('a.local'), 16, [1, 65])]))).toEqual([]);
  });

  test('every truncation, a pointer loop and a false count end without a throw', () => {
    const whole = response([record(name('a.local'), 1, [192, 0, 2, 7])]);
    for (let length = 0; length < whole.length; length++) expect(decodeResponse(whole.subarray(0, length))).toEqual([]);
    expect(decodeResponse(response([record([0xc0, 12], 1, [192, 0, 2, 7])]))).toEqual([]);
    expect(decodeResponse(fromHex('00008400ffffffffffffffff'))).toEqual([]);
  });

  test('draft-ietf-mmusic-mdns-ice-candidates §3.2.1: only one label before .local', () => {
    expect(['a.local', 'A.LOCAL', 'a.b.local', '.local', 'local', 'a.localx'].map(isMulticastName)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('resolver', () => {
  const sockets: Socket[] = [];
  afterEach(() => sockets.splice(0).forEach((socket) => socket.close()));

  const open = (port: number): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = createSocket({ type: 'udp4', reuseAddr: true });
      sockets.push(socket);
      socket.bind(port, () => resolve(socket));
    });

  /** Answers like a system's responder (unicast to a one-shot querier) or like a browser's (to the group only). */
  async function responder(how: 'unicast' | 'multicast', records: number[][], sourcePort = PORT): Promise<void> {
    const external = networkInterfaces().filter(({ family, internal }) => family === 4 && !internal);
    const address = external[0]?.address ?? '127.0.0.1';
    const [listening, sending] = [await open(PORT), await open(sourcePort)];
    listening.addMembership('224.0.0.251', address);
    sending.setMulticastInterface(address);
    listening.on('message', (query, { address: from, port }) => {
      if (query[2]! & 0x80) return;
      if (how === 'multicast') sending.send(response(records), PORT, '224.0.0.251');
      else if (port !== PORT) sending.send(response(records), port, from);
    });
  }

  for (const how of ['unicast', 'multicast'] as const)
    test(`RFC 6762 §5.1, §6.7: a name is resolved by a ${how} answer; nothing stays open`, async () => {
      await responder(how, [record(name('other.local'), 1, [9, 9, 9, 9]), record(name(NAME), 1, [192, 0, 2, 7])]);
      const handles = new OpenHandles();
      const resolver = new MdnsResolver(handles, PORT);
      const [first, second] = await Promise.all([resolver.resolve(NAME), resolver.resolve(NAME.toUpperCase())]);
      expect(first).toEqual(['192.0.2.7']);
      expect(second).toEqual(['192.0.2.7']);
      expect(handles.list()).toEqual([]);
    });

  test('I15, RFC 6762 §6: a name that only a wrong port answers for rejects after five seconds; more than 64 at once are refused', async () => {
    await responder('unicast', [record(name(NAME), 1, [192, 0, 2, 7])], 0);
    const handles = new OpenHandles();
    const resolver = new MdnsResolver(handles, PORT);
    const attempts = Array.from({ length: 65 }, (_, i) => resolver.resolve(i === 0 ? NAME : `n${i}.local`));
    expect(handles.list()).toEqual(['mdns']);
    const outcomes = await Promise.allSettled(attempts);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENOTFOUND' } });
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && /too many/.test(String(outcome.reason))).indexOf(true)).toBe(64);
    expect(handles.list()).toEqual([]);
  }, 15_000);
});

describe('own names', () => {
  const PORT_OF_OWN = PORT + 1;
  const setUp = (): { handles: OpenHandles; resolver: MdnsResolver; responder: MdnsResponder } => {
    const handles = new OpenHandles();
    return { handles, resolver: new MdnsResolver(handles, PORT_OF_OWN), responder: new MdnsResponder(handles, PORT_OF_OWN) };
  };

  test('draft-ietf-mmusic-mdns-ice-candidates §3.1: a name is answered for, in either family, until it is withdrawn', async () => {
    const { handles, resolver, responder } = setUp();
    const other = NAME.replace('7b', '8c');
    const advertisements = [responder.advertise(NAME, '192.0.2.7'), responder.advertise(other, '2001:db8::7')];
    // Somebody asks for a name that is not ours.
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    multicast(socket, encodeQuery('nobody.local'), PORT_OF_OWN);
    expect(await resolver.resolve(NAME.toUpperCase())).toEqual(['192.0.2.7']);
    socket.close();
    expect(await resolver.resolve(other)).toEqual(['2001:db8::7']);
    advertisements[0]!.close();
    expect(handles.list()).toEqual(['mdns responder']);
    advertisements[1]!.close();
    advertisements[1]!.close();
    expect(handles.list()).toEqual([]);
  });

  test('RFC 6762 §6.7: the answer to another port repeats identifier and question, and is not to be cached for long', () => {
    const answer = encodeAnswer('a.local', '192.0.2.7', 0x1234);
    expect(answer).toEqual(
      fromHex('123484000001000100000000 0161056c6f63616c00 0001 0001 0161056c6f63616c00 0001 0001 0000000a 0004 c0000207'),
    );
    expect(decodeResponse(answer)).toEqual([{ name: 'a.local', address: '192.0.2.7' }]);
    expect(decodeResponse(encodeAnswer('a.local', '2001:db8::1'))).toEqual([{ name: 'a.local', address: '2001:db8::1' }]);
  });

  test('F02: fifty answers in a second, and sixteen names of one question', () => {
    const budget = new AnswerBudget();
    const answered = (now: number): number => Array.from({ length: 200 }, () => budget.take(now)).filter(Boolean).length;
    expect([answered(100), answered(1999), answered(2000)]).toEqual([50, 50, 50]);
    const questions = Array.from({ length: 20 }, (_, i) => [...name(`n${i}.local`), 0, 1, 0, 1]);
    expect(decodeQuestion(Uint8Array.from([0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, ...questions.flat()]))?.names).toHaveLength(16);
  });

  test('questions: own kinds only, no responses, every truncation', () => {
    const query = encodeQuery('A.local');
    expect(decodeQuestion(query)).toEqual({ id: 0, names: ['a.local'] });
    for (let length = 0; length < query.length; length++) expect(decodeQuestion(query.subarray(0, length))).toBeUndefined();
    expect(decodeQuestion(response([]))).toBeUndefined();
    const text = query.slice();
    text[22] = 16;
    expect(decodeQuestion(text.subarray(0, 25).map((byte, at) => (at === 5 ? 1 : byte)))).toEqual({ id: 0, names: [] });
  });
});
