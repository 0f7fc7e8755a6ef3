/* Where feature rows go: CSV with a header, or NumPy's .npy of a structured dtype, read with numpy.load. The
 * columns are ts_recv_ns, ingest_seq, instrument and one per feature. A feature that is not ready is an
 * empty cell in CSV, NaN in .npy. Doubles are printed with as many digits as bring back their bits.
 *
 * write is called on the lane: it allocates nothing; what the disk refuses is reported by close. */
#ifndef TICKFUSE_ROW_FILE_H
#define TICKFUSE_ROW_FILE_H

#include <stdio.h>

#include "stage/feature_plan.h"

typedef struct row_file {
  FILE    *file;
  bool     is_npy;
  uint32_t feature_cnt;
  uint64_t row_cnt;
  long     shape_at; /* .npy: where the header's row count stands */
} row_file_t;

/* path NULL: CSV on stdout. A path that ends in .npy is one. The first feature_cnt features of the
 * plan. E_FILE_OPEN, E_FILE_WRITE. */
tf_err_t row_file_open(row_file_t *rows, const char *path, const tf_feature_plan_t *plan,
                       uint32_t feature_cnt);
void     row_file_write(row_file_t *rows, uint64_t ts_recv_ns, uint64_t ingest_seq,
                        const char *instrument, const double *row);
tf_err_t row_file_close(row_file_t *rows);

/* The shortest text that reads back as x; empty for NaN. Returns buf, of 32 bytes. */
const char *row_number(double x, char *buf);

#endif
