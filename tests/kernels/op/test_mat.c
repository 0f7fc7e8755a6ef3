/* Packed matrices: every precision and instruction set against sums in double of the same rounded
 * values, over shapes around each block, panel and tile. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "op/mat.h"
#include "op/small_float.h"

#define WIDTH_MAX 260u
#define ROWS_MAX  13u
#define OUT_MAX   (WIDTH_MAX + 16)

static float    weight[WIDTH_MAX * WIDTH_MAX], in[ROWS_MAX * WIDTH_MAX], add[ROWS_MAX * OUT_MAX];
static uint64_t seed = 88172645463325252u;

static float uniform(void) { /* -1 .. 1 */
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (float)(seed >> 40) * 0x1p-23f - 1.0f;
}

static void fill(void) {
  for (size_t i = 0; i < TF_ARRAY_CNT(weight); i++) weight[i] = uniform();
  for (size_t i = 0; i < TF_ARRAY_CNT(in); i++) in[i] = 3.0f * uniform();
  for (size_t i = 0; i < TF_ARRAY_CNT(add); i++) add[i] = uniform();
}

typedef struct packed {
  tf_mat_t mat;
  void    *memory;
  uint8_t *rows;
  float   *out; /* [ROWS_MAX][OUT_MAX] */
} packed_t;

static packed_t pack_source(const tf_mat_source_t *source, tf_isa_t isa) {
  const uint32_t in_cnt = source->in_cnt;
  packed_t       p      = {.memory = aligned_alloc(64, tf_mat_bytes(source))};
  tf_mat_pack(&p.mat, source, isa, p.memory);
  p.rows = aligned_alloc(64, ROWS_MAX * p.mat.row_bytes);
  p.out  = calloc(ROWS_MAX * OUT_MAX, sizeof *p.out);
  for (uint32_t r = 0; r < ROWS_MAX; r++)
    p.mat.to_row(&p.mat, in + r * in_cnt, p.rows + r * p.mat.row_bytes);
  return p;
}

static packed_t pack(uint32_t in_cnt, uint32_t out_cnt, tf_precision_t precision, tf_isa_t isa) {
  tf_mat_source_t source = {.weight     = weight,
                            .row_floats = in_cnt,
                            .in_cnt     = in_cnt,
                            .out_cnt    = out_cnt,
                            .precision  = precision};
  return pack_source(&source, isa);
}

static void drop(packed_t *p) {
  free(p->memory);
  free(p->rows);
  free(p->out);
}

static void multiply(packed_t *p, uint32_t row_cnt) {
  p->mat.mul(&p->mat, p->rows, row_cnt, add, OUT_MAX, p->out, OUT_MAX);
}

/* How far a sum may be off: half a unit of 8 bits on either factor of each product, of 11 on the weights alone; of float the sum's
 * own rounding. */
static double bound_of(tf_precision_t precision, const float *w, const float *x, uint32_t cnt) {
  static const double relative[] = {1e-7, 0x1p-7, 0x1p-11, 0.0};
  double              sum = 0.0, w_max = 0.0, x_max = 0.0, w_sum = 0.0, x_sum = 0.0;
  for (uint32_t k = 0; k < cnt; k++) {
    double a = fabs((double)w[k]), b = fabs((double)x[k]);
    sum += a * b;
    w_sum += a, x_sum += b;
    w_max = fmax(w_max, a), x_max = fmax(x_max, b);
  }
  if (precision == TF_PRECISION_INT8)
    return 0.51 / 127.0 * (w_max * x_sum + x_max * w_sum) + cnt * w_max * x_max / 254.0 / 127.0;
  return relative[precision] * sum * (precision == TF_PRECISION_FP32 ? 4.0 : 1.1) + 1e-6;
}

static const uint32_t widths[] = {1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 250};

static void sums_are_within_the_rounding_of_their_precision(void **state) {
  (void)state;
  fill();
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++)
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      for (size_t w = 0; w < TF_ARRAY_CNT(widths); w++)
        for (size_t o = 0; o < TF_ARRAY_CNT(widths); o++) {
          uint32_t in_cnt = widths[w], out_cnt = widths[o];
          packed_t p = pack(in_cnt, out_cnt, (tf_precision_t)precision, (tf_isa_t)isa);
          multiply(&p, 7);
          for (uint32_t r = 0; r < 7; r++)
            for (uint32_t i = 0; i < out_cnt; i++) {
              const float *row = weight + i * in_cnt, *x = in + r * in_cnt;
              double       want = (double)add[r * OUT_MAX + i];
              for (uint32_t k = 0; k < in_cnt; k++) want += (double)row[k] * (double)x[k];
              double error = fabs((double)p.out[r * OUT_MAX + i] - want);
              if (!(error <= bound_of((tf_precision_t)precision, row, x, in_cnt)))
                fail_msg("%s on %s, %u -> %u: off by %g, at most %g",
                         tf_precision_name((tf_precision_t)precision), tf_isa_name((tf_isa_t)isa),
                         in_cnt, out_cnt, error,
                         bound_of((tf_precision_t)precision, row, x, in_cnt));
            }
          drop(&p);
        }
    }
}

