/* KuCoin classic, spot and futures (VENUES 11): a token by REST before the connection, a welcome on it,
 * topics of up to a hundred symbols, acknowledgements also of symbols that nobody knows, and a client that
 * must ping though messages flow. Futures: sizes are contracts and numbers, a book's message is one level
 * in a text ("83614,buy,12"), mark price and funding rate are topics of their own. */
#include <inttypes.h>
#include <string.h>

#include "sim/exchange.h"

#define TOKEN       "sim-2neAiuYvAU61ZDXANAGAsiL4"
#define BOOK_LEVELS 100 /* of spot's snapshot; futures give the whole book */
#define ID_BYTES    "%.32s"

enum { LEVEL2, TICKER, MATCH, SNAPSHOT, INSTRUMENT, CHANNEL_CNT };

/* Where the two differ in words only. */
typedef struct kucoin {
  const char *topics[CHANNEL_CNT]; /* NULL: none */
  const char *subjects[CHANNEL_CNT];
  const char *book, *instruments; /* REST; book: up to the symbol */
} kucoin_t;
static const kucoin_t spot = {
    .topics      = {"/market/level2", "/market/ticker", "/market/match", "/market/snapshot"},
    .subjects    = {"trade.l2update", "trade.ticker",   "trade.l3match", "trade.snapshot"  },
    .book        = "/api/v1/market/orderbook/level2_100?symbol=",
    .instruments = "/api/v2/symbols",
};
static const kucoin_t futures = {
    .topics   = {"/contractMarket/level2", "/contractMarket/tickerV2", "/contractMarket/execution",
                 "/contractMarket/snapshot",                                                                        "/contract/instrument"},
    .subjects = {"level2",                 "tickerV2",                 "match",                     "snapshot.24h", "mark.index.price"    },
    .book     = "/api/v1/level2/snapshot?symbol=",
    .instruments = "/api/v1/contracts/active",
};

static const sim_pair_t spot_pairs[] = {
    {"BTC-USDT", 618376, 1, 1, 8, 12000000,   1    },
    {"ETH-USDT", 265012, 2, 2, 7, 250000000,  10   },
    {"SOL-USDT", 182330, 3, 3, 4, 4000000000, 10000},
    {NULL,       100000, 2, 2, 4, 1000000000, 10000}
};
static const sim_pair_t futures_pairs[] = {
    {"XBTUSDTM", 618390, 1, 1, 0, 20000000000, 100000000}, /* quantities are contracts */
    {"ETHUSDTM", 265020, 2, 2, 0, 20000000000, 100000000},
    {NULL,       100000, 2, 2, 0, 20000000000, 100000000}
};

static bool is_futures(const sim_exchange_t *x) { return x->venue == &sim_venue_kucoin_futures; }
static const kucoin_t *words(const sim_exchange_t *x) { return is_futures(x) ? &futures : &spot; }

/* ---- pieces of messages ---- */

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put(t, "\"");
  sim_put_trimmed(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
  sim_put(t, "\"");
}

static void put_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put(t, "\"");
  sim_put_trimmed(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
  sim_put(t, "\"");
}

static void put_head(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                     uint32_t channel) {
  sim_put(t, "{\"type\":\"message\",\"topic\":\"%s:%s\",\"subject\":\"%s\",\"data\":{",
          words(x)->topics[channel], s->name, words(x)->subjects[channel]);
}

/* ---- the market: spot ---- */

static void spot_trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  put_head(&t, x, s, MATCH);
  sim_put(&t, "\"makerOrderId\":\"6085c06144b3790006512a4d\",\"price\":");
  put_price(&t, s, step->trade_price_ticks);
  sim_put(&t, ",\"sequence\":\"%" PRIu64 "\",\"side\":\"%s\",\"size\":", s->market.update_id,
          step->seller_took ? "sell" : "buy"); /* the taker's */
  put_qty(&t, s, step->trade_qty);
  sim_put(&t,
          ",\"symbol\":\"%s\",\"takerOrderId\":\"6085c097587c2000060cde57\",\"time\":\"%" PRIu64
          "\",\"tradeId\":\"6085c097%016" PRIx64 "\",\"type\":\"match\"}}",
          s->name, x->wall_ns, s->market.trade_id);
  sim_broadcast(x, sim_stream(symbol, MATCH), &t, SIM_MESSAGE_DATA);
}

