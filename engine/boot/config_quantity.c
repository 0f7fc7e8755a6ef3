#include <ctype.h>
#include <math.h>
#include <string.h>

#include "boot/config_number.h"
#include "boot/config_parse.h"
#include "core/nearest.h"
#include "core/text.h"

#define DAY_NS (86400 * TF_NS_PER_SEC)

/* Of bars that have to learn what to expect: one trade has no imbalance to learn from. */
#define FIRST_TRADES_MIN 2
#define FIRST_TRADES_MAX 100000000

static const char *out_of_range(const tf_config_value_in_t *in, char *why) {
  char range[96], found[64];
  tf_text_escape(in->node->text, in->node->text_cnt, found, sizeof found);
  return tf_config_value_refuse(why, "%s is out of range; allowed: %s", found,
                                tf_config_value_range_text(in->key, range, sizeof range));
}

const char *tf_config_quantity_bool(const tf_config_value_in_t *in, bool *field, char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  bool is_true = in->node->plain && strcmp(in->node->text, "true") == 0;
  if (!is_true && !(in->node->plain && strcmp(in->node->text, "false") == 0))
    return tf_config_value_refuse(why, "found %s; expected true or false",
                                  tf_config_value_found(in->node, found));
  *field = is_true;
  return is_true ? "true" : "false";
}

static const char *parse_whole(const tf_config_value_in_t *in, int64_t *value, char *why) {
  char             found[TF_CONFIG_FOUND_BYTES], range[96];
  tf_number_read_t read =
      in->node->plain ? tf_config_number_whole(in->node->text, value) : TF_NUMBER_BAD;
  if (read == TF_NUMBER_BAD)
    return tf_config_value_refuse(why, "found %s; expected a whole number in plain digits, %s",
                                  tf_config_value_found(in->node, found),
                                  tf_config_value_range_text(in->key, range, sizeof range));
  if (read == TF_NUMBER_BIG || *value < in->key->min || *value > in->key->max)
    return out_of_range(in, why);
  return tf_config_value_keep(in, why, in->node->text);
}

const char *tf_config_quantity_u32(const tf_config_value_in_t *in, uint32_t *field, char *why) {
  int64_t     value;
  const char *text = parse_whole(in, &value, why);
  if (text) *field = (uint32_t)value;
  return text;
}

const char *tf_config_quantity_pow2(const tf_config_value_in_t *in, uint32_t *field, char *why) {
  int64_t     value;
  const char *text = parse_whole(in, &value, why);
  if (!text) return NULL;
  if (!tf_is_pow2((uint64_t)value)) {
    uint64_t below = UINT64_C(1) << (63 - __builtin_clzll((uint64_t)value));
    if (below < (uint64_t)in->key->min) below = (uint64_t)in->key->min;
    if (below * 2 > (uint64_t)in->key->max)
      return tf_config_value_refuse(why, "%lld is not a power of two; the nearest is %llu",
                                    (long long)value, (unsigned long long)below);
    return tf_config_value_refuse(why, "%lld is not a power of two; the nearest are %llu and %llu",
                                  (long long)value, (unsigned long long)below,
                                  (unsigned long long)below * 2);
  }
  *field = (uint32_t)value;
  return text;
}

const char *tf_config_quantity_cpu(const tf_config_value_in_t *in, int32_t *field, char *why) {
  int64_t     value;
  const char *text = parse_whole(in, &value, why);
  if (text) *field = (int32_t)value;
  return text;
}

const char *tf_config_quantity_of_unit(const tf_config_value_in_t *in,
                                       const tf_number_units_t *units, uint64_t *field, char *why) {
  char             found[TF_CONFIG_FOUND_BYTES], text[32];
  uint64_t         value;
  tf_number_read_t read = tf_config_number_quantity(units, in->node->text, &value);
  tf_config_value_found(in->node, found);
  if (read == TF_NUMBER_NO_UNIT)
    return tf_config_value_refuse(why,
                                  "found %s, without a unit; a %s carries one of %s (such as %s)",
                                  in->node->text, units->what, units->names, units->example);
  if (read == TF_NUMBER_BAD)
    return tf_config_value_refuse(why, "found %s; expected a %s such as %s; units: %s", found,
                                  units->what, units->example, units->names);
  if (read == TF_NUMBER_BIG || value < (uint64_t)in->key->min || value > (uint64_t)in->key->max)
    return out_of_range(in, why);
  *field = value;
  return tf_config_value_keep(in, why, tf_config_number_unit_text(units, value, text));
}

