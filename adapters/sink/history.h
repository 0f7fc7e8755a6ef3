/* Older decisions out of the journal, for a client that comes back: from a sequence on, a block at a
 * time, so that whoever serves several clients is never held up for longer than a block is read. The
 * place is found by halving the file. Damage is passed over: what it took is a hole that the caller
 * sees in the sequences. Segments (the journal's path with .1, .2 ..) are read one behind the other.
 *
 * Right for a journal of live runs, whose sequences rise. One thread; reads files, allocates nothing. */
#ifndef TF_SINK_HISTORY_H
#define TF_SINK_HISTORY_H

#include "file/journal.h"
#include "file/journal_reader.h"

typedef enum tf_history_step {
  TF_HISTORY_MORE, /* nothing this time: step again */
  TF_HISTORY_RECORDS,
  TF_HISTORY_END /* nothing more is there now; it may grow */
} tf_history_step_t;

typedef struct tf_history {
  const char         *path;
  uint64_t            wanted; /* the first sequence that was not given out */
  uint32_t            segment;
  bool                is_open, is_searching;
  uint64_t            from, to; /* the block where wanted begins lies in [from, to) */
  uint32_t            at, cnt;  /* decisions of the block in hand, given out up to at */
  char                segment_path[TF_JOURNAL_PATH_BYTES];
  tf_journal_reader_t reader;
} tf_history_t;

/* Begins at sequence seq; 0: at the oldest. path is kept. */
void tf_history_begin(tf_history_t *history, const char *path, uint64_t seq);
/* At most one block is read. RECORDS: *decisions and *n, from wanted on; valid until the next step. */
tf_history_step_t tf_history_step(tf_history_t *history, const tf_decision_t **decisions,
                                  uint32_t *n);
/* The first n of those are done with. */
void tf_history_took(tf_history_t *history, uint32_t n);
void tf_history_end(tf_history_t *history); /* accepts a zeroed one */

#endif
