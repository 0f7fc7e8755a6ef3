/* Kraken v2 (VENUES 4): a status frame first, one acknowledgement a symbol, books of a chosen
 * depth with a CRC32 over their ten best levels, numbers whose zeros count.
 *
 * A book's depth is a window: a level that others push out of it gets no delete (clients cut
 * it off themselves), one that comes back into it is sent again. So what was sent is kept per
 * symbol and depth, and each update is the difference. */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "sim/exchange.h"

#define DEPTH_CNT       5
#define DEPTH_MAX       1000
#define CHECKSUM_LEVELS 10

enum { TRADE, TICKER, INSTRUMENT, BOOK };
#define BOOK_CHANNELS (((1u << DEPTH_CNT) - 1) << BOOK)

static const uint32_t depths[DEPTH_CNT] = {10, 25, 100, 500, DEPTH_MAX};

typedef struct window {
  uint32_t  cnt[2];
  sim_row_t rows[2][DEPTH_MAX];
} window_t;

typedef struct state {         /* of a symbol */
  window_t windows[DEPTH_CNT]; /* as the subscribers of that depth have them */
} state_t;

static const sim_pair_t pairs[] = {
    {"BTC/USD", 618376, 1, 1, 8, 12000000,   1},
    {"ETH/USD", 265012, 2, 2, 8, 250000000,  1},
    {"SOL/USD", 18233,  2, 2, 8, 4000000000, 1},
    {NULL,      100000, 2, 2, 8, 1000000000, 1}
};

/* ---- pieces of messages ---- */

static void put_times(sim_text_t *t, const sim_exchange_t *x) {
  sim_put(t, ",\"time_in\":\"");
  sim_put_time(t, x->wall_ns, 6);
  sim_put(t, "\",\"time_out\":\"");
  sim_put_time(t, x->wall_ns, 6);
  sim_put(t, "\"");
}

static void put_req_id(sim_text_t *t, const json_t *request) {
  const json_t *id = json_object_get(request, "req_id");
  if (json_is_integer(id)) sim_put(t, ",\"req_id\":%" JSON_INTEGER_FORMAT, json_integer_value(id));
}

static uint32_t crc_of(uint32_t crc, int64_t mantissa) {
  char digits[24]; /* the number as sent, without its point and the zeros in front */
  int  cnt = snprintf(digits, sizeof digits, "%" PRId64, mantissa);
  return (uint32_t)crc32(crc, (const Bytef *)digits, (uInt)cnt);
}

static uint32_t checksum(const sim_view_t *view) {
  uint32_t crc = (uint32_t)crc32(0, NULL, 0);
  for (int ask = 1; ask >= 0; ask--)
    for (uint32_t i = 0; i < view->cnt[ask] && i < CHECKSUM_LEVELS; i++)
      crc = crc_of(crc_of(crc, view->rows[ask][i].price), view->rows[ask][i].qty);
  return crc;
}

static void put_row(sim_text_t *t, const sim_view_t *view, bool *first, sim_row_t row) {
  sim_put(t, *first ? "{\"price\":" : ",{\"price\":");
  sim_put_decimal(t, row.price, view->price_digits);
  sim_put(t, ",\"qty\":");
  sim_put_decimal(t, row.qty, view->qty_digits);
  sim_put(t, "}");
  *first = false;
}

/* ---- the book ---- */

/* bids fall, asks rise. */
static bool is_better(bool ask, int64_t a, int64_t b) { return ask ? a < b : a > b; }

/* What turns was into the first depth rows of view, on one side. */
static void put_difference(sim_text_t *t, const sim_view_t *view, const window_t *was, bool ask,
                           uint32_t depth) {
  uint32_t cnt = view->cnt[ask] < depth ? view->cnt[ask] : depth, i = 0, j = 0;
  bool     first = true;
  while (i < cnt || j < was->cnt[ask]) {
    const sim_row_t *now = &view->rows[ask][i], *old = &was->rows[ask][j];
    if (j == was->cnt[ask] || (i < cnt && is_better(ask, now->price, old->price))) {
      put_row(t, view, &first, *now);
      i++;
    } else if (i == cnt || now->price != old->price) {
      bool is_pushed_out = i == cnt && cnt == depth;
      if (!is_pushed_out) put_row(t, view, &first, (sim_row_t){old->price, 0});
      j++;
    } else {
      if (now->qty != old->qty) put_row(t, view, &first, *now);
      i++, j++;
    }
  }
}

