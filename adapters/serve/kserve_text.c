#include "serve/kserve_text.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "core/error.h"

#define FLOAT_CHARS 16   /* of %.9g with its comma: -1.23456789e-38, */
#define FRAME_CHARS 1024 /* of what is around the data, names (escaped) included */

TF_STATIC_ASSERT(FRAME_CHARS > 2 * 2 * TF_KSERVE_NAME_BYTES + 300, "names and numbers fit");

size_t tf_kserve_request_bytes(const tf_kserve_model_t *m) {
  size_t bytes;
  if (__builtin_mul_overflow((size_t)m->rows * m->width, (size_t)FLOAT_CHARS, &bytes) ||
      __builtin_add_overflow(bytes, (size_t)FRAME_CHARS, &bytes))
    return 0;
  return bytes;
}

typedef struct text {
  char  *bytes;
  size_t cnt, cap;
} text_t;

TF_PRINTF(2, 3) static void put(text_t *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(t->bytes + t->cnt, t->cap - t->cnt, fmt, args);
  va_end(args);
  TF_ASSERT(n >= 0 && (size_t)n < t->cap - t->cnt); /* tf_kserve_request_bytes */
  t->cnt += (size_t)n;
}

/* A name between quotes. Names with control characters are refused where they are read. */
static void put_name(text_t *t, const char *name) {
  put(t, "\"");
  for (; *name; name++) put(t, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
  put(t, "\"");
}

size_t tf_kserve_request_write(const tf_kserve_model_t *m, uint64_t id, const float *rows,
                               char *body, size_t cap, size_t *json_cnt) {
  const size_t cnt   = (size_t)m->rows * m->width;
  const size_t bytes = cnt * sizeof *rows;
  text_t       t     = {body, 0, cap};
  put(&t, "{\"id\":\"%llu\",\"inputs\":[{\"name\":", (unsigned long long)id);
  put_name(&t, m->input);
  if (m->rows > 1)
    put(&t, ",\"shape\":[1,%u,%u]", m->rows, m->width);
  else
    put(&t, ",\"shape\":[1,%u]", m->width);
  put(&t, ",\"datatype\":\"FP32\"");
  if (m->is_binary) {
    put(&t, ",\"parameters\":{\"binary_data_size\":%zu}", bytes);
  } else {
    put(&t, ",\"data\":[");
    for (size_t i = 0; i < cnt; i++) put(&t, "%s%.9g", i ? "," : "", (double)rows[i]);
    put(&t, "]");
  }
  put(&t, "}],\"outputs\":[{\"name\":");
  put_name(&t, m->output);
  put(&t, m->is_binary ? ",\"parameters\":{\"binary_data\":true}}]}" : "}]}");
  *json_cnt = t.cnt;
  if (!m->is_binary) return t.cnt;
  TF_ASSERT(bytes <= cap - t.cnt);
  memcpy(body + t.cnt, rows, bytes); /* little endian, as we are */
  return t.cnt + bytes;
}

/* ---- answers ---- */

TF_PRINTF(3, 4)
static tf_runtime_miss_t missed(tf_runtime_miss_t miss, char *text, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, TF_RUNTIME_TEXT_BYTES, fmt, args);
  va_end(args);
  return miss;
}

static bool is_float(const char *type) {
  return type && (!strcmp(type, "FP32") || !strcmp(type, "FP64"));
}

/* A product of non-negative whole numbers; false: something else stands there. */
static bool shape_cnt(const json_t *shape, uint64_t *cnt) {
  *cnt = 1;
  if (!json_is_array(shape) || json_array_size(shape) > TF_KSERVE_RANK_MAX) return false;
  for (size_t i = 0; i < json_array_size(shape); i++) {
    const json_t *one = json_array_get(shape, i);
    json_int_t    n   = json_integer_value(one);
    if (!json_is_integer(one) || n < 0 || __builtin_mul_overflow(*cnt, (uint64_t)n, cnt))
      return false;
  }
  return true;
}

