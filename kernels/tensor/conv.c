/* Convolution over one or two axes, channels first: [batch, channels, ..] with weights [outputs, channels / groups, ..]
 * and a bias an output. ints: groups, then for each axis stride, dilation, padding before and behind. A causal
 * convolution is one padded before only (https://github.com/onnx/onnx/blob/main/docs/Operators.md#Conv).
 *
 * It runs as a product: the weights as they are, times the inputs of each place, gathered into panels
 * (panel.h) whose columns are places. Below fp32 the gathered inputs are the rows, so that each place has a scale of its
 * own, and outputs are turned round behind the product. */
#include <string.h>

#include "core/error.h"
#include "tensor/panel.h"
#include "tensor/rounded.h"

#define AXES_MAX  2u
#define AXIS_INTS 4u
/* One axis as two: the second of size 1. */
typedef struct sizes {
  uint32_t batch, groups, channels, outputs; /* the last two of a group */
  uint32_t in[AXES_MAX], kernel[AXES_MAX], out[AXES_MAX];
  uint32_t stride[AXES_MAX], dilation[AXES_MAX], before[AXES_MAX];
  uint32_t k, places;
} sizes_t;

static sizes_t sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[0], *w = &use->in[1];
  sizes_t                  s = {
                       .batch    = x->dims[0],
                       .groups   = (uint32_t)use->ints[0],
                       .channels = w->dims[1],
                       .in       = {1, 1},
                       .kernel   = {1, 1},
                       .out      = {1, 1},
                       .stride   = {1, 1},
                       .dilation = {1, 1}
  };
  const uint32_t axes = x->rank - 2, shift = AXES_MAX - axes;
  s.outputs = w->dims[0] / s.groups;
  for (uint32_t axis = 0; axis < axes; axis++) {
    const int64_t *n         = use->ints + 1 + axis * AXIS_INTS;
    s.in[axis + shift]       = x->dims[2 + axis];
    s.kernel[axis + shift]   = w->dims[2 + axis];
    s.out[axis + shift]      = use->out.dims[2 + axis];
    s.stride[axis + shift]   = (uint32_t)n[0];
    s.dilation[axis + shift] = (uint32_t)n[1];
    s.before[axis + shift]   = (uint32_t)n[2];
  }
  s.k      = s.channels * s.kernel[0] * s.kernel[1];
  s.places = s.out[0] * s.out[1];
  return s;
}

static tf_err_t shape_axis(tf_tensor_use_t *use, uint32_t axis) {
  const int64_t *n   = use->ints + 1 + axis * AXIS_INTS;
  const int64_t  max = (int64_t)TF_TENSOR_CNT_MAX, kernel = use->in[1].dims[2 + axis];
  bool good = n[0] >= 1 && n[0] <= max && n[1] >= 1 && n[1] <= max && n[2] >= 0 && n[2] <= max &&
              n[3] >= 0 && n[3] <= max;
  int64_t room =
      good ? (int64_t)use->in[0].dims[2 + axis] + n[2] + n[3] - ((kernel - 1) * n[1] + 1) : -1;
  if (room < 0)
    return TF_ERR(E_MODEL_SHAPE,
                  "%lld weights over %u values, stride %lld, dilation %lld, padding %lld and %lld",
                  (long long)kernel, use->in[0].dims[2 + axis], (long long)n[0], (long long)n[1],
                  (long long)n[2], (long long)n[3]);
  use->out.dims[2 + axis] = (uint32_t)(room / n[0] + 1);
  return TF_OK;
}

