#include "model/rounding.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/cluster.h"
#include "op/small_float.h"

static float *weight_at(const tf_product_t *p, uint32_t o, uint32_t k) {
  const size_t first = (size_t)(p->source.weight - p->values);
  return p->values + first + o * p->source.row_floats + tf_mat_source_at(&p->source, k);
}

/* ---- rounding in place ---- */

static tf_err_t check_halves(void *self, const tf_product_t *p) {
  (void)self;
  for (uint32_t o = 0; o < p->source.out_cnt; o++)
    for (uint32_t k = 0; k < p->source.in_cnt; k++)
      if (fabsf(*weight_at(p, o, k)) > TF_FP16_MAX)
        return TF_ERR(E_MODEL_WEIGHTS, "node %u: weight %u of output %u is %g, fp16 holds up to %g",
                      p->node, k, o, (double)*weight_at(p, o, k), (double)TF_FP16_MAX);
  return TF_OK;
}

tf_err_t tf_rounding_check(const tf_graph_t *graph, tf_precision_t precision) {
  if (precision != TF_PRECISION_FP16) return TF_OK;
  return tf_products_each(graph, precision, check_halves, NULL);
}

/* a / 127 * 127 / 127 is a / 127 again, for every float a (all mantissas were tried): what op/mat.c finds from weights that are
 * whole multiples of this, up to 127, is the same number. */
static float lasting_scale(const tf_mat_source_t *source, uint32_t o) {
  const float scale = tf_mat_int8_weight_scale(source, o);
  return scale >= TF_ROUNDING_SCALE_MIN ? scale : 0.0f;
}

static float rounded(tf_precision_t precision, float w, float scale) {
  switch (precision) {
  case TF_PRECISION_BF16: return tf_bf16_value(tf_bf16_of(w));
  case TF_PRECISION_FP16: return tf_fp16_value(tf_fp16_of(w));
  default: return scale > 0.0f ? rintf(w / scale) * scale + 0.0f : 0.0f; /* no -0 */
  }
}

static tf_err_t round_product(void *self, const tf_product_t *p) {
  const tf_precision_t precision = *(const tf_precision_t *)self;
  if (!p->is_only) return TF_OK;
  for (uint32_t o = 0; o < p->source.out_cnt; o++) {
    const float scale = precision == TF_PRECISION_INT8 ? lasting_scale(&p->source, o) : 0.0f;
    for (uint32_t k = 0; k < p->source.in_cnt; k++) {
      float *w = weight_at(p, o, k);
      *w       = rounded(precision, *w, scale);
    }
  }
  return TF_OK;
}

tf_err_t tf_rounding_apply(tf_graph_t *graph, tf_precision_t precision) {
  tf_err_t err = tf_rounding_check(graph, precision);
  if (err || precision == TF_PRECISION_FP32) return err;
  if (!graph->cluster_cnt) err = tf_products_each(graph, precision, round_product, &precision);
  graph->precision = precision;
  return err;
}

/* ---- writing ---- */

typedef struct encoder {
  const tf_graph_t        *graph;
  tf_safetensors_source_t *sources;
  uint32_t                 source_cnt; /* all so far */
  char (*names)[TF_GRAPH_NAME_BYTES];
  uint8_t *at;     /* where the next bytes go */
  float   *values; /* the tensor whose products are being visited */
  uint32_t source; /* its own, and that of its scales */
  uint32_t scales;
} encoder_t;

static uint64_t element_cnt(const tf_safetensors_source_t *s) {
  uint64_t cnt = 1;
  for (uint32_t d = 0; d < s->rank; d++) cnt *= s->shape[d];
  return cnt;
}

static void *claim(encoder_t *e, size_t bytes) {
  void *at = e->at;
  e->at += tf_align_up(bytes, TF_LINE_BYTES);
  return at;
}

/* A vector that stands beside a tensor; its number. */
static uint32_t append_beside(encoder_t *e, const char *name, const char *suffix,
                              const void *values, uint32_t cnt) {
  const uint32_t idx = e->source_cnt++;
  snprintf(e->names[idx], TF_GRAPH_NAME_BYTES, "%.48s%s", name, suffix);
  e->sources[idx] =
      (tf_safetensors_source_t){.name = e->names[idx], .rank = 1, .shape = {cnt}, .values = values};
  return idx;
}

