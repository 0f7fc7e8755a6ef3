/* A feature plan on a card against the same plan on a lane, event by event: quotes, trades and bars of a made-up market of several
 * instruments, and of recordings where they are there. The card is told of the market as the lane tells it (tf/market_row.h), and begins anew in between. The kernel runs on fibers (tests/cuda_on_cpu), behind a mailbox. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "boot/feature_view.h"
#include "card_run.h"
#include "core/error.h"
#include "cross/registry.h"
#include "features_kernel.h"
#include "feed/feeds.h"
#include "file/recording.h"
#include "gpu/card_features.h"
#include "indicator/registry.h"
#include "stage/pipeline.h"
#include "stage/tell.h"

#define INSTRUMENTS_MAX 4096u
#define FEATURES_MAX    96u
#define BATCH_MAX       TF_MAILBOX_BATCH_MAX
#define BOOKS_OK        (1u << TF_BOOK_OK | 1u << TF_BOOK_NONE)

static const tf_card_limits_t LIMITS = {.sm_cnt           = 1,
                                        .cluster_max      = 1,
                                        .thread_max       = 1024,
                                        .shared_bytes_max = 1 << 17,
                                        .memory_bytes     = UINT64_C(1) << 32};

/* Those whose sums the card makes in an order of its own: as floats they may differ by their last place. */
static const char *const TEXTS[] = {
    "mid",
    "spread_bps",
    "microprice",
    "last",
    "bid_qty - ask_qty",
    "abs(mid - last) / max(1, spread)",
    "min(bid, last) * -2",
    "ema(mid, 20)",
    "ema(ema(microprice, 5), 3)",
    "rsi(mid, 14)",
    "ret(mid, 10)",
    "sma(mid, 7)",
    "zscore(mid, 25)",
    "max(mid, 12)",
    "min(microprice, 9)",
    "ofi(50ms)",
    "vwap(100ms)",
    "volume(100ms)",
    "trade_count(1s)",
    "trade_imbalance(200ms, 16)",
    "cs_rank(ofi(1s))",
    "cs_rank(ret(mid, 10))",
    "cs_count(ema(mid, 20))",
    "cs_zscore(ret(mid, 10))",
    "cs_mean(spread_bps)",
    "cs_std(spread_bps)",
    "cs_demean(spread_bps)",
    "ema(cs_rank(mid), 4)",
    "cs_rank(mid - cs_quantile(mid, 0.5))",
    "cs_quantile(mid, 0.25)",
    "cs_quantile(ema(mid, 20), 0.9)",
    "realized_var(mid, 30)",
    "realized_var(s1.close, 4)",
    "atr(s1.high, s1.low, s1.close, 3)",
    "ema(s1.close, 5) - mid",
    "t5.volume / max(1, t5.trade_cnt)",
    "n9.close - n9.open",
    "imbalance(5) + ema(stddev(mid, 20), 9)",
    "ema(imbalance(5), 4)",
    "macd(s1.close, 3, 6, 2).macdsignal",
    "ema(macd(s1.close, 3, 6, 2), 3)",
    "cvd",
    "trade_intensity(1s)",
    "basis",
    "bbands(mid, 20).upperband - mid",
    "stoch(s1.high, s1.low, s1.close, 5).slowd",
    "ema(kama(mid, 10), 4)",
    "tanh(linearreg_slope(mid, 8))",
    "ht_phasor(mid).quadrature",
    "cdldoji(s1.open, s1.high, s1.low, s1.close)",
};

static bool is_rounded(const char *name) {
  static const char *const WORDS[] = {"cs_zscore", "cs_mean", "cs_std", "cs_demean(s"};
  for (size_t i = 0; i < TF_ARRAY_CNT(WORDS); i++)
    if (!strncmp(name, WORDS[i], strlen(WORDS[i]))) return true;
  return false;
}

/* ---- the lane, and the card beside it ---- */

static const char *const BARS[] = {"s1", "t5", "n9"};

/* A tick that is to be asked about, with others of its request. */
typedef struct waiting {
  uint32_t        id;
  tf_market_row_t row;
  double          row_ours[FEATURES_MAX];
  double         *slots; /* (slot_cnt) as of the tick */
} waiting_t;

/* Blocks of the card's program, ticks of a request, instruments: of what open_both makes. */
static uint32_t block_cnt = 1, batch = 1, instrument_cnt = 6;

static struct {
  tf_feature_env_t      env;
  tf_feature_compile_t *compile;
  tf_feature_plan_t     plan;
  tf_plan_view_t        view;
  tf_card_program_t    *program;
  card_run_t            card;
  uint32_t              numbers[INSTRUMENTS_MAX];

