import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PluginError } from '../errors.js'
import { errnoName } from './errno.js'

/** The functions of native/glue.c. A number below zero is a negative errno. */
export interface Addon {
  openRouteSocket(netnsFd: number): number
  sendRoute(fd: number, bytes: Buffer): number
  receiveRoute(fd: number, timeoutMs: number): Buffer | number
  sendFrame(netnsFd: number, interfaceIndex: number, bytes: Buffer): number
  writeFileInNetns(netnsFd: number, path: string, bytes: Buffer): number
  namespaceType(fd: number): number
  tryLock(fd: number): number
  startChild(
    path: string,
    argv: readonly string[],
    environment: readonly string[],
    stdin: Buffer,
  ): [number, number] | number
  waitChild(pid: number, timeoutMs: number): number
  exitNow(code: number): never
}

const FILE_NAME = 'sriov_native.node'

let loaded: Addon | undefined

/** Loads the addon: beside the bundle when installed, from node-gyp's folder in a checkout. Once a process. */
export function loadAddon(): Addon {
  if (!loaded) {
    const beside = join(__dirname, FILE_NAME)
    const built = ['..', '../..'].map((up) => join(__dirname, up, 'build/Release', FILE_NAME))
    const path = [beside, ...built].find((candidate) => existsSync(candidate)) ?? beside
    const module = { exports: {} }
    process.dlopen(module, path)
    loaded = module.exports as Addon
  }
  return loaded
}

/** Hands a result on, or throws what the kernel said. @throws PluginError kind `kernel` */
export function orThrow(result: number, operation: string, target: string): number {
  if (result < 0) {
    throw new PluginError({ kind: 'kernel', operation, target, code: errnoName(-result) })
  }
  return result
}
