#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#define LENGTH_BYTES 8u
/* The header is padded with spaces so that the data begin on a cache line of the file. */
#define DATA_ALIGN 64u

typedef struct dtype {
  const char *name;
  uint32_t    bytes;
} dtype_t;

static const dtype_t dtypes[] = {
    [TF_SAFETENSORS_BOOL] = {"BOOL",    1},
      [TF_SAFETENSORS_U8] = {"U8",      1},
    [TF_SAFETENSORS_I8] = {"I8",      1},
      [TF_SAFETENSORS_F8_E5M2] = {"F8_E5M2", 1},
    [TF_SAFETENSORS_F8_E4M3] = {"F8_E4M3", 1},
      [TF_SAFETENSORS_I16] = {"I16",     2},
    [TF_SAFETENSORS_U16] = {"U16",     2},
      [TF_SAFETENSORS_F16] = {"F16",     2},
    [TF_SAFETENSORS_BF16] = {"BF16",    2},
      [TF_SAFETENSORS_I32] = {"I32",     4},
    [TF_SAFETENSORS_U32] = {"U32",     4},
      [TF_SAFETENSORS_F32] = {"F32",     4},
    [TF_SAFETENSORS_F64] = {"F64",     8},
      [TF_SAFETENSORS_I64] = {"I64",     8},
    [TF_SAFETENSORS_U64] = {"U64",     8},
};
TF_STATIC_ASSERT(TF_ARRAY_CNT(dtypes) == TF_SAFETENSORS_DTYPE_CNT, "a row for each dtype");

const char *tf_safetensors_dtype_name(tf_safetensors_dtype_t dtype) {
  TF_ASSERT(dtype < TF_SAFETENSORS_DTYPE_CNT);
  return dtypes[dtype].name;
}

const tf_safetensors_tensor_t *tf_safetensors_find(const tf_safetensors_t *st, const char *name) {
  for (uint32_t i = 0; i < st->tensor_cnt; i++)
    if (strcmp(st->tensors[i].name, name) == 0) return &st->tensors[i];
  return NULL;
}

const char *tf_safetensors_meta(const tf_safetensors_t *st, const char *key) {
  for (uint32_t i = 0; i < st->meta_cnt; i++)
    if (strcmp(st->metas[i].key, key) == 0) return st->metas[i].value;
  return NULL;
}

void tf_safetensors_fini(tf_safetensors_t *st) {
  for (uint32_t i = 0; i < st->meta_cnt; i++) {
    free(st->metas[i].key);
    free(st->metas[i].value);
  }
  free(st->metas);
  free(st->tensors);
  free(st->data);
  memset(st, 0, sizeof *st);
}

/* Names go into error texts, logs and tools that make files of them: letters of any script and
 * dots are fine, anything that could be a path or hide in a terminal is not. jansson has already
 * checked that the name is UTF-8 without NUL. */
static tf_err_t check_name(const char *label, const char *name) {
  size_t length = strlen(name);
  if (length == 0 || length >= TF_SAFETENSORS_NAME_BYTES)
    return TF_ERR(E_MODEL_FORMAT, "%s: a tensor name of %zu bytes, 1 to %u are allowed", label,
                  length, TF_SAFETENSORS_NAME_BYTES - 1);
  for (const char *c = name; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      return TF_ERR(E_MODEL_FORMAT, "%s: a tensor name holds control character 0x%02x", label,
                    (unsigned)(unsigned char)*c);
  if (strchr(name, '/') || strchr(name, '\\') || strstr(name, ".."))
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: tensor name \"%s\" looks like a path; '/', '\\' and '..' are not allowed",
                  label, name);
  return TF_OK;
}

/* A count or offset: a JSON integer that is not negative. jansson refuses those above 2^63-1. */
static tf_err_t read_size(const char *label, const char *tensor, const char *what,
                          const json_t *value, uint64_t *size) {
  if (!json_is_integer(value))
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": %s is not an integer", label, tensor, what);
  if (json_integer_value(value) < 0)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": %s is %lld, less than 0", label, tensor, what,
                  (long long)json_integer_value(value));
  *size = (uint64_t)json_integer_value(value);
  return TF_OK;
}

