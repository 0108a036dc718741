/** RTCRtpTransceiver (W3C WebRTC §5.4). */
import { exception } from './errors.ts';
import { codecCapabilities, codecsMatch, isOnlyRepair, type RTCRtpCodec } from './jsep/codecs.ts';
import { type HeaderExtensionPreferences, toCapabilities } from './jsep/header-extension-preferences.ts';
import { updateNegotiationNeeded } from './jsep/negotiation-needed.ts';
import { endTrack, type MediaKind } from './media-stream-track.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { stopReceiving } from './receiving.ts';
import { type RTCRtpHeaderExtensionCapability, type RTCRtpTransceiverDirection, toDirection, toRTCRtpCodec } from './rtc-rtp-parameters.ts';
import type { ReceiverSlots, RTCRtpReceiver } from './rtc-rtp-receiver.ts';
import type { RTCRtpSender, SenderSlots } from './rtc-rtp-sender.ts';
import { stopSending } from './sending.ts';
import * as webidl from './webidl.ts';

/** A direction that is negotiated: `stopped` is a state, not one of them. */
export type Direction = Exclude<RTCRtpTransceiverDirection, 'stopped'>;

/** The internal slots. */
export interface TransceiverSlots {
  readonly connection: PeerConnectionSlots;
  readonly kind: MediaKind;
  readonly object: RTCRtpTransceiver;
  readonly sender: SenderSlots;
  readonly receiver: ReceiverSlots;
  stopping: boolean;
  stopped: boolean;
  direction: Direction;
  receptive: boolean;
  currentDirection: Direction | null;
  firedDirection: Direction | null;
  preferredCodecs: RTCRtpCodec[];
  readonly headerExtensions: HeaderExtensionPreferences;
  /** "RtpTransceiver mid property" (RFC 8829 §3.4.1). */
  jsepMid: string | null;
  mid: string | null;
  /** What made it. One of `addTransceiver` is not taken by a remote offer (RFC 8829 §5.10). */
  readonly origin: 'addTrack' | 'addTransceiver' | 'remote';
  /** addTrack made or used it: a rollback keeps it, and a remote offer may take it. */
  trackAttached: boolean;
  /** What the pending description did, for rollback. */
  createdByPendingDescription: boolean;
  associatedByPendingDescription: boolean;
  /** Whether [[CurrentDirection]] ever was one that sends. */
  hasSent: boolean;
}

export let createRTCRtpTransceiver: (slots: Omit<TransceiverSlots, 'object'>) => TransceiverSlots;
export let transceiverSlots: (transceiver: RTCRtpTransceiver) => TransceiverSlots;

/**
 * A sender and a receiver that share a section of the description (W3C WebRTC §5.4).
 *
 * @example
 * const { receiver } = pc.addTransceiver('video', { direction: 'recvonly' });
 */
export class RTCRtpTransceiver {
  readonly #slots: TransceiverSlots;

  private constructor(...[token, slots]: [token?: unknown, slots?: TransceiverSlots]) {
    webidl.requireInternal(token);
    this.#slots = slots!;
  }

  /** Null until it is in both descriptions, or in the local offer. */
  get mid(): string | null {
    return this.#slots.mid;
  }

  get sender(): RTCRtpSender {
    return this.#slots.sender.object;
  }

  get receiver(): RTCRtpReceiver {
    return this.#slots.receiver.object;
  }

  /** The direction to negotiate. */
  get direction(): RTCRtpTransceiverDirection {
    return this.#slots.stopping ? 'stopped' : this.#slots.direction;
  }

  /** @throws InvalidStateError when stopped, TypeError for 'stopped' */
  set direction(value: RTCRtpTransceiverDirection) {
    const slots = this.#slots;
    const direction = webidl.domString(value, 'RTCRtpTransceiver.direction');
    if (!['sendrecv', 'sendonly', 'recvonly', 'inactive', 'stopped'].includes(direction)) return;
    const newDirection = toDirection(direction, 'RTCRtpTransceiver.direction');
    // 3. 5. 6.
    if (slots.stopping) throw exception('InvalidStateError', 'the transceiver is stopped');
    if (newDirection === slots.direction) return;
    if (newDirection === 'stopped') throw new TypeError("RTCRtpTransceiver.direction: 'stopped' is what stop() makes of it");
    // 7. 8.
    slots.direction = newDirection;
    updateNegotiationNeeded(slots.connection);
  }

  /** The direction that was negotiated; null before. */
  get currentDirection(): RTCRtpTransceiverDirection | null {
    return this.#slots.stopped ? 'stopped' : this.#slots.currentDirection;
  }

  /** Not in the specification any more, and in every browser. */
  get stopped(): boolean {
    return this.#slots.stopped;
  }

