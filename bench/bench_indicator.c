/* What indicators and feature plans cost a tick (PERF's row B5), on one warm core.
 *
 *   bench_indicator [--json] [--smoke] [NAME]     NAME: only rows whose name begins so
 *
 * One row per series indicator, over made-up bars: a streaming update through its descriptor (one of 8
 * states in turn, as in a plan), against the cost a bar of the textbook batch loop where there is one
 * (batch_loops.h). Then market indicators, bars a trade, and whole plans: the budget
 * rows. Each figure is the least of many short runs, since the neighbours on a shared machine
 * only ever add; the ratio is peer / ours, above 1 where ours is cheaper. */
#include <string.h>

#include "batch_loops.h"
#include "boot/feature_compile.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/isa.h"
#include "indicator/registry.h"
#include "stage/bar.h"
#include "stage/ladder.h"
#include "vector/registry.h"

enum { INSTANCES = 8, LEN = 4096, RUNS = 45, TICKS = 4096, ROWS_MAX = 512, N = 20 };

/* A plan's run is one pass, under a millisecond: on a shared machine many of them then fit between two
 * interruptions, and the least is free of them. */
enum { RIG_RUNS = 160 };

typedef struct row {
  char        name[48];
  double      ours;
  const char *peer;
  double      peer_value, budget; /* NaN: none */
} row_t;

static row_t       rows[ROWS_MAX];
static uint32_t    row_cnt;
static bool        smoke;
static const char *only = "";
static double      sink; /* what keeps the loops from being optimised away; printed */

static double   opens[LEN], highs[LEN], lows[LEN], prices[LEN], volumes[LEN], outputs[LEN];
static double   bids[TICKS], asks[TICKS], bid_qtys[TICKS], ask_qtys[TICKS], qtys[TICKS];
static uint64_t times[TICKS];

static double nan_value(void) { return __builtin_nan(""); }

static double unit(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*seed >> 11) * 0x1p-53;
}

static void make_market(void) {
  uint64_t seed = 1, now = UINT64_C(1700000000000000000);
  double   mid = 61837.63;
  for (uint32_t i = 0; i < LEN; i++) {
    opens[i]   = mid;
    prices[i]  = mid += (unit(&seed) - 0.5);
    highs[i]   = (opens[i] > mid ? opens[i] : mid) + unit(&seed);
    lows[i]    = (opens[i] > mid ? mid : opens[i]) - unit(&seed);
    volumes[i] = 1 + unit(&seed) * 5;
  }
  for (uint32_t i = 0; i < TICKS; i++) {
    mid += unit(&seed) - 0.5;
    now += (uint64_t)(unit(&seed) * 2e6); /* 1 ms between ticks on average */
    times[i]    = now;
    bids[i]     = mid - 0.01 - unit(&seed) * 0.05;
    asks[i]     = mid + 0.01 + unit(&seed) * 0.05;
    bid_qtys[i] = unit(&seed) * 5;
    ask_qtys[i] = unit(&seed) * 5;
    qtys[i]     = unit(&seed);
  }
}

static double least(const double *v, uint32_t cnt) {
  double best = v[0];
  for (uint32_t i = 1; i < cnt; i++) best = v[i] < best ? v[i] : best;
  return best;
}

/* ---- the peers: one batch pass over the bars, n = N ---- */

static double time_peer(const char *name) {
  double               ns[RUNS];
  const batch_series_t series = {opens, highs, lows, prices, volumes, outputs, LEN, N};
  for (uint32_t p = 0; p < batch_loop_cnt; p++) {
    if (strcmp(batch_loops[p].name, name) != 0) continue;
    uint32_t passes = smoke ? 1 : 12;
    for (uint32_t r = 0; r < RUNS; r++) {
      uint64_t begin = tf_clock_ticks();
      for (uint32_t k = 0; k < passes; k++) {
        batch_loops[p].run(&series);
        __asm__ volatile("" ::: "memory");
      }
      ns[r] = (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin) / (double)passes / LEN;
    }
    sink += outputs[LEN - 1];
    return least(ns, RUNS);
  }
  return nan_value();
}

