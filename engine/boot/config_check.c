#include "boot/config_check.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "boot/chain.h"
#include "boot/config_value.h"
#include "core/nearest.h"
#include "core/text.h"

/* The value to point at for a path: its own where somebody wrote it, else what was written beside
 * it in the same mapping, else NULL. */
static const tf_config_value_t *written_near(const tf_config_t *config, const char *path) {
  const tf_config_value_t *own = tf_config_value_at(config, path);
  if (own && own->source != TF_CONFIG_SOURCE_DEFAULT) return own;
  const char *dot        = strrchr(path, '.');
  size_t      parent_cnt = dot ? (size_t)(dot - path) + 1 : 0;
  for (const tf_config_value_t *value = config->values; parent_cnt && value; value = value->next)
    if (strncmp(value->path, path, parent_cnt) == 0 && value->source >= TF_CONFIG_SOURCE_FILE)
      return value;
  return NULL;
}

static void report(tf_config_t *config, tf_err_t code, const char *path, const char *fmt, ...)
    TF_PRINTF(4, 5);
static void report(tf_config_t *config, tf_err_t code, const char *path, const char *fmt, ...) {
  const tf_config_value_t *value = written_near(config, path);
  char                     text[TF_CONFIG_ERROR_TEXT_BYTES];
  va_list                  args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  tf_config_store_report(config->store, code, value ? value->source : TF_CONFIG_SOURCE_FILE,
                         value ? value->line : 0, value ? value->col : 0, path, "%s", text);
}

/* A name among others: unique within its section. */
static void check_unique(tf_config_t *config, const char *section, const char *const *names,
                         uint32_t cnt) {
  for (uint32_t i = 1; i < cnt; i++) {
    for (uint32_t j = 0; j < i; j++) {
      if (!names[i] || !names[j] || strcmp(names[i], names[j]) != 0) continue;
      char path[TF_CONFIG_PATH_BYTES];
      snprintf(path, sizeof path, "%s[%u].name", section, i);
      report(config, E_CONFIG_CONFLICT, path, "\"%s\" is already the name of %s[%u]", names[i],
             section, j);
      break;
    }
  }
}

