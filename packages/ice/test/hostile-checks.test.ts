import { describe, expect, test } from '@jest/globals';
import { IceAgent, type IceServer, requestedFragment } from '@petrel/ice';
import {
  encodeStunMessage,
  newTransactionId,
  parseStunMessage,
  shortTermKey,
  type StunAttributes,
  type StunMessage,
  type StunMethod,
} from '@petrel/stun';
import { connectedPair, type Endpoint, Network, Peer, seededCrypto } from './support/network.ts';
import { iceServer } from './support/simulated-peer.ts';

const crypto = seededCrypto(77);
const HOST = { address: '192.0.2.1', port: 5001 };
const PEER = { address: '192.0.2.2', port: 5002 };
const STRANGER = { address: '198.51.100.66', port: 6666 };
const SERVER = { address: '203.0.113.9', port: 3478 };
const REMOTE = { usernameFragment: 'peer', password: 'p'.repeat(24) };

interface Lone {
  readonly network: Network;
  readonly peer: Peer;
  /** What the agent has sent so far, without checks of its own. */
  readonly answers: () => StunMessage[];
}

/** One agent with a socket, which knows the credentials of its peer. */
function loneAgent(options: Partial<ConstructorParameters<typeof IceAgent>[0]> = {}): Lone {
  const network = new Network();
  const peer = new Peer(network, { role: 'controlled', ...options });
  peer.addSocket(1, HOST);
  peer.input((agent, now) => agent.setRemoteParameters(REMOTE, now));
  const answers = (): StunMessage[] => sentFrom(network, HOST).flatMap(({ message }) => (message.class === 'request' ? [] : [message]));
  return { network, peer, answers };
}

function sentFrom({ packets }: Network, { port }: Endpoint): { message: StunMessage; to: Endpoint }[] {
  return packets.flatMap(({ from, to, data }) => {
    const { message } = parseStunMessage(data, { keyFor: () => 'unprotected' });
    return from.port === port && message !== undefined ? [{ message, to }] : [];
  });
}

interface Forged {
  readonly attributes?: StunAttributes;
  readonly username?: string;
  readonly method?: StunMethod;
}

/** A request with the agent's password, as only its peer can make it. */
function forge({ agent }: Peer, { attributes, username, method = 'binding' }: Forged = {}): Uint8Array {
  const { usernameFragment, password } = agent.localParameters;
  const all = { username: username ?? `${usernameFragment}:peer`, priority: 1_845_501_695, ...attributes };
  const message = { class: 'request', method, transactionId: newTransactionId(crypto), attributes: all } as const;
  return encodeStunMessage(message, { key: shortTermKey(crypto, password), fingerprint: true });
}

/** At an address, an agent that answers checks. */
function answerChecks(network: Network, at: Endpoint, password: string): void {
  network.bind(at, (data, from) => {
    const { message } = parseStunMessage(data, { keyFor: () => 'unprotected' });
    if (message?.class !== 'request') return;
    const response = { ...message, class: 'success', attributes: { xorMappedAddress: from } } as const;
    network.spoof(at, from, encodeStunMessage(response, { key: shortTermKey(crypto, password), fingerprint: true }));
  });
}