/* ---- ours ---- */

/* Its defaults; where one count is all there is, that of the batch loops. */
static void choose_params(const tf_indicator_t *d, double params[TF_INDICATOR_PARAMS_MAX]) {
  for (uint32_t i = 0; i < d->param_cnt; i++) params[i] = d->params[i].dflt;
  if (d->param_cnt == 1 && d->params[0].kind == TF_PARAM_COUNT) params[0] = N;
}

/* The array that a series is named after; closes where it is none of a bar's. */
static const double *array_of(const char *name) {
  return strcmp(name, "open") == 0     ? opens
         : strcmp(name, "high") == 0   ? highs
         : strcmp(name, "low") == 0    ? lows
         : strcmp(name, "volume") == 0 ? volumes
                                       : prices;
}

/* One of INSTANCES states in turn, as in a plan: one state's next input comes after the others', so
 * this is the cost an update adds to a tick, not how long it waits for its own last result. */
static double time_series(const tf_indicator_t *d) {
  double        params[TF_INDICATOR_PARAMS_MAX] = {0}, ns[RUNS], out[TF_INDICATOR_OUTPUTS_MAX];
  const double *series[TF_INDICATOR_SERIES_MAX];
  choose_params(d, params);
  for (uint32_t k = 0; k < d->series_cnt; k++) series[k] = array_of(d->series[k]);
  size_t   bytes  = tf_align_up(d->state_bytes(params), 64);
  uint8_t *states = aligned_alloc(64, bytes * INSTANCES);
  uint32_t passes = smoke ? 1 : 4;
  for (uint32_t k = 0; k < INSTANCES; k++) {
    if (!states || d->init(states + k * bytes, params) != TF_OK) abort();
  }
  for (uint32_t r = 0; r < RUNS; r++) {
    uint64_t begin = tf_clock_ticks();
    for (uint32_t i = 0; i < passes * LEN; i++) {
      tf_indicator_input_t in = {.on = TF_ON_INPUT};
      for (uint32_t k = 0; k < d->series_cnt; k++) in.x[k] = series[k][i % LEN];
      for (uint32_t k = 0; k < INSTANCES; k++) d->update(states + k * bytes, &in, out);
    }
    ns[r] = (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin) / (double)passes / LEN;
    ns[r] /= INSTANCES;
    sink += out[0];
  }
  free(states);
  return least(ns, RUNS);
}

static tf_book_t   book;
static tf_ladder_t ladders[2];

/* 32 levels a side. */
static bool make_book(void) {
  static tf_arena_t arena;
  if (tf_arena_init(&arena, "book", 2 * TF_LADDER_BYTES(32)) != TF_OK ||
      tf_ladder_init(&ladders[0], &book.bid, &arena, 32, false) != TF_OK ||
      tf_ladder_init(&ladders[1], &book.ask, &arena, 32, true) != TF_OK)
    return false;
  for (int i = 0; i < 32; i++) {
    (void)tf_ladder_set(&ladders[0], 1000 + i, 1 + i * 7);
    (void)tf_ladder_set(&ladders[1], 1100 - i, 1 + (31 - i) * 7);
  }
  book.state = TF_BOOK_OK;
  return true;
}

/* A plan run over the scripted ticks: a quote, and on every second tick a trade before it. */
typedef struct rig {
  tf_feature_plan_t plan;
  tf_arena_t        arena; /* huge pages where the host gives them, as the engine's is */
  uint8_t          *mem;   /* of instrument_cnt instruments */
  uint32_t          instrument_cnt;
  uint32_t          at; /* whose tick is next */
  const uint8_t    *fetched;
} rig_t;

