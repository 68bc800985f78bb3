import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { ip, until } from './process.js'
import type { Vf } from './virtual-functions.js'

const DEVICES = '/sys/bus/pci/devices'

const inSysfs = ({ pci }: Pick<Vf, 'pci'>, name: string): string => `${DEVICES}/${pci}/${name}`

/** The driver that a VF is bound to, or `none`. */
export const driverOf = (vf: Vf): string =>
  existsSync(inSysfs(vf, 'driver')) ? basename(readlinkSync(inSysfs(vf, 'driver'))) : 'none'

/** What is to be the only driver of a VF, as the kernel prints it. */
export const overrideOf = (vf: Vf): string => readFileSync(inSysfs(vf, 'driver_override'), 'utf8').trim()

/** The interfaces of a VF on the host. */
export const netdevsOf = (vf: Vf): string[] => (existsSync(inSysfs(vf, 'net')) ? readdirSync(inSysfs(vf, 'net')) : [])

/** Binds a VF by hand, as an operator would; its interface gets its name back. */
export async function bindByHand(vf: Vf, driver: string): Promise<void> {
  writeFileSync(inSysfs(vf, 'driver_override'), `${driver}\n`)
  if (driverOf(vf) !== 'none') {
    writeFileSync(inSysfs(vf, 'driver/unbind'), vf.pci)
  }
  writeFileSync('/sys/bus/pci/drivers_probe', vf.pci)
  writeFileSync(inSysfs(vf, 'driver_override'), '\n')
  if (driver === 'igbvf') {
    await until(`${vf.pci} has an interface`, async () => netdevsOf(vf).length > 0)
    const [found = ''] = netdevsOf(vf)
    if (found !== vf.name) {
      await ip(`link set ${found} down`)
      await ip(`link set ${found} name ${vf.name}`)
    }
  }
}
