/* The shape that indicators of the book's levels share: what they answer depends on the levels alone, and most ticks
 * leave those alone (84 % of them on the USD-M recording). So the last answer is kept with the book's count of
 * changes, and given again while that stands.
 *
 * Rejected where there is no depth channel (book state NONE) or a side is empty. */
#ifndef TF_INDICATOR_BOOK_ANSWER_H
#define TF_INDICATOR_BOOK_ANSWER_H

#include "indicator/parts.h"

typedef struct tf_book_answer {
  double   param;      /* the only one that these have */
  uint64_t change_cnt; /* of the book that the values are of */
  uint64_t has_values;
  double   values[TF_INDICATOR_OUTPUTS_MAX];
} tf_book_answer_t;

/* The outputs of a book that has both sides. */
typedef void (*tf_book_answer_compute_t)(double param, const tf_book_t *book, double *values);

TF_INLINE bool tf_book_answer_has_sides_(const tf_book_t *book) {
  return book && book->state != TF_BOOK_NONE && book->bid.level_cnt > 0 && book->ask.level_cnt > 0;
}

TF_INLINE tf_indicator_result_t tf_book_answer_peek(const tf_book_answer_t     *s,
                                                    const tf_indicator_input_t *in,
                                                    tf_book_answer_compute_t    compute,
                                                    uint32_t output_cnt, double *out) {
  double values[TF_INDICATOR_OUTPUTS_MAX];
  if (!tf_book_answer_has_sides_(in->market->book)) return TF_INDICATOR_REJECTED;
  compute(s->param, in->market->book, values);
  return tf_parts_answers(out, values, output_cnt);
}

TF_INLINE tf_indicator_result_t tf_book_answer_update(tf_book_answer_t           *s,
                                                      const tf_indicator_input_t *in,
                                                      tf_book_answer_compute_t    compute,
                                                      uint32_t output_cnt, double *out) {
  const tf_book_t *book = in->market->book;
  if (!tf_book_answer_has_sides_(book)) return TF_INDICATOR_REJECTED;
  if (!s->has_values || s->change_cnt != book->change_cnt) {
    compute(s->param, book, s->values);
    s->change_cnt = book->change_cnt;
    s->has_values = 1;
  }
  return tf_parts_answers(out, s->values, output_cnt);
}

TF_INLINE size_t tf_book_answer_bytes(const double *params) {
  (void)params;
  return sizeof(tf_book_answer_t);
}

TF_INLINE tf_err_t tf_book_answer_init(void *state, const double *params) {
  memset(state, 0, sizeof(tf_book_answer_t));
  ((tf_book_answer_t *)state)->param = params[0];
  return params[0] > 0 ? TF_OK : E_CORE_ARGUMENT;
}

TF_INLINE void tf_book_answer_reset(void *state) {
  double param = ((tf_book_answer_t *)state)->param;
  (void)tf_book_answer_init(state, &param);
}

TF_INLINE double tf_book_answer_price(const tf_book_t *book, const tf_book_cursor_t *at) {
  return tf_decimal_to_double(at->price, book->price_exp);
}
TF_INLINE double tf_book_answer_qty(const tf_book_t *book, const tf_book_cursor_t *at) {
  return tf_decimal_to_double(at->qty, book->qty_exp);
}

TF_INLINE double tf_book_answer_mid(const tf_book_t *book) {
  tf_book_cursor_t bid = tf_book_best(&book->bid), ask = tf_book_best(&book->ask);
  return (tf_book_answer_price(book, &bid) + tf_book_answer_price(book, &ask)) * 0.5;
}

/* How far a price is above the mid, in basis points of it: of the integers as sent, since as doubles neighbouring
 * prices cancel. */
__extension__ typedef __int128 tf_book_wide_t;

TF_INLINE tf_book_wide_t tf_book_answer_twice_mid(const tf_book_t *book) {
  return (tf_book_wide_t)tf_book_best(&book->bid).price + tf_book_best(&book->ask).price;
}
TF_INLINE double tf_book_answer_bps(int64_t price, tf_book_wide_t twice_mid) {
  return (double)(2 * (tf_book_wide_t)price - twice_mid) / (double)twice_mid * 1e4;
}

/* The size of the levels from the best on whose prices are low to high. */
TF_INLINE double tf_book_answer_within(const tf_book_t *book, const tf_book_side_t *side,
                                       double low, double high) {
  double total = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0; tf_book_worse(&at)) {
    double price = tf_book_answer_price(book, &at);
    if (price < low || price > high) break;
    total += tf_book_answer_qty(book, &at);
  }
  return total;
}

/* The same for both sides, up to bps basis points from the mid. */
TF_INLINE void tf_book_answer_near(double bps, const tf_book_t *book, double *bid, double *ask) {
  double mid = tf_book_answer_mid(book), reach = mid * (bps * 1e-4);
  *bid = tf_book_answer_within(book, &book->bid, mid - reach, __builtin_inf());
  *ask = tf_book_answer_within(book, &book->ask, -__builtin_inf(), mid + reach);
}

/* init where the parameter is a number of levels. */
#define TF_BOOK_ANSWER_LEVELS_MAX 5000

TF_INLINE tf_err_t tf_book_answer_init_levels(void *state, const double *params) {
  uint32_t cnt;
  tf_err_t err = tf_parts_count(params[0], 1, &cnt);
  if (err == TF_OK && cnt > TF_BOOK_ANSWER_LEVELS_MAX) err = E_CORE_ARGUMENT;
  return err == TF_OK ? tf_book_answer_init(state, params) : err;
}

#define TF_BOOK_ANSWER_PARAM_LEVELS(levels)                                                        \
  {                                                                                                \
    .name = "levels", .kind = TF_PARAM_COUNT, .dflt = levels, .min = 1,                            \
    .max = TF_BOOK_ANSWER_LEVELS_MAX, .help = "price levels a side, from the best"                 \
  }

/* The functions of an indicator from how it computes its values, and its descriptor; the rest are fields of that. */
#define TF_BOOK_ANSWER_DEFINE(id, compute, init_, output_cnt_, ...)                                \
  static tf_indicator_result_t id##_update(void *state, const tf_indicator_input_t *in,            \
                                           double *out) {                                          \
    return tf_book_answer_update(state, in, compute, output_cnt_, out);                            \
  }                                                                                                \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    return tf_book_answer_peek(state, in, compute, output_cnt_, out);                              \
  }                                                                                                \
  const tf_indicator_t tf_indicator_##id = {                                                       \
      .name        = #id,                                                                          \
      .group       = TF_GROUP_BOOK,                                                                \
      .output_cnt  = output_cnt_,                                                                  \
      .on          = TF_ON_TICK,                                                                   \
      .state_bytes = tf_book_answer_bytes,                                                         \
      .lookback    = tf_parts_lookback_none,                                                       \
      .init        = init_,                                                                        \
      .update      = id##_update,                                                                  \
      .peek        = id##_peek,                                                                    \
      .reset       = tf_book_answer_reset,                                                         \
      __VA_ARGS__,                                                                                 \
  }

#endif
