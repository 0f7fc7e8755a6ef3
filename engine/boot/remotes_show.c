/* What is shown of the models that workers answer: metrics, the summary, the operator's status, the ledger. */
#include "boot/remotes.h"

#include <string.h>

#include "boot/remotes_row.h"

static const char *const state_names[] = {
#define NAME_(id, name) name,
    TF_CHILD_STATES(NAME_)
#undef NAME_
};

const char *tf_remotes_state_name(uint64_t state) {
  return state < TF_ARRAY_CNT(state_names) ? state_names[state] : "?";
}

static const struct {
  const char *name;
  uint32_t    asked; /* tf_asked_t */
} misses[] = {
    {"absent",  TF_ASKED_ABSENT },
    {"late",    TF_ASKED_LATE   },
    {"behind",  TF_ASKED_BEHIND },
    {"refused", TF_ASKED_REFUSED},
    {"wrong",   TF_ASKED_WRONG  },
    {"unkept",  TF_ASKED_UNKEPT },
};
TF_STATIC_ASSERT(TF_ARRAY_CNT(misses) == TF_ASKED_CNT - 2 &&
                     TF_METRIC_MODEL_WORKER_MISSED_UNKEPT - TF_METRIC_MODEL_WORKER_MISSED_ABSENT ==
                         TF_ARRAY_CNT(misses) - 1,
                 "all but ANSWERED and WARMING are misses, with a metric each");

static const char *const end_names[] = {"exit",  "signal",  "failed", "start",
                                        "heart", "suspect", "asked"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(end_names) == TF_CHILD_END_CNT &&
                     TF_METRIC_MODEL_WORKER_ENDED_ASKED - TF_METRIC_MODEL_WORKER_ENDED_EXIT ==
                         TF_CHILD_END_CNT - 1,
                 "a name and a metric for each end");

static const char *const revival_names[] = {"asked", "refilled"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(revival_names) == TF_CHILD_REVIVAL_CNT &&
                     TF_METRIC_MODEL_WORKER_REVIVED_REFILLED -
                             TF_METRIC_MODEL_WORKER_REVIVED_ASKED ==
                         TF_CHILD_REVIVAL_CNT - 1,
                 "a name and a metric for each revival");

const char *tf_remotes_revival_name(uint32_t cause) { return revival_names[cause]; }

static uint64_t read_word(const uint64_t *word) {
  return tf_load_relaxed(word); /* relaxed: a figure that stands alone */
}

static const tf_remotes_row_t *row_of(const tf_remotes_t *rs, uint32_t i) {
  return rs && (rs->rows[i].remote || rs->rows[i].place.why[0]) ? &rs->rows[i] : NULL;
}

static int64_t apart(uint64_t left, uint64_t right) {
  int64_t off = (int64_t)(left - right);
  return off < 0 ? -off : off;
}

int64_t tf_remotes_residual(const tf_remotes_t *rs) {
  int64_t off = 0;
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++) {
    const tf_remote_t *r   = rs->rows[i].remote;
    uint64_t           sum = 0;
    if (!r) continue;
    for (uint32_t k = 0; k < TF_ASKED_CNT; k++) sum += r->counts.results[k];
    off += apart(r->counts.asked, sum);
  }
  return off;
}

uint64_t tf_remotes_kept(const tf_remotes_t *rs) {
  uint64_t kept = 0;
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++)
    if (rs->rows[i].remote) kept += rs->rows[i].remote->counts.kept;
  return kept;
}

uint64_t tf_remotes_unmatched(const tf_remotes_t *rs) {
  uint64_t cnt = 0;
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++)
    if (rs->rows[i].remote) cnt += rs->rows[i].remote->counts.unmatched;
  return cnt;
}

