/* Sections and what is read off them, against the same computed from all values at each step: made-up walks with ties, gaps and
 * outliers, members in any order, sizes up to the greatest. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cross/registry.h"
#include "cross/section.h"

#define NOTHING ((double)NAN)

static uint64_t random_next(uint64_t *seed) {
  *seed ^= *seed >> 12;
  *seed ^= *seed << 25;
  *seed ^= *seed >> 27;
  return *seed * UINT64_C(2685821657736338717);
}

static const tf_cross_t *cross_of(const char *name) {
  for (uint32_t i = 0; i < tf_cross_table.cross_cnt; i++)
    if (!strcmp(tf_cross_table.crosses[i]->name, name)) return tf_cross_table.crosses[i];
  fail_msg("%s", name);
  return NULL;
}

/* As the plan asks: NaN where the member is not one, or there are too few. */
static double read_off(const char *name, const void *section, uint32_t member, double param) {
  const tf_cross_t *d         = cross_of(name);
  double            params[2] = {param, 0};
  double            x         = tf_section_of(section, member);
  if (x != x || tf_section_member_cnt(section) < d->member_min) return NOTHING;
  return d->value(section, member, params);
}

/* ---- the same, from all values ---- */

typedef struct model {
  double  *x; /* (cap) NaN: not a member */
  double  *sorted;
  uint32_t cap, cnt;
} model_t;

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void take_stock(model_t *m) {
  m->cnt = 0;
  for (uint32_t i = 0; i < m->cap; i++)
    if (m->x[i] == m->x[i]) m->sorted[m->cnt++] = m->x[i];
  qsort(m->sorted, m->cnt, sizeof *m->sorted, by_value);
}

static double model_rank(const model_t *m, double x) {
  double less = 0, equal = 0;
  for (uint32_t i = 0; i < m->cnt; i++) {
    less += m->sorted[i] < x;
    equal += m->sorted[i] == x;
  }
  return (less + 0.5 * (equal - 1)) / (m->cnt - 1);
}

static double model_quantile(const model_t *m, double q) {
  double   at  = q * (m->cnt - 1);
  uint32_t low = (uint32_t)floor(at);
  if (at == low) return m->sorted[low];
  return m->sorted[low] + (at - low) * (m->sorted[low + 1] - m->sorted[low]);
}

/* From the least value: differences that are exact, also of values that differ by their last place. */
static void model_sums(const model_t *m, long double *mean, long double *std) {
  long double base = m->sorted[0], sum = 0, squares = 0;
  for (uint32_t i = 0; i < m->cnt; i++) sum += m->sorted[i] - base;
  long double away = sum / m->cnt;
  for (uint32_t i = 0; i < m->cnt; i++) {
    long double d = (m->sorted[i] - base) - away;
    squares += d * d;
  }
  *mean = base + away;
  *std  = sqrtl(squares / m->cnt);
}

static void assert_near(double ours, long double theirs, long double scale, const char *what) {
  long double off = fabsl((long double)ours - theirs);
  if (!(off <= 1e-12L * (scale + fabsl(theirs))))
    fail_msg("%s: %.17g, by definition %.17Lg (off %Lg)", what, ours, theirs, off);
}

static void compare(const tf_section_t *s, model_t *m, uint32_t member) {
  static const double QS[] = {0, 0.05, 0.25, 0.5, 0.77, 1};
  take_stock(m);
  double x = m->x[member];
  assert_int_equal(tf_section_member_cnt(s), m->cnt);
  if (x != x) {
    for (uint32_t i = 0; i < tf_cross_table.cross_cnt; i++)
      assert_true(isnan(read_off(tf_cross_table.crosses[i]->name, s, member, 0.5)));
    return;
  }
  long double mean, std;
  model_sums(m, &mean, &std);
  assert_true(read_off("cs_count", s, member, 0) == m->cnt);
  for (size_t i = 0; i < TF_ARRAY_CNT(QS); i++)
    assert_true(read_off("cs_quantile", s, member, QS[i]) == model_quantile(m, QS[i]));
  assert_near(read_off("cs_mean", s, member, 0), mean, std, "cs_mean");
  assert_near(read_off("cs_demean", s, member, 0), (long double)x - mean, std + fabsl(mean) * 1e-3L,
              "cs_demean");
  if (m->cnt < 2) {
    assert_true(isnan(read_off("cs_rank", s, member, 0)));
    assert_true(isnan(read_off("cs_zscore", s, member, 0)));
    return;
  }
  assert_true(read_off("cs_rank", s, member, 0) == model_rank(m, x));
  assert_near(read_off("cs_std", s, member, 0), std, 0, "cs_std");
  long double z = std > 0 ? ((long double)x - mean) / std : 0;
  assert_near(read_off("cs_zscore", s, member, 0), z, 1 + fabsl(mean / (std > 0 ? std : 1)) * 1e-3L,
              "cs_zscore");
}

