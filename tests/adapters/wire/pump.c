#include "pump.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/error.h"

static uint32_t seeded_key(void *self) {
  uint32_t *state = self;
  return *state   = *state * 1664525u + 1013904223u;
}

static void keep_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  pump_t *pump        = self;
  pump->opcode        = opcode;
  pump->message_bytes = cnt;
  memcpy(pump->message, bytes, cnt);
  pump->message_cnt++;
  if (pump->echo) pump_send_frame(pump, opcode, true, bytes, cnt);
}

static void keep_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  pump_t *pump = self;
  uint8_t frame[256];
  size_t  frame_cnt = 0;
  if (opcode == TF_WS_PING) frame_cnt = tf_ws_write_pong(&pump->ws, frame, sizeof frame);
  if (opcode == TF_WS_CLOSE) frame_cnt = tf_ws_write_close_answer(&pump->ws, frame, sizeof frame);
  if (opcode == TF_WS_PONG) {
    pump->pong_cnt++;
    memcpy(pump->pong, bytes, cnt);
    pump->pong[cnt] = '\0';
  }
  if (frame_cnt) pump_send(pump, frame, frame_cnt);
}

int pump_listen(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          cnt     = sizeof address;
  const int          fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TF_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, cnt) == 0 && listen(fd, 8) == 0);
  TF_ASSERT(getsockname(fd, (struct sockaddr *)&address, &cnt) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

int pump_connect(uint16_t port) {
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TF_ASSERT(fd >= 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

void pump_init(pump_t *pump, int fd) {
  const struct timeval wait = {.tv_sec = PUMP_WAIT_S};
  memset(pump, 0, sizeof *pump);
  pump->fd       = fd;
  pump->message  = malloc(PUMP_MESSAGE_MAX);
  pump->assembly = malloc(tf_ws_assembly_bytes(PUMP_MESSAGE_MAX));
  pump->frame    = malloc(PUMP_FRAME_BYTES);
  pump->tls_tx   = malloc(PUMP_TLS_TX_BYTES);
  TF_ASSERT(pump->message && pump->assembly && pump->frame && pump->tls_tx);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

void pump_fini(pump_t *pump) {
  tf_tls_fini(&pump->tls);
  close(pump->fd);
  free(pump->message);
  free(pump->assembly);
  free(pump->frame);
  free(pump->tls_tx);
}

static bool send_all(int fd, const uint8_t *bytes, size_t cnt) {
  while (cnt) {
    const ssize_t n = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    cnt -= (size_t)n;
  }
  return true;
}

static bool flush_tls(pump_t *pump) {
  size_t         cnt;
  const uint8_t *tx = tf_tls_tx(&pump->tls, &cnt);
  const bool     ok = send_all(pump->fd, tx, cnt);
  tf_tls_tx_sent(&pump->tls, cnt);
  return ok;
}

bool pump_send(pump_t *pump, const void *bytes, size_t cnt) {
  if (!pump->over_tls) return send_all(pump->fd, bytes, cnt);
  return tf_tls_write(&pump->tls, bytes, cnt) == 0 && flush_tls(pump);
}

/* One read from the socket. false: the end; whether a clean one is in err. */
static bool read_socket(pump_t *pump, size_t *cnt) {
  const ssize_t n = recv(pump->fd, pump->rx, PUMP_BYTES, 0);
  if (n > 0) {
    *cnt = (size_t)n;
    return true;
  }
  pump->eof = true;
  if (n < 0)
    pump->err = TF_ERR(E_IO_SYSTEM, "nothing received in %d s, or a reset", PUMP_WAIT_S);
  else if (pump->over_tls)
    pump->err = tf_tls_eof(&pump->tls);
  return false;
}

int pump_receive(pump_t *pump, const uint8_t **bytes) {
  size_t cnt;
  if (pump->early_cnt) {
    const int early_cnt = pump->early_cnt;
    pump->early_cnt     = 0;
    *bytes              = pump->plain;
    return early_cnt;
  }
  if (!read_socket(pump, &cnt)) return 0;
  *bytes = pump->over_tls ? pump->plain : pump->rx;
  if (!pump->over_tls) return (int)cnt;
  tf_tls_feed(&pump->tls, pump->rx, cnt);
  int at = 0, n;
  while ((n = tf_tls_read(&pump->tls, pump->plain + at, (size_t)(PUMP_PLAIN_BYTES - at))) > 0)
    at += n;
  flush_tls(pump);
  if (n < 0) pump->err = n;
  return n < 0 ? n : at;
}

tf_err_t pump_tls(pump_t *pump, const tf_tls_ctx_t *ctx, const char *host) {
  const uint8_t *bytes;
  pump->over_tls     = true;
  const tf_err_t err = tf_tls_init(&pump->tls, ctx, host, pump->tls_tx, PUMP_TLS_TX_BYTES);
  if (err) return err;
  flush_tls(pump);
  while (pump->tls.state == TF_TLS_HANDSHAKE && !pump->eof) {
    const int n = pump_receive(pump, &bytes);
    if (n < 0) return pump->err;
    pump->early_cnt = n; /* data right behind the handshake stays in plain */
  }
  return pump->err;
}

static void start_frames(pump_t *pump, tf_ws_role_t role, const uint8_t *bytes, size_t cnt) {
  const tf_ws_config_t config = {
      .role              = role,
      .message_bytes_max = PUMP_MESSAGE_MAX,
      .random            = {&pump->key_state, seeded_key}
  };
  const tf_ws_handler_t handler = {pump, keep_message, keep_control};
  TF_ASSERT(tf_ws_init(&pump->ws, &config, &handler, pump->assembly) == 0);
  pump->upgraded = true;
  if (cnt) pump->err = tf_ws_feed(&pump->ws, bytes, cnt);
}

tf_err_t pump_upgrade(pump_t *pump, const char *host, const char *target) {
  tf_http_ws_client_t up;
  char                request[2048];
  uint8_t             nonce[16];
  for (int i = 0; i < 16; i++) nonce[i] = (uint8_t)seeded_key(&pump->key_state);
  tf_err_t err = tf_http_ws_client_init(&up, host, nonce, NULL);
  if (err) return err;
  const int cnt = tf_http_ws_client_write(&up, request, sizeof request, NULL, target, NULL);
  if (cnt < 0 || !pump_send(pump, request, (size_t)cnt)) return cnt < 0 ? cnt : E_IO_SYSTEM;
  while (!pump->eof && !pump->err) {
    const uint8_t *bytes;
    size_t         used;
    const int      n = pump_receive(pump, &bytes);
    if (n <= 0) continue;
    const int rc = tf_http_ws_client_feed(&up, bytes, (size_t)n, &used);
    if (rc < 0) return rc;
    if (rc == TF_HTTP_MORE) continue;
    start_frames(pump, TF_WS_CLIENT, bytes + used, (size_t)n - used);
    return pump->err;
  }
  return pump->err ? pump->err : tf_http_ws_client_eof(&up);
}

tf_err_t pump_accept(pump_t *pump) {
  tf_http_head_t head;
  char           answer[1024];
  const char    *why;
  tf_http_head_init(&head, TF_HTTP_REQUEST);
  while (!pump->eof && !pump->err) {
    const uint8_t *bytes;
    size_t         used;
    const int      n = pump_receive(pump, &bytes);
    if (n <= 0) continue;
    const int rc = tf_http_head_feed(&head, bytes, (size_t)n, &used);
    if (rc < 0) return rc;
    if (rc == TF_HTTP_MORE) continue;
    const int status = tf_http_ws_request_check(&head, &why);
    const int cnt    = status ? tf_http_ws_refuse_write(answer, sizeof answer, status, why)
                              : tf_http_ws_accept_write(answer, sizeof answer, &head, NULL, NULL);
    if (cnt < 0 || !pump_send(pump, answer, (size_t)cnt)) return E_IO_SYSTEM;
    if (status) return TF_ERR(E_WIRE_HTTP, "%s", why);
    start_frames(pump, TF_WS_SERVER, bytes + used, (size_t)n - used);
    return pump->err;
  }
  return pump->err ? pump->err : E_IO_SYSTEM;
}

bool pump_step(pump_t *pump) {
  const uint8_t *bytes;
  const int      n = pump_receive(pump, &bytes);
  if (n < 0 || pump->eof) return false;
  pump->err = tf_ws_feed(&pump->ws, bytes, (size_t)n);
  if (pump->err) {
    uint8_t      frame[256];
    const size_t cnt = tf_ws_write_close_answer(&pump->ws, frame, sizeof frame);
    if (cnt) pump_send(pump, frame, cnt);
  }
  return pump->err == 0;
}

bool pump_send_frame(pump_t *pump, tf_ws_opcode_t opcode, bool fin, const void *payload,
                     size_t cnt) {
  const size_t frame_cnt =
      tf_ws_write_frame(&pump->ws, pump->frame, PUMP_FRAME_BYTES, opcode, fin, payload, cnt);
  return frame_cnt && pump_send(pump, pump->frame, frame_cnt);
}

bool pump_send_close(pump_t *pump, uint16_t code, const char *reason) {
  uint8_t      frame[256];
  const size_t cnt = tf_ws_write_close(&pump->ws, frame, sizeof frame, code, reason);
  return cnt && pump_send(pump, frame, cnt);
}

bool pump_wait_message(pump_t *pump) {
  const size_t before = pump->message_cnt;
  while (pump->message_cnt == before) {
    if (!pump_step(pump)) return false;
  }
  return true;
}

void pump_run(pump_t *pump) {
  while (pump->ws.state != TF_WS_CLOSED && pump_step(pump)) {
  }
  if (pump->over_tls && !pump->eof) {
    tf_tls_shutdown(&pump->tls);
    flush_tls(pump);
  }
}

child_t child_start(const char *const *argv) {
  int     ends[2];
  child_t child;
  TF_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
  child.pid = fork();
  TF_ASSERT(child.pid >= 0);
  if (child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that dies leaves nobody behind */
    dup2(ends[1], STDOUT_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  close(ends[1]);
  child.out = ends[0];
  return child;
}

bool child_line(child_t *child, char *line, size_t cap) {
  size_t at = 0;
  while (at + 1 < cap) {
    struct pollfd wait = {.fd = child->out, .events = POLLIN};
    if (poll(&wait, 1, PUMP_WAIT_S * 1000) != 1 || read(child->out, line + at, 1) != 1)
      return false;
    if (line[at] == '\n') break;
    at++;
  }
  line[at] = '\0';
  return true;
}

int child_wait(child_t *child) {
  int status = 0;
  if (child->out >= 0) close(child->out);
  if (waitpid(child->pid, &status, 0) != child->pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int child_stop(child_t *child) {
  kill(child->pid, SIGTERM);
  return child_wait(child);
}
