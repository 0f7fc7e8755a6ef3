/* imbalance_bps(bps) = (B - A) / (B + A), B and A being the size bid and the size offered within `bps` basis points of
 * the book's mid, the limits included: book imbalance by distance, where imbalance(levels) counts levels. -1
 * to 1; no value where both are 0, as with a spread wider than twice the distance. What levels share is in
 * book_answer.h.
 *
 * Cost: the levels within, each time the book has changed. */
#include "indicator/book_answer.h"

static void compute(double bps, const tf_book_t *book, double *values) {
  double bid, ask;
  tf_book_answer_near(bps, book, &bid, &ask);
  values[0] = (bid - ask) / (bid + ask);
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("bps", 10, 0.01, 10000, "distance from the mid, in basis points")};

TF_BOOK_ANSWER_DEFINE(
    imbalance_bps, compute, tf_book_answer_init, 1,
    .help   = "size bid less size offered within a distance, over their sum, -1 to 1",
    .origin = "queue imbalance by distance", .outputs = {"imbalance_bps"}, .params = PARAMS,
    .param_cnt = TF_ARRAY_CNT(PARAMS));
