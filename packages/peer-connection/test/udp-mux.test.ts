import { beforeEach, describe, expect, test } from '@jest/globals';
import { seededRandom, SimulatedNetwork, type SimulatedHost } from '@petrel/testing';
import { joinUdpMux, UdpMux, type UdpMuxMember, type UdpMuxMembership } from '../src/mux/udp-mux.ts';

const COOKIE = [0x21, 0x12, 0xa4, 0x42];

/** A STUN message of a type, with a transaction and perhaps a USERNAME. */
function stun(type: number, transaction: number, username?: string): Uint8Array {
  const name = new TextEncoder().encode(username ?? '');
  const attribute = username === undefined ? [] : [0, 6, 0, name.length, ...name, ...Array.from({ length: -name.length & 3 }, () => 0)];
  const id = [0, 0, 0, 0, 0, 0, 0, 0, transaction >>> 24, (transaction >>> 16) & 255, (transaction >>> 8) & 255, transaction & 255];
  return Uint8Array.from([type >> 8, type & 255, attribute.length >> 8, attribute.length & 255, ...COOKIE, ...id, ...attribute]);
}

const REQUEST = 0x0001;
const SUCCESS = 0x0101;
const ALLOCATE = 0x0003;

class Member implements UdpMuxMember {
  readonly received: string[] = [];
  isAuthentic = true;
  /** What an authentic message is worth. */
  standing: 'valid' | 'authentic' = 'valid';
  closed = 0;
  readonly membership: UdpMuxMembership;

  constructor(mux: UdpMux, ...fragments: string[]) {
    this.membership = joinUdpMux(mux, this);
    for (const fragment of fragments) this.membership.addFragment(fragment);
  }

  receive(_socket: number, data: Uint8Array, address: string, port: number): 'valid' | 'authentic' | undefined {
    this.received.push(`${address}:${port} ${data.length}`);
    return this.isAuthentic ? this.standing : undefined;
  }

  onMuxClosed(): void {
    this.closed += 1;
  }
}

let network: SimulatedNetwork;
let server: SimulatedHost;
let mux: UdpMux;
beforeEach(async () => {
  network = new SimulatedNetwork({ link: { delay: 1 } });
  server = network.addHost('server', { interfaces: [{ addresses: ['192.0.2.1'] }] });
  network.addHost('client', { interfaces: [{ addresses: ['192.0.2.2'] }] });
  mux = await UdpMux.listen({ port: 5000 }, server.runtime);
});

async function send(data: Uint8Array, port: number): Promise<void> {
  network.inject({ source: { address: '192.0.2.2', port }, destination: { address: '192.0.2.1', port: 5000 }, data });
  await network.run(5);
}

const PAYLOAD = Uint8Array.of(22, 1, 2, 3);

describe('whose a datagram is', () => {
  test('a request is its fragment’s, payload is that of who authenticated the sender, a response that of who asked', async () => {
    const [a, b] = [new Member(mux, 'aaaa'), new Member(mux, 'bbbb')];
    await send(PAYLOAD, 1);
    await send(stun(REQUEST, 1, 'aaaa:peer'), 1);
    await send(PAYLOAD, 1);
    await send(PAYLOAD, 2);
    expect(a.received).toEqual(['192.0.2.2:1 36', '192.0.2.2:1 4']);
    b.membership.send(0, stun(REQUEST, 7, 'peer:bbbb'), '192.0.2.2', 3);
    b.membership.send(0, stun(ALLOCATE, 8), '192.0.2.2', 4);
    await send(stun(SUCCESS, 7), 3);
    await send(stun(ALLOCATE | 0x0110, 8), 4);
    await send(stun(SUCCESS, 9), 3);
    await send(PAYLOAD, 3);
    expect(b.received).toEqual(['192.0.2.2:3 20', '192.0.2.2:4 20', '192.0.2.2:3 4']);
    expect(mux.discards.toJSON()).toEqual({ 'unknown-path': 2, 'unknown-transaction': 1 });
  });

  test('nothing is remembered of a sender that is not authentic', async () => {
    const member = new Member(mux, 'aaaa');
    member.isAuthentic = false;
    for (let port = 1; port <= 100; port++) await send(stun(REQUEST, port, 'aaaa:peer'), port);
    expect(mux.size).toEqual({ transports: 1, fragments: 1, paths: 0, transactions: 0 });
    await send(PAYLOAD, 1);
    expect(member.received).toHaveLength(100);
  });

  test('I02, RFC 8445 §7.3: a check, which can be a copy, gives a path that nobody has, and takes none away', async () => {
    const [a, b] = [new Member(mux, 'aaaa'), new Member(mux, 'bbbb')];
    b.standing = 'authentic';
    await send(stun(REQUEST, 1, 'aaaa:peer'), 1);
    await send(stun(REQUEST, 2, 'bbbb:peer'), 1);
    await send(stun(REQUEST, 3, 'bbbb:peer'), 2);
    await send(PAYLOAD, 1);
    await send(PAYLOAD, 2);
    expect([a.received, b.received.slice(2)]).toEqual([['192.0.2.2:1 36', '192.0.2.2:1 4'], ['192.0.2.2:2 4']]);
  });

  test('a path goes to who has authenticated its sender last', async () => {
    const [a, b] = [new Member(mux, 'aaaa'), new Member(mux, 'bbbb')];
    await send(stun(REQUEST, 1, 'aaaa:peer'), 1);
    await send(stun(REQUEST, 2, 'bbbb:peer'), 1);
    await send(PAYLOAD, 1);
    expect([a.received.length, b.received.length]).toEqual([1, 2]);
    a.membership.leave();
    await send(PAYLOAD, 1);
    expect(b.received).toHaveLength(3);
    b.membership.leave();
    expect(mux.size).toEqual({ transports: 0, fragments: 0, paths: 0, transactions: 0 });
  });
});

