/* Runs one hot path over made-up input so that callgrind can count its instructions. Counting is on
 * inside the path only (CALLGRIND_TOGGLE_COLLECT; callgrind starts with --collect-atstart=no), so that
 * neither the set-up nor the input's making is in the figure. Prints how many operations were done.
 *
 *   instructions CASE        see cases[] below; without one, their names
 *
 * check.py runs this under callgrind and holds the counts against counts.txt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "boot/engine.h"
#include "core/clock.h"
#include "core/error.h"
#include "flow/ring.h"
#include "market.h"
#include "registry.h"
#include "snapshots.h"
#include "tf/bcast.h"
#include "venues.h"
#include "wire/ws.h"

#define MESSAGES  700u  /* of the mix of four */
#define WARM_UP   1400u /* messages before counting: windows are full by then */
#define RECORDS   4096u /* through rings */
#define EVENT_CAP 32768u

static market_t market;
static char    *text; /* (MARKET_MESSAGE_BYTES_MAX + TF_BYTES_PAD) */

static void die(const char *what) {
  fprintf(stderr, "instructions: %s: %s\n", what, tf_error_text());
  exit(1);
}

/* ---- rings ---- */

static uint64_t run_ring(void) {
  size_t           bytes  = tf_ring_footprint(1024, sizeof(tf_event_t));
  void            *memory = aligned_alloc(128, tf_align_up(bytes, 128));
  tf_ring_t       *ring   = tf_ring_new(memory, 1024, sizeof(tf_event_t));
  tf_ring_writer_t writer;
  tf_ring_reader_t reader;
  tf_event_t       event = {.instrument_id = 1};
  if (!ring) die("ring");
  tf_ring_writer_init(&writer, ring);
  tf_ring_reader_init(&reader, ring);
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = 0; i < RECORDS; i++) {
    event.ingest_seq = i;
    tf_ring_push_sized(&writer, &event, 1, sizeof event);
    tf_ring_pop_sized(&reader, &event, 1, sizeof event);
  }
  CALLGRIND_TOGGLE_COLLECT;
  free(memory);
  return RECORDS;
}

static uint64_t run_bcast(void) {
  enum { WORDS = sizeof(tf_decision_t) / 8 };
  uint64_t          bytes    = tf_bcast_footprint(1024, WORDS);
  void             *memory   = aligned_alloc(128, tf_align_up(bytes, 128));
  tf_decision_t     decision = {.instrument_id = 1};
  tf_bcast_writer_t writer;
  tf_bcast_reader_t reader;
  if (!tf_bcast_new(memory, 1024, WORDS, 1) ||
      tf_bcast_writer_join(&writer, memory, bytes, WORDS) ||
      tf_bcast_reader_join(&reader, memory, bytes, WORDS))
    die("bcast");
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = 0; i < RECORDS; i++) {
    decision.decision_seq = i;
    tf_bcast_write(&writer, &decision, WORDS);
    tf_bcast_read(&reader, &decision, WORDS);
  }
  CALLGRIND_TOGGLE_COLLECT;
  free(memory);
  return RECORDS;
}

/* ---- the wire ---- */

static uint64_t frames_seen;

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self, (void)opcode, (void)bytes, (void)cnt;
  frames_seen++;
}

/* 64 frames of 230 bytes in one receive, as B1 has them. */
static uint64_t run_ws(void) {
  static uint8_t burst[64 * 240 + TF_BYTES_PAD], payload[230];
  tf_ws_t        ws;
  tf_ws_config_t config = {
      .role = TF_WS_CLIENT, .utf8_unchecked = true, .random = {NULL, tf_ws_random_system}
  };
  tf_ws_handler_t handler = {NULL, on_message, on_message};
  if (tf_ws_init(&ws, &config, &handler, malloc(tf_ws_assembly_bytes(0)))) die("ws");
  size_t used = 0;
  memset(payload, 'x', sizeof payload);
  for (int i = 0; i < 64; i++) {
    used += tf_ws_write_header(burst + used, TF_WS_TEXT, true, sizeof payload, NULL);
    memcpy(burst + used, payload, sizeof payload);
    used += sizeof payload;
  }
  tf_ws_feed(&ws, burst, used);
  frames_seen = 0;
  CALLGRIND_TOGGLE_COLLECT;
  for (int i = 0; i < 32; i++) tf_ws_feed(&ws, burst, used);
  CALLGRIND_TOGGLE_COLLECT;
  return frames_seen;
}