static void rows_have_the_same_bits_in_any_company(void **state) {
  (void)state;
  fill();
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++)
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      for (size_t o = 0; o < TF_ARRAY_CNT(widths); o++) {
        packed_t p = pack(100, widths[o], (tf_precision_t)precision, (tf_isa_t)isa);
        float    alone[ROWS_MAX][OUT_MAX];
        for (uint32_t r = 0; r < ROWS_MAX; r++)
          p.mat.mul(&p.mat, p.rows + r * p.mat.row_bytes, 1, add + r * OUT_MAX, 0, alone[r], 0);
        for (uint32_t cnt = 1; cnt <= ROWS_MAX; cnt++) {
          multiply(&p, cnt);
          for (uint32_t r = 0; r < cnt; r++)
            assert_memory_equal(p.out + r * OUT_MAX, alone[r], widths[o] * sizeof(float));
        }
        drop(&p);
      }
    }
}

static void instruction_sets_agree_in_bits_but_for_bf16_on_avx512(void **state) {
  (void)state;
  fill();
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++)
    for (int isa = 1; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      if (precision == TF_PRECISION_BF16 && isa == TF_ISA_AVX512) continue;
      for (size_t w = 0; w < TF_ARRAY_CNT(widths); w++) {
        packed_t a = pack(widths[w], 77, (tf_precision_t)precision, TF_ISA_SCALAR);
        packed_t b = pack(widths[w], 77, (tf_precision_t)precision, (tf_isa_t)isa);
        multiply(&a, ROWS_MAX);
        multiply(&b, ROWS_MAX);
        for (uint32_t r = 0; r < ROWS_MAX; r++)
          assert_memory_equal(a.out + r * OUT_MAX, b.out + r * OUT_MAX, 77 * sizeof(float));
        drop(&a);
        drop(&b);
      }
    }
}

static void nan_or_infinity_in_a_row_reaches_each_output(void **state) {
  (void)state;
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++)
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
        fill();
        in[57]     = bad[i];
        packed_t p = pack(100, 40, (tf_precision_t)precision, (tf_isa_t)isa);
        multiply(&p, 2);
        for (uint32_t o = 0; o < 40; o++) {
          assert_false(isfinite(p.out[o]));
          assert_true(isfinite(p.out[OUT_MAX + o]));
        }
        drop(&p);
      }
    }
}

static void rows_of_zeros_and_of_the_smallest_numbers_give_what_is_added(void **state) {
  (void)state;
  fill();
  for (uint32_t k = 0; k < 100; k++) in[k] = 0.0f, in[100 + k] = 1e-38f;
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++)
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      packed_t p = pack(100, 40, (tf_precision_t)precision, (tf_isa_t)isa);
      multiply(&p, 2);
      for (uint32_t r = 0; r < 2; r++)
        assert_memory_equal(p.out + r * OUT_MAX, add + r * OUT_MAX, 40 * sizeof(float));
      drop(&p);
    }
}

static void weights_of_zeros_have_no_scale_and_no_effect(void **state) {
  (void)state;
  fill();
  memset(weight, 0, 100 * sizeof *weight); /* the first output */
  packed_t p = pack(100, 3, TF_PRECISION_INT8, tf_isa_best());
  multiply(&p, 1);
  assert_true(p.out[0] == add[0]);
  assert_true(p.out[1] != add[1]);
  drop(&p);
}

/* round(x / scale), cut to the range, as sums of integers. */
static float ranged_product(const float *w, const float *x, uint32_t cnt, float range) {
  const tf_mat_source_t source = {.weight = w, .in_cnt = cnt};
  const float w_scale = tf_mat_int8_weight_scale(&source, 0), x_scale = range * (1.0f / 127.0f);
  int64_t     sum = 0;
  for (uint32_t k = 0; k < cnt; k++) {
    float q = x[k] * (127.0f / range);
    q       = q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q;
    sum += (int64_t)lrintf(w[k] / w_scale) * (int64_t)lrintf(q);
  }
  return (float)sum * (x_scale * w_scale);
}

static void rows_of_a_range_are_cut_to_it_and_equal_sums_of_integers(void **state) {
  (void)state;
  static const float ranges[] = {0.5f, 1.7f, 3.0f, 100.0f};
  fill();
  for (int isa = 0; isa < TF_ISA_CNT; isa++)
    for (size_t w = 0; w < TF_ARRAY_CNT(widths); w++)
      for (size_t i = 0; i < TF_ARRAY_CNT(ranges) && tf_isa_supported((tf_isa_t)isa); i++) {
        tf_mat_source_t source = {.weight     = weight,
                                  .row_floats = widths[w],
                                  .in_cnt     = widths[w],
                                  .out_cnt    = 21,
                                  .precision  = TF_PRECISION_INT8,
                                  .range      = ranges[i]};
        packed_t        p      = pack_source(&source, (tf_isa_t)isa);
        p.mat.mul(&p.mat, p.rows, 5, NULL, 0, p.out, OUT_MAX);
        for (uint32_t r = 0; r < 5; r++)
          for (uint32_t o = 0; o < 21; o++) {
            float want =
                ranged_product(weight + o * widths[w], in + r * widths[w], widths[w], ranges[i]);
            assert_true(p.out[r * OUT_MAX + o] == want);
          }
        drop(&p);
      }
}

