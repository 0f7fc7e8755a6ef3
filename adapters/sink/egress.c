#include "sink/egress.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "sink/spool.h"
#include "sink/window.h"
#include "tf/atomic.h"

#define COUNT_WORDS (sizeof(tf_sink_counts_t) / sizeof(uint64_t))

struct tf_egress {
  /* written by open only */
  tf_sink_config_t   config;
  const tf_outlet_t *outlet;
  void              *outlet_state;
  tf_outq_t         *queue;
  pthread_t          thread;
  bool               has_thread;
  uint64_t           opened_ns;
  /* written by the control plane */
  uint64_t closing_ns; /* monotonic; 0: not closing */
  /* the thread's own */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_window_t window;
  tf_outlet_view_t view;
  tf_sink_counts_t counts;
  uint8_t         *batch;      /* TF_EGRESS_SEND_MAX records */
  uint32_t         batch_cnt;  /* SPILL: of them taken and not yet on disk */
  uint64_t         missed_cnt; /* dropped by the queue before the next record of the window */
  uint32_t         missed[TF_EGRESS_WINDOW]; /* by position in the window: before that record */
  tf_spool_t      *spool;                    /* SPILL; else NULL */
  bool             is_spool_full;
  uint64_t         recovered_seq; /* last in the spool at open: of an earlier engine up to there */
  uint64_t         again_seq;  /* up to there it was acked once, and then lost by the destination */
  uint64_t         seq_next;   /* behind the last that was taken */
  uint64_t         tail_seq;   /* of the destination, when READY was last reached */
  uint32_t         connection; /* that the window was rewound for */
  bool             has_connected;
  uint32_t         idle_passes;
  uint64_t         wait_ns;
  /* written by the thread, read by any */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_sink_counts_t shown;
  uint64_t first_tail_seq, is_tail_known; /* for last_seq */
  uint64_t has_failed;
  tf_err_t failed;
  char     failed_text[256];
};

/* ---- emit's thread ---- */

static TF_COLD tf_err_t failed(const tf_egress_t *e) {
  return TF_ERR(e->failed, "%s", e->failed_text);
}

int tf_egress_offer(void *state, const void *records, uint32_t n) {
  tf_egress_t *e = state;
  if (TF_UNLIKELY(tf_load_acquire(&e->has_failed))) return failed(e); /* pairs with: fail */
  return (int)tf_outq_offer(e->queue, records, n);
}

/* The thread writes out by itself. */
tf_err_t tf_egress_flush(void *state, uint64_t now_ns) {
  (void)state, (void)now_ns;
  return TF_OK;
}

/* ---- the egress thread ---- */

static void fail(tf_egress_t *e, tf_err_t err) {
  if (e->failed) return; /* the first says why, and emit may be reading it */
  e->failed = err;
  snprintf(e->failed_text, sizeof e->failed_text, "%s: %s", e->config.name, tf_error_text());
  tf_log(TF_LOG_ERROR, "sink_failed", "sink=%s code=%s text=\"%s\"", e->config.name,
         tf_error_name(err), e->failed_text);
  tf_store_release(&e->has_failed, 1); /* pairs with: tf_egress_offer */
}

/* How many of the first cnt in the window were acked once before. */
static uint64_t again_cnt(const tf_egress_t *e, uint64_t cnt) {
  if (TF_LIKELY(e->again_seq == 0)) return 0;
  return tf_window_covered(&e->window, e->window.begin + cnt, e->again_seq);
}

