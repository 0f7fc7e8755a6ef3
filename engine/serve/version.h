/* One version of a model as a lane runs it: the loaded model, a scratch, a window state for each instrument. And the rows
 * that a lane keeps of each instrument, from which the windows of another version are made.
 *
 *   who makes it      boot the first, from the arena; the model server's thread the others, from the heap, before
 *                     the lane sees them
 *   who runs it       the lane alone, from the moment that it took it until it says that it left it
 *   who frees it      who made it, afterwards */
#ifndef TF_SERVE_VERSION_H
#define TF_SERVE_VERSION_H

#include "core/arena.h"
#include "core/walk.h"
#include "tf/atomic.h"
#include "tf/model.h"

typedef struct tf_version {
  const tf_model_t *model;
  uint64_t          number; /* in the registry; 0: of a file by itself */
  void             *scratch;
  void             *many_scratch; /* of run_many; NULL: one by one */
  uint8_t *windows; /* (instruments) states, a stride apart; NULL: the model is of single rows */
  size_t   window_stride; /* 0: there is one, whose instrument it is is known elsewhere */
} tf_version_t;

TF_INLINE void *tf_version_window(const tf_version_t *v, uint32_t instrument_idx) {
  return v->windows ? v->windows + instrument_idx * v->window_stride : NULL;
}

/* Bytes of one window state, of all of them; 0 for a model of single rows. E_CORE_OVERFLOW. */
size_t   tf_version_stride(const tf_model_t *model);
tf_err_t tf_version_windows_bytes(const tf_model_t *model, uint32_t instrument_cnt, size_t *bytes);

/* Takes scratch and windows from the heap (one window: window_stride is 0), resets the windows and touches every page, so that the lane faults
 * on none. The model stays the caller's, and outlives the version. E_CORE_NO_MEMORY, E_CORE_OVERFLOW. */
tf_err_t tf_version_init(tf_version_t *version, const tf_model_t *model, uint64_t number,
                         uint32_t instrument_cnt);
void     tf_version_fini(tf_version_t *version); /* accepts a zeroed one */

/* ---- kept rows: the lane's ---- */

typedef struct tf_kept_rows {
  float    *rows;     /* (instruments, row_cap, width) */
  uint32_t *cnt;      /* (instruments) of rows, up to row_cap */
  uint32_t *next_idx; /* (instruments) where the next goes: the oldest once row_cap are kept */
  uint32_t  row_cap, width;
} tf_kept_rows_t;

/* Bytes for an instrument. */
TF_INLINE size_t tf_kept_rows_bytes(uint32_t row_cap, uint32_t width) {
  return (size_t)row_cap * width * sizeof(float) + 2 * sizeof(uint32_t);
}

/* Empty, of the arena. E_CORE_ARENA_FULL. */
tf_err_t tf_kept_rows_init(tf_kept_rows_t *kept, uint32_t row_cap, uint32_t width,
                           uint32_t instrument_cnt, tf_arena_t *arena);
void     tf_kept_rows_push(tf_kept_rows_t *kept, uint32_t instrument_idx, const float *row);
void     tf_kept_rows_clear(tf_kept_rows_t *kept, uint32_t instrument_idx);

/* The row that came back_cnt rows before the next: 1 is the newest. back_cnt at most the instrument's cnt. */
const float *tf_kept_rows_at(const tf_kept_rows_t *kept, uint32_t instrument_idx,
                             uint32_t back_cnt);

/* Of one instrument, all that is kept of it. */
void tf_kept_rows_walk(tf_kept_rows_t *kept, uint32_t instrument_idx, tf_walk_t *walk);

#endif
