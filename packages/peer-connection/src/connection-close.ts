/** "Close the connection" (W3C WebRTC §4.4.2), and what is around it: the shutdown that waits, and the report. */
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { dataChannelSlots } from './rtc-data-channel.ts';
import { stopTransceiver } from './rtc-rtp-transceiver.ts';
import { type RTCSctpTransport, sctpTransportSlots } from './rtc-sctp-transport.ts';
import type { CloseOptions, CloseReport } from './shutdown-sequencer.ts';

export interface ShutdownOptions extends CloseOptions {
  /** Milliseconds that the data channels' buffers have to get empty. Default 5,000. */
  readonly drain?: number;
}

const DEFAULT_DRAIN = 5000;

/** Nothing was ever sent. */
const NOTHING_TO_CLOSE: CloseReport = { by: 'local', reason: '', heard: 'nothing', sent: [], flights: 0, durationMs: 0 };

export function closeConnection(slots: PeerConnectionSlots, options: CloseOptions): void {
  // 1. - 3. No event tells of it.
  if (slots.isClosed) return;
  slots.isClosed = true;
  slots.signalingState = 'closed';
  const transports = [...slots.allTransports].filter(({ isClosed }) => !isClosed);
  const main =
    slots.sctp?.transport ?? slots.transceivers.find(({ sender }) => sender.transport !== null)?.sender.transport ?? transports[0];
  // 5. Channels, without events. 6. - 9. BYE, ABORT, close_notify, ICE: the sequencer's work; the states change now.
  slots.channels.closeAll();
  if (slots.sctp !== null) closeSctp(slots, slots.sctp.object);
  const reports = transports.map((transport) => ({ transport, report: transport.close(options) }));
  // 4. Tracks of receivers end, and their events come in a task. The BYE has left already.
  for (const transceiver of slots.transceivers) if (!transceiver.stopped) stopTransceiver(transceiver);
  // 10. 11.
  slots.iceConnectionState = 'closed';
  slots.connectionState = 'closed';
  report(slots, reports.find(({ transport }) => transport === main)?.report ?? reports[0]?.report, options);
}

/** §6.1.1.4: the state of an association that is closed with the connection changes like any other, so that its event tells of it. */
function closeSctp({ runtime }: PeerConnectionSlots, transport: RTCSctpTransport): void {
  const sctp = sctpTransportSlots(transport);
  if (sctp.state === 'closed') return;
  sctp.state = 'closed';
  runtime.queueTask(() => transport.dispatchEvent(new Event('statechange')));
}

function report(slots: PeerConnectionSlots, closed: Promise<CloseReport> | undefined, { reason = '' }: CloseOptions): void {
  if (closed === undefined) return slots.resolveClosed({ ...NOTHING_TO_CLOSE, reason });
  void closed.then(slots.resolveClosed);
}

/** The application waits for the report: its connections stay alive until it is there, whenever they are made. */
export function awaitClose(slots: PeerConnectionSlots): void {
  slots.closeIsAwaited = true;
  for (const { driver } of slots.allTransports) driver.awaitClose();
}

/** Waits until everything was sent, then closes. */
export async function shutDown(slots: PeerConnectionSlots, { drain = DEFAULT_DRAIN, ...options }: ShutdownOptions): Promise<void> {
  if (slots.isClosed) return;
  const { runtime } = slots;
  const open = slots.channels.all.filter(({ readyState }) => readyState === 'open' || readyState === 'closing');
  const drained = Promise.allSettled(open.map((channel) => dataChannelSlots(channel).drained(0)));
  await new Promise<void>((resolve) => {
    const timer = runtime.setTimer(runtime.now() + drain, resolve);
    void drained.then(() => {
      timer.cancel();
      resolve();
    });
  });
  closeConnection(slots, options);
}
