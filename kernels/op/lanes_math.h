/* Transcendental functions and activations in registers, written once over the vocabulary of
 * lanes.h, which includes this file for each instruction set with TF_LANES_ISA and TF_LANES_INLINE
 * defined; hence no include guard.
 *
 * The polynomials are minimax fits of our own (Lawson's iteration on Chebyshev nodes, relative
 * error). Greatest errors against libm in double, over all floats whose result does not saturate
 * (tests/kernels/op/test_activation.c with TF_TEST_EXHAUSTIVE=1, EPYC, 2026-11): exp 0.99 units
 * in the last place, tanh 1.33, sigmoid 2.83. The test enforces the bounds below. */
#ifndef TF_LANES_EXP_ULP_MAX
#define TF_LANES_EXP_ULP_MAX     1.0
#define TF_LANES_TANH_ULP_MAX    1.5
#define TF_LANES_SIGMOID_ULP_MAX 3.0
/* The cubic forms, over all floats, absolute; and a bound on |cubic tanh| (tests/kernels/op/test_activation.c). */
#define TF_LANES_TANH_CUBIC_ERROR_MAX    6e-6
#define TF_LANES_SIGMOID_CUBIC_ERROR_MAX 3e-6
/* exp is held between exp(-this) and exp(this), both normal: no result is denormal or infinite. */
#define TF_LANES_EXP_ARG_MAX 87.0f
#endif

#define V_             TF_LANES_PASTE(TF_LANES_PASTE(tf_lanes_, TF_LANES_ISA), _t)
#define L_(fn)         TF_LANES_PASTE(tf_lanes_##fn##_, TF_LANES_ISA)
#define C_(x)          L_(set)(x)
#define ADD_(a, b)     L_(add)(a, b)
#define SUB_(a, b)     L_(sub)(a, b)
#define MUL_(a, b)     L_(mul)(a, b)
#define POLY_(p, x, c) ADD_(MUL_(p, x), C_(c))

/* e^x: x = n ln 2 + r, |r| <= ln 2 / 2; e^r = 1 + r + r^2 P(r); times 2^n by the exponent. ln 2 is
 * taken in two parts, the first with 9 bits so that n times it is exact. A NaN's payload would reach
 * the exponent through n, so NaN takes the other side of the select. */
