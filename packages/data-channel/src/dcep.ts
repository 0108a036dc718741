/**
 * The Data Channel Establishment Protocol (RFC 8832 §5).
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Message Type=3|  Channel Type |            Priority           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                    Reliability Parameter                      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |         Label Length          |       Protocol Length         |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                       Label, then Protocol                    |      an ACK is the one byte 2
 * ```
 */
import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from '@petrel/bytes';

/** What both ends agree on when a channel is opened. */
export interface ChannelParameters {
  readonly label: string;
  readonly protocol: string;
  readonly ordered: boolean;
  /** Milliseconds after which a message is given up. */
  readonly maxPacketLifeTime?: number;
  /** Retransmissions after which a message is given up. */
  readonly maxRetransmits?: number;
  /** Weight among the channels (RFC 8831 §6.4): 128 is below normal, 256 normal, 512 high, 1024 extra high. */
  readonly priority: number;
}

/** A message of the opening protocol (RFC 8832 §5). */
export type DcepMessage = { readonly type: 'ack' } | { readonly type: 'open'; readonly parameters: ChannelParameters };

const MESSAGE_TYPE = { ack: 2, open: 3 } as const;
/** Channel types without the highest bit, which says unordered (RFC 8832 §8.2.2). */
const CHANNEL_TYPE = { reliable: 0, partialReliableRexmit: 1, partialReliableTimed: 2 } as const;
const UNORDERED = 0x80;

/** DATA_CHANNEL_ACK (RFC 8832 §5.2): one byte. */
export function encodeAck(): Uint8Array {
  return Uint8Array.of(MESSAGE_TYPE.ack);
}

/** @throws RangeError when the label or the protocol has more than 65,535 bytes in UTF-8 */
export function encodeOpen(parameters: ChannelParameters): Uint8Array {
  const label = encodeUtf8(parameters.label);
  const protocol = encodeUtf8(parameters.protocol);
  if (label.length > 0xffff || protocol.length > 0xffff) throw new RangeError('a label or protocol has at most 65,535 bytes');
  const { maxRetransmits, maxPacketLifeTime } = parameters;
  let channelType: number = CHANNEL_TYPE.reliable;
  if (maxRetransmits !== undefined) channelType = CHANNEL_TYPE.partialReliableRexmit;
  else if (maxPacketLifeTime !== undefined) channelType = CHANNEL_TYPE.partialReliableTimed;
  return new ByteWriter(12 + label.length + protocol.length)
    .uint8(MESSAGE_TYPE.open)
    .uint8(channelType | (parameters.ordered ? 0 : UNORDERED))
    .uint16(parameters.priority)
    .uint32(maxRetransmits ?? maxPacketLifeTime ?? 0)
    .uint16(label.length)
    .uint16(protocol.length)
    .bytes(label)
    .bytes(protocol)
    .finish();
}

/** @returns undefined for an unknown message or channel type, and for lengths that do not add up: the channel is closed then (RFC 8832 §6) */
export function decodeDcep(bytes: Uint8Array): DcepMessage | undefined {
  if (bytes[0] === MESSAGE_TYPE.ack) return { type: 'ack' };
  if (bytes[0] !== MESSAGE_TYPE.open) return undefined;
  const reader = new ByteReader(bytes, 1);
  const channelType = reader.uint8();
  const priority = reader.uint16();
  const reliability = reader.uint32();
  const labelLength = reader.uint16();
  const protocolLength = reader.uint16();
  const label = decodeUtf8(reader.view(labelLength));
  const protocol = decodeUtf8(reader.view(protocolLength));
  if (reader.overrun || reader.remaining > 0) return undefined;
  const common = { label, protocol, ordered: (channelType & UNORDERED) === 0, priority };
  switch (channelType & ~UNORDERED) {
    case CHANNEL_TYPE.reliable:
      return { type: 'open', parameters: common };
    case CHANNEL_TYPE.partialReliableRexmit:
      return { type: 'open', parameters: { ...common, maxRetransmits: reliability } };
    case CHANNEL_TYPE.partialReliableTimed:
      return { type: 'open', parameters: { ...common, maxPacketLifeTime: reliability } };
    default:
      return undefined;
  }
}
