/* A model server that speaks the Open Inference Protocol (KServe v2: Triton, MLServer) over HTTP/1.1: what is said is kserve_text.h's, how
 * it travels kserve_conn.h's. Each slot has a connection of its own.
 *
 *   until the model is known   GET {path}/ready, GET /v2 (which extensions), GET {path} (which tensors)
 *   then, for each row         POST {path}/infer
 *
 * It is learnt at the start if the server is there, else by the first request that finds it. */
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/secret.h"
#include "serve/kserve_conn.h"
#include "serve/kserve_text.h"
#include "tf/model.h"

#define HEAD_BYTES    4096                /* of a request: path, host, headers */
#define HEADER_BYTES  2048                /* of the header file's line */
#define LEARN_NS      (2 * TF_NS_PER_SEC) /* at the start */
#define STATUS_SAMPLE 160                 /* of an error's body, in the text */
#define MODELS_PATH   "/v2/models/"

typedef enum step { STEP_READY, STEP_SERVER, STEP_METADATA, STEP_INFER, STEP_CNT } step_t;

typedef struct slot {
  tf_kserve_conn_t  conn;
  step_t            step;
  bool              is_busy, is_done, only_learns;
  uint64_t          id;
  float            *rows;
  float             out[TF_MODEL_OUTPUTS_MAX];
  tf_runtime_miss_t miss;
  uint64_t          retry_ns;
} slot_t;

typedef struct kserve {
  tf_kserve_server_t server;
  tf_tls_ctx_t       tls_ctx;
  tf_kserve_model_t  model;
  bool               is_known;
  tf_err_t           learnt; /* what was wrong with the metadata */
  uint8_t            binary; /* tf_runtime_binary_t */
  char               path[512];
  char               wanted_input[TF_KSERVE_NAME_BYTES], wanted_output[TF_KSERVE_NAME_BYTES];
  char               header[HEADER_BYTES]; /* "Name: value\r\n", or "" */
  char              *body;                 /* (body_cap) of a request in the making */
  size_t             body_cap, value_cnt;
  uint32_t           slot_cnt;
  slot_t            *slots;
  char               trouble[TF_RUNTIME_TEXT_BYTES];
} kserve_t;

static const char *name_or_null(const char *name) { return *name ? name : NULL; }

/* ---- requests ---- */

static int write_get(const kserve_t *k, slot_t *s, const char *target) {
  char headers[HEADER_BYTES + 64];
  snprintf(headers, sizeof headers, "Accept: application/json\r\n%s", k->header);
  tf_http_request_t request = {.method  = "GET",
                               .host    = k->server.host,
                               .port    = k->server.port,
                               .target  = target,
                               .headers = headers};
  return tf_http_request_write(s->conn.tx, s->conn.tx_cap, &request);
}

static int write_infer(const kserve_t *k, slot_t *s) {
  char   headers[HEADER_BYTES + 256], target[sizeof k->path + 16], binary[96] = "";
  size_t json_cnt, cnt;
  cnt = tf_kserve_request_write(&k->model, s->id, s->rows, k->body, k->body_cap, &json_cnt);
  if (k->model.is_binary)
    snprintf(binary, sizeof binary, "Inference-Header-Content-Length: %zu\r\n", json_cnt);
  snprintf(headers, sizeof headers, "Content-Type: application/%s\r\n%s%s",
           k->model.is_binary ? "octet-stream" : "json", binary, k->header);
  snprintf(target, sizeof target, "%s/infer", k->path);
  tf_http_request_t request = {.method   = "POST",
                               .host     = k->server.host,
                               .port     = k->server.port,
                               .target   = target,
                               .headers  = headers,
                               .body     = k->body,
                               .body_cnt = cnt};
  return tf_http_request_write(s->conn.tx, s->conn.tx_cap, &request);
}

