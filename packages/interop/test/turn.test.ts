import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { generateCertificate } from '@petrel/crypto';
import { NodeRuntime } from '@petrel/node-runtime';
import { RTCPeerConnection, type RTCPeerConnectionIceErrorEvent, type TimerHandle, type UdpSocket } from '@petrel/peer-connection';
import { TurnClient, type TurnClientOptions, type TurnEvent } from '@petrel/turn';
import { Coturn, COTURN_CREDENTIALS } from '../src/coturn.ts';
import { describeWith } from './describe-with.ts';
import { ownAddress } from './own-address.ts';

const LOOPBACK = '127.0.0.1';
type Transport = 'udp' | 'tcp' | 'tls';

/** A TURN client on real sockets, and a peer that sends everything back. */
class Relay {
  readonly runtime: NodeRuntime = new NodeRuntime();
  readonly turn: TurnClient;
  readonly events: TurnEvent[] = [];
  /** Of its UDP socket. */
  localPort = 0;
  readonly #waiting: { type: TurnEvent['type']; count: number; resolve: () => void }[] = [];
  #send: (message: Uint8Array) => void = () => {};
  #closeSocket: () => void = () => {};
  #timer: TimerHandle | undefined;
  #peer: UdpSocket | undefined;

  constructor(transport: Transport, options: Partial<TurnClientOptions> = {}) {
    const stream = transport === 'udp' ? 'udp' : 'stream';
    this.turn = new TurnClient({
      crypto: this.runtime.crypto,
      ...COTURN_CREDENTIALS,
      serverAddress: LOOPBACK,
      transport: stream,
      ...options,
    });
  }

  static async open(coturn: Coturn, transport: Transport, options: Partial<TurnClientOptions> = {}): Promise<Relay> {
    const relay = new Relay(transport, options);
    const receive = (data: Uint8Array): void => relay.input((turn, now) => turn.receive(data, now));
    if (transport === 'udp') {
      const socket = await relay.runtime.bindUdp({ address: LOOPBACK }, receive);
      relay.#send = (message) => socket.send(message, LOOPBACK, coturn.port);
      relay.#closeSocket = () => socket.close();
      relay.localPort = socket.port;
    } else {
      const port = transport === 'tls' ? coturn.tlsPort : coturn.port;
      const tls = { servername: 'turn.example', certificateAuthorities: [coturn.certificate] };
      const stream = await relay.runtime.connectStream(
        { address: LOOPBACK, port, ...(transport === 'tls' ? { tls } : {}) },
        { onData: receive, onClose: () => relay.input((turn) => turn.streamClosed()) },
      );
      relay.#send = (message) => stream.write(message);
      relay.#closeSocket = () => stream.close();
    }
    const peer = await relay.runtime.bindUdp({ address: LOOPBACK }, (data, address, port) => peer.send(data, address, port));
    relay.#peer = peer;
    relay.input((turn, now) => turn.start(now));
    return relay;
  }

  get peerPort(): number {
    return this.#peer!.port;
  }

