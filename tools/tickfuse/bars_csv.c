#include "bars_csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "core/text.h"

/* Those of fields in the order of tf_feature_bar_field_t. */
enum { OPEN, HIGH, LOW, CLOSE, VOLUME, NOTIONAL, BUY_VOLUME, TRADE_CNT, TS, END, INSTRUMENT };

TF_STATIC_ASSERT(TRADE_CNT + 1 == TF_FEATURE_BAR_FIELD_CNT &&
                     INSTRUMENT + 1 == BARS_CSV_COLUMNS_MAX,
                 "every field of a bar, then the others");

static const char *const names[BARS_CSV_COLUMNS_MAX] = {
    "open",       "high",      "low", "close", "volume",    "notional",
    "buy_volume", "trade_cnt", "ts",  "end",   "instrument"};

#define COLUMNS                                                                                    \
  "ts, open, high, low, close, volume, notional, buy_volume, trade_cnt, end, instrument"

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
    return TF_ERR(E_FILE_FORMAT, "%s: empty: a header is wanted, with columns among " COLUMNS,
                  csv->path);
  while (at) {
    char    *cell = take_cell(&at);
    uint32_t c    = 0;
    while (c < BARS_CSV_COLUMNS_MAX && strcmp(names[c], cell) != 0) c++;
    if (c == BARS_CSV_COLUMNS_MAX) {
      const char *near =
          strlen(cell) < SHOWN_BYTES ? tf_nearest_name(cell, names, BARS_CSV_COLUMNS_MAX) : NULL;
      char wanted[256];
      snprintf(wanted, sizeof wanted, "%s%s%s; allowed are " COLUMNS,
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

/* A bar before the one before it would be silent garbage in every window. */
static tf_err_t read_ts(bars_csv_t *csv, const char *cell) {
  char wanted[96];
  csv->ts = cell;
  if (*cell == '\0' || strlen(cell) > 19 || strspn(cell, "0123456789") != strlen(cell))
    return TF_OK;
  const uint64_t ts = strtoull(cell, NULL, 10);
  if (ts < csv->ts_last) {
    snprintf(wanted, sizeof wanted, ", before the last bar's %llu: bars come in order",
             (unsigned long long)csv->ts_last);
    return refuse(csv, cell, "ts ", cell, strlen(cell), wanted);
  }
  csv->ts_last = ts;
  return TF_OK;
}

static tf_err_t read_instrument(bars_csv_t *csv, const char *cell) {
  char wanted[BARS_CSV_NAME_BYTES + 64];
  if (strlen(cell) >= BARS_CSV_NAME_BYTES)
    return refuse(csv, cell, "instrument ", cell, strlen(cell), ", which is too long a name");
  if (csv->instrument[0] == '\0') memcpy(csv->instrument, cell, strlen(cell) + 1);
  if (strcmp(csv->instrument, cell) == 0) return TF_OK;
  snprintf(wanted, sizeof wanted, " after %s: a file is of one instrument", csv->instrument);
  return refuse(csv, cell, "instrument ", cell, strlen(cell), wanted);
}

static tf_err_t check_count(const bars_csv_t *csv, const char *cell, double value) {
  if (value >= 0 && value <= 9007199254740992.0 && value == (double)(uint64_t)value) return TF_OK;
  return refuse(csv, cell, "found ", cell, strlen(cell), ", expected a whole number of trades");
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
    if (csv->columns[c] < TF_FEATURE_BAR_FIELD_CNT)
      err = read_number(csv, cell, &values[csv->columns[c]]);
    else if (csv->columns[c] == TS)
      err = read_ts(csv, cell);
    else if (csv->columns[c] == INSTRUMENT)
      err = read_instrument(csv, cell);
    if (!err && csv->columns[c] == TRADE_CNT) err = check_count(csv, cell, values[TRADE_CNT]);
    if (err) return err;
  }
  if (at) return refuse(csv, at, "found ", at, strlen(at), " beyond the header's last column");
  *bar = (tf_bar_t){.open       = values[OPEN],
                    .high       = values[HIGH],
                    .low        = values[LOW],
                    .close      = values[CLOSE],
                    .volume     = values[VOLUME],
                    .notional   = values[NOTIONAL],
                    .buy_volume = values[BUY_VOLUME],
                    .trade_cnt  = csv->has[TRADE_CNT] ? (uint64_t)values[TRADE_CNT] : 0};
  return TF_OK;
}

bool bars_csv_has(const bars_csv_t *csv, tf_feature_bar_field_t field) { return csv->has[field]; }
