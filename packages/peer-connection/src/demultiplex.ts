/**
 * What a datagram on a WebRTC transport is, by its first byte (RFC 7983 §7):
 *
 * ```
 *                  +----------------+
 *                  |        [0..3] -+--> forward to STUN
 *                  |      [16..19] -+--> forward to ZRTP
 *      packet -->  |      [20..63] -+--> forward to DTLS
 *                  |      [64..79] -+--> forward to TURN Channel
 *                  |    [128..191] -+--> forward to RTP/RTCP
 *                  +----------------+
 * ```
 *
 * RTP and RTCP share a port (RFC 5761 §4): packet types 192 to 223 are RTCP. `undefined` is to be dropped: it is none of these,
 * it is too short to be one, or it is ZRTP, which WebRTC forbids (RFC 8827 §6.5).
 */
export type PacketKind = 'stun' | 'dtls' | 'turn-channel' | 'rtp' | 'rtcp';

export function classify(datagram: Uint8Array): PacketKind | undefined {
  if (datagram.length < 2) return undefined;
  const first = datagram[0]!;
  if (first >= 128) {
    if (first > 191) return undefined;
    const packetType = datagram[1]!;
    return packetType >= 192 && packetType <= 223 ? 'rtcp' : 'rtp';
  }
  if (first >= 20 && first <= 63) return 'dtls';
  if (first <= 3) return 'stun';
  return first >= 64 && first <= 79 ? 'turn-channel' : undefined;
}
