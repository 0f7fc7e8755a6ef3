#include "boot/feature_schema.h"

#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "core/error.h"
#include "core/hash.h"

const char *const tf_feature_nan_words[TF_FEATURE_NAN_CNT] = {"keep", "drop", "fill"};

static const char *const bar_units[TF_BAR_KIND_CNT] = {
    [TF_BAR_TIME]               = "ns",
    [TF_BAR_TICKS]              = "ticks",
    [TF_BAR_VOLUME]             = "volume",
    [TF_BAR_NOTIONAL]           = "notional",
    [TF_BAR_TICK_IMBALANCE]     = "tick_imbalance",
    [TF_BAR_VOLUME_IMBALANCE]   = "volume_imbalance",
    [TF_BAR_NOTIONAL_IMBALANCE] = "notional_imbalance",
    [TF_BAR_TICK_RUNS]          = "tick_runs",
    [TF_BAR_VOLUME_RUNS]        = "volume_runs",
    [TF_BAR_NOTIONAL_RUNS]      = "notional_runs"};

#define BAR_TEXT_BYTES 256

static void add(char text[BAR_TEXT_BYTES], const char *fmt, ...) TF_PRINTF(2, 3);
static void add(char text[BAR_TEXT_BYTES], const char *fmt, ...) {
  const size_t used = strlen(text);
  va_list      args;
  va_start(args, fmt);
  vsnprintf(text + used, BAR_TEXT_BYTES - used, fmt, args);
  va_end(args);
}

/* "1000000000 ns", and after it what is not as it is where nothing is said. */
static void bar_text(const tf_bar_spec_t *bar, char text[BAR_TEXT_BYTES]) {
  const tf_bar_session_t *s = &bar->session;
  text[0]                   = '\0';
  add(text, "%.17g %s", bar->kind == TF_BAR_TIME ? (double)bar->span_ns : bar->amount,
      bar_units[bar->kind]);
  if (bar->kind >= TF_BAR_TICK_IMBALANCE)
    add(text, ", ewma %u, trades %u..%u", bar->flow.ewma_bars, bar->flow.trades_min,
        bar->flow.trades_max);
  if (bar->clock == TF_BAR_CLOCK_EVENT)
    add(text, ", ts_event, late %llu ns", (unsigned long long)bar->late_max_ns);
  if (bar->is_flat) add(text, ", flat");
  if (s->length_ns > 0)
    add(text, ", session %llu+%llu%+lld ns, days %02x", (unsigned long long)s->open_ns,
        (unsigned long long)s->length_ns, (long long)s->offset_ns, s->days);
}

static uint64_t fold(uint64_t hash, const char *text) {
  for (; *text; text++) hash = tf_hash_fold(hash, (uint8_t)*text);
  return tf_hash_fold(hash, 256); /* its end, which no byte is */
}

static uint64_t fold_peer(uint64_t hash, const json_t *peer) {
  static const char *const TEXTS[] = {"name", "instrument"};
  for (size_t k = 0; k < TF_ARRAY_CNT(TEXTS); k++) {
    const char *text = json_string_value(json_object_get(peer, TEXTS[k]));
    hash             = fold(hash, text ? text : "");
  }
  hash = tf_hash_fold(hash, (uint64_t)json_integer_value(json_object_get(peer, "max_age_ns")));
  hash = tf_hash_fold(hash, (uint64_t)json_integer_value(json_object_get(peer, "books")));
  return tf_hash_fold(hash, json_is_true(json_object_get(peer, "wake")));
}

static json_t *peer_object(const tf_feature_peer_t *peer) {
  return json_pack("{s:s, s:s, s:I, s:i, s:b}", "name", peer->name, "instrument", peer->instrument,
                   "max_age_ns", (json_int_t)peer->max_age_ns, "books", (int)peer->books_ok, "wake",
                   peer->wakes);
}

static json_t *universe_object(const tf_feature_universe_t *u) {
  json_t *names = json_array();
  for (uint32_t i = 0; i < u->name_cnt; i++)
    json_array_append_new(names, json_string(u->instruments[i]));
  return json_pack("{s:o, s:I, s:i}", "instruments", names, "max_age_ns", (json_int_t)u->max_age_ns,
                   "books", (int)u->books_ok);
}