static void spot_quote(sim_exchange_t *x, uint32_t symbol) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  if (!sim_has_listener(x, sim_stream(symbol, TICKER))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, s, TICKER);
  sim_put(&t, "\"bestAsk\":");
  put_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, ",\"bestAskSize\":");
  put_qty(&t, s, m->ladder[1][m->best_ask]);
  sim_put(&t, ",\"bestBid\":");
  put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"bestBidSize\":");
  put_qty(&t, s, m->ladder[0][m->best_bid]);
  sim_put(&t, ",\"price\":");
  put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"sequence\":\"%" PRIu64 "\",\"size\":\"0.1\",\"time\":%" PRIu64 "}}", m->update_id,
          x->wall_ns / TF_NS_PER_MS);
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

/* Each change has a number of its own; the first ones of the range went to what was changed again. */
static void put_dirty(sim_text_t *t, const sim_symbol_t *s, bool ask) {
  bool first = true;
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    if (level->ask != ask) continue;
    sim_put(t, first ? "[" : ",[");
    put_price(t, s, level->price_ticks);
    sim_put(t, ",");
    put_qty(t, s, level->qty);
    sim_put(t, ",\"%" PRIu64 "\"]", s->market.update_id);
    first = false;
  }
  if (first) sim_put(t, "[\"0\",\"0\",\"%" PRIu64 "\"]", s->market.update_id); /* no change */
}

static void spot_depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, s, LEVEL2);
  sim_put(&t, "\"changes\":{\"asks\":[");
  put_dirty(&t, s, true);
  sim_put(&t, "],\"bids\":[");
  put_dirty(&t, s, false);
  sim_put(&t,
          "]},\"sequenceEnd\":%" PRIu64 ",\"sequenceStart\":%" PRIu64
          ",\"symbol\":\"%s\",\"time\":%" PRIu64 "}}",
          s->market.update_id, s->market.depth_first_id, s->name, x->wall_ns / TF_NS_PER_MS);
  s->depth_last_id = s->market.update_id;
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, LEVEL2), &t, SIM_MESSAGE_BOOK);
}

/* Numbers of this one topic are JSON's. */
static void spot_ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  if (!sim_has_listener(x, sim_stream(symbol, SNAPSHOT))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, s, SNAPSHOT);
  sim_put(&t, "\"sequence\":\"%" PRIu64 "\",\"data\":{\"symbol\":\"%s\",\"datetime\":%" PRIu64,
          s->market.update_id, s->name, x->wall_ns / TF_NS_PER_MS);
  sim_put(&t, ",\"changeRate\":-0.0534,\"lastTradedPrice\":");
  sim_put_price(&t, s, k->last_ticks);
  sim_put(&t, ",\"vol\":");
  sim_put_qty(&t, s, k->volume);
  sim_put(&t, "00000000}}}");
  sim_broadcast(x, sim_stream(symbol, SNAPSHOT), &t, SIM_MESSAGE_DATA);
}

/* ---- the market: futures ---- */

static void futures_trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  put_head(&t, x, s, MATCH);
  sim_put(&t, "\"symbol\":\"%s\",\"sequence\":%" PRIu64 ",\"side\":\"%s\",\"size\":", s->name,
          s->depth_last_id, step->seller_took ? "sell" : "buy"); /* the taker's */
  sim_put_qty(&t, s, step->trade_qty);
  sim_put(&t, ",\"price\":");
  put_price(&t, s, step->trade_price_ticks);
  sim_put(&t,
          ",\"takerOrderId\":\"6085c097587c2000060cde57\",\"makerOrderId\":"
          "\"6085c06144b3790006512a4d\",\"tradeId\":\"6085c097%016" PRIx64 "\",\"ts\":%" PRIu64
          "}}",
          s->market.trade_id, x->wall_ns);
  sim_broadcast(x, sim_stream(symbol, MATCH), &t, SIM_MESSAGE_DATA);
}

static void futures_quote(sim_exchange_t *x, uint32_t symbol) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  if (!sim_has_listener(x, sim_stream(symbol, TICKER))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, x, s, TICKER);
  sim_put(&t, "\"symbol\":\"%s\",\"sequence\":%" PRIu64 ",\"bestBidSize\":", s->name,
          s->depth_last_id);
  sim_put_qty(&t, s, m->ladder[0][m->best_bid]);
  sim_put(&t, ",\"bestBidPrice\":");
  put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"bestAskPrice\":");
  put_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, ",\"ts\":%" PRIu64 ",\"bestAskSize\":", x->wall_ns);
  sim_put_qty(&t, s, m->ladder[1][m->best_ask]);
  sim_put(&t, "}}");
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

