/* Coinbase Advanced Trade (VENUES 3a): one sequence_num a connection over everything that it
 * sends, books in band as level2 (whose messages are named l2_data), numbers without zeros at
 * their end, trades that name the maker's side. */
#include <inttypes.h>
#include <string.h>

#include "sim/exchange.h"

enum { MARKET_TRADES, TICKER, LEVEL2, CHANNEL_CNT };
static const char *const channel_names[CHANNEL_CNT] = {"market_trades", "ticker", "level2"};

#define RECENT_TRADES 4
#define PRODUCTS_PATH "/api/v3/brokerage/market/products"

typedef struct recent {
  uint32_t cnt;
  struct {
    sim_step_t step;
    uint64_t   id, wall_ns;
  } trades[RECENT_TRADES]; /* the newest first */
} recent_t;

static const sim_pair_t pairs[] = {
    {"BTC-USD", 6183763, 2, 2, 8, 12000000,   1000},
    {"ETH-USD", 265012,  2, 2, 8, 250000000,  1000},
    {"SOL-USD", 18233,   2, 2, 8, 4000000000, 1000},
    {NULL,      100000,  2, 2, 8, 1000000000, 1000}
};

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put_trimmed(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}

static void put_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put_trimmed(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
}

/* The sequence_num of 0 is each peer's own in the end: wrap. */
static sim_text_t message(sim_exchange_t *x, const char *channel) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"channel\":\"%s\",\"timestamp\":\"", channel);
  sim_put_time(&t, x->wall_ns, 9);
  sim_put(&t, "\",\"sequence_num\":0,\"events\":[");
  return t;
}

static size_t wrap(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream, const char *text,
                   size_t cnt, char *out, size_t cap) {
  (void)x, (void)stream;
  static const char key[] = "\"sequence_num\":";
  const char       *at    = memmem(text, cnt, key, sizeof key - 1);
  if (!at) return 0;
  at += sizeof key - 1;
  sim_text_t t = sim_text(out, cap);
  sim_put_bytes(&t, text, (size_t)(at - text));
  sim_put(&t, "%" PRIu64, peer->sequence++);
  while (at < text + cnt && *at >= '0' && *at <= '9') at++;
  sim_put_bytes(&t, at, (size_t)(text + cnt - at));
  return t.full ? 0 : t.cnt;
}

/* ---- messages ---- */

static void put_trade(sim_text_t *t, const sim_symbol_t *s, const sim_step_t *step, uint64_t id,
                      uint64_t wall_ns) {
  sim_put(t, "{\"product_id\":\"%s\",\"trade_id\":\"%" PRIu64 "\",\"price\":\"", s->name, id);
  put_price(t, s, step->trade_price_ticks);
  sim_put(t, "\",\"size\":\"");
  put_qty(t, s, step->trade_qty);
  sim_put(t, "\",\"time\":\"");
  sim_put_time(t, wall_ns, 6);
  sim_put(t, "\",\"side\":\"%s\"}", step->seller_took ? "BUY" : "SELL"); /* the maker's */
}

static void put_ticker(sim_text_t *t, const sim_symbol_t *s, int64_t last_ticks) {
  const sim_market_t *m = &s->market;
  sim_put(t, "{\"type\":\"ticker\",\"product_id\":\"%s\",\"price\":\"", s->name);
  put_price(t, s, last_ticks);
  sim_put(t, "\",\"volume_24_h\":\"2867.54532609\",\"best_bid\":\"");
  put_price(t, s, sim_market_price(m, m->best_bid));
  sim_put(t, "\",\"best_ask\":\"");
  put_price(t, s, sim_market_price(m, m->best_ask));
  sim_put(t, "\",\"best_bid_quantity\":\"");
  put_qty(t, s, m->ladder[0][m->best_bid]);
  sim_put(t, "\",\"best_ask_quantity\":\"");
  put_qty(t, s, m->ladder[1][m->best_ask]);
  sim_put(t, "\"}");
}

static void remember(recent_t *recent, const sim_step_t *step, uint64_t id, uint64_t wall_ns) {
  memmove(recent->trades + 1, recent->trades, sizeof recent->trades - sizeof recent->trades[0]);
  recent->trades[0].step    = *step;
  recent->trades[0].id      = id;
  recent->trades[0].wall_ns = wall_ns;
  if (recent->cnt < RECENT_TRADES) recent->cnt++;
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  remember(s->state, step, s->market.trade_id, x->wall_ns);
  sim_text_t t = message(x, "market_trades");
  sim_put(&t, "{\"type\":\"update\",\"trades\":[");
  put_trade(&t, s, step, s->market.trade_id, x->wall_ns);
  sim_put(&t, "]}]}");
  sim_broadcast(x, sim_stream(symbol, MARKET_TRADES), &t, SIM_MESSAGE_DATA);

  t = message(x, "ticker");
  sim_put(&t, "{\"type\":\"update\",\"tickers\":[");
  put_ticker(&t, s, step->trade_price_ticks);
  sim_put(&t, "]}]}");
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

static void put_level_head(sim_text_t *t, const sim_exchange_t *x, bool first, bool ask) {
  sim_put(t, "%s{\"side\":\"%s\",\"event_time\":\"", first ? "" : ",", ask ? "offer" : "bid");
  sim_put_time(t, x->wall_ns, 6);
  sim_put(t, "\",\"price_level\":\"");
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = message(x, "l2_data");
  sim_put(&t, "{\"type\":\"update\",\"product_id\":\"%s\",\"updates\":[", s->name);
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    put_level_head(&t, x, i == 0, level->ask);
    put_price(&t, s, level->price_ticks);
    sim_put(&t, "\",\"new_quantity\":\"");
    put_qty(&t, s, level->qty);
    sim_put(&t, "\"}");
  }
  sim_put(&t, "]}]}");
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, LEVEL2), &t, SIM_MESSAGE_BOOK);
}