static tf_err_t read_dtype(const char *label, const json_t *value, tf_safetensors_tensor_t *t) {
  const char *text = json_string_value(value);
  if (!text) return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" has no dtype text", label, t->name);
  for (uint32_t i = 0; i < TF_SAFETENSORS_DTYPE_CNT; i++)
    if (strcmp(dtypes[i].name, text) == 0) {
      t->dtype = (tf_safetensors_dtype_t)i;
      return TF_OK;
    }
  return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": dtype \"%.16s\" is none of the format's", label,
                t->name, text);
}

static tf_err_t read_shape(const char *label, const json_t *value, tf_safetensors_tensor_t *t) {
  if (!json_is_array(value))
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" has no shape array", label, t->name);
  if (json_array_size(value) > TF_SAFETENSORS_RANK_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" is of rank %zu, at most %u is allowed", label,
                  t->name, json_array_size(value), TF_SAFETENSORS_RANK_MAX);
  t->rank        = (uint32_t)json_array_size(value);
  t->element_cnt = 1;
  for (uint32_t i = 0; i < t->rank; i++) {
    tf_err_t err = read_size(label, t->name, "a dimension", json_array_get(value, i), &t->shape[i]);
    if (err) return err;
    if (__builtin_mul_overflow(t->element_cnt, t->shape[i], &t->element_cnt))
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": the product of its dimensions overflows",
                    label, t->name);
  }
  return TF_OK;
}

static tf_err_t read_offsets(const char *label, const json_t *value, uint64_t data_bytes,
                             tf_safetensors_tensor_t *t) {
  if (!json_is_array(value) || json_array_size(value) != 2)
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": data_offsets is not a pair", label, t->name);
  tf_err_t err = read_size(label, t->name, "data_offsets[0]", json_array_get(value, 0), &t->begin);
  if (!err) err = read_size(label, t->name, "data_offsets[1]", json_array_get(value, 1), &t->end);
  if (err) return err;
  if (t->begin > t->end || t->end > data_bytes)
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: tensor \"%s\": data_offsets %llu to %llu of %llu bytes of data", label,
                  t->name, (unsigned long long)t->begin, (unsigned long long)t->end,
                  (unsigned long long)data_bytes);
  uint64_t wanted;
  if (__builtin_mul_overflow(t->element_cnt, dtypes[t->dtype].bytes, &wanted) ||
      wanted != t->end - t->begin)
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: tensor \"%s\": %llu elements of %s do not fill %llu bytes of data", label,
                  t->name, (unsigned long long)t->element_cnt, dtypes[t->dtype].name,
                  (unsigned long long)(t->end - t->begin));
  return TF_OK;
}

static tf_err_t read_tensor(const char *label, const char *name, json_t *value, uint64_t data_bytes,
                            tf_safetensors_tensor_t *t) {
  tf_err_t err = check_name(label, name);
  if (err) return err;
  memcpy(t->name, name, strlen(name) + 1);
  if (!json_is_object(value))
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" is not an object", label, name);
  const char *key;
  json_t     *ignored;
  json_object_foreach(value, key, ignored) {
    if (strcmp(key, "dtype") && strcmp(key, "shape") && strcmp(key, "data_offsets"))
      return TF_ERR(E_MODEL_FORMAT,
                    "%s: tensor \"%s\" has key \"%.32s\"; dtype, shape, data_offsets are allowed",
                    label, name, key);
  }
  err = read_dtype(label, json_object_get(value, "dtype"), t);
  if (!err) err = read_shape(label, json_object_get(value, "shape"), t);
  if (!err) err = read_offsets(label, json_object_get(value, "data_offsets"), data_bytes, t);
  return err;
}

