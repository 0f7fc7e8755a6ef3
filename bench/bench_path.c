/* B6 and B7: the whole path on one thread. B6 measures each message of the USD-M recording, framed as
 * the venue sends it, from its bytes to its decision in shared memory: websocket frame, decode, book,
 * 64 features, MLP 64-32-1, rule, sink. Messages follow each other at once, so caches are warm and
 * nothing waits: this is the cost of a message, not a latency under a schedule. B7 is `tickfuse
 * replay` on a tape of the same file, decompression included.
 *
 * There is no peer for B6; B7's peers are Python packages, see bench/peers. */
#include <jansson.h>
#include <libgen.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "bench_print.h"
#include "boot/engine.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "file/recording.h"
#include "registry.h"
#include "wire/ws.h"

#define RECORDING  "../shared/data/binance-usdm/btcusdt_20240808.gz"
#define FRAMES_MAX 100000u
#define EVENTS_MAX 8192u
#define LEVEL_NS   30.0
#define DEPTH_NS   500.0

typedef enum class { CLASS_TRADE, CLASS_QUOTE, CLASS_DEPTH, CLASS_CNT } class_t;

/* All messages as websocket frames, one behind the other; REST snapshots as they are. */
typedef struct frame {
  uint64_t recv_ns;
  uint32_t at, cnt;
  bool     http;
} frame_t;

typedef struct path_bench {
  tf_source_t      source; /* first */
  uint8_t         *bytes;
  size_t           bytes_cnt;
  frame_t         *frames;
  uint32_t         frame_cnt, next;
  tf_ws_t          ws;
  const tf_feed_t *feed;
  void            *feed_state;
  tf_feed_out_t    out;
  uint64_t         recv_ns, begin_tsc;
  uint32_t         level_cnt;
  class_t class;
  tf_hist_t hist[CLASS_CNT];
  tf_hist_t depth_permille; /* of the depth budget, in thousandths */
} path_bench_t;

static path_bench_t bench;
static tf_engine_t  engine;

/* ---- loading ---- */

static bool load(path_bench_t *b, uint32_t frame_max) {
  static tf_recording_t recording;
  if (tf_recording_init(&recording, RECORDING) != TF_OK) return false;
  b->frames = calloc(FRAMES_MAX, sizeof *b->frames);
  b->bytes  = malloc((size_t)64 << 20);
  tf_record_t record;
  while (b->frame_cnt < frame_max) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    frame_t *f = &b->frames[b->frame_cnt++];
    f->recv_ns = record.recv_ns;
    f->http    = record.kind == TF_FRAME_HTTP;
    f->at      = (uint32_t)b->bytes_cnt;
    if (!f->http)
      b->bytes_cnt +=
          tf_ws_write_header(b->bytes + b->bytes_cnt, TF_WS_TEXT, true, record.bytes_cnt, NULL);
    memcpy(b->bytes + b->bytes_cnt, record.bytes, record.bytes_cnt);
    b->bytes_cnt += record.bytes_cnt;
    f->cnt = (uint32_t)(b->bytes_cnt - f->at);
  }
  tf_recording_fini(&recording);
  return b->frame_cnt > 1000;
}

/* ---- the source ---- */

static void decode(path_bench_t *b, const char *bytes, size_t cnt, uint8_t kind) {
  tf_frame_t frame = {
      .bytes = bytes, .bytes_cnt = (uint32_t)cnt, .kind = kind, .recv_ns = b->recv_ns};
  b->out.event_cnt  = 0;
  b->out.resync_cnt = 0;
  b->feed->on_frame(b->feed_state, &frame, &b->out);
  if (b->out.event_cnt == 0) return;
  const tf_event_t *first = &b->out.events[0];
  b->class                = first->kind == TF_EVENT_TRADE   ? CLASS_TRADE
                            : first->kind == TF_EVENT_QUOTE ? CLASS_QUOTE
                                                            : CLASS_DEPTH;
  b->level_cnt            = b->out.event_cnt;
  tf_batch_t batch        = {b->out.events, b->out.event_cnt, b->begin_tsc, tf_clock_ticks()};
  b->source.publisher.publish(b->source.publisher.self, &batch);
}

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)opcode;
  decode(self, (const char *)bytes, cnt, TF_FRAME_TEXT);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self, (void)opcode, (void)bytes, (void)cnt;
}