/* Data lies flat, or nested as its shape. False: something is no number, or there are more than cap. */
static bool read_data(const json_t *data, float *out, uint32_t cap, uint32_t *cnt, uint32_t depth) {
  if (json_is_number(data)) {
    if (*cnt == cap) return false;
    out[(*cnt)++] = (float)json_number_value(data);
    return true;
  }
  if (!json_is_array(data) || depth == TF_KSERVE_RANK_MAX) return false;
  for (size_t i = 0; i < json_array_size(data); i++)
    if (!read_data(json_array_get(data, i), out, cap, cnt, depth + 1)) return false;
  return true;
}

static tf_runtime_miss_t read_binary(const tf_kserve_model_t *m, const json_t *size, bool is_double,
                                     const char *bytes, size_t bytes_cnt, size_t at, float *out,
                                     char *text) {
  const size_t each = is_double ? sizeof(double) : sizeof(float), wanted = m->output_cnt * each;
  if (!json_is_integer(size) || json_integer_value(size) != (json_int_t)wanted)
    return missed(TF_RUNTIME_MISS_SHAPE, text, "output %s: binary_data_size is not %zu", m->output,
                  wanted);
  if (at > bytes_cnt || bytes_cnt - at < wanted)
    return missed(TF_RUNTIME_MISS_PROTOCOL, text,
                  "output %s: %zu bytes at %zu, but %zu are behind the JSON", m->output, wanted, at,
                  bytes_cnt);
  for (uint32_t i = 0; i < m->output_cnt; i++) {
    double wide;
    memcpy(is_double ? (void *)&wide : (void *)&out[i], bytes + at + i * each, each);
    if (is_double) out[i] = (float)wide;
  }
  return TF_RUNTIME_ANSWERED;
}

/* Bytes of binary outputs before idx. */
static size_t binary_before(const json_t *outputs, size_t idx) {
  size_t at = 0;
  for (size_t i = 0; i < idx; i++) {
    const json_t *parameters = json_object_get(json_array_get(outputs, i), "parameters");
    json_int_t    size       = json_integer_value(json_object_get(parameters, "binary_data_size"));
    if (size < 0 || __builtin_add_overflow(at, (size_t)size, &at)) return SIZE_MAX;
  }
  return at;
}

static tf_runtime_miss_t read_output(const tf_kserve_model_t *m, const json_t *outputs, size_t idx,
                                     const char *bytes, size_t bytes_cnt, float *out, char *text) {
  const json_t *output = json_array_get(outputs, idx);
  const char   *type   = json_string_value(json_object_get(output, "datatype"));
  const json_t *data   = json_object_get(output, "data");
  const json_t *size   = json_object_get(json_object_get(output, "parameters"), "binary_data_size");
  uint64_t      values;
  uint32_t      cnt = 0;
  if (!is_float(type))
    return missed(TF_RUNTIME_MISS_SHAPE, text,
                  "output %s is of datatype %.32s; FP32 or FP64 is wanted", m->output,
                  type ? type : "none");
  if (!shape_cnt(json_object_get(output, "shape"), &values) || values != m->output_cnt)
    return missed(TF_RUNTIME_MISS_SHAPE, text, "output %s: its shape does not hold %u values",
                  m->output, m->output_cnt);
  if (size)
    return read_binary(m, size, !strcmp(type, "FP64"), bytes, bytes_cnt,
                       binary_before(outputs, idx), out, text);
  if (!read_data(data, out, m->output_cnt, &cnt, 0) || cnt != m->output_cnt)
    return missed(TF_RUNTIME_MISS_SHAPE, text, "output %s: its data is not %u numbers", m->output,
                  m->output_cnt);
  return TF_RUNTIME_ANSWERED;
}

