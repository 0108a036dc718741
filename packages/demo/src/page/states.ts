/** Chips with the present state of everything that has one. */
export class States {
  readonly #list: HTMLUListElement;
  readonly #items = new Map<string, HTMLLIElement>();

  constructor(list: HTMLUListElement, names: readonly string[]) {
    this.#list = list;
    for (const name of names) this.set(name, '');
  }

  set(name: string, state: string): void {
    let item = this.#items.get(name);
    if (item === undefined) {
      item = document.createElement('li');
      this.#items.set(name, item);
      this.#list.append(item);
    }
    const value = document.createElement('b');
    value.textContent = state || '–';
    item.replaceChildren(`${name} `, value);
    item.className = color(state);
  }

  clear(): void {
    for (const name of this.#items.keys()) this.set(name, '');
  }
}

function color(state: string): string {
  if (/^(?:connected|completed|open|live)$/.test(state)) return 'good';
  if (/^(?:new|checking|connecting|closing|muted|disconnected)$/.test(state)) return 'busy';
  return state === '' ? '' : 'bad';
}
