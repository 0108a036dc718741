/** Stream reconfiguration (RFC 6525): resetting outgoing streams, and answering the peer's resets. One request is outstanding at a time (§5.1.1). */
import { addSerial32, compareSerial32 } from '@petrel/bytes';
import { decodeReConfig, encodeOutgoingReset, encodeResetResponse, type OutgoingResetRequest, RESET_RESULT } from './packet/re-config.ts';

/** Stream ids per request, so that it fits in a packet. */
const MAX_STREAMS_PER_REQUEST = 256;
/** Answers "In progress" to one request, after which it is made anew. */
const MAX_TIMES_IN_PROGRESS = 3;

export interface StreamResetActions {
  /** All that was sent on the streams has its TSN. */
  isIdle(streamId: number): boolean;
  lastAssignedTsn(): number;
  send(parameters: Uint8Array): void;
  onOutgoingReset(streamIds: readonly number[], performed: boolean): void;
  onIncomingReset(streamIds: readonly number[]): void;
  /** What comes on these streams beyond the TSN waits until the reset. */
  onDeferred(lastTsn: number, streamIds: readonly number[]): void;
  /** What was deferred had been done already. */
  onRepetition(): void;
}

export class StreamReset {
  readonly #actions: StreamResetActions;
  readonly #inboundStreams: number;
  /** Our next request's number (§4.1): begins with our initial TSN. */
  #nextRequest: number;
  /** The peer's next request's number. */
  #expectedRequest: number;
  readonly #wanted = new Set<number>();
  #outstanding:
    | { readonly sequence: number; readonly lastTsn: number; readonly streamIds: readonly number[]; timesInProgress: number }
    | undefined;
  #lastResult: number = RESET_RESULT.nothingToDo;
  #deferred: OutgoingResetRequest | undefined;
  /** A deferred request that was performed meanwhile. Some peers ask again under a new number instead of waiting for the second answer. */
  #answeredLate: ReadonlySet<number> | undefined;

  constructor(localInitialTsn: number, remoteInitialTsn: number, inboundStreams: number, actions: StreamResetActions) {
    this.#nextRequest = localInitialTsn;
    this.#expectedRequest = remoteInitialTsn;
    this.#inboundStreams = inboundStreams;
    this.#actions = actions;
  }

  get isOutstanding(): boolean {
    return this.#outstanding !== undefined;
  }

  reset(streamIds: readonly number[]): void {
    for (const id of streamIds) this.#wanted.add(id);
  }

