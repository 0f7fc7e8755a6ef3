#include "file/outcome_reader.h"

#include <string.h>

/* The next record with outcomes. */
static bool next_record(tf_outcome_reader_t *r) {
  tf_capture_item_t item;
  while (tf_capture_reader_next(&r->capture, &item) == TF_CAPTURE_READ_RECORD) {
    if (item.tap.kind != TF_TAP_OUTCOMES) continue;
    r->bytes     = (const uint8_t *)item.tap.bytes;
    r->bytes_cnt = item.tap.bytes_cnt;
    return true;
  }
  return false;
}

/* One of the record in hand. False: what is there is none. */
static bool unpack(tf_outcome_reader_t *r) {
  tf_outcome_t *o = &r->outcome;
  if (r->bytes_cnt < sizeof *o) return false;
  memcpy(o, r->bytes, sizeof *o);
  const uint32_t bytes = tf_outcome_bytes(o->out_cnt);
  if (o->out_cnt > TF_OUTCOME_OUTPUTS_MAX || bytes > r->bytes_cnt || o->asked >= TF_ASKED_CNT)
    return false;
  memcpy(r->out, r->bytes + sizeof *o, o->out_cnt * sizeof *r->out);
  r->bytes += bytes;
  r->bytes_cnt -= bytes;
  return true;
}

/* Of a tick, and not about the run. */
static bool is_of_tick(const tf_outcome_t *o) {
  return o->model_idx != TF_OUTCOME_BEGIN && o->model_idx != TF_OUTCOME_REVIVED;
}

static const tf_outcome_t *peek(void *self, const float **out) {
  tf_outcome_reader_t *r = self;
  while (!r->has_one) {
    if (r->is_damaged || (r->bytes_cnt == 0 && !next_record(r))) return NULL;
    r->is_damaged = !unpack(r);
    r->has_one    = !r->is_damaged && is_of_tick(&r->outcome);
  }
  *out = r->out;
  return &r->outcome;
}

static void take(void *self) { ((tf_outcome_reader_t *)self)->has_one = false; }

tf_outcomes_t tf_outcome_reader_source(tf_outcome_reader_t *r) {
  return (tf_outcomes_t){.self = r, .peek = peek, .take = take};
}

tf_err_t tf_outcome_reader_init(tf_outcome_reader_t *r, const char *path, bool *has_any) {
  memset(r, 0, sizeof *r);
  *has_any     = false;
  tf_err_t err = tf_capture_reader_init(&r->capture, path);
  if (err) return err;
  tf_capture_item_t item;
  if (tf_capture_reader_next(&r->capture, &item) != TF_CAPTURE_READ_RECORD ||
      item.tap.kind != TF_TAP_OUTCOMES)
    return TF_OK;
  r->bytes     = (const uint8_t *)item.tap.bytes;
  r->bytes_cnt = item.tap.bytes_cnt;
  *has_any     = unpack(r) && r->outcome.model_idx == TF_OUTCOME_BEGIN;
  r->models    = r->outcome.instrument_id;
  return TF_OK;
}

void tf_outcome_reader_fini(tf_outcome_reader_t *r) {
  tf_capture_reader_fini(&r->capture);
  memset(r, 0, sizeof *r);
}
