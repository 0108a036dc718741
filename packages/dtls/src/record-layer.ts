/**
 * The DTLS 1.2 record layer (RFC 6347 §4.1).
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +---------------+-------------------------------+---------------+
 *   |  ContentType  |        ProtocolVersion        |     epoch     |
 *   +---------------+-------------------------------+---------------+
 *   |     epoch     |               sequence_number                 |
 *   +---------------+-----------------------------------------------+
 *   |            sequence_number                    |    length     |
 *   +-----------------------------------------------+---------------+
 *   |    length     |  fragment …
 *   +---------------+
 * ```
 */
import { Arena, readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import type { Discards } from '@petrel/sans-io';
import type { CipherState } from './cipher-state.ts';
import { ReplayWindow } from './replay-window.ts';

export const CONTENT_TYPE = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;
export const RECORD_HEADER_LENGTH = 13;
/** DTLS 1.2 on the wire: the ones' complement of 1.2. */
export const DTLS_1_2 = 0xfefd;
const DTLS_1_0 = 0xfeff;
/** RFC 5246 §6.2.1: a plaintext fragment has at most 2^14 bytes. */
export const MAX_PLAINTEXT_LENGTH = 16_384;
/** Sequence numbers are 48 bits and must not wrap (RFC 6347 §4.1). */
const MAX_SEQUENCE_NUMBER = 2 ** 48 - 1;
/** Records of epoch 1 that overtook the end of the handshake and wait for its keys (RFC 6347 §4.1). */
const MAX_EARLY = { records: 16, bytes: 32_768 };

/** Sealed records leave at once, so connections share the slabs: one of its own would cost each of them 64 KiB. */
const SEALED = new Arena();

export type RecordDiscard = 'truncated-record' | 'bad-version' | 'record-too-long' | 'unknown-epoch' | 'replayed-record' | 'bad-record-mac';

/** A record whose epoch's protection, if it has any, was verified. */
export interface PlaintextRecord {
  readonly type: number;
  readonly epoch: number;
  readonly sequenceNumber: number;
  readonly fragment: Uint8Array;
}

interface ReadEpoch {
  readonly cipher: CipherState | undefined;
  /** Absent in epoch 0: anyone could fill it. There, message_seq finds the duplicates. */
  readonly window: ReplayWindow | undefined;
}

export class RecordLayer {
  readonly #discards: Discards<RecordDiscard>;
  /** Epoch 0 and, after the ChangeCipherSpec, epoch 1; there is no renegotiation, so there are no more. */
  readonly #readEpochs: ReadEpoch[] = [{ cipher: undefined, window: undefined }];
  readonly #writeCiphers: (CipherState | undefined)[] = [undefined];
  readonly #nextSequenceNumbers: number[] = [0, 0];
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #writeEpoch: 0 | 1 = 0;

  constructor(discards: Discards<RecordDiscard>) {
    this.#discards = discards;
  }

  /** Keys of epoch 1. Reading becomes possible at once: who knows the keys may use them. */
  setKeys(write: CipherState, read: CipherState): void {
    this.#writeCiphers[1] = write;
    this.#readEpochs[1] = { cipher: read, window: new ReplayWindow() };
  }

  /** The epoch that is in force for sending: 1 since the first record of epoch 1. */
  get writeEpoch(): 0 | 1 {
    return this.#writeEpoch;
  }

  /** The number of the first record of epoch 0, when a stateless cookie exchange came before (RFC 6347 §4.2.1). */
  startAt(sequenceNumber: number): void {
    this.#nextSequenceNumbers[0] = sequenceNumber;
  }

  /** The records that came before the keys did, once these are there; each is a datagram of one record. */
  takeEarly(): readonly Uint8Array[] {
    if (this.#early.length === 0 || this.#readEpochs.length === 1) return NONE;
    const early = this.#early;
    this.dropEarly();
    return early;
  }

  dropEarly(): void {
    this.#early = [];
    this.#earlyBytes = 0;
  }

  /** Bytes that a record of this epoch is longer than its content. */
  overhead(epoch: number): number {
    return RECORD_HEADER_LENGTH + (this.#writeCiphers[epoch]?.overhead ?? 0);
  }

  /** The number that the next record of the epoch will have. */
  nextSequenceNumber(epoch: number): number {
    return this.#nextSequenceNumbers[epoch]!;
  }

  /** A whole record in a buffer of its own. */
  seal(type: number, epoch: 0 | 1, content: Uint8Array): Uint8Array {
    const record = SEALED.allocate(content.length + this.overhead(epoch));
    this.sealInto(type, epoch, content, record, 0);
    return record;
  }

  /** Writes a record at `offset` and returns its length. */
  sealInto(type: number, epoch: 0 | 1, content: Uint8Array, output: Uint8Array, offset: number): number {
    const sequenceNumber = this.#nextSequenceNumbers[epoch]!;
    if (sequenceNumber > MAX_SEQUENCE_NUMBER)
      throw new RangeError('the DTLS connection has used up its sequence numbers: close it and connect again');
    this.#nextSequenceNumbers[epoch] = sequenceNumber + 1;
    if (epoch > this.#writeEpoch) this.#writeEpoch = epoch;
    const cipher = this.#writeCiphers[epoch];
    const length = content.length + (cipher?.overhead ?? 0);
    output[offset] = type;
    writeUint16(output, offset + 1, DTLS_1_2);
    writeUint16(output, offset + 3, epoch);
    writeUint16(output, offset + 5, Math.floor(sequenceNumber / 0x1_0000_0000));
    writeUint32(output, offset + 7, sequenceNumber >>> 0);
    writeUint16(output, offset + 11, length);
    if (cipher) cipher.seal(type, epoch, sequenceNumber, content, output, offset + RECORD_HEADER_LENGTH);
    else output.set(content, offset + RECORD_HEADER_LENGTH);
    return RECORD_HEADER_LENGTH + length;
  }

  /**
   * Verifies and decrypts the record at `offset` of a datagram, and hands it to `receive` if it is good. A bad record does not spoil the rest
   * of its datagram (RFC 6347 §4.1.2.7): it is counted and skipped.
   * @returns the offset of the next record; the datagram's length when there is none
   */
  open(datagram: Uint8Array, offset: number, receive: (record: PlaintextRecord) => void): number {
    const body = offset + RECORD_HEADER_LENGTH;
    const end = body <= datagram.length ? body + readUint16(datagram, offset + 11) : body;
    if (end > datagram.length) {
      this.#discards.count('truncated-record');
      return datagram.length;
    }
    const record = this.#verify(datagram, offset, end);
    if (typeof record !== 'string') receive(record);
    else if (record !== 'unknown-epoch' || !this.#keepEarly(datagram, offset, end)) this.#discards.count(record);
    return end;
  }

  #verify(datagram: Uint8Array, offset: number, end: number): PlaintextRecord | RecordDiscard {
    const version = readUint16(datagram, offset + 1);
    const epochNumber = readUint16(datagram, offset + 3);
    // A first ClientHello, and a HelloVerifyRequest, may say 1.0 (RFC 6347 §4.2.1).
    if (version !== DTLS_1_2 && (version !== DTLS_1_0 || epochNumber !== 0)) return 'bad-version';
    const epoch = this.#readEpochs[epochNumber];
    if (epoch === undefined) return 'unknown-epoch';
    const sequenceNumber = readUint16(datagram, offset + 5) * 0x1_0000_0000 + readUint32(datagram, offset + 7);
    if (epoch.window?.isFresh(sequenceNumber) === false) return 'replayed-record';
    const type = datagram[offset]!;
    const start = offset + RECORD_HEADER_LENGTH;
    const { cipher } = epoch;
    const fragment = cipher ? cipher.open(type, epochNumber, sequenceNumber, datagram, start, end) : datagram.subarray(start, end);
    if (fragment === undefined) return 'bad-record-mac';
    if (fragment.length > MAX_PLAINTEXT_LENGTH) return 'record-too-long';
    epoch.window?.accept(sequenceNumber);
    return { type, epoch: epochNumber, sequenceNumber, fragment };
  }

  /** Only while there are no keys; afterwards an unknown epoch is none of ours. */
  #keepEarly(datagram: Uint8Array, offset: number, end: number): boolean {
    if (this.#readEpochs.length > 1 || readUint16(datagram, offset + 3) !== 1) return false;
    if (this.#early.length >= MAX_EARLY.records || this.#earlyBytes + end - offset > MAX_EARLY.bytes) return false;
    this.#early.push(datagram.slice(offset, end));
    this.#earlyBytes += end - offset;
    return true;
  }
}

const NONE: readonly Uint8Array[] = [];