/* A level a message, its number the next one's: what the market counts goes to nobody. */
static void futures_depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    sim_text_t         t     = sim_message(x);
    put_head(&t, x, s, LEVEL2);
    sim_put(&t, "\"sequence\":%" PRIu64 ",\"change\":\"", ++s->depth_last_id);
    sim_put_trimmed(&t, sim_price_sent(&s->pair, level->price_ticks), s->pair.price_digits);
    sim_put(&t, ",%s,", level->ask ? "sell" : "buy");
    sim_put_qty(&t, s, level->qty);
    sim_put(&t, "\",\"timestamp\":%" PRIu64 "}}", x->wall_ns / TF_NS_PER_MS);
    sim_broadcast(x, sim_stream(symbol, LEVEL2), &t, SIM_MESSAGE_BOOK);
  }
  s->market.update_id = s->depth_last_id;
  sim_market_take_depth(&s->market);
}

static void put_instrument(sim_exchange_t *x, const sim_symbol_t *s, const char *subject,
                           sim_text_t *t) {
  *t = sim_message(x);
  sim_put(t,
          "{\"topic\":\"%s:%s\",\"type\":\"message\",\"subject\":\"%s\",\"data\":"
          "{\"granularity\":1000,",
          futures.topics[INSTRUMENT], s->name, subject);
}

static void futures_ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s  = &x->symbols[symbol];
  uint64_t            ms = x->wall_ns / TF_NS_PER_MS;
  sim_text_t          t;
  put_instrument(x, s, "mark.index.price", &t);
  sim_put(&t, "\"indexPrice\":");
  sim_put_price(&t, s, k->index_ticks);
  sim_put(&t, ",\"markPrice\":");
  sim_put_price(&t, s, k->mark_ticks);
  sim_put(&t, ",\"timestamp\":%" PRIu64 "}}", ms);
  sim_broadcast(x, sim_stream(symbol, INSTRUMENT), &t, SIM_MESSAGE_DATA);
  put_instrument(x, s, "funding.rate", &t);
  sim_put(&t, "\"fundingRate\":");
  sim_put_trimmed(&t, k->funding_rate, 8);
  sim_put(&t, ",\"timestamp\":%" PRIu64 "}}", ms);
  sim_broadcast(x, sim_stream(symbol, INSTRUMENT), &t, SIM_MESSAGE_DATA);
  t = sim_message(x);
  put_head(&t, x, s, SNAPSHOT);
  sim_put(&t, "\"symbol\":\"%s\",\"volume\":", s->name);
  sim_put_qty(&t, s, k->volume);
  sim_put(&t, ",\"lastPrice\":");
  sim_put_price(&t, s, k->last_ticks);
  sim_put(&t, ",\"priceChgPct\":0.0043,\"ts\":%" PRIu64 "}}", x->wall_ns);
  sim_broadcast(x, sim_stream(symbol, SNAPSHOT), &t, SIM_MESSAGE_DATA);
}

/* ---- requests ---- */

static const char *id_of(const json_t *request) {
  const char *id = json_string_value(json_object_get(request, "id"));
  return id ? id : "";
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, int code, const char *why) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"id\":\"" ID_BYTES "\",\"type\":\"error\",\"code\":%d,\"data\":\"%s\"}",
          id_of(x->request), code, why);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_STREAMS)
    refuse(x, peer, 509, "exceed max subscription count limitation of 300 per session");
  if (limit == SIM_LIMIT_REQUEST_ARGS)
    refuse(x, peer, 509, "exceed max topics count of 100 per time");
  if (limit == SIM_LIMIT_MESSAGES) refuse(x, peer, 509, "exceed max message count of 100 in 10s");
}

static uint32_t channel_of(const kucoin_t *k, const char *topic, size_t cnt) {
  uint32_t c = 0;
  while (c < CHANNEL_CNT &&
         (!k->topics[c] || strlen(k->topics[c]) != cnt || memcmp(k->topics[c], topic, cnt) != 0))
    c++;
  return c;
}

