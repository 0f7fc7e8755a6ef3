/* OKX v5 (VENUES 5): one acknowledgement a stream, which repeats the request's id; books of 400 levels
 * that say which message they follow; bare `ping` and `pong`; all numbers texts without zeros behind. */
#include <inttypes.h>
#include <string.h>

#include "sim/shown.h"

#define BOOK_DEPTH 400
#define CONN_ID    "a4d3ae55"

enum { TRADES, BBO, BOOKS, BOOKS5, TICKERS, MARK, FUNDING, CHANNEL_CNT };
#define ALL_CHANNELS ((1u << CHANNEL_CNT) - 1)
static const char *const channels[CHANNEL_CNT] = {
    "trades", "bbo-tbt", "books", "books5", "tickers", "mark-price", "funding-rate",
};

static const sim_pair_t pairs[] = {
    {"BTC-USDT",      618376, 1, 1, 8, 12000000,     1      },
    {"ETH-USDT",      265012, 2, 2, 6, 250000000,    100    },
    {"BTC-USDT-SWAP", 618390, 1, 1, 2, 100000000,    1000000},
    {NULL,            100000, 2, 2, 4, 100000000000, 10000  }
};

static bool is_swap(const sim_symbol_t *s) { return strstr(s->name, "-SWAP") != NULL; }

/* ---- pieces of messages ---- */

static void put_text_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put(t, "\"");
  sim_put_trimmed(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
  sim_put(t, "\"");
}

static void put_text_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put(t, "\"");
  sim_put_trimmed(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
  sim_put(t, "\"");
}

static void put_level(sim_text_t *t, const sim_view_t *view, bool is_first, sim_row_t row) {
  sim_put(t, is_first ? "[\"" : ",[\"");
  sim_put_trimmed(t, row.price, view->price_digits);
  sim_put(t, "\",\"");
  sim_put_trimmed(t, row.qty, view->qty_digits);
  sim_put(t, "\",\"0\",\"%d\"]", row.qty ? 1 : 0);
}

static void put_arg(sim_text_t *t, const sim_symbol_t *s, uint32_t channel) {
  sim_put(t, "\"arg\":{\"channel\":\"%s\",\"instId\":\"%s\"}", channels[channel], s->name);
}

static void put_ms(sim_text_t *t, const sim_exchange_t *x) {
  sim_put(t, ",\"ts\":\"%" PRIu64 "\"", x->wall_ns / TF_NS_PER_MS);
}

/* ---- books ---- */

static void put_sides(sim_text_t *t, const sim_view_t *view, const sim_shown_t *shown,
                      uint32_t depth) {
  sim_put(t, "{\"asks\":[");
  sim_shown_put(shown, view, depth, true, t, put_level);
  sim_put(t, "],\"bids\":[");
  sim_shown_put(shown, view, depth, false, t, put_level);
  sim_put(t, "]");
}

/* Whole books: bbo-tbt and books5. */
static uint32_t top_depth(uint32_t channel) { return channel == BBO ? 1 : 5; }

static sim_text_t top_text(sim_exchange_t *x, uint32_t symbol, uint32_t channel) {
  static const sim_shown_t nothing;
  const sim_symbol_t      *s = &x->symbols[symbol];
  sim_text_t               t = sim_message(x);
  sim_put(&t, "{");
  put_arg(&t, s, channel);
  sim_put(&t, ",\"data\":[");
  put_sides(&t, x->view, &nothing, top_depth(channel));
  put_ms(&t, x);
  sim_put(&t, ",\"seqId\":%" PRIu64 "}]}", s->market.update_id);
  return t;
}

static void send_top(sim_exchange_t *x, uint32_t symbol, uint32_t channel) {
  uint32_t stream = sim_stream(symbol, channel);
  if (!sim_has_listener(x, stream) || !sim_view(x, symbol, top_depth(channel), x->view)) return;
  sim_text_t t = top_text(x, symbol, channel);
  sim_broadcast(x, stream, &t, SIM_MESSAGE_DATA);
}

