/* Each is a Taylor series around 0 after the range has been reduced. The small terms are summed as a double, the large
 * ones as an unevaluated pair of doubles (T. Dekker, "A floating-point technique for extending the available
 * precision", Numerische Mathematik 18 (1971); TwoSum: sum.h), and rounded once at the end. The inverse
 * functions take a rough angle and correct it by what the sine and cosine of it leave over. */
#include "indicator/elementary.h"

#include <string.h>

#include "indicator/log_ratio.h"
#include "indicator/sum.h"

#define TF_LN_2_HIGH 0x1.62e42fefp-1 /* 33 bits: a whole number times it is exact */
#define TF_LN_2_LOW  0x1.473de6af278edp-34

/* hi + lo, |lo| at most half a unit in the last place of hi. */
typedef struct tf_pair {
  double hi, lo;
} tf_pair_t;

TF_INLINE tf_pair_t tf_pair_of(double hi, double lo) {
  tf_pair_t p;
  p.hi = tf_sum_two(hi, lo, &p.lo);
  return p;
}

TF_INLINE double tf_pair_value(tf_pair_t p) { return p.hi + p.lo; }

/* a * b exactly (Dekker's product by Veltkamp's splitting). */
TF_INLINE tf_pair_t tf_pair_product(double a, double b) {
  double ca = 134217729.0 * a, cb = 134217729.0 * b;
  double a1 = ca - (ca - a), b1 = cb - (cb - b), a2 = a - a1, b2 = b - b1;
  double hi = a * b;
  return (tf_pair_t){hi, ((a1 * b1 - hi) + a1 * b2 + a2 * b1) + a2 * b2};
}

TF_INLINE tf_pair_t tf_pair_add(tf_pair_t a, tf_pair_t b) {
  double error, hi = tf_sum_two(a.hi, b.hi, &error);
  return tf_pair_of(hi, error + (a.lo + b.lo));
}