/* "/market/match:BTC-USDT,ETH-USDT" */
static void set_topic(sim_exchange_t *x, sim_peer_t *peer, const char *topic, bool on) {
  const char *colon = strchr(topic, ':');
  uint32_t    cnt   = 1;
  uint32_t    c     = colon ? channel_of(words(x), topic, (size_t)(colon - topic)) : CHANNEL_CNT;
  sim_ack_t   ack   = on ? sim_ack(x) : SIM_ACK_SENT;
  if (c == CHANNEL_CNT || ack == SIM_ACK_ERROR) {
    char why[128];
    snprintf(why, sizeof why, "topic %.80s is not found", topic);
    refuse(x, peer, 404, why);
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  for (const char *p = colon; *p; p++) cnt += *p == ',';
  if (!sim_admit(x, peer, SIM_LIMIT_REQUEST_ARGS, cnt)) return;
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"id\":\"" ID_BYTES "\",\"type\":\"ack\"}", id_of(x->request));
  sim_reply_ack(x, peer, UINT32_MAX, &t, ack);
  for (const char *p = colon + 1; *p;) {
    size_t   n      = strcspn(p, ",");
    uint32_t symbol = sim_find_symbol(x, p, n);
    if (symbol != UINT32_MAX && on) sim_subscribe(x, peer, sim_stream(symbol, c));
    if (symbol != UINT32_MAX && !on) sim_unsubscribe(peer, sim_stream(symbol, c));
    p += n + (p[n] == ',');
  }
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *type  = json_string_value(json_object_get(request, "type"));
  const char *topic = json_string_value(json_object_get(request, "topic"));
  if (type && !strcmp(type, "ping")) {
    sim_text_t t = sim_message(x);
    sim_put(&t, "{\"id\":\"" ID_BYTES "\",\"type\":\"pong\"}", id_of(request));
    sim_pinged(x, peer);
    sim_reply(x, peer, &t);
    return;
  }
  bool on = type && !strcmp(type, "subscribe");
  if (!type || (!on && strcmp(type, "unsubscribe") != 0) || !topic) {
    refuse(x, peer, 400, "type is invalid");
    return;
  }
  set_topic(x, peer, topic, on);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  const char *token = strstr(target, "token=");
  return token && !strncmp(token + 6, TOKEN, sizeof TOKEN - 1);
}

static void on_open(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"id\":\"NSkIrWGB1s\",\"type\":\"welcome\"}");
  sim_reply(x, peer, &t);
}

/* ---- REST ---- */

static int on_post(sim_exchange_t *x, const char *target, const char *body, sim_text_t *t) {
  (void)body;
  if (strcmp(target, "/api/v1/bullet-public") != 0) {
    sim_put(t, "{\"code\":\"404000\",\"msg\":\"URL Not Found\"}");
    return 404;
  }
  sim_put(t, "{\"code\":\"200000\",\"data\":{\"token\":\"" TOKEN "\",\"instanceServers\":[{"
             "\"endpoint\":\"");
  sim_put_url(t, x);
  sim_put(t, "/\",\"encrypt\":false,\"protocol\":\"websocket\",\"pingInterval\":18000,"
             "\"pingTimeout\":10000}]}}");
  return 200;
}

/* Futures have numbers where spot has texts. */
static void put_side(sim_text_t *t, const sim_exchange_t *x, bool ask) {
  const sim_view_t *view  = x->view;
  const char       *quote = is_futures(x) ? "" : "\"";
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    sim_put(t, "%s%s", i ? ",[" : "[", quote);
    sim_put_trimmed(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, "%s,%s", quote, quote);
    sim_put_trimmed(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, "%s]", quote);
  }
}

static int get_book(sim_exchange_t *x, const char *name, sim_text_t *t) {
  uint32_t symbol = sim_find_symbol(x, name, strcspn(name, "&"));
  if (symbol == UINT32_MAX) {
    sim_put(t, "{\"code\":\"400100\",\"msg\":\"symbol not exists\"}");
    return 400;
  }
  if (is_futures(x)) sim_flush_depth(x, symbol); /* only what went out has a number */
  if (!sim_view(x, symbol, is_futures(x) ? SIM_LEVELS_MAX : BOOK_LEVELS, x->view)) {
    sim_put(t, "{\"code\":\"500000\",\"msg\":\"the recording has no book yet\"}");
    return 503;
  }
  sim_put(t, "{\"code\":\"200000\",\"data\":{");
  if (is_futures(x))
    sim_put(t, "\"symbol\":\"%s\",\"sequence\":%" PRIu64 ",\"ts\":%" PRIu64,
            x->symbols[symbol].name, x->view->venue_seq, x->wall_ns);
  else
    sim_put(t, "\"time\":%" PRIu64 ",\"sequence\":\"%" PRIu64 "\"", x->wall_ns / TF_NS_PER_MS,
            x->view->venue_seq);
  sim_put(t, ",\"bids\":[");
  put_side(t, x, false);
  sim_put(t, "],\"asks\":[");
  put_side(t, x, true);
  sim_put(t, "]}}");
  return 200;
}

