#include "wire/json.h"

#include "wire/json_skip.h"

/* Matches nothing: what a scanner without prediction, or behind the last predicted member, sees. */
#define STEP_NONE_MASK 0x10000u
static const tf_json_order_t order_none = {.steps = {{.mask = STEP_NONE_MASK}}};

TF_INLINE bool step_matches(const tf_json_step_t *step, const char *p) {
#if defined(__SSE2__)
  __m128i  text  = _mm_loadu_si128((const __m128i *)(const void *)step->text);
  __m128i  bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
  uint32_t same  = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, bytes));
  return (same & step->mask) == step->mask;
#else
  return step->mask != STEP_NONE_MASK && memcmp(p, step->text, step->text_bytes) == 0;
#endif
}

TF_INLINE uint32_t load4(const char *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
#define BYTES3(a, b, c)    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)
#define BYTES4(a, b, c, d) (BYTES3(a, b, c) | (uint32_t)(d) << 24)

/* A number whose hot reading stopped in front of one of these goes on. */
TF_INLINE bool number_goes_on(char c) { return c == '.' || (c | 0x20) == 'e'; }

TF_INLINE void value_is(tf_json_value_t *value, uint8_t kind, uint8_t made, int8_t exp) {
  value->kind    = kind;
  value->made    = made;
  value->escaped = 0;
  value->exp     = exp;
}

/* ---- single values ---- */

TF_COLD static const char *read_u64_any(tf_json_t *json, const char *p, tf_json_value_t *value) {
  p = tf_json_skip_value(json, p, value);
  if (p == NULL || value->kind != TF_JSON_NUMBER) return p;
  tf_decimal_result_t result;
  const char         *stop = value->bytes + value->bytes_cnt;
  bool fits   = tf_decimal_u64_scan(value->bytes, stop, &value->as.u64, &result) == stop;
  value->made = fits && result == TF_DECIMAL_OK ? TF_JSON_MADE_U64 : TF_JSON_MADE_BAD;
  return p;
}

TF_INLINE const char *read_u64(tf_json_t *json, const char *p, tf_json_value_t *value) {
  uint32_t bytes = tf_decimal_u64_read(p, &value->as.u64);
  if (TF_UNLIKELY(bytes == 0 || number_goes_on(p[bytes]))) return read_u64_any(json, p, value);
  value_is(value, TF_JSON_NUMBER, TF_JSON_MADE_U64, 0);
  return p + bytes;
}

TF_COLD static const char *read_decimal_any(tf_json_t *json, const char *p,
                                            tf_json_value_t *value) {
  p = tf_json_skip_value(json, p, value);
  if (p == NULL || (value->kind != TF_JSON_NUMBER && value->kind != TF_JSON_STRING)) return p;
  char        plain[TF_DECIMAL_DIGITS_MAX + 16];
  const char *text       = value->bytes;
  size_t      text_bytes = value->bytes_cnt;
  if (value->escaped) {
    text       = plain;
    text_bytes = tf_json_unescape(value->bytes, value->bytes_cnt, plain, sizeof(plain));
  }
  bool fits = text_bytes != SIZE_MAX &&
              tf_decimal_parse(text, text_bytes, &value->as.mantissa, &value->exp) == TF_DECIMAL_OK;
  value->made = fits ? TF_JSON_MADE_DECIMAL : TF_JSON_MADE_BAD;
  return p;
}

TF_INLINE const char *read_decimal(tf_json_t *json, const char *p, tf_json_value_t *value) {
  bool        quoted = *p == '"';
  const char *number = p + quoted;
  int8_t      exp;
  uint32_t    bytes = tf_decimal_read(number, &value->as.mantissa, &exp);
  char        next  = number[bytes];
  if (TF_UNLIKELY(bytes == 0 || (quoted ? next != '"' : number_goes_on(next)))) {
    return read_decimal_any(json, p, value);
  }
  value_is(value, quoted ? TF_JSON_STRING : TF_JSON_NUMBER, TF_JSON_MADE_DECIMAL, exp);
  return number + bytes + quoted;
}

TF_INLINE const char *read_bytes(tf_json_t *json, const char *p, tf_json_value_t *value) {
  if (*p == '"') {
    bool        escaped;
    const char *stop = tf_json_skip_string_hot(json, p + 1, &escaped);
    if (TF_UNLIKELY(stop == NULL)) return NULL;
    value->bytes     = p + 1;
    value->bytes_cnt = (uint32_t)(stop - (p + 1));
    value_is(value, TF_JSON_STRING, TF_JSON_MADE_NONE, 0);
    value->escaped = escaped;
    return stop + 1;
  }
  bool is_true  = load4(p) == BYTES4('t', 'r', 'u', 'e');
  bool is_false = load4(p) == BYTES4('f', 'a', 'l', 's') && p[4] == 'e';
  if (is_true | is_false) {
    value->bytes     = p;
    value->bytes_cnt = is_true ? 4 : 5;
    value_is(value, is_true ? TF_JSON_TRUE : TF_JSON_FALSE, TF_JSON_MADE_NONE, 0);
    return p + value->bytes_cnt;
  }
  return tf_json_skip_value(json, p, value);
}

/* ---- levels ---- */

TF_INLINE void put_row(tf_json_t *json, int64_t price, int8_t price_exp, int64_t qty,
                       int8_t qty_exp) {
  tf_event_t *row    = &json->rows[json->row_cnt++];
  row->u.level.price = price;
  row->u.level.qty   = qty;
  row->price_exp     = price_exp;
  row->qty_exp       = qty_exp;
}

/* One decimal of a level that the hot reader did not take. */
static const char *read_level_part(tf_json_t *json, const char *p, uint32_t part_idx,
                                   tf_json_value_t *part) {
  if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p, json->end);
  return part_idx < 2 ? read_decimal_any(json, p, part) : tf_json_skip_value(json, p, part);
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
TF_COLD static const char *read_level_any(tf_json_t *json, const char *p, tf_json_value_t *value) {
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
    for (uint32_t i = 0;; i++) {
      p = read_level_part(json, p, i, &part[i < 2 ? i : 2]);
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

/* `["price","qty"]` at p, as every venue with quoted numbers sends it. Returns the byte behind the
 * closing bracket, or NULL if the level has another form; then nothing was written. */
TF_INLINE const char *read_level(tf_json_t *json, const char *p) {
  int64_t price, qty;
  int8_t  price_exp, qty_exp;
  if (TF_UNLIKELY(p[0] != '[' || p[1] != '"')) return NULL;
  p += 2;
  uint32_t bytes = tf_decimal_read(p, &price, &price_exp);
  if (TF_UNLIKELY(bytes == 0 || (load4(p + bytes) & 0xffffffu) != BYTES3('"', ',', '"'))) {
    return NULL;
  }
  p += bytes + 3;
  bytes = tf_decimal_read(p, &qty, &qty_exp);
  if (TF_UNLIKELY(bytes == 0 || (load4(p + bytes) & 0xffffu) != BYTES3('"', ']', 0))) return NULL;
  put_row(json, price, price_exp, qty, qty_exp);
  return p + bytes + 2;
}

/* Rows that the hot reader may still write without looking at a limit. */
static uint32_t rows_free(const tf_json_t *json) {
  uint32_t by_elements = (TF_JSON_ELEMENTS_MAX - json->element_cnt) / 3;
  uint32_t by_rows     = json->row_cap - json->row_cnt;
  return by_elements < by_rows ? by_elements : by_rows;
}

/* p at '['. */
static const char *read_levels(tf_json_t *json, const char *p, tf_json_value_t *value) {
  const char *first = p;
  const char *end   = json->end;
  value_is(value, TF_JSON_ARRAY, TF_JSON_MADE_LEVELS, 0);
  value->as.levels.first = json->row_cnt;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, end);
  if (p < end && *p == ']') {
    p++;
  } else {
    uint32_t hot_cnt = rows_free(json);
    for (;;) {
      if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
      const char *next = hot_cnt > 0 ? read_level(json, p) : NULL;
      if (TF_LIKELY(next != NULL)) {
        json->element_cnt += 3;
        hot_cnt--;
        p = next;
      } else {
        p = read_level_any(json, tf_json_skip_space(p, end), value);
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
      if (*p++ == ']') break;
    }
  }
  json->depth--;
  value->bytes         = first;
  value->bytes_cnt     = (uint32_t)(p - first);
  value->as.levels.cnt = json->row_cnt - value->as.levels.first;
  return p;
}

/* ---- objects ---- */

TF_INLINE tf_json_order_t *pick_order(tf_json_orders_t *orders, const char *p) {
  uint64_t form = tf_decimal_load8_(p) & UINT64_C(0x00ffffffffffffff);
  return &orders->orders[form * UINT64_C(0x9e3779b97f4a7c15) >> 60];
}
TF_STATIC_ASSERT(TF_JSON_ORDERS_MAX == 16, "the top four bits of the hash pick one");

static uint8_t key_of(const tf_json_shape_t *shape, const char *text, size_t text_bytes) {
  for (uint32_t i = 0; i < shape->key_cnt; i++) {
    const tf_json_key_t *key = &shape->keys[i];
    if (key->text_bytes == text_bytes && memcmp(key->text, text, text_bytes) == 0) {
      return (uint8_t)i;
    }
  }
  return TF_JSON_KEY_NONE;
}

/* Remembers that the member's bytes from its brace or comma to its colon stood at p. */
static void learn_step(tf_json_step_t *step, const char *p, size_t bytes, uint8_t key,
                       uint8_t want) {
  if (bytes > TF_JSON_STEP_BYTES) {
    step->mask = STEP_NONE_MASK;
    return;
  }
  memset(step->text, 0, sizeof(step->text));
  memcpy(step->text, p, bytes);
  step->mask       = (1u << bytes) - 1;
  step->text_bytes = (uint8_t)bytes;
  step->key        = key;
  step->want       = want;
}

typedef struct {
  uint8_t key, want;
  bool    ended; /* the object, not a member, was found */
} member_t;

/* The general way to the next member: p is behind a value or at the opening brace. Returns the first
 * byte of the member's value, or behind the closing brace. */
TF_COLD static const char *read_member_any(tf_json_t *json, const tf_json_object_t *object,
                                           tf_json_order_t *order, uint32_t member_idx,
                                           const char *p, member_t *member) {
  const char *end  = json->end;
  p                = tf_json_skip_space(p, end);
  const char *lead = p;
  member->ended    = false;
  if (p >= end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  if (member_idx == 0) { /* tf_json_read and read_object stand on '{' */
    p = tf_json_skip_space(p + 1, end);
    if (p < end && *p == '}') member->ended = true;
  } else if (*p == '}') {
    member->ended = true;
  } else {
    if (*p != ',') return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    p = tf_json_skip_space(p + 1, end);
  }
  if (member->ended) return p + 1;
  if (member_idx >= TF_JSON_KEYS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  if (p >= end || *p != '"') return tf_json_skip_failed(json, TF_JSON_SYNTAX);

  bool        escaped;
  const char *text = p + 1;
  const char *stop = tf_json_skip_string(json, text, &escaped);
  if (stop == NULL) return NULL;
  char   plain[64];
  size_t plain_bytes = (size_t)(stop - text);
  if (escaped) {
    plain_bytes = tf_json_unescape(text, plain_bytes, plain, sizeof(plain));
    text        = plain;
  }
  member->key =
      plain_bytes <= sizeof(plain) ? key_of(object->shape, text, plain_bytes) : TF_JSON_KEY_NONE;
  member->want  = member->key == TF_JSON_KEY_NONE ? (uint8_t)TF_JSON_WANT_BYTES
                                                  : object->shape->keys[member->key].want;
  bool is_plain = !escaped && p == lead + 1 && stop + 1 < end && stop[1] == ':';
  p             = tf_json_skip_space(stop + 1, end);
  if (p >= end || *p != ':') return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  p++;
  if (order != NULL && is_plain && member_idx < TF_JSON_STEPS_MAX) {
    learn_step(&order->steps[member_idx], lead, (size_t)(p - lead), member->key, member->want);
  }
  p = tf_json_skip_space(p, end);
  return p < end ? p : tf_json_skip_failed(json, TF_JSON_SYNTAX);
}

static const char *read_object(tf_json_t *json, tf_json_object_t *object, const char *p);

/* p at the value's first byte. */
TF_INLINE const char *read_value(tf_json_t *json, const tf_json_object_t *object, uint32_t want,
                                 const char *p, tf_json_value_t *value) {
  switch (want) {
  case TF_JSON_WANT_U64: return read_u64(json, p, value);
  case TF_JSON_WANT_LEVELS:
    if (*p == '[') return read_levels(json, p, value);
    return read_decimal(json, p, value);
  case TF_JSON_WANT_DECIMAL: return read_decimal(json, p, value);
  case TF_JSON_WANT_OBJECT:
    if (*p == '{' && object->child != NULL && p < json->end) {
      value->bytes = p;
      value_is(value, TF_JSON_OBJECT, TF_JSON_MADE_NONE, 0);
      p = read_object(json, object->child, p);
      if (p != NULL) value->bytes_cnt = (uint32_t)(p - value->bytes);
      return p;
    }
    return read_bytes(json, p, value);
  default: return read_bytes(json, p, value);
  }
}

/* p at '{'; behind the closing brace, or NULL. */
static const char *read_object(tf_json_t *json, tf_json_object_t *object, const char *p) {
  tf_json_value_t       skipped;
  const char           *end   = json->end;
  tf_json_order_t      *order = object->orders == NULL ? NULL : pick_order(object->orders, p);
  const tf_json_step_t *step  = order == NULL ? order_none.steps : order->steps;
  uint64_t              seen  = 0;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  for (uint32_t member_idx = 0;; member_idx++) {
    uint32_t key, want;
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (TF_LIKELY(step_matches(step, p))) {
      p += step->text_bytes;
      key  = step->key;
      want = step->want;
      step++;
    } else if (*p == '}' && member_idx > 0) {
      p++;
      break;
    } else {
      member_t member;
      p = read_member_any(json, object, order, member_idx, p, &member);
      if (p == NULL) return NULL;
      if (member.ended) break;
      key  = member.key;
      want = member.want;
      if (order != NULL) {
        step = &order->steps[member_idx < TF_JSON_STEPS_MAX ? member_idx + 1 : TF_JSON_STEPS_MAX];
      }
    }
    tf_json_value_t *value = &skipped;
    if (TF_LIKELY(key != TF_JSON_KEY_NONE)) {
      uint64_t bit = UINT64_C(1) << key;
      if (TF_LIKELY((seen & bit) == 0)) {
        seen |= bit;
        value = &object->values[key];
      } else {
        json->duplicate_key_cnt++;
        want = TF_JSON_WANT_BYTES;
      }
    }
    p = read_value(json, object, want, p, value);
    if (TF_UNLIKELY(p == NULL)) return NULL;
  }
  json->depth--;
  object->seen = seen;
  return p;
}

tf_json_result_t tf_json_read(tf_json_t *json, const char *bytes, size_t bytes_cnt,
                              tf_json_object_t *root) {
  const char *end         = bytes + bytes_cnt;
  json->end               = end;
  json->depth             = 0;
  json->element_cnt       = 0;
  json->duplicate_key_cnt = 0;
  json->row_cnt           = 0;
  json->any_negative      = false;
  json->result            = TF_JSON_OK;
  json->root_kind         = TF_JSON_OBJECT;
  root->seen              = 0;
  if (root->child != NULL) root->child->seen = 0;

  const char *p = tf_json_skip_space(bytes, end);
  if (TF_LIKELY(p < end && *p == '{')) {
    p = read_object(json, root, p);
  } else {
    tf_json_value_t value;
    p               = tf_json_skip_value(json, p, &value);
    json->root_kind = p == NULL ? TF_JSON_ABSENT : value.kind;
  }
  if (TF_UNLIKELY(p == NULL)) return (tf_json_result_t)json->result;
  if (TF_UNLIKELY(p != end) && tf_json_skip_space(p, end) != end) json->result = TF_JSON_SYNTAX;
  return (tf_json_result_t)json->result;
}

void tf_json_orders_init(tf_json_orders_t *orders) {
  memset(orders, 0, sizeof(*orders));
  for (uint32_t i = 0; i < TF_JSON_ORDERS_MAX; i++) {
    for (uint32_t k = 0; k <= TF_JSON_STEPS_MAX; k++) {
      orders->orders[i].steps[k].mask = STEP_NONE_MASK;
    }
  }
}

/* ---- escapes ---- */

static uint32_t hex4(const char *p) {
  uint32_t v = 0;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    v      = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return v;
}

static size_t put_utf8(char *text, uint32_t rune) {
  if (rune < 0x80) {
    text[0] = (char)rune;
    return 1;
  }
  if (rune < 0x800) {
    text[0] = (char)(0xc0 | rune >> 6);
    text[1] = (char)(0x80 | (rune & 0x3f));
    return 2;
  }
  if (rune < 0x10000) {
    text[0] = (char)(0xe0 | rune >> 12);
    text[1] = (char)(0x80 | (rune >> 6 & 0x3f));
    text[2] = (char)(0x80 | (rune & 0x3f));
    return 3;
  }
  text[0] = (char)(0xf0 | rune >> 18);
  text[1] = (char)(0x80 | (rune >> 12 & 0x3f));
  text[2] = (char)(0x80 | (rune >> 6 & 0x3f));
  text[3] = (char)(0x80 | (rune & 0x3f));
  return 4;
}

/* p behind "\u" of a validated string; UINT32_MAX for half a pair. */
static uint32_t take_rune(const char **p, const char *end) {
  uint32_t rune = hex4(*p);
  *p += 4;
  if (rune < 0xd800 || rune > 0xdfff) return rune;
  if (rune > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u') return UINT32_MAX;
  uint32_t low = hex4(*p + 2);
  if (low < 0xdc00 || low > 0xdfff) return UINT32_MAX;
  *p += 6;
  return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
}

size_t tf_json_unescape(const char *bytes, size_t bytes_cnt, char *text, size_t cap) {
  static const char from[] = "\"\\/bfnrt";
  static const char to[]   = "\"\\/\b\f\n\r\t";
  const char       *end    = bytes + bytes_cnt;
  size_t            n      = 0;
  for (const char *p = bytes; p < end;) {
    uint32_t rune = (uint8_t)*p++;
    char     utf8[4];
    size_t   utf8_bytes = 1;
    utf8[0]             = (char)rune;
    if (rune == '\\') {
      char c = *p++;
      if (c == 'u') {
        rune = take_rune(&p, end);
        if (rune == UINT32_MAX) return SIZE_MAX;
        utf8_bytes = put_utf8(utf8, rune);
      } else {
        utf8[0] = to[strchr(from, c) - from];
      }
    }
    if (utf8_bytes > cap - n) return SIZE_MAX;
    memcpy(text + n, utf8, utf8_bytes);
    n += utf8_bytes;
  }
  return n;
}
