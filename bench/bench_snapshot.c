/* What snapshots of a running lane cost, with 1, 100 and 1,000 instruments of B6's config (64 features, an MLP, a rule) and books of 100
 * levels a side. One thread is acquire, lane and emit, messages come at a fixed rate for instruments at random. First nothing comes: how
 * long a copy takes, and how large it is. Then slices with snapshots, one behind the other as fast as they can be taken, and slices
 * without alternate, so that both see the same machine. latency is from the time at which a message was due until its decision is out;
 * work is the lane's own time for it, of messages that came while an instrument was yet to be copied too.
 *
 *   bench_snapshot [--json] [--smoke] [--seconds N] [--rate N] [--full] [--file PATH]
 *
 * --file: they are kept there, else by nobody. --seconds: of each count of instruments; 60 is the run of bench/RESULTS.md. --full: each
 * instrument has had as many messages before it that the windows of ten seconds hold what they can, or nearly, and the market's clock
 * goes as fast or slowly as to leave it so. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench_print.h"
#include "boot/snapshot_live.h"
#include "core/clock.h"
#include "core/error.h"
#include "registry.h"
#include "snapshot_file.h"

#define LEVELS     100u /* a side */
#define MESSAGES   65536u
#define BEGIN_NS   (UINT64_C(1700000000) * TF_NS_PER_SEC)
#define QUIET_PUTS 9u
#define TAIL       4u
#define FULL_NS                                                                                    \
  (10 * TF_NS_PER_SEC)  /* the longest windows of the config; they have room for 4,096 */
#define FULL_CNT 16000u /* of messages in as long, of which a quarter are trades */

static const uint32_t instrument_cnts[] = {1, 100, 1000};
#define COUNTS TF_ARRAY_CNT(instrument_cnts)

typedef enum slice { WITHOUT, WITH, COPYING, SLICE_CNT } slice_t;

typedef struct bench {
  tf_source_t         source; /* first */
  tf_snapshot_live_t *live;
  const tf_lane_t    *lane;
  tf_event_t         *messages; /* (MESSAGES) quotes, trades, single levels */
  uint64_t            rate_hz, slice_ns, message_cnt;
  bool                is_full;
  double              step_ns; /* of the market's clock, from message to message */
  uint64_t            market_ns;
  uint64_t            begin_ns, next; /* next: message */
  uint32_t            instrument_cnt, quiet_seen;
  double              quiet_copy_us[QUIET_PUTS], quiet_write_us[QUIET_PUTS];
  tf_hist_t           latency[SLICE_CNT], work[SLICE_CNT];
} bench_t;

/* What came of a count of instruments. */
typedef struct result {
  double               copy_us, write_us; /* medians, while nothing came */
  tf_snapshot_counts_t counts;            /* at the end */
  double               seconds;
  tf_hist_t            latency[SLICE_CNT], work[SLICE_CNT];
} result_t;

static bench_t     bench;
static result_t    results[COUNTS];
static tf_engine_t engine;
static uint64_t    rng = 20261122;

static void die(const char *what) {
  fprintf(stderr, "bench_snapshot: %s: %s\n", what, tf_error_text());
  exit(1);
}

static uint32_t draw(uint32_t below) {
  rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(rng >> 33) % below;
}

/* ---- a market ---- */

static tf_event_t event_of(uint32_t id, tf_event_kind_t kind) {
  return (tf_event_t){.ts_event_ns   = BEGIN_NS,
                      .ts_recv_ns    = BEGIN_NS,
                      .instrument_id = id,
                      .kind          = (uint8_t)kind,
                      .flags         = TF_FLAG_LAST,
                      .price_exp     = -2,
                      .qty_exp       = -3};
}

static int64_t mid_of(uint32_t id) { return 100000 + 10 * (int64_t)id; }

static void set_level(tf_event_t *e, bool is_ask, uint32_t away) {
  const int64_t mid = mid_of(e->instrument_id);
  if (is_ask) e->flags |= TF_FLAG_SIDE;
  e->u.level.price     = is_ask ? mid + 1 + away : mid - 1 - (int64_t)away;
  e->u.level.qty       = 1 + draw(5000);
  e->u.level.venue_seq = 2;
}

