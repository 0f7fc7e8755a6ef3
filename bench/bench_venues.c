/* B3 for venues with recordings of many connections: from a framed message to events, ns a trade, a ticker and a
 * book level, against simdjson On-Demand on the same bytes in the same run: rounds of both alternate, the median
 * counts. The messages are the recordings in ../shared/data; without them nothing is measured.
 *
 *   bench_venues [--json] [--smoke] ["okx trade"]     the rows whose name has this in it */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "feed/feeds.h"
#include "file/recording.h"
#include "peer_venues.h"

#define EVENT_CAP     65536u
#define ROUNDS_MAX    64
#define MESSAGES_MAX  4096u
#define MESSAGE_BYTES (512u << 10) /* of a row: what stays in a core's own cache */

typedef struct {
  const char  *venue, *path, *name;
  double       budget_ns;
  peer_shape_t shape;
} row_t;

#define OKX(item_kind, ...)                                                                        \
  {                                                                                                \
    .path = {"data", NULL}, .is_array = true, .kind = (item_kind), .sell = 's', .fields = {        \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define OKX_PATH    "okx/okx.jsonl.zst"
#define BITGET_PATH "bitget/bitget.jsonl.zst"
#define BYBIT_PATH  "bybit/bybit.jsonl.zst"
#define CDC_PATH    "cryptocom/crypto_com.jsonl.zst"

/* clang-format off */
static const row_t rows[] = {
  {"okx", OKX_PATH, "trade", 80, OKX(TF_EVENT_TRADE, {"instId", PEER_SYMBOL}, {"tradeId", PEER_ID}, {"px", PEER_PRICE},
    {"sz", PEER_QTY}, {"side", PEER_SIDE}, {"ts", PEER_TIME})},
  {"okx", OKX_PATH, "ticker", 90, OKX(TF_EVENT_TICKER, {"instId", PEER_SYMBOL}, {"last", PEER_LAST},
    {"vol24h", PEER_VOLUME}, {"ts", PEER_TIME})},
  {"okx", OKX_PATH, "book level", 25, OKX(TF_EVENT_BOOK, {"asks", PEER_ASKS}, {"bids", PEER_BIDS}, {"ts", PEER_TIME})},
  {"bitget", BITGET_PATH, "trade", 80, {.path = {"data", NULL}, .is_array = true, .are_arrays = true,
    .kind = TF_EVENT_TRADE, .sell = 's',
    .fields = {{"", PEER_TIME}, {"", PEER_PRICE}, {"", PEER_QTY}, {"", PEER_SIDE}}}},
  {"bitget", BITGET_PATH, "ticker", 90, OKX(TF_EVENT_TICKER, {"last", PEER_LAST}, {"baseVolume", PEER_VOLUME})},
  {"bitget", BITGET_PATH, "book level", 25, OKX(TF_EVENT_BOOK, {"asks", PEER_ASKS}, {"bids", PEER_BIDS},
    {"ts", PEER_TIME})},
  {"bybit", BYBIT_PATH, "trade", 80, OKX(TF_EVENT_TRADE, {"T", PEER_TIME}, {"s", PEER_SYMBOL}, {"S", PEER_SIDE},
    {"v", PEER_QTY}, {"p", PEER_PRICE})},
  {"bybit", BYBIT_PATH, "ticker", 90, {.path = {"data", NULL}, .kind = TF_EVENT_TICKER,
    .fields = {{"symbol", PEER_SYMBOL}, {"lastPrice", PEER_LAST}, {"volume24h", PEER_VOLUME}}}},
  {"bybit", BYBIT_PATH, "book level", 25, {.path = {"data", NULL}, .kind = TF_EVENT_BOOK,
    .fields = {{"s", PEER_SYMBOL}, {"b", PEER_BIDS}, {"a", PEER_ASKS}, {"u", PEER_SEQ}}, .time_behind = "cts"}},
  {"cryptocom", CDC_PATH, "trade", 80, {.path = {"result", "data"}, .is_array = true, .kind = TF_EVENT_TRADE,
    .sell = 's', .fields = {{"d", PEER_ID}, {"s", PEER_SIDE}, {"p", PEER_PRICE}, {"q", PEER_QTY}, {"t", PEER_TIME},
    {"i", PEER_SYMBOL}}}},
  {"cryptocom", CDC_PATH, "ticker", 90, {.path = {"result", "data"}, .is_array = true, .kind = TF_EVENT_TICKER,
    .fields = {{"i", PEER_SYMBOL}, {"a", PEER_LAST}, {"t", PEER_TIME}, {"v", PEER_VOLUME}}}},
  {"cryptocom", CDC_PATH, "book level", 25, {.path = {"result", "data"}, .is_array = true, .kind = TF_EVENT_BOOK,
    .fields = {{"bids", PEER_BIDS}, {"asks", PEER_ASKS}, {"t", PEER_TIME}}}},
};
/* clang-format on */

static tf_frame_t       frames[MESSAGES_MAX];
static uint32_t         frame_cnt;
static char             store[MESSAGE_BYTES];
static tf_event_t      *events, *theirs;
static tf_instruments_t instruments;
static tf_feed_counts_t counts;
static uint64_t         events_hash; /* printed, so that nothing can be left out as unused */

/* A feed that takes everything. */
static void *begin(const tf_feed_t *feed) {
  tf_feed_config_t config = {
      .instruments = &instruments, .channels = (1u << TF_CHANNEL_CNT) - 1, .pending_cap = 64};
  void *state =
      aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), TF_LINE_PAIR_BYTES));
  instruments.cnt = 0;
  memset(&counts, 0, sizeof counts);
  TF_ASSERT(feed->init(feed, state, &config) == TF_OK);
  return state;
}

