/* Receiving: one subscriber of one channel, on one socket at a time; a log that is trimmed, cut back and emptied; a bus
 * between store and node that drops, doubles and reorders.
 *
 * The client is live, and the node pushes what the bus brings, or it catches up, and fetches pages of one message. It
 * learns what it missed from `behind`, from a page or from a pong. All P messages are different; the tag of one is its
 * number, and `before[tag]` is the tag of the message before it in the log. So two logs that agree in a tag agree in all
 * that lies before it, and whether a client has seen what it should shows when it applies a message.
 *
 * Rules of this file:
 * - An atomic block is one step of one party. A node takes a `sub` or a `fetch`, reads the store, and answers: three
 *   steps. What it pushes, and what it says besides, are steps of their own.
 * - What must not happen is an assertion where it would.
 * - Locals, and what means nothing at the moment, are zero, or the same state would be counted many times.
 */

#ifndef P
#define P 3               /* messages that are published */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef LEVEL
#define LEVEL 3           /* 2: no tags, and a store that does not lose its newest messages */
#endif
#ifndef RING
#define RING 2            /* messages that a node keeps */
#endif
#ifndef MARK
#define MARK 2            /* with so many frames unsent on the socket nothing is pushed */
#endif

/* ---- switches: each drops one rule, and the checker has to find the damage ---- */

#ifndef BUG_NO_TAG
#define BUG_NO_TAG 0
#endif
#ifndef BUG_NO_CHAIN
#define BUG_NO_CHAIN 0
#endif
#ifndef BUG_JOIN_UNCHECKED
#define BUG_JOIN_UNCHECKED 0
#endif
#ifndef BUG_JUDGE_BY_OFFSET
#define BUG_JUDGE_BY_OFFSET 0
#endif
#ifndef BUG_REPLAY_RACE
#define BUG_REPLAY_RACE 0
#endif
#ifndef BUG_PAGE_SKIPS
#define BUG_PAGE_SKIPS 0
#endif
#ifndef BUG_LOST_RING
#define BUG_LOST_RING 0
#endif
#ifndef BUG_NO_BEACON
#define BUG_NO_BEACON 0
#endif
#ifndef BUG_TOP_BELOW
#define BUG_TOP_BELOW 0
#endif
#ifndef BUG_TOP_BY_OFFSET
#define BUG_TOP_BY_OFFSET 0
#endif

#define same(x, y) (LEVEL == 2 || BUG_NO_TAG || x == y)
#define ROOT(e) (P + e)               /* what stands for a tag before the first message of an epoch */

mtype = { sub, fetch };
mtype = { attached, event, page, reset, behind, pong };
mtype = { live, catchingUp, judgedReset, paged };
mtype = { asked, answered };

byte faults = FAULTS;
byte published;

/* ---- the store: the log keeps the offsets from `first` to `top` ---- */

byte epoch = 1;
byte first = 1;
byte top;
byte tagAt[P + 1];                    /* by offset; of `first - 1` too */
byte before[P + FAULTS + 3];                   /* by tag */

chan bus = [2] of { byte, byte, byte };                          /* epoch, offset, tag */

/* ---- the socket ---- */

chan up = [1] of { mtype, byte, byte, byte };                    /* sub, fetch: position */
/* attached: mode | event: offset, tag | page: from, tag or 0, more | reset: epoch, offset, tag, and whether that is the
 * top | pong: epoch, top, tag */
chan down = [4] of { mtype, byte, byte, byte, bit };

/* ---- the node ---- */

byte ringEpoch, ringFirst, ringTop;   /* what it has of the bus, in one piece; ringTop 0: nothing */
byte ringTag[P + 1];                  /* by offset */

bit isLive;                           /* it pushes what comes after: */
byte sentEpoch, sentOffset, sentTag;

mtype want;                           /* a `sub` or `fetch` that it is at, and its position: */
byte wantEpoch, wantOffset, wantTag;

mtype found;                          /* what the store has said to it, and where that leads: */
byte foundEpoch, foundOffset, foundTag, foundTop;

/* ---- the client ---- */

byte atEpoch = 1, atOffset, atTag;    /* its position */
byte knownFrom;                       /* from there on it remembers tags */
mtype waitsFor;                       /* `attached`, `page` (a reset answers as well), `reset`; 0: it is live */
bit connected;
mtype ping;                           /* 0: none is on its way */
byte pingOffset;                      /* how far the client was when it sent it */

