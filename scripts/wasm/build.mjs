// node scripts/wasm/build.mjs: assembles packages/crypto/src/packet-gcm/aes-gcm-module.ts to aes-gcm-module.bytes.ts beside it. A test compares the two.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const directory = join(dirname(fileURLToPath(import.meta.url)), '../../packages/crypto/src/packet-gcm');
const { outputFiles } = await build({
  entryPoints: [join(directory, 'aes-gcm-module.ts')],
  bundle: true,
  format: 'esm',
  write: false,
});
const { aesGcmModule } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
const text = Buffer.from(aesGcmModule()).toString('base64');
const lines = text.match(/.{1,140}/g).map((line) => `  '${line}'`);
writeFileSync(
  join(directory, 'aes-gcm-module.bytes.ts'),
  `// Written by scripts/wasm/build.mjs out of aes-gcm-module.ts.\n/** The module, in base64. */\nexport const AES_GCM_MODULE: string =\n${lines.join(' +\n')};\n`,
);
