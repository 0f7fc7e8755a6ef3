#include "stage/emit.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/wait.h"
#include "tf/atomic.h"

TF_COLD static void sink_broke(tf_emit_sink_t *s, tf_err_t err) {
  s->broken = err;
  snprintf(s->broken_text, sizeof s->broken_text, "%s", tf_error_text());
  tf_log(TF_LOG_ERROR, "sink_broken", "sink=%s code=%s text=\"%s\"", s->sink->name,
         tf_error_name(err), s->broken_text);
}

/* Those at the front that it has already; a sink that can look compares them. */
TF_COLD static uint32_t pass_held(tf_emit_sink_t *s, const uint8_t *records, uint32_t n) {
  uint32_t cnt = 0;
  while (cnt < n && tf_record_seq(&s->shape, records + (size_t)cnt * s->shape.bytes) <= s->held_seq)
    cnt++;
  tf_err_t err = s->sink->check_held ? s->sink->check_held(s->state, records, cnt) : TF_OK;
  if (err) {
    sink_broke(s, err);
    return 0;
  }
  if (cnt < n) s->held_seq = 0; /* from here on it is all new */
  tf_count_add(&s->already_there, cnt);
  tf_count_add(&s->taken, cnt);
  return cnt;
}

static uint32_t offer_new(tf_emit_sink_t *s, const void *records, uint32_t n) {
  int k = s->sink->offer(s->state, records, n);
  if (TF_UNLIKELY(k < 0)) {
    sink_broke(s, k);
    return 0;
  }
  if (k > 0) s->block_ns_left = s->block_ns_max;
  tf_count_add(&s->taken, (uint64_t)k);
  return (uint32_t)k;
}

/* Offers the first n, without a wait; how many it took. */
static uint32_t offer_some(tf_emit_sink_t *s, const uint8_t *records, uint32_t n) {
  if (TF_UNLIKELY(s->broken)) return 0;
  if (TF_LIKELY(s->held_seq == 0)) return offer_new(s, records, n);
  uint32_t held = pass_held(s, records, n);
  if (s->broken || held == n) return held;
  return held + offer_new(s, records + (size_t)held * s->shape.bytes, n - held);
}

/* Run by run of what passes; how many of the n are dealt with. */
static uint32_t offer_filtered(tf_emit_sink_t *s, const uint8_t *records, uint32_t n) {
  const uint32_t bytes = s->filter->shape.bytes;
  for (uint32_t at = 0, end; at < n; at = end) {
    bool passes = tf_sink_filter_passes(s->filter, records + (size_t)at * bytes);
    for (end = at + 1; end < n; end++)
      if (tf_sink_filter_passes(s->filter, records + (size_t)end * bytes) != passes) break;
    if (!passes) {
      tf_count_add(&s->filtered, end - at);
      continue;
    }
    uint32_t taken = offer_some(s, records + (size_t)at * bytes, end - at);
    if (taken < end - at) return at + taken;
  }
  return n;
}

TF_INLINE uint32_t offer(tf_emit_sink_t *s, const uint8_t *records, uint32_t n) {
  if (TF_UNLIKELY(s->filter)) return offer_filtered(s, records, n);
  return offer_some(s, records, n);
}

/* The rest of what it was offered is given up. */
static void drop(tf_emit_sink_t *s, const uint8_t *records, uint32_t n) {
  uint32_t dropped = n;
  for (uint32_t i = 0; s->filter && i < n; i++)
    dropped -= !tf_sink_filter_passes(s->filter, records + (size_t)i * s->filter->shape.bytes);
  tf_count_add(&s->filtered, n - dropped);
  tf_count_add(s->broken ? &s->dropped_broken : &s->dropped_full, dropped);
}

static bool is_waited_for(const tf_emit_t *emit, const tf_emit_sink_t *s) {
  if (s->broken || s->block_ns_left == 0) return false;
  if (s->policy != TF_OVERFLOW_BLOCK && s->policy != TF_OVERFLOW_SPILL) return false;
  /* relaxed: a stop flag; nothing else is read on its word */
  if (emit->stopping && tf_load_relaxed_u32(emit->stopping)) return false;
  for (uint32_t i = 0; i < TF_CARRIES_CNT; i++)
    if (emit->behind[i] && tf_ring_fill_cnt(emit->behind[i]) >= emit->behind[i]->slot_cnt / 2)
      return false;
  return true;
}

/* What it did not take at once, after all the others had theirs. */
TF_COLD static void wait_or_drop(tf_emit_t *emit, tf_emit_sink_t *s, const uint8_t *records,
                                 uint32_t n, uint32_t record_bytes) {
  uint32_t taken = 0, turn = 0;
  uint64_t last_tsc = tf_clock_ticks();
  while (taken < n && is_waited_for(emit, s)) {
    s->blocked_passes++;
    if (s->block_ns_max == UINT64_MAX)
      tf_wait_turn(&turn); /* all others wait with it */
    else
      tf_spin_pause();
    taken += offer(s, records + (size_t)taken * record_bytes, n - taken);
    uint64_t now_tsc = tf_clock_ticks(), waited_ns = tf_clock_ticks_to_ns(now_tsc - last_tsc);
    last_tsc = now_tsc;
    if (s->block_ns_max != UINT64_MAX)
      s->block_ns_left -= waited_ns < s->block_ns_left ? waited_ns : s->block_ns_left;
  }
  if (taken < n) drop(s, records + (size_t)taken * record_bytes, n - taken);
}

/* To all that carry the kind. */
TF_INLINE void offer_all(tf_emit_t *emit, uint32_t carries, const uint8_t *records, uint32_t n,
                         uint32_t record_bytes) {
  uint32_t taken[TF_SINKS_MAX], short_cnt = 0;
  emit->handed[carries] += n;
  for (uint32_t s = 0; s < emit->sink_cnt; s++) {
    taken[s] = emit->sinks[s].shape.carries == carries ? offer(&emit->sinks[s], records, n) : n;
    short_cnt += taken[s] < n;
  }
  for (uint32_t s = 0; TF_UNLIKELY(short_cnt) && s < emit->sink_cnt; s++)
    if (taken[s] < n)
      wait_or_drop(emit, &emit->sinks[s], records + (size_t)taken[s] * record_bytes, n - taken[s],
                   record_bytes);
}

static uint32_t saturate(uint64_t ns) { return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns; }

void tf_emit_offer(tf_emit_t *emit, tf_decision_t *decisions, uint32_t n,
                   const uint64_t *origin_tsc) {
  uint64_t now_tsc = tf_clock_ticks();
  uint64_t now_ns  = tf_clock_wall_of_ticks(now_tsc);
  for (uint32_t i = 0; i < n; i++) {
    decisions[i].ts_out_ns = now_ns;
    if (origin_tsc[i] && now_tsc > origin_tsc[i])
      decisions[i].emit_ns = saturate(tf_clock_ticks_to_ns(now_tsc - origin_tsc[i]));
  }
  offer_all(emit, TF_CARRIES_DECISIONS, (const uint8_t *)decisions, n, sizeof *decisions);
}

void tf_emit_records(tf_emit_t *emit, const tf_record_shape_t *shape, const void *records,
                     uint32_t n) {
  offer_all(emit, shape->carries, records, n, shape->bytes);
}

const char *tf_emit_broken_text(const tf_emit_t *emit) {
  for (uint32_t i = 0; i < emit->sink_cnt; i++)
    if (emit->sinks[i].broken) return emit->sinks[i].broken_text;
  return NULL;
}

void tf_emit_expect_again(tf_emit_t *emit) {
  uint64_t last[TF_CARRIES_CNT] = {0};
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_emit_sink_t *s  = &emit->sinks[i];
    uint64_t       *of = &last[s->shape.carries];
    s->held_seq        = s->sink->last_seq ? s->sink->last_seq(s->state) : 0;
    if (s->held_seq > *of) *of = s->held_seq;
  }
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_emit_sink_t *s = &emit->sinks[i];
    if (!s->sink->last_seq) s->held_seq = last[s->shape.carries];
  }
}

void tf_emit_idle(tf_emit_t *emit, uint64_t now_ns) {
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_emit_sink_t *s = &emit->sinks[i];
    if (s->broken || !s->is_open) continue;
    tf_err_t err = s->sink->flush(s->state, now_ns);
    if (err &&
        s->flush_failures++ == 0) /* a full disk may have room again; offer says if it is over */
      tf_log(TF_LOG_WARN, "sink_flush_failed", "sink=%s code=%s text=\"%s\"", s->sink->name,
             tf_error_name(err), tf_error_text());
  }
}

tf_err_t tf_emit_add(tf_emit_t *emit, const tf_sink_t *sink, void *state, tf_overflow_t policy,
                     const tf_sink_config_t *config) {
  if (emit->sink_cnt == TF_SINKS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "more than %d sinks", TF_SINKS_MAX);
  tf_emit_sink_t *s = &emit->sinks[emit->sink_cnt];
  *s                = (tf_emit_sink_t){.sink          = sink,
                                       .state         = state,
                                       .policy        = policy,
                                       .shape         = config->shape,
                                       .block_ns_max  = config->block_ns_max,
                                       .block_ns_left = config->block_ns_max};
  tf_err_t err      = sink->open(state, config);
  if (err) return tf_error_add(err, "opening the %s sink", sink->name);
  s->is_open = true;
  emit->sink_cnt++;
  return TF_OK;
}

tf_err_t tf_emit_close(tf_emit_t *emit, uint64_t now_ns) {
  tf_emit_idle(emit, now_ns);
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    const tf_emit_sink_t *s = &emit->sinks[i];
    if (s->is_open && s->sink->closing) s->sink->closing(s->state);
  }
  tf_err_t first = TF_OK;
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_emit_sink_t *s = &emit->sinks[i];
    if (!s->is_open) continue;
    tf_err_t err = s->sink->close(s->state);
    if (err && !s->broken) sink_broke(s, err);
    if (s->broken && !first) first = s->broken;
    s->is_open = false;
  }
  return first;
}

void tf_emit_counts(const tf_emit_sink_t *s, tf_sink_counts_t *counts) {
  *counts       = (tf_sink_counts_t){0};
  uint64_t held = tf_load_relaxed(&s->already_there); /* relaxed: a count, as the next */
  if (s->sink->counts)
    s->sink->counts(s->state, counts);
  else
    counts->acked = tf_load_relaxed(&s->taken) - held; /* relaxed: as above */
  counts->acked += held;
  counts->already_there += held;
  /* relaxed: counts, each complete by itself */
  counts->dropped_full += tf_load_relaxed(&s->dropped_full);
  counts->dropped_broken += tf_load_relaxed(&s->dropped_broken); /* relaxed: as above */
}
