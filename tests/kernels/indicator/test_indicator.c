/* What every indicator promises, checked on each line of indicators.def. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "indicator/registry.h"
#include "market_script.h"

enum { LEN = 600, EVENTS = 1200, GUARD_BYTES = 64 };

static double nan_value(void) { return __builtin_nan(""); }

static uint64_t bits(double x) {
  uint64_t b;
  memcpy(&b, &x, sizeof b);
  return x != x ? UINT64_MAX : b; /* one NaN is as good as another */
}

/* A state between guards, in memory of its own. */
typedef struct box {
  uint8_t *raw;
  size_t   bytes;
} box_t;

static box_t box_of(const tf_indicator_t *d, const double *params) {
  box_t b = {NULL, d->state_bytes(params)};
  b.raw   = aligned_alloc(64, tf_align_up(b.bytes + 2 * GUARD_BYTES, 64));
  assert_non_null(b.raw);
  memset(b.raw, 0xa5, b.bytes + 2 * GUARD_BYTES);
  return b;
}

static void *state_of(box_t b) { return b.raw + GUARD_BYTES; }

static void box_close(box_t b) {
  for (size_t i = 0; i < GUARD_BYTES; i++) {
    assert_int_equal(b.raw[i], 0xa5);
    assert_int_equal(b.raw[GUARD_BYTES + b.bytes + i], 0xa5);
  }
  free(b.raw);
}

/* The state as bytes in another place; the old place is poisoned: no pointer may lead back. */
static box_t box_move(const tf_indicator_t *d, const double *params, box_t from) {
  box_t to = box_of(d, params);
  memcpy(state_of(to), state_of(from), from.bytes);
  memset(state_of(from), 0xee, from.bytes);
  box_close(from);
  return to;
}

static void defaults_of(const tf_indicator_t *d, double *params) {
  for (uint32_t p = 0; p < d->param_cnt; p++) params[p] = d->params[p].dflt;
}

/* Variant v of a descriptor's parameters; false past the last. */
static bool params_of(const tf_indicator_t *d, uint32_t v, double *params) {
  static const double COUNTS[] = {1, 2, 3, 7, 50};
  defaults_of(d, params);
  if (v == 0) return true;
  if (v > TF_ARRAY_CNT(COUNTS) || d->param_cnt == 0) return false;
  for (uint32_t p = 0; p < d->param_cnt; p++) {
    if (d->params[p].kind == TF_PARAM_DURATION) params[p] = (double)v * 2e8;
    if (d->params[p].kind != TF_PARAM_COUNT) continue;
    params[p] = COUNTS[v - 1] < d->params[p].min ? d->params[p].min : COUNTS[v - 1];
  }
  return true;
}

enum { SERIES_KINDS = 6 };

/* Series that are unkind in different ways; all positive, so that realized_vol takes them too. */
static void series_of(uint32_t kind, double *x) {
  uint64_t seed = 88172645463325252u + kind;
  double   walk = 61837.63;
  for (uint32_t i = 0; i < LEN; i++) {
    double u = (double)(script_random(&seed) >> 11) * 0x1p-53;
    walk += (u - 0.5) * 4;
    switch (kind) {
    case 0: x[i] = walk; break;
    case 1: x[i] = 1e6 + (i % 97 == 0 ? 1e9 * u : u * 1e-3); break; /* spikes over a still base */
    case 2: x[i] = i / 60 % 2 ? 1e6 + u : 1e-3 + u * 1e-6; break;   /* levels */
    case 3: x[i] = 42.1 + (i > LEN / 2 ? 0.7 : 0.0); break;         /* constant, twice */
    case 4: x[i] = (double)(1 + script_random(&seed) % 5); break;   /* many ties */
    default: x[i] = 1e-120 * (1 + (double)i) * (i % 50 == 7 ? 1e240 : 1); break; /* far apart */
    }
  }
}

/* Functions of one value take few: arccos from -1 to 1. */
static double scale_of(const tf_indicator_t *d) {
  return d->group == TF_GROUP_TRANSFORM ? 1e-6 : 1.0;
}

