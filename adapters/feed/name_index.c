#include "feed/name_index.h"

#include <string.h>

#include "core/hash.h"
#include "feed/symbols.h"

/* At most half full: a run of taken slots is short, and always ends. */
static uint32_t slot_cnt_of(uint32_t table_cap) {
  uint64_t cnt = 64;
  while (cnt < 2ull * table_cap) cnt *= 2;
  return cnt <= UINT32_MAX ? (uint32_t)cnt : UINT32_C(1) << 31;
}

size_t tf_name_index_footprint(uint32_t table_cap) {
  return tf_align_up(slot_cnt_of(table_cap) * sizeof(uint32_t), TF_LINE_BYTES);
}

void tf_name_index_init(tf_name_index_t *index, void *memory, tf_instruments_t *table,
                        uint32_t added_max) {
  *index = (tf_name_index_t){
      .table = table, .slots = memory, .slot_cnt = slot_cnt_of(table->cap), .added_max = added_max};
  memset(memory, 0, index->slot_cnt * sizeof(uint32_t));
}

/* The slot of the name, or the free one where it belongs. */
static uint32_t slot_of(const tf_name_index_t *index, const char *name) {
  uint32_t mask = index->slot_cnt - 1;
  uint32_t at   = (uint32_t)tf_hash_text(name) & mask;
  while (index->slots[at] != 0 && strcmp(index->table->rows[index->slots[at] - 1].name, name) != 0)
    at = (at + 1) & mask;
  return at;
}

static void take_in_new_rows(tf_name_index_t *index) {
  uint32_t cnt = tf_load_relaxed_u32(&index->table->cnt); /* relaxed: this thread is its writer */
  for (; index->seen_cnt < cnt; index->seen_cnt++)
    index->slots[slot_of(index, index->table->rows[index->seen_cnt].name)] = index->seen_cnt + 1;
}

bool tf_name_index_find_or_add(tf_name_index_t *index, const char *name, uint32_t name_bytes,
                               uint32_t *instrument_id) {
  take_in_new_rows(index);
  uint32_t at = slot_of(index, name);
  if (index->slots[at] != 0) {
    *instrument_id = index->slots[at] - 1;
    return true;
  }
  if (index->added_cnt == index->added_max) return false;
  char     symbol[TF_SYMBOL_BYTES_MAX];
  uint32_t dot = name_bytes;
  while (name[--dot] != '.') continue;
  TF_ASSERT(dot < sizeof symbol);
  memcpy(symbol, name, dot);
  symbol[dot] = '\0';
  if (!tf_symbols_append(index->table, symbol, name + dot + 1, 1.0, instrument_id)) return false;
  index->added_cnt++;
  take_in_new_rows(index);
  return true;
}

bool tf_name_index_matches(const char *pattern, const char *name) {
  const char *star = NULL, *again = NULL;
  while (*name != '\0') {
    if (*pattern == '*') {
      star  = pattern++;
      again = name;
    } else if (*pattern == *name) {
      pattern++;
      name++;
    } else if (star) { /* the star takes one more */
      pattern = star + 1;
      name    = ++again;
    } else {
      return false;
    }
  }
  while (*pattern == '*') pattern++;
  return *pattern == '\0';
}
