#include "sim/mutate.h"

#include <string.h>

#include "faults/random.h"
#include "sim/market.h"
#include "sim/text.h"

#define LONG_NAME_BYTES   65536
#define DECIMAL_CHARS_MAX 24
#define TIME_CHARS_MAX    40

/* A scalar: its text, quotes included, and its key's where it has one (key NULL: an array's). */
typedef struct scalar {
  const char *key, *value;
  size_t      key_cnt, value_cnt;
} scalar_t;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Behind the string that begins at at. */
static const char *string_end(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  return at < end ? at + 1 : end;
}

static const char *scalar_end(const char *at, const char *end) {
  if (*at == '"') return string_end(at, end);
  while (at < end && !is_blank(*at) && !strchr(",]}:", *at)) at++;
  return at;
}

/* The next scalar from *at on. */
static bool next_scalar(const char **at, const char *end, scalar_t *s) {
  *s = (scalar_t){0};
  for (const char *c = *at; c < end;) {
    if (is_blank(*c) || strchr("{}[],:", *c)) {
      if (*c == '[' || *c == '{') s->key = NULL;
      c++;
      continue;
    }
    const char *stop = scalar_end(c, end), *next = stop;
    while (next < end && is_blank(*next)) next++;
    if (*c == '"' && next < end && *next == ':') {
      s->key     = c;
      s->key_cnt = (size_t)(stop - c);
      c          = next + 1;
      continue;
    }
    s->value     = c;
    s->value_cnt = (size_t)(stop - c);
    *at          = stop;
    return true;
  }
  return false;
}

/* ---- what each mutation may touch ---- */

static bool unquoted(const scalar_t *s, const char **text, size_t *cnt) {
  bool quoted = *s->value == '"';
  if (quoted && s->value_cnt < 2) return false;
  *text = s->value + quoted;
  *cnt  = s->value_cnt - 2 * quoted;
  return *cnt > 0;
}

/* 61837.63, "0.12": digits and one point, as prices and quantities are. */
static bool is_decimal(const scalar_t *s) {
  const char *text;
  size_t      cnt, points = 0;
  if (!unquoted(s, &text, &cnt) || cnt > DECIMAL_CHARS_MAX) return false;
  for (size_t i = 0; i < cnt; i++) {
    if (text[i] == '.') points++;
    if (text[i] != '.' && text[i] != '-' && (text[i] < '0' || text[i] > '9')) return false;
  }
  return points == 1;
}

/* Ms, us or ns since 1970 as far as this century goes, or RFC 3339. */
static bool is_time(const scalar_t *s) {
  const char *text;
  size_t      cnt;
  if (!unquoted(s, &text, &cnt)) return false;
  if (cnt >= 20 && cnt < TIME_CHARS_MAX && text[4] == '-' && text[10] == 'T') return true;
  if ((cnt != 13 && cnt != 16 && cnt != 19) || *text != '1') return false;
  for (size_t i = 0; i < cnt; i++)
    if (text[i] < '0' || text[i] > '9') return false;
  return true;
}

static bool is_type(const scalar_t *s) {
  static const char *const keys[] = {"\"e\"",     "\"type\"",   "\"channel\"", "\"ch\"",
                                     "\"table\"", "\"topic\"",  "\"event\"",   "\"action\"",
                                     "\"T\"",     "\"method\"", "\"subject\""};
  if (!s->key || *s->value != '"') return false;
  for (size_t i = 0; i < TF_ARRAY_CNT(keys); i++)
    if (strlen(keys[i]) == s->key_cnt && !memcmp(keys[i], s->key, s->key_cnt)) return true;
  return false;
}

static bool may_touch(sim_mutation_t mutation, const scalar_t *s) {
  switch (mutation) {
  case SIM_MUTATE_FIELD_NEW: return true; /* not asked for */
  case SIM_MUTATE_FIELD_MISSING:
  case SIM_MUTATE_FIELD_RENAMED:
  case SIM_MUTATE_FIELD_TYPE:
  case SIM_MUTATE_FIELD_NULL: return s->key != NULL;
  case SIM_MUTATE_TYPE_UNKNOWN: return is_type(s);
  case SIM_MUTATE_NUMBER: return is_decimal(s);
  case SIM_MUTATE_TIME: return is_time(s);
  }
  return false;
}

/* ---- what it becomes ---- */

static void put_number(sim_text_t *t, const scalar_t *s, uint64_t draw) {
  static const char *const garbage[] = {"0",
                                        "-1",
                                        "NaN",
                                        "1e400",
                                        "1234567890123456789012345678901234567890",
                                        "0.1000000000000000055511",
                                        "",
                                        "1e-400"};
  const char              *quote     = *s->value == '"' ? "\"" : "";
  uint64_t                 kind      = draw % (TF_ARRAY_CNT(garbage) + 1);
  if (kind < TF_ARRAY_CNT(garbage)) {
    sim_put(t, "%s%s%s", quote, garbage[kind], quote);
    return;
  }
  const char *text;
  size_t      cnt;
  unquoted(s, &text, &cnt); /* 10^12 times as much */
  size_t whole = (size_t)((const char *)memchr(text, '.', cnt) - text);
  sim_put(t, "%s%.*s000000000000%.*s%s", quote, (int)whole, text, (int)(cnt - whole), text + whole,
          quote);
}

