/** The data channels of a connection: [[DataChannels]], and what joins them to the transport once there is one (W3C WebRTC §6.1, §6.2). */
import { utf8Length } from '@petrel/bytes';
import { type ChannelHandle, type DataChannelEvent, DataChannelError } from '@petrel/data-channel';
import { dataChannelTransport } from './data-channel-transport.ts';
import { exception } from './errors.ts';
import { RTCDataChannelEvent } from './events.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import type { PeerTransport } from './peer-transport.ts';
import {
  createRTCDataChannel,
  dataChannelSlots,
  type RTCDataChannel,
  type RTCDataChannelInit,
  type RTCPriorityType,
} from './rtc-data-channel.ts';
import { sctpTransportSlots } from './rtc-sctp-transport.ts';

/** RFC 8831 §6.4. */
const PRIORITIES: { readonly [Name in RTCPriorityType]: number } = { 'very-low': 128, low: 256, medium: 512, high: 1024 };

type ChannelInit = Required<Pick<RTCDataChannelInit, 'ordered' | 'protocol' | 'negotiated'>> & RTCDataChannelInit;

/** createDataChannel, steps 5 to 18 (§6.1). @throws TypeError */
export function checkChannelInit(label: string, init: RTCDataChannelInit): ChannelInit {
  const { protocol = '', ordered = true, negotiated = false, id, maxPacketLifeTime, maxRetransmits } = init;
  if (utf8Length(label) > 65_535) throw new TypeError('createDataChannel: the label is longer than 65535 bytes');
  if (utf8Length(protocol) > 65_535) throw new TypeError('createDataChannel: the protocol is longer than 65535 bytes');
  if (negotiated && id === undefined) throw new TypeError('createDataChannel: a negotiated channel needs an id, the same on both sides');
  if (maxPacketLifeTime !== undefined && maxRetransmits !== undefined)
    throw new TypeError('createDataChannel: there can be only one of maxPacketLifeTime and maxRetransmits');
  if (negotiated && id === 65_535) throw new TypeError('createDataChannel: 65534 is the largest id');
  return { ...init, protocol, ordered, negotiated };
}

export class DataChannelRegistry {
  /** Whether a channel was ever created here (negotiation-needed, §4.7.3). */
  hasCreated = false;
  /** For statistics. */
  opened = 0;
  closed = 0;
  readonly #connection: PeerConnectionSlots;
  readonly #channels = new Set<RTCDataChannel>();
  readonly #byHandle = new Map<ChannelHandle, RTCDataChannel>();
  #count = 0;
  #transport: PeerTransport | undefined;

  constructor(connection: PeerConnectionSlots) {
    this.#connection = connection;
  }

  /** Whether an offer is to have a section for them. */
  get isWanted(): boolean {
    return this.hasCreated || this.#connection.configuration.alwaysNegotiateDataChannels;
  }

