/* Binance spot, USD-M and COIN-M (VENUES 1 and 2): one protocol, three products that differ in
 * numbers, fields and the chain of their depth messages. Unknown streams are acknowledged and
 * stay silent, as at the venue. */
#include <inttypes.h>
#include <string.h>

#include "sim/exchange.h"

enum { TRADE, QUOTE, DEPTH };
typedef enum { SPOT, USDM, COINM } product_t;

#define DEPTH_LIMIT_DEFAULT 100
#define SNAPSHOT_LEVELS_MAX 5000

static const char *const channel_names[] = {"@trade", "@bookTicker", "@depth@100ms"};
static const char *const rest_paths[]    = {"/api/v3/", "/fapi/v1/", "/dapi/v1/"};

static const sim_pair_t spot_pairs[] = {
    {"BTCUSDT", 6183763, 2, 8, 8, 12000000,   1000},
    {"ETHUSDT", 265012,  2, 8, 8, 250000000,  1000},
    {"SOLUSDT", 18233,   2, 8, 8, 4000000000, 1000},
    {NULL,      100000,  2, 8, 8, 1000000000, 1000}
};
static const sim_pair_t usdm_pairs[] = {
    {"BTCUSDT", 6183763, 2, 2, 3, 12000000,   100000},
    {"ETHUSDT", 265012,  2, 2, 3, 250000000,  100000},
    {"SOLUSDT", 18233,   2, 2, 3, 4000000000, 100000},
    {NULL,      100000,  2, 2, 3, 1000000000, 100000}
};
static const sim_pair_t coinm_pairs[] = {
    {"BTCUSD_PERP", 618376, 1, 1, 0, 20000000000, 100000000}, /* quantities are contracts */
    {"ETHUSD_PERP", 265012, 2, 2, 0, 20000000000, 100000000},
    {"SOLUSD_PERP", 182330, 3, 3, 0, 20000000000, 100000000},
    {NULL,          100000, 2, 2, 0, 20000000000, 100000000}
};

static product_t product_of(const sim_exchange_t *x) {
  return x->venue == &sim_venue_binance_spot   ? SPOT
         : x->venue == &sim_venue_binance_usdm ? USDM
                                               : COINM;
}

static uint64_t wall_ms(const sim_exchange_t *x) { return x->wall_ns / TF_NS_PER_MS; }

static void put_quoted_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put_bytes(t, "\"", 1);
  sim_put_price(t, s, ticks);
  sim_put_bytes(t, "\"", 1);
}

static void put_quoted_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put_bytes(t, "\"", 1);
  sim_put_qty(t, s, qty);
  sim_put_bytes(t, "\"", 1);
}

/* COIN-M names the pair of a contract: BTCUSD of BTCUSD_PERP. */
static void put_symbol(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s) {
  sim_put(t, ",\"s\":\"%s\"", s->name);
  if (product_of(x) == COINM) sim_put(t, ",\"ps\":\"%.*s\"", (int)strcspn(s->name, "_"), s->name);
}

/* ---- messages ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"e\":\"trade\",\"E\":%" PRIu64, wall_ms(x));
  if (product_of(x) != SPOT) sim_put(&t, ",\"T\":%" PRIu64, wall_ms(x));
  sim_put(&t, ",\"s\":\"%s\",\"t\":%" PRIu64 ",\"p\":", s->name, s->market.trade_id);
  put_quoted_price(&t, s, step->trade_price_ticks);
  sim_put(&t, ",\"q\":");
  put_quoted_qty(&t, s, step->trade_qty);
  const char *maker = step->seller_took ? "true" : "false"; /* m: the buyer is the maker */
  if (product_of(x) == SPOT)
    sim_put(&t, ",\"T\":%" PRIu64 ",\"m\":%s,\"M\":true}", wall_ms(x), maker);
  else
    sim_put(&t, ",\"X\":\"MARKET\",\"m\":%s}", maker);
  sim_broadcast(x, sim_stream(symbol, TRADE), &t, SIM_MESSAGE_DATA);
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  sim_text_t          t = sim_message(x);
  sim_put(&t, product_of(x) == SPOT ? "{\"u\":%" PRIu64 : "{\"e\":\"bookTicker\",\"u\":%" PRIu64,
          m->update_id);
  put_symbol(&t, x, s);
  sim_put(&t, ",\"b\":");
  put_quoted_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"B\":");
  put_quoted_qty(&t, s, m->ladder[0][m->best_bid]);
  sim_put(&t, ",\"a\":");
  put_quoted_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, ",\"A\":");
  put_quoted_qty(&t, s, m->ladder[1][m->best_ask]);
  if (product_of(x) != SPOT)
    sim_put(&t, ",\"T\":%" PRIu64 ",\"E\":%" PRIu64, wall_ms(x), wall_ms(x));
  sim_put(&t, "}");
  sim_broadcast(x, sim_stream(symbol, QUOTE), &t, SIM_MESSAGE_DATA);
}

