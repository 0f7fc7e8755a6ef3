/* depth(bps): the size bid and the size offered within `bps` basis points of the book's mid, the limits included, in base
 * units. Of the book, not of the quotes. What levels share is in book_answer.h. Cost: the levels within,
 * each time the book has changed. */
#include "indicator/book_answer.h"

static void compute(double bps, const tf_book_t *book, double *values) {
  tf_book_answer_near(bps, book, &values[0], &values[1]);
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("bps", 10, 0.01, 10000, "distance from the mid, in basis points")};

TF_BOOK_ANSWER_DEFINE(
    depth, compute, tf_book_answer_init, 2,
    .help   = "size within so many basis points of the mid, in base units: bid, ask",
    .origin = "definition", .outputs = {"bid", "ask"}, .params = PARAMS,
    .param_cnt = TF_ARRAY_CNT(PARAMS));