#define NOTHING 255
#define isAtRest (connected && waitsFor == 0 && empty(up) && empty(down) && empty(bus) && want == 0 && ping == 0)
#ifdef LIVE
#define mayPing (!BUG_NO_BEACON && isAtRest && !isLevel)
#else
#define mayPing (!BUG_NO_BEACON && connected && ping == 0)
#endif
#define isLevel (atEpoch == epoch && atOffset == top && atTag == tagAt[top])

inline forgetRing(i) {
  i = ringFirst;
  do
  :: i <= ringTop -> ringTag[i] = 0; i++
  :: else -> break
  od;
  ringEpoch = 0; ringFirst = 0; ringTop = 0; i = 0
}

inline leaveLive() { isLive = 0; sentEpoch = 0; sentOffset = 0; sentTag = 0 }
inline goLive(e, o, t) { isLive = 1; sentEpoch = e; sentOffset = o; sentTag = t }
inline forgetWant() { want = 0; wantEpoch = 0; wantOffset = 0; wantTag = 0 }
inline forgetFound() { found = 0; foundEpoch = 0; foundOffset = 0; foundTag = 0; foundTop = 0 }

/* ---- publishing: the store takes it and tells the bus ---- */

proctype Publisher() {
end:
  do
  :: atomic { published < P && nfull(bus) ->
       published++;
       before[published] = tagAt[top];
       top++;
       tagAt[top] = published;
       bus!epoch, top, published }
  od
}

/* ---- the node ---- */

/* R9. A message from the bus goes into the ring if it continues it. */
#define continuesRing(e, o, t) \
  (ringTop != 0 && e == ringEpoch && o == ringTop + 1 && (BUG_NO_CHAIN || same(before[t], ringTag[ringTop])))
#define isInRing(e, o, t) (ringTop != 0 && e == ringEpoch && (o < ringFirst || (o <= ringTop && same(ringTag[o], t))))
#define beginsRing(e, o, t) \
  (ringTop == 0 && (!isLive || (e == sentEpoch && o == sentOffset + 1 && (BUG_NO_CHAIN || same(before[t], sentTag)))))
#define isOldNews(e, o, t) \
  (ringTop == 0 && isLive && e == sentEpoch && (o < sentOffset || (o == sentOffset && same(t, sentTag))))

inline putInRing(e, o, t) {
  if
  :: ringTop == 0 -> ringEpoch = e; ringFirst = o
  :: else -> skip
  fi;
  ringTop = o;
  ringTag[o] = t;
  if
  :: ringTop - ringFirst + 1 > RING -> ringTag[ringFirst] = 0; ringFirst++
  :: else -> skip
  fi
}

inline takeFromBus(e, o, t, i) {
  if
  :: isInRing(e, o, t) || isOldNews(e, o, t) -> skip
  :: continuesRing(e, o, t) || beginsRing(e, o, t) -> putInRing(e, o, t)
  :: else ->
     forgetRing(i);
     if
     :: isLive -> leaveLive(); down!behind, 0, 0, 0, 0
     :: else -> skip
     fi
  fi
}

/* The next to push is in the ring, and continues what was sent. */
#define ringHasNext(e, o) (ringTop != 0 && ringEpoch == e && ringFirst <= o + 1 && o + 1 <= ringTop)
#define ringContinues(e, o, t) \
  (ringHasNext(e, o) && (BUG_NO_CHAIN || BUG_JOIN_UNCHECKED || same(before[ringTag[(ringHasNext(e, o) -> o + 1 : 0)]], t)))
#define ringIsBeyond(e, o) (ringTop != 0 && (ringEpoch != e || ringTop > o))

/* R8 */
#define isForeign (wantEpoch != epoch || wantOffset > top)
#define isForked (wantOffset + 1 >= first && !BUG_JUDGE_BY_OFFSET && !same(wantTag, tagAt[(isForeign -> 0 : wantOffset)]))
#define isEvicted (wantOffset + 1 < first)

#define isInOwnRing \
  (ringTop != 0 && ringEpoch == wantEpoch && ringFirst <= wantOffset && wantOffset <= ringTop && \
    same(ringTag[(wantOffset <= ringTop -> wantOffset : 0)], wantTag))

inline readStore(i) {
  foundEpoch = epoch;
  foundTop = top;
  if
  :: isForeign || (!isForeign && (isForked || (isEvicted && !BUG_PAGE_SKIPS))) ->
     found = judgedReset;
     /* What the log does not have, though the node had it from the bus, is lost: so may be the rest of the ring. */
     if
     :: (isForeign || isForked) && isInOwnRing && !BUG_LOST_RING -> forgetRing(i)
     :: else -> skip
     fi;
     if
     :: foundOffset = top                                        /* there is a snapshot of it */
     :: first <= top -> foundOffset = first - 1                  /* there is none: as far back as the log goes */
     fi;
     foundTag = tagAt[foundOffset]
  :: else ->
     foundOffset = wantOffset;
     foundTag = wantTag;
     if
     :: want == sub -> found = (wantOffset == top -> live : catchingUp)
     :: want == fetch ->
        found = paged;
        if
        :: wantOffset < top ->
           foundOffset = (isEvicted -> first : wantOffset + 1);
           foundTag = tagAt[foundOffset]
        :: else -> skip
        fi
     fi
  fi
}

