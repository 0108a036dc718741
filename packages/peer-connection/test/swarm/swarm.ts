/**
 * M02: one connection between two hosts, everything about it random: network, what goes wrong there, what both applications do, who attacks. One seed
 * makes one run. Every run is checked for all that must hold in any run.
 */
import { createHash } from 'node:crypto';
import { type Packet, seededRandom } from '@petrel/testing';
import { Attacker } from './attacker.ts';
import type { ChannelPair } from './channels.ts';
import { SwarmPeer } from './peer.ts';
import { World } from './world.ts';

export interface SwarmOptions {
  readonly seed: number;
  /** Handlers that throw: the errors must surface in the process, which somebody has to count. */
  readonly throwing?: boolean;
}

export interface SwarmRun {
  readonly seed: number;
  readonly world: string;
  /** What must not be; empty when all is well. */
  readonly violations: readonly string[];
  /** Of every packet and event: the same for the same seed (M01). */
  readonly hash: string;
  readonly trace: readonly string[];
  /** Messages of errors that handlers threw. */
  readonly thrown: readonly string[];
  /** How many times each escaped into the runtime. */
  readonly escaped: readonly string[];
  readonly connected: boolean;
  readonly packets: number;
  readonly messages: number;
}

const QUIET = 40_000;

export async function runSwarm(options: SwarmOptions): Promise<SwarmRun> {
  const run = new Swarm(options);
  await run.world.start();
  await run.act();
  await run.settle();
  await run.end();
  return run.result();
}

class Swarm {
  readonly world: World;
  readonly #seed: number;
  readonly #random: ReturnType<typeof seededRandom>;
  readonly #peers: readonly [SwarmPeer, SwarmPeer];
  readonly #attacker: Attacker;
  readonly #channels: ChannelPair[] = [];
  readonly #violations = new Set<string>();
  readonly #trace: string[] = [];
  readonly #hash = createHash('sha256');
  readonly #thrown: string[] = [];
  readonly #escaped: string[] = [];
  readonly #cancel = new Set<() => void>();
  #packets = 0;
  #connected = false;

