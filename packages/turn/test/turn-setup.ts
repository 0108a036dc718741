import type { TimerHandle, UdpSocket } from '@petrel/peer-connection';
import { type NetworkOptions, SimulatedNetwork, SimulatedTurnServer, type SimulatedHost, type TurnServerOptions } from '@petrel/testing';
import { TurnClient, type TurnClientOptions, type TurnEvent } from '@petrel/turn';

export const SERVER = '203.0.113.9';
export const CLIENT = '192.0.2.1';
export const PEER = '198.51.100.7';
export const USERS = { alice: 'correct horse' };

export interface Setup {
  readonly network: SimulatedNetwork;
  readonly server: SimulatedTurnServer;
  readonly host: SimulatedHost;
  readonly turn: TurnClient;
  readonly events: TurnEvent[];
  /** Every input to the client goes through here, so that it is polled afterwards. */
  readonly input: (change: (turn: TurnClient, now: number) => void) => void;
  readonly peer: { readonly socket: UdpSocket; readonly got: { data: Uint8Array; from: string }[] };
  /** Until the next event of the type, or the end of `within` ms. */
  readonly until: (type: TurnEvent['type'], within?: number) => Promise<TurnEvent | undefined>;
  /** Breaks the stream to the server. */
  readonly breakStream: () => void;
}

export interface SetupOptions {
  readonly server?: TurnServerOptions;
  readonly client?: Partial<TurnClientOptions>;
  readonly network?: NetworkOptions;
}

/** A client, a server and a peer on a simulated network; the client is driven as an ICE agent's driver would. */
export async function setUp({ server: serverOptions, client: clientOptions, network: networkOptions }: SetupOptions = {}): Promise<Setup> {
  const network = new SimulatedNetwork(networkOptions);
  const host = network.addHost('client', { interfaces: [{ addresses: [CLIENT, '2001:db8::1'] }] });
  const serverHost = network.addHost('server', { interfaces: [{ addresses: [SERVER, '2001:db8::9'] }] });
  const server = await SimulatedTurnServer.start(serverHost, { users: USERS, ...serverOptions });
  const got: { data: Uint8Array; from: string }[] = [];
  const peerSocket = await network
    .addHost('peer', { interfaces: [{ addresses: [PEER, '2001:db8::7'] }] })
    .runtime.bindUdp({ address: PEER, port: 7000 }, (data, from, port) => got.push({ data, from: `${from} ${port}` }));

  const { runtime } = host;
  const events: TurnEvent[] = [];
  const turn = new TurnClient({
    crypto: runtime.crypto,
    username: 'alice',
    credential: USERS.alice,
    serverAddress: SERVER,
    ...clientOptions,
  });
  let timer: TimerHandle | undefined;
  const flush = (): void => {
    for (let message = turn.pollTransmit(); message; message = turn.pollTransmit()) send(message);
    for (let event = turn.pollEvent(); event; event = turn.pollEvent()) events.push(event);
    timer?.cancel();
    timer = runtime.setTimer(turn.nextTimeout(), () => input(() => turn.handleTimeout(runtime.now())));
  };
  const input: Setup['input'] = (change) => {
    change(turn, runtime.now());
    flush();
  };
  const onClose = (): void => input(() => turn.streamClosed());
  const receive = (data: Uint8Array): void => input(() => turn.receive(data, runtime.now()));
  let send: (message: Uint8Array) => void;
  let breakStream = onClose;
  if (clientOptions?.transport === 'stream') {
    const stream = await network.resolved(runtime.connectStream({ address: SERVER, port: 3478 }, { onData: receive, onClose }));
    send = (message) => stream.write(message);
    breakStream = () => {
      stream.close();
      onClose();
    };
  } else {
    const socket = await runtime.bindUdp({ address: CLIENT }, receive);
    send = (message) => socket.send(message, SERVER, 3478);
  }
  const until: Setup['until'] = async (type, within = 60_000) => {
    const seen = events.length;
    const next = (): TurnEvent | undefined => events.slice(seen).find((event) => event.type === type);
    await network.runUntil(() => next() !== undefined, within);
    return next();
  };
  return { network, server, host, turn, events, input, peer: { socket: peerSocket, got }, until, breakStream };
}

export type Allocated = Extract<TurnEvent, { type: 'allocated' }>;

/** The same with an allocation. */
export async function allocated(options: SetupOptions = {}): Promise<Setup & { relayed: Allocated['relayedAddress'] }> {
  const setup = await setUp(options);
  setup.input((turn, now) => turn.start(now));
  const event = (await setup.until('allocated')) as Allocated | undefined;
  if (event === undefined) throw new Error(`no allocation: ${JSON.stringify(setup.events)}`);
  return { ...setup, relayed: event.relayedAddress };
}

export const dataOf = (events: readonly TurnEvent[]): { from: string; data: number[] }[] =>
  events.flatMap((event) => (event.type === 'data' ? [{ from: `${event.peerAddress} ${event.peerPort}`, data: [...event.data] }] : []));
