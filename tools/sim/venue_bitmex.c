/* BitMEX (VENUES 8): tables and what is done to their rows. A level is an id that has a price only when it
 * is inserted; nothing numbers or sums the book, so a lost message shows as an id that nobody knows.
 * Sizes are contracts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "faults/random.h"
#include "sim/exchange.h"

#define TOP_LEVELS 25
#define IDS_A_SIDE UINT64_C(100000000) /* ids fall as prices rise, from here on */
#define ARGS_MAX   20

enum { TRADE, QUOTE, INSTRUMENT, BOOK, BOOK_TOP, CHANNEL_CNT };
#define BOOK_CHANNELS (1u << BOOK | 1u << BOOK_TOP)

static const char *const tables[CHANNEL_CNT] = {"trade", "quote", "instrument", "orderBookL2",
                                                "orderBookL2_25"};

typedef struct top {
  uint32_t  cnt[2];
  sim_row_t rows[2][TOP_LEVELS];
} top_t;

typedef struct own {
  top_t      top;                      /* orderBookL2_25 as its subscribers have it */
  bool       has[2][SIM_LADDER_TICKS]; /* orderBookL2: the levels that they have */
  bool       has_is_known;
  sim_step_t last_trade;
  char       last_trade_id[40];
  uint64_t   last_trade_ns;
} own_t;

static const sim_pair_t pairs[] = {
    {"XBTUSD", 61837,  0, 0, 0, 500000000000, 10000000000},
    {"ETHUSD", 26501,  1, 1, 0, 10000000000,  100000000  },
    {"XRPUSD", 18233,  8, 8, 0, 300000000000, 100000000  },
    {NULL,     100000, 2, 2, 0, 100000000000, 100000000  }
};

/* ---- messages ---- */

static void put_stamp(sim_text_t *t, uint64_t wall_ns) {
  char       text[40];
  sim_text_t time = sim_text(text, sizeof text);
  sim_put_time(&time, wall_ns, 6);
  sim_put(t, "\"timestamp\":\"%.*sZ\"", (int)time.cnt - 4, text); /* ms, as the venue writes it */
}

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put_trimmed(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}

static void put_size(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put(t, "%" PRId64, sim_qty_sent(&s->pair, qty));
}

static void put_head(sim_text_t *t, uint32_t channel, const char *action) {
  sim_put(t, "{\"table\":\"%s\",\"action\":\"%s\"", tables[channel], action);
}

/* What a partial says of its table beside its rows. */
static void put_partial(sim_text_t *t, const sim_exchange_t *x, uint32_t symbol, uint32_t channel) {
  put_head(t, channel, "partial");
  sim_put(t, ",\"keys\":[%s],\"types\":{\"symbol\":\"symbol\"},\"filter\":{\"symbol\":\"%s\"}",
          channel >= BOOK ? "\"symbol\",\"id\",\"side\"" : "", x->symbols[symbol].name);
}

static void put_trade(sim_text_t *t, const sim_symbol_t *s) {
  const own_t *own = s->state;
  sim_put(t, ",\"data\":[");
  if (own->last_trade.traded) {
    sim_put(t, "{");
    put_stamp(t, own->last_trade_ns);
    sim_put(t, ",\"symbol\":\"%s\",\"side\":\"%s\",\"size\":", s->name,
            own->last_trade.seller_took ? "Sell" : "Buy");
    put_size(t, s, own->last_trade.trade_qty);
    sim_put(t, ",\"price\":");
    put_price(t, s, own->last_trade.trade_price_ticks);
    sim_put(t,
            ",\"tickDirection\":\"ZeroPlusTick\",\"trdMatchID\":\"%s\",\"grossValue\":3108000,"
            "\"homeNotional\":0.03108,\"foreignNotional\":1000}",
            own->last_trade_id);
  }
  sim_put(t, "]}");
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  sim_symbol_t *s    = &x->symbols[symbol];
  own_t        *own  = s->state;
  uint64_t      id   = tool_random(&x->rng);
  own->last_trade    = *step;
  own->last_trade_ns = x->wall_ns;
  snprintf(own->last_trade_id, sizeof own->last_trade_id, "%08x-%04x-4%03x-a%03x-%012" PRIx64,
           (uint32_t)id, (uint32_t)(id >> 32) & 0xffff, (uint32_t)(id >> 48) & 0xfff,
           (uint32_t)tool_random(&x->rng) & 0xfff, tool_random(&x->rng) >> 16);
  sim_text_t t = sim_message(x);
  put_head(&t, TRADE, "insert");
  put_trade(&t, s);
  sim_broadcast(x, sim_stream(symbol, TRADE), &t, SIM_MESSAGE_DATA);
}

