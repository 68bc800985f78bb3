/** Which kernel modules are made for a device, by the aliases that depmod(8) has collected. */
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from './address.js'
import { driverExists } from './driver.js'
import { deviceFolder } from './functions.js'

const MODULES = '/lib/modules'
const RELEASE = '/proc/sys/kernel/osrelease'

/** The kernel takes - and _ in the name of a module for the same. */
const moduleName = (name: string): string => name.replaceAll('-', '_')

/** Turns an alias like `pci:v00008086d000010CAsv*sd*bc*sc*i*` into a pattern: * and [] as in fnmatch(3). */
const patternOf = (alias: string): RegExp =>
  new RegExp(`^${alias.replace(/[.+?^${}()|\\]/g, '\\$&').replaceAll('*', '.*')}$`)

/** The aliases of a module that is a file, and of one that is built into the kernel (MODINFO of modinfo(8)). */
function aliasesOf(files: FilePort, driver: string): readonly string[] {
  const folder = `${MODULES}/${files.readText(RELEASE)?.trim() ?? ''}`
  const wanted = moduleName(driver)
  const loadable = (files.readText(`${folder}/modules.alias`) ?? '').split('\n').flatMap((line) => {
    const [word, alias, name = ''] = line.split(' ')
    return word === 'alias' && alias !== undefined && moduleName(name) === wanted ? [alias] : []
  })
  const builtin = (files.readText(`${folder}/modules.builtin.modinfo`) ?? '').split('\0').flatMap((entry) => {
    const [, name = '', alias] = /^([^.=]+)\.alias=(.*)$/.exec(entry) ?? []
    return alias !== undefined && moduleName(name) === wanted ? [alias] : []
  })
  return [...loadable, ...builtin]
}

/** Whether a driver is loaded, built in, or a module of the running kernel (modules.dep of depmod(8)). */
export function isDriverKnown(files: FilePort, driver: string): boolean {
  const folder = `${MODULES}/${files.readText(RELEASE)?.trim() ?? ''}`
  const wanted = moduleName(driver)
  const isModule = (line: string) => moduleName(/([^/]+)\.ko(?:\.\w+)?:/.exec(line)?.[1] ?? '') === wanted
  return driverExists(files, driver) || (files.readText(`${folder}/modules.dep`) ?? '').split('\n').some(isModule)
}

/** Whether a driver says that it is made for a device (its MODULE_DEVICE_TABLE has the device's modalias). */
export function claimsDevice(files: FilePort, driver: string, address: PciAddress): boolean {
  const modalias = files.readText(`${deviceFolder(address)}/modalias`)?.trim() ?? ''
  return modalias !== '' && aliasesOf(files, driver).some((alias) => patternOf(alias).test(modalias))
}
