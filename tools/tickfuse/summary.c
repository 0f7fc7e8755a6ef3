#include "summary.h"

#include <inttypes.h>
#include <string.h>

#include "boot/ledger.h"
#include "boot/remotes.h"
#include "boot/runtimes.h"
#include "boot/sinks.h"
#include "boot/text_source.h"
#include "core/cpu.h"

static const char *const kind_names[TF_EVENT_KIND_CNT] = {"trade",  "quote",   "book", "ticker",
                                                          "status", "control", "text"};
static const char *const time_names[]                  = {
#define TIME_NAME_(id, name) "ts_" name,
    TF_EVENT_TIME_CAUSES(TIME_NAME_)
#undef TIME_NAME_
};
static const char *const reject_names[TF_REJECT_CNT] = {
#define NAME(id, name, text) name,
    TF_REJECTS(NAME)
#undef NAME
};
static const char *const action_names[TF_ACTION_CNT] = {"hold", "buy", "sell", "flat"};

static void add_ignored(tf_feed_counts_t *sum, const char *name, uint64_t cnt) {
  for (uint64_t i = 0; i < sum->ignored_type_cnt; i++) {
    if (!strcmp(sum->ignored[i].name, name)) {
      sum->ignored[i].cnt += cnt;
      return;
    }
  }
  if (sum->ignored_type_cnt == TF_IGNORED_TYPES_MAX) { /* the last row gathers the rest */
    sum->ignored[TF_IGNORED_TYPES_MAX - 1].cnt += cnt;
    return;
  }
  snprintf(sum->ignored[sum->ignored_type_cnt].name, sizeof sum->ignored[0].name, "%s", name);
  sum->ignored[sum->ignored_type_cnt++].cnt = cnt;
}

void tf_summary_counts(const tf_engine_t *engine, tf_feed_counts_t *sum) {
  memset(sum, 0, sizeof *sum);
  const tf_acquire_t *a = &engine->runner.acquire;
  for (uint32_t s = 0; s < a->source_cnt; s++) {
    const tf_feed_counts_t *c = &a->sources[s]->counts;
    sum->messages += c->messages;
    sum->msgs_data += c->msgs_data;
    sum->msgs_control += c->msgs_control;
    sum->gaps += c->gaps;
    sum->duplicates += c->duplicates;
    sum->id_conflicts += c->id_conflicts;
    sum->listings += c->listings;
    sum->late_trades += c->late_trades;
    sum->reordered += c->reordered;
    sum->held_trades += c->held_trades;
    sum->merged += c->merged;
    sum->bridged_out_levels += c->bridged_out_levels;
    sum->resyncs += c->resyncs;
    for (uint32_t i = 0; i < TF_EVENT_KIND_CNT; i++) sum->events[i] += c->events[i];
    for (uint32_t i = 0; i < TF_REJECT_CNT; i++) sum->rejected[i] += c->rejected[i];
    for (uint64_t i = 0; i < c->ignored_type_cnt; i++)
      add_ignored(sum, c->ignored[i].name, c->ignored[i].cnt);
  }
}

static uint64_t event_total(const tf_feed_counts_t *c) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < TF_EVENT_KIND_CNT; i++) total += c->events[i];
  return total;
}

static double wall_seconds(const tf_engine_t *e) {
  return (double)(e->ended_ns - e->started_ns) * 1e-9;
}