/* The tensor's own bytes, of which each product then fills its part. */
static void begin_tensor(encoder_t *e, const tf_product_t *p) {
  const tf_precision_t     precision = e->graph->precision;
  tf_safetensors_source_t *s         = e->sources;
  while (s->values != p->values) s++;
  e->values = p->values;
  e->source = (uint32_t)(s - e->sources);
  s->dtype  = precision == TF_PRECISION_BF16   ? TF_SAFETENSORS_BF16
              : precision == TF_PRECISION_FP16 ? TF_SAFETENSORS_F16
                                               : TF_SAFETENSORS_I8;
  s->values = claim(e, element_cnt(s) * (precision == TF_PRECISION_INT8 ? 1 : 2));
  if (precision != TF_PRECISION_INT8) return;
  e->scales = append_beside(e, s->name, TF_ROUNDING_SCALE_SUFFIX, e->at, 0);
}

/* The values of a clustered tensor in rising order, 256 at most. */
static uint32_t make_codebook(const float *values, uint64_t cnt, float *codebook) {
  uint32_t used = 0;
  for (uint64_t i = 0; i < cnt; i++) {
    const uint32_t at = used ? tf_cluster_nearest(codebook, used, values[i]) : 0;
    if (used && codebook[at] == values[i]) continue;
    TF_ASSERT(used < TF_CLUSTER_CNT_MAX);
    const uint32_t to = used && codebook[at] < values[i] ? at + 1 : at;
    memmove(codebook + to + 1, codebook + to, (used - to) * sizeof *codebook);
    codebook[to] = values[i];
    used++;
  }
  return used;
}

/* A clustered tensor as a whole, and its codebook. */
static void encode_clusters(encoder_t *e, const tf_product_t *p) {
  tf_safetensors_source_t *s = e->sources;
  while (s->values != p->values) s++;
  const uint64_t cnt       = element_cnt(s);
  float         *codebook  = claim(e, TF_CLUSTER_CNT_MAX * sizeof *codebook);
  const uint32_t value_cnt = make_codebook(p->values, cnt, codebook);
  uint8_t       *numbers   = claim(e, cnt);
  for (uint64_t i = 0; i < cnt; i++)
    numbers[i] = (uint8_t)tf_cluster_nearest(codebook, value_cnt, p->values[i]);
  e->values = p->values;
  s->dtype  = TF_SAFETENSORS_U8;
  s->values = numbers;
  append_beside(e, s->name, TF_ROUNDING_CODEBOOK_SUFFIX, codebook, value_cnt);
}

static tf_err_t encode_product(void *self, const tf_product_t *p) {
  encoder_t           *e         = self;
  const tf_precision_t precision = e->graph->precision;
  if (!p->is_only) return TF_OK;
  if (e->graph->cluster_cnt) {
    if (p->values != e->values) encode_clusters(e, p);
    return TF_OK;
  }
  if (p->values != e->values) begin_tensor(e, p);
  void *target = (void *)(uintptr_t)e->sources[e->source].values;
  for (uint32_t o = 0; o < p->source.out_cnt; o++) {
    const float scale =
        precision == TF_PRECISION_INT8 ? tf_mat_int8_weight_scale(&p->source, o) : 0.0f;
    for (uint32_t k = 0; k < p->source.in_cnt; k++) {
      const float *w  = weight_at(p, o, k);
      const size_t at = (size_t)(w - p->values);
      if (precision == TF_PRECISION_INT8)
        ((int8_t *)target)[at] = scale > 0.0f ? (int8_t)lrintf(*w / scale) : 0;
      else
        ((uint16_t *)target)[at] = precision == TF_PRECISION_BF16 ? tf_bf16_of(*w) : tf_fp16_of(*w);
    }
    if (precision == TF_PRECISION_INT8) {
      memcpy(e->at, &scale, sizeof scale); /* scales of a tensor lie one behind the other */
      e->at += sizeof scale;
      e->sources[e->scales].shape[0]++;
    }
  }
  return TF_OK;
}

/* Bytes that encoding claims at most. */
static tf_err_t count_bytes(void *self, const tf_product_t *p) {
  *(size_t *)self += 2 * (size_t)p->source.in_cnt * p->source.out_cnt +
                     p->source.out_cnt * sizeof(float) + 2 * TF_LINE_BYTES +
                     TF_CLUSTER_CNT_MAX * sizeof(float);
  return TF_OK;
}

