/* HTX, spot and linear swaps (VENUES 13): every message a gzip member in a binary frame, the venue's ping a
 * message of its own that must be answered, numbers with exponents, ids of trades beyond 64 bits. Books of
 * spot are on an address of their own and their snapshots asked for on the socket; books of swaps begin with
 * a snapshot and are numbered for the connection. */
#include <inttypes.h>
#include <string.h>

#include "sim/exchange.h"

#define BOOK_LEVELS 150

enum { TRADES, QUOTES, BOOK, DETAIL, CHANNEL_CNT };
static const char *const spot_topics[CHANNEL_CNT] = {"trade.detail", "bbo", "mbp.150", "detail"};
static const char *const swap_topics[CHANNEL_CNT] = {"trade.detail", "bbo",
                                                     "depth.size_150.high_freq", "detail"};

static const sim_pair_t spot_pairs[] = {
    {"BTCUSDT",  6183763, 2, 2, 6, 12000000,      100    },
    {"ETHUSDT",  265012,  2, 2, 4, 250000000,     10000  },
    {"SHIBUSDT", 91210,   9, 9, 2, 9000000000000, 1000000},
    {NULL,       100000,  4, 4, 4, 1000000000,    10000  }
};
static const sim_pair_t swap_pairs[] = {
    {"BTC-USDT", 618390, 1, 1, 0, 20000000000, 100000000}, /* quantities are contracts */
    {"ETH-USDT", 265020, 2, 2, 0, 20000000000, 100000000},
    {NULL,       100000, 2, 2, 0, 20000000000, 100000000}
};

/* Of a connection. */
typedef struct peer_state {
  bool is_feed; /* it came to the address of spot's books */
} peer_state_t;

static bool is_swap(const sim_exchange_t *x) { return x->venue == &sim_venue_htx_swap; }
static const char *const *topics_of(const sim_exchange_t *x) {
  return is_swap(x) ? swap_topics : spot_topics;
}
static const char *name_of(const sim_exchange_t *x, const sim_symbol_t *s) {
  return is_swap(x) ? s->name : s->lower;
}
static uint64_t wall_ms(const sim_exchange_t *x) { return x->wall_ns / TF_NS_PER_MS; }

/* ---- pieces of messages ---- */

/* As Java prints a number: 9.121E-7 below a thousandth. */
static void put_number(sim_text_t *t, int64_t mantissa, uint32_t digits) {
  char text[32];
  int  cnt = snprintf(text, sizeof text, "%" PRId64, mantissa);
  if (mantissa <= 0 || cnt + 2 >= (int)digits) {
    sim_put_decimal(t, mantissa, digits);
    return;
  }
  while (cnt > 2 && text[cnt - 1] == '0') text[--cnt] = '\0';
  int power = snprintf(NULL, 0, "%" PRId64, mantissa) - 1 - (int)digits;
  sim_put(t, "%c.%sE%d", text[0], text[1] ? text + 1 : "0", power);
}

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  put_number(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}
static void put_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  put_number(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
}

static void put_head(sim_text_t *t, const sim_exchange_t *x, uint32_t symbol, uint32_t channel) {
  sim_put(t, "{\"ch\":\"market.%s.%s\",\"ts\":%" PRIu64 ",\"tick\":{",
          name_of(x, &x->symbols[symbol]), topics_of(x)[channel], wall_ms(x));
}