static rig_t open_rig(const char *const *texts, uint32_t text_cnt, uint32_t instrument_cnt,
                      bool is_vectored) {
  static const char *const BARS[] = {"s1"};
  tf_feature_env_t         env    = {.indicators    = tf_indicators,
                                     .indicator_cnt = tf_indicator_cnt,
                                     .bar_names     = BARS,
                                     .bar_cnt       = 1,
                                     .plain_bar     = TF_FEATURE_COMPILE_NONE,
                                     .vectors       = tf_vectors,
                                     .vector_cnt    = is_vectored ? tf_vector_cnt : 0,
                                     .isa           = tf_isa_best()};
  rig_t                    rig    = {.instrument_cnt = instrument_cnt};
  tf_feature_compile_t    *c;
  tf_err_t                 err = tf_feature_compile_begin(&c, &env);
  for (uint32_t i = 0; i < text_cnt && err == TF_OK; i++) {
    err = tf_feature_compile_add(c, NULL, texts[i], NULL);
  }
  if (err == TF_OK) err = tf_feature_compile_finish(c, &rig.plan);
  if (err != TF_OK) {
    fprintf(stderr, "%s\n", tf_error_text());
    exit(1);
  }
  tf_feature_compile_end(c);
  if (tf_arena_init(&rig.arena, "rig", rig.plan.mem_bytes * instrument_cnt) != TF_OK) abort();
  rig.mem = tf_arena_take(&rig.arena, rig.plan.mem_bytes * instrument_cnt, TF_LINE_BYTES);
  for (uint32_t i = 0; i < instrument_cnt; i++) {
    if (tf_feature_plan_init_state(&rig.plan, rig.mem + i * rig.plan.mem_bytes) != TF_OK) abort();
  }
  return rig;
}

/* Another instrument, half as dear and a tick behind, for features that read one: it ticks every second time. */
static const tf_peer_t *move_peers(const rig_t *rig, uint8_t *mem, uint32_t i, uint64_t now_ns) {
  static tf_market_t other;
  static tf_peer_t   peers[TF_FEATURE_PLAN_PEERS_MAX];
  if (rig->plan.peer_cnt == 0) return NULL;
  if (i & 1) {
    other = (tf_market_t){
        .now_ns = now_ns, .bid = bids[i - 1] / 2, .ask = asks[i - 1] / 2, .has_quote = true};
  }
  for (uint32_t k = 0; k < rig->plan.peer_cnt; k++)
    peers[k] = (tf_peer_t){
        .market = &other, .values = (const double *)(const void *)mem, .good_until_ns = UINT64_MAX};
  return peers;
}

/* One run over the ticks, each for the next instrument in turn; ns a tick. */
static double run_rig(rig_t *rig, uint64_t *base) {
  static double row[TF_FEATURE_PLAN_ROW_MAX];
  tf_event_t    event = {0};
  uint64_t      span  = times[TICKS - 1] - times[0] + 1000;
  uint64_t      begin = tf_clock_ticks();
  for (uint32_t i = 0; i < TICKS; i++) {
    uint8_t    *mem    = rig->mem + rig->at * rig->plan.mem_bytes;
    tf_market_t market = {.event       = &event,
                          .now_ns      = times[i] + *base,
                          .book        = &book,
                          .bid         = bids[i],
                          .ask         = asks[i],
                          .bid_qty     = bid_qtys[i],
                          .ask_qty     = ask_qtys[i],
                          .trade_price = bids[i],
                          .trade_qty   = qtys[i],
                          .trade_side  = i & 2 ? 1 : -1};
    market.peers       = move_peers(rig, mem, i, market.now_ns);
    if (mem != rig->fetched) tf_feature_plan_fetch(&rig->plan, mem); /* as the lane does */
    rig->fetched = mem;
    if (market.peers && i & 1) tf_feature_plan_on_peer(&rig->plan, mem, &market, 0);
    rig->at = rig->at + 1 == rig->instrument_cnt ? 0 : rig->at + 1;
    if (i & 1) tf_feature_plan_on_event(&rig->plan, mem, &market, TF_ON_TRADE);
    tf_feature_plan_on_event(&rig->plan, mem, &market, TF_ON_QUOTE);
    if (i % 1000 == 0) {
      tf_bar_t bar = {.open = bids[i], .high = asks[i], .low = bids[i], .close = asks[i]};
      tf_feature_plan_on_bar(&rig->plan, mem, 0, &bar);
    }
    (void)tf_feature_plan_on_tick(&rig->plan, mem, &market, row);
  }
  *base += span;
  sink += row[0];
  return (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin) / TICKS;
}