  tf_lane_t            lane;
  tf_lane_instrument_t instruments[INSTRUMENTS_MAX];
  tf_instrument_t      names[INSTRUMENTS_MAX];
  tf_hist_t            hists[TF_HOP_CNT];
  tf_arena_t           arena;
  double               row[FEATURES_MAX];
  uint64_t             seq, ticks, values;
  uint64_t             closes, states, gone, behind;
  uint64_t             max_age_ns;
  waiting_t            waiting[BATCH_MAX];
  uint32_t             waiting_cnt;
  uint64_t             requests, rows; /* of those with several */
} rig;

static void on_row(void *self, const tf_lane_instrument_t *in) {
  (void)self;
  memcpy(rig.row, in->row, rig.plan.feature_cnt * sizeof(double));
}

/* ---- what the card is told ---- */

/* Row idx of row_cnt of the next request. slots: of a tick. */
static void put_row(uint32_t idx, uint32_t row_cnt, uint32_t id, uint32_t flags,
                    const tf_market_row_t *row, const double *slots) {
  float            values[TF_MARKET_ROW_VALUES_MAX];
  tf_mailbox_row_t head = {.instrument_idx = id,
                           .flags          = (rig.numbers[id] ? 0 : TF_MAILBOX_RESET) | flags,
                           .number         = ++rig.numbers[id]};
  uint32_t         at   = 0;
  memcpy(values, row, sizeof *row);
  for (uint32_t i = 0; i < rig.view.step_cnt; i++) {
    if (rig.view.steps[i].kind != TF_PLAN_HANDED) continue;
    double x = slots ? slots[rig.view.steps[i].out] : 0;
    memcpy(values + tf_market_row_values(at++), &x, sizeof x);
  }
  tf_mailbox_post(&rig.card.lane, idx, row_cnt, &head, values);
}

static uint64_t tell(uint32_t id, uint32_t flags, const tf_market_row_t *row, const double *slots) {
  put_row(0, 1, id, flags, row, slots);
  return rig.card.lane.next_seq++;
}

static void on_bars(void *self, const tf_lane_instrument_t *in, uint32_t closed_bars) {
  (void)self;
  for (uint32_t b = 0; b < TF_ARRAY_CNT(BARS); b++) {
    const tf_bar_t *bar = &in->bars[b].closed;
    tf_market_row_t row = {.kind = TF_MARKET_ROW_BAR, .bar_idx = (uint8_t)b};
    if (!(closed_bars >> b & 1) || rig.numbers[in->id] == 0) continue;
    const double fields[] = {bar->open,   bar->high,     bar->low,        bar->close,
                             bar->volume, bar->notional, bar->buy_volume, (double)bar->trade_cnt};
    memcpy(row.u.bar, fields, sizeof fields);
    tell(in->id, TF_MAILBOX_QUIET, &row, NULL);
    rig.closes++;
  }
}

static void tell_event(const tf_event_t *e) {
  tf_market_row_t row;
  if (rig.numbers[e->instrument_id] == 0 ||
      (e->kind != TF_EVENT_TRADE && e->kind != TF_EVENT_QUOTE))
    return;
  (void)tf_tell_tick(&rig.lane, e->instrument_id, &row);
  row.kind = e->kind == TF_EVENT_TRADE ? TF_MARKET_ROW_TRADE : TF_MARKET_ROW_QUOTE;
  tell(e->instrument_id, TF_MAILBOX_QUIET, &row, NULL);
}

/* The lane's memory, where the card has not the instrument's. */
static bool tell_state(uint32_t id) {
  tf_market_row_t row = {0};
  if (rig.numbers[id]) return false;
  const uint32_t tag    = (uint32_t)rig.card.lane.next_seq;
  const void    *memory = tf_tell_state(&rig.lane, id, &row);
  tf_mailbox_put_state(&rig.card.lane, 0, memory, rig.plan.mem_bytes / 4, tag);
  row.kind        = TF_MARKET_ROW_STATE;
  row.u.state.tag = tag;
  tell(id, TF_MAILBOX_QUIET, &row, NULL);
  rig.states++;
  return true;
}

static tf_mailbox_status_t tell_tick_once(uint32_t id, float *out) {
  tf_market_row_t row;
  bool            stands = tell_state(id);
  const double   *slots  = tf_tell_tick(&rig.lane, id, &row);
  if (stands) row.kind = TF_MARKET_ROW_STANDS;
  return card_run_await(&rig.card, tell(id, 0, &row, slots), 0, out);
}

