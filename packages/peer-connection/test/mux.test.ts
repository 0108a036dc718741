import { describe, expect, test } from '@jest/globals';
import { type SimulatedHost, SimulatedNetwork, SimulatedTurnServer, testCertificate } from '@petrel/testing';
import {
  type MuxOptions,
  type RTCConfiguration,
  type RTCDataChannel,
  RTCPeerConnection,
  type RTCPeerConnectionIceEvent,
  TcpMux,
  type UnknownFragment,
  UdpMux,
} from '../src/index.ts';
import { createRTCCertificate } from '../src/rtc-certificate.ts';

const SERVER = '192.0.2.1';

/** A server whose connections share ports, and clients on hosts of their own. */
class Site {
  readonly network: SimulatedNetwork;
  readonly server: SimulatedHost;
  clients = 0;

  constructor(options: { seed?: number; loss?: number } = {}) {
    this.network = new SimulatedNetwork({ seed: options.seed ?? 1, link: { delay: 10, loss: options.loss ?? 0 } });
    this.server = this.network.addHost('server', { interfaces: [{ addresses: [SERVER] }] });
  }

  /** Runs the simulation until a promise settles. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    await this.network.runUntil(() => settled);
    return promise;
  }

  connection(host: SimulatedHost, configuration: RTCConfiguration): RTCPeerConnection {
    const { runtime } = host;
    const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, host === this.server ? 0 : 1));
    return new RTCPeerConnection({ certificates: [certificate], ...configuration }, runtime);
  }

  /** A client that is connected to the server, with a channel that echoes. */
  async connect(serverOptions: RTCConfiguration, clientOptions: RTCConfiguration = {}, host?: SimulatedHost): Promise<Call> {
    const index = ++this.clients;
    const client = host ?? this.network.addHost(`client ${index}`, { interfaces: [{ addresses: [`198.51.100.${index}`] }] });
    const call = new Call(this, this.connection(this.server, serverOptions), this.connection(client, clientOptions));
    await call.negotiate();
    expect(await this.network.runUntil(() => call.channel.readyState === 'open', 30_000)).toBe(true);
    return call;
  }
}

class Call {
  readonly site: Site;
  readonly ours: RTCPeerConnection;
  readonly theirs: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  readonly received: unknown[] = [];

  constructor(site: Site, ours: RTCPeerConnection, theirs: RTCPeerConnection) {
    this.site = site;
    this.ours = ours;
    this.theirs = theirs;
    this.channel = theirs.createDataChannel('echo');
    ours.ondatachannel = ({ channel }) => void (channel.onmessage = ({ data }) => channel.send(data));
    this.channel.onmessage = ({ data }) => void this.received.push(data);
    for (const [from, to] of [
      [ours, theirs],
      [theirs, ours],
    ] as const)
      from.onicecandidate = ({ candidate }: RTCPeerConnectionIceEvent) => {
        if (candidate !== null && to.signalingState !== 'closed') void to.addIceCandidate(candidate.toJSON()).catch(() => {});
      };
  }

  async negotiate(): Promise<void> {
    const { ours, theirs, site } = this;
    await site.run(
      (async () => {
        await theirs.setLocalDescription();
        await ours.setRemoteDescription(theirs.localDescription!);
        await ours.setLocalDescription();
        await theirs.setRemoteDescription(ours.localDescription!);
      })(),
    );
  }

  async echo(text: string): Promise<boolean> {
    this.channel.send(text);
    return this.site.network.runUntil(() => this.received.includes(text), 10_000);
  }

  get addresses(): string[] {
    return [...this.ours.localDescription!.sdp.matchAll(/a=candidate:\S+ 1 (\S+) \d+ (\S+) (\d+) typ host/g)].map(
      ([, protocol, address, port]) => `${protocol} ${address}:${port}`,
    );
  }
}

async function udpMux(site: Site, options: MuxOptions = {}): Promise<UdpMux> {
  return UdpMux.listen({ port: 5000, ...options }, site.server.runtime);
}