/* Live from the position that was found, if what comes next is in the ring, or there is nothing yet. */
inline goLiveIfKnown(i) {
  if
  :: ringContinues(foundEpoch, foundOffset, foundTag) || !ringIsBeyond(foundEpoch, foundOffset) ->
     goLive(foundEpoch, foundOffset, foundTag)
  :: else -> forgetRing(i); down!behind, 0, 0, 0, 0
  fi
}

#define pageFrom (foundOffset == wantOffset -> foundOffset + 1 : foundOffset)
#define pageTag (foundOffset == wantOffset -> 0 : foundTag)
/* What has to be read again: the page would be empty, and still there is more. */
#define isOutrun \
  (found == paged && foundOffset == wantOffset && ringIsBeyond(foundEpoch, foundOffset) \
    && !ringContinues(foundEpoch, foundOffset, foundTag))

inline answer(i) {
  if
  :: found == live -> down!attached, live, 0, 0, 0; goLiveIfKnown(i)
  :: found == catchingUp -> down!attached, catchingUp, 0, 0, 0
  :: found == judgedReset ->
     if
     :: want == sub -> down!attached, judgedReset, 0, 0, 0
     :: else -> skip
     fi;
     down!reset, foundEpoch, foundOffset, foundTag, (foundOffset == foundTop);
     if
     :: foundOffset == foundTop -> goLiveIfKnown(i)
     :: else -> skip
     fi
  :: found == paged ->
     if
     :: ringContinues(foundEpoch, foundOffset, foundTag) ||
        (foundOffset >= foundTop && !ringIsBeyond(foundEpoch, foundOffset)) ->
        down!page, pageFrom, pageTag, 0, 0;
        goLive(foundEpoch, foundOffset, foundTag)
     :: else -> down!page, pageFrom, pageTag, 1, 0
     fi
  fi
}
proctype Node() {
  byte e, o, t, i;
end:
  do
  :: atomic { nempty(bus) && len(down) < 4 -> bus?e, o, t; takeFromBus(e, o, t, i); e = 0; o = 0; t = 0 }

  :: atomic { isLive && ringIsBeyond(sentEpoch, sentOffset) && nfull(down) ->
       if
       :: len(down) < MARK && ringContinues(sentEpoch, sentOffset, sentTag) ->
          sentOffset++;
          sentTag = ringTag[sentOffset];
          down!event, sentOffset, sentTag, 0, 0
       :: else ->
          if
          :: len(down) < MARK -> forgetRing(i)
          :: else -> skip
          fi;
          leaveLive();
          down!behind, 0, 0, 0, 0
       fi }

  :: atomic { want == 0 && nempty(up) -> up?want, wantEpoch, wantOffset, wantTag; leaveLive() }
  :: atomic { want != 0 && found == 0 -> readStore(i) }
  :: atomic { found != 0 && isOutrun -> forgetRing(i); forgetFound() }
  :: atomic { found != 0 && !isOutrun && len(down) < 2 -> answer(i); forgetWant(); forgetFound() }

  /* the client is told the top when it asks; freshness.pml is about when it asked */
  :: atomic { ping == asked && nfull(down) -> ping = answered; down!pong, epoch, top, tagAt[top], 0 }
  od
}

/* ---- the client ---- */

inline ask() { waitsFor = page; up!fetch, atEpoch, atOffset, atTag }

/* G9: what comes before it in the log is what the client has. */
inline apply(o, t) {
  assert(o == atOffset + 1);
  assert(before[t] == atTag);
  atOffset = o;
  atTag = t
}

inline takeEvent(o, t) {
  if
  :: waitsFor != 0 && !BUG_REPLAY_RACE -> skip
  :: else ->
     if
     :: o < atOffset || (o == atOffset && same(t, atTag)) -> skip
     :: o == atOffset + 1 -> apply(o, t)
     :: else ->
        if
        :: waitsFor == 0 -> ask()
        :: else -> skip
        fi
     fi
  fi
}

