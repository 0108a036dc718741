import { readFileSync } from 'node:fs';
import { fromHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import {
  encodeStunMessage,
  formatIpAddress,
  FrameReader,
  measureStunFrame,
  newTransactionId,
  parseIpAddress,
  parseStunMessage,
  shortTermKey,
  StunClient,
  type StunMessage,
} from '@petrel/stun';

const crypto = nodeCrypto();
const key = shortTermKey(crypto, 'VOkJxbRl1RmTxUk/WvJxBt');
const vectorsOf = (name: string): { hex: string }[] =>
  Object.values(JSON.parse(readFileSync(`packages/stun/test/vectors/${name}`, 'utf8'))).flat() as never;

export const seeds: Uint8Array[] = [...vectorsOf('rfc5769-rfc8489-messages.json'), ...vectorsOf('malformed-messages.json')]
  .filter(({ hex }) => hex !== undefined)
  .map(({ hex }) => fromHex(hex));

function withRightLength(input: Uint8Array): Uint8Array {
  const whole = input.slice(0, input.length - (input.length % 4));
  if (whole.length >= 20) whole.set([0, 1, (whole.length - 20) >> 8, (whole.length - 20) & 255, 0x21, 0x12, 0xa4, 0x42]);
  return whole;
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, inner) => (inner instanceof Uint8Array ? [...inner] : typeof inner === 'bigint' ? `${inner}n` : inner));
}

/** What was read can be written, and reads the same. */
function checkFixedPoint(message: StunMessage): void {
  let bytes: Uint8Array;
  try {
    bytes = encodeStunMessage(message, { key, fingerprint: true });
  } catch (error) {
    if (error instanceof RangeError) return; // text between 509 and 763 bytes is read but not written
    throw error;
  }
  const again = parseStunMessage(bytes, { keyFor: () => key, fingerprint: 'required' });
  if (again.message === undefined) throw new Error(`what was read is not accepted when written: ${again.discard}`);
  if (textOf(again.message) !== textOf(message)) throw new Error(`not a fixed point: ${textOf(message)} became ${textOf(again.message)}`);
}

export const targets: Record<string, (input: Uint8Array) => void> = {
  message(input) {
    parseStunMessage(input, { keyFor: () => key });
  },
  /** The header is put right, so that mutations reach the attributes. */
  attributes(input) {
    const { message } = parseStunMessage(withRightLength(input), { keyFor: () => 'unprotected' });
    if (message !== undefined) checkFixedPoint(message);
  },
  /** A response to a request that waits, protected by nothing or anything. */
  response(input) {
    const client = new StunClient({ crypto, credentials: { username: 'user', password: 'pass' } });
    client.request('allocate', {}, 0);
    const request = client.pollTransmit()!;
    const response = withRightLength(input);
    if (response.length < 20) return;
    response.set([input[0]! & 1, 0x13], 0);
    response.set(request.subarray(8, 20), 8);
    client.receive(response, 1);
    client.handleTimeout(100_000);
    while (client.pollEvent() !== undefined);
  },
  stream(input) {
    const reader = new FrameReader(measureStunFrame);
    for (let offset = 0, size = 1; offset < input.length; offset += size, size = (size % 13) + 1) {
      reader.push(input.slice(offset, offset + size));
      while (reader.next() !== undefined);
    }
    if (reader.buffered > input.length) throw new Error('more is buffered than was received');
  },
  address(input) {
    const parsed = parseIpAddress(new TextDecoder('latin1').decode(input.subarray(0, 60)));
    if (parsed === undefined) return;
    const text = formatIpAddress(parsed);
    if (formatIpAddress(parseIpAddress(text)!) !== text) throw new Error(`not canonical: ${text}`);
  },
};

seeds.push(
  ...['192.0.2.1', '2001:db8::1', '::ffff:1.2.3.4', '::', '1:2:3:4:5:6:7:8', 'fe80::1%eth0'].map((text) => new TextEncoder().encode(text)),
  encodeStunMessage({
    class: 'request',
    method: 'binding',
    transactionId: newTransactionId(crypto),
    attributes: {
      passwordAlgorithms: [{ algorithm: 1, parameters: Uint8Array.of(1, 2, 3) }],
      unknownAttributes: [1, 2],
      icmp: { type: 3, code: 4, data: 5 },
    },
  }),
);
