#include "serve/child_market.h"

#include <string.h>

#include "core/clock.h"

/* A request that is not answered for so long was overtaken: its room is free again, and tags tell what is whole. */
#define ROOM_NS TF_NS_PER_SEC
/* Rows with one number less than this are an instrument's before it begins anew. */
#define NUMBER_MAX (UINT32_MAX - 1)
#define IDLE_LOOKS 64u

typedef enum has { HAS_NOT, HAS_MEMORY, HAS_STATE_COMING } has_t;

uint32_t tf_child_market_packets(uint64_t mem_bytes, uint32_t width, uint32_t window) {
  uint64_t rows = (uint64_t)((width + 2) / 3) * window;
  uint64_t all  = (mem_bytes / sizeof(uint32_t) + 2) / 3 + rows;
  return all <= TF_MAILBOX_STATE_MAX ? (uint32_t)all : 0;
}

/* ---- who has a place in the worker's sections, as it was told ---- */

static void set_seat(tf_child_market_t *m, uint32_t instrument_idx, bool has) {
  m->seated_cnt += has;
  m->seated_cnt -= m->is_seated[instrument_idx];
  m->is_seated[instrument_idx] = has;
}

static void clear_seats(tf_child_market_t *m) {
  memset(m->is_seated, 0, m->instrument_cnt * sizeof *m->is_seated);
  m->seated_cnt = 0;
  m->counts.sections_anew += m->has_sections;
}

/* Are the members there that the lane has at this tick, each as of its newest one? */
static bool is_whole(const tf_child_market_t *m, uint32_t instrument_idx,
                     const tf_market_row_t *row) {
  const uint32_t has = row->flags & TF_MARKET_ROW_HAS_SEAT ? 1 : 0;
  return !m->has_sections || m->seated_cnt - m->is_seated[instrument_idx] + has == row->member_cnt;
}

/* Of a worker that is another than the last one, nothing is under way. */
static void follow_epoch(const tf_child_lane_t *lane, tf_child_market_t *m) {
  if (m->epoch == lane->epoch) return;
  m->epoch     = lane->epoch;
  m->state_seq = m->answered_seq = 0;
  clear_seats(m);
}

static bool has_memory(const tf_child_lane_t *lane, uint32_t instrument_idx) {
  uint64_t number = lane->numbers[instrument_idx];
  return number >> 32 == lane->epoch && (uint32_t)number != 0 && (uint32_t)number < NUMBER_MAX;
}

static bool is_room_free(const tf_child_lane_t *lane, tf_child_market_t *m) {
  tf_mailbox_answer_t answer;
  float               out[TF_MODEL_OUTPUTS_MAX];
  if (m->state_seq <= m->answered_seq) return true;
  if (tf_mailbox_poll(&lane->view, m->state_seq, 0, &answer, out) ||
      tf_clock_ticks() - m->state_ticks > tf_clock_ns_to_ticks(ROOM_NS))
    m->answered_seq = m->state_seq;
  return m->state_seq <= m->answered_seq;
}

/* slots: of a tick; NULL: it is none, and nothing is handed over. */
static void post(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t idx, uint32_t row_cnt,
                 uint32_t instrument_idx, uint32_t flags, const tf_market_row_t *row,
                 const double *slots) {
  float values[TF_MARKET_ROW_VALUES_MAX];
  memcpy(values, row, sizeof *row);
  for (uint32_t i = 0; i < m->handed_cnt; i++) {
    double x = slots ? slots[m->handed[i]] : 0;
    memcpy(values + tf_market_row_values(i), &x, sizeof x);
  }
  tf_child_post_(lane, idx, row_cnt, instrument_idx, flags, values);
  if (row->kind == TF_MARKET_ROW_GONE)
    set_seat(m, instrument_idx, false);
  else if (row->kind >= TF_MARKET_ROW_TICK)
    set_seat(m, instrument_idx, row->flags & TF_MARKET_ROW_HAS_SEAT);
  m->counts.rows++;
}

/* Its memory is not there, whatever the worker has of it. */
TF_COLD static void post_gone(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t instrument_idx,
                              uint8_t flags) {
  const tf_market_row_t row = {.kind = TF_MARKET_ROW_GONE, .flags = flags};
  post(lane, m, 0, 1, instrument_idx, TF_MAILBOX_QUIET, &row, NULL);
  lane->view.next_seq++;
  lane->numbers[instrument_idx] = 0;
}

