#include "wire/json.h"

#include "wire/json_skip.h"

/* The place of every member depends on the lengths of all values before it: load, compare, count
 * bits, add, some 16 cycles a value one after the other. So the length of the last value at this
 * place is kept, and where it is right again the position is taken from there. The comparison is
 * then a branch that the core predicts, not an operand that the next member waits for, and members
 * overlap. The empty asm keeps the compiler from seeing that the two are equal. (bench_decode,
 * EPYC Zen 5, gcc 12: a spot trade took 79 ns without any of this, 67 with the lengths of integers
 * and strings, and takes 40 with the forms of decimals too.) */
TF_INLINE bool guess(uint32_t *bytes, uint8_t *guess_bytes) {
  uint32_t guessed = *guess_bytes;
  if (TF_UNLIKELY(guessed != *bytes)) {
    *guess_bytes = (uint8_t)(*bytes - (*bytes == 0)); /* never 0, or no number passed for one */
    return *bytes != 0;
  }
  __asm__("" : "+r"(guessed));
  *bytes = guessed;
  return true;
}
#define GUESS_NONE 255
#define GUESS_NO_FORM                                                                              \
  { .breaks = 1u << 31, .mask = 1u << 31 } /* breaks have 18 bits */

/* Matches nothing: what a scanner without prediction, or behind the last predicted member, sees. */
#define STEP_NONE_MASK 0x10000u
/* clang-format off */
#define STEP_NONE \
  {.mask        = STEP_NONE_MASK, \
   .key         = TF_JSON_KEY_NONE, \
   .guess_bytes = GUESS_NONE, \
   .guess       = GUESS_NO_FORM}
#define STEPS_NONE4 STEP_NONE, STEP_NONE, STEP_NONE, STEP_NONE
/* Never written: what it has never matches. */
static tf_json_order_t order_none = {{
    STEPS_NONE4, STEPS_NONE4, STEPS_NONE4, STEPS_NONE4, STEPS_NONE4, STEPS_NONE4}};
/* clang-format on */
TF_STATIC_ASSERT(TF_JSON_STEPS_MAX + 1 == 24, "order_none has one for each");

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

/* A number that a hot reader has taken is over in front of these; anything else is the scan's. */
TF_INLINE bool ends_number(char c) { return c == ',' || c == '}' || c == ']' || c == ' '; }

TF_INLINE void value_is(tf_json_value_t *value, uint8_t kind, uint8_t made, int8_t exp) {
  value->what = (uint32_t)kind | (uint32_t)made << 8 | (uint32_t)(uint8_t)exp << 24;
}

/* ---- single values, in any form ---- */

static const char *read_u64_any(tf_json_t *json, const char *p, tf_json_value_t *value) {
  p = tf_json_skip_value(json, p, value);
  if (p == NULL || value->kind != TF_JSON_NUMBER) return p;
  tf_decimal_result_t result;
  uint64_t            number;
  const char         *stop = value->bytes + value->bytes_cnt;
  bool                fits = tf_decimal_u64_scan(value->bytes, stop, &number, &result) == stop;
  value->made              = fits && result == TF_DECIMAL_OK ? TF_JSON_MADE_U64 : TF_JSON_MADE_BAD;
  return p;
}

