/**
 * Web IDL in TypeScript: conversions of ECMAScript values to IDL types, with the exceptions that the standard
 * prescribes (https://webidl.spec.whatwg.org/#es-type-mapping), and the shape of interface objects (§3.7).
 */
import { defineInspection, type Shown } from './inspection.ts';

/** Converts what the application passed; `context` begins the message of the TypeError. */
export type Converter<T> = (value: unknown, context: string) => T;

/** The key to constructors that the W3C does not make public. It never leaves this package. */
export const INTERNAL: unique symbol = Symbol('petrel internal');

/** @throws TypeError 'Illegal constructor' unless the caller is this package. */
export function requireInternal(token: unknown): void {
  if (token !== INTERNAL) throw new TypeError('Illegal constructor');
}

/** @throws TypeError when fewer arguments were passed than the operation requires. */
export function requireArguments(count: number, required: number, operation: string): void {
  if (count >= required) return;
  throw new TypeError(`${operation}: ${required} argument${required === 1 ? '' : 's'} required, but only ${count} present`);
}

// ---- primitive types ----

export const boolean: Converter<boolean> = (value) => Boolean(value);

export const any: Converter<unknown> = (value) => value;

export const domString: Converter<string> = (value, context) => {
  if (typeof value === 'symbol') throw new TypeError(`${context}: a symbol cannot be converted to a string`);
  return String(value);
};

/** Replaces lone surrogates by U+FFFD. */
export const usvString: Converter<string> = (value, context) => domString(value, context).replace(LONE_SURROGATE, '\uFFFD');

export const octet: Converter<number> = integer(8, false);
export const unsignedShort: Converter<number> = integer(16, false);
export const unsignedLong: Converter<number> = integer(32, false);
export const long: Converter<number> = integer(32, true);

/** `[EnforceRange]`: TypeError instead of wrapping. */
export const octetInRange: Converter<number> = integerInRange('octet', 0, 0xff);
export const unsignedShortInRange: Converter<number> = integerInRange('unsigned short', 0, 0xffff);
export const unsignedLongInRange: Converter<number> = integerInRange('unsigned long', 0, 0xffff_ffff);
export const unsignedLongLongInRange: Converter<number> = integerInRange('unsigned long long', 0, Number.MAX_SAFE_INTEGER);

export const double: Converter<number> = (value, context) => {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new TypeError(`${context}: expected a finite number, not ${nameOf(value)}`);
  return number;
};

// ---- composed types ----

/** `T?`: null and undefined become null. */
export function nullable<T>(convert: Converter<T>): Converter<T | null> {
  return (value, context) => (value === null || value === undefined ? null : convert(value, context));
}

export function enumeration<T extends string>(name: string, values: readonly T[]): Converter<T> {
  return (value, context) => {
    const string = domString(value, context);
    const found = values.find((candidate) => candidate === string);
    if (found === undefined) throw new TypeError(`${context}: '${string}' is not a valid value of ${name} (${choice(values)})`);
    return found;
  };
}

export function sequence<T>(convert: Converter<T>): Converter<T[]> {
  return (value, context) => {
    if (!isObject(value) || typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] !== 'function')
      throw new TypeError(`${context}: expected an array, not ${nameOf(value)}`);
    return Array.from(value as Iterable<unknown>, (item, index) => convert(item, `${context}[${index}]`));
  };
}

/** `(T or sequence<T>)`, for string types. */
export function oneOrMore(convert: Converter<string>): Converter<string[]> {
  return (value, context) => (isObject(value) && Symbol.iterator in value ? sequence(convert)(value, context) : [convert(value, context)]);
}

export interface Member<T> {
  readonly convert: Converter<T>;
  readonly required?: boolean;
  /** Makes the default value; absent members without one stay absent. */
  readonly fallback?: () => T;
}

export type Members<T extends object> = { readonly [Name in keyof T]-?: Member<Exclude<T[Name], undefined>> };

/** A dictionary type: null and undefined count as empty; members are read in lexicographical order, inherited ones first. */
export function dictionary<T extends Parent, Parent extends object = object>(
  name: string,
  members: Members<Omit<T, keyof Parent>>,
  inherited?: Converter<Parent>,
): Converter<T> {
  const own = Object.entries<Member<unknown>>(members).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return (value, context) => {
    if (value !== undefined && value !== null && !isObject(value))
      throw new TypeError(`${context}: expected an object (${name}), not ${nameOf(value)}`);
    const result: Record<string, unknown> = inherited === undefined ? {} : { ...inherited(value, context) };
    for (const [key, member] of own) {
      const given: unknown = value === undefined || value === null ? undefined : (value as Record<string, unknown>)[key];
      if (given !== undefined) result[key] = member.convert(given, `${context}: ${name}.${key}`);
      else if (member.fallback !== undefined) result[key] = member.fallback();
      else if (member.required === true) throw new TypeError(`${context}: ${name}.${key} is required`);
    }
    return result as T;
  };
}

/** An interface type: an object that the named interface's constructor made, wherever its prototype points now. */
export function interfaceType<T extends object>(name: string): Converter<T> {
  return (value, context) => {
    if (!isInterface<T>(name, value)) throw new TypeError(`${context}: expected ${name} (of this library), not ${nameOf(value)}`);
    return value;
  };
}

export function isInterface<T extends object>(name: string, value: unknown): value is T {
  return isObject(value) && (brands.get(name)?.(value) ?? false);
}