static tf_err_t shape(tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[0], *w = &use->in[1];
  const int64_t            groups = use->ints[0];
  char                     a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  if (x->rank < 3 || x->rank > 2 + AXES_MAX || w->rank != x->rank ||
      use->int_cnt != 1 + (x->rank - 2) * AXIS_INTS || groups < 1 || groups > x->dims[1] ||
      x->dims[1] % groups != 0 || w->dims[0] % groups != 0 || x->dims[1] / groups != w->dims[1])
    return TF_ERR(
        E_MODEL_SHAPE,
        "%s with weights %s in %lld groups; one or two axes behind batch and channel are wanted",
        tf_tensor_shape_text(x, a), tf_tensor_shape_text(w, b), (long long)groups);
  if (use->in_cnt > 2 && (use->in[2].rank != 1 || use->in[2].cnt != w->dims[0]))
    return TF_ERR(E_MODEL_SHAPE, "bias %s for %u outputs", tf_tensor_shape_text(&use->in[2], a),
                  w->dims[0]);
  use->out         = *x;
  use->out.dims[1] = w->dims[0];
  for (uint32_t axis = 0; axis + 2 < x->rank; axis++) {
    tf_err_t err = shape_axis(use, axis);
    if (err) return err;
  }
  tf_err_t err = tf_tensor_shape_count(&use->out);
  if (err) return err;
  const sizes_t s = sizes_of(use);
  if ((uint64_t)s.k * s.places > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_SHAPE, "%llu values to multiply with, at most %llu are allowed",
                  (unsigned long long)s.k * s.places, (unsigned long long)TF_TENSOR_CNT_MAX);
  return TF_OK;
}

/* Where weight (ky, kx) reads for place (y, x); false outside. */
static inline bool source_of(const sizes_t *s, const uint32_t at[AXES_MAX], uint32_t ky,
                             uint32_t kx, size_t *source) {
  const int64_t y = (int64_t)at[0] * s->stride[0] + (int64_t)ky * s->dilation[0] - s->before[0];
  const int64_t x = (int64_t)at[1] * s->stride[1] + (int64_t)kx * s->dilation[1] - s->before[1];
  *source         = (size_t)(y * s->in[1] + x);
  return y >= 0 && y < s->in[0] && x >= 0 && x < s->in[1];
}

static double ref_place(const sizes_t *s, const double *x, const double *w,
                        const uint32_t at[AXES_MAX]) {
  double sum = 0.0;
  for (uint32_t c = 0; c < s->channels; c++, x += (size_t)s->in[0] * s->in[1])
    for (uint32_t ky = 0; ky < s->kernel[0]; ky++)
      for (uint32_t kx = 0; kx < s->kernel[1]; kx++, w++) {
        size_t source;
        if (source_of(s, at, ky, kx, &source)) sum += *w * x[source];
      }
  return sum;
}

static void ref(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch) {
  (void)scratch;
  const sizes_t s     = sizes_of(use);
  const size_t  plane = (size_t)s.in[0] * s.in[1];
  for (uint32_t b = 0; b < s.batch; b++)
    for (uint32_t o = 0; o < s.outputs * s.groups; o++) {
      const double *x = in[0] + ((size_t)b * s.groups + o / s.outputs) * s.channels * plane;
      for (uint32_t place = 0; place < s.places; place++) {
        const uint32_t at[AXES_MAX] = {place / s.out[1], place % s.out[1]};
        *out++ = ref_place(&s, x, in[1] + (size_t)o * s.k, at) + (use->in_cnt > 2 ? in[2][o] : 0.0);
      }
    }
}

static bool is_packed(const tf_tensor_use_t *use) { return use->constant_mask & 2u; }

static bool product(const tf_tensor_use_t *use, uint32_t idx, tf_tensor_product_t *product) {
  const sizes_t s = sizes_of(use);
  if (!is_packed(use) || s.outputs < TF_ROUNDED_OUTPUTS_MIN || !tf_rounded_wanted(use, s.k) ||
      idx >= s.groups)
    return false;
  *product = (tf_tensor_product_t){
      .source = {.row_floats = s.k,
                 .in_cnt     = s.k,
                 .out_cnt    = s.outputs,
                 .precision  = use->precision,
                 .range      = use->ranges[0]},
      .input  = 1,
      .first  = (size_t)idx * s.outputs * s.k
  };
  return true;
}

/* Places whose products are made before they are turned round. */
static uint32_t chunk_of(const sizes_t *s) {
  return s->places < TF_ROUNDED_CHUNK ? s->places : TF_ROUNDED_CHUNK;
}

