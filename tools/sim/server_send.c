/* The server's messages to websockets: framing, the faults of messages, and what a connection's age brings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "faults/random.h"
#include "sim/client.h"
#include "sim/market.h"
#include "sim/mutate.h"

#define NOTICE_NS TF_NS_PER_SEC /* between a shutdown's notice and the close */

/* One frame, unless the connection's age says otherwise. */
static void send_frame(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  sim_server_t *s      = c->server;
  faults_t     *faults = s->config.faults;
  uint64_t      age_ns = s->now_ns - c->since_ns;
  if (fault_is_due(faults, SIM_FAULT_MUTE, age_ns)) {
    faults->done[SIM_FAULT_MUTE]++;
    return;
  }
  bool is_cut = fault_is_due(faults, SIM_FAULT_CLOSE, age_ns);
  sim_client_send(c, bytes, is_cut ? cnt / 2 : cnt);
  c->peer.sent_ns = s->now_ns;
  s->counts.frames++;
  if (!is_cut) return;
  faults->done[SIM_FAULT_CLOSE]++;
  sim_client_doom(c);
}

/* The message as a frame in s->frame; its length, 0 where it cannot be sent any more. */
static size_t write_frame(sim_client_t *c, const char *text, size_t cnt) {
  sim_server_t *s = c->server;
  if (s->config.framing == SIM_FRAMING_TEXT)
    return tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, TF_WS_TEXT, text, cnt);
  const void *bytes = text;
  if (s->config.framing == SIM_FRAMING_GZIP) {
    deflateReset(&s->gzip);
    s->gzip.next_in   = (z_const Bytef *)(uintptr_t)text;
    s->gzip.avail_in  = (uInt)cnt;
    s->gzip.next_out  = s->gzipped;
    s->gzip.avail_out = sizeof s->gzipped;
    if (deflate(&s->gzip, Z_FINISH) != Z_STREAM_END) return 0;
    bytes = s->gzipped;
    cnt   = sizeof s->gzipped - s->gzip.avail_out;
  }
  return tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, TF_WS_BINARY, bytes, cnt);
}

/* The text as a fault leaves it, in *text and *cnt: at most one mutation a message. What finds nothing in it
 * that it could change is not done. */
static void mutate(sim_server_t *s, uint32_t stream, const char **text, size_t *cnt) {
  static const struct {
    sim_fault_t    fault;
    sim_mutation_t mutation;
  } rows[] = {
      {SIM_FAULT_FIELD_MISSING, SIM_MUTATE_FIELD_MISSING},
      {SIM_FAULT_FIELD_NEW,     SIM_MUTATE_FIELD_NEW    },
      {SIM_FAULT_FIELD_NULL,    SIM_MUTATE_FIELD_NULL   },
      {SIM_FAULT_FIELD_RENAMED, SIM_MUTATE_FIELD_RENAMED},
      {SIM_FAULT_FIELD_TYPE,    SIM_MUTATE_FIELD_TYPE   },
      {SIM_FAULT_NUMBER,        SIM_MUTATE_NUMBER       },
      {SIM_FAULT_TIME_FIELD,    SIM_MUTATE_TIME         },
      {SIM_FAULT_TYPE_UNKNOWN,  SIM_MUTATE_TYPE_UNKNOWN }
  };
  faults_t *faults  = s->config.faults;
  size_t    mutated = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows) && !mutated; i++) {
    if (!sim_server_hits(s, rows[i].fault)) continue;
    mutated =
        sim_mutate(rows[i].mutation, &faults->rng, *text, *cnt, s->mutated, sizeof s->mutated);
    if (!mutated) fault_missed(faults, rows[i].fault);
  }
  const char *name = stream == SIM_STREAM_NONE
                         ? NULL
                         : s->config.service.symbol_name(s->config.service.self, stream);
  if (!mutated && name && sim_server_hits(s, SIM_FAULT_SYMBOL)) {
    mutated = sim_mutate_name(name, tool_random(&faults->rng) % 4 == 0, *text, *cnt, s->mutated,
                              sizeof s->mutated);
    if (!mutated) fault_missed(faults, SIM_FAULT_SYMBOL);
  }
  if (!mutated) return;
  *text = s->mutated;
  *cnt  = mutated;
}

