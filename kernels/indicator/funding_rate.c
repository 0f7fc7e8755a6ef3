/* funding_rate = the rate of a perpetual's current period, as its ticker channel said it last. Rejected
 * before it did, and so for what has no funding. */
#include "indicator/parts.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  (void)state;
  const tf_market_t *m = in->market;
  if (!tf_parts_finite(m->funding_rate)) return TF_INDICATOR_REJECTED;
  return tf_parts_answer(out, m->funding_rate);
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

const tf_indicator_t tf_indicator_funding_rate = {
    .name        = "funding_rate",
    .group       = TF_GROUP_REFERENCE,
    .help        = "funding rate of the current period, as a fraction (channel ticker)",
    .origin      = "definition",
    .output_cnt  = 1,
    .on          = TF_ON_TICK,
    .outputs     = {"funding_rate"},
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