TF_INLINE tf_pair_t tf_pair_multiply(tf_pair_t a, tf_pair_t b) {
  tf_pair_t p = tf_pair_product(a.hi, b.hi);
  return tf_pair_of(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

TF_INLINE tf_pair_t tf_pair_divide(tf_pair_t a, tf_pair_t b) {
  double    q = a.hi / b.hi;
  tf_pair_t p = tf_pair_product(q, b.hi);
  return tf_pair_of(q, ((a.hi - p.hi) - p.lo + (a.lo - q * b.lo)) / b.hi);
}

TF_INLINE tf_pair_t tf_pair_negate(tf_pair_t a) { return (tf_pair_t){-a.hi, -a.lo}; }

/* ---- exponential and logarithm ---- */

/* x * 2^k without an overflow on the way. */
TF_INLINE double tf_scale(double x, int k) {
  for (int i = 0; i < 2; i++) {
    int      part = i == 0 ? k / 2 : k - k / 2;
    uint64_t bits = (uint64_t)(part + 1023) << 52;
    double   power;
    memcpy(&power, &bits, sizeof power);
    x *= power;
  }
  return x;
}

/* e^x = result * 2^*k for |x| <= 1000; k times ln 2 is taken off, 16 terms are left. */
TF_INLINE tf_pair_t tf_exp_pair_(double x, int *k) {
  double    turns = (x * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52;
  double    error;
  tf_pair_t r  = tf_pair_of(x - turns * TF_LN_2_HIGH, -turns * TF_LN_2_LOW);
  tf_pair_t rr = tf_pair_product(r.hi, r.hi);
  double    q  = 0;
  for (int j = 16; j >= 3; j--) q = (q + 1.0) * (r.hi / (double)j); /* r^3/3! + .. over r^2/2 */
  double hi = tf_sum_two(1.0, r.hi, &error), lo = error + r.lo * (1.0 + r.hi);
  hi = tf_sum_two(hi, rr.hi * 0.5, &error);
  lo += error + rr.lo * 0.5;
  hi = tf_sum_two(hi, rr.hi * 0.5 * q, &error);
  *k = (int)turns;
  return tf_pair_of(hi, lo + error);
}

TF_ELEMENTARY double tf_exp(double x) {
  int k;
  if (x > 710) return __builtin_inf();
  if (x < -746) return 0;
  tf_pair_t y = tf_exp_pair_(x, &k);
  return tf_scale(tf_pair_value(y), k);
}

/* ln x = k ln 2 + 2 artanh((m - 1) / (m + 1)), x = m 2^k, m within sqrt(2) of 1; x > 0. */
TF_INLINE tf_pair_t tf_ln_pair_(double x) {
  int    k;
  double m = tf_log_ratio_split_(x, &k), z, p = 0;
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k++;
  }
  tf_pair_t below = {m - 1.0, 0}, above;
  above.hi        = tf_sum_two(m, 1.0, &above.lo);
  tf_pair_t u     = tf_pair_divide(below, above);
  z               = u.hi * u.hi;
  for (int j = 25; j >= 3; j -= 2) p = (p + 1.0 / (double)j) * z;
  tf_pair_t series = tf_pair_of(2.0 * u.hi, 2.0 * u.lo + 2.0 * u.hi * p);
  double    turns  = (double)k;
  return tf_pair_add(tf_pair_of(turns * TF_LN_2_HIGH, turns * TF_LN_2_LOW), series);
}

TF_ELEMENTARY double tf_ln(double x) { return tf_pair_value(tf_ln_pair_(x)); }

TF_ELEMENTARY double tf_log10(double x) {
  const tf_pair_t lg_e = {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};
  return tf_pair_value(tf_pair_multiply(tf_ln_pair_(x), lg_e));
}

/* ---- circle ---- */

/* x = quarters * pi / 2 + result, |result| <= pi / 4. x times 2 / pi is taken to 256 bits behind the ones that are
 * whole turns, of which at most 62 can cancel (M. Payne, R. Hanek, "Radian reduction for trigonometric functions",
 * SIGNUM Newsletter 18 (1983)). x > 0. */
TF_INLINE tf_pair_t tf_quarter_reduce_(double x, unsigned *quarters) {
  /* 2 / pi, a word of zeros before it */
  static const uint64_t TWO_OVER_PI[] = {
      0,
      UINT64_C(0xa2f9836e4e441529),
      UINT64_C(0xfc2757d1f534ddc0),
      UINT64_C(0xdb6295993c439041),
      UINT64_C(0xfe5163abdebbc561),
      UINT64_C(0xb7246e3a424dd2e0),
      UINT64_C(0x06492eea09d1921c),
      UINT64_C(0xfe1deb1cb129a73e),
      UINT64_C(0xe88235f52ebb4484),
      UINT64_C(0xe99c7026b45f7e41),
      UINT64_C(0x3991d639835339f4),
      UINT64_C(0x9c845f8bbdf9283b),
      UINT64_C(0x1ff897ffde05980f),
      UINT64_C(0xef2f118b5a0a6d1f),
  };
  __extension__ typedef unsigned __int128 wide_t;
  uint64_t                                bits, f[4];
  memcpy(&bits, &x, sizeof bits);
  int      at = (int)(bits >> 52) - 1075 - 2 + 64; /* bit of the table that the product starts at */
  uint64_t m  = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x0010000000000000);
  unsigned word = (unsigned)at / 64, shift = (unsigned)at % 64;
  wide_t   carry = 0;
  for (int i = 3; i >= 0; i--) { /* m times the 256 bits, lowest word first, modulo 2^256 */
    uint64_t high = TWO_OVER_PI[word + (unsigned)i], low = TWO_OVER_PI[word + (unsigned)i + 1];
    uint64_t w = shift ? high << shift | low >> (64 - shift) : high;
    carry += (wide_t)m * w;
    f[i]  = (uint64_t)carry;
    carry = carry >> 64;
  }
  /* f is a fraction of four quarters; its first two bits are the quarter. To the nearest one: */
  unsigned quarter   = (unsigned)(f[0] >> 62);
  bool     past_half = f[0] >> 61 & 1;
  *quarters          = quarter + past_half;
  f[0] &= UINT64_C(0x3fffffffffffffff);
  if (past_half) { /* quarter - f */
    for (int i = 0; i < 4; i++) f[i] = ~f[i];
    f[0] &= UINT64_C(0x3fffffffffffffff);
  }
  double    scale = 0x1p-62; /* of the first word, in quarters */
  tf_pair_t part  = {0, 0};
  for (int i = 0; i < 4; i++, scale *= 0x1p-64) {
    part = tf_pair_add(part, (tf_pair_t){(double)(f[i] >> 32) * 0x1p32 * scale, 0});
    part = tf_pair_add(part, (tf_pair_t){(double)(f[i] & UINT64_C(0xffffffff)) * scale, 0});
  }
  const tf_pair_t half_pi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
  part                    = tf_pair_multiply(part, half_pi);
  return past_half ? tf_pair_negate(part) : part;
}

typedef struct tf_angle {
  tf_pair_t sin, cos;
} tf_angle_t;

/* Sine and cosine of |x| <= pi / 4, ten terms each. */
TF_INLINE tf_angle_t tf_angle_near_(tf_pair_t x) {
  double     z = x.hi * x.hi, s = 0, c = 0, error;
  tf_angle_t a;
  for (int j = 20; j >= 4; j -= 2) {
    s = (1.0 - s) * (z / (double)(j * (j + 1)));
    c = (1.0 - c) * (z / (double)(j * (j - 1)));
  }
  tf_pair_t zz = tf_pair_product(x.hi, x.hi);
  s            = (1.0 - s) * (z / 6.0); /* sin x = x (1 - s), cos x = 1 - z / 2 (1 - c) */
  a.sin        = tf_pair_of(x.hi, x.lo * (1.0 - 0.5 * z) - x.hi * s);
  a.cos.hi     = tf_sum_two(1.0, -0.5 * zz.hi, &error);
  a.cos        = tf_pair_of(a.cos.hi, (error - 0.5 * zz.lo - x.hi * x.lo) + 0.5 * z * c);
  return a;
}

TF_INLINE tf_angle_t tf_angle_of(double x) {
  unsigned   quarters = 0;
  double     size     = __builtin_fabs(x);
  tf_pair_t  near     = {size, 0};
  tf_angle_t a, turned;
  if (size > 0x1.921fb54442d18p-1) near = tf_quarter_reduce_(size, &quarters);
  a = turned = tf_angle_near_(near);
  if (quarters & 1) turned = (tf_angle_t){a.cos, tf_pair_negate(a.sin)};
  if (quarters & 2) turned = (tf_angle_t){tf_pair_negate(turned.sin), tf_pair_negate(turned.cos)};
  if (x < 0) turned.sin = tf_pair_negate(turned.sin);
  return turned;
}

TF_ELEMENTARY double tf_sin(double x) { return tf_pair_value(tf_angle_of(x).sin); }
TF_ELEMENTARY double tf_cos(double x) { return tf_pair_value(tf_angle_of(x).cos); }

TF_ELEMENTARY double tf_tan(double x) {
  tf_angle_t a = tf_angle_of(x);
  return tf_pair_value(tf_pair_divide(a.sin, a.cos));
}

/* Within 0.004 of arctan x, 0 <= x <= 1. */
TF_INLINE double tf_arctan_rough_(double x) { return x * (0.7853981633974483 + 0.273 * (1.0 - x)); }

/* The angle from the x axis to (x, y), both >= 0 and not both 0. With r a rough one, what is missing has the tangent
 * (y cos r - x sin r) / (x cos r + y sin r). */
TF_INLINE tf_pair_t tf_angle_to_(tf_pair_t x, tf_pair_t y) {
  double     rough = y.hi <= x.hi ? tf_arctan_rough_(y.hi / x.hi)
                                  : 0x1.921fb54442d18p+0 - tf_arctan_rough_(x.hi / y.hi);
  tf_angle_t r     = tf_angle_of(rough);
  tf_pair_t  across =
      tf_pair_add(tf_pair_multiply(y, r.cos), tf_pair_negate(tf_pair_multiply(x, r.sin)));
  double t = tf_pair_value(across) / (x.hi * r.cos.hi + y.hi * r.sin.hi), z = t * t;
  return tf_pair_of(rough, t - t * (z * (1.0 / 3 - z * (1.0 / 5 - z * (1.0 / 7 - z * (1.0 / 9))))));
}

TF_ELEMENTARY double tf_atan(double x) {
  const tf_pair_t one = {1, 0}, y = {__builtin_fabs(x), 0};
  double          angle = tf_pair_value(tf_angle_to_(one, y));
  return x == 0 ? x : x < 0 ? -angle : angle;
}

/* sqrt(1 - x^2), |x| <= 1. */
TF_INLINE tf_pair_t tf_across_(double x) {
  tf_pair_t a, b;
  a.hi         = tf_sum_two(1.0, -x, &a.lo);
  b.hi         = tf_sum_two(1.0, x, &b.lo);
  tf_pair_t ab = tf_pair_multiply(a, b);
  double    hi = __builtin_sqrt(ab.hi);
  if (hi == 0) return (tf_pair_t){0, 0};
  tf_pair_t square = tf_pair_product(hi, hi);
  return tf_pair_of(hi, ((ab.hi - square.hi) - square.lo + ab.lo) / (2.0 * hi));
}

TF_ELEMENTARY double tf_asin(double x) {
  tf_pair_t size  = {__builtin_fabs(x), 0};
  double    angle = tf_pair_value(tf_angle_to_(tf_across_(x), size));
  return x == 0 ? x : x < 0 ? -angle : angle;
}

TF_ELEMENTARY double tf_acos(double x) {
  const tf_pair_t pi    = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53};
  tf_pair_t       size  = {__builtin_fabs(x), 0};
  tf_pair_t       angle = tf_angle_to_(size, tf_across_(x));
  return tf_pair_value(x < 0 ? tf_pair_add(pi, tf_pair_negate(angle)) : angle);
}

