#include "bars_csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "core/text.h"

enum { TS, OPEN, HIGH, LOW, CLOSE, VOLUME };

static const char *const names[BARS_CSV_COLUMNS_MAX] = {"ts",  "open",  "high",
                                                        "low", "close", "volume"};

#define SHOWN_BYTES 60 /* of a cell, in an error text */

/* at: in csv->text. */
static tf_err_t refuse(const bars_csv_t *csv, const char *at, const char *what, const char *found,
                       size_t found_cnt, const char *wanted) {
  char shown[SHOWN_BYTES];
  return TF_ERR(E_FILE_FORMAT, "%s:%llu:%llu: %s\"%s\"%s", csv->path, (unsigned long long)csv->line,
                (unsigned long long)(at - csv->text + 1), what,
                tf_text_escape(found, found_cnt, shown, sizeof shown), wanted);
}

/* The next line that holds something, without its end. *text NULL at the end of the file. */
static tf_err_t read_line(bars_csv_t *csv, char **text) {
  *text = NULL;
  while (fgets(csv->text, sizeof csv->text, csv->file)) {
    csv->line++;
    size_t cnt = strlen(csv->text);
    if (cnt > BARS_CSV_LINE_BYTES_MAX)
      return TF_ERR(E_FILE_FORMAT, "%s:%llu: a line of more than %d bytes", csv->path,
                    (unsigned long long)csv->line, BARS_CSV_LINE_BYTES_MAX);
    while (cnt > 0 && (csv->text[cnt - 1] == '\n' || csv->text[cnt - 1] == '\r'))
      csv->text[--cnt] = '\0';
    if (cnt == 0 || csv->text[0] == '#') continue;
    *text = csv->text;
    return TF_OK;
  }
  return ferror(csv->file) ? TF_ERR(E_FILE_OPEN, "%s: cannot be read", csv->path) : TF_OK;
}

/* The cell at *at, blanks around it cut off; *at goes on behind its comma, NULL after the last. */
static char *take_cell(char **at) {
  char *cell = *at, *comma = strchr(cell, ','), *end = comma ? comma : cell + strlen(cell);
  *at = comma ? comma + 1 : NULL;
  while (*cell == ' ' || *cell == '\t') cell++;
  while (end > cell && (end[-1] == ' ' || end[-1] == '\t')) end--;
  *end = '\0';
  return cell;
}

static tf_err_t read_header(bars_csv_t *csv) {
  char    *at;
  tf_err_t err = read_line(csv, &at);
  if (err) return err;
  if (!at)
    return TF_ERR(E_FILE_FORMAT,
                  "%s: empty: a header among ts,open,high,low,close,volume is wanted", csv->path);
  while (at) {
    char    *cell = take_cell(&at);
    uint32_t c    = 0;
    while (c < BARS_CSV_COLUMNS_MAX && strcmp(names[c], cell) != 0) c++;
    if (c == BARS_CSV_COLUMNS_MAX) {
      const char *near =
          strlen(cell) < SHOWN_BYTES ? tf_nearest_name(cell, names, BARS_CSV_COLUMNS_MAX) : NULL;
      char wanted[128];
      snprintf(wanted, sizeof wanted, "%s%s%s; allowed are ts, open, high, low, close, volume",
               near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
      return refuse(csv, cell, "unknown column ", cell, strlen(cell), wanted);
    }
    if (csv->has[c]) return refuse(csv, cell, "a second column ", cell, strlen(cell), "");
    csv->has[c]                     = true;
    csv->columns[csv->column_cnt++] = (uint8_t)c;
  }
  return TF_OK;
}

tf_err_t bars_csv_open(bars_csv_t *csv, const char *path) {
  *csv = (bars_csv_t){.path = path, .file = fopen(path, "r")};
  if (!csv->file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  return read_header(csv);
}

void bars_csv_close(bars_csv_t *csv) {
  if (csv->file) fclose(csv->file);
  csv->file = NULL;
}

static tf_err_t read_number(const bars_csv_t *csv, const char *cell, double *value) {
  char *end;
  *value = __builtin_nan("");
  if (*cell == '\0') return TF_OK;
  *value = strtod(cell, &end);
  /* strtod takes more than decimals: 0x1p3, inf, nan */
  if (*end || strspn(cell, "0123456789+-.eE") != strlen(cell) || !__builtin_isfinite(*value))
    return refuse(csv, cell, "found ", cell, strlen(cell), ", expected a number");
  return TF_OK;
}

tf_err_t bars_csv_next(bars_csv_t *csv, tf_bar_t *bar, bool *has_bar) {
  double   values[BARS_CSV_COLUMNS_MAX], nan = __builtin_nan("");
  char    *at;
  tf_err_t err = read_line(csv, &at);
  *has_bar     = !err && at;
  if (!*has_bar) return err;
  for (uint32_t c = 0; c < BARS_CSV_COLUMNS_MAX; c++) values[c] = nan;
  for (uint32_t c = 0; c < csv->column_cnt; c++) {
    if (!at)
      return TF_ERR(E_FILE_FORMAT, "%s:%llu: found %u cells, the header has %u", csv->path,
                    (unsigned long long)csv->line, c, csv->column_cnt);
    char *cell = take_cell(&at);
    if (csv->columns[c] == TS)
      csv->ts = cell;
    else if ((err = read_number(csv, cell, &values[csv->columns[c]])) != TF_OK)
      return err;
  }
  if (at) return refuse(csv, at, "found ", at, strlen(at), " beyond the header's last column");
  *bar = (tf_bar_t){.open       = values[OPEN],
                    .high       = values[HIGH],
                    .low        = values[LOW],
                    .close      = values[CLOSE],
                    .volume     = values[VOLUME],
                    .notional   = nan,
                    .buy_volume = nan};
  return TF_OK;
}

bool bars_csv_has(const bars_csv_t *csv, tf_feature_bar_field_t field) {
  switch (field) {
  case TF_FEATURE_BAR_OPEN: return csv->has[OPEN];
  case TF_FEATURE_BAR_HIGH: return csv->has[HIGH];
  case TF_FEATURE_BAR_LOW: return csv->has[LOW];
  case TF_FEATURE_BAR_CLOSE: return csv->has[CLOSE];
  case TF_FEATURE_BAR_VOLUME: return csv->has[VOLUME];
  default: return false;
  }
}
