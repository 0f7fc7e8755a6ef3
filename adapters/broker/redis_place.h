/* Where a Redis is: redis://HOST:PORT or redis://HOST:PORT/DB. Pure; any thread. */
#ifndef TF_BROKER_REDIS_PLACE_H
#define TF_BROKER_REDIS_PLACE_H

#include "tf/err.h"

#define TF_REDIS_HOST_BYTES    256u
#define TF_REDIS_KEY_BYTES_MAX 512u /* of a stream's key */
#define TF_REDIS_SECRET_BYTES  513u /* of a password, with its NUL; as of the model cache's Redis */

typedef struct tf_redis_place {
  char host[TF_REDIS_HOST_BYTES];
  int  port, db;
} tf_redis_place_t;

/* E_BROKER_CONFIG: the text says what was found and what is expected. */
tf_err_t tf_redis_place_parse(const char *url, tf_redis_place_t *place);

/* The stream's key, and that user comes with a password_file that can be read; NULL: not given. E_BROKER_CONFIG, or
 * what reading a secret gives. */
tf_err_t tf_redis_place_check(const char *stream, const char *user, const char *password_file);

#endif
