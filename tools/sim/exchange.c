#include "sim/exchange.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/error.h"

#define DIRTY_ROOM        8    /* a step changes at most 4 levels */
#define ACK_BYTES_MAX     4096 /* of one that names another symbol */
#define SIM_CADENCE_NS    (3600 * TF_NS_PER_SEC)
#define FUNDING_PERIOD_NS (8 * 3600 * TF_NS_PER_SEC)
#define FUNDING_MAX       0.00075
#define FUNDING_BASE      10000 /* 0.01 %, in 1e-8 units */

const sim_venue_t *const sim_venues[] = {
#define V(name) &sim_venue_##name,
#include "sim/venues.def"
#undef V
};
const uint32_t sim_venue_cnt = TF_ARRAY_CNT(sim_venues);

const sim_venue_t *sim_venue_find(const char *name) {
  for (uint32_t i = 0; i < sim_venue_cnt; i++)
    if (!strcmp(sim_venues[i]->name, name)) return sim_venues[i];
  return NULL;
}

static int64_t pow10_of(uint32_t digits) {
  int64_t p = 1;
  while (digits--) p *= 10;
  return p;
}

int64_t sim_price_sent(const sim_pair_t *pair, int64_t ticks) {
  return ticks * pow10_of((uint32_t)(pair->price_digits - pair->tick_digits));
}

int64_t sim_qty_sent(const sim_pair_t *pair, int64_t qty) {
  return qty / pow10_of((uint32_t)(SIM_QTY_DIGITS - pair->qty_digits));
}

void sim_put_price(sim_text_t *t, const sim_symbol_t *s, int64_t ticks) {
  sim_put_decimal(t, sim_price_sent(&s->pair, ticks), s->pair.price_digits);
}

void sim_put_qty(sim_text_t *t, const sim_symbol_t *s, int64_t qty) {
  sim_put_decimal(t, sim_qty_sent(&s->pair, qty), s->pair.qty_digits);
}

/* ---- messages ---- */

sim_text_t sim_message(sim_exchange_t *x) { return sim_text(x->text, SIM_MESSAGE_BYTES_MAX); }

void sim_reply(sim_exchange_t *x, sim_peer_t *peer, const sim_text_t *t) {
  if (!t->full)
    sim_server_send(x->server, peer, SIM_STREAM_NONE, t->bytes, t->cnt, SIM_MESSAGE_ANSWER);
}

void sim_broadcast(sim_exchange_t *x, uint32_t stream, const sim_text_t *t,
                   sim_message_kind_t kind) {
  if (!t->full) sim_server_broadcast(x->server, stream, t->bytes, t->cnt, kind);
}

const char *sim_find_text(const char *text, size_t cnt, const char *key, size_t *value_cnt) {
  char pattern[40];
  int  pattern_cnt = snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
  TF_ASSERT(pattern_cnt > 0 && (size_t)pattern_cnt < sizeof pattern);
  const char *at = memmem(text, cnt, pattern, (size_t)pattern_cnt);
  if (!at) return NULL;
  at += pattern_cnt;
  const char *quote = memchr(at, '"', cnt - (size_t)(at - text));
  if (!quote) return NULL;
  *value_cnt = (size_t)(quote - at);
  return at;
}

void sim_put_url(sim_text_t *t, const sim_exchange_t *x) { sim_put(t, "%s", x->url); }

uint32_t sim_crc(const char *text, size_t cnt) {
  return (uint32_t)crc32(0, (const Bytef *)text, (uInt)cnt);
}

uint32_t sim_checksum(sim_exchange_t *x, uint32_t crc) {
  return fault_hits(x->faults, SIM_FAULT_CHECKSUM) ? crc ^ 1 : crc;
}

/* ---- subscriptions ---- */

void sim_flush_depth(sim_exchange_t *x, uint32_t symbol) {
  if (!x->recorded_view) x->venue->depth(x, symbol);
}

static void deliver_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream) {
  uint32_t symbol = sim_stream_symbol(stream);
  sim_flush_depth(x, symbol); /* what the snapshot holds is sent to others */
  x->venue->snapshot(x, peer, symbol, sim_stream_channel(stream));
  sim_bit_set(peer->streams, stream, true);
}

