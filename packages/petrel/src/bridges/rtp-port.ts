import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** A UDP socket for plain RTP. A port of 0 is any that is free. Rejects with the operating system's error. */
export async function openRtpPort(port: number, host: string): Promise<Socket> {
  const family = isIPv6(host) ? 6 : 4;
  // All addresses are numeric; with the default look-up, what is sent just before close() would be lost.
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup: (name, _options, callback) => callback(null, name, family) });
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', fail);
    socket.bind(port, host, () => {
      socket.off('error', fail);
      resolve();
    });
  });
  // A destination that is not there yet answers with ICMP: no reason to stop.
  socket.on('error', () => undefined);
  return socket;
}

/** RFC 5761 §4: RTCP, which shares a port with RTP sometimes, is told by its packet type. */
export function isRtcp(packet: Uint8Array): boolean {
  return packet.length >= 8 && packet[0]! >> 6 === 2 && packet[1]! >= 192 && packet[1]! <= 223;
}