/** A Binding request for a fragment, with an integrity that nobody can have made. */
function check(fragment: string, seed = 0): Uint8Array {
  const username = new TextEncoder().encode(`${fragment}:peer`);
  const padded = (username.length + 3) & ~3;
  const length = 4 + padded + 24;
  const bytes = new Uint8Array(20 + length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 1);
  view.setUint16(2, length);
  view.setUint32(4, 0x2112a442);
  view.setUint32(16, seed);
  view.setUint16(20, 6);
  view.setUint16(22, username.length);
  bytes.set(username, 24);
  view.setUint16(24 + padded, 8);
  view.setUint16(26 + padded, 20);
  return bytes;
}

const NOTHING = { transports: 0, fragments: 0, paths: 0, transactions: 0 };

describe('many connections behind one UDP port', () => {
  test('each one has its data, all of it over the one port; closing frees what is remembered', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const calls: Call[] = [];
    for (let i = 0; i < 8; i++) calls.push(await site.connect({ udpMux: mux }));
    for (const [index, call] of calls.entries()) {
      expect(call.addresses).toEqual([`udp ${SERVER}:5000`]);
      expect(await call.echo(`hello ${index}`)).toBe(true);
      expect(call.received).toEqual([`hello ${index}`]);
    }
    expect(mux.size).toMatchObject({ transports: 8, fragments: 8, paths: 8 });
    expect(site.server.runtime.openHandles().filter((name) => name.startsWith('udp'))).toEqual([`udp ${SERVER} 5000`]);
    for (const { ours } of calls.slice(0, 7)) ours.close();
    await site.network.run(10_000);
    expect(mux.size).toMatchObject({ transports: 1, fragments: 1, paths: 1 });
    expect(await calls[7]!.echo('still here')).toBe(true);
    calls[7]!.ours.close();
    await site.network.run(10_000);
    expect(mux.size).toEqual(NOTHING);
    mux.close();
    expect(site.server.runtime.openHandles()).toEqual([]);
  });

  test('the server offers', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const client = site.network.addHost('client', { interfaces: [{ addresses: ['198.51.100.9'] }] });
    const call = new Call(site, site.connection(client, {}), site.connection(site.server, { udpMux: mux }));
    await call.negotiate();
    expect(await site.network.runUntil(() => call.channel.readyState === 'open', 30_000)).toBe(true);
    expect(await call.echo('from the port')).toBe(true);
  });

  test.each([0.1, 0.3])('over a path that loses %d of the datagrams', async (loss) => {
    const site = new Site({ loss, seed: 5 });
    const mux = await udpMux(site);
    const [a, b] = [await site.connect({ udpMux: mux }), await site.connect({ udpMux: mux })];
    expect(await a.echo('a')).toBe(true);
    expect(await b.echo('b')).toBe(true);
  });

  test('I14, RFC 8445 §9: an ICE restart has another fragment behind the same port, and nothing is lost', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const [call, other] = [await site.connect({ udpMux: mux }), await site.connect({ udpMux: mux })];
    const fragment = (): string => /ice-ufrag:(\S+)/.exec(call.ours.localDescription!.sdp)![1]!;
    for (let i = 0; i < 6; i++) {
      const before = fragment();
      call.theirs.restartIce();
      await call.negotiate();
      expect(fragment()).not.toBe(before);
      expect(await call.echo(`restart ${i}`)).toBe(true);
      await site.network.run(5000);
      expect(call.ours.connectionState).toBe('connected');
    }
    expect(mux.size).toMatchObject({ transports: 2, fragments: 5 });
    expect(await other.echo('other')).toBe(true);
    call.ours.close();
    other.ours.close();
    await site.network.run(10_000);
    expect(mux.size).toEqual(NOTHING);
  });

  test('a peer whose NAT gives it another port is followed, and only on the word of an authentic check (I13)', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const nat = site.network.addNat({ addresses: ['203.0.113.50'] });
    const host = site.network.addHost('behind', { interfaces: [{ addresses: ['10.0.0.2'], nat }] });
    const call = await site.connect({ udpMux: mux }, {}, host);
    expect(await call.echo('before')).toBe(true);
    nat.rebind();
    expect(await call.echo('after')).toBe(true);
    expect(mux.size.paths).toBe(2);
  });

  test('another client from the address and port of one that has gone gets its own connection', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const host = site.network.addHost('reused', { interfaces: [{ addresses: ['198.51.100.77'] }] });
    const first = await site.connect({ udpMux: mux }, { portRange: { min: 6000, max: 6000 } }, host);
    first.theirs.close({ linger: 0 });
    await site.network.run(100);
    const second = await site.connect({ udpMux: mux }, { portRange: { min: 6000, max: 6000 } }, host);
    expect(await second.echo('mine')).toBe(true);
  });

  test('server-reflexive candidates are those of the port, relayed ones come from a socket of their own', async () => {
    const site = new Site();
    const turn = site.network.addHost('turn', { interfaces: [{ addresses: ['203.0.113.9'] }] });
    await SimulatedTurnServer.start(turn, { users: { alice: 'secret' } });
    const nat = site.network.addNat({ addresses: ['203.0.113.60'] });
    const inside = site.network.addHost('inside', { interfaces: [{ addresses: ['10.0.0.1'], nat }] });
    const mux = await UdpMux.listen({ port: 5000 }, inside.runtime);
    const iceServers = [{ urls: ['stun:203.0.113.9', 'turn:203.0.113.9'], username: 'alice', credential: 'secret' }];
    const calls = [0, 1].map(() => site.connection(inside, { udpMux: mux, iceServers }));
    for (const pc of calls) {
      pc.createDataChannel('x');
      await site.run(pc.setLocalDescription());
      await site.run(pc.iceGatheringComplete);
      const candidates = [...pc.localDescription!.sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\S+)/g)].map(
        ([, address, port, type]) => `${type} ${address}${type === 'host' ? `:${port}` : ''}`,
      );
      expect(candidates.toSorted()).toEqual(['host 10.0.0.1:5000', 'relay 203.0.113.9', 'srflx 203.0.113.60']);
    }
    const reflexive = calls.map((pc) => /(\d+) typ srflx raddr (\S+) rport (\d+)/.exec(pc.localDescription!.sdp)!.slice(1));
    expect(reflexive[0]).toEqual(reflexive[1]);
    expect(reflexive[0]!.slice(1)).toEqual(['10.0.0.1', '5000']);
    for (const pc of calls) pc.close();
    await site.network.run(10_000);
    expect(mux.size).toEqual(NOTHING);
    mux.close();
    expect(inside.runtime.openHandles()).toEqual([]);
  });
});

