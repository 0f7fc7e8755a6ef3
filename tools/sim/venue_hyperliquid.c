/* Hyperliquid (VENUES 14): whole books, sides by place; a first message of trades that is a replay; trade ids
 * that are hashes; and one unknown coin closes the socket without a word. */
#include <inttypes.h>
#include <string.h>

#include "sim/exchange.h"

#define BOOK_LEVELS  20
#define REPLAY_CNT   5
#define REPLAY_OLD_S 20

enum { TRADES, QUOTES, BOOK, CTX, CHANNEL_CNT };
static const char *const channels[CHANNEL_CNT] = {"trades", "bbo", "l2Book", "activeAssetCtx"};

static const sim_pair_t pairs[] = {
    {"BTC",   105055, 0, 1, 5, 12000000,      1000     },
    {"ETH",   33012,  1, 1, 4, 250000000,     10000    },
    {"kPEPE", 171230, 7, 7, 0, 5000000000000, 100000000},
    {"@107",  25113,  3, 3, 2, 1000000000,    1000000  },
    {NULL,    100000, 2, 2, 2, 1000000000,    1000000  }
};

/* ---- pieces of messages ---- */

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put(t, "\"");
  sim_put_price(t, s, ticks);
  sim_put(t, "\"");
}
static void put_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put(t, "\"");
  sim_put_trimmed(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
  sim_put(t, "\"");
}

/* 50 bits that say nothing of the order. */
static uint64_t hash_of(uint64_t id) {
  id = (id ^ id >> 31) * UINT64_C(0x9e3779b97f4a7c15);
  return (id ^ id >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 14;
}

static void put_trade(sim_text_t *t, const sim_symbol_t *s, int64_t ticks, int64_t qty, bool sold,
                      uint64_t id, uint64_t ms) {
  sim_put(t, "{\"coin\":\"%s\",\"side\":\"%s\",\"px\":", s->name,
          sold ? "A" : "B"); /* the taker's */
  put_price(t, s, ticks);
  sim_put(t, ",\"sz\":");
  put_qty(t, s, qty);
  sim_put(t,
          ",\"time\":%" PRIu64 ",\"hash\":\"0x%064" PRIx64 "\",\"tid\":%" PRIu64
          ",\"users\":[\"0xe9ed7e16612d676df804f5aecd16e1f9bf9ec9dd\","
          "\"0x6802b4267f7f2bf7003dcf993c51542245b38329\"]}",
          ms, id, hash_of(id));
}

/* ---- the market ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"channel\":\"trades\",\"data\":[");
  put_trade(&t, s, step->trade_price_ticks, step->trade_qty, step->seller_took, s->market.trade_id,
            x->wall_ns / TF_NS_PER_MS);
  sim_put(&t, "]}");
  sim_broadcast(x, sim_stream(symbol, TRADES), &t, SIM_MESSAGE_DATA);
}

/* What happened before anybody listened. */
static void replay_trades(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol) {
  const sim_symbol_t *s  = &x->symbols[symbol];
  const sim_market_t *m  = &s->market;
  uint64_t            ms = x->wall_ns / TF_NS_PER_MS - REPLAY_OLD_S * 1000;
  sim_text_t          t  = sim_message(x);
  sim_put(&t, "{\"channel\":\"trades\",\"data\":[");
  for (uint32_t i = 0; i < REPLAY_CNT; i++) {
    if (i) sim_put(&t, ",");
    put_trade(&t, s, sim_market_price(m, m->best_bid), s->pair.lot, i % 2,
              m->trade_id - REPLAY_CNT + i, ms + i);
  }
  sim_put(&t, "]}");
  sim_reply(x, peer, &t);
}

static void put_level(sim_text_t *t, const sim_view_t *view, sim_row_t row) {
  sim_put(t, "{\"px\":\"");
  sim_put_decimal(t, row.price, view->price_digits);
  sim_put(t, "\",\"sz\":\"");
  sim_put_trimmed(t, row.qty, view->qty_digits);
  sim_put(t, "\",\"n\":3}");
}

static void put_side(sim_text_t *t, const sim_view_t *view, bool ask) {
  sim_put(t, ask ? ",[" : "[");
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    if (i) sim_put(t, ",");
    put_level(t, view, view->rows[ask][i]);
  }
  sim_put(t, "]");
}

