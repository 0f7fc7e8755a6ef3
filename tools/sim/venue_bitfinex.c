/* Bitfinex v2 (VENUES 7): channels by number, a number that each subscription gets anew; arrays by
 * position; books of a chosen length, one level a message, kept to that length by the venue, which sends
 * the deletes; one sequence a connection over all arrays and a checksum, where conf asked for them.
 *
 * A book's message is the same for all who hear it but for its channel's number and the sequence: wrap
 * writes these. Numbers are as JavaScript prints them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exchange.h"

#define FLAG_TIMESTAMP        32768
#define FLAG_SEQUENCE         65536
#define FLAG_CHECKSUM         131072
#define CHECKSUM_LEVELS       25
#define CHECKSUM_SECONDS      2
#define HEARTBEAT_SECOND      15
#define LENGTH_CNT            4
#define LENGTH_MAX            250
#define RECENT_CNT            8 /* trades that a subscription starts with */
#define RECORDED_CHANNELS_MAX 128

enum { TRADES, TICKER, BOOK, CHANNEL_CNT = BOOK + LENGTH_CNT };
#define BOOK_CHANNELS (((1u << LENGTH_CNT) - 1) << BOOK)

static const uint32_t lengths[LENGTH_CNT] = {1, 25, 100, LENGTH_MAX};

typedef struct window {
  uint32_t  cnt[2];
  sim_row_t rows[2][LENGTH_MAX];
} window_t;

typedef struct traded {
  sim_step_t step;
  uint64_t   id, ms;
} traded_t;

typedef struct own {
  window_t windows[LENGTH_CNT]; /* as the subscribers of that length have them */
  traded_t recent[RECENT_CNT];
  uint32_t recent_cnt; /* ever */
  bool     changed;    /* since its last checksum */
} own_t;

typedef struct peer {
  uint64_t flags;
  uint32_t chan_cnt; /* given so far */
} peer_t;

typedef struct peer_symbol {
  uint32_t chans[CHANNEL_CNT]; /* 0: not subscribed */
} peer_symbol_t;

typedef struct state {
  uint64_t seconds;
} state_t;

static const sim_pair_t pairs[] = {
    {"BTCUSD",   61837,  0,  0,  8, 12000000,     1},
    {"ETHUSD",   26501,  1,  1,  8, 250000000,    1},
    {"DOGE:BTC", 40000,  11, 11, 8, 400000000000, 1},
    {NULL,       100000, 2,  2,  8, 1000000000,   1}
};

/* ---- numbers ---- */

/* mantissa / 10^digits as Number.prototype.toString prints it: the exponent form below 1e-6. */
static void put_number(sim_text_t *t, int64_t mantissa, uint32_t digits) {
  char text[32];
  int  cnt   = snprintf(text, sizeof text, "%" PRId64, mantissa);
  int  point = cnt - (int)digits;
  if (mantissa == 0 || point > -6) {
    sim_put_trimmed(t, mantissa, digits);
    return;
  }
  while (text[cnt - 1] == '0') cnt--;
  sim_put(t, "%c%s%.*se%d", text[0], cnt > 1 ? "." : "", cnt - 1, text + 1, point - 1);
}

static void put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  put_number(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}

