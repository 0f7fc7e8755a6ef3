/* The simulated network: endpoints, what is on its way between them, the clock and the seed. */
#include "io/sim.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "io/sim_net.h"

#define ENDPOINTS_MAX  65536u
#define PIPE_BYTES_MAX (64u << 20)
#define PPM            1000000u

tf_sim_config_t tf_sim_config_default(void) {
  return (tf_sim_config_t){
      .seed           = 1,
      .start_ns       = UINT64_C(1700000000) * TF_NS_PER_SEC,
      .endpoints_max  = 128,
      .pipe_bytes     = 128u << 10,
      .latency_ns_min = 5 * TF_NS_PER_US,
      .latency_ns_max = 50 * TF_NS_PER_US,
      .late_ns_max    = 200 * TF_NS_PER_US,
  };
}

/* splitmix64 (Steele, Lea, Flood, 2014): any seed will do, 0 too. */
uint64_t tf_sim_random(tf_sim_t *sim, uint64_t bound) {
  uint64_t x = sim->rng += UINT64_C(0x9E3779B97F4A7C15);
  x          = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x          = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  x ^= x >> 31;
  return bound ? x % bound : 0;
}

/* No draw for a fault of no chance, so that a run without faults is not moved by their list. */
bool tf_sim_strikes(tf_sim_t *sim, tf_sim_fault_t fault) {
  uint32_t chance_ppm = sim->config.chance_ppm[fault];
  if (chance_ppm == 0 || tf_sim_random(sim, PPM) >= chance_ppm) return false;
  sim->injected_cnt[fault]++;
  return true;
}

tf_sim_endpoint_t *tf_sim_endpoint(tf_sim_t *sim, int fd) {
  if (fd < TF_SIM_FD_MIN || (uint32_t)(fd - TF_SIM_FD_MIN) >= sim->config.endpoints_max)
    return NULL;
  tf_sim_endpoint_t *e = &sim->endpoints[fd - TF_SIM_FD_MIN];
  return e->state == TF_SIM_FREE ? NULL : e;
}

int tf_sim_fd(const tf_sim_t *sim, const tf_sim_endpoint_t *e) {
  return TF_SIM_FD_MIN + (int)(e - sim->endpoints);
}

static tf_sim_endpoint_t *peer_of(tf_sim_t *sim, const tf_sim_endpoint_t *e) {
  return e->peer < 0 ? NULL : &sim->endpoints[e->peer];
}

/* ---- on the way ---- */

static uint64_t arrival_ns(tf_sim_t *sim, tf_sim_endpoint_t *target) {
  const tf_sim_config_t *c  = &sim->config;
  uint64_t               at = sim->now_ns + c->latency_ns_min +
                tf_sim_random(sim, (uint64_t)c->latency_ns_max - c->latency_ns_min + 1);
  if (at > target->last_ns) target->last_ns = at;
  return target->last_ns;
}

static void arrive(tf_sim_t *sim, tf_sim_endpoint_t *e) {
  while (e->segment_cnt > 0) {
    tf_sim_segment_t *s = &e->segments[e->segment_head];
    if (s->at_ns > sim->now_ns) return;
    e->arrived      = s->end;
    e->segment_head = (e->segment_head + 1) % TF_SIM_SEGMENTS_MAX;
    e->segment_cnt--;
  }
}

uint64_t tf_sim_readable_bytes(tf_sim_t *sim, tf_sim_endpoint_t *e) {
  arrive(sim, e);
  return e->arrived - e->head;
}

bool tf_sim_has_event(tf_sim_t *sim, tf_sim_endpoint_t *e) {
  if (e->state == TF_SIM_LISTENING) return e->backlog_cnt > 0 && e->backlog_ns[0] <= sim->now_ns;
  return tf_sim_readable_bytes(sim, e) > 0 || e->fin_ns <= sim->now_ns ||
         e->reset_ns <= sim->now_ns || e->reads_no_more;
}

