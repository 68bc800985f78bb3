import { expect, test } from 'vitest'
import { type HolderFacts, type VfFacts, verdictOn } from '../../../src/sriov/survey/vf-state.js'

const HOME: VfFacts = {
  driver: 'ablevf',
  isInUserspace: false,
  isOfNetwork: true,
  interface: 'ens1f0v2',
  programs: [],
  isReserved: false,
  isPfAsked: true,
  vlan: 0,
  driverOverride: '',
  isBoundByKernel: true,
}
const { interface: _interface, vlan: _vlan, ...AWAY } = HOME
const HOLDER: HolderFacts = {
  phase: 'attached',
  who: 'container c interface net1',
  tenancy: 'used',
  isOfThisBoot: true,
  isRecordLost: false,
  workers: [],
}
const held = (more: Partial<HolderFacts>, facts: Partial<VfFacts> = {}): VfFacts => ({
  ...HOME,
  ...facts,
  holder: { ...HOLDER, ...more },
})

test.each<readonly [string, VfFacts, string, RegExp | undefined]>([
  ['at home, nobody has it', HOME, 'free', undefined],
  ['a live pod has it', held({}), 'in-use', undefined],
  ['a live pod has it, its record is lost', held({ isRecordLost: true }), 'in-use', /its claim keeps the VF/],
  ['a live pod has it, without a driver', held({}, { driver: '' }), 'broken', /bound to no driver/],
  ['its pod is gone', held({ tenancy: 'free' }), 'leaked', /is gone, without a DEL/],
  ['its pod is nowhere to be seen', held({ tenancy: 'unseen' }), 'in-use', /cannot be seen from here/],
  [
    'an ADD is at work',
    held({ tenancy: 'free', phase: 'intent', workers: ['process 7'] }),
    'unfinished',
    /process 7 is/,
  ],
  ['an ADD was killed', held({ tenancy: 'free', phase: 'intent' }), 'unfinished', /an ADD .* ended before/],
  ['a DEL was killed', held({ tenancy: 'free', phase: 'releasing' }), 'unfinished', /a DEL .* ended before/],
  ['only its lease is left', held({ tenancy: 'free', phase: 'released' }), 'unfinished', /only the lease/],
  ['another boot', held({ tenancy: 'free', isOfThisBoot: false }), 'unfinished', /before this machine was booted/],
  ['a live mark', { ...AWAY, mark: { path: '/run/netns/x', isOfLivePod: true } }, 'foreign', /pod of \/run\/netns\/x/],
  ['a dead mark', { ...HOME, mark: { path: '/run/netns/x', isOfLivePod: false } }, 'leaked', /marked for the pod/],
  ['a virtual machine', { ...AWAY, isInUserspace: true, programs: ['process 9 (qemu)'] }, 'foreign', /9 \(qemu\)/],
  ['on vfio-pci, nobody', { ...AWAY, vlan: 0, driver: 'vfio-pci', isInUserspace: true }, 'free', undefined],
  ['an interface elsewhere', { ...AWAY, vlan: 0 }, 'foreign', /another network namespace/],
  ['a crypto VF has no interface', { ...AWAY, vlan: 0, isOfNetwork: false }, 'free', undefined],
  ['no driver', { ...AWAY, vlan: 0, driver: '' }, 'broken', /no driver/],
  [
    'no driver, as the administrator wants',
    { ...AWAY, vlan: 0, driver: '', isBoundByKernel: false },
    'free',
    undefined,
  ],
  ['an override that is not its driver', { ...HOME, driverOverride: 'vfio-pci' }, 'leaked', /driver_override is vfio/],
  ['not in the PF’s list', AWAY, 'broken', /PF does not report/],
  ['its PF has no interface', { ...AWAY, interface: 'x', isPfAsked: false }, 'free', undefined],
  ['the host uses it', { ...HOME, hostUse: 'x has the address 10.0.0.1/24' }, 'host', /10\.0\.0\.1/],
  ['kubelet hands it out', { ...HOME, isReserved: true }, 'reserved', undefined],
  ['a VLAN of nobody', { ...HOME, vlan: 7 }, 'leaked', /VLAN 7/],
])('%s', (_what, facts, state, problem) => {
  const verdict = verdictOn(facts)
  expect(verdict.state).toBe(state)
  expect(verdict.problem ?? '').toMatch(problem ?? /^$/)
  expect(verdict.reason !== undefined).toBe(problem !== undefined)
})