bool sim_hears(const sim_peer_t *peer, uint32_t stream) {
  return sim_bit(peer->streams, stream) || sim_bit(peer->waiting, stream);
}

void sim_subscribe(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream) {
  if (sim_hears(peer, stream) || !sim_admit(x, peer, SIM_LIMIT_STREAMS, 1)) return;
  peer->stream_cnt++;
  x->subscribed_cnt++;
  if (fault_hits(x->faults, SIM_FAULT_ACK_SILENT)) {
    sim_bit_set(peer->waiting, stream, true); /* for ever */
    return;
  }
  bool has_snapshot = x->venue->snapshot_channels >> sim_stream_channel(stream) & 1;
  if (!has_snapshot) {
    sim_bit_set(peer->streams, stream, true);
    return;
  }
  uint64_t late_ns = x->faults->ns[SIM_FAULT_LATE_SNAPSHOT];
  if (!late_ns) {
    deliver_snapshot(x, peer, stream);
    return;
  }
  x->faults->done[SIM_FAULT_LATE_SNAPSHOT]++;
  sim_bit_set(peer->waiting, stream, true);
  peer->waiting_due_ns = x->now_ns + late_ns;
}

void sim_unsubscribe(sim_peer_t *peer, uint32_t stream) {
  if (sim_hears(peer, stream)) peer->stream_cnt--;
  sim_bit_set(peer->streams, stream, false);
  sim_bit_set(peer->waiting, stream, false);
}

bool sim_has_listener(const sim_exchange_t *x, uint32_t stream) {
  return sim_server_is_heard(x->server, stream);
}

void sim_reply_snapshot(sim_exchange_t *x, sim_peer_t *peer, const sim_text_t *t) {
  uint64_t late_ns = x->faults->ns[SIM_FAULT_LATE_SNAPSHOT];
  if (!late_ns) {
    sim_reply(x, peer, t);
  } else if (!t->full) {
    x->faults->done[SIM_FAULT_LATE_SNAPSHOT]++;
    sim_server_send_later(x->server, peer, t->bytes, t->cnt, x->now_ns + late_ns);
  }
}

sim_ack_t sim_ack(sim_exchange_t *x) {
  static const struct {
    sim_fault_t fault;
    sim_ack_t   ack;
  } faults[] = {
      {SIM_FAULT_ACK_ERROR,   SIM_ACK_ERROR  },
      {SIM_FAULT_ACK_MISSING, SIM_ACK_MISSING},
      {SIM_FAULT_ACK_OTHER,   SIM_ACK_OTHER  },
      {SIM_FAULT_ACK_PARTIAL, SIM_ACK_SKIPPED}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(faults); i++)
    if (fault_hits(x->faults, faults[i].fault)) return faults[i].ack;
  return SIM_ACK_SENT;
}

/* The text with each mention of the symbol turned into another's name, or one that nobody has. */
static size_t name_another(const sim_exchange_t *x, uint32_t symbol, const sim_text_t *t, char *out,
                           size_t cap) {
  const char *name     = x->symbols[symbol].name;
  const char *other    = x->symbol_cnt > 1 ? x->symbols[(symbol + 1) % x->symbol_cnt].name : "X-Y";
  const char *lower    = x->symbols[symbol].lower;
  size_t      name_cnt = strlen(name);
  sim_text_t  changed  = sim_text(out, cap);
  for (size_t at = 0; at < t->cnt;) {
    bool is_it = t->cnt - at >= name_cnt && (!memcmp(t->bytes + at, name, name_cnt) ||
                                             !memcmp(t->bytes + at, lower, name_cnt));
    if (is_it)
      sim_put_bytes(&changed, other, strlen(other));
    else
      sim_put_bytes(&changed, t->bytes + at, 1);
    at += is_it ? name_cnt : 1;
  }
  return changed.full ? 0 : changed.cnt;
}

void sim_reply_ack(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, const sim_text_t *t,
                   sim_ack_t ack) {
  char        text[ACK_BYTES_MAX];
  const char *bytes = t->bytes;
  size_t      cnt   = t->cnt;
  if (t->full || ack == SIM_ACK_MISSING) return;
  if (ack == SIM_ACK_OTHER && symbol != UINT32_MAX) {
    cnt   = name_another(x, symbol, t, text, sizeof text);
    bytes = text;
  }
  uint64_t late_ns = x->faults->ns[SIM_FAULT_ACK_LATE];
  if (!late_ns) {
    sim_server_send(x->server, peer, SIM_STREAM_NONE, bytes, cnt, SIM_MESSAGE_ANSWER);
  } else {
    x->faults->done[SIM_FAULT_ACK_LATE]++;
    sim_server_send_later(x->server, peer, bytes, cnt, x->now_ns + late_ns);
  }
}

