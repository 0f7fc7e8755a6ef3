#include "feed/trade_ids.h"

#include <string.h>

/* The oldest hole makes room for the newest. */
static void put_hole(tf_trade_ids_t *ids, uint32_t at, uint64_t first, uint64_t last) {
  tf_trade_ids_hole_t *holes = ids->holes;
  if (ids->hole_cnt == TF_TRADE_IDS_HOLES) {
    if (at == 0) return;
    at--;
    memmove(holes, holes + 1, at * sizeof *holes);
  } else {
    memmove(holes + at + 1, holes + at, (ids->hole_cnt - at) * sizeof *holes);
    ids->hole_cnt++;
  }
  holes[at] = (tf_trade_ids_hole_t){first, last};
}

/* The id comes late, into hole `at`, and parts it. */
static void fill(tf_trade_ids_t *ids, uint32_t at, uint64_t id) {
  tf_trade_ids_hole_t *hole = &ids->holes[at];
  if (hole->first == hole->last) {
    memmove(hole, hole + 1, (ids->hole_cnt - at - 1) * sizeof *hole);
    ids->hole_cnt--;
  } else if (id == hole->first) {
    hole->first++;
  } else if (id == hole->last) {
    hole->last--;
  } else {
    uint64_t first = hole->first;
    hole->first    = id + 1;
    put_hole(ids, at, first, id - 1);
  }
}

static void begin(tf_trade_ids_t *ids, uint64_t id) {
  uint64_t early = id < TF_TRADE_IDS_EARLY ? id : TF_TRADE_IDS_EARLY;
  ids->last      = id;
  ids->is_known  = true;
  ids->hole_cnt  = 0;
  if (early > 0) put_hole(ids, 0, id - early, id - 1);
}

void tf_trade_ids_check_said(const tf_trade_ids_t *ids, uint64_t id, const tf_trade_said_t *said,
                             tf_feed_counts_t *counts) {
  const tf_trade_said_t *first = &ids->said[said->id % TF_TRADE_IDS_SAID];
  if (!first->is_known || first->id != said->id || tf_trade_says_the_same(first, said)) return;
  counts->id_conflicts++;
  counts->id_conflict_newest = id;
}

static bool is_repeat(tf_trade_ids_t *ids, uint64_t id, tf_feed_counts_t *counts) {
  if (!ids->is_known) {
    begin(ids, id);
    ids->is_continued = true;
    return false;
  }
  if (id > ids->last) {
    if (id - ids->last > 1) {
      counts->gaps += ids->is_continued;
      put_hole(ids, ids->hole_cnt, ids->last + 1, id - 1);
    }
    ids->last         = id;
    ids->is_continued = true;
    return false;
  }
  for (uint32_t i = ids->hole_cnt; i-- > 0;) {
    if (id < ids->holes[i].first) continue;
    if (id > ids->holes[i].last) break;
    fill(ids, i, id);
    return false;
  }
  if (ids->last - id < TF_TRADE_IDS_RESTART) return true;
  begin(ids, id);
  return false;
}

bool tf_trade_ids_jump(tf_trade_ids_t *ids, uint64_t id, const tf_trade_said_t *said,
                       tf_feed_counts_t *counts) {
  if (is_repeat(ids, id, counts)) {
    tf_trade_ids_check_said(ids, id, said, counts);
    return true;
  }
  /* Into a hole; a venue that starts over has made it the last. */
  counts->late_trades += id < ids->last;
  tf_trade_ids_put_said(ids, said);
  return false;
}
