/**
 * Ends a page's connection together with its server's, and the server's with the page. Browsers leave the connection
 * "connected" when the other side has said goodbye, and say nothing themselves when a tab is closed.
 *
 * @param channels whose `error` event carries the reason that the other side gave.
 * @param onclosed called once when the other side has closed: `pc` is closed then too, and its tracks have ended.
 * @example
 * const channel = pc.createDataChannel('console');
 * closeWithPeer(pc, [channel], (reason) => status.textContent = `The server has closed: ${reason}`);
 */
export function closeWithPeer(pc: RTCPeerConnection, channels: readonly RTCDataChannel[], onclosed?: (reason: string) => void): void {
  let reason = '';
  function check(this: RTCDtlsTransport): void {
    if (this.state !== 'closed' || pc.signalingState === 'closed') return;
    pc.close();
    onclosed?.(reason);
  }
  for (const channel of channels) channel.addEventListener('error', ({ error }) => (reason ||= error.message));
  pc.addEventListener('connectionstatechange', () => {
    // Before, transports that BUNDLE has made superfluous close.
    if (pc.connectionState !== 'connected') return;
    for (const end of [...pc.getReceivers(), ...pc.getSenders(), pc.sctp]) end?.transport?.addEventListener('statechange', check);
  });
  addEventListener('pagehide', () => pc.close(), { once: true });
}