static void put_dirty(sim_text_t *t, const sim_symbol_t *s, bool ask) {
  bool first = true;
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    if (level->ask != ask) continue;
    sim_put(t, first ? "[" : ",[");
    put_quoted_price(t, s, level->price_ticks);
    sim_put(t, ",");
    put_quoted_qty(t, s, level->qty);
    sim_put(t, "]");
    first = false;
  }
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"e\":\"depthUpdate\",\"E\":%" PRIu64, wall_ms(x));
  if (product_of(x) != SPOT) sim_put(&t, ",\"T\":%" PRIu64, wall_ms(x));
  put_symbol(&t, x, s);
  sim_put(&t, ",\"U\":%" PRIu64 ",\"u\":%" PRIu64, s->market.depth_first_id, s->market.update_id);
  if (product_of(x) != SPOT) sim_put(&t, ",\"pu\":%" PRIu64, s->depth_last_id);
  sim_put(&t, ",\"b\":[");
  put_dirty(&t, s, false);
  sim_put(&t, "],\"a\":[");
  put_dirty(&t, s, true);
  sim_put(&t, "]}");
  s->depth_last_id = s->market.update_id;
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, DEPTH), &t, SIM_MESSAGE_BOOK);
}

/* Combined connections get each message with its stream's name. */
static size_t wrap(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream, const char *text,
                   size_t cnt, char *out, size_t cap) {
  if (!peer->combined || stream == SIM_STREAM_NONE) return 0;
  sim_text_t t = sim_text(out, cap);
  sim_put(&t, "{\"stream\":\"%s%s\",\"data\":", x->symbols[sim_stream_symbol(stream)].lower,
          channel_names[sim_stream_channel(stream)]);
  sim_put_bytes(&t, text, cnt);
  sim_put_bytes(&t, "}", 1);
  return t.full ? 0 : t.cnt;
}

static void on_shutdown(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t,
          peer->combined ? "{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\","
                           "\"E\":%" PRIu64 "}}"
                         : "{\"e\":\"serverShutdown\",\"E\":%" PRIu64 "}",
          wall_ms(x));
  sim_reply(x, peer, &t);
}

/* ---- requests ---- */

/* "@depth@100ms" and its kin. UINT32_MAX: none of ours. */
static uint32_t channel_of(const char *suffix, size_t cnt) {
  static const struct {
    const char *suffix;
    uint32_t    channel;
  } suffixes[] = {
      {"@trade",       TRADE},
      {"@bookTicker",  QUOTE},
      {"@depth@100ms", DEPTH},
      {"@depth",       DEPTH},
      {"@depth@0ms",   DEPTH}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(suffixes); i++)
    if (strlen(suffixes[i].suffix) == cnt && !memcmp(suffixes[i].suffix, suffix, cnt))
      return suffixes[i].channel;
  return UINT32_MAX;
}

