import { defineConfig } from 'vitest/config'

const tier = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
})

// The lab tier has one PF and its VFs: its files run one after the other. See scripts/test.
export default defineConfig({
  test: {
    projects: [
      tier('unit'),
      tier('contract'),
      tier('kernel', { fileParallelism: false, pool: 'forks', testTimeout: 30_000 }),
      tier('lab', { fileParallelism: false, pool: 'forks', testTimeout: 300_000, hookTimeout: 120_000 }),
    ],
  },
})
