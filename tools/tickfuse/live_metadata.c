#include "live_metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/error.h"
#include "core/log.h"
#include "feed/instrument_file.h"

/* engine.cache_dir, $XDG_CACHE_HOME/tickfuse or ~/.cache/tickfuse; made where it is missing. False: there
 * is none, and nothing is cached. */
static bool cache_dir(const tf_config_t *config, char *dir, size_t cap) {
  const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int         n = -1;
  if (config->engine.cache_dir)
    n = snprintf(dir, cap, "%s", config->engine.cache_dir);
  else if (xdg && *xdg == '/')
    n = snprintf(dir, cap, "%s/tickfuse", xdg);
  else if (home && *home == '/')
    n = snprintf(dir, cap, "%s/.cache/tickfuse", home);
  if (n < 0 || (size_t)n >= cap) return false;
  for (char *p = dir + 1;; p++) {
    if (*p != '/' && *p != '\0') continue;
    char end  = *p;
    *p        = '\0';
    bool made = mkdir(dir, 0755) == 0 || errno == EEXIST;
    *p        = end;
    if (!made) return false;
    if (end == '\0') return true;
  }
}

tf_err_t tf_live_metadata_init(tf_live_metadata_t *m, const tf_config_t *config,
                               const tf_config_feed_t *feed_config, const tf_feed_t *feed) {
  char dir[1024];
  *m = (tf_live_metadata_t){.feed_name = feed_config->name, .suffix = feed->suffix};
  if (feed_config->instruments_file) return TF_OK;
  if (!cache_dir(config, dir, sizeof dir)) {
    tf_log(TF_LOG_WARN, "no_cache", "feed=%s text=\"no directory for instrument metadata\"",
           m->feed_name);
    return TF_OK;
  }
  snprintf(m->path, sizeof m->path, "%s/instruments-%s.csv", dir, feed->venue);
  m->cached.cap  = config->engine.instruments_max;
  m->cached.rows = calloc(m->cached.cap, sizeof *m->cached.rows);
  if (!m->cached.rows) return TF_ERR(E_CORE_NO_MEMORY, "for the cached instruments");
  return TF_OK;
}

void tf_live_metadata_fini(tf_live_metadata_t *m) {
  free(m->cached.rows);
  m->cached.rows = NULL;
}

tf_err_t tf_live_metadata_load(tf_live_metadata_t *m, const tf_config_feed_t *feed_config,
                               tf_instruments_t *table) {
  uint32_t set_cnt = 0;
  if (feed_config->instruments_file) {
    tf_err_t err = tf_instrument_file_load(feed_config->instruments_file, table, m->suffix,
                                           TF_METADATA_FILE, &set_cnt);
    if (err != TF_OK) return err;
    tf_log(TF_LOG_INFO, "metadata_file", "feed=%s file=%s instruments=%u", m->feed_name,
           feed_config->instruments_file, set_cnt);
    return TF_OK;
  }
  if (!m->cached.rows) return TF_OK;
  m->cached.cnt = table->cnt;
  memcpy(m->cached.rows, table->rows, table->cnt * sizeof *table->rows);
  tf_err_t err =
      tf_instrument_file_load(m->path, &m->cached, m->suffix, TF_METADATA_CACHE, &set_cnt);
  if (err != TF_OK && err != E_FILE_OPEN) /* a cache is no reason not to start */
    tf_log(TF_LOG_WARN, "bad_cache", "feed=%s text=\"%s\"", m->feed_name, tf_error_text());
  return TF_OK;
}

static uint32_t count(const tf_live_metadata_t *m, const tf_instruments_t *table,
                      tf_metadata_t from) {
  uint32_t cnt = tf_load_acquire_u32(&table->cnt), found = 0; /* pairs with: tf_symbols_add */
  for (uint32_t i = 0; i < cnt; i++) {
    const char *dot = strrchr(table->rows[i].name, '.');
    found +=
        dot && strcmp(dot + 1, m->suffix) == 0 && tf_instrument_metadata(&table->rows[i]) == from;
  }
  return found;
}

static void warn_of_cache(tf_live_metadata_t *m, uint32_t cnt) {
  struct stat st;
  long long   age_s = stat(m->path, &st) == 0 ? (long long)(time(NULL) - st.st_mtime) : -1;
  m->is_warned      = true;
  tf_log(TF_LOG_WARN, "metadata_from_cache",
         "feed=%s instruments=%u file=%s age_s=%lld text=\"the venue did not answer\"",
         m->feed_name, cnt, m->path, age_s);
}

void tf_live_metadata_tick(tf_live_metadata_t *m, const tf_instruments_t *table) {
  if (m->path[0] == '\0') return;
  uint32_t told = count(m, table, TF_METADATA_VENUE), cached = count(m, table, TF_METADATA_CACHE);
  if (cached > 0 && !m->is_warned) warn_of_cache(m, cached);
  if (told == m->saved_cnt) return;
  m->saved_cnt = told;
  if (tf_instrument_file_save(m->path, table, m->suffix) != TF_OK)
    tf_log(TF_LOG_WARN, "cache_unwritten", "feed=%s text=\"%s\"", m->feed_name, tf_error_text());
}
