#include "serve/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

#define TROUBLE_NS TF_NS_PER_SEC /* between two that are logged */

struct tf_worker {
  tf_worker_config_t config;
  pthread_t          thread;
  bool               is_started, is_stuck;
  uint32_t           is_stopping; /* by stop */
  uint64_t           ids;         /* of requests */
  uint64_t           probed;      /* the gate's word that one request was let through for */
  struct {
    bool     is_busy;
    uint64_t give_up_ns;
  } slots[TF_RUNTIME_IN_FLIGHT_MAX];
  uint32_t        busy_cnt;
  uint64_t        expired;
  uint64_t        logged_ns;
  pthread_mutex_t trouble_lock;
  char            trouble[TF_RUNTIME_TEXT_BYTES];
  void           *ring_memory;
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_writer_t notes;        /* the thread's */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_reader_t notes_reader; /* acquire's */
};

static bool is_stopping(const tf_worker_t *w) {
  /* relaxed: a stop flag; nothing else is read on its word */
  return tf_load_relaxed_u32(&w->is_stopping) != 0;
}

static void rest(uint64_t ns) { nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL); }

/* acquire polls all the time; where it does not, it has ended. */
static void tell(tf_worker_t *w, const tf_note_t *note) {
  while (tf_ring_push_sized(&w->notes, note, 1, sizeof *note) == 0 && !is_stopping(w))
    rest(TF_WORKER_LOOK_NS);
}

static void tell_trouble(tf_worker_t *w, uint32_t miss) {
  static const char *const words[] = {
#define WORD_(id, name) name,
      TF_RUNTIME_MISSES(WORD_)
#undef WORD_
  };
  char     text[TF_RUNTIME_TEXT_BYTES];
  uint64_t now_ns = tf_clock_monotonic_ns();
  w->config.runtime->trouble(w->config.runtime_self, text);
  pthread_mutex_lock(&w->trouble_lock);
  memcpy(w->trouble, text, sizeof text);
  pthread_mutex_unlock(&w->trouble_lock);
  if (w->logged_ns && now_ns - w->logged_ns < TROUBLE_NS) return;
  w->logged_ns = now_ns;
  tf_log(TF_LOG_WARN, "runtime_missed", "runtime=%s miss=%s text=\"%s\"", w->config.runtime->name,
         words[miss], text);
}

static void done(tf_worker_t *w, const tf_runtime_done_t *d) {
  tf_note_t note = {
      .kind = TF_NOTE_DONE, .slot = d->slot, .miss = d->miss, .retry_ns = d->retry_ns};
  if (!w->slots[d->slot].is_busy) return; /* given up */
  if (d->miss == TF_RUNTIME_ANSWERED)
    memcpy(note.out, d->out, w->config.output_cnt * sizeof(float));
  else
    tell_trouble(w, d->miss);
  w->slots[d->slot].is_busy = false;
  w->busy_cnt--;
  tell(w, &note);
}

/* What the gate lets through now. */
static bool may_begin(const tf_worker_t *w) {
  if (w->busy_cnt >= w->config.in_flight) return false;
  uint64_t gate = tf_load_acquire(w->config.gate); /* pairs with: open_gate */
  return gate % 4 == TF_GATE_ALL || (gate % 4 == TF_GATE_ONE && gate != w->probed);
}

/* One request more. False: there is none, or none may be. */
static bool begin_one(tf_worker_t *w) {
  uint32_t slot = 0;
  if (!may_begin(w)) return false;
  const tf_ask_t *ask = tf_asks_take(w->config.asks);
  if (!ask) return false;
  uint64_t now_ns = tf_clock_wall_ns();
  if (now_ns > ask->recv_ns + w->config.deadline_ns) {
    tf_count_add(&w->expired, 1);
    return true;
  }
  while (w->slots[slot].is_busy) slot++;
  tf_note_t note            = {.kind          = TF_NOTE_BEGUN,
                               .slot          = slot,
                               .instrument_id = ask->instrument_id,
                               .tick_seq      = ask->tick_seq,
                               .recv_ns       = ask->recv_ns};
  w->probed                 = tf_load_acquire(w->config.gate); /* pairs with: open_gate */
  w->slots[slot].is_busy    = true;
  w->slots[slot].give_up_ns = now_ns + w->config.deadline_ns + TF_WORKER_LINGER_NS;
  w->busy_cnt++;
  tell(w, &note);
  w->config.runtime->begin(w->config.runtime_self, slot, ++w->ids, ask->rows);
  return true;
}

