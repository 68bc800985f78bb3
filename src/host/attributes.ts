import { closeSync, constants, openSync, write } from 'node:fs'
import { errnoOf, messageOf, PluginError } from '../errors.js'

/** A driver that holds a device for so long holds it for its user: nothing is gained by waiting on. */
const WRITE_TIMEOUT_MS = 60_000

/** One write(2), on a thread: a driver that is asked to let a device go waits for its user. */
function writeOnce(fd: number, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }))
    const timer = setTimeout(giveUp, WRITE_TIMEOUT_MS)
    write(fd, text, (error) => {
      clearTimeout(timer)
      if (error) {
        reject(error)
      } else {
        resolve()
      }
    })
  })
}

/** Writes to an attribute of sysfs. @throws PluginError kind `kernel` with the driver's errno, ETIMEDOUT after 60 s */
export async function writeAttribute(path: string, text: string): Promise<void> {
  try {
    const fd = openSync(path, constants.O_WRONLY)
    try {
      await writeOnce(fd, text)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw new PluginError({
      kind: 'kernel',
      operation: `write ${JSON.stringify(text.trim())}`,
      target: path,
      code: errnoOf(error) ?? messageOf(error),
    })
  }
}
