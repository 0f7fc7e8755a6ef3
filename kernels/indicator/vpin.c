/* vpin(bucket, n, classify, bars) = the mean of |B - S| / `bucket` over the last n full buckets, B and S being what buy and sell aggressors
 * traded while the bucket of `bucket` base units filled: volume-synchronised probability of informed trading, 0 to 1. A
 * trade that overfills a bucket goes on in the next; one of unknown side fills, half bought and half sold. No value
 * until n buckets are full.
 *
 * That is classify = aggressor: whose the trades were the venue says. With bvc the bulk is classified, as the paper needs where
 * it is unknown: a bucket is cut into `bars` bars of equal volume, and of a bar the part Z(dP / sigma) was bought, dP being its
 * last price less that of the bar before, Z the normal distribution, sigma^2 the mean of dP^2 over all bars up to this one; once they are
 * n * bars, each new one weighs 1 / (n * bars). No change, and the first bar: half and half. The paper's bars are minutes; bars of volume do
 * not straddle buckets (D. Easley, M. Lopez de Prado, M. O'Hara, "Discerning information from trade data", Journal of Financial
 * Economics 120 (2016) 269-285, has both).
 *
 * Backfilled trades are left out, malformed ones rejected. A bucket that lacks less than 1e-9 of its size is full, as
 * quantities are decimals that doubles round; what it lacks is taken from the next, so nothing drifts. (A bar likewise.)
 * O(1) amortised: a trade of more than n + 1 buckets fills n + 1.
 *
 * D. Easley, M. Lopez de Prado, M. O'Hara, "Flow toxicity and liquidity in a high-frequency world", Review of Financial
 * Studies 25 (2012) 1457-1493. */
#include "indicator/elementary.h"
#include "indicator/parts.h"
#include "indicator/sum.h"

#define FULL_ENOUGH (1 - 1e-9)
#define BARS_MAX    1000

enum { BUCKET, N, CLASSIFY, BARS, PARAM_CNT };
enum { AGGRESSOR, BVC };

/* What bvc knows of prices. */
typedef struct moves {
  double   last_price;
  double   mean_square; /* of changes */
  uint64_t change_cnt;
  uint64_t has_price;
} moves_t;

