/* The reliable ring of engine/flow/ring.h: one producer, one consumer, credits.
 *
 * Modelled honestly
 *   - Happens-before, not interleaving, makes a slot safe. A release store of an index carries what its
 *     thread had done by then; an acquire load of that very store takes it over; a relaxed one of
 *     either kind carries nothing. A slot may be read only if its filling is known to the reader, and
 *     filled again only if the reading of its last record is known to the writer: anything else is a
 *     data race, whatever order a machine would have given it. This covers every reordering that
 *     C11 allows, of stores with stores, loads with loads and loads with later stores.
 *   - A load may return any value of the index's history that is not older than the one which the
 *     thread has seen (coherence): both sides work with stale indices for as long as they like.
 *   - Sequences are of M values and start just below the wrap; records are counted beside them.
 *   - Batches: 1 or 2 records a push, as many a pop as the private copy of the index allows.
 *   - The check of an index read from the other side, which must never refuse an honest one.
 *
 * Abstracted: a record is one word (a race is found before a torn record could be); claim and peek
 * are push and pop without the copy; memory orders of the join; progress (safety only: nobody is made
 * to get on, but see -DREACH). TOTAL records, SLOTS slots.
 *
 * Must fail, each:  -DBROKEN_PUBLISH_RELAXED  -DBROKEN_RELEASE_RELAXED  -DBROKEN_LOAD_PUBLISHED_RELAXED
 *   -DBROKEN_LOAD_CONSUMED_RELAXED  -DBROKEN_CREDIT  -DBROKEN_EARLY_PUBLISH  -DBROKEN_EARLY_RELEASE
 * Must fail as well: -DREACH, which says that the end is reached. -DHOSTILE: the consumer's index is
 * scribbled over; nothing is promised but that no credit is granted that is none (F48). */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef TOTAL
#define TOTAL 6
#endif
#define M     8 /* sequences: a power of two, at least twice SLOTS */
#define FIRST 6 /* wraps at the third record */
#define MOD(x) ((x) & (M - 1))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* The history of each index, in records published or consumed in all, and what each store carries:
 * how many fillings of slots, how many readings. */
byte published[TOTAL + 1], published_carries[TOTAL + 1], published_last = 0;
byte consumed[TOTAL + 1], consumed_carries[TOTAL + 1], consumed_last = 0;

byte slot[SLOTS]; /* which record it holds, counted from 1 */

active proctype producer() {
  byte next = 0, copy = 0, seen = 0, known_reads = 0; /* counts of records */
  byte wanted, credits, taken, i, k, value;
  do
  :: next < TOTAL ->
     if :: wanted = 1 :: next + 1 < TOTAL -> wanted = 2 fi;
     credits = SLOTS - MOD(MOD(FIRST + next) - MOD(FIRST + copy));
     if
     :: credits < wanted ->
        atomic {
          select(k : seen .. consumed_last);
#ifdef HOSTILE
          select(value : 0 .. M - 1);
#else
          value = MOD(FIRST + consumed[k]);
#endif
          seen = k;
#ifndef BROKEN_LOAD_CONSUMED_RELAXED
          known_reads = MAX(known_reads, consumed_carries[k]);
#endif
          /* The check: forward of the copy, and not past what was published. */
          if
          :: MOD(value - MOD(FIRST + copy)) > MOD(MOD(FIRST + next) - MOD(FIRST + copy)) ->
#ifndef HOSTILE
             assert(false)
#else
             skip
#endif
          :: else ->
             copy = copy + MOD(value - MOD(FIRST + copy));
             credits = SLOTS - MOD(MOD(FIRST + next) - MOD(FIRST + copy))
          fi
        }
     :: else
     fi;
#ifdef BROKEN_CREDIT
     credits = credits + 1;
#endif
#ifdef HOSTILE
     assert(credits <= SLOTS);
#endif
     taken = MIN(wanted, credits);
#ifdef BROKEN_EARLY_PUBLISH
     if
     :: taken > 0 ->
        atomic {
          published_last++;
          published[published_last]         = next + taken;
          published_carries[published_last] = next
        }
     :: else
     fi;
#endif
     i = 0;
     do
     :: i < taken ->
#ifndef HOSTILE
        /* The reading of the record that this one replaces happened before. */
        assert(next + i < SLOTS || known_reads > next + i - SLOTS);
#endif
        slot[MOD(FIRST + next + i) % SLOTS] = next + i + 1;
        i++
     :: else -> break
     od;
     if
     :: taken > 0 ->
        atomic {
          next = next + taken;
#ifndef BROKEN_EARLY_PUBLISH
          published_last++;
          published[published_last] = next;
#ifdef BROKEN_PUBLISH_RELAXED
          published_carries[published_last] = 0
#else
          published_carries[published_last] = next
#endif
#endif
        }
     :: else
     fi
  :: else -> break
  od
}

active proctype consumer() {
  byte next = 0, copy = 0, seen = 0, known_fills = 0;
  byte taken, i, k, value;
  do
  :: next < TOTAL ->
     if
     :: copy == next -> /* empty, by our own copy */
        atomic {
          select(k : seen .. published_last);
          seen  = k;
          value = MOD(FIRST + published[k]);
#ifndef BROKEN_LOAD_PUBLISHED_RELAXED
          known_fills = MAX(known_fills, published_carries[k]);
#endif
          if
          :: MOD(value - MOD(FIRST + next)) <= SLOTS -> copy = next + MOD(value - MOD(FIRST + next))
          :: else ->
#ifndef HOSTILE
             assert(false) /* an honest index is not refused */
#else
             skip
#endif
          fi
        }
     :: else
     fi;
     if
     :: copy > next ->
        select(taken : 1 .. copy - next);
#ifdef BROKEN_EARLY_RELEASE
        atomic {
          consumed_last++;
          consumed[consumed_last]         = next + taken;
          consumed_carries[consumed_last] = next
        }
#endif
        i = 0;
        do
        :: i < taken ->
#ifndef HOSTILE
           assert(known_fills > next + i);                              /* no race with the filling */
           assert(slot[MOD(FIRST + next + i) % SLOTS] == next + i + 1); /* none lost, none twice */
#endif
           i++
        :: else -> break
        od;
        atomic {
          next = next + taken;
#ifndef BROKEN_EARLY_RELEASE
          consumed_last++;
          consumed[consumed_last] = next;
#ifdef BROKEN_RELEASE_RELAXED
          consumed_carries[consumed_last] = 0
#else
          consumed_carries[consumed_last] = next
#endif
#endif
        }
     :: else
     fi
  :: else -> break
  od;
#ifdef REACH
  assert(false)
#endif
}
