/* udp://GROUP:PORT[,GROUP:PORT][/INTERFACE]: datagrams of the udp sink, of one line or of A and B, made a stream again by
 * tf/udp_reader.h: put in order, what both lines lost asked for, and told where it stays missing. poll_fd watches the sockets, and a
 * timer for what must happen though no datagram comes: a hole is to be asked for, a sender is silent. */
#include <net/if.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "client/client.h"
#include "core/error.h"
#include "tf/udp_reader.h"

#define LINE_BYTES   80u /* "udp://", an IPv4 address, a port */
#define LINE_CNT     2u
#define TICK_NS      (100 * TF_NS_PER_MS) /* how exactly silence is told */
#define HOLE_TICK_NS TF_UDP_REORDER_NS

typedef struct udp {
  tf_udp_reader_t reader;
  char            lines[LINE_CNT][LINE_BYTES];
  char            interface[IF_NAMESIZE];
  int             timer_fd;
  bool            has_hole_tick;
  bool            is_up, is_down; /* told: UP and no DOWN since; DOWN and no UP since */
  bool            has_record;     /* its UP had to be told first */
  bool            has_begun;      /* a record was delivered, or a loss told */
} udp_t;

/* ---- what wakes who waits ---- */

static void tick(udp_t *u, bool is_hole) {
  uint64_t          ns = is_hole ? HOLE_TICK_NS : TICK_NS;
  struct itimerspec at = {.it_value.tv_nsec = (long)ns, .it_interval.tv_nsec = (long)ns};
  timerfd_settime(u->timer_fd, 0, &at, NULL);
  u->has_hole_tick = is_hole;
}

static void tick_over(udp_t *u) {
  uint64_t rings;
  (void)!read(u->timer_fd, &rings, sizeof rings); /* of no consequence if it has not rung */
  if (u->has_hole_tick != u->reader.merge.is_hole) tick(u, u->reader.merge.is_hole);
}

/* ---- what is told ---- */

static tf_client_kind_t end(tf_client_t *client, tf_client_message_t *message, uint32_t reason) {
  return tf_client_say(client, message, TF_CLIENT_END, reason, 0);
}

static tf_client_kind_t down(tf_client_t *client, tf_client_message_t *message, uint32_t reason) {
  udp_t *u = client->state;
  if (u->is_down) return TF_CLIENT_IDLE;
  u->is_down = true;
  u->is_up   = false;
  return tf_client_say(client, message, TF_CLIENT_DOWN, reason, 0);
}

static tf_client_kind_t up(tf_client_t *client, tf_client_message_t *message, uint32_t reason) {
  udp_t *u   = client->state;
  u->is_up   = true;
  u->is_down = false;
  return tf_client_say(client, message, TF_CLIENT_UP, reason, u->reader.merge.seq + 1);
}

/* An engine's first datagram; the next result is of its stream. */
static tf_client_kind_t epoch(tf_client_t *client, tf_client_message_t *message) {
  udp_t                *u = client->state;
  const tf_udp_merge_t *m = &u->reader.merge;
  if (m->shape.carries != client->carries) {
    tf_client_set_error(client, "it carries kind %u of records, %u is asked for", m->shape.carries,
                        client->carries);
    return end(client, message, TF_CLIENT_REASON_PROTOCOL);
  }
  bool restarted       = u->has_begun && m->is_placed && m->seq == 0;
  client->epoch        = m->epoch;
  client->record_bytes = m->shape.bytes;
  return up(client, message, restarted ? TF_CLIENT_REASON_RESTARTED : TF_CLIENT_REASON_NONE);
}

static tf_client_kind_t record(tf_client_t *client, tf_client_message_t *message) {
  udp_t                *u = client->state;
  const tf_udp_merge_t *m = &u->reader.merge;
  u->has_begun            = true;
  u->has_record           = false;
  memcpy(client->record, m->record, m->shape.bytes);
  return tf_client_say_record(client, message, m->seq);
}

static tf_client_kind_t lost(tf_client_t *client, tf_client_message_t *message) {
  udp_t                *u   = client->state;
  const tf_udp_merge_t *m   = &u->reader.merge;
  uint64_t              cnt = tf_udp_is_dense_(m) ? m->lost_to - m->lost_from + 1 : 0;
  u->has_begun              = true;
  return tf_client_say_lost(client, message,
                            m->lost_reason == TF_FRAME_REASON_NONE ? TF_CLIENT_REASON_MISSING
                                                                   : (uint32_t)m->lost_reason,
                            m->lost_from, m->lost_to, cnt);
}

static tf_client_kind_t ended(tf_client_t *client, tf_client_message_t *message) {
  tf_client_set_error(client, "the engine closed it");
  if (client->options.flags & TF_CLIENT_FOLLOW)
    return down(client, message, TF_CLIENT_REASON_CLOSED);
  return end(client, message, TF_CLIENT_REASON_CLOSED);
}

/* Older than the oldest that the sender has: no loss to who asked for that. */
static bool is_before_oldest(const tf_client_t *client) {
  const udp_t *u = client->state;
  return !u->has_begun && client->options.resume_from == TF_CLIENT_OLDEST;
}

