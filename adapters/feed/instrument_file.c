#include "feed/instrument_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/nearest.h"
#include "tf/io.h"
#include "wire/json_array.h"

enum { SYMBOL, TICK_SIZE, LOT_SIZE, MULTIPLIER, QUOTE_CURRENCY, IS_INVERSE, COLUMN_CNT };
static const char *const names[COLUMN_CNT] = {"symbol",     "tick_size",      "lot_size",
                                              "multiplier", "quote_currency", "is_inverse"};
#define ALLOWED "symbol, tick_size, lot_size, multiplier, quote_currency, is_inverse"

typedef struct {
  const char *p;
  size_t      cnt;
} span_t;

typedef struct {
  const char       *path, *suffix;
  tf_instruments_t *table;
  tf_metadata_t     from;
  uint32_t          set_cnt;
  unsigned          line, columns[COLUMN_CNT]; /* of the row, for errors; 1-based */
} reader_t;

static tf_err_t refuse(const reader_t *r, int column, span_t found, const char *allowed) {
  return TF_ERR(E_FILE_FORMAT, "%s:%u:%u: %s: found \"%.*s\"; expected %s", r->path, r->line,
                r->columns[column], names[column], (int)(found.cnt < 40 ? found.cnt : 40), found.p,
                allowed);
}

/* "0.0100" as 1 at -2. */
static bool take_size(span_t text, int64_t *size, int8_t *exp) {
  if (tf_decimal_parse(text.p, text.cnt, size, exp) != TF_DECIMAL_OK || *size <= 0) return false;
  while (*size % 10 == 0 && *exp < 0) {
    *size /= 10;
    ++*exp;
  }
  return true;
}

static tf_instrument_t *find(const reader_t *r, span_t symbol) {
  char   name[TF_INSTRUMENT_NAME_BYTES];
  size_t n = symbol.cnt < sizeof name ? symbol.cnt : sizeof name - 1;
  snprintf(name, sizeof name, "%.*s.%s", (int)n, symbol.p, r->suffix);
  for (uint32_t i = 0; i < r->table->cnt; i++)
    if (strcmp(r->table->rows[i].name, name) == 0) return &r->table->rows[i];
  return NULL;
}

static bool is_word(span_t text, const char *word) {
  return text.cnt == strlen(word) && memcmp(text.p, word, text.cnt) == 0;
}

/* One instrument's texts; cnt 0: not given. */
static tf_err_t take_row(reader_t *r, const span_t fields[COLUMN_CNT]) {
  tf_instrument_t   to = {.multiplier = 1.0};
  int64_t           mantissa;
  int8_t            exp;
  static const char size_allowed[] = "a plain decimal above 0, such as 0.01";
  if (fields[SYMBOL].cnt == 0) return refuse(r, SYMBOL, fields[SYMBOL], "the venue's symbol");
  if (!take_size(fields[TICK_SIZE], &to.tick_size, &to.price_exp))
    return refuse(r, TICK_SIZE, fields[TICK_SIZE], size_allowed);
  if (!take_size(fields[LOT_SIZE], &to.lot_size, &to.qty_exp))
    return refuse(r, LOT_SIZE, fields[LOT_SIZE], size_allowed);
  if (fields[MULTIPLIER].cnt > 0) {
    if (!take_size(fields[MULTIPLIER], &mantissa, &exp))
      return refuse(r, MULTIPLIER, fields[MULTIPLIER], size_allowed);
    to.multiplier = tf_decimal_to_double(mantissa, exp);
  }
  if (fields[QUOTE_CURRENCY].cnt >= sizeof to.quote_currency)
    return refuse(r, QUOTE_CURRENCY, fields[QUOTE_CURRENCY], "at most 7 bytes");
  to.is_inverse = is_word(fields[IS_INVERSE], "true");
  if (fields[IS_INVERSE].cnt > 0 && !to.is_inverse && !is_word(fields[IS_INVERSE], "false"))
    return refuse(r, IS_INVERSE, fields[IS_INVERSE], "true or false");
  tf_instrument_t *row = find(r, fields[SYMBOL]);
  if (row == NULL) return TF_OK;
  memcpy(to.quote_currency, fields[QUOTE_CURRENCY].p ? fields[QUOTE_CURRENCY].p : "",
         fields[QUOTE_CURRENCY].cnt);
  if (fields[QUOTE_CURRENCY].cnt == 0)
    memcpy(to.quote_currency, row->quote_currency, sizeof to.quote_currency);
  r->set_cnt += tf_instrument_set_metadata(row, &to, r->from);
  return TF_OK;
}

/* ---- CSV ---- */

/* The next field of a line; false behind the last. */
static bool next_field(span_t *line, span_t *field) {
  if (line->p == NULL) return false;
  const char *comma = memchr(line->p, ',', line->cnt);
  field->p          = line->p;
  field->cnt        = comma ? (size_t)(comma - line->p) : line->cnt;
  line->cnt -= comma ? field->cnt + 1 : field->cnt;
  line->p = comma ? comma + 1 : NULL;
  for (; field->cnt > 0 && *field->p == ' '; field->cnt--) field->p++;
  while (field->cnt > 0 && field->p[field->cnt - 1] == ' ') field->cnt--;
  return true;
}

