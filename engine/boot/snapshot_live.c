#include "boot/snapshot_live.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot/snapshot_copy.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "stage/lane_walk.h"

#define LOOK_NS     TF_NS_PER_MS         /* between looks of the snapshots' thread */
#define FILTERED_NS (300 * TF_NS_PER_MS) /* three of a journal's intervals */

/* Who has the memory. Each goes on to the next, by the thread that it names; with release, since the memory goes along. */
typedef enum phase {
  PHASE_IDLE,     /* snapshots' thread: nobody */
  PHASE_WANTED,   /* -> acquire */
  PHASE_ARMED,    /* -> lane: begins behind event armed_seq */
  PHASE_COPYING,  /* lane */
  PHASE_READY,    /* -> snapshots' thread */
  PHASE_DECLINED, /* -> snapshots' thread: the lane would not */
  PHASE_NO_ROOM,  /* the same: nor did it fit */
} phase_t;

struct tf_snapshot_live {
  tf_source_t               source; /* first: acquire's aid */
  tf_engine_t              *engine;
  tf_snapshot_live_config_t config;
  tf_snapshot_sizes_t       sizes;
  tf_arena_t                arena;
  uint8_t                  *bytes;       /* head, acquire's part, the lane's, records */
  bool                      is_stopping; /* acquire's */

  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t phase;
  uint64_t armed_seq;    /* by acquire: the last event that is in it, */
  uint64_t armed_events; /* and as how many the lane will have counted it */

  /* the lane's */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_snapshot_copy_t copy;
  uint32_t    since_idle; /* events */
  uint64_t    begun_tsc, copy_ticks;
  uint64_t    decisions; /* made by this engine up to there */
  bool        is_short;  /* and some of them the lane gave up */
  const char *why_not;   /* DECLINED */

  /* the snapshots' thread's */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) pthread_t thread;
  bool                 has_thread;
  uint64_t             asked, stopping; /* by any thread */
  uint64_t             next_ns;
  uint64_t             ready_ns; /* when it was first seen to be READY; 0: it is not */
  uint64_t             failed_in_a_row;
  tf_snapshot_counts_t counts; /* shown */
};

static phase_t phase_of(const tf_snapshot_live_t *s) {
  return (phase_t)tf_load_acquire(&s->phase); /* pairs with: set_phase */
}

static void set_phase(tf_snapshot_live_t *s, phase_t phase) {
  tf_store_release(&s->phase, phase); /* pairs with: phase_of */
}

static tf_snapshot_head_t *head_of(const tf_snapshot_live_t *s) {
  return (tf_snapshot_head_t *)(void *)s->bytes;
}

/* ---- acquire ---- */

static bool is_over(const tf_acquire_t *a) {
  for (uint32_t i = 0; i < a->source_cnt; i++)
    if (!a->sources[i]->is_aid && !a->done[i]) return false;
  return true;
}

static int poll_wanted(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  tf_snapshot_live_t *s = (tf_snapshot_live_t *)(void *)source;
  tf_acquire_t       *a = &s->engine->runner.acquire;
  if (TF_UNLIKELY(s->is_stopping) || is_over(a)) return TF_SOURCE_DONE;
  if (TF_LIKELY(phase_of(s) != PHASE_WANTED) || a->ingest_seq < a->over_until) return 0;
  tf_snapshot_save_acquire(s->engine, s->bytes + sizeof(tf_snapshot_head_t),
                           s->sizes.acquire_bytes);
  s->armed_seq    = a->ingest_seq;
  s->armed_events = tf_acquire_published(a) - a->resumed_cnt - a->events_dropped;
  set_phase(s, PHASE_ARMED);
  tf_lane_attend_from_outside(&s->engine->runner.lane, true);
  return 1;
}
TF_STATIC_ASSERT(offsetof(tf_snapshot_live_t, source) == 0, "a source is its snapshots");

static void stop_polling(tf_source_t *source) {
  ((tf_snapshot_live_t *)(void *)source)->is_stopping = true;
}

static const tf_source_ops_t source_ops = {.poll = poll_wanted, .stop = stop_polling};

/* ---- the lane ---- */