/** A callback function. */
export const callback: Converter<(...parameters: never[]) => unknown> = (value, context) => {
  if (typeof value !== 'function') throw new TypeError(`${context}: expected a function, not ${nameOf(value)}`);
  return value as (...parameters: never[]) => unknown;
};

export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** What a value is, for messages. */
function nameOf(value: unknown): string {
  if (!isObject(value)) return value === null ? 'null' : typeof value;
  const { constructor } = value;
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'an object';
}

/** `'a', 'b' or 'c'` */
function choice(values: readonly string[]): string {
  const quoted = values.map((value) => `'${value}'`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}

/** An operation that returns a promise: whatever its steps throw, a wrong `this` included, rejects it (§3.7.7). */
export function promised<T>(steps: () => Promise<T>): Promise<T> {
  try {
    return steps();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

// ---- interface objects (§3.7) ----

/** An event handler attribute's value (HTML §8.1.8.1). */
export type EventHandler<Target, E extends Event = Event> = ((this: Target, event: E) => unknown) | null;

interface InterfaceOptions<T extends object> {
  readonly name: string;
  /** True for objects that the constructor made: `(value) => #slots in value`. */
  readonly isInstance: (value: object) => boolean;
  /** Types of the events that have an `on…` attribute. */
  readonly handlers?: readonly string[];
  /** What `console.log` shows of it. */
  readonly shown?: Shown<T>;
  readonly prototype: T;
}

const brands = new Map<string, (value: object) => boolean>();

/**
 * Gives a class what Web IDL requires of an interface: enumerable members, a class string, and event handler attributes;
 * and makes it known to {@link interfaceType}.
 */
export function defineInterface<T extends object>(options: InterfaceOptions<T>): void {
  const { name, isInstance, prototype, shown, handlers = [] } = options;
  brands.set(name, isInstance);
  enumerateMembers(prototype);
  enumerateMembers(prototype.constructor);
  // Bundlers rename classes that mention themselves.
  Object.defineProperty(prototype.constructor, 'name', { value: name, configurable: true });
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  for (const type of handlers) defineEventHandler(prototype, type, isInstance);
  if (shown !== undefined) defineInspection(prototype, name, isInstance, shown);
}

const NOT_ATTRIBUTES = new Set(['constructor', 'prototype', 'name', 'length']);

function enumerateMembers(object: object): void {
  for (const key of Object.getOwnPropertyNames(object))
    if (!NOT_ATTRIBUTES.has(key)) Object.defineProperty(object, key, { enumerable: true });
}

interface HandlerSlot {
  value: object;
  readonly listener: (event: Event) => void;
}

const handlerSlots = new WeakMap<EventTarget, Map<string, HandlerSlot>>();

/**
 * HTML §8.1.8.1: the handler keeps its place among the listeners while its value is replaced, and loses it when the value
 * becomes null. Objects that cannot be called are kept and do nothing.
 */
function defineEventHandler(prototype: object, type: string, isInstance: (value: object) => boolean): void {
  const key = `on${type}`;
  const slotsOf = (target: unknown): Map<string, HandlerSlot> => {
    if (!isObject(target) || !isInstance(target)) throw new TypeError('Illegal invocation');
    let slots = handlerSlots.get(target as EventTarget);
    if (slots === undefined) handlerSlots.set(target as EventTarget, (slots = new Map()));
    return slots;
  };
  const accessors = {
    get [key](): object | null {
      return slotsOf(this).get(type)?.value ?? null;
    },
    set [key](value: unknown) {
      setEventHandler(this as unknown as EventTarget, slotsOf(this), type, isObject(value) ? value : null);
    },
  };
  Object.defineProperty(prototype, key, { ...Object.getOwnPropertyDescriptor(accessors, key), enumerable: true, configurable: true });
}

function setEventHandler(target: EventTarget, slots: Map<string, HandlerSlot>, type: string, value: object | null): void {
  const slot = slots.get(type);
  if (value === null) {
    if (slot !== undefined) target.removeEventListener(type, slot.listener);
    slots.delete(type);
  } else if (slot !== undefined) {
    slot.value = value;
  } else {
    const added: HandlerSlot = { value, listener: (event) => callHandler(target, added.value, event) };
    slots.set(type, added);
    target.addEventListener(type, added.listener);
  }
}

function callHandler(target: EventTarget, handler: object, event: Event): void {
  if (typeof handler !== 'function') return;
  if (Reflect.apply(handler as (event: Event) => unknown, target, [event]) === false) event.preventDefault();
}

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** Web IDL §3.3.6, ConvertToInt without attributes: modulo 2^bits; NaN and infinities become 0. */
function integer(bits: 8 | 16 | 32 | 64, signed: boolean): Converter<number> {
  const modulus = 2 ** bits;
  return (value) => {
    const number = Number(value);
    if (!Number.isFinite(number)) return 0;
    const wrapped = ((Math.trunc(number) % modulus) + modulus) % modulus;
    return signed && wrapped >= modulus / 2 ? wrapped - modulus : wrapped;
  };
}

function integerInRange(name: string, minimum: number, maximum: number): Converter<number> {
  return (value, context) => {
    const number = Number(value);
    const integral = Math.trunc(number) + 0;
    if (!Number.isFinite(number) || integral < minimum || integral > maximum)
      throw new TypeError(`${context}: ${number} is outside the range of ${name}, ${minimum} to ${maximum}`);
    return integral;
  };
}
