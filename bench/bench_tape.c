/* B14: what a tape takes on disk and how quickly it is read back, whole files, checksums and all, by
 * one thread, of whose CPU time the rates are; the best of several rounds. The peer is zstd at the same level on the events' 64-byte structs, in pieces of as many
 * events as a tape's block has. DBN, a peer from PyPI, is in bench/peers/dbn.py. */
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "feed/feeds.h"
#include "file/replay.h"
#include "file/tape_writer.h"

#define EVENTS_MAX 600000u
#define ROUNDS     15

typedef struct market {
  const char *venue, *path;
  bool        levels; /* false: trades and quotes alone */
  tf_event_t *events;
  uint32_t    event_cnt, event_max;
  uint64_t    hash;
} market_t;

typedef struct result {
  double bytes, read_hz, write_hz;                /* ours */
  double peer_bytes, peer_read_hz, peer_write_hz; /* zstd on structs */
} result_t;

static tf_instrument_t  rows[16];
static tf_instruments_t instruments = {.rows = rows, .cap = 16};

static void keep(void *self, const tf_batch_t *batch) {
  market_t *m = self;
  for (uint32_t i = 0; i < batch->event_cnt && m->event_cnt < m->event_max; i++) {
    const tf_event_t *e = &batch->events[i];
    if (!m->levels && e->kind != TF_EVENT_TRADE && e->kind != TF_EVENT_QUOTE) continue;
    m->events[m->event_cnt]            = *e;
    m->events[m->event_cnt].ingest_seq = m->event_cnt + 1;
    m->hash                            = tf_hash_line(m->hash, &m->events[m->event_cnt++]);
  }
}

static bool load(market_t *m) {
  const tf_feed_config_t  feed  = {.instruments = &instruments, .channels = 7, .pending_cap = 1024};
  const tf_replay_input_t input = {
      .path = m->path, .feed = tf_feeds_find(m->venue), .feed_config = &feed};
  const tf_replay_config_t config = {.inputs = &input, .input_cnt = 1, .event_cap = 65536};
  tf_replay_t              replay;
  void                    *memory = aligned_alloc(TF_LINE_BYTES, tf_replay_footprint(&config));
  m->events                       = aligned_alloc(TF_LINE_BYTES, m->event_max * sizeof *m->events);
  m->hash                         = TF_HASH_SEED;
  if (!memory || !m->events || tf_replay_init(&replay, &config, memory) != TF_OK) return false;
  replay.source.publisher = (tf_publisher_t){m, keep};
  while (m->event_cnt < m->event_max && replay.source.ops->poll(&replay.source, 0) >= 0) {
  }
  tf_replay_fini(&replay);
  free(memory);
  return m->event_cnt > 0;
}

/* Of this thread's own CPU: what is asked is a core's rate, whoever else wants the core. */
static uint64_t cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static double seconds_since(uint64_t begin_ns) { return (double)(cpu_ns() - begin_ns) * 1e-9; }

static void best(double *hz, uint32_t cnt, double seconds) {
  if (cnt / seconds > *hz) *hz = cnt / seconds;
}

static bool write_tape(const market_t *m, const char *path, result_t *r) {
  tf_tape_writer_t              writer;
  const tf_tape_writer_config_t config = {.path = path, .instruments = &instruments};
  uint64_t                      begin  = cpu_ns();
  unlink(path);
  if (tf_tape_writer_init(&writer, &config) != TF_OK) return false;
  for (uint32_t i = 0; i < m->event_cnt; i++) tf_tape_writer_append(&writer, &m->events[i], 1);
  if (tf_tape_writer_fini(&writer) != TF_OK) return false;
  best(&r->write_hz, m->event_cnt, seconds_since(begin));
  return true;
}

/* The whole file; sum is what keeps the compiler honest. */
static bool read_tape(const market_t *m, const char *path, result_t *r, uint64_t *sum) {
  tf_tape_reader_t reader;
  tf_event_t       events[256];
  uint64_t         begin = cpu_ns();
  uint32_t         cnt   = 0;
  if (tf_tape_reader_init(&reader, path) != TF_OK) return false;
  for (uint64_t b = 0; b < reader.block_cnt && tf_tape_reader_open(&reader, b) == TF_OK; b++)
    for (uint32_t n; (n = tf_tape_reader_next(&reader, events, TF_ARRAY_CNT(events))); cnt += n)
      *sum += events[n - 1].ingest_seq;
  best(&r->read_hz, cnt, seconds_since(begin));
  bool good = tf_tape_reader_is_whole(&reader) && reader.events_hash == m->hash;
  r->bytes  = (double)reader.file_bytes / m->event_cnt;
  tf_tape_reader_fini(&reader);
  return good && cnt == m->event_cnt;
}

