/* B2, ingest over TLS: websocket text messages of 230 bytes, one TLS 1.3 record each (AES-128-GCM),
 * over loopback TCP, 64 records to a send.
 *
 * A sender process on one core has sealed all records before the clock starts; on another core, in
 * turns within one run, (a) the I/O loop, the TLS stream and the websocket parser of tickfuse, (b)
 * libwebsockets' client over the same OpenSSL. Rate: messages over wall time, the receiver waiting in
 * the kernel when there is nothing. CPU: the receiving thread's CPU clock over the messages, kernel
 * included. The best of several rounds for either side: interference only slows. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "io/io.h"
#include "peer_lws.h"
#include "wire/http.h"
#include "wire/tls.h"
#include "wire/tls_pool.h"
#include "wire/ws.h"

#define PAYLOAD_BYTES 230
#define FRAME_BYTES   (4 + PAYLOAD_BYTES)
#define RECORD_BYTES  (5 + FRAME_BYTES + 1 + 16) /* head, content type, tag */
#define BATCH         64
#define ROUNDS        5
#define MESSAGES      320000u
#define GIVE_UP_NS    (20 * TF_NS_PER_SEC)
#define WAIT_NS       (100 * TF_NS_PER_MS)
#define SOCKET_BYTES  (4 << 20)
#define SUITE         "TLS_AES_128_GCM_SHA256"

typedef struct figures {
  double rate_hz, cpu_ns;
} figures_t;

static char     cert[64], key[64], dir[] = "/tmp/tickfuse-bench-XXXXXX";
static int      control_fd, cpus[2] = {-1, -1};
static uint16_t port;
static uint64_t message_cnt = MESSAGES;

static void remove_certificate(void) {
  unlink(cert);
  unlink(key);
  rmdir(dir);
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "bench_wss: %s: %s\n", what, errno ? strerror(errno) : tf_error_text());
  remove_certificate();
  exit(1);
}

static bool send_all(int fd, const uint8_t *bytes, size_t cnt) {
  while (cnt > 0) {
    const ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes += sent;
    cnt -= (size_t)sent;
  }
  return true;
}

/* ---- sender process ---- */

static bool answer_upgrade(SSL *ssl) {
  static tf_http_head_t head;
  char                  answer[1024];
  uint8_t               bytes[2048];
  size_t                used;
  int                   done = TF_HTTP_MORE;
  tf_http_head_init(&head, TF_HTTP_REQUEST);
  while (done == TF_HTTP_MORE) {
    const int cnt = SSL_read(ssl, bytes, sizeof bytes);
    if (cnt <= 0) return false;
    done = tf_http_head_feed(&head, bytes, (size_t)cnt, &used);
  }
  if (done != TF_HTTP_DONE) return false;
  const int cnt = tf_http_ws_accept_write(answer, sizeof answer, &head, NULL, NULL);
  return cnt > 0 && SSL_write(ssl, answer, cnt) == cnt;
}

/* All the records, one a message. Returns their bytes; NULL if there is no memory. */
static uint8_t *seal(SSL *ssl, uint64_t cnt, size_t *bytes_cnt) {
  uint8_t frame[FRAME_BYTES];
  BIO    *sealed = BIO_new(BIO_s_mem());
  char   *at;
  memset(frame, '7', sizeof frame);
  memcpy(frame, "\x81\x7e\x00\xe6", 4);
  SSL_set0_wbio(ssl, sealed);
  uint8_t *bytes = malloc(cnt * RECORD_BYTES);
  *bytes_cnt     = 0;
  for (uint64_t i = 0; i < cnt && bytes; i++) {
    if (SSL_write(ssl, frame, sizeof frame) != (int)sizeof frame) return NULL;
    const long n = BIO_get_mem_data(sealed, &at);
    if (n != RECORD_BYTES) return NULL;
    memcpy(bytes + *bytes_cnt, at, (size_t)n);
    *bytes_cnt += (size_t)n;
    (void)BIO_reset(sealed);
  }
  return bytes;
}

