import { describeEnd } from '../ladder.ts';
import type { FeedEntry } from '../feed.ts';

/** The page's column, the wire's column, or a line across both, from which times are counted. */
export type RowKind = 'page' | 'wire' | 'note' | 'mark';

interface Row {
  readonly at: number;
  readonly kind: RowKind;
  readonly element: HTMLLIElement;
}

const LIMIT = 2500;
const SHOWN: readonly [name: string, label: string][] = [
  ['page', 'browser'],
  ['stun', 'STUN'],
  ['dtls', 'DTLS'],
  ['sctp', 'SCTP'],
  ['rtp', 'RTP'],
  ['rtcp', 'RTCP'],
  ['note', 'server'],
];

/**
 * Both sides in order of time: what the browser notices on the left, the packets on the server's wire on the right. Rows may come late
 * (the server's come over the network) and find their place.
 */
export class Timeline {
  readonly #list: HTMLOListElement;
  readonly #follow: HTMLButtonElement;
  readonly #rows: Row[] = [];
  #following = true;
  #lastScrollTop = 0;
  #scrollPending = false;

  constructor(list: HTMLOListElement, follow: HTMLButtonElement, filters: HTMLElement) {
    this.#list = list;
    this.#follow = follow;
    list.addEventListener('scroll', () => this.#scrolled());
    follow.addEventListener('click', () => this.#scrollDown(true));
    filters.append(...SHOWN.map(([name, label]) => this.#filter(name, label)));
  }

  mark(at: number, text: string): void {
    this.#insert(at, 'mark', [span(text)], 'mark');
  }

  page(at: number, text: string, style: '' | 'soft' | 'end' = ''): void {
    this.#insert(at, 'page', [span(text)], `page ${style}`);
  }

  server(at: number, entry: FeedEntry): void {
    if (entry.kind === 'note') return this.#insert(at, 'note', [span(entry.text)], 'note');
    if (entry.kind !== 'packet') return this.#insert(at, 'note', [span(describeEnd(entry))], 'note report');
    const { direction, layer, summary } = entry;
    const label = document.createElement('i');
    label.textContent = direction === 'out' ? `◀─ ${layer}` : `─▶ ${layer}`;
    label.title = `${direction === 'out' ? 'from the server' : 'to the server'}, ${entry.bytes} bytes`;
    const cell = span(summary);
    cell.prepend(label);
    const goodbye = /\bBYE\b|\bABORT\b|\bAlert\b/.test(summary) ? 'goodbye' : '';
    const media = layer === 'rtp' || layer === 'rtcp' ? 'media' : '';
    this.#insert(at, 'wire', [cell], `wire ${layer} ${goodbye || media}`);
  }

  #insert(at: number, kind: RowKind, cells: readonly HTMLElement[], className: string): void {
    let index = this.#rows.length;
    while (index > 0 && (this.#rows[index - 1]?.at ?? 0) > at) index--;
    const element = document.createElement('li');
    element.className = className.trim();
    element.append(timeOf(kind === 'mark' ? 0 : at - this.#markBefore(index)), ...cells);
    this.#list.insertBefore(element, this.#rows[index]?.element ?? null);
    this.#rows.splice(index, 0, { at, kind, element });
    while (this.#rows.length > LIMIT) this.#rows.shift()?.element.remove();
    this.#scrollSoon();
  }

  #markBefore(index: number): number {
    for (let i = index - 1; i >= 0; i--) if (this.#rows[i]?.kind === 'mark') return this.#rows[i]?.at ?? 0;
    return this.#rows[0]?.at ?? 0;
  }

  /** One scroll per frame, however many rows came. */
  #scrollSoon(): void {
    if (this.#scrollPending) return;
    this.#scrollPending = true;
    requestAnimationFrame(() => {
      this.#scrollPending = false;
      this.#scrollDown(this.#following);
    });
  }

  #scrollDown(follow: boolean): void {
    this.#following = follow;
    this.#follow.hidden = follow;
    if (follow) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Only somebody who scrolls up wants to stay; new rows scroll nothing by themselves. */
  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    if (scrollTop < this.#lastScrollTop) this.#following = false;
    if (scrollHeight - scrollTop - clientHeight < 40) this.#following = true;
    this.#lastScrollTop = scrollTop;
    this.#follow.hidden = this.#following;
  }

  #filter(name: string, label: string): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = `chip ${name}`;
    button.textContent = label;
    button.ariaPressed = 'true';
    button.addEventListener('click', () => {
      const hidden = this.#list.classList.toggle(`hide-${name}`);
      button.ariaPressed = String(!hidden);
      this.#scrollSoon();
    });
    return button;
  }
}

function timeOf(ms: number): HTMLTimeElement {
  const element = document.createElement('time');
  element.textContent = ms < 0 ? ms.toFixed(1) : ms.toFixed(1).replace(/\B(?=(?:\d{3})+\.)/, '\u2009');
  return element;
}

function span(text: string): HTMLSpanElement {
  const element = document.createElement('span');
  element.textContent = text;
  return element;
}
