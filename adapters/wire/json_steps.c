#include "wire/json_steps.h"

#define TEXT_BYTES_MAX (TF_JSON_STEP_BYTES + TF_JSON_MORE_BYTES)
#define KEY_BYTES_MAX  (TEXT_BYTES_MAX - 4) /* lead, two quotes, colon */

tf_json_form_t tf_json_steps_form(const tf_json_object_t *object, uint32_t want, char c) {
  bool is_digit = (c >= '0' && c <= '9') || c == '-';
  bool is_plain = want == TF_JSON_WANT_TEXT || want == TF_JSON_WANT_BYTES;
  bool is_items = want == TF_JSON_WANT_ITEMS || want == TF_JSON_WANT_ITEM;
  bool is_number =
      want == TF_JSON_WANT_DECIMAL || want == TF_JSON_WANT_LEVELS || want == TF_JSON_WANT_ITEMS;
  if (c == '"')
    return is_plain || want == TF_JSON_WANT_ITEM ? TF_JSON_FORM_TEXT
           : is_number                           ? TF_JSON_FORM_QUOTED
                                                 : TF_JSON_FORM_ANY;
  if (is_digit && (want == TF_JSON_WANT_U64 || want == TF_JSON_WANT_ITEM)) return TF_JSON_FORM_U64;
  if (is_digit)
    return is_number ? TF_JSON_FORM_DECIMAL : is_plain ? TF_JSON_FORM_NUMBER : TF_JSON_FORM_ANY;
  if (is_plain && (c == 't' || c == 'f')) return TF_JSON_FORM_LITERAL;
  if (c == '[' && want == TF_JSON_WANT_LEVELS) return TF_JSON_FORM_LEVELS;
  if (c == '[' && want == TF_JSON_WANT_WORD_LEVELS) return TF_JSON_FORM_WORD_LEVELS;
  if (want == TF_JSON_WANT_ITEM && object->child != NULL && c == tf_json_opener(object->child))
    return TF_JSON_FORM_ITEM;
  if (c == '[' && is_items && object->child != NULL) return TF_JSON_FORM_ITEMS;
  if (c != '{') return TF_JSON_FORM_ANY;
  if (want == TF_JSON_WANT_SECOND && tf_json_is_object(object->second)) return TF_JSON_FORM_SECOND;
  return want == TF_JSON_WANT_OBJECT && tf_json_is_object(object->child) ? TF_JSON_FORM_OBJECT
                                                                         : TF_JSON_FORM_ANY;
}

/* ---- by key ---- */

/* Bytes of the key at p up to its quote, KEY_BYTES_MAX + 1 if there is none so near. */
static uint32_t key_span(const char *p) {
  uint32_t bytes = 0;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  for (; bytes <= KEY_BYTES_MAX; bytes += 16) {
    __m128i  v = _mm_loadu_si128((const __m128i *)(const void *)(p + bytes));
    uint32_t q = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote));
    if (q != 0) return bytes + (uint32_t)__builtin_ctz(q);
  }
#else
  while (bytes <= KEY_BYTES_MAX && p[bytes] != '"') bytes++;
#endif
  return bytes;
}
TF_STATIC_ASSERT(KEY_BYTES_MAX < 31, "two loads see it all, and stay within the padding");

/* Where the key of so many bytes at p begins to be looked for: its first and last eight bytes, mixed. */
static uint32_t place_of(const char *p, uint32_t bytes) {
  uint64_t word = tf_decimal_load8_(p);
  if (bytes < 8)
    word = bytes == 0 ? 0 : word << (64 - 8 * bytes);
  else
    word ^= tf_decimal_load8_(p + bytes - 8) * UINT64_C(0xd6e8feb86659fd93);
  return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 57);
}
TF_STATIC_ASSERT(TF_JSON_PLACES == 128, "the top seven bits of the product");

/* The step with exactly these bytes, whose key has so many; else NULL and the place that is free for it. */
static tf_json_step_t *look_up(tf_json_order_t *order, const char *lead, uint32_t key_bytes,
                               uint32_t *place) {
  uint32_t bytes = key_bytes + 4 + (lead[key_bytes + 4] == '"');
  for (*place = place_of(lead + 2, key_bytes); order->places[*place] != 0;
       *place = (*place + 1) % TF_JSON_PLACES) {
    tf_json_step_t *step = &order->steps[order->places[*place]];
    if (step->text_bytes != bytes || !tf_json_steps_match(step, lead)) continue;
    if (bytes <= TF_JSON_STEP_BYTES || tf_json_steps_match_more(step, lead)) return step;
  }
  return NULL;
}

