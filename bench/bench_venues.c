/* B3 for every venue: from a framed message to events, ns a trade, a quote or ticker, and a book level, against
 * simdjson On-Demand on the same bytes in the same run: rounds of both alternate, the median counts. The messages are the
 * recordings in ../shared/data, or of the tree where a form was not recorded. What compresses by itself (HTX) stands
 * there twice: inflated before the clock runs, and by zlib on both sides while it does.
 *
 * The peer keeps no state: no sequences, no mirror, no checksum, no repeats (peer_venues.h). Ours does all of that. In the
 * rows "level, book" the peer keeps a book too and compares every checksum (peer_book.h).
 *
 *   bench_venues [--json] [--smoke | --rounds 1..64] ["okx trade"]     the rows whose name has this in it */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "feed/feeds.h"
#include "file/recording.h"
#include "peer_venues.h"
#include "wire/gzip.h"

#define EVENT_CAP     65536u
#define ROUNDS_MAX    64
#define MESSAGES_MAX  4096u
#define MESSAGE_BYTES (512u << 10) /* of a row: what stays in a core's own cache */
#define WARM_BYTES                                                                                 \
  (64u << 20) /* and what is not timed: snapshots of REST, first ones of megabytes */
#define LONG_BYTES (32u << 10) /* a message of so many is one */
/* The first half of the messages is not timed, because a session has decoded for hours: what the second half is like can be
 * known, it itself not. So many of them come before each pass. */
#define LED_IN_MAX      64u
#define ANSWERS_MAX     256u
#define INSTRUMENTS_MAX 64
#define STATE_BYTES_MAX (256u << 20)
/* Times that a row's messages are gone through in a round, so that the clock's own cost does not count. */
#define PASSES(messages) ((messages) < 500 ? 500 / (messages) : 1)

typedef struct {
  const char  *venue, *path, *name;
  double       budget_ns;
  peer_shape_t shape;
} row_t;

static const row_t rows[] = {
#define ROW(v, p, n, b, ...)                                                                       \
  {.venue = (v), .path = (p), .name = (n), .budget_ns = (b), .shape = {__VA_ARGS__}},
#include "bench_venues_rows.def"
#undef ROW
};

static tf_frame_t frames[MESSAGES_MAX]; /* as JSON */
static tf_frame_t packed[MESSAGES_MAX]; /* as received, where the venue compresses */
static uint32_t   frame_cnt, warm_cnt;  /* the first warm_cnt are not timed */
static tf_frame_t answers[ANSWERS_MAX]; /* to subscriptions: they come before all, untimed */
static uint32_t   answer_cnt;
static uint32_t   unit_cnt; /* ours, of the timed */
#ifdef BENCH_SIMDJSON
static const bool has_peer = true;
#else
static const bool has_peer = false;
#endif
static bool             is_packed, is_made;
static char             store[MESSAGE_BYTES], warm_store[WARM_BYTES];
static tf_event_t      *events, *theirs;
static tf_instruments_t instruments;
static tf_feed_counts_t counts;
static tf_feed_out_t    out;
static uint8_t         *memory; /* a feed's state, */
static size_t           memory_bytes;
static uint8_t         *saved; /* as it was before the timed messages, */
static uint32_t        *dirty; /* and the lines of it that they change */
static uint32_t         dirty_cnt;
static tf_feed_counts_t saved_counts;
static tf_gzip_t        gzip;
static uint64_t         events_hash; /* printed, so that nothing can be left out as unused */

/* A feed that takes everything, all its memory touched. */
static void *begin(const tf_feed_t *feed) {
  tf_feed_config_t config = {
      .instruments = &instruments, .channels = (1u << TF_CHANNEL_CNT) - 1, .pending_cap = 64};
  memory_bytes = tf_align_up(feed->state_bytes(feed, &config), TF_LINE_BYTES);
  TF_ASSERT(memory_bytes <= STATE_BYTES_MAX);
  memset(memory, 0, memory_bytes);
  instruments.cnt = 0;
  memset(&counts, 0, sizeof counts);
  TF_ASSERT(feed->init(feed, memory, &config) == TF_OK);
  return memory;
}

static uint32_t decode(const tf_feed_t *feed, void *state, const tf_frame_t *frame) {
  out.event_cnt = out.resync_cnt = out.answer_cnt = out.reply_bytes_cnt = 0; /* as a session does */
  feed->on_frame(state, frame, &out);
  return out.event_cnt;
}

