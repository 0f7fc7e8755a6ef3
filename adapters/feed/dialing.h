/* One dial under way in the dialer thread: a state machine over a non-blocking socket. Used by
 * dialer.c only. */
#ifndef FEED_DIALING_H
#define FEED_DIALING_H

#include <poll.h>

#include "feed/attempts.h"
#include "feed/dialer.h"
#include "wire/http.h"

#define TF_DIALING_REQUEST_BYTES 4096
#define TF_DIALING_RX_BYTES      16384

typedef struct tf_dialing {
  tf_dial_t                *dial;
  tf_dialer_client_t       *client;
  const tf_dialer_config_t *config;
  tf_dial_phase_t           phase;
  uint64_t                  start_ns; /* not before: its turn at the host */
  uint64_t                  phase_begin_ns;
  uint64_t                  deadline_ns; /* of this phase, or of the whole GET */
  int                       fd;
  bool                      want_write;
  tf_resolve_t             *resolve;
  tf_address_t              last_good; /* addr_cnt 0: none is known */
  tf_attempts_t             attempts;
  uint32_t                  request_cnt, request_at;
  bool                      upgraded;
  char                      request[TF_DIALING_REQUEST_BYTES];
  union {
    tf_http_head_t      proxy;
    tf_http_ws_client_t upgrade;
    struct {
      tf_http_head_t head;
      tf_http_body_t body;
      uint32_t       interim_cnt;
    } get;
  } u;
} tf_dialing_t;

/* Scratch of the thread, shared by all dials. */
typedef struct tf_dialing_scratch {
  int     wake_fd;
  uint8_t rx[TF_DIALING_RX_BYTES];
  uint8_t plain[TF_TLS_RECORD_BYTES_MAX];
} tf_dialing_scratch_t;

/* All return false when the dial is over: done (dial->err 0) or failed. */
bool tf_dialing_begin(tf_dialing_t *d, tf_dialing_scratch_t *scratch, uint64_t now_ns);
/* What to poll for it: at most TF_ADDRESSES_MAX descriptors. Returns how many were written. */
uint32_t tf_dialing_poll_fds(const tf_dialing_t *d, struct pollfd *fds);
/* The socket at fd_idx of those is ready, or the look-up may be. */
bool tf_dialing_ready(tf_dialing_t *d, tf_dialing_scratch_t *scratch, uint32_t fd_idx,
                      uint64_t now_ns);
/* Deadlines. */
bool tf_dialing_tick(tf_dialing_t *d, uint64_t now_ns);
/* When tick wants to be called next. */
uint64_t tf_dialing_due_ns(const tf_dialing_t *d);
/* Fails it from outside: the error record of this thread says why. Always returns false. */
bool tf_dialing_fail(tf_dialing_t *d, tf_err_t err);
/* Frees what is left of the attempt itself. */
void tf_dialing_fini(tf_dialing_t *d);

#endif