/* ---- the market ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  put_head(&t, x, symbol, TRADES);
  sim_put(&t, "\"id\":%" PRIu64 ",\"ts\":%" PRIu64 ",\"data\":[{", s->market.update_id, wall_ms(x));
  if (is_swap(x))
    sim_put(&t, "\"quantity\":0.0031859832031779545255059460801016711,\"id\":%" PRIu64 "0000",
            s->market.trade_id);
  else /* 27 digits */
    sim_put(&t, "\"id\":1%011" PRIu64 "255757567432481,\"tradeId\":%" PRIu64, s->market.trade_id,
            s->market.trade_id);
  sim_put(&t, ",\"ts\":%" PRIu64 ",\"amount\":", wall_ms(x));
  put_qty(&t, s, step->trade_qty);
  sim_put(&t, ",\"price\":");
  put_price(&t, s, step->trade_price_ticks);
  sim_put(&t, ",\"direction\":\"%s\"}]}}", step->seller_took ? "sell" : "buy"); /* the taker's */
  sim_broadcast(x, sim_stream(symbol, TRADES), &t, SIM_MESSAGE_DATA);
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  if (!sim_has_listener(x, sim_stream(symbol, QUOTES))) return;
  sim_text_t t    = sim_message(x);
  bool       swap = is_swap(x);
  put_head(&t, x, symbol, QUOTES);
  if (swap)
    sim_put(&t, "\"mrid\":%" PRIu64 ",\"id\":%" PRIu64 ",", m->update_id,
            x->wall_ns / TF_NS_PER_SEC);
  else
    sim_put(&t, "\"seqId\":%" PRIu64 ",", m->update_id);
  sim_put(&t, swap ? "\"bid\":[" : "\"bid\":");
  put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, swap ? "," : ",\"bidSize\":");
  put_qty(&t, s, m->ladder[0][m->best_bid]);
  sim_put(&t, swap ? "],\"ask\":[" : ",\"ask\":");
  put_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, swap ? "," : ",\"askSize\":");
  put_qty(&t, s, m->ladder[1][m->best_ask]);
  if (swap)
    sim_put(&t, "],\"ts\":%" PRIu64 ",\"version\":%" PRIu64 "}}", wall_ms(x), m->update_id);
  else
    sim_put(&t, ",\"quoteTime\":%" PRIu64 ",\"symbol\":\"%s\"}}", wall_ms(x), s->lower);
  sim_broadcast(x, sim_stream(symbol, QUOTES), &t, SIM_MESSAGE_DATA);
}

static void put_dirty(sim_text_t *t, const sim_symbol_t *s, bool ask) {
  bool first = true;
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    if (level->ask != ask) continue;
    sim_put(t, first ? "[" : ",[");
    put_price(t, s, level->price_ticks);
    sim_put(t, ",");
    put_qty(t, s, level->qty);
    sim_put(t, "]");
    first = false;
  }
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, symbol, BOOK);
  if (!is_swap(x))
    sim_put(&t, "\"seqNum\":%" PRIu64 ",\"prevSeqNum\":%" PRIu64 ",", s->market.update_id,
            s->depth_last_id);
  sim_put(&t, "\"bids\":[");
  put_dirty(&t, s, false);
  sim_put(&t, "],\"asks\":[");
  put_dirty(&t, s, true);
  if (is_swap(x)) /* wrap numbers it */
    sim_put(&t, "],\"event\":\"update\",\"ts\":%" PRIu64 ",\"version\":0}}", wall_ms(x));
  else
    sim_put(&t, "]}}");
  s->depth_last_id = s->market.update_id;
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, BOOK), &t, SIM_MESSAGE_BOOK);
}

/* The version is the connection's. */
static size_t wrap(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream, const char *text,
                   size_t cnt, char *out, size_t cap) {
  static const char end[] = "\"version\":0}}";
  if (!is_swap(x) || stream == SIM_STREAM_NONE || sim_stream_channel(stream) != BOOK ||
      cnt < sizeof end || memcmp(text + cnt - (sizeof end - 1), end, sizeof end - 1) != 0)
    return 0;
  uint64_t  *version = sim_peer_symbol(x, peer, sim_stream_symbol(stream));
  sim_text_t t       = sim_text(out, cap);
  sim_put_bytes(&t, text, cnt - 3);
  sim_put(&t, "%" PRIu64 "}}", ++*version);
  return t.full ? 0 : t.cnt;
}

static void put_side(sim_text_t *t, const sim_view_t *view, bool ask) {
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    sim_put(t, i ? ",[" : "[");
    put_number(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, ",");
    put_number(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, "]");
  }
}

static void put_sides(sim_text_t *t, const sim_exchange_t *x) {
  sim_put(t, "\"bids\":[");
  put_side(t, x->view, false);
  sim_put(t, "],\"asks\":[");
  put_side(t, x->view, true);
  sim_put(t, "]");
}