static void show(tf_egress_t *e) {
  const tf_outlet_counts_t *outlet = e->outlet->counts(e->outlet_state);
  tf_sink_counts_t          c      = e->counts;
  c.pending = tf_window_cnt(&e->window) + e->batch_cnt - again_cnt(e, tf_window_cnt(&e->window));
  if (e->spool) {
    c.spooled = e->spool->waiting_cnt;
    c.pending += c.spooled;
    c.dropped_broken += e->spool->lost_cnt;
    c.errors += e->spool->write_errors;
  }
  c.already_there += outlet->already_there;
  c.connects    = outlet->connects;
  c.disconnects = outlet->disconnects;
  c.errors += outlet->errors;
  c.bytes           = outlet->bytes;
  c.clients         = outlet->clients;
  c.clients_refused = outlet->clients_refused;
  c.clients_evicted = outlet->clients_evicted;
  c.client_dropped  = outlet->client_dropped;
  tf_words_to_shared((uint64_t *)&e->shown, (const uint64_t *)&c, COUNT_WORDS);
}

static void release_acked(tf_egress_t *e, uint64_t cnt) {
  if (cnt == 0) return;
  uint64_t again     = again_cnt(e, cnt);
  e->counts.last_seq = tf_window_seq(&e->window, e->window.begin + cnt - 1);
  e->counts.acked += cnt - again;
  e->counts.resent += again;
  tf_window_release(&e->window, cnt);
  if (e->spool) tf_spool_ack(e->spool, e->counts.last_seq);
}

/* Somebody else has used the sequences that this engine is about to send. */
static TF_COLD void fence(tf_egress_t *e, uint64_t seq) {
  fail(e,
       TF_ERR(E_SINK_FENCED,
              "the destination holds records up to %llu already, of another engine, and this one "
              "comes with %llu: start it again (it goes on behind them), or give another stream",
              (unsigned long long)e->tail_seq, (unsigned long long)seq));
}

static bool is_there(const tf_egress_t *e, uint64_t seq) {
  return e->tail_seq != 0 && seq <= e->tail_seq;
}

/* The destination has one of this sequence, this engine has not sent it, and no replay or earlier engine of this
 * spool explains it. */
static bool is_foreign(const tf_egress_t *e, uint64_t seq) {
  return !e->config.is_replay && seq > e->recovered_seq && is_there(e, seq);
}

/* Numbers of ours that were on the way when somebody else used them: they are not ours that arrived. */
static bool is_overtaken(const tf_egress_t *e, uint64_t there) {
  return e->view.is_tail_foreign && !e->config.is_replay && there > 0 &&
         tf_window_seq(&e->window, e->window.begin + there - 1) > e->recovered_seq;
}

static void count_there(tf_egress_t *e) {
  e->counts.already_there++;
  e->counts.acked++;
}

/* The destination has acked more than it holds now. What the spool still has of it goes out again. */
static TF_COLD void resend_lost(tf_egress_t *e) {
  uint64_t acked_seq = e->counts.last_seq, found_seq = 0;
  e->counts.errors++;
  if (e->spool) {
    uint64_t in_flight = tf_window_cnt(&e->window) - again_cnt(e, tf_window_cnt(&e->window));
    if (acked_seq > e->again_seq) e->again_seq = acked_seq;
    tf_window_release(&e->window, tf_window_cnt(&e->window));
    found_seq          = tf_spool_rewind(e->spool, e->tail_seq, in_flight);
    e->counts.last_seq = e->tail_seq;
  }
  tf_log(TF_LOG_ERROR, "sink_destination_lost", "sink=%s acked=%llu holds=%llu resent_from=%llu",
         e->config.name, (unsigned long long)acked_seq, (unsigned long long)e->tail_seq,
         (unsigned long long)found_seq);
}

