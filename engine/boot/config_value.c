#include "boot/config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "boot/config_number.h"
#include "core/nearest.h"
#include "core/text.h"

#define WORDS_MAX      32
#define EXPR_BYTES_MAX 63 /* what a model file keeps of a feature */
#define URLS_MAX       8

#define DAY_NS (86400 * TF_NS_PER_SEC)

/* Of bars that have to learn what to expect: one trade has no imbalance to learn from. */
#define FIRST_TRADES_MIN 2
#define FIRST_TRADES_MAX 100000000

static const char *refuse(char why[TF_CONFIG_WHY_BYTES], const char *fmt, ...) TF_PRINTF(2, 3);
static const char *refuse(char why[TF_CONFIG_WHY_BYTES], const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, TF_CONFIG_WHY_BYTES, fmt, args);
  va_end(args);
  return NULL;
}

static const char *keep(const tf_config_value_in_t *in, char *why, const char *text) {
  const char *kept = tf_config_pool_text(in->pool, text, strlen(text));
  return kept ? kept : refuse(why, "no memory");
}

/* YAML 1.2's plain words for nothing and for booleans: where text is due they must be quoted, so
 * that no two readers of the file disagree. yes, no, on, off are text. */
static bool is_among(const char *text, const char *const *words, size_t word_cnt) {
  for (size_t i = 0; i < word_cnt; i++)
    if (strcmp(text, words[i]) == 0) return true;
  return false;
}

static bool reads_boolean(const char *text) {
  static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
  return is_among(text, words, TF_ARRAY_CNT(words));
}

static bool is_nothing(const tf_config_node_t *node) {
  static const char *const words[] = {"", "~", "null", "Null", "NULL"};
  return node->plain && is_among(node->text, words, TF_ARRAY_CNT(words));
}

static bool is_boolean(const tf_config_node_t *node) {
  return node->plain && reads_boolean(node->text);
}

const char *tf_config_value_found(const tf_config_node_t *node, char buf[TF_CONFIG_FOUND_BYTES]) {
  if (node->kind == TF_CONFIG_LIST)
    snprintf(buf, TF_CONFIG_FOUND_BYTES, node->child_cnt ? "a list" : "an empty list");
  else if (node->kind == TF_CONFIG_MAP)
    snprintf(buf, TF_CONFIG_FOUND_BYTES, node->child_cnt ? "a mapping" : "an empty mapping");
  else if (is_nothing(node))
    snprintf(buf, TF_CONFIG_FOUND_BYTES, "nothing%s",
             strlen(node->text) > 1 ? " (the word null wants quotes)" : "");
  else if (is_boolean(node))
    snprintf(buf, TF_CONFIG_FOUND_BYTES, "%s, a boolean", node->text);
  else {
    char text[64];
    bool number = tf_config_number_is(node->text), mark = number || reads_boolean(node->text);
    tf_text_escape(node->text, node->text_cnt, text, sizeof text);
    if (node->plain && number)
      snprintf(buf, TF_CONFIG_FOUND_BYTES, "%s, a number", text);
    else
      snprintf(buf, TF_CONFIG_FOUND_BYTES, "\"%s\"%s", text, mark ? ", in quotes" : "");
  }
  return buf;
}

const char *tf_config_value_duration_text(uint64_t ns, char buf[32]) {
  return tf_config_number_unit_text(&tf_config_number_durations, ns, buf);
}

const char *tf_config_value_size_text(uint64_t bytes, char buf[32]) {
  return tf_config_number_unit_text(&tf_config_number_sizes, bytes, buf);
}

