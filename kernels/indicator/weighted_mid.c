/* weighted_mid(levels) = (B a + A b) / (a + b), B and A being the average prices of the best `levels` levels of the bids
 * and of the asks, weighted by size, and b and a their total sizes: the microprice of a deeper book. A side
 * with fewer levels counts what it has. What levels share is in book_answer.h. */
#include "indicator/book_answer.h"

typedef struct side {
  double price, size;
} side_t;

static side_t average(const tf_book_t *book, const tf_book_side_t *side, double level_cnt) {
  double notional = 0, size = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0 && level_cnt > 0; tf_book_worse(&at)) {
    double qty = tf_book_answer_qty(book, &at);
    notional += qty * tf_book_answer_price(book, &at);
    size += qty;
    level_cnt--;
  }
  return (side_t){notional / size, size};
}

static void compute(double level_cnt, const tf_book_t *book, double *values) {
  side_t bid = average(book, &book->bid, level_cnt), ask = average(book, &book->ask, level_cnt);
  values[0] = (bid.price * ask.size + ask.price * bid.size) / (bid.size + ask.size);
}

static const tf_param_spec_t PARAMS[] = {TF_BOOK_ANSWER_PARAM_LEVELS(5)};

TF_BOOK_ANSWER_DEFINE(weighted_mid, compute, tf_book_answer_init_levels, 1,
                      .help = "mid of the average prices of the best levels, weighted by the size "
                              "opposite, in price units",
                      .origin  = "microprice over several levels; Stoikov 2018",
                      .outputs = {"weighted_mid"}, .params = PARAMS,
                      .param_cnt = TF_ARRAY_CNT(PARAMS));
