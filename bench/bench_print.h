/* What every bench shares: its options, and how its rows are printed, as a table for people or as the
 * JSON list that `tickfuse bench --json` prints. A row compares ours with a peer that was measured in
 * the same run on the same input; a budget is a number from PERF's table or the peer's own figure. */
#ifndef BENCH_PRINT_H
#define BENCH_PRINT_H

#include "tf/base.h"

typedef struct tf_bench_row {
  const char *name; /* snake_case, stable: results are compared by it */
  double      ours; /* NaN: could not be measured here, which is not ok */
  const char *unit;
  const char *peer;       /* who; NULL if there is none */
  double      peer_value; /* in the same unit; NaN if there is none */
  double      budget;     /* in the same unit; NaN if there is none */
  bool        lower_is_better;
} tf_bench_row_t;

/* Ours kept the budget. A row without one is ok if it was measured at all. */
bool tf_bench_row_ok(const tf_bench_row_t *row);

/* How many times better than the peer ours is: peer / ours where lower is better, else ours / peer.
 * NaN without a peer. */
double tf_bench_row_ratio(const tf_bench_row_t *row);

/* To stdout: a JSON list of {name, ours, unit, peer, peer_value, ratio, budget, ok}, null for what is
 * not there; or a table. */
void tf_bench_print(const tf_bench_row_t *rows, size_t row_cnt, bool json);

typedef struct tf_bench_options {
  bool json;
  bool smoke; /* in less than a second: shows that the bench works, its figures mean nothing */
} tf_bench_options_t;

/* --json, --smoke, --help. Returns -1 to go on, else the exit status to end with. */
int tf_bench_options_parse(int argc, char **argv, const char *help, tf_bench_options_t *options);

/* Of value_cnt >= 1 values, which it sorts. */
double tf_bench_median(double *values, size_t value_cnt);

/* The first cpu_cnt cores that this process may run on; false if there are fewer. */
bool tf_bench_cpus(int *cpus, int cpu_cnt);

#endif