const char *tf_config_quantity_rate(const tf_config_value_in_t *in, tf_config_rate_t *field,
                                    char *why) {
  char        found[TF_CONFIG_FOUND_BYTES], head[32], unit[32], text[64];
  const char *slash = strchr(in->node->text, '/');
  int64_t     cnt;
  uint64_t    window_ns;
  if (!slash || slash - in->node->text > 20 || strlen(slash + 1) > 20)
    return tf_config_value_refuse(why, "found %s; expected a rate such as 50/s or 10/100ms",
                                  tf_config_value_found(in->node, found));
  snprintf(head, sizeof head, "%.*s", (int)(slash - in->node->text), in->node->text);
  snprintf(unit, sizeof unit, "%s%s", isdigit((unsigned char)slash[1]) ? "" : "1", slash + 1);
  if (tf_config_number_whole(head, &cnt) != TF_NUMBER_OK ||
      tf_config_number_quantity(&tf_config_number_durations, unit, &window_ns) != TF_NUMBER_OK)
    return tf_config_value_refuse(why, "found %s; expected a rate such as 50/s or 10/100ms",
                                  tf_config_value_found(in->node, found));
  if (cnt < in->key->min || cnt > in->key->max) return out_of_range(in, why);
  if (window_ns < TF_NS_PER_MS || window_ns > 24 * 3600 * TF_NS_PER_SEC)
    return tf_config_value_refuse(why, "%s has a window out of range; allowed: 1ms .. 24h",
                                  in->node->text);
  field->cnt_max   = (uint32_t)cnt;
  field->window_ns = window_ns;
  tf_config_value_duration_text(window_ns, unit);
  bool one = unit[0] == '1' && !isdigit((unsigned char)unit[1]);
  snprintf(text, sizeof text, "%lld/%s", (long long)cnt, one ? unit + 1 : unit);
  return tf_config_value_keep(in, why, text);
}

static const char *const bar_kinds[TF_CONFIG_BAR_KIND_CNT] = {"", /* a duration says it */
                                                              "ticks",
                                                              "volume",
                                                              "notional",
                                                              "tick_imbalance",
                                                              "volume_imbalance",
                                                              "notional_imbalance",
                                                              "tick_runs",
                                                              "volume_runs",
                                                              "notional_runs"};

/* kind: the word that is none of them, or NULL. */
static const char *refuse_bar(const tf_config_value_in_t *in, const char *kind, char *why) {
  char        found[TF_CONFIG_FOUND_BYTES];
  const char *near = kind ? tf_nearest_name(kind, bar_kinds + 1, TF_CONFIG_BAR_KIND_CNT - 1) : NULL;
  return tf_config_value_refuse(
      why,
      "found %s; %s%s%sexpected 1s, 100 ticks, 50 volume, 1000000 notional, or "
      "500 of tick_imbalance, volume_imbalance, notional_imbalance, tick_runs, "
      "volume_runs, notional_runs",
      tf_config_value_found(in->node, found), near ? "did you mean \"" : "", near ? near : "",
      near ? "\"? " : "");
}

const char *tf_config_quantity_bar(const tf_config_value_in_t *in, tf_config_bar_size_t *field,
                                   char *why) {
  char                 head[32];
  tf_config_bar_size_t size  = {.kind = TF_CONFIG_BAR_TIME};
  const char          *space = strchr(in->node->text, ' ');
  if (!space) {
    const char *text =
        tf_config_quantity_of_unit(in, &tf_config_number_durations, &size.interval_ns, why);
    if (text) *field = size;
    return text || strstr(why, "out of range") ? text : refuse_bar(in, NULL, why);
  }
  for (uint8_t kind = TF_CONFIG_BAR_TICKS; kind < TF_CONFIG_BAR_KIND_CNT; kind++)
    if (strcmp(space + 1, bar_kinds[kind]) == 0) size.kind = kind;
  snprintf(head, sizeof head, "%.*s", (int)(space - in->node->text), in->node->text);
  if (space - in->node->text >= (int)sizeof head ||
      tf_config_number_decimal(head, &size.amount) != TF_NUMBER_OK)
    return refuse_bar(in, NULL, why);
  if (size.kind == TF_CONFIG_BAR_TIME) return refuse_bar(in, space + 1, why);
  if (!(size.amount > 0) || size.amount > 1e15)
    return tf_config_value_refuse(
        why, "%s is out of range; an amount is more than 0 and at most 1e15", in->node->text);
  if (size.kind != TF_CONFIG_BAR_VOLUME && size.kind != TF_CONFIG_BAR_NOTIONAL &&
      size.amount != (double)(uint64_t)size.amount)
    return tf_config_value_refuse(why, "%s is not a whole number of ticks", in->node->text);
  if (size.kind >= TF_CONFIG_BAR_TICK_IMBALANCE &&
      (size.amount < FIRST_TRADES_MIN || size.amount > FIRST_TRADES_MAX))
    return tf_config_value_refuse(why, "%s is out of range; the first bar has %d to %d trades",
                                  in->node->text, FIRST_TRADES_MIN, FIRST_TRADES_MAX);
  *field = size;
  return tf_config_value_keep(in, why, in->node->text);
}

