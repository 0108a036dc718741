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
import { readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
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

export type RecordDiscard = 'truncated-record' | 'bad-version' | 'record-too-long' | 'unknown-epoch' | 'replayed-record' | 'bad-record-mac';

/** A record whose epoch's protection, if it has any, was verified. */
export interface PlaintextRecord {
  readonly type: number;
  readonly epoch: number;
  readonly sequenceNumber: number;
  readonly fragment: Uint8Array;
}

interface ReadEpoch {
  readonly epoch: number;
  readonly cipher: CipherState | undefined;
  /** Absent in epoch 0: anyone could fill it. There, message_seq finds the duplicates. */
  readonly window: ReplayWindow | undefined;
}

export class RecordLayer {
  readonly #discards: Discards<RecordDiscard>;
  /** Epoch 0 and, after the ChangeCipherSpec, epoch 1; there is no renegotiation, so there are no more. */
  readonly #readEpochs: ReadEpoch[] = [{ epoch: 0, cipher: undefined, window: undefined }];
  readonly #writeCiphers: (CipherState | undefined)[] = [undefined];
  readonly #nextSequenceNumbers: number[] = [0, 0];

  constructor(discards: Discards<RecordDiscard>) {
    this.#discards = discards;
  }

  /** Keys of epoch 1. Reading becomes possible at once: who knows the keys may use them. */
  setKeys(write: CipherState, read: CipherState): void {
    this.#writeCiphers[1] = write;
    this.#readEpochs[1] = { epoch: 1, cipher: read, window: new ReplayWindow() };
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
  seal(type: number, epoch: number, content: Uint8Array): Uint8Array {
    const record = new Uint8Array(content.length + this.overhead(epoch));
    this.sealInto(type, epoch, content, record, 0);
    return record;
  }

  /** Writes a record at `offset` and returns its length. */
  sealInto(type: number, epoch: number, content: Uint8Array, output: Uint8Array, offset: number): number {
    const sequenceNumber = this.#nextSequenceNumbers[epoch]!;
    if (sequenceNumber > MAX_SEQUENCE_NUMBER)
      throw new RangeError('the DTLS connection has used up its sequence numbers: close it and connect again');
    this.#nextSequenceNumbers[epoch] = sequenceNumber + 1;
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
    if (typeof record === 'string') this.#discards.count(record);
    else receive(record);
    return end;
  }

  #verify(datagram: Uint8Array, offset: number, end: number): PlaintextRecord | RecordDiscard {
    const version = readUint16(datagram, offset + 1);
    // A first ClientHello may say 1.0 (RFC 6347 §4.2.1).
    if (version !== DTLS_1_2 && version !== DTLS_1_0) return 'bad-version';
    const epoch = this.#readEpochs[readUint16(datagram, offset + 3)];
    if (epoch === undefined) return 'unknown-epoch';
    const sequenceNumber = readUint16(datagram, offset + 5) * 0x1_0000_0000 + readUint32(datagram, offset + 7);
    if (epoch.window?.isFresh(sequenceNumber) === false) return 'replayed-record';
    const type = datagram[offset]!;
    const sealed = datagram.subarray(offset + RECORD_HEADER_LENGTH, end);
    const fragment = epoch.cipher === undefined ? sealed : epoch.cipher.open(type, epoch.epoch, sequenceNumber, sealed);
    if (fragment === undefined) return 'bad-record-mac';
    if (fragment.length > MAX_PLAINTEXT_LENGTH) return 'record-too-long';
    epoch.window?.accept(sequenceNumber);
    return { type, epoch: epoch.epoch, sequenceNumber, fragment };
  }
}
