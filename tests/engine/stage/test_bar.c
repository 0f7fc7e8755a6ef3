#include "cmocka_tf.h"

#include "stage/bar.h"

static tf_bar_counts_t counts;

static void trade_on_the_boundary_opens_the_next_bar(void **state) {
  (void)state;
  tf_bar_spec_t    spec = {.kind = TF_BAR_TIME, .amount = 1000, .span_ns = 1000};
  tf_bar_builder_t b    = {0};
  assert_false(tf_bar_on_trade(&b, &spec, 5500, 10.0, 1.0, 1, &counts));
  assert_false(tf_bar_on_time(&b, &spec, 5999, &counts));
  assert_true(tf_bar_on_time(&b, &spec, 6000, &counts));
  assert_int_equal(b.closed.begin_ns, 5000);
  assert_int_equal(b.closed.end_ns, 6000);
  assert_false(tf_bar_on_time(&b, &spec, 9000, &counts)); /* a span without a trade makes no bar */
  tf_bar_on_trade(&b, &spec, 9000, 11.0, 1.0, 1, &counts);
  assert_int_equal(b.open.begin_ns, 9000);
}

static void bar_keeps_open_high_low_close_and_sums(void **state) {
  (void)state;
  tf_bar_spec_t    spec = {.kind = TF_BAR_TICKS, .amount = 4};
  tf_bar_builder_t b    = {0};
  assert_false(tf_bar_on_trade(&b, &spec, 1, 10.0, 1.0, 1, &counts));
  assert_false(tf_bar_on_trade(&b, &spec, 2, 13.0, 2.0, -1, &counts));
  assert_false(tf_bar_on_trade(&b, &spec, 3, 8.0, 3.0, 1, &counts));
  assert_true(tf_bar_on_trade(&b, &spec, 4, 9.0, 4.0, -1, &counts));
  const tf_bar_t *bar = &b.closed;
  assert_true(bar->open == 10.0 && bar->high == 13.0 && bar->low == 8.0 && bar->close == 9.0);
  assert_true(bar->volume == 10.0 && bar->buy_volume == 4.0 && bar->notional == 96.0);
  assert_int_equal(bar->trade_cnt, 4);
  assert_int_equal(bar->begin_ns, 1);
  assert_int_equal(bar->end_ns, 4);
}

static void threshold_trade_belongs_to_its_bar_and_nothing_is_carried_over(void **state) {
  (void)state;
  tf_bar_spec_t volume   = {.kind = TF_BAR_VOLUME, .amount = 5},
                notional = {.kind = TF_BAR_NOTIONAL, .amount = 100};
  tf_bar_builder_t b = {0}, n = {0};
  assert_false(tf_bar_on_trade(&b, &volume, 1, 10.0, 4.0, 1, &counts));
  assert_true(tf_bar_on_trade(&b, &volume, 2, 10.0, 4.0, 1, &counts));
  assert_true(b.closed.volume == 8.0);
  assert_false(tf_bar_on_trade(&b, &volume, 3, 10.0, 4.0, 1, &counts));
  assert_false(tf_bar_on_trade(&n, &notional, 1, 10.0, 9.0, 1, &counts));
  assert_true(tf_bar_on_trade(&n, &notional, 2, 10.0, 1.0, 1, &counts));
}

/* ---- sessions ---- */

#define SEC TF_NS_PER_SEC
#define DAY TF_BAR_DAY_NS

/* From second 1000 of each day, for 100 seconds. */
static tf_bar_session_t hundred_seconds(void) {
  return (tf_bar_session_t){.length_ns = 100 * SEC, .open_ns = 1000 * SEC, .days = TF_BAR_DAYS_ALL};
}

static void trade(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t time_ns, double price) {
  while (tf_bar_on_time(b, spec, time_ns, &counts)) continue;
  (void)tf_bar_on_trade(b, spec, time_ns, price, 1, 1, &counts);
}

