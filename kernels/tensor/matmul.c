/* Products of matrices, numpy's matmul: [.., m, k] times [.., k, n], the axes before repeated as in add. Both inputs
 * have rank 2 or more. A matrix that all rows share is one product of them all, and packed beforehand where it is
 * constant; there it may run below fp32. */
#include <string.h>

#include "core/error.h"
#include "tensor/panel.h"
#include "tensor/rounded.h"

typedef struct sizes {
  uint32_t m, k, n;
  uint32_t batch;  /* products */
  bool     shared; /* one matrix b for all, so that batch is part of m */
} sizes_t;

static sizes_t sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *a = &use->in[0], *b = &use->in[1], *out = &use->out;
  sizes_t                  s = {a->dims[a->rank - 2], a->dims[a->rank - 1], b->dims[b->rank - 1],
                                tf_tensor_axes_cnt(out, 0, out->rank - 2), false};
  /* a's own axes are all there are before m: its rows lie one behind the other */
  s.shared = b->cnt == s.k * s.n && a->cnt == s.batch * s.m * s.k;
  if (s.shared) s.m *= s.batch, s.batch = 1;
  return s;
}

static tf_err_t shape(tf_tensor_use_t *use) {
  tf_tensor_shape_t a = use->in[0], b = use->in[1];
  char              ta[TF_TENSOR_SHAPE_TEXT_BYTES], tb[TF_TENSOR_SHAPE_TEXT_BYTES];
  if (a.rank < 2 || b.rank < 2 || a.dims[a.rank - 1] != b.dims[b.rank - 2])
    return TF_ERR(E_MODEL_SHAPE, "%s times %s", tf_tensor_shape_text(&a, ta),
                  tf_tensor_shape_text(&b, tb));
  const uint32_t  m = a.dims[a.rank - 2], n = b.dims[b.rank - 1];
  tf_tensor_use_t outer = {
      .in_cnt = 2, .in = {a, b}
  };
  for (uint32_t i = 0; i < 2; i++) {
    outer.in[i].rank -= 2;
    outer.in[i].cnt = tf_tensor_axes_cnt(&outer.in[i], 0, outer.in[i].rank);
  }
  tf_err_t err = tf_tensor_shape_broadcast(&outer);
  if (err) return err;
  use->out  = outer.out;
  use->loop = outer.loop;
  if (use->out.rank + 2 > TF_TENSOR_RANK_MAX)
    return TF_ERR(E_MODEL_SHAPE, "rank %u", use->out.rank + 2);
  use->out.dims[use->out.rank++] = m;
  use->out.dims[use->out.rank++] = n;
  return TF_OK;
}

/* Which matrices of a and b make product number idx. */
static void operands_of(const tf_tensor_use_t *use, uint32_t idx, uint32_t *a, uint32_t *b) {
  const tf_tensor_loop_t *l = &use->loop;
  *a = *b = 0;
  for (uint32_t axis = l->rank; axis-- > 0; idx /= l->dims[axis]) {
    *a += idx % l->dims[axis] * (uint32_t)l->step[0][axis];
    *b += idx % l->dims[axis] * (uint32_t)l->step[1][axis];
  }
}

static void ref(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch) {
  (void)scratch;
  const sizes_t s = sizes_of(use);
  for (uint32_t i = 0; i < s.batch; i++) {
    uint32_t at_a = 0, at_b = 0;
    if (!s.shared) operands_of(use, i, &at_a, &at_b);
    const double *a = in[0] + (size_t)at_a * s.m * s.k, *b = in[1] + (size_t)at_b * s.k * s.n;
    for (uint32_t m = 0; m < s.m; m++, a += s.k, out += s.n) {
      memset(out, 0, s.n * sizeof *out);
      for (uint32_t k = 0; k < s.k; k++)
        for (uint32_t n = 0; n < s.n; n++) out[n] += a[k] * b[(size_t)k * s.n + n];
    }
  }
}

static bool is_packed(const tf_tensor_use_t *use) { return use->constant_mask & 2u; }