/* The same, and what the venue answered to subscriptions behind it. */
static void *begin_subscribed(const tf_feed_t *feed) {
  void *state = begin(feed);
  for (uint32_t i = 0; i < answer_cnt; i++) decode(feed, state, &answers[i]);
  return state;
}

static uint32_t decode_peer(const row_t *row, const tf_frame_t *frame) {
#ifdef BENCH_SIMDJSON
  return peer_venues_decode(&row->shape, frame->bytes, frame->bytes_cnt, theirs, EVENT_CAP);
#else
  (void)row;
  (void)frame;
  return 1;
#endif
}

/* Levels that the feed itself made up for a mirror's depth are no work of the peer's. */
static bool is_unit(const row_t *row, const tf_event_t *e) {
  return e->kind == row->shape.kind && !(e->flags & TF_FLAG_DERIVED);
}

static uint32_t units_of(const row_t *row, uint32_t cnt) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < cnt; i++) found += is_unit(row, &events[i]);
  return found;
}

/* What both must have found: prices (where they are sent), quantities and sides. Ours stand bids first, and trades
 * oldest first: so sums. */
static uint64_t sum_of(const row_t *row, const tf_event_t *list, uint32_t cnt) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    if (!is_unit(row, &list[i])) continue;
    sum += (uint64_t)list[i].u.trade.qty * 7 + (list[i].flags & TF_FLAG_SIDE);
    if (!row->shape.no_price) sum += (uint64_t)list[i].u.trade.price * 3;
  }
  return sum;
}

typedef struct {
  char  *bytes;
  size_t used, cap;
} room_t;

/* Copies bytes behind what is used; NULL: there is no room. */
static char *keep_bytes(const char *bytes, size_t cnt, room_t *room) {
  char *target = room->bytes + room->used;
  if (cnt + TF_BYTES_PAD > room->cap - room->used) return NULL;
  memcpy(target, bytes, cnt);
  memset(target + cnt, 0, TF_BYTES_PAD);
  room->used += cnt + TF_BYTES_PAD;
  return target;
}

static void keep_answer(const tf_frame_t *json, room_t *room) {
  char *text = answer_cnt < ANSWERS_MAX ? keep_bytes(json->bytes, json->bytes_cnt, room) : NULL;
  if (text == NULL) return;
  answers[answer_cnt]         = *json;
  answers[answer_cnt].target  = NULL;
  answers[answer_cnt++].bytes = text;
}

/* Where a message has its connection's sequence; NULL: nowhere. key "": the last of an array's elements. */
static char *sequence_of(char *text, uint32_t bytes_cnt, const char *key) {
  size_t key_bytes = strlen(key);
  char  *at        = key_bytes > 0 ? memmem(text, bytes_cnt, key, key_bytes) : NULL;
  if (key_bytes == 0) at = memrchr(text, ',', bytes_cnt);
  if (at == NULL) return NULL;
  return at + (key_bytes > 0 ? key_bytes + 2 : 1); /* behind its quote and colon */
}

/* What stands between the row's messages is left out, and a sequence over all of them would have a gap at each, as no
 * connection does. So they are numbered anew, from the first one's number on: never longer than they were. */
static void renumber(const row_t *row, tf_frame_t *frame, uint64_t *next) {
  char *text = (char *)(uintptr_t)frame->bytes, number[24], *stop;
  char *at   = sequence_of(text, frame->bytes_cnt, row->shape.sequence);
  if (at == NULL) return;
  uint64_t was = strtoull(at, &stop, 10);
  if (*next == 0) *next = was;
  int cnt = snprintf(number, sizeof number, "%" PRIu64, (*next)++);
  TF_ASSERT(cnt > 0 && cnt <= stop - at);
  memcpy(at, number, (size_t)cnt);
  memmove(at + cnt, stop, frame->bytes_cnt - (size_t)(stop - text) + TF_BYTES_PAD);
  frame->bytes_cnt -= (uint32_t)(stop - at - cnt);
}

static bool keep(const tf_frame_t *json, const tf_frame_t *raw, room_t *room) {
  if (frame_cnt == MESSAGES_MAX) return false;
  char *text   = keep_bytes(json->bytes, json->bytes_cnt, room);
  char *bytes  = raw != json ? keep_bytes(raw->bytes, raw->bytes_cnt, room) : text;
  char *target = json->target ? keep_bytes(json->target, strlen(json->target) + 1, room) : NULL;
  if (text == NULL || bytes == NULL || (json->target && target == NULL)) return false;
  frames[frame_cnt]        = *json;
  frames[frame_cnt].bytes  = text;
  packed[frame_cnt]        = *raw;
  packed[frame_cnt].bytes  = bytes;
  frames[frame_cnt].target = packed[frame_cnt].target = target;
  frame_cnt++;
  return true;
}

