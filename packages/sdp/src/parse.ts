/**
 * The parser of session descriptions (RFC 8866 §9, RFC 8829 §5.8): strict about order and form of the lines and about the syntax of the attributes
 * that it knows. Unknown attributes are kept.
 */
import { utf8Length } from '@petrel/bytes';
import { ATTRIBUTE_SYNTAX } from './attributes/syntax.ts';
import {
  type Attribute,
  type Bandwidth,
  type ConnectionAddress,
  MAX_DESCRIPTION_LENGTH,
  MAX_MEDIA_SECTIONS,
  type MediaSection,
  type Origin,
  SdpSyntaxError,
  type SessionDescription,
  type Timing,
} from './session-description.ts';

/**
 * Reads a session description. Lines may end with CRLF or LF.
 * @throws SdpSyntaxError with the line's number
 * @example
 * const description = parseSessionDescription(offer.sdp);
 * const mids = description.media.map((section) => read(section, MID));
 */
export function parseSessionDescription(text: string): SessionDescription {
  if (utf8Length(text) > MAX_DESCRIPTION_LENGTH) throw new SdpSyntaxError(1, `longer than ${MAX_DESCRIPTION_LENGTH} bytes`);
  const lines = new Lines(text);
  const session = parseSessionPart(lines);
  const media: MediaSection[] = [];
  while (!lines.done) {
    if (media.length === MAX_MEDIA_SECTIONS) throw lines.error(`more than ${MAX_MEDIA_SECTIONS} media sections`);
    media.push(parseMediaSection(lines));
  }
  return { ...session, media };
}

/** RFC 8866 §5: `v o s i? u? e* p* c? b* (t r*)+ z? k? a*`, in this order. */
function parseSessionPart(lines: Lines): Omit<SessionDescription, 'media'> {
  if (lines.required('v') !== '0') throw lines.error('the version is 0', -1);
  return {
    origin: parseOrigin(lines.required('o'), lines),
    name: lines.required('s'),
    ...optional('information', lines.optional('i')),
    ...optional('uri', lines.optional('u')),
    ...optional('emails', nonEmpty(lines.all('e'))),
    ...optional('phones', nonEmpty(lines.all('p'))),
    ...optional('connection', nonEmpty(lines.all('c', 1).map((value) => parseConnection(value, lines)))?.[0]),
    ...optional('bandwidths', parseBandwidths(lines)),
    timings: parseTimings(lines),
    ...optional('zones', lines.optional('z')),
    ...optional('key', lines.optional('k')),
    attributes: parseAttributes(lines),
  };
}

