import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { GC_ENVIRONMENT, gcConf, NO_POD } from '../calls/collecting.js'
import { add, type Conf, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, type Pod, removePods } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { vf } from '../host/virtual-functions.js'
import { type HookedCall, type Point, pointsOf, recordPrimitives } from './hooked-call.js'

/** The verbs that change something. */
export type ChangingVerb = 'ADD' | 'DEL' | 'GC'

/** The VF that the calls that are killed are about. */
export const CRASH_VF = vf(2)
export const CRASH_CONF = netConf(CRASH_VF, { ...ALL_SETTINGS, ...hostLocal() })

/** Whether the folders of the state folder exist before a call: one that makes them does more. */
export type Folders = 'present' | 'absent'

/** The folders that a call makes, as the first call of a test file left them. */
let folders: readonly string[] = []

async function makeFolders(conf: Conf): Promise<void> {
  const pod = await podFor('DEL', conf)
  await del(pod, conf)
  folders = readdirSync(STATE_FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ parentPath, name }) => `${parentPath}/${name}`)
}

/** Makes the state folder what it was at recordPoints(): an earlier test that failed may have taken it away. */
export function prepareFolders(wanted: Folders): void {
  if (wanted === 'absent') {
    rmSync(STATE_FOLDER, { recursive: true, force: true })
  } else {
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true })
    }
  }
}

/** The call to kill; before a DEL or a GC the pod is to be given its VF. */
export const hookedCall = (verb: ChangingVerb, pod: Pod, conf = CRASH_CONF): HookedCall =>
  verb === 'GC' ? { verb, pod: NO_POD, conf: gcConf(CRASH_VF), options: { env: GC_ENVIRONMENT } } : { verb, pod, conf }

/** A new pod, which has its VF already where the call is to take it away. */
export async function podFor(verb: ChangingVerb, conf = CRASH_CONF): Promise<Pod> {
  const pod = await newPod()
  if (verb !== 'ADD') {
    await add(pod, conf)
  }
  return pod
}

/** The moments before and after everything that a call does to the machine, found by a call that is left alone. */
export async function recordPoints(
  verb: ChangingVerb,
  wanted: Folders = 'present',
  conf: Conf = CRASH_CONF,
): Promise<Point[]> {
  await makeFolders(conf)
  prepareFolders(wanted)
  const pod = await podFor(verb, conf)
  const primitives = await recordPrimitives(hookedCall(verb, pod, conf))
  await del(pod, conf)
  await removePods()
  return pointsOf(primitives)
}
