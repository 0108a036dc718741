/** From negotiated sections to the streams of the media stack, for every transceiver. */
import { readAll, SSRC, SSRC_GROUP } from '@petrel/sdp';
import { type PeerConnectionSlots, remoteDescription } from '../peer-connection-slots.ts';
import { type AnnouncedSources, configureReceiveStream } from '../receiving.ts';
import { configureSendStreams } from '../sending.ts';

export function applyMedia(connection: PeerConnectionSlots): void {
  const remote = remoteDescription(connection);
  for (const transceiver of connection.transceivers) {
    if (transceiver.jsepMid === null || transceiver.stopped) continue;
    const section = remote?.section(transceiver.jsepMid);
    const reducedSize = transceiver.sender.reducedSize;
    const { transport } = transceiver.sender;
    if (transport !== null && !transport.isClosed) transport.driver.stack.media.reducedSize ||= reducedSize;
    configureSendStreams(transceiver.sender);
    configureReceiveStream(transceiver.receiver, section === undefined ? { ssrcs: [], rtxPairs: [] } : announcedSources(section));
  }
}

/** `a=ssrc` and `a=ssrc-group:FID` (RFC 5576, RFC 4588 §8.6), the repairing streams apart. */
function announcedSources(section: Parameters<typeof readAll>[0]): AnnouncedSources {
  const rtxPairs = readAll(section, SSRC_GROUP).flatMap(({ semantics, ssrcs: [ssrc, rtxSsrc] }) =>
    semantics === 'FID' && ssrc !== undefined && rtxSsrc !== undefined ? { ssrc, rtxSsrc } : [],
  );
  const repairs = new Set(rtxPairs.map(({ rtxSsrc }) => rtxSsrc));
  const all = new Set(readAll(section, SSRC).map(({ ssrc }) => ssrc));
  return { ssrcs: [...all].filter((ssrc) => !repairs.has(ssrc)), rtxPairs };
}