static uint32_t matrix_cnt(const tf_tensor_use_t *use) {
  const sizes_t s = sizes_of(use);
  return use->in[1].cnt / (s.k * s.n);
}

static bool product(const tf_tensor_use_t *use, uint32_t idx, tf_tensor_product_t *product) {
  const sizes_t s = sizes_of(use);
  if (!is_packed(use) || !tf_rounded_wanted(use, s.k) || idx >= matrix_cnt(use)) return false;
  *product = (tf_tensor_product_t){
      .source = {.row_floats    = 1,
                 .column_floats = s.n,
                 .in_cnt        = s.k,
                 .out_cnt       = s.n,
                 .precision     = use->precision,
                 .range         = use->ranges[0]},
      .input  = 1,
      .first  = (size_t)idx * s.k * s.n
  };
  return true;
}

static size_t scratch_cnt(const tf_tensor_use_t *use) {
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t p;
  if (product(use, 0, &p)) return tf_rounded_scratch(&p.source, s.m);
  return is_packed(use) ? 0 : tf_panel_floats(s.k, s.n);
}

static size_t pack_bytes(const tf_tensor_use_t *use, const float *const *in) {
  (void)in;
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t p;
  if (product(use, 0, &p)) return matrix_cnt(use) * tf_rounded_bytes(&p.source);
  return is_packed(use) ? matrix_cnt(use) * tf_panel_floats(s.k, s.n) * sizeof(float) : 0;
}

static void pack(const tf_tensor_use_t *use, const float *const *in, void *target) {
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t p;
  if (product(use, 0, &p)) {
    tf_rounded_pack_all(use, in, target);
    return;
  }
  float *to = target;
  for (uint32_t i = 0; i < matrix_cnt(use); i++, to += tf_panel_floats(s.k, s.n))
    tf_panel_pack(in[1] + (size_t)i * s.k * s.n, s.n, 1, s.k, s.n, to);
}

static void run_rounded(const tf_tensor_use_t *use, const sizes_t *s, const float *a, uint32_t b,
                        const tf_tensor_product_t *product, float *out, float *scratch) {
  tf_rounded_product_t p = {.mat     = tf_rounded_at(use->packed, &product->source, b),
                            .a       = a,
                            .a_step  = s->k,
                            .row_cnt = s->m,
                            .bias    = use->bias,
                            .c       = out,
                            .c_step  = s->n,
                            .scratch = scratch};
  tf_rounded_multiply(&p);
}

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t rounded;
  const bool          below_fp32 = product(use, 0, &rounded);
  uint32_t            packed_idx = UINT32_MAX; /* what scratch holds */
  for (uint32_t i = 0; i < s.batch; i++, out += (size_t)s.m * s.n) {
    uint32_t a = 0, b = 0;
    if (!s.shared) operands_of(use, i, &a, &b);
    const float *rows = in[0] + (size_t)a * s.m * s.k;
    if (below_fp32) {
      run_rounded(use, &s, rows, b, &rounded, out, scratch);
      continue;
    }
    if (!is_packed(use) && b != packed_idx)
      tf_panel_pack(in[1] + (size_t)b * s.k * s.n, s.n, 1, s.k, s.n, scratch);
    packed_idx = b;
    const float *mat =
        is_packed(use) ? (const float *)use->packed + b * tf_panel_floats(s.k, s.n) : scratch;
    tf_panel_product_t p = {.m      = s.m,
                            .n      = s.n,
                            .k      = s.k,
                            .a      = rows,
                            .a_step = s.k,
                            .b      = mat,
                            .c      = out,
                            .c_step = s.n,
                            .bias   = use->bias};
    tf_panel_multiply(use->isa, &p);
  }
}

static uint64_t flops(const tf_tensor_use_t *use) {
  return UINT64_C(2) * use->out.cnt * use->in[0].dims[use->in[0].rank - 1];
}

const tf_tensor_op_t tf_tensor_matmul = {
    .name        = "matmul",
    .in_min      = 2,
    .in_max      = 2,
    .fuses_bias  = true,
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
