#include "boot/outcomes.h"

#include <stdlib.h>
#include <string.h>

#include "boot/remotes.h"
#include "core/clock.h"
#include "core/error.h"

#define TAP_BYTES 8192u /* of outcomes in one record of the capture */

TF_STATIC_ASSERT(TAP_BYTES >= sizeof(tf_outcome_t) + 4 * TF_MODEL_OUTPUTS_MAX + 8,
                 "the largest outcome fits a record");

struct tf_outcome_capture {
  tf_source_t      source;
  tf_tap_t         tap;
  bool             is_stopping;
  uint64_t         captured; /* acquire's thread, then stop's */
  tf_outcome_log_t log;
  tf_remotes_t    *remotes; /* NULL: none */
};

static bool sheds(const tf_engine_t *e) {
  return e->config->engine.conflate_after_ns > 0 || e->config->engine.shed_low_after_ns > 0;
}

bool tf_outcomes_shed(const tf_engine_t *e) { return sheds(e) || e->options.outcomes; }

static void put_record(const tf_outcome_capture_t *c, const void *bytes, uint32_t bytes_cnt) {
  tf_tap_record_t record = {.recv_ns    = tf_clock_wall_ns(),
                            .source_idx = UINT32_MAX,
                            .kind       = TF_TAP_OUTCOMES,
                            .bytes_cnt  = bytes_cnt,
                            .bytes      = bytes};
  c->tap.on_record(c->tap.self, &record);
}

static int capture_all(tf_outcome_capture_t *c) {
  TF_ALIGNED(8) uint8_t bytes[TAP_BYTES];
  int                   work = 0;
  for (uint32_t cnt; (cnt = tf_outcome_log_take(&c->log, bytes, sizeof bytes, &c->captured));
       work++)
    put_record(c, bytes, cnt);
  for (tf_outcome_t mark; tf_remotes_take_mark(c->remotes, &mark); work++)
    put_record(c, &mark, sizeof mark);
  return work;
}

static int poll_outcomes(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  tf_outcome_capture_t *c = (tf_outcome_capture_t *)(void *)source;
  return TF_UNLIKELY(c->is_stopping) ? TF_SOURCE_DONE : capture_all(c);
}
TF_STATIC_ASSERT(offsetof(tf_outcome_capture_t, source) == 0, "a source is its capture");

static void stop_polling(tf_source_t *source) {
  ((tf_outcome_capture_t *)(void *)source)->is_stopping = true;
}

static const tf_source_ops_t source_ops = {.poll = poll_outcomes, .stop = stop_polling};

size_t tf_outcomes_bytes(const tf_engine_t *e) {
  uint32_t outputs = 0;
  size_t   bytes   = 0;
  bool     remotes = tf_remotes_models(e, &outputs) != 0;
  if (remotes || sheds(e)) bytes += tf_outcome_log_bytes(outputs);
  if (tf_outcomes_shed(e)) bytes += tf_shed_bytes(e->instruments.cap);
  return bytes;
}

tf_err_t tf_outcomes_open(tf_engine_t *e, tf_tap_t tap) {
  uint32_t outputs = 0, models = tf_remotes_models(e, &outputs);
  if (!tap.on_record || (models == 0 && !sheds(e))) return TF_OK;
  size_t bytes       = tf_align_up(sizeof(tf_outcome_capture_t), TF_LINE_PAIR_BYTES);
  e->outcome_capture = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  if (!e->outcome_capture) return TF_ERR(E_CORE_NO_MEMORY, "outcomes");
  tf_outcome_capture_t *c = e->outcome_capture;
  memset(c, 0, bytes);
  c->tap           = tap;
  c->remotes       = e->remotes;
  c->source.ops    = &source_ops;
  c->source.is_aid = true;
  tf_err_t err     = tf_outcome_log_init(&c->log, outputs, &e->arena);
  if (err) return err;
  tf_remotes_set_log(e->remotes, &c->log);
  e->runner.lane.shed.log = &c->log;
  /* Which models a worker answers, before anything else is captured. */
  tf_outcome_t begin = {.instrument_id = models, .model_idx = TF_OUTCOME_BEGIN};
  put_record(c, &begin, sizeof begin);
  return tf_acquire_add(&e->runner.acquire, &c->source);
}

void tf_outcomes_start(tf_engine_t *e) {
  tf_shed_t *shed = &e->runner.lane.shed;
  shed->outcomes  = e->options.outcomes;
  if (shed->outcomes) e->runner.lane.attention |= TF_ATTEND_OUTCOMES;
  shed->is_on = e->options.outcomes || (sheds(e) && !e->options.is_replay);
}

void tf_outcomes_stop(tf_outcome_capture_t *c) {
  if (c) (void)capture_all(c);
}

void tf_outcomes_fini(tf_outcome_capture_t *c) { free(c); }

uint64_t tf_outcomes_captured(const tf_outcome_capture_t *c) { return c ? c->captured : 0; }
