/** Remote tracks and their streams (W3C WebRTC §5.1.5). The lists are carried out, and events fired, when the description is set. */
import { type MediaSection, MSID, readAll, SSRC } from '@petrel/sdp';
import { createRemoteStream, type MediaStream } from '../media-stream.ts';
import type { MediaStreamTrack } from '../media-stream-track.ts';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import type { ReceiverSlots } from '../rtc-rtp-receiver.ts';
import { type Direction, receives, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';

export interface StreamChange {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
}

/** What is to happen once all states are set. */
export interface TrackChanges {
  readonly muteTracks: ReceiverSlots[];
  readonly addList: StreamChange[];
  readonly removeList: StreamChange[];
  readonly trackEvents: TransceiverSlots[];
}

/** "Process remote tracks" */
export function processRemoteTracks(
  transceiver: TransceiverSlots,
  direction: Direction | null,
  msids: readonly string[],
  changes: TrackChanges,
): void {
  const { addList, muteTracks, trackEvents } = changes;
  const before = addList.length;
  // 1.
  setAssociatedStreams(transceiver.receiver, msids, changes);
  // 2. A track is new, or has come back, or is in another stream.
  const isNew = receives(direction) && !receives(transceiver.firedDirection);
  if (isNew || addList.length > before) trackEvents.push(transceiver);
  // 3. 4. It goes.
  if (!receives(direction)) {
    transceiver.receptive = false;
    if (receives(transceiver.firedDirection)) removeRemoteTrack(transceiver, muteTracks);
  }
  // 5.
  transceiver.firedDirection = direction;
}

/** "Process the removal of a remote track" */
export function removeRemoteTrack({ receiver }: TransceiverSlots, muteTracks: ReceiverSlots[]): void {
  if (!receiver.track.muted) muteTracks.push(receiver);
}

/** "Set the associated remote streams" */
export function setAssociatedStreams(
  receiver: ReceiverSlots,
  msids: readonly string[],
  { addList, removeList }: Pick<TrackChanges, 'addList' | 'removeList'>,
): void {
  const { connection, track } = receiver;
  // 2. 3. One object for each id, for the life of the connection.
  const streams = msids.map((id) => {
    const existing = connection.remoteStreams.get(id);
    if (existing !== undefined) return existing;
    const stream = createRemoteStream(id);
    connection.remoteStreams.set(id, stream);
    return stream;
  });
  // 5. - 7.
  for (const stream of receiver.associatedRemoteMediaStreams) if (!streams.includes(stream)) removeList.push({ stream, track });
  for (const stream of streams) if (!receiver.associatedRemoteMediaStreams.includes(stream)) addList.push({ stream, track });
  receiver.associatedRemoteMediaStreams = streams;
}

/**
 * The stream ids of `a=msid`, without the dash that stands for none (RFC 8830 §2). Peers that do not have it may say it with `a=ssrc`
 * (RFC 5576); those that say nothing have one stream for everything (RFC 8829 §5.10).
 */
export function streamIdsOf(connection: PeerConnectionSlots, section: MediaSection): string[] {
  const ids = readAll(section, MSID).map(({ stream }) => stream);
  if (ids.length === 0) ids.push(...sourceStreamIds(section));
  if (ids.length === 0) ids.push(connection.defaultStreamId);
  return [...new Set(ids)].filter((id) => id !== '-');
}

function sourceStreamIds(section: MediaSection): string[] {
  return readAll(section, SSRC).flatMap(({ attribute, value }) =>
    attribute === 'msid' && value !== undefined ? value.split(' ').slice(0, 1) : [],
  );
}
