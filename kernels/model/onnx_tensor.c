#include "model/onnx_tensor.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_external.h"

#define DATA_TYPE(name) ONNX__TENSOR_PROTO__DATA_TYPE__##name

TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little endian");

bool tf_onnx_tensor_is_float(int32_t type) {
  return type == DATA_TYPE(FLOAT) || type == DATA_TYPE(DOUBLE) || type == DATA_TYPE(FLOAT16) ||
         type == DATA_TYPE(BFLOAT16);
}

tf_err_t tf_onnx_tensor_init(tf_onnx_tensors_t *all, const char *label, const char *folder) {
  *all         = (tf_onnx_tensors_t){.label = label, .folder = folder};
  all->tensors = calloc(TF_ONNX_TENSOR_CNT_MAX, sizeof *all->tensors);
  return all->tensors ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%s: its tensor table", label);
}

void tf_onnx_tensor_fini(tf_onnx_tensors_t *all) {
  for (uint32_t i = 0; i < all->cnt; i++) {
    if (all->tensors[i].alias) continue;
    free(all->tensors[i].values);
    free(all->tensors[i].ints);
  }
  free(all->tensors);
  memset(all, 0, sizeof *all);
}

const tf_onnx_tensor_t *tf_onnx_tensor_find(const tf_onnx_tensors_t *all, const char *name) {
  for (uint32_t i = 0; i < all->cnt; i++)
    if (strcmp(all->tensors[i].name, name) == 0) return &all->tensors[i];
  return NULL;
}

/* The next free entry, under name. */
static tf_err_t claim(tf_onnx_tensors_t *all, const char *name, tf_onnx_tensor_t **t) {
  if (!name || !name[0]) return TF_ERR(E_MODEL_FORMAT, "%s: a tensor without a name", all->label);
  if (tf_onnx_tensor_find(all, name))
    return TF_ERR(E_MODEL_FORMAT, "%s: two tensors are called \"%.100s\"", all->label, name);
  if (all->cnt == TF_ONNX_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: more than %u tensors", all->label,
                  TF_ONNX_TENSOR_CNT_MAX);
  *t  = &all->tensors[all->cnt];
  **t = (tf_onnx_tensor_t){.name = name};
  all->cnt += 1;
  return TF_OK;
}

static tf_err_t read_dims(const tf_onnx_tensors_t *all, const Onnx__TensorProto *proto,
                          tf_onnx_tensor_t *t) {
  if (proto->n_dims > TF_ONNX_TENSOR_RANK_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\" is of rank %zu, at most %u is allowed",
                  all->label, t->name, proto->n_dims, TF_ONNX_TENSOR_RANK_MAX);
  t->rank = (uint32_t)proto->n_dims;
  t->cnt  = 1;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (proto->dims[i] < 0 || __builtin_mul_overflow(t->cnt, (uint64_t)proto->dims[i], &t->cnt) ||
        t->cnt > TF_ONNX_WIRE_FILE_BYTES_MAX)
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\": dimension %u, %lld, is out of range",
                    all->label, t->name, i, (long long)proto->dims[i]);
    t->dims[i] = (uint64_t)proto->dims[i];
  }
  return TF_OK;
}

/* ---- values ---- */

/* Where a tensor's values lie: step bytes apart, in raw data, in the list for its type, or in another file's bytes. */
typedef struct source {
  const uint8_t *values;
  size_t         cnt, step;
  int32_t        type;
  uint8_t       *owned; /* to be freed, or NULL */
} source_t;

/* Bytes of a value in raw data; 0 for what is not supported. */
static size_t bytes_of(int32_t type, bool masks) {
  switch (type) {
  case DATA_TYPE(FLOAT): return 4;
  case DATA_TYPE(DOUBLE):
  case DATA_TYPE(INT64): return 8;
  case DATA_TYPE(FLOAT16):
  case DATA_TYPE(BFLOAT16): return 2;
  case DATA_TYPE(INT32): return masks ? 4 : 0;
  case DATA_TYPE(BOOL): return masks ? 1 : 0;
  default: return 0;
  }
}