static tf_runtime_miss_t read_root(const tf_kserve_model_t *m, const json_t *root, uint64_t id,
                                   const char *bytes, size_t bytes_cnt, float *out, char *text) {
  const json_t *outputs = json_object_get(root, "outputs");
  const char   *said    = json_string_value(json_object_get(root, "id"));
  char          wanted[24];
  snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)id);
  if (said && strcmp(said, wanted) != 0) /* it may leave it out: the connection says whose it is */
    return missed(TF_RUNTIME_MISS_ID, text, "the answer is to request %.32s, %s was asked", said,
                  wanted);
  if (!json_is_array(outputs))
    return missed(TF_RUNTIME_MISS_PROTOCOL, text, "the answer has no list of outputs");
  for (size_t i = 0; i < json_array_size(outputs); i++) {
    const char *name = json_string_value(json_object_get(json_array_get(outputs, i), "name"));
    if (name && !strcmp(name, m->output))
      return read_output(m, outputs, i, bytes, bytes_cnt, out, text);
  }
  return missed(TF_RUNTIME_MISS_SHAPE, text, "the answer has no output called %s", m->output);
}

static json_t *parse(const char *body, size_t cnt, char *text) {
  json_error_t error;
  json_t      *root = json_loadb(body, cnt, JSON_REJECT_DUPLICATES, &error);
  if (root && json_is_object(root)) return root;
  snprintf(text, TF_RUNTIME_TEXT_BYTES, "no JSON object: %s at byte %d",
           root ? "something else stands there" : error.text, root ? 0 : error.position);
  json_decref(root);
  return NULL;
}

tf_runtime_miss_t tf_kserve_answer_read(const tf_kserve_model_t *m, uint64_t id, const char *body,
                                        size_t body_cnt, size_t json_cnt, float *out, char *text) {
  if (json_cnt > body_cnt)
    return missed(TF_RUNTIME_MISS_PROTOCOL, text,
                  "Inference-Header-Content-Length is %zu, the body %zu bytes", json_cnt, body_cnt);
  json_t *root = parse(body, json_cnt, text);
  if (!root) return TF_RUNTIME_MISS_PROTOCOL;
  tf_runtime_miss_t miss = read_root(m, root, id, body + json_cnt, body_cnt - json_cnt, out, text);
  json_decref(root);
  return miss;
}

/* ---- metadata ---- */

static tf_err_t take_name(const char *word, const char *found, char name[TF_KSERVE_NAME_BYTES]) {
  size_t cnt = found ? strlen(found) : 0;
  if (cnt == 0 || cnt >= TF_KSERVE_NAME_BYTES)
    return TF_ERR(E_RUNTIME_SERVER, "an %s's name of %zu bytes; 1 to %d are allowed", word, cnt,
                  TF_KSERVE_NAME_BYTES - 1);
  for (size_t i = 0; i < cnt; i++)
    if ((unsigned char)found[i] < 0x20)
      return TF_ERR(E_RUNTIME_SERVER, "an %s's name has a control character at byte %zu", word, i);
  memcpy(name, found, cnt + 1);
  return TF_OK;
}

/* A server may know nothing of its model's tensors: then what the config names is taken at its word, and every answer is
 * checked all the same. */
static bool says_nothing(const json_t *root, const char *wanted_input, const char *wanted_output) {
  return json_array_size(json_object_get(root, "inputs")) == 0 &&
         json_array_size(json_object_get(root, "outputs")) == 0 && wanted_input && wanted_output;
}

/* The tensor that was named, or the only one. */
static tf_err_t find_tensor(const json_t *root, const char *list, const char *word,
                            const char *wanted, const json_t **tensor) {
  const json_t *all        = json_object_get(root, list);
  char          known[256] = "";
  size_t        used = 0, cnt = json_array_size(all);
  for (size_t i = 0; i < cnt; i++) {
    const char *name = json_string_value(json_object_get(json_array_get(all, i), "name"));
    *tensor          = json_array_get(all, i);
    if (name && (wanted ? !strcmp(name, wanted) : cnt == 1)) return TF_OK;
    if (used < sizeof known)
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%.64s", i ? ", " : "",
                               name ? name : "?");
  }
  if (wanted)
    return TF_ERR(E_RUNTIME_MODEL, "no %s is called \"%s\"; there are: %s", word, wanted, known);
  return TF_ERR(E_RUNTIME_MODEL, "%zu %ss, say which by %s: %s", cnt, word, word, known);
}