static uint32_t decode(const tf_feed_t *feed, void *state, const tf_frame_t *frame) {
  tf_feed_out_t out = {.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  feed->on_frame(state, frame, &out);
  return out.event_cnt;
}

static uint32_t cnt_of_kind(uint32_t cnt, uint8_t kind) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < cnt; i++) found += events[i].kind == kind;
  return found;
}

static void keep(const tf_record_t *record, size_t *used) {
  char  *bytes  = store + *used;
  size_t target = record->target ? strlen(record->target) + 1 : 0;
  if (frame_cnt == MESSAGES_MAX ||
      *used + record->bytes_cnt + TF_BYTES_PAD + target > MESSAGE_BYTES) {
    *used = MESSAGE_BYTES; /* none behind it either: sequences must not break */
    return;
  }
  memcpy(bytes, record->bytes, record->bytes_cnt);
  memset(bytes + record->bytes_cnt, 0, TF_BYTES_PAD);
  char *path = bytes + record->bytes_cnt + TF_BYTES_PAD;
  if (target) memcpy(path, record->target, target);
  *used += record->bytes_cnt + TF_BYTES_PAD + target;
  frames[frame_cnt++] = (tf_frame_t){.bytes     = bytes,
                                     .bytes_cnt = record->bytes_cnt,
                                     .recv_ns   = record->recv_ns,
                                     .target    = target ? path : NULL};
}

/* The recording's messages that make events of the row's kind. */
static bool load(const row_t *row) {
  tf_recording_t recording = {0};
  tf_record_t    record;
  char           path[256];
  size_t         used = 0;
  snprintf(path, sizeof path, "../shared/data/%s", row->path);
  if (tf_recording_init(&recording, path) != TF_OK) return false;
  const tf_feed_t *feed  = tf_feeds_find(row->venue);
  void            *state = begin(feed);
  frame_cnt              = 0;
  for (;;) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    if (record.kind == TF_FRAME_HTTP) continue;
    tf_frame_t frame = {.bytes     = record.bytes,
                        .bytes_cnt = record.bytes_cnt,
                        .recv_ns   = record.recv_ns,
                        .target    = record.target};
    if (cnt_of_kind(decode(feed, state, &frame), row->shape.kind) > 0) keep(&record, &used);
  }
  free(state);
  tf_recording_fini(&recording);
  return frame_cnt > 1;
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

static double ours_once(const row_t *row, uint64_t *unit_cnt) {
  const tf_feed_t *feed  = tf_feeds_find(row->venue);
  void            *state = begin(feed);
  *unit_cnt              = 0;
  touch();
  decode(feed, state, &frames[0]); /* its state's pages are there */
  double from = now_ns();
  for (uint32_t i = 1; i < frame_cnt; i++) {
    uint32_t cnt = decode(feed, state, &frames[i]);
    *unit_cnt += cnt;
    if (cnt > 0) events_hash = events_hash * 31 + (uint64_t)events[cnt - 1].u.level.price + cnt;
  }
  double ns = now_ns() - from;
  free(state);
  return ns;
}

static double peer_once(const row_t *row) {
#ifdef BENCH_SIMDJSON
  touch();
  double from = now_ns();
  for (uint32_t i = 1; i < frame_cnt; i++) {
    uint32_t cnt =
        peer_venues_decode(&row->shape, frames[i].bytes, frames[i].bytes_cnt, theirs, EVENT_CAP);
    if (cnt > 0) events_hash = events_hash * 31 + (uint64_t)theirs[cnt - 1].u.level.price + cnt;
  }
  return now_ns() - from;
#else
  (void)row;
  return 0;
#endif
}

