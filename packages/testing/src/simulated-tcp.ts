/**
 * TCP as far as its users can tell (RFC 9293): connections are refused, streams are ordered and reliable until they break. Sequence numbers
 * count segments, the window is fixed, and losses are repaired by going back to the first segment that is missing.
 */
import type { StreamHandler, StreamOptions, StreamSocket, TcpListener } from '@petrel/peer-connection';
import { type Instant } from '@petrel/sans-io';
import { canonicalAddress, type Endpoint, endpointKey, type Packet, type Segment } from './packet.ts';
import { failure, type SimulatedHost } from './simulated-host.ts';
import type { SimulatedListenOptions } from './simulated-runtime.ts';

/** Bytes of data in a segment. */
const SEGMENT = 1200;
/** Segments in flight. */
const WINDOW = 64;
/** Milliseconds. */
const MINIMUM_RTO = 200;
const MAXIMUM_RTO = 8000;
/** Transmissions of one segment, after which the connection is broken. */
const MAX_TRANSMISSIONS = 8;

const NO_DATA = new Uint8Array(0);

type OpenHandle = (name: string) => () => void;
type OnConnection = (socket: StreamSocket, attach: (handler: StreamHandler) => void) => void;

/** A host's connections. */
export class TcpStack {
  readonly #host: SimulatedHost;
  readonly #open: OpenHandle;

  constructor(host: SimulatedHost, open: OpenHandle) {
    this.#host = host;
    this.#open = open;
  }

  connect(options: StreamOptions, handler: StreamHandler): Promise<StreamSocket> {
    const remote = { address: canonicalAddress(options.address), port: options.port };
    const address = canonicalAddress(options.localAddress ?? this.#host.sourceFor(remote.address) ?? '');
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined;
      const port = this.#host.bind('tcp', address, 0, (packet) => connection?.receive(packet));
      const local = { address, port };
      const fail = (error: Error): void => {
        connection?.abandon();
        reject(error);
      };
      connection = new Connection(this.#host, local, remote, this.#open, {
        onEnd: () => this.#host.unbind('tcp', local),
        onConnected: (tlsNames) => {
          const { tls } = options;
          if (tls !== undefined && tlsNames?.includes(tls.servername) !== true)
            return fail(failure('ERR_TLS_CERT_ALTNAME_INVALID', `the certificate is not valid for ${tls.servername}`));
          options.signal?.removeEventListener('abort', abort);
          connection!.attach(handler);
          resolve(connection!);
        },
        onFailed: reject,
      });
      const abort = (): void => fail(failure('ABORT_ERR', 'the connection attempt was aborted'));
      if (options.signal?.aborted === true) return abort();
      options.signal?.addEventListener('abort', abort);
      connection.connect();
    });
  }

  listen(options: SimulatedListenOptions, onConnection: OnConnection): TcpListener {
    const address = canonicalAddress(options.address);
    const connections = new Map<string, Connection>();
    const port = this.#host.bind('tcp', address, options.port ?? 0, (packet) => {
      const key = endpointKey(packet.source);
      const known = connections.get(key);
      if (known !== undefined) return known.receive(packet);
      if (packet.segment?.kind !== 'syn' || !listening) return;
      const connection = new Connection(this.#host, packet.destination, packet.source, this.#open, {
        onEnd: () => {
          connections.delete(key);
          unbindWhenIdle();
        },
        onConnected: () => onConnection(connection, (handler) => connection.attach(handler)),
      });
      connections.set(key, connection);
      connection.accept(packet, options.tlsNames);
    });
    let listening = true;
    const closeHandle = this.#open(`tcp listener ${endpointKey({ address, port })}`);
    const unbindWhenIdle = (): void => {
      if (!listening && connections.size === 0) this.#host.unbind('tcp', { address, port });
    };
    return {
      address,
      port,
      close: () => {
        listening = false;
        closeHandle();
        unbindWhenIdle();
      },
    };
  }
}

