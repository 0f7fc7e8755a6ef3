#include "stage/buffer.h"

#include <math.h>
#include <string.h>

#include "tf/indicator.h"
#include "tf/text.h"

static void set_bbo(tf_lane_instrument_t *in, int64_t bid_price, int64_t bid_qty, int64_t ask_price,
                    int64_t ask_qty, int8_t price_exp, int8_t qty_exp) {
  tf_market_t *m = &in->market;
  if (TF_UNLIKELY(bid_price <= 0 || ask_price <= 0)) { /* a side is empty: there is no mid */
    in->has_bbo = false;
    m->bid = m->ask = m->bid_qty = m->ask_qty = (double)NAN;
    return;
  }
  in->bid_price     = bid_price;
  in->ask_price     = ask_price;
  in->bid_qty       = bid_qty;
  in->ask_qty       = ask_qty;
  in->bbo_price_exp = price_exp;
  in->bbo_qty_exp   = qty_exp;
  in->has_bbo       = true;
  m->bid            = tf_decimal_to_double(bid_price, price_exp);
  m->ask            = tf_decimal_to_double(ask_price, price_exp);
  m->bid_qty        = tf_decimal_to_double(bid_qty, qty_exp);
  m->ask_qty        = tf_decimal_to_double(ask_qty, qty_exp);
}

/* Whether the best bid and offer at hand, which are of the other channel, are fresher (tf/market.h). */
TF_INLINE bool is_outrun(const tf_lane_instrument_t *in, const tf_event_t *e) {
  const uint64_t event_ns = tf_buffer_trusted_ns_(e), behind_ns = in->bbo_event_ns - event_ns;
  const bool     is_older =
      (event_ns != 0) & (event_ns < in->bbo_event_ns) & (behind_ns <= TF_BBO_SKEW_NS_MAX);
  return ((e->flags & TF_FLAG_OUTRUN) != 0) | is_older;
}

static void on_quote(tf_lane_instrument_t *in, const tf_event_t *e) {
  in->market.has_quote = true;
  if (TF_UNLIKELY(in->bbo_is_books) && in->keeper.book.state == TF_BOOK_OK && is_outrun(in, e))
    return;
  in->bbo_is_books = false;
  in->bbo_event_ns = tf_buffer_trusted_ns_(e);
  set_bbo(in, e->u.quote.bid_price, e->u.quote.bid_qty, e->u.quote.ask_price, e->u.quote.ask_qty,
          e->price_exp, e->qty_exp);
}

/* Of bars on the clock EVENT: the event's own, or else the latest. */
static uint64_t venue_time(const tf_lane_instrument_t *in, const tf_event_t *e) {
  const uint64_t event_ns = tf_buffer_trusted_ns_(e);
  return event_ns != 0 ? event_ns : in->event_ns;
}

/* After a bar has opened or closed. */
static void find_bars_due(const tf_buffer_t *buffer, tf_lane_instrument_t *in) {
  in->bars_due_ns[TF_BAR_CLOCK_RECV] = in->bars_due_ns[TF_BAR_CLOCK_EVENT] = UINT64_MAX;
  for (uint32_t b = 0; b < buffer->bar_cnt; b++) {
    uint64_t *due_ns = &in->bars_due_ns[buffer->bars[b].clock];
    if (in->bars[b].due_ns < *due_ns) *due_ns = in->bars[b].due_ns;
  }
}

uint32_t tf_buffer_close_bars_(tf_buffer_t *buffer, tf_lane_instrument_t *in) {
  uint32_t closed = 0;
  for (uint32_t b = 0; b < buffer->bar_cnt; b++) {
    const tf_bar_spec_t *spec   = &buffer->bars[b];
    const bool           is_own = spec->clock == TF_BAR_CLOCK_RECV;
    const uint64_t       now_ns = is_own ? in->market.now_ns : in->event_ns;
    if (tf_bar_on_time(&in->bars[b], spec, now_ns, &buffer->bar_counts)) closed |= 1u << b;
  }
  find_bars_due(buffer, in);
  return closed;
}

/* A trade of a bar: the bars that it closed, one bit each. */
static uint32_t on_trade(tf_buffer_t *buffer, tf_lane_instrument_t *in, const tf_event_t *e) {
  tf_market_t *m      = &in->market;
  in->trade_price     = e->u.trade.price;
  in->trade_price_exp = e->price_exp;
  in->has_trade       = true;
  m->trade_price      = tf_decimal_to_double(e->u.trade.price, e->price_exp);
  m->trade_qty        = tf_decimal_to_double(e->u.trade.qty, e->qty_exp);
  m->trade_side       = tf_event_sign(e);
  uint32_t closed     = 0;
  for (uint32_t b = 0; b < buffer->bar_cnt; b++) {
    const tf_bar_spec_t *spec    = &buffer->bars[b];
    const uint64_t       time_ns = spec->clock == TF_BAR_CLOCK_RECV ? m->now_ns : venue_time(in, e);
    if (TF_UNLIKELY(time_ns == 0)) { /* the venue has told no time so far */
      buffer->bar_counts.late_trades++;
      continue;
    }
    if (tf_bar_on_trade(&in->bars[b], spec, time_ns, m->trade_price, m->trade_qty, m->trade_side,
                        &buffer->bar_counts))
      closed |= 1u << b;
  }
  find_bars_due(buffer, in);
  return closed;
}

