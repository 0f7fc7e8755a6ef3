/* Deribit (VENUES 9): JSON-RPC; a subscription is answered with the names that were accepted, bad ones
 * are silently not among them; a book's message names its predecessor; a client that set a heartbeat
 * must answer its test requests. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exchange.h"

#define CODE_TIMEOUT 4000
#define CHANNELS_MAX 500 /* of one request */

enum { TRADES, QUOTE, TICKER, BOOK, CHANNEL_CNT };
static const char *const names[CHANNEL_CNT] = {"trades", "quote", "ticker", "book"};

typedef struct own {
  uint64_t trade_seq;
} own_t;

static const sim_pair_t pairs[] = {
    {"BTC-PERPETUAL",       123674, 1, 1, 1, 500000000000, 1000000000},
    {"ETH-PERPETUAL",       53002,  2, 2, 1, 300000000000, 100000000 },
    {"BTC-25DEC26-60000-C", 16384,  4, 4, 1, 1000000000,   10000000  },
    {NULL,                  100000, 2, 2, 1, 100000000000, 100000000 }
};

/* ---- numbers ---- */

/* A float as the venue writes it: at least one digit behind the point, below 1e-3 with a power. */
static void put_float(sim_text_t *t, int64_t mantissa, uint32_t digits) {
  char text[32];
  int  cnt   = snprintf(text, sizeof text, "%" PRId64, mantissa < 0 ? -mantissa : mantissa);
  int  point = cnt - (int)digits;
  if (mantissa < 0) sim_put(t, "-");
  if (mantissa == 0 || point > -3) {
    char       plain[48];
    sim_text_t p = sim_text(plain, sizeof plain);
    sim_put_trimmed(&p, mantissa < 0 ? -mantissa : mantissa, digits);
    sim_put_bytes(t, p.bytes, p.cnt);
    if (!memchr(p.bytes, '.', p.cnt)) sim_put(t, ".0");
    return;
  }
  while (cnt > 1 && text[cnt - 1] == '0') cnt--;
  sim_put(t, "%c.%.*se%d", text[0], cnt > 1 ? cnt - 1 : 1, cnt > 1 ? text + 1 : "0", point - 1);
}

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  put_float(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}

static void put_amount(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  put_float(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
}

/* ---- messages ---- */

static void put_head(sim_text_t *t, uint32_t channel, const sim_symbol_t *s) {
  sim_put(t,
          "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":\"%s.%s%s\","
          "\"data\":",
          names[channel], s->name, channel == QUOTE ? "" : ".100ms");
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  sim_symbol_t *s   = &x->symbols[symbol];
  own_t        *own = s->state;
  sim_ticker_t  now = sim_ticker(x, symbol);
  sim_text_t    t   = sim_message(x);
  put_head(&t, TRADES, s);
  sim_put(&t,
          "[{\"trade_seq\":%" PRIu64 ",\"trade_id\":\"%.3s-%" PRIu64 "\",\"timestamp\":%" PRIu64
          ",\"tick_direction\":1,\"price\":",
          ++own->trade_seq, s->name, s->market.trade_id, x->wall_ns / TF_NS_PER_MS);
  put_price(&t, s, step->trade_price_ticks);
  sim_put(&t, ",\"mark_price\":");
  put_price(&t, s, now.mark_ticks);
  sim_put(&t, ",\"instrument_name\":\"%s\",\"index_price\":", s->name);
  put_price(&t, s, now.index_ticks);
  sim_put(&t, ",\"direction\":\"%s\",\"amount\":", step->seller_took ? "sell" : "buy");
  put_amount(&t, s, step->trade_qty);
  sim_put(&t, "}]}}");
  sim_broadcast(x, sim_stream(symbol, TRADES), &t, SIM_MESSAGE_DATA);
}

static void put_best(sim_text_t *t, const sim_symbol_t *s) {
  const sim_market_t *m = &s->market;
  sim_put(t, "\"best_bid_price\":");
  put_price(t, s, sim_market_price(m, m->best_bid));
  sim_put(t, ",\"best_bid_amount\":");
  put_amount(t, s, m->ladder[0][m->best_bid]);
  sim_put(t, ",\"best_ask_price\":");
  put_price(t, s, sim_market_price(m, m->best_ask));
  sim_put(t, ",\"best_ask_amount\":");
  put_amount(t, s, m->ladder[1][m->best_ask]);
}

static sim_text_t quote_text(sim_exchange_t *x, uint32_t symbol) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  put_head(&t, QUOTE, s);
  sim_put(&t, "{\"timestamp\":%" PRIu64 ",\"instrument_name\":\"%s\",", x->wall_ns / TF_NS_PER_MS,
          s->name);
  put_best(&t, s);
  sim_put(&t, "}}}");
  return t;
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  if (!sim_has_listener(x, sim_stream(symbol, QUOTE))) return;
  sim_text_t t = quote_text(x, symbol);
  sim_broadcast(x, sim_stream(symbol, QUOTE), &t, SIM_MESSAGE_DATA);
}

