#include "binance.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "core/error.h"

static const struct {
  const char *name;
  int64_t     price_ticks; /* of 0.01 */
  int64_t     lot;         /* 1e-8 */
} known_symbols[] = {
    {"BTCUSDT", 6183763, 12000000  },
    {"ETHUSDT", 265012,  250000000 },
    {"SOLUSDT", 15233,   4000000000}
};

static const char *const channel_suffixes[SIM_CHANNEL_CNT] = {"@trade", "@bookTicker",
                                                              "@depth@100ms"};

/* ---- text ---- */

typedef struct text {
  char  *at;
  size_t left;
} text_t;

static void put(text_t *t, const char *fmt, ...) TF_PRINTF(2, 3);
static void put(text_t *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int cnt = vsnprintf(t->at, t->left, fmt, args);
  va_end(args);
  if (cnt < 0 || (size_t)cnt >= t->left) cnt = t->left ? (int)t->left - 1 : 0;
  t->at += cnt;
  t->left -= (size_t)cnt;
}

/* Decimals as each product sends them: spot 8 and 8 digits, USD-M 2 and 3. */
static void put_price(text_t *t, const sim_binance_t *b, int64_t ticks) {
  put(t, "\"%" PRId64 ".%02" PRId64 "%s\"", ticks / 100, ticks % 100, b->futures ? "" : "000000");
}

static void put_qty(text_t *t, const sim_binance_t *b, int64_t qty) {
  if (b->futures)
    put(t, "\"%" PRId64 ".%03" PRId64 "\"", qty / 100000000, qty % 100000000 / 100000);
  else
    put(t, "\"%" PRId64 ".%08" PRId64 "\"", qty / 100000000, qty % 100000000);
}

static void put_level(text_t *t, const sim_binance_t *b, bool first, int64_t ticks, int64_t qty) {
  put(t, first ? "[" : ",[");
  put_price(t, b, ticks);
  put(t, ",");
  put_qty(t, b, qty);
  put(t, "]");
}

/* ---- messages ---- */

static void send(sim_binance_t *b, sim_server_t *server, uint32_t symbol, uint32_t channel,
                 const text_t *t) {
  char name[64];
  snprintf(name, sizeof name, "%s%s", b->symbols[symbol].lower, channel_suffixes[channel]);
  sim_server_broadcast(server, symbol * SIM_CHANNEL_CNT + channel, name, b->text,
                       (size_t)(t->at - b->text), channel == SIM_CHANNEL_DEPTH);
}

static void send_trade(sim_binance_t *b, sim_server_t *server, uint32_t symbol,
                       const sim_step_t *step, uint64_t wall_ms) {
  const sim_symbol_t *s = &b->symbols[symbol];
  text_t              t = {b->text, sizeof b->text};
  put(&t, "{\"e\":\"trade\",\"E\":%" PRIu64, wall_ms);
  if (b->futures) put(&t, ",\"T\":%" PRIu64, wall_ms);
  put(&t, ",\"s\":\"%s\",\"t\":%" PRIu64 ",\"p\":", s->name, s->market.trade_id);
  put_price(&t, b, step->trade_price_ticks);
  put(&t, ",\"q\":");
  put_qty(&t, b, step->trade_qty);
  const char *maker = step->seller_took ? "true" : "false"; /* m: the buyer is the maker */
  if (b->futures)
    put(&t, ",\"X\":\"MARKET\",\"m\":%s}", maker);
  else
    put(&t, ",\"T\":%" PRIu64 ",\"m\":%s,\"M\":true}", wall_ms, maker);
  send(b, server, symbol, SIM_CHANNEL_TRADE, &t);
}

