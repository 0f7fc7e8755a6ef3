#include "sim/exchange.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define DIRTY_ROOM 8 /* a step changes at most 4 levels */

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

/* ---- subscriptions ---- */

static void deliver_snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream) {
  uint32_t symbol = sim_stream_symbol(stream);
  if (!x->recorded_view) x->venue->depth(x, symbol); /* what the snapshot holds is sent to others */
  x->venue->snapshot(x, peer, symbol, sim_stream_channel(stream));
  sim_bit_set(peer->streams, stream, true);
}

void sim_subscribe(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream) {
  x->subscribed_cnt++;
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
  sim_bit_set(peer->streams, stream, false);
  sim_bit_set(peer->waiting, stream, false);
}

bool sim_has_listener(sim_exchange_t *x, uint32_t stream) {
  sim_peer_t *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++)
    if (sim_bit(peer->streams, stream)) return true;
  return false;
}

sim_ack_t sim_ack(sim_exchange_t *x) {
  if (sim_fault_hits(x->faults, SIM_FAULT_ACK_ERROR)) return SIM_ACK_ERROR;
  return sim_fault_hits(x->faults, SIM_FAULT_ACK_MISSING) ? SIM_ACK_MISSING : SIM_ACK_SENT;
}

/* ---- the service that the server calls ---- */

static bool on_upgrade(void *self, sim_peer_t *peer, const char *target) {
  sim_exchange_t *x = self;
  return x->venue->on_upgrade(x, peer, target);
}

static void on_open(void *self, sim_peer_t *peer) {
  sim_exchange_t *x = self;
  if (x->venue->on_open) x->venue->on_open(x, peer);
}

static void on_text(void *self, sim_peer_t *peer, const char *text, size_t cnt) {
  sim_exchange_t *x       = self;
  json_t         *request = json_loadb(text, cnt, 0, NULL);
  x->venue->on_request(x, peer, request);
  json_decref(request);
}

static int on_get(void *self, const char *target, char *bytes, size_t cap, size_t *cnt,
                  bool *is_snapshot) {
  sim_exchange_t *x      = self;
  sim_text_t      answer = sim_text(bytes, cap);
  int             status = x->venue->on_get(x, target, &answer, is_snapshot);
  *cnt                   = answer.cnt;
  return answer.full ? 500 : status;
}

static void on_shutdown(void *self, sim_peer_t *peer) {
  sim_exchange_t *x = self;
  if (x->venue->on_shutdown) x->venue->on_shutdown(x, peer);
}

static size_t wrap(void *self, sim_peer_t *peer, uint32_t stream, const char *text, size_t cnt,
                   char *out, size_t cap) {
  sim_exchange_t *x = self;
  return x->venue->wrap ? x->venue->wrap(x, peer, stream, text, cnt, out, cap) : 0;
}

sim_service_t sim_exchange_service(sim_exchange_t *x) {
  return (sim_service_t){x, on_upgrade, on_open, on_text, on_get, on_shutdown, wrap};
}

/* ---- the synthetic market ---- */

/* Ids that start again, far lower: no venue promises that they never do. */
static void jump_back(sim_exchange_t *x, sim_symbol_t *s) {
  if (s->market.update_id <= SIM_JUMP_BACK || !sim_fault_hits(x->faults, SIM_FAULT_JUMPBACK))
    return;
  s->market.update_id -= SIM_JUMP_BACK;
  s->market.trade_id -= SIM_JUMP_BACK;
  s->depth_last_id = s->market.update_id;
  sim_peer_t *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++) peer->sequence = 0;
}

static void send_depth(sim_exchange_t *x, uint32_t symbol) {
  sim_symbol_t *s = &x->symbols[symbol];
  x->venue->depth(x, symbol);
  jump_back(x, s);
}

