/* Events out of one stream of Redis, each entry once and in order: XREAD behind the id that was read last. An id is
 * MAJOR-MINOR and only rises; a sink of ours writes SEQUENCE-0 (adapters/sink/redis.c), others mostly a time, so position is
 * MAJOR. The field says what an entry is: `json` lines, `record` a record.
 *
 *   IDLE --retry_ns--> dial, AUTH, SELECT, XINFO --> READING: XREAD BLOCK, and XINFO where nothing comes --trouble--> IDLE
 *
 * hiredis' own blocking calls, on this intake's thread: a wait is WAIT_MS at most, a connection and an answer ANSWER_NS. A stream
 * whose last id is below what was read was set back, and is read from its beginning. What was trimmed before it was read is told
 * where ids are a sink's of ours and so many as they say (their numbers have no holes but of kinds that have some: an upper bound).
 * No TLS: Debian 12's hiredis has none. */
#include <hiredis/hiredis.h>
#include <limits.h>
#include <string.h>

#include "broker/peer.h"
#include "broker/redis_look.h"
#include "broker/redis_place.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "core/secret.h"
#include "source/reading.h"

#define WAIT_MS      "200"
#define ENTRIES_MAX  "256" /* of one answer */
#define ANSWER_NS    (5 * TF_NS_PER_SEC)
#define ELEMENTS_MAX 4096 /* of one array: an answer has ENTRIES_MAX, an entry two for a field */

typedef struct entry_id {
  uint64_t major, minor;
} entry_id_t;

typedef struct redis {
  tf_reading_t     reading;
  tf_redis_place_t place;
  redisContext    *context; /* NULL: none */
  bool             has_position;
  bool             is_ours; /* what was read last is a sink's of ours */
  entry_id_t       seen;
  uint64_t         now_ns;
} redis_t;

/* ---- what an answer may be ---- */

static redisReplyObjectFunctions calls; /* hiredis' own, but for arrays */
static void *(*create_array)(const redisReadTask *, int);

/* hiredis takes memory for as many elements as an answer claims. */
static void *create_bounded_array(const redisReadTask *task, int element_cnt) {
  return element_cnt > ELEMENTS_MAX ? NULL : create_array(task, element_cnt);
}

static void make_calls(void) {
  redisReader *reader = redisReaderCreate();
  TF_ASSERT(reader);
  calls             = *reader->fn;
  create_array      = calls.createArray;
  calls.createArray = create_bounded_array;
  redisReaderFree(reader);
}

/* ---- trouble ---- */

static const char *key_of(const redis_t *r) { return r->reading.config.stream; }

static void hang_up(redis_t *r) {
  if (r->context) redisFree(r->context);
  r->context = NULL;
  tf_reading_up(&r->reading, false);
}

#define TROUBLE(r, ...)                                                                            \
  do {                                                                                             \
    hang_up(r);                                                                                    \
    tf_reading_trouble(&(r)->reading, (r)->now_ns, __VA_ARGS__);                                   \
  } while (0)

/* The answer, of that type; else NULL, and the trouble is told. */
static redisReply *answer_of(redis_t *r, void *given, int type, const char *command) {
  redisReply *answer = given;
  if (!answer) {
    char why[sizeof r->context->errstr];
    snprintf(why, sizeof why, "%s", r->context->errstr);
    TROUBLE(r, "%s: %s", command, why);
  } else if (answer->type == type ||
             (type == REDIS_REPLY_ARRAY && answer->type == REDIS_REPLY_NIL)) {
    return answer;
  } else {
    char why[128];
    snprintf(why, sizeof why, "%.120s",
             answer->type == REDIS_REPLY_ERROR ? answer->str : "an answer of another kind");
    freeReplyObject(answer);
    TROUBLE(r, "%s: %s", command, why);
  }
  return NULL;
}

/* ---- a connection ---- */