static tf_err_t read_metas(tf_safetensors_t *st, const char *label, json_t *value) {
  if (!json_is_object(value))
    return TF_ERR(E_MODEL_FORMAT, "%s: __metadata__ is not an object", label);
  st->metas = calloc(json_object_size(value) + 1, sizeof *st->metas);
  if (!st->metas) return TF_ERR(E_CORE_NO_MEMORY, "%s: its metadata", label);
  const char *key;
  json_t     *text;
  json_object_foreach(value, key, text) {
    if (!json_is_string(text))
      return TF_ERR(E_MODEL_FORMAT, "%s: metadata \"%.32s\" is not text", label, key);
    tf_safetensors_meta_t *meta = &st->metas[st->meta_cnt++];
    meta->key                   = strdup(key);
    meta->value                 = strdup(json_string_value(text));
    if (!meta->key || !meta->value) return TF_ERR(E_CORE_NO_MEMORY, "%s: its metadata", label);
  }
  return TF_OK;
}

static int by_begin(const void *a, const void *b) {
  const tf_safetensors_tensor_t *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

static tf_err_t check_tiling(const tf_safetensors_t *st, const char *label) {
  uint64_t at = 0;
  for (uint32_t i = 0; i < st->tensor_cnt; i++) {
    const tf_safetensors_tensor_t *t = &st->tensors[i];
    if (t->begin != at)
      return TF_ERR(E_MODEL_FORMAT,
                    "%s: tensor \"%s\" begins at byte %llu of the data, %s byte %llu; tensors must "
                    "lie one behind the other",
                    label, t->name, (unsigned long long)t->begin,
                    t->begin < at ? "inside the one that ends at" : "after a hole from",
                    (unsigned long long)at);
    at = t->end;
  }
  if (at != st->data_bytes)
    return TF_ERR(E_MODEL_FORMAT, "%s: %llu bytes follow the last tensor", label,
                  (unsigned long long)(st->data_bytes - at));
  return TF_OK;
}

static tf_err_t read_entries(tf_safetensors_t *st, const char *label, json_t *root) {
  if (!json_is_object(root)) return TF_ERR(E_MODEL_FORMAT, "%s: its header is no object", label);
  if (json_object_size(root) > TF_SAFETENSORS_TENSOR_CNT_MAX + 1)
    return TF_ERR(E_MODEL_FORMAT, "%s: %zu tensors, at most %u are allowed", label,
                  json_object_size(root), TF_SAFETENSORS_TENSOR_CNT_MAX);
  st->tensors = calloc(json_object_size(root) + 1, sizeof *st->tensors);
  if (!st->tensors) return TF_ERR(E_CORE_NO_MEMORY, "%s: its tensor table", label);
  const char *name;
  json_t     *value;
  json_object_foreach(root, name, value) {
    tf_err_t err =
        strcmp(name, "__metadata__") == 0
            ? read_metas(st, label, value)
            : read_tensor(label, name, value, st->data_bytes, &st->tensors[st->tensor_cnt++]);
    if (err) return err;
  }
  if (st->tensor_cnt > TF_SAFETENSORS_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: %u tensors, at most %u are allowed", label, st->tensor_cnt,
                  TF_SAFETENSORS_TENSOR_CNT_MAX);
  qsort(st->tensors, st->tensor_cnt, sizeof *st->tensors, by_begin);
  return check_tiling(st, label);
}

static tf_err_t read_header(tf_safetensors_t *st, const char *label, const uint8_t *header,
                            size_t header_bytes) {
  if (header[0] != '{')
    return TF_ERR(E_MODEL_FORMAT, "%s: its header begins with byte 0x%02x instead of '{'", label,
                  header[0]);
  json_error_t at;
  json_t      *root = json_loadb((const char *)header, header_bytes, JSON_REJECT_DUPLICATES, &at);
  if (!root)
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: its header is not JSON as it should be: %s (line %d, byte "
                  "%d)",
                  label, at.text, at.line, at.position);
  tf_err_t err = read_entries(st, label, root);
  json_decref(root);
  return err;
}

/* The sizes of the parts, from the first 8 bytes and the file's length. */
static tf_err_t check_length(const char *label, const uint8_t *length, uint64_t file_bytes,
                             uint64_t *header_bytes) {
  *header_bytes = 0;
  for (uint32_t i = 0; i < LENGTH_BYTES; i++) *header_bytes |= (uint64_t)length[i] << (8 * i);
  if (*header_bytes < 2 || *header_bytes > TF_SAFETENSORS_HEADER_BYTES_MAX)
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: no .safetensors file: its header would be %llu bytes, 2 to %llu are allowed",
                  label, (unsigned long long)*header_bytes,
                  (unsigned long long)TF_SAFETENSORS_HEADER_BYTES_MAX);
  if (*header_bytes > file_bytes - LENGTH_BYTES)
    return TF_ERR(E_MODEL_FORMAT, "%s: its header of %llu bytes is longer than the file (%llu)",
                  label, (unsigned long long)*header_bytes, (unsigned long long)file_bytes);
  return TF_OK;
}

