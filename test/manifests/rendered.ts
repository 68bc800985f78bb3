import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

export const KUBERNETES = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url))
export const KUSTOMIZE = fileURLToPath(new URL('../../dist/debian/kustomize', import.meta.url))

/** An object of Kubernetes, as far as all have it. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [key: string]: unknown
}

/** The objects of a YAML text. @throws Error for a text that is none */
export function objectsIn(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors
    if (problem) {
      throw problem
    }
    const object = document.toJS() as Manifest | null
    return object ? [object] : []
  })
}

/** What `kubectl apply -k` of a folder sends; a relative one is below deploy/kubernetes. @throws Error with what kustomize says */
export function rendered(folder: string): readonly Manifest[] {
  const { status, stdout, stderr, error } = spawnSync(KUSTOMIZE, ['build', resolve(KUBERNETES, folder)], {
    encoding: 'utf8',
  })
  if (error || status !== 0) {
    throw error ?? new Error(stderr)
  }
  return objectsIn(stdout)
}

/** The only object of a kind. @throws Error when there is none */
export function only(objects: readonly Manifest[], kind: string): Manifest {
  const [found] = objects.filter((one) => one.kind === kind)
  if (!found) {
    throw new Error(`no ${kind}`)
  }
  return found
}
