/* The broadcast ring of include/tf/bcast.h: one writer that overwrites, a reader that must notice.
 *
 * Modelled honestly
 *   - The writer's stores become visible in any order that C11 allows. Every location keeps its
 *     history; a load may return any entry of it that is not older than what the reader has
 *     read there (coherence) or knows of (happens-before). What the reader knows is a prefix of the
 *     writer's steps: there is but one writer. An entry carries a prefix: a release store all steps before
 *     it; a relaxed word what the last release fence had seen; without one, nothing. (The busy stamp
 *     carries nothing here, where C11 would let it carry the last record's fence: weaker, so safe.) An acquire load
 *     takes it over at once, a relaxed load with the next acquire fence. So a store that overtakes
 *     another, and a load that runs ahead of another, are both tried.
 *   - Each of the two words of a record is a location of its own, as are stamp and head.
 *   - Sequences are of M values and compared by signed difference; the first is just below the wrap.
 *   - The reader may stand still for any time, be lapped, miss, and go on, on a head as stale as may be.
 *
 * Abstracted: one reader, since readers write nothing that is shared; two words; a writer that does
 * not die. No load comes after a store in either thread that it could pass (the reader stores nothing,
 * the writer loads nothing), so that leaving out speculation of stores loses nothing.
 *
 * Must fail, each:  -DBROKEN_NO_BUSY  -DBROKEN_FENCE_RELEASE  -DBROKEN_FENCE_ACQUIRE
 *   -DBROKEN_STAMP_RELAXED  -DBROKEN_LOAD_RELAXED  -DBROKEN_NO_RECHECK  -DBROKEN_REPORT  -DBROKEN_STALE_HEAD
 * and -DREACH_END, -DREACH_OVERRUN, which say that both are reached. */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef RECORDS
#define RECORDS 5
#endif
#ifndef RESUME
#define RESUME 0 /* records given up beyond the oldest that is left */
#endif
#define M      16
#define FIRST  12 /* a multiple of SLOTS; the fifth record wraps */
#define STEPS  6  /* of the writer, a record */
#define BUSY   1
#define FENCE  2
#define WORD0  3
#define WORD1  4
#define STAMP  5
#define HEAD   6
#define NONE   255

#define MOD(x)    ((x) & (M - 1))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define SIGNED(x) (MOD(x) < M / 2 -> MOD(x) : MOD(x) - M)
/* Record r, counted from 0, and its step. */
#define AT(r, step) ((r) * STEPS + (step))

byte done = 0; /* the writer's steps so far: the history of every location follows from it */

active proctype writer() {
  do
  :: done < RECORDS * STEPS -> done++
  :: else -> break
  od
}

/* The entries of a stamp are 0 (as made), then 2j+1 busy and 2j+2 whole of the slot's j-th record. */
#define RECORD_OF(entry, x) ((((entry) - 1) / 2) * SLOTS + (x))
#define IS_BUSY(entry)      ((entry) & 1)
#define STAMP_STEP(entry, x) \
  ((entry) == 0 -> 0 : AT(RECORD_OF(entry, x), (IS_BUSY(entry) -> BUSY : STAMP)))

/* newest := the last entry of a stamp among the writer's first `steps` steps; likewise a word's record
 * (NONE before the first) and the head's entry (0 as made, then one a record). */
inline newest_stamp(x, steps, newest) {
  newest = 0;
  do
  :: RECORD_OF(newest + 1, x) < RECORDS && STAMP_STEP(newest + 1, x) <= steps -> newest++
  :: else -> break
  od
}
inline newest_word(x, step, steps, newest) {
  newest = 0; /* 0 as made, then j+1 for the slot's j-th record */
  do
  :: newest * SLOTS + x < RECORDS && AT(newest * SLOTS + x, step) <= steps -> newest++
  :: else -> break
  od
}
#define newest_head(steps) ((steps) / STEPS)

