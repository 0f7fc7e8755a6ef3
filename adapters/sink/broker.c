#include "sink/broker.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include "core/error.h"
#include "core/log.h"

void tf_broker_init(tf_broker_t *b, const tf_sink_config_t *config) {
  *b = (tf_broker_t){.config = config, .reach = TF_BROKER_OF(config)};
  tf_trouble_init(&b->trouble, "sink", config->name, config->type, E_SINK_IO, config->epoch);
}

tf_err_t tf_broker_writer(const tf_sink_config_t *config, char writer[TF_BROKER_WRITER_BYTES]) {
  uint64_t chance = 0;
  if (getrandom(&chance, sizeof chance, 0) != (ssize_t)sizeof chance)
    return TF_ERR(E_CORE_SYSTEM, "sink %s: getrandom: %s", config->name, strerror(errno));
  snprintf(writer, TF_BROKER_WRITER_BYTES, "%016llx", (unsigned long long)chance);
  return TF_OK;
}

void tf_broker_trouble(tf_broker_t *b, uint64_t now_ns, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  b->counts.errors++;
  tf_trouble_say(&b->trouble, now_ns, fmt, args);
  va_end(args);
}

void tf_broker_ready(tf_broker_t *b, uint64_t tail_seq) {
  b->counts.connects++;
  if (b->trouble.wait_ns || b->counts.connects == 1)
    tf_log(TF_LOG_INFO, "sink_ready", "sink=%s type=%s tail_seq=%llu", b->config->name,
           b->config->type, (unsigned long long)tail_seq);
}

tf_err_t tf_broker_want(const tf_sink_config_t *config, const char *key, const char *value,
                        const char *example) {
  if (value && *value) return TF_OK;
  return TF_ERR(E_SINK_CONFIG, "sink of type %s: no %s; for example %s", config->type, key,
                example);
}