static const char *read_decimal_any(tf_json_t *json, const char *p, tf_json_value_t *value) {
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

/* The decimal at p if it is of a usual form: its length, else 0. As with guess(), where the form is
 * that of last time nothing that follows waits for this number's bytes. */
TF_INLINE uint32_t read_guessed(const char *p, const char *floor, tf_decimal_form_t *form,
                                int64_t *mantissa, int8_t *exp) {
  uint32_t breaks = tf_decimal_breaks_(p);
  if (TF_UNLIKELY(((breaks ^ form->breaks) & form->mask) != 0)) {
    tf_decimal_form_t found;
    if (!tf_decimal_form_of(p, breaks, &found)) return 0;
    *form = found;
  }
  uint32_t bytes = form->bytes, part = form->part;
  if (TF_UNLIKELY(!tf_decimal_has_form(p, bytes, part))) return 0;
  *mantissa = tf_decimal_of_form(p, floor, bytes, part);
  *exp      = (int8_t)-part;
  return bytes;
}

typedef struct {
  tf_decimal_form_t price, qty; /* of the last level */
} level_guess_t;

/* What a level may have behind its quantity in the hot form: a count of orders, and a field of old. Few and
 * short, so that they end within the padding of a message that is cut in them. */
#define MORE_TEXTS_MAX  2u
#define MORE_DIGITS_MAX 7u
/* The most of a level as the hot readers take it, itself counted. */
#define LEVEL_ELEMENTS (3 + MORE_TEXTS_MAX)

/* `,"0","12"` at p: counts them into element_cnt. The byte behind, or NULL where they have another form. */
static const char *skip_digits_in_quotes(tf_json_t *json, const char *p) {
  uint32_t cnt = 0;
  for (; cnt < MORE_TEXTS_MAX && *p == ','; cnt++) {
    uint32_t digit_cnt = 0;
    if (p[1] != '"') return NULL;
    for (p += 2; digit_cnt < MORE_DIGITS_MAX && *p >= '0' && *p <= '9'; p++) digit_cnt++;
    if (*p++ != '"') return NULL;
  }
  if (*p != ']') return NULL;
  json->element_cnt += cnt;
  return p;
}

/* `["price","qty"]` at p, as every venue with quoted numbers sends it, perhaps with such texts behind.
 * Returns the byte behind the closing bracket, or NULL if the level has another form; then nothing was
 * written. */
TF_INLINE const char *read_level(tf_json_t *json, const char *p, level_guess_t *forms) {
  int64_t price, qty;
  int8_t  price_exp, qty_exp;
  if (TF_UNLIKELY(p[0] != '[' || p[1] != '"')) return NULL;
  p += 2;
  uint32_t bytes = read_guessed(p, json->floor, &forms->price, &price, &price_exp);
  if (TF_UNLIKELY(bytes == 0 || (load4(p + bytes) & 0xffffffu) != BYTES3('"', ',', '"'))) {
    return NULL;
  }
  p += bytes + 3;
  bytes = read_guessed(p, json->floor, &forms->qty, &qty, &qty_exp);
  if (TF_UNLIKELY(bytes == 0)) return NULL;
  p += bytes;
  if (TF_UNLIKELY((load4(p) & 0xffffu) != BYTES3('"', ']', 0))) {
    p = *p == '"' ? skip_digits_in_quotes(json, p + 1) : NULL;
    if (p == NULL) return NULL;
    p--;
  }
  put_row(json, price, price_exp, qty, qty_exp);
  return p + 2;
}

#define WORD_BYTES_MAX 8

/* `["word",price,qty]` at p, as read_level. */
TF_INLINE const char *read_word_level(tf_json_t *json, const char *p, level_guess_t *forms) {
  int64_t price, qty;
  int8_t  price_exp, qty_exp;
  if (TF_UNLIKELY(p[0] != '[' || p[1] != '"')) return NULL;
  p += 2;
  for (uint32_t i = 0; i < WORD_BYTES_MAX && *p >= 'a' && *p <= 'z'; i++) p++;
  if (TF_UNLIKELY(p[0] != '"' || p[1] != ',')) return NULL;
  p += 2;
  uint32_t bytes = read_guessed(p, json->floor, &forms->price, &price, &price_exp);
  if (TF_UNLIKELY(bytes == 0 || p[bytes] != ',')) return NULL;
  p += bytes + 1;
  bytes = read_guessed(p, json->floor, &forms->qty, &qty, &qty_exp);
  if (TF_UNLIKELY(bytes == 0 || p[bytes] != ']')) return NULL;
  put_row(json, price, price_exp, qty, qty_exp);
  return p + bytes + 1;
}

/* Rows that the hot reader may still write without looking at a limit. */
static uint32_t rows_free(const tf_json_t *json) {
  if (json->depth >= TF_JSON_DEPTH_MAX) return 0;
  uint32_t by_elements = (TF_JSON_ELEMENTS_MAX - json->element_cnt) / LEVEL_ELEMENTS;
  uint32_t by_rows     = json->row_cap - json->row_cnt;
  return by_elements < by_rows ? by_elements : by_rows;
}

/* p at '['. */
TF_INLINE const char *read_levels_of(tf_json_t *json, const char *p, bool may_have_word,
                                     tf_json_value_t *value) {
  const char *first = p;
  const char *end   = json->end;
  value_is(value, TF_JSON_ARRAY, TF_JSON_MADE_LEVELS, 0);
  value->as.levels.first = json->row_cnt;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, end);
  if (p < end && *p == ']') {
    p++;
  } else {
    uint32_t      hot_cnt = rows_free(json);
    level_guess_t forms   = {GUESS_NO_FORM, GUESS_NO_FORM};
    for (;;) {
      if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
      const char *next = hot_cnt == 0    ? NULL
                         : may_have_word ? read_word_level(json, p, &forms)
                                         : read_level(json, p, &forms);
      if (TF_LIKELY(next != NULL)) {
        json->element_cnt += 3 + may_have_word;
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
      if (*p++ == ']') break;
    }
  }
  json->depth--;
  value->bytes         = first;
  value->bytes_cnt     = (uint32_t)(p - first);
  value->as.levels.cnt = json->row_cnt - value->as.levels.first;
  return p;
}

__attribute__((noinline)) static const char *read_levels(tf_json_t *json, const char *p,
                                                         tf_json_value_t *value) {
  return read_levels_of(json, p, false, value);
}

__attribute__((noinline)) static const char *read_word_levels(tf_json_t *json, const char *p,
                                                              tf_json_value_t *value) {
  return read_levels_of(json, p, true, value);
}

/* ---- objects ---- */

/* What a predicted member's value looks like, from its want and its first byte last time. The hot
 * loop takes exactly this; where it turns out wrong, the value is read in the general way. */
typedef enum {
  FORM_ANY = 0,
  FORM_TEXT,    /* behind the opening quote */
  FORM_QUOTED,  /* a decimal, behind the opening quote */
  FORM_DECIMAL, /* a decimal without quotes */
  FORM_U64,
  FORM_LITERAL, /* true or false */
  FORM_LEVELS,
  FORM_WORD_LEVELS,
  FORM_OBJECT,
  FORM_ITEMS,
  FORM_ITEM, /* one alone */
  FORM_SECOND,
  FORM_LONG /* the key's last bytes are in step->more, the value is of step->more_form */
} form_t;

static form_t form_of(const tf_json_object_t *object, uint32_t want, bool is_skipped, char c) {
  bool is_digit = c >= '0' && c <= '9';
  bool is_plain = want == TF_JSON_WANT_TEXT || want == TF_JSON_WANT_BYTES;
  bool is_dec =
      want == TF_JSON_WANT_DECIMAL || want == TF_JSON_WANT_LEVELS || want == TF_JSON_WANT_ITEMS;
  if (c == '"') return is_plain ? FORM_TEXT : is_dec ? FORM_QUOTED : FORM_ANY;
  if (is_digit) {
    /* of a number that is skipped nobody sees what was made */
    return want == TF_JSON_WANT_U64 || is_skipped ? FORM_U64 : is_dec ? FORM_DECIMAL : FORM_ANY;
  }
  if (is_plain && (c == 't' || c == 'f')) return FORM_LITERAL;
  if (want == TF_JSON_WANT_LEVELS && c == '[') return FORM_LEVELS;
  if (want == TF_JSON_WANT_WORD_LEVELS && c == '[') return FORM_WORD_LEVELS;
  bool is_items = want == TF_JSON_WANT_ITEMS || want == TF_JSON_WANT_ITEM;
  if (is_items && c == '[' && object->child != NULL) return FORM_ITEMS;
  if (want == TF_JSON_WANT_ITEM && c == '{' && object->child != NULL) return FORM_ITEM;
  if (want == TF_JSON_WANT_SECOND && c == '{' && object->second != NULL) return FORM_SECOND;
  return want == TF_JSON_WANT_OBJECT && c == '{' && object->child != NULL ? FORM_OBJECT : FORM_ANY;
}

/* The first seven bytes are the form. As with the lengths, the order is taken from the last message
 * where that had the same form, so that its steps can be loaded before the bytes are. */
TF_INLINE tf_json_order_t *pick_order(tf_json_orders_t *orders, const char *p) {
  uint64_t form = tf_decimal_load8_(p) << 8;
  if (TF_UNLIKELY(orders->form != form)) {
    orders->form  = form;
    orders->order = &orders->orders[form * UINT64_C(0x9e3779b97f4a7c15) >> 60];
  }
  return orders->order;
}
TF_STATIC_ASSERT(TF_JSON_ORDERS_MAX == 16, "the top four bits of the hash pick one");

static uint32_t key_of(const tf_json_shape_t *shape, const char *text, size_t text_bytes) {
  for (uint32_t i = 0; i < shape->key_cnt; i++) {
    const tf_json_key_t *key = &shape->keys[i];
    if (key->text_bytes == text_bytes && memcmp(key->text, text, text_bytes) == 0) return i;
  }
  return TF_JSON_KEY_NONE;
}

/* A member as the general reader finds it. */
typedef struct {
  const char *lead;     /* its brace or comma */
  const char *value;    /* its first byte */
  uint32_t    key;      /* TF_JSON_KEY_NONE: not in the shape */
  bool        is_plain; /* no whitespace and no escape from lead to value: can be predicted */
  bool        is_end;   /* the closing brace was found in its place, value is behind it */
} member_t;

/* p behind a value, or at the opening brace. False: failed. */
static bool find_member(tf_json_t *json, const tf_json_shape_t *shape, uint32_t member_idx,
                        const char *p, member_t *member) {
  const char *end = json->end;
  member->is_end  = false;
  p               = tf_json_skip_space(p, end);
  member->lead    = p;
  if (p >= end || (member_idx > 0 && *p != ',' && *p != '}')) {
    tf_json_skip_failed(json, TF_JSON_SYNTAX);
    return false;
  }
  if (*p != '}') p = tf_json_skip_space(p + 1, end);
  if (p < end && *p == '}' && (member_idx == 0 || p == member->lead)) {
    member->is_end = true;
    member->value  = p + 1;
    return true;
  }
  if (member_idx >= TF_JSON_KEYS_MAX) {
    tf_json_skip_failed(json, TF_JSON_LIMIT);
    return false;
  }
  if (p >= end || *p != '"') {
    tf_json_skip_failed(json, TF_JSON_SYNTAX);
    return false;
  }
  bool        escaped;
  char        plain[64];
  const char *text = p + 1;
  const char *stop = tf_json_skip_string(json, text, &escaped);
  if (stop == NULL) return false;
  size_t text_bytes = (size_t)(stop - text);
  if (escaped) {
    text_bytes = tf_json_unescape(text, text_bytes, plain, sizeof(plain));
    text       = plain;
  }
  member->key   = text_bytes <= sizeof(plain) ? key_of(shape, text, text_bytes) : TF_JSON_KEY_NONE;
  p             = tf_json_skip_space(stop + 1, end);
  bool is_colon = p < end && *p == ':';
  member->value = is_colon ? tf_json_skip_space(p + 1, end) : end;
  if (member->value >= end) {
    tf_json_skip_failed(json, TF_JSON_SYNTAX);
    return false;
  }
  member->is_plain = !escaped && text == member->lead + 2 && member->value == stop + 2;
  return true;
}

/* Makes seen true again from step idx on, and gives up any later step with idx's key. */
static void relink_steps(tf_json_order_t *order, uint32_t idx) {
  uint8_t  key  = order->steps[idx].key;
  uint64_t seen = idx > 0 ? order->steps[idx - 1].seen : 0;
  for (uint32_t i = idx; i < TF_JSON_STEPS_MAX; i++) {
    tf_json_step_t *step = &order->steps[i];
    if (i > idx && key != TF_JSON_KEY_NONE && step->key == key) {
      step->key  = TF_JSON_KEY_NONE;
      step->mask = STEP_NONE_MASK;
    }
    if (step->key != TF_JSON_KEY_NONE) seen |= UINT64_C(1) << step->key;
    step->seen = seen;
  }
}

/* Remembers the member for the next message of this form. A key that was there before is never
 * predicted, nor is what does not fit a step; but the step's key is kept in any case, because the
 * steps behind it stand for keys that come after it. */
static void learn_step(tf_json_order_t *order, uint32_t idx, const tf_json_object_t *object,
                       const member_t *member, uint32_t want, bool is_duplicate) {
  tf_json_step_t step     = STEP_NONE;
  size_t         bytes    = (size_t)(member->value - member->lead);
  uint32_t       slot     = object->shape->key_cnt;
  bool           is_known = member->key != TF_JSON_KEY_NONE && !is_duplicate;
  form_t         form     = form_of(object, want, !is_known, *member->value);
  if (form == FORM_TEXT || form == FORM_QUOTED) bytes++;
  if (is_known) {
    step.key = (uint8_t)member->key;
    slot     = member->key;
  }
  if (!is_duplicate && member->is_plain && bytes <= TF_JSON_STEP_BYTES + TF_JSON_MORE_BYTES) {
    size_t front = bytes < TF_JSON_STEP_BYTES ? bytes : TF_JSON_STEP_BYTES;
    memcpy(step.text, member->lead, front);
    memcpy(step.more, member->lead + front, bytes - front);
    step.mask       = (1u << front) - 1;
    step.slot_at    = (uint16_t)(slot * sizeof(tf_json_value_t));
    step.text_bytes = (uint8_t)front;
    step.more_bytes = (uint8_t)(bytes - front);
    step.more_form  = (uint8_t)form;
    step.form       = bytes > front ? FORM_LONG : (uint8_t)form;
  }
  order->steps[idx] = step;
  relink_steps(order, idx);
}

static const char *read_object(tf_json_t *json, tf_json_object_t *object, const char *p);

static const char *read_child(tf_json_t *json, tf_json_object_t *child, const char *p,
                              tf_json_value_t *value) {
  value->bytes = p;
  value_is(value, TF_JSON_OBJECT, TF_JSON_MADE_NONE, 0);
  p = read_object(json, child, p);
  if (p != NULL) value->bytes_cnt = (uint32_t)(p - value->bytes);
  return p;
}

/* p at '{': an item that stands alone. */
static const char *read_item(tf_json_t *json, tf_json_object_t *item, const char *p,
                             tf_json_value_t *value) {
  uint32_t first = json->row_cnt;
  p              = read_child(json, item, p, value);
  if (TF_UNLIKELY(p == NULL)) return NULL;
  item->on_item(json, item);
  if (TF_UNLIKELY(json->result != TF_JSON_OK)) return NULL;
  value_is(value, TF_JSON_OBJECT, TF_JSON_MADE_ITEMS, 0);
  value->as.levels.first = first;
  value->as.levels.cnt   = json->row_cnt - first;
  return p;
}

/* p at '['. An element that is no object is validated, and nothing was made then. */
static const char *read_items(tf_json_t *json, tf_json_object_t *item, const char *p,
                              tf_json_value_t *value) {
  const char *end = json->end;
  value->bytes    = p;
  value_is(value, TF_JSON_ARRAY, TF_JSON_MADE_ITEMS, 0);
  value->as.levels.first = json->row_cnt;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, end);
  for (bool is_empty = p < end && *p == ']'; !is_empty;) {
    if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (TF_LIKELY(*p == '{')) {
      p = read_object(json, item, p);
      if (TF_UNLIKELY(p == NULL)) return NULL;
      item->on_item(json, item);
      if (TF_UNLIKELY(json->result != TF_JSON_OK)) return NULL;
    } else {
      tf_json_value_t other;
      value->made = TF_JSON_MADE_NONE;
      p           = tf_json_skip_value(json, p, &other);
      if (p == NULL) return NULL;
    }
    p = tf_json_skip_space(p, end);
    if (p >= end || (*p != ',' && *p != ']')) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (*p == ']') break;
    p = tf_json_skip_space(p + 1, end);
  }
  json->depth--;
  value->bytes_cnt     = (uint32_t)(p + 1 - value->bytes);
  value->as.levels.cnt = json->row_cnt - value->as.levels.first;
  return p + 1;
}

