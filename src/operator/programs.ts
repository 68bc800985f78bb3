/** Programs of the node that sriovctl asks. PATH is not trusted. */
import type { Exit, Host } from '../host/ports.js'

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const TIMEOUT_MS = 10_000

/** Where a program of the system is; undefined when it is not installed. */
export const programPath = ({ files }: Pick<Host, 'files'>, name: string): string | undefined =>
  FOLDERS.map((folder) => `${folder}/${name}`).find((path) => files.isExecutable(path))

export interface ProgramCall {
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly stdin?: string
}

/** Runs a program to its end. @throws PluginError kind `kernel` */
export const runProgram = (
  { processes }: Pick<Host, 'processes'>,
  path: string,
  { args = [], environment = {}, stdin = '' }: ProgramCall = {},
): Promise<Exit> =>
  processes
    .start({ path, args, stdin, environment: { PATH: FOLDERS.join(':'), ...environment }, keepsStderr: true })
    .wait(TIMEOUT_MS)
