#include "core/bell.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"

tf_err_t tf_bell_init(tf_bell_t *bell) {
  int ends[2];
  *bell = (tf_bell_t){.ear_fd = -1, .cord_fd = -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return TF_ERR(E_IO_SYSTEM, "socketpair: %s", strerror(errno));
  bell->ear_fd  = ends[0];
  bell->cord_fd = ends[1];
  return TF_OK;
}

void tf_bell_fini(tf_bell_t *bell) {
  if (bell->ear_fd > 0) close(bell->ear_fd);
  if (bell->cord_fd > 0) close(bell->cord_fd);
  *bell = (tf_bell_t){.ear_fd = -1, .cord_fd = -1};
}

void tf_bell_ring(tf_bell_t *bell) {
  if (!bell) return;
  uint64_t word = tf_load_relaxed(&bell->word); /* relaxed: the swap says whether it still holds */
  /* pairs with: tf_bell_seen; who has seen this ring sees what was handed over before it */
  while (!tf_swap_both(&bell->word, &word, (word & ~UINT64_C(1)) + 2)) {
  }
  /* A full socket has bytes that wake the sleeper too. */
  if (word & 1) send(bell->cord_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}
