/** A clip in which every second begins with a key frame: 30 pictures and 50 audio packets to the second. */
export interface Clip {
  readonly video: readonly Uint8Array[];
  readonly audio: readonly Uint8Array[];
}

export interface ClipEvent {
  readonly kind: 'video' | 'audio';
  readonly data: Uint8Array;
  /** On the RTP clock of its kind; it goes on through loops and jumps. */
  readonly timestamp: number;
  readonly keyFrame: boolean;
}

const PICTURES_PER_SECOND = 30;
const AUDIO_PACKETS_PER_SECOND = 50;
const VIDEO_STEP = 90_000 / PICTURES_PER_SECOND;
const AUDIO_STEP = 48_000 / AUDIO_PACKETS_PER_SECOND;
/** Less time than this after a key frame, in milliseconds, a viewer who asks for one has it on the way already. */
const RECENT = 250;
/** A player that is later than this (the machine was asleep) does not catch up. */
const TOO_LATE = 500;

/** Plays a clip in a loop. It is told the time, in milliseconds, and says what is due. */
export class ClipPlayer {
  readonly #clip: Clip;
  readonly #seconds: number;
  #start: number;
  #pictures = 0;
  #audioPackets = 0;
  #picture = 0;
  #audioPacket = 0;
  #lastKeyFrame = Number.NEGATIVE_INFINITY;

  /** @throws RangeError when the clip is shorter than a second */
  constructor(clip: Clip, now: number) {
    this.#clip = clip;
    this.#seconds = Math.min(Math.floor(clip.video.length / PICTURES_PER_SECOND), Math.floor(clip.audio.length / AUDIO_PACKETS_PER_SECOND));
    if (this.#seconds < 1) throw new RangeError('a clip has at least a second of video and audio');
    this.#start = now;
  }

  /** When something is due next. */
  get nextTime(): number {
    return Math.min(this.#pictureTime, this.#audioTime);
  }

  /** Everything that is due, in order. */
  *due(now: number): Generator<ClipEvent> {
    if (now - this.nextTime > TOO_LATE) this.#start += now - this.nextTime;
    while (this.nextTime <= now) yield this.#pictureTime <= this.#audioTime ? this.#nextPicture(now) : this.#nextAudio();
  }

  /** Goes on with the next second of the clip, where a key frame is; picture and sound stay together. */
  requestKeyFrame(now: number): void {
    if (now - this.#lastKeyFrame < RECENT) return;
    const second = Math.ceil(this.#picture / PICTURES_PER_SECOND) % this.#seconds;
    this.#picture = second * PICTURES_PER_SECOND;
    this.#audioPacket = second * AUDIO_PACKETS_PER_SECOND;
  }

  get #pictureTime(): number {
    return this.#start + (this.#pictures * 1000) / PICTURES_PER_SECOND;
  }

  get #audioTime(): number {
    return this.#start + (this.#audioPackets * 1000) / AUDIO_PACKETS_PER_SECOND;
  }

  #nextPicture(now: number): ClipEvent {
    const keyFrame = this.#picture % PICTURES_PER_SECOND === 0;
    if (keyFrame) this.#lastKeyFrame = now;
    const data = this.#clip.video[this.#picture] ?? new Uint8Array(0);
    this.#picture = (this.#picture + 1) % (this.#seconds * PICTURES_PER_SECOND);
    return { kind: 'video', data, timestamp: this.#pictures++ * VIDEO_STEP, keyFrame };
  }

  #nextAudio(): ClipEvent {
    const data = this.#clip.audio[this.#audioPacket] ?? new Uint8Array(0);
    this.#audioPacket = (this.#audioPacket + 1) % (this.#seconds * AUDIO_PACKETS_PER_SECOND);
    return { kind: 'audio', data, timestamp: this.#audioPackets++ * AUDIO_STEP, keyFrame: true };
  }
}
