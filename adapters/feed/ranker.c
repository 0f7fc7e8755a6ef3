#include "feed/ranker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

#define MESSAGE_BYTES_MAX ((size_t)256 << 10) /* before any subscription: greetings */
#define FRAME_BYTES       256
#define RX_BYTES          16384

/* One endpoint being measured. */
typedef struct probe {
  tf_dial_t dial;
  tf_ws_t   ws;
  uint8_t   frame[FRAME_BYTES];
  uint8_t   rx[RX_BYTES + TF_BYTES_PAD];
  uint8_t   plain[TF_TLS_RECORD_BYTES_MAX + TF_BYTES_PAD];
  uint8_t   tls_tx[TF_TLS_TX_BYTES_MIN];
  uint8_t   leftover[TF_DIAL_LEFTOVER_BYTES + TF_BYTES_PAD];
  uint8_t   assembly[]; /* tf_ws_assembly_bytes(MESSAGE_BYTES_MAX) */
} probe_t;

/* ---- one connection, waited for ---- */

static void ignore(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self;
  (void)opcode;
  (void)bytes;
  (void)cnt;
}

static bool is_tls(const probe_t *p) { return p->dial.endpoint->tls_ctx != NULL; }

static bool send_all(probe_t *p, const uint8_t *bytes, size_t cnt) {
  while (cnt > 0) {
    ssize_t sent = send(p->dial.fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent <= 0) return false; /* a ping fits any send buffer: one that does not go is broken */
    bytes += sent;
    cnt -= (size_t)sent;
  }
  return true;
}

static bool flush_tls(probe_t *p) {
  size_t         cnt;
  const uint8_t *bytes = tf_tls_tx(&p->dial.tls, &cnt);
  if (!send_all(p, bytes, cnt)) return false;
  tf_tls_tx_sent(&p->dial.tls, cnt);
  return true;
}

static bool send_frame(probe_t *p, size_t cnt) {
  if (!is_tls(p)) return send_all(p, p->frame, cnt);
  return tf_tls_write(&p->dial.tls, p->frame, cnt) == TF_OK && flush_tls(p);
}

static bool take(probe_t *p, size_t cnt) {
  if (!is_tls(p)) return tf_ws_feed(&p->ws, p->rx, cnt) == TF_OK;
  tf_tls_feed(&p->dial.tls, p->rx, cnt);
  for (;;) {
    int plain_cnt = tf_tls_read(&p->dial.tls, p->plain, TF_TLS_RECORD_BYTES_MAX);
    if (plain_cnt < 0) return false;
    if (plain_cnt == 0) return flush_tls(p);
    if (tf_ws_feed(&p->ws, p->plain, (size_t)plain_cnt) != TF_OK) return false;
  }
}