static int write_request(const kserve_t *k, slot_t *s) {
  char target[sizeof k->path + 16];
  snprintf(target, sizeof target, "%s/ready", k->path);
  switch (s->step) {
  case STEP_READY: return write_get(k, s, target);
  case STEP_SERVER:
    *(strstr(target, MODELS_PATH) + 3) = '\0'; /* ../v2 */
    return write_get(k, s, target);
  case STEP_METADATA: return write_get(k, s, k->path);
  default: return write_infer(k, s);
  }
}

static void finish(kserve_t *k, slot_t *s, tf_runtime_miss_t miss, const char *text) {
  s->is_done = true;
  s->miss    = miss;
  if (miss != TF_RUNTIME_ANSWERED) snprintf(k->trouble, sizeof k->trouble, "%s", text);
}

static void take(kserve_t *k, slot_t *s, uint64_t now_ns);

static void start(kserve_t *k, slot_t *s, uint64_t now_ns) {
  int cnt = write_request(k, s);
  if (cnt < 0) {
    finish(k, s, TF_RUNTIME_MISS_LIMIT, tf_error_text());
    return;
  }
  s->conn.tx_cnt = (size_t)cnt;
  if (tf_kserve_conn_send(&s->conn, s->step == STEP_INFER ? "POST" : "GET", now_ns))
    take(k, s, now_ns);
}

/* ---- answers ---- */

static tf_runtime_miss_t refuse_status(slot_t *s, const char *what, char *text) {
  uint32_t retry_s = tf_http_head_retry_after_s(&s->conn.head);
  size_t   cnt     = s->conn.body.bytes_cnt;
  int      sample  = (int)(cnt < STATUS_SAMPLE ? cnt : STATUS_SAMPLE);
  if (retry_s != UINT32_MAX) s->retry_ns = retry_s * TF_NS_PER_SEC;
  snprintf(text, TF_RUNTIME_TEXT_BYTES, "%s: status %u %s; its body begins: %.*s", what,
           s->conn.head.status, s->conn.head.reason, sample, (const char *)s->conn.body.bytes);
  return TF_RUNTIME_MISS_STATUS;
}

/* How many bytes of the body are JSON. False: the header is no number. */
static bool json_bytes(const slot_t *s, size_t *cnt) {
  const char *value;
  int value_cnt = tf_http_head_get(&s->conn.head, "inference-header-content-length", &value);
  *cnt          = s->conn.body.bytes_cnt;
  if (value_cnt == -1) return true;
  if (value_cnt < 1 || value_cnt > 9) return false;
  *cnt = 0;
  for (int i = 0; i < value_cnt; i++) {
    if (value[i] < '0' || value[i] > '9') return false;
    *cnt = *cnt * 10 + (size_t)(value[i] - '0');
  }
  return true;
}

static tf_runtime_miss_t read_infer(kserve_t *k, slot_t *s, char *text) {
  size_t json_cnt;
  if (s->conn.head.status != 200) return refuse_status(s, "infer", text);
  if (json_bytes(s, &json_cnt))
    return tf_kserve_answer_read(&k->model, s->id, (const char *)s->conn.body.bytes,
                                 s->conn.body.bytes_cnt, json_cnt, s->out, text);
  snprintf(text, TF_RUNTIME_TEXT_BYTES, "Inference-Header-Content-Length is no number");
  return TF_RUNTIME_MISS_PROTOCOL;
}

static tf_runtime_miss_t read_metadata(kserve_t *k, slot_t *s, char *text) {
  if (s->conn.head.status != 200) return refuse_status(s, "the model's metadata", text);
  k->learnt   = tf_kserve_metadata_read(&k->model, name_or_null(k->wanted_input),
                                        name_or_null(k->wanted_output),
                                        (const char *)s->conn.body.bytes, s->conn.body.bytes_cnt);
  k->is_known = k->learnt == TF_OK;
  if (k->is_known) return TF_RUNTIME_ANSWERED;
  snprintf(text, TF_RUNTIME_TEXT_BYTES, "%s", tf_error_text());
  return k->learnt == E_RUNTIME_SERVER ? TF_RUNTIME_MISS_PROTOCOL : TF_RUNTIME_MISS_SHAPE;
}