  get all(): RTCDataChannel[] {
    return [...this.#channels];
  }

  /** createDataChannel, from step 21 on. @throws OperationError when the id is taken, or none is free */
  create(
    label: string,
    init: Required<Pick<RTCDataChannelInit, 'ordered' | 'protocol' | 'negotiated'>> & RTCDataChannelInit,
  ): RTCDataChannel {
    const id = init.negotiated ? init.id : undefined;
    // 19. The id is nobody else's. 20. It is one that the association has.
    if (id !== undefined && this.all.some((channel) => channel.id === id))
      throw exception('OperationError', `createDataChannel: the id ${id} is in use`);
    const maxChannels = this.#connection.sctp === null ? null : sctpTransportSlots(this.#connection.sctp.object).maxChannels;
    if (id !== undefined && maxChannels !== null && id >= maxChannels)
      throw exception('OperationError', `createDataChannel: the association has ${maxChannels} streams, so ids are below that`);
    const { id: _ignored, ...rest } = init;
    const channel = this.#add(label, id === undefined ? rest : { ...rest, id });
    try {
      if (this.#transport !== undefined) this.#attach(channel, this.#transport);
    } catch (error) {
      this.#channels.delete(channel);
      throw error instanceof DataChannelError ? exception(error.name, error.message) : error;
    }
    this.hasCreated = true;
    return channel;
  }

  /** The description has said which transport carries the channels, and who is DTLS client there. */
  bind(transport: PeerTransport): void {
    if (this.#transport === transport) return;
    this.#transport = transport;
    for (const channel of this.all) {
      if (channel.readyState !== 'closed') this.#attach(channel, transport);
    }
    transport.driver.input(({ channels }) => channels.setRole(transport.dtlsRole!));
  }

  /** An event of the transport's channels, in a task. */
  handleEvent(event: DataChannelEvent): void {
    if (event.type === 'incoming') return this.#onIncoming(event);
    const channel = this.#byHandle.get(event.channel);
    if (event.type === 'open') this.opened++;
    if (event.type === 'closed') {
      this.#byHandle.delete(event.channel);
      this.closed++;
    }
    if (channel !== undefined) dataChannelSlots(channel).handleEvent(event);
  }

  /** `close()`: at once, and without events. */
  closeAll(): void {
    for (const channel of this.all) dataChannelSlots(channel).closeAbruptly();
    this.#byHandle.clear();
  }

  #add(label: string, init: RTCDataChannelInit): RTCDataChannel {
    const { runtime } = this.#connection;
    const channel: RTCDataChannel = createRTCDataChannel({
      label,
      ordered: init.ordered ?? true,
      maxPacketLifeTime: init.maxPacketLifeTime,
      maxRetransmits: init.maxRetransmits,
      protocol: init.protocol ?? '',
      negotiated: init.negotiated ?? false,
      id: init.id,
      priority: init.priority,
      statsId: ++this.#count,
      limits: () => this.#limits(),
      queueTask: (task) => runtime.queueTask(task),
      onClosed: () => this.#channels.delete(channel),
    });
    this.#channels.add(channel);
    return channel;
  }

  #attach(channel: RTCDataChannel, transport: PeerTransport): void {
    const { label, protocol, ordered, maxPacketLifeTime, maxRetransmits, negotiated, id, priority } = channel;
    const handle = transport.driver.input(({ channels }, now) =>
      channels.create(
        {
          label,
          protocol,
          ordered,
          ...(maxPacketLifeTime === null ? {} : { maxPacketLifeTime }),
          ...(maxRetransmits === null ? {} : { maxRetransmits }),
          negotiated,
          ...(negotiated ? { id: id! } : {}),
          priority: PRIORITIES[priority],
        },
        now,
      ),
    );
    this.#byHandle.set(handle, channel);
    dataChannelSlots(channel).attach(dataChannelTransport(transport.driver, handle));
  }

  /** The peer has opened a channel (§6.2, "announce" from the side that did not create it). */
  #onIncoming({ channel: handle, options }: Extract<DataChannelEvent, { type: 'incoming' }>): void {
    const { label, protocol, ordered, maxPacketLifeTime, maxRetransmits, id } = options;
    const priority = (Object.keys(PRIORITIES) as RTCPriorityType[]).find((name) => options.priority <= PRIORITIES[name]) ?? 'high';
    const channel = this.#add(label, {
      protocol,
      ordered,
      id,
      priority,
      ...(maxPacketLifeTime === undefined ? {} : { maxPacketLifeTime }),
      ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
    });
    this.#byHandle.set(handle, channel);
    const slots = dataChannelSlots(channel);
    slots.attach(dataChannelTransport(this.#transport!.driver, handle));
    // The application may send in the handler; `open` follows in a task of its own.
    slots.readyState = 'open';
    this.#connection.object.dispatchEvent(new RTCDataChannelEvent('datachannel', { channel }));
  }

  #limits(): { readonly maxMessageSize: number; readonly maxBufferSize: number } {
    const { sctp } = this.#connection;
    const slots = sctp === null ? undefined : sctpTransportSlots(sctp.object);
    return { maxMessageSize: slots?.maxMessageSize ?? 65_536, maxBufferSize: slots?.maxBufferSize ?? 16_777_216 };
  }
}
