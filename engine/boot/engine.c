#include "boot/engine.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "boot/feature_compile.h"
#include "boot/model_inputs.h"
#include "boot/model_places.h"
#include "boot/model_server.h"
#include "boot/outcomes.h"
#include "boot/passages.h"
#include "boot/peer_config.h"
#include "boot/remotes.h"
#include "boot/rule.h"
#include "boot/runtimes.h"
#include "boot/serving.h"
#include "boot/sinks.h"
#include "boot/snapshot_live.h"
#include "boot/text_source.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/isa.h"
#include "core/log.h"

#define ARENA_SLACK_BYTES                                                                          \
  ((size_t)4 << 20) /* alignment of all that is taken, sources' small parts */
#define BOOK_ROOM 4 /* of book_depth */
#define BOOK_LEVELS_MIN                                                                            \
  256 /* a message may bring more than a shallow book's depth before it takes away */
#define PENDING_LEVELS_MAX 8192 /* of one instrument while its snapshot is awaited */

/* ---- sizes ---- */

/* A config that names its instruments needs memory for these, and those that it leaves room for. */
static uint32_t instrument_cap(const tf_config_t *config) {
  uint32_t named = 0;
  for (uint32_t i = 0; i < config->feed_cnt; i++) {
    if (config->feeds[i].instruments.item_cnt == 0) return config->engine.instruments_max;
    named += config->feeds[i].instruments.item_cnt + tf_config_feed_room(&config->feeds[i]);
    for (uint32_t k = 0; k < config->feeds[i].fallback_cnt; k++)
      named += config->feeds[i].fallbacks[k].instruments.item_cnt;
  }
  return named && named < config->engine.instruments_max ? named : config->engine.instruments_max;
}

/* Levels a side: what the features may read. Where every feed says how deep its books are to be, four times the
 * deepest will do: a market has to move through three quarters of that before a new snapshot is due. */
static uint32_t book_levels(const tf_config_t *c) {
  uint32_t deepest = 0, most = c->engine.book_levels_max;
  for (uint32_t i = 0; i < c->feed_cnt; i++) {
    if (c->feeds[i].book_depth == 0) return most;
    if (c->feeds[i].book_depth > deepest) deepest = c->feeds[i].book_depth;
  }
  if (deepest == 0 || deepest > most / BOOK_ROOM || most < BOOK_LEVELS_MIN) return most;
  return deepest * BOOK_ROOM > BOOK_LEVELS_MIN ? deepest * BOOK_ROOM : BOOK_LEVELS_MIN;
}

/* What an instrument's strategies keep: the times of a rate's actions, above all. */
static size_t policy_bytes(const tf_decide_t *decide) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < decide->strategy_cnt; i++) {
    const tf_strategy_t *s = &decide->strategies[i];
    bytes += s->policy->state_bytes(&s->config) + TF_LINE_BYTES;
  }
  return bytes;
}

static bool is_batching(const tf_engine_t *e) {
  return e->config->engine.batch_max > 1 && e->model_cnt > 0 && !e->options.one_by_one;
}

#define RULES_MAX 5 /* of a strategy */

static size_t arena_bytes(tf_engine_t *e) {
  const tf_config_t *c           = e->config;
  size_t             instruments = e->instruments.cap;
  size_t one = sizeof(tf_lane_instrument_t) + sizeof(tf_instrument_t) + 2 * sizeof(uint64_t) +
               sizeof(tf_outlier_row_t) + sizeof(tf_event_time_row_t) +
               TF_BOOK_BYTES(book_levels(c)) + PENDING_LEVELS_MAX * sizeof(tf_book_pending_t) +
               e->plan.mem_bytes + sizeof(double) * e->plan.feature_cnt +
               tf_peers_bytes(e->plan.peer_cnt) + policy_bytes(&e->runner.lane.decide) + 4096;
  size_t total = instruments * one + ARENA_SLACK_BYTES;
  total += tf_universe_bytes(&e->plan, e->instruments.cap);
  total += c->strategy_cnt * (RULES_MAX * TF_RULE_OPS_MAX * sizeof(uint32_t) + TF_LINE_BYTES);
  total += TF_SOURCES_MAX * sizeof(tf_feed_clock_t);
  total += tf_ring_footprint(c->engine.event_ring_slots, sizeof(tf_ring_event_t));
  total += tf_ring_footprint(c->engine.decision_ring_slots, sizeof(tf_ring_decision_t));
  for (uint32_t i = 0; i < e->model_cnt; i++)
    total += tf_compute_model_bytes(e->models[i], e->instruments.cap,
                                    tf_config_model_has_owns(&c->models[i])) +
             tf_model_inputs_bytes(e->models[i]) +
             (is_batching(e) ? tf_compute_rows_bytes(e->models[i], c->engine.batch_max) : 0);
  if (is_batching(e)) total += tf_batch_bytes(c->engine.batch_max);
  return total + tf_serving_bytes(e) + tf_runtimes_bytes(e) + tf_remotes_bytes(e) +
         tf_outcomes_bytes(e) + tf_passages_bytes(e) + tf_sinks_bytes(e);
}