void *sim_peer_symbol(const sim_exchange_t *x, const sim_peer_t *peer, uint32_t symbol) {
  return (char *)peer->state + tf_align_up(x->venue->peer_bytes, sizeof(uint64_t)) +
         symbol * x->venue->peer_symbol_bytes;
}

/* ---- the service that the server calls ---- */

static int on_upgrade(void *self, sim_peer_t *peer, const char *target) {
  sim_exchange_t *x = self;
  sim_limits_open(x, peer);
  if (!sim_admit(x, peer, SIM_LIMIT_CONNECTS, 1)) return 429;
  return x->venue->on_upgrade(x, peer, target) ? 0 : 404;
}

static void on_open(void *self, sim_peer_t *peer) {
  sim_exchange_t *x = self;
  if (x->venue->on_open) x->venue->on_open(x, peer);
}

static void on_text(void *self, sim_peer_t *peer, const char *text, size_t cnt) {
  sim_exchange_t    *x     = self;
  const sim_venue_t *venue = x->venue;
  if (!sim_admit(x, peer, SIM_LIMIT_MESSAGES, 1)) return;
  if (venue->text_ping && strlen(venue->text_ping) == cnt && !memcmp(venue->text_ping, text, cnt)) {
    sim_text_t pong = sim_message(x);
    sim_put(&pong, "%s", venue->text_pong);
    sim_pinged(x, peer);
    sim_reply(x, peer, &pong);
    return;
  }
  json_t *request = json_loadb(text, cnt, 0, NULL);
  x->request      = request;
  if (sim_admit(x, peer, SIM_LIMIT_REQUEST_BYTES, cnt)) venue->on_request(x, peer, request);
  x->request = NULL;
  json_decref(request);
}

static void on_ping(void *self, sim_peer_t *peer, bool is_pong) {
  sim_exchange_t *x = self;
  sim_admit(x, peer, SIM_LIMIT_MESSAGES, 1);
  if (is_pong && !x->venue->ping) sim_ponged(peer);
}

static int on_rest(void *self, const char *method, const char *target, const char *body,
                   char *bytes, size_t cap, size_t *cnt, bool *is_snapshot) {
  sim_exchange_t *x      = self;
  sim_text_t      answer = sim_text(bytes, cap);
  int             status = 405;
  if (!strcmp(method, "GET"))
    status = x->venue->on_get(x, target, &answer, is_snapshot);
  else if (!strcmp(method, "POST") && x->venue->on_post)
    status = x->venue->on_post(x, target, body, &answer);
  *cnt = answer.cnt;
  return answer.full ? 500 : status;
}

static void on_shutdown(void *self, sim_peer_t *peer) {
  sim_exchange_t *x = self;
  if (x->venue->on_shutdown) x->venue->on_shutdown(x, peer);
}

static const char *symbol_name(void *self, uint32_t stream) {
  const sim_exchange_t *x = self;
  return x->symbols[sim_stream_symbol(stream)].name;
}

static size_t wrap(void *self, sim_peer_t *peer, uint32_t stream, const char *text, size_t cnt,
                   char *out, size_t cap) {
  sim_exchange_t *x = self;
  return x->venue->wrap ? x->venue->wrap(x, peer, stream, text, cnt, out, cap) : 0;
}

sim_service_t sim_exchange_service(sim_exchange_t *x) {
  return (sim_service_t){x,       on_upgrade,  on_open,     on_text, on_ping,
                         on_rest, on_shutdown, symbol_name, wrap};
}

size_t sim_exchange_peer_bytes(const sim_exchange_t *x) {
  return tf_align_up(x->venue->peer_bytes, sizeof(uint64_t)) +
         x->symbol_cnt * x->venue->peer_symbol_bytes;
}

/* ---- the synthetic market ---- */

