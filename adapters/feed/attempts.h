/* One TCP connection out of several addresses ("happy eyeballs", RFC 8305 section 5): the addresses are tried
 * in their order, the next as soon as one fails, or when the newest attempt has been under way for a
 * quarter of a second; the earlier ones go on. The first that connects wins, and the others are
 * closed. So an address or a whole family that leads nowhere costs 250 ms, not the time that TCP takes
 * to give up. Where there are many addresses the gap shrinks, to 100 ms at least, so that all of them
 * have their turn within connect's deadline.
 *
 * Sockets are non-blocking; the owner polls them for writing and keeps the time. The dialer's
 * thread. */
#ifndef FEED_ATTEMPTS_H
#define FEED_ATTEMPTS_H

#include "feed/via.h"

#define TF_ATTEMPTS_GAP_NS     (250 * TF_NS_PER_MS)
#define TF_ATTEMPTS_GAP_NS_MIN (100 * TF_NS_PER_MS)

typedef enum tf_attempts_step {
  TF_ATTEMPTS_ON,  /* poll on */
  TF_ATTEMPTS_WON, /* won_fd is connected, to addresses[won_idx] */
  TF_ATTEMPTS_LOST /* every address failed: what and last_errno are of the last */
} tf_attempts_step_t;

typedef struct tf_attempts {
  const tf_via_t *via;
  tf_address_t    addresses[TF_RESOLVE_ADDRESSES_MAX]; /* in order; filled by the owner */
  uint32_t        address_cnt;                         /* at most TF_ADDRESSES_MAX at the start */
  uint32_t        next_idx;                            /* the first that was not tried */
  uint32_t        open_cnt;                            /* attempts under way */
  struct {
    int      fd;
    uint32_t address_idx;
  } open[TF_ADDRESSES_MAX];
  uint64_t    gap_ns, next_due_ns;
  int         won_fd; /* the owner's */
  uint32_t    won_idx;
  int         last_errno;
  const char *what; /* as tf_via_socket's */
} tf_attempts_t;

/* limit_ns: that all of them have together. */
tf_attempts_step_t tf_attempts_start(tf_attempts_t *attempts, const tf_via_t *via,
                                     uint64_t limit_ns, uint64_t now_ns);
/* The socket of open[open_idx] can be written to, or has failed. */
tf_attempts_step_t tf_attempts_ready(tf_attempts_t *attempts, uint32_t open_idx, uint64_t now_ns);
/* Time passed. */
tf_attempts_step_t tf_attempts_tick(tf_attempts_t *attempts, uint64_t now_ns);
/* When tick has something to do; UINT64_MAX: nothing any more. */
uint64_t tf_attempts_due_ns(const tf_attempts_t *attempts);
/* Closes what is under way; a zeroed one and one that was ended are accepted. */
void tf_attempts_end(tf_attempts_t *attempts);

#endif
