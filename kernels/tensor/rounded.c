#include "tensor/rounded.h"

#include <string.h>

#define HEADER_BYTES TF_LINE_PAIR_BYTES
TF_STATIC_ASSERT(sizeof(tf_mat_t) <= HEADER_BYTES, "a matrix begins behind its header");

size_t tf_rounded_bytes(const tf_mat_source_t *source) {
  return HEADER_BYTES + tf_mat_bytes(source);
}

void *tf_rounded_pack(const tf_mat_source_t *source, tf_isa_t isa, void *target) {
  uint8_t *weights = (uint8_t *)target + HEADER_BYTES;
  tf_mat_pack(target, source, isa, weights);
  return weights + tf_mat_bytes(source);
}

void tf_rounded_pack_all(const tf_tensor_use_t *use, const float *const *in, void *target) {
  tf_tensor_product_t p;
  for (uint32_t i = 0; use->op->product(use, i, &p); i++) {
    p.source.weight = in[p.input] + p.first;
    target          = tf_rounded_pack(&p.source, use->isa, target);
  }
}

const tf_mat_t *tf_rounded_at(const void *packed, const tf_mat_source_t *source, uint32_t idx) {
  return (const tf_mat_t *)(const void *)((const uint8_t *)packed + idx * tf_rounded_bytes(source));
}

/* Of a row made ready: at most a float a value, and a scale. */
static size_t ready_floats(uint32_t in_cnt) { return tf_align_up((size_t)in_cnt + 1, TF_OP_PAD); }

size_t tf_rounded_scratch(const tf_mat_source_t *source, uint32_t row_cnt) {
  const uint32_t rows = row_cnt < TF_ROUNDED_CHUNK ? row_cnt : TF_ROUNDED_CHUNK;
  return rows * (ready_floats(source->in_cnt) + tf_align_up(source->out_cnt, TF_MAT_BLOCK));
}

void tf_rounded_multiply(const tf_rounded_product_t *p) {
  const tf_mat_t *mat    = p->mat;
  const size_t    whole  = tf_mat_out_floats(mat);
  const bool      direct = p->c_step >= whole;
  float          *sums   = p->scratch; /* rows whose last block does not fit where they belong */
  for (uint32_t first = 0; first < p->row_cnt; first += TF_ROUNDED_CHUNK) {
    const uint32_t left = p->row_cnt - first;
    const uint32_t cnt  = left < TF_ROUNDED_CHUNK ? left : TF_ROUNDED_CHUNK;
    uint8_t       *rows = (uint8_t *)(direct ? p->scratch : p->scratch + cnt * whole);
    float         *c    = p->c + first * p->c_step;
    for (uint32_t r = 0; r < cnt; r++)
      mat->to_row(mat, p->a + (first + r) * p->a_step, rows + r * mat->row_bytes);
    if (direct) {
      mat->mul(mat, rows, cnt, p->bias, 0, c, p->c_step);
      continue;
    }
    mat->mul(mat, rows, cnt, p->bias, 0, sums, whole);
    for (uint32_t r = 0; r < cnt; r++)
      memcpy(c + r * p->c_step, sums + r * whole, mat->out_cnt * sizeof *c);
  }
}