/* It says that something is not there, and the lane thought that all is: what it has of sections nobody knows. */
TF_COLD static void forget_all(tf_child_lane_t *lane, tf_child_market_t *m,
                               uint32_t instrument_idx) {
  clear_seats(m);
  memset(lane->numbers, 0, m->instrument_cnt * sizeof *lane->numbers);
  post_gone(lane, m, instrument_idx, TF_MARKET_ROW_IS_ALL);
}

/* The plan's memory, and the rows of the model's window before the tick in hand. False: it has not ticked. has_tick: the newest
 * kept row is that tick's, which goes through the model once more. */
TF_COLD static bool send_state(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t instrument_idx,
                               bool has_tick) {
  tf_market_row_t row    = {0};
  const void     *memory = m->source.state(m->source.self, instrument_idx, &row);
  const uint32_t  tag    = (uint32_t)lane->view.next_seq;
  const uint32_t  kept   = m->kept ? m->kept->cnt[instrument_idx] : 0;
  const uint32_t  last = has_tick ? 1 : 0, rows = kept > last ? kept - last : 0;
  uint64_t        at = (m->mem_bytes / sizeof(uint32_t) + 2) / 3 * 3; /* words: a packet each */
  if (!memory) return false;
  tf_mailbox_put_state(&lane->view, 0, memory, m->mem_bytes / sizeof(uint32_t), tag);
  for (uint32_t i = 0; i < rows; i++, at += (m->kept->width + 2) / 3 * 3)
    tf_mailbox_put_state(
        &lane->view, at,
        (const uint32_t *)(const void *)tf_kept_rows_at(m->kept, instrument_idx, kept - i),
        m->kept->width, tag);
  row.kind                      = TF_MARKET_ROW_STATE;
  row.u.state.tag               = tag;
  row.u.state.row_cnt           = rows;
  lane->numbers[instrument_idx] = 0; /* its rows are counted from here */
  post(lane, m, 0, 1, instrument_idx, 0, &row, NULL);
  m->state_seq   = lane->view.next_seq++;
  m->state_ticks = tf_clock_ticks();
  m->counts.states++;
  m->counts.state_bytes += m->mem_bytes + (uint64_t)rows * (m->kept ? m->kept->width : 0) * 4;
  return true;
}

/* has_row: a row of the model's, which is the newest kept one. can_send: nothing of this request is before it. */
static has_t bring(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t instrument_idx,
                   const tf_market_row_t *row, bool has_row, bool can_send) {
  if (TF_LIKELY(has_memory(lane, instrument_idx) && is_whole(m, instrument_idx, row)))
    return HAS_MEMORY;
  if (can_send && is_room_free(lane, m) && send_state(lane, m, instrument_idx, has_row))
    return HAS_STATE_COMING;
  m->counts.states_waited++;
  return HAS_NOT;
}

/* A request in the making. */
typedef struct request {
  tf_child_row_t *whose[TF_MAILBOX_BATCH_MAX];
  tf_market_row_t rows[TF_MAILBOX_BATCH_MAX];
  const void     *slots[TF_MAILBOX_BATCH_MAX];
  uint32_t        cnt;
  bool            asks;                       /* somebody of them */
  uint32_t        left[TF_MAILBOX_BATCH_MAX]; /* who leaves the sections: its tick is not told */
  uint32_t        left_cnt;
} request_t;

static void add(tf_child_lane_t *lane, tf_child_market_t *m, request_t *q, tf_child_row_t *r) {
  const uint32_t   idx = r->instrument_idx;
  tf_market_row_t *row = &q->rows[q->cnt];
  q->slots[q->cnt]     = m->source.tick(m->source.self, idx, row);
  const has_t has      = bring(lane, m, idx, row, !r->is_quiet, q->cnt == 0);
  r->result            = has ? TF_CHILD_ANSWERED : TF_CHILD_MISS_BEHIND;
  if (has) {
    row->kind = has == HAS_MEMORY ? TF_MARKET_ROW_TICK : TF_MARKET_ROW_STANDS;
    set_seat(m, idx, row->flags & TF_MARKET_ROW_HAS_SEAT);
    q->whose[q->cnt++] = r;
    q->asks            = q->asks || !r->is_quiet;
    return;
  }
  if (!r->is_quiet) lane->counts.results[r->result]++;
  if (m->is_seated[idx]) q->left[q->left_cnt++] = idx;
  set_seat(m, idx, false);
  lane->numbers[idx] = 0;
}

