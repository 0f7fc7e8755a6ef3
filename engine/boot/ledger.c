#include "boot/ledger.h"

#include "boot/outcomes.h"
#include "boot/remotes.h"
#include "boot/runtimes.h"
#include "boot/text_source.h"

#include <string.h>

const char *const tf_ledger_names[TF_LEDGER_ROW_CNT] = {
    "bytes", "messages", "events",   "consumed", "inference", "decisions",
    "sinks", "passages", "runtimes", "workers",  "texts"};

static uint64_t sum(const uint64_t *words, uint32_t cnt) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < cnt; i++) total += words[i];
  return total;
}

static void add_source(tf_ledger_t *l, const tf_source_t *s, uint64_t *decoded) {
  const tf_feed_counts_t *c       = &s->counts;
  uint64_t                ignored = 0;
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++) ignored += c->ignored[i].cnt;
  l->residual[TF_LEDGER_BYTES] +=
      (int64_t)(s->bytes_rx - s->bytes_framed - s->bytes_partial - s->bytes_rejected);
  l->residual[TF_LEDGER_MESSAGES] += (int64_t)(c->messages - c->msgs_data - c->msgs_control -
                                               ignored - sum(c->rejected, TF_REJECT_CNT));
  *decoded +=
      sum(c->events, TF_EVENT_KIND_CNT) + c->derived - c->merged - c->held_trades - s->held_events;
}

static void add_passage(tf_ledger_t *l, const tf_passage_t *p) {
  int64_t off =
      (int64_t)(p->made - p->lost - p->emit->handed[p->shape.carries] - tf_passage_fill(p));
  l->residual[TF_LEDGER_PASSAGES] += off < 0 ? -off : off;
}

/* What emit handed over, and what the sink made of it: two accounts, which may not cancel. */
static void add_sink(tf_ledger_t *l, const tf_emit_sink_t *s, uint64_t handed_in) {
  tf_sink_counts_t c;
  tf_emit_counts(s, &c);
  int64_t handed =
      (int64_t)(handed_in - s->filtered - s->taken - s->dropped_full - s->dropped_broken);
  int64_t made = (int64_t)(s->taken + s->dropped_full + s->dropped_broken + c.recovered - c.acked -
                           c.dropped_full - c.dropped_low - c.dropped_oldest - c.dropped_closed -
                           c.dropped_broken - c.conflated - c.pending);
  l->residual[TF_LEDGER_SINKS] += (handed < 0 ? -handed : handed) + (made < 0 ? -made : made);
}

/* Of the events that an earlier engine had, those that no source of this one decoded. */
static uint64_t brought_before(const tf_acquire_t *a) { return a->over_until ? 0 : a->resumed_cnt; }

void tf_ledger_close(tf_ledger_t *l, const tf_engine_t *engine) {
  memset(l, 0, sizeof *l);
  const tf_acquire_t *a       = &engine->runner.acquire;
  const tf_lane_t    *lane    = &engine->runner.lane;
  const tf_emit_t    *emit    = &engine->runner.emit;
  uint64_t            decoded = 0;
  for (uint32_t i = 0; i < a->source_cnt; i++) add_source(l, a->sources[i], &decoded);
  l->residual[TF_LEDGER_EVENTS] = (int64_t)(decoded - tf_acquire_published(a) + brought_before(a));

  uint64_t event_lag              = engine->event_ring ? tf_ring_fill_cnt(engine->event_ring) : 0;
  l->residual[TF_LEDGER_CONSUMED] = (int64_t)(tf_acquire_published(a) - a->resumed_cnt -
                                              a->events_dropped - lane->events - event_lag);

  const tf_compute_counts_t *inference = &lane->compute.counts;
  l->residual[TF_LEDGER_INFERENCE] =
      (int64_t)(inference->requested - inference->done - inference->skipped_warmup -
                inference->skipped_input - inference->skipped_output - inference->skipped_paused -
                inference->skipped_shed - inference->absent);
  l->residual[TF_LEDGER_RUNTIMES] = tf_runtimes_residual(engine->runtimes);
  l->residual[TF_LEDGER_WORKERS]  = tf_remotes_residual(engine->remotes);
  int64_t uncaptured = (int64_t)(tf_remotes_kept(engine->remotes) + lane->shed.counts.noted -
                                 tf_outcomes_captured(engine->outcome_capture));
  l->residual[TF_LEDGER_WORKERS] += uncaptured < 0 ? -uncaptured : uncaptured;

  l->residual[TF_LEDGER_TEXTS] = tf_text_source_residual(engine->texts);

  uint64_t decision_lag = engine->decision_ring ? tf_ring_fill_cnt(engine->decision_ring) : 0;
  l->residual[TF_LEDGER_DECISIONS] =
      (int64_t)(lane->decide.counts.decisions - emit->handed[TF_CARRIES_DECISIONS] -
                lane->decisions_dropped - decision_lag);
  for (uint32_t i = 0; i < emit->sink_cnt; i++)
    add_sink(l, &emit->sinks[i], emit->handed[emit->sinks[i].shape.carries]);
  for (uint32_t i = 0; i < TF_CARRIES_CNT; i++)
    if (engine->runner.passages[i]) add_passage(l, engine->runner.passages[i]);
  for (uint32_t i = 0; i < TF_LEDGER_ROW_CNT; i++)
    l->total += l->residual[i] < 0 ? -l->residual[i] : l->residual[i];
}