static bool simple(redis_t *r, void *given, const char *command) {
  redisReply *answer = answer_of(r, given, REDIS_REPLY_STATUS, command);
  if (answer) freeReplyObject(answer);
  return answer != NULL;
}

static bool log_in(redis_t *r) {
  const tf_intake_config_t *config = &r->reading.config;
  char                      password[TF_REDIS_SECRET_BYTES];
  bool                      done = true;
  if (config->password_file) {
    if (tf_secret_read(config->password_file, password, sizeof password)) {
      TROUBLE(r, "%s", tf_error_text());
      return false;
    }
    done = simple(r,
                  config->user ? redisCommand(r->context, "AUTH %s %s", config->user, password)
                               : redisCommand(r->context, "AUTH %s", password),
                  "AUTH");
    tf_secret_wipe(password, sizeof password);
  }
  return done && (r->place.db == 0 ||
                  simple(r, redisCommand(r->context, "SELECT %d", r->place.db), "SELECT"));
}

static bool dial(redis_t *r) {
  static const struct timeval wait = {.tv_sec = ANSWER_NS / TF_NS_PER_SEC};
  r->context                       = redisConnectWithTimeout(r->place.host, r->place.port, wait);
  if (!r->context || r->context->err) {
    char why[128];
    snprintf(why, sizeof why, "%.120s", r->context ? r->context->errstr : "no memory");
    TROUBLE(r, "%s:%d: %s", r->place.host, r->place.port, why);
    return false;
  }
  if (tf_peer_is_self(r->context->fd)) {
    TROUBLE(r, "%s:%d: nobody listens there: the connection was to itself", r->place.host,
            r->place.port);
    return false;
  }
  r->context->reader->fn = &calls;
  (void)redisSetTimeout(r->context, wait);
  return log_in(r);
}

/* ---- where the stream stands ---- */

/* "1042-0" */
static bool read_id(const redisReply *text, entry_id_t *id) {
  char *end;
  if (text->type != REDIS_REPLY_STRING || text->len > 41 || text->str[0] < '0' ||
      text->str[0] > '9')
    return false;
  id->major = strtoull(text->str, &end, 10);
  if (*end != '-' || end[1] < '0' || end[1] > '9') return false;
  id->minor = strtoull(end + 1, &end, 10);
  return *end == '\0';
}

typedef struct standing {
  bool       is_there, has_first;
  entry_id_t last, first; /* that was ever given; that is still there */
} standing_t;

/* XINFO STREAM: name, value, name, value. */
static void read_standing(const redisReply *answer, standing_t *standing) {
  for (size_t i = 0; i + 1 < answer->elements; i += 2) {
    const redisReply *name = answer->element[i], *value = answer->element[i + 1];
    if (name->type != REDIS_REPLY_STRING) continue;
    if (!strcmp(name->str, "last-generated-id"))
      standing->is_there = read_id(value, &standing->last);
    if (!strcmp(name->str, "first-entry") && value->type == REDIS_REPLY_ARRAY &&
        value->elements > 0)
      standing->has_first = read_id(value->element[0], &standing->first);
  }
}

/* False: trouble, told. A key that is not there is an empty stream. */
static bool look(redis_t *r, standing_t *standing) {
  redisReply *answer = redisCommand(r->context, "XINFO STREAM %s", key_of(r));
  *standing          = (standing_t){.is_there = false};
  if (answer && answer->type == REDIS_REPLY_ERROR && !strncmp(answer->str, "ERR no such key", 15)) {
    freeReplyObject(answer);
    return true;
  }
  if (!(answer = answer_of(r, answer, REDIS_REPLY_ARRAY, "XINFO STREAM"))) return false;
  read_standing(answer, standing);
  freeReplyObject(answer);
  return true;
}

static void move_to(redis_t *r, entry_id_t id) {
  r->seen = id;
  tf_reading_moved(&r->reading, id.major);
}

