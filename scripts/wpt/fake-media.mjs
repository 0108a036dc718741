// RTP packets that look like media to everything that does not decode them.

/** RFC 6464: what the header extension of the audio packets means. */
export const AUDIO_LEVEL = { id: 1, uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level' };
/** RFC 8285 §4.2: one element of one byte, voice at -30 dBov, and padding. */
const AUDIO_LEVEL_BLOCK = [0xbe, 0xde, 0, 1, 0x10, 0x80 | 30, 0, 0];

/** Endless packets of one track: VP8 key frames of one packet each, or 20 ms of Opus silence. */
export function* fakePackets(kind, { width, height }) {
  const payload = kind === 'video' ? vp8KeyFrame(width, height) : Uint8Array.of(...AUDIO_LEVEL_BLOCK, 0xf8, 0xff, 0xfe);
  const step = kind === 'video' ? 3000 : 960;
  for (let sequence = 0, timestamp = 0; ; sequence = (sequence + 1) & 0xffff, timestamp = (timestamp + step) >>> 0) {
    const packet = new Uint8Array(12 + payload.length);
    const view = new DataView(packet.buffer);
    packet[0] = kind === 'video' ? 0x80 : 0x90; // the extension bit
    packet[1] = kind === 'video' ? 0x80 | 96 : 111; // each video packet ends a frame: marker
    view.setUint16(2, sequence);
    view.setUint32(4, timestamp);
    view.setUint32(8, 1);
    packet.set(payload, 12);
    yield packet;
  }
}

/** RFC 7741 §4.2 payload descriptor; RFC 6386 §9.1 frame tag, start code and dimensions. The rest of the frame is noise. */
function vp8KeyFrame(width, height) {
  const frame = new Uint8Array(120).fill(0x55);
  frame.set([0x10, 0x50, 0x0d, 0x00, 0x9d, 0x01, 0x2a, width & 0xff, width >> 8, height & 0xff, height >> 8]);
  return frame;
}

/** The dimensions of the VP8 key frame that begins in a packet. */
export function videoSize(packet) {
  const extension = (packet[0] & 0x10) === 0 ? 0 : 4 + 4 * ((packet[14] << 8) | packet[15]);
  const payload = packet.subarray(12 + 4 * (packet[0] & 0x0f) + extension);
  if (payload[4] !== 0x9d || payload[5] !== 0x01 || payload[6] !== 0x2a) return undefined;
  return { videoWidth: payload[7] | ((payload[8] & 0x3f) << 8), videoHeight: payload[9] | ((payload[10] & 0x3f) << 8) };
}