static uint32_t rig_runs(void) { return smoke ? 2 : RIG_RUNS; }

static double time_rig(rig_t *rig) {
  double   ns[RIG_RUNS];
  uint64_t base = 0;
  for (uint32_t r = 0; r < rig_runs(); r++) ns[r] = run_rig(rig, &base);
  return least(ns, rig_runs());
}

static void close_rig(rig_t *rig) {
  tf_arena_fini(&rig->arena);
  tf_feature_plan_fini(&rig->plan);
}

static double time_texts(const char *const *texts, uint32_t text_cnt, uint32_t instrument_cnt) {
  rig_t  rig = open_rig(texts, text_cnt, instrument_cnt, true);
  double ns  = time_rig(&rig);
  close_rig(&rig);
  return ns;
}

/* The plan against itself one by one, runs interleaved. */
static void time_pair(const char *const *texts, uint32_t text_cnt, uint32_t instrument_cnt,
                      double *vectored, double *one_by_one) {
  rig_t    a = open_rig(texts, text_cnt, instrument_cnt, true);
  rig_t    b = open_rig(texts, text_cnt, instrument_cnt, false);
  double   a_ns[RIG_RUNS], b_ns[RIG_RUNS];
  uint64_t a_base = 0, b_base = 0;
  for (uint32_t r = 0; r < rig_runs(); r++) {
    a_ns[r] = run_rig(&a, &a_base);
    b_ns[r] = run_rig(&b, &b_base);
  }
  *vectored   = least(a_ns, rig_runs());
  *one_by_one = least(b_ns, rig_runs());
  close_rig(&a);
  close_rig(&b);
}

static void add_row(const char *name, double ours, const char *peer, double peer_value,
                    double budget) {
  if (row_cnt == ROWS_MAX) abort();
  row_t *row = &rows[row_cnt++];
  snprintf(row->name, sizeof row->name, "%s", name);
  row->ours       = ours;
  row->peer       = peer;
  row->peer_value = peer_value;
  row->budget     = budget;
}

/* ---- rows ---- */

static const char *const TWELVE[] = {"mid",          "spread",       "spread_bps",
                                     "microprice",   "imbalance(5)", "ofi(1s)",
                                     "volume(1s)",   "ema(mid, 20)", "rsi(s1.close, 14)",
                                     "sma(mid, 50)", "ret(mid, 10)", "zscore(mid, 500)"};

enum { WIDE = 64, WIDEST = 256 };

/* Features of constant cost: 6 of the market, the rest over 4 series, each indicator with several
 * lengths, as a config that feeds an MLP has them. */
static void make_wide(char (*texts)[64], const char **list, uint32_t feature_cnt) {
  static const char *const MARKET[] = {"mid",        "spread",       "spread_bps",
                                       "microprice", "imbalance(5)", "bid_qty"};
  static const char *const SERIES[] = {"mid", "microprice", "spread", "imbalance(5)"};
  static const char *const CALLS[]  = {"ema", "sma", "ret", "delta", "rsi", "max", "zscore", "ema"};
  uint32_t                 cnt      = 0;
  for (; cnt < TF_ARRAY_CNT(MARKET); cnt++) list[cnt] = MARKET[cnt];
  for (uint32_t k = 0; cnt < feature_cnt; k++, cnt++) {
    snprintf(texts[cnt], sizeof texts[cnt], "%s(%s, %u)", CALLS[k % 8], SERIES[k / 8 % 4],
             5 + k / 2 * 3 + (k % 8 == 7 ? 100 : 0));
    list[cnt] = texts[cnt];
  }
}

static bool wanted(const char *name) { return strncmp(name, only, strlen(only)) == 0; }

static void run_series(void) {
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    if (d->series_cnt == 0 || !wanted(d->name)) continue;
    double peer = time_peer(d->name);
    add_row(d->name, time_series(d), peer == peer ? "textbook batch loop, a bar" : NULL, peer, 5);
  }
}

