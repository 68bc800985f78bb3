import { expect, test } from 'vitest'
import { ZERO_MAC } from '../../../src/netlink/mac.js'
import { type MacFacts, planMacRestore } from '../../../src/sriov/give-back/plan-mac.js'

const OWN = '02:00:00:00:00:01'
const ADMINISTERED = '02:00:00:00:00:02'
const OF_THE_POD = '02:00:00:00:00:03'

type Row = [title: string, facts: MacFacts, steps: ReturnType<typeof planMacRestore>]
const facts = (pfBefore: string, pf: string, own: string, more: Partial<MacFacts> = {}): MacFacts => ({
  original: { pf: pfBefore, own: OWN },
  now: { pf, own },
  noted: undefined,
  ...more,
})

test.each<Row>([
  ['nothing has changed', facts(OWN, OWN, OWN), []],
  ['nothing was ever administered', facts(ZERO_MAC, ZERO_MAC, OWN), []],
  ['the PF now shows what the VF told it', facts(ZERO_MAC, OWN, OWN), []],
  [
    'the interface had no MAC of its own',
    { ...facts(OWN, OWN, OF_THE_POD), original: { pf: OWN, own: undefined } },
    [],
  ],
  ['the pod changed the MAC of its interface', facts(OWN, OWN, OF_THE_POD), ['try']],
  ['it did while the PF administers none', facts(ZERO_MAC, ZERO_MAC, OF_THE_POD), ['try']],
  ['the PF shows another', facts(OWN, ADMINISTERED, ADMINISTERED), ['free', 'try-freed']],
  ['the PF shows none any more', facts(ADMINISTERED, ZERO_MAC, OWN), ['try-freed']],
  ['a trial is noted', facts(OWN, OWN, OWN, { noted: ZERO_MAC }), ['free', 'try-freed']],
])('at first: %s', (_title, given, steps) => {
  expect(planMacRestore(given)).toEqual(steps)
})

test.each<Row>([
  ['taken, and the PF shows what it did', facts(OWN, OWN, OF_THE_POD, { trial: 'taken' }), []],
  ['taken, and the PF shows what the VF told it', facts(ZERO_MAC, OWN, OF_THE_POD, { trial: 'taken' }), []],
  ['taken, but the PF shows another', facts(OWN, OF_THE_POD, OF_THE_POD, { trial: 'taken' }), ['free', 'try-freed']],
  ['refused: the PF administers it', facts(OWN, OWN, OF_THE_POD, { trial: 'refused' }), ['note', 'free', 'try-freed']],
  ['refused with none', facts(ZERO_MAC, ZERO_MAC, OF_THE_POD, { trial: 'refused' }), ['note', 'try-freed']],
])('after the trial: %s', (_title, given, steps) => {
  expect(planMacRestore(given)).toEqual(steps)
})

const freed = (
  trialFreed: MacFacts['trialFreed'],
  before: string,
  pf: string,
  more: Partial<MacFacts> = {},
): MacFacts => facts(before, pf, OWN, { ...more, trialFreed: trialFreed ?? 'taken' })

test.each<Row>([
  ['the PF administered another MAC than the VF had', freed('taken', ADMINISTERED, ZERO_MAC), ['tell']],
  ['the refused trial showed that it administered one', freed('taken', OWN, ZERO_MAC, { trial: 'refused' }), ['tell']],
  ['ADD noted that it administered one', freed('taken', OWN, ZERO_MAC, { noted: OWN }), ['tell']],
  ['it showed what the VF told it', freed('taken', OWN, ZERO_MAC), ['reset-unless-shown', 'tell-unless-shown']],
  [
    'ADD noted that it did',
    freed('taken', OWN, ZERO_MAC, { noted: ZERO_MAC }),
    ['reset-unless-shown', 'tell-unless-shown'],
  ],
  ['it showed none', freed('taken', ZERO_MAC, ADMINISTERED), ['tell-unless-shown']],
  ['it showed none, and shows what the VF tells it', freed('taken', ZERO_MAC, OWN), []],
  ['only the PF may set it, and did not', freed('refused', ZERO_MAC, OWN), ['free', 'tell-unless-shown']],
  ['only the PF may set it, and did', freed('refused', ADMINISTERED, OWN), ['tell']],
  [
    'refused, and it showed what the VF told it',
    freed('refused', OWN, OWN),
    ['free', 'reset-unless-shown', 'tell-unless-shown'],
  ],
])('once the PF was freed: %s', (_title, given, steps) => {
  expect(planMacRestore(given)).toEqual(steps)
})