void sim_exchange_step(sim_exchange_t *x, uint32_t symbol) {
  sim_market_t *m = &x->symbols[symbol].market;
  if (m->dirty_cnt > SIM_DIRTY_MAX - DIRTY_ROOM) send_depth(x, symbol);
  sim_step_t step = sim_market_step(m);
  if (step.traded) x->venue->trade(x, symbol, &step);
  if (step.quote_changed && x->venue->quote) x->venue->quote(x, symbol);
}

void sim_exchange_depth(sim_exchange_t *x) {
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    sim_symbol_t *s = &x->symbols[i];
    if (x->now_ns < s->depth_due_ns) continue;
    s->depth_due_ns = x->now_ns + x->venue->depth_interval_ns;
    send_depth(x, i);
  }
}

void sim_exchange_tick(sim_exchange_t *x, uint64_t now_ns, uint64_t wall_ns) {
  x->now_ns  = now_ns;
  x->wall_ns = wall_ns;
  sim_peer_t *peer;
  for (uint32_t i = 0; (peer = sim_server_peer(x->server, i)) != NULL; i++) {
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
    if (strlen(x->symbols[i].name) == cnt && !memcmp(x->symbols[i].name, name, cnt)) return i;
  return UINT32_MAX;
}

uint32_t sim_find_lower(const sim_exchange_t *x, const char *name, size_t cnt) {
  for (uint32_t i = 0; i < x->symbol_cnt; i++)
    if (strlen(x->symbols[i].lower) == cnt && !memcmp(x->symbols[i].lower, name, cnt)) return i;
  return UINT32_MAX;
}

static tf_err_t add_symbol(sim_exchange_t *x, const char *name, size_t cnt, uint64_t seed,
                           uint32_t levels) {
  if (x->symbol_cnt == SIM_SYMBOLS_MAX || cnt == 0 || cnt >= sizeof x->symbols[0].name)
    return TF_ERR(E_CORE_ARGUMENT, "sim: symbols \"%.*s\": at most %d of 1 to 31 characters",
                  (int)cnt, name, SIM_SYMBOLS_MAX);
  sim_symbol_t *s = &x->symbols[x->symbol_cnt++];
  for (size_t i = 0; i < cnt; i++) {
    if (!isalnum((unsigned char)name[i]) && !strchr("_-/", name[i]))
      return TF_ERR(E_CORE_ARGUMENT, "sim: symbol \"%.*s\": letters, digits, _ - and / only",
                    (int)cnt, name);
    s->name[i]  = (char)toupper((unsigned char)name[i]);
    s->lower[i] = (char)tolower((unsigned char)name[i]);
  }
  const sim_pair_t *pair = x->venue->pairs;
  while (pair->name && strcmp(pair->name, s->name) != 0) pair++;
  s->pair = *pair;
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

tf_err_t sim_exchange_init(sim_exchange_t *x, const sim_venue_t *venue, const char *symbols,
                           uint64_t seed, uint32_t levels, sim_faults_t *faults) {
  *x         = (sim_exchange_t){.venue = venue, .faults = faults, .rng = seed * 2 + 1};
  x->symbols = calloc(SIM_SYMBOLS_MAX, sizeof *x->symbols);
  x->view    = calloc(1, sizeof *x->view);
  x->text    = malloc(SIM_MESSAGE_BYTES_MAX);
  x->state   = calloc(1, venue->state_bytes + 1);
  if (!x->symbols || !x->view || !x->text || !x->state)
    return TF_ERR(E_CORE_NO_MEMORY, "sim: exchange");
  if (faults->chance[SIM_FAULT_CHECKSUM] > 0 && strcmp(venue->name, "kraken") != 0)
    return TF_ERR(E_CORE_ARGUMENT, "--faults: checksum: %s sends none, kraken does", venue->name);
  return add_symbols(x, symbols, seed, levels);
}

void sim_exchange_fini(sim_exchange_t *x) {
  free(x->symbols);
  free(x->view);
  free(x->text);
  free(x->state);
  *x = (sim_exchange_t){0};
}
