/* ONNX Runtime in this process, by its C API (ort_api.h): the library is loaded when a model first wants it, and stays. One request
 * at a time, run within begin; one session a model, its threads and arena as configured. */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "core/log.h"
#include "serve/ort_api.h"
#include "tf/runtime.h"

#define RANK_MAX   8
#define NAME_BYTES 128

static const char *const libraries[] = {"libonnxruntime.so.1", "libonnxruntime.so"};

typedef struct ort {
  const tf_ort_api_t *api;
  void               *library;
  tf_ort_env_t       *env;
  tf_ort_session_t   *session;
  tf_ort_memory_t    *memory;
  tf_ort_value_t     *input; /* over rows */
  tf_ort_value_t     *given; /* the last answer; released with the next */
  float              *rows;
  size_t              value_cnt;
  uint32_t            output_cnt;
  char                input_name[NAME_BYTES], output_name[NAME_BYTES];
  bool                is_done;
  tf_runtime_done_t   done;
  char                trouble[TF_RUNTIME_TEXT_BYTES];
} ort_t;

/* ---- the library ---- */

static tf_err_t check(const ort_t *o, tf_ort_status_t *status, tf_err_t err, const char *what) {
  if (!status) return TF_OK;
  TF_ERR(err, "%s: ONNX Runtime says: %s", what, o->api->status_text(status));
  o->api->release_status(status);
  return err;
}

static tf_err_t load_library(ort_t *o, const char *path) {
  const char *from_environment = getenv("TF_ONNXRUNTIME");
  if (!path && from_environment && *from_environment) path = from_environment;
  if (path) {
    o->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return o->library ? TF_OK : TF_ERR(E_RUNTIME_LIBRARY, "%s", dlerror());
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(libraries) && !o->library; i++)
    o->library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
  if (o->library) return TF_OK;
  return TF_ERR(E_RUNTIME_LIBRARY,
                "neither %s nor %s is where the system keeps libraries: say library: or set "
                "TF_ONNXRUNTIME (pip's onnxruntime has it in onnxruntime/capi)",
                libraries[0], libraries[1]);
}

static tf_err_t find_api(ort_t *o, const char *path) {
  const tf_ort_base_t *(*get_base)(void);
  tf_err_t err = load_library(o, path);
  if (err) return err;
  void *symbol = dlsym(o->library, "OrtGetApiBase");
  memcpy(&get_base, &symbol, sizeof symbol);
  const tf_ort_base_t *base = symbol ? get_base() : NULL;
  o->api                    = base ? base->api(TF_ORT_API_VERSION) : NULL;
  if (!o->api)
    return TF_ERR(E_RUNTIME_LIBRARY, "%s is no ONNX Runtime with API version %u",
                  path ? path : libraries[0], TF_ORT_API_VERSION);
  tf_log(TF_LOG_INFO, "onnxruntime_loaded", "version=%s", base->version());
  return TF_OK;
}

/* ---- the model ---- */

static tf_err_t make_session(ort_t *o, const tf_runtime_config_t *c) {
  const tf_ort_api_t *a       = o->api;
  tf_ort_options_t   *options = NULL;
  const int           threads = (int)c->threads;
  tf_err_t            err     = check(o, a->create_env(TF_ORT_LOGGING_ERROR, "tickfuse", &o->env),
                                      E_RUNTIME_LIBRARY, "its environment");
  if (!err) err = check(o, a->create_options(&options), E_RUNTIME_LIBRARY, "its options");
  if (err) return err;
  tf_ort_status_t *set[] = {a->set_execution_mode(options, TF_ORT_SEQUENTIAL),
                            a->disable_mem_pattern(options),
                            a->disable_arena(options),
                            a->set_optimization(options, TF_ORT_OPTIMIZE_ALL),
                            a->set_intra_threads(options, threads),
                            a->set_inter_threads(options, 1)};
  for (size_t i = 0; i < TF_ARRAY_CNT(set); i++) {
    tf_err_t one = check(o, set[i], E_RUNTIME_LIBRARY, "an option");
    if (!err) err = one;
  }
  if (!err)
    err = check(o, a->create_session(o->env, c->file, options, &o->session), E_RUNTIME_MODEL,
                c->file);
  a->release_options(options);
  return err;
}

typedef struct side { /* inputs or outputs */
  const char *word, *wanted;
  tf_ort_status_t *(*cnt)(const tf_ort_session_t *session, size_t *out);
  tf_ort_status_t *(*name)(const tf_ort_session_t *session, size_t idx,
                           tf_ort_allocator_t *allocator, char **out);
  tf_ort_status_t *(*type)(const tf_ort_session_t *session, size_t idx, tf_ort_type_t **out);
} side_t;