static void check_known(tf_config_t *config, const char *path, const char *name, const char *what,
                        const char *const *names, uint32_t cnt) {
  char   allowed[400] = "";
  size_t used         = 0;
  for (uint32_t i = 0; i < cnt; i++)
    if (strcmp(names[i], name) == 0) return;
  for (uint32_t i = 0; i < cnt && used < sizeof allowed; i++)
    used +=
        (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", i ? ", " : "", names[i]);
  const char *near = tf_nearest_name(name, names, cnt);
  char        found[TF_CONFIG_FOUND_BYTES];
  tf_text_escape(name, strlen(name), found, sizeof found);
  if (cnt == 0) {
    report(config, E_CONFIG_VALUE, path, "no %s is named \"%s\": there is none", what, found);
    return;
  }
  report(config, E_CONFIG_VALUE, path, "no %s is named \"%s\";%s%s%s allowed: %s", what, found,
         near ? " did you mean \"" : "", near ? near : "", near ? "\"?" : "", allowed);
}

#define NAMES_OF(config, list, cnt, names)                                                         \
  const char *names[TF_ARRAY_CNT((config)->list)];                                                 \
  for (uint32_t i = 0; i < (config)->cnt; i++) names[i] = (config)->list[i].name

static void check_names(tf_config_t *config, const tf_config_known_t *known) {
  char path[TF_CONFIG_PATH_BYTES];
  NAMES_OF(config, feeds, feed_cnt, feeds);
  NAMES_OF(config, features, feature_cnt, features);
  NAMES_OF(config, models, model_cnt, models);
  NAMES_OF(config, strategies, strategy_cnt, strategies);
  check_unique(config, "feeds", feeds, config->feed_cnt);
  check_unique(config, "features", features, config->feature_cnt);
  check_unique(config, "models", models, config->model_cnt);
  check_unique(config, "strategies", strategies, config->strategy_cnt);
  for (uint32_t i = 0; known && known->venues && i < config->feed_cnt; i++) {
    snprintf(path, sizeof path, "feeds[%u].venue", i);
    check_known(config, path, config->feeds[i].venue, "venue", known->venues, known->venue_cnt);
    for (uint32_t k = 0; k < config->feeds[i].fallback_cnt; k++) {
      snprintf(path, sizeof path, "feeds[%u].fallback[%u].venue", i, k);
      if (config->feeds[i].fallbacks[k].venue)
        check_known(config, path, config->feeds[i].fallbacks[k].venue, "venue", known->venues,
                    known->venue_cnt);
    }
  }
  for (uint32_t i = 0; i < config->strategy_cnt; i++) {
    const tf_config_strategy_t *s = &config->strategies[i];
    snprintf(path, sizeof path, "strategies[%u].model", i);
    if (s->model) check_known(config, path, s->model, "model", models, config->model_cnt);
    snprintf(path, sizeof path, "strategies[%u].policy", i);
    if (known && known->policies)
      check_known(config, path, s->policy, "policy", known->policies, known->policy_cnt);
  }
  for (uint32_t i = 0; known && known->sinks && i < config->sink_cnt; i++) {
    snprintf(path, sizeof path, "sinks[%u].type", i);
    check_known(config, path, config->sinks[i].type, "sink", known->sinks, known->sink_cnt);
  }
}

/* A feature without a name goes by its expression: that must be unique too, and a name must not be
 * another's expression. */
static void check_features(tf_config_t *config) {
  for (uint32_t i = 1; i < config->feature_cnt; i++) {
    const tf_config_feature_t *a = &config->features[i];
    for (uint32_t j = 0; j < i; j++) {
      const tf_config_feature_t *b = &config->features[j];
      if (a->name && b->name) continue;
      if (strcmp(a->name ? a->name : a->expr, b->name ? b->name : b->expr) != 0) continue;
      char path[TF_CONFIG_PATH_BYTES];
      snprintf(path, sizeof path, "features[%u].%s", i, a->name ? "name" : "expr");
      report(config, E_CONFIG_CONFLICT, path, "features[%u] already goes by that name", j);
      break;
    }
  }
}

static bool check_lane_stages(tf_config_t *config, uint32_t i) {
  static const uint32_t legal[] = {
      TF_CONFIG_STAGES_ALL,
      TF_CONFIG_STAGE_ACQUIRE,
      TF_CONFIG_STAGE_EMIT,
      TF_CONFIG_STAGES_LANE,
      TF_CONFIG_STAGE_ACQUIRE | TF_CONFIG_STAGES_LANE,
      TF_CONFIG_STAGES_LANE | TF_CONFIG_STAGE_EMIT,
  };
  char path[TF_CONFIG_PATH_BYTES];
  for (size_t k = 0; k < TF_ARRAY_CNT(legal); k++)
    if (config->engine.lanes[i].stages == legal[k]) return true;
  snprintf(path, sizeof path, "engine.lanes[%u].stages", i);
  report(config, E_CONFIG_CONFLICT, path,
         "the pipeline may be cut after acquire and after decide only; allowed: all, [acquire], "
         "[acquire, buffer, compute, decide], [buffer, compute, decide], "
         "[buffer, compute, decide, emit], [emit]");
  return false;
}

/* One decoder, one thread of sinks, and one or more lanes between them. Where there are several
 * lanes, they all read the event ring and write their decision rings: acquire and emit then stand
 * alone. */
static void check_lanes(tf_config_t *config) {
  static const struct {
    uint32_t    stages;
    const char *text;
  } parts[] = {
      {TF_CONFIG_STAGE_ACQUIRE, "acquire"                },
      {TF_CONFIG_STAGES_LANE,   "buffer, compute, decide"},
      {TF_CONFIG_STAGE_EMIT,    "emit"                   }
  };
  const tf_config_lane_t *lanes    = config->engine.lanes;
  uint32_t                first[3] = {0}, cnt[3] = {0}, lane_cnt = config->engine.lane_cnt;
  bool                    legal = true;
  char                    path[TF_CONFIG_PATH_BYTES];
  for (uint32_t i = 0; i < lane_cnt; i++) {
    snprintf(path, sizeof path, "engine.lanes[%u].cpu", i);
    for (uint32_t j = 0; j < i; j++)
      if (lanes[i].cpu >= 0 && lanes[i].cpu == lanes[j].cpu)
        report(config, E_CONFIG_CONFLICT, path,
               "core %d is already engine.lanes[%u]'s; two threads on one core wait for each other",
               lanes[i].cpu, j);
    legal &= check_lane_stages(config, i);
    for (uint32_t k = 0; k < 3; k++) {
      if (!(lanes[i].stages & parts[k].stages)) continue;
      if (cnt[k]++ == 0) first[k] = i;
      snprintf(path, sizeof path, "engine.lanes[%u].stages", i);
      if (k != 1 && cnt[k] > 1)
        report(config, E_CONFIG_CONFLICT, path,
               "%s is already on engine.lanes[%u]; one thread has it", parts[k].text, first[k]);
    }
  }
  for (uint32_t k = 0; legal && k < 3; k++)
    if (cnt[k] == 0)
      report(config, E_CONFIG_CONFLICT, "engine.lanes[0].stages", "no thread has %s",
             parts[k].text);
  for (uint32_t k = 0; legal && k < 3; k += 2) {
    snprintf(path, sizeof path, "engine.lanes[%u].stages", first[k]);
    if (cnt[1] > 1 && cnt[k] == 1 && lanes[first[k]].stages != parts[k].stages)
      report(config, E_CONFIG_CONFLICT, path,
             "with several lanes %s stands on a thread of its own: [%s]", parts[k].text,
             parts[k].text);
  }
}

/* What a feed connects to and from. */
static void check_ways(tf_config_t *config, uint32_t i) {
  const tf_config_feed_t *feed = &config->feeds[i];
  unsigned char           address[16];
  char                    path[TF_CONFIG_PATH_BYTES];
  if (feed->url.host && feed->endpoints.item_cnt > 0) {
    snprintf(path, sizeof path, "feeds[%u].endpoints", i);
    report(config, E_CONFIG_CONFLICT, path, "url names the host already; leave one of the two out");
  }
  if (feed->proxy_key_file && !feed->proxy.host) {
    snprintf(path, sizeof path, "feeds[%u].proxy_key_file", i);
    report(config, E_CONFIG_CONFLICT, path, "there is no proxy that it is for");
  }
  if (feed->source_address && inet_pton(AF_INET, feed->source_address, address) != 1 &&
      inet_pton(AF_INET6, feed->source_address, address) != 1) {
    snprintf(path, sizeof path, "feeds[%u].source_address", i);
    report(config, E_CONFIG_VALUE, path,
           "found \"%s\"; the address must be numeric, such as 192.0.2.7 or 2001:db8::7",
           feed->source_address);
  }
}

#define SPEED_AS_RECORDED 1000u

/* "BTCUSDT=BTC-USD": which of the feed's instruments it is about, UINT32_MAX: none. */
static uint32_t instrument_of(const tf_config_feed_t *feed, const char *pair) {
  const char *sign = strchr(pair, '=');
  size_t      cnt  = sign ? (size_t)(sign - pair) : 0;
  for (uint32_t i = 0; cnt > 0 && sign[1] != '\0' && i < feed->instruments.item_cnt; i++)
    if (strlen(feed->instruments.items[i]) == cnt &&
        memcmp(feed->instruments.items[i], pair, cnt) == 0)
      return i;
  return UINT32_MAX;
}

static bool is_pair(const char *text) {
  const char *sign = strchr(text, '=');
  return sign && sign > text && sign[1] != '\0';
}

static void check_pairs(tf_config_t *config, const tf_config_feed_t *feed,
                        const tf_config_fallback_t *f, const char *path) {
  for (uint32_t i = 0; i < f->instruments.item_cnt; i++) {
    const char *pair    = f->instruments.items[i];
    uint32_t    ours    = instrument_of(feed, pair);
    bool        is_late = feed->instruments_max > feed->instruments.item_cnt && is_pair(pair);
    if (ours == UINT32_MAX && !is_late)
      report(config, E_CONFIG_VALUE, path,
             "found \"%.80s\"; expected OURS=THEIRS, OURS one of the feed's instruments%s", pair,
             is_pair(pair) ? ", or instruments_max with room for it" : "");
    int ours_cnt = (int)strcspn(pair, "=");
    for (uint32_t k = 0; k < i && is_pair(pair); k++)
      if (strncmp(f->instruments.items[k], pair, (size_t)ours_cnt + 1) == 0)
        report(config, E_CONFIG_CONFLICT, path, "%.*s has two that stand in for it", ours_cnt,
               pair);
  }
}

static void check_fallback(tf_config_t *config, uint32_t i, uint32_t k) {
  const tf_config_feed_t     *feed = &config->feeds[i];
  const tf_config_fallback_t *f    = &feed->fallbacks[k];
  char                        path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "feeds[%u].fallback[%u].url", i, k);
  if (!f->url.host && !f->venue && !f->tape && !f->capture)
    report(config, E_CONFIG_CONFLICT, path, "one of url, venue, tape and capture is wanted");
  bool is_live = f->url.host || f->rest.host || f->venue || f->instruments.item_cnt > 0;
  snprintf(path, sizeof path, "feeds[%u].fallback[%u].tape", i, k);
  if (f->tape && (is_live || f->capture))
    report(config, E_CONFIG_CONFLICT, path, "a tape stands alone");
  snprintf(path, sizeof path, "feeds[%u].fallback[%u].capture", i, k);
  if (f->capture && is_live) report(config, E_CONFIG_CONFLICT, path, "a capture stands alone");
  snprintf(path, sizeof path, "feeds[%u].fallback[%u].speed", i, k);
  if (!f->tape && !f->capture && (f->speed != SPEED_AS_RECORDED || f->at_end != 0))
    report(config, E_CONFIG_CONFLICT, path, "speed and at_end are of a tape or capture");
  snprintf(path, sizeof path, "feeds[%u].fallback[%u].instruments", i, k);
  if ((f->venue != NULL) != (f->instruments.item_cnt > 0))
    report(config, E_CONFIG_CONFLICT, path,
           "venue and instruments go together: [BTCUSDT=BTC-USD] says which stands in for which");
  check_pairs(config, feed, f, path);
}

