#include "broker/redis_place.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/secret.h"

tf_err_t tf_redis_place_parse(const char *url, tf_redis_place_t *place) {
  int used = 0, more = 0;
  *place = (tf_redis_place_t){.db = 0};
  if (strchr(url, '@')) /* a password perhaps: not to be quoted */
    return TF_ERR(E_BROKER_CONFIG,
                  "the address of a Redis holds an @: the user goes into user, the "
                  "password into password_file");
  if (!strncmp(url, "rediss://", strlen("rediss://")))
    return TF_ERR(E_BROKER_CONFIG,
                  "\"%s\": no TLS here; redis://127.0.0.1:PORT of a tunnel (stunnel) will do", url);
  bool good =
      sscanf(url, "redis://%255[^:/]:%d%n", place->host, &place->port, &used) == 2 && used > 0;
  if (good && url[used] == '/' && url[used + 1])
    good = sscanf(url + used, "/%d%n", &place->db, &more) == 1 && url[used + more] == '\0';
  else if (good)
    good = url[used] == '\0' || url[used] == '/';
  if (good && place->port >= 1 && place->port <= 65535 && place->db >= 0) return TF_OK;
  return TF_ERR(E_BROKER_CONFIG, "\"%s\": expected redis://HOST:PORT or redis://HOST:PORT/DB", url);
}

tf_err_t tf_redis_place_check(const char *stream, const char *user, const char *password_file) {
  char password[TF_REDIS_SECRET_BYTES]; /* is it to be had? */
  if (strlen(stream) > TF_REDIS_KEY_BYTES_MAX)
    return TF_ERR(E_BROKER_CONFIG, "stream: a key of %zu bytes; at most %u are allowed",
                  strlen(stream), TF_REDIS_KEY_BYTES_MAX);
  if (user && !password_file) return TF_ERR(E_BROKER_CONFIG, "user is given, and no password_file");
  if (!password_file) return TF_OK;
  tf_err_t err = tf_secret_read(password_file, password, sizeof password);
  tf_secret_wipe(password, sizeof password);
  return err;
}
