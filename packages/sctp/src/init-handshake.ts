/**
 * Setting up an association (RFC 9260 §5.1), and everything that may happen to set-up chunks afterwards (§5.2).
 *
 * ```
 *   CLOSED ── INIT ──────────────────────────>            answers statelessly: all it knows is in the cookie
 *   COOKIE-WAIT <──────────── INIT ACK + cookie
 *   COOKIE-ECHOED ── COOKIE ECHO (+ DATA) ───> ESTABLISHED
 *   ESTABLISHED <────────────────── COOKIE ACK (+ DATA)
 * ```
 */
import { readUint16, writeUint16, writeUint32 } from '@petrel/bytes';
import { type Instant, randomUint32 } from '@petrel/sans-io';
import { CAUSE, decodeCauses, encodeCause } from './packet/error-cause.ts';
import { decodeInit, encodeInit, type Extensions, type Init } from './packet/init.ts';
import { CHUNK_TYPE } from './packet/packet.ts';
import { type CookieContents, CookieJar } from './state-cookie.ts';
import { nonZero, type Tcb } from './tcb.ts';

/** A cookie has to fit into a packet (§5.1.3: it SHOULD be as small as possible). */
const MAX_COOKIE = 4096;
/**
 * The longest T1, in milliseconds, of the first attempts and of later ones. At a loss of 50 % in both directions one attempt in four gets through:
 * doubling alone, which protects a network that many small packets could congest, makes people wait for a minute.
 */
const SHORT_T1 = 600;
const LONG_T1 = 3000;
const MANY_ATTEMPTS = 40;

/** What the association does when the handshake gets somewhere. */
export interface InitHandshakeActions {
  /** Takes over what the peer's INIT or INIT ACK said. */
  adopt(peer: CookieContents): void;
  establish(now: Instant): void;
  /** The peer has begun again: everything from before is gone. */
  restart(peer: CookieContents, now: Instant): void;
}

export class InitHandshake {
  readonly #tcb: Tcb;
  readonly #actions: InitHandshakeActions;
  readonly #cookies: CookieJar;
  #attempts = 0;
  #initSentAt: Instant = 0;
  #cookieEcho: Uint8Array | undefined;
  #cookieEchoDue = false;

  constructor(tcb: Tcb, actions: InitHandshakeActions) {
    this.#tcb = tcb;
    this.#actions = actions;
    this.#cookies = new CookieJar(tcb.options.crypto);
  }

  /** What we offer. */
  get extensions(): Extensions {
    const { interleaving, zeroChecksum } = this.#tcb.options;
    return { forwardTsn: true, reConfig: true, interleaving, zeroChecksum };
  }

  connect(now: Instant): void {
    this.#tcb.state = 'cookie-wait';
    this.#sendInit(now);
  }

