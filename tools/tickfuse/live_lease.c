#include "live_lease.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "boot/lease_page.h"
#include "cli.h"
#include "core/error.h"
#include "core/log.h"

#define LOOK_NS (5 * TF_NS_PER_MS)

static struct {
  tf_lease_row_t *row; /* NULL: there is no supervisor */
  uint32_t        epoch;
} own;

static void *look(void *page) {
  while (!tf_lease_page_is_over(page, tf_lease_clock_ns()))
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  tf_log(TF_LOG_FATAL, "lease_over", "why=\"the partition is another engine's, or will be\"");
  _exit(TF_EXIT_FAILED);
}

tf_err_t tf_live_lease_start(int fd, uint32_t partition, uint32_t epoch) {
  const tf_lease_page_t *page;
  pthread_t              thread;
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  tf_err_t err = tf_lease_page_join(fd, partition, &page, &own.row);
  if (err) return err;
  own.epoch = epoch;
  if (pthread_create(&thread, NULL, look, (void *)(uintptr_t)page) != 0)
    return TF_ERR(E_CORE_THREAD, "the lease's watch");
  (void)pthread_detach(thread);
  return TF_OK;
}

/* Of the sinks' own counts: who waits for one publishes no metrics. */
static uint64_t decisions_behind(const tf_engine_t *e) {
  const tf_emit_t *emit    = &e->runner.emit;
  uint64_t         pending = 0;
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_sink_counts_t c;
    if (emit->sinks[i].shape.carries != TF_CARRIES_DECISIONS) continue;
    tf_emit_counts(&emit->sinks[i], &c);
    if (c.pending > pending) pending = c.pending;
  }
  return pending + (e->decision_ring ? tf_ring_fill_cnt(e->decision_ring) : 0);
}

void tf_live_lease_tell(const tf_engine_t *engine) {
  if (!own.row) return;
  const tf_metrics_t  *page = engine->publish.page;
  const tf_lease_row_t said = {.epoch            = own.epoch,
                               .beat_ns          = tf_lease_clock_ns(),
                               .events_behind    = tf_metrics_sum(page, TF_METRIC_FEED_INTAKE_LAG),
                               .decisions_behind = decisions_behind(engine)};
  tf_lease_row_set(own.row, &said);
}