/* What of the device is told, in this order in JSON and metrics. */
static const struct {
  const char *name;
  size_t      offset; /* in tf_mailbox_device_t */
  int         metric; /* -1: none */
} device_words[] = {
#define WORD_(field, metric)                                                                       \
  { #field, offsetof(tf_mailbox_device_t, field), metric }
    WORD_(index, TF_METRIC_MODEL_DEVICE_INDEX),
    WORD_(compute_busy_pct, TF_METRIC_MODEL_DEVICE_BUSY),
    WORD_(memory_busy_pct, -1),
    WORD_(memory_used_bytes, TF_METRIC_MODEL_DEVICE_MEMORY_BYTES),
    WORD_(memory_bytes, -1),
    WORD_(compute_clock_mhz, TF_METRIC_MODEL_DEVICE_CLOCK),
    WORD_(memory_clock_mhz, -1),
    WORD_(temperature_c, TF_METRIC_MODEL_DEVICE_TEMPERATURE),
    WORD_(power_mw, TF_METRIC_MODEL_DEVICE_POWER),
    WORD_(xid_cnt, TF_METRIC_MODEL_DEVICE_XID),
    WORD_(xid_last, -1),
    WORD_(model_bytes, -1),
    WORD_(window_bytes, -1),
#undef WORD_
};

static uint64_t device_word(const tf_mailbox_device_t *d, size_t i) {
  return read_word((const uint64_t *)(const void *)((const uint8_t *)d + device_words[i].offset));
}

/* Words of shared memory that are a text; none where it is empty or no UTF-8. */
static void put_text(json_t *root, const char *key, const char *shared, size_t bytes) {
  TF_ALIGNED(8) char text[sizeof(((tf_mailbox_device_t *)NULL)->name)];
  TF_ASSERT(bytes <= sizeof text);
  tf_words_from_shared((uint64_t *)(void *)text, (const uint64_t *)(const void *)shared,
                       bytes / sizeof(uint64_t));
  json_t *string = text[0] ? json_stringn(text, strnlen(text, bytes)) : NULL;
  if (string) json_object_set_new(root, key, string);
}

static void put_device(const tf_mailbox_device_t *d, json_t *root) {
  if (read_word(&d->updated_ns) == 0) return;
  json_t *device = json_object();
  put_text(device, "name", d->name, sizeof d->name);
  put_text(device, "pci", d->pci, sizeof d->pci);
  for (size_t i = 0; i < TF_ARRAY_CNT(device_words); i++)
    if (device_word(d, i) != TF_MAILBOX_UNKNOWN)
      json_object_set_new(device, device_words[i].name,
                          json_integer((json_int_t)device_word(d, i)));
  json_object_set_new(root, "device", device);
}

static void publish_market(const tf_child_market_t *m, tf_metrics_block_t *b) {
  const tf_child_market_counts_t *c = &m->counts;
  tf_metrics_set(b, TF_METRIC_MODEL_MARKET_ROWS, c->rows);
  tf_metrics_set(b, TF_METRIC_MODEL_MARKET_STATES, c->states);
  tf_metrics_set(b, TF_METRIC_MODEL_MARKET_STATE_BYTES, c->state_bytes);
  tf_metrics_set(b, TF_METRIC_MODEL_MARKET_STATES_WAITED, c->states_waited);
  tf_metrics_set(b, TF_METRIC_MODEL_MARKET_SEATED, m->seated_cnt);
  tf_metrics_set(b, TF_METRIC_MODEL_MARKET_ANEW, c->sections_anew);
}

void tf_remotes_publish(const tf_remotes_t *rs, uint32_t i, tf_metrics_block_t *b) {
  const tf_remotes_row_t *row = row_of(rs, i);
  if (!row) return;
  tf_metrics_set(b, TF_METRIC_MODEL_PLACE_CPU_NS, row->place.cpu_ns);
  tf_metrics_set(b, TF_METRIC_MODEL_PLACE_WORKER_NS, row->place.worker_ns);
  if (!row->remote) return;
  if (row->remote->market) publish_market(row->remote->market, b);
  const tf_remote_t        *r = row->remote;
  const tf_remotes_shown_t *s = &row->shown;
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_STATE, read_word(&s->state));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_STARTS, read_word(&s->starts));
  for (uint32_t k = 0; k < TF_CHILD_END_CNT; k++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_MODEL_WORKER_ENDED_EXIT + k), read_word(&s->ends[k]));
  for (uint32_t k = 0; k < TF_CHILD_REVIVAL_CNT; k++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_MODEL_WORKER_REVIVED_ASKED + k),
                   read_word(&s->revived[k]));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_SWAPS, read_word(&s->swaps));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_BACK_NS, read_word(&s->back_ns));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_BACK_MAX_NS, read_word(&s->back_ns_max));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_COMPARED, read_word(&s->compared));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_WRONG, read_word(&s->wrong));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_WRONG_FIRST, read_word(&s->wrong_first_seq));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_WRONG_LAST, read_word(&s->wrong_last_seq));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_ASKED, r->counts.asked);
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_REQUESTS, r->lane.counts.requests);
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_WARMUP, r->counts.results[TF_ASKED_WARMING]);
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_ANSWERED, r->counts.results[TF_ASKED_ANSWERED]);
  for (uint32_t k = 0; k < TF_ARRAY_CNT(misses); k++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_MODEL_WORKER_MISSED_ABSENT + k),
                   r->counts.results[misses[k].asked]);
  for (size_t k = 0; k < TF_ARRAY_CNT(device_words); k++) {
    uint64_t word = device_word(&s->device, k);
    if (device_words[k].metric >= 0)
      tf_metrics_set(b, (tf_metric_t)device_words[k].metric, word == TF_MAILBOX_UNKNOWN ? 0 : word);
  }
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_ROWS_AGAIN, r->lane.counts.rows_again);
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_TRIP_NS, tf_hist_quantile(&r->round_trips, 0.5));
  tf_metrics_set(b, TF_METRIC_MODEL_WORKER_TRIP_P99_NS, tf_hist_quantile(&r->round_trips, 0.99));
}

