/* Crypto.com Exchange v1 (VENUES 15): heartbeats that must be answered with their id; books that say which
 * message they follow, and that nothing happened every 5 s; trades from before the subscription first; the
 * first data of a channel is its acknowledgement, of a book there is one besides. */
#include <inttypes.h>
#include <string.h>

#include "sim/shown.h"

#define BOOK_CNT       3
#define BOOK_SNAPSHOTS 2 /* of depth 150: whole each time */
#define STILL_SECONDS  5

enum { TRADE, TICKER, MARK, FUNDING, BOOK };
#define CHANNEL_CNT   (BOOK + BOOK_CNT)
#define BOOK_CHANNELS (((1u << BOOK_CNT) - 1) << BOOK)

static const uint32_t    depths[BOOK_CNT]   = {10, 50, 150};
static const char *const channels[BOOK + 1] = {"trade", "ticker", "mark", "funding", "book"};

typedef struct state {
  uint64_t seconds;
} state_t;

typedef struct books {
  sim_shown_t shown[BOOK_CNT]; /* seq: the book's u */
} books_t;

static const sim_pair_t pairs[] = {
    {"BTC_USDT",    6183763, 2, 2, 5, 12000000,   1000   },
    {"ETH_USDT",    265012,  2, 2, 4, 250000000,  10000  },
    {"BTCUSD-PERP", 618376,  1, 1, 4, 12000000,   10000  },
    {NULL,          100000,  2, 2, 2, 1000000000, 1000000}
};

static bool is_perpetual(const sim_symbol_t *s) { return strstr(s->name, "-PERP") != NULL; }

/* ---- pieces of messages ---- */

static void put_price(sim_text_t *t, const sim_symbol_t *s, const char *key, int64_t ticks) {
  sim_put(t, "\"%s\":\"", key);
  sim_put_price(t, s, ticks);
  sim_put(t, "\",");
}

static void put_qty(sim_text_t *t, const sim_symbol_t *s, const char *key, int64_t qty) {
  sim_put(t, "\"%s\":\"", key);
  sim_put_qty(t, s, qty);
  sim_put(t, "\",");
}

static void put_level(sim_text_t *t, const sim_view_t *view, bool is_first, sim_row_t row) {
  sim_put(t, is_first ? "[\"" : ",[\"");
  sim_put_decimal(t, row.price, view->price_digits);
  sim_put(t, "\",\"");
  sim_put_decimal(t, row.qty, view->qty_digits);
  sim_put(t, "\",\"%d\"]", row.qty ? 1 : 0);
}

/* id: the request's, of what comes first; else -1. depth 0: not a book. */
static void begin(sim_text_t *t, const sim_symbol_t *s, int64_t id, const char *channel,
                  const char *stream, uint32_t depth) {
  sim_put(t,
          "{\"id\":%" PRId64 ",\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":"
          "\"%s\",\"subscription\":\"%s.%s",
          id, s->name, stream, s->name);
  if (depth) sim_put(t, ".%u\",\"depth\":%u", depth, depth);
  sim_put(t, "%s,\"channel\":\"%s\",\"data\":[", depth ? "" : "\"", channel);
}

static uint64_t now_ms(const sim_exchange_t *x) { return x->wall_ns / TF_NS_PER_MS; }

/* ---- books ---- */

static void put_sides(sim_text_t *t, const sim_view_t *view, const sim_shown_t *shown,
                      uint32_t depth) {
  sim_put(t, "{\"asks\":[");
  sim_shown_put(shown, view, depth, true, t, put_level);
  sim_put(t, "],\"bids\":[");
  sim_shown_put(shown, view, depth, false, t, put_level);
  sim_put(t, "]");
}

static sim_text_t snapshot_text(sim_exchange_t *x, uint32_t symbol, uint32_t b) {
  static const sim_shown_t nothing;
  const sim_symbol_t      *s = &x->symbols[symbol];
  sim_text_t               t = sim_message(x);
  begin(&t, s, -1, "book", "book", depths[b]);
  put_sides(&t, x->view, &nothing, depths[b]);
  sim_put(&t, ",\"t\":%" PRIu64 ",\"tt\":%" PRIu64, now_ms(x), now_ms(x));
  if (!x->recorded_view) /* what a recording says next follows nothing */
    sim_put(&t, ",\"u\":%" PRIu64 ",\"cs\":-1183713967", s->market.update_id);
  sim_put(&t, "}]}}");
  return t;
}