static bool book_text(sim_exchange_t *x, uint32_t symbol, sim_text_t *t) {
  if (!sim_view(x, symbol, BOOK_LEVELS, x->view)) return false;
  *t = sim_message(x);
  sim_put(t, "{\"channel\":\"l2Book\",\"data\":{\"coin\":\"%s\",\"time\":%" PRIu64 ",\"levels\":[",
          x->symbols[symbol].name, x->wall_ns / TF_NS_PER_MS);
  put_side(t, x->view, false);
  put_side(t, x->view, true);
  sim_put(t, "]}}");
  return true;
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_text_t t;
  sim_market_take_depth(&x->symbols[symbol].market);
  if (sim_has_listener(x, sim_stream(symbol, BOOK)) && book_text(x, symbol, &t))
    sim_broadcast(x, sim_stream(symbol, BOOK), &t, SIM_MESSAGE_BOOK);
}

static bool bbo_text(sim_exchange_t *x, uint32_t symbol, sim_text_t *t) {
  if (!sim_view(x, symbol, 1, x->view)) return false;
  *t = sim_message(x);
  sim_put(t, "{\"channel\":\"bbo\",\"data\":{\"coin\":\"%s\",\"time\":%" PRIu64 ",\"bbo\":[",
          x->symbols[symbol].name, x->wall_ns / TF_NS_PER_MS);
  for (int ask = 0; ask < 2; ask++) {
    if (ask) sim_put(t, ",");
    if (x->view->cnt[ask])
      put_level(t, x->view, x->view->rows[ask][0]);
    else
      sim_put(t, "null");
  }
  sim_put(t, "]}}");
  return true;
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  sim_text_t t;
  if (sim_has_listener(x, sim_stream(symbol, QUOTES)) && bbo_text(x, symbol, &t))
    sim_broadcast(x, sim_stream(symbol, QUOTES), &t, SIM_MESSAGE_DATA);
}

static sim_text_t ctx_text(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"channel\":\"activeAssetCtx\",\"data\":{\"coin\":\"%s\",\"ctx\":{\"funding\":\"",
          s->name);
  sim_put_trimmed(&t, k->funding_rate, 8);
  sim_put(&t, "\",\"openInterest\":\"1234.5\",\"prevDayPx\":");
  put_price(&t, s, k->last_ticks);
  sim_put(&t, ",\"dayNtlVlm\":\"1.0\",\"premium\":\"0.0\",\"oraclePx\":");
  put_price(&t, s, k->index_ticks);
  sim_put(&t, ",\"markPx\":");
  put_price(&t, s, k->mark_ticks);
  sim_put(&t, ",\"midPx\":null,\"dayBaseVlm\":");
  put_qty(&t, s, k->volume);
  sim_put(&t, "}}}");
  return t;
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  if (!sim_has_listener(x, sim_stream(symbol, CTX))) return;
  sim_text_t t = ctx_text(x, symbol, k);
  sim_broadcast(x, sim_stream(symbol, CTX), &t, SIM_MESSAGE_DATA);
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  sim_text_t t;
  if (channel == BOOK && book_text(x, symbol, &t)) sim_reply(x, peer, &t);
  if (channel == QUOTES && bbo_text(x, symbol, &t)) sim_reply(x, peer, &t);
  if (x->recorded_view) return;
  if (channel == TRADES) replay_trades(x, peer, symbol);
  if (channel == CTX) {
    sim_ticker_t k = sim_ticker(x, symbol);
    t              = ctx_text(x, symbol, &k);
    sim_reply(x, peer, &t);
  }
}

/* ---- requests ---- */

