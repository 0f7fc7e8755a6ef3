/* Coinbase Exchange (VENUES 3b): level2 without sequence or checksum, matches that name the
 * maker's side and tickers that name the taker's, a heartbeat a second and product. */
#include <inttypes.h>
#include <string.h>

#include "faults/random.h"
#include "sim/exchange.h"

enum { LEVEL2, LEVEL2_BATCH, MATCHES, TICKER, HEARTBEAT, CHANNEL_CNT };
static const char *const channel_names[CHANNEL_CNT] = {"level2", "level2_batch", "matches",
                                                       "ticker", "heartbeat"};
#define BOOK_CHANNELS (1u << LEVEL2 | 1u << LEVEL2_BATCH)

typedef struct last_trade {
  sim_step_t step; /* traded: there was one */
  uint64_t   id, wall_ns;
} last_trade_t;

static const sim_pair_t pairs[] = {
    {"BTC-USD", 6183763, 2, 2, 8, 12000000,   1000},
    {"ETH-USD", 265012,  2, 2, 8, 250000000,  1000},
    {"SOL-USD", 18233,   2, 2, 8, 4000000000, 1000},
    {NULL,      100000,  2, 2, 8, 1000000000, 1000}
};

/* ---- messages ---- */

static void put_order_id(sim_exchange_t *x, sim_text_t *t) {
  uint64_t a = tool_random(&x->rng), b = tool_random(&x->rng);
  sim_put(t, "%08x-%04x-4%03x-a%03x-%012" PRIx64, (uint32_t)a, (uint32_t)(a >> 32) & 0xffff,
          (uint32_t)(a >> 48) & 0xfff, (uint32_t)b & 0xfff, b >> 16);
}

static sim_text_t match(sim_exchange_t *x, const char *type, uint32_t symbol,
                        const last_trade_t *last) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"type\":\"%s\",\"trade_id\":%" PRIu64 ",\"maker_order_id\":\"", type, last->id);
  put_order_id(x, &t);
  sim_put(&t, "\",\"taker_order_id\":\"");
  put_order_id(x, &t);
  sim_put(&t, "\",\"side\":\"%s\",\"size\":\"", last->step.seller_took ? "buy" : "sell");
  sim_put_qty(&t, s, last->step.trade_qty);
  sim_put(&t, "\",\"price\":\"");
  sim_put_price(&t, s, last->step.trade_price_ticks);
  sim_put(&t, "\",\"product_id\":\"%s\",\"sequence\":%" PRIu64 ",\"time\":\"", s->name,
          s->market.update_id);
  sim_put_time(&t, last->wall_ns, 6);
  sim_put(&t, "\"}");
  return t;
}

static sim_text_t ticker(sim_exchange_t *x, uint32_t symbol, const last_trade_t *last) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"type\":\"ticker\",\"sequence\":%" PRIu64 ",\"product_id\":\"%s\",\"price\":\"",
          m->update_id, s->name);
  sim_put_price(&t, s, last->step.trade_price_ticks);
  sim_put(&t, "\",\"volume_24h\":\"94381.28000000\",\"best_bid\":\"");
  sim_put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, "\",\"best_bid_size\":\"");
  sim_put_qty(&t, s, m->ladder[0][m->best_bid]);
  sim_put(&t, "\",\"best_ask\":\"");
  sim_put_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, "\",\"best_ask_size\":\"");
  sim_put_qty(&t, s, m->ladder[1][m->best_ask]);
  sim_put(&t, "\",\"side\":\"%s\",\"time\":\"", last->step.seller_took ? "sell" : "buy");
  sim_put_time(&t, last->wall_ns, 6);
  sim_put(&t, "\",\"trade_id\":%" PRIu64 ",\"last_size\":\"", last->id);
  sim_put_qty(&t, s, last->step.trade_qty);
  sim_put(&t, "\"}");
  return t;
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  last_trade_t *last = x->symbols[symbol].state;
  *last              = (last_trade_t){*step, x->symbols[symbol].market.trade_id, x->wall_ns};
  sim_text_t t       = match(x, "match", symbol, last);
  sim_broadcast(x, sim_stream(symbol, MATCHES), &t, SIM_MESSAGE_DATA);
  t = ticker(x, symbol, last);
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"type\":\"l2update\",\"product_id\":\"%s\",\"changes\":[", s->name);
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    sim_put(&t, "%s[\"%s\",\"", i ? "," : "", level->ask ? "sell" : "buy");
    sim_put_price(&t, s, level->price_ticks);
    sim_put(&t, "\",\"");
    sim_put_qty(&t, s, level->qty);
    sim_put(&t, "\"]");
  }
  sim_put(&t, "],\"time\":\"");
  sim_put_time(&t, x->wall_ns, 6);
  sim_put(&t, "\"}");
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, LEVEL2), &t, SIM_MESSAGE_BOOK);
  sim_broadcast(x, sim_stream(symbol, LEVEL2_BATCH), &t, SIM_MESSAGE_BOOK);
}

