import type { FilePort } from '../host/ports.js'

/** Inode of the first PID namespace of a machine, whose /proc shows every process (PROC_PID_INIT_INO in proc_ns.h). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

/** Which paths and processes a caller sees: its mount and its PID namespace, as /proc/self/ns names them. */
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