describe('requests', () => {
  test.each<[string, Forged, number[]]>([
    ['of another method, with the right integrity', { method: 'refresh' }, [401]],
    ['for a fragment that only begins like ours', {}, [401]],
  ])('%s: no success, no pair', (name, forged, codes) => {
    const { network, peer, answers } = loneAgent();
    const username = `${peer.agent.localParameters.usernameFragment}x`;
    network.spoof(STRANGER, HOST, forge(peer, name.startsWith('for') ? { username } : forged));
    network.clock.advanceBy(1000);
    expect(answers().map(({ attributes }) => attributes.errorCode?.code)).toEqual(codes);
    expect(peer.agent.stats.pairs).toEqual([]);
  });

  test('get no answer once the connection closes', () => {
    const { network, peer, answers } = loneAgent();
    peer.input((agent) => agent.silence());
    network.spoof(PEER, HOST, forge(peer));
    network.clock.advanceBy(1000);
    expect([answers(), peer.agent.stats.pairs]).toEqual([[], []]);
  });

  test('RFC 8445 §7.3.1.5: a nomination of a pair that is not valid waits until it is', () => {
    const { network, peer } = loneAgent();
    network.spoof(PEER, HOST, forge(peer, { attributes: { useCandidate: true, iceControlling: 1n } }));
    network.clock.advanceBy(1000);
    expect(peer.agent.stats.pairs).toMatchObject([{ nominated: false }]);
  });

  test('RFC 8445 §8.1.1: a controlled peer nominates nothing', () => {
    const { network, a, b } = connectedPair();
    const other = { address: '192.0.2.2', port: 6000 };
    answerChecks(network, other, b.agent.localParameters.password);
    for (let i = 0; i < 3; i++) {
      network.spoof(other, HOST, forge(a, { attributes: { useCandidate: true, iceControlled: 1n, priority: 9 } }));
      network.clock.advanceBy(1000);
    }
    expect(a.agent.stats.pairs.find(({ remote }) => remote.port === 6000)).toMatchObject({ state: 'succeeded', nominated: false });
    expect(a.agent.selectedPair?.remote.port).toBe(5002);
  });

  test('I06: a peer-reflexive candidate that works does not make room for those that may not', () => {
    const { network, peer } = loneAgent();
    answerChecks(network, PEER, REMOTE.password);
    network.spoof(PEER, HOST, forge(peer, { attributes: { useCandidate: true, iceControlling: 1n } }));
    network.clock.advanceBy(1000);
    expect(peer.agent.selectedPair?.remote).toMatchObject({ ...PEER, type: 'prflx' });
    for (let port = 10_000; port < 10_100; port++) network.spoof({ ...PEER, port }, HOST, forge(peer));
    network.clock.advanceBy(1000);
    expect(peer.agent.selectedPair?.remote).toMatchObject(PEER);
    expect(peer.agent.stats.remoteCandidates).toHaveLength(32);
  });
});

/** What is left of the pair whose check gets this response. */
function after(respond: (check: StunMessage) => Uint8Array): string | undefined {
  const { network, peer } = loneAgent();
  const candidate = { foundation: '1', component: 1, protocol: 'udp', priority: 9, ...PEER, type: 'host' } as const;
  peer.input((agent, now) => agent.addRemoteCandidate(candidate, now));
  const [check] = sentFrom(network, HOST);
  network.spoof(PEER, HOST, respond(check!.message));
  network.clock.advanceBy(20);
  return peer.agent.stats.pairs[0]?.state;
}

describe('RFC 8445 §7.2.5: success responses', () => {
  const key = shortTermKey(crypto, REMOTE.password);
  const success = ({ method, transactionId }: StunMessage, attributes: StunAttributes): Uint8Array =>
    encodeStunMessage({ class: 'success', method, transactionId, attributes }, { key, fingerprint: true });

  test('without our address it proves nothing; with it, it does', () => {
    expect([after((check) => success(check, {})), after((check) => success(check, { xorMappedAddress: HOST }))]).toEqual([
      'failed',
      'succeeded',
    ]);
  });

  test('RFC 8489 §6.3.3: nor with an attribute that has to be understood, and is not', () => {
    const state = after(({ method, transactionId }) => {
      const attributes = { xorMappedAddress: HOST };
      const bare = encodeStunMessage({ class: 'success', method, transactionId, attributes });
      // Signed by hand, with the unknown attribute.
      const whole = new Uint8Array(bare.length + 4 + 24);
      whole.set(bare);
      whole.set([0x7f, 0xff, 0, 0, 0, 8, 0, 20], bare.length);
      whole[3] = whole.length - 20;
      whole.set(key.compute('sha-1', whole, bare.length + 4), bare.length + 8);
      return whole;
    });
    expect(state).toBe('failed');
  });

  test('RFC 7675 §5.1: one that is received twice does not renew consent', () => {
    const { network, a } = connectedPair();
    network.packets.length = 0;
    network.clock.advanceBy(7000);
    const response = network.packets.findLast(({ to, data }) => to.port === HOST.port && data[0] === 1)!;
    network.options.filter = () => false;
    for (let i = 0; i < 29; i++) {
      network.clock.advanceBy(1000);
      a.receive(1, response.data.slice(), PEER);
    }
    network.clock.advanceTo(response.at + 10 + 30_001);
    expect(a.state).toBe('failed');
  });
});

test('requestedFragment: only of requests, and only from a USERNAME with a colon in it', () => {
  const { peer } = loneAgent();
  const check = forge(peer);
  const { usernameFragment } = peer.agent.localParameters;
  expect(requestedFragment(check)).toBe(usernameFragment);
  const response = check.slice();
  response[0] = 1;
  expect(requestedFragment(response)).toBeUndefined();
  expect(requestedFragment(forge(peer, { username: usernameFragment, attributes: { software: 'a:b' } }))).toBeUndefined();
  expect(requestedFragment(forge(peer, { username: `${'x'.repeat(300)}:peer` }))).toBeUndefined();
});

