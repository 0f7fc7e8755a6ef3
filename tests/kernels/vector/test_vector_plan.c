/* A plan whose nodes run eight at a time answers what it answers one by one, bit for bit, on every
 * instruction set that this machine has: random plans, random streams with everything that can go wrong. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/feature_compile.h"
#include "core/error.h"
#include "core/isa.h"
#include "indicator/registry.h"
#include "vector/registry.h"

enum { PLANS = 60, FEATURES_MAX = 160, TICKS = 1200, TEXT_BYTES = 200 };

static uint64_t seed = 20261121;

static uint64_t draw(uint64_t below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (seed >> 33) % below;
}

static double unit(void) { return (double)draw(1u << 30) / (1u << 30); }

/* ---- random plans ---- */

static void put_series(char *text, int depth);

static const char *const LEAVES[]      = {"bid", "ask", "mid", "bid_qty", "last", "s1.close"};
static const char *const TICK_LEAVES[] = {"bid", "ask", "mid", "bid_qty", "last"};
/* The vector kinds, and some indicators that have none between them. */
static const char *const CALLS[] = {"ema",  "ema",  "sma",    "mom",    "ret", "rsi",
                                    "dema", "tema", "stddev", "zscore", "max", "wma"};

static uint32_t period(void) {
  static const uint32_t EDGES[] = {2, 2, 3, 5, 8, 20, 64, 100, 500};
  return draw(3) ? EDGES[draw(TF_ARRAY_CNT(EDGES))] : 2 + (uint32_t)draw(60);
}

static void put_call(char *text, int depth) {
  char x[TEXT_BYTES] = "";
  put_series(x, depth - 1);
  switch (draw(8)) {
  case 0:
    snprintf(text, TEXT_BYTES, "macd(%.60s, %u, %u, %u)%s", x, 2 + (uint32_t)draw(12), period(),
             1 + (uint32_t)draw(9),
             (const char *const[]){".macd", ".macdsignal", ".macdhist"}[draw(3)]);
    break;
  case 1:
    snprintf(text, TEXT_BYTES, "bbands(%.60s, %u, %u)%s", x, period(), 1 + (uint32_t)draw(3),
             (const char *const[]){".lowerband", ".middleband", ".upperband"}[draw(3)]);
    break;
  default:
    snprintf(text, TEXT_BYTES, "%s(%.60s, %u)", CALLS[draw(TF_ARRAY_CNT(CALLS))], x, period());
  }
}

static void put_series(char *text, int depth) {
  char a[TEXT_BYTES] = "", b[TEXT_BYTES] = "";
  if (depth <= 0) {
    snprintf(text, TEXT_BYTES, "%s", TICK_LEAVES[draw(TF_ARRAY_CNT(TICK_LEAVES))]);
    return;
  }
  if (draw(2)) {
    put_call(text, depth);
    return;
  }
  put_series(a, depth - 1);
  put_series(b, depth - 1);
  switch (draw(8)) {
  case 0: snprintf(text, TEXT_BYTES, "abs(%.80s)", a); break;
  case 1: snprintf(text, TEXT_BYTES, "min(%.80s, %.80s)", a, b); break;
  case 2: snprintf(text, TEXT_BYTES, "max(%.80s, %.80s)", a, b); break;
  case 3: snprintf(text, TEXT_BYTES, "-%.80s", a); break;
  default: snprintf(text, TEXT_BYTES, "(%.80s) %c (%.80s)", a, "+-*/"[draw(4)], b);
  }
}

typedef struct texts {
  char     rows[FEATURES_MAX][TEXT_BYTES];
  uint32_t cnt;
} texts_t;

/* Texts cut short by their buffers are no expressions, and features listed twice are refused: both are left
 * out by whoever compiles them first. */
static void make_texts(texts_t *t) {
  uint32_t cnt = 1 + (uint32_t)draw(FEATURES_MAX);
  t->cnt       = 0;
  while (t->cnt < cnt) {
    char *text = t->rows[t->cnt++];
    if (draw(3))
      put_call(text, 1);
    else
      put_series(text, 1 + (int)draw(2));
    if (draw(40) == 0) snprintf(text, TEXT_BYTES, "ema(%s, 3)", LEAVES[5]);
  }
}

/* ---- one plan and one instrument ---- */

typedef struct rig {
  tf_feature_plan_t plan;
  void             *mem;
  double            row[TF_FEATURE_PLAN_ROW_MAX];
} rig_t;

