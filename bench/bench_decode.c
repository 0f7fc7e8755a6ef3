/* B3: from a framed message to events, ns a trade, a quote and a book level, against simdjson
 * On-Demand on the same bytes in the same run: rounds of both alternate, the median counts. The
 * messages are the recordings in ../shared/data, or made up in their form where those are absent.
 *
 *   bench_decode [--json] [--smoke] ["usdm trade"]     the rows whose name has this in it
 */
#include "recording.h"

#include <stdio.h>
#include <time.h>

#include "feed/feeds.h"
#ifdef BENCH_SIMDJSON
#include "peer_simdjson.h"
#endif

#define EVENT_CAP  8192u
#define ROUNDS_MAX 64

/* Of each kind as many messages as stay in a core's own cache, one behind the other: what a session
 * decodes has just been received. */
#define MESSAGE_BYTES (512u << 10)

typedef enum { TRADE, QUOTE, LEVEL, CLASS_CNT } class_t;
static const char *const class_names[CLASS_CNT] = {"trade", "quote", "book level"};
static const double      budgets_ns[CLASS_CNT]  = {80, 90, 25};

typedef struct {
  tf_frame_t *frames;
  uint32_t    cnt, cap;
  char       *store;
  size_t      used;
  bool        is_full;
} messages_t;

typedef struct {
  const char *venue, *path, *symbol;
  bool        is_futures;
  uint32_t    lead_cnt; /* of the LEVEL messages: up to the snapshot, not timed */
  messages_t  messages[CLASS_CNT];
} market_t;

static void keep(messages_t *messages, const char *bytes, uint32_t bytes_cnt, uint64_t recv_ns) {
  if (messages->store == NULL) messages->store = malloc(MESSAGE_BYTES);
  messages->is_full |= messages->used + bytes_cnt + TF_BYTES_PAD > MESSAGE_BYTES;
  if (messages->is_full) return; /* none behind it either: sequences must not break */
  if (messages->cnt == messages->cap) {
    messages->cap    = messages->cap == 0 ? 4096 : messages->cap * 2;
    messages->frames = realloc(messages->frames, messages->cap * sizeof(tf_frame_t));
  }
  char *target = messages->store + messages->used;
  memcpy(target, bytes, bytes_cnt);
  memset(target + bytes_cnt, 0, TF_BYTES_PAD);
  messages->used += bytes_cnt + TF_BYTES_PAD;
  messages->frames[messages->cnt++] =
      (tf_frame_t){.bytes = target, .bytes_cnt = bytes_cnt, .recv_ns = recv_ns};
}

/* Brings the messages into the cache before a pass, ours and the peer's alike. */
static uint64_t touch(const messages_t *messages) {
  uint64_t sum = 0;
  for (size_t i = 0; i < messages->used; i += TF_LINE_BYTES) sum += (uint8_t)messages->store[i];
  for (uint32_t i = 0; i < messages->cnt; i++) sum += messages->frames[i].bytes_cnt;
  return sum;
}

static bool load(market_t *market, uint32_t cnt_max) {
  recording_t recording;
  char        path[256];
  snprintf(path, sizeof(path), "../shared/data/%s", market->path);
  if (!recording_open(&recording, path)) return false;
  while (recording_next(&recording)) {
    const char *json = recording.json;
    class_t     kind = LEVEL;
    if (strncmp(json, "{\"lastUpdateId", 14) != 0) {
      const char *at = strchr(json, '@');
      kind           = at == NULL || at[1] == 'd' ? LEVEL : at[1] == 't' ? TRADE : QUOTE;
    } else {
      market->lead_cnt = market->messages[LEVEL].cnt + 1;
    }
    if (market->messages[kind].cnt < cnt_max) {
      keep(&market->messages[kind], json, recording.json_bytes, recording.recv_ns);
    }
  }
  recording_close(&recording);
  return true;
}

