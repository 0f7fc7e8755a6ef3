/* Gate v4, spot and futures (VENUES 10): books whose deltas cover ranges of ids, to be bridged to a REST
 * snapshot; levels of futures are objects, their sizes contracts and a trade's sign its side. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exchange.h"

#define REST_LIMIT_DEFAULT 10
#define REST_LIMIT_MAX     1000

enum { TRADES, QUOTES, DELTAS, TICKERS, CHANNEL_CNT };
static const char *const channels[CHANNEL_CNT] = {
    "trades",
    "book_ticker",
    "order_book_update",
    "tickers",
};

static const sim_pair_t spot_pairs[] = {
    {"BTC_USDT", 618376, 1, 1, 8, 12000000,   1    },
    {"ETH_USDT", 265012, 2, 2, 6, 250000000,  100  },
    {"SOL_USDT", 18233,  2, 2, 4, 4000000000, 10000},
    {NULL,       100000, 2, 2, 4, 1000000000, 10000}
};
static const sim_pair_t futures_pairs[] = {
    {"BTC_USDT", 618390, 1, 1, 0, 20000000000, 100000000}, /* quantities are contracts */
    {"ETH_USDT", 265020, 2, 2, 0, 20000000000, 100000000},
    {NULL,       100000, 2, 2, 0, 20000000000, 100000000}
};

static bool is_futures(const sim_exchange_t *x) { return x->venue == &sim_venue_gate_futures; }
static const char *prefix_of(const sim_exchange_t *x) { return is_futures(x) ? "futures" : "spot"; }

/* ---- pieces of messages ---- */

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put(t, "\"");
  sim_put_price(t, s, ticks);
  sim_put(t, "\"");
}

/* Quantities of futures are numbers. */
static void put_qty(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s, int64_t qty) {
  const char *quote = is_futures(x) ? "" : "\"";
  sim_put(t, "%s", quote);
  sim_put_qty(t, s, qty);
  sim_put(t, "%s", quote);
}

static void put_head(sim_text_t *t, const sim_exchange_t *x, const char *channel,
                     const char *event) {
  sim_put(t, "{\"time\":%" PRIu64 ",\"time_ms\":%" PRIu64 ",\"channel\":\"%s.%s\",\"event\":\"%s\"",
          x->wall_ns / TF_NS_PER_SEC, x->wall_ns / TF_NS_PER_MS, prefix_of(x), channel, event);
}