static json_t *hist_json(const tf_hist_t *h) {
  return json_pack("{sIsIsIsIsI}", "count", (json_int_t)h->cnt, "p50",
                   (json_int_t)tf_hist_quantile(h, 0.5), "p99",
                   (json_int_t)tf_hist_quantile(h, 0.99), "p99_9",
                   (json_int_t)tf_hist_quantile(h, 0.999), "max", (json_int_t)h->max);
}

/* What is the same in the summary and in the status. */
static void put_worker(const tf_remotes_t *rs, const tf_remotes_row_t *row, json_t *root) {
  const tf_remotes_shown_t *s = &row->shown;
  char                      text[TF_REMOTES_TEXT_BYTES];
  if (rs->is_open) json_object_set_new(root, "placed", tf_placement_json(&row->place));
  if (!row->remote) return; /* auto left it to the CPU */
  if (rs->is_open)
    json_object_set_new(root, "state", json_string(tf_remotes_state_name(read_word(&s->state))));
  json_t *ends = json_object(), *revived = json_object();
  for (uint32_t k = 0; k < TF_CHILD_END_CNT; k++)
    if (read_word(&s->ends[k]))
      json_object_set_new(ends, end_names[k], json_integer((json_int_t)read_word(&s->ends[k])));
  json_object_set_new(root, "starts", json_integer((json_int_t)read_word(&s->starts)));
  json_object_set_new(root, "ends", ends);
  for (uint32_t k = 0; k < TF_CHILD_REVIVAL_CNT; k++)
    if (read_word(&s->revived[k]))
      json_object_set_new(revived, revival_names[k],
                          json_integer((json_int_t)read_word(&s->revived[k])));
  json_object_set_new(root, "revived", revived);
  json_object_set_new(root, "swaps", json_integer((json_int_t)read_word(&s->swaps)));
  json_object_set_new(root, "back_ns", json_integer((json_int_t)read_word(&s->back_ns)));
  json_object_set_new(root, "back_ns_max", json_integer((json_int_t)read_word(&s->back_ns_max)));
  json_object_set_new(root, "compared", json_integer((json_int_t)read_word(&s->compared)));
  json_object_set_new(root, "wrong", json_integer((json_int_t)read_word(&s->wrong)));
  if (read_word(&s->wrong))
    json_object_set_new(root, "wrong_decisions",
                        json_pack("[II]", (json_int_t)read_word(&s->wrong_first_seq),
                                  (json_int_t)read_word(&s->wrong_last_seq)));
  put_device(&s->device, root);
  pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&row->lock;
  pthread_mutex_lock(lock);
  snprintf(text, sizeof text, "%s", row->text);
  pthread_mutex_unlock(lock);
  json_t *trouble = text[0] ? json_string(text) : NULL; /* NULL where it is no UTF-8 */
  if (trouble) json_object_set_new(root, "trouble", trouble);
}

/* Who makes its rows. seated_cnt, c: as they are, or as the metrics have them. */
static void put_features(const tf_remotes_t *rs, const tf_remotes_row_t *row, uint64_t seated_cnt,
                         const tf_child_market_counts_t *c, json_t *root) {
  const tf_card_plan_t *plan = &rs->engine->card_plans[row->model_idx];
  if (!plan->is_wanted || !rs->is_open) return;
  if (!row->remote->market) {
    json_object_set_new(root, "features", json_pack("{ssss}", "on", "lane", "why", plan->why));
    return;
  }
  json_t *features =
      json_pack("{ssss sI sI sI sI}", "on", "worker", "handed_over", plan->handed, "rows",
                (json_int_t)c->rows, "states", (json_int_t)c->states, "state_bytes",
                (json_int_t)c->state_bytes, "states_waited", (json_int_t)c->states_waited);
  if (row->remote->market->has_sections) {
    json_object_set_new(features, "members", json_integer((json_int_t)seated_cnt));
    json_object_set_new(features, "sections_anew", json_integer((json_int_t)c->sections_anew));
  }
  json_object_set_new(root, "features", features);
}