static uint64_t fold_universe(uint64_t hash, const json_t *universe) {
  const json_t *name;
  size_t        i;
  if (!universe) return hash;
  json_array_foreach(json_object_get(universe, "instruments"), i, name) {
    const char *text = json_string_value(name);
    hash             = fold(hash, text ? text : "");
  }
  hash = tf_hash_fold(hash, (uint64_t)json_integer_value(json_object_get(universe, "max_age_ns")));
  return tf_hash_fold(hash, (uint64_t)json_integer_value(json_object_get(universe, "books")));
}

/* Of the parsed text's own words, so that whoever changes one by hand has to mean it. */
static void hash_of(const json_t *root, char hex[17]) {
  const json_t *feature, *bar, *peer;
  const char   *name, *nan = json_string_value(json_object_get(root, "nan"));
  size_t        i;
  uint64_t      hash = tf_hash_fold(TF_HASH_SEED, TF_FEATURE_SCHEMA_VERSION);
  hash               = fold(hash, nan ? nan : "");
  json_array_foreach(json_object_get(root, "features"), i, feature) {
    const char *expr = json_string_value(json_object_get(feature, "expr"));
    hash             = fold(hash, expr ? expr : "");
  }
  json_object_foreach(json_object_get(root, "bars"), name, bar) {
    const char *text = json_string_value(bar);
    hash             = fold(fold(hash, name), text ? text : "");
  }
  json_array_foreach(json_object_get(root, "peers"), i, peer) hash = fold_peer(hash, peer);
  hash = fold_universe(hash, json_object_get(root, "universe"));
  snprintf(hex, 17, "%016llx", (unsigned long long)hash);
}

tf_err_t tf_feature_schema_text(const tf_feature_plan_t *plan, const tf_bar_spec_t *bars,
                                uint32_t bar_cnt, tf_feature_nan_t nan, char **text) {
  json_t *features = json_array(), *used = json_object();
  char    what[BAR_TEXT_BYTES], hex[17];
  for (uint32_t i = 0; i < plan->listed_cnt; i++)
    json_array_append_new(features, json_pack("{s:s, s:s}", "name", tf_feature_plan_label(plan, i),
                                              "expr", tf_feature_plan_name(plan, i)));
  for (uint32_t b = 0; b < bar_cnt; b++) {
    if (plan->bars[b].field_cnt == 0) continue;
    bar_text(&bars[b], what);
    json_object_set_new(used, bars[b].name, json_string(what));
  }
  json_t *root =
      json_pack("{s:i, s:s, s:s, s:o, s:o}", "version", TF_FEATURE_SCHEMA_VERSION, "hash", "",
                "nan", tf_feature_nan_words[nan], "features", features, "bars", used);
  if (root && plan->peer_cnt > 0) {
    json_t *peers = json_array();
    for (uint32_t i = 0; i < plan->peer_cnt; i++)
      json_array_append_new(peers, peer_object(&plan->peers[i]));
    json_object_set_new(root, "peers", peers);
  }
  if (root && plan->section_cnt > 0)
    json_object_set_new(root, "universe", universe_object(&plan->universe));
  if (root) {
    hash_of(root, hex);
    json_object_set_new(root, "hash", json_string(hex));
  }
  *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return *text ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a schema of %u features", plan->listed_cnt);
}

static tf_err_t check_features(const json_t *list, const tf_feature_plan_t *plan,
                               const uint32_t *places, uint32_t cnt) {
  if (json_array_size(list) != cnt)
    return TF_ERR(E_MODEL_SCHEMA, "its schema has %zu features, the model reads %u",
                  json_array_size(list), cnt);
  for (uint32_t i = 0; i < cnt; i++) {
    const json_t *feature = json_array_get(list, i);
    const char   *name    = json_string_value(json_object_get(feature, "name"));
    const char   *expr    = json_string_value(json_object_get(feature, "expr"));
    if (places[i] == TF_COMPUTE_NO_FEATURE) continue; /* the file's name of it is compared */
    const char *here = tf_feature_plan_name(plan, places[i]);
    if (!expr || strcmp(expr, here) != 0)
      return TF_ERR(E_MODEL_SCHEMA,
                    "feature %u, \"%.64s\", was trained as %.128s; in this config it is %.128s",
                    i + 1, name ? name : "?", expr ? expr : "?", here);
  }
  return TF_OK;
}