static uint32_t stream_of(const sim_exchange_t *x, const char *name, size_t cnt) {
  const char *at = memchr(name, '@', cnt);
  if (!at) return SIM_STREAM_NONE;
  uint32_t symbol  = sim_find_lower(x, name, (size_t)(at - name));
  uint32_t channel = channel_of(at, cnt - (size_t)(at - name));
  return symbol == UINT32_MAX || channel == UINT32_MAX ? SIM_STREAM_NONE
                                                       : sim_stream(symbol, channel);
}

/* "a/b/c" from the URL. */
static void subscribe_list(sim_exchange_t *x, sim_peer_t *peer, const char *list) {
  while (*list) {
    size_t   cnt    = strcspn(list, "/&");
    uint32_t stream = stream_of(x, list, cnt);
    if (stream != SIM_STREAM_NONE) sim_subscribe(x, peer, stream);
    list += cnt + (list[cnt] != '\0');
  }
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  static const char *const routes[] = {"/public", "/market", ""}; /* USD-M routes by data class */
  for (size_t i = 0; i < TF_ARRAY_CNT(routes); i++) {
    size_t cnt = strlen(routes[i]);
    if (!strncmp(target, routes[i], cnt) && (cnt == 0 || target[cnt] == '/')) {
      target += cnt;
      break;
    }
  }
  if (!strncmp(target, "/stream", 7)) {
    peer->combined      = true;
    const char *streams = strstr(target, "streams=");
    if (streams) subscribe_list(x, peer, streams + 8);
    return target[7] == '\0' || target[7] == '?';
  }
  if (strncmp(target, "/ws", 3) != 0) return false;
  if (target[3] == '/') subscribe_list(x, peer, target + 4);
  return target[3] == '/' || target[3] == '\0';
}

static void set_streams(sim_exchange_t *x, sim_peer_t *peer, const json_t *names, bool on) {
  json_t *name;
  size_t  i;
  json_array_foreach(names, i, name) {
    const char *text   = json_string_value(name);
    uint32_t    stream = text ? stream_of(x, text, strlen(text)) : SIM_STREAM_NONE;
    if (stream == SIM_STREAM_NONE) continue;
    if (on)
      sim_subscribe(x, peer, stream);
    else
      sim_unsubscribe(peer, stream);
  }
}

static void list_streams(const sim_exchange_t *x, const sim_peer_t *peer, sim_text_t *t) {
  bool first = true;
  for (uint32_t stream = 0; stream < SIM_STREAMS_MAX; stream++) {
    if (!sim_bit(peer->streams, stream)) continue;
    sim_put(t, "%s\"%s%s\"", first ? "" : ",", x->symbols[sim_stream_symbol(stream)].lower,
            channel_names[sim_stream_channel(stream)]);
    first = false;
  }
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *method = json_string_value(json_object_get(request, "method"));
  json_int_t  id     = json_integer_value(json_object_get(request, "id"));
  json_t     *params = json_object_get(request, "params");
  sim_text_t  t      = sim_message(x);
  if (!method) {
    sim_put(&t, "{\"code\":3,\"msg\":\"Invalid JSON: expected an object with method\"}");
  } else if (!strcmp(method, "LIST_SUBSCRIPTIONS")) {
    sim_put(&t, "{\"result\":[");
    list_streams(x, peer, &t);
    sim_put(&t, "],\"id\":%" JSON_INTEGER_FORMAT "}", id);
  } else if (!strcmp(method, "SUBSCRIBE") || !strcmp(method, "UNSUBSCRIBE")) {
    sim_ack_t ack = sim_ack(x);
    if (ack == SIM_ACK_SKIPPED) return;
    if (ack == SIM_ACK_ERROR) {
      sim_put(&t,
              "{\"code\":2,\"msg\":\"Invalid request: refused\",\"id\":%" JSON_INTEGER_FORMAT "}",
              id);
    } else {
      set_streams(x, peer, params, method[0] == 'S');
      t.cnt = 0; /* the limit's words may have been there */
      sim_put(&t, "{\"result\":null,\"id\":%" JSON_INTEGER_FORMAT "}", id);
      sim_reply_ack(x, peer, UINT32_MAX, &t, ack);
      return;
    }
  } else {
    sim_put(&t,
            "{\"code\":2,\"msg\":\"Invalid request: unknown variant "
            "`%.40s`\",\"id\":%" JSON_INTEGER_FORMAT "}",
            method, id);
  }
  sim_reply(x, peer, &t);
}

