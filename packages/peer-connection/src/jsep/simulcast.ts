/** The simulcast envelope of a sender (W3C WebRTC §5.4.1, RFC 8853 §5.2). */
import { type MediaSection, read, SIMULCAST } from '@petrel/sdp';
import { MAX_ENCODINGS, type RTCRtpEncodingParameters } from '../rtc-rtp-parameters.ts';
import type { SenderSlots } from '../rtc-rtp-sender.ts';

/** Encodings for the layers that an offer wants to receive: the first of alternatives, no rid twice, the largest scale first. */
export function proposedEncodings(section: MediaSection): RTCRtpEncodingParameters[] {
  const streams = section.kind === 'video' ? (read(section, SIMULCAST)?.recv ?? []) : [];
  const rids = [...new Set(streams.map((alternatives) => alternatives[0]!.id))].slice(0, MAX_ENCODINGS.video);
  return rids.map((rid, index) => ({ rid, active: true, scaleResolutionDownBy: 2 ** (rids.length - index - 1) }));
}

/** An answer narrows the envelope to the layers that it names; without any the first one is left. @param side what the section's attribute calls our sending */
export function pruneEncodings(sender: SenderSlots, section: MediaSection, side: 'send' | 'recv'): void {
  if (sender.sendEncodings.length < 2) return;
  const layers = (read(section, SIMULCAST)?.[side] ?? []).map((alternatives) => alternatives[0]!.id);
  const kept = sender.sendEncodings.filter(({ rid }) => rid !== undefined && layers.includes(rid));
  if (kept.length === sender.sendEncodings.length) return;
  sender.sendEncodings = kept.length === 0 ? sender.sendEncodings.slice(0, 1) : kept;
  sender.lastReturnedParameters = null;
}