static void send_quote(sim_binance_t *b, sim_server_t *server, uint32_t symbol, uint64_t wall_ms) {
  const sim_symbol_t *s = &b->symbols[symbol];
  const sim_market_t *m = &s->market;
  text_t              t = {b->text, sizeof b->text};
  put(&t,
      b->futures ? "{\"e\":\"bookTicker\",\"u\":%" PRIu64 ",\"s\":\"%s\",\"b\":"
                 : "{\"u\":%" PRIu64 ",\"s\":\"%s\",\"b\":",
      m->update_id, s->name);
  put_price(&t, b, sim_market_price(m, m->best_bid));
  put(&t, ",\"B\":");
  put_qty(&t, b, m->ladder[0][m->best_bid]);
  put(&t, ",\"a\":");
  put_price(&t, b, sim_market_price(m, m->best_ask));
  put(&t, ",\"A\":");
  put_qty(&t, b, m->ladder[1][m->best_ask]);
  if (b->futures) put(&t, ",\"T\":%" PRIu64 ",\"E\":%" PRIu64, wall_ms, wall_ms);
  put(&t, "}");
  send(b, server, symbol, SIM_CHANNEL_QUOTE, &t);
}

static void put_dirty(text_t *t, const sim_binance_t *b, const sim_market_t *m, bool ask) {
  bool first = true;
  for (uint32_t i = 0; i < m->dirty_cnt; i++) {
    if (m->dirty[i].ask != ask) continue;
    put_level(t, b, first, m->dirty[i].price_ticks, m->dirty[i].qty);
    first = false;
  }
}

void sim_binance_depth(sim_binance_t *b, sim_server_t *server, uint32_t symbol, uint64_t wall_ms) {
  sim_symbol_t *s = &b->symbols[symbol];
  sim_market_t *m = &s->market;
  if (m->dirty_cnt == 0) return;
  text_t t = {b->text, sizeof b->text};
  put(&t, "{\"e\":\"depthUpdate\",\"E\":%" PRIu64, wall_ms);
  if (b->futures) put(&t, ",\"T\":%" PRIu64, wall_ms);
  put(&t, ",\"s\":\"%s\",\"U\":%" PRIu64 ",\"u\":%" PRIu64, s->name, m->depth_first_id,
      m->update_id);
  if (b->futures) put(&t, ",\"pu\":%" PRIu64, s->depth_last_id);
  put(&t, ",\"b\":[");
  put_dirty(&t, b, m, false);
  put(&t, "],\"a\":[");
  put_dirty(&t, b, m, true);
  put(&t, "]}");
  s->depth_last_id = m->update_id;
  sim_market_take_depth(m);
  send(b, server, symbol, SIM_CHANNEL_DEPTH, &t);
}

void sim_binance_step(sim_binance_t *b, sim_server_t *server, uint32_t symbol, uint64_t wall_ms) {
  sim_market_t *m = &b->symbols[symbol].market;
  if (m->dirty_cnt > SIM_DIRTY_MAX - 8) sim_binance_depth(b, server, symbol, wall_ms);
  sim_step_t step = sim_market_step(m);
  if (step.traded) send_trade(b, server, symbol, &step, wall_ms);
  if (step.quote_changed) send_quote(b, server, symbol, wall_ms);
}

/* ---- requests ---- */

static uint32_t find_symbol(const sim_binance_t *b, const char *name, size_t cnt, bool lower) {
  for (uint32_t i = 0; i < b->symbol_cnt; i++) {
    const char *have = lower ? b->symbols[i].lower : b->symbols[i].name;
    if (strlen(have) == cnt && !memcmp(have, name, cnt)) return i;
  }
  return UINT32_MAX;
}

uint32_t sim_binance_stream(const sim_binance_t *b, const char *name, size_t cnt) {
  const char *at = memchr(name, '@', cnt);
  if (!at) return UINT32_MAX;
  uint32_t symbol = find_symbol(b, name, (size_t)(at - name), true);
  size_t   rest   = cnt - (size_t)(at - name);
  if (symbol == UINT32_MAX) return UINT32_MAX;
  static const struct {
    const char *suffix;
    uint32_t    channel;
  } suffixes[] = {
      {"@trade",       SIM_CHANNEL_TRADE},
      {"@bookTicker",  SIM_CHANNEL_QUOTE},
      {"@depth@100ms", SIM_CHANNEL_DEPTH},
      {"@depth",       SIM_CHANNEL_DEPTH},
      {"@depth@0ms",   SIM_CHANNEL_DEPTH}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(suffixes); i++)
    if (strlen(suffixes[i].suffix) == rest && !memcmp(suffixes[i].suffix, at, rest))
      return symbol * SIM_CHANNEL_CNT + suffixes[i].channel;
  return UINT32_MAX;
}