/* ---- decoding ---- */

typedef struct decoder {
  const tf_feed_t *feed;
  void            *state;
  tf_feed_out_t    out;
  tf_feed_counts_t counts;
} decoder_t;

static void decoder_init(decoder_t *d, tf_instruments_t *instruments) {
  static tf_feed_config_t config;
  config = (tf_feed_config_t){.instruments = instruments,
                              .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                              .pending_cap = 64};
  if (tf_engine_feed(tickfuse_registry(), "binance-usdm", &d->feed)) die("feed");
  d->state = aligned_alloc(128, tf_align_up(d->feed->state_bytes(d->feed, &config), 128));
  d->out   = (tf_feed_out_t){.events    = calloc(EVENT_CAP, sizeof(tf_event_t)),
                             .event_cap = EVENT_CAP,
                             .counts    = &d->counts};
  if (d->feed->init(d->feed, d->state, &config)) die("feed");
}

/* Decodes the market's next message. Counted if is_counted; returns its levels (1 of other kinds). */
static uint32_t decode_next(decoder_t *d, market_class_t class, bool is_counted) {
  uint32_t   levels, cnt = market_message(&market, class, text, &levels);
  tf_frame_t frame = {.bytes     = text,
                      .bytes_cnt = cnt,
                      .kind      = class == MARKET_SNAPSHOT ? TF_FRAME_HTTP : TF_FRAME_TEXT,
                      .recv_ns   = market.now_ms * TF_NS_PER_MS};
  memset(text + cnt, 0, TF_BYTES_PAD);
  d->out.event_cnt = d->out.resync_cnt = 0;
  if (is_counted) CALLGRIND_TOGGLE_COLLECT;
  d->feed->on_frame(d->state, &frame, &d->out);
  if (is_counted) CALLGRIND_TOGGLE_COLLECT;
  return class == MARKET_DEPTH ? levels : 1;
}

static const market_class_t mix[] = {MARKET_QUOTE, MARKET_TRADE, MARKET_QUOTE, MARKET_DEPTH};

static uint64_t run_decode(market_class_t class) {
  static tf_instrument_t  rows[4];
  static tf_instruments_t instruments = {.rows = rows, .cap = 4};
  static decoder_t        decoder;
  uint64_t                ops = 0;
  decoder_init(&decoder, &instruments);
  for (uint32_t i = 0; i < MESSAGES * 4; i++) {
    bool     is_counted = i >= WARM_UP && mix[i % 4] == class;
    uint32_t done       = decode_next(&decoder, mix[i % 4], is_counted);
    if (i == WARM_UP / 2) decode_next(&decoder, MARKET_SNAPSHOT, false);
    if (is_counted) ops += done;
  }
  if (decoder.counts.msgs_data + decoder.counts.msgs_control < MESSAGES * 4)
    die("messages refused");
  return ops;
}

/* ---- the whole path: decode, book, 64 features, MLP, rule, sink, on the engine's own thread ---- */

static tf_engine_t engine;

typedef struct path_source {
  tf_source_t source; /* first */
  decoder_t   decoder;
  market_class_t class;
  uint32_t message_cnt;
  uint64_t ops;
} path_source_t;

static void publish(path_source_t *p) {
  tf_batch_t batch = {p->decoder.out.events, p->decoder.out.event_cnt, tf_clock_ticks(),
                      tf_clock_ticks()};
  p->source.publisher.publish(p->source.publisher.self, &batch);
}

static int path_poll(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  path_source_t *p = (path_source_t *)source;
  if (p->message_cnt == MESSAGES * 4) return TF_SOURCE_DONE;
  market_class_t class = mix[p->message_cnt % 4];
  bool     is_counted  = p->message_cnt >= WARM_UP && class == p->class;
  uint32_t levels      = decode_next(&p->decoder, class, is_counted);
  if (is_counted) {
    p->ops += levels;
    CALLGRIND_TOGGLE_COLLECT;
    publish(p);
    CALLGRIND_TOGGLE_COLLECT;
  } else {
    publish(p);
  }
  if (++p->message_cnt == WARM_UP / 2) {
    decode_next(&p->decoder, MARKET_SNAPSHOT, false);
    publish(p);
  }
  return 1;
}

