/* Bybit v5 (VENUES 6): an address a product; a request stands or falls as a whole; books of three depths
 * with a count of their own, +1 a message; tickers of futures that send only what changed; keys whose
 * order differs from product to product. */
#include <inttypes.h>
#include <string.h>

#include "sim/shown.h"

#define BOOK_CNT  3
#define ARG_BYTES 64

enum { TRADE, TICKER, BOOK };
#define CHANNEL_CNT   (BOOK + BOOK_CNT)
#define BOOK_CHANNELS (((1u << BOOK_CNT) - 1) << BOOK)

static const uint32_t depths[BOOK_CNT] = {1, 50, 200};

/* What stands behind the venue's own name for a symbol, by the last part of the address. */
enum { SPOT, LINEAR, INVERSE, PRODUCT_CNT };
static const struct {
  const char *path, *family;
} products[PRODUCT_CNT] = {
    {"/v5/public/spot",    ""        },
    {"/v5/public/linear",  "-LINEAR" },
    {"/v5/public/inverse", "-INVERSE"},
};

typedef struct peer {
  uint32_t product;
} peer_t;

/* A ticker's numbers, in the order of its keys. */
enum { LAST, MARK, INDEX, BID, BID_QTY, ASK, ASK_QTY, VOLUME, FUNDING, TICKER_KEY_CNT };

typedef struct books {
  sim_shown_t shown[BOOK_CNT]; /* seq: the book's u */
  int64_t     ticker[TICKER_KEY_CNT];
  uint64_t    update_id; /* the market's, of the newest depth message */
} books_t;

static const sim_pair_t pairs[] = {
    {"BTCUSDT",        618376, 1, 1, 6, 12000000,     1        },
    {"ETHUSDT",        265012, 2, 2, 5, 250000000,    1000     },
    {"BTCUSDT-LINEAR", 618376, 1, 2, 3, 12000000,     100000   },
    {"BTCUSD-INVERSE", 123676, 1, 2, 0, 100000000000, 100000000},
    {NULL,             100000, 2, 2, 2, 1000000000,   1000000  }
};

static uint32_t product_of(const sim_symbol_t *s) {
  for (uint32_t p = LINEAR; p < PRODUCT_CNT; p++)
    if (strstr(s->name, products[p].family)) return p;
  return SPOT;
}

/* Bytes of the venue's own name for it. */
static int bare_cnt(const sim_symbol_t *s) {
  return (int)(strlen(s->name) - strlen(products[product_of(s)].family));
}

/* ---- pieces of messages ---- */

/* Spot cuts the zeros behind, the others do not. */
static void put_number(sim_text_t *t, bool trims, int64_t mantissa, uint32_t digits) {
  sim_put(t, "\"");
  (trims ? sim_put_trimmed : sim_put_decimal)(t, mantissa, digits);
  sim_put(t, "\"");
}

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  put_number(t, product_of(s) == SPOT, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}

