import { run } from '../host/process.js'
import { BIN_DIR } from './plugin.js'

export const SRIOVCTL = `${BIN_DIR}/.sriov/sriovctl`

export interface Finding {
  readonly id: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly subject: string
  readonly message: string
  readonly remedy: readonly string[]
}

/** Runs the operator's command and reads its JSON. */
export async function ctlJson<T>(...words: string[]): Promise<T> {
  const { stdout, stderr } = await run(SRIOVCTL, [...words, '--json'])
  if (stdout === '') {
    throw new Error(`sriovctl ${words.join(' ')}: ${stderr}`)
  }
  return JSON.parse(stdout) as T
}

export const allFindings = async (): Promise<Finding[]> => (await ctlJson<{ findings: Finding[] }>('doctor')).findings

/** That nobody listens at the socket is not wrong: tests start that process themselves. */
export const isWrong = ({ severity }: Finding): boolean => severity !== 'info'

/** What is wrong. */
export const findings = async (): Promise<Finding[]> => (await allFindings()).filter(isWrong)