static void put_amount(sim_text_t *t, const sim_symbol_t *s, int64_t qty, bool is_negative) {
  if (is_negative) sim_put(t, "-");
  put_number(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
}

/* ---- messages ---- */

static uint32_t *chan_of(const sim_exchange_t *x, const sim_peer_t *peer, uint32_t stream) {
  peer_symbol_t *ps = sim_peer_symbol(x, peer, sim_stream_symbol(stream));
  return &ps->chans[sim_stream_channel(stream)];
}

/* What begins with a comma becomes an array behind its channel's number; every array gets its sequence
 * and time. */
static size_t wrap(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream, const char *text,
                   size_t cnt, char *out, size_t cap) {
  const peer_t *own = peer->state;
  sim_text_t    t   = sim_text(out, cap);
  if (cnt > 0 && text[0] == ',' && stream != SIM_STREAM_NONE) {
    sim_put(&t, "[%u", *chan_of(x, peer, stream));
    sim_put_bytes(&t, text, cnt);
  } else if (cnt > 0 && text[0] == '[') {
    sim_put_bytes(&t, text, cnt - 1);
  } else {
    return 0;
  }
  if (own->flags & FLAG_SEQUENCE) sim_put(&t, ",%" PRIu64, ++peer->sequence);
  if (own->flags & FLAG_TIMESTAMP) sim_put(&t, ",%" PRIu64, x->wall_ns / TF_NS_PER_MS);
  sim_put(&t, "]");
  return t.full ? 0 : t.cnt;
}

static void put_trade(sim_text_t *t, const sim_symbol_t *s, const traded_t *traded) {
  sim_put(t, "[%" PRIu64 ",%" PRIu64 ",", traded->id, traded->ms);
  put_amount(t, s, traded->step.trade_qty, traded->step.seller_took);
  sim_put(t, ",");
  put_price(t, s, traded->step.trade_price_ticks);
  sim_put(t, "]");
}

static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  sim_symbol_t *s      = &x->symbols[symbol];
  own_t        *own    = s->state;
  traded_t     *traded = &own->recent[own->recent_cnt++ % RECENT_CNT];
  *traded              = (traded_t){*step, s->market.trade_id, x->wall_ns / TF_NS_PER_MS};
  static const char *const kinds[] = {"te",
                                      "tu"}; /* executed, and the same again as it was booked */
  for (size_t i = 0; i < TF_ARRAY_CNT(kinds); i++) {
    sim_text_t t = sim_message(x);
    sim_put(&t, ",\"%s\",", kinds[i]);
    put_trade(&t, s, traded);
    sim_broadcast(x, sim_stream(symbol, TRADES), &t, SIM_MESSAGE_DATA);
  }
}

static void put_ticker(sim_exchange_t *x, sim_text_t *t, uint32_t symbol,
                       const sim_ticker_t *ticker) {
  const sim_symbol_t *s      = &x->symbols[symbol];
  int64_t             sum[2] = {0, 0}; /* of 25 levels, as the venue counts a side's size */
  sim_view(x, symbol, CHECKSUM_LEVELS, x->view);
  for (int side = 0; side < 2; side++)
    for (uint32_t i = 0; i < x->view->cnt[side]; i++) sum[side] += x->view->rows[side][i].qty;
  sim_put(t, "[");
  put_price(t, s, ticker->bid_ticks);
  sim_put(t, ",");
  put_number(t, sum[0], s->pair.qty_digits);
  sim_put(t, ",");
  put_price(t, s, ticker->ask_ticks);
  sim_put(t, ",");
  put_number(t, sum[1], s->pair.qty_digits);
  sim_put(t, ",-12.5,-0.0002,");
  put_price(t, s, ticker->last_ticks);
  sim_put(t, ",");
  put_amount(t, s, ticker->volume, false);
  sim_put(t, ",");
  put_price(t, s, ticker->ask_ticks);
  sim_put(t, ",");
  put_price(t, s, ticker->bid_ticks);
  sim_put(t, "]");
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *ticker) {
  sim_text_t t = sim_message(x);
  sim_put(&t, ",");
  put_ticker(x, &t, symbol, ticker);
  sim_broadcast(x, sim_stream(symbol, TICKER), &t, SIM_MESSAGE_DATA);
}

/* ---- books ---- */

static void put_row(sim_text_t *t, const sim_view_t *view, sim_row_t row, bool ask) {
  sim_put(t, "[");
  put_number(t, row.price, view->price_digits);
  if (row.qty == 0) {
    sim_put(t, ",0,%d]", ask ? -1 : 1);
    return;
  }
  sim_put(t, ",%d,%s", (int)(row.qty % 3) + 1, ask ? "-" : "");
  put_number(t, row.qty, view->qty_digits);
  sim_put(t, "]");
}

static void send_row(sim_exchange_t *x, uint32_t stream, sim_row_t row, bool ask) {
  sim_text_t t = sim_message(x);
  sim_put(&t, ",");
  put_row(&t, x->view, row, ask);
  sim_broadcast(x, stream, &t, SIM_MESSAGE_BOOK);
}

/* bids fall, asks rise. */
static bool is_better(bool ask, int64_t a, int64_t b) { return ask ? a < b : a > b; }

/* What turns was into the first rows of the view, on one side, a message each: what is gone, or what is
 * there now. */
