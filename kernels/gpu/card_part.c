#include "gpu/card_part.h"

#include <string.h>

#include "core/error.h"

#define ROOM 64u

tf_err_t tf_card_parts_add(tf_card_parts_t *p, uint64_t at, uint64_t bytes, const char *name) {
  if (bytes == 0) return TF_OK;
  if (p->cnt == p->room) {
    const uint32_t  room  = p->room ? 2 * p->room : ROOM;
    tf_card_part_t *grown = realloc(p->list, room * sizeof *grown);
    if (!grown) return TF_ERR(E_CORE_NO_MEMORY, "%u parts of a program", room);
    p->list = grown;
    p->room = room;
  }
  p->list[p->cnt] = (tf_card_part_t){.at = at, .bytes = bytes};
  snprintf(p->list[p->cnt++].name, sizeof p->list->name, "%s", name);
  return TF_OK;
}

static int by_place(const void *a, const void *b) {
  const tf_card_part_t *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* What is no tensor: the head, lists, and what fills up lines. */
static tf_err_t name_the_rest(tf_card_parts_t *p, uint64_t image_bytes) {
  const uint32_t cnt = p->cnt;
  uint64_t       at  = 0;
  tf_err_t       err = TF_OK;
  for (uint32_t i = 0; i < cnt && !err; i++) {
    const uint64_t next = p->list[i].at, end = next + p->list[i].bytes;
    TF_ASSERT(next >= at && end <= image_bytes);
    err = tf_card_parts_add(p, at, next - at, at ? "between two tensors" : "the program's head");
    at  = end;
  }
  if (!err) err = tf_card_parts_add(p, at, image_bytes - at, "behind the last tensor");
  if (!err) qsort(p->list, p->cnt, sizeof *p->list, by_place);
  return err;
}

tf_err_t tf_card_parts_end(tf_card_parts_t *p, tf_card_program_t **program) {
  const uint64_t bytes = sizeof **program + (*program)->image_bytes;
  if (p->cnt) qsort(p->list, p->cnt, sizeof *p->list, by_place);
  tf_err_t err = name_the_rest(p, (*program)->image_bytes);
  if (err) return err;
  tf_card_program_t *grown = realloc(*program, bytes + p->cnt * sizeof *p->list);
  if (!grown) return TF_ERR(E_CORE_NO_MEMORY, "%u parts of a program", p->cnt);
  grown->part_cnt = p->cnt;
  memcpy(tf_card_parts_of(grown), p->list, p->cnt * sizeof *p->list);
  *program = grown;
  return TF_OK;
}

void tf_card_parts_fini(tf_card_parts_t *p) {
  free(p->list);
  memset(p, 0, sizeof *p);
}