static void session_cuts_a_bar_of_every_kind_at_its_end(void **state) {
  (void)state;
  for (int kind = 0; kind < TF_BAR_KIND_CNT; kind++) {
    const tf_bar_spec_t spec = {
        .kind    = (tf_bar_kind_t)kind,
        .amount  = 50,
        .span_ns = 30 * SEC,
        .flow    = {50, 20, 5, 500, TF_BAR_WEIGHT_ONE, false},
        .session = hundred_seconds()
    };
    tf_bar_builder_t b = {0};
    counts             = (tf_bar_counts_t){0};
    trade(&b, &spec, 999 * SEC, 1);
    assert_false(b.is_open);
    trade(&b, &spec, 1095 * SEC, 2);
    assert_false(tf_bar_on_time(&b, &spec, 1100 * SEC - 1, &counts));
    assert_true(tf_bar_on_time(&b, &spec, 1100 * SEC, &counts));
    assert_false(tf_bar_on_time(&b, &spec, 1100 * SEC, &counts));
    assert_int_equal(b.closed.end_ns, 1100 * SEC);
    assert_int_equal(b.closed.begin_ns, (kind == TF_BAR_TIME ? 1090 : 1095) * SEC);
    assert_int_equal(b.closed.trade_cnt, 1);
    assert_int_equal(b.flow.bar_cnt, 0); /* cut short: nothing was learnt */
    trade(&b, &spec, 1100 * SEC, 3);
    assert_false(b.is_open);
    assert_int_equal(counts.outside_trades, 2);
    assert_int_equal(counts.late_trades, 0);
    trade(&b, &spec, DAY + 1000 * SEC, 4);
    assert_int_equal(b.open.begin_ns, DAY + 1000 * SEC);
  }
}

/* ---- gaps ---- */

static void span_without_a_trade_makes_a_flat_bar_where_asked_for(void **state) {
  (void)state;
  const tf_bar_spec_t spec = {.kind = TF_BAR_TIME, .amount = 10, .span_ns = 10, .is_flat = true};
  tf_bar_builder_t    b    = {0};
  assert_false(tf_bar_on_time(&b, &spec, 1000, &counts)); /* not before the first trade */
  trade(&b, &spec, 1003, 7);
  trade(&b, &spec, 1004, 9);
  assert_true(tf_bar_on_time(&b, &spec, 1035, &counts));
  assert_true(b.closed.begin_ns == 1000 && b.closed.trade_cnt == 2);
  for (uint64_t begin = 1010; begin <= 1020; begin += 10) {
    assert_true(tf_bar_on_time(&b, &spec, 1035, &counts));
    assert_true(b.closed.begin_ns == begin && b.closed.end_ns == begin + 10);
    assert_true(b.closed.open == 9 && b.closed.high == 9 && b.closed.low == 9 &&
                b.closed.close == 9);
    assert_true(b.closed.volume == 0 && b.closed.notional == 0 && b.closed.trade_cnt == 0);
  }
  assert_false(tf_bar_on_time(&b, &spec, 1035, &counts));
  assert_true(tf_bar_now(&b)->close == 9); /* what closing it now would give */
  trade(&b, &spec, 1035, 5);
  const tf_bar_t *now = tf_bar_now(&b);
  assert_true(now->begin_ns == 1030 && now->open == 5 && now->high == 5 && now->low == 5);
}

static void long_gap_is_filled_at_its_end_only(void **state) {
  (void)state;
  const tf_bar_spec_t spec = {.kind = TF_BAR_TIME, .amount = 10, .span_ns = 10, .is_flat = true};
  for (uint64_t flats = TF_BAR_FLAT_MAX - 1; flats <= TF_BAR_FLAT_MAX + 2; flats++) {
    tf_bar_builder_t b   = {0};
    uint64_t         cnt = 0, end_ns = 0;
    counts = (tf_bar_counts_t){0};
    trade(&b, &spec, 5, 7);
    const uint64_t now_ns = 10 + 10 * flats;
    assert_true(tf_bar_on_time(&b, &spec, now_ns, &counts));
    for (; tf_bar_on_time(&b, &spec, now_ns, &counts); cnt++) {
      assert_true(end_ns == 0 || b.closed.begin_ns == end_ns);
      end_ns = b.closed.end_ns;
    }
    assert_int_equal(end_ns, now_ns);
    assert_int_equal(cnt, flats < TF_BAR_FLAT_MAX ? flats : TF_BAR_FLAT_MAX);
    assert_int_equal(counts.gaps_cut, flats > TF_BAR_FLAT_MAX);
  }
}

