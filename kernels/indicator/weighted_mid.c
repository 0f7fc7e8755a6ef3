/* weighted_mid(levels) = (B a + A b) / (a + b), B and A being the average prices of the best `levels` levels of the bids
 * and of the asks, weighted by size, and b and a their total sizes: the microprice of a deeper book. A side
 * with fewer levels counts what it has. Rejected where there is no depth channel or a side is empty. */
#include "indicator/parts.h"

enum { OUTPUTS = 1 };

typedef struct weighted_mid {
  double   param;
  uint64_t change_cnt; /* of the book that the answer is of */
  uint64_t has_answer;
  double   answer[OUTPUTS];
} weighted_mid_t;

typedef struct side {
  double price, size;
} side_t;

static side_t average(const tf_book_t *book, const tf_book_side_t *side, double level_cnt) {
  double notional = 0, size = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0 && level_cnt > 0; tf_book_worse(&at)) {
    double qty = tf_decimal_to_double(at.qty, book->qty_exp);
    notional += qty * tf_decimal_to_double(at.price, book->price_exp);
    size += qty;
    level_cnt--;
  }
  return (side_t){notional / size, size};
}

static void compute(const weighted_mid_t *s, const tf_book_t *book, double *values) {
  side_t bid = average(book, &book->bid, s->param), ask = average(book, &book->ask, s->param);
  values[0] = (bid.price * ask.size + ask.price * bid.size) / (bid.size + ask.size);
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
  weighted_mid_t  *s    = state;
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
  return sizeof(weighted_mid_t);
}

static tf_err_t init(void *state, const double *params) {
  *(weighted_mid_t *)state = (weighted_mid_t){.param = params[0]};
  return params[0] >= 1 && params[0] <= 5000 && params[0] == (double)(uint32_t)params[0]
             ? TF_OK
             : E_CORE_ARGUMENT;
}

static void reset(void *state) {
  double param = ((weighted_mid_t *)state)->param;
  (void)init(state, &param);
}

static const tf_param_spec_t PARAMS[] = {
    {.name = "levels",
     .kind = TF_PARAM_COUNT,
     .dflt = 5,
     .min  = 1,
     .max  = 5000,
     .help = "price levels a side, from the best"}
};

const tf_indicator_t tf_indicator_weighted_mid = {
    .name  = "weighted_mid",
    .group = TF_GROUP_BOOK,
    .help = "mid of the average prices of the best levels, weighted by the size opposite, in price "
            "units",
    .origin      = "microprice over several levels; Stoikov 2018",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TICK,
    .outputs     = {"weighted_mid"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
