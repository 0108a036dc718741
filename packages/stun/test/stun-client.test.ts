import { describe, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import {
  answerChallenge,
  BindingClient,
  encodeStunMessage,
  type IntegrityKey,
  longTermKey,
  parseStunMessage,
  RedirectHistory,
  StunClient,
  type StunAttributes,
  type StunClientEvent,
  type StunClientOptions,
  type StunMessage,
  type StunProtection,
  type TransportAddress,
} from '@petrel/stun';
import { seededRandom } from '@petrel/testing';

const crypto = nodeCrypto(seededRandom(5));
const credentials = { username: 'user', password: 'pass' };
const COOKIE_WITH_ALGORITHMS = 'obMatJos2gAAA';
const COOKIE_WITH_BOTH = 'obMatJos2wAAA';

/** A client, and a server that is played by the test. */
class Exchange {
  readonly client: StunClient;
  readonly sent: { readonly at: number; readonly bytes: Uint8Array; readonly message: StunMessage }[] = [];
  readonly events: StunClientEvent[] = [];
  now = 0;

  constructor(options: Partial<StunClientOptions> = {}) {
    this.client = new StunClient({ crypto, ...options });
  }

  get last(): StunMessage {
    return this.sent[this.sent.length - 1]!.message;
  }

  request(attributes: StunAttributes = {}): number {
    const handle = this.client.request('allocate', attributes, this.now);
    this.flush();
    return handle;
  }

  flush(): void {
    for (let bytes = this.client.pollTransmit(); bytes; bytes = this.client.pollTransmit()) {
      const { message } = parseStunMessage(bytes, { keyFor: () => 'unprotected' });
      this.sent.push({ at: this.now, bytes, message: message! });
    }
    for (let event = this.client.pollEvent(); event; event = this.client.pollEvent()) this.events.push(event);
  }

  /** Lets time pass, timer by timer. */
  run(until: number): void {
    for (let next = this.client.nextTimeout(); next <= until; next = this.client.nextTimeout()) {
      this.now = next;
      this.client.handleTimeout(next);
      this.flush();
    }
    this.now = until;
  }

  /** Answers the last request. */
  answer(
    messageClass: 'success' | 'error',
    attributes: StunAttributes,
    protection: StunProtection = {},
    to: StunMessage = this.last,
  ): void {
    const { method, transactionId } = to;
    this.client.receive(encodeStunMessage({ class: messageClass, method, transactionId, attributes }, protection), this.now);
    this.flush();
  }

  challenge(nonce: string, extra: StunAttributes = {}, code: 401 | 438 = 401): void {
    this.answer('error', { errorCode: { code, reason: '' }, realm: 'realm', nonce, ...extra });
  }

  failure(): unknown {
    const event = this.events.find(({ type }) => type === 'failed');
    return event?.type === 'failed' ? event.failure.reason : undefined;
  }
}

const md5Key = longTermKey(crypto, credentials, 'realm');

/** The key that the last request has to be protected with. */
function verifies(exchange: Exchange, key: IntegrityKey): boolean {
  return parseStunMessage(exchange.sent[exchange.sent.length - 1]!.bytes, { keyFor: () => key }).message !== undefined;
}

describe('S06, RFC 8489 §6.2.1: a request that is never answered', () => {
  test('is sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and has failed at 39.5 s', () => {
    const exchange = new Exchange();
    exchange.request();
    exchange.run(39_499);
    expect(exchange.sent.map(({ at }) => at)).toEqual([0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    expect(exchange.events).toEqual([]);
    exchange.run(100_000);
    expect(exchange.sent).toHaveLength(7);
    expect(exchange.events).toEqual([{ type: 'failed', request: 1, failure: { reason: 'timeout' } }]);
    expect(new Set(exchange.sent.map(({ bytes }) => toHex(bytes))).size).toBe(1);
  });

  test('§6.2.2: over a stream it is sent once, and has failed at 39.5 s', () => {
    const exchange = new Exchange({ reliable: true });
    exchange.request();
    exchange.run(39_499);
    expect([exchange.sent.length, exchange.events.length]).toEqual([1, 0]);
    exchange.run(39_500);
    expect(exchange.failure()).toBe('timeout');
  });

  test('Rc, Rm and RTO can be chosen', () => {
    const exchange = new Exchange({ initialRto: 100, maxTransmissions: 3, lastWait: 4 });
    exchange.request();
    exchange.run(10_000);
    expect(exchange.sent.map(({ at }) => at)).toEqual([0, 100, 300]);
    expect(exchange.failure()).toBe('timeout');
  });

  test('a slow server makes the next timeout longer (RFC 6298), for ten minutes; a repeated request does not count (Karn)', () => {
    const exchange = new Exchange();
    exchange.request();
    exchange.now = 450;
    exchange.answer('success', {});
    exchange.request();
    expect(exchange.client.nextTimeout() - exchange.now).toBe(450 + 4 * 225);
    exchange.run(exchange.now + 2000);
    exchange.answer('success', {});
    exchange.request();
    expect(exchange.client.nextTimeout() - exchange.now).toBe(450 + 4 * 225);
    exchange.answer('success', {});
    exchange.now += 600_001;
    exchange.request();
    expect(exchange.client.nextTimeout() - exchange.now).toBe(500);
  });
});

describe('S07, RFC 8489 §5: transactions', () => {
  test('each has a new id of 96 bits', () => {
    const exchange = new Exchange();
    for (let count = 0; count < 200; count++) exchange.request();
    const ids = exchange.sent.map(({ message }) => toHex(message.transactionId));
    expect(new Set(ids).size).toBe(200);
    expect(ids.every((id) => id.length === 24)).toBe(true);
  });

  test('a response to none of them, or of another method, or twice, changes nothing', () => {
    const exchange = new Exchange();
    exchange.request();
    exchange.answer('success', {}, {}, { ...exchange.last, transactionId: new Uint8Array(12) });
    exchange.answer('success', {}, {}, { ...exchange.last, method: 'refresh' });
    expect(exchange.events).toEqual([]);
    expect(exchange.client.discards.of('unknown-key')).toBe(2);
    exchange.answer('success', {});
    exchange.answer('success', {});
    expect(exchange.events.map(({ type }) => type)).toEqual(['success']);
    expect([exchange.client.pending, exchange.client.nextTimeout()]).toEqual([0, Infinity]);
  });

  test('over a stream, too, one of another method does not end the wait', () => {
    const exchange = new Exchange({ reliable: true });
    exchange.request();
    exchange.answer('success', {}, {}, { ...exchange.last, method: 'refresh' });
    expect([exchange.events, exchange.client.pending]).toEqual([[], 1]);
  });

  test('a cancelled one has no event', () => {
    const exchange = new Exchange();
    exchange.client.cancel(exchange.request());
    exchange.answer('success', {});
    exchange.run(50_000);
    expect([exchange.events, exchange.sent.length]).toEqual([[], 1]);
  });

  test('an indication is handed on; one with unknown required attributes, and a request, are not', () => {
    const exchange = new Exchange();
    const indication = { class: 'indication', method: 'data', transactionId: new Uint8Array(12), attributes: {} } as const;
    expect(exchange.client.receive(encodeStunMessage(indication), 0)).toMatchObject({ class: 'indication', method: 'data' });
    const unknown = Uint8Array.of(...encodeStunMessage(indication), 0x7f, 0, 0, 0);
    unknown[3] = 4;
    expect(exchange.client.receive(unknown, 0)).toBeUndefined();
    expect(exchange.client.receive(encodeStunMessage({ ...indication, class: 'request' }), 0)).toBeUndefined();
    expect(exchange.client.discards.toJSON()).toEqual({ 'unknown-attributes': 1, 'unknown-key': 1 });
  });

  test('§6.3.3: a success response with unknown required attributes is a failure', () => {
    const exchange = new Exchange();
    exchange.request();
    const bytes = encodeStunMessage({ ...exchange.last, class: 'success', attributes: {} });
    const unknown = Uint8Array.of(...bytes, 0x7f, 0, 0, 0);
    unknown[3] = 4;
    exchange.client.receive(unknown, 0);
    exchange.flush();
    expect(exchange.failure()).toBe('unknown-attributes');
  });
});

describe('RFC 8489 §9.2: the long-term mechanism', () => {
  test('the first request has no credentials; the second one the name, the realm, the nonce and an integrity, and later ones too', () => {
    const exchange = new Exchange({ credentials });
    exchange.request({ requestedTransport: 17 });
    expect(exchange.last.attributes).toEqual({ requestedTransport: 17 });
    exchange.challenge('nonce');
    expect(exchange.last.attributes).toEqual({ requestedTransport: 17, username: 'user', realm: 'realm', nonce: 'nonce' });
    expect(verifies(exchange, md5Key)).toBe(true);
    exchange.answer('success', { lifetime: 600 }, { key: md5Key });
    expect(exchange.events).toMatchObject([{ type: 'success', request: 1, message: { attributes: { lifetime: 600 } } }]);
    exchange.request();
    expect(exchange.last.attributes.nonce).toBe('nonce');
    expect(verifies(exchange, md5Key)).toBe(true);
  });

  test('§9.2.5: password algorithms: the first known one, SHA-256 integrity only, and the list is echoed', () => {
    const exchange = new Exchange({ credentials });
    exchange.request();
    const none = new Uint8Array(0);
    const passwordAlgorithms = [
      { algorithm: 77, parameters: Uint8Array.of(1) },
      { algorithm: 2, parameters: none },
      { algorithm: 1, parameters: none },
    ];
    exchange.challenge(`${COOKIE_WITH_BOTH}x`, { passwordAlgorithms });
    const { attributes } = exchange.last;
    expect(attributes).toMatchObject({ passwordAlgorithms, passwordAlgorithm: { algorithm: 2 }, realm: 'realm' });
    expect([attributes.username, attributes.userhash?.length]).toEqual([undefined, 32]);
    const key = longTermKey(crypto, credentials, 'realm', 'sha-256');
    expect(verifies(exchange, key)).toBe(true);
    exchange.answer('success', {}, { key, integrity: 'sha-1' });
    expect(exchange.events).toEqual([]);
    exchange.answer('success', {}, { key, integrity: 'sha-256' });
    expect(exchange.events).toMatchObject([{ type: 'success' }]);
  });

  test.each([
    ['S09: the nonce promises algorithms, and there are none', `${COOKIE_WITH_ALGORITHMS}x`, {}, 'bid-down'],
    ['only unknown algorithms', 'x', { passwordAlgorithms: [{ algorithm: 9, parameters: new Uint8Array(0) }] }, 'no-supported-algorithm'],
  ])('a challenge is not answered when: %s', (_, nonce, extra, reason) => {
    const exchange = new Exchange({ credentials });
    exchange.request();
    exchange.challenge(nonce, extra);
    expect([exchange.failure(), exchange.sent.length]).toEqual([reason, 1]);
  });

  test.each([
    ['nonce', 'é'.repeat(254), 'é'.repeat(255)],
    ['realm', 'r'.repeat(508), 'r'.repeat(509)],
  ])('S09, RFC 8489 §14.9, §14.10: a %s that is too long to be echoed is not answered', (name, longest, tooLong) => {
    const challenge = { realm: 'realm', nonce: 'nonce' };
    expect(answerChallenge(crypto, credentials, { ...challenge, [name]: longest })).toMatchObject({ [name]: longest });
    expect(answerChallenge(crypto, credentials, { ...challenge, [name]: tooLong })).toBe('oversized-challenge');
  });

  test('S09: a server that knew SHA-256 does not get less because a later challenge asks for it', () => {
    const exchange = new Exchange({ credentials });
    exchange.request();
    exchange.challenge('a', { passwordAlgorithms: [{ algorithm: 2, parameters: new Uint8Array(0) }] });
    exchange.challenge('b', {}, 438);
    expect(exchange.failure()).toBe('bid-down');
  });

  test('S09: so is a success response whose nonce promises algorithms that it does not list', () => {
    const exchange = new Exchange();
    exchange.request();
    exchange.answer('success', { nonce: `${COOKIE_WITH_ALGORITHMS}x` });
    expect([exchange.events, exchange.client.discards.of('bid-down')]).toEqual([[], 1]);
  });

  test('without credentials, and without a realm or a nonce, there is no second request', () => {
    const anonymous = new Exchange();
    anonymous.request();
    anonymous.challenge('nonce');
    expect([anonymous.failure(), anonymous.sent.length]).toEqual(['unauthorized', 1]);
    const exchange = new Exchange({ credentials });
    exchange.request();
    exchange.answer('error', { errorCode: { code: 401, reason: '' } });
    expect([exchange.failure(), exchange.sent.length]).toEqual(['unauthorized', 1]);
  });

  test('S08: a 401 to the right name and password is final', () => {
    const exchange = new Exchange({ credentials });
    exchange.request();
    exchange.challenge('a');
    exchange.challenge('b');
    expect([exchange.failure(), exchange.sent.length]).toEqual(['unauthorized', 2]);
  });

  test('S08: a stale nonce is replaced, the same one again is not, and a server that goes on is given up after three', () => {
    const exchange = new Exchange({ credentials });
    exchange.request();
    exchange.challenge('a');
    exchange.challenge('b', {}, 438);
    expect(exchange.last.attributes.nonce).toBe('b');
    exchange.challenge('c', {}, 438);
    exchange.challenge('d', {}, 438);
    expect([exchange.failure(), exchange.sent.length]).toEqual(['too-many-challenges', 4]);
    const stubborn = new Exchange({ credentials });
    stubborn.request();
    stubborn.challenge('a');
    stubborn.challenge('a', {}, 438);
    expect([stubborn.failure(), stubborn.sent.length]).toEqual(['unauthorized', 2]);
  });
});

/** A request that has answered a challenge. */
function authenticated(options: Partial<StunClientOptions> = {}): Exchange {
  const exchange = new Exchange({ credentials, ...options });
  exchange.request();
  exchange.challenge('nonce');
  return exchange;
}

describe('S04, RFC 8489 §9.2.5: responses that are not authenticated', () => {
  const wrong = longTermKey(crypto, { username: 'user', password: 'other' }, 'realm');

  test.each<[string, 'success' | 'error', StunAttributes, StunProtection]>([
    ['without integrity', 'success', {}, {}],
    ['with the integrity of another password', 'success', {}, { key: wrong }],
    ['an error without integrity', 'error', { errorCode: { code: 437, reason: '' } }, {}],
    ['a 400 without integrity', 'error', { errorCode: { code: 400, reason: '' } }, {}],
    ['a redirection without integrity', 'error', { errorCode: { code: 300, reason: '' } }, {}],
  ])('%s: as if never received; at the end the integrity is violated', (_, messageClass, attributes, protection) => {
    const exchange = authenticated();
    exchange.answer(messageClass, attributes, protection);
    expect(exchange.events).toEqual([]);
    exchange.run(100_000);
    expect(exchange.sent).toHaveLength(1 + 7);
    expect(exchange.failure()).toBe('integrity-violated');
  });

  test('over a stream there will be no other response', () => {
    const exchange = authenticated({ reliable: true });
    exchange.answer('success', {}, { key: wrong });
    expect(exchange.failure()).toBe('integrity-violated');
  });

  test('the right one still counts afterwards', () => {
    const exchange = authenticated();
    exchange.answer('success', {}, { key: wrong });
    exchange.answer('success', {}, { key: md5Key });
    expect(exchange.events.map(({ type }) => type)).toEqual(['success']);
  });
});

function server(index: number): TransportAddress {
  return { address: `192.0.2.${index}`, port: 3478 };
}

describe('S08, RFC 8489 §10: redirection', () => {
  test('counts only when it is authenticated', () => {
    const errorCode = { code: 300, reason: 'Try Alternate' };
    const alternateServers = [{ address: '192.0.2.2', port: 3478 }];
    const anonymous = new Exchange();
    anonymous.request();
    anonymous.answer('error', { errorCode, alternateServers });
    expect(anonymous.failure()).toBe('error-response');
    const exchange = new Exchange({ credentials });
    exchange.request();
    exchange.challenge('nonce');
    exchange.answer('error', { errorCode, alternateServers }, { key: md5Key });
    expect(exchange.events).toMatchObject([{ failure: { reason: 'try-alternate', code: 300, attributes: { alternateServers } } }]);
  });

  test('is followed three times, and never to a server that was asked in the last five minutes', () => {
    const history = new RedirectHistory(server(1), 0);
    expect(history.follow(server(1), 1)).toBe(false);
    expect([2, 3, 2, 4, 5].map((index) => history.follow(server(index), 2))).toEqual([true, true, false, true, false]);
    const later = new RedirectHistory(server(1), 0);
    expect([later.follow(server(1), 299_999), later.follow(server(1), 300_000)]).toEqual([false, true]);
  });
});

/** What the client says when a server answers so. */
function answered(attributes: StunAttributes): unknown {
  const client = new BindingClient({ crypto });
  client.start(0);
  const { message } = parseStunMessage(client.pollTransmit()!, { keyFor: () => 'unprotected' });
  const response = encodeStunMessage({ ...message!, class: 'success', attributes });
  expect(client.expects(response)).toBe(true);
  client.receive(response, 30);
  return client.pollEvent();
}

describe('RFC 8489 §12: the Binding client', () => {
  test('says which address we have', () => {
    const address = { address: '198.51.100.7', port: 40_123 };
    const mapped = { type: 'mapped', mappedAddress: address, roundTripTime: 30 };
    expect(answered({ xorMappedAddress: address, mappedAddress: { address: '10.0.0.1', port: 1 } })).toEqual(mapped);
    expect(answered({ mappedAddress: address })).toEqual(mapped); // a server of RFC 3489
  });

  test.each([
    ['no address', {}],
    ['0.0.0.0', { xorMappedAddress: { address: '0.0.0.0', port: 1 } }],
    ['a multicast address', { xorMappedAddress: { address: '224.0.0.1', port: 1 } }],
    ['port 0', { xorMappedAddress: { address: '198.51.100.7', port: 0 } }],
  ])('a response with %s is a failure', (_, attributes) => {
    expect(answered(attributes)).toMatchObject({ type: 'failed' });
  });
});
