/** Log levels, the most important first. A level includes all levels before it. */
export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const
export type LogLevelName = (typeof LOG_LEVELS)[number]