/* Messages of the recorded form, for a machine without the recordings. */
static void make(market_t *market, uint32_t cnt_max) {
  static char text[65536];
  uint64_t    rng = 88172645463325252u, u = 5000000000u;
  if (cnt_max > 4000) cnt_max = 4000;
  for (uint32_t i = 0; i < cnt_max; i++) {
    uint64_t ts = UINT64_C(1723161255343) + i * 7, recv_ns = ts * TF_NS_PER_MS;
    char     times[64] = "";
    if (market->is_futures) snprintf(times, sizeof(times), "\"T\":%" PRIu64 ",", ts - 1);
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    unsigned price = 6180000 + (unsigned)(rng % 5000), qty = (unsigned)(rng >> 32) % 100000;
    int      n = snprintf(
             text, sizeof(text),
             "{\"stream\":\"%s@trade\",\"data\":{\"e\":\"trade\",\"E\":%" PRIu64
             ",%s\"s\":\"BTCUSDT\",\"t\":%u,\"p\":\"%u.%02u%s\",\"q\":\"0.%05u000\",%s\"m\":%s}}",
             market->symbol, ts, times, 3735683259u + i, price / 100, price % 100,
        market->is_futures ? "" : "000000", qty,
        market->is_futures ? "\"X\":\"MARKET\"," : "\"T\":1723161255342,",
        rng & 1 ? "true" : "false");
    keep(&market->messages[TRADE], text, (uint32_t)n, recv_ns);
    n = snprintf(text, sizeof(text),
                 "{\"stream\":\"%s@bookTicker\",\"data\":{%s\"u\":%" PRIu64
                 ",\"s\":\"BTCUSDT\",\"b\":\"%u.%02u\",\"B\":\"3.788\",\"a\":\"%u.%02u\",\"A\":"
                 "\"1.546\"%s}}",
                 market->symbol, market->is_futures ? "\"e\":\"bookTicker\"," : "", u, price / 100,
                 price % 100, price / 100, (price + 1) % 100,
                 market->is_futures ? ",\"T\":1723161256313,\"E\":1723161256313" : "");
    keep(&market->messages[QUOTE], text, (uint32_t)n, recv_ns);
    char pu[48] = "";
    if (market->is_futures) snprintf(pu, sizeof(pu), "\"pu\":%" PRIu64 ",", u);
    n = snprintf(text, sizeof(text),
                 "{\"stream\":\"%s@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":%" PRIu64
                 ",%s\"s\":\"BTCUSDT\",\"U\":%" PRIu64 ",\"u\":%" PRIu64 ",%s\"b\":[",
                 market->symbol, ts, times, u + 1, u + 40, pu);
    u += 40;
    for (unsigned k = 0; k < 40; k++) {
      n += snprintf(text + n, sizeof(text) - (size_t)n, "%s[\"%u.%02u000000\",\"%u.%05u000\"]%s",
                    k == 0 || k == 20 ? "" : ",", (price + k) / 100, (price + k) % 100, k % 7, qty,
                    k == 19 ? "],\"a\":[" : "");
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, "]}}");
    keep(&market->messages[LEVEL], text, (uint32_t)n, recv_ns);
  }
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* the machine may be shared */
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static tf_instruments_t instruments;
static tf_event_t      *events;
static uint64_t         events_hash; /* printed, so that nothing can be left out as unused */

static void mix_events(uint32_t cnt) {
  if (cnt > 0) events_hash = events_hash * 31 + (uint64_t)events[cnt - 1].u.level.price + cnt;
}

/* ns a unit of one pass over the class's messages. */
static double ours_once(const market_t *market, class_t kind) {
  const tf_feed_t        *feed = tf_feeds_find(market->venue);
  static tf_feed_counts_t counts;
  tf_feed_config_t        config = {.instruments = &instruments, .channels = 7, .pending_cap = 64};
  tf_feed_out_t           out    = {.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  const messages_t       *m      = &market->messages[kind];
  void                   *state =
      aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), TF_LINE_PAIR_BYTES));
  instruments.cnt = 0;
  memset(&counts, 0, sizeof(counts));
  TF_ASSERT(feed->init(feed, state, &config) == TF_OK);
  uint32_t lead     = kind == LEVEL ? market->lead_cnt : 1;
  uint64_t unit_cnt = 0;
  double   begin    = 0;
  events_hash += touch(m);
  for (uint32_t i = 0; i < m->cnt; i++) {
    if (i == lead) begin = now_ns();
    out.event_cnt  = 0;
    out.resync_cnt = 0;
    feed->on_frame(state, &m->frames[i], &out);
    mix_events(out.event_cnt);
    if (i >= lead) unit_cnt += out.event_cnt;
  }
  double ns = now_ns() - begin;
  TF_ASSERT(counts.msgs_data == m->cnt && counts.gaps == 0 && counts.duplicates == 0);
  free(state);
  return ns / (double)unit_cnt;
}

static double peer_once(const market_t *market, class_t kind) {
#ifdef BENCH_SIMDJSON
  const messages_t *m        = &market->messages[kind];
  uint32_t          lead     = kind == LEVEL ? market->lead_cnt : 1;
  uint64_t          unit_cnt = 0;
  events_hash += touch(m);
  double begin = now_ns();
  for (uint32_t i = lead; i < m->cnt; i++) {
    uint32_t cnt =
        peer_simdjson_decode(m->frames[i].bytes, m->frames[i].bytes_cnt, m->frames[i].recv_ns,
                             market->is_futures, events, EVENT_CAP);
    mix_events(cnt);
    unit_cnt += cnt;
  }
  return (now_ns() - begin) / (double)unit_cnt;
#else
  (void)market;
  (void)kind;
  return 0;
#endif
}

#ifdef BENCH_SIMDJSON
static bool same_event(const tf_event_t *a, const tf_event_t *b) {
  return a->kind == b->kind && a->flags == b->flags && a->ts_event_ns == b->ts_event_ns &&
         a->price_exp == b->price_exp && a->qty_exp == b->qty_exp &&
         memcmp(&a->u, &b->u, 3 * sizeof(uint64_t)) ==
             0; /* the fourth word is padding in a trade */
}

