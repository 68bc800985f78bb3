import { closeSync, constants, openSync, write } from 'node:fs'
import { errnoOf, messageOf, PluginError } from '../../errors.js'

/** A driver that blocks this long waits for a user of the device. A longer wait does not help. */
const WRITE_TIMEOUT_MS = 60_000

/** Limit on concurrent writes. It leaves the other threads of this process to netlink. */
const MAX_WRITES = 8

let underWay = 0
let abandoned = 0
const waiting: (() => void)[] = []

/** The number of writes that timed out and still hold a thread, because their driver does not return. */
export const abandonedWrites = (): number => abandoned

function timedOut(): Error {
  return Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })
}

/** Waits for a free place; false when none becomes free in time. */
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

/** One write(2), on a thread: a driver that is asked to release a device waits for the device's user. */
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
      // Close only now: another file could get this descriptor number while the write still runs.
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
 * Writes to a sysfs attribute. At most eight writes run at once. A write whose driver does not return keeps its place.
 * @throws PluginError kind `kernel` with the driver's errno; ETIMEDOUT after `timeoutMs`, 60 s
 */
export async function writeAttribute(path: string, text: string, timeoutMs = WRITE_TIMEOUT_MS): Promise<void> {
  const began = performance.now()
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
    await writeOnce(fd, text, Math.max(1, timeoutMs - (performance.now() - began)))
  } catch (error) {
    throw new PluginError({
      kind: 'kernel',
      operation: `write ${JSON.stringify(text.trim())}`,
      target: path,
      code: errnoOf(error) ?? messageOf(error),
    })
  }
}
