/**
 * One connection, in a process of its own, so that the page can see what happens when a server dies without a goodbye. The
 * server hands over the offer and media packets; this process answers, streams, echoes, and tells what its side of the wire sees.
 */
import { type CloseReport, type RTCDataChannel, RTCPeerConnection, RtpSource } from 'petrel';
import type { FeedEntry, FromConnection, ToConnection, Track } from '../feed.ts';
import { codecNames, WireLog } from '../wire-log.ts';

const pc = new RTCPeerConnection({ autoClose: true });
const sources = new Map<Track['kind'], RtpSource>();
const unsent: FeedEntry[] = [];
const wire = new WireLog(
  ({ at, direction, layer, summary, bytes }) => note({ kind: 'packet', at: performance.timeOrigin + at, direction, layer, summary, bytes }),
  (payloadType) => codec(payloadType),
);
let codec: (payloadType: number) => string | undefined = () => undefined;
let flushTimer: NodeJS.Timeout | undefined;

process.on('message', (message: ToConnection) => {
  if (message.type === 'packet') sources.get(message.kind)?.write(message.packet);
  else if (message.type === 'close') pc.close({ reason: message.reason });
  else answer(message.sdp, message.tracks).catch((error: unknown) => tell({ type: 'refused', message: String(error) }));
});
// Ctrl-C in a terminal reaches this process too: the server says when to close, by a message or by being gone.
process.on('SIGINT', () => {});
process.on('disconnect', () => pc.close({ reason: 'the server has stopped' }));

pc.tap = (record) => wire.add(record);
pc.onconnectionstatechange = () => {
  say(`connection ${pc.connectionState}`);
  if (pc.connectionState === 'connected') tell({ type: 'key-frame' });
  if (pc.connectionState === 'failed') pc.close({ reason: 'nothing heard from the page' });
};
pc.oniceconnectionstatechange = () => say(`ICE ${pc.iceConnectionState}`);
pc.ondatachannel = ({ channel }) => echo(channel);
void pc.closed.then(end);

async function answer(sdp: string, tracks: readonly Track[]): Promise<void> {
  for (const { kind, mimeType } of tracks) {
    const source = new RtpSource(kind, { mimeType });
    source.onkeyframerequest = () => tell({ type: 'key-frame' });
    sources.set(kind, source);
    pc.addTrack(source.track);
  }
  await pc.setRemoteDescription({ type: 'offer', sdp });
  await pc.setLocalDescription();
  codec = codecNames(sdp);
  watchTransports();
  await pc.iceGatheringComplete;
  tell({ type: 'answer', sdp: pc.localDescription?.sdp ?? '' });
}

function watchTransports(): void {
  const transport = pc.sctp?.transport ?? pc.getSenders()[0]?.transport;
  if (transport) transport.onstatechange = () => say(`DTLS ${transport.state}`);
  const { sctp } = pc;
  if (sctp) sctp.onstatechange = () => say(`SCTP ${sctp.state}`);
}

function echo(channel: RTCDataChannel): void {
  channel.binaryType = 'arraybuffer';
  channel.onopen = () => say(`channel "${channel.label}" open`);
  channel.onmessage = ({ data }) => channel.send(data);
  channel.onerror = ({ error }) => say(`channel "${channel.label}" error: ${error.message}`);
  channel.onclose = () => say(`channel "${channel.label}" closed`);
}

/** With the connection nothing is left to do, so nothing may be left that keeps the process alive. */
function end(report: CloseReport): void {
  wire.flush();
  note({ kind: 'closed', at: now(), report });
  flush();
  if (process.connected) process.disconnect();
}

function say(text: string): void {
  note({ kind: 'note', at: now(), text });
}

/** Many packets make one message: the server's time belongs to media. */
function note(entry: FeedEntry): void {
  unsent.push(entry);
  flushTimer ??= setTimeout(flush, 20);
}

function flush(): void {
  clearTimeout(flushTimer);
  flushTimer = undefined;
  if (unsent.length > 0) tell({ type: 'feed', entries: unsent.splice(0) });
}

function tell(message: FromConnection): void {
  if (process.connected) process.send?.(message);
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
