/** Whether a network manager of the host takes VFs for its own. */
import type { SurveyedVf } from '../../sriov/survey/survey-vf.js'
import type { CallHost } from '../../state/folder.js'
import { programPath, runProgram } from '../programs.js'
import type { Finding } from './findings.js'

interface Manager {
  readonly name: string
  /** There while it runs. */
  readonly runFolder: string
  readonly program: string
  readonly args: readonly string[]
  /** The interfaces that it manages, from what its program prints. */
  managed(output: string): readonly string[]
  /** How it leaves interfaces of a driver alone. */
  remedy(driver: string): readonly string[]
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

const MANAGERS: readonly Manager[] = [
  {
    name: 'NetworkManager',
    runFolder: '/run/NetworkManager',
    program: 'nmcli',
    // nmcli(1): terse output, DEVICE:STATE.
    args: ['-t', '-f', 'DEVICE,STATE', 'device'],
    managed: (output) =>
      lines(output).flatMap((line) => {
        const colon = line.lastIndexOf(':')
        return line.slice(colon + 1) === 'unmanaged' ? [] : [line.slice(0, colon)]
      }),
    remedy: (driver) => [
      `printf '[keyfile]\\nunmanaged-devices+=driver:${driver}\\n' > /etc/NetworkManager/conf.d/90-sriov-${driver}.conf`,
      'nmcli general reload',
    ],
  },
  {
    name: 'systemd-networkd',
    runFolder: '/run/systemd/netif',
    program: 'networkctl',
    // networkctl(1): IDX LINK TYPE OPERATIONAL SETUP.
    args: ['list', '--no-legend', '--no-pager'],
    managed: (output) =>
      lines(output).flatMap((line) => {
        const [, link = '', , , setup = 'unmanaged'] = line.trim().split(/\s+/)
        return setup === 'unmanaged' ? [] : [link]
      }),
    remedy: (driver) => [
      `printf '[Match]\\nDriver=${driver}\\n[Link]\\nUnmanaged=yes\\n' > /etc/systemd/network/10-sriov-${driver}.network`,
      'networkctl reload',
    ],
  },
]

async function interfacesOf(
  host: CallHost,
  { runFolder, program, args, managed }: Manager,
): Promise<readonly string[]> {
  const path = programPath(host, program)
  if (path === undefined || host.files.factsOf(runFolder) === undefined) {
    return []
  }
  try {
    const { status, stdout } = await runProgram(host, path, { args })
    return status === 0 ? managed(stdout) : []
  } catch {
    return []
  }
}

/** VFs with an interface on the host that a network manager would configure. */
export async function managerFindings(host: CallHost, vfs: readonly SurveyedVf[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const manager of MANAGERS) {
    const managed = await interfacesOf(host, manager)
    const taken = vfs.filter(({ facts }) => facts.interface !== undefined && managed.includes(facts.interface))
    const drivers = [...new Set(taken.map(({ facts }) => facts.driver))]
    if (taken.length > 0) {
      findings.push({
        id: 'vf-managed',
        subject: manager.name,
        message: `manages ${taken.map(({ facts }) => facts.interface).join(', ')}`,
        remedy: drivers.flatMap(manager.remedy),
      })
    }
  }
  return findings
}
