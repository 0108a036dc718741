import { expect, test } from '@jest/globals';
import { DriverPair } from './driver-pair.ts';
import type { TapLayer } from '../src/tap.ts';

/** What has to be there before a packet of the layer leaves, or reaches the layer above. */
const NEEDS: Readonly<Record<TapLayer, 'nothing' | 'path' | 'dtls'>> = {
  stun: 'nothing',
  dtls: 'path',
  sctp: 'dtls',
  rtp: 'dtls',
  rtcp: 'dtls',
};

/** Checks every packet of a run against the state that its own end was in. */
function watch(pair: DriverPair): string[] {
  const violations: string[] = [];
  for (const end of [pair.a, pair.b]) {
    const { stack } = end.driver;
    stack.tap = ({ direction, layer, summary }) => {
      const isMet = {
        nothing: true,
        path: stack.ice.selectedPair !== undefined || direction === 'in',
        dtls: stack.dtls?.state === 'connected',
      };
      if (!isMet[NEEDS[layer]]) violations.push(`${direction} ${layer} ${summary}`);
    };
  }
  return violations;
}

test('W01, RFC 8827 §6.5: path, then DTLS with its fingerprint, then SRTP and SCTP, whatever is lost on the way', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const pair = new DriverPair({ seed, loss: 0.2 });
    const violations = watch(pair);
    expect(await pair.connect()).toBe(true);
    expect(violations).toEqual([]);
  }
}, 30_000);

test('W01, D07, RFC 8122 §6.2: with another certificate than the description’s nothing comes after the handshake', async () => {
  const pair = new DriverPair({});
  const violations = watch(pair);
  pair.b.fingerprint = { algorithm: 'sha-256', value: pair.b.fingerprint.value.replaceAll(/[0-9A-F]/g, '0') };
  expect(await pair.connect(5000)).toBe(false);
  expect(violations).toEqual([]);
  expect(pair.a.events).toContainEqual(expect.objectContaining({ layer: 'dtls', state: 'failed' }));
  for (const { events } of [pair.a, pair.b]) expect(events.filter(({ layer }) => layer === 'channel' || layer === 'media')).toEqual([]);
});
