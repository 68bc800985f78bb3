import { defineConfig } from 'tsup'

// One file per entry, with everything in it: the node that installs it has no node_modules.
export default defineConfig({
  entry: { main: 'src/main.ts', 'log-writer': 'src/log-writer.ts' },
  format: 'cjs',
  target: 'node20',
  platform: 'node',
  outDir: 'dist',
  outExtension: () => ({ js: '.cjs' }),
  splitting: false,
  clean: true,
  minify: true,
  noExternal: [/.*/],
})
