/** Runs a tool of the benchmark: an error is said in a line, and ends it with status 1. */
export function runTool(work: () => Promise<void>): void {
  work().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
