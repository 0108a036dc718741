import { fromHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import { encodeStunMessage, longTermKey, type StunAttributes, type StunClass, type StunMethod } from '@petrel/stun';
import { parseIceServerUrl, TurnClient } from '@petrel/turn';

const crypto = nodeCrypto();
const credentials = { username: 'alice', password: 'secret' };
const challenge: StunAttributes = { errorCode: { code: 401, reason: 'Unauthorized' }, realm: 'example.org', nonce: 'obMatJos2AAAB1234' };
const key = longTermKey(crypto, credentials, 'example.org');
const peer = { address: '198.51.100.7', port: 7000 };

function message(
  kind: StunClass,
  method: StunMethod,
  transactionId: Uint8Array,
  attributes: StunAttributes,
  authenticated = false,
): Uint8Array {
  return encodeStunMessage({ class: kind, method, transactionId, attributes }, authenticated ? { key } : {});
}

/** The transaction of the request that the client sent last. */
function lastTransaction(turn: TurnClient): Uint8Array {
  let last = new Uint8Array(20);
  for (let sent = turn.pollTransmit(); sent; sent = turn.pollTransmit()) last = Uint8Array.from(sent);
  return last.subarray(8, 20);
}

/** A client with an allocation and a channel. */
function allocated(transport: 'udp' | 'stream'): TurnClient {
  const turn = new TurnClient({ crypto, username: credentials.username, credential: credentials.password, transport });
  turn.start(0);
  turn.receive(message('error', 'allocate', lastTransaction(turn), { ...challenge, nonce: 'nonce' }), 1);
  const granted = { xorRelayedAddresses: [{ address: '203.0.113.5', port: 5000 }], xorMappedAddress: peer, lifetime: 600 };
  turn.receive(message('success', 'allocate', lastTransaction(turn), granted, true), 2);
  turn.bindChannel(peer.address, peer.port, 3);
  turn.receive(message('success', 'channel-bind', lastTransaction(turn), {}, true), 4);
  if (turn.state !== 'allocated') throw new Error(`the set-up ended ${turn.state}`);
  return turn;
}

const datagrams = allocated('udp');

export const targets: Record<string, (input: Uint8Array) => void> = {
  datagram(input) {
    datagrams.receive(input, 5);
    while (datagrams.pollEvent() !== undefined);
    if (datagrams.state !== 'allocated') throw new Error('an unauthenticated message ended the allocation');
  },
  stream(input) {
    const turn = allocated('stream');
    for (let offset = 0; offset < input.length; offset += 7) turn.receive(input.slice(offset, offset + 7), 5);
    while (turn.pollEvent() !== undefined);
  },
  /** An unauthenticated answer to the first request, with the right transaction. */
  challenge(input) {
    const turn = new TurnClient({ crypto, username: credentials.username, credential: credentials.password });
    turn.start(0);
    const transactionId = lastTransaction(turn);
    const answer = Uint8Array.from(input);
    if (answer.length >= 20) answer.set(transactionId, 8);
    turn.receive(answer, 1);
    lastTransaction(turn);
    turn.handleTimeout(1000);
  },
  url(input) {
    try {
      parseIceServerUrl(new TextDecoder().decode(input));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  },
};

const transaction = new Uint8Array(12).fill(7);
export const seeds: Uint8Array[] = [
  message('indication', 'data', transaction, { xorPeerAddresses: [peer], data: Uint8Array.of(1, 2, 3) }),
  message('indication', 'data', transaction, { xorPeerAddresses: [peer], icmp: { type: 3, code: 3, data: 0 } }),
  message('error', 'allocate', transaction, challenge),
  message('error', 'allocate', transaction, { ...challenge, passwordAlgorithms: [{ algorithm: 2, parameters: new Uint8Array(0) }] }),
  message('error', 'allocate', transaction, { ...challenge, nonce: 'n'.repeat(500), realm: 'r'.repeat(500) }),
  message('error', 'allocate', transaction, { errorCode: { code: 300, reason: '' }, alternateServers: [peer] }),
  message('success', 'allocate', transaction, { xorRelayedAddresses: [peer], xorMappedAddress: peer, lifetime: 600 }),
  message('success', 'refresh', transaction, { lifetime: 0 }, true),
  fromHex('40000004aabbccdd'),
  fromHex('40000001aa000000400000023f3f0000'),
  new TextEncoder().encode('turns:turn.example.org:443?transport=tcp'),
  new TextEncoder().encode('stun:[2001:db8::1]:3478'),
];
