/* Questions to a Redis, one at a time, each of which waits for its answer: for the control plane. hiredis does the work; names are
 * resolved in the caller's time.
 *
 * Where there is a password file a connection begins with AUTH. The file is read each time, so that a password may be changed under way,
 * and is forgotten afterwards. Whatever goes wrong ends the connection, so no late answer meets a later question. Plain TCP:
 * Debian 12's hiredis has no TLS, so past one's own network a tunnel (stunnel, WireGuard) is wanted. One thread. */
#ifndef TF_BROKER_REDIS_CALL_H
#define TF_BROKER_REDIS_CALL_H

#include <hiredis/hiredis.h>

#include "broker/redis_place.h"
#include "tf/err.h"

typedef struct tf_redis_call {
  const char      *url, *user, *password_file; /* the caller's; NULL: not given */
  uint64_t         timeout_ns;                 /* of connecting, and of each answer */
  tf_redis_place_t place;
  redisContext    *context; /* NULL: not connected */
} tf_redis_call_t;

/* Connects to nobody yet. E_CONFIG_VALUE: the url; a user without a password file. What reading the secret gives. */
tf_err_t tf_redis_call_init(tf_redis_call_t *call, const char *url, const char *user,
                            const char *password_file, uint64_t timeout_ns);
void     tf_redis_call_fini(tf_redis_call_t *call); /* accepts a zeroed one */

/* Is connected, or becomes so. E_BROKER_IO. */
tf_err_t tf_redis_call_connect(tf_redis_call_t *call);

/* chars NULL: words are texts. The answer, for freeReplyObject, whatever Redis says in it; NULL: none came, E_BROKER_IO is recorded. */
redisReply *tf_redis_call_ask(tf_redis_call_t *call, int word_cnt, const char **words,
                              const size_t *chars);

/* Records E_BROKER_IO, "URL: WHAT: WHY", and ends the connection. */
tf_err_t tf_redis_call_fail(tf_redis_call_t *call, const char *what, const char *why);

#endif
