/** Gives an audio sender's RTCDTMFSender its stream (W3C WebRTC §7.2, RFC 4733). */
import { encodingName, type NegotiableCodec } from './jsep/codecs.ts';
import type { DtmfTransport } from './rtc-dtmf-sender.ts';
import type { SenderSlots } from './rtc-rtp-sender.ts';
import { sends } from './rtc-rtp-transceiver.ts';
import { telephoneEventPackets } from './telephone-event.ts';

export function dtmfTransport(sender: SenderSlots): DtmfTransport {
  const { runtime } = sender.connection;
  return {
    canSend: () => canSend(sender),
    play: (tone, duration) => play(sender, tone, duration),
    setTimer: (delay, callback) => void runtime.setTimer(runtime.now() + delay, callback),
  };
}

/** "Determine if DTMF can be sent" */
function canSend(sender: SenderSlots): boolean {
  const { connection, transceiver, sendEncodings } = sender;
  if (connection.isClosed || connection.connectionState !== 'connected') return false;
  if (transceiver.stopping || !sends(transceiver.currentDirection)) return false;
  return sendEncodings[0]?.active !== false && telephoneEvent(sender) !== undefined;
}

function telephoneEvent({ sendCodecs }: SenderSlots): NegotiableCodec | undefined {
  return sendCodecs.find((codec) => encodingName(codec) === 'telephone-event');
}

function play(sender: SenderSlots, tone: string, duration: number): void {
  const codec = telephoneEvent(sender);
  const [stream] = sender.streams;
  const { transport, connection } = sender;
  if (codec === undefined || stream === undefined || transport === null) return;
  const { runtime } = connection;
  const begin = runtime.now();
  const timestamp = Math.round((begin * codec.clockRate) / 1000) >>> 0;
  for (const { at, packet } of telephoneEventPackets({ tone, duration, clockRate: codec.clockRate, timestamp }))
    runtime.setTimer(begin + at, () => {
      if (connection.isClosed || transport.isClosed || !sender.streams.includes(stream)) return;
      transport.driver.input((_stack, now) => {
        const payloadType = stream.stats.payloadType;
        stream.configure({ payloadType: codec.payloadType });
        stream.send(packet, now);
        if (payloadType !== undefined) stream.configure({ payloadType });
      });
    });
}
