import { nobleCrypto } from '@petrel/crypto/noble';
import { DataChannels, decodeDcep, encodeAck, encodeOpen } from '@petrel/data-channel';
import { SctpAssociation } from '@petrel/sctp';
import { seededRandom } from '@petrel/testing';

const open = { label: 'chat', protocol: 'json', ordered: true, priority: 256 };

export const seeds: readonly Uint8Array[] = [
  encodeOpen(open),
  encodeOpen({ ...open, ordered: false, maxRetransmits: 3 }),
  encodeOpen({ ...open, maxPacketLifeTime: 1000 }),
  encodeAck(),
  Uint8Array.of(2, 50, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 51, 65, 66, 255),
];

export const targets: Readonly<Record<string, (bytes: Uint8Array) => void>> = {
  decodeDcep: (bytes) => {
    const message = decodeDcep(bytes);
    if (message?.type === 'open' && decodeDcep(encodeOpen(message.parameters))?.type !== 'open')
      throw new Error('does not survive encoding');
  },
  /** Messages, resets and ends in any order, for channels of ours and of nobody's. */
  channels: (bytes) => {
    const association = new SctpAssociation({ crypto: nobleCrypto(seededRandom(1)), streams: 64 });
    const channels = new DataChannels({ maxLabelBytes: 1000 });
    channels.start(association, 'client', 0);
    association.connect(0);
    const handles = [channels.create({ label: 'a' }, 0), channels.create({ label: 'b', negotiated: true, id: 9 }, 0)];
    channels.handleAssociationEvent({ type: 'connected', outboundStreams: 64, inboundStreams: 64 }, 0);
    for (let at = 0; at < bytes.length; ) {
      const kind = bytes[at++]!;
      const streamId = (bytes[at++] ?? 0) % 64;
      const length = Math.min(bytes[at++] ?? 0, bytes.length - at);
      const data = bytes.slice(at, at + length);
      at += length;
      const streamIds = [streamId];
      if (kind < 160)
        channels.handleAssociationEvent(
          { type: 'message', streamId, ppid: 48 + (kind % 12), data: data.length > 0 ? data : new Uint8Array(1) },
          at,
        );
      else if (kind < 180) channels.handleAssociationEvent({ type: 'incoming-streams-reset', streamIds }, at);
      else if (kind < 200) channels.handleAssociationEvent({ type: 'outgoing-streams-reset', streamIds, performed: kind % 2 === 0 }, at);
      else if (kind < 210) channels.handleAssociationEvent({ type: 'message-too-large', streamId }, at);
      else if (kind < 220) channels.pauseReading(handles[kind % 2]!);
      else if (kind < 230) channels.resumeReading(handles[kind % 2]!, at);
      else if (kind < 240) channels.close(handles[kind % 2]!, at);
      else if (kind === 255) channels.handleAssociationEvent({ type: 'aborted', code: 12, reason: '' }, at);
      for (let event = channels.pollEvent(); event; event = channels.pollEvent())
        if (event.type === 'incoming') handles.push(event.channel);
    }
  },
};
