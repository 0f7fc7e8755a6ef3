#include "boot/cache_report.h"

void tf_cache_report_publish(tf_cache_t *cache, tf_publish_t *publish) {
  tf_cache_figures_t f;
  tf_cache_read(cache, &f);
  for (uint32_t i = 0; i < f.level_cnt; i++) {
    const tf_cache_level_t *l = &f.levels[i];
    tf_metrics_block_t     *b = publish->cache_levels[i];
    if (!b) continue;
    tf_metrics_set(b, TF_METRIC_CACHE_HITS, l->hits);
    tf_metrics_set(b, TF_METRIC_CACHE_MISSES, l->misses);
    tf_metrics_set(b, TF_METRIC_CACHE_DAMAGED, l->damaged);
    tf_metrics_set(b, TF_METRIC_CACHE_FAILED, l->failed);
    tf_metrics_set(b, TF_METRIC_CACHE_PUT, l->put);
    tf_metrics_set(b, TF_METRIC_CACHE_MODELS, l->entries);
    tf_metrics_set(b, TF_METRIC_CACHE_BYTES, l->bytes);
    tf_metrics_set(b, TF_METRIC_CACHE_HIT_NS, l->hit_ns);
    tf_metrics_set(b, TF_METRIC_CACHE_HIT_NS_MAX, l->hit_ns_max);
  }
}

typedef struct listing {
  json_t  *rows;
  uint32_t at, from;
} listing_t;

static void list_row(void *self, const tf_cache_row_t *row) {
  listing_t *l  = self;
  uint32_t   at = l->at++;
  if (at < l->from || at >= l->from + TF_CACHE_REPORT_PAGE) return;
  json_array_append_new(l->rows,
                        json_pack("{ss ss sI sI sI sI sb}", "key", row->key, "level", row->level,
                                  "version", (json_int_t)row->number, "holders",
                                  (json_int_t)row->holders, "bytes", (json_int_t)row->bytes,
                                  "takes", (json_int_t)row->takes, "pinned", (int)row->is_pinned));
}

static json_t *list_levels(const tf_cache_figures_t *f) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < f->level_cnt; i++) {
    const tf_cache_level_t *l = &f->levels[i];
    json_array_append_new(list,
                          json_pack("{ss sI sI sI sI sI sI sI sf sf}", "level", l->name, "hits",
                                    (json_int_t)l->hits, "misses", (json_int_t)l->misses, "damaged",
                                    (json_int_t)l->damaged, "failed", (json_int_t)l->failed, "put",
                                    (json_int_t)l->put, "models", (json_int_t)l->entries, "bytes",
                                    (json_int_t)l->bytes, "hit_ms_mean",
                                    l->hits ? (double)l->hit_ns / (double)l->hits * 1e-6 : 0.0,
                                    "hit_ms_max", (double)l->hit_ns_max * 1e-6));
  }
  return list;
}

json_t *tf_cache_report_list(tf_cache_t *cache, uint32_t from) {
  tf_cache_figures_t f;
  listing_t          l = {.rows = json_array(), .from = from};
  tf_cache_read(cache, &f);
  tf_cache_each(cache, list_row, &l);
  bool more = l.at > from + TF_CACHE_REPORT_PAGE;
  return json_pack("{so so so sI sI sI sI}", "models", l.rows, "next",
                   more ? json_integer((json_int_t)from + TF_CACHE_REPORT_PAGE) : json_null(),
                   "levels", list_levels(&f), "takes", (json_int_t)f.takes, "refused",
                   (json_int_t)f.refused, "evicted", (json_int_t)f.evicted, "replaced",
                   (json_int_t)f.replaced);
}
