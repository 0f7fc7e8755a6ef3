#include "boot/config.h"

#include <openssl/evp.h>
#include <string.h>

#include "boot/config_bind.h"
#include "boot/config_check.h"
#include "boot/config_overlay.h"
#include "boot/config_store.h"
#include "boot/config_text.h"
#include "core/error.h"
#include "core/text.h"

static bool has_errors(const tf_config_t *config) { return config->store->errors->error_cnt > 0; }

/* The parts of loading that need the file's name: label, directory, contents. text: instead of them; NULL. */
static void read_file(tf_config_t *config, const char *text) {
  tf_config_store_t *store   = config->store;
  const char        *slash   = strrchr(config->path, '/');
  size_t             dir_cnt = slash ? (size_t)(slash - config->path) + 1 : 0;
  tf_config_input_t  input   = {
         .source = TF_CONFIG_SOURCE_FILE, .label = config->path, .is_file = true};
  store->labels[TF_CONFIG_SOURCE_FILE] = config->path;
  store->dir                           = tf_config_pool_text(&store->pool, config->path, dir_cnt);
  if (text) {
    input.text     = text;
    input.text_cnt = strlen(text);
  } else {
    input.text = tf_config_text_read(&store->pool, store->errors, input.source, config->path,
                                     &input.text_cnt);
  }
  if (!input.text) return;
  if (!store->dir)
    tf_config_store_report(store, E_CORE_NO_MEMORY, input.source, 0, 0, "", "no memory to load it");
  else if (tf_config_text_check(store->errors, input.source, input.label, true, input.text,
                                input.text_cnt))
    store->root = tf_config_tree_parse(&store->pool, store->errors, &input);
}

static void apply_sets(tf_config_t *config, const char *const *sets, uint32_t set_cnt) {
  tf_config_store_t *store = config->store;
  for (uint32_t i = 0; i < set_cnt; i++) {
    uint32_t source = TF_CONFIG_SOURCE_SETS + i;
    char     shown[160], label[192];
    tf_text_escape(sets[i], strnlen(sets[i], 400), shown, sizeof shown);
    snprintf(label, sizeof label, "--set %s", shown);
    const char *kept      = tf_config_pool_text(&store->pool, label, strlen(label));
    store->labels[source] = kept ? kept : "--set";
    if (kept)
      tf_config_overlay_set(store, source, sets[i]);
    else
      tf_config_store_report(store, E_CORE_NO_MEMORY, source, 0, 0, "", "no memory for it");
  }
}

static void hash_values(tf_config_t *config) {
  EVP_MD_CTX *sha = EVP_MD_CTX_new();
  bool        ok  = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1;
  for (const tf_config_value_t *v = config->values; ok && v; v = v->next)
    ok = EVP_DigestUpdate(sha, v->path, strlen(v->path)) == 1 &&
         EVP_DigestUpdate(sha, "=", 1) == 1 &&
         EVP_DigestUpdate(sha, v->text, strlen(v->text)) == 1 &&
         EVP_DigestUpdate(sha, "\n", 1) == 1;
  ok = ok && EVP_DigestFinal_ex(sha, config->sha256, NULL) == 1;
  EVP_MD_CTX_free(sha);
  if (!ok)
    tf_config_store_report(config->store, E_CORE_NO_MEMORY, TF_CONFIG_SOURCE_FILE, 0, 0, "",
                           "its hash could not be computed");
  for (int i = 7; i >= 0; i--) config->hash = config->hash << 8 | config->sha256[i];
}

static void load(tf_config_t *config, const char *text, const char *const *sets, uint32_t set_cnt,
                 const tf_config_known_t *known) {
  tf_config_store_t *store = config->store;
  read_file(config, text);
  if (!store->root) return;
  apply_sets(config, sets, set_cnt);
  tf_config_overlay_profile(store);
  tf_config_bind(config);
  if (!has_errors(config)) tf_config_check(config, known);
  if (!has_errors(config)) hash_values(config);
}

