// The implementation module for running Web Platform Tests against Petrel: the built umbrella's classes under their
// standard names, and tracks with fake media. A test runner imports it; the tests themselves are not part of the project.
//
//   npm run build, then give this file to the runner.
import * as petrel from '../../packages/petrel/dist/index.js';
import { AUDIO_LEVEL, fakePackets, videoSize } from './fake-media.mjs';

export * from '../../packages/petrel/dist/index.js';
export const name = 'petrel';

/** A live track whose packets say that they are VP8 or Opus, as a camera or a microphone would give. */
export function createTrack(kind, { width = 640, height = 480 } = {}) {
  const settings =
    kind === 'video' ? { width: ideal(width), height: ideal(height), frameRate: 30 } : { sampleRate: 48000, channelCount: 1 };
  const source = new petrel.RtpSource(kind, { settings, headerExtensions: [AUDIO_LEVEL] });
  const packets = fakePackets(kind, settings);
  const timer = setInterval(
    () => {
      if (source.track.readyState === 'live') source.write(packets.next().value);
    },
    kind === 'video' ? 33 : 20,
  );
  timer.unref();
  return source.track;
}

/** Plays a stream in a fake media element: the metadata are loaded as soon as each track has given a packet. */
export function attachMedia(element, stream) {
  const waiting = new Set(stream.getTracks());
  for (const track of waiting) {
    const sink = new petrel.RtpSink(track);
    sink.onpacket = (packet) => {
      const size = track.kind === 'video' ? videoSize(packet) : undefined;
      if (track.kind === 'video' && size === undefined) return;
      sink.close();
      Object.assign(element, size);
      waiting.delete(track);
      if (waiting.size > 0 || element.srcObject !== stream) return;
      element.readyState = 4;
      for (const type of ['resize', 'loadedmetadata', 'loadeddata', 'canplay', 'playing']) element.dispatchEvent(new Event(type));
    };
  }
}

/** A value, or a constraint around one. */
function ideal(value) {
  return typeof value === 'object' ? (value.exact ?? value.ideal ?? value.max ?? value.min) : value;
}
