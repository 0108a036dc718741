/** What Node's `console.log` shows of an object whose attributes are getters of its prototype. Not in the W3C's API. */

/** The attributes to show, or what to show in place of the object. */
export type Shown<T extends object> = readonly (keyof T & string)[] | ((object: T) => unknown);

/** Node looks this up, wherever its `util.inspect` is. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

export function defineInspection<T extends object>(
  prototype: T,
  name: string,
  isInstance: (value: object) => boolean,
  shown: Shown<T>,
): void {
  // `depth` is how much deeper it may go; null is for ever.
  const value = function (this: T, depth: number | null, options: object, inspect: (value: unknown, options: object) => string): string {
    // What only has the prototype has no attributes.
    if (!isInstance(this)) return `${name} {}`;
    if (depth !== null && depth < 0) return `[${name}]`;
    const contents = typeof shown === 'function' ? shown(this) : Object.fromEntries(shown.map((attribute) => [attribute, this[attribute]]));
    return `${name} ${inspect(contents, { ...options, depth })}`;
  };
  Object.defineProperty(prototype, INSPECT, { value, writable: true, configurable: true });
}