static int poll_frame(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  path_bench_t *b = (path_bench_t *)source;
  for (int burst = 0; burst < 64; burst++) {
    if (b->next == b->frame_cnt) return TF_SOURCE_DONE;
    const frame_t *f = &b->frames[b->next++];
    b->recv_ns       = f->recv_ns;
    b->level_cnt     = 0;
    b->begin_tsc     = tf_clock_ticks();
    if (f->http) {
      decode(b, (const char *)b->bytes + f->at, f->cnt, TF_FRAME_HTTP);
      continue; /* once a run: not a message class */
    }
    tf_ws_feed(&b->ws, b->bytes + f->at, f->cnt);
    uint64_t ns = tf_clock_ticks_to_ns(tf_clock_ticks() - b->begin_tsc);
    if (b->level_cnt == 0) continue;
    tf_hist_record(&b->hist[b->class], ns);
    if (b->class == CLASS_DEPTH)
      tf_hist_record(&b->depth_permille,
                     (uint64_t)(1000.0 * (double)ns / (DEPTH_NS + LEVEL_NS * b->level_cnt)));
  }
  return 64;
}

static void stop_source(tf_source_t *source) { (void)source; }

static const tf_source_ops_t source_ops = {.poll = poll_frame, .stop = stop_source};

static tf_err_t open_source(path_bench_t *b) {
  static tf_feed_config_t config;
  config       = (tf_feed_config_t){.instruments = &engine.instruments,
                                    .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                                    .pending_cap = 1024};
  tf_err_t err = tf_engine_feed(tickfuse_registry(), "binance-usdm", &b->feed);
  if (err) return err;
  b->feed_state     = aligned_alloc(64, tf_align_up(b->feed->state_bytes(b->feed, &config), 64));
  b->out            = (tf_feed_out_t){.events    = calloc(EVENTS_MAX, sizeof(tf_event_t)),
                                      .event_cap = EVENTS_MAX,
                                      .counts    = &b->source.counts};
  tf_ws_config_t ws = {
      .role = TF_WS_CLIENT, .utf8_unchecked = true, .random = {NULL, tf_ws_random_system}
  };
  tf_ws_handler_t handler = {b, on_message, on_control};
  err                     = tf_ws_init(&b->ws, &ws, &handler, malloc(tf_ws_assembly_bytes(0)));
  if (!err) err = b->feed->init(b->feed, b->feed_state, &config);
  b->source.ops = &source_ops;
  return err;
}

static tf_err_t run_once(void) {
  char shm[64];
  snprintf(shm, sizeof shm, "sinks.0.path=bench-path-%d", (int)getpid());
  const char  *sets[] = {shm};
  tf_config_t *config;
  if (tickfuse_load_config("bench/path.yaml", sets, 1, &config) != 0) return E_CONFIG_FILE;
  const tf_engine_options_t options = {.is_replay = true};
  tf_err_t                  err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (!err) err = open_source(&bench);
  if (!err) err = tf_engine_add_source(&engine, &bench.source, "bench");
  if (!err) err = tf_engine_start(&engine);
  if (!err) err = tf_engine_join(&engine);
  tf_engine_fini(&engine);
  tf_config_free(config);
  return err;
}

/* ---- B7 ---- */

