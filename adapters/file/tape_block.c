#include "file/tape_block.h"

#include <string.h>

#include "core/error.h"

/* Columns of a kind: flags, words 0 to 2, word 3 in two halves for levels. */
#define EVENT_COLUMNS 6
#define RUN_COLUMNS   4 /* group, len, ts_recv, seq */

/* A group in the block. at and run_at: where its next event and run stand in the columns, in which
 * the kinds lie one behind the other. */
typedef struct group {
  uint64_t same; /* of the event's fourth word: all but the flags */
  uint32_t event_cnt, run_cnt;
  uint32_t at, run_at;
} group_t;

struct tf_tape_block {
  tf_tape_codec_t *codec;
  uint32_t         event_cap;
  group_t         *groups;       /* (event_cap) */
  uint64_t        *keys;         /* (event_cap) */
  uint64_t        *run_columns;  /* (RUN_COLUMNS x event_cap) */
  uint64_t        *ts_event;     /* (event_cap) runs by kind and group */
  uint64_t        *columns;      /* (EVENT_COLUMNS x event_cap) events by kind and group */
  uint32_t         run, run_cnt; /* reading: the run that is next */
  uint32_t         run_done;     /* its events handed out already */
  uint64_t         seq;          /* of the next event, but for what its run adds */
  uint32_t        *order;        /* writing: (event_cap) runs by group */
  uint32_t        *run_at;       /* writing: (event_cap) first event of each run */
};

static uint64_t *run_column(tf_tape_block_t *b, uint32_t c) {
  return b->run_columns + (size_t)c * b->event_cap;
}

static uint64_t *event_column(tf_tape_block_t *b, uint32_t c) {
  return b->columns + (size_t)c * b->event_cap;
}

static uint64_t key_of(const tf_event_t *e) {
  return (uint64_t)e->kind << 48 | (uint64_t)e->instrument_id << 16 |
         (uint64_t)(uint8_t)e->price_exp << 8 | (uint64_t)(uint8_t)e->qty_exp;
}

static uint32_t kind_of(uint64_t key) { return (uint32_t)(key >> 48); }

/* The event's fourth word: all that tells groups apart, and the flags. */
#define FLAGS_SHIFT 40

static uint64_t fourth_word(uint64_t key) {
  return (key >> 16 & UINT32_MAX) | (key >> 48) << 32 | (key >> 8 & 0xff) << 48 |
         (key & 0xff) << 56;
}

TF_STATIC_ASSERT(offsetof(tf_event_t, instrument_id) == 24 && offsetof(tf_event_t, kind) == 28 &&
                     offsetof(tf_event_t, flags) == 29 && offsetof(tf_event_t, price_exp) == 30 &&
                     offsetof(tf_event_t, qty_exp) == 31,
                 "fourth_word");

/* ---- reading ---------------------------------------------------------------------------------*/

typedef struct cursor { /* over a payload that is not trusted */
  tf_tape_codec_t *codec;
  const uint8_t   *at;
  size_t           left;
} cursor_t;

static bool take(cursor_t *from, uint64_t *values, uint32_t cnt) {
  size_t used = tf_tape_column_decode(from->codec, from->at, from->left, values, cnt);
  from->at += used;
  from->left -= used;
  return used > 0;
}

/* The group table and the runs; counts what each group has. */
static bool runs_take(tf_tape_block_t *b, const tf_tape_block_header_t *header, cursor_t *from) {
  uint32_t run_cnt = header->run_cnt, group_cnt = header->group_cnt;
  if (!take(from, b->keys, group_cnt)) return false;
  for (uint32_t g = 0; g < group_cnt; g++) {
    if ((g > 0 && b->keys[g] <= b->keys[g - 1]) || kind_of(b->keys[g]) >= TF_EVENT_KIND_CNT)
      return false;
    b->groups[g] = (group_t){.same = fourth_word(b->keys[g])};
  }
  for (uint32_t c = 0; c < RUN_COLUMNS; c++)
    if (!take(from, run_column(b, c), run_cnt)) return false;
  const uint64_t *groups = run_column(b, 0), *lens = run_column(b, 1);
  uint64_t        event_cnt = 0;
  for (uint32_t r = 0; r < run_cnt; r++) {
    if (groups[r] >= group_cnt || lens[r] >= header->record_cnt) return false;
    b->groups[groups[r]].run_cnt++;
    b->groups[groups[r]].event_cnt += (uint32_t)lens[r] + 1;
    event_cnt += lens[r] + 1;
    if (event_cnt > header->record_cnt) return false;
  }
  return event_cnt == header->record_cnt;
}

