import { readdirSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'

const PORTS = '/sys/class/virtio-ports'
const PROMPT = '(qemu) '

/** Tells QEMU something about the machine in which this runs, by its monitor (scripts/lab.d/qemu). */
export async function monitor(command: string): Promise<string> {
  const port = readdirSync(PORTS).find((name) => readFileSync(`${PORTS}/${name}/name`, 'utf8').trim() === 'lab.monitor')
  await using file = await open(`/dev/${port}`, 'r+')
  await file.write(`${command}\n`)
  const bytes = Buffer.alloc(65_536)
  let said = ''
  // Before the first command it prints what it is, and a prompt.
  while (!said.includes(command) || !said.endsWith(PROMPT)) {
    const { bytesRead } = await file.read(bytes)
    said += bytes.toString('utf8', 0, bytesRead)
  }
  return said
}

/** Plugs the cable of a card (1 for the first) in, or pulls it. */
export const plugCable = (card: number, isIn: boolean): Promise<string> =>
  monitor(`set_link card${card} ${isIn ? 'on' : 'off'}`)