static void send_side(sim_exchange_t *x, uint32_t stream, const window_t *was, bool ask,
                      uint32_t length, bool gone) {
  const sim_view_t *view = x->view;
  uint32_t          cnt  = view->cnt[ask] < length ? view->cnt[ask] : length;
  for (uint32_t i = 0, j = 0; i < cnt || j < was->cnt[ask];) {
    sim_row_t now     = i < cnt ? view->rows[ask][i] : (sim_row_t){0};
    sim_row_t old     = j < was->cnt[ask] ? was->rows[ask][j] : (sim_row_t){0};
    bool      is_new  = j == was->cnt[ask] || (i < cnt && is_better(ask, now.price, old.price));
    bool      is_gone = !is_new && (i == cnt || now.price != old.price);
    if (is_gone && gone) send_row(x, stream, (sim_row_t){old.price, 0}, ask);
    if (!is_gone && !gone && (is_new || now.qty != old.qty)) send_row(x, stream, now, ask);
    i += !is_gone;
    j += !is_new;
  }
}

/* What is gone from both sides first, so that no book is crossed in between. */
static void send_difference(sim_exchange_t *x, uint32_t stream, const window_t *was,
                            uint32_t length) {
  for (int step = 0; step < 4; step++) send_side(x, stream, was, step % 2 == 1, length, step < 2);
}

static void keep(const sim_view_t *view, window_t *window, uint32_t length) {
  for (int ask = 0; ask < 2; ask++) {
    window->cnt[ask] = view->cnt[ask] < length ? view->cnt[ask] : length;
    memcpy(window->rows[ask], view->rows[ask], window->cnt[ask] * sizeof(sim_row_t));
  }
}

static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s   = &x->symbols[symbol];
  own_t        *own = s->state;
  own->changed |= s->market.dirty_cnt > 0;
  sim_market_take_depth(&s->market); /* the windows say what changed */
  uint32_t longest = LENGTH_CNT;
  while (longest && !sim_has_listener(x, sim_stream(symbol, BOOK + longest - 1))) longest--;
  if (!longest || !sim_view(x, symbol, lengths[longest - 1], x->view)) return;
  for (uint32_t i = 0; i < longest; i++) {
    uint32_t stream = sim_stream(symbol, BOOK + i);
    if (!sim_has_listener(x, stream)) continue;
    send_difference(x, stream, &own->windows[i], lengths[i]);
    keep(x->view, &own->windows[i], lengths[i]);
  }
}

static void put_snapshot(sim_exchange_t *x, sim_text_t *t, uint32_t length) {
  bool first = true;
  for (int ask = 0; ask < 2; ask++) {
    for (uint32_t i = 0; i < x->view->cnt[ask] && i < length; i++) {
      if (!first) sim_put(t, ",");
      put_row(t, x->view, x->view->rows[ask][i], ask);
      first = false;
    }
  }
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  sim_symbol_t *s    = &x->symbols[symbol];
  own_t        *own  = s->state;
  uint32_t      chan = *chan_of(x, peer, sim_stream(symbol, channel));
  sim_text_t    t    = sim_message(x);
  if (channel == TICKER) {
    if (x->recorded_view) return;
    sim_ticker_t now = sim_ticker(x, symbol);
    sim_put(&t, "[%u,", chan);
    put_ticker(x, &t, symbol, &now);
    sim_put(&t, "]");
  } else if (channel == TRADES) {
    sim_put(&t, "[%u,[", chan);
    for (uint32_t i = 0; i < own->recent_cnt && i < RECENT_CNT; i++) { /* newest first */
      if (i) sim_put(&t, ",");
      put_trade(&t, s, &own->recent[(own->recent_cnt - 1 - i) % RECENT_CNT]);
    }
    sim_put(&t, "]]");
  } else {
    uint32_t length = lengths[channel - BOOK];
    if (!sim_view(x, symbol, length, x->view)) return; /* the recording's own will come */
    sim_put(&t, "[%u,[", chan);
    put_snapshot(x, &t, length);
    sim_put(&t, "]]");
    keep(x->view, &own->windows[channel - BOOK], length);
  }
  sim_reply(x, peer, &t);
}

static int32_t checksum(sim_exchange_t *x, uint32_t symbol) {
  char       text[CHECKSUM_LEVELS * 4 * 32];
  sim_text_t t = sim_text(text, sizeof text);
  if (!sim_view(x, symbol, CHECKSUM_LEVELS, x->view)) return 0;
  for (uint32_t i = 0; i < CHECKSUM_LEVELS; i++) {
    for (int ask = 0; ask < 2; ask++) {
      if (i >= x->view->cnt[ask]) continue;
      if (t.cnt) sim_put(&t, ":");
      put_number(&t, x->view->rows[ask][i].price, x->view->price_digits);
      sim_put(&t, ask ? ":-" : ":");
      put_number(&t, x->view->rows[ask][i].qty, x->view->qty_digits);
    }
  }
  return (int32_t)sim_crc(t.bytes, t.cnt);
}