/* Copies the name of the tensor idx. */
static tf_err_t name_of(const ort_t *o, const side_t *s, size_t idx, char name[NAME_BYTES]) {
  tf_ort_allocator_t *allocator = NULL;
  char               *text      = NULL;
  tf_err_t err = check(o, o->api->default_allocator(&allocator), E_RUNTIME_MODEL, "its allocator");
  if (!err) err = check(o, s->name(o->session, idx, allocator, &text), E_RUNTIME_MODEL, s->word);
  if (err) return err;
  size_t cnt = strlen(text);
  snprintf(name, NAME_BYTES, "%s", text);
  err = check(o, o->api->allocator_free(allocator, text), E_RUNTIME_MODEL, s->word);
  if (!err && cnt >= NAME_BYTES)
    err = TF_ERR(E_RUNTIME_MODEL, "an %s's name of %zu bytes; at most %d", s->word, cnt,
                 NAME_BYTES - 1);
  return err;
}

/* The tensor that was named, or the only one. */
static tf_err_t find_tensor(const ort_t *o, const side_t *s, size_t *idx, char name[NAME_BYTES]) {
  char     known[512] = "";
  size_t   cnt, used = 0;
  tf_err_t err = check(o, s->cnt(o->session, &cnt), E_RUNTIME_MODEL, s->word);
  for (size_t i = 0; i < cnt && !err; i++) {
    err  = name_of(o, s, i, name);
    *idx = i;
    if (!err && (s->wanted ? !strcmp(name, s->wanted) : cnt == 1)) return TF_OK;
    if (!err && used < sizeof known)
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", name);
  }
  if (err) return err;
  if (s->wanted)
    return TF_ERR(E_RUNTIME_MODEL, "no %s is called \"%s\"; there are: %s", s->word, s->wanted,
                  known);
  return TF_ERR(E_RUNTIME_MODEL, "%zu %ss, say which by %s: %s", cnt, s->word, s->word, known);
}

/* "1 x ? x 8"; a dimension that is open is ?. */
static void shape_text(const int64_t *shape, size_t rank, char *text, size_t cap) {
  size_t used = 0;
  text[0]     = '\0';
  for (size_t i = 0; i < rank && used < cap; i++)
    used += (size_t)(shape[i] < 0 ? snprintf(text + used, cap - used, "%s?", i ? " x " : "")
                                  : snprintf(text + used, cap - used, "%s%lld", i ? " x " : "",
                                             (long long)shape[i]));
}

static tf_err_t read_shape(const ort_t *o, const side_t *s, size_t idx, int *type, int64_t *shape,
                           size_t *rank) {
  const tf_ort_tensor_info_t *info = NULL;
  tf_ort_type_t              *of   = NULL;
  tf_err_t err = check(o, s->type(o->session, idx, &of), E_RUNTIME_MODEL, s->word);
  if (err) return err;
  err = check(o, o->api->tensor_info_of(of, &info), E_RUNTIME_MODEL, s->word);
  if (!err && !info) err = TF_ERR(E_RUNTIME_MODEL, "its %s is no tensor", s->word);
  if (!err) err = check(o, o->api->element_type(info, type), E_RUNTIME_MODEL, s->word);
  if (!err) err = check(o, o->api->dimension_cnt(info, rank), E_RUNTIME_MODEL, s->word);
  if (!err && *rank > RANK_MAX)
    err =
        TF_ERR(E_RUNTIME_MODEL, "its %s has %zu dimensions; at most %d", s->word, *rank, RANK_MAX);
  if (!err) err = check(o, o->api->dimensions(info, shape, *rank), E_RUNTIME_MODEL, s->word);
  o->api->release_type(of);
  return err;
}

/* The shape to send: (1, width) or (1, rows, width), or, where the model has axes of 1 beside these, its own, with as many
 * values. False: neither goes with what it says. */
static bool settle_shape(const tf_runtime_config_t *c, int64_t *shape, size_t *rank) {
  const int64_t wanted[]    = {1, c->rows > 1 ? c->rows : c->width, c->width};
  const size_t  wanted_rank = c->rows > 1 ? 3 : 2;
  int64_t       cnt         = 1;
  bool          fits        = *rank == wanted_rank;
  for (size_t i = 0; i < *rank && i < wanted_rank; i++)
    fits &= shape[i] < 0 || shape[i] == wanted[i];
  if (fits) {
    memcpy(shape, wanted, wanted_rank * sizeof *shape);
    return true;
  }
  if (*rank < wanted_rank || (shape[0] >= 0 && shape[0] != 1)) return false;
  shape[0] = 1;
  for (size_t i = 0; i < *rank; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(cnt, shape[i], &cnt)) return false;
  return cnt == (int64_t)((uint64_t)c->rows * c->width);
}

