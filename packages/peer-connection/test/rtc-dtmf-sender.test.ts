import { describe, expect, test } from '@jest/globals';
import { VirtualClock } from '@petrel/testing';
import { createRTCDTMFSender, type RTCDTMFSender } from '../src/rtc-dtmf-sender.ts';
import { telephoneEventPackets } from '../src/telephone-event.ts';

interface Fixture {
  readonly sender: RTCDTMFSender;
  readonly clock: VirtualClock;
  readonly log: string[];
  canSend: boolean;
}

function fixture(): Fixture {
  const clock = new VirtualClock();
  const log: string[] = [];
  const state = { canSend: true };
  const sender = createRTCDTMFSender({
    canSend: () => state.canSend,
    play: (tone, duration) => log.push(`${clock.now()} play ${tone} ${duration}`),
    setTimer: (delay, callback) => void clock.schedule(clock.now() + delay, callback),
  });
  sender.ontonechange = ({ tone }) => log.push(`${clock.now()} '${tone}' ${sender.toneBuffer}`);
  return Object.assign(state, { sender, clock, log });
}

describe('W3C WebRTC §7.2: RTCDTMFSender', () => {
  test('plays tone after tone, and says when all are played', () => {
    const { sender, clock, log } = fixture();
    sender.insertDTMF('1a,', 100, 50);
    expect([sender.toneBuffer, ...log]).toEqual(['1A,']);
    clock.advanceTo(5000);
    expect(log).toEqual(['0 play 1 100', "0 '1' A,", '150 play A 100', "150 'A' ,", "300 ',' ", "2300 '' "]);
  });

  test('new tones replace those that wait; an empty string cancels them', () => {
    const { sender, clock, log } = fixture();
    sender.insertDTMF('12');
    clock.advanceTo(0);
    sender.insertDTMF('3');
    clock.advanceTo(170);
    sender.insertDTMF('');
    clock.advanceTo(1000);
    expect(log.filter((line) => line.includes('play'))).toEqual(['0 play 1 100', '170 play 3 100']);
    expect(log.at(-1)).toBe("340 '' ");
  });

  test('durations are clamped', () => {
    const { sender, clock, log } = fixture();
    sender.insertDTMF('1', 1, 1);
    clock.advanceTo(0);
    sender.insertDTMF('2', 100_000, 100_000);
    clock.advanceTo(70);
    clock.advanceTo(12_069);
    expect(log.filter((line) => line.includes('play'))).toEqual(['0 play 1 40', '70 play 2 6000']);
    expect(clock.pending).toBe(1);
  });

  test('InvalidStateError when nothing can be sent, InvalidCharacterError for other tones, and then nothing changes', () => {
    const dtmf = fixture();
    dtmf.sender.insertDTMF('5');
    expect(() => dtmf.sender.insertDTMF('1x')).toThrow(expect.objectContaining({ name: 'InvalidCharacterError' }));
    dtmf.canSend = false;
    expect(() => dtmf.sender.insertDTMF('1')).toThrow(expect.objectContaining({ name: 'InvalidStateError' }));
    expect([dtmf.sender.toneBuffer, dtmf.sender.canInsertDTMF]).toEqual(['5', false]);
    dtmf.clock.advanceTo(1000);
    expect(dtmf.log).toEqual([]);
  });
});

function fields(packet: Uint8Array): number[] {
  const view = new DataView(packet.buffer);
  return [packet[1]! >> 7, view.getUint32(4), packet[12]!, packet[13]! >> 7, view.getUint16(14)];
}

describe('RFC 4733: telephone events', () => {
  test('§2.5.1: marker first, an update every 50 ms, the end three times, one timestamp', () => {
    const packets = telephoneEventPackets({ tone: '#', duration: 120, clockRate: 8000, timestamp: 1000 });
    expect(packets.map(({ at, packet }) => [at, ...fields(packet)])).toEqual([
      [50, 1, 1000, 11, 0, 400],
      [100, 0, 1000, 11, 0, 800],
      [120, 0, 1000, 11, 1, 960],
      [120, 0, 1000, 11, 1, 960],
      [120, 0, 1000, 11, 1, 960],
    ]);
  });

  test('§2.5.1.3: a long event is cut into segments before its duration overflows', () => {
    const packets = telephoneEventPackets({ tone: 'D', duration: 6000, clockRate: 48_000, timestamp: 0xffff_ff00 });
    const ends = packets.filter(({ packet }) => packet[13]! >> 7 === 1);
    expect(ends).toHaveLength(3);
    let covered = 0;
    let begin = 0xffff_ff00;
    for (const { packet } of packets) {
      const [, timestamp, event, , duration] = fields(packet) as [number, number, number, number, number];
      expect(event).toBe(15);
      covered += timestamp === begin ? 0 : (timestamp - begin) >>> 0;
      begin = timestamp;
      expect(duration).toBeGreaterThan(0);
    }
    expect(covered + fields(packets.at(-1)!.packet)[4]!).toBe(6000 * 48);
  });
});
