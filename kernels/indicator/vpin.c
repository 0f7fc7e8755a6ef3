/* vpin(bucket, n) = the mean of |B - S| / `bucket` over the last n full buckets, B and S being what buy and sell aggressors
 * traded while the bucket of `bucket` base units filled: volume-synchronised probability of informed trading, 0 to 1. A
 * trade that overfills a bucket goes on in the next; one of unknown side fills, half bought and half sold. No value
 * until n buckets are full. By the aggressor that the venue names, not by the bulk classification that the paper
 * needs where it is unknown.
 *
 * Backfilled trades are left out, malformed ones rejected. A bucket that lacks less than 1e-9 of its size is full, as
 * quantities are decimals that doubles round; what it lacks is taken from the next, so nothing drifts. O(1) amortised: a
 * trade of more than n buckets fills n.
 *
 * D. Easley, M. Lopez de Prado, M. O'Hara, "Flow toxicity and liquidity in a high-frequency world", Review of Financial
 * Studies 25 (2012) 1457-1493. */
#include "indicator/parts.h"
#include "indicator/sum.h"

#define FULL_ENOUGH (1 - 1e-9)

typedef struct vpin {
  double   bucket;
  tf_sum_t filled; /* of the current bucket */
  tf_sum_t signed_qty;
  tf_sum_t sum;   /* of the ring */
  tf_sum_t fresh; /* of ring[0 .. pos - 1]; replaces sum when it wraps (window.h) */
  uint32_t n;
  uint32_t pos;
  uint32_t full; /* n buckets were */
  uint32_t reserved;
  double   ring[]; /* n times |B - S| */
} vpin_t;

static void close_bucket(vpin_t *s, double signed_qty) {
  double imbalance = __builtin_fabs(signed_qty);
  (void)tf_sum_replace(&s->sum, s->ring[s->pos], imbalance);
  tf_sum_add(&s->fresh, imbalance);
  s->ring[s->pos] = imbalance;
  if (++s->pos < s->n) return;
  s->pos   = 0;
  s->full  = 1;
  s->sum   = s->fresh;
  s->fresh = (tf_sum_t){0};
}

/* What is left of a trade that has filled more buckets than the ring has: all of them are of it alone. */
static double remainder_of(const vpin_t *s, double filled) {
  double cnt = filled / s->bucket;
  return cnt < 0x1p52 ? filled - (double)(uint64_t)cnt * s->bucket : 0;
}

static void trade(vpin_t *s, double qty, int side) {
  double left = qty, room = s->bucket - tf_sum_value(&s->filled);
  tf_sum_add(&s->filled, qty);
  for (uint32_t i = 0; tf_sum_value(&s->filled) >= s->bucket * FULL_ENOUGH; i++) {
    if (i > s->n) {
      left      = remainder_of(s, tf_sum_value(&s->filled));
      s->filled = (tf_sum_t){left, 0};
      break;
    }
    tf_sum_add(&s->signed_qty, (room < left ? room : left) * side);
    close_bucket(s, tf_sum_value(&s->signed_qty));
    s->signed_qty = (tf_sum_t){0};
    tf_sum_add(&s->filled, -s->bucket);
    left = tf_sum_value(&s->filled);
    left = left > 0 ? left : 0;
    room = s->bucket;
  }
  tf_sum_settle(&s->filled);
  tf_sum_add(&s->signed_qty, left * side);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const vpin_t      *s = state;
  const tf_market_t *m = in->market;
  if (in->on == TF_ON_TRADE) {
    bool is_trade =
        tf_parts_finite(m->trade_price) && tf_parts_usable(m->trade_qty) && m->trade_qty >= 0;
    return is_trade ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  }
  if (!s->full) return tf_parts_warming(out);
  return tf_parts_answer(out, tf_sum_value(&s->sum) / (s->bucket * s->n));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  const tf_market_t    *m      = in->market;
  tf_indicator_result_t result = peek(state, in, out);
  if (in->on == TF_ON_TRADE && result != TF_INDICATOR_REJECTED &&
      !(m->event->flags & TF_FLAG_BACKFILL))
    trade(state, m->trade_qty, m->trade_side);
  return result;
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(vpin_t), params[1], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  vpin_t  *s = state;
  uint32_t n;
  tf_err_t err = tf_parts_count(params[1], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->bucket = params[0];
  s->n      = n;
  return params[0] > 0 ? TF_OK : E_CORE_ARGUMENT;
}

static void reset(void *state) {
  const vpin_t *s = state;
  (void)init(state, (const double[]){s->bucket, s->n});
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("bucket", 1, 1e-12, 1e12, "volume of a bucket, in base units"),
    TF_PARTS_PARAM_N(50, 1, "buckets"),
};

const tf_indicator_t tf_indicator_vpin = {
    .name        = "vpin",
    .group       = TF_GROUP_TRADE,
    .help        = "volume-synchronised probability of informed trading, 0 to 1",
    .origin      = "Easley, Lopez de Prado, O'Hara 2012, by aggressor",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TRADE | TF_ON_TICK,
    .outputs     = {"vpin"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
