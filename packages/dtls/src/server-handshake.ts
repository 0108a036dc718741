/** The server's handshake (RFC 6347 §4.2; the flights are drawn in client-handshake.ts), in protocol order. */
import { concatBytes } from '@petrel/bytes';
import type { KeyAgreement } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import type { CipherSuite } from './cipher-suites.ts';
import { type DtlsFailure, failure } from './errors.ts';
import {
  checkSignature,
  chooseScheme,
  type Handshake,
  type HandshakeContext,
  type HandshakeResult,
  malformed,
  Transcript,
  unexpected,
} from './handshake.ts';
import {
  type ClientHello,
  clientHelloIdentity,
  decodeCertificate,
  decodeClientHello,
  decodeClientKeyExchange,
  decodeSignature,
  encodeCertificate,
  encodeCertificateRequest,
  encodeEcdhParameters,
  encodeHelloVerifyRequest,
  encodeServerHello,
  encodeSignature,
  HANDSHAKE_TYPE,
  NAMED_GROUPS,
  SIGNATURE_SCHEMES,
} from './handshake-messages.ts';
import { KeySchedule } from './key-schedule.ts';
import type { HandshakeMessage } from './reassembler.ts';
import { DTLS_1_2 } from './record-layer.ts';

type State =
  | 'wait-client-hello'
  | 'wait-certificate'
  | 'wait-client-key-exchange'
  | 'wait-certificate-verify'
  | 'wait-finished'
  | 'finished';

/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 §3.3). */
const RENEGOTIATION_SCSV = 0x00ff;

export class ServerHandshake implements Handshake {
  readonly #context: HandshakeContext;
  readonly #transcript = new Transcript();
  readonly #random: Uint8Array;
  /** Key of the cookies; undefined when no HelloVerifyRequest is wanted. */
  readonly #cookieSecret: Uint8Array | undefined;
  #state: State = 'wait-client-hello';
  #clientRandom: Uint8Array = new Uint8Array(32);
  #suite: CipherSuite | undefined;
  #srtpProfile: number | undefined;
  #keyAgreement: KeyAgreement | undefined;
  #peerCertificates: readonly Uint8Array[] = [];
  #keys: KeySchedule | undefined;
  #result: HandshakeResult | undefined;

  /** @param helloVerify whether the client has to return a cookie first (RFC 6347 §4.2.1); behind ICE its address is verified already */
  constructor(context: HandshakeContext, helloVerify: boolean) {
    this.#context = context;
    this.#random = context.crypto.randomBytes(32);
    this.#cookieSecret = helloVerify ? context.crypto.randomBytes(32) : undefined;
  }

  get result(): HandshakeResult | undefined {
    return this.#result;
  }

  onMessage(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if ((message.epoch === 1) !== (message.type === HANDSHAKE_TYPE.finished)) return unexpected;
    switch (message.type) {
      case HANDSHAKE_TYPE.clientHello:
        return this.#onClientHello(message, now);
      case HANDSHAKE_TYPE.certificate:
        return this.#onCertificate(message);
      case HANDSHAKE_TYPE.clientKeyExchange:
        return this.#onClientKeyExchange(message);
      case HANDSHAKE_TYPE.certificateVerify:
        return this.#onCertificateVerify(message);
      case HANDSHAKE_TYPE.finished:
        return this.#onFinished(message, now);
      default:
        return unexpected;
    }
  }

  /** The client repeats its Finished until it has ours; and its first hello until it has our cookie. */
  onRepeatedFlight(now: Instant): void {
    if (this.#state === 'finished' || this.#state === 'wait-client-hello') this.#context.transmitFlight(now, false);
  }

  #onClientHello(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if (this.#state !== 'wait-client-hello') return unexpected;
    const hello = decodeClientHello(message.body);
    if (hello === undefined) return malformed;
    // Lower numbers are later versions: a client that can do 1.3 says 1.2 here.
    if (hello.version > DTLS_1_2) return failure('unsupported-version', 'protocol_version');
    if (!this.#hasValidCookie(hello)) {
      this.#sendHelloVerifyRequest(hello, now);
      return undefined;
    }
    this.#clientRandom = hello.random.slice();
    this.#transcript.addReceived(message);
    return this.#negotiate(hello, now);
  }