/* Swaps only: spot's are asked for. */
static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (!is_swap(x) || channel != BOOK || !sim_view(x, symbol, BOOK_LEVELS, x->view)) return;
  uint64_t  *version = sim_peer_symbol(x, peer, symbol);
  sim_text_t t       = sim_message(x);
  *version           = 700000000; /* somewhere */
  put_head(&t, x, symbol, BOOK);
  put_sides(&t, x);
  sim_put(&t, ",\"event\":\"snapshot\",\"ts\":%" PRIu64 ",\"version\":%" PRIu64 "}}", wall_ms(x),
          *version);
  sim_reply(x, peer, &t);
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  if (!sim_has_listener(x, sim_stream(symbol, DETAIL))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, symbol, DETAIL);
  sim_put(&t, "\"id\":%" PRIu64 ",\"open\":", s->market.update_id);
  put_price(&t, s, k->last_ticks);
  sim_put(&t, ",\"close\":");
  put_price(&t, s, k->last_ticks);
  sim_put(&t, ",\"amount\":");
  put_qty(&t, s, k->volume);
  sim_put(&t, ",\"vol\":8.181588598785326E8,\"count\":699452");
  if (is_swap(x)) {
    sim_put(&t, ",\"ask\":[");
    put_price(&t, s, k->ask_ticks);
    sim_put(&t, ",1],\"bid\":[");
    put_price(&t, s, k->bid_ticks);
    sim_put(&t, ",1]");
  }
  sim_put(&t, "}}");
  sim_broadcast(x, sim_stream(symbol, DETAIL), &t, SIM_MESSAGE_DATA);
}

/* ---- requests ---- */

static const char *id_of(const sim_exchange_t *x) {
  const char *id = json_string_value(json_object_get(x->request, "id"));
  return id ? id : "";
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *topic) {
  sim_text_t t = sim_message(x);
  sim_put(&t,
          "{\"status\":\"error\",\"ts\":%" PRIu64 ",\"id\":\"%.32s\",\"err-code\":\"bad-request\","
          "\"err-msg\":\"invalid topic %.80s\"}",
          wall_ms(x), id_of(x), topic);
  sim_reply(x, peer, &t);
}

/* "market.btcusdt.mbp.150". SIM_STREAM_NONE: none of ours, or none of this address's. */
static uint32_t stream_of(const sim_exchange_t *x, const sim_peer_t *peer, const char *topic) {
  const peer_state_t *state = peer->state;
  if (strncmp(topic, "market.", 7) != 0) return SIM_STREAM_NONE;
  size_t   n      = strcspn(topic + 7, ".");
  uint32_t symbol = is_swap(x) ? sim_find_symbol(x, topic + 7, n) : sim_find_lower(x, topic + 7, n);
  uint32_t c      = 0;
  if (symbol == UINT32_MAX || topic[7 + n] != '.') return SIM_STREAM_NONE;
  while (c < CHANNEL_CNT && strcmp(topics_of(x)[c], topic + 8 + n) != 0) c++;
  bool is_here = is_swap(x) || (c == BOOK) == state->is_feed;
  return c < CHANNEL_CNT && is_here ? sim_stream(symbol, c) : SIM_STREAM_NONE;
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, const char *topic, bool on) {
  uint32_t  stream = stream_of(x, peer, topic);
  sim_ack_t ack    = on && stream != SIM_STREAM_NONE ? sim_ack(x) : SIM_ACK_SENT;
  if (stream == SIM_STREAM_NONE || ack == SIM_ACK_ERROR) {
    refuse(x, peer, topic);
    return;
  }
  if (ack == SIM_ACK_SKIPPED || (on && !sim_admit(x, peer, SIM_LIMIT_SUBSCRIBES, 1))) return;
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"id\":\"%.32s\",\"status\":\"ok\",\"%s\":\"%s\",\"ts\":%" PRIu64 "}", id_of(x),
          on ? "subbed" : "unsubbed", topic, wall_ms(x));
  sim_reply_ack(x, peer, sim_stream_symbol(stream), &t, ack);
  if (on)
    sim_subscribe(x, peer, stream);
  else
    sim_unsubscribe(peer, stream);
}

/* {"req":"market.btcusdt.mbp.150"}: the book as it is. */
static void reply_book(sim_exchange_t *x, sim_peer_t *peer, const char *topic) {
  uint32_t stream = is_swap(x) ? SIM_STREAM_NONE : stream_of(x, peer, topic);
  if (stream == SIM_STREAM_NONE || sim_stream_channel(stream) != BOOK) {
    refuse(x, peer, topic);
    return;
  }
  uint32_t symbol = sim_stream_symbol(stream);
  sim_flush_depth(x, symbol);
  if (!sim_view(x, symbol, BOOK_LEVELS, x->view)) return;
  sim_text_t t = sim_message(x);
  sim_put(&t,
          "{\"id\":\"%.32s\",\"rep\":\"%s\",\"status\":\"ok\",\"ts\":%" PRIu64
          ",\"data\":{\"seqNum\":%" PRIu64 ",",
          id_of(x), topic, wall_ms(x), x->view->venue_seq);
  put_sides(&t, x);
  sim_put(&t, "}}");
  sim_reply_snapshot(x, peer, &t);
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *sub   = json_string_value(json_object_get(request, "sub"));
  const char *unsub = json_string_value(json_object_get(request, "unsub"));
  const char *req   = json_string_value(json_object_get(request, "req"));
  if (json_object_get(request, "pong"))
    sim_ponged(peer);
  else if (sub || unsub)
    set_stream(x, peer, sub ? sub : unsub, sub != NULL);
  else if (req)
    reply_book(x, peer, req);
  else
    refuse(x, peer, "");
}

