import { closeWithPeer } from 'petrel/page';

export interface ViewerEvents {
  /** Something that the browser noticed. `end` is a sign that the other side is gone. */
  notice(text: string, style: '' | 'soft' | 'end'): void;
  state(name: string, state: string): void;
  stream(stream: MediaStream): void;
  message(data: string | ArrayBuffer): void;
  /** The page helper has closed the connection because the server has. */
  closedWithServer(reason: string): void;
}

/** The browser's end of one connection: makes the offer, gets the answer by HTTP, and tells everything that it notices. */
export class Viewer {
  readonly pc: RTCPeerConnection = new RTCPeerConnection();
  readonly channel: RTCDataChannel;
  /** Names the connection at the server, once there is an answer. */
  location = '';
  readonly #events: ViewerEvents;
  readonly #watched = new Set<EventTarget>();

  constructor(events: ViewerEvents, options: { helper: boolean }) {
    this.#events = events;
    this.channel = this.pc.createDataChannel('console');
    this.pc.addTransceiver('video', { direction: 'recvonly' });
    this.pc.addTransceiver('audio', { direction: 'recvonly' });
    this.#watchConnection();
    this.#watchChannel();
    if (options.helper) closeWithPeer(this.pc, [this.channel], (reason) => events.closedWithServer(reason));
  }

  /** Rejects with the server's reason. */
  async connect(): Promise<void> {
    await this.pc.setLocalDescription();
    await gathered(this.pc);
    const response = await fetch('/connections', {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: this.pc.localDescription?.sdp ?? '',
    });
    const body = await response.text();
    if (response.status !== 201) throw new Error(body.trim());
    this.location = response.headers.get('Location') ?? '';
    await this.pc.setRemoteDescription({ type: 'answer', sdp: body });
    this.#watchTransports();
  }

  send(data: string | ArrayBuffer): void {
    if (typeof data === 'string') this.channel.send(data);
    else this.channel.send(data);
  }

  /** The browser's own close. It fires no events on the connection, so the states are read. */
  close(): void {
    this.pc.close();
    this.#readStates();
  }

  #watchConnection(): void {
    const { pc } = this;
    pc.onconnectionstatechange = () => this.#changed('connection', pc.connectionState);
    pc.oniceconnectionstatechange = () => this.#changed('ICE', pc.iceConnectionState);
    pc.ontrack = ({ track, streams }) => {
      this.#watchTrack(track);
      if (track.kind === 'video') this.#events.stream(streams[0] ?? new MediaStream([track]));
    };
  }

  #watchTrack(track: MediaStreamTrack): void {
    const name = track.kind;
    this.#events.notice(`${name} track`, '');
    this.#events.state(name, track.muted ? 'muted' : 'live');
    track.onmute = () => this.#changed(name, 'muted');
    track.onunmute = () => this.#changed(name, 'live');
    track.onended = () => this.#changed(name, 'ended');
  }

  #watchChannel(): void {
    const { channel } = this;
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => this.#changed('channel', 'open');
    channel.onclosing = () => this.#changed('channel', 'closing');
    channel.onclose = () => this.#changed('channel', 'closed');
    channel.onmessage = ({ data }) => this.#events.message(data);
    channel.onerror = ({ error }) => {
      const cause = error.sctpCauseCode === null ? '' : `, SCTP cause ${error.sctpCauseCode}`;
      this.#events.notice(`channel error: “${error.message}” (${error.errorDetail}${cause})`, 'end');
    };
  }

  #watchTransports(): void {
    const { sctp } = this.pc;
    if (sctp !== null) this.#watchState('SCTP', sctp);
    for (const end of [sctp, ...this.pc.getReceivers()]) if (end?.transport) this.#watchState('DTLS', end.transport);
  }

  #watchState(name: string, transport: EventTarget & { readonly state: string }): void {
    if (this.#watched.has(transport)) return;
    this.#watched.add(transport);
    transport.addEventListener('statechange', () => this.#changed(name, transport.state));
    if (transport.state !== 'new') this.#changed(name, transport.state);
  }

  #changed(name: string, state: string): void {
    this.#events.state(name, state);
    const sign = /^(?:closed|closing|failed|disconnected|ended|muted)$/.test(state);
    this.#events.notice(`${name} ${state}`, sign ? 'end' : '');
  }

  #readStates(): void {
    const { pc } = this;
    this.#events.state('connection', pc.connectionState);
    this.#events.state('ICE', pc.iceConnectionState);
    this.#events.state('channel', this.channel.readyState);
    if (pc.sctp) this.#events.state('SCTP', pc.sctp.state);
    if (pc.sctp) this.#events.state('DTLS', pc.sctp.transport.state);
    for (const { track } of pc.getReceivers()) if (track.readyState === 'ended') this.#events.state(track.kind, 'ended');
  }
}

/** Candidates of the machine itself are there within milliseconds; what takes longer is not needed to reach this server. */
function gathered(pc: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (pc.iceGatheringState === 'complete') resolve();
    };
    pc.addEventListener('icegatheringstatechange', check);
    setTimeout(resolve, 500);
    check();
  });
}