static tf_event_t message_of(uint32_t id, uint32_t i) {
  static const tf_event_kind_t MIX[] = {TF_EVENT_QUOTE, TF_EVENT_TRADE, TF_EVENT_QUOTE,
                                        TF_EVENT_BOOK};
  tf_event_t                   e     = event_of(id, MIX[i % 4]);
  const int64_t                mid   = mid_of(id);
  if (e.kind == TF_EVENT_TRADE)
    e.u.trade.price = mid + draw(2), e.u.trade.qty = 1 + draw(3000), e.u.trade.id = i + 1;
  else if (e.kind == TF_EVENT_BOOK)
    set_level(&e, draw(2), draw(LEVELS));
  else
    e.u.quote.bid_price = mid - 1 - draw(2), e.u.quote.ask_price = mid + 1,
    e.u.quote.bid_qty = 1 + draw(9000), e.u.quote.ask_qty = 1 + draw(9000);
  return e;
}

static void make_messages(bench_t *b) {
  for (uint32_t i = 0; i < MESSAGES; i++) b->messages[i] = message_of(draw(b->instrument_cnt), i);
}

static void publish(bench_t *b, tf_event_t *events, uint32_t cnt) {
  const tf_batch_t batch = {.events = events, .event_cnt = cnt, .origin_tsc = tf_clock_ticks()};
  b->source.publisher.publish(b->source.publisher.self, &batch);
}

static void publish_books(bench_t *b) {
  static tf_event_t events[2 * LEVELS + 1];
  for (uint32_t id = 0; id < b->instrument_cnt; id++) {
    for (uint32_t i = 0; i < 2 * LEVELS; i++) {
      events[i]       = event_of(id, TF_EVENT_BOOK);
      events[i].flags = TF_FLAG_SNAPSHOT;
      set_level(&events[i], i & 1, i / 2);
      events[i].u.level.venue_seq = 1;
      events[i].u.level.level_idx = i;
      events[i].u.level.level_cnt = 2 * LEVELS;
    }
    events[2 * LEVELS]                     = event_of(id, TF_EVENT_STATUS);
    events[2 * LEVELS].u.status.book_state = TF_BOOK_OK;
    events[2 * LEVELS].u.status.apply_from = 2;
    publish(b, events, 2 * LEVELS + 1);
  }
}

/* One instrument's after the other, each from the beginning: their clocks are their own. */
static void fill_windows(bench_t *b) {
  for (uint32_t id = 0; id < b->instrument_cnt; id++)
    for (uint32_t i = 0; i < FULL_CNT; i++) {
      tf_event_t e  = message_of(id, i);
      e.ts_recv_ns  = BEGIN_NS + i * (FULL_NS / FULL_CNT);
      e.ts_event_ns = e.ts_recv_ns;
      publish(b, &e, 1);
    }
  b->market_ns += FULL_NS;
}

/* ---- the source ---- */

/* Snapshots while nothing comes. False: there were enough. */
static bool is_quiet(bench_t *b) {
  tf_snapshot_counts_t c;
  tf_snapshot_live_counts(b->live, &c);
  if (c.failed + c.declined + c.given_up > 0) die("no snapshot was kept");
  if (c.put > b->quiet_seen) {
    b->quiet_copy_us[b->quiet_seen]    = (double)c.copy_ns / 1e3;
    b->quiet_write_us[b->quiet_seen++] = (double)c.write_ns / 1e3;
  }
  if (b->quiet_seen == QUIET_PUTS) return false;
  (void)tf_snapshot_live_request(b->live);
  return true;
}

static bool is_copying(const bench_t *b) {
  /* relaxed: the lane's own word, on its thread */
  return tf_load_relaxed_u32(&b->lane->attention) & TF_ATTEND_ONLOOKER;
}

static void deliver(bench_t *b, uint64_t due_ns) {
  tf_event_t    e     = b->messages[b->next % MESSAGES];
  const slice_t slice = (due_ns - b->begin_ns) / b->slice_ns & 1 ? WITH : WITHOUT;
  e.ts_recv_ns = e.ts_event_ns = b->market_ns + (uint64_t)((double)b->next * b->step_ns) + 1;
  if (slice == WITH) (void)tf_snapshot_live_request(b->live);
  const bool     copying   = is_copying(b);
  const uint64_t begin_tsc = tf_clock_ticks();
  publish(b, &e, 1);
  const uint64_t work_ns = tf_clock_ticks_to_ns(tf_clock_ticks() - begin_tsc);
  const uint64_t now_ns  = tf_clock_monotonic_ns();
  tf_hist_record(&b->work[slice], work_ns);
  tf_hist_record(&b->latency[slice], now_ns - due_ns);
  if (!copying) return;
  tf_hist_record(&b->work[COPYING], work_ns);
  tf_hist_record(&b->latency[COPYING], now_ns - due_ns);
}

