/* depth(bps): the size bid and the size offered within `bps` basis points of the book's mid, the limits included, in base
 * units. Of the book, not of the quotes: rejected where there is no depth channel or a side is empty.
 * Cost: the levels within, each time the book has changed. */
#include "indicator/parts.h"

enum { OUTPUTS = 2 };

typedef struct depth {
  double   param;
  uint64_t change_cnt; /* of the book that the answer is of */
  uint64_t has_answer;
  double   answer[OUTPUTS];
} depth_t;

static double within(const tf_book_t *book, const tf_book_side_t *side, double low, double high) {
  double total = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0; tf_book_worse(&at)) {
    double price = tf_decimal_to_double(at.price, book->price_exp);
    if (price < low || price > high) break;
    total += tf_decimal_to_double(at.qty, book->qty_exp);
  }
  return total;
}

static void compute(const depth_t *s, const tf_book_t *book, double *values) {
  double bid = tf_decimal_to_double(tf_book_best(&book->bid).price, book->price_exp);
  double ask = tf_decimal_to_double(tf_book_best(&book->ask).price, book->price_exp);
  double mid = (bid + ask) * 0.5, reach = mid * (s->param * 1e-4);
  values[0] = within(book, &book->bid, mid - reach, __builtin_inf());
  values[1] = within(book, &book->ask, -__builtin_inf(), mid + reach);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_book_t *book = in->market->book;
  if (!book || book->state == TF_BOOK_NONE) return TF_INDICATOR_REJECTED;
  if (book->bid.level_cnt == 0 || book->ask.level_cnt == 0) return TF_INDICATOR_REJECTED;
  double values[OUTPUTS];
  compute(state, book, values);
  return tf_parts_answers(out, values, OUTPUTS);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  depth_t         *s    = state;
  const tf_book_t *book = in->market->book;
  if (s->has_answer && book && book->state != TF_BOOK_NONE && s->change_cnt == book->change_cnt)
    return tf_parts_answers(out, s->answer, OUTPUTS);
  tf_indicator_result_t result = peek(state, in, out);
  if (result != TF_INDICATOR_READY) return result;
  memcpy(s->answer, out, sizeof s->answer);
  s->change_cnt = book->change_cnt;
  s->has_answer = 1;
  return result;
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(depth_t);
}

static tf_err_t init(void *state, const double *params) {
  *(depth_t *)state = (depth_t){.param = params[0]};
  return params[0] > 0 ? TF_OK : E_CORE_ARGUMENT;
}

static void reset(void *state) {
  double param = ((depth_t *)state)->param;
  (void)init(state, &param);
}

static const tf_param_spec_t PARAMS[] = {
    {.name = "bps",
     .kind = TF_PARAM_REAL,
     .dflt = 10,
     .min  = 0.01,
     .max  = 10000,
     .help = "distance from the mid, in basis points"}
};

const tf_indicator_t tf_indicator_depth = {
    .name        = "depth",
    .group       = TF_GROUP_BOOK,
    .help        = "size within so many basis points of the mid, in base units: bid, ask",
    .origin      = "definition",
    .output_cnt  = 2,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TICK,
    .outputs     = {"bid", "ask"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
