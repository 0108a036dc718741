import { describe, expect, test } from '@jest/globals';
import { addTrackToStream, createRemoteStream, MediaStream, removeTrackFromStream } from '../src/media-stream.ts';
import { endTrack, MediaStreamTrack, mediaStreamTrackSlots, setTrackMuted } from '../src/media-stream-track.ts';
import { RtpSink } from '../src/rtp-sink.ts';
import { RtpSource } from '../src/rtp-source.ts';

function logged(track: MediaStreamTrack): string[] {
  const log: string[] = [];
  for (const type of ['mute', 'unmute', 'ended']) track.addEventListener(type, () => log.push(type));
  return log;
}

describe('W3C Media Capture §4.3: MediaStreamTrack', () => {
  test('has no public constructor', () => {
    expect(() => Reflect.construct(MediaStreamTrack, [])).toThrow(new TypeError('Illegal constructor'));
  });

  test('a source has a live track of its kind with a UUID', () => {
    const { track } = new RtpSource('video', { mimeType: 'video/VP8', settings: { width: 640 } });
    expect(track).toMatchObject({ kind: 'video', readyState: 'live', enabled: true, muted: false, contentHint: '' });
    expect(track.id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect(track.getSettings()).toEqual({ width: 640 });
    expect(mediaStreamTrackSlots(track).source.codec).toEqual({ mimeType: 'video/VP8', clockRate: 90_000 });
    expect(() => new RtpSource('text' as never)).toThrow(TypeError);
  });

  test('mute and unmute fire when the state changes, not otherwise, and not once ended', () => {
    const { track } = new RtpSource('audio');
    const log = logged(track);
    setTrackMuted(track, false);
    setTrackMuted(track, true);
    setTrackMuted(track, true);
    setTrackMuted(track, false);
    track.stop();
    setTrackMuted(track, true);
    expect(log).toEqual(['mute', 'unmute']);
  });

  test('ended fires for the source, not for stop()', () => {
    const [stopped, ended] = [new RtpSource('audio').track, new RtpSource('audio').track];
    const logs = [logged(stopped), logged(ended)];
    stopped.stop();
    endTrack(stopped);
    endTrack(ended);
    endTrack(ended);
    expect(logs).toEqual([[], ['ended']]);
    expect([stopped.readyState, ended.readyState]).toEqual(['ended', 'ended']);
  });

  test('a clone has an id and a state of its own, on the same source', () => {
    const source = new RtpSource('audio');
    source.track.enabled = false;
    source.track.contentHint = 'speech';
    const clone = source.track.clone();
    expect(clone.id).not.toBe(source.track.id);
    expect(clone).toMatchObject({ enabled: false, contentHint: 'speech', readyState: 'live', label: source.track.label });
    source.track.stop();
    expect(clone.readyState).toBe('live');
    expect(source.track.clone().readyState).toBe('ended');
  });

  test('contentHint takes the hints of its kind only', () => {
    const { track } = new RtpSource('video');
    track.contentHint = 'detail';
    track.contentHint = 'music';
    expect(track.contentHint).toBe('detail');
  });

  test('constraints are kept', async () => {
    const { track } = new RtpSource('video');
    await track.applyConstraints({ width: 320 });
    expect(track.getConstraints()).toEqual({ width: 320 });
    await expect(track.applyConstraints(1 as never)).rejects.toThrow(TypeError);
  });
});

describe('packets in, packets out', () => {
  const packet = Uint8Array.of(0x80, 96);

  test('a sink hands out what its track lets through: live and enabled', () => {
    const source = new RtpSource('video');
    const clone = source.track.clone();
    const received: string[] = [];
    new RtpSink(source.track).onpacket = () => received.push('track');
    const sink = new RtpSink(clone);
    sink.onpacket = () => received.push('clone');
    source.write(packet);
    source.track.enabled = false;
    source.write(packet);
    source.track.enabled = true;
    source.track.stop();
    source.write(packet);
    sink.close();
    source.write(packet);
    expect(received).toEqual(['track', 'clone', 'clone', 'clone']);
    expect(() => new RtpSink({} as never)).toThrow(TypeError);
  });

  test('a sink of an ended track gives nothing', () => {
    const source = new RtpSource('video');
    source.track.stop();
    let count = 0;
    new RtpSink(source.track).onpacket = () => count++;
    source.write(packet);
    expect(count).toBe(0);
  });

  test('key frame requests reach the source', () => {
    const source = new RtpSource('video');
    let requests = 0;
    const sink = new RtpSink(source.track);
    sink.requestKeyFrame();
    source.onkeyframerequest = () => requests++;
    sink.requestKeyFrame();
    expect(requests).toBe(1);
  });
});

describe('W3C Media Capture §4.2: MediaStream', () => {
  test('is made empty, of tracks, or of the tracks of a stream', () => {
    const [audio, video] = [new RtpSource('audio').track, new RtpSource('video').track];
    const stream = new MediaStream([audio, video, audio]);
    expect(stream.getTracks()).toEqual([audio, video]);
    expect(new MediaStream(stream).getTracks()).toEqual([audio, video]);
    expect(new MediaStream().getTracks()).toEqual([]);
    expect(stream.getAudioTracks()).toEqual([audio]);
    expect(stream.getVideoTracks()).toEqual([video]);
    expect(stream.getTrackById(video.id)).toBe(video);
    expect(stream.getTrackById('x')).toBeNull();
    for (const value of [1, [1], {}, null]) expect(() => new MediaStream(value as never)).toThrow(TypeError);
    expect(MediaStream.length).toBe(0);
  });

  test('is active while one of its tracks is live', () => {
    const { track } = new RtpSource('audio');
    const stream = new MediaStream([track]);
    expect(stream.active).toBe(true);
    track.stop();
    expect(stream.active).toBe(false);
  });

  test('a clone has clones of the tracks', () => {
    const stream = new MediaStream([new RtpSource('audio').track]);
    const clone = stream.clone();
    expect(clone.id).not.toBe(stream.id);
    expect(clone.getTracks()[0]).not.toBe(stream.getTracks()[0]);
  });

  test('events fire for what the connection changes, not for what the application changes', () => {
    const stream = createRemoteStream('remote');
    const { track } = new RtpSource('audio');
    const log: unknown[] = [];
    stream.onaddtrack = (event) => log.push('add', event.track);
    stream.onremovetrack = (event) => log.push('remove', event.track);
    stream.addTrack(track);
    stream.removeTrack(track);
    addTrackToStream(stream, track);
    addTrackToStream(stream, track);
    removeTrackFromStream(stream, track);
    removeTrackFromStream(stream, track);
    expect(log).toEqual(['add', track, 'remove', track]);
    expect(stream.id).toBe('remote');
  });
});
