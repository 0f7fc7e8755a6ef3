#include "feed/link.h"

#include <string.h>
#include <unistd.h>

#include "core/error.h"

#define PLAIN_BYTES TF_TLS_RECORD_BYTES_MAX

/* ---- sending ---- */

/* Moves ciphertext to the loop as far as it takes it; the rest goes with a later tick. */
static void tls_flush(tf_link_t *link) {
  tf_tls_t *tls = &link->dial.tls;
  size_t    cnt;
  for (;;) {
    const uint8_t *bytes = tf_tls_tx(tls, &cnt);
    if (cnt == 0 || tf_io_send(link->io, link->conn, bytes, cnt) != TF_OK) return;
    tf_tls_tx_sent(tls, cnt);
  }
}

static bool is_tls(const tf_link_t *link) { return link->dial.endpoint->tls_ctx != NULL; }

/* A whole frame or nothing. */
static bool send_frame(tf_link_t *link, size_t cnt) {
  if (cnt == 0) return false;
  if (!is_tls(link)) return tf_io_send(link->io, link->conn, link->frame, cnt) == TF_OK;
  tf_err_t err = tf_tls_write(&link->dial.tls, link->frame, cnt);
  tls_flush(link);
  return err == TF_OK;
}

static bool may_send(const tf_link_t *link) {
  return link->state == TF_LINK_UP && link->now_ns >= link->send_due_ns;
}

static void sent_one(tf_link_t *link) {
  link->send_due_ns = link->now_ns + link->config.client_gap_ns;
}

bool tf_link_send_text(tf_link_t *link, const char *text, size_t cnt) {
  if (!may_send(link)) return false;
  if (!send_frame(link, tf_ws_write_message(&link->ws, link->frame, link->frame_cap, TF_WS_TEXT,
                                            text, cnt)))
    return false;
  sent_one(link);
  return true;
}

static int send_reply(tf_link_t *link) {
  if (link->reply_cnt == 0 || !tf_link_send_text(link, link->reply, link->reply_cnt)) return 0;
  link->reply_cnt = 0;
  return 1;
}

void tf_link_reply(tf_link_t *link, const char *text, size_t cnt) {
  TF_ASSERT(cnt <= sizeof link->reply);
  memcpy(link->reply, text, cnt);
  link->reply_cnt = (uint32_t)cnt;
  send_reply(link);
}

/* The oldest of the decoder's requests, behind any echo. */
static int send_request(tf_link_t *link) {
  if (link->request_cnt == 0 || link->reply_cnt > 0) return 0;
  const tf_link_text_t *text = &link->requests[link->request_at];
  if (!tf_link_send_text(link, text->bytes, text->bytes_cnt)) return 0;
  link->request_at = (link->request_at + 1) % TF_LINK_REQUESTS_MAX;
  link->request_cnt--;
  return 1;
}

bool tf_link_ask(tf_link_t *link, const char *text, size_t cnt) {
  TF_ASSERT(cnt <= TF_FEED_REPLY_BYTES);
  for (uint32_t i = 0; i < link->request_cnt; i++) {
    const tf_link_text_t *one = &link->requests[(link->request_at + i) % TF_LINK_REQUESTS_MAX];
    if (one->bytes_cnt == cnt && memcmp(one->bytes, text, cnt) == 0) return true;
  }
  if (link->request_cnt == TF_LINK_REQUESTS_MAX) return false;
  tf_link_text_t *to =
      &link->requests[(link->request_at + link->request_cnt++) % TF_LINK_REQUESTS_MAX];
  to->bytes_cnt = (uint32_t)cnt;
  memcpy(to->bytes, text, cnt);
  send_request(link);
  return true;
}

/* ---- ending ---- */

static tf_link_ledger_t ledger_of(const tf_ws_counts_t *c, bool faulted) {
  tf_link_ledger_t l = {.rx = c->bytes_rx, .framed = c->bytes_framed, .partial = c->bytes_partial};
  for (int i = 0; faulted && i < TF_WS_FAULT_CNT; i++) l.rejected += c->bytes_rejected[i];
  return l;
}