static tf_indicator_input_t input_of(const tf_indicator_t *d, const double *x, uint32_t i) {
  tf_indicator_input_t in = {.on = TF_ON_INPUT};
  for (uint32_t s = 0; s < d->series_cnt; s++) in.x[s] = x[i] * (double)(s + 1) * scale_of(d);
  return in;
}

static void every_descriptor_is_complete_and_in_range(void **state) {
  (void)state;
  assert_true(tf_indicator_cnt > 40);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    assert_non_null(d->name);
    assert_true(strspn(d->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(d->name));
    assert_true(i == 0 || strcmp(tf_indicators[i - 1]->name, d->name) < 0);
    assert_true(d->help && d->help[0] && !strchr(d->help, '\n') && d->origin && d->origin[0]);
    assert_in_range(d->output_cnt, 1, TF_INDICATOR_OUTPUTS_MAX);
    assert_true(d->series_cnt <= TF_INDICATOR_SERIES_MAX);
    assert_true(d->param_cnt <= TF_INDICATOR_PARAMS_MAX);
    for (uint32_t o = 0; o < d->output_cnt; o++) assert_non_null(d->outputs[o]);
    for (uint32_t s = 0; s < d->series_cnt; s++) assert_non_null(d->series[s]);
    assert_true(d->series_cnt ? d->on == TF_ON_INPUT && d->batch
                              : (d->on & TF_ON_TICK) && !d->batch);
    for (uint32_t p = 0; p < d->param_cnt; p++) {
      const tf_param_spec_t *spec = &d->params[p];
      assert_true(spec->name && spec->name[0] && spec->help && spec->help[0]);
      assert_true(spec->min <= spec->dflt && spec->dflt <= spec->max);
    }
  }
}

static void absurd_sizes_are_refused_by_init(void **state) {
  (void)state;
  static uint64_t memory[4096];
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    for (uint32_t p = 0; p < d->param_cnt; p++) {
      static const double BAD[] = {0, -1, 1.5, 1e7, 1e300};
      if (d->params[p].kind != TF_PARAM_COUNT) continue;
      for (uint32_t b = 0; b < TF_ARRAY_CNT(BAD); b++) {
        double params[TF_INDICATOR_PARAMS_MAX];
        defaults_of(d, params);
        params[p] = BAD[b];
        assert_true(d->state_bytes(params) <= sizeof memory || p > 0);
        if (d->init(memory, params) == TF_OK) fail_msg("%s takes %g", d->name, BAD[b]);
      }
    }
  }
}

static void series_update_equals_batch_at_every_chunk_size(void **state) {
  (void)state;
  static const uint32_t CHUNKS[] = {1, 2, 3, 5, 7, 13, 100};
  static double         x[LEN], scaled[TF_INDICATOR_SERIES_MAX][LEN];
  static double         want[TF_INDICATOR_OUTPUTS_MAX][LEN], part[TF_INDICATOR_OUTPUTS_MAX][LEN];
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt == 0) continue;
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      for (uint32_t kind = 0; kind < SERIES_KINDS; kind++) {
        const double *series[TF_INDICATOR_SERIES_MAX];
        double       *outs[TF_INDICATOR_OUTPUTS_MAX], *parts[TF_INDICATOR_OUTPUTS_MAX];
        series_of(kind, x);
        for (uint32_t s = 0; s < d->series_cnt; s++) {
          for (uint32_t k = 0; k < LEN; k++) scaled[s][k] = x[k] * (double)(s + 1) * scale_of(d);
          series[s] = scaled[s];
        }
        for (uint32_t o = 0; o < d->output_cnt; o++) outs[o] = want[o], parts[o] = part[o];
        d->batch(params, series, LEN, outs);
        for (uint32_t c = 0; c < TF_ARRAY_CNT(CHUNKS); c++) {
          box_t b = box_of(d, params);
          assert_int_equal(d->init(state_of(b), params), TF_OK);
          for (uint32_t k = 0; k < LEN; k++) {
            if (k > 0 && k % CHUNKS[c] == 0 && c % 2 == 0) b = box_move(d, params, b);
            double               out[TF_INDICATOR_OUTPUTS_MAX];
            tf_indicator_input_t in = input_of(d, x, k);
            d->update(state_of(b), &in, out);
            for (uint32_t o = 0; o < d->output_cnt; o++) {
              if (bits(out[o]) == bits(want[o][k])) continue;
              fail_msg("%s n=%g series %u chunk %u sample %u: update %.17g batch %.17g", d->name,
                       params[0], kind, CHUNKS[c], k, out[o], want[o][k]);
            }
          }
          box_close(b);
          /* and a prefix's batch is the batch's prefix */
          d->batch(params, series, CHUNKS[c], parts);
          for (uint32_t k = 0; k < CHUNKS[c]; k++) {
            for (uint32_t o = 0; o < d->output_cnt; o++) {
              assert_true(bits(part[o][k]) == bits(want[o][k]));
            }
          }
        }
      }
    }
  }
}