/* The message as JSON: inflated where the venue compresses by itself. */
static tf_frame_t unpacked(const tf_frame_t *raw) {
  static char text[1 << 20];
  tf_frame_t  json = *raw;
  size_t      cnt;
  if (raw->bytes_cnt < 2 || (uint8_t)raw->bytes[0] != 0x1f || (uint8_t)raw->bytes[1] != 0x8b)
    return json;
  if (tf_gzip_take(&gzip, raw->bytes, raw->bytes_cnt, text, sizeof text - TF_BYTES_PAD, &cnt) !=
      TF_GZIP_OK)
    return json;
  memset(text + cnt, 0, TF_BYTES_PAD);
  json.bytes     = text;
  json.bytes_cnt = (uint32_t)cnt;
  json.kind      = TF_FRAME_TEXT;
  is_packed      = true;
  return json;
}

/* The recording's messages of the row's form: the first of them, and snapshots, are for warming. A message
 * that ours makes no event of is kept only while books wait for a snapshot, so that their chain holds. */
static bool load(const row_t *row) {
  tf_recording_t recording = {0};
  tf_record_t    record;
  char           path[256];
  room_t         timed = {store, 0, sizeof store}, warming = {warm_store, 0, sizeof warm_store};
  is_made = strncmp(row->path, "tests/", 6) == 0 || strncmp(row->path, "bench/", 6) == 0;
  snprintf(path, sizeof path, is_made ? "%s" : "../shared/data/%s", row->path);
  if (tf_recording_init(&recording, path) != TF_OK) return false;
  const tf_feed_t *feed  = tf_feeds_find(row->venue);
  void            *state = begin(feed);
  frame_cnt = warm_cnt = answer_cnt = 0;
  is_packed                         = false;
  for (bool has_room = true; has_room;) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    tf_frame_t raw         = {.bytes     = record.bytes,
                              .bytes_cnt = record.bytes_cnt,
                              .kind      = record.kind,
                              .recv_ns   = record.recv_ns,
                              .target    = record.target};
    tf_frame_t json        = unpacked(&raw);
    bool       is_rest     = json.kind == TF_FRAME_HTTP;
    uint64_t   control_cnt = counts.msgs_control, data_cnt = counts.msgs_data;
    uint32_t   cnt = decode(feed, state, &json);
    if (!is_rest && counts.msgs_control > control_cnt) keep_answer(&json, &warming);
    uint32_t units = units_of(row, cnt), theirs_cnt = is_rest ? 0 : decode_peer(row, &json);
    bool is_waiting = cnt == 0 && counts.msgs_data > data_cnt && row->shape.kind == TF_EVENT_BOOK;
    bool is_warming = is_rest || is_waiting || json.bytes_cnt >= LONG_BYTES;
    if (is_rest ? cnt == 0 : theirs_cnt == 0 || (units == 0 && !is_waiting)) continue;
    has_room = keep(&json, json.kind == raw.kind ? &json : &raw, is_warming ? &warming : &timed);
    if (has_room && is_warming) warm_cnt = frame_cnt;
  }
  tf_recording_fini(&recording);
  uint64_t next = 0;
  for (uint32_t i = 0; i < frame_cnt && row->shape.sequence != NULL; i++)
    renumber(row, &frames[i], &next);
  uint32_t left = frame_cnt - warm_cnt;
  warm_cnt += left / 2;
  return frame_cnt - warm_cnt > 1;
}

