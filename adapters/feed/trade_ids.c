#include "feed/trade_ids.h"

bool tf_trade_ids_is_repeat(tf_trade_ids_t *ids, uint64_t id) {
  uint64_t back = ids->last - id;
  if (back < 64) {
    uint64_t bit = UINT64_C(1) << back;
    if (ids->recent & bit) return true;
    ids->recent |= bit; /* late, but not seen before */
    return false;
  }
  if (back < TF_TRADE_IDS_RESTART) return true;
  ids->last   = id;
  ids->recent = 1;
  return false;
}
