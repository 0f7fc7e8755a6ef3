/* Records as lines of JSON (sink/encode.h) on standard output, for people and pipes. Lines
 * collect in a bounded buffer and leave by write(2) when it is full or emit is idle; a line is never
 * cut by the engine, a record counts as taken only when its whole line has room, and as delivered when its
 * whole line is written. A reader that stands still fills the buffer, and then the policy holds: emit, which serves the other
 * sinks too, is not held up, since the pipe or terminal is opened once more for us, non-blocking (the flag of
 * standard output itself belongs to every process that shares it). A reader that goes away (`| head`) ends
 * the sink: offer then says so, close is still in order. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "sink/encode.h"
#include "tf/atomic.h"
#include "tf/sink.h"

#define BUFFER_BYTES (UINT32_C(64) << 10)

typedef struct state {
  tf_sink_config_t config;
  int              fd; /* standard output, or the same file by a descriptor of our own */
  bool             is_socket;
  size_t           begin, end; /* not yet written: [begin, end) of buffer */
  int              ended_errno;
  /* lines, written by emit's thread, read by any */
  uint64_t acked_cnt, waiting_cnt, lost_broken_cnt, lost_closed_cnt, written_bytes;
  size_t   line_bytes_max;
  uint8_t  buffer[BUFFER_BYTES];
} state_t;

static size_t stdout_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(state_t);
}

/* What may stand still, a pipe or a terminal, by a descriptor that does not wait. A file does not stand still, and has one
 * place to write at. Where /proc is not to be had, or the pipe is another user's, writing waits. */
static int open_output(void) {
  struct stat is;
  if (fstat(STDOUT_FILENO, &is) != 0 || !(S_ISFIFO(is.st_mode) || S_ISCHR(is.st_mode)))
    return STDOUT_FILENO;
  int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd >= 0 ? fd : STDOUT_FILENO;
}

static tf_err_t stdout_open(void *self, const tf_sink_config_t *config) {
  state_t    *s  = self;
  struct stat is = {0};
  memset(s, 0, offsetof(state_t, buffer));
  s->config         = *config;
  s->config.format  = TF_FORMAT_JSON;
  s->line_bytes_max = tf_encode_bytes_max(&config->shape, TF_FORMAT_JSON);
  s->fd             = open_output();
  s->is_socket      = fstat(s->fd, &is) == 0 && S_ISSOCK(is.st_mode);
  /* A closed pipe must come back as EPIPE: by default its signal ends the whole engine. A handler
   * that someone has set stays. */
  struct sigaction now;
  if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
  return 0;
}

static TF_COLD tf_err_t ended(const state_t *s) {
  return TF_ERR(E_SINK_IO, "standard output: %s",
                s->ended_errno == EPIPE ? "its reader has closed the pipe"
                                        : strerror(s->ended_errno));
}

static void count_waiting(state_t *s, uint64_t n) {
  tf_store_relaxed(&s->waiting_cnt, n); /* relaxed: a count, complete by itself */
}

/* What was not written never will be. */
static void give_up(state_t *s, uint64_t *lost_cnt) {
  tf_count_add(lost_cnt, s->waiting_cnt);
  count_waiting(s, 0);
}

static ssize_t put(const state_t *s) {
  const uint8_t *at  = s->buffer + s->begin;
  size_t         cnt = s->end - s->begin;
  return s->is_socket ? send(s->fd, at, cnt, MSG_DONTWAIT | MSG_NOSIGNAL) : write(s->fd, at, cnt);
}

/* So many bytes were written: a line ends with each newline among them. */
static void count_written(state_t *s, size_t cnt) {
  const uint8_t *at = s->buffer + s->begin, *end = at + cnt;
  uint64_t       line_cnt = 0;
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) at++, line_cnt++;
  tf_count_add(&s->acked_cnt, line_cnt);
  tf_count_add(&s->written_bytes, cnt);
  count_waiting(s, s->waiting_cnt - line_cnt);
  s->begin += cnt;
}