static void series_peek_changes_nothing_and_foretells_update(void **state) {
  (void)state;
  static double x[LEN];
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt == 0) continue;
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      for (uint32_t kind = 0; kind < SERIES_KINDS; kind++) {
        series_of(kind, x);
        box_t b = box_of(d, params), copy = box_of(d, params);
        assert_int_equal(d->init(state_of(b), params), TF_OK);
        for (uint32_t k = 0; k < LEN; k++) {
          double               seen[TF_INDICATOR_OUTPUTS_MAX], out[TF_INDICATOR_OUTPUTS_MAX];
          double               other[TF_INDICATOR_OUTPUTS_MAX];
          tf_indicator_input_t in = input_of(d, x, k), unlike = input_of(d, x, (k + 37) % LEN);
          memcpy(state_of(copy), state_of(b), b.bytes);
          d->peek(state_of(b), &unlike, other);
          tf_indicator_result_t foretold = d->peek(state_of(b), &in, seen);
          if (memcmp(state_of(copy), state_of(b), b.bytes) != 0)
            fail_msg("%s: peek writes", d->name);
          tf_indicator_result_t result = d->update(state_of(b), &in, out);
          assert_int_equal(foretold, result);
          for (uint32_t o = 0; o < d->output_cnt; o++) {
            if (bits(seen[o]) == bits(out[o])) continue;
            fail_msg("%s n=%g series %u sample %u: peek %.17g update %.17g", d->name, params[0],
                     kind, k, seen[o], out[o]);
          }
          assert_true((result == TF_INDICATOR_READY) == (out[0] == out[0]));
        }
        box_close(copy);
        box_close(b);
      }
    }
  }
}

static void series_nan_and_infinity_are_rejected_without_a_trace(void **state) {
  (void)state;
  static double x[LEN];
  const double  bad[] = {nan_value(), __builtin_inf(), -__builtin_inf()};
  series_of(0, x);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt == 0) continue;
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      box_t b = box_of(d, params), copy = box_of(d, params);
      assert_int_equal(d->init(state_of(b), params), TF_OK);
      for (uint32_t k = 0; k < 150; k++) {
        double               out[TF_INDICATOR_OUTPUTS_MAX] = {1.25, 1.25, 1.25, 1.25};
        tf_indicator_input_t in                            = input_of(d, x, k);
        memcpy(state_of(copy), state_of(b), b.bytes);
        for (uint32_t s = 0; s < d->series_cnt; s++) {
          tf_indicator_input_t wrong = in;
          wrong.x[s]                 = bad[k % 3];
          assert_int_equal(d->update(state_of(b), &wrong, out), TF_INDICATOR_REJECTED);
          assert_int_equal(d->peek(state_of(b), &wrong, out), TF_INDICATOR_REJECTED);
        }
        assert_memory_equal(state_of(copy), state_of(b), b.bytes);
        for (uint32_t o = 0; o < TF_INDICATOR_OUTPUTS_MAX; o++) assert_true(out[o] == 1.25);
        d->update(state_of(b), &in, out);
      }
      box_close(copy);
      box_close(b);
    }
  }
}

