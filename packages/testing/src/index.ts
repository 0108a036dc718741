export { seededRandom, type SeededRandom } from './seeded-random.ts';
export { VirtualClock } from './virtual-clock.ts';
export { CoreLink, type LinkedCore, type LinkOptions, type WireRecord } from './core-link.ts';
export { testCertificate } from './test-certificate.ts';
