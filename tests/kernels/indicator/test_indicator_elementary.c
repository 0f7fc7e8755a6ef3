/* The elementary functions against long double's, which have 11 bits more, and at the ends of their ranges. */
#include "cmocka_tf.h"

#include <math.h>

#include "indicator/elementary.h"
#include "market_script.h"

enum { CNT = 100000 };

typedef struct function {
  const char *name;
  double (*ours)(double);
  long double (*theirs)(long double);
  double near, far; /* |x| from 10^near to 10^far */
  bool   is_positive;
} function_t;

/* What x87 reduces an argument by loses digits beyond this: huge arguments have a test of their own. */
#define CIRCLE_FAR 6

static const function_t FUNCTIONS[] = {
    {"exp",   tf_exp,   expl,   -20,  2.84,       false},
    {"ln",    tf_ln,    logl,   -150, 150,        true },
    {"log10", tf_log10, log10l, -150, 150,        true },
    {"sin",   tf_sin,   sinl,   -20,  CIRCLE_FAR, false},
    {"cos",   tf_cos,   cosl,   -20,  CIRCLE_FAR, false},
    {"tan",   tf_tan,   tanl,   -20,  CIRCLE_FAR, false},
    {"asin",  tf_asin,  asinl,  -20,  0,          false},
    {"acos",  tf_acos,  acosl,  -20,  0,          false},
    {"atan",  tf_atan,  atanl,  -20,  150,        false},
    {"sinh",  tf_sinh,  sinhl,  -20,  2.84,       false},
    {"cosh",  tf_cosh,  coshl,  -20,  2.84,       false},
    {"tanh",  tf_tanh,  tanhl,  -20,  2,          false},
};

static double unit(uint64_t *seed) { return (double)(script_random(seed) >> 11) * 0x1p-53; }

/* In units in the last place of what is wanted. */
static double error_of(const function_t *f, double x) {
  long double want = f->theirs((long double)x);
  double      got = f->ours(x), size = fabs((double)want);
  if (!(size < HUGE_VAL)) return got == (double)want ? 0 : 1e9;
  double ulp = nextafter(size, HUGE_VAL) - size;
  return (double)(fabsl(want - (long double)got) / (long double)ulp);
}

static double draw(const function_t *f, uint64_t *seed, uint32_t i) {
  double size = pow(10, f->near + unit(seed) * (f->far - f->near));
  if (i % 3 == 1) size = unit(seed) * (f->far > 2.84 ? 100 : pow(10, f->far));
  if (i % 3 == 2 && f->is_positive) size = 1 + (unit(seed) - 0.5) * pow(10, -unit(seed) * 12);
  if (i % 3 == 2 && f->far == 0) size = 1 - pow(10, -unit(seed) * 16);
  return f->is_positive || (i & 4) ? size : -size;
}

static void each_is_within_one_unit_in_the_last_place(void **state) {
  (void)state;
  if (__LDBL_MANT_DIG__ <= 53) skip();
  for (size_t k = 0; k < TF_ARRAY_CNT(FUNCTIONS); k++) {
    const function_t *f     = &FUNCTIONS[k];
    uint64_t          seed  = 77 + k;
    double            worst = 0, at = 0;
    for (uint32_t i = 0; i < CNT; i++) {
      double x = draw(f, &seed, i), error = error_of(f, x);
      if (error <= worst) continue;
      worst = error;
      at    = x;
    }
    print_message("%-6s largest error %.3f units in the last place, at %a\n", f->name, worst, at);
    if (!(worst < 1)) fail_msg("%s(%a): %.3f units in the last place", f->name, at, worst);
  }
}

/* From decimals of 60 digits and more; the last ones are nearest to a multiple of pi / 2 and largest. */
static void known_values_are_correctly_rounded(void **state) {
  (void)state;
  static const struct {
    double (*f)(double);
    double x, want;
  } KNOWN[] = {
#include "elementary_known.inc"
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(KNOWN); i++) {
    double got = KNOWN[i].f(KNOWN[i].x);
    double ulp = nextafter(fabs(KNOWN[i].want), HUGE_VAL) - fabs(KNOWN[i].want);
    if (!(fabs(got - KNOWN[i].want) <= ulp))
      fail_msg("%zu: f(%a) = %a, not %a", i, KNOWN[i].x, got, KNOWN[i].want);
  }
}

static void the_ends_of_the_ranges_hold(void **state) {
  (void)state;
  assert_true(tf_exp(0) == 1 && tf_exp(-1e150) == 0 && isinf(tf_exp(1e150)));
  assert_true(tf_exp(709.78) < HUGE_VAL && isinf(tf_exp(709.79)) && tf_exp(-745.1) > 0);
  assert_true(tf_ln(1) == 0 && tf_log10(1) == 0 && tf_log10(1e15) == 15 && tf_log10(1e-7) == -7);
  assert_true(tf_sin(0) == 0 && tf_cos(0) == 1 && tf_tan(0) == 0 && tf_atan(0) == 0);
  assert_true(tf_asin(1) == M_PI_2 && tf_asin(-1) == -M_PI_2 && tf_acos(1) == 0);
  assert_true(tf_acos(-1) == M_PI && tf_acos(0) == M_PI_2 && tf_atan(1e150) == M_PI_2);
  assert_true(tf_sinh(0) == 0 && tf_cosh(0) == 1 && tf_tanh(0) == 0 && tf_tanh(-1e150) == -1);
  assert_true(isinf(tf_sinh(1e150)) && tf_sinh(-1e150) < 0 && isinf(tf_cosh(-712)));
  assert_true(tf_sinh(1e-150) == 1e-150 && tf_asin(1e-150) == 1e-150 && tf_sin(1e-150) == 1e-150);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_is_within_one_unit_in_the_last_place),
      cmocka_unit_test(known_values_are_correctly_rounded),
      cmocka_unit_test(the_ends_of_the_ranges_hold),
  };
  return cmocka_run_group_tests_name("indicator_elementary", tests, NULL, NULL);
}
