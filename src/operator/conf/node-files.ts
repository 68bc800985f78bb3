/** `sriovctl validate --as`: what is wrong with a file that configures a node, before it is put where it counts. */
import { messageOf } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import { policyProblem } from '../../policy/load.js'
import { readPoolConf } from '../../pool/conf/conf.js'
import type { ReadConf } from '../../pool/conf/conf-in-force.js'
import { readRdmaConf } from '../../pool/conf/rdma-conf.js'
import { asJson, colored, counted, type Output, printable } from '../output.js'
import { pfsIn } from '../pf/pfs-schema.js'

function pfsProblem(text: string): string | undefined {
  try {
    pfsIn(text)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

const asList = (problem: string | undefined): readonly string[] => (problem === undefined ? [] : [problem])
const issuesOf = <Resource>({ issues }: ReadConf<Resource>): readonly string[] =>
  issues.map(({ key, problem }) => `${key}: ${problem}`)

const PROBLEMS_OF = {
  policy: (text: string) => asList(policyProblem(text)),
  pfs: (text: string) => asList(pfsProblem(text)),
  pools: (text: string) => issuesOf(readPoolConf(text, 'the file')),
  rdma: (text: string) => issuesOf(readRdmaConf(text, 'the file')),
} as const

export type NodeFile = keyof typeof PROBLEMS_OF
export const NODE_FILES = Object.keys(PROBLEMS_OF) as NodeFile[]

/** Prints every problem. Returns the exit code: 1 when there is one. @throws Error when a file is not there */
export function validateAs(
  files: FilePort,
  out: Output,
  paths: readonly string[],
  { as, json }: { readonly as: NodeFile; readonly json?: true },
): number {
  const problems = paths.flatMap((file) => {
    const text = files.readText(file)
    if (text === undefined) {
      throw new Error(`there is no file ${file}`)
    }
    return PROBLEMS_OF[as](text).map((problem) => ({ file, problem }))
  })
  const lines = problems.map(
    ({ file, problem }) => `${colored(out, 'red', 'error')} ${printable(`${file}: ${problem}`)}\n`,
  )
  out.write(json ? asJson({ problems }) : `${lines.join('')}${counted(problems.length, 'problem')}\n`)
  return problems.length > 0 ? 1 : 0
}
