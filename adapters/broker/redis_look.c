#include "broker/redis_look.h"

#include <stdlib.h>
#include <string.h>

#include "broker/reach.h"
#include "broker/redis_call.h"
#include "core/clock.h"
#include "core/error.h"

/* "1042-0": the part that rises with each entry of a sink's of ours. */
static uint64_t major_of(const redisReply *id) {
  return id->type == REDIS_REPLY_STRING ? strtoull(id->str, NULL, 10) : 0;
}

/* XINFO STREAM: name, value, name, value. */
static void take_info(const redisReply *answer, tf_broker_standing_t *s) {
  s->is_there = true;
  for (size_t i = 0; i + 1 < answer->elements; i += 2) {
    const redisReply *name = answer->element[i], *value = answer->element[i + 1];
    if (name->type != REDIS_REPLY_STRING) continue;
    if (!strcmp(name->str, "length") && value->type == REDIS_REPLY_INTEGER && value->integer > 0)
      s->message_cnt = (uint64_t)value->integer;
    if (!strcmp(name->str, "last-generated-id")) s->end = major_of(value);
    if (!strcmp(name->str, "first-entry") && value->type == REDIS_REPLY_ARRAY &&
        value->elements > 0 && major_of(value->element[0]) > 0)
      s->begin = major_of(value->element[0]) - 1;
  }
}

static tf_err_t take_answer(tf_redis_call_t *call, const redisReply *answer,
                            tf_broker_standing_t *s) {
  if (answer->type == REDIS_REPLY_ARRAY) {
    take_info(answer, s);
    return TF_OK;
  }
  if (answer->type != REDIS_REPLY_ERROR)
    return tf_redis_call_fail(call, "XINFO STREAM", "an answer of another type");
  if (!strncmp(answer->str, "ERR no such key", 15)) return TF_OK;
  if (!strncmp(answer->str, "NOAUTH", 6) || !strncmp(answer->str, "NOPERM", 6))
    s->step = TF_BROKER_LOGIN;
  return tf_redis_call_fail(call, "XINFO STREAM", answer->str);
}

static tf_err_t ask(tf_redis_call_t *call, const tf_broker_config_t *reach,
                    tf_broker_standing_t *s) {
  const char *words[] = {"XINFO", "STREAM", reach->stream};
  tf_err_t    err     = tf_redis_call_connect(call);
  if (err) {
    s->step = strstr(tf_error_text(), ": AUTH: ") ? TF_BROKER_LOGIN : TF_BROKER_REACH;
    return err;
  }
  s->step                 = TF_BROKER_STREAM;
  const uint64_t asked_ns = tf_clock_monotonic_ns();
  redisReply    *answer   = tf_redis_call_ask(call, TF_ARRAY_CNT(words), words, NULL);
  s->answer_ns            = tf_clock_monotonic_ns() - asked_ns;
  if (!answer) return tf_error_code();
  err = take_answer(call, answer, s);
  freeReplyObject(answer);
  return err;
}

tf_err_t tf_redis_look(const tf_broker_config_t *reach, int32_t partition, uint64_t wait_ns_max,
                       tf_broker_standing_t *s) {
  tf_redis_call_t call;
  (void)partition;
  *s           = (tf_broker_standing_t){.step = TF_BROKER_REACH};
  tf_err_t err = tf_reach_want(reach);
  if (err) return err;
  s->step = TF_BROKER_LOGIN; /* a secret that cannot be read */
  err     = tf_redis_call_init(&call, reach->url, reach->user, reach->password_file, wait_ns_max);
  if (err) return err;
  err = ask(&call, reach, s);
  if (!err) s->step = TF_BROKER_DONE;
  tf_redis_call_fini(&call);
  return err;
}