/* ---- hyperbola ---- */

typedef struct tf_hyperbola {
  tf_pair_t sinh, cosh; /* of |x|, times 2^-k */
  int       k;
} tf_hyperbola_t;

/* |x| <= 720 */
TF_INLINE tf_hyperbola_t tf_hyperbola_(double size) {
  tf_hyperbola_t  h;
  tf_pair_t       grows = tf_exp_pair_(size, &h.k);
  const tf_pair_t one   = {1, 0};
  tf_pair_t       falls = tf_pair_divide(one, grows);
  double          power = h.k < 60 ? tf_scale(1.0, -2 * h.k) : 0;
  falls.hi *= power;
  falls.lo *= power;
  h.k--;
  h.sinh = tf_pair_add(grows, tf_pair_negate(falls));
  h.cosh = tf_pair_add(grows, falls);
  if (size < 0.5) { /* the difference above cancels */
    double z = size * size, p = 0, back = tf_scale(1.0, -h.k);
    for (int j = 16; j >= 2; j -= 2) p = (p + 1.0) * (z / (double)(j * (j + 1)));
    h.sinh = tf_pair_of(size * back, size * back * p);
  }
  return h;
}

TF_ELEMENTARY double tf_sinh(double x) {
  double size = __builtin_fabs(x);
  if (size > 711) return x < 0 ? -__builtin_inf() : __builtin_inf();
  tf_hyperbola_t h = tf_hyperbola_(size);
  double         y = tf_scale(tf_pair_value(h.sinh), h.k);
  return x < 0 ? -y : y;
}

TF_ELEMENTARY double tf_cosh(double x) {
  double size = __builtin_fabs(x);
  if (size > 711) return __builtin_inf();
  tf_hyperbola_t h = tf_hyperbola_(size);
  return tf_scale(tf_pair_value(h.cosh), h.k);
}

TF_ELEMENTARY double tf_tanh(double x) {
  double size = __builtin_fabs(x);
  if (size > 20) return x < 0 ? -1.0 : 1.0;
  tf_hyperbola_t h = tf_hyperbola_(size);
  double         y = tf_pair_value(tf_pair_divide(h.sinh, h.cosh));
  return x < 0 ? -y : y;
}