  handleTimeout(now: Instant): void {
    if (this.#tcb.timers.expire('t1-init', now) && this.#mayRetry()) this.#sendInit(now);
    if (this.#tcb.timers.expire('t1-cookie', now) && this.#mayRetry()) this.#sendCookieEcho(now);
  }

  /** The cookie that is to be sent, first in its packet (§3.3.11). */
  takeCookieEcho(): Uint8Array | undefined {
    if (!this.#cookieEchoDue) return undefined;
    this.#cookieEchoDue = false;
    return this.#cookieEcho;
  }

  get isCookieEchoDue(): boolean {
    return this.#cookieEchoDue;
  }

  /** An INIT, in whatever state. Nothing changes but the INIT ACK that is sent (§5.1 B, §5.2.1, §5.2.2). */
  onInit(value: Uint8Array, now: Instant): void {
    const tcb = this.#tcb;
    const init = decodeInit(value);
    if ('problem' in init) {
      tcb.discards.count('malformed-init');
      if (init.problem === 'invalid') tcb.sendPacket(init.initiateTag, CHUNK_TYPE.abort, 0, encodeInitProblem(init.cause));
    } else if (tcb.ended) {
      // §8.4 rule 3: there is nothing to begin any more.
      tcb.discards.count('out-of-the-blue');
      tcb.sendPacket(init.initiateTag, CHUNK_TYPE.abort);
    } else if (tcb.state === 'shutdown-ack-sent') {
      tcb.discards.count('unexpected-chunk'); // §9.2
      tcb.sendControl(CHUNK_TYPE.shutdownAck);
    } else this.#sendInitAck(init, now);
  }

  onInitAck(value: Uint8Array, now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.state !== 'cookie-wait') return tcb.discards.count('unexpected-chunk'); // §5.2.3
    const init = decodeInit(value);
    if ('problem' in init) {
      if (init.problem === 'malformed') return tcb.discards.count('malformed-init');
      tcb.remoteTag = init.initiateTag;
      return this.#refuse(init.cause);
    }
    tcb.remoteTag = init.initiateTag;
    if (init.cookie === undefined || init.cookie.length > MAX_COOKIE) return this.#refuse('no-cookie');
    this.#actions.adopt(this.#contents(tcb.localTag, tcb.localInitialTsn, init));
    tcb.timers.stop('t1-init');
    if (this.#attempts === 0) tcb.rto.measure(now - this.#initSentAt); // the first round trip (§6.3.1 C2)
    this.#attempts = 0;
    tcb.state = 'cookie-echoed';
    this.#cookieEcho = init.cookie.slice();
    if (init.unrecognized !== undefined && init.unrecognized.length > 0)
      tcb.sendControl(CHUNK_TYPE.error, encodeCause(CAUSE.unrecognizedParameters, init.unrecognized));
    this.#sendCookieEcho(now);
  }

  /** @returns whether the rest of the packet is for the association that there is now */
  onCookieEcho(value: Uint8Array, verificationTag: number, now: Instant): boolean {
    const tcb = this.#tcb;
    const opened = this.#cookies.open(value, now);
    if (opened === undefined) {
      tcb.discards.count('forged-cookie');
      return false;
    }
    const { contents, staleness } = opened;
    if (contents.localTag !== verificationTag) {
      tcb.discards.count('wrong-verification-tag'); // §5.1.5 step 3
      return false;
    }
    const isOurs = contents.localTag === tcb.localTag && contents.remoteTag === tcb.remoteTag;
    if (staleness > 0 && !isOurs) {
      tcb.discards.count('stale-cookie');
      tcb.sendPacket(
        contents.remoteTag,
        CHUNK_TYPE.error,
        0,
        encodeCause(CAUSE.staleCookie, uint32(Math.min(Math.ceil(staleness * 1000), 0xffffffff))),
      );
      return false;
    }
    return this.#act(contents, isOurs, now);
  }

  onCookieAck(now: Instant): void {
    if (this.#tcb.state === 'cookie-echoed') this.#establish(now);
    else this.#tcb.discards.count('unexpected-chunk'); // §5.2.5
  }

  /** A stale cookie (§5.2.6): begin again, for a new one. */
  onError(value: Uint8Array, now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.state !== 'cookie-echoed' || !decodeCauses(value).some(({ code }) => code === CAUSE.staleCookie)) return;
    tcb.timers.stop('t1-cookie');
    this.#cookieEchoDue = false;
    if (!this.#mayRetry()) return;
    tcb.state = 'cookie-wait';
    this.#sendInit(now);
  }

  /** Table 12 (§5.2.4). */
  #act(cookie: CookieContents, isOurs: boolean, now: Instant): boolean {
    const tcb = this.#tcb;
    const isLocal = cookie.localTag === tcb.localTag;
    if (tcb.state === 'closed') {
      this.#actions.adopt(cookie);
      this.#establish(now);
    } else if (isOurs) {
      if (tcb.state === 'cookie-echoed')
        this.#establish(now); // action D
      else if (tcb.state === 'cookie-wait') return this.#unexpectedCookie();
    } else if (isLocal) {
      // Action B: the peer has answered our INIT, and sent its own with another tag afterwards.
      if (tcb.state === 'cookie-wait' || tcb.state === 'cookie-echoed') {
        this.#actions.adopt(cookie);
        this.#establish(now);
      } else tcb.remoteTag = cookie.remoteTag;
    } else if (cookie.remoteTag !== tcb.remoteTag && cookie.localTieTag === tcb.localTag && cookie.remoteTieTag === tcb.remoteTag) {
      return this.#onRestart(cookie, now); // action A
    } else return this.#unexpectedCookie(); // action C, and everything else
    tcb.sendControl(CHUNK_TYPE.cookieAck);
    return true;
  }

  #unexpectedCookie(): false {
    this.#tcb.discards.count('cookie-for-another-association');
    return false;
  }

  #onRestart(cookie: CookieContents, now: Instant): boolean {
    const tcb = this.#tcb;
    if (tcb.state === 'shutdown-ack-sent') {
      tcb.sendControl(CHUNK_TYPE.shutdownAck);
      tcb.sendControl(CHUNK_TYPE.error, encodeCause(CAUSE.cookieReceivedWhileShuttingDown));
      return false;
    }
    this.#actions.restart(cookie, now);
    tcb.sendControl(CHUNK_TYPE.cookieAck);
    return true;
  }

  #establish(now: Instant): void {
    this.#tcb.timers.stop('t1-init');
    this.#tcb.timers.stop('t1-cookie');
    this.#cookieEcho = undefined;
    this.#cookieEchoDue = false;
    this.#actions.establish(now);
  }