describe('what strangers send to the port', () => {
  test('I02, F02: checks for unknown fragments leave nothing behind, and calls go on', async () => {
    const site = new Site();
    const asked: UnknownFragment[] = [];
    const mux = await udpMux(site, { onUnknownFragment: (request) => asked.push(request) });
    const call = await site.connect({ udpMux: mux });
    const before = mux.size;
    const stranger = site.network.addHost('stranger', { interfaces: [{ addresses: ['203.0.113.99'] }] });
    const answers: Uint8Array[] = [];
    const sockets = [];
    for (let i = 0; i < 20; i++) sockets.push(await stranger.runtime.bindUdp({ address: '203.0.113.99' }, (data) => answers.push(data)));
    for (let i = 0; i < 5000; i++) sockets[i % 20]!.send(check(`stranger${i}`, i), SERVER, 5000);
    await site.network.run(1000);
    expect(mux.size).toEqual(before);
    expect(mux.discards.of('unknown-fragment')).toBe(5000);
    expect(asked.length).toBeLessThanOrEqual(200);
    expect(asked[0]).toMatchObject({ fragment: 'stranger0', remoteAddress: '203.0.113.99' });
    expect(answers).toEqual([]);
    expect(await call.echo('undisturbed')).toBe(true);
  });

  test('I02: a check with the right fragment and a wrong password moves no path, whoever sends it', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const [call, victim] = [await site.connect({ udpMux: mux }), await site.connect({ udpMux: mux })];
    const fragment = /ice-ufrag:(\S+)/.exec(call.ours.localDescription!.sdp)![1]!;
    const { paths } = mux.size;
    const stranger = site.network.addHost('stranger', { interfaces: [{ addresses: ['203.0.113.99'] }] });
    for (let i = 0; i < 500; i++) {
      const socket = await stranger.runtime.bindUdp({ address: '203.0.113.99' }, () => {});
      socket.send(check(fragment, i), SERVER, 5000);
    }
    // From the very address and port of another call's peer.
    const pair = victim.ours.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
    const forged = check(fragment, 1);
    site.network.filter = (packet, host) =>
      host === 'client 2' && packet.source.port === pair.remote.port && packet.data[0] === 23 ? { ...packet, data: forged } : packet;
    victim.channel.send('replaced');
    await site.network.run(100);
    site.network.filter = undefined;
    expect(mux.size.paths).toBe(paths);
    expect(await victim.echo('mine')).toBe(true);
    expect(await call.echo('also')).toBe(true);
  });

  test('datagrams of strangers that are no STUN, responses to nobody’s requests', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const stranger = site.network.addHost('stranger', { interfaces: [{ addresses: ['203.0.113.99'] }] });
    const socket = await stranger.runtime.bindUdp({ address: '203.0.113.99' }, () => {});
    const response = check('x');
    response[0] = 1;
    for (const data of [new Uint8Array(0), new Uint8Array([22]), new Uint8Array(100).fill(128), response]) socket.send(data, SERVER, 5000);
    await site.network.run(100);
    expect(mux.discards.toJSON()).toEqual({ 'unknown-path': 3, 'unknown-transaction': 1 });
    expect(mux.size).toEqual(NOTHING);
  });
});

