#include "golden.h"

#include "cmocka_tf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BARS_MAX = 32, FILES_MAX = 64, LINE_BYTES = 1 << 16, MILLION = 1000000 };

static const char *const COLUMNS[GOLDEN_COLUMNS] = {"open",  "high",   "low",
                                                    "close", "volume", "periods"};

static golden_bars_t   all_bars[BARS_MAX];
static uint32_t        bars_cnt;
static golden_sample_t samples[GOLDEN_SAMPLES_MAX];
static char            file_names[FILES_MAX][64];
static uint32_t        file_cnt;

struct golden_file {
  gzFile gz;
  bool   has_line;
  char   line[LINE_BYTES];
};

static const char *folder(void) {
  const char *other = getenv("TF_GOLDEN");
  return other ? other : "tests/golden";
}

static double number_of(char **at) {
  char *end;
  while (**at == ' ') ++*at;
  if (**at == '-' && (at[0][1] == ' ' || at[0][1] == '\n')) {
    ++*at;
    return __builtin_nan("");
  }
  double value = strtod(*at, &end);
  assert_true(end != *at);
  *at = end;
  return value;
}

/* ---- bars ---- */

static void make_million(golden_bars_t *b) {
  uint64_t state = 1, close = 100000;
  snprintf(b->name, sizeof b->name, "million");
  b->cnt = MILLION;
  for (uint32_t c = 0; c < GOLDEN_COLUMNS; c++)
    assert_non_null(b->columns[c] = malloc(MILLION * sizeof(double)));
  for (size_t i = 0; i < MILLION; i++) {
    state          = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t first = close, moved = close + (state >> 40) % 201 - 100;
    close          = moved < 50000 ? 50000 : moved > 150000 ? 150000 : moved;
    uint64_t high  = (first > close ? first : close) + (state >> 24) % 32;
    uint64_t low   = (first > close ? close : first) - (state >> 16) % 32;
    double   row[] = {(double)first / 100,
                      (double)high / 100,
                      (double)low / 100,
                      (double)close / 100,
                      (double)(1 + (state >> 8) % 1000),
                      2.0 + (double)(i * 7 % 29)};
    for (uint32_t c = 0; c < GOLDEN_COLUMNS; c++) b->columns[c][i] = row[c];
  }
}

bool golden_load_bars(void) {
  static char line[1 << 20];
  char        path[256];
  snprintf(path, sizeof path, "%s/bars.txt.gz", folder());
  gzFile gz = gzopen(path, "rb");
  if (!gz) return false;
  golden_bars_t *b = NULL;
  while (gzgets(gz, line, sizeof line)) {
    if (line[0] == '#') continue;
    char *at = strchr(line, ' ');
    assert_non_null(at);
    *at++ = '\0';
    if (strcmp(line, "bars") == 0) {
      assert_true(bars_cnt < BARS_MAX - 1);
      b = &all_bars[bars_cnt++];
      assert_int_equal(sscanf(at, "%31s %zu", b->name, &b->cnt), 2);
      continue;
    }
    uint32_t c = 0;
    while (c < GOLDEN_COLUMNS && strcmp(COLUMNS[c], line) != 0) c++;
    assert_true(b && c < GOLDEN_COLUMNS);
    assert_non_null(b->columns[c] = malloc(b->cnt * sizeof(double)));
    for (size_t i = 0; i < b->cnt; i++) b->columns[c][i] = number_of(&at);
  }
  gzclose(gz);
  make_million(&all_bars[bars_cnt++]);
  return true;
}

const double *golden_column(const golden_bars_t *bars, const char *name) {
  for (uint32_t c = 0; c < GOLDEN_COLUMNS; c++)
    if (strcmp(COLUMNS[c], name) == 0) return bars->columns[c];
  return NULL;
}

/* ---- evals ---- */

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

const char *golden_file_name(uint32_t i) {
  if (file_cnt == 0) {
    DIR *dir = opendir(folder());
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
      if (!strstr(e->d_name, ".txt.gz") || strcmp(e->d_name, "bars.txt.gz") == 0) continue;
      assert_true(file_cnt < FILES_MAX && strlen(e->d_name) < sizeof file_names[0]);
      strcpy(file_names[file_cnt++], e->d_name);
    }
    closedir(dir);
    qsort(file_names, file_cnt, sizeof file_names[0], by_name);
  }
  return i < file_cnt ? file_names[i] : NULL;
}

golden_file_t *golden_open(const char *file_name) {
  char           path[256];
  golden_file_t *file = calloc(1, sizeof *file);
  assert_non_null(file);
  snprintf(path, sizeof path, "%s/%s", folder(), file_name);
  assert_non_null(file->gz = gzopen(path, "rb"));
  return file;
}

void golden_close(golden_file_t *file) {
  gzclose(file->gz);
  free(file);
}

static bool next_line(golden_file_t *file) {
  if (!file->has_line) do {
      file->has_line = gzgets(file->gz, file->line, sizeof file->line) != NULL;
    } while (file->has_line && file->line[0] == '#');
  return file->has_line;
}

static void read_header(char *line, golden_eval_t *e) {
  char bars[32];
  int  used = 0;
  assert_int_equal(sscanf(line, "eval %31s %31s %15s %zu %u%n", e->name, bars, e->scale_text,
                          &e->lookback, &e->output_cnt, &used),
                   5);
  e->scale_kind = strcmp(e->scale_text, "in") == 0    ? GOLDEN_INPUTS
                  : strcmp(e->scale_text, "out") == 0 ? GOLDEN_OUTPUTS
                                                      : GOLDEN_NUMBER;
  e->scale      = e->scale_kind == GOLDEN_NUMBER ? atof(e->scale_text) : 0;
  assert_in_range(e->output_cnt, 1, TF_INDICATOR_OUTPUTS_MAX);
  e->bars = NULL;
  for (uint32_t b = 0; b < bars_cnt; b++)
    if (strcmp(all_bars[b].name, bars) == 0) e->bars = &all_bars[b];
  assert_non_null(e->bars);
  char *at     = line + used;
  e->param_cnt = 0;
  while (*at == ' ') {
    assert_true(e->param_cnt < TF_INDICATOR_PARAMS_MAX);
    e->params[e->param_cnt++] = number_of(&at);
  }
}

static void read_values(char *at, uint32_t cnt, double *values) {
  for (uint32_t o = 0; o < cnt; o++) values[o] = number_of(&at);
}

bool golden_next(golden_file_t *file, golden_eval_t *e) {
  if (!next_line(file)) return false;
  read_header(file->line, e);
  file->has_line = false;
  e->samples     = samples;
  e->sample_cnt  = 0;
  while (next_line(file) && file->line[0] != 'e') {
    char *at       = file->line;
    bool  is_exact = *at == 'x';
    if (is_exact) at++;
    size_t idx = strtoull(at, &at, 10);
    if (is_exact) {
      golden_sample_t *s = &samples[e->sample_cnt - 1];
      assert_true(e->sample_cnt > 0 && s->idx == idx);
      s->has_exact = true;
      read_values(at, e->output_cnt, s->exact);
    } else {
      assert_true(e->sample_cnt < GOLDEN_SAMPLES_MAX && idx < e->bars->cnt);
      golden_sample_t *s = &samples[e->sample_cnt++];
      s->idx             = idx;
      s->has_exact       = false;
      read_values(at, e->output_cnt, s->talib);
    }
    file->has_line = false;
  }
  return true;
}
