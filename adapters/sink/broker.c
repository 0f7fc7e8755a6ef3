#include "sink/broker.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "core/log.h"

#define LOG_INTERVAL_NS TF_NS_PER_SEC
#define WHY_BYTES       512

void tf_broker_init(tf_broker_t *b, const tf_sink_config_t *config) {
  memset(b, 0, sizeof *b);
  b->config = config;
  b->random = config->epoch | 1u;
}

/* Between a half and the whole, so that sinks which lost the same broker do not come back at once (xorshift). */
static uint64_t jitter(tf_broker_t *b, uint64_t ns) {
  b->random ^= b->random << 13;
  b->random ^= b->random >> 17;
  b->random ^= b->random << 5;
  return ns / 2 + (ns / 2 >> 16) * (b->random >> 16);
}

void tf_broker_trouble(tf_broker_t *b, uint64_t now_ns, const char *fmt, ...) {
  char    why[WHY_BYTES];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof why, fmt, args);
  va_end(args);
  for (char *c = why; *c; c++) /* it is quoted in the log, and a broker may have said it */
    *c = (unsigned char)(*c - ' ') >= 0x5f ? '?' : *c == '"' ? '\'' : *c;
  b->counts.errors++;
  b->wait_ns = b->wait_ns ? 2 * b->wait_ns : TF_BROKER_WAIT_NS_MIN;
  if (b->wait_ns > TF_BROKER_WAIT_NS_MAX) b->wait_ns = TF_BROKER_WAIT_NS_MAX;
  b->retry_ns = now_ns + jitter(b, b->wait_ns);
  (void)TF_ERR(E_SINK_IO, "sink %s: %s", b->config->name, why);
  if (now_ns < b->log_ns) {
    b->unlogged_cnt++;
    return;
  }
  tf_log(TF_LOG_WARN, "sink_trouble", "sink=%s type=%s left_out=%u why=\"%s\"", b->config->name,
         b->config->type, b->unlogged_cnt, why);
  b->log_ns       = now_ns + LOG_INTERVAL_NS;
  b->unlogged_cnt = 0;
}

void tf_broker_ready(tf_broker_t *b, uint64_t tail_seq) {
  b->counts.connects++;
  if (b->wait_ns || b->counts.connects == 1)
    tf_log(TF_LOG_INFO, "sink_ready", "sink=%s type=%s tail_seq=%llu", b->config->name,
           b->config->type, (unsigned long long)tail_seq);
}

short tf_broker_wait_for(int fd, bool writes, uint64_t wait_ns) {
  struct pollfd         at   = {.fd = fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
  const struct timespec wait = {(time_t)(wait_ns / TF_NS_PER_SEC), (long)(wait_ns % TF_NS_PER_SEC)};
  return ppoll(&at, 1, &wait, NULL) > 0 ? at.revents : 0;
}

tf_err_t tf_broker_want(const tf_sink_config_t *config, const char *key, const char *value,
                        const char *example) {
  if (value && *value) return TF_OK;
  return TF_ERR(E_SINK_CONFIG, "sink of type %s: no %s; for example %s", config->type, key,
                example);
}