static sim_text_t ticker_text(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *now) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  put_head(&t, TICKER, s);
  sim_put(&t, "{\"timestamp\":%" PRIu64 ",\"stats\":{\"volume_usd\":1.0e6,\"volume\":",
          x->wall_ns / TF_NS_PER_MS);
  put_amount(&t, s, now->volume);
  sim_put(&t, ",\"price_change\":-0.0285,\"low\":null,\"high\":null},\"state\":\"open\",\"open_"
              "interest\":");
  put_amount(&t, s, now->open_interest);
  sim_put(&t, ",\"mark_price\":");
  put_price(&t, s, now->mark_ticks);
  sim_put(&t, ",\"last_price\":");
  put_price(&t, s, now->last_ticks);
  sim_put(&t, ",\"instrument_name\":\"%s\",\"index_price\":", s->name);
  put_price(&t, s, now->index_ticks);
  sim_put(&t, ",\"funding_8h\":");
  put_float(&t, now->funding_rate, 8);
  sim_put(&t, ",\"current_funding\":");
  put_float(&t, now->funding_rate, 8);
  sim_put(&t, ",");
  put_best(&t, s);
  sim_put(&t, "}}}");
  return t;
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *now) {
  sim_text_t t = ticker_text(x, symbol, now);
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

static void put_changes(sim_text_t *t, const sim_symbol_t *s, const char *key, bool ask) {
  bool first = true;
  sim_put(t, ",\"%s\":[", key);
  for (uint32_t i = 0; i < s->market.dirty_cnt; i++) {
    const sim_level_t *level = &s->market.dirty[i];
    if (level->ask != ask) continue;
    sim_put(t, "%s[\"%s\",", first ? "" : ",", level->qty ? "change" : "delete");
    put_price(t, s, level->price_ticks);
    sim_put(t, ",");
    put_amount(t, s, level->qty);
    sim_put(t, "]");
    first = false;
  }
  sim_put(t, "]");
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (s->market.dirty_cnt == 0) return;
  sim_text_t t = sim_message(x);
  put_head(&t, BOOK, s);
  sim_put(&t,
          "{\"type\":\"change\",\"timestamp\":%" PRIu64 ",\"prev_change_id\":%" PRIu64
          ",\"instrument_name\":\"%s\",\"change_id\":%" PRIu64,
          x->wall_ns / TF_NS_PER_MS, s->depth_last_id, s->name, s->market.update_id);
  put_changes(&t, s, "bids", false);
  put_changes(&t, s, "asks", true);
  sim_put(&t, "}}}");
  s->depth_last_id = s->market.update_id;
  sim_market_take_depth(&s->market);
  sim_broadcast(x, sim_stream(symbol, BOOK), &t, SIM_MESSAGE_BOOK);
}

static void put_side(sim_exchange_t *x, sim_text_t *t, const char *key, bool ask) {
  const sim_view_t *view = x->view;
  sim_put(t, ",\"%s\":[", key);
  for (uint32_t i = 0; i < view->cnt[ask]; i++) {
    sim_put(t, i ? ",[\"new\"," : "[\"new\",");
    put_float(t, view->rows[ask][i].price, view->price_digits);
    sim_put(t, ",");
    put_float(t, view->rows[ask][i].qty, view->qty_digits);
    sim_put(t, "]");
  }
  sim_put(t, "]");
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t;
  if (channel == BOOK) {
    if (!sim_view(x, symbol, SIM_LEVELS_MAX, x->view)) return; /* the recording's own will come */
    t = sim_message(x);
    put_head(&t, BOOK, s);
    sim_put(&t,
            "{\"type\":\"snapshot\",\"timestamp\":%" PRIu64
            ",\"instrument_name\":\"%s\",\"change_id\":"
            "%" PRIu64,
            x->wall_ns / TF_NS_PER_MS, s->name, x->view->venue_seq);
    put_side(x, &t, "bids", false);
    put_side(x, &t, "asks", true);
    sim_put(&t, "}}}");
  } else {
    if (x->recorded_view) return;
    sim_ticker_t now = sim_ticker(x, symbol);
    t                = channel == QUOTE ? quote_text(x, symbol) : ticker_text(x, symbol, &now);
  }
  sim_reply(x, peer, &t);
}

static void ping(sim_exchange_t *x, sim_peer_t *peer) {
  static const char beat[] =
      "{\"params\":{\"type\":\"heartbeat\"},\"method\":\"heartbeat\",\"jsonrpc\":\"2.0\"}";
  static const char test[] =
      "{\"params\":{\"type\":\"test_request\"},\"method\":\"heartbeat\",\"jsonrpc\":\"2.0\"}";
  if (!peer->heartbeats) { /* it asked for none */
    sim_ponged(peer);
    return;
  }
  if (peer->unanswered_cnt > 1) {
    sim_server_close(x->server, peer, CODE_TIMEOUT, "connection_timeout");
    return;
  }
  sim_server_send(x->server, peer, SIM_STREAM_NONE, beat, sizeof beat - 1, SIM_MESSAGE_ANSWER);
  sim_server_send(x->server, peer, SIM_STREAM_NONE, test, sizeof test - 1, SIM_MESSAGE_ANSWER);
}

/* ---- requests ---- */

static void put_answer(sim_exchange_t *x, sim_text_t *t) {
  const json_t *id = json_object_get(x->request, "id");
  sim_put(t, "{\"jsonrpc\":\"2.0\"");
  if (json_is_integer(id)) sim_put(t, ",\"id\":%" JSON_INTEGER_FORMAT, json_integer_value(id));
}

static void put_times(sim_exchange_t *x, sim_text_t *t) {
  uint64_t us = x->wall_ns / 1000;
  sim_put(t, ",\"usIn\":%" PRIu64 ",\"usOut\":%" PRIu64 ",\"usDiff\":151,\"testnet\":false}", us,
          us + 151);
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, int code, const char *message) {
  sim_text_t t = sim_message(x);
  put_answer(x, &t);
  sim_put(&t, ",\"error\":{\"code\":%d,\"message\":\"%s\"}", code, message);
  put_times(x, &t);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_SUBSCRIBES) refuse(x, peer, 10028, "too_many_requests");
  if (limit == SIM_LIMIT_REQUEST_ARGS) refuse(x, peer, -32602, "Invalid params");
}

