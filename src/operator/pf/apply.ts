/**
 * `sriovctl pf apply`: makes the VFs and the settings of PFs as a file says. A boot has none of them: it runs before
 * kubelet. What is so already is not touched, and a VF that anybody has is never taken away.
 */
import { messageOf } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { type PciAddress, parsePciAddress } from '../../pci/address.js'
import {
  allFunctions,
  deviceFolder,
  functionOf,
  isBoundByKernel,
  isPf,
  sriovCountOf,
  uplinkOf,
} from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { changeLink, linkByName } from '../../rtnl/link.js'
import type { CallHost } from '../../state/folder.js'
import { asJson, type Output, printable } from '../output.js'
import { pfsFile, readPfs, type WantedPf } from './pfs-schema.js'
import { requireUnused, setCount } from './vf-count.js'

export interface ApplyOptions {
  /** pfsFile() otherwise. */
  readonly config?: string
  readonly dryRun?: true
  readonly json?: true
  /** A file that is not there is no mistake. */
  readonly ifPresent?: true
}

/** What became of one PF of the file. */
interface Applied {
  readonly pf: string
  /** What was changed, or would be. */
  readonly done: readonly string[]
  readonly problem: string | null
}

/** One change of a PF. */
interface Step {
  readonly what: string
  /** Throws when it cannot be made as things are. */
  check?(): Promise<void>
  work(): Promise<void>
}

/** @throws Error when there is no such PF */
function addressOf({ files }: CallHost, pf: string): PciAddress {
  const address = parsePciAddress(pf) ?? functionOf(files, pf)
  if (address === undefined || !allFunctions(files).includes(address)) {
    throw new Error('there is no such device')
  }
  if (!isPf(files, address)) {
    throw new Error(`${address} can have no VFs (it has no sriov_totalvfs)`)
  }
  return address
}

function linkSteps(rtnl: Rtnl, link: Link | undefined, { pf, mtu, up }: WantedPf): Step[] {
  if (mtu === undefined && up === undefined) {
    return []
  }
  if (!link) {
    return [impossible('it has no interface on the host, so mtu and up cannot be set')]
  }
  const { index, name } = link
  const change = (what: string, to: Parameters<typeof changeLink>[2]): Step => ({
    what,
    work: () => changeLink(rtnl, index, to, { operation: what, target: name }),
  })
  return [
    ...(mtu !== undefined && mtu !== link.mtu ? [change(`set mtu ${mtu}`, { mtu })] : []),
    ...(up !== undefined && up !== link.isUp ? [change(up ? `bring ${pf} up` : `take ${pf} down`, { isUp: up })] : []),
  ]
}

/** A step that cannot be made, whatever is tried. */
const impossible = (problem: string): Step => ({
  what: problem,
  check: () => Promise.reject(new Error(problem)),
  work: () => Promise.resolve(),
})

/** The changes that are needed, in order: drivers ask a PF about its VFs, which must be up then. @throws Error */
async function stepsFor(host: CallHost, rtnl: Rtnl, address: PciAddress, wanted: WantedPf): Promise<readonly Step[]> {
  const { files } = host
  const { numVfs, autoprobe } = wanted
  const [now, total] = [sriovCountOf(files, address, 'sriov_numvfs'), sriovCountOf(files, address, 'sriov_totalvfs')]
  const name = parsePciAddress(wanted.pf) ? uplinkOf(files, address) : wanted.pf
  const link = name === undefined ? undefined : await linkByName(rtnl, name)
  return [
    ...linkSteps(rtnl, link, wanted),
    ...(autoprobe !== undefined && autoprobe !== isBoundByKernel(files, address)
      ? [
          {
            what: `set sriov_drivers_autoprobe ${autoprobe ? 1 : 0}`,
            work: () => files.writeAttribute(`${deviceFolder(address)}/sriov_drivers_autoprobe`, autoprobe ? '1' : '0'),
          },
        ]
      : []),
    ...(numVfs !== undefined && numVfs > total
      ? [impossible(`numVfs: ${numVfs} is more than the ${total} VFs that ${address} can have (sriov_totalvfs)`)]
      : []),
    ...(numVfs !== undefined && numVfs !== now && numVfs <= total
      ? [
          {
            what: `set sriov_numvfs ${numVfs} (was ${now})`,
            check: () => requireUnused(host, address, now, numVfs),
            work: () => setCount(host, address, now, numVfs),
          },
        ]
      : []),
  ]
}

/** `seen` has the PFs of earlier entries. */
async function applyOne(
  host: CallHost,
  rtnl: Rtnl,
  wanted: WantedPf,
  { isDry, seen }: { readonly isDry: boolean; readonly seen: Set<PciAddress> },
): Promise<Applied> {
  const done: string[] = []
  const problems: string[] = []
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  await attempt(async () => {
    const address = addressOf(host, wanted.pf)
    if (seen.has(address)) {
      throw new Error('it is in the file already')
    }
    seen.add(address)
    for (const { what, check, work } of await stepsFor(host, rtnl, address, wanted)) {
      // One that is refused does not keep the others: a PF without its MTU still has VFs.
      await attempt(async () => {
        await check?.()
        if (!isDry) {
          await work()
        }
        done.push(what)
      })
    }
  })
  return { pf: wanted.pf, done, problem: problems.length === 0 ? null : problems.join('; ') }
}

const lineOf = ({ pf, done, problem }: Applied, isDry: boolean): string => {
  const changes = done.length === 0 ? (problem === null ? ['is as it should be'] : []) : done
  const would = isDry && done.length > 0 ? 'would ' : ''
  return printable(
    `${pf}: ${[...changes.map((one) => would + one), ...(problem === null ? [] : [problem])].join('; ')}`,
  )
}

/** Makes all PFs as the file says. Returns the exit code: 1 when one is not. @throws Error when the file cannot be used */
export async function applyPfs(
  host: CallHost,
  out: Output,
  { config = pfsFile(host.files), dryRun, json, ifPresent }: ApplyOptions,
): Promise<number> {
  if (ifPresent && !host.files.exists(config)) {
    out.write(`there is no ${config}: the VFs stay as they are\n`)
    return 0
  }
  using rtnl = openRtnl(host)
  const how = { isDry: dryRun === true, seen: new Set<PciAddress>() }
  const applied: Applied[] = []
  for (const wanted of readPfs(host.files, config)) {
    applied.push(await applyOne(host, rtnl, wanted, how))
  }
  out.write(json ? asJson({ pfs: applied }) : applied.map((one) => `${lineOf(one, how.isDry)}\n`).join(''))
  return applied.every(({ problem }) => problem === null) ? 0 : 1
}
