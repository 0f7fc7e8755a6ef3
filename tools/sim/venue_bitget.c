/* Bitget v2 (VENUES 12): spot and futures on one address, told apart by instType; a wrong one is
 * acknowledged and stays silent. Books say which message they follow and carry no checksum. A client that
 * does not send `ping` is cut, whatever else flows. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "sim/shown.h"

#define BOOK_DEPTH SIM_SHOWN_LEVELS_MAX
#define FIRST_SEQ  UINT64_C(1400000000000000000) /* the venue's are beyond 2^53 */

enum { TRADE, BOOKS1, BOOKS, TICKER, CHANNEL_CNT };
static const char *const channels[CHANNEL_CNT] = {"trade", "books1", "books", "ticker"};

/* A symbol of a future has FUTURES behind what the venue calls it. */
#define FUTURES "-FUTURES"

static const sim_pair_t pairs[] = {
    {"BTCUSDT",         6183763, 2, 2, 6, 12000000,   100  },
    {"ETHUSDT",         265012,  2, 2, 4, 250000000,  10000},
    {"BTCUSDT" FUTURES, 618376,  1, 1, 4, 12000000,   10000},
    {NULL,              100000,  2, 2, 4, 1000000000, 10000}
};

/* Bytes of the venue's own name for it. */
static int bare_cnt(const sim_symbol_t *s) {
  const char *family = strstr(s->name, FUTURES);
  return (int)(family ? (size_t)(family - s->name) : strlen(s->name));
}

static bool is_spot(const sim_symbol_t *s) { return !s->name[bare_cnt(s)]; }

static bool ends_in(const sim_symbol_t *s, const char *end) {
  int cnt = bare_cnt(s), end_cnt = (int)strlen(end);
  return cnt > end_cnt && !strncmp(s->name + cnt - end_cnt, end, (size_t)end_cnt);
}

/* Which of the futures a symbol is one of is in its name. */
static const char *type_of(const sim_symbol_t *s) {
  if (is_spot(s)) return "SPOT";
  return ends_in(s, "USDT") ? "USDT-FUTURES" : ends_in(s, "PERP") ? "USDC-FUTURES" : "COIN-FUTURES";
}

/* A family that the venue does not have is taken for spot, so that its silence can be heard. */
static uint32_t find(const sim_exchange_t *x, const char *type, const char *name) {
  char full[64];
  bool is_future = strcasestr(type, "FUTURES") != NULL;
  int  cnt       = snprintf(full, sizeof full, "%s%s", name, is_future ? FUTURES : "");
  return cnt > 0 && (size_t)cnt < sizeof full ? sim_find_symbol(x, full, (size_t)cnt) : UINT32_MAX;
}

/* ---- pieces of messages ---- */

static void put_text_price(sim_text_t *t, const sim_symbol_t *s, const char *key, int64_t ticks) {
  sim_put(t, ",\"%s\":\"", key);
  sim_put_price(t, s, ticks);
  sim_put(t, "\"");
}

static void put_text_qty(sim_text_t *t, const sim_symbol_t *s, const char *key, int64_t qty) {
  sim_put(t, ",\"%s\":\"", key);
  sim_put_qty(t, s, qty);
  sim_put(t, "\"");
}

static void put_level(sim_text_t *t, const sim_view_t *view, bool is_first, sim_row_t row) {
  sim_put(t, is_first ? "[\"" : ",[\"");
  sim_put_decimal(t, row.price, view->price_digits);
  sim_put(t, "\",\"");
  if (row.qty)
    sim_put_decimal(t, row.qty, view->qty_digits);
  else
    sim_put(t, "0");
  sim_put(t, "\"]");
}

static void put_arg(sim_text_t *t, const sim_symbol_t *s, uint32_t channel) {
  sim_put(t, "\"arg\":{\"instType\":\"%s\",\"channel\":\"%s\",\"instId\":\"%.*s\"}", type_of(s),
          channels[channel], bare_cnt(s), s->name);
}

static void begin(sim_text_t *t, const sim_exchange_t *x, uint32_t symbol, uint32_t channel,
                  bool is_snapshot) {
  sim_put(t, "{\"action\":\"%s\",", is_snapshot ? "snapshot" : "update");
  put_arg(t, &x->symbols[symbol], channel);
  sim_put(t, ",\"data\":[");
}

