/* How a lane comes to run another version of a model, without a pause:
 *
 *   server's thread                          the lane
 *   loads, checks, fills a row of versions
 *   offered = word  --------------------->   takes it: makes its windows from the rows that it kept, a row at a
 *                                            time, after decisions have left and while it is idle; those that are
 *                                            made take each new row too
 *   waits for prepared  <-----------------   prepared = word: every window is as if it had always run
 *   has a SWAP event published  --------->   at the event the version serves: a pointer changes
 *   waits for serving  <------------------   serving = word: what served before is not touched any more
 *
 * Only the event changes answers, so when the lane prepared is nobody's business: a replay, which has the event
 * alone, fetches the version there, makes all windows at once, and has the same bits, since a window's answer is that of
 * its rows (tf/model.h).
 *
 * A word is serial * TF_VERSION_ROWS + row, the serial from 1; 0 is none. offered goes back to 0 to take an offer back:
 * the lane has let go once taken is 0 too. The server writes a row only while it is neither offered, taken nor
 * serving. */
#ifndef TF_SERVE_SWAP_H
#define TF_SERVE_SWAP_H

#include "serve/version.h"

#define TF_VERSION_ROWS                                                                            \
  5 /* what serves, what served before, what is offered, what a worker is compared with, one to fill */

/* What the version beside answered on the same ticks as the one that serves, since it was taken. By the lane; any thread
 * reads it, word by word. Distances are of scores, in millionths, each at most TF_SHADOW_DISTANCE_MAX. */
typedef struct tf_shadow {
  uint64_t answers; /* ticks on which both answered */
  uint64_t refused; /* answers of its own that post-processing refused */
  uint64_t signs;   /* answers with the other sign */
  uint64_t distance_sum, distance_max;
} tf_shadow_t;

/* What the version beside answered where it served, as a canary; by the lane, as tf_shadow_t. */
typedef struct tf_canary {
  uint64_t answers; /* good ones */
  uint64_t refused; /* by post-processing */
  uint64_t late;    /* beyond the model's budget */
} tf_canary_t;

#define TF_SHADOW_DISTANCE_MAX                                                                     \
  UINT64_C(1000000000000) /* a million: 2^64 holds 18 million such answers */

typedef struct TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_swap {
  /* by the server (row 0 by boot) */
  tf_version_t versions[TF_VERSION_ROWS];
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t offered; /* with release */
  /* by the lane, each with release */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t taken;
  uint64_t prepared, serving;
  uint64_t
      trying; /* the word of the canary; 0: there is none, and nothing beside is asked as one */
  tf_shadow_t shadow; /* plainly published: words that stand alone */
  tf_canary_t canary;
  /* the lane's own */
  const tf_version_t *beside;   /* the taken version; NULL: none */
  uint32_t            made_cnt; /* instruments, from 0 on, whose window of it is made */
  uint32_t            left_cnt; /* rows that the window of the next one has yet to take */
  bool                is_begun; /* that one was reset, and takes its rows */
  uint32_t            instrument_cnt;
  tf_kept_rows_t      kept; /* row_cap 0: the model is of single rows */
} tf_swap_t;

TF_INLINE const tf_version_t *tf_swap_row(const tf_swap_t *s, uint64_t word) {
  return &s->versions[word % TF_VERSION_ROWS];
}

/* ---- the lane ---- */

/* The instrument's tick is decided: row went into the version that answered; NULL: it broke the window. other: the one that did
 * not answer, and takes the row too: NULL means the one beside; where that is a canary and answered, the one that serves. True
 * where it answered as well: its outputs are in out (TF_MODEL_OUTPUTS_MAX). */
bool tf_swap_follow(tf_swap_t *swap, uint32_t instrument_idx, const float *row,
                    const tf_version_t *other, float *out);

/* Takes or lets go what is offered, and lets one of its windows take one row. False: there was nothing to do. After each tick and now
 * and then while there is none. */
bool tf_swap_prepare(tf_swap_t *swap);

/* Boot's: the window of row 0 is made anew of the kept rows. */
void tf_swap_remake(tf_swap_t *swap, uint32_t instrument_idx);

/* The scores of both on one tick; theirs NULL: it was refused. */
void tf_swap_compare(tf_swap_t *swap, float ours, const float *theirs);

/* The event of a canary: the version of this number and hash, its windows made, if it is the one beside; it stays
 * there. NULL: it is not there. */
const tf_version_t *tf_swap_try(tf_swap_t *swap, uint64_t number, uint32_t hash);

/* The event: the version of this number and hash serves from here on, if it is the one that was taken; its
 * missing windows are made. NULL: it is not there. */
const tf_version_t *tf_swap_obey(tf_swap_t *swap, uint64_t number, uint32_t hash);

#endif
