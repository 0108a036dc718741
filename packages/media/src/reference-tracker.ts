import type { FrameLayer, ReceivedFrame } from './frame.ts';

export type Decodability = 'decodable' | 'waiting-for-key-frame' | 'missing-reference';

const ALL_LAYERS = 7;

/**
 * Which frames of video can be decoded, after losses. Without layers every frame depends on the one before. With temporal layers (RFC 7741 §4.2, RFC
 * 9628 §4.2) one of the base layer depends on the base layer only, which is whole when its index continues; one that is marked as a switching point
 * depends on that too.
 */
export class ReferenceTracker {
  #waiting = true;
  #pictureId: number | undefined;
  #baseLayerIndex: number | undefined;
  /** Temporal layers up to this one are whole. */
  #wholeLayers = ALL_LAYERS;

  restart(): void {
    this.#waiting = true;
  }

  /** Takes the frames in order. */
  judge(frame: ReceivedFrame): Decodability {
    if (frame.keyFrame) {
      this.#waiting = false;
      this.#wholeLayers = ALL_LAYERS;
    } else if (this.#waiting) return 'waiting-for-key-frame';
    else if (frame.lostPackets > 0 && !this.#followsByPictureId(frame)) this.#afterLoss(frame.layer);
    if (this.#waiting) return 'waiting-for-key-frame';
    const decodable = this.#reachesLayer(frame.layer);
    this.#pictureId = frame.pictureId;
    if (decodable) this.#baseLayerIndex = frame.layer?.baseLayerIndex;
    return decodable ? 'decodable' : 'missing-reference';
  }

  /** What is missing was no frame: padding, or redundancy that was sent in packets of the same sequence. */
  #followsByPictureId({ pictureId }: ReceivedFrame): boolean {
    const previous = this.#pictureId;
    if (pictureId === undefined || previous === undefined) return false;
    return pictureId === previous + 1 || (pictureId === 0 && (previous === 127 || previous === 0x7fff));
  }

  #afterLoss(layer: FrameLayer | undefined): void {
    const index = layer?.baseLayerIndex;
    const previous = this.#baseLayerIndex;
    const distance = index === undefined || previous === undefined ? -1 : (index - previous) & 0xff;
    if (layer === undefined || distance !== (layer.temporalId === 0 ? 1 : 0)) this.#waiting = true;
    else this.#wholeLayers = 0;
  }

  #reachesLayer(layer: FrameLayer | undefined): boolean {
    if (layer === undefined || layer.temporalId <= this.#wholeLayers) return true;
    if (!layer.sync) return false;
    this.#wholeLayers = layer.temporalId;
    return true;
  }
}