/* ---- parts ---- */

/* The config's window, where it says one, is that of the file. */
static tf_err_t check_window(const tf_config_t *c, uint32_t i, const tf_model_t *model) {
  char     path[64], where[256];
  uint32_t rows = model->window ? model->window : 1;
  bool is_ours  = !tf_runtimes_answers(&c->models[i]); /* another runtime's is as the config says */
  if (!is_ours || c->models[i].window == 0 || c->models[i].window == rows) return TF_OK;
  snprintf(path, sizeof path, "models[%u].window", i);
  return TF_ERR(E_CONFIG_VALUE,
                "%s: found %u; %s was trained on windows of %u row%s: say %u, or leave it out",
                tf_config_where(c, path, where, sizeof where), c->models[i].window,
                c->models[i].file ? c->models[i].file : c->models[i].registry, rows,
                rows == 1 ? "" : "s", rows);
}

/* A config may be checked where its models are not: cmd_check notes it. */
static bool may_lack_models(const tf_engine_t *e) {
  for (uint32_t i = 0; e->options.is_check && i < e->config->model_cnt; i++) {
    const char *file = e->config->models[i].file;
    if (file && !tf_runtimes_answers(&e->config->models[i]) && access(file, R_OK) != 0) return true;
  }
  return false;
}

/* All of them, at their places in the config, or none. */
static tf_err_t load_models(tf_engine_t *e) {
  const tf_config_t *c = e->config;
  if (c->model_cnt > TF_MODELS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "%s: models: %u, at most %d", c->path, c->model_cnt,
                  TF_MODELS_MAX);
  for (uint32_t i = 0; i < c->model_cnt && !may_lack_models(e); i++) {
    e->model_cnt++;
    if (c->models[i].ensemble.item_cnt > 0) continue;
    tf_err_t err = tf_serving_load(e, i, &e->models[i], &e->versions[i]);
    if (err) return tf_error_add(err, "loading models[%u] of %s", i, c->path);
    err = check_window(c, i, e->models[i]);
    if (err) return err;
  }
  return e->model_cnt ? tf_serving_make_ensembles(e) : TF_OK;
}

static tf_err_t init_instruments(tf_engine_t *e) {
  tf_lane_t *lane   = &e->runner.lane;
  uint32_t   cap    = e->instruments.cap;
  lane->instruments = tf_arena_take(&e->arena, cap * sizeof *lane->instruments, TF_LINE_PAIR_BYTES);
  lane->decide.hashes = tf_arena_take(&e->arena, cap * sizeof(uint64_t), TF_LINE_BYTES);
  e->instruments.rows = tf_arena_take(&e->arena, cap * sizeof(tf_instrument_t), TF_LINE_BYTES);
  e->lost_books       = (tf_lost_books_t){
            .since_ns = tf_arena_take(&e->arena, cap * sizeof(uint64_t), TF_LINE_PAIR_BYTES), .cap = cap};
  if (!lane->instruments || !lane->decide.hashes || !e->instruments.rows || !e->lost_books.since_ns)
    return E_CORE_ARENA_FULL;
  lane->buffer.lost_books = e->lost_books;
  lane->instrument_cap    = cap;
  lane->names = lane->compute.names = e->instruments.rows;
  for (uint32_t i = 0; i < cap; i++) {
    tf_lane_instrument_t *in = &lane->instruments[i];
    lane->decide.hashes[i]   = TF_HASH_SEED;
    tf_err_t err =
        tf_buffer_init_instrument(in, &e->arena, book_levels(e->config), PENDING_LEVELS_MAX);
    if (err) return err;
    in->id       = i;
    in->features = tf_arena_take(&e->arena, e->plan.mem_bytes, TF_LINE_BYTES);
    in->row = tf_arena_take(&e->arena, sizeof(double) * (e->plan.feature_cnt + 1), TF_LINE_BYTES);
    if (!in->features || !in->row) return E_CORE_ARENA_FULL;
    err = tf_feature_plan_init_state(&e->plan, in->features);
    if (!err) err = tf_decide_init_instrument(&lane->decide, in, &e->arena);
    if (!err) err = tf_peers_init_instrument(in, e->plan.peer_cnt, &e->arena);
    if (err) return err;
  }
  return tf_universe_init(&lane->universe, &e->plan, cap, &e->arena);
}