static void serve_one(int control, int fd, SSL_CTX *ctx, uint64_t cnt) {
  SSL *ssl = SSL_new(ctx);
  char go;
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1 && answer_upgrade(ssl)) {
    size_t   bytes_cnt;
    uint8_t *bytes = seal(ssl, cnt, &bytes_cnt);
    if (bytes && send(control, "r", 1, MSG_NOSIGNAL) == 1 && recv(control, &go, 1, 0) == 1) {
      const size_t piece = (size_t)BATCH * RECORD_BYTES;
      for (size_t at = 0; at < bytes_cnt; at += piece)
        if (!send_all(fd, bytes + at, bytes_cnt - at < piece ? bytes_cnt - at : piece)) break;
    }
    free(bytes);
  }
  recv(control, &go, 1, 0); /* the receiver has all */
  SSL_free(ssl);
  close(fd);
}

static _Noreturn void sender_run(int control, int listener) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  tf_cpu_pin(cpus[1], "bench_sender");
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, SUITE) != 1)
    _exit(1);
  uint64_t cnt;
  while (recv(control, &cnt, sizeof cnt, 0) == (ssize_t)sizeof cnt) {
    const int fd  = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int       one = 1;
    if (fd < 0) break;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    serve_one(control, fd, ctx, cnt);
  }
  _exit(0);
}

/* ---- receivers ---- */

static void ask(void) {
  if (send(control_fd, &message_cnt, sizeof message_cnt, MSG_NOSIGNAL) != sizeof message_cnt)
    die("sender");
}
static void tell(void) {
  if (send(control_fd, "g", 1, MSG_NOSIGNAL) != 1) die("sender");
}
/* The records are sealed. */
static void await_ready(void) {
  char ready;
  if (recv(control_fd, &ready, 1, 0) != 1) die("sender");
}

static uint64_t thread_cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void check_complete(uint64_t got, uint64_t payload) {
  errno = 0;
  if (got == message_cnt && payload == message_cnt * PAYLOAD_BYTES) return;
  fprintf(stderr, "bench_wss: %llu messages of %llu came\n", (unsigned long long)got,
          (unsigned long long)message_cnt);
  remove_certificate();
  exit(1);
}

typedef struct receiver {
  tf_tls_t tls;
  tf_ws_t  ws;
  uint64_t message_cnt, payload_bytes;
  bool     closed;
  uint8_t  tx[TF_TLS_TX_BYTES_MIN], plain[TF_TLS_RECORD_BYTES_MAX + TF_BYTES_PAD];
} receiver_t;

static uint8_t *assembly;

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  receiver_t *r = self;
  (void)opcode, (void)bytes;
  r->message_cnt++;
  r->payload_bytes += cnt;
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self, (void)opcode, (void)bytes, (void)cnt;
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)conn, (void)recv_ns;
  receiver_t *r = self;
  int         n;
  tf_tls_feed(&r->tls, bytes, cnt);
  while ((n = tf_tls_read(&r->tls, r->plain, TF_TLS_RECORD_BYTES_MAX)) > 0)
    if (tf_ws_feed(&r->ws, r->plain, (size_t)n) != TF_OK) r->closed = true;
  if (n < 0) r->closed = true;
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn, (void)sys_errno;
  ((receiver_t *)self)->closed = true;
}

static void flush_tls(receiver_t *r, int fd) {
  size_t         cnt;
  const uint8_t *tx = tf_tls_tx(&r->tls, &cnt);
  if (!send_all(fd, tx, cnt)) die("send");
  tf_tls_tx_sent(&r->tls, cnt);
}

