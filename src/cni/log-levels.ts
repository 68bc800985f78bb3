/** What a log may hold, the most important first: a level includes those before it. */
export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const
export type LogLevelName = (typeof LOG_LEVELS)[number]