static void put_view_side(sim_text_t *t, const sim_exchange_t *x, bool ask, bool *first) {
  const sim_view_t *view = x->view;
  for (uint32_t i = 0; i < view->cnt[ask]; i++, *first = false) {
    put_level_head(t, x, *first, ask);
    sim_put_trimmed(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, "\",\"new_quantity\":\"");
    sim_put_trimmed(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, "\"}");
  }
}

static void book_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol) {
  if (!sim_view(x, symbol, SIM_LEVELS_MAX, x->view)) return; /* the recording's own will come */
  sim_text_t t     = message(x, "l2_data");
  bool       first = true;
  sim_put(&t, "{\"type\":\"snapshot\",\"product_id\":\"%s\",\"updates\":[",
          x->symbols[symbol].name);
  put_view_side(&t, x, false, &first);
  put_view_side(&t, x, true, &first);
  sim_put(&t, "]}]}");
  sim_reply(x, peer, &t);
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (channel == LEVEL2) {
    book_snapshot(x, peer, symbol);
    return;
  }
  const recent_t *recent = x->symbols[symbol].state;
  sim_text_t      t      = message(x, "market_trades");
  sim_put(&t, "{\"type\":\"snapshot\",\"trades\":[");
  for (uint32_t i = 0; i < recent->cnt; i++) {
    if (i) sim_put(&t, ",");
    put_trade(&t, &x->symbols[symbol], &recent->trades[i].step, recent->trades[i].id,
              recent->trades[i].wall_ns);
  }
  sim_put(&t, "]}]}");
  sim_reply(x, peer, &t);
}

static void second(sim_exchange_t *x) {
  uint64_t   counter = x->now_ns / TF_NS_PER_SEC;
  sim_text_t t       = message(x, "heartbeats");
  char       time[40];
  sim_text_t stamp = sim_text(time, sizeof time);
  sim_put_time(&stamp, x->wall_ns, 9); /* Go writes it 2026-08-09 21:05:48.854840045 +0000 UTC */
  sim_put(&t,
          "{\"current_time\":\"%.10s %.18s +0000 UTC m=+%" PRIu64
          ".26\",\"heartbeat_counter\":%" PRIu64 "}]}",
          time, time + 11, counter, counter);
  sim_peer_t *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++)
    if (peer->heartbeats) sim_reply(x, peer, &t);
}

/* ---- requests ---- */

/* All that the connection is subscribed to, by channel. */
static void acknowledge(sim_exchange_t *x, sim_peer_t *peer, sim_ack_t ack) {
  sim_text_t  t         = message(x, "subscriptions");
  const char *separator = "";
  sim_put(&t, "{\"subscriptions\":{");
  for (uint32_t channel = 0; channel < CHANNEL_CNT; channel++) {
    bool any = false;
    for (uint32_t i = 0; i < x->symbol_cnt; i++) {
      uint32_t stream = sim_stream(i, channel);
      if (!sim_hears(peer, stream)) continue;
      if (any)
        sim_put(&t, ",\"%s\"", x->symbols[i].name);
      else
        sim_put(&t, "%s\"%s\":[\"%s\"", separator, channel_names[channel], x->symbols[i].name);
      any = true;
    }
    if (!any) continue;
    sim_put(&t, "]");
    separator = ",";
  }
  if (peer->heartbeats) sim_put(&t, "%s\"heartbeats\":[\"heartbeats\"]", separator);
  sim_put(&t, "}}]}");
  sim_reply_ack(x, peer, 0, &t, ack);
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *what, const char *name) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"type\":\"error\",\"message\":\"%s%.60s\"}", what, name);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_MESSAGES) refuse(x, peer, "rate limit exceeded", "");
}

static uint32_t channel_of(const char *name) {
  for (uint32_t i = 0; i < CHANNEL_CNT; i++)
    if (!strcmp(channel_names[i], name)) return i;
  return UINT32_MAX;
}

