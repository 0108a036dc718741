import { describe, expect, test } from '@jest/globals';
import { classify } from '../src/demultiplex.ts';

describe('RFC 7983 §7: demultiplexing by the first byte', () => {
  const ranges: [number, number, string | undefined][] = [
    [0, 3, 'stun'],
    [4, 19, undefined],
    [20, 63, 'dtls'],
    [64, 79, 'turn-channel'],
    [80, 127, undefined],
    [128, 191, 'rtp'],
    [192, 255, undefined],
  ];

  test('I12: every first byte, for every length from 2 to 64', () => {
    for (const [from, to, kind] of ranges) {
      for (let first = from; first <= to; first++) {
        for (let length = 2; length <= 64; length++) {
          const datagram = new Uint8Array(length);
          datagram[0] = first;
          datagram[1] = 96;
          expect(classify(datagram)).toBe(kind);
        }
      }
    }
  });

  test('I12: less than two bytes are nothing', () => {
    expect(classify(new Uint8Array(0))).toBeUndefined();
    for (let first = 0; first < 256; first++) expect(classify(Uint8Array.of(first))).toBeUndefined();
  });

  test('RFC 5761 §4: packet types 192 to 223 are RTCP, marker bit and payload type of RTP anything else', () => {
    for (let second = 0; second < 256; second++) {
      expect(classify(Uint8Array.of(0x80, second, 0, 0))).toBe(second >= 192 && second <= 223 ? 'rtcp' : 'rtp');
    }
  });
});