/* A card that has begun anew may lack members of sections: then the lane's memory once more. */
static tf_mailbox_status_t tell_tick(uint32_t id, float *out) {
  tf_mailbox_status_t status = tell_tick_once(id, out);
  if (status != TF_MAILBOX_BEHIND) return status;
  rig.numbers[id] = 0;
  rig.behind++;
  return tell_tick_once(id, out);
}

static void ask_waiting(void);

/* Who is in no section any more: behind the ticks before. */
static void tell_gone(const bool was_in[INSTRUMENTS_MAX]) {
  const tf_market_row_t row = {.kind = TF_MARKET_ROW_GONE};
  for (uint32_t i = 0; i < instrument_cnt; i++)
    if (was_in[i] && !rig.lane.universe.members[i].is_in && rig.numbers[i]) {
      if (rig.waiting_cnt) ask_waiting();
      tell(i, TF_MAILBOX_QUIET, &row, NULL);
      rig.gone++;
    }
}

static void compile_texts_for(const char *const *texts, size_t cnt, tf_plan_runs_t runs) {
  uint64_t max_age_ns = rig.max_age_ns;
  memset(&rig, 0, sizeof rig);
  rig.max_age_ns = max_age_ns;
  rig.env        = (tf_feature_env_t){
             .indicators    = tf_indicators,
             .indicator_cnt = tf_indicator_cnt,
             .bar_names     = BARS,
             .bar_cnt       = TF_ARRAY_CNT(BARS),
             .plain_bar     = TF_FEATURE_COMPILE_NONE,
             .crosses       = &tf_cross_table,
             .universe      = {.books_ok   = BOOKS_OK,
                               .max_age_ns = max_age_ns ? max_age_ns : TF_FEATURE_AGE_NS_MAX}
  };
  assert_int_equal(tf_feature_compile_begin(&rig.compile, &rig.env), TF_OK);
  for (size_t i = 0; i < cnt; i++)
    if (tf_feature_compile_add(rig.compile, NULL, texts[i], NULL) != TF_OK)
      fail_msg("%s", tf_error_text());
  assert_int_equal(tf_feature_compile_finish(rig.compile, &rig.plan), TF_OK);
  assert_int_equal(tf_feature_view_init(&rig.view, &rig.plan, &rig.env, NULL, 0, runs), TF_OK);
}

static void compile_texts(const char *const *texts, size_t cnt) {
  compile_texts_for(texts, cnt, tf_card_features_runs);
}

static void free_texts(void) {
  tf_feature_view_fini(&rig.view);
  tf_feature_plan_fini(&rig.plan);
  tf_feature_compile_end(rig.compile);
}

static void init_instrument(uint32_t i) {
  tf_lane_instrument_t *in = &rig.instruments[i];
  snprintf(rig.names[i].name, sizeof rig.names[i].name, "I%u.V", i);
  assert_int_equal(tf_buffer_init_instrument(in, &rig.arena, 16, 16), TF_OK);
  in->id       = i;
  in->features = tf_arena_take(&rig.arena, rig.plan.mem_bytes, 64);
  in->row      = tf_arena_take(&rig.arena, sizeof(double) * (rig.plan.feature_cnt + 1), 64);
  assert_int_equal(tf_feature_plan_init_state(&rig.plan, in->features), TF_OK);
}

static void set_bars(void) {
  tf_buffer_t *b = &rig.lane.buffer;
  b->bars[0]     = (tf_bar_spec_t){.kind = TF_BAR_TIME, .span_ns = 20 * TF_NS_PER_MS};
  b->bars[1]     = (tf_bar_spec_t){.kind = TF_BAR_TICKS, .amount = 5};
  b->bars[2]     = (tf_bar_spec_t){.kind = TF_BAR_NOTIONAL, .amount = 900};
  b->bar_cnt     = TF_ARRAY_CNT(BARS);
}

static void start_card(uint64_t seed) {
  const card_run_spec_t spec = {.slots          = {rig.program},
                                .kernel         = features_kernel,
                                .instrument_cnt = instrument_cnt,
                                .batch_max      = BATCH_MAX,
                                .slot_cnt       = 1024, /* nobody waits for quiet rows */
                                .seed           = seed,
                                .plan           = rig.view.image,
                                .plan_bytes     = rig.view.image->bytes,
                                .state_packets  = (uint32_t)(rig.plan.mem_bytes / 12 + 1)};
  card_run_init(&rig.card, &spec);
  card_run_start(&rig.card);
  memset(rig.numbers, 0, sizeof rig.numbers);
}