static void on_ticker(tf_market_t *m, const tf_event_t *e) {
  if (e->u.ticker.mark_price != 0)
    m->mark_price = tf_decimal_to_double(e->u.ticker.mark_price, e->price_exp);
  if (e->u.ticker.funding_rate != TF_FUNDING_NONE)
    m->funding_rate = tf_decimal_to_double(e->u.ticker.funding_rate, TF_FUNDING_EXP);
}

/* Whether it was answered. */
static bool on_text(tf_market_t *m, const tf_event_t *e) {
  if (e->u.text.miss != TF_TEXT_MISS_NONE) return false;
  m->text_score      = (double)e->u.text.score;
  m->text_confidence = (double)e->u.text.confidence;
  m->text_novelty    = (double)e->u.text.novelty;
  m->text_label      = (double)e->u.text.label;
  m->text_ns         = m->now_ns;
  return true;
}

/* Halted: what is known stands, and decide holds. Ended: the book, the best bid and offer and the last trade are of
 * something that is no more. Other sizes: books and events carry their own exponents. */
TF_COLD static void on_listing(const tf_buffer_t *buffer, tf_lane_instrument_t *in,
                               const tf_event_t *e) {
  if (e->u.listing.trading == TF_TRADING_CHANGED) return;
  in->trading = (uint8_t)e->u.listing.trading;
  if (in->trading != TF_TRADING_ENDED) return;
  tf_book_forget(&in->keeper);
  tf_lost_books_set(&buffer->lost_books, e->instrument_id, 0);
  set_bbo(in, 0, 0, 0, 0, 0, 0);
  in->has_trade          = false;
  in->market.has_quote   = false;
  in->market.trade_price = in->market.trade_qty = (double)NAN;
}

void tf_buffer_on_woken(tf_lane_instrument_t *in, const tf_event_t *e) {
  in->market.event = e;
  if (e->ts_recv_ns > in->market.now_ns) in->market.now_ns = e->ts_recv_ns;
}

uint32_t tf_buffer_on_event(tf_buffer_t *buffer, tf_lane_instrument_t *in, const tf_event_t *e,
                            uint32_t *closed_bars) {
  tf_market_t *m = &in->market;
  *closed_bars   = 0;
  switch (e->kind) {
  case TF_EVENT_TRADE:
    /* It happened before this window, or its price cannot be meant. */
    if (TF_UNLIKELY(e->flags & (TF_FLAG_BACKFILL | TF_FLAG_OUTLIER))) return 0;
    *closed_bars = on_trade(buffer, in, e);
    return TF_ON_TRADE;
  case TF_EVENT_QUOTE: on_quote(in, e); return TF_ON_QUOTE;
  case TF_EVENT_BOOK: tf_book_on_event(&in->keeper, e); return TF_ON_BOOK;
  case TF_EVENT_STATUS:
    if (TF_UNLIKELY(tf_event_is_listing(e)))
      on_listing(buffer, in, e);
    else
      tf_book_on_event(&in->keeper, e);
    return 0;
  case TF_EVENT_TICKER: on_ticker(m, e); return 0;
  case TF_EVENT_TEXT: return on_text(m, e) ? TF_ON_TEXT : 0;
  default: return 0;
  }
}

/* The book's top, after a message of it. */
static void on_top(tf_lane_instrument_t *in, const tf_event_t *e) {
  const tf_book_t *book = &in->keeper.book;
  if (in->market.has_quote) {
    const bool is_quotes = in->has_bbo & !in->bbo_is_books;
    if (e->kind != TF_EVENT_BOOK || (is_quotes && is_outrun(in, e))) return;
  }
  const tf_book_cursor_t bid = tf_book_best(&book->bid), ask = tf_book_best(&book->ask);
  if (bid.qty == 0 || ask.qty == 0) return;
  in->bbo_is_books = true;
  in->bbo_event_ns = tf_buffer_trusted_ns_(e);
  set_bbo(in, bid.price, bid.qty, ask.price, ask.qty, book->price_exp, book->qty_exp);
}

void tf_buffer_settle(const tf_buffer_t *buffer, tf_lane_instrument_t *in) {
  const uint64_t doubtful_since_ns = in->keeper.doubtful_since_ns;
  if (!tf_book_settle(&in->keeper, in->market.now_ns)) return;
  if (TF_UNLIKELY(in->keeper.doubtful_since_ns != doubtful_since_ns))
    tf_lost_books_set(&buffer->lost_books, in->market.event->instrument_id,
                      in->keeper.doubtful_since_ns);
  if (in->keeper.book.state == TF_BOOK_OK) on_top(in, in->market.event);
}

tf_err_t tf_buffer_init_instrument(tf_lane_instrument_t *in, tf_arena_t *arena,
                                   uint32_t book_levels_max, uint32_t pending_levels_max) {
  memset(in, 0, sizeof *in);
  tf_err_t err = tf_book_init(&in->keeper, arena, book_levels_max, pending_levels_max);
  if (err) return err;
  in->market   = (tf_market_t){.book            = &in->keeper.book,
                               .bid             = (double)NAN,
                               .ask             = (double)NAN,
                               .bid_qty         = (double)NAN,
                               .ask_qty         = (double)NAN,
                               .trade_price     = (double)NAN,
                               .trade_qty       = (double)NAN,
                               .mark_price      = (double)NAN,
                               .funding_rate    = (double)NAN,
                               .text_score      = (double)NAN,
                               .text_confidence = (double)NAN,
                               .text_novelty    = (double)NAN,
                               .text_label      = (double)NAN};
  in->position = (double)NAN;
  return TF_OK;
}
