/** Takes out of configurations what others must not read. */
import { isJsonObject } from '../../cni/json.js'

const SECRET = /pass|secret|token|credential|private|api_?key|auth|kubeconfig|cert/i
const LEFT_OUT = '(left out)'

function withoutSecretsIn(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(withoutSecretsIn)
  }
  if (isJsonObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, SECRET.test(key) ? LEFT_OUT : withoutSecretsIn(one)]),
    )
  }
  // A record has the configuration of its IPAM plugin as text.
  return typeof value === 'string' && value.trimStart().startsWith('{') ? withoutSecrets(value) : value
}

/** A JSON text without the values of keys that sound like secrets; a text that is no JSON is left out as a whole. */
export function withoutSecrets(text: string): string {
  try {
    return JSON.stringify(withoutSecretsIn(JSON.parse(text)), undefined, 2)
  } catch {
    return `${LEFT_OUT}: ${Buffer.byteLength(text)} bytes that are no JSON`
  }
}