static void open_rig(rig_t *r, const texts_t *t, uint32_t vector_cnt, tf_isa_t isa) {
  static const char *const BARS[] = {"s1"};
  tf_feature_env_t         env    = {.indicators    = tf_indicators,
                                     .indicator_cnt = tf_indicator_cnt,
                                     .bar_names     = BARS,
                                     .bar_cnt       = 1,
                                     .plain_bar     = TF_FEATURE_COMPILE_NONE,
                                     .vectors       = tf_vectors,
                                     .vector_cnt    = vector_cnt,
                                     .isa           = isa};
  tf_feature_compile_t    *c;
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  for (uint32_t i = 0; i < t->cnt; i++) (void)tf_feature_compile_add(c, NULL, t->rows[i], NULL);
  assert_int_equal(tf_feature_compile_finish(c, &r->plan), TF_OK);
  tf_feature_compile_end(c);
  r->mem = aligned_alloc(64, r->plan.mem_bytes);
  assert_int_equal(tf_feature_plan_init_state(&r->plan, r->mem), TF_OK);
}

static void close_rig(rig_t *r) {
  free(r->mem);
  tf_feature_plan_fini(&r->plan);
}

/* ---- random streams ---- */

static double odd(void) {
  static const double ODD[] = {0.0,   -0.0,   1e150, -1e150, 1.0000001e150, 1e-310, -5,
                               1e300, 1e-150, 1,     0.1,    1e15,          -1e-5};
  switch (draw(4)) {
  case 0: return __builtin_nan("");
  case 1: return draw(2) ? __builtin_inf() : -__builtin_inf();
  default: return ODD[draw(TF_ARRAY_CNT(ODD))];
  }
}

static void move(tf_market_t *m, uint64_t sort) {
  double step = sort == 0 ? 0 : (unit() - 0.5) * (sort == 1 ? 0.01 : 1000);
  m->now_ns += 1000;
  m->bid += step;
  m->ask     = m->bid + unit() * 0.02;
  m->bid_qty = (double)draw(5);
  m->ask_qty = unit();
  if (draw(3) == 0) m->trade_price = draw(2) ? m->bid : m->ask;
}

static bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

static void run_and_compare(rig_t *rigs, uint32_t rig_cnt) {
  tf_event_t  event = {0};
  tf_market_t m     = {.event = &event, .bid = 61837.63, .ask = 61837.64, .trade_price = 61837.63};
  uint64_t    sort = draw(3), wild = draw(3);
  for (uint32_t i = 0; i < TICKS; i++) {
    if (draw(200) == 0) sort = draw(3);
    if (draw(300) == 0) m.bid = unit() * 1e6 - 1e5; /* a step */
    move(&m, sort);
    tf_market_t seen = m;
    if (wild && draw(wild == 1 ? 100 : 7) == 0) seen.bid = odd();
    if (wild && draw(wild == 1 ? 100 : 7) == 0) seen.bid_qty = odd();
    for (uint32_t k = 0; k < rig_cnt; k++) {
      if (i % 50 == 0) {
        tf_bar_t bar = {.close = m.bid};
        tf_feature_plan_on_bar(&rigs[k].plan, rigs[k].mem, 0, &bar);
      }
      (void)tf_feature_plan_on_tick(&rigs[k].plan, rigs[k].mem, &seen, rigs[k].row);
      for (uint32_t f = 0; k > 0 && f < rigs[0].plan.feature_cnt; f++) {
        if (same_bits(rigs[k].row[f], rigs[0].row[f])) continue;
        fail_msg("tick %u, %s: %a one by one, %a in vectors (rig %u)", i,
                 tf_feature_plan_name(&rigs[0].plan, f), rigs[0].row[f], rigs[k].row[f], k);
      }
    }
  }
}

static void vectors_answer_what_one_by_one_does_bit_for_bit(void **state) {
  (void)state;
  static rig_t   rigs[1 + TF_ISA_CNT];
  static texts_t texts;
  uint64_t       vector_cnt = 0, value_cnt = 0, finite_cnt = 0;
  for (uint32_t p = 0; p < PLANS; p++) {
    uint32_t rig_cnt = 0;
    make_texts(&texts);
    open_rig(&rigs[rig_cnt++], &texts, 0, TF_ISA_SCALAR);
    for (int isa = 0; isa < TF_ISA_CNT; isa++)
      if (tf_isa_supported((tf_isa_t)isa))
        open_rig(&rigs[rig_cnt++], &texts, tf_vector_cnt, (tf_isa_t)isa);
    vector_cnt += rigs[1].plan.vector_cnt;
    run_and_compare(rigs, rig_cnt);
    for (uint32_t f = 0; f < rigs[0].plan.feature_cnt; f++, value_cnt++)
      finite_cnt += rigs[0].row[f] == rigs[0].row[f];
    /* and an instrument's memory is the same bytes on each: a snapshot may change machines */
    for (uint32_t k = 2; k < rig_cnt; k++)
      assert_memory_equal(rigs[1].mem, rigs[k].mem, rigs[1].plan.mem_bytes);
    for (uint32_t k = 0; k < rig_cnt; k++) close_rig(&rigs[k]);
  }
  /* the test would prove little of plans that have no vectors, or no values */
  assert_true(vector_cnt > 5 * PLANS);
  assert_true(finite_cnt * 2 > value_cnt);
}

