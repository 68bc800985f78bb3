const FULL = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/
const SHORT = /^[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/

/** Domain, bus, device and function as sysfs spells them: `0000:01:10.0`. */
export type PciAddress = string

/** Parses a PCI address with or without the domain; undefined when malformed. */
export function parsePciAddress(text: string): PciAddress | undefined {
  const lower = text.toLowerCase()
  if (FULL.test(lower)) {
    return lower
  }
  return SHORT.test(lower) ? `0000:${lower}` : undefined
}