const char *tf_config_value_range_text(const tf_config_key_t *key, char *buf, size_t cap) {
  char least[32], most[32], words[64];
  buf[0] = '\0';
  switch (key->type) {
  case TF_CONFIG_TYPE_U32:
  case TF_CONFIG_TYPE_POW2:
  case TF_CONFIG_TYPE_CPU:
    snprintf(buf, cap, "%lld .. %lld%s%s", (long long)key->min, (long long)key->max,
             *key->unit ? " " : "", key->unit);
    break;
  case TF_CONFIG_TYPE_DURATION:
  case TF_CONFIG_TYPE_BAR:
    snprintf(buf, cap, "%s%s%s .. %s",
             key->words ? tf_config_table_words_text(key->words, words, sizeof words) : "",
             key->words ? ", or " : "", tf_config_value_duration_text((uint64_t)key->min, least),
             tf_config_value_duration_text((uint64_t)key->max, most));
    break;
  case TF_CONFIG_TYPE_SIZE:
    snprintf(buf, cap, "%s .. %s", tf_config_value_size_text((uint64_t)key->min, least),
             tf_config_value_size_text((uint64_t)key->max, most));
    break;
  case TF_CONFIG_TYPE_SPEED:
    snprintf(buf, cap, "%s .. %s",
             tf_config_number_unit_text(&tf_config_number_speeds, (uint64_t)key->min, least),
             tf_config_number_unit_text(&tf_config_number_speeds, (uint64_t)key->max, most));
    break;
  case TF_CONFIG_TYPE_RATE:
    snprintf(buf, cap, "%lld .. %lld per window", (long long)key->min, (long long)key->max);
    break;
  case TF_CONFIG_TYPE_NAME:
  case TF_CONFIG_TYPE_IDENT:
  case TF_CONFIG_TYPE_TEXT:
  case TF_CONFIG_TYPE_FILE:
    snprintf(buf, cap, "%lld .. %lld bytes", (long long)key->min, (long long)key->max);
    break;
  case TF_CONFIG_TYPE_WORDS:
  case TF_CONFIG_TYPE_TEXTS:
  case TF_CONFIG_TYPE_EXPRS:
  case TF_CONFIG_TYPE_WEIGHTS:
    snprintf(buf, cap, "%lld .. %lld items", (long long)key->min, (long long)key->max);
    break;
  default: break;
  }
  return buf;
}

static const char *out_of_range(const tf_config_value_in_t *in, char *why) {
  char range[96], found[64];
  tf_text_escape(in->node->text, in->node->text_cnt, found, sizeof found);
  return refuse(why, "%s is out of range; allowed: %s", found,
                tf_config_value_range_text(in->key, range, sizeof range));
}

/* ---- numbers ---- */

static const char *parse_bool(const tf_config_value_in_t *in, bool *field, char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  bool is_true = in->node->plain && strcmp(in->node->text, "true") == 0;
  if (!is_true && !(in->node->plain && strcmp(in->node->text, "false") == 0))
    return refuse(why, "found %s; expected true or false", tf_config_value_found(in->node, found));
  *field = is_true;
  return is_true ? "true" : "false";
}

static const char *parse_whole(const tf_config_value_in_t *in, int64_t *value, char *why) {
  char             found[TF_CONFIG_FOUND_BYTES], range[96];
  tf_number_read_t read =
      in->node->plain ? tf_config_number_whole(in->node->text, value) : TF_NUMBER_BAD;
  if (read == TF_NUMBER_BAD)
    return refuse(why, "found %s; expected a whole number in plain digits, %s",
                  tf_config_value_found(in->node, found),
                  tf_config_value_range_text(in->key, range, sizeof range));
  if (read == TF_NUMBER_BIG || *value < in->key->min || *value > in->key->max)
    return out_of_range(in, why);
  return keep(in, why, in->node->text);
}

static const char *parse_u32(const tf_config_value_in_t *in, uint32_t *field, char *why) {
  int64_t     value;
  const char *text = parse_whole(in, &value, why);
  if (text) *field = (uint32_t)value;
  return text;
}

static const char *parse_pow2(const tf_config_value_in_t *in, uint32_t *field, char *why) {
  int64_t     value;
  const char *text = parse_whole(in, &value, why);
  if (!text) return NULL;
  if (!tf_is_pow2((uint64_t)value)) {
    uint64_t below = UINT64_C(1) << (63 - __builtin_clzll((uint64_t)value));
    if (below < (uint64_t)in->key->min) below = (uint64_t)in->key->min;
    if (below * 2 > (uint64_t)in->key->max)
      return refuse(why, "%lld is not a power of two; the nearest is %llu", (long long)value,
                    (unsigned long long)below);
    return refuse(why, "%lld is not a power of two; the nearest are %llu and %llu",
                  (long long)value, (unsigned long long)below, (unsigned long long)below * 2);
  }
  *field = (uint32_t)value;
  return text;
}

static const char *parse_cpu(const tf_config_value_in_t *in, int32_t *field, char *why) {
  int64_t     value;
  const char *text = parse_whole(in, &value, why);
  if (text) *field = (int32_t)value;
  return text;
}

/* ---- quantities with a unit ---- */

