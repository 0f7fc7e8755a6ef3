#include "live_table.h"

#include <inttypes.h>
#include <unistd.h>

typedef struct totals {
  uint64_t messages, events, decisions, gaps, rejected, buys, sells;
} totals_t;

const char *tf_live_table_state(uint64_t feed_state) {
  static const char *const names[] = {"CONNECTING", "SYNCING", "LIVE", "STALE", "RESYNC", "DOWN"};
  return feed_state < TF_ARRAY_CNT(names) ? names[feed_state] : "?";
}

static void read_totals(const tf_metrics_t *page, totals_t *t) {
  *t = (totals_t){.messages  = tf_metrics_sum(page, TF_METRIC_FEED_MESSAGES),
                  .decisions = tf_metrics_sum(page, TF_METRIC_DECISIONS),
                  .buys      = tf_metrics_sum(page, TF_METRIC_ACTIONS_BUY),
                  .sells     = tf_metrics_sum(page, TF_METRIC_ACTIONS_SELL),
                  .gaps      = tf_metrics_sum(page, TF_METRIC_FEED_GAPS)};
  for (uint32_t i = 0; i < TF_EVENT_KIND_CNT; i++)
    t->events += tf_metrics_sum(page, (tf_metric_t)(TF_METRIC_FEED_EVENTS_TRADE + i));
  for (uint32_t i = 0; i < TF_REJECT_CNT; i++)
    t->rejected += tf_metrics_sum(page, (tf_metric_t)(TF_METRIC_FEED_REJECTED_SYNTAX + i));
}

static void print_head(void) {
  printf("%6s %-11s %9s %9s %10s %9s %9s | %27s | %5s %8s\n", "time", "feed", "messages", "msg/s",
         "events", "ev/s", "decisions", "tick to decision, us", "", "");
  printf("%6s %-11s %9s %9s %10s %9s %9s | %6s %6s %6s %6s | %5s %8s\n", "s", "", "", "", "", "",
         "", "p50", "p99", "p99.9", "max", "gaps", "rejected");
}

/* On a terminal the newest line replaces the last one but every tenth stays, so that the run can be
 * read back. */
void tf_live_table_draw(const tf_engine_t *engine, uint32_t feed_cnt, uint64_t elapsed_ns) {
  static totals_t  before;
  static uint64_t  before_ns, lines;
  static tf_hist_t hist;
  totals_t         now;
  bool             is_terminal = isatty(STDOUT_FILENO);
  uint64_t         state       = TF_FEED_LIVE;
  read_totals(engine->publish.page, &now);
  tf_metrics_hist_sum(engine->publish.page, TF_METRIC_HIST_TICK_TO_DECISION, &hist);
  for (uint32_t i = 0; i < feed_cnt; i++) {
    uint64_t one        = tf_metrics_get(engine->publish.feeds[i], TF_METRIC_FEED_STATE);
    bool     is_standby = tf_metrics_get(engine->publish.feeds[i], TF_METRIC_FEED_STANDBY);
    if (one != TF_FEED_LIVE && !is_standby) state = one;
  }
  if (lines == 0) print_head();
  double seconds = (double)(elapsed_ns - before_ns) * 1e-9;
  if (seconds <= 0) seconds = 1;
  if (is_terminal && lines % 10) printf("\033[1A\033[2K");
  printf("%6.1f %-11s %9" PRIu64 " %9.0f %10" PRIu64 " %9.0f %9" PRIu64
         " | %6.1f %6.1f %6.1f %6.1f | %5" PRIu64 " %8" PRIu64 "\n",
         (double)elapsed_ns * 1e-9, tf_live_table_state(state), now.messages,
         (double)(now.messages - before.messages) / seconds, now.events,
         (double)(now.events - before.events) / seconds, now.decisions,
         (double)tf_hist_quantile(&hist, 0.5) / 1e3, (double)tf_hist_quantile(&hist, 0.99) / 1e3,
         (double)tf_hist_quantile(&hist, 0.999) / 1e3, (double)hist.max / 1e3, now.gaps,
         now.rejected);
  fflush(stdout);
  before    = now;
  before_ns = elapsed_ns;
  lines++;
}
