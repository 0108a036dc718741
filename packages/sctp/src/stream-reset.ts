/** Stream reconfiguration (RFC 6525): resetting outgoing streams, and answering the peer's resets. One request is outstanding at a time (§5.1.1). */
import { addSerial32, compareSerial32 } from '@petrel/bytes';
import { decodeReConfig, encodeOutgoingReset, encodeResetResponse, type OutgoingResetRequest, RESET_RESULT } from './packet/re-config.ts';

/** Stream ids per request, so that it fits in a packet. */
const MAX_STREAMS_PER_REQUEST = 256;

export interface StreamResetActions {
  /** All that was sent on the streams is acknowledged or in flight; nothing is waiting. */
  isIdle(streamId: number): boolean;
  lastAssignedTsn(): number;
  send(parameter: Uint8Array): void;
  onOutgoingReset(streamIds: readonly number[], performed: boolean): void;
  onIncomingReset(streamIds: readonly number[]): void;
}

export class StreamReset {
  readonly #actions: StreamResetActions;
  /** Our next request's number (§4.1): begins with our initial TSN. */
  #nextRequest: number;
  /** The peer's next request's number. */
  #expectedRequest: number;
  readonly #wanted = new Set<number>();
  #outstanding: { readonly sequence: number; readonly lastTsn: number; readonly streamIds: readonly number[] } | undefined;
  #lastResponse: number = RESET_RESULT.nothingToDo;
  #deferred: OutgoingResetRequest | undefined;

  constructor(localInitialTsn: number, remoteInitialTsn: number, actions: StreamResetActions) {
    this.#nextRequest = localInitialTsn;
    this.#expectedRequest = remoteInitialTsn;
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
    const streamIds = [...this.#wanted].filter((id) => this.#actions.isIdle(id)).slice(0, MAX_STREAMS_PER_REQUEST);
    if (streamIds.length === 0) return false;
    for (const id of streamIds) this.#wanted.delete(id);
    this.#outstanding = { sequence: this.#nextRequest, lastTsn: this.#actions.lastAssignedTsn(), streamIds };
    this.#nextRequest = addSerial32(this.#nextRequest, 1);
    this.retransmit();
    return true;
  }

  retransmit(): void {
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
      else if (parameter.type === 'outgoing-reset') this.#onRequest(parameter, cumulativeTsn);
      else this.#respond(parameter.sequence, RESET_RESULT.denied);
    }
    return answered;
  }

  /** The cumulative TSN has moved: a deferred request may have become due (§5.2.2 E3). */
  onCumulativeTsn(cumulativeTsn: number): void {
    if (this.#deferred === undefined || compareSerial32(this.#deferred.lastTsn, cumulativeTsn) > 0) return;
    const request = this.#deferred;
    this.#deferred = undefined;
    this.#perform(request);
  }

  #onRequest(request: OutgoingResetRequest, cumulativeTsn: number): void {
    const age = compareSerial32(request.sequence, this.#expectedRequest);
    if (age === -1) return this.#actions.send(encodeResetResponse(request.sequence, this.#lastResponse)); // a repetition (§5.2.1)
    if (age !== 0) return this.#actions.send(encodeResetResponse(request.sequence, RESET_RESULT.badSequenceNumber));
    if (compareSerial32(request.lastTsn, cumulativeTsn) <= 0) return this.#perform(request);
    this.#deferred = request;
    this.#respond(request.sequence, RESET_RESULT.inProgress);
  }

  #perform(request: OutgoingResetRequest): void {
    this.#actions.onIncomingReset(request.streamIds);
    this.#respond(request.sequence, RESET_RESULT.performed);
  }

  #respond(sequence: number, result: number): void {
    this.#lastResponse = result;
    this.#expectedRequest = addSerial32(sequence, 1);
    this.#actions.send(encodeResetResponse(sequence, result));
  }

  #onResponse(sequence: number, result: number): boolean {
    const outstanding = this.#outstanding;
    if (outstanding === undefined || sequence !== outstanding.sequence || result === RESET_RESULT.inProgress) return false;
    this.#outstanding = undefined;
    this.#actions.onOutgoingReset(outstanding.streamIds, result === RESET_RESULT.performed || result === RESET_RESULT.nothingToDo);
    return true;
  }
}
