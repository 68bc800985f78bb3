import { defineConfig } from 'vitest/config'
import { PATIENCE_MS } from './test/lab/host/patience.js'

const tier = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
})

// A busy machine may take its time to show what a test waits for, and a guest on it far longer.
const patient = (timeout: number) => ({ expect: { poll: { timeout } } })

// The lab tier has one PF and its VFs: its files run one after the other. See scripts/test.
export default defineConfig({
  test: {
    projects: [
      tier('unit', patient(10_000)),
      tier('matrix'),
      tier('contract'),
      tier('kernel', {
        fileParallelism: false,
        pool: 'forks',
        hookTimeout: 120_000,
        testTimeout: 60_000,
        ...patient(10_000),
      }),
      tier('lab', {
        fileParallelism: false,
        isolate: false,
        pool: 'forks',
        testTimeout: 1_800_000,
        hookTimeout: 600_000,
        ...patient(PATIENCE_MS),
      }),
    ],
  },
})