bool tf_sim_has_room(const tf_sim_t *sim, const tf_sim_endpoint_t *e) {
  if (e->reset_ns <= sim->now_ns || e->sent_fin || e->peer < 0) return true;
  const tf_sim_endpoint_t *peer = &sim->endpoints[e->peer];
  return peer->tail - peer->head < peer->pipe_cap;
}

static void earliest(uint64_t *next, uint64_t at_ns, uint64_t now_ns) {
  if (at_ns > now_ns && at_ns < *next) *next = at_ns;
}

uint64_t tf_sim_next_arrival_ns(const tf_sim_t *sim) {
  uint64_t next = TF_SIM_NEVER;
  for (uint32_t i = 0; i < sim->config.endpoints_max; i++) {
    const tf_sim_endpoint_t *e = &sim->endpoints[i];
    if (e->state == TF_SIM_FREE) continue;
    for (uint32_t k = 0; k < e->segment_cnt; k++)
      earliest(&next, e->segments[(e->segment_head + k) % TF_SIM_SEGMENTS_MAX].at_ns, sim->now_ns);
    for (uint32_t k = 0; k < e->backlog_cnt; k++) earliest(&next, e->backlog_ns[k], sim->now_ns);
    earliest(&next, e->fin_ns, sim->now_ns);
    earliest(&next, e->reset_ns, sim->now_ns);
  }
  return next;
}

/* ---- a test's own end, and the port's ---- */

int tf_sim_send(tf_sim_t *sim, int fd, const void *bytes, size_t cnt) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(sim, fd);
  if (!e || e->state != TF_SIM_OPEN) return -ENOTCONN;
  if (e->reset_ns <= sim->now_ns) return -ECONNRESET;
  if (e->sent_fin) return -EPIPE;
  tf_sim_endpoint_t *peer = peer_of(sim, e);
  if (!peer) { /* nobody there: the answer to the first bytes is a reset */
    if (e->reset_ns == TF_SIM_NEVER) e->reset_ns = arrival_ns(sim, e);
    return (int)(cnt < INT32_MAX ? cnt : INT32_MAX);
  }
  uint64_t room = peer->pipe_cap - (peer->tail - peer->head);
  if (cnt > room) cnt = (size_t)room;
  if (cnt == 0) return -EAGAIN;
  size_t at    = (size_t)peer->tail & (peer->pipe_max - 1);
  size_t first = peer->pipe_max - at < cnt ? peer->pipe_max - at : cnt;
  memcpy(peer->pipe + at, bytes, first);
  memcpy(peer->pipe, (const uint8_t *)bytes + first, cnt - first);
  peer->tail += cnt;
  uint64_t at_ns = arrival_ns(sim, peer);
  if (peer->segment_cnt == TF_SIM_SEGMENTS_MAX) peer->segment_cnt--; /* joined to the last one */
  uint32_t idx        = (peer->segment_head + peer->segment_cnt++) % TF_SIM_SEGMENTS_MAX;
  peer->segments[idx] = (tf_sim_segment_t){.end = peer->tail, .at_ns = at_ns};
  return (int)cnt;
}

int tf_sim_recv(tf_sim_t *sim, int fd, void *bytes, size_t cnt) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(sim, fd);
  if (!e || e->state != TF_SIM_OPEN) return -ENOTCONN;
  if (e->reads_no_more) return 0;
  uint64_t readable = tf_sim_readable_bytes(sim, e);
  if (readable == 0) {
    if (e->reset_ns <= sim->now_ns) return -ECONNRESET;
    return e->fin_ns <= sim->now_ns ? 0 : -EAGAIN;
  }
  if (cnt > readable) cnt = (size_t)readable;
  size_t at    = (size_t)e->head & (e->pipe_max - 1);
  size_t first = e->pipe_max - at < cnt ? e->pipe_max - at : cnt;
  memcpy(bytes, e->pipe + at, first);
  memcpy((uint8_t *)bytes + first, e->pipe, cnt - first);
  e->head += cnt;
  return (int)cnt;
}

void tf_sim_shutdown(tf_sim_t *sim, int fd, bool both) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(sim, fd);
  if (!e || e->state != TF_SIM_OPEN) return;
  if (both) e->reads_no_more = true;
  tf_sim_endpoint_t *peer = peer_of(sim, e);
  if (!e->sent_fin && peer) peer->fin_ns = arrival_ns(sim, peer);
  e->sent_fin = true;
}

