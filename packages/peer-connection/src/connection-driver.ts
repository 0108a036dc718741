/**
 * Joins the transport stack of one BUNDLE group to the world: sockets to `receive`, `pollTransmit` to sockets, one timer. Nobody else calls these.
 *
 * Input from the network delivers its events directly. Input from the application sends at once, but its events wait for a task of their own,
 * so that no handler of the application runs inside a call of the application (W3C: "queue a task").
 */
import type { IceEvent, IceTransmit } from '@petrel/ice';
import { type Instant, NEVER } from '@petrel/sans-io';
import type { NetworkInterface, Runtime, StreamSocket, TimerHandle, UdpSocket } from './runtime.ts';
import { type CloseOptions, type CloseReport, ShutdownSequencer } from './shutdown-sequencer.ts';
import { type StackEvent, type TransportConfiguration, TransportStack } from './transport-stack.ts';

export interface GatheringOptions {
  /** Which interfaces get host candidates; default: all that are not internal, or else the internal ones. */
  readonly interfaceFilter?: (networkInterface: NetworkInterface) => boolean;
  readonly portRange?: { readonly min: number; readonly max: number };
}

export interface DriverOptions {
  readonly runtime: Runtime;
  readonly configuration: TransportConfiguration;
  readonly gathering?: GatheringOptions;
  /** Called outside of the application's calls. What it throws is the runtime's to report. */
  readonly onEvent: (event: StackEvent) => void;
}

export class ConnectionDriver {
  readonly stack: TransportStack;
  readonly #runtime: Runtime;
  readonly #gathering: GatheringOptions;
  readonly #onEvent: (event: StackEvent) => void;
  readonly #udpSockets = new Map<number, UdpSocket>();
  readonly #streams = new Map<number, StreamSocket>();
  #nextSocket = 1;
  #timer: TimerHandle | undefined;
  #armedFor: Instant = NEVER;
  #flushScheduled = false;
  #eventsScheduled = false;
  #delivering = false;
  #closing: ShutdownSequencer | undefined;
  #closed: ((report: CloseReport) => void) | undefined;
  #released = false;

  constructor({ runtime, configuration, gathering = {}, onEvent }: DriverOptions) {
    this.#runtime = runtime;
    this.#gathering = gathering;
    this.#onEvent = onEvent;
    this.stack = new TransportStack(configuration);
  }