/* Reads until another pong has come. False: none did in time, or the connection broke. */
static bool await_pong(probe_t *p, uint64_t deadline_ns) {
  uint64_t before = p->ws.counts.pongs;
  while (p->ws.counts.pongs == before) {
    uint64_t now_ns = tf_clock_monotonic_ns();
    if (now_ns >= deadline_ns || p->ws.state != TF_WS_OPEN) return false;
    struct pollfd fd = {.fd = p->dial.fd, .events = POLLIN};
    if (poll(&fd, 1, (int)((deadline_ns - now_ns) / TF_NS_PER_MS) + 1) < 0 && errno != EINTR)
      return false;
    ssize_t cnt = recv(p->dial.fd, p->rx, RX_BYTES, MSG_DONTWAIT);
    if (cnt == 0 || (cnt < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (cnt > 0 && !take(p, (size_t)cnt)) return false;
  }
  return true;
}

static bool is_stopping(const tf_ranker_config_t *config) {
  /* relaxed: a stop flag; nothing else is read on its word */
  return config->stopping != NULL && tf_load_relaxed_u32(config->stopping) != 0;
}

static void ping(probe_t *p, const tf_ranker_config_t *config, tf_ranker_row_t *row) {
  tf_ws_config_t  ws      = {.role              = TF_WS_CLIENT,
                             .message_bytes_max = MESSAGE_BYTES_MAX,
                             .utf8_unchecked    = true,
                             .random            = config->random};
  tf_ws_handler_t handler = {.on_message = ignore, .on_control = ignore};
  if (tf_ws_init(&p->ws, &ws, &handler, p->assembly) != TF_OK) return;
  if (tf_ws_feed(&p->ws, p->leftover, p->dial.leftover_cnt) != TF_OK) return;
  for (uint32_t i = 0; i < TF_RANKER_PINGS && !is_stopping(config); i++) {
    size_t   cnt = tf_ws_write_frame(&p->ws, p->frame, sizeof p->frame, TF_WS_PING, true, NULL, 0);
    uint64_t begin_ns = tf_clock_monotonic_ns();
    if (!send_frame(p, cnt) || !await_pong(p, begin_ns + TF_RANKER_PING_WAIT_NS)) break;
    uint64_t trip_ns = tf_clock_monotonic_ns() - begin_ns;
    if (row->pong_cnt++ == 0 || trip_ns < row->ping_ns) row->ping_ns = trip_ns;
  }
  size_t cnt = tf_ws_write_close(&p->ws, p->frame, sizeof p->frame, TF_WS_CLOSE_NORMAL, NULL);
  if (cnt > 0) send_frame(p, cnt);
}

/* ---- all of them ---- */

static void dial_all(const tf_ranker_config_t *config, tf_dialer_client_t *client,
                     probe_t **probes) {
  for (uint32_t i = 0; i < config->endpoint_cnt; i++) {
    tf_dial_t *dial = &probes[i]->dial;
    tf_dial_init(dial, probes[i]->tls_tx, sizeof probes[i]->tls_tx, probes[i]->leftover);
    dial->kind     = TF_DIAL_WEBSOCKET;
    dial->endpoint = &config->endpoints[i];
    dial->why      = "rank";
    snprintf(dial->target, sizeof dial->target, "%s", config->target);
    for (size_t k = 0; k < sizeof dial->nonce; k += sizeof(uint32_t)) {
      uint32_t word = config->random.u32(config->random.self);
      memcpy(dial->nonce + k, &word, sizeof word);
    }
    bool posted = tf_dialer_submit(config->dialer, client, dial);
    TF_ASSERT(posted); /* TF_ENDPOINTS_MAX fit the hand-off */
  }
}

TF_STATIC_ASSERT(TF_ENDPOINTS_MAX < TF_HANDOFF_SLOTS, "all dials may be out at once");

static void settle(const tf_ranker_config_t *config, probe_t *p, tf_ranker_row_t *row) {
  row->err   = p->dial.err;
  row->phase = p->dial.phase;
  snprintf(row->text, sizeof row->text, "%s", p->dial.text);
  tf_address_text(&p->dial.peer, row->address);
  memcpy(row->phase_ns, p->dial.phase_ns, sizeof row->phase_ns);
  if (p->dial.err == TF_OK) ping(p, config, row);
}

static tf_err_t measure(const tf_ranker_config_t *config, tf_dialer_client_t *client,
                        probe_t **probes, tf_ranker_row_t *rows) {
  dial_all(config, client, probes);
  for (uint32_t left = config->endpoint_cnt; left > 0;) {
    if (is_stopping(config)) return TF_ERR(E_FEED_CLOSED, "the measuring of endpoints was stopped");
    tf_dial_t *back = tf_dialer_take(client);
    if (!back) {
      poll(NULL, 0, 1);
      continue;
    }
    for (uint32_t i = 0; i < config->endpoint_cnt; i++)
      if (back == &probes[i]->dial) settle(config, probes[i], &rows[i]);
    left--;
  }
  return TF_OK;
}

static bool is_shorter(uint64_t a_ns, uint64_t b_ns) {
  return a_ns + a_ns / TF_RANKER_MARGIN_PART + TF_RANKER_MARGIN_NS < b_ns;
}

/* Whether a goes before b, which is before it so far. */
static bool passes(const tf_ranker_row_t *a, const tf_ranker_row_t *b, bool a_has_failed,
                   bool by_ping) {
  if ((a->err == TF_OK) != (b->err == TF_OK)) return a->err == TF_OK;
  if (a->err != TF_OK || a_has_failed) return false;
  return by_ping ? is_shorter(a->ping_ns, b->ping_ns)
                 : is_shorter(a->phase_ns[TF_DIAL_UPGRADE], b->phase_ns[TF_DIAL_UPGRADE]);
}

void tf_ranker_order(const tf_ranker_row_t *rows, uint32_t cnt, const tf_ranking_order_t *before,
                     uint8_t best_first[TF_ENDPOINTS_MAX]) {
  bool by_ping = true;
  for (uint32_t i = 0; i < cnt; i++) by_ping = by_ping && (rows[i].err || rows[i].pong_cnt > 0);
  for (uint32_t place = 0; place < cnt; place++) {
    uint8_t  idx = before->best_first[place];
    uint32_t at  = place;
    for (;
         at > 0 && passes(&rows[idx], &rows[best_first[at - 1]], before->has_failed[idx], by_ping);
         at--)
      best_first[at] = best_first[at - 1];
    best_first[at] = idx;
  }
}

tf_err_t tf_ranker_measure(const tf_ranker_config_t *config, tf_ranker_row_t *rows) {
  tf_dialer_client_t client;
  probe_t           *probes[TF_ENDPOINTS_MAX] = {0};
  TF_ASSERT(config->endpoint_cnt >= 1 && config->endpoint_cnt <= TF_ENDPOINTS_MAX);
  memset(rows, 0, config->endpoint_cnt * sizeof *rows);
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < config->endpoint_cnt && !err; i++) {
    probes[i] = calloc(1, sizeof(probe_t) + tf_ws_assembly_bytes(MESSAGE_BYTES_MAX));
    if (!probes[i]) err = TF_ERR(E_CORE_NO_MEMORY, "for the measuring of %u endpoints", i + 1);
  }
  if (!err) err = tf_dialer_join(config->dialer, &client);
  if (!err) {
    err = measure(config, &client, probes, rows);
    tf_dialer_leave(config->dialer, &client); /* all dials are ours again */
    for (uint32_t i = 0; i < config->endpoint_cnt; i++) tf_dial_fini(&probes[i]->dial);
  }
  for (uint32_t i = 0; i < config->endpoint_cnt; i++) free(probes[i]);
  return err;
}
