#include "conf_echo.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "wire/ws_extension.h"

#define MESSAGE_MAX   ((size_t)16 << 20)
#define FRAGMENTS_MAX 131072u
#define FEED_BYTES    65536u
#define TLS_TX_BYTES  (128u << 10)

static const tf_ws_deflate_params_t deflate_any    = {.server_max_window_bits = 15,
                                                      .client_max_window_bits = 15};
static const tf_ws_deflate_params_t deflate_offer  = {.client_max_window_bits = 15};
static const tf_ws_deflate_config_t deflate_config = {
    .tx_window_bits_max = 15, .tx_mem_level = 8, .tx_level = 1};

static uint32_t seeded_key(void *self) {
  uint32_t *state = self;
  return *state   = *state * 1664525u + 1013904223u;
}

static void drain_tls(conf_echo_t *e) {
  size_t         cnt;
  const uint8_t *tx = tf_tls_tx(&e->tls, &cnt);
  conf_put(&e->out, tx, cnt);
  tf_tls_tx_sent(&e->tls, cnt);
}

static void send_plain(conf_echo_t *e, const void *bytes, size_t cnt) {
  if (!e->over_tls) {
    conf_put(&e->out, bytes, cnt);
    return;
  }
  for (size_t at = 0; at < cnt;) {
    const size_t n =
        cnt - at < TF_TLS_RECORD_BYTES_MAX ? cnt - at : (size_t)TF_TLS_RECORD_BYTES_MAX;
    TF_ASSERT(tf_tls_write(&e->tls, (const uint8_t *)bytes + at, n) == 0);
    drain_tls(e);
    at += n;
  }
}

/* --- websocket --- */

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  conf_echo_t *e    = self;
  const size_t need = tf_ws_message_bytes(&e->ws, cnt);
  if (need > e->frame_cap) {
    free(e->frame);
    e->frame_cap = 2 * need;
    e->frame     = malloc(e->frame_cap);
    TF_ASSERT(e->frame);
  }
  send_plain(e, e->frame, tf_ws_write_message(&e->ws, e->frame, e->frame_cap, opcode, bytes, cnt));
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)bytes;
  (void)cnt;
  conf_echo_t *e = self;
  uint8_t      frame[256];
  size_t       frame_cnt = 0;
  if (opcode == TF_WS_PING) frame_cnt = tf_ws_write_pong(&e->ws, frame, sizeof frame);
  if (opcode == TF_WS_CLOSE) frame_cnt = tf_ws_write_close_answer(&e->ws, frame, sizeof frame);
  if (frame_cnt) send_plain(e, frame, frame_cnt);
}

static void start_frames(conf_echo_t *e, const tf_ws_deflate_params_t *deflate) {
  tf_ws_config_t config = {
      .role              = e->role,
      .message_bytes_max = e->message_max,
      .fragments_max     = e->fragments_max,
      .random            = {&e->key_state, seeded_key}
  };
  const tf_ws_handler_t handler = {e, on_message, on_control};
  e->assembly                   = malloc(tf_ws_assembly_bytes(config.message_bytes_max));
  if (deflate) {
    e->deflate_memory = malloc(tf_ws_deflate_bytes(&deflate_config));
    TF_ASSERT(tf_ws_deflate_init(&e->deflate, &deflate_config, e->deflate_memory) == 0);
    TF_ASSERT(tf_ws_deflate_start(&e->deflate, e->role == TF_WS_SERVER, deflate) == 0);
    config.deflate = &e->deflate;
  }
  TF_ASSERT(tf_ws_init(&e->ws, &config, &handler, e->assembly) == 0);
  e->upgraded = true;
}

/* --- handshake --- */

static void refuse(conf_echo_t *e, const char *text) {
  snprintf(e->refusal_text, sizeof e->refusal_text, "%s", text);
  e->refusal = e->refusal_text;
  e->ended   = true;
}

static void answer_request(conf_echo_t *e) {
  char                   answer[1024], extensions[TF_WS_EXTENSION_CHARS], status_text[8];
  const char            *why;
  bool                   deflate = false;
  tf_ws_deflate_params_t agreed;
  int                    status = tf_http_ws_request_check(&e->head, &why);
  const char            *wrong =
      status ? NULL : tf_ws_extension_choose(&e->head, &deflate_any, &deflate, &agreed, extensions);
  if (wrong) {
    why    = wrong;
    status = 400;
  }
  const int cnt = status ? tf_http_ws_refuse_write(answer, sizeof answer, status, why)
                         : tf_http_ws_accept_write(answer, sizeof answer, &e->head, NULL,
                                                   deflate ? extensions : NULL);
  TF_ASSERT(cnt > 0);
  send_plain(e, answer, (size_t)cnt);
  snprintf(status_text, sizeof status_text, "%d", status);
  if (status)
    refuse(e, status_text);
  else
    start_frames(e, deflate ? &agreed : NULL);
}

/* Returns the bytes that belonged to the handshake. */
static size_t feed_handshake(conf_echo_t *e, const uint8_t *bytes, size_t cnt) {
  size_t used;
  if (e->role == TF_WS_SERVER) {
    const int rc = tf_http_head_feed(&e->head, bytes, cnt, &used);
    if (rc < 0) refuse(e, tf_error_text());
    if (rc == TF_HTTP_DONE) answer_request(e);
    return rc < 0 ? cnt : used;
  }
  const int rc = tf_http_ws_client_feed(&e->up, bytes, cnt, &used);
  if (rc < 0) refuse(e, tf_error_text());
  if (rc == TF_HTTP_DONE) start_frames(e, e->up.deflate_agreed ? &e->up.deflate : NULL);
  return rc < 0 ? cnt : used;
}