const mapped = ({ method, transactionId }: StunMessage): Uint8Array =>
  encodeStunMessage({
    class: 'success',
    method,
    transactionId,
    attributes: { xorMappedAddress: { address: '198.51.100.1', port: 1 } },
  });

const challenge = ({ method, transactionId }: StunMessage): Uint8Array => {
  const attributes = { errorCode: { code: 401, reason: '' }, realm: 'r', nonce: 'n' };
  return encodeStunMessage({ class: 'error', method, transactionId, attributes });
};

describe('S07, RFC 8489 §6.3: what is not from the server that was asked', () => {
  const SECOND = { address: '192.0.2.1', port: 5011 };

  /** An agent that has asked a server; what comes from elsewhere, or to another socket, with the same transaction; then the answer. */
  function asked(server: IceServer): Lone & { forgeries: (answer: (request: StunMessage) => Uint8Array) => void; request: StunMessage } {
    const network = new Network();
    const peer = new Peer(network, { role: 'controlling', servers: [server] });
    peer.addSocket(1, HOST);
    const request = sentFrom(network, HOST).find(({ to }) => to.port === SERVER.port)!.message;
    peer.addSocket(2, SECOND);
    const forgeries = (answer: (request: StunMessage) => Uint8Array): void => {
      network.spoof({ ...SERVER, address: '203.0.113.66' }, HOST, answer(request));
      network.spoof({ ...SERVER, port: 3479 }, HOST, answer(request));
      network.spoof(SERVER, SECOND, answer(request));
      network.clock.advanceBy(100);
    };
    return { network, peer, answers: () => [], forgeries, request };
  }

  test('a STUN server: no candidate', () => {
    const { network, peer, forgeries, request } = asked(iceServer(`stun:${SERVER.address}`));
    const candidates = (): string[] => peer.agent.stats.localCandidates.map(({ type }) => type).filter((type) => type === 'srflx');
    forgeries(mapped);
    expect(candidates()).toEqual([]);
    network.spoof(SERVER, HOST, mapped(request));
    network.clock.advanceBy(100);
    expect(candidates()).toEqual(['srflx']);
  });

  test('a TURN server: the credentials are not used', () => {
    const { network, forgeries, request } = asked(iceServer(`turn:${SERVER.address}`, { username: 'alice', credential: 'secret' }));
    const used = (): number => sentFrom(network, HOST).filter(({ message }) => message.attributes.username === 'alice').length;
    forgeries(challenge);
    expect(used()).toBe(0);
    network.spoof(SERVER, HOST, challenge(request));
    network.clock.advanceBy(100);
    expect(used()).toBe(1);
  });
});

test('16 allocations, however many servers there are', () => {
  const network = new Network();
  const servers = Array.from({ length: 40 }, (_, i) => iceServer(`turn:203.0.113.${i + 1}`, { username: 'alice', credential: 'secret' }));
  const peer = new Peer(network, { role: 'controlling', servers });
  peer.addSocket(1, HOST);
  network.clock.advanceBy(1000);
  expect(new Set(sentFrom(network, HOST).map(({ to }) => to.address)).size).toBe(16);
});

test.each(['host.example', '2001:DB8::1'])('a candidate with a name, or another form of an address, is of no use: %s', (address) => {
  const { peer } = loneAgent();
  const candidate = {
    foundation: '1',
    component: 1,
    protocol: 'udp',
    priority: 9,
    address,
    port: 9,
    type: 'host',
  } as const;
  expect(peer.input((agent, now) => agent.addRemoteCandidate(candidate, now))).toBe(false);
});

test('I18: the connection to a candidate that closes it is opened five times', () => {
  const { network, peer } = loneAgent({ tcpActive: true });
  const opened: number[] = [];
  peer.onStreamEvent = ({ type, id }) => {
    if (type !== 'open-stream') return;
    opened.push(id);
    network.clock.schedule(network.now() + 10, () => peer.input((agent, now) => agent.streamClosed(id, now)));
  };
  const candidate = { foundation: '1', component: 1, protocol: 'tcp', tcpType: 'passive', priority: 9, ...PEER, type: 'host' } as const;
  peer.input((agent, now) => agent.addRemoteCandidate(candidate, now));
  network.clock.advanceBy(60_000);
  expect(opened).toHaveLength(5);
});