static void check_feed(tf_config_t *config, uint32_t i) {
  const tf_config_feed_t *feed = &config->feeds[i];
  char                    path[TF_CONFIG_PATH_BYTES];
  if (feed->insecure && feed->ca_file) {
    snprintf(path, sizeof path, "feeds[%u].ca_file", i);
    report(config, E_CONFIG_CONFLICT, path,
           "insecure: true verifies no certificate; leave one of the two out");
  }
  if (feed->instruments.item_cnt > config->engine.instruments_max) {
    snprintf(path, sizeof path, "feeds[%u].instruments", i);
    report(config, E_CONFIG_CONFLICT, path, "%u instruments, but engine.instruments_max is %u",
           feed->instruments.item_cnt, config->engine.instruments_max);
  }
  check_ways(config, i);
  for (uint32_t k = 0; k < feed->fallback_cnt; k++) check_fallback(config, i, k);
}

static void check_strategy(tf_config_t *config, uint32_t i) {
  const tf_config_strategy_t *s = &config->strategies[i];
  char                        path[TF_CONFIG_PATH_BYTES];
  if ((s->buy_until && !s->buy) || (s->sell_until && !s->sell)) {
    const char *side = s->buy_until && !s->buy ? "buy" : "sell";
    snprintf(path, sizeof path, "strategies[%u].%s_until", i, side);
    report(config, E_CONFIG_CONFLICT, path, "there is no %s that it could end; give one", side);
  }
  if (s->buy || s->sell || s->flat || strcmp(s->policy, "rule") != 0) return;
  snprintf(path, sizeof path, "strategies[%u].name", i);
  report(config, E_CONFIG_CONFLICT, path,
         "policy rule with neither buy, sell nor flat never acts; give it one");
}