static void send_checksum(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol) {
  const peer_t *own = peer->state;
  if (!(own->flags & FLAG_CHECKSUM)) return;
  for (uint32_t i = 1; i < LENGTH_CNT; i++) { /* not of one level */
    uint32_t stream = sim_stream(symbol, BOOK + i);
    if (!sim_bit(peer->streams, stream)) continue;
    sim_text_t t = sim_message(x);
    sim_put(&t, ",\"cs\",%d", (int32_t)sim_checksum(x, (uint32_t)checksum(x, symbol)));
    sim_server_send(x->server, peer, stream, t.bytes, t.cnt, SIM_MESSAGE_DATA);
  }
}

static void send_heartbeats(sim_exchange_t *x, sim_peer_t *peer) {
  static const char text[] = ",\"hb\"";
  for (uint32_t stream = 0; stream < x->symbol_cnt * SIM_CHANNELS_MAX; stream++)
    if (sim_bit(peer->streams, stream))
      sim_server_send(x->server, peer, stream, text, sizeof text - 1, SIM_MESSAGE_ANSWER);
}

static void second(sim_exchange_t *x) {
  state_t    *state = x->state;
  sim_peer_t *peer;
  bool        is_beat = ++state->seconds % HEARTBEAT_SECOND == 0;
  bool        is_sum  = state->seconds % CHECKSUM_SECONDS == 0 && !x->recorded_view;
  for (uint32_t i = 0; is_sum && i < x->symbol_cnt; i++) {
    own_t *own = x->symbols[i].state;
    sim_flush_depth(x, i);
    for (uint32_t p = 0; own->changed && (peer = sim_server_peer(x->server, p)) != NULL; p++)
      send_checksum(x, peer, i);
    own->changed = false;
  }
  for (uint32_t p = 0; is_beat && (peer = sim_server_peer(x->server, p)) != NULL; p++)
    send_heartbeats(x, peer);
}

/* ---- requests ---- */

static void refuse(sim_exchange_t *x, sim_peer_t *peer, const char *msg, int code) {
  const char *channel = json_string_value(json_object_get(x->request, "channel"));
  const char *symbol  = json_string_value(json_object_get(x->request, "symbol"));
  sim_text_t  t       = sim_message(x);
  sim_put(&t, "{\"event\":\"error\",\"msg\":\"%s\",\"code\":%d", msg, code);
  if (channel) sim_put(&t, ",\"channel\":\"%.20s\"", channel);
  if (symbol) sim_put(&t, ",\"symbol\":\"%.40s\"", symbol);
  sim_put(&t, "}");
  sim_reply(x, peer, &t);
}

static void over_limit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  if (limit == SIM_LIMIT_STREAMS) refuse(x, peer, "subscribe: limit", 10305);
}

static uint32_t channel_of(const json_t *request) {
  const char *name = json_string_value(json_object_get(request, "channel"));
  const char *len  = json_string_value(json_object_get(request, "len"));
  const char *prec = json_string_value(json_object_get(request, "prec"));
  if (!name) return UINT32_MAX;
  if (!strcmp(name, "trades")) return TRADES;
  if (!strcmp(name, "ticker")) return TICKER;
  if (strcmp(name, "book") != 0 || (prec && strcmp(prec, "P0") != 0)) return UINT32_MAX;
  for (uint32_t i = 0; i < LENGTH_CNT; i++)
    if ((uint32_t)(len ? atoi(len) : 25) == lengths[i]) return BOOK + i;
  return UINT32_MAX;
}

static void acknowledge(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel,
                        sim_ack_t ack) {
  static const char *const names[] = {"trades", "ticker"};
  const char              *name    = x->symbols[symbol].name;
  sim_text_t               t       = sim_message(x);
  sim_put(&t, "{\"event\":\"subscribed\",\"channel\":\"%s\",\"chanId\":%u,\"symbol\":\"t%s\"",
          channel < BOOK ? names[channel] : "book", *chan_of(x, peer, sim_stream(symbol, channel)),
          name);
  if (channel >= BOOK)
    sim_put(&t, ",\"prec\":\"P0\",\"freq\":\"F0\",\"len\":\"%u\"", lengths[channel - BOOK]);
  sim_put(&t, ",\"pair\":\"%s\"}", name);
  sim_reply_ack(x, peer, symbol, &t, ack);
}

