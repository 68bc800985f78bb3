/**
 * Loaded into the plugin before its own code (`node --require kill-hook.cjs main.cjs`): numbers whatever it does to
 * the machine, at the edge to Node.js and to the addon, so that nothing has to be listed by hand. See hooked-call.ts.
 */
import { decodeMessages } from '../../../src/netlink/message.js'
import { HOOK_VARIABLES } from './hook-variables.js'

type Callable = (...args: unknown[]) => unknown
/** What a call is about to change; undefined when it only looks. */
type Describe = (name: string, args: readonly unknown[]) => string | undefined

const { appendFileSync, existsSync, readlinkSync } = require('node:fs') as typeof import('node:fs')

/** closeSync() gives locks up, but releaseLock() of the addon comes before it. */
const READ_ONLY_FILE_CALLS = new Set(
  [
    ...['access', 'close', 'exists', 'fstat', 'lstat', 'opendir', 'read', 'readdir', 'readFile', 'readlink', 'readv'],
    ...['realpath', 'stat', 'statfs'],
  ].map((name) => `${name}Sync`),
)
/** exitNow: whatever is killed there is killed after the last primitive. */
const READ_ONLY_ADDON_CALLS = new Set([
  ...['openNetns', 'openNetlinkSocket', 'readText', 'readLink', 'readFolder', 'isThere', 'exitNow'],
  ...['acceptPeer', 'receiveFrom', 'isHungUp', 'watch', 'unwatch', 'openChild'],
])
const ADDON = 'sriov_native.node'
const LAST_STANDARD_FD = 2

const OPERATIONS = ['NEW', 'DEL', 'GET', 'SET'] as const
const OBJECTS = new Map([
  [16, 'LINK'],
  [20, 'ADDR'],
  [24, 'ROUTE'],
  [108, 'LINKPROP'],
])

/** rtnetlink.h: the lowest two bits of a type are the operation. */
const nameOfMessage = (type: number): string => `${OPERATIONS[type & 3] ?? ''}${OBJECTS.get(type & ~3) ?? type}`

const isGet = (type: number): boolean => OPERATIONS[type & 3] === 'GET'

let seen = -1
let isInside = false

const record = process.env[HOOK_VARIABLES.record]
const [moment, wanted] = (process.env[HOOK_VARIABLES.kill] ?? '').split(' ')
const killAt = moment ? Number(wanted) : Number.NaN

const armedBy = process.env[HOOK_VARIABLES.armed]
const slowSyncMs = Number(process.env[HOOK_VARIABLES.slowSync] ?? '0')

const isArmed = (): boolean => armedBy === undefined || existsSync(armedBy)

const isKilledAfter = (at: number): boolean => at === killAt && moment === 'after'

function die(): void {
  const command = process.env[HOOK_VARIABLES.lastWords]
  if (command) {
    const { execFileSync } = require('node:child_process') as typeof import('node:child_process')
    execFileSync('/bin/sh', ['-c', command])
  }
  process.kill(process.pid, 'SIGKILL')
}

/** Short, and the same in every run: test names are made of it. */
const normal = (path: string): string =>
  path
    .replace('/var/lib/cni/sriov', 'STATE')
    .replace(/\.tmp-[\d-]+/, '.tmp')
    .replace(/pipe:\[\d+\]/, 'pipe')
    .replace(/c-pod-\d+-\d+/, 'POD')

function argumentText(argument: unknown): string {
  return typeof argument === 'string' ? normal(argument) : ''
}

function fileOfFd(fd: unknown): string {
  try {
    return normal(readlinkSync(`/proc/self/fd/${fd}`))
  } catch {
    return `fd ${fd}`
  }
}

const isOpenForReading = (flags: unknown): boolean =>
  flags === undefined || (typeof flags === 'string' ? /^rs?$/.test(flags) : (Number(flags) & 0o3) === 0)

/** Opening a file of sysfs changes nothing, whatever for. */
const isAttribute = (path: unknown): boolean => typeof path === 'string' && path.startsWith('/sys/')

const describeFileCall: Describe = (name, [first, second]) => {
  if (typeof first === 'number') {
    return first > LAST_STANDARD_FD ? `${name} ${fileOfFd(first)}` : undefined
  }
  if (
    first === '/dev/null' ||
    (name === 'openSync' && isAttribute(first)) ||
    (name === 'openSync' && isOpenForReading(second))
  ) {
    return undefined
  }
  const target = name === 'renameSync' || name === 'linkSync' ? ` ${argumentText(second)}` : ''
  return `${name} ${argumentText(first)}${target}`
}

const describeAddonCall: Describe = (name, args) => {
  if (name.startsWith('exchangeRoute') && Buffer.isBuffer(args[1])) {
    const types = decodeMessages(args[1]).map(({ type }) => type)
    return types.every(isGet) ? undefined : `${name} ${types.map(nameOfMessage).join(' ')}`
  }
  return `${name} ${args.flat().map(argumentText).join(' ')}`.trim()
}

/** The callback of a call that is carried out on a thread: "after" it is when the callback is called. */
function dyingCallback(callback: Callable): Callable {
  return (...results) => {
    die()
    return callback(...results)
  }
}

function hooked(name: string, original: Callable, describe: Describe): Callable {
  return function (this: unknown, ...args) {
    const what = isInside || !isArmed() ? undefined : describe(name, args)
    if (what === undefined) {
      return original.apply(this, args)
    }
    seen += 1
    isInside = true
    let isPending = false
    try {
      if (record) {
        appendFileSync(record, `${what}\n`)
      }
      if (seen === killAt && moment === 'before') {
        die()
      }
      const callback = args.at(-1)
      if (isKilledAfter(seen) && typeof callback === 'function') {
        args[args.length - 1] = dyingCallback(callback as Callable)
      }
      const at = seen
      const result = original.apply(this, args)
      isPending = result instanceof Promise
      return result instanceof Promise && isKilledAfter(at) ? result.finally(die) : result
    } finally {
      // A call that is refused is over, too.
      if (isKilledAfter(seen) && !isPending && typeof args.at(-1) !== 'function') {
        die()
      }
      isInside = false
    }
  }
}

const fs = require('node:fs') as Record<string, unknown>
for (const [name, member] of Object.entries(fs)) {
  if ((name.endsWith('Sync') || name === 'write') && typeof member === 'function' && !READ_ONLY_FILE_CALLS.has(name)) {
    fs[name] = hooked(name, member as Callable, describeFileCall)
  }
}

/** Syncs as a slow disk does. */
const slowly =
  (sync: Callable): Callable =>
  (...args) =>
    new Promise((resolve) => setTimeout(resolve, slowSyncMs)).then(() => sync(...args))

const dlopen = process.dlopen.bind(process)
process.dlopen = (module: { exports: Record<string, Callable> }, file: string, ...flags: number[]) => {
  ;(dlopen as Callable)(module, file, ...flags)
  if (file.endsWith(ADDON)) {
    module.exports = Object.fromEntries(
      Object.entries(module.exports).map(([name, member]) => [
        name,
        READ_ONLY_ADDON_CALLS.has(name)
          ? member
          : hooked(name, name === 'syncPaths' && slowSyncMs > 0 ? slowly(member) : member, describeAddonCall),
      ]),
    )
  }
}