#define CSV_COLUMNS_MAX 32u

typedef struct {
  int      column_of[CSV_COLUMNS_MAX]; /* -1: not one of ours */
  uint32_t cnt;
} header_t;

static int column_of(span_t name) {
  for (int i = 0; i < COLUMN_CNT; i++)
    if (name.cnt == strlen(names[i]) && memcmp(name.p, names[i], name.cnt) == 0) return i;
  return -1;
}

static tf_err_t read_header(const reader_t *r, span_t line, header_t *header) {
  bool        has[COLUMN_CNT] = {false};
  span_t      field;
  const char *begin = line.p;
  while (next_field(&line, &field)) {
    int      column = column_of(field);
    char     word[48];
    unsigned at = (unsigned)(field.p - begin) + 1;
    snprintf(word, sizeof word, "%.*s", (int)field.cnt, field.p);
    if (column < 0) {
      const char *near = tf_nearest_name(word, names, COLUMN_CNT);
      return TF_ERR(E_FILE_FORMAT, "%s:%u:%u: unknown column \"%s\"%s%s%s; allowed: " ALLOWED,
                    r->path, r->line, at, word, near ? "; nearest is \"" : "", near ? near : "",
                    near ? "\"" : "");
    }
    if (has[column] || header->cnt == CSV_COLUMNS_MAX)
      return TF_ERR(E_FILE_FORMAT, "%s:%u:%u: column \"%s\" is given twice", r->path, r->line, at,
                    word);
    has[column]                      = true;
    header->column_of[header->cnt++] = column;
  }
  for (int i = 0; i <= LOT_SIZE; i++)
    if (!has[i])
      return TF_ERR(E_FILE_FORMAT, "%s:%u: the header lacks column \"%s\"", r->path, r->line,
                    names[i]);
  return TF_OK;
}

static tf_err_t read_line(reader_t *r, span_t line, const header_t *header) {
  span_t      fields[COLUMN_CNT] = {{0}}, field;
  const char *begin              = line.p;
  uint32_t    cnt                = 0;
  for (; next_field(&line, &field); cnt++) {
    if (cnt >= header->cnt) continue;
    fields[header->column_of[cnt]]     = field;
    r->columns[header->column_of[cnt]] = (unsigned)(field.p - begin) + 1;
  }
  if (cnt != header->cnt)
    return TF_ERR(E_FILE_FORMAT, "%s:%u: found %s than the header's %u fields", r->path, r->line,
                  cnt < header->cnt ? "fewer" : "more", header->cnt);
  return take_row(r, fields);
}

static tf_err_t read_csv(reader_t *r, const char *text, size_t cnt) {
  header_t header = {.cnt = 0};
  for (size_t at = 0; at < cnt;) {
    const char *end  = memchr(text + at, '\n', cnt - at);
    span_t      line = {text + at, end ? (size_t)(end - (text + at)) : cnt - at};
    at += line.cnt + 1;
    r->line++;
    if (line.cnt > 0 && line.p[line.cnt - 1] == '\r') line.cnt--;
    if (line.cnt == 0) continue;
    tf_err_t err = header.cnt == 0 ? read_header(r, line, &header) : read_line(r, line, &header);
    if (err != TF_OK) return err;
  }
  return header.cnt > 0 ? TF_OK : TF_ERR(E_FILE_FORMAT, "%s: empty", r->path);
}

/* ---- JSON ---- */

