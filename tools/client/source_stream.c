/* unix:, tcp://, tls://, ws:// and wss://: a listener's frames (frames.h) over a connection (link.h), made
 * again when it breaks. poll_fd watches the socket, and a timer for what must happen though no byte
 * comes: the next try, the end of a connect, the silence of a listener. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "client/link.h"
#include "core/error.h"
#include "core/secret.h"
#include "tf/reader.h" /* tf_stream_clock_ns */

#define RETRY_NS_MIN (100 * TF_NS_PER_MS)
#define RETRY_NS_MAX (5 * TF_NS_PER_SEC)

/* A listener that has not been heard for so many of its heartbeats is taken for dead. */
#define SILENT_HEARTBEATS 3u

typedef struct stream {
  tf_client_link_t link;
  tf_frames_t      frames;
  char             token[TF_FRAME_TOKEN_BYTES_MAX + 1];
  int              timer_fd;
  uint64_t         timer_ns; /* it rings then; 0: never */
  uint64_t deadline_ns;      /* CLOSED: of the next try; else of the first or next sign of life */
  uint64_t retry_ns;         /* pause before the next try */
  bool     said_hello;
  bool     is_broken; /* the connection; what came before is still to be read */
  bool     is_down;   /* told, and no UP since */
  uint8_t  inbox[TF_FRAMES_INBOX_BYTES];
} stream_t;

/* ---- time ---- */

/* The deadline moves with every byte; the timer is set again only when it has rung too early. */
static void timer_set(stream_t *s, uint64_t ns) {
  struct itimerspec at = {
      .it_value = {.tv_sec = (time_t)(ns / TF_NS_PER_SEC), .tv_nsec = (long)(ns % TF_NS_PER_SEC)}
  };
  uint64_t rings;
  while (read(s->timer_fd, &rings, sizeof rings) > 0) {
  }
  timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
  s->timer_ns = ns;
}

static void deadline_set(stream_t *s, uint64_t ns) {
  s->deadline_ns = ns;
  if (s->timer_ns == 0 || ns < s->timer_ns) timer_set(s, ns);
}

/* Whether the deadline has passed; else the timer stands on it. */
static bool is_late(stream_t *s, uint64_t now_ns) {
  if (now_ns < s->timer_ns) return false;
  if (now_ns >= s->deadline_ns) return true;
  timer_set(s, s->deadline_ns);
  return false;
}

static uint64_t silent_ns(const tf_client_t *client) {
  const stream_t *s = client->state;
  if (client->options.silent_ns) return client->options.silent_ns;
  return (uint64_t)s->frames.heartbeat_ms * TF_NS_PER_MS * SILENT_HEARTBEATS;
}

/* ---- a connection's life ---- */

/* The connection is over, or could not be made; client->error says why. Told once until the next UP. */
static tf_client_kind_t fail(tf_client_t *client, tf_client_message_t *message, uint32_t reason) {
  stream_t *s = client->state;
  bool      is_final =
      client->options.flags & TF_CLIENT_NO_RECONNECT || reason == TF_CLIENT_REASON_TOKEN ||
      reason == TF_CLIENT_REASON_PROTOCOL ||
      (reason == TF_CLIENT_REASON_CLOSED && !(client->options.flags & TF_CLIENT_FOLLOW));
  tf_client_link_close(&s->link);
  s->is_broken = false;
  if (is_final) return tf_client_say(client, message, TF_CLIENT_END, reason, 0);
  deadline_set(s, tf_stream_clock_ns() + s->retry_ns);
  s->retry_ns = s->retry_ns * 2 < RETRY_NS_MAX ? s->retry_ns * 2 : RETRY_NS_MAX;
  if (s->is_down) return TF_CLIENT_IDLE;
  s->is_down = true;
  return tf_client_say(client, message, TF_CLIENT_DOWN, reason, 0);
}

static tf_client_kind_t late(tf_client_t *client, tf_client_message_t *message) {
  stream_t *s = client->state;
  if (s->frames.is_welcome) {
    tf_client_set_error(client, "no sign of life for %llu ms",
                        (unsigned long long)(silent_ns(client) / TF_NS_PER_MS));
    return fail(client, message, TF_CLIENT_REASON_SILENT);
  }
  tf_client_set_error(client, "%s in %llu ms",
                      s->said_hello ? "connected, but no welcome" : "no connection",
                      (unsigned long long)(client->options.timeout_ns / TF_NS_PER_MS));
  return fail(client, message, TF_CLIENT_REASON_TIMEOUT);
}

static tf_err_t try_again(tf_client_t *client, uint64_t now_ns) {
  stream_t *s = client->state;
  tf_frames_connect(&s->frames);
  s->said_hello = false;
  deadline_set(s, now_ns + client->options.timeout_ns);
  return tf_client_link_connect(&s->link, &s->frames);
}