static void stop_card(void) {
  card_run_stop(&rig.card);
  card_run_fini(&rig.card);
}

static void open_both(const char *const *texts, size_t cnt, uint64_t seed) {
  compile_texts(texts, cnt);
  assert_int_equal(
      tf_arena_init(&rig.arena, "test",
                    ((size_t)32 << 20) + instrument_cnt * (rig.plan.mem_bytes + ((size_t)4 << 10))),
      TF_OK);
  rig.lane.compute.plan   = &rig.plan;
  rig.lane.instruments    = rig.instruments;
  rig.lane.instrument_cap = instrument_cnt;
  rig.lane.names          = rig.names;
  rig.lane.hists          = rig.hists;
  rig.lane.sample_every = rig.lane.sample_left = UINT32_MAX;
  rig.lane.watch                               = (tf_row_watch_t){&rig, on_row, on_bars};
  set_bars();
  for (uint32_t i = 0; i < instrument_cnt; i++) init_instrument(i);
  for (uint32_t i = 0; i < BATCH_MAX; i++)
    rig.waiting[i].slots = malloc(rig.view.slot_cnt * sizeof(double));
  assert_int_equal(tf_universe_init(&rig.lane.universe, &rig.plan, instrument_cnt, &rig.arena),
                   TF_OK);
  tf_plan_view_t read;
  if (tf_card_plan_read(rig.view.image, rig.view.image->bytes, &read) != TF_OK ||
      tf_card_features_make(&read, instrument_cnt, 0, block_cnt, &LIMITS, &rig.program) != TF_OK)
    fail_msg("%s", tf_error_text());
  start_card(seed);
}

static void close_both(void) {
  stop_card();
  for (uint32_t i = 0; i < BATCH_MAX; i++) free(rig.waiting[i].slots);
  free(rig.program);
  tf_arena_fini(&rig.arena);
  free_texts();
}

static void compare(uint32_t instrument, const double *row, const float *out) {
  for (uint32_t i = 0; i < rig.plan.feature_cnt; i++) {
    const char *name = tf_feature_plan_name(&rig.plan, i);
    float       ours = (float)row[i];
    bool        same =
        is_rounded(name) ? fabsf(out[i] - ours) <= fabsf(ours) * 0x1p-23f + 1e-12f : out[i] == ours;
    if (!same && !(isnan(ours) && isnan(out[i])))
      fail_msg("tick %llu of I%u: %s is %.9g on the card, %.9g on the lane",
               (unsigned long long)rig.ticks, instrument, name, (double)out[i], (double)ours);
    rig.values += !isnan(ours);
  }
}

/* ---- ticks of several instruments in one request ---- */

/* One that is behind is asked about once more, as its memory: all rows behind it are, too. */
static void ask_waiting(void) {
  float    out[FEATURES_MAX];
  uint32_t cnt = rig.waiting_cnt;
  for (uint32_t i = 0; i < cnt; i++)
    put_row(i, cnt, rig.waiting[i].id, 0, &rig.waiting[i].row, rig.waiting[i].slots);
  const uint64_t seq = rig.card.lane.next_seq++;
  rig.requests += cnt > 1;
  rig.rows += cnt;
  tf_mailbox_status_t status[BATCH_MAX];
  for (uint32_t i = 0; i < cnt; i++) {
    status[i] = card_run_await(&rig.card, seq, i, out);
    if (status[i] == TF_MAILBOX_OK) compare(rig.waiting[i].id, rig.waiting[i].row_ours, out);
    if (status[i] == TF_MAILBOX_BEHIND) rig.numbers[rig.waiting[i].id] = 0, rig.behind++;
  }
  for (uint32_t i = 0; i < cnt; i++) {
    if (status[i] == TF_MAILBOX_OK) continue;
    assert_int_equal(status[i], TF_MAILBOX_BEHIND);
    assert_int_equal(tell_tick_once(rig.waiting[i].id, out), TF_MAILBOX_OK);
    compare(rig.waiting[i].id, rig.waiting[i].row_ours, out);
  }
  rig.waiting_cnt = 0;
}

static void add_waiting(uint32_t id) {
  waiting_t    *w     = &rig.waiting[rig.waiting_cnt++];
  const double *slots = tf_tell_tick(&rig.lane, id, &w->row);
  w->id               = id;
  memcpy(w->row_ours, rig.row, sizeof w->row_ours);
  memcpy(w->slots, slots, rig.view.slot_cnt * sizeof(double));
  if (rig.waiting_cnt == batch) ask_waiting();
}

