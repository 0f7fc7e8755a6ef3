/* The unix, tcp and websocket sinks as emit uses them: configs that cannot work, and a consumer on the other
 * side of a real socket while records are offered from another thread than the sink's. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "free_port.h"
#include "tf/atomic.h"
#include "tf/frame.h"
#include "tf/sink.h"

#define RECORD_CNT 20000u

extern const tf_sink_t tf_sink_unix, tf_sink_tcp, tf_sink_websocket;

static char             folder[] = "/tmp/tf-sinks-XXXXXX", path[64], token_path[64];
static tf_instrument_t  row      = {.name = "BTCUSDT.BINANCE-SPOT"};
static tf_instruments_t table    = {.rows = &row, .cap = 1, .cnt = 1};

static tf_sink_config_t config_of(const char *type) {
  return (tf_sink_config_t){.type         = type,
                            .name         = "out",
                            .shape        = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                            .policy       = TF_OVERFLOW_DISCONNECT,
                            .slot_cnt     = 32768,
                            .client_slots = 32768,
                            .clients_max =
                                4, /* the second engine's look at the socket is one for a moment */
                            .strategy_cnt = 1,
                            .drain_ns_max = 60 * TF_NS_PER_SEC,
                            .instruments  = &table};
}

static void *state_for(const tf_sink_t *sink, const tf_sink_config_t *config) {
  size_t bytes = sink->state_bytes(config);
  void  *state = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(bytes, TF_LINE_PAIR_BYTES));
  assert_non_null(state);
  memset(state, 0, bytes);
  return state;
}

static void refused(const tf_sink_t *sink, const tf_sink_config_t *config, tf_err_t code,
                    const char *text) {
  void    *state = state_for(sink, config);
  tf_err_t err   = sink->open(state, config);
  if (err != code || !strstr(tf_error_text(), text))
    fail_msg("%s: found %d \"%s\", expected %d \"%s\"", sink->name, err, tf_error_text(), code,
             text);
  free(state);
}

static void configs_that_cannot_work_say_what_is_wanted(void **state) {
  (void)state;
  tf_sink_config_t c = config_of("unix");
  refused(&tf_sink_unix, &c, E_SINK_CONFIG, "a unix sink has a path, and no url");
  c.path      = path;
  c.cert_file = "cert.pem";
  refused(&tf_sink_unix, &c, E_SINK_CONFIG, "speaks no TLS");
  c.cert_file = NULL;
  c.format    = TF_FORMAT_CBOR;
  refused(&tf_sink_unix, &c, E_SINK_CONFIG, "format: binary and json are allowed");
  c.format = TF_FORMAT_BINARY;
  c.path   = "relative";
  refused(&tf_sink_unix, &c, E_SINK_CONFIG, "in a directory of its own");
  c.path       = path;
  c.token_file = "/nowhere/token";
  refused(&tf_sink_unix, &c, E_FILE_OPEN, "token_file of sink out");
  c.token_file = token_path;
  assert_int_equal(chmod(token_path, 0644), 0);
  refused(&tf_sink_unix, &c, E_FEED_KEY, "lets others read it");
  assert_int_equal(chmod(token_path, 0600), 0);
  c         = config_of("unix");
  c.path    = path;
  c.shape   = tf_record_shape(TF_CARRIES_EVENTS, 0);
  c.history = "a.journal";
  refused(&tf_sink_unix, &c, E_SINK_CONFIG, "history: a journal holds decisions");

  c = config_of("tcp");
  refused(&tf_sink_tcp, &c, E_SINK_CONFIG, "a tcp sink has a url");
  c.url = "tcp://0.0.0.0:0";
  refused(&tf_sink_tcp, &c, E_SINK_CONFIG, "not on loopback: token_file is wanted");
  c.url = "tls://127.0.0.1:0";
  refused(&tf_sink_tcp, &c, E_SINK_CONFIG, "tcp://HOST:PORT is wanted");
  c.url = "tcp://127.0.0.1:0/path";
  refused(&tf_sink_tcp, &c, E_SINK_CONFIG, "a tcp sink has none");
  c.url          = "tcp://127.0.0.1:0";
  c.tls_key_file = "key.pem";
  refused(&tf_sink_tcp, &c, E_SINK_CONFIG, "cert_file is missing");
  c.cert_file = "nowhere.pem";
  c.url       = "tls://127.0.0.1:0";
  refused(&tf_sink_tcp, &c, E_WIRE_TLS, "nowhere.pem");

  c = config_of("websocket");
  refused(&tf_sink_websocket, &c, E_SINK_CONFIG, "a websocket sink has a url");
  c.url = "ws://[::]:0/x";
  refused(&tf_sink_websocket, &c, E_SINK_CONFIG, "not on loopback: token_file is wanted");
  c.url       = "ws://127.0.0.1:0/x";
  c.cert_file = "nowhere.pem";
  refused(&tf_sink_websocket, &c, E_SINK_CONFIG, "tls_key_file is missing");
  c.tls_key_file = "nowhere.pem";
  refused(&tf_sink_websocket, &c, E_SINK_CONFIG, "wss://HOST:PORT is wanted");
  c.url = "wss://127.0.0.1:0/x";
  refused(&tf_sink_websocket, &c, E_SINK_CONFIG, "nowhere.pem");
}

