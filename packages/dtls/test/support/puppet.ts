import { concatBytes } from '@petrel/bytes';
import type { Certificate, CryptoProvider, KeyAgreement, NamedGroup, SigningKey } from '@petrel/crypto';
import { CIPHER_SUITES, type CipherSuite, type DtlsConnection } from '@petrel/dtls';
import { Discards } from '@petrel/sans-io';
import { testCertificate } from '@petrel/testing';
import type { Extensions } from '../../src/extensions.ts';
import { wholeMessage } from '../../src/flight.ts';
import { Transcript } from '../../src/handshake.ts';
import * as messages from '../../src/handshake-messages.ts';
import { deriveMasterSecret, KeySchedule } from '../../src/key-schedule.ts';
import { type HandshakeMessage, Reassembler } from '../../src/reassembler.ts';
import { CONTENT_TYPE, type RecordDiscard, RecordLayer } from '../../src/record-layer.ts';
import { drain } from './pair.ts';

export type Utterance =
  | 'HelloRequest'
  | 'HelloVerifyRequest'
  | 'ClientHello'
  | 'ServerHello'
  | 'Certificate'
  | 'EmptyCertificate'
  | 'ServerKeyExchange'
  | 'CertificateRequest'
  | 'ServerHelloDone'
  | 'ClientKeyExchange'
  | 'CertificateVerify'
  | 'ChangeCipherSpec'
  | 'Finished'
  | 'FinishedInTheClear'
  | 'ApplicationData'
  | 'WarningAlert';

export const CLIENT_WORD: readonly Utterance[] = [
  'ClientHello',
  'Certificate',
  'ClientKeyExchange',
  'CertificateVerify',
  'ChangeCipherSpec',
  'Finished',
];
export const SERVER_WORD: readonly Utterance[] = [
  'ServerHello',
  'Certificate',
  'ServerKeyExchange',
  'CertificateRequest',
  'ServerHelloDone',
  'ChangeCipherSpec',
  'Finished',
];

export interface PuppetOptions {
  readonly certificate?: Certificate;
  /** Signs instead of the certificate's key. */
  readonly signingKey?: SigningKey;
  readonly suite?: CipherSuite;
  readonly group?: NamedGroup;
  /** Sent in place of the public key of the key agreement. */
  readonly keyShare?: Uint8Array;
  /** For the hello; added to the ordinary ones. */
  readonly extensions?: Extensions;
  /** Offered by a client. */
  readonly cipherSuites?: readonly number[];
  /** Replaces the body of a message that is about to be sent. */
  readonly alter?: (utterance: Utterance, body: Uint8Array) => Uint8Array;
}

/** A peer without a will: it says what it is told to, in any order, and says it as well as it can. */
export class Puppet {
  readonly records: RecordLayer = new RecordLayer(new Discards<RecordDiscard>());
  readonly heard: HandshakeMessage[] = [];
  /** Alerts that came, as level and description. */
  readonly alerts: number[][] = [];
  readonly #role: 'client' | 'server';
  readonly #crypto: CryptoProvider;
  readonly #options: PuppetOptions;
  readonly #certificate: Certificate;
  readonly #transcript = new Transcript();
  readonly #reassembler = new Reassembler();
  readonly #keyAgreement: KeyAgreement;
  readonly #random: Uint8Array;
  readonly #suite: CipherSuite;
  #peerRandom: Uint8Array = new Uint8Array(32);
  #peerKey: Uint8Array = new Uint8Array(0);
  #keys: KeySchedule | undefined;
  #sequence = 0;

  constructor(role: 'client' | 'server', crypto: CryptoProvider, options: PuppetOptions = {}) {
    this.#role = role;
    this.#crypto = crypto;
    this.#options = options;
    this.#certificate = options.certificate ?? testCertificate(crypto, role === 'client' ? 0 : 1);
    this.#suite = options.suite ?? CIPHER_SUITES[0]!;
    this.#random = crypto.randomBytes(32);
    this.#keyAgreement = crypto.generateKeyAgreement(options.group ?? 'x25519');
  }

