#include "boot/control_status.h"
#include "boot/snapshot_live.h"

#include <unistd.h>

#include "boot/remotes.h"
#include "boot/runtimes.h"
#include "boot/text_source.h"
#include "core/clock.h"

static json_t *number_of(const tf_metrics_block_t *block, tf_metric_t metric) {
  return json_integer((json_int_t)tf_metrics_get(block, metric));
}

/* Of those that ever were up; the others are there to replace them. */
static json_t *status_legs(tf_metrics_block_t *const *legs) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < TF_SOURCE_LEGS_MAX; i++) {
    const tf_metrics_block_t *b = legs[i];
    if (!b || tf_metrics_get(b, TF_METRIC_LEG_MESSAGES) == 0) continue;
    uint64_t wins  = tf_metrics_get(b, TF_METRIC_LEG_WINS);
    uint64_t races = wins + tf_metrics_get(b, TF_METRIC_LEG_LOSSES);
    json_t  *leg   = json_object();
    json_object_set_new(leg, "leg", json_integer((json_int_t)i));
    json_object_set_new(leg, "up", json_boolean(tf_metrics_get(b, TF_METRIC_LEG_UP) != 0));
    json_object_set_new(leg, "endpoint", number_of(b, TF_METRIC_LEG_ENDPOINT));
    json_object_set_new(leg, "messages", number_of(b, TF_METRIC_LEG_MESSAGES));
    json_object_set_new(leg, "duplicates", number_of(b, TF_METRIC_LEG_DUPLICATES));
    json_object_set_new(leg, "races", json_integer((json_int_t)races));
    json_object_set_new(leg, "win_rate",
                        races ? json_real((double)wins / (double)races) : json_null());
    json_object_set_new(leg, "lead_p50_ns", number_of(b, TF_METRIC_LEG_LEAD_P50_NS));
    json_object_set_new(leg, "lead_p99_ns", number_of(b, TF_METRIC_LEG_LEAD_P99_NS));
    json_array_append_new(list, leg);
  }
  return list;
}

/* By kind of event that had any: our clock minus the venue's, and how late messages come beyond that. */
static json_t *status_clock(const tf_metrics_block_t *b) {
  TF_STATIC_ASSERT(TF_CHANNEL_CNT == TF_FEED_CLOCK_KINDS, "one of each");
  json_t *clock = json_object();
  for (uint32_t i = 0; i < TF_CHANNEL_CNT; i++) {
    if (tf_metrics_get(b, TF_METRIC_FEED_OFFSET_TRADE + i) == 0) continue;
    json_t *kind = json_object();
    json_object_set_new(kind, "offset_ns", number_of(b, TF_METRIC_FEED_OFFSET_TRADE + i));
    json_object_set_new(kind, "drift_ppb", number_of(b, TF_METRIC_FEED_DRIFT_TRADE + i));
    json_object_set_new(kind, "delay_p99_ns", number_of(b, TF_METRIC_FEED_DELAY_P99_TRADE + i));
    json_object_set_new(clock, tf_channel_name(i), kind);
  }
  return clock;
}

/* {"reset": 2, ..}: the words with a count, of block words on end. */
static json_t *status_causes(tf_metrics_block_t *const *blocks, uint32_t block_cnt,
                             tf_metric_t first, const char *const *words, uint32_t word_cnt) {
  json_t *causes = json_object();
  for (uint32_t i = 0; i < word_cnt; i++) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < block_cnt; k++)
      if (blocks[k]) sum += tf_metrics_get(blocks[k], (tf_metric_t)(first + i));
    if (sum > 0) json_object_set_new(causes, words[i], json_integer((json_int_t)sum));
  }
  return causes;
}

#define WORD_(id, name) name,
static const char *const end_words[]   = {TF_LEG_ENDS(WORD_)};
static const char *const phase_words[] = {TF_DIAL_PHASES(WORD_)};
#undef WORD_

