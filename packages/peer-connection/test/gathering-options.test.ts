import { describe, expect, test } from '@jest/globals';
import { type SimulatedHost, SimulatedNetwork, SimulatedTurnServer, testCertificate } from '@petrel/testing';
import {
  type RTCConfiguration,
  RTCPeerConnection,
  type RTCPeerConnectionIceErrorEvent,
  type RTCPeerConnectionIceEvent,
} from '../src/index.ts';
import { createRTCCertificate } from '../src/rtc-certificate.ts';
import { PeerPair } from './peer-pair.ts';

function connection(host: SimulatedHost, configuration: RTCConfiguration = {}, index: 0 | 1 = 0): RTCPeerConnection {
  const { runtime } = host;
  const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, index));
  return new RTCPeerConnection({ certificates: [certificate], ...configuration }, runtime);
}

const candidates = (pc: RTCPeerConnection): string[] =>
  [...(pc.localDescription?.sdp ?? '').matchAll(/a=candidate:\S+ 1 (\S+) \d+ (\S+) (\d+) typ (\S+)/g)].map(
    ([, protocol, address, port, type]) => `${type} ${protocol} ${address} ${port}`,
  );

async function gathered(network: SimulatedNetwork, pc: RTCPeerConnection): Promise<string[]> {
  if (pc.getTransceivers().length === 0) pc.createDataChannel('x');
  let done = false;
  void pc.setLocalDescription();
  void pc.iceGatheringComplete.then(() => (done = true));
  await network.runUntil(() => done, 30_000);
  return candidates(pc);
}

