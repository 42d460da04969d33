/* Publishing: one producer, one channel, N publishes, a window and a ring smaller than N.
 *
 * The client settles every publish in one of three ways. It may be cut off at any moment, and what it sent on a socket
 * that it has left may still arrive. A socket ends at a node; what nodes know for certain is in the store.
 *
 * Rules of this file:
 * - An atomic block is one step of one party: the client handles a frame, the node takes a frame and asks the store,
 *   the store does one of its atomic steps, the node sends one answer. Two frames are never one step.
 * - Frames of a socket keep their order. But a publish may wait in its node (R7) while a `sub` behind it is asked about,
 *   so a `sub` may overtake publishes. Nothing overtakes a `sub`.
 * - What must not happen is an assertion where it would. Only assertions read what is named `ghost…`.
 * - Locals are zero between steps, or the same state would be counted many times.
 */

#ifndef N
#define N 3               /* publishes, 2 to 4 */
#endif
#ifndef WINDOW
#define WINDOW 2          /* how many may be unanswered on a socket */
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#ifndef WISHES
#define WISHES 1          /* how often the client sends a `sub` that it need not, say because it wants to read as well */
#endif

/* ---- switches: each drops one rule, and the checker has to find the damage ---- */

#ifndef BUG_NO_LOCAL
#define BUG_NO_LOCAL 0
#endif
#ifndef BUG_NO_FENCE
#define BUG_NO_FENCE 0
#endif
#ifndef BUG_ANY_INCARNATION
#define BUG_ANY_INCARNATION 0
#endif
#ifndef BUG_NO_RING
#define BUG_NO_RING 0
#endif
#ifndef BUG_SMALL_RING
#define BUG_SMALL_RING 0
#endif
#ifndef BUG_SETTLED_BELOW
#define BUG_SETTLED_BELOW 0
#endif
#ifndef BUG_WINDOW_OF_PROMISES
#define BUG_WINDOW_OF_PROMISES 0
#endif
#ifndef BUG_NONATOMIC
#define BUG_NONATOMIC 0
#endif
#ifndef BUG_VOLATILE_DEDUPE
#define BUG_VOLATILE_DEDUPE 0
#endif
#ifndef BUG_LAZY_RECREATE
#define BUG_LAZY_RECREATE 0
#endif
#ifndef BUG_EPOCH_KEPT
#define BUG_EPOCH_KEPT 0
#endif
#ifndef BUG_PUB_WHILE_ASKING
#define BUG_PUB_WHILE_ASKING 0
#endif
#ifndef BUG_RESEND
#define BUG_RESEND 0
#endif
#ifndef BUG_SILENT
#define BUG_SILENT 0
#endif
#ifndef BUG_STALE_DETACHED
#define BUG_STALE_DETACHED 0
#endif

#define RING (WINDOW - BUG_SMALL_RING)
#define REQUESTS (FAULTS + WISHES + 3)
#define BIT(s) (1 << (s))

mtype = { sub, pub, attached, ack, nack, detached };
mtype = { unsettled, acknowledged, rejected, unknown };

byte faults = FAULTS;
byte wishes = WISHES;

/* ---- sockets: slot `current` is the client's, the other one may hold what it left behind ---- */

/* sub: request, settledBelow | pub: sequence, the request that its node counts it to: the last one before it */
chan up[2] = [WINDOW + 3] of { mtype, byte, byte };
/* attached: request, incarnation, ring, epoch | ack, nack: sequence | detached: request */
chan down[2] = [3] of { mtype, byte, byte, byte, byte };

/* A node's end of a socket. */
typedef Connection {
  byte generation;
  byte lastSequence;
  byte incarnation[REQUESTS];         /* by request: of the attachment; 0 if there is none, or no longer */
  mtype say; byte a, b, c, d;         /* the answer that it will send */
  byte half;                          /* in the log, the record does not know yet: BUG_NONATOMIC */
}
Connection connection[2];

/* ---- the store of the channel: one atomic unit ---- */

byte epoch;                           /* 0: there is no log */
byte epochs;
byte stored[5];                       /* how often the log has it */
byte newest;                          /* the sequence at the end of the log */
bit record;                           /* whether there is a record of the producer: */
byte incarnation;
byte incarnations;
byte recordGeneration;
byte last;                            /* the highest sequence appended */
byte ring;                            /* which of them it remembers, as bits */

byte ghostEpoch[5];                   /* where it was stored, if ever */

/* ---- the client; arrays count from 1 ---- */