/* Its shape as the server says it: -1 and other negative numbers are open. */
static tf_err_t check_tensor(const json_t *tensor, const char *word, const int64_t *wanted,
                             size_t rank, uint64_t value_cnt) {
  const json_t *shape   = json_object_get(tensor, "shape");
  const char   *type    = json_string_value(json_object_get(tensor, "datatype"));
  uint64_t      said    = 1;
  bool          is_open = false, fits = json_array_size(shape) == rank || rank == 0;
  char         *text = json_dumps(shape, JSON_ENCODE_ANY | JSON_COMPACT);
  tf_err_t      err  = TF_OK;
  for (size_t i = 0; i < json_array_size(shape); i++) {
    json_int_t n = json_integer_value(json_array_get(shape, i));
    if (n < 0 && i == 0 && json_array_size(shape) > 1) n = 1; /* the batch: one is sent */
    is_open |= n < 0;
    if (n >= 0 && __builtin_mul_overflow(said, (uint64_t)n, &said)) said = UINT64_MAX;
    if (rank && i < rank && n >= 0 && n != wanted[i]) fits = false;
  }
  if (!json_is_array(shape) || !type)
    err = TF_ERR(E_RUNTIME_SERVER, "the %s has no shape or datatype", word);
  else if (strcmp(type, "FP32") != 0 && (rank || !is_float(type)))
    err = TF_ERR(E_RUNTIME_MODEL, "the %s is of datatype %.32s; FP32 is wanted%s", word, type,
                 rank ? "" : ", or FP64");
  else if (!fits || (is_open ? said == 0 || value_cnt % said != 0 : said != value_cnt))
    err = TF_ERR(E_MODEL_SHAPE, "the %s is %.100s, but the config declares %llu values", word,
                 text ? text : "?", (unsigned long long)value_cnt);
  free(text);
  return err;
}

tf_err_t tf_kserve_metadata_read(tf_kserve_model_t *m, const char *wanted_input,
                                 const char *wanted_output, const char *body, size_t body_cnt) {
  const int64_t row[] = {1, m->width}, window[] = {1, m->rows, m->width};
  char          text[TF_RUNTIME_TEXT_BYTES];
  const json_t *input = NULL, *output = NULL;
  json_t       *root = parse(body, body_cnt, text);
  if (!root) return TF_ERR(E_RUNTIME_SERVER, "the model's metadata is %s", text);
  if (says_nothing(root, wanted_input, wanted_output)) {
    json_decref(root);
    tf_err_t one = take_name("input", wanted_input, m->input);
    return one ? one : take_name("output", wanted_output, m->output);
  }
  tf_err_t err = find_tensor(root, "inputs", "input", wanted_input, &input);
  if (!err) err = find_tensor(root, "outputs", "output", wanted_output, &output);
  if (!err)
    err = check_tensor(input, "input", m->rows > 1 ? window : row, m->rows > 1 ? 3 : 2,
                       (uint64_t)m->rows * m->width);
  if (!err) err = check_tensor(output, "output", NULL, 0, m->output_cnt);
  if (!err) err = take_name("input", json_string_value(json_object_get(input, "name")), m->input);
  if (!err)
    err = take_name("output", json_string_value(json_object_get(output, "name")), m->output);
  json_decref(root);
  return err;
}

bool tf_kserve_offers_binary(const char *body, size_t body_cnt) {
  char          text[TF_RUNTIME_TEXT_BYTES];
  json_t       *root       = parse(body, body_cnt, text);
  const json_t *extensions = json_object_get(root, "extensions");
  bool          found      = false;
  for (size_t i = 0; i < json_array_size(extensions); i++) {
    const char *name = json_string_value(json_array_get(extensions, i));
    found |= name && !strcmp(name, "binary_tensor_data");
  }
  json_decref(root);
  return found;
}
