import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { isVp8KeyFrame, opusDuration, readIvf, readOggOpus } from '@petrel/media';
import { type ClipEvent, ClipPlayer } from '../src/server/clip-player.ts';

const SECONDS = 3;
const clip = {
  video: Array.from({ length: SECONDS * 30 }, (_, index) => Uint8Array.of(index)),
  audio: Array.from({ length: SECONDS * 50 + 7 }, (_, index) => Uint8Array.of(index)),
};

/** Everything that is due until `end`, asked for every `step` milliseconds. */
function play(player: ClipPlayer, from: number, end: number, step = 10): (ClipEvent & { at: number })[] {
  const events: (ClipEvent & { at: number })[] = [];
  for (let now = from; now < end; now += step) for (const event of player.due(now)) events.push({ ...event, at: now });
  return events;
}

const video = (events: readonly ClipEvent[]): ClipEvent[] => events.filter(({ kind }) => kind === 'video');
const audio = (events: readonly ClipEvent[]): ClipEvent[] => events.filter(({ kind }) => kind === 'audio');
const numbers = (events: readonly ClipEvent[]): (number | undefined)[] => events.map(({ data }) => data[0]);

describe('the clip player', () => {
  test('30 pictures and 50 audio packets a second, in real time', () => {
    const events = play(new ClipPlayer(clip, 1000), 1000, 2000);
    expect(numbers(video(events))).toEqual(Array.from({ length: 30 }, (_, index) => index));
    expect(numbers(audio(events))).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  test('timestamps follow the RTP clocks, 90 kHz and 48 kHz', () => {
    const events = play(new ClipPlayer(clip, 0), 0, 200);
    expect(video(events).map(({ timestamp }) => timestamp)).toEqual([0, 3000, 6000, 9000, 12_000, 15_000]);
    expect(
      audio(events)
        .slice(0, 3)
        .map(({ timestamp }) => timestamp),
    ).toEqual([0, 960, 1920]);
  });

  test('loops after its whole seconds, with a key frame, and the timestamps go on', () => {
    const events = play(new ClipPlayer(clip, 0), 0, SECONDS * 1000 + 100);
    const pictures = video(events);
    expect(pictures[90]).toMatchObject({ keyFrame: true, timestamp: 270_000 });
    expect(numbers(pictures.slice(89, 92))).toEqual([89, 0, 1]);
    expect(numbers(audio(events).slice(149, 152))).toEqual([149, 0, 1]);
  });

  test('every second begins with a key frame', () => {
    const events = video(play(new ClipPlayer(clip, 0), 0, 2000));
    expect(events.flatMap(({ keyFrame }, index) => (keyFrame ? [index] : []))).toEqual([0, 30]);
  });

  test('asked for a key frame, it goes on with the next second, picture and sound together', () => {
    const player = new ClipPlayer(clip, 0);
    play(player, 0, 400);
    player.requestKeyFrame(400);
    const events = play(player, 400, 500);
    expect(numbers(video(events))).toEqual([30, 31, 32]);
    expect(video(events)[0]).toMatchObject({ keyFrame: true, timestamp: 12 * 3000 });
    expect(numbers(audio(events))).toEqual([50, 51, 52, 53, 54]);
  });

  test('asked in the last second, it goes on with the first', () => {
    const player = new ClipPlayer(clip, 0);
    play(player, 0, 2500);
    player.requestKeyFrame(2500);
    expect(numbers(video(play(player, 2500, 2540)))[0]).toBe(0);
  });

  test('asked right after a key frame, it does nothing: that one is on its way', () => {
    const player = new ClipPlayer(clip, 0);
    play(player, 0, 200);
    player.requestKeyFrame(200);
    expect(numbers(video(play(player, 200, 250)))).toEqual([6, 7]);
  });

  test('many requests are one jump', () => {
    const player = new ClipPlayer(clip, 0);
    play(player, 0, 400);
    for (let i = 0; i < 5; i++) player.requestKeyFrame(400);
    expect(numbers(video(play(player, 400, 440)))[0]).toBe(30);
  });

  test('catches up after a short delay, not after a long one', () => {
    const player = new ClipPlayer(clip, 0);
    play(player, 0, 100);
    expect(video([...player.due(300)])).toHaveLength(7);
    expect([...player.due(10_000)].length).toBeLessThan(3);
    expect(player.nextTime).toBeGreaterThan(10_000);
  });

  test('says when something is due next', () => {
    const player = new ClipPlayer(clip, 50);
    expect(player.nextTime).toBe(50);
    expect([...player.due(50)]).toHaveLength(2);
    expect(player.nextTime).toBe(70);
  });

  test('refuses a clip that is too short', () => {
    expect(() => new ClipPlayer({ video: clip.video.slice(0, 29), audio: clip.audio }, 0)).toThrow(RangeError);
  });
});

describe('the clip in the repository', () => {
  const ivf = readFileSync(join(__dirname, '../media/clip.ivf'));
  const ogg = readFileSync(join(__dirname, '../media/clip.ogg'));

  test('is small', () => {
    expect(ivf.length + ogg.length).toBeLessThan(400_000);
  });

  test('has ten seconds of VP8 with a key frame at every second, so that it can loop and jump', () => {
    const { fourCc, frames, unitsPerSecond } = readIvf(ivf);
    expect([fourCc, unitsPerSecond, frames.length]).toEqual(['VP80', 30, 300]);
    expect(frames.every(({ data }, index) => isVp8KeyFrame(data) || index % 30 !== 0)).toBe(true);
  });

  test('has ten seconds of Opus in packets of 20 ms', () => {
    const { packets } = readOggOpus(ogg);
    expect(packets.length).toBeGreaterThanOrEqual(500);
    expect(packets.every((packet) => opusDuration(packet) === 960)).toBe(true);
  });
});
