/** Joins an audio sender to its RTCDTMFSender: telephone events (RFC 4733) take the place of the track's packets while a tone plays. */
import { encodingName, type NegotiableCodec } from './jsep/codecs.ts';
import type { SendStream } from './media/send-stream.ts';
import { createRTCDTMFSender, type RTCDTMFSender } from './rtc-dtmf-sender.ts';
import type { SenderSlots } from './rtc-rtp-sender.ts';
import { sends } from './rtc-rtp-transceiver.ts';
import { configureSendStreams } from './sending.ts';
import { telephoneEventPackets } from './telephone-event.ts';

export function createSenderDtmf(sender: SenderSlots): RTCDTMFSender {
  const { runtime } = sender.connection;
  let sequenceNumber = 0;
  return createRTCDTMFSender({
    canSend: () => canSend(sender),
    play: (tone, duration) => {
      sequenceNumber = play(sender, tone, duration, sequenceNumber);
    },
    setTimer: (delay, callback) => void runtime.setTimer(runtime.now() + delay, callback, true),
  });
}

/** W3C WebRTC §7.2, "determine if DTMF can be sent". */
function canSend(sender: SenderSlots): boolean {
  const { connection, transceiver, track, sendEncodings } = sender;
  return (
    connection.connectionState === 'connected' &&
    !transceiver.stopping &&
    track !== null &&
    sends(transceiver.currentDirection) &&
    sendEncodings[0]?.active !== false &&
    telephoneEvent(sender) !== undefined
  );
}

/** RFC 4733 §7.1: the event's clock is that of the audio beside it. */
function telephoneEvent({ sendCodecs, streams }: SenderSlots): NegotiableCodec | undefined {
  const events = sendCodecs.filter((codec) => encodingName(codec) === 'telephone-event');
  const audio = sendCodecs.find((codec) => codec.payloadType === streams[0]?.stats.payloadType);
  return events.find(({ clockRate }) => clockRate === audio?.clockRate) ?? events[0];
}

/** @returns the sequence number of the next tone's first packet */
function play(sender: SenderSlots, tone: string, duration: number, first: number): number {
  const { runtime } = sender.connection;
  const codec = telephoneEvent(sender);
  const [stream] = sender.streams;
  if (codec === undefined || stream === undefined) return first;
  sender.disconnect?.();
  sender.disconnect = undefined;
  const begin = runtime.now();
  const timestamp = Math.round((begin * codec.clockRate) / 1000) >>> 0;
  const packets = telephoneEventPackets({ tone, duration, clockRate: codec.clockRate, timestamp });
  packets.forEach(({ at, packet }, index) => {
    setSource(packet, stream.ssrc, (first + index) & 0xffff);
    const send = (): void => {
      sendEvent(sender, stream, packet, codec);
      if (index === packets.length - 1) resume(sender, stream);
    };
    runtime.setTimer(begin + at, send, true);
  });
  return (first + packets.length) & 0xffff;
}

/** Unless the track plays again, because something was negotiated meanwhile. */
function sendEvent(sender: SenderSlots, stream: SendStream, packet: Uint8Array, { payloadType }: NegotiableCodec): void {
  const { transport, streams, disconnect } = sender;
  if (transport === null || transport.isClosed || streams[0] !== stream || disconnect !== undefined) return;
  stream.configure({ payloadType });
  transport.driver.input((_stack, now) => stream.send(packet, now));
}

function resume(sender: SenderSlots, stream: SendStream): void {
  const { transport, streams, disconnect } = sender;
  if (transport === null || transport.isClosed || streams[0] !== stream || disconnect !== undefined) return;
  configureSendStreams(sender);
}

/** For the stream, the tones are a source of their own beside the track. */
function setSource(packet: Uint8Array, ssrc: number, sequenceNumber: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  view.setUint16(2, sequenceNumber);
  view.setUint32(8, ssrc);
}