static void put_quote(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s) {
  const sim_market_t *m = &s->market;
  sim_put(t, ",\"data\":[{");
  put_stamp(t, x->wall_ns);
  sim_put(t, ",\"symbol\":\"%s\",\"bidSize\":", s->name);
  put_size(t, s, m->ladder[0][m->best_bid]);
  sim_put(t, ",\"bidPrice\":");
  put_price(t, s, sim_market_price(m, m->best_bid));
  sim_put(t, ",\"askPrice\":");
  put_price(t, s, sim_market_price(m, m->best_ask));
  sim_put(t, ",\"askSize\":");
  put_size(t, s, m->ladder[1][m->best_ask]);
  sim_put(t, "}]}");
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  if (!sim_has_listener(x, sim_stream(symbol, QUOTE))) return;
  sim_text_t t = sim_message(x);
  put_head(&t, QUOTE, "insert");
  put_quote(&t, x, &x->symbols[symbol]);
  sim_broadcast(x, sim_stream(symbol, QUOTE), &t, SIM_MESSAGE_DATA);
}

/* What a perpetual's row says: all of it in a partial, in an update only what moved. */
static void put_instrument(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                           const sim_ticker_t *now, bool is_whole) {
  sim_put(t, ",\"data\":[{\"symbol\":\"%s\",", s->name);
  if (is_whole) {
    sim_put(
        t,
        "\"rootSymbol\":\"%.3s\",\"state\":\"Open\",\"typ\":\"FFWCSX\",\"quoteCurrency\":\"USD\","
        "\"lotSize\":%" PRId64 ",\"tickSize\":",
        s->name, sim_qty_sent(&s->pair, s->pair.qty_step));
    put_price(t, s, 1);
    sim_put(t, ",\"multiplier\":-100000000,\"fundingRate\":");
    sim_put_trimmed(t, now->funding_rate, 8);
    sim_put(t, ",");
  }
  sim_put(t, "\"lastPrice\":");
  put_price(t, s, now->last_ticks);
  sim_put(t, ",\"markPrice\":");
  put_price(t, s, now->mark_ticks);
  sim_put(t, ",\"volume24h\":");
  put_size(t, s, now->volume);
  sim_put(t, ",");
  put_stamp(t, x->wall_ns);
  sim_put(t, "}]}");
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *now) {
  sim_text_t t = sim_message(x);
  put_head(&t, INSTRUMENT, "update");
  put_instrument(&t, x, &x->symbols[symbol], now, false);
  sim_broadcast(x, sim_stream(symbol, INSTRUMENT), &t, SIM_MESSAGE_DATA);
}

/* ---- books ---- */

typedef enum action { INSERT, UPDATE, DELETE, ACTION_CNT } action_t;
static const char *const actions[] = {"insert", "update", "delete"};

static void put_level(sim_text_t *t, const sim_exchange_t *x, uint32_t symbol, sim_row_t row,
                      bool ask, action_t action) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_put(t, "{\"symbol\":\"%s\",\"id\":%" PRIu64 ",\"side\":\"%s\"", s->name,
          (symbol + 88) * IDS_A_SIDE - (uint64_t)row.price, ask ? "Sell" : "Buy");
  if (action != DELETE) sim_put(t, ",\"size\":%" PRId64, row.qty);
  if (action == INSERT) {
    sim_put(t, ",\"price\":");
    sim_put_trimmed(t, row.price, s->pair.price_digits);
  }
  sim_put(t, ",");
  put_stamp(t, x->wall_ns);
  sim_put(t, "}");
}

