export { type AssociationState, SctpAssociation, type SctpDiscard, type SctpEvent, type SctpOptions } from './association.ts';
export type { Message } from './rx/reassembly-queue.ts';
export type { SendOptions } from './tx/send-queue.ts';
export { type Chunk, CHUNK_TYPE, decodePacket, type Packet, PacketBuilder, type PacketDiscard } from './packet/packet.ts';