static void path_stop(tf_source_t *source) { (void)source; }

static uint64_t run_path(market_class_t class) {
  static const tf_source_ops_t ops = {.poll = path_poll, .stop = path_stop};
  static path_source_t         path;
  const char                  *sets[] = {"sinks.0.type=\"null\"", "sinks.0.policy=auto",
                                         "engine.latency_sample=1000000"};
  tf_config_t                 *config;
  if (tickfuse_load_config("bench/path.yaml", sets, TF_ARRAY_CNT(sets), &config) != 0) exit(1);
  const tf_engine_options_t options = {.is_replay = true};
  path.class                        = class;
  path.source.ops                   = &ops;
  if (tf_engine_init(&engine, config, tickfuse_registry(), &options)) die("engine");
  decoder_init(&path.decoder, &engine.instruments);
  if (tf_engine_add_source(&engine, &path.source, "made") || tf_engine_start(&engine) ||
      tf_engine_join(&engine))
    die("engine");
  if (engine.runner.lane.decide.counts.decisions == 0) die("no decision was made");
  tf_engine_fini(&engine);
  tf_config_free(config);
  return path.ops;
}

static uint64_t run_decode_trade(void) { return run_decode(MARKET_TRADE); }
static uint64_t run_decode_quote(void) { return run_decode(MARKET_QUOTE); }
static uint64_t run_decode_level(void) { return run_decode(MARKET_DEPTH); }
static uint64_t run_path_trade(void) { return run_path(MARKET_TRADE); }
static uint64_t run_path_quote(void) { return run_path(MARKET_QUOTE); }
static uint64_t run_path_level(void) { return run_path(MARKET_DEPTH); }
static uint64_t run_event_plain(void) { return snapshots_run(SNAPSHOTS_NONE); }
static uint64_t run_event_snapshot(void) { return snapshots_run(SNAPSHOTS_UNDER_WAY); }
static uint64_t run_snapshot_copy(void) { return snapshots_run(SNAPSHOTS_COPY); }

/* A message of each venue's recording of the tree. */
#define VENUES(X)                                                                                  \
  X("bitfinex", bitfinex)                                                                          \
  X("bitget", bitget)                                                                              \
  X("bitmex", bitmex)                                                                              \
  X("bybit", bybit)                                                                                \
  X("coinbase", coinbase)                                                                          \
  X("coinbase-exchange", coinbase_exchange)                                                        \
  X("cryptocom", cryptocom)                                                                        \
  X("deribit", deribit)                                                                            \
  X("gate", gate)                                                                                  \
  X("htx", htx)                                                                                    \
  X("hyperliquid", hyperliquid)                                                                    \
  X("kraken", kraken)                                                                              \
  X("kucoin", kucoin)                                                                              \
  X("okx", okx)
#define RUN_VENUE(venue, file)                                                                     \
  static uint64_t run_##file(void) { return venues_run(venue, #file); }
#define VENUE_CASE(venue, file) {"decode_" #file, run_##file},
VENUES(RUN_VENUE)

static const struct {
  const char *name;
  uint64_t (*run)(void);
} cases[] = {
    {"ring_event",     run_ring          },
    {"bcast_decision", run_bcast         },
    {"ws_message",     run_ws            },
    {"decode_trade",   run_decode_trade  },
    {"decode_quote",   run_decode_quote  },
    {"decode_level",   run_decode_level  },
    {"path_trade",     run_path_trade    },
    {"path_quote",     run_path_quote    },
    {"path_level",     run_path_level    },
    {"event_plain",    run_event_plain   },
    {"event_snapshot", run_event_snapshot},
    {"snapshot_copy",  run_snapshot_copy },
    VENUES(VENUE_CASE)
};

int main(int argc, char **argv) {
  tf_clock_calibrate();
  text = malloc(MARKET_MESSAGE_BYTES_MAX + TF_BYTES_PAD);
  market_init(&market);
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    if (argc < 2)
      printf("%s\n", cases[i].name);
    else if (!strcmp(argv[1], cases[i].name))
      printf("%llu\n", (unsigned long long)cases[i].run());
  }
  return 0;
}
