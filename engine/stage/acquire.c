#include "stage/acquire.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"

#define DRAIN_NS_MAX TF_NS_PER_SEC

/* Whether the engine stops and the lane, which waits for nobody then, has not made room for long: it is
 * not there. Until then events that were published reach the lane, as they do in a replay. */
static TF_COLD bool is_given_up(tf_acquire_t *a) {
  /* relaxed: a stop flag; nothing else is read on its word */
  if (!a->stopping || !tf_load_relaxed_u32(a->stopping)) return false;
  uint64_t now_ns = tf_clock_monotonic_ns();
  if (!a->stopping_ns) a->stopping_ns = now_ns;
  return now_ns - a->stopping_ns >= DRAIN_NS_MAX;
}

/* Blocks while the ring is full: in replay that is the intended backpressure, live it leaves the
 * bytes in the socket. */
static void push(tf_acquire_t *a, const tf_batch_t *batch) {
  tf_ring_event_t record = {.origin_tsc = batch->origin_tsc, .decoded_tsc = batch->decoded_tsc};
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    record.event = batch->events[i];
    while (TF_UNLIKELY(tf_ring_push_sized(a->ring, &record, 1, sizeof record) == 0)) {
      if (is_given_up(a)) {
        a->events_dropped += batch->event_cnt - i;
        return;
      }
      a->ring_full_waits++;
      tf_spin_pause();
    }
  }
}

/* A recording of an engine that went on behind what the sinks of events or quotes held: so does its replay. */
static TF_COLD void on_control(tf_acquire_t *a, const tf_event_t *e) {
  if (e->u.control.command != TF_CONTROL_SEQUENCE || e->u.control.reserved[0] <= a->ingest_seq)
    return;
  a->seqs_skipped += e->u.control.reserved[0] - a->ingest_seq;
  a->ingest_seq = e->u.control.reserved[0];
}

/* Numbers, judges and hashes what a source brought. */
TF_INLINE void take_in(tf_acquire_t *a, const tf_acquire_port_t *port, const tf_batch_t *batch) {
  if (TF_UNLIKELY(batch->events->kind == TF_EVENT_CONTROL)) on_control(a, batch->events);
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    tf_event_t *e = &batch->events[i];
    e->ingest_seq = ++a->ingest_seq;
    if (i == 0 || !tf_event_time_is_as(e, e - 1))
      tf_event_time_judge(a->time_rows, a->instrument_cap, a->bad_times, e);
    if (e->kind == TF_EVENT_TRADE)
      a->outliers += tf_outlier_judge(a->outlier_rows, a->instrument_cap, e);
    a->events_hash = tf_hash_line(a->events_hash, e);
  }
  if (a->clocks)
    tf_feed_clock_saw(&a->clocks[port->source_idx], &batch->events[batch->event_cnt - 1]);
}

static void publish(void *self, const tf_batch_t *batch) {
  const tf_acquire_port_t *port = self;
  tf_acquire_t            *a    = port->acquire;
  take_in(a, port, batch);
  if (a->beside) {
    uint32_t taken =
        tf_ring_push_sized(a->beside, batch->events, batch->event_cnt, sizeof(tf_event_t));
    a->beside_lost += batch->event_cnt - taken;
  }
  if (a->ring)
    push(a, batch);
  else
    a->deliver(a->lane, batch->events, batch->event_cnt, batch->origin_tsc, batch->decoded_tsc);
  if (TF_UNLIKELY(a->passage)) tf_passage_put(a->passage, batch->events, batch->event_cnt);
}

/* source NULL: the I/O loop, and so all of them. */
TF_COLD static void source_broke(tf_acquire_t *a, tf_source_t *source, tf_err_t err) {
  if (source) {
    source->broken     = err;
    source->feed_state = TF_FEED_DOWN;
  }
  a->must_end |= source == NULL || source->is_required;
  tf_log(TF_LOG_ERROR, "source_broken", "code=%s text=\"%s\"", tf_error_name(err), tf_error_text());
  if (a->failed) return;
  a->failed = err;
  snprintf(a->failed_text, sizeof a->failed_text, "%s", tf_error_text());
}

/* ---- going on where an earlier engine was ---- */

TF_COLD static void set_publish(tf_acquire_t *a, void (*to)(void *, const tf_batch_t *)) {
  for (uint32_t i = 0; i < a->source_cnt; i++) a->sources[i]->publisher.publish = to;
}