/* READY anew: what was in flight is in doubt, and the tail decides it. */
static void rewind_to_tail(tf_egress_t *e) {
  const tf_window_t *w = &e->window;
  e->connection        = e->view.connection;
  e->has_connected     = true;
  e->tail_seq          = e->outlet->keeps_tail ? e->view.tail_seq : 0;
  if (!e->is_tail_known) {
    tf_store_relaxed(&e->first_tail_seq, e->tail_seq); /* relaxed: the next line publishes it */
    tf_store_release(&e->is_tail_known, 1);            /* pairs with: tf_egress_last_seq */
  }
  if (e->outlet->keeps_tail && e->tail_seq < e->counts.last_seq) resend_lost(e);
  uint64_t there    = e->tail_seq ? tf_window_covered(w, w->end, e->tail_seq) : 0;
  bool     is_ahead = w->begin + there > w->touched;
  if ((is_ahead && is_foreign(e, tf_window_seq(w, w->begin + there - 1))) ||
      is_overtaken(e, there)) {
    fence(e, tf_window_seq(w, is_ahead ? w->touched : w->begin));
    return;
  }
  e->counts.already_there += there;
  release_acked(e, there);
  tf_window_rewind(&e->window);
}

static bool follow(tf_egress_t *e) {
  const tf_window_t *w = &e->window;
  if (e->view.phase == TF_OUTLET_FAILED) fail(e, tf_error_code() ? tf_error_code() : E_SINK_IO);
  if (e->view.phase != TF_OUTLET_READY) return false;
  if (!e->has_connected || e->view.connection != e->connection) rewind_to_tail(e);
  if (e->failed) return false; /* what is there in the place of ours is not ours */
  uint64_t cnt = tf_window_covered(w, w->cursor, e->view.acked_seq);
  release_acked(e, cnt);
  return cnt > 0;
}

/* From the queue to batch, without what is there already: an earlier replay's. False: the sink has ended. */
static bool take(tf_egress_t *e, uint32_t n) {
  uint64_t missed;
  uint32_t k = tf_outq_take(e->queue, e->batch, n, &missed), bytes = e->config.shape.bytes;
  e->missed_cnt += missed;
  for (uint32_t i = 0; i < k; i++) {
    const uint8_t *record = e->batch + (size_t)i * bytes;
    uint64_t       seq    = tf_record_seq(&e->config.shape, record);
    if (TF_UNLIKELY(is_foreign(e, seq))) {
      e->counts.dropped_broken += k - i;
      fence(e, seq);
      return false;
    }
    if (TF_UNLIKELY(is_there(e, seq) || seq < e->seq_next)) {
      count_there(e);
      continue;
    }
    e->seq_next = seq + 1;
    if (e->batch_cnt != i) memmove(e->batch + (size_t)e->batch_cnt * bytes, record, bytes);
    e->batch_cnt++;
  }
  return true;
}

static void batch_to_window(tf_egress_t *e) {
  for (uint32_t i = 0; i < e->batch_cnt; i++) {
    uint32_t *missed = &e->missed[e->window.end % TF_EGRESS_WINDOW];
    *missed          = e->missed_cnt < UINT32_MAX ? (uint32_t)e->missed_cnt : UINT32_MAX;
    e->missed_cnt    = 0;
    tf_window_push(&e->window, e->batch + (size_t)i * e->config.shape.bytes);
  }
  e->batch_cnt = 0;
}

/* How many more the window may have now. */
static uint32_t wanted(const tf_egress_t *e) {
  uint64_t unsent = tf_window_unsent_cnt(&e->window), room = tf_window_room(&e->window);
  if (e->view.phase != TF_OUTLET_READY || unsent >= TF_EGRESS_SEND_MAX) return 0;
  return (uint32_t)(TF_EGRESS_SEND_MAX - unsent < room ? TF_EGRESS_SEND_MAX - unsent : room);
}

/* From the queue to the window. */
static bool fill(tf_egress_t *e) {
  uint32_t n     = wanted(e);
  uint64_t acked = e->counts.acked;
  if (n == 0 || !take(e, n)) return false;
  bool moved = e->batch_cnt > 0 || e->counts.acked != acked;
  batch_to_window(e);
  return moved;
}

static TF_COLD void spool_is_full(tf_egress_t *e, bool is_full) {
  e->is_spool_full = is_full;
  tf_log(is_full ? TF_LOG_ERROR : TF_LOG_NOTICE,
         is_full ? "sink_spool_full" : "sink_spool_has_room", "sink=%s spool=%s bytes=%llu",
         e->config.name, e->config.spool, (unsigned long long)e->spool->bytes);
}

