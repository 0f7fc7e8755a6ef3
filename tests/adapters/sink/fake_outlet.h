/* A destination that does as it is told: it keeps what it was sent in order, loses connections between any two steps
 * with any part of what was in flight, and acks as late as its script says. One at a time. */
#ifndef TESTS_ADAPTERS_SINK_FAKE_OUTLET_H
#define TESTS_ADAPTERS_SINK_FAKE_OUTLET_H

#include "sink/egress.h"

#define FAKE_KEPT_MAX (1u << 20)

/* Every "one in N" is counted off a sequence that the seed draws; 0: never. */
typedef struct fake_script {
  uint64_t seed;
  uint32_t cut_in;        /* of polls and sends: the connection breaks */
  uint32_t away_polls;    /* after a break, before it is READY again, at most */
  uint32_t ack_in;        /* of polls: some of what it keeps is acked; 1: all, at each */
  uint32_t send_max;      /* records it takes at once, at most */
  uint32_t refuse_in;     /* of sends: it takes none */
  uint64_t fail_at_seq;   /* FAILED for good when that was kept */
  uint32_t goes_on_polls; /* the first of them say that they go on, and ack nothing */
  uint64_t begin_tail;    /* what it holds already, sequences 1 .. begin_tail */
  bool     is_dead;       /* never READY */
  bool     is_deaf;       /* never acks */
  bool     keeps_no_tail;
} fake_script_t;

/* Changed by the test while the sink is closed, or by fake_heal. */
extern fake_script_t fake_script;

/* From now on it does all at once, faultlessly. Any thread. */
void fake_heal(void);

/* What it holds: after close. */
uint64_t fake_kept_cnt(void);
uint64_t fake_kept_seq(uint64_t i);
uint64_t fake_late_cnt(void);
uint64_t fake_goes_on_wait_ns(void); /* what those that go on were given to wait, summed */
void fake_forget(uint64_t from_seq); /* a broker that lost its newest; while the sink is closed */
void fake_reset(const fake_script_t *script);

/* A sink over it; as policies all that queues know. */
extern const tf_sink_t tf_sink_fake;

#endif