static int get_symbols(sim_exchange_t *x, sim_text_t *t) {
  sim_put(t, "{\"code\":\"200000\",\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s        = &x->symbols[i];
    size_t              base_cnt = strcspn(s->name, "-");
    sim_put(
        t,
        "%s{\"symbol\":\"%s\",\"name\":\"%s\",\"baseCurrency\":\"%.*s\",\"quoteCurrency\":\"%s\","
        "\"baseIncrement\":\"",
        i ? "," : "", s->name, s->name, (int)base_cnt, s->name,
        s->name[base_cnt] ? s->name + base_cnt + 1 : "");
    sim_put_decimal(t, 1, s->pair.qty_digits);
    sim_put(t, "\",\"priceIncrement\":\"");
    sim_put_decimal(t, 1, s->pair.tick_digits);
    sim_put(t, "\",\"enableTrading\":true}");
  }
  sim_put(t, "]}");
  return 200;
}

static int get_contracts(sim_exchange_t *x, sim_text_t *t) {
  sim_put(t, "{\"code\":\"200000\",\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s = &x->symbols[i];
    sim_put(t,
            "%s{\"symbol\":\"%s\",\"type\":\"FFWCSX\",\"baseCurrency\":\"%.3s\","
            "\"quoteCurrency\":\"USDT\",\"tickSize\":",
            i ? "," : "", s->name, s->name);
    sim_put_decimal(t, 1, s->pair.tick_digits);
    sim_put(t, ",\"lotSize\":1,\"multiplier\":0.001,\"isInverse\":false,\"status\":\"Open\"}");
  }
  sim_put(t, "]}");
  return 200;
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  const kucoin_t *k        = words(x);
  size_t          book_cnt = strlen(k->book);
  if (!strncmp(target, k->book, book_cnt)) {
    *is_snapshot = true;
    return get_book(x, target + book_cnt, t);
  }
  if (!strcmp(target, k->instruments))
    return is_futures(x) ? get_contracts(x, t) : get_symbols(x, t);
  sim_put(t, "{\"code\":\"404000\",\"msg\":\"URL Not Found\"}");
  return 404;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      topic_cnt;
  const char *topic = sim_find_text(text, cnt, "topic", &topic_cnt);
  const char *colon = topic ? memchr(topic, ':', topic_cnt) : NULL;
  *r                = (sim_route_t){.payload = text, .payload_cnt = cnt};
  if (!colon) return false;
  uint32_t c = channel_of(&spot, topic, (size_t)(colon - topic));
  if (c == CHANNEL_CNT) c = channel_of(&futures, topic, (size_t)(colon - topic));
  if (c == CHANNEL_CNT) return false;
  r->channels = 1u << c;
  r->name     = colon + 1;
  r->name_cnt = topic_cnt - (size_t)(colon + 1 - topic);
  r->is_book  = c == LEVEL2;
  return true;
}

#define LIMITS                                                                                     \
  {                                                                                                \
    [SIM_LIMIT_STREAMS] = {.max = 300}, [SIM_LIMIT_REQUEST_ARGS] = {.max = 100},                   \
    [SIM_LIMIT_MESSAGES] = {.max = 100, .ns = 10 * TF_NS_PER_SEC}, [SIM_LIMIT_UNPINGED] = {        \
      .ns         = 60 * TF_NS_PER_SEC,                                                            \
      .close_code = TF_WS_CLOSE_NORMAL                                                             \
    }                                                                                              \
  }
#define KUCOIN(venue_name, market)                                                                 \
  {                                                                                                \
    .name = venue_name, .pairs = market##_pairs, .depth_interval_ns = 20 * TF_NS_PER_MS,           \
    .ticker_interval_ns = 100 * TF_NS_PER_MS, .limits = LIMITS, .over_limit = over_limit,          \
    .on_upgrade = on_upgrade, .on_open = on_open, .on_request = on_request, .on_get = on_get,      \
    .on_post = on_post, .trade = market##_trade, .quote = market##_quote, .depth = market##_depth, \
    .ticker = market##_ticker, .route = route                                                      \
  }
const sim_venue_t sim_venue_kucoin         = KUCOIN("kucoin", spot);
const sim_venue_t sim_venue_kucoin_futures = KUCOIN("kucoin-futures", futures);
