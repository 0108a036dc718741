export {
  addressFamily,
  type AddressFamily,
  addressScope,
  type AddressScope,
  canonicalIpAddress,
  formatIpAddress,
  parseIpAddress,
  sameTransportAddress,
  type TransportAddress,
} from './ip-address.ts';
export type { AddressErrorCode, IcmpError, PasswordAlgorithmEntry, StunAttributes, StunErrorCode } from './attributes.ts';
export { isStunMessage } from './attribute-values.ts';
export {
  type DiscardedStunMessage,
  encodeStunMessage,
  newTransactionId,
  type ParsedStunMessage,
  parseStunMessage,
  STUN_METHODS,
  type StunClass,
  type StunDiscard,
  type StunMessage,
  type StunMethod,
  type StunParseOptions,
  type StunProtection,
  transactionKey,
} from './message.ts';
export { type IntegrityAlgorithm, IntegrityKey } from './integrity.ts';
export {
  answerChallenge,
  type ChallengeProblem,
  longTermKey,
  type LongTermSession,
  nonceSecurityFeatures,
  opaqueString,
  type PasswordAlgorithm,
  type SecurityFeatures,
  shortTermKey,
  type StunCredentials,
  userhash,
} from './credentials.ts';
export { type RetransmissionOptions, RetransmissionSchedule, RtoEstimator } from './transaction.ts';
export {
  StunClient,
  type StunClientDiscard,
  type StunClientEvent,
  type StunClientOptions,
  type StunFailure,
  type StunFailureReason,
} from './stun-client.ts';
export { RedirectHistory } from './redirect-history.ts';
export { type FrameMeasure, FrameReader, measureStunFrame } from './frame-reader.ts';
export { BindingClient, type BindingEvent } from './binding-client.ts';