/* "09:30" at the beginning of text; the end of it, or NULL. */
static const char *read_clock(const char *text, uint64_t *ns) {
  unsigned digits[4];
  for (int i = 0, at = 0; i < 4; i++, at++) {
    if (i == 2 && text[at++] != ':') return NULL;
    if (!isdigit((unsigned char)text[at])) return NULL;
    digits[i] = (unsigned)(text[at] - '0');
  }
  const uint64_t hours = digits[0] * 10 + digits[1], minutes = digits[2] * 10 + digits[3];
  *ns = (hours * 60 + minutes) * 60 * TF_NS_PER_SEC;
  return minutes < 60 && *ns <= DAY_NS ? text + 5 : NULL;
}

const char *tf_config_quantity_hours(const tf_config_value_in_t *in, tf_config_hours_t *field,
                                     char *why) {
  char        found[TF_CONFIG_FOUND_BYTES];
  uint64_t    open_ns, end_ns;
  const char *dash = read_clock(in->node->text, &open_ns);
  const char *end  = dash && *dash == '-' ? read_clock(dash + 1, &end_ns) : NULL;
  if (!end || *end || open_ns == DAY_NS)
    return tf_config_value_refuse(
        why, "found %s; expected hours such as 09:30-16:00, from 00:00 to 24:00",
        tf_config_value_found(in->node, found));
  field->open_ns   = open_ns;
  field->length_ns = end_ns > open_ns ? end_ns - open_ns : DAY_NS - open_ns + end_ns;
  return tf_config_value_keep(in, why, in->node->text);
}

const char *tf_config_quantity_offset(const tf_config_value_in_t *in, int64_t *field, char *why) {
  char        found[TF_CONFIG_FOUND_BYTES];
  uint64_t    ns;
  const char *text = in->node->text;
  const char *end  = *text == '+' || *text == '-' ? read_clock(text + 1, &ns) : NULL;
  if (!end || *end)
    return tf_config_value_refuse(why,
                                  "found %s; expected an offset from UTC such as -05:00 or +00:00",
                                  tf_config_value_found(in->node, found));
  const int64_t offset_ns = *text == '-' ? -(int64_t)ns : (int64_t)ns;
  if (offset_ns < in->key->min || offset_ns > in->key->max)
    return tf_config_value_refuse(why, "%s is out of range; allowed: -14:00 .. +14:00", text);
  *field = offset_ns;
  return tf_config_value_keep(in, why, text);
}

/* One end of a range; NULL text: left out. */
static bool parse_end(const char *text, size_t cnt, double open_end, double *value) {
  char number[32];
  *value = open_end;
  if (cnt == 0) return true;
  bool negative = *text == '-';
  if (cnt >= sizeof number) return false;
  snprintf(number, sizeof number, "%.*s", (int)(cnt - negative), text + negative);
  if (tf_config_number_decimal(number, value) != TF_NUMBER_OK) return false;
  if (negative) *value = -*value;
  return true;
}

const char *tf_config_quantity_range(const tf_config_value_in_t *in, tf_config_range_t *field,
                                     char *why) {
  char              found[TF_CONFIG_FOUND_BYTES];
  const char       *text = in->node->text, *dots = strstr(text, "..");
  tf_config_range_t range = {.is_set = true};
  if (!dots || !text[2] || !parse_end(text, (size_t)(dots - text), -(double)INFINITY, &range.min) ||
      !parse_end(dots + 2, strlen(dots + 2), (double)INFINITY, &range.max))
    return tf_config_value_refuse(
        why, "found %s; expected two numbers such as -1..1, or one: 0.. or ..1",
        tf_config_value_found(in->node, found));
  if (!(range.min < range.max))
    return tf_config_value_refuse(
        why, "%s is empty: its first number is to be less than its second", text);
  *field = range;
  return tf_config_value_keep(in, why, text);
}

/* A duration, or one of the key's words: 0, UINT64_MAX. */
const char *tf_config_quantity_duration(const tf_config_value_in_t *in, uint64_t *field,
                                        char *why) {
  int idx = in->key->words ? tf_config_table_word_find(in->key->words, in->node->text) : -1;
  if (idx >= 0) {
    *field = idx == 0 ? 0 : UINT64_MAX;
    return tf_config_value_keep(in, why, in->node->text);
  }
  return tf_config_quantity_of_unit(in, &tf_config_number_durations, field, why);
}
