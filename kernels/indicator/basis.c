/* basis = (mark - mid) / mid * 10^4: how far the venue's mark price stands from the market, in hundredths of
 * a percent of the mid. Where there is no mark price the last trade's takes its place. Rejected while a side
 * or both of these are missing; no value where the mid is 0. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  (void)state;
  const tf_market_t *m = in->market;
  if (!tf_parts_finite(m->bid) || !tf_parts_finite(m->ask)) return TF_INDICATOR_REJECTED;
  double price = tf_parts_finite(m->mark_price) ? m->mark_price : m->trade_price;
  if (!tf_parts_finite(price)) return TF_INDICATOR_REJECTED;
  return tf_parts_answer(out, tf_top_basis(m->bid, m->ask, price));
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

const tf_indicator_t tf_indicator_basis = {
    .name        = "basis",
    .group       = TF_GROUP_REFERENCE,
    .help        = "mark price, or else the last, less the mid, in 1/10000 of the mid",
    .origin      = "definition",
    .output_cnt  = 1,
    .on          = TF_ON_TICK,
    .outputs     = {"basis"},
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