/* ---- the market ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s       = &x->symbols[symbol];
  bool                futures = is_futures(x);
  sim_text_t          t       = sim_message(x);
  put_head(&t, x, channels[TRADES], "update");
  sim_put(&t, ",\"result\":%s{\"id\":%" PRIu64 ",\"create_time\":%" PRIu64, futures ? "[" : "",
          s->market.trade_id, x->wall_ns / TF_NS_PER_SEC);
  if (futures) {
    sim_put(&t, ",\"create_time_ms\":%" PRIu64 ",\"contract\":\"%s\",\"size\":%s",
            x->wall_ns / TF_NS_PER_MS, s->name, step->seller_took ? "-" : "");
    sim_put_qty(&t, s, step->trade_qty);
  } else {
    sim_put(&t,
            ",\"create_time_ms\":\"%" PRIu64 ".%06" PRIu64
            "\",\"side\":\"%s\",\"currency_pair\":\"%s\",\"amount\":\"",
            x->wall_ns / TF_NS_PER_MS, x->wall_ns % TF_NS_PER_MS,
            step->seller_took ? "sell" : "buy", s->name);
    sim_put_qty(&t, s, step->trade_qty);
    sim_put(&t, "\"");
  }
  sim_put(&t, ",\"price\":");
  put_price(&t, s, step->trade_price_ticks);
  sim_put(&t, futures ? "}]}" : "}}");
  sim_broadcast(x, sim_stream(symbol, TRADES), &t, SIM_MESSAGE_DATA);
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  if (!sim_has_listener(x, sim_stream(symbol, QUOTES))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, channels[QUOTES], "update");
  sim_put(&t, ",\"result\":{\"t\":%" PRIu64 ",\"u\":%" PRIu64 ",\"s\":\"%s\",\"b\":",
          x->wall_ns / TF_NS_PER_MS, m->update_id, s->name);
  put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"B\":");
  put_qty(&t, x, s, m->ladder[0][m->best_bid]);
  sim_put(&t, ",\"a\":");
  put_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, ",\"A\":");
  put_qty(&t, x, s, m->ladder[1][m->best_ask]);
  sim_put(&t, "}}");
  sim_broadcast(x, sim_stream(symbol, QUOTES), &t, SIM_MESSAGE_DATA);
}

static void put_dirty(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s, bool ask) {
  bool first = true;
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    if (level->ask != ask) continue;
    sim_put(t, "%s%s", first ? "" : ",", is_futures(x) ? "{\"p\":" : "[");
    put_price(t, s, level->price_ticks);
    sim_put(t, is_futures(x) ? ",\"s\":" : ",");
    put_qty(t, x, s, level->qty);
    sim_put(t, is_futures(x) ? "}" : "]");
    first = false;
  }
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, channels[DELTAS], "update");
  sim_put(&t,
          ",\"result\":{\"t\":%" PRIu64 ",\"e\":\"depthUpdate\",\"E\":%" PRIu64
          ",\"s\":\"%s\",\"U\":%" PRIu64 ",\"u\":%" PRIu64 ",\"b\":[",
          x->wall_ns / TF_NS_PER_MS, x->wall_ns / TF_NS_PER_SEC, s->name, s->market.depth_first_id,
          s->market.update_id);
  put_dirty(&t, x, s, false);
  sim_put(&t, "],\"a\":[");
  put_dirty(&t, x, s, true);
  sim_put(&t, "]}}");
  s->depth_last_id = s->market.update_id;
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, DELTAS), &t, SIM_MESSAGE_BOOK);
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s       = &x->symbols[symbol];
  bool                futures = is_futures(x);
  if (!sim_has_listener(x, sim_stream(symbol, TICKERS))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, channels[TICKERS], "update");
  sim_put(&t, ",\"result\":%s{\"%s\":\"%s\",\"last\":", futures ? "[" : "",
          futures ? "contract" : "currency_pair", s->name);
  put_price(&t, s, k->last_ticks);
  sim_put(&t, ",\"change_percentage\":\"-0.5\",\"%s\":\"",
          futures ? "volume_24h_base" : "base_volume");
  sim_put_qty(&t, s, k->volume);
  sim_put(&t, "\"");
  if (futures) {
    sim_put(&t, ",\"mark_price\":");
    put_price(&t, s, k->mark_ticks);
    sim_put(&t, ",\"index_price\":");
    put_price(&t, s, k->index_ticks);
    sim_put(&t, ",\"funding_rate\":\"");
    sim_put_trimmed(&t, k->funding_rate, 8);
    sim_put(&t, "\"");
  } else {
    sim_put(&t, ",\"lowest_ask\":");
    put_price(&t, s, k->ask_ticks);
    sim_put(&t, ",\"highest_bid\":");
    put_price(&t, s, k->bid_ticks);
  }
  sim_put(&t, futures ? "}]}" : "}}");
  sim_broadcast(x, sim_stream(symbol, TICKERS), &t, SIM_MESSAGE_DATA);
}

/* ---- requests ---- */