/* ---- REST ---- */

static void put_side(sim_text_t *t, const sim_view_t *view, bool ask) {
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    sim_put(t, i ? ",[\"" : "[\"");
    sim_put_decimal(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, "\",\"");
    sim_put_decimal(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, "\"]");
  }
}

static int get_depth(sim_exchange_t *x, const char *query, sim_text_t *t) {
  const char *name   = strstr(query, "symbol=");
  const char *limit  = strstr(query, "limit=");
  uint32_t    symbol = name ? sim_find_symbol(x, name + 7, strcspn(name + 7, "&")) : UINT32_MAX;
  if (symbol == UINT32_MAX) {
    sim_put(t, "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}");
    return 400;
  }
  unsigned long levels = limit ? strtoul(limit + 6, NULL, 10) : DEPTH_LIMIT_DEFAULT;
  if (levels < 1 || levels > SNAPSHOT_LEVELS_MAX) {
    sim_put(t, "{\"code\":-1130,\"msg\":\"Data sent for parameter 'limit' is not valid.\"}");
    return 400;
  }
  if (!sim_view(x, symbol, (uint32_t)levels, x->view)) {
    sim_put(t, "{\"code\":-1,\"msg\":\"the recording has no book yet\"}");
    return 503;
  }
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_put(t, "{\"lastUpdateId\":%" PRIu64, x->view->venue_seq);
  if (product_of(x) != SPOT)
    sim_put(t, ",\"E\":%" PRIu64 ",\"T\":%" PRIu64, wall_ms(x), wall_ms(x));
  if (product_of(x) == COINM)
    sim_put(t, ",\"symbol\":\"%s\",\"pair\":\"%.*s\"", s->name, (int)strcspn(s->name, "_"),
            s->name);
  sim_put(t, ",\"bids\":[");
  put_side(t, x->view, false);
  sim_put(t, "],\"asks\":[");
  put_side(t, x->view, true);
  sim_put(t, "]}");
  return 200;
}

static void put_increment(sim_text_t *t, const char *key, int64_t mantissa, uint32_t digits) {
  sim_put(t, ",\"%s\":\"", key);
  sim_put_decimal(t, mantissa, digits);
  sim_put(t, "\"");
}

static void put_instrument(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s) {
  const sim_pair_t *p        = &s->pair;
  int64_t           qty_step = sim_qty_sent(p, p->qty_step);
  size_t            base_cnt = strcspn(s->name, "_");
  const char       *quote    = product_of(x) == COINM ? "USD" : "USDT";
  if (base_cnt > strlen(quote)) base_cnt -= strlen(quote);
  const bool  is_trading = sim_is_trading(x, (uint32_t)(s - x->symbols));
  const char *status = is_trading ? "TRADING" : product_of(x) == SPOT ? "BREAK" : "PENDING_TRADING";
  sim_put(t, "{\"symbol\":\"%s\",\"%s\":\"%s\",\"baseAsset\":\"%.*s\",\"quoteAsset\":\"%s\"",
          s->name, product_of(x) == COINM ? "contractStatus" : "status", status, (int)base_cnt,
          s->name, quote);
  if (product_of(x) == COINM)
    sim_put(t, ",\"contractSize\":%d",
            strncmp(s->name, "BTC", 3) ? 10 : 100 /* US dollars a contract */);
  sim_put(t, ",\"filters\":[{\"filterType\":\"PRICE_FILTER\"");
  put_increment(t, "minPrice", sim_price_sent(p, 1), p->price_digits);
  put_increment(t, "tickSize", sim_tick_sent(x, (uint32_t)(s - x->symbols)), p->price_digits);
  sim_put(t, "},{\"filterType\":\"LOT_SIZE\"");
  put_increment(t, "minQty", qty_step, p->qty_digits);
  put_increment(t, "stepSize", qty_step, p->qty_digits);
  sim_put(t, "}]}");
}

