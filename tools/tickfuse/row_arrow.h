/* Feature rows as an Arrow IPC file (arrow.apache.org/docs/format/Columnar.html, metadata V5, uncompressed):
 * what pyarrow.feather, polars, DuckDB and R read, or map into memory, column by column.
 *
 * Columns: ts_recv_ns uint64, ingest_seq uint64, instrument utf8, then one double a feature; nothing is null, a
 * feature without a value is NaN. Rows are gathered by column, ROW_ARROW_BATCH of them, and written as one
 * record batch; the file's footer tells where each lies. The schema's metadata holds the feature schema's text
 * under "tickfuse.schema".
 *
 * open takes all memory; write, on the lane, none. What the disk refuses is reported by close. */
#ifndef TICKFUSE_ROW_ARROW_H
#define TICKFUSE_ROW_ARROW_H

#include <stdio.h>

#include "stage/feature_plan.h"

#define ROW_ARROW_BATCH 8192

typedef struct row_arrow row_arrow_t; /* opaque; allocates */

tf_err_t row_arrow_open(row_arrow_t **arrow, FILE *file, const tf_feature_plan_t *plan,
                        uint32_t feature_cnt, const char *schema_text);
void     row_arrow_write(row_arrow_t *arrow, uint64_t ts_recv_ns, uint64_t ingest_seq,
                         const char *instrument, const double *row);
/* Writes what is left and the footer, and frees; the file stays open. Accepts NULL. False where memory for the
 * footer was short. */
bool row_arrow_close(row_arrow_t *arrow);

#endif