static const char *parse_quantity(const tf_config_value_in_t *in, const tf_number_units_t *units,
                                  uint64_t *field, char *why) {
  char             found[TF_CONFIG_FOUND_BYTES], text[32];
  uint64_t         value;
  tf_number_read_t read = tf_config_number_quantity(units, in->node->text, &value);
  tf_config_value_found(in->node, found);
  if (read == TF_NUMBER_NO_UNIT)
    return refuse(why, "found %s, without a unit; a %s carries one of %s (such as %s)",
                  in->node->text, units->what, units->names, units->example);
  if (read == TF_NUMBER_BAD)
    return refuse(why, "found %s; expected a %s such as %s; units: %s", found, units->what,
                  units->example, units->names);
  if (read == TF_NUMBER_BIG || value < (uint64_t)in->key->min || value > (uint64_t)in->key->max)
    return out_of_range(in, why);
  *field = value;
  return keep(in, why, tf_config_number_unit_text(units, value, text));
}

static const char *parse_rate(const tf_config_value_in_t *in, tf_config_rate_t *field, char *why) {
  char        found[TF_CONFIG_FOUND_BYTES], head[32], unit[32], text[64];
  const char *slash = strchr(in->node->text, '/');
  int64_t     cnt;
  uint64_t    window_ns;
  if (!slash || slash - in->node->text > 20 || strlen(slash + 1) > 20)
    return refuse(why, "found %s; expected a rate such as 50/s or 10/100ms",
                  tf_config_value_found(in->node, found));
  snprintf(head, sizeof head, "%.*s", (int)(slash - in->node->text), in->node->text);
  snprintf(unit, sizeof unit, "%s%s", isdigit((unsigned char)slash[1]) ? "" : "1", slash + 1);
  if (tf_config_number_whole(head, &cnt) != TF_NUMBER_OK ||
      tf_config_number_quantity(&tf_config_number_durations, unit, &window_ns) != TF_NUMBER_OK)
    return refuse(why, "found %s; expected a rate such as 50/s or 10/100ms",
                  tf_config_value_found(in->node, found));
  if (cnt < in->key->min || cnt > in->key->max) return out_of_range(in, why);
  if (window_ns < TF_NS_PER_MS || window_ns > 24 * 3600 * TF_NS_PER_SEC)
    return refuse(why, "%s has a window out of range; allowed: 1ms .. 24h", in->node->text);
  field->cnt_max   = (uint32_t)cnt;
  field->window_ns = window_ns;
  tf_config_value_duration_text(window_ns, unit);
  bool one = unit[0] == '1' && !isdigit((unsigned char)unit[1]);
  snprintf(text, sizeof text, "%lld/%s", (long long)cnt, one ? unit + 1 : unit);
  return keep(in, why, text);
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
  return refuse(why,
                "found %s; %s%s%sexpected 1s, 100 ticks, 50 volume, 1000000 notional, or "
                "500 of tick_imbalance, volume_imbalance, notional_imbalance, tick_runs, "
                "volume_runs, notional_runs",
                tf_config_value_found(in->node, found), near ? "did you mean \"" : "",
                near ? near : "", near ? "\"? " : "");
}

