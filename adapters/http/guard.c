#include "http/guard.h"

#include <libwebsockets.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "tf/atomic.h"

#define LOG_NS_BETWEEN TF_NS_PER_SEC

bool tf_http_guard_is_loopback(const char *host) {
  static const char *const names[]  = {"localhost", "127.0.0.1", "[::1]"};
  const char              *port     = host[0] == '[' ? strchr(host, ']') : host;
  size_t                   host_cnt = strlen(host);
  port                              = port ? strchr(port, ':') : NULL;
  if (port) {
    host_cnt = (size_t)(port - host);
    if (strspn(port + 1, "0123456789") != strlen(port + 1)) return false;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(names); i++)
    if (strlen(names[i]) == host_cnt && strncasecmp(host, names[i], host_cnt) == 0) return true;
  return false;
}

bool tf_http_guard_origin(const char *origin, const char *host, bool loopback) {
  const char *there = strstr(origin, "://");
  if (!there) return false; /* "null": a file, a sandbox */
  there += 3;
  return strcasecmp(there, host) == 0 || (loopback && tf_http_guard_is_loopback(there));
}

/* Any listener's thread may come here. */
static void on_log(int level, const char *line) {
  static uint64_t last_ns, held_cnt;
  uint64_t        now_ns    = tf_clock_monotonic_ns();
  uint64_t        before_ns = tf_load_relaxed(&last_ns); /* relaxed: a line too many is no harm */
  if (before_ns && now_ns - before_ns < LOG_NS_BETWEEN) {
    tf_count_add(&held_cnt, 1);
    return;
  }
  tf_log(level == LLL_ERR ? TF_LOG_ERROR : TF_LOG_WARN, "libwebsockets", "held=%llu text=\"%.*s\"",
         (unsigned long long)tf_load_relaxed(&held_cnt), /* relaxed: as above */
         (int)strcspn(line, "\n"), line);
  tf_store_relaxed(&last_ns, now_ns); /* relaxed: as above */
  tf_store_relaxed(&held_cnt, 0);     /* relaxed: as above */
}

void tf_http_guard_log(void) { lws_set_log_level(LLL_ERR | LLL_WARN, on_log); }
