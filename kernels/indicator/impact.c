/* impact(qty): what it costs to trade `qty` base units at once, in basis points of the book's mid: outputs buy, the
 * average price over the offers taken less the mid, and sell, the mid less the average price over the bids
 * taken. The walk takes levels from the best on, the last one in part. No value while a side of the book holds less
 * than qty: a price beyond the known levels would be invented. What levels share is in book_answer.h.
 *
 * Cost: the levels walked, each time the book has changed. Definition: the instantaneous price impact function of a
 * limit order book; e.g. J.-P. Bouchaud, J. D. Farmer, F. Lillo, "How markets slowly digest changes in supply and
 * demand" (2009), section on virtual impact. */
#include "indicator/book_answer.h"

/* The mean distance of the best qty, NaN where there is less. */
static double walk(const tf_book_t *book, const tf_book_side_t *side, double qty) {
  tf_book_wide_t twice_mid = tf_book_answer_twice_mid(book);
  double         left = qty, paid = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0 && left > 0; tf_book_worse(&at)) {
    double size = tf_book_answer_qty(book, &at), taken = size < left ? size : left;
    paid += taken * tf_book_answer_bps(at.price, twice_mid);
    left -= taken;
  }
  return left > 0 ? __builtin_nan("") : paid / qty;
}

static void compute(double qty, const tf_book_t *book, double *values) {
  values[0] = walk(book, &book->ask, qty);
  values[1] = -walk(book, &book->bid, qty);
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("qty", 1, 1e-12, 1e12, "traded at once, in base units")};

TF_BOOK_ANSWER_DEFINE(impact, compute, tf_book_answer_init, 2,
                      .help    = "cost of trading a quantity at once, in basis points: buy, sell",
                      .origin  = "walk of the book; Bouchaud, Farmer, Lillo 2009",
                      .outputs = {"buy", "sell"}, .params = PARAMS,
                      .param_cnt = TF_ARRAY_CNT(PARAMS));