static void magnitudes_beyond_1e150_are_rejected_and_those_within_poison_nothing(void **state) {
  (void)state;
  static double x[LEN];
  series_of(0, x);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt == 0) continue;
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      box_t                b = box_of(d, params);
      double               out[TF_INDICATOR_OUTPUTS_MAX];
      tf_indicator_input_t beyond = {
          .on = TF_ON_INPUT, .x = {1e151, 1e151, 1e151, 1e151}
      };
      tf_indicator_input_t huge = {
          .on = TF_ON_INPUT, .x = {1e150, 1e150, 1e150, 1e150}
      };
      assert_int_equal(d->init(state_of(b), params), TF_OK);
      for (uint32_t k = 0; k < LEN; k++) {
        tf_indicator_input_t in = input_of(d, x, k);
        assert_int_equal(d->update(state_of(b), &beyond, out), TF_INDICATOR_REJECTED);
        assert_int_equal(d->peek(state_of(b), &beyond, out), TF_INDICATOR_REJECTED);
        if (k < 100) d->update(state_of(b), k % 3 ? &huge : &in, out);
        d->update(state_of(b), &in, out);
      }
      for (uint32_t o = 0; o < d->output_cnt; o++) assert_true(__builtin_isfinite(out[o]));
      box_close(b);
    }
  }
}

static void series_first_output_comes_after_the_lookback(void **state) {
  (void)state;
  static double x[LEN];
  series_of(0, x);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt == 0) continue;
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      box_t b = box_of(d, params);
      assert_int_equal(d->init(state_of(b), params), TF_OK);
      uint64_t lookback = d->lookback(params);
      assert_true(lookback < LEN);
      for (uint32_t k = 0; k <= lookback; k++) {
        double               out[TF_INDICATOR_OUTPUTS_MAX];
        tf_indicator_input_t in = input_of(d, x, k);
        assert_int_equal(d->update(state_of(b), &in, out),
                         k < lookback ? TF_INDICATOR_WARMING : TF_INDICATOR_READY);
      }
      box_close(b);
    }
  }
}

static void reset_gives_the_bytes_of_init(void **state) {
  (void)state;
  static double         x[LEN];
  static script_event_t events[EVENTS];
  series_of(1, x);
  script_make(events, EVENTS, 7, 50000000);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      box_t b = box_of(d, params), fresh = box_of(d, params);
      memset(state_of(fresh), 0x11, fresh.bytes); /* init must write every byte */
      assert_int_equal(d->init(state_of(b), params), TF_OK);
      assert_int_equal(d->init(state_of(fresh), params), TF_OK);
      assert_memory_equal(state_of(fresh), state_of(b), b.bytes);
      script_market_t m;
      script_market_init(&m);
      for (uint32_t k = 0; k < 300; k++) {
        double               out[TF_INDICATOR_OUTPUTS_MAX];
        tf_indicator_input_t in = input_of(d, x, k);
        if (d->series_cnt == 0) {
          uint32_t on = script_market_apply(&m, &events[k]);
          in          = script_input(&m, d, d->on & on ? on : TF_ON_TICK);
        }
        d->update(state_of(b), &in, out);
      }
      d->reset(state_of(b));
      assert_memory_equal(state_of(fresh), state_of(b), b.bytes);
      box_close(fresh);
      box_close(b);
    }
  }
}

/* An update wrote of each trail what it may: the newest entry, and one behind it; all where it turned. */
static void expect_trails(const tf_indicator_t *d, const double *params, box_t was, box_t is) {
  size_t end = 0;
  for (uint32_t i = 0; i < d->trail_cnt; i++) {
    const tf_trail_t      t      = d->trail(params, i);
    const tf_trail_held_t before = d->held(state_of(was), i), after = d->held(state_of(is), i);
    assert_true(t.begin_bytes >= end);
    end = t.begin_bytes + (size_t)t.cap * t.entry_bytes;
    assert_true(end <= is.bytes);
    assert_true(before.head < t.cap && before.cnt <= t.cap);
    assert_true(after.head < t.cap && after.cnt <= t.cap);
    if (t.turns && before.cnt == t.cap) continue;
    const uint32_t behind = (before.head + before.cnt) % t.cap;
    const uint32_t newest = (behind + t.cap - 1) % t.cap;
    const uint32_t moved  = ((after.head + after.cnt) % t.cap + t.cap - behind) % t.cap;
    if (moved > 1) fail_msg("%s: trail %u goes on by %u entries at once", d->name, i, moved);
    for (uint32_t at = 0; at < t.cap; at++) {
      const size_t place = t.begin_bytes + (size_t)at * t.entry_bytes;
      if (at != behind && (at != newest || before.cnt == 0) &&
          memcmp((uint8_t *)state_of(was) + place, (uint8_t *)state_of(is) + place,
                 t.entry_bytes) != 0)
        fail_msg("%s: trail %u, which holds %u from %u on, is written at %u", d->name, i,
                 before.cnt, before.head, at);
    }
  }
}