static void end(sim_text_t *t, const sim_exchange_t *x) {
  sim_put(t, "],\"ts\":%" PRIu64 "}", x->wall_ns / TF_NS_PER_MS);
}

/* ---- books ---- */

static uint64_t seq_of(const sim_symbol_t *s) { return FIRST_SEQ + s->market.update_id; }

static void put_sides(sim_text_t *t, const sim_exchange_t *x, const sim_shown_t *shown,
                      uint32_t depth) {
  sim_put(t, "{\"asks\":[");
  sim_shown_put(shown, x->view, depth, true, t, put_level);
  sim_put(t, "],\"bids\":[");
  sim_shown_put(shown, x->view, depth, false, t, put_level);
  sim_put(t, "],\"ts\":\"%" PRIu64 "\"", x->wall_ns / TF_NS_PER_MS);
}

static sim_text_t best(sim_exchange_t *x, uint32_t symbol) {
  static const sim_shown_t nothing;
  sim_text_t               t = sim_message(x);
  begin(&t, x, symbol, BOOKS1, true);
  put_sides(&t, x, &nothing, 1);
  sim_put(&t, ",\"seq\":%" PRIu64 "}", seq_of(&x->symbols[symbol]));
  end(&t, x);
  return t;
}

static void put_book(sim_text_t *t, sim_exchange_t *x, uint32_t symbol, const sim_shown_t *shown,
                     bool is_snapshot) {
  begin(t, x, symbol, BOOKS, is_snapshot);
  put_sides(t, x, shown, BOOK_DEPTH);
  if (!x->recorded_view) /* what a recording says next follows nothing */
    sim_put(t, ",\"seq\":%" PRIu64 ",\"pseq\":%" PRIu64, seq_of(&x->symbols[symbol]),
            is_snapshot ? 0 : shown->seq);
  sim_put(t, "}");
  end(t, x);
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  uint32_t stream = sim_stream(symbol, BOOKS1);
  if (!sim_has_listener(x, stream) || !sim_view(x, symbol, 1, x->view)) return;
  sim_text_t t = best(x, symbol);
  sim_broadcast(x, stream, &t, SIM_MESSAGE_DATA);
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s      = &x->symbols[symbol];
  sim_shown_t  *shown  = s->state;
  uint32_t      stream = sim_stream(symbol, BOOKS);
  sim_market_take_depth(&s->market); /* what was shown says what changed */
  if (!sim_has_listener(x, stream) || !sim_view(x, symbol, BOOK_DEPTH, x->view)) return;
  if (sim_shown_is_same(shown, x->view, BOOK_DEPTH)) return;
  sim_text_t t = sim_message(x);
  put_book(&t, x, symbol, shown, false);
  sim_shown_keep(shown, x->view, BOOK_DEPTH);
  shown->seq = seq_of(s);
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
  shown->seq = seq_of(s);
  sim_reply(x, peer, &t);
}

/* ---- other channels ---- */

static void put_trade(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                      const sim_step_t *step) {
  sim_put(t, "{\"ts\":\"%" PRIu64 "\"", x->wall_ns / TF_NS_PER_MS);
  put_text_price(t, s, "price", step->trade_price_ticks);
  put_text_qty(t, s, "size", step->trade_qty);
  sim_put(t, ",\"side\":\"%s\",\"tradeId\":\"%" PRIu64 "\"}", step->seller_took ? "sell" : "buy",
          FIRST_SEQ + s->market.trade_id); /* the taker's side */
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  sim_text_t t = sim_message(x);
  begin(&t, x, symbol, TRADE, false);
  put_trade(&t, x, &x->symbols[symbol], step);
  end(&t, x);
  sim_broadcast(x, sim_stream(symbol, TRADE), &t, SIM_MESSAGE_DATA);
}

