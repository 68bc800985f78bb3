import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { PolicyFile } from '../../../src/policy/policy-schema.js'

/** What an editor needs of the schema: the refinements are checked by the plugin only. */
const schema = () => ({
  title: 'Policy of a node for the sriov CNI plugin',
  ...z.toJSONSchema(PolicyFile, { io: 'input' }),
})

// `vitest -u` writes it anew.
test('docs/policy.schema.json is the schema of the policy', async () => {
  await expect(`${JSON.stringify(schema(), null, 2)}\n`).toMatchFileSnapshot('../../../docs/policy.schema.json')
})

test('every rule is in docs/policy.md', () => {
  const text = readFileSync('docs/policy.md', 'utf8')
  const { properties = {} } = schema()
  const limits = (properties.namespaces as { additionalProperties?: { properties?: object } }).additionalProperties
  const keys = [...Object.keys(properties), ...Object.keys(limits?.properties ?? {})]
  expect(keys.length).toBeGreaterThan(15)
  expect(keys.filter((key) => !text.includes(`\`${key}\``))).toEqual([])
})