  /** The datagram with one record that says this. */
  say(utterance: Utterance): Uint8Array {
    switch (utterance) {
      case 'ChangeCipherSpec':
        return this.records.seal(CONTENT_TYPE.changeCipherSpec, 0, Uint8Array.of(1));
      case 'ApplicationData':
        return this.#protected(CONTENT_TYPE.applicationData, Uint8Array.of(1, 2, 3));
      case 'WarningAlert':
        return this.records.seal(CONTENT_TYPE.alert, 0, Uint8Array.of(1, 90));
      case 'Finished':
        return this.#protected(CONTENT_TYPE.handshake, this.#message(utterance));
      default:
        return this.records.seal(CONTENT_TYPE.handshake, 0, this.#message(utterance));
    }
  }

  /** A handshake message of any type and content, with the next number. */
  sayRaw(type: number, body: Uint8Array, epoch: 0 | 1 = 0): Uint8Array {
    const message = wholeMessage(type, this.#sequence++, body);
    return epoch === 1 ? this.#protected(CONTENT_TYPE.handshake, message) : this.records.seal(CONTENT_TYPE.handshake, 0, message);
  }

  /** Reads what the other side sent, without judging it. */
  hear(datagram: Uint8Array): void {
    for (let offset = 0; offset < datagram.length; ) {
      offset = this.records.open(datagram.slice(), offset, ({ type, epoch, fragment }) => {
        if (type === CONTENT_TYPE.alert) this.alerts.push([...fragment]);
        if (type === CONTENT_TYPE.handshake) this.#reassembler.add(fragment, epoch);
      });
      for (let message = this.#reassembler.next(); message; message = this.#reassembler.next()) this.#understand(message);
    }
  }

  #understand(message: HandshakeMessage): void {
    this.heard.push(message);
    const { body, type } = message;
    if (type === messages.HANDSHAKE_TYPE.clientHello) this.#transcript.clear();
    this.#transcript.addReceived(message);
    if (type === messages.HANDSHAKE_TYPE.clientHello || type === messages.HANDSHAKE_TYPE.serverHello) this.#peerRandom = body.slice(2, 34);
    if (type === messages.HANDSHAKE_TYPE.serverKeyExchange) this.#peerKey = messages.decodeServerKeyExchange(body)!.publicKey;
    if (type === messages.HANDSHAKE_TYPE.clientKeyExchange) {
      this.#peerKey = messages.decodeClientKeyExchange(body)!;
      this.#deriveKeys();
    }
  }

  #message(utterance: Utterance): Uint8Array {
    const body = this.#options.alter?.(utterance, this.#body(utterance)) ?? this.#body(utterance);
    const name = (utterance[0]!.toLowerCase() + utterance.slice(1)).replace('emptyC', 'c').replace('InTheClear', '');
    const message = wholeMessage(messages.HANDSHAKE_TYPE[name as keyof typeof messages.HANDSHAKE_TYPE], this.#sequence++, body);
    if (utterance === 'HelloRequest' || utterance === 'HelloVerifyRequest') return message;
    this.#transcript.add(message);
    if (utterance === 'ClientKeyExchange') this.#deriveKeys();
    return message;
  }

  #body(utterance: Utterance): Uint8Array {
    switch (utterance) {
      case 'HelloVerifyRequest':
        return messages.encodeHelloVerifyRequest(Uint8Array.of(1, 2, 3));
      case 'ClientHello':
        return this.#clientHello();
      case 'ServerHello':
        return this.#serverHello();
      case 'Certificate':
        return messages.encodeCertificate(this.#certificate.derChain);
      case 'EmptyCertificate':
        return messages.encodeCertificate([]);
      case 'ServerKeyExchange':
        return this.#serverKeyExchange();
      case 'CertificateRequest':
        return messages.encodeCertificateRequest();
      case 'ClientKeyExchange':
        return messages.encodeClientKeyExchange(this.#keyShare);
      case 'CertificateVerify':
        return messages.encodeSignature(0x0403, this.#sign(this.#transcript.bytes()));
      case 'Finished':
      case 'FinishedInTheClear':
        return this.#keys?.verifyData(this.#role, this.#transcriptHash()) ?? new Uint8Array(12);
      default:
        return new Uint8Array(0);
    }
  }

  #clientHello(): Uint8Array {
    return messages.encodeClientHello({
      random: this.#random,
      cookie: new Uint8Array(0),
      cipherSuites: this.#options.cipherSuites ?? CIPHER_SUITES.map((suite) => suite.code),
      extensions: {
        extendedMasterSecret: true,
        supportedGroups: [29, 23, 24],
        signatureAlgorithms: [0x0403, 0x0401],
        ...this.#options.extensions,
      },
    });
  }

  #serverHello(): Uint8Array {
    const extensions = { renegotiationInfo: true, extendedMasterSecret: true, ...this.#options.extensions };
    return messages.encodeServerHello({ random: this.#random, cipherSuite: this.#suite.code, extensions });
  }

  #serverKeyExchange(): Uint8Array {
    const group = messages.NAMED_GROUPS[this.#options.group ?? 'x25519'];
    const parameters = messages.encodeEcdhParameters(group, this.#keyShare);
    const signature = this.#sign(concatBytes(this.#peerRandom, this.#random, parameters));
    return concatBytes(parameters, messages.encodeSignature(0x0403, signature));
  }

  get #keyShare(): Uint8Array {
    return this.#options.keyShare ?? this.#keyAgreement.publicKey;
  }

  #sign(data: Uint8Array): Uint8Array {
    return (this.#options.signingKey ?? this.#certificate.privateKey).sign('ecdsa-sha256', data);
  }

  #deriveKeys(): void {
    const premasterSecret = this.#keyAgreement.deriveSharedSecret(this.#peerKey);
    if (premasterSecret === undefined) return;
    const [clientRandom, serverRandom] = this.#role === 'client' ? [this.#random, this.#peerRandom] : [this.#peerRandom, this.#random];
    const session = { suite: this.#suite, clientRandom, serverRandom };
    const masterSecret = deriveMasterSecret(this.#crypto, session, premasterSecret, this.#transcriptHash());
    this.#keys = new KeySchedule(this.#crypto, { ...session, masterSecret });
    const { client, server } = this.#keys.recordKeys();
    if (this.#role === 'client') this.records.setKeys(client, server);
    else this.records.setKeys(server, client);
  }

  #transcriptHash(): Uint8Array {
    return this.#crypto.hash(this.#suite.hash, this.#transcript.bytes());
  }

  /** In epoch 1; before there are keys, with something that cannot be authentic. */
  #protected(type: number, content: Uint8Array): Uint8Array {
    const record = this.records.seal(type, this.#keys === undefined ? 0 : 1, content);
    record[4] = 1;
    return record;
  }
}

/** Has the puppet say one thing after the other to the connection, and hear the answers. */
export function converse(subject: DtlsConnection, puppet: Puppet, word: readonly Utterance[]): void {
  for (const utterance of word) {
    for (const datagram of drain(subject)) puppet.hear(datagram);
    tell(subject, puppet, puppet.say(utterance));
  }
}

export function tell(subject: DtlsConnection, puppet: Puppet, datagram: Uint8Array): void {
  subject.receive(datagram, 0);
  for (const answer of drain(subject)) puppet.hear(answer);
}
