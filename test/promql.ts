/** Which metrics and labels a PromQL expression uses, for tests of dashboards and alert rules. */

/** A metric, and the labels that its selector matches. */
export interface Selected {
  readonly metric: string
  readonly labels: readonly string[]
}

export interface PromqlNames {
  readonly selected: readonly Selected[]
  /** The labels after by, without, on, ignoring, group_left and group_right. */
  readonly grouped: readonly string[]
}

/** Whatever metric is asked, Prometheus adds these. */
const OF_PROMETHEUS = ['instance', 'job']

const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan'])
/** A string, a number or duration, a name, a range in brackets, or any other sign. */
const TOKEN = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[[^\]]*\]|\d[\w.]*|[A-Za-z_:][\w:]*|\S/g
const isName = (token: string | undefined): token is string => token !== undefined && /^[A-Za-z_:]/.test(token)

export function namesIn(expr: string): PromqlNames {
  const tokens: readonly string[] = expr.match(TOKEN) ?? []
  const selected: Selected[] = []
  const grouped: string[] = []
  /** The names up to the sign that closes a list. */
  const namesUntil = (start: number, close: string): readonly string[] =>
    tokens.slice(start, tokens.indexOf(close, start)).filter(isName)
  for (let i = 0; i < tokens.length; i += 1) {
    const [token, next] = [tokens[i], tokens[i + 1]]
    if (!isName(token) || WORDS.has(token.toLowerCase())) {
      continue
    }
    if (GROUPING.has(token)) {
      if (next === '(') {
        grouped.push(...namesUntil(i + 2, ')'))
        i = tokens.indexOf(')', i)
      }
    } else if (next === '{') {
      selected.push({ metric: token, labels: namesUntil(i + 2, '}') })
      i = tokens.indexOf('}', i)
    } else if (next !== '(' && next !== 'by' && next !== 'without') {
      selected.push({ metric: token, labels: [] })
    }
  }
  return { selected, grouped }
}

/** The labels of each metric, by its name with `_bucket`, `_sum` or `_count`. */
export type MetricsMade = ReadonlyMap<string, ReadonlySet<string>>

/** The metrics and labels of an expression that nobody makes, each in a sentence. */
export function unknownNames(expr: string, made: MetricsMade): readonly string[] {
  const { selected, grouped } = namesIn(expr)
  const labelsOf = (metric: string) => [...(made.get(metric) ?? []), ...OF_PROMETHEUS]
  const all = selected.flatMap(({ metric }) => labelsOf(metric))
  return [
    ...selected.flatMap(({ metric, labels }) =>
      made.has(metric)
        ? labels.filter((label) => !labelsOf(metric).includes(label)).map((label) => `${metric} has no label ${label}`)
        : [`there is no metric ${metric}`],
    ),
    ...grouped.filter((label) => !all.includes(label)).map((label) => `no metric of it has the label ${label}`),
  ]
}
