/* The server's HTTP: websocket upgrades, REST answers, and what stands between an engine and its venue
 * (portals, redirects, refusals). */
#include <string.h>

#include "sim/client.h"
#include "wire/ws_extension.h"

/* The answers of whatever stands between an engine and its venue. True: it has been answered. */
static bool answer_by_fault(sim_client_t *c, bool is_upgrade) {
  static const char page[] = "<!DOCTYPE html><html><head><title>Sign in to the network</title>"
                             "</head><body><form>...</form></body></html>";
  sim_server_t     *s      = c->server;
  char              answer[1024];
  int               cnt = 0;
  if (sim_server_hits(s, SIM_FAULT_PORTAL))
    cnt = tf_http_answer_write(answer, sizeof answer, 200, "text/html", NULL, false, page,
                               sizeof page - 1);
  else if (sim_server_hits(s, SIM_FAULT_REDIRECT))
    cnt = tf_http_answer_write(answer, sizeof answer, 302, "text/plain",
                               "Location: http://portal.example/login\r\n", false, "", 0);
  else if (!is_upgrade && sim_server_hits(s, SIM_FAULT_HTTP_429))
    cnt = tf_http_answer_write(answer, sizeof answer, 429, "application/json", "Retry-After: 1\r\n",
                               false, "{\"code\":-1003}", 14);
  else if (!is_upgrade && sim_server_hits(s, SIM_FAULT_HTTP_418))
    cnt = tf_http_answer_write(answer, sizeof answer, 418, "application/json", "Retry-After: 2\r\n",
                               false, "{\"code\":-1003}", 14);
  if (cnt <= 0) return false;
  sim_client_send(c, answer, (size_t)cnt);
  sim_client_doom(c);
  return true;
}

/* When the answer may begin: faults hold it back. */
static uint64_t answer_due_ns(const sim_server_t *s, bool is_snapshot) {
  const faults_t *faults = s->config.faults;
  uint64_t        due_ns = s->now_ns + faults->ns[SIM_FAULT_SLOW_REST];
  return is_snapshot ? due_ns + faults->ns[SIM_FAULT_LATE_SNAPSHOT] : due_ns;
}

static void answer_done(sim_client_t *c) {
  if (tf_http_head_keep_alive(&c->head))
    tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  else
    sim_client_doom(c);
}

static void answer_rest(sim_client_t *c) {
  sim_server_t        *s           = c->server;
  const sim_service_t *service     = &s->config.service;
  size_t               cnt         = 0;
  bool                 is_snapshot = false;
  s->counts.rest++;
  if (answer_by_fault(c, false)) return;
  c->assembly[c->body.bytes_cnt] = '\0'; /* the request's own body */
  int status = service->on_rest(service->self, c->head.method, c->head.target, (char *)c->assembly,
                                s->answer, sizeof s->answer, &cnt, &is_snapshot);
  int http_cnt = tf_http_answer_write(s->http, sizeof s->http, status, "application/json", NULL,
                                      tf_http_head_keep_alive(&c->head), s->answer, cnt);
  if (http_cnt <= 0) {
    sim_client_doom(c);
    return;
  }
  uint64_t due_ns  = answer_due_ns(s, is_snapshot);
  uint64_t drip_ns = s->config.faults->ns[SIM_FAULT_DRIP];
  if ((due_ns > s->now_ns || drip_ns) &&
      sim_held_set(&c->answer, s->http, (size_t)http_cnt, due_ns, drip_ns))
    return;
  sim_client_send(c, s->http, (size_t)http_cnt);
  answer_done(c);
}

/* A REST request is answered once its body has come. */
static void begin_rest(sim_client_t *c) {
  int rc = tf_http_body_init(&c->body, &c->head, NULL, c->assembly, SIM_REQUEST_BYTES_MAX);
  if (rc == TF_HTTP_DONE)
    answer_rest(c);
  else if (rc == TF_HTTP_MORE)
    c->phase = PHASE_BODY;
  else
    sim_client_doom(c);
}