typedef struct vpin {
  double   params[PARAM_CNT];
  double   unit;     /* what is filled: a bucket, or one of its bars */
  uint32_t unit_cnt; /* of a bucket */
  uint32_t unit_idx; /* units of the current bucket that are full */
  moves_t  moves;
  tf_sum_t filled;     /* of the current unit */
  tf_sum_t signed_qty; /* of the current bucket */
  tf_sum_t sum;        /* of the ring */
  tf_sum_t fresh;      /* of ring[0 .. pos - 1]; replaces sum when it wraps (window.h) */
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

/* The normal distribution up to x. J. Hart, Computer Approximations (1968), 5666, and a continued fraction beyond: G. West,
 * "Better approximations to cumulative normal functions", Wilmott (2005). Absolute error near 1e-15. */
static double normal(double x) {
  static const double ABOVE[] = {0.0352624965998911, 0.700383064443688, 6.37396220353165,
                                 33.912866078383,    112.079291497871,  221.213596169931,
                                 220.206867912376};
  static const double BELOW[] = {0.0883883476483184, 1.75566716318264, 16.064177579207,
                                 86.7807322029461,   296.564248779674, 637.333633378831,
                                 793.826512519948,   440.413735824752};
  const double        size    = __builtin_fabs(x);
  double              tail    = 0;
  if (size < 7.07106781186547) {
    double above = ABOVE[0], below = BELOW[0];
    for (uint32_t i = 1; i < TF_ARRAY_CNT(ABOVE); i++) above = above * size + ABOVE[i];
    for (uint32_t i = 1; i < TF_ARRAY_CNT(BELOW); i++) below = below * size + BELOW[i];
    tail = tf_exp(-0.5 * size * size) * above / below;
  } else if (size < 37) {
    double below = size + 0.65;
    for (uint32_t i = 4; i > 0; i--) below = size + i / below;
    tail = tf_exp(-0.5 * size * size) / (below * 2.506628274631);
  }
  return x > 0 ? 1 - tail : tail;
}

/* Of a bar that closes at price: the part bought less the part sold, -1 to 1. */
static double bulk_sign(vpin_t *s, double price) {
  moves_t     *m      = &s->moves;
  const double change = m->has_price ? price - m->last_price : 0;
  const double square = change * change, n_max = (double)s->n * s->unit_cnt;
  m->last_price = price;
  if (!m->has_price) {
    m->has_price = 1;
    return 0;
  }
  if ((double)m->change_cnt < n_max) m->change_cnt++;
  m->mean_square += (square - m->mean_square) / (double)m->change_cnt;
  return m->mean_square > 0 ? 2 * normal(change / __builtin_sqrt(m->mean_square)) - 1 : 0;
}

/* A unit is full: what a trade gave last, of it `given`, was at price. */
static void close_unit(vpin_t *s, double given, int side, double price) {
  const bool is_bulk = s->params[CLASSIFY] == BVC;
  tf_sum_add(&s->signed_qty, is_bulk ? s->unit * bulk_sign(s, price) : given * side);
  tf_sum_add(&s->filled, -s->unit);
  if (++s->unit_idx < s->unit_cnt) return;
  s->unit_idx = 0;
  close_bucket(s, tf_sum_value(&s->signed_qty));
  s->signed_qty = (tf_sum_t){0};
}

static double power(double x, uint64_t n) {
  double y = 1;
  for (; n > 0; n /= 2, x *= x)
    if (n % 2) y *= x;
  return y;
}

/* A trade has filled all buckets of the ring by itself: what it fills besides is left out but for where it ends, and that its
 * bars change nothing. What is left of it. */
static double pass_over(vpin_t *s) {
  double   filled = tf_sum_value(&s->filled), units = filled / s->unit, left = 0;
  uint64_t cnt = UINT64_MAX; /* so many that where they end is not known */
  if (units < 0x1p52) {
    cnt         = (uint64_t)units;
    left        = filled - (double)cnt * s->unit;
    s->unit_idx = (uint32_t)((s->unit_idx + cnt) % s->unit_cnt);
  }
  s->filled = (tf_sum_t){left, 0};
  s->moves.mean_square *= power(1 - 1 / ((double)s->n * s->unit_cnt), cnt);
  return left;
}

static void trade(vpin_t *s, double qty, int side, double price) {
  double left = qty, room = s->unit - tf_sum_value(&s->filled);
  tf_sum_add(&s->filled, qty);
  for (uint64_t i = 0; tf_sum_value(&s->filled) >= s->unit * FULL_ENOUGH; i++) {
    if (i == ((uint64_t)s->n + 1) * s->unit_cnt) { /* the first bucket may be another's, too */
      left = pass_over(s);
      break;
    }
    close_unit(s, room < left ? room : left, side, price);
    left = tf_sum_value(&s->filled);
    left = left > 0 ? left : 0;
    room = s->unit;
  }
  tf_sum_settle(&s->filled);
  if (s->params[CLASSIFY] == AGGRESSOR) tf_sum_add(&s->signed_qty, left * side);
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
  return tf_parts_answer(out, tf_sum_value(&s->sum) / (s->params[BUCKET] * s->n));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  const tf_market_t    *m      = in->market;
  tf_indicator_result_t result = peek(state, in, out);
  if (in->on == TF_ON_TRADE && result != TF_INDICATOR_REJECTED &&
      !(m->event->flags & TF_FLAG_BACKFILL))
    trade(state, m->trade_qty, m->trade_side, m->trade_price);
  return result;
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(vpin_t), params[N], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  vpin_t  *s = state;
  uint32_t n, bars;
  tf_err_t err = tf_parts_count(params[N], 1, &n);
  if (err == TF_OK) err = tf_parts_count(params[BARS], 1, &bars);
  if (err != TF_OK) return err;
  if (!(params[BUCKET] > 0) || bars > BARS_MAX) return E_CORE_ARGUMENT;
  memset(s, 0, state_bytes(params));
  memcpy(s->params, params, sizeof s->params);
  s->n        = n;
  s->unit_cnt = params[CLASSIFY] == BVC ? bars : 1;
  s->unit     = params[BUCKET] / s->unit_cnt;
  return TF_OK;
}

static void reset(void *state) {
  double params[PARAM_CNT];
  memcpy(params, ((const vpin_t *)state)->params, sizeof params);
  (void)init(state, params);
}

static const char *const CLASSIFICATIONS[] = {[AGGRESSOR] = "aggressor", [BVC] = "bvc"};

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("bucket", 1, 1e-12, 1e12, "volume of a bucket, in base units"),
    TF_PARTS_PARAM_N(50, 1, "buckets"),
    {.name  = "classify",
                        .kind  = TF_PARAM_CHOICE,
                        .dflt  = AGGRESSOR,
                        .min   = AGGRESSOR,
                        .max   = BVC,
                        .help  = "whose a trade is: the venue's word, or by bulk from prices",
                        .names = CLASSIFICATIONS},
    {.name = "bars",
                        .kind = TF_PARAM_COUNT,
                        .dflt = 10,
                        .min  = 1,
                        .max  = BARS_MAX,
                        .help = "of bvc: bars of equal volume a bucket"                                                     },
};
TF_STATIC_ASSERT(TF_ARRAY_CNT(PARAMS) == PARAM_CNT, "in this order");

const tf_indicator_t tf_indicator_vpin = {
    .name        = "vpin",
    .group       = TF_GROUP_TRADE,
    .help        = "volume-synchronised probability of informed trading, 0 to 1",
    .origin      = "Easley, Lopez de Prado, O'Hara 2012, by aggressor or by bulk",
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
