/* Where feature rows go: CSV with a header, NumPy's .npy of a structured dtype (read with numpy.load), or an
 * Arrow file (row_arrow.h). The columns are ts_recv_ns, ingest_seq, instrument and one per feature. A feature that is
 * not ready is an empty cell in CSV, NaN in the others. Doubles are printed with as many digits as bring back their
 * bits.
 *
 * write is called on the lane: it allocates nothing; what the disk refuses is reported by close. */
#ifndef TICKFUSE_ROW_FILE_H
#define TICKFUSE_ROW_FILE_H

#include <stdio.h>

#include "row_arrow.h"
#include "stage/feature_plan.h"

typedef struct row_file {
  FILE        *file;
  bool         is_npy;
  row_arrow_t *arrow; /* or NULL */
  uint32_t     feature_cnt;
  uint64_t     row_cnt;
  long         shape_at; /* .npy: where the header's row count stands */
} row_file_t;

/* path NULL: CSV on stdout. A path that ends in .npy is one, .arrow or .feather an Arrow file. The first
 * feature_cnt features of the plan; schema_text describes them. E_FILE_OPEN, E_FILE_WRITE, E_CORE_NO_MEMORY. */
tf_err_t row_file_open(row_file_t *rows, const char *path, const tf_feature_plan_t *plan,
                       uint32_t feature_cnt, const char *schema_text);
void     row_file_write(row_file_t *rows, uint64_t ts_recv_ns, uint64_t ingest_seq,
                        const char *instrument, const double *row);
tf_err_t row_file_close(row_file_t *rows);

/* The shortest text that reads back as x; empty for NaN. Returns buf, of 32 bytes. */
const char *row_number(double x, char *buf);

#endif
