// What the output of a checker that Spin has made says about a model.
//
// Rules of this file:
// - Nothing is concluded from silence: a search counts as exhaustive only if the output says so in every respect.
// - Only a broken promise counts as one: an index out of bounds is a mistake of the model, not a bug that was found.

/** What is asked of a model: that nothing wrong happens (its assertions), or that the right thing does in the end. */
export type Question = 'safety' | 'liveness'

export type Verdict =
  | { readonly type: 'holds'; readonly states: number }
  | { readonly type: 'broken'; readonly states: number; readonly promise: string }
  | { readonly type: 'unclear'; readonly reason: string }

const EXHAUSTIVE: Readonly<Record<Question, readonly RegExp[]>> = {
  safety: [/^Full statespace search for:/m, /assertion violations\t\+/, /invalid end states\t\+/],
  liveness: [/^Full statespace search for:/m, /never claim\s+\+/, /acceptance\s+cycles\s+\+/],
}

/** Each of these says that the search ended before everything was seen. */
const CUT_SHORT =
  /max search depth too small|Search not completed|MEMLIM|out of memory|hash-?\s?compact|Bit statespace|aborting|interrupted/i

export function verdictOf(output: string, question: Question): Verdict {
  const states = Number(/^\s*(\d+) states, stored/m.exec(output)?.[1])
  const errors = /errors: (\d+)/.exec(output)?.[1]
  if (Number.isNaN(states) || errors === undefined) return unclear(output, 'it did not come to an end')
  if (errors !== '0') {
    const promise = /^pan:1: (assertion violated .*|acceptance cycle)/m.exec(output)?.[1]
    return promise ? { type: 'broken', states, promise } : unclear(output, 'the model itself is wrong')
  }
  const cut = CUT_SHORT.exec(output)?.[0]
  if (cut !== undefined) return { type: 'unclear', reason: `not exhaustive: ${cut}` }
  const missing = EXHAUSTIVE[question].find((pattern) => !pattern.test(output))
  return missing ? unclear(output, `not exhaustive: no ${missing.source}`) : { type: 'holds', states }
}

function unclear(output: string, reason: string): Verdict {
  const said = output.split('\n').find((line) => /^(pan:|error|spin:)/.test(line))
  return { type: 'unclear', reason: said === undefined ? reason : `${reason}: ${said}` }
}
