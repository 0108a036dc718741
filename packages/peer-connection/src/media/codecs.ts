import type { RtpCodec } from './rtp-parameters.ts';

/** RTX and RED carry other codecs. */
export function isRtx(codec: RtpCodec): boolean {
  return codec.mimeType.toLowerCase().endsWith('/rtx');
}

export function isRed(codec: RtpCodec): boolean {
  return codec.mimeType.toLowerCase().endsWith('/red');
}

/** Neither of the two. */
export function isPrimary(codec: RtpCodec): boolean {
  return !isRtx(codec) && !isRed(codec);
}

export function hasFeedback(codec: RtpCodec, feedback: string): boolean {
  return codec.rtcpFeedback?.includes(feedback) ?? false;
}

/**
 * The RTX codec that repairs this payload type. RTX that repairs RTX does not exist (RFC 4588 §4): such a codec is never found,
 * because nothing looks for it.
 */
export function rtxFor(codecs: readonly RtpCodec[], payloadType: number): RtpCodec | undefined {
  return codecs.find((codec) => isRtx(codec) && codec.apt === payloadType);
}
