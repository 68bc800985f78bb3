/** How an operator names a pod. */

/** A pod and its container, as a record, a journal entry or `status` knows them. */
export interface PodFacts {
  readonly containerId: string | null
  readonly pod?: { readonly namespace: string | null; readonly name: string | null } | null | undefined
}

/** Whether somebody means this pod: by `NAMESPACE/NAME`, by its name, or by the start of a container ID. */
export const isMeant = (wanted: string, { pod, containerId }: PodFacts): boolean =>
  (pod?.name != null && (pod.name === wanted || `${pod.namespace}/${pod.name}` === wanted)) ||
  (wanted !== '' && containerId?.startsWith(wanted) === true)

const SHORT_ID = 13

/** The start of a container ID, as runtimes show it. */
export const shortId = (containerId: string): string => containerId.slice(0, SHORT_ID)