static bool may_have_rejected(const tf_link_t *link) {
  return link->ws.state != TF_WS_OPEN || link->ws.fault != TF_WS_FAULT_NONE;
}

tf_link_ledger_t tf_link_ledger(const tf_link_t *link) {
  tf_link_ledger_t sum = link->past;
  if (link->state != TF_LINK_UP) return sum;
  tf_link_ledger_t live = ledger_of(&link->ws.counts, may_have_rejected(link));
  sum.rx += live.rx;
  sum.framed += live.framed;
  sum.partial += live.partial;
  sum.rejected += live.rejected;
  return sum;
}

static void release(tf_link_t *link) {
  if (link->conn != TF_IO_CONN_NONE) tf_io_close(link->io, link->conn);
  link->conn  = TF_IO_CONN_NONE;
  link->state = TF_LINK_IDLE;
}

/* Over for the session. The socket stays for a moment if last bytes of ours are to leave. */
static void finish(tf_link_t *link, tf_link_end_t end, tf_err_t err, bool drain) {
  link->past         = tf_link_ledger(link);
  link->end          = end;
  link->end_err      = err;
  link->state        = TF_LINK_DRAINING;
  link->drain_due_ns = link->now_ns + link->config.drain_ns;
  if (drain && is_tls(link)) {
    tf_tls_shutdown(&link->dial.tls);
    tls_flush(link);
  }
  if (!drain) release(link);
  link->handler.on_received(link->handler.self, link);
  link->handler.on_end(link->handler.self, link);
}

void tf_link_close(tf_link_t *link, tf_link_end_t end, uint16_t close_code) {
  if (link->state != TF_LINK_UP) return;
  if (link->feeding) {
    tf_ws_stop(&link->ws);
    link->close_end  = end;
    link->close_code = close_code;
    return;
  }
  send_frame(link, tf_ws_write_close(&link->ws, link->frame, link->frame_cap, close_code, NULL));
  finish(link, end, TF_OK, true);
}

/* What there is to say after the parser was fed: our own close, the peer's, or a violation. */
static void settle(tf_link_t *link, tf_err_t err) {
  tf_ws_state_t state = (tf_ws_state_t)link->ws.state;
  if (link->close_end != TF_LINK_END_NONE) {
    tf_link_close(link, link->close_end, link->close_code);
  } else if (state == TF_WS_FAILED || state == TF_WS_CLOSE_RECEIVED || state == TF_WS_CLOSED) {
    send_frame(link, tf_ws_write_close_answer(&link->ws, link->frame, link->frame_cap));
    link->peer_close_code = link->ws.peer_close_code;
    finish(link, err != TF_OK ? TF_LINK_END_PROTOCOL : TF_LINK_END_PEER_CLOSE, err, true);
  }
}

/* ---- receiving ---- */

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  tf_link_t *link = self;
  if (link->state != TF_LINK_UP) return;
  link->data_ns = link->now_ns;
  link->message_cnt++;
  link->handler.on_message(link->handler.self, link, opcode, bytes, cnt);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)bytes;
  (void)cnt;
  tf_link_t *link = self;
  if (opcode == TF_WS_PING) link->pings_rx++;
}

/* Plaintext into the parser. False: the link is over. */
static bool feed(tf_link_t *link, const uint8_t *bytes, size_t cnt) {
  link->feeding = true;
  tf_err_t err  = tf_ws_feed(&link->ws, bytes, cnt);
  link->feeding = false;
  settle(link, err);
  return link->state == TF_LINK_UP;
}

static void tls_ended(tf_link_t *link, tf_err_t err) {
  tls_flush(link);
  if (err == TF_OK) tf_ws_eof(&link->ws);
  finish(link, err != TF_OK ? TF_LINK_END_TLS : TF_LINK_END_EOF, err, true);
}