static json_t *integer(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *hash_text(uint64_t hash) {
  char text[17];
  snprintf(text, sizeof text, "%016" PRIx64, hash);
  return json_string(text);
}

static json_t *latency_json(const tf_engine_t *e) {
  json_t *latency = json_object();
  for (uint32_t i = 0; i < TF_HOP_CNT; i++) {
    const tf_hist_t *h = &e->runner.lane.hists[i];
    json_object_set_new(latency, tf_hop_names[i],
                        json_pack("{sIsIsIsIsI}", "count", (json_int_t)h->cnt, "p50",
                                  (json_int_t)tf_hist_quantile(h, 0.5), "p99",
                                  (json_int_t)tf_hist_quantile(h, 0.99), "p99_9",
                                  (json_int_t)tf_hist_quantile(h, 0.999), "max",
                                  (json_int_t)h->max));
  }
  return latency;
}

/* How far the venue's clock is from ours and how late its messages came, of each input and kind that had any. */
static json_t *clocks_json(const tf_engine_t *e) {
  const tf_acquire_t *a    = &e->runner.acquire;
  json_t             *list = json_array();
  for (uint32_t i = 0; i < a->source_cnt * TF_FEED_CLOCK_KINDS; i++) {
    const tf_feed_clock_kind_t *k =
        &a->clocks[i / TF_FEED_CLOCK_KINDS].kinds[i % TF_FEED_CLOCK_KINDS];
    if (k->delays.cnt == 0) continue;
    json_array_append_new(
        list, json_pack("{sIsssIsIsIsIsIsIso}", "source", (json_int_t)(i / TF_FEED_CLOCK_KINDS),
                        "kind", kind_names[i % TF_FEED_CLOCK_KINDS], "count",
                        (json_int_t)k->delays.cnt, "offset_ns", (json_int_t)k->offset_ns,
                        "delay_p50_ns", (json_int_t)tf_hist_quantile(&k->delays, 0.5),
                        "delay_p99_ns", (json_int_t)tf_hist_quantile(&k->delays, 0.99),
                        "delay_p99_9_ns", (json_int_t)tf_hist_quantile(&k->delays, 0.999),
                        "delay_max_ns", (json_int_t)k->delays.max, "drift_ppb",
                        k->drift.has_line ? json_integer(k->drift.ppb) : json_null()));
  }
  return list;
}

static json_t *ledger_json(const tf_engine_t *e) {
  tf_ledger_t ledger;
  tf_ledger_close(&ledger, e);
  json_t *rows = json_object();
  for (uint32_t i = 0; i < TF_LEDGER_ROW_CNT; i++)
    json_object_set_new(rows, tf_ledger_names[i], json_integer(ledger.residual[i]));
  return json_pack("{sIso}", "residual", (json_int_t)ledger.total, "rows", rows);
}

static json_t *sink_json(const tf_engine_t *e, uint32_t i) {
  const tf_emit_sink_t *s = &e->runner.emit.sinks[i];
  tf_sink_counts_t      c;
  tf_emit_counts(s, &c);
  const struct {
    const char *key;
    uint64_t    cnt;
  } counts[] = {
      {"filtered",        s->filtered      },
      {"taken",           s->taken         },
      {"recovered",       c.recovered      },
      {"acked",           c.acked          },
      {"dropped_full",    c.dropped_full   },
      {"dropped_low",     c.dropped_low    },
      {"dropped_oldest",  c.dropped_oldest },
      {"dropped_closed",  c.dropped_closed },
      {"dropped_broken",  c.dropped_broken },
      {"conflated",       c.conflated      },
      {"pending",         c.pending        },
      {"spooled",         c.spooled        },
      {"late",            c.late           },
      {"already_there",   c.already_there  },
      {"resent",          c.resent         },
      {"connects",        c.connects       },
      {"disconnects",     c.disconnects    },
      {"errors",          c.errors         },
      {"bytes",           c.bytes          },
      {"clients_refused", c.clients_refused},
      {"clients_evicted", c.clients_evicted},
      {"client_dropped",  c.client_dropped },
  };
  json_t *sink =
      json_pack("{ssssssssssss*}", "type", s->sink->name, "name", e->sink_names[i], "carries",
                tf_sinks_carries_name(s->shape.carries), "path", e->sink_paths[i], "policy",
                tf_sinks_policy_name(s->policy), "error", s->broken ? s->broken_text : NULL);
  for (size_t k = 0; k < TF_ARRAY_CNT(counts); k++)
    json_object_set_new(sink, counts[k].key, json_integer((json_int_t)counts[k].cnt));
  return sink;
}

static json_t *sinks_json(const tf_engine_t *e) {
  json_t *sinks = json_array();
  for (uint32_t i = 0; i < e->runner.emit.sink_cnt; i++)
    json_array_append_new(sinks, sink_json(e, i));
  return sinks;
}

static void print_sink(const tf_engine_t *e, uint32_t i, FILE *out) {
  const tf_emit_sink_t *s = &e->runner.emit.sinks[i];
  tf_sink_counts_t      c;
  tf_emit_counts(s, &c);
  uint64_t dropped =
      c.dropped_full + c.dropped_low + c.dropped_oldest + c.dropped_closed + c.dropped_broken;
  fprintf(out, "sink       %s %s: %" PRIu64 " taken, %" PRIu64 " dropped", e->sink_names[i],
          e->sink_paths[i], s->taken, dropped);
  if (s->sink->counts)
    fprintf(out, ", %" PRIu64 " acked, %" PRIu64 " conflated, %" PRIu64 " pending", c.acked,
            c.conflated, c.pending);
  if (s->filtered) fprintf(out, ", %" PRIu64 " filtered", s->filtered);
  if (c.late) fprintf(out, ", %" PRIu64 " late", c.late);
  fprintf(out, "\n");
}

/* Why connections ended, of all sources; a replay has it from the capture. */
static json_t *ends_json(const tf_engine_t *e) {
  static const char *const words[] = {
#define WORD_(id, name) name,
      TF_LEG_ENDS(WORD_)
#undef WORD_
  };
  const tf_acquire_t *a    = &e->runner.acquire;
  json_t             *ends = json_object();
  for (uint32_t k = 0; k < TF_ARRAY_CNT(words); k++) {
    uint64_t cnt = 0;
    for (uint32_t i = 0; i < a->source_cnt; i++)
      for (uint32_t leg = 0; leg < TF_SOURCE_LEGS_MAX; leg++)
        cnt += a->sources[i]->legs[leg].ends[k];
    if (cnt > 0) json_object_set_new(ends, words[k], integer(cnt));
  }
  return ends;
}

/* What sessions did about their books beside the venue's sequence, and how often streams fell silent. */
static void books_json(const tf_engine_t *e, json_t *root) {
  const tf_acquire_t *a    = &e->runner.acquire;
  uint64_t            lost = 0, stale = 0;
  for (uint32_t i = 0; i < a->source_cnt; i++) {
    lost += a->sources[i]->books_lost;
    stale += a->sources[i]->stale;
  }
  json_object_set_new(root, "books_lost", integer(lost));
  json_object_set_new(root, "stale", integer(stale));
}

/* What the lane left out or had to bend, summed over its instruments. */
static json_t *lane_json(const tf_engine_t *e) {
  const tf_lane_t *lane      = &e->runner.lane;
  uint64_t         truncated = 0, pending = 0, unscalable = 0;
  for (uint32_t i = 0; i < lane->instrument_cap; i++) {
    truncated += tf_book_truncated(&lane->instruments[i].keeper);
    pending += lane->instruments[i].keeper.pending_dropped;
    unscalable += lane->instruments[i].keeper.unscalable_levels;
  }
  const tf_bar_counts_t *bars = &lane->buffer.bar_counts;
  return json_pack("{sIsIsIsIsIsIsIsIsIsI}", "levels_beyond_depth", (json_int_t)truncated,
                   "levels_beyond_pending", (json_int_t)pending, "levels_unscalable",
                   (json_int_t)unscalable, "events_late", (json_int_t)lane->buffer.late_events,
                   "events_refused", (json_int_t)lane->instruments_refused, "decisions_dropped",
                   (json_int_t)lane->decisions_dropped, "inferences_late",
                   (json_int_t)tf_compute_late(&lane->compute), "bars_late_trades",
                   (json_int_t)bars->late_trades, "bars_outside_trades",
                   (json_int_t)bars->outside_trades, "bars_gaps_cut", (json_int_t)bars->gaps_cut);
}

/* How many ticks were answered at once, by the least of the class: {"1": n, "2": n, "4": n ..}. */
static json_t *batches_json(const tf_batch_counts_t *c) {
  json_t *sizes = json_object();
  for (uint32_t i = 0; i < TF_BATCH_SIZES; i++) {
    char least[8];
    snprintf(least, sizeof least, "%u", 1u << i);
    json_object_set_new(sizes, least, json_integer((json_int_t)c->sizes[i]));
  }
  return json_pack("{sIso}", "ticks", (json_int_t)c->ticks, "sizes", sizes);
}

/* By name: what each was asked, and what became of its answers. */
static json_t *models_json(const tf_engine_t *e) {
  const tf_compute_t *compute = &e->runner.lane.compute;
  json_t             *models  = json_object();
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    const tf_compute_model_t        *m       = &compute->models[i];
    const tf_compute_model_counts_t *c       = &m->counts;
    json_t                          *skipped = json_pack(
                                 "{sIsIsIsIsIsIsIsIsI}", "shed", (json_int_t)c->shed, "warmup", (json_int_t)c->warmup,
                                 "input", (json_int_t)c->no_input, "quorum", (json_int_t)c->no_quorum, "not_finite",
                                 (json_int_t)c->post.not_finite, "out_of_range", (json_int_t)c->post.out_of_range, "crossed",
                                 (json_int_t)c->post.crossed_refused, "paused", (json_int_t)c->paused_skipped, "absent",
                                 (json_int_t)c->absent);
    json_t *one =
        json_pack("{sIsIsosIsIsIsIsIsIsI}", "requested", (json_int_t)c->requested, "done",
                  (json_int_t)c->done, "skipped", skipped, "sorted", (json_int_t)c->post.sorted,
                  "clamped", (json_int_t)c->post.clamped, "alerts", (json_int_t)c->post.alerts,
                  "late", (json_int_t)c->late, "pauses", (json_int_t)c->pauses, "fallback",
                  (json_int_t)c->fallback, "members_absent", (json_int_t)c->members_absent);
    json_t *runtime = tf_runtimes_json(e->runtimes, i);
    if (runtime) json_object_set_new(one, "runtime", runtime);
    json_t *worker = tf_remotes_json(e->remotes, i);
    if (worker) json_object_set_new(one, "worker", worker);
    json_object_set_new(models, m->active->model->name, one);
  }
  return models;
}