/* Of the timed messages, how many units, and that the peer finds the same. False: it does not. */
static bool check_same(const row_t *row) {
  const tf_feed_t *feed      = tf_feeds_find(row->venue);
  void            *state     = begin_subscribed(feed);
  bool             is_merged = row->shape.kind == TF_EVENT_TICKER ||
                   row->shape.kind == TF_EVENT_QUOTE; /* ours has what was said before, too */
  uint32_t theirs_cnt = 0;
  unit_cnt            = 0;
  for (uint32_t i = 0; i < frame_cnt; i++) {
    uint32_t cnt = decode(feed, state, &frames[i]), peer_cnt = decode_peer(row, &frames[i]);
    if (i < warm_cnt) continue;
    unit_cnt += units_of(row, cnt);
    theirs_cnt += peer_cnt;
    if (has_peer && units_of(row, cnt) == peer_cnt && !is_merged &&
        sum_of(row, events, cnt) != sum_of(row, theirs, peer_cnt))
      return false;
  }
  if (!has_peer) theirs_cnt = unit_cnt;
  if (unit_cnt == 0 || theirs_cnt == 0) return false;
#ifdef BENCH_SIMDJSON
  if (peer_venues_mismatch_cnt() != 0) return false; /* its book is not the venue's */
#endif
  double apart = (double)theirs_cnt / (double)unit_cnt;
  return apart > 0.98 && apart < 1.02; /* repeats, which only we look for */
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* the machine may be shared */
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Brings the messages into the cache before a pass, ours and the peer's alike. */
static void touch(void) {
  for (size_t i = 0; i < MESSAGE_BYTES; i += TF_LINE_BYTES) events_hash += (uint8_t)store[i];
}

static void mix(const tf_event_t *list, uint32_t cnt) {
  if (cnt > 0) events_hash = events_hash * 31 + (uint64_t)list[cnt - 1].u.level.price + cnt;
}

/* What is timed; by itself, so that a profiler can be told of it (callgrind --toggle-collect=decode_timed). */
__attribute__((noinline)) static void decode_timed(const tf_feed_t *feed, void *state,
                                                   const tf_frame_t *list) {
  for (uint32_t i = warm_cnt; i < frame_cnt; i++) mix(events, decode(feed, state, &list[i]));
}

/* Back to the state before the timed messages, through the lines that differ: what a session has in its caches stays
 * there, which a new state, all of it written, would push out. */
static void rewind_state(void) {
  for (uint32_t i = 0; i < dirty_cnt; i++)
    memcpy(memory + (size_t)dirty[i] * TF_LINE_BYTES, saved + (size_t)dirty[i] * TF_LINE_BYTES,
           TF_LINE_BYTES);
  counts = saved_counts;
}

/* Which messages come before each pass: the last ones of warming, without its snapshots; where the peer keeps a book, all that
 * it was made of. */
static bool is_led_in(const row_t *row, uint32_t i) {
  bool is_near = i + LED_IN_MAX >= warm_cnt || row->shape.keeps_book;
  return is_near && frames[i].kind != TF_FRAME_HTTP && frames[i].bytes_cnt < LONG_BYTES;
}

static void lead_in(const row_t *row, const tf_feed_t *feed) {
  for (uint32_t i = 0; i < warm_cnt; i++)
    if (is_led_in(row, i)) decode(feed, memory, &frames[i]);
}

/* The state that each pass begins with, and which lines a pass and the messages before the next one change. */
static void prepare(const row_t *row, const tf_frame_t *list) {
  const tf_feed_t *feed = tf_feeds_find(row->venue);
  begin_subscribed(feed);
  for (uint32_t i = 0; i < warm_cnt; i++) decode(feed, memory, &frames[i]);
  memcpy(saved, memory, memory_bytes);
  saved_counts = counts;
  decode_timed(feed, memory, list);
  lead_in(row, feed);
  dirty_cnt = 0;
  for (size_t at = 0; at < memory_bytes; at += TF_LINE_BYTES)
    if (memcmp(memory + at, saved + at, TF_LINE_BYTES) != 0)
      dirty[dirty_cnt++] = (uint32_t)(at / TF_LINE_BYTES);
  rewind_state();
  decode_timed(feed, memory, list);
}

static double ours_once(const row_t *row, const tf_frame_t *list) {
  const tf_feed_t *feed = tf_feeds_find(row->venue);
  touch();
  lead_in(row, feed);
  rewind_state();
  double from = now_ns();
  decode_timed(feed, memory, list);
  return now_ns() - from;
}

static double peer_once(const row_t *row, bool inflate) {
#ifdef BENCH_SIMDJSON
  touch();
  for (uint32_t i = 0; i < warm_cnt; i++)
    if (is_led_in(row, i)) decode_peer(row, &frames[i]);
  double from = now_ns();
  for (uint32_t i = warm_cnt; i < frame_cnt; i++) {
    tf_frame_t json = inflate ? unpacked(&packed[i]) : frames[i];
    mix(theirs, decode_peer(row, &json));
  }
  return now_ns() - from;
#else
  (void)row;
  (void)inflate;
  return 0;
#endif
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int cnt) {
  qsort(values, (size_t)cnt, sizeof *values, by_value);
  return values[cnt / 2];
}

static bool print_row(const row_t *row, bool inflate, int round_cnt, bool json, bool first) {
  static double ours[ROUNDS_MAX], peer[ROUNDS_MAX];
  const char   *version = "none";
#ifdef BENCH_SIMDJSON
  version = peer_venues_version();
#endif
  prepare(row, inflate ? packed : frames);
  for (int i = 0; i < round_cnt; i++) {
    /* few messages are gone through several times, each time from the beginning */
    ours[i] = peer[i] = 0;
    for (uint32_t k = 0; k < PASSES(frame_cnt); k++) {
      ours[i] += ours_once(row, inflate ? packed : frames) / (double)unit_cnt / PASSES(frame_cnt);
      peer[i] += peer_once(row, inflate) / (double)unit_cnt / PASSES(frame_cnt);
    }
  }
  double      a = median(ours, round_cnt), b = median(peer, round_cnt);
  bool        ok   = a <= row->budget_ns && (b == 0 || b / a >= 2);
  const char *more = inflate ? ", gzip" : "";
  if (json)
    printf(
        "%s\n {\"name\":\"decode %s %s%s\",\"ours\":%.2f,\"unit\":\"ns\",\"peer\":\"simdjson %s\","
        "\"peer_value\":%.2f,\"ratio\":%.2f,\"budget\":%.0f,\"ok\":%s}",
        first ? "[" : ",", row->venue, row->name, more, a, version, b, b / a, row->budget_ns,
        ok ? "true" : "false");
  else
    printf("decode %-18s %-10s%-6s %8.2f %8.2f %6.2fx %7.0f   %-4s   %u messages, %u events%s\n",
           row->venue, row->name, more, a, b, b / a, row->budget_ns, ok ? "ok" : "over",
           frame_cnt - warm_cnt, unit_cnt, is_made ? ", made up" : "");
  fflush(stdout);
  return ok;
}

int main(int argc, char **argv) {
  bool        json      = false;
  int         round_cnt = 21;
  const char *only      = "";
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      json = true;
    else if (strcmp(argv[i], "--smoke") == 0)
      round_cnt = 3;
    else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
      round_cnt = atoi(argv[++i]);
    else if (argv[i][0] != '-')
      only = argv[i];
    else {
      fprintf(stderr, "usage: bench_venues [--json] [--smoke | --rounds 1..64] [\"okx trade\"]\n");
      return 2;
    }
  }
  if (round_cnt < 1 || round_cnt > ROUNDS_MAX) round_cnt = ROUNDS_MAX;
  events          = aligned_alloc(64, EVENT_CAP * sizeof *events);
  theirs          = aligned_alloc(64, EVENT_CAP * sizeof *theirs);
  out             = (tf_feed_out_t){.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  memory          = aligned_alloc(TF_LINE_PAIR_BYTES, STATE_BYTES_MAX);
  saved           = aligned_alloc(TF_LINE_PAIR_BYTES, STATE_BYTES_MAX);
  dirty           = malloc(STATE_BYTES_MAX / TF_LINE_BYTES * sizeof *dirty);
  void *inflating = aligned_alloc(16, tf_align_up(tf_gzip_bytes(), 16));
  TF_ASSERT(tf_gzip_init(&gzip, inflating) == TF_OK);
  instruments.cap  = INSTRUMENTS_MAX;
  instruments.rows = calloc(instruments.cap, sizeof *instruments.rows);
  if (!json)
    printf("%-42s %8s %8s %7s %7s\n", "ns a unit, median", "ours", "simdjson", "ratio", "budget");
  bool is_first = true, all_ok = true, failed = false;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", rows[i].venue, rows[i].name);
    if (strstr(name, only) == NULL || !load(&rows[i])) continue;
    if (!check_same(&rows[i])) {
      fprintf(stderr, "bench_venues: %s: the peer finds something else\n", name);
      failed = true;
      continue;
    }
    all_ok &= print_row(&rows[i], false, round_cnt, json, is_first);
    is_first = false;
    if (is_packed) all_ok &= print_row(&rows[i], true, round_cnt, json, false);
  }
  if (json) printf(is_first ? "[]\n" : "\n]\n");
  fprintf(stderr, "# hash %016" PRIx64 "%s\n", events_hash, all_ok ? "" : ", over budget");
  free(events);
  free(theirs);
  free(memory);
  free(saved);
  free(dirty);
  free(inflating);
  free(instruments.rows);
  return failed ? 1 : is_first && !json ? 77 : 0;
}
