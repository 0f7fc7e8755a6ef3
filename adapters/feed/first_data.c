#include "feed/first_data.h"

#include <string.h>

#include "core/error.h"

static bool has_books(const tf_feed_config_t *config) {
  return (config->channels & TF_CHANNEL_BOOK) != 0 && config->instruments != NULL;
}

size_t tf_first_data_arena_bytes(const tf_feed_config_t *config) {
  return config->symbol_cnt * (sizeof(uint32_t) + 1) + 2 * TF_LINE_BYTES;
}

/* The instrument that a config's symbol became: feeds spell symbols in upper case. */
static bool find(const tf_instruments_t *table, const char *symbol, const char *suffix,
                 uint32_t *id) {
  char name[TF_INSTRUMENT_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", symbol, suffix);
  for (char *p = name; *p != '\0'; p++) *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
  uint32_t cnt = tf_load_relaxed_u32(&table->cnt); /* relaxed: this thread is the only writer */
  for (*id = 0; *id < cnt; ++*id)
    if (strcmp(table->rows[*id].name, name) == 0) return true;
  return false;
}

tf_err_t tf_first_data_init(tf_first_data_t *first, const tf_feed_config_t *config,
                            const char *suffix, tf_arena_t *arena) {
  memset(first, 0, sizeof *first);
  if (!has_books(config) || config->symbol_cnt == 0) return TF_OK;
  first->asked = tf_arena_take(arena, config->symbol_cnt * sizeof *first->asked, TF_LINE_BYTES);
  first->has   = tf_arena_take(arena, config->symbol_cnt, TF_LINE_BYTES);
  if (!first->asked || !first->has)
    return tf_error_add(E_CORE_ARENA_FULL, "making a feed's list of books");
  for (uint32_t i = 0; i < config->symbol_cnt; i++) {
    uint32_t id;
    if (find(config->instruments, config->symbols[i], suffix, &id))
      first->asked[first->asked_cnt++] = id;
  }
  tf_first_data_restart(first);
  return TF_OK;
}

void tf_first_data_restart(tf_first_data_t *first) {
  if (first->asked_cnt > 0) memset(first->has, 0, first->asked_cnt);
  first->waiting_cnt = first->asked_cnt;
  first->try_cnt     = 0;
  first->due_ns      = 0;
}

void tf_first_data_subscribed(tf_first_data_t *first, uint64_t now_ns) {
  if (first->waiting_cnt > 0) first->due_ns = now_ns + TF_FIRST_DATA_NS;
}

void tf_first_data_look(tf_first_data_t *first, const tf_event_t *events, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &events[i];
    if (e->kind != TF_EVENT_STATUS || e->u.status.book_state != TF_BOOK_OK) continue;
    for (uint32_t k = 0; k < first->asked_cnt; k++) {
      if (first->asked[k] != e->instrument_id || first->has[k]) continue;
      first->has[k] = true;
      first->waiting_cnt--;
    }
  }
  if (first->waiting_cnt == 0) first->due_ns = 0;
}

bool tf_first_data_is_due(tf_first_data_t *first, uint64_t now_ns) {
  if (first->due_ns == 0 || now_ns < first->due_ns) return false;
  if (first->try_cnt == TF_FIRST_DATA_TRIES) { /* the feed goes on without them */
    first->silent_cnt += first->waiting_cnt;
    first->waiting_cnt = 0;
    first->due_ns      = 0;
    return false;
  }
  first->try_cnt++;
  first->due_ns = now_ns + TF_FIRST_DATA_NS;
  return true;
}

bool tf_first_data_is_waiting(const tf_first_data_t *first, uint32_t idx) {
  return !first->has[idx];
}