static tf_section_t *section_new(uint32_t cap, uint32_t reads) {
  tf_section_t *s = aligned_alloc(64, tf_cross_table.section_bytes(cap));
  assert_non_null(s);
  tf_cross_table.section_init(s, cap, reads);
  return s;
}

static model_t model_new(uint32_t cap) {
  model_t m = {
      .x = malloc(cap * sizeof(double)), .sorted = malloc(cap * sizeof(double)), .cap = cap};
  assert_true(m.x && m.sorted);
  for (uint32_t i = 0; i < cap; i++) m.x[i] = NOTHING;
  return m;
}

static void model_free(model_t *m) {
  free(m->x);
  free(m->sorted);
}

/* Depth and counts of the tree, and that it is in order. */
static uint32_t check_tree(const tf_section_t *s, uint32_t t, uint32_t *cnt) {
  *cnt = 0;
  if (t == 0) return 0;
  const tf_section_node_t *n = &s->nodes[t];
  uint32_t                 below_cnt, above_cnt;
  uint32_t below = check_tree(s, n->below, &below_cnt), above = check_tree(s, n->above, &above_cnt);
  *cnt = below_cnt + above_cnt + 1;
  assert_int_equal(n->cnt, *cnt);
  if (n->below) assert_true(s->nodes[n->below].x <= n->x);
  if (n->above) assert_true(s->nodes[n->above].x >= n->x);
  return 1 + (below > above ? below : above);
}

/* A walk: most values move a little, some jump, tie, leave or are no number. */
static double next_value(uint64_t *seed, double was, double unit) {
  uint64_t what = random_next(seed) % 64;
  double   step = (double)(random_next(seed) % 7) - 3;
  switch (what) {
  case 0: return NOTHING;
  case 1: return (double)INFINITY;
  case 2: return unit * (double)(random_next(seed) % 5);
  case 3: return was == was ? was * -3 : unit;
  case 4: return -0.0;
  default: return (was == was ? was : unit * (double)(random_next(seed) % 100)) + step * unit;
  }
}

static void a_walk_reads_as_all_values_do_at_each_step(void **state) {
  (void)state;
  static const uint32_t CAPS[]  = {1, 2, 3, 10, 97};
  static const double   UNITS[] = {1, 0.01, 1e-9, 1e6};
  for (size_t c = 0; c < TF_ARRAY_CNT(CAPS); c++) {
    for (size_t u = 0; u < TF_ARRAY_CNT(UNITS); u++) {
      uint64_t      seed = 7919 * (c + 1) + u;
      tf_section_t *s    = section_new(CAPS[c], TF_SECTION_SUMS | TF_SECTION_ORDER);
      model_t       m    = model_new(CAPS[c]);
      for (uint32_t i = 0; i < 1500; i++) {
        uint32_t member = (uint32_t)(random_next(&seed) % CAPS[c]);
        double   x      = next_value(&seed, m.x[member], UNITS[u]);
        m.x[member]     = fabs(x) <= 1e150 ? x : NOTHING;
        tf_cross_table.section_put(s, member, x);
        compare(s, &m, member);
      }
      uint32_t cnt;
      (void)check_tree(s, s->root, &cnt);
      assert_int_equal(cnt, m.cnt);
      model_free(&m);
      free(s);
    }
  }
}

/* What stands there counts, not how it came: rank and quantile to the bit, the tree to its shape. */
static void the_order_of_arrival_is_forgotten(void **state) {
  (void)state;
  enum { CAP = 200 };
  uint64_t      seed = 5;
  tf_section_t *a = section_new(CAP, TF_SECTION_ORDER), *b = section_new(CAP, TF_SECTION_ORDER);
  double        x[CAP];
  for (uint32_t i = 0; i < 5000; i++) {
    uint32_t member = i < CAP ? i : (uint32_t)(random_next(&seed) % CAP);
    x[member]       = (double)(random_next(&seed) % 50);
    tf_section_put(a, member, x[member]);
  }
  for (uint32_t i = CAP; i-- > 0;) tf_section_put(b, i, x[i]);
  assert_int_equal(a->root, b->root);
  for (uint32_t i = 0; i < CAP; i++) {
    assert_int_equal(a->nodes[i + 1].below, b->nodes[i + 1].below);
    assert_int_equal(a->nodes[i + 1].above, b->nodes[i + 1].above);
    assert_int_equal(a->nodes[i + 1].cnt, b->nodes[i + 1].cnt);
  }
  free(a);
  free(b);
}