/* Handshake and upgrade, as the dialer does them; blocking. */
static int connect_upgraded(receiver_t *r, const tf_tls_ctx_t *ctx) {
  static tf_http_ws_client_t up;
  static const uint8_t       nonce[16] = {1};
  char                       request[512];
  const struct sockaddr_in   addr = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
  int       done = TF_HTTP_MORE;
  bool      sent = false;
  const int fd   = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  errno          = 0;
  if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof addr) != 0) die("connect");
  if (tf_tls_init(&r->tls, ctx, "127.0.0.1", r->tx, sizeof r->tx) != TF_OK ||
      tf_http_ws_client_init(&up, "127.0.0.1", nonce, NULL) != TF_OK)
    die("handshake");
  while (done == TF_HTTP_MORE) {
    uint8_t bytes[4096];
    size_t  used;
    int     n;
    flush_tls(r, fd);
    const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) die("handshake");
    tf_tls_feed(&r->tls, bytes, (size_t)got);
    while ((n = tf_tls_read(&r->tls, r->plain, TF_TLS_RECORD_BYTES_MAX)) > 0)
      done = tf_http_ws_client_feed(&up, r->plain, (size_t)n, &used);
    if (n < 0) die("handshake");
    if (sent || r->tls.state != TF_TLS_OPEN) continue;
    const int cnt = tf_http_ws_client_write(&up, request, sizeof request, NULL, "/", NULL);
    if (cnt < 0 || tf_tls_write(&r->tls, request, (size_t)cnt) != TF_OK) die("upgrade");
    sent = true;
  }
  if (done != TF_HTTP_DONE) die("upgrade");
  return fd;
}

static figures_t figures_of(uint64_t begin, uint64_t cpu) {
  const double wall_ns = (double)(tf_clock_monotonic_ns() - begin), cnt = (double)message_cnt;
  const double cpu_ns = (double)(thread_cpu_ns() - cpu);
  return (figures_t){.rate_hz = cnt / wall_ns * 1e9, .cpu_ns = cpu_ns / cnt};
}

static figures_t run_ours(tf_io_t *io, const tf_tls_ctx_t *ctx) {
  static receiver_t     r;
  const tf_ws_config_t  config  = {.role           = TF_WS_CLIENT,
                                   .utf8_unchecked = true, /* as the engine runs it */
                                   .random         = {.u32 = tf_ws_random_system}};
  const tf_ws_handler_t handler = {&r, on_message, on_control};
  tf_io_conn_t          conn;
  memset(&r, 0, sizeof r);
  ask();
  const int fd = connect_upgraded(&r, ctx);
  if (tf_ws_init(&r.ws, &config, &handler, assembly) != TF_OK) die("tf_ws_init");
  const tf_io_handler_t io_handler = {.self = &r, .on_bytes = on_bytes, .on_closed = on_closed};
  if (tf_io_attach(io, fd, &io_handler, &conn) != TF_OK || tf_io_poll(io, 0) < 0) die("attach");
  await_ready();
  tell();
  const uint64_t cpu = thread_cpu_ns(), begin = tf_clock_monotonic_ns();
  while (r.message_cnt < message_cnt && !r.closed) {
    const int cnt = tf_io_poll(io, WAIT_NS);
    if (cnt < 0) die("poll");
    if (cnt == 0 && tf_clock_monotonic_ns() - begin > GIVE_UP_NS) break;
  }
  const figures_t figures = figures_of(begin, cpu);
  if (!r.tls.record.cipher) die("OpenSSL read the records, not ours");
  tf_io_close(io, conn);
  tf_io_poll(io, 0);
  tf_tls_fini(&r.tls);
  tell();
  check_complete(r.message_cnt, r.payload_bytes);
  return figures;
}

static figures_t run_lws(void) {
  ask();
  peer_lws_t *peer = peer_lws_open(port, cert);
  if (!peer) die("libwebsockets cannot connect");
  await_ready();
  tell();
  const uint64_t  cpu = thread_cpu_ns(), begin = tf_clock_monotonic_ns();
  const bool      all     = peer_lws_receive(peer, message_cnt);
  const figures_t figures = figures_of(begin, cpu);
  const uint64_t  payload = peer_lws_payload_bytes(peer);
  peer_lws_close(peer);
  tell();
  check_complete(all ? message_cnt : 0, payload);
  return figures;
}

