/* ofi(window) = the sum of e over the changes of the best bid and offer in the last `window` of
 * receive time, where for a change from (Pb', qb', Pa', qa') to (Pb, qb, Pa, qa)
 *
 *   e = [Pb >= Pb'] qb - [Pb <= Pb'] qb' - [Pa <= Pa'] qa + [Pa >= Pa'] qa'
 *
 * Order flow imbalance of R. Cont, A. Kukanov, S. Stoikov, "The price impact of order book events",
 * J. Financial Econometrics 12 (2014) 47-88, equation (4) and the sum below it; in base units.
 *
 * Each quote is a change; best bids and offers that come from a book are compared once per message
 * (tick), since the book is not whole between the levels of one message. Rejected while a side is
 * missing; the next whole best bid and offer is then compared with the last whole one. 0 while
 * nothing changed in the window. A best bid and offer out of a book that has a gap or is syncing is
 * no change either, nor is the first one after: what flowed in between is unknown. The window is
 * described in time_window.h. */
#include "indicator/order_flow.h"
#include "indicator/time_window.h"

enum { VALUE_CNT = 1 };

typedef struct ofi {
  tf_level_pair_t  last;
  uint64_t         has_last;
  tf_time_window_t window; /* its entries follow: last member */
} ofi_t;

/* The window at this event before e, and the answer with e. Shared, so that update and peek agree to
 * the bit. */
static tf_indicator_result_t answer(const ofi_t *s, const tf_indicator_input_t *in,
                                    tf_level_pair_t *now, double *e, tf_time_window_view_t *view,
                                    double *out) {
  if (!tf_level_pair_of_market(in->market, now)) return TF_INDICATOR_REJECTED;
  *e = s->has_last && !tf_order_flow_is_blind(in->market) ? tf_order_flow(&s->last, now) : 0;
  if (!tf_parts_finite(*e)) return TF_INDICATOR_REJECTED;
  tf_time_window_view(&s->window, in->market->now_ns, VALUE_CNT, view);
  if (in->on != TF_ON_TICK) return TF_INDICATOR_WARMING;
  tf_sum_t sum = view->sum[0];
  tf_sum_add(&sum, *e);
  return tf_parts_answer(out, tf_sum_value(&sum));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  ofi_t                *s = state;
  tf_level_pair_t       now;
  double                e;
  tf_time_window_view_t view;
  tf_indicator_result_t result = answer(s, in, &now, &e, &view, out);
  if (result == TF_INDICATOR_REJECTED) return result;
  tf_time_window_keep(&s->window, &view, VALUE_CNT);
  if (e != 0) tf_time_window_add(&s->window, in->market->now_ns, &e, VALUE_CNT);
  s->last     = now;
  s->has_last = tf_order_flow_is_blind(in->market) ? 0 : 1;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  tf_level_pair_t       now;
  double                e;
  tf_time_window_view_t view;
  return answer(state, in, &now, &e, &view, out);
}

static size_t state_bytes(const double *params) {
  return offsetof(ofi_t, window) + tf_time_window_bytes(params[1], VALUE_CNT);
}

static tf_err_t init(void *state, const double *params) {
  ofi_t *s    = state;
  s->last     = (tf_level_pair_t){0};
  s->has_last = 0;
  return tf_time_window_init(&s->window, params[0], params[1], VALUE_CNT);
}

static void reset(void *state) {
  ofi_t *s    = state;
  s->last     = (tf_level_pair_t){0};
  s->has_last = 0;
  tf_time_window_reset(&s->window, VALUE_CNT);
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_WINDOW, TF_PARTS_PARAM_CAPACITY};

const tf_indicator_t tf_indicator_ofi = {
    .name        = "ofi",
    .group       = TF_GROUP_BOOK,
    .help        = "order flow imbalance over the window, in base units",
    .origin      = "Cont, Kukanov, Stoikov 2014, equation (4)",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_QUOTE | TF_ON_TICK,
    .outputs     = {"ofi"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