static void say_hello(tf_client_t *client) {
  stream_t *s = client->state;
  uint8_t   hello[TF_FRAME_HEADER_BYTES + TF_FRAME_HELLO_BYTES_MAX];
  tf_client_link_say(&s->link, hello,
                     tf_frames_hello(&s->frames, client->carries, s->token, hello));
  s->said_hello = true;
}

/* What the frames say, as it concerns the connection. */
static tf_client_kind_t heard(tf_client_t *client, tf_client_message_t *message,
                              tf_client_kind_t kind) {
  stream_t *s = client->state;
  if (kind == TF_CLIENT_END) return fail(client, message, message->reason);
  if (kind == TF_FRAMES_BROKEN) return fail(client, message, TF_CLIENT_REASON_PROTOCOL);
  if (kind == TF_CLIENT_UP) {
    s->retry_ns = RETRY_NS_MIN;
    s->is_down  = false;
    deadline_set(s, tf_stream_clock_ns() + silent_ns(client));
  }
  return kind;
}

static tf_client_kind_t stream_next(tf_client_t *client, tf_client_message_t *message) {
  stream_t        *s    = client->state;
  tf_client_kind_t kind = tf_frames_next(&s->frames, client, message);
  if (TF_LIKELY(kind == TF_CLIENT_RECORD)) return kind;
  for (;;) {
    if (kind != TF_CLIENT_IDLE) return heard(client, message, kind);
    if (s->is_broken) return fail(client, message, TF_CLIENT_REASON_DISCONNECTED);
    uint64_t now_ns = tf_stream_clock_ns();
    if (s->link.phase == TF_CLIENT_LINK_CLOSED) {
      if (!is_late(s, now_ns)) return TF_CLIENT_IDLE;
      s->is_broken = try_again(client, now_ns) != TF_OK;
    } else if (is_late(s, now_ns)) {
      return late(client, message);
    }
    if (s->link.phase == TF_CLIENT_LINK_OPEN && !s->said_hello) say_hello(client);
    int got      = s->is_broken ? -1 : tf_client_link_pump(&s->link);
    s->is_broken = got < 0;
    if (got < 0) tf_client_set_error(client, "%s", tf_error_text());
    if (got == 0) return TF_CLIENT_IDLE;
    if (s->frames.is_welcome) s->deadline_ns = now_ns + silent_ns(client);
    kind = tf_frames_next(&s->frames, client, message);
  }
}

/* ---- open and close ---- */

static tf_err_t stream_open(tf_client_t *client) {
  stream_t *s               = client->state;
  s->link.fd                = -1;
  s->retry_ns               = RETRY_NS_MIN;
  s->timer_fd               = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  s->link.poll_fd           = client->poll_fd;
  struct epoll_event wanted = {.events = EPOLLIN};
  tf_frames_init(&s->frames, s->inbox, client->options.resume_from);
  if (s->timer_fd < 0 || epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, s->timer_fd, &wanted) != 0)
    return TF_ERR(E_CORE_SYSTEM, "a timer: %s", strerror(errno));
  if (client->options.token_file)
    return tf_secret_read(client->options.token_file, s->token, sizeof s->token);
  return TF_OK;
}

static tf_err_t unix_open(tf_client_t *client, const char *rest) {
  stream_t *s   = client->state;
  tf_err_t  err = stream_open(client);
  return err ? err : tf_client_link_open_unix(&s->link, rest);
}

static tf_err_t tcp_family_open(tf_client_t *client, const char *rest, bool is_tls, bool is_ws) {
  stream_t *s   = client->state;
  tf_err_t  err = stream_open(client);
  return err ? err
             : tf_client_link_open_tcp(&s->link, rest, is_tls, is_ws, client->options.ca_file);
}

static tf_err_t tcp_open(tf_client_t *client, const char *rest) {
  return tcp_family_open(client, rest, false, false);
}
static tf_err_t tls_open(tf_client_t *client, const char *rest) {
  return tcp_family_open(client, rest, true, false);
}
static tf_err_t ws_open(tf_client_t *client, const char *rest) {
  return tcp_family_open(client, rest, false, true);
}
static tf_err_t wss_open(tf_client_t *client, const char *rest) {
  return tcp_family_open(client, rest, true, true);
}

static void stream_close(tf_client_t *client) {
  stream_t *s = client->state;
  tf_client_link_fini(&s->link);
  if (s->timer_fd > 0) close(s->timer_fd);
  tf_secret_wipe(s->token, sizeof s->token);
}

/* clang-format off: a table */
#define STREAM_SOURCE(NAME, SCHEME)                                                                \
  const tf_client_source_t tf_client_source_##NAME = {.scheme      = SCHEME,                       \
                                                      .state_bytes = sizeof(stream_t),             \
                                                      .open        = NAME##_open,                  \
                                                      .next        = stream_next,                  \
                                                      .close       = stream_close}
/* clang-format on */
STREAM_SOURCE(unix, "unix:");
STREAM_SOURCE(tcp, "tcp://");
STREAM_SOURCE(tls, "tls://");
STREAM_SOURCE(ws, "ws://");
STREAM_SOURCE(wss, "wss://");
