/* mlofi(window, level) = the sum of e (order_flow.h) over the changes of the book's level number `level`, 1 the best, in
 * the last `window` of receive time: one component of the multi-level order flow imbalance; the vector is as many
 * features. In base units.
 *
 * Levels are compared once per message (tick), and only when the book has changed. Rejected while a side has fewer
 * levels, or there is no depth channel; the next whole pair is then compared with the last whole one. While the book
 * has a gap or is syncing nothing is compared, nor is the first pair after: what flowed in between is unknown. 0
 * while nothing changed in the window. The window is described in time_window.h.
 *
 * Cost: a walk to the level each time the book has changed.
 *
 * K. Xu, M. Gould, S. Howison, "Multi-level order-flow imbalance in a limit order book", Market Microstructure and
 * Liquidity 4 (2018) 1950011, equations (5) to (7). */
#include "indicator/order_flow.h"
#include "indicator/time_window.h"

enum { VALUE_CNT = 1, LEVEL_MAX = 5000 };

typedef struct mlofi {
  tf_level_pair_t  last;
  uint64_t         change_cnt; /* of the book that last is of */
  uint32_t         level;
  uint32_t         has_last;
  tf_time_window_t window; /* its entries follow: last member */
} mlofi_t;

static bool read_level(const tf_book_t *book, const tf_book_side_t *side, uint32_t level,
                       double *price, double *qty) {
  if (side->level_cnt < level) return false;
  tf_book_cursor_t at = tf_book_best(side);
  for (uint32_t i = 1; i < level; i++) tf_book_worse(&at);
  *price = tf_decimal_to_double(at.price, book->price_exp);
  *qty   = tf_decimal_to_double(at.qty, book->qty_exp);
  return true;
}

static bool read_pair(const mlofi_t *s, const tf_book_t *book, tf_level_pair_t *now) {
  if (!book || book->state == TF_BOOK_NONE) return false;
  if (s->has_last && s->change_cnt == book->change_cnt) {
    *now = s->last;
    return true;
  }
  return read_level(book, &book->bid, s->level, &now->bid, &now->bid_qty) &&
         read_level(book, &book->ask, s->level, &now->ask, &now->ask_qty);
}

/* The window at this tick before e, and the answer with e. Shared, so that update and peek agree to
 * the bit. */
static tf_indicator_result_t answer(const mlofi_t *s, const tf_market_t *m, tf_level_pair_t *now,
                                    double *e, tf_time_window_view_t *view, double *out) {
  if (!read_pair(s, m->book, now)) return TF_INDICATOR_REJECTED;
  *e = s->has_last && !tf_order_flow_is_broken(m->book) ? tf_order_flow(&s->last, now) : 0;
  tf_time_window_view(&s->window, m->now_ns, VALUE_CNT, view);
  tf_sum_t sum = view->sum[0];
  tf_sum_add(&sum, *e);
  return tf_parts_answer(out, tf_sum_value(&sum));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  mlofi_t              *s = state;
  const tf_market_t    *m = in->market;
  tf_level_pair_t       now;
  double                e;
  tf_time_window_view_t view;
  tf_indicator_result_t result = answer(s, m, &now, &e, &view, out);
  if (result == TF_INDICATOR_REJECTED) return result;
  tf_time_window_keep(&s->window, &view, VALUE_CNT);
  if (e != 0) tf_time_window_add(&s->window, m->now_ns, &e, VALUE_CNT);
  s->last       = now;
  s->change_cnt = m->book->change_cnt;
  s->has_last   = tf_order_flow_is_broken(m->book) ? 0 : 1;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  tf_level_pair_t       now;
  double                e;
  tf_time_window_view_t view;
  return answer(state, in->market, &now, &e, &view, out);
}

static size_t state_bytes(const double *params) {
  return offsetof(mlofi_t, window) + tf_time_window_bytes(params[2], VALUE_CNT);
}

static tf_err_t init(void *state, const double *params) {
  mlofi_t *s   = state;
  *s           = (mlofi_t){0};
  tf_err_t err = tf_parts_count(params[1], 1, &s->level);
  if (err == TF_OK && s->level > LEVEL_MAX) err = E_CORE_ARGUMENT;
  return err == TF_OK ? tf_time_window_init(&s->window, params[0], params[2], VALUE_CNT) : err;
}

static void reset(void *state) {
  mlofi_t *s    = state;
  s->last       = (tf_level_pair_t){0};
  s->change_cnt = 0;
  s->has_last   = 0;
  tf_time_window_reset(&s->window, VALUE_CNT);
}

TF_TIME_WINDOW_TRAIL(mlofi, offsetof(mlofi_t, window), 2, VALUE_CNT)

static const tf_param_spec_t PARAMS[] = {
    TF_PARTS_PARAM_WINDOW,
    {.name = "level",
      .kind = TF_PARAM_COUNT,
      .dflt = 1,
      .min  = 1,
      .max  = LEVEL_MAX,
      .help = "of the book, 1 the best"},
    TF_PARTS_PARAM_CAPACITY,
};

const tf_indicator_t tf_indicator_mlofi = {
    .name        = "mlofi",
    .group       = TF_GROUP_BOOK,
    .help        = "order flow imbalance of one level of the book over the window, in base units",
    .origin      = "Xu, Gould, Howison 2018",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TICK,
    .outputs     = {"mlofi"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .trail_cnt   = 1,
    .trail       = mlofi_trail,
    .held        = mlofi_held,
};