static void flat_bars_lie_in_sessions_only(void **state) {
  (void)state;
  const tf_bar_spec_t spec = {
      .kind = TF_BAR_TIME, .span_ns = 40 * SEC, .is_flat = true, .session = hundred_seconds()};
  static const uint64_t begins[] = {1000, 1040, 1080, 87400, 87440};
  tf_bar_builder_t      b        = {0};
  trade(&b, &spec, 1000 * SEC, 7);
  for (size_t i = 0; i < TF_ARRAY_CNT(begins); i++) {
    assert_true(tf_bar_on_time(&b, &spec, DAY + 1080 * SEC, &counts));
    assert_int_equal(b.closed.begin_ns, begins[i] * SEC);
  }
  assert_false(tf_bar_on_time(&b, &spec, DAY + 1080 * SEC, &counts));
}

static void last_instant_ends_in_bars_not_in_a_loop(void **state) {
  (void)state;
  for (int kind = 0; kind < TF_BAR_KIND_CNT; kind++) {
    const tf_bar_spec_t spec = {
        .kind    = (tf_bar_kind_t)kind,
        .amount  = 3,
        .span_ns = 1000,
        .is_flat = kind == TF_BAR_TIME,
        .flow    = {3, 20, 1, 500, TF_BAR_WEIGHT_ONE, false}
    };
    tf_bar_builder_t b = {0};
    for (uint64_t t = UINT64_MAX - 5; t != 2; t++) {
      int cnt = 0;
      while (tf_bar_on_time(&b, &spec, t < 2 ? UINT64_MAX : t, &counts)) assert_true(++cnt < 5000);
      (void)tf_bar_on_trade(&b, &spec, t < 2 ? UINT64_MAX : t, 1, 1, 1, &counts);
    }
  }
}

/* ---- late trades ---- */

static tf_bar_spec_t by_event(uint64_t late_max_ns) {
  return (tf_bar_spec_t){
      .kind = TF_BAR_TIME, .clock = TF_BAR_CLOCK_EVENT, .span_ns = 10, .late_max_ns = late_max_ns};
}

static void trade_older_than_the_open_bar_is_counted_and_in_none(void **state) {
  (void)state;
  const tf_bar_spec_t spec = by_event(0);
  tf_bar_builder_t    b    = {0};
  counts                   = (tf_bar_counts_t){0};
  trade(&b, &spec, 1005, 1);
  trade(&b, &spec, 1003, 2); /* out of order within its bar */
  trade(&b, &spec, 1010, 3); /* closes it */
  assert_true(b.closed.trade_cnt == 2 && b.closed.close == 2);
  trade(&b, &spec, 1009, 4);
  assert_int_equal(counts.late_trades, 1);
  assert_true(b.open.trade_cnt == 1 && b.open.low == 3);
}

static void bar_is_held_back_for_trades_that_come_late(void **state) {
  (void)state;
  for (uint64_t late = 2; late <= 4; late++) {
    const tf_bar_spec_t spec = by_event(3);
    tf_bar_builder_t    b    = {0};
    counts                   = (tf_bar_counts_t){0};
    trade(&b, &spec, 1005, 1);
    assert_false(tf_bar_on_time(&b, &spec, 1009 + late, &counts) && late < 4);
    trade(&b, &spec, 1009 + late, 5);
    assert_int_equal(b.is_after_open, late < 4);
    assert_true(tf_bar_now(&b)->close == 5); /* the newest one */
    (void)tf_bar_on_trade(&b, &spec, 1009, 2, 1, 1, &counts);
    assert_int_equal(counts.late_trades, late == 4);
    if (late == 4) continue;
    assert_true(tf_bar_on_time(&b, &spec, 1013, &counts));
    assert_true(b.closed.begin_ns == 1000 && b.closed.trade_cnt == 2 && b.closed.close == 2);
    assert_true(b.is_open && !b.is_after_open && b.open.begin_ns == 1010 && b.open.close == 5);
  }
}

