/* The lane's side of a worker (serve/child.h): asks, waits up to the deadline, sends rows again. */
#include "core/clock.h"
#include "serve/child_state.h"

/* Sees whether another worker serves. False: none does. */
bool tf_child_adopt_(tf_child_lane_t *lane) {
  tf_child_t *w       = lane->worker;
  uint64_t    offered = tf_load_acquire(&w->offered); /* pairs with: tf_child_watch */
  if (TF_UNLIKELY(offered != lane->epoch)) {
    lane->view     = *tf_child_view_(w, offered);
    lane->epoch    = offered;
    lane->miss_cnt = 0;
    tf_store_release(&w->taken, offered); /* pairs with: reclaim */
  }
  if (offered <= tf_load_acquire(&w->down)) return false; /* pairs with: over */
  /* relaxed: the lane's own word; pairs with: tf_child_doubt */
  return tf_load_relaxed(&w->suspect) != offered && tf_load_acquire(&w->doubted) != offered;
}

void tf_child_post_(tf_child_lane_t *lane, uint32_t idx, uint32_t row_cnt, uint32_t instrument_idx,
                    uint32_t flags, const float *row) {
  uint64_t *number = &lane->numbers[instrument_idx];
  if (*number >> 32 != lane->epoch || (uint32_t)*number == 0 || (uint32_t)*number == UINT32_MAX) {
    *number = lane->epoch << 32;
    flags |= TF_MAILBOX_RESET;
  }
  tf_mailbox_row_t head = {
      .instrument_idx = instrument_idx, .flags = flags, .number = (uint32_t)++ * number};
  tf_mailbox_post(&lane->view, idx, row_cnt, &head, row);
}

/* The rows before the newest one, of an instrument whose window the worker has not. False: there are none. */
TF_COLD static bool send_kept(tf_child_lane_t *lane, uint32_t instrument_idx) {
  uint32_t left = lane->kept->cnt[instrument_idx];
  if (left > lane->view.window) left = lane->view.window;
  if (left <= 1) return false;
  lane->counts.rows_again += left - 1;
  while (left > 1) {
    uint32_t cnt = left - 1 < lane->view.batch_max ? left - 1 : lane->view.batch_max;
    for (uint32_t i = 0; i < cnt; i++, left--)
      tf_child_post_(lane, i, cnt, instrument_idx, TF_MAILBOX_QUIET,
                     tf_kept_rows_at(lane->kept, instrument_idx, left));
    lane->view.next_seq++;
  }
  return true;
}

static tf_child_miss_t missed(tf_child_lane_t *lane, tf_child_miss_t miss) {
  lane->counts.results[miss]++;
  if (lane->miss_limit && ++lane->miss_cnt >= lane->miss_limit) tf_child_suspect(lane);
  return miss;
}

/* The worker's window of the instrument is not what the lane has. */
static bool lacks_rows(const tf_child_lane_t *lane, uint32_t instrument_idx) {
  uint64_t number = lane->numbers[instrument_idx];
  return lane->kept && (number >> 32 != lane->epoch || (uint32_t)number == 0);
}

/* The answer to row idx of request seq, up to the deadline. */
tf_child_miss_t tf_child_await_(tf_child_lane_t *lane, uint64_t seq, uint32_t idx,
                                const tf_child_row_t *row, uint64_t begun_ticks) {
  tf_mailbox_answer_t answer;
  while (!tf_mailbox_poll(&lane->view, seq, idx, &answer, row->out)) {
    if (tf_clock_ticks() - begun_ticks > lane->deadline_ticks)
      return missed(lane, TF_CHILD_MISS_LATE);
    tf_spin_pause();
  }
  switch (answer.status) {
  case TF_MAILBOX_OK:
    lane->miss_cnt = 0;
    lane->counts.results[TF_CHILD_ANSWERED]++;
    return TF_CHILD_ANSWERED;
  case TF_MAILBOX_WARMING:
    lane->miss_cnt = 0;
    lane->counts.results[TF_CHILD_WARMING]++;
    return TF_CHILD_WARMING;
  case TF_MAILBOX_BEHIND:
    lane->numbers[row->instrument_idx] = 0;
    if (lane->has_market) {
      lane->counts.results[TF_CHILD_MISS_BEHIND]++;
      return TF_CHILD_MISS_BEHIND;
    }
    return missed(lane, TF_CHILD_MISS_BEHIND);
  case TF_MAILBOX_REFUSED:
  default: lane->numbers[row->instrument_idx] = 0; return missed(lane, TF_CHILD_MISS_REFUSED);
  }
}

void tf_child_ask_many(tf_child_lane_t *lane, tf_child_row_t *rows, uint32_t row_cnt,
                       uint64_t begun_ticks) {
  const bool serves = tf_child_adopt_(lane);
  for (uint32_t i = 0; i < row_cnt; i++) {
    /* a window's rows go in requests of their own; nobody waits for these */
    bool is_behind = serves && lacks_rows(lane, rows[i].instrument_idx) &&
                     send_kept(lane, rows[i].instrument_idx);
    rows[i].result = !serves     ? TF_CHILD_MISS_ABSENT
                     : is_behind ? TF_CHILD_MISS_BEHIND
                                 : TF_CHILD_ANSWERED;
    if (rows[i].result != TF_CHILD_ANSWERED) lane->counts.results[rows[i].result]++;
  }
  if (!serves) return;
  for (uint32_t i = 0; i < row_cnt; i++)
    tf_child_post_(lane, i, row_cnt, rows[i].instrument_idx,
                   rows[i].result == TF_CHILD_MISS_BEHIND ? TF_MAILBOX_QUIET : 0, rows[i].row);
  uint64_t seq       = lane->view.next_seq++;
  lane->posted_ticks = begun_ticks;
  lane->counts.requests++;
  for (uint32_t i = 0; i < row_cnt; i++)
    if (rows[i].result == TF_CHILD_ANSWERED)
      rows[i].result = tf_child_await_(lane, seq, i, &rows[i], begun_ticks);
}

tf_child_miss_t tf_child_ask(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row,
                             uint64_t begun_ticks, float *out) {
  tf_child_row_t one = {.instrument_idx = instrument_idx, .row = row, .out = out};
  tf_child_ask_many(lane, &one, 1, begun_ticks);
  return one.result;
}

void tf_child_tell(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row) {
  if (!tf_child_adopt_(lane) || lacks_rows(lane, instrument_idx))
    return; /* it gets them when it is asked */
  tf_child_post_(lane, 0, 1, instrument_idx, TF_MAILBOX_QUIET, row);
  lane->view.next_seq++;
}

void tf_child_keep_alive(tf_child_lane_t *lane, uint64_t now_ticks, uint64_t idle_ticks) {
  static const float nothing[TF_MAILBOX_VALUES_MAX];
  if (now_ticks - lane->posted_ticks < idle_ticks || !tf_child_adopt_(lane)) return;
  tf_mailbox_row_t head = {.instrument_idx = lane->view.instrument_cnt - 1,
                           .flags          = TF_MAILBOX_RESET | TF_MAILBOX_QUIET,
                           .number         = 1};
  tf_mailbox_post(&lane->view, 0, 1, &head, nothing);
  lane->view.next_seq++;
  lane->posted_ticks = now_ticks;
  lane->counts.kept_alive++;
}

void tf_child_break(tf_child_lane_t *lane, uint32_t instrument_idx) {
  lane->numbers[instrument_idx] = 0;
}

void tf_child_suspect(tf_child_lane_t *lane) {
  tf_store_release(&lane->worker->suspect, lane->epoch); /* pairs with: tf_child_watch */
}
