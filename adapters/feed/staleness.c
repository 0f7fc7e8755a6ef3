#include "feed/staleness.h"

#include <string.h>

#include "core/error.h"

#define CLASS_BITS  2u  /* classes to a factor of two: 1 << CLASS_BITS */
#define FIRST_SHIFT 24u /* intervals below 2^24 ns are of class 0 */

TF_STATIC_ASSERT(TF_STALENESS_INTERVALS_MAX <= UINT16_MAX, "a count holds them all");
TF_STATIC_ASSERT(TF_STALENESS_CLASSES == (40 - FIRST_SHIFT) << CLASS_BITS,
                 "the last class holds all from 2^40 ns, 18 minutes, on");

static uint32_t class_of(uint64_t interval_ns) {
  if (TF_LIKELY(interval_ns >> FIRST_SHIFT == 0)) return 0;
  uint32_t exp  = 63u - (uint32_t)__builtin_clzll(interval_ns);
  uint32_t part = (uint32_t)(interval_ns >> (exp - CLASS_BITS)) & ((1u << CLASS_BITS) - 1);
  uint32_t idx  = (exp - FIRST_SHIFT) << CLASS_BITS | part;
  return idx < TF_STALENESS_CLASSES ? idx : TF_STALENESS_CLASSES - 1;
}

static uint64_t class_end_ns(uint32_t idx) {
  uint32_t exp  = FIRST_SHIFT + (idx >> CLASS_BITS);
  uint64_t part = idx & ((1u << CLASS_BITS) - 1);
  return ((1u << CLASS_BITS) + part + 1) << (exp - CLASS_BITS);
}

TF_COLD static void halve(tf_staleness_row_t *row) {
  row->interval_cnt = 0;
  for (uint32_t i = 0; i < TF_STALENESS_CLASSES; i++) {
    row->counts[i] /= 2;
    row->interval_cnt += row->counts[i];
  }
  row->learned_cnt = 0;
}

/* The end of the class that holds the interval of which 99.9 % are no longer. */
static void learn(tf_staleness_row_t *row) {
  uint32_t longer = row->interval_cnt / 1000, idx = TF_STALENESS_CLASSES - 1;
  while (row->counts[idx] <= longer && idx > 0) longer -= row->counts[idx--];
  uint64_t deadline_ns = TF_STALENESS_FACTOR * class_end_ns(idx);
  row->deadline_ns     = deadline_ns > TF_STALENESS_FLOOR_NS ? deadline_ns : TF_STALENESS_FLOOR_NS;
  row->learned_cnt     = row->interval_cnt;
}

void tf_staleness_saw(tf_staleness_t *s, uint32_t instrument_id, tf_staleness_stream_t stream,
                      uint64_t now_ns) {
  if (instrument_id >= s->cap || s->fixed_ns == TF_STALENESS_OFF) return;
  tf_staleness_row_t *row    = &s->rows[instrument_id][stream];
  uint64_t            now    = now_ns - s->unheard_ns;
  bool                counts = row->connection == s->connection && now >= row->last_ns;
  if (TF_LIKELY(counts)) {
    uint64_t interval_ns = now - row->last_ns;
    if (TF_UNLIKELY(row->is_stale) && interval_ns > row->deadline_ns && row->deadline_ns != 0)
      interval_ns = row->deadline_ns;
    row->counts[class_of(interval_ns)]++;
    if (TF_UNLIKELY(++row->interval_cnt == TF_STALENESS_INTERVALS_MAX)) halve(row);
  }
  row->connection = s->connection;
  row->last_ns    = now;
  row->is_stale   = false;
}

static bool is_due(const tf_staleness_t *s, tf_staleness_row_t *row, uint64_t now) {
  if (row->connection != s->connection || row->is_stale || now < row->last_ns) return false;
  uint64_t deadline_ns = s->fixed_ns;
  if (deadline_ns == 0) {
    if (row->interval_cnt < TF_STALENESS_INTERVALS_MIN) return false;
    bool is_old =
        row->learned_cnt == 0 || row->interval_cnt - row->learned_cnt > row->learned_cnt / 8;
    if (is_old) learn(row);
    deadline_ns = row->deadline_ns;
  }
  return now - row->last_ns > deadline_ns;
}

bool tf_staleness_is_due(tf_staleness_t *s, uint32_t instrument_id, uint64_t now_ns) {
  if (instrument_id >= s->cap || s->fixed_ns == TF_STALENESS_OFF) return false;
  bool due = false;
  for (int i = 0; i < TF_STALENESS_STREAM_CNT; i++) {
    tf_staleness_row_t *row = &s->rows[instrument_id][i];
    if (!is_due(s, row, now_ns - s->unheard_ns)) continue;
    row->is_stale = due = true;
  }
  return due;
}

bool tf_staleness_is_stale(const tf_staleness_t *s, uint32_t instrument_id) {
  bool is_stale = false;
  for (int i = 0; i < TF_STALENESS_STREAM_CNT && instrument_id < s->cap; i++)
    is_stale |= s->rows[instrument_id][i].is_stale;
  return is_stale;
}

void tf_staleness_forgive(tf_staleness_t *s, uint32_t instrument_id) {
  for (int i = 0; i < TF_STALENESS_STREAM_CNT && instrument_id < s->cap; i++) {
    s->rows[instrument_id][i].is_stale   = false;
    s->rows[instrument_id][i].connection = 0;
  }
}

void tf_staleness_reconnected(tf_staleness_t *s) { s->connection++; }

void tf_staleness_unheard(tf_staleness_t *s, uint64_t ns) { s->unheard_ns += ns; }

size_t tf_staleness_arena_bytes(uint32_t instrument_cap) {
  return instrument_cap * sizeof(tf_staleness_row_t[TF_STALENESS_STREAM_CNT]) + TF_LINE_BYTES;
}

tf_err_t tf_staleness_init(tf_staleness_t *s, uint64_t fixed_ns, uint32_t instrument_cap,
                           tf_arena_t *arena) {
  *s      = (tf_staleness_t){.fixed_ns = fixed_ns, .cap = instrument_cap, .connection = 1};
  s->rows = tf_arena_take(arena, instrument_cap * sizeof *s->rows, TF_LINE_BYTES);
  if (!s->rows) return tf_error_add(E_CORE_ARENA_FULL, "making a feed's stream watch");
  memset(s->rows, 0, instrument_cap * sizeof *s->rows);
  return TF_OK;
}