static void put_id(sim_text_t *t, const sim_exchange_t *x) {
  const json_t *id = json_object_get(x->request, "id");
  if (json_is_integer(id)) sim_put(t, ",\"id\":%" JSON_INTEGER_FORMAT, json_integer_value(id));
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *channel, const char *event,
                   const char *why) {
  sim_text_t t = sim_message(x);
  put_head(&t, x, channel, event);
  put_id(&t, x);
  sim_put(&t, ",\"error\":{\"code\":2,\"message\":\"%s\"},\"result\":{\"status\":\"fail\"}}", why);
  sim_reply(x, peer, &t);
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, uint32_t channel, const char *name,
                       bool on) {
  const char *event  = on ? "subscribe" : "unsubscribe";
  uint32_t    symbol = sim_find_symbol(x, name, strlen(name));
  sim_ack_t   ack    = on && symbol != UINT32_MAX ? sim_ack(x) : SIM_ACK_SENT;
  if (symbol == UINT32_MAX || ack == SIM_ACK_ERROR) {
    char why[96];
    snprintf(why, sizeof why, "unknown currency pair: %.40s", name);
    refuse(x, peer, channels[channel], event, why);
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, channels[channel], event);
  put_id(&t, x);
  sim_put(&t, ",\"payload\":[\"%s\"],\"error\":null,\"result\":{\"status\":\"success\"}}",
          x->symbols[symbol].name);
  sim_reply_ack(x, peer, symbol, &t, ack);
  if (on)
    sim_subscribe(x, peer, sim_stream(symbol, channel));
  else
    sim_unsubscribe(peer, sim_stream(symbol, channel));
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char   *channel    = json_string_value(json_object_get(request, "channel"));
  const char   *event      = json_string_value(json_object_get(request, "event"));
  const json_t *payload    = json_object_get(request, "payload");
  size_t        prefix_cnt = strlen(prefix_of(x));
  uint32_t      c          = 0;
  if (!channel || strncmp(channel, prefix_of(x), prefix_cnt) != 0 || channel[prefix_cnt] != '.') {
    refuse(x, peer, "", "", "invalid argument");
    return;
  }
  channel += prefix_cnt + 1;
  if (!strcmp(channel, "ping")) {
    sim_text_t t = sim_message(x);
    put_head(&t, x, "pong", "");
    sim_put(&t, ",\"error\":null,\"result\":null}");
    sim_pinged(x, peer);
    sim_reply(x, peer, &t);
    return;
  }
  while (c < CHANNEL_CNT && strcmp(channels[c], channel) != 0) c++;
  bool on = event && !strcmp(event, "subscribe");
  if (c == CHANNEL_CNT || !json_is_array(payload) || !event ||
      (!on && strcmp(event, "unsubscribe") != 0)) {
    refuse(x, peer, "", "", "unknown channel");
    return;
  }
  size_t  i;
  json_t *name;
  json_array_foreach(payload, i, name) {
    if (i > 0 && c == DELTAS) break; /* behind it: the interval, the depth */
    set_stream(x, peer, c, json_is_string(name) ? json_string_value(name) : "", on);
  }
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)peer;
  return !strcmp(target, is_futures(x) ? "/v4/ws/usdt" : "/ws/v4/");
}

static void on_shutdown(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  put_head(&t, x, "system", "update");
  sim_put(&t, ",\"result\":{\"type\":\"upgrade\",\"msg\":\"The connection will soon be closed\"}}");
  sim_reply(x, peer, &t);
}

/* ---- REST ---- */

static void put_side(sim_text_t *t, const sim_exchange_t *x, bool ask) {
  const sim_view_t *view    = x->view;
  bool              futures = is_futures(x);
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    sim_put(t, "%s%s", i ? "," : "", futures ? "{\"p\":\"" : "[\"");
    sim_put_decimal(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, futures ? "\",\"s\":" : "\",\"");
    sim_put_decimal(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, futures ? "}" : "\"]");
  }
}

static int get_book(sim_exchange_t *x, const char *query, sim_text_t *t) {
  const char   *key    = is_futures(x) ? "contract=" : "currency_pair=";
  const char   *name   = strstr(query, key);
  const char   *limit  = strstr(query, "limit=");
  unsigned long levels = limit ? strtoul(limit + 6, NULL, 10) : REST_LIMIT_DEFAULT;
  uint32_t      symbol = UINT32_MAX;
  if (name) {
    name += strlen(key);
    symbol = sim_find_symbol(x, name, strcspn(name, "&"));
  }
  if (symbol == UINT32_MAX || levels < 1 || levels > REST_LIMIT_MAX) {
    sim_put(t, "{\"label\":\"INVALID_PARAM_VALUE\",\"message\":\"Invalid parameter\"}");
    return 400;
  }
  if (!sim_view(x, symbol, (uint32_t)levels, x->view)) {
    sim_put(t, "{\"label\":\"SERVER_ERROR\",\"message\":\"the recording has no book yet\"}");
    return 503;
  }
  uint64_t ms = x->wall_ns / TF_NS_PER_MS;
  sim_put(t, "{\"id\":%" PRIu64, x->view->venue_seq);
  if (is_futures(x))
    sim_put(t, ",\"current\":%" PRIu64 ".%03" PRIu64 ",\"update\":%" PRIu64 ".%03" PRIu64,
            ms / 1000, ms % 1000, ms / 1000, ms % 1000);
  else
    sim_put(t, ",\"current\":%" PRIu64 ",\"update\":%" PRIu64, ms, ms);
  sim_put(t, ",\"asks\":[");
  put_side(t, x, true);
  sim_put(t, "],\"bids\":[");
  put_side(t, x, false);
  sim_put(t, "]}");
  return 200;
}

