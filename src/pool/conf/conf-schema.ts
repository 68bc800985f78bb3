import * as z from 'zod/mini'

/**
 * The file of the SR-IOV network device plugin, key by key (its README, "Config parameters"), and this plugin's own keys.
 * Keys are those of keyTable(): in lower case.
 */
export const DEVICE_TYPES = ['netDevice', 'accelerator'] as const
export type DeviceType = (typeof DEVICE_TYPES)[number]

export const ALLOCATIONS = ['spread', 'pack'] as const
/** How devices are preferred: over many PFs, or from few. */
export type Allocation = (typeof ALLOCATIONS)[number]

const flag = z.boolean('must be true or false')
const Extra = z.record(z.string(), z.record(z.string(), z.string()), 'must be {"*" or a PCI address: {key: text}}')
const selector = z.record(z.string(), z.unknown(), 'must be an object')

/** The keys of one resource. */
export const RESOURCE_KEYS = {
  resourceName: z
    .string('must be a name')
    .check(
      z.regex(
        /^[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/,
        'kubelet takes only letters, digits, _ and -, at most 63, with a letter or digit at each end',
      ),
    ),
  resourcePrefix: z.string('must be a domain name').check(
    z.maxLength(253, 'is longer than 253 characters'),
    z.regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, 'kubelet takes only a domain name'),
    z.refine((text) => !/(^|\.)kubernetes\.io$/.test(text), 'kubelet takes no names of kubernetes.io'),
  ),
  deviceType: z.enum(DEVICE_TYPES, `must be ${DEVICE_TYPES.join(' or ')}; others are not supported`),
  excludeTopology: flag,
  selectors: z.union([selector, z.array(selector)], 'must be an object, or a list of objects'),
  additionalInfo: Extra,
  preferredAllocation: z.enum(ALLOCATIONS, `must be ${ALLOCATIONS.join(' or ')}`),
  healthFromCarrier: flag,
  cdi: flag,
} as const

export const ResourceEntry = z.partial(z.object(RESOURCE_KEYS))