/* Below fp32: inputs gathered, products, and the rows made ready for these. */
static size_t scratch_cnt(const tf_tensor_use_t *use) {
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t p;
  if (!product(use, 0, &p)) return tf_panel_floats(s.k, s.places);
  return chunk_of(&s) * (tf_align_up(s.k, TF_OP_PAD) + tf_align_up(s.outputs, TF_MAT_BLOCK)) +
         tf_rounded_scratch(&p.source, chunk_of(&s));
}

static size_t pack_bytes(const tf_tensor_use_t *use, const float *const *in) {
  (void)in;
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t p;
  if (product(use, 0, &p)) return s.groups * tf_rounded_bytes(&p.source);
  return is_packed(use) ? (size_t)use->in[1].cnt * sizeof(float) : 0;
}

/* fp32: the weights as they are. */
static void pack(const tf_tensor_use_t *use, const float *const *in, void *target) {
  tf_tensor_product_t p;
  if (product(use, 0, &p))
    tf_rounded_pack_all(use, in, target);
  else
    memcpy(target, in[1], use->in[1].cnt * sizeof(float));
}

/* cnt values step apart from at on along a row of size, zeros outside of it. */
static void gather_row(const float *row, int64_t size, int64_t at, uint32_t step, uint32_t cnt,
                       float *to) {
  if (step == 1 && at >= 0 && at + cnt <= size) {
    memcpy(to, row + at, cnt * sizeof *to);
    return;
  }
  for (uint32_t i = 0; i < cnt; i++, at += step) to[i] = at >= 0 && at < size ? row[at] : 0.0f;
}

/* What weight (ky, kx) of one channel meets at cnt places from first on, output row by output row. */
static void gather(const sizes_t *s, const float *x, uint32_t first, uint32_t cnt, uint32_t ky,
                   uint32_t kx, float *to) {
  uint32_t row = first / s->out[1], column = first % s->out[1];
  if (s->out[1] == 1) { /* places lie below one another */
    const int64_t at = (int64_t)kx * s->dilation[1] - s->before[1];
    int64_t       y  = (int64_t)row * s->stride[0] + (int64_t)ky * s->dilation[0] - s->before[0];
    const bool    in = at >= 0 && at < s->in[1];
    for (uint32_t i = 0; i < cnt; i++, y += s->stride[0])
      to[i] = in && y >= 0 && y < s->in[0] ? x[y * s->in[1] + at] : 0.0f;
    return;
  }
  while (cnt) {
    const uint32_t part = s->out[1] - column < cnt ? s->out[1] - column : cnt;
    const int64_t  y    = (int64_t)row * s->stride[0] + (int64_t)ky * s->dilation[0] - s->before[0];
    const int64_t at = (int64_t)column * s->stride[1] + (int64_t)kx * s->dilation[1] - s->before[1];
    if (y >= 0 && y < s->in[0])
      gather_row(x + y * s->in[1], s->in[1], at, s->stride[1], part, to);
    else
      memset(to, 0, part * sizeof *to);
    to += part, cnt -= part, column = 0, row++;
  }
}

static void fill_panels(const sizes_t *s, const float *x, float *to) {
  for (uint32_t first = 0; first < s->places; first += TF_PANEL) {
    const uint32_t cnt   = s->places - first < TF_PANEL ? s->places - first : TF_PANEL;
    const float   *plane = x;
    for (uint32_t c = 0; c < s->channels; c++, plane += (size_t)s->in[0] * s->in[1])
      for (uint32_t ky = 0; ky < s->kernel[0]; ky++)
        for (uint32_t kx = 0; kx < s->kernel[1]; kx++, to += TF_PANEL) {
          gather(s, plane, first, cnt, ky, kx, to);
          for (uint32_t i = cnt; i < TF_PANEL; i++) to[i] = 0.0f;
        }
  }
}