describe('which sockets', () => {
  test('interface filter, port range, announced address', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: ['10.0.0.1'] }, { addresses: ['192.0.2.1', '2001:db8::1'] }] });
    expect((await gathered(network, connection(host))).map((line) => line.split(' ')[2])).toEqual(['10.0.0.1', '192.0.2.1', '2001:db8::1']);
    const filtered = connection(host, {
      interfaceFilter: ({ family, internal, address }) => family === 4 && !internal && address !== '10.0.0.1',
    });
    expect((await gathered(network, filtered)).map((line) => line.split(' ')[2])).toEqual(['192.0.2.1']);
    const ranged = [1, 2].map(() =>
      connection(host, { portRange: { min: 6000, max: 6001 }, interfaceFilter: ({ address }) => address === '10.0.0.1' }),
    );
    for (const [index, pc] of ranged.entries()) expect(await gathered(network, pc)).toEqual([`host udp 10.0.0.1 ${6000 + index}`]);
    const announced = connection(host, { portRange: { min: 7000, max: 7010 }, announcedAddress: '203.0.113.1' });
    expect((await gathered(network, announced)).toSorted()).toEqual([
      'host udp 2001:db8::1 7000',
      'host udp 203.0.113.1 7000',
      'host udp 203.0.113.1 7000',
    ]);
    expect(() => connection(host, { announcedAddress: 'example.org' })).toThrow(TypeError);
  });

  test('X08: no port of the range is free: an icecandidateerror says so, and the other interfaces serve', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1', '2001:db8::1'] }] });
    await host.runtime.bindUdp({ address: '192.0.2.1', port: 6000 }, () => {});
    const pc = connection(host, { portRange: { min: 6000, max: 6000 } });
    const errors: (string | number | null)[][] = [];
    pc.onicecandidateerror = ({ address, port, url, errorCode, errorText }: RTCPeerConnectionIceErrorEvent) =>
      errors.push([address, port, url, errorCode, errorText]);
    expect(await gathered(network, pc)).toEqual(['host udp 2001:db8::1 6000']);
    expect(errors).toEqual([['192.0.2.1', null, '', 701, expect.stringContaining('EADDRINUSE')]]);
  });

  test('a TURN server that nobody is, and one with another password: icecandidateerror', async () => {
    const network = new SimulatedNetwork();
    const server = network.addHost('turn', { interfaces: [{ addresses: ['203.0.113.9'] }] });
    await SimulatedTurnServer.start(server, { users: { alice: 'secret' } });
    const host = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
    const credentials = { username: 'alice', credential: 'wrong' };
    const pc = connection(host, {
      iceServers: [{ urls: ['turn:203.0.113.9', 'turn:203.0.113.10', 'turn:nobody.example'], ...credentials }],
    });
    const errors: string[] = [];
    pc.onicecandidateerror = ({ url, errorCode }: RTCPeerConnectionIceErrorEvent) => errors.push(`${url} ${errorCode}`);
    expect(await gathered(network, pc)).toHaveLength(1);
    expect(errors.toSorted()).toEqual(['turn:203.0.113.10 701', 'turn:203.0.113.9 401', 'turn:nobody.example 701']);
  });

  test('RFC 8656 §7.4: a TURN server that has something else on our port (437) is asked from another one; closing closes both', async () => {
    const network = new SimulatedNetwork();
    const serverHost = network.addHost('turn', { interfaces: [{ addresses: ['203.0.113.9'] }] });
    const server = await SimulatedTurnServer.start(serverHost, { users: { alice: 'secret' } });
    let mismatches = 1;
    server.onResponse = (response, { method, attributes: { nonce } }) => {
      if (method !== 'allocate' || nonce === undefined || mismatches-- <= 0) return response;
      return { ...response, class: 'error', attributes: { errorCode: { code: 437, reason: 'Mismatch' } } };
    };
    const host = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
    const pc = connection(host, { iceServers: [{ urls: 'turn:203.0.113.9', username: 'alice', credential: 'secret' }] });
    expect((await gathered(network, pc)).map((line) => line.split(' ')[0])).toEqual(['host', 'relay']);
    expect(pc.openHandles().filter((name) => name.startsWith('udp'))).toHaveLength(2);
    pc.close();
    let isClosed = false;
    void pc.closed.then(() => (isClosed = true));
    await network.runUntil(() => isClosed, 10_000);
    await network.run(10_000);
    expect(host.runtime.openHandles()).toEqual([]);
  });

  test('X08, L10: an interface that has gone, a new one: the restart gathers from what there is', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('x');
    await pair.connect();
    const host = pair.network.host('a');
    host.addInterface({ name: 'new', addresses: ['192.0.2.99'] });
    host.removeInterface('eth0');
    await pair.network.run(1000);
    pair.a.restartIce();
    await pair.negotiate();
    expect(await pair.until(() => pair.a.sctp!.transport.iceTransport.getSelectedCandidatePair()?.local.address === '192.0.2.99')).toBe(
      true,
    );
    expect(candidates(pair.a).map((line) => line.split(' ')[2])).toEqual(['192.0.2.99']);
    expect(host.runtime.openHandles().filter((name) => name.startsWith('udp 192.0.2.1 '))).toEqual([]);
    expect(await pair.until(() => pair.a.connectionState === 'connected')).toBe(true);
  });

  test('closing gives up the connection to a TURN server that does not answer (signal)', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
    network.addHost('silent', { interfaces: [{ addresses: ['203.0.113.9'], egress: { loss: 1 } }] });
    const credentials = { username: 'alice', credential: 'secret' };
    const pc = connection(host, { iceServers: [{ urls: 'turn:203.0.113.9?transport=tcp', ...credentials }] });
    pc.createDataChannel('x');
    void pc.setLocalDescription();
    await network.run(500);
    expect(host.runtime.openHandles().some((name) => name.startsWith('tcp'))).toBe(true);
    pc.close();
    await network.run(1000);
    expect(host.runtime.openHandles()).toEqual([]);
  });
});

describe('RFC 8829 §3.5.4: the candidate pool', () => {
  test('is gathered at once, and shown with the local description', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
    const pc = connection(host, { iceCandidatePoolSize: 1 });
    const events: string[] = [];
    for (const type of ['icecandidate', 'icegatheringstatechange'])
      pc.addEventListener(type, (event) =>
        events.push(
          type === 'icecandidate' ? `candidate ${(event as RTCPeerConnectionIceEvent).candidate?.address}` : pc.iceGatheringState,
        ),
      );
    await network.run(1000);
    const sockets = host.runtime.openHandles().filter((name) => name.startsWith('udp'));
    expect(sockets).toHaveLength(1);
    expect([pc.iceGatheringState, events]).toEqual(['new', []]);
    expect(await gathered(network, pc)).toEqual([`host ${sockets[0]!}`]);
    expect(events).toEqual(['gathering', 'candidate 192.0.2.1', 'candidate null', 'complete', 'candidate undefined']);
    expect(host.runtime.openHandles().filter((name) => name.startsWith('udp'))).toEqual(sockets);
    pc.close();
    await network.run(1000);
    expect(host.runtime.openHandles()).toEqual([]);
  });

  test.each(['offerer', 'answerer'])('connects: the %s has one', async (who) => {
    const configuration = { iceCandidatePoolSize: 2 };
    const pair = new PeerPair(who === 'offerer' ? { a: configuration } : { b: configuration });
    await pair.network.run(500);
    pair.a.createDataChannel('x');
    await pair.connect();
    expect([pair.a.connectionState, pair.b.connectionState]).toEqual(['connected', 'connected']);
    pair.a.close();
    pair.b.close();
    await pair.network.run(10_000);
    for (const name of ['a', 'b']) expect(pair.network.host(name).runtime.openHandles()).toEqual([]);
  });

  test('its size and the servers may change before the first local description', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
    const pc = connection(host, {});
    const sockets = (): number => host.runtime.openHandles().filter((name) => name.startsWith('udp')).length;
    for (const [iceCandidatePoolSize, count] of [
      [3, 3],
      [1, 1],
      [0, 0],
    ] as const) {
      pc.setConfiguration({ ...pc.getConfiguration(), iceCandidatePoolSize });
      await network.run(1000);
      expect(sockets()).toBe(count);
    }
    pc.setConfiguration({ ...pc.getConfiguration(), iceCandidatePoolSize: 1 });
    await network.run(1000);
    pc.setConfiguration({ ...pc.getConfiguration(), iceServers: [{ urls: 'stun:192.0.2.1:1' }] });
    await network.run(1000);
    expect(sockets()).toBe(1);
    pc.close();
  });
});

