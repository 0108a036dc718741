/** "Close the connection" (W3C WebRTC §4.4.2), and what is around it: the shutdown that waits, and the report. */
import { openConnections } from './open-connections.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { stopTransceiver } from './rtc-rtp-transceiver.ts';
import { type RTCSctpTransport, sctpTransportSlots } from './rtc-sctp-transport.ts';
import { CLOSE_SEQUENCE, type CloseMessage, type CloseOptions, type CloseReport } from './shutdown-sequencer.ts';
import * as webidl from './webidl.ts';

/** The argument of `shutdown`: the drain, and then what `close` takes. */
export interface ShutdownOptions extends CloseOptions {
  /** Milliseconds that the data channels have until everything is sent and acknowledged. Default 5,000. */
  readonly drain?: number;
}

const DEFAULT_DRAIN = 5000;
/** How often is looked whether everything has been acknowledged; milliseconds. */
const DRAIN_INTERVAL = 10;

/** Nothing was ever sent. */
const NOTHING_TO_CLOSE: CloseReport = { by: 'local', reason: '', heard: 'nothing', sent: [], flights: 0, durationMs: 0 };

/** @throws TypeError for a negative time, or a sequence that repeats a message or has one that is none */
export const toCloseOptions: webidl.Converter<CloseOptions> = webidl.dictionary<CloseOptions>('CloseOptions', {
  linger: { convert: milliseconds },
  reason: { convert: webidl.usvString },
  sequence: { convert: closeSequence },
});

export const toShutdownOptions: webidl.Converter<ShutdownOptions> = webidl.dictionary<ShutdownOptions, CloseOptions>(
  'ShutdownOptions',
  { drain: { convert: milliseconds } },
  toCloseOptions,
);

function milliseconds(value: unknown, context: string): number {
  const number = webidl.double(value, context);
  if (number < 0) throw new TypeError(`${context}: ${number} milliseconds are negative`);
  return number;
}

function closeSequence(value: unknown, context: string): CloseMessage[] {
  const messages = webidl.sequence(webidl.enumeration<CloseMessage>('CloseMessage', CLOSE_SEQUENCE))(value, context);
  if (new Set(messages).size < messages.length) throw new TypeError(`${context}: a message is named twice`);
  return messages;
}

export function closeConnection(slots: PeerConnectionSlots, options: CloseOptions): void {
  // 1. - 3. No event tells of it.
  if (slots.isClosed) return;
  slots.isClosed = true;
  slots.signalingState = 'closed';
  openConnections.delete(slots.object);
  const transports = [...slots.allTransports].filter(({ isClosed }) => !isClosed);
  // 5. Channels, without events. 6. - 9. BYE, ABORT, close_notify, ICE: the sequencer's work; the states change now.
  slots.channels.closeAll();
  if (slots.sctp !== null) closeSctp(slots, slots.sctp.object);
  const reports = transports.map((transport) => transport.close(options));
  // 4. Tracks of receivers end, and their events come in a task. The BYE has left already.
  for (const transceiver of slots.transceivers) if (!transceiver.stopped) stopTransceiver(transceiver);
  // 10. 11.
  slots.iceConnectionState = 'closed';
  slots.connectionState = 'closed';
  const { reason = '' } = options;
  if (reports.length === 0) slots.resolveClosed({ ...NOTHING_TO_CLOSE, reason });
  else void Promise.all(reports).then((all) => slots.resolveClosed(mergeReports(all)));
}

/** The report of a connection with several transports: nothing is claimed that is not true of all of them that were connected. */
function mergeReports(all: readonly CloseReport[]): CloseReport {
  const met = all.filter(({ by, sent }) => by !== 'local' || sent.length > 0);
  const reports = met.length > 0 ? met : all;
  if (reports.length === 1) return reports[0]!;
  const by = (['remote', 'local', 'lost'] as const).find((one) => reports.some((report) => report.by === one))!;
  const heard = (['nothing', 'quiet', 'fatal-alert', 'close_notify'] as const).find((one) =>
    reports.some((report) => report.heard === one),
  )!;
  return {
    by,
    reason: reports.find((report) => report.by === by)!.reason,
    heard,
    sent: reports.flatMap(({ sent }) => sent).toSorted((a, b) => a.at - b.at),
    flights: reports.reduce((sum, { flights }) => sum + flights, 0),
    durationMs: Math.max(...reports.map(({ durationMs }) => durationMs)),
  };
}

/** §6.1.1.4: the state of an association that is closed with the connection changes like any other, so that its event tells of it. */
function closeSctp({ runtime }: PeerConnectionSlots, transport: RTCSctpTransport): void {
  const sctp = sctpTransportSlots(transport);
  if (sctp.state === 'closed') return;
  sctp.state = 'closed';
  runtime.queueTask(() => transport.dispatchEvent(new Event('statechange')));
}

/** The application waits for the report: its connections stay alive until it is there, whenever they are made. */
export function awaitClose(slots: PeerConnectionSlots): void {
  slots.closeIsAwaited = true;
  for (const { driver } of slots.allTransports) driver.awaitClose();
}

/** Waits until everything was sent and acknowledged, then closes. */
export async function shutDown(slots: PeerConnectionSlots, { drain = DEFAULT_DRAIN, ...options }: ShutdownOptions): Promise<void> {
  await drained(slots, slots.runtime.now() + drain);
  closeConnection(slots, options);
}

/** Resolves when nothing is on its way any more, the time is over, or somebody has closed the connection meanwhile. */
function drained(slots: PeerConnectionSlots, deadline: number): Promise<void> {
  const { runtime } = slots;
  return new Promise((resolve) => {
    const look = (): void => {
      if (isDrained(slots) || runtime.now() >= deadline) resolve();
      else runtime.setTimer(Math.min(deadline, runtime.now() + DRAIN_INTERVAL), look);
    };
    look();
  });
}

function isDrained({ isClosed, channels, allTransports }: PeerConnectionSlots): boolean {
  if (isClosed) return true;
  const isBuffering = channels.all.some(
    ({ readyState, bufferedAmount }) => (readyState === 'open' || readyState === 'closing') && bufferedAmount > 0,
  );
  return !isBuffering && [...allTransports].every(({ driver }) => (driver.stack.sctp?.stats.bytesInFlight ?? 0) === 0);
}