static int get_instruments(sim_exchange_t *x, sim_text_t *t) {
  sim_put(t, "[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s        = &x->symbols[i];
    size_t              base_cnt = strcspn(s->name, "_");
    if (i) sim_put(t, ",");
    if (is_futures(x)) {
      sim_put(t, "{\"name\":\"%s\",\"type\":\"direct\",\"quanto_multiplier\":\"0.0001\"", s->name);
      sim_put(t, ",\"order_price_round\":\"");
      sim_put_decimal(t, 1, s->pair.tick_digits);
      sim_put(t, "\",\"order_size_min\":1,\"in_delisting\":false}");
    } else {
      sim_put(t,
              "{\"id\":\"%s\",\"base\":\"%.*s\",\"quote\":\"%s\",\"fee\":\"0.2\","
              "\"amount_precision\":%u,\"precision\":%u,\"trade_status\":\"tradable\"}",
              s->name, (int)base_cnt, s->name, s->name[base_cnt] ? s->name + base_cnt + 1 : "",
              s->pair.qty_digits, s->pair.tick_digits);
    }
  }
  sim_put(t, "]");
  return 200;
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  const char *path = is_futures(x) ? "/api/v4/futures/usdt/" : "/api/v4/spot/";
  const char *rest = target + strlen(path);
  if (!strncmp(target, path, strlen(path))) {
    if (!strncmp(rest, "order_book?", 11)) {
      *is_snapshot = true;
      return get_book(x, rest + 11, t);
    }
    if (!strcmp(rest, is_futures(x) ? "contracts" : "currency_pairs")) return get_instruments(x, t);
  }
  sim_put(t, "{\"label\":\"NOT_FOUND\",\"message\":\"the simulator answers order_book and "
             "instruments\"}");
  return 404;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  static const char *const names[] = {"s", "currency_pair", "contract"};
  size_t                   channel_cnt;
  const char              *channel = sim_find_text(text, cnt, "channel", &channel_cnt);
  const char              *dot     = channel ? memchr(channel, '.', channel_cnt) : NULL;
  *r                               = (sim_route_t){.payload = text, .payload_cnt = cnt};
  if (!dot || !memmem(text, cnt, "\"event\":\"update\"", 16)) return false;
  size_t name_cnt = channel_cnt - (size_t)(dot + 1 - channel);
  for (uint32_t i = 0; i < CHANNEL_CNT; i++)
    if (strlen(channels[i]) == name_cnt && !memcmp(channels[i], dot + 1, name_cnt))
      r->channels = 1u << i;
  for (size_t i = 0; i < TF_ARRAY_CNT(names) && !r->name; i++)
    r->name = sim_find_text(text, cnt, names[i], &r->name_cnt);
  r->is_book = r->channels == 1u << DELTAS;
  return r->channels && r->name;
}

/* Whoever hears nothing is closed. */
#define LIMITS                                                                                     \
  {                                                                                                \
    [SIM_LIMIT_UNSUBSCRIBED] = {.ns = 30 * TF_NS_PER_SEC, .close_code = SIM_CLOSE_CUT }            \
  }
#define GATE(venue_name, venue_pairs)                                                              \
  {                                                                                                \
    .name = venue_name, .pairs = venue_pairs, .depth_interval_ns = 100 * TF_NS_PER_MS,             \
    .ticker_interval_ns = 100 * TF_NS_PER_MS, .limits = LIMITS, .on_upgrade = on_upgrade,          \
    .on_request = on_request, .on_get = on_get, .on_shutdown = on_shutdown, .trade = trade,        \
    .quote = quote, .depth = depth, .ticker = ticker, .route = route                               \
  }
const sim_venue_t sim_venue_gate         = GATE("gate", spot_pairs);
const sim_venue_t sim_venue_gate_futures = GATE("gate-futures", futures_pairs);
