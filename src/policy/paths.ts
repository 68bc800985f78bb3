/**
 * A path that is absolute and has no detours (`.`, `..`, empty parts), so that comparing texts compares places; undefined
 * for any other value. A slash at the end does not count.
 */
export function plainPath(value: unknown): string | undefined {
  const path = typeof value === 'string' ? value.replace(/\/$/, '') : ''
  const [root, ...parts] = path.split('/')
  const isPlain = root === '' && parts.length > 0 && !parts.some((part) => ['', '.', '..'].includes(part))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return isPlain && !/[\0-\x1f]/.test(path) ? path : undefined
}

/** Whether a plain path is one of the folders, or lies below one. */
export const isWithin = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`))