static json_t *feed_json(const tf_feed_counts_t *c, json_t *root) {
  json_t *events = json_object(), *rejected = json_object(), *ignored = json_object();
  for (uint32_t i = 0; i < TF_EVENT_KIND_CNT; i++)
    json_object_set_new(events, kind_names[i], integer(c->events[i]));
  json_object_set_new(events, "total", integer(event_total(c)));
  for (uint32_t i = 0; i < TF_REJECT_CNT; i++)
    if (c->rejected[i]) json_object_set_new(rejected, reject_names[i], integer(c->rejected[i]));
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++)
    json_object_set_new(ignored, c->ignored[i].name, integer(c->ignored[i].cnt));
  json_object_set_new(root, "messages", integer(c->messages));
  json_object_set_new(root, "control", integer(c->msgs_control));
  json_object_set_new(root, "events", events);
  json_object_set_new(root, "rejected", rejected);
  json_object_set_new(root, "ignored", ignored);
  json_object_set_new(root, "gaps", integer(c->gaps));
  json_object_set_new(root, "duplicates", integer(c->duplicates));
  json_object_set_new(root, "id_conflicts", integer(c->id_conflicts));
  json_object_set_new(root, "trades_late", integer(c->late_trades));
  json_object_set_new(root, "trades_reordered", integer(c->reordered));
  json_object_set_new(root, "trades_held", integer(c->held_trades));
  json_object_set_new(root, "listing_changes", integer(c->listings));
  json_object_set_new(root, "merged", integer(c->merged));
  json_object_set_new(root, "bridged_out_levels", integer(c->bridged_out_levels));
  json_object_set_new(root, "resyncs", integer(c->resyncs));
  return root;
}

