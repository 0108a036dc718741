/**
 * The RTP payload format for VP8 (RFC 7741).
 *
 * ```
 *         0 1 2 3 4 5 6 7
 *        +-+-+-+-+-+-+-+-+
 *        |X|R|N|S|R| PID | (REQUIRED)
 *        +-+-+-+-+-+-+-+-+
 *   X:   |I|L|T|K| RSV   | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+
 *   I:   |M| PictureID   | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+
 *        |   PictureID   |
 *        +-+-+-+-+-+-+-+-+
 *   L:   |   TL0PICIDX   | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+
 *   T/K: |TID|Y| KEYIDX  | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+                                     (§4.2)
 * ```
 */
import type { EncodedFrame } from '../frame.ts';
import type { Packetizer } from './packetizer.ts';

const EXTENDED = 0x80;
const START_OF_PARTITION = 0x10;
const HAS_PICTURE_ID = 0x80;
const LONG_PICTURE_ID = 0x80;
const DESCRIPTOR_LENGTH = 4;

/** A picture id of 15 bits and no layers. */
export class Vp8Packetizer implements Packetizer {
  #pictureId: number;

  /** @param firstPictureId should be random (RFC 7741 §4.2) */
  constructor(firstPictureId: number) {
    this.#pictureId = firstPictureId & 0x7fff;
  }

  packetize({ data }: EncodedFrame, maxPayload: number): Uint8Array[] {
    const room = maxPayload - DESCRIPTOR_LENGTH;
    const count = Math.max(1, Math.ceil(data.length / room));
    const share = Math.ceil(data.length / count);
    const payloads: Uint8Array[] = [];
    for (let start = 0; payloads.length < count; start += share)
      payloads.push(this.#payload(data.subarray(start, start + share), start === 0));
    this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    return payloads;
  }

  #payload(piece: Uint8Array, first: boolean): Uint8Array {
    const payload = new Uint8Array(DESCRIPTOR_LENGTH + piece.length);
    payload[0] = first ? EXTENDED | START_OF_PARTITION : EXTENDED;
    payload[1] = HAS_PICTURE_ID;
    payload[2] = LONG_PICTURE_ID | (this.#pictureId >>> 8);
    payload[3] = this.#pictureId;
    payload.set(piece, DESCRIPTOR_LENGTH);
    return payload;
  }
}

/** Whether a VP8 frame can be decoded without another one: the P bit of its header is 0 (RFC 6386 §9.1). */
export function isVp8KeyFrame(frame: Uint8Array): boolean {
  return frame.length > 0 && (frame[0]! & 1) === 0;
}
