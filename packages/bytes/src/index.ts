export { ByteReader, readUint16, readUint32 } from './byte-reader.ts';
export { ByteWriter, writeUint16, writeUint32 } from './byte-writer.ts';
export { Arena } from './arena.ts';
export { concatBytes, equalBytes } from './concat-bytes.ts';
export { crc32 } from './crc32.ts';
export { crc32c, crc32cUpdate } from './crc32c.ts';
export { addSerial16, addSerial32, compareSerial16, compareSerial32 } from './serial-number.ts';
export { fromHex, toHex } from './hex.ts';
export { decodeUtf8, decodeUtf8Strict, encodeUtf8, utf8Length } from './utf8.ts';