/* Somebody hears one of its streams: what happens to its book before that is no occasion of a fault. */
static bool is_heard(const sim_exchange_t *x, uint32_t symbol) {
  for (uint32_t channel = 0; channel < SIM_CHANNELS_MAX; channel++)
    if (sim_has_listener(x, sim_stream(symbol, channel))) return true;
  return false;
}

/* Ids that start again, far lower: no venue promises that they never do. */
static void jump_back(sim_exchange_t *x, sim_symbol_t *s) {
  if (s->market.update_id <= SIM_JUMP_BACK || !fault_hits(x->faults, SIM_FAULT_JUMPBACK)) return;
  s->market.update_id -= SIM_JUMP_BACK;
  s->market.trade_id -= SIM_JUMP_BACK;
  s->depth_last_id = s->market.update_id;
  sim_peer_t *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++) peer->sequence = 0;
}

/* What no sequence shows: who listens keeps levels that are gone. */
static void lose_deletes(sim_exchange_t *x, sim_market_t *m) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < m->dirty_cnt; i++)
    if (m->dirty[i].qty != 0 || !fault_hits(x->faults, SIM_FAULT_LOST_DELETE))
      m->dirty[kept++] = m->dirty[i];
  m->dirty_cnt = kept;
}

/* A bid above the best ask, in one message; in the next it is what the ladder has there again. */
static void cross(sim_exchange_t *x, sim_symbol_t *s) {
  sim_market_t *m = &s->market;
  if (s->crossed_ticks) {
    int64_t at = s->crossed_ticks - m->base_ticks;
    sim_market_tell(m, s->crossed_ticks, at >= 0 && at < SIM_LADDER_TICKS ? m->ladder[0][at] : 0);
    s->crossed_ticks = 0;
  } else if (fault_hits(x->faults, SIM_FAULT_CROSS)) {
    s->crossed_ticks = sim_market_price(m, m->best_ask) + 1;
    sim_market_tell(m, s->crossed_ticks, m->lot);
  }
}

static void send_depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  if (!sim_is_trading(x, symbol)) return;
  bool heard = is_heard(x, symbol);
  if (heard) lose_deletes(x, &s->market);
  if (heard) cross(x, s);
  x->venue->depth(x, symbol);
  if (heard) jump_back(x, s);
}

void sim_exchange_step(sim_exchange_t *x, uint32_t symbol) {
  sim_market_t *m = &x->symbols[symbol].market;
  if (!sim_is_trading(x, symbol)) return;
  if (m->dirty_cnt > SIM_DIRTY_MAX - DIRTY_ROOM) send_depth(x, symbol);
  sim_step_t step = sim_market_step(m);
  if (step.traded) x->venue->trade(x, symbol, &step);
  if (step.quote_changed && x->venue->quote) x->venue->quote(x, symbol);
}

/* How many symbols' turn it is; at most each one's once. */
static uint32_t due_cnt(const sim_exchange_t *x, sim_cadence_t *c, uint64_t interval_ns) {
  if (!c->since_ns || x->now_ns - c->since_ns > SIM_CADENCE_NS)
    *c = (sim_cadence_t){.since_ns = x->now_ns,
                         .turn     = c->turn}; /* counted anew before it overflows */
  uint64_t due = (x->now_ns - c->since_ns) * x->symbol_cnt / interval_ns - c->done_cnt;
  c->done_cnt += due;
  return due < x->symbol_cnt ? (uint32_t)due : x->symbol_cnt;
}

static uint32_t next_turn(const sim_exchange_t *x, sim_cadence_t *c) {
  uint32_t symbol = c->turn;
  c->turn         = symbol + 1 == x->symbol_cnt ? 0 : symbol + 1;
  return symbol;
}

void sim_exchange_depth(sim_exchange_t *x) {
  for (uint32_t n = due_cnt(x, &x->depths, x->venue->depth_interval_ns); n; n--)
    send_depth(x, next_turn(x, &x->depths));
  if (!x->venue->ticker || !x->venue->ticker_interval_ns) return;
  for (uint32_t n = due_cnt(x, &x->tickers, x->venue->ticker_interval_ns); n; n--) {
    uint32_t symbol = next_turn(x, &x->tickers);
    if (!sim_is_trading(x, symbol)) continue;
    sim_ticker_t ticker = sim_ticker(x, symbol);
    x->venue->ticker(x, symbol, &ticker);
  }
}