static void subscribe(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *name    = json_string_value(json_object_get(request, "symbol"));
  uint32_t    channel = channel_of(request);
  uint32_t    symbol =
      name && name[0] == 't' ? sim_find_symbol(x, name + 1, strlen(name + 1)) : UINT32_MAX;
  peer_t *own = peer->state;
  if (symbol == UINT32_MAX || channel == UINT32_MAX) {
    refuse(x, peer, symbol == UINT32_MAX ? "symbol: invalid" : "channel: unknown",
           symbol == UINT32_MAX ? 10300 : 10302);
    return;
  }
  uint32_t stream = sim_stream(symbol, channel);
  if (sim_hears(peer, stream)) {
    refuse(x, peer, "subscribe: dup", 10301);
    return;
  }
  if (!sim_admit(x, peer, SIM_LIMIT_STREAMS, 1)) return;
  sim_ack_t ack = sim_ack(x);
  if (ack == SIM_ACK_ERROR) refuse(x, peer, "subscribe: error", 10300);
  if (ack == SIM_ACK_ERROR || ack == SIM_ACK_SKIPPED) return;
  *chan_of(x, peer, stream) = 204000 + 37 * ++own->chan_cnt;
  acknowledge(x, peer, symbol, channel, ack);
  sim_subscribe(x, peer, stream);
}

static void unsubscribe(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  json_int_t chan = json_integer_value(json_object_get(request, "chanId"));
  for (uint32_t stream = 0; chan > 0 && stream < x->symbol_cnt * SIM_CHANNELS_MAX; stream++) {
    if (sim_stream_channel(stream) >= CHANNEL_CNT || *chan_of(x, peer, stream) != chan) continue;
    sim_text_t t = sim_message(x);
    sim_put(&t, "{\"event\":\"unsubscribed\",\"status\":\"OK\",\"chanId\":%u}", (uint32_t)chan);
    sim_unsubscribe(peer, stream);
    *chan_of(x, peer, stream) = 0;
    sim_reply(x, peer, &t);
    return;
  }
  refuse(x, peer, "unsubscribe: invalid", 10400);
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *event = json_string_value(json_object_get(request, "event"));
  peer_t     *own   = peer->state;
  sim_text_t  t     = sim_message(x);
  if (event && !strcmp(event, "subscribe")) {
    subscribe(x, peer, request);
  } else if (event && !strcmp(event, "unsubscribe")) {
    unsubscribe(x, peer, request);
  } else if (event && !strcmp(event, "conf")) {
    own->flags = (uint64_t)json_integer_value(json_object_get(request, "flags"));
    sim_put(&t, "{\"event\":\"conf\",\"status\":\"OK\",\"flags\":%" PRIu64 "}", own->flags);
    sim_reply(x, peer, &t);
  } else if (event && !strcmp(event, "ping")) {
    sim_put(&t, "{\"event\":\"pong\",\"ts\":%" PRIu64 ",\"cid\":%" JSON_INTEGER_FORMAT "}",
            x->wall_ns / TF_NS_PER_MS, json_integer_value(json_object_get(request, "cid")));
    sim_reply(x, peer, &t);
  } else {
    refuse(x, peer, "event: invalid", 10000);
  }
}

static void on_open(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t,
          "{\"event\":\"info\",\"version\":2,\"serverId\":\"083bd8d4-aca7-4690-a573-eabfc8103de8\","
          "\"platform\":{\"status\":1}}");
  sim_reply(x, peer, &t);
}

static void on_shutdown(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"event\":\"info\",\"code\":20051,\"msg\":\"Stopping. Please try to reconnect\"}");
  sim_reply(x, peer, &t);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/ws/2");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  if (strcmp(target, "/v2/conf/pub:list:pair:exchange,pub:list:pair:futures") != 0) {
    sim_put(t, "[\"error\",10020,\"url: invalid\"]");
    return 404;
  }
  sim_put(t, "[[");
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (sim_is_listed(x, i)) sim_put(t, "%s\"%s\"", cnt++ ? "," : "", x->symbols[i].name);
  sim_put(t, "],[]]");
  return 200;
}

