#include "tickfuse_gpu/watch.h"

#include <signal.h>

static volatile sig_atomic_t signalled;

static void note(int signal) {
  (void)signal;
  signalled = 1;
}

void watch_signals(void) {
  struct sigaction action = {.sa_handler = note};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
}

watch_end_t watch_look(const tf_mailbox_t *box, uint64_t now_ns) {
  if (signalled) return WATCH_SIGNAL;
  if (tf_load_acquire(&box->stop)) return WATCH_STOP;       /* pairs with: tf_child_stop */
  uint64_t beat_ns = tf_load_acquire(&box->engine_beat_ns); /* pairs with: tf_child_watch */
  return beat_ns != 0 && now_ns > beat_ns + WATCH_ORPHAN_NS ? WATCH_ORPHAN : WATCH_GOES_ON;
}