static tf_err_t check_file_bytes(const char *label, uint64_t file_bytes) {
  if (file_bytes < LENGTH_BYTES + 2 || file_bytes > TF_SAFETENSORS_FILE_BYTES_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: no .safetensors file: %llu bytes, %u to %llu are allowed",
                  label, (unsigned long long)file_bytes, LENGTH_BYTES + 2,
                  (unsigned long long)TF_SAFETENSORS_FILE_BYTES_MAX);
  return TF_OK;
}

/* Where the bytes come from: memory, or a file read in order. */
typedef struct input {
  const char    *label;
  const uint8_t *bytes; /* NULL: from fd */
  int            fd;
  EVP_MD_CTX    *digest;
} input_t;

static tf_err_t take(input_t *in, uint8_t *target, size_t cnt) {
  if (in->bytes) {
    memcpy(target, in->bytes, cnt);
    in->bytes += cnt;
  } else {
    for (size_t done = 0; done < cnt;) {
      ssize_t n = read(in->fd, target + done, cnt - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0)
        return TF_ERR(E_FILE_DAMAGED, "%s: %s after it was opened", in->label,
                      n < 0 ? strerror(errno) : "it was cut short");
      done += (size_t)n;
    }
  }
  if (EVP_DigestUpdate(in->digest, target, cnt) != 1)
    return TF_ERR(E_CORE_SYSTEM, "%s: SHA-256 failed", in->label);
  return TF_OK;
}

static tf_err_t finish_digest(tf_safetensors_t *st, input_t *in) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  if (EVP_DigestFinal_ex(in->digest, digest, NULL) != 1)
    return TF_ERR(E_CORE_SYSTEM, "%s: SHA-256 failed", in->label);
  for (int i = 0; i < 32; i++) snprintf(st->sha256_hex + 2 * i, 3, "%02x", (unsigned)digest[i]);
  st->sha256_head = (uint32_t)digest[0] | (uint32_t)digest[1] << 8 | (uint32_t)digest[2] << 16 |
                    (uint32_t)digest[3] << 24;
  return TF_OK;
}

/* The header is checked whole, against the file's length, before memory is taken for the data: a
 * sparse file of 4 GiB is refused without it. */
static tf_err_t read_parts(tf_safetensors_t *st, input_t *in, uint64_t file_bytes) {
  uint8_t  length[LENGTH_BYTES];
  uint64_t header_bytes;
  tf_err_t err = check_file_bytes(in->label, file_bytes);
  if (!err) err = take(in, length, sizeof length);
  if (!err) err = check_length(in->label, length, file_bytes, &header_bytes);
  if (err) return err;
  uint8_t *header = malloc(header_bytes);
  if (!header) return TF_ERR(E_CORE_NO_MEMORY, "%s: its header", in->label);
  st->data_bytes = file_bytes - LENGTH_BYTES - header_bytes;
  err            = take(in, header, header_bytes);
  if (!err) err = read_header(st, in->label, header, header_bytes);
  free(header);
  if (err) return err;
  st->data = malloc(st->data_bytes ? st->data_bytes : 1);
  if (!st->data)
    return TF_ERR(E_CORE_NO_MEMORY, "%s: %llu bytes of weights", in->label,
                  (unsigned long long)st->data_bytes);
  err = take(in, st->data, st->data_bytes);
  return err ? err : finish_digest(st, in);
}

