/* The textbook loop of each of some indicators over arrays, as Tulip Indicators writes them: a running sum, a running
 * sum of squares, a rescan only when the extreme leaves. Ours, for the comparison. They have none of what
 * streaming promises: no protection against cancellation, no NaN check, no state that can stop after each value. */
#ifndef BATCH_LOOPS_H
#define BATCH_LOOPS_H

#include <stdint.h>

typedef struct batch_series {
  const double *open, *high, *low, *close, *volume; /* (len) */
  double       *out; /* (len), one output; unwritten before the first */
  uint32_t      len, n;
} batch_series_t;

typedef struct batch_loop {
  const char *name; /* of the indicator */
  void (*run)(const batch_series_t *s);
} batch_loop_t;

extern const batch_loop_t batch_loops[];
extern const uint32_t     batch_loop_cnt;

#endif
