/* Decisions a second into a broker on this machine, and what one costs this process in CPU: the sink as the engine has it (queue, thread,
 * acknowledgements, exactly once), beside the fewest calls of the same client library that deliver the same 128 bytes and wait for
 * every acknowledgement: js_PublishAsync with a message id, and XADD in pipelines of 64. Ours and the peer take turns; medians.
 *
 *   bench_brokers [--json] [--smoke] */
#include <hiredis/hiredis.h>
#include <math.h>
#include <nats/nats.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "sink/registry.h"

#define REPEATS_MAX 5
#define PIPELINE    64u

static uint64_t record_cnt = 100000;
static uint32_t repeats    = REPEATS_MAX;
static char     dir[]      = "/tmp/bench-brokers-XXXXXX";

typedef struct server {
  const char *type;
  pid_t       pid;
  int         port;
  char        url[64];
} server_t;

typedef struct cost {
  double per_s[REPEATS_MAX], cpu_ns[REPEATS_MAX];
} cost_t;

static void die(const char *what) {
  fprintf(stderr, "bench_brokers: %s: %s\n", what, tf_error_text());
  exit(1);
}

/* ---- servers ---- */

static int loopback(struct sockaddr_in *at, int port) {
  *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int free_port(void) {
  struct sockaddr_in at;
  socklen_t          bytes = sizeof at;
  int                fd    = loopback(&at, 0);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) ||
      getsockname(fd, (struct sockaddr *)&at, &bytes))
    die("a free port");
  close(fd);
  return ntohs(at.sin_port);
}

static bool listens(int port) {
  struct sockaddr_in at;
  int                fd   = loopback(&at, port);
  bool               good = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
  close(fd);
  return good;
}

static void start(server_t *s, const char *type, const char *scheme) {
  char port[16];
  s->type = type;
  s->port = free_port();
  snprintf(port, sizeof port, "%d", s->port);
  snprintf(s->url, sizeof s->url, "%s://127.0.0.1:%d", scheme, s->port);
  s->pid = fork();
  if (s->pid == 0) {
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
    if (!strcmp(type, "nats"))
      execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir,
             (char *)NULL);
    else
      execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "yes", "--appendfsync", "no", "--dir", dir, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 1000 && !listens(s->port); i++)
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  if (!listens(s->port)) die(type);
}

static void stop(const server_t *s) {
  kill(s->pid, SIGKILL);
  waitpid(s->pid, NULL, 0);
}

/* ---- ours ---- */

static const tf_sink_t *sink_of(const char *type) {
  for (uint32_t i = 0; i < tf_sink_cnt; i++)
    if (!strcmp(tf_sinks[i]->name, type)) return tf_sinks[i];
  die(type);
  return NULL;
}

static void run_sink(const server_t *s, const char *stream) {
  const tf_sink_t *sink   = sink_of(s->type);
  tf_sink_config_t config = {.type          = s->type,
                             .name          = s->type,
                             .url           = s->url,
                             .stream        = stream,
                             .stream_create = true,
                             .shape         = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                             .policy        = TF_OVERFLOW_BLOCK,
                             .slot_cnt      = 4096,
                             .epoch         = 1,
                             .block_ns_max  = UINT64_MAX,
                             .drain_ns_max  = 60 * TF_NS_PER_SEC};
  size_t           bytes  = tf_align_up(sink->state_bytes(&config), TF_LINE_PAIR_BYTES);
  void            *state  = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  tf_decision_t    d      = {.version = TF_DECISION_VERSION};
  if (!state || sink->open(state, &config)) die(s->type);
  if (sink->last_seq(state) != 0) die("a stream that is new");
  for (d.decision_seq = 1; d.decision_seq <= record_cnt;) {
    int taken = sink->offer(state, &d, 1);
    if (taken < 0) die("offer");
    d.decision_seq += (uint32_t)taken;
    if (taken == 0) nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
  }
  tf_sink_counts_t counts;
  (void)sink->close(state);
  sink->counts(state, &counts);
  if (counts.acked != record_cnt) die("not all were acknowledged");
  free(state);
}

/* ---- the libraries' own loops ---- */

static void check(natsStatus status, const char *what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "bench_brokers: %s: %s\n", what, natsStatus_GetText(status));
  exit(1);
}

