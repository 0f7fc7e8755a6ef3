/* microprice = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty): each side of the best bid and
 * offer weighted by the size on the other, so that it leans to where the thin side is. This is the
 * weighted mid, the first-order form of the micro-price of S. Stoikov, "The micro-price: a
 * high-frequency estimator of future prices", Quantitative Finance 18 (2018) 1959-1966 (his full
 * estimator adds a term fitted from data). Rejected while a side is missing; no value where both
 * sizes are 0. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  (void)state;
  const tf_market_t *m = in->market;
  if (!tf_parts_finite(m->bid) || !tf_parts_finite(m->ask) || !tf_parts_finite(m->bid_qty) ||
      !tf_parts_finite(m->ask_qty)) {
    return TF_INDICATOR_REJECTED;
  }
  return tf_parts_answer(out, tf_top_microprice(m->bid, m->ask, m->bid_qty, m->ask_qty));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  return peek(state, in, out);
}

static tf_err_t init(void *state, const double *params) {
  (void)params;
  memset(state, 0, sizeof(uint64_t));
  return TF_OK;
}

static void reset(void *state) { (void)init(state, NULL); }

const tf_indicator_t tf_indicator_microprice = {
    .name       = "microprice",
    .group      = TF_GROUP_BOOK,
    .help       = "mid weighted by the opposite sizes at the best bid and offer, in quote currency",
    .origin     = "Stoikov 2018, first order (weighted mid)",
    .output_cnt = 1,
    .on         = TF_ON_TICK,
    .outputs    = {"microprice"},
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