/* ticks and events a second of `tickfuse replay` from a tape, best of five: 0 when it cannot be run. */
static void replay_rates(double *ticks_hz, double *events_hz) {
  char    self[900], command[2048], tape[64];
  ssize_t cnt = readlink("/proc/self/exe", self, sizeof self - 1);
  if (cnt < 0) return;
  self[cnt]       = '\0';
  const char *dir = dirname(self);
  snprintf(tape, sizeof tape, "/dev/shm/bench-path-%d.tape", (int)getpid());
  snprintf(command, sizeof command,
           "'%s/../tickfuse' tape convert binance-usdm:" RECORDING " --out %s >/dev/null", dir,
           tape);
  if (system(command) != 0) return;
  snprintf(command, sizeof command,
           "'%s/../tickfuse' replay bench/path.yaml --json --set sinks.0.path=bench-replay-%d "
           "--input %s",
           dir, (int)getpid(), tape);
  for (int i = 0; i < 5; i++) {
    FILE   *pipe = popen(command, "r");
    json_t *root = pipe ? json_loadf(pipe, 0, NULL) : NULL;
    if (pipe) pclose(pipe);
    double cpu_s = json_real_value(json_object_get(root, "cpu_seconds")); /* a core's rate */
    double ticks = (double)json_integer_value(json_object_get(root, "ticks"));
    double events =
        (double)json_integer_value(json_object_get(json_object_get(root, "events"), "total"));
    if (cpu_s > 0 && ticks / cpu_s > *ticks_hz) {
      *ticks_hz  = ticks / cpu_s;
      *events_hz = events / cpu_s;
    }
    json_decref(root);
  }
  unlink(tape);
}

/* A stream's file outlives its engine by design; a bench's should not. */
static void remove_streams(void) {
  static const char *const names[] = {"bench-path", "bench-replay"};
  for (size_t i = 0; i < TF_ARRAY_CNT(names); i++) {
    char path[96];
    snprintf(path, sizeof path, "/dev/shm/tickfuse.%s-%d", names[i], (int)getpid());
    unlink(path);
  }
}

static double quantile(const tf_hist_t *h, double q) { return (double)tf_hist_quantile(h, q); }

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                code =
      tf_bench_options_parse(argc, argv, "B6, B7: a message's whole path, and replay", &options);
  if (code >= 0) return code;
  tf_clock_calibrate();
  if (access(RECORDING, R_OK) != 0 || !load(&bench, options.smoke ? 5000 : FRAMES_MAX)) {
    fprintf(stderr, "bench_path: skipped: %s is not there\n", RECORDING);
    if (options.json) printf("[]\n");
    return 77;
  }
  if (run_once() != TF_OK) {
    fprintf(stderr, "bench_path: %s\n", tf_error_text());
    return 1;
  }
  double ticks_hz = 0, events_hz = 0;
  if (!options.smoke) replay_rates(&ticks_hz, &events_hz);
  const tf_hist_t *trade = &bench.hist[CLASS_TRADE], *quote = &bench.hist[CLASS_QUOTE];
  const double     none   = (double)NAN;
  tf_bench_row_t   rows[] = {
        {"path_trade_p50", quantile(trade, 0.5),            "ns",                                      NULL,                                                                                 none,                                       1000,                                                                                                                                                              true},
        {"path_trade_p99",                quantile(trade,               0.99), "ns",                       NULL,                                                                                                       none,                                                                                                                       2000,                                                                                                                                                                              true},
        {"path_quote_p50",            quantile(quote,                          0.5),                          "ns",                                          NULL,                                                                                                 none,                                                                                                              1000,                                                     true},
        {"path_quote_p99",            quantile(quote,                      0.99),                                     "ns",                                                               NULL,                                                                                                                          none,                             2000,                                                                                                  true},
        {"path_depth_p50_of_500ns_30ns_a_level",            quantile(&bench.depth_permille,                      0.5) / 1e3,                                 "x",
         NULL,none,1,      true},
        {"path_depth_p99_of_500ns_30ns_a_level",             quantile(&bench.depth_permille,                       0.99) / 1e3,                                     "x",
         NULL,                                                                                                                                                               none,                                                                                                                                                                                                1,                                                                                                                                                                                                                                                                                                                  true},
        {"replay_ticks",             ticks_hz,                             "1/s",                                        NULL,                                                                                none,  700e3,false},
        {"replay_events",           events_hz,"1/s",NULL,none,5e6,                                                                                                                                                                                              false                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 },
  };
  remove_streams();
  tf_bench_print(rows, options.smoke ? 6 : 8, options.json);
  return 0;
}
