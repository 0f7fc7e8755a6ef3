/* A group's store in a Redis, redis://HOST:PORT/DB:
 *
 *   tickfuse:group:{NAME}:table         a hash: revision, bytes
 *   tickfuse:group:{NAME}:snap:PPPP:0   a hash: epoch, frame, bytes. The newest snapshot of a partition
 *   tickfuse:group:{NAME}:snap:PPPP:1   the one before
 *
 * A swap and a put are a script each, which Redis does as a whole or not at all. A revision is a number of chance: should Redis lose what
 * it had, no table that comes later has that of an earlier one.
 *
 * Redis has to keep what it has acknowledged: appendonly yes, maxmemory-policy noeviction, and no failover to a replica that may be
 * behind (docs/scale.md). */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/redis_call.h"
#include "core/error.h"
#include "group/frame.h"

#define KEY_BYTES 96u

typedef struct redis {
  tf_redis_call_t call;
  const char     *group;
} redis_t;

/* KEYS: table. ARGV: the revision that it is behind, its own, the bytes. */
static const char SWAP[] =
    "if (redis.call('HGET',KEYS[1],'revision') or '0') ~= ARGV[1] then return 0 end "
    "redis.call('HSET',KEYS[1],'revision',ARGV[2],'bytes',ARGV[3]) return 1";

/* KEYS: the newest, the one before. ARGV: epoch, frame, bytes. */
static const char PUT[] =
    "local epoch = redis.call('HGET',KEYS[1],'epoch') "
    "if epoch and tonumber(epoch) > tonumber(ARGV[1]) then return 0 end "
    "if epoch then redis.call('RENAME',KEYS[1],KEYS[2]) end "
    "redis.call('HSET',KEYS[1],'epoch',ARGV[1],'frame',ARGV[2],'bytes',ARGV[3]) return 1";

static tf_err_t open_redis(const tf_group_store_config_t *config, void **state) {
  *state = NULL;
  if (!config->broker.url)
    return TF_ERR(E_CONFIG_VALUE, "group.url: it is wanted with store: redis, for example "
                                  "redis://127.0.0.1:6379");
  redis_t *r = calloc(1, sizeof *r);
  if (!r) return TF_ERR(E_CORE_NO_MEMORY, "the group's store %s", config->broker.url);
  r->group     = config->group;
  tf_err_t err = tf_redis_call_init(&r->call, config->broker.url, config->broker.user,
                                    config->broker.password_file, config->timeout_ns);
  if (err) {
    free(r);
    return tf_error_add(err, "group.url");
  }
  *state = r;
  return TF_OK;
}

static void close_redis(void *state) {
  redis_t *r = state;
  if (r) tf_redis_call_fini(&r->call);
  free(r);
}

/* ---- one question ---- */

static tf_group_result_t fail(redis_t *r, const char *what, const char *why) {
  (void)tf_redis_call_fail(&r->call, what, why);
  return TF_GROUP_FAILED;
}