static sim_text_t update_text(sim_exchange_t *x, uint32_t symbol, uint32_t b, uint64_t seq) {
  const sim_symbol_t *s     = &x->symbols[symbol];
  const books_t      *books = s->state;
  sim_text_t          t     = sim_message(x);
  begin(&t, s, -1, "book.update", "book", depths[b]);
  sim_put(&t, "{\"update\":");
  put_sides(&t, x->view, &books->shown[b], depths[b]);
  sim_put(&t,
          "},\"t\":%" PRIu64 ",\"tt\":%" PRIu64 ",\"u\":%" PRIu64 ",\"pu\":%" PRIu64
          ",\"cs\":1075345}]}}",
          now_ms(x), now_ms(x), seq, books->shown[b].seq);
  return t;
}

static void send_book(sim_exchange_t *x, uint32_t symbol, uint32_t b) {
  sim_symbol_t *s      = &x->symbols[symbol];
  books_t      *books  = s->state;
  sim_shown_t  *shown  = &books->shown[b];
  uint32_t      stream = sim_stream(symbol, BOOK + b);
  if (!sim_has_listener(x, stream) || sim_shown_is_same(shown, x->view, depths[b])) return;
  sim_text_t t = b == BOOK_SNAPSHOTS ? snapshot_text(x, symbol, b)
                                     : update_text(x, symbol, b, s->market.update_id);
  sim_shown_keep(shown, x->view, depths[b]);
  shown->seq = s->market.update_id;
  sim_broadcast(x, stream, &t, b == BOOK_SNAPSHOTS ? SIM_MESSAGE_DATA : SIM_MESSAGE_BOOK);
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_market_take_depth(&x->symbols[symbol].market); /* what was shown says what changed */
  if (!sim_view(x, symbol, depths[BOOK_CNT - 1], x->view)) return;
  for (uint32_t b = 0; b < BOOK_CNT; b++) send_book(x, symbol, b);
}

/* An update without levels, whose u and pu are the last u: nothing happened. */
static void second(sim_exchange_t *x) {
  state_t *state = x->state;
  if (++state->seconds % STILL_SECONDS || x->recorded_view) return;
  for (uint32_t symbol = 0; symbol < x->symbol_cnt; symbol++) {
    const books_t *books = x->symbols[symbol].state;
    for (uint32_t b = 0; b < BOOK_SNAPSHOTS; b++) {
      uint32_t stream = sim_stream(symbol, BOOK + b);
      if (!sim_has_listener(x, stream)) continue;
      x->view->cnt[0] = books->shown[b].cnt[0], x->view->cnt[1] = books->shown[b].cnt[1];
      for (int ask = 0; ask < 2; ask++)
        memcpy(x->view->rows[ask], books->shown[b].rows[ask],
               books->shown[b].cnt[ask] * sizeof(sim_row_t));
      sim_text_t t = update_text(x, symbol, b, books->shown[b].seq);
      sim_broadcast(x, stream, &t, SIM_MESSAGE_DATA);
    }
  }
}

static void book_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t b) {
  sim_symbol_t *s     = &x->symbols[symbol];
  books_t      *books = s->state;
  if (!sim_view(x, symbol, depths[b], x->view)) return; /* the recording's own will come */
  sim_text_t t = snapshot_text(x, symbol, b);
  sim_shown_keep(&books->shown[b], x->view, depths[b]); /* others just got the difference */
  books->shown[b].seq = s->market.update_id;
  sim_reply(x, peer, &t);
}

/* ---- other channels ---- */

static void put_trade(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                      const sim_step_t *step) {
  uint64_t id = UINT64_C(1700000000000000000) + s->market.trade_id;
  sim_put(t, "{\"d\":\"%" PRIu64 "\",\"t\":%" PRIu64 ",", id, now_ms(x));
  put_price(t, s, "p", step->trade_price_ticks);
  put_qty(t, s, "q", step->trade_qty);
  sim_put(t, "\"s\":\"%s\",\"i\":\"%s\",\"m\":\"46116860\"}", step->seller_took ? "SELL" : "BUY",
          s->name); /* the taker's side */
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  begin(&t, s, -1, channels[TRADE], channels[TRADE], 0);
  put_trade(&t, x, s, step);
  sim_put(&t, "]}}");
  sim_broadcast(x, sim_stream(symbol, TRADE), &t, SIM_MESSAGE_DATA);
}

static void put_ticker(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                       const sim_ticker_t *k) {
  sim_put(t, "{");
  put_price(t, s, "h", k->ask_ticks);
  put_price(t, s, "l", k->bid_ticks);
  put_price(t, s, "a", k->last_ticks);
  sim_put(t, "\"c\":\"-0.0012\",");
  put_price(t, s, "b", k->bid_ticks);
  put_qty(t, s, "bs", k->bid_qty);
  put_price(t, s, "k", k->ask_ticks);
  put_qty(t, s, "ks", k->ask_qty);
  put_qty(t, s, "v", k->volume);
  sim_put(t, "\"i\":\"%s\",\"t\":%" PRIu64 "}", s->name, now_ms(x));
}

