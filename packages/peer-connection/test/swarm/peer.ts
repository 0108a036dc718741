/** One side of a run: perfect negotiation (W3C WebRTC §10.7), and an application that does whatever comes to its mind. */
import { testCertificate, type SeededRandom } from '@petrel/testing';
import {
  RTCPeerConnection,
  RtpSink,
  RtpSource,
  type RTCPeerConnectionIceErrorEvent,
  type RTCPeerConnectionIceEvent,
  type RTCRtpTransceiverDirection,
  type RTCSessionDescription,
} from '../../src/index.ts';
import { createRTCCertificate } from '../../src/rtc-certificate.ts';
import { ChannelEnd, type ChannelPair } from './channels.ts';
import { readBinaryPayload, rtpPacket, rtpPayload } from './payloads.ts';
import { StateWatch } from './states.ts';
import type { Name, World } from './world.ts';

/** What goes over signalling. */
export type Signal = { readonly description: RTCSessionDescription } | { readonly candidate: object };

export interface PeerOptions {
  readonly name: Name;
  readonly world: World;
  readonly random: SeededRandom;
  readonly send: (signal: Signal) => void;
  readonly channels: ChannelPair[];
  readonly report: (violation: string) => void;
  readonly trace: (line: string) => void;
  /** Makes an error for a handler to throw. */
  readonly newError: (() => Error) | undefined;
}

interface Source {
  readonly number: number;
  readonly media: RtpSource;
  sent: number;
}

const DIRECTIONS: readonly RTCRtpTransceiverDirection[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];
const MAX_SOURCES = 4;
const MAX_TRANSCEIVERS = 8;
const MAX_CHANNELS = 12;

export class SwarmPeer {
  readonly pc: RTCPeerConnection;
  readonly watch: StateWatch;
  other: SwarmPeer | undefined;
  /** Set by close() and shutdown() here. */
  isClosed = false;
  packets = 0;
  readonly #o: PeerOptions;
  readonly #sources: Source[] = [];
  #makingOffer = false;
  #ignoreOffer = false;
  #settingAnswer = false;
  #pending = 0;

