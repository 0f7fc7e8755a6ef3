#include "bench_print.h"

#include <math.h>
#include <sched.h>
#include <string.h>

bool tf_bench_row_ok(const tf_bench_row_t *row) {
  if (isnan(row->ours)) return false;
  if (isnan(row->budget)) return true;
  return row->lower_is_better ? row->ours <= row->budget : row->ours >= row->budget;
}

double tf_bench_row_ratio(const tf_bench_row_t *row) {
  return row->lower_is_better ? row->peer_value / row->ours : row->ours / row->peer_value;
}

static void number_json(const char *key, double value) {
  if (isfinite(value))
    printf(", \"%s\": %.6g", key, value);
  else
    printf(", \"%s\": null", key);
}

static void rows_json(const tf_bench_row_t *rows, size_t row_cnt) {
  printf("[");
  for (size_t i = 0; i < row_cnt; i++) {
    const tf_bench_row_t *row = &rows[i];
    printf("%s\n  {\"name\": \"%s\"", i ? "," : "", row->name);
    number_json("ours", row->ours);
    printf(", \"unit\": \"%s\"", row->unit);
    if (row->peer)
      printf(", \"peer\": \"%s\"", row->peer);
    else
      printf(", \"peer\": null");
    number_json("peer_value", row->peer_value);
    number_json("ratio", tf_bench_row_ratio(row));
    number_json("budget", row->budget);
    printf(", \"ok\": %s}", tf_bench_row_ok(row) ? "true" : "false");
  }
  printf("\n]\n");
}

/* Four significant digits, never in exponents: 0.1234, 12.34, 12345. */
static void number_cell(double value, int width) {
  if (!isfinite(value)) {
    printf(" %*s", width, "-");
    return;
  }
  double magnitude = fabs(value);
  int    decimals  = magnitude >= 1000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : 3;
  printf(" %*.*f", width, decimals, value);
}

static void rows_table(const tf_bench_row_t *rows, size_t row_cnt) {
  printf("%-34s %10s %-8s %10s %7s %10s %4s  %s\n", "name", "ours", "unit", "peer", "ratio",
         "budget", "ok", "measured against");
  for (size_t i = 0; i < row_cnt; i++) {
    const tf_bench_row_t *row = &rows[i];
    printf("%-34s", row->name);
    number_cell(row->ours, 10);
    printf(" %-8s", row->unit);
    number_cell(row->peer_value, 10);
    number_cell(tf_bench_row_ratio(row), 7);
    number_cell(row->budget, 10);
    printf(" %4s  %s\n", tf_bench_row_ok(row) ? "yes" : "NO", row->peer ? row->peer : "");
  }
}

void tf_bench_print(const tf_bench_row_t *rows, size_t row_cnt, bool json) {
  if (json)
    rows_json(rows, row_cnt);
  else
    rows_table(rows, row_cnt);
}

int tf_bench_options_parse(int argc, char **argv, const char *help, tf_bench_options_t *options) {
  *options = (tf_bench_options_t){0};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      options->json = true;
    else if (strcmp(argv[i], "--smoke") == 0)
      options->smoke = true;
    else if (strcmp(argv[i], "--help") == 0) {
      printf("usage: %s [--json] [--smoke]\n%s\n", argv[0], help);
      return 0;
    } else {
      fprintf(stderr, "%s: unknown argument \"%s\": --json, --smoke and --help are allowed\n",
              argv[0], argv[i]);
      return 2;
    }
  }
  return -1;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double tf_bench_median(double *values, size_t value_cnt) {
  TF_ASSERT(value_cnt >= 1);
  qsort(values, value_cnt, sizeof *values, compare_doubles);
  return value_cnt % 2 ? values[value_cnt / 2]
                       : (values[value_cnt / 2 - 1] + values[value_cnt / 2]) / 2;
}

bool tf_bench_cpus(int *cpus, int cpu_cnt) {
  cpu_set_t set;
  int       found = 0;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return false;
  for (int cpu = 0; cpu < CPU_SETSIZE && found < cpu_cnt; cpu++)
    if (CPU_ISSET(cpu, &set)) cpus[found++] = cpu;
  return found == cpu_cnt;
}
