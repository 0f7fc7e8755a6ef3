#include "model/rows.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/npy.h"

/* Which column each feature is. */
static tf_err_t find_columns(const tf_npy_t *npy, const char *path, const tf_graph_t *g,
                             uint32_t *columns) {
  if (!npy->names && npy->column_cnt != g->input_cnt)
    return TF_ERR(E_MODEL_SCHEMA, "%s: rows of %llu values, model %s takes %u", path,
                  (unsigned long long)npy->column_cnt, g->name, g->input_cnt);
  if (npy->rank == 3 && npy->middle_cnt != g->window)
    return TF_ERR(E_MODEL_SCHEMA, "%s: windows of %llu rows, model %s takes %u", path,
                  (unsigned long long)npy->middle_cnt, g->name, g->window);
  for (uint32_t i = 0; i < g->input_cnt; i++) {
    columns[i] = i;
    if (!npy->names) continue;
    uint32_t k = 0;
    while (k < npy->column_cnt && strcmp(npy->names[k], g->features.names[i]) != 0) k++;
    if (k == npy->column_cnt)
      return TF_ERR(E_MODEL_SCHEMA, "%s: no column \"%s\", which model %s takes", path,
                    g->features.names[i], g->name);
    columns[i] = k;
  }
  return TF_OK;
}

/* Where each group's rows begin: one behind the other, each in the order in which they came. */
static void place_groups(const tf_npy_t *npy, uint64_t *begins) {
  for (uint64_t r = 0; r < npy->row_cnt; r++) begins[npy->groups[r] + 1]++;
  for (uint32_t i = 0; i < npy->group_cnt; i++) begins[i + 1] += begins[i];
}

static tf_err_t copy_rows(tf_rows_t *rows, const tf_npy_t *npy, const char *path,
                          const tf_graph_t *g, const uint32_t *columns, uint64_t *next) {
  for (uint64_t r = 0; r < npy->row_cnt; r++) {
    const float *from = npy->values + r * npy->column_cnt;
    float       *to   = rows->values + (npy->groups ? next[npy->groups[r]]++ : r) * g->input_cnt;
    for (uint32_t i = 0; i < g->input_cnt; i++) {
      to[i] = from[columns[i]];
      if (isfinite(to[i])) continue;
      return TF_ERR(E_FILE_FORMAT, "%s: row %llu: %s is %s; only finite rows can be measured on",
                    path, (unsigned long long)r, g->features.names[i],
                    isnan(to[i]) ? "NaN" : "infinite");
    }
  }
  return TF_OK;
}

/* Windows of cnt rows from values on that begin step rows apart. */
static void add_windows(tf_rows_t *rows, const tf_graph_t *g, uint64_t first, uint64_t cnt,
                        uint64_t step) {
  for (uint64_t r = 0; r + g->window <= cnt; r += step)
    rows->windows[rows->window_cnt++] = rows->values + (first + r) * g->input_cnt;
}

static tf_err_t fill(tf_rows_t *rows, const tf_npy_t *npy, const char *path, const tf_graph_t *g,
                     uint32_t *columns, uint64_t *begins) {
  uint64_t next[TF_NPY_GROUPS_MAX + 1];
  tf_err_t err = find_columns(npy, path, g, columns);
  if (npy->groups) place_groups(npy, begins);
  memcpy(next, begins, sizeof next);
  if (!err) err = copy_rows(rows, npy, path, g, columns, next);
  if (err) return err;
  rows->row_cnt = npy->row_cnt;
  if (npy->groups)
    for (uint32_t i = 0; i < npy->group_cnt; i++)
      add_windows(rows, g, begins[i], begins[i + 1] - begins[i], 1);
  else
    add_windows(rows, g, 0, npy->row_cnt, npy->rank == 3 ? g->window : 1);
  if (rows->window_cnt) return TF_OK;
  return TF_ERR(E_FILE_FORMAT, "%s: %llu rows; model %s takes windows of %u of one instrument",
                path, (unsigned long long)npy->row_cnt, g->name, g->window);
}

tf_err_t tf_rows_read(tf_rows_t *rows, const char *path, const tf_graph_t *g) {
  tf_npy_t npy;
  memset(rows, 0, sizeof *rows);
  tf_err_t err = tf_npy_read(&npy, path);
  if (err) return err;
  uint64_t *begins  = calloc(TF_NPY_GROUPS_MAX + 1, sizeof *begins);
  uint32_t *columns = calloc(g->input_cnt, sizeof *columns);
  rows->values      = malloc(npy.row_cnt * g->input_cnt * sizeof *rows->values + 1);
  rows->windows     = malloc(npy.row_cnt * sizeof *rows->windows + 1);
  if (begins && columns && rows->values && rows->windows)
    err = fill(rows, &npy, path, g, columns, begins);
  else
    err = TF_ERR(E_CORE_NO_MEMORY, "%s: %llu rows", path, (unsigned long long)npy.row_cnt);
  free(begins);
  free(columns);
  tf_npy_fini(&npy);
  if (err) tf_rows_fini(rows);
  return err;
}

void tf_rows_fini(tf_rows_t *rows) {
  free(rows->values);
  free(rows->windows);
  memset(rows, 0, sizeof *rows);
}