static void put_side(sim_text_t *t, const sim_view_t *view, const char *key, bool ask) {
  sim_put(t, ",\"%s\":[", key);
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    sim_put(t, i ? ",[\"" : "[\"");
    sim_put_decimal(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, "\",\"");
    sim_put_decimal(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, "\"]");
  }
  sim_put(t, "]");
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  const last_trade_t *last = x->symbols[symbol].state;
  sim_text_t          t;
  if (channel == MATCHES || channel == TICKER) {
    if (!last->step.traded) return;
    t = channel == MATCHES ? match(x, "last_match", symbol, last) : ticker(x, symbol, last);
  } else {
    if (!sim_view(x, symbol, SIM_LEVELS_MAX, x->view)) return; /* the recording's own will come */
    t = sim_message(x);
    sim_put(&t, "{\"type\":\"snapshot\",\"product_id\":\"%s\"", x->symbols[symbol].name);
    put_side(&t, x->view, "asks", true);
    put_side(&t, x->view, "bids", false);
    sim_put(&t, ",\"time\":\"");
    sim_put_time(&t, x->wall_ns, 6);
    sim_put(&t, "\"}");
  }
  sim_reply(x, peer, &t);
}

static void second(sim_exchange_t *x) {
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const last_trade_t *last = x->symbols[i].state;
    sim_text_t          t    = sim_message(x);
    sim_put(&t,
            "{\"type\":\"heartbeat\",\"last_trade_id\":%" PRIu64
            ",\"product_id\":\"%s\",\"sequence\":%" PRIu64 ",\"time\":\"",
            last->id, x->symbols[i].name, x->symbols[i].market.update_id);
    sim_put_time(&t, x->wall_ns, 6);
    sim_put(&t, "\"}");
    sim_broadcast(x, sim_stream(i, HEARTBEAT), &t, SIM_MESSAGE_BEAT);
  }
}

/* ---- requests ---- */

static void acknowledge(sim_exchange_t *x, sim_peer_t *peer, sim_ack_t ack) {
  sim_text_t  t         = sim_message(x);
  const char *separator = "";
  sim_put(&t, "{\"type\":\"subscriptions\",\"channels\":[");
  for (uint32_t channel = 0; channel < CHANNEL_CNT; channel++) {
    bool any = false;
    for (uint32_t i = 0; i < x->symbol_cnt; i++) {
      uint32_t stream = sim_stream(i, channel);
      if (!sim_hears(peer, stream)) continue;
      if (any)
        sim_put(&t, ",\"%s\"", x->symbols[i].name);
      else
        sim_put(&t, "%s{\"name\":\"%s\",\"product_ids\":[\"%s\"", separator, channel_names[channel],
                x->symbols[i].name);
      any = true;
    }
    if (!any) continue;
    sim_put(&t, "]}");
    separator = ",";
  }
  sim_put(&t, "]}");
  sim_reply_ack(x, peer, 0, &t, ack);
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *name, const char *reason) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"type\":\"error\",\"message\":\"Failed to subscribe\",\"reason\":\"%.60s%s\"}",
          name, reason);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_MESSAGES) refuse(x, peer, "", "rate limit exceeded");
}

static uint32_t channel_of(const char *name) {
  for (uint32_t i = 0; name && i < CHANNEL_CNT; i++)
    if (!strcmp(channel_names[i], name)) return i;
  return UINT32_MAX;
}

typedef struct wanted {
  uint64_t streams[SIM_STREAMS_MAX / 64];
} wanted_t;