/* ---- bars ---- */

static bool is_written(const tf_config_t *config, const char *path) {
  const tf_config_value_t *value = tf_config_value_at(config, path);
  return value && value->source != TF_CONFIG_SOURCE_DEFAULT;
}

static void report_bar(tf_config_t *config, const tf_config_bar_t *bar, const char *key,
                       const char *why) {
  char path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "bars.%s.%s", bar->name, key);
  if (is_written(config, path)) report(config, E_CONFIG_CONFLICT, path, "%s", why);
}

static void check_trades(tf_config_t *config, const tf_config_bar_t *bar) {
  const double least = tf_config_bar_trades_min(bar), most = tf_config_bar_trades_max(bar);
  char         why[160];
  snprintf(why, sizeof why,
           "of %.0f .. %.0f trades, and the first bar has %.0f: it must lie between the two", least,
           most, bar->size.amount);
  if (least > bar->size.amount) report_bar(config, bar, "trades_min", why);
  if (most < bar->size.amount) report_bar(config, bar, "trades_max", why);
}

static void check_bar(tf_config_t *config, const tf_config_bar_t *bar) {
  static const char *const learned[] = {"ewma_bars", "trades_min", "trades_max"};
  const bool               is_time   = bar->size.kind == TF_CONFIG_BAR_TIME;
  if (!bar->name) return;
  if (!is_time && bar->gaps != TF_CONFIG_BAR_GAPS_NONE)
    report_bar(config, bar, "gaps", "only bars of a duration have gaps; leave it out");
  if (bar->late_max_ns > 0 && (!is_time || bar->clock != TF_CONFIG_BAR_CLOCK_EVENT))
    report_bar(config, bar, "late_max",
               "only bars of a duration with clock: event are held back; leave it out");
  else if (is_time && bar->late_max_ns > bar->size.interval_ns)
    report_bar(config, bar, "late_max", "is more than the bar's size; at most that");
  for (size_t i = 0; i < TF_ARRAY_CNT(learned) && !tf_config_bar_learns(bar); i++)
    report_bar(config, bar, learned[i], "only imbalances and runs are averaged; leave it out");
  if (tf_config_bar_learns(bar)) check_trades(config, bar);
  if (is_time && bar->session.hours.length_ns > 0 &&
      bar->size.interval_ns > bar->session.hours.length_ns)
    report_bar(config, bar, "session.hours", "is shorter than the bar's size");
}

/* models/{symbol}: the braces are of names that are known, and a base stands in. */
static void check_owns(tf_config_t *config, uint32_t i) {
  static const char *const known[] = {TF_CONFIG_OF_SYMBOL, TF_CONFIG_OF_INSTRUMENT};
  const tf_config_model_t *m       = &config->models[i];
  char                     path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "models[%u].registry", i);
  for (const char *at = m->registry; (at = strchr(at, '{')); at++) {
    if (!strncmp(at, known[0], strlen(known[0])) || !strncmp(at, known[1], strlen(known[1])))
      continue;
    report(config, E_CONFIG_VALUE, path, "found \"%.*s\"; known are %s and %s",
           (int)strcspn(at, "}") + 1, at, known[0], known[1]);
  }
  if (!m->file)
    report(config, E_CONFIG_CONFLICT, path,
           "one model an instrument wants a base: file, which answers until theirs is there");
  if (m->version || m->sha256 || m->shadow_min || m->divergence_max_ppm || m->rollback_refused ||
      m->canary_late_max)
    report(
        config, E_CONFIG_CONFLICT, path,
        "version, sha256, shadow_min, divergence_max, rollback_refused and canary_late_max are of "
        "one model for all instruments");
}

static bool is_foreign(const tf_config_model_t *m) { return tf_config_model_is_foreign(m); }

