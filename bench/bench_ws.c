/* The wire alone: what a text message of 230 bytes costs to frame, and to decrypt and frame, from
 * memory to the callback, no socket. Batches of 64 messages, as one receive delivers them. A sanity
 * row for B1 and B2, which bench_ingest measures with the kernel.
 *
 * The TLS rows decrypt one record a message (TLS 1.3, AES-GCM). Their peer is the same OpenSSL read
 * through its own memory BIO, as most programs do, with the same framing behind it. Time is the
 * reading side's alone; what writes the records runs between the timed parts. */
#include <math.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "tf/io.h"
#include "wire/tls.h"
#include "wire/tls_pool.h"
#include "wire/ws.h"

#define PAYLOAD_BYTES 230
#define BATCH         64
#define PIECE_BYTES   4096
#define ROUNDS        9
#define MESSAGE_BYTES 65536
#define TLS_TX_BYTES  65536

typedef struct stream {
  tf_ws_t  ws;
  uint64_t message_cnt, byte_sum;
} stream_t;

static stream_t stream;
static uint8_t  assembly[MESSAGE_BYTES + TF_BYTES_PAD];
static uint8_t  frames[BATCH * (PAYLOAD_BYTES + TF_WS_HEADER_BYTES_MAX) + TF_BYTES_PAD];
static uint8_t  plain[65536 + TF_BYTES_PAD];

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  stream_t *s = self;
  (void)opcode;
  s->message_cnt++;
  s->byte_sum += bytes[cnt - 1];
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self, (void)opcode, (void)bytes, (void)cnt;
}

static uint32_t fixed_key(void *self) {
  (void)self;
  return 0x5A01C3FF;
}

static size_t start(tf_ws_role_t role, bool unchecked) {
  const tf_ws_config_t config = {
      .role              = role,
      .message_bytes_max = MESSAGE_BYTES,
      .utf8_unchecked    = unchecked,
      .random            = {NULL, fixed_key}
  };
  const tf_ws_handler_t handler = {&stream, on_message, on_control};
  static tf_ws_t        writer;
  const tf_ws_config_t  other = {
       .role              = role == TF_WS_CLIENT ? TF_WS_SERVER : TF_WS_CLIENT,
       .message_bytes_max = MESSAGE_BYTES,
       .random            = {NULL, fixed_key}
  };
  char   payload[PAYLOAD_BYTES];
  size_t at = 0;
  memset(&stream, 0, sizeof stream);
  memset(payload, '7', sizeof payload);
  TF_ASSERT(tf_ws_init(&stream.ws, &config, &handler, assembly) == 0);
  TF_ASSERT(tf_ws_init(&writer, &other, &handler, assembly) == 0);
  for (int i = 0; i < BATCH; i++)
    at += tf_ws_write_frame(&writer, frames + at, sizeof frames - TF_BYTES_PAD - at, TF_WS_TEXT,
                            true, payload, sizeof payload);
  return at;
}

/* Median over rounds of ns a message; the stream is fed in pieces of at most piece bytes. */
static double framing_ns(tf_ws_role_t role, bool unchecked, size_t piece, unsigned batches) {
  double       rounds[ROUNDS];
  const size_t cnt = start(role, unchecked);
  for (int r = -1; r < ROUNDS; r++) { /* the first warms up */
    const uint64_t from = tf_clock_ticks();
    for (unsigned b = 0; b < batches; b++) {
      for (size_t at = 0; at < cnt; at += piece)
        tf_ws_feed(&stream.ws, frames + at, cnt - at < piece ? cnt - at : piece);
    }
    const uint64_t ticks = tf_clock_ticks() - from;
    if (r >= 0) rounds[r] = (double)tf_clock_ticks_to_ns(ticks) / (batches * BATCH);
  }
  TF_ASSERT(stream.message_cnt == (uint64_t)batches * BATCH * (ROUNDS + 1));
  TF_ASSERT(stream.byte_sum == stream.message_cnt * '7');
  return tf_bench_median(rounds, ROUNDS);
}