  constructor(options: PeerOptions) {
    this.#o = options;
    const { name, world, report, trace } = options;
    const { runtime } = world.hosts[name];
    const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, name === 'a' ? 0 : 1));
    this.pc = new RTCPeerConnection({ ...world.configuration(), certificates: [certificate] }, runtime);
    const { pc } = this;
    this.watch = new StateWatch(
      pc,
      (violation) => report(`${name}: ${violation}`),
      (type, event) => trace(`${name} ${type}${this.#details(type, event)}`),
    );
    pc.onnegotiationneeded = () => void this.#expectSuccess('negotiation', this.#offer());
    pc.onicecandidate = ({ candidate }) => candidate && options.send({ candidate: candidate.toJSON() });
    pc.ondatachannel = ({ channel }) => {
      const pair = options.channels.find(({ number }) => channel.label === `channel ${number}`);
      if (pair === undefined) return report(`${name}: a channel ‘${channel.label}’ that nobody made`);
      if (pair.ends[name] !== undefined) return report(`${name}: channel ${pair.number} twice`);
      pair.ends[name] = new ChannelEnd(name, channel, pair, report);
    };
    pc.ontrack = ({ track }) => {
      const sink = new RtpSink(track);
      sink.onpacket = (packet) => this.#onPacket(packet);
    };
  }

  get isIdle(): boolean {
    return this.#pending === 0;
  }

  // Negotiation --------------------------------------------------------------------------------------------------------

  async #offer(): Promise<void> {
    try {
      this.#makingOffer = true;
      await this.pc.setLocalDescription();
      this.#sendDescription();
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription(): void {
    if (this.pc.signalingState !== 'closed') this.#o.send({ description: this.pc.localDescription! });
  }

  receive(signal: Signal): void {
    if (this.pc.signalingState === 'closed') return;
    if ('description' in signal) void this.#expectSuccess(`remote ${signal.description.type}`, this.#onDescription(signal.description));
    else void this.#onCandidate(signal.candidate);
  }

  async #onDescription(description: RTCSessionDescription): Promise<void> {
    const { pc } = this;
    const isReady = !this.#makingOffer && (pc.signalingState === 'stable' || this.#settingAnswer);
    const collides = description.type === 'offer' && !isReady;
    this.#ignoreOffer = this.#o.name === 'a' && collides;
    if (this.#ignoreOffer) return this.#o.trace(`${this.#o.name} ignores an offer`);
    this.#settingAnswer = description.type === 'answer';
    try {
      await pc.setRemoteDescription(description);
    } finally {
      this.#settingAnswer = false;
    }
    if (description.type !== 'offer') return;
    await pc.setLocalDescription();
    this.#sendDescription();
  }

  /** Those of offers that were rolled back, or ignored, find no section. */
  async #onCandidate(candidate: object): Promise<void> {
    try {
      await this.pc.addIceCandidate(candidate);
    } catch (error) {
      const { name } = error as Error;
      if (name !== 'OperationError' && name !== 'InvalidStateError') this.#o.report(`${this.#o.name}: addIceCandidate: ${String(error)}`);
    }
  }

  async #expectSuccess(what: string, promise: Promise<void>): Promise<void> {
    this.#pending += 1;
    const closedAtOnce = (): boolean => this.pc.signalingState === 'closed';
    await promise.then(
      () => (this.#pending -= 1),
      (error: unknown) => {
        this.#pending -= 1;
        if (!closedAtOnce()) this.#o.report(`${this.#o.name}: ${what}: ${String((error as Error).stack)}`);
      },
    );
  }

  // Media --------------------------------------------------------------------------------------------------------------

  /** Every 20 ms. */
  tick(): void {
    for (const source of this.#sources) {
      const label = { stream: source.number, from: this.#o.name, index: source.sent++ };
      source.media.write(rtpPacket(label, 40 + (source.sent % 7) * 150, 960));
    }
  }

  #onPacket(packet: Uint8Array): void {
    this.packets += 1;
    const label = readBinaryPayload(rtpPayload(packet));
    if (label === undefined) this.#o.report(`${this.#o.name}: a packet that was not sent`);
    else if (label.from === this.#o.name) this.#o.report(`${this.#o.name}: its own packet`);
  }

  #newSource(): Source {
    const media = new RtpSource(this.#flip() ? 'audio' : 'video');
    const source = { number: this.#sources.length + 1, media, sent: 0 };
    this.#sources.push(source);
    return source;
  }

  // The application ----------------------------------------------------------------------------------------------------

  /** Does one thing. */
  act(): void {
    if (this.pc.signalingState === 'closed') return;
    const action = this.#pick(ACTIONS)!;
    const line = `${this.#o.name} ${action}`;
    try {
      const result = this.#do(action);
      this.#o.trace(line);
      if (result instanceof Promise) {
        this.#pending += 1;
        result.then(
          () => (this.#pending -= 1),
          (error: unknown) => {
            this.#pending -= 1;
            this.#judge(line, error);
          },
        );
      }
    } catch (error) {
      this.#judge(line, error);
    }
  }

  /** The application may ask for what cannot be, and is told so with a DOMException (or the TypeErrors of too large messages). */
  #judge(line: string, error: unknown): void {
    this.#o.trace(`${line}: ${String(error)}`);
    if (!(error instanceof DOMException)) this.#o.report(`${line}: ${String((error as Error).stack)}`);
  }

  #do(action: (typeof ACTIONS)[number]): unknown {
    const { pc } = this;
    const transceiver = this.#pick(pc.getTransceivers());
    const end = this.#pick(this.#o.channels.map(({ ends }) => ends[this.#o.name]).filter((each) => each !== undefined));
    switch (action) {
      case 'addTrack':
        return (
          this.#sources.length < MAX_SOURCES && pc.getTransceivers().length < MAX_TRANSCEIVERS && pc.addTrack(this.#newSource().media.track)
        );
      case 'removeTrack': {
        const sender = this.#pick(pc.getSenders());
        return sender && pc.removeTrack(sender);
      }
      case 'addTransceiver':
        if (pc.getTransceivers().length >= MAX_TRANSCEIVERS) return undefined;
        return pc.addTransceiver(this.#flip() ? 'audio' : 'video', { direction: this.#pick(DIRECTIONS)! });
      case 'direction':
        if (transceiver && !transceiver.stopped && transceiver.direction !== 'stopped') transceiver.direction = this.#pick(DIRECTIONS)!;
        return undefined;
      case 'stop':
        return this.#o.random.below(4) === 0 && transceiver?.stop();
      case 'replaceTrack': {
        if (transceiver === undefined) return undefined;
        const source = this.#sources.find(({ media }) => media.track.kind === transceiver.receiver.track.kind);
        return transceiver.sender.replaceTrack(this.#flip() ? null : (source?.media.track ?? null));
      }
      case 'setParameters': {
        if (transceiver === undefined || transceiver.stopped) return undefined;
        const parameters = transceiver.sender.getParameters();
        for (const encoding of parameters.encodings) encoding.active = this.#o.random.below(3) > 0;
        return transceiver.sender.setParameters(parameters);
      }
      case 'getStats':
        return pc.getStats();
      case 'sender.getStats':
        return transceiver?.sender.getStats();
      case 'requestKeyFrame':
        return transceiver && new RtpSink(transceiver.receiver.track).requestKeyFrame();
      case 'createDataChannel':
        return this.#createChannel();
      case 'send':
        return end?.channel.readyState === 'open' && this.#sendMany(end, 1 + this.#o.random.below(20), 2000);
      case 'bulk':
        return end?.channel.readyState === 'open' && this.#sendMany(end, 1 + this.#o.random.below(3), 150_000);
      case 'close channel':
        return this.#o.random.below(3) === 0 && end?.close();
      case 'restartIce':
        return pc.restartIce();
      case 'offer':
        return this.#explicitOffer(this.#flip());
      case 'offer and rollback':
        return this.#offerAndRollback();
      case 'createOffer':
        return pc.createOffer();
      case 'throw':
        return this.#throwInHandler();
    }
  }

  #createChannel(): void {
    if (this.#o.channels.length >= MAX_CHANNELS) return;
    const number = this.#o.channels.length + 1;
    const kind = this.#o.random.below(6);
    const init = {
      ordered: this.#flip(),
      ...(kind === 1 && { maxRetransmits: this.#o.random.below(3) }),
      ...(kind === 2 && { maxPacketLifeTime: 100 + this.#o.random.below(500) }),
      ...(kind === 3 && { negotiated: true, id: 500 + number }),
      ...(kind === 4 && { protocol: 'swarm' }),
    };
    const pair: ChannelPair = { number, init, ends: {} };
    this.#o.channels.push(pair);
    const create = (peer: SwarmPeer): void => {
      const { name, report } = peer.#o;
      pair.ends[name] = new ChannelEnd(name, peer.pc.createDataChannel(`channel ${number}`, init), pair, report);
    };
    create(this);
    const { other } = this;
    if (kind === 3 && other && other.pc.signalingState !== 'closed') create(other);
  }

  #sendMany(end: ChannelEnd, count: number, largest: number): void {
    for (let sent = 0; sent < count; sent++) end.send(this.#o.random.below(largest), this.#flip());
  }

  async #explicitOffer(iceRestart: boolean): Promise<void> {
    const { pc } = this;
    if (pc.signalingState !== 'stable' || this.#makingOffer) return;
    this.#makingOffer = true;
    try {
      await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
      this.#sendDescription();
    } finally {
      this.#makingOffer = false;
    }
  }

  async #offerAndRollback(): Promise<void> {
    const { pc } = this;
    if (pc.signalingState !== 'stable' || this.#makingOffer) return;
    this.#makingOffer = true;
    try {
      await pc.setLocalDescription(await pc.createOffer());
      await pc.setLocalDescription({ type: 'rollback' });
    } finally {
      this.#makingOffer = false;
    }
  }

  /** Once, at the next event of a kind. */
  #throwInHandler(): void {
    const { newError } = this.#o;
    if (newError === undefined) return;
    const type = this.#pick([
      'signalingstatechange',
      'icecandidate',
      'connectionstatechange',
      'track',
      'datachannel',
      'negotiationneeded',
    ])!;
    const isAsync = this.#flip();
    const fail = (): void => {
      throw newError();
    };
    this.pc.addEventListener(type, isAsync ? async () => fail() : fail, { once: true });
    for (const { ends } of this.#o.channels)
      if (this.#flip()) ends[this.#o.name]?.channel.addEventListener('message', fail, { once: true });
    const receiver = this.#pick(this.pc.getReceivers());
    if (receiver === undefined) return;
    const sink = new RtpSink(receiver.track);
    sink.onpacket = () => {
      sink.close();
      fail();
    };
  }

  #details(type: string, event: Event): string {
    const { pc } = this;
    if (type === 'icecandidate') return ` ${(event as RTCPeerConnectionIceEvent).candidate?.candidate}`;
    if (type === 'icecandidateerror') {
      const { url, errorCode, errorText } = event as RTCPeerConnectionIceErrorEvent;
      return ` ${url} ${errorCode} ${errorText}`;
    }
    const states: Readonly<Record<string, string>> = {
      signalingstatechange: pc.signalingState,
      iceconnectionstatechange: pc.iceConnectionState,
      connectionstatechange: pc.connectionState,
      icegatheringstatechange: pc.iceGatheringState,
    };
    return states[type] === undefined ? '' : ` ${states[type]}`;
  }

  #flip(): boolean {
    return this.#o.random.below(2) === 0;
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#o.random.below(list.length)];
  }
}

const ACTIONS = [
  'addTrack',
  'addTrack',
  'removeTrack',
  'addTransceiver',
  'direction',
  'stop',
  'replaceTrack',
  'setParameters',
  'getStats',
  'sender.getStats',
  'requestKeyFrame',
  'createDataChannel',
  'createDataChannel',
  'send',
  'send',
  'send',
  'bulk',
  'close channel',
  'restartIce',
  'offer',
  'offer and rollback',
  'createOffer',
  'throw',
] as const;