static tf_bar_flow_spec_t flow_of(const tf_config_bar_t *bar) {
  const uint8_t which = (uint8_t)(bar->size.kind - TF_CONFIG_BAR_TICK_IMBALANCE);
  return (tf_bar_flow_spec_t){.amount     = bar->size.amount,
                              .ewma_bars  = bar->ewma_bars,
                              .trades_min = tf_config_bar_trades_min(bar),
                              .trades_max = tf_config_bar_trades_max(bar),
                              .weight     = which % 3,
                              .is_runs    = which >= 3};
}

static void set_bars(tf_engine_t *e) {
  tf_buffer_t *buffer = &e->runner.lane.buffer;
  for (uint32_t i = 0; i < e->config->bar_cnt; i++) {
    const tf_config_bar_t     *bar     = &e->config->bars[i];
    const tf_config_session_t *session = &bar->session;
    tf_bar_spec_t             *spec    = &buffer->bars[i];
    *spec                              = (tf_bar_spec_t){
                                     .kind        = (tf_bar_kind_t)bar->size.kind,
                                     .clock       = (tf_bar_clock_t)bar->clock,
                                     .amount      = bar->size.amount,
                                     .span_ns     = bar->size.interval_ns,
                                     .late_max_ns = bar->late_max_ns,
                                     .is_flat     = bar->gaps == TF_CONFIG_BAR_GAPS_FLAT,
                                     .session     = {.length_ns = session->hours.length_ns,
                                                     .open_ns   = session->hours.open_ns,
                                                     .offset_ns = session->offset_ns,
                                                     .days      = session->days}
    };
    if (tf_config_bar_learns(bar)) spec->flow = flow_of(bar);
    snprintf(spec->name, sizeof spec->name, "%s", bar->name);
  }
  buffer->bar_cnt = e->config->bar_cnt;
}

TF_STATIC_ASSERT(
    (int)TF_BAR_TIME == (int)TF_CONFIG_BAR_TIME &&
        (int)TF_BAR_NOTIONAL == (int)TF_CONFIG_BAR_NOTIONAL &&
        (int)TF_BAR_TICK_IMBALANCE == (int)TF_CONFIG_BAR_TICK_IMBALANCE &&
        (int)TF_BAR_NOTIONAL_RUNS == (int)TF_CONFIG_BAR_NOTIONAL_RUNS &&
        (int)TF_BAR_CLOCK_EVENT == (int)TF_CONFIG_BAR_CLOCK_EVENT && TF_BAR_WEIGHT_NOTIONAL == 2 &&
        TF_BAR_TICK_RUNS - TF_BAR_TICK_IMBALANCE == 3,
    "the config's bar kinds are the buffer's, three weights of imbalances, then of runs");

static tf_err_t find_model(const tf_engine_t *e, const char *name, uint32_t *idx) {
  const tf_config_t *c     = e->config;
  uint32_t           found = 0;
  while (name && found < c->model_cnt && strcmp(c->models[found].name, name) != 0) found++;
  if (name && found == c->model_cnt)
    return TF_ERR(E_CONFIG_VALUE, "%s: no model is named \"%s\"", c->path, name);
  *idx = name && found < e->model_cnt ? found : TF_STRATEGY_NO_MODEL; /* not loaded: a check */
  return TF_OK;
}

typedef struct rule_text {
  const char *key, *text;
  tf_rule_t  *rule;
} rule_text_t;

/* The rules of strategy i, their config keys and where each goes. */
static void list_rules(tf_engine_t *e, uint32_t i, rule_text_t rules[RULES_MAX]) {
  const tf_config_strategy_t *s   = &e->config->strategies[i];
  tf_policy_config_t         *out = &e->runner.lane.decide.strategies[i].config;
  rules[0]                        = (rule_text_t){"buy", s->buy, &out->buy};
  rules[1]                        = (rule_text_t){"sell", s->sell, &out->sell};
  rules[2]                        = (rule_text_t){"flat", s->flat, &out->flat};
  rules[3]                        = (rule_text_t){"buy_until", s->buy_until, &out->buy_until};
  rules[4]                        = (rule_text_t){"sell_until", s->sell_until, &out->sell_until};
}