/** RFC 8866 §5: `m i? c* b* k? a*`. */
function parseMediaSection(lines: Lines): MediaSection {
  const value = lines.required('m');
  const [kind, port, protocol, ...formats] = value.split(' ');
  const ports = /^(\d{1,5})(?:\/(\d{1,5}))?$/.exec(port ?? '');
  if (
    !isToken(kind) ||
    ports === null ||
    Number(ports[1]) > 65535 ||
    !/^[\w!#$%&'*+\-.^`{|}~]+(\/[\w!#$%&'*+\-.^`{|}~]+)*$/.test(protocol ?? '')
  )
    throw lines.error('malformed m= line', -1);
  if (formats.length === 0 || !formats.every(isToken)) throw lines.error('an m= line needs formats, separated by single spaces', -1);
  if (/\bRTP\b/.test(protocol!) && !formats.every((format) => /^\d{1,3}$/.test(format) && Number(format) < 128))
    throw lines.error('the formats of RTP are payload types', -1);
  return {
    kind: kind!,
    port: Number(ports[1]),
    ...optional('portCount', ports[2] === undefined ? undefined : Number(ports[2])),
    protocol: protocol!,
    formats,
    ...optional('information', lines.optional('i')),
    ...optional('connections', nonEmpty(lines.all('c').map((connection) => parseConnection(connection, lines)))),
    ...optional('bandwidths', parseBandwidths(lines)),
    ...optional('key', lines.optional('k')),
    attributes: parseAttributes(lines),
  };
}

function parseOrigin(value: string, lines: Lines): Origin {
  const [username, sessionId, sessionVersion, networkType, addressType, address, ...rest] = value.split(' ');
  if (
    !username ||
    !isDecimal(sessionId) ||
    !isDecimal(sessionVersion) ||
    !isToken(networkType) ||
    !isToken(addressType) ||
    !address ||
    rest.length > 0
  )
    throw lines.error('malformed o= line', -1);
  return {
    username,
    sessionId: sessionId!,
    sessionVersion: sessionVersion!,
    networkType: networkType!,
    addressType: addressType!,
    address,
  };
}

function parseConnection(value: string, lines: Lines): ConnectionAddress {
  const [networkType, addressType, address, ...rest] = value.split(' ');
  if (!isToken(networkType) || !isToken(addressType) || !address || rest.length > 0) throw lines.error('malformed c= line', -1);
  return { networkType: networkType!, addressType: addressType!, address };
}

function parseBandwidths(lines: Lines): Bandwidth[] | undefined {
  return nonEmpty(
    lines.all('b').map((value) => {
      const match = /^([\w\-.]+):(\d{1,15})$/.exec(value);
      if (match === null) throw lines.error('malformed b= line', -1);
      return { type: match[1]!, value: Number(match[2]) };
    }),
  );
}

function parseTimings(lines: Lines): Timing[] {
  const timings: Timing[] = [];
  for (let value: string | undefined = lines.required('t'); value !== undefined; value = lines.optional('t')) {
    const match = /^(\d{1,20}) (\d{1,20})$/.exec(value);
    if (match === null) throw lines.error('malformed t= line', -1);
    timings.push({ start: match[1]!, stop: match[2]!, ...optional('repeats', nonEmpty(lines.all('r'))) });
  }
  return timings;
}

function parseAttributes(lines: Lines): Attribute[] {
  const attributes: Attribute[] = [];
  for (let line = lines.optional('a'); line !== undefined; line = lines.optional('a')) {
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    // Names that are no tokens are tolerated, as unknown attributes are.
    if (name === '') throw lines.error('malformed a= line', -1);
    const value = colon === -1 ? undefined : line.slice(colon + 1);
    const syntax = ATTRIBUTE_SYNTAX.get(name);
    if (syntax !== undefined && syntax(value) === undefined) throw lines.error(`malformed a=${name} attribute`, -1);
    attributes.push(value === undefined ? { name } : { name, value });
  }
  return attributes;
}

/** The lines with a cursor; `error` gives the number of the line that was read last when called with an offset of -1. */
class Lines {
  readonly #lines: readonly string[];
  #next = 0;

  constructor(text: string) {
    const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
    if (lines.at(-1) === '') lines.pop();
    this.#lines = lines;
  }

  get done(): boolean {
    return this.#next >= this.#lines.length;
  }

  required(type: string): string {
    const value = this.optional(type);
    if (value === undefined) throw this.error(this.done ? `${type}= is missing` : `${type}= expected`);
    return value;
  }

  optional(type: string): string | undefined {
    const line = this.#lines[this.#next];
    if (line === undefined || line[0] !== type || line[1] !== '=') return undefined;
    this.#next++;
    if (line.includes('\0') || line.includes('\r')) throw this.error('a line contains neither NUL nor CR', -1);
    return line.slice(2);
  }

  all(type: string, limit: number = Infinity): string[] {
    const values: string[] = [];
    while (values.length < limit) {
      const value = this.optional(type);
      if (value === undefined) break;
      values.push(value);
    }
    return values;
  }

  error(message: string, offset: 0 | -1 = 0): SdpSyntaxError {
    return new SdpSyntaxError(Math.max(1, this.#next + 1 + offset), message);
  }
}

/** RFC 8866 §9, `token`. */
function isToken(text: string | undefined): boolean {
  return text !== undefined && /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/.test(text);
}

function isDecimal(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,20}$/.test(text);
}

function nonEmpty<T>(list: T[]): T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function optional<Name extends string, T>(name: Name, value: T | undefined): { [K in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [K in Name]?: T });
}