/* Both decode to the same events, or the comparison means nothing. */
static void check_same(const market_t *market, class_t kind) {
  const tf_feed_t        *feed = tf_feeds_find(market->venue);
  static tf_feed_counts_t counts;
  static tf_event_t       theirs[EVENT_CAP];
  tf_feed_config_t        config = {.instruments = &instruments, .channels = 7, .pending_cap = 64};
  tf_feed_out_t           out    = {.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  const messages_t       *m      = &market->messages[kind];
  void                   *state =
      aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), TF_LINE_PAIR_BYTES));
  instruments.cnt = 0;
  TF_ASSERT(feed->init(feed, state, &config) == TF_OK);
  uint32_t lead = kind == LEVEL ? market->lead_cnt : 1;
  for (uint32_t i = 0; i < m->cnt; i++) {
    out.event_cnt  = 0;
    out.resync_cnt = 0;
    feed->on_frame(state, &m->frames[i], &out);
    if (i < lead) continue;
    uint32_t cnt =
        peer_simdjson_decode(m->frames[i].bytes, m->frames[i].bytes_cnt, m->frames[i].recv_ns,
                             market->is_futures, theirs, EVENT_CAP);
    uint32_t from = out.event_cnt > cnt ? out.event_cnt - cnt : 0; /* a STATUS stands before */
    TF_ASSERT(out.event_cnt == cnt + from);
    for (uint32_t k = 0; k < cnt; k++) TF_ASSERT(same_event(&events[from + k], &theirs[k]));
  }
  free(state);
}
#endif

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int cnt) {
  qsort(values, (size_t)cnt, sizeof(*values), by_value);
  return values[cnt / 2];
}

static bool print_row(const market_t *market, class_t kind, int round_cnt, bool json, bool first) {
  static double ours[ROUNDS_MAX], peer[ROUNDS_MAX];
#ifdef BENCH_SIMDJSON
  check_same(market, kind);
#endif
  for (int i = 0; i < round_cnt; i++) {
    ours[i] = ours_once(market, kind);
    peer[i] = peer_once(market, kind);
  }
  double a = median(ours, round_cnt), b = median(peer, round_cnt);
  double ratio = b / a;
#ifdef BENCH_SIMDJSON
  const char *version = peer_simdjson_version();
  bool        ok      = a <= budgets_ns[kind] && ratio >= 2;
#else
  const char *version = "none";
  bool        ok      = a <= budgets_ns[kind];
#endif
  if (json) {
    printf("%s\n {\"name\":\"decode %s %s\",\"ours\":%.2f,\"unit\":\"ns\",\"peer\":\"simdjson %s\","
           "\"peer_value\":%.2f,\"ratio\":%.2f,\"budget\":%.0f,\"ok\":%s}",
           first ? "[" : ",", market->venue, class_names[kind], a, version, b, ratio,
           budgets_ns[kind], ok ? "true" : "false");
  } else {
    if (first) {
      printf("%-34s %9s %9s %7s %8s   peer: simdjson %s On-Demand\n", "ns a unit, median", "ours",
             "peer", "ratio", "budget", version);
    }
    printf("decode %-14s %-12s %9.2f %9.2f %6.2fx %8.0f   %s\n", market->venue, class_names[kind],
           a, b, ratio, budgets_ns[kind], ok ? "ok" : "over");
  }
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
      fprintf(stderr, "usage: bench_decode [--json] [--smoke] [\"usdm trade\"]\n");
      return 2;
    }
  }
  market_t markets[] = {
      {"binance-spot",  "binance-spot/btcusdt_20240808.gz",      "btcusdt",     false, 0, {{0}}},
      {"binance-usdm",  "binance-usdm/btcusdt_20240808.gz",      "btcusdt",     true,  0, {{0}}},
      {"binance-coinm", "binance-coinm/btcusd_perp_20240808.gz", "btcusd_perp", true,  0, {{0}}}
  };
  events           = aligned_alloc(64, EVENT_CAP * sizeof(*events));
  instruments.cap  = 16;
  instruments.rows = calloc(instruments.cap, sizeof(*instruments.rows));
  bool is_first = true, all_ok = true, recorded = true;
  for (size_t i = 0; i < TF_ARRAY_CNT(markets); i++) {
    if (!load(&markets[i], smoke ? 500 : 5000)) {
      recorded = false;
      make(&markets[i], smoke ? 500 : 4000);
    }
    for (class_t kind = 0; kind < CLASS_CNT; kind++) {
      char name[64];
      snprintf(name, sizeof(name), "%s %s", markets[i].venue, class_names[kind]);
      if (strstr(name, only) == NULL) continue;
      all_ok &= print_row(&markets[i], kind, smoke ? 3 : 21, json, is_first);
      is_first = false;
      free(markets[i].messages[kind].frames);
      free(markets[i].messages[kind].store);
    }
  }
  if (json) printf("\n]\n");
  fprintf(stderr, "# %s messages, hash %016" PRIx64 "%s\n", recorded ? "recorded" : "made-up",
          events_hash, all_ok ? "" : ", over budget");
  free(events);
  free(instruments.rows);
  return 0;
}
