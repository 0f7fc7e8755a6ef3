/* The config as a user meets it: files in, struct or errors out. Runs in a directory of its own. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/config.h"
#include "boot/config_table.h"
#include "core/error.h"
#include "tf/sink.h"

#define ENGINE_KEYS                                                                                \
  "profile, idle, feature_isa, io, busy_poll, kernel_timestamps, instruments_max, "                \
  "book_levels_max, "                                                                              \
  "event_ring_slots, decision_ring_slots, sink_ring, "                                             \
  "message_levels_max, cache_dir, batch_max, max_queue_delay, burst_budget, conflate_after, "      \
  "shed_low_after, low_instruments, "                                                              \
  "latency_sample, "                                                                               \
  "warm_start, snapshot, snapshot_age_max, snapshot_every, snapshot_restore, log_level, "          \
  "helper_cpu, lanes"
#define FEED_KEYS                                                                                  \
  "name, venue, channels, instruments, instruments_max, url, rest, path, "                         \
  "streams_per_connection, legs, "                                                                 \
  "required, endpoints, rank_every, proxy, proxy_key_file, source_address, interface, "            \
  "fallback_after, "                                                                               \
  "fallback_back, "                                                                                \
  "ca_file, insecure, deflate, key_file, "                                                         \
  "instruments_file, reorder_window, metadata_refresh, book_depth, crossed_after, stale_after, "   \
  "message_bytes_max, from, broker, stream, partitions, partition, start, user, password_file, "   \
  "listen, token_file, cert_file, tls_key_file, clients_max, rate_max, ids_kept, times, fallback"
#define STRATEGY_KEYS                                                                              \
  "name, model, policy, buy, sell, buy_until, sell_until, flat, cooldown, max_rate, books, "       \
  "require_ready, emit"
#define ROOT_KEYS                                                                                  \
  "engine, feeds, bars, peers, universe, features, models, model_cache, gpu, texts, strategies, "  \
  "sinks, control, http, "                                                                         \
  "capture, group"
#define LEGAL_LANES                                                                                \
  "allowed: all, [acquire], [acquire, buffer, compute, decide], [buffer, compute, decide], "       \
  "[buffer, compute, decide, emit], [emit]"
#define NO_ALIASES "anchors and aliases are refused, write the value out"
#define BAR_SIZES                                                                                  \
  "expected 1s, 100 ticks, 50 volume, 1000000 notional, or 500 of tick_imbalance, "                \
  "volume_imbalance, notional_imbalance, tick_runs, volume_runs, notional_runs"
#define BAR_KEYS    "size, clock, late_max, gaps, ewma_bars, trades_min, trades_max, session"
#define OFFSETS     "expected an offset from UTC such as -05:00 or +00:00"
#define HOURS       "expected hours such as 09:30-16:00, from 00:00 to 24:00"
#define NOT_LEARNED "only imbalances and runs are averaged; leave it out"
#define NO_UNIT     "; a duration carries one of ns, us, ms, s, m, h (such as 250ms)"
#define DURATIONS   "expected a duration such as 250ms; units: ns, us, ms, s, m, h"
#define FEED        "feeds: [{name: a, venue: kraken}]\n"
#define SETS(...)                                                                                  \
  { __VA_ARGS__ }

static const char *const       venues[]   = {"binance-spot", "binance-usdm", "kraken"};
static const char *const       sinks[]    = {"journal", "shm"};
static const char *const       policies[] = {"rule"};
static const tf_config_known_t known      = {venues, 3, sinks, 2, policies, 1};

static tf_config_errors_t errors;
static char               source_dir[1024];

static void write_file(const char *path, const void *bytes, size_t bytes_cnt) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, bytes_cnt, file), bytes_cnt);
  assert_int_equal(fclose(file), 0);
}

static tf_config_t *load(const char *text, const char *const *sets, uint32_t set_cnt) {
  tf_config_t *config;
  write_file("t.yaml", text, strlen(text));
  if (tf_config_load("t.yaml", sets, set_cnt, &known, &errors, &config) != TF_OK) {
    tf_config_report_print(&errors, stderr);
    fail_msg("refused: %s", text);
  }
  return config;
}

static const char *errors_text(void) {
  static char buf[TF_CONFIG_ERRORS_MAX * TF_CONFIG_ERROR_TEXT_BYTES];
  FILE       *out = fmemopen(buf, sizeof buf, "w");
  tf_config_report_print(&errors, out);
  fclose(out);
  return buf;
}

static void each_bad_config_is_refused_with_every_error_at_its_place(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t      text_cnt;
    const char *expected;
  } rows[] = {
#define BAD(text, expected) {text, sizeof(text) - 1, expected},
#include "config_bad.def"
  };
  uint32_t wrong = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_config_t *config;
    write_file("t.yaml", rows[i].text, rows[i].text_cnt);
    tf_err_t err = tf_config_load("t.yaml", NULL, 0, &known, &errors, &config);
    assert_null(config);
    assert_true(err <= E_CONFIG_FILE && err >= E_CONFIG_CONFLICT);
    if (strcmp(errors_text(), rows[i].expected) == 0) continue;
    fprintf(stderr, "---\n%s\nexpected:\n%sfound:\n%s", rows[i].text, rows[i].expected,
            errors_text());
    wrong++;
  }
  assert_int_equal(wrong, 0);
}

static void each_bad_set_is_refused_under_its_own_text(void **state) {
  (void)state;
  static const struct {
    const char *text, *sets[4], *expected;
  } rows[] = {
#define BAD_SET(text, sets, expected) {text, sets, expected},
#include "config_bad_sets.def"
  };
  uint32_t wrong = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_config_t *config;
    uint32_t     cnt = 0;
    while (cnt < 4 && rows[i].sets[cnt]) cnt++;
    write_file("t.yaml", rows[i].text, strlen(rows[i].text));
    assert_int_not_equal(tf_config_load("t.yaml", rows[i].sets, cnt, &known, &errors, &config), 0);
    assert_null(config);
    if (strcmp(errors_text(), rows[i].expected) == 0) continue;
    fprintf(stderr, "---\nexpected:\n%sfound:\n%s", rows[i].expected, errors_text());
    wrong++;
  }
  assert_int_equal(wrong, 0);
}

static void each_good_config_has_its_canonical_value(void **state) {
  (void)state;
  static const struct {
    const char *text, *path, *value;
  } rows[] = {
#define GOOD(text, path, value) {text, path, value},
#include "config_good.def"
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_config_t             *config = load(rows[i].text, NULL, 0);
    const tf_config_value_t *value  = tf_config_value_at(config, rows[i].path);
    if (!value || strcmp(value->text, rows[i].value) != 0)
      fail_msg("%s: %s is %s, expected %s", rows[i].text, rows[i].path,
               value ? value->text : "absent", rows[i].value);
    tf_config_free(config);
  }
}

static void files_that_are_no_config_are_refused(void **state) {
  (void)state;
  tf_config_t *config;
  assert_int_equal(tf_config_load("gone.yaml", NULL, 0, NULL, &errors, &config), E_CONFIG_FILE);
  assert_string_equal(errors_text(), "gone.yaml: cannot be opened: No such file or directory\n");
  assert_int_equal(tf_config_load(".", NULL, 0, NULL, &errors, &config), E_CONFIG_FILE);
  assert_string_equal(errors_text(), ".: is a directory: name the YAML file in it\n");
  assert_int_equal(mkfifo("fifo", 0600), 0);
  assert_int_equal(tf_config_load("fifo", NULL, 0, NULL, &errors, &config), E_CONFIG_FILE);
  assert_string_equal(errors_text(), "fifo: is not a regular file: a pipe or device is refused\n");
  assert_int_equal(tf_config_load("/dev/zero", NULL, 0, NULL, NULL, &config), E_CONFIG_FILE);
  assert_string_equal(tf_error_text(),
                      "/dev/zero: is not a regular file: a pipe or device is refused");
}

static void one_mebibyte_is_the_most(void **state) {
  (void)state;
  size_t       cap  = 1024 * 1024 + 1;
  char        *text = malloc(cap);
  tf_config_t *config;
  memset(text, '\n', cap);
  memcpy(text, "engine: {idle: spin}", 20);
  write_file("big.yaml", text, cap);
  assert_int_equal(tf_config_load("big.yaml", NULL, 0, NULL, &errors, &config), E_CONFIG_FILE);
  assert_string_equal(errors_text(), "big.yaml: is 1048577 bytes; at most 1048576 (1 MiB)\n");
  write_file("big.yaml", text, cap - 1);
  assert_int_equal(tf_config_load("big.yaml", NULL, 0, NULL, &errors, &config), TF_OK);
  assert_int_equal(config->engine.idle, TF_CONFIG_IDLE_SPIN);
  tf_config_free(config);
  free(text);
}

static void twenty_errors_are_listed_and_the_rest_counted(void **state) {
  (void)state;
  char         text[1024] = "engine:\n";
  tf_config_t *config;
  for (int i = 0; i < 25; i++) snprintf(text + strlen(text), 32, "  wrong%02d: 1\n", i);
  write_file("t.yaml", text, strlen(text));
  assert_int_equal(tf_config_load("t.yaml", NULL, 0, NULL, &errors, &config), E_CONFIG_KEY);
  assert_int_equal(errors.error_cnt, TF_CONFIG_ERRORS_MAX);
  assert_int_equal(errors.more_cnt, 5);
  assert_non_null(strstr(errors_text(), "\n... and 5 more\n"));
  assert_non_null(strstr(tf_error_text(), "t.yaml:2:3: engine.wrong00: unknown key;"));
  assert_non_null(strstr(tf_error_text(), " (and 24 more)"));
}

static void a_file_of_nothing_but_errors_ends_early(void **state) {
  (void)state;
  size_t       cap = 1000 * 1000, used = 0;
  char        *text = malloc(cap);
  tf_config_t *config;
  while (used + 8 < cap) used += (size_t)snprintf(text + used, cap - used, "a: *b\n");
  write_file("t.yaml", text, used);
  assert_int_equal(tf_config_load("t.yaml", NULL, 0, NULL, &errors, &config), E_CONFIG_SYNTAX);
  assert_true(errors.more_cnt <= 200);
  used = 0;
  while (used + 16 < cap) used += (size_t)snprintf(text + used, cap - used, "k%zu: 1\n", used);
  write_file("t.yaml", text, used);
  assert_int_equal(tf_config_load("t.yaml", NULL, 0, NULL, &errors, &config), E_CONFIG_SYNTAX);
  assert_string_equal(errors_text(), "t.yaml:1025:1: more than 1024 keys in one mapping\n");
  free(text);
}

static void lists_longer_than_their_bound_are_refused(void **state) {
  (void)state;
  char         text[4096] = "bars: {";
  tf_config_t *config;
  for (int i = 0; i < 65; i++) snprintf(text + strlen(text), 32, "b%d: 1s,", i);
  snprintf(text + strlen(text), 8, "}\n");
  write_file("t.yaml", text, strlen(text));
  assert_int_equal(tf_config_load("t.yaml", NULL, 0, NULL, &errors, &config), E_CONFIG_VALUE);
  assert_string_equal(errors_text(), "t.yaml:1:7: bars: 65 items; at most 64\n");
}

static void more_sets_than_the_bound_are_refused(void **state) {
  (void)state;
  const char  *sets[TF_CONFIG_SETS_MAX + 1];
  tf_config_t *config;
  for (size_t i = 0; i < TF_ARRAY_CNT(sets); i++) sets[i] = "engine.idle=spin";
  write_file("t.yaml", FEED, strlen(FEED));
  assert_int_equal(tf_config_load("t.yaml", sets, TF_CONFIG_SETS_MAX + 1, NULL, &errors, &config),
                   E_CONFIG_KEY);
  assert_string_equal(errors_text(), "--set: given 65 times; at most 64\n");
  assert_int_equal(tf_config_load("t.yaml", sets, TF_CONFIG_SETS_MAX, NULL, &errors, &config), 0);
  tf_config_free(config);
}

/* In two: compilers need not take a text this long. */
static const char keys_to_strategies[] =
    "engine: {profile: maximum, batch_max: 33, max_queue_delay: 700ns, burst_budget: 90us, "
    "conflate_after: 2ms, shed_low_after: 3ms, low_instruments: [A.KRAKEN, \"*.OKX\"], lanes: "
    "[{cpu: 2, stages: "
    "[acquire]}, {cpu: 3, stages: [buffer, "
    "compute, decide]}, {stages: [emit]}], idle: sleep, feature_isa: avx2, io: epoll, "
    "instruments_max: 7, "
    "book_levels_max: 9, event_ring_slots: 128, decision_ring_slots: 256, "
    "sink_ring: 2MiB, message_levels_max: 99, "
    "cache_dir: /tmp/c, latency_sample: 3, warm_start: \"kraken:w\", snapshot: s.snap, "
    "snapshot_age_max: 7m, log_level: debug, helper_cpu: 5, busy_poll: 50us, kernel_timestamps: "
    "true}\n"
    "feeds: [{name: main, venue: kraken, channels: [trade, book], instruments: [A, B], url: "
    "\"wss://[::1]:9\", rest: \"http://h:8\", ca_file: t.yaml, deflate: true, key_file: t.yaml, "
    "instruments_file: t.yaml, book_depth: 25, "
    "crossed_after: 2s, metadata_refresh: 7m, reorder_window: 30ms, stale_after: 90s, path: "
    "/ws?a=b, streams_per_connection: 17, legs: 3, required: true, "
    "rank_every: "
    "3m, proxy: \"http://p:3128\", "
    "proxy_key_file: t.yaml, source_address: 127.0.0.2, interface: eth1, fallback_after: 7s, "
    "fallback_back: 9s, fallback: [{url: \"wss://b:1\", rest: \"http://b:2\"}, {venue: kraken, "
    "instruments: [A=X, B=Y]}, {capture: t.tape, "
    "speed: 2.5x, at_end: loop}], "
    "message_bytes_max: 64KiB}, {name: b, venue: kraken, endpoints: [\"wss://c\", "
    "\"ws://[::1]:7\"]}]\n"
    "bars: {s1: 1s, t: 100 ticks, v: 0.5 volume, d: 1000000 notional, i: {size: 500 volume_runs, "
    "ewma_bars: 7, trades_min: 3, trades_max: 900}, h: {size: 1h, clock: event, late_max: 2s, "
    "gaps: flat, session: {hours: 18:00-17:00, offset: -05:30, days: [mon, sun]}}}\n"
    "peers: [{name: eth, instruments: [ETHUSDT.BINANCE-SPOT, \"*.OKX\"], max_age: 2s, books: "
    "[gap], "
    "wake: true}, {name: any, instruments: [A.B], max_age: any}]\n"
    "features: [mid, {name: z, expr: \"zscore(mid, 500)\"}]\n"
    "models: [{name: m, file: gone.safetensors, window: 50, precision: int8, isa: avx2, error_max: "
    "9, "
    "backend: cpu, budget: "
    "50us}, {name: n, file: gone, budget: 1ms, overrun: fallback, overrun_limit: 7, "
    "overrun_pause: 2s, fallback: m, horizon: 4, step: 3, valid: -9..9.5, quantiles: sort, "
    "clamp: ..0.5, alert: -0.25.., breadth: 1..2, fleet_max_age: 9s}, {name: r, registry: reg, "
    "version: 12, "
    "shadow_min: 5, "
    "divergence_max: 6, rollback_refused: 7, canary_share: 8, canary_share_by: ticks, "
    "canary_late_max: 9, budget: 1us, "
    "sha256: "
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF}, {name: o, file: gone, "
    "priority: low, inputs: [r.0..3, \"ema(mid, 20)\"]}, {name: e, ensemble: [m, n], combine: "
    "weighted, "
    "weights: [1, 0.5], quorum: 1}, {name: k, backend: kserve, url: "
    "\"https://[::1]:8443/v2/models/k%20x/versions/3\", inputs: [mid], outputs: 6, input: x, "
    "output: "
    "y, horizon: 2, deadline: 3ms, max_age: 9ms, no_answer: fallback, fallback: m, in_flight: 16, "
    "breaker_limit: 4, breaker_wait: 2s, breaker_wait_max: 8s, binary: off, ca_file: ca.pem, "
    "header_file: token.txt}, {name: x, backend: onnxruntime, file: far.onnx, inputs: [mid], "
    "library: "
    "lib.so, threads: 2}, {name: p, file: gone, registry: 'r/{symbol}'}, {name: g, file: gone, "
    "backend: gpu, device: 3, deadline: 7us, miss_limit: 5, compare_max: 77, fallback: m}]\n"
    "universe: {instruments: [BTCUSDT.BINANCE-SPOT], max_age: 90s, books: [ok]}\n"
    "model_cache: {models_max: 5, bytes_max: 2MiB, file_bytes_max: 1MiB, compressed_bytes_max: 0B, "
    "ttl: 3s, dir: below, dir_bytes_max: 7MiB, redis: 'redis://h:1/2', redis_user: u, "
    "redis_password_file: pw.txt, redis_timeout: 9ms}\n"
    "gpu: {worker: w, stub: s, faults: late=1/3, device: 2, visible_devices: '1,2', "
    "memory_fraction: 50, start: 4s, heart: 90ms, restart_max: 3, restart_within: 2m, "
    "compare_every: 64, keep_alive: off}\n"
    "strategies: [{name: fade, model: m, buy: a, sell: b, buy_until: d, sell_until: e, flat: c, "
    "cooldown: 250ms, max_rate: "
    "10/100ms, books: [ok, crossed], emit: actions, require_ready: rules}]\n";
static const char keys_from_sinks[] =
    "sinks: [{type: shm, path: decisions, policy: drop_oldest, slots: 64, durable: true, "
    "carries: quotes, instruments: [A.X, \"*.Y\"], strategies: [s], actions: [buy, flat], "
    "partitions: 16, partition: 3, low_instruments: [B.X], low_strategies: [t], "
    "name: out, url: \"nats://h:1\", stream: D, stream_create: true, stream_keep: 11, format: "
    "cbor, block_max: 2ms, spool: sp, "
    "spool_max: 3MiB, max_age: 4ms, drain: 5ms, batch: 6, linger: 7us, user: u, "
    "password_file: t.yaml, token_file: t.yaml, sign_file: t.yaml, ca_file: t.yaml, "
    "cert_file: t.yaml, tls_key_file: t.yaml, clients: 8, client_slots: 16, history: t.yaml, "
    "url_b: \"udp://h:2\", interface: lo, ttl: 9, "
    "key_file: k.txt}]\n"
    "control: {path: /run/x/socket, token_file: t.yaml}\n"
    "http: {listen: \"[::1]:8090\"}\n"
    "capture: {path: cap, policy: stop, ring: 48MiB, flush: 5ms, sync: 7s, rotate_size: 2MiB, "
    "rotate_time: 3m, level: 9}\n"
    "group: {name: g, partitions: 4096, member: m, share: 3, lease: 700ms, stop: 9s, "
    "snapshot_every: off, store: dir, url: \"nats://h:3\", dir: d, user: u, "
    "password_file: t.yaml, token_file: t.yaml, ca_file: t.yaml, cert_file: t.yaml, "
    "tls_key_file: t.yaml, log_dir: l, program: p}\n";
static char all_keys[sizeof keys_to_strategies + sizeof keys_from_sinks];

static void every_key_reaches_its_field(void **state) {
  (void)state;
  tf_config_t *c = load(all_keys, NULL, 0);
  assert_string_equal(c->group.name, "g");
  assert_int_equal(c->group.partitions, 4096);
  assert_string_equal(c->group.member, "m");
  assert_int_equal(c->group.share_max, 3);
  assert_int_equal(c->group.lease_ns, 700 * TF_NS_PER_MS);
  assert_int_equal(c->group.stop_ns, 9 * TF_NS_PER_SEC);
  assert_int_equal(c->group.snapshot_every_ns, 0);
  assert_int_equal(c->group.store, TF_CONFIG_GROUP_DIR);
  assert_string_equal(c->group.url, "nats://h:3");
  assert_string_equal(c->group.dir, "d");
  assert_string_equal(c->group.log_dir, "l");
  assert_string_equal(c->group.program, "p");
  assert_int_equal(c->engine.profile, TF_CONFIG_PROFILE_MAXIMUM);
  assert_int_equal(c->engine.idle, TF_CONFIG_IDLE_SLEEP);
  assert_int_equal(c->engine.feature_isa, TF_CONFIG_ISA_AVX2);
  assert_int_equal(c->engine.io, TF_CONFIG_IO_EPOLL);
  assert_int_equal(c->engine.busy_poll_ns, 50 * TF_NS_PER_US);
  assert_true(c->engine.kernel_timestamps);
  assert_int_equal(c->engine.instruments_max, 7);
  assert_int_equal(c->engine.book_levels_max, 9);
  assert_int_equal(c->engine.event_ring_slots, 128);
  assert_int_equal(c->engine.decision_ring_slots, 256);
  assert_int_equal(c->engine.sink_ring_bytes, 2 << 20);
  assert_int_equal(c->engine.message_levels_max, 99);
  assert_int_equal(c->engine.latency_sample, 3);
  assert_int_equal(c->engine.log_level, TF_LOG_DEBUG);
  assert_int_equal(c->engine.helper_cpu, 5);
  assert_string_equal(c->engine.warm_start, "kraken:w");
  assert_string_equal(c->engine.snapshot, "s.snap");
  assert_int_equal(c->engine.snapshot_age_max_ns, 420 * TF_NS_PER_SEC);
  assert_int_equal(c->engine.lane_cnt, 3);
  assert_int_equal(c->engine.lanes[1].cpu, 3);
  assert_int_equal(c->engine.lanes[0].stages, TF_CONFIG_STAGE_ACQUIRE);
  assert_int_equal(c->engine.lanes[1].stages, TF_CONFIG_STAGES_LANE);
  assert_int_equal(c->engine.lanes[2].stages, TF_CONFIG_STAGE_EMIT);
  assert_int_equal(c->engine.lanes[2].cpu, -1);
  assert_int_equal(c->feed_cnt, 2);
  assert_int_equal(c->feeds[1].endpoints.item_cnt, 2);
  assert_string_equal(c->feeds[1].endpoints.items[0].host, "c");
  assert_int_equal(c->feeds[1].endpoints.items[0].port, 443);
  assert_string_equal(c->feeds[1].endpoints.items[1].host, "::1");
  assert_false(c->feeds[1].endpoints.items[1].tls);
  assert_string_equal(c->feeds[0].name, "main");
  assert_string_equal(c->feeds[0].venue, "kraken");
  assert_int_equal(c->feeds[0].channels, TF_CHANNEL_TRADE | TF_CHANNEL_BOOK);
  assert_int_equal(c->feeds[0].instruments.item_cnt, 2);
  assert_string_equal(c->feeds[0].instruments.items[1], "B");
  assert_string_equal(c->feeds[0].url.host, "::1");
  assert_int_equal(c->feeds[0].url.port, 9);
  assert_true(c->feeds[0].url.tls);
  assert_string_equal(c->feeds[0].rest.host, "h");
  assert_int_equal(c->feeds[0].rest.port, 8);
  assert_false(c->feeds[0].rest.tls);
  assert_string_equal(c->feeds[0].ca_file, "t.yaml");
  assert_true(c->feeds[0].deflate);
  assert_int_equal(c->feeds[0].book_depth, 25);
  assert_int_equal(c->feeds[0].crossed_after_ns, 2 * TF_NS_PER_SEC);
  assert_int_equal(c->feeds[0].stale_after_ns, 90 * TF_NS_PER_SEC);
  assert_int_equal(c->feeds[0].reorder_window_ns, 30 * TF_NS_PER_MS);
  assert_int_equal(c->feeds[0].metadata_refresh_ns, 420 * TF_NS_PER_SEC);
  assert_string_equal(c->feeds[0].path, "/ws?a=b");
  assert_int_equal(c->feeds[0].streams_per_connection, 17);
  assert_int_equal(c->feeds[0].legs, 3);
  assert_int_equal(c->feeds[0].rank_every_ns, 180 * TF_NS_PER_SEC);
  assert_string_equal(c->feeds[0].proxy.host, "p");
  assert_int_equal(c->feeds[0].proxy.port, 3128);
  assert_string_equal(c->feeds[0].proxy_key_file, "t.yaml");
  assert_string_equal(c->feeds[0].source_address, "127.0.0.2");
  assert_string_equal(c->feeds[0].interface, "eth1");
  assert_true(c->feeds[0].required && !c->feeds[1].required);
  assert_int_equal(c->feeds[0].fallback_after_ns, 7 * TF_NS_PER_SEC);
  assert_int_equal(c->feeds[0].fallback_back_ns, 9 * TF_NS_PER_SEC);
  assert_int_equal(c->feeds[0].fallback_cnt, 3);
  assert_string_equal(c->feeds[0].fallbacks[0].url.host, "b");
  assert_int_equal(c->feeds[0].fallbacks[0].rest.port, 2);
  assert_string_equal(c->feeds[0].fallbacks[1].venue, "kraken");
  assert_string_equal(c->feeds[0].fallbacks[1].instruments.items[1], "B=Y");
  assert_string_equal(c->feeds[0].fallbacks[2].capture, "t.tape");
  assert_int_equal(c->feeds[0].fallbacks[2].speed, 2500);
  assert_int_equal(c->feeds[0].fallbacks[2].at_end, 1);
  assert_int_equal(c->feeds[0].message_bytes_max, 65536);
  assert_int_equal(c->bar_cnt, 6);
  assert_string_equal(c->bars[0].name, "s1");
  assert_int_equal(c->bars[0].size.kind, TF_CONFIG_BAR_TIME);
  assert_int_equal(c->bars[0].size.interval_ns, TF_NS_PER_SEC);
  assert_int_equal(c->bars[1].size.kind, TF_CONFIG_BAR_TICKS);
  assert_true(c->bars[1].size.amount == 100);
  assert_int_equal(c->bars[2].size.kind, TF_CONFIG_BAR_VOLUME);
  assert_true(c->bars[2].size.amount == 0.5);
  assert_int_equal(c->bars[3].size.kind, TF_CONFIG_BAR_NOTIONAL);
  assert_true(c->bars[3].size.amount == 1e6);
  assert_int_equal(c->bars[3].clock, TF_CONFIG_BAR_CLOCK_RECV);
  assert_int_equal(c->bars[3].session.hours.length_ns, 0);
  assert_int_equal(c->bars[4].size.kind, TF_CONFIG_BAR_VOLUME_RUNS);
  assert_int_equal(c->bars[4].ewma_bars, 7);
  assert_int_equal(tf_config_bar_trades_min(&c->bars[4]), 3);
  assert_int_equal(tf_config_bar_trades_max(&c->bars[4]), 900);
  assert_int_equal(c->bars[5].clock, TF_CONFIG_BAR_CLOCK_EVENT);
  assert_int_equal(c->bars[5].late_max_ns, 2 * TF_NS_PER_SEC);
  assert_int_equal(c->bars[5].gaps, TF_CONFIG_BAR_GAPS_FLAT);
  assert_int_equal(c->bars[5].session.hours.open_ns, 18 * 3600 * TF_NS_PER_SEC);
  assert_int_equal(c->bars[5].session.hours.length_ns, 23 * 3600 * TF_NS_PER_SEC);
  assert_true(c->bars[5].session.offset_ns == -(int64_t)(19800 * TF_NS_PER_SEC));
  assert_int_equal(c->bars[5].session.days, 1 | 1 << 6);
  assert_int_equal(c->peer_cnt, 2);
  assert_string_equal(c->peers[0].name, "eth");
  assert_int_equal(c->peers[0].instruments.item_cnt, 2);
  assert_string_equal(c->peers[0].instruments.items[1], "*.OKX");
  assert_int_equal(c->peers[0].max_age_ns, 2 * TF_NS_PER_SEC);
  assert_int_equal(c->peers[0].books, 1u << TF_BOOK_GAP);
  assert_true(c->peers[0].wake);
  assert_int_equal(c->peers[1].max_age_ns, 0);
  assert_int_equal(c->peers[1].books, 1u << TF_BOOK_OK | 1u << TF_BOOK_NONE);
  assert_int_equal(c->feature_cnt, 2);
  assert_null(c->features[0].name);
  assert_string_equal(c->features[0].expr, "mid");
  assert_string_equal(c->features[1].name, "z");
  assert_string_equal(c->models[0].file, "gone.safetensors");
  assert_int_equal(c->models[0].window, 50);
  assert_int_equal(c->models[0].precision, TF_CONFIG_PRECISION_INT8);
  assert_int_equal(c->models[0].isa, TF_CONFIG_ISA_AVX2);
  assert_int_equal(c->models[0].lanes, 1);
  assert_int_equal(c->models[0].backend, TF_CONFIG_BACKEND_CPU);
  assert_int_equal(c->models[0].error_max_ppm, 9);
  assert_int_equal(c->models[0].budget_ns, 50000);
  assert_int_equal(c->models[1].overrun, TF_CONFIG_OVERRUN_FALLBACK);
  assert_int_equal(c->models[1].overrun_limit, 7);
  assert_int_equal(c->models[1].overrun_pause_ns, 2 * TF_NS_PER_SEC);
  assert_string_equal(c->models[1].fallback, "m");
  assert_int_equal(c->models[1].horizon, 4);
  assert_int_equal(c->models[1].step, 3);
  assert_true(c->models[1].valid.min == -9.0 && c->models[1].valid.max == 9.5);
  assert_int_equal(c->models[1].quantiles, TF_CONFIG_CROSSING_SORT);
  assert_true(isinf(c->models[1].clamp.min) && c->models[1].clamp.max == 0.5);
  assert_true(c->models[1].alert.min == -0.25 && isinf(c->models[1].alert.max));
  assert_true(c->models[1].breadth.min == 1.0 && c->models[1].breadth.max == 2.0);
  assert_false(c->models[0].valid.is_set);
  assert_int_equal(c->models[1].fleet_max_age_ns, 9 * TF_NS_PER_SEC);
  assert_int_equal(c->models[0].fleet_max_age_ns, 0);
  assert_int_equal(c->models[3].inputs.item_cnt, 2);
  assert_int_equal(c->models[3].priority, TF_CONFIG_PRIORITY_LOW);
  assert_string_equal(c->models[3].inputs.items[1], "ema(mid, 20)");
  assert_string_equal(c->models[4].ensemble.items[1], "n");
  assert_int_equal(c->models[4].combine, TF_CONFIG_COMBINE_WEIGHTED);
  assert_true(c->models[4].weights.items[1] == 0.5);
  assert_int_equal(c->models[4].quorum, 1);
  assert_int_equal(c->models[5].backend, TF_CONFIG_BACKEND_KSERVE);
  assert_string_equal(c->models[5].url.host, "::1");
  assert_string_equal(c->models[5].url.path, "/v2/models/k%20x/versions/3");
  assert_int_equal(c->models[5].url.port, 8443);
  assert_true(c->models[5].url.tls);
  assert_int_equal(c->models[5].outputs, 6);
  assert_string_equal(c->models[5].input, "x");
  assert_string_equal(c->models[5].output, "y");
  assert_int_equal(c->models[5].deadline_ns, 3 * TF_NS_PER_MS);
  assert_int_equal(c->models[5].max_age_ns, 9 * TF_NS_PER_MS);
  assert_int_equal(c->models[5].no_answer, TF_CONFIG_NO_ANSWER_FALLBACK);
  assert_int_equal(c->models[5].in_flight, 16);
  assert_int_equal(c->models[5].breaker_limit, 4);
  assert_int_equal(c->models[5].breaker_wait_ns, 2 * TF_NS_PER_SEC);
  assert_int_equal(c->models[5].breaker_wait_max_ns, 8 * TF_NS_PER_SEC);
  assert_int_equal(c->models[5].binary, TF_CONFIG_BINARY_OFF);
  assert_string_equal(c->models[5].ca_file, "ca.pem");
  assert_string_equal(c->models[5].header_file, "token.txt");
  assert_int_equal(c->models[6].backend, TF_CONFIG_BACKEND_ONNXRUNTIME);
  assert_string_equal(c->models[6].library, "lib.so");
  assert_int_equal(c->models[6].threads, 2);
  assert_int_equal(tf_config_model_no_answer(&c->models[6]), TF_CONFIG_NO_ANSWER_HOLD);
  assert_int_equal(tf_config_model_deadline_ns(&c->models[6]), 50 * TF_NS_PER_MS);
  assert_true(tf_config_model_is_remote(&c->models[8]) &&
              !tf_config_model_is_remote(&c->models[0]));
  assert_int_equal(c->models[8].device, 3);
  assert_int_equal(tf_config_model_deadline_ns(&c->models[8]), 7 * TF_NS_PER_US);
  assert_int_equal(tf_config_model_deadline_ns(&c->models[0]), 100 * TF_NS_PER_US);
  assert_int_equal(c->models[8].miss_limit, 5);
  assert_int_equal(c->models[8].compare_max_ppm, 77);
  assert_int_equal(tf_config_model_no_answer(&c->models[8]), TF_CONFIG_NO_ANSWER_FALLBACK);
  assert_int_equal(tf_config_model_no_answer(&c->models[0]), TF_CONFIG_NO_ANSWER_CPU);
  assert_string_equal(c->gpu.worker, "w");
  assert_string_equal(c->gpu.stub, "s");
  assert_string_equal(c->gpu.faults, "late=1/3");
  assert_int_equal(c->gpu.device, 2);
  assert_string_equal(c->gpu.visible_devices, "1,2");
  assert_int_equal(c->gpu.memory_percent, 50);
  assert_int_equal(c->gpu.start_ns, 4 * TF_NS_PER_SEC);
  assert_int_equal(c->gpu.heart_ns, 90 * TF_NS_PER_MS);
  assert_int_equal(c->gpu.restart_max, 3);
  assert_int_equal(c->gpu.restart_ns, 120 * TF_NS_PER_SEC);
  assert_int_equal(c->gpu.compare_every, 64);
  assert_int_equal(c->gpu.keep_alive_ns, 0);
  assert_null(c->models[2].file);
  assert_string_equal(c->models[2].registry, "reg");
  assert_int_equal(c->models[2].version, 12);
  assert_int_equal(c->models[2].shadow_min, 5);
  assert_int_equal(c->models[2].divergence_max_ppm, 6);
  assert_int_equal(c->models[2].rollback_refused, 7);
  assert_int_equal(c->models[2].canary_share, 8);
  assert_int_equal(c->models[2].canary_share_by, TF_SHARE_BY_TICKS);
  assert_int_equal(c->models[2].canary_late_max, 9);
  assert_int_equal(strlen(c->models[2].sha256), 64);
  assert_true(c->models[0].breadth.min == 0.0 && isinf(c->models[0].breadth.max));
  assert_true(tf_config_model_has_owns(&c->models[7]) && !tf_config_model_has_owns(&c->models[2]));
  assert_string_equal(c->universe.instruments.items[0], "BTCUSDT.BINANCE-SPOT");
  assert_int_equal(c->universe.max_age_ns, 90 * TF_NS_PER_SEC);
  assert_int_equal(c->universe.books, 1u << TF_BOOK_OK);
  assert_int_equal(c->model_cache.models_max, 5);
  assert_int_equal(c->model_cache.bytes_max, 2 << 20);
  assert_int_equal(c->model_cache.file_bytes_max, 1 << 20);
  assert_int_equal(c->model_cache.compressed_bytes_max, 0);
  assert_int_equal(c->model_cache.ttl_ns, 3 * TF_NS_PER_SEC);
  assert_string_equal(c->model_cache.dir, "below");
  assert_int_equal(c->model_cache.dir_bytes_max, 7 << 20);
  assert_string_equal(c->model_cache.redis, "redis://h:1/2");
  assert_string_equal(c->model_cache.redis_user, "u");
  assert_string_equal(c->model_cache.redis_password_file, "pw.txt");
  assert_int_equal(c->model_cache.redis_timeout_ns, 9 * TF_NS_PER_MS);
  assert_string_equal(c->strategies[0].model, "m");
  assert_string_equal(c->strategies[0].flat, "c");
  assert_string_equal(c->strategies[0].buy_until, "d");
  assert_string_equal(c->strategies[0].sell_until, "e");
  assert_int_equal(c->strategies[0].cooldown_ns, 250 * TF_NS_PER_MS);
  assert_int_equal(c->strategies[0].max_rate.cnt_max, 10);
  assert_int_equal(c->strategies[0].max_rate.window_ns, 100 * TF_NS_PER_MS);
  assert_int_equal(c->strategies[0].books, 1u << TF_BOOK_OK | 1u << TF_BOOK_CROSSED);
  assert_int_equal(c->strategies[0].emit, TF_CONFIG_EMIT_ACTIONS);
  assert_int_equal(c->strategies[0].require_ready, TF_CONFIG_READY_RULES);
  assert_int_equal(c->sinks[0].policy, 1 + TF_OVERFLOW_DROP_OLDEST);
  assert_int_equal(c->sinks[0].slots, 64);
  assert_true(c->sinks[0].durable);
  assert_int_equal(c->sinks[0].carries, TF_CARRIES_QUOTES);
  assert_int_equal(c->sinks[0].instruments.item_cnt, 2);
  assert_string_equal(c->sinks[0].strategies.items[0], "s");
  assert_int_equal(c->sinks[0].actions, 1u << TF_ACTION_BUY | 1u << TF_ACTION_FLAT);
  assert_int_equal(c->sinks[0].partition_cnt, 16);
  assert_int_equal(c->sinks[0].partition, 3);
  assert_string_equal(c->sinks[0].low_instruments.items[0], "B.X");
  assert_string_equal(c->sinks[0].low_strategies.items[0], "t");
  assert_string_equal(c->sinks[0].name, "out");
  assert_string_equal(c->sinks[0].url, "nats://h:1");
  assert_string_equal(c->sinks[0].stream, "D");
  assert_true(c->sinks[0].stream_create);
  assert_int_equal(c->sinks[0].stream_keep, 11);
  assert_int_equal(c->sinks[0].format, TF_CONFIG_FORMAT_CBOR);
  assert_int_equal(c->sinks[0].block_max_ns, 2 * TF_NS_PER_MS);
  assert_string_equal(c->sinks[0].spool, "sp");
  assert_int_equal(c->sinks[0].spool_max_bytes, 3 << 20);
  assert_int_equal(c->sinks[0].max_age_ns, 4 * TF_NS_PER_MS);
  assert_int_equal(c->sinks[0].drain_ns, 5 * TF_NS_PER_MS);
  assert_int_equal(c->sinks[0].batch, 6);
  assert_int_equal(c->sinks[0].linger_ns, 7 * TF_NS_PER_US);
  assert_string_equal(c->sinks[0].user, "u");
  assert_string_equal(c->sinks[0].password_file, "t.yaml");
  assert_string_equal(c->sinks[0].token_file, "t.yaml");
  assert_string_equal(c->sinks[0].sign_file, "t.yaml");
  assert_string_equal(c->sinks[0].ca_file, "t.yaml");
  assert_string_equal(c->sinks[0].cert_file, "t.yaml");
  assert_string_equal(c->sinks[0].tls_key_file, "t.yaml");
  assert_int_equal(c->sinks[0].clients, 8);
  assert_int_equal(c->sinks[0].client_slots, 16);
  assert_string_equal(c->sinks[0].history, "t.yaml");
  assert_string_equal(c->sinks[0].url_b, "udp://h:2");
  assert_string_equal(c->sinks[0].interface, "lo");
  assert_int_equal(c->sinks[0].ttl, 9);
  assert_int_equal(c->engine.batch_max, 33);
  assert_int_equal(c->engine.max_queue_delay_ns, 700);
  assert_int_equal(c->engine.burst_budget_ns, 90000);
  assert_int_equal(c->engine.conflate_after_ns, 2 * TF_NS_PER_MS);
  assert_int_equal(c->engine.shed_low_after_ns, 3 * TF_NS_PER_MS);
  assert_int_equal(c->engine.low_instruments.item_cnt, 2);
  assert_string_equal(c->sinks[0].key_file, "k.txt");
  assert_string_equal(c->control.path, "/run/x/socket");
  assert_string_equal(c->control.token_file, "t.yaml");
  assert_string_equal(c->http.listen.host, "::1");
  assert_int_equal(c->http.listen.port, 8090);
  assert_string_equal(c->capture.path, "cap");
  assert_int_equal(c->capture.policy, TF_CONFIG_CAPTURE_STOP);
  assert_int_equal(c->capture.ring_bytes, 48 << 20);
  assert_int_equal(c->capture.flush_ns, 5 * TF_NS_PER_MS);
  assert_int_equal(c->capture.sync_ns, 7 * TF_NS_PER_SEC);
  assert_int_equal(c->capture.rotate_bytes, 2 << 20);
  assert_int_equal(c->capture.rotate_ns, 180 * TF_NS_PER_SEC);
  assert_int_equal(c->capture.level, 9);
  tf_config_free(c);
}

/* A literal of ISO C ends at 4095 bytes: more of them. */
static const char worker_keys[] =
    "models: [{name: m, file: gone, place_cpu: 20us, place_worker: 4us}]\n"
    "gpu: {placements: p.json, refill: 3m}\n";

static const char text_keys[] =
    "feeds:\n"
    "  - {name: n, venue: kraken, from: nats, broker: \"nats://127.0.0.1:4222\", stream: E, "
    "partitions: 4,\n"
    "     partition: 1, start: all, user: u, password_file: p, times: kept}\n"
    "  - {name: h, venue: kraken, listen: \"127.0.0.1:0\", clients_max: 5, rate_max: 6, ids_kept: "
    "9, "
    "token_file: t,\n"
    "     cert_file: c, tls_key_file: k}\n"
    "engine: {snapshot: s, snapshot_every: 3s, snapshot_restore: exact}\n"
    "texts: {deadline: 3s, queue: 99, classifier: {file: t, precision: int8, error_max: 7},\n"
    "        embedder: {registry: r, name: desk, version: 4}}\n";

static void keys_of_texts_snapshots_and_intakes_reach_their_fields(void **state) {
  (void)state;
  tf_config_t *c = load(text_keys, NULL, 0);
  assert_int_equal(c->engine.snapshot_every_ns, 3 * TF_NS_PER_SEC);
  assert_int_equal(c->engine.snapshot_restore, 1);
  assert_string_equal(c->feeds[0].stream, "E");
  assert_int_equal(c->feeds[0].partition, 1);
  assert_int_equal(c->feeds[1].clients_max, 5);
  assert_int_equal(c->feeds[1].rate_max, 6);
  assert_int_equal(c->feeds[1].ids_kept, 9);
  assert_string_equal(c->texts.classifier.file, "t");
  assert_int_equal(c->texts.classifier.precision, TF_CONFIG_PRECISION_INT8);
  assert_int_equal(c->texts.classifier.error_max_ppm, 7);
  assert_string_equal(c->texts.embedder.registry, "r");
  assert_string_equal(c->texts.embedder.name, "desk");
  assert_int_equal(c->texts.embedder.version, 4);
  assert_int_equal(c->texts.deadline_ns, 3 * TF_NS_PER_SEC);
  assert_int_equal(c->texts.queue, 99);
  tf_config_free(c);
}

/* As many as a group may say at once. */
static const char group_keys[] = "group: {name: g, partitions: 8, member: a, share: 3, lease: 3s, "
                                 "stop: 4s, snapshot_every: 7s, store: nats, "
                                 "url: \"nats://127.0.0.1:4222\", user: u, password_file: p, "
                                 "ca_file: ca, cert_file: ce, tls_key_file: k, "
                                 "log_dir: l, program: t}\n";

static void keys_of_groups_reach_their_fields(void **state) {
  (void)state;
  tf_config_t *c = load(group_keys, NULL, 0);
  assert_string_equal(c->group.name, "g");
  assert_string_equal(c->group.member, "a");
  assert_string_equal(c->group.url, "nats://127.0.0.1:4222");
  assert_string_equal(c->group.user, "u");
  assert_string_equal(c->group.password_file, "p");
  assert_string_equal(c->group.ca_file, "ca");
  assert_string_equal(c->group.cert_file, "ce");
  assert_string_equal(c->group.tls_key_file, "k");
  assert_string_equal(c->group.log_dir, "l");
  assert_string_equal(c->group.program, "t");
  assert_int_equal(c->group.partitions, 8);
  assert_int_equal(c->group.share_max, 3);
  assert_int_equal(c->group.lease_ns, 3 * TF_NS_PER_SEC);
  assert_int_equal(c->group.stop_ns, 4 * TF_NS_PER_SEC);
  assert_int_equal(c->group.snapshot_every_ns, 7 * TF_NS_PER_SEC);
  tf_config_free(c);
}

static void keys_of_workers_reach_their_fields(void **state) {
  (void)state;
  tf_config_t *c = load(worker_keys, NULL, 0);
  assert_int_equal(c->models[0].place_cpu_ns, 20 * TF_NS_PER_US);
  assert_int_equal(c->models[0].place_worker_ns, 4 * TF_NS_PER_US);
  assert_string_equal(c->gpu.placements, "p.json");
  assert_int_equal(c->gpu.refill_ns, 180 * TF_NS_PER_SEC);
  tf_config_free(c);
}

/* Every key of the table appears in all_keys or worker_keys: a new row must come into the test above. */
static void the_test_above_knows_every_key(void **state) {
  (void)state;
  for (uint32_t g = 0; g < tf_config_table_root.group_cnt; g++) {
    const tf_config_group_t *group = &tf_config_table_root.groups[g];
    for (uint32_t k = 0; k < group->section->key_cnt; k++) {
      char key[64];
      if (group->kind == TF_CONFIG_KIND_MAP) continue;
      snprintf(key, sizeof key, "%s: ", group->section->keys[k].name);
      bool is_default_only =
          strcmp(key, "insecure: ") == 0 || strcmp(key, "policy: ") == 0; /* other tests' */
      bool is_there = strstr(all_keys, key) || strstr(worker_keys, key) || strstr(text_keys, key) ||
                      strstr(group_keys, key);
      if (!is_there && !is_default_only) fail_msg("%s is not tested", key);
    }
  }
}

static void words_are_those_of_the_contracts(void **state) {
  (void)state;
  static const char *const levels[] = {"debug", "info", "notice", "warn", "error", "fatal"};
  char                     text[64];
  for (int i = 0; i < 6; i++) {
    tf_log_level_t level;
    snprintf(text, sizeof text, "engine: {log_level: %s}\n", levels[i]);
    tf_config_t *c = load(text, NULL, 0);
    assert_true(tf_log_level_parse(levels[i], &level));
    assert_int_equal(c->engine.log_level, level);
    tf_config_free(c);
  }
  tf_config_t *c = load("strategies: [{name: a, buy: x, books: [none]}]\n", NULL, 0);
  assert_int_equal(c->strategies[0].books, 1u << TF_BOOK_NONE);
  tf_config_free(c);
  c = load("feeds: [{name: a, venue: kraken, channels: [quote]}]\n", NULL, 0);
  assert_int_equal(c->feeds[0].channels, TF_CHANNEL_QUOTE);
  assert_int_equal(c->feeds[0].instruments.item_cnt, 0);
  assert_int_equal(c->feeds[0].metadata_refresh_ns,
                   UINT64_MAX); /* auto: the session's word for it */
  tf_config_free(c);
  c = load("feeds: [{name: a, venue: kraken, metadata_refresh: off}]\n", NULL, 0);
  assert_int_equal(c->feeds[0].metadata_refresh_ns, 0);
  tf_config_free(c);
}

static void origin_is(const tf_config_t *config, const char *path, const char *value,
                      const char *origin) {
  char                     buf[256];
  const tf_config_value_t *v = tf_config_value_at(config, path);
  if (!v) fail_msg("%s has no value", path);
  assert_string_equal(v->text, value);
  assert_string_equal(tf_config_origin_text(config, v, buf, sizeof buf), origin);
}

static void each_value_remembers_where_it_came_from(void **state) {
  (void)state;
  static const char *const sets[] = {"engine.io=epoll", "feeds.0.url=ws://127.0.0.1:9001",
                                     "strategies[0].cooldown=1s", "engine.io=io_uring"};
  tf_config_t             *c =
      load("engine:\n  profile: aggressive\n  latency_sample: 2\nfeeds:\n  - {name: a, "
           "venue: kraken, url: \"wss://x\"}\nstrategies: [{name: s, buy: x}]\n",
           sets, 4);
  char buf[256];
  origin_is(c, "engine.profile", "aggressive", "t.yaml:2:12");
  origin_is(c, "engine.latency_sample", "2", "t.yaml:3:19");
  origin_is(c, "engine.idle", "spin", "profile aggressive");
  origin_is(c, "engine.event_ring_slots", "262144", "profile aggressive");
  origin_is(c, "engine.lanes[1].stages", "[emit]", "profile aggressive");
  origin_is(c, "engine.lanes[1].cpu", "-1", "default");
  origin_is(c, "engine.log_level", "notice", "default");
  origin_is(c, "engine.io", "io_uring", "--set engine.io=io_uring");
  origin_is(c, "feeds[0].url", "ws://127.0.0.1:9001", "--set feeds.0.url=ws://127.0.0.1:9001");
  origin_is(c, "strategies[0].cooldown", "1s", "--set strategies[0].cooldown=1s");
  assert_int_equal(tf_config_origin_of(tf_config_value_at(c, "engine.io")), TF_CONFIG_ORIGIN_SET);
  assert_int_equal(tf_config_origin_of(tf_config_value_at(c, "engine.idle")),
                   TF_CONFIG_ORIGIN_PROFILE);
  assert_string_equal(tf_config_where(c, "strategies[0].buy", buf, sizeof buf),
                      "t.yaml:6:29: strategies[0].buy");
  assert_string_equal(tf_config_where(c, "strategies[0].sell", buf, sizeof buf),
                      "t.yaml: strategies[0].sell");
  tf_config_free(c);
}

static void a_profile_sets_its_keys_and_each_stays_overridable(void **state) {
  (void)state;
  static const char *const names[] = {"basic", "standard", "aggressive", "maximum"};
  for (int i = 0; i < 4; i++) {
    char text[64];
    snprintf(text, sizeof text, "engine: {profile: %s}\n", names[i]);
    tf_config_t *c = load(text, NULL, 0);
    assert_int_equal(c->engine.profile, i);
    for (uint32_t r = 0; r < tf_config_table_profile_cnt; r++) {
      const tf_config_profile_row_t *row = &tf_config_table_profiles[r];
      char                           path[64];
      snprintf(path, sizeof path, "engine.%s%s", row->key,
               strcmp(row->key, "lanes") == 0 ? "[0].stages" : "");
      const tf_config_value_t *v = tf_config_value_at(c, path);
      assert_non_null(v);
      if (strcmp(row->profile, names[i]) == 0)
        assert_int_equal(tf_config_origin_of(v), TF_CONFIG_ORIGIN_PROFILE);
    }
    tf_config_free(c);
  }
  static const char *const sets[] = {"engine.profile=basic"};
  tf_config_t             *c      = load("engine: {profile: maximum, idle: yield}\n", sets, 1);
  assert_int_equal(c->engine.profile, TF_CONFIG_PROFILE_BASIC);
  assert_int_equal(c->engine.idle, TF_CONFIG_IDLE_YIELD);
  assert_int_equal(c->engine.instruments_max, 16);
  assert_int_equal(c->engine.lane_cnt, 1);
  tf_config_free(c);
}

static void sets_make_what_is_not_there(void **state) {
  (void)state;
  static const char *const sets[] = {"engine.lanes=[{cpu: 1}]",
                                     "feeds.0={name: a, venue: kraken}",
                                     "feeds.1.name=b",
                                     "feeds.1.venue=kraken",
                                     "bars.s1=5s",
                                     "features=[mid, \"ret(mid,50)\"]",
                                     "features.2=spread"};
  tf_config_t             *c      = load("", sets, 7);
  assert_int_equal(c->engine.lanes[0].cpu, 1);
  assert_int_equal(c->feed_cnt, 2);
  assert_string_equal(c->feeds[1].name, "b");
  assert_int_equal(c->bars[0].size.interval_ns, 5 * TF_NS_PER_SEC);
  assert_int_equal(c->feature_cnt, 3);
  assert_string_equal(c->features[1].expr, "ret(mid,50)");
  tf_config_free(c);
}

static void the_hash_covers_values_and_not_their_writing(void **state) {
  (void)state;
  static const char *const sets[] = {"strategies.0.cooldown=250ms"};
  tf_config_t             *a = load("strategies: [{name: s, buy: x, cooldown: 250ms}]\n", NULL, 0);
  tf_config_t             *b =
      load("# other\nstrategies:\n  - cooldown: 0.25s\n    buy: \"x\"\n    name: s\n", NULL, 0);
  tf_config_t *c = load("strategies: [{name: s, buy: x, cooldown: 251ms}]\n", NULL, 0);
  tf_config_t *d = load("strategies: [{name: s, buy: x}]\n", sets, 1);
  tf_config_t *e = load("strategies: [{name: s, sell: x, cooldown: 250ms}]\n", NULL, 0);
  assert_true(a->hash == b->hash && a->hash == d->hash);
  assert_memory_equal(a->sha256, b->sha256, 32);
  assert_true(a->hash != c->hash && a->hash != e->hash);
  tf_config_free(a);
  tf_config_free(b);
  tf_config_free(c);
  tf_config_free(d);
  tf_config_free(e);
}

static void files_are_looked_for_beside_the_config_first(void **state) {
  (void)state;
  tf_config_t *c;
  assert_int_equal(mkdir("sub", 0700), 0);
  write_file("sub/beside.bin", "x", 1);
  write_file("here.bin", "x", 1);
  const char *text = "models: [{name: a, file: beside.bin}, {name: b, file: here.bin}, {name: c, "
                     "file: /abs.bin}]\n";
  write_file("sub/t.yaml", text, strlen(text));
  assert_int_equal(tf_config_load("sub/t.yaml", NULL, 0, NULL, &errors, &c), TF_OK);
  assert_string_equal(c->models[0].file, "sub/beside.bin");
  assert_string_equal(c->models[1].file, "here.bin");
  assert_string_equal(c->models[2].file, "/abs.bin");
  assert_string_equal(tf_config_value_at(c, "models[0].file")->text, "beside.bin");
  tf_config_free(c);
}

static void the_shipped_configs_are_good(void **state) {
  (void)state;
  static const char *const names[]    = {"replay", "replay-binance", "binance", "demo"};
  static const char *const features[] = {"spread_bps",
                                         "imbalance(5)",
                                         "ofi(1s)",
                                         "trade_imbalance(1s)",
                                         "zscore(mid,500)",
                                         "realized_vol(mid,100)",
                                         "ret(mid,50)",
                                         "rsi(s1.close,14)",
                                         "(microprice-mid)/spread",
                                         "(ema(mid,20)-mid)/spread",
                                         "(vwap(10s)-mid)/spread",
                                         "trade_count(1s)",
                                         "mid",
                                         "spread",
                                         "microprice"};
  for (int i = 0; i < 4; i++) {
    char         path[1200];
    tf_config_t *c;
    snprintf(path, sizeof path, "%s/configs/%s.yaml", source_dir, names[i]);
    if (tf_config_load(path, NULL, 0, &known, &errors, &c) != TF_OK) fail_msg("%s", errors_text());
    assert_int_equal(c->feature_cnt, TF_ARRAY_CNT(features));
    for (size_t f = 0; f < TF_ARRAY_CNT(features); f++)
      assert_string_equal(c->features[f].expr, features[f]);
    assert_string_equal(c->models[0].name, "mlp");
    uint64_t bar_ns = strcmp(names[i], "demo") == 0 ? 200 * TF_NS_PER_MS : TF_NS_PER_SEC;
    assert_int_equal(c->bars[0].size.interval_ns, bar_ns);
    for (uint32_t f = 0; f < c->feed_cnt; f++) assert_false(c->feeds[f].insecure);
    tf_config_free(c);
  }
}

static int in_a_directory_of_its_own(void **state) {
  (void)state;
  static char dir[] = "/tmp/tf_config_XXXXXX";
  if (!getcwd(source_dir, sizeof source_dir) || !mkdtemp(dir)) return -1;
  return chdir(dir);
}

static int remove_the_directory(void **state) {
  (void)state;
  static const char *const left[] = {"t.yaml",     "big.yaml",       "fifo",
                                     "sub/t.yaml", "sub/beside.bin", "here.bin"};
  char                     dir[256];
  if (!getcwd(dir, sizeof dir)) return -1;
  for (size_t i = 0; i < TF_ARRAY_CNT(left); i++) unlink(left[i]);
  rmdir("sub");
  return rmdir(dir);
}

int main(void) {
  snprintf(all_keys, sizeof all_keys, "%s%s", keys_to_strategies, keys_from_sinks);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_bad_config_is_refused_with_every_error_at_its_place),
      cmocka_unit_test(each_bad_set_is_refused_under_its_own_text),
      cmocka_unit_test(files_that_are_no_config_are_refused),
      cmocka_unit_test(one_mebibyte_is_the_most),
      cmocka_unit_test(twenty_errors_are_listed_and_the_rest_counted),
      cmocka_unit_test(a_file_of_nothing_but_errors_ends_early),
      cmocka_unit_test(lists_longer_than_their_bound_are_refused),
      cmocka_unit_test(more_sets_than_the_bound_are_refused),
      cmocka_unit_test(each_good_config_has_its_canonical_value),
      cmocka_unit_test(every_key_reaches_its_field),
      cmocka_unit_test(keys_of_workers_reach_their_fields),
      cmocka_unit_test(keys_of_texts_snapshots_and_intakes_reach_their_fields),
      cmocka_unit_test(keys_of_groups_reach_their_fields),
      cmocka_unit_test(the_test_above_knows_every_key),
      cmocka_unit_test(words_are_those_of_the_contracts),
      cmocka_unit_test(each_value_remembers_where_it_came_from),
      cmocka_unit_test(a_profile_sets_its_keys_and_each_stays_overridable),
      cmocka_unit_test(sets_make_what_is_not_there),
      cmocka_unit_test(the_hash_covers_values_and_not_their_writing),
      cmocka_unit_test(files_are_looked_for_beside_the_config_first),
      cmocka_unit_test(the_shipped_configs_are_good),
  };
  return cmocka_run_group_tests(tests, in_a_directory_of_its_own, remove_the_directory);
}
