#include "feed/race.h"

#include <errno.h>
#include <unistd.h>

static void drop_runner(tf_race_t *race, uint32_t idx) {
  close(race->runners[idx].fd);
  race->runners[idx] = race->runners[--race->runner_cnt];
}

static tf_race_step_t win(tf_race_t *race, int fd, uint32_t address_idx) {
  for (uint32_t i = race->runner_cnt; i-- > 0;)
    if (race->runners[i].fd != fd) close(race->runners[i].fd);
  race->runner_cnt = 0;
  race->won_fd     = fd;
  race->won_idx    = address_idx;
  return TF_RACE_WON;
}

/* Sends the next address off; those that fail at once let the one behind them go. */
static tf_race_step_t next(tf_race_t *race, uint64_t now_ns) {
  while (race->next_idx < race->address_cnt) {
    uint32_t            idx = race->next_idx++;
    const tf_address_t *a   = &race->addresses[idx];
    int                 fd  = tf_via_socket(race->via, a->addr.ss_family, &race->what);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&a->addr, a->addr_cnt) == 0)
      return win(race, fd, idx);
    if (fd >= 0 && errno == EINPROGRESS) {
      race->runners[race->runner_cnt].fd            = fd;
      race->runners[race->runner_cnt++].address_idx = idx;
      race->next_due_ns                             = now_ns + race->gap_ns;
      return TF_RACE_ON;
    }
    race->last_errno = errno;
    if (fd >= 0) close(fd);
  }
  return race->runner_cnt > 0 ? TF_RACE_ON : TF_RACE_LOST;
}

tf_race_step_t tf_race_start(tf_race_t *race, const tf_via_t *via, uint64_t limit_ns,
                             uint64_t now_ns) {
  TF_ASSERT(race->address_cnt <= TF_ADDRESSES_MAX);
  uint64_t gap     = limit_ns / (race->address_cnt + 1);
  race->via        = via;
  race->gap_ns     = gap < TF_RACE_GAP_NS_MIN ? TF_RACE_GAP_NS_MIN : gap;
  race->gap_ns     = race->gap_ns > TF_RACE_GAP_NS ? TF_RACE_GAP_NS : race->gap_ns;
  race->next_idx   = 0;
  race->runner_cnt = 0;
  race->won_fd     = -1;
  race->last_errno = EADDRNOTAVAIL;
  race->what       = "";
  return next(race, now_ns);
}

tf_race_step_t tf_race_ready(tf_race_t *race, uint32_t runner_idx, uint64_t now_ns) {
  TF_ASSERT(runner_idx < race->runner_cnt);
  int       fd  = race->runners[runner_idx].fd;
  int       err = 0;
  socklen_t cnt = sizeof err;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &cnt);
  if (err == 0) return win(race, fd, race->runners[runner_idx].address_idx);
  race->last_errno = err;
  race->what       = "";
  drop_runner(race, runner_idx);
  return next(race, now_ns);
}

tf_race_step_t tf_race_tick(tf_race_t *race, uint64_t now_ns) {
  return now_ns >= tf_race_due_ns(race) ? next(race, now_ns) : TF_RACE_ON;
}

uint64_t tf_race_due_ns(const tf_race_t *race) {
  return race->next_idx < race->address_cnt ? race->next_due_ns : UINT64_MAX;
}

void tf_race_end(tf_race_t *race) {
  while (race->runner_cnt > 0) drop_runner(race, race->runner_cnt - 1);
}