/* The first time that the stream is seen. */
static void take_start(redis_t *r, const standing_t *standing) {
  const tf_intake_config_t *config = &r->reading.config;
  r->has_position                  = true;
  if (config->start == TF_INTAKE_BEHIND)
    move_to(r, (entry_id_t){config->start_position, UINT64_MAX});
  else if (config->start == TF_INTAKE_NEW)
    move_to(r, standing->last);
}

static void take_standing(redis_t *r, const standing_t *standing) {
  entry_id_t seen = r->seen;
  if (!r->has_position) take_start(r, standing);
  if (seen.major > 0 && (!standing->is_there || seen.major > standing->last.major)) {
    tf_log(TF_LOG_WARN, "feed_stream_set_back",
           "feed=%s type=redis stream=%s position=%llu last=%llu", r->reading.config.name,
           key_of(r), (unsigned long long)seen.major, (unsigned long long)standing->last.major);
    move_to(r, (entry_id_t){0, 0});
  }
  if (standing->has_first && r->is_ours && standing->first.major > r->seen.major + 1) {
    tf_reading_gap(&r->reading, r->seen.major + 1, standing->first.major - 1);
    move_to(r, (entry_id_t){standing->first.major - 1, UINT64_MAX});
  }
  tf_reading_lag(&r->reading,
                 standing->last.major > r->seen.major ? standing->last.major - r->seen.major : 0);
}

/* ---- entries ---- */

static const char *type_of(const char *field) {
  if (!strcmp(field, "record")) return "application/octet-stream";
  if (!strcmp(field, "json")) return "application/x-ndjson";
  if (!strcmp(field, "cbor")) return "application/cbor-seq";
  return NULL;
}

/* [id, [field, value, ..]]. False: it is none. */
static bool take_entry(redis_t *r, const redisReply *entry) {
  entry_id_t id;
  if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || !read_id(entry->element[0], &id))
    return false;
  const redisReply *fields    = entry->element[1];
  bool              has_field = fields->type == REDIS_REPLY_ARRAY && fields->elements >= 2 &&
                   fields->element[0]->type == REDIS_REPLY_STRING &&
                   fields->element[1]->type == REDIS_REPLY_STRING;
  const char          *type    = has_field ? type_of(fields->element[0]->str) : NULL;
  tf_reading_message_t message = {.position     = id.major,
                                  .record_id    = type && id.minor == 0 ? id.major : 0,
                                  .target       = key_of(r),
                                  .content_type = type,
                                  .bytes        = has_field ? fields->element[1]->str : "",
                                  .bytes_cnt    = has_field ? fields->element[1]->len : 0};
  r->is_ours                   = message.record_id != 0;
  while (!tf_reading_take(&r->reading, &message, r->now_ns) && !tf_reading_stops(&r->reading)) {
    (void)tf_peer_wait(-1, false, TF_READING_FULL_NS);
    r->now_ns = tf_clock_monotonic_ns();
  }
  r->seen = id;
  return true;
}

/* Ids of ours jump: were the entries between trimmed? */
static void look_at_jump(redis_t *r, const redisReply *entry) {
  entry_id_t id;
  standing_t standing;
  if (r->is_ours && entry->elements == 2 && read_id(entry->element[0], &id) &&
      id.major > r->seen.major + 1 && look(r, &standing))
    take_standing(r, &standing);
}

/* [[key, [entry, ..]]] */
static void take_entries(redis_t *r, const redisReply *answer) {
  bool is_good = answer->elements == 1 && answer->element[0]->type == REDIS_REPLY_ARRAY &&
                 answer->element[0]->elements == 2 &&
                 answer->element[0]->element[1]->type == REDIS_REPLY_ARRAY;
  const redisReply *entries = is_good ? answer->element[0]->element[1] : NULL;
  if (is_good && entries->elements > 0) look_at_jump(r, entries->element[0]);
  for (size_t i = 0;
       is_good && r->context && i < entries->elements && !tf_reading_stops(&r->reading); i++)
    is_good = take_entry(r, entries->element[i]);
  if (!is_good) TROUBLE(r, "XREAD: an answer that is no list of entries");
}