static const char *parse_bar(const tf_config_value_in_t *in, tf_config_bar_size_t *field,
                             char *why) {
  char                 head[32];
  tf_config_bar_size_t size  = {.kind = TF_CONFIG_BAR_TIME};
  const char          *space = strchr(in->node->text, ' ');
  if (!space) {
    const char *text = parse_quantity(in, &tf_config_number_durations, &size.interval_ns, why);
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
    return refuse(why, "%s is out of range; an amount is more than 0 and at most 1e15",
                  in->node->text);
  if (size.kind != TF_CONFIG_BAR_VOLUME && size.kind != TF_CONFIG_BAR_NOTIONAL &&
      size.amount != (double)(uint64_t)size.amount)
    return refuse(why, "%s is not a whole number of ticks", in->node->text);
  if (size.kind >= TF_CONFIG_BAR_TICK_IMBALANCE &&
      (size.amount < FIRST_TRADES_MIN || size.amount > FIRST_TRADES_MAX))
    return refuse(why, "%s is out of range; the first bar has %d to %d trades", in->node->text,
                  FIRST_TRADES_MIN, FIRST_TRADES_MAX);
  *field = size;
  return keep(in, why, in->node->text);
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

static const char *parse_hours(const tf_config_value_in_t *in, tf_config_hours_t *field,
                               char *why) {
  char        found[TF_CONFIG_FOUND_BYTES];
  uint64_t    open_ns, end_ns;
  const char *dash = read_clock(in->node->text, &open_ns);
  const char *end  = dash && *dash == '-' ? read_clock(dash + 1, &end_ns) : NULL;
  if (!end || *end || open_ns == DAY_NS)
    return refuse(why, "found %s; expected hours such as 09:30-16:00, from 00:00 to 24:00",
                  tf_config_value_found(in->node, found));
  field->open_ns   = open_ns;
  field->length_ns = end_ns > open_ns ? end_ns - open_ns : DAY_NS - open_ns + end_ns;
  return keep(in, why, in->node->text);
}

static const char *parse_offset(const tf_config_value_in_t *in, int64_t *field, char *why) {
  char        found[TF_CONFIG_FOUND_BYTES];
  uint64_t    ns;
  const char *text = in->node->text;
  const char *end  = *text == '+' || *text == '-' ? read_clock(text + 1, &ns) : NULL;
  if (!end || *end)
    return refuse(why, "found %s; expected an offset from UTC such as -05:00 or +00:00",
                  tf_config_value_found(in->node, found));
  const int64_t offset_ns = *text == '-' ? -(int64_t)ns : (int64_t)ns;
  if (offset_ns < in->key->min || offset_ns > in->key->max)
    return refuse(why, "%s is out of range; allowed: -14:00 .. +14:00", text);
  *field = offset_ns;
  return keep(in, why, text);
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

static const char *parse_range(const tf_config_value_in_t *in, tf_config_range_t *field,
                               char *why) {
  char              found[TF_CONFIG_FOUND_BYTES];
  const char       *text = in->node->text, *dots = strstr(text, "..");
  tf_config_range_t range = {.is_set = true};
  if (!dots || !text[2] || !parse_end(text, (size_t)(dots - text), -(double)INFINITY, &range.min) ||
      !parse_end(dots + 2, strlen(dots + 2), (double)INFINITY, &range.max))
    return refuse(why, "found %s; expected two numbers such as -1..1, or one: 0.. or ..1",
                  tf_config_value_found(in->node, found));
  if (!(range.min < range.max))
    return refuse(why, "%s is empty: its first number is to be less than its second", text);
  *field = range;
  return keep(in, why, text);
}

/* ---- words ---- */

static const char *unknown_word(const tf_config_value_in_t *in, const tf_config_node_t *node,
                                char *why) {
  char        found[TF_CONFIG_FOUND_BYTES], list[256], copies[WORDS_MAX][32];
  const char *names[WORDS_MAX];
  uint32_t    cnt = tf_config_table_word_cnt(in->key->words);
  for (uint32_t i = 0; i < cnt && i < WORDS_MAX; i++) {
    size_t      bytes_cnt;
    const char *word = tf_config_table_word(in->key->words, i, &bytes_cnt);
    snprintf(copies[i], sizeof copies[i], "%.*s", (int)bytes_cnt, word);
    names[i] = copies[i];
  }
  const char *near =
      node->kind == TF_CONFIG_SCALAR ? tf_nearest_name(node->text, names, cnt) : NULL;
  return refuse(why, "found %s; %s%s%sallowed: %s%s", tf_config_value_found(node, found),
                near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "",
                tf_config_table_words_text(in->key->words, list, sizeof list),
                in->key->type == TF_CONFIG_TYPE_WORDS ? ", or all" : "");
}

static const char *parse_word(const tf_config_value_in_t *in, uint8_t *field, char *why) {
  int idx = tf_config_table_word_find(in->key->words, in->node->text);
  if (idx < 0) return unknown_word(in, in->node, why);
  *field = (uint8_t)idx;
  return keep(in, why, in->node->text);
}

static const char *parse_words(const tf_config_value_in_t *in, uint32_t *field, char *why) {
  uint32_t word_cnt = tf_config_table_word_cnt(in->key->words), mask = 0;
  char     text[256], found[TF_CONFIG_FOUND_BYTES];
  TF_ASSERT(word_cnt < WORDS_MAX);
  if (in->node->kind == TF_CONFIG_SCALAR && strcmp(in->node->text, "all") == 0) {
    mask = (1u << word_cnt) - 1;
  } else {
    if (in->node->kind != TF_CONFIG_LIST)
      return refuse(why, "found %s; expected a list of: %s, or all",
                    tf_config_value_found(in->node, found),
                    tf_config_table_words_text(in->key->words, text, sizeof text));
    if (in->node->child_cnt == 0)
      return refuse(why, "an empty list; leave the key out, or name one or more of: %s",
                    tf_config_table_words_text(in->key->words, text, sizeof text));
    for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
      int idx      = item->kind == TF_CONFIG_SCALAR
                         ? tf_config_table_word_find(in->key->words, item->text)
                         : -1;
      *in->culprit = item;
      if (idx < 0) return unknown_word(in, item, why);
      if (mask & 1u << idx) return refuse(why, "\"%s\" is given twice", item->text);
      mask |= 1u << idx;
    }
  }
  *field = mask;
  if (mask == (1u << word_cnt) - 1) return "all";
  size_t used = 0;
  for (uint32_t i = 0; i < word_cnt; i++) {
    size_t      bytes_cnt;
    const char *word = tf_config_table_word(in->key->words, i, &bytes_cnt);
    if (mask & 1u << i)
      used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", used ? ", " : "[",
                               (int)bytes_cnt, word);
  }
  snprintf(text + used, sizeof text - used, "]");
  return keep(in, why, text);
}

/* ---- text ---- */

/* A scalar that is text: quoted, or plain and neither nothing, a boolean nor a number. */
static bool is_text(const tf_config_node_t *node) {
  return node->kind == TF_CONFIG_SCALAR && !is_nothing(node) && !is_boolean(node) &&
         !(node->plain && tf_config_number_is(node->text));
}

static const char *check_text(const tf_config_node_t *node, int64_t min, int64_t max, char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  tf_config_value_found(node, found);
  if (!is_text(node)) {
    bool quotable = node->kind == TF_CONFIG_SCALAR && !is_nothing(node);
    return refuse(why, "found %s; expected text%s", found,
                  quotable ? ": put it in quotes if it is meant" : "");
  }
  if (node->text_cnt < min) return refuse(why, "empty text; leave the key out, or give it a value");
  if (node->text_cnt > max)
    return refuse(why, "%s is %u bytes long; at most %lld", found, node->text_cnt, (long long)max);
  return node->text;
}

static bool is_name(const char *text, bool ident) {
  if (!isalpha((unsigned char)text[0]) && text[0] != '_') return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && *text != '_' && (ident || (*text != '-' && *text != '.')))
      return false;
  return true;
}

static const char *parse_text(const tf_config_value_in_t *in, const char **field, char *why) {
  const char *text  = check_text(in->node, in->key->min, in->key->max, why);
  bool        ident = in->key->type == TF_CONFIG_TYPE_IDENT;
  if (!text) return NULL;
  if ((ident || in->key->type == TF_CONFIG_TYPE_NAME) && !is_name(text, ident)) {
    char found[TF_CONFIG_FOUND_BYTES];
    return refuse(why, "found %s; a name begins with a letter or _ and has letters, digits, %s",
                  tf_config_value_found(in->node, found), ident ? "_" : "_ - .");
  }
  *field = text;
  return text;
}

static const char *parse_file(const tf_config_value_in_t *in, const char **field, char *why) {
  const char *text = check_text(in->node, in->key->min, in->key->max, why);
  if (!text) return NULL;
  size_t bytes = strlen(in->dir) + strlen(text) + 1;
  char  *path  = tf_config_pool_take(in->pool, bytes);
  if (!path) return refuse(why, "no memory");
  snprintf(path, bytes, "%s%s", text[0] == '/' ? "" : in->dir, text);
  *field = access(path, F_OK) == 0 ? path : text;
  return text;
}

/* Symbols go by thousands, so the text is sized first and built once. */
static const char *texts_text(const tf_config_value_in_t *in, char *why) {
  size_t bytes = 3;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next)
    bytes += item->text_cnt + 2;
  char *text = tf_config_pool_take(in->pool, bytes);
  if (!text) return refuse(why, "no memory");
  size_t used = 0;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next)
    used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "[", item->text);
  snprintf(text + used, bytes - used, "]");
  return text;
}