tf_err_t tf_rounding_encode(const tf_graph_t *graph, tf_safetensors_source_t *sources,
                            uint32_t *source_cnt, char (*names)[TF_GRAPH_NAME_BYTES],
                            void    **block) {
  size_t bytes = TF_LINE_BYTES;
  *block       = NULL;
  if (graph->precision == TF_PRECISION_FP32 && !graph->cluster_cnt) return TF_OK;
  tf_products_each(graph, TF_PRECISION_INT8, count_bytes, &bytes);
  *block = aligned_alloc(TF_LINE_BYTES, tf_align_up(bytes, TF_LINE_BYTES));
  if (!*block)
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: %zu bytes of weights", graph->name, bytes);
  encoder_t e = {
      .graph = graph, .sources = sources, .source_cnt = *source_cnt, .names = names, .at = *block};
  tf_err_t err = tf_products_each(graph, TF_PRECISION_INT8, encode_product, &e);
  *source_cnt  = e.source_cnt;
  return err;
}

/* ---- reading ---- */

/* Numbers of values in the codebook beside the tensor. */
static tf_err_t look_up(tf_rounding_reader_t *r, const tf_safetensors_tensor_t *t,
                        const uint8_t *from, float *to) {
  char name[TF_SAFETENSORS_NAME_BYTES + 16];
  snprintf(name, sizeof name, "%s" TF_ROUNDING_CODEBOOK_SUFFIX, t->name);
  const tf_safetensors_tensor_t *book = tf_safetensors_find(r->st, name);
  if (!book || book->dtype != TF_SAFETENSORS_F32 || book->rank != 1 || book->element_cnt == 0 ||
      book->element_cnt > TF_CLUSTER_CNT_MAX)
    return TF_ERR(E_MODEL_FORMAT,
                  "tensor \"%s\" is U8; a vector \"%s\" of 1 to %u F32 is wanted with it", t->name,
                  name, TF_CLUSTER_CNT_MAX);
  r->used[book - r->st->tensors] = true;
  for (uint64_t i = 0; i < t->element_cnt; i++) {
    if (from[i] >= book->element_cnt)
      return TF_ERR(E_MODEL_WEIGHTS,
                    "tensor \"%s\": element %llu is number %u of a codebook of %llu", t->name,
                    (unsigned long long)i, from[i], (unsigned long long)book->element_cnt);
    memcpy(&to[i], r->st->data + book->begin + from[i] * sizeof *to, sizeof *to);
  }
  return TF_OK;
}

static tf_err_t widen(const tf_safetensors_tensor_t *t, const uint8_t *from, float *to) {
  for (uint64_t i = 0; i < t->element_cnt; i++) {
    uint16_t half = 0;
    if (t->dtype == TF_SAFETENSORS_I8) {
      to[i] = (float)(int8_t)from[i];
      if (to[i] >= -127.0f) continue;
      return TF_ERR(E_MODEL_WEIGHTS, "tensor \"%s\": element %llu is -128; -127 to 127 are allowed",
                    t->name, (unsigned long long)i);
    }
    memcpy(&half, from + 2 * i, sizeof half);
    to[i] = t->dtype == TF_SAFETENSORS_BF16 ? tf_bf16_value(half) : tf_fp16_value(half);
  }
  return TF_OK;
}

tf_err_t tf_rounding_take(tf_rounding_reader_t *r, uint32_t idx, float **values) {
  const tf_safetensors_tensor_t *t = &r->st->tensors[idx];
  *values                          = NULL;
  if (t->dtype != TF_SAFETENSORS_F32 && t->dtype != TF_SAFETENSORS_BF16 &&
      t->dtype != TF_SAFETENSORS_F16 && t->dtype != TF_SAFETENSORS_I8 &&
      t->dtype != TF_SAFETENSORS_U8)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "tensor \"%s\" is %s; F32, BF16, F16, I8 and U8 are what this build runs",
                  t->name, tf_safetensors_dtype_name(t->dtype));
  float *copy = malloc(t->element_cnt * sizeof *copy + 1);
  if (!copy) return TF_ERR(E_CORE_NO_MEMORY, "tensor \"%s\"", t->name);
  tf_err_t err = TF_OK;
  if (t->dtype == TF_SAFETENSORS_F32)
    memcpy(copy, r->st->data + t->begin, t->end - t->begin);
  else if (t->dtype == TF_SAFETENSORS_U8)
    err = look_up(r, t, r->st->data + t->begin, copy);
  else
    err = widen(t, r->st->data + t->begin, copy);
  if (err) {
    free(copy);
    return err;
  }
  r->used[idx] = true;
  if (t->dtype == TF_SAFETENSORS_I8) r->scaled[idx] = copy;
  *values = copy;
  return TF_OK;
}

