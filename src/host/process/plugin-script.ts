import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'

/** What main.cjs exports. */
interface Plugin {
  run(folder: string, isBytecodeRefused: boolean): Promise<void>
}

/** Compiles main.cjs. V8 takes bytecode only for a source of the same length, and for its own version and flags. */
export function compile(folder: string, bytecode?: Buffer): Script {
  const source = readFileSync(join(folder, 'main.cjs'), 'utf8')
  return new Script(`(function (require, module, exports, __dirname) {${source}\n})`, {
    filename: 'main.cjs',
    ...(bytecode && { cachedData: bytecode }),
  })
}

/** Runs the plugin for one call. `load` is require() of the installed folder. */
export function start(folder: string, script: Script, load: NodeJS.Require): Promise<void> {
  const module: { exports: Partial<Plugin> } = { exports: {} }
  script.runInThisContext()(load, module, module.exports, folder)
  return (module.exports as Plugin).run(folder, script.cachedDataRejected === true)
}

/** The length of the checksum before the bytecode. The launcher has compared it (native/shim/bytecode.h). */
export const CHECKSUM_BYTES = 8
