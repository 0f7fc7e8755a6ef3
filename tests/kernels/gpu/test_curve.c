/* The curves that the card and the CPU share: near libm in double, and the bits of the models' own (op/lanes_math.h). */
#include "cmocka_tf.h"

#include <math.h>

#include "gpu/curve.h"
#include "op/op.h"

/* Floats of every exponent, of either sign, a prime number of bits apart; all of them with TF_TEST_EXHAUSTIVE=1. */
static uint32_t step_bits(void) { return getenv("TF_TEST_EXHAUSTIVE") ? 1u : 9973u; }

/* Of units in the last place of want as a float. */
static double error_ulps(float got, double want) {
  if (isinf((float)want)) return (double)got == want ? 0.0 : 1e9;
  float unit = nextafterf(fabsf((float)want), INFINITY) - fabsf((float)want);
  return fabs((double)got - want) / (double)unit;
}

typedef struct curve {
  const char *op;
  float (*made)(float x);
  double (*want)(double x);
  double ulps_max;
} curve_t;

static float  made_exp(float x) { return tf_curve_exp(x); }
static float  made_tanh(float x) { return tf_curve_tanh(x); }
static float  made_sigmoid(float x) { return tf_curve_sigmoid(x); }
static double want_exp(double x) { return exp(fmin(fmax(x, -87.0), 87.0)); }
static double want_sigmoid(double x) { return 1.0 / (1.0 + exp(-fmin(fmax(x, -87.0), 87.0))); }

static const curve_t curves[] = {
    {"exp",     made_exp,     want_exp,     1.0},
    {"tanh",    made_tanh,    tanh,         1.5},
    {"sigmoid", made_sigmoid, want_sigmoid, 3.0},
};

/* Its error in units in the last place. */
static double look(const curve_t *c, float x) {
  const tf_op_t       *op                           = tf_op_find(c->op);
  float                in[TF_OP_PAD] TF_ALIGNED(64) = {x}, out[TF_OP_PAD] TF_ALIGNED(64);
  const tf_op_params_t params                       = {.in_cnt = 1, .out_cnt = 1};
  float                made                         = c->made(x);
  op->run[TF_ISA_SCALAR](&params, in, out);
  if (tf_float_bits(made) != tf_float_bits(out[0]))
    fail_msg("%s(%a) is %a, the op's %a", c->op, (double)x, (double)made, (double)out[0]);
  return error_ulps(made, c->want((double)x));
}

static void curves_are_near_libm_and_have_the_models_bits(void **state) {
  (void)state;
  static const float seams[] = {0.0f, 0.625f, 9.1f, 87.0f, 88.0f, 0x1p-126f, INFINITY};
  for (size_t c = 0; c < TF_ARRAY_CNT(curves); c++) {
    double worst = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += step_bits()) {
      float x = tf_float_of_bits((uint32_t)bits);
      if (!isnan(x)) worst = fmax(worst, look(&curves[c], x));
    }
    for (size_t i = 0; i < TF_ARRAY_CNT(seams); i++)
      for (int sign = -1; sign <= 1; sign += 2)
        for (int side = -1; side <= 1; side++) {
          float x = (float)sign * seams[i];
          if (side) x = nextafterf(x, (float)side * INFINITY);
          worst = fmax(worst, look(&curves[c], x));
        }
    if (!(worst <= curves[c].ulps_max))
      fail_msg("%s: off by %g units in the last place", curves[c].op, worst);
    print_message("%s: %.2f units in the last place\n", curves[c].op, worst);
    assert_true(isnan(curves[c].made(NAN)));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(curves_are_near_libm_and_have_the_models_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
