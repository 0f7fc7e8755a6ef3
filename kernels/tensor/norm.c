#include "tensor/norm.h"

#include <string.h>

#include "core/error.h"
#include "op/lanes.h"

#define PARTS    4u /* of a sum: the lanes of a vector of doubles */
#define ROWS_MAX 4u /* at a time, so that an addition does not wait for the one before */
#define INLINE   static inline __attribute__((always_inline))
#define UNROLL   _Pragma("GCC unroll 4")

/* Compilers make of them what the instruction set has; the same bits on each. */
typedef double parts_t __attribute__((vector_size(PARTS * sizeof(double))));
typedef float  lanes_t __attribute__((vector_size(PARTS * sizeof(float))));

static uint32_t width_of(const tf_tensor_use_t *use) {
  return use->in[0].rank ? use->in[0].dims[use->in[0].rank - 1] : 1;
}

tf_err_t tf_norm_shape(tf_tensor_use_t *use) {
  char text[TF_TENSOR_SHAPE_TEXT_BYTES];
  use->out = use->in[0];
  for (uint32_t i = 1; i < use->in_cnt; i++)
    if (use->in[i].rank != 1 || use->in[i].cnt != width_of(use))
      return TF_ERR(E_MODEL_SHAPE, "input %u is %s for rows of %u", i,
                    tf_tensor_shape_text(&use->in[i], text), width_of(use));
  if (!(use->reals[0] >= 0.0 && use->reals[0] < 1e6))
    return TF_ERR(E_MODEL_SHAPE, "epsilon %g", use->reals[0]);
  return TF_OK;
}

void tf_norm_ref(const tf_tensor_use_t *use, const double *const *in, double *out,
                 bool is_centred) {
  const uint32_t width = width_of(use);
  const double  *x     = in[0];
  for (uint32_t at = 0; at < use->out.cnt; at += width, x += width, out += width) {
    double sum = 0.0, square = 0.0;
    for (uint32_t i = 0; i < width && is_centred; i++) sum += x[i];
    const double mean = sum / (double)width;
    for (uint32_t i = 0; i < width; i++) square += (x[i] - mean) * (x[i] - mean);
    const double scale = 1.0 / sqrt(square / (double)width + use->reals[0]);
    for (uint32_t i = 0; i < width; i++) {
      out[i] = (x[i] - mean) * scale;
      if (use->in_cnt > 1) out[i] *= in[1][i];
      if (use->in_cnt > 2) out[i] += in[2][i];
    }
  }
}

typedef struct rows {
  uint32_t     width;
  bool         is_centred;
  double       epsilon;
  const float *x, *times, *plus; /* times, plus: or NULL */
  float       *out;
} rows_t;

/* Four values of row r from i on. */
#define VALUES(target, r, i)                                                                       \
  do {                                                                                             \
    lanes_t lanes;                                                                                 \
    memcpy(&lanes, j->x + (size_t)(r)*j->width + (i), sizeof lanes);                               \
    (target) = __builtin_convertvector(lanes, parts_t);                                            \
  } while (0)

INLINE void add_rows(const rows_t *j, const double *mean, const uint32_t rows, bool is_squared,
                     double *found) {
  parts_t  sum[ROWS_MAX], v;
  uint32_t i                                        = 0;
  UNROLL for (uint32_t r = 0; r < rows; r++) sum[r] = (parts_t){0.0};
  for (; i + PARTS <= j->width; i += PARTS) {
    UNROLL for (uint32_t r = 0; r < rows; r++) {
      VALUES(v, r, i);
      if (is_squared) v -= mean[r], v *= v;
      sum[r] += v;
    }
  }
  UNROLL for (uint32_t r = 0; r < rows; r++) {
    for (uint32_t k = 0; i + k < j->width; k++) {
      double x = (double)j->x[(size_t)r * j->width + i + k];
      if (is_squared) x -= mean[r], x *= x;
      sum[r][k] += x;
    }
    found[r] = ((sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3])) / (double)j->width;
  }
}

/* rows is a constant where this is inlined, so that sums stay in registers. */
INLINE void some_rows(const rows_t *j, const uint32_t rows) {
  double  mean[ROWS_MAX] = {0.0}, scale[ROWS_MAX];
  parts_t v;
  if (j->is_centred) add_rows(j, mean, rows, false, mean);
  add_rows(j, mean, rows, true, scale);
  for (uint32_t r = 0; r < rows; r++) {
    float   *out = j->out + (size_t)r * j->width;
    uint32_t i   = 0;
    scale[r]     = 1.0 / sqrt(scale[r] + j->epsilon);
    for (; i + PARTS <= j->width; i += PARTS) {
      VALUES(v, r, i);
      lanes_t y = __builtin_convertvector((v - mean[r]) * scale[r], lanes_t), other;
      if (j->times) memcpy(&other, j->times + i, sizeof other), y *= other;
      if (j->plus) memcpy(&other, j->plus + i, sizeof other), y += other;
      memcpy(out + i, &y, sizeof y);
    }
    for (; i < j->width; i++) {
      out[i] = (float)(((double)j->x[(size_t)r * j->width + i] - mean[r]) * scale[r]);
      if (j->times) out[i] *= j->times[i];
      if (j->plus) out[i] += j->plus[i];
    }
  }
}

#define RUN(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void run_##isa(rows_t *j, uint32_t row_cnt) {                       \
    const size_t step = (size_t)j->width * ROWS_MAX;                                               \
    for (; row_cnt >= ROWS_MAX; row_cnt -= ROWS_MAX, j->x += step, j->out += step)                 \
      some_rows(j, ROWS_MAX);                                                                      \
    for (; row_cnt > 0; row_cnt--, j->x += j->width, j->out += j->width) some_rows(j, 1);          \
  }
TF_LANES_EACH(RUN)

void tf_norm_run(const tf_tensor_use_t *use, const float *const *in, float *out, bool is_centred) {
  static void (*const run[TF_ISA_CNT])(rows_t *, uint32_t) = TF_LANES_TABLE;
  rows_t j                                                 = {.width      = width_of(use),
                                                              .is_centred = is_centred,
                                                              .epsilon    = use->reals[0],
                                                              .x          = in[0],
                                                              .times      = use->in_cnt > 1 ? in[1] : NULL,
                                                              .plus       = use->in_cnt > 2 ? in[2] : NULL,
                                                              .out        = out};
  run[use->isa](&j, use->out.cnt / j.width);
}
