#include "file/tape_track.h"

#include <string.h>

#include "core/error.h"

/* Events put together at a time: 16 KiB, which the lane then finds in its nearest cache. */
#define STEP_EVENTS 256

/* ---- hot -------------------------------------------------------------------------------------*/

/* Brings the events that were just read into the engine's terms; passes over those out of bounds. */
static uint32_t admit(tf_tape_track_t *t, tf_event_t *events, uint32_t cnt) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &events[i];
    if (TF_UNLIKELY(e->instrument_id >= t->reader.row_cnt)) {
      t->unknown_ids++;
      continue;
    }
    if (TF_UNLIKELY(e->ts_recv_ns < t->from_ns || e->ts_recv_ns >= t->to_ns)) continue;
    if (TF_UNLIKELY(kept != i)) events[kept] = *e;
    events[kept].instrument_id = t->ids[events[kept].instrument_id];
    kept++;
  }
  return kept;
}

/* The next block that may hold events within the bounds. False: none is left. */
static bool block_next(tf_tape_track_t *t) {
  while (t->next_block < t->reader.block_cnt) {
    const tf_tape_entry_t *entry = &t->reader.blocks[t->next_block];
    if (entry->recv_ns_max < t->from_ns || entry->recv_ns_min >= t->to_ns) {
      t->next_block++;
      continue;
    }
    uint64_t lost_before = t->reader.lost_bytes;
    bool     is_open     = tf_tape_reader_open(&t->reader, t->next_block++) == TF_OK;
    if (!is_open) {
      t->bytes_rejected += t->reader.lost_bytes - lost_before;
      continue;
    }
    t->bytes_framed += sizeof t->reader.header + t->reader.header.payload_bytes;
    return true;
  }
  return false;
}

/* More events behind those that wait. False: there are none, or no room for them. */
static bool fill(tf_tape_track_t *t) {
  if (t->begin > 0 && t->cap - t->end < STEP_EVENTS) {
    memmove(t->events, t->events + t->begin, (t->end - t->begin) * sizeof *t->events);
    t->end -= t->begin;
    t->begin = 0;
  }
  uint32_t room = t->cap - t->end < STEP_EVENTS ? t->cap - t->end : STEP_EVENTS;
  if (room == 0) return false;
  for (;;) {
    if (!t->is_block_open && !block_next(t)) return false;
    uint32_t cnt     = tf_tape_reader_next(&t->reader, t->events + t->end, room);
    t->is_block_open = cnt > 0;
    cnt              = admit(t, t->events + t->end, cnt);
    t->end += cnt;
    if (cnt) return true;
  }
}

bool tf_tape_track_ready(tf_tape_track_t *t) {
  uint32_t cnt = 0;
  while (t->message_cnt == 0) {
    if (t->begin + cnt == t->end) {
      if (fill(t)) continue;
      t->message_cnt = cnt;
      return cnt > 0;
    }
    const tf_event_t *first = &t->events[t->begin], *e = first + cnt;
    if (e->ts_recv_ns != first->ts_recv_ns) {
      t->message_cnt = cnt;
    } else {
      cnt++;
      if (e->flags & TF_FLAG_LAST) t->message_cnt = cnt;
    }
  }
  return true;
}

/* ---- cold ------------------------------------------------------------------------------------*/

/* The row of that name, or a new one. */
static bool find_or_append(tf_instruments_t *table, const tf_instrument_t *row, uint32_t *id) {
  uint32_t cnt = tf_load_relaxed_u32(&table->cnt); /* relaxed: this thread is the only writer */
  for (*id = 0; *id < cnt; (*id)++)
    if (strcmp(table->rows[*id].name, row->name) == 0) return true;
  if (cnt == table->cap) return false;
  table->rows[cnt]    = *row;
  table->rows[cnt].id = cnt;
  /* pairs with: readers of instruments.cnt, which then read the rows below it */
  tf_store_release_u32(&table->cnt, cnt + 1);
  return true;
}

static tf_err_t ids_map(tf_tape_track_t *t, tf_instruments_t *instruments) {
  t->ids = calloc(t->reader.row_cnt + 1, sizeof *t->ids);
  if (!t->ids) return TF_ERR(E_CORE_NO_MEMORY, "%u instruments", t->reader.row_cnt);
  for (uint32_t i = 0; i < t->reader.row_cnt; i++)
    if (!find_or_append(instruments, &t->reader.rows[i], &t->ids[i]))
      return TF_ERR(E_FEED_LIMIT,
                    "%s: its instrument %s (%u of %u) has no place: the table holds %u; raise "
                    "engine.instruments_max, or name it under feeds",
                    t->reader.path, t->reader.rows[i].name, i + 1, t->reader.row_cnt,
                    instruments->cap);
  return TF_OK;
}

tf_err_t tf_tape_track_init(tf_tape_track_t *t, const char *path, tf_instruments_t *instruments,
                            uint32_t message_cap, uint64_t from_ns, uint64_t to_ns) {
  *t           = (tf_tape_track_t){.from_ns = from_ns, .to_ns = to_ns, .reader.fd = -1};
  tf_err_t err = tf_tape_reader_init(&t->reader, path);
  if (err) return err;
  t->bytes_rejected = t->reader.lost_bytes;
  t->cap            = message_cap > 2 * STEP_EVENTS ? message_cap : 2 * STEP_EVENTS;
  t->events         = aligned_alloc(TF_LINE_BYTES, t->cap * sizeof *t->events);
  if (!t->events) err = TF_ERR(E_CORE_NO_MEMORY, "%s: messages of %u events", path, message_cap);
  if (!err) err = ids_map(t, instruments);
  if (err) tf_tape_track_fini(t);
  return err;
}

void tf_tape_track_fini(tf_tape_track_t *t) {
  tf_tape_reader_fini(&t->reader);
  free(t->ids);
  free(t->events);
  *t = (tf_tape_track_t){.reader.fd = -1};
}
