/** The file that says how many VFs each PF of a node has, and how the PF is set: /etc/sriov-cni/pfs.json. */
import * as z from 'zod/mini'
import { MAX_U32, MIN_MTU } from '../../cni/conf/netconf-schema.js'
import { messageOf } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import { distrustOf } from '../../node/trust.js'
import { CLUSTER_FOLDER, POLICY_FOLDER } from '../../policy/policy.js'

export const PFS_FILE = `${POLICY_FOLDER}/pfs.json`
const CLUSTER_PFS = `${CLUSTER_FOLDER}/pfs.json`

/** The administrator's file, or else that of the cluster (deploy/kubernetes). */
export const pfsFile = (files: FilePort): string =>
  !files.exists(PFS_FILE) && files.exists(CLUSTER_PFS) ? CLUSTER_PFS : PFS_FILE

const MAX_TEXT = 256 * 1024
const MAX_VFS = 0xffff

const flag = z.boolean('must be true or false')

const Pf = z.strictObject({
  /** The name of its interface, or its PCI address. */
  pf: z
    .string('must be the name or the PCI address of a PF')
    .check(z.minLength(1, 'must be the name or the PCI address of a PF')),
  numVfs: z.optional(z.int('must be a number of VFs').check(z.minimum(0), z.maximum(MAX_VFS))),
  /** Whether the kernel binds new VFs to their drivers (sriov_drivers_autoprobe). */
  autoprobe: z.optional(flag),
  mtu: z.optional(z.int('must be an MTU').check(z.minimum(MIN_MTU), z.maximum(MAX_U32))),
  up: z.optional(flag),
})

export const PfsFile = z.strictObject({ pfs: z.array(Pf, 'must be a list of PFs') })
export type WantedPf = z.infer<typeof Pf>

/** Reads the text of such a file. @throws Error that names the key */
export function pfsIn(text: string): readonly WantedPf[] {
  if (text.length > MAX_TEXT) {
    throw new Error(`it is larger than ${MAX_TEXT} bytes`)
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new Error(`it is not JSON: ${messageOf(error)}`)
  }
  const read = PfsFile.safeParse(document)
  if (!read.success) {
    const issues = read.error.issues.map(({ path: at, message, ...issue }) => {
      const unknown = 'keys' in issue ? `${issue.keys.join(', ')}: is not known` : message
      return `${at.join('.')}${at.length > 0 ? ': ' : ''}${unknown}`
    })
    throw new Error(issues.join('; '))
  }
  return read.data.pfs
}

/** @throws Error that names the file and the key */
export function readPfs(files: FilePort, path: string): readonly WantedPf[] {
  const distrust = distrustOf(files, path)
  if (distrust !== undefined) {
    throw new Error(distrust)
  }
  const text = files.readText(path)
  if (text === undefined) {
    throw new Error(`${path} is not there`)
  }
  try {
    return pfsIn(text)
  } catch (error) {
    throw new Error(`${path}: ${messageOf(error)}`)
  }
}