/* What was published and is not to be believed, by reason. */
static json_t *suspect_json(const tf_acquire_t *a) {
  json_t *suspect = json_object();
  if (a->outliers) json_object_set_new(suspect, "outlier", integer(a->outliers));
  for (uint32_t i = 0; i < TF_EVENT_TIME_CAUSE_CNT; i++)
    if (a->bad_times[i]) json_object_set_new(suspect, time_names[i], integer(a->bad_times[i]));
  return suspect;
}

json_t *tf_summary_json(const tf_engine_t *e) {
  tf_feed_counts_t c;
  tf_summary_counts(e, &c);
  const tf_decide_counts_t  *d    = &e->runner.lane.decide.counts;
  const tf_compute_counts_t *m    = &e->runner.lane.compute.counts;
  json_t                    *root = feed_json(&c, json_object()), *actions = json_object();
  for (uint32_t i = 0; i < TF_ACTION_CNT; i++)
    json_object_set_new(actions, action_names[i], integer(d->actions[i]));
  json_object_set_new(root, "suspect", suspect_json(&e->runner.acquire));
  json_object_set_new(root, "instruments", integer(e->instruments.cnt));
  json_object_set_new(root, "ticks", integer(m->ticks));
  json_object_set_new(root, "inference",
                      json_pack("{sIsIsIsIsIsIsIsI}", "skipped_shed", (json_int_t)m->skipped_shed,
                                "requested", (json_int_t)m->requested, "done", (json_int_t)m->done,
                                "skipped_warmup", (json_int_t)m->skipped_warmup, "skipped_input",
                                (json_int_t)m->skipped_input, "skipped_output",
                                (json_int_t)m->skipped_output, "skipped_paused",
                                (json_int_t)m->skipped_paused, "absent", (json_int_t)m->absent));
  json_object_set_new(root, "models", models_json(e));
  json_t *texts = tf_text_source_json(e->texts, true);
  if (texts) json_object_set_new(root, "texts", texts);
  const tf_shed_counts_t *shed = &e->runner.lane.shed.counts;
  json_object_set_new(root, "shed",
                      json_pack("{sIsIsIsI}", "over", (json_int_t)shed->begun[TF_SHED_NONE],
                                "books", (json_int_t)shed->begun[TF_SHED_BOOKS], "low",
                                (json_int_t)shed->begun[TF_SHED_LOW], "ticks_conflated",
                                (json_int_t)shed->conflated));
  const tf_tick_batch_t *batch = e->runner.lane.batch;
  if (batch) json_object_set_new(root, "batches", batches_json(&batch->counts));
  json_object_set_new(root, "decisions", integer(d->decisions));
  json_object_set_new(root, "actions", actions);
  json_object_set_new(root, "decisions_hash",
                      hash_text(tf_decide_hash(&e->runner.lane.decide, e->instruments.cnt)));
  json_object_set_new(root, "events_hash", hash_text(e->runner.acquire.events_hash));
  json_object_set_new(root, "wall_seconds", json_real(wall_seconds(e)));
  json_object_set_new(root, "cpu_seconds", json_real((double)e->cpu_ns * 1e-9));
  json_object_set_new(root, "events_per_second",
                      json_real((double)event_total(&c) / (wall_seconds(e) + 1e-9)));
  json_object_set_new(root, "latency_ns", latency_json(e));
  json_object_set_new(root, "clocks", clocks_json(e));
  books_json(e, root);
  json_object_set_new(root, "connection_ends", ends_json(e));
  json_object_set_new(root, "lane", lane_json(e));
  json_object_set_new(root, "sinks", sinks_json(e));
  json_object_set_new(root, "rss_bytes_max", integer(tf_cpu_rss_bytes_max()));
  json_object_set_new(root, "ledger", ledger_json(e));
  return root;
}