static tf_child_market_counts_t counts_of(const tf_metrics_block_t *b) {
  return (tf_child_market_counts_t){
      .rows          = tf_metrics_get(b, TF_METRIC_MODEL_MARKET_ROWS),
      .states        = tf_metrics_get(b, TF_METRIC_MODEL_MARKET_STATES),
      .state_bytes   = tf_metrics_get(b, TF_METRIC_MODEL_MARKET_STATE_BYTES),
      .states_waited = tf_metrics_get(b, TF_METRIC_MODEL_MARKET_STATES_WAITED),
      .sections_anew = tf_metrics_get(b, TF_METRIC_MODEL_MARKET_ANEW)};
}

json_t *tf_remotes_json(tf_remotes_t *rs, uint32_t i) {
  const tf_remotes_row_t *row = row_of(rs, i);
  if (!row) return NULL;
  const tf_remote_t *r    = row->remote;
  json_t            *root = json_object(), *missed = json_object();
  put_worker(rs, row, root);
  if (!r) {
    json_decref(missed);
    return root;
  }
  for (uint32_t k = 0; k < TF_ARRAY_CNT(misses); k++)
    if (r->counts.results[misses[k].asked])
      json_object_set_new(missed, misses[k].name,
                          json_integer((json_int_t)r->counts.results[misses[k].asked]));
  const tf_child_market_counts_t none = {0};
  put_features(rs, row, r->market ? r->market->seated_cnt : 0,
               r->market ? &r->market->counts : &none, root);
  json_object_set_new(root, "missed", missed);
  json_object_set_new(root, "asked", json_integer((json_int_t)r->counts.asked));
  json_object_set_new(root, "requests", json_integer((json_int_t)r->lane.counts.requests));
  json_object_set_new(root, "answered",
                      json_integer((json_int_t)r->counts.results[TF_ASKED_ANSWERED]));
  json_object_set_new(root, "unmatched", json_integer((json_int_t)r->counts.unmatched));
  json_object_set_new(root, "rows_again", json_integer((json_int_t)r->lane.counts.rows_again));
  json_object_set_new(root, "kept_alive", json_integer((json_int_t)r->lane.counts.kept_alive));
  json_object_set_new(root, "trip_ns", hist_json(&r->round_trips));
  json_object_set_new(root, "stand_in_ns", hist_json(&r->stand_ins));
  return root;
}

json_t *tf_remotes_status(tf_remotes_t *rs, uint32_t i, const tf_metrics_block_t *b) {
  const tf_remotes_row_t *row = row_of(rs, i);
  if (!row) return NULL;
  uint64_t missed = 0;
  json_t  *root   = json_object();
  put_worker(rs, row, root);
  if (!row->remote) return root;
  const tf_child_market_counts_t counts = counts_of(b);
  put_features(rs, row, tf_metrics_get(b, TF_METRIC_MODEL_MARKET_SEATED), &counts, root);
  json_object_set_new(root, "requests",
                      json_integer((json_int_t)tf_metrics_get(b, TF_METRIC_MODEL_WORKER_REQUESTS)));
  for (uint32_t k = 0; k < TF_ARRAY_CNT(misses); k++)
    missed += tf_metrics_get(b, (tf_metric_t)(TF_METRIC_MODEL_WORKER_MISSED_ABSENT + k));
  json_object_set_new(root, "missed", json_integer((json_int_t)missed));
  json_object_set_new(root, "asked",
                      json_integer((json_int_t)tf_metrics_get(b, TF_METRIC_MODEL_WORKER_ASKED)));
  json_object_set_new(root, "answered",
                      json_integer((json_int_t)tf_metrics_get(b, TF_METRIC_MODEL_WORKER_ANSWERED)));
  return root;
}

json_t *tf_remotes_list(tf_remotes_t *rs) {
  json_t *list = json_array();
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++) {
    const tf_remotes_row_t *row = row_of(rs, i);
    if (!row) continue;
    json_t *root = json_pack("{ss}", "name", rs->engine->config->models[i].name);
    put_worker(rs, row, root);
    json_array_append_new(list, root);
  }
  return list;
}
