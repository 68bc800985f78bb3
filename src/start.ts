import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'

/** What main.cjs exports. */
interface Plugin {
  run(folder: string): Promise<void>
}

/** V8 takes bytecode only for a source of the same length, and its own version and flags. */
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

/** In front of the bytecode: its checksum, which the launcher has compared (native/shim/bytecode.h). */
export const CHECKSUM_BYTES = 8

/**
 * The first that runs of the plugin: compiles main.cjs, from its bytecode where the launcher names that file, which
 * saves a call a tenth of its time.
 */
if (require.main === module) {
  const [, , file] = process.argv
  void start(
    __dirname,
    compile(__dirname, file === undefined ? undefined : readFileSync(file).subarray(CHECKSUM_BYTES)),
  )
}