/* The endpoint is free; what it had sent is still on its way to the peer. */
static void release(tf_sim_t *sim, tf_sim_endpoint_t *e, bool reset) {
  for (uint32_t i = 0; i < e->backlog_cnt; i++) tf_sim_reset(sim, TF_SIM_FD_MIN + e->backlog[i]);
  tf_sim_endpoint_t *peer = peer_of(sim, e);
  if (peer && peer->reset_ns == TF_SIM_NEVER &&
      (reset || (e->tail != e->head && !e->reads_no_more)))
    peer->reset_ns = arrival_ns(sim, peer);
  else if (peer && !e->sent_fin)
    peer->fin_ns = arrival_ns(sim, peer);
  if (peer) peer->peer = -1;
  e->state = TF_SIM_FREE;
  sim->open_cnt--;
}

void tf_sim_close(tf_sim_t *sim, int fd) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(sim, fd);
  if (e) release(sim, e, false);
}

void tf_sim_reset(tf_sim_t *sim, int fd) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(sim, fd);
  if (e) release(sim, e, true);
}

/* What has arrived may still be read; what was on its way is gone. */
static void cut(tf_sim_t *sim, tf_sim_endpoint_t *e) {
  arrive(sim, e);
  e->tail        = e->arrived;
  e->segment_cnt = 0;
  if (e->reset_ns > sim->now_ns) e->reset_ns = sim->now_ns;
}

void tf_sim_break(tf_sim_t *sim, tf_sim_endpoint_t *e) {
  tf_sim_endpoint_t *peer = peer_of(sim, e);
  cut(sim, e);
  if (peer) cut(sim, peer);
}

static int endpoint_take(tf_sim_t *sim, tf_sim_state_t state, uint32_t pipe_bytes) {
  for (uint32_t i = 0; i < sim->config.endpoints_max; i++) {
    tf_sim_endpoint_t *e = &sim->endpoints[i];
    if (e->state != TF_SIM_FREE) continue;
    uint8_t *pipe = sim->pipes + (size_t)i * sim->config.pipe_bytes;
    *e            = (tf_sim_endpoint_t){.state    = state,
                                        .peer     = -1,
                                        .pipe     = pipe,
                                        .pipe_max = sim->config.pipe_bytes,
                                        .pipe_cap = pipe_bytes ? pipe_bytes : sim->config.pipe_bytes,
                                        .fin_ns   = TF_SIM_NEVER,
                                        .reset_ns = TF_SIM_NEVER};
    sim->open_cnt++;
    return (int)i;
  }
  return -EMFILE;
}

int tf_sim_pair(tf_sim_t *sim, uint32_t pipe_bytes, int fds[2]) {
  TF_ASSERT(pipe_bytes <= sim->config.pipe_bytes);
  int a = endpoint_take(sim, TF_SIM_OPEN, pipe_bytes);
  int b = a < 0 ? a : endpoint_take(sim, TF_SIM_OPEN, pipe_bytes);
  if (b < 0) {
    if (a >= 0) tf_sim_close(sim, TF_SIM_FD_MIN + a);
    return b;
  }
  sim->endpoints[a].peer = b;
  sim->endpoints[b].peer = a;
  fds[0]                 = TF_SIM_FD_MIN + a;
  fds[1]                 = TF_SIM_FD_MIN + b;
  return 0;
}

int tf_sim_listener(tf_sim_t *sim) {
  int idx = endpoint_take(sim, TF_SIM_LISTENING, 0);
  return idx < 0 ? idx : TF_SIM_FD_MIN + idx;
}