  #hasValidCookie(hello: ClientHello): boolean {
    return this.#cookieSecret === undefined || this.#context.crypto.timingSafeEqual(hello.cookie, this.#cookie(hello));
  }

  #cookie(hello: ClientHello): Uint8Array {
    return this.#context.crypto.hmac('sha-256', this.#cookieSecret!).compute(clientHelloIdentity(hello));
  }

  /** Flight 2: neither it nor what it answers is part of the transcript. */
  #sendHelloVerifyRequest(hello: ClientHello, now: Instant): void {
    this.#context.flight.begin();
    this.#context.flight.addMessage(HANDSHAKE_TYPE.helloVerifyRequest, encodeHelloVerifyRequest(this.#cookie(hello)));
    this.#context.transmitFlight(now, false);
  }

  #negotiate(hello: ClientHello, now: Instant): DtlsFailure | undefined {
    const { certificate, cipherSuites, groups, srtpProfiles, crypto } = this.#context;
    const { extensions } = hello;
    this.#suite = cipherSuites.find(
      (suite) => suite.authentication === certificate.privateKey.algorithm && hello.cipherSuites.includes(suite.code),
    );
    if (this.#suite === undefined) return failure('no-common-cipher-suite', 'handshake_failure');
    if (extensions.extendedMasterSecret !== true) return failure('no-extended-master-secret', 'handshake_failure');
    const group = groups.find((candidate) => extensions.supportedGroups?.includes(NAMED_GROUPS[candidate]) ?? candidate === 'p-256');
    if (group === undefined) return failure('no-common-group', 'handshake_failure');
    const scheme = chooseScheme(certificate, extensions.signatureAlgorithms ?? []);
    if (scheme === undefined) return failure('no-common-signature-scheme', 'handshake_failure');
    if (extensions.srtpProfiles !== undefined)
      this.#srtpProfile = srtpProfiles.find((profile) => extensions.srtpProfiles!.includes(profile));
    this.#keyAgreement = crypto.generateKeyAgreement(group);
    const parameters = encodeEcdhParameters(NAMED_GROUPS[group], this.#keyAgreement.publicKey);
    const signature = certificate.privateKey.sign(scheme, concatBytes(this.#clientRandom, this.#random, parameters));
    const secureRenegotiation = extensions.renegotiationInfo === true || hello.cipherSuites.includes(RENEGOTIATION_SCSV);
    this.#sendServerFlight(
      concatBytes(parameters, encodeSignature(SIGNATURE_SCHEMES[scheme]!, signature)),
      secureRenegotiation,
      extensions.ecPointFormats === true,
      now,
    );
    return undefined;
  }

  /** Flight 4. */
  #sendServerFlight(keyExchange: Uint8Array, renegotiationInfo: boolean, ecPointFormats: boolean, now: Instant): void {
    const { flight, certificate } = this.#context;
    const hello = encodeServerHello({
      random: this.#random,
      cipherSuite: this.#suite!.code,
      extensions: {
        renegotiationInfo,
        extendedMasterSecret: true,
        ecPointFormats,
        ...(this.#srtpProfile === undefined ? {} : { srtpProfiles: [this.#srtpProfile] }),
      },
    });
    flight.begin();
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.serverHello, hello));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.certificate, encodeCertificate(certificate.derChain)));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.serverKeyExchange, keyExchange));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.certificateRequest, encodeCertificateRequest()));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.serverHelloDone, new Uint8Array(0)));
    this.#context.transmitFlight(now, true);
    this.#state = 'wait-certificate';
  }

  #onCertificate(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate') return unexpected;
    const chain = decodeCertificate(message.body);
    if (chain === undefined) return malformed;
    // RFC 8827 §6.5: both sides have certificates; without one there is nobody to compare the fingerprint with.
    if (chain.length === 0) return failure('missing-certificate', 'handshake_failure');
    this.#peerCertificates = chain;
    this.#transcript.addReceived(message);
    this.#state = 'wait-client-key-exchange';
    return undefined;
  }

  #onClientKeyExchange(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-client-key-exchange') return unexpected;
    const publicKey = decodeClientKeyExchange(message.body);
    if (publicKey === undefined) return malformed;
    const premasterSecret = this.#keyAgreement!.deriveSharedSecret(publicKey);
    if (premasterSecret === undefined) return failure('bad-key-share', 'illegal_parameter');
    this.#transcript.addReceived(message);
    const { crypto, records } = this.#context;
    this.#keys = new KeySchedule(
      crypto,
      this.#suite!,
      { client: this.#clientRandom, server: this.#random },
      premasterSecret,
      this.#transcriptHash(),
    );
    const { client, server } = this.#keys.recordKeys();
    records.setKeys(server, client);
    this.#state = 'wait-certificate-verify';
    return undefined;
  }

  #onCertificateVerify(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate-verify') return unexpected;
    const verify = decodeSignature(message.body);
    if (verify === undefined) return malformed;
    const problem = checkSignature(
      this.#context.crypto,
      this.#peerCertificates[0]!,
      verify.scheme,
      this.#transcript.bytes(),
      verify.signature,
    );
    if (problem) return problem;
    this.#transcript.addReceived(message);
    this.#state = 'wait-finished';
    return undefined;
  }

  /** Flight 6. */
  #onFinished(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if (this.#state !== 'wait-finished') return unexpected;
    const expected = this.#keys!.verifyData('client', this.#transcriptHash());
    if (!this.#context.crypto.timingSafeEqual(message.body, expected)) return failure('bad-finished', 'decrypt_error');
    this.#transcript.addReceived(message);
    const { flight } = this.#context;
    flight.begin();
    flight.addChangeCipherSpec();
    flight.addMessage(HANDSHAKE_TYPE.finished, this.#keys!.verifyData('server', this.#transcriptHash()), 1);
    this.#context.transmitFlight(now, false);
    this.#state = 'finished';
    this.#result = { suite: this.#suite!, srtpProfile: this.#srtpProfile, keys: this.#keys!, peerCertificates: this.#peerCertificates };
    return undefined;
  }

  #transcriptHash(): Uint8Array {
    return this.#context.crypto.hash(this.#suite!.hash, this.#transcript.bytes());
  }
}
