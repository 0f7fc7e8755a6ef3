/* Functions of one value: ln(x), sqrt(x), sin(x) ... of each input, without a memory. No value where the function has
 * none: ln and log10 want x > 0, sqrt x >= 0, acos and asin -1 <= x <= 1; e^x beyond a double's range.
 * elementary.h says how they are computed and how exactly; sqrt, ceil and floor are exact. TA-Lib's Math Transform. */
#include "indicator/elementary.h"
#include "indicator/step.h"

typedef struct stateless {
  char nothing;
} stateless_t;

static uint64_t transform_build(stateless_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

#define TRANSFORM(id, what, y_of_x)                                                                \
  TF_STEP bool id##_step(stateless_t *s, tf_store_t m, const double *input, double *y) {           \
    (void)s, (void)m;                                                                              \
    double x = *input;                                                                             \
    *y       = y_of_x;                                                                             \
    return true;                                                                                   \
  }                                                                                                \
  TF_INDICATOR_DEFINE_AS(id, stateless_t, transform_build, id##_step, .group = TF_GROUP_TRANSFORM, \
                         .help = what, .origin = "definition", TF_SERIES("close"),                 \
                         TF_OUTPUTS(#id))

#define NONE __builtin_nan("")

TRANSFORM(acos, "angle whose cosine the input is, in radians; -1 <= x <= 1",
          __builtin_fabs(x) <= 1 ? tf_acos(x) : NONE);
TRANSFORM(asin, "angle whose sine the input is, in radians; -1 <= x <= 1",
          __builtin_fabs(x) <= 1 ? tf_asin(x) : NONE);
TRANSFORM(atan, "angle whose tangent the input is, in radians", tf_atan(x));
TRANSFORM(ceil, "smallest whole number not below the input", __builtin_ceil(x));
TRANSFORM(cos, "cosine of the input in radians", tf_cos(x));
TRANSFORM(cosh, "hyperbolic cosine of the input", tf_cosh(x));
TRANSFORM(exp, "e to the power of the input", tf_exp(x));
TRANSFORM(floor, "largest whole number not above the input", __builtin_floor(x));
TRANSFORM(ln, "natural logarithm of the input; x > 0", x > 0 ? tf_ln(x) : NONE);
TRANSFORM(log10, "logarithm of the input to base 10; x > 0", x > 0 ? tf_log10(x) : NONE);
TRANSFORM(sin, "sine of the input in radians", tf_sin(x));
TRANSFORM(sinh, "hyperbolic sine of the input", tf_sinh(x));
TRANSFORM(sqrt, "square root of the input; x >= 0", __builtin_sqrt(x));
TRANSFORM(tan, "tangent of the input in radians", tf_tan(x));
TRANSFORM(tanh, "hyperbolic tangent of the input", tf_tanh(x));