/* From the queue to the disk, and where nothing waits there straight on to the window. */
static bool spool_in(tf_egress_t *e) {
  if (e->batch_cnt == 0) {
    bool is_full = !tf_spool_has_room(e->spool, TF_EGRESS_SEND_MAX);
    if (TF_UNLIKELY(is_full != e->is_spool_full)) spool_is_full(e, is_full);
    if (is_full || !take(e, TF_EGRESS_SEND_MAX) || e->batch_cnt == 0) return false;
  }
  bool is_caught_up = tf_spool_is_read(e->spool) && wanted(e) >= e->batch_cnt;
  if (tf_spool_append(e->spool, e->batch, e->batch_cnt)) return false; /* it stays in batch */
  if (is_caught_up) {
    tf_spool_pass(e->spool);
    batch_to_window(e);
  }
  e->batch_cnt = 0;
  return true;
}

/* From the disk to the window. */
static bool spool_out(tf_egress_t *e) {
  tf_window_t *w     = &e->window;
  bool         moved = false;
  for (uint32_t n = wanted(e); n > 0; n--) {
    uint8_t *place = tf_window_at(w, w->end);
    if (tf_spool_read(e->spool, place, 1) == 0) break;
    uint64_t seq = tf_record_seq(&w->shape, place);
    moved        = true;
    if (TF_UNLIKELY(is_foreign(e, seq))) {
      e->counts.dropped_broken++;
      fence(e, seq);
      return true;
    }
    if (is_there(e, seq)) {
      count_there(e);
      e->counts.last_seq = seq;
      tf_spool_ack(e->spool, seq);
    } else {
      w->end++;
    }
  }
  return moved;
}

/* A replay's time is the recording's: there nothing is late. */
static bool is_late(const tf_egress_t *e, const void *record, uint64_t wall_ns) {
  if (e->config.is_replay) return false;
  uint64_t max_age_ns = e->config.max_age_ns, from_ns, expiry_ns = 0;
  if (e->config.shape.carries == TF_CARRIES_DECISIONS) {
    from_ns   = ((const tf_decision_t *)record)->ts_decision_ns;
    expiry_ns = ((const tf_decision_t *)record)->expiry_ns;
  } else if (e->config.shape.carries == TF_CARRIES_FEATURES) {
    from_ns = ((const tf_feature_record_t *)record)->ts_recv_ns;
  } else {
    from_ns = ((const tf_event_t *)record)->ts_recv_ns;
  }
  if (expiry_ns != 0 && wall_ns > expiry_ns) return true;
  return max_age_ns != 0 && wall_ns > from_ns && wall_ns - from_ns > max_age_ns;
}

static bool send(tf_egress_t *e) {
  tf_window_t *w      = &e->window;
  uint64_t     unsent = tf_window_unsent_cnt(w);
  if (e->view.phase != TF_OUTLET_READY || unsent == 0) return false;
  tf_out_t outs[TF_EGRESS_SEND_MAX];
  uint32_t n       = unsent < TF_EGRESS_SEND_MAX ? (uint32_t)unsent : TF_EGRESS_SEND_MAX;
  uint64_t wall_ns = tf_clock_wall_ns();
  for (uint32_t i = 0; i < n; i++) {
    const uint8_t *record = tf_window_at(w, w->cursor + i);
    outs[i] = (tf_out_t){record, tf_record_seq(&w->shape, record), is_late(e, record, wall_ns),
                         e->missed[(w->cursor + i) % TF_EGRESS_WINDOW]};
  }
  uint32_t k = e->outlet->send(e->outlet_state, outs, n);
  TF_ASSERT(k <= n);
  for (uint32_t i = 0; i < k; i++) e->counts.late += outs[i].late;
  e->counts.resent += tf_window_sent(w, k);
  return k > 0;
}