/* The step's answer is there; ANSWERED: on to the next. */
static tf_runtime_miss_t read_step(kserve_t *k, slot_t *s, char *text) {
  const bool is_good = s->conn.head.status == 200;
  switch (s->step) {
  case STEP_READY: return is_good ? TF_RUNTIME_ANSWERED : refuse_status(s, "it is not ready", text);
  case STEP_SERVER: /* a server that tells nothing of itself has no extensions */
    k->model.is_binary = is_good && tf_kserve_offers_binary((const char *)s->conn.body.bytes,
                                                            s->conn.body.bytes_cnt);
    return TF_RUNTIME_ANSWERED;
  case STEP_METADATA: return read_metadata(k, s, text);
  default: return read_infer(k, s, text);
  }
}

/* The exchange is over. */
static void take(kserve_t *k, slot_t *s, uint64_t now_ns) {
  char              text[TF_RUNTIME_TEXT_BYTES];
  tf_runtime_miss_t miss = s->conn.miss;
  snprintf(text, sizeof text, "%s", s->conn.text);
  if (miss == TF_RUNTIME_ANSWERED) miss = read_step(k, s, text);
  bool is_last = s->step == STEP_INFER || (s->only_learns && s->step == STEP_METADATA);
  if (miss != TF_RUNTIME_ANSWERED || is_last) {
    finish(k, s, miss, text);
    return;
  }
  s->step += s->step == STEP_READY && k->binary != TF_RUNTIME_BINARY_AUTO ? 2 : 1;
  start(k, s, now_ns);
}

/* ---- the runtime ---- */

static void begin(kserve_t *k, slot_t *s, bool only_learns) {
  s->is_busy     = true;
  s->is_done     = false;
  s->only_learns = only_learns;
  s->retry_ns    = 0;
  s->step        = k->is_known ? STEP_INFER : STEP_READY;
  start(k, s, tf_clock_monotonic_ns());
}

static void kserve_begin(void *self, uint32_t slot, uint64_t id, const float *rows) {
  kserve_t *k = self;
  slot_t   *s = &k->slots[slot];
  s->id       = id;
  memcpy(s->rows, rows, k->value_cnt * sizeof *rows);
  begin(k, s, false);
}

static void forget_wakes(const kserve_t *k) {
  uint64_t cnt;
  ssize_t  got = read(k->server.wake_fd, &cnt, sizeof cnt);
  (void)got; /* EAGAIN: nobody woke us */
}

static bool any_done(const kserve_t *k) {
  for (uint32_t i = 0; i < k->slot_cnt; i++)
    if (k->slots[i].is_done) return true;
  return false;
}

static void move_on(kserve_t *k, uint64_t wait_ns) {
  struct pollfd   fds[TF_RUNTIME_IN_FLIGHT_MAX * TF_KSERVE_FDS_MAX + 1];
  uint32_t        cnts[TF_RUNTIME_IN_FLIGHT_MAX], at = 1;
  struct timespec wait = {.tv_sec  = (time_t)(wait_ns / TF_NS_PER_SEC),
                          .tv_nsec = (long)(wait_ns % TF_NS_PER_SEC)};
  fds[0]               = (struct pollfd){.fd = k->server.wake_fd, .events = POLLIN};
  for (uint32_t i = 0; i < k->slot_cnt; i++) {
    cnts[i] = tf_kserve_conn_fds(&k->slots[i].conn, &fds[at]);
    at += cnts[i];
  }
  if (ppoll(fds, at, &wait, NULL) < 0) return; /* EINTR: the next look does it */
  if (fds[0].revents) forget_wakes(k);
  uint64_t now_ns = tf_clock_monotonic_ns();
  at              = 1;
  for (uint32_t i = 0; i < k->slot_cnt; at += cnts[i++])
    if (tf_kserve_conn_step(&k->slots[i].conn, &fds[at], cnts[i], now_ns) && k->slots[i].is_busy)
      take(k, &k->slots[i], now_ns);
}

