import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { makeMachine } from '../../fakes/machine/machine.js'
import { sriovctl } from './operator.js'

const textOf = async (...words: string[]) => (await sriovctl(makeMachine(), words)).text

const completed = (script: string, ...words: string[]): string[] => {
  const list = words.map((word) => `'${word}'`).join(' ')
  const ask = `${script}\nCOMP_WORDS=(sriovctl ${list}); COMP_CWORD=${words.length}; _sriovctl; printf '%s\\n' "\${COMPREPLY[@]}"`
  return spawnSync('bash', ['-c', ask], { encoding: 'utf8' }).stdout.trim().split('\n')
}

test('bash completes verbs and their options', async () => {
  const script = await textOf('completion', 'bash')
  expect(completed(script, 'st')).toEqual(['status'])
  expect(completed(script, 'status', '--p')).toEqual(['--pf', '--pod'])
  expect(completed(script, 'gc', '--')).toEqual(['--apply', '--older-than', '--without-asking', '--json', '--help'])
})

test('the completion of zsh names every verb, and no text ends a quote', async () => {
  const script = await textOf('completion', 'zsh')
  expect(script).toContain("'status:show every VF  where it is")
  expect(script).toMatch(/^ {2}status\) _arguments '--pf\[only this PF/m)
  expect(spawnSync('bash', ['-n'], { input: script.replace(/^\(\(.*$/gm, '') }).status).toBe(0)
})

// `vitest -u` writes it anew.
test('docs/sriovctl.8 is the man page', async () => {
  await expect(await textOf('man')).toMatchFileSnapshot('../../../docs/sriovctl.8')
})
