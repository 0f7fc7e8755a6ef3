#include "group_http.h"

#include <string.h>

#include "cli.h"
#include "core/error.h"
#include "core/log.h"
#include "tf/atomic.h"
#include "tf/partition.h"

#define SHOW_NS (100 * TF_NS_PER_MS)

/* ---- the member's thread ---- */

static void show_partition(tf_metrics_block_t *b, const tf_group_own_t *own,
                           const tf_group_engine_t *engine) {
  tf_metrics_set(b, TF_METRIC_PARTITION_HELD, own->epoch != 0);
  tf_metrics_set(b, TF_METRIC_PARTITION_RUNNING, engine->pid != 0);
  tf_metrics_set(b, TF_METRIC_PARTITION_EPOCH, own->epoch);
  tf_metrics_set(b, TF_METRIC_PARTITION_EVENTS_BEHIND, own->events_behind);
  tf_metrics_set(b, TF_METRIC_PARTITION_DECISIONS_BEHIND, own->decisions_behind);
}

static uint32_t member_cnt(const tf_group_table_t *t) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < t->head.member_cnt; i++) cnt += t->members[i].name[0] != '\0';
  return cnt;
}

static void show_group(tf_metrics_block_t *b, const tf_group_run_t *run, uint64_t left_ns) {
  const tf_group_t                *g = &run->group;
  const tf_group_counts_t         *c = &g->counts;
  const tf_group_engines_counts_t *e = &run->engines.counts;
  uint32_t share = g->place == TF_GROUP_NOBODY ? 0 : tf_group_share(&g->table, g->place);
  const struct {
    tf_metric_t metric;
    uint64_t    value;
  } rows[] = {
      {TF_METRIC_GROUP_SHARE,         share                },
      {TF_METRIC_GROUP_HELD,          g->held_cnt          },
      {TF_METRIC_GROUP_RUNNING,       e->running           },
      {TF_METRIC_GROUP_MEMBERS,       member_cnt(&g->table)},
      {TF_METRIC_GROUP_LEASE_LEFT_NS, left_ns              },
      {TF_METRIC_GROUP_READS,         c->reads             },
      {TF_METRIC_GROUP_SWAPS,         c->swaps             },
      {TF_METRIC_GROUP_LOST,          c->lost              },
      {TF_METRIC_GROUP_FAILED,        c->failed            },
      {TF_METRIC_GROUP_LAPSES,        c->lapses            },
      {TF_METRIC_GROUP_EVICTED,       c->evicted           },
      {TF_METRIC_GROUP_ENGINE_STARTS, e->starts            },
      {TF_METRIC_GROUP_ENGINE_ENDS,   e->ends              },
      {TF_METRIC_GROUP_ENGINE_KILLS,  e->kills             }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) tf_metrics_set(b, rows[i].metric, rows[i].value);
}

void tf_group_http_show(tf_group_http_t *http, const tf_group_run_t *run) {
  uint64_t now_ns = tf_lease_clock_ns(), until_ns = run->group.safe_until_ns;
  if (!http->http) return;
  tf_store_relaxed(&http->until_ns, until_ns); /* relaxed: a word by itself */
  if (now_ns - http->shown_ns < SHOW_NS) return;
  http->shown_ns = now_ns;
  show_group(http->group, run, until_ns > now_ns ? until_ns - now_ns : 0);
  for (uint32_t p = 0; p < http->partition_cnt; p++)
    show_partition(http->partitions[p], &run->group.own[p], &run->engines.engines[p]);
}

/* ---- the listener's thread ---- */

static bool healthy(void *self, char reason[TF_HTTP_REASON_BYTES]) {
  const tf_group_http_t *http = self;
  if (tf_lease_clock_ns() >= tf_load_relaxed(&http->until_ns)) { /* relaxed: a word by itself */
    snprintf(reason, TF_HTTP_REASON_BYTES, "no lease: the group's store is not reached, or is new");
    return false;
  }
  for (uint32_t p = 0; p < http->partition_cnt; p++) {
    const tf_metrics_block_t *b = http->partitions[p];
    if (!tf_metrics_get(b, TF_METRIC_PARTITION_HELD) ||
        tf_metrics_get(b, TF_METRIC_PARTITION_RUNNING))
      continue;
    snprintf(reason, TF_HTTP_REASON_BYTES,
             "partition " TF_PARTITION_FORMAT ": its engine does not run", p);
    return false;
  }
  return true;
}

/* ---- lifetime ---- */

static tf_err_t make_page(tf_group_http_t *http, const tf_config_t *config) {
  char name[TF_METRICS_NAME_BYTES];
  http->partition_cnt = config->group.partitions < TF_GROUP_HTTP_PARTITIONS_MAX
                            ? config->group.partitions
                            : TF_GROUP_HTTP_PARTITIONS_MAX;
  size_t bytes        = tf_align_up(tf_metrics_footprint(1 + http->partition_cnt, 0), 4096);
  if (!(http->memory = aligned_alloc(4096, bytes)))
    return TF_ERR(E_CORE_NO_MEMORY, "metrics page: %zu bytes", bytes);
  memset(http->memory, 0, bytes);
  http->page = tf_metrics_new(http->memory, bytes);
  if (!http->page) return tf_error_code();
  http->group = tf_metrics_block_add(http->page, TF_METRIC_GROUP, config->group.name, false);
  for (uint32_t p = 0; http->group && p < http->partition_cnt; p++) {
    snprintf(name, sizeof name, TF_PARTITION_FORMAT, p);
    if (!(http->partitions[p] = tf_metrics_block_add(http->page, TF_METRIC_PARTITION, name, false)))
      return tf_error_code();
  }
  return http->group ? TF_OK : tf_error_code();
}

tf_err_t tf_group_http_init(tf_group_http_t *http, const tf_config_t *config) {
  memset(http, 0, sizeof *http);
  if (!config->http.listen.host) return TF_OK;
  tf_err_t         err  = make_page(http, config);
  tf_http_config_t with = {.host    = config->http.listen.host,
                           .port    = config->http.listen.port,
                           .metrics = http->page,
                           .version = TF_VERSION,
                           .healthy = healthy,
                           .self    = http};
  if (!err) err = tf_http_start(&with, &http->http);
  if (!err)
    tf_log(TF_LOG_NOTICE, "http_listening", "url=http://%s:%u/", config->http.listen.host,
           tf_http_port(http->http));
  return err;
}

void tf_group_http_fini(tf_group_http_t *http) {
  tf_http_stop(http->http);
  if (http->page) tf_metrics_delete(http->page);
  free(http->memory);
}
