/** A session description that was applied, with the candidates that are added to it later (W3C WebRTC §4.4.1.5, RFC 8829 §4.1.8). */
import {
  type Attribute,
  CANDIDATE,
  DIRECTIONS,
  END_OF_CANDIDATES,
  FINGERPRINT,
  type FingerprintAttribute,
  GROUP,
  has,
  ICE_LITE,
  ICE_OPTIONS,
  ICE_PWD,
  ICE_UFRAG,
  type MediaSection,
  MID,
  read,
  readAll,
  serializeSessionDescription,
  type SessionDescription,
  SETUP,
  type Setup,
  write,
} from '@petrel/sdp';
import { type RTCSdpType, RTCSessionDescription } from '../rtc-session-description.ts';
import type { Direction, TransceiverSlots } from '../rtc-rtp-transceiver.ts';

/** A description that createOffer or createAnswer has made, with what each section stands for: undefined for data and for rejected sections. */
export interface CreatedDescription {
  readonly sdp: string;
  readonly session: SessionDescription;
  readonly transceivers: readonly (TransceiverSlots | undefined)[];
}

/** In one section; a peer that trickles more is not shown any more. */
export const MAX_CANDIDATES = 256;

export class Description {
  readonly type: Exclude<RTCSdpType, 'rollback'>;
  #session: SessionDescription;
  #object: RTCSessionDescription | undefined;

  constructor(type: Exclude<RTCSdpType, 'rollback'>, sdp: string, session: SessionDescription) {
    this.type = type;
    this.#session = session;
    this.#object = new RTCSessionDescription({ type, sdp });
  }

  get session(): SessionDescription {
    return this.#session;
  }

  get media(): readonly MediaSection[] {
    return this.#session.media;
  }

  /** The same object until a candidate is added. */
  get object(): RTCSessionDescription {
    this.#object ??= new RTCSessionDescription({ type: this.type, sdp: serializeSessionDescription(this.#session) });
    return this.#object;
  }

  /** The section with the mid. */
  section(mid: string): MediaSection | undefined {
    return this.media.find((section, index) => midOf(section, index) === mid);
  }

  indexOf(mid: string): number {
    return this.media.findIndex((section, index) => midOf(section, index) === mid);
  }

  /** Adds `a=candidate` to a section, unless it is there. @param value without `candidate:` */
  addCandidate(index: number, value: string): void {
    const section = this.media[index]!;
    const known = readAll(section, CANDIDATE);
    if (known.length >= MAX_CANDIDATES || known.includes(value)) return;
    this.#append(index, write(CANDIDATE, value));
  }

  addEndOfCandidates(index: number): void {
    if (!has(this.media[index]!, END_OF_CANDIDATES)) this.#append(index, write(END_OF_CANDIDATES, true));
  }

  #append(index: number, attribute: Attribute): void {
    const before = this.media[index]!;
    const after = { ...before, attributes: [...before.attributes, attribute] };
    giveMid(after, midOf(before, index));
    this.#session = { ...this.#session, media: this.media.with(index, after) };
    this.#object = undefined;
  }
}

/** The mid; a peer that knows no `a=mid` has sections told apart by their index (RFC 8829 §5.10). */
export function midOf(section: MediaSection, index: number): string {
  return read(section, MID) ?? givenMids.get(section) ?? `section-${index}`;
}

/** For sections without `a=mid` that answer one with a name. */
const givenMids = new WeakMap<MediaSection, string>();

export function giveMid(section: MediaSection, mid: string): void {
  givenMids.set(section, mid);
}

export function isRejected(section: MediaSection): boolean {
  return section.port === 0 && !isBundleOnly(section);
}

/** RFC 8843 §6: port zero, and not rejected. */
export function isBundleOnly(section: MediaSection): boolean {
  return section.attributes.some(({ name }) => name === 'bundle-only');
}

export function isData(section: MediaSection): boolean {
  return section.kind === 'application' && /^(UDP\/|TCP\/)?DTLS\/SCTP$/.test(section.protocol);
}

/** RFC 8866 §6.7: at the section, or at the session, or sendrecv. */
export function directionOf(session: SessionDescription, section: MediaSection): Direction {
  return findDirection(section.attributes) ?? findDirection(session.attributes) ?? 'sendrecv';
}

function findDirection(attributes: readonly Attribute[]): Direction | undefined {
  return DIRECTIONS.find((direction) => attributes.some(({ name }) => name === direction));
}

/** What a section says about its transport, with the session's values where it has none (RFC 8839 §5.4, RFC 8122 §5). */
export interface TransportAttributes {
  readonly usernameFragment: string | undefined;
  readonly password: string | undefined;
  readonly lite: boolean;
  readonly options: readonly string[];
  readonly fingerprints: readonly FingerprintAttribute[];
  readonly setup: Setup | undefined;
}

export function transportAttributes(session: SessionDescription, section: MediaSection): TransportAttributes {
  const own = readAll(section, FINGERPRINT);
  return {
    usernameFragment: read(section, ICE_UFRAG) ?? read(session, ICE_UFRAG),
    password: read(section, ICE_PWD) ?? read(session, ICE_PWD),
    lite: has(session, ICE_LITE),
    options: [...(read(session, ICE_OPTIONS) ?? []), ...(read(section, ICE_OPTIONS) ?? [])],
    fingerprints: own.length > 0 ? own : readAll(session, FINGERPRINT),
    setup: read(section, SETUP) ?? read(session, SETUP),
  };
}

/** The mids of each BUNDLE group, the tagged section's first (RFC 8843 §7). */
export function bundleGroups({ attributes }: SessionDescription): readonly (readonly string[])[] {
  let groups = groupsByAttributes.get(attributes);
  if (groups === undefined) {
    groups = readAll({ attributes }, GROUP).flatMap(({ semantics, mids }) => (semantics === 'BUNDLE' ? [mids] : []));
    groupsByAttributes.set(attributes, groups);
  }
  return groups;
}

/** They are asked for once for each section, and there may be as many lines of groups as fit in a description. */
const groupsByAttributes = new WeakMap<readonly Attribute[], readonly (readonly string[])[]>();

/** All ICE credentials, each as `ufrag pwd`. */
export function iceCredentials(description: Description | null): string[] {
  if (description === null) return [];
  return description.media.flatMap((section) => {
    const { usernameFragment, password } = transportAttributes(description.session, section);
    return usernameFragment === undefined ? [] : [`${usernameFragment} ${password}`];
  });
}
