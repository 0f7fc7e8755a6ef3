/* How a lane comes to run another version of a model, without a pause:
 *
 *   server's thread                          the lane
 *   loads, checks, fills a row of versions
 *   offered = word  --------------------->   takes it: makes its windows from the rows that it kept, one instrument
 *                                            after another, after decisions have left and while it is idle; those
 *                                            that are made take each new row too
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

#define TF_VERSION_ROWS 4 /* what serves, what served before, what is offered, and one to fill */

typedef struct TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_swap {
  /* by the server (row 0 by boot) */
  tf_version_t versions[TF_VERSION_ROWS];
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t offered; /* with release */
  /* by the lane, each with release */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t taken;
  uint64_t prepared, serving;
  /* the lane's own */
  const tf_version_t *beside;   /* the taken version; NULL: none */
  uint32_t            made_cnt; /* instruments, from 0 on, whose window of it is made */
  uint32_t            instrument_cnt;
  tf_kept_rows_t      kept; /* row_cap 0: the model is of single rows */
} tf_swap_t;

TF_INLINE const tf_version_t *tf_swap_row(const tf_swap_t *s, uint64_t word) {
  return &s->versions[word % TF_VERSION_ROWS];
}

/* ---- the lane ---- */

/* The instrument's tick is decided: row went into the serving version; NULL: it broke the window. */
void tf_swap_follow(tf_swap_t *swap, uint32_t instrument_idx, const float *row);

/* Takes or lets go what is offered, and makes a window of it. False: there was nothing to do. After each tick and now
 * and then while there is none. */
bool tf_swap_prepare(tf_swap_t *swap);

/* The event: the version of this number and hash serves from here on, if it is the one that was taken; its
 * missing windows are made. NULL: it is not there. */
const tf_version_t *tf_swap_obey(tf_swap_t *swap, uint64_t number, uint32_t hash);

#endif
