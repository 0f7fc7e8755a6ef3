#include "wire/json.h"

#include "wire/json_layout.h"
#include "wire/json_levels.h"
#include "wire/json_steps.h"

static uint32_t key_of(const tf_json_shape_t *shape, const char *text, size_t text_bytes) {
  for (uint32_t i = 0; i < shape->key_cnt; i++) {
    const tf_json_key_t *key = &shape->keys[i];
    if (key->text_bytes == text_bytes && memcmp(key->text, text, text_bytes) == 0) return i;
  }
  return TF_JSON_KEY_NONE;
}

/* p behind a value, or at the opening brace. False: failed. */
static bool find_member(tf_json_t *json, const tf_json_shape_t *shape, bool is_first, const char *p,
                        tf_json_member_t *member) {
  const char *end = json->end;
  member->is_end  = false;
  p               = tf_json_skip_space(p, end);
  member->lead    = p;
  if (p >= end || (!is_first && *p != ',' && *p != '}')) {
    tf_json_skip_failed(json, TF_JSON_SYNTAX);
    return false;
  }
  if (*p != '}') p = tf_json_skip_space(p + 1, end);
  if (p < end && *p == '}' && (is_first || p == member->lead)) {
    member->is_end = true;
    member->value  = p + 1;
    return true;
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

static const char *read_object(tf_json_t *json, tf_json_object_t *object, const char *p);
static const char *read_tuple(tf_json_t *json, tf_json_object_t *tuple, const char *p);

static bool begins(const tf_json_object_t *item, char c) {
  return item != NULL && c == tf_json_opener(item);
}

/* p at its opener. */
static const char *read_object_or_tuple(tf_json_t *json, tf_json_object_t *item, const char *p) {
  return item->is_tuple ? read_tuple(json, item, p) : read_object(json, item, p);
}

/* p at '{'. */
static const char *read_child(tf_json_t *json, tf_json_object_t *child, const char *p,
                              tf_json_value_t *value) {
  value->bytes = p;
  tf_json_hot_value_is(value, TF_JSON_OBJECT, TF_JSON_MADE_NONE, 0);
  p = read_object(json, child, p);
  if (p != NULL) value->bytes_cnt = (uint32_t)(p - value->bytes);
  return p;
}

/* p at its opener: an item that stands alone. */
static const char *read_item(tf_json_t *json, tf_json_object_t *item, const char *p,
                             tf_json_value_t *value) {
  uint32_t first = json->row_cnt;
  value->bytes   = p;
  p              = read_object_or_tuple(json, item, p);
  if (TF_UNLIKELY(p == NULL)) return NULL;
  item->on_item(json, item);
  if (TF_UNLIKELY(json->result != TF_JSON_OK)) return NULL;
  tf_json_hot_value_is(value, item->is_tuple ? TF_JSON_ARRAY : TF_JSON_OBJECT, TF_JSON_MADE_ITEMS,
                       0);
  value->bytes_cnt       = (uint32_t)(p - value->bytes);
  value->as.levels.first = first;
  value->as.levels.cnt   = json->row_cnt - first;
  return p;
}

/* p at '['. An element that is no item is validated, and nothing was made then. */
static const char *read_items(tf_json_t *json, tf_json_object_t *item, const char *p,
                              tf_json_value_t *value) {
  const char *end = json->end;
  value->bytes    = p;
  tf_json_hot_value_is(value, TF_JSON_ARRAY, TF_JSON_MADE_ITEMS, 0);
  value->as.levels.first = json->row_cnt;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, end);
  for (bool is_empty = p < end && *p == ']'; !is_empty;) {
    if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    tf_json_object_t *element = tf_json_item_of(item, *p);
    if (TF_LIKELY(element != NULL)) {
      p = read_object_or_tuple(json, element, p);
      if (TF_UNLIKELY(p == NULL)) return NULL;
      element->on_item(json, element);
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

/* p at the opener of an item that may stand alone: `[[..], ..]` and `[]` are items, of tuples too. */
static const char *read_item_or_items(tf_json_t *json, tf_json_object_t *item, const char *p,
                                      tf_json_value_t *value) {
  if (item->is_tuple) {
    const char *first = tf_json_skip_space(p + 1, json->end);
    if (first < json->end && (*first == '[' || *first == ']'))
      return read_items(json, item, p, value);
  }
  return read_item(json, item, p, value);
}

/* One side at p, or what stands in its place. */
static const char *read_side(tf_json_t *json, tf_json_object_t *item, const char *p,
                             tf_json_value_t *side) {
  if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  if (p < json->end && *p == '[') return read_items(json, item, p, side);
  if (p < json->end && begins(item, *p)) return read_item(json, item, p, side);
  p = tf_json_skip_value(json, p, side);
  if (p != NULL && side->kind == TF_JSON_NULL) {
    tf_json_hot_value_is(side, TF_JSON_NULL, TF_JSON_MADE_ITEMS, 0);
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
  tf_json_hot_value_is(&sides[1], TF_JSON_ABSENT, TF_JSON_MADE_NONE, 0);
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
  tf_json_hot_value_is(&sides[0], TF_JSON_ARRAY,
                       made && cnt == 2 ? TF_JSON_MADE_ITEMS : TF_JSON_MADE_NONE, 0);
  sides[0].bytes     = first;
  sides[0].bytes_cnt = (uint32_t)(p + 1 - first);
  return p + 1;
}

static const char *read_value_any(tf_json_t *json, tf_json_object_t *object, uint32_t want,
                                  const char *p, tf_json_value_t *value) {
  switch ((tf_json_want_t)want) {
  case TF_JSON_WANT_U64: return tf_json_skip_u64(json, p, value);
  case TF_JSON_WANT_DECIMAL: return tf_json_skip_decimal(json, p, value);
  case TF_JSON_WANT_LEVELS:
    return *p == '[' ? tf_json_levels_read(json, p, value) : tf_json_skip_decimal(json, p, value);
  case TF_JSON_WANT_WORD_LEVELS:
    if (*p == '[') return tf_json_levels_read_worded(json, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_OBJECT:
    if (*p == '{' && tf_json_is_object(object->child))
      return read_child(json, object->child, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_SECOND:
    if (*p == '{' && tf_json_is_object(object->second))
      return read_child(json, object->second, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_ITEM:
    if (begins(object->child, *p)) return read_item_or_items(json, object->child, p, value);
    if (*p == '[' && object->child != NULL) return read_items(json, object->child, p, value);
    return tf_json_skip_u64(json, p, value);
  case TF_JSON_WANT_ITEMS:
    if (*p == '[' && object->child != NULL) return read_items(json, object->child, p, value);
    return tf_json_skip_decimal(json, p, value);
  case TF_JSON_WANT_SIDES:
    if (*p == '[' && object->child != NULL) return read_sides(json, object->child, p, value);
    return tf_json_skip_value(json, p, value);
  case TF_JSON_WANT_BYTES:
  case TF_JSON_WANT_TEXT: break;
  }
  return tf_json_skip_value(json, p, value);
}

/* ---- values of predicted members ---- */

/* A value that did not have its step's form: it is read in any, and the step takes its form. p is behind the step's
 * text. NULL with json->result OK: a string where there was none before, which is another step's, or a blank. */
TF_COLD static const char *read_value_again(tf_json_t *json, tf_json_object_t *object,
                                            tf_json_step_t *step, const char *p,
                                            tf_json_value_t *value) {
  uint32_t key       = (uint32_t)__builtin_ctzll(step->bit);
  bool     is_wanted = key < object->shape->key_cnt;
  uint32_t want      = is_wanted ? object->shape->keys[key].want : TF_JSON_WANT_BYTES;
  bool     is_quoted = p[-1] == '"';
  if (!is_quoted && (*p == '"' || (uint8_t)*p <= ' ')) return NULL;
  if (step->form == TF_JSON_FORM_LONG && !tf_json_steps_match_more(step, p - step->text_bytes))
    return NULL;
  p -= is_quoted;
  if (p >= json->end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  tf_json_form_t form = tf_json_steps_form(object, want, *p);
  if (form != TF_JSON_FORM_ANY) { /* null now and then is no reason */
    step->more_form = (uint8_t)form;
    if (step->form != TF_JSON_FORM_LONG) step->form = (uint8_t)form;
  }
  return read_value_any(json, object, want, p, value);
}

TF_INLINE bool is_over(char c, bool is_quoted) {
  return is_quoted ? c == '"' : tf_json_skip_ends_number(c);
}

/* A decimal with more digits than the hot reader takes, or a sign. */
__attribute__((noinline)) static const char *read_decimal_wide(const char *p, bool is_quoted,
                                                               tf_json_value_t *value) {
  int8_t   exp   = 0;
  uint32_t bytes = tf_decimal_read_wide(p, &value->as.mantissa, &exp);
  if (bytes == 0 || !is_over(p[bytes], is_quoted)) return NULL;
  tf_json_hot_value_is(value, is_quoted ? TF_JSON_STRING : TF_JSON_NUMBER, TF_JSON_MADE_DECIMAL,
                       exp);
  return p + bytes + is_quoted;
}

TF_INLINE const char *read_decimal(const tf_json_t *json, tf_json_step_t *step, const char *p,
                                   bool is_quoted, tf_json_value_t *value) {
  bool        is_made = tf_json_hot_decimal(p, json->floor, &step->guess, &value->as.mantissa);
  const char *stop    = p + step->guess.bytes;
  if (TF_UNLIKELY(!is_made || !is_over(*stop, is_quoted)))
    return read_decimal_wide(p, is_quoted, value);
  tf_json_hot_value_is(value, is_quoted ? TF_JSON_STRING : TF_JSON_NUMBER, TF_JSON_MADE_DECIMAL,
                       (int8_t)-step->guess.part);
  return stop + is_quoted;
}

/* 17 to 19 digits, which fit 64 bits whatever they are; 0: not so many. */
static uint32_t wide_span(const char *p) {
  uint32_t bytes = 16 + ((uint32_t)__builtin_ctz(tf_decimal_breaks_(p + 16)));
  return *p != '0' && bytes > 16 && bytes < 20 ? bytes : 0;
}

TF_INLINE const char *read_u64(tf_json_step_t *step, const char *p, tf_json_value_t *value) {
  uint32_t bytes = tf_decimal_u64_span(p);
  if (TF_UNLIKELY(p[bytes] != ',') && !tf_json_skip_ends_number(p[bytes])) {
    bytes = bytes == 16 ? wide_span(p) : 0;
    if (bytes == 0 || !tf_json_skip_ends_number(p[bytes])) return NULL;
  }
  value->bytes     = p;
  value->bytes_cnt = bytes;
  if (TF_UNLIKELY(!tf_json_hot_guess(&bytes, &step->guess_bytes))) return NULL;
  tf_json_hot_value_is(value, TF_JSON_NUMBER, TF_JSON_MADE_U64, 0);
  return p + bytes;
}

TF_INLINE const char *read_number(tf_json_step_t *step, const char *p, tf_json_value_t *value) {
  uint32_t bytes = tf_decimal_span(p);
  if (TF_UNLIKELY(!tf_json_skip_ends_number(p[bytes]))) return NULL;
  value->bytes     = p;
  value->bytes_cnt = bytes;
  if (TF_UNLIKELY(!tf_json_hot_guess(&bytes, &step->guess_bytes))) return NULL;
  tf_json_hot_value_is(value, TF_JSON_NUMBER, TF_JSON_MADE_NONE, 0);
  return p + bytes;
}

/* Up to 31 bytes without escapes; others the longer way round. */
TF_INLINE const char *read_text(tf_json_t *json, tf_json_step_t *step, const char *p,
                                tf_json_value_t *value) {
  uint32_t specials = tf_json_skip_specials_(p);
  if (specials == 0) specials = tf_json_skip_specials_(p + 16) << 16 | 1u << 31;
  uint32_t bytes = (uint32_t)__builtin_ctz(specials);
  if (TF_UNLIKELY(p[bytes] != '"')) {
    if (p - 1 >= json->end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    return tf_json_skip_value(json, p - 1, value);
  }
  value->bytes     = p;
  value->bytes_cnt = bytes;
  tf_json_hot_value_is(value, TF_JSON_STRING, TF_JSON_MADE_NONE, 0);
  (void)tf_json_hot_guess(&bytes,
                          &step->guess_bytes); /* an empty one is never guessed, and right */
  return p + bytes + 1;
}

TF_INLINE const char *read_literal(const char *p, tf_json_value_t *value) {
  uint32_t text     = tf_json_hot_load4(p);
  uint32_t is_true  = text == TF_JSON_HOT_BYTES4('t', 'r', 'u', 'e');
  uint32_t is_false = (text == TF_JSON_HOT_BYTES4('f', 'a', 'l', 's')) & (p[4] == 'e');
  __asm__("" : "+r"(is_true), "+r"(is_false)); /* no branch: makers are as random as it gets */
  if (TF_UNLIKELY((is_true | is_false) == 0)) return NULL;
  value->bytes     = p;
  value->bytes_cnt = 4 + is_false;
  value->what      = TF_JSON_FALSE + is_true;
  return p + 4 + is_false;
}
TF_STATIC_ASSERT(TF_JSON_TRUE == TF_JSON_FALSE + 1, "read_literal adds");

static const char *read_long(tf_json_t *json, tf_json_object_t *object, tf_json_step_t *step,
                             const char *p, tf_json_value_t *value);

/* p is behind the step's text. The usual forms are asked for one by one: a switch over all took six instructions
 * more a member. NULL with json->result OK: it does not have this form after all, and nothing was done. */
TF_INLINE const char *read_form(tf_json_t *json, tf_json_object_t *object, tf_json_step_t *step,
                                uint32_t form, const char *p, tf_json_value_t *value) {
  if (form == TF_JSON_FORM_U64) return read_u64(step, p, value);
  if (form == TF_JSON_FORM_QUOTED) return read_decimal(json, step, p, true, value);
  if (form == TF_JSON_FORM_TEXT) return read_text(json, step, p, value);
  __asm__("" : "+r"(form)); /* or the compiler makes one switch of it */
  switch ((tf_json_form_t)form) {
  case TF_JSON_FORM_LITERAL: return read_literal(p, value);
  case TF_JSON_FORM_LEVELS: return *p == '[' ? tf_json_levels_read(json, p, value) : NULL;
  case TF_JSON_FORM_WORD_LEVELS:
    return *p == '[' ? tf_json_levels_read_worded(json, p, value) : NULL;
  case TF_JSON_FORM_OBJECT:
    if (*p != '{' || object->child == NULL) return NULL;
    return read_child(json, object->child, p, value);
  case TF_JSON_FORM_SECOND:
    if (*p != '{' || object->second == NULL) return NULL;
    return read_child(json, object->second, p, value);
  case TF_JSON_FORM_ITEM:
    return begins(object->child, *p) ? read_item_or_items(json, object->child, p, value) : NULL;
  case TF_JSON_FORM_NUMBER: return read_number(step, p, value);
  case TF_JSON_FORM_DECIMAL: return read_decimal(json, step, p, false, value);
  case TF_JSON_FORM_ITEMS:
    if (*p != '[' || object->child == NULL) return NULL;
    return read_items(json, object->child, p, value);
  case TF_JSON_FORM_LONG: return read_long(json, object, step, p, value);
  default: return NULL;
  }
}

/* Where the front of a long key matched. */
__attribute__((noinline)) static const char *read_long(tf_json_t *json, tf_json_object_t *object,
                                                       tf_json_step_t *step, const char *p,
                                                       tf_json_value_t *value) {
  if (step->more_form == TF_JSON_FORM_LONG) return NULL; /* never learned so */
  if (!tf_json_steps_match_more(step, p - step->text_bytes)) return NULL;
  return read_form(json, object, step, step->more_form, p, value);
}

/* The value of a step whose front matched, p at its brace or comma. NULL with json->result OK: the member is
 * another's. */
TF_INLINE const char *read_value(tf_json_t *json, tf_json_object_t *object, tf_json_step_t *step,
                                 const char *p) {
  tf_json_value_t *value = (tf_json_value_t *)(void *)((char *)object->values + step->slot_at);
  p += step->text_bytes;
  const char *behind = read_form(json, object, step, step->form, p, value);
  if (TF_LIKELY(behind != NULL) || json->result != TF_JSON_OK) return behind;
  return read_value_again(json, object, step, p, value);
}

/* ---- objects ---- */

/* Where a scan is in an object. */
typedef struct {
  uint64_t        seen;
  uint32_t        unseen_cnt; /* members that are in no bit of seen: repeated, or not predicted */
  bool            is_first, is_end;
  tf_json_step_t *step; /* that is predicted */
  uint16_t       *next; /* where those that may stand here are kept; NULL: nowhere */
} place_t;

/* So many members may be in no bit before prediction ends: as many as seen has bits may follow uncounted. */
#define UNSEEN_MAX (TF_JSON_KEYS_MAX - 64)

/* Matches nothing, and is never written. */
static tf_json_step_t step_none = {.mask = TF_JSON_STEPS_NO_MASK};

/* One member in the general way, which is then learned; p behind a value, or at the opening brace. Returns the first
 * byte behind the value, or behind the object with is_end set, or NULL. */
TF_COLD static const char *read_member_any(tf_json_t *json, tf_json_object_t *object,
                                           tf_json_order_t *order, place_t *place, const char *p) {
  tf_json_member_t member = {0};
  if (!find_member(json, object->shape, place->is_first, p, &member)) return NULL;
  place->is_end = member.is_end;
  if (member.is_end) return member.value;
  if ((uint32_t)__builtin_popcountll(place->seen) + place->unseen_cnt >= TF_JSON_KEYS_MAX)
    return tf_json_skip_failed(json, TF_JSON_LIMIT);
  uint64_t         bit          = member.key == TF_JSON_KEY_NONE ? 0 : UINT64_C(1) << member.key;
  bool             is_duplicate = (place->seen & bit) != 0, is_wanted = bit != 0 && !is_duplicate;
  uint32_t         want  = is_wanted ? object->shape->keys[member.key].want : TF_JSON_WANT_BYTES;
  tf_json_value_t *value = &object->values[is_wanted ? member.key : object->shape->key_cnt];
  place->seen |= bit;
  place->unseen_cnt += !is_wanted;
  json->duplicate_key_cnt += is_duplicate;
  bool            may_learn = order != NULL && !is_duplicate && place->unseen_cnt <= UNSEEN_MAX;
  tf_json_step_t *step      = may_learn ? tf_json_steps_learn(order, object, &member) : NULL;
  if (step != NULL && place->next != NULL) tf_json_steps_link(order, place->next, step);
  place->next = step != NULL ? step->next_at : NULL;
  place->step = step != NULL ? tf_json_steps_of(order, step->next_at[0]) : &step_none;
  return read_value_any(json, object, want, member.value, value);
}

/* The member at p is none of those that came here before: perhaps another that is known. */
TF_COLD static bool find_step(tf_json_order_t *order, const char *p, place_t *place) {
  if (order == NULL || place->unseen_cnt > UNSEEN_MAX || (*p == '{') != place->is_first)
    return false;
  tf_json_step_t *step = tf_json_steps_find(order, p, place->seen);
  if (step == NULL || step == place->step) return false;
  if (place->next != NULL) tf_json_steps_link(order, place->next, step);
  place->step = step;
  return true;
}

TF_INLINE bool is_here(const tf_json_step_t *step, const char *p, uint64_t seen) {
  return tf_json_steps_match(step, p) && (seen & step->bit) == 0;
}

/* The member at p is not the predicted one, but perhaps another that came in its place; that moves up. NULL: none. */
TF_INLINE tf_json_step_t *turn_step(tf_json_order_t *order, uint16_t *next, const char *p,
                                    uint64_t seen) {
  for (uint32_t i = 1; i < TF_JSON_NEXT_CNT; i++) {
    uint16_t        at   = next[i];
    tf_json_step_t *step = tf_json_steps_of(order, at);
    if (!is_here(step, p, seen)) continue;
    next[i]     = next[i - 1];
    next[i - 1] = at;
    return step;
  }
  return NULL;
}

/* p at '{'; behind the closing brace, or NULL. */
TF_INLINE const char *read_members(tf_json_t *json, tf_json_object_t *object, const char *p) {
  const char      *end = json->end, *first = p;
  tf_json_order_t *order = object->orders != NULL ? tf_json_steps_pick(object->orders, p) : NULL;
  uint16_t        *next  = order != NULL ? order->first_at : NULL;
  tf_json_step_t  *step  = order != NULL ? tf_json_steps_of(order, *next) : &step_none;
  uint64_t         seen  = 0;
  uint32_t         unseen_cnt = 0;
  for (;;) {
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    if (TF_UNLIKELY(!is_here(step, p, seen))) {
      if (*p == '}') {
        p++;
        break;
      }
      step = next != NULL ? turn_step(order, next, p, seen) : NULL;
    }
    if (TF_LIKELY(step != NULL)) {
      const char *behind = read_value(json, object, step, p);
      if (TF_LIKELY(behind != NULL)) {
        seen |= step->bit;
        next = step->next_at;
        step = tf_json_steps_of(order, *next);
        p    = behind;
        continue;
      }
      if (json->result != TF_JSON_OK) return NULL;
    }
    place_t place = {
        .seen = seen, .unseen_cnt = unseen_cnt, .is_first = p == first, .step = step, .next = next};
    if (!find_step(order, p, &place)) p = read_member_any(json, object, order, &place, p);
    if (p == NULL) return NULL;
    if (place.is_end) break;
    seen       = place.seen;
    unseen_cnt = place.unseen_cnt;
    step       = place.step;
    next       = place.next;
  }
  object->seen = seen;
  return p;
}

/* ---- tuples ---- */

/* An element in any form, which is its step's from now on. */
static const char *read_element_any(tf_json_t *json, tf_json_object_t *tuple, tf_json_step_t *step,
                                    uint32_t at, const char *p, tf_json_value_t *value) {
  bool     is_wanted = at < tuple->shape->key_cnt;
  uint32_t want      = is_wanted ? tuple->shape->keys[at].want : TF_JSON_WANT_BYTES;
  if (step != NULL) step->form = (uint8_t)tf_json_steps_form(tuple, want, *p);
  return read_value_any(json, tuple, want, p, value);
}

TF_INLINE const char *read_element(tf_json_t *json, tf_json_object_t *tuple, uint32_t at,
                                   const char *p) {
  uint32_t         key_cnt = tuple->shape->key_cnt;
  tf_json_value_t *value   = &tuple->values[at < key_cnt ? at : key_cnt];
  if (TF_UNLIKELY(tuple->orders == NULL)) return read_element_any(json, tuple, NULL, at, p, value);
  uint32_t        place     = at < TF_JSON_STEPS_MAX ? at : TF_JSON_STEPS_MAX;
  tf_json_step_t *step      = &tuple->orders->orders[0].steps[place];
  uint32_t        form      = step->form;
  bool            is_quoted = form == TF_JSON_FORM_TEXT || form == TF_JSON_FORM_QUOTED;
  if (TF_LIKELY(!is_quoted || *p == '"')) {
    const char *behind = read_form(json, tuple, step, form, p + is_quoted, value);
    if (TF_LIKELY(behind != NULL) || json->result != TF_JSON_OK) return behind;
  }
  return read_element_any(json, tuple, step, at, p, value);
}

/* p at '['; behind the closing bracket, or NULL. */
__attribute__((noinline)) static const char *read_tuple(tf_json_t *json, tf_json_object_t *tuple,
                                                        const char *p) {
  const char *end = json->end;
  uint32_t    cnt = 0;
  if (++json->depth > TF_JSON_DEPTH_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  p = tf_json_skip_space(p + 1, end);
  for (bool is_empty = p < end && *p == ']'; !is_empty;) {
    if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
    if (TF_UNLIKELY(p >= end)) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    p = read_element(json, tuple, cnt++, p);
    if (TF_UNLIKELY(p == NULL)) return NULL;
    if (TF_UNLIKELY(*p != ',')) {
      p = tf_json_skip_space(p, end);
      if (TF_UNLIKELY(p >= end || (*p != ',' && *p != ']')))
        return tf_json_skip_failed(json, TF_JSON_SYNTAX);
      if (*p == ']') break;
    }
    p = tf_json_skip_space(p + 1, end); /* a comma behind the end is seen at the next element */
  }
  json->depth--;
  tuple->seen = cnt < 64 ? (UINT64_C(1) << cnt) - 1 : UINT64_MAX;
  return p + 1;
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
  if (p < json->end && *p == tf_json_opener(root)) {
    json->root_kind = root->is_tuple ? TF_JSON_ARRAY : TF_JSON_OBJECT;
    return read_object_or_tuple(json, root, p);
  }
  p               = tf_json_skip_value(json, p, &value);
  json->root_kind = p == NULL ? TF_JSON_ABSENT : value.kind;
  return p;
}

TF_INLINE tf_json_result_t read_message(tf_json_t *json, const char *bytes, size_t bytes_cnt,
                                        tf_json_object_t *root) {
  bool        is_object = bytes_cnt > 0 && *bytes == '{' && !root->is_tuple;
  const char *end       = json->end;
  const char *p =
      TF_LIKELY(is_object) ? read_members(json, root, bytes) : read_root_any(json, root, bytes);
  if (TF_UNLIKELY(p == NULL)) return (tf_json_result_t)json->result;
  if (TF_UNLIKELY(p != end) && tf_json_skip_space(p, end) != end) json->result = TF_JSON_SYNTAX;
  return (tf_json_result_t)json->result;
}

/* Apart, so that whoever has no layouts does not pay for them. */
__attribute__((noinline)) static tf_json_result_t
read_known(tf_json_t *json, const char *bytes, size_t bytes_cnt, tf_json_object_t *root) {
  const tf_json_layout_t *layout = tf_json_layout_find(root->layouts, bytes, bytes_cnt);
  if (TF_LIKELY(layout != NULL)) {
    json->root_kind = root->is_tuple ? TF_JSON_ARRAY : TF_JSON_OBJECT;
    return tf_json_layout_take(layout, json, bytes);
  }
  tf_json_result_t result = read_message(json, bytes, bytes_cnt, root);
  if (result == TF_JSON_OK) tf_json_layout_learn(root->layouts, json, bytes, bytes_cnt, root);
  return result;
}

tf_json_result_t tf_json_read(tf_json_t *json, const char *bytes, size_t bytes_cnt,
                              tf_json_object_t *root) {
  json->floor             = bytes + 16;
  json->end               = bytes + bytes_cnt;
  json->depth             = 1;
  json->element_cnt       = 0;
  json->duplicate_key_cnt = 0;
  json->row_cnt           = 0;
  json->any_negative      = false;
  json->result            = TF_JSON_OK;
  json->root_kind         = TF_JSON_OBJECT;
  root->seen              = 0;
  if (root->child != NULL) root->child->seen = 0;
  if (root->layouts != NULL) return read_known(json, bytes, bytes_cnt, root);
  return read_message(json, bytes, bytes_cnt, root);
}