active proctype reader() {
  byte want = 0; /* the record that is read next, counted from 0 */
  byte known = 0, pending = 0, before; /* steps of the writer: happened before us; after a fence */
  byte stamp_seen[SLOTS], word0_seen[SLOTS], word1_seen[SLOTS], head_seen = 0; /* entries: coherence */
  byte lost_cnt = 0, read_cnt = 0;
  byte x, low, high, entry, stamp, word0, word1, begun, newest, oldest, jump;
  bool missed;

  do
  :: want < RECORDS ->
     x      = want % SLOTS;
     missed = false;
     before = known;
     /* R1 */
     atomic {
       newest_stamp(x, known, low);
       newest_stamp(x, done, high);
       low = MAX(low, stamp_seen[x]);
       select(entry : low .. high);
       stamp_seen[x] = entry;
       if
       :: entry == 0 -> stamp = MOD((FIRST - SLOTS + x) ^ 1)
       :: entry > 0 && IS_BUSY(entry) -> stamp = MOD((FIRST + RECORD_OF(entry, x)) ^ 1)
       :: else ->
          stamp = MOD(FIRST + RECORD_OF(entry, x));
#ifndef BROKEN_STAMP_RELAXED
          pending = MAX(pending, AT(RECORD_OF(entry, x), STAMP))
#endif
       fi;
#ifndef BROKEN_LOAD_RELAXED
       known = MAX(known, pending)
#endif
     }
     if
     :: stamp != MOD(FIRST + want) -> missed = true
     :: else ->
        /* R2, word by word */
        atomic {
          newest_word(x, WORD0, known, low);
          newest_word(x, WORD0, done, high);
          low = MAX(low, word0_seen[x]);
          select(entry : low .. high);
          word0_seen[x] = entry;
          word0         = (entry == 0 -> NONE : (entry - 1) * SLOTS + x);
#ifndef BROKEN_FENCE_RELEASE
          pending = MAX(pending, (entry == 0 -> 0 : AT(word0, FENCE)))
#endif
        }
        atomic {
          newest_word(x, WORD1, known, low);
          newest_word(x, WORD1, done, high);
          low = MAX(low, word1_seen[x]);
          select(entry : low .. high);
          word1_seen[x] = entry;
          word1         = (entry == 0 -> NONE : (entry - 1) * SLOTS + x);
#ifndef BROKEN_FENCE_RELEASE
          pending = MAX(pending, (entry == 0 -> 0 : AT(word1, FENCE)))
#endif
        }
        /* R3 and R4 */
#ifndef BROKEN_FENCE_ACQUIRE
        known = MAX(known, pending);
#endif
#ifndef BROKEN_NO_RECHECK
        atomic {
          newest_stamp(x, known, low);
          newest_stamp(x, done, high);
          low = MAX(low, stamp_seen[x]);
          select(entry : low .. high);
#ifdef BROKEN_NO_BUSY
          /* The writer never says that it is busy: its entries count as whole ones of the record before. */
          entry = (IS_BUSY(entry) && entry > stamp_seen[x] -> entry - 1 : entry);
#endif
          stamp_seen[x] = MAX(entry, stamp_seen[x]);
          stamp = MOD(IS_BUSY(entry) -> (FIRST + RECORD_OF(entry, x)) ^ 1
                                      : FIRST + RECORD_OF(entry, x))
        }
#endif
        if
        :: stamp != MOD(FIRST + want) -> missed = true
        :: else ->
           assert(word0 == want && word1 == want); /* nothing torn, nothing of another lap */
           want++;
           read_cnt++
        fi
     fi;
     if
     :: missed ->
        begun = ((stamp & (SLOTS - 1)) == x -> stamp : MOD(stamp ^ 1));
        if
        :: SIGNED(begun - MOD(FIRST + want)) < SLOTS ->
           /* "Not there yet" is not said of a record whose writing happened before the question. */
           assert(before < AT(want, STAMP))
        :: else ->
           atomic {
             low  = MAX(newest_head(known), head_seen);
             high = newest_head(done);
             select(entry : low .. high);
             head_seen = entry;
             known     = MAX(known, entry * STEPS);
             newest    = MOD(FIRST + entry)
           }
#ifndef BROKEN_STALE_HEAD
           if
           :: SIGNED(begun - MOD(FIRST + want)) > SIGNED(newest - MOD(FIRST + want)) ->
              newest = begun
           :: else
           fi;
#endif
           oldest = MOD(newest - SLOTS + 1);
           jump   = MOD(MOD(oldest + RESUME) - MOD(FIRST + want));
#ifdef BROKEN_REPORT
           lost_cnt = lost_cnt + jump - 1;
#else
           lost_cnt = lost_cnt + jump;
#endif
           assert(jump > 0 && jump < M / 2); /* forward */
           want = want + jump;
           /* What is given up is overwritten, or about to be, or the declared distance. */
           assert(want - 1 + SLOTS - RESUME <= (done + STEPS - BUSY) / STEPS);
#ifdef REACH_OVERRUN
           assert(false)
#endif
        fi
     :: else
     fi;
     assert(want == read_cnt + lost_cnt) /* the account of the header */
  :: else -> break
  od;
#ifdef REACH_END
  assert(read_cnt + lost_cnt < RECORDS)
#endif
}