/* One that another runtime answers: what it is, and what it is not. */
static void check_foreign(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m         = &config->models[i];
  bool                     is_kserve = m->backend == TF_CONFIG_BACKEND_KSERVE;
  bool wants_fallback                = tf_config_model_no_answer(m) == TF_CONFIG_NO_ANSWER_FALLBACK;
  char path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "models[%u].backend", i);
  if (is_kserve && !m->url.host)
    report(config, E_CONFIG_CONFLICT, path, "backend kserve wants url");
  if (is_kserve == (m->file != NULL) || m->registry)
    report(config, E_CONFIG_CONFLICT, path,
           is_kserve ? "backend kserve has url, and neither file nor registry"
                     : "backend onnxruntime has file, an .onnx, and no registry");
  if (!is_kserve && m->url.host)
    report(config, E_CONFIG_CONFLICT, path, "url is of backend kserve");
  if (m->inputs.item_cnt == 0)
    report(config, E_CONFIG_CONFLICT, path,
           "inputs is wanted: nothing else says which features its rows are of");
  if (m->budget_ns || m->overrun != TF_CONFIG_OVERRUN_COUNT)
    report(
        config, E_CONFIG_CONFLICT, path,
        "budget and overrun are of models run on the lane; deadline and no_answer are of this one");
  snprintf(path, sizeof path, "models[%u].max_age", i);
  if (m->max_age_ns < tf_config_model_deadline_ns(m))
    report(config, E_CONFIG_CONFLICT, path,
           "less than deadline: an answer in time would be too old");
  snprintf(path, sizeof path, "models[%u].no_answer", i);
  if (wants_fallback && !m->fallback)
    report(config, E_CONFIG_CONFLICT, path, "no_answer: fallback wants the name of a model");
  if (m->no_answer == TF_CONFIG_NO_ANSWER_CPU)
    report(config, E_CONFIG_CONFLICT, path,
           "cpu is of backends gpu and stub: no file here could be run on the lane");
  for (uint32_t k = 0; k < i && m->fallback; k++)
    if (strcmp(config->models[k].name, m->fallback) == 0 && is_foreign(&config->models[k]))
      report(config, E_CONFIG_CONFLICT, path,
             "models[%u] is another runtime's too: what stands in must be run on the lane", k);
}

/* Only that worker has a card. */
static void check_model_features(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m = &config->models[i];
  char                     path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "models[%u].features", i);
  if (m->features == TF_CONFIG_FEATURES_GPU && m->backend != TF_CONFIG_BACKEND_GPU)
    report(config, E_CONFIG_CONFLICT, path, "features: gpu is of backend: gpu");
}

/* One that a worker answers on the tick. */
static void check_remote(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m  = &config->models[i];
  int                      no = tf_config_model_no_answer(m);
  char                     path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "models[%u].backend", i);
  if (tf_config_model_has_owns(m))
    report(config, E_CONFIG_CONFLICT, path,
           "a worker has one model: models of instruments (registry with {symbol}) are run on the "
           "lane");
  if (m->ensemble.item_cnt > 0)
    report(config, E_CONFIG_CONFLICT, path,
           "an ensemble is a sum on the lane; its members may be of a worker");
  if (m->lanes > 1)
    report(config, E_CONFIG_CONFLICT, path, "two lanes are of a model that the lane runs");
  if (m->budget_ns || m->overrun != TF_CONFIG_OVERRUN_COUNT)
    report(
        config, E_CONFIG_CONFLICT, path,
        "budget and overrun are of models run on the lane; deadline and no_answer are of this one");
  snprintf(path, sizeof path, "models[%u].no_answer", i);
  if (no == TF_CONFIG_NO_ANSWER_FALLBACK && !m->fallback)
    report(config, E_CONFIG_CONFLICT, path, "no_answer: fallback wants the name of a model");
  for (uint32_t k = 0; k < i && m->fallback; k++)
    if (strcmp(config->models[k].name, m->fallback) == 0 && is_foreign(&config->models[k]))
      report(
          config, E_CONFIG_CONFLICT, path,
          "models[%u] is another runtime's, which may have no answer either: what stands in must "
          "have one on each tick",
          k);
}

/* A helper that sleeps, or waits for the lane's own core, is always late; a version that is swapped out may not be in its hands. */
static void check_model_lanes(tf_config_t *config, uint32_t i) {
  const tf_config_engine_t *engine = &config->engine;
  char                      path[TF_CONFIG_PATH_BYTES];
  if (config->models[i].lanes == 1) return;
  snprintf(path, sizeof path, "models[%u].lanes", i);
  if (!config->models[i].file || config->models[i].registry || is_foreign(&config->models[i]))
    report(config, E_CONFIG_CONFLICT, path,
           "two lanes are for a model of a file that the lane runs; a registry's, an ensemble and "
           "another runtime's have one");
  if (engine->idle == TF_CONFIG_IDLE_SLEEP)
    report(config, E_CONFIG_CONFLICT, path,
           "the second lane looks for work without pause: engine.idle must be spin or yield");
  for (uint32_t k = 0; k < engine->lane_cnt; k++)
    if (engine->helper_cpu >= 0 && engine->lanes[k].cpu == engine->helper_cpu)
      report(config, E_CONFIG_CONFLICT, "engine.helper_cpu",
             "core %d is already engine.lanes[%u]'s; two threads on one core wait for each other",
             engine->helper_cpu, k);
}

