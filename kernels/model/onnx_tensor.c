#include "model/onnx_tensor.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little endian");

tf_err_t tf_onnx_tensor_init(tf_onnx_tensors_t *all, const char *label) {
  *all         = (tf_onnx_tensors_t){.label = label};
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

/* Where a tensor's values lie: in raw_data, or in the list for its type. */
typedef struct source {
  const void *values;
  size_t      cnt;
} source_t;

static tf_err_t find_values(const tf_onnx_tensors_t *all, const Onnx__TensorProto *proto,
                            const tf_onnx_tensor_t *t, size_t value_bytes, const void *list,
                            size_t list_cnt, source_t *source) {
  *source = (source_t){list, list_cnt};
  if (proto->has_raw_data) {
    if (list_cnt || proto->raw_data.len % value_bytes != 0)
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\": its %zu bytes of raw data are no list",
                    all->label, t->name, proto->raw_data.len);
    *source = (source_t){proto->raw_data.data, proto->raw_data.len / value_bytes};
  }
  if (source->cnt != t->cnt)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\" holds %zu values, its dimensions say %llu",
                  all->label, t->name, source->cnt, (unsigned long long)t->cnt);
  return TF_OK;
}

static tf_err_t take_float(tf_onnx_tensors_t *all, tf_onnx_tensor_t *t, uint64_t i, double value) {
  t->values[i] = (float)value;
  switch (fpclassify(t->values[i])) {
  case FP_INFINITE:
    if (all->masks) break;
    __attribute__((fallthrough));
  case FP_NAN:
    return TF_ERR(E_MODEL_WEIGHTS, "%s: tensor \"%.100s\": element %llu is %g: no finite float",
                  all->label, t->name, (unsigned long long)i, value);
  case FP_SUBNORMAL: all->denormal_cnt += 1; t->values[i] = 0.0f;
  }
  return TF_OK;
}

static tf_err_t copy_floats(tf_onnx_tensors_t *all, tf_onnx_tensor_t *t, const source_t *source,
                            bool wide) {
  t->values = malloc(t->cnt ? t->cnt * sizeof *t->values : 1);
  if (!t->values) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", all->label, t->name);
  for (uint64_t i = 0; i < t->cnt; i++) {
    float  narrow;
    double value;
    if (wide) {
      memcpy(&value, (const char *)source->values + i * sizeof value, sizeof value);
    } else {
      memcpy(&narrow, (const char *)source->values + i * sizeof narrow, sizeof narrow);
      value = (double)narrow;
    }
    tf_err_t err = take_float(all, t, i, value);
    if (err) return err;
  }
  return TF_OK;
}

static tf_err_t copy_ints(const tf_onnx_tensors_t *all, tf_onnx_tensor_t *t,
                          const source_t *source) {
  t->ints = malloc(t->cnt ? t->cnt * sizeof *t->ints : 1);
  if (!t->ints) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", all->label, t->name);
  if (t->cnt) memcpy(t->ints, source->values, t->cnt * sizeof *t->ints);
  return TF_OK;
}

/* INT32 and BOOL: raw data of 4 bytes or 1, or the list that both share. */
static tf_err_t copy_small_ints(const tf_onnx_tensors_t *all, const Onnx__TensorProto *proto,
                                tf_onnx_tensor_t *t) {
  const bool narrow = proto->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
  const bool raw    = proto->has_raw_data;
  source_t   source;
  tf_err_t err = find_values(all, proto, t, raw && narrow ? 1 : sizeof(int32_t), proto->int32_data,
                             proto->n_int32_data, &source);
  if (err) return err;
  t->ints = malloc(t->cnt ? t->cnt * sizeof *t->ints : 1);
  if (!t->ints) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", all->label, t->name);
  const uint8_t *from = source.values;
  for (uint64_t i = 0; i < t->cnt; i++) {
    int32_t number = 0;
    if (raw && narrow)
      number = from[i] != 0;
    else
      memcpy(&number, from + i * sizeof number, sizeof number);
    t->ints[i] = number;
  }
  return TF_OK;
}

tf_err_t tf_onnx_tensor_add(tf_onnx_tensors_t *all, const char *name,
                            const Onnx__TensorProto *proto) {
  tf_onnx_tensor_t *t;
  source_t          source;
  tf_err_t          err = claim(all, name, &t);
  if (!err) err = read_dims(all, proto, t);
  if (err) return err;
  if (proto->n_external_data ||
      (proto->has_data_location &&
       proto->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT))
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s: tensor \"%.100s\" has its data in another file; save the model as one "
                  "(onnx.save_model with save_as_external_data=False)",
                  all->label, t->name);
  if (proto->segment)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: tensor \"%.100s\" is stored in segments", all->label,
                  t->name);
  switch (proto->has_data_type ? proto->data_type : 0) {
  case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    err =
        find_values(all, proto, t, sizeof(float), proto->float_data, proto->n_float_data, &source);
    return err ? err : copy_floats(all, t, &source, false);
  case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
    err = find_values(all, proto, t, sizeof(double), proto->double_data, proto->n_double_data,
                      &source);
    return err ? err : copy_floats(all, t, &source, true);
  case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
    err = find_values(all, proto, t, sizeof(int64_t), proto->int64_data, proto->n_int64_data,
                      &source);
    return err ? err : copy_ints(all, t, &source);
  case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
  case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
    if (all->masks) return copy_small_ints(all, proto, t);
    break;
  default: break;
  }
  const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value(
      &onnx__tensor_proto__data_type__descriptor, proto->data_type);
  return TF_ERR(E_MODEL_UNSUPPORTED,
                "%s: tensor \"%.100s\" is of type %s; FLOAT, DOUBLE and, for shapes, INT64 are "
                "supported",
                all->label, t->name, type ? type->name : "UNDEFINED");
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
  source_t source = {floats ? (const void *)floats : (const void *)ints, cnt};
  t->rank         = rank;
  t->dims[0]      = cnt;
  t->cnt          = cnt;
  return floats ? copy_floats(all, t, &source, false) : copy_ints(all, t, &source);
}
