import { describe, expect, test } from 'vitest'
import { sinceMs } from '../../../src/operator/verb.js'
import { call, netConf } from '../../fakes/call.js'
import { makeMachine, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { jsonOf, sriovctl } from './operator.js'

const CART = { environment: { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' } }
const TILL = {
  containerId: 'pod-b',
  netns: POD_B,
  environment: { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=till-0' },
}

/** cart-0 has the VF; till-0 wants the same one. */
async function rivals() {
  const world = makeMachine()
  await call(world, 'ADD', netConf(), CART)
  await call(world, 'ADD', netConf(), TILL)
  return world
}

describe('why', () => {
  test('tells what refused the last call of a pod, and what to do', async () => {
    const { exitCode, text } = await sriovctl(await rivals(), ['why', 'shop/till-0'])
    expect(exitCode).toBe(1)
    expect(text).toMatch(/^the last ADD for shop\/till-0 was refused: .*0000:01:10\.4.*container pod-a/)
    expect(text).toContain('sriovctl status tells who has the VF')
    expect(text).toMatch(/Now\nno device is recorded for it/)
  })

  test('tells what a pod holds, and exits with 0', async () => {
    const { exitCode, text } = await sriovctl(await rivals(), ['why', 'cart-0'])
    expect(exitCode).toBe(0)
    expect(text).toMatch(/^the last ADD for cart-0 succeeded\n/)
    expect(text).toContain(`${VF_ADDRESS} (VF 2 of ens1f0): in-use\n`)
  })

  test('tells of the ADD that failed, although the DEL that a runtime makes after it succeeded', async () => {
    const world = await rivals()
    await call(world, 'DEL', netConf(), TILL)
    const { exitCode, text } = await sriovctl(world, ['why', 'shop/till-0'])
    expect(exitCode).toBe(1)
    expect(text).toMatch(/^the last ADD for shop\/till-0 was refused: .* \(the DEL after it succeeded\)\n/)
    await call(world, 'DEL', netConf(), CART)
    expect((await sriovctl(world, ['why', 'shop/cart-0'])).text).toMatch(/^the last DEL for shop\/cart-0 succeeded\n/)
  })

  test('has JSON', async () => {
    expect(jsonOf(await sriovctl(await rivals(), ['why', 'till-0', '--json']))).toMatchObject({
      calls: [{ verb: 'ADD', containerId: 'pod-b', error: { code: 102, kind: 'vfInUse' } }],
      hints: [expect.stringContaining('sriovctl status')],
      vfs: [],
    })
  })

  test('of a pod that nobody called for says so, and where to look', async () => {
    const { exitCode, text } = await sriovctl(makeMachine(), ['why', 'shop/none'])
    expect(exitCode).toBe(1)
    expect(text).toContain('the journal has no call for shop/none')
    expect(text).toContain('kubectl describe pod')
  })

  test.each([
    [
      'Allocate failed due to requested number of devices unavailable, cannot allocate unhealthy devices intel.com/x',
      /unhealthy/,
    ],
    ['Allocate failed due to cannot allocate unregistered device intel.com/x, which is unexpected', /registered/],
    ['UnexpectedAdmissionError: Allocate failed', /does not try again/],
    ['failed to create pod sandbox: context deadline exceeded', /a call hangs/],
    [
      'failed to allocate for range 0: no IP addresses available in range set: 10.0.0.1-10.0.0.6',
      /leased every address/,
    ],
    ['0/3 nodes are available: 3 Insufficient intel.com/sriov_net', /no node has a free device/],
    ['error in cmdAdd: VF pci addr is required', /resourceName/],
  ])('knows the sentence "%s"', async (sentence, cause) => {
    const { exitCode, text } = await sriovctl(makeMachine(), ['why', '--message', sentence])
    expect(exitCode).toBe(0)
    expect(text).toMatch(cause)
  })

  test('says so when it does not know a sentence', async () => {
    expect(await sriovctl(makeMachine(), ['why', '--message', 'the moon is full'])).toMatchObject({ exitCode: 1 })
  })
})

describe('logs', () => {
  test('lists the calls, oldest first; --failed only the refused ones', async () => {
    const world = await rivals()
    const all = (await sriovctl(world, ['logs'])).text.split('\n')
    expect(all[0]).toMatch(/^WHEN +VERB +MS +POD +INTERFACE +DEVICE +ANSWER$/)
    expect(all[1]).toMatch(/^2026-01-01T00:00:00Z +ADD .*shop\/cart-0 +net1 +0000:01:10\.4 +done$/)
    expect(all[2]).toMatch(/shop\/till-0 .* code 102: /)
    expect(jsonOf(await sriovctl(world, ['logs', '--failed', '--json']))).toMatchObject([{ containerId: 'pod-b' }])
  })

  test('--since is an age or a time', async () => {
    const world = await rivals()
    expect(jsonOf(await sriovctl(world, ['logs', '--since', '2026-01-02T00:00:00Z', '--json']))).toEqual([])
    expect(jsonOf(await sriovctl(world, ['logs', '--since', '2025-12-31T00:00:00Z', '--json']))).toHaveLength(2)
    expect(sinceMs('90m', 10_000_000)).toBe(10_000_000 - 90 * 60_000)
  })

  test('a message of a tenant has no escape sequences on the screen', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ deviceID: 'x\u001b[2Jy' }))
    expect((await sriovctl(world, ['logs'])).text).not.toContain('\u001b')
    expect((await sriovctl(world, ['why', 'pod-a'])).text).not.toContain('\u001b')
  })
})