/* The peer: pieces of a block's events, each a zstd frame, in memory. */
static bool run_peer(const market_t *m, result_t *r, uint64_t *sum) {
  static tf_event_t out[TF_TAPE_BLOCK_EVENTS];
  uint32_t          piece_cnt = (m->event_cnt + TF_TAPE_BLOCK_EVENTS - 1) / TF_TAPE_BLOCK_EVENTS;
  size_t            cap = ZSTD_compressBound(sizeof out), used = 0;
  uint8_t          *bytes = malloc(cap * piece_cnt);
  size_t           *sizes = malloc(piece_cnt * sizeof *sizes);
  ZSTD_CCtx        *c     = ZSTD_createCCtx();
  ZSTD_DCtx        *d     = ZSTD_createDCtx();
  uint64_t          begin = cpu_ns();
  for (uint32_t p = 0; p < piece_cnt; p++) {
    uint32_t first = p * TF_TAPE_BLOCK_EVENTS;
    uint32_t n =
        m->event_cnt - first < TF_TAPE_BLOCK_EVENTS ? m->event_cnt - first : TF_TAPE_BLOCK_EVENTS;
    sizes[p] =
        ZSTD_compressCCtx(c, bytes + used, cap, m->events + first, n * sizeof *out, TF_TAPE_LEVEL);
    used += sizes[p];
  }
  best(&r->peer_write_hz, m->event_cnt, seconds_since(begin));
  begin = cpu_ns();
  for (uint32_t p = 0, at = 0; p < piece_cnt; at += (uint32_t)sizes[p++]) {
    size_t n = ZSTD_decompressDCtx(d, out, sizeof out, bytes + at, sizes[p]);
    if (!ZSTD_isError(n)) *sum += out[n / sizeof *out - 1].ingest_seq;
  }
  best(&r->peer_read_hz, m->event_cnt, seconds_since(begin));
  r->peer_bytes = (double)used / m->event_cnt;
  ZSTD_freeCCtx(c);
  ZSTD_freeDCtx(d);
  free(bytes);
  free(sizes);
  return true;
}

static bool measure(const market_t *m, uint32_t rounds, result_t *r) {
  char     path[64];
  uint64_t sum  = 0;
  bool     good = true;
  snprintf(path, sizeof path, "/dev/shm/bench-tape-%d", (int)getpid());
  for (uint32_t i = 0; i < rounds && good; i++) {
    good = (i % 5 || write_tape(m, path, r)) && read_tape(m, path, r, &sum);
    if (i % 5 == 0) good = good && run_peer(m, r, &sum);
  }
  unlink(path);
  if (!good) fprintf(stderr, "bench_tape: %s: %s\n", m->path, tf_error_text());
  fprintf(stderr, "# %s %s: %u events, sum %016llx\n", m->venue,
          m->levels ? "all" : "trades and quotes", m->event_cnt, (unsigned long long)sum);
  return good;
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                code =
      tf_bench_options_parse(argc, argv, "B14: a tape's size, and reading it back", &options);
  if (code >= 0) return code;
  tf_clock_calibrate();
  static market_t markets[] = {
      {.venue = "binance-spot",                                    .path = "../shared/data/binance-spot/btcusdt_20240808.gz"},
      {                        .venue = "binance-usdm", .path = "../shared/data/binance-usdm/btcusdt_20240808.gz"                                                         },
      { .venue  = "binance-usdm",
       .path   = "../shared/data/binance-usdm/btcusdt_20240808.gz",
       .levels = true},
  };
  static const char *const names[] = {"spot_trades_quotes", "usdm_trades_quotes", "usdm_all"};
  static char              texts[9][48];
  tf_bench_row_t           table[9];
  uint32_t                 cnt  = 0;
  const double             none = (double)NAN;
  for (uint32_t i = 0; i < TF_ARRAY_CNT(markets); i++) {
    result_t r           = {0};
    markets[i].event_max = options.smoke ? 20000 : EVENTS_MAX;
    if (access(markets[i].path, R_OK) != 0) {
      fprintf(stderr, "bench_tape: skipped: %s is not there\n", markets[i].path);
      if (options.json) printf("[]\n");
      return 77;
    }
    if (!load(&markets[i]) || !measure(&markets[i], options.smoke ? 1 : ROUNDS, &r)) return 1;
    for (int k = 0; k < 3; k++)
      snprintf(texts[cnt + k], sizeof texts[0], "tape_%s_%s",
               (const char *[]){"bytes", "read", "write"}[k], names[i]);
    const char *peer = "zstd -3 on structs";
    table[cnt]       = (tf_bench_row_t){texts[cnt], r.bytes, "bytes", peer, r.peer_bytes, 6, true};
    table[cnt + 1] =
        (tf_bench_row_t){texts[cnt + 1], r.read_hz, "1/s", peer, r.peer_read_hz, 50e6, false};
    table[cnt + 2] =
        (tf_bench_row_t){texts[cnt + 2], r.write_hz, "1/s", peer, r.peer_write_hz, none, false};
    cnt += 3;
    free(markets[i].events);
  }
  tf_bench_print(table, cnt, options.json);
  return 0;
}