/* The columns of one kind, whose groups are [first, end); the groups' places are set. */
static bool kind_take(tf_tape_block_t *b, uint32_t first, uint32_t end, cursor_t *from,
                      uint32_t event_at, uint32_t run_at) {
  uint32_t event_cnt = 0, run_cnt = 0;
  for (uint32_t g = first; g < end; g++) {
    group_t *group = &b->groups[g];
    group->at      = event_at + event_cnt;
    group->run_at  = run_at + run_cnt;
    event_cnt += group->event_cnt;
    run_cnt += group->run_cnt;
  }
  if (!take(from, b->ts_event + run_at, run_cnt)) return false;
  uint32_t column_cnt = kind_of(b->keys[first]) == TF_EVENT_BOOK ? 6 : 5;
  for (uint32_t c = 0; c < column_cnt; c++)
    if (!take(from, event_column(b, c) + event_at, event_cnt)) return false;
  if (column_cnt == 5) return true;
  uint64_t *idx = event_column(b, 4) + event_at, *cnt = event_column(b, 5) + event_at;
  for (uint32_t i = 0; i < event_cnt; i++) idx[i] = (uint32_t)idx[i] | cnt[i] << 32;
  return true;
}

static bool kinds_take(tf_tape_block_t *b, uint32_t group_cnt, cursor_t *from) {
  uint32_t event_at = 0, run_at = 0;
  for (uint32_t first = 0, end; first < group_cnt; first = end) {
    for (end = first; end < group_cnt && kind_of(b->keys[end]) == kind_of(b->keys[first]); end++)
      if (b->groups[end].run_cnt == 0) return false;
    if (!kind_take(b, first, end, from, event_at, run_at)) return false;
    for (uint32_t g = first; g < end; g++) {
      event_at += b->groups[g].event_cnt;
      run_at += b->groups[g].run_cnt;
    }
  }
  return from->left == 0;
}

/* An event is written word by word: gathered in an array first, it would be read back by wider loads
 * than it was stored by, which stalls (half of all time here, perf, 2026-11-21). */
TF_INLINE void put(uint8_t *out, uint32_t word, uint64_t value) {
  memcpy(out + word * sizeof value, &value, sizeof value);
}

uint32_t tf_tape_block_next(tf_tape_block_t *b, tf_event_t *events, uint32_t cap) {
  const uint64_t *groups = run_column(b, 0), *lens = run_column(b, 1), *recv = run_column(b, 2),
                 *seqs  = run_column(b, 3);
  const uint64_t *flags = event_column(b, 0), *word0 = event_column(b, 1),
                 *word1 = event_column(b, 2), *word2 = event_column(b, 3),
                 *word3 = event_column(b, 4);
  uint8_t *out = (uint8_t *)events, *end = (uint8_t *)(events + cap);
  for (; b->run < b->run_cnt && out < end; b->run++) {
    group_t *group    = &b->groups[groups[b->run]];
    uint64_t ts_event = b->ts_event[group->run_at], ts_recv = recv[b->run], same = group->same;
    uint64_t seq = b->seq + seqs[b->run];
    uint32_t cnt = (uint32_t)lens[b->run] + 1 - b->run_done, at = group->at;
    uint32_t room = (uint32_t)((size_t)(end - out) / sizeof *events);
    bool     cut  = cnt > room;
    if (cut) cnt = room;
    for (uint32_t last = at + cnt; at < last; at++, out += sizeof *events) {
      put(out, 0, ts_event);
      put(out, 1, ts_recv);
      put(out, 2, seq++);
      put(out, 3, same | (flags[at] & UINT8_MAX) << FLAGS_SHIFT);
      put(out, 4, word0[at]);
      put(out, 5, word1[at]);
      put(out, 6, word2[at]);
      put(out, 7, word3[at]);
    }
    group->at = at;
    b->seq += cnt;
    b->run_done = cut ? b->run_done + cnt : 0;
    if (cut) break;
    group->run_at++;
  }
  return (uint32_t)((size_t)(out - (uint8_t *)events) / sizeof *events);
}

