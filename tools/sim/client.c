#include "sim/client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void sim_held_drop(sim_held_t *held) {
  free(held->bytes);
  *held = (sim_held_t){0};
}

bool sim_held_set(sim_held_t *held, const void *bytes, size_t cnt, uint64_t due_ns,
                  uint64_t drip_ns) {
  uint8_t *copy = malloc(cnt);
  if (!copy) return false;
  memcpy(copy, bytes, cnt);
  sim_held_drop(held);
  *held = (sim_held_t){.bytes = copy, .cnt = cnt, .due_ns = due_ns, .drip_ns = drip_ns};
  return true;
}

void sim_client_drop(sim_client_t *c) {
  if (c->phase == PHASE_FREE) return;
  if (c->phase == PHASE_WS) c->server->ws_cnt--;
  if (sim_is_tls(c->server)) tf_tls_fini(&c->tls);
  memset(&c->tls, 0, sizeof c->tls);
  sim_held_drop(&c->answer);
  sim_held_drop(&c->frame);
  sim_held_drop(&c->stalled);
  while (c->later) {
    sim_later_t *next = c->later->next;
    free(c->later);
    c->later = next;
  }
  c->muted_stream = SIM_STREAM_NONE;
  c->phase        = PHASE_FREE;
  c->doomed = c->noticed = false;
}

void sim_client_doom(sim_client_t *c) {
  if (c->doomed) return;
  c->doomed    = true;
  c->doomed_ns = c->server->now_ns;
}

/* ---- to the socket, with faults of the line ---- */

/* From its fault's age to twice that age. */
static bool is_stalled(const sim_client_t *c) {
  const sim_server_t *s      = c->server;
  uint64_t            age_ns = s->now_ns - c->since_ns;
  return c->phase == PHASE_WS && fault_is_due(s->config.faults, SIM_FAULT_STALL, age_ns) &&
         age_ns < 2 * s->config.faults->ns[SIM_FAULT_STALL];
}

static tf_err_t keep_back(sim_held_t *held, const void *bytes, size_t cnt) {
  if (cnt > SIM_STALL_BYTES_MAX - held->cnt) return E_CORE_NO_MEMORY;
  if (held->cnt + cnt > held->cap) {
    size_t   cap  = (held->cnt + cnt) * 2;
    uint8_t *more = realloc(held->bytes, cap);
    if (!more) return E_CORE_NO_MEMORY;
    held->bytes = more;
    held->cap   = cap;
  }
  memcpy(held->bytes + held->cnt, bytes, cnt);
  held->cnt += cnt;
  return TF_OK;
}

/* Each piece by a send of its own, as long as the socket takes them. */
static tf_err_t put_split(sim_client_t *c, const uint8_t *bytes, size_t cnt, size_t piece_bytes) {
  tf_io_t *io = c->server->io;
  c->server->config.faults->done[SIM_FAULT_SPLIT]++;
  while (cnt && !tf_io_send_pending_bytes(io, c->conn)) {
    size_t  piece = cnt < piece_bytes ? cnt : piece_bytes;
    ssize_t sent  = send(c->fd, bytes, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) break;
    bytes += sent;
    cnt -= (size_t)sent;
  }
  return cnt ? tf_io_send(io, c->conn, bytes, cnt) : TF_OK;
}

static tf_err_t put(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  faults_t *faults = c->server->config.faults;
  if (c->stalled.cnt || is_stalled(c)) {
    faults->done[SIM_FAULT_STALL]++;
    return keep_back(&c->stalled, bytes, cnt);
  }
  if (faults->cnt[SIM_FAULT_SPLIT]) return put_split(c, bytes, cnt, faults->cnt[SIM_FAULT_SPLIT]);
  return tf_io_send(c->server->io, c->conn, bytes, cnt);
}

void sim_client_flush(sim_client_t *c) {
  sim_held_t *held = &c->stalled;
  if (!held->cnt || is_stalled(c)) return;
  size_t pending = tf_io_send_pending_bytes(c->server->io, c->conn);
  size_t room = pending < c->server->config.send_bytes ? c->server->config.send_bytes - pending : 0;
  size_t left = held->cnt - held->sent_cnt;
  size_t cnt  = left < room ? left : room;
  if (cnt && tf_io_send(c->server->io, c->conn, held->bytes + held->sent_cnt, cnt) != TF_OK)
    sim_client_doom(c);
  held->sent_cnt += cnt;
  if (held->sent_cnt == held->cnt) sim_held_drop(held);
}

/* Ciphertext that TLS has ready goes to the socket. */
bool sim_client_pump(sim_client_t *c) {
  size_t         cnt;
  const uint8_t *bytes = tf_tls_tx(&c->tls, &cnt);
  if (cnt == 0) return true;
  if (put(c, bytes, cnt) != TF_OK) {
    sim_client_doom(c);
    return false;
  }
  tf_tls_tx_sent(&c->tls, cnt);
  return true;
}

void sim_client_send(sim_client_t *c, const void *bytes, size_t cnt) {
  tf_err_t err = TF_OK;
  if (!sim_is_tls(c->server)) {
    err = put(c, bytes, cnt);
  } else {
    for (size_t at = 0; at < cnt && !err;) { /* TLS memory holds few records */
      size_t run = cnt - at < TF_TLS_RECORD_BYTES_MAX ? cnt - at : TF_TLS_RECORD_BYTES_MAX;
      err        = tf_tls_write(&c->tls, (const uint8_t *)bytes + at, run);
      if (!sim_client_pump(c)) return;
      at += run;
    }
  }
  if (err) {
    if (!c->doomed) c->server->counts.closed_slow++;
    sim_client_doom(c);
  }
}