static void bar_is_held_back_until_the_one_after_it_ends_at_most(void **state) {
  (void)state;
  /* 100 seconds in bars of 60: the second has 40, the third begins the next day. */
  tf_bar_spec_t    spec = {.kind        = TF_BAR_TIME,
                           .clock       = TF_BAR_CLOCK_EVENT,
                           .span_ns     = 60 * SEC,
                           .late_max_ns = 60 * SEC,
                           .session     = hundred_seconds()};
  tf_bar_builder_t b    = {0};
  trade(&b, &spec, 1001 * SEC, 1);
  trade(&b, &spec, 1099 * SEC, 2);
  assert_false(tf_bar_on_time(&b, &spec, 1100 * SEC - 1, &counts));
  assert_true(tf_bar_on_time(&b, &spec, 1100 * SEC, &counts));
  assert_int_equal(b.closed.end_ns, 1060 * SEC);
  assert_false(tf_bar_on_time(&b, &spec, 1160 * SEC - 1, &counts));
  assert_true(tf_bar_on_time(&b, &spec, 1160 * SEC, &counts));
  assert_int_equal(b.closed.end_ns, 1100 * SEC);
}

static void amounts_take_what_is_newer_than_the_last_bar(void **state) {
  (void)state;
  const tf_bar_spec_t spec = {.kind = TF_BAR_TICKS, .clock = TF_BAR_CLOCK_EVENT, .amount = 2};
  tf_bar_builder_t    b    = {0};
  counts                   = (tf_bar_counts_t){0};
  trade(&b, &spec, 100, 1);
  trade(&b, &spec, 98, 2);
  assert_true(b.closed.begin_ns == 98 && b.closed.end_ns == 100);
  trade(&b, &spec, 99, 3);
  assert_int_equal(counts.late_trades, 1);
  trade(&b, &spec, 105, 4);
  trade(&b, &spec, 100, 5);
  assert_true(b.closed.begin_ns == 100 && b.closed.end_ns == 105 && b.closed.close == 5);
}

/* ---- properties ---- */

static uint64_t seed;

static uint64_t draw(uint64_t below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (seed >> 20) % below;
}

static tf_bar_spec_t any_spec(void) {
  tf_bar_spec_t spec = {.kind    = (tf_bar_kind_t)draw(TF_BAR_KIND_CNT),
                        .clock   = (tf_bar_clock_t)draw(2),
                        .amount  = (double)(2 + draw(40)),
                        .span_ns = (1 + draw(60)) * SEC};
  spec.flow          = (tf_bar_flow_spec_t){.amount     = spec.amount,
                                            .ewma_bars  = (uint32_t)(1 + draw(30)),
                                            .trades_min = (uint32_t)(1 + draw((uint64_t)spec.amount)),
                                            .trades_max = (uint32_t)(spec.amount + (double)draw(100)),
                                            .weight     = (uint8_t)draw(3),
                                            .is_runs    = draw(2)};
  if (draw(2)) spec.session = hundred_seconds();
  if (draw(2)) spec.session.length_ns *= 500;
  if (spec.kind == TF_BAR_TIME) {
    spec.is_flat = draw(2);
    if (spec.clock == TF_BAR_CLOCK_EVENT) spec.late_max_ns = draw(spec.span_ns + 1);
  }
  return spec;
}

typedef struct sums {
  uint64_t trades, end_ns;
  double   volume, notional, buys;
} sums_t;

/* A closed bar: after those before it, and made of one price range. */
static void add(sums_t *sums, const tf_bar_spec_t *spec, const tf_bar_t *bar) {
  assert_true(bar->begin_ns >= sums->end_ns && bar->begin_ns <= bar->end_ns);
  assert_true(bar->low <= bar->open && bar->open <= bar->high);
  assert_true(bar->low <= bar->close && bar->close <= bar->high);
  assert_true(bar->buy_volume <= bar->volume);
  assert_true(bar->trade_cnt > 0 || spec->is_flat);
  if (spec->kind == TF_BAR_TIME) assert_true(bar->end_ns - bar->begin_ns <= spec->span_ns);
  sums->end_ns = bar->end_ns;
  sums->trades += bar->trade_cnt;
  sums->volume += bar->volume;
  sums->notional += bar->notional;
  sums->buys += bar->buy_volume;
}