/* One call of a market indicator, with everything that must hold of it. */
static void drive(const tf_indicator_t *d, const double *params, box_t b, box_t copy,
                  const script_market_t *m, uint32_t on) {
  double               seen[TF_INDICATOR_OUTPUTS_MAX], out[TF_INDICATOR_OUTPUTS_MAX];
  tf_indicator_input_t in = script_input(m, d, on);
  memcpy(state_of(copy), state_of(b), b.bytes);
  tf_indicator_result_t foretold = d->peek(state_of(b), &in, seen);
  assert_memory_equal(state_of(copy), state_of(b), b.bytes);
  tf_indicator_result_t result = d->update(state_of(b), &in, out);
  assert_int_equal(foretold, result);
  if (result == TF_INDICATOR_REJECTED) assert_memory_equal(state_of(copy), state_of(b), b.bytes);
  expect_trails(d, params, copy, b);
  if (on != TF_ON_TICK || result == TF_INDICATOR_REJECTED) return;
  for (uint32_t o = 0; o < d->output_cnt; o++) {
    if (bits(seen[o]) != bits(out[o])) {
      fail_msg("%s: peek %.17g update %.17g", d->name, seen[o], out[o]);
    }
    assert_false(__builtin_isinf(out[o]));
  }
  assert_true((result == TF_INDICATOR_READY) == (out[0] == out[0]));
}

static void market_peek_foretells_update_and_states_move(void **state) {
  (void)state;
  static script_event_t events[EVENTS];
  script_make(events, EVENTS, 2024, 50000000);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt > 0) continue;
    for (uint32_t v = 0; params_of(d, v, params); v++) {
      box_t b = box_of(d, params), copy = box_of(d, params);
      assert_int_equal(d->init(state_of(b), params), TF_OK);
      script_market_t m;
      script_market_init(&m);
      for (uint32_t k = 0; k < 400; k++) {
        uint32_t on = script_market_apply(&m, &events[k]);
        if (d->on & on) drive(d, params, b, copy, &m, on);
        if (d->on & TF_ON_PEER && m.peers[0].market) drive(d, params, b, copy, &m, TF_ON_PEER);
        if (events[k].last) drive(d, params, b, copy, &m, TF_ON_TICK);
        if (k % 29 == 0) b = box_move(d, params, b);
      }
      box_close(copy);
      box_close(b);
    }
  }
}

static void a_market_without_numbers_gives_no_value_and_leaves_no_trace(void **state) {
  (void)state;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[TF_INDICATOR_PARAMS_MAX];
    if (d->series_cnt > 0) continue;
    defaults_of(d, params);
    box_t b = box_of(d, params), copy = box_of(d, params);
    assert_int_equal(d->init(state_of(b), params), TF_OK);
    script_market_t m;
    script_market_init(&m);
    m.market.now_ns = 5;
    for (uint32_t bit = 0; bit < 4; bit++) {
      double               out[TF_INDICATOR_OUTPUTS_MAX] = {nan_value()};
      uint32_t             on                            = 1u << bit;
      tf_indicator_input_t in                            = script_input(&m, d, on);
      if (!(d->on & on)) continue;
      memcpy(state_of(copy), state_of(b), b.bytes);
      tf_indicator_result_t result = d->update(state_of(b), &in, out);
      if (on != TF_ON_TICK) assert_int_equal(result, TF_INDICATOR_REJECTED);
      if (result == TF_INDICATOR_REJECTED)
        assert_memory_equal(state_of(copy), state_of(b), b.bytes);
      if (result == TF_INDICATOR_READY) assert_true(out[0] == 0); /* an empty window's sum */
    }
    box_close(copy);
    box_close(b);
  }
}