/* Spins a little, then naps, longer and longer. */
static void choose_wait(tf_egress_t *e, bool moved) {
  if (moved) e->idle_passes = 0;
  if (e->idle_passes++ < TF_EGRESS_SPIN_CNT) {
    e->wait_ns = 0;
    return;
  }
  e->wait_ns = e->wait_ns ? 2 * e->wait_ns : TF_EGRESS_NAP_NS_MIN;
  if (e->wait_ns > TF_EGRESS_NAP_NS_MAX) e->wait_ns = TF_EGRESS_NAP_NS_MAX;
}

static void nap(uint64_t ns) { nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL); }

/* An outlet that waits for nothing, or that one of its descriptors wakes at once, does not make us spin. */
static void sleep_on(const tf_egress_t *e, const tf_outlet_view_t *before, uint64_t begun_ns) {
  uint64_t slept_ns = tf_clock_monotonic_ns() - begun_ns;
  bool     is_news  = before->phase != e->view.phase || before->connection != e->view.connection ||
                 before->acked_seq != e->view.acked_seq || e->view.goes_on;
  if (e->wait_ns > 0 && !is_news && slept_ns < e->wait_ns / 2) nap(e->wait_ns - slept_ns);
}

static void pass(tf_egress_t *e) {
  tf_outlet_view_t before = e->view;
  uint64_t         now_ns = tf_clock_monotonic_ns();
  e->outlet->poll(e->outlet_state, now_ns, e->wait_ns, &e->view);
  if (e->wait_ns) sleep_on(e, &before, now_ns);
  bool moved = follow(e) || e->view.goes_on;
  if (e->failed) return;
  moved |= e->spool ? spool_in(e) : fill(e);
  if (e->spool && !e->failed) moved |= spool_out(e);
  if (e->failed) return;
  moved |= send(e);
  if (e->spool) tf_spool_tend(e->spool, now_ns);
  if (e->view.phase == TF_OUTLET_READY && tf_window_unsent_cnt(&e->window) == 0)
    e->outlet->flush(e->outlet_state, now_ns);
  choose_wait(e, moved);
}

static bool is_empty(const tf_egress_t *e) {
  return tf_window_cnt(&e->window) + e->batch_cnt + tf_outq_pending(e->queue) == 0 &&
         (!e->spool || tf_spool_is_read(e->spool));
}

/* Whether to go on. */
static bool is_wanted(const tf_egress_t *e) {
  uint64_t closing_ns = tf_load_acquire(&e->closing_ns); /* pairs with: tf_egress_closing */
  if (closing_ns == 0) return true;
  if (e->failed || is_empty(e)) return false;
  return tf_clock_monotonic_ns() - closing_ns < e->config.drain_ns_max;
}

/* What has not been delivered goes to disk, where there is one; else it is dropped for that reason. */
static void give_up_rest(tf_egress_t *e, uint64_t *reason) {
  uint64_t missed, acked = e->counts.acked;
  if (e->spool) {
    do acked = e->counts.acked;
    while (spool_in(e) || e->counts.acked != acked);
  } else {
    *reason += tf_window_cnt(&e->window);
    tf_window_release(&e->window, tf_window_cnt(&e->window));
  }
  *reason += e->batch_cnt;
  e->batch_cnt = 0;
  for (uint32_t k; (k = tf_outq_take(e->queue, e->batch, TF_EGRESS_SEND_MAX, &missed)) > 0;)
    *reason += k;
}

static void *deliver(void *arg) {
  tf_egress_t *e = arg;
  char         name[16];
  snprintf(name, sizeof name, "tf:%.12s", e->config.name);
  tf_cpu_pin(-1, name);
  while (is_wanted(e)) {
    if (TF_LIKELY(!e->failed)) {
      pass(e);
    } else {
      give_up_rest(e, &e->counts.dropped_broken);
      nap(TF_EGRESS_NAP_NS_MAX);
    }
    show(e);
  }
  give_up_rest(e, e->failed ? &e->counts.dropped_broken : &e->counts.dropped_closed);
  show(e);
  if (e->spool) tf_spool_close(e->spool);
  e->outlet->close(e->outlet_state);
  return NULL;
}

