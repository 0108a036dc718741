/** The contents of the header extensions that the stack reads or writes. */
import { decodeUtf8, encodeUtf8, readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';

/** 24 bits of seconds in 6.18 fixed point, wrapping every 64 s (abs-send-time of libwebrtc). */
export function encodeAbsSendTime(milliseconds: number): Uint8Array {
  const data = new Uint8Array(3);
  writeAbsSendTime(data, 0, milliseconds);
  return data;
}

/** Three bytes in place; see {@link encodeAbsSendTime}. */
export function writeAbsSendTime(bytes: Uint8Array, offset: number, milliseconds: number): void {
  const fixed = Math.floor((milliseconds % 64_000) * 262.144);
  bytes[offset] = fixed >>> 16;
  bytes[offset + 1] = fixed >>> 8;
  bytes[offset + 2] = fixed;
}

/** Milliseconds, modulo 64,000. */
export function decodeAbsSendTime(data: Uint8Array): number | undefined {
  return data.length === 3 ? ((data[0]! << 16) | (data[1]! << 8) | data[2]!) / 262.144 : undefined;
}

/** draft-holmer-rmcat-transport-wide-cc-extensions-01 §2. */
export function encodeTransportSequenceNumber(sequenceNumber: number): Uint8Array {
  const data = new Uint8Array(2);
  writeUint16(data, 0, sequenceNumber);
  return data;
}

/** Undefined when it is too short. */
export function decodeTransportSequenceNumber(data: Uint8Array): number | undefined {
  return data.length >= 2 ? readUint16(data, 0) : undefined;
}

/** RFC 6464 §3. */
export interface AudioLevel {
  /** The client's voice activity flag. */
  readonly voice: boolean;
  /** -dBov, 0 (loudest) to 127 (silence). */
  readonly level: number;
}

/** RFC 6464 §3. */
export function encodeAudioLevel({ voice, level }: AudioLevel): Uint8Array {
  return Uint8Array.of((voice ? 0x80 : 0) | (level & 0x7f));
}

/** Undefined when it is empty. */
export function decodeAudioLevel(data: Uint8Array): AudioLevel | undefined {
  return data.length >= 1 ? { voice: data[0]! >= 0x80, level: data[0]! & 0x7f } : undefined;
}

/** 3GPP TS 26.114 §7.4.5: how the camera was held. */
export interface VideoOrientation {
  readonly backFacing: boolean;
  readonly flip: boolean;
  /** Clockwise degrees that the receiver has to turn the picture by. */
  readonly rotation: 0 | 90 | 180 | 270;
}

/** 3GPP TS 26.114 §7.4.5. */
export function encodeVideoOrientation({ backFacing, flip, rotation }: VideoOrientation): Uint8Array {
  return Uint8Array.of((backFacing ? 8 : 0) | (flip ? 4 : 0) | (rotation / 90));
}

/** Undefined when it is empty. */
export function decodeVideoOrientation(data: Uint8Array): VideoOrientation | undefined {
  if (data.length < 1) return undefined;
  const bits = data[0]!;
  return { backFacing: (bits & 8) !== 0, flip: (bits & 4) !== 0, rotation: ((bits & 3) * 90) as VideoOrientation['rotation'] };
}

/** When a frame was captured (abs-capture-time of libwebrtc). */
export interface AbsCaptureTime {
  /** NTP timestamp in 32.32 fixed point, of the capturer's clock. */
  readonly captureTime: bigint;
  /** What to add for the sender's clock, in signed 32.32 fixed point. */
  readonly clockOffset?: bigint;
}

/** abs-capture-time of libwebrtc: 8 bytes, or 16 with the offset. */
export function encodeAbsCaptureTime({ captureTime, clockOffset }: AbsCaptureTime): Uint8Array {
  const data = new Uint8Array(clockOffset === undefined ? 8 : 16);
  writeUint64(data, 0, captureTime);
  if (clockOffset !== undefined) writeUint64(data, 8, BigInt.asUintN(64, clockOffset));
  return data;
}

/** Undefined when it is too short. */
export function decodeAbsCaptureTime(data: Uint8Array): AbsCaptureTime | undefined {
  if (data.length < 8) return undefined;
  const captureTime = readUint64(data, 0);
  return data.length < 16 ? { captureTime } : { captureTime, clockOffset: BigInt.asIntN(64, readUint64(data, 8)) };
}

/** MID, RID, repaired RID: UTF-8 text without a terminator (RFC 7941 §4.1). */
export function encodeTextExtension(text: string): Uint8Array {
  return encodeUtf8(text);
}

/** Malformed sequences become U+FFFD. */
export function decodeTextExtension(data: Uint8Array): string {
  return decodeUtf8(data);
}

function readUint64(bytes: Uint8Array, offset: number): bigint {
  return (BigInt(readUint32(bytes, offset)) << 32n) | BigInt(readUint32(bytes, offset + 4));
}

function writeUint64(bytes: Uint8Array, offset: number, value: bigint): void {
  writeUint32(bytes, offset, Number(value >> 32n));
  writeUint32(bytes, offset + 4, Number(value & 0xffff_ffffn));
}
