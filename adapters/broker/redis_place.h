/* Where a Redis is: redis://HOST:PORT or redis://HOST:PORT/DB. Pure. */
#ifndef TF_BROKER_REDIS_PLACE_H
#define TF_BROKER_REDIS_PLACE_H

#include "tf/base.h"

#define TF_REDIS_HOST_BYTES   256u
#define TF_REDIS_SECRET_BYTES 513u /* of a password, with its NUL: Redis takes any length */

#define TF_REDIS_WHY_BYTES 384u

typedef struct tf_redis_place {
  char host[TF_REDIS_HOST_BYTES];
  int  port, db;
} tf_redis_place_t;

/* True: *place is the url's. Else why says what is wrong with it, and quotes no password that somebody put there. */
bool tf_redis_place_read(const char *url, tf_redis_place_t *place, char why[TF_REDIS_WHY_BYTES]);

#endif