#ifdef BENCH_SIMDJSON
/* Prices, quantities and sides are those that the peer finds, or the comparison means nothing. Ours stand bids
 * first, and trades oldest first: so sums are compared. */
static void check_same(const row_t *row) {
  const tf_feed_t *feed  = tf_feeds_find(row->venue);
  void            *state = begin(feed);
  for (uint32_t i = 0; i < frame_cnt; i++) {
    uint32_t cnt = decode(feed, state, &frames[i]);
    uint32_t peer_cnt =
        peer_venues_decode(&row->shape, frames[i].bytes, frames[i].bytes_cnt, theirs, EVENT_CAP);
    uint64_t mine = 0, other = 0;
    for (uint32_t k = 0; k < cnt; k++) {
      if (events[k].kind != row->shape.kind) continue;
      mine += (uint64_t)events[k].u.trade.price * 3 + (uint64_t)events[k].u.trade.qty * 7 +
              (events[k].flags & TF_FLAG_SIDE);
    }
    for (uint32_t k = 0; k < peer_cnt; k++)
      other += (uint64_t)theirs[k].u.trade.price * 3 + (uint64_t)theirs[k].u.trade.qty * 7 +
               (theirs[k].flags & TF_FLAG_SIDE);
    bool is_merged = row->shape.kind == TF_EVENT_TICKER; /* ours has what was said before, too */
    TF_ASSERT(peer_cnt == cnt_of_kind(cnt, row->shape.kind));
    TF_ASSERT(mine == other || is_merged);
  }
  free(state);
}
#endif

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int cnt) {
  qsort(values, (size_t)cnt, sizeof *values, by_value);
  return values[cnt / 2];
}

static bool print_row(const row_t *row, int round_cnt, bool json, bool first) {
  static double ours[ROUNDS_MAX], peer[ROUNDS_MAX];
  uint64_t      unit_cnt = 0;
  const char   *version  = "none";
#ifdef BENCH_SIMDJSON
  check_same(row);
  version = peer_venues_version();
#endif
  for (int i = 0; i < round_cnt; i++) {
    double a = ours_once(row, &unit_cnt), b = peer_once(row);
    ours[i] = a / (double)unit_cnt;
    peer[i] = b / (double)unit_cnt;
  }
  double a = median(ours, round_cnt), b = median(peer, round_cnt);
  bool   ok = a <= row->budget_ns && (b == 0 || b / a >= 2);
  if (json)
    printf("%s\n {\"name\":\"decode %s %s\",\"ours\":%.2f,\"unit\":\"ns\",\"peer\":\"simdjson %s\","
           "\"peer_value\":%.2f,\"ratio\":%.2f,\"budget\":%.0f,\"ok\":%s}",
           first ? "[" : ",", row->venue, row->name, a, version, b, b / a, row->budget_ns,
           ok ? "true" : "false");
  else
    printf("decode %-14s %-12s %9.2f %9.2f %6.2fx %8.0f   %s   %u messages, %u events\n",
           row->venue, row->name, a, b, b / a, row->budget_ns, ok ? "ok" : "over", frame_cnt,
           (unsigned)unit_cnt);
  fflush(stdout);
  return ok;
}

int main(int argc, char **argv) {
  bool        json = false, smoke = false;
  const char *only = "";
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      json = true;
    else if (strcmp(argv[i], "--smoke") == 0)
      smoke = true;
    else if (argv[i][0] != '-')
      only = argv[i];
    else {
      fprintf(stderr, "usage: bench_venues [--json] [--smoke] [\"okx trade\"]\n");
      return 2;
    }
  }
  events           = aligned_alloc(64, EVENT_CAP * sizeof *events);
  theirs           = aligned_alloc(64, EVENT_CAP * sizeof *theirs);
  instruments.cap  = 16;
  instruments.rows = calloc(instruments.cap, sizeof *instruments.rows);
  if (!json)
    printf("%-34s %9s %9s %7s %8s\n", "ns a unit, median", "ours", "simdjson", "ratio", "budget");
  bool is_first = true, all_ok = true;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", rows[i].venue, rows[i].name);
    if (strstr(name, only) == NULL || !load(&rows[i])) continue;
    all_ok &= print_row(&rows[i], smoke ? 3 : 21, json, is_first);
    is_first = false;
  }
  if (json) printf(is_first ? "[]\n" : "\n]\n");
  fprintf(stderr, "# hash %016" PRIx64 "%s\n", events_hash, all_ok ? "" : ", over budget");
  free(events);
  free(theirs);
  free(instruments.rows);
  return is_first && !json ? 77 : 0;
}
