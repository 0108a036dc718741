/** The server's handshake (RFC 6347 §4.2; the flights are drawn in client-handshake.ts), in protocol order. */
import { concatBytes } from '@petrel/bytes';
import type { NamedGroup, SignatureScheme } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
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
  decodeCertificate,
  decodeClientHello,
  decodeClientKeyExchange,
  decodeSignature,
  encodeCertificate,
  encodeCertificateRequest,
  encodeEcdhParameters,
  encodeServerHello,
  encodeSignature,
  HANDSHAKE_TYPE,
  NAMED_GROUPS,
  SIGNATURE_SCHEMES,
} from './handshake-messages.ts';
import { HandshakeSession } from './handshake-session.ts';
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
  readonly #session: HandshakeSession;
  readonly #random: Uint8Array;
  #state: State = 'wait-client-hello';
  #clientRandom: Uint8Array = new Uint8Array(32);
  #group: NamedGroup | undefined;
  #scheme: SignatureScheme | undefined;
  #result: HandshakeResult | undefined;

  constructor(context: HandshakeContext) {
    this.#context = context;
    this.#session = new HandshakeSession(context, this.#transcript);
    this.#random = context.crypto.randomBytes(32);
  }

  get result(): HandshakeResult | undefined {
    return this.#result;
  }

  get isOpen(): boolean {
    return this.#state === 'wait-client-hello';
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

  /** The client repeats its hello until it has flight 4; what it does about flight 6 is the connection's business. */
  isRepeatedFlight(type: number): boolean {
    return this.#state === 'wait-certificate' && type === HANDSHAKE_TYPE.clientHello;
  }

  #onClientHello(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if (this.#state !== 'wait-client-hello') return unexpected;
    const hello = decodeClientHello(message.body);
    if (hello === undefined) return malformed;
    // Lower numbers are later versions; but a client that can do 1.3 says 1.2 here (RFC 9147 §5.3).
    if (hello.version > DTLS_1_2 || hello.version >> 8 !== DTLS_1_2 >> 8) return failure('unsupported-version', 'protocol_version');
    const problem = this.#negotiate(hello);
    if (problem) return problem;
    this.#clientRandom = hello.random.slice();
    this.#transcript.addReceived(message);
    this.#sendServerFlight(hello, now);
    this.#state = 'wait-certificate';
    return undefined;
  }

  #negotiate({ cipherSuites: offered, extensions }: ClientHello): DtlsFailure | undefined {
    const { certificate, cipherSuites, groups, srtpProfiles, applicationProtocols } = this.#context;
    const { algorithm } = certificate.privateKey;
    this.#session.suite = cipherSuites.find((suite) => suite.authentication === algorithm && offered.includes(suite.code));
    if (this.#session.suite === undefined) return failure('no-common-cipher-suite', 'handshake_failure');
    this.#session.extendedMasterSecret = extensions.extendedMasterSecret === true;
    if (this.#context.requireExtendedMasterSecret && !this.#session.extendedMasterSecret)
      return failure('no-extended-master-secret', 'handshake_failure');
    if (extensions.ecPointFormats === false) return failure('no-common-group', 'illegal_parameter'); // RFC 8422 §5.1.2
    this.#group = groups.find((candidate) => extensions.supportedGroups?.includes(NAMED_GROUPS[candidate]) ?? candidate === 'p-256');
    if (this.#group === undefined) return failure('no-common-group', 'handshake_failure');
    this.#scheme = chooseScheme(certificate, extensions.signatureAlgorithms ?? []);
    if (this.#scheme === undefined) return failure('no-common-signature-scheme', 'handshake_failure');
    this.#session.srtpProfile = srtpProfiles.find((profile) => extensions.srtpProfiles?.includes(profile));
    this.#session.applicationProtocol = undefined;
    if (extensions.applicationProtocols !== undefined && applicationProtocols.length > 0) {
      this.#session.applicationProtocol = applicationProtocols.find((name) => extensions.applicationProtocols!.includes(name));
      // RFC 7301 §3.2
      if (this.#session.applicationProtocol === undefined) return failure('no-common-application-protocol', 'no_application_protocol');
    }
    return undefined;
  }

  /** Flight 4. */
  #sendServerFlight(hello: ClientHello, now: Instant): void {
    const { flight, certificate } = this.#context;
    flight.begin();
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.serverHello, this.#serverHello(hello)));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.certificate, encodeCertificate(certificate.derChain)));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.serverKeyExchange, this.#serverKeyExchange()));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.certificateRequest, encodeCertificateRequest()));
    this.#transcript.add(flight.addMessage(HANDSHAKE_TYPE.serverHelloDone, new Uint8Array(0)));
    this.#context.transmitFlight(now, true);
  }

  /** Only extensions that the client offered (RFC 5246 §7.4.1.4). */
  #serverHello({ extensions, cipherSuites }: ClientHello): Uint8Array {
    return encodeServerHello({
      random: this.#random,
      cipherSuite: this.#session.suite!.code,
      extensions: {
        renegotiationInfo: extensions.renegotiationInfo === true || cipherSuites.includes(RENEGOTIATION_SCSV),
        extendedMasterSecret: this.#session.extendedMasterSecret,
        ecPointFormats: extensions.ecPointFormats === true,
        ...(this.#session.srtpProfile === undefined ? {} : { srtpProfiles: [this.#session.srtpProfile] }),
        ...(this.#session.applicationProtocol === undefined ? {} : { applicationProtocols: [this.#session.applicationProtocol] }),
      },
    });
  }

  #serverKeyExchange(): Uint8Array {
    const { crypto, certificate } = this.#context;
    this.#session.keyAgreement = crypto.generateKeyAgreement(this.#group!);
    const parameters = encodeEcdhParameters(NAMED_GROUPS[this.#group!], this.#session.keyAgreement.publicKey);
    const signature = certificate.privateKey.sign(this.#scheme!, concatBytes(this.#clientRandom, this.#random, parameters));
    return concatBytes(parameters, encodeSignature(SIGNATURE_SCHEMES[this.#scheme!]!, signature));
  }

  #onCertificate(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate') return unexpected;
    const chain = decodeCertificate(message.body);
    if (chain === undefined) return malformed;
    // RFC 8827 §6.5: both sides have certificates; without one there is nobody to compare the fingerprint with.
    if (chain.length === 0) return failure('missing-certificate', 'handshake_failure');
    if (!this.#context.isAcceptable(chain[0]!)) return failure('fingerprint-mismatch', 'bad_certificate');
    this.#session.peerCertificates = chain;
    this.#transcript.addReceived(message);
    this.#state = 'wait-client-key-exchange';
    return undefined;
  }

  #onClientKeyExchange(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-client-key-exchange') return unexpected;
    const publicKey = decodeClientKeyExchange(message.body);
    if (publicKey === undefined) return malformed;
    const premasterSecret = this.#session.keyAgreement!.deriveSharedSecret(publicKey);
    if (premasterSecret === undefined) return failure('bad-key-share', 'illegal_parameter');
    this.#transcript.addReceived(message);
    const { client, server } = this.#session.deriveKeys(this.#clientRandom, this.#random, premasterSecret).recordKeys();
    this.#context.records.setKeys(server, client);
    this.#state = 'wait-certificate-verify';
    return undefined;
  }

  #onCertificateVerify(message: HandshakeMessage): DtlsFailure | undefined {
    if (this.#state !== 'wait-certificate-verify') return unexpected;
    const verify = decodeSignature(message.body);
    if (verify === undefined) return malformed;
    const signed = this.#transcript.bytes();
    const problem = checkSignature(this.#context.crypto, this.#session.peerCertificates[0]!, verify.scheme, signed, verify.signature);
    if (problem) return problem;
    this.#transcript.addReceived(message);
    this.#state = 'wait-finished';
    return undefined;
  }

  /** Flight 6. */
  #onFinished(message: HandshakeMessage, now: Instant): DtlsFailure | undefined {
    if (this.#state !== 'wait-finished') return unexpected;
    const problem = this.#session.checkFinished('client', message.body);
    if (problem) return problem;
    this.#transcript.addReceived(message);
    const { flight } = this.#context;
    flight.begin();
    flight.addChangeCipherSpec();
    flight.addMessage(HANDSHAKE_TYPE.finished, this.#session.verifyData('server'), 1);
    this.#context.transmitFlight(now, false);
    this.#state = 'finished';
    this.#result = this.#session.result();
    return undefined;
  }
}
