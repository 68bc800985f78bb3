import type { CallHost } from '../../state/folder.js'
import type { AttachmentRecord } from '../../state/record.js'

/** A pod as kubelet names it. */
interface PodName {
  readonly namespace: string
  readonly name: string
}

/** What lives on this node. Both are empty where there is no Kubernetes. */
export interface Living {
  /** The pods of devices by PCI address, by kubelet. */
  readonly pods: ReadonlyMap<string, PodName>
  /** The container IDs of the sandboxes that are ready, by the container runtime. */
  readonly sandboxes: ReadonlySet<string>
}

/** Why an attachment is to be left alone, whatever it looks like; undefined when it is not. */
export type Spare = (record: AttachmentRecord) => string | undefined

/** Spares what lives, and attachments whose ADD began less than `youngMs` ago. */
export function spareBy({ clock }: Pick<CallHost, 'clock'>, { sandboxes, pods }: Living, youngMs: number): Spare {
  const now = clock.dateMs()
  return ({ containerId, deviceId, pod, since }) => {
    if (sandboxes.has(containerId)) {
      return 'the container runtime says that its sandbox is alive'
    }
    const owner = pods.get(deviceId)
    if (owner && (!pod || (pod.namespace === owner.namespace && pod.name === owner.name))) {
      return `kubelet has it for ${owner.namespace}/${owner.name}`
    }
    // After a clock was set back an ADD may lie ahead: it is not old either.
    return since !== undefined && youngMs > 0 && now - Date.parse(since) < youngMs
      ? `its ADD began at ${since}, which is not long ago`
      : undefined
  }
}
