/* Inside of the simulator: the network's state, which sim.c keeps and sim_port.c draws from. */
#ifndef ENGINE_IO_SIM_NET_H
#define ENGINE_IO_SIM_NET_H

#include "io/sim.h"

#define TF_SIM_SEGMENTS_MAX 64u /* on their way in one direction; more are joined to the last */
#define TF_SIM_BACKLOG_MAX  64u
#define TF_SIM_NEVER        UINT64_MAX

typedef enum tf_sim_state { TF_SIM_FREE, TF_SIM_OPEN, TF_SIM_LISTENING } tf_sim_state_t;

typedef struct tf_sim_segment {
  uint64_t end; /* stream position behind its last byte */
  uint64_t at_ns;
} tf_sim_segment_t;

typedef struct tf_sim_endpoint {
  tf_sim_state_t   state;
  int              peer;               /* index, -1: gone */
  uint8_t         *pipe;               /* bytes towards this endpoint */
  uint32_t         pipe_cap, pipe_max; /* max: as configured, cap: of this connection */
  uint64_t         head, arrived, tail;
  tf_sim_segment_t segments[TF_SIM_SEGMENTS_MAX];
  uint32_t         segment_head, segment_cnt;
  uint64_t         fin_ns, reset_ns; /* when they arrive; TF_SIM_NEVER */
  uint64_t         last_ns;          /* nothing arrives before what was sent earlier */
  bool             sent_fin, reads_no_more;
  int              backlog[TF_SIM_BACKLOG_MAX];
  uint64_t         backlog_ns[TF_SIM_BACKLOG_MAX];
  uint32_t         backlog_cnt;
} tf_sim_endpoint_t;

struct tf_sim {
  tf_sim_config_t    config;
  tf_sim_endpoint_t *endpoints;
  uint8_t           *pipes;
  uint64_t           now_ns, rng, trace_hash;
  uint64_t           injected_cnt[TF_SIM_FAULT_CNT];
  uint32_t           open_cnt, fds_max;
};

/* NULL if fd is none of the network's open descriptors. */
tf_sim_endpoint_t *tf_sim_endpoint(tf_sim_t *sim, int fd);
int                tf_sim_fd(const tf_sim_t *sim, const tf_sim_endpoint_t *e);

uint64_t tf_sim_random(tf_sim_t *sim, uint64_t bound); /* below bound; 0 for 0 */
bool     tf_sim_strikes(tf_sim_t *sim, tf_sim_fault_t fault);

/* Bytes that have arrived and are unread; brings arrivals up to now. */
uint64_t tf_sim_readable_bytes(tf_sim_t *sim, tf_sim_endpoint_t *e);
bool     tf_sim_has_event(tf_sim_t *sim, tf_sim_endpoint_t *e); /* poll(2) would say POLLIN */
bool     tf_sim_has_room(const tf_sim_t *sim, const tf_sim_endpoint_t *e); /* or an error to tell */
/* The next arrival after now, over all endpoints; TF_SIM_NEVER. */
uint64_t tf_sim_next_arrival_ns(const tf_sim_t *sim);
int      tf_sim_accept(tf_sim_t *sim, tf_sim_endpoint_t *listener); /* -EAGAIN, -EMFILE */
/* Bytes are lost from here on, both ways: both ends see a reset. */
void tf_sim_break(tf_sim_t *sim, tf_sim_endpoint_t *e);

#endif
