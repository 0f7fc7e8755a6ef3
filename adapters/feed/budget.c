#include "feed/budget.h"

#include <string.h>

void tf_budget_init(tf_budget_t *b, uint32_t connects_per_5min_max) {
  memset(b, 0, sizeof *b);
  b->connect_max =
      connects_per_5min_max < TF_BUDGET_CONNECT_MAX ? connects_per_5min_max : TF_BUDGET_CONNECT_MAX;
}

uint64_t tf_budget_book(tf_budget_t *b, uint64_t wanted_ns) {
  if (b->connect_max == 0) return wanted_ns;
  uint64_t start_ns = wanted_ns;
  if (b->start_cnt > 0) {
    /* Ascending: the window is then the newest connect_max starts. */
    uint64_t newest_ns = b->starts_ns[(b->start_cnt - 1) % TF_BUDGET_CONNECT_MAX];
    if (start_ns < newest_ns) start_ns = newest_ns;
  }
  if (b->start_cnt >= b->connect_max) {
    uint64_t free_ns =
        b->starts_ns[(b->start_cnt - b->connect_max) % TF_BUDGET_CONNECT_MAX] + TF_BUDGET_WINDOW_NS;
    if (start_ns < free_ns) start_ns = free_ns;
  }
  b->starts_ns[b->start_cnt++ % TF_BUDGET_CONNECT_MAX] = start_ns;
  return start_ns;
}