mtype outcome[5] = unsettled;
byte under[5];                        /* the incarnation it was first sent under; 0: never sent */
byte within[5];                       /* unanswered on this socket: the request it was sent after; 0: not */
bit current;
bit connected;
byte generation;
byte request;                         /* of the newest `sub` on this socket */
byte attachment;                      /* the request that the newest `attached` answered; 0: none on this socket */
byte held;                            /* its incarnation, */
byte heldEpoch;                       /* and its epoch, which acks do not repeat */

#define isSettled(s) (outcome[s] != unsettled)
#define waits(s) (within[s] != 0)
#define counts(s) (waits(s) && !(BUG_WINDOW_OF_PROMISES && isSettled(s)))
#define isUnsent(s) (s <= N && !isSettled(s) && !waits(s))
#define anyUnsent (isUnsent(1) || isUnsent(2) || isUnsent(3) || isUnsent(4))
#define allSettled (isSettled(1) && isSettled(2) && (N < 3 || isSettled(3)) && (N < 4 || isSettled(4)))
#define windowOpen (counts(1) + counts(2) + counts(3) + counts(4) < WINDOW)
/* R5: nothing is published before the answer to the newest `sub`. */
#define mayPublish (connected && attachment != 0 && (attachment == request || BUG_PUB_WHILE_ASKING))
#define isCurrent(me) (connected && me == current)

inline settle(s, how) {
  if
  :: isSettled(s) -> skip
  :: else ->
     outcome[s] = how;
     assert(how != acknowledged || ghostEpoch[s] == heldEpoch);                            /* G2 */
     assert(how != acknowledged || heldEpoch != epoch || stored[s] == 1);                  /* G2 */
     assert(how != rejected || ghostEpoch[s] == 0)                                         /* G3 */
  fi
}

inline drainUp(slot) {
  do
  :: up[slot]?_, _, _
  :: empty(up[slot]) -> break
  od
}

inline drainDown(slot) {
  do
  :: down[slot]?_, _, _, _, _
  :: empty(down[slot]) -> break
  od
}

/* ---- steps of the store ---- */

inline loseRecord() { record = 0; incarnation = 0; recordGeneration = 0; last = 0; ring = 0 }

inline createRecord(me) {
  record = 1;
  incarnations++;
  incarnation = incarnations;
  recordGeneration = connection[me].generation
}

inline createEpoch(i) {
  epochs++;
  epoch = epochs;
  i = 1;
  do
  :: i <= N -> assert(outcome[i] != acknowledged || ghostEpoch[i] != epoch); i++           /* G2: it would be missing */
  :: else -> break
  od
}

/* R2. Answers nothing if the generation is refused. */
inline storeAttach(me, r, settledBelow, i) {
  if
  :: epoch == 0 -> createEpoch(i)
  :: else -> skip
  fi;
  if
  :: record && recordGeneration > connection[me].generation ->                             /* 4409 */
     assert(!isCurrent(me));
     drainUp(me)
  :: else ->
     if
     :: !record -> createRecord(me)
     :: else -> recordGeneration = connection[me].generation
     fi;
     i = 1;
     do
     :: i < settledBelow -> ring = ring & ~BIT(i); i++
     :: else -> break
     od;
     connection[me].incarnation[r] = incarnation;
     connection[me].say = attached;
     connection[me].a = r; connection[me].b = incarnation; connection[me].c = ring; connection[me].d = epoch
  fi
}

inline appendToLog(s) {
  assert(stored[s] == 0);                                                                  /* G2, G4: once */
  assert(outcome[s] != acknowledged);                                                      /* nor again elsewhere */
  assert(outcome[s] != rejected);                                                          /* G3 */
  assert(s > newest);                                                                      /* G5 */
  stored[s]++;
  newest = s;
  ghostEpoch[s] = epoch
}

#define ringCount (((ring >> 1) & 1) + ((ring >> 2) & 1) + ((ring >> 3) & 1) + ((ring >> 4) & 1))

inline remember(s, i) {
  last = s;
  ring = ring | BIT(s);
  i = 1;
  do
  :: ringCount > RING -> ring = ring & ~BIT(i); i++
  :: else -> break
  od
}

#define isFenced(me) (!BUG_NO_FENCE && record && recordGeneration > connection[me].generation)
#define isMissing(me) (!record || (!BUG_NO_FENCE && recordGeneration < connection[me].generation))
#define isOther(me, r) (!BUG_ANY_INCARNATION && incarnation != connection[me].incarnation[r])
#define isGone(me, r) (!BUG_LAZY_RECREATE && !BUG_VOLATILE_DEDUPE && (isMissing(me) || isOther(me, r)))