/* Where the value at a config path stands, for the expression's error texts. */
static tf_expr_origin_t origin_of(const tf_engine_t *e, const char *path) {
  const tf_config_value_t *value = tf_config_value_at(e->config, path);
  tf_expr_origin_t         at    = {e->config->path, 0, 0};
  if (!value) return at;
  if (tf_config_origin_of(value) != TF_CONFIG_ORIGIN_FILE) at.file = path;
  at.line   = value->line ? value->line : 1;
  at.column = value->col ? value->col : 1;
  return at;
}

/* collect: what the rules name becomes features; else they are compiled. */
static tf_err_t each_rule(tf_engine_t *e, tf_feature_compile_t *compile, bool collect) {
  if (e->options.features_only) return TF_OK;
  for (uint32_t i = 0; i < e->config->strategy_cnt; i++) {
    rule_text_t rules[RULES_MAX];
    list_rules(e, i, rules);
    for (int r = 0; r < RULES_MAX; r++) {
      if (!rules[r].text) continue;
      char path[64];
      snprintf(path, sizeof path, "strategies[%u].%s", i, rules[r].key);
      tf_expr_origin_t origin = origin_of(e, path);
      tf_err_t         err    = collect ? tf_rule_collect(compile, &origin, rules[r].text)
                                        : tf_rule_compile(compile, &origin, rules[r].text, rules[r].rule);
      if (err) return err;
    }
  }
  return TF_OK;
}

static tf_err_t add_features(tf_engine_t *e, tf_feature_compile_t *compile) {
  const tf_config_t *c = e->config;
  for (uint32_t i = 0; i < c->feature_cnt; i++) {
    char path[64], text[768];
    snprintf(path, sizeof path, "features[%u]", i);
    if (!tf_config_value_at(c, path)) snprintf(path, sizeof path, "features[%u].expr", i);
    snprintf(text, sizeof text, "%s%s%s", c->features[i].name ? c->features[i].name : "",
             c->features[i].name ? ": " : "", c->features[i].expr);
    tf_expr_origin_t origin = origin_of(e, path);
    tf_err_t         err    = tf_feature_compile_add(compile, &origin, text, NULL);
    if (err) return err;
  }
  return TF_OK;
}

static tf_err_t add_strategies(tf_engine_t *e) {
  tf_decide_t       *decide = &e->runner.lane.decide;
  const tf_config_t *c      = e->config;
  if (c->strategy_cnt > TF_STRATEGIES_MAX)
    return TF_ERR(E_CONFIG_VALUE, "%s: strategies: %u, at most %d", c->path, c->strategy_cnt,
                  TF_STRATEGIES_MAX);
  for (uint32_t i = 0; i < c->strategy_cnt; i++) {
    const tf_config_strategy_t *s        = &c->strategies[i];
    tf_strategy_t              *strategy = &decide->strategies[i];
    for (uint32_t p = 0; p < e->registry->policy_cnt; p++)
      if (!strcmp(e->registry->policies[p]->name, s->policy))
        strategy->policy = e->registry->policies[p];
    if (!strategy->policy)
      return TF_ERR(E_CONFIG_VALUE, "%s: no policy is named \"%s\"", c->path, s->policy);
    strategy->config       = (tf_policy_config_t){.cooldown_ns    = s->cooldown_ns,
                                                  .rate_cnt_max   = s->max_rate.cnt_max,
                                                  .rate_window_ns = s->max_rate.window_ns,
                                                  .book_states_ok = s->books};
    strategy->actions_only = s->emit == TF_CONFIG_EMIT_ACTIONS;
    tf_err_t err           = find_model(e, s->model, &strategy->model_idx);
    if (err) return err;
    decide->strategy_cnt++;
  }
  decide->epoch = e->epoch;
  return TF_OK;
}

/* Each place of the row that a strategy's rules load, once. */
static uint32_t list_awaited(const tf_policy_config_t *c, uint32_t *awaited) {
  const tf_rule_t *rules[] = {&c->buy, &c->sell, &c->flat, &c->buy_until, &c->sell_until};
  uint32_t         cnt     = 0;
  for (size_t r = 0; r < TF_ARRAY_CNT(rules); r++)
    for (uint32_t s = 0; s < rules[r]->step_cnt; s++) {
      const tf_rule_step_t *step = &rules[r]->steps[s];
      uint32_t              k    = 0;
      if (step->op != TF_RULE_LOAD || step->slot_idx < TF_RULE_SLOT_FEATURES) continue;
      awaited[cnt] = step->slot_idx - TF_RULE_SLOT_FEATURES;
      while (awaited[k] != awaited[cnt]) k++;
      if (k == cnt) cnt++;
    }
  return cnt;
}