/* Nothing came: for too long? */
static tf_client_kind_t quiet(tf_client_t *client, tf_client_message_t *message, uint64_t now_ns) {
  udp_t   *u      = client->state;
  uint64_t max_ns = client->options.silent_ns ? client->options.silent_ns : TF_UDP_QUIET_NS;
  if (u->is_down && now_ns - u->reader.merge.heard_ns <= max_ns && u->reader.merge.is_started &&
      !u->reader.merge.is_ended)
    return up(client, message, TF_CLIENT_REASON_NONE);
  if (now_ns - u->reader.merge.heard_ns <= max_ns) return TF_CLIENT_IDLE;
  tf_client_set_error(client, "no datagram for %llu ms",
                      (unsigned long long)(max_ns / TF_NS_PER_MS));
  if (client->options.flags & TF_CLIENT_NO_RECONNECT)
    return end(client, message, TF_CLIENT_REASON_SILENT);
  return down(client, message, TF_CLIENT_REASON_SILENT);
}

static tf_client_kind_t udp_next(tf_client_t *client, tf_client_message_t *message) {
  udp_t   *u      = client->state;
  uint64_t now_ns = tf_udp_reader_clock_ns();
  if (TF_UNLIKELY(u->has_record)) return record(client, message);
  switch (tf_udp_reader_next(&u->reader, now_ns)) {
  case TF_UDP_RECORD:
    if (TF_LIKELY(!u->is_down)) return record(client, message);
    u->has_record = true;
    return up(client, message, TF_CLIENT_REASON_NONE);
  case TF_UDP_LOST:
    return is_before_oldest(client) ? udp_next(client, message) : lost(client, message);
  case TF_UDP_EPOCH: return epoch(client, message);
  case TF_UDP_ENDED: return ended(client, message);
  case TF_UDP_IDLE:
  case TF_UDP_QUIET: break;
  }
  tick_over(u);
  return quiet(client, message, now_ns);
}

static void on_name(void *self, const tf_frame_instrument_t *name) {
  tf_client_name_put(self, name->id, name->price_exp, name->name, sizeof name->name);
}

/* ---- open and close ---- */

/* "A:PORT[,B:PORT][/INTERFACE]" */
static tf_err_t split(udp_t *u, const char *rest) {
  size_t      lines_cnt = strcspn(rest, "/");
  const char *at = rest, *interface = rest + lines_cnt;
  for (uint32_t i = 0; i < LINE_CNT && at < rest + lines_cnt; i++) {
    size_t cnt = strcspn(at, ",/");
    snprintf(u->lines[i], LINE_BYTES, "udp://%.*s", (int)cnt, at);
    at += cnt + (at[cnt] == ',');
  }
  if (at != rest + lines_cnt)
    return TF_ERR(E_CORE_ARGUMENT, "expected udp://ADDRESS:PORT, line B behind a comma, then "
                                   "/INTERFACE if the kernel is not to choose");
  if (strlen(interface) > IF_NAMESIZE)
    return TF_ERR(E_CORE_ARGUMENT, "\"%.64s\": no interface has such a name", interface + 1);
  snprintf(u->interface, sizeof u->interface, "%s", *interface ? interface + 1 : "");
  return TF_OK;
}

static tf_err_t watch(tf_client_t *client) {
  udp_t    *u     = client->state;
  const int fds[] = {u->reader.fds[0], u->reader.fds[1], u->reader.fds[2], u->timer_fd};
  for (size_t i = 0; i < TF_ARRAY_CNT(fds); i++) {
    struct epoll_event wanted = {.events = EPOLLIN};
    if (fds[i] >= 0 && epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, fds[i], &wanted) != 0)
      return TF_ERR(E_CORE_SYSTEM, "epoll_ctl: %s", strerror(errno));
  }
  tick(u, false);
  return TF_OK;
}

static tf_err_t udp_open(tf_client_t *client, const char *rest) {
  udp_t   *u       = client->state;
  uint64_t from    = client->options.resume_from;
  u->timer_fd      = -1;
  u->reader.fds[0] = u->reader.fds[1] = u->reader.fds[2] = -1;
  if (client->options.token_file || client->options.ca_file)
    return TF_ERR(E_CORE_ARGUMENT, "datagrams prove nothing: no token_file and no ca_file");
  tf_err_t err = split(u, rest);
  if (err) return err;
  const tf_udp_reader_config_t config = {
      .a         = u->lines[0],
      .b         = u->lines[1][0] ? u->lines[1] : NULL,
      .interface = u->interface[0] ? u->interface : NULL,
      .merge     = {.on_name     = on_name,
                    .self        = client,
                    .resume_from = from == TF_CLIENT_NEXT     ? 0
                                   : from == TF_CLIENT_OLDEST ? 1
                                                              : from}
  };
  if (tf_udp_reader_open(&u->reader, &config) != 0)
    return TF_ERR(E_IO_SYSTEM, "%s", u->reader.error);
  u->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (u->timer_fd < 0) return TF_ERR(E_CORE_SYSTEM, "timerfd_create: %s", strerror(errno));
  return watch(client);
}

static void udp_close(tf_client_t *client) {
  udp_t *u = client->state;
  tf_udp_reader_close(&u->reader);
  if (u->timer_fd >= 0) close(u->timer_fd);
}

const tf_client_source_t tf_client_source_udp = {.scheme      = "udp://",
                                                 .state_bytes = sizeof(udp_t),
                                                 .open        = udp_open,
                                                 .next        = udp_next,
                                                 .close       = udp_close};
