import { readFileSync } from 'node:fs'
import { CHECKSUM_BYTES, compile, start } from './host/process/plugin-script.js'

/**
 * The first code of the plugin that runs. It compiles main.cjs, from bytecode if the launcher names that file, which
 * saves a quarter of a call's time.
 */
const [, , file] = process.argv
void start(
  __dirname,
  compile(__dirname, file === undefined ? undefined : readFileSync(file).subarray(CHECKSUM_BYTES)),
  require,
)
