/* A JSON scanner for messages whose shape is mostly known. A venue's decoder gives a table of the
 * keys that it wants (a shape); the scanner reads one object against it and leaves each value,
 * typed as the table asks, in a slot of its own. Keys may come in any order; unknown keys are
 * validated and skipped; whitespace, escapes and nesting are as in RFC 8259. An array whose elements mean
 * something by their place is a tuple: an object whose keys are places.
 *
 * It predicts. It remembers each member as its bytes stood, `,"key":`, and which one came behind it,
 * and compares the next bytes with the predicted ones, 16 at a time. Where they match, the key is known
 * without looking at it; where they do not, it is looked up among those that were seen before, and only
 * what is new is read the general way and learned. Of a tuple's elements each has what it looked like last
 * time. The prediction decides nothing else, so its state
 * changes the time taken and never the result (test_json and fuzz_json hold it to that).
 *
 * Everything is validated, also what is skipped; UTF-8 is not (the websocket layer does, and
 * nothing here depends on it). The limits below are refused as LIMIT. TF_BYTES_PAD bytes behind
 * the message must be readable; what they hold never changes a result.
 *
 * No allocation; one thread per tf_json_orders_t. */
#ifndef TF_WIRE_JSON_H
#define TF_WIRE_JSON_H

#include "tf/event.h"
#include "wire/decimal.h"

#define TF_JSON_DEPTH_MAX        32u
#define TF_JSON_STRING_BYTES_MAX 65536u /* between the quotes, escapes as sent */
#define TF_JSON_DIGITS_MAX       TF_DECIMAL_DIGITS_MAX
#define TF_JSON_KEYS_MAX         256u /* of one object */
/* Of all arrays of one message. Coinbase sends a book of 40,000 levels, three elements each, in one. */
#define TF_JSON_ELEMENTS_MAX   1000000u
#define TF_JSON_SHAPE_KEYS_MAX 64u

typedef enum tf_json_result { TF_JSON_OK = 0, TF_JSON_SYNTAX, TF_JSON_LIMIT } tf_json_result_t;

/* What a value was in the text. */
typedef enum tf_json_kind {
  TF_JSON_ABSENT = 0,
  TF_JSON_NULL,
  TF_JSON_FALSE,
  TF_JSON_TRUE,
  TF_JSON_NUMBER,
  TF_JSON_STRING,
  TF_JSON_ARRAY,
  TF_JSON_OBJECT
} tf_json_kind_t;

/* What the table wants made of a key's value. A value of another kind than wanted is no error of
 * the scanner's: it is validated, its kind and bytes are kept, and made stays TF_JSON_MADE_NONE. */
typedef enum tf_json_want {
  TF_JSON_WANT_BYTES = 0, /* kind and bytes only */
  TF_JSON_WANT_TEXT,      /* a string, often: the same as BYTES but quickest for it */
  TF_JSON_WANT_U64,       /* a number without sign, fraction or power */
  TF_JSON_WANT_DECIMAL,   /* a number, or a string that holds one */
  TF_JSON_WANT_LEVELS,    /* [[price, qty, ...], ...] of decimals; a DECIMAL is taken as one */
  TF_JSON_WANT_WORD_LEVELS, /* the same with a string before the price, which is passed over, or without */
  TF_JSON_WANT_OBJECT, /* read against the shape in tf_json_object_t.child */
  TF_JSON_WANT_ITEMS,  /* [{..}, ..]: each read so, then handed to the child's on_item; a DECIMAL
                             is taken as one */
  TF_JSON_WANT_ITEM, /* the same, where one may stand alone: {..} or [{..}, ..]; a U64 is taken as one */
  TF_JSON_WANT_SECOND, /* an OBJECT that is read against tf_json_object_t.second */
  /* [bids, asks], each {..}, [{..}, ..] or null, as ITEMS: two slots, this key's and the one behind it,
   * whose bit in seen is not set. */
  TF_JSON_WANT_SIDES
} tf_json_want_t;

typedef enum tf_json_made {
  TF_JSON_MADE_NONE = 0, /* another kind than wanted, or nothing was to be made */
  TF_JSON_MADE_U64,
  TF_JSON_MADE_DECIMAL,
  TF_JSON_MADE_LEVELS,
  TF_JSON_MADE_ITEMS, /* every element is an object */
  TF_JSON_MADE_BAD    /* the kind is right, a number in it is malformed or does not fit */
} tf_json_made_t;

typedef struct tf_json_value {
  const char *bytes; /* a string's without its quotes, escapes as sent. Not set for U64, DECIMAL */
  uint32_t    bytes_cnt;
  union {
    struct {
      uint8_t kind;    /* tf_json_kind_t */
      uint8_t made;    /* tf_json_made_t */
      uint8_t escaped; /* the string has escapes: tf_json_unescape before comparing */
      int8_t  exp;     /* DECIMAL */
    };
    uint32_t what; /* all four, for one store */
  };
  union {
    int64_t mantissa; /* DECIMAL */
    struct {
      uint32_t first, cnt; /* rows of tf_json_t.rows; of ITEMS those that on_item put */
    } levels;
  } as;
} tf_json_value_t;
TF_STATIC_ASSERT(sizeof(tf_json_value_t) == 24, "slots are written on the tick path");