static int poll_market(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  bench_t *b = (bench_t *)source;
  if (b->begin_ns == 0) {
    publish_books(b);
    if (b->is_full) fill_windows(b);
    b->begin_ns = 1;
    return 1;
  }
  if (b->begin_ns == 1) {
    if (is_quiet(b)) return 0;
    b->begin_ns = tf_clock_monotonic_ns();
  }
  const uint64_t due_ns = b->begin_ns + b->next * TF_NS_PER_SEC / b->rate_hz;
  if (tf_clock_monotonic_ns() < due_ns) return 0;
  if (b->next == b->message_cnt) return TF_SOURCE_DONE;
  deliver(b, due_ns);
  b->next++;
  return 1;
}

static void stop_source(tf_source_t *source) { (void)source; }

static const tf_source_ops_t source_ops = {.poll = poll_market, .stop = stop_source};

/* ---- a run ---- */

static tf_err_t keep_none(void *self, const char *name, const tf_snapshot_mark_t *mark,
                          const void *bytes, size_t bytes_cnt) {
  (void)self, (void)name, (void)mark, (void)bytes, (void)bytes_cnt;
  return TF_OK;
}

static void name_instruments(uint32_t cnt) {
  for (uint32_t id = 0; id < cnt; id++) {
    tf_instrument_t *row = &engine.instruments.rows[id];
    row->id              = id;
    row->price_exp = row->qty_exp = INT8_MIN;
    snprintf(row->symbol, sizeof row->symbol, "S%u", id);
    snprintf(row->name, sizeof row->name, "S%u.MADE", id);
  }
  engine.instruments.cnt = cnt;
}

static void run(uint32_t cnt, double seconds, const char *file, result_t *result) {
  char         room[48];
  const char  *sets[] = {"sinks.0.type=\"null\"", "sinks.0.policy=auto", "engine.lanes.0.cpu=0",
                         "engine.book_levels_max=256", room};
  tf_config_t *config;
  snprintf(room, sizeof room, "engine.instruments_max=%u", cnt);
  if (tickfuse_load_config("bench/path.yaml", sets, TF_ARRAY_CNT(sets), &config) != 0) exit(1);
  const tf_engine_options_t options = {.is_replay = true};
  if (tf_engine_init(&engine, config, tickfuse_registry(), &options)) die("engine");
  name_instruments(cnt);
  bench.instrument_cnt = cnt;
  bench.begin_ns = bench.next = bench.quiet_seen = 0;
  bench.message_cnt                              = (uint64_t)(seconds * (double)bench.rate_hz);
  bench.market_ns                                = BEGIN_NS;
  bench.step_ns = bench.is_full ? (double)FULL_NS / FULL_CNT / cnt : 1e9 / (double)bench.rate_hz;
  bench.source  = (tf_source_t){.ops = &source_ops};
  bench.lane    = &engine.runner.lane;
  memset(bench.latency, 0, sizeof bench.latency), memset(bench.work, 0, sizeof bench.work);
  make_messages(&bench);
  tf_snapshot_live_config_t to = {.store = {.put = keep_none}, .name = file ? file : "none"};
  if (file) to.store = tickfuse_snapshot_files();
  if (tf_engine_add_source(&engine, &bench.source, "made") ||
      tf_snapshot_live_start(&engine, &to, &engine.snapshots))
    die("snapshots");
  bench.live = engine.snapshots;
  if (tf_engine_start(&engine) || tf_engine_join(&engine)) die("engine");
  tf_snapshot_live_stop(bench.live);
  tf_snapshot_live_counts(bench.live, &result->counts);
  result->copy_us  = tf_bench_median(bench.quiet_copy_us, QUIET_PUTS);
  result->write_us = tf_bench_median(bench.quiet_write_us, QUIET_PUTS);
  result->seconds  = seconds;
  memcpy(result->latency, bench.latency, sizeof result->latency);
  memcpy(result->work, bench.work, sizeof result->work);
  tf_engine_fini(&engine);
  tf_config_free(config);
}

/* ---- rows ---- */

#define ROWS_A_COUNT (4 + 2 * 2 * TAIL)

