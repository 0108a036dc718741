/**
 * TCP connections between the agents (RFC 6544), with RFC 4571's framing:
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------------------------------------------------------+
 * |             LENGTH            |  STUN, DTLS, RTP or RTCP ...  |
 * +---------------------------------------------------------------+
 * ```
 */
import { readUint16, writeUint16 } from '@petrel/bytes';
import { type Instant, NEVER } from '@petrel/sans-io';
import { FrameReader, type TransportAddress } from '@petrel/stun';
import { type Base, pathKey } from './base.ts';
import type { IceEvent, IceTransmit } from './ice-types.ts';

export interface TcpStream {
  /** The driver writes to it and reads from it under this id. */
  readonly id: number;
  readonly base: Base;
  readonly address: string;
  readonly port: number;
  readonly frames: FrameReader;
  open: boolean;
  /** An authenticated check has come over it; until then it may stay for a short time only. */
  authenticated: boolean;
  readonly deadline: Instant;
}

/** Milliseconds that a connection has to bring an authenticated check. */
const UNAUTHENTICATED_LIFETIME = 10_000;
/** Connections that have not brought one yet, at most. */
const MAX_UNAUTHENTICATED = 64;
/** How often the connection of one path is opened. */
const MAX_OPENINGS = 5;

export interface TcpStreamsContext {
  newStreamId(): number;
  event(event: IceEvent): void;
  transmit(transmit: IceTransmit): void;
}

export class TcpStreams {
  readonly #context: TcpStreamsContext;
  readonly #byId = new Map<number, TcpStream>();
  readonly #byPath = new Map<string, TcpStream>();
  readonly #openings = new Map<string, number>();
  #unauthenticated = 0;

  constructor(context: TcpStreamsContext) {
    this.#context = context;
  }

  find(id: number): TcpStream | undefined {
    return this.#byId.get(id);
  }

  /**
   * Writes a packet to the connection of a path. An active base opens it when there is none.
   * @returns false when it is not open
   */
  transmit(base: Base, address: string, port: number, data: Uint8Array, now: Instant): boolean {
    const stream = this.#byPath.get(pathKey(base.id, address, port));
    if (stream === undefined && base.kind === 'tcp-active') this.#open(base, address, port, now);
    if (stream?.open !== true) return false;
    this.#context.transmit({ socket: stream.id, data: frame(data), address, port });
    return true;
  }

  /** Notes a connection that a listener of ours has accepted. @returns false when there are too many: it is to be closed */
  accepted(id: number, base: Base, address: string, port: number, now: Instant): boolean {
    return this.#add(newStream(id, base, address, port, now));
  }

  /** Something authentic has come over the connection of this path: it may stay. */
  authenticate(base: Base, { address, port }: TransportAddress): void {
    const stream = this.#byPath.get(pathKey(base.id, address, port));
    if (stream === undefined || stream.authenticated) return;
    stream.authenticated = true;
    this.#unauthenticated -= 1;
  }

  /** The driver says that it has ended. */
  ended(stream: TcpStream): void {
    if (!this.#byId.delete(stream.id)) return;
    if (!stream.authenticated) this.#unauthenticated -= 1;
    const key = pathKey(stream.base.id, stream.address, stream.port);
    if (this.#byPath.get(key) === stream) this.#byPath.delete(key);
  }

  /** Closes the connections of a base, or all. */
  closeAll(base?: Base): void {
    for (const stream of this.#byId.values()) if (base === undefined || stream.base === base) this.#close(stream);
  }

  /** Closes those that have had their time. */
  handleTimeout(now: Instant): void {
    for (const stream of this.#byId.values()) if (!stream.authenticated && stream.deadline <= now) this.#close(stream);
  }

  nextTimeout(): Instant {
    let next = NEVER;
    for (const { authenticated, deadline } of this.#byId.values()) if (!authenticated) next = Math.min(next, deadline);
    return next;
  }

  #open(base: Base, address: string, port: number, now: Instant): void {
    const key = pathKey(base.id, address, port);
    const openings = this.#openings.get(key) ?? 0;
    if (openings === MAX_OPENINGS) return;
    const id = this.#context.newStreamId();
    if (!this.#add({ ...newStream(id, base, address, port, now), open: false })) return;
    this.#openings.set(key, openings + 1);
    this.#context.event({ type: 'open-stream', id, protocol: 'tcp', address, port, localAddress: base.address });
  }

  #close(stream: TcpStream): void {
    this.ended(stream);
    this.#context.event({ type: 'close-stream', id: stream.id });
  }

  #add(stream: TcpStream): boolean {
    if (this.#unauthenticated >= MAX_UNAUTHENTICATED || this.#byId.has(stream.id)) return false;
    this.#unauthenticated += 1;
    this.#byId.set(stream.id, stream);
    this.#byPath.set(pathKey(stream.base.id, stream.address, stream.port), stream);
    return true;
  }
}

/** The payload with its length before it (RFC 4571 §2). */
export function frame(payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(2 + payload.length);
  writeUint16(framed, 0, payload.length);
  framed.set(payload, 2);
  return framed;
}

function measureFrame(bytes: Uint8Array, offset: number): number | 'more' {
  return bytes.length - offset < 2 ? 'more' : 2 + readUint16(bytes, offset);
}

function newStream(id: number, base: Base, address: string, port: number, now: Instant): TcpStream {
  const deadline = now + UNAUTHENTICATED_LIFETIME;
  return { id, base, address, port, frames: new FrameReader(measureFrame), open: true, authenticated: false, deadline };
}