static void put_value(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                      const sim_ticker_t *k, bool is_mark) {
  sim_put(t, "{");
  if (is_mark) {
    put_price(t, s, "v", k->mark_ticks);
  } else {
    sim_put(t, "\"v\":\"");
    sim_put_trimmed(t, k->funding_rate, 8);
    sim_put(t, "\",");
  }
  sim_put(t, "\"t\":%" PRIu64 "}", now_ms(x));
}

static sim_text_t ticker_text(sim_exchange_t *x, uint32_t symbol, uint32_t channel, int64_t id,
                              const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  begin(&t, s, id, channels[channel], channels[channel], 0);
  if (channel == TICKER)
    put_ticker(&t, x, s, k);
  else
    put_value(&t, x, s, k, channel == MARK);
  sim_put(&t, "]}}");
  return t;
}

static void send_ticker(sim_exchange_t *x, uint32_t symbol, uint32_t channel,
                        const sim_ticker_t *k) {
  if (!sim_has_listener(x, sim_stream(symbol, channel))) return;
  sim_text_t t = ticker_text(x, symbol, channel, -1, k);
  sim_broadcast(x, sim_stream(symbol, channel), &t, SIM_MESSAGE_DATA);
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  for (uint32_t channel = MARK; channel <= FUNDING; channel++) send_ticker(x, symbol, channel, k);
}

/* The ticker is the venue's channel of the best bid and offer. */
static void quote(sim_exchange_t *x, uint32_t symbol) {
  if (!sim_has_listener(x, sim_stream(symbol, TICKER))) return;
  sim_ticker_t k = sim_ticker(x, symbol);
  send_ticker(x, symbol, TICKER, &k);
}

/* ---- requests ---- */

static int64_t id_of(const sim_exchange_t *x) {
  return json_integer_value(json_object_get(x->request, "id"));
}

/* The trades before the subscription, and the first ticker: with the request's id, as acknowledgement. */
static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (channel >= BOOK) {
    book_snapshot(x, peer, symbol, channel - BOOK);
    return;
  }
  if (x->recorded_view) return;
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_ticker_t        k = sim_ticker(x, symbol);
  sim_text_t          t = sim_message(x);
  if (channel == TRADE) {
    sim_step_t step = {.trade_price_ticks = k.last_ticks, .trade_qty = s->market.lot};
    begin(&t, s, id_of(x), channels[TRADE], channels[TRADE], 0);
    put_trade(&t, x, s, &step);
    sim_put(&t, "]}}");
  } else {
    t = ticker_text(x, symbol, channel, id_of(x), &k);
  }
  sim_reply(x, peer, &t);
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, int code, const char *channel,
                   const char *why) {
  const char *method = json_string_value(json_object_get(x->request, "method"));
  sim_text_t  t      = sim_message(x);
  sim_put(&t, "{\"id\":%" PRId64 ",\"method\":\"%.40s\",\"code\":%d", id_of(x),
          method ? method : "", code);
  if (channel) sim_put(&t, ",\"channel\":\"%.48s\"", channel);
  sim_put(&t, ",\"message\":\"%s\"}", why);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_STREAMS) refuse(x, peer, 40107, NULL, "Exceeds max subscriptions");
  if (limit == SIM_LIMIT_MESSAGES) refuse(x, peer, 42901, NULL, "Too many requests");
}

