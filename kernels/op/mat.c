#include "op/mat.h"

#include <math.h>
#include <string.h>

#include "op/small_float.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const precision_names[] = {"fp32", "bf16", "fp16", "int8"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(precision_names) == TF_PRECISION_CNT, "a name for each precision");

/* Values of a row in 32 bits, and bytes of their weights for a block of outputs. */
static const struct {
  uint32_t inputs, line_bytes;
} groups[] = {
    [TF_PRECISION_FP32] = {1, 64},
    [TF_PRECISION_BF16] = {2, 64},
    [TF_PRECISION_FP16] = {1, 32},
    [TF_PRECISION_INT8] = {4, 64},
};
TF_STATIC_ASSERT(TF_ARRAY_CNT(groups) == TF_PRECISION_CNT, "a group for each precision");

const char *tf_precision_name(tf_precision_t precision) {
  TF_ASSERT(precision < TF_PRECISION_CNT);
  return precision_names[precision];
}

bool tf_precision_parse(const char *name, tf_precision_t *precision) {
  for (int i = 0; i < TF_PRECISION_CNT; i++)
    if (strcmp(name, precision_names[i]) == 0) {
      *precision = (tf_precision_t)i;
      return true;
    }
  return false;
}

static uint32_t groups_of(const tf_mat_source_t *s) {
  uint32_t each = groups[s->precision].inputs;
  return (s->in_cnt + each - 1) / each;
}

static uint32_t blocks_of(const tf_mat_source_t *s) {
  return (s->out_cnt + TF_MAT_BLOCK - 1) / TF_MAT_BLOCK;
}

static size_t weight_bytes(const tf_mat_source_t *s) {
  return tf_align_up((size_t)groups_of(s) * blocks_of(s) * groups[s->precision].line_bytes,
                     TF_LINE_BYTES);
}

size_t tf_mat_bytes(const tf_mat_source_t *s) {
  /* scales and shifts: 16 words of 32 bits a block each */
  size_t lines = s->precision == TF_PRECISION_INT8 ? 2 * (size_t)blocks_of(s) : 0;
  return weight_bytes(s) + lines * TF_LINE_BYTES;
}

float tf_mat_int8_weight_scale(const tf_mat_source_t *s, uint32_t o) {
  const float *weight = s->weight + (size_t)o * s->row_floats;
  float        amax   = 0.0f;
  for (uint32_t k = 0; k < s->in_cnt; k++)
    amax = fmaxf(amax, fabsf(weight[tf_mat_source_at(s, k)]));
  return amax / 127.0f;
}

static void put_weight(tf_precision_t precision, uint8_t *line, uint32_t lane, uint32_t k, float w,
                       float scale) {
  switch (precision) {
  case TF_PRECISION_BF16: ((uint16_t *)(void *)line)[lane * 2 + k % 2] = tf_bf16_of(w); break;
  case TF_PRECISION_FP16: ((uint16_t *)(void *)line)[lane] = tf_fp16_of(w); break;
  case TF_PRECISION_INT8:
    ((int8_t *)line)[lane * 4 + k % 4] = scale > 0.0f ? (int8_t)lrintf(w / scale) : 0;
    break;
  default: ((float *)(void *)line)[lane] = w; break;
  }
}

static void pack_output(tf_mat_t *mat, const tf_mat_source_t *s, uint32_t o, uint8_t *weights,
                        float scale) {
  uint32_t     block = o / TF_MAT_BLOCK, first = block - block % TF_MAT_PANEL_BLOCKS;
  uint32_t     blocks = tf_mat_panel_blocks(mat, first);
  uint8_t     *panel  = weights + (size_t)first * mat->group_cnt * mat->line_bytes;
  const float *w      = s->weight + (size_t)o * s->row_floats;
  uint32_t     each   = groups[s->precision].inputs;
  for (uint32_t k = 0; k < s->in_cnt; k++)
    put_weight(s->precision,
               panel + ((size_t)(k / each) * blocks + (block - first)) * mat->line_bytes,
               o % TF_MAT_BLOCK, k, w[tf_mat_source_at(s, k)], scale);
}

static int32_t shift_of(const tf_mat_source_t *s, uint32_t o, float scale) {
  int32_t sum = 0;
  for (uint32_t k = 0; k < s->in_cnt && scale > 0.0f; k++)
    sum += (int32_t)lrintf(s->weight[(size_t)o * s->row_floats + tf_mat_source_at(s, k)] / scale);
  return 128 * sum;
}

