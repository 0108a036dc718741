import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type RTCConfiguration, RTCPeerConnection, TcpMux, UdpMux } from 'petrel';
import { Coturn, COTURN_CREDENTIALS } from '../src/coturn.ts';
import { type Offerer, Session, until } from '../src/session.ts';
import { describeBrowsers } from './describe-browsers.ts';
import { describeWith } from './describe-with.ts';
import { ownAddress } from './own-address.ts';

const OFFERERS: readonly Offerer[] = ['the browser offers', 'we offer'];

describeBrowsers('relays, a mux, TCP', (browser) => {
  let session: Session | undefined;
  afterEach(() => session?.end());

  async function connect(
    configuration: RTCConfiguration,
    offerer: Offerer,
    options: object = {},
    relay?: Session['relay'],
  ): Promise<Session> {
    session = new Session(browser.page, new RTCPeerConnection({ autoClose: true, ...configuration }));
    session.relay = relay;
    await session.connect(offerer, { channel: true, ...options });
    session.channel!.onmessage = ({ data }) => session!.channel!.send(data);
    if (offerer === 'the browser offers') expect(await browser.page.evaluate(() => peer.echo([1, 5000, 60_000], 'binary'))).toEqual([]);
    return session;
  }

  describeWith('coturn', 'relay-only on both sides', (turnserver) => {
    let coturn: Coturn;
    beforeAll(async () => {
      coturn = await Coturn.start(turnserver, { address: ownAddress() });
    }, 20_000);
    afterAll(() => coturn?.stop());

    for (const transport of ['udp', 'tcp'] as const)
      test.each(OFFERERS)(
        `T01: over ${transport}: %s`,
        async (offerer) => {
          const iceServers = [{ urls: `turn:${coturn.address}:${coturn.port}?transport=${transport}`, ...COTURN_CREDENTIALS }];
          const { pc } = await connect({ iceServers, iceTransportPolicy: 'relay' }, offerer, { iceServers, relayOnly: true });
          const { local, remote } = pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
          expect([local.type, local.relayProtocol, remote.type]).toEqual(['relay', transport, 'relay']);
        },
        30_000,
      );
  });

  test.each(OFFERERS)(
    'behind a mux, an ICE restart included: %s',
    async (offerer) => {
      const udpMux = await UdpMux.listen({ interfaceFilter: ({ address }) => address === ownAddress() });
      const { pc } = await connect({ udpMux }, offerer);
      const { iceTransport } = pc.sctp!.transport;
      expect(iceTransport.getSelectedCandidatePair()!.local.port).toBe(udpMux.port);
      const before = iceTransport.getLocalParameters()!.usernameFragment;
      pc.restartIce();
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      const sdp = await browser.page.evaluate((offer) => peer.answer(offer), pc.localDescription!.sdp);
      await pc.setRemoteDescription({ type: 'answer', sdp });
      expect(iceTransport.getLocalParameters()!.usernameFragment).not.toBe(before);
      await until(
        () => udpMux.size,
        ({ fragments, paths }) => fragments === 2 && paths > 0,
      );
      if (offerer === 'the browser offers') expect(await browser.page.evaluate(() => peer.echo([1, 5000], 'binary'))).toEqual([]);
      pc.close({ linger: 0 });
      await until(
        () => udpMux.size.transports,
        (count) => count === 0,
      );
      udpMux.close();
    },
    30_000,
  );

  // Firefox has ICE-TCP switched off.
  if (browser.name === 'chromium')
    test.each(OFFERERS)(
      'nothing but TCP: the browser connects to our passive candidate (RFC 6544): %s',
      async (offerer) => {
        const tcpMux = await TcpMux.listen({ interfaceFilter: ({ address }) => address === ownAddress() });
        const { pc } = await connect({ tcpMux }, offerer, {}, { forUs: withoutUdp, forBrowser: withoutUdp });
        const { local, remote } = pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
        expect([local.protocol, local.tcpType, local.port, remote.tcpType]).toEqual(['tcp', 'passive', tcpMux.port, 'active']);
        tcpMux.close();
      },
      30_000,
    );
});

function withoutUdp(sdp: string): string {
  return sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, '');
}
