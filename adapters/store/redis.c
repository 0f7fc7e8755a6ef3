/* A Redis (or Valkey) that engines share: redis://HOST:PORT/DB, models under tickfuse:model:ID.
 *
 * The connection is made when it is first wanted, and again after it broke, at the earliest WAIT_NS_MIN after the last failure
 * and twice as long after each further one; in between the store is not to be had, which costs nobody time. How
 * much Redis holds, and what it forgets, is its own maxmemory and maxmemory-policy.
 *
 * Where there is a password file the connection begins with AUTH. The file is read each time, so that a password may be changed
 * under way, and is forgotten afterwards. The connection is plain TCP: Debian 12's hiredis has no TLS, so past one's own network a tunnel
 * (stunnel, WireGuard) is wanted. */
#include <hiredis/hiredis.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/secret.h"
#include "tf/model_store.h"

#define PREFIX       "tickfuse:model:"
#define SECRET_BYTES 513 /* of a password, with its NUL: Redis takes any length */
#define WAIT_NS_MIN  (TF_NS_PER_SEC)
#define WAIT_NS_MAX  (30 * TF_NS_PER_SEC)

typedef struct redis {
  tf_model_store_config_t config;
  char                    host[256];
  int                     port, db;
  redisContext           *context;           /* NULL: not connected */
  uint64_t                wait_ns, again_ns; /* after failures: not before */
} redis_t;

static tf_err_t parse(const char *where, redis_t *r) {
  char host[256];
  int  used = 0;
  r->db     = 0;
  bool good = sscanf(where, "redis://%255[^:/@]:%d%n", host, &r->port, &used) == 2 && used > 0;
  if (good && where[used] == '/' && where[used + 1]) {
    int more = 0;
    good     = sscanf(where + used, "/%d%n", &r->db, &more) == 1 && where[used + more] == '\0';
  } else if (good) {
    good = where[used] == '\0' || where[used] == '/';
  }
  if (!strncmp(where, "rediss://", strlen("rediss://")))
    return TF_ERR(E_CONFIG_VALUE,
                  "\"%s\": no TLS here; redis://127.0.0.1:PORT of a tunnel (stunnel) to it will do",
                  where);
  if (strchr(where, '@'))
    return TF_ERR(E_CONFIG_VALUE, "the address of a Redis holds an @: the user goes into "
                                  "redis_user, the password into redis_password_file");
  if (!good || r->port < 1 || r->port > 65535 || r->db < 0)
    return TF_ERR(E_CONFIG_VALUE, "\"%s\": expected redis://HOST:PORT or redis://HOST:PORT/DB",
                  where);
  memcpy(r->host, host, sizeof host);
  return TF_OK;
}

static tf_err_t open_redis(const tf_model_store_config_t *config, void **state) {
  redis_t *r = calloc(1, sizeof *r);
  *state     = NULL;
  if (!r) return TF_ERR(E_CORE_NO_MEMORY, "the store %s", config->where);
  r->config    = *config;
  tf_err_t err = parse(config->where, r);
  char     password[SECRET_BYTES]; /* is it to be had? */
  if (!err && config->user && !config->password_file)
    err = TF_ERR(E_CONFIG_VALUE, "redis_user is given, and no redis_password_file");
  if (!err && config->password_file)
    err = tf_secret_read(config->password_file, password, sizeof password);
  tf_secret_wipe(password, sizeof password);
  if (err) {
    free(r);
    return err;
  }
  *state = r;
  return TF_OK;
}

static void disconnect(redis_t *r) {
  if (r->context) redisFree(r->context);
  r->context = NULL;
}

static void close_redis(void *state) {
  if (state) disconnect(state);
  free(state);
}

/* ---- one command ---- */

static tf_model_store_result_t fail(redis_t *r, const char *what, const char *text) {
  (void)TF_ERR(E_CORE_SYSTEM, "%s: %s: %s", r->config.where, what, text);
  disconnect(r);
  r->wait_ns = r->wait_ns ? 2 * r->wait_ns : WAIT_NS_MIN;
  if (r->wait_ns > WAIT_NS_MAX) r->wait_ns = WAIT_NS_MAX;
  r->again_ns = tf_clock_monotonic_ns() + r->wait_ns;
  return TF_MODEL_STORE_FAILED;
}

static redisReply *ask(redis_t *r, int word_cnt, const char **words, const size_t *chars) {
  return redisCommandArgv(r->context, word_cnt, words, chars);
}

static tf_model_store_result_t select_db(redis_t *r) {
  char        number[16];
  const char *words[] = {"SELECT", number};
  snprintf(number, sizeof number, "%d", r->db);
  redisReply             *reply = ask(r, 2, words, NULL);
  bool                    good  = reply && reply->type == REDIS_REPLY_STATUS;
  tf_model_store_result_t done  = TF_MODEL_STORE_DONE;
  if (!good) done = fail(r, "SELECT", reply && reply->str ? reply->str : r->context->errstr);
  freeReplyObject(reply);
  return done;
}

