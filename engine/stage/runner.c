#include "stage/runner.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"

#define HOUSEKEEPING_NS (1 * TF_NS_PER_MS)
#define IDLE_SLEEP_NS   (50 * TF_NS_PER_US) /* ring consumers under idle: sleep */
#define IDLE_WAIT_NS    HOUSEKEEPING_NS     /* acquire waits for bytes under idle: sleep */
#define LANE_BURST      256 /* events taken before the stop flag is looked at again */
#define EMIT_BURST      32
#define ASSIST_BURST                                                                               \
  256 /* looks at the models' orders before the clock and the end are looked at */

typedef struct thread_args {
  tf_runner_t *runner;
  uint32_t     idx;
} thread_args_t;

static bool is_stopping(const tf_runner_t *r) {
  /* relaxed: a stop flag; nothing else is read on its word */
  return tf_load_relaxed_u32(&r->stopping);
}

static void rest(tf_idle_t idle) {
  switch (idle) {
  case TF_IDLE_SPIN: tf_spin_pause(); break;
  case TF_IDLE_YIELD: sched_yield(); break;
  case TF_IDLE_SLEEP: nanosleep(&(struct timespec){.tv_nsec = IDLE_SLEEP_NS}, NULL); break;
  }
}

/* One pass of acquire. False when it will never have work again. */
static bool pass_acquire(tf_runner_t *r, uint64_t now_ns, bool may_wait, int *work) {
  uint64_t wait_ns = r->idle == TF_IDLE_SLEEP && may_wait ? IDLE_WAIT_NS : 0;
  int      n       = tf_acquire_poll(&r->acquire, now_ns, wait_ns);
  if (n == TF_SOURCE_DONE || is_stopping(r)) {
    for (uint32_t i = 0; i < r->acquire.source_cnt; i++)
      r->acquire.sources[i]->ops->stop(r->acquire.sources[i]);
    tf_store_release_u32(&r->acquire_done, 1); /* pairs with: pass_lane */
    return false;
  }
  *work += n;
  return true;
}

/* One pass of a lane behind the event ring. */
static bool pass_lane(tf_runner_t *r, int *work) {
  uint32_t done = tf_load_acquire_u32(&r->acquire_done); /* pairs with: pass_acquire */
  void (*deliver)(void *, const tf_event_t *, uint32_t, uint64_t, uint64_t) =
      r->lane.batch ? tf_batch_on_events : tf_lane_on_events;
  for (uint32_t burst = 0; burst < LANE_BURST;) {
    uint32_t               cnt     = LANE_BURST - burst;
    const tf_ring_event_t *records = tf_ring_peek(r->event_reader, &cnt);
    if (cnt == 0) break;
    for (uint32_t i = 0; i < cnt; i++)
      deliver(&r->lane, &records[i].event, 1, records[i].origin_tsc, records[i].decoded_tsc);
    tf_ring_release(r->event_reader, cnt);
    burst += cnt;
    *work += (int)cnt;
  }
  /* done was read before the ring was found empty: nothing can follow. */
  return !(done && *work == 0);
}

static bool pass_emit(tf_runner_t *r, int *work) {
  uint32_t           done = tf_load_acquire_u32(&r->lane_done); /* pairs with: run_thread */
  tf_ring_decision_t records[EMIT_BURST];
  uint32_t cnt = tf_ring_pop_sized(r->decision_reader, records, EMIT_BURST, sizeof records[0]);
  for (uint32_t i = 0; i < cnt; i++) {
    tf_emit_offer(&r->emit, &records[i].decision, 1, &records[i].origin_tsc);
    tf_hist_record(&r->lane.hists[TF_HOP_EMIT],
                   tf_clock_ticks_to_ns(tf_clock_ticks() - records[i].decided_tsc));
  }
  *work += (int)cnt;
  return !(done && cnt == 0);
}

/* Events, quotes and feature rows that wait for sinks. */
static uint32_t drain_passages(tf_runner_t *r) {
  uint32_t drained = 0;
  for (uint32_t i = 0; i < TF_CARRIES_CNT; i++)
    if (r->passages[i]) drained += tf_passage_drain(r->passages[i]);
  return drained;
}

/* Orders come within a tick, so it looks for them without a pause of the thread in between. */
static bool pass_assist(tf_runner_t *r, int *work) {
  const uint32_t done = tf_load_acquire_u32(&r->lane_done); /* pairs with: run_thread */
  for (uint32_t burst = 0; burst < ASSIST_BURST; burst++) {
    uint32_t jobs = 0;
    for (uint32_t i = 0; i < r->assisted_cnt; i++) jobs += r->assisted[i]->assist(r->assisted[i]);
    *work += (int)jobs;
    if (jobs == 0) tf_spin_pause();
  }
  return !done;
}

static void housekeep(tf_runner_t *r, uint32_t stages, uint64_t now_ns) {
  if (stages & TF_STAGE_EMIT) tf_emit_idle(&r->emit, now_ns);
  if (r->housekeep) r->housekeep(r->housekeep_self, stages, now_ns);
}

/* A little of what can be done while nothing comes. */
static bool idle_lane(tf_lane_t *lane) {
  bool any = tf_compute_idle(&lane->compute);
  if (lane->onlooker.idle) any |= lane->onlooker.idle(lane->onlooker.self);
  return any;
}