/* A fault keeps this message from this client. */
static bool is_muted(sim_client_t *c, uint32_t stream, sim_message_kind_t kind) {
  faults_t *faults = c->server->config.faults;
  uint64_t  age_ns = c->server->now_ns - c->since_ns;
  if (kind != SIM_MESSAGE_DATA && kind != SIM_MESSAGE_BOOK) return false;
  if (fault_is_due(faults, SIM_FAULT_MUTE_DATA, age_ns)) {
    faults->done[SIM_FAULT_MUTE_DATA]++;
    return true;
  }
  if (stream == SIM_STREAM_NONE || !fault_is_due(faults, SIM_FAULT_MUTE_STREAM, age_ns))
    return false;
  if (c->muted_stream == SIM_STREAM_NONE) c->muted_stream = stream;
  if (c->muted_stream != stream) return false;
  faults->done[SIM_FAULT_MUTE_STREAM]++;
  return true;
}

static void send_message(sim_client_t *c, const char *text, size_t cnt, sim_message_kind_t kind) {
  sim_server_t *s = c->server;
  if (kind == SIM_MESSAGE_BOOK && sim_server_hits(s, SIM_FAULT_GAP)) return;
  size_t frame_cnt = write_frame(c, text, cnt);
  if (frame_cnt == 0) return;
  if (c->ws.deflate) s->counts.deflated++;
  if (kind == SIM_MESSAGE_ANSWER) {
    send_frame(c, s->frame, frame_cnt);
    return;
  }
  if (cnt && sim_server_hits(s, SIM_FAULT_CORRUPT)) {
    size_t payload_cnt = cnt < frame_cnt ? cnt : frame_cnt / 2; /* deflated: its later half */
    s->frame[frame_cnt - 1 - tool_random(&s->config.faults->rng) % payload_cnt] ^= 0x15;
  }
  if (!c->frame.bytes && sim_server_hits(s, SIM_FAULT_REORDER)) {
    sim_held_set(&c->frame, s->frame, frame_cnt, 0, 0);
    return;
  }
  send_frame(c, s->frame, frame_cnt);
  if (!c->doomed && sim_server_hits(s, SIM_FAULT_DUP)) send_frame(c, s->frame, frame_cnt);
  if (!c->doomed && c->frame.bytes) send_frame(c, c->frame.bytes, c->frame.cnt);
  sim_held_drop(&c->frame);
}

void sim_server_send(sim_server_t *s, sim_peer_t *peer, uint32_t stream, const char *text,
                     size_t cnt, sim_message_kind_t kind) {
  sim_client_t        *c       = (sim_client_t *)peer;
  const sim_service_t *service = &s->config.service;
  if (c->phase != PHASE_WS || c->doomed || is_muted(c, stream, kind)) return;
  size_t wrapped_cnt = service->wrap ? service->wrap(service->self, peer, stream, text, cnt,
                                                     s->wrapped, sizeof s->wrapped)
                                     : 0;
  if (wrapped_cnt) {
    text = s->wrapped;
    cnt  = wrapped_cnt;
  }
  if (kind == SIM_MESSAGE_DATA || kind == SIM_MESSAGE_BOOK) mutate(s, stream, &text, &cnt);
  send_message(c, text, cnt, kind);
}

void sim_server_send_later(sim_server_t *s, sim_peer_t *peer, const char *text, size_t cnt,
                           uint64_t due_ns) {
  (void)s;
  sim_later_t **at    = &((sim_client_t *)peer)->later;
  sim_later_t  *later = malloc(sizeof *later + cnt);
  if (!later) return;
  *later = (sim_later_t){.due_ns = due_ns, .cnt = cnt};
  memcpy(later->text, text, cnt);
  while (*at) at = &(*at)->next;
  *at = later;
}

static void send_what_waited(sim_client_t *c) {
  for (sim_later_t **at = &c->later; *at && !c->doomed;) {
    sim_later_t *later = *at;
    if (c->server->now_ns < later->due_ns) {
      at = &later->next;
      continue;
    }
    sim_server_send(c->server, &c->peer, SIM_STREAM_NONE, later->text, later->cnt,
                    SIM_MESSAGE_ANSWER);
    *at = later->next;
    free(later);
  }
}