static void put_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  put_number(t, product_of(s) == SPOT, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
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

/* Type and time change places between the products. */
static void put_head(sim_text_t *t, const sim_exchange_t *x, const sim_symbol_t *s,
                     const char *topic, bool is_snapshot) {
  const char *type = is_snapshot ? "snapshot" : "delta";
  uint64_t    ms   = x->wall_ns / TF_NS_PER_MS;
  sim_put(t, "{\"topic\":\"%s.%.*s\"", topic, bare_cnt(s), s->name);
  if (product_of(s) == SPOT)
    sim_put(t, ",\"ts\":%" PRIu64 ",\"type\":\"%s\"", ms, type);
  else
    sim_put(t, ",\"type\":\"%s\",\"ts\":%" PRIu64, type, ms);
}

/* ---- books ---- */

static sim_text_t book_text(sim_exchange_t *x, uint32_t symbol, uint32_t b, bool is_snapshot) {
  static const sim_shown_t nothing;
  const sim_symbol_t      *s     = &x->symbols[symbol];
  const books_t           *books = s->state;
  const sim_shown_t       *shown = is_snapshot ? &nothing : &books->shown[b];
  sim_text_t               t     = sim_message(x);
  char                     topic[24];
  snprintf(topic, sizeof topic, "orderbook.%u", depths[b]);
  put_head(&t, x, s, topic, is_snapshot);
  sim_put(&t, ",\"data\":{\"s\":\"%.*s\",\"b\":[", bare_cnt(s), s->name);
  sim_shown_put(shown, x->view, depths[b], false, &t, put_level);
  sim_put(&t, "],\"a\":[");
  sim_shown_put(shown, x->view, depths[b], true, &t, put_level);
  sim_put(&t, "],\"u\":%" PRIu64 ",\"seq\":%" PRIu64 "},\"cts\":%" PRIu64 "}", books->shown[b].seq,
          s->market.update_id, x->wall_ns / TF_NS_PER_MS - 1);
  return t;
}

/* The next message of a book; what it is the difference to is kept behind it. The first of a count that
 * starts again is whole. */
static void send_book(sim_exchange_t *x, uint32_t symbol, uint32_t b) {
  books_t     *books  = x->symbols[symbol].state;
  sim_shown_t *shown  = &books->shown[b];
  uint32_t     stream = sim_stream(symbol, BOOK + b);
  if (!sim_has_listener(x, stream) || sim_shown_is_same(shown, x->view, depths[b])) return;
  shown->seq++;
  bool       is_whole = depths[b] == 1 || shown->seq == 1;
  sim_text_t t        = book_text(x, symbol, b, is_whole);
  sim_shown_keep(shown, x->view, depths[b]);
  sim_broadcast(x, stream, &t, is_whole ? SIM_MESSAGE_DATA : SIM_MESSAGE_BOOK);
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s     = &x->symbols[symbol];
  books_t      *books = s->state;
  for (uint32_t b = 0; b < BOOK_CNT && s->market.update_id < books->update_id; b++)
    books->shown[b].seq = 0; /* the venue's service was restarted */
  books->update_id = s->market.update_id;
  sim_market_take_depth(&s->market); /* what was shown says what changed */
  if (!sim_view(x, symbol, depths[BOOK_CNT - 1], x->view)) return;
  for (uint32_t b = 1; b < BOOK_CNT; b++) send_book(x, symbol, b);
}

static void quote(sim_exchange_t *x, uint32_t symbol) {
  if (sim_view(x, symbol, 1, x->view)) send_book(x, symbol, 0);
}

/* ---- other channels ---- */

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  const sim_symbol_t *s  = &x->symbols[symbol];
  sim_text_t          t  = sim_message(x);
  uint64_t            id = s->market.trade_id;
  put_head(&t, x, s, "publicTrade", true);
  sim_put(&t, ",\"data\":[{\"T\":%" PRIu64 ",\"s\":\"%.*s\",\"S\":\"%s\",\"v\":",
          x->wall_ns / TF_NS_PER_MS, bare_cnt(s), s->name, step->seller_took ? "Sell" : "Buy");
  put_qty(&t, s, step->trade_qty);
  sim_put(&t, ",\"p\":");
  put_price(&t, s, step->trade_price_ticks);
  if (product_of(s) == SPOT)
    sim_put(&t, ",\"i\":\"%" PRIu64 "\"", UINT64_C(2280000000000000000) + id);
  else /* a UUID without any order */
    sim_put(&t, ",\"L\":\"ZeroPlusTick\",\"i\":\"%08x-%04x-5%03x-8%03x-%012" PRIx64 "\"",
            (uint32_t)(id * 2654435761u), (uint32_t)id & 0xffff, (uint32_t)(id >> 16) & 0xfff,
            (uint32_t)(id >> 28) & 0xfff, (id * UINT64_C(0x9e3779b97f4a7c15)) >> 16);
  sim_put(&t, ",\"BT\":false,\"RPI\":false,\"seq\":%" PRIu64 "}]}", s->market.update_id);
  sim_broadcast(x, sim_stream(symbol, TRADE), &t, SIM_MESSAGE_DATA);
}