  /** Sends a request for the streams that have nothing left to send (§5.1.2). @returns whether one was sent */
  sendPending(): boolean {
    if (this.#outstanding !== undefined || this.#wanted.size === 0) return false;
    const streamIds: number[] = [];
    for (const id of this.#wanted) {
      if (streamIds.length === MAX_STREAMS_PER_REQUEST) break;
      if (this.#actions.isIdle(id)) streamIds.push(id);
    }
    if (streamIds.length === 0) return false;
    for (const id of streamIds) this.#wanted.delete(id);
    this.#outstanding = { sequence: this.#nextRequest, lastTsn: this.#actions.lastAssignedTsn(), streamIds, timesInProgress: 0 };
    this.#nextRequest = addSerial32(this.#nextRequest, 1);
    this.#sendRequest();
    return true;
  }

  /** The timer has fired. @returns whether that counts as an error: not after "In progress" (§5.2.7 H2) */
  retransmit(): boolean {
    const outstanding = this.#outstanding;
    if (outstanding === undefined) return false;
    const { timesInProgress } = outstanding;
    // Some peers repeat their first answer to a number for ever, and want to be asked again under a new one.
    if (timesInProgress >= MAX_TIMES_IN_PROGRESS) {
      this.#outstanding = { ...outstanding, sequence: this.#nextRequest, timesInProgress: 0 };
      this.#nextRequest = addSerial32(this.#nextRequest, 1);
    }
    this.#sendRequest();
    return timesInProgress === 0;
  }

  #sendRequest(): void {
    if (this.#outstanding)
      this.#actions.send(encodeOutgoingReset({ ...this.#outstanding, responseSequence: addSerial32(this.#expectedRequest, -1) }));
  }

  /** @returns whether the outstanding request got its answer; undefined when the chunk is malformed */
  receive(value: Uint8Array, cumulativeTsn: number): boolean | undefined {
    const parameters = decodeReConfig(value);
    if (parameters === undefined) return undefined;
    let answered = false;
    for (const parameter of parameters) {
      if (parameter.type === 'response') answered = this.#onResponse(parameter.sequence, parameter.result) || answered;
      else this.#onRequest(parameter.sequence, parameter.type === 'outgoing-reset' ? parameter : undefined, cumulativeTsn);
    }
    return answered;
  }

  /** Data has come on a stream: a request for it is a new one. */
  onData(streamId: number): void {
    if (this.#answeredLate?.has(streamId)) this.#answeredLate = undefined;
  }

  /** Whether {@link onData} wants to know. */
  get awaitsRepetition(): boolean {
    return this.#answeredLate !== undefined;
  }

  /** The cumulative TSN has moved: a deferred request may have become due (§5.2.2 E3). */
  onCumulativeTsn(cumulativeTsn: number): void {
    if (this.#deferred === undefined || compareSerial32(this.#deferred.lastTsn, cumulativeTsn) > 0) return;
    const request = this.#deferred;
    this.#deferred = undefined;
    this.#perform(request);
    this.#answeredLate = new Set(request.streamIds);
  }

  /** A request that is not for a reset of outgoing streams is denied: nothing in WebRTC uses the others. */
  #onRequest(sequence: number, request: OutgoingResetRequest | undefined, cumulativeTsn: number): void {
    const age = compareSerial32(sequence, this.#expectedRequest);
    if (age === -1) return this.#respond(sequence, this.#lastResult); // a repetition (§5.2.1)
    if (age !== 0) return this.#actions.send(encodeResetResponse(sequence, RESET_RESULT.badSequenceNumber));
    this.#expectedRequest = addSerial32(sequence, 1);
    if (request === undefined) return this.#respond(sequence, RESET_RESULT.denied);
    if (request.streamIds.some((id) => id >= this.#inboundStreams)) return this.#respond(sequence, RESET_RESULT.wrongStream);
    if (compareSerial32(request.lastTsn, cumulativeTsn) <= 0) return this.#perform(request);
    this.#deferred = request;
    this.#actions.onDeferred(request.lastTsn, request.streamIds);
    this.#respond(sequence, RESET_RESULT.inProgress);
  }

  #perform(request: OutgoingResetRequest): void {
    const isRepetition = this.#answeredLate !== undefined && isSame(this.#answeredLate, request.streamIds);
    this.#answeredLate = undefined;
    this.#respond(request.sequence, RESET_RESULT.performed);
    if (isRepetition) this.#actions.onRepetition();
    else this.#actions.onIncomingReset(request.streamIds);
  }

  #respond(sequence: number, result: number): void {
    this.#lastResult = result;
    this.#actions.send(encodeResetResponse(sequence, result));
  }

  #onResponse(sequence: number, result: number): boolean {
    const outstanding = this.#outstanding;
    if (outstanding === undefined || sequence !== outstanding.sequence) return false;
    if (result === RESET_RESULT.inProgress) {
      outstanding.timesInProgress += 1;
      return false;
    }
    this.#outstanding = undefined;
    this.#actions.onOutgoingReset(outstanding.streamIds, result === RESET_RESULT.performed || result === RESET_RESULT.nothingToDo);
    return true;
  }
}

function isSame(ids: ReadonlySet<number>, others: readonly number[]): boolean {
  return ids.size === others.length && others.every((id) => ids.has(id));
}
