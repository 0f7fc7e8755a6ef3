#include "serve/watch.h"

#include <string.h>

void tf_watch_init(tf_watch_t *w, const tf_watch_config_t *config, tf_watch_publisher_t publisher) {
  memset(w, 0, sizeof *w);
  w->config      = *config;
  w->publisher   = publisher;
  w->next_due_ns = UINT64_MAX;
  w->wait_ns     = config->wait_ns;
  w->gate        = TF_GATE_ALL;
}

static void open_gate(tf_watch_t *w, uint64_t mode) {
  tf_store_release(&w->gate, ++w->serial * 4 + mode); /* pairs with: may_begin */
}

static void tell_state(tf_watch_t *w) {
  tf_event_t e          = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
  e.u.runtime.command   = TF_CONTROL_RUNTIME;
  e.u.runtime.model_idx = w->config.model_idx;
  e.u.runtime.hash      = w->config.hash;
  e.u.runtime.state     = w->state;
  e.u.runtime.until_ns  = w->state == TF_RUNTIME_OPEN ? w->until_ns : 0;
  /* relaxed: a word that stands alone */
  tf_store_relaxed(&w->counts.state, w->state);
  w->publisher.publish(w->publisher.self, &e);
}

TF_COLD static void open_breaker(tf_watch_t *w, uint64_t retry_ns, uint64_t now_ns) {
  uint64_t wait = w->wait_ns > retry_ns ? w->wait_ns : retry_ns;
  w->state      = TF_RUNTIME_OPEN;
  w->until_ns   = now_ns + wait;
  w->wait_ns    = w->wait_ns > w->config.wait_ns_max / 2 ? w->config.wait_ns_max : w->wait_ns * 2;
  w->misses     = 0;
  tf_count_add(&w->counts.opened, 1);
  open_gate(w, TF_GATE_SHUT);
  tell_state(w);
}

static void on_good(tf_watch_t *w, bool is_probe) {
  w->misses = 0;
  if (w->state != TF_RUNTIME_HALF_OPEN || !is_probe) return;
  w->state   = TF_RUNTIME_CLOSED;
  w->wait_ns = w->config.wait_ns;
  open_gate(w, TF_GATE_ALL);
  tell_state(w);
}

static void on_missed(tf_watch_t *w, bool is_probe, uint64_t retry_ns, uint64_t now_ns) {
  if (w->state == TF_RUNTIME_OPEN) return;
  w->misses++;
  bool must_open =
      w->state == TF_RUNTIME_HALF_OPEN ? is_probe : w->misses >= w->config.limit || retry_ns > 0;
  if (must_open) open_breaker(w, retry_ns, now_ns);
}

static void find_next_due(tf_watch_t *w) {
  w->next_due_ns = UINT64_MAX;
  for (uint32_t i = 0; i < w->config.in_flight; i++)
    if (w->rows[i].is_under_way && !w->rows[i].is_missed && w->rows[i].due_ns < w->next_due_ns)
      w->next_due_ns = w->rows[i].due_ns;
}

static void miss(tf_watch_t *w, uint32_t slot, tf_runtime_miss_t why, uint64_t retry_ns,
                 uint64_t now_ns) {
  tf_event_t e            = tf_foreign_miss_event(w->config.model_idx, w->rows[slot].instrument_id,
                                                  w->rows[slot].tick_seq, w->rows[slot].recv_ns, why);
  w->rows[slot].is_missed = true;
  tf_count_add(&w->counts.misses[why], 1);
  w->publisher.publish(w->publisher.self, &e);
  on_missed(w, w->rows[slot].is_probe, retry_ns, now_ns);
}

static void answer(tf_watch_t *w, uint32_t slot, const float *out) {
  uint32_t parts = tf_foreign_part_cnt(w->config.output_cnt);
  for (uint32_t part = 0; part < parts; part++) {
    tf_event_t e = tf_foreign_answer_event(w->config.model_idx, w->rows[slot].instrument_id,
                                           w->rows[slot].tick_seq, w->rows[slot].recv_ns, out,
                                           w->config.output_cnt, part);
    w->publisher.publish(w->publisher.self, &e);
  }
  tf_count_add(&w->counts.answered, 1);
  on_good(w, w->rows[slot].is_probe);
}

static void on_begun(tf_watch_t *w, const tf_note_t *n) {
  w->rows[n->slot].is_under_way  = true;
  w->rows[n->slot].is_missed     = false;
  w->rows[n->slot].is_probe      = w->state == TF_RUNTIME_HALF_OPEN;
  w->rows[n->slot].instrument_id = n->instrument_id;
  w->rows[n->slot].tick_seq      = n->tick_seq;
  w->rows[n->slot].recv_ns       = n->recv_ns;
  w->rows[n->slot].due_ns        = n->recv_ns + w->config.deadline_ns;
  tf_count_add(&w->counts.begun, 1);
  if (w->rows[n->slot].due_ns < w->next_due_ns) w->next_due_ns = w->rows[n->slot].due_ns;
}

static void on_done(tf_watch_t *w, const tf_note_t *n, uint64_t now_ns) {
  bool was_missed = w->rows[n->slot].is_missed;
  if (was_missed)
    tf_count_add(&w->counts.late, n->miss == TF_RUNTIME_ANSWERED);
  else if (now_ns > w->rows[n->slot].due_ns)
    miss(w, n->slot, TF_RUNTIME_MISS_DEADLINE, n->retry_ns, now_ns);
  else if (n->miss == TF_RUNTIME_ANSWERED)
    answer(w, n->slot, n->out);
  else
    miss(w, n->slot, (tf_runtime_miss_t)n->miss, n->retry_ns, now_ns);
  w->rows[n->slot].is_under_way = false;
  find_next_due(w);
}

void tf_watch_note(tf_watch_t *w, const tf_note_t *n, uint64_t now_ns) {
  TF_ASSERT(n->slot < w->config.in_flight);
  if (n->kind == TF_NOTE_BEGUN)
    on_begun(w, n);
  else if (w->rows[n->slot].is_under_way)
    on_done(w, n, now_ns);
}

/* Their DONE is yet to come, if it ever does. */
TF_COLD static uint32_t miss_overdue(tf_watch_t *w, uint64_t now_ns) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < w->config.in_flight; i++) {
    if (!w->rows[i].is_under_way || w->rows[i].is_missed || now_ns <= w->rows[i].due_ns) continue;
    miss(w, i, TF_RUNTIME_MISS_DEADLINE, 0, now_ns);
    cnt++;
  }
  find_next_due(w);
  return cnt;
}

uint32_t tf_watch_tick(tf_watch_t *w, uint64_t now_ns) {
  uint32_t cnt = 0;
  if (TF_UNLIKELY(!w->is_told)) {
    w->is_told = true;
    tell_state(w);
    cnt++;
  }
  if (TF_UNLIKELY(now_ns > w->next_due_ns)) cnt += miss_overdue(w, now_ns);
  if (TF_UNLIKELY(w->state == TF_RUNTIME_OPEN) && now_ns >= w->until_ns) {
    w->state = TF_RUNTIME_HALF_OPEN;
    open_gate(w, TF_GATE_ONE);
    tell_state(w);
    cnt++;
  }
  return cnt;
}

uint64_t tf_watch_under_way(const tf_watch_t *w) {
  uint64_t cnt = 0;
  for (uint32_t i = 0; i < w->config.in_flight; i++)
    cnt += w->rows[i].is_under_way && !w->rows[i].is_missed;
  return cnt;
}