/* --- TLS --- */

typedef struct link {
  tf_tls_ctx_t client_ctx, server_ctx;
  tf_tls_t     client, server;
  SSL         *peer; /* the client of the peer's rows */
  BIO         *peer_rx;
} link_t;

static link_t  pipe_;
static uint8_t client_tx[TLS_TX_BYTES], server_tx[TLS_TX_BYTES];

static void make_certificate(char *cert, char *key) {
  static const char *const hosts[] = {"localhost"};
  int                      fds[]   = {mkstemp(cert), mkstemp(key)};
  TF_ASSERT(fds[0] >= 0 && fds[1] >= 0);
  close(fds[0]);
  close(fds[1]);
  TF_ASSERT(tf_tls_self_signed(cert, key, hosts, 1, 1) == 0);
}

static void carry(tf_tls_t *from, tf_tls_t *to) {
  size_t         cnt;
  const uint8_t *tx = tf_tls_tx(from, &cnt);
  tf_tls_feed(to, tx, cnt);
  TF_ASSERT(tf_tls_read(to, plain, sizeof plain - TF_BYTES_PAD) == 0);
  tf_tls_tx_sent(from, cnt);
}

static void open_link(const char *cert, const char *key) {
  const tf_tls_client_config_t config = {.ca_file = cert};
  memset(&pipe_, 0, sizeof pipe_);
  TF_ASSERT(tf_tls_ctx_init_client(&pipe_.client_ctx, &config) == 0);
  TF_ASSERT(tf_tls_ctx_init_server(&pipe_.server_ctx, cert, key) == 0);
  TF_ASSERT(
      tf_tls_init(&pipe_.client, &pipe_.client_ctx, "localhost", client_tx, sizeof client_tx) == 0);
  TF_ASSERT(tf_tls_init(&pipe_.server, &pipe_.server_ctx, NULL, server_tx, sizeof server_tx) == 0);
}

static void close_link(void) {
  tf_tls_fini(&pipe_.client);
  tf_tls_fini(&pipe_.server);
  if (pipe_.peer) SSL_free(pipe_.peer);
  tf_tls_ctx_fini(&pipe_.client_ctx);
  tf_tls_ctx_fini(&pipe_.server_ctx);
}

static void shake_hands(void) {
  for (int i = 0; i < 4; i++) {
    carry(&pipe_.client, &pipe_.server);
    carry(&pipe_.server, &pipe_.client);
  }
  TF_ASSERT(pipe_.client.state == TF_TLS_OPEN && pipe_.server.state == TF_TLS_OPEN);
}

/* The peer's client over memory BIOs, against our server. */
static void shake_hands_with_peer(void) {
  pipe_.peer    = SSL_new(pipe_.client_ctx.ssl_ctx);
  pipe_.peer_rx = BIO_new(BIO_s_mem());
  BIO *peer_tx  = BIO_new(BIO_s_mem());
  TF_ASSERT(pipe_.peer && pipe_.peer_rx && peer_tx);
  SSL_set_bio(pipe_.peer, pipe_.peer_rx, peer_tx);
  SSL_set_connect_state(pipe_.peer);
  SSL_set_verify(pipe_.peer, SSL_VERIFY_NONE, NULL);
  for (int i = 0; i < 4; i++) {
    size_t cnt;
    SSL_do_handshake(pipe_.peer);
    const int n = BIO_read(peer_tx, plain, sizeof plain);
    if (n > 0) {
      tf_tls_feed(&pipe_.server, plain, (size_t)n);
      TF_ASSERT(tf_tls_read(&pipe_.server, assembly, sizeof assembly) == 0);
    }
    const uint8_t *tx = tf_tls_tx(&pipe_.server, &cnt);
    if (cnt) BIO_write(pipe_.peer_rx, tx, (int)cnt);
    tf_tls_tx_sent(&pipe_.server, cnt);
  }
  TF_ASSERT(SSL_is_init_finished(pipe_.peer));
}

