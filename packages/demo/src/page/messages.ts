import { duration } from './clock.ts';

const LIMIT = 100;

/** The data channel's console: what was sent, and the echo with the time it took. */
export class Messages {
  readonly #list: HTMLOListElement;
  readonly #sent: number[] = [];

  constructor(list: HTMLOListElement) {
    this.#list = list;
  }

  sent(data: string | ArrayBuffer): void {
    this.#sent.push(performance.now());
    this.#add('sent', summary(data));
  }

  received(data: string | ArrayBuffer): void {
    const sent = this.#sent.shift();
    this.#add('received', summary(data), sent === undefined ? '' : duration(performance.now() - sent));
  }

  clear(): void {
    this.#sent.length = 0;
    this.#list.replaceChildren();
  }

  #add(className: string, text: string, time = ''): void {
    const item = document.createElement('li');
    item.className = className;
    const stamp = document.createElement('time');
    stamp.textContent = time;
    item.append(text, stamp);
    this.#list.append(item);
    while (this.#list.childElementCount > LIMIT) this.#list.firstElementChild?.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function summary(data: string | ArrayBuffer): string {
  if (typeof data !== 'string') return `${data.byteLength.toLocaleString('en')} bytes`;
  return data.length > 200 ? `${data.slice(0, 60)}… (${data.length} characters)` : data;
}
