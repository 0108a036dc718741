import type { FeedEntry } from '../feed.ts';
import { duration, now } from './clock.ts';

export type Ending = 'server-closes' | 'page-closes' | 'server-dies' | 'unasked';

/** How long after the server's own sign the browser's may come to count for the same ending, in milliseconds. */
const TICK = 100;

/** One sentence or two on the last ending: who noticed what, and after how long. */
export class Verdict {
  readonly #element: HTMLElement;
  #ending: Ending | undefined;
  #begin = 0;
  #noticed = '';
  #heard = '';
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  begin(ending: Ending, at: number): void {
    this.clear();
    this.#ending = ending;
    this.#begin = at;
    this.#timer = setInterval(() => this.#render(), TICK);
    this.#render();
  }

  clear(): void {
    clearInterval(this.#timer);
    this.#ending = undefined;
    this.#noticed = '';
    this.#heard = '';
    this.#element.replaceChildren();
    this.#element.classList.remove('waiting');
  }

  /** A sign, in the browser, that the other side is gone. */
  pageNoticed(at: number, text: string): void {
    if (this.#ending === undefined) this.begin('unasked', at);
    if (this.#noticed !== '' || this.#ending === 'page-closes') return;
    this.#noticed = `Your browser noticed after ${duration(at - this.#begin)}: ${text}.`;
    this.#render();
  }

  serverSaid(at: number, entry: FeedEntry): void {
    if (this.#ending === undefined || at < this.#begin) return;
    if (this.#ending === 'page-closes') {
      if (this.#noticed === '' && entry.kind === 'note')
        this.#noticed = `The server noticed after ${duration(at - this.#begin)}: ${entry.text}.`;
    } else if (entry.kind === 'closed') {
      const { heard, durationMs } = entry.report;
      this.#heard = heard === 'nothing' ? 'Nobody answered the server.' : `The server heard ${heard} after ${duration(durationMs)}.`;
    }
    this.#render();
  }

  #render(): void {
    if (this.#ending === undefined) return;
    const waiting = this.#noticed === '';
    this.#element.classList.toggle('waiting', waiting);
    const waited = duration(Math.max(0, now() - this.#begin)).replace(/\.\d ms/, ' ms');
    const who = this.#ending === 'page-closes' ? 'The server' : 'Your browser';
    this.#element.textContent = waiting ? `${who} has noticed nothing for ${waited}.` : `${this.#noticed} ${this.#heard}`;
    if (!waiting) clearInterval(this.#timer);
  }
}
