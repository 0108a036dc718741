/**
 * Descriptors: the name of an attribute, its syntax, and its typed form. `parse` gives undefined for what does not follow the attribute's
 * grammar; the parser of descriptions refuses such lines, so that reading one from a parsed description cannot fail.
 */
import type { Attribute, AttributeHolder } from '../session-description.ts';

/** A descriptor. `format` gives undefined for an attribute without a value. */
export interface AttributeType<T> {
  readonly name: string;
  parse(value: string | undefined): T | undefined;
  format(value: T): string | undefined;
}

/**
 * The first attribute of the type.
 *
 * @example
 * const mid = read(section, MID); // string | undefined
 */
export function read<T>(holder: AttributeHolder, type: AttributeType<T>): T | undefined {
  for (const { name, value } of holder.attributes) {
    if (name !== type.name) continue;
    const parsed = type.parse(value);
    if (parsed !== undefined) return parsed;
  }
  return undefined;
}

/**
 * All attributes of the type, in their order.
 *
 * @example
 * for (const { payloadType, encoding } of readAll(section, RTPMAP)) codecs.set(payloadType, encoding);
 */
export function readAll<T>(holder: AttributeHolder, type: AttributeType<T>): T[] {
  const all: T[] = [];
  for (const { name, value } of holder.attributes) {
    if (name !== type.name) continue;
    const parsed = type.parse(value);
    if (parsed !== undefined) all.push(parsed);
  }
  return all;
}

/** Whether the property attribute is there. */
export function has(holder: AttributeHolder, type: AttributeType<true>): boolean {
  return holder.attributes.some(({ name }) => name === type.name);
}

/**
 * The attribute's line, for a list that is being built.
 *
 * @example
 * const attributes = [...section.attributes, write(MID, '0')];
 */
export function write<T>(type: AttributeType<T>, value: T): Attribute {
  const formatted = type.format(value);
  return formatted === undefined ? { name: type.name } : { name: type.name, value: formatted };
}

/** A property attribute, without a value. */
export function flag(name: string): AttributeType<true> {
  return { name, parse: (value) => (value === undefined || value === '' ? true : undefined), format: () => undefined };
}

/** An attribute whose value is a text that matches. */
export function textual(name: string, pattern: RegExp): AttributeType<string> {
  return { name, parse: (value) => (value !== undefined && pattern.test(value) ? value : undefined), format: (value) => value };
}

/** An attribute whose value is a decimal number, both limits inclusive. */
export function numeric(name: string, minimum: number, maximum: number): AttributeType<number> {
  return {
    name,
    parse: (value) => (value !== undefined ? decimal(value, minimum, maximum) : undefined),
    format: String,
  };
}

/** A decimal number within the limits (inclusive), or undefined. */
export function decimal(text: string, minimum: number, maximum: number): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= minimum && value <= maximum ? value : undefined;
}

/** RFC 8866 §9, `token`, as the inside of a regular expression. */
export const TOKEN: string = "[!#$%&'*+\\-.0-9A-Z^_`a-z{|}~]+";