static const tf_json_key_t keys[COLUMN_CNT] = {
    [SYMBOL]         = TF_JSON_KEY("symbol", TF_JSON_WANT_BYTES),
    [TICK_SIZE]      = TF_JSON_KEY("tick_size", TF_JSON_WANT_BYTES),
    [LOT_SIZE]       = TF_JSON_KEY("lot_size", TF_JSON_WANT_BYTES),
    [MULTIPLIER]     = TF_JSON_KEY("multiplier", TF_JSON_WANT_BYTES),
    [QUOTE_CURRENCY] = TF_JSON_KEY("quote_currency", TF_JSON_WANT_BYTES),
    [IS_INVERSE]     = TF_JSON_KEY("is_inverse", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t shape = {keys, COLUMN_CNT};

static void place_of(reader_t *r, const char *text, const char *at) {
  const char *line = text;
  r->line          = 1;
  for (const char *p = text; p < at; p++)
    if (*p == '\n') {
      r->line++;
      line = p + 1;
    }
  for (int i = 0; i < COLUMN_CNT; i++) r->columns[i] = (unsigned)(at - line) + 1;
}

static tf_err_t read_json(reader_t *r, const char *text, size_t cnt) {
  tf_json_array_t  array;
  tf_json_value_t  element, values[COLUMN_CNT + 1];
  tf_json_object_t object = {.shape = &shape, .values = values};
  tf_json_t        json   = {0};
  if (tf_json_read(&json, text, cnt, &object) != TF_JSON_OK || json.root_kind != TF_JSON_ARRAY)
    return TF_ERR(E_FILE_FORMAT, "%s: not a JSON array of instruments", r->path);
  tf_json_array_init(&array, text, cnt);
  while (tf_json_array_next(&array, &element)) {
    span_t fields[COLUMN_CNT] = {{0}};
    place_of(r, text, element.bytes);
    if (element.kind != TF_JSON_OBJECT ||
        tf_json_read(&json, element.bytes, element.bytes_cnt, &object) != TF_JSON_OK)
      return TF_ERR(E_FILE_FORMAT, "%s:%u:%u: expected an object with " ALLOWED, r->path, r->line,
                    r->columns[0]);
    for (uint32_t i = 0; i < COLUMN_CNT; i++)
      if (tf_json_seen(&object, i) && values[i].kind != TF_JSON_OBJECT &&
          values[i].kind != TF_JSON_ARRAY && values[i].kind != TF_JSON_NULL)
        fields[i] = (span_t){values[i].bytes, values[i].bytes_cnt};
    tf_err_t err = take_row(r, fields);
    if (err != TF_OK) return err;
  }
  return TF_OK;
}

/* ---- files ---- */

static tf_err_t read_file(const char *path, char **text, size_t *cnt) {
  FILE *file = fopen(path, "re");
  if (!file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  long     bytes = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  tf_err_t err   = TF_OK;
  if (bytes < 0 || (size_t)bytes > TF_INSTRUMENT_FILE_BYTES_MAX)
    err = TF_ERR(E_FILE_FORMAT, "%s: %ld bytes; at most %zu are allowed", path, bytes,
                 TF_INSTRUMENT_FILE_BYTES_MAX);
  *text = err == TF_OK ? calloc(1, (size_t)bytes + TF_BYTES_PAD) : NULL;
  if (err == TF_OK && !*text) err = TF_ERR(E_CORE_NO_MEMORY, "reading %s", path);
  if (err == TF_OK) {
    rewind(file);
    *cnt = fread(*text, 1, (size_t)bytes, file);
  }
  fclose(file);
  return err;
}

tf_err_t tf_instrument_file_load(const char *path, tf_instruments_t *table, const char *suffix,
                                 tf_metadata_t from, uint32_t *set_cnt) {
  reader_t r    = {.path = path, .suffix = suffix, .table = table, .from = from};
  char    *text = NULL;
  size_t   cnt  = 0;
  *set_cnt      = 0;
  tf_err_t err  = read_file(path, &text, &cnt);
  if (err != TF_OK) return err;
  const char *first = tf_json_skip_space(text, text + cnt);
  err = *first == '[' || *first == '{' ? read_json(&r, text, cnt) : read_csv(&r, text, cnt);
  free(text);
  *set_cnt = r.set_cnt;
  return err;
}

static bool has_suffix(const tf_instrument_t *row, const char *suffix) {
  const char *dot = strrchr(row->name, '.');
  return dot != NULL && strcmp(dot + 1, suffix) == 0;
}

static void write_rows(FILE *file, const tf_instruments_t *table, const char *suffix) {
  uint32_t cnt = tf_load_acquire_u32(&table->cnt); /* pairs with: tf_symbols_add */
  fprintf(file, "symbol,tick_size,lot_size,multiplier,quote_currency,is_inverse\n");
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_instrument_t *row = &table->rows[i];
    char                   tick[TF_DECIMAL_TEXT_BYTES], lot[TF_DECIMAL_TEXT_BYTES];
    if (!has_suffix(row, suffix) || tf_instrument_metadata(row) == TF_METADATA_NONE) continue;
    tf_decimal_format(row->tick_size, row->price_exp, tick);
    tf_decimal_format(row->lot_size, row->qty_exp, lot);
    fprintf(file, "%s,%s,%s,%.17g,%.7s,%s\n", row->symbol, tick, lot, row->multiplier,
            row->quote_currency, row->is_inverse ? "true" : "false");
  }
}

tf_err_t tf_instrument_file_save(const char *path, const tf_instruments_t *table,
                                 const char *suffix) {
  char temporary[1100];
  if ((size_t)snprintf(temporary, sizeof temporary, "%s.%d", path, getpid()) >= sizeof temporary)
    return TF_ERR(E_FILE_WRITE, "%.60s..: the path is too long", path);
  FILE *file = fopen(temporary, "we");
  if (!file) return TF_ERR(E_FILE_WRITE, "%s: %s", temporary, strerror(errno));
  write_rows(file, table, suffix);
  bool written = fflush(file) == 0 && !ferror(file);
  written      = fclose(file) == 0 && written;
  if (written && rename(temporary, path) == 0) return TF_OK;
  tf_err_t err = TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
  unlink(temporary);
  return err;
}