static void measure(tf_bench_row_t rows[3], tf_io_t *io, const tf_tls_ctx_t *ctx, int rounds) {
  figures_t best[2] = {
      {0, INFINITY},
      {0, INFINITY}
  };
  for (int i = 0; i < rounds; i++) {
    for (int k = 0; k < 2; k++) {
      const figures_t f = k ? run_lws() : run_ours(io, ctx);
      best[k].rate_hz   = fmax(best[k].rate_hz, f.rate_hz);
      best[k].cpu_ns    = fmin(best[k].cpu_ns, f.cpu_ns);
    }
  }
  /* B2's budgets, 1.5 M messages a second of a core and three times libwebsockets, hold for the
   * core's own time: the wall's is whatever the neighbours leave. */
  rows[0] = (tf_bench_row_t){
      "wss_64_rate", best[0].rate_hz, "msg/s", "libwebsockets", best[1].rate_hz, NAN, false};
  rows[1] = (tf_bench_row_t){"wss_64_core_rate",
                             1e9 / best[0].cpu_ns,
                             "msg/core_s",
                             "libwebsockets",
                             1e9 / best[1].cpu_ns,
                             fmax(1.5e6, 3e9 / best[1].cpu_ns),
                             false};
  rows[2] = (tf_bench_row_t){"wss_64_cpu",   best[0].cpu_ns,     "ns_cpu/msg", "libwebsockets",
                             best[1].cpu_ns, best[1].cpu_ns / 3, true};
}

static void listen_and_fork(void) {
  int                pair[2], bytes = SOCKET_BYTES;
  const int          listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&addr, &addr_cnt) != 0 ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    die("sockets");
  port       = ntohs(addr.sin_port);
  control_fd = pair[0];
  if (!tf_bench_cpus(cpus, 2)) cpus[0] = cpus[1] = -1;
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    close(pair[0]);
    sender_run(pair[1], listener);
  }
  close(pair[1]);
  close(listener);
}

int main(int argc, char **argv) {
  static const char *const hosts[] = {"127.0.0.1"};
  tf_bench_options_t       options;
  tf_bench_row_t           rows[3];
  const int                code = tf_bench_options_parse(
                     argc, argv, "websocket messages over TLS 1.3 on loopback, beside libwebsockets (B2)",
                     &options);
  if (code >= 0) return code;
  if (!tf_tls_pool_install() || !mkdtemp(dir)) die("set-up");
  snprintf(cert, sizeof cert, "%s/cert.pem", dir);
  snprintf(key, sizeof key, "%s/key.pem", dir);
  if (tf_tls_self_signed(cert, key, hosts, 1, 2) != TF_OK) die("certificate");
  tf_clock_calibrate();
  if (options.smoke) message_cnt = MESSAGES / 32;
  listen_and_fork();
  tf_cpu_pin(cpus[0], "bench_wss");

  const tf_tls_client_config_t config    = {.ca_file = cert};
  tf_io_config_t               io_config = tf_io_config_default();
  tf_tls_ctx_t                 ctx;
  tf_arena_t                   arena;
  tf_io_t                     *io;
  io_config.conns_max = 4;
  assembly            = malloc(tf_ws_assembly_bytes(0));
  if (!assembly || tf_tls_ctx_init_client(&ctx, &config) != TF_OK ||
      tf_arena_init(&arena, "bench", tf_io_arena_bytes(&io_config)) != TF_OK ||
      tf_io_open(TF_IO_AUTO, &io_config, &arena, &io) != TF_OK)
    die("set-up");
  measure(rows, io, &ctx, options.smoke ? 1 : ROUNDS);
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  tf_io_fini(io);
  tf_arena_fini(&arena);
  tf_tls_ctx_fini(&ctx);
  free(assembly);
  close(control_fd);
  remove_certificate();
  return 0;
}
