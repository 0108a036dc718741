/**
 * DTMF tones as RTP packets (RFC 4733).
 *
 * ```
 *     0                   1                   2                   3
 *     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |     event     |E|R| volume    |          duration             |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+     (§2.3)
 * ```
 */
export interface TelephoneEvent {
  /** One of 0-9, *, #, A-D. */
  readonly tone: string;
  /** Milliseconds. */
  readonly duration: number;
  readonly clockRate: number;
  /** RTP timestamp of the tone's beginning; all packets of a segment carry it. */
  readonly timestamp: number;
}

export interface TimedPacket {
  /** Milliseconds after the tone's beginning. */
  readonly at: number;
  readonly packet: Uint8Array;
}

/** §3.2, table 3: in the order of the event codes. */
const TONES = '0123456789*#ABCD';
/** §2.5.1.2: an update at least every 50 ms. */
const INTERVAL = 50;
/** §2.5.1.4: the last packet is sent three times. */
const END_COPIES = 3;
/** dBm0 below the reference, §2.3.4; what most telephones send. */
const VOLUME = 10;
/** The field has 16 bits. */
const MAX_DURATION = 0xffff;

/** The packets of one tone, and when to send them. SSRC, payload type and sequence number are the sender's to fill in. */
export function telephoneEventPackets(event: TelephoneEvent): TimedPacket[] {
  const { tone, duration, clockRate, timestamp } = event;
  const code = TONES.indexOf(tone);
  const packets: TimedPacket[] = [];
  let begin = 0;
  const at = (time: number): number => Math.round((time * clockRate) / 1000);
  const add = (time: number, isEnd: boolean): void => {
    const packet = encode(code, at(time) - begin, (timestamp + begin) >>> 0, isEnd);
    if (packets.length === 0) packet[1]! |= 0x80; // §2.1: the marker begins an event
    packets.push({ at: time, packet });
  };
  for (let time = INTERVAL; time < duration; time += INTERVAL) {
    add(time, false);
    // §2.5.1.3: a long event goes on in a new segment before the field overflows.
    if (at(time + INTERVAL) - begin > MAX_DURATION) begin = at(time);
  }
  for (let copy = 0; copy < END_COPIES; copy++) add(duration, true);
  return packets;
}

function encode(code: number, duration: number, timestamp: number, isEnd: boolean): Uint8Array {
  const packet = new Uint8Array(16);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  view.setUint32(4, timestamp);
  packet[12] = code;
  packet[13] = (isEnd ? 0x80 : 0) | VOLUME;
  view.setUint16(14, duration);
  return packet;
}