size_t sim_http_on_body(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  size_t used;
  int    rc = tf_http_body_feed(&c->body, bytes, cnt, &used);
  if (rc == TF_HTTP_MORE) return used;
  c->phase = PHASE_HTTP;
  if (rc == TF_HTTP_DONE)
    answer_rest(c);
  else
    sim_client_doom(c);
  return used;
}

/* What of a held answer is due. */
void sim_http_send_held(sim_client_t *c) {
  sim_held_t *held   = &c->answer;
  uint64_t    now_ns = c->server->now_ns;
  if (!held->bytes || now_ns < held->due_ns) return;
  size_t cnt = held->cnt - held->sent_cnt;
  if (held->drip_ns) {
    cnt          = 1;
    held->due_ns = now_ns + held->drip_ns;
    c->server->config.faults->done[SIM_FAULT_DRIP]++;
  }
  sim_client_send(c, held->bytes + held->sent_cnt, cnt);
  held->sent_cnt += cnt;
  if (held->sent_cnt < held->cnt) return;
  sim_held_drop(held);
  answer_done(c);
}

/* Windows as large as a client likes, as venues have them. */
static const tf_ws_deflate_params_t deflate_ours   = {.server_max_window_bits = 15,
                                                      .client_max_window_bits = 15};
static const tf_ws_deflate_config_t deflate_config = {
    .tx_window_bits_max = 15, .tx_mem_level = 8, .tx_level = 6};

static void upgrade(sim_client_t *c, const tf_ws_handler_t *handler) {
  sim_server_t          *s       = c->server;
  const sim_service_t   *service = &s->config.service;
  const char            *why = "no such stream path", *wrong = NULL;
  int                    status  = tf_http_ws_request_check(&c->head, &why);
  bool                   deflate = false;
  char                   extensions[TF_WS_EXTENSION_CHARS];
  tf_ws_deflate_params_t agreed;
  void                  *state = c->peer.state;
  memset(&c->peer, 0, sizeof c->peer);
  memset(state, 0, s->config.peer_bytes);
  c->peer.state = state;
  if (!status && answer_by_fault(c, true)) return;
  if (!status && s->config.deflate)
    wrong = tf_ws_extension_choose(&c->head, &deflate_ours, &deflate, &agreed, extensions);
  if (wrong) {
    why    = wrong;
    status = 400;
  }
  if (!status) status = service->on_upgrade(service->self, &c->peer, c->head.target);
  char answer[512];
  int  cnt = status ? tf_http_ws_refuse_write(answer, sizeof answer, status, why)
                    : tf_http_ws_accept_write(answer, sizeof answer, &c->head, NULL,
                                             deflate ? extensions : NULL);
  if (cnt > 0) sim_client_send(c, answer, (size_t)cnt);
  if (status) {
    s->counts.refused++;
    sim_client_doom(c);
    return;
  }
  tf_ws_config_t config = {.role = TF_WS_SERVER, .message_bytes_max = SIM_REQUEST_BYTES_MAX};
  if (deflate) config.deflate = &c->deflate;
  if ((deflate && tf_ws_deflate_start(&c->deflate, true, &agreed) != TF_OK) ||
      tf_ws_init(&c->ws, &config, handler, c->assembly) != TF_OK) {
    sim_client_doom(c);
    return;
  }
  c->phase = PHASE_WS;
  s->ws_cnt++;
  if (service->on_open) service->on_open(service->self, &c->peer);
}

void sim_http_on_head(sim_client_t *c, const tf_ws_handler_t *handler) {
  if (tf_http_ws_is_upgrade(&c->head))
    upgrade(c, handler);
  else
    begin_rest(c);
}

size_t sim_http_deflate_bytes(void) { return tf_ws_deflate_bytes(&deflate_config); }

tf_err_t sim_http_deflate_init(tf_ws_deflate_t *deflate, uint8_t *memory) {
  return tf_ws_deflate_init(deflate, &deflate_config, memory);
}