static void leave_lane(tf_snapshot_live_t *s, phase_t phase) {
  tf_lane_attend_from_outside(&s->engine->runner.lane, false);
  s->copy_ticks = tf_clock_ticks() - s->begun_tsc;
  set_phase(s, phase);
}

static bool is_copying(const tf_snapshot_live_t *s) {
  /* relaxed: the lane's own from COPYING on */
  return tf_load_relaxed(&s->phase) == PHASE_COPYING;
}

/* With the last copy all that the lane counted is the snapshots' thread's. */
static void look_whether_whole(tf_snapshot_live_t *s) {
  if (s->copy.has_no_room)
    leave_lane(s, PHASE_NO_ROOM);
  else if (tf_snapshot_copy_is_whole(&s->copy))
    leave_lane(s, PHASE_READY);
}

static size_t copy_piece(tf_snapshot_live_t *s, size_t bytes_max) {
  const size_t bytes = tf_snapshot_copy_piece(&s->copy, bytes_max);
  look_whether_whole(s);
  return bytes;
}

/* An event is about to change it. */
static bool touch(tf_snapshot_live_t *s, uint32_t id) {
  const bool begins = tf_snapshot_copy_touch(&s->copy, id);
  look_whether_whole(s);
  return begins;
}

TF_COLD static void begin(tf_snapshot_live_t *s) {
  tf_engine_t *e    = s->engine;
  tf_lane_t   *lane = &e->runner.lane;
  s->begun_tsc      = tf_clock_ticks();
  if (lane->batch) tf_batch_answer(lane);
  s->why_not = tf_lane_walks(lane);
  if (s->why_not && !tf_lane_never_walks(lane)) { /* it will be over */
    leave_lane(s, PHASE_DECLINED);
    return;
  }
  tf_snapshot_begin_head(e, &s->sizes, head_of(s));
  head_of(s)->mark.ingest_seq = s->armed_seq;
  tf_snapshot_save_lane(e, s->bytes + sizeof(tf_snapshot_head_t) + s->sizes.acquire_bytes,
                        s->sizes.lane_bytes);
  s->decisions  = lane->decide.counts.decisions - lane->decisions_dropped;
  s->is_short   = lane->decisions_dropped > 0;
  s->since_idle = 0;
  tf_snapshot_copy_begin(
      &s->copy, sizeof(tf_snapshot_head_t) + s->sizes.acquire_bytes + s->sizes.lane_bytes,
      tf_load_acquire_u32(&e->instruments.cnt)); /* pairs with: who appends to it */
  head_of(s)->mark.instrument_cnt = s->copy.instrument_cnt;
  set_phase(s, PHASE_COPYING);
  look_whether_whole(s);
}

/* Whatever changes more than the instrument that it names, and those that read it: a first tick binds others to it. */
static bool is_for_all(const tf_lane_t *lane, const tf_event_t *e) {
  if (e->kind != TF_EVENT_CONTROL)
    return e->instrument_id < lane->instrument_cap && lane->compute.plan->peer_cnt > 0 &&
           !lane->instruments[e->instrument_id].has_met;
  uint64_t command = e->u.control.command;
  return command == TF_CONTROL_SWAP || command == TF_CONTROL_CANARY ||
         command == TF_CONTROL_RUNTIME;
}

/* An event is about to be taken: those that it may change go first. */
static void before_event(void *self, const tf_event_t *e) {
  tf_snapshot_live_t *s    = self;
  const tf_lane_t    *lane = &s->engine->runner.lane;
  if (phase_of(s) == PHASE_ARMED && e->ingest_seq > s->armed_seq) begin(s);
  if (!is_copying(s)) return;
  bool begins = false;
  if (e->instrument_id < lane->instrument_cap) {
    begins                     = touch(s, e->instrument_id);
    const tf_lane_link_t *link = lane->instruments[e->instrument_id].readers;
    for (; link && is_copying(s); link = link->next) begins |= touch(s, link->reader->id);
  }
  if (is_copying(s) && ++s->since_idle > TF_SNAPSHOT_EVENTS_BUSY && !begins)
    (void)copy_piece(s, TF_SNAPSHOT_EVENT_BYTES);
  while (is_copying(s) && is_for_all(lane, e)) (void)copy_piece(s, SIZE_MAX);
}