static bool is_waiting(uint32_t id) {
  for (uint32_t i = 0; i < rig.waiting_cnt; i++)
    if (rig.waiting[i].id == id) return true;
  return false;
}

/* One event to both; a tick's rows are compared. */
static void send(tf_event_t *e) {
  const uint32_t id = e->instrument_id;
  static bool    was_in[INSTRUMENTS_MAX];
  float          out[FEATURES_MAX];
  if (is_waiting(id)) ask_waiting();
  for (uint32_t i = 0; i < instrument_cnt; i++)
    was_in[i] = rig.plan.section_cnt && rig.lane.universe.members[i].is_in;
  e->ingest_seq = ++rig.seq;
  tf_lane_on_events(&rig.lane, e, 1, 0, 0);
  tell_event(e);
  if (!(e->flags & TF_FLAG_LAST)) return;
  tell_gone(was_in);
  rig.ticks++;
  if (batch > 1 && rig.numbers[id]) {
    add_waiting(id);
    return;
  }
  if (rig.waiting_cnt) ask_waiting();
  assert_int_equal(tell_tick(id, out), TF_MAILBOX_OK);
  compare(id, rig.row, out);
}

static uint64_t random_next(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *seed >> 33;
}

/* Quotes that walk, trades, messages of several events; now and then a book that breaks and heals. */
static void send_made_up(uint64_t *seed, int64_t mids[INSTRUMENTS_MAX]) {
  uint32_t   id   = (uint32_t)(random_next(seed) % instrument_cnt);
  uint64_t   what = random_next(seed) % 32;
  tf_event_t e    = {.instrument_id = id, .price_exp = -2, .qty_exp = -3, .flags = TF_FLAG_LAST};
  mids[id] += (int64_t)(random_next(seed) % 7) - 3;
  if (what == 0) {
    e.kind                = TF_EVENT_STATUS;
    e.u.status.book_state = random_next(seed) % 2 ? TF_BOOK_NONE : TF_BOOK_GAP;
  } else if (what < 12) {
    e.kind          = TF_EVENT_TRADE;
    e.u.trade.price = mids[id];
    e.u.trade.qty   = 1 + (int64_t)(random_next(seed) % 1000);
    if (what < 6) e.flags = 0; /* its message goes on */
  } else {
    int64_t half        = 1 + (int64_t)(random_next(seed) % 5);
    e.kind              = TF_EVENT_QUOTE;
    e.u.quote.bid_price = mids[id] - half;
    e.u.quote.ask_price = mids[id] + half;
    e.u.quote.bid_qty   = (int64_t)(random_next(seed) % 900);
    e.u.quote.ask_qty   = (int64_t)(random_next(seed) % 900);
  }
  e.ts_recv_ns = UINT64_C(1700000000000000000) + rig.seq * 1000000;
  send(&e);
}

static void a_made_up_market_reads_the_same_on_both(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 2; seed++) {
    uint64_t       random = seed;
    static int64_t mids[INSTRUMENTS_MAX];
    open_both(TEXTS, TF_ARRAY_CNT(TEXTS), seed);
    for (uint32_t i = 0; i < instrument_cnt; i++) mids[i] = 10000 << i;
    for (uint32_t i = 0; i < 250; i++) send_made_up(&random, mids);
    assert_true(rig.ticks > 150 && rig.values > 2000 && rig.closes > 40);
    stop_card(); /* another one has the lane's memory, and goes on where this one was */
    start_card(seed);
    rig.values = 0, rig.behind = 0;
    for (uint32_t i = 0; i < 80; i++) send_made_up(&random, mids);
    assert_true(rig.values > 400 && rig.states == 2 * instrument_cnt + rig.behind &&
                rig.behind < 60);
    close_both();
  }
}

/* With as many blocks, and with fewer than a request has rows. */
static void rows_of_a_request_read_as_one_by_one(void **state) {
  (void)state;
  static const uint32_t ROWS[][2] = {
      {2, 2},
      {4, 4},
      {3, 6}
  };
  for (size_t r = 0; r < TF_ARRAY_CNT(ROWS); r++) {
    uint64_t       random = r + 1;
    static int64_t mids[INSTRUMENTS_MAX];
    block_cnt = ROWS[r][0], batch = ROWS[r][1];
    open_both(TEXTS, TF_ARRAY_CNT(TEXTS), r + 1);
    assert_int_equal(rig.program->block_cnt, block_cnt);
    for (uint32_t i = 0; i < instrument_cnt; i++) mids[i] = 10000 << i;
    for (uint32_t i = 0; i < 200; i++) send_made_up(&random, mids);
    stop_card(); /* another one has the lane's memory, and goes on where this one was */
    rig.waiting_cnt = 0;
    start_card(r + 1);
    for (uint32_t i = 0; i < 100; i++) send_made_up(&random, mids);
    printf("%u blocks, %u rows: %llu requests of several, %llu rows, %llu behind\n", block_cnt,
           batch, (unsigned long long)rig.requests, (unsigned long long)rig.rows,
           (unsigned long long)rig.behind);
    assert_true(rig.requests > 30 && rig.values > 1500 && rig.behind < 60);
    close_both();
  }
  block_cnt = batch = 1;
}

