#include "feed/newest.h"

#include <string.h>

/* Messages of the newest order that the frame's connection has brought, with this one. */
static uint16_t count_brought(tf_newest_t *newest, const tf_frame_t *frame) {
  TF_ASSERT(frame->leg < TF_TAP_LEGS_MAX);
  uint16_t *connection = &newest->brought[frame->leg].connection;
  uint16_t *cnt        = &newest->brought[frame->leg].cnt;
  if (*connection != frame->connection) *cnt = 0; /* the leg's connection before */
  *connection = frame->connection;
  if (*cnt < UINT16_MAX) ++*cnt;
  return *cnt;
}

/* 1: behind the newest, 0: of its order, -1: before it. */
static int compare(const tf_newest_t *newest, uint64_t number, uint64_t ts_ns) {
  if (number != newest->number) return number > newest->number ? 1 : -1;
  return ts_ns == newest->ts_ns ? 0 : ts_ns > newest->ts_ns ? 1 : -1;
}

bool tf_newest_takes(tf_newest_t *newest, const tf_frame_t *frame, uint64_t number,
                     uint64_t ts_ns) {
  int  order    = compare(newest, number, ts_ns);
  bool is_its   = newest->is_known && newest->connection == frame->connection;
  bool is_stuck = newest->is_known && frame->recv_ns > newest->recv_ns + TF_NEWEST_STUCK_NS;
  if (!newest->is_known || order > 0 || (order < 0 && is_stuck)) {
    memset(newest->brought, 0, sizeof newest->brought);
    newest->is_known  = true;
    newest->number    = number;
    newest->ts_ns     = ts_ns;
    newest->taken_cnt = count_brought(newest, frame);
  } else if (order == 0) {
    uint16_t cnt = count_brought(newest, frame);
    if (!is_its && cnt <= newest->taken_cnt) return false;
    if (cnt > newest->taken_cnt) newest->taken_cnt = cnt;
  } else if (!is_its) {
    return false;
  }
  newest->connection = frame->connection;
  newest->recv_ns    = frame->recv_ns;
  return true;
}