  input(change: (turn: TurnClient, now: number) => void): void {
    const { turn, runtime } = this;
    change(turn, runtime.now());
    for (let message = turn.pollTransmit(); message; message = turn.pollTransmit()) this.#send(message);
    for (let event = turn.pollEvent(); event; event = turn.pollEvent()) this.events.push(event);
    for (const { type, count, resolve } of this.#waiting) if (this.count(type) >= count) resolve();
    this.#timer?.cancel();
    this.#timer = runtime.setTimer(turn.nextTimeout(), () => this.input((client, now) => client.handleTimeout(now)));
  }

  count(type: TurnEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Until so many events of the type have come. */
  async until(type: TurnEvent['type'], count = 1): Promise<TurnEvent> {
    if (this.count(type) < count) await new Promise<void>((resolve) => this.#waiting.push({ type, count, resolve }));
    return this.events.filter((event) => event.type === type)[count - 1]!;
  }

  send(byte: number, length: number): void {
    this.input((turn, now) => expect(turn.send(LOOPBACK, this.peerPort, new Uint8Array(length).fill(byte), now)).toBe(true));
  }

  /** Datagrams of every length to the peer and back. */
  async exchange(count: number): Promise<void> {
    const before = this.count('data');
    for (let i = 0; i < count; i++) {
      this.send(i & 255, 1 + ((i * 37) % 1200));
      await this.until('data', before + i + 1);
    }
    const data = this.events.filter((event) => event.type === 'data').slice(before);
    expect(data.map((event) => [event.data[0], event.data.length])).toEqual(
      Array.from({ length: count }, (_, i) => [i & 255, 1 + ((i * 37) % 1200)]),
    );
  }

  release(): void {
    this.#timer?.cancel();
    this.#closeSocket();
    this.#peer?.close();
    expect(this.runtime.openHandles()).toEqual([]);
  }
}

describeWith('coturn', 'coturn', (turnserver) => {
  let coturn: Coturn;
  const servers: Coturn[] = [];
  const relays: Relay[] = [];
  const open = async (server: Coturn, transport: Transport, options?: Partial<TurnClientOptions>): Promise<Relay> => {
    const relay = await Relay.open(server, transport, options);
    relays.push(relay);
    return relay;
  };
  const start = async (options: Parameters<typeof Coturn.start>[1]): Promise<Coturn> => {
    const server = await Coturn.start(turnserver, options);
    servers.push(server);
    return server;
  };
  beforeAll(async () => {
    coturn = await Coturn.start(turnserver);
  }, 20_000);
  afterEach(async () => {
    for (const relay of relays.splice(0)) relay.release();
    for (const server of servers.splice(0)) await server.stop();
  });
  afterAll(() => coturn?.stop());

  for (const transport of ['udp', 'tcp', 'tls'] as const)
    test(`T01: over ${transport}: allocation, indications, a channel, release`, async () => {
      const relay = await open(coturn, transport);
      expect(await relay.until('allocated')).toMatchObject({
        relayedAddress: { address: LOOPBACK },
        mappedAddress: { address: LOOPBACK },
      });
      relay.input((turn, now) => turn.createPermission([LOOPBACK], now));
      await relay.exchange(50);
      relay.input((turn, now) => turn.bindChannel(LOOPBACK, relay.peerPort, now));
      await relay.exchange(200);
      relay.input((turn, now) => turn.close(now));
      await relay.until('closed');
      expect(relay.turn.discards.toJSON()).toEqual({});
      await coturn.logged(/refreshed, realm=<example.org>, username=<alice>, lifetime=0/);
    }, 20_000);

  for (const transport of ['udp', 'tcp', 'tls'] as const)
    test(`T01: a relay-only call over ${transport}: connects, carries data both ways, and releases its allocations on close`, async () => {
      const server = await start({ address: ownAddress() });
      const [scheme, port] = transport === 'tls' ? ['turns', server.tlsPort] : ['turn', server.port];
      const urls = `${scheme}:${server.address}:${port}?transport=${transport === 'udp' ? 'udp' : 'tcp'}`;
      const configuration = {
        iceServers: [{ urls, ...COTURN_CREDENTIALS }],
        iceTransportPolicy: 'relay' as const,
        certificateAuthorities: [server.certificate],
      };
      const runtimes = [new NodeRuntime(), new NodeRuntime()] as const;
      const [a, b] = [new RTCPeerConnection(configuration, runtimes[0]), new RTCPeerConnection(configuration, runtimes[1])];
      b.ondatachannel = ({ channel }) => {
        channel.onmessage = ({ data }) => channel.send(data);
      };
      const channel = a.createDataChannel('relayed');
      const received: unknown[] = [];
      const done = new Promise<void>((resolve) => {
        channel.onmessage = ({ data }) => received.push(data) === 200 && resolve();
      });
      channel.onopen = () => {
        for (let i = 0; i < 200; i++) channel.send(`${i} ${'x'.repeat(i * 10)}`);
      };
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        await from.setLocalDescription();
        await from.iceGatheringComplete;
        expect(from.localDescription?.sdp.match(/^a=candidate:.*typ (?!relay)/m)).toBeNull();
        await to.setRemoteDescription(from.localDescription!);
      }
      await done;
      expect(received.map((data) => String(data).split(' ')[0])).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
      a.close();
      b.close();
      await Promise.all([a.closed, b.closed]);
      await server.logged(/(?:lifetime=0[\s\S]*){2}/);
      // The goodbyes linger in the background.
      while (runtimes.some((runtime) => runtime.openHandles().length > 0)) await new Promise((resolve) => setTimeout(resolve, 50));
    }, 30_000);

  test('T03, T05: 438 from a nonce that has gone stale is answered; refreshes keep a short allocation alive', async () => {
    const server = await start({ staleNonce: 1, maxLifetime: 4 });
    const relay = await open(server, 'udp', { lifetime: 4 });
    await relay.until('allocated');
    relay.input((turn, now) => turn.bindChannel(LOOPBACK, relay.peerPort, now));
    for (let second = 0; second < 6; second++) {
      await relay.exchange(5);
      await new Promise<void>((resolve) => relay.runtime.setTimer(relay.runtime.now() + 1000, resolve));
    }
    expect(relay.turn.state).toBe('allocated');
    await server.logged(/stale nonce|Stale nonce|438/i);
  }, 20_000);

  test('T05: 486 over quota, 401 for a wrong password, a server that dies', async () => {
    const server = await start({ quota: 1 });
    const first = await open(server, 'udp');
    await first.until('allocated');
    expect(await (await open(server, 'udp')).until('failed')).toMatchObject({ reason: 'error-response', code: 486 });
    expect(await (await open(server, 'udp', { credential: 'wrong' })).until('failed')).toMatchObject({ reason: 'unauthorized' });
    await server.stop();
    const next = await Coturn.start(turnserver);
    servers.push(next);
    const lost = await open(next, 'tcp');
    await lost.until('allocated');
    await next.stop();
    expect(await lost.until('failed')).toMatchObject({ reason: 'broken-stream' });
  }, 30_000);

  test('T05, RFC 8656 §7.4: 437 for the port of a client that has crashed: the allocation is made from another one', async () => {
    const crashed = await open(coturn, 'udp');
    await crashed.until('allocated');
    const { localPort } = crashed;
    relays.pop()!.release(); // its socket, but not its allocation
    const runtime = new NodeRuntime();
    const pc = new RTCPeerConnection(
      {
        iceServers: [{ urls: `turn:${LOOPBACK}:${coturn.port}`, ...COTURN_CREDENTIALS }],
        interfaceFilter: ({ address }) => address === LOOPBACK,
        portRange: { min: localPort, max: Math.min(localPort + 20, 65_535) },
      },
      runtime,
    );
    const errors: string[] = [];
    pc.onicecandidateerror = ({ errorCode, errorText }: RTCPeerConnectionIceErrorEvent) => errors.push(`${errorCode} ${errorText}`);
    pc.createDataChannel('x');
    await pc.setLocalDescription();
    await pc.iceGatheringComplete;
    expect(pc.localDescription!.sdp).toMatch(new RegExp(`^a=candidate:.* ${LOOPBACK} ${localPort} typ host`, 'm'));
    expect([errors, pc.localDescription!.sdp.match(/typ relay/g)?.length]).toEqual([[], 1]);
    await coturn.logged(/437|Allocation Mismatch/i);
    pc.close();
    await pc.closed;
    while (runtime.openHandles().length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  }, 20_000);

  test('T06: a certificate for another name, an untrusted one and an expired one are refused', async () => {
    const runtime = new NodeRuntime();
    const connect = (server: Coturn, servername: string, trusted: boolean): Promise<unknown> => {
      const tls = { servername, ...(trusted ? { certificateAuthorities: [server.certificate] } : {}) };
      return runtime.connectStream({ address: LOOPBACK, port: server.tlsPort, tls }, { onData: () => {}, onClose: () => {} });
    };
    await expect(connect(coturn, 'other.example', true)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await expect(connect(coturn, 'turn.example', false)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    const lastYear = Date.now() - 365 * 24 * 3600 * 1000;
    const { derChain, privateKey } = await generateCertificate(runtime.crypto, lastYear);
    const certificate = { certificate: pem('CERTIFICATE', derChain[0]!), key: pem('PRIVATE KEY', privateKey.exportPkcs8()) };
    await expect(connect(await start({ certificate }), 'turn.example', true)).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    expect(runtime.openHandles()).toEqual([]);
  }, 20_000);
});

function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
