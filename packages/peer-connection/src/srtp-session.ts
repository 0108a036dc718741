/** SRTP and SRTCP of one transport, both directions, with the keys of one DTLS handshake (RFC 5764 §4.2). */
import type { CryptoProvider } from '@petrel/crypto';
import type { DtlsConnection } from '@petrel/dtls';
import {
  EXPORTER_LABEL,
  keyingMaterialLength,
  protectionProfileById,
  type ProtectionProfileName,
  splitKeyingMaterial,
  SrtcpContext,
  SrtpContext,
} from '@petrel/srtp';

export class SrtpSession {
  readonly profile: ProtectionProfileName;
  readonly #rtpOut: SrtpContext;
  readonly #rtcpOut: SrtcpContext;
  readonly #rtpIn: SrtpContext;
  readonly #rtcpIn: SrtcpContext;

  private constructor(crypto: CryptoProvider, dtls: DtlsConnection, profile: ProtectionProfileName) {
    this.profile = profile;
    const material = dtls.exportKeyingMaterial(EXPORTER_LABEL, keyingMaterialLength(profile));
    const { local, remote } = splitKeyingMaterial(profile, material, dtls.role);
    this.#rtpOut = new SrtpContext({ crypto, profile, ...local });
    this.#rtcpOut = new SrtcpContext({ crypto, profile, ...local });
    this.#rtpIn = new SrtpContext({ crypto, profile, ...remote });
    this.#rtcpIn = new SrtcpContext({ crypto, profile, ...remote });
  }

  /** Takes the keys out of a handshake that is complete. @returns undefined when it has negotiated no profile */
  static from(dtls: DtlsConnection, crypto: CryptoProvider): SrtpSession | undefined {
    if (dtls.srtpProfile === undefined) return undefined;
    return new SrtpSession(crypto, dtls, protectionProfileById(dtls.srtpProfile)!.name);
  }

  /** @param repeat the packet was protected before and is the same, byte for byte */
  protectRtp(packet: Uint8Array, repeat: boolean): Uint8Array | undefined {
    return this.#rtpOut.protect(packet, repeat);
  }

  protectRtcp(compound: Uint8Array): Uint8Array | undefined {
    return this.#rtcpOut.protect(compound);
  }

  /** @returns undefined when it is not authentic, or was received before */
  unprotectRtp(datagram: Uint8Array): Uint8Array | undefined {
    return this.#rtpIn.unprotect(datagram);
  }

  /** @returns undefined when it is not authentic, or was received before */
  unprotectRtcp(datagram: Uint8Array): Uint8Array | undefined {
    return this.#rtcpIn.unprotect(datagram);
  }

  /** Whether there is enough to gain from {@link reuseMemory}. */
  get wantsMemory(): boolean {
    return this.#rtpOut.wantsMemory;
  }

  /** No packet that {@link protectRtp} has given is in use any more: their memory is taken for what comes next. */
  reuseMemory(): void {
    this.#rtpOut.reuseMemory();
  }
}