static void feed_cipher(tf_link_t *link, const uint8_t *bytes, size_t cnt) {
  tf_tls_t *tls = &link->dial.tls;
  if (cnt > 0) tf_tls_feed(tls, bytes, cnt);
  for (;;) {
    int plain_cnt = tf_tls_read(tls, link->plain, PLAIN_BYTES);
    if (plain_cnt > 0) {
      if (!feed(link, link->plain, (size_t)plain_cnt)) return;
    } else if (plain_cnt < 0) {
      tls_ended(link, plain_cnt);
      return;
    } else if (tls->state == TF_TLS_CLOSED) {
      tls_ended(link, TF_OK);
      return;
    } else {
      tls_flush(link);
      return;
    }
  }
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)conn;
  tf_link_t *link = self;
  if (link->state != TF_LINK_UP) return; /* draining: what still comes is nobody's */
  link->rx_ns   = link->now_ns;
  link->recv_ns = recv_ns;
  link->ping_ns = 0; /* any byte is a sign of life */
  if (is_tls(link))
    feed_cipher(link, bytes, cnt);
  else
    feed(link, bytes, cnt);
  if (link->state == TF_LINK_UP) link->handler.on_received(link->handler.self, link);
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn;
  tf_link_t *link = self;
  link->conn      = TF_IO_CONN_NONE;
  if (link->state == TF_LINK_DRAINING) link->state = TF_LINK_IDLE;
  if (link->state != TF_LINK_UP) return;
  link->end_errno = sys_errno;
  tf_err_t err    = TF_OK;
  if (sys_errno == 0 && is_tls(link)) {
    err = tf_tls_eof(&link->dial.tls);
  }
  tf_ws_eof(&link->ws);
  if (sys_errno != 0)
    finish(link, TF_LINK_END_RESET, E_IO_SYSTEM, false);
  else
    finish(link, err != TF_OK ? TF_LINK_END_TLS : TF_LINK_END_EOF, err, false);
}

/* ---- life ---- */

void tf_link_start(tf_link_t *link, uint64_t now_ns) {
  tf_ws_config_t config = {.role              = TF_WS_CLIENT,
                           .message_bytes_max = link->config.message_bytes_max,
                           .fragments_max     = link->config.fragments_max,
                           .utf8_unchecked    = true, /* the feed's scanner checks it */
                           .random            = link->config.random};
  if (link->dial.deflate_agreed) {
    tf_err_t started = tf_ws_deflate_start(&link->deflate, false, &link->dial.deflate);
    TF_ASSERT(started == TF_OK); /* its memory holds every window that can be agreed on */
    config.deflate = &link->deflate;
  }
  tf_ws_handler_t handler = {.self = link, .on_message = on_message, .on_control = on_control};
  tf_err_t        err     = tf_ws_init(&link->ws, &config, &handler, link->assembly);
  TF_ASSERT(err == TF_OK); /* the same config passed tf_link_init */
  link->state  = TF_LINK_UP;
  link->now_ns = link->up_ns = link->rx_ns = link->data_ns = now_ns;
  link->end                                                = TF_LINK_END_NONE;
  link->end_err                                            = TF_OK;
  link->peer_close_code                                    = 0;
  link->ping_ns                                            = 0;
  link->close_end                                          = TF_LINK_END_NONE;
  link->send_due_ns                                        = 0;
  link->pong_due_ns                                        = 0;
  link->pings_sent                                         = 0;
  link->is_doubtful                                        = false;
  link->message_cnt                                        = 0;
  link->subscribe_idx                                      = 0;
  link->subscribed                                         = false;
  link->heartbeat_due_ns                                   = 0;
  link->reply_cnt                                          = 0;
  link->request_cnt                                        = 0;

  tf_io_handler_t io_handler = {.self = link, .on_bytes = on_bytes, .on_closed = on_closed};
  err                        = tf_io_attach(link->io, link->dial.fd, &io_handler, &link->conn);
  if (err != TF_OK) {
    close(link->dial.fd);
    link->dial.fd = -1;
    finish(link, TF_LINK_END_IO, err, false);
    return;
  }
  link->dial.fd = -1; /* the loop's now */
}