static uint32_t kserve_poll(void *self, uint64_t wait_ns, tf_runtime_done_t *done, uint32_t cap) {
  kserve_t *k   = self;
  uint32_t  cnt = 0;
  move_on(k, any_done(k) ? 0 : wait_ns);
  for (uint32_t i = 0; i < k->slot_cnt && cnt < cap; i++) {
    slot_t *s = &k->slots[i];
    if (!s->is_done) continue;
    done[cnt++] =
        (tf_runtime_done_t){.slot = i, .miss = s->miss, .retry_ns = s->retry_ns, .out = s->out};
    s->is_done = s->is_busy = false;
  }
  return cnt;
}

static void kserve_drop(void *self, uint32_t slot) {
  slot_t *s  = &((kserve_t *)self)->slots[slot];
  s->is_done = s->is_busy = false;
  tf_kserve_conn_drop(&s->conn);
}

static void kserve_trouble(const void *self, char *text) {
  memcpy(text, ((const kserve_t *)self)->trouble, TF_RUNTIME_TEXT_BYTES);
}

static void kserve_close(void *self) {
  kserve_t *k = self;
  for (uint32_t i = 0; k->slots && i < k->slot_cnt; i++) {
    tf_kserve_conn_fini(&k->slots[i].conn);
    free(k->slots[i].rows);
  }
  if (k->server.wake_fd >= 0) close(k->server.wake_fd);
  tf_tls_ctx_fini(&k->tls_ctx);
  free(k->slots);
  free(k->body);
  explicit_bzero(k->header, sizeof k->header);
  free(k);
}

/* ---- opening ---- */

/* One line, "Name: value", of a file that only its owner may read; never repeated in a text. */
static tf_err_t read_header(kserve_t *k, const char *path) {
  tf_err_t err = tf_secret_read(path, k->header, sizeof k->header - 2);
  if (err) return err;
  const char *at = strchr(k->header, ':');
  if (!at || at == k->header)
    return TF_ERR(E_FEED_KEY, "%s: one line \"Name: value\" is wanted", path);
  memcpy(k->header + strlen(k->header), "\r\n", 3);
  return TF_OK;
}

static tf_err_t hash_url(const kserve_t *k, uint32_t *hash) {
  char          text[1024];
  unsigned char digest[EVP_MAX_MD_SIZE];
  int cnt = snprintf(text, sizeof text, "%s:%s%s", k->server.host, k->server.port, k->path);
  if (EVP_Digest(text, (size_t)cnt, digest, NULL, EVP_sha256(), NULL) != 1)
    return TF_ERR(E_CORE_SYSTEM, "SHA-256 of a url");
  memcpy(hash, digest, sizeof *hash);
  return TF_OK;
}

static tf_err_t set_names(kserve_t *k, const tf_runtime_config_t *c) {
  const char *at = strstr(c->path, MODELS_PATH);
  if (!at || at[strlen(MODELS_PATH)] == '\0' || strlen(c->path) >= sizeof k->path - 16)
    return TF_ERR(E_CONFIG_VALUE, "url: found the path %.300s; /v2/models/NAME is wanted", c->path);
  snprintf(k->path, sizeof k->path, "%s", c->path);
  size_t cnt = strlen(k->path);
  if (k->path[cnt - 1] == '/') k->path[cnt - 1] = '\0';
  snprintf(k->wanted_input, sizeof k->wanted_input, "%s", c->input ? c->input : "");
  snprintf(k->wanted_output, sizeof k->wanted_output, "%s", c->output ? c->output : "");
  k->server.host = c->host;
  snprintf(k->server.port, sizeof k->server.port, "%u", c->port);
  k->binary = c->binary;
  k->model  = (tf_kserve_model_t){.rows       = c->rows,
                                  .width      = c->width,
                                  .output_cnt = c->output_cnt,
                                  .is_binary  = c->binary == TF_RUNTIME_BINARY_ON};
  return TF_OK;
}

