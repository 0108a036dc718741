import type { CryptoProvider } from '@petrel/crypto';

/** The argument of the constructor of {@link SctpAssociation}. */
export interface SctpOptions {
  readonly crypto: CryptoProvider;
  readonly localPort?: number;
  readonly remotePort?: number;
  /** Packets that every path takes, in bytes, with the SCTP header and without that of DTLS; 1160 unless given. */
  readonly maxPacket?: number;
  /** The largest packet to try by path MTU discovery (RFC 8899); 1400 unless given, `maxPacket` turns it off. */
  readonly maxProbedPacket?: number;
  /** Bytes that may wait for the application or for missing fragments, advertised as a_rwnd; 1 MiB unless given, twice `maxReceivedMessageSize` at least. */
  readonly receiveBuffer?: number;
  /** The largest message that is accepted (RFC 8841 §6); 256 KiB unless given. */
  readonly maxReceivedMessageSize?: number;
  readonly streams?: number;
  /** Offer I-DATA (RFC 8260): true unless given. */
  readonly interleaving?: boolean;
  /** Offer to do without checksums (RFC 9653): only over DTLS. */
  readonly zeroChecksum?: boolean;
  /** Milliseconds of a round trip, as another layer has measured it: the first timeout follows from it (RFC 9260 §6.3.1 C2). */
  readonly roundTripTime?: number | undefined;
  /** Max.Init.Retransmits (RFC 9260 §16); Infinity where a layer below watches the peer, as ICE consent does. */
  readonly maxInitRetransmits?: number;
  /** Association.Max.Retrans. */
  readonly maxRetransmits?: number;
}

export type ResolvedOptions = Required<Omit<SctpOptions, 'roundTripTime'>> & Pick<SctpOptions, 'roundTripTime'>;

export function resolveOptions(options: SctpOptions): ResolvedOptions {
  const maxPacket = (options.maxPacket ?? 1160) & ~3;
  const maxReceivedMessageSize = options.maxReceivedMessageSize ?? 262_144;
  return {
    crypto: options.crypto,
    localPort: options.localPort ?? 5000,
    remotePort: options.remotePort ?? 5000,
    maxPacket,
    maxProbedPacket: Math.max((options.maxProbedPacket ?? 1400) & ~3, maxPacket),
    receiveBuffer: Math.min(Math.max(options.receiveBuffer ?? 1_048_576, 2 * maxReceivedMessageSize), 0xffff_ffff),
    maxReceivedMessageSize,
    streams: options.streams ?? 65_535,
    interleaving: options.interleaving ?? true,
    zeroChecksum: options.zeroChecksum ?? false,
    roundTripTime: options.roundTripTime,
    maxInitRetransmits: options.maxInitRetransmits ?? 8,
    maxRetransmits: options.maxRetransmits ?? 10,
  };
}
