/** A plugin in front of ours, which notes how a runtime calls it, and can hold back its answer. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { BIN_DIR, PLUGIN, type Verb } from '../calls/plugin.js'
import { until } from '../host/process.js'

/** The `type` of configurations that are to go through it. */
export const NOTED = 'sriov-noted'

const CALLS = '/run/lab-calls'
const HELD = '/run/lab-held'

const SCRIPT = `#!/bin/sh
echo "$CNI_COMMAND $CNI_IFNAME $\{CNI_NETNS:+in-namespace}" >>${CALLS}
${PLUGIN}
status=$?
while [ -e ${HELD} ]; do sleep 0.1; done
exit $status
`

export interface NotedCall {
  readonly verb: Verb
  readonly ifName: string
  readonly hasNetns: boolean
}

/** Every call since the last time, in the order of their beginnings. */
export function takeCalls(): NotedCall[] {
  const text = existsSync(CALLS) ? readFileSync(CALLS, 'utf8') : ''
  rmSync(CALLS, { force: true })
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [verb, ifName = '', netns] = line.split(' ')
      return { verb: verb as Verb, ifName, hasNetns: netns !== '' }
    })
}

export const verbs = (): string[] => takeCalls().map(({ verb }) => verb)

export function installNoted(): void {
  writeFileSync(`${BIN_DIR}/${NOTED}`, SCRIPT, { mode: 0o755 })
}

export function removeNoted(): void {
  for (const path of [`${BIN_DIR}/${NOTED}`, CALLS, HELD]) {
    rmSync(path, { force: true })
  }
}

/** From now on calls do all and then do not end. Returns how to let them go. */
export function holdAnswers(): () => void {
  writeFileSync(HELD, '')
  return () => rmSync(HELD)
}

/** Waits for the beginning of a call. */
export const called = (verb: Verb): Promise<void> =>
  until(`${verb} is called`, async () => existsSync(CALLS) && readFileSync(CALLS, 'utf8').includes(`${verb} `))