static tf_err_t read_input(tf_safetensors_t *st, input_t *in, uint64_t file_bytes) {
  memset(st, 0, sizeof *st);
  in->digest   = EVP_MD_CTX_new();
  tf_err_t err = in->digest && EVP_DigestInit_ex(in->digest, EVP_sha256(), NULL) == 1
                     ? read_parts(st, in, file_bytes)
                     : TF_ERR(E_CORE_SYSTEM, "%s: OpenSSL offers no SHA-256", in->label);
  EVP_MD_CTX_free(in->digest);
  if (err) tf_safetensors_fini(st);
  return err;
}

tf_err_t tf_safetensors_parse(tf_safetensors_t *st, const char *label, const uint8_t *bytes,
                              size_t bytes_cnt) {
  input_t in = {.label = label, .bytes = bytes, .fd = -1};
  return read_input(st, &in, bytes_cnt);
}

tf_err_t tf_safetensors_read(tf_safetensors_t *st, const char *path) {
  memset(st, 0, sizeof *st);
  /* O_NONBLOCK: opening a FIFO must not hang */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  struct stat info;
  tf_err_t    err;
  if (fstat(fd, &info) != 0) {
    err = TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    err = TF_ERR(E_FILE_OPEN, "%s: not a regular file", path);
  } else {
    input_t in = {.label = path, .fd = fd};
    err        = read_input(st, &in, (uint64_t)info.st_size);
  }
  close(fd);
  return err;
}

static json_t *describe_tensor(const tf_safetensors_source_t *source, uint64_t begin,
                               uint64_t bytes) {
  json_t *shape = json_array();
  for (uint32_t d = 0; d < source->rank; d++)
    json_array_append_new(shape, json_integer((json_int_t)source->shape[d]));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tf_safetensors_dtype_name(source->dtype),
                   "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)(begin + bytes));
}

static tf_err_t source_bytes(const char *path, const tf_safetensors_source_t *source,
                             uint64_t *bytes) {
  tf_err_t err = check_name(path, source->name);
  if (err) return err;
  TF_ASSERT(source->rank <= TF_SAFETENSORS_RANK_MAX);
  *bytes = dtypes[source->dtype].bytes;
  for (uint32_t d = 0; d < source->rank; d++)
    if (__builtin_mul_overflow(*bytes, source->shape[d], bytes) ||
        *bytes > TF_SAFETENSORS_FILE_BYTES_MAX)
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" does not fit a file of %llu bytes", path,
                    source->name, (unsigned long long)TF_SAFETENSORS_FILE_BYTES_MAX);
  return TF_OK;
}

