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

/** In a worker: a peer connection whose other end is in the other process. `offer` says who begins. */
export async function connectToOtherProcess(pc: RTCPeerConnection, offers: boolean): Promise<void> {
  const send = (message: object): void => void process.send!({ to: 'peer', ...message });
  pc.onicecandidate = ({ candidate }) => send({ type: 'candidate', candidate: candidate?.toJSON() ?? null });
  const answered = new Promise<void>((resolve) => {
    process.on('message', async (message: { type: string; description?: RTCSessionDescriptionInit; candidate?: RTCIceCandidateInit | null }) => {
      if (message.type === 'candidate') await pc.addIceCandidate(message.candidate ?? undefined);
      if (message.type !== 'description') return;
      await pc.setRemoteDescription(message.description!);
      if (!offers) {
        await pc.setLocalDescription();
        send({ type: 'description', description: { type: 'answer', sdp: pc.localDescription!.sdp } });
      }
      resolve();
    });
  });
  if (offers) {
    await pc.setLocalDescription();
    send({ type: 'description', description: { type: 'offer', sdp: pc.localDescription!.sdp } });
  }
  await answered;
}

type RTCSessionDescriptionInit = Parameters<RTCPeerConnection['setRemoteDescription']>[0];
type RTCIceCandidateInit = NonNullable<Parameters<RTCPeerConnection['addIceCandidate']>[0]>;