/* "book.BTC-PERPETUAL.100ms". UINT32_MAX: there is no such channel. *is_raw: only for who logged in. */
static uint32_t stream_of(const sim_exchange_t *x, const char *name, bool *is_raw) {
  size_t      kind_cnt = strcspn(name, ".");
  const char *symbol   = name + kind_cnt + (name[kind_cnt] != '\0');
  size_t      cnt      = strcspn(symbol, ".");
  const char *interval = symbol + cnt;
  uint32_t    idx      = sim_find_symbol(x, symbol, cnt);
  for (uint32_t channel = 0; channel < CHANNEL_CNT && idx != UINT32_MAX; channel++) {
    if (strlen(names[channel]) != kind_cnt || memcmp(names[channel], name, kind_cnt) != 0) continue;
    *is_raw       = !strcmp(interval, ".raw");
    bool is_known = *is_raw || !strcmp(interval, channel == QUOTE ? "" : ".100ms");
    return is_known ? sim_stream(idx, channel) : UINT32_MAX;
  }
  return UINT32_MAX;
}

static void set_channels(sim_exchange_t *x, sim_peer_t *peer, const json_t *channels, bool on) {
  static uint32_t streams[CHANNELS_MAX];
  uint32_t        cnt    = 0;
  bool            is_raw = false, is_other = false;
  json_t         *name;
  size_t          i;
  if (!sim_admit(x, peer, SIM_LIMIT_SUBSCRIBES, 1) ||
      !sim_admit(x, peer, SIM_LIMIT_REQUEST_ARGS, json_array_size(channels)))
    return;
  sim_ack_t first = SIM_ACK_SENT;
  json_array_foreach(channels, i, name) {
    bool     raw = false;
    uint32_t stream =
        json_is_string(name) ? stream_of(x, json_string_value(name), &raw) : UINT32_MAX;
    sim_ack_t ack = stream != UINT32_MAX && on ? sim_ack(x) : SIM_ACK_SENT;
    is_raw |= raw;
    is_other |= ack == SIM_ACK_OTHER;
    if (ack == SIM_ACK_ERROR || ack == SIM_ACK_MISSING) first = ack;
    if (stream == UINT32_MAX || ack == SIM_ACK_SKIPPED)
      continue; /* not in the answer, no word of it */
    streams[cnt++] = stream;
  }
  if (is_raw || first == SIM_ACK_ERROR) {
    refuse(x, peer, 13778, "raw_subscriptions_not_available_for_unauthorized");
    return;
  }
  sim_text_t t = sim_message(x);
  put_answer(x, &t);
  sim_put(&t, ",\"result\":[");
  for (uint32_t k = cnt; k-- > 0;) { /* in another order than asked */
    const sim_symbol_t *s       = &x->symbols[sim_stream_symbol(streams[k])];
    uint32_t            channel = sim_stream_channel(streams[k]);
    sim_put(&t, "\"%s.%s%s\"%s", names[channel], s->name, channel == QUOTE ? "" : ".100ms",
            k ? "," : "");
  }
  sim_put(&t, "]");
  put_times(x, &t);
  sim_reply_ack(x, peer, cnt ? sim_stream_symbol(streams[0]) : UINT32_MAX, &t,
                is_other ? SIM_ACK_OTHER : first);
  for (uint32_t k = 0; k < cnt; k++) {
    if (on)
      sim_subscribe(x, peer, streams[k]);
    else
      sim_unsubscribe(peer, streams[k]);
  }
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char   *method = json_string_value(json_object_get(request, "method"));
  const json_t *params = json_object_get(request, "params");
  const char   *result = NULL;
  sim_ponged(peer); /* any request shows that it lives */
  if (!request) {
    refuse(x, peer, 11050, "bad_request");
  } else if (method && !strcmp(method, "public/subscribe")) {
    set_channels(x, peer, json_object_get(params, "channels"), true);
  } else if (method && !strcmp(method, "public/unsubscribe")) {
    set_channels(x, peer, json_object_get(params, "channels"), false);
  } else if (method && !strcmp(method, "public/set_heartbeat")) {
    if (json_integer_value(json_object_get(params, "interval")) < 10) {
      refuse(x, peer, 11050, "bad_request");
      return;
    }
    peer->heartbeats = true;
    result           = "\"ok\"";
  } else if (method && !strcmp(method, "public/test")) {
    result = "{\"version\":\"1.2.26\"}";
  } else {
    refuse(x, peer, -32601, "Method not found");
  }
  if (!result) return;
  sim_text_t t = sim_message(x);
  put_answer(x, &t);
  sim_put(&t, ",\"result\":%s", result);
  put_times(x, &t);
  sim_reply(x, peer, &t);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/ws/api/v2");
}