/* R10 */
inline takePage(from, t, more) {
  if
  :: BUG_REPLAY_RACE || BUG_PAGE_SKIPS || (from == atOffset + 1 && (t == 0 || same(before[t], atTag))) ->
     if
     :: t != 0 -> apply(from, t)
     :: else -> skip
     fi;
     if
     :: more -> ask()
     :: else -> waitsFor = 0
     fi
  :: else -> ask()
  fi
}

inline takeReset(e, o, t, isTop) {
  atEpoch = e; atOffset = o; atTag = t; knownFrom = o;
  pingOffset = 0;
  if
  :: isTop -> waitsFor = 0
  :: else -> ask()
  fi
}

/* R11: a top that the client has reached tells nothing new, if it remembers the tag. But one that lies below what had
 * been received when the ping was sent tells of a loss. */
inline takePong(e, o, t, i) {
  ping = 0;
  i = atTag;
  if
  :: e == atEpoch && knownFrom <= o && o <= atOffset ->
     from = atOffset;
     do
     :: from > o -> i = before[i]; from--
     :: else -> break
     od
  :: else -> i = NOTHING
  fi;
  if
  :: waitsFor != 0 || (i != NOTHING && (BUG_TOP_BY_OFFSET || same(i, t)) && (BUG_TOP_BELOW || o >= pingOffset)) -> skip
  :: else -> ask()
  fi;
  i = 0; from = 0; pingOffset = 0
}

proctype Client() {
  byte a, b, c, i, from;
  bit d;
end:
  do
  :: atomic { !connected -> connected = 1; waitsFor = attached; up!sub, atEpoch, atOffset, atTag }

  :: atomic { nempty(down) && nfull(up) ->
       if
       :: down?attached, a, _, _, _ ->
          if
          :: a == live -> waitsFor = 0
          :: a == catchingUp -> ask()
          :: a == judgedReset -> waitsFor = reset
          fi
       :: down?event, a, b, _, _ -> takeEvent(a, b)
       :: down?page, a, b, c, _ -> takePage(a, b, c)
       :: down?reset, a, b, c, d -> takeReset(a, b, c, d)
       :: down?behind, _, _, _, _ ->
          if
          :: waitsFor == 0 -> ask()
          :: else -> skip
          fi
       :: down?pong, a, b, c, _ -> takePong(a, b, c, i)
       fi;
       a = 0; b = 0; c = 0; d = 0 }

  :: atomic { mayPing -> ping = asked; pingOffset = atOffset }
  od
}

/* ---- what goes wrong ---- */

inline dropNewest() { tagAt[top] = 0; top-- }

proctype World() {
  byte e, o, t, i;
end:
  do
  /* the bus drops, doubles, reorders */
  :: atomic { faults > 0 && nempty(bus) -> faults--; bus?_, _, _ }
  :: atomic { faults > 0 && nempty(bus) && nfull(bus) -> faults--; bus?<e, o, t>; bus!e, o, t; e = 0; o = 0; t = 0 }
  :: atomic { faults > 0 && len(bus) > 1 -> faults--; bus?e, o, t; bus!e, o, t; e = 0; o = 0; t = 0 }

  /* another copy of the store takes over, which had not got the newest yet */
  :: atomic { LEVEL == 3 && faults > 0 && first <= top -> faults--; dropNewest() }
  :: atomic { LEVEL == 3 && faults > 0 && first < top -> faults--; dropNewest(); dropNewest() }

  /* the store is emptied */
  :: atomic { faults > 0 ->
       faults--;
       i = 0;
       do
       :: i <= top -> tagAt[i] = 0; i++
       :: else -> break
       od;
       epoch++;
       tagAt[0] = ROOT(epoch);
       first = 1; top = 0; i = 0 }

  /* the log is trimmed */
  :: atomic { faults > 0 && first <= top -> faults--; tagAt[first - 1] = 0; first++ }

  /* the socket is gone; the next one ends at the same node, or at one that has heard nothing yet */
  :: atomic { faults > 0 && connected ->
       faults--;
       connected = 0; waitsFor = 0; ping = 0; pingOffset = 0;
       do
       :: up?_, _, _, _
       :: empty(up) -> break
       od;
       do
       :: down?_, _, _, _, _
       :: empty(down) -> break
       od;
       leaveLive(); forgetWant(); forgetFound();
       if
       :: skip
       :: forgetRing(i);
          do
          :: bus?_, _, _
          :: empty(bus) -> break
          od
       fi }
  od
}

init {
  atomic {
    tagAt[0] = ROOT(1);
    atTag = ROOT(1);
    run Publisher(); run Node(); run Client(); run World()
  }
}

/* G13. Here a ping is sent when everything else has come to rest, or a client that asks for ever would never rest. */
ltl converges { <> [] isLevel }
