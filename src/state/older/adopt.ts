/** Records of older plugins, made ours. */
import type { FilePort } from '../../host/ports.js'
import type { AttachmentKey, AttachmentRecord } from '../record.js'
import type { ReadRecord } from '../record-format.js'
import { adoptGoRecord } from './go-record.js'
import { adoptIntelRecord } from './intel-record.js'

/** What a state file of an older plugin contains. */
export type OlderRecord = Extract<ReadRecord, { kind: 'go' | 'intel' }>

export const adopt = (files: FilePort, key: AttachmentKey, { kind, conf, deviceId }: OlderRecord): AttachmentRecord =>
  kind === 'go' ? adoptGoRecord(files, key, conf, deviceId) : adoptIntelRecord(files, key, conf, deviceId)
