/**
 * The client's handshake (RFC 6347 §4.2, figure 1), in protocol order.
 *
 * ```
 *   Client                                          Server
 *   ClientHello             -------->                            Flight 1
 *                           <-------    HelloVerifyRequest       Flight 2
 *   ClientHello             -------->                            Flight 3
 *                                       ServerHello  \
 *                                       Certificate   \
 *                                       ServerKeyExchange        Flight 4
 *                                       CertificateRequest /
 *                           <--------   ServerHelloDone   /
 *   Certificate                                       \
 *   ClientKeyExchange                                  \
 *   CertificateVerify                                    Flight 5
 *   [ChangeCipherSpec]                                 /
 *   Finished                -------->                 /
 *                                       [ChangeCipherSpec] \     Flight 6
 *                           <--------   Finished           /
 * ```
 */
import { concatBytes } from '@petrel/bytes';
import type { SignatureScheme } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import { type DtlsFailure, failure } from './errors.ts';
import { type Extensions, offeredTypes } from './extensions.ts';
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
  decodeCertificate,
  decodeCertificateRequest,
  decodeHelloVerifyRequest,
  decodeServerHello,
  decodeServerKeyExchange,
  encodeCertificate,
  encodeClientHello,
  encodeClientKeyExchange,
  encodeSignature,
  groupOf,
  HANDSHAKE_TYPE,
  NAMED_GROUPS,
  type ServerHello,
  SIGNATURE_SCHEMES,
  schemeKind,
} from './handshake-messages.ts';
import { HandshakeSession } from './handshake-session.ts';
import type { HandshakeMessage } from './reassembler.ts';
import { DTLS_1_2 } from './record-layer.ts';

type State =
  | 'wait-server-hello'
  | 'wait-certificate'
  | 'wait-server-key-exchange'
  | 'wait-certificate-request'
  | 'wait-server-hello-done'
  | 'wait-finished'
  | 'finished';

/** HelloVerifyRequests that are honoured in one handshake. */
const MAX_COOKIES = 3;

export class ClientHandshake implements Handshake {
  readonly #context: HandshakeContext;
  readonly #transcript = new Transcript();
  readonly #session: HandshakeSession;
  readonly #random: Uint8Array;
  #state: State = 'wait-server-hello';
  #cookies = 0;
  #serverRandom: Uint8Array = new Uint8Array(32);
  #serverPublicKey: Uint8Array = new Uint8Array(0);
  #acceptedSchemes: readonly number[] | undefined;
  #result: HandshakeResult | undefined;

  constructor(context: HandshakeContext) {
    this.#context = context;
    this.#session = new HandshakeSession(context, this.#transcript);
    this.#random = context.crypto.randomBytes(32);
  }

  get result(): HandshakeResult | undefined {
    return this.#result;
  }

  /** Whoever answers first is the server: a client has nothing to go back to. */
  get isOpen(): boolean {
    return false;
  }

  /** Flight 1, or 3 with the server's cookie. */
  sendClientHello(now: Instant, cookie: Uint8Array = new Uint8Array(0)): void {
    const { flight, cipherSuites } = this.#context;
    const suites = cipherSuites.map((suite) => suite.code);
    const hello = encodeClientHello({ random: this.#random, cookie, cipherSuites: suites, extensions: this.#offer() });
    flight.begin();
    this.#transcript.clear();
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.clientHello, hello));
    this.#context.transmitFlight(now, true);
  }