TF_LANES_INLINE V_ L_(exp)(V_ x) {
  x        = L_(max)(C_(-TF_LANES_EXP_ARG_MAX), L_(min)(C_(TF_LANES_EXP_ARG_MAX), x));
  V_ magic = C_(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer, held in its low bits */
  V_ n     = ADD_(MUL_(x, C_(1.44269504f)), magic);
  V_ whole = SUB_(n, magic);
  V_ r     = SUB_(x, MUL_(whole, C_(0.693359375f)));
  r        = SUB_(r, MUL_(whole, C_(-2.12194440e-4f)));
  V_ p     = C_(1.3814497e-3f);
  p        = POLY_(p, r, 8.3687829e-3f);
  p        = POLY_(p, r, 4.1668385e-2f);
  p        = POLY_(p, r, 1.6666520e-1f);
  p        = POLY_(p, r, 4.9999993e-1f);
  p        = ADD_(ADD_(MUL_(MUL_(r, r), p), r), C_(1.0f));
  return L_(select)(C_(-2.0f * TF_LANES_EXP_ARG_MAX), x, L_(scale)(p, n), x);
}

/* tanh x: below 0.625 x + x^3 P(x^2); above 1 - 2 / (e^2|x| + 1) with x's sign. From 9.1 on the
 * second form is exactly 1. */
TF_LANES_INLINE V_ L_(tanh)(V_ x) {
  V_ mag   = L_(abs)(x);
  V_ z     = MUL_(x, x);
  V_ p     = C_(-5.7049900e-3f);
  p        = POLY_(p, z, 2.0639092e-2f);
  p        = POLY_(p, z, -5.3739706e-2f);
  p        = POLY_(p, z, 1.3331442e-1f);
  p        = POLY_(p, z, -3.3333282e-1f);
  V_ small = ADD_(x, MUL_(MUL_(x, z), p));
  V_ e     = L_(exp)(ADD_(mag, mag));
  V_ large = SUB_(C_(1.0f), L_(div)(C_(2.0f), ADD_(e, C_(1.0f))));
  return L_(select)(C_(0.625f), mag, L_(sign)(large, x), small);
}

/* 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small results keep their digits. */
TF_LANES_INLINE V_ L_(sigmoid)(V_ x) {
  V_ t = L_(exp)(SUB_(C_(0.0f), L_(abs)(x)));
  V_ r = L_(div)(C_(1.0f), ADD_(C_(1.0f), t));
  return L_(select)(x, C_(0.0f), MUL_(t, r), r);
}

/* tanh x by one of 32 cubics a quarter wide, without a division: for models whose weights carry 8
 * bits anyway. Beyond 7.87 the last cubic's end stands. */
TF_LANES_INLINE V_ L_(tanh_cubic)(V_ x) {
  V_ magic = C_(12582912.0f); /* 1.5 * 2^23, as in exp */
  V_ u     = L_(min)(C_((float)TF_TANH_SEGMENTS - 0.5625f), MUL_(L_(abs)(x), C_(4.0f)));
  V_ n     = ADD_(u, magic);
  V_ r     = SUB_(u, SUB_(n, magic));
  V_ p     = L_(lookup)(tf_tanh_table[3], n);
  p        = ADD_(MUL_(p, r), L_(lookup)(tf_tanh_table[2], n));
  p        = ADD_(MUL_(p, r), L_(lookup)(tf_tanh_table[1], n));
  p        = ADD_(MUL_(p, r), L_(lookup)(tf_tanh_table[0], n));
  return L_(sign)(p, x);
}

TF_LANES_INLINE V_ L_(sigmoid_cubic)(V_ x) {
  V_ half = C_(0.5f);
  return ADD_(MUL_(L_(tanh_cubic)(MUL_(x, half)), half), half);
}

/* erf x: below 1 x P(x^2); above 1 - e^(-x Q(x)) with x's sign, which is 1 from 4 on. */
TF_LANES_INLINE V_ L_(erf)(V_ x) {
  V_ z     = MUL_(x, x);
  V_ p     = C_(7.85385772e-5f);
  p        = POLY_(p, z, -8.01019252e-4f);
  p        = POLY_(p, z, 5.18832756e-3f);
  p        = POLY_(p, z, -2.68538119e-2f);
  p        = POLY_(p, z, 1.12835851e-1f);
  p        = POLY_(p, z, -3.76126258e-1f);
  p        = POLY_(p, z, 1.12837917f);
  V_ mag   = L_(min)(C_(4.0f), L_(abs)(x));
  V_ q     = C_(-4.07019427e-7f);
  q        = POLY_(q, mag, 7.04051618e-6f);
  q        = POLY_(q, mag, -3.39861507e-5f);
  q        = POLY_(q, mag, -1.78279137e-4f);
  q        = POLY_(q, mag, 3.39488031e-3f);
  q        = POLY_(q, mag, -2.35475698e-2f);
  q        = POLY_(q, mag, 1.06177731e-1f);
  q        = POLY_(q, mag, 6.35119190e-1f);
  q        = POLY_(q, mag, 1.12866689f);
  V_ large = SUB_(C_(1.0f), L_(exp)(SUB_(C_(0.0f), MUL_(mag, q))));
  return L_(select)(L_(abs)(x), C_(1.0f), MUL_(x, p), L_(sign)(large, x));
}

/* x (1 + erf(x / sqrt 2)) / 2 */
TF_LANES_INLINE V_ L_(gelu)(V_ x) {
  return MUL_(MUL_(x, C_(0.5f)), ADD_(C_(1.0f), L_(erf)(MUL_(x, C_(0.70710678f)))));
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + t), t = e^-|x|; ln(1 + t) = t P(t) for t up to 1. */
TF_LANES_INLINE V_ L_(softplus)(V_ x) {
  V_ t = L_(exp)(SUB_(C_(0.0f), L_(abs)(x)));
  V_ p = C_(-3.24398e-3f);
  p    = POLY_(p, t, 1.985126e-2f);
  p    = POLY_(p, t, -5.695916e-2f);
  p    = POLY_(p, t, 1.0603617e-1f);
  p    = POLY_(p, t, -1.530557e-1f);
  p    = POLY_(p, t, 1.9675931e-1f);
  p    = POLY_(p, t, -2.4954132e-1f);
  p    = POLY_(p, t, 3.3329962e-1f);
  p    = POLY_(p, t, -4.9999902e-1f);
  p    = POLY_(p, t, 1.0f);
  return ADD_(L_(max)(C_(0.0f), x), MUL_(t, p));
}

TF_LANES_INLINE V_ L_(elu)(V_ x, float alpha) {
  V_ below = MUL_(C_(alpha), SUB_(L_(exp)(x), C_(1.0f)));
  return L_(select)(x, C_(0.0f), below, x);
}

TF_LANES_INLINE V_ L_(silu)(V_ x) { return MUL_(x, L_(sigmoid)(x)); }

TF_LANES_INLINE V_ L_(relu)(V_ x) { return L_(max)(C_(0.0f), x); }

TF_LANES_INLINE V_ L_(leaky_relu)(V_ x, float slope) {
  return L_(select)(x, C_(0.0f), MUL_(x, C_(slope)), x);
}

TF_LANES_INLINE V_ L_(clip)(V_ x, float low, float high) {
  return L_(max)(C_(low), L_(min)(C_(high), x));
}

/* What gemm applies to each vector of results. */
TF_LANES_INLINE V_ L_(act)(V_ x, const tf_op_params_t *params) {
  switch (params->act) {
  case TF_OP_ACT_RELU: return L_(relu)(x);
  case TF_OP_ACT_LEAKY_RELU: return L_(leaky_relu)(x, params->alpha);
  case TF_OP_ACT_TANH: return L_(tanh)(x);
  case TF_OP_ACT_SIGMOID: return L_(sigmoid)(x);
  case TF_OP_ACT_CLIP: return L_(clip)(x, params->alpha, params->beta);
  default: return x;
  }
}

#undef V_
#undef L_
#undef C_
#undef ADD_
#undef SUB_
#undef MUL_
#undef POLY_
