/* spread_bps = (ask - bid) / mid * 10^4: the spread in hundredths of a percent of the mid. Rejected
 * while a side is missing; no value where the mid is 0. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  (void)state;
  const tf_market_t *m = in->market;
  if (!tf_parts_finite(m->bid) || !tf_parts_finite(m->ask)) return TF_INDICATOR_REJECTED;
  return tf_parts_answer(out, tf_top_spread_bps(m->bid, m->ask));
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

const tf_indicator_t tf_indicator_spread_bps = {
    .name        = "spread_bps",
    .group       = TF_GROUP_BOOK,
    .help        = "best offer less best bid, in 1/10000 of the mid",
    .origin      = "definition (quoted relative spread)",
    .output_cnt  = 1,
    .on          = TF_ON_TICK,
    .outputs     = {"spread_bps"},
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