static bool is_same(const sim_view_t *view, const window_t *was, uint32_t depth) {
  for (int ask = 0; ask < 2; ask++) {
    uint32_t cnt = view->cnt[ask] < depth ? view->cnt[ask] : depth;
    if (cnt != was->cnt[ask] || memcmp(view->rows[ask], was->rows[ask], cnt * sizeof(sim_row_t)))
      return false;
  }
  return true;
}

static void keep(const sim_view_t *view, window_t *window, uint32_t depth) {
  for (int ask = 0; ask < 2; ask++) {
    window->cnt[ask] = view->cnt[ask] < depth ? view->cnt[ask] : depth;
    memcpy(window->rows[ask], view->rows[ask], window->cnt[ask] * sizeof(sim_row_t));
  }
}

static void put_book(sim_text_t *t, sim_exchange_t *x, uint32_t symbol, const window_t *was,
                     uint32_t depth, bool is_snapshot) {
  uint32_t crc = checksum(x->view);
  if (!is_snapshot) crc = sim_checksum(x, crc);
  sim_put(t, "{\"channel\":\"book\",\"type\":\"%s\",\"data\":[{\"symbol\":\"%s\",\"bids\":[",
          is_snapshot ? "snapshot" : "update", x->symbols[symbol].name);
  put_difference(t, x->view, was, false, depth);
  sim_put(t, "],\"asks\":[");
  put_difference(t, x->view, was, true, depth);
  sim_put(t, "],\"checksum\":%u", crc);
  if (!is_snapshot) {
    sim_put(t, ",\"timestamp\":\"");
    sim_put_time(t, x->wall_ns, 6);
    sim_put(t, "\"");
  }
  sim_put(t, "}]}");
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  state_t *state = x->symbols[symbol].state;
  sim_market_take_depth(&x->symbols[symbol].market); /* the windows say what changed */
  uint32_t deepest = DEPTH_CNT;
  while (deepest && !sim_has_listener(x, sim_stream(symbol, BOOK + deepest - 1))) deepest--;
  if (!deepest || !sim_view(x, symbol, depths[deepest - 1], x->view)) return;
  for (uint32_t d = 0; d < deepest; d++) {
    uint32_t  stream = sim_stream(symbol, BOOK + d);
    window_t *window = &state->windows[d];
    if (!sim_has_listener(x, stream) || is_same(x->view, window, depths[d])) continue;
    sim_text_t t = sim_message(x);
    put_book(&t, x, symbol, window, depths[d], false);
    keep(x->view, window, depths[d]);
    sim_broadcast(x, stream, &t, SIM_MESSAGE_BOOK);
  }
}

static void book_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t d) {
  static const window_t empty;
  state_t              *state = x->symbols[symbol].state;
  if (!sim_view(x, symbol, depths[d], x->view)) return; /* the recording's own will come */
  sim_text_t t = sim_message(x);
  put_book(&t, x, symbol, &empty, depths[d], true);
  keep(x->view, &state->windows[d], depths[d]); /* others just got the difference */
  sim_reply(x, peer, &t);
}

/* ---- other channels ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t,
          "{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{\"symbol\":\"%s\",\"side\":\"%s\","
          "\"price\":",
          s->name, step->seller_took ? "sell" : "buy"); /* the taker's */
  sim_put_price(&t, s, step->trade_price_ticks);
  sim_put(&t, ",\"qty\":");
  sim_put_qty(&t, s, step->trade_qty);
  sim_put(&t, ",\"ord_type\":\"market\",\"trade_id\":%" PRIu64 ",\"timestamp\":\"",
          s->market.trade_id);
  sim_put_time(&t, x->wall_ns, 6);
  sim_put(&t, "\"}]}");
  sim_broadcast(x, sim_stream(symbol, TRADE), &t, SIM_MESSAGE_DATA);
}

