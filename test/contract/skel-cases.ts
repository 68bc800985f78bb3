import { readFileSync } from 'node:fs'

/** One call and what the reference implementation (containernetworking/cni, skel) answers; texts of Go left out. */
export interface SkelCase {
  readonly name: string
  readonly environment: Readonly<Record<string, string>>
  readonly stdin: string
  readonly exitCode: number
  readonly code?: number
  readonly msg?: string
  readonly details?: string
}

export const SKEL_CASES: readonly SkelCase[] = JSON.parse(
  readFileSync(new URL('../fixtures/skel.json', import.meta.url), 'utf8'),
)

/** CNI_NETNS is written as POD or SELF: the caller says what these are. */
export function environmentOf({ environment }: SkelCase, pod: string, self: string): Record<string, string> {
  const { CNI_NETNS, ...rest } = environment
  const netns = CNI_NETNS === 'POD' ? pod : CNI_NETNS === 'SELF' ? self : CNI_NETNS
  return { ...rest, ...(netns !== undefined && { CNI_NETNS: netns }) }
}

/** The JSON documents on stdout: there may be one at the most. */
export function oneDocument(stdout: string): { readonly [key: string]: unknown } | undefined {
  return stdout === '' ? undefined : JSON.parse(stdout)
}