void tf_link_feed_leftover(tf_link_t *link, uint64_t recv_ns) {
  size_t cnt = link->dial.leftover_cnt;
  if (cnt == 0 || link->state != TF_LINK_UP) return;
  link->dial.leftover_cnt = 0;
  link->recv_ns           = recv_ns;
  feed(link, link->dial.leftover, cnt);
  if (link->state == TF_LINK_UP) link->handler.on_received(link->handler.self, link);
}

void tf_link_discard(tf_link_t *link) {
  if (link->dial.fd >= 0) close(link->dial.fd);
  link->dial.fd = -1;
}

void tf_link_excuse(tf_link_t *link, uint64_t held_ns) {
  if (link->state != TF_LINK_UP) return;
  link->rx_ns += held_ns;
  link->data_ns += held_ns;
  if (link->ping_ns != 0) link->ping_ns += held_ns;
  if (link->pings_sent != 0) link->asked_ns += held_ns;
}

static int answer_ping(tf_link_t *link) {
  if (!link->ws.ping_pending || link->now_ns < link->pong_due_ns || !may_send(link)) return 0;
  if (!send_frame(link, tf_ws_write_pong(&link->ws, link->frame, link->frame_cap))) return 0;
  link->pong_due_ns = link->now_ns + link->config.pong_gap_ns;
  link->pongs_tx++;
  sent_one(link);
  return 1;
}

static bool is_unanswered(const tf_link_t *link) {
  return link->pings_sent > 0 && link->ws.counts.pongs == link->asked_pongs;
}

static int probe(tf_link_t *link) {
  const tf_link_config_t *c = &link->config;
  if (c->ping_idle_ns == 0 || link->ping_ns != 0 || !link->subscribed || !may_send(link)) return 0;
  /* The first is sent at once: it tells whether this peer answers pings at all. */
  bool is_idle = link->pings_sent == 0 || link->now_ns - link->rx_ns >= c->ping_idle_ns;
  bool is_due  = c->ping_busy_ns != 0 && link->now_ns - link->asked_ns >= c->ping_busy_ns;
  if (!is_idle && (!is_due || is_unanswered(link))) return 0;
  if (!send_frame(link, tf_ws_write_frame(&link->ws, link->frame, link->frame_cap, TF_WS_PING, true,
                                          NULL, 0)))
    return 0;
  if (!is_unanswered(link)) {
    link->asked_ns    = link->now_ns;
    link->asked_pongs = link->ws.counts.pongs;
  }
  link->pings_sent++;
  link->pings_tx++;
  link->ping_ns = link->now_ns;
  sent_one(link);
  return 1;
}

/* Silence is told apart: a peer that used to answer pings and stopped is dead within seconds; one
 * that never did gets the venue's own deadline. */
static tf_link_end_t silent_too_long(const tf_link_t *link) {
  const tf_link_config_t *c = &link->config;
  if (link->ping_ns != 0 && link->ws.counts.pongs > 0 &&
      link->now_ns - link->ping_ns > c->pong_wait_ns)
    return TF_LINK_END_NO_PONG;
  if (c->silence_ns != 0 && link->now_ns - link->rx_ns > c->silence_ns) return TF_LINK_END_SILENCE;
  if (c->data_silence_ns != 0 && link->now_ns - link->data_ns > c->data_silence_ns)
    return TF_LINK_END_NO_DATA;
  return TF_LINK_END_NONE;
}

int tf_link_tick(tf_link_t *link, uint64_t now_ns) {
  link->now_ns = now_ns;
  if (link->state == TF_LINK_DRAINING) {
    size_t cnt = 0;
    if (is_tls(link)) {
      tls_flush(link);
      tf_tls_tx(&link->dial.tls, &cnt);
    }
    if (cnt + tf_io_send_pending_bytes(link->io, link->conn) == 0 || now_ns >= link->drain_due_ns)
      release(link);
    return 0;
  }
  if (link->state != TF_LINK_UP) return 0;
  if (is_tls(link)) tls_flush(link);
  tf_link_end_t end = silent_too_long(link);
  if (end != TF_LINK_END_NONE) {
    tf_link_close(link, end, TF_WS_CLOSE_GOING_AWAY);
    return 1;
  }
  link->is_doubtful = link->ws.counts.pongs > 0 && link->config.ping_busy_ns != 0 &&
                      is_unanswered(link) && now_ns - link->asked_ns > link->config.pong_busy_ns;
  return send_reply(link) + send_request(link) + answer_ping(link) + probe(link);
}