static void read_on(redis_t *r) {
  char id[48];
  snprintf(id, sizeof id, "%llu-%llu", (unsigned long long)r->seen.major,
           (unsigned long long)r->seen.minor);
  redisReply *answer = redisCommand(
      r->context, "XREAD COUNT " ENTRIES_MAX " BLOCK " WAIT_MS " STREAMS %s %s", key_of(r), id);
  standing_t standing;
  if (!(answer = answer_of(r, answer, REDIS_REPLY_ARRAY, "XREAD"))) return;
  r->now_ns = tf_clock_monotonic_ns();
  if (answer->type == REDIS_REPLY_ARRAY)
    take_entries(r, answer);
  else if (look(r, &standing))
    take_standing(r, &standing);
  freeReplyObject(answer);
}

/* ---- the thread ---- */

static void pass(redis_t *r) {
  standing_t standing;
  r->now_ns = tf_clock_monotonic_ns();
  if (r->context) {
    read_on(r);
  } else if (r->now_ns < r->reading.trouble.retry_ns) {
    (void)tf_peer_wait(-1, false, TF_READING_FULL_NS);
  } else if (dial(r) && look(r, &standing)) {
    take_standing(r, &standing);
    tf_reading_up(&r->reading, true);
  }
}

static void *run(void *self) {
  redis_t *r = self;
  char     name[16];
  snprintf(name, sizeof name, "tf:%.12s", r->reading.config.name);
  tf_cpu_pin(-1, name);
  while (!tf_reading_stops(&r->reading)) pass(r);
  hang_up(r);
  return NULL;
}

/* ---- open, close ---- */

static tf_err_t check(const tf_intake_config_t *config, const char **key) {
  tf_redis_place_t place;
  *key         = "broker";
  tf_err_t err = tf_reading_want(config, *key, config->url, "\"redis://127.0.0.1:6379\"");
  if (!err) err = tf_redis_place_parse(config->url, &place);
  if (err) return err;
  *key = "stream";
  err  = tf_reading_want(config, *key, config->stream, "events");
  return err ? err : tf_redis_place_check(config->stream, config->user, config->password_file);
}

static void say(const tf_intake_config_t *config, char *text, size_t cap) {
  snprintf(text, cap, "stream %s of %s", config->stream, config->url);
}

static size_t state_bytes(const tf_intake_config_t *config) {
  (void)config;
  return sizeof(redis_t);
}

static tf_err_t redis_open(void *state, const tf_intake_config_t *config, tf_inbox_t *inbox) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  redis_t              *r    = state;
  const char           *key;
  tf_err_t              err = check(config, &key);
  if (err) return err;
  (void)pthread_once(&once, make_calls);
  memset(r, 0, sizeof *r);
  tf_reading_init(&r->reading, "redis", config, inbox);
  (void)tf_redis_place_parse(config->url, &r->place); /* checked */
  err = tf_reading_start(&r->reading, run, r);
  return err ? tf_error_add(err, "feed %s", config->name) : TF_OK;
}

static void redis_close(void *state) { tf_reading_stop(&((redis_t *)state)->reading); }

static void counts(const void *state, tf_intake_counts_t *counts) {
  tf_reading_counts(&((const redis_t *)state)->reading, counts);
}

extern const tf_intake_t tf_intake_redis;
const tf_intake_t        tf_intake_redis = {.name = "redis",
                                            .help = "a stream of Redis; url: the server, stream: the key",
                                            .keys        = "broker stream start user password_file",
                                            .state_bytes = state_bytes,
                                            .check       = check,
                                            .open        = redis_open,
                                            .close       = redis_close,
                                            .counts      = counts,
                                            .say         = say,
                                            .look        = tf_redis_look};
