// Waiting for something to become true, which is the only way a test here may wait.
//
// Rules of this file:
// - A wait has a deadline, and says what it was waiting for when it passes.

/** Resolves once `condition` holds. Rejects after `withinMs`, with the condition's own words or those of `explain`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  withinMs = 5_000,
  explain: () => string | Promise<string> = () => condition.toString(),
): Promise<void> {
  const deadlineMs = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not true within ${withinMs} ms: ${await explain()}`)
    await new Promise((resume) => setTimeout(resume, 5))
  }
}