/* Nothing comes. */
static bool while_idle(void *self) {
  tf_snapshot_live_t *s = self;
  if (phase_of(s) == PHASE_ARMED && s->engine->runner.lane.events == s->armed_events) begin(s);
  if (!is_copying(s)) return false;
  s->since_idle = 0;
  for (size_t bytes = 0; is_copying(s) && bytes < TF_SNAPSHOT_PASS_BYTES;)
    bytes += copy_piece(s, TF_SNAPSHOT_PASS_BYTES - bytes);
  return true;
}

/* ---- the snapshots' thread ---- */

/* Decisions up to the snapshot's, of this engine's: has the sink made of them what it will? */
static bool is_settled(const tf_snapshot_live_t *s, const tf_emit_sink_t *sink) {
  tf_sink_counts_t c;
  tf_emit_counts(sink, &c);
  uint64_t dropped = c.dropped_full + c.dropped_oldest + c.dropped_closed;
  bool     is_gap  = s->engine->options.holds_lane && (dropped > 0 || s->is_short);
  if (c.dropped_broken > 0 || is_gap)
    return false; /* who goes on from later leaves a gap for good */
  uint64_t filtered = tf_load_relaxed(&sink->filtered); /* relaxed: a count */
  if (c.acked + dropped + c.conflated + filtered < s->decisions + c.recovered) return false;
  if (dropped > 0 || !sink->sink->durable_seq || sink->sink->counts) return true;
  uint64_t last = sink->sink->last_seq ? sink->sink->last_seq(sink->state) : 0;
  uint64_t seq  = sink->sink->durable_seq(sink->state);
  if ((seq > last ? seq : last) >= head_of(s)->mark.decision_seq) return true;
  /* The last ones may have been left out by its filter: what it took it has synced by then. */
  return sink->filter && tf_clock_monotonic_ns() - s->ready_ns > FILTERED_NS;
}

static bool are_settled(const tf_snapshot_live_t *s) {
  const tf_emit_t *emit = &s->engine->runner.emit;
  for (uint32_t i = 0; i < emit->sink_cnt; i++)
    if (emit->sinks[i].shape.carries == TF_CARRIES_DECISIONS && !is_settled(s, &emit->sinks[i]))
      return false;
  return true;
}

/* relaxed: counts, each complete by itself, as all of these */
static void show(uint64_t *word, uint64_t value) { tf_store_relaxed(word, value); }

/* Into the metrics' page. */
static void publish(const tf_snapshot_live_t *s) {
  static const tf_metric_t METRICS[] = {
      TF_METRIC_SNAPSHOTS_PUT,        TF_METRIC_SNAPSHOTS_FAILED, TF_METRIC_SNAPSHOTS_DECLINED,
      TF_METRIC_SNAPSHOTS_GIVEN_UP,   TF_METRIC_SNAPSHOT_BYTES,   TF_METRIC_SNAPSHOT_TIME,
      TF_METRIC_SNAPSHOT_COPY,        TF_METRIC_SNAPSHOT_WAIT,    TF_METRIC_SNAPSHOT_WRITE,
      TF_METRIC_SNAPSHOT_INSTRUMENTS, TF_METRIC_SNAPSHOT_TOUCHED, TF_METRIC_SNAPSHOT_DECISION_SEQ,
      TF_METRIC_SNAPSHOT_INGEST_SEQ};
  tf_snapshot_counts_t c;
  tf_snapshot_live_counts(s, &c);
  const uint64_t values[] = {
      c.put,     c.failed,       c.declined,  c.given_up, c.bytes,
      c.put_ns,  c.copy_ns,      c.wait_ns,   c.write_ns, c.instruments - c.touched,
      c.touched, c.decision_seq, c.ingest_seq};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(METRICS) == TF_ARRAY_CNT(values), "a value each");
  for (size_t i = 0; i < TF_ARRAY_CNT(METRICS); i++)
    tf_publish_process(&s->engine->publish, METRICS[i], values[i]);
}

