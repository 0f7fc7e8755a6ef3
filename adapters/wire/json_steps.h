/* What one shape's messages have taught: each member as its bytes stood (a step), which one came behind which, and
 * a table to find a step by its key where another came than last time. json.c walks from step to step; it comes
 * here where one does not match. Structs and invariants are in json.h, with tf_json_orders_t. */
#ifndef TF_WIRE_JSON_STEPS_H
#define TF_WIRE_JSON_STEPS_H

#include "wire/json_hot.h"

/* Matches nothing: what a scanner without prediction, or behind the last predicted member, sees. */
#define TF_JSON_STEPS_NO_MASK 0x10000u

/* What a predicted member's value looks like, from its want and its first byte last time. The hot
 * loop takes exactly this; where it turns out wrong, the value is read in the general way. */
typedef enum tf_json_form {
  TF_JSON_FORM_ANY = 0,
  TF_JSON_FORM_TEXT,    /* behind the opening quote */
  TF_JSON_FORM_QUOTED,  /* a decimal, behind the opening quote */
  TF_JSON_FORM_DECIMAL, /* a decimal without quotes */
  TF_JSON_FORM_NUMBER,  /* of which nothing is made */
  TF_JSON_FORM_U64,
  TF_JSON_FORM_LITERAL, /* true or false */
  TF_JSON_FORM_LEVELS,
  TF_JSON_FORM_WORD_LEVELS,
  TF_JSON_FORM_OBJECT,
  TF_JSON_FORM_ITEMS,
  TF_JSON_FORM_ITEM, /* one alone; of tuples more too */
  TF_JSON_FORM_SECOND,
  TF_JSON_FORM_LONG /* the key's last bytes are in step->more, the value is of step->more_form */
} tf_json_form_t;

/* A member that was read in the general way. */
typedef struct tf_json_member {
  const char *lead;     /* its brace or comma */
  const char *value;    /* its first byte */
  uint32_t    key;      /* TF_JSON_KEY_NONE: not in the shape */
  bool        is_plain; /* no whitespace and no escape from lead to value: can be predicted */
  bool        is_end;   /* the closing brace was found in its place, value is behind it */
} tf_json_member_t;

/* The 16 bytes at a and b are the same where mask has a bit. */
TF_INLINE bool tf_json_steps_same_(const char *a, const char *b, uint32_t mask) {
#if defined(__SSE2__)
  __m128i  x    = _mm_loadu_si128((const __m128i *)(const void *)a);
  __m128i  y    = _mm_loadu_si128((const __m128i *)(const void *)b);
  uint32_t same = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
  return (same & mask) == mask;
#else
  return mask != TF_JSON_STEPS_NO_MASK && memcmp(a, b, (size_t)__builtin_popcount(mask)) == 0;
#endif
}

TF_INLINE bool tf_json_steps_match(const tf_json_step_t *step, const char *p) {
  return tf_json_steps_same_(step->text, p, step->mask);
}

/* The rest of a long one, where its front matched. */
TF_INLINE bool tf_json_steps_match_more(const tf_json_step_t *step, const char *p) {
  return tf_json_steps_same_(step->more, p + TF_JSON_STEP_BYTES,
                             (1u << (step->text_bytes - TF_JSON_STEP_BYTES)) - 1);
}

/* The form of the value that begins with c. */
tf_json_form_t tf_json_steps_form(const tf_json_object_t *object, uint32_t want, char c);

/* The step of the member at p (its brace or comma) whose bit is not in seen, or NULL. */
tf_json_step_t *tf_json_steps_find(tf_json_order_t *order, const char *p, uint64_t seen);

/* Keeps a member that is in the shape for the first time in its object, or not in the shape. NULL where it cannot
 * be predicted. Forgets all others if there is no room. */
tf_json_step_t *tf_json_steps_learn(tf_json_order_t *order, const tf_json_object_t *object,
                                    const tf_json_member_t *member);

/* Puts a step to the front of those that come behind another. */
void tf_json_steps_link(const tf_json_order_t *order, uint16_t next_at[TF_JSON_NEXT_CNT],
                        const tf_json_step_t *step);

/* The order of the object at p. As with the lengths of values, it is taken from the last message where that had the
 * same form, so that its steps can be loaded before the bytes are. */
TF_INLINE tf_json_order_t *tf_json_steps_pick(tf_json_orders_t *orders, const char *p) {
  uint64_t begin = tf_decimal_load8_(p) << 8;
  if (TF_UNLIKELY(orders->begin != begin)) {
    orders->begin = begin;
    orders->order = &orders->orders[begin * UINT64_C(0x9e3779b97f4a7c15) >> 61];
  }
  return orders->order;
}
TF_STATIC_ASSERT(TF_JSON_ORDERS_MAX == 8, "the top three bits of the hash pick one");

TF_INLINE tf_json_step_t *tf_json_steps_of(tf_json_order_t *order, uint32_t at) {
  return (tf_json_step_t *)(void *)((char *)order->steps + at);
}

#endif
