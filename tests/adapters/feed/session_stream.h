/* A venue's one stream for test_session_rollover.c and test_session_kills.c, in a time of its own. */
#ifndef TESTS_SESSION_STREAM_H
#define TESTS_SESSION_STREAM_H

#include "session_rig.h"

/* One stream of trades, one every 100 us of the stream's own time; a connection brings each as late as it
 * happens to be, and begins when it has subscribed.
 *
 * The stream's time is the session's too. The test's thread moves it on, and waits where a connection's
 * thread has not kept up, so that a busy machine makes nobody late who is not meant to be. */
#define TRADE_EVERY_NS (100 * TF_NS_PER_US)
#define LATE_US_MAX    8000
#define STEP_NS        (200 * TF_NS_PER_US)
#define CONNS          64 /* places; those that live at a time are few */

static uint64_t stream_ns, stream_base_ns;
static uint64_t sent_ns[CONNS], late_of[CONNS], is_sending[CONNS];

static inline uint64_t load(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
static inline void store(uint64_t *word, uint64_t v) {
  __atomic_store_n(word, v, __ATOMIC_SEQ_CST);
}

static inline void poll_stream(void) {
  bool all_here = true;
  for (int i = 0; i < CONNS; i++)
    all_here &= !load(&is_sending[i]) ||
                load(&sent_ns[i]) + load(&late_of[i]) + 10 * STEP_NS >= load(&stream_ns);
  if (all_here) store(&stream_ns, load(&stream_ns) + STEP_NS);
  tf_arena_lane_enter();
  source->ops->poll(source, stream_base_ns + load(&stream_ns));
  tf_arena_lane_leave();
}

static inline void begin_stream(void) {
  store(&stream_ns, 0);
  memset(is_sending, 0, sizeof is_sending);
  stream_base_ns    = tf_clock_wall_ns();
  config.io_wait_ns = STEP_NS;
}

#define STREAM_UNTIL(cond)                                                                         \
  do {                                                                                             \
    uint64_t begin_ns_ = tf_clock_monotonic_ns();                                                  \
    while (!(cond) && tf_clock_monotonic_ns() - begin_ns_ < 30 * TF_NS_PER_SEC) poll_stream();     \
    assert_true(cond);                                                                             \
  } while (0)

#endif