/* One side at p, or what stands in its place. */
static const char *read_side(tf_json_t *json, tf_json_object_t *item, const char *p,
                             tf_json_value_t *side) {
  if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  if (p < json->end && *p == '[') return read_items(json, item, p, side);
  if (p < json->end && *p == '{') return read_item(json, item, p, side);
  p = tf_json_skip_value(json, p, side);
  if (p != NULL && side->kind == TF_JSON_NULL) {
    value_is(side, TF_JSON_NULL, TF_JSON_MADE_ITEMS, 0);
    side->as.levels.first = json->row_cnt;
    side->as.levels.cnt   = 0;
  }
  return p;
}

/* p at '['. Anything but two sides is validated, and nothing was made then. */
static const char *read_sides(tf_json_t *json, tf_json_object_t *item, const char *p,
                              tf_json_value_t sides[2]) {
  tf_json_value_t other = {.what = 0};
  const char     *first = p;
  uint32_t        cnt   = 0;
  bool            made  = true;
  value_is(&sides[1], TF_JSON_ABSENT, TF_JSON_MADE_NONE, 0);
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, json->end);
  for (bool is_empty = p < json->end && *p == ']'; !is_empty; cnt++) {
    tf_json_value_t *side = cnt < 2 ? &sides[cnt] : &other;
    p                     = read_side(json, item, p, side);
    if (p == NULL) return NULL;
    made &= side->made == TF_JSON_MADE_ITEMS;
    p = tf_json_skip_space(p, json->end);
    if (p >= json->end || (*p != ',' && *p != ']'))
      return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (*p == ']') {
      cnt++;
      break;
    }
    p = tf_json_skip_space(p + 1, json->end);
  }
  json->depth--;
  value_is(&sides[0], TF_JSON_ARRAY, made && cnt == 2 ? TF_JSON_MADE_ITEMS : TF_JSON_MADE_NONE, 0);
  sides[0].bytes     = first;
  sides[0].bytes_cnt = (uint32_t)(p + 1 - first);
  return p + 1;
}

