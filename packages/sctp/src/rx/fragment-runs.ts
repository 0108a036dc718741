/** Fragments of DATA chunks (RFC 9260 §6.9): those of a message have consecutive TSNs, from one with the B bit to one with the E bit. */
import { addSerial32, compareSerial32 } from '@petrel/bytes';
import { DATA_FLAG } from '../packet/data.ts';

/** Consecutive fragments of one message; all of them when it begins and ends. */
export interface FragmentRun {
  first: number;
  last: number;
  begins: boolean;
  ends: boolean;
  readonly streamId: number;
  readonly unordered: boolean;
  readonly sequence: number;
  readonly ppid: number;
  parts: Uint8Array[];
  bytes: number;
  /** Larger than a message may be: its fragments are counted, and not kept. */
  isTooLarge: boolean;
}

/** What happens to a message that is larger than it may be, and how large that is. */
export interface SizeLimit {
  readonly maxReceivedMessageSize: number;
  readonly onMessageTooLarge: (streamId: number) => void;
}

export class FragmentRuns {
  /** The run that grew last: fragments arrive in order mostly. It is in neither map. */
  #current: FragmentRun | undefined;
  readonly #byFirst = new Map<number, FragmentRun>();
  readonly #byLast = new Map<number, FragmentRun>();
  readonly #limit: SizeLimit;
  #heldBytes = 0;
  #fragments = 0;

  constructor(limit: SizeLimit) {
    this.#limit = limit;
  }

  /** Bytes of fragments that are kept. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get fragments(): number {
    return this.#fragments;
  }

  /** Takes a fragment that was not seen before. @returns the run that it has become a part of; complete ones are no longer kept */
  add(tsn: number, flags: number, streamId: number, sequence: number, ppid: number, data: Uint8Array): FragmentRun {
    const before = addSerial32(tsn, -1);
    let run = this.#current;
    if (run === undefined || run.last !== before) {
      if (run !== undefined) this.#file(run);
      run = this.#byLast.get(before);
      if (run !== undefined) this.#unfile(run);
      this.#current = run;
    }
    if (run !== undefined && continues(run, flags, streamId, sequence)) {
      run.last = tsn;
      run.ends = (flags & DATA_FLAG.end) !== 0;
      run.bytes += data.length;
      if (!run.isTooLarge) run.parts.push(data);
    } else {
      if (run !== undefined) this.#file(run);
      run = {
        first: tsn,
        last: tsn,
        begins: (flags & DATA_FLAG.begin) !== 0,
        ends: (flags & DATA_FLAG.end) !== 0,
        streamId,
        unordered: (flags & DATA_FLAG.unordered) !== 0,
        sequence,
        ppid,
        parts: [data],
        bytes: data.length,
        isTooLarge: false,
      };
      this.#current = run;
    }
    this.#fragments += 1;
    if (!run.isTooLarge) this.#heldBytes += data.length;
    if (!run.ends && this.#byFirst.size > 0) this.#appendFollowing(run);
    if (run.bytes > this.#limit.maxReceivedMessageSize && !run.isTooLarge) {
      this.#throwAway(run);
      this.#limit.onMessageTooLarge(streamId);
    }
    if (run.begins && run.ends) this.#forget(run);
    return run;
  }

  /** Drops the runs that begin at this TSN or before it. */
  dropUpTo(cumulativeTsn: number): void {
    const current = this.#current;
    if (current !== undefined && compareSerial32(current.first, cumulativeTsn) <= 0) this.#forget(current);
    for (const run of this.#byFirst.values()) {
      if (compareSerial32(run.first, cumulativeTsn) > 0) continue;
      this.#unfile(run);
      this.#forget(run);
    }
  }

  #forget(run: FragmentRun): void {
    if (run === this.#current) this.#current = undefined;
    this.#fragments -= compareSerial32(run.last, run.first) + 1;
    if (!run.isTooLarge) this.#heldBytes -= run.bytes;
  }

  #throwAway(run: FragmentRun): void {
    if (run.isTooLarge) return;
    this.#heldBytes -= run.bytes;
    run.isTooLarge = true;
    run.parts = [];
  }

  #appendFollowing(run: FragmentRun): void {
    const next = this.#byFirst.get(addSerial32(run.last, 1));
    if (next === undefined || next.begins || next.streamId !== run.streamId || next.sequence !== run.sequence) return;
    this.#unfile(next);
    run.last = next.last;
    run.ends = next.ends;
    if (next.isTooLarge) this.#throwAway(run);
    else if (run.isTooLarge) this.#throwAway(next);
    run.bytes += next.bytes;
    if (run.isTooLarge) return;
    if (run.parts.length === 1) run.parts = [run.parts[0]!, ...next.parts];
    else for (const part of next.parts) run.parts.push(part);
  }

  #file(run: FragmentRun): void {
    this.#byFirst.set(run.first, run);
    this.#byLast.set(run.last, run);
  }

  #unfile(run: FragmentRun): void {
    this.#byFirst.delete(run.first);
    this.#byLast.delete(run.last);
  }
}

function continues(run: FragmentRun, flags: number, streamId: number, sequence: number): boolean {
  return !run.ends && (flags & DATA_FLAG.begin) === 0 && run.streamId === streamId && run.sequence === sequence;
}
