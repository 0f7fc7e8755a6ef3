#include "broker/trouble.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"

#define LOG_INTERVAL_NS TF_NS_PER_SEC
#define WHY_BYTES       512

void tf_trouble_init(tf_trouble_t *t, const char *part, const char *name, const char *type,
                     tf_err_t code, uint32_t random) {
  *t        = (tf_trouble_t){.part = part, .name = name, .type = type, .code = code};
  t->random = random | 1u;
}

/* Between a half and the whole (xorshift). */
static uint64_t jitter(tf_trouble_t *t, uint64_t ns) {
  t->random ^= t->random << 13;
  t->random ^= t->random >> 17;
  t->random ^= t->random << 5;
  return ns / 2 + (ns / 2 >> 16) * (t->random >> 16);
}

void tf_trouble_say(tf_trouble_t *t, uint64_t now_ns, const char *fmt, va_list args) {
  char why[WHY_BYTES], event[32];
  vsnprintf(why, sizeof why, fmt, args);
  for (char *c = why; *c; c++) /* it is quoted in the log, and a broker may have said it */
    *c = (unsigned char)(*c - ' ') >= 0x5f ? '?' : *c == '"' ? '\'' : *c;
  t->wait_ns = t->wait_ns ? 2 * t->wait_ns : TF_TROUBLE_WAIT_NS_MIN;
  if (t->wait_ns > TF_TROUBLE_WAIT_NS_MAX) t->wait_ns = TF_TROUBLE_WAIT_NS_MAX;
  t->retry_ns = now_ns + jitter(t, t->wait_ns);
  (void)TF_ERR(t->code, "%s %s: %s", t->part, t->name, why);
  if (now_ns < t->log_ns) {
    t->unlogged_cnt++;
    return;
  }
  snprintf(event, sizeof event, "%s_trouble", t->part);
  tf_log(TF_LOG_WARN, event, "%s=%s type=%s left_out=%u why=\"%s\"", t->part, t->name, t->type,
         t->unlogged_cnt, why);
  t->log_ns       = now_ns + LOG_INTERVAL_NS;
  t->unlogged_cnt = 0;
}
