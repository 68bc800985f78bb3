import type { FilePort } from '../host/ports.js'

/** Y: all network namespaces share the RDMA devices. N: each device is in one. Absent before Linux 5.2, which share (ib_core). */
const NETNS_MODE = '/sys/module/ib_core/parameters/netns_mode'

/** Whether each RDMA device of this machine is in one network namespace (`rdma system set netns exclusive`). */
export const isRdmaExclusive = (files: FilePort): boolean => files.readText(NETNS_MODE)?.trim() === 'N'