typedef struct tf_json_key {
  const char *text;
  uint8_t     text_bytes;
  uint8_t     want; /* tf_json_want_t */
} tf_json_key_t;

/* An element of a tuple. */
#define TF_JSON_PLACE(want)                                                                        \
  { NULL, 0, (want) }
#define TF_JSON_KEY(text, want)                                                                    \
  { (text), sizeof(text) - 1, (want) }

/* keys[i] is answered in slot i. */
typedef struct tf_json_shape {
  const tf_json_key_t *keys;
  uint32_t             key_cnt; /* <= TF_JSON_SHAPE_KEYS_MAX */
} tf_json_shape_t;

/* One predicted member, private to json*.c: its bytes from the brace or comma up to the value, the opening quote of a
 * string included. Members with more than 28 such bytes are never predicted; those behind the first 16 are
 * compared apart. */
#define TF_JSON_STEP_BYTES 16
#define TF_JSON_MORE_BYTES 12
#define TF_JSON_STEPS_MAX  63
#define TF_JSON_PLACES     128
#define TF_JSON_NEXT_CNT   3
#define TF_JSON_ORDERS_MAX 8

typedef struct tf_json_step {
  char     text[TF_JSON_STEP_BYTES];
  uint64_t bit; /* its key's in seen; of a key outside of the shape one above all of those */
  char     more[TF_JSON_MORE_BYTES];
  uint16_t slot_at; /* of its value, in bytes; the slot behind the last for what is skipped */
  uint16_t
      next_at[TF_JSON_NEXT_CNT]; /* what came behind it, last first: bytes from the first step on */
  uint32_t          mask; /* a bit for each byte of text that must match; bit 16: matches nothing */
  uint8_t           text_bytes;  /* how far the value is */
  uint8_t           form;        /* of the value, json_steps.h */
  uint8_t           more_form;   /* the same, where form says no more than that the text is long */
  uint8_t           guess_bytes; /* length of a string or integer last time, json_hot.h */
  tf_decimal_form_t guess;       /* form of a decimal last time */
} tf_json_step_t;
TF_STATIC_ASSERT(sizeof(tf_json_step_t) == TF_LINE_BYTES, "a step is read on the tick path");
#define TF_JSON_KEY_NONE 255

/* One form of message: its members as they stood, each with those that came behind it, and a table by key for where
 * yet another comes. So it does not matter much if forms are taken for one because they begin alike: what they share
 * is learned once, and where they part, what came there before is at hand.
 *
 * Invariant: a bit belongs to one key, so that a step whose bit was seen is a repeated key. Keys outside of the
 * shape have bits too, and only as many are predicted as there are bits left: so a loop of steps ends. */
typedef struct tf_json_order {
  tf_json_step_t
           steps[TF_JSON_STEPS_MAX + 1]; /* the first matches nothing, and stands for not known */
  uint16_t first_at[TF_JSON_NEXT_CNT];   /* what messages began with, as next_at */
  uint8_t  step_cnt;
  uint8_t  unknown_cnt;            /* steps of keys outside of the shape */
  uint8_t  places[TF_JSON_PLACES]; /* open hash of keys: numbers of steps, 0 for none */
} tf_json_order_t;

/* The predictions of one shape: an order for each form of message, told apart by its first seven
 * bytes (`{"e":"t`), or by less where there are more forms than orders. A tuple has the first order's steps, one
 * an element. */
typedef struct tf_json_orders {
  uint64_t         begin; /* of the last message, and its order */
  tf_json_order_t *order;
  tf_json_order_t  orders[TF_JSON_ORDERS_MAX];
} tf_json_orders_t;

typedef struct tf_json         tf_json_t;
typedef struct tf_json_layouts tf_json_layouts_t; /* json_layout.h */

typedef struct tf_json_object {
  const tf_json_shape_t *shape;
  tf_json_orders_t      *orders; /* NULL: no prediction */
  tf_json_value_t
          *values; /* key_cnt + 1 slots; slot i holds if bit i of seen is set, the last never */
  uint64_t seen;   /* bits from key_cnt on mean nothing */
  struct tf_json_object                    *
      child; /* of the keys that want an OBJECT (a tuple is none), ITEMS or ITEM; NULL: they are skipped */
  struct tf_json_object *second; /* of those that want SECOND; NULL or a tuple: as above */
  struct tf_json_object
      *other; /* of a child: its ITEMS that begin with the other bracket; may be NULL */
  /* Of a child: called behind each element of ITEMS, while its slots hold; may put rows
   * (tf_json_put_row). */
  void (*on_item)(tf_json_t *json, struct tf_json_object *item);
  void              *self;     /* on_item's own */
  tf_json_layouts_t *layouts;  /* of a root: of its messages; NULL: each is read member by member */
  bool               is_tuple; /* an array: the shape's keys are its places */
} tf_json_object_t;

