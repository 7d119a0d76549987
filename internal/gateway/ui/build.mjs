// Bundles the dashboard's scripts into dist/. The server names the files by
// their content, so they are called main.js and main.css here.
import { build } from 'esbuild';
import { rm, readdir } from 'node:fs/promises';

const dist = new URL('dist/', import.meta.url);
for (const name of await readdir(dist)) {
  if (name !== '.keep') await rm(new URL(name, dist), { recursive: true });
}
await build({
  absWorkingDir: new URL('.', import.meta.url).pathname,
  entryPoints: ['src/main.ts'],
  outdir: 'dist',
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome109', 'firefox115', 'safari16'],
  charset: 'utf8',
  legalComments: 'eof',
  logLevel: 'info',
});
