/** GStreamer's command lines for the other end of a bridge. */
import type { MediaKind } from '@petrel/media';

interface ReceiverOptions {
  readonly kind: MediaKind;
  readonly mimeType: string;
  readonly clockRate: number;
  readonly payloadType: number;
  readonly port: number;
}

interface Elements {
  readonly depacketize: string;
  readonly encode: string;
}

/** By the encoding name, in capitals. Senders make a key frame every second, and packets of at most 1,200 bytes. */
const ELEMENTS: Readonly<Record<string, Elements>> = {
  VP8: {
    depacketize: 'rtpvp8depay ! vp8dec',
    encode: 'vp8enc deadline=1 keyframe-max-dist=30 error-resilient=default ! rtpvp8pay mtu=1200',
  },
  VP9: { depacketize: 'rtpvp9depay ! vp9dec', encode: 'vp9enc deadline=1 keyframe-max-dist=30 ! rtpvp9pay mtu=1200' },
  H264: {
    depacketize: 'rtph264depay ! h264parse ! avdec_h264',
    encode:
      'x264enc tune=zerolatency speed-preset=veryfast key-int-max=30 ! video/x-h264,profile=constrained-baseline ! rtph264pay mtu=1200 config-interval=-1',
  },
  AV1: { depacketize: 'rtpav1depay ! av1dec', encode: 'av1enc usage-profile=realtime keyframe-max-dist=30 ! rtpav1pay mtu=1200' },
  OPUS: { depacketize: 'rtpopusdepay ! opusdec', encode: 'opusenc ! rtpopuspay' },
  PCMU: { depacketize: 'rtppcmudepay ! mulawdec', encode: 'audioresample ! mulawenc ! rtppcmupay' },
  PCMA: { depacketize: 'rtppcmadepay ! alawdec', encode: 'audioresample ! alawenc ! rtppcmapay' },
  G722: { depacketize: 'rtpg722depay ! avdec_g722', encode: 'audioresample ! avenc_g722 ! rtpg722pay' },
};

/** Shows or plays what arrives at a port. */
export function gstreamerReceiver({ kind, mimeType, clockRate, payloadType, port }: ReceiverOptions): string {
  const name = encodingName(mimeType);
  const caps = `application/x-rtp,media=${kind},clock-rate=${clockRate},encoding-name=${name},payload=${payloadType}`;
  const show = kind === 'video' ? 'videoconvert ! autovideosink' : 'audioconvert ! audioresample ! autoaudiosink';
  return `gst-launch-1.0 udpsrc port=${port} caps="${caps}" ! rtpjitterbuffer ! ${ELEMENTS[name]?.depacketize} ! ${show}`;
}

/** One stream of {@link gstreamerSender}. */
export interface GstreamerSenderOptions {
  readonly mimeType: string;
  readonly port: number;
}

/**
 * A GStreamer command that sends a test picture, or a test tone, to {@link rtpIngest}.
 *
 * @example
 * console.log(gstreamerSender([{ mimeType: 'video/VP8', port: 5004 }, { mimeType: 'audio/opus', port: 5006 }]));
 */
export function gstreamerSender(outputs: readonly GstreamerSenderOptions[]): string {
  return ['gst-launch-1.0', ...outputs.map(senderPipeline)].join(' ');
}

function senderPipeline({ mimeType, port }: GstreamerSenderOptions): string {
  const source = mimeType.startsWith('video')
    ? 'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! timeoverlay'
    : 'audiotestsrc is-live=true wave=ticks';
  return `${source} ! ${ELEMENTS[encodingName(mimeType)]?.encode} ! udpsink host=127.0.0.1 port=${port}`;
}

function encodingName(mimeType: string): string {
  return (mimeType.split('/')[1] ?? '').toUpperCase();
}