static const char *parse_texts(const tf_config_value_in_t *in, tf_config_texts_t *field,
                               char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (in->node->kind != TF_CONFIG_LIST)
    return refuse(why, "found %s; expected a list of texts",
                  tf_config_value_found(in->node, found));
  if (in->node->child_cnt < in->key->min && in->key->min == 1)
    return refuse(why, "an empty list; leave the key out, or [\"*\"] for all");
  if (in->node->child_cnt < in->key->min)
    return refuse(why, "%u items; at least %lld", in->node->child_cnt, (long long)in->key->min);
  if (in->node->child_cnt > in->key->max)
    return refuse(why, "%u items; at most %lld", in->node->child_cnt, (long long)in->key->max);
  const char **items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  if (!items) return refuse(why, "no memory");
  uint32_t cnt = 0;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit = item;
    if (item->kind == TF_CONFIG_POISON) return refuse(why, "has an item that was refused");
    if (!check_text(item, 1, TF_SYMBOL_BYTES_MAX - 1, why)) return NULL;
    if (strcmp(item->text, "*") == 0 && in->node->child_cnt > 1)
      return refuse(why, "\"*\" means all and stands alone");
    if (strpbrk(item->text, " ,[]"))
      return refuse(why, "found %s; an item has no blanks, commas or brackets",
                    tf_config_value_found(item, found));
    for (uint32_t i = 0; i < cnt; i++)
      if (strcmp(items[i], item->text) == 0)
        return refuse(why, "%s is given twice", tf_config_value_found(item, found));
    items[cnt++] = item->text;
  }
  field->items    = items;
  field->item_cnt = strcmp(items[0], "*") == 0 ? 0 : cnt;
  return texts_text(in, why);
}

