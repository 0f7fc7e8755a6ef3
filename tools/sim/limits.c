/* The counting of sim/limits.h, and what sim/exchange.h says of limits. */
#include "sim/limits.h"

#include "sim/exchange.h"

static const char *const names[] = {
    [SIM_LIMIT_STREAMS]       = "limit_streams",
    [SIM_LIMIT_MESSAGES]      = "limit_messages",
    [SIM_LIMIT_SUBSCRIBES]    = "limit_subscribes",
    [SIM_LIMIT_REQUEST_BYTES] = "limit_request_bytes",
    [SIM_LIMIT_REQUEST_ARGS]  = "limit_request_args",
    [SIM_LIMIT_ARGS_BYTES]    = "limit_args_bytes",
    [SIM_LIMIT_CONNECTS]      = "limit_connects",
    [SIM_LIMIT_UNSUBSCRIBED]  = "limit_unsubscribed",
    [SIM_LIMIT_UNPINGED]      = "limit_unpinged",
    [SIM_LIMIT_QUIET]         = "limit_quiet",
    [SIM_LIMIT_UNANSWERED]    = "limit_unanswered",
};
TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == SIM_LIMIT_CNT, "a name for each limit");

const char *sim_limit_name(sim_limit_t limit) { return names[limit]; }

bool sim_window_admits(sim_window_t *w, const sim_rule_t *rule, uint64_t now_ns, uint64_t cnt) {
  if (!rule->max) return true;
  if (w->cnt == 0 || now_ns - w->since_ns >= rule->ns) *w = (sim_window_t){.since_ns = now_ns};
  if (cnt > rule->max - w->cnt) return false;
  w->cnt += cnt;
  return true;
}

static bool admits(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit, uint64_t cnt) {
  const sim_rule_t *rule = &x->venue->limits[limit];
  if (!rule->max) return true;
  switch (limit) {
  case SIM_LIMIT_STREAMS: return peer->stream_cnt + cnt <= rule->max;
  case SIM_LIMIT_MESSAGES: return sim_window_admits(&peer->messages, rule, x->now_ns, cnt);
  case SIM_LIMIT_SUBSCRIBES: return sim_window_admits(&peer->subscribes, rule, x->now_ns, cnt);
  case SIM_LIMIT_CONNECTS: return sim_window_admits(&x->connects, rule, x->now_ns, cnt);
  case SIM_LIMIT_ARGS_BYTES:
    if (cnt > rule->max - peer->args_bytes) return false;
    peer->args_bytes += cnt;
    return true;
  case SIM_LIMIT_REQUEST_BYTES:
  case SIM_LIMIT_REQUEST_ARGS:
  case SIM_LIMIT_UNANSWERED: return cnt <= rule->max;
  case SIM_LIMIT_UNSUBSCRIBED:
  case SIM_LIMIT_UNPINGED:
  case SIM_LIMIT_QUIET:
  case SIM_LIMIT_CNT: break;
  }
  return true;
}

/* The venue says so, and the connection ends where its rule wants that. */
static void pass(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit) {
  const sim_rule_t *rule = &x->venue->limits[limit];
  x->limits_passed[limit]++;
  if (x->venue->over_limit) x->venue->over_limit(x, peer, limit);
  if (rule->close_code) sim_server_close(x->server, peer, rule->close_code, rule->reason);
}

bool sim_admit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit, uint64_t cnt) {
  if (admits(x, peer, limit, cnt)) return true;
  if (limit == SIM_LIMIT_CONNECTS)
    x->limits_passed[limit]++; /* no websocket yet that could say it */
  else
    pass(x, peer, limit);
  return false;
}

void sim_pinged(sim_exchange_t *x, sim_peer_t *peer) { peer->pinged_ns = x->now_ns; }

void sim_ponged(sim_peer_t *peer) { peer->unanswered_cnt = 0; }

static bool is_over(const sim_exchange_t *x, sim_limit_t limit, uint64_t since_ns) {
  uint64_t ns = x->venue->limits[limit].ns / x->hurry;
  return ns && x->now_ns - since_ns >= ns;
}

/* The venue's own ping, when it is due. */
static void ping(sim_exchange_t *x, sim_peer_t *peer) {
  if (!is_over(x, SIM_LIMIT_UNANSWERED, peer->venue_pinged_ns)) return;
  peer->venue_pinged_ns = x->now_ns;
  if (!sim_admit(x, peer, SIM_LIMIT_UNANSWERED, peer->unanswered_cnt)) return;
  peer->unanswered_cnt++;
  if (x->venue->ping)
    x->venue->ping(x, peer);
  else
    sim_server_ping(x->server, peer);
}

void sim_limits_tick(sim_exchange_t *x, sim_peer_t *peer) {
  if (peer->stream_cnt) peer->unsubscribed_ns = x->now_ns;
  if (is_over(x, SIM_LIMIT_UNSUBSCRIBED, peer->unsubscribed_ns))
    pass(x, peer, SIM_LIMIT_UNSUBSCRIBED);
  else if (is_over(x, SIM_LIMIT_UNPINGED, peer->pinged_ns))
    pass(x, peer, SIM_LIMIT_UNPINGED);
  else if (is_over(x, SIM_LIMIT_QUIET, peer->sent_ns))
    pass(x, peer, SIM_LIMIT_QUIET);
  else
    ping(x, peer);
}

void sim_limits_open(sim_exchange_t *x, sim_peer_t *peer) {
  peer->unsubscribed_ns = peer->pinged_ns = peer->venue_pinged_ns = peer->sent_ns = x->now_ns;
}
