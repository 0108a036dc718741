import type { Track } from '../feed.ts';

export type PacketListener = (kind: Track['kind'], packet: Uint8Array) => void;

/** Where media comes from: one source for all connections, in RTP packets, at the pace at which they are to be shown. */
export interface Source {
  readonly tracks: readonly Track[];
  /** For the terminal: what this is, and what the user may have to do. */
  readonly description: string;
  /** Rejects with a SourceError when the source cannot work here. */
  start(onPacket: PacketListener): Promise<void>;
  /** A viewer needs a key frame to begin with, or after a loss. Sources that cannot make one have one every second anyway. */
  requestKeyFrame(): void;
  stop(): void;
}

/** A source that cannot start; the message says what to do about it. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
