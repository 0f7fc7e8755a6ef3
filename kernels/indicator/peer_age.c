/* peer_age(which)@NAME = how old the newest event of another instrument is at this tick, in seconds of receive time; which of
 * them, from 1, where the name stands for several. Also where it is too old to have values. 0 where its clock is ahead. No
 * value before its first tick, or where there are fewer. */
#include "indicator/parts.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  uint64_t which;
  memcpy(&which, state, sizeof which);
  if (which > in->peer_cnt || !in->peers[which - 1].market) return tf_parts_warming(out);
  return tf_parts_answer(out, (double)in->peers[which - 1].age_ns * 1e-9);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  return peek(state, in, out);
}

static tf_err_t init(void *state, const double *params) {
  uint32_t which;
  if (tf_parts_count(params[0], 1, &which) != TF_OK) return E_CORE_ARGUMENT;
  uint64_t word = which;
  memcpy(state, &word, sizeof word);
  return TF_OK;
}

static void reset(void *state) { (void)state; }

static const tf_param_spec_t PARAMS[] = {
    {.name = "which",
     .kind = TF_PARAM_COUNT,
     .dflt = 1,
     .min  = 1,
     .max  = 16,
     .help = "of the name's instruments, from 1"}
};

const tf_indicator_t tf_indicator_peer_age = {
    .name        = "peer_age",
    .group       = TF_GROUP_CROSS,
    .help        = "age of another instrument's newest event, in seconds",
    .origin      = "definition",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .peers_max   = 16,
    .on          = TF_ON_TICK,
    .outputs     = {"peer_age"},
    .params      = PARAMS,
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