static void put_book(sim_text_t *t, sim_exchange_t *x, uint32_t symbol, const sim_shown_t *shown,
                     bool is_snapshot) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_put(t, "{");
  put_arg(t, s, BOOKS);
  sim_put(t, ",\"action\":\"%s\",\"data\":[", is_snapshot ? "snapshot" : "update");
  put_sides(t, x->view, shown, BOOK_DEPTH);
  put_ms(t, x);
  sim_put(t, ",\"checksum\":0");
  if (x->recorded_view) {
    sim_put(t, "}]}"); /* what the recording says next follows nothing */
    return;
  }
  if (is_snapshot)
    sim_put(t, ",\"prevSeqId\":-1");
  else
    sim_put(t, ",\"prevSeqId\":%" PRIu64, shown->seq);
  sim_put(t, ",\"seqId\":%" PRIu64 "}]}", s->market.update_id);
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s      = &x->symbols[symbol];
  sim_shown_t  *shown  = s->state;
  uint32_t      stream = sim_stream(symbol, BOOKS);
  sim_market_take_depth(&s->market); /* what was shown says what changed */
  send_top(x, symbol, BOOKS5);
  if (!sim_has_listener(x, stream) || !sim_view(x, symbol, BOOK_DEPTH, x->view)) return;
  if (sim_shown_is_same(shown, x->view, BOOK_DEPTH)) return;
  sim_text_t t = sim_message(x);
  put_book(&t, x, symbol, shown, false);
  sim_shown_keep(shown, x->view, BOOK_DEPTH);
  shown->seq = s->market.update_id;
  sim_broadcast(x, stream, &t, SIM_MESSAGE_BOOK);
}

static void book_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol) {
  static const sim_shown_t nothing;
  sim_symbol_t            *s     = &x->symbols[symbol];
  sim_shown_t             *shown = s->state;
  if (!sim_view(x, symbol, BOOK_DEPTH, x->view)) return; /* the recording's own will come */
  sim_text_t t = sim_message(x);
  put_book(&t, x, symbol, &nothing, true);
  sim_shown_keep(shown, x->view, BOOK_DEPTH); /* others just got the difference */
  shown->seq = s->market.update_id;
  sim_reply(x, peer, &t);
}

/* ---- other channels ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{");
  put_arg(&t, s, TRADES);
  sim_put(&t, ",\"data\":[{\"instId\":\"%s\",\"tradeId\":\"%" PRIu64 "\",\"px\":", s->name,
          s->market.trade_id);
  put_text_price(&t, s, step->trade_price_ticks);
  sim_put(&t, ",\"sz\":");
  put_text_qty(&t, s, step->trade_qty);
  sim_put(&t, ",\"side\":\"%s\"", step->seller_took ? "sell" : "buy"); /* the taker's */
  put_ms(&t, x);
  sim_put(&t, ",\"count\":\"1\",\"source\":\"0\",\"seqId\":%" PRIu64 "}]}", s->market.update_id);
  sim_broadcast(x, sim_stream(symbol, TRADES), &t, SIM_MESSAGE_DATA);
}

static void quote(sim_exchange_t *x, uint32_t symbol) { send_top(x, symbol, BBO); }

static void put_tickers(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                        const sim_ticker_t *k) {
  const struct {
    const char *key;
    int64_t     value;
    bool        is_price;
  } rows[] = {
      {"last",      k->last_ticks, true },
      {"askPx",     k->ask_ticks,  true },
      {"askSz",     k->ask_qty,    false},
      {"bidPx",     k->bid_ticks,  true },
      {"bidSz",     k->bid_qty,    false},
      {"open24h",   k->last_ticks, true },
      {"volCcy24h", k->volume,     false},
      {"vol24h",    k->volume,     false}
  };
  sim_put(t, "{\"instType\":\"%s\",\"instId\":\"%s\"", is_swap(s) ? "SWAP" : "SPOT", s->name);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    sim_put(t, ",\"%s\":", rows[i].key);
    (rows[i].is_price ? put_text_price : put_text_qty)(t, s, rows[i].value);
  }
  put_ms(t, x);
  sim_put(t, "}");
}

