/**
 * How long a test waits for what has to come. A guest beside others may have a tenth of a processor for minutes, so this
 * measures nothing; it is less than the five minutes after which the device plugin looks at everything unasked.
 */
export const PATIENCE_MS = 240_000
