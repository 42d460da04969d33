/* Freshness: when may a client say that it has everything?
 *
 * A client asks at one instant, by `ping`, `sub` or `fetch`; the server reads the newest position of the channel at a
 * later one; the answer that names it arrives at a third. In between messages are stored, pushed and lost, sockets end,
 * and more is asked. Once the client has handed over what an answer named, it calls the channel fresh as of the instant
 * of the question. That is true if it has then handed over all that had been stored by that instant, but for what the
 * store has lost since (how a client learns of such a loss is in recover.pml).
 *
 * Messages, tags and `before` are those of recover.pml. How messages come to the client is left open: a node may always
 * wait before it pushes, which covers whatever a bus may drop, and a page may end anywhere.
 *
 * Rules of this file:
 * - An atomic block is one step of one party; asking, reading and answering are never one step.
 * - Answers to pings leave in the order of the pings; the answer to a `sub` or `fetch` leaves whenever it is ready.
 * - Only assertions read what is named `ghost…`: the newest tag of the log when something was asked.
 * - Locals, and what means nothing at the moment, are zero, or the same state would be counted many times.
 */

#ifndef P
#define P 2               /* messages that are published */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef WISHES
#define WISHES 1          /* how often the client sends a `sub` or a `fetch` on a socket that it has */
#endif

/* ---- switches: each drops one rule, and the checker has to find the damage ---- */

#ifndef BUG_READ_EARLY
#define BUG_READ_EARLY 0
#endif
#ifndef BUG_FROM_ANSWER
#define BUG_FROM_ANSWER 0
#endif
#ifndef BUG_UNLISTED
#define BUG_UNLISTED 0
#endif
#ifndef BUG_KEEPS_ATTACHED
#define BUG_KEEPS_ATTACHED 0
#endif
#ifndef BUG_TOLD_AT_READ
#define BUG_TOLD_AT_READ 0
#endif
#ifndef BUG_RECEIVED
#define BUG_RECEIVED 0
#endif
#ifndef BUG_PAGE_IS_ALL
#define BUG_PAGE_IS_ALL 0
#endif
#ifndef BUG_TOP_BY_OFFSET
#define BUG_TOP_BY_OFFSET 0
#endif

#define ROOT (P + 1)      /* what stands for a tag before the first message */
#define PINGS 2           /* how many may be unanswered */

mtype = { sub, fetch };
mtype = { pong, attached, event, page, reset };

byte faults = FAULTS;
byte wishes = WISHES;
byte published;

/* ---- the store ---- */

byte top;
byte tagAt[P + 1];                    /* by offset */
byte before[P + 2];                   /* by tag */

/* ---- the socket: questions need no frames, for how long one travels is how long the server does not read ---- */

/* pong: offset and tag, 0 and 0 if the channel is not listed | attached: position to go on from, top | event: position
 * | page: position it ends at, top | reset: position */
chan down = [2] of { mtype, byte, byte, byte, byte };

typedef Position { byte offset, tag }

/* ---- the node ---- */

bit isLive;
Position sent;                        /* what it pushes comes after */
byte held;                            /* pings that are not answered, oldest first: */
Position read[PINGS];                 /* what the store has said for each; tag 0: nothing yet */
bit isListed[PINGS];                  /* BUG_TOLD_AT_READ decides here whether the pong will list it */
Position told;                        /* what pongs have listed last on this socket; tag 0: nothing */
Position cached;                      /* BUG_READ_EARLY reads now and then, asked or not */
mtype want;                           /* the `sub` or `fetch` that is open; its position is the client's */
mtype found;                          /* how it will be answered, and with what: */
Position foundAt, foundTop;

/* ---- the client ---- */

bit connected;
mtype waitsFor;                       /* `attached` or `page`; 0: it is live */
Position at;                          /* how far it has received, */
byte knownFrom;                       /* from where on it remembers tags, */
Position handed;                      /* and what it has handed over; tag 0: its view is to be reset */
byte pings;                           /* unanswered, oldest first: */
byte ghostPing[PINGS];
byte ghostOpen;                       /* the `sub` or `fetch` that is open */
Position kept;                        /* what pongs have listed last on this socket */

/* An answer whose top has not been handed over yet: one of a pong, one of an `attached` or a page. */
typedef Claim { byte offset, tag, ghostAsked }
Claim claim[2];

/* ---- the store ---- */

proctype Publisher() {
end:
  do
  :: atomic { published < P -> published++; before[published] = tagAt[top]; top++; tagAt[top] = published }
  od
}

