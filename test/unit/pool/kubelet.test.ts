import { describe, expect, test, vi } from 'vitest'
import { makeMachine } from '../../fakes/machine/machine.js'
import { logged, poolNode, RESOURCE } from './pool-node.js'

describe('a resource reaches kubelet', () => {
  test('by its plugin watcher', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    expect(node.kubelet.events[0]).toBe(`watched ${RESOURCE}`)
    expect(node.service.known().get(RESOURCE)).toBe('watcher')
  })

  test('by Register where kubelet has no plugin watcher', async () => {
    const node = await poolNode(makeMachine(), { watcher: 'absent' })
    await node.sees(4, 4)
    expect(node.service.known().get(RESOURCE)).toBe('register')
  })

  test('by Register when the plugin watcher speaks in a way that Node.js refuses', async () => {
    const node = await poolNode(makeMachine(), { watcher: 'old' })
    await node.sees(4, 4)
    expect(node.kubelet.events).toEqual([
      expect.stringMatching(/^not watched: /),
      `Register ${RESOURCE}`,
      `${RESOURCE}: 4 of 4`,
    ])
  })

  test.each(['works', 'absent'] as const)(
    'that comes after the device plugin (plugin watcher: %s)',
    async (watcher) => {
      const node = await poolNode(makeMachine(), { watcher, isKubeletLate: true })
      await new Promise((resolve) => setTimeout(resolve, 50))
      await node.kubelet.start()
      await node.sees(4, 4)
    },
  )

  test.each(['works', 'absent', 'old'] as const)(
    'again after each start of kubelet (plugin watcher: %s)',
    async (watcher) => {
      const node = await poolNode(makeMachine(), { watcher })
      await node.sees(4, 4)
      for (let restarts = 0; restarts < 3; restarts += 1) {
        await node.kubelet.restart()
        await node.sees(4, 4)
      }
      expect(node.kubelet.registered.length).toBeGreaterThanOrEqual(4)
    },
  )

  test('again after kubelet was away for long', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    node.kubelet.stop()
    await new Promise((resolve) => setTimeout(resolve, 600))
    await node.kubelet.restart()
    await node.sees(4, 4)
  })

  test('that has forgotten it without a restart', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    node.kubelet.drop(RESOURCE)
    expect(node.kubelet.devices(RESOURCE)).toBeUndefined()
    await node.sees(4, 4)
  })

  test('whose answer is a refusal is told once, in its words, and asked again', async () => {
    const refusal = 'the resource name is not valid'
    const node = await poolNode(makeMachine(), { watcher: 'absent', refusal })
    await vi.waitFor(() => expect(node.kubelet.events.length).toBeGreaterThan(2), { timeout: 4_000 })
    expect(logged(node, new RegExp(`^warning: .*${refusal}`))).toHaveLength(1)
    await node.kubelet.restart({ watcher: 'absent' })
    await node.sees(4, 4)
  })

  test('whose plugin watcher refuses it is told, in its words', async () => {
    const node = await poolNode(makeMachine(), { watcher: 'refuses', refusal: 'no' })
    await vi.waitFor(() => expect(logged(node, /^warning: kubelet refuses .*is not valid/)).toHaveLength(1))
  })
})
