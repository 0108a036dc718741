import { nodeCrypto } from '@petrel/crypto/node';
import { formatCandidate, IceAgent, parseCandidate, requestedFragment } from '@petrel/ice';
import { encodeStunMessage, newTransactionId, parseStunMessage, shortTermKey, type StunAttributes } from '@petrel/stun';

const crypto = nodeCrypto();
const REMOTE = { usernameFragment: 'peer', password: 'p'.repeat(24) };
const FROM = ['192.0.2.2', 5002] as const;

/** An agent in the middle of its checks, with a socket, a TCP connection and a peer. */
function checkingAgent(): IceAgent {
  const agent = new IceAgent({ crypto, role: 'controlling' });
  agent.addSocket(1, { protocol: 'udp', address: '192.0.2.1', port: 5001 }, 0);
  agent.addSocket(2, { protocol: 'tcp', address: '192.0.2.1', port: 443 }, 0);
  agent.endOfSockets(0);
  agent.setRemoteParameters(REMOTE, 0);
  agent.addRemoteCandidate(parseCandidate(`1 1 udp 2130706431 ${FROM[0]} ${FROM[1]} typ host`)!, 0);
  agent.streamAccepted(3, 2, FROM[0], 40_000, 0);
  return agent;
}

function drain(agent: IceAgent): Uint8Array[] {
  const sent: Uint8Array[] = [];
  for (let transmit = agent.pollTransmit(0); transmit; transmit = agent.pollTransmit(0)) sent.push(transmit.data);
  while (agent.pollPayload(0) !== undefined);
  while (agent.pollEvent() !== undefined);
  return sent;
}

const longLived = checkingAgent();
drain(longLived);

/** A request that is authentic, with whatever attributes the input has. */
function authenticRequest(agent: IceAgent, input: Uint8Array): Uint8Array {
  const { usernameFragment, password } = agent.localParameters;
  const parsed = parseStunMessage(input, { keyFor: () => 'unprotected' }).message?.attributes ?? {};
  const attributes: StunAttributes = { ...parsed, username: `${usernameFragment}:peer` };
  delete attributes.software;
  const message = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
  try {
    return encodeStunMessage(message, { key: shortTermKey(crypto, password), fingerprint: true });
  } catch {
    return input;
  }
}

export const targets: Record<string, (input: Uint8Array) => void> = {
  candidate(input) {
    const candidate = parseCandidate(new TextDecoder('latin1').decode(input));
    if (candidate === undefined) return;
    const line = formatCandidate(candidate);
    if (formatCandidate(parseCandidate(line)!) !== line) throw new Error(`not a fixed point: ${line}`);
    const agent = checkingAgent();
    agent.addRemoteCandidate(candidate, 1);
    agent.handleTimeout(60_000);
  },
  datagram(input) {
    longLived.receive(1, input, ...FROM, 10);
    drain(longLived);
    requestedFragment(input);
    if (longLived.stats.pairs.length > 1) throw new Error('an unauthenticated datagram made a pair');
  },
  authentic(input) {
    const agent = checkingAgent();
    drain(agent);
    agent.receive(1, authenticRequest(agent, input), ...FROM, 10);
    for (const time of [60, 1_000, 40_000, 100_000]) agent.handleTimeout(time);
    drain(agent);
  },
  /** An answer to our check: the class and the attributes are the input's. */
  response(input) {
    const agent = checkingAgent();
    const check = drain(agent)[0]!;
    const parsed = parseStunMessage(input, { keyFor: () => 'unprotected' }).message;
    if (parsed === undefined) return;
    const response = { ...parsed, method: 'binding', transactionId: check.slice(8, 20) } as const;
    try {
      const bytes = encodeStunMessage(response, { key: shortTermKey(crypto, REMOTE.password), fingerprint: true });
      agent.receive(1, bytes, ...FROM, 10);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    for (const time of [60, 1_000, 40_000, 100_000]) agent.handleTimeout(time);
    drain(agent);
  },
  tcp(input) {
    const agent = checkingAgent();
    for (let offset = 0, size = 1; offset < input.length; offset += size, size = (size % 31) + 1)
      agent.streamData(3, input.slice(offset, offset + size), 10);
    drain(agent);
  },
};

const request = (attributes: StunAttributes): Uint8Array =>
  encodeStunMessage({ class: 'request', method: 'binding', transactionId: new Uint8Array(12), attributes }, { fingerprint: true });
const lines = [
  'candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host',
  'candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998 generation 0',
  'candidate:3 1 tcp 1518280447 2001:db8::1 9 typ host tcptype passive ufrag peer',
  'candidate:4 2 udp 16777215 name.local 50000 typ relay raddr :: rport 0',
];
export const seeds: Uint8Array[] = [
  ...lines.map((line) => new TextEncoder().encode(line)),
  request({ username: 'a:b', priority: 1, iceControlling: 1n, useCandidate: true }),
  request({ username: 'a:b', priority: 0xffff_ffff, iceControlled: 0xffff_ffff_ffff_ffffn }),
  encodeStunMessage({
    class: 'success',
    method: 'binding',
    transactionId: new Uint8Array(12),
    attributes: { xorMappedAddress: { address: '192.0.2.1', port: 5001 } },
  }),
  encodeStunMessage({
    class: 'error',
    method: 'binding',
    transactionId: new Uint8Array(12),
    attributes: { errorCode: { code: 487, reason: '' } },
  }),
  encodeStunMessage({
    class: 'error',
    method: 'binding',
    transactionId: new Uint8Array(12),
    attributes: { errorCode: { code: 403, reason: '' } },
  }),
  Uint8Array.of(0, 3, 22, 254, 253, 0, 0, 255, 255, 1),
];
