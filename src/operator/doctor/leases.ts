/** What is wrong with the leases of host-local, a file for each address that has the container in it. */
import { tryParseIp } from '../../netlink/ip.js'
import type { CallHost } from '../../state/folder.js'
import type { Finding } from './findings.js'

/** Where host-local keeps them when a configuration names no `dataDir`. */
export const LEASE_FOLDER = '/var/lib/cni/networks'

/** host-local creates the file, and then writes into it. */
const MAX_WRITING_MS = 60_000

/** Leases without a container: host-local was killed in between, or the power was cut. It gives them to nobody. */
export function leaseFindings({ files, clock }: CallHost): Finding[] {
  const isBeingWritten = (path: string) => clock.dateMs() - (files.factsOf(path)?.changedMs ?? 0) < MAX_WRITING_MS
  return files
    .list(LEASE_FOLDER)
    .filter((network) => files.factsOf(`${LEASE_FOLDER}/${network}`)?.kind === 'folder')
    .flatMap((network) =>
      files
        .list(`${LEASE_FOLDER}/${network}`)
        .filter((name) => tryParseIp(name) !== undefined)
        .map((name) => `${LEASE_FOLDER}/${network}/${name}`),
    )
    .filter((path) => files.factsOf(path)?.kind === 'file' && files.readText(path) === '' && !isBeingWritten(path))
    .map((path) => ({
      id: 'ipam-lease-empty',
      subject: path,
      message: 'names no container: host-local was killed, or the power was cut, while it wrote the lease',
      remedy: [`rm ${path}`],
    }))
}