/* What nobody will answer any more: its deadline is long over. */
static void give_up(tf_worker_t *w) {
  uint64_t now_ns = tf_clock_wall_ns();
  for (uint32_t i = 0; i < w->config.in_flight; i++) {
    if (!w->slots[i].is_busy || now_ns < w->slots[i].give_up_ns) continue;
    w->config.runtime->drop(w->config.runtime_self, i);
    done(w, &(tf_runtime_done_t){.slot = i, .miss = TF_RUNTIME_MISS_DEADLINE});
  }
}

static void *run_thread(void *self) {
  tf_worker_t      *w = self;
  tf_runtime_done_t all[TF_RUNTIME_IN_FLIGHT_MAX];
  (void)prctl(PR_SET_TIMERSLACK, 1UL); /* else 20 us are 70 */
  while (!is_stopping(w)) {
    bool     any = begin_one(w);
    uint32_t cnt = w->config.runtime->poll(w->config.runtime_self, any ? 0 : TF_WORKER_LOOK_NS, all,
                                           w->config.in_flight);
    for (uint32_t i = 0; i < cnt; i++) done(w, &all[i]);
    if (w->busy_cnt) give_up(w);
  }
  return NULL;
}

bool tf_worker_note(tf_worker_t *w, tf_note_t *note) {
  return tf_ring_pop_sized(&w->notes_reader, note, 1, sizeof *note) == 1;
}

void tf_worker_trouble(tf_worker_t *w, char *text) {
  pthread_mutex_lock(&w->trouble_lock);
  memcpy(text, w->trouble, sizeof w->trouble);
  pthread_mutex_unlock(&w->trouble_lock);
}

uint64_t tf_worker_expired(const tf_worker_t *w) {
  return tf_load_relaxed(&w->expired); /* relaxed: a count that stands alone */
}

tf_err_t tf_worker_init(const tf_worker_config_t *config, tf_worker_t **worker) {
  size_t       bytes = tf_ring_footprint(TF_WORKER_NOTES, sizeof(tf_note_t));
  tf_worker_t *w = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(sizeof *w, TF_LINE_PAIR_BYTES));
  void        *memory = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  if (!w || !memory) {
    free(w);
    free(memory);
    return TF_ERR(E_CORE_NO_MEMORY, "a worker for %s", config->runtime->name);
  }
  memset(w, 0, sizeof *w);
  w->config       = *config;
  w->ring_memory  = memory;
  tf_ring_t *ring = tf_ring_new(memory, TF_WORKER_NOTES, sizeof(tf_note_t));
  TF_ASSERT(ring);
  tf_ring_writer_init(&w->notes, ring);
  tf_ring_reader_init(&w->notes_reader, ring);
  pthread_mutex_init(&w->trouble_lock, NULL);
  *worker = w;
  return TF_OK;
}

tf_err_t tf_worker_start(tf_worker_t *w) {
  int sys_errno = pthread_create(&w->thread, NULL, run_thread, w);
  if (sys_errno)
    return TF_ERR(E_CORE_THREAD, "worker of %s: %s", w->config.runtime->name, strerror(sys_errno));
  w->is_started = true;
  return TF_OK;
}

bool tf_worker_stop(tf_worker_t *w) {
  if (!w->is_started) return !w->is_stuck;
  struct timespec until;
  /* relaxed: a stop flag; nothing else is read on its word */
  tf_store_relaxed_u32(&w->is_stopping, 1);
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += TF_WORKER_GIVE_UP_NS / TF_NS_PER_SEC;
  w->is_started = false;
  w->is_stuck   = pthread_timedjoin_np(w->thread, NULL, &until) == ETIMEDOUT;
  if (!w->is_stuck) return true;
  pthread_detach(w->thread);
  tf_log(TF_LOG_ERROR, "worker_stuck", "runtime=%s", w->config.runtime->name);
  return false;
}

void tf_worker_fini(tf_worker_t *w) {
  if (!w || !tf_worker_stop(w)) return;
  w->config.runtime->close(w->config.runtime_self);
  pthread_mutex_destroy(&w->trouble_lock);
  free(w->ring_memory);
  free(w);
}