/* What changed of a table, gathered by what is done to it: a message each. */
typedef struct changes {
  uint32_t cnt[ACTION_CNT];
  struct {
    sim_row_t row;
    bool      ask;
  } rows[ACTION_CNT][SIM_DIRTY_MAX];
} changes_t;

static void change(changes_t *c, action_t action, sim_row_t row, bool ask) {
  if (c->cnt[action] == SIM_DIRTY_MAX) return;
  uint32_t at             = c->cnt[action]++;
  c->rows[action][at].row = row;
  c->rows[action][at].ask = ask;
}

static void send_changes(sim_exchange_t *x, uint32_t symbol, uint32_t channel, const changes_t *c) {
  static const action_t order[] = {DELETE, UPDATE, INSERT};
  for (size_t k = 0; k < TF_ARRAY_CNT(order); k++) {
    action_t action = order[k];
    if (!c->cnt[action]) continue;
    sim_text_t t = sim_message(x);
    put_head(&t, channel, actions[action]);
    sim_put(&t, ",\"data\":[");
    for (uint32_t i = 0; i < c->cnt[action]; i++) {
      if (i) sim_put(&t, ",");
      put_level(&t, x, symbol, c->rows[action][i].row, c->rows[action][i].ask, action);
    }
    sim_put(&t, "]}");
    sim_broadcast(x, sim_stream(symbol, channel), &t, SIM_MESSAGE_BOOK);
  }
}

/* The market's own list may name a level twice: the ladder says what it is now. */
static void send_whole(sim_exchange_t *x, uint32_t symbol) {
  static changes_t c;
  sim_symbol_t    *s   = &x->symbols[symbol];
  own_t           *own = s->state;
  memset(c.cnt, 0, sizeof c.cnt);
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    int64_t            at    = level->price_ticks - s->market.base_ticks;
    bool              *has   = &own->has[level->ask][at];
    sim_row_t          row   = {sim_price_sent(&s->pair, level->price_ticks),
                                sim_qty_sent(&s->pair, level->qty)};
    if (!own->has_is_known || (!*has && row.qty == 0)) continue;
    change(&c, row.qty == 0 ? DELETE : *has ? UPDATE : INSERT, row, level->ask);
    *has = row.qty != 0;
  }
  send_changes(x, symbol, BOOK, &c);
}

static bool is_better(bool ask, int64_t a, int64_t b) { return ask ? a < b : a > b; }

static void send_top(sim_exchange_t *x, uint32_t symbol) {
  static changes_t c;
  top_t           *was = &((own_t *)x->symbols[symbol].state)->top;
  memset(c.cnt, 0, sizeof c.cnt);
  for (int ask = 0; ask < 2; ask++) {
    const sim_row_t *now = x->view->rows[ask];
    uint32_t         cnt = x->view->cnt[ask] < TOP_LEVELS ? x->view->cnt[ask] : TOP_LEVELS;
    for (uint32_t i = 0, j = 0; i < cnt || j < was->cnt[ask];) {
      sim_row_t old    = j < was->cnt[ask] ? was->rows[ask][j] : (sim_row_t){0};
      bool      is_new = j == was->cnt[ask] || (i < cnt && is_better(ask, now[i].price, old.price));
      bool      is_gone = !is_new && (i == cnt || now[i].price != old.price);
      if (is_new || is_gone)
        change(&c, is_new ? INSERT : DELETE, is_new ? now[i] : old, ask);
      else if (now[i].qty != old.qty)
        change(&c, UPDATE, now[i], ask);
      i += !is_gone;
      j += !is_new;
    }
    was->cnt[ask] = cnt;
    memcpy(was->rows[ask], now, cnt * sizeof *now);
  }
  send_changes(x, symbol, BOOK_TOP, &c);
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  if (sim_has_listener(x, sim_stream(symbol, BOOK)))
    send_whole(x, symbol);
  else
    ((own_t *)s->state)->has_is_known = false;
  sim_market_take_depth(&s->market);
  if (sim_has_listener(x, sim_stream(symbol, BOOK_TOP)) && sim_view(x, symbol, TOP_LEVELS, x->view))
    send_top(x, symbol);
}