/* Told once, until one is kept again. */
static void fail(tf_snapshot_live_t *s, tf_err_t err) {
  tf_count_add(&s->counts.failed, 1);
  if (s->failed_in_a_row++ > 0) return;
  tf_log(TF_LOG_ERROR, "snapshot_not_written", "name=%s code=%s text=\"%s\"", s->config.name,
         tf_error_name(err), tf_error_text());
}

static void put(tf_snapshot_live_t *s) {
  tf_snapshot_head_t *head     = head_of(s);
  const uint64_t      begin_ns = tf_clock_monotonic_ns();
  head->mark.as_of_ns          = s->copy.as_of_ns;
  tf_snapshot_seal_head(head, s->copy.at);
  tf_err_t err =
      s->config.store.put(s->config.store.self, s->config.name, &head->mark, s->bytes, s->copy.at);
  if (err) {
    fail(s, err);
    return;
  }
  if (s->failed_in_a_row > 0)
    tf_log(TF_LOG_NOTICE, "snapshot_written_again", "name=%s failed=%llu", s->config.name,
           (unsigned long long)s->failed_in_a_row);
  s->failed_in_a_row = 0;
  show(&s->counts.bytes, s->copy.at);
  show(&s->counts.decision_seq, head->mark.decision_seq);
  show(&s->counts.ingest_seq, head->mark.ingest_seq);
  show(&s->counts.copy_ns, tf_clock_ticks_to_ns(s->copy_ticks));
  show(&s->counts.wait_ns, begin_ns - s->ready_ns);
  show(&s->counts.write_ns, tf_clock_monotonic_ns() - begin_ns);
  show(&s->counts.instruments, s->copy.instrument_cnt);
  show(&s->counts.touched, s->copy.touched_cnt);
  show(&s->counts.put_ns, tf_clock_wall_ns());
  /* relaxed: its own count */
  tf_store_release(&s->counts.put, tf_load_relaxed(&s->counts.put) + 1); /* pairs with:
                                                                           tf_snapshot_live_counts */
}

static void decline(tf_snapshot_live_t *s, phase_t phase) {
  tf_count_add(phase == PHASE_DECLINED ? &s->counts.declined : &s->counts.given_up, 1);
  /* relaxed: its own counts */
  if (tf_load_relaxed(&s->counts.declined) + tf_load_relaxed(&s->counts.given_up) > 1) return;
  tf_log(TF_LOG_WARN, "snapshot_declined", "name=%s text=\"%s\"", s->config.name,
         phase == PHASE_DECLINED ? s->why_not
                                 : "its memory, which is taken at start, is too small");
}

static bool is_due(tf_snapshot_live_t *s, uint64_t now_ns) {
  /* relaxed: a wish; nothing else is read on its word */
  if (tf_load_relaxed(&s->asked)) {
    tf_store_relaxed(&s->asked, 0); /* relaxed: as above */
    return true;
  }
  if (s->config.every_ns == 0 || now_ns < s->next_ns) return false;
  s->next_ns = now_ns + s->config.every_ns;
  return true;
}

static void step(tf_snapshot_live_t *s) {
  phase_t phase = phase_of(s);
  if (phase == PHASE_IDLE && is_due(s, tf_clock_monotonic_ns())) {
    set_phase(s, PHASE_WANTED);
    /* Behind the phase: who sees this one begun, and asks again, is not told that another will be at once.
     * relaxed: its own count */
    tf_store_release(&s->counts.begun, tf_load_relaxed(&s->counts.begun) + 1); /* pairs with:
                                                                           tf_snapshot_live_counts */
  } else if (phase == PHASE_READY) {
    if (s->ready_ns == 0) s->ready_ns = tf_clock_monotonic_ns();
    if (!are_settled(s)) return;
    put(s);
    publish(s);
    s->ready_ns = 0;
    set_phase(s, PHASE_IDLE);
  } else if (phase == PHASE_DECLINED || phase == PHASE_NO_ROOM) {
    decline(s, phase);
    publish(s);
    set_phase(s, PHASE_IDLE);
  }
}

