import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'

/** What main.cjs exports. */
interface Plugin {
  run(folder: string): Promise<void>
}

/** Compiles main.cjs. V8 takes bytecode only for a source of the same length, and for its own version and flags. */
export function compile(folder: string, bytecode?: Buffer): Script {
  const source = readFileSync(join(folder, 'main.cjs'), 'utf8')
  return new Script(`(function (require, module, exports, __dirname) {${source}\n})`, {
    filename: 'main.cjs',
    ...(bytecode && { cachedData: bytecode }),
  })
}

/** Runs the plugin for one call. */
export function start(folder: string, script: Script): Promise<void> {
  const module: { exports: Partial<Plugin> } = { exports: {} }
  script.runInThisContext()(require, module, module.exports, folder)
  return (module.exports as Plugin).run(folder)
}

/** The length of the checksum before the bytecode. The launcher has compared it (native/shim/bytecode.h). */
export const CHECKSUM_BYTES = 8

/**
 * The first code of the plugin that runs. It compiles main.cjs, from bytecode if the launcher names that file, which
 * saves a tenth of a call's time.
 */
if (require.main === module) {
  const [, , file] = process.argv
  void start(
    __dirname,
    compile(__dirname, file === undefined ? undefined : readFileSync(file).subarray(CHECKSUM_BYTES)),
  )
}