static void keep(sim_exchange_t *x, uint32_t symbol, uint32_t channel) {
  sim_symbol_t *s   = &x->symbols[symbol];
  own_t        *own = s->state;
  for (int ask = 0; ask < 2; ask++) {
    if (channel == BOOK_TOP) {
      own->top.cnt[ask] = x->view->cnt[ask];
      memcpy(own->top.rows[ask], x->view->rows[ask], x->view->cnt[ask] * sizeof(sim_row_t));
    } else {
      for (uint32_t at = 0; at < SIM_LADDER_TICKS; at++)
        own->has[ask][at] = s->market.ladder[ask][at] > 0;
      own->has_is_known = true;
    }
  }
}

static void put_book(sim_exchange_t *x, sim_text_t *t, uint32_t symbol) {
  sim_put(t, ",\"data\":[");
  for (int ask = 1; ask >= 0; ask--) {
    for (uint32_t i = 0; i < x->view->cnt[ask]; i++) {
      if (i || !ask) sim_put(t, ",");
      put_level(t, x, symbol, x->view->rows[ask][i], ask, INSERT);
    }
  }
  sim_put(t, "]}");
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  const sim_symbol_t *s      = &x->symbols[symbol];
  sim_ticker_t        now    = sim_ticker(x, symbol);
  uint32_t            levels = channel == BOOK_TOP ? TOP_LEVELS : SIM_LEVELS_MAX;
  if (x->recorded_view) return; /* its own will come: levels have the ids that it gave them */
  if (channel >= BOOK && !sim_view(x, symbol, levels, x->view)) return;
  sim_text_t t = sim_message(x);
  put_partial(&t, x, symbol, channel);
  switch (channel) {
  case TRADE: put_trade(&t, s); break;
  case QUOTE: put_quote(&t, x, s); break;
  case INSTRUMENT: put_instrument(&t, x, s, &now, true); break;
  default:
    put_book(x, &t, symbol);
    keep(x, symbol, channel);
    break;
  }
  sim_reply(x, peer, &t);
}

/* ---- requests ---- */

static void put_request(sim_exchange_t *x, sim_text_t *t) {
  char *request = x->request ? json_dumps(x->request, JSON_COMPACT) : NULL;
  if (request) sim_put(t, ",\"request\":%s", request);
  free(request);
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, int status, const char *error,
                   const char *topic) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"status\":%d,\"error\":\"%s%.60s\",\"meta\":{}", status, error, topic);
  put_request(x, &t);
  sim_put(&t, "}");
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  (void)limit;
  refuse(x, peer, 429, "Rate limit exceeded, retry in 1 seconds.", "");
}

static void one_topic(sim_exchange_t *x, sim_peer_t *peer, const char *topic, bool on) {
  const char *colon   = topic ? strchr(topic, ':') : NULL;
  uint32_t    channel = 0;
  if (!colon) {
    refuse(x, peer, 400, "Symbol is required: ", topic ? topic : "");
    return;
  }
  while (channel < CHANNEL_CNT && (strlen(tables[channel]) != (size_t)(colon - topic) ||
                                   memcmp(tables[channel], topic, (size_t)(colon - topic)) != 0))
    channel++;
  uint32_t symbol = sim_find_symbol(x, colon + 1, strlen(colon + 1));
  if (channel == CHANNEL_CNT || symbol == UINT32_MAX) {
    refuse(x, peer, 400, channel == CHANNEL_CNT ? "Unknown table: " : "Unknown or expired symbol. ",
           topic);
    return;
  }
  uint32_t stream = sim_stream(symbol, channel);
  if (on && sim_hears(peer, stream)) {
    refuse(x, peer, 400, "You are already subscribed to this topic: ", topic);
    return;
  }
  sim_ack_t ack = on ? sim_ack(x) : SIM_ACK_SENT;
  if (ack == SIM_ACK_ERROR) refuse(x, peer, 400, "Unknown or expired symbol. ", topic);
  if (ack == SIM_ACK_ERROR || ack == SIM_ACK_SKIPPED) return;
  if (!on) sim_unsubscribe(peer, stream);
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"success\":true,\"%s\":\"%s\"", on ? "subscribe" : "unsubscribe", topic);
  put_request(x, &t);
  sim_put(&t, "}");
  sim_reply_ack(x, peer, symbol, &t, ack);
  if (on) sim_subscribe(x, peer, stream);
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *op   = json_string_value(json_object_get(request, "op"));
  json_t     *args = json_object_get(request, "args");
  json_t     *arg;
  size_t      i;
  bool        on = op && !strcmp(op, "subscribe");
  if (!op || (!on && strcmp(op, "unsubscribe") != 0)) {
    refuse(x, peer, 400, "Unrecognized request. See documentation or send 'help' for more info.",
           "");
    return;
  }
  if (json_is_string(args)) one_topic(x, peer, json_string_value(args), on);
  if (!sim_admit(x, peer, SIM_LIMIT_REQUEST_ARGS, json_array_size(args))) return;
  json_array_foreach(args, i, arg) one_topic(x, peer, json_string_value(arg), on);
}