/* One channel's products into wanted; false: it was refused. */
static bool want(sim_exchange_t *x, sim_peer_t *peer, const char *channel_name,
                 const json_t *products, wanted_t *wanted) {
  uint32_t channel = channel_of(channel_name);
  json_t  *product;
  size_t   i;
  if (channel == UINT32_MAX) {
    refuse(x, peer, channel_name ? channel_name : "", " is not a valid channel");
    return false;
  }
  json_array_foreach(products, i, product) {
    const char *name   = json_string_value(product);
    uint32_t    symbol = name ? sim_find_symbol(x, name, strlen(name)) : UINT32_MAX;
    if (symbol == UINT32_MAX) {
      refuse(x, peer, name ? name : "", " is not a valid product");
      return false;
    }
    sim_bit_set(wanted->streams, sim_stream(symbol, channel), true);
  }
  return true;
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *type     = json_string_value(json_object_get(request, "type"));
  json_t     *products = json_object_get(request, "product_ids");
  bool        on       = type && !strcmp(type, "subscribe");
  wanted_t    wanted   = {0};
  json_t     *channel;
  size_t      i;
  if (!type || (!on && strcmp(type, "unsubscribe") != 0)) {
    refuse(x, peer, "", "type is subscribe or unsubscribe");
    return;
  }
  sim_ack_t ack = sim_ack(x);
  if (ack == SIM_ACK_SKIPPED) return;
  if (ack == SIM_ACK_ERROR) {
    refuse(x, peer, "", "internal error");
    return;
  }
  json_array_foreach(json_object_get(request, "channels"), i, channel) {
    const char *name = json_is_object(channel) ? json_string_value(json_object_get(channel, "name"))
                                               : json_string_value(channel);
    json_t     *own  = json_object_get(channel, "product_ids");
    if (!want(x, peer, name, own ? own : products, &wanted)) return;
  }
  for (uint32_t stream = 0; stream < SIM_STREAMS_MAX && !on; stream++)
    if (sim_bit(wanted.streams, stream)) sim_unsubscribe(peer, stream);
  if (!on) acknowledge(x, peer, ack);
  if (!on) return;
  sim_peer_t after = *peer; /* the acknowledgement comes before the first data */
  for (uint32_t w = 0; w < TF_ARRAY_CNT(wanted.streams); w++) peer->waiting[w] |= wanted.streams[w];
  acknowledge(x, peer, ack);
  memcpy(peer->waiting, after.waiting, sizeof peer->waiting);
  for (uint32_t stream = 0; stream < SIM_STREAMS_MAX; stream++)
    if (sim_bit(wanted.streams, stream)) sim_subscribe(x, peer, stream);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/");
}

/* ---- REST ---- */

static void put_product(sim_text_t *t, const sim_symbol_t *s) {
  const sim_pair_t *p        = &s->pair;
  size_t            base_cnt = strcspn(s->name, "-");
  sim_put(
      t,
      "{\"id\":\"%s\",\"base_currency\":\"%.*s\",\"quote_currency\":\"%s\",\"quote_increment\":\"",
      s->name, (int)base_cnt, s->name, s->name[base_cnt] ? s->name + base_cnt + 1 : "");
  sim_put_decimal(t, sim_price_sent(p, 1), p->price_digits);
  sim_put(t, "\",\"base_increment\":\"");
  sim_put_decimal(t, 1, p->qty_digits);
  sim_put(t, "\",\"status\":\"online\",\"trading_disabled\":false}");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  if (!strcmp(target, "/products")) {
    sim_put(t, "[");
    for (uint32_t i = 0; i < x->symbol_cnt; i++) {
      if (i) sim_put(t, ",");
      put_product(t, &x->symbols[i]);
    }
    sim_put(t, "]");
    return 200;
  }
  uint32_t symbol = strncmp(target, "/products/", 10)
                        ? UINT32_MAX
                        : sim_find_symbol(x, target + 10, strcspn(target + 10, "?"));
  if (symbol == UINT32_MAX) {
    sim_put(t, "{\"message\":\"NotFound\"}");
    return 404;
  }
  put_product(t, &x->symbols[symbol]);
  return 200;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  static const struct {
    const char *type;
    uint32_t    channels;
  } types[] = {
      {"l2update",   BOOK_CHANNELS  },
      {"snapshot",   BOOK_CHANNELS  },
      {"match",      1u << MATCHES  },
      {"last_match", 1u << MATCHES  },
      {"ticker",     1u << TICKER   },
      {"heartbeat",  1u << HEARTBEAT}
  };
  size_t      type_cnt;
  const char *type = sim_find_text(text, cnt, "type", &type_cnt);
  *r               = (sim_route_t){.payload = text, .payload_cnt = cnt};
  for (size_t i = 0; type && i < TF_ARRAY_CNT(types); i++)
    if (strlen(types[i].type) == type_cnt && !memcmp(types[i].type, type, type_cnt))
      r->channels = types[i].channels;
  r->is_book = r->channels & BOOK_CHANNELS;
  r->name    = sim_find_text(text, cnt, "product_id", &r->name_cnt);
  return r->channels && r->name;
}

const sim_venue_t sim_venue_coinbase_exchange = {
    .name              = "coinbase-exchange",
    .pairs             = pairs,
    .symbol_bytes      = sizeof(last_trade_t),
    .depth_interval_ns = 50 * TF_NS_PER_MS,
    .on_upgrade        = on_upgrade,
    .on_request        = on_request,
    .on_get            = on_get,
    .trade             = trade,
    .depth             = depth,
    .second            = second,
    .snapshot          = snapshot,
    .snapshot_channels = BOOK_CHANNELS | 1u << MATCHES | 1u << TICKER,
    .over_limit        = over_limit,
    .limits            = {[SIM_LIMIT_MESSAGES]     = {100, TF_NS_PER_SEC, 0, NULL},
                          [SIM_LIMIT_UNSUBSCRIBED] = {0, 5 * TF_NS_PER_SEC, TF_WS_CLOSE_POLICY,
                                                      "no subscription"}},
    .route             = route
};