/* "book.BTC_USDT.50", "ticker.BTC_USDT"; UINT32_MAX: there is no such stream. */
static uint32_t stream_of(const sim_exchange_t *x, const char *name) {
  const char *symbol_at = name ? strchr(name, '.') : NULL;
  if (!symbol_at) return UINT32_MAX;
  const char *end    = strchr(symbol_at + 1, '.');
  size_t      cnt    = end ? (size_t)(end - symbol_at - 1) : strlen(symbol_at + 1);
  uint32_t    symbol = sim_find_symbol(x, symbol_at + 1, cnt), channel = 0;
  while (channel <= BOOK && (strncmp(name, channels[channel], (size_t)(symbol_at - name)) != 0 ||
                             channels[channel][symbol_at - name]))
    channel++;
  if (symbol == UINT32_MAX || channel > BOOK || (channel == BOOK) != (end != NULL))
    return UINT32_MAX;
  bool wants_perpetual = channel == MARK || channel == FUNDING;
  if (wants_perpetual && !is_perpetual(&x->symbols[symbol])) return UINT32_MAX;
  for (uint32_t b = 0; channel == BOOK; b++) {
    char depth_text[8];
    if (b == BOOK_CNT) return UINT32_MAX;
    snprintf(depth_text, sizeof depth_text, "%u", depths[b]);
    if (!strcmp(end + 1, depth_text)) return sim_stream(symbol, BOOK + b);
  }
  return sim_stream(symbol, channel);
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, const char *name, bool on) {
  uint32_t  stream = stream_of(x, name);
  sim_ack_t ack    = on && stream != UINT32_MAX ? sim_ack(x) : SIM_ACK_SENT;
  if (stream == UINT32_MAX || ack == SIM_ACK_ERROR) {
    refuse(x, peer, 40003, name ? name : "", "Unknown symbol");
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  if (!on || sim_stream_channel(stream) >= BOOK) {
    sim_text_t t = sim_message(x);
    sim_put(&t, "{\"id\":%" PRId64 ",\"method\":\"%s\",\"code\":0,\"channel\":\"%s\"}", id_of(x),
            on ? "subscribe" : "unsubscribe", name);
    sim_reply_ack(x, peer, sim_stream_symbol(stream), &t, ack);
  }
  if (on)
    sim_subscribe(x, peer, stream);
  else
    sim_unsubscribe(peer, stream);
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char   *method = json_string_value(json_object_get(request, "method"));
  const json_t *names  = json_object_get(json_object_get(request, "params"), "channels");
  bool          on     = method && !strcmp(method, "subscribe");
  if (method && !strcmp(method, "public/respond-heartbeat")) {
    sim_ponged(peer);
    return;
  }
  if (!method || (!on && strcmp(method, "unsubscribe") != 0) || !json_is_array(names)) {
    refuse(x, peer, 40001, NULL, "Bad request");
    return;
  }
  size_t  i;
  json_t *name;
  json_array_foreach(names, i, name) set_stream(x, peer, json_string_value(name), on);
}

static void ping(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"id\":%" PRIu64 ",\"method\":\"public/heartbeat\",\"code\":0}", now_ms(x));
  sim_reply(x, peer, &t);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/exchange/v1/market");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  if (strcmp(target, "/exchange/v1/public/get-instruments") != 0) return 404;
  sim_put(t, "{\"id\":-1,\"method\":\"public/get-instruments\",\"code\":0,\"result\":{\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s = &x->symbols[i];
    sim_put(t, "%s{\"symbol\":\"%s\",\"quote_ccy\":\"%s\",\"price_tick_size\":\"", i ? "," : "",
            s->name, is_perpetual(s) ? "USD" : "USDT");
    sim_put_decimal(t, 1, s->pair.tick_digits);
    sim_put(t, "\",\"qty_tick_size\":\"");
    sim_put_trimmed(t, s->pair.qty_step, SIM_QTY_DIGITS);
    sim_put(t, "\",\"contract_size\":\"1\",\"tradable\":true}");
  }
  sim_put(t, "]}}");
  return 200;
}

/* ---- playback ---- */

/* A recorded book goes to the subscribers of every depth: it is the recording's own. */
static bool route(const char *text, size_t cnt, sim_route_t *r) {
  static const struct {
    const char *channel;
    uint32_t    channels;
  } rows[] = {
      {"book",        BOOK_CHANNELS},
      {"book.update", BOOK_CHANNELS},
      {"trade",       1u << TRADE  },
      {"ticker",      1u << TICKER }
  };
  size_t      channel_cnt;
  const char *channel = sim_find_text(text, cnt, "channel", &channel_cnt);
  *r                  = (sim_route_t){.payload = text, .payload_cnt = cnt};
  for (size_t i = 0; channel && i < TF_ARRAY_CNT(rows); i++)
    if (strlen(rows[i].channel) == channel_cnt && !memcmp(rows[i].channel, channel, channel_cnt))
      r->channels = rows[i].channels;
  r->is_book = r->channels & BOOK_CHANNELS;
  r->name    = sim_find_text(text, cnt, "instrument_name", &r->name_cnt);
  return r->channels && r->name;
}

const sim_venue_t sim_venue_cryptocom = {
    .name               = "cryptocom",
    .pairs              = pairs,
    .state_bytes        = sizeof(state_t),
    .symbol_bytes       = sizeof(books_t),
    .depth_interval_ns  = 20 * TF_NS_PER_MS,
    .ticker_interval_ns = 100 * TF_NS_PER_MS,
    .limits             = {[SIM_LIMIT_STREAMS]    = {.max = 400},
                           [SIM_LIMIT_MESSAGES]   = {.max = 100, .ns = TF_NS_PER_SEC},
                           [SIM_LIMIT_UNANSWERED] = {.max        = 2,
                                                     .ns         = 30 * TF_NS_PER_SEC,
                                                     .close_code = SIM_CLOSE_CUT}},
    .over_limit         = over_limit,
    .ping               = ping,
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .second             = second,
    .snapshot           = snapshot,
    .snapshot_channels  = (1u << CHANNEL_CNT) - 1,
    .route              = route,
};
