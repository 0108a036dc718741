/**
 * A session description (RFC 8866 §5) as data. Attributes stay in the order and spelling in which they came, known or not; their typed forms
 * are read and written with the descriptors in `attributes/` (`read(section, MID)`).
 */

/** `a=name` or `a=name:value`. */
export interface Attribute {
  readonly name: string;
  readonly value?: string;
}

/** Both levels carry attributes: the session and each of its media sections. */
export interface AttributeHolder {
  readonly attributes: readonly Attribute[];
}

/** What {@link parseSessionDescription} gives and `serializeSessionDescription` takes. Fields are as written, in this order. */
export interface SessionDescription extends AttributeHolder {
  readonly origin: Origin;
  /** `s=`: a session name, or the dash that WebRTC uses. */
  readonly name: string;
  readonly information?: string;
  readonly uri?: string;
  readonly emails?: readonly string[];
  readonly phones?: readonly string[];
  readonly connection?: ConnectionAddress;
  readonly bandwidths?: readonly Bandwidth[];
  readonly timings: readonly Timing[];
  /** `z=`, as written. */
  readonly zones?: string;
  /** `k=`, as written; obsolete (RFC 8866 §5.12), it is kept and ignored. */
  readonly key?: string;
  readonly attributes: readonly Attribute[];
  readonly media: readonly MediaSection[];
}

/** `o=<username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address>` */
export interface Origin {
  readonly username: string;
  /** 64-bit decimal numbers, kept as text. */
  readonly sessionId: string;
  readonly sessionVersion: string;
  readonly networkType: string;
  readonly addressType: string;
  readonly address: string;
}

/** `c=<nettype> <addrtype> <connection-address>` */
export interface ConnectionAddress {
  readonly networkType: string;
  readonly addressType: string;
  readonly address: string;
}

/** `b=<bwtype>:<bandwidth>` */
export interface Bandwidth {
  readonly type: string;
  readonly value: number;
}

/** `t=<start> <stop>` with its `r=` lines as written. */
export interface Timing {
  readonly start: string;
  readonly stop: string;
  readonly repeats?: readonly string[];
}

/** `m=<media> <port>[/<count>] <proto> <fmt> …` and the lines that belong to it. */
export interface MediaSection extends AttributeHolder {
  readonly kind: string;
  readonly port: number;
  readonly portCount?: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly information?: string;
  readonly connections?: readonly ConnectionAddress[];
  readonly bandwidths?: readonly Bandwidth[];
  readonly key?: string;
  readonly attributes: readonly Attribute[];
}

/** Limits of {@link parseSessionDescription}: a description is signalled by a peer that is not trusted. */
export const MAX_DESCRIPTION_LENGTH: number = 256 * 1024;
/** More than this many `m=` lines are refused. */
export const MAX_MEDIA_SECTIONS: number = 256;

/**
 * The description does not follow RFC 8866, or a known attribute does not follow its own syntax.
 *
 * @example
 * if (error instanceof SdpSyntaxError) console.log(error.line, error.message);
 */
export class SdpSyntaxError extends Error {
  override readonly name: string = 'SdpSyntaxError';
  /** Counted from 1. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.line = line;
  }
}