/* ---- a consumer ---- */

typedef struct consumer {
  pthread_t thread;
  uint64_t  record_cnt, next_seq;
  uint32_t  end_reason;
} consumer_t;

static void read_all(int fd, void *target, size_t cnt) {
  for (size_t at = 0; at < cnt;) {
    ssize_t got = recv(fd, (uint8_t *)target + at, cnt - at, 0);
    if (got <= 0) fail_msg("recv: %zd, %s", got, strerror(errno));
    at += (size_t)got;
  }
}

static void *consume(void *arg) {
  static const uint64_t oldest  = TF_FRAME_RESUME_OLDEST;
  consumer_t           *c       = arg;
  struct sockaddr_un    at      = {.sun_family = AF_UNIX};
  tf_frame_header_t     h       = {.magic         = TF_FRAME_MAGIC,
                                   .kind          = TF_FRAME_HELLO,
                                   .version       = TF_FRAME_VERSION,
                                   .payload_bytes = sizeof(tf_frame_hello_t)};
  tf_frame_hello_t      hello   = {.resume_from = oldest, .version = TF_FRAME_VERSION};
  uint8_t              *payload = malloc(TF_FRAME_BYTES_MAX);
  int                   fd      = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(send(fd, &h, sizeof h, 0), sizeof h);
  assert_int_equal(send(fd, &hello, sizeof hello, 0), sizeof hello);
  do {
    read_all(fd, &h, sizeof h);
    assert_true(h.magic == TF_FRAME_MAGIC && h.payload_bytes <= TF_FRAME_BYTES_MAX);
    read_all(fd, payload, h.payload_bytes);
    for (uint32_t i = 0; h.kind == TF_FRAME_RECORDS && i < h.record_cnt; i++) {
      tf_decision_t d;
      memcpy(&d, payload + i * sizeof d, sizeof d);
      assert_int_equal(d.decision_seq, ++c->next_seq);
      assert_int_equal(d.ingest_seq, d.decision_seq * 7);
      c->record_cnt++;
    }
  } while (h.kind != TF_FRAME_END);
  memcpy(&c->end_reason, payload, sizeof c->end_reason);
  free(payload);
  close(fd);
  return NULL;
}