static void put_mark(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                     const sim_ticker_t *k) {
  sim_put(t, "{\"instType\":\"SWAP\",\"instId\":\"%s\",\"markPx\":", s->name);
  put_text_price(t, s, k->mark_ticks);
  put_ms(t, x);
  sim_put(t, "}");
}

static void put_funding(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                        const sim_ticker_t *k) {
  sim_put(t, "{\"instType\":\"SWAP\",\"instId\":\"%s\",\"fundingRate\":\"", s->name);
  sim_put_trimmed(t, k->funding_rate, 8);
  sim_put(t, "\",\"fundingTime\":\"%" PRIu64 "\"", k->funding_at_ms);
  put_ms(t, x);
  sim_put(t, "}");
}

static sim_text_t ticker_text(sim_exchange_t *x, uint32_t symbol, uint32_t channel,
                              const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{");
  put_arg(&t, s, channel);
  sim_put(&t, ",\"data\":[");
  (channel == TICKERS ? put_tickers : channel == MARK ? put_mark : put_funding)(&t, x, s, k);
  sim_put(&t, "]}");
  return t;
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  for (uint32_t channel = TICKERS; channel <= FUNDING; channel++) {
    if (!sim_has_listener(x, sim_stream(symbol, channel))) continue;
    sim_text_t t = ticker_text(x, symbol, channel, k);
    sim_broadcast(x, sim_stream(symbol, channel), &t, SIM_MESSAGE_DATA);
  }
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (channel == BOOKS) {
    book_snapshot(x, peer, symbol);
  } else if (channel == BBO || channel == BOOKS5) {
    if (!sim_view(x, symbol, top_depth(channel), x->view)) return;
    sim_text_t t = top_text(x, symbol, channel);
    sim_reply(x, peer, &t);
  } else if (!x->recorded_view) {
    sim_ticker_t k = sim_ticker(x, symbol);
    sim_text_t   t = ticker_text(x, symbol, channel, &k);
    sim_reply(x, peer, &t);
  }
}

/* ---- requests ---- */

static void put_id(sim_text_t *t, const sim_exchange_t *x) {
  const char *id = json_string_value(json_object_get(x->request, "id"));
  if (id) sim_put(t, "\"id\":\"%.32s\",", id);
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *code, const char *why) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{");
  put_id(&t, x);
  sim_put(&t, "\"event\":\"error\",\"code\":\"%s\",\"msg\":\"%s\",\"connId\":\"" CONN_ID "\"}",
          code, why);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_SUBSCRIBES) refuse(x, peer, "60014", "Requests too frequent");
  if (limit == SIM_LIMIT_REQUEST_BYTES) refuse(x, peer, "60012", "Invalid request: too long");
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, const json_t *arg, bool on) {
  const char *channel = json_string_value(json_object_get(arg, "channel"));
  const char *name    = json_string_value(json_object_get(arg, "instId"));
  uint32_t    symbol = name ? sim_find_symbol(x, name, strlen(name)) : UINT32_MAX, c = 0;
  while (channel && c < CHANNEL_CNT && strcmp(channels[c], channel) != 0) c++;
  bool is_known = channel && c < CHANNEL_CNT && symbol != UINT32_MAX &&
                  (c < MARK || is_swap(&x->symbols[symbol]));
  sim_ack_t ack = on && is_known ? sim_ack(x) : SIM_ACK_SENT;
  if (!is_known || ack == SIM_ACK_ERROR) {
    char why[160];
    snprintf(why, sizeof why,
             "Wrong URL or channel:%.24s,instId:%.32s doesn't exist. Please use the correct URL, "
             "channel and parameters referring to API document.",
             channel ? channel : "", name ? name : "");
    refuse(x, peer, "60018", why);
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  sim_text_t t = sim_message(x);
  sim_put(&t, "{");
  put_id(&t, x);
  sim_put(&t, "\"event\":\"%s\",", on ? "subscribe" : "unsubscribe");
  put_arg(&t, &x->symbols[symbol], c);
  sim_put(&t, ",\"connId\":\"" CONN_ID "\"}");
  sim_reply_ack(x, peer, symbol, &t, ack);
  if (on)
    sim_subscribe(x, peer, sim_stream(symbol, c));
  else
    sim_unsubscribe(peer, sim_stream(symbol, c));
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char   *op   = json_string_value(json_object_get(request, "op"));
  const json_t *args = json_object_get(request, "args");
  bool          on   = op && !strcmp(op, "subscribe");
  if (!op || (!on && strcmp(op, "unsubscribe") != 0) || !json_is_array(args)) {
    refuse(x, peer, "60012", "Invalid request: {}");
    return;
  }
  if (!sim_admit(x, peer, SIM_LIMIT_SUBSCRIBES, 1)) return;
  size_t  i;
  json_t *arg;
  json_array_foreach(args, i, arg) set_stream(x, peer, arg, on);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/ws/v5/public");
}

static void on_shutdown(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t,
          "{\"event\":\"notice\",\"code\":\"64008\",\"msg\":\"The connection will soon be closed "
          "for a service upgrade. Please reconnect.\",\"connId\":\"" CONN_ID "\"}");
  sim_reply(x, peer, &t);
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  static const char path[] = "/api/v5/public/instruments?instType=";
  const char       *type   = target + sizeof path - 1;
  bool              first  = true;
  if (strncmp(target, path, sizeof path - 1) != 0) {
    sim_put(t, "{\"msg\":\"Not Found\",\"code\":\"404\"}");
    return 404;
  }
  sim_put(t, "{\"code\":\"0\",\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s    = &x->symbols[i];
    bool                swap = is_swap(s);
    if (strcmp(type, swap ? "SWAP" : "SPOT") != 0) continue;
    sim_put(t, "%s{\"instId\":\"%s\",\"instType\":\"%s\",\"quoteCcy\":\"%s\",\"settleCcy\":\"%s\"",
            first ? "" : ",", s->name, type, swap ? "" : "USDT", swap ? "USDT" : "");
    sim_put(t, ",\"ctVal\":\"%s\",\"ctType\":\"%s\",\"tickSz\":\"", swap ? "0.01" : "",
            swap ? "linear" : "");
    sim_put_trimmed(t, 1, s->pair.tick_digits);
    sim_put(t, "\",\"lotSz\":\"");
    sim_put_trimmed(t, s->pair.qty_step, SIM_QTY_DIGITS);
    sim_put(t, "\",\"state\":\"live\"}");
    first = false;
  }
  sim_put(t, "],\"msg\":\"\"}");
  return 200;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      channel_cnt;
  const char *channel = sim_find_text(text, cnt, "channel", &channel_cnt);
  *r                  = (sim_route_t){.payload = text, .payload_cnt = cnt};
  for (uint32_t i = 0; channel && i < CHANNEL_CNT; i++)
    if (strlen(channels[i]) == channel_cnt && !memcmp(channels[i], channel, channel_cnt))
      r->channels = 1u << i;
  if (memmem(text, cnt, "\"event\"", 7)) r->channels = 0; /* an acknowledgement */
  r->is_book = r->channels & 1u << BOOKS;
  r->name    = sim_find_text(text, cnt, "instId", &r->name_cnt);
  return r->channels && r->name;
}

const sim_venue_t sim_venue_okx = {
    .name               = "okx",
    .pairs              = pairs,
    .symbol_bytes       = sizeof(sim_shown_t),
    .depth_interval_ns  = 20 * TF_NS_PER_MS, /* the venue's are 100: more to see */
    .ticker_interval_ns = 100 * TF_NS_PER_MS,
    .text_ping          = "ping",
    .text_pong          = "pong",
    .limits             = {[SIM_LIMIT_SUBSCRIBES]    = {.max = 480, .ns = 3600 * TF_NS_PER_SEC},
                           [SIM_LIMIT_REQUEST_BYTES] = {.max = 65536},
                           [SIM_LIMIT_CONNECTS]      = {.max = 3, .ns = TF_NS_PER_SEC},
                           [SIM_LIMIT_QUIET]         = {.ns         = 30 * TF_NS_PER_SEC,
                                                        .close_code = 4004,
                                                        .reason     = "No data received in 30s."}},
    .over_limit         = over_limit,
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .on_shutdown        = on_shutdown,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = ALL_CHANNELS & ~(1u << TRADES),
    .route              = route,
};
