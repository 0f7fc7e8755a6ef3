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

void tf_live_lease_tell(const tf_publish_t *publish) {
  if (!own.row) return;
  tf_lease_row_t said = {.epoch         = own.epoch,
                         .beat_ns       = tf_lease_clock_ns(),
                         .events_behind = tf_metrics_sum(publish->page, TF_METRIC_FEED_INTAKE_LAG)};
  for (uint32_t i = 0; i < TF_SINKS_MAX && publish->sinks[i]; i++) {
    uint64_t pending = tf_metrics_get(publish->sinks[i], TF_METRIC_SINK_PENDING);
    if (pending > said.decisions_behind) said.decisions_behind = pending;
  }
  tf_lease_row_set(own.row, &said);
}