static json_t *status_feeds(const tf_engine_t *e) {
  static const char *const states[] = {"CONNECTING", "SYNCING", "LIVE", "STALE", "RESYNC", "DOWN"};
  json_t                  *list     = json_array();
  for (uint32_t i = 0; i < TF_SOURCES_MAX; i++) {
    const tf_metrics_block_t *b = e->publish.feeds[i];
    if (!b) continue;
    char     name[TF_METRICS_NAME_BYTES];
    uint64_t state = tf_metrics_get(b, TF_METRIC_FEED_STATE);
    json_t  *feed  = json_object();
    json_object_set_new(feed, "name", json_string(tf_metrics_block_name(b, name)));
    json_object_set_new(feed, "state",
                        json_string(state < TF_ARRAY_CNT(states) ? states[state] : "?"));
    json_object_set_new(feed, "broken", json_boolean(tf_metrics_get(b, TF_METRIC_FEED_BROKEN)));
    json_object_set_new(feed, "standby", json_boolean(tf_metrics_get(b, TF_METRIC_FEED_STANDBY)));
    json_object_set_new(feed, "messages", number_of(b, TF_METRIC_FEED_MESSAGES));
    json_object_set_new(feed, "gaps", number_of(b, TF_METRIC_FEED_GAPS));
    json_object_set_new(feed, "connects", number_of(b, TF_METRIC_FEED_CONNECTS));
    json_object_set_new(feed, "ends",
                        status_causes(e->publish.legs[i], TF_SOURCE_LEGS_MAX,
                                      TF_METRIC_LEG_ENDED_NONE, end_words,
                                      TF_ARRAY_CNT(end_words)));
    json_object_set_new(feed, "dials_failed",
                        status_causes(&e->publish.feeds[i], 1, TF_METRIC_FEED_DIALS_FAILED_WAIT,
                                      phase_words, TF_ARRAY_CNT(phase_words)));
    json_object_set_new(feed, "lag_ns", number_of(b, TF_METRIC_FEED_LAG_NS));
    json_object_set_new(feed, "legs", status_legs(e->publish.legs[i]));
    json_object_set_new(feed, "stale_instruments", number_of(b, TF_METRIC_FEED_STALE_NOW));
    json_object_set_new(feed, "books_lost", number_of(b, TF_METRIC_FEED_BOOKS_LOST));
    json_object_set_new(feed, "clock", status_clock(b));
    json_array_append_new(list, feed);
  }
  return list;
}

/* Those that other runtimes or workers answer, by name. */
static json_t *status_models(const tf_engine_t *e) {
  json_t *models = json_object();
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    const tf_metrics_block_t *b = e->publish.models[i];
    json_t *runtime             = b && e->runtimes ? tf_runtimes_status(e->runtimes, i, b) : NULL;
    json_t *worker              = b ? tf_remotes_status(e->remotes, i, b) : NULL;
    if (runtime)
      json_object_set_new(models, e->models[i]->name, json_pack("{so}", "runtime", runtime));
    if (worker)
      json_object_set_new(models, e->models[i]->name, json_pack("{so}", "worker", worker));
  }
  return models;
}

static json_t *status_sinks(const tf_engine_t *e) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < TF_SINKS_MAX; i++) {
    const tf_metrics_block_t *b = e->publish.sinks[i];
    if (!b) continue;
    char    name[TF_METRICS_NAME_BYTES];
    json_t *sink = json_object();
    json_object_set_new(sink, "name", json_string(tf_metrics_block_name(b, name)));
    json_object_set_new(sink, "acked", number_of(b, TF_METRIC_SINK_ACKED));
    uint64_t dropped = 0;
    for (int m = TF_METRIC_SINK_DROPPED_FULL; m <= TF_METRIC_SINK_DROPPED_BROKEN; m++)
      dropped += tf_metrics_get(b, (tf_metric_t)m);
    json_object_set_new(sink, "dropped", json_integer((json_int_t)dropped));
    json_object_set_new(sink, "conflated", number_of(b, TF_METRIC_SINK_CONFLATED));
    json_object_set_new(sink, "pending", number_of(b, TF_METRIC_SINK_PENDING));
    json_object_set_new(sink, "spooled", number_of(b, TF_METRIC_SINK_SPOOLED));
    json_object_set_new(sink, "late", number_of(b, TF_METRIC_SINK_LATE));
    json_object_set_new(sink, "resent", number_of(b, TF_METRIC_SINK_RESENT));
    json_object_set_new(sink, "connects", number_of(b, TF_METRIC_SINK_CONNECTS));
    json_object_set_new(sink, "clients", number_of(b, TF_METRIC_SINK_CLIENTS));
    json_array_append_new(list, sink);
  }
  return list;
}

static json_t *status_shed(const tf_metrics_t *page) {
  static const char *const steps[] = {"over", "books", "low"};
  json_t                  *shed    = json_object();
  json_object_set_new(shed, "step",
                      json_integer((json_int_t)tf_metrics_sum(page, TF_METRIC_SHED_STEP)));
  for (uint32_t i = 0; i < TF_ARRAY_CNT(steps); i++)
    json_object_set_new(
        shed, steps[i],
        json_integer((json_int_t)tf_metrics_sum(page, (tf_metric_t)(TF_METRIC_SHEDS_OVER + i))));
  json_object_set_new(shed, "ticks_conflated",
                      json_integer((json_int_t)tf_metrics_sum(page, TF_METRIC_TICKS_CONFLATED)));
  return shed;
}

