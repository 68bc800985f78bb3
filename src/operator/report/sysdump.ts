/** `sriovctl sysdump`: everything that a bug report needs, in one file. */
import { gzipSync } from 'node:zlib'
import { createTar } from 'nanotar'
import { NODE_FOLDER } from '../../cni/folders.js'
import type { Resident } from '../../daemon/probe.js'
import { messageOf } from '../../errors.js'
import { deviceFolder } from '../../pci/functions.js'
import { CLUSTER_FOLDER, POLICY_FOLDER } from '../../policy/policy.js'
import { type Survey, survey } from '../../sriov/survey/survey.js'
import type { CallHost } from '../../state/folder.js'
import { journalEntries } from '../../state/journal.js'
import { NETWORK_FOLDER } from '../doctor/configurations.js'
import { doctor } from '../doctor/doctor.js'
import { statusDocument } from '../look/status-document.js'
import { asJson, type Output } from '../output.js'
import { programPath, runProgram } from '../programs.js'
import { withoutSecrets } from './secrets.js'

/** One file of the dump. */
export interface Part {
  readonly name: string
  readonly data: string
}

/** Names in a tar archive have at most 100 bytes (POSIX ustar). */
const MAX_NAME = 90

const ATTRIBUTES = [
  'vendor',
  'device',
  'class',
  'numa_node',
  'sriov_totalvfs',
  'sriov_numvfs',
  'sriov_drivers_autoprobe',
  'driver_override',
  'current_link_speed',
  'current_link_width',
]

/** A part that cannot be made says why: the dump of a broken node is the one that is needed. */
async function part(name: string, make: () => string | Promise<string>): Promise<Part> {
  try {
    return { name: name.slice(0, MAX_NAME), data: await make() }
  } catch (error) {
    return { name: name.slice(0, MAX_NAME), data: `could not be made: ${messageOf(error)}\n` }
  }
}

async function outputOf(host: CallHost, program: string, args: readonly string[]): Promise<string> {
  const path = programPath(host, program)
  if (path === undefined) {
    throw new Error(`there is no ${program} here`)
  }
  const { status, stdout, stderr } = await runProgram(host, path, { args })
  return status === 0 ? stdout : `${stdout}exit status ${status}: ${stderr}\n`
}

function sysfsText({ files }: CallHost, { pfs, vfs }: Survey): string {
  const lines = [...pfs, ...vfs].map(({ address }) => {
    const folder = deviceFolder(address)
    const attributes = ATTRIBUTES.flatMap((name) => {
      const value = files.readText(`${folder}/${name}`)?.trim()
      return value === undefined ? [] : [`${name}=${value}`]
    })
    const links = ['driver', 'physfn', 'iommu_group'].flatMap((name) => {
      const target = files.readLink(`${folder}/${name}`)
      return target === undefined ? [] : [`${name}=${target}`]
    })
    return `${address} ${[...attributes, ...links, `net=${files.list(`${folder}/net`).join(',')}`].join(' ')}\n`
  })
  return lines.join('')
}

/** The lines of the kernel's log that name a driver or a device of the survey. */
function linesAbout({ pfs, vfs }: Survey, log: string): string {
  const words = new Set([
    ...pfs.flatMap(({ driver, address, name }) => [driver, address, name ?? '']),
    ...vfs.flatMap(({ facts, address }) => [facts.driver, address]),
    'vfio',
    'DMAR',
    'AMD-Vi',
  ])
  words.delete('')
  return log
    .split('\n')
    .filter((line) => [...words].some((word) => line.includes(word)))
    .join('\n')
}

const filesIn = ({ files }: CallHost, folder: string): string[] =>
  files.list(folder).filter((name) => files.factsOf(`${folder}/${name}`)?.kind === 'file')

const copies = (host: CallHost, folder: string, into: string, clean: (text: string) => string): Promise<Part>[] =>
  filesIn(host, folder)
    .filter((name) => !name.startsWith('.journal'))
    .map((name) => part(`${into}/${name}`, () => clean(host.files.readText(`${folder}/${name}`) ?? '')))

function versions({ files, cniPath }: CallHost): string {
  const current = `${cniPath}/.sriov/current`
  return [
    `node ${process.version}`,
    `kernel ${files.readText('/proc/sys/kernel/osrelease')?.trim() ?? 'unknown'}`,
    `installed ${files.readLink(current) ?? `none in ${cniPath}`}`,
    files.readText('/etc/os-release') ?? '',
  ].join('\n')
}

async function doctorJson(host: CallHost, resident: Resident): Promise<string> {
  let text = ''
  const out: Output = {
    isTerminal: false,
    write(more) {
      text += more
    },
  }
  await doctor(host, out, { json: true, resident })
  return text
}

/** Makes the parts of a dump. Never fails. */
export async function partsOf(host: CallHost, resident: Resident): Promise<readonly Part[]> {
  const nothing: Survey = { pfs: [], vfs: [], others: [] }
  const found = await survey(host).catch(() => nothing)
  return await Promise.all([
    part('versions.txt', () => versions(host)),
    part('status.json', async () => asJson(statusDocument(await survey(host)))),
    part('doctor.json', () => doctorJson(host, resident)),
    part('journal.jsonl', () =>
      journalEntries(host.files)
        .map((entry) => `${JSON.stringify(entry)}\n`)
        .join(''),
    ),
    part('sysfs.txt', () => sysfsText(host, found)),
    part('ip-link.json', () => outputOf(host, 'ip', ['-j', '-d', 'link', 'show'])),
    part('dmesg.txt', async () => linesAbout(found, await outputOf(host, 'dmesg', []))),
    ...copies(host, NODE_FOLDER, 'records', withoutSecrets),
    ...copies(host, `${NODE_FOLDER}/pci`, 'marks', (text) => text),
    ...copies(host, NETWORK_FOLDER, 'networks', withoutSecrets),
    ...copies(host, CLUSTER_FOLDER, 'cluster', (text) => text),
    ...copies(host, POLICY_FOLDER, 'policy', (text) => text),
    ...copies(host, `${POLICY_FOLDER}/policy.d`, 'policy.d', (text) => text),
  ])
}

/** Writes a file that must not exist yet. */
export type Save = (path: string, bytes: Uint8Array) => void

/** Writes the dump. Returns the exit code. @throws Error when the file cannot be written */
export async function sysdump(
  host: CallHost,
  { out, save, resident }: { readonly out: Output; readonly save: Save; readonly resident: Resident },
  path: string,
): Promise<number> {
  const parts = await partsOf(host, resident)
  const attrs = { mtime: host.clock.dateMs(), uid: 0, gid: 0, mode: '600' }
  save(path, gzipSync(createTar(parts.map(({ name, data }) => ({ name: `sriov-sysdump/${name}`, data, attrs })))))
  out.write(
    [
      `${path}\n`,
      ...parts.map(({ name, data }) => `  ${name} (${Buffer.byteLength(data)} bytes)\n`),
      'Left out: values of keys that sound like secrets, and configurations that are no JSON. Look at it before you send it:\n',
      'it has names of pods, MACs and addresses.\n',
    ].join(''),
  )
  return 0
}