/* ---- the node ---- */

inline copy(target, source) { target.offset = source.offset; target.tag = source.tag }
inline clear(target) { target.offset = 0; target.tag = 0 }
#define equal(x, y) (x.offset == y.offset && x.tag == y.tag)

inline readTop(i) {
  read[i].offset = (BUG_READ_EARLY -> cached.offset : top);
  read[i].tag = (BUG_READ_EARLY -> cached.tag : tagAt[top]);
  if
  :: BUG_TOLD_AT_READ -> isListed[i] = !equal(told, read[i]); copy(told, read[i])
  :: else -> skip
  fi
}

inline sendPong() {
  if
  :: (BUG_TOLD_AT_READ && isListed[0]) || (!BUG_TOLD_AT_READ && !equal(told, read[0])) ->
     down!pong, read[0].offset, read[0].tag, 0, 0;
     copy(told, read[0])
  :: else -> down!pong, 0, 0, 0, 0
  fi;
  copy(read[0], read[1]);
  clear(read[1]);
  isListed[0] = isListed[1];
  isListed[1] = 0;
  held--
}

inline readLog() {
  foundTop.offset = top;
  foundTop.tag = tagAt[top];
  if
  :: at.offset > top || tagAt[(at.offset > top -> 0 : at.offset)] != at.tag ->
     found = reset;
     copy(foundAt, foundTop)
  :: else ->
     found = page;
     copy(foundAt, at);
     if
     :: want == sub -> skip
     :: want == fetch ->
        do
        :: foundAt.offset < top -> foundAt.offset++
        :: break
        od;
        foundAt.tag = tagAt[foundAt.offset]
     fi
  fi
}

inline answer() {
  if
  :: want == sub -> down!attached, foundAt.offset, foundAt.tag, foundTop.offset, foundTop.tag
  :: want == fetch && found == page -> down!page, foundAt.offset, foundAt.tag, foundTop.offset, foundTop.tag
  :: want == fetch && found == reset -> down!reset, foundAt.offset, foundAt.tag, 0, 0
  fi;
  isLive = 1;
  copy(sent, foundAt);
  want = 0; found = 0; clear(foundAt); clear(foundTop)
}

inline leaveLive() { isLive = 0; clear(sent) }

proctype Node() {
end:
  do
  :: atomic { held > 0 && read[0].tag == 0 -> readTop(0) }
  :: atomic { held > 1 && read[1].tag == 0 -> readTop(1) }
  :: atomic { held > 0 && read[0].tag != 0 && nfull(down) -> sendPong() }
  :: atomic { BUG_READ_EARLY && (cached.offset != top || cached.tag != tagAt[top]) ->
       cached.offset = top;
       cached.tag = tagAt[top] }

  :: atomic { want != 0 && found == 0 -> leaveLive(); readLog() }
  :: atomic { found != 0 && nfull(down) -> answer() }

  :: atomic { isLive && sent.offset < top && before[tagAt[sent.offset + 1]] == sent.tag && nfull(down) ->
       sent.offset++;
       sent.tag = tagAt[sent.offset];
       down!event, sent.offset, sent.tag, 0, 0 }
  od
}

/* ---- the client ---- */

#define NOTHING 255

/* The tag that the log ending in `place` has at offset `x`, if it is known. */
inline tagOf(place, x, i, s) {
  s = NOTHING;
  if
  :: place.tag != 0 && knownFrom <= x && x <= place.offset ->
     s = place.tag;
     i = place.offset;
     do
     :: i > x -> s = before[s]; i--
     :: else -> break
     od;
     i = 0
  :: else -> skip
  fi
}

/* G12: all that was in the log when the question was asked has been handed over. */
inline assertHas(y, i) {
  i = handed.tag;
  do
  :: i != y && i != ROOT && i != 0 -> i = before[i]
  :: else -> break
  od;
  assert(i == y || y == ROOT);
  i = 0
}

inline forgetClaim(n) { claim[n].offset = 0; claim[n].tag = 0; claim[n].ghostAsked = 0 }
inline setClaim(n, x, y, z) { claim[n].offset = x; claim[n].tag = y; claim[n].ghostAsked = z }

