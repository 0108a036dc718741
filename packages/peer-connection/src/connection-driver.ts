/**
 * Joins the transport stack of one BUNDLE group to the world: sockets to `receive`, `pollTransmit` to sockets, one timer. Nobody else calls these.
 *
 * Every input sends at once, but each event gets a task of its own (W3C: "queue a task"): no handler of the application runs inside a call of the
 * application, promises settle between two events, and the events of two connections in one process keep the order in which they came about.
 */
import type { IceServer } from '@petrel/ice';
import { type Instant, NEVER } from '@petrel/sans-io';
import type { Runtime, TimerHandle } from './runtime.ts';
import { type CloseOptions, type CloseReport, ShutdownSequencer } from './shutdown-sequencer.ts';
import { type GatheringOptions, TransportSockets } from './transport-sockets.ts';
import { type StackEvent, type TransportConfiguration, TransportStack } from './transport-stack.ts';

export interface DriverOptions {
  readonly runtime: Runtime;
  readonly configuration: TransportConfiguration;
  readonly gathering?: GatheringOptions;
  /** Called outside of the application's calls. What it throws is the runtime's to report. */
  readonly onEvent: (event: StackEvent) => void;
}

/** RTCPeerConnectionIceErrorEvent: not reached (RFC 8489 has no code for it). */
const BIND_FAILURE = 701;

export class ConnectionDriver {
  readonly stack: TransportStack;
  readonly #runtime: Runtime;
  readonly #onEvent: (event: StackEvent) => void;
  readonly #sockets: TransportSockets;
  #servers: readonly IceServer[];
  #timer: TimerHandle | undefined;
  #armedFor: Instant = NEVER;
  #flushScheduled = false;
  #timeoutQueued = false;
  #closing: ShutdownSequencer | undefined;
  #isBackground = false;
  #isAwaited = false;
  #isReported = false;
  #closed: ((report: CloseReport) => void) | undefined;
  #released = false;

  constructor({ runtime, configuration, gathering = {}, onEvent }: DriverOptions) {
    this.#runtime = runtime;
    this.#servers = configuration.ice.servers ?? [];
    this.#onEvent = onEvent;
    this.stack = new TransportStack(configuration);
    this.#sockets = this.#newSockets(gathering);
  }

