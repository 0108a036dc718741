export {
  type Attribute,
  type AttributeHolder,
  type Bandwidth,
  type ConnectionAddress,
  MAX_DESCRIPTION_LENGTH,
  MAX_MEDIA_SECTIONS,
  type MediaSection,
  type Origin,
  SdpSyntaxError,
  type SessionDescription,
  type Timing,
} from './session-description.ts';
export { parseSessionDescription } from './parse.ts';
export { serializeSessionDescription } from './serialize.ts';
export { type AttributeType, flag, has, read, readAll, write } from './attributes/attribute.ts';
export { BUNDLE_ONLY, type Direction, DIRECTIONS, type Group, GROUP, MID, type Msid, MSID } from './attributes/identification.ts';
export {
  type ExtensionMap,
  EXTMAP,
  EXTMAP_ALLOW_MIXED,
  type Fmtp,
  FMTP,
  MAXPTIME,
  parseFormatParameters,
  PTIME,
  RTCP_FEEDBACK,
  type RtcpFeedback,
  type Rtpmap,
  RTPMAP,
} from './attributes/codecs.ts';
export {
  type Rid,
  RID,
  RTCP,
  RTCP_MUX,
  RTCP_MUX_ONLY,
  RTCP_EXTENDED_REPORTS,
  RTCP_REDUCED_SIZE,
  type RtcpPort,
  type Simulcast,
  SIMULCAST,
  type SimulcastRid,
  type SourceAttribute,
  type SourceGroup,
  SSRC,
  SSRC_GROUP,
} from './attributes/sources.ts';
export {
  CANDIDATE,
  END_OF_CANDIDATES,
  FINGERPRINT,
  type FingerprintAttribute,
  ICE_LITE,
  ICE_OPTIONS,
  ICE_PWD,
  ICE_UFRAG,
  MAX_MESSAGE_SIZE,
  SCTP_PORT,
  SETUP,
  type Setup,
  TLS_ID,
} from './attributes/transport.ts';