/* Figures instead of a measurement that nobody makes. */
static void check_place(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m = &config->models[i];
  char                     path[TF_CONFIG_PATH_BYTES];
  if (m->backend == TF_CONFIG_BACKEND_AUTO || (!m->place_cpu_ns && !m->place_worker_ns)) return;
  snprintf(path, sizeof path, "models[%u].%s", i, m->place_cpu_ns ? "place_cpu" : "place_worker");
  report(config, E_CONFIG_CONFLICT, path, "it is of backend auto: this one's place is said");
}

/* Which file it is of. */
static void check_model_file(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m = &config->models[i];
  char                     path[TF_CONFIG_PATH_BYTES];
  if (tf_config_model_is_remote(m)) check_remote(config, i);
  check_model_features(config, i);
  check_place(config, i);
  if (tf_config_model_has_owns(m)) {
    check_owns(config, i);
    return;
  }
  snprintf(path, sizeof path, "models[%u].file", i);
  if (is_foreign(m)) check_foreign(config, i);
  if (!is_foreign(m) && !!m->file + !!m->registry + (m->ensemble.item_cnt > 0) != 1)
    report(config, E_CONFIG_CONFLICT, path, "one of file, registry and ensemble is wanted");
  snprintf(path, sizeof path, "models[%u].backend", i);
  if (!is_foreign(m) && (m->url.host || m->outputs || m->library))
    report(config, E_CONFIG_CONFLICT, path,
           "url, library and outputs are of backends onnxruntime and kserve");
  snprintf(path, sizeof path, "models[%u].version", i);
  if (m->version && !m->registry)
    report(config, E_CONFIG_CONFLICT, path, "versions are of a registry; a file is itself");
  snprintf(path, sizeof path, "models[%u].registry", i);
  if (!m->registry &&
      (m->shadow_min || m->divergence_max_ppm || m->rollback_refused || m->canary_late_max))
    report(config, E_CONFIG_CONFLICT, path,
           "shadow_min, divergence_max, rollback_refused and canary_late_max are of a model that "
           "can be swapped");
  if (m->canary_late_max && !m->budget_ns)
    report(config, E_CONFIG_CONFLICT, path, "canary_late_max wants a budget to be late for");
  if (m->divergence_max_ppm && !m->shadow_min)
    report(config, E_CONFIG_CONFLICT, path, "divergence_max wants shadow_min: ticks to judge by");
  snprintf(path, sizeof path, "models[%u].sha256", i);
  if (m->sha256 && strspn(m->sha256, "0123456789abcdefABCDEF") != strlen(m->sha256))
    report(config, E_CONFIG_VALUE, path, "found \"%s\"; 64 hex digits are wanted", m->sha256);
}

/* A name that a model has is ambiguous in commands. */
static void check_text_model(tf_config_t *config, const char *role,
                             const tf_config_text_model_t *t) {
  char path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "texts.%s.file", role);
  if (t->file && t->registry)
    report(config, E_CONFIG_CONFLICT, path, "one of file and registry is wanted");
  snprintf(path, sizeof path, "texts.%s.version", role);
  if (t->version && !t->registry)
    report(config, E_CONFIG_CONFLICT, path, "versions are of a registry; a file is itself");
  snprintf(path, sizeof path, "texts.%s.sha256", role);
  if (t->sha256 && strspn(t->sha256, "0123456789abcdefABCDEF") != strlen(t->sha256))
    report(config, E_CONFIG_VALUE, path, "found \"%s\"; 64 hex digits are wanted", t->sha256);
  snprintf(path, sizeof path, "texts.%s.registry", role);
  if (t->registry && !t->name)
    report(config, E_CONFIG_CONFLICT, path, "a name is wanted: whose versions it has");
  snprintf(path, sizeof path, "texts.%s.name", role);
  for (uint32_t i = 0; i < config->model_cnt && t->registry && t->name; i++)
    if (config->models[i].name && strcmp(config->models[i].name, t->name) == 0)
      report(config, E_CONFIG_CONFLICT, path, "models[%u] is called %s, too", i, t->name);
}

static void check_texts(tf_config_t *config) {
  const tf_config_text_model_t *c = &config->texts.classifier, *e = &config->texts.embedder;
  check_text_model(config, "classifier", c);
  check_text_model(config, "embedder", e);
  if (tf_config_text_model_is_given(e) && !tf_config_text_model_is_given(c))
    report(config, E_CONFIG_CONFLICT, "texts.embedder",
           "a classifier is wanted, too: texts.classifier");
  if (c->registry && c->name && e->registry && e->name && strcmp(c->name, e->name) == 0)
    report(config, E_CONFIG_CONFLICT, "texts.embedder.name", "the classifier is called %s, too",
           e->name);
}

