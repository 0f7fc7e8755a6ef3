/* queue_half_life(window) = ln 2 E / R, in seconds: how long the queue at the best price would take to lose half of itself
 * at the rate at which it has been losing over the last `window` of receive time. R is the quantity that left the best
 * bid and offer, traded or cancelled: where the price stayed, what the size fell by; where it worsened, the whole
 * queue; where it improved, nothing. E is the integral of both queues over time, in base units times seconds. R / E is
 * the death rate of a unit in the queue by occurrence over exposure. No value while nothing left.
 *
 * Time in which the best bid and offer is unknown (order_flow.h: a broken book) is in neither. Exposure counts when it
 * ends, at the next quote or tick. What windows over quotes share is in quote_window.h.
 *
 * The model, queues whose units leave independently at one rate: R. Cont, S. Stoikov, R. Talreja, "A stochastic model for
 * order book dynamics", Operations Research 58 (2010) 549-563. */
#include "indicator/quote_window.h"

#define LN_2 0.69314718055994531

enum { VALUE_CNT = 3 };

/* sign: 1 where a higher price is the better one, a bid. */
static double lost(double last_price, double last_qty, double price, double qty, double sign) {
  double better = (price - last_price) * sign;
  if (better > 0) return 0;
  if (better < 0) return last_qty;
  return qty < last_qty ? last_qty - qty : 0;
}

static void values_of(const tf_quote_last_t *last, tf_quote_last_t *now,
                      const tf_indicator_input_t *in, double *values) {
  (void)in;
  const tf_level_pair_t *a = &last->pair, *b = &now->pair;
  values[0] = values[1] = values[2] = 0;
  if (!last->has_pair || !now->has_pair) return;
  values[0] = lost(a->bid, a->bid_qty, b->bid, b->bid_qty, 1) +
              lost(a->ask, a->ask_qty, b->ask, b->ask_qty, -1);
  values[1] = (a->bid_qty + a->ask_qty) * ((double)(now->at_ns - last->at_ns) * 1e-9);
  values[2] = values[0] > 0; /* counted, since a sum may keep a residue of what has left */
}

static tf_indicator_result_t answer(const double *sums, double *out) {
  return sums[2] > 0 ? tf_parts_answer(out, LN_2 * sums[1] / sums[0]) : tf_parts_warming(out);
}

TF_QUOTE_WINDOW_DEFINE(queue_half_life, VALUE_CNT, values_of, answer,
                       .on     = TF_ON_QUOTE | TF_ON_TICK,
                       .help   = "time for the best queues to halve, in seconds",
                       .origin = "occurrence over exposure; Cont, Stoikov, Talreja 2010");