describe('the port', () => {
  test('X08: in use: listen rejects with EADDRINUSE, and leaves nothing open', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    await expect(udpMux(site)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    mux.close();
    expect(site.server.runtime.openHandles()).toEqual([]);
  });

  test('any free one is the same on every address', async () => {
    const site = new Site();
    const host = site.network.addHost('two', { interfaces: [{ addresses: ['192.0.2.7', '2001:db8::7'] }, { addresses: ['192.0.2.8'] }] });
    const mux = await UdpMux.listen({}, host.runtime);
    expect(mux.addresses).toEqual(['192.0.2.7', '2001:db8::7', '192.0.2.8']);
    const one = await UdpMux.listen({ interfaceFilter: ({ address }) => address === '192.0.2.8' }, host.runtime);
    expect(one.addresses).toEqual(['192.0.2.8']);
    expect(one.port).not.toBe(mux.port);
  });

  test('an announced address takes the place of the real one', async () => {
    const site = new Site();
    await expect(udpMux(site, { announcedAddress: 'example.org' })).rejects.toThrow(TypeError);
    const nat = site.network.addNat({ addresses: ['203.0.113.70'], mapping: 'endpoint-independent', filtering: 'endpoint-independent' });
    const inside = site.network.addHost('inside', { interfaces: [{ addresses: ['10.0.0.1'], nat }] });
    const mux = await UdpMux.listen(
      { port: 5000, announcedAddress: ({ address }) => ({ address: address === '10.0.0.1' ? '203.0.113.70' : 'x', port: 30_000 }) },
      inside.runtime,
    );
    const pc = site.connection(inside, { udpMux: mux });
    pc.createDataChannel('x');
    await site.run(pc.setLocalDescription());
    await site.run(pc.iceGatheringComplete);
    expect(pc.localDescription!.sdp).toMatch(/ 203\.0\.113\.70 30000 typ host/);
    expect(pc.localDescription!.sdp).not.toContain('10.0.0.1');
  });

  test('closed under a call: the call fails, and its close still works', async () => {
    const site = new Site();
    const mux = await udpMux(site);
    const call = await site.connect({ udpMux: mux });
    mux.close();
    expect(mux.size).toEqual(NOTHING);
    expect(await site.network.runUntil(() => call.ours.connectionState === 'failed', 60_000)).toBe(true);
    call.ours.close();
    const late = site.connection(site.server, { udpMux: mux });
    late.createDataChannel('x');
    await site.run(late.setLocalDescription());
    await site.run(late.iceGatheringComplete);
    expect(late.localDescription!.sdp).not.toContain('a=candidate');
    late.close();
    await site.network.run(10_000);
    expect(site.server.runtime.openHandles()).toEqual([]);
  });
});

