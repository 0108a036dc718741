export { DtlsConnection, type DtlsDiscard, type DtlsEvent, type DtlsOptions, type DtlsRole, type DtlsState } from './dtls-connection.ts';
export { DtlsListener, type DtlsListenerOptions, type ListenerTransmit } from './dtls-listener.ts';
export { CookieExchange, type CookieVerdict, type VerifiedHello } from './cookie-exchange.ts';
export type { DtlsFailure, DtlsFailureReason } from './errors.ts';
export { ALERT_DESCRIPTIONS, type Alert, alertCode, type AlertDescription, type AlertLevel } from './alert.ts';
export { CIPHER_SUITES, type CipherSuite, type CipherSuiteName } from './cipher-suites.ts';
