/** From negotiated sections to the streams of the media stack, for every transceiver. */
import { EXTMAP, readAll, SSRC, SSRC_GROUP } from '@petrel/sdp';
import { type PeerConnectionSlots, remoteDescription } from '../peer-connection-slots.ts';
import { type AnnouncedSources, configureReceiveStream, receiveEarly } from '../receiving.ts';
import { configureSendStreams } from '../sending.ts';
import { codecsOf } from './codec-negotiation.ts';
import type { Description } from './description.ts';

export function applyMedia(connection: PeerConnectionSlots): void {
  const remote = remoteDescription(connection);
  for (const transceiver of connection.transceivers) {
    if (transceiver.jsepMid === null || transceiver.stopped) continue;
    const section = remote?.section(transceiver.jsepMid);
    const { reducedSize, transport } = transceiver.sender;
    if (transport !== null && !transport.isClosed) {
      const { media } = transport.driver.stack;
      media.reducedSize ||= reducedSize;
      media.receiverReferenceTime ||= transceiver.receiver.measuresRoundTrip;
    }
    configureSendStreams(transceiver.sender);
    configureReceiveStream(transceiver.receiver, section === undefined ? { ssrcs: [], rtxPairs: [] } : announcedSources(section));
  }
}

/** A local offer: media that it asks for may come before the answer does (RFC 3264 §5.1, RFC 8829 §4.1.5). */
export function prepareForEarlyMedia(connection: PeerConnectionSlots, offer: Description): void {
  for (const { receiver, receptive, jsepMid, stopped } of connection.transceivers) {
    const section = jsepMid === null ? undefined : offer.section(jsepMid);
    if (section === undefined || !receptive || stopped) continue;
    const extensions = readAll(section, EXTMAP).map(({ id, uri }) => ({ id, uri }));
    receiveEarly(receiver, codecsOf(section), extensions);
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
