#include "io/io.h"

#include <string.h>

#include "core/error.h"
#include "io/port.h"
#include "io/socket.h"

#define CONNS_MAX        16384u
#define BUFFERS_MAX      32768u
#define BUFFER_BYTES_MIN 512u
#define BUFFER_BYTES_MAX (1u << 20)
#define SEND_BYTES_MIN   256u
#define SEND_BYTES_MAX   (64u << 20)

#define BUSY_POLL_US_MAX 1000000u

static _Thread_local char reason[TF_ERROR_TEXT_BYTES];
static _Thread_local char refusals[TF_ERROR_TEXT_BYTES];

tf_io_config_t tf_io_config_default(void) {
  return (tf_io_config_t){
      .conns_max    = 64,
      .buffer_cnt   = 64,
      .buffer_bytes = 16u << 10,
      .send_bytes   = 64u << 10,
  };
}

const char *tf_io_fallback_reason(void) { return reason; }
const char *tf_io_refusals(void) { return refusals; }

tf_err_t tf_io_config_check(const tf_io_config_t *c) {
  if (c->conns_max < 1 || c->conns_max > CONNS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "io: conns_max %u: 1 to %u", c->conns_max, CONNS_MAX);
  if (!tf_is_pow2(c->buffer_cnt) || c->buffer_cnt > BUFFERS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "io: buffer_cnt %u: a power of two, 1 to %u", c->buffer_cnt,
                  BUFFERS_MAX);
  if (c->buffer_bytes < BUFFER_BYTES_MIN || c->buffer_bytes > BUFFER_BYTES_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "io: buffer_bytes %u: %u to %u", c->buffer_bytes,
                  BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
  if (!tf_is_pow2(c->send_bytes) || c->send_bytes < SEND_BYTES_MIN ||
      c->send_bytes > SEND_BYTES_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "io: send_bytes %u: a power of two, %u to %u", c->send_bytes,
                  SEND_BYTES_MIN, SEND_BYTES_MAX);
  if (c->busy_poll_us > BUSY_POLL_US_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "io: busy_poll_us %u: at most %u", c->busy_poll_us,
                  BUSY_POLL_US_MAX);
  return TF_OK;
}

size_t tf_io_arena_bytes(const tf_io_config_t *config) {
  size_t uring = tf_uring_arena_bytes(config) + tf_loop_arena_bytes(config);
  size_t epoll = tf_epoll_arena_bytes(config);
  return uring > epoll ? uring : epoll;
}

static tf_err_t open_uring(const tf_io_config_t *config, tf_arena_t *arena, tf_io_t **io) {
  tf_port_t *port;
  tf_err_t   err = tf_uring_open(config, arena, &port);
  if (err != TF_OK) return err;
  return tf_loop_open(config, arena, port, io);
}

tf_err_t tf_io_open(tf_io_kind_t kind, const tf_io_config_t *given, tf_arena_t *arena,
                    tf_io_t **io) {
  *io                          = NULL;
  reason[0]                    = '\0';
  refusals[0]                  = '\0';
  tf_io_config_t        copy   = *given;
  const tf_io_config_t *config = &copy;
  tf_err_t              err    = tf_io_config_check(config);
  if (err != TF_OK) return err;
  tf_socket_wants_t wants = {.busy_poll_us = copy.busy_poll_us, .stamps = copy.kernel_timestamps};
  tf_socket_probe(&wants, refusals, sizeof refusals);
  copy.busy_poll_us      = wants.busy_poll_us;
  copy.kernel_timestamps = wants.stamps;
  if (kind == TF_IO_EPOLL) return tf_epoll_open(config, arena, io);

  size_t mark = arena->used_bytes;
  err         = open_uring(config, arena, io);
  if (err == TF_OK || kind == TF_IO_URING || err == E_CORE_ARENA_FULL) return err;

  /* What the failed attempt took goes back: arena memory is zero when taken. */
  snprintf(reason, sizeof reason, "%s", tf_error_text());
  memset(arena->base + mark, 0, arena->used_bytes - mark);
  arena->used_bytes = mark;
  return tf_epoll_open(config, arena, io);
}

void tf_io_fini(tf_io_t *io) {
  if (!io) return;
  if (io->ops == &tf_epoll_ops)
    tf_epoll_fini(io);
  else
    tf_loop_fini(io);
}