static tf_config_t *make(const char *path, tf_config_errors_t *errors) {
  tf_config_t *config = calloc(1, sizeof *config);
  if (!config) return NULL;
  config->store = calloc(1, sizeof *config->store);
  config->path =
      config->store ? tf_config_pool_text(&config->store->pool, path, strlen(path)) : NULL;
  if (!config->path) return tf_config_free(config), NULL;
  config->store->errors                           = errors;
  config->store->labels[TF_CONFIG_SOURCE_DEFAULT] = "default";
  config->store->labels[TF_CONFIG_SOURCE_PROFILE] = "profile";
  return config;
}

static tf_err_t load_from(const char *path, const char *text, const char *const *sets,
                          uint32_t set_cnt, const tf_config_known_t *known,
                          tf_config_errors_t *errors, tf_config_t **config) {
  *config                 = NULL;
  tf_config_errors_t *own = errors ? errors : malloc(sizeof *own);
  if (!own) return TF_ERR(E_CORE_NO_MEMORY, "%s: no memory to load it", path);
  *own = (tf_config_errors_t){0};
  if (set_cnt > TF_CONFIG_SETS_MAX)
    tf_config_report_add(own, E_CONFIG_KEY, 0, 0, 0, "--set", "", "given %u times; at most %d",
                         set_cnt, TF_CONFIG_SETS_MAX);
  tf_config_t *loaded = make(path, own);
  if (!loaded)
    tf_config_report_add(own, E_CORE_NO_MEMORY, 0, 0, 0, path, "", "no memory to load it");
  else if (own->error_cnt == 0)
    load(loaded, text, sets, set_cnt, known);
  tf_config_report_sort(own);
  tf_err_t err = own->error_cnt ? own->errors[0].code : TF_OK;
  if (err) {
    uint32_t more = own->error_cnt - 1 + own->more_cnt;
    TF_ERR(err, more ? "%s (and %u more)" : "%s", own->errors[0].text, more);
    tf_config_free(loaded);
  } else {
    loaded->store->errors = NULL;
    *config               = loaded;
  }
  if (!errors) free(own);
  return err;
}

tf_err_t tf_config_load(const char *path, const char *const *sets, uint32_t set_cnt,
                        const tf_config_known_t *known, tf_config_errors_t *errors,
                        tf_config_t **config) {
  return load_from(path, NULL, sets, set_cnt, known, errors, config);
}

tf_err_t tf_config_load_text(const char *name, const char *text, const char *const *sets,
                             uint32_t set_cnt, const tf_config_known_t *known,
                             tf_config_errors_t *errors, tf_config_t **config) {
  return load_from(name, text, sets, set_cnt, known, errors, config);
}

void tf_config_free(tf_config_t *config) {
  if (!config) return;
  if (config->store) tf_config_pool_fini(&config->store->pool);
  free(config->store);
  free(config);
}

const tf_config_value_t *tf_config_value_at(const tf_config_t *config, const char *path) {
  for (const tf_config_value_t *value = config->values; value; value = value->next)
    if (strcmp(value->path, path) == 0) return value;
  return NULL;
}

tf_config_origin_t tf_config_origin_of(const tf_config_value_t *value) {
  return value->source >= TF_CONFIG_SOURCE_SETS ? TF_CONFIG_ORIGIN_SET
                                                : (tf_config_origin_t)value->source;
}

const char *tf_config_origin_text(const tf_config_t *config, const tf_config_value_t *value,
                                  char *buf, size_t cap) {
  return tf_config_store_place(config->store, value->source, value->line, value->col, buf, cap);
}

const char *tf_config_where(const tf_config_t *config, const char *path, char *buf, size_t cap) {
  const tf_config_value_t *value = tf_config_value_at(config, path);
  char                     place[TF_CONFIG_PLACE_BYTES];
  snprintf(buf, cap, "%s: %s",
           value ? tf_config_origin_text(config, value, place, sizeof place) : config->path, path);
  return buf;
}