sim_ticker_t sim_ticker(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t       *s   = &x->symbols[symbol];
  const sim_market_t *m   = &s->market;
  int64_t             bid = sim_market_price(m, m->best_bid);
  int64_t             ask = sim_market_price(m, m->best_ask);
  double              mid = (double)(bid + ask) / 2;
  s->index_ticks          = s->index_ticks > 0 ? s->index_ticks + (mid - s->index_ticks) / 16 : mid;
  double   premium        = (mid - s->index_ticks) / s->index_ticks;
  double   funding        = premium > FUNDING_MAX    ? FUNDING_MAX
                            : premium < -FUNDING_MAX ? -FUNDING_MAX
                                                     : premium;
  uint64_t period_ms      = FUNDING_PERIOD_NS / TF_NS_PER_MS;
  return (sim_ticker_t){.last_ticks    = m->last_ticks ? m->last_ticks : bid,
                        .mark_ticks    = (int64_t)((mid + s->index_ticks) / 2),
                        .index_ticks   = (int64_t)s->index_ticks,
                        .bid_ticks     = bid,
                        .ask_ticks     = ask,
                        .bid_qty       = m->ladder[0][m->best_bid],
                        .ask_qty       = m->ladder[1][m->best_ask],
                        .funding_rate  = FUNDING_BASE + (int64_t)(funding * 1e8),
                        .funding_at_ms = (x->wall_ns / TF_NS_PER_MS / period_ms + 1) * period_ms,
                        .volume        = m->traded_qty,
                        .open_interest = m->lot * 1000};
}

void sim_exchange_tick(sim_exchange_t *x, uint64_t now_ns, uint64_t wall_ns) {
  x->now_ns = now_ns;
  sim_weather_tick(x, now_ns);
  x->wall_ns = wall_ns + (uint64_t)x->weather.clock_ahead_ns;
  sim_peer_t *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++) {
    sim_limits_tick(x, peer);
    if (!peer->waiting_due_ns || now_ns < peer->waiting_due_ns) continue;
    peer->waiting_due_ns = 0;
    for (uint32_t stream = 0; stream < SIM_STREAMS_MAX; stream++) {
      if (!sim_bit(peer->waiting, stream)) continue;
      sim_bit_set(peer->waiting, stream, false);
      deliver_snapshot(x, peer, stream);
    }
  }
  if (!x->venue->second || now_ns < x->second_due_ns) return;
  x->second_due_ns = now_ns + TF_NS_PER_SEC;
  x->venue->second(x);
}

static void view_side(const sim_symbol_t *s, bool ask, uint32_t levels, sim_view_t *view) {
  const sim_market_t *m    = &s->market;
  int32_t             step = ask ? 1 : -1;
  uint32_t            cnt  = 0;
  for (int32_t at = ask ? m->best_ask : m->best_bid;
       at >= 0 && at < SIM_LADDER_TICKS && cnt < levels; at += step)
    if (m->ladder[ask][at])
      view->rows[ask][cnt++] = (sim_row_t){sim_price_sent(&s->pair, m->base_ticks + at),
                                           sim_qty_sent(&s->pair, m->ladder[ask][at])};
  view->cnt[ask] = cnt;
}

bool sim_view(sim_exchange_t *x, uint32_t symbol, uint32_t levels, sim_view_t *view) {
  if (levels > SIM_LEVELS_MAX) levels = SIM_LEVELS_MAX;
  if (x->recorded_view) return x->recorded_view(x->recorded_self, symbol, levels, view);
  const sim_symbol_t *s = &x->symbols[symbol];
  view->venue_seq       = s->market.update_id;
  view->price_digits    = s->pair.price_digits;
  view->qty_digits      = s->pair.qty_digits;
  view_side(s, false, levels, view);
  view_side(s, true, levels, view);
  return true;
}

/* ---- symbols ---- */

uint32_t sim_find_symbol(const sim_exchange_t *x, const char *name, size_t cnt) {
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (strlen(x->symbols[i].name) == cnt && !memcmp(x->symbols[i].name, name, cnt))
      return sim_is_listed(x, i) ? i : UINT32_MAX;
  return UINT32_MAX;
}

