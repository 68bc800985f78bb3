import type { ConfigIssue } from '../../errors.js'
import { foldKeys, keyTable, shownJson } from '../json.js'
import type { NetConfValues } from './netconf-schema.js'
import type { WantedDpdk } from './wanted.js'

/** The known keys of `dpdk`. */
export const DPDK_KEYS = ['dpdk_driver', 'kernel_driver', 'dpdk_tool'] as const

const KEYS = keyTable(DPDK_KEYS)

/** The keys of `dpdk` that are not known. */
export const unknownDpdkKeys = ({ dpdk }: NetConfValues): readonly string[] => foldKeys(dpdk ?? {}, KEYS).unknown

/** Names of kernel modules and drivers. They become parts of paths, so slashes and leading dots are refused. */
const DRIVER = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

/**
 * Reads `dpdk`, which has the keys of intel's plugin 0.x. Undefined when it is absent, empty or wrong; a wrong one adds
 * an issue.
 */
export function readDpdk({ dpdk, pfOnly }: NetConfValues, issues: ConfigIssue[]): WantedDpdk | undefined {
  const { known } = foldKeys(dpdk ?? {}, KEYS)
  if (dpdk === undefined || Object.keys(dpdk).length === 0) {
    return undefined
  }
  const wereIssues = issues.length
  const read = (key: string, isRight: (text: string) => boolean, rule: string): string | undefined => {
    const value = known.get(key)
    if (value === undefined || value === '') {
      return undefined
    }
    if (typeof value === 'string' && isRight(value)) {
      return value
    }
    issues.push({ key: `dpdk.${key}`, problem: `must be ${rule} (it is ${shownJson(value)})` })
    return undefined
  }
  const isDriver = (text: string) => DRIVER.test(text)
  const driver = read('dpdk_driver', isDriver, 'the name of a driver like vfio-pci')
  const kernelDriver = read('kernel_driver', isDriver, 'the name of a driver like igbvf')
  const tool = read(
    'dpdk_tool',
    (text) => text.startsWith('/'),
    'the absolute path of a program like /usr/bin/dpdk-devbind.py',
  )
  if (driver === undefined && issues.length === wereIssues) {
    issues.push({ key: 'dpdk.dpdk_driver', problem: 'is missing: name the driver to bind the VF to, like vfio-pci' })
  }
  if (pfOnly === true) {
    issues.push({ key: 'dpdk', problem: 'cannot stand beside pfOnly: without its driver a PF has no VFs' })
  }
  return driver === undefined
    ? undefined
    : { driver, ...(kernelDriver !== undefined && { kernelDriver }), ...(tool !== undefined && { tool }) }
}
