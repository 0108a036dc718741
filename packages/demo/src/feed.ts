import type { CloseReport } from 'petrel';

/** What a connection's process tells the page and the terminal: the server's side of the wire. Times are milliseconds since the Unix epoch. */
export type FeedEntry =
  | { kind: 'packet'; at: number; direction: 'in' | 'out'; layer: Layer; summary: string; bytes: number }
  | { kind: 'note'; at: number; text: string }
  | { kind: 'closed'; at: number; report: CloseReport }
  | { kind: 'exit'; at: number; pid: number; code: number | null; signal: string | null };

export type Layer = 'stun' | 'dtls' | 'sctp' | 'rtp' | 'rtcp';

/** A kind of packets that a source makes. */
export interface Track {
  readonly kind: 'audio' | 'video';
  readonly mimeType: 'video/VP8' | 'video/H264' | 'audio/opus';
}

/** From the server to a connection's process. */
export type ToConnection =
  | { type: 'offer'; sdp: string; tracks: readonly Track[] }
  | { type: 'packet'; kind: 'audio' | 'video'; packet: Uint8Array }
  | { type: 'close'; reason: string };

/** From a connection's process to the server. */
export type FromConnection =
  | { type: 'answer'; sdp: string }
  | { type: 'refused'; message: string }
  | { type: 'feed'; entries: readonly FeedEntry[] }
  | { type: 'key-frame' };
