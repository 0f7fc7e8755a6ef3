#include "wire/json_hot.h"
#include "wire/json_layout.h"

/* A message goes over once more, slowly: it is known to be valid, without escapes and repeated keys. A byte is what it was
 * unless it is painted as a digit or as one of a word; takes are put in the order in which the general way takes. */

/* Digits of one number: none that the general way would refuse for their count. */
#define DIGITS_MAX 40u

typedef struct {
  tf_json_layout_t           *layout;
  const tf_json_layout_way_t *way;
  const char                 *bytes, *end;
} learner_t;

/* ---- bytes ---- */

static void paint(learner_t *l, const char *p, const char *stop, uint8_t least, uint8_t most) {
  for (; p < stop; p++) {
    size_t           at    = (size_t)(p - l->bytes);
    tf_json_block_t *block = &l->layout->blocks[at / 64];
    block->least[at % 64]  = least;
    block->most[at % 64]   = most;
  }
}

/* As it stands. */
static void paint_all(learner_t *l) {
  tf_json_layout_t *layout = l->layout;
  uint32_t          left   = (uint32_t)(l->end - l->bytes);
  layout->block_cnt        = (uint8_t)((left + 63) / 64);
  for (uint32_t i = 0; i < layout->block_cnt; i++, left -= 64) {
    tf_json_block_t *block = &layout->blocks[i];
    memcpy(block->least, l->bytes + (size_t)i * 64, 64); /* TF_BYTES_PAD: behind the end too */
    memcpy(block->most, block->least, 64);
    block->inside = left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
    block->quotes = l->way->places(l->bytes + (size_t)i * 64).quotes & block->inside;
  }
}

/* A number without a power of ten. */
typedef struct {
  uint32_t bytes, part; /* without its sign, behind the point */
  bool     is_negative;
} number_t;

static const char *digits(const char *p, const char *end) {
  while (p < end && *p >= '0' && *p <= '9') p++;
  return p;
}

/* The number that begins at p, painted. Behind it; NULL: it is none of that kind. */
static const char *learn_number(learner_t *l, const char *p, number_t *n) {
  n->is_negative    = *p == '-';
  const char *first = p + n->is_negative, *whole = digits(first, l->end), *stop = whole;
  if (whole < l->end && *whole == '.') stop = digits(whole + 1, l->end);
  n->bytes     = (uint32_t)(stop - first);
  n->part      = stop > whole ? (uint32_t)(stop - whole) - 1 : 0;
  bool has_all = whole > first && (stop == whole || n->part > 0) && n->bytes <= DIGITS_MAX;
  if (!has_all || stop == l->end || *stop == 'e' || *stop == 'E') return NULL;
  if (whole - first > 1 && *first == '0') return NULL;
  paint(l, first, first + 1, whole - first > 1 ? '1' : '0', '9');
  paint(l, first + 1, whole, '0', '9');
  paint(l, whole + 1, stop, '0', '9');
  return stop;
}

/* p at the opening quote; behind the closing one. */
static const char *learn_word(learner_t *l, const char *p) {
  const char *stop = memchr(p + 1, '"', (size_t)(l->end - p - 1));
  paint(l, p + 1, stop, ' ', UINT8_MAX);
  return stop + 1;
}

static const char *skip_space(const learner_t *l, const char *p) {
  return tf_json_skip_space(p, l->end);
}

static const char *learn_literal(const learner_t *l, const char *p) {
  while (p < l->end && *p >= 'a' && *p <= 'z') p++;
  return p;
}

/* Any value at p, of which nothing is taken. */
static const char *learn_unwanted(learner_t *l, const char *p, uint32_t depth) {
  number_t unused;
  char     closer = *p == '{' ? '}' : ']';
  if (*p == '"') return learn_word(l, p);
  if (*p >= 'a' && *p <= 'z') return learn_literal(l, p);
  if (*p != '{' && *p != '[') return learn_number(l, p, &unused);
  if (depth == TF_JSON_DEPTH_MAX) return NULL;
  for (p = skip_space(l, p + 1); *p != closer; p = skip_space(l, p)) {
    if (*p == ',') p = skip_space(l, p + 1);
    if (closer == '}') { /* a key stays as it is */
      p = (const char *)memchr(p + 1, '"', (size_t)(l->end - p - 1)) + 1;
      p = skip_space(l, skip_space(l, p) + 1);
    }
    p = learn_unwanted(l, p, depth + 1);
    if (p == NULL) return NULL;
  }
  return p + 1;
}