/* An answer of that type; NULL: FAILED, and the error says why. */
static redisReply *ask(redis_t *r, int type, int word_cnt, const char **words,
                       const size_t *chars) {
  redisReply *reply = tf_redis_call_ask(&r->call, word_cnt, words, chars);
  if (!reply || reply->type == type) return reply;
  (void)fail(r, words[0],
             reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer of another type");
  freeReplyObject(reply);
  return NULL;
}

/* What of a hash's field is there: its length, before it is carried over the network. */
static tf_group_result_t length_of(redis_t *r, const char *key, const char *field,
                                   uint64_t *bytes_cnt) {
  const char *words[] = {"HSTRLEN", key, field};
  redisReply *reply   = ask(r, REDIS_REPLY_INTEGER, 3, words, NULL);
  if (!reply) return TF_GROUP_FAILED;
  *bytes_cnt = (uint64_t)reply->integer;
  freeReplyObject(reply);
  return TF_GROUP_DONE;
}

/* Two fields of a hash, by one question, so that they belong together. LOST: there is no such hash. */
static redisReply *two_fields(redis_t *r, const char *key, const char *first, const char *second,
                              tf_group_result_t *result) {
  const char *words[] = {"HMGET", key, first, second};
  redisReply *reply   = ask(r, REDIS_REPLY_ARRAY, second ? 4 : 3, words, NULL);
  *result             = TF_GROUP_FAILED;
  if (!reply) return NULL;
  bool   is_there = true, is_gone = true;
  size_t cnt = second ? 2 : 1;
  for (size_t i = 0; i < reply->elements && i < cnt; i++) {
    is_there &= reply->element[i]->type == REDIS_REPLY_STRING;
    is_gone &= reply->element[i]->type == REDIS_REPLY_NIL;
  }
  if (reply->elements == cnt && is_there) {
    *result = TF_GROUP_DONE;
    return reply;
  }
  *result = reply->elements == cnt && is_gone ? TF_GROUP_LOST
                                              : fail(r, key, "another hash than a group's");
  freeReplyObject(reply);
  return NULL;
}

/* A script's 1 is DONE, its 0 LOST. */
static tf_group_result_t run(redis_t *r, int word_cnt, const char **words, const size_t *chars) {
  redisReply *reply = ask(r, REDIS_REPLY_INTEGER, word_cnt, words, chars);
  if (!reply) return TF_GROUP_FAILED;
  tf_group_result_t result = reply->integer ? TF_GROUP_DONE : TF_GROUP_LOST;
  freeReplyObject(reply);
  return result;
}

/* ---- the table ---- */

static void table_key(const redis_t *r, char key[KEY_BYTES]) {
  snprintf(key, KEY_BYTES, "tickfuse:group:{%s}:table", r->group);
}

static tf_group_result_t take_table(redis_t *r, const redisReply *reply, void *bytes, size_t cap,
                                    size_t *bytes_cnt, uint64_t *revision) {
  const redisReply *text = reply->element[0], *table = reply->element[1];
  char             *end;
  *revision = strtoull(text->str, &end, 10);
  if (*end || *revision == 0) return fail(r, "table", "its revision is no number");
  if (table->len > cap) return fail(r, "table", "too large for a table");
  memcpy(bytes, table->str, table->len);
  *bytes_cnt = table->len;
  return TF_GROUP_DONE;
}

static tf_group_result_t read_table(void *state, void *bytes, size_t cap, size_t *bytes_cnt,
                                    uint64_t *revision) {
  redis_t *r = state;
  char     key[KEY_BYTES];
  uint64_t length;
  table_key(r, key);
  *bytes_cnt               = 0;
  *revision                = 0;
  tf_group_result_t result = length_of(r, key, "bytes", &length);
  if (result == TF_GROUP_DONE && length > cap) return fail(r, key, "too large for a table");
  if (result != TF_GROUP_DONE) return result;
  redisReply *reply = two_fields(r, key, "revision", "bytes", &result);
  if (!reply) return result == TF_GROUP_LOST ? TF_GROUP_DONE : result;
  result = take_table(r, reply, bytes, cap, bytes_cnt, revision);
  freeReplyObject(reply);
  return result;
}

static uint64_t random_revision(void) {
  uint64_t revision = 0;
  while (revision == 0 && getrandom(&revision, sizeof revision, 0) != sizeof revision) continue;
  return revision;
}

static tf_group_result_t swap(void *state, const void *bytes, size_t bytes_cnt,
                              uint64_t *revision) {
  redis_t *r = state;
  char     key[KEY_BYTES], before[24], after[24];
  uint64_t own = random_revision();
  table_key(r, key);
  snprintf(before, sizeof before, "%llu", (unsigned long long)*revision);
  snprintf(after, sizeof after, "%llu", (unsigned long long)own);
  const char  *words[] = {"EVAL", SWAP, "1", key, before, after, bytes};
  const size_t chars[] = {4,        sizeof SWAP - 1, 1, strlen(key), strlen(before), strlen(after),
                          bytes_cnt};
  tf_group_result_t result = run(r, 7, words, chars);
  if (result == TF_GROUP_DONE) *revision = own;
  return result;
}

/* ---- snapshots ---- */

static void snap_key(const redis_t *r, uint32_t partition, uint32_t age, char key[KEY_BYTES]) {
  snprintf(key, KEY_BYTES, "tickfuse:group:{%s}:snap:%04u:%u", r->group, partition, age);
}

static tf_group_result_t take_bytes(redis_t *r, const tf_group_frame_t *frame,
                                    const redisReply *field, uint8_t **bytes) {
  if (field->len != frame->snapshot.bytes_cnt)
    return fail(r, "snapshot", "it has another length than its frame says");
  if (tf_group_frame_check(frame, field->str)) return TF_GROUP_FAILED;
  if (!(*bytes = malloc(field->len + 1))) return fail(r, "snapshot", "no memory");
  memcpy(*bytes, field->str, field->len);
  return TF_GROUP_DONE;
}

static tf_group_result_t get(void *state, uint32_t partition, uint32_t age,
                             tf_group_snapshot_t *snapshot, uint8_t **bytes) {
  redis_t         *r = state;
  char             key[KEY_BYTES];
  tf_group_frame_t frame;
  uint64_t         length;
  snap_key(r, partition, age, key);
  tf_group_result_t result = length_of(r, key, "bytes", &length);
  if (result == TF_GROUP_DONE && length > TF_GROUP_SNAPSHOT_BYTES_MAX)
    return fail(r, key, "larger than a snapshot may be");
  if (result != TF_GROUP_DONE) return result;
  redisReply *reply = two_fields(r, key, "frame", bytes ? "bytes" : NULL, &result);
  if (!reply) return result;
  if (tf_group_frame_read(&frame, reply->element[0]->str, reply->element[0]->len, partition))
    result = TF_GROUP_FAILED;
  else if (bytes)
    result = take_bytes(r, &frame, reply->element[1], bytes);
  if (result == TF_GROUP_DONE) *snapshot = frame.snapshot;
  freeReplyObject(reply);
  return result;
}

static tf_group_result_t put(void *state, const tf_group_snapshot_t *snapshot, const void *bytes) {
  redis_t         *r = state;
  char             newest[KEY_BYTES], before[KEY_BYTES], epoch[16];
  tf_group_frame_t frame;
  snap_key(r, snapshot->partition, 0, newest);
  snap_key(r, snapshot->partition, 1, before);
  snprintf(epoch, sizeof epoch, "%u", snapshot->epoch);
  tf_group_frame_make(&frame, snapshot, bytes);
  const char  *words[] = {"EVAL", PUT, "2", newest, before, epoch, (const char *)&frame, bytes};
  const size_t chars[] = {4,
                          sizeof PUT - 1,
                          1,
                          strlen(newest),
                          strlen(before),
                          strlen(epoch),
                          sizeof frame,
                          snapshot->bytes_cnt};
  return run(r, 8, words, chars);
}

extern const tf_group_store_t tf_group_store_redis;
const tf_group_store_t        tf_group_store_redis = {.name  = "redis",
                                                      .help  = "a Redis or a Valkey",
                                                      .open  = open_redis,
                                                      .close = close_redis,
                                                      .read  = read_table,
                                                      .swap  = swap,
                                                      .put   = put,
                                                      .get   = get};
