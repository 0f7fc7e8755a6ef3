/* One tick of a universe of 10, 100 and 1,000 instruments: its value put into the section and each cross read off it, for
 * callgrind as indicators.c does it. Values walk, so most keep their place in a small universe and few in a large one.
 * Prints how many ticks each dump stands for. */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "cross/registry.h"

#define TICKS       4096u
#define MEMBERS_MAX 1000u

static uint64_t random_next(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state >> 33;
}

typedef struct tick {
  uint32_t member;
  double   x;
} tick_t;

static void make(tick_t *ticks, uint32_t cnt, uint32_t member_cnt) {
  static double at[MEMBERS_MAX];
  uint64_t      seed = 1;
  for (uint32_t m = 0; m < member_cnt; m++) at[m] = (double)(random_next(&seed) % 10000) / 100;
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t member = i < member_cnt ? i : (uint32_t)(random_next(&seed) % member_cnt);
    at[member] += ((double)(random_next(&seed) % 201) - 100) / 100;
    ticks[i] = (tick_t){member, at[member]};
  }
}

static void run(const tf_cross_t *d, uint32_t member_cnt) {
  static tick_t ticks[2 * MEMBERS_MAX + TICKS];
  char          name[64];
  double        params[TF_CROSS_PARAMS_MAX] = {0};
  for (uint32_t p = 0; p < d->param_cnt; p++) params[p] = d->params[p].dflt;
  void *section = aligned_alloc(64, tf_cross_table.section_bytes(member_cnt));
  if (!section) exit(1);
  tf_cross_table.section_init(section, member_cnt, d->reads);
  const uint32_t warm_up = 2 * member_cnt;
  make(ticks, warm_up + TICKS, member_cnt);
  volatile double value = 0;
  for (uint32_t i = 0; i < warm_up; i++)
    tf_cross_table.section_put(section, ticks[i].member, ticks[i].x);
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = warm_up; i < warm_up + TICKS; i++) {
    tf_cross_table.section_put(section, ticks[i].member, ticks[i].x);
    value = d->value(section, ticks[i].member, params);
  }
  CALLGRIND_TOGGLE_COLLECT;
  (void)value;
  snprintf(name, sizeof name, "%s_%u", d->name, member_cnt);
  CALLGRIND_DUMP_STATS_AT(name);
  free(section);
}

int main(void) {
  for (uint32_t i = 0; i < tf_cross_table.cross_cnt; i++)
    for (uint32_t cnt = 10; cnt <= MEMBERS_MAX; cnt *= 10) run(tf_cross_table.crosses[i], cnt);
  printf("%u\n", TICKS);
  return 0;
}