/* By name, or as the default user. */
static tf_model_store_result_t authenticate(redis_t *r) {
  char        password[SECRET_BYTES];
  const char *named[] = {"AUTH", r->config.user, password}, *unnamed[] = {"AUTH", password};
  if (tf_secret_read(r->config.password_file, password, sizeof password)) {
    char why[TF_ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", tf_error_text());
    return fail(r, "AUTH", why);
  }
  redisReply *reply = r->config.user ? ask(r, 3, named, NULL) : ask(r, 2, unnamed, NULL);
  tf_secret_wipe(password, sizeof password);
  bool                    good = reply && reply->type == REDIS_REPLY_STATUS;
  tf_model_store_result_t done = TF_MODEL_STORE_DONE;
  if (!good) done = fail(r, "AUTH", reply && reply->str ? reply->str : r->context->errstr);
  freeReplyObject(reply);
  return done;
}

static tf_model_store_result_t connect_again(redis_t *r) {
  if (r->context) return TF_MODEL_STORE_DONE;
  if (tf_clock_monotonic_ns() < r->again_ns) {
    (void)TF_ERR(E_CORE_SYSTEM, "%s: it failed, and is asked again later", r->config.where);
    return TF_MODEL_STORE_FAILED;
  }
  const struct timeval timeout = {(time_t)(r->config.timeout_ns / TF_NS_PER_SEC),
                                  (suseconds_t)(r->config.timeout_ns % TF_NS_PER_SEC / 1000)};
  r->context                   = redisConnectWithTimeout(r->host, r->port, timeout);
  if (!r->context) return fail(r, "connect", "no memory");
  if (r->context->err) return fail(r, "connect", r->context->errstr);
  if (redisSetTimeout(r->context, timeout) != REDIS_OK)
    return fail(r, "timeout", r->context->errstr);
  if (r->config.password_file && authenticate(r) != TF_MODEL_STORE_DONE)
    return TF_MODEL_STORE_FAILED;
  if (r->db && select_db(r) != TF_MODEL_STORE_DONE) return TF_MODEL_STORE_FAILED;
  r->wait_ns = 0;
  return TF_MODEL_STORE_DONE;
}

static void key_of(const char *id, char key[sizeof PREFIX + TF_MODEL_STORE_ID_CHARS]) {
  snprintf(key, sizeof PREFIX + TF_MODEL_STORE_ID_CHARS, PREFIX "%.64s", id);
}

/* An answer of that type, or NULL after fail: what Redis itself refuses (no memory, read only) is one, too. */
static redisReply *expect(redis_t *r, redisReply *reply, const char *command, int type,
                          tf_model_store_result_t *result) {
  if (reply && reply->type == type) return reply;
  if (reply && reply->type == REDIS_REPLY_NIL)
    *result = TF_MODEL_STORE_MISS;
  else
    *result = fail(r, command,
                   !reply       ? r->context->errstr
                   : reply->str ? reply->str
                                : "an answer of another type");
  freeReplyObject(reply);
  return NULL;
}

/* ---- the store ---- */

/* Asked before, so that a value which is none of ours is not carried over the network. */
static tf_model_store_result_t check_length(redis_t *r, const char *key) {
  tf_model_store_result_t result  = TF_MODEL_STORE_DONE;
  const char             *words[] = {"STRLEN", key};
  redisReply *reply = expect(r, ask(r, 2, words, NULL), "STRLEN", REDIS_REPLY_INTEGER, &result);
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
  redisReply *reply = expect(r, ask(r, 2, words, NULL), "GET", REDIS_REPLY_STRING, &result);
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
  redisReply  *reply   = expect(r, ask(r, 3, words, chars), "SET", REDIS_REPLY_STATUS, &result);
  freeReplyObject(reply);
  return result;
}

static void drop(void *state, const char *id) {
  redis_t    *r = state;
  char        key[sizeof PREFIX + TF_MODEL_STORE_ID_CHARS];
  const char *words[] = {"DEL", key};
  if (connect_again(r) != TF_MODEL_STORE_DONE) return;
  key_of(id, key);
  redisReply *reply = ask(r, 2, words, NULL);
  if (!reply) (void)fail(r, "DEL", r->context->errstr);
  freeReplyObject(reply);
}

const tf_model_store_t tf_store_redis = {.name      = "redis",
                                         .is_shared = true,
                                         .open      = open_redis,
                                         .close     = close_redis,
                                         .get       = get,
                                         .put       = put,
                                         .drop      = drop};