static tf_err_t make_slots(kserve_t *k, const tf_runtime_config_t *c) {
  tf_err_t err = TF_OK;
  k->body_cap  = tf_kserve_request_bytes(&k->model);
  k->value_cnt = (size_t)c->rows * c->width;
  if (k->body_cap == 0) return TF_ERR(E_CORE_OVERFLOW, "rows of %u x %u", c->rows, c->width);
  k->body  = malloc(k->body_cap);
  k->slots = calloc(c->in_flight, sizeof *k->slots);
  if (!k->body || !k->slots) return TF_ERR(E_CORE_NO_MEMORY, "%u connections", c->in_flight);
  k->slot_cnt = c->in_flight;
  for (uint32_t i = 0; i < k->slot_cnt && !err; i++) {
    err =
        tf_kserve_conn_init(&k->slots[i].conn, &k->server, k->body_cap + HEAD_BYTES + HEADER_BYTES);
    k->slots[i].rows = calloc(k->value_cnt, sizeof(float));
    if (!err && !k->slots[i].rows) err = TF_ERR(E_CORE_NO_MEMORY, "%u connections", c->in_flight);
  }
  return err;
}

/* A server that is there says at once what its model is; one that is not may come. */
static tf_err_t learn(kserve_t *k, const tf_runtime_config_t *c) {
  uint64_t          until_ns = tf_clock_monotonic_ns() + LEARN_NS;
  tf_runtime_done_t done     = {.miss = TF_RUNTIME_MISS_DEADLINE};
  uint32_t          cnt      = 0;
  begin(k, &k->slots[0], true);
  while (cnt == 0 && tf_clock_monotonic_ns() < until_ns)
    cnt = kserve_poll(k, 10 * TF_NS_PER_MS, &done, 1);
  if (cnt == 0) kserve_drop(k, 0);
  if (k->learnt) return TF_ERR(k->learnt, "%s", k->trouble);
  if (!k->is_known)
    tf_log(TF_LOG_WARN, "model_server_not_ready", "model=%s text=\"%s\"", c->model,
           cnt ? k->trouble : "no answer within 2 s");
  return TF_OK;
}

static tf_err_t kserve_open(const tf_runtime_config_t *c, void **self, uint32_t *hash) {
  kserve_t *k = calloc(1, sizeof *k);
  *self       = NULL;
  if (!k) return TF_ERR(E_CORE_NO_MEMORY, "a model server");
  k->server.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tf_err_t err      = k->server.wake_fd < 0 ? TF_ERR(E_CORE_SYSTEM, "eventfd: %s", strerror(errno))
                                            : set_names(k, c);
  if (!err && c->tls) {
    tf_tls_client_config_t tls = {.ca_file = c->ca_file, .insecure = c->insecure};
    err                        = tf_tls_ctx_init_client(&k->tls_ctx, &tls);
    k->server.tls_ctx          = &k->tls_ctx;
  }
  if (!err && c->header_file) err = read_header(k, c->header_file);
  if (!err) err = hash_url(k, hash);
  if (!err) err = make_slots(k, c);
  if (!err) err = learn(k, c);
  if (!err) {
    *self = k;
    return TF_OK;
  }
  kserve_close(k);
  return tf_error_add(err, "%s:%u%s", c->host, c->port, c->path);
}

const tf_runtime_t tf_runtime_kserve = {.name      = "kserve",
                                        .path      = TF_PATH_KSERVE,
                                        .in_flight = TF_RUNTIME_IN_FLIGHT_MAX,
                                        .open      = kserve_open,
                                        .begin     = kserve_begin,
                                        .poll      = kserve_poll,
                                        .drop      = kserve_drop,
                                        .trouble   = kserve_trouble,
                                        .close     = kserve_close};
