#include "sim_venue.h"

#include <stdio.h>

#include "cli.h"

#define NAMES_MAX 64

const sim_venue_t *tickfuse_sim_venue(const char *name) {
  const sim_venue_t *venue = sim_venue_find(name);
  const char        *names[NAMES_MAX];
  TF_ASSERT(sim_venue_cnt <= NAMES_MAX);
  for (uint32_t i = 0; i < sim_venue_cnt; i++) names[i] = sim_venues[i]->name;
  if (!venue) tf_cli_unknown("venue for sim", name, names, sim_venue_cnt);
  return venue;
}

void tickfuse_sim_venues(char *buf, size_t cap) {
  size_t cnt = 0;
  buf[0]     = '\0';
  for (uint32_t i = 0; i < sim_venue_cnt && cnt < cap; i++)
    cnt += (size_t)snprintf(buf + cnt, cap - cnt, " %s", sim_venues[i]->name);
}
