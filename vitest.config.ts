import { defineConfig } from 'vitest/config'

const tier = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
})

// A busy machine may take its time to show what a test waits for.
const PATIENT = { expect: { poll: { timeout: 10_000 } } }

// The lab tier has one PF and its VFs: its files run one after the other. See scripts/test.
export default defineConfig({
  test: {
    projects: [
      tier('unit'),
      tier('matrix'),
      tier('contract'),
      tier('kernel', { fileParallelism: false, pool: 'forks', hookTimeout: 120_000, testTimeout: 60_000, ...PATIENT }),
      tier('lab', {
        fileParallelism: false,
        isolate: false,
        pool: 'forks',
        testTimeout: 600_000,
        hookTimeout: 120_000,
        ...PATIENT,
      }),
    ],
  },
})
