/** What is read of a dashboard of Grafana: the parts of its JSON model that a picture needs. */
export interface Panel {
  readonly type: string
  readonly title: string
  /** In columns, of which there are 24, and rows. */
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig: {
    readonly defaults: { readonly unit: string; readonly custom?: { readonly stacking?: { readonly mode: string } } }
  }
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}

export interface Dashboard {
  readonly title: string
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] }
  readonly panels: readonly Panel[]
}

/** Values of every panel by its title, and of every series by its legend; null where there is none. */
export interface Sample {
  readonly stepSeconds: number
  readonly panels: Readonly<Record<string, Readonly<Record<string, readonly (number | null)[]>>>>
}
