import { describe, expect, test } from 'vitest'
import { ZERO_MAC } from '../../../src/netlink/mac.js'
import type { VfInfo } from '../../../src/netlink/vf-info.js'
import { adminMacToRelease } from '../../../src/sriov/pf/mac.js'
import { mergeSteps, planVf, planVfRestore, rateProblem } from '../../../src/sriov/pf/plan.js'
import { freshSettings } from '../../fakes/machine/card.js'

const CURRENT: VfInfo = { ...freshSettings(), index: 0, unreported: [] }
const changes = (steps: ReturnType<typeof planVf>) => mergeSteps(steps)

describe('planVf()', () => {
  test('does nothing where nothing is wanted, or holds already', () => {
    expect(planVf({}, CURRENT)).toEqual([])
    const vlan = { vlan: 0, vlanQoS: 0, vlanProto: '802.1q' } as const
    const holding = {
      vlan,
      minTxRateMbps: 0,
      maxTxRateMbps: 0,
      spoofchk: true,
      trust: false,
      linkState: 'auto',
    } as const
    expect(planVf(holding, CURRENT)).toEqual([])
  })

  test('always writes the MAC: a PF may show the own MAC of the VF', () => {
    expect(changes(planVf({ mac: CURRENT.mac }, CURRENT))).toEqual({ mac: CURRENT.mac })
  })

  test('keeps the rate that is not wanted', () => {
    const current = { ...CURRENT, minTxRateMbps: 5, maxTxRateMbps: 50 }
    expect(changes(planVf({ maxTxRateMbps: 100 }, current))).toEqual({ rate: { minTxRateMbps: 5, maxTxRateMbps: 100 } })
  })

  test('writes what the driver does not report', () => {
    expect(changes(planVf({ trust: false }, { ...CURRENT, unreported: ['trust'] }))).toEqual({ trust: false })
  })
})

describe('planVfRestore()', () => {
  const changed: VfInfo = { ...CURRENT, vlan: 5, maxTxRateMbps: 9, spoofchk: false, trust: true, linkState: 'disable' }

  test('goes back to the original, the MAC apart', () => {
    expect(changes(planVfRestore(CURRENT, { ...changed, mac: '02:00:00:00:00:01' }))).toEqual({
      vlan: { vlan: 0, vlanQoS: 0, vlanProto: '802.1q' },
      rate: { minTxRateMbps: 0, maxTxRateMbps: 0 },
      spoofchk: true,
      trust: false,
      linkState: 'auto',
    })
  })

  test('does not write what the driver does not report', () => {
    const silent: VfInfo = { ...changed, unreported: ['spoofchk', 'trust', 'linkState'] }
    expect(Object.keys(changes(planVfRestore(CURRENT, silent)))).toEqual(['vlan', 'rate'])
  })
})

test.each([
  [{}, undefined],
  [{ maxTxRateMbps: 50 }, 'max_tx_rate'],
  [{ maxTxRateMbps: 0 }, undefined],
  [{ minTxRateMbps: 2000 }, 'min_tx_rate'],
  [{ minTxRateMbps: 1000 }, undefined],
])('rateProblem() of %j over 100 to 1000 names %s', (wanted, key) => {
  expect(rateProblem(wanted, { ...CURRENT, minTxRateMbps: 100, maxTxRateMbps: 1000 })?.key).toBe(key)
})

test('adminMacToRelease() is none where the VF could set its own', () => {
  const original = { ...CURRENT, mac: '02:00:00:00:00:01' }
  expect(adminMacToRelease(original, true)).toBe(ZERO_MAC)
  expect(adminMacToRelease(original, false)).toBe(original.mac)
  expect(adminMacToRelease({ ...original, trust: true }, true)).toBe(original.mac)
})