interface ConnectionEvents {
  /** The connection uses its port no more. */
  readonly onEnd: () => void;
  readonly onConnected: (tlsNames: readonly string[] | undefined) => void;
  readonly onFailed?: (error: Error) => void;
}

interface Unacknowledged {
  readonly kind: Segment['kind'];
  readonly data: Uint8Array;
  readonly tlsNames?: readonly string[] | undefined;
}

class Connection implements StreamSocket {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #host: SimulatedHost;
  readonly #events: ConnectionEvents;
  readonly #closeHandle: () => void;
  #state: 'connecting' | 'open' | 'ended' = 'connecting';
  /** What has been queued and is not acknowledged; the first one has number `#base`. */
  readonly #queue: Unacknowledged[] = [];
  #base = 0;
  /** The number after the last segment that was sent. */
  #sent = 0;
  #transmissions = 0;
  #rto = 1000;
  #cancelTimer: (() => void) | undefined;
  #sample: { readonly sequence: number; readonly at: Instant } | undefined;
  #expected = 0;
  readonly #early = new Map<number, { readonly kind: Segment['kind']; readonly data: Uint8Array }>();
  readonly #waiting: Uint8Array[] = [];
  #handler: StreamHandler | undefined;
  #closedByUs = false;
  #closedByPeer = false;

  constructor(host: SimulatedHost, local: Endpoint, remote: Endpoint, open: OpenHandle, events: ConnectionEvents) {
    this.#host = host;
    this.localAddress = local.address;
    this.localPort = local.port;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.#events = events;
    this.#closeHandle = open(`tcp ${endpointKey(local)} to ${endpointKey(remote)}`);
  }

  get bufferedAmount(): number {
    return this.#queue.slice(this.#sent - this.#base).reduce((sum, { data }) => sum + data.length, 0);
  }

  connect(): void {
    this.#push({ kind: 'syn', data: NO_DATA });
  }