/* After the rules were compiled. */
static tf_err_t require_ready(tf_engine_t *e) {
  static uint32_t list[RULES_MAX * TF_RULE_OPS_MAX];
  for (uint32_t i = 0; i < e->runner.lane.decide.strategy_cnt; i++) {
    tf_strategy_t *s     = &e->runner.lane.decide.strategies[i];
    uint8_t        ready = e->config->strategies[i].require_ready;
    s->waits_for_all     = ready == TF_CONFIG_READY_ALL;
    if (ready == TF_CONFIG_READY_NONE) continue;
    uint32_t  cnt     = list_awaited(&s->config, list);
    uint32_t *awaited = tf_arena_take(&e->arena, (cnt + 1) * sizeof *awaited, TF_LINE_BYTES);
    if (!awaited) return E_CORE_ARENA_FULL;
    memcpy(awaited, list, cnt * sizeof *awaited);
    s->awaited     = awaited;
    s->awaited_cnt = cnt;
  }
  return TF_OK;
}

/* ---- threads ---- */

/* Models of two lanes to the thread that assists. */
static tf_err_t assist_models(tf_engine_t *e) {
  tf_runner_t *r = &e->runner;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    if (!e->models[i] || !e->models[i]->assist) continue;
    if (r->assisted_cnt == TF_ASSISTED_MAX)
      return TF_ERR(E_BOOT_TOPOLOGY, "%s: models[%u].lanes: at most %u models share a thread",
                    e->config->path, i, TF_ASSISTED_MAX);
    r->assisted[r->assisted_cnt++] = e->models[i];
  }
  return TF_OK;
}

static tf_err_t place_stages(tf_engine_t *e) {
  const tf_config_engine_t *c = &e->config->engine;
  tf_runner_t              *r = &e->runner;
  if (c->lane_cnt > TF_STAGE_THREADS_MAX)
    return TF_ERR(E_BOOT_TOPOLOGY,
                  "%s: engine.lanes: %u threads; one set of stages takes at most %d",
                  e->config->path, c->lane_cnt, TF_STAGE_THREADS_MAX);
  for (uint32_t i = 0; i < c->lane_cnt; i++) {
    uint32_t stages      = c->lanes[i].stages;
    r->threads[i].cpu    = c->lanes[i].cpu;
    r->threads[i].stages = (stages & TF_CONFIG_STAGE_ACQUIRE ? TF_STAGE_ACQUIRE : 0) |
                           (stages & TF_CONFIG_STAGES_LANE ? TF_STAGE_LANE : 0) |
                           (stages & TF_CONFIG_STAGE_EMIT ? TF_STAGE_EMIT : 0);
  }
  r->thread_cnt = c->lane_cnt;
  for (uint32_t i = 0; i < e->config->model_cnt && !e->options.features_only; i++)
    if (e->config->models[i].lanes > 1 && r->thread_cnt == c->lane_cnt)
      r->threads[r->thread_cnt++] =
          (tf_runner_thread_t){.stages = TF_STAGE_ASSIST, .cpu = c->helper_cpu};
  r->idle = (tf_idle_t)c->idle;
  return tf_runner_check(r->threads, r->thread_cnt);
}

TF_STATIC_ASSERT((int)TF_IDLE_SPIN == (int)TF_CONFIG_IDLE_SPIN &&
                     (int)TF_IDLE_SLEEP == (int)TF_CONFIG_IDLE_SLEEP,
                 "the config's idle words are the runner's");

static tf_ring_t *make_ring(tf_engine_t *e, uint32_t slots, uint32_t slot_bytes,
                            tf_ring_writer_t *writer, tf_ring_reader_t *reader) {
  void *mem = tf_arena_take(&e->arena, tf_ring_footprint(slots, slot_bytes), TF_LINE_PAIR_BYTES);
  tf_ring_t *ring = mem ? tf_ring_new(mem, slots, slot_bytes) : NULL;
  if (!ring) return NULL;
  tf_ring_writer_init(writer, ring);
  tf_ring_reader_init(reader, ring);
  return ring;
}

static bool share_thread(const tf_runner_t *r, uint32_t stages) {
  for (uint32_t i = 0; i < r->thread_cnt; i++)
    if ((r->threads[i].stages & stages) == stages) return true;
  return false;
}

