export { DtlsConnection, type DtlsDiscard, type DtlsEvent, type DtlsOptions, type DtlsRole, type DtlsState } from './dtls-connection.ts';
export type { DtlsFailure, DtlsFailureReason } from './errors.ts';
export { ALERT_DESCRIPTIONS, type Alert, type AlertDescription, type AlertLevel } from './alert.ts';
export { CIPHER_SUITES, type CipherSuite, type CipherSuiteName } from './cipher-suites.ts';
