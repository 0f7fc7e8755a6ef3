#include "sink_ends.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/tickfuse_client.h"
#include "tf/reader.h"

#define WAIT_S          60
#define READ_BYTES      (1u << 16)
#define UDP_BUFFER      (64 << 20) /* a whole run: the kernel drops what a reader is late for */
#define REQUEST_BYTES   (2u << 20)
#define HTTP_ANSWER     "HTTP/1.1 204 No Content\r\n\r\n"
#define PAIR_FRAMES_MAX 4096u

static uint8_t buffer[REQUEST_BYTES];

void sink_end_die(const char *what, const char *why) {
  fprintf(stderr, "bench_sinks: %s: %s\n", what, why);
  exit(1);
}

static void must(bool good, const char *what) {
  if (!good) sink_end_die(what, strerror(errno));
}

/* A child, that goes with its parent. */
static pid_t spawn(void) {
  fflush(NULL);
  pid_t pid = fork();
  must(pid >= 0, "fork");
  if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return pid;
}

static bool is_type(const sink_end_t *end, const char *type) { return !strcmp(end->type, type); }

/* ---- sockets ---- */

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  return at;
}

/* Bound to a free port, which it says. */
static int bound(int kind, int *port) {
  struct sockaddr_in at    = loopback(0);
  socklen_t          bytes = sizeof at;
  int                fd    = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  must(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
           getsockname(fd, (struct sockaddr *)&at, &bytes) == 0,
       "a free port");
  *port = ntohs(at.sin_port);
  return fd;
}

static int dial(int port) {
  struct sockaddr_in at = loopback(port);
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
  close(fd);
  return -1;
}

/* ---- servers ---- */

static void serve_posts(int listener) {
  for (;;) {
    int    fd   = accept(listener, NULL, NULL);
    size_t have = 0;
    for (ssize_t n; (n = recv(fd, buffer + have, sizeof buffer - 1 - have, 0)) > 0;) {
      have += (size_t)n;
      buffer[have]     = 0;
      const char *text = (const char *)buffer, *end = strstr(text, "\r\n\r\n");
      const char *length = end ? strcasestr(text, "content-length:") : NULL;
      if (!length) continue;
      size_t whole = (size_t)(end + 4 - text) + strtoul(length + 15, NULL, 10);
      if (have < whole) continue;
      if (send(fd, HTTP_ANSWER, strlen(HTTP_ANSWER), MSG_NOSIGNAL) < 0) break;
      have = 0; /* neither side sends a request before it has the answer */
    }
    close(fd);
  }
}

/* Its own client waits for ever; the address goes to the parent. */
static void serve_kafka(int out) {
  char                     why[256], topic[16];
  rd_kafka_conf_t         *conf = rd_kafka_conf_new();
  rd_kafka_t              *rk;
  rd_kafka_mock_cluster_t *mock;
  rd_kafka_conf_set_log_cb(conf, NULL);
  rk   = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  mock = rk ? rd_kafka_mock_cluster_new(rk, 1) : NULL;
  if (!mock) sink_end_die("the mock cluster", why);
  for (uint32_t run = 0; run < SINK_END_RUNS_MAX; run++)
    for (int peer = 0; peer < 2; peer++) {
      snprintf(topic, sizeof topic, SINK_END_TOPIC, peer ? "peer" : "ours", run);
      rd_kafka_mock_topic_create(mock, topic, 1, 1);
    }
  dprintf(out, "%s\n", rd_kafka_mock_cluster_bootstraps(mock));
  pause();
}

static void execute(const sink_end_t *end, const char *dir) {
  char port[16];
  snprintf(port, sizeof port, "%d", end->port);
  must(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr), "/dev/null");
  if (is_type(end, "nats"))
    execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir,
           (char *)NULL);
  else
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
           "--appendonly", "yes", "--appendfsync", "no", "--dir", dir, (char *)NULL);
  _exit(127);
}

