#include "broker/redis_call.h"

#include <string.h>

#include "broker/peer.h"
#include "core/error.h"
#include "core/secret.h"

tf_err_t tf_redis_call_init(tf_redis_call_t *call, const char *url, const char *user,
                            const char *password_file, uint64_t timeout_ns) {
  char secret[TF_REDIS_SECRET_BYTES]; /* is it to be had? */
  char why[TF_REDIS_WHY_BYTES];
  *call = (tf_redis_call_t){
      .url = url, .user = user, .password_file = password_file, .timeout_ns = timeout_ns};
  if (!tf_redis_place_read(url, &call->place, why)) return TF_ERR(E_CONFIG_VALUE, "%s", why);
  if (user && !password_file)
    return TF_ERR(E_CONFIG_VALUE, "\"%s\": a user is given, and no password file", url);
  if (!password_file) return TF_OK;
  tf_err_t err = tf_secret_read(password_file, secret, sizeof secret);
  tf_secret_wipe(secret, sizeof secret);
  return err;
}

void tf_redis_call_fini(tf_redis_call_t *call) {
  if (call->context) redisFree(call->context);
  call->context = NULL;
}

tf_err_t tf_redis_call_fail(tf_redis_call_t *call, const char *what, const char *why) {
  tf_err_t err = TF_ERR(E_BROKER_IO, "%s: %s: %s", call->url, what, why);
  tf_redis_call_fini(call);
  return err;
}

redisReply *tf_redis_call_ask(tf_redis_call_t *call, int word_cnt, const char **words,
                              const size_t *chars) {
  if (tf_redis_call_connect(call)) return NULL;
  redisReply *reply = redisCommandArgv(call->context, word_cnt, words, chars);
  if (!reply) (void)tf_redis_call_fail(call, words[0], call->context->errstr);
  return reply;
}

/* ---- a connection ---- */

/* A question whose answer is OK. */
static tf_err_t greet(tf_redis_call_t *call, int word_cnt, const char **words) {
  char        why[160];
  redisReply *reply = redisCommandArgv(call->context, word_cnt, words, NULL);
  bool        good  = reply && reply->type == REDIS_REPLY_STATUS;
  snprintf(why, sizeof why, "%s",
           !reply       ? call->context->errstr
           : reply->str ? reply->str
                        : "an answer of another type");
  freeReplyObject(reply);
  return good ? TF_OK : tf_redis_call_fail(call, words[0], why);
}

/* By name, or as the default user. */
static tf_err_t authenticate(tf_redis_call_t *call) {
  char        secret[TF_REDIS_SECRET_BYTES];
  const char *named[] = {"AUTH", call->user, secret}, *unnamed[] = {"AUTH", secret};
  tf_err_t    err = tf_secret_read(call->password_file, secret, sizeof secret);
  if (err)
    tf_redis_call_fini(call);
  else
    err = call->user ? greet(call, 3, named) : greet(call, 2, unnamed);
  tf_secret_wipe(secret, sizeof secret);
  return err;
}

static tf_err_t choose_db(tf_redis_call_t *call) {
  char        number[16];
  const char *words[] = {"SELECT", number};
  snprintf(number, sizeof number, "%d", call->place.db);
  return greet(call, 2, words);
}

tf_err_t tf_redis_call_connect(tf_redis_call_t *call) {
  if (call->context) return TF_OK;
  const struct timeval timeout = {(time_t)(call->timeout_ns / TF_NS_PER_SEC),
                                  (suseconds_t)(call->timeout_ns % TF_NS_PER_SEC / 1000)};
  call->context = redisConnectWithTimeout(call->place.host, call->place.port, timeout);
  if (!call->context) return tf_redis_call_fail(call, "connect", "no memory");
  if (call->context->err) return tf_redis_call_fail(call, "connect", call->context->errstr);
  if (tf_peer_is_self(call->context->fd))
    return tf_redis_call_fail(call, "connect", "nobody listens there");
  if (redisSetTimeout(call->context, timeout) != REDIS_OK)
    return tf_redis_call_fail(call, "timeout", call->context->errstr);
  tf_err_t err = call->password_file ? authenticate(call) : TF_OK;
  if (!err && call->place.db) err = choose_db(call);
  return err;
}