/* One message. rows: where LEVELS go; of each row only the price, quantity, their exponents and
 * nothing else is written. Levels that do not fit are LIMIT. */
struct tf_json {
  const char *floor; /* set by tf_json_read, with all below up to row_cnt: 16 behind the first */
  const char *end;
  uint32_t    depth;
  uint32_t    element_cnt;
  uint32_t    duplicate_key_cnt; /* the first of a key's values counts, as FAULTS.md has it */
  uint32_t    row_cnt;
  uint32_t    row_cap;
  bool        any_negative; /* among the LEVELS */
  uint8_t     result;       /* tf_json_result_t */
  uint8_t     root_kind; /* tf_json_kind_t; only an OBJECT (a tuple: an ARRAY) is read into root */
  tf_event_t *rows;
};

/* A row for on_item to fill, or NULL where they are full: then the message is LIMIT. */
TF_INLINE tf_event_t *tf_json_put_row(tf_json_t *json) {
  if (TF_LIKELY(json->row_cnt < json->row_cap)) return &json->rows[json->row_cnt++];
  if (json->result == TF_JSON_OK) json->result = TF_JSON_LIMIT;
  return NULL;
}

/* Forgets all predictions; do it once before first use. */
void tf_json_orders_init(tf_json_orders_t *orders);

/* What an object begins with. */
TF_INLINE char tf_json_opener(const tf_json_object_t *object) {
  return object->is_tuple ? '[' : '{';
}

/* What an element of ITEMS that begins so is read into; NULL: it is no item. */
TF_INLINE tf_json_object_t *tf_json_item_of(tf_json_object_t *item, char c) {
  if (TF_LIKELY(c == tf_json_opener(item))) return item;
  return item->other != NULL && c == tf_json_opener(item->other) ? item->other : NULL;
}

/* False for none and for a tuple. */
TF_INLINE bool tf_json_is_object(const tf_json_object_t *object) {
  return object != NULL && !object->is_tuple;
}

/* Reads the message [bytes, bytes + bytes_cnt), which must be one JSON value and whitespace. Sets
 * root->seen and the child's. On SYNTAX or LIMIT slots and rows hold garbage. */
tf_json_result_t tf_json_read(tf_json_t *json, const char *bytes, size_t bytes_cnt,
                              tf_json_object_t *root);

/* Writes the string's text with its escapes resolved, as UTF-8 and without a NUL. Returns its
 * length, or SIZE_MAX if it does not fit cap or holds half a surrogate pair. */
size_t tf_json_unescape(const char *bytes, size_t bytes_cnt, char *text, size_t cap);

/* The number of a value that is MADE_U64. It is converted here and not while scanning, because of
 * the many ids and times in a message only some are wanted. */
TF_INLINE uint64_t tf_json_u64(const tf_json_t *json, const tf_json_value_t *value) {
  uint64_t number;
#if defined(__SSE2__)
  if (TF_LIKELY(value->bytes_cnt <= 16 && value->bytes >= json->floor)) {
    return tf_decimal_sixteen_(_mm_and_si128(tf_decimal_window_(value->bytes + value->bytes_cnt),
                                             tf_decimal_tail_(value->bytes_cnt)));
  }
#endif
  (void)json;
  if (TF_LIKELY(value->bytes_cnt <= 16))
    return tf_decimal_digits_swar_(value->bytes, value->bytes_cnt);
  tf_decimal_result_t result;
  tf_decimal_u64_scan(value->bytes, value->bytes + value->bytes_cnt, &number, &result);
  return number;
}

/* True if the string value is exactly text. */
TF_INLINE bool tf_json_text_is(const tf_json_value_t *value, const char *text, size_t text_bytes) {
  if (value->kind != TF_JSON_STRING) return false;
  if (TF_LIKELY(!value->escaped)) {
    return value->bytes_cnt == text_bytes && memcmp(value->bytes, text, text_bytes) == 0;
  }
  char plain[64];
  return text_bytes <= sizeof(plain) &&
         tf_json_unescape(value->bytes, value->bytes_cnt, plain, sizeof(plain)) == text_bytes &&
         memcmp(plain, text, text_bytes) == 0;
}
#define TF_JSON_TEXT_IS(value, literal) tf_json_text_is((value), (literal), sizeof(literal) - 1)

TF_INLINE bool tf_json_seen(const tf_json_object_t *object, uint32_t key) {
  return (object->seen >> key & 1) != 0;
}

#endif
