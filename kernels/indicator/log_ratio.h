/* ln(x / y) for positive doubles from +, -, * and / alone, in a fixed order, so that it has the same
 * bits on every machine; libm's log is not correctly rounded and differs between versions.
 *
 * ln(x / y) = k ln 2 + 2 artanh((m - y) / (m + y)), where m = x / 2^k lies within a factor sqrt(2) of
 * y. For neighbouring prices k is 0 and x - y is exact (Sterbenz), so small returns keep all their
 * digits. artanh is its Taylor series in z = ((m - y) / (m + y))^2 <= 0.0295, 11 terms: the first one
 * left out is below 2^-60 of the result. Returns below 0.2 % need two of them: what is left out is
 * then below 2^-62. Error below 3 units in the last place (2.1 measured over 200,000 ratios against
 * long double, test_indicator_numeric). M. Abramowitz, I. Stegun, Handbook of Mathematical Functions
 * (1964), 4.1.27. */
#ifndef TF_INDICATOR_LOG_RATIO_H
#define TF_INDICATOR_LOG_RATIO_H

#include <string.h>

#include "tf/base.h"

/* x = m * 2^k exactly, 1 <= m < 2; x positive and normal or subnormal. */
TF_INLINE double tf_log_ratio_split_(double x, int *k) {
  uint64_t bits;
  int      scale = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    scale = 54;
  }
  memcpy(&bits, &x, sizeof bits);
  *k   = (int)(bits >> 52) - 1023 - scale;
  bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
  memcpy(&x, &bits, sizeof bits);
  return x;
}

TF_INLINE double tf_log_ratio_artanh_twice_(double u) {
  double z = u * u;
  if (TF_LIKELY(z < 1e-6)) return 2.0 * (u + u * (z * (1.0 / 3 + z * (1.0 / 5)))); /* up to 0.2 % */
  double p = 1.0 / 21;
  p        = p * z + 1.0 / 19;
  p        = p * z + 1.0 / 17;
  p        = p * z + 1.0 / 15;
  p        = p * z + 1.0 / 13;
  p        = p * z + 1.0 / 11;
  p        = p * z + 1.0 / 9;
  p        = p * z + 1.0 / 7;
  p        = p * z + 1.0 / 5;
  p        = p * z + 1.0 / 3;
  return 2.0 * (u + u * (z * p));
}

/* x, y > 0 and finite. */
TF_INLINE double tf_log_ratio(double x, double y) {
  int k = 0;
  if (TF_UNLIKELY(!(x <= y * 1.4142135623730951 && y <= x * 1.4142135623730951))) {
    int x_k, y_k;
    x = tf_log_ratio_split_(x, &x_k);
    y = tf_log_ratio_split_(y, &y_k);
    k = x_k - y_k;
    if (x > y * 1.4142135623730951) {
      x *= 0.5;
      k++;
    } else if (y > x * 1.4142135623730951) {
      y *= 0.5;
      k--;
    }
  }
  double near = tf_log_ratio_artanh_twice_((x - y) / (x + y));
  /* ln 2 in two parts: the high one has 32 bits, so k * high is exact for any k here */
  return (double)k * 0x1.62e42fefp-1 + ((double)k * 0x1.473de6af278edp-34 + near);
}

#endif