/* ---- lifetime: the control plane ---- */

/* Clients are told what is lost: of a stream with holes its sequences do not tell it. */
static bool tells_missed(const tf_outlet_t *outlet, const tf_sink_config_t *config) {
  return outlet->has_clients && (config->is_filtered || !tf_record_is_dense(config->shape.carries));
}

static tf_outq_config_t queue_of(const tf_outlet_t *outlet, const tf_sink_config_t *config) {
  return (tf_outq_config_t){.policy =
                                outlet->has_clients ? TF_OVERFLOW_DROP_NEWEST : config->policy,
                            .shape          = config->shape,
                            .ranks          = config->ranks,
                            .tells_missed   = tells_missed(outlet, config),
                            .slot_cnt       = config->slot_cnt,
                            .instrument_cap = config->instruments ? config->instruments->cap : 0,
                            .strategy_cap   = config->strategy_cnt ? config->strategy_cnt : 1};
}

static size_t part(size_t bytes) { return tf_align_up(bytes, TF_LINE_PAIR_BYTES); }

static size_t spool_bytes(const tf_sink_config_t *config) {
  if (config->policy != TF_OVERFLOW_SPILL) return 0;
  return part(sizeof(tf_spool_t)) + part(tf_spool_bytes(&config->shape));
}

size_t tf_egress_bytes(const tf_outlet_t *outlet, const tf_sink_config_t *config) {
  tf_outq_config_t queue = queue_of(outlet, config);
  return part(sizeof(tf_egress_t)) + part(tf_outq_bytes(&queue)) +
         part((size_t)TF_EGRESS_WINDOW * config->shape.bytes) +
         part((size_t)TF_EGRESS_SEND_MAX * config->shape.bytes) + spool_bytes(config) +
         part(outlet->state_bytes(config));
}

static tf_err_t open_spool(tf_egress_t *e, uint8_t *memory) {
  if (!e->config.spool)
    return TF_ERR(E_SINK_CONFIG, "sink %s: policy spill wants `spool:`, the path of its files",
                  e->config.name);
  tf_spool_config_t config = {
      .prefix = e->config.spool, .bytes_max = e->config.spool_bytes_max, .shape = e->config.shape};
  e->spool     = (tf_spool_t *)(void *)memory;
  tf_err_t err = tf_spool_open(e->spool, &config, memory + part(sizeof(tf_spool_t)));
  if (err) {
    e->spool = NULL;
    return err;
  }
  e->recovered_seq    = e->spool->last_seq;
  e->seq_next         = e->recovered_seq + 1;
  e->counts.recovered = e->spool->recovered_cnt;
  e->counts.last_seq  = e->spool->acked_seq;
  if (e->counts.recovered)
    tf_log(TF_LOG_NOTICE, "sink_spool_recovered", "sink=%s records=%llu last_seq=%llu",
           e->config.name, (unsigned long long)e->counts.recovered,
           (unsigned long long)e->recovered_seq);
  return TF_OK;
}

static tf_err_t start_thread(tf_egress_t *e) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int sys_errno = pthread_create(&e->thread, NULL, deliver, e);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (sys_errno)
    return TF_ERR(E_CORE_THREAD, "sink %s: its thread: %s", e->config.name, strerror(sys_errno));
  e->has_thread = true;
  return TF_OK;
}