/* ---- playback ---- */

/* What a recording's events said so far: an array names its channel by number alone, and has as many
 * numbers behind it as conf asked for. */
typedef struct learned {
  uint64_t flags;
  uint32_t cnt;
  struct {
    unsigned long chan;
    char          channel[12], name[32];
  } rows[RECORDED_CHANNELS_MAX];
} learned_t;

static learned_t learned; /* one recording is played at a time */

static void learn(const char *text, size_t cnt) {
  json_t     *event = json_loadb(text, cnt, 0, NULL);
  const char *what  = json_string_value(json_object_get(event, "event"));
  if (what && !strcmp(what, "info")) learned = (learned_t){0}; /* a new connection */
  if (what && !strcmp(what, "conf"))
    learned.flags = (uint64_t)json_integer_value(json_object_get(event, "flags"));
  if (what && !strcmp(what, "subscribed") && learned.cnt < RECORDED_CHANNELS_MAX) {
    const char *symbol    = json_string_value(json_object_get(event, "symbol"));
    const char *name      = json_string_value(json_object_get(event, "channel"));
    uint32_t    at        = learned.cnt;
    learned.rows[at].chan = (unsigned long)json_integer_value(json_object_get(event, "chanId"));
    snprintf(learned.rows[at].channel, sizeof learned.rows[0].channel, "%s", name ? name : "");
    snprintf(learned.rows[at].name, sizeof learned.rows[0].name, "%s",
             symbol && symbol[0] == 't' ? symbol + 1 : "");
    learned.cnt++;
  }
  json_decref(event);
}

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  *r = (sim_route_t){0};
  if (cnt > 0 && text[0] == '{') learn(text, cnt);
  if (cnt < 3 || text[0] != '[') return false;
  char         *body;
  unsigned long chan = strtoul(text + 1, &body, 10);
  const char   *stop = text + cnt - 1;
  for (int flag = 0; flag < 2; flag++) { /* the sequence and the time */
    if (!(learned.flags & (flag ? FLAG_TIMESTAMP : FLAG_SEQUENCE))) continue;
    while (stop > body && *--stop != ',') {
    }
  }
  for (uint32_t i = learned.cnt; i-- > 0 && stop > body;) {
    if (learned.rows[i].chan != chan || !learned.rows[i].name[0]) continue;
    const char *channel = learned.rows[i].channel;
    r->channels         = !strcmp(channel, "trades")   ? 1u << TRADES
                          : !strcmp(channel, "ticker") ? 1u << TICKER
                          : !strcmp(channel, "book")   ? BOOK_CHANNELS & ~(1u << BOOK)
                                                       : 0;
    r->is_book          = (r->channels & BOOK_CHANNELS) != 0;
    r->name             = learned.rows[i].name;
    r->name_cnt         = strlen(r->name);
    r->payload          = body;
    r->payload_cnt      = (size_t)(stop - body);
    return r->channels != 0;
  }
  return false;
}

const sim_venue_t sim_venue_bitfinex = {
    .name               = "bitfinex",
    .pairs              = pairs,
    .state_bytes        = sizeof(state_t),
    .symbol_bytes       = sizeof(own_t),
    .peer_bytes         = sizeof(peer_t),
    .peer_symbol_bytes  = sizeof(peer_symbol_t),
    .depth_interval_ns  = 20 * TF_NS_PER_MS,
    .ticker_interval_ns = 15 * TF_NS_PER_SEC,
    .has_checksum       = true,
    .limits             = {[SIM_LIMIT_STREAMS]      = {30, 0, 0, NULL},
                           [SIM_LIMIT_CONNECTS]     = {20, 60 * TF_NS_PER_SEC, 0, NULL},
                           [SIM_LIMIT_UNSUBSCRIBED] = {0, 60 * TF_NS_PER_SEC, SIM_CLOSE_CUT, NULL}},
    .over_limit         = over_limit,
    .on_upgrade         = on_upgrade,
    .on_open            = on_open,
    .on_request         = on_request,
    .on_get             = on_get,
    .on_shutdown        = on_shutdown,
    .wrap               = wrap,
    .trade              = trade,
    .depth              = depth,
    .ticker             = ticker,
    .second             = second,
    .snapshot           = snapshot,
    .snapshot_channels  = BOOK_CHANNELS | 1u << TRADES | 1u << TICKER,
    .route              = route
};
