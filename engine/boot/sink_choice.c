#include "boot/sink_choice.h"

#include <stdarg.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"

bool tf_sink_choice_is_filtered(const tf_config_sink_t *s) {
  return s->instruments.item_cnt > 0 || s->strategies.item_cnt > 0 ||
         s->actions != TF_SINK_CHOICE_ACTIONS_ALL || s->partition >= 0;
}

bool tf_sink_choice_has_low(const tf_engine_t *e, const tf_config_sink_t *s) {
  return !e->options.is_replay &&
         (s->low_instruments.item_cnt > 0 || s->low_strategies.item_cnt > 0);
}

size_t tf_sink_choice_bytes(const tf_engine_t *e, const tf_config_sink_t *s) {
  size_t one   = e->instruments.cap * sizeof(uint32_t) + TF_LINE_BYTES;
  size_t bytes = tf_sink_choice_is_filtered(s) ? one : 0;
  return bytes + (tf_sink_choice_has_low(e, s) ? one : 0);
}

/* ---- checks ---- */

TF_PRINTF(5, 6)
static tf_err_t refuse(const tf_engine_t *e, uint32_t i, tf_err_t code, const char *key,
                       const char *fmt, ...) {
  char    path[64], where[256], why[384];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof why, fmt, args);
  va_end(args);
  snprintf(path, sizeof path, "sinks[%u].%s", i, key);
  return TF_ERR(code, "%s: %s", tf_config_where(e->config, path, where, sizeof where), why);
}

static tf_err_t check_strategies(const tf_engine_t *e, uint32_t i, const char *key,
                                 const tf_config_texts_t *names) {
  const char *known[TF_STRATEGIES_MAX];
  uint32_t    cnt =
      e->config->strategy_cnt < TF_STRATEGIES_MAX ? e->config->strategy_cnt : TF_STRATEGIES_MAX;
  for (uint32_t k = 0; k < cnt; k++) known[k] = e->config->strategies[k].name;
  for (uint32_t n = 0; n < names->item_cnt; n++) {
    uint32_t k = 0;
    while (k < cnt && strcmp(known[k], names->items[n]) != 0) k++;
    if (k < cnt) continue;
    const char *near = tf_nearest_name(names->items[n], known, cnt);
    return refuse(e, i, E_CONFIG_VALUE, key, "no strategy is named \"%s\"%s%s%s", names->items[n],
                  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
  }
  return TF_OK;
}

static tf_err_t check_patterns(const tf_engine_t *e, uint32_t i, const char *key,
                               const tf_config_texts_t *patterns) {
  for (uint32_t n = 0; n < patterns->item_cnt; n++) {
    const char *text = patterns->items[n], *dot = strrchr(text, '.');
    bool        is_venue = text[0] == '*';
    if (dot && dot[1] && dot != text && (!is_venue || dot == text + 1)) continue;
    return refuse(e, i, E_CONFIG_VALUE, key, "found \"%s\"; expected SYMBOL.VENUE, or *.VENUE",
                  text);
  }
  return TF_OK;
}

static tf_err_t check_partitions(const tf_engine_t *e, uint32_t i, const tf_config_sink_t *s) {
  if (s->partition >= 0 && (uint32_t)s->partition >= s->partition_cnt)
    return refuse(e, i, E_CONFIG_CONFLICT, "partition",
                  s->partition_cnt ? "found %d of %u partitions; they are counted from 0"
                                   : "found %d; say with `partitions` how many there are (%u)",
                  s->partition, s->partition_cnt);
  if (s->partition_cnt && s->partition < 0 && strcmp(s->type, "nats") != 0)
    return refuse(e, i, E_CONFIG_CONFLICT, "partitions",
                  "a %s sink writes one sequence: say with `partition` which of them it carries, a "
                  "sink for each",
                  s->type);
  return TF_OK;
}

tf_err_t tf_sink_choice_check(const tf_engine_t *e, uint32_t i, const tf_config_sink_t *s,
                              tf_overflow_t policy) {
  tf_err_t err = check_patterns(e, i, "instruments", &s->instruments);
  if (!err) err = check_patterns(e, i, "low_instruments", &s->low_instruments);
  if (!err) err = check_strategies(e, i, "strategies", &s->strategies);
  if (!err) err = check_strategies(e, i, "low_strategies", &s->low_strategies);
  if (!err) err = check_partitions(e, i, s);
  if (err) return err;
  if (s->carries != TF_CARRIES_DECISIONS) {
    const char *key = s->strategies.item_cnt                     ? "strategies"
                      : s->actions != TF_SINK_CHOICE_ACTIONS_ALL ? "actions"
                      : s->low_strategies.item_cnt               ? "low_strategies"
                                                                 : NULL;
    if (key) return refuse(e, i, E_CONFIG_CONFLICT, key, "decisions alone have them");
  }
  if (policy == TF_OVERFLOW_CONFLATE && (s->low_instruments.item_cnt || s->low_strategies.item_cnt))
    return refuse(e, i, E_CONFIG_CONFLICT,
                  s->low_instruments.item_cnt ? "low_instruments" : "low_strategies",
                  "policy conflate keeps the latest of every instrument: nothing is turned away");
  return TF_OK;
}

/* ---- making ---- */

static uint32_t strategy_bits(const tf_engine_t *e, const tf_config_texts_t *names) {
  uint32_t bits = 0;
  for (uint32_t k = 0; k < e->config->strategy_cnt && k < TF_STRATEGIES_MAX; k++)
    for (uint32_t n = 0; n < names->item_cnt; n++)
      if (!strcmp(e->config->strategies[k].name, names->items[n])) bits |= 1u << k;
  return bits;
}

static tf_err_t make_names(tf_engine_t *e, const tf_config_texts_t *patterns,
                           tf_sink_names_t *names) {
  *names = (tf_sink_names_t){
      .table = &e->instruments, .patterns = patterns->items, .pattern_cnt = patterns->item_cnt};
  names->known = tf_arena_take(&e->arena, e->instruments.cap * sizeof *names->known, TF_LINE_BYTES);
  if (!names->known) return E_CORE_ARENA_FULL;
  memset(names->known, 0, e->instruments.cap * sizeof *names->known);
  return TF_OK;
}

static tf_err_t make_filter(tf_engine_t *e, uint32_t i, const tf_config_sink_t *s) {
  tf_sink_filter_t *f   = &e->sink_filters[i];
  tf_err_t          err = make_names(e, &s->instruments, &f->names);
  f->shape              = tf_record_shape((tf_carries_t)s->carries, e->plan.listed_cnt);
  f->actions            = s->actions;
  f->strategies         = s->strategies.item_cnt ? strategy_bits(e, &s->strategies) : UINT32_MAX;
  if (s->partition >= 0) {
    f->names.partition_cnt = s->partition_cnt;
    f->names.partition     = (uint32_t)s->partition;
  }
  return err;
}

tf_err_t tf_sink_choice_make(tf_engine_t *e, uint32_t i, const tf_config_sink_t *s) {
  tf_err_t err = tf_sink_choice_is_filtered(s) ? make_filter(e, i, s) : TF_OK;
  if (err || !tf_sink_choice_has_low(e, s)) return err;
  tf_sink_low_t *low = &e->sink_lows[i];
  low->shape         = tf_record_shape((tf_carries_t)s->carries, e->plan.listed_cnt);
  low->strategies    = strategy_bits(e, &s->low_strategies);
  e->sink_ranks[i]   = (tf_sink_ranks_t){low, tf_sink_low_is};
  return make_names(e, &s->low_instruments, &low->names);
}