/* What of an ensemble's keys goes with what. */
static void check_ensemble(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m   = &config->models[i];
  const uint32_t           cnt = m->ensemble.item_cnt;
  const bool               takes =
      m->combine == TF_CONFIG_COMBINE_WEIGHTED || m->combine == TF_CONFIG_COMBINE_VOTE;
  char path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "models[%u].ensemble", i);
  if (cnt == 0 && (m->combine || m->weights.item_cnt || m->quorum))
    report(config, E_CONFIG_CONFLICT, path,
           "combine, weights and quorum are of an ensemble; there is none");
  if (cnt > 0 && (m->inputs.item_cnt || m->sha256 || m->window))
    report(config, E_CONFIG_CONFLICT, path,
           "inputs, sha256 and window are of a model file; an ensemble has its members alone");
  snprintf(path, sizeof path, "models[%u].weights", i);
  if (cnt > 0 && m->weights.item_cnt > 0 && m->weights.item_cnt != cnt)
    report(config, E_CONFIG_CONFLICT, path, "%u weights for %u members", m->weights.item_cnt, cnt);
  if (cnt > 0 && m->weights.item_cnt > 0 && !takes)
    report(config, E_CONFIG_CONFLICT, path, "combine: weighted or vote takes them");
  snprintf(path, sizeof path, "models[%u].combine", i);
  if (cnt > 0 && m->weights.item_cnt == 0 && m->combine == TF_CONFIG_COMBINE_WEIGHTED)
    report(config, E_CONFIG_CONFLICT, path, "there are no weights; give one for each member");
  snprintf(path, sizeof path, "models[%u].quorum", i);
  if (cnt > 0 && m->quorum > cnt)
    report(config, E_CONFIG_CONFLICT, path, "%u of %u members", m->quorum, cnt);
}

/* That what it reads of other models is there. */
static void check_sources(tf_config_t *config, uint32_t at) {
  const tf_config_model_t *m = &config->models[at];
  tf_chain_output_t        output;
  char                     path[TF_CONFIG_PATH_BYTES];
  NAMES_OF(config, models, model_cnt, names);
  snprintf(path, sizeof path, "models[%u].ensemble", at);
  for (uint32_t k = 0; k < m->ensemble.item_cnt; k++)
    check_known(config, path, m->ensemble.items[k], "model", names, config->model_cnt);
  snprintf(path, sizeof path, "models[%u].inputs", at);
  for (uint32_t k = 0; k < m->inputs.item_cnt; k++) {
    if (!tf_chain_parse(m->inputs.items[k], &output)) continue;
    const char *wrong = tf_chain_check_output(&output);
    if (wrong) report(config, E_CONFIG_VALUE, path, "found %s: %s", m->inputs.items[k], wrong);
    check_known(config, path, output.model, "model", names, config->model_cnt);
    uint32_t source = tf_chain_find(config, output.model);
    if (source == TF_CHAIN_NONE || (config->models[source].overrun != TF_CONFIG_OVERRUN_LAST &&
                                    config->models[source].overrun != TF_CONFIG_OVERRUN_FALLBACK))
      continue;
    report(config, E_CONFIG_CONFLICT, path,
           "reads %s, whose overrun policy lets a score stand in for it, not a row of outputs: "
           "count or skip",
           output.model);
  }
}

/* Each waits for those that it reads, so nobody may wait for itself. */
static void check_circles(tf_config_t *config) {
  uint32_t order[TF_ARRAY_CNT(config->models)], stuck;
  char     path[TF_CONFIG_PATH_BYTES];
  if (tf_chain_order(config, NULL, order, NULL, &stuck)) return;
  const tf_config_model_t *m = &config->models[stuck];
  snprintf(path, sizeof path, "models[%u].%s", stuck,
           m->ensemble.item_cnt ? "ensemble"
           : m->inputs.item_cnt ? "inputs"
                                : "fallback");
  report(config, E_CONFIG_CONFLICT, path,
         "%s reads models that in the end read %s: nobody could answer first", m->name, m->name);
}

static void check_model(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m = &config->models[i];
  char                     path[TF_CONFIG_PATH_BYTES];
  bool                     wants_fallback = m->overrun == TF_CONFIG_OVERRUN_FALLBACK, found = false;
  for (uint32_t k = 0; k < i && m->fallback; k++)
    found |= strcmp(config->models[k].name, m->fallback) == 0;
  snprintf(path, sizeof path, "models[%u].fallback", i);
  if (m->fallback && !found)
    report(config, E_CONFIG_CONFLICT, path,
           "no model before this one is named \"%s\": it answers first, so it stands first",
           m->fallback);
  if (wants_fallback && !m->fallback)
    report(config, E_CONFIG_CONFLICT, path, "overrun: fallback wants the name of a model");
  snprintf(path, sizeof path, "models[%u].overrun", i);
  if (m->overrun != TF_CONFIG_OVERRUN_COUNT && m->budget_ns == 0)
    report(config, E_CONFIG_CONFLICT, path, "there is no budget that could be overrun; give one");
  snprintf(path, sizeof path, "models[%u].step", i);
  if (m->step > m->horizon)
    report(config, E_CONFIG_CONFLICT, path, "step %u of a horizon of %u", m->step, m->horizon);
}