/* The backlog holds the accepting end; it counts as a descriptor once accepted. */
int tf_sim_connect(tf_sim_t *sim, int listener) {
  tf_sim_endpoint_t *l = tf_sim_endpoint(sim, listener);
  if (!l || l->state != TF_SIM_LISTENING || l->reads_no_more ||
      l->backlog_cnt == TF_SIM_BACKLOG_MAX)
    return -ECONNREFUSED;
  int fds[2];
  int err = tf_sim_pair(sim, 0, fds);
  if (err < 0) return err;
  l->backlog[l->backlog_cnt]      = fds[1] - TF_SIM_FD_MIN;
  l->backlog_ns[l->backlog_cnt++] = arrival_ns(sim, l);
  return fds[0];
}

int tf_sim_accept(tf_sim_t *sim, tf_sim_endpoint_t *l) {
  if (!tf_sim_has_event(sim, l)) return -EAGAIN;
  if (sim->fds_max > 0 && sim->open_cnt >= sim->fds_max) return -EMFILE;
  int idx = l->backlog[0];
  l->backlog_cnt--;
  memmove(l->backlog, l->backlog + 1, l->backlog_cnt * sizeof *l->backlog);
  memmove(l->backlog_ns, l->backlog_ns + 1, l->backlog_cnt * sizeof *l->backlog_ns);
  return TF_SIM_FD_MIN + idx;
}

/* ---- the clock, the chances, the account ---- */

uint64_t tf_sim_now_ns(const tf_sim_t *sim) { return sim->now_ns; }
void     tf_sim_advance(tf_sim_t *sim, uint64_t ns) { sim->now_ns += ns; }
void     tf_sim_limit_fds(tf_sim_t *sim, uint32_t fds_max) { sim->fds_max = fds_max; }
uint32_t tf_sim_open_fds(const tf_sim_t *sim) { return sim->open_cnt; }
uint64_t tf_sim_trace_hash(const tf_sim_t *sim) { return sim->trace_hash; }

void tf_sim_set_chance(tf_sim_t *sim, tf_sim_fault_t fault, uint32_t chance_ppm) {
  sim->config.chance_ppm[fault] = chance_ppm;
}

uint64_t tf_sim_injected_cnt(const tf_sim_t *sim, tf_sim_fault_t fault) {
  return sim->injected_cnt[fault];
}

static tf_err_t config_check(const tf_sim_config_t *c) {
  if (c->endpoints_max < 2 || c->endpoints_max > ENDPOINTS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "simulator: endpoints_max %u: 2 to %u", c->endpoints_max,
                  ENDPOINTS_MAX);
  if (!tf_is_pow2(c->pipe_bytes) || c->pipe_bytes > PIPE_BYTES_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "simulator: pipe_bytes %u: a power of two, 1 to %u",
                  c->pipe_bytes, PIPE_BYTES_MAX);
  if (c->latency_ns_min > c->latency_ns_max)
    return TF_ERR(E_CORE_ARGUMENT, "simulator: latency_ns_min %u over latency_ns_max %u",
                  c->latency_ns_min, c->latency_ns_max);
  return TF_OK;
}

size_t tf_sim_arena_bytes(const tf_sim_config_t *config) {
  return sizeof(tf_sim_t) +
         (size_t)config->endpoints_max * (sizeof(tf_sim_endpoint_t) + config->pipe_bytes) +
         4 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_sim_init(const tf_sim_config_t *config, tf_arena_t *arena, tf_sim_t **out) {
  *out         = NULL;
  tf_err_t err = config_check(config);
  if (err) return err;
  uint32_t  cnt = config->endpoints_max;
  tf_sim_t *sim = tf_arena_take(arena, sizeof *sim, TF_LINE_PAIR_BYTES);
  if (!sim) return tf_error_add(E_CORE_ARENA_FULL, "opening the simulator");
  sim->endpoints = tf_arena_take(arena, cnt * sizeof *sim->endpoints, TF_LINE_PAIR_BYTES);
  sim->pipes     = tf_arena_take(arena, (size_t)cnt * config->pipe_bytes, TF_LINE_PAIR_BYTES);
  if (!sim->endpoints || !sim->pipes)
    return tf_error_add(E_CORE_ARENA_FULL, "opening the simulator");
  sim->config = *config;
  sim->now_ns = config->start_ns;
  sim->rng    = config->seed;
  *out        = sim;
  return TF_OK;
}
