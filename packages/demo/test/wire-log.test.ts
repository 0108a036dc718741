import { describe, expect, test } from '@jest/globals';
import { codecNames, WireLog } from '../src/wire-log.ts';

type TapRecord = Parameters<WireLog['add']>[0];

const record = (at: number, direction: 'in' | 'out', layer: TapRecord['layer'], summary: string, bytes = 100): TapRecord => ({
  at,
  direction,
  layer,
  summary,
  bytes,
});

function log(records: readonly TapRecord[], codecs?: (type: number) => string | undefined): string[] {
  const lines: string[] = [];
  const wire = new WireLog(({ at, direction, layer, summary }) => lines.push(`${at} ${direction} ${layer} ${summary}`), codecs);
  for (const each of records) wire.add(each);
  wire.flush();
  return lines;
}

describe('the log of the wire', () => {
  test('a leaving SCTP packet and its record are one line', () => {
    expect(log([record(1, 'out', 'sctp', 'ABORT'), record(1, 'out', 'dtls', 'ApplicationData (1/7)')])).toEqual([
      '1 out sctp ABORT  (1/7)',
    ]);
  });

  test('an arriving record and its SCTP packet are one line', () => {
    expect(log([record(1, 'in', 'dtls', 'ApplicationData (1/7)'), record(1, 'in', 'sctp', 'DATA')])).toEqual(['1 in sctp DATA  (1/7)']);
  });

  test('an arriving record without contents stays: it could not be read', () => {
    expect(log([record(1, 'in', 'dtls', 'ApplicationData (1/7)'), record(2, 'in', 'stun', 'Binding request')])).toEqual([
      '1 in dtls ApplicationData (1/7)',
      '2 in stun Binding request',
    ]);
  });

  test('packets that leave together get their records in order', () => {
    const records = [record(1, 'out', 'sctp', 'INIT'), record(1, 'out', 'sctp', 'ABORT')];
    const carriers = [record(1, 'out', 'dtls', 'ApplicationData (1/1)'), record(1, 'out', 'dtls', 'ApplicationData (1/2)')];
    expect(log([...records, ...carriers])).toEqual(['1 out sctp INIT  (1/1)', '1 out sctp ABORT  (1/2)']);
  });

  test('an SCTP packet without a record is not lost', () => {
    expect(log([record(1, 'out', 'sctp', 'INIT')])).toEqual(['1 out sctp INIT']);
  });

  test('bulk data is counted after the first packets of a second', () => {
    const packets = Array.from({ length: 100 }, (_, index) => record(index * 5, 'in', 'sctp', 'DATA tsn 1 stream 1 (1160 B)', 1000));
    const lines = log([...packets, record(600, 'in', 'sctp', 'ABORT')]);
    expect(lines).toHaveLength(10);
    expect(lines[8]).toBe('600 in sctp ABORT');
    expect(lines[9]).toBe('495 in sctp and DATA × 92: 92.0 kB');
  });

  test('routine reports are counted; a BYE and a request for a key frame are not', () => {
    const summaries = ['transport-cc', 'RR, SDES', 'transport-cc', 'PLI', 'SR, SDES, BYE'];
    expect(log(summaries.map((summary, index) => record(index, 'in', 'rtcp', summary)))).toEqual([
      '3 in rtcp PLI',
      '4 in rtcp SR, SDES, BYE',
      '2 in rtcp RR × 1, SDES × 1, transport-cc × 2: 0.3 kB',
    ]);
  });

  test('handshake records and alerts are lines of their own', () => {
    expect(log([record(1, 'out', 'dtls', 'Alert (1/8)'), record(2, 'in', 'dtls', 'ClientHello (0/0)')])).toHaveLength(2);
  });

  test('media packets are counted by codec, once a second and direction', () => {
    const packets = Array.from({ length: 30 }, (_, index) =>
      record(index * 50, 'out', 'rtp', `payload type ${96 + (index % 2)} seq 1`, 1000),
    );
    expect(log(packets, codecNames('a=rtpmap:96 VP8/90000\r\na=rtpmap:97 opus/48000/2\r\n'))).toEqual([
      '1000 out rtp VP8 × 10, opus × 10: 20.0 kB',
      '1450 out rtp VP8 × 5, opus × 5: 10.0 kB',
    ]);
  });

  test('codecs without a name are payload types', () => {
    expect(log([record(1, 'in', 'rtp', 'payload type 96 seq 1')])).toEqual(['1 in rtp payload type 96 × 1: 0.1 kB']);
  });
});
