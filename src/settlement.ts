// The promise of a publish: forgetting it is safe, and its failure is heard all the same.
//
// Rules of this file:
// - Whether anybody listens is known: `await` and `then` on a subclass go through this `then`.

/** A promise that knows whether anyone has asked for its result. */
export class Settlement<T> extends Promise<T> {
  isAwaited = false

  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isAwaited = true
    return super.then(onFulfilled, onRejected)
  }
}
