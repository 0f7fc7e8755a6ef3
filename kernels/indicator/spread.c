/* spread = ask - bid, of the best bid and offer; negative while the book is crossed. Rejected while
 * a side is missing. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  (void)state;
  const tf_market_t *m = in->market;
  if (!tf_parts_finite(m->bid) || !tf_parts_finite(m->ask)) return TF_INDICATOR_REJECTED;
  return tf_parts_answer(out, tf_top_spread(m->bid, m->ask));
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

const tf_indicator_t tf_indicator_spread = {
    .name        = "spread",
    .group       = TF_GROUP_BOOK,
    .help        = "best offer less best bid, in quote currency",
    .origin      = "definition",
    .output_cnt  = 1,
    .on          = TF_ON_TICK,
    .outputs     = {"spread"},
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