static const char *read_value_any(tf_json_t *json, tf_json_object_t *object, uint32_t want,
                                  const char *p, tf_json_value_t *value) {
  switch ((tf_json_want_t)want) {
  case TF_JSON_WANT_U64: return read_u64_any(json, p, value);
  case TF_JSON_WANT_DECIMAL: return read_decimal_any(json, p, value);
  case TF_JSON_WANT_LEVELS:
    return *p == '[' ? read_levels(json, p, value) : read_decimal_any(json, p, value);
  case TF_JSON_WANT_WORD_LEVELS:
    if (*p == '[') return read_word_levels(json, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_OBJECT:
    if (*p == '{' && object->child != NULL) return read_child(json, object->child, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_SECOND:
    if (*p == '{' && object->second != NULL) return read_child(json, object->second, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_ITEM:
    if (*p == '{' && object->child != NULL) return read_item(json, object->child, p, value);
    if (*p == '[' && object->child != NULL) return read_items(json, object->child, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_ITEMS:
    if (*p == '[' && object->child != NULL) return read_items(json, object->child, p, value);
    return read_decimal_any(json, p, value);
  case TF_JSON_WANT_SIDES:
    if (*p == '[' && object->child != NULL) return read_sides(json, object->child, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_BYTES:
  case TF_JSON_WANT_TEXT: break;
  }
  return tf_json_skip_value(json, p, value);
}

/* One member in the general way, which is then learned; p as in find_member, idx the place in
 * order. Returns the first byte behind the value, or behind the object with *is_end set, or
 * NULL. */
TF_COLD static const char *read_member_any(tf_json_t *json, tf_json_object_t *object,
                                           tf_json_order_t *order, uint32_t member_idx,
                                           uint64_t *seen, const char *p, bool *is_end) {
  member_t member = {0};
  if (!find_member(json, object->shape, member_idx, p, &member)) return NULL;
  *is_end = member.is_end;
  if (member.is_end) return member.value;
  uint32_t         want         = TF_JSON_WANT_BYTES;
  bool             is_duplicate = false;
  tf_json_value_t *value        = &object->values[object->shape->key_cnt];
  if (member.key != TF_JSON_KEY_NONE) {
    is_duplicate = (*seen >> member.key & 1) != 0;
    json->duplicate_key_cnt += is_duplicate;
    if (!is_duplicate) {
      *seen |= UINT64_C(1) << member.key;
      want  = object->shape->keys[member.key].want;
      value = &object->values[member.key];
    }
  }
  if (order != NULL && member_idx < TF_JSON_STEPS_MAX) {
    learn_step(order, member_idx, object, &member, want, is_duplicate);
  }
  return read_value_any(json, object, want, member.value, value);
}

TF_INLINE const char *read_quoted(const tf_json_t *json, tf_json_step_t *step, const char *p,
                                  tf_json_value_t *value) {
  int8_t   exp   = 0;
  uint32_t bytes = read_guessed(p, json->floor, &step->guess, &value->as.mantissa, &exp);
  if (TF_UNLIKELY((bytes == 0) | (p[bytes] != '"'))) return NULL;
  value_is(value, TF_JSON_STRING, TF_JSON_MADE_DECIMAL, exp);
  return p + bytes + 1;
}

TF_INLINE const char *read_decimal(const tf_json_t *json, tf_json_step_t *step, const char *p,
                                   tf_json_value_t *value) {
  int8_t   exp   = 0;
  uint32_t bytes = read_guessed(p, json->floor, &step->guess, &value->as.mantissa, &exp);
  if (TF_UNLIKELY(bytes == 0 || !ends_number(p[bytes]))) return NULL;
  value_is(value, TF_JSON_NUMBER, TF_JSON_MADE_DECIMAL, exp);
  return p + bytes;
}

TF_INLINE const char *read_u64(tf_json_step_t *step, const char *p, tf_json_value_t *value) {
  uint32_t bytes = tf_decimal_u64_span(p);
  if (TF_UNLIKELY(p[bytes] != ',') && !ends_number(p[bytes])) return NULL;
  value->bytes     = p;
  value->bytes_cnt = bytes;
  if (TF_UNLIKELY(!guess(&bytes, &step->guess_bytes))) return NULL;
  value_is(value, TF_JSON_NUMBER, TF_JSON_MADE_U64, 0);
  return p + bytes;
}

/* Up to 31 bytes without escapes. */
TF_INLINE const char *read_text(tf_json_step_t *step, const char *p, tf_json_value_t *value) {
  uint32_t specials = tf_json_skip_specials_(p);
  if (specials == 0) specials = tf_json_skip_specials_(p + 16) << 16 | 1u << 31;
  uint32_t bytes = (uint32_t)__builtin_ctz(specials);
  if (TF_UNLIKELY(p[bytes] != '"')) return NULL;
  value->bytes     = p;
  value->bytes_cnt = bytes;
  value_is(value, TF_JSON_STRING, TF_JSON_MADE_NONE, 0);
  (void)guess(&bytes, &step->guess_bytes); /* an empty one is never guessed, and right */
  return p + bytes + 1;
}

TF_INLINE const char *read_literal(const char *p, tf_json_value_t *value) {
  uint32_t is_true  = load4(p) == BYTES4('t', 'r', 'u', 'e');
  uint32_t is_false = (load4(p) == BYTES4('f', 'a', 'l', 's')) & (p[4] == 'e');
  __asm__("" : "+r"(is_true), "+r"(is_false)); /* no branch: makers are as random as it gets */
  if (TF_UNLIKELY((is_true | is_false) == 0)) return NULL;
  value->bytes     = p;
  value->bytes_cnt = 4 + is_false;
  value->what      = TF_JSON_FALSE + is_true;
  return p + 4 + is_false;
}
TF_STATIC_ASSERT(TF_JSON_TRUE == TF_JSON_FALSE + 1, "read_literal adds");

/* Behind the first 16 bytes of a long key. */
TF_INLINE const char *read_long(const tf_json_t *json, tf_json_step_t *step, const char *p,
                                tf_json_value_t *value) {
  uint32_t mask = UINT32_MAX >> (32 - 8 * step->more_bytes); /* 1 to 4 bytes */
  if (TF_UNLIKELY(((load4(p) ^ load4(step->more)) & mask) != 0)) return NULL;
  p += step->more_bytes;
  switch ((form_t)step->more_form) {
  case FORM_QUOTED: return read_quoted(json, step, p, value);
  case FORM_TEXT: return read_text(step, p, value);
  case FORM_U64: return read_u64(step, p, value);
  default: return NULL;
  }
}

/* The value of a matched step; p is behind the step's text. NULL: it does not have the step's form
 * after all (nothing was done), or it failed and json->result is set. The usual forms are asked for
 * one by one: a switch over all took six instructions more a member. */
TF_INLINE const char *read_value(tf_json_t *json, tf_json_object_t *object, tf_json_step_t *step,
                                 const char *p, tf_json_value_t *value) {
  uint32_t form = step->form;
  if (form == FORM_U64) return read_u64(step, p, value);
  if (form == FORM_QUOTED) return read_quoted(json, step, p, value);
  if (form == FORM_TEXT) return read_text(step, p, value);
  __asm__("" : "+r"(form)); /* or the compiler makes one switch of it */
  switch ((form_t)form) {
  case FORM_LITERAL: return read_literal(p, value);
  case FORM_LEVELS: return *p == '[' ? read_levels(json, p, value) : NULL;
  case FORM_WORD_LEVELS: return *p == '[' ? read_word_levels(json, p, value) : NULL;
  case FORM_OBJECT: return *p == '{' ? read_child(json, object->child, p, value) : NULL;
  case FORM_SECOND: return *p == '{' ? read_child(json, object->second, p, value) : NULL;
  case FORM_ITEM: return *p == '{' ? read_item(json, object->child, p, value) : NULL;
  case FORM_DECIMAL: return read_decimal(json, step, p, value);
  case FORM_ITEMS: return *p == '[' ? read_items(json, object->child, p, value) : NULL;
  case FORM_LONG: return read_long(json, step, p, value);
  default: return NULL;
  }
}

/* p at '{'; behind the closing brace, or NULL. */
TF_INLINE const char *read_members(tf_json_t *json, tf_json_object_t *object, const char *p) {
  const char      *end      = json->end;
  tf_json_order_t *order    = object->orders == NULL ? NULL : pick_order(object->orders, p);
  tf_json_step_t  *steps    = order == NULL ? order_none.steps : order->steps;
  tf_json_step_t  *step     = steps;
  uint32_t         over_cnt = 0; /* members that no step is left for */
  uint64_t         seen     = 0; /* of the members that were read in the general way */
  for (;;) {
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (TF_LIKELY(step_matches(step, p))) {
      tf_json_value_t *value = (tf_json_value_t *)(void *)((char *)object->values + step->slot_at);
      const char      *next  = read_value(json, object, step, p + step->text_bytes, value);
      if (TF_LIKELY(next != NULL)) {
        step++;
        p = next;
        continue;
      }
      if (json->result != TF_JSON_OK) return NULL;
    } else if (*p == '}' && step > steps) {
      p++;
      break;
    }
    bool     is_end;
    uint32_t idx = (uint32_t)(step - steps);
    if (idx > 0) seen |= step[-1].seen;
    p = read_member_any(json, object, order, idx + over_cnt, &seen, p, &is_end);
    if (p == NULL) return NULL;
    if (is_end) break;
    if (idx < TF_JSON_STEPS_MAX) {
      step++;
    } else {
      over_cnt++;
    }
  }
  object->seen = step > steps ? seen | step[-1].seen : seen;
  return p;
}

__attribute__((noinline)) static const char *read_object(tf_json_t *json, tf_json_object_t *object,
                                                         const char *p) {
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = read_members(json, object, p);
  json->depth--;
  return p;
}

TF_COLD static const char *read_root_any(tf_json_t *json, tf_json_object_t *root, const char *p) {
  tf_json_value_t value;
  p           = tf_json_skip_space(p, json->end);
  json->depth = 0;
  if (p < json->end && *p == '{') return read_object(json, root, p);
  p               = tf_json_skip_value(json, p, &value);
  json->root_kind = p == NULL ? TF_JSON_ABSENT : value.kind;
  return p;
}

tf_json_result_t tf_json_read(tf_json_t *json, const char *bytes, size_t bytes_cnt,
                              tf_json_object_t *root) {
  const char *end         = bytes + bytes_cnt;
  json->floor             = bytes + 16;
  json->end               = end;
  json->depth             = 1;
  json->element_cnt       = 0;
  json->duplicate_key_cnt = 0;
  json->row_cnt           = 0;
  json->any_negative      = false;
  json->result            = TF_JSON_OK;
  json->root_kind         = TF_JSON_OBJECT;
  root->seen              = 0;
  if (root->child != NULL) root->child->seen = 0;

  const char *p = TF_LIKELY(bytes_cnt > 0 && *bytes == '{') ? read_members(json, root, bytes)
                                                            : read_root_any(json, root, bytes);
  if (TF_UNLIKELY(p == NULL)) return (tf_json_result_t)json->result;
  if (TF_UNLIKELY(p != end) && tf_json_skip_space(p, end) != end) json->result = TF_JSON_SYNTAX;
  return (tf_json_result_t)json->result;
}

void tf_json_orders_init(tf_json_orders_t *orders) {
  orders->form  = 0;
  orders->order = &orders->orders[0];
  for (uint32_t i = 0; i < TF_JSON_ORDERS_MAX; i++) orders->orders[i] = order_none;
}
