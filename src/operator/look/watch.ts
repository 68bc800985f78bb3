/** `sriovctl status --watch`. */

import { messageOf } from '../../errors.js'
import type { CallHost } from '../../state/folder.js'
import { type Output, printable } from '../output.js'
import { type StatusOptions, status } from './status.js'

const PAUSE_MS = 2_000
/** Cursor to the corner, then clear to the end of the screen (ECMA-48). */
const REDRAW = '\u001b[H\u001b[J'

/** Draws the status again and again; does not return. */
export async function watch(host: CallHost, out: Output, options: StatusOptions): Promise<never> {
  for (;;) {
    let text = ''
    const page: Output = {
      isTerminal: out.isTerminal,
      write(part) {
        text += part
      },
    }
    try {
      await status(host, page, options)
    } catch (error) {
      text = `${printable(messageOf(error))}\n`
    }
    out.write(out.isTerminal ? REDRAW + text : text)
    await host.clock.sleep(PAUSE_MS)
  }
}
