import { afterAll, beforeAll } from '@jest/globals';
import { Browser, type BrowserName } from '../src/browser.ts';
import type { BrowserPage } from '../src/browser-page.ts';
import { describeWith } from './describe-with.ts';

/** The browser of a `describe`: it is there as soon as tests run. */
export interface TestBrowser extends Pick<Browser, 'page' | 'openPage'> {
  readonly name: BrowserName;
}

/**
 * The same tests with each browser. One that is missing is reported, as {@link describeWith} does.
 *
 * @example
 * describeBrowsers('the close', (browser) => {
 *   test('…', async () => void (await browser.page.evaluate(() => peer.event('dtls closed'))));
 * });
 */
export function describeBrowsers(title: string, body: (browser: TestBrowser) => void): void {
  for (const name of ['chromium', 'firefox'] as const) describeBrowser(name, title, body);
}

/** A `describe` with one browser, which is started before its tests and ended after whatever `body` does behind them. */
export function describeBrowser(name: BrowserName, title: string, body: (browser: TestBrowser) => void): void {
  describeWith(name, `${name}: ${title}`, () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await Browser.launch(name);
    }, 60_000);
    body({
      name,
      get page(): BrowserPage {
        return browser.page;
      },
      openPage: () => browser.openPage(),
    });
    afterAll(() => browser?.close());
  });
}