uint32_t sim_find_lower(const sim_exchange_t *x, const char *name, size_t cnt) {
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (strlen(x->symbols[i].lower) == cnt && !memcmp(x->symbols[i].lower, name, cnt))
      return sim_is_listed(x, i) ? i : UINT32_MAX;
  return UINT32_MAX;
}

static tf_err_t add_symbol(sim_exchange_t *x, const char *name, size_t cnt, uint64_t seed,
                           uint32_t levels) {
  if (x->symbol_cnt == x->symbol_cap || cnt == 0 || cnt >= sizeof x->symbols[0].name)
    return TF_ERR(E_CORE_ARGUMENT, "sim: symbols \"%.*s\": at most %d of 1 to 31 characters",
                  (int)cnt, name, SIM_SYMBOLS_MAX);
  sim_symbol_t *s = &x->symbols[x->symbol_cnt++];
  for (size_t i = 0; i < cnt; i++) {
    if (!isalnum((unsigned char)name[i]) && !strchr("_-/:@", name[i]))
      return TF_ERR(E_CORE_ARGUMENT, "sim: symbol \"%.*s\": letters, digits, _ - / : and @ only",
                    (int)cnt, name);
    s->name[i]  = x->venue->keeps_case ? name[i] : (char)toupper((unsigned char)name[i]);
    s->lower[i] = (char)tolower((unsigned char)name[i]);
  }
  const sim_pair_t *pair = x->venue->pairs;
  while (pair->name && strcmp(pair->name, s->name) != 0) pair++;
  s->pair  = *pair;
  s->state = (char *)x->symbol_states + (x->symbol_cnt - 1) * x->venue->symbol_bytes;
  sim_market_init(&s->market, seed + x->symbol_cnt * 7919, pair->price_ticks, pair->lot,
                  pair->qty_step, levels);
  s->depth_last_id = s->market.update_id;
  return TF_OK;
}

static tf_err_t add_symbols(sim_exchange_t *x, const char *names, uint64_t seed, uint32_t levels) {
  if (!names) {
    tf_err_t err = TF_OK;
    for (const sim_pair_t *p = x->venue->pairs; p->name && !err; p++)
      err = add_symbol(x, p->name, strlen(p->name), seed, levels);
    return err;
  }
  for (;;) {
    size_t   cnt = strcspn(names, ",");
    tf_err_t err = add_symbol(x, names, cnt, seed, levels);
    if (err || names[cnt] == '\0') return err;
    names += cnt + 1;
  }
}

/* As many as are named. */
static uint32_t symbol_cap(const sim_venue_t *venue, const char *names) {
  uint32_t cnt = names ? 1 : 0;
  for (const char *at = names; at && (at = strchr(at, ',')) != NULL; at++) cnt++;
  for (const sim_pair_t *p = venue->pairs; !names && p->name; p++) cnt++;
  return cnt < SIM_SYMBOLS_MAX ? cnt : SIM_SYMBOLS_MAX;
}

tf_err_t sim_exchange_init(sim_exchange_t *x, const sim_venue_t *venue, const char *symbols,
                           uint64_t seed, uint32_t levels, faults_t *faults) {
  *x = (sim_exchange_t){.venue = venue, .faults = faults, .rng = seed * 2 + 1, .hurry = 1};
  x->symbol_cap    = symbol_cap(venue, symbols);
  x->symbols       = calloc(x->symbol_cap, sizeof *x->symbols);
  x->symbol_states = calloc(x->symbol_cap, venue->symbol_bytes + 1);
  x->view          = calloc(1, sizeof *x->view);
  x->text          = malloc(SIM_MESSAGE_BYTES_MAX);
  x->state         = calloc(1, venue->state_bytes + 1);
  if (!x->symbols || !x->symbol_states || !x->view || !x->text || !x->state)
    return TF_ERR(E_CORE_NO_MEMORY, "sim: exchange");
  if (fault_is_on(faults, SIM_FAULT_CHECKSUM) && !venue->has_checksum)
    return TF_ERR(E_CORE_ARGUMENT, "--faults: checksum: %s sends none", venue->name);
  return add_symbols(x, symbols, seed, levels);
}

void sim_exchange_fini(sim_exchange_t *x) {
  free(x->symbols);
  free(x->symbol_states);
  free(x->view);
  free(x->text);
  free(x->state);
  *x = (sim_exchange_t){0};
}