static tf_err_t check_input(ort_t *o, const tf_runtime_config_t *c, int64_t *shape, size_t *rank) {
  const side_t inputs = {"input", c->input, o->api->input_cnt, o->api->input_name,
                         o->api->input_type};
  size_t       idx    = 0;
  int          type   = 0;
  char         found[128];
  tf_err_t     err = find_tensor(o, &inputs, &idx, o->input_name);
  if (!err) err = read_shape(o, &inputs, idx, &type, shape, rank);
  if (err) return err;
  shape_text(shape, *rank, found, sizeof found);
  if (type != TF_ORT_FLOAT)
    return TF_ERR(E_RUNTIME_MODEL, "its input %s is of element type %d, float (1) is sent",
                  o->input_name, type);
  if (settle_shape(c, shape, rank)) return TF_OK;
  return TF_ERR(E_MODEL_SHAPE,
                "its input %s is %s, but the config declares %u row%s of %u features",
                o->input_name, found, c->rows, c->rows == 1 ? "" : "s", c->width);
}

/* As far as it is said: an open dimension is checked with each answer. */
static tf_err_t check_output(ort_t *o, const tf_runtime_config_t *c) {
  const side_t outputs = {"output", c->output, o->api->output_cnt, o->api->output_name,
                          o->api->output_type};
  int64_t      shape[RANK_MAX], cnt = 1;
  size_t       idx = 0, rank = 0;
  int          type    = 0;
  bool         is_open = false;
  char         found[128];
  tf_err_t     err = find_tensor(o, &outputs, &idx, o->output_name);
  if (!err) err = read_shape(o, &outputs, idx, &type, shape, &rank);
  if (err) return err;
  shape_text(shape, rank, found, sizeof found);
  if (type != TF_ORT_FLOAT)
    return TF_ERR(E_RUNTIME_MODEL, "its output %s is of element type %d, float (1) is wanted",
                  o->output_name, type);
  if (rank > 1 && shape[0] < 0) shape[0] = 1; /* the batch: one row or window is sent */
  for (size_t i = 0; i < rank; i++) {
    is_open |= shape[i] < 0;
    if (shape[i] >= 0 && __builtin_mul_overflow(cnt, shape[i], &cnt)) cnt = INT64_MAX;
  }
  if (is_open ? cnt == 0 || c->output_cnt % (uint64_t)cnt != 0 : cnt != c->output_cnt)
    return TF_ERR(E_MODEL_SHAPE, "its output %s is %s, but outputs says %u", o->output_name, found,
                  c->output_cnt);
  return TF_OK;
}

static tf_err_t make_input(ort_t *o, const tf_runtime_config_t *c) {
  int64_t  shape[RANK_MAX];
  size_t   rank = 0, bytes;
  tf_err_t err  = check_input(o, c, shape, &rank);
  if (err) return err;
  o->value_cnt = (size_t)c->rows * c->width;
  if (__builtin_mul_overflow(o->value_cnt, sizeof(float), &bytes))
    return TF_ERR(E_CORE_OVERFLOW, "rows of %u x %u", c->rows, c->width);
  o->rows = calloc(o->value_cnt, sizeof(float));
  if (!o->rows) return TF_ERR(E_CORE_NO_MEMORY, "rows of %u x %u", c->rows, c->width);
  err = check(o, o->api->create_memory(TF_ORT_DEVICE_MEMORY, TF_ORT_MEMORY_DEFAULT, &o->memory),
              E_RUNTIME_LIBRARY, "its memory");
  if (err) return err;
  return check(
      o, o->api->create_tensor(o->memory, o->rows, bytes, shape, rank, TF_ORT_FLOAT, &o->input),
      E_RUNTIME_LIBRARY, "a tensor");
}

/* First 4 bytes, little endian, of the file's SHA-256, as our own models have it. */
static tf_err_t hash_file(const char *path, uint32_t *hash) {
  unsigned char digest[EVP_MAX_MD_SIZE], bytes[4096];
  EVP_MD_CTX   *ctx  = EVP_MD_CTX_new();
  FILE         *file = fopen(path, "rb");
  bool          good = ctx && file && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
  for (size_t cnt; good && (cnt = fread(bytes, 1, sizeof bytes, file)) > 0;)
    good = EVP_DigestUpdate(ctx, bytes, cnt) == 1;
  good = good && !ferror(file) && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
  if (file) fclose(file);
  EVP_MD_CTX_free(ctx);
  if (!good) return TF_ERR(E_FILE_OPEN, "%s cannot be read", path);
  memcpy(hash, digest, sizeof *hash);
  return TF_OK;
}

