#include "sim/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "sim/market.h"

#define ITEM_BYTES_MAX 64
#define COUNT_MAX      65536

typedef enum { CHANCE, TIME, COUNT } kind_t;

static const char *const names[] = {
#define F(id, name, kind, text) name,
#include "sim/faults.def"
#undef F
};

static const kind_t kinds[] = {
#define F(id, name, kind, text) kind,
#include "sim/faults.def"
#undef F
};

static const char *const texts[] = {
#define F(id, name, kind, text) text,
#include "sim/faults.def"
#undef F
};

const char *sim_fault_name(sim_fault_t fault) { return names[fault]; }

void sim_faults_help(char *buf, size_t cap) {
  static const char *const letters[] = {[CHANCE] = "P", [TIME] = "T", [COUNT] = "N"};
  size_t                   cnt       = 0;
  buf[0]                             = '\0';
  for (int i = 0; i < SIM_FAULT_CNT && cnt < cap; i++)
    cnt += (size_t)snprintf(buf + cnt, cap - cnt, "    %s=%s %s\n", names[i], letters[kinds[i]],
                            texts[i]);
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

static tf_err_t parse_item(sim_faults_t *faults, char *item) {
  char *value = strchr(item, '=');
  if (!value)
    return TF_ERR(E_CORE_ARGUMENT, "--faults: \"%s\" has no value: gap=0.01, say, or close=10s",
                  item);
  *value++ = '\0';
  for (uint32_t i = 0; i < SIM_FAULT_CNT; i++) {
    if (strcmp(item, names[i]) != 0) continue;
    if (kinds[i] == CHANCE &&
        !read_chance(value, &faults->chance[i], &faults->every[i], &faults->times[i]))
      return TF_ERR(E_CORE_ARGUMENT,
                    "--faults: %s=%s: a chance, from 0 to 1, or 1/N for each N-th occasion; behind "
                    "it xM for M times in all (0.01, 1/200, 1/200x3; N and M from 1 to %d)",
                    item, value, COUNT_MAX);
    if (kinds[i] == TIME && !read_time(value, &faults->ns[i]))
      return TF_ERR(E_CORE_ARGUMENT,
                    "--faults: %s=%s: a time above 0 with its unit: us, ms, s or m", item, value);
    if (kinds[i] == COUNT && !read_count(value, &faults->cnt[i]))
      return TF_ERR(E_CORE_ARGUMENT, "--faults: %s=%s: a count, from 1 to %d", item, value,
                    COUNT_MAX);
    return TF_OK;
  }
  const char *near = tf_nearest_name(item, names, SIM_FAULT_CNT);
  return TF_ERR(E_CORE_ARGUMENT,
                "--faults: unknown fault \"%s\"%s%s%s (`tickfuse sim --faults help` has the list)",
                item, near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

tf_err_t sim_faults_parse(sim_faults_t *faults, const char *list) {
  for (size_t cnt; *list; list += cnt + (list[cnt] == ',')) {
    char item[ITEM_BYTES_MAX];
    cnt = strcspn(list, ",");
    if (cnt >= sizeof item)
      return TF_ERR(E_CORE_ARGUMENT, "--faults: \"%.20s...\" is no fault: name=value", list);
    memcpy(item, list, cnt);
    item[cnt]    = '\0';
    tf_err_t err = parse_item(faults, item);
    if (err) return err;
  }
  return TF_OK;
}

bool sim_fault_is_on(const sim_faults_t *faults, sim_fault_t fault) {
  return faults->chance[fault] > 0 || faults->every[fault] > 0;
}

static bool is_spent(const sim_faults_t *faults, int fault) {
  return faults->times[fault] && faults->done[fault] >= faults->times[fault];
}

bool sim_fault_hits(sim_faults_t *faults, sim_fault_t fault) {
  if (!sim_fault_is_on(faults, fault) || is_spent(faults, (int)fault)) return false;
  if (faults->every[fault]) {
    if (++faults->occasions[fault] < faults->every[fault]) return false;
    faults->occasions[fault] = 0;
  } else if (sim_random_unit(&faults->rng) >= faults->chance[fault]) {
    return false;
  }
  faults->done[fault]++;
  return true;
}

void sim_fault_missed(sim_faults_t *faults, sim_fault_t fault) {
  faults->done[fault]--;
  if (faults->every[fault]) faults->occasions[fault] = faults->every[fault] - 1;
}

bool sim_faults_are_over(const sim_faults_t *faults) {
  int with_end = 0;
  for (int i = 0; i < SIM_FAULT_CNT; i++) {
    if (!faults->times[i]) continue;
    if (!is_spent(faults, i)) return false;
    with_end++;
  }
  return with_end > 0;
}

bool sim_fault_is_due(const sim_faults_t *faults, sim_fault_t fault, uint64_t age_ns) {
  return faults->ns[fault] && age_ns > faults->ns[fault];
}
