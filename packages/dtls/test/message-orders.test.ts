import { describe, expect, test } from '@jest/globals';
import { type CryptoProvider, fingerprint, type SigningKey } from '@petrel/crypto';
import { DtlsConnection } from '@petrel/dtls';
import { testCertificate } from '@petrel/testing';
import { drain, eventsOf, node } from './support/pair.ts';
import { Puppet, type Utterance } from './support/puppet.ts';

/** Length 6 with PETREL_SLOW=1. A failure is final, which is tested for each word that fails, so its continuations are not words of their own. */
const SLOW = process.env['PETREL_SLOW'] === '1';
const LENGTH = SLOW ? 6 : 5;

/** Signatures and key agreement that cost nothing: this test is about order. */
const cheap: CryptoProvider = {
  ...node,
  generateKeyAgreement: () => ({ publicKey: new Uint8Array(32).fill(9), deriveSharedSecret: () => new Uint8Array(32).fill(7) }),
  importSigningKey: (): SigningKey => ({
    algorithm: 'ecdsa',
    subjectPublicKeyInfo: new Uint8Array(0),
    exportPkcs8: () => new Uint8Array(0),
    sign: (_, data) => node.hash('sha-256', data),
  }),
  verify: (_, __, data, signature) => node.timingSafeEqual(node.hash('sha-256', data), signature),
};
const certificates = [testCertificate(cheap, 0), testCertificate(cheap, 1)] as const;
const fingerprints = certificates.map((certificate) => [fingerprint(node, 'sha-256', certificate.derChain[0]!)]);

const TO_CLIENT: readonly Utterance[] = [
  'HelloRequest',
  'HelloVerifyRequest',
  'ServerHello',
  'Certificate',
  'EmptyCertificate',
  'ServerKeyExchange',
  'CertificateRequest',
  'ServerHelloDone',
  'ChangeCipherSpec',
  'Finished',
  'FinishedInTheClear',
  'ApplicationData',
];
const TO_SERVER: readonly Utterance[] = [
  'ClientHello',
  'Certificate',
  'EmptyCertificate',
  'ClientKeyExchange',
  'CertificateVerify',
  'ChangeCipherSpec',
  'Finished',
  'FinishedInTheClear',
  'ServerHello',
  'HelloRequest',
  'ApplicationData',
  'WarningAlert',
];
/** What may come at any time and changes nothing; a HelloRequest only to a client (RFC 5246 §7.4.1.1). */
const IGNORED = /HelloRequest |ChangeCipherSpec |ApplicationData |WarningAlert /g;
const LEGAL = {
  client: /^(HelloVerifyRequest )?ServerHello Certificate ServerKeyExchange (CertificateRequest )?ServerHelloDone Finished /,
  server: /^ClientHello Certificate ClientKeyExchange CertificateVerify Finished /,
};

const LEGAL_WORD: Record<'client' | 'server', readonly Utterance[]> = {
  client: ['ServerHello', 'Certificate', 'ServerKeyExchange', 'ServerHelloDone', 'Finished'],
  server: ['ClientHello', 'Certificate', 'ClientKeyExchange', 'CertificateVerify', 'Finished'],
};

function isLegal(role: 'client' | 'server', word: readonly Utterance[]): boolean {
  const text = word.map((utterance) => `${utterance} `).join('');
  return LEGAL[role].test(text.replace(role === 'server' ? /ChangeCipherSpec |ApplicationData |WarningAlert /g : IGNORED, ''));
}

interface Listening {
  readonly subject: DtlsConnection;
  /** Lets the subject hear more. */
  say(word: readonly Utterance[]): void;
}

function listen(role: 'client' | 'server', word: readonly Utterance[]): Listening {
  const own = role === 'client' ? 0 : 1;
  const options = { role, crypto: cheap, certificate: certificates[own], remoteFingerprints: fingerprints[1 - own]! };
  const subject = new DtlsConnection(options);
  const puppet = new Puppet(role === 'client' ? 'server' : 'client', cheap, { certificate: certificates[1 - own]! });
  subject.start(0);
  const say = (more: readonly Utterance[]): void => {
    for (const utterance of more) {
      for (const datagram of drain(subject)) puppet.hear(datagram);
      subject.receive(puppet.say(utterance), 0);
    }
  };
  say(word);
  return { subject, say };
}

function hear(role: 'client' | 'server', word: readonly Utterance[]): DtlsConnection {
  return listen(role, word).subject;
}

describe.each(['client', 'server'] as const)('D27: a %s', (role) => {
  const alphabet = role === 'client' ? TO_CLIENT : TO_SERVER;

  test(`connects only for the legal order, among all words of up to ${LENGTH} of 12 messages`, () => {
    let words = 0;
    let connected = 0;
    const visit = (word: readonly Utterance[]): void => {
      const { subject, say } = listen(role, word);
      words += 1;
      const legal = isLegal(role, word);
      if ((subject.state === 'connected') !== legal) throw new Error(`${subject.state} after ${word.join(', ')}`);
      const events = eventsOf(subject).map(({ type }) => type);
      if (events.indexOf('data') === 0) throw new Error(`data before connected after ${word.join(', ')}`);
      if (legal) connected += 1;
      // A server's refusal ends in failure as well, as the puppet's numbers go on.
      if (subject.state === 'failed' || subject.discards.of('refused-hello') > 0) {
        say([...alphabet, ...LEGAL_WORD[role]]);
        if (subject.state === 'connected') throw new Error(`connected after the failure of ${word.join(', ')}`);
      } else if (word.length < LENGTH) for (const next of alphabet) visit([...word, next]);
    };
    visit([]);
    expect(words).toBeGreaterThan(1000);
    expect(connected).toBeGreaterThan(0);
    if (SLOW) console.log(`${role}: ${words} words, ${connected} of them connect`);
  }, 3_600_000);

  test('no message of the legal order may come twice, nor be left out', () => {
    const legal = LEGAL_WORD[role];
    legal.forEach((utterance, position) => {
      const without = legal.toSpliced(position, 1);
      expect([without, hear(role, without).state]).not.toEqual([without, 'connected']);
      const twice = legal.toSpliced(position, 0, utterance);
      const cookieLate = legal.toSpliced(position + 1, 0, 'HelloVerifyRequest');
      if (utterance !== 'Finished') expect([cookieLate, hear(role, cookieLate).state]).not.toEqual([cookieLate, 'connected']);
      // After the handshake it only counts as a repetition.
      if (utterance !== 'Finished') expect([twice, hear(role, twice).state]).not.toEqual([twice, 'connected']);
    });
  });
});

test('D27: the words that the other tests build on are legal', () => {
  const toClient: Utterance[] = ['ServerHello', 'Certificate', 'ServerKeyExchange', 'ServerHelloDone', 'ChangeCipherSpec', 'Finished'];
  expect(hear('client', toClient).state).toBe('connected');
  expect(hear('client', ['HelloVerifyRequest', ...toClient]).state).toBe('connected');
  for (const role of ['client', 'server'] as const) expect(hear(role, LEGAL_WORD[role]).state).toBe('connected');
});