/* "a/b/c" from the URL. Unknown streams are accepted and stay silent, as at the venue. */
static void subscribe_list(const sim_binance_t *b, const char *list, sim_subscription_t *sub) {
  while (*list) {
    size_t   cnt    = strcspn(list, "/&");
    uint32_t stream = sim_binance_stream(b, list, cnt);
    if (stream != UINT32_MAX) sim_set_stream(sub, stream, true);
    list += cnt + (list[cnt] != '\0');
  }
}

static bool on_upgrade(void *self, const char *target, sim_subscription_t *sub) {
  static const char *const routes[] = {"/public", "/market", ""}; /* USD-M routes by data class */
  for (size_t i = 0; i < TF_ARRAY_CNT(routes); i++) {
    size_t cnt = strlen(routes[i]);
    if (!strncmp(target, routes[i], cnt) && (cnt == 0 || target[cnt] == '/')) {
      target += cnt;
      break;
    }
  }
  if (!strncmp(target, "/stream", 7)) {
    sub->combined       = true;
    const char *streams = strstr(target, "streams=");
    if (streams) subscribe_list(self, streams + 8, sub);
    return target[7] == '\0' || target[7] == '?';
  }
  if (strncmp(target, "/ws", 3) != 0) return false;
  if (target[3] == '/') subscribe_list(self, target + 4, sub);
  return target[3] == '/' || target[3] == '\0';
}

static size_t on_text(void *self, const char *text, size_t cnt, sim_subscription_t *sub,
                      char *answer, size_t cap) {
  sim_binance_t *b = self;
  text_t         t = {answer, cap};
  json_error_t   error;
  json_t        *root   = json_loadb(text, cnt, 0, &error);
  const char    *method = json_string_value(json_object_get(root, "method"));
  json_int_t     id     = json_integer_value(json_object_get(root, "id"));
  if (!method) {
    put(&t, "{\"code\":3,\"msg\":\"Invalid JSON: expected an object with method\"}");
  } else if (!strcmp(method, "SUBSCRIBE") || !strcmp(method, "UNSUBSCRIBE")) {
    json_t *name;
    size_t  i;
    json_array_foreach(json_object_get(root, "params"), i, name) {
      const char *stream_name = json_string_value(name);
      uint32_t    stream =
          stream_name ? sim_binance_stream(b, stream_name, strlen(stream_name)) : UINT32_MAX;
      if (stream != UINT32_MAX) sim_set_stream(sub, stream, method[0] == 'S');
    }
    put(&t, "{\"result\":null,\"id\":%" JSON_INTEGER_FORMAT "}", id);
  } else {
    put(&t,
        "{\"code\":2,\"msg\":\"Invalid request: unknown method\",\"id\":%" JSON_INTEGER_FORMAT "}",
        id);
  }
  json_decref(root);
  return (size_t)(t.at - answer);
}

static void put_side(text_t *t, const sim_binance_t *b, const sim_market_t *m, bool ask,
                     uint32_t limit) {
  int32_t step = ask ? 1 : -1;
  for (int32_t at = ask ? m->best_ask : m->best_bid, sent = 0;
       at >= 0 && at < SIM_LADDER_TICKS && (uint32_t)sent < limit; at += step)
    if (m->ladder[ask][at]) put_level(t, b, sent++ == 0, m->base_ticks + at, m->ladder[ask][at]);
}