/* The loop of a thread: its first stage pulls, the others of the thread run inside that call. */
static void loop(tf_runner_t *r, uint32_t stages) {
  uint64_t housekept_tsc = 0;
  uint64_t period_tsc    = tf_clock_ns_to_ticks(HOUSEKEEPING_NS);
  bool     is_queued     = false; /* ticks wait for others: no time to sleep */
  for (bool more = true; more;) {
    uint64_t tsc  = tf_clock_ticks();
    int      work = 0;
    if (stages & TF_STAGE_ACQUIRE)
      more = pass_acquire(r, tf_clock_wall_of_ticks(tsc), !is_queued, &work);
    else if (stages & TF_STAGE_ASSIST)
      more = pass_assist(r, &work);
    else if (stages & TF_STAGE_LANE)
      more = pass_lane(r, &work);
    else
      more = pass_emit(r, &work);
    if (stages & TF_STAGE_EMIT) {
      uint32_t drained = drain_passages(r); /* after the look at who is done: nothing can follow */
      work += (int)drained;
      more |= drained > 0;
    }
    if (stages & TF_STAGE_LANE && r->lane.batch) is_queued = tf_batch_settle(&r->lane, !more);
    if (tsc - housekept_tsc >= period_tsc) {
      housekept_tsc = tsc;
      housekeep(r, stages, tf_clock_wall_of_ticks(tsc));
    }
    if (TF_UNLIKELY(r->lane.shed.is_on) && stages & TF_STAGE_LANE && (work == 0 || !more))
      tf_shed_idle(&r->lane, !more);
    if (work == 0 && more && stages & TF_STAGE_LANE) work = idle_lane(&r->lane);
    bool waited = stages & TF_STAGE_ACQUIRE && r->acquire.io && r->idle == TF_IDLE_SLEEP;
    if (work == 0 && more && !waited && !is_queued) rest(r->idle);
  }
}

static void name_of(uint32_t stages, char *name, size_t bytes) {
  snprintf(name, bytes, "tf:%s%s%s%s", stages & TF_STAGE_ASSIST ? "help" : "",
           stages & TF_STAGE_ACQUIRE ? "acq" : "", stages & TF_STAGE_LANE ? "lane" : "",
           stages & TF_STAGE_EMIT ? "emit" : "");
}

static void *run_thread(void *arg) {
  thread_args_t args = *(thread_args_t *)arg;
  free(arg);
  tf_runner_t        *r = args.runner;
  tf_runner_thread_t *t = &r->threads[args.idx];
  char                name[24];
  name_of(t->stages, name, sizeof name);
  if (tf_cpu_pin(t->cpu, name) != TF_OK)
    tf_log(TF_LOG_WARN, "thread_not_pinned", "text=\"%s\"", tf_error_text());
  if (r->seal) tf_arena_lane_enter();
  loop(r, t->stages);
  if (t->stages & TF_STAGE_LANE) tf_store_release_u32(&r->lane_done, 1); /* pairs with: pass_emit */
  tf_arena_lane_leave();
  housekeep(r, t->stages, tf_clock_wall_ns());
  tf_store_release_u32(&r->thread_done[args.idx], 1); /* pairs with: tf_runner_is_running */
  return NULL;
}

tf_err_t tf_runner_check(const tf_runner_thread_t *threads, uint32_t thread_cnt) {
  uint32_t next = TF_STAGE_ACQUIRE;
  for (uint32_t i = 0; i < thread_cnt; i++) {
    if (threads[i].stages & TF_STAGE_ASSIST && threads[i].stages != TF_STAGE_ASSIST)
      return TF_ERR(E_BOOT_TOPOLOGY, "thread %u: what assists does nothing else", i);
    for (uint32_t stage = 1; stage <= TF_STAGE_EMIT; stage <<= 1) {
      if (!(threads[i].stages & stage)) continue;
      if (stage != next)
        return TF_ERR(E_BOOT_TOPOLOGY,
                      "thread %u: stages must follow acquire, buffer compute decide, "
                      "emit, each once: cut only after acquire and after decide",
                      i);
      next <<= 1;
    }
  }
  if (next != TF_STAGE_EMIT << 1)
    return TF_ERR(E_BOOT_TOPOLOGY, "a stage has no thread: lanes must name acquire, buffer, "
                                   "compute, decide and emit");
  return TF_OK;
}

tf_err_t tf_runner_start(tf_runner_t *r) {
  tf_err_t err = tf_runner_check(r->threads, r->thread_cnt);
  if (err) return err;
  r->acquire.stopping = r->lane.stopping = r->emit.stopping = &r->stopping;
  for (uint32_t i = 0; i < TF_CARRIES_CNT; i++)
    if (r->passages[i]) r->passages[i]->stopping = &r->stopping;
  for (uint32_t i = 0; i < r->thread_cnt; i++) {
    thread_args_t *args = malloc(sizeof *args);
    if (!args) return TF_ERR(E_CORE_NO_MEMORY, "thread arguments");
    *args = (thread_args_t){r, i};
    pthread_t thread;
    int       sys_errno = pthread_create(&thread, NULL, run_thread, args);
    if (sys_errno) {
      free(args);
      r->thread_cnt = i;
      tf_runner_stop(r);
      return TF_ERR(E_CORE_THREAD, "thread %u cannot be started: %s", i, strerror(sys_errno));
    }
    r->pthreads[i] = (uint64_t)thread;
  }
  return TF_OK;
}

void tf_runner_stop(tf_runner_t *r) {
  tf_store_relaxed_u32(&r->stopping, 1); /* relaxed: a flag, no data behind it */
}

bool tf_runner_is_running(const tf_runner_t *r) {
  for (uint32_t i = 0; i < r->thread_cnt; i++)
    if (!tf_load_acquire_u32(&r->thread_done[i])) return true; /* pairs with: run_thread */
  return false;
}

tf_err_t tf_runner_join(tf_runner_t *r) {
  for (uint32_t i = 0; i < r->thread_cnt; i++) pthread_join((pthread_t)r->pthreads[i], NULL);
  tf_err_t err = tf_emit_close(&r->emit, tf_clock_wall_ns());
  return r->acquire.failed ? r->acquire.failed : err;
}