static void on_open(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"info\":\"Welcome to the BitMEX Realtime API.\",\"version\":\"2.0.0\",");
  put_stamp(&t, x->wall_ns);
  sim_put(&t, ",\"docs\":\"https://www.bitmex.com/app/wsAPI\",\"heartbeatEnabled\":false,"
              "\"limit\":{\"remaining\":39}}");
  sim_reply(x, peer, &t);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/realtime");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  static const char path[] = "/api/v1/instrument?symbol=";
  (void)is_snapshot;
  const char *name   = target + sizeof path - 1;
  uint32_t    symbol = strncmp(target, path, sizeof path - 1) != 0
                           ? UINT32_MAX
                           : sim_find_symbol(x, name, strcspn(name, "&"));
  if (strncmp(target, path, sizeof path - 1) != 0) {
    sim_put(t, "{\"error\":{\"message\":\"Not Found\",\"name\":\"HTTPError\"}}");
    return 404;
  }
  sim_put(t, "[");
  if (symbol != UINT32_MAX) {
    const sim_symbol_t *s = &x->symbols[symbol];
    sim_put(t, "{\"symbol\":\"%s\",\"quoteCurrency\":\"USD\",\"lotSize\":%" PRId64 ",\"tickSize\":",
            s->name, sim_qty_sent(&s->pair, s->pair.qty_step));
    put_price(t, s, 1);
    sim_put(t, ",\"multiplier\":-100000000,");
    put_stamp(t, x->wall_ns);
    sim_put(t, "}");
  }
  sim_put(t, "]");
  return 200;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      table_cnt;
  const char *table = sim_find_text(text, cnt, "table", &table_cnt);
  *r                = (sim_route_t){.payload = text, .payload_cnt = cnt};
  for (uint32_t i = 0; table && i < CHANNEL_CNT; i++)
    if (strlen(tables[i]) == table_cnt && !memcmp(tables[i], table, table_cnt))
      r->channels = i >= BOOK ? BOOK_CHANNELS : 1u << i;
  const char *data = memmem(text, cnt, "\"data\":[", 8); /* a partial's types name a symbol too */
  r->is_book       = (r->channels & BOOK_CHANNELS) != 0;
  r->name = data ? sim_find_text(data, cnt - (size_t)(data - text), "symbol", &r->name_cnt) : NULL;
  return r->channels && r->name;
}

const sim_venue_t sim_venue_bitmex = {
    .name               = "bitmex",
    .pairs              = pairs,
    .symbol_bytes       = sizeof(own_t),
    .depth_interval_ns  = 20 * TF_NS_PER_MS,
    .ticker_interval_ns = TF_NS_PER_SEC,
    .text_ping          = "ping",
    .text_pong          = "pong",
    .limits             = {[SIM_LIMIT_REQUEST_ARGS] = {ARGS_MAX, 0, 0, NULL},
                           [SIM_LIMIT_CONNECTS]     = {3, TF_NS_PER_SEC, 0, NULL}},
    .over_limit         = over_limit,
    .on_upgrade         = on_upgrade,
    .on_open            = on_open,
    .on_request         = on_request,
    .on_get             = on_get,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = BOOK_CHANNELS | 1u << TRADE | 1u << QUOTE | 1u << INSTRUMENT,
    .route              = route
};