static sim_text_t ticker_text(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  begin(&t, x, symbol, TICKER, true);
  sim_put(&t, "{\"instId\":\"%.*s\"", bare_cnt(s), s->name);
  put_text_price(&t, s, "lastPr", k->last_ticks);
  put_text_price(&t, s, "bidPr", k->bid_ticks);
  put_text_price(&t, s, "askPr", k->ask_ticks);
  put_text_qty(&t, s, "bidSz", k->bid_qty);
  put_text_qty(&t, s, "askSz", k->ask_qty);
  put_text_qty(&t, s, "baseVolume", k->volume);
  if (!is_spot(s)) {
    put_text_price(&t, s, "markPrice", k->mark_ticks);
    put_text_price(&t, s, "indexPrice", k->index_ticks);
    sim_put(&t, ",\"fundingRate\":\"");
    sim_put_trimmed(&t, k->funding_rate, 8);
    sim_put(&t, "\",\"nextFundingTime\":\"%" PRIu64 "\"", k->funding_at_ms);
  }
  sim_put(&t, ",\"ts\":\"%" PRIu64 "\"}", x->wall_ns / TF_NS_PER_MS);
  end(&t, x);
  return t;
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  if (!sim_has_listener(x, sim_stream(symbol, TICKER))) return;
  sim_text_t t = ticker_text(x, symbol, k);
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

/* The trades before the subscription: the venue sends many, newest first. */
static void send_last_trades(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol) {
  const sim_market_t *m   = &x->symbols[symbol].market;
  int64_t             ask = sim_market_price(m, m->best_ask);
  sim_step_t step = {.trade_price_ticks = m->last_ticks ? m->last_ticks : ask, .trade_qty = m->lot};
  sim_text_t t    = sim_message(x);
  begin(&t, x, symbol, TRADE, true);
  put_trade(&t, x, &x->symbols[symbol], &step);
  end(&t, x);
  sim_reply(x, peer, &t);
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (channel == BOOKS) {
    book_snapshot(x, peer, symbol);
  } else if (channel == BOOKS1) {
    if (!sim_view(x, symbol, 1, x->view)) return;
    sim_text_t t = best(x, symbol);
    sim_reply(x, peer, &t);
  } else if (x->recorded_view) {
    return;
  } else if (channel == TRADE) {
    send_last_trades(x, peer, symbol);
  } else {
    sim_ticker_t k = sim_ticker(x, symbol);
    sim_text_t   t = ticker_text(x, symbol, &k);
    sim_reply(x, peer, &t);
  }
}

/* ---- requests ---- */

static void put_text(sim_text_t *t, const char *key, const char *value) {
  sim_put(t, "\"%s\":\"%.32s\"", key, value ? value : "");
}

static const char *text_in(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const json_t *arg, int code,
                   const char *why) {
  const char *op = text_in(x->request, "op");
  sim_text_t  t  = sim_message(x);
  sim_put(&t, "{\"event\":\"error\",");
  if (arg) {
    sim_put(&t, "\"arg\":{");
    put_text(&t, "instType", text_in(arg, "instType"));
    sim_put(&t, ",");
    put_text(&t, "channel", text_in(arg, "channel"));
    sim_put(&t, ",");
    put_text(&t, "instId", text_in(arg, "instId"));
    sim_put(&t, "},");
  }
  sim_put(&t, "\"code\":%d,\"msg\":\"%s\",", code, why);
  put_text(&t, "op", op);
  sim_put(&t, "}");
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_MESSAGES || limit == SIM_LIMIT_SUBSCRIBES)
    refuse(x, peer, NULL, 30007, "request over limit,connection close");
  if (limit == SIM_LIMIT_STREAMS) refuse(x, peer, NULL, 30016, "Param error: too many channels");
  if (limit == SIM_LIMIT_REQUEST_BYTES) refuse(x, peer, NULL, 30016, "Param error: too long");
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, const json_t *arg, bool on) {
  const char *type = text_in(arg, "instType"), *channel = text_in(arg, "channel");
  const char *name   = text_in(arg, "instId");
  uint32_t    symbol = type && name ? find(x, type, name) : UINT32_MAX, c = 0;
  while (channel && c < CHANNEL_CNT && strcmp(channels[c], channel) != 0) c++;
  bool      is_known = type && channel && c < CHANNEL_CNT && symbol != UINT32_MAX;
  sim_ack_t ack      = on && is_known ? sim_ack(x) : SIM_ACK_SENT;
  if (!is_known || ack == SIM_ACK_ERROR) {
    char why[120];
    snprintf(why, sizeof why, "instType:%.16s,channel:%.16s,instId:%.32s doesn't exist",
             type ? type : "", channel ? channel : "", name ? name : "");
    refuse(x, peer, arg, 30001, why);
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"event\":\"%s\",\"arg\":{", on ? "subscribe" : "unsubscribe");
  sim_put(&t, "\"instType\":\"%.16s\",\"channel\":\"%s\",\"instId\":\"%s\"}}", type, channels[c],
          name);
  sim_reply_ack(x, peer, symbol, &t, ack);
  if (strcasecmp(type, type_of(&x->symbols[symbol])) != 0) return; /* and nothing ever comes */
  if (on)
    sim_subscribe(x, peer, sim_stream(symbol, c));
  else
    sim_unsubscribe(peer, sim_stream(symbol, c));
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char   *op   = text_in(request, "op");
  const json_t *args = json_object_get(request, "args");
  bool          on   = op && !strcmp(op, "subscribe");
  if (!op || (!on && strcmp(op, "unsubscribe") != 0) || !json_is_array(args)) {
    refuse(x, peer, NULL, 30003, "INVALID op");
    return;
  }
  if (!sim_admit(x, peer, SIM_LIMIT_SUBSCRIBES, 1)) return;
  size_t  i;
  json_t *arg;
  json_array_foreach(args, i, arg) set_stream(x, peer, arg, on);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/v2/ws/public");
}

