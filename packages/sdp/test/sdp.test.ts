import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BUNDLE_ONLY,
  CANDIDATE,
  EXTMAP,
  FINGERPRINT,
  FMTP,
  GROUP,
  has,
  ICE_OPTIONS,
  ICE_UFRAG,
  MAX_MESSAGE_SIZE,
  MID,
  MSID,
  parseFormatParameters,
  parseSessionDescription,
  read,
  readAll,
  RID,
  RTCP_FEEDBACK,
  RTCP_MUX,
  RTPMAP,
  SCTP_PORT,
  SdpSyntaxError,
  type SessionDescription,
  serializeSessionDescription,
  SETUP,
  SIMULCAST,
  SSRC,
  SSRC_GROUP,
  write,
} from '@petrel/sdp';

/** Offers with audio, video and a data channel: Chromium 156, Firefox 153 ESR, aiortc 1.4.0. */
const offers = Object.fromEntries(
  ['chromium', 'firefox', 'aiortc'].map((name) => [name, readFileSync(join(__dirname, `vectors/${name}-offer.sdp`), 'utf8')]),
) as Record<'chromium' | 'firefox' | 'aiortc', string>;

const HEAD = 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
const AUDIO = 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n';

function syntaxError(text: string): SdpSyntaxError {
  try {
    parseSessionDescription(text);
  } catch (error) {
    if (error instanceof SdpSyntaxError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(text)}`);
}

function audioWith(...attributes: string[]): SessionDescription['media'][number] {
  return parseSessionDescription(`${HEAD}${AUDIO}${attributes.map((attribute) => `a=${attribute}\r\n`).join('')}`).media[0]!;
}

describe('descriptions of real peers', () => {
  test.each(Object.entries(offers))('RFC 8866 §5: the offer of %s comes back as it was', (_name, text) => {
    expect(serializeSessionDescription(parseSessionDescription(text))).toBe(text);
  });

  test.each(Object.entries(offers))('RFC 8843 §7: the offer of %s bundles three sections', (_name, text) => {
    const description = parseSessionDescription(text);
    expect(readAll(description, GROUP)).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1', '2'] }]);
    expect(description.media.map((section) => read(section, MID))).toEqual(['0', '1', '2']);
    expect(description.media.map((section) => section.kind)).toEqual(['audio', 'video', 'application']);
    for (const section of description.media) expect(read(section, SETUP)).toBe('actpass');
  });

  test('attributes of Chromium have their typed forms', () => {
    const [audio, video, application] = parseSessionDescription(offers.chromium).media;
    expect(readAll(audio!, RTPMAP)[0]).toEqual({ payloadType: 111, encoding: 'opus', clockRate: 48000, channels: 2 });
    expect(readAll(audio!, FMTP)[0]).toEqual({ format: '111', parameters: 'minptime=10;useinbandfec=1' });
    expect(readAll(audio!, EXTMAP)).toHaveLength(4);
    expect(readAll(audio!, CANDIDATE)).toHaveLength(8);
    expect(read(audio!, ICE_OPTIONS)).toEqual(['trickle']);
    expect(read(audio!, FINGERPRINT)?.algorithm).toBe('sha-256');
    expect(has(audio!, RTCP_MUX)).toBe(true);
    expect(readAll(video!, RTCP_FEEDBACK)).toContainEqual({ payloadType: 96, type: 'nack', parameter: 'pli' });
    const [group] = readAll(video!, SSRC_GROUP);
    expect(group).toMatchObject({ semantics: 'FID', ssrcs: [expect.any(Number), expect.any(Number)] });
    expect(readAll(video!, SSRC)).toContainEqual({ ssrc: group!.ssrcs[0], attribute: 'cname', value: expect.any(String) });
    expect(read(video!, MSID)).toMatchObject({ stream: expect.any(String), track: expect.any(String) });
    expect(read(application!, SCTP_PORT)).toBe(5000);
    expect(read(application!, MAX_MESSAGE_SIZE)).toBe(262144);
  });

  test('RFC 8122 §5: the fingerprint of Firefox is at session level', () => {
    const description = parseSessionDescription(offers.firefox);
    expect(read(description, FINGERPRINT)?.value).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(read(description.media[0]!, FINGERPRINT)).toBeUndefined();
  });
});

describe('lines', () => {
  test('RFC 8866 §5: LF is accepted in place of CRLF, and the last line end may be missing', () => {
    const text = HEAD + AUDIO;
    expect(parseSessionDescription(text.replaceAll('\r\n', '\n').trimEnd())).toEqual(parseSessionDescription(text));
  });

  test('RFC 8866 §5: every optional line survives', () => {
    const text =
      'v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\ni=About\r\nu=https://example.com\r\ne=j@example.com\r\np=+1 617\r\n' +
      'c=IN IP4 198.51.100.1\r\nb=AS:128\r\nt=2873397496 2873404696\r\nr=604800 3600 0 90000\r\nt=0 0\r\nz=0 0\r\nk=clear:x\r\na=x-unknown:y z\r\na=recvonly\r\n' +
      'm=audio 49170/2 RTP/AVP 0\r\ni=title\r\nc=IN IP4 198.51.100.1\r\nc=IN IP4 198.51.100.2\r\nb=TIAS:64000\r\nk=prompt\r\na=rtpmap:0 PCMU/8000\r\n';
    expect(serializeSessionDescription(parseSessionDescription(text))).toBe(text);
  });

  test.each([
    ['an empty text', '', 1],
    ['not SDP at all', 'Invalid SDP', 1],
    ['another version', 'v=1\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n', 1],
    ['no origin', 'v=0\r\ns=-\r\nt=0 0\r\n', 2],
    ['a short origin', 'v=0\r\no=- 1 2 IN IP4\r\ns=-\r\nt=0 0\r\n', 2],
    ['a session id that is no number', 'v=0\r\no=- x 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n', 2],
    ['no session name', 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nt=0 0\r\n', 3],
    ['no timing', 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n', 4],
    ['a malformed timing', `${HEAD.replace('t=0 0', 't=now')}`, 4],
    ['attributes before timing', 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\na=x\r\nt=0 0\r\n', 4],
    ['an unknown type', `${HEAD}x=1\r\n`, 5],
    ['an empty line inside', `${HEAD}\r\n${AUDIO}`, 5],
    ['a malformed bandwidth', `${HEAD.replace('t=', 'b=AS\r\nt=')}`, 4],
    ['a section without formats', `${HEAD}m=audio 9 RTP/AVP\r\n`, 5],
    ['a section with a port that is too large', `${HEAD}m=audio 65536 RTP/AVP 0\r\n`, 5],
    ['a payload type above 127', `${HEAD}m=audio 9 RTP/AVP 128\r\n`, 5],
    ['two spaces in a section line', `${HEAD}m=audio  9 RTP/AVP 0\r\n`, 5],
    ['a connection after an attribute', `${HEAD}m=audio 9 RTP/AVP 0\r\na=mid:0\r\nc=IN IP4 0.0.0.0\r\n`, 7],
    ['an attribute without a name', `${HEAD}a=:x\r\n`, 5],
    ['a NUL', `${HEAD}a=x:\0\r\n`, 5],
    ['a CR inside of a line', `${HEAD}a=x:y\ra=z\r\n`, 5],
  ])('RFC 8866 §9: %s is refused, with the line', (_name, text, line) => {
    expect(syntaxError(text).line).toBe(line);
  });

  test.each([
    'mid:a b',
    'mid',
    'group:',
    'rtpmap:111',
    'rtpmap:128 opus/48000',
    'rtpmap:111 opus',
    'fmtp:111',
    'rtcp-fb:200 nack',
    'extmap:0 urn:x',
    'extmap:1',
    'ssrc:4294967296 cname:x',
    'ssrc-group:FID x',
    'ice-ufrag:',
    'ice-pwd:a b',
    'fingerprint:sha-256 AB:CD',
    'fingerprint:sha-256',
    'setup:maybe',
    'sctp-port:65536',
    'sctp-port:5e3',
    'sctp-port:0x10',
    'ptime:-1',
    'rtcp:x',
    'rtcp-mux:1',
    'sendrecv:x',
    'msid:',
  ])('RFC 8829 §5.8: a=%s is refused', (attribute) => {
    const error = syntaxError(`${HEAD}${AUDIO}a=${attribute}\r\n`);
    expect(error.line).toBe(7);
    expect(error.message).toContain(attribute.split(':')[0]);
  });

  test.each([
    'candidate:nonsense',
    'rid:1',
    'simulcast:send',
    'max-message-size:-1',
    'x-anything:at all',
    'recvonly',
    'candidate:1 1 udp 1 x 1 typ new',
  ])('RFC 8839 §5.1, RFC 8851 §6.2, RFC 8853 §5.2: a=%s is kept', (attribute) => {
    const text = `${HEAD}${AUDIO}a=${attribute}\r\n`;
    expect(serializeSessionDescription(parseSessionDescription(text))).toBe(text);
  });

  test('a description of more than 256 KiB, or 256 sections, is refused', () => {
    expect(syntaxError(HEAD + 'a=x:y\r\n'.repeat(40_000)).message).toContain('longer than');
    const section = 'm=a 0 b c\r\n';
    expect(parseSessionDescription(HEAD + section.repeat(256)).media).toHaveLength(256);
    expect(syntaxError(HEAD + section.repeat(257)).line).toBe(4 + 257);
  });
});

describe('typed attributes', () => {
  test('RFC 8853 §5.1: simulcast with alternatives and paused streams', () => {
    const simulcast = read(audioWith('simulcast:recv 1;~2,3 send 4'), SIMULCAST);
    expect(simulcast).toEqual({
      recv: [
        [{ id: '1', paused: false }],
        [
          { id: '2', paused: true },
          { id: '3', paused: false },
        ],
      ],
      send: [[{ id: '4', paused: false }]],
    });
    expect(write(SIMULCAST, simulcast!)).toEqual({ name: 'simulcast', value: 'send 4 recv 1;~2,3' });
    expect(read(audioWith('simulcast:send 1 send 2'), SIMULCAST)).toBeUndefined();
  });

  test('RFC 8851 §10: rid with restrictions', () => {
    expect(read(audioWith('rid:hi send pt=96;max-width=1280'), RID)).toEqual({
      id: 'hi',
      direction: 'send',
      restrictions: 'pt=96;max-width=1280',
    });
  });

  test('RFC 8285 §5: extmap with direction and attributes', () => {
    const extension = { id: 3, direction: 'sendonly' as const, uri: 'urn:x', attributes: 'vad=on' };
    expect(read(audioWith('extmap:3/sendonly urn:x vad=on'), EXTMAP)).toEqual(extension);
    expect(write(EXTMAP, extension).value).toBe('3/sendonly urn:x vad=on');
  });

  test('format parameters are read without regard to case and space', () => {
    expect([...parseFormatParameters('Apt=96; X = y ;flag;;')]).toEqual([
      ['apt', '96'],
      ['x', 'y'],
      ['flag', ''],
    ]);
  });

  test('the first of several is read, all of them on demand', () => {
    const holder = audioWith('mid:a', 'mid:b', 'bundle-only');
    expect(read(holder, MID)).toBe('a');
    expect(readAll(holder, MID)).toEqual(['a', 'b']);
    expect(has(holder, BUNDLE_ONLY)).toBe(true);
    expect(read(holder, ICE_UFRAG)).toBeUndefined();
  });
});

describe('properties', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9.+-]{1,12}$/);
  const text = fc.stringMatching(/^[\x21-\x7e][\x20-\x7e]{0,39}$/);
  const attribute = fc.oneof(
    fc.record({ name: token.map((name) => `x-${name}`), value: text }),
    token.map((name) => ({ name: `x-${name}` })),
    token.map((mid) => write(MID, mid)),
    fc
      .record({ payloadType: fc.integer({ min: 0, max: 127 }), encoding: token, clockRate: fc.integer({ min: 1, max: 999_999_999 }) })
      .map((map) => write(RTPMAP, map)),
    fc.record({ id: fc.integer({ min: 1, max: 255 }), uri: token }).map((extension) => write(EXTMAP, extension)),
  );
  const description: fc.Arbitrary<SessionDescription> = fc.record({
    origin: fc.record({
      username: token,
      sessionId: fc.bigInt(0n, 2n ** 63n).map(String),
      sessionVersion: fc.nat().map(String),
      networkType: fc.constant('IN'),
      addressType: fc.constantFrom('IP4', 'IP6'),
      address: token,
    }),
    name: text,
    timings: fc.constant([{ start: '0', stop: '0' }]),
    attributes: fc.array(attribute, { maxLength: 5 }),
    media: fc.array(
      fc.record({
        kind: token,
        port: fc.integer({ min: 0, max: 65535 }),
        protocol: fc.constantFrom('UDP/DTLS/SCTP', 'TCP/x'),
        formats: fc.array(token, { minLength: 1, maxLength: 4 }),
        attributes: fc.array(attribute, { maxLength: 8 }),
      }),
      { maxLength: 4 },
    ),
  });

  test('what was serialized is parsed to the same', () => {
    fc.assert(fc.property(description, (value) => expect(parseSessionDescription(serializeSessionDescription(value))).toEqual(value)));
  });

  test('whatever is accepted is a fixed point, and anything else is an SdpSyntaxError', () => {
    const lines = Object.values(offers).flatMap((offer) => offer.split('\r\n'));
    const mixture = fc.array(fc.oneof(fc.constantFrom(...lines), text), { maxLength: 12 }).map((some) => HEAD + some.join('\r\n'));
    fc.assert(
      fc.property(mixture, (candidate) => {
        try {
          const once = serializeSessionDescription(parseSessionDescription(candidate));
          expect(serializeSessionDescription(parseSessionDescription(once))).toBe(once);
        } catch (error) {
          expect(error).toBeInstanceOf(SdpSyntaxError);
        }
      }),
    );
  });
});