/* Writes what waits, as far as the other side takes it now. */
static tf_err_t drain(state_t *s) {
  while (s->begin < s->end && !s->ended_errno) {
    ssize_t n = put(s);
    if (n >= 0)
      count_written(s, (size_t)n);
    else if (errno == EAGAIN)
      break;
    else if (errno != EINTR)
      s->ended_errno = errno;
  }
  if (s->ended_errno) give_up(s, &s->lost_broken_cnt);
  memmove(s->buffer, s->buffer + s->begin, s->end - s->begin);
  s->end -= s->begin;
  s->begin = 0;
  return s->ended_errno ? ended(s) : 0;
}

static int stdout_offer(void *self, const void *records, uint32_t n) {
  state_t       *s  = self;
  const uint8_t *at = records;
  if (TF_UNLIKELY(s->ended_errno)) return ended(s);
  for (uint32_t i = 0; i < n; i++, at += s->config.shape.bytes) {
    if (BUFFER_BYTES - s->end < s->line_bytes_max) {
      tf_err_t err = drain(s);
      if (err) return i ? (int)i : err; /* what it took before is its own to account for */
      if (BUFFER_BYTES - s->end < s->line_bytes_max) return (int)i;
    }
    bool is_late = false; /* decisions say it themselves */
    s->end += tf_encode(&s->config, at, is_late, s->buffer + s->end);
    count_waiting(s, s->waiting_cnt + 1);
  }
  return (int)n;
}

static tf_err_t stdout_flush(void *self, uint64_t now_ns) {
  (void)now_ns;
  state_t *s = self;
  return s->ended_errno ? 0 : drain(s);
}

/* The pipe may be full: its reader gets the config's drain at a time as long as it still reads. */
static tf_err_t drain_all(state_t *s) {
  tf_err_t err = drain(s);
  while (!err && s->end > 0) {
    struct pollfd waiting = {.fd = s->fd, .events = POLLOUT};
    size_t        before  = s->end;
    poll(&waiting, 1, (int)(s->config.drain_ns_max / TF_NS_PER_MS));
    err = drain(s);
    if (!err && s->end == before)
      err = TF_ERR(E_SINK_IO, "standard output: its reader has stalled, %zu bytes are not written",
                   s->end);
  }
  return err;
}

static tf_err_t stdout_close(void *self) {
  state_t *s   = self;
  tf_err_t err = s->ended_errno ? TF_OK : drain_all(s);
  give_up(s, &s->lost_closed_cnt);
  if (s->fd != STDOUT_FILENO) close(s->fd);
  return s->ended_errno == EPIPE ? TF_OK : err;
}

static void stdout_counts(const void *self, tf_sink_counts_t *counts) {
  const state_t *s       = self;
  counts->acked          = tf_load_relaxed(&s->acked_cnt);   /* relaxed: counts, as are the next */
  counts->pending        = tf_load_relaxed(&s->waiting_cnt); /* relaxed: as above */
  counts->dropped_broken = tf_load_relaxed(&s->lost_broken_cnt); /* relaxed: as above */
  counts->dropped_closed = tf_load_relaxed(&s->lost_closed_cnt); /* relaxed: as above */
  counts->bytes          = tf_load_relaxed(&s->written_bytes);   /* relaxed: as above */
}

const tf_sink_t tf_sink_stdout = {
    .name        = "stdout",
    .keys        = "format drain",
    .help        = "one JSON line per record on standard output",
    .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST),
    .policy      = TF_OVERFLOW_BLOCK,
    .carries     = (1u << TF_CARRIES_CNT) - 1,
    .state_bytes = stdout_state_bytes,
    .open        = stdout_open,
    .offer       = stdout_offer,
    .flush       = stdout_flush,
    .close       = stdout_close,
    .counts      = stdout_counts,
};