static void put_contract(sim_text_t *t, const sim_symbol_t *s) {
  sim_put(t, "\"pricePlace\":\"%u\",\"priceEndStep\":\"1\",\"volumePlace\":\"%u\",",
          s->pair.tick_digits, s->pair.qty_digits);
}

static void put_product(sim_text_t *t, const sim_symbol_t *s) {
  sim_put(t, "\"pricePrecision\":\"%u\",\"quantityPrecision\":\"%u\",", s->pair.tick_digits,
          s->pair.qty_digits);
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  static const char spot[]    = "/api/v2/spot/public/symbols";
  static const char futures[] = "/api/v2/mix/market/contracts?productType=";
  (void)is_snapshot;
  bool        wants_spot = !strcmp(target, spot), first = true;
  const char *type = wants_spot ? "SPOT" : target + sizeof futures - 1;
  if (!wants_spot && strncmp(target, futures, sizeof futures - 1) != 0) {
    sim_put(t, "{\"code\":\"40404\",\"msg\":\"Request URL NOT FOUND\"}");
    return 404;
  }
  sim_put(t, "{\"code\":\"00000\",\"msg\":\"success\",\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s = &x->symbols[i];
    if (strcasecmp(type, type_of(s)) != 0) continue;
    sim_put(t, "%s{\"symbol\":\"%.*s\",", first ? "" : ",", bare_cnt(s), s->name);
    (wants_spot ? put_product : put_contract)(t, s);
    sim_put(t, "\"quoteCoin\":\"%s\"}", ends_in(s, "USDT") ? "USDT" : "USD");
    first = false;
  }
  sim_put(t, "]}");
  return 200;
}

/* ---- playback ---- */

/* mc and sp are what v1 called them. */
static const char *suffix(const char *text, size_t cnt, const char *address) {
  size_t      type_cnt;
  const char *type = sim_find_text(text, cnt, "instType", &type_cnt);
  (void)address;
  bool is_spot = !type || (type_cnt == 4 && !memcmp(type, "SPOT", 4)) ||
                 (type_cnt == 2 && !memcmp(type, "sp", 2));
  return is_spot ? "" : "-FUTURES";
}

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

const sim_venue_t sim_venue_bitget = {
    .name               = "bitget",
    .pairs              = pairs,
    .symbol_bytes       = sizeof(sim_shown_t),
    .depth_interval_ns  = 20 * TF_NS_PER_MS, /* the venue's are 150: more to see */
    .ticker_interval_ns = 100 * TF_NS_PER_MS,
    .text_ping          = "ping",
    .text_pong          = "pong",
    .limits             = {[SIM_LIMIT_STREAMS]       = {.max = 1000},
                           [SIM_LIMIT_MESSAGES]      = {.max = 10, .ns = TF_NS_PER_SEC, .close_code = 1008},
                           [SIM_LIMIT_SUBSCRIBES]    = {.max = 240, .ns = 3600 * TF_NS_PER_SEC},
                           [SIM_LIMIT_REQUEST_BYTES] = {.max = 4096, .close_code = 1009},
                           [SIM_LIMIT_CONNECTS]      = {.max = 300, .ns = 300 * TF_NS_PER_SEC},
                           [SIM_LIMIT_UNPINGED] = {.ns = 120 * TF_NS_PER_SEC, .close_code = SIM_CLOSE_CUT}},
    .over_limit         = over_limit,
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = (1u << CHANNEL_CNT) - 1,
    .route              = route,
    .suffix             = suffix,
};
