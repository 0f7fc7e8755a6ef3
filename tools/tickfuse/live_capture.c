#include "live_capture.h"

#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "core/clock.h"
#include "core/error.h"

/* Texts of the header that the config has in other forms. */
static char urls[TF_LIVE_CONNECTIONS_MAX][sizeof((tf_capture_feed_t *)0)->url];

static void url_text(const tf_config_feed_t *f, const tf_feed_t *feed, char *text, size_t cap) {
  if (!tf_feed_is_dialed(feed)) {
    snprintf(text, cap, "intake:%s", f->from);
    return;
  }
  const tf_config_url_t *url = f->endpoints.item_cnt > 0 ? &f->endpoints.items[0] : &f->url;
  bool                   v6  = url->host && strchr(url->host, ':');
  if (url->host)
    snprintf(text, cap, "%s://%s%s%s:%u", url->tls ? "wss" : "ws", v6 ? "[" : "", url->host,
             v6 ? "]" : "", url->port);
  else
    snprintf(text, cap, "wss://%s:%s", feed->ws_host, feed->ws_port);
}

/* Each connection is a feed of the header, with the symbols and channels that it has. */
static void feeds_of(const tf_config_t *config, const tf_live_plan_t *plan,
                     tf_capture_feed_config_t *feeds) {
  for (uint32_t i = 0; i < plan->cnt; i++) {
    const tf_live_connection_t *row = &plan->rows[i];
    const tf_config_feed_t     *f   = &config->feeds[row->feed_idx];
    if (row->kind == TF_ROUTE_PRIMARY)
      url_text(f, row->feed, urls[i], sizeof urls[i]);
    else
      snprintf(urls[i], sizeof urls[i], "fallback");
    feeds[i] = (tf_capture_feed_config_t){.name        = row->name,
                                          .venue       = row->feed->venue,
                                          .url         = urls[i],
                                          .channels    = row->channels,
                                          .pending_cap = TF_LIVE_PENDING_CAP,
                                          .book_depth  = f->book_depth,
                                          .symbols     = row->symbols,
                                          .symbol_cnt  = row->symbol_cnt};
  }
}

/* The most that a feed of the config leaves. */
static uint32_t symbol_room(const tf_config_t *config) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < config->feed_cnt; i++)
    if (tf_config_feed_room(&config->feeds[i]) > most)
      most = tf_config_feed_room(&config->feeds[i]);
  return most;
}

static size_t pow2_from(uint64_t bytes) {
  size_t size = TF_CAPTURE_RING_BYTES_MIN;
  while (size < bytes) size *= 2;
  return size;
}

TF_STATIC_ASSERT(TF_CONFIG_CAPTURE_BLOCK == 1 + TF_CAPTURE_BLOCK &&
                     TF_CONFIG_CAPTURE_STOP == 1 + TF_CAPTURE_STOP,
                 "the config's policies are auto, then the capture's");

tf_err_t tf_live_capture_start(tf_live_capture_t *live, const tf_config_t *config,
                               const tf_live_plan_t *plan, const char *dir, bool alone) {
  const tf_config_capture_t *c = &config->capture;
  tf_capture_feed_config_t   feeds[TF_LIVE_CONNECTIONS_MAX];
  memset(live, 0, sizeof *live);
  if (!dir) dir = c->path;
  if (!dir) return TF_OK;
  feeds_of(config, plan, feeds);
  tf_capture_config_t capture = {
      .writer = {.dir              = dir,
                 .tickfuse_version = TF_VERSION,
                 .config_hash      = config->hash,
                 .started_ns       = tf_clock_wall_ns(),
                 .symbol_room      = symbol_room(config),
                 .feeds            = feeds,
                 .feed_cnt         = plan->cnt,
                 .rotate_bytes     = c->rotate_bytes,
                 .rotate_ns        = c->rotate_ns,
                 .level            = (int)c->level},
      .policy = c->policy == TF_CONFIG_CAPTURE_AUTO ? (alone ? TF_CAPTURE_BLOCK : TF_CAPTURE_STOP)
                                                    : (tf_capture_policy_t)(c->policy - 1),
      .ring_bytes = pow2_from(c->ring_bytes),
      .flush_ns   = c->flush_ns,
      .sync_ns    = c->sync_ns
  };
  tf_err_t err = tf_arena_init(&live->arena, "capture", tf_capture_arena_bytes(&capture) + 65536);
  if (!err) err = tf_capture_start(&live->capture, &capture, &live->arena);
  if (err) {
    tf_arena_fini(&live->arena);
    return tf_error_add(err, "starting the capture in %s", dir);
  }
  live->dir = dir;
  return TF_OK;
}

