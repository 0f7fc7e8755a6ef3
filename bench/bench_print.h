/* What every bench prints: one row a figure, beside its peer and its budget, as a table or (--json) as
 * the list that `tickfuse bench --json` joins. */
#ifndef BENCH_PRINT_H
#define BENCH_PRINT_H

#include "tf/base.h"

typedef struct tf_bench_row {
  const char *name;
  double      ours;
  const char *unit;
  const char *peer; /* NULL: none was measured in this run */
  double      peer_value;
  double      budget; /* 0: none */
  bool        lower_is_better;
  double      ratio_min; /* against the peer, in our favour; 0: none */
} tf_bench_row_t;

/* ok: within the budget, and the ratio to the peer (how many times better we are) at least
 * ratio_min, where these are given. */
void tf_bench_print(const tf_bench_row_t *rows, size_t row_cnt, bool json);

#endif