static void read_ours(const uint8_t *tx, size_t cnt) {
  int n;
  tf_tls_feed(&pipe_.client, tx, cnt);
  while ((n = tf_tls_read(&pipe_.client, plain, sizeof plain - TF_BYTES_PAD)) > 0)
    tf_ws_feed(&stream.ws, plain, (size_t)n);
  TF_ASSERT(n == 0);
}

static void read_peer(const uint8_t *tx, size_t cnt) {
  int n;
  BIO_write(pipe_.peer_rx, tx, (int)cnt);
  while ((n = SSL_read(pipe_.peer, plain, (int)(sizeof plain - TF_BYTES_PAD))) > 0)
    tf_ws_feed(&stream.ws, plain, (size_t)n);
}

static double records_ns(void (*reader)(const uint8_t *, size_t), unsigned batches) {
  double       rounds[ROUNDS];
  const size_t frame_bytes = start(TF_WS_CLIENT, false) / BATCH;
  for (int r = -1; r < ROUNDS; r++) {
    uint64_t ticks = 0;
    for (unsigned b = 0; b < batches; b++) {
      size_t cnt;
      for (int i = 0; i < BATCH; i++)
        TF_ASSERT(tf_tls_write(&pipe_.server, frames, frame_bytes) == 0);
      const uint8_t *tx   = tf_tls_tx(&pipe_.server, &cnt);
      const uint64_t from = tf_clock_ticks();
      reader(tx, cnt);
      ticks += tf_clock_ticks() - from;
      tf_tls_tx_sent(&pipe_.server, cnt);
    }
    if (r >= 0) rounds[r] = (double)tf_clock_ticks_to_ns(ticks) / (batches * BATCH);
  }
  TF_ASSERT(stream.message_cnt == (uint64_t)batches * BATCH * (ROUNDS + 1));
  return tf_bench_median(rounds, ROUNDS);
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  static const char help[] = "bench_ws: framing and TLS records over memory, ns a 230-byte message";
  const int         end    = tf_bench_options_parse(argc, argv, help, &options);
  if (end >= 0) return end;
  char cert[] = "/tmp/tf_bench_cert_XXXXXX", key[] = "/tmp/tf_bench_key_XXXXXX";
  tf_tls_pool_install();
  tf_clock_calibrate();
  const unsigned batches = options.smoke ? 20 : 20000, tls_batches = options.smoke ? 5 : 1000;
  const double   whole     = framing_ns(TF_WS_CLIENT, false, SIZE_MAX, batches);
  const double   unchecked = framing_ns(TF_WS_CLIENT, true, SIZE_MAX, batches);
  const double   pieces    = framing_ns(TF_WS_CLIENT, false, PIECE_BYTES, batches);
  const double   masked    = framing_ns(TF_WS_SERVER, false, SIZE_MAX, batches);
  make_certificate(cert, key);
  open_link(cert, key);
  shake_hands();
  const double ours = records_ns(read_ours, tls_batches);
  close_link();
  open_link(cert, key);
  shake_hands_with_peer();
  const double peer = records_ns(read_peer, tls_batches);
  close_link();
  unlink(cert);
  unlink(key);
  /* Budgets: 15 ns of B1's 100 for framing; B2's 1.5 M messages a second and core. */
  const char          *name   = "openssl memory BIO";
  const tf_bench_row_t rows[] = {
      {"ws_frame",                whole,     "ns", NULL, NAN,  15,  true},
      {"ws_frame_utf8_unchecked", unchecked, "ns", NULL, NAN,  15,  true},
      {"ws_frame_pieces_of_4096", pieces,    "ns", NULL, NAN,  NAN, true},
      {"ws_frame_masked",         masked,    "ns", NULL, NAN,  NAN, true},
      {"tls_record_and_frame",    ours,      "ns", name, peer, 667, true},
  };
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return 0;
}
