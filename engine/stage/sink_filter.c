#include "stage/sink_filter.h"

#include <string.h>

#include "tf/partition.h"

enum { UNKNOWN, MEANT, NOT_MEANT };

bool tf_sink_names_match(const char *const *patterns, uint32_t pattern_cnt, const char *name) {
  const char *venue = strrchr(name, '.');
  for (uint32_t i = 0; i < pattern_cnt; i++) {
    const char *wanted = patterns[i];
    if (wanted[0] == '*' ? venue && !strcmp(venue, wanted + 1) : !strcmp(name, wanted)) return true;
  }
  return false;
}

static TF_COLD bool look_up(const tf_sink_names_t *n, uint32_t id) {
  const char *name = n->table->rows[id].name;
  bool        is   = n->pattern_cnt == 0 || tf_sink_names_match(n->patterns, n->pattern_cnt, name);
  if (is && n->partition_cnt) is = tf_partition_of(name, n->partition_cnt) == n->partition;
  /* relaxed: a word by itself, and whoever writes it writes the same */
  tf_store_relaxed_u32(&n->known[id], is ? MEANT : NOT_MEANT);
  return is;
}

static bool is_meant(const tf_sink_names_t *n, uint32_t id) {
  /* pairs with: the decoder's append; a record of an instrument comes after its row */
  if (id >= tf_load_acquire_u32(&n->table->cnt) || id >= n->table->cap) return false;
  uint32_t known = tf_load_relaxed_u32(&n->known[id]); /* relaxed: a word by itself */
  return known == UNKNOWN ? look_up(n, id) : known == MEANT;
}

bool tf_sink_filter_passes(const tf_sink_filter_t *f, const void *record) {
  if (f->shape.carries == TF_CARRIES_DECISIONS) {
    const tf_decision_t *d = record;
    if (!(f->strategies >> d->strategy_id & 1) || !(f->actions >> d->action & 1)) return false;
  }
  return tf_sink_names_are_all(&f->names) ||
         is_meant(&f->names, tf_record_instrument(&f->shape, record));
}

bool tf_sink_low_is(const void *self, const void *record) {
  const tf_sink_low_t *low = self;
  if (low->shape.carries == TF_CARRIES_DECISIONS &&
      low->strategies >> ((const tf_decision_t *)record)->strategy_id & 1)
    return true;
  return low->names.pattern_cnt != 0 &&
         is_meant(&low->names, tf_record_instrument(&low->shape, record));
}