void sim_server_broadcast(sim_server_t *s, uint32_t stream, const char *text, size_t cnt,
                          sim_message_kind_t kind) {
  s->counts.messages++;
  for (uint32_t i = 0; i < s->config.clients_max && s->ws_cnt; i++)
    if (sim_bit(s->clients[i].peer.streams, stream))
      sim_server_send(s, &s->clients[i].peer, stream, text, cnt, kind);
}

sim_peer_t *sim_server_peer(sim_server_t *s, uint32_t idx) {
  for (uint32_t i = 0; i < s->config.clients_max; i++)
    if (s->clients[i].phase == PHASE_WS && !s->clients[i].doomed && idx-- == 0)
      return &s->clients[i].peer;
  return NULL;
}

bool sim_server_is_heard(const sim_server_t *s, uint32_t stream) {
  for (uint32_t i = 0; i < s->config.clients_max && s->ws_cnt; i++)
    if (s->clients[i].phase == PHASE_WS && sim_bit(s->clients[i].peer.streams, stream)) return true;
  return false;
}

void sim_server_close(sim_server_t *s, sim_peer_t *peer, uint16_t code, const char *reason) {
  sim_client_t *c = (sim_client_t *)peer;
  uint8_t       frame[TF_WS_CONTROL_BYTES_MAX + TF_WS_HEADER_BYTES_MAX];
  (void)s;
  if (c->phase != PHASE_WS || c->doomed) return;
  if (code != SIM_CLOSE_CUT) {
    size_t cnt = tf_ws_write_close(&c->ws, frame, sizeof frame, code, reason);
    sim_client_send(c, frame, cnt);
  }
  sim_client_doom(c);
}

void sim_server_ping(sim_server_t *s, sim_peer_t *peer) {
  sim_client_t *c = (sim_client_t *)peer;
  uint8_t       frame[TF_WS_HEADER_BYTES_MAX + 24];
  char          payload[24]; /* the time in ms, as venues send it */
  if (c->phase != PHASE_WS || c->doomed) return;
  int payload_cnt =
      snprintf(payload, sizeof payload, "%llu", (unsigned long long)(s->now_ns / TF_NS_PER_MS));
  size_t cnt = tf_ws_write_frame(&c->ws, frame, sizeof frame, TF_WS_PING, true, payload,
                                 (size_t)payload_cnt);
  if (cnt) send_frame(c, frame, cnt);
}

/* ---- what a connection's age brings ---- */

static void close_politely(sim_client_t *c, const char *reason) {
  sim_server_close(c->server, &c->peer, TF_WS_CLOSE_GOING_AWAY, reason);
}

/* RST instead of FIN. */
static void reset(sim_client_t *c) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  tf_io_close(c->server->io, c->conn);
  sim_client_drop(c);
}

static void age(sim_client_t *c) {
  sim_server_t *s      = c->server;
  faults_t     *faults = s->config.faults;
  uint64_t      age_ns = s->now_ns - c->since_ns;
  if (s->config.life_ns && age_ns > s->config.life_ns) {
    s->counts.lives_ended++;
    close_politely(c, "");
  } else if (fault_is_due(faults, SIM_FAULT_SHUTDOWN, age_ns)) {
    if (!c->noticed) {
      c->noticed = true;
      faults->done[SIM_FAULT_SHUTDOWN]++;
      s->config.service.on_shutdown(s->config.service.self, &c->peer);
    } else if (age_ns > faults->ns[SIM_FAULT_SHUTDOWN] + NOTICE_NS) {
      close_politely(c, "server shutdown");
    }
  } else if (fault_is_due(faults, SIM_FAULT_RESET, age_ns)) {
    faults->done[SIM_FAULT_RESET]++;
    reset(c);
  }
}

void sim_send_pass(sim_client_t *c) {
  age(c);
  if (c->phase == PHASE_WS && !c->doomed) send_what_waited(c);
}