#if defined(__x86_64__)
/* Every CPU with AVX2 that was made has it; a virtual machine may hide it. The builtin does not know its name in clang 14. */
static bool has_f16c(void) {
  unsigned int eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

static bool has_wide(tf_precision_t precision) {
  switch (precision) {
  case TF_PRECISION_BF16: return __builtin_cpu_supports("avx512bf16");
  case TF_PRECISION_INT8: return __builtin_cpu_supports("avx512vnni");
  default: return true;
  }
}
#endif

/* The widest kernels of isa that this CPU has for a precision. */
static void choose(tf_mat_t *mat, tf_precision_t precision, tf_isa_t isa) {
  const tf_mat_kernels_t *kernels = &tf_mat_scalar;
#if defined(__x86_64__)
  if (isa != TF_ISA_SCALAR && (precision != TF_PRECISION_FP16 || has_f16c()))
    kernels = isa == TF_ISA_AVX512 && has_wide(precision) ? &tf_mat_avx512 : &tf_mat_avx2;
#else
  (void)isa;
#endif
  mat->mul    = kernels->mul[precision];
  mat->to_row = mat->range > 0.0f ? kernels->to_row_ranged : kernels->to_row[precision];
}

void tf_mat_pack(tf_mat_t *mat, const tf_mat_source_t *s, tf_isa_t isa, void *target) {
  bool scaled = s->precision == TF_PRECISION_INT8;
  memset(target, 0, tf_mat_bytes(s));
  /* an int8 row has its scale behind its values */
  size_t row_bytes = 4 * ((size_t)groups_of(s) + scaled);
  *mat             = (tf_mat_t){.in_cnt     = s->in_cnt,
                                .out_cnt    = s->out_cnt,
                                .group_cnt  = groups_of(s),
                                .block_cnt  = blocks_of(s),
                                .row_bytes  = tf_align_up(row_bytes, TF_LINE_BYTES),
                                .line_bytes = groups[s->precision].line_bytes,
                                .range      = scaled ? s->range : 0.0f,
                                .weights    = target};
  float   *scales  = (float *)(void *)((uint8_t *)target + weight_bytes(s));
  int32_t *shifts  = (int32_t *)(void *)(scales + (size_t)mat->block_cnt * TF_MAT_BLOCK);
  for (uint32_t o = 0; o < s->out_cnt; o++) {
    float scale = scaled ? tf_mat_int8_weight_scale(s, o) : 0.0f;
    pack_output(mat, s, o, target, scale);
    if (!scaled) continue;
    scales[o] = scale;
    shifts[o] = shift_of(s, o, scale);
  }
  if (scaled) {
    mat->scales = scales;
    mat->shifts = shifts;
  }
  choose(mat, s->precision, isa);
}

/* ---- scalar ---- */

static void to_row_fp32(const tf_mat_t *mat, const float *in, void *row) {
  memcpy(row, in, mat->in_cnt * sizeof *in);
}

static void to_row_bf16(const tf_mat_t *mat, const float *in, void *row) {
  uint16_t *to = row;
  for (uint32_t k = 0; k < mat->in_cnt; k++) to[k] = tf_bf16_of(in[k]);
  if (mat->in_cnt % 2) to[mat->in_cnt] = 0;
}

static float greatest_of(const float *in, uint32_t cnt) {
  uint32_t amax = 0;
  for (uint32_t k = 0; k < cnt; k++) { /* as integers NaN is greater than any number */
    uint32_t bits = tf_float_bits(in[k]) & 0x7fffffffu;
    if (bits > amax) amax = bits;
  }
  return tf_float_of_bits(amax);
}

static void to_row_int8(const tf_mat_t *mat, const float *in, void *row) {
  uint8_t *to = row;
  float    inverse;
  *tf_mat_row_scale(mat, row) = tf_mat_int8_scale(greatest_of(in, mat->in_cnt), &inverse);
  for (uint32_t k = 0; k < mat->in_cnt; k++)
    to[k] = inverse > 0.0f ? (uint8_t)(lrintf(in[k] * inverse) + 128) : 128;
  for (uint32_t k = mat->in_cnt; k < 4 * mat->group_cnt; k++) to[k] = 128;
}

/* What is beyond the range is cut to it; what is no finite number still spoils the row. */
static void to_row_ranged(const tf_mat_t *mat, const float *in, void *row) {
  uint8_t    *to = row;
  float       inverse;
  const float scale = tf_mat_int8_scale(mat->range, &inverse);
  const float amax  = greatest_of(in, mat->in_cnt);
  const bool  good  = amax <= TF_MAT_INT8_AMAX_MAX;
  for (uint32_t k = 0; k < mat->in_cnt; k++) {
    float q = good ? fminf(fmaxf(in[k] * inverse, -127.0f), 127.0f) : 0.0f;
    to[k]   = (uint8_t)(lrintf(q) + 128);
  }
  for (uint32_t k = mat->in_cnt; k < 4 * mat->group_cnt; k++) to[k] = 128;
  *tf_mat_row_scale(mat, row) = good ? scale : amax - amax;
}

/* One block of one row. */
typedef void (*block_t)(const tf_mat_t *mat, uint32_t block, const uint8_t *line, size_t step,
                        const void *row, float *sum);

static void block_fp32(const tf_mat_t *mat, uint32_t block, const uint8_t *line, size_t step,
                       const void *row, float *sum) {
  (void)block;
  for (uint32_t g = 0; g < mat->group_cnt; g++, line += step) {
    const float *w = (const float *)(const void *)line, x = ((const float *)row)[g];
    for (uint32_t o = 0; o < TF_MAT_BLOCK; o++) sum[o] += w[o] * x;
  }
}

static void block_bf16(const tf_mat_t *mat, uint32_t block, const uint8_t *line, size_t step,
                       const void *row, float *sum) {
  (void)block;
  for (uint32_t g = 0; g < mat->group_cnt; g++, line += step) {
    const uint16_t *w = (const uint16_t *)(const void *)line, *x = (const uint16_t *)row + 2 * g;
    for (uint32_t o = 0; o < TF_MAT_BLOCK; o++) {
      sum[o] += tf_bf16_value(w[2 * o + 1]) * tf_bf16_value(x[1]);
      sum[o] += tf_bf16_value(w[2 * o]) * tf_bf16_value(x[0]);
    }
  }
}

static void block_fp16(const tf_mat_t *mat, uint32_t block, const uint8_t *line, size_t step,
                       const void *row, float *sum) {
  (void)block;
  for (uint32_t g = 0; g < mat->group_cnt; g++, line += step) {
    const uint16_t *w = (const uint16_t *)(const void *)line;
    const float     x = ((const float *)row)[g];
    for (uint32_t o = 0; o < TF_MAT_BLOCK; o++) sum[o] += tf_fp16_value(w[o]) * x;
  }
}

static void block_int8(const tf_mat_t *mat, uint32_t block, const uint8_t *line, size_t step,
                       const void *row, float *sum) {
  int32_t     exact[TF_MAT_BLOCK] = {0};
  const float row_scale           = *tf_mat_row_scale(mat, row);
  for (uint32_t g = 0; g < mat->group_cnt; g++, line += step) {
    const int8_t  *w = (const int8_t *)line;
    const uint8_t *x = (const uint8_t *)row + 4 * (size_t)g;
    for (uint32_t o = 0; o < 4 * TF_MAT_BLOCK; o++) exact[o / 4] += w[o] * x[o % 4];
  }
  for (uint32_t o = 0; o < TF_MAT_BLOCK; o++) {
    uint32_t at = block * TF_MAT_BLOCK + o;
    sum[o]      = (float)(exact[o] - mat->shifts[at]) * (row_scale * mat->scales[at]);
  }
}

TF_INLINE void multiply(const tf_mat_t *mat, const void *rows, uint32_t row_cnt, const float *add,
                        size_t add_stride, float *out, size_t out_stride, block_t one_block) {
  for (uint32_t b = 0; b < mat->block_cnt; b++) {
    uint32_t       first = b - b % TF_MAT_PANEL_BLOCKS;
    size_t         step  = (size_t)tf_mat_panel_blocks(mat, first) * mat->line_bytes;
    const uint8_t *line  = tf_mat_panel(mat, first) + (size_t)(b - first) * mat->line_bytes;
    for (uint32_t r = 0; r < row_cnt; r++) {
      float sum[TF_MAT_BLOCK] = {0};
      one_block(mat, b, line, step, (const uint8_t *)rows + r * mat->row_bytes, sum);
      for (uint32_t o = 0; o < TF_MAT_BLOCK; o++) {
        size_t at                = (size_t)b * TF_MAT_BLOCK + o;
        out[r * out_stride + at] = add ? sum[o] + add[r * add_stride + at] : sum[o];
      }
    }
  }
}

#define MUL(precision)                                                                             \
  static void mul_##precision(const tf_mat_t *mat, const void *rows, uint32_t row_cnt,             \
                              const float *add, size_t add_stride, float *out,                     \
                              size_t out_stride) {                                                 \
    multiply(mat, rows, row_cnt, add, add_stride, out, out_stride, block_##precision);             \
  }
MUL(fp32)
MUL(bf16)
MUL(fp16)
MUL(int8)

const tf_mat_kernels_t tf_mat_scalar = {
    .mul           = {mul_fp32,    mul_bf16,    mul_fp16,    mul_int8   },
    .to_row        = {to_row_fp32, to_row_bf16, to_row_fp32, to_row_int8},
    .to_row_ranged = to_row_ranged,
};
