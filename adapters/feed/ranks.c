#include "feed/ranks.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

#define LOOK_NS (50 * TF_NS_PER_MS)

tf_err_t tf_ranks_measure(const tf_ranks_feed_t *feed, tf_dialer_t *dialer,
                          const uint32_t *stopping, tf_ranker_row_t *rows,
                          uint8_t best_first[TF_ENDPOINTS_MAX]) {
  tf_ranker_config_t config = {
      .dialer       = dialer,
      .endpoints    = feed->endpoints,
      .endpoint_cnt = feed->ranking->cnt,
      .target       = feed->target,
      .random       = {NULL, tf_ws_random_system},
      .stopping     = stopping
  };
  tf_err_t err = tf_ranker_measure(&config, rows);
  if (err) return err;
  tf_ranking_order_t before;
  do { /* a lane may demote one meanwhile: then with that in mind */
    before = tf_ranking_read(feed->ranking);
    tf_ranker_order(rows, feed->ranking->cnt, &before, best_first);
  } while (!tf_ranking_replace(feed->ranking, &before, best_first));
  return TF_OK;
}

static void log_order(const tf_ranks_feed_t *feed, const tf_ranker_row_t *rows,
                      const uint8_t *best_first) {
  char   text[512];
  size_t used = 0;
  for (uint32_t i = 0; i < feed->ranking->cnt && used < sizeof text; i++) {
    const tf_endpoint_t   *e   = &feed->endpoints[best_first[i]];
    const tf_ranker_row_t *row = &rows[best_first[i]];
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:%s=", i ? "," : "", e->host,
                             e->port);
    if (used >= sizeof text) break;
    used += row->err
                ? (size_t)snprintf(text + used, sizeof text - used, "%s", tf_error_name(row->err))
                : (size_t)snprintf(text + used, sizeof text - used, "%.1fms",
                                   (double)row->ping_ns / 1e6);
  }
  tf_log(TF_LOG_NOTICE, "endpoints_ranked", "feed=%s order=%s", feed->name, text);
}

static void measure(tf_ranks_t *ranks, tf_ranks_feed_t *feed) {
  static tf_ranker_row_t rows[TF_ENDPOINTS_MAX]; /* one thread */
  uint8_t                best_first[TF_ENDPOINTS_MAX];
  tf_ranking_order_t     before = tf_ranking_read(feed->ranking);
  if (tf_ranks_measure(feed, ranks->dialer, &ranks->stopping, rows, best_first) == TF_OK) {
    bool is_changed = memcmp(before.best_first, best_first, feed->ranking->cnt) != 0;
    if (!feed->is_logged || is_changed) log_order(feed, rows, best_first);
    feed->is_logged = true;
  }
  feed->due_ns = feed->every_ns ? tf_clock_monotonic_ns() + feed->every_ns : UINT64_MAX;
}

static void *ranks_thread(void *arg) {
  tf_ranks_t *ranks = arg;
  /* relaxed: a stop flag; nothing else is read on its word */
  while (!tf_load_relaxed_u32(&ranks->stopping)) {
    for (uint32_t i = 0; i < ranks->feed_cnt; i++)
      if (tf_clock_monotonic_ns() >= ranks->feeds[i].due_ns) measure(ranks, &ranks->feeds[i]);
    tf_store_release_u32(&ranks->measured, 1); /* pairs with: tf_ranks_start */
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  return NULL;
}

void tf_ranks_add(tf_ranks_t *ranks, const tf_ranks_feed_t *feed) {
  TF_ASSERT(ranks->feed_cnt < TF_RANKS_FEEDS_MAX && feed->ranking->cnt > 1);
  ranks->feeds[ranks->feed_cnt++] = *feed;
}

tf_err_t tf_ranks_start(tf_ranks_t *ranks, tf_dialer_t *dialer) {
  ranks->dialer = dialer;
  if (ranks->feed_cnt == 0) return TF_OK;
  int failed = pthread_create(&ranks->thread, NULL, ranks_thread, ranks);
  if (failed) return TF_ERR(E_CORE_THREAD, "measuring endpoints: %s", strerror(failed));
  ranks->is_running = true;
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (!tf_load_acquire_u32(&ranks->measured) && /* pairs with: ranks_thread */
         tf_clock_monotonic_ns() - begin_ns < TF_RANKS_WAIT_NS)
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS / 10}, NULL);
  return TF_OK;
}

void tf_ranks_stop(tf_ranks_t *ranks) {
  if (!ranks->is_running) return;
  tf_store_relaxed_u32(&ranks->stopping, 1); /* relaxed: a stop flag */
  pthread_join(ranks->thread, NULL);
  ranks->is_running = false;
}
