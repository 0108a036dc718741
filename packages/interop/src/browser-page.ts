import type { ServerResponse } from 'node:http';

const ANSWER_TIME = 30_000;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Runs functions elsewhere. The function's text is sent: it can use its argument and what is global there, but nothing that lies around it here. */
export interface Page {
  evaluate<Result>(run: () => Result | Promise<Result>): Promise<Result>;
  evaluate<Argument, Result>(run: (argument: Argument) => Result | Promise<Result>, argument: Argument): Promise<Result>;
}

/** One tab. Its half of the conversation is page-commands.ts. */
export class BrowserPage implements Page {
  readonly #pending = new Map<number, Pending>();
  #commands: ServerResponse | undefined;
  #onAttached: (() => void) | undefined;
  #nextId = 0;

  /**
   * Runs a function in the page and gives back what it returns, or what its promise resolves to. The function's text is sent, so it
   * can use its argument, and what the page has, but nothing that lies around it here. Everything goes through JSON.
   */
  async evaluate<Result>(run: () => Result | Promise<Result>): Promise<Result>;
  async evaluate<Argument, Result>(run: (argument: Argument) => Result | Promise<Result>, argument: Argument): Promise<Result>;
  async evaluate(run: (argument: unknown) => unknown, argument?: unknown): Promise<unknown> {
    const id = this.#nextId++;
    if (this.#commands === undefined) throw new Error('the page is not there');
    this.#commands.write(`data: ${JSON.stringify({ id, source: run.toString(), argument })}\n\n`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#settle(id)?.reject(new Error(`the page has not answered: ${run.toString().slice(0, 200)}`)),
        ANSWER_TIME,
      );
      this.#pending.set(id, {
        resolve: (value) => (clearTimeout(timer), resolve(value)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
    });
  }

  /** Resolves when the page listens. */
  async ready(patience: number): Promise<void> {
    if (this.#commands !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no page after ${patience} ms`)), patience);
      this.#onAttached = () => (clearTimeout(timer), resolve());
    });
  }

  /** For the browser's HTTP server: the page asks for commands. */
  attach(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }).flushHeaders();
    this.#commands = response;
    this.#onAttached?.();
    response.on('close', () => {
      if (this.#commands === response) this.#commands = undefined;
      for (const id of this.#pending.keys()) this.#settle(id)?.reject(new Error('the page is gone'));
    });
  }

  /** For the browser's HTTP server: the result of a command. */
  result(json: string): void {
    const { id, value, error }: { id: number; value?: unknown; error?: string } = JSON.parse(json);
    const pending = this.#settle(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new Error(`in the page: ${error}`));
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}
