/* Exponential, logarithm, circle and hyperbola from +, -, *, / and sqrt alone, in a fixed order, so that they have
 * the same bits on every machine; libm's are not correctly rounded and differ between versions.
 *
 * Error: below 1 unit in the last place, over the whole range that indicators accept (test_indicator_elementary holds
 * them against long double and against decimals of 260 digits). A result below 2^-1022 is rounded twice.
 * Arguments are finite, at most 1e150; infinite is what lies beyond a double's range. */
#ifndef TF_INDICATOR_ELEMENTARY_H
#define TF_INDICATOR_ELEMENTARY_H

/* A card has its own (gpu/feature_steps.cuh), of the same source. */
#ifndef TF_ELEMENTARY
#define TF_ELEMENTARY
#endif

TF_ELEMENTARY double tf_exp(double x);
TF_ELEMENTARY double tf_ln(double x);    /* x > 0 */
TF_ELEMENTARY double tf_log10(double x); /* x > 0 */

TF_ELEMENTARY double tf_sin(double x);
TF_ELEMENTARY double tf_cos(double x);
TF_ELEMENTARY double tf_tan(double x);
TF_ELEMENTARY double tf_asin(double x); /* |x| <= 1 */
TF_ELEMENTARY double tf_acos(double x); /* |x| <= 1 */
TF_ELEMENTARY double tf_atan(double x);

TF_ELEMENTARY double tf_sinh(double x);
TF_ELEMENTARY double tf_cosh(double x);
TF_ELEMENTARY double tf_tanh(double x);

#endif