static void records_offered_here_arrive_there_whole_and_in_order(void **state) {
  (void)state;
  tf_sink_config_t config = config_of("unix");
  tf_sink_counts_t counts = {0};
  tf_decision_t    d      = {.decision_seq = 0};
  consumer_t       c[2]   = {{0}};
  config.path             = path;
  void *sink              = state_for(&tf_sink_unix, &config);
  assert_int_equal(tf_sink_unix.open(sink, &config), TF_OK);

  void *second = state_for(&tf_sink_unix, &config);
  assert_int_equal(tf_sink_unix.open(second, &config), E_FILE_BUSY);
  free(second);

  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&c[i].thread, NULL, consume, &c[i]), 0);
  while (counts.connects < 2) { /* both are there, whatever the machine does */
    tf_sink_unix.counts(sink, &counts);
    usleep(1000);
  }
  for (uint32_t i = 0; i < RECORD_CNT; i++) {
    d.decision_seq = i + 1;
    d.ingest_seq   = d.decision_seq * 7;
    assert_int_equal(tf_sink_unix.offer(sink, &d, 1), 1);
  }
  assert_int_equal(tf_sink_unix.close(sink), TF_OK);
  tf_sink_unix.counts(sink, &counts);
  for (int i = 0; i < 2; i++) {
    pthread_join(c[i].thread, NULL);
    assert_int_equal(c[i].record_cnt, RECORD_CNT);
    assert_int_equal(c[i].end_reason, TF_FRAME_REASON_CLOSED);
  }
  assert_int_equal(counts.acked, RECORD_CNT);
  assert_int_equal(counts.dropped_full + counts.dropped_closed + counts.pending, 0);
  free(sink);
}

/* ---- websocket ---- */

#define WS_PIECES    16u  /* messages that are offered, full ones */
#define WS_RECORDS   256u /* of a message */
#define WS_SENDS_MAX 2u   /* of a message: a socket may be full in the middle */

static uint64_t send_cnt;

/* In the place of libc's, for libwebsockets too. */
ssize_t send(int fd, const void *bytes, size_t cnt, int flags) {
  tf_count_add(&send_cnt, 1); /* while a test looks, one thread sends */
  return sendto(fd, bytes, cnt, flags, NULL, 0);
}

static void read_message(int fd, uint8_t *payload, size_t *cnt) {
  uint8_t head[4];
  read_all(fd, head, 2);
  assert_int_equal(head[0], 0x82); /* FIN, binary */
  *cnt = head[1];
  assert_true(*cnt <= 126);
  if (*cnt == 126) {
    read_all(fd, head + 2, 2);
    *cnt = (size_t)head[2] << 8 | head[3];
  }
  read_all(fd, payload, *cnt);
}

/* Greets with a hello whose mask is 0. */
static int dial_websocket(int port) {
  static const char upgrade[] = "GET /x HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  tf_frame_header_t h         = {.magic         = TF_FRAME_MAGIC,
                                 .kind          = TF_FRAME_HELLO,
                                 .version       = TF_FRAME_VERSION,
                                 .payload_bytes = sizeof(tf_frame_hello_t)};
  tf_frame_hello_t  hello = {.resume_from = TF_FRAME_RESUME_OLDEST, .version = TF_FRAME_VERSION};
  uint8_t           message[6 + sizeof h + sizeof hello] = {0x82, 0x80 | (sizeof h + sizeof hello)};
  char              answer[4096];
  struct sockaddr_in at;
  int                fd = loopback_socket(port, &at);
  memcpy(message + 6, &h, sizeof h);
  memcpy(message + 6 + sizeof h, &hello, sizeof hello);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(send(fd, upgrade, sizeof upgrade - 1, 0), sizeof upgrade - 1);
  for (size_t cnt = 0; cnt < 4 || memcmp(answer + cnt - 4, "\r\n\r\n", 4) != 0; cnt++)
    read_all(fd, answer + cnt, 1);
  assert_memory_equal(answer, "HTTP/1.1 101", 12);
  assert_int_equal(send(fd, message, sizeof message, 0), sizeof message);
  return fd;
}

