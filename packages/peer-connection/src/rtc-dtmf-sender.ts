/** RTCDTMFSender (W3C WebRTC §7). The tones travel as telephone events (RFC 4733); see telephone-event.ts. */
import { exception } from './errors.ts';
import { RTCDTMFToneChangeEvent } from './events.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** What the sender gives its DTMF object. */
export interface DtmfTransport {
  /** The algorithm "determine if DTMF can be sent" (§7.2). */
  canSend(): boolean;
  /** Begins the tone on the sender's stream, for `duration` milliseconds. */
  play(tone: string, duration: number): void;
  /** Calls back after a number of milliseconds. */
  setTimer(delay: number, callback: () => void): void;
}

export let createRTCDTMFSender: (transport: DtmfTransport) => RTCDTMFSender;

/**
 * Sends tones in place of an audio sender's packets (W3C WebRTC §7.2). Event: `tonechange`.
 *
 * @example
 * pc.addTrack(microphone.track).dtmf?.insertDTMF('1234#');
 */
export class RTCDTMFSender extends TypedEventTarget<RTCDTMFSender> {
  declare ontonechange: webidl.EventHandler<RTCDTMFSender, RTCDTMFToneChangeEvent>;
  readonly #transport: DtmfTransport;
  #toneBuffer = '';
  #duration = 100;
  #interToneGap = 70;
  #scheduled = false;

  private constructor(...[token, transport]: [token?: unknown, transport?: DtmfTransport]) {
    webidl.requireInternal(token);
    super();
    this.#transport = transport!;
  }

  get canInsertDTMF(): boolean {
    return this.#transport.canSend();
  }

  /** Tones that have not begun. */
  get toneBuffer(): string {
    return this.#toneBuffer;
  }

  /**
   * Plays tones, instead of those that have not begun yet.
   * @param tones 0-9, A-D, #, * and the comma, which is a pause of 2 seconds
   * @param duration milliseconds of each tone, 40 to 6000
   * @param interToneGap milliseconds between tones, 30 to 6000
   * @throws InvalidStateError when no telephone events can be sent
   * @throws InvalidCharacterError for any other tone
   */
  insertDTMF(tones: string, ...[duration, interToneGap]: [duration?: number, interToneGap?: number]): void {
    const transport = this.#transport;
    webidl.requireArguments(arguments.length, 1, 'RTCDTMFSender.insertDTMF');
    const requested = webidl.domString(tones, 'RTCDTMFSender.insertDTMF');
    const tone = duration === undefined ? 100 : webidl.unsignedLong(duration, 'RTCDTMFSender.insertDTMF');
    const gap = interToneGap === undefined ? 70 : webidl.unsignedLong(interToneGap, 'RTCDTMFSender.insertDTMF');
    // 4. 8. Only what can be played.
    if (!transport.canSend()) throw exception('InvalidStateError', 'DTMF cannot be sent now: see canInsertDTMF');
    const normalized = requested.replace(/[a-d]/g, (letter) => letter.toUpperCase());
    if (/[^0-9A-D#*,]/.test(normalized))
      throw exception('InvalidCharacterError', `'${requested}' contains what is not a DTMF tone: 0 to 9, A to D, #, * or a comma`);
    // 9. - 15. The slots, clamped.
    this.#toneBuffer = normalized;
    this.#duration = Math.min(Math.max(tone, 40), 6000);
    this.#interToneGap = Math.min(Math.max(gap, 30), 6000);
    // 16. 17. The playout task, unless it is under way.
    if (normalized === '' || this.#scheduled) return;
    this.#schedule(0);
  }

  #schedule(delay: number): void {
    this.#scheduled = true;
    this.#transport.setTimer(delay, () => {
      this.#scheduled = false;
      this.#playout();
    });
  }

  /** DTMF playout task steps (§7.2). */
  #playout(): void {
    // 1. 2. Nothing can be sent, or nothing is left.
    if (!this.#transport.canSend()) return;
    const tone = this.#toneBuffer.charAt(0);
    // 3. - 5. Take the next tone, play it, come back after it.
    this.#toneBuffer = this.#toneBuffer.slice(1);
    if (tone === ',') this.#schedule(2000);
    else if (tone !== '') {
      this.#transport.play(tone, this.#duration);
      this.#schedule(this.#duration + this.#interToneGap);
    }
    // 6. Say so.
    this.dispatchEvent(new RTCDTMFToneChangeEvent('tonechange', { tone }));
  }

  static {
    createRTCDTMFSender = (transport) => new RTCDTMFSender(webidl.INTERNAL, transport);
    webidl.defineInterface({
      name: 'RTCDTMFSender',
      prototype: RTCDTMFSender.prototype,
      isInstance: (value) => #transport in value,
      handlers: ['tonechange'],
    });
  }
}
