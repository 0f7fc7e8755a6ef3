#include "bench_print.h"

#include <math.h>

/* How many times better than the peer; 0 without one. */
static double ratio_of(const tf_bench_row_t *r) {
  if (!r->peer || r->ours <= 0 || r->peer_value <= 0) return 0;
  return r->lower_is_better ? r->peer_value / r->ours : r->ours / r->peer_value;
}

static bool is_ok(const tf_bench_row_t *r) {
  bool in_budget =
      r->budget == 0 || (r->lower_is_better ? r->ours <= r->budget : r->ours >= r->budget);
  bool beats = r->ratio_min == 0 || !r->peer || ratio_of(r) >= r->ratio_min;
  return in_budget && beats;
}

static void print_json(const tf_bench_row_t *r, bool last) {
  printf(" {\"name\": \"%s\", \"ours\": %.6g, \"unit\": \"%s\", ", r->name, r->ours, r->unit);
  if (r->peer)
    printf("\"peer\": \"%s\", \"peer_value\": %.6g, \"ratio\": %.4g, ", r->peer, r->peer_value,
           ratio_of(r));
  else
    printf("\"peer\": null, \"peer_value\": null, \"ratio\": null, ");
  if (r->budget != 0)
    printf("\"budget\": %.6g, ", r->budget);
  else
    printf("\"budget\": null, ");
  printf("\"ok\": %s}%s\n", is_ok(r) ? "true" : "false", last ? "" : ",");
}

void tf_bench_print(const tf_bench_row_t *rows, size_t row_cnt, bool json) {
  if (json) {
    printf("[\n");
    for (size_t i = 0; i < row_cnt; i++) print_json(&rows[i], i + 1 == row_cnt);
    printf("]\n");
    return;
  }
  printf("%-48s %12s %-8s %-28s %12s %7s %10s\n", "", "ours", "unit", "peer", "peer's", "ratio",
         "budget");
  for (size_t i = 0; i < row_cnt; i++) {
    const tf_bench_row_t *r              = &rows[i];
    char                  peer_value[32] = "", ratio[32] = "", budget[32] = "";
    if (r->peer) {
      snprintf(peer_value, sizeof peer_value, "%.6g", r->peer_value);
      snprintf(ratio, sizeof ratio, "%.2fx", ratio_of(r));
    }
    if (r->budget != 0) snprintf(budget, sizeof budget, "%.6g", r->budget);
    printf("%-48s %12.6g %-8s %-28s %12s %7s %10s %s\n", r->name, r->ours, r->unit,
           r->peer ? r->peer : "", peer_value, ratio, budget,
           r->budget == 0 && r->ratio_min == 0 ? ""
           : is_ok(r)                          ? "met"
                                               : "MISSED");
  }
}