static tf_err_t connect_stages(tf_engine_t *e) {
  const tf_config_engine_t *c       = &e->config->engine;
  tf_runner_t              *r       = &e->runner;
  tf_acquire_t             *acquire = &r->acquire;
  tf_lane_t                *lane    = &r->lane;
  acquire->events_hash              = TF_HASH_SEED;
  acquire->deliver                  = lane->batch ? tf_batch_on_events : tf_lane_on_events;
  acquire->lane                     = lane;
  acquire->clocks =
      tf_arena_take(&e->arena, TF_SOURCES_MAX * sizeof *acquire->clocks, TF_LINE_BYTES);
  acquire->outlier_rows =
      tf_arena_take(&e->arena, e->instruments.cap * sizeof *acquire->outlier_rows, TF_LINE_BYTES);
  acquire->time_rows =
      tf_arena_take(&e->arena, e->instruments.cap * sizeof *acquire->time_rows, TF_LINE_BYTES);
  if (!acquire->clocks || !acquire->outlier_rows || !acquire->time_rows) return E_CORE_ARENA_FULL;
  memset(acquire->time_rows, 0, e->instruments.cap * sizeof *acquire->time_rows);
  memset(acquire->outlier_rows, 0, e->instruments.cap * sizeof *acquire->outlier_rows);
  acquire->instrument_cap = e->instruments.cap;
  lane->emit              = &r->emit;
  lane->sample_every = lane->sample_left = c->latency_sample;
  /* A lane whose events do not wait never waits for a sink: when the decision ring is full the newest are dropped and counted. */
  lane->waits_for_emit = tf_engine_waits(e);
  lane->hists          = tf_publish_hists(&e->publish);
  if (!share_thread(r, TF_STAGE_ACQUIRE | TF_STAGE_LANE)) {
    e->event_ring = make_ring(e, c->event_ring_slots, sizeof(tf_ring_event_t), &e->event_writer,
                              &e->event_reader);
    if (!e->event_ring) return tf_error_code();
    acquire->ring   = &e->event_writer;
    r->event_reader = &e->event_reader;
  }
  if (!share_thread(r, TF_STAGE_LANE | TF_STAGE_EMIT)) {
    e->decision_ring = make_ring(e, c->decision_ring_slots, sizeof(tf_ring_decision_t),
                                 &e->decision_writer, &e->decision_reader);
    if (!e->decision_ring) return tf_error_code();
    lane->ring                           = &e->decision_writer;
    r->emit.behind[TF_CARRIES_DECISIONS] = tf_engine_waits(e) ? NULL : e->decision_ring;
    r->decision_reader                   = &e->decision_reader;
  }
  return TF_OK;
}

/* ---- lifetime ---- */

TF_STATIC_ASSERT((int)TF_CONFIG_ISA_AVX512 == (int)TF_ISA_AVX512 + 1 &&
                     (int)TF_CONFIG_ISA_SCALAR == (int)TF_ISA_SCALAR + 1,
                 "the config's instruction sets are the machine's, behind auto");

/* auto: in vectors where they pay, with AVX-512; a narrower machine takes half as long again for them as for features one by
 * one (bench/RESULTS.md, B6). */
static tf_err_t choose_isa(const tf_config_t *c, tf_feature_env_t *env) {
  env->isa = tf_isa_best();
  if (c->engine.feature_isa == TF_CONFIG_ISA_AUTO) {
    if (env->isa != TF_ISA_AVX512) env->vector_cnt = 0;
    return TF_OK;
  }
  tf_isa_t wanted = (tf_isa_t)(c->engine.feature_isa - TF_CONFIG_ISA_SCALAR);
  if (!tf_isa_supported(wanted))
    return TF_ERR(E_CONFIG_VALUE, "%s: engine.feature_isa: this machine has no %s, its best is %s",
                  c->path, tf_isa_name(wanted), tf_isa_name(env->isa));
  env->isa = wanted;
  return TF_OK;
}

static bool has_worker_features(const tf_config_t *c) {
  bool any = false;
  for (uint32_t i = 0; i < c->model_cnt; i++)
    any |= c->models[i].features == TF_CONFIG_FEATURES_GPU;
  return any;
}

