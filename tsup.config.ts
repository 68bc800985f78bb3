import { defineConfig, type Options } from 'tsup'

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

/** Modules of Node.js that take long to load, and that few runs of a bundle need. */
const LAZY = /^(node:)?(child_process|http|net|readline|tty|zlib)$/

/** Loads them when the first of their functions is called. A sixth of what sriovctl took to start was theirs. */
const lazyModules: Plugin = {
  name: 'lazy-modules',
  setup(build) {
    build.onResolve({ filter: LAZY }, ({ path, namespace }) =>
      namespace === 'lazy' ? { path, external: true } : { path, namespace: 'lazy' },
    )
    // esbuild's own helper takes over the prototype of a module, and asks it for __esModule.
    build.onLoad({ filter: LAZY, namespace: 'lazy' }, ({ path }) => ({
      contents: `module.exports = Object.create(
        new Proxy({}, { get: (_, name) => (name === '__esModule' ? undefined : require('${path}')[name]) }),
      )`,
    }))
  },
}

const base: Options = {
  format: 'cjs',
  target: 'node20',
  platform: 'node',
  outExtension: () => ({ js: '.cjs' }),
  splitting: false,
  noExternal: [/.*/],
  // A plugin of tsup would resolve Node.js's modules before lazyModules.
  removeNodeProtocol: false,
}

// The plugin: one file per entry, with everything in it: the node that installs it has no node_modules.
// The tools: what scripts/demo, scripts/bench and scripts/test run, and what the lab's tests load into the plugin.
export default defineConfig([
  {
    ...base,
    entry: {
      main: 'src/main.ts',
      start: 'src/start.ts',
      'log-writer': 'src/host/stdio/log-writer.ts',
      ctl: 'src/ctl.ts',
      resident: 'src/resident.ts',
      'device-plugin': 'src/device-plugin.ts',
      kubelet: 'src/kubelet/asked.ts',
    },
    outDir: 'dist',
    minify: true,
    esbuildPlugins: [lazyModules],
  },
  {
    ...base,
    entry: {
      dashboard: 'scripts/tools/dashboard.ts',
      demo: 'scripts/tools/demo.ts',
      'bench-in-guest': 'scripts/tools/bench/in-guest.ts',
      'bench-instructions': 'scripts/tools/bench/instructions.ts',
      'bench-on-machine': 'scripts/tools/bench/on-machine.ts',
      'bench-report': 'scripts/tools/bench/report.ts',
      bytecode: 'scripts/tools/bytecode.ts',
      'image-index': 'scripts/tools/image-index.ts',
      sbom: 'scripts/tools/sbom.ts',
      summary: 'scripts/tools/summary.ts',
      'kill-hook': 'test/lab/crash/kill-hook.ts',
    },
    outDir: 'dist/tools',
  },
])