bool tf_tape_block_open(tf_tape_block_t *b, const tf_tape_block_header_t *header,
                        const uint8_t *payload) {
  b->run_cnt = b->run = b->run_done = 0;
  if (header->record_cnt > b->event_cap || header->run_cnt < 1 ||
      header->run_cnt > header->record_cnt || header->group_cnt < 1 ||
      header->group_cnt > header->run_cnt)
    return false;
  cursor_t from = {b->codec, payload, header->payload_bytes};
  if (!runs_take(b, header, &from) || !kinds_take(b, header->group_cnt, &from)) return false;
  b->run_cnt = header->run_cnt;
  b->seq     = header->first_seq;
  return true;
}

/* ---- writing ---------------------------------------------------------------------------------*/

static bool run_goes_on(const tf_event_t *e, const tf_event_t *before) {
  return key_of(e) == key_of(before) && e->ts_recv_ns == before->ts_recv_ns &&
         e->ts_event_ns == before->ts_event_ns && e->ingest_seq == before->ingest_seq + 1;
}

static int by_key(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static uint32_t group_find(const tf_tape_block_t *b, uint32_t group_cnt, uint64_t key) {
  uint32_t low = 0, high = group_cnt - 1;
  while (low < high) {
    uint32_t mid = (low + high) / 2;
    if (b->keys[mid] < key)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

/* Cuts the events into runs and finds their groups. Fills the run columns and header's counts. */
static void runs_find(tf_tape_block_t *b, const tf_event_t *events, uint32_t cnt,
                      tf_tape_block_header_t *header) {
  uint64_t *groups = run_column(b, 0), *lens = run_column(b, 1), *recv = run_column(b, 2),
           *seqs   = run_column(b, 3);
  uint32_t run_cnt = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &events[i];
    if (e->ts_recv_ns < header->recv_ns_min) header->recv_ns_min = e->ts_recv_ns;
    if (e->ts_recv_ns > header->recv_ns_max) header->recv_ns_max = e->ts_recv_ns;
    if (i > 0 && run_goes_on(e, e - 1)) {
      lens[run_cnt - 1]++;
      continue;
    }
    b->run_at[run_cnt] = i;
    b->keys[run_cnt]   = key_of(e);
    lens[run_cnt]      = 0;
    recv[run_cnt]      = e->ts_recv_ns;
    seqs[run_cnt]      = e->ingest_seq - (header->first_seq + i);
    run_cnt++;
  }
  qsort(b->keys, run_cnt, sizeof *b->keys, by_key);
  uint32_t group_cnt = 0;
  for (uint32_t r = 0; r < run_cnt; r++)
    if (group_cnt == 0 || b->keys[r] != b->keys[group_cnt - 1]) b->keys[group_cnt++] = b->keys[r];
  for (uint32_t r = 0; r < run_cnt; r++)
    groups[r] = group_find(b, group_cnt, key_of(&events[b->run_at[r]]));
  header->run_cnt   = run_cnt;
  header->group_cnt = group_cnt;
}

/* order = the runs by group, in each by time: a counting sort. */
static void runs_order(tf_tape_block_t *b, const tf_tape_block_header_t *header) {
  const uint64_t *groups = run_column(b, 0);
  for (uint32_t g = 0; g < header->group_cnt; g++) b->groups[g] = (group_t){0};
  for (uint32_t r = 0; r < header->run_cnt; r++) b->groups[groups[r]].run_cnt++;
  uint32_t at = 0;
  for (uint32_t g = 0; g < header->group_cnt; g++) {
    uint32_t cnt         = b->groups[g].run_cnt;
    b->groups[g].run_cnt = at;
    at += cnt;
  }
  for (uint32_t r = 0; r < header->run_cnt; r++) b->order[b->groups[groups[r]].run_cnt++] = r;
}

static uint64_t event_value(const tf_event_t *e, uint32_t column, bool is_level) {
  if (column == 0) return e->flags;
  if (column == 5) return e->u.level.level_cnt;
  return column == 4 && is_level ? e->u.level.level_idx : e->u.word[column - 1];
}

/* The columns of one kind: runs order[first .. end). */
static size_t kind_put(tf_tape_block_t *b, const tf_event_t *events, uint32_t first, uint32_t end,
                       uint8_t *out) {
  const uint64_t *lens     = run_column(b, 1);
  bool            is_level = events[b->run_at[b->order[first]]].kind == TF_EVENT_BOOK;
  uint64_t       *values   = b->columns;
  for (uint32_t o = first; o < end; o++)
    values[o - first] = events[b->run_at[b->order[o]]].ts_event_ns;
  size_t used = tf_tape_column_encode(b->codec, values, end - first, out);
  for (uint32_t c = 0; c < (is_level ? 6u : 5u); c++) {
    uint32_t cnt = 0;
    for (uint32_t o = first; o < end; o++) {
      const tf_event_t *e = &events[b->run_at[b->order[o]]];
      for (uint64_t i = 0; i <= lens[b->order[o]]; i++)
        values[cnt++] = event_value(e + i, c, is_level);
    }
    used += tf_tape_column_encode(b->codec, values, cnt, out + used);
  }
  return used;
}

void tf_tape_block_encode(tf_tape_block_t *b, const tf_event_t *events, uint32_t cnt,
                          uint8_t *payload, tf_tape_block_header_t *header) {
  TF_ASSERT(cnt >= 1 && cnt <= b->event_cap);
  header->record_cnt  = cnt;
  header->first_seq   = events[0].ingest_seq;
  header->recv_ns_min = header->recv_ns_max = events[0].ts_recv_ns;
  runs_find(b, events, cnt, header);
  runs_order(b, header);
  size_t used = tf_tape_column_encode(b->codec, b->keys, header->group_cnt, payload);
  for (uint32_t c = 0; c < RUN_COLUMNS; c++)
    used += tf_tape_column_encode(b->codec, run_column(b, c), header->run_cnt, payload + used);
  const uint64_t *groups = run_column(b, 0);
  for (uint32_t first = 0, end; first < header->run_cnt; first = end) {
    uint32_t kind = kind_of(b->keys[groups[b->order[first]]]);
    for (end = first; end < header->run_cnt; end++)
      if (kind_of(b->keys[groups[b->order[end]]]) != kind) break;
    used += kind_put(b, events, first, end, payload + used);
  }
  TF_ASSERT(used <= tf_tape_block_bytes_max(cnt));
  header->payload_bytes = (uint32_t)used;
}

/* Groups, four columns of runs, and for each kind its runs and at most six of its events. */
size_t tf_tape_block_bytes_max(uint32_t cnt) {
  size_t whole = 2 + RUN_COLUMNS + EVENT_COLUMNS;
  return whole * TF_TAPE_COLUMN_BYTES_MAX(cnt) +
         TF_EVENT_KIND_CNT * (1 + EVENT_COLUMNS) * TF_TAPE_COLUMN_BYTES_MAX(0);
}

TF_STATIC_ASSERT((2 + RUN_COLUMNS + EVENT_COLUMNS) *
                             TF_TAPE_COLUMN_BYTES_MAX(TF_TAPE_BLOCK_EVENTS_MAX) +
                         TF_EVENT_KIND_CNT * (1 + EVENT_COLUMNS) * TF_TAPE_COLUMN_BYTES_MAX(0) <
                     TF_TAPE_PAYLOAD_BYTES_MAX,
                 "the largest block fits in a payload");

/* ---- lifetime --------------------------------------------------------------------------------*/

tf_err_t tf_tape_block_start(tf_tape_block_t **out, uint32_t event_cap, int level) {
  TF_ASSERT(event_cap >= 1 && event_cap <= TF_TAPE_BLOCK_EVENTS_MAX);
  *out               = NULL;
  tf_tape_block_t *b = calloc(1, sizeof *b);
  if (!b) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *b);
  b->event_cap   = event_cap;
  b->groups      = calloc(event_cap, sizeof *b->groups);
  b->keys        = calloc(event_cap, sizeof *b->keys);
  b->run_columns = calloc((size_t)RUN_COLUMNS * event_cap, sizeof *b->run_columns);
  b->ts_event    = calloc(event_cap, sizeof *b->ts_event);
  b->columns     = calloc((size_t)EVENT_COLUMNS * event_cap, sizeof *b->columns);
  b->order       = calloc(event_cap, sizeof *b->order);
  b->run_at      = calloc(event_cap, sizeof *b->run_at);
  tf_err_t err   = tf_tape_codec_start(&b->codec, event_cap, level);
  if (!err && !(b->groups && b->keys && b->run_columns && b->ts_event && b->columns && b->order &&
                b->run_at))
    err = TF_ERR(E_CORE_NO_MEMORY, "memory for blocks of %u events", event_cap);
  if (err) {
    tf_tape_block_stop(b);
    return err;
  }
  *out = b;
  return TF_OK;
}

void tf_tape_block_stop(tf_tape_block_t *b) {
  if (!b) return;
  tf_tape_codec_stop(b->codec);
  free(b->groups);
  free(b->keys);
  free(b->run_columns);
  free(b->ts_event);
  free(b->columns);
  free(b->order);
  free(b->run_at);
  free(b);
}