  /** An API call: changes the stack, sends what that queued before it returns, and delivers events later. */
  input<Result>(change: (stack: TransportStack, now: Instant) => Result): Result {
    const result = change(this.stack, this.#runtime.now());
    this.#sendAll();
    this.#scheduleEvents();
    return result;
  }

  /** Like {@link input}, but sends at the end of the current tick: many small messages share packets. */
  inputInBulk<Result>(change: (stack: TransportStack, now: Instant) => Result): Result {
    const result = change(this.stack, this.#runtime.now());
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      void Promise.resolve().then(() => {
        this.#flushScheduled = false;
        if (this.#released) return;
        this.#sendAll();
        this.#scheduleEvents();
      });
    }
    return result;
  }

  /** Opens a socket on every interface and tells the agent; server addresses are looked up first. */
  gather(): void {
    void this.#gather();
  }

  /**
   * Says goodbye and then releases everything in the background: see shutdown-sequencer.ts. The first flight has left when it returns.
   * @returns what was heard, at the latest when the linger is over; it never rejects
   */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    const closed = new Promise<CloseReport>((resolve) => (this.#closed = resolve));
    this.#sendAll();
    this.#closing = new ShutdownSequencer(this.stack, options, this.#runtime.now());
    for (const socket of [...this.#udpSockets.values(), ...this.#streams.values()]) socket.setReferenced(false);
    this.#cancelTimer();
    this.#sendAll();
    this.#deliverClosingEvents();
    return closed;
  }

  /** The sockets and timers that are open, by name: empty once the connection is over. */
  openHandles(): string[] {
    const handles = [...this.#udpSockets.values()].map(({ address, port }) => `udp ${address}:${port}`);
    for (const { localAddress, localPort } of this.#streams.values()) handles.push(`tcp ${localAddress}:${localPort}`);
    if (this.#timer !== undefined) handles.push('timer');
    return handles;
  }

  // Gathering ----------------------------------------------------------------------------------------------------------

  async #gather(): Promise<void> {
    await this.#resolveServers();
    await Promise.all(this.#interfaces().map((networkInterface) => this.#openSocket(networkInterface)));
    if (this.#closing) return;
    this.#networkInput((now) => this.stack.ice.endOfSockets(now));
  }

  #interfaces(): readonly NetworkInterface[] {
    const all = this.#runtime.networkInterfaces();
    const { interfaceFilter } = this.#gathering;
    if (interfaceFilter !== undefined) return all.filter(interfaceFilter);
    const external = all.filter(({ internal }) => !internal);
    return external.length > 0 ? external : all;
  }

  async #openSocket({ address, name }: NetworkInterface): Promise<void> {
    const id = this.#nextSocket++;
    const { portRange } = this.#gathering;
    try {
      const socket = await this.#runtime.bindUdp({ address, ...(portRange && { portRange }) }, (data, remoteAddress, remotePort) =>
        this.#onDatagram(id, data, remoteAddress, remotePort),
      );
      if (this.#closing) return socket.close();
      this.#udpSockets.set(id, socket);
      this.#networkInput((now) =>
        this.stack.ice.addSocket(id, { protocol: 'udp', address, port: socket.port, networkInterface: name }, now),
      );
    } catch {
      // An interface that went away, or without a free port: the others serve (RFC 8445 §5.1.1.1).
    }
  }

  async #resolveServers(): Promise<void> {}

  // Input --------------------------------------------------------------------------------------------------------------

  #onDatagram(socket: number, data: Uint8Array, address: string, port: number): void {
    (this.#closing ?? this.stack).receive(socket, data, address, port, this.#runtime.now());
    this.#afterNetworkInput();
  }

  #networkInput(change: (now: Instant) => void): void {
    change(this.#runtime.now());
    this.#afterNetworkInput();
  }

  #afterNetworkInput(): void {
    this.#sendAll();
    if (this.#closing) return this.#deliverClosingEvents();
    if (!this.#eventsScheduled) this.#deliverEvents();
    this.#sendAll();
  }

  // Output -------------------------------------------------------------------------------------------------------------

  #sendAll(): void {
    const core = this.#closing ?? this.stack;
    const now = this.#runtime.now();
    for (let transmit = core.pollTransmit(now); transmit; transmit = core.pollTransmit(now)) this.#send(transmit);
    this.#armTimer();
  }

  #send({ socket, data, address, port }: IceTransmit): void {
    const udp = this.#udpSockets.get(socket);
    if (udp !== undefined) udp.send(data, address, port);
    else this.#streams.get(socket)?.write(data);
  }

  /** Moves the one timer only when a deadline got earlier; a later one is found when it fires. */
  #armTimer(): void {
    const deadline = (this.#closing ?? this.stack).nextTimeout();
    if (deadline >= this.#armedFor || this.#released) return;
    this.#timer?.cancel();
    this.#armedFor = deadline;
    this.#timer = this.#runtime.setTimer(deadline, this.#onTimer, this.#closing !== undefined);
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#armedFor = NEVER;
    (this.#closing ?? this.stack).handleTimeout(this.#runtime.now());
    this.#afterNetworkInput();
  };

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedFor = NEVER;
  }

  // Events -------------------------------------------------------------------------------------------------------------

  #scheduleEvents(): void {
    if (this.#eventsScheduled || this.#delivering) return;
    this.#eventsScheduled = true;
    this.#runtime.queueTask(() => {
      this.#eventsScheduled = false;
      this.#deliverEvents();
      if (!this.#released) this.#sendAll();
    });
  }

  /** Messages follow each other directly; after any other event the rest waits for another task, so that promises settle in between. */
  #deliverEvents(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let event = this.#nextEvent(); event; event = this.#nextEvent()) {
        this.#onEvent(event);
        if (event.layer !== 'channel' || event.event.type !== 'message') break;
      }
    } finally {
      this.#delivering = false;
      if (this.#hasEvents()) this.#scheduleEvents();
    }
  }

  #nextEvent(): StackEvent | undefined {
    return this.#closing ? undefined : this.stack.pollEvent();
  }

  #hasEvents(): boolean {
    return !this.#closing && this.stack.hasEvents;
  }

  #deliverClosingEvents(): void {
    for (let event = this.#closing!.pollEvent(); event; event = this.#closing!.pollEvent()) {
      if (event.type === 'closed') this.#closed!(event.report);
      else this.#release();
    }
  }

  /** What the sequencer queued last has been handed to the sockets: they can go. */
  #release(): void {
    this.#sendAll();
    this.#released = true;
    this.#cancelTimer();
    for (const socket of [...this.#udpSockets.values(), ...this.#streams.values()]) socket.close();
    this.#udpSockets.clear();
    this.#streams.clear();
  }
}