/* What the weights meet at one place, in their order: channel by channel its taps. */
static void gather_place(const sizes_t *s, const float *x, uint32_t place, float *to) {
  const uint32_t at[AXES_MAX] = {place / s->out[1], place % s->out[1]};
  const uint32_t taps = s->kernel[0] * s->kernel[1], plane = s->in[0] * s->in[1];
  for (uint32_t ky = 0; ky < s->kernel[0]; ky++)
    for (uint32_t kx = 0; kx < s->kernel[1]; kx++, to++) {
      size_t     source;
      const bool inside = source_of(s, at, ky, kx, &source);
      for (uint32_t c = 0; c < s->channels; c++)
        to[(size_t)c * taps] = inside ? x[(size_t)c * plane + source] : 0.0f;
    }
}

/* cnt places' rows of step outputs to outputs' rows of places. */
static void turn_round(const sizes_t *s, const float *from, size_t step, uint32_t cnt,
                       const float *bias, float *to) {
  for (uint32_t o = 0; o < s->outputs; o++, to += s->places) {
    const float shift = bias ? bias[o] : 0.0f;
    for (uint32_t i = 0; i < cnt; i++) to[i] = from[i * step + o] + shift;
  }
}

static void run_rounded(const tf_mat_t *mat, const sizes_t *s, const float *x, const float *bias,
                        float *out, float *scratch) {
  const size_t         k_step = tf_align_up(s->k, TF_OP_PAD), o_step = tf_mat_out_floats(mat);
  float               *rows = scratch, *sums = rows + chunk_of(s) * k_step;
  tf_rounded_product_t p = {.mat     = mat,
                            .a       = rows,
                            .a_step  = k_step,
                            .c       = sums,
                            .c_step  = o_step,
                            .scratch = sums + chunk_of(s) * o_step};
  for (uint32_t first = 0; first < s->places; first += p.row_cnt) {
    p.row_cnt = s->places - first < chunk_of(s) ? s->places - first : chunk_of(s);
    for (uint32_t i = 0; i < p.row_cnt; i++) gather_place(s, x, first + i, rows + i * k_step);
    tf_rounded_multiply(&p);
    turn_round(s, sums, o_step, p.row_cnt, bias, out + first);
  }
}

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t rounded;
  const bool          below_fp32 = product(use, 0, &rounded);
  const float        *weights    = is_packed(use) ? use->packed : in[1];
  for (uint32_t part = 0; part < s.batch * s.groups; part++) {
    const uint32_t group = part % s.groups;
    const float   *x     = in[0] + (size_t)part * s.channels * s.in[0] * s.in[1];
    const float   *bias  = use->in_cnt > 2 ? in[2] + group * s.outputs : NULL;
    float         *c     = out + (size_t)part * s.outputs * s.places;
    if (below_fp32) {
      run_rounded(tf_rounded_at(use->packed, &rounded.source, group), &s, x, bias, c, scratch);
      continue;
    }
    fill_panels(&s, x, scratch);
    tf_panel_product_t p = {.m        = s.outputs,
                            .n        = s.places,
                            .k        = s.k,
                            .a        = weights + (size_t)group * s.outputs * s.k,
                            .a_step   = s.k,
                            .b        = scratch,
                            .c        = c,
                            .c_step   = s.places,
                            .row_bias = bias};
    tf_panel_multiply(use->isa, &p);
  }
}

static uint64_t flops(const tf_tensor_use_t *use) {
  const sizes_t s = sizes_of(use);
  return UINT64_C(2) * use->out.cnt * s.k;
}

const tf_tensor_op_t tf_tensor_conv = {
    .name        = "conv",
    .in_min      = 2,
    .in_max      = 3,
    .int_min     = 1 + AXIS_INTS,
    .int_max     = 1 + AXES_MAX * AXIS_INTS,
    .packs       = 1u << 1,
    .product     = product,
    .shape       = shape,
    .scratch_cnt = scratch_cnt,
    .ref         = ref,
    .run         = run,
    .pack_bytes  = pack_bytes,
    .pack        = pack,
    .flops       = flops,
};