static const char *check_list(const tf_config_value_in_t *in, const char *what, char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (in->node->kind != TF_CONFIG_LIST)
    return refuse(why, "found %s; expected a list of %s", tf_config_value_found(in->node, found),
                  what);
  if (in->node->child_cnt < in->key->min || in->node->child_cnt > in->key->max)
    return refuse(why, "%u items; allowed: %lld to %lld", in->node->child_cnt,
                  (long long)in->key->min, (long long)in->key->max);
  return what;
}

/* What stands in an expression is for whoever compiles it. */
static const char *parse_exprs(const tf_config_value_in_t *in, tf_config_texts_t *field,
                               char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (!check_list(in, "expressions", why)) return NULL;
  const char **items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  uint32_t     cnt   = 0;
  if (!items) return refuse(why, "no memory");
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit = item;
    if (item->kind == TF_CONFIG_POISON) return refuse(why, "has an item that was refused");
    if (!check_text(item, 1, EXPR_BYTES_MAX, why)) return NULL;
    for (uint32_t i = 0; i < cnt; i++)
      if (strcmp(items[i], item->text) == 0)
        return refuse(why, "%s is given twice", tf_config_value_found(item, found));
    items[cnt++] = item->text;
  }
  *field = (tf_config_texts_t){items, cnt};
  return texts_text(in, why);
}

static const char *parse_weights(const tf_config_value_in_t *in, tf_config_weights_t *field,
                                 char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (!check_list(in, "numbers", why)) return NULL;
  double  *items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  uint32_t cnt   = 0;
  if (!items) return refuse(why, "no memory");
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit   = item;
    double *weight = &items[cnt++];
    if (item->kind != TF_CONFIG_SCALAR || !item->plain ||
        tf_config_number_decimal(item->text, weight) != TF_NUMBER_OK || !(*weight > 0))
      return refuse(why, "found %s; a weight is a number above 0",
                    tf_config_value_found(item, found));
  }
  *field = (tf_config_weights_t){items, cnt};
  return texts_text(in, why);
}

/* ---- addresses ---- */

/* host, host:port, [v6] or [v6]:port. port_text is "" where there is none. */
static bool split_host(const char *text, char host[256], char port_text[8]) {
  const char *host_end, *rest;
  if (text[0] == '[') {
    text++;
    host_end = strchr(text, ']');
    if (!host_end) return false;
    rest = host_end + 1;
  } else {
    host_end = rest = text + strcspn(text, ":");
  }
  size_t host_cnt = (size_t)(host_end - text);
  if (host_cnt == 0 || host_cnt > 253 || (*rest && *rest != ':') || strlen(rest) > 6) return false;
  if (*rest == ':' && rest[1] == '\0') return false;
  memcpy(host, text, host_cnt);
  host[host_cnt] = '\0';
  snprintf(port_text, 8, "%s", *rest ? rest + 1 : "");
  return true;
}

static bool read_port(const char *text, int64_t min, uint16_t *port) {
  int64_t value;
  if (tf_config_number_whole(text, &value) != TF_NUMBER_OK || value < min || value > 65535)
    return false;
  *port = (uint16_t)value;
  return true;
}

