/* Bars from CSV: a header among ts, open, high, low, close, volume, notional, buy_volume, trade_cnt, end,
 * instrument, in any order, then one bar a line. Numbers are decimal; a cell may be empty, which is a missing
 * value (of trade_cnt it may not). ts is text: it is handed on as it is; where it is a whole number it must not go back. end is passed
 * over; instrument must be the same all through. Lines end in LF or CRLF; blank lines and those that begin
 * with # are passed over. */
#ifndef TICKFUSE_BARS_CSV_H
#define TICKFUSE_BARS_CSV_H

#include <stdio.h>

#include "stage/feature_plan.h"

#define BARS_CSV_LINE_BYTES_MAX 4096 /* with its end */
#define BARS_CSV_COLUMNS_MAX    11
#define BARS_CSV_NAME_BYTES     64 /* of an instrument */

typedef struct bars_csv {
  FILE       *file;
  const char *path;
  uint64_t    line;
  uint32_t    column_cnt;
  uint8_t     columns[BARS_CSV_COLUMNS_MAX]; /* what each is, in bars_csv.c's order */
  bool        has[BARS_CSV_COLUMNS_MAX];
  char        text[BARS_CSV_LINE_BYTES_MAX + 2];
  const char *ts;      /* of the bar read last; NULL without such a column */
  uint64_t    ts_last; /* as a number, where it is one */
  char        instrument[BARS_CSV_NAME_BYTES];
} bars_csv_t;

/* Reads the header. E_FILE_OPEN; E_FILE_FORMAT with file:line:column. */
tf_err_t bars_csv_open(bars_csv_t *csv, const char *path);
void     bars_csv_close(bars_csv_t *csv);

/* *has_bar is false at the end. Missing values are NaN. E_FILE_FORMAT. */
tf_err_t bars_csv_next(bars_csv_t *csv, tf_bar_t *bar, bool *has_bar);

/* Whether the file has the field. */
bool bars_csv_has(const bars_csv_t *csv, tf_feature_bar_field_t field);

#endif
