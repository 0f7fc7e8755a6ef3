#include "flat.h"

#include <stdlib.h>
#include <string.h>

/* Room for more bytes at a multiple of align, zeroed; their position. Position 0 where there was none. */
static size_t take(flat_t *f, size_t bytes, size_t align) {
  size_t at = tf_align_up(f->cnt, align), end = at + bytes;
  if (f->failed) return 0;
  if (end > f->cap) {
    size_t   cap   = end * 2 + 1024;
    uint8_t *grown = realloc(f->bytes, cap);
    f->failed      = grown == NULL;
    if (f->failed) return 0;
    memset(grown + f->cap, 0, cap - f->cap);
    f->bytes = grown;
    f->cap   = cap;
  }
  f->cnt = end;
  return at;
}

size_t flat_begin(flat_t *f) {
  *f = (flat_t){0};
  return take(f, sizeof(uint32_t), 8);
}

void flat_fini(flat_t *f) {
  free(f->bytes);
  *f = (flat_t){0};
}

void flat_put(flat_t *f, size_t at, const void *value, size_t bytes) {
  if (f->failed) return;
  TF_ASSERT(at + bytes <= f->cnt);
  memcpy(f->bytes + at, value, bytes);
}

void flat_link(flat_t *f, size_t reference, size_t target) {
  uint32_t distance = (uint32_t)(target - reference);
  flat_put(f, reference, &distance, sizeof distance);
}

/* The table's own offsets (its vtable) stand before it; fields of 8 bytes first, so that none needs padding
 * but after the 4 bytes that refer back to them. */
flat_table_t flat_table(flat_t *f, const uint8_t *sizes, uint32_t field_cnt) {
  uint16_t offsets[2 + FLAT_FIELDS_MAX] = {0};
  uint16_t bytes                        = sizeof(int32_t);
  TF_ASSERT(field_cnt <= FLAT_FIELDS_MAX);
  for (uint32_t size = 8; size > 0; size /= 2)
    for (uint32_t i = 0; i < field_cnt; i++) {
      if (sizes[i] != size) continue;
      bytes          = (uint16_t)tf_align_up(bytes, size);
      offsets[2 + i] = bytes;
      bytes          = (uint16_t)(bytes + size);
    }
  offsets[0]         = (uint16_t)((2 + field_cnt) * sizeof(uint16_t));
  offsets[1]         = bytes;
  size_t       index = take(f, offsets[0], sizeof(uint32_t));
  flat_table_t table = {.at = take(f, bytes, 8)};
  int32_t      back  = (int32_t)(table.at - index);
  flat_put(f, index, offsets, offsets[0]);
  flat_put(f, table.at, &back, sizeof back);
  for (uint32_t i = 0; i < field_cnt; i++)
    table.fields[i] = sizes[i] ? table.at + offsets[2 + i] : 0;
  return table;
}

size_t flat_vector(flat_t *f, uint32_t cnt, uint32_t element_bytes) {
  /* the count stands right before the elements, which are aligned to 8 where they hold such words */
  size_t align = element_bytes % 8 == 0 ? 8 : sizeof cnt;
  size_t at    = take(f, 0, align);
  if ((at + sizeof cnt) % align != 0) (void)take(f, sizeof cnt, sizeof cnt);
  at = take(f, sizeof cnt + (size_t)cnt * element_bytes, sizeof cnt);
  flat_put(f, at, &cnt, sizeof cnt);
  return at + sizeof cnt;
}

size_t flat_text(flat_t *f, const char *text) {
  uint32_t cnt = (uint32_t)strlen(text);
  size_t   at  = take(f, sizeof cnt + cnt + 1, sizeof cnt);
  flat_put(f, at, &cnt, sizeof cnt);
  flat_put(f, at + sizeof cnt, text, cnt);
  return at;
}