#define TOGETHER 160u /* ticks behind the first of each: two requests and a part of one */

/* 64 features and more of each of 4,096 instruments where TF_TEST_EXHAUSTIVE is set, else of 80: what stands to each other must not fit. */
static void a_wide_universe_reads_the_same_on_both(void **state) {
  (void)state;
  const char *texts[FEATURES_MAX];
  char        more[FEATURES_MAX][32];
  uint64_t    random = 11;
  size_t      cnt    = TF_ARRAY_CNT(TEXTS);
  memcpy(texts, TEXTS, sizeof TEXTS);
  for (; cnt < 64; cnt++) {
    snprintf(more[cnt], sizeof more[cnt], "ema(mid, %zu) - mid", cnt);
    texts[cnt] = more[cnt];
  }
  instrument_cnt = getenv("TF_TEST_EXHAUSTIVE") ? INSTRUMENTS_MAX : 80;
  block_cnt = 3, batch = BATCH_MAX;
  open_both(texts, cnt, 1);
  for (uint32_t i = 0; i < instrument_cnt + TOGETHER; i++) {
    const uint32_t id   = i * 7 % instrument_cnt; /* 7 divides neither */
    const int64_t  mid  = 10000 + 10 * id + (int64_t)(random_next(&random) % 21);
    tf_event_t     e    = {.instrument_id = id,
                           .kind          = TF_EVENT_QUOTE,
                           .price_exp     = -2,
                           .qty_exp       = -3,
                           .flags         = TF_FLAG_LAST,
                           .ts_recv_ns    = UINT64_C(1700000000000000000) + i * 1000};
    e.u.quote.bid_price = mid - 1;
    e.u.quote.ask_price = mid + 2;
    e.u.quote.bid_qty   = 1 + (int64_t)(random_next(&random) % 900);
    e.u.quote.ask_qty   = 900;
    send(&e);
  }
  if (rig.waiting_cnt) ask_waiting();
  printf("%u instruments, %u features, %llu bytes each: %llu requests of several, %llu behind, "
         "%llu values\n",
         instrument_cnt, rig.plan.feature_cnt, (unsigned long long)rig.program->state_bytes,
         (unsigned long long)rig.requests, (unsigned long long)rig.behind,
         (unsigned long long)rig.values);
  assert_true(rig.rows + instrument_cnt == rig.ticks && rig.behind == 0);
  assert_true(rig.values > rig.ticks * 15); /* windows are not full */
  close_both();
  instrument_cnt = 6, block_cnt = batch = 1;
}

static void those_who_are_silent_leave_its_sections(void **state) {
  (void)state;
  uint64_t       random = 7;
  static int64_t mids[INSTRUMENTS_MAX];
  rig.max_age_ns = 12 * TF_NS_PER_MS;
  open_both(TEXTS, TF_ARRAY_CNT(TEXTS), 1);
  for (uint32_t i = 0; i < instrument_cnt; i++) mids[i] = 10000 << i;
  for (uint32_t i = 0; i < 250; i++) send_made_up(&random, mids);
  assert_true(rig.gone > 10 && rig.values > 1000);
  close_both();
  rig.max_age_ns = 0;
}

/* ---- recordings ---- */

#define EVENT_CAP 65536u
#define TICKS_MAX 150u /* a tick takes the fibers a millisecond */

static struct {
  tf_instruments_t instruments;
  tf_feed_counts_t counts;
  tf_feed_out_t    out;
  const tf_feed_t *feed;
  void            *state;
} market;

