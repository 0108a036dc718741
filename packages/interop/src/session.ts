import { type MediaStreamTrack, type RTCDataChannel, RTCPeerConnection, type RTCTrackEvent, type TapRecord } from 'petrel';
import type { Page } from './browser-page.ts';
import type { LossyRelay } from './lossy-relay.ts';
import type { ConnectOptions } from './page-peer.ts';

export type Offerer = 'the browser offers' | 'we offer';

/** One of our connections with a browser's page, both ends noting what they see. */
export class Session {
  readonly page: Page;
  readonly pc: RTCPeerConnection;
  readonly wire: TapRecord[] = [];
  /** What our side noticed: `channel close`, `dtls closed`, … in milliseconds since the Unix epoch. */
  readonly events: { readonly name: string; readonly at: number }[] = [];
  channel: RTCDataChannel | undefined;
  /** When there is one, all datagrams go through it; or what else is to happen to the candidates. */
  relay: Pick<LossyRelay, 'forUs' | 'forBrowser'> | undefined;

  constructor(page: Page, pc: RTCPeerConnection = new RTCPeerConnection({ autoClose: true })) {
    this.page = page;
    this.pc = pc;
    pc.tap = (record) => void this.wire.push(record);
    pc.onconnectionstatechange = () => this.#note(`connection ${pc.connectionState}`);
    pc.ondatachannel = ({ channel }) => this.#watchChannel(channel);
    pc.addEventListener('track', (event) => this.#watchTrack((event as RTCTrackEvent).track));
  }

  /** Connects, in one exchange of descriptions with all candidates; resolves when the channel is open, or without one when the connection is there. */
  async connect(offerer: Offerer, options: ConnectOptions): Promise<void> {
    const { page, pc } = this;
    await page.evaluate((pageOptions) => peer.create(pageOptions), {
      ...options,
      channel: options.channel === true && offerer === 'the browser offers',
    });
    if (offerer === 'the browser offers') {
      const offer = await page.evaluate(() => peer.offer());
      await pc.setRemoteDescription({ type: 'offer', sdp: this.relay?.forUs(offer) ?? offer });
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await page.evaluate((answer) => peer.accept(answer), this.#localDescription);
    } else {
      if (options.channel === true) this.#watchChannel(pc.createDataChannel('test'));
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      const answer = await page.evaluate((offer) => peer.answer(offer), this.#localDescription);
      await pc.setRemoteDescription({ type: 'answer', sdp: this.relay?.forUs(answer) ?? answer });
    }
    this.#watchTransports();
    const sign = options.channel === true ? 'channel open' : 'connection connected';
    await Promise.all([this.event(sign), page.evaluate((name) => peer.event(name), sign)]);
  }

  /** Resolves when our side has noticed it. */
  async event(name: string, patience = 15_000): Promise<{ readonly name: string; readonly at: number }> {
    const deadline = now() + patience;
    for (;;) {
      const found = this.events.find((event) => event.name === name);
      if (found) return found;
      if (now() > deadline) throw new Error(`no "${name}" in ${patience} ms, but: ${this.events.map((event) => event.name).join(', ')}`);
      await pause(2);
    }
  }

  /** Closes our side without lingering. Tests that are about the close do it themselves. */
  end(): void {
    this.pc.close({ linger: 0 });
  }

  get #localDescription(): string {
    const sdp = this.pc.localDescription?.sdp ?? '';
    return this.relay?.forBrowser(sdp) ?? sdp;
  }

  #watchChannel(channel: RTCDataChannel): void {
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    for (const name of ['open', 'close', 'error'] as const) channel.addEventListener(name, () => this.#note(`channel ${name}`));
    if (channel.readyState === 'open') this.#note('channel open');
  }

  #watchTrack(track: MediaStreamTrack): void {
    for (const name of ['mute', 'unmute', 'ended'] as const) track.addEventListener(name, () => this.#note(`${track.kind} ${name}`));
  }

  #watchTransports(): void {
    const { sctp } = this.pc;
    sctp?.addEventListener('statechange', () => this.#note(`sctp ${sctp.state}`));
    const dtls = sctp?.transport ?? this.pc.getSenders()[0]?.transport ?? this.pc.getReceivers()[0]?.transport;
    dtls?.addEventListener('statechange', () => this.#note(`dtls ${dtls.state}`));
  }

  #note(name: string): void {
    this.events.push({ name, at: now() });
  }
}

/** Milliseconds since the Unix epoch, on the clock that the pages use too. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until the answer is good; @throws Error with the last answer when it does not become so. */
export async function until<T>(ask: () => Promise<T> | T, good: (answer: T) => boolean, patience = 15_000): Promise<T> {
  const deadline = now() + patience;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (now() > deadline) throw new Error(`after ${patience} ms still ${JSON.stringify(answer)}`);
    await pause(50);
  }
}
