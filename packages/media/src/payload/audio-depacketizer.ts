import { Discards } from '@petrel/sans-io';
import type { ReceivedFrame } from '../frame.ts';
import type { Depacketizer, PayloadDiscard, PayloadPacket } from './packetizer.ts';

/** Every packet of audio is a frame. */
export class AudioDepacketizer implements Depacketizer {
  readonly kind = 'audio';
  readonly clockRate: number;
  readonly discards: Discards<PayloadDiscard> = new Discards();
  readonly #isWhole: (payload: Uint8Array) => boolean;
  #lost = 0;

  constructor(clockRate: number, isWhole: (payload: Uint8Array) => boolean) {
    this.clockRate = clockRate;
    this.#isWhole = isWhole;
  }

  depacketize({ payload, timestamp }: PayloadPacket, lost: number): readonly ReceivedFrame[] {
    this.#lost += lost;
    if (payload.length === 0) return [];
    if (!this.#isWhole(payload)) {
      this.discards.count('malformed');
      this.#lost += 1;
      return [];
    }
    const lostPackets = this.#lost;
    this.#lost = 0;
    return [{ data: payload, timestamp, keyFrame: true, lostPackets }];
  }
}
