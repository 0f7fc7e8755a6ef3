#include "feed/resync.h"

#include <string.h>

#include "core/error.h"

#define QUIET_NS (60 * TF_NS_PER_SEC) /* after so long a repeat is none */
#define LATE_NS  (60 * TF_NS_PER_SEC)

size_t tf_resync_arena_bytes(uint32_t instrument_cap) {
  return instrument_cap * sizeof(tf_resync_row_t) + TF_LINE_BYTES;
}

tf_err_t tf_resync_init(tf_resync_t *resync, uint32_t instrument_cap, tf_arena_t *arena) {
  memset(resync, 0, sizeof *resync);
  resync->cap  = instrument_cap;
  resync->rows = tf_arena_take(arena, instrument_cap * sizeof *resync->rows, TF_LINE_BYTES);
  if (!resync->rows) return tf_error_add(E_CORE_ARENA_FULL, "making a feed's resync queue");
  memset(resync->rows, 0, instrument_cap * sizeof *resync->rows);
  return TF_OK;
}

void tf_resync_want(tf_resync_t *resync, uint32_t instrument_id, uint64_t now_ns) {
  TF_ASSERT(instrument_id < resync->cap);
  tf_resync_row_t *row = &resync->rows[instrument_id];
  if (row->due_ns != 0) return;
  bool repeats    = row->asked_ns != 0 && now_ns - row->asked_ns < QUIET_NS;
  row->repeat_cnt = repeats ? row->repeat_cnt + 1 : 0;
  uint64_t late   = 0;
  if (row->repeat_cnt > 0)
    late = row->repeat_cnt > 6 ? LATE_NS : TF_NS_PER_SEC << (row->repeat_cnt - 1);
  row->due_ns = now_ns + (late < LATE_NS ? late : LATE_NS);
  resync->wanted_cnt++;
}

void tf_resync_forget(tf_resync_t *resync) {
  for (uint32_t i = 0; i < resync->cap && resync->wanted_cnt > 0; i++) {
    resync->wanted_cnt -= resync->rows[i].due_ns != 0;
    resync->rows[i].due_ns = 0;
  }
  resync->message_idx = 0;
}

/* The first that is due, or cap. */
static uint32_t due_of(const tf_resync_t *resync, uint64_t now_ns) {
  uint32_t i = 0;
  while (i < resync->cap && (resync->rows[i].due_ns == 0 || resync->rows[i].due_ns > now_ns)) i++;
  return i;
}

int tf_resync_tick(tf_resync_t *resync, tf_link_t *link, uint64_t now_ns, char *text, size_t cap) {
  if (resync->wanted_cnt == 0 || link->state != TF_LINK_UP || now_ns < link->send_due_ns) return 0;
  if (resync->message_idx == 0) {
    resync->id = due_of(resync, now_ns);
    if (resync->id == resync->cap) return 0;
  }
  tf_resync_row_t *row = &resync->rows[resync->id];
  size_t cnt = resync->feed->resync(resync->feed_state, resync->id, resync->message_idx, text, cap);
  if (cnt >= cap)
    return TF_ERR(E_FEED_LIMIT, "a resync of %zu bytes, %zu are allowed", cnt, cap - 1);
  if (cnt == 0) { /* all said */
    row->asked_ns = now_ns;
    row->due_ns   = 0;
    resync->wanted_cnt--;
    resync->asked_cnt++;
    resync->message_idx = 0;
    return 1;
  }
  if (!tf_link_send_text(link, text, cnt)) return 0;
  resync->message_idx++;
  return 1;
}