describe('names in place of addresses (draft-ietf-mmusic-mdns-ice-candidates)', () => {
  test('I16: own addresses are in no description, event or statistic; the peer resolves the names', async () => {
    const pair = new PeerPair({ a: { hideHostAddresses: true } });
    const shown: string[] = [];
    pair.a.addEventListener('icecandidate', (event) => shown.push(JSON.stringify((event as RTCPeerConnectionIceEvent).candidate)));
    pair.a.createDataChannel('x');
    await pair.connect();
    expect([pair.a.connectionState, pair.b.connectionState]).toEqual(['connected', 'connected']);
    shown.push(pair.a.localDescription!.sdp, JSON.stringify(pair.a.sctp!.transport.iceTransport.getSelectedCandidatePair()!.local));
    const stats = [...(await pair.run(pair.a.getStats())).values()] as { type: string }[];
    shown.push(...stats.filter(({ type }) => type === 'local-candidate').map((entry) => JSON.stringify(entry)));
    expect(shown.filter((text) => text.includes('192.0.2.1'))).toEqual([]);
    expect(candidates(pair.a)).toEqual([expect.stringMatching(/^host udp [0-9a-f-]{36}\.local \d+$/)]);
    pair.a.close();
    await pair.network.run(10_000);
    expect(pair.network.host('a').runtime.openHandles()).toEqual([]);
  });

  test('remote names: one that is resolved late, one that never is', async () => {
    const pair = new PeerPair({ trickle: false });
    pair.network.addName('late.local', ['192.0.2.2']);
    pair.network.addName('never.local', 'never');
    pair.a.createDataChannel('x');
    await pair.negotiate();
    const port = Number(candidates(pair.b)[0]?.split(' ')[3]);
    const { usernameFragment } = pair.b.sctp!.transport.iceTransport.getLocalParameters()!;
    for (const name of ['never.local', 'late.local'])
      await pair.run(
        pair.a.addIceCandidate({
          candidate: `candidate:1 1 udp 2130706431 ${name} ${port} typ host`,
          sdpMid: '0',
          usernameFragment: usernameFragment!,
        }),
      );
    await pair.run(pair.a.addIceCandidate({ candidate: '', sdpMid: '0' }));
    expect(await pair.until(() => pair.a.connectionState === 'connected')).toBe(true);
    pair.a.close();
    pair.b.close();
    await pair.network.run(10_000);
    for (const name of ['a', 'b']) expect(pair.network.host(name).runtime.openHandles()).toEqual([]);
  });
});

test('RFC 8842 §5.3: DTLS of a peer whose answer is late is kept: the offerer need not wait until it is repeated', async () => {
  const pair = new PeerPair({ trickle: false });
  const { a, b, network } = pair;
  a.createDataChannel('x');
  await pair.run(a.setLocalDescription());
  await pair.run(a.iceGatheringComplete);
  await pair.run(b.setRemoteDescription(a.localDescription!));
  await pair.run(b.setLocalDescription());
  await pair.run(b.iceGatheringComplete);
  // The last ClientHello has been repeated a few times, and the next one is seconds away.
  await network.run(6000);
  const answered = network.now();
  void a.setRemoteDescription(b.localDescription!);
  expect(await pair.until(() => a.connectionState === 'connected' && b.connectionState === 'connected')).toBe(true);
  expect(network.now() - answered).toBeLessThanOrEqual(100); // five round trips
});