  constructor({ seed, throwing = false }: SwarmOptions) {
    this.#seed = seed;
    this.#random = seededRandom(seed * 31 + 7);
    this.world = new World(seed, this.#random);
    this.#attacker = new Attacker(this.world, seededRandom(seed * 37 + 5));
    this.world.network.filter = (packet, host) => this.#onPacket(packet, host);
    const newError = (): Error => {
      const message = `thrown ${seed}.${this.#thrown.length}`;
      this.#thrown.push(message);
      return new Error(message);
    };
    const peer = (name: 'a' | 'b'): SwarmPeer =>
      new SwarmPeer({
        name,
        world: this.world,
        random: seededRandom(seed * 41 + (name === 'a' ? 1 : 2)),
        send: this.#signalling(() => this.#peers[name === 'a' ? 1 : 0]),
        channels: this.#channels,
        report: (violation) => this.#report(violation),
        trace: (line) => this.#note(line),
        newError: throwing ? newError : undefined,
      });
    this.#peers = [peer('a'), peer('b')];
    [this.#peers[0].other, this.#peers[1].other] = [this.#peers[1], this.#peers[0]];
  }

  // Phases -------------------------------------------------------------------------------------------------------------

  /** Both applications do things, the network fails, somebody attacks. */
  async act(): Promise<void> {
    const duration = 2000 + this.#random.below(10_000);
    for (const peer of this.#peers)
      this.#repeat(
        () => this.#random.below(600),
        () => peer.act(),
        duration,
      );
    this.#repeat(
      () => 20,
      () => this.#peers.forEach((peer) => peer.tick()),
      duration + 3000,
    );
    if (this.#random.below(4) > 0)
      this.#repeat(
        () => 500 + this.#random.below(5000),
        () => this.#note(this.world.fault()),
        duration,
      );
    if (this.#random.below(3) > 0) {
      const pace = 5 + this.#random.below(200);
      this.#repeat(
        () => this.#random.below(pace),
        () => void this.#attacker.strike(this.#areEncrypted()),
        duration + 10_000,
      );
    }
    if (this.#random.below(4) === 0) this.#later(this.#random.below(duration), () => this.#closeOne());
    await this.#run(() => false, duration + 1);
  }

  /** The network heals: what both sides wanted has to come about. */
  async settle(): Promise<void> {
    this.world.heal();
    this.#note('healed');
    const [a, b] = this.#peers;
    if (this.#isAnyClosed()) return void (await this.#run(() => false, 1000));
    if (this.world.hasMoved) a.pc.restartIce();
    await this.#run(() => false, 5000);
    const hasTransports = (): boolean =>
      [a, b].every(({ pc }) => pc.sctp !== null || pc.getTransceivers().some(({ sender }) => sender.transport !== null));
    const isConnected = (): boolean => !hasTransports() || [a, b].every(({ pc }) => pc.connectionState === 'connected');
    const isQuiet = (): boolean =>
      this.#isAnyClosed() ||
      this.#wasSabotaged() ||
      ([a, b].every(({ pc, isIdle }) => pc.signalingState === 'stable' && isIdle) && isConnected());
    if (!(await this.#run(isQuiet, QUIET / 2))) {
      this.#note('restart');
      if (!this.#isAnyClosed()) a.pc.restartIce();
      if (!(await this.#run(isQuiet, QUIET)))
        this.#report(
          `no connection: ${[a, b].map(({ pc, isIdle }) => `${pc.connectionState} ${pc.iceConnectionState} ${pc.signalingState} ${isIdle}`).join(', ')}`,
        );
    }
    this.#connected = hasTransports() && isConnected();
    if (this.#isAnyClosed() || this.#wasSabotaged()) return;
    await this.#run(() => this.#undelivered().length === 0, QUIET);
    for (const text of this.#undelivered()) this.#report(text);
    this.#compareTransceivers();
  }

  /** Both close, or one does and the other notices. Nothing may be left. */
  async end(): Promise<void> {
    for (const cancel of this.#cancel) cancel();
    const [a, b] = this.#peers;
    const how = this.#random.below(4);
    if (how === 0) void a.pc.shutdown({ drain: 1000 });
    else if (how === 1) a.pc.close({ reason: 'end' });
    else if (how === 2) for (const { pc } of [b, a]) pc.close();
    await this.#run(() => false, this.#random.below(3000));
    for (const { pc } of [a, b]) if (pc.signalingState !== 'closed') pc.close();
    let reports = 0;
    for (const { pc } of [a, b]) void pc.closed.then(() => (reports += 1));
    if (!(await this.#run(() => reports === 2, 10_000))) this.#report('`closed` does not resolve');
    for (const { pc } of [a, b]) if (pc.openHandles().length > 0) this.#report(`open after closed: ${pc.openHandles().join(', ')}`);
    await this.#run(() => false, 10_000);
    this.world.turn?.close();
    await this.#run(() => this.#ownHandles().length === 0, 60_000);
    for (const handle of this.#ownHandles()) this.#report(`left open: ${handle.replaceAll(/\d+/g, 'n')}`);
    // Packets on their way, and what operating systems keep of TCP connections.
    const isEmpty = await this.#run(() => this.world.network.clock.pending === 0, 60_000);
    if (!isEmpty) this.#report(`${this.world.network.clock.pending} tasks are left`);
  }

  result(): SwarmRun {
    const messages = this.#channels.reduce((sum, { ends }) => sum + (ends.a?.received.size ?? 0) + (ends.b?.received.size ?? 0), 0);
    return {
      seed: this.#seed,
      world: this.world.description,
      violations: [...this.#violations],
      hash: this.#hash.digest('hex'),
      trace: this.#trace,
      thrown: this.#thrown,
      escaped: this.#escaped,
      connected: this.#connected,
      packets: this.#packets,
      messages,
    };
  }

  // What has to hold ---------------------------------------------------------------------------------------------------

  #undelivered(): string[] {
    return this.#channels.flatMap(({ number, init, ends }) => {
      const { a, b } = ends;
      if (a === undefined || b === undefined || a.closedHere || b.closedHere || !a.isReliable) return [];
      if (a.channel.readyState !== 'open' || b.channel.readyState !== 'open')
        return [`channel ${number} is ${a.channel.readyState} and ${b.channel.readyState}`];
      return [a, b]
        .filter(({ missing }) => missing > 0)
        .map(({ missing }) => `channel ${number} (${JSON.stringify(init)}) lacks ${missing} messages`);
    });
  }

  /** Negotiated directions mirror each other (RFC 8829 §5.3.1). */
  #compareTransceivers(): void {
    const [a, b] = this.#peers.map(
      ({ pc }) =>
        new Map(
          pc
            .getTransceivers()
            .filter(({ mid, stopped }) => mid !== null && !stopped)
            .map((each) => [each.mid, each]),
        ),
    );
    for (const [mid, one] of a!) {
      const two = b!.get(mid);
      if (two === undefined) this.#report(`mid ${mid} is at one side only`);
      else if (one.currentDirection !== MIRROR[two.currentDirection ?? ''])
        this.#report(`mid ${mid} is ${one.currentDirection} and ${two.currentDirection}`);
    }
  }

  /** Not those of a server, whose clients may have vanished. */
  #ownHandles(): string[] {
    return this.world.network.openHandles().filter((handle) => !handle.startsWith('turn'));
  }

  // The machine --------------------------------------------------------------------------------------------------------

  #closeOne(): void {
    const peer = this.#peers[this.#random.below(2)]!;
    this.#note('early close');
    if (this.#random.below(2) === 0) peer.pc.close({ reason: 'early' });
    else void peer.pc.shutdown({ drain: 500 });
  }

  #areEncrypted(): boolean {
    return this.#peers.every(({ pc }) => pc.sctp?.transport.state === 'connected' && pc.connectionState === 'connected');
  }

  #isAnyClosed(): boolean {
    return this.#peers.some(({ pc }) => pc.signalingState === 'closed');
  }

  /** Nothing protects the first flights of a handshake (RFC 6347 §4.2): who changes them ends it. */
  #wasSabotaged(): boolean {
    const failures = this.#peers.map(({ watch }) => watch.handshakeFailed).filter((failure) => failure !== '');
    if (failures.length > 0 && !this.world.corrupts) this.#report(`DTLS: ${failures.join(', ')}`);
    return failures.length > 0;
  }

  async #run(condition: () => boolean, within: number): Promise<boolean> {
    const { network } = this.world;
    const end = network.now() + within;
    const look = (): boolean => {
      for (const { watch } of this.#peers) watch.look();
      return condition();
    };
    for (;;) {
      try {
        return await network.runUntil(look, end - network.now());
      } catch (error) {
        this.#onEscaped(error as Error);
      }
    }
  }

  /** Out of a callback of the runtime: Node makes it an uncaught exception. */
  #onEscaped(error: Error): void {
    if (this.#thrown.includes(error.message)) this.#escaped.push(error.message);
    else this.#report(`escaped: ${error.stack}`);
  }

  /** In order, late, and never lost. */
  #signalling(receiver: () => SwarmPeer): (signal: Parameters<SwarmPeer['receive']>[0]) => void {
    let freeAt = 0;
    return (signal) => {
      const { clock } = this.world.network;
      freeAt = Math.max(freeAt, clock.now() + 5 + this.#random.below(200));
      clock.schedule(freeAt, () => receiver().receive(signal));
    };
  }

  #repeat(interval: () => number, action: () => void, duration: number): void {
    const end = this.world.network.now() + duration;
    const next = (): void => {
      if (this.world.network.now() >= end) return;
      action();
      this.#later(interval(), next);
    };
    this.#later(interval(), next);
  }

  #later(delay: number, action: () => void): void {
    const { clock } = this.world.network;
    const cancel = clock.schedule(clock.now() + delay, () => {
      this.#cancel.delete(cancel);
      action();
    });
    this.#cancel.add(cancel);
  }

  #onPacket(packet: Packet, host: string): Packet {
    this.#packets += 1;
    const { source, destination, data } = packet;
    this.#hash.update(`${this.world.network.now()} ${host} ${source.address} ${source.port} ${destination.address} ${destination.port} `);
    this.#hash.update(data);
    if (host === 'a' || host === 'b') this.#attacker.see(packet);
    return packet;
  }

  #note(line: string): void {
    this.#trace.push(`${this.world.network.now().toFixed(0)} ${line}`);
    this.#hash.update(this.#trace.at(-1)!);
  }

  #report(violation: string): void {
    this.#violations.add(violation);
    this.#note(`!! ${violation}`);
  }
}

const MIRROR: Readonly<Record<string, string>> = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };
