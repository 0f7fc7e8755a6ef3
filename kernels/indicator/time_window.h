/* A rolling window of time over samples of one to three values, with their sums: the state of vwap,
 * volume, ofi and the like. No pointers; the entries follow the struct in the caller's memory.
 *
 *   - A sample at t leaves when now - t >= window: the window is (now - window, now].
 *   - Time is what the caller says (ts_recv) and never runs backwards: an earlier time counts as
 *     the latest one seen.
 *   - Samples of one receive time share an entry, so capacity counts distinct receive times.
 *   - A full window merges: neighbours that lie in the same interval of length
 *     q = ceil(window / (capacity / 2 - 1)) become one entry that leaves with its newest sample.
 *     Nothing is lost and the sums stay those of everything inside; a merged sample may leave late,
 *     by less than q (0.05 % of the window at the default capacity). Sub-intervals number at most
 *     capacity / 2, so at least half the entries come free and the cost is O(1) amortised: one pass
 *     over the entries (about 10 us for 4096) per capacity / 2 samples, and only while the rate is
 *     beyond the capacity.
 *
 * Sums are compensated (sum.h) and exactly zero whenever the window is empty. A merge rounds the
 * entry it makes, and what was rounded away leaves the sum at once: the sum is always that of the
 * entries as stored, and drift cannot build up. */
#ifndef TF_INDICATOR_TIME_WINDOW_H
#define TF_INDICATOR_TIME_WINDOW_H

#include "indicator/parts.h"
#include "indicator/sum.h"

#define TF_TIME_WINDOW_VALUES_MAX 3

typedef union tf_time_window_word {
  uint64_t t_ns;
  double   value;
} tf_time_window_word_t;

typedef struct tf_time_window {
  uint64_t window_ns;
  uint64_t quantum_ns; /* q above */
  uint64_t last_ns;    /* latest time seen */
  uint64_t merge_cnt;  /* times it was full and merged */
  uint32_t cap;
  uint32_t head; /* index of the oldest entry */
  uint32_t cnt;
  uint32_t reserved;
  tf_sum_t sum[TF_TIME_WINDOW_VALUES_MAX];
} tf_time_window_t;

/* What a window would hold at some time, computed without touching it. */
typedef struct tf_time_window_view {
  uint64_t now_ns, window_ns;
  uint32_t head, cnt;
  tf_sum_t sum[TF_TIME_WINDOW_VALUES_MAX];
} tf_time_window_view_t;

TF_INLINE size_t tf_time_window_bytes(double capacity, uint32_t value_cnt) {
  return tf_parts_bytes(sizeof(tf_time_window_t), capacity,
                        (1 + value_cnt) * sizeof(tf_time_window_word_t));
}

/* params: window in ns, capacity. Zeroes everything, the entries included. */
TF_INLINE tf_err_t tf_time_window_init(tf_time_window_t *w, double window_ns, double capacity,
                                       uint32_t value_cnt) {
  uint32_t cap;
  if (tf_parts_count(capacity, 16, &cap) != TF_OK) return E_CORE_ARGUMENT;
  if (!(window_ns >= 1 && window_ns <= 9e18)) return E_CORE_ARGUMENT;
  memset(w, 0, tf_time_window_bytes(capacity, value_cnt));
  w->window_ns  = (uint64_t)window_ns;
  w->cap        = cap;
  uint64_t part = cap / 2 - 1;
  w->quantum_ns = (w->window_ns + part - 1) / part;
  return TF_OK;
}

TF_INLINE void tf_time_window_reset(tf_time_window_t *w, uint32_t value_cnt) {
  (void)tf_time_window_init(w, (double)w->window_ns, (double)w->cap, value_cnt);
}

TF_INLINE uint32_t tf_time_window_after_(const tf_time_window_t *w, uint32_t head, uint32_t i) {
  uint32_t at = head + i;
  return at >= w->cap ? at - w->cap : at;
}

/* The entry at an index: the words (t, value_cnt values) of the array right behind the struct. */
TF_INLINE tf_time_window_word_t *tf_time_window_entry_(const tf_time_window_t *w, uint32_t at,
                                                       uint32_t value_cnt) {
  tf_time_window_word_t *words = (tf_time_window_word_t *)(uintptr_t)(w + 1);
  return words + (size_t)at * (1 + value_cnt);
}

/* The window as it is at now_ns. The caller may read its sums, or store it with ..._keep. */
TF_INLINE void tf_time_window_view(const tf_time_window_t *w, uint64_t now_ns, uint32_t value_cnt,
                                   tf_time_window_view_t *view) {
  view->now_ns    = now_ns > w->last_ns ? now_ns : w->last_ns;
  view->window_ns = w->window_ns;
  view->head      = w->head;
  view->cnt       = w->cnt;
  uint32_t left   = 0;
  for (uint32_t v = 0; v < value_cnt; v++) view->sum[v] = w->sum[v];
  while (view->cnt > 0) {
    const tf_time_window_word_t *entry = tf_time_window_entry_(w, view->head, value_cnt);
    if (view->now_ns - entry->t_ns < w->window_ns) break;
    for (uint32_t v = 0; v < value_cnt; v++) tf_sum_add(&view->sum[v], -entry[1 + v].value);
    view->head = tf_time_window_after_(w, view->head, 1);
    view->cnt--;
    left++;
  }
  if (left == 0) return;
  for (uint32_t v = 0; v < value_cnt; v++) {
    if (view->cnt == 0) view->sum[v] = (tf_sum_t){0};
    tf_sum_settle(&view->sum[v]);
  }
}

TF_INLINE void tf_time_window_keep(tf_time_window_t *w, const tf_time_window_view_t *view,
                                   uint32_t value_cnt) {
  w->last_ns = view->now_ns;
  w->head    = view->head;
  w->cnt     = view->cnt;
  for (uint32_t v = 0; v < value_cnt; v++) w->sum[v] = view->sum[v];
}

/* Adds values to an entry; the sum follows what the entry now holds. */
TF_INLINE void tf_time_window_pour_(tf_time_window_t *w, tf_time_window_word_t *entry,
                                    const tf_time_window_word_t *values, uint32_t value_cnt) {
  for (uint32_t v = 0; v < value_cnt; v++) {
    double lost;
    entry[1 + v].value = tf_sum_two(entry[1 + v].value, values[v].value, &lost);
    tf_sum_add(&w->sum[v], -lost);
  }
}

/* Full, with nothing to evict: merge neighbours of one sub-interval, in place, oldest first. */
TF_COLD __attribute__((unused)) static void tf_time_window_merge_(tf_time_window_t *w,
                                                                  uint32_t          value_cnt) {
  uint32_t kept          = 0;
  uint64_t part_begin_ns = 0; /* of the sub-interval of the last entry kept */
  for (uint32_t i = 0; i < w->cnt; i++) {
    tf_time_window_word_t *from =
        tf_time_window_entry_(w, tf_time_window_after_(w, w->head, i), value_cnt);
    if (kept > 0 && from->t_ns - part_begin_ns < w->quantum_ns) {
      tf_time_window_word_t *into =
          tf_time_window_entry_(w, tf_time_window_after_(w, w->head, kept - 1), value_cnt);
      into->t_ns = from->t_ns;
      tf_time_window_pour_(w, into, &from[1], value_cnt);
      continue;
    }
    part_begin_ns = from->t_ns - from->t_ns % w->quantum_ns;
    tf_time_window_word_t *into =
        tf_time_window_entry_(w, tf_time_window_after_(w, w->head, kept), value_cnt);
    if (into != from) memcpy(into, from, (1 + value_cnt) * sizeof *into);
    kept++;
  }
  w->cnt = kept;
  w->merge_cnt++;
}