tf_json_step_t *tf_json_steps_find(tf_json_order_t *order, const char *p, uint64_t seen) {
  uint32_t place, key_bytes = p[1] == '"' ? key_span(p + 2) : UINT32_MAX;
  if (key_bytes > KEY_BYTES_MAX) return NULL;
  tf_json_step_t *step = look_up(order, p, key_bytes, &place);
  return step != NULL && (step->bit & seen) == 0 ? step : NULL;
}

/* ---- what was new ---- */

void tf_json_steps_link(const tf_json_order_t *order, uint16_t next_at[TF_JSON_NEXT_CNT],
                        const tf_json_step_t *step) {
  uint16_t at = (uint16_t)((const char *)step - (const char *)order->steps), moved = at;
  for (uint32_t i = 0; i < TF_JSON_NEXT_CNT; i++) {
    uint16_t was = next_at[i];
    next_at[i]   = moved;
    if (was == at) return; /* it stood there */
    moved = was;
  }
}

static void forget(tf_json_order_t *order) {
  memset(order->places, 0, sizeof order->places);
  memset(order->first_at, 0, sizeof order->first_at);
  order->step_cnt    = 1;
  order->unknown_cnt = 0;
}

static tf_json_step_t step_new(void) {
  return (tf_json_step_t){.guess_bytes = TF_JSON_HOT_GUESS_NONE, .guess = TF_JSON_HOT_NO_FORM};
}

void tf_json_orders_init(tf_json_orders_t *orders) {
  memset(orders, 0, sizeof *orders);
  orders->order = &orders->orders[0];
  for (uint32_t i = 0; i <= TF_JSON_STEPS_MAX; i++) orders->order->steps[i] = step_new();
  for (uint32_t i = 0; i < TF_JSON_ORDERS_MAX; i++) {
    orders->orders[i].steps[0].mask = TF_JSON_STEPS_NO_MASK;
    forget(&orders->orders[i]);
  }
}

/* Room for one step more; what was learned before may be lost. False: there is never any. */
static bool make_room(tf_json_order_t *order, uint32_t key_cnt, bool is_known) {
  bool is_full = order->step_cnt > TF_JSON_STEPS_MAX;
  if (!is_known && key_cnt == TF_JSON_SHAPE_KEYS_MAX) return false; /* no bit is left */
  if (!is_known) is_full |= key_cnt + order->unknown_cnt == TF_JSON_SHAPE_KEYS_MAX;
  if (is_full) forget(order);
  return true;
}

tf_json_step_t *tf_json_steps_learn(tf_json_order_t *order, const tf_json_object_t *object,
                                    const tf_json_member_t *member) {
  uint32_t key_bytes = (uint32_t)(member->value - member->lead) - 4;
  uint32_t bytes     = key_bytes + 4 + (*member->value == '"');
  uint32_t front     = bytes < TF_JSON_STEP_BYTES ? bytes : TF_JSON_STEP_BYTES;
  uint32_t key_cnt   = object->shape->key_cnt, place;
  bool     is_known  = member->key != TF_JSON_KEY_NONE;
  uint32_t want      = is_known ? object->shape->keys[member->key].want : TF_JSON_WANT_BYTES;
  if (!member->is_plain || bytes > TEXT_BYTES_MAX) return NULL;
  if (!make_room(order, key_cnt, is_known)) return NULL;
  tf_json_step_t *step = look_up(order, member->lead, key_bytes, &place);
  if (step != NULL) return step;
  order->places[place] = (uint8_t)order->step_cnt;
  step                 = &order->steps[order->step_cnt++];
  *step                = step_new();
  step->bit            = UINT64_C(1) << (is_known ? member->key : 63u - order->unknown_cnt++);
  step->mask           = (1u << front) - 1;
  step->slot_at        = (uint16_t)((is_known ? member->key : key_cnt) * sizeof(tf_json_value_t));
  step->text_bytes     = (uint8_t)bytes;
  step->more_form      = (uint8_t)tf_json_steps_form(object, want, *member->value);
  step->form           = bytes > front ? TF_JSON_FORM_LONG : step->more_form;
  memcpy(step->text, member->lead, front);
  memcpy(step->more, member->lead + front, bytes - front);
  return step;
}