/* What passes clamp and valid lies within them, so an alert has to be within too. */
static void check_alert(tf_config_t *config, uint32_t i) {
  const tf_config_model_t *m        = &config->models[i];
  const tf_config_range_t *bounds[] = {&m->clamp, &m->valid};
  static const char *const names[]  = {"clamp", "valid"};
  char                     path[TF_CONFIG_PATH_BYTES];
  snprintf(path, sizeof path, "models[%u].alert", i);
  for (size_t k = 0; k < TF_ARRAY_CNT(bounds) && m->alert.is_set; k++) {
    if (!bounds[k]->is_set) continue;
    bool above = isfinite(m->alert.max) && m->alert.max >= bounds[k]->max;
    bool below = isfinite(m->alert.min) && m->alert.min <= bounds[k]->min;
    if (above || below)
      report(config, E_CONFIG_CONFLICT, path,
             "no output that %s lets through is %s %g: it would never be raised", names[k],
             above ? "above" : "below", above ? m->alert.max : m->alert.min);
  }
}

/* A tick that waits for others is not to be late by that alone. */
static void check_batches(tf_config_t *config) {
  const tf_config_engine_t *e    = &config->engine;
  const char               *path = "engine.max_queue_delay";
  if (e->max_queue_delay_ns > 0 && e->batch_max == 1)
    report(config, E_CONFIG_CONFLICT, path,
           "batch_max is 1: there is nothing that a tick could wait for");
  for (uint32_t i = 0; i < config->model_cnt && e->max_queue_delay_ns > 0; i++) {
    const tf_config_model_t *m = &config->models[i];
    if (m->budget_ns == 0 || e->max_queue_delay_ns < m->budget_ns) continue;
    report(config, E_CONFIG_CONFLICT, path,
           "a tick could wait for as long as the budget of %s (%llu ns): give it less", m->name,
           (unsigned long long)m->budget_ns);
  }
}

/* What is shed when, and that nobody more important waits for it. */
static void check_priorities(tf_config_t *config) {
  const tf_config_engine_t *e       = &config->engine;
  bool                      has_low = e->low_instruments.item_cnt > 0, has_budget = false;
  const bool                sheds_low = e->burst_budget_ns > 0 || e->shed_low_after_ns > 0;
  uint32_t                  source, reader;
  char                      path[TF_CONFIG_PATH_BYTES];
  for (uint32_t i = 0; i < config->model_cnt; i++) {
    has_low |= config->models[i].priority == TF_CONFIG_PRIORITY_LOW;
    has_budget |= config->models[i].budget_ns > 0;
    if (config->models[i].priority != TF_CONFIG_PRIORITY_LOW || sheds_low) continue;
    snprintf(path, sizeof path, "models[%u].priority", i);
    report(config, E_CONFIG_CONFLICT, path,
           "low is what is not asked past engine.burst_budget or engine.shed_low_after, and there "
           "is neither; give one");
  }
  if (e->low_instruments.item_cnt > 0 && !sheds_low)
    report(config, E_CONFIG_CONFLICT, "engine.low_instruments",
           "low is what is not asked past engine.burst_budget or engine.shed_low_after, and there "
           "is neither; give one");
  if (e->shed_low_after_ns > 0 && !has_low)
    report(config, E_CONFIG_CONFLICT, "engine.shed_low_after",
           "neither a model nor an instrument is of low priority: nothing could be shed");
  if (e->burst_budget_ns > 0 && !has_low)
    report(config, E_CONFIG_CONFLICT, "engine.burst_budget",
           "neither a model nor an instrument is of low priority: nothing could be shed");
  if (e->burst_budget_ns > 0 && has_low && !has_budget)
    report(config, E_CONFIG_CONFLICT, "engine.burst_budget",
           "no model has a budget: there is no work that could add up");
  if (e->conflate_after_ns > 0 && e->shed_low_after_ns > 0 &&
      e->shed_low_after_ns <= e->conflate_after_ns)
    report(config, E_CONFIG_CONFLICT, "engine.shed_low_after",
           "not longer than engine.conflate_after, which is the gentler step and comes first");
  if (!tf_chain_starves(config, NULL, &source, &reader)) return;
  snprintf(path, sizeof path, "models[%u].priority", source);
  report(config, E_CONFIG_CONFLICT, path, "low, but %s, which is not, cannot answer without it",
         config->models[reader].name);
}

void tf_config_check(tf_config_t *config, const tf_config_known_t *known) {
  check_names(config, known);
  check_features(config);
  check_lanes(config);
  check_texts(config);
  for (uint32_t i = 0; i < config->feed_cnt; i++) check_feed(config, i);
  for (uint32_t i = 0; i < config->bar_cnt; i++) check_bar(config, &config->bars[i]);
  for (uint32_t i = 0; i < config->model_cnt; i++) {
    check_model_file(config, i);
    check_model_lanes(config, i);
    check_model(config, i);
    check_ensemble(config, i);
    check_alert(config, i);
    check_sources(config, i);
  }
  check_circles(config);
  check_batches(config);
  check_priorities(config);
  for (uint32_t i = 0; i < config->strategy_cnt; i++) check_strategy(config, i);
}
