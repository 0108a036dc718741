import { flag } from './attribute.ts';
import { EXTMAP, EXTMAP_ALLOW_MIXED, FMTP, MAXPTIME, PTIME, RTCP_FEEDBACK, RTPMAP } from './codecs.ts';
import { BUNDLE_ONLY, DIRECTIONS, GROUP, MID, MSID } from './identification.ts';
import { RTCP, RTCP_EXTENDED_REPORTS, RTCP_MUX, RTCP_MUX_ONLY, RTCP_REDUCED_SIZE, SSRC, SSRC_GROUP } from './sources.ts';
import { END_OF_CANDIDATES, FINGERPRINT, ICE_LITE, ICE_OPTIONS, ICE_PWD, ICE_UFRAG, SCTP_PORT, SETUP, TLS_ID } from './transport.ts';

/**
 * What the parser checks (RFC 8829 §5.8.1, §5.8.2). A malformed `a=candidate` is no syntax error: RFC 8839 §5.1 wants unknown forms
 * ignored; the same holds for `a=rid` and `a=simulcast` (RFC 8851 §6.2, RFC 8853 §5.2), and a malformed `a=max-message-size` is as good as none.
 */
const CHECKED: readonly { readonly name: string; parse(value: string | undefined): unknown }[] = [
  MID,
  GROUP,
  BUNDLE_ONLY,
  MSID,
  RTPMAP,
  FMTP,
  RTCP_FEEDBACK,
  EXTMAP,
  EXTMAP_ALLOW_MIXED,
  PTIME,
  MAXPTIME,
  SSRC,
  SSRC_GROUP,
  RTCP,
  RTCP_MUX,
  RTCP_MUX_ONLY,
  RTCP_REDUCED_SIZE,
  RTCP_EXTENDED_REPORTS,
  ICE_UFRAG,
  ICE_PWD,
  ICE_LITE,
  ICE_OPTIONS,
  END_OF_CANDIDATES,
  FINGERPRINT,
  SETUP,
  TLS_ID,
  SCTP_PORT,
  ...DIRECTIONS.map(flag),
];

/** By attribute name: undefined means that the value is malformed. */
export const ATTRIBUTE_SYNTAX: ReadonlyMap<string, (value: string | undefined) => unknown> = new Map(
  CHECKED.map(({ name, parse }) => [name, parse]),
);
