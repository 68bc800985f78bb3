import { readdirSync, readFileSync } from 'node:fs'
import { type Bed, sriovCall } from '../cases.js'
import { time } from '../measure.js'

const { BENCH_DAEMON = '' } = process.env

const SAMPLES = 20
const KILOBYTES = 1024

/** VFs on a user space driver: their ADD searches the programs of the machine in /proc. */
const IN_USER_SPACE = /^0000:ff:/

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${BENCH_DAEMON}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / KILOBYTES
}

/** Many ADDs and DELs, some at once; the resident set of the process in MB, at even distances. `pods` have nothing yet. */
export async function watchMemory(calls: number, pods: readonly Bed[]): Promise<number[]> {
  const devices = readdirSync('/sys/bus/pci/devices').filter((name) => IN_USER_SPACE.test(name))
  const beds = devices.flatMap((device, i) => (pods[i] ? [{ ...pods[i], device, netdev: '' }] : []))
  const megabytes = [residentMegabytes()]
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    for (let made = 0; made < calls / SAMPLES; made += beds.length) {
      await time(beds.map((bed) => sriovCall('ADD', bed, {}, {})))
      await time(beds.map((bed) => sriovCall('DEL', bed, {}, {})))
    }
    megabytes.push(residentMegabytes())
    process.stderr.write(`${Math.round((calls * sample) / SAMPLES)} ADD and DEL: ${megabytes.at(-1)?.toFixed(1)} MB\n`)
  }
  return megabytes
}