static bool is_host(const char *host, bool v6) {
  unsigned char address[16];
  if (v6) return inet_pton(AF_INET6, host, address) == 1;
  for (const char *c = host; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-' && *c != '_') return false;
  return host[0] != '.' && host[0] != '-';
}

/* Of a URL that may have one: what needs no escape, and escapes (RFC 3986, 3.3). */
static bool is_path(const char *path) {
  return path[0] == '/' && path[1] &&
         path[strspn(
             path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/")] == '\0';
}

static const char *parse_url_node(const tf_config_value_in_t *in, const tf_config_node_t *node,
                                  tf_config_url_t *field, char *why) {
  char        found[TF_CONFIG_FOUND_BYTES], host[256], port_text[8], text[600];
  const char *plain      = strncmp(in->key->words, "ws", 2) == 0 ? "ws" : "http";
  bool        may_be_tls = strchr(in->key->words, '|') != NULL;
  bool        has_path   = strchr(in->key->words, '/') != NULL;
  const char *scheme = node->text, *after = strstr(scheme, "://");
  if (!check_text(node, 1, 290, why)) return NULL;
  if (strchr(scheme, '@')) /* not repeated here: errors are logged */
    return refuse(why,
                  "a url with a user or a password in it; those come from a file of mode 0600");
  tf_config_value_found(node, found);
  size_t plain_cnt = strlen(plain);
  bool   is_plain =
      after && (size_t)(after - scheme) == plain_cnt && memcmp(scheme, plain, plain_cnt) == 0;
  bool tls = may_be_tls && after && (size_t)(after - scheme) == plain_cnt + 1 &&
             memcmp(scheme, plain, plain_cnt) == 0 && scheme[plain_cnt] == 's';
  if (!is_plain && !tls && !may_be_tls)
    return refuse(why, "found %s; expected %s://host:port", found, plain);
  if (!is_plain && !tls)
    return refuse(why, "found %s; expected %ss://host:port or %s://host:port", found, plain, plain);
  size_t host_cnt = strcspn(after + 3, "/?#");
  char   authority[300], path[300] = "";
  snprintf(authority, sizeof authority, "%.*s", (int)host_cnt, after + 3);
  if (after[3 + host_cnt] && !has_path)
    return refuse(why, "found %s; only scheme, host and port: the venue's own path is used", found);
  if (has_path) snprintf(path, sizeof path, "%s", after + 3 + host_cnt);
  if (has_path && !is_path(path))
    return refuse(why, "found %s; expected a path of letters, digits and -._~%%/ behind the host",
                  found);
  uint16_t port = tls ? 443 : 80;
  if (!split_host(authority, host, port_text) || !is_host(host, after[3] == '['))
    return refuse(why, "found %s; expected %s%s://host:port", found, plain, tls ? "s" : "");
  if (*port_text && !read_port(port_text, 1, &port))
    return refuse(why, "found %s; a port is 1 .. 65535", found);
  bool v6 = after[3] == '[';
  snprintf(text, sizeof text, "%s%s://%s%s%s:%u%s", plain, tls ? "s" : "", v6 ? "[" : "", host,
           v6 ? "]" : "", port, path);
  const char *kept = keep(in, why, host), *kept_path = has_path ? keep(in, why, path) : NULL;
  if (!kept || (has_path && !kept_path)) return NULL;
  *field = (tf_config_url_t){.host = kept, .path = kept_path, .port = port, .tls = tls};
  return keep(in, why, text);
}

static const char *parse_url(const tf_config_value_in_t *in, tf_config_url_t *field, char *why) {
  return parse_url_node(in, in->node, field, why);
}

static const char *parse_urls(const tf_config_value_in_t *in, tf_config_urls_t *field, char *why) {
  char   found[TF_CONFIG_FOUND_BYTES], text[URLS_MAX * 300];
  size_t used = 0;
  if (in->node->kind != TF_CONFIG_LIST)
    return refuse(why, "found %s; expected a list of urls", tf_config_value_found(in->node, found));
  if (in->node->child_cnt < in->key->min || in->node->child_cnt > in->key->max)
    return refuse(why, "%u items; %lld to %lld are wanted", in->node->child_cnt,
                  (long long)in->key->min, (long long)in->key->max);
  TF_ASSERT(in->key->max <= URLS_MAX);
  tf_config_url_t *items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  if (!items) return refuse(why, "no memory");
  uint32_t cnt = 0;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit = item;
    if (item->kind == TF_CONFIG_POISON) return refuse(why, "has an item that was refused");
    const char *one = parse_url_node(in, item, &items[cnt], why);
    if (!one) return NULL;
    for (uint32_t i = 0; i < cnt; i++)
      if (strcmp(items[i].host, items[cnt].host) == 0 && items[i].port == items[cnt].port)
        return refuse(why, "%s is given twice", tf_config_value_found(item, found));
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", cnt ? ", " : "[", one);
    cnt++;
  }
  snprintf(text + used, sizeof text - used, "]");
  *field = (tf_config_urls_t){items, cnt};
  return keep(in, why, text);
}

static const char *parse_listen(const tf_config_value_in_t *in, tf_config_listen_t *field,
                                char *why) {
  char                    found[TF_CONFIG_FOUND_BYTES], host[256], port_text[8], text[300];
  const tf_config_node_t *node = in->node;
  tf_config_listen_t      to   = {.host = "127.0.0.1"};
  unsigned char           address[16];
  tf_config_value_found(node, found);
  if (strcmp(node->text, "off") == 0) {
    *field = (tf_config_listen_t){0};
    return "off";
  }
  bool v6 = node->text[0] == '[';
  if (node->plain && tf_config_number_is(node->text)) {
    if (!read_port(node->text, 0, &to.port))
      return refuse(why, "found %s; a port is 0 .. 65535", found);
  } else {
    if (!is_text(node) || !split_host(node->text, host, port_text) || !*port_text)
      return refuse(why, "found %s; expected address:port such as 127.0.0.1:8090, or off", found);
    if (strcmp(host, "localhost") == 0) snprintf(host, sizeof host, "127.0.0.1");
    if (inet_pton(v6 ? AF_INET6 : AF_INET, host, address) != 1)
      return refuse(why, "found %s; the address must be numeric, such as 127.0.0.1 or [::1]",
                    found);
    if (!read_port(port_text, 0, &to.port))
      return refuse(why, "found %s; a port is 0 .. 65535", found);
    to.host = keep(in, why, host);
    if (!to.host) return NULL;
  }
  *field = to;
  snprintf(text, sizeof text, v6 ? "[%s]:%u" : "%s:%u", to.host, to.port);
  return keep(in, why, text);
}

/* A duration, or one of the key's words: 0, UINT64_MAX. */
static const char *parse_duration(const tf_config_value_in_t *in, uint64_t *field, char *why) {
  int idx = in->key->words ? tf_config_table_word_find(in->key->words, in->node->text) : -1;
  if (idx >= 0) {
    *field = idx == 0 ? 0 : UINT64_MAX;
    return keep(in, why, in->node->text);
  }
  return parse_quantity(in, &tf_config_number_durations, field, why);
}

const char *tf_config_value_parse(const tf_config_value_in_t *in, void *field,
                                  char why[TF_CONFIG_WHY_BYTES]) {
  bool takes_list = in->key->type == TF_CONFIG_TYPE_WORDS ||
                    in->key->type == TF_CONFIG_TYPE_TEXTS ||
                    in->key->type == TF_CONFIG_TYPE_EXPRS ||
                    in->key->type == TF_CONFIG_TYPE_WEIGHTS || in->key->type == TF_CONFIG_TYPE_URLS;
  if (in->node->kind != TF_CONFIG_SCALAR && !takes_list) {
    char found[TF_CONFIG_FOUND_BYTES];
    if (in->key->words && in->key->type == TF_CONFIG_TYPE_WORD)
      return unknown_word(in, in->node, why);
    return refuse(why, "found %s; expected %s", tf_config_value_found(in->node, found),
                  tf_config_table_type_name(in->key->type));
  }
  switch ((tf_config_type_t)in->key->type) {
  case TF_CONFIG_TYPE_BOOL: return parse_bool(in, field, why);
  case TF_CONFIG_TYPE_U32: return parse_u32(in, field, why);
  case TF_CONFIG_TYPE_POW2: return parse_pow2(in, field, why);
  case TF_CONFIG_TYPE_CPU: return parse_cpu(in, field, why);
  case TF_CONFIG_TYPE_DURATION: return parse_duration(in, field, why);
  case TF_CONFIG_TYPE_SIZE: return parse_quantity(in, &tf_config_number_sizes, field, why);
  case TF_CONFIG_TYPE_RATE: return parse_rate(in, field, why);
  case TF_CONFIG_TYPE_SPEED: return parse_quantity(in, &tf_config_number_speeds, field, why);
  case TF_CONFIG_TYPE_WORD: return parse_word(in, field, why);
  case TF_CONFIG_TYPE_WORDS: return parse_words(in, field, why);
  case TF_CONFIG_TYPE_NAME:
  case TF_CONFIG_TYPE_IDENT:
  case TF_CONFIG_TYPE_TEXT: return parse_text(in, field, why);
  case TF_CONFIG_TYPE_FILE: return parse_file(in, field, why);
  case TF_CONFIG_TYPE_TEXTS: return parse_texts(in, field, why);
  case TF_CONFIG_TYPE_URL: return parse_url(in, field, why);
  case TF_CONFIG_TYPE_URLS: return parse_urls(in, field, why);
  case TF_CONFIG_TYPE_LISTEN: return parse_listen(in, field, why);
  case TF_CONFIG_TYPE_BAR: return parse_bar(in, field, why);
  case TF_CONFIG_TYPE_HOURS: return parse_hours(in, field, why);
  case TF_CONFIG_TYPE_OFFSET: return parse_offset(in, field, why);
  case TF_CONFIG_TYPE_EXPRS: return parse_exprs(in, field, why);
  case TF_CONFIG_TYPE_WEIGHTS: return parse_weights(in, field, why);
  case TF_CONFIG_TYPE_RANGE: return parse_range(in, field, why);
  case TF_CONFIG_TYPE_CNT: break;
  }
  TF_ASSERT(false && "a type without a parser");
  return NULL;
}