/* Going through a graph's products with the scales of the I8 tensors among them. */
typedef struct scaler {
  tf_rounding_reader_t          *reader;
  const float                   *values; /* the tensor whose products are being visited */
  const tf_safetensors_tensor_t *scales;
  uint64_t                       next;
} scaler_t;

static tf_err_t begin_scales(scaler_t *s, const tf_product_t *p, uint32_t tensor) {
  const tf_safetensors_t *st = s->reader->st;
  char                    name[TF_SAFETENSORS_NAME_BYTES + 8];
  snprintf(name, sizeof name, "%s" TF_ROUNDING_SCALE_SUFFIX, st->tensors[tensor].name);
  s->values = p->values;
  s->next   = 0;
  s->scales = tf_safetensors_find(st, name);
  if (!s->scales || s->scales->dtype != TF_SAFETENSORS_F32 || s->scales->rank != 1)
    return TF_ERR(E_MODEL_FORMAT, "tensor \"%s\" is I8; a vector \"%s\" of F32 is wanted with it",
                  st->tensors[tensor].name, name);
  s->reader->used[s->scales - st->tensors] = true;
  s->reader->scaled[tensor]                = NULL; /* found its product */
  return TF_OK;
}

static tf_err_t next_scale(scaler_t *s, float *scale) {
  if (s->next == s->scales->element_cnt)
    return TF_ERR(E_MODEL_SHAPE, "tensor \"%s\": %llu scales, more are wanted", s->scales->name,
                  (unsigned long long)s->next);
  memcpy(scale, s->reader->st->data + s->scales->begin + s->next * sizeof *scale, sizeof *scale);
  if (*scale == 0.0f || (*scale >= TF_ROUNDING_SCALE_MIN && *scale <= TF_ROUNDING_SCALE_MAX)) {
    s->next++;
    return TF_OK;
  }
  return TF_ERR(E_MODEL_WEIGHTS, "tensor \"%s\": element %llu is %g; 0, or %g to %g are allowed",
                s->scales->name, (unsigned long long)s->next, (double)*scale,
                (double)TF_ROUNDING_SCALE_MIN, (double)TF_ROUNDING_SCALE_MAX);
}

static tf_err_t end_scales(const scaler_t *s) {
  if (!s->scales || s->next == s->scales->element_cnt) return TF_OK;
  return TF_ERR(E_MODEL_SHAPE, "tensor \"%s\": %llu scales, %llu are wanted", s->scales->name,
                (unsigned long long)s->scales->element_cnt, (unsigned long long)s->next);
}

static tf_err_t scale_product(void *self, const tf_product_t *p) {
  scaler_t *s   = self;
  tf_err_t  err = TF_OK;
  if (p->values != s->values) {
    uint32_t tensor = 0;
    while (tensor < s->reader->st->tensor_cnt && s->reader->scaled[tensor] != p->values) tensor++;
    if (tensor == s->reader->st->tensor_cnt) return TF_OK; /* of floats */
    err = end_scales(s);
    if (!err) err = begin_scales(s, p, tensor);
  }
  for (uint32_t o = 0; o < p->source.out_cnt && !err; o++) {
    float scale = 0.0f;
    err         = next_scale(s, &scale);
    for (uint32_t k = 0; k < p->source.in_cnt && !err; k++) *weight_at(p, o, k) *= scale;
  }
  return err;
}

tf_err_t tf_rounding_scale(tf_rounding_reader_t *r, const tf_graph_t *graph) {
  scaler_t s   = {.reader = r};
  tf_err_t err = tf_products_each(graph, TF_PRECISION_INT8, scale_product, &s);
  if (!err) err = end_scales(&s);
  for (uint32_t i = 0; i < r->st->tensor_cnt && !err; i++)
    if (r->scaled[i])
      err = TF_ERR(E_MODEL_FORMAT, "tensor \"%s\" is I8, but no product's weight",
                   r->st->tensors[i].name);
  return err;
}
