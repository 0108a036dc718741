import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type RTCConfiguration, type RTCDataChannel, type RTCIceServer, RTCPeerConnection } from 'petrel';
import { Coturn, COTURN_CREDENTIALS } from '../src/coturn.ts';
import { findPeer, installCommand } from '../src/peers.ts';
import { until } from '../src/session.ts';
import { StackPeer, type StackPeerOptions } from '../src/stack-peer.ts';
import { describeWith } from './describe-with.ts';
import { ownAddress } from './own-address.ts';

type Name = Parameters<typeof StackPeer.start>[0];
type Offerer = 'we offer' | 'the peer offers';
const OFFERERS: readonly Offerer[] = ['we offer', 'the peer offers'];

/** What the stacks can do besides. */
const ABILITIES: Record<Name, { readonly restart: boolean; readonly relayOnly: readonly ('udp' | 'tcp')[] }> = {
  // aioice has no transport policy, and neither has an ICE restart.
  aiortc: { restart: false, relayOnly: [] },
  wrtc: { restart: true, relayOnly: ['udp', 'tcp'] },
  // libjuice reaches TURN servers over UDP only.
  'node-datachannel': { restart: false, relayOnly: ['udp'] },
};

/** One of our connections with another stack. */
class Call {
  readonly pc: RTCPeerConnection;
  readonly #peer: StackPeer;
  #channel: RTCDataChannel | undefined;

  constructor(peer: StackPeer, configuration: RTCConfiguration) {
    this.#peer = peer;
    this.pc = new RTCPeerConnection(configuration);
    this.pc.ondatachannel = ({ channel }) => void (channel.onmessage = ({ data }) => channel.send(data));
  }

  /** Who offers makes the channel. */
  async connect(offerer: Offerer, options: StackPeerOptions = {}): Promise<void> {
    await this.#peer.create({ ...options, channel: offerer === 'the peer offers' });
    if (offerer === 'we offer') this.#channel = this.pc.createDataChannel('test');
    await this.negotiate(offerer);
  }

  async negotiate(offerer: Offerer, iceRestart = false): Promise<void> {
    const { pc } = this;
    if (offerer === 'we offer') {
      if (iceRestart) pc.restartIce();
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await pc.setRemoteDescription({ type: 'answer', sdp: await this.#peer.answer(pc.localDescription!.sdp) });
    } else {
      await pc.setRemoteDescription({ type: 'offer', sdp: await this.#peer.offer(iceRestart) });
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await this.#peer.accept(pc.localDescription!.sdp);
    }
  }

  /** Messages over the channel and back. */
  async echo(count = 50): Promise<boolean> {
    const channel = this.#channel;
    if (channel === undefined) return this.#peer.echo(count);
    if (channel.readyState !== 'open') await new Promise((resolve) => channel.addEventListener('open', resolve));
    const sent = Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(index * 50)}`);
    const received: unknown[] = [];
    const done = new Promise<void>((resolve) => {
      channel.onmessage = ({ data }) => received.push(data) === count && resolve();
    });
    for (const text of sent) channel.send(text);
    await done;
    return received.every((text, index) => text === sent[index]);
  }

  get pair(): { readonly local: string | null; readonly remote: string | null; readonly relayProtocol: string | null } {
    const pair = this.pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
    return { local: pair.local.type, remote: pair.remote.type, relayProtocol: pair.local.relayProtocol };
  }

  /** Whether data goes between what the descriptions in force say, and not over a pair from before a restart, whose ports the peer has left. */
  get usesCurrentPorts(): boolean {
    const { local, remote } = this.pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
    const isIn = ({ address, port }: typeof local, sdp: string): boolean => sdp.includes(` ${address} ${port} typ `);
    return isIn(local, this.pc.localDescription!.sdp) && isIn(remote, this.pc.remoteDescription!.sdp);
  }

  get fragment(): string {
    return /a=ice-ufrag:(\S+)/.exec(this.pc.localDescription!.sdp)![1]!;
  }
}

const turnserver = findPeer('coturn');
let coturn: Coturn | undefined;
beforeAll(async () => {
  if (turnserver !== undefined) coturn = await Coturn.start(turnserver, { address: ownAddress() });
}, 20_000);
afterAll(() => coturn?.stop());

function turnServer(transport: 'udp' | 'tcp'): RTCIceServer {
  return { urls: `turn:${coturn!.address}:${coturn!.port}?transport=${transport}`, ...COTURN_CREDENTIALS };
}

for (const name of Object.keys(ABILITIES) as Name[])
  describeWith(name, name, (command) => {
    const { restart, relayOnly } = ABILITIES[name];
    let peer: StackPeer;
    let call: Call | undefined;
    beforeAll(async () => {
      peer = await StackPeer.start(name, command);
    }, 30_000);
    afterEach(() => call?.pc.close({ linger: 0 }));
    afterAll(() => peer?.stop());

    test.each(OFFERERS)(
      'connects, and messages come back: %s',
      async (offerer) => {
        call = new Call(peer, {});
        await call.connect(offerer);
        expect(await call.echo()).toBe(true);
        expect(call.pc.connectionState).toBe('connected');
      },
      30_000,
    );

    if (restart)
      test.each(OFFERERS)(
        'I14: ICE restart, nothing is lost: %s',
        async (offerer) => {
          call = new Call(peer, {});
          await call.connect(offerer);
          expect(await call.echo()).toBe(true);
          for (const next of OFFERERS) {
            const before = call.fragment;
            await call.negotiate(next, true);
            expect(call.fragment).not.toBe(before);
            // The peer’s ports are new ones each time; libwebrtc answers checks to them once it has our candidates.
            await until(
              () => call!.usesCurrentPorts,
              (uses) => uses,
            );
            expect(await call.echo()).toBe(true);
          }
          expect(call.pc.connectionState).toBe('connected');
        },
        30_000,
      );

    const describeRelayed = turnserver === undefined ? describe.skip : describe;
    describeRelayed(
      turnserver === undefined ? `through a relay [coturn is missing: ${installCommand('coturn')}]` : 'through a relay',
      () => {
        test.each([
          ['udp', 'we offer'],
          ['tcp', 'the peer offers'],
        ] as const)(
          'T01: ours, over %s: %s',
          async (transport, offerer) => {
            call = new Call(peer, { iceServers: [turnServer(transport)], iceTransportPolicy: 'relay' });
            await call.connect(offerer);
            expect(await call.echo()).toBe(true);
            expect(call.pair).toMatchObject({ local: 'relay', relayProtocol: transport });
          },
          30_000,
        );

        for (const [index, transport] of relayOnly.entries())
          test(`T01: both sides, over ${transport}: ${OFFERERS[index]}`, async () => {
            call = new Call(peer, { iceServers: [turnServer(transport)], iceTransportPolicy: 'relay' });
            await call.connect(OFFERERS[index]!, { iceServers: [turnServer(transport)], relayOnly: true });
            expect(await call.echo()).toBe(true);
            expect(call.pair).toEqual({ local: 'relay', remote: 'relay', relayProtocol: transport });
          }, 30_000);
      },
    );
  });
