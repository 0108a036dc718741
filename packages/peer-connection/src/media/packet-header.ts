/** The header extension block that a stream's packets get: mostly the same bytes each time (RFC 8285). */
import {
  EXTENSION_URI,
  encodeTextExtension,
  extensionBlockLength,
  findExtension,
  type HeaderExtension,
  ONE_BYTE_PROFILE,
  TWO_BYTE_PROFILE,
  writeAbsSendTime,
  writeExtensions,
} from '@petrel/rtp';
import { readUint16, writeUint16 } from '@petrel/bytes';
import type { RtpHeaderExtension } from './rtp-parameters.ts';

export function extensionId(extensions: readonly RtpHeaderExtension[], uri: string): number {
  return extensions.find((extension) => extension.uri === uri)?.id ?? 0;
}

/** What identifies the stream, and which values change with each packet. */
export interface HeaderTemplateOptions {
  readonly extensions: readonly RtpHeaderExtension[];
  readonly mid: string | undefined;
  readonly rid: string | undefined;
  /** The RID goes into repaired-rtp-stream-id: this is an RTX stream (RFC 8852 §3.2). */
  readonly repair: boolean;
}

/** A block with the stream's own elements, ready to be copied. */
export class HeaderTemplate {
  readonly length: number;
  readonly #elements: readonly HeaderExtension[];
  readonly #block: Uint8Array;
  readonly #absSendTimeId: number;
  readonly #transportSequenceId: number;
  /** Where the changing values are, from the block's start; -1 without. */
  readonly #absSendTimeOffset: number;
  readonly #transportSequenceOffset: number;

  constructor({ extensions, mid, rid, repair }: HeaderTemplateOptions) {
    this.#absSendTimeId = extensionId(extensions, EXTENSION_URI.absSendTime);
    this.#transportSequenceId = extensionId(extensions, EXTENSION_URI.transportSequenceNumber);
    const elements: HeaderExtension[] = [];
    const add = (id: number, data: Uint8Array | undefined): void => void (id > 0 && data !== undefined && elements.push({ id, data }));
    add(extensionId(extensions, EXTENSION_URI.mid), mid === undefined ? undefined : encodeTextExtension(mid));
    const ridUri = repair ? EXTENSION_URI.repairedRid : EXTENSION_URI.rid;
    add(extensionId(extensions, ridUri), rid === undefined ? undefined : encodeTextExtension(rid));
    add(this.#absSendTimeId, new Uint8Array(3));
    add(this.#transportSequenceId, new Uint8Array(2));
    this.#elements = elements;
    this.length = extensionBlockLength(elements);
    this.#block = new Uint8Array(this.length);
    if (elements.length > 0) writeExtensions(this.#block, 0, elements);
    this.#absSendTimeOffset = findInBlock(this.#block, this.#absSendTimeId);
    this.#transportSequenceOffset = findInBlock(this.#block, this.#transportSequenceId);
  }

  get hasTransportSequenceNumber(): boolean {
    return this.#transportSequenceOffset >= 0;
  }

  /** Length of the block with more elements in it. */
  lengthWith(more: readonly HeaderExtension[]): number {
    return more.length === 0 ? this.length : extensionBlockLength([...this.#elements, ...more]);
  }

  /** Writes the block at `offset`; returns the offset behind it. */
  write(bytes: Uint8Array, offset: number, more: readonly HeaderExtension[], wallClock: number, transportSequenceNumber: number): number {
    if (more.length > 0) return this.#writeWith(bytes, offset, more, wallClock, transportSequenceNumber);
    bytes.set(this.#block, offset);
    this.#setValues(bytes, offset, this.#absSendTimeOffset, this.#transportSequenceOffset, wallClock, transportSequenceNumber);
    return offset + this.length;
  }

  #writeWith(bytes: Uint8Array, offset: number, more: readonly HeaderExtension[], wallClock: number, sequenceNumber: number): number {
    const end = writeExtensions(bytes, offset, [...this.#elements, ...more]);
    const block = bytes.subarray(offset, end);
    const [absSendTime, transportSequence] = [findInBlock(block, this.#absSendTimeId), findInBlock(block, this.#transportSequenceId)];
    this.#setValues(bytes, offset, absSendTime, transportSequence, wallClock, sequenceNumber);
    return end;
  }

  #setValues(bytes: Uint8Array, offset: number, absSendTime: number, transportSequence: number, wallClock: number, sequenceNumber: number) {
    if (absSendTime >= 0) writeAbsSendTime(bytes, offset + absSendTime, wallClock);
    if (transportSequence >= 0) writeUint16(bytes, offset + transportSequence, sequenceNumber);
  }
}

function findInBlock(block: Uint8Array, id: number): number {
  if (id === 0 || block.length === 0) return -1;
  const profile = readUint16(block, 0) === ONE_BYTE_PROFILE ? ONE_BYTE_PROFILE : TWO_BYTE_PROFILE;
  return findExtension(block, profile, 4, block.length, id);
}
