/** Encryption and authentication of single packets with session keys; which indices are allowed is the contexts' matter. */
export interface PacketTransform {
  /** Bytes that a protected packet is longer: the tag, and for RTCP the word with E and the index. */
  readonly overhead: number;
  /**
   * @param clear bytes at the start that stay readable: the RTP header, or the first 8 of RTCP
   * @param index packet index: 48 bits for RTP, 31 for RTCP
   * @param output where the protected packet goes: `packet.length + overhead` bytes
   */
  seal(packet: Uint8Array, clear: number, ssrc: number, index: number, output: Uint8Array): void;
  /**
   * Verifies, then decrypts in place.
   * @returns the plain packet's length; -1 when it is not authentic, and then the buffer's contents are not to be used
   */
  open(packet: Uint8Array, clear: number, ssrc: number, index: number): number;
}

/** What a context needs to know to make its transform. */
export interface SessionKeys {
  readonly encryption: Uint8Array;
  readonly salt: Uint8Array;
  /** Absent with an AEAD. */
  readonly authentication?: Uint8Array;
}
