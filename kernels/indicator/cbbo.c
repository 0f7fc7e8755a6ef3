/* cbbo@NAME = the best bid and offer over the instruments of a peer with several: the highest bid, the lowest ask, and which
 * of them has it, counted from 1 in the order of the config. Of equal prices the first one's counts.
 *
 * Who is left out: one that is not good now (tf_peer_t: too old, its book not in order, not traded), lacks a side, or
 * has a bid above its own ask. No value while nobody is left. A best bid above the best ask, on two venues, is what it
 * is and stays. Prices are compared as they are: that they are of one currency and one unit is for the config to see to.
 * Cost: one line of each instrument.
 *
 * The consolidated quote: US 17 CFR 242.600(b)(60), national best bid and offer. */
#include "indicator/parts.h"

enum { BID, ASK, BID_PEER, ASK_PEER, OUTPUT_CNT };

static bool is_whole(const tf_peer_t *peer) {
  return peer->values && tf_parts_finite(peer->market->bid) && tf_parts_finite(peer->market->ask) &&
         peer->market->bid <= peer->market->ask;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  (void)state;
  double best[OUTPUT_CNT] = {-__builtin_inf(), __builtin_inf(), 0, 0};
  for (uint32_t i = 0; i < in->peer_cnt; i++) {
    if (!is_whole(&in->peers[i])) continue;
    const tf_market_t *m = in->peers[i].market;
    if (m->bid > best[BID]) {
      best[BID]      = m->bid;
      best[BID_PEER] = i + 1;
    }
    if (m->ask < best[ASK]) {
      best[ASK]      = m->ask;
      best[ASK_PEER] = i + 1;
    }
  }
  return tf_parts_answers(out, best, OUTPUT_CNT);
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

const tf_indicator_t tf_indicator_cbbo = {
    .name        = "cbbo",
    .group       = TF_GROUP_CROSS,
    .help        = "best bid and offer over several instruments, and which of them has it, from 1",
    .origin      = "17 CFR 242.600(b)(60)",
    .output_cnt  = OUTPUT_CNT,
    .peers_max   = 16,
    .on          = TF_ON_TICK,
    .outputs     = {"bid", "ask", "bid_peer", "ask_peer"},
    .state_bytes = tf_parts_stateless_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
