/** Which section is which, and which belong together: RFC 5888, RFC 8843 (BUNDLE), RFC 8830 (msid). */
import { type AttributeType, flag, TOKEN, textual } from './attribute.ts';

const WHOLE_TOKEN = new RegExp(`^${TOKEN}$`);

/** `a=mid` (RFC 5888 §4). */
export const MID: AttributeType<string> = textual('mid', WHOLE_TOKEN);

/** Sections that belong together. */
export interface Group {
  /** `BUNDLE`, `LS`, … */
  readonly semantics: string;
  readonly mids: readonly string[];
}

/** `a=group` (RFC 5888 §5). */
export const GROUP: AttributeType<Group> = {
  name: 'group',
  parse: (value) => {
    const [semantics, ...mids] = (value ?? '').trimEnd().split(' ');
    return semantics && WHOLE_TOKEN.test(semantics) && mids.every((mid) => WHOLE_TOKEN.test(mid)) ? { semantics, mids } : undefined;
  },
  format: ({ semantics, mids }) => [semantics, ...mids].join(' '),
};

/** `a=bundle-only` (RFC 8843 §6). */
export const BUNDLE_ONLY: AttributeType<true> = flag('bundle-only');

/** `a=msid` (RFC 8830 §2): a stream's id, `-` for none, and the track's. */
export interface Msid {
  readonly stream: string;
  readonly track?: string;
}

/** RFC 8830 §2. */
export const MSID: AttributeType<Msid> = {
  name: 'msid',
  parse: (value) => {
    const match = /^(\S{1,256})(?: (\S{1,256}))?$/.exec((value ?? '').trimEnd());
    if (match === null) return undefined;
    return match[2] === undefined ? { stream: match[1]! } : { stream: match[1]!, track: match[2] };
  },
  format: ({ stream, track }) => (track === undefined ? stream : `${stream} ${track}`),
};

/** Every direction, as names of attributes. */
export const DIRECTIONS: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

/** RFC 8866 §6.7. */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';
