import { describe, expect, test } from 'vitest'
import { askLiving } from '../../../src/kubelet/living.js'

const KUBELET = '/var/lib/kubelet/pod-resources/kubelet.sock'
const CRIO = '/run/crio/crio.sock'

const asking = (listening: readonly string[], problem?: string) => ({
  kubelet: KUBELET,
  exists: (path: string) => listening.includes(path),
  timeoutMs: 1,
  load: () => ({
    podsOfDevices: async () => new Map([['0000:01:10.0', { namespace: 'shop', name: 'cart-0' }]]),
    liveSandboxes: async (socket: string) => {
      if (problem !== undefined) {
        throw new Error(problem)
      }
      return new Set([`of ${socket}`])
    },
  }),
})

describe('askLiving()', () => {
  test('asks those that listen', async () => {
    const { pods, sandboxes } = await askLiving(asking([KUBELET, CRIO]))
    expect([...pods.keys()]).toEqual(['0000:01:10.0'])
    expect([...sandboxes]).toEqual([`of ${CRIO}`])
  })

  test('loads nothing where nobody listens', async () => {
    const load = () => {
      throw new Error('loaded')
    }
    expect(await askLiving({ ...asking([]), load })).toEqual({ pods: new Map(), sandboxes: new Set() })
  })

  test('fails where one of them does not answer, and names its socket', async () => {
    await expect(askLiving(asking([CRIO], 'deadline'))).rejects.toThrow(`${CRIO} does not answer`)
  })
})