static void complain(sim_exchange_t *x, sim_peer_t *peer, const char *why) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"channel\":\"error\",\"data\":\"%s\"}", why);
  sim_reply(x, peer, &t);
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, const json_t *wanted, bool on) {
  const char *type = json_string_value(json_object_get(wanted, "type"));
  const char *coin = json_string_value(json_object_get(wanted, "coin"));
  uint32_t    c    = 0;
  while (type && c < CHANNEL_CNT && strcmp(channels[c], type) != 0) c++;
  if (!type || !coin || c == CHANNEL_CNT) {
    complain(x, peer, "Error parsing JSON into valid websocket request");
    return;
  }
  uint32_t symbol = sim_find_symbol(x, coin, strlen(coin));
  if (symbol == UINT32_MAX) {
    sim_server_close(x->server, peer, SIM_CLOSE_CUT, NULL);
    return;
  }
  if (sim_hears(peer, sim_stream(symbol, c)) == on) {
    char why[96];
    snprintf(why, sizeof why, "%s: %s, %.32s", on ? "Already subscribed" : "Already unsubscribed",
             type, x->symbols[symbol].name);
    complain(x, peer, why);
    return;
  }
  sim_ack_t ack = on ? sim_ack(x) : SIM_ACK_SENT;
  if (ack == SIM_ACK_ERROR) {
    complain(x, peer, "Internal error");
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  sim_text_t t = sim_message(x);
  sim_put(&t,
          "{\"channel\":\"subscriptionResponse\",\"data\":{\"method\":\"%s\",\"subscription\":{"
          "\"type\":\"%s\",\"coin\":\"%s\"}}}",
          on ? "subscribe" : "unsubscribe", type, x->symbols[symbol].name);
  sim_reply_ack(x, peer, symbol, &t, ack);
  if (on)
    sim_subscribe(x, peer, sim_stream(symbol, c));
  else
    sim_unsubscribe(peer, sim_stream(symbol, c));
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *method = json_string_value(json_object_get(request, "method"));
  bool        on     = method && !strcmp(method, "subscribe");
  if (method && !strcmp(method, "ping")) {
    sim_text_t t = sim_message(x);
    sim_put(&t, "{\"channel\":\"pong\"}");
    sim_pinged(x, peer);
    sim_reply(x, peer, &t);
  } else if (on || (method && !strcmp(method, "unsubscribe"))) {
    set_stream(x, peer, json_object_get(request, "subscription"), on);
  } else {
    complain(x, peer, "Error parsing JSON into valid websocket request");
  }
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/ws");
}

static bool is_spot(const sim_symbol_t *s) { return strpbrk(s->name, "@/") != NULL; }

static void put_perpetuals(sim_exchange_t *x, sim_text_t *t) {
  uint32_t cnt = 0;
  sim_put(t, "{\"universe\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (!is_spot(&x->symbols[i]))
      sim_put(t, "%s{\"szDecimals\":%u,\"name\":\"%s\",\"maxLeverage\":50,\"marginTableId\":56%s}",
              cnt++ ? "," : "", x->symbols[i].pair.qty_digits, x->symbols[i].name,
              sim_is_listed(x, i) ? "" : ",\"isDelisted\":true");
  sim_put(t, "],\"marginTables\":[],\"collateralToken\":0}");
}

static void put_spot(sim_exchange_t *x, sim_text_t *t) {
  uint32_t cnt = 0;
  sim_put(t, "{\"universe\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (is_spot(&x->symbols[i]) && sim_is_listed(x, i))
      sim_put(t, "%s{\"tokens\":[%u,0],\"name\":\"%s\",\"index\":%u,\"isCanonical\":false}",
              cnt++ ? "," : "", i + 1, x->symbols[i].name, i);
  sim_put(t, "],\"tokens\":[{\"name\":\"USDC\",\"szDecimals\":8,\"weiDecimals\":8,\"index\":0}");
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (is_spot(&x->symbols[i]))
      sim_put(t, ",{\"name\":\"TOKEN%u\",\"szDecimals\":%u,\"weiDecimals\":8,\"index\":%u}", i,
              x->symbols[i].pair.qty_digits, i + 1);
  sim_put(t, "]}");
}

static int on_post(sim_exchange_t *x, const char *target, const char *body, sim_text_t *t) {
  bool is_info = !strcmp(target, "/info");
  if (is_info && !strcmp(body, "{\"type\":\"meta\"}")) {
    put_perpetuals(x, t);
    return 200;
  }
  if (is_info && !strcmp(body, "{\"type\":\"spotMeta\"}")) {
    put_spot(x, t);
    return 200;
  }
  sim_put(t, "null");
  return is_info ? 422 : 404;
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)x, (void)target, (void)is_snapshot;
  sim_put(t, "null");
  return 405;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      channel_cnt;
  const char *channel = sim_find_text(text, cnt, "channel", &channel_cnt);
  *r                  = (sim_route_t){.payload = text, .payload_cnt = cnt};
  for (uint32_t i = 0; channel && i < CHANNEL_CNT; i++)
    if (strlen(channels[i]) == channel_cnt && !memcmp(channels[i], channel, channel_cnt))
      r->channels = 1u << i;
  r->name    = sim_find_text(text, cnt, "coin", &r->name_cnt);
  r->is_book = r->channels == 1u << BOOK;
  return r->channels && r->name;
}

const sim_venue_t sim_venue_hyperliquid = {
    .name               = "hyperliquid",
    .pairs              = pairs,
    .depth_interval_ns  = 100 * TF_NS_PER_MS, /* the venue's are 5 s: more to see */
    .ticker_interval_ns = 100 * TF_NS_PER_MS,
    .keeps_case         = true,
    .limits             = {[SIM_LIMIT_STREAMS]  = {.max = 1000},
                           [SIM_LIMIT_MESSAGES] = {.max = 2000, .ns = 60 * TF_NS_PER_SEC},
                           [SIM_LIMIT_CONNECTS] = {.max = 30, .ns = 60 * TF_NS_PER_SEC},
                           [SIM_LIMIT_QUIET]    = {.ns = 60 * TF_NS_PER_SEC, .close_code = TF_WS_CLOSE_NORMAL}},
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .on_post            = on_post,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = (1u << CHANNEL_CNT) - 1,
    .route              = route,
};