/** Nothing but TCP gets through. */
async function tcpSite(options: MuxOptions = {}): Promise<{ site: Site; mux: TcpMux }> {
  const site = new Site();
  site.network.filter = (packet) => (packet.segment === undefined ? undefined : packet);
  return { site, mux: await TcpMux.listen({ port: 5000, ...options }, site.server.runtime) };
}

function framed(data: Uint8Array): Uint8Array {
  return Uint8Array.of(data.length >> 8, data.length & 255, ...data);
}

describe('many connections behind one TCP port (RFC 6544)', () => {
  test('each one has its data; closing frees what is remembered', async () => {
    const { site, mux } = await tcpSite();
    const calls: Call[] = [];
    for (let i = 0; i < 4; i++) calls.push(await site.connect({ tcpMux: mux }, { iceTcp: 'active' }));
    for (const [index, call] of calls.entries()) {
      expect(call.addresses).toContain(`tcp ${SERVER}:5000`);
      expect(await call.echo(`hello ${index}`)).toBe(true);
      expect(call.received).toEqual([`hello ${index}`]);
    }
    expect(mux.size).toEqual({ transports: 4, fragments: 4, pending: 0 });
    for (const { ours } of calls) ours.close();
    await site.network.run(10_000);
    expect(mux.size).toEqual({ transports: 0, fragments: 0, pending: 0 });
    mux.close();
    expect(site.server.runtime.openHandles()).toEqual([]);
  });

  test('an ICE restart', async () => {
    const { site, mux } = await tcpSite();
    const call = await site.connect({ tcpMux: mux }, { iceTcp: 'active' });
    call.theirs.restartIce();
    await call.negotiate();
    expect(await call.echo('restarted')).toBe(true);
    await site.network.run(10_000);
    expect(await call.echo('later')).toBe(true);
  });

  test('I18: connections of strangers: nothing, no check, a check for nobody, too many of them', async () => {
    const asked: UnknownFragment[] = [];
    const { site, mux } = await tcpSite({ onUnknownFragment: (request) => asked.push(request) });
    const stranger = site.network.addHost('stranger', { interfaces: [{ addresses: ['203.0.113.99'] }] });
    let ended = 0;
    const connect = (): Promise<{ write(data: Uint8Array): void }> =>
      site.run(stranger.runtime.connectStream({ address: SERVER, port: 5000 }, { onData: () => {}, onClose: () => ended++ }));
    (await connect()).write(framed(check('nobody')));
    (await connect()).write(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'));
    (await connect()).write(framed(new Uint8Array(100)));
    await site.network.run(1000);
    expect(ended).toBe(3);
    expect(mux.discards.toJSON()).toEqual({ 'unknown-fragment': 1, 'not-a-check': 2 });
    expect(asked.map(({ fragment }) => fragment)).toEqual(['nobody']);
    (await connect()).write(new Uint8Array([0]));
    await site.network.run(11_000);
    expect(mux.discards.of('no-check-in-time')).toBe(1);
    for (let i = 0; i < 140; i++) await connect();
    await site.network.run(100);
    expect(mux.size.pending).toBeLessThanOrEqual(128);
    expect(mux.discards.of('too-many-connections')).toBeGreaterThan(0);
    const call = await site.connect({ tcpMux: mux }, { iceTcp: 'active' });
    expect(await call.echo('all the same')).toBe(true);
  });

  test('without a mux: passive on one side, active on the other', async () => {
    const { site } = await tcpSite();
    const call = await site.connect({ iceTcp: 'passive', portRange: { min: 7000, max: 7010 } }, { iceTcp: 'active' });
    expect(call.addresses).toContain(`tcp ${SERVER}:7000`);
    expect(await call.echo('over TCP')).toBe(true);
    const { local, remote } = call.ours.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
    expect([local.protocol, local.tcpType, remote.tcpType]).toEqual(['tcp', 'passive', 'active']);
    call.ours.close();
    await site.network.run(10_000);
    expect(site.server.runtime.openHandles().filter((name) => name.includes(' 70'))).toEqual([]);
  });
});
