/* Records as lines of JSON (sink/encode.h) on standard output, for people and pipes. Lines
 * collect in a bounded buffer and leave by write(2) when it is full or emit is idle; a line is never
 * cut by the engine, a record counts as taken only when its whole line has room. A reader that
 * stalls holds up emit, never a lane that has a thread of its own. A reader that goes away
 * (`| head`) ends the sink: offer then says so, close is still in order. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "sink/encode.h"
#include "tf/sink.h"

#define BUFFER_BYTES (UINT32_C(64) << 10)

typedef struct state {
  tf_sink_config_t config;
  size_t           begin, end; /* not yet written: [begin, end) of buffer */
  int              ended_errno;
  size_t           line_bytes_max;
  uint8_t          buffer[BUFFER_BYTES];
} state_t;

static size_t stdout_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(state_t);
}

static tf_err_t stdout_open(void *self, const tf_sink_config_t *config) {
  state_t *s        = self;
  s->config         = *config;
  s->config.format  = TF_FORMAT_JSON;
  s->line_bytes_max = tf_encode_bytes_max(&config->shape, TF_FORMAT_JSON);
  s->begin = s->end = 0;
  s->ended_errno    = 0;
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

/* Writes what waits, as far as the other side takes it now. */
static tf_err_t drain(state_t *s) {
  while (s->begin < s->end && !s->ended_errno) {
    ssize_t n = write(STDOUT_FILENO, s->buffer + s->begin, s->end - s->begin);
    if (n >= 0)
      s->begin += (size_t)n;
    else if (errno == EAGAIN)
      break;
    else if (errno != EINTR)
      s->ended_errno = errno;
  }
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
      if (err) return err;
      if (BUFFER_BYTES - s->end < s->line_bytes_max) return (int)i;
    }
    bool is_late = false; /* decisions say it themselves */
    s->end += tf_encode(&s->config, at, is_late, s->buffer + s->end);
  }
  return (int)n;
}

static tf_err_t stdout_flush(void *self, uint64_t now_ns) {
  (void)now_ns;
  state_t *s = self;
  return s->ended_errno ? 0 : drain(s);
}

static tf_err_t stdout_close(void *self) {
  state_t *s = self;
  if (s->ended_errno) return 0;
  tf_err_t err = drain(s);
  /* A non-blocking pipe may be full: its reader gets 100 ms at a time as long as it still reads. */
  while (!err && s->end > 0) {
    struct pollfd waiting = {.fd = STDOUT_FILENO, .events = POLLOUT};
    size_t        before  = s->end;
    poll(&waiting, 1, 100);
    err = drain(s);
    if (!err && s->end == before)
      return TF_ERR(E_SINK_IO, "standard output: its reader has stalled, %zu bytes are not written",
                    s->end);
  }
  return s->ended_errno == EPIPE ? 0 : err;
}

const tf_sink_t tf_sink_stdout = {
    .name        = "stdout",
    .keys        = "format",
    .help        = "one JSON line per record on standard output",
    .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST),
    .policy      = TF_OVERFLOW_BLOCK,
    .carries     = (1u << TF_CARRIES_CNT) - 1,
    .state_bytes = stdout_state_bytes,
    .open        = stdout_open,
    .offer       = stdout_offer,
    .flush       = stdout_flush,
    .close       = stdout_close,
};