/* ---- takes ---- */

static bool put(learner_t *l, tf_json_take_t take) {
  if (l->layout->take_cnt == TF_JSON_LAYOUT_TAKES) return false;
  l->layout->takes[l->layout->take_cnt++] = take;
  return true;
}

static tf_json_take_t take_of(const learner_t *l, tf_json_take_kind_t kind, const char *p,
                              const char *stop) {
  return (tf_json_take_t){
      .kind = (uint8_t)kind, .at = (uint16_t)(p - l->bytes), .bytes = (uint16_t)(stop - p)};
}

/* [p, stop), a string's without its quotes. */
static bool put_span(learner_t *l, const char *p, const char *stop, uint8_t kind, uint8_t made,
                     tf_json_value_t *value) {
  tf_json_take_t take = take_of(l, TF_JSON_TAKE_SPAN, p, stop);
  take.what           = (uint32_t)kind | (uint32_t)made << 8;
  take.value          = value;
  return put(l, take);
}

static bool put_decimal(learner_t *l, const char *p, const number_t *n, uint8_t kind,
                        tf_json_value_t *value) {
  bool           is_wide = n->bytes > 16;
  const char    *first   = p + (n->is_negative && !is_wide);
  tf_json_take_t take    = take_of(l, is_wide ? TF_JSON_TAKE_WIDE : TF_JSON_TAKE_DECIMAL, first,
                                   p + n->is_negative + n->bytes);
  take.part              = (uint8_t)n->part;
  take.is_negative       = n->is_negative;
  take.value             = value;
  take.what              = (uint32_t)kind | TF_JSON_MADE_DECIMAL << 8;
  if (!is_wide) take.what |= (0u - n->part) << 24;
  return put(l, take);
}

static bool put_rows(learner_t *l, tf_json_take_kind_t kind, const char *p, const char *stop,
                     uint32_t what, tf_json_value_t *value) {
  tf_json_take_t take = take_of(l, kind, p, stop);
  take.what           = what;
  take.value          = value;
  return put(l, take);
}

static bool put_seen(learner_t *l, tf_json_take_kind_t kind, tf_json_object_t *object,
                     uint64_t seen) {
  return put(l, (tf_json_take_t){.kind = (uint8_t)kind, .object = object, .seen = seen});
}

/* ---- levels ---- */

/* A price or a quantity. */
static const char *learn_level_part(learner_t *l, const char *p, tf_json_take_kind_t kind) {
  number_t    n;
  bool        is_quoted = *p == '"';
  const char *stop      = learn_number(l, p + is_quoted, &n);
  if (stop == NULL || n.is_negative || n.bytes > 16 || (is_quoted && *stop != '"')) return NULL;
  tf_json_take_t take = take_of(l, kind, p + is_quoted, stop);
  take.part           = (uint8_t)n.part;
  return put(l, take) ? stop + is_quoted : NULL;
}

/* p at the bracket of one. */
static const char *learn_level(learner_t *l, const char *p, bool may_have_word) {
  if (*p != '[') return NULL;
  uint32_t at = 0;
  for (p = skip_space(l, p + 1); *p != ']'; p = skip_space(l, p)) {
    if (*p == ',') p = skip_space(l, p + 1);
    if (at == 0 && may_have_word && *p == '"') {
      p             = learn_word(l, p);
      may_have_word = false;
      continue;
    }
    p = at == 0   ? learn_level_part(l, p, TF_JSON_TAKE_PRICE)
        : at == 1 ? learn_level_part(l, p, TF_JSON_TAKE_QTY)
                  : learn_unwanted(l, p, 1);
    if (p == NULL) return NULL;
    at++;
  }
  return at >= 2 ? p + 1 : NULL;
}

static const char *learn_levels(learner_t *l, const char *p, bool may_have_word,
                                tf_json_value_t *value) {
  const char *first = p;
  if (!put_rows(l, TF_JSON_TAKE_ROWS_FROM, p, p, 0, value)) return NULL;
  for (p = skip_space(l, p + 1); *p != ']'; p = skip_space(l, p)) {
    if (*p == ',') p = skip_space(l, p + 1);
    p = learn_level(l, p, may_have_word);
    if (p == NULL) return NULL;
  }
  uint32_t what = TF_JSON_ARRAY | TF_JSON_MADE_LEVELS << 8;
  return put_rows(l, TF_JSON_TAKE_ROWS_TO, first, p + 1, what, value) ? p + 1 : NULL;
}