typedef struct pin {
  const char *name;
  uint64_t    hash;
} pin_t;

/* FNV-1a over the bits of all outputs, as gcc 12 and clang 14 give them at -O1 and -O3, with and
 * without AVX-512 and FMA. A change of these is a change of every recorded feature. A newcomer's line
 * goes into pins.inc as the test prints it. */
static const pin_t PINS[] = {
#define PIN(name, hash) {#name, UINT64_C(hash)},
#include "pins.inc"
#undef PIN
};

static uint64_t hash_of(const tf_indicator_t *d) {
  static double         x[LEN];
  static script_event_t events[EVENTS];
  double                params[TF_INDICATOR_PARAMS_MAX];
  uint64_t              hash = UINT64_C(14695981039346656037);
  script_make(events, EVENTS, 31, 80000000);
  for (uint32_t v = 0; params_of(d, v, params); v++) {
    for (uint32_t kind = 0; kind < SERIES_KINDS; kind++) {
      box_t           b = box_of(d, params);
      script_market_t m;
      series_of(kind, x);
      script_market_init(&m);
      assert_int_equal(d->init(state_of(b), params), TF_OK);
      for (uint32_t k = 0; k < LEN; k++) {
        double               out[TF_INDICATOR_OUTPUTS_MAX] = {0};
        tf_indicator_input_t in                            = input_of(d, x, k);
        if (d->series_cnt == 0) {
          in = script_input(&m, d, script_market_apply(&m, &events[k + kind * 50]));
          if (d->on & in.on) d->update(state_of(b), &in, out);
          in = script_input(&m, d, TF_ON_PEER);
          if (d->on & TF_ON_PEER && m.peers[0].market) d->update(state_of(b), &in, out);
          in = script_input(&m, d, TF_ON_TICK);
        }
        d->update(state_of(b), &in, out);
        for (uint32_t o = 0; o < d->output_cnt; o++) {
          hash = (hash ^ bits(out[o])) * UINT64_C(1099511628211);
        }
      }
      box_close(b);
    }
  }
  return hash;
}

static void outputs_are_the_same_bits_on_every_compiler_and_machine(void **state) {
  (void)state;
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    uint64_t hash = hash_of(tf_indicators[i]), want = 0;
    for (size_t p = 0; p < TF_ARRAY_CNT(PINS); p++) {
      if (strcmp(PINS[p].name, tf_indicators[i]->name) == 0) want = PINS[p].hash;
    }
    if (hash == want) continue;
    print_message("PIN(%s, 0x%016llx)%s\n", tf_indicators[i]->name, (unsigned long long)hash,
                  want ? "" : " not pinned yet");
    wrong += want != 0;
  }
  assert_int_equal(wrong, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_descriptor_is_complete_and_in_range),
      cmocka_unit_test(absurd_sizes_are_refused_by_init),
      cmocka_unit_test(series_nan_and_infinity_are_rejected_without_a_trace),
      cmocka_unit_test(magnitudes_beyond_1e150_are_rejected_and_those_within_poison_nothing),
      cmocka_unit_test(a_market_without_numbers_gives_no_value_and_leaves_no_trace),
      cmocka_unit_test(series_first_output_comes_after_the_lookback),
      cmocka_unit_test(series_update_equals_batch_at_every_chunk_size),
      cmocka_unit_test(series_peek_changes_nothing_and_foretells_update),
      cmocka_unit_test(market_peek_foretells_update_and_states_move),
      cmocka_unit_test(reset_gives_the_bytes_of_init),
      cmocka_unit_test(outputs_are_the_same_bits_on_every_compiler_and_machine),
  };
  return cmocka_run_group_tests_name("indicator", tests, NULL, NULL);
}
