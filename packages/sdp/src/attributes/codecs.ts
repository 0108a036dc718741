/** Payload types and what they mean: RFC 8866 §6.6 and §6.15, RFC 4585 §4.2 (feedback), RFC 8285 §5 (header extensions). */
import { type AttributeType, decimal, flag, numeric, TOKEN } from './attribute.ts';
import type { Direction } from './identification.ts';

/** `a=rtpmap:<payload type> <encoding>/<clock rate>[/<channels>]` */
export interface Rtpmap {
  readonly payloadType: number;
  readonly encoding: string;
  readonly clockRate: number;
  readonly channels?: number;
}

const RTPMAP_SYNTAX = new RegExp(`^(\\d{1,3}) +(${TOKEN})/(\\d{1,9})(?:/(\\d{1,3}))?$`);

/** RFC 8866 §6.6. */
export const RTPMAP: AttributeType<Rtpmap> = {
  name: 'rtpmap',
  parse: (value) => {
    const match = RTPMAP_SYNTAX.exec((value ?? '').trimEnd());
    if (match === null || Number(match[1]) > 127) return undefined;
    const map = { payloadType: Number(match[1]), encoding: match[2]!, clockRate: Number(match[3]) };
    return match[4] === undefined ? map : { ...map, channels: Number(match[4]) };
  },
  format: ({ payloadType, encoding, clockRate, channels }) =>
    `${payloadType} ${encoding}/${clockRate}${channels === undefined ? '' : `/${channels}`}`,
};

/** `a=fmtp:<format> <parameters>`; the format is a payload type, or a name (`webrtc-datachannel`). */
export interface Fmtp {
  readonly format: string;
  readonly parameters: string;
}

/** RFC 8866 §6.15. */
export const FMTP: AttributeType<Fmtp> = {
  name: 'fmtp',
  parse: (value) => {
    const match = /^(\S+) +(.*)$/.exec(value ?? '');
    return match === null ? undefined : { format: match[1]!, parameters: match[2]! };
  },
  format: ({ format, parameters }) => `${format} ${parameters}`,
};

/** The `name=value;…` pairs that most formats use; names in lower case, a bare name maps to ''. */
export function parseFormatParameters(parameters: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const part of parameters.split(';')) {
    const text = part.trim();
    if (text === '') continue;
    const equals = text.indexOf('=');
    if (equals === -1) pairs.set(text.toLowerCase(), '');
    else pairs.set(text.slice(0, equals).trim().toLowerCase(), text.slice(equals + 1).trim());
  }
  return pairs;
}

/** `a=rtcp-fb:<payload type or *> <type> [<parameter>]` */
export interface RtcpFeedback {
  readonly payloadType: number | '*';
  readonly type: string;
  /** `pli` of `nack pli`. */
  readonly parameter?: string;
}

/** RFC 4585 §4.2. */
export const RTCP_FEEDBACK: AttributeType<RtcpFeedback> = {
  name: 'rtcp-fb',
  parse: (value) => {
    const match = /^(\*|\d{1,3}) +([\w-]+)(?: +(.*))?$/.exec((value ?? '').trimEnd());
    if (match === null || Number(match[1]) > 127) return undefined;
    const feedback = { payloadType: match[1] === '*' ? ('*' as const) : Number(match[1]), type: match[2]! };
    return match[3] ? { ...feedback, parameter: match[3] } : feedback;
  },
  format: ({ payloadType, type, parameter }) => `${payloadType} ${type}${parameter === undefined ? '' : ` ${parameter}`}`,
};

/** `a=extmap:<id>[/<direction>] <URI> [<attributes>]` */
export interface ExtensionMap {
  readonly id: number;
  readonly direction?: Direction;
  readonly uri: string;
  readonly attributes?: string;
}

/** RFC 8285 §5. */
export const EXTMAP: AttributeType<ExtensionMap> = {
  name: 'extmap',
  parse: (value) => {
    const match = /^(\d{1,4})(?:\/(sendrecv|sendonly|recvonly|inactive))? +(\S+)(?: +(.*))?$/.exec((value ?? '').trimEnd());
    // Two-byte headers have 1 to 255; 4096 to 4351 is for negotiation only (RFC 8285 §6).
    const id = match === null ? undefined : decimal(match[1]!, 1, 4351);
    if (match === null || id === undefined) return undefined;
    return {
      id,
      ...(match[2] === undefined ? {} : { direction: match[2] as Direction }),
      uri: match[3]!,
      ...(match[4] === undefined ? {} : { attributes: match[4] }),
    };
  },
  format: ({ id, direction, uri, attributes }) =>
    `${id}${direction === undefined ? '' : `/${direction}`} ${uri}${attributes === undefined ? '' : ` ${attributes}`}`,
};

/** RFC 8285 §6: one-byte and two-byte headers may be mixed in a stream. */
export const EXTMAP_ALLOW_MIXED: AttributeType<true> = flag('extmap-allow-mixed');

/** Milliseconds of media in a packet (RFC 8866 §6.4, §6.5). */
export const PTIME: AttributeType<number> = numeric('ptime', 0, 65535);
/** RFC 8866 §6.5. */
export const MAXPTIME: AttributeType<number> = numeric('maxptime', 0, 65535);
