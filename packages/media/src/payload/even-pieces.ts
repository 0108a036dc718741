/**
 * Views of the data, as few as possible and of nearly the same length: a small last packet would cost as much as a large one.
 * @throws RangeError when there is no room
 */
export function evenPieces(data: Uint8Array, room: number): Uint8Array[] {
  if (room < 1) throw new RangeError('no room for a payload');
  const count = Math.max(1, Math.ceil(data.length / room));
  return Array.from({ length: count }, (_, index) =>
    data.subarray(Math.floor((index * data.length) / count), Math.floor(((index + 1) * data.length) / count)),
  );
}