static void print_latency(const tf_engine_t *e, FILE *out) {
  fprintf(out, "\n%-18s %10s %10s %10s %10s %10s\n", "latency, ns", "count", "p50", "p99", "p99.9",
          "max");
  for (uint32_t i = 0; i < TF_HOP_CNT; i++) {
    const tf_hist_t *h = &e->runner.lane.hists[i];
    fprintf(out, "%-18s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
            tf_hop_names[i], h->cnt, tf_hist_quantile(h, 0.5), tf_hist_quantile(h, 0.99),
            tf_hist_quantile(h, 0.999), h->max);
  }
}

void tf_summary_print(const tf_engine_t *e, FILE *out) {
  tf_feed_counts_t c;
  tf_summary_counts(e, &c);
  tf_ledger_t ledger;
  tf_ledger_close(&ledger, e);
  const tf_decide_counts_t *d        = &e->runner.lane.decide.counts;
  uint64_t                  rejected = 0;
  for (uint32_t i = 0; i < TF_REJECT_CNT; i++) rejected += c.rejected[i];
  fprintf(out, "messages   %" PRIu64 "  (control %" PRIu64 ", rejected %" PRIu64 ")\n", c.messages,
          c.msgs_control, rejected);
  fprintf(out, "events     %" PRIu64 "  (", event_total(&c));
  for (uint32_t i = 0; i < TF_EVENT_KIND_CNT; i++)
    fprintf(out, "%s%s %" PRIu64, i ? ", " : "", kind_names[i], c.events[i]);
  fprintf(out,
          ")\nbook       gaps %" PRIu64 ", duplicates %" PRIu64
          ", snapshots asked for again %" PRIu64 "\n",
          c.gaps, c.duplicates, c.resyncs);
  fprintf(out,
          "ticks      %" PRIu64 "\ndecisions  %" PRIu64 "  (buy %" PRIu64 ", sell %" PRIu64
          ", flat %" PRIu64 ", hold %" PRIu64 ")\n",
          e->runner.lane.compute.counts.ticks, d->decisions, d->actions[TF_ACTION_BUY],
          d->actions[TF_ACTION_SELL], d->actions[TF_ACTION_FLAT], d->actions[TF_ACTION_HOLD]);
  fprintf(out, "hashes     events %016" PRIx64 ", decisions %016" PRIx64 "\n",
          e->runner.acquire.events_hash,
          tf_decide_hash(&e->runner.lane.decide, e->instruments.cnt));
  for (uint32_t i = 0; i < e->runner.emit.sink_cnt; i++) print_sink(e, i, out);
  fprintf(out, "ledger     residual %" PRId64 "\n", ledger.total);
  for (uint32_t i = 0; i < TF_LEDGER_ROW_CNT; i++)
    if (ledger.residual[i])
      fprintf(out, "           %s %+" PRId64 "\n", tf_ledger_names[i], ledger.residual[i]);
  fprintf(out, "time       %.3f s, %.0f events/s, %.1f MiB resident at most\n", wall_seconds(e),
          (double)event_total(&c) / (wall_seconds(e) + 1e-9),
          (double)tf_cpu_rss_bytes_max() / 1048576.0);
  print_latency(e, out);
}

void tf_summary_print_rejects(const tf_engine_t *e) {
  const tf_acquire_t *a = &e->runner.acquire;
  for (uint32_t s = 0; s < a->source_cnt; s++) {
    const tf_feed_counts_t *c = &a->sources[s]->counts;
    for (uint32_t r = 0; r < TF_REJECT_CNT; r++) {
      if (!c->rejected[r]) continue;
      fprintf(stderr, "tickfuse: %" PRIu64 " messages rejected (%s), newest: message %" PRIu64 ": ",
              c->rejected[r], reject_names[r], c->sample[r].offset);
      for (uint32_t i = 0; i < c->sample[r].bytes_cnt; i++) {
        uint8_t byte = c->sample[r].bytes[i];
        fprintf(stderr, byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
      }
      fprintf(stderr, "\n");
    }
    if (c->id_conflicts)
      fprintf(stderr,
              "tickfuse: %" PRIu64
              " trades came under an id of another trade (id_conflict) and were "
              "left out, newest: id %" PRIu64 "\n",
              c->id_conflicts, c->id_conflict_newest);
  }
}
