import type { FilePort } from '../host/ports.js'

/** Inode of a machine's first PID namespace (PROC_PID_INIT_INO in proc_ns.h). Its /proc shows every process. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

/**
 * The mount and PID namespaces of a caller, as /proc/self/ns names them. They decide which paths and processes it sees.
 */
export interface View {
  readonly mount: string
  readonly pid: string
}

export const viewOf = (files: FilePort): View => ({
  mount: files.readLink('/proc/self/ns/mnt') ?? '',
  pid: files.readLink('/proc/self/ns/pid') ?? '',
})

export const isSameView = (left: View, right: View): boolean => left.mount === right.mount && left.pid === right.pid

/** Whether /proc shows every process of the machine. */
export const seesAllProcesses = ({ pid }: View): boolean => pid === FIRST_PID_NAMESPACE