  accept(syn: Packet, tlsNames: readonly string[] | undefined): void {
    this.#expected = syn.segment!.sequence + 1;
    this.#push({ kind: 'syn-ack', data: NO_DATA, tlsNames });
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    for (const data of this.#waiting.splice(0)) handler.onData(data);
    if (this.#closedByPeer && !this.#closedByUs) handler.onClose(undefined);
  }

  write(data: Uint8Array): void {
    if (this.#closedByUs || this.#state === 'ended') return;
    for (let offset = 0; offset < data.length; offset += SEGMENT)
      this.#push({ kind: 'data', data: data.subarray(offset, offset + SEGMENT) });
  }

  setReferenced(): void {}

  close(): void {
    if (this.#closedByUs || this.#state === 'ended') return;
    this.#closedByUs = true;
    this.#closeHandle();
    this.#push({ kind: 'fin', data: NO_DATA });
  }

  /** Ends without a word to the application. */
  abandon(): void {
    if (this.#state === 'ended') return;
    this.#transmit('rst', this.#sent, NO_DATA);
    this.#end();
  }

  receive({ segment, data, source }: Packet): void {
    if (segment === undefined || this.#state === 'ended') return;
    if (source.address !== this.remoteAddress || source.port !== this.remotePort) return;
    if (segment.kind === 'rst') return this.#break(failure(this.#state === 'connecting' ? 'ECONNREFUSED' : 'ECONNRESET', 'reset by peer'));
    if (segment.kind !== 'syn') this.#acknowledge(segment.acknowledgement);
    if (segment.kind === 'ack') return;
    if (segment.kind === 'syn-ack' && this.#state === 'connecting') {
      this.#expected = segment.sequence;
      this.#state = 'open';
      this.#events.onConnected(segment.tlsNames);
    }
    this.#early.set(segment.sequence, { kind: segment.kind, data: data.slice() });
    this.#deliver();
    if (!this.#hasEnded()) this.#transmit('ack', this.#sent, NO_DATA);
  }

  #deliver(): void {
    for (let next = this.#early.get(this.#expected); next; next = this.#early.get(this.#expected)) {
      this.#early.delete(this.#expected++);
      if (next.kind === 'fin') this.#onFin();
      else if (next.data.length > 0 && !this.#closedByUs) {
        if (this.#handler === undefined) this.#waiting.push(next.data);
        else this.#handler.onData(next.data);
      }
    }
    for (const sequence of this.#early.keys()) if (sequence < this.#expected) this.#early.delete(sequence);
  }

  #onFin(): void {
    this.#closedByPeer = true;
    if (this.#closedByUs) return;
    this.#closeHandle();
    this.#push({ kind: 'fin', data: NO_DATA });
    this.#handler?.onClose(undefined);
  }

  #acknowledge(acknowledgement: number): void {
    if (acknowledgement <= this.#base) return;
    if (this.#sample !== undefined && acknowledgement > this.#sample.sequence) {
      this.#rto = Math.min(MAXIMUM_RTO, Math.max(MINIMUM_RTO, 2 * (this.#host.network.now() - this.#sample.at)));
      this.#sample = undefined;
    }
    const wasConnecting = this.#state === 'connecting' && this.#queue[0]?.kind === 'syn-ack';
    this.#queue.splice(0, acknowledgement - this.#base);
    this.#base = acknowledgement;
    this.#transmissions = 0;
    this.#arm();
    if (wasConnecting) {
      this.#state = 'open';
      this.#events.onConnected(undefined);
    }
    this.#sendMore();
    if (this.#closedByPeer && this.#queue.length === 0) this.#end();
    else if (this.#closedByUs && this.#queue.length === 0) this.#arm(MAXIMUM_RTO); // FIN-WAIT-2
  }

  #push(segment: Unacknowledged): void {
    this.#queue.push(segment);
    this.#sendMore();
  }

  #sendMore(): void {
    while (this.#sent - this.#base < Math.min(this.#queue.length, this.#state === 'connecting' ? 1 : WINDOW))
      this.#sendSegment(this.#sent++);
    if (this.#cancelTimer === undefined) this.#arm();
  }

  #sendSegment(sequence: number): void {
    const { kind, data, tlsNames } = this.#queue[sequence - this.#base]!;
    if (this.#sample === undefined && this.#transmissions === 0) this.#sample = { sequence, at: this.#host.network.now() };
    this.#transmit(kind, sequence, data, tlsNames);
  }

  #transmit(kind: Segment['kind'], sequence: number, data: Uint8Array, tlsNames?: readonly string[]): void {
    this.#host.transmit({
      source: { address: this.localAddress, port: this.localPort },
      destination: { address: this.remoteAddress, port: this.remotePort },
      data,
      segment: { kind, sequence, acknowledgement: this.#expected, tlsNames },
    });
  }

  #arm(delay: number = this.#rto * 2 ** this.#transmissions): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#queue.length === 0 && delay !== MAXIMUM_RTO) return;
    const { clock } = this.#host.network;
    this.#cancelTimer = clock.schedule(clock.now() + Math.min(delay, MAXIMUM_RTO), () => this.#onTimeout());
  }

  #onTimeout(): void {
    this.#cancelTimer = undefined;
    this.#sample = undefined;
    if (this.#queue.length === 0) return this.#end();
    if (++this.#transmissions >= MAX_TRANSMISSIONS) return this.#break(failure('ETIMEDOUT', 'no acknowledgement'));
    for (let sequence = this.#base; sequence < this.#sent; sequence++) this.#sendSegment(sequence);
    this.#arm();
  }

  #break(error: Error): void {
    const connecting = this.#state === 'connecting';
    const silent = this.#closedByUs || this.#closedByPeer;
    this.#end();
    if (connecting) this.#events.onFailed?.(error);
    else if (!silent) this.#handler?.onClose(error);
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #end(): void {
    this.#state = 'ended';
    this.#cancelTimer?.();
    this.#closeHandle();
    this.#queue.length = 0;
    this.#events.onEnd();
  }
}
