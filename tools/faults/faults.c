#include "faults/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "faults/random.h"

#define ITEM_BYTES_MAX 64
#define COUNT_MAX      65536

void faults_init(faults_t *faults, const fault_row_t *rows, int row_cnt, uint64_t seed) {
  TF_ASSERT(row_cnt <= FAULTS_MAX);
  *faults = (faults_t){
      .rows = rows, .row_cnt = row_cnt, .rng = seed * UINT64_C(0x9E3779B97F4A7C15) + 0x1234567};
}

void faults_help(const fault_row_t *rows, int row_cnt, char *buf, size_t cap) {
  static const char *const letters[] = {
      [FAULT_CHANCE] = "P", [FAULT_TIME] = "T", [FAULT_COUNT] = "N"};
  size_t cnt = 0;
  buf[0]     = '\0';
  for (int i = 0; i < row_cnt && cnt < cap; i++)
    cnt += (size_t)snprintf(buf + cnt, cap - cnt, "    %s=%s %s\n", rows[i].name,
                            letters[rows[i].kind], rows[i].text);
}

static bool read_cnt(const char *text, uint64_t *cnt, char **end) {
  *cnt = strtoull(text, end, 10);
  return *text >= '0' && *text <= '9' && *cnt >= 1 && *cnt <= COUNT_MAX;
}

/* 0.01, 1/200; 0.01x3, 1/200x3: three times in all. */
static bool read_chance(const char *text, double *p, uint64_t *every, uint64_t *times) {
  char *end;
  bool  ok;
  *p     = 0;
  *every = *times = 0;
  if (!strncmp(text, "1/", 2)) {
    ok = read_cnt(text + 2, every, &end);
  } else {
    *p = strtod(text, &end);
    ok = end != text && *p >= 0 && *p <= 1;
  }
  if (ok && *end == 'x') ok = read_cnt(end + 1, times, &end);
  return ok && *end == '\0';
}

static bool read_time(const char *text, uint64_t *ns) {
  static const struct {
    const char *unit;
    double      ns;
  } units[] = {
      {"us", 1e3 },
      {"ms", 1e6 },
      {"s",  1e9 },
      {"m",  60e9}
  };
  char  *end;
  double value = strtod(text, &end);
  if (end == text || !(value > 0) || value > 1e6) return false;
  for (size_t i = 0; i < TF_ARRAY_CNT(units); i++) {
    if (strcmp(end, units[i].unit) != 0) continue;
    *ns = (uint64_t)(value * units[i].ns);
    return true;
  }
  return false;
}

static bool read_count(const char *text, uint64_t *cnt) {
  char *end;
  return read_cnt(text, cnt, &end) && *end == '\0';
}

static tf_err_t parse_item(faults_t *faults, const char *tool, char *item) {
  char *value = strchr(item, '=');
  if (!value)
    return TF_ERR(E_CORE_ARGUMENT, "--faults: \"%s\" has no value: gap=0.01, say, or close=10s",
                  item);
  *value++ = '\0';
  const char *names[FAULTS_MAX];
  for (int i = 0; i < faults->row_cnt; i++) {
    const fault_row_t *row = &faults->rows[i];
    names[i]               = row->name;
    if (strcmp(item, row->name) != 0) continue;
    if (row->kind == FAULT_CHANCE &&
        !read_chance(value, &faults->chance[i], &faults->every[i], &faults->times[i]))
      return TF_ERR(E_CORE_ARGUMENT,
                    "--faults: %s=%s: a chance, from 0 to 1, or 1/N for each N-th occasion; behind "
                    "it xM for M times in all (0.01, 1/200, 1/200x3; N and M from 1 to %d)",
                    item, value, COUNT_MAX);
    if (row->kind == FAULT_TIME && !read_time(value, &faults->ns[i]))
      return TF_ERR(E_CORE_ARGUMENT,
                    "--faults: %s=%s: a time above 0 with its unit: us, ms, s or m", item, value);
    if (row->kind == FAULT_COUNT && !read_count(value, &faults->cnt[i]))
      return TF_ERR(E_CORE_ARGUMENT, "--faults: %s=%s: a count, from 1 to %d", item, value,
                    COUNT_MAX);
    return TF_OK;
  }
  const char *near = tf_nearest_name(item, names, (size_t)faults->row_cnt);
  return TF_ERR(E_CORE_ARGUMENT,
                "--faults: unknown fault \"%s\"%s%s%s (`%s --faults help` has the list)", item,
                near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "", tool);
}

tf_err_t faults_parse(faults_t *faults, const char *tool, const char *list) {
  for (size_t cnt; *list; list += cnt + (list[cnt] == ',')) {
    char item[ITEM_BYTES_MAX];
    cnt = strcspn(list, ",");
    if (cnt >= sizeof item)
      return TF_ERR(E_CORE_ARGUMENT, "--faults: \"%.20s...\" is no fault: name=value", list);
    memcpy(item, list, cnt);
    item[cnt]    = '\0';
    tf_err_t err = parse_item(faults, tool, item);
    if (err) return err;
  }
  return TF_OK;
}

bool fault_is_on(const faults_t *faults, int fault) {
  return faults->chance[fault] > 0 || faults->every[fault] > 0;
}

static bool is_spent(const faults_t *faults, int fault) {
  return faults->times[fault] && faults->done[fault] >= faults->times[fault];
}

bool fault_hits(faults_t *faults, int fault) {
  if (!fault_is_on(faults, fault) || is_spent(faults, fault)) return false;
  if (faults->every[fault]) {
    if (++faults->occasions[fault] < faults->every[fault]) return false;
    faults->occasions[fault] = 0;
  } else if (tool_random_unit(&faults->rng) >= faults->chance[fault]) {
    return false;
  }
  faults->done[fault]++;
  return true;
}

void fault_missed(faults_t *faults, int fault) {
  faults->done[fault]--;
  if (faults->every[fault]) faults->occasions[fault] = faults->every[fault] - 1;
}

bool faults_are_over(const faults_t *faults) {
  int with_end = 0;
  for (int i = 0; i < faults->row_cnt; i++) {
    if (!faults->times[i]) continue;
    if (!is_spent(faults, i)) return false;
    with_end++;
  }
  return with_end > 0;
}

bool fault_is_due(const faults_t *faults, int fault, uint64_t age_ns) {
  return faults->ns[fault] && age_ns > faults->ns[fault];
}