static void *run_thread(void *arg) {
  tf_snapshot_live_t *s = arg;
  while (!tf_load_acquire(&s->stopping)) { /* pairs with: tf_snapshot_live_stop */
    step(s);
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  return NULL;
}

/* ---- any thread ---- */

bool tf_snapshot_live_request(tf_snapshot_live_t *s) {
  if (!s || phase_of(s) != PHASE_IDLE) return false;
  tf_store_relaxed(&s->asked, 1); /* relaxed: a wish, as above */
  return true;
}

void tf_snapshot_live_counts(const tf_snapshot_live_t *s, tf_snapshot_counts_t *counts) {
  uint64_t       *to   = (uint64_t *)counts;
  const uint64_t *from = (const uint64_t *)&s->counts;
  for (size_t i = 0; i < sizeof *counts / sizeof *to; i++)
    to[i] = tf_load_acquire(&from[i]); /* pairs with: put; of which the count comes first */
}

/* ---- lifetime ---- */

static tf_err_t take_memory(tf_snapshot_live_t *s) {
  const tf_snapshot_sizes_t *z   = &s->sizes;
  size_t                     cap = s->engine->instruments.cap;
  uint32_t books = cap < TF_SNAPSHOT_PENDING_BOOKS ? (uint32_t)cap : TF_SNAPSHOT_PENDING_BOOKS;
  size_t   all;
  if (__builtin_mul_overflow(
          cap, tf_align_up(z->record_bytes + z->trail_bytes_max + z->book_bytes_max, 8), &all) ||
      __builtin_add_overflow(all,
                             sizeof(tf_snapshot_head_t) + z->acquire_bytes + z->lane_bytes +
                                 books * z->pending_bytes_max,
                             &all))
    return TF_ERR(E_CORE_OVERFLOW, "snapshots of %zu instruments", cap);
  const size_t beside = tf_snapshot_copy_footprint(s->engine, cap);
  tf_err_t     err    = tf_arena_init(&s->arena, "snapshots", all + beside + 4096);
  if (err) return err;
  s->bytes     = tf_arena_take(&s->arena, all, TF_LINE_BYTES);
  void *memory = tf_arena_take(&s->arena, beside, TF_LINE_BYTES);
  if (!s->bytes || !memory) return E_CORE_ARENA_FULL;
  tf_snapshot_copy_init(&s->copy, s->engine, s->bytes, all, memory);
  return TF_OK;
}

static tf_err_t start(tf_snapshot_live_t *s) {
  s->source.ops    = &source_ops;
  s->source.is_aid = true;
  tf_err_t err     = tf_acquire_add(&s->engine->runner.acquire, &s->source);
  if (err) return err;
  s->sizes = tf_snapshot_sizes(s->engine); /* its own source is one of them */
  err      = take_memory(s);
  if (err) return err;
  s->engine->runner.lane.onlooker =
      (tf_lane_onlooker_t){.self = s, .before = before_event, .idle = while_idle};
  s->next_ns    = tf_clock_monotonic_ns() + s->config.every_ns;
  int sys_errno = pthread_create(&s->thread, NULL, run_thread, s);
  if (sys_errno) return TF_ERR(E_CORE_THREAD, "the snapshots' thread: %s", strerror(sys_errno));
  s->has_thread = true;
  return TF_OK;
}

tf_err_t tf_snapshot_live_start(tf_engine_t *e, const tf_snapshot_live_config_t *config,
                                tf_snapshot_live_t **live) {
  size_t bytes = tf_align_up(sizeof **live, TF_LINE_PAIR_BYTES);
  *live        = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  if (!*live) return TF_ERR(E_CORE_NO_MEMORY, "snapshots");
  memset(*live, 0, bytes);
  (*live)->engine = e;
  (*live)->config = *config;
  return start(*live);
}

void tf_snapshot_live_stop(tf_snapshot_live_t *s) {
  if (!s) return;
  tf_store_release(&s->stopping, 1); /* pairs with: run_thread */
  if (!s->has_thread) return;
  pthread_join(s->thread, NULL);
  s->has_thread = false;
  if (phase_of(s) == PHASE_READY) step(s);
  if (phase_of(s) == PHASE_IDLE) return;
  tf_count_add(&s->counts.given_up, 1);
  publish(s);
}

void tf_snapshot_live_fini(tf_snapshot_live_t *s) {
  tf_snapshot_live_stop(s);
  if (s) tf_arena_fini(&s->arena);
  free(s);
}