static void put_time(sim_text_t *t, const scalar_t *s, uint64_t draw) {
  const char *quote = *s->value == '"' ? "\"" : "", *text;
  size_t      cnt;
  unquoted(s, &text, &cnt);
  if (text[cnt > 10 ? 10 : 0] == 'T') {
    static const char *const times[] = {"2016-12-31T23:59:60.000000Z", "1970-01-01T00:00:00Z", "0",
                                        "2106-02-07T06:28:16.000000Z", "2026-13-41T25:61:61Z"};
    sim_put(t, "\"%s\"", times[draw % TF_ARRAY_CNT(times)]);
    return;
  }
  uint64_t value = 0, hour = 3600;
  for (size_t i = 0; i < cnt; i++) value = value * 10 + (uint64_t)(text[i] - '0');
  for (size_t digits = cnt; digits > 10; digits -= 3) hour *= 1000;
  switch (draw % 5) {
  case 0: value = 0; break;
  case 1: value = cnt == 19 ? value / 1000 : value * 1000; break; /* another unit */
  case 2: value += hour; break;
  case 3: value -= hour; break;
  default: value /= 1000; break;
  }
  sim_put(t, "%s%llu%s", quote, (unsigned long long)value, quote);
}

static void put_other_type(sim_text_t *t, const scalar_t *s) {
  const char *text;
  size_t      cnt;
  if (*s->value != '"')
    sim_put(t, "\"%.*s\"", (int)s->value_cnt, s->value);
  else if (unquoted(s, &text, &cnt) && strspn(text, "0123456789") == cnt && *text != '0')
    sim_put(t, "%.*s", (int)cnt, text);
  else
    sim_put(t, "7");
}

static void put_value(sim_mutation_t mutation, sim_text_t *t, const scalar_t *s, uint64_t draw) {
  if (mutation == SIM_MUTATE_NUMBER) put_number(t, s, draw);
  if (mutation == SIM_MUTATE_TIME) put_time(t, s, draw);
  if (mutation == SIM_MUTATE_FIELD_TYPE) put_other_type(t, s);
  if (mutation == SIM_MUTATE_FIELD_NULL) sim_put(t, "null");
  if (mutation == SIM_MUTATE_TYPE_UNKNOWN) sim_put(t, "\"zz_unheard_of\"");
}

/* The field, its comma and all. */
static void leave_out(const char *text, size_t cnt, const scalar_t *s, sim_text_t *t) {
  const char *from = s->key, *to = s->value + s->value_cnt, *end = text + cnt;
  while (to < end && is_blank(*to)) to++;
  if (to < end && *to == ',')
    to++;
  else
    while (from > text && (is_blank(from[-1]) || from[-1] == ',')) from--;
  sim_put_bytes(t, text, (size_t)(from - text));
  sim_put_bytes(t, to, (size_t)(end - to));
}

static bool add_field(const char *text, size_t cnt, sim_text_t *t) {
  const char *brace = memchr(text, '{', cnt);
  if (!brace) return false;
  const char *next = brace + 1;
  while (next < text + cnt && is_blank(*next)) next++;
  sim_put_bytes(t, text, (size_t)(brace + 1 - text));
  sim_put(t, "\"zz_new\":{\"list\":[1,\"two\",null,{}]}%s", *next == '}' ? "" : ",");
  sim_put_bytes(t, brace + 1, cnt - (size_t)(brace + 1 - text));
  return true;
}

size_t sim_mutate(sim_mutation_t mutation, uint64_t *rng, const char *text, size_t cnt, char *out,
                  size_t cap) {
  sim_text_t  t   = sim_text(out, cap);
  const char *end = text + cnt;
  scalar_t    s;
  if (mutation == SIM_MUTATE_FIELD_NEW) return add_field(text, cnt, &t) && !t.full ? t.cnt : 0;
  uint64_t candidates = 0;
  for (const char *at = text; next_scalar(&at, end, &s);) candidates += may_touch(mutation, &s);
  if (!candidates) return 0;
  uint64_t    chosen = tool_random(rng) % candidates;
  const char *at     = text;
  while (next_scalar(&at, end, &s))
    if (may_touch(mutation, &s) && chosen-- == 0) break;
  if (mutation == SIM_MUTATE_FIELD_MISSING) {
    leave_out(text, cnt, &s, &t);
    return t.full ? 0 : t.cnt;
  }
  const char *from = mutation == SIM_MUTATE_FIELD_RENAMED ? s.key + s.key_cnt - 1 : s.value;
  const char *to   = mutation == SIM_MUTATE_FIELD_RENAMED ? from : s.value + s.value_cnt;
  sim_put_bytes(&t, text, (size_t)(from - text));
  if (mutation == SIM_MUTATE_FIELD_RENAMED)
    sim_put(&t, "_zz");
  else
    put_value(mutation, &t, &s, tool_random(rng));
  sim_put_bytes(&t, to, (size_t)(end - to));
  return t.full ? 0 : t.cnt;
}

size_t sim_mutate_name(const char *name, bool is_long, const char *text, size_t cnt, char *out,
                       size_t cap) {
  sim_text_t t        = sim_text(out, cap);
  size_t     name_cnt = strlen(name), mentions = 0;
  for (size_t at = 0; at < cnt;) {
    if (name_cnt > 1 && cnt - at >= name_cnt && !memcmp(text + at, name, name_cnt)) {
      sim_put_bytes(&t, name, name_cnt - 1);
      for (size_t i = 0; i < (is_long ? LONG_NAME_BYTES / 2 : 1); i++)
        sim_put_bytes(&t, "\xCE\xA9", 2);
      at += name_cnt;
      mentions++;
    } else {
      sim_put_bytes(&t, text + at++, 1);
    }
  }
  return mentions && !t.full ? t.cnt : 0;
}