static size_t put_snapshot(sim_binance_t *b, uint32_t symbol, uint32_t limit, char *buf,
                           size_t cap) {
  const sim_market_t *m = &b->symbols[symbol].market;
  text_t              t = {buf, cap};
  put(&t, "{\"lastUpdateId\":%" PRIu64 ",\"bids\":[", m->update_id);
  put_side(&t, b, m, false, limit);
  put(&t, "],\"asks\":[");
  put_side(&t, b, m, true, limit);
  put(&t, "]}");
  return (size_t)(t.at - buf);
}

static int on_get(void *self, const char *target, char *answer, size_t cap, size_t *cnt) {
  sim_binance_t *b    = self;
  const char    *path = b->futures ? "/fapi/v1/depth?" : "/api/v3/depth?";
  text_t         t    = {answer, cap};
  if (strncmp(target, path, strlen(path)) != 0) {
    put(&t, "{\"code\":-1,\"msg\":\"the simulator answers %s only\"}", path);
    *cnt = (size_t)(t.at - answer);
    return 404;
  }
  const char *name   = strstr(target, "symbol=");
  const char *limit  = strstr(target, "limit=");
  uint32_t    symbol = name ? find_symbol(b, name + 7, strcspn(name + 7, "&"), false) : UINT32_MAX;
  if (symbol == UINT32_MAX) {
    put(&t, "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}");
    *cnt = (size_t)(t.at - answer);
    return 400;
  }
  uint32_t limit_cnt = limit ? (uint32_t)strtoul(limit + 6, NULL, 10) : 100;
  *cnt               = b->snapshot ? b->snapshot(b->snapshot_self, symbol, limit_cnt, answer, cap)
                                   : put_snapshot(b, symbol, limit_cnt, answer, cap);
  return *cnt ? 200 : 503;
}

sim_venue_t sim_binance_venue(sim_binance_t *b) {
  return (sim_venue_t){b, on_upgrade, on_text, on_get};
}

static tf_err_t add_symbol(sim_binance_t *b, const char *name, size_t cnt, uint64_t seed) {
  if (b->symbol_cnt == SIM_SYMBOLS_MAX || cnt == 0 || cnt >= sizeof b->symbols[0].name)
    return TF_ERR(E_CORE_ARGUMENT, "sim: symbols \"%.*s\": at most %d of 1 to 31 characters",
                  (int)cnt, name, SIM_SYMBOLS_MAX);
  sim_symbol_t *s = &b->symbols[b->symbol_cnt++];
  for (size_t i = 0; i < cnt; i++) {
    if (!isalnum((unsigned char)name[i]) && name[i] != '_')
      return TF_ERR(E_CORE_ARGUMENT, "sim: symbol \"%.*s\": letters, digits and _ only", (int)cnt,
                    name);
    s->name[i]  = (char)toupper((unsigned char)name[i]);
    s->lower[i] = (char)tolower((unsigned char)name[i]);
  }
  int64_t price_ticks = 100000, lot = 1000000000;
  for (size_t i = 0; i < TF_ARRAY_CNT(known_symbols); i++)
    if (!strcmp(known_symbols[i].name, s->name)) {
      price_ticks = known_symbols[i].price_ticks;
      lot         = known_symbols[i].lot;
    }
  sim_market_init(&s->market, seed + b->symbol_cnt * 7919, price_ticks, lot,
                  b->futures ? 100000 : 1000);
  s->depth_last_id = s->market.update_id;
  return TF_OK;
}

tf_err_t sim_binance_init(sim_binance_t *b, bool futures, const char *symbols, uint64_t seed) {
  memset(b, 0, sizeof *b);
  b->futures = futures;
  b->symbols = calloc(SIM_SYMBOLS_MAX, sizeof *b->symbols);
  if (!b->symbols) return TF_ERR(E_CORE_NO_MEMORY, "sim: symbols");
  for (;;) {
    size_t   cnt = strcspn(symbols, ",");
    tf_err_t err = add_symbol(b, symbols, cnt, seed);
    if (err) return err;
    if (symbols[cnt] == '\0') return TF_OK;
    symbols += cnt + 1;
  }
}

void sim_binance_fini(sim_binance_t *b) {
  free(b->symbols);
  b->symbols = NULL;
}