static void ping(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"ping\":%" PRIu64 "}", wall_ms(x));
  sim_reply(x, peer, &t);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  peer_state_t *state = peer->state;
  state->is_feed      = !strcmp(target, "/feed");
  if (is_swap(x)) return !strcmp(target, "/linear-swap-ws");
  return state->is_feed || !strcmp(target, "/ws");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  if (is_swap(x) || strcmp(target, "/v1/common/symbols") != 0) {
    sim_put(t, "{\"status\":\"error\",\"err-code\":\"invalid-parameter\"}");
    return 404;
  }
  sim_put(t, "{\"status\":\"ok\",\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s = &x->symbols[i];
    sim_put(t,
            "%s{\"quote-currency\":\"usdt\",\"price-precision\":%u,\"amount-precision\":%u,"
            "\"symbol\":\"%s\",\"state\":\"online\"}",
            i ? "," : "", s->pair.tick_digits, s->pair.qty_digits, s->lower);
  }
  sim_put(t, "]}");
  return 200;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      ch_cnt;
  const char *ch = sim_find_text(text, cnt, "ch", &ch_cnt);
  *r             = (sim_route_t){.payload = text, .payload_cnt = cnt};
  if (!ch || ch_cnt < 8 || memcmp(ch, "market.", 7) != 0) return false;
  const char *dot = memchr(ch + 7, '.', ch_cnt - 7);
  if (!dot) return false;
  size_t kind_cnt = ch_cnt - (size_t)(dot + 1 - ch);
  for (uint32_t i = 0; i < CHANNEL_CNT; i++)
    if ((strlen(spot_topics[i]) == kind_cnt && !memcmp(spot_topics[i], dot + 1, kind_cnt)) ||
        (strlen(swap_topics[i]) == kind_cnt && !memcmp(swap_topics[i], dot + 1, kind_cnt)))
      r->channels = 1u << i;
  if ((kind_cnt > 10 && !memcmp(dot + 1, "depth.step", 10)) ||
      (kind_cnt > 11 && !memcmp(dot + 1, "mbp.refresh", 11)))
    r->channels = 1u << BOOK; /* whole each time: older recordings have nothing else */
  r->name     = ch + 7;
  r->name_cnt = (size_t)(dot - r->name);
  r->is_book  = r->channels == 1u << BOOK;
  return r->channels != 0;
}

#define LIMITS                                                                                     \
  {                                                                                                \
    [SIM_LIMIT_SUBSCRIBES] = {.max = 40, .ns = TF_NS_PER_SEC}, [SIM_LIMIT_UNANSWERED] = {          \
      .max        = 2,                                                                             \
      .ns         = 5 * TF_NS_PER_SEC,                                                             \
      .close_code = SIM_CLOSE_CUT                                                                  \
    }                                                                                              \
  }
#define HTX(venue_name, venue_pairs, snapshots)                                                    \
  {                                                                                                \
    .name = venue_name, .pairs = venue_pairs, .peer_bytes = sizeof(peer_state_t),                  \
    .peer_symbol_bytes = sizeof(uint64_t), .depth_interval_ns = 50 * TF_NS_PER_MS,                 \
    .ticker_interval_ns = 100 * TF_NS_PER_MS, .framing = SIM_FRAMING_GZIP, .limits = LIMITS,       \
    .ping = ping, .on_upgrade = on_upgrade, .on_request = on_request, .on_get = on_get,            \
    .wrap = wrap, .trade = trade, .quote = quote, .depth = depth, .ticker = ticker,                \
    .snapshot = snapshot, .snapshot_channels = (snapshots), .route = route                         \
  }
const sim_venue_t sim_venue_htx      = HTX("htx", spot_pairs, 0);
const sim_venue_t sim_venue_htx_swap = HTX("htx-swap", swap_pairs, 1u << BOOK);