static tf_err_t begin_features(tf_engine_t *e, tf_feature_compile_t **compile) {
  static const char       *bar_names[TF_BARS_MAX]; /* the compiler borrows them until its end */
  static tf_feature_peer_t peers[TF_FEATURE_PLAN_PEERS_MAX]; /* and these */
  for (uint32_t i = 0; i < e->config->bar_cnt; i++) bar_names[i] = e->config->bars[i].name;
  tf_feature_env_t env = {.indicators    = e->registry->indicators,
                          .indicator_cnt = e->registry->indicator_cnt,
                          .bar_names     = bar_names,
                          .bar_cnt       = e->config->bar_cnt,
                          .plain_bar     = TF_FEATURE_COMPILE_NONE,
                          .peers         = peers,
                          .vectors       = e->registry->vectors,
                          .vector_cnt    = e->registry->vector_cnt,
                          .crosses       = e->registry->crosses};
  *compile             = NULL;
  tf_err_t err         = choose_isa(e->config, &env);
  if (has_worker_features(e->config)) env.vector_cnt = 0; /* its memory is the lane's */
  if (!err) err = tf_peer_config_list(e->config, peers, &env.peer_cnt);
  if (!err) err = tf_peer_config_universe(e->config, &env.universe);
  if (err) return err;
  return tf_feature_compile_begin(compile, &env);
}

/* From the plan on: all memory is known, taken and filled. */
static tf_err_t build(tf_engine_t *e, tf_feature_compile_t *compile) {
  tf_err_t err = add_features(e, compile);
  if (!err) err = each_rule(e, compile, true);
  if (!err) err = tf_feature_compile_finish(compile, &e->plan);
  if (!err) err = tf_peer_config_check(e->config, &e->plan);
  if (!err) err = each_rule(e, compile, false);
  if (err) return err;
  e->runner.lane.compute.plan = &e->plan;
  e->instruments.cap          = instrument_cap(e->config);
  if (e->instruments.cap < e->options.instruments_min)
    e->instruments.cap = e->options.instruments_min;
  err = tf_arena_init(&e->arena, "engine", arena_bytes(e));
  if (!err) err = require_ready(e);
  if (!err) err = init_instruments(e);
  for (uint32_t i = 0; i < e->model_cnt && !err; i++) err = tf_model_inputs_add(e, compile, i);
  if (!err) err = tf_model_inputs_join(e);
  if (!err) err = tf_serving_init(e);
  if (!err && is_batching(e))
    err = tf_batch_init(&e->runner.lane, e->config->engine.batch_max,
                        tf_clock_ns_to_ticks(e->config->engine.max_queue_delay_ns), &e->arena);
  if (!err && (tf_outcomes_shed(e)))
    err =
        tf_shed_init(&e->runner.lane.shed, e->instruments.cap, e->config->engine.conflate_after_ns,
                     e->config->engine.shed_low_after_ns, &e->arena);
  if (!err) err = connect_stages(e);
  if (!err) err = tf_model_server_init(e, &e->model_server);
  if (!err) err = tf_model_places_init(e, &e->model_places);
  if (!err) err = tf_passages_add(e);
  if (!err && !e->options.features_only) err = tf_sinks_add(e);
  return err;
}

tf_err_t tf_engine_init(tf_engine_t *e, const tf_config_t *config, const tf_registry_t *registry,
                        const tf_engine_options_t *options) {
  memset(e, 0, sizeof *e);
  e->config   = config;
  e->registry = registry;
  e->options  = *options;
  e->epoch    = options->epoch ? options->epoch : (uint32_t)(tf_clock_wall_ns() / TF_NS_PER_SEC);
  if (config->bar_cnt > TF_BARS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "%s: bars: %u, at most %d", config->path, config->bar_cnt,
                  TF_BARS_MAX);
  tf_err_t err = place_stages(e);
  if (!err) err = tf_publish_init(&e->publish, &e->runner, &e->instruments);
  if (!err && !options->features_only) err = load_models(e);
  if (!err) err = assist_models(e);
  if (!err && !options->features_only) err = add_strategies(e);
  if (err) return err;
  set_bars(e);
  tf_feature_compile_t *compile;
  err = begin_features(e, &compile);
  if (!err) err = build(e, compile);
  tf_feature_compile_end(compile);
  return err;
}

tf_err_t tf_engine_add_source(tf_engine_t *e, tf_source_t *source, const char *name) {
  tf_err_t err = tf_acquire_add(&e->runner.acquire, source);
  if (err) return err;
  snprintf(e->source_names[e->runner.acquire.source_cnt - 1], sizeof e->source_names[0], "%s",
           name);
  return err ? err : tf_publish_add_feed(&e->publish, e->runner.acquire.source_cnt - 1, name);
}

void tf_engine_set_io(tf_engine_t *e, tf_io_t *io) {
  e->runner.acquire.io = io;
  if (io->stamp_ages) io->stamp_ages = tf_publish_receive(&e->publish);
}

