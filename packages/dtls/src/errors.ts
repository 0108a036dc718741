import type { AlertDescription } from './alert.ts';

/** Why a handshake or a connection failed. The reason is data, for tests and for people, and stays the same from release to release. */
export interface DtlsFailure {
  readonly reason: DtlsFailureReason;
  /** The alert that was sent; with the reason `remote-alert`, the one that came; `undefined` when there was none. */
  readonly alert: AlertDescription | number | undefined;
}

/** Named after what was found, not after the alert that tells the peer of it. */
export type DtlsFailureReason =
  | 'malformed-message'
  | 'unexpected-message'
  | 'unsupported-version'
  | 'no-common-cipher-suite'
  | 'no-common-group'
  | 'no-common-signature-scheme'
  | 'no-common-srtp-profile'
  | 'no-common-application-protocol'
  | 'no-extended-master-secret'
  | 'unsolicited-extension'
  | 'missing-certificate'
  | 'bad-certificate'
  | 'bad-key-share'
  | 'bad-signature'
  | 'bad-finished'
  | 'fingerprint-mismatch'
  | 'remote-alert'
  | 'handshake-timeout';

export function failure(reason: DtlsFailureReason, alert: AlertDescription): DtlsFailure {
  return { reason, alert };
}