  #sendInit(now: Instant): void {
    const tcb = this.#tcb;
    tcb.sendPacket(0, CHUNK_TYPE.init, 0, encodeInit(this.#local(tcb.localTag, tcb.localInitialTsn)));
    this.#initSentAt = now;
    tcb.timers.start('t1-init', now + this.#interval());
  }

  #sendCookieEcho(now: Instant): void {
    this.#cookieEchoDue = true;
    this.#tcb.timers.start('t1-cookie', now + this.#interval());
  }

  #sendInitAck(init: Init, now: Instant): void {
    const tcb = this.#tcb;
    const isSettingUp = tcb.state === 'closed' || tcb.state === 'cookie-wait' || tcb.state === 'cookie-echoed';
    const localTag = isSettingUp ? tcb.localTag : nonZero(randomUint32(tcb.options.crypto));
    const localInitialTsn = isSettingUp ? tcb.localInitialTsn : randomUint32(tcb.options.crypto);
    const cookie = this.#cookies.bake(this.#contents(localTag, localInitialTsn, init), now);
    const { unrecognized } = init;
    const ack = encodeInit({ ...this.#local(localTag, localInitialTsn), cookie, ...(unrecognized ? { unrecognized } : {}) });
    tcb.sendPacket(init.initiateTag, CHUNK_TYPE.initAck, 0, ack);
  }

  #local(initiateTag: number, initialTsn: number): Init {
    const { receiveBuffer, streams } = this.#tcb.options;
    return {
      initiateTag,
      receiverWindow: receiveBuffer,
      outboundStreams: streams,
      inboundStreams: streams,
      initialTsn,
      extensions: this.extensions,
    };
  }

  #contents(localTag: number, localInitialTsn: number, init: Init): CookieContents {
    const { state, options } = this.#tcb;
    const hasTieTags = state !== 'closed' && state !== 'cookie-wait';
    return {
      localTag,
      remoteTag: init.initiateTag,
      localTieTag: hasTieTags ? this.#tcb.localTag : 0,
      remoteTieTag: hasTieTags ? this.#tcb.remoteTag : 0,
      localInitialTsn,
      remoteInitialTsn: init.initialTsn,
      remoteWindow: init.receiverWindow,
      outboundStreams: Math.min(options.streams, init.inboundStreams),
      inboundStreams: Math.min(options.streams, init.outboundStreams),
      extensions: init.extensions,
    };
  }

  /** T1 grows (RFC 9260 §6.3.3 E2), but only so far, and by itself: what was lost here does not slow down the data that follows. */
  #interval(): number {
    const { value } = this.#tcb.rto;
    return Math.max(value, Math.min(value * 2 ** this.#attempts, this.#attempts < MANY_ATTEMPTS ? SHORT_T1 : LONG_T1));
  }

  #mayRetry(): boolean {
    this.#attempts += 1;
    if (this.#attempts <= this.#tcb.options.maxInitRetransmits) return true;
    this.#tcb.fail('the peer does not answer');
    return false;
  }

  /** An INIT ACK that cannot be used ends the attempt (§3.3.3). */
  #refuse(problem: 'mandatory-parameter' | 'host-name' | 'no-cookie'): void {
    this.#tcb.discards.count('malformed-init');
    const cause = encodeInitProblem(problem);
    this.#tcb.abortWith(cause, readUint16(cause, 0), 'the peer answered with an INIT ACK that is not valid');
  }
}

function encodeInitProblem(problem: 'mandatory-parameter' | 'host-name' | 'no-cookie'): Uint8Array {
  if (problem === 'host-name') return encodeCause(CAUSE.unresolvableAddress);
  if (problem === 'mandatory-parameter') return encodeCause(CAUSE.invalidMandatoryParameter);
  const missing = new Uint8Array(6);
  writeUint32(missing, 0, 1);
  writeUint16(missing, 4, 7); // the State Cookie parameter (§3.3.3.1.2)
  return encodeCause(CAUSE.missingMandatoryParameter, missing);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}