tf_err_t tf_egress_open(void *state, const tf_outlet_t *outlet, const tf_sink_config_t *config) {
  tf_egress_t     *e     = state;
  tf_outq_config_t queue = queue_of(outlet, config);
  memset(e, 0, sizeof *e);
  e->config   = *config;
  e->outlet   = outlet;
  uint8_t *at = (uint8_t *)state + part(sizeof *e);
  e->queue    = tf_outq_init(at, &queue);
  if (!e->queue)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: no queue of %llu slots of %u bytes, %u instruments and %u strategies",
                  config->name, (unsigned long long)queue.slot_cnt, queue.shape.bytes,
                  queue.instrument_cap, queue.strategy_cap);
  at += part(tf_outq_bytes(&queue));
  e->window = (tf_window_t){.shape = config->shape, .cap = TF_EGRESS_WINDOW, .records = at};
  at += part((size_t)TF_EGRESS_WINDOW * config->shape.bytes);
  e->batch = at;
  at += part((size_t)TF_EGRESS_SEND_MAX * config->shape.bytes);
  uint8_t *spool = at;
  at += spool_bytes(config);
  e->outlet_state = at;
  e->opened_ns    = tf_clock_monotonic_ns();
  tf_err_t err    = outlet->open(e->outlet_state, &e->config);
  if (err) return err;
  if (config->policy == TF_OVERFLOW_SPILL) err = open_spool(e, spool);
  if (!err) err = start_thread(e);
  if (err) outlet->close(e->outlet_state);
  return err;
}

void tf_egress_closing(void *state) {
  tf_egress_t *e      = state;
  uint64_t     now_ns = tf_clock_monotonic_ns();
  if (!e->closing_ns) tf_store_release(&e->closing_ns, now_ns); /* pairs with: is_wanted */
}

tf_err_t tf_egress_close(void *state) {
  tf_egress_t *e = state;
  if (!e->has_thread) return TF_OK;
  tf_egress_closing(e);
  pthread_join(e->thread, NULL);
  e->has_thread = false;
  return TF_OK;
}

/* ---- any thread ---- */

uint64_t tf_egress_last_seq(const void *state) {
  const tf_egress_t *e = state;
  if (!e->outlet->keeps_tail || e->config.is_replay) return e->recovered_seq;
  for (;;) {
    if (tf_load_acquire(&e->is_tail_known)) {                  /* pairs with: rewind_to_tail */
      uint64_t tail_seq = tf_load_relaxed(&e->first_tail_seq); /* relaxed: published before */
      return tail_seq > e->recovered_seq ? tail_seq : e->recovered_seq;
    }
    bool is_over = tf_load_acquire(&e->has_failed); /* pairs with: fail */
    if (is_over || tf_clock_monotonic_ns() - e->opened_ns > TF_EGRESS_TAIL_NS_MAX) break;
    nap(TF_EGRESS_NAP_NS_MAX);
  }
  tf_log(TF_LOG_WARN, "sink_tail_unknown",
         "sink=%s text=\"it did not say in time what it holds; should it hold later records than "
         "this engine's first, the sink will end\"",
         e->config.name);
  return e->recovered_seq;
}

uint64_t tf_egress_durable_seq(const void *state) {
  const tf_egress_t *e = state;
  /* relaxed: a word of its own */
  return e->outlet->keeps_tail ? tf_load_relaxed(&e->shown.last_seq) : 0;
}

void tf_egress_counts(const void *state, tf_sink_counts_t *counts) {
  const tf_egress_t *e = state;
  tf_words_from_shared((uint64_t *)counts, (const uint64_t *)&e->shown, COUNT_WORDS);
  uint64_t low = tf_outq_dropped_low(e->queue), dropped = tf_outq_dropped(e->queue);
  counts->dropped_low += low;
  dropped = dropped > low ? dropped - low : 0;
  if (e->config.policy == TF_OVERFLOW_DROP_OLDEST && !e->outlet->has_clients)
    counts->dropped_oldest += dropped;
  else
    counts->dropped_full += dropped;
  counts->conflated += tf_outq_conflated(e->queue);
  counts->pending += tf_outq_pending(e->queue);
}