static size_t deflate_bytes(const tf_link_config_t *config) {
  const tf_ws_deflate_config_t deflate = tf_ws_deflate_config_client();
  return config->deflate ? tf_ws_deflate_bytes(&deflate) : 0;
}

static size_t frame_bytes(const tf_link_config_t *config) {
  const size_t payload = config->send_bytes_max;
  return (config->deflate ? tf_ws_deflate_bound(payload) : payload) + TF_WS_HEADER_BYTES_MAX;
}

size_t tf_link_arena_bytes(const tf_link_config_t *config) {
  return tf_ws_assembly_bytes(config->message_bytes_max) + PLAIN_BYTES + 2 * TF_BYTES_PAD +
         TF_TLS_TX_BYTES_MIN + TF_DIAL_LEFTOVER_BYTES + frame_bytes(config) +
         deflate_bytes(config) + 7 * TF_LINE_BYTES;
}

tf_err_t tf_link_init(tf_link_t *link, const tf_link_config_t *config, tf_io_t *io,
                      const tf_link_handler_t *handler, tf_arena_t *arena) {
  memset(link, 0, sizeof *link);
  link->dial.fd   = -1;
  link->conn      = TF_IO_CONN_NONE;
  link->config    = *config;
  link->io        = io;
  link->handler   = *handler;
  link->frame_cap = frame_bytes(config);
  size_t   align  = TF_LINE_BYTES;
  size_t   cap    = tf_ws_assembly_bytes(config->message_bytes_max);
  uint8_t *tls_tx = tf_arena_take(arena, TF_TLS_TX_BYTES_MIN, align);
  uint8_t *left   = tf_arena_take(arena, TF_DIAL_LEFTOVER_BYTES + TF_BYTES_PAD, align);
  link->assembly  = tf_arena_take(arena, cap, align);
  link->plain     = tf_arena_take(arena, PLAIN_BYTES + TF_BYTES_PAD, align);
  link->frame     = tf_arena_take(arena, link->frame_cap, align);
  if (!tls_tx || !left || !link->assembly || !link->plain || !link->frame)
    return tf_error_add(E_CORE_ARENA_FULL, "making a feed's connection");
  tf_dial_init(&link->dial, tls_tx, TF_TLS_TX_BYTES_MIN, left);
  link->dial.deflate_offer = config->deflate;
  if (config->deflate) {
    const tf_ws_deflate_config_t deflate = tf_ws_deflate_config_client();
    uint8_t                     *memory  = tf_arena_take(arena, deflate_bytes(config), align);
    if (!memory) return tf_error_add(E_CORE_ARENA_FULL, "making a feed's connection");
    tf_err_t err = tf_ws_deflate_init(&link->deflate, &deflate, memory);
    if (err != TF_OK) return err;
  }
  tf_ws_config_t  ws_config  = {.role              = TF_WS_CLIENT,
                                .message_bytes_max = config->message_bytes_max,
                                .fragments_max     = config->fragments_max,
                                .random            = config->random};
  tf_ws_handler_t ws_handler = {.self = link, .on_message = on_message, .on_control = on_control};
  return tf_ws_init(&link->ws, &ws_config, &ws_handler, link->assembly);
}

void tf_link_fini(tf_link_t *link) {
  if (link->conn != TF_IO_CONN_NONE) tf_io_close(link->io, link->conn);
  link->conn = TF_IO_CONN_NONE;
  tf_dial_fini(&link->dial);
}

const char *tf_link_end_name(tf_link_end_t end) {
  static const char *const names[] = {
#define NAME_(id, name) name,
      TF_LEG_ENDS(NAME_)
#undef NAME_
  };
  return (unsigned)end < TF_LEG_END_CNT ? names[end] : "unknown";
}