/* ---- objects ---- */

/* A key's place and what it wants. */
typedef struct {
  tf_json_object_t *object;
  tf_json_value_t  *value;
  uint32_t          want;
  uint32_t          depth;
} spot_t;

static const char *learn_inside(learner_t *l, tf_json_object_t *object, uint32_t depth,
                                const char *p, uint64_t *seen);

/* The layout holds while the object leads where it does now. */
static bool guard(learner_t *l, const tf_json_object_t *object) {
  tf_json_layout_t *layout = l->layout;
  for (uint32_t i = 0; i < layout->guard_cnt; i++)
    if (layout->guards[i].object == object) return true;
  if (layout->guard_cnt == TF_JSON_LAYOUT_GUARDS) return false;
  layout->guards[layout->guard_cnt].object   = object;
  layout->guards[layout->guard_cnt].child    = object->child;
  layout->guards[layout->guard_cnt++].second = object->second;
  return true;
}

static const char *learn_child(learner_t *l, const spot_t *spot, tf_json_object_t *child,
                               const char *p) {
  uint64_t    seen;
  const char *stop = learn_inside(l, child, spot->depth + 1, p, &seen);
  if (stop == NULL || !put_seen(l, TF_JSON_TAKE_SEEN, child, seen)) return NULL;
  return put_span(l, p, stop, TF_JSON_OBJECT, TF_JSON_MADE_NONE, spot->value) ? stop : NULL;
}

static const char *learn_item(learner_t *l, tf_json_object_t *item, uint32_t depth, const char *p) {
  uint64_t    seen;
  const char *stop = learn_inside(l, item, depth, p, &seen);
  return stop != NULL && put_seen(l, TF_JSON_TAKE_ITEM, item, seen) ? stop : NULL;
}

/* p at '[' before elements that are no items, which are passed over. */
static const char *learn_no_items(learner_t *l, const spot_t *spot, tf_json_object_t *item,
                                  const char *p) {
  const char *first = p;
  for (p = skip_space(l, p + 1); *p != ']'; p = skip_space(l, p)) {
    if (*p == ',') p = skip_space(l, p + 1);
    p = tf_json_item_of(item, *p) == NULL ? learn_unwanted(l, p, spot->depth + 1) : NULL;
    if (p == NULL) return NULL;
  }
  bool is_put = put_span(l, first, p + 1, TF_JSON_ARRAY, TF_JSON_MADE_NONE, spot->value);
  return is_put ? p + 1 : NULL;
}

/* p at '[', or at an item that stands alone. */
static const char *learn_items(learner_t *l, const spot_t *spot, tf_json_object_t *item,
                               bool is_alone, const char *p) {
  const char *first   = p;
  uint32_t    what    = (*p == '{' ? TF_JSON_OBJECT : TF_JSON_ARRAY) | TF_JSON_MADE_ITEMS << 8;
  const char *element = skip_space(l, p + 1);
  if (!is_alone && *element != ']' && tf_json_item_of(item, *element) == NULL)
    return learn_no_items(l, spot, item, p);
  if (!put_rows(l, TF_JSON_TAKE_ROWS_FROM, p, p, 0, spot->value)) return NULL;
  if (is_alone) {
    p = learn_item(l, item, spot->depth + 1, p);
  } else {
    for (p = skip_space(l, p + 1); p != NULL && *p != ']'; p = p ? skip_space(l, p) : p) {
      if (*p == ',') p = skip_space(l, p + 1);
      tf_json_object_t *one = tf_json_item_of(item, *p);
      p                     = one != NULL ? learn_item(l, one, spot->depth + 2, p) : NULL;
    }
    p = p != NULL ? p + 1 : NULL;
  }
  if (p == NULL) return NULL;
  return put_rows(l, TF_JSON_TAKE_ROWS_TO, first, p, what, spot->value) ? p : NULL;
}

/* Of no table. */
static const char *learn_any_nested(learner_t *l, const spot_t *spot, const char *p) {
  const char *stop = learn_unwanted(l, p, spot->depth);
  uint8_t     kind = *p == '{' ? TF_JSON_OBJECT : TF_JSON_ARRAY;
  if (stop == NULL) return NULL;
  return put_span(l, p, stop, kind, TF_JSON_MADE_NONE, spot->value) ? stop : NULL;
}

