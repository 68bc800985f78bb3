import { defineConfig, type Options } from 'tsup'

const base: Options = {
  format: 'cjs',
  target: 'node20',
  platform: 'node',
  outExtension: () => ({ js: '.cjs' }),
  splitting: false,
  noExternal: [/.*/],
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