static tf_err_t check_bars(const json_t *used, const tf_bar_spec_t *bars, uint32_t bar_cnt) {
  const char   *name;
  const json_t *value;
  json_object_foreach((json_t *)(uintptr_t)used, name, value) {
    const char *trained = json_string_value(value);
    char        here[BAR_TEXT_BYTES];
    uint32_t    b = 0;
    while (b < bar_cnt && strcmp(bars[b].name, name) != 0) b++;
    if (b < bar_cnt) bar_text(&bars[b], here);
    if (b < bar_cnt && trained && strcmp(trained, here) == 0) continue;
    return TF_ERR(E_MODEL_SCHEMA, "bar \"%.32s\" was trained as %.255s; in this config it is %s",
                  name, trained ? trained : "?", b < bar_cnt ? here : "not there");
  }
  return TF_OK;
}

/* Each peer that the model was trained with is read here, and is the same. */
static tf_err_t check_peers(const json_t *trained, const tf_feature_plan_t *plan) {
  const json_t *peer;
  size_t        i;
  json_array_foreach(trained, i, peer) {
    bool is_same = false;
    for (uint32_t k = 0; k < plan->peer_cnt && !is_same; k++) {
      json_t *here = peer_object(&plan->peers[k]);
      is_same      = json_equal(peer, here);
      json_decref(here);
    }
    const char *name       = json_string_value(json_object_get(peer, "name"));
    const char *instrument = json_string_value(json_object_get(peer, "instrument"));
    if (!is_same)
      return TF_ERR(
          E_MODEL_SCHEMA,
          "peer \"%.63s\" was trained as %.63s with its own max_age, books and wake; in this "
          "config it is another, or not read",
          name ? name : "?", instrument ? instrument : "?");
  }
  return TF_OK;
}

/* What a model was trained to see placed among one universe is not placed among another. */
static tf_err_t check_universe(const json_t *trained, const tf_feature_plan_t *plan) {
  if (!trained) return TF_OK;
  json_t *here    = universe_object(&plan->universe);
  bool    is_same = plan->section_cnt > 0 && json_equal(trained, here);
  json_decref(here);
  if (is_same) return TF_OK;
  return TF_ERR(
      E_MODEL_SCHEMA,
      "its cs_ features were trained with another universe: instruments, max_age and books "
      "have to be as they were");
}

static tf_err_t check_head(const json_t *root) {
  const json_t *version = json_object_get(root, "version");
  const char   *nan     = json_string_value(json_object_get(root, "nan"));
  const char   *hash    = json_string_value(json_object_get(root, "hash"));
  char          hex[17];
  if (!json_is_integer(version) || json_integer_value(version) != TF_FEATURE_SCHEMA_VERSION)
    return TF_ERR(E_MODEL_SCHEMA, "its schema has version %lld, this build computes version %d",
                  (long long)json_integer_value(version), TF_FEATURE_SCHEMA_VERSION);
  if (!nan || strcmp(nan, tf_feature_nan_words[TF_FEATURE_NAN_FILL]) == 0)
    return TF_ERR(
        E_MODEL_SCHEMA,
        "it was trained on rows whose gaps were filled (nan: %.16s), and the engine asks no "
        "model on a row with a gap: train on `features eval --nan drop` or keep",
        nan ? nan : "?");
  hash_of(root, hex);
  if (!hash || strcmp(hash, hex) != 0)
    return TF_ERR(E_MODEL_SCHEMA, "its schema was changed: the hash says %.16s, its text %s",
                  hash ? hash : "?", hex);
  return TF_OK;
}

tf_err_t tf_feature_schema_check(const char *text, const tf_feature_plan_t *plan,
                                 const uint32_t *places, uint32_t cnt, const tf_bar_spec_t *bars,
                                 uint32_t bar_cnt) {
  json_error_t at;
  json_t      *root = json_loads(text, JSON_REJECT_DUPLICATES, &at);
  if (!root)
    return TF_ERR(E_MODEL_SCHEMA, "its schema is not JSON: %s (byte %d)", at.text, at.position);
  tf_err_t err = check_head(root);
  if (!err) err = check_features(json_object_get(root, "features"), plan, places, cnt);
  if (!err) err = check_bars(json_object_get(root, "bars"), bars, bar_cnt);
  if (!err) err = check_peers(json_object_get(root, "peers"), plan);
  if (!err) err = check_universe(json_object_get(root, "universe"), plan);
  json_decref(root);
  return err;
}
