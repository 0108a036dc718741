/**
 * Alerts (RFC 5246 §7.2).
 *
 * ```
 *   struct { AlertLevel level; AlertDescription description; } Alert;
 * ```
 */
export const ALERT_DESCRIPTIONS = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  user_canceled: 90,
  no_renegotiation: 100,
  unsupported_extension: 110,
  no_application_protocol: 120,
} as const;

/** The names of RFC 5246 §7.2 and its successors. */
export type AlertDescription = keyof typeof ALERT_DESCRIPTIONS;
/** RFC 5246 §7.2: fatal alerts end the connection. */
export type AlertLevel = 'warning' | 'fatal';

/** An alert as it came (RFC 5246 §7.2). */
export interface Alert {
  readonly level: AlertLevel;
  /** The description's name, or its number when it has none here. */
  readonly description: AlertDescription | number;
}

const NAMES = new Map<number, AlertDescription>(Object.entries(ALERT_DESCRIPTIONS).map(([name, code]) => [code, name as AlertDescription]));

/** The number on the wire, as the W3C's RTCError has it in `sentAlert` and `receivedAlert`. */
export function alertCode(description: AlertDescription | number): number {
  return typeof description === 'number' ? description : ALERT_DESCRIPTIONS[description];
}

export function encodeAlert(level: AlertLevel, description: AlertDescription): Uint8Array {
  return Uint8Array.of(level === 'warning' ? 1 : 2, ALERT_DESCRIPTIONS[description]);
}

/** @returns undefined when the bytes are not an alert. */
export function decodeAlert(body: Uint8Array): Alert | undefined {
  if (body.length !== 2 || (body[0] !== 1 && body[0] !== 2)) return undefined;
  return { level: body[0] === 1 ? 'warning' : 'fatal', description: NAMES.get(body[1]!) ?? body[1]! };
}