/* ---- the runtime ---- */

static void ort_close(void *self) {
  ort_t *o = self;
  if (o->given) o->api->release_value(o->given);
  if (o->input) o->api->release_value(o->input);
  if (o->memory) o->api->release_memory(o->memory);
  if (o->session) o->api->release_session(o->session);
  if (o->env) o->api->release_env(o->env);
  free(o->rows);
  free(o); /* the library stays: its threads may outlive a session */
}

static tf_err_t ort_open(const tf_runtime_config_t *c, void **self, uint32_t *hash) {
  ort_t *o = calloc(1, sizeof *o);
  *self    = NULL;
  if (!o) return TF_ERR(E_CORE_NO_MEMORY, "ONNX Runtime");
  o->output_cnt = c->output_cnt;
  tf_err_t err  = hash_file(c->file, hash);
  if (!err) err = find_api(o, c->library);
  if (!err) err = make_session(o, c);
  if (!err) err = make_input(o, c);
  if (!err) err = check_output(o, c);
  if (err) {
    ort_close(o);
    return tf_error_add(err, "%s", c->file);
  }
  *self = o;
  return TF_OK;
}

static uint32_t fail(ort_t *o, tf_runtime_miss_t miss) {
  snprintf(o->trouble, sizeof o->trouble, "%s", tf_error_text());
  return miss;
}

/* What it gave: as many floats as were declared. */
static uint32_t take_answer(ort_t *o, const float **out) {
  tf_ort_tensor_info_t *info = NULL;
  size_t                cnt  = 0;
  int                   type = 0;
  void                 *data = NULL;
  tf_err_t err = check(o, o->api->value_info(o->given, &info), E_RUNTIME_MODEL, "its answer");
  if (!err) err = check(o, o->api->element_type(info, &type), E_RUNTIME_MODEL, "its answer");
  if (!err) err = check(o, o->api->element_cnt(info, &cnt), E_RUNTIME_MODEL, "its answer");
  if (info) o->api->release_tensor_info(info);
  if (!err && (type != TF_ORT_FLOAT || cnt != o->output_cnt)) {
    TF_ERR(E_MODEL_SHAPE, "its answer has %zu values of type %d, %u floats were declared", cnt,
           type, o->output_cnt);
    return fail(o, TF_RUNTIME_MISS_SHAPE);
  }
  if (!err) err = check(o, o->api->tensor_data(o->given, &data), E_RUNTIME_MODEL, "its answer");
  *out = data;
  return err ? fail(o, TF_RUNTIME_MISS_RUNTIME) : TF_RUNTIME_ANSWERED;
}

static void ort_begin(void *self, uint32_t slot, uint64_t id, const float *rows) {
  ort_t                *o     = self;
  const char           *input = o->input_name, *output = o->output_name;
  const tf_ort_value_t *inputs[] = {o->input};
  (void)id;
  memcpy(o->rows, rows, o->value_cnt * sizeof *rows);
  if (o->given) o->api->release_value(o->given);
  o->given     = NULL;
  tf_err_t err = check(o, o->api->run(o->session, NULL, &input, inputs, 1, &output, 1, &o->given),
                       E_RUNTIME_MODEL, "a run");
  o->done      = (tf_runtime_done_t){.slot = slot};
  o->done.miss = err ? fail(o, TF_RUNTIME_MISS_RUNTIME) : take_answer(o, &o->done.out);
  o->is_done   = true;
}

static uint32_t ort_poll(void *self, uint64_t wait_ns, tf_runtime_done_t *done, uint32_t cap) {
  ort_t *o = self;
  if (!o->is_done || cap == 0) {
    if (wait_ns) nanosleep(&(struct timespec){.tv_nsec = (long)wait_ns}, NULL);
    return 0;
  }
  o->is_done = false;
  *done      = o->done;
  return 1;
}

static void ort_drop(void *self, uint32_t slot) {
  (void)slot;
  ((ort_t *)self)->is_done = false;
}

static void ort_trouble(const void *self, char *text) {
  memcpy(text, ((const ort_t *)self)->trouble, TF_RUNTIME_TEXT_BYTES);
}

const tf_runtime_t tf_runtime_onnxruntime = {.name      = "onnxruntime",
                                             .path      = TF_PATH_ONNXRUNTIME,
                                             .in_flight = 1,
                                             .open      = ort_open,
                                             .begin     = ort_begin,
                                             .poll      = ort_poll,
                                             .drop      = ort_drop,
                                             .trouble   = ort_trouble,
                                             .close     = ort_close};