/* Calls the channel fresh, if what the answer named has been handed over. */
inline judgeClaim(n, i, s) {
  if
  :: claim[n].tag == 0 -> skip
  :: else ->
     if
     :: BUG_RECEIVED -> tagOf(at, claim[n].offset, i, s)
     :: else -> tagOf(handed, claim[n].offset, i, s)
     fi;
     if
     :: s == claim[n].tag || (BUG_TOP_BY_OFFSET && s != NOTHING) ->
        assertHas(claim[n].ghostAsked, i);
        forgetClaim(n)
     :: else -> skip
     fi;
     s = 0
  fi
}

inline judgeClaims(i, s) { judgeClaim(0, i, s); judgeClaim(1, i, s) }

inline ask(frame) {
  want = frame;
  waitsFor = (frame == sub -> attached : page);
  ghostOpen = tagAt[top]
}

/* R11 */
inline takePong(x, y, i, s) {
  if
  :: y != 0 -> kept.offset = x; kept.tag = y
  :: else -> skip
  fi;
  if
  :: BUG_FROM_ANSWER -> ghostPing[0] = tagAt[top]
  :: else -> skip
  fi;
  if
  :: BUG_UNLISTED && y == 0 -> assertHas(ghostPing[0], i)
  :: else -> setClaim(0, kept.offset, kept.tag, ghostPing[0])
  fi;
  ghostPing[0] = ghostPing[1]; ghostPing[1] = 0;
  pings--;
  judgeClaims(i, s)
}

inline takeReset(x, y) {
  at.offset = x; at.tag = y; knownFrom = x;
  clear(handed);
  waitsFor = 0
}

proctype Client() {
  byte a, b, c, d, i, s;
end:
  do
  :: atomic { !connected -> connected = 1; ask(sub) }
  :: atomic { connected && wishes > 0 && waitsFor == 0 -> wishes--; ask(sub) }
  :: atomic { connected && wishes > 0 && waitsFor == 0 -> wishes--; ask(fetch) }
  :: atomic { connected && pings < PINGS -> ghostPing[pings] = tagAt[top]; pings++; held++ }

  :: atomic { nempty(down) ->
       if
       :: down?pong, a, b, _, _ -> takePong(a, b, i, s)
       :: down?attached, a, b, c, d ->
          if
          :: a == at.offset && b == at.tag -> waitsFor = 0
          :: else -> takeReset(a, b)
          fi;
          setClaim(1, c, d, ghostOpen);
          if
          :: BUG_KEEPS_ATTACHED -> kept.offset = c; kept.tag = d
          :: else -> skip
          fi;
          judgeClaims(i, s)
       :: down?page, a, b, c, d ->
          waitsFor = 0;
          at.offset = a; at.tag = b;
          if
          :: BUG_PAGE_IS_ALL -> setClaim(1, a, b, ghostOpen)
          :: else -> setClaim(1, c, d, ghostOpen)
          fi
       :: down?reset, a, b, _, _ -> takeReset(a, b)
       :: down?event, a, b, _, _ ->
          if
          :: waitsFor == 0 && a == at.offset + 1 -> at.offset = a; at.tag = b
          :: else -> skip
          fi
       fi;
       a = 0; b = 0; c = 0; d = 0 }

  :: atomic { !equal(handed, at) -> copy(handed, at); judgeClaims(i, s) }
  od
}

/* ---- what goes wrong ---- */

inline forgive(y) {
  if
  :: y == tagAt[top] -> y = before[y]
  :: else -> skip
  fi
}

proctype World() {
  byte i;
end:
  do
  :: atomic { faults > 0 && connected ->
       faults--;
       connected = 0; waitsFor = 0; ghostOpen = 0;
       do
       :: down?_, _, _, _, _
       :: empty(down) -> break
       od;
       pings = 0; ghostPing[0] = 0; ghostPing[1] = 0;
       held = 0; clear(read[0]); clear(read[1]); isListed[0] = 0; isListed[1] = 0;
       clear(told); clear(kept);
       leaveLive();
       want = 0; found = 0; clear(foundAt); clear(foundTop) }

  /* another copy of the store takes over, which had not got the newest message yet */
  :: atomic { faults > 0 && top > 0 ->
       faults--;
       forgive(ghostPing[0]); forgive(ghostPing[1]); forgive(ghostOpen);
       forgive(claim[0].ghostAsked); forgive(claim[1].ghostAsked);
       tagAt[top] = 0;
       top-- }
  od
}

init {
  atomic {
    tagAt[0] = ROOT;
    at.tag = ROOT;
    handed.tag = ROOT;
    cached.tag = ROOT;
    run Publisher(); run Node(); run Client(); run World()
  }
}
