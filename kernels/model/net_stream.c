#include "model/net_stream.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"

/* At the beginning of a state. */
typedef struct head {
  uint32_t seen; /* rows, up to window */
  bool     due;  /* the deferred work of the last row */
} head_t;
TF_STATIC_ASSERT(sizeof(head_t) <= TF_LINE_BYTES, "the tensors begin a line further");

static float *tensors_of(void *state) {
  return (float *)(void *)((uint8_t *)state + TF_LINE_BYTES);
}

void tf_net_stream_reset(const tf_net_stream_t *s, void *state) {
  (void)s;
  memset(state, 0, sizeof(head_t));
}

static void move_histories(const tf_net_stream_t *s, float *tensors) {
  for (uint32_t i = 0; i < s->shift_cnt; i++) {
    float *at = tensors + s->shifts[i].at;
    memmove(at, at + s->shifts[i].by, s->shifts[i].cnt * sizeof *at);
  }
}

void tf_net_stream_advance(const tf_net_stream_t *s, void *state, void *scratch) {
  head_t *head    = state;
  float  *tensors = tensors_of(state);
  if (!head->due) return;
  move_histories(s, tensors);
  if (s->deferred) tf_net_plan_run_part(s->deferred, tensors, scratch, NULL, NULL);
  head->due = false;
}

bool tf_net_stream_step(const tf_net_stream_t *s, void *state, void *scratch, const float *row,
                        float *out) {
  head_t *head = state;
  tf_net_stream_advance(s, state, scratch);
  if (head->seen < s->window) head->seen++;
  const bool full = head->seen == s->window;
  tf_net_plan_run_part(s->timed, tensors_of(state), scratch, row, full ? out : NULL);
  head->due = true;
  return full;
}

void tf_net_stream_profile(const tf_net_stream_t *s, void *state, void *scratch, const float *row,
                           float *out, tf_net_stream_profile_t *p) {
  head_t *head    = state;
  float  *tensors = tensors_of(state);
  tf_net_stream_advance(s, state, scratch);
  if (head->seen < s->window) head->seen++;
  tf_net_plan_profile(s->timed, tensors, scratch, row, out, p->timed);
  uint64_t begin = tf_clock_ticks();
  move_histories(s, tensors);
  uint64_t taken = tf_clock_ticks() - begin;
  if (taken < p->shifts) p->shifts = taken;
  if (s->deferred) tf_net_plan_profile(s->deferred, tensors, scratch, NULL, NULL, p->deferred);
}

static tf_err_t build(tf_net_stream_t *s, const tf_net_t *net, tf_isa_t isa,
                      tf_precision_t precision, tf_net_cut_t *cut) {
  tf_err_t err = tf_net_plan_new_part(cut->timed, isa, precision, cut->answer, &s->timed);
  if (!err && cut->deferred)
    err = tf_net_plan_new_part(cut->deferred, isa, precision, TF_NET_NONE, &s->deferred);
  if (err) return err;
  s->window        = net->window;
  s->state_bytes   = TF_LINE_BYTES + cut->state_floats * sizeof(float);
  s->scratch_bytes = s->timed->scratch_bytes;
  if (s->deferred && s->scratch_bytes < s->deferred->scratch_bytes)
    s->scratch_bytes = s->deferred->scratch_bytes;
  s->shifts = cut->shifts, cut->shifts = NULL;
  s->shares = cut->shares, cut->shares = NULL;
  s->shift_cnt = cut->shift_cnt;
  return TF_OK;
}

tf_err_t tf_net_stream_new(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                           tf_net_stream_t **stream) {
  tf_net_cut_t cut;
  *stream            = NULL;
  tf_net_stream_t *s = calloc(1, sizeof *s);
  if (!s) return TF_ERR(E_CORE_NO_MEMORY, "a plan");
  tf_err_t err = tf_net_cut_init(&cut, net);
  if (!err) err = build(s, net, isa, precision, &cut);
  tf_net_cut_fini(&cut);
  if (err)
    tf_net_stream_delete(s);
  else
    *stream = s;
  return err;
}

tf_err_t tf_net_stream_check(const tf_net_stream_t *s, const tf_net_t *net) {
  if (s->timed->flops * 100 <= net->flops * TF_NET_STREAM_TIMED_PERCENT_MAX) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "the newest row is in %llu of %llu operations",
                (unsigned long long)s->timed->flops, (unsigned long long)net->flops);
}

void tf_net_stream_delete(tf_net_stream_t *s) {
  if (!s) return;
  tf_net_plan_delete(s->timed);
  tf_net_plan_delete(s->deferred);
  free(s->shifts);
  free(s->shares);
  free(s);
}
