'use strict';
// The whole Jest transform: esbuild strips the types and keeps a source map.
// CommonJS, because Jest loads transformers with require().
const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const esbuild = require('esbuild');

const self = readFileSync(__filename);

module.exports = {
  process(source, path, options) {
    return esbuild.transformSync(source, {
      loader: /\.m?ts$/.test(path) ? 'ts' : 'js',
      format: options.supportsStaticESM ? 'esm' : 'cjs',
      target: `node${process.versions.node}`,
      sourcefile: path,
      sourcemap: 'external',
      // Jest's modules have no import() of their own: require() stands in for it.
      supported: { 'dynamic-import': false },
    });
  },
  getCacheKey(source, path, options) {
    const hash = createHash('sha1').update(self).update(esbuild.version).update(process.version);
    hash.update(source).update(path).update(options.configString);
    return hash.update(`${options.supportsStaticESM} ${options.instrument}`).digest('hex');
  },
  canInstrument: false,
};