/* An outlier as large as values may be leaves nothing behind. */
static void an_outlier_that_has_gone_is_forgotten(void **state) {
  (void)state;
  static const double OUTLIERS[] = {1e150, -1e150, 1e100, 1e16};
  enum { CAP = 20 };
  tf_section_t *s = section_new(CAP, TF_SECTION_SUMS | TF_SECTION_ORDER);
  model_t       m = model_new(CAP);
  for (uint32_t i = 0; i < CAP; i++) {
    m.x[i] = 100 + 0.01 * i;
    tf_section_put(s, i, m.x[i]);
  }
  for (size_t k = 0; k < TF_ARRAY_CNT(OUTLIERS); k++) {
    tf_section_put(s, 3, OUTLIERS[k]);
    tf_section_put(s, 3, m.x[3]);
    for (uint32_t i = 0; i < CAP; i++) compare(s, &m, i);
  }
  model_free(&m);
  free(s);
}

/* Every value moves far from where the sums began, then all are the same, then all but one by its last place. */
static void sums_follow_a_universe_that_moves_as_one(void **state) {
  (void)state;
  enum { CAP = 50 };
  tf_section_t *s = section_new(CAP, TF_SECTION_SUMS);
  model_t       m = model_new(CAP);
  for (double level = 1; level < 1e9; level *= 10)
    for (uint32_t i = 0; i < CAP; i++) {
      m.x[i] = level + 1e-4 * i;
      tf_section_put(s, i, m.x[i]);
    }
  take_stock(&m);
  long double mean, std;
  model_sums(&m, &mean, &std);
  assert_near(read_off("cs_std", s, 0, 0), std, 0, "cs_std");
  for (uint32_t i = 0; i < CAP; i++) tf_section_put(s, i, 123.456);
  assert_true(read_off("cs_zscore", s, 7, 0) == 0);
  assert_true(read_off("cs_std", s, 7, 0) == 0);
  assert_true(read_off("cs_mean", s, 7, 0) == 123.456);
  uint64_t before = s->renew_cnt;
  for (uint32_t i = 0; i < 1000; i++)
    tf_section_put(s, i % CAP, i / CAP % 2 ? 123.456 : nextafter(123.456, 200));
  assert_true(s->renew_cnt - before < 100); /* not at each */
  assert_true(isfinite(read_off("cs_zscore", s, 7, 0)));
  model_free(&m);
  free(s);
}

static void the_greatest_universe_is_as_deep_as_a_random_tree(void **state) {
  (void)state;
  const uint32_t caps[] = {10, 1000, TF_SECTION_MEMBERS_MAX};
  for (size_t c = 0; c < TF_ARRAY_CNT(caps); c++) {
    uint32_t      cap = caps[c], cnt;
    tf_section_t *s   = section_new(cap, TF_SECTION_ORDER);
    for (uint32_t i = 0; i < cap; i++) tf_section_put(s, i, (double)i); /* sorted: the worst */
    uint32_t depth = check_tree(s, s->root, &cnt);
    assert_int_equal(cnt, cap);
    assert_true(depth <= 3 * log2((double)cap) + 1);
    assert_true(read_off("cs_rank", s, cap - 1, 0) == 1);
    assert_true(read_off("cs_rank", s, 0, 0) == 0);
    assert_true(read_off("cs_quantile", s, 0, 1) == cap - 1);
    for (uint32_t i = 0; i < cap; i++) tf_section_put(s, i, NOTHING);
    assert_int_equal(s->root, 0);
    assert_int_equal(tf_section_member_cnt(s), 0);
    free(s);
  }
}

/* What only sums are read of keeps no order, and the other way round. */
static void a_section_keeps_what_is_read_of_it(void **state) {
  (void)state;
  tf_section_t *sums = section_new(8, TF_SECTION_SUMS), *order = section_new(8, TF_SECTION_ORDER);
  for (uint32_t i = 0; i < 8; i++) {
    tf_section_put(sums, i, (double)i);
    tf_section_put(order, i, (double)i);
  }
  assert_int_equal(sums->root, 0);
  assert_true(order->spread == 0);
  assert_true(read_off("cs_mean", sums, 0, 0) == 3.5);
  assert_true(read_off("cs_rank", order, 7, 0) == 1);
  free(sums);
  free(order);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_walk_reads_as_all_values_do_at_each_step),
      cmocka_unit_test(the_order_of_arrival_is_forgotten),
      cmocka_unit_test(an_outlier_that_has_gone_is_forgotten),
      cmocka_unit_test(sums_follow_a_universe_that_moves_as_one),
      cmocka_unit_test(the_greatest_universe_is_as_deep_as_a_random_tree),
      cmocka_unit_test(a_section_keeps_what_is_read_of_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
