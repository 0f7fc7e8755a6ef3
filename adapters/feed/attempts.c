#include "feed/attempts.h"

#include <errno.h>
#include <unistd.h>

static void drop(tf_attempts_t *all, uint32_t idx) {
  close(all->open[idx].fd);
  all->open[idx] = all->open[--all->open_cnt];
}

static tf_attempts_step_t win(tf_attempts_t *all, int fd, uint32_t address_idx) {
  for (uint32_t i = 0; i < all->open_cnt; i++)
    if (all->open[i].fd != fd) close(all->open[i].fd);
  all->open_cnt = 0;
  all->won_fd   = fd;
  all->won_idx  = address_idx;
  return TF_ATTEMPTS_WON;
}

/* Sends the next address off; those that fail at once let the one behind them go. */
static tf_attempts_step_t next(tf_attempts_t *all, uint64_t now_ns) {
  while (all->next_idx < all->address_cnt) {
    uint32_t            idx = all->next_idx++;
    const tf_address_t *to  = &all->addresses[idx];
    int                 fd  = tf_via_socket(all->via, to->addr.ss_family, &all->what);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to->addr, to->addr_cnt) == 0)
      return win(all, fd, idx);
    if (fd >= 0 && errno == EINPROGRESS) {
      all->open[all->open_cnt].fd            = fd;
      all->open[all->open_cnt++].address_idx = idx;
      all->next_due_ns                       = now_ns + all->gap_ns;
      return TF_ATTEMPTS_ON;
    }
    all->last_errno = errno;
    if (fd >= 0) close(fd);
  }
  return all->open_cnt > 0 ? TF_ATTEMPTS_ON : TF_ATTEMPTS_LOST;
}

tf_attempts_step_t tf_attempts_start(tf_attempts_t *all, const tf_via_t *via, uint64_t limit_ns,
                                     uint64_t now_ns) {
  TF_ASSERT(all->address_cnt <= TF_ADDRESSES_MAX);
  uint64_t gap_ns = limit_ns / (all->address_cnt + 1);
  if (gap_ns < TF_ATTEMPTS_GAP_NS_MIN) gap_ns = TF_ATTEMPTS_GAP_NS_MIN;
  all->via        = via;
  all->gap_ns     = gap_ns < TF_ATTEMPTS_GAP_NS ? gap_ns : TF_ATTEMPTS_GAP_NS;
  all->next_idx   = 0;
  all->open_cnt   = 0;
  all->won_fd     = -1;
  all->last_errno = EADDRNOTAVAIL;
  all->what       = "";
  return next(all, now_ns);
}

tf_attempts_step_t tf_attempts_ready(tf_attempts_t *all, uint32_t open_idx, uint64_t now_ns) {
  TF_ASSERT(open_idx < all->open_cnt);
  int       fd  = all->open[open_idx].fd;
  int       err = 0;
  socklen_t cnt = sizeof err;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &cnt);
  if (err == 0) return win(all, fd, all->open[open_idx].address_idx);
  all->last_errno = err;
  all->what       = "";
  drop(all, open_idx);
  return next(all, now_ns);
}

tf_attempts_step_t tf_attempts_tick(tf_attempts_t *all, uint64_t now_ns) {
  return now_ns >= tf_attempts_due_ns(all) ? next(all, now_ns) : TF_ATTEMPTS_ON;
}

uint64_t tf_attempts_due_ns(const tf_attempts_t *all) {
  return all->next_idx < all->address_cnt ? all->next_due_ns : UINT64_MAX;
}

void tf_attempts_end(tf_attempts_t *all) {
  while (all->open_cnt > 0) drop(all, all->open_cnt - 1);
}
