#include "feed/backoff.h"

#include <string.h>

#define DOUBLINGS_MAX 20

tf_backoff_config_t tf_backoff_config_default(void) {
  return (tf_backoff_config_t){
      .base_ns   = TF_NS_PER_SEC,
      .bound_ns  = 30 * TF_NS_PER_SEC,
      .gap_ns    = TF_NS_PER_SEC,
      .lived_ns  = 60 * TF_NS_PER_SEC,
      .window_ns = 300 * TF_NS_PER_SEC,
  };
}

void tf_backoff_init(tf_backoff_t *b, const tf_backoff_config_t *config) {
  memset(b, 0, sizeof *b);
  b->config = *config;
}

void tf_backoff_attempt(tf_backoff_t *b, uint64_t now_ns) {
  b->attempts_ns[b->attempt_cnt % TF_BACKOFF_ATTEMPTS_MAX] = now_ns;
  b->attempt_cnt++;
}

static uint64_t not_before(const tf_backoff_t *b, uint64_t due_ns) {
  if (b->attempt_cnt == 0) return due_ns;
  uint64_t newest   = b->attempts_ns[(b->attempt_cnt - 1) % TF_BACKOFF_ATTEMPTS_MAX];
  uint64_t earliest = newest + b->config.gap_ns;
  if (due_ns < earliest) due_ns = earliest;
  if (b->attempt_cnt >= TF_BACKOFF_ATTEMPTS_MAX) {
    earliest = b->attempts_ns[b->attempt_cnt % TF_BACKOFF_ATTEMPTS_MAX] + b->config.window_ns;
    if (due_ns < earliest) due_ns = earliest;
  }
  return due_ns;
}

uint64_t tf_backoff_ended(tf_backoff_t *b, uint64_t now_ns, uint64_t up_ns, uint64_t hold_ns,
                          uint32_t random) {
  if (up_ns >= b->config.lived_ns) b->failure_cnt = 0;
  uint64_t bound    = b->config.base_ns;
  uint32_t doubling = b->failure_cnt < DOUBLINGS_MAX ? b->failure_cnt : DOUBLINGS_MAX;
  for (uint32_t i = 0; i < doubling && bound < b->config.bound_ns; i++) bound *= 2;
  if (bound > b->config.bound_ns) bound = b->config.bound_ns;
  b->failure_cnt++;
  uint64_t delay = tf_backoff_draw(bound, random);
  return not_before(b, now_ns + (delay > hold_ns ? delay : hold_ns));
}

uint64_t tf_backoff_at_once(tf_backoff_t *b, uint64_t now_ns, uint64_t up_ns, uint32_t random) {
  /* Announced but short-lived all the same: no better than any other failure. */
  if (up_ns < b->config.lived_ns) return tf_backoff_ended(b, now_ns, up_ns, 0, random);
  b->failure_cnt  = 0;
  uint64_t jitter = b->config.base_ns < TF_NS_PER_SEC ? b->config.base_ns : TF_NS_PER_SEC;
  return not_before(b, now_ns + tf_backoff_draw(jitter, random));
}
