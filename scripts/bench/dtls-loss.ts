// DTLS handshakes over a lossy path, on virtual time: share completed within 30 s, median and 99th percentile, 1,000 seeds each.
import { fingerprint } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import { DtlsConnection, type DtlsEvent } from '@petrel/dtls';
import { CoreLink, seededRandom, testCertificate } from '@petrel/testing';
import { printTable } from './lib/table.ts';

const SEEDS = 1000;
/** One way, ms. */
const DELAY = 25;

function handshake(loss: number, seed: number, initialTimeout: number | undefined): number {
  const crypto = nodeCrypto(seededRandom(seed));
  const certificates = [testCertificate(crypto, 0), testCertificate(crypto, 1)] as const;
  const [ofClient, ofServer] = certificates.map((certificate) => [fingerprint(crypto, 'sha-256', certificate.derChain[0]!)]);
  const common = { crypto, ...(initialTimeout === undefined ? {} : { initialTimeout }) };
  const client = new DtlsConnection({ role: 'client', certificate: certificates[0], remoteFingerprints: ofServer!, ...common });
  const server = new DtlsConnection({ role: 'server', certificate: certificates[1], remoteFingerprints: ofClient!, ...common });
  const link = new CoreLink<DtlsEvent>(client, server, { loss, seed, delay: DELAY, jitter: 5 });
  server.start(0);
  client.start(0);
  const done = link.runUntil(() => client.state === 'connected' && server.state === 'connected', 30_000);
  return done ? link.now() : Infinity;
}

const rows = [];
for (const [title, initialTimeout] of [
  ['round trip unknown', undefined],
  ['round trip known from ICE', 1.5 * 2 * DELAY],
] as const) {
  for (const loss of [0, 0.1, 0.3, 0.5]) {
    const times = Array.from({ length: SEEDS }, (_, seed) => handshake(loss, seed + 1, initialTimeout)).toSorted((a, b) => a - b);
    const completed = times.filter((time) => time !== Infinity).length / SEEDS;
    const at = (share: number): string => times[Math.min(SEEDS - 1, Math.floor(share * SEEDS))]!.toFixed(0);
    rows.push([title, `${loss * 100} %`, `${(completed * 100).toFixed(1)} %`, at(0.5), at(0.95), at(0.99), at(1)]);
  }
}
printTable(['first timeout', 'loss', 'within 30 s', 'p50 ms', 'p95 ms', 'p99 ms', 'slowest ms'], rows);