static tf_bench_row_t rows[COUNTS * ROWS_A_COUNT];
static char           names[COUNTS * ROWS_A_COUNT][64];
static uint32_t       row_cnt;

TF_PRINTF(6, 7)
static void add(double ours, const char *unit, const char *peer, double peers, bool lower,
                const char *format, ...) {
  va_list args;
  TF_ASSERT(row_cnt < TF_ARRAY_CNT(rows));
  va_start(args, format);
  vsnprintf(names[row_cnt], sizeof names[0], format, args);
  va_end(args);
  rows[row_cnt] = (tf_bench_row_t){names[row_cnt], ours, unit, peer, peers, (double)NAN, lower};
  row_cnt++;
}

static void add_tail(const tf_hist_t *h, const char *what, uint32_t cnt) {
  static const struct {
    double      q;
    const char *name;
  } TAILS[TAIL] = {
      {0.5,   "p50"  },
      {0.99,  "p99"  },
      {0.999, "p99_9"},
      {1,     "max"  }
  };
  for (uint32_t i = 0; i < TAIL; i++) {
    const double none = (double)tf_hist_quantile(&h[WITHOUT], TAILS[i].q);
    add((double)tf_hist_quantile(&h[WITH], TAILS[i].q), "ns", "slices without", none, true,
        "snapshot_%s_%s_%u", what, TAILS[i].name, cnt);
    add(h[COPYING].cnt ? (double)tf_hist_quantile(&h[COPYING], TAILS[i].q) : (double)NAN, "ns",
        "slices without", none, true, "snapshot_copying_%s_%s_%u", what, TAILS[i].name, cnt);
  }
}

static void add_rows(const result_t *r, uint32_t cnt) {
  const double bytes = (double)r->counts.bytes, none = (double)NAN;
  add(bytes, "bytes", NULL, none, true, "snapshot_bytes_%u", cnt);
  add(r->copy_us, "us", NULL, none, true, "snapshot_copy_%u", cnt);
  add(bytes / r->copy_us, "MB/s", NULL, none, false, "snapshot_copy_rate_%u", cnt);
  add(r->write_us, "us", NULL, none, true, "snapshot_write_%u", cnt);
  add_tail(r->latency, "latency", cnt);
  add_tail(r->work, "work", cnt);
  fprintf(
      stderr,
      "%u instruments: %llu snapshots; of the last, %llu instruments were copied since an event "
      "came; %llu messages without, %llu with, %llu of these while copying\n",
      cnt, (unsigned long long)r->counts.put, (unsigned long long)r->counts.touched,
      (unsigned long long)r->latency[WITHOUT].cnt, (unsigned long long)r->latency[WITH].cnt,
      (unsigned long long)r->latency[COPYING].cnt);
}

int main(int argc, char **argv) {
  tf_bench_options_t options = {0};
  double             seconds = 10;
  const char        *file    = NULL;
  bench.rate_hz              = 50000;
  bench.slice_ns             = TF_NS_PER_SEC / 2;
  for (int i = 1; i < argc; i++) {
    const bool has_value = i + 1 < argc;
    if (!strcmp(argv[i], "--json"))
      options.json = true;
    else if (!strcmp(argv[i], "--smoke"))
      seconds = 0.2, bench.rate_hz = 5000, bench.slice_ns = 20 * TF_NS_PER_MS;
    else if (!strcmp(argv[i], "--full"))
      bench.is_full = true;
    else if (!strcmp(argv[i], "--seconds") && has_value)
      seconds = strtod(argv[++i], NULL);
    else if (!strcmp(argv[i], "--rate") && has_value)
      bench.rate_hz = strtoull(argv[++i], NULL, 10);
    else if (!strcmp(argv[i], "--file") && has_value)
      file = argv[++i];
    else
      return fprintf(stderr, "bench_snapshot: %s is no option of it\n", argv[i]), 2;
  }
  if (bench.rate_hz == 0 || seconds <= 0)
    return fprintf(stderr, "bench_snapshot: rate and seconds are more than 0\n"), 2;
  tf_clock_calibrate();
  bench.messages = malloc(MESSAGES * sizeof *bench.messages);
  for (size_t i = 0; i < COUNTS; i++) {
    run(instrument_cnts[i], seconds, file, &results[i]);
    add_rows(&results[i], instrument_cnts[i]);
  }
  free(bench.messages);
  tf_bench_print(rows, row_cnt, options.json);
  return 0;
}
