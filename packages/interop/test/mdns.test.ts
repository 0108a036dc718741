import { expect, test } from '@jest/globals';
import { NodeRuntime } from '@petrel/node-runtime';
import { describeBrowser } from './describe-browsers.ts';

// Firefox gives names too, but a headless one on Debian does not listen on port 5353, so nobody can resolve them.
describeBrowser('chromium', 'names in place of addresses', (browser) => {
  test('RFC 6762, draft-ietf-mmusic-mdns-ice-candidates §3.2: its .local names resolve to addresses of this machine', async () => {
    const names = await browser.page.evaluate(async () => {
      const pc = new RTCPeerConnection();
      // The names are answered for as long as the connection lives.
      (globalThis as unknown as { keep: RTCPeerConnection }).keep = pc;
      pc.createDataChannel('');
      const lines: string[] = [];
      const complete = new Promise<void>((resolve) => {
        pc.onicecandidate = ({ candidate }) => (candidate === null ? resolve() : void lines.push(candidate.candidate));
      });
      await pc.setLocalDescription();
      await complete;
      return [...new Set(lines.map((line) => line.split(' ')[4] ?? '').filter((address) => address.endsWith('.local')))];
    });
    expect(names.length).toBeGreaterThan(0);
    const runtime = new NodeRuntime();
    const own = runtime.networkInterfaces().map(({ address }) => address);
    for (const hostname of names) {
      const addresses = await runtime.resolve(hostname);
      expect(addresses.length).toBeGreaterThan(0);
      for (const address of addresses) expect(own).toContain(address);
    }
    expect(runtime.openHandles()).toEqual([]);
  }, 30_000);
});
