/** Two associations with their channels in one process, without a network between them, on virtual time. */
import { nobleCrypto } from '@petrel/crypto/noble';
import { type DataChannelEvent, DataChannels } from '@petrel/data-channel';
import { SctpAssociation } from '@petrel/sctp';
import { seededRandom } from '@petrel/testing';

const crypto = nobleCrypto(seededRandom(1));

export class LinkedAssociations {
  readonly ends: readonly [End, End] = [new End('client'), new End('server')];
  #now = 0;

  constructor() {
    for (const { association } of this.ends) association.connect(0);
    this.settle();
    for (const { association } of this.ends) if (association.state !== 'established') throw new Error(association.state);
  }

  get now(): number {
    return this.#now;
  }

  /** Until nobody has anything to say, and a millisecond more. @returns the events of both sides' channels */
  settle(): [DataChannelEvent[], DataChannelEvent[]] {
    const events: [DataChannelEvent[], DataChannelEvent[]] = [[], []];
    this.#now += 1;
    for (let moved = true; moved; ) {
      moved = false;
      this.ends.forEach(({ association, channels }, index) => {
        if (association.nextTimeout() <= this.#now) association.handleTimeout(this.#now);
        for (let packet = association.pollTransmit(this.#now); packet; packet = association.pollTransmit(this.#now)) {
          this.ends[1 - index]!.association.receive(packet, this.#now);
          moved = true;
        }
        for (let event = association.pollEvent(); event; event = association.pollEvent()) channels.handleAssociationEvent(event, this.#now);
        for (let event = channels.pollEvent(); event; event = channels.pollEvent()) {
          events[index]!.push(event);
          moved = true;
        }
      });
    }
    return events;
  }
}

class End {
  readonly association: SctpAssociation = new SctpAssociation({
    crypto,
    maxProbedPacket: 1160,
    maxRetransmits: Infinity,
    maxInitRetransmits: Infinity,
  });
  readonly channels: DataChannels = new DataChannels();

  constructor(role: 'client' | 'server') {
    this.channels.start(this.association, role, 0);
  }
}