static void numbers_of(const sim_ticker_t *k, int64_t numbers[TICKER_KEY_CNT]) {
  numbers[LAST]    = k->last_ticks;
  numbers[MARK]    = k->mark_ticks;
  numbers[INDEX]   = k->index_ticks;
  numbers[BID]     = k->bid_ticks;
  numbers[BID_QTY] = k->bid_qty;
  numbers[ASK]     = k->ask_ticks;
  numbers[ASK_QTY] = k->ask_qty;
  numbers[VOLUME]  = k->volume;
  numbers[FUNDING] = k->funding_rate;
}

/* Of a snapshot all numbers, else those that are not as they were. */
static sim_text_t ticker_text(sim_exchange_t *x, uint32_t symbol, const int64_t *now,
                              bool is_snapshot) {
  static const char *const names[TICKER_KEY_CNT] = {"lastPrice", "markPrice", "indexPrice",
                                                    "bid1Price", "bid1Size",  "ask1Price",
                                                    "ask1Size",  "volume24h", "fundingRate"};
  const sim_symbol_t      *s                     = &x->symbols[symbol];
  const books_t           *books                 = s->state;
  bool                     spot                  = product_of(s) == SPOT;
  sim_text_t               t                     = sim_message(x);
  put_head(&t, x, s, "tickers", is_snapshot);
  sim_put(&t, ",\"cs\":%" PRIu64 ",\"data\":{\"symbol\":\"%.*s\"", s->market.update_id, bare_cnt(s),
          s->name);
  for (uint32_t i = 0; i < TICKER_KEY_CNT; i++) {
    if (!is_snapshot && now[i] == books->ticker[i]) continue;
    if (spot && i != LAST && i != VOLUME) continue;
    sim_put(&t, ",\"%s\":", names[i]);
    if (i == FUNDING)
      put_number(&t, true, now[i], 8);
    else
      (i == BID_QTY || i == ASK_QTY || i == VOLUME ? put_qty : put_price)(&t, s, now[i]);
  }
  sim_put(&t, "}}");
  return t;
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  sim_symbol_t *s     = &x->symbols[symbol];
  books_t      *books = s->state;
  int64_t       now[TICKER_KEY_CNT];
  if (!sim_has_listener(x, sim_stream(symbol, TICKER))) return;
  numbers_of(k, now);
  if (!memcmp(now, books->ticker, sizeof now)) return;
  sim_text_t t = ticker_text(x, symbol, now, product_of(s) == SPOT);
  memcpy(books->ticker, now, sizeof now);
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

static void book_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t b) {
  books_t *books = x->symbols[symbol].state;
  if (!sim_view(x, symbol, depths[b], x->view)) return; /* the recording's own will come */
  if (!books->shown[b].seq) books->shown[b].seq = x->symbols[symbol].market.update_id;
  sim_text_t t = book_text(x, symbol, b, true);
  sim_shown_keep(&books->shown[b], x->view, depths[b]); /* others just got the difference */
  sim_reply(x, peer, &t);
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  if (channel >= BOOK) {
    book_snapshot(x, peer, symbol, channel - BOOK);
  } else if (!x->recorded_view) {
    books_t     *books = x->symbols[symbol].state;
    sim_ticker_t k     = sim_ticker(x, symbol);
    numbers_of(&k, books->ticker);
    sim_text_t t = ticker_text(x, symbol, books->ticker, true);
    sim_reply(x, peer, &t);
  }
}

/* ---- requests ---- */

static uint32_t product_of_peer(const sim_peer_t *peer) { return ((peer_t *)peer->state)->product; }

/* Spot leaves the request's id out, and has other words. */
static sim_text_t answer_text(sim_exchange_t *x, const sim_peer_t *peer, bool success,
                              const char *why) {
  const char *id   = json_string_value(json_object_get(x->request, "req_id"));
  const char *op   = json_string_value(json_object_get(x->request, "op"));
  bool        spot = product_of_peer(peer) == SPOT;
  sim_text_t  t    = sim_message(x);
  sim_put(&t, "{\"success\":%s,\"ret_msg\":\"%.120s\",\"conn_id\":\"d8bu1olkndm7crnfs1e0-j6akw\"",
          success ? "true" : "false", success && spot ? "subscribe" : why);
  if (!spot || id) sim_put(&t, ",\"req_id\":\"%.36s\"", id ? id : "");
  sim_put(&t, ",\"op\":\"%.16s\"}", op ? op : "");
  return t;
}

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *why) {
  sim_text_t t = answer_text(x, peer, false, why);
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_REQUEST_ARGS) refuse(x, peer, "args size >10");
  if (limit == SIM_LIMIT_ARGS_BYTES) refuse(x, peer, "args length > 21000");
}