  #offer(): Extensions {
    const { groups, srtpProfiles, applicationProtocols } = this.#context;
    return {
      renegotiationInfo: true,
      extendedMasterSecret: true,
      supportedGroups: groups.map((group) => NAMED_GROUPS[group]),
      ecPointFormats: true,
      signatureAlgorithms: Object.values(SIGNATURE_SCHEMES),
      ...(srtpProfiles.length > 0 ? { srtpProfiles } : {}),
      ...(applicationProtocols.length > 0 ? { applicationProtocols } : {}),
    };
  }

  onMessage(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if ((message.epoch === 1) !== (message.type === HANDSHAKE_TYPE.finished)) return unexpected;
    switch (message.type) {
      case HANDSHAKE_TYPE.helloRequest:
        return undefined; // RFC 5246 §7.4.1.1: ignored during a handshake, and not part of the transcript
      case HANDSHAKE_TYPE.helloVerifyRequest:
        return this.#onHelloVerifyRequest(message, now);
      case HANDSHAKE_TYPE.serverHello:
        return this.#onServerHello(message);
      case HANDSHAKE_TYPE.certificate:
        return this.#onCertificate(message);
      case HANDSHAKE_TYPE.serverKeyExchange:
        return this.#onServerKeyExchange(message);
      case HANDSHAKE_TYPE.certificateRequest:
        return this.#onCertificateRequest(message);
      case HANDSHAKE_TYPE.serverHelloDone:
        return this.#onServerHelloDone(message, now);
      case HANDSHAKE_TYPE.finished:
        return this.#onFinished(message);
      default:
        return unexpected;
    }
  }

  /** A repeated flight 4: the server has not seen all of flight 5. */
  isRepeatedFlight(type: number): boolean {
    return this.#state === 'wait-finished' && type === HANDSHAKE_TYPE.serverHelloDone;
  }

  #onHelloVerifyRequest(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    const cookie = decodeHelloVerifyRequest(message.body);
    if (cookie === undefined) return malformed;
    if (this.#state !== 'wait-server-hello') return unexpected;
    // A server's secret may have changed in between, but without a bound we would be a reflector.
    if (++this.#cookies <= MAX_COOKIES) this.sendClientHello(now, cookie);
    return undefined;
  }

  #onServerHello(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-server-hello') return unexpected;
    const hello = decodeServerHello(message.body);
    if (hello === undefined) return malformed;
    if (hello.version !== DTLS_1_2) return failure('unsupported-version', 'protocol_version');
    this.#session.suite = this.#context.cipherSuites.find((suite) => suite.code === hello.cipherSuite);
    if (this.#session.suite === undefined) return failure('no-common-cipher-suite', 'illegal_parameter');
    const problem = this.#readExtensions(hello);
    if (problem) return problem;
    this.#serverRandom = hello.random.slice();
    this.#transcript.addReceived(message);
    this.#state = 'wait-certificate';
    return undefined;
  }

  #readExtensions({ extensions }: ServerHello): DtlsFailure | undefined {
    const { srtpProfiles, applicationProtocols, requireExtendedMasterSecret } = this.#context;
    const offered = offeredTypes(this.#offer());
    // RFC 5246 §7.4.1.4: a server answers what was offered.
    for (const type of extensions.types ?? []) if (!offered.has(type)) return failure('unsolicited-extension', 'unsupported_extension');
    this.#session.extendedMasterSecret = extensions.extendedMasterSecret === true;
    if (requireExtendedMasterSecret && !this.#session.extendedMasterSecret)
      return failure('no-extended-master-secret', 'handshake_failure');
    if (extensions.ecPointFormats === false) return failure('no-common-group', 'illegal_parameter'); // RFC 8422 §5.1.2
    const profiles = extensions.srtpProfiles;
    if (profiles !== undefined) {
      // RFC 5764 §4.1.1: one profile, one of those offered, and our MKI, which is empty.
      if (profiles.length !== 1 || !srtpProfiles.includes(profiles[0]!) || extensions.srtpMki === true)
        return failure('no-common-srtp-profile', 'illegal_parameter');
      this.#session.srtpProfile = profiles[0];
    }
    const protocols = extensions.applicationProtocols;
    if (protocols !== undefined) {
      // RFC 7301 §3.1: one, and one of those offered.
      if (protocols.length !== 1 || !applicationProtocols.includes(protocols[0]!))
        return failure('no-common-application-protocol', 'illegal_parameter');
      this.#session.applicationProtocol = protocols[0];
    }
    return undefined;
  }

  #onCertificate(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate') return unexpected;
    const chain = decodeCertificate(message.body);
    if (chain === undefined) return malformed;
    if (chain.length === 0) return failure('missing-certificate', 'bad_certificate');
    if (!this.#context.isAcceptable(chain[0]!)) return failure('fingerprint-mismatch', 'bad_certificate');
    this.#session.peerCertificates = chain;
    this.#transcript.addReceived(message);
    this.#state = 'wait-server-key-exchange';
    return undefined;
  }

  #onServerKeyExchange(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-server-key-exchange') return unexpected;
    const { crypto, groups } = this.#context;
    const exchange = decodeServerKeyExchange(message.body);
    if (exchange === undefined) return malformed;
    const group = groupOf(exchange.group);
    if (group === undefined || !groups.includes(group)) return failure('no-common-group', 'illegal_parameter');
    if (schemeKind(exchange.scheme) !== this.#session.suite!.authentication)
      return failure('no-common-signature-scheme', 'illegal_parameter');
    const signed = concatBytes(this.#random, this.#serverRandom, exchange.parameters);
    const problem = checkSignature(crypto, this.#session.peerCertificates[0]!, exchange.scheme, signed, exchange.signature);
    if (problem) return problem;
    this.#serverPublicKey = exchange.publicKey;
    this.#session.keyAgreement = crypto.generateKeyAgreement(group);
    this.#transcript.addReceived(message);
    this.#state = 'wait-certificate-request';
    return undefined;
  }

  #onCertificateRequest(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate-request') return unexpected;
    this.#acceptedSchemes = decodeCertificateRequest(message.body);
    if (this.#acceptedSchemes === undefined) return malformed;
    this.#transcript.addReceived(message);
    this.#state = 'wait-server-hello-done';
    return undefined;
  }

  /** Flight 5. */
  #onServerHelloDone(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate-request' && this.#state !== 'wait-server-hello-done') return unexpected;
    if (message.body.length > 0) return malformed;
    this.#transcript.addReceived(message);
    const { certificate } = this.#context;
    const scheme = this.#acceptedSchemes && chooseScheme(certificate, this.#acceptedSchemes);
    if (this.#acceptedSchemes !== undefined && scheme === undefined) return failure('no-common-signature-scheme', 'handshake_failure');
    const premasterSecret = this.#session.keyAgreement!.deriveSharedSecret(this.#serverPublicKey);
    if (premasterSecret === undefined) return failure('bad-key-share', 'illegal_parameter');
    this.#sendClientFlight(premasterSecret, scheme, now);
    this.#state = 'wait-finished';
    return undefined;
  }

  #sendClientFlight(premasterSecret: Uint8Array, scheme: SignatureScheme | undefined, now: Instant): void {
    const { certificate, flight, records } = this.#context;
    flight.begin();
    if (scheme !== undefined) this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.certificate, encodeCertificate(certificate.derChain)));
    const exchange = encodeClientKeyExchange(this.#session.keyAgreement!.publicKey);
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.clientKeyExchange, exchange));
    const keys = this.#session.deriveKeys(this.#random, this.#serverRandom, premasterSecret);
    if (scheme !== undefined) {
      const signature = certificate.privateKey.sign(scheme, this.#transcript.bytes());
      const verify = encodeSignature(SIGNATURE_SCHEMES[scheme]!, signature);
      this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.certificateVerify, verify));
    }
    const { client, server } = keys.recordKeys();
    records.setKeys(client, server);
    flight.addChangeCipherSpec();
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.finished, this.#session.verifyData('client'), 1));
    this.#context.transmitFlight(now, true);
  }

  #onFinished(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-finished') return unexpected;
    const problem = this.#session.checkFinished('server', message.body);
    if (problem) return problem;
    this.#context.flight.stop();
    this.#state = 'finished';
    this.#result = this.#session.result();
    return undefined;
  }
}