static sim_text_t ticker(sim_exchange_t *x, uint32_t symbol, const char *type) {
  const sim_symbol_t *s = &x->symbols[symbol];
  const sim_market_t *m = &s->market;
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"channel\":\"ticker\",\"type\":\"%s\",\"data\":[{\"symbol\":\"%s\",\"bid\":", type,
          s->name);
  sim_put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"bid_qty\":");
  sim_put_qty(&t, s, m->ladder[0][m->best_bid]);
  sim_put(&t, ",\"ask\":");
  sim_put_price(&t, s, sim_market_price(m, m->best_ask));
  sim_put(&t, ",\"ask_qty\":");
  sim_put_qty(&t, s, m->ladder[1][m->best_ask]);
  sim_put(&t, ",\"last\":");
  sim_put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"volume\":2867.54532609,\"vwap\":");
  sim_put_price(&t, s, sim_market_price(m, m->best_bid));
  sim_put(&t, ",\"low\":");
  sim_put_price(&t, s, s->market.base_ticks);
  sim_put(&t, ",\"high\":");
  sim_put_price(&t, s, s->market.base_ticks + SIM_LADDER_TICKS);
  sim_put(&t, ",\"change\":-12.5,\"change_pct\":-0.02}]}");
  return t;
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  if (!sim_has_listener(x, sim_stream(symbol, TICKER))) return;
  sim_text_t t = ticker(x, symbol, "update");
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

/* 1e-08, as the venue writes increments. */
static void put_increment(sim_text_t *t, const char *key, uint32_t digits) {
  if (digits > 4)
    sim_put(t, ",\"%s\":1e-%02u", key, digits);
  else {
    sim_put(t, ",\"%s\":", key);
    sim_put_decimal(t, 1, digits);
  }
}

static void put_pair(sim_text_t *t, const sim_symbol_t *s) {
  size_t base_cnt = strcspn(s->name, "/");
  sim_put(t, "{\"symbol\":\"%s\",\"base\":\"%.*s\",\"quote\":\"%s\",\"status\":\"online\"", s->name,
          (int)base_cnt, s->name, s->name[base_cnt] ? s->name + base_cnt + 1 : "");
  sim_put(t, ",\"qty_precision\":%u", s->pair.qty_digits);
  put_increment(t, "qty_increment", s->pair.qty_digits);
  sim_put(t, ",\"price_precision\":%u", s->pair.price_digits);
  put_increment(t, "price_increment", s->pair.tick_digits);
  put_increment(t, "qty_min", 4);
  sim_put(t, ",\"cost_precision\":5,\"cost_min\":0.5,\"marginable\":false,\"has_index\":true}");
}

static void send_instruments(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t,
          "{\"channel\":\"instrument\",\"type\":\"snapshot\",\"data\":{\"assets\":[],\"pairs\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    if (i) sim_put(&t, ",");
    put_pair(&t, &x->symbols[i]);
  }
  sim_put(&t, "]}}");
  sim_reply(x, peer, &t);
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (channel >= BOOK) {
    book_snapshot(x, peer, symbol, channel - BOOK);
  } else if (!x->recorded_view) {
    sim_text_t t = ticker(x, symbol, "snapshot");
    sim_reply(x, peer, &t);
  }
}

static void put_status(sim_text_t *t, const char *system) {
  sim_put(t,
          "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"version\":\"2.0.10\","
          "\"system\":\"%s\","
          "\"api_version\":\"v2\",\"connection_id\":13007355780899554854}]}",
          system);
}

static void on_open(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  put_status(&t, "online");
  sim_reply(x, peer, &t);
}

static void on_shutdown(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  put_status(&t, "maintenance");
  sim_reply(x, peer, &t);
}

static void second(sim_exchange_t *x) {
  static const char text[] = "{\"channel\":\"heartbeat\"}";
  sim_peer_t       *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++)
    if (peer->heartbeats)
      sim_server_send(x->server, peer, SIM_STREAM_NONE, text, sizeof text - 1, SIM_MESSAGE_ANSWER);
}

/* ---- requests ---- */

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const json_t *request, const char *symbol,
                   const char *why) {
  const char *method = json_string_value(json_object_get(request, "method"));
  sim_text_t  t      = sim_message(x);
  sim_put(&t, "{\"error\":\"%s%s%.40s\"", why, symbol ? " " : "", symbol ? symbol : "");
  if (method) sim_put(&t, ",\"method\":\"%.40s\"", method);
  put_req_id(&t, request);
  sim_put(&t, ",\"success\":false");
  if (symbol) sim_put(&t, ",\"symbol\":\"%.40s\"", symbol);
  put_times(&t, x);
  sim_put(&t, "}");
  sim_reply(x, peer, &t);
}

typedef struct wanted {
  const json_t *request;
  const char   *channel;
  uint32_t      idx; /* of the channel */
  bool          on;
} wanted_t;

