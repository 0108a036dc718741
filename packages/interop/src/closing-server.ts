/**
 * A server for one connection, run as a process of its own by browser-close.test.ts: an offer on standard input, an answer on standard
 * output. It closes when its channel has been open for a moment. Then nothing may keep the process alive.
 */
import { RTCPeerConnection, RtpSource } from 'petrel';

const pc = new RTCPeerConnection({ autoClose: true });
const video = new RtpSource('video', { mimeType: 'video/VP8' });
pc.addTrack(video.track);
pc.ondatachannel = ({ channel }) => {
  channel.onopen = () => setTimeout(() => pc.close({ reason: 'the server has said all it had to say' }), 200);
};

await pc.setRemoteDescription({ type: 'offer', sdp: Buffer.concat(await process.stdin.toArray()).toString() });
await pc.setLocalDescription();
await pc.iceGatheringComplete;
print('answer', pc.localDescription?.sdp);

// A closed connection does not hold the process: whoever wants to hear of its end has to.
const hold = setInterval(() => {}, 1000);
const report = await pc.closed;
await new Promise((resolve) => setTimeout(resolve, 20)); // the last events are on their way
clearInterval(hold);
// The socket stays a moment for a last refusal of consent, without holding the process; standard input and output are not ours.
const resources = process.getActiveResourcesInfo().filter((name) => !/^(?:Pipe|TTY|FSReq)/.test(name));
print('closed', JSON.stringify({ report, resources, handles: pc.openHandles() }));

function print(name: string, value: unknown): void {
  process.stdout.write(`${name} ${JSON.stringify(value)}\n`);
}