static void put_instrument(sim_text_t *t, const sim_symbol_t *s) {
  sim_put(t, "{\"tick_size\":");
  put_price(t, s, 1);
  sim_put(t, ",\"quote_currency\":\"USD\",\"min_trade_amount\":");
  put_amount(t, s, s->pair.qty_step);
  sim_put(t,
          ",\"kind\":\"future\",\"is_active\":true,\"instrument_name\":\"%s\",\"contract_size\":",
          s->name);
  put_amount(t, s, s->pair.qty_step);
  sim_put(t, ",\"base_currency\":\"%.3s\"}", s->name);
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  static const char path[] = "/api/v2/public/get_instrument?instrument_name=";
  (void)is_snapshot;
  const char *name   = target + sizeof path - 1;
  uint32_t    symbol = strncmp(target, path, sizeof path - 1) != 0
                           ? UINT32_MAX
                           : sim_find_symbol(x, name, strcspn(name, "&"));
  if (symbol == UINT32_MAX) {
    sim_put(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"Invalid params\"}}");
    return 400;
  }
  sim_put(t, "{\"jsonrpc\":\"2.0\",\"result\":");
  put_instrument(t, &x->symbols[symbol]);
  put_times(x, t);
  return 200;
}

/* ---- playback ---- */

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      name_cnt;
  const char *name = sim_find_text(text, cnt, "channel", &name_cnt);
  *r               = (sim_route_t){.payload = text, .payload_cnt = cnt};
  const char *dot  = name ? memchr(name, '.', name_cnt) : NULL;
  for (uint32_t i = 0; dot && i < CHANNEL_CNT; i++)
    if (strlen(names[i]) == (size_t)(dot - name) && !memcmp(names[i], name, (size_t)(dot - name)))
      r->channels = 1u << i;
  r->is_book = r->channels == 1u << BOOK;
  r->name    = sim_find_text(text, cnt, "instrument_name", &r->name_cnt);
  return r->channels && r->name;
}

const sim_venue_t sim_venue_deribit = {
    .name               = "deribit",
    .pairs              = pairs,
    .symbol_bytes       = sizeof(own_t),
    .depth_interval_ns  = 100 * TF_NS_PER_MS,
    .ticker_interval_ns = 100 * TF_NS_PER_MS,
    .limits             = {[SIM_LIMIT_SUBSCRIBES]    = {10, 3 * TF_NS_PER_SEC, 0, NULL},
                           [SIM_LIMIT_REQUEST_BYTES] = {32768, 0, 1009, NULL},
                           [SIM_LIMIT_REQUEST_ARGS]  = {CHANNELS_MAX, 0, 0, NULL},
                           [SIM_LIMIT_UNSUBSCRIBED]  = {0, 60 * TF_NS_PER_SEC, SIM_CLOSE_CUT, NULL},
                           [SIM_LIMIT_UNANSWERED]    = {0, 10 * TF_NS_PER_SEC, 0, NULL}},
    .over_limit         = over_limit,
    .ping               = ping,
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = 1u << BOOK | 1u << QUOTE | 1u << TICKER,
    .route              = route
};