/* ---- where things lie ---- */

/* Doubles first .. first + cnt belong to somebody now; nobody had them. */
static void claim(bool *owned, uint64_t first, uint64_t cnt, uint64_t from, uint64_t to) {
  assert_in_range(first, from, to);
  assert_in_range(first + cnt, from, to);
  for (uint64_t i = first; i < first + cnt; i++) {
    assert_false(owned[i]);
    owned[i] = true;
  }
}

static void claim_all(const tf_feature_plan_t *plan, bool *owned) {
  uint64_t hot = plan->hot_bytes / sizeof(double), end = plan->mem_bytes / sizeof(double);
  claim(owned, 0, plan->slot_cnt, 0, hot);
  claim(owned, plan->seen, 1 + plan->bar_cnt, 0, hot);
  for (uint32_t h = 0; h < plan->history_cnt; h++) {
    claim(owned, plan->histories[h].cnt, 1, 0, hot);
    claim(owned, plan->histories[h].ring, plan->histories[h].mask + 1, hot, end);
  }
  for (uint32_t i = 0; i < plan->tick_run_cnt; i++) {
    const tf_feature_run_t *r = &plan->tick_runs[i];
    if (r->work != TF_FEATURE_WORK_VECTORS) continue;
    const tf_vector_kind_t *kind = tf_vectors[r->kind];
    for (uint32_t k = 0; k < r->cnt; k++) {
      const tf_vector_t *v = &plan->vectors[r->first + k];
      claim(owned, v->state, (uint64_t)kind->state_lines * TF_VECTOR_LANES, 0, hot);
      for (uint32_t lane = 0; kind->own && lane < TF_VECTOR_LANES; lane++)
        if (lane == 0 || v->own[lane] != v->own[lane - 1])
          claim(owned, (uint64_t)v->own[lane], (uint64_t)v->n[lane], hot, end);
    }
  }
  for (uint32_t i = 0; i < plan->start_cnt; i++)
    if (plan->starts[i].indicator) assert_in_range(plan->starts[i].state_offset, hot * 8, end * 8);
}

static void what_each_tick_touches_lies_in_front_and_no_two_things_share_a_place(void **state) {
  (void)state;
  static texts_t texts;
  for (uint32_t p = 0; p < PLANS; p++) {
    rig_t rig;
    make_texts(&texts);
    open_rig(&rig, &texts, tf_vector_cnt, TF_ISA_SCALAR);
    bool *owned = calloc(rig.plan.mem_bytes / sizeof(double), sizeof *owned);
    assert_int_equal(rig.plan.hot_bytes % TF_LINE_BYTES, 0);
    claim_all(&rig.plan, owned);
    tf_feature_plan_fetch(&rig.plan, rig.mem);
    free(owned);
    close_rig(&rig);
  }
}

static void each_kind_is_an_indicator_or_an_operation(void **state) {
  (void)state;
  static const char *const OPERATIONS[] = {"abs",   "add", "div", "greatest",
                                           "least", "mul", "neg", "sub"};
  for (uint32_t k = 0; k < tf_vector_cnt; k++) {
    const tf_vector_kind_t *kind  = tf_vectors[k];
    bool                    known = false;
    for (size_t i = 0; i < TF_ARRAY_CNT(OPERATIONS); i++)
      known = known || strcmp(kind->name, OPERATIONS[i]) == 0;
    for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
      const tf_indicator_t *d = tf_indicators[i];
      if (strcmp(kind->name, d->name) != 0) continue;
      known = true;
      assert_int_equal(kind->input_cnt, d->series_cnt);
      assert_int_equal(kind->output_cnt, d->output_cnt);
    }
    if (!known) fail_msg("%s is the name of nothing", kind->name);
    for (int isa = 0; isa < TF_ISA_CNT; isa++)
      if (tf_isa_supported((tf_isa_t)isa)) assert_non_null(kind->run[isa]);
    if (k > 0) assert_true(strcmp(tf_vectors[k - 1]->name, kind->name) < 0);
  }
}

int main(void) {
  const char *given = getenv("TF_SEED");
  if (given) seed = strtoull(given, NULL, 10);
  print_message("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors_answer_what_one_by_one_does_bit_for_bit),
      cmocka_unit_test(what_each_tick_touches_lies_in_front_and_no_two_things_share_a_place),
      cmocka_unit_test(each_kind_is_an_indicator_or_an_operation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
