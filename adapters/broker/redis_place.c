#include "broker/redis_place.h"

#include <stdio.h>
#include <string.h>

static bool refuse(char why[TF_REDIS_WHY_BYTES], const char *url, const char *text) {
  if (strchr(url, '@'))
    snprintf(why, TF_REDIS_WHY_BYTES,
             "the address of a Redis holds an @: user and password file have keys of their own");
  else
    snprintf(why, TF_REDIS_WHY_BYTES, "\"%.200s\": %s", url, text);
  return false;
}

bool tf_redis_place_read(const char *url, tf_redis_place_t *place, char why[TF_REDIS_WHY_BYTES]) {
  char host[TF_REDIS_HOST_BYTES];
  int  port, db = 0, used = 0, more = 0;
  if (!strncmp(url, "rediss://", strlen("rediss://")))
    return refuse(why, url,
                  "no TLS here; redis://127.0.0.1:PORT of a tunnel (stunnel) to it will do");
  bool good = sscanf(url, "redis://%255[^:/@]:%d%n", host, &port, &used) == 2 && used > 0;
  if (good && url[used] == '/' && url[used + 1])
    good = sscanf(url + used, "/%d%n", &db, &more) == 1 && url[used + more] == '\0';
  else if (good)
    good = url[used] == '\0' || url[used] == '/';
  if (!good || port < 1 || port > 65535 || db < 0)
    return refuse(why, url, "expected redis://HOST:PORT or redis://HOST:PORT/DB");
  *place = (tf_redis_place_t){.port = port, .db = db};
  memcpy(place->host, host, sizeof host);
  return true;
}