static void run_libnats(const server_t *s, const char *stream) {
  natsConnection *nc;
  jsCtx          *js;
  jsStreamConfig  config;
  jsPubOptions    options;
  tf_decision_t   d        = {.version = TF_DECISION_VERSION};
  const char     *subjects = stream;
  char            id[64];
  check(natsConnection_ConnectTo(&nc, s->url), "connect");
  check(natsConnection_JetStream(&js, nc, NULL), "JetStream");
  check(jsStreamConfig_Init(&config), "stream");
  config.Name        = stream;
  config.Subjects    = &subjects;
  config.SubjectsLen = 1;
  check(js_AddStream(NULL, js, &config, NULL, NULL), "stream");
  for (d.decision_seq = 1; d.decision_seq <= record_cnt; d.decision_seq++) {
    check(jsPubOptions_Init(&options), "options");
    snprintf(id, sizeof id, "%s-%llu", stream, (unsigned long long)d.decision_seq);
    options.MsgId = id;
    check(js_PublishAsync(js, stream, &d, sizeof d, &options), "publish");
  }
  check(js_PublishAsyncComplete(js, NULL), "acknowledgements");
  jsCtx_Destroy(js);
  natsConnection_Destroy(nc);
}

static void run_hiredis(const server_t *s, const char *stream) {
  redisContext *c = redisConnect("127.0.0.1", s->port);
  tf_decision_t d = {.version = TF_DECISION_VERSION};
  if (!c || c->err) die("hiredis");
  for (uint64_t seq = 1; seq <= record_cnt;) {
    uint32_t n = 0;
    for (; n < PIPELINE && seq <= record_cnt; n++, seq++) {
      d.decision_seq = seq;
      redisAppendCommand(c, "XADD %s %llu-0 record %b", stream, (unsigned long long)seq, &d,
                         sizeof d);
    }
    while (n--) {
      redisReply *reply = NULL;
      if (redisGetReply(c, (void **)&reply) != REDIS_OK || reply->type != REDIS_REPLY_STRING)
        die("XADD");
      freeReplyObject(reply);
    }
  }
  redisFree(c);
}

/* ---- both ---- */

static void measure(cost_t *cost, uint32_t i, const server_t *s, const char *stream,
                    void (*run)(const server_t *, const char *)) {
  uint64_t begin_ns = tf_clock_monotonic_ns(), cpu_ns = tf_clock_process_cpu_ns();
  run(s, stream);
  cost->cpu_ns[i] = (double)(tf_clock_process_cpu_ns() - cpu_ns) / (double)record_cnt;
  cost->per_s[i]  = (double)record_cnt * 1e9 / (double)(tf_clock_monotonic_ns() - begin_ns);
}

static void compare(const server_t *s, void (*peer)(const server_t *, const char *), cost_t *ours,
                    cost_t *theirs) {
  for (uint32_t i = 0; i < repeats; i++) {
    char own[16], other[16];
    snprintf(own, sizeof own, "own%u", i);
    snprintf(other, sizeof other, "other%u", i);
    measure(ours, i, s, own, run_sink);
    measure(theirs, i, s, other, peer);
  }
}

int main(int argc, char **argv) {
  static cost_t      ours[2], theirs[2];
  tf_bench_options_t options;
  int                status =
      tf_bench_options_parse(argc, argv, "decisions a second into NATS and Redis", &options);
  if (status >= 0) return status;
  if (options.smoke) {
    record_cnt = 500;
    repeats    = 1;
  }
  if (access("/usr/bin/redis-server", X_OK) ||
      (access("/usr/sbin/nats-server", X_OK) && access("/usr/bin/nats-server", X_OK))) {
    printf("skipped: nats-server and redis-server are wanted\n");
    return 77;
  }
  tf_clock_calibrate();
  if (!mkdtemp(dir)) die("mkdtemp");
  server_t nats, redis;
  start(&nats, "nats", "nats");
  compare(&nats, run_libnats, &ours[0], &theirs[0]);
  stop(&nats);
  start(&redis, "redis", "redis");
  compare(&redis, run_hiredis, &ours[1], &theirs[1]);
  stop(&redis);
#define ROW(name, i, what, unit, peer, lower)                                                      \
  {                                                                                                \
    name, tf_bench_median(ours[i].what, repeats), unit, peer,                                      \
        tf_bench_median(theirs[i].what, repeats), NAN, lower                                       \
  }
  const tf_bench_row_t rows[] = {
      ROW("nats_decisions", 0, per_s, "1/s", "js_PublishAsync", false),
      ROW("nats_cpu", 0, cpu_ns, "ns", "js_PublishAsync", true),
      ROW("redis_decisions", 1, per_s, "1/s", "hiredis, 64 at a time", false),
      ROW("redis_cpu", 1, cpu_ns, "ns", "hiredis, 64 at a time", true),
  };
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command) == 0 ? 0 : 1;
}