static void open_market(const char *venue) {
  memset(&market, 0, sizeof market);
  market.feed             = tf_feeds_find(venue);
  market.instruments.cap  = 256;
  market.instruments.rows = calloc(256, sizeof(tf_instrument_t));
  market.out              = (tf_feed_out_t){.event_cap = EVENT_CAP,
                                            .counts    = &market.counts,
                                            .events    = malloc(EVENT_CAP * sizeof(tf_event_t))};
  tf_feed_config_t config = {.instruments = &market.instruments,
                             .channels    = (1u << TF_CHANNEL_CNT) - 1,
                             .pending_cap = 64};
  market.state =
      aligned_alloc(64, tf_align_up(market.feed->state_bytes(market.feed, &config), 128));
  assert_int_equal(market.feed->init(market.feed, market.state, &config), TF_OK);
}

static void close_market(void) {
  free(market.state);
  free(market.out.events);
  free(market.instruments.rows);
}

/* Its quotes and trades, to both; each ends a message of its own. */
static void send_message(const tf_record_t *record) {
  tf_frame_t frame = {.bytes     = record->bytes,
                      .bytes_cnt = record->bytes_cnt,
                      .kind      = record->kind,
                      .recv_ns   = record->recv_ns,
                      .target    = record->target};
  market.feed->on_frame(market.state, &frame, &market.out);
  for (uint32_t i = 0; i < market.out.event_cnt; i++) {
    tf_event_t *e  = &market.out.events[i];
    bool        is = e->kind == TF_EVENT_QUOTE || e->kind == TF_EVENT_TRADE;
    if (!is || e->instrument_id >= instrument_cnt) continue;
    e->flags |= TF_FLAG_LAST;
    send(e);
  }
  market.out.event_cnt = market.out.resync_cnt = 0;
}

static bool send_recording(const char *venue, const char *path) {
  tf_recording_t recording = {0};
  tf_record_t    record;
  if (tf_recording_init(&recording, path) != TF_OK) return false;
  open_market(venue);
  open_both(TEXTS, TF_ARRAY_CNT(TEXTS), 1);
  while (rig.ticks < TICKS_MAX) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    send_message(&record);
  }
  printf("%s: %llu ticks, %llu values\n", path, (unsigned long long)rig.ticks,
         (unsigned long long)rig.values);
  assert_true(rig.ticks > 50 && rig.values > rig.ticks * 4);
  close_both();
  close_market();
  tf_recording_fini(&recording);
  return true;
}

static void recordings_read_the_same_on_both(void **state) {
  (void)state;
  static const char *const ROWS[][2] = {
      {"binance-usdm", "../shared/data/binance-usdm/binance_futures.jsonl.zst"},
      {"binance-usdm", "../shared/data/binance-usdm/btcusdt_20240808.gz"      },
      {"binance-spot", "../shared/data/binance-spot/binance.jsonl.zst"        },
  };
  bool sent = false;
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) sent |= send_recording(ROWS[i][0], ROWS[i][1]);
  if (!sent) skip(); /* no recording here: the made-up market covers the path */
}

/* The loop's own rule: rows after one that was never seen are not computed on. */
static void a_row_that_is_missing_is_said(void **state) {
  (void)state;
  static const char *const texts[] = {"mid"};
  open_both(texts, 1, 1);
  tf_event_t e        = {.kind = TF_EVENT_QUOTE, .flags = TF_FLAG_LAST};
  e.u.quote.bid_price = 1;
  e.u.quote.ask_price = 3;
  send(&e);
  float out[FEATURES_MAX];
  rig.numbers[0]++;
  assert_int_equal(tell_tick_once(0, out), TF_MAILBOX_BEHIND);
  rig.numbers[0] = 0; /* which brings its memory once more */
  assert_int_equal(tell_tick(0, out), TF_MAILBOX_OK);
  assert_true(out[0] == 2);
  close_both();
}

/* A room that does not hold the state that a row speaks of is no state. */
static void a_torn_state_is_none(void **state) {
  (void)state;
  static const char *const texts[] = {"mid", "last"};
  open_both(texts, 2, 1);
  tf_event_t e        = {.kind = TF_EVENT_QUOTE, .flags = TF_FLAG_LAST};
  e.u.quote.bid_price = 1;
  e.u.quote.ask_price = 3;
  tf_lane_on_events(&rig.lane, &e, 1, 0, 0);
  float           out[FEATURES_MAX];
  tf_market_row_t row = {.kind = TF_MARKET_ROW_STATE};
  row.u.state.tag     = (uint32_t)rig.card.lane.next_seq;
  tf_mailbox_put_state(&rig.card.lane, 0, rig.instruments[0].features, rig.plan.mem_bytes / 4,
                       row.u.state.tag);
  rig.card.lane.state[rig.plan.mem_bytes / 24].tag--;
  tell(0, TF_MAILBOX_QUIET, &row, NULL);
  const double *slots = tf_tell_tick(&rig.lane, 0, &row);
  uint64_t      seq   = tell(0, 0, &row, slots);
  assert_int_equal(card_run_await(&rig.card, seq, 0, out), TF_MAILBOX_BEHIND);
  rig.numbers[0] = 0;
  assert_int_equal(tell_tick(0, out), TF_MAILBOX_OK);
  assert_true(out[0] == 2);
  close_both();
}