/* "orderbook.200.BTCUSDT" of this connection's product; UINT32_MAX: there is no such stream. */
static uint32_t stream_of(const sim_exchange_t *x, const sim_peer_t *peer, const char *topic) {
  const char *name = topic ? strrchr(topic, '.') : NULL;
  char        full[ARG_BYTES];
  uint32_t    channel = CHANNEL_CNT;
  if (!name) return UINT32_MAX;
  size_t cnt = (size_t)(name - topic);
  for (uint32_t b = 0; b < BOOK_CNT; b++) {
    char book[24];
    snprintf(book, sizeof book, "orderbook.%u", depths[b]);
    if (strlen(book) == cnt && !strncmp(topic, book, cnt)) channel = BOOK + b;
  }
  if (cnt == 11 && !strncmp(topic, "publicTrade", cnt)) channel = TRADE;
  if (cnt == 7 && !strncmp(topic, "tickers", cnt)) channel = TICKER;
  int full_cnt =
      snprintf(full, sizeof full, "%s%s", name + 1, products[product_of_peer(peer)].family);
  if (channel == CHANNEL_CNT || full_cnt < 0 || (size_t)full_cnt >= sizeof full) return UINT32_MAX;
  uint32_t symbol = sim_find_symbol(x, full, (size_t)full_cnt);
  return symbol == UINT32_MAX ? UINT32_MAX : sim_stream(symbol, channel);
}

static void set_streams(sim_exchange_t *x, sim_peer_t *peer, const json_t *args, bool on) {
  size_t    i, bytes = 0;
  json_t   *arg;
  sim_ack_t ack = on ? sim_ack(x) : SIM_ACK_SENT;
  json_array_foreach(args, i, arg) {
    const char *topic = json_string_value(arg);
    char        why[120];
    bytes += topic ? strlen(topic) : 0;
    if (stream_of(x, peer, topic) != UINT32_MAX && ack != SIM_ACK_ERROR) continue;
    snprintf(why, sizeof why, "error:handler not found,topic:%.64s", topic ? topic : "");
    refuse(x, peer, why); /* and none of its neighbours is subscribed */
    return;
  }
  if (ack == SIM_ACK_SKIPPED || (on && !sim_admit(x, peer, SIM_LIMIT_ARGS_BYTES, bytes))) return;
  sim_text_t t = answer_text(x, peer, true, "");
  sim_reply_ack(x, peer, UINT32_MAX, &t, ack);
  json_array_foreach(args, i, arg) {
    uint32_t stream = stream_of(x, peer, json_string_value(arg));
    if (on)
      sim_subscribe(x, peer, stream);
    else
      sim_unsubscribe(peer, stream);
  }
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char   *op   = json_string_value(json_object_get(request, "op"));
  const json_t *args = json_object_get(request, "args");
  if (op && !strcmp(op, "ping")) {
    sim_pinged(x, peer);
    sim_text_t t = sim_message(x);
    sim_put(&t, "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"d8bu1olkndm7crnfs1e0-j6akw\","
                "\"op\":\"ping\"}");
    sim_reply(x, peer, &t);
    return;
  }
  bool on = op && !strcmp(op, "subscribe");
  if (!op || (!on && strcmp(op, "unsubscribe") != 0) || !json_is_array(args)) {
    refuse(x, peer, "Invalid request");
    return;
  }
  bool is_spot = product_of_peer(peer) == SPOT;
  if (!is_spot || sim_admit(x, peer, SIM_LIMIT_REQUEST_ARGS, json_array_size(args)))
    set_streams(x, peer, args, on);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x;
  for (uint32_t p = 0; p < PRODUCT_CNT; p++) {
    if (strcmp(target, products[p].path) != 0) continue;
    ((peer_t *)peer->state)->product = p;
    return true;
  }
  return false;
}