  /** An API call: changes the stack, sends what that queued before it returns, and delivers events later. */
  input<Result>(change: (stack: TransportStack, now: Instant) => Result): Result {
    const now = this.#runtime.now();
    const result = change(this.stack, now);
    this.#sendAll(now);
    this.#queueEvents();
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
        this.#queueEvents();
      });
    }
    return result;
  }

  /**
   * Opens a socket on every interface that has none yet and looks up the servers, and tells the agent what it finds. Again after an ICE restart.
   * @param servers those that the agent was given, when they are others than at first
   */
  gather(servers: readonly IceServer[] = this.#servers): void {
    this.#servers = servers;
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
    this.#sockets.setReferenced(this.#isAwaited);
    this.#cancelTimer();
    this.#sendAll();
    this.#deliverClosingEvents();
    return closed;
  }

  /** Before an ICE restart: sockets of interfaces that are there no more have no candidates in it. */
  dropVanishedSockets(): void {
    this.#sockets.dropVanished();
  }

  /** Before the close: whether sockets and timers do. They do at first. */
  keepProcessAlive(alive: boolean): void {
    this.#isBackground = !alive;
    this.#sockets.setReferenced(alive);
    this.#cancelTimer();
    this.#armTimer(this.#runtime.now());
  }

  /** Somebody waits for the report of {@link close}: until it is there, the closing connection keeps the process alive. It does not otherwise. */
  awaitClose(): void {
    this.#isAwaited = true;
    if (this.#closing && !this.#isReported) this.#sockets.setReferenced(true);
  }

  /**
   * The sockets and timers that are open, by name: none once the report of {@link close} is there. What lingers for the last refusal holds no process;
   * it counts when asked for.
   */
  openHandles({ lingering = false }: { readonly lingering?: boolean } = {}): string[] {
    if (this.#isReported && !lingering) return [];
    const handles = this.#sockets.list();
    if (this.#timer !== undefined) handles.push('timer');
    return handles;
  }

  // Gathering ----------------------------------------------------------------------------------------------------------

  async #gather(): Promise<void> {
    const opened = this.#sockets.open();
    for (const server of this.#servers) void this.#resolveServer(server, opened);
    await opened;
    if (this.#closing) return;
    this.#networkInput((now) => this.stack.ice.endOfSockets(now));
  }

  /** Host names of STUN and TURN servers; one that has no address tells the agent so. */
  async #resolveServer({ url: { host }, addresses }: IceServer, opened: Promise<void>): Promise<void> {
    if (addresses !== undefined) return;
    const found = await this.#runtime.resolve(host).catch(() => []);
    // A failure is told by a gathering that has begun.
    if (found.length === 0) await opened;
    if (!this.#closing) this.#networkInput((now) => this.stack.ice.resolveServer(host, found, now));
  }

  #newSockets(options: GatheringOptions): TransportSockets {
    const isClosing = (): boolean => this.#closing !== undefined;
    return new TransportSockets(options, {
      runtime: this.#runtime,
      ice: this.stack.ice,
      get isClosing() {
        return isClosing();
      },
      change: (change) => this.#networkInput(change),
      onDatagram: (socket, data, address, port) => this.#onDatagram(socket, data, address, port),
      onStreamData: (stream, data) => this.#onStreamData(stream, data),
      onBindFailure: (address, error) => this.#onBindFailure(address, error),
    });
  }

  /** Not in the W3C's API, where sockets do not fail: reported like a server that cannot be used, without a URL. */
  #onBindFailure(address: string, error: unknown): void {
    const errorText = (error as Error).message;
    this.#queueEvent({
      layer: 'ice',
      event: { type: 'candidate-error', address, port: undefined, url: '', errorCode: BIND_FAILURE, errorText },
    });
  }

  // Input --------------------------------------------------------------------------------------------------------------

  #onDatagram(socket: number, data: Uint8Array, address: string, port: number): void {
    const now = this.#runtime.now();
    (this.#closing ?? this.stack).receive(socket, data, address, port, now);
    this.#afterNetworkInput(now);
  }

  #onStreamData(id: number, data: Uint8Array): void {
    (this.#closing ?? this.stack).receiveStream(id, data, this.#runtime.now());
    this.#afterNetworkInput();
  }

  #networkInput(change: (now: Instant) => void): void {
    change(this.#runtime.now());
    this.#afterNetworkInput();
  }

  #afterNetworkInput(now?: Instant): void {
    this.#sendAll(now);
    if (this.#closing) return this.#deliverClosingEvents();
    this.#queueEvents();
  }

  // Output -------------------------------------------------------------------------------------------------------------

  #sendAll(now: Instant = this.#runtime.now()): void {
    const core = this.#closing ?? this.stack;
    for (let transmit = core.pollTransmit(now); transmit; transmit = core.pollTransmit(now)) this.#sockets.send(transmit);
    if (this.stack.wantsMemory && this.#sockets.areIdle) this.stack.reuseMemory();
    this.#armTimer(now);
  }

  /**
   * Moves the one timer only when a deadline got earlier; a later one is found when it fires. What is due already waits for what has arrived
   * in the meantime, and not for a timer.
   */
  #armTimer(now: Instant): void {
    const deadline = (this.#closing ?? this.stack).nextTimeout();
    if (deadline >= this.#armedFor || this.#released) return;
    if (deadline <= now) return this.#queueTimeout();
    this.#timer?.cancel();
    this.#armedFor = deadline;
    this.#timer = this.#runtime.setTimer(deadline, this.#onTimer, this.#isBackground || this.#closing !== undefined);
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#armedFor = NEVER;
    this.#handleTimeout();
  };

  #queueTimeout(): void {
    if (this.#timeoutQueued) return;
    this.#timeoutQueued = true;
    this.#runtime.queueTask(this.#onDue);
  }

  readonly #onDue = (): void => {
    this.#timeoutQueued = false;
    if (!this.#released) this.#handleTimeout();
  };

  #handleTimeout(): void {
    (this.#closing ?? this.stack).handleTimeout(this.#runtime.now());
    this.#afterNetworkInput();
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedFor = NEVER;
  }

  // Events -------------------------------------------------------------------------------------------------------------

  #queueEvents(): void {
    if (this.#closing) return;
    for (let event = this.stack.pollEvent(); event; event = this.stack.pollEvent()) this.#queueEvent(event);
  }

  #queueEvent(event: StackEvent): void {
    this.#runtime.queueTask(() => {
      if (this.#closing) return;
      this.#dispatch(event);
      // What an application does in a handler of a channel is input of its own.
      if (this.#closing || event.layer === 'channel') return;
      this.#sendAll();
      this.#queueEvents();
    });
  }

  /** What the agent asks of the driver ends here, the rest is the connection's. */
  #dispatch(event: StackEvent): void {
    if (event.layer !== 'ice') return this.#onEvent(event);
    if (event.event.type === 'open-stream') void this.#sockets.connect(event.event);
    else if (event.event.type === 'close-stream') this.#sockets.closeStream(event.event.id);
    else if (event.event.type === 'open-socket') void this.#sockets.openSocket(event.event);
    else if (event.event.type === 'close-socket') this.#sockets.closeSocket(event.event.id);
    else if (event.event.type === 'silence') this.#sockets.noticeVanished();
    else this.#onEvent(event);
  }

  #deliverClosingEvents(): void {
    for (let event = this.#closing!.pollEvent(); event; event = this.#closing!.pollEvent()) {
      if (event.type === 'released') this.#release();
      else {
        this.#isReported = true;
        this.#sockets.setReferenced(false);
        this.#closed!(event.report);
      }
    }
  }

  /** What the sequencer queued last has been handed to the sockets: they can go. */
  #release(): void {
    this.#sendAll();
    this.#released = true;
    this.#cancelTimer();
    this.#sockets.close();
  }
}