TF_COLD static void miss_all(tf_child_lane_t *lane, tf_child_row_t *rows, uint32_t row_cnt) {
  for (uint32_t i = 0; i < row_cnt; i++) {
    rows[i].result = TF_CHILD_MISS_ABSENT;
    if (!rows[i].is_quiet) lane->counts.results[TF_CHILD_MISS_ABSENT]++;
  }
}

/* Up to the deadline. */
static void await_all(tf_child_lane_t *lane, tf_child_market_t *m, const request_t *q, uint64_t seq,
                      uint64_t begun_ticks) {
  tf_child_row_t *behind = NULL;
  for (uint32_t i = 0; i < q->cnt; i++) {
    tf_child_row_t *r = q->whose[i];
    if (r->is_quiet) continue;
    r->result = tf_child_await_(lane, seq, i, r, begun_ticks);
    if (r->result != TF_CHILD_MISS_LATE) m->answered_seq = seq;
    if (r->result == TF_CHILD_MISS_BEHIND || r->result == TF_CHILD_MISS_REFUSED) behind = r;
  }
  if (TF_UNLIKELY(behind && m->has_sections)) forget_all(lane, m, behind->instrument_idx);
}

void tf_child_market_ask(tf_child_lane_t *lane, tf_child_market_t *m, tf_child_row_t *rows,
                         uint32_t row_cnt, uint64_t begun_ticks) {
  request_t q;
  if (TF_UNLIKELY(!tf_child_adopt_(lane))) {
    miss_all(lane, rows, row_cnt);
    return;
  }
  follow_epoch(lane, m);
  q.cnt = q.left_cnt = 0;
  q.asks             = false;
  for (uint32_t i = 0; i < row_cnt; i++) add(lane, m, &q, &rows[i]);
  for (uint32_t i = 0; i < q.cnt; i++)
    post(lane, m, i, q.cnt, q.whose[i]->instrument_idx, q.whose[i]->is_quiet ? TF_MAILBOX_QUIET : 0,
         &q.rows[i], q.slots[i]);
  const uint64_t seq = lane->view.next_seq;
  if (q.cnt) {
    lane->view.next_seq++;
    lane->posted_ticks = begun_ticks;
    lane->counts.requests += q.asks;
  }
  for (uint32_t i = 0; i < q.left_cnt; i++) post_gone(lane, m, q.left[i], 0);
  await_all(lane, m, &q, seq, begun_ticks);
}

/* Has the worker the instrument's memory? Else its state will say all of it. */
static bool is_followed(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t instrument_idx) {
  if (!tf_child_adopt_(lane)) return false;
  follow_epoch(lane, m);
  return has_memory(lane, instrument_idx);
}

void tf_child_market_tell(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t instrument_idx,
                          const tf_market_row_t *row) {
  if (!is_followed(lane, m, instrument_idx)) return;
  post(lane, m, 0, 1, instrument_idx, TF_MAILBOX_QUIET, row, NULL);
  lane->view.next_seq++;
}

void tf_child_market_pass(tf_child_lane_t *lane, tf_child_market_t *m, uint32_t instrument_idx) {
  tf_market_row_t row;
  if (!tf_child_adopt_(lane)) return;
  follow_epoch(lane, m);
  const void *slots = m->source.tick(m->source.self, instrument_idx, &row);
  const has_t has   = bring(lane, m, instrument_idx, &row, false, true);
  if (has == HAS_MEMORY) {
    post(lane, m, 0, 1, instrument_idx, TF_MAILBOX_QUIET, &row, slots);
    lane->view.next_seq++;
  } else if (has == HAS_NOT && m->is_seated[instrument_idx]) {
    post_gone(lane, m, instrument_idx, 0);
  } else if (has == HAS_NOT) {
    lane->numbers[instrument_idx] = 0;
  }
}

void tf_child_market_idle(tf_child_lane_t *lane, tf_child_market_t *m) {
  if (!tf_child_adopt_(lane)) return;
  follow_epoch(lane, m);
  for (uint32_t i = 0; i < IDLE_LOOKS; i++) {
    uint32_t idx = m->idle_at;
    m->idle_at   = idx + 1 < m->instrument_cnt ? idx + 1 : 0;
    if (has_memory(lane, idx) || !m->source.is_settled(m->source.self, idx)) continue;
    if (!is_room_free(lane, m)) {
      m->idle_at = idx;
      return;
    }
    if (send_state(lane, m, idx, false)) return;
  }
}