static void feed_plain(conf_echo_t *e, const uint8_t *bytes, size_t cnt) {
  if (!e->upgraded) {
    const size_t used = feed_handshake(e, bytes, cnt);
    bytes += used;
    cnt -= used;
    if (!e->upgraded || e->ended || cnt == 0) return;
  }
  if (tf_ws_feed(&e->ws, bytes, cnt) != 0) {
    uint8_t      frame[256];
    const size_t n = tf_ws_write_close_answer(&e->ws, frame, sizeof frame);
    if (n) send_plain(e, frame, n);
    e->ended = true;
  }
  if (e->ws.state == TF_WS_CLOSED) e->ended = true;
}

static void send_request(conf_echo_t *e) {
  char      request[1024];
  const int cnt = tf_http_ws_client_write(&e->up, request, sizeof request, NULL, "/echo", NULL);
  TF_ASSERT(cnt > 0);
  send_plain(e, request, (size_t)cnt);
}

/* --- TLS --- */

static void feed_cipher(conf_echo_t *e, const uint8_t *bytes, size_t cnt) {
  static uint8_t plain[TF_TLS_RECORD_BYTES_MAX + TF_BYTES_PAD];
  tf_tls_feed(&e->tls, bytes, cnt);
  bool was_open = e->tls.state == TF_TLS_OPEN;
  for (;;) {
    const int n = tf_tls_read(&e->tls, plain, TF_TLS_RECORD_BYTES_MAX);
    if (!was_open && e->tls.state == TF_TLS_OPEN && e->role == TF_WS_CLIENT) send_request(e);
    was_open = e->tls.state == TF_TLS_OPEN;
    if (n < 0) refuse(e, tf_error_text());
    if (n <= 0 || e->ended) break;
    feed_plain(e, plain, (size_t)n);
  }
  drain_tls(e);
}

/* --- life --- */

void conf_echo_init(conf_echo_t *e, tf_ws_role_t role, const tf_tls_ctx_t *tls,
                    const conf_case_t *c) {
  static const uint8_t nonce[16] = "the sample nonce";
  memset(e, 0, sizeof *e);
  e->role           = role;
  e->message_max    = c->message_max ? c->message_max : MESSAGE_MAX;
  e->fragments_max  = c->fragments_max ? c->fragments_max : FRAGMENTS_MAX;
  e->offers_deflate = c->deflate.on;
  tf_http_head_init(&e->head, TF_HTTP_REQUEST);
  TF_ASSERT(tf_http_ws_client_init(&e->up, "localhost", nonce, NULL) == 0);
  if (e->offers_deflate) tf_http_ws_client_offer(&e->up, &deflate_offer);
  if (tls) {
    e->over_tls = true;
    e->tls_tx   = malloc(TLS_TX_BYTES);
    TF_ASSERT(tf_tls_init(&e->tls, tls, role == TF_WS_CLIENT ? "localhost" : NULL, e->tls_tx,
                          TLS_TX_BYTES) == 0);
    drain_tls(e);
  } else if (role == TF_WS_CLIENT) {
    send_request(e);
  }
}

void conf_echo_fini(conf_echo_t *e) {
  if (e->over_tls) tf_tls_fini(&e->tls);
  free(e->assembly);
  free(e->deflate_memory);
  free(e->tls_tx);
  free(e->frame);
  free(e->out.bytes);
}

void conf_echo_feed(conf_echo_t *e, const uint8_t *bytes, size_t cnt) {
  static uint8_t lent[FEED_BYTES + TF_BYTES_PAD];
  const size_t   most = e->piece && e->piece < FEED_BYTES ? e->piece : FEED_BYTES;
  for (size_t at = 0; at < cnt && !e->ended;) {
    size_t n = cnt - at < most ? cnt - at : most;
    if (e->fed < e->cut && e->cut - e->fed < n) n = e->cut - e->fed;
    memcpy(lent, bytes + at, n);
    memset(lent + n, 0x81, TF_BYTES_PAD);
    e->fed += n;
    at += n;
    if (e->over_tls)
      feed_cipher(e, lent, n);
    else
      feed_plain(e, lent, n);
  }
}

void conf_echo_eof(conf_echo_t *e) {
  if (e->ended) return;
  if (!e->upgraded && e->role == TF_WS_CLIENT) {
    tf_http_ws_client_eof(&e->up);
    refuse(e, tf_error_text());
  } else if (!e->upgraded) {
    refuse(e, "the request was cut");
  } else {
    tf_ws_eof(&e->ws);
    e->ended = true;
  }
}

static bool link_send(void *self, const uint8_t *bytes, size_t cnt) {
  conf_echo_t *e = self;
  if (!e->ended) conf_echo_feed(e, bytes, cnt);
  return !e->ended;
}

static bool link_receive(void *self, conf_bytes_t *to, int wait_ms) {
  (void)wait_ms;
  conf_echo_t *e = self;
  conf_put(to, e->out.bytes, e->out.cnt);
  e->out.cnt = 0;
  return !e->ended;
}

conf_link_t conf_echo_link(conf_echo_t *e) {
  return (conf_link_t){.self = e, .send = link_send, .receive = link_receive};
}