static void run_market(void) {
  static const char *const NOTHING[] = {"bid"};
  double                   floor     = time_texts(NOTHING, 1, 1);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    if (d->series_cnt > 0 || strcmp(d->name, "bid") == 0 || !wanted(d->name)) continue;
    char text[64];
    snprintf(text, sizeof text, "%s%s", d->name, d->peers_max ? "@OTHER.VENUE" : "");
    const char *pair[] = {"bid", text};
    double      ns     = time_texts(pair, 2, 1) - floor; /* what it adds to a tick */
    add_row(d->name, ns > 0 ? ns : 0, NULL, nan_value(), nan_value());
  }
  if (!wanted("peer_value")) return;
  static const char *const OTHERS[] = {"bid", "bid@OTHER.VENUE"};
  double                   ns       = time_texts(OTHERS, 2, 1) - floor;
  add_row("peer_value", ns > 0 ? ns : 0, NULL, nan_value(), nan_value());
}

/* ---- bars ---- */

/* ns a trade: its time, then itself, some hundred trades a bar. */
static double time_bars(tf_bar_spec_t *spec) {
  double           ns[RUNS];
  tf_bar_builder_t builder = {0};
  tf_bar_counts_t  counts  = {0};
  uint64_t         base = 0, closed = 0;
  uint32_t         passes = smoke ? 1 : 4;
  for (uint32_t r = 0; r < RUNS; r++) {
    uint64_t begin = tf_clock_ticks();
    for (uint32_t k = 0; k < passes; k++, base += times[TICKS - 1] - times[0] + 1000)
      for (uint32_t i = 0; i < TICKS; i++) {
        const uint64_t now_ns = times[i] + base;
        while (tf_bar_on_time(&builder, spec, now_ns, &counts)) closed++;
        closed +=
            tf_bar_on_trade(&builder, spec, now_ns, bids[i], qtys[i], i & 2 ? 1 : -1, &counts);
      }
    ns[r] = (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin) / (double)passes / TICKS;
  }
  sink += (double)closed + builder.closed.volume;
  return least(ns, RUNS);
}

static void run_bars(void) {
  static const struct {
    const char   *name;
    tf_bar_kind_t kind;
    double        amount;
  } KINDS[] = {
      {"bars_time",               TF_BAR_TIME,               0      },
      {"bars_ticks",              TF_BAR_TICKS,              100    },
      {"bars_volume",             TF_BAR_VOLUME,             50     },
      {"bars_notional",           TF_BAR_NOTIONAL,           3000000},
      {"bars_tick_imbalance",     TF_BAR_TICK_IMBALANCE,     100    },
      {"bars_volume_imbalance",   TF_BAR_VOLUME_IMBALANCE,   100    },
      {"bars_notional_imbalance", TF_BAR_NOTIONAL_IMBALANCE, 100    },
      {"bars_tick_runs",          TF_BAR_TICK_RUNS,          100    },
      {"bars_volume_runs",        TF_BAR_VOLUME_RUNS,        100    },
      {"bars_notional_runs",      TF_BAR_NOTIONAL_RUNS,      100    },
  };
  for (uint32_t i = 0; i < TF_ARRAY_CNT(KINDS); i++) {
    const uint32_t flow = KINDS[i].kind - TF_BAR_TICK_IMBALANCE;
    tf_bar_spec_t  spec = {
         .kind    = KINDS[i].kind,
         .amount  = KINDS[i].amount,
         .span_ns = TF_NS_PER_SEC / 10,
         .flow    = {.amount     = KINDS[i].amount,
                     .ewma_bars  = 20,
                     .trades_min = 10,
                     .trades_max = 1000,
                     .weight     = (uint8_t)(flow % 3),
                     .is_runs    = flow >= 3}
    };
    if (wanted(KINDS[i].name))
      add_row(KINDS[i].name, time_bars(&spec), NULL, nan_value(), nan_value());
  }
}