void tf_engine_continue(tf_engine_t *e) {
  tf_continues_t *c      = &e->continues;
  uint64_t        quoted = tf_sinks_last_seq(e, TF_CARRIES_QUOTES);
  c->decision_seq = e->runner.lane.decide.decision_seq = tf_sinks_last_seq(e, TF_CARRIES_DECISIONS);
  c->ingest_seq                                        = tf_sinks_last_seq(e, TF_CARRIES_EVENTS);
  c->row_seq = e->runner.lane.aside.row_seq = tf_sinks_last_seq(e, TF_CARRIES_FEATURES);
  if (quoted > c->ingest_seq) c->ingest_seq = quoted;
  e->runner.acquire.ingest_seq = e->runner.acquire.seqs_skipped = c->ingest_seq;
  if (c->decision_seq)
    tf_log(TF_LOG_NOTICE, "decisions_continue", "behind=%" PRIu64, c->decision_seq);
  if (c->ingest_seq) tf_log(TF_LOG_NOTICE, "events_continue", "behind=%" PRIu64, c->ingest_seq);
  if (c->row_seq) tf_log(TF_LOG_NOTICE, "rows_continue", "behind=%" PRIu64, c->row_seq);
}

tf_err_t tf_engine_start(tf_engine_t *e) {
  e->runner.housekeep      = tf_publish_run;
  e->runner.housekeep_self = &e->publish;
  e->runner.seal           = true;
  tf_arena_seal_all();
  e->started_ns = tf_clock_monotonic_ns();
  e->cpu_ns     = tf_clock_process_cpu_ns();
  tf_err_t err  = e->model_server ? tf_model_server_start(e->model_server) : TF_OK;
  if (!err && e->model_places) err = tf_model_places_start(e->model_places);
  if (!err) err = tf_runtimes_start(e->runtimes);
  if (!err) err = tf_remotes_start(e->remotes);
  if (!err) err = tf_text_source_start(e->texts);
  if (!err) tf_outcomes_start(e);
  return err ? err : tf_runner_start(&e->runner);
}

void tf_engine_stop(tf_engine_t *e) { tf_runner_stop(&e->runner); }
bool tf_engine_is_running(const tf_engine_t *e) { return tf_runner_is_running(&e->runner); }

tf_err_t tf_engine_join(tf_engine_t *e) {
  tf_err_t err = tf_runner_join(&e->runner);
  char     missed[512];
  tf_model_server_stop(e->model_server);
  tf_runtimes_stop(e->runtimes);
  tf_remotes_stop(e->remotes);
  tf_text_source_stop(e->texts);
  tf_outcomes_stop(e->outcome_capture);
  tf_model_places_stop(e->model_places);
  bool is_missed =
      (e->model_server && tf_model_server_missed(e->model_server, missed, sizeof missed)) ||
      (e->model_places && tf_model_places_missed(e->model_places, missed, sizeof missed));
  if (is_missed && !err)
    err =
        TF_ERR(E_MODEL_VERSION, "the recording swaps to a model that is not to be had: %s", missed);
  e->ended_ns = tf_clock_monotonic_ns();
  e->cpu_ns   = tf_clock_process_cpu_ns() - e->cpu_ns;
  tf_arena_unseal_all();
  return err;
}

void tf_engine_fini(tf_engine_t *e) {
  tf_snapshot_live_fini(e->snapshots);
  tf_emit_close(&e->runner.emit, tf_clock_wall_ns());
  tf_outcomes_fini(e->outcome_capture);
  tf_text_source_fini(e->texts);
  tf_model_server_fini(e->model_server);
  tf_model_places_fini(e->model_places);
  for (uint32_t i = 0; i < e->model_cnt; i++) tf_serving_unload(e, i);
  tf_runtimes_fini(e->runtimes);
  tf_remotes_fini(e->remotes);
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) tf_card_plan_fini(&e->card_plans[i]);
  tf_feature_plan_fini(&e->plan);
  tf_publish_fini(&e->publish);
  tf_arena_fini(&e->arena);
}

tf_err_t tf_engine_feed(const tf_registry_t *registry, const char *venue, const tf_feed_t **feed) {
  char known[512] = "";
  for (uint32_t i = 0; i < registry->feed_cnt; i++) {
    if (!strcmp(registry->feeds[i]->venue, venue)) {
      *feed = registry->feeds[i];
      return TF_OK;
    }
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, " %s", registry->feeds[i]->venue);
  }
  return TF_ERR(E_BOOT_INPUT, "unknown venue \"%s\"; known:%s", venue, known);
}
