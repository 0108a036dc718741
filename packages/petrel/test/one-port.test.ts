import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from '@jest/globals';
import { type RTCConfiguration, RTCPeerConnection, type RTCDataChannel } from 'petrel';

const EXAMPLE = join(__dirname, '../../../docs/examples/one-port.mjs');
let server: ChildProcess | undefined;
afterEach(() => void server?.kill('SIGKILL'));

/** The example as a user starts it, with what `npm run build` has made. */
async function start(): Promise<{ http: number; media: number }> {
  server = spawn(process.execPath, [EXAMPLE], { env: { ...process.env, PORT: '0', HTTP_PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
  return JSON.parse(line) as { http: number; media: number };
}

async function connect(
  http: number,
  configuration: RTCConfiguration,
  change: (sdp: string) => string = (sdp) => sdp,
): Promise<{ pc: RTCPeerConnection; channel: RTCDataChannel }> {
  const pc = new RTCPeerConnection({ autoClose: true, ...configuration });
  const channel = pc.createDataChannel('echo');
  await pc.setLocalDescription();
  await pc.iceGatheringComplete;
  const response = await fetch(`http://127.0.0.1:${http}/`, { method: 'POST', body: change(pc.localDescription!.sdp) });
  await pc.setRemoteDescription({ type: 'answer', sdp: change(await response.text()) });
  if (channel.readyState !== 'open') await new Promise((resolve) => channel.addEventListener('open', resolve));
  return { pc, channel };
}

async function echo(channel: RTCDataChannel, text: string): Promise<unknown> {
  const echoed = new Promise((resolve) => (channel.onmessage = ({ data }) => resolve(data)));
  channel.send(text);
  return echoed;
}

function withoutUdp(sdp: string): string {
  return sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, '');
}

test('docs/examples/one-port.mjs: several connections behind one port, UDP and TCP; SIGTERM tells the peers, and the process ends', async () => {
  const { http, media } = await start();
  const calls = [await connect(http, {}), await connect(http, {})];
  // Nothing but TCP.
  calls.push(await connect(http, { iceTcp: 'active' }, withoutUdp));
  for (const [index, { pc, channel }] of calls.entries()) {
    expect(await echo(channel, `hello ${index}`)).toBe(`hello ${index}`);
    const { remote } = pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
    expect([remote.protocol, remote.port]).toEqual([index === 2 ? 'tcp' : 'udp', media]);
  }
  const exited = once(server!, 'exit');
  server!.kill('SIGTERM');
  for (const { pc } of calls) expect(await pc.closed).toMatchObject({ by: 'remote', reason: 'the server restarts' });
  expect(await exited).toEqual([0, null]);
}, 30_000);
