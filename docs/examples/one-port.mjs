// A server whose connections share one port, UDP and TCP: an echo service with its signalling over HTTP. docs/deployment.md explains it.
//
//   PORT=5000 HTTP_PORT=8080 ANNOUNCED_ADDRESS=203.0.113.7 node docs/examples/one-port.mjs
import { createServer } from 'node:http';
import { RTCPeerConnection, TcpMux, UdpMux } from 'petrel';

const { PORT = '5000', HTTP_PORT = '8080', ANNOUNCED_ADDRESS, ANNOUNCED_PORT } = process.env;
const announcedAddress =
  ANNOUNCED_ADDRESS && (() => ({ address: ANNOUNCED_ADDRESS, ...(ANNOUNCED_PORT && { port: Number(ANNOUNCED_PORT) }) }));
const options = { port: Number(PORT), ...(announcedAddress && { announcedAddress }) };
const udpMux = await UdpMux.listen(options);
const tcpMux = await TcpMux.listen({ ...options, port: udpMux.port });
const connections = new Set();

/** The peer has offered, and gets an answer with all our candidates: they are known at once. */
async function answer(offer) {
  const pc = new RTCPeerConnection({ udpMux, tcpMux, autoClose: true });
  connections.add(pc);
  void pc.closed.then(() => connections.delete(pc));
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === 'failed') pc.close();
  };
  pc.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => channel.send(data);
  };
  await pc.setRemoteDescription({ type: 'offer', sdp: offer });
  await pc.setLocalDescription();
  await pc.iceGatheringComplete;
  return pc.localDescription.sdp;
}

const http = createServer(async (request, response) => {
  try {
    if (request.method === 'GET') return response.end(`${connections.size} connections\n`); // for readiness probes
    const parts = [];
    for await (const part of request) parts.push(part);
    response.setHeader('Content-Type', 'application/sdp').end(await answer(Buffer.concat(parts).toString()));
  } catch (error) {
    response.writeHead(400).end(`${error.message}\n`);
  }
});
http.listen(Number(HTTP_PORT), () => console.log(JSON.stringify({ http: http.address().port, media: udpMux.port, on: udpMux.addresses })));

/** Every peer is told, so that it can come back to another server at once. */
process.once('SIGTERM', async () => {
  http.close();
  http.closeAllConnections();
  for (const pc of connections) pc.close({ reason: 'the server restarts' });
  await Promise.all([...connections].map(({ closed }) => closed));
  udpMux.close();
  tcpMux.close();
});
