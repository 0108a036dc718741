/** Streams inside a section: RFC 5576 (ssrc), RFC 8851 (rid), RFC 8853 (simulcast), and how RTCP goes: RFC 5761, RFC 5506. */
import { type AttributeType, decimal, flag, TOKEN } from './attribute.ts';

/** `a=ssrc:<ssrc> <attribute>[:<value>]` (RFC 5576 §4.1) */
export interface SourceAttribute {
  readonly ssrc: number;
  readonly attribute: string;
  readonly value?: string;
}

/** RFC 5576 §4.1. */
export const SSRC: AttributeType<SourceAttribute> = {
  name: 'ssrc',
  parse: (value) => {
    const match = /^(\d{1,10})(?: +([^\s:]+)(?::(.*))?)?$/.exec((value ?? '').trimEnd());
    const ssrc = match === null ? undefined : decimal(match[1]!, 0, 0xffff_ffff);
    if (match === null || ssrc === undefined) return undefined;
    return match[3] === undefined ? { ssrc, attribute: match[2] ?? '' } : { ssrc, attribute: match[2]!, value: match[3] };
  },
  format: ({ ssrc, attribute, value }) => `${ssrc} ${attribute}${value === undefined ? '' : `:${value}`}`,
};

/** `a=ssrc-group:<semantics> <ssrc> …` (RFC 5576 §4.2); `FID` pairs a source with its retransmissions. */
export interface SourceGroup {
  readonly semantics: string;
  readonly ssrcs: readonly number[];
}

/** RFC 5576 §4.2. */
export const SSRC_GROUP: AttributeType<SourceGroup> = {
  name: 'ssrc-group',
  parse: (value) => {
    const [semantics, ...ids] = (value ?? '').trimEnd().split(/ +/);
    const ssrcs = ids.map((id) => decimal(id, 0, 0xffff_ffff));
    return semantics && ssrcs.every((ssrc) => ssrc !== undefined) ? { semantics, ssrcs } : undefined;
  },
  format: ({ semantics, ssrcs }) => [semantics, ...ssrcs].join(' '),
};

/** `a=rid:<id> send|recv [<restrictions>]` (RFC 8851 §10) */
export interface Rid {
  readonly id: string;
  readonly direction: 'send' | 'recv';
  readonly restrictions?: string;
}

/** RFC 8851 §4. */
export const RID: AttributeType<Rid> = {
  name: 'rid',
  parse: (value) => {
    const match = /^([\w-]{1,255}) +(send|recv)(?: +(\S.*))?$/.exec((value ?? '').trimEnd());
    if (match === null) return undefined;
    const rid = { id: match[1]!, direction: match[2] as 'send' | 'recv' };
    return match[3] === undefined ? rid : { ...rid, restrictions: match[3] };
  },
  format: ({ id, direction, restrictions }) => `${id} ${direction}${restrictions === undefined ? '' : ` ${restrictions}`}`,
};

/** An alternative; a paused one is known and not sent. */
export interface SimulcastRid {
  readonly id: string;
  readonly paused: boolean;
}

/** `a=simulcast`: streams, each a list of alternatives (RFC 8853 §5.1). */
export interface Simulcast {
  readonly send?: readonly (readonly SimulcastRid[])[];
  readonly recv?: readonly (readonly SimulcastRid[])[];
}

/** RFC 8853 §5.1. */
export const SIMULCAST: AttributeType<Simulcast> = {
  name: 'simulcast',
  parse: (value) => {
    const words = (value ?? '').trim().split(/ +/);
    if (words.length !== 2 && words.length !== 4) return undefined;
    const simulcast: { send?: SimulcastRid[][]; recv?: SimulcastRid[][] } = {};
    for (let i = 0; i < words.length; i += 2) {
      const direction = words[i]!;
      const streams = parseSimulcastStreams(words[i + 1]!);
      if ((direction !== 'send' && direction !== 'recv') || streams === undefined || simulcast[direction] !== undefined) return undefined;
      simulcast[direction] = streams;
    }
    return simulcast;
  },
  format: (simulcast) =>
    (['send', 'recv'] as const)
      .flatMap((direction) => {
        const streams = simulcast[direction];
        return streams === undefined ? [] : [`${direction} ${formatSimulcastStreams(streams)}`];
      })
      .join(' '),
};

function parseSimulcastStreams(text: string): SimulcastRid[][] | undefined {
  const syntax = /^~?[\w-]{1,255}$/;
  const streams = text.split(';').map((stream) => stream.split(','));
  if (!streams.every((alternatives) => alternatives.every((id) => syntax.test(id)))) return undefined;
  return streams.map((alternatives) => alternatives.map((id) => ({ id: id.replace('~', ''), paused: id.startsWith('~') })));
}

function formatSimulcastStreams(streams: readonly (readonly SimulcastRid[])[]): string {
  return streams.map((alternatives) => alternatives.map(({ id, paused }) => (paused ? `~${id}` : id)).join(',')).join(';');
}

/** RFC 5761 §5.1.1. */
export const RTCP_MUX: AttributeType<true> = flag('rtcp-mux');
/** RFC 8858: multiplexing is not negotiable. */
export const RTCP_MUX_ONLY: AttributeType<true> = flag('rtcp-mux-only');
/** Reduced-size RTCP (RFC 5506 §5). */
export const RTCP_REDUCED_SIZE: AttributeType<true> = flag('rtcp-rsize');
/** `a=rtcp-xr:<format> …`, the formats as written, `rcvr-rtt=all` for example (RFC 3611 §5.1). */
export const RTCP_EXTENDED_REPORTS: AttributeType<readonly string[]> = {
  name: 'rtcp-xr',
  parse: (value) => (value ?? '').split(' ').filter((format) => format !== ''),
  format: (formats) => formats.join(' '),
};

/** `a=rtcp:<port> [<nettype> <addrtype> <address>]` (RFC 3605 §2.1), the tail as written. */
export interface RtcpPort {
  readonly port: number;
  readonly address?: string;
}

/** RFC 3605 §2.1. */
export const RTCP: AttributeType<RtcpPort> = {
  name: 'rtcp',
  parse: (value) => {
    const match = new RegExp(`^(\\d{1,5})(?: (${TOKEN} ${TOKEN} \\S+))?$`).exec((value ?? '').trimEnd());
    const port = match === null ? undefined : decimal(match[1]!, 0, 65535);
    if (match === null || port === undefined) return undefined;
    return match[2] === undefined ? { port } : { port, address: match[2] };
  },
  format: ({ port, address }) => (address === undefined ? String(port) : `${port} ${address}`),
};