tf_tap_t tf_live_capture_tap(tf_live_capture_t *live) {
  return live->dir ? tf_capture_tap(&live->capture) : (tf_tap_t){0};
}

void tf_live_capture_publish(const tf_live_capture_t *live, tf_publish_t *p) {
  if (!live->dir) return;
  tf_capture_counts_t c = tf_capture_counts(&live->capture);
  tf_publish_process(p, TF_METRIC_CAPTURE_RECORDS, c.records_taken);
  tf_publish_process(p, TF_METRIC_CAPTURE_WRITTEN, c.records_written);
  tf_publish_process(p, TF_METRIC_CAPTURE_DURABLE, c.records_durable);
  tf_publish_process(p, TF_METRIC_CAPTURE_LOST, c.records_lost);
  tf_publish_process(p, TF_METRIC_CAPTURE_TAKEN_BYTES, c.bytes_taken);
  tf_publish_process(p, TF_METRIC_CAPTURE_STORED_BYTES, c.bytes_stored);
  tf_publish_process(p, TF_METRIC_CAPTURE_LAG_BYTES, c.lag_bytes);
  tf_publish_process(p, TF_METRIC_CAPTURE_BLOCKED, c.blocked);
  tf_publish_process(p, TF_METRIC_CAPTURE_WRITE_ERRORS, c.write_errors);
}

void tf_live_capture_stop(tf_live_capture_t *live) {
  if (!live->dir || !live->capture.is_running) return;
  live->err = tf_capture_stop(&live->capture);
  if (live->err) snprintf(live->err_text, sizeof live->err_text, "%s", tf_error_text());
  tf_arena_fini(&live->arena);
}

static double ratio_of(const tf_capture_counts_t *c) {
  return c->bytes_stored ? (double)(c->bytes_taken - c->lag_bytes) / (double)c->bytes_stored : 0.0;
}

void tf_live_capture_progress(const tf_live_capture_t *live, uint64_t elapsed_ns, FILE *out) {
  tf_capture_counts_t c = tf_capture_counts(&live->capture);
  fprintf(out,
          "%7.1f s  %" PRIu64 " records  %.1f MiB  written %.1f MiB (1:%.1f)  writer lag %.1f KiB",
          (double)elapsed_ns / 1e9, c.records_taken, (double)c.bytes_taken / 1048576.0,
          (double)c.bytes_stored / 1048576.0, ratio_of(&c), (double)c.lag_bytes / 1024.0);
  if (c.records_lost) fprintf(out, "  LOST %" PRIu64, c.records_lost);
}

json_t *tf_live_capture_json(const tf_live_capture_t *live) {
  if (!live->dir) return NULL;
  tf_capture_counts_t c = tf_capture_counts(&live->capture);
  return json_pack("{sssIsIsIsIsIsIsIsIsf}", "path", live->dir, "records",
                   (json_int_t)c.records_taken, "records_written", (json_int_t)c.records_written,
                   "records_durable", (json_int_t)c.records_durable, "records_lost",
                   (json_int_t)c.records_lost, "bytes", (json_int_t)c.bytes_taken, "bytes_stored",
                   (json_int_t)c.bytes_stored, "files", (json_int_t)c.files, "blocked",
                   (json_int_t)c.blocked, "ratio", ratio_of(&c));
}

void tf_live_capture_print(const tf_live_capture_t *live, FILE *out) {
  if (!live->dir) return;
  tf_capture_counts_t c = tf_capture_counts(&live->capture);
  fprintf(out,
          "capture    %s: %" PRIu64 " records, %" PRIu64 " lost, %.1f MiB in %" PRIu64
          " files (1:%.1f)\n",
          live->dir, c.records_taken, c.records_lost, (double)c.bytes_stored / 1048576.0, c.files,
          ratio_of(&c));
}