static void what_the_card_does_not_compute_is_refused_or_handed_over(void **state) {
  (void)state;
  static const char *const ROWS[][3] = {
      {"vpin(0.5, 20)",                      "vpin, which the card does not compute", "vpin"                      },
      {"ema(wma(s1.close, 20), 20)",         "wma, which the card",                   "ema"                       },
      {"imbalance(5) + mid",                 "imbalance, which the card",             "imbalance"                 },
      {"mid - mid@I1.V",                     NULL,                                    "another instrument's value"},
      {"peek(ema(s1.close, 4))",             NULL,                                    "peek"                      },
      {"ema(quantile(s1.close, 6, 0.5), 3)", "quantile, which the card",              "ema"                       },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    tf_card_program_t *program = NULL;
    compile_texts_for(&ROWS[i][0], 1, NULL);
    tf_err_t err = tf_card_features_make(&rig.view, 1, 0, 1, &LIMITS, &program);
    assert_int_equal(err, ROWS[i][1] ? E_MODEL_UNSUPPORTED : TF_OK);
    if (err && !strstr(tf_error_text(), ROWS[i][1]))
      fail_msg("%s: %s", ROWS[i][0], tf_error_text());
    free(program);
    free_texts();
    compile_texts(&ROWS[i][0], 1);
    uint32_t handed = 0;
    for (uint32_t k = 0; k < rig.view.step_cnt; k++)
      if (rig.view.steps[k].kind == TF_PLAN_HANDED && ++handed == 1)
        assert_string_equal(rig.view.steps[k].name, ROWS[i][2]);
    assert_int_equal(handed, 1);
    assert_int_equal(tf_card_features_make(&rig.view, 1, 0, 1, &LIMITS, &program), TF_OK);
    assert_int_equal(program->input_cnt, tf_market_row_values(1));
    free(program);
    free_texts();
  }
}

static void sizes_are_bounded(void **state) {
  (void)state;
  static const char *const texts[] = {"cs_rank(ret(mid, 100))"};
  tf_card_program_t       *program;
  compile_texts(texts, 1);
  const uint32_t   most   = TF_CARD_FEATURES_INSTRUMENTS_MAX;
  tf_card_limits_t limits = LIMITS;
  limits.memory_bytes     = UINT64_C(1) << 40;
  assert_int_equal(tf_card_features_make(&rig.view, 0, 0, 1, &limits, &program), E_MODEL_SHAPE);
  assert_int_equal(tf_card_features_make(&rig.view, most + 1, 0, 1, &limits, &program),
                   E_MODEL_SHAPE);
  assert_int_equal(tf_card_features_make(&rig.view, most, 0, 1, &limits, &program), TF_OK);
  uint64_t one          = program->state_bytes + sizeof(double); /* with its place in the section */
  uint32_t shared_bytes = program->shared_bytes;
  free(program);
  limits.memory_bytes = one * 10;
  assert_int_equal(tf_card_features_make(&rig.view, 11, 0, 1, &limits, &program), E_GPU_MEMORY);
  assert_int_equal(tf_card_features_make(&rig.view, 10, 0, 1, &limits, &program), TF_OK);
  free(program);
  limits.shared_bytes_max = shared_bytes + 16384 - 1;
  assert_int_equal(tf_card_features_make(&rig.view, 10, 0, 1, &limits, &program), E_MODEL_SHAPE);
  limits.shared_bytes_max++;
  assert_int_equal(tf_card_features_make(&rig.view, 10, 0, 1, &limits, &program), TF_OK);
  free(program);
  free_texts();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_made_up_market_reads_the_same_on_both),
      cmocka_unit_test(rows_of_a_request_read_as_one_by_one),
      cmocka_unit_test(a_wide_universe_reads_the_same_on_both),
      cmocka_unit_test(recordings_read_the_same_on_both),
      cmocka_unit_test(those_who_are_silent_leave_its_sections),
      cmocka_unit_test(a_row_that_is_missing_is_said),
      cmocka_unit_test(a_torn_state_is_none),
      cmocka_unit_test(what_the_card_does_not_compute_is_refused_or_handed_over),
      cmocka_unit_test(sizes_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