/* The list that a type's values are in where they are no raw data. */
static source_t list_of(const Onnx__TensorProto *proto, int32_t type) {
  switch (type) {
  case DATA_TYPE(FLOAT):
    return (source_t){(const uint8_t *)proto->float_data, proto->n_float_data, 4, type, NULL};
  case DATA_TYPE(DOUBLE):
    return (source_t){(const uint8_t *)proto->double_data, proto->n_double_data, 8, type, NULL};
  case DATA_TYPE(INT64):
    return (source_t){(const uint8_t *)proto->int64_data, proto->n_int64_data, 8, type, NULL};
  default: /* the small ones, in the low bits of 32 */
    return (source_t){(const uint8_t *)proto->int32_data, proto->n_int32_data, 4, type, NULL};
  }
}

static tf_err_t read_external(tf_onnx_tensors_t *all, const Onnx__TensorProto *proto,
                              const tf_onnx_tensor_t *t, source_t *source) {
  const uint64_t bytes = t->cnt * source->step; /* at most 2^30 times 8 */
  if (source->cnt || proto->has_raw_data)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\": data here and in another file",
                  all->label, t->name);
  if (bytes > TF_ONNX_WIRE_FILE_BYTES_MAX - all->external_bytes)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: tensor \"%.100s\": more than %llu bytes in other files",
                  all->label, t->name, (unsigned long long)TF_ONNX_WIRE_FILE_BYTES_MAX);
  all->external_bytes += bytes;
  source->owned = malloc(bytes ? bytes : 1);
  if (!source->owned) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", all->label, t->name);
  source->values = source->owned;
  source->cnt    = t->cnt;
  return tf_onnx_external_read(all->label, all->folder, proto, t->name, bytes, source->owned);
}

static tf_err_t find_values(tf_onnx_tensors_t *all, const Onnx__TensorProto *proto,
                            const tf_onnx_tensor_t *t, source_t *source) {
  const int32_t type  = proto->has_data_type ? proto->data_type : 0;
  const size_t  bytes = bytes_of(type, all->masks);
  *source             = list_of(proto, type);
  if (bytes == 0) {
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, type);
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s: tensor \"%.100s\" is of type %s; FLOAT, DOUBLE, FLOAT16, BFLOAT16 and, for "
                  "shapes, INT64 are supported",
                  all->label, t->name, known ? known->name : "UNDEFINED");
  }
  if (tf_onnx_external_is(proto)) {
    source->step = bytes;
    return read_external(all, proto, t, source);
  }
  if (proto->has_raw_data) {
    if (source->cnt || proto->raw_data.len % bytes != 0)
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\": its %zu bytes of raw data are no list",
                    all->label, t->name, proto->raw_data.len);
    *source = (source_t){proto->raw_data.data, proto->raw_data.len / bytes, bytes, type, NULL};
  }
  if (source->cnt != t->cnt)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\" holds %zu values, its dimensions say %llu",
                  all->label, t->name, source->cnt, (unsigned long long)t->cnt);
  return TF_OK;
}

/* IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
static double half_value(uint16_t bits) {
  const int    exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  const double sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == 0x1f) return fraction ? (double)NAN : sign * (double)INFINITY;
  return exponent ? sign * ldexp(1024 + fraction, exponent - 25) : sign * ldexp(fraction, -24);
}

static double float_at(const source_t *source, uint64_t i) {
  const uint8_t *at = source->values + i * source->step;
  uint16_t       half;
  uint32_t       bits;
  float          narrow;
  double         wide;
  switch (source->type) {
  case DATA_TYPE(DOUBLE): memcpy(&wide, at, sizeof wide); return wide;
  case DATA_TYPE(FLOAT16): memcpy(&half, at, sizeof half); return half_value(half);
  case DATA_TYPE(BFLOAT16): /* the upper half of a float */
    memcpy(&half, at, sizeof half);
    bits = (uint32_t)half << 16;
    memcpy(&narrow, &bits, sizeof narrow);
    return (double)narrow;
  default: memcpy(&narrow, at, sizeof narrow); return (double)narrow;
  }
}