/* Until it takes connections; false: its program is not there. */
static bool is_up(const sink_end_t *end) {
  for (int i = 0; i < WAIT_S * 100; i++) {
    int fd = dial(end->port);
    if (fd >= 0) return close(fd) == 0;
    if (waitpid(end->pid, NULL, WNOHANG) == end->pid) return false;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  sink_end_die(end->type, "it does not listen");
}

bool sink_end_serve(sink_end_t *end, const char *type, const char *dir) {
  int ends[2];
  *end     = (sink_end_t){.type = type, .is_server = true, .fd = -1, .reader_fd = -1};
  int fd   = bound(SOCK_STREAM, &end->port);
  int have = is_type(end, "http") ? listen(fd, 8) : close(fd);
  must(have == 0 && pipe(ends) == 0, type);
  end->pid = spawn();
  if (end->pid == 0) {
    if (is_type(end, "http")) serve_posts(fd);
    if (is_type(end, "kafka")) serve_kafka(ends[1]);
    execute(end, dir);
  }
  close(ends[1]);
  snprintf(end->url, sizeof end->url, "%s://127.0.0.1:%d%s", type, end->port,
           is_type(end, "http") ? "/in" : "");
  if (is_type(end, "kafka")) {
    char    text[128];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    must(n > 1, "the mock cluster");
    snprintf(end->url, sizeof end->url, "kafka://%.*s", (int)n - 1, text);
  }
  close(ends[0]);
  if (is_type(end, "http")) close(fd);
  return is_type(end, "kafka") || is_up(end);
}

/* ---- readers ---- */

void sink_end_prepare(sink_end_t *end, const char *type, const char *dir, uint32_t run) {
  int ends[2];
  *end = (sink_end_t){.type = type, .fd = -1, .reader_fd = -1};
  if (is_type(end, "unix") || is_type(end, "journal"))
    snprintf(end->url, sizeof end->url, "%s/%s%u", dir, type, run);
  if (is_type(end, "shm")) snprintf(end->url, sizeof end->url, "bench-sinks-%d", (int)getpid());
  if (is_type(end, "tcp") || is_type(end, "websocket")) {
    close(bound(SOCK_STREAM, &end->port));
    snprintf(end->url, sizeof end->url, "%s://127.0.0.1:%d", is_type(end, "tcp") ? "tcp" : "ws",
             end->port);
  }
  if (is_type(end, "udp")) {
    int bytes      = UDP_BUFFER;
    end->reader_fd = bound(SOCK_DGRAM, &end->port);
    if (setsockopt(end->reader_fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
      setsockopt(end->reader_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    snprintf(end->url, sizeof end->url, "udp://127.0.0.1:%d", end->port);
  }
  if (is_type(end, "stdout")) {
    must(pipe(ends) == 0, "pipe");
    end->reader_fd = ends[0];
    end->fd        = ends[1];
  }
}

void sink_end_pair(sink_end_t *end, const char *type) {
  int ends[2], on = 1;
  *end = (sink_end_t){.type = type, .fd = -1, .reader_fd = -1};
  if (is_type(end, "stdout")) {
    must(pipe(ends) == 0, "pipe");
    end->reader_fd = ends[0], end->fd = ends[1];
  } else if (is_type(end, "unix")) {
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    end->reader_fd = ends[0], end->fd = ends[1];
  } else if (is_type(end, "udp")) {
    sink_end_prepare(end, type, "", 0);
    struct sockaddr_in at = loopback(end->port);
    end->fd               = socket(AF_INET, SOCK_DGRAM, 0);
    must(connect(end->fd, (struct sockaddr *)&at, sizeof at) == 0, "connect");
  } else {
    int listener = bound(SOCK_STREAM, &end->port);
    must(listen(listener, 1) == 0, "listen");
    end->fd        = dial(end->port);
    end->reader_fd = accept(listener, NULL, NULL);
    must(end->fd >= 0 && end->reader_fd >= 0, "connect");
    setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    close(listener);
  }
}

/* By the client library, as a consumer would. */
static bool read_by_client(const sink_end_t *end, uint64_t record_cnt) {
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  tf_client_message_t message;
  char                url[192], error[TF_CLIENT_ERROR_BYTES];
  bool                has_scheme = strstr(end->url, "://") != NULL;
  snprintf(url, sizeof url, "%s%s%s", has_scheme ? "" : end->type, has_scheme ? "" : ":", end->url);
  options.resume_from = TF_CLIENT_OLDEST;
  tf_client_t *client = tf_client_open(url, &options, error, sizeof error);
  if (!client) sink_end_die(url, error);
  for (uint64_t cnt = 0; cnt < record_cnt;) {
    tf_client_kind_t kind = tf_client_next(client, &message);
    cnt += kind == TF_CLIENT_RECORD;
    if (kind == TF_CLIENT_LOST || kind == TF_CLIENT_END) return false;
    if (kind == TF_CLIENT_IDLE) tf_client_wait(client, WAIT_S * TF_NS_PER_SEC);
  }
  tf_client_close(client);
  return true;
}

static bool read_lines(int fd, uint64_t record_cnt) {
  uint64_t cnt = 0;
  for (ssize_t n; (n = read(fd, buffer, READ_BYTES)) > 0;)
    for (const uint8_t *at = buffer, *end = buffer + n;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
      cnt++;
  return cnt == record_cnt;
}

static bool read_datagrams(int fd, uint64_t record_cnt) {
  for (uint64_t cnt = 0; cnt < record_cnt;) {
    struct pollfd     waits = {.fd = fd, .events = POLLIN};
    tf_frame_header_t head;
    if (poll(&waits, 1, 2000) != 1 || recv(fd, buffer, READ_BYTES, 0) < (ssize_t)sizeof head)
      return false; /* the kernel lost some */
    memcpy(&head, buffer, sizeof head);
    cnt += head.kind == TF_FRAME_RECORDS ? head.record_cnt : 0;
  }
  return true;
}

static bool read_bytes(int fd, uint64_t byte_cnt) {
  uint64_t cnt = 0;
  for (ssize_t n; cnt < byte_cnt && (n = read(fd, buffer, READ_BYTES)) > 0;) cnt += (uint64_t)n;
  return cnt == byte_cnt;
}

static bool is_child(sink_end_t *end) {
  end->pid = spawn();
  if (end->pid == 0 && end->fd >= 0) close(end->fd);
  if (end->pid != 0 && end->reader_fd >= 0) close(end->reader_fd);
  return end->pid == 0;
}

void sink_end_read(sink_end_t *end, uint64_t record_cnt) {
  if (is_type(end, "null") || is_type(end, "journal") || !is_child(end)) return;
  bool is_good = is_type(end, "stdout") ? read_lines(end->reader_fd, record_cnt)
                 : is_type(end, "udp")  ? read_datagrams(end->reader_fd, record_cnt)
                                        : read_by_client(end, record_cnt);
  _exit(is_good ? 0 : 1);
}

void sink_end_read_bytes(sink_end_t *end, uint64_t byte_cnt) {
  if (end->reader_fd >= 0 && is_child(end)) _exit(read_bytes(end->reader_fd, byte_cnt) ? 0 : 1);
}

/* ---- their end ---- */

/* Which stays behind its writer, for readers that come later. */
static void unlink_stream(const char *name) {
  char path[sizeof TF_STREAM_PREFIX + sizeof((sink_end_t *)NULL)->url];
  snprintf(path, sizeof path, "%s%s", TF_STREAM_PREFIX, name);
  unlink(path);
}

bool sink_end_wait(sink_end_t *end) {
  struct rusage used;
  int           status = 0;
  if (end->fd >= 0) close(end->fd);
  end->fd = -1;
  if (end->is_server || end->pid == 0) return true;
  must(wait4(end->pid, &status, 0, &used) == end->pid, "wait4");
  if (is_type(end, "shm")) unlink_stream(end->url);
  end->pid    = 0;
  end->cpu_ns = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * TF_NS_PER_SEC +
                (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * TF_NS_PER_US;
  return status == 0;
}

uint64_t sink_end_cpu_ns(const sink_end_t *end) {
  clockid_t       clock;
  struct timespec used;
  if (!end->is_server) return end->cpu_ns;
  must(clock_getcpuclockid(end->pid, &clock) == 0 && clock_gettime(clock, &used) == 0, "its clock");
  return (uint64_t)used.tv_sec * TF_NS_PER_SEC + (uint64_t)used.tv_nsec;
}

void sink_end_stop(sink_end_t *end) {
  if (end->pid == 0) return;
  kill(end->pid, SIGKILL);
  waitpid(end->pid, NULL, 0);
  end->pid = 0;
}