static void put_instrument(sim_text_t *t, const sim_symbol_t *s) {
  bool spot = product_of(s) == SPOT;
  sim_put(t, "{\"symbol\":\"%.*s\",\"status\":\"Trading\",\"quoteCoin\":\"%s\"", bare_cnt(s),
          s->name, product_of(s) == INVERSE ? "USD" : "USDT");
  sim_put(t, ",\"priceFilter\":{\"tickSize\":\"");
  sim_put_decimal(t, 1, s->pair.tick_digits);
  sim_put(t, "\"},\"lotSizeFilter\":{\"%s\":\"", spot ? "basePrecision" : "qtyStep");
  sim_put_trimmed(t, s->pair.qty_step, SIM_QTY_DIGITS);
  sim_put(t, "\"}}");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  static const char path[] = "/v5/market/instruments-info?category=";
  (void)is_snapshot;
  if (strncmp(target, path, sizeof path - 1) != 0) return 404;
  const char *category = target + sizeof path - 1;
  bool        first    = true;
  sim_put(t, "{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"category\":\"%.*s\",\"list\":[",
          (int)strcspn(category, "&"), category);
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const char *product = products[product_of(&x->symbols[i])].path + 11; /* behind /v5/public/ */
    if (strncmp(category, product, strlen(product)) != 0) continue;
    if (!first) sim_put(t, ",");
    put_instrument(t, &x->symbols[i]);
    first = false;
  }
  sim_put(t, "],\"nextPageCursor\":\"\"}}");
  return 200;
}

/* ---- playback ---- */

static const char *suffix(const char *text, size_t cnt, const char *address) {
  (void)text, (void)cnt;
  for (uint32_t p = LINEAR; address && p < PRODUCT_CNT; p++)
    if (!strcmp(address, products[p].path)) return products[p].family;
  return "";
}

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  static const struct {
    const char *prefix;
    uint32_t    channels;
  } topics[] = {
      {"orderbook.1.", 1u << BOOK                   },
      {"orderbook.",   BOOK_CHANNELS & ~(1u << BOOK)},
      {"publicTrade.", 1u << TRADE                  },
      {"tickers.",     1u << TICKER                 }
  };
  size_t      topic_cnt = 0;
  const char *topic     = sim_find_text(text, cnt, "topic", &topic_cnt);
  *r                    = (sim_route_t){.payload = text, .payload_cnt = cnt};
  for (size_t i = 0; topic && i < TF_ARRAY_CNT(topics) && !r->channels; i++)
    if (topic_cnt > strlen(topics[i].prefix) &&
        !memcmp(topics[i].prefix, topic, strlen(topics[i].prefix)))
      r->channels = topics[i].channels;
  if (!r->channels) return false;
  const char *dot = memrchr(topic, '.', topic_cnt);
  r->name         = dot + 1;
  r->name_cnt     = topic_cnt - (size_t)(dot + 1 - topic);
  r->is_book      = r->channels & BOOK_CHANNELS;
  return true;
}

const sim_venue_t sim_venue_bybit = {
    .name               = "bybit",
    .pairs              = pairs,
    .symbol_bytes       = sizeof(books_t),
    .peer_bytes         = sizeof(peer_t),
    .depth_interval_ns  = 20 * TF_NS_PER_MS,
    .ticker_interval_ns = 100 * TF_NS_PER_MS,
    .limits             = {[SIM_LIMIT_REQUEST_ARGS] = {.max = 10},
                           [SIM_LIMIT_ARGS_BYTES]   = {.max = 21000},
                           [SIM_LIMIT_CONNECTS]     = {.max = 500, .ns = 300 * TF_NS_PER_SEC},
                           [SIM_LIMIT_UNPINGED]     = {.ns = 600 * TF_NS_PER_SEC, .close_code = 1000}},
    .over_limit         = over_limit,
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .trade              = trade,
    .quote              = quote,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = BOOK_CHANNELS | 1u << TICKER,
    .route              = route,
    .suffix             = suffix,
};
