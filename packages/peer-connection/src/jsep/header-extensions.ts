/** RTP header extensions (RFC 8285) that are negotiated, with the identifiers that are offered: Chromium's where it has one. */
import type { MediaKind } from '../media-stream-track.ts';

export const MID_URI = 'urn:ietf:params:rtp-hdrext:sdes:mid';
export const RID_URI = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
export const REPAIRED_RID_URI = 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id';
const AUDIO_LEVEL_URI = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
const ABS_SEND_TIME_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
const TRANSPORT_CC_URI = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
const ABS_CAPTURE_TIME_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
const VIDEO_ORIENTATION_URI = 'urn:3gpp:video-orientation';

export interface HeaderExtension {
  readonly id: number;
  readonly uri: string;
}

const COMMON: readonly HeaderExtension[] = [
  { id: 2, uri: ABS_SEND_TIME_URI },
  { id: 3, uri: TRANSPORT_CC_URI },
  { id: 4, uri: MID_URI },
  { id: 9, uri: ABS_CAPTURE_TIME_URI },
];

export const HEADER_EXTENSIONS: { readonly [Kind in MediaKind]: readonly HeaderExtension[] } = {
  audio: [{ id: 1, uri: AUDIO_LEVEL_URI }, ...COMMON],
  video: [...COMMON, { id: 13, uri: VIDEO_ORIENTATION_URI }, { id: 10, uri: RID_URI }, { id: 11, uri: REPAIRED_RID_URI }],
};

export function isSupportedExtension(kind: MediaKind, uri: string): boolean {
  return HEADER_EXTENSIONS[kind].some((extension) => extension.uri === uri);
}