/* A plan of many features on some instruments, against the same plan one by one. */
static double run_pair(const char *const *list, uint32_t cnt, uint32_t instrument_cnt,
                       double budget) {
  char   name[48];
  double vectored, one_by_one;
  snprintf(name, sizeof name, "plan_%u_features_%u_instruments", cnt, instrument_cnt);
  time_pair(list, cnt, instrument_cnt, &vectored, &one_by_one);
  add_row(name, vectored, "the same plan, one by one", one_by_one, budget);
  return vectored;
}

static void run_plans(void) {
  static char        texts[WIDEST][64];
  static const char *wide[WIDEST];
  double             peer_total = 0;
  if (wanted("plan_12_features"))
    add_row("plan_12_features", time_texts(TWELVE, TF_ARRAY_CNT(TWELVE), 1), NULL, nan_value(),
            100);
  if (!wanted("plan_64_features")) return;
  make_wide(texts, wide, WIDEST);
  run_pair(wide, WIDEST, 1, 1200);
  make_wide(texts, wide, WIDE);
  for (uint32_t p = 0; p < batch_loop_cnt; p++) {
    const char *name = batch_loops[p].name;
    double      ns   = time_peer(name);
    size_t      len  = strlen(name);
    for (uint32_t i = 0; i < WIDE; i++)
      if (strncmp(wide[i], name, len) == 0 && wide[i][len] == '(') peer_total += ns;
  }
  double one = run_pair(wide, WIDE, 1, 350);
  add_row("plan_64_features", one, "58 textbook batch loops, a bar each", peer_total, 350);
  double ten      = run_pair(wide, WIDE, 10, 350);
  double thousand = run_pair(wide, WIDE, 1000, nan_value());
  add_row("plan_64_growth_10_to_1000", thousand / ten, NULL, nan_value(), 1.5);
}

static void print_number(double x) {
  if (x == x) {
    printf("%.3f", x);
  } else {
    fputs("null", stdout);
  }
}

static void print_json(void) {
  puts("[");
  for (uint32_t i = 0; i < row_cnt; i++) {
    const row_t *r = &rows[i];
    printf(" {\"name\": \"indicator_%s\", \"ours\": %.3f, \"unit\": \"ns\", \"peer\": ", r->name,
           r->ours);
    if (r->peer) {
      printf("\"%s\"", r->peer);
    } else {
      fputs("null", stdout);
    }
    fputs(", \"peer_value\": ", stdout);
    print_number(r->peer_value);
    fputs(", \"ratio\": ", stdout);
    print_number(r->peer_value / r->ours);
    fputs(", \"budget\": ", stdout);
    print_number(r->budget);
    printf(", \"ok\": %s}%s\n", r->budget == r->budget && r->ours > r->budget ? "false" : "true",
           i + 1 < row_cnt ? "," : "");
  }
  puts("]");
}

static void print_table(void) {
  printf("%-34s %9s %9s %7s %7s\n", "", "ours ns", "peer ns", "ratio", "budget");
  for (uint32_t i = 0; i < row_cnt; i++) {
    const row_t *r    = &rows[i];
    bool         over = r->budget == r->budget && r->ours > r->budget;
    printf("%-34s %9.2f", r->name, r->ours);
    if (r->peer) {
      printf(" %9.2f %7.2f", r->peer_value, r->peer_value / r->ours);
    } else {
      printf(" %9s %7s", "", "");
    }
    if (r->budget == r->budget) printf(" %7.0f%s", r->budget, over ? "  over" : "");
    putchar('\n');
  }
  printf("(result %.6g)\n", sink);
}

int main(int argc, char **argv) {
  bool json = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
    } else if (argv[i][0] != '-') {
      only = argv[i];
    } else {
      fprintf(stderr, "bench_indicator: found \"%s\"; allowed are --json and --smoke\n", argv[i]);
      return 2;
    }
  }
  tf_clock_calibrate();
  make_market();
  if (!make_book()) return 1;
  run_series();
  run_market();
  run_bars();
  run_plans();
  if (json) {
    print_json();
  } else {
    print_table();
  }
  return 0;
}