static void acknowledge(sim_exchange_t *x, sim_peer_t *peer, const wanted_t *w, uint32_t idx,
                        sim_ack_t ack) {
  const char *symbol = idx == UINT32_MAX ? NULL : x->symbols[idx].name;
  sim_text_t  t      = sim_message(x);
  sim_put(&t, "{\"method\":\"%s\",\"result\":{\"channel\":\"%s\"",
          w->on ? "subscribe" : "unsubscribe", w->channel);
  if (w->idx >= BOOK) sim_put(&t, ",\"depth\":%u", depths[w->idx - BOOK]);
  if (w->on) sim_put(&t, ",\"snapshot\":%s", w->idx == TRADE ? "false" : "true");
  if (symbol) sim_put(&t, ",\"symbol\":\"%s\"", symbol);
  sim_put(&t, "},\"success\":true");
  put_req_id(&t, w->request);
  put_times(&t, x);
  sim_put(&t, "}");
  sim_reply_ack(x, peer, idx, &t, ack);
}

/* A connection has one book a symbol, whatever its depth. */
static bool has_book(const sim_peer_t *peer, uint32_t symbol) {
  for (uint32_t d = 0; d < DEPTH_CNT; d++)
    if (sim_hears(peer, sim_stream(symbol, BOOK + d))) return true;
  return false;
}

static void set_symbol(sim_exchange_t *x, sim_peer_t *peer, const wanted_t *w, const char *name) {
  uint32_t symbol = name ? sim_find_symbol(x, name, strlen(name)) : UINT32_MAX;
  if (symbol == UINT32_MAX) {
    refuse(x, peer, w->request, name ? name : "", "Currency pair not supported");
    return;
  }
  uint32_t stream = sim_stream(symbol, w->idx);
  bool     has    = w->idx >= BOOK && w->on ? has_book(peer, symbol) : sim_hears(peer, stream);
  if (has == w->on) {
    refuse(x, peer, w->request, name,
           w->on ? "Already subscribed to one or more requested channels"
                 : "Subscription Not Found");
    return;
  }
  sim_ack_t ack = w->on ? sim_ack(x) : SIM_ACK_SENT;
  if (ack == SIM_ACK_ERROR) {
    refuse(x, peer, w->request, name, "Internal error");
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  acknowledge(x, peer, w, symbol, ack);
  if (w->on)
    sim_subscribe(x, peer, stream);
  else
    sim_unsubscribe(peer, stream);
}

/* False: the message was refused. */
static bool read_channel(sim_exchange_t *x, sim_peer_t *peer, wanted_t *w) {
  const json_t *params = json_object_get(w->request, "params");
  const json_t *depth  = json_object_get(params, "depth");
  w->channel           = json_string_value(json_object_get(params, "channel"));
  w->idx               = UINT32_MAX;
  if (!w->channel) {
    refuse(x, peer, w->request, NULL, "Channel field is missing");
    return false;
  }
  if (!strcmp(w->channel, "trade")) w->idx = TRADE;
  if (!strcmp(w->channel, "ticker")) w->idx = TICKER;
  if (!strcmp(w->channel, "instrument")) w->idx = INSTRUMENT;
  if (!strcmp(w->channel, "book")) {
    json_int_t wanted = depth ? json_integer_value(depth) : depths[0];
    for (uint32_t d = 0; d < DEPTH_CNT; d++)
      if (wanted == depths[d]) w->idx = BOOK + d;
    if (w->idx == UINT32_MAX) {
      refuse(x, peer, w->request, NULL, "Subscription depth not supported");
      return false;
    }
  }
  if (w->idx == UINT32_MAX) refuse(x, peer, w->request, NULL, "Channel not supported");
  return w->idx != UINT32_MAX;
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *method = json_string_value(json_object_get(request, "method"));
  if (!method) {
    refuse(x, peer, request, NULL, "Malformed request");
    return;
  }
  if (!strcmp(method, "ping")) {
    sim_text_t t = sim_message(x);
    sim_put(&t, "{\"method\":\"pong\"");
    put_req_id(&t, request);
    put_times(&t, x);
    sim_put(&t, "}");
    sim_reply(x, peer, &t);
    return;
  }
  wanted_t w = {.request = request, .on = !strcmp(method, "subscribe")};
  if (!w.on && strcmp(method, "unsubscribe") != 0) {
    refuse(x, peer, request, NULL, "Unsupported method");
    return;
  }
  if (!read_channel(x, peer, &w)) return;
  peer->heartbeats = true;
  if (w.idx == INSTRUMENT) {
    acknowledge(x, peer, &w, UINT32_MAX, SIM_ACK_SENT);
    if (w.on) send_instruments(x, peer);
    return;
  }
  json_t *symbol;
  size_t  i;
  json_array_foreach(json_object_get(json_object_get(request, "params"), "symbol"), i, symbol)
      set_symbol(x, peer, &w, json_string_value(symbol));
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/v2");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  if (strncmp(target, "/0/public/AssetPairs", 20) != 0) {
    sim_put(t, "{\"error\":[\"EGeneral:Unknown method\"]}");
    return 404;
  }
  sim_put(t, "{\"error\":[],\"result\":{");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s        = &x->symbols[i];
    size_t              base_cnt = strcspn(s->name, "/");
    const char         *quoted   = s->name[base_cnt] ? s->name + base_cnt + 1 : "";
    sim_put(
        t,
        "%s\"%.*s%s\":{\"altname\":\"%.*s%s\",\"wsname\":\"%s\",\"base\":\"%.*s\",\"quote\":\"%s\","
        "\"pair_decimals\":%u,\"lot_decimals\":%u,\"tick_size\":\"",
        i ? "," : "", (int)base_cnt, s->name, quoted, (int)base_cnt, s->name, quoted, s->name,
        (int)base_cnt, s->name, quoted, s->pair.price_digits, s->pair.qty_digits);
    sim_put_decimal(t, 1, s->pair.tick_digits);
    sim_put(t, "\",\"status\":\"online\"}");
  }
  sim_put(t, "}}");
  return 200;
}