/* All or nothing, as one unknown product refuses the message. */
static bool set_products(sim_exchange_t *x, sim_peer_t *peer, const json_t *products,
                         uint32_t channel, bool on) {
  json_t *product;
  size_t  i;
  for (int pass = 0; pass < 2; pass++) {
    json_array_foreach(products, i, product) {
      const char *name   = json_string_value(product);
      uint32_t    symbol = name ? sim_find_symbol(x, name, strlen(name)) : UINT32_MAX;
      if (symbol == UINT32_MAX) {
        refuse(x, peer, "invalid product_id: ", name ? name : "");
        return false;
      }
      if (pass == 0) continue;
      if (on)
        sim_subscribe(x, peer, sim_stream(symbol, channel));
      else
        sim_unsubscribe(peer, sim_stream(symbol, channel));
    }
  }
  return true;
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *type     = json_string_value(json_object_get(request, "type"));
  const char *name     = json_string_value(json_object_get(request, "channel"));
  json_t     *products = json_object_get(request, "product_ids");
  bool        on       = type && !strcmp(type, "subscribe");
  if (!type || (!on && strcmp(type, "unsubscribe") != 0)) {
    refuse(x, peer, "invalid message: type is subscribe or unsubscribe", "");
    return;
  }
  sim_ack_t ack = sim_ack(x);
  if (!name || ack == SIM_ACK_ERROR) {
    refuse(x, peer, "channel: ", name ? "subscription failed" : "missing");
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  uint32_t channel = channel_of(name);
  if (!strcmp(name, "heartbeats")) {
    peer->heartbeats = on;
  } else if (channel == UINT32_MAX) {
    refuse(x, peer, "invalid channel: ", name);
    return;
  } else if (!set_products(x, peer, products, channel, on)) {
    return;
  }
  acknowledge(x, peer, ack);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/");
}

/* ---- REST ---- */

static void put_product(sim_text_t *t, const sim_symbol_t *s) {
  const sim_pair_t *p        = &s->pair;
  size_t            base_cnt = strcspn(s->name, "-");
  sim_put(t, "{\"product_id\":\"%s\",\"price\":\"", s->name);
  put_price(t, s, sim_market_price(&s->market, s->market.best_bid));
  sim_put(t, "\",\"base_increment\":\"");
  sim_put_decimal(t, 1, p->qty_digits);
  sim_put(t, "\",\"quote_increment\":\"");
  sim_put_decimal(t, sim_price_sent(p, 1), p->price_digits);
  sim_put(t, "\",\"price_increment\":\"");
  sim_put_decimal(t, sim_price_sent(p, 1), p->price_digits);
  sim_put(t,
          "\",\"status\":\"online\",\"product_type\":\"SPOT\",\"base_currency_id\":\"%.*s\","
          "\"quote_currency_id\":\"%s\"}",
          (int)base_cnt, s->name, s->name[base_cnt] ? s->name + base_cnt + 1 : "");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  size_t path_cnt = sizeof PRODUCTS_PATH - 1;
  char   next     = strncmp(target, PRODUCTS_PATH, path_cnt) ? 'x' : target[path_cnt];
  if (next == '\0' || next == '?') {
    sim_put(t, "{\"products\":[");
    for (uint32_t i = 0; i < x->symbol_cnt; i++) {
      if (i) sim_put(t, ",");
      put_product(t, &x->symbols[i]);
    }
    sim_put(t, "],\"num_products\":%u}", x->symbol_cnt);
    return 200;
  }
  const char *name   = target + path_cnt + 1;
  uint32_t    symbol = next == '/' ? sim_find_symbol(x, name, strcspn(name, "?")) : UINT32_MAX;
  if (symbol == UINT32_MAX) {
    sim_put(t, "{\"error\":\"NOT_FOUND\",\"message\":\"the simulator answers " PRODUCTS_PATH "\"}");
    return 404;
  }
  put_product(t, &x->symbols[symbol]);
  return 200;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      channel_cnt;
  const char *channel = sim_find_text(text, cnt, "channel", &channel_cnt);
  if (!channel) return false;
  char name[24];
  if (channel_cnt >= sizeof name) return false;
  memcpy(name, channel, channel_cnt);
  name[channel_cnt] = '\0';
  uint32_t idx      = channel_of(!strcmp(name, "l2_data") ? "level2" : name);
  if (idx == UINT32_MAX) return false;
  *r = (sim_route_t){
      .payload = text, .payload_cnt = cnt, .channels = 1u << idx, .is_book = idx == LEVEL2};
  r->name = sim_find_text(text, cnt, "product_id", &r->name_cnt);
  return r->name != NULL;
}

const sim_venue_t sim_venue_coinbase = {
    .name              = "coinbase",
    .pairs             = pairs,
    .symbol_bytes      = sizeof(recent_t),
    .depth_interval_ns = 50 * TF_NS_PER_MS,
    .on_upgrade        = on_upgrade,
    .on_request        = on_request,
    .on_get            = on_get,
    .wrap              = wrap,
    .trade             = trade,
    .depth             = depth,
    .second            = second,
    .snapshot          = snapshot,
    .snapshot_channels = 1u << LEVEL2 | 1u << MARKET_TRADES,
    .over_limit        = over_limit,
    .limits            = {[SIM_LIMIT_MESSAGES]     = {8, TF_NS_PER_SEC, 0, NULL},
                          [SIM_LIMIT_UNSUBSCRIBED] = {0, 5 * TF_NS_PER_SEC, TF_WS_CLOSE_POLICY,
                                                      "no subscription"}},
    .route             = route
};
