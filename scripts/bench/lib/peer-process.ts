/** Two processes that connect to each other over loopback: the parent passes their descriptions on, each measures its own CPU time. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RTCPeerConnection } from 'petrel';

/** Starts `name.worker.mjs` beside the running benchmark. */
export function startPeer(name: string, ...args: string[]): ChildProcess {
  return fork(join(dirname(fileURLToPath(import.meta.url)), `${name}.worker.mjs`), args, { serialization: 'advanced' });
}

/** Passes everything that has a `to` of 'peer' from one process to the other. */
export function introduce(a: ChildProcess, b: ChildProcess): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('message', (message: { to?: string }) => {
      if (message.to === 'peer') to.send(message);
    });
  }
}

/** The next message of this type from the process. */
export async function nextMessage<Message extends { type: string }>(peer: ChildProcess, type: Message['type']): Promise<Message> {
  for (;;) {
    const [message] = (await once(peer, 'message')) as [Message];
    if (message.type === type) return message;
  }
}

interface Signal {
  readonly connection: number;
  readonly description?: RTCSessionDescriptionInit;
  readonly candidate?: RTCIceCandidateInit | null;
}

/** Signals that came before their connection was there, and what to do with those that come later. */
const waiting: Signal[] = [];
const receivers = new Map<number, (signal: Signal) => void>();

process.on('message', (signal: Signal) => {
  const receive = receivers.get(signal.connection);
  if (receive) receive(signal);
  else waiting.push(signal);
});

/** Lets go of connections that are joined. */
export function forgetConnections(): void {
  receivers.clear();
}

/** In a worker: joins a peer connection to that with the same number in the other process. `offers` says who begins. */
export async function connectToOtherProcess(pc: RTCPeerConnection, offers: boolean, connection: number = 0): Promise<void> {
  const send = (signal: Omit<Signal, 'connection'>): void => void process.send!({ to: 'peer', connection, ...signal });
  const describe = async (): Promise<void> => {
    // Other stacks need both steps.
    await pc.setLocalDescription(offers ? await pc.createOffer() : await pc.createAnswer());
    const { type, sdp } = pc.localDescription!;
    send({ description: { type, sdp } });
  };
  pc.onicecandidate = ({ candidate }) => {
    if (candidate)
      send({ candidate: { candidate: candidate.candidate, sdpMid: candidate.sdpMid, sdpMLineIndex: candidate.sdpMLineIndex } });
  };
  const answered = new Promise<void>((resolve) => {
    receivers.set(connection, async ({ description, candidate }) => {
      if (candidate !== undefined) return await pc.addIceCandidate(candidate ?? undefined);
      await pc.setRemoteDescription(description!);
      if (!offers) await describe();
      resolve();
    });
  });
  if (offers) await describe();
  for (const signal of waiting.splice(0)) receivers.get(signal.connection)?.(signal);
  await answered;
}

type RTCSessionDescriptionInit = Parameters<RTCPeerConnection['setRemoteDescription']>[0];
type RTCIceCandidateInit = NonNullable<Parameters<RTCPeerConnection['addIceCandidate']>[0]>;
