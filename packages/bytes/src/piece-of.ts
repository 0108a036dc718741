/** No honest datagram of a network is larger, in bytes. */
const LARGE = 2048;

/**
 * `[start, end)` of a received packet, for those who may keep it: a view, which keeps the whole packet in memory; or a copy, when it is a small part of a
 * large one. So what a peer makes us keep is never many times what it counts for.
 *
 * @example
 * const data = pieceOf(datagram, 28, 28 + length);
 */
export function pieceOf(packet: Uint8Array, start: number, end: number): Uint8Array {
  const isLittle = packet.length > LARGE && (end - start) * 4 < packet.length;
  return isLittle ? packet.slice(start, end) : packet.subarray(start, end);
}
