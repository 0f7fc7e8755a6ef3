#include "wire/json_levels.h"

#include "wire/json_hot.h"

TF_INLINE void put_row(tf_json_t *json, int64_t price, int8_t price_exp, int64_t qty,
                       int8_t qty_exp) {
  tf_event_t *row    = &json->rows[json->row_cnt++];
  row->u.level.price = price;
  row->u.level.qty   = qty;
  row->price_exp     = price_exp;
  row->qty_exp       = qty_exp;
}

/* ---- one level as venues send it ---- */

/* How a message writes its levels; told from the first, and each level is compared with it. */
typedef enum {
  QUOTED, /* ["price","qty"], and perhaps ,"0","12" behind */
  PLAIN,  /* [price,qty], and perhaps ,0,12 behind */
  WORDED  /* ["word",price,qty] */
} style_t;

typedef struct {
  tf_decimal_form_t price, qty; /* of the last level */
} level_guess_t;

/* What a level may have behind its quantity in the hot form: a count of orders and a field of old, or a number of
 * the venue's. */
#define MORE_CNT_MAX   2u
#define WORD_BYTES_MAX 8u
/* The most of a level as the hot readers take it, itself counted. */
#define LEVEL_ELEMENTS (3 + MORE_CNT_MAX)

/* `,"0","12"` or `,0,12345678901` at p, up to 16 digits each: counts them into element_cnt. At the bracket, or NULL where
 * they have another form. */
static const char *skip_more(tf_json_t *json, const char *p, uint32_t quote_cnt) {
  uint32_t cnt = 0;
  for (; cnt < MORE_CNT_MAX && *p == ',' && p < json->end; cnt++) {
    if (quote_cnt > 0 && p[1] != '"') return NULL;
    p += 1 + quote_cnt;
    uint32_t digit_cnt =
        quote_cnt > 0 ? (uint32_t)__builtin_ctz(tf_decimal_breaks_(p)) : tf_decimal_u64_span(p);
    if (quote_cnt == 0 && digit_cnt == 0) return NULL;
    p += digit_cnt;
    if (quote_cnt > 0 && *p++ != '"') return NULL;
  }
  if (*p != ']') return NULL;
  json->element_cnt += cnt;
  return p;
}

typedef struct {
  int64_t     mantissa;
  const char *stop; /* the byte behind it */
  int8_t      exp;
} number_t;

/* More digits than the hot reader takes. A sign is left to the general way. */
__attribute__((noinline)) static bool read_wide(const char *p, number_t *number) {
  uint32_t bytes = tf_decimal_read_wide(p, &number->mantissa, &number->exp);
  number->stop   = p + bytes;
  return bytes != 0 && *p != '-';
}

/* The number at p, in front of a quote or, plain, of a comma or (the last) a bracket. */
TF_INLINE bool read_number(const char *p, const char *floor, bool is_quoted, bool is_last,
                           tf_decimal_form_t *form, number_t *number) {
  bool is_made = tf_json_hot_decimal(p, floor, form, &number->mantissa);
  number->exp  = (int8_t)-form->part;
  number->stop = p + form->bytes;
  if (TF_UNLIKELY(!is_made) || TF_UNLIKELY(*number->stop >= '.' && *number->stop != ']')) {
    number_t wide;
    if (!read_wide(p, &wide)) return false;
    *number = wide;
  }
  char stop = *number->stop;
  return is_quoted ? stop == '"' : stop == ',' || (is_last && stop == ']');
}

/* The level at p. The byte behind its bracket, or NULL if it has another form; then nothing was written. */
TF_INLINE const char *read_level(tf_json_t *json, const char *p, style_t style,
                                 level_guess_t *forms) {
  number_t price, qty;
  bool     is_quoted = style == QUOTED;
  if (TF_UNLIKELY(p[0] != '[')) return NULL;
  if (style != PLAIN && TF_UNLIKELY(p[1] != '"')) return NULL;
  p += 1 + (style != PLAIN);
  if (style == WORDED) {
    for (uint32_t i = 0; i < WORD_BYTES_MAX && *p >= 'a' && *p <= 'z'; i++) p++;
    if (TF_UNLIKELY(p[0] != '"' || p[1] != ',')) return NULL;
    p += 2;
  }
  if (TF_UNLIKELY(!read_number(p, json->floor, is_quoted, false, &forms->price, &price)))
    return NULL;
  p = price.stop;
  if (is_quoted && TF_UNLIKELY(p[1] != ',' || p[2] != '"')) return NULL;
  p += is_quoted ? 3 : 1;
  if (TF_UNLIKELY(!read_number(p, json->floor, is_quoted, true, &forms->qty, &qty))) return NULL;
  p = qty.stop + is_quoted;
  if (TF_UNLIKELY(*p != ']')) {
    p = style == WORDED ? NULL : skip_more(json, p, is_quoted);
    if (p == NULL) return NULL;
  }
  put_row(json, price.mantissa, price.exp, qty.mantissa, qty.exp);
  return p + 1;
}

/* ---- one level in any form ---- */

/* One decimal of a level that the hot reader did not take. */
static const char *read_level_part(tf_json_t *json, const char *p, uint32_t part_idx,
                                   tf_json_value_t *part) {
  if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p, json->end);
  return part_idx < 2 ? tf_json_skip_decimal(json, p, part) : tf_json_skip_value(json, p, part);
}