/* Whole prices and quantities: sums are exact. */
static void every_trade_is_in_one_bar_or_counted(void **state) {
  (void)state;
  for (seed = 1; seed < 3000; seed += 7) {
    const uint64_t      first = seed;
    const tf_bar_spec_t spec  = any_spec();
    tf_bar_builder_t    b     = {0};
    sums_t              made = {0}, all = {0};
    uint64_t            now_ns = 0;
    counts                     = (tf_bar_counts_t){0};
    for (int i = 0; i < 3000; i++) {
      now_ns += draw(20) ? draw(SEC) : draw(300 * SEC);
      const uint64_t time_ns = spec.clock == TF_BAR_CLOCK_RECV
                                   ? now_ns
                                   : now_ns - draw(now_ns < 90 * SEC ? now_ns + 1 : 90 * SEC);
      const double   price = (double)(1 + draw(50)), qty = (double)draw(9);
      const int      side     = draw(2) ? 1 : -1;
      const uint64_t left_out = counts.late_trades + counts.outside_trades;
      while (tf_bar_on_time(&b, &spec, now_ns, &counts)) add(&made, &spec, &b.closed);
      if (tf_bar_on_trade(&b, &spec, time_ns, price, qty, side, &counts))
        add(&made, &spec, &b.closed);
      if (counts.late_trades + counts.outside_trades > left_out) continue;
      all.trades++;
      all.volume += qty;
      all.notional += price * qty;
      if (side > 0) all.buys += qty;
    }
    if (b.is_open) add(&made, &spec, &b.open);
    if (b.is_after_open) add(&made, &spec, &b.after);
    if (made.trades != all.trades || made.volume != all.volume || made.notional != all.notional ||
        made.buys != all.buys)
      fail_msg("seed %llu: %llu trades in bars, %llu taken", (unsigned long long)first,
               (unsigned long long)made.trades, (unsigned long long)all.trades);
    if (spec.clock == TF_BAR_CLOCK_RECV) assert_int_equal(counts.late_trades, 0);
    seed = first;
  }
}

static void equal_prices_and_no_quantity_make_bars_all_the_same(void **state) {
  (void)state;
  for (int kind = 0; kind < TF_BAR_KIND_CNT; kind++) {
    const tf_bar_spec_t spec = {
        .kind    = (tf_bar_kind_t)kind,
        .amount  = 4,
        .span_ns = 10,
        .flow    = {4, 20, 2, 40, (uint8_t)(kind % 3), kind > 6}
    };
    tf_bar_builder_t b      = {0};
    uint32_t         closed = 0;
    for (uint64_t t = 1; t < 400; t++) {
      closed += tf_bar_on_time(&b, &spec, t, &counts);
      closed += tf_bar_on_trade(&b, &spec, t, 5, 0, 1, &counts);
      if (closed > 0) assert_true(b.closed.open == 5 && b.closed.high == 5 && b.closed.low == 5);
      if (closed > 0) assert_true(b.closed.volume == 0 && b.closed.notional == 0);
    }
    const bool never = kind == TF_BAR_VOLUME || kind == TF_BAR_NOTIONAL; /* nothing was traded */
    assert_true(never ? closed == 0 : closed >= 9);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(trade_on_the_boundary_opens_the_next_bar),
      cmocka_unit_test(bar_keeps_open_high_low_close_and_sums),
      cmocka_unit_test(threshold_trade_belongs_to_its_bar_and_nothing_is_carried_over),
      cmocka_unit_test(session_cuts_a_bar_of_every_kind_at_its_end),
      cmocka_unit_test(span_without_a_trade_makes_a_flat_bar_where_asked_for),
      cmocka_unit_test(long_gap_is_filled_at_its_end_only),
      cmocka_unit_test(flat_bars_lie_in_sessions_only),
      cmocka_unit_test(last_instant_ends_in_bars_not_in_a_loop),
      cmocka_unit_test(trade_older_than_the_open_bar_is_counted_and_in_none),
      cmocka_unit_test(bar_is_held_back_for_trades_that_come_late),
      cmocka_unit_test(bar_is_held_back_until_the_one_after_it_ends_at_most),
      cmocka_unit_test(amounts_take_what_is_newer_than_the_last_bar),
      cmocka_unit_test(every_trade_is_in_one_bar_or_counted),
      cmocka_unit_test(equal_prices_and_no_quantity_make_bars_all_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
