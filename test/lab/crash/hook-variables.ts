/** The environment variables that tell kill-hook.ts what to do. */
export const HOOK_VARIABLES = {
  /** A file: a line for each primitive goes there. */
  record: 'SRIOV_HOOK_RECORD',
  /** `before 3`, `after 3`: when the process kills itself. 0 is the first primitive. */
  kill: 'SRIOV_HOOK_KILL',
  /** A shell command that runs right before the kill. */
  lastWords: 'SRIOV_HOOK_LAST_WORDS',
  /** A file: the hook sleeps while it is not there. */
  armed: 'SRIOV_HOOK_ARMED',
  /** Milliseconds by which the disk is slower than it is. */
  slowSync: 'SRIOV_HOOK_SLOW_SYNC',
} as const
