/* A Redis (or Valkey) that engines share: redis://HOST:PORT/DB, models under tickfuse:model:ID.
 *
 * The connection is made when it is first wanted, and again after it broke, at the earliest WAIT_NS_MIN after the last failure
 * and twice as long after each further one; in between the store is not to be had, which costs nobody time. How
 * much Redis holds, and what it forgets, is its own maxmemory and maxmemory-policy. Login and limits are those of any question to a Redis
 * (broker/redis_call.h). */
#include <string.h>

#include "broker/redis_call.h"
#include "core/clock.h"
#include "core/error.h"
#include "tf/model_store.h"

#define PREFIX      "tickfuse:model:"
#define WAIT_NS_MIN (TF_NS_PER_SEC)
#define WAIT_NS_MAX (30 * TF_NS_PER_SEC)

typedef struct redis {
  tf_model_store_config_t config;
  tf_redis_call_t         call;
  uint64_t                wait_ns, again_ns; /* after failures: not before */
} redis_t;

static tf_err_t open_redis(const tf_model_store_config_t *config, void **state) {
  redis_t *r = calloc(1, sizeof *r);
  *state     = NULL;
  if (!r) return TF_ERR(E_CORE_NO_MEMORY, "the store %s", config->where);
  r->config    = *config;
  tf_err_t err = tf_redis_call_init(&r->call, config->where, config->user, config->password_file,
                                    config->timeout_ns);
  if (err) {
    free(r);
    return err;
  }
  *state = r;
  return TF_OK;
}

static void close_redis(void *state) {
  redis_t *r = state;
  if (r) tf_redis_call_fini(&r->call);
  free(r);
}

/* ---- one command ---- */

/* The error is recorded; the connection has ended, and is not tried again too soon. */
static tf_model_store_result_t put_off(redis_t *r) {
  r->wait_ns = r->wait_ns ? 2 * r->wait_ns : WAIT_NS_MIN;
  if (r->wait_ns > WAIT_NS_MAX) r->wait_ns = WAIT_NS_MAX;
  r->again_ns = tf_clock_monotonic_ns() + r->wait_ns;
  return TF_MODEL_STORE_FAILED;
}

static tf_model_store_result_t fail(redis_t *r, const char *what, const char *text) {
  (void)tf_redis_call_fail(&r->call, what, text);
  return put_off(r);
}

static tf_model_store_result_t connect_again(redis_t *r) {
  if (r->call.context) return TF_MODEL_STORE_DONE;
  if (tf_clock_monotonic_ns() < r->again_ns) {
    (void)TF_ERR(E_CORE_SYSTEM, "%s: it failed, and is asked again later", r->config.where);
    return TF_MODEL_STORE_FAILED;
  }
  if (tf_redis_call_connect(&r->call)) return put_off(r);
  r->wait_ns = 0;
  return TF_MODEL_STORE_DONE;
}

static void key_of(const char *id, char key[sizeof PREFIX + TF_MODEL_STORE_ID_CHARS]) {
  snprintf(key, sizeof PREFIX + TF_MODEL_STORE_ID_CHARS, PREFIX "%.64s", id);
}

/* An answer of that type, or NULL after fail: what Redis itself refuses (no memory, read only) is one, too. */
static redisReply *expect(redis_t *r, int type, tf_model_store_result_t *result, int word_cnt,
                          const char **words, const size_t *chars) {
  redisReply *reply = tf_redis_call_ask(&r->call, word_cnt, words, chars);
  if (reply && reply->type == type) return reply;
  if (!reply)
    *result = put_off(r);
  else if (reply->type == REDIS_REPLY_NIL)
    *result = TF_MODEL_STORE_MISS;
  else
    *result = fail(r, words[0], reply->str ? reply->str : "an answer of another type");
  freeReplyObject(reply);
  return NULL;
}

/* ---- the store ---- */

/* Asked before, so that a value which is none of ours is not carried over the network. */
static tf_model_store_result_t check_length(redis_t *r, const char *key) {
  tf_model_store_result_t result  = TF_MODEL_STORE_DONE;
  const char             *words[] = {"STRLEN", key};
  redisReply             *reply   = expect(r, REDIS_REPLY_INTEGER, &result, 2, words, NULL);
  if (!reply) return result;
  if (reply->integer <= 0 || (uint64_t)reply->integer > r->config.blob_bytes_max)
    result = TF_MODEL_STORE_MISS;
  freeReplyObject(reply);
  return result;
}

static tf_model_store_result_t get(void *state, const char *id, uint8_t **blob,
                                   size_t *blob_bytes) {
  redis_t                *r = state;
  char                    key[sizeof PREFIX + TF_MODEL_STORE_ID_CHARS];
  const char             *words[] = {"GET", key};
  tf_model_store_result_t result  = connect_again(r);
  key_of(id, key);
  if (result == TF_MODEL_STORE_DONE) result = check_length(r, key);
  if (result != TF_MODEL_STORE_DONE) return result;
  redisReply *reply = expect(r, REDIS_REPLY_STRING, &result, 2, words, NULL);
  if (!reply) return result;
  if (reply->len > r->config.blob_bytes_max) {
    result = TF_MODEL_STORE_MISS;
  } else if (!(*blob = malloc(reply->len + 1))) {
    result = fail(r, "GET", "no memory");
  } else {
    memcpy(*blob, reply->str, reply->len);
    *blob_bytes = reply->len;
  }
  freeReplyObject(reply);
  return result;
}

static tf_model_store_result_t put(void *state, const char *id, const uint8_t *blob,
                                   size_t blob_bytes) {
  redis_t                *r = state;
  char                    key[sizeof PREFIX + TF_MODEL_STORE_ID_CHARS];
  const char             *words[] = {"SET", key, (const char *)blob};
  tf_model_store_result_t result  = connect_again(r);
  if (result != TF_MODEL_STORE_DONE) return result;
  if (blob_bytes > r->config.blob_bytes_max) return TF_MODEL_STORE_MISS;
  key_of(id, key);
  const size_t chars[] = {3, strlen(key), blob_bytes};
  redisReply  *reply   = expect(r, REDIS_REPLY_STATUS, &result, 3, words, chars);
  freeReplyObject(reply);
  return result;
}

static void drop(void *state, const char *id) {
  redis_t    *r = state;
  char        key[sizeof PREFIX + TF_MODEL_STORE_ID_CHARS];
  const char *words[] = {"DEL", key};
  if (connect_again(r) != TF_MODEL_STORE_DONE) return;
  key_of(id, key);
  redisReply *reply = tf_redis_call_ask(&r->call, 2, words, NULL);
  if (!reply) (void)put_off(r);
  freeReplyObject(reply);
}

const tf_model_store_t tf_store_redis = {.name      = "redis",
                                         .is_shared = true,
                                         .open      = open_redis,
                                         .close     = close_redis,
                                         .get       = get,
                                         .put       = put,
                                         .drop      = drop};