static void what_is_no_number_spoils_a_ranged_row_alone(void **state) {
  (void)state;
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (int isa = 0; isa < TF_ISA_CNT; isa++)
    for (size_t i = 0; i < TF_ARRAY_CNT(bad) && tf_isa_supported((tf_isa_t)isa); i++) {
      fill();
      in[57]                 = bad[i];
      tf_mat_source_t source = {.weight     = weight,
                                .row_floats = 100,
                                .in_cnt     = 100,
                                .out_cnt    = 40,
                                .precision  = TF_PRECISION_INT8,
                                .range      = 2.0f};
      packed_t        p      = pack_source(&source, (tf_isa_t)isa);
      multiply(&p, 2);
      for (uint32_t o = 0; o < 40; o++) {
        assert_true(isnan(p.out[o]));
        assert_true(isfinite(p.out[OUT_MAX + o]));
      }
      drop(&p);
    }
}

static void same_as_by_rows(const tf_mat_source_t *source) {
  packed_t a = pack(100, 77, source->precision, tf_isa_best());
  packed_t b = pack_source(source, tf_isa_best());
  multiply(&a, ROWS_MAX);
  multiply(&b, ROWS_MAX);
  assert_memory_equal(a.out, b.out, ROWS_MAX * OUT_MAX * sizeof(float));
  drop(&a);
  drop(&b);
}

static void weights_by_columns_give_the_bits_of_weights_by_rows(void **state) {
  (void)state;
  static float turned[WIDTH_MAX * WIDTH_MAX];
  fill();
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++) {
    tf_mat_source_t source = {.weight        = turned,
                              .row_floats    = 1,
                              .column_floats = 77,
                              .in_cnt        = 100,
                              .out_cnt       = 77,
                              .precision     = (tf_precision_t)precision};
    for (uint32_t o = 0; o < 77; o++)
      for (uint32_t k = 0; k < 100; k++) turned[k * 77 + o] = weight[o * 100 + k];
    same_as_by_rows(&source);
  }
}

static void halves_go_to_float_and_back(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 65536; bits++) {
    const bool nan = (bits & 0x7fffu) > 0x7c00u;
    if (!nan) assert_int_equal(tf_fp16_of(tf_fp16_value((uint16_t)bits)), bits);
    if (!nan || (bits & 0x200u)) assert_int_equal(isnan(tf_fp16_value((uint16_t)bits)) != 0, nan);
    if ((bits & 0x7fffu) <= 0x7f80u)
      assert_int_equal(tf_bf16_of(tf_bf16_value((uint16_t)bits)), bits);
  }
  assert_true(isnan(tf_fp16_value(tf_fp16_of(NAN))));
  assert_true(isnan(tf_bf16_value(tf_bf16_of(NAN))));
}

/* Between two neighbours a value goes to the nearer, in the middle to the even one; past the greatest to infinity. */
static void halves_are_rounded_to_nearest_and_even(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 0x7bffu; bits++) {
    const float low = tf_fp16_value((uint16_t)bits), high = tf_fp16_value((uint16_t)(bits + 1));
    const float middle = low + (high - low) / 2.0f;
    assert_int_equal(tf_fp16_of(middle), bits + (bits & 1));
    assert_int_equal(tf_fp16_of(nextafterf(middle, low)), bits);
    assert_int_equal(tf_fp16_of(-nextafterf(middle, high)), 0x8000u | (bits + 1));
  }
  assert_true(tf_fp16_value(tf_fp16_of(65519.99f)) == TF_FP16_MAX);
  assert_true(isinf(tf_fp16_value(tf_fp16_of(65520.0f))));
  assert_true(isinf(tf_fp16_value(tf_fp16_of(INFINITY))));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nan_or_infinity_in_a_row_reaches_each_output),
      cmocka_unit_test(rows_of_zeros_and_of_the_smallest_numbers_give_what_is_added),
      cmocka_unit_test(weights_of_zeros_have_no_scale_and_no_effect),
      cmocka_unit_test(halves_go_to_float_and_back),
      cmocka_unit_test(halves_are_rounded_to_nearest_and_even),
      cmocka_unit_test(weights_by_columns_give_the_bits_of_weights_by_rows),
      cmocka_unit_test(rows_of_a_range_are_cut_to_it_and_equal_sums_of_integers),
      cmocka_unit_test(what_is_no_number_spoils_a_ranged_row_alone),
      cmocka_unit_test(sums_are_within_the_rounding_of_their_precision),
      cmocka_unit_test(rows_have_the_same_bits_in_any_company),
      cmocka_unit_test(instruction_sets_agree_in_bits_but_for_bf16_on_avx512),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