static int get_exchange_info(sim_exchange_t *x, sim_text_t *t) {
  sim_put(t, "{\"timezone\":\"UTC\",\"serverTime\":%" PRIu64 ",\"rateLimits\":[],\"symbols\":[",
          wall_ms(x));
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    if (i) sim_put(t, ",");
    put_instrument(t, x, &x->symbols[i]);
  }
  sim_put(t, "]}");
  return 200;
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  const char *path = rest_paths[product_of(x)];
  const char *rest = target + strlen(path);
  if (strncmp(target, path, strlen(path)) == 0) {
    if (!strncmp(rest, "depth?", 6)) {
      *is_snapshot = true;
      return get_depth(x, rest + 6, t);
    }
    if (!strcmp(rest, "exchangeInfo") || !strncmp(rest, "exchangeInfo?", 13))
      return get_exchange_info(x, t);
  }
  sim_put(t, "{\"code\":-1,\"msg\":\"the simulator answers %sdepth and %sexchangeInfo\"}", path,
          path);
  return 404;
}

/* ---- playback ---- */

/* {"stream":"NAME","data":DATA} */
static bool route(const char *text, size_t cnt, sim_route_t *r) {
  static const char middle[] = "\",\"data\":";
  size_t            name_cnt;
  const char       *name = sim_find_text(text, cnt, "stream", &name_cnt);
  const char       *end  = text + cnt;
  if (!name || name != text + 11 || (size_t)(end - name) < name_cnt + sizeof middle ||
      memcmp(name + name_cnt, middle, sizeof middle - 1) != 0 || end[-1] != '}')
    return false;
  const char *at = memchr(name, '@', name_cnt);
  if (!at) return false;
  uint32_t channel = channel_of(at, name_cnt - (size_t)(at - name));
  if (channel == UINT32_MAX) return false;
  r->name        = name;
  r->name_cnt    = (size_t)(at - name);
  r->channels    = 1u << channel;
  r->is_book     = channel == DEPTH;
  r->payload     = name + name_cnt + sizeof middle - 1;
  r->payload_cnt = (size_t)(end - 1 - r->payload);
  return true;
}

/* clang-format off */
/* A client's messages a second; the venue's pings and how long it waits for a pong, in seconds. */
#define LIMITS(messages_max, ping_s, pong_s)                                                       \
  {                                                                                                \
    [SIM_LIMIT_STREAMS]    = {1024, 0, TF_WS_CLOSE_POLICY, "Too many streams"},                    \
    [SIM_LIMIT_MESSAGES]   = {messages_max, TF_NS_PER_SEC, TF_WS_CLOSE_POLICY, "Too many requests"}, \
    [SIM_LIMIT_CONNECTS]   = {300, 300 * TF_NS_PER_SEC, 0, NULL},                                  \
    [SIM_LIMIT_UNANSWERED] = {(pong_s) / (ping_s), (ping_s) * TF_NS_PER_SEC, TF_WS_CLOSE_POLICY,   \
                              "Pong timeout"}                                                      \
  }

#define BINANCE(venue_name, venue_pairs, ...)                                                      \
  {                                                                                                \
    .name = venue_name, .pairs = venue_pairs, .depth_interval_ns = 100 * TF_NS_PER_MS,             \
    .on_upgrade = on_upgrade, .on_request = on_request, .on_get = on_get,                          \
    .on_shutdown = on_shutdown, .wrap = wrap, .trade = trade, .quote = quote, .depth = depth,      \
    .route = route, .limits = LIMITS(__VA_ARGS__)                                                  \
  }
/* clang-format on */

const sim_venue_t sim_venue_binance_spot  = BINANCE("binance-spot", spot_pairs, 5, 20, 60);
const sim_venue_t sim_venue_binance_usdm  = BINANCE("binance-usdm", usdm_pairs, 10, 180, 600);
const sim_venue_t sim_venue_binance_coinm = BINANCE("binance-coinm", coinm_pairs, 10, 180, 600);
