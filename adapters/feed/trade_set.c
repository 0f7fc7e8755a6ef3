#include "feed/trade_set.h"

#include "core/hash.h"
#include "feed/trade_print.h"

typedef struct layout {
  size_t oldest_at, floors_at, bytes;
} layout_t;

static layout_t layout_of(uint32_t trade_cnt, uint32_t instrument_cap) {
  layout_t l;
  l.oldest_at = tf_align_up((size_t)trade_cnt * sizeof(tf_trade_set_entry_t), TF_LINE_BYTES);
  l.floors_at = l.oldest_at + tf_align_up(trade_cnt / TF_TRADE_SET_WAYS, TF_LINE_BYTES);
  l.bytes     = l.floors_at + tf_align_up((size_t)instrument_cap * sizeof(uint64_t), TF_LINE_BYTES);
  return l;
}

size_t tf_trade_set_bytes(uint32_t trade_cnt, uint32_t instrument_cap) {
  return layout_of(trade_cnt, instrument_cap).bytes;
}

void tf_trade_set_init(tf_trade_set_t *set, void *memory, uint32_t trade_cnt,
                       uint32_t instrument_cap) {
  TF_ASSERT(trade_cnt >= TF_TRADE_SET_WAYS && (trade_cnt & (trade_cnt - 1)) == 0);
  layout_t l          = layout_of(trade_cnt, instrument_cap);
  uint8_t *bytes      = memory;
  set->entries        = memory;
  set->oldest         = bytes + l.oldest_at;
  set->floors         = (uint64_t *)(void *)(bytes + l.floors_at);
  set->bucket_mask    = trade_cnt / TF_TRADE_SET_WAYS - 1;
  set->instrument_cap = instrument_cap;
}

/* Times that are not the venue's, or not to be believed, put no floor under anything. */
static uint64_t trusted_ns(const tf_event_t *trade) {
  return trade->flags & TF_FLAG_BAD_TS ? 0 : trade->ts_event_ns;
}

TF_COLD static void note_conflict(tf_feed_counts_t *counts, uint64_t id) {
  counts->id_conflicts++;
  counts->id_conflict_newest = id;
}

bool tf_trade_set_is_repeat(tf_trade_set_t *set, const tf_event_t *trade,
                            tf_feed_counts_t *counts) {
  TF_ASSERT(trade->kind == TF_EVENT_TRADE && trade->instrument_id < set->instrument_cap);
  uint64_t hash = tf_hash_fold(tf_hash_fold(TF_HASH_SEED, trade->u.trade.id), trade->instrument_id);
  uint32_t bucket             = (uint32_t)(hash >> 32) & set->bucket_mask;
  tf_trade_set_entry_t *ways  = set->entries + (size_t)bucket * TF_TRADE_SET_WAYS;
  uint32_t              print = tf_trade_print(trade);
  for (uint32_t i = 0; i < TF_TRADE_SET_WAYS; i++) {
    if (ways[i].id != trade->u.trade.id || ways[i].instrument_id != trade->instrument_id ||
        ways[i].print == 0)
      continue;
    if (TF_UNLIKELY(ways[i].print != print)) note_conflict(counts, trade->u.trade.id);
    return true;
  }
  uint64_t ts_ns = trusted_ns(trade);
  if (TF_UNLIKELY(ts_ns != 0 && ts_ns <= set->floors[trade->instrument_id])) return true;
  tf_trade_set_entry_t *way = &ways[set->oldest[bucket]];
  set->oldest[bucket]       = (uint8_t)((set->oldest[bucket] + 1) % TF_TRADE_SET_WAYS);
  if (way->print != 0 && way->ts_event_ns > set->floors[way->instrument_id])
    set->floors[way->instrument_id] = way->ts_event_ns;
  *way = (tf_trade_set_entry_t){.id            = trade->u.trade.id,
                                .ts_event_ns   = ts_ns,
                                .instrument_id = trade->instrument_id,
                                .print         = print};
  return false;
}
