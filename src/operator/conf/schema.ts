/** JSON Schemas for editors, from the schemas that the plugin itself uses. Refinements are checked by the plugin only. */
import * as z from 'zod/mini'
import { NET_CONF_KEYS } from '../../cni/conf/netconf-schema.js'
import { PolicyFile } from '../../policy/policy-schema.js'
import { DoctorDocument } from '../doctor/doctor.js'
import { StatusDocument } from '../look/status-document.js'
import { PfsFile } from '../pf/pfs-schema.js'

const input = { io: 'input', unrepresentable: 'any' } as const

export const SCHEMAS = {
  configuration: () => ({
    title: 'Configuration of the sriov CNI plugin',
    ...z.toJSONSchema(z.looseObject(z.partial(z.object(NET_CONF_KEYS)).shape), input),
  }),
  policy: () => ({ title: 'Policy of a node for the sriov CNI plugin', ...z.toJSONSchema(PolicyFile, input) }),
  pfs: () => ({ title: 'PFs of a node for sriovctl pf apply', ...z.toJSONSchema(PfsFile, input) }),
  status: () => ({ title: 'Output of sriovctl status --json', ...z.toJSONSchema(StatusDocument) }),
  doctor: () => ({ title: 'Output of sriovctl doctor --json', ...z.toJSONSchema(DoctorDocument) }),
} as const

export type SchemaName = keyof typeof SCHEMAS
export const SCHEMA_NAMES = Object.keys(SCHEMAS) as SchemaName[]
