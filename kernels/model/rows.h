/* Rows of a market for a model, as windows: what it is calibrated and measured on. From an .npy of numbers, [rows, features] or [windows, rows,
 * features], or from one that `features eval` wrote, whose columns are found by their names and whose windows never mix instruments. Control plane. */
#ifndef TF_KERNELS_MODEL_ROWS_H
#define TF_KERNELS_MODEL_ROWS_H

#include "model/graph.h"

typedef struct tf_rows {
  uint64_t      row_cnt;
  float        *values; /* rows of the model's features, malloc'd */
  uint64_t      window_cnt;
  const float **windows; /* where each begins, malloc'd */
} tf_rows_t;

/* E_FILE_*; E_MODEL_SCHEMA for rows of other features; E_FILE_FORMAT naming the row and the feature of a value that is NaN or infinite, and for
 * fewer rows than a window. Empty on failure. */
tf_err_t tf_rows_read(tf_rows_t *rows, const char *path, const tf_graph_t *graph);
void     tf_rows_fini(tf_rows_t *rows); /* accepts a zeroed one */

/* Window number idx of cnt that are spread evenly over all. */
TF_INLINE const float *tf_rows_spread(const tf_rows_t *rows, uint64_t idx, uint64_t cnt) {
  return rows->windows[(uint64_t)((__uint128_t)idx * rows->window_cnt / cnt)];
}

#endif