TF_COLD static void refuse_stream(tf_acquire_t *a, const char *what) {
  tf_err_t err  = TF_ERR(E_BOOT_SNAPSHOT,
                         "what the snapshot's engine had up to event %llu is not what comes now: %s",
                         (unsigned long long)a->over_until, what);
  a->over_until = 0;
  source_broke(a, NULL, err);
}

static void pass_over(void *self, const tf_batch_t *batch) {
  const tf_acquire_port_t *port = self;
  tf_acquire_t            *a    = port->acquire;
  if (a->over_until == 0) return; /* refused: nothing of it goes on */
  take_in(a, port, batch);
  if (a->ingest_seq < a->over_until) return;
  a->resumed_cnt = tf_acquire_published(a);
  if (a->ingest_seq > a->over_until)
    refuse_stream(a, "a message goes on beyond it");
  else if (a->events_hash != a->over_hash)
    refuse_stream(a, "the events' hash is another");
  else
    set_publish(a, publish);
}

void tf_acquire_pass_over(tf_acquire_t *a, uint64_t ingest_seq, uint64_t events_hash) {
  a->over_until = ingest_seq;
  a->over_hash  = events_hash;
  if (ingest_seq > 0) set_publish(a, pass_over);
}

void tf_acquire_walk(tf_acquire_t *a, tf_walk_t *w) {
  tf_walk(w, &a->ingest_seq, sizeof a->ingest_seq);
  tf_walk(w, &a->events_hash, sizeof a->events_hash);
  tf_walk(w, a->time_rows, a->instrument_cap * sizeof *a->time_rows);
  tf_walk(w, a->outlier_rows, a->instrument_cap * sizeof *a->outlier_rows);
  if (w->way == TF_WALK_LOAD) a->resumed_cnt = a->ingest_seq;
}

/* Does not sleep where a source was handed something since it was last polled. */
static int poll_io(tf_acquire_t *a, uint64_t wait_ns) {
  bool sleeps = wait_ns > 0 && a->bell && tf_bell_arm(a->bell, a->bell_seen);
  int  n      = tf_io_poll(a->io, a->bell && !sleeps ? 0 : wait_ns);
  if (sleeps) tf_bell_disarm(a->bell);
  if (a->bell) a->bell_seen = tf_bell_seen(a->bell);
  return n;
}

int tf_acquire_poll(tf_acquire_t *a, uint64_t now_ns, uint64_t wait_ns) {
  int work = 0;
  if (a->io) {
    int handled = poll_io(a, wait_ns);
    if (handled < 0)
      source_broke(a, NULL, handled);
    else
      work += handled;
  }
  uint32_t open_cnt = 0, feed_cnt = 0;
  for (uint32_t i = 0; i < a->source_cnt; i++) {
    if (a->done[i]) continue;
    int n = a->sources[i]->ops->poll(a->sources[i], now_ns);
    if (TF_LIKELY(n >= 0)) {
      work += n;
      open_cnt++;
      feed_cnt += !a->sources[i]->is_aid;
      continue;
    }
    a->done[i] = true;
    if (n != TF_SOURCE_DONE) source_broke(a, a->sources[i], n);
  }
  if (TF_UNLIKELY(open_cnt == 0 && a->ingest_seq < a->over_until))
    refuse_stream(a, "it ends before that");
  bool is_over = a->failed && a->io && (a->must_end || feed_cnt == 0);
  return open_cnt == 0 || is_over ? TF_SOURCE_DONE : work;
}

static void on_ring(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t bytes_cnt,
                    uint64_t recv_ns) {
  (void)self, (void)conn, (void)bytes, (void)bytes_cnt, (void)recv_ns;
}

tf_err_t tf_acquire_wake_by(tf_acquire_t *a, tf_bell_t *bell) {
  tf_io_handler_t handler = {.on_bytes = on_ring};
  tf_io_conn_t    conn;
  tf_err_t        err = tf_io_attach(a->io, bell->ear_fd, &handler, &conn);
  if (err) return err;
  bell->ear_fd = -1;
  a->bell      = bell;
  return TF_OK;
}

tf_err_t tf_acquire_add(tf_acquire_t *a, tf_source_t *source) {
  if (a->source_cnt == TF_SOURCES_MAX)
    return TF_ERR(E_CONFIG_VALUE, "more than %d feeds or inputs", TF_SOURCES_MAX);
  tf_acquire_port_t *port = &a->ports[a->source_cnt];
  *port                   = (tf_acquire_port_t){a, a->source_cnt};
  if (a->clocks) tf_feed_clock_init(&a->clocks[a->source_cnt]);
  source->publisher           = (tf_publisher_t){port, publish};
  a->sources[a->source_cnt++] = source;
  return TF_OK;
}