/* An attachment goes on in the next one of the same incarnation: `detached` names the newest, and ends them all. */
inline endAttachment(me, r, i) {
  i = (BUG_STALE_DETACHED -> r : REQUESTS - 1);
  do
  :: connection[me].incarnation[i] != connection[me].incarnation[r] -> i--
  :: else -> break
  od;
  connection[me].say = detached;
  connection[me].a = i;
  do
  :: i >= r -> connection[me].incarnation[i] = 0; i--
  :: else -> break
  od
}

/* R3 */
inline storeAppend(me, s, r, i) {
  if
  :: isFenced(me) -> assert(!isCurrent(me)); drainUp(me)                                   /* 4409 */
  :: !isFenced(me) && isGone(me, r) ->
     if
     :: BUG_SILENT -> skip
     :: else -> endAttachment(me, r, i)
     fi
  :: else ->
     connection[me].a = s;
     if
     :: ring & BIT(s) -> connection[me].say = ack
     :: !(ring & BIT(s)) && s <= last -> connection[me].say = (BUG_NO_RING -> ack : nack)  /* superseded */
     :: else ->
        appendToLog(s);
        if
        :: BUG_NONATOMIC -> connection[me].half = s
        :: else ->
           if
           :: !record -> createRecord(me)                        /* only where isGone has a switch */
           :: else -> skip
           fi;
           remember(s, i);
           connection[me].say = ack
        fi
     fi
  fi
}

/* ---- a node's end of a socket ---- */

#define isIdle(me) (connection[me].say == 0 && connection[me].half == 0)
#define hasRoom(me) (!isCurrent(me) || nfull(down[me]))

inline hush(slot) {
  connection[slot].say = 0;
  connection[slot].a = 0; connection[slot].b = 0; connection[slot].c = 0; connection[slot].d = 0
}

proctype Node(bit me) {
  byte s, r, i;
end:
  do
  :: atomic { isIdle(me) && up[me]??[sub, _, _] ->
       up[me]??sub, r, s;
       storeAttach(me, r, s, i);
       s = 0; r = 0; i = 0 }

  :: atomic { isIdle(me) && up[me]?[pub, _, _] ->
       up[me]?pub, s, r;
       if
       :: connection[me].incarnation[r] == 0 -> skip             /* of an attachment that has ended: dropped */
       :: connection[me].incarnation[r] != 0 -> storeAppend(me, s, r, i)
       :: connection[me].incarnation[r] != 0 && faults > 0 ->    /* a hook refuses, and nobody asks the store */
          faults--;
          connection[me].say = nack;
          connection[me].a = s
       fi;
       s = 0; r = 0; i = 0 }

  :: atomic { connection[me].half != 0 ->
       s = connection[me].half;
       connection[me].half = 0;
       if
       :: isFenced(me) || isMissing(me) -> skip
       :: else -> remember(s, i); connection[me].say = ack; connection[me].a = s
       fi;
       s = 0; i = 0 }

  :: atomic { connection[me].say != 0 && hasRoom(me) ->
       if
       :: isCurrent(me) ->
          down[me]!connection[me].say, connection[me].a, connection[me].b, connection[me].c, connection[me].d
       :: else -> skip
       fi;
       hush(me) }
  od
}

/* ---- the client ---- */

/* Whoever calls has made sure that there is room. */
inline sendSub(lowest) {
  request++;
  lowest = 1;
  do
  :: lowest <= N && (isSettled(lowest) || (BUG_SETTLED_BELOW && under[lowest] != 0)) -> lowest++
  :: else -> break
  od;
  up[current]!sub, request, lowest;
  lowest = 0
}

/* R5. What is left is sent by the step that sends. */
inline takeAttached(r, k, done, e, isNew, i) {
  isNew = (attachment == 0 || k != held);
  attachment = r;
  held = k;
  heldEpoch = e;
  i = 1;
  do
  :: i <= N ->
     if
     :: done & BIT(i) -> settle(i, acknowledged)
     :: else -> skip
     fi;
     if
     :: !BUG_NO_LOCAL && isNew && under[i] != 0 && under[i] != k -> settle(i, unknown)
     :: else -> skip
     fi;
     if
     :: BUG_RESEND -> within[i] = 0
     :: else -> skip
     fi;
     i++
  :: else -> break
  od;
  isNew = 0; i = 0
}