static int64_t int_at(const source_t *source, uint64_t i) {
  const uint8_t *at = source->values + i * source->step;
  int64_t        wide;
  int32_t        number;
  if (source->step == 1) return *at != 0;
  if (source->step == 8) {
    memcpy(&wide, at, sizeof wide);
    return wide;
  }
  memcpy(&number, at, sizeof number);
  return number;
}

/* What is no float32: a mask may be infinite, and holds double's least where it was made in double. */
static bool is_refused(const tf_onnx_tensors_t *all, double value, float narrow) {
  if (isnan(value)) return true;
  if (!isinf(narrow)) return false;
  return !all->masks || (!isinf(value) && fabs(value) != DBL_MAX);
}

static tf_err_t copy_floats(tf_onnx_tensors_t *all, tf_onnx_tensor_t *t, const source_t *source) {
  t->values = malloc(t->cnt ? t->cnt * sizeof *t->values : 1);
  if (!t->values) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", all->label, t->name);
  for (uint64_t i = 0; i < t->cnt; i++) {
    const double value  = float_at(source, i);
    const float  narrow = (float)value;
    if (is_refused(all, value, narrow))
      return TF_ERR(E_MODEL_WEIGHTS, "%s: tensor \"%.100s\": element %llu is %g: no finite float",
                    all->label, t->name, (unsigned long long)i, value);
    const bool denormal = fpclassify(narrow) == FP_SUBNORMAL;
    all->denormal_cnt += denormal;
    t->values[i] = denormal ? 0.0f : narrow;
  }
  return TF_OK;
}

static tf_err_t copy_ints(const tf_onnx_tensors_t *all, tf_onnx_tensor_t *t,
                          const source_t *source) {
  t->ints = malloc(t->cnt ? t->cnt * sizeof *t->ints : 1);
  if (!t->ints) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", all->label, t->name);
  for (uint64_t i = 0; i < t->cnt; i++) t->ints[i] = int_at(source, i);
  return TF_OK;
}

tf_err_t tf_onnx_tensor_add(tf_onnx_tensors_t *all, const char *name,
                            const Onnx__TensorProto *proto) {
  tf_onnx_tensor_t *t;
  source_t          source = {0};
  tf_err_t          err    = claim(all, name, &t);
  if (!err) err = read_dims(all, proto, t);
  if (!err && proto->segment)
    err = TF_ERR(E_MODEL_UNSUPPORTED, "%s: tensor \"%.100s\" is stored in segments", all->label,
                 t->name);
  if (!err) err = find_values(all, proto, t, &source);
  if (!err)
    err = tf_onnx_tensor_is_float(source.type) ? copy_floats(all, t, &source)
                                               : copy_ints(all, t, &source);
  free(source.owned);
  return err;
}

tf_err_t tf_onnx_tensor_add_alias(tf_onnx_tensors_t *all, const char *name,
                                  const tf_onnx_tensor_t *of) {
  tf_onnx_tensor_t *t;
  tf_err_t          err = claim(all, name, &t);
  if (err) return err;
  *t       = *of;
  t->name  = name;
  t->alias = true;
  return TF_OK;
}

tf_err_t tf_onnx_tensor_add_list(tf_onnx_tensors_t *all, const char *name, uint32_t rank,
                                 size_t cnt, const float *floats, const int64_t *ints) {
  tf_onnx_tensor_t *t;
  tf_err_t          err = claim(all, name, &t);
  if (err) return err;
  source_t source = {.values = floats ? (const uint8_t *)floats : (const uint8_t *)ints,
                     .cnt    = cnt,
                     .step   = floats ? sizeof *floats : sizeof *ints,
                     .type   = floats ? DATA_TYPE(FLOAT) : DATA_TYPE(INT64)};
  t->rank         = rank;
  t->dims[0]      = cnt;
  t->cnt          = cnt;
  return floats ? copy_floats(all, t, &source) : copy_ints(all, t, &source);
}