/* The header's text, padded. NULL with the error set. */
static char *build_header(const char *path, const tf_safetensors_text_t *texts, uint32_t text_cnt,
                          const tf_safetensors_source_t *sources, uint32_t source_cnt,
                          size_t *header_bytes) {
  json_t *root = json_object(), *metas = json_object();
  bool    good = root && metas;
  for (uint32_t i = 0; i < text_cnt && good; i++)
    good = json_object_set_new(metas, texts[i].key, json_string(texts[i].value)) == 0;
  good        = json_object_set_new(root, "__metadata__", metas) == 0 && good;
  uint64_t at = 0, bytes = 0;
  tf_err_t err = good ? TF_OK : TF_ERR(E_MODEL_FORMAT, "%s: a metadata text is not UTF-8", path);
  if (!err && source_cnt > TF_SAFETENSORS_TENSOR_CNT_MAX)
    err = TF_ERR(E_MODEL_FORMAT, "%s: %u tensors, at most %u are allowed", path, source_cnt,
                 TF_SAFETENSORS_TENSOR_CNT_MAX);
  for (uint32_t i = 0; i < source_cnt && !err; i++) {
    err = source_bytes(path, &sources[i], &bytes);
    if (!err && json_object_get(root, sources[i].name))
      err = TF_ERR(E_MODEL_FORMAT, "%s: two tensors are called \"%s\"", path, sources[i].name);
    if (err) break;
    if (json_object_set_new(root, sources[i].name, describe_tensor(&sources[i], at, bytes)) != 0)
      err = TF_ERR(E_MODEL_FORMAT, "%s: tensor %u's name is not UTF-8", path, i);
    at += bytes;
  }
  char *text   = err ? NULL : json_dumps(root, JSON_COMPACT);
  char *padded = NULL;
  json_decref(root);
  if (text) {
    size_t length = strlen(text);
    *header_bytes = tf_align_up(length + LENGTH_BYTES, DATA_ALIGN) - LENGTH_BYTES;
    if (*header_bytes > TF_SAFETENSORS_HEADER_BYTES_MAX ||
        LENGTH_BYTES + *header_bytes + at > TF_SAFETENSORS_FILE_BYTES_MAX)
      TF_ERR(E_MODEL_FORMAT, "%s: a header of %zu bytes and %llu of data are more than allowed",
             path, *header_bytes, (unsigned long long)at);
    else if ((padded = malloc(*header_bytes + 1)) != NULL) {
      memset(padded, ' ', *header_bytes);
      memcpy(padded, text, length);
    } else
      TF_ERR(E_CORE_NO_MEMORY, "%s: its header", path);
  } else if (!err) {
    TF_ERR(E_CORE_NO_MEMORY, "%s: its header", path);
  }
  free(text);
  return padded;
}

static tf_err_t write_parts(FILE *file, const char *path, const char *header, size_t header_bytes,
                            const tf_safetensors_source_t *sources, uint32_t source_cnt) {
  uint8_t length[LENGTH_BYTES];
  for (uint32_t i = 0; i < LENGTH_BYTES; i++) length[i] = (uint8_t)(header_bytes >> (8 * i));
  bool good = fwrite(length, 1, sizeof length, file) == sizeof length &&
              fwrite(header, 1, header_bytes, file) == header_bytes;
  for (uint32_t i = 0; i < source_cnt && good; i++) {
    uint64_t bytes = dtypes[sources[i].dtype].bytes;
    for (uint32_t d = 0; d < sources[i].rank; d++) bytes *= sources[i].shape[d];
    good = fwrite(sources[i].values, 1, bytes, file) == bytes;
  }
  good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
  return good ? TF_OK : TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
}

tf_err_t tf_safetensors_write(const char *path, const tf_safetensors_text_t *texts,
                              uint32_t text_cnt, const tf_safetensors_source_t *sources,
                              uint32_t source_cnt) {
  size_t header_bytes = 0;
  char  *header       = build_header(path, texts, text_cnt, sources, source_cnt, &header_bytes);
  if (!header) return tf_error_code();
  char     temporary[4096];
  FILE    *file = NULL;
  tf_err_t err  = TF_OK;
  if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
    err = TF_ERR(E_FILE_WRITE, "a path of %zu bytes is too long", strlen(path));
  else if ((file = fopen(temporary, "wbe")) == NULL)
    err = TF_ERR(E_FILE_WRITE, "%s: %s", temporary, strerror(errno));
  else
    err = write_parts(file, temporary, header, header_bytes, sources, source_cnt);
  free(header);
  if (file && fclose(file) != 0 && !err)
    err = TF_ERR(E_FILE_WRITE, "%s: %s", temporary, strerror(errno));
  if (file && !err && rename(temporary, path) != 0)
    err = TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
  if (file && err) unlink(temporary);
  return err;
}