  /** Ends sending and receiving for good; negotiation then frees the media section. */
  stop(): void {
    const slots = this.#slots;
    // 3. 4.
    if (slots.connection.isClosed) throw exception('InvalidStateError', 'the connection is closed');
    if (slots.stopping) return;
    // 5. 6.
    stopSendingAndReceiving(slots);
    updateNegotiationNeeded(slots.connection);
  }

  /** Codecs to negotiate, in order of preference; an empty list: the default. @throws InvalidModificationError for codecs that are not supported */
  setCodecPreferences(codecs: RTCRtpCodec[]): void {
    const slots = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCRtpTransceiver.setCodecPreferences');
    const list = webidl.sequence(toRTCRtpCodec)(codecs, 'RTCRtpTransceiver.setCodecPreferences');
    // 4. Duplicates go, the first one stays.
    const unique = list.filter((codec, index) => list.findIndex((other) => codecsMatch(other, codec)) === index);
    // 6. 7. All of them supported.
    const supported = codecCapabilities(slots.kind);
    for (const codec of unique)
      if (!supported.some((one) => codecsMatch(one, codec)))
        throw exception(
          'InvalidModificationError',
          `${codec.mimeType} is not supported in this form: choose from RTCRtpReceiver.getCapabilities`,
        );
    // 8. Not only what accompanies others.
    if (unique.length > 0 && unique.every(isOnlyRepair))
      throw exception('InvalidModificationError', 'there is no media codec in the list, only what accompanies one');
    // 3. 9.
    slots.preferredCodecs = unique;
  }

  /** WebRTC Extensions: the header extensions that can be negotiated, and the direction of each; 'stopped' is not offered. */
  getHeaderExtensionsToNegotiate(): RTCRtpHeaderExtensionCapability[] {
    return this.#slots.headerExtensions.toNegotiate;
  }

  /** WebRTC Extensions: the same list with other directions. @throws TypeError or InvalidModificationError for another list */
  setHeaderExtensionsToNegotiate(extensions: RTCRtpHeaderExtensionCapability[]): void {
    const { headerExtensions } = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCRtpTransceiver.setHeaderExtensionsToNegotiate');
    headerExtensions.declare(toCapabilities(extensions, 'RTCRtpTransceiver.setHeaderExtensionsToNegotiate'));
  }

  /** WebRTC Extensions: what the last answer has made of them. */
  getNegotiatedHeaderExtensions(): RTCRtpHeaderExtensionCapability[] {
    return this.#slots.headerExtensions.negotiated;
  }

  static {
    createRTCRtpTransceiver = (slots) => {
      const complete = slots as TransceiverSlots;
      const transceiver = new RTCRtpTransceiver(webidl.INTERNAL, complete);
      (complete as { object: RTCRtpTransceiver }).object = transceiver;
      return complete;
    };
    transceiverSlots = (transceiver) => transceiver.#slots;
    webidl.defineInterface({
      name: 'RTCRtpTransceiver',
      prototype: RTCRtpTransceiver.prototype,
      isInstance: (value) => #slots in value,
      shown: ['mid', 'direction', 'currentDirection', 'sender', 'receiver'],
    });
  }
}

/** "Stop sending and receiving" (§5.4). */
function stopSendingAndReceiving(slots: TransceiverSlots): void {
  // 3. BYE for what was being sent. 4.
  stopSending(slots.sender);
  stopReceiving(slots.receiver);
  // 5. The receiver's track ends in a task.
  endReceiverTrack(slots);
  // 6. 7.
  slots.direction = 'inactive';
  slots.stopping = true;
}

function endReceiverTrack({ receiver, connection }: TransceiverSlots): void {
  const { track } = receiver;
  connection.runtime.queueTask(() => endTrack(track));
}

/** "Stop the RTCRtpTransceiver" (§5.4). */
export function stopTransceiver(slots: TransceiverSlots): void {
  // 2. - 7.
  if (!slots.stopping) stopSendingAndReceiving(slots);
  slots.stopped = true;
  slots.receptive = false;
  slots.currentDirection = null;
  slots.receiver.associatedRemoteMediaStreams = [];
  slots.receiver.lastStableStateAssociatedRemoteMediaStreams = [];
}

export function sends(direction: RTCRtpTransceiverDirection | null): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

export function receives(direction: RTCRtpTransceiverDirection | null): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

export function toDirectionOf(send: boolean, receive: boolean): Direction {
  return send ? (receive ? 'sendrecv' : 'sendonly') : receive ? 'recvonly' : 'inactive';
}

/** As the peer sees it. */
export function reverse(direction: Direction): Direction {
  return toDirectionOf(receives(direction), sends(direction));
}

/** What both sides agree to (RFC 8829 §5.3.1). */
export function intersect(one: Direction, two: Direction): Direction {
  return toDirectionOf(sends(one) && sends(two), receives(one) && receives(two));
}
