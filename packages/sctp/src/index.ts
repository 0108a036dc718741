export { SctpAssociation } from './association.ts';
export { associationProblems } from './association-invariants.ts';
export type { SctpDiscard, SctpEvent } from './events.ts';
export type { SctpOptions } from './options.ts';
export type { AssociationState } from './tcb.ts';
export type { Message } from './rx/reassembly-queue.ts';
export type { SendOptions } from './tx/outgoing-message.ts';
export { type Chunk, CHUNK_TYPE, decodePacket, encodePacket, type Packet, type PacketDiscard, type PacketHeader } from './packet/packet.ts';