/* A sample at now_ns: values[value_cnt], finite. */
TF_INLINE void tf_time_window_add(tf_time_window_t *w, uint64_t now_ns, const double *values,
                                  uint32_t value_cnt) {
  tf_time_window_word_t words[TF_TIME_WINDOW_VALUES_MAX];
  if (now_ns > w->last_ns) w->last_ns = now_ns;
  for (uint32_t v = 0; v < value_cnt; v++) {
    words[v].value = values[v];
    tf_sum_add(&w->sum[v], values[v]);
  }
  if (w->cnt > 0) {
    tf_time_window_word_t *newest =
        tf_time_window_entry_(w, tf_time_window_after_(w, w->head, w->cnt - 1), value_cnt);
    if (newest->t_ns == w->last_ns) {
      tf_time_window_pour_(w, newest, words, value_cnt);
      return;
    }
  }
  if (TF_UNLIKELY(w->cnt == w->cap)) {
    tf_time_window_view_t view;
    tf_time_window_view(w, w->last_ns, value_cnt, &view);
    /* The new sample is in the sums but not yet in an entry: an emptied window must keep it. */
    if (view.cnt == 0) {
      for (uint32_t v = 0; v < value_cnt; v++) view.sum[v] = (tf_sum_t){values[v], 0};
    }
    tf_time_window_keep(w, &view, value_cnt);
    if (w->cnt == w->cap) tf_time_window_merge_(w, value_cnt);
  }
  tf_time_window_word_t *entry =
      tf_time_window_entry_(w, tf_time_window_after_(w, w->head, w->cnt), value_cnt);
  entry->t_ns = w->last_ns;
  for (uint32_t v = 0; v < value_cnt; v++) entry[1 + v] = words[v];
  w->cnt++;
}

/* Before a descriptor's functions: the entries of the one window of its state, at `at` bytes, are a trail. A merge turns it. */
#define TF_TIME_WINDOW_TRAIL(id, at, capacity, value_cnt)                                          \
  static tf_trail_t id##_trail(const double *params, uint32_t i) {                                 \
    (void)i;                                                                                       \
    return tf_time_window_trail_(at, params[capacity], value_cnt);                                 \
  }                                                                                                \
  static tf_trail_held_t id##_held(const void *state, uint32_t i) {                                \
    (void)i;                                                                                       \
    return tf_time_window_held_((const tf_time_window_t *)((const char *)state + (at)));           \
  }

TF_INLINE tf_trail_t tf_time_window_trail_(size_t at, double capacity, uint32_t value_cnt) {
  tf_trail_t trail  = {at + sizeof(tf_time_window_t), 0, (uint32_t)capacity, true};
  trail.entry_bytes = (1 + value_cnt) * (uint32_t)sizeof(tf_time_window_word_t);
  return trail;
}

TF_INLINE tf_trail_held_t tf_time_window_held_(const tf_time_window_t *w) {
  tf_trail_held_t held = {w->head, w->cnt};
  return held;
}

/* Of a ring behind a window's entries, with as many places. */
TF_INLINE tf_trail_t tf_time_window_trail_behind(tf_trail_t window, uint32_t entry_bytes) {
  tf_trail_t trail = {window.begin_bytes + (size_t)window.cap * window.entry_bytes, entry_bytes,
                      window.cap, false};
  return trail;
}

/* A rolling window's parameters. */
__attribute__((unused)) static const tf_param_spec_t TF_TIME_WINDOW_PARAMS[] = {
    TF_PARTS_PARAM_WINDOW, TF_PARTS_PARAM_CAPACITY};

/* The descriptor of an indicator with these, whose functions are named after it; the rest are fields of that. */
#define TF_TIME_WINDOW_DESCRIPTOR(id, ...)                                                         \
  const tf_indicator_t tf_indicator_##id = {                                                       \
      .name        = #id,                                                                          \
      .output_cnt  = 1,                                                                            \
      .outputs     = {#id},                                                                        \
      .param_cnt   = TF_ARRAY_CNT(TF_TIME_WINDOW_PARAMS),                                          \
      .params      = TF_TIME_WINDOW_PARAMS,                                                        \
      .state_bytes = id##_state_bytes,                                                             \
      .lookback    = tf_parts_lookback_none,                                                       \
      .init        = id##_init,                                                                    \
      .update      = id##_update,                                                                  \
      .peek        = id##_peek,                                                                    \
      .reset       = id##_reset,                                                                   \
      .trail_cnt   = 1,                                                                            \
      .trail       = id##_trail,                                                                   \
      .held        = id##_held,                                                                    \
      __VA_ARGS__,                                                                                 \
  }

#endif
