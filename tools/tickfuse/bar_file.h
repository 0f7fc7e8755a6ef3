/* Where `features eval --bars` writes: CSV, one closed bar a line, with the columns that `indicator eval --bars` reads.
 * Numbers have as many digits as bring back their bits. write is called on the lane: it allocates nothing; what
 * the disk refuses is reported by close. */
#ifndef TICKFUSE_BAR_FILE_H
#define TICKFUSE_BAR_FILE_H

#include <stdio.h>

#include "tf/err.h"
#include "tf/market.h"

typedef struct bar_file {
  FILE    *file;
  uint64_t bar_cnt;
} bar_file_t;

/* path NULL: stdout. E_FILE_OPEN. */
tf_err_t bar_file_open(bar_file_t *bars, const char *path);
void     bar_file_write(bar_file_t *bars, const char *instrument, const tf_bar_t *bar);
tf_err_t bar_file_close(bar_file_t *bars); /* E_FILE_WRITE; accepts one that is not open */

#endif
