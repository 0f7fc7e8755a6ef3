#include "source/reading.h"

#include <signal.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "tf/atomic.h"
#include "tf/feed.h"

#define REFUSED_LOG_NS TF_NS_PER_SEC

void tf_reading_init(tf_reading_t *r, const char *type, const tf_intake_config_t *config,
                     tf_inbox_t *inbox) {
  *r = (tf_reading_t){.config = *config, .inbox = inbox, .reach = TF_BROKER_OF(config)};
  tf_trouble_init(&r->trouble, "feed", config->name, type, E_SOURCE_IO,
                  config->partition * 2654435761u);
}

/* ---- messages ---- */

/* What the feed reads it as; false: nothing that it reads. */
static bool kind_of(const tf_reading_message_t *m, uint32_t *kind) {
  const char *type = m->content_type;
  *kind            = m->bytes[0] == '{' ? TF_FRAME_TEXT : TF_FRAME_BINARY;
  if (!type) return true;
  if (!strncmp(type, "application/x-ndjson", 20) || !strncmp(type, "application/json", 16))
    *kind = TF_FRAME_TEXT;
  else if (!strncmp(type, "application/octet-stream", 24))
    *kind = TF_FRAME_BINARY;
  else
    return false;
  return true;
}

static void refuse(tf_reading_t *r, const tf_reading_message_t *m, uint64_t now_ns,
                   const char *why) {
  tf_count_add(&r->counts.refused, 1);
  if (now_ns < r->refused_log_ns) return;
  r->refused_log_ns = now_ns + REFUSED_LOG_NS;
  tf_log(TF_LOG_WARN, "feed_message_refused", "feed=%s type=%s position=%llu bytes=%zu why=\"%s\"",
         r->config.name, r->trouble.type, (unsigned long long)m->position, m->bytes_cnt, why);
}

void tf_reading_moved(tf_reading_t *r, uint64_t position) {
  tf_store_relaxed(&r->counts.position, position); /* relaxed: a word by itself */
}

/* Why it cannot be handed on; NULL: it can. */
static const char *fault_of(const tf_reading_t *r, const tf_reading_message_t *m, uint32_t *kind) {
  if (m->bytes_cnt == 0) return "it is empty";
  if (m->bytes_cnt > r->config.message_bytes_max) return "it is longer than message_bytes_max";
  if (strlen(m->target) >= TF_INBOX_TARGET_BYTES_MAX) return "its subject is too long";
  if (!kind_of(m, kind)) return "its content type is neither JSON lines nor records";
  return NULL;
}

bool tf_reading_take(tf_reading_t *r, const tf_reading_message_t *m, uint64_t now_ns) {
  uint32_t    kind  = 0;
  const char *fault = fault_of(r, m, &kind);
  bool        again = m->record_id && m->record_id <= r->record_id;
  if (again) {
    tf_count_add(&r->counts.doubles, 1);
  } else if (fault) {
    refuse(r, m, now_ns, fault);
  } else if (!tf_inbox_put(r->inbox, &(tf_inbox_message_t){.recv_ns   = tf_clock_wall_ns(),
                                                           .position  = m->position,
                                                           .bytes_cnt = (uint32_t)m->bytes_cnt,
                                                           .kind      = kind,
                                                           .target    = m->target,
                                                           .bytes     = m->bytes})) {
    if (!r->is_full) tf_count_add(&r->counts.busy, 1);
    r->is_full = true;
    return false;
  } else {
    tf_count_add(&r->counts.messages, 1);
    tf_count_add(&r->counts.bytes, m->bytes_cnt);
    tf_trouble_over(&r->trouble);
  }
  r->is_full = false;
  if (m->record_id > r->record_id) r->record_id = m->record_id;
  tf_reading_moved(r, m->position);
  return true;
}

/* ---- what becomes of the stream ---- */

void tf_reading_gap(tf_reading_t *r, uint64_t from, uint64_t to) {
  tf_count_add(&r->counts.gaps, to - from + 1);
  tf_log(TF_LOG_WARN, "feed_gap", "feed=%s type=%s from=%llu to=%llu%s", r->config.name,
         r->trouble.type, (unsigned long long)from, (unsigned long long)to,
         r->config.partition_cnt ? " of=\"all partitions\"" : "");
}

void tf_reading_lag(tf_reading_t *r, uint64_t lag) {
  tf_store_relaxed(&r->counts.lag, lag); /* relaxed: a word by itself */
}

void tf_reading_up(tf_reading_t *r, bool is_up) {
  if (r->counts.is_up == is_up) return;
  tf_count_add(is_up ? &r->counts.connects : &r->counts.disconnects, 1);
  tf_store_relaxed(&r->counts.is_up, is_up); /* relaxed: a word by itself */
  if (is_up)
    tf_log(TF_LOG_INFO, "feed_ready", "feed=%s type=%s position=%llu", r->config.name,
           r->trouble.type, (unsigned long long)r->counts.position);
}

void tf_reading_trouble(tf_reading_t *r, uint64_t now_ns, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  tf_count_add(&r->counts.errors, 1);
  tf_trouble_say(&r->trouble, now_ns, fmt, args);
  va_end(args);
}

void tf_reading_counts(const tf_reading_t *r, tf_intake_counts_t *counts) {
  TF_STATIC_ASSERT(sizeof *counts % sizeof(uint64_t) == 0, "the counts are words");
  tf_words_from_shared((uint64_t *)counts, (const uint64_t *)&r->counts,
                       sizeof *counts / sizeof(uint64_t));
}

/* ---- the thread ---- */

tf_err_t tf_reading_start(tf_reading_t *r, void *(*run)(void *self), void *self) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int sys_errno = pthread_create(&r->thread, NULL, run, self);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (sys_errno)
    return TF_ERR(E_CORE_THREAD, "feed %s: its thread: %s", r->config.name, strerror(sys_errno));
  return TF_OK;
}

bool tf_reading_stops(const tf_reading_t *r) {
  return tf_load_relaxed(&r->stops) != 0; /* relaxed: the end orders nothing but itself */
}

void tf_reading_stop(tf_reading_t *r) {
  tf_store_relaxed(&r->stops, 1); /* relaxed: as tf_reading_stops */
  (void)pthread_join(r->thread, NULL);
}

tf_err_t tf_reading_want(const tf_intake_config_t *config, const char *key, const char *value,
                         const char *example) {
  if (value && *value) return TF_OK;
  return TF_ERR(E_SOURCE_CONFIG, "feed %s: no %s; for example %s", config->name, key, example);
}
