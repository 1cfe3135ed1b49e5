// Makes what `farelite page` puts into a page: LiteRT.js in one script, and its WebAssembly, compressed.
// The `compat` build: no threads, which need headers of a server, and no relaxed SIMD, which not every browser has and
// which rounds as the processor at hand does.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const runtime = join(here, 'node_modules', '@litertjs', 'core');
const target = join(here, '..', 'pipeline', 'report', 'runtime');
const { version } = JSON.parse(readFileSync(join(runtime, 'package.json'), 'utf8'));
const browsers = ['es2022'];

const told = 'var err = console.error.bind(console);';
const factory = readFileSync(join(runtime, 'wasm', 'litert_wasm_compat_internal.js'), 'utf8');
if (factory.split(told).length !== 2) throw new Error('LiteRT.js writes its log in another way than before; see build.mjs.');
const loader = await transform(factory.replace(told, 'var err = Module.printErr;'), { minify: true, target: browsers, legalComments: 'none' });
const bundle = await build({
  entryPoints: [join(here, 'src', 'runtime.mjs')],
  alias: { '@litertjs/wasm-utils': join(here, 'src', 'wasm-utils.mjs') },
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  globalName: 'LiteRt',
  target: browsers,
});
const licence = `/* LiteRT.js ${version}, Copyright Google LLC, Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0 */`;
mkdirSync(target, { recursive: true });
writeFileSync(join(target, 'litert.js'), [licence, loader.code, bundle.outputFiles[0].text].join('\n'));
const wasm = readFileSync(join(runtime, 'wasm', 'litert_wasm_compat_internal.wasm'));
writeFileSync(join(target, 'litert.wasm.gz'), gzipSync(wasm, { level: 9 }));