inline dial(i) {
  current = 1 - current;
  /* what was left in this slot is gone for good */
  drainUp(current);
  hush(current);
  connection[current].half = 0;
  connection[current].lastSequence = 0;
  i = 0;
  do
  :: i < REQUESTS -> connection[current].incarnation[i] = 0; i++
  :: else -> break
  od;
  i = 0;
  generation++;
  connection[current].generation = generation;
  connected = 1
}

inline leaveSocket(i) {
  connected = 0;
  drainDown(current);
  request = 0; attachment = 0; held = 0; heldEpoch = 0;
  i = 1;
  do
  :: i <= N -> within[i] = 0; i++
  :: else -> break
  od;
  i = 0
}

proctype Client() {
  byte a, k, done, e, i;
  bit isNew;
end:
  do
  :: atomic { !connected && !allSettled -> dial(i); sendSub(i) }

  :: atomic { wishes > 0 && connected && nfull(up[current]) && !allSettled -> wishes--; sendSub(i) }

  /* in order: what was sent on another socket and has no outcome, then what was never sent */
  :: atomic { mayPublish && windowOpen && anyUnsent && nfull(up[current]) ->
       i = 1;
       do
       :: !isUnsent(i) -> i++
       :: else -> break
       od;
       if
       :: under[i] == 0 -> under[i] = held
       :: else -> skip
       fi;
       within[i] = request;
       assert(i > connection[current].lastSequence);             /* else 4400: sequences grow on a socket */
       connection[current].lastSequence = i;
       up[current]!pub, i, request;
       i = 0 }

  :: atomic { connected && down[current]?[attached, _, _, _, _] ->
       down[current]?attached, a, k, done, e;
       if
       :: a == request -> takeAttached(a, k, done, e, isNew, i)
       :: else -> skip
       fi;
       a = 0; k = 0; done = 0; e = 0 }

  :: atomic { connected && down[current]?[detached, _, _, _, _] && nfull(up[current]) ->
       down[current]?detached, a, _, _, _;
       i = 1;
       do
       :: i <= N ->
          if
          :: within[i] <= a -> within[i] = 0
          :: else -> skip
          fi;
          i++
       :: else -> break
       od;
       if
       :: a == request -> sendSub(i)
       :: else -> skip                                           /* a `sub` is on its way already */
       fi;
       a = 0; i = 0 }

  :: atomic { connected && (down[current]?[ack, _, _, _, _] || down[current]?[nack, _, _, _, _]) ->
       if
       :: down[current]?ack, a, _, _, _ -> settle(a, acknowledged)
       :: down[current]?nack, a, _, _, _ -> settle(a, rejected)
       fi;
       assert(waits(a));                                         /* each is answered once */
       within[a] = 0;
       a = 0 }

  /* a deadline passes, or the application gives up */
  :: atomic { faults > 0 && !isSettled(1) && under[1] != 0 -> faults--; settle(1, unknown) }
  :: atomic { faults > 0 && !isSettled(2) && under[2] != 0 -> faults--; settle(2, unknown) }
  od
}

/* ---- what goes wrong ---- */

proctype World() {
  byte i;
end:
  do
  /* the socket is gone: what the client has sent may still arrive, what the node has sent will not */
  :: atomic { faults > 0 && connected -> faults--; leaveSocket(i) }

  /* the node is gone, and what it has not brought to the store with it */
  :: atomic { faults > 0 && connected ->
       faults--;
       drainUp(current);
       hush(current);
       connection[current].half = 0;
       if
       :: BUG_VOLATILE_DEDUPE -> loseRecord()
       :: else -> skip
       fi;
       leaveSocket(i) }

  /* the record is gone: R6 allows it while its producer is not attached, this model always */
  :: atomic { faults > 0 && record -> faults--; loseRecord() }

  /* the store is emptied under the open sockets */
  :: atomic { faults > 0 && epoch != 0 ->
       faults--;
       loseRecord();
       epochs = epochs - BUG_EPOCH_KEPT;
       epoch = 0;
       newest = 0;
       i = 1;
       do
       :: i <= N -> stored[i] = 0; i++
       :: else -> break
       od;
       i = 0 }
  od
}

init { atomic { run Node(0); run Node(1); run Client(); run World() } }

/* G1. Faults and wishes are finite and nothing else repeats, so this needs no fairness: no execution at all avoids it. */
ltl settles { <> allSettled }