/* What became of one level's two numbers goes into a row, or into value->made. */
static const char *finish_level(tf_json_t *json, const char *p, const tf_json_value_t part[2],
                                tf_json_value_t *value) {
  uint8_t made[2] = {part[0].made, part[1].made};
  if (value->made != TF_JSON_MADE_LEVELS) return p;
  if (made[0] == TF_JSON_MADE_NONE || made[1] == TF_JSON_MADE_NONE) {
    value->made = TF_JSON_MADE_NONE;
  } else if (made[0] == TF_JSON_MADE_BAD || made[1] == TF_JSON_MADE_BAD) {
    value->made = TF_JSON_MADE_BAD;
  } else {
    if (json->row_cnt == json->row_cap) return tf_json_skip_failed(json, TF_JSON_LIMIT);
    put_row(json, part[0].as.mantissa, part[0].exp, part[1].as.mantissa, part[1].exp);
    json->any_negative |= part[0].as.mantissa < 0 || part[1].as.mantissa < 0;
  }
  return p;
}

/* The element at p of an array of levels, in whatever form. json->depth is the array's. */
TF_COLD static const char *read_level_any(tf_json_t *json, const char *p, bool may_have_word,
                                          tf_json_value_t *value) {
  tf_json_value_t part[3];
  part[0].made = part[1].made = TF_JSON_MADE_NONE;
  if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  if (p >= json->end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  if (*p != '[') {
    p = tf_json_skip_value(json, p, &part[2]);
    return p == NULL ? NULL : finish_level(json, p, part, value);
  }
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, json->end);
  if (p < json->end && *p == ']') {
    p++;
  } else {
    uint32_t word_cnt = may_have_word && p < json->end && *p == '"';
    for (uint32_t i = 0;; i++) {
      uint32_t at = i < word_cnt ? 2 : i - word_cnt;
      p           = read_level_part(json, p, at, &part[at < 2 ? at : 2]);
      if (p == NULL) return NULL;
      p = tf_json_skip_space(p, json->end);
      if (p >= json->end || (*p != ',' && *p != ']')) {
        return tf_json_skip_failed(json, TF_JSON_SYNTAX);
      }
      if (*p++ == ']') break;
    }
  }
  json->depth--;
  return finish_level(json, p, part, value);
}

/* ---- all of them ---- */

/* Rows that the hot reader may still write without looking at a limit. */
static uint32_t rows_free(const tf_json_t *json) {
  if (json->depth >= TF_JSON_DEPTH_MAX) return 0;
  uint32_t by_elements = (TF_JSON_ELEMENTS_MAX - json->element_cnt) / LEVEL_ELEMENTS;
  uint32_t by_rows     = json->row_cap - json->row_cnt;
  return by_elements < by_rows ? by_elements : by_rows;
}

/* p at the first of them. Behind the closing bracket, or NULL. */
TF_INLINE const char *read_styled(tf_json_t *json, const char *p, style_t style, bool may_have_word,
                                  tf_json_value_t *value) {
  const char   *end     = json->end;
  uint32_t      hot_cnt = rows_free(json);
  level_guess_t forms   = {TF_JSON_HOT_NO_FORM, TF_JSON_HOT_NO_FORM};
  for (;;) {
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    const char *next = hot_cnt == 0 ? NULL : read_level(json, p, style, &forms);
    if (TF_LIKELY(next != NULL)) {
      json->element_cnt += 3 + (style == WORDED);
      hot_cnt--;
      p = next;
    } else {
      p = read_level_any(json, tf_json_skip_space(p, end), may_have_word, value);
      if (p == NULL) return NULL;
      hot_cnt = value->made == TF_JSON_MADE_LEVELS ? rows_free(json) : 0;
      p       = tf_json_skip_space(p, end);
    }
    if (TF_LIKELY(*p == ',' && p < end)) {
      p++;
      continue;
    }
    p = tf_json_skip_space(p, end);
    if (p >= end || (*p != ',' && *p != ']')) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (*p++ == ']') return p;
  }
}

static const char *read(tf_json_t *json, const char *p, bool may_have_word,
                        tf_json_value_t *value) {
  const char *first = p;
  tf_json_hot_value_is(value, TF_JSON_ARRAY, TF_JSON_MADE_LEVELS, 0);
  value->as.levels.first = json->row_cnt;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, json->end);
  if (p < json->end && *p == ']') {
    p++;
  } else if (p[0] == '[' && p[1] != '"') {
    p = read_styled(json, p, PLAIN, may_have_word, value);
  } else if (may_have_word) {
    p = read_styled(json, p, WORDED, true, value);
  } else {
    p = read_styled(json, p, QUOTED, false, value);
  }
  if (TF_UNLIKELY(p == NULL)) return NULL;
  json->depth--;
  value->bytes         = first;
  value->bytes_cnt     = (uint32_t)(p - first);
  value->as.levels.cnt = json->row_cnt - value->as.levels.first;
  return p;
}

const char *tf_json_levels_read(tf_json_t *json, const char *p, tf_json_value_t *value) {
  return read(json, p, false, value);
}

const char *tf_json_levels_read_worded(tf_json_t *json, const char *p, tf_json_value_t *value) {
  return read(json, p, true, value);
}
