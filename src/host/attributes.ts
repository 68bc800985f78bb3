import { closeSync, constants, openSync, write } from 'node:fs'
import { errnoOf, messageOf, PluginError } from '../errors.js'

/** A driver that holds a device for so long holds it for its user: nothing is gained by waiting on. */
const WRITE_TIMEOUT_MS = 60_000

/** So many writes are under way at once. The other threads of this process are left to netlink. */
const MAX_WRITES = 8

let underWay = 0
let abandoned = 0
const waiting: (() => void)[] = []

/** How many writes hold a thread although nobody waits for them any more: their driver does not let them go. */
export const abandonedWrites = (): number => abandoned

function timedOut(): Error {
  return Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })
}

/** Waits for one of the places; false when none is free in time. */
async function takePlace(timeoutMs: number): Promise<boolean> {
  if (underWay < MAX_WRITES) {
    underWay += 1
    return true
  }
  return new Promise((resolve) => {
    const onFree = () => {
      clearTimeout(timer)
      underWay += 1
      resolve(true)
    }
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(onFree), 1)
      resolve(false)
    }, timeoutMs)
    waiting.push(onFree)
  })
}

function leavePlace(): void {
  underWay -= 1
  waiting.shift()?.()
}

/** One write(2), on a thread: a driver that is asked to let a device go waits for its user. */
function writeOnce(fd: number, text: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let isAbandoned = false
    const timer = setTimeout(() => {
      isAbandoned = true
      abandoned += 1
      reject(timedOut())
    }, timeoutMs)
    write(fd, text, (error) => {
      clearTimeout(timer)
      abandoned -= isAbandoned ? 1 : 0
      // Not before: a descriptor of this number could become another file's while the write goes on.
      closeSync(fd)
      leavePlace()
      if (error) {
        reject(error)
      } else {
        resolve()
      }
    })
  })
}

/**
 * Writes to an attribute of sysfs. At most eight writes are under way at once; a driver that does not return from its own
 * keeps its place.
 * @throws PluginError kind `kernel` with the driver's errno; ETIMEDOUT after `timeoutMs`, 60 s
 */
export async function writeAttribute(path: string, text: string, timeoutMs = WRITE_TIMEOUT_MS): Promise<void> {
  try {
    if (!(await takePlace(timeoutMs))) {
      throw timedOut()
    }
    let fd: number
    try {
      fd = openSync(path, constants.O_WRONLY)
    } catch (error) {
      leavePlace()
      throw error
    }
    await writeOnce(fd, text, timeoutMs)
  } catch (error) {
    throw new PluginError({
      kind: 'kernel',
      operation: `write ${JSON.stringify(text.trim())}`,
      target: path,
      code: errnoOf(error) ?? messageOf(error),
    })
  }
}