describe('limits', () => {
  test('of one member: 64 paths, 256 open transactions, 4 fragments; the newest stay', async () => {
    const member = new Member(mux, ...Array.from({ length: 10 }, (_, index) => `name${index}`));
    for (let port = 1; port <= 100; port++) await send(stun(REQUEST, port, 'name9:peer'), port);
    for (let id = 0; id < 1000; id++) member.membership.send(0, stun(REQUEST, id), '192.0.2.2', 1);
    expect(mux.size).toEqual({ transports: 1, fragments: 4, paths: 64, transactions: 256 });
    const before = member.received.length;
    await send(PAYLOAD, 100);
    await send(PAYLOAD, 1);
    await send(stun(REQUEST, 1, 'name5:peer'), 1);
    await send(stun(REQUEST, 1, 'name6:peer'), 1);
    await send(stun(SUCCESS, 743), 1);
    await send(stun(SUCCESS, 744), 1);
    expect(member.received).toHaveLength(before + 3);
  });

  test('an answered transaction is over, one that is answered with a forgery is not', async () => {
    const member = new Member(mux, 'aaaa');
    member.membership.send(0, stun(REQUEST, 1), '192.0.2.2', 1);
    member.isAuthentic = false;
    await send(stun(SUCCESS, 1), 9);
    expect(mux.size).toMatchObject({ transactions: 1, paths: 0 });
    member.isAuthentic = true;
    await send(stun(SUCCESS, 1), 1);
    expect(mux.size).toMatchObject({ transactions: 0, paths: 1 });
  });

  test('after it has left, or the mux is closed, a member remembers and sends nothing', async () => {
    const [a, b] = [new Member(mux, 'aaaa'), new Member(mux, 'bbbb')];
    a.membership.leave();
    a.membership.addFragment('late');
    a.membership.send(0, stun(REQUEST, 1), '192.0.2.2', 1);
    expect(mux.size).toEqual({ transports: 1, fragments: 1, paths: 0, transactions: 0 });
    mux.close();
    mux.close();
    expect([a.closed, b.closed]).toEqual([0, 1]);
    b.membership.addFragment('late');
    b.membership.send(0, stun(REQUEST, 1), '192.0.2.2', 1);
    expect(mux.size).toEqual({ transports: 0, fragments: 0, paths: 0, transactions: 0 });
    expect(server.runtime.openHandles()).toEqual([]);
  });

  test('F02: every truncation of a check, and 20,000 random datagrams, throw nothing and leave nothing', async () => {
    const member = new Member(mux, 'aaaa');
    const check = stun(REQUEST, 1, 'aaaa:peer');
    member.isAuthentic = false;
    for (let length = 0; length < check.length; length++) await send(check.subarray(0, length), 1);
    const random = seededRandom(7);
    const packets = 20_000;
    for (let count = 0; count < packets; count++) {
      const data = random.randomBytes(random.below(80));
      if (count % 2 === 0) data.set(check.subarray(0, Math.min(8, data.length)));
      network.inject({
        source: { address: '192.0.2.2', port: 1 + random.below(60_000) },
        destination: { address: '192.0.2.1', port: 5000 },
        data,
      });
      if (count % 1000 === 0) await network.run(5);
    }
    await network.run(5);
    expect(mux.size).toEqual({ transports: 1, fragments: 1, paths: 0, transactions: 0 });
    expect(mux.discards.total + member.received.length).toBe(packets + check.length);
  });
});