/* p at a brace or bracket, as json.c's read_value_any. */
static const char *learn_nested(learner_t *l, const spot_t *spot, const char *p) {
  tf_json_object_t *child = spot->object->child, *second = spot->object->second;
  bool              is_array = *p == '[', begins = child != NULL && *p == tf_json_opener(child);
  if (!guard(l, spot->object)) return NULL;
  switch ((tf_json_want_t)spot->want) {
  case TF_JSON_WANT_LEVELS:
  case TF_JSON_WANT_WORD_LEVELS:
    if (!is_array) break;
    return learn_levels(l, p, spot->want == TF_JSON_WANT_WORD_LEVELS, spot->value);
  case TF_JSON_WANT_OBJECT:
    if (!is_array && tf_json_is_object(child)) return learn_child(l, spot, child, p);
    break;
  case TF_JSON_WANT_SECOND:
    if (!is_array && tf_json_is_object(second)) return learn_child(l, spot, second, p);
    break;
  case TF_JSON_WANT_ITEM: {
    const char *first = skip_space(l, p + 1);
    if (begins && !(is_array && (*first == '[' || *first == ']')))
      return learn_items(l, spot, child, true, p);
    if (is_array && child != NULL) return learn_items(l, spot, child, false, p);
    break;
  }
  case TF_JSON_WANT_ITEMS:
    if (is_array && child != NULL) return learn_items(l, spot, child, false, p);
    break;
  case TF_JSON_WANT_SIDES: return NULL; /* of books, which are long */
  default: break;
  }
  return learn_any_nested(l, spot, p);
}

static bool wants_decimal(const spot_t *spot) {
  return spot->want == TF_JSON_WANT_DECIMAL || spot->want == TF_JSON_WANT_LEVELS ||
         spot->want == TF_JSON_WANT_ITEMS;
}

/* p at a quote. */
static const char *learn_text(learner_t *l, const spot_t *spot, const char *p) {
  number_t n;
  if (!wants_decimal(spot)) {
    const char *stop = learn_word(l, p);
    return put_span(l, p + 1, stop - 1, TF_JSON_STRING, TF_JSON_MADE_NONE, spot->value) ? stop
                                                                                        : NULL;
  }
  if (p[1] == '"') /* no number at all */
    return put_span(l, p + 1, p + 1, TF_JSON_STRING, TF_JSON_MADE_BAD, spot->value) ? p + 2 : NULL;
  const char *stop = learn_number(l, p + 1, &n);
  if (stop == NULL || *stop != '"') return NULL;
  return put_decimal(l, p + 1, &n, TF_JSON_STRING, spot->value) ? stop + 1 : NULL;
}

static const char *learn_plain_number(learner_t *l, const spot_t *spot, const char *p) {
  number_t    n;
  const char *stop   = learn_number(l, p, &n);
  bool        is_u64 = spot->want == TF_JSON_WANT_U64 || spot->want == TF_JSON_WANT_ITEM;
  if (stop == NULL) return NULL;
  if (wants_decimal(spot)) return put_decimal(l, p, &n, TF_JSON_NUMBER, spot->value) ? stop : NULL;
  if (is_u64 && (n.is_negative || n.part > 0)) return NULL;
  if (is_u64 && n.bytes > 19) { /* 19 digits fit 64 bits */
    tf_json_take_t take = take_of(l, TF_JSON_TAKE_WIDE_U64, p, stop);
    take.value          = spot->value;
    return put(l, take) ? stop : NULL;
  }
  uint8_t made = is_u64 ? TF_JSON_MADE_U64 : TF_JSON_MADE_NONE;
  return put_span(l, p, stop, TF_JSON_NUMBER, made, spot->value) ? stop : NULL;
}

static const char *learn_value(learner_t *l, const spot_t *spot, const char *p) {
  if (spot->depth >= TF_JSON_DEPTH_MAX) return NULL;
  if (*p == '{' || *p == '[') return learn_nested(l, spot, p);
  if (*p == '"') return learn_text(l, spot, p);
  if (*p < 'a' || *p > 'z') return learn_plain_number(l, spot, p);
  const char *stop = learn_literal(l, p);
  uint8_t     kind = *p == 't' ? TF_JSON_TRUE : *p == 'f' ? TF_JSON_FALSE : TF_JSON_NULL;
  return put_span(l, p, stop, kind, TF_JSON_MADE_NONE, spot->value) ? stop : NULL;
}