static json_t *status_latency(const tf_metrics_t *page) {
  tf_hist_t hist;
  tf_metrics_hist_sum(page, TF_METRIC_HIST_TICK_TO_DECISION, &hist);
  json_t *object = json_object();
  json_object_set_new(object, "p50", json_integer((json_int_t)tf_hist_quantile(&hist, 0.5)));
  json_object_set_new(object, "p99", json_integer((json_int_t)tf_hist_quantile(&hist, 0.99)));
  json_object_set_new(object, "p99_9", json_integer((json_int_t)tf_hist_quantile(&hist, 0.999)));
  json_object_set_new(object, "max", json_integer((json_int_t)hist.max));
  return object;
}

json_t *tf_control_snapshots(const tf_engine_t *e) {
  tf_snapshot_counts_t c;
  tf_snapshot_live_counts(e->snapshots, &c);
  const struct {
    const char *key;
    uint64_t    value;
  } rows[] = {
      {"begun",        c.begun       },
      {"put",          c.put         },
      {"failed",       c.failed      },
      {"declined",     c.declined    },
      {"given_up",     c.given_up    },
      {"bytes",        c.bytes       },
      {"decision_seq", c.decision_seq},
      {"ingest_seq",   c.ingest_seq  },
      {"put_ns",       c.put_ns      },
      {"copy_ns",      c.copy_ns     },
      {"wait_ns",      c.wait_ns     },
      {"write_ns",     c.write_ns    },
      {"instruments",  c.instruments },
      {"touched",      c.touched     },
  };
  json_t *object = json_object();
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    json_object_set_new(object, rows[i].key, json_integer((json_int_t)rows[i].value));
  return object;
}

void tf_control_status(const tf_control_status_t *self, json_t *answer) {
  const tf_engine_t  *e    = self->engine;
  const tf_metrics_t *page = e->publish.page;
  char                hash[17];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)e->config->hash);
  json_object_set_new(answer, "version", json_string(self->version));
  json_object_set_new(answer, "pid", json_integer(getpid()));
  json_object_set_new(answer, "config", json_string(e->config->path));
  json_object_set_new(answer, "config_hash", json_string(hash));
  json_object_set_new(answer, "uptime_seconds",
                      json_real((double)(tf_clock_monotonic_ns() - self->started_ns) * 1e-9));
  json_object_set_new(answer, "halted", json_boolean(tf_metrics_sum(page, TF_METRIC_HALTED) != 0));
  static const struct {
    const char *key;
    tf_metric_t metric;
  } sums[] = {
      {"events_published",    TF_METRIC_EVENTS_PUBLISHED   },
      {"events_consumed",     TF_METRIC_EVENTS_CONSUMED    },
      {"event_ring_lag",      TF_METRIC_EVENT_RING_LAG     },
      {"ticks",               TF_METRIC_TICKS              },
      {"inferences_skipped",  TF_METRIC_INFERENCES_SKIPPED },
      {"instruments_warming", TF_METRIC_INSTRUMENTS_WARMING},
      {"features_warming",    TF_METRIC_FEATURES_WARMING   },
      {"ticks_to_ready",      TF_METRIC_TICKS_TO_READY     },
      {"closes_to_ready",     TF_METRIC_CLOSES_TO_READY    },
      {"decisions",           TF_METRIC_DECISIONS          },
      {"commands",            TF_METRIC_COMMANDS           },
  };
  for (uint32_t i = 0; i < TF_ARRAY_CNT(sums); i++)
    json_object_set_new(answer, sums[i].key,
                        json_integer((json_int_t)tf_metrics_sum(page, sums[i].metric)));
  json_object_set_new(answer, "shed", status_shed(page));
  json_object_set_new(answer, "tick_to_decision_ns", status_latency(page));
  json_object_set_new(answer, "feeds", status_feeds(e));
  if (e->snapshots) json_object_set_new(answer, "snapshots", tf_control_snapshots(e));
  if (e->runtimes || e->remotes) json_object_set_new(answer, "models", status_models(e));
  json_t *texts = tf_text_source_json(e->texts, false);
  if (texts) json_object_set_new(answer, "texts", texts);
  json_object_set_new(answer, "sinks", status_sinks(e));
}
