/** Connections that have begun to gather and are not closed: those that there is somebody to say goodbye for when the process ends. */
import type { RTCPeerConnection } from './rtc-peer-connection.ts';

/** Changes with every gathering and every close. */
export const openConnections: Set<RTCPeerConnection> = new Set();