/* A message that is cut into pieces takes a pass of the sink's thread for each. */
static void a_websocket_message_is_written_whole(void **state) {
  (void)state;
  static uint8_t   payload[TF_FRAME_BYTES_MAX];
  char             url[64];
  int              port   = free_port();
  tf_sink_config_t config = config_of("websocket");
  snprintf(url, sizeof url, "ws://127.0.0.1:%d/x", port);
  config.url = url;
  void *sink = state_for(&tf_sink_websocket, &config);
  assert_int_equal(tf_sink_websocket.open(sink, &config), TF_OK);
  tf_decision_t d = {.decision_seq = 0};
  while (d.decision_seq < WS_PIECES * WS_RECORDS) {
    d.decision_seq++;
    assert_int_equal(tf_sink_websocket.offer(sink, &d, 1), 1);
  }
  for (tf_sink_counts_t c = {0}; c.acked < d.decision_seq; usleep(100))
    tf_sink_websocket.counts(sink, &c); /* all stand in the backlog */
  int      fd       = dial_websocket(port);
  uint64_t next_seq = 0;
  size_t   cnt;
  uint32_t message_cnt = 0;
  uint64_t before      = tf_load_relaxed(&send_cnt); /* relaxed: this thread has sent the last */
  while (next_seq < d.decision_seq) {
    tf_frame_header_t h;
    read_message(fd, payload, &cnt);
    memcpy(&h, payload, sizeof h);
    message_cnt++;
    for (uint32_t i = 0; h.kind == TF_FRAME_RECORDS && i < h.record_cnt; i++) {
      memcpy(&d, payload + sizeof h + i * sizeof d, sizeof d);
      assert_int_equal(d.decision_seq, ++next_seq);
    }
    d.decision_seq = WS_PIECES * WS_RECORDS;
  }
  uint64_t sends = tf_load_relaxed(&send_cnt) - before; /* relaxed: what they sent was received */
  print_message("%u messages in %llu sends\n", message_cnt, (unsigned long long)sends);
  assert_true(sends <= WS_SENDS_MAX * message_cnt);
  close(fd);
  assert_int_equal(tf_sink_websocket.close(sink), TF_OK);
  free(sink);
}

static void listeners_without_clients_come_and_go(void **state) {
  (void)state;
  const struct {
    const tf_sink_t *sink;
    const char      *url;
  } of[] = {
      {&tf_sink_tcp,       "tcp://127.0.0.1:0" },
      {&tf_sink_websocket, "ws://127.0.0.1:0/x"}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(of); i++) {
    tf_sink_counts_t counts;
    tf_decision_t    d      = {.decision_seq = 1};
    tf_sink_config_t config = config_of(of[i].sink->name);
    config.url              = of[i].url;
    void *sink              = state_for(of[i].sink, &config);
    assert_int_equal(of[i].sink->open(sink, &config), TF_OK);
    assert_int_equal(of[i].sink->offer(sink, &d, 1), 1);
    assert_int_equal(of[i].sink->close(sink), TF_OK);
    of[i].sink->counts(sink, &counts);
    assert_int_equal(counts.acked + counts.dropped_closed, 1);
    free(sink);
  }
}

static int enter(void **state) {
  (void)state;
  tf_clock_calibrate();
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/own/out", folder);
  snprintf(token_path, sizeof token_path, "%s/token", folder);
  FILE *file = fopen(token_path, "w");
  fputs("s3cret\n", file);
  return fclose(file);
}

static int leave(void **state) {
  (void)state;
  char own[64];
  unlink(token_path);
  snprintf(own, sizeof own, "%s/own", folder);
  rmdir(own);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(configs_that_cannot_work_say_what_is_wanted),
      cmocka_unit_test(records_offered_here_arrive_there_whole_and_in_order),
      cmocka_unit_test(a_websocket_message_is_written_whole),
      cmocka_unit_test(listeners_without_clients_come_and_go),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
