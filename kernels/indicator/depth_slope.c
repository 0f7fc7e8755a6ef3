/* depth_slope(levels): how fast the book thickens away from the mid, in base units a basis point. For each of the best
 * `levels` levels of a side let d be its distance from the mid in basis points and S the size up to and with it; the
 * slope is sum(d S) / sum(d^2), the least-squares line through the mid. Outputs bid and ask. A side with fewer levels
 * counts what it has; no value while a book that is crossed puts a level at the mid alone. What levels share is in
 * book_answer.h.
 *
 * Cost: the levels, each time the book has changed.
 *
 * Definition. It follows R. Naes, J. Skjeltorp, "Order book characteristics and the volume-volatility relation", J. of
 * Financial Markets 9 (2006) 408-432, in what it measures; theirs is a mean of elasticities of the logarithm of size,
 * which means nothing where sizes are below one unit. */
#include "indicator/book_answer.h"

static double slope(const tf_book_t *book, const tf_book_side_t *side, double level_cnt) {
  tf_book_wide_t twice_mid = tf_book_answer_twice_mid(book);
  double         size = 0, product = 0, square = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0 && level_cnt > 0; tf_book_worse(&at)) {
    double d = __builtin_fabs(tf_book_answer_bps(at.price, twice_mid));
    size += tf_book_answer_qty(book, &at);
    product += d * size;
    square += d * d;
    level_cnt--;
  }
  return product / square;
}

static void compute(double level_cnt, const tf_book_t *book, double *values) {
  values[0] = slope(book, &book->bid, level_cnt);
  values[1] = slope(book, &book->ask, level_cnt);
}

static const tf_param_spec_t PARAMS[] = {TF_BOOK_ANSWER_PARAM_LEVELS(10)};

TF_BOOK_ANSWER_DEFINE(depth_slope, compute, tf_book_answer_init_levels, 2,
                      .help   = "size a basis point from the mid, in base units: bid, ask",
                      .origin = "definition, after Naes, Skjeltorp 2006", .outputs = {"bid", "ask"},
                      .params = PARAMS, .param_cnt = TF_ARRAY_CNT(PARAMS));