/* ---- playback ---- */

/* A recorded book goes to the subscribers of every depth: it is the recording's own. */
/* The last text in quotes before *end, which is moved in front of it; NULL: none. */
static const char *text_before(const char *text, const char **end, size_t *cnt) {
  const char *close = memrchr(text, '"', (size_t)(*end - text));
  const char *open  = close ? memrchr(text, '"', (size_t)(close - text)) : NULL;
  if (!open) return NULL;
  *end = open;
  *cnt = (size_t)(close - open - 1);
  return open + 1;
}

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  static const struct {
    const char *channel;
    uint32_t    channels;
  } channels[] = {
      {"book",   BOOK_CHANNELS},
      {"trade",  1u << TRADE  },
      {"ticker", 1u << TICKER }
  };
  size_t      channel_cnt;
  const char *channel;
  *r = (sim_route_t){.payload = text, .payload_cnt = cnt};
  if (cnt && *text == '[') { /* v1: [993,{..},"book-1000","XMR/USD"] */
    const char *end = text + cnt;
    r->name         = text_before(text, &end, &r->name_cnt);
    channel         = r->name ? text_before(text, &end, &channel_cnt) : NULL;
    if (channel) channel_cnt = strcspn(channel, "-\"");
  } else {
    channel = sim_find_text(text, cnt, "channel", &channel_cnt);
    r->name = sim_find_text(text, cnt, "symbol", &r->name_cnt);
  }
  for (size_t i = 0; channel && i < TF_ARRAY_CNT(channels); i++)
    if (strlen(channels[i].channel) == channel_cnt &&
        !memcmp(channels[i].channel, channel, channel_cnt))
      r->channels = channels[i].channels;
  r->is_book = r->channels & BOOK_CHANNELS;
  return r->channels && r->name;
}

const sim_venue_t sim_venue_kraken = {
    .name              = "kraken",
    .pairs             = pairs,
    .symbol_bytes      = sizeof(state_t),
    .depth_interval_ns = 20 * TF_NS_PER_MS,
    .has_checksum      = true,
    .limits            = {[SIM_LIMIT_CONNECTS] = {.max = 150, .ns = 600 * TF_NS_PER_SEC},
                          [SIM_LIMIT_QUIET]    = {.ns = 60 * TF_NS_PER_SEC, .close_code = SIM_CLOSE_CUT}},
    .on_upgrade        = on_upgrade,
    .on_open           = on_open,
    .on_request        = on_request,
    .on_get            = on_get,
    .on_shutdown       = on_shutdown,
    .trade             = trade,
    .quote             = quote,
    .depth             = depth,
    .second            = second,
    .snapshot          = snapshot,
    .snapshot_channels = BOOK_CHANNELS | 1u << TICKER,
    .route             = route
};