/* key_cnt: none of the shape's. */
static uint32_t key_of(const tf_json_shape_t *shape, const char *text, size_t bytes,
                       uint32_t *was) {
  for (uint32_t n = 0, i = *was; n < shape->key_cnt; n++) {
    const tf_json_key_t *key = &shape->keys[i];
    if (key->text_bytes == bytes && key->text[0] == *text && memcmp(key->text, text, bytes) == 0) {
      *was = i;
      return i;
    }
    if (++i == shape->key_cnt) i = 0;
  }
  return shape->key_cnt;
}

/* p at '{'. */
static const char *learn_members(learner_t *l, tf_json_object_t *object, uint32_t depth,
                                 const char *p, uint64_t *seen) {
  const tf_json_shape_t *shape = object->shape;
  uint32_t               was   = 0; /* keys often come as the table has them */
  *seen                        = 0;
  for (p = skip_space(l, p + 1); *p != '}'; p = skip_space(l, p)) {
    if (*p == ',') p = skip_space(l, p + 1);
    const char *key   = p + 1;
    const char *stop  = memchr(key, '"', (size_t)(l->end - key));
    size_t      bytes = (size_t)(stop - key);
    uint32_t    i     = key_of(shape, key, bytes, &was);
    p                 = skip_space(l, skip_space(l, stop + 1) + 1);
    spot_t spot       = {object, &object->values[i], 0, depth};
    if (i < shape->key_cnt) {
      spot.want = shape->keys[i].want;
      *seen |= UINT64_C(1) << i;
      p = learn_value(l, &spot, p);
    } else {
      p = learn_unwanted(l, p, depth);
    }
    if (p == NULL) return NULL;
  }
  return p + 1;
}

/* p at '['. */
static const char *learn_elements(learner_t *l, tf_json_object_t *tuple, uint32_t depth,
                                  const char *p, uint64_t *seen) {
  uint32_t key_cnt = tuple->shape->key_cnt, cnt = 0;
  for (p = skip_space(l, p + 1); *p != ']'; p = skip_space(l, p), cnt++) {
    if (*p == ',') p = skip_space(l, p + 1);
    spot_t spot = {tuple, &tuple->values[cnt], 0, depth};
    if (cnt < key_cnt) {
      spot.want = tuple->shape->keys[cnt].want;
      p         = learn_value(l, &spot, p);
    } else {
      p = learn_unwanted(l, p, depth);
    }
    if (p == NULL) return NULL;
  }
  *seen = cnt < 64 ? (UINT64_C(1) << cnt) - 1 : UINT64_MAX;
  return p + 1;
}

/* p at its opener; behind its end. */
static const char *learn_inside(learner_t *l, tf_json_object_t *object, uint32_t depth,
                                const char *p, uint64_t *seen) {
  return object->is_tuple ? learn_elements(l, object, depth, p, seen)
                          : learn_members(l, object, depth, p, seen);
}

/* Whether a message can have a layout at all. */
static bool may_have_one(const tf_json_t *json, const char *bytes, size_t bytes_cnt,
                         const tf_json_object_t *root) {
  if (*bytes != tf_json_opener(root)) return false;
  return json->duplicate_key_cnt == 0 && !json->any_negative &&
         memchr(bytes, '\\', bytes_cnt) == NULL;
}

void tf_json_layout_learn(tf_json_layouts_t *layouts, const tf_json_t *json, const char *bytes,
                          size_t bytes_cnt, tf_json_object_t *root) {
  uint64_t seen;
  if (bytes_cnt > TF_JSON_LAYOUT_BYTES || !tf_json_layout_looks(layouts)) return;
  if (!may_have_one(json, bytes, bytes_cnt, root)) return;
  learner_t l = {tf_json_layout_room(layouts, bytes, bytes_cnt), layouts->way, bytes,
                 bytes + bytes_cnt};
  if (l.layout == NULL) return;
  paint_all(&l);
  l.layout->element_cnt = json->element_cnt;
  const char *p         = learn_inside(&l, root, 1, bytes, &seen);
  bool        is_whole  = p != NULL && skip_space(&l, p) == l.end;
  if (is_whole && put_seen(&l, TF_JSON_TAKE_SEEN, root, seen))
    tf_json_layout_add(layouts, l.layout, bytes_cnt);
  else
    tf_json_layout_bar(layouts, bytes, bytes_cnt);
}
