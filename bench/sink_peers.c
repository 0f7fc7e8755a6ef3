#include "sink_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <librdkafka/rdkafka.h>
#include <nats/nats.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sink/decision_json.h"
#include "tf/frame.h"

#define PIPELINE       64u /* records a frame, a pipeline, a write */
#define FRAME_BYTES    (TF_FRAME_HEADER_BYTES + PIPELINE * sizeof(tf_decision_t))
#define WS_HEAD_BYTES  4u
#define DATAGRAMS      64u /* a sendmmsg */
#define DATAGRAM_CNT   ((TF_FRAME_DATAGRAM_BYTES_MAX - 48u) / sizeof(tf_decision_t))
#define DATAGRAM_BYTES (48u + DATAGRAM_CNT * sizeof(tf_decision_t))
#define POST_CNT       256u /* records */
#define LINES_BYTES    65536u
#define SUBJECT_REST                                                                               \
  ".decisions.UNKNOWN.0" /* as the sinks name a decision of no known instrument */
#define CONTENT_TYPE "application/octet-stream"
#define WRITER       "0123456789abcdef"
#define POST_HEAD                                                                                  \
  "POST /in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"             \
  "Content-Length: %zu\r\n\r\n"

static const tf_decision_t decision = {.version = TF_DECISION_VERSION};

static void must(bool good, const char *what) {
  if (!good) sink_end_die(what, strerror(errno));
}

static uint64_t frame_cnt(uint64_t record_cnt) { return (record_cnt + PIPELINE - 1) / PIPELINE; }

static void put_all(int fd, const void *bytes, size_t cnt) {
  for (const uint8_t *at = bytes; cnt > 0;) {
    ssize_t n = write(fd, at, cnt);
    must(n > 0, "write");
    at += n;
    cnt -= (size_t)n;
  }
}

/* ---- bytes ---- */

static uint64_t frame_bytes(uint64_t record_cnt) { return frame_cnt(record_cnt) * FRAME_BYTES; }

static uint64_t message_bytes(uint64_t record_cnt) {
  return frame_cnt(record_cnt) * (FRAME_BYTES + WS_HEAD_BYTES);
}

static void run_frames(sink_end_t *end, const char *stream, uint64_t record_cnt,
                       void (*begin)(void)) {
  static uint8_t frame[WS_HEAD_BYTES + FRAME_BYTES];
  size_t         bytes = FRAME_BYTES + (!strcmp(end->type, "websocket") ? WS_HEAD_BYTES : 0);
  (void)stream;
  begin();
  for (uint64_t i = 0; i < frame_cnt(record_cnt); i++) {
    memset(frame, (int)i, bytes); /* a record is written once, as a sink writes it */
    put_all(end->fd, frame, bytes);
  }
}

static void run_file(sink_end_t *end, const char *stream, uint64_t record_cnt,
                     void (*begin)(void)) {
  static uint8_t block[PIPELINE * sizeof(tf_decision_t)];
  int            fd = open(end->url, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  (void)stream;
  must(fd >= 0, end->url);
  begin();
  for (uint64_t i = 0; i < frame_cnt(record_cnt); i++) {
    memset(block, (int)i, sizeof block);
    put_all(fd, block, sizeof block);
  }
  close(fd);
}

static size_t one_line(char *line) { return tf_decision_json_write(&decision, NULL, line); }

static uint64_t line_bytes(uint64_t record_cnt) {
  char line[TF_DECISION_JSON_BYTES_MAX];
  return record_cnt * one_line(line);
}

/* Lines that were encoded beforehand, as many a write as the sink's buffer holds. */
static void run_lines(sink_end_t *end, const char *stream, uint64_t record_cnt,
                      void (*begin)(void)) {
  static char lines[LINES_BYTES + TF_DECISION_JSON_BYTES_MAX];
  size_t      bytes = one_line(lines), cnt = LINES_BYTES / bytes;
  (void)stream;
  for (size_t i = 1; i < cnt; i++) memcpy(lines + i * bytes, lines, bytes);
  begin();
  for (uint64_t left = record_cnt; left > 0; left -= cnt) {
    if (left < cnt) cnt = left;
    put_all(end->fd, lines, cnt * bytes);
  }
}

static uint64_t datagram_bytes(uint64_t record_cnt) {
  return (record_cnt + DATAGRAM_CNT - 1) / DATAGRAM_CNT * DATAGRAM_BYTES;
}

static void run_datagrams(sink_end_t *end, const char *stream, uint64_t record_cnt,
                          void (*begin)(void)) {
  static uint8_t datagrams[DATAGRAMS][DATAGRAM_BYTES];
  struct iovec   parts[DATAGRAMS];
  struct mmsghdr messages[DATAGRAMS] = {0};
  uint64_t       left                = datagram_bytes(record_cnt) / DATAGRAM_BYTES;
  (void)stream;
  for (uint32_t i = 0; i < DATAGRAMS; i++) {
    parts[i]                       = (struct iovec){datagrams[i], DATAGRAM_BYTES};
    messages[i].msg_hdr.msg_iov    = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  begin();
  while (left > 0) {
    int n = sendmmsg(end->fd, messages, left < DATAGRAMS ? (uint32_t)left : DATAGRAMS, 0);
    must(n > 0, "sendmmsg");
    left -= (uint64_t)n;
  }
}

static void run_posts(sink_end_t *end, const char *stream, uint64_t record_cnt,
                      void (*begin)(void)) {
  static uint8_t     request[256 + POST_CNT * sizeof(tf_decision_t)];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)end->port)};
  int                fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  char               answer[256];
  (void)stream;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(connect(fd, (struct sockaddr *)&at, sizeof at) == 0, "connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  begin();
  for (uint64_t left = record_cnt; left > 0;) {
    uint64_t cnt   = left < POST_CNT ? left : POST_CNT;
    size_t   bytes = cnt * sizeof(tf_decision_t);
    int      head  = snprintf((char *)request, 256, POST_HEAD, bytes);
    memset(request + head, (int)cnt, bytes);
    put_all(fd, request, (size_t)head + bytes);
    must(recv(fd, answer, sizeof answer, 0) > 12 && !memcmp(answer, "HTTP/1.1 204", 12), "204");
    left -= cnt;
  }
  close(fd);
}

/* ---- brokers, by their clients' own loops ---- */

static void check(natsStatus status, const char *what) {
  if (status != NATS_OK) sink_end_die(what, natsStatus_GetText(status));
}

/* The sink's message: its id, the one before it, who writes, what it is. */
static natsStatus publish(jsCtx *js, const char *stream, const tf_decision_t *d) {
  natsMsg     *msg;
  jsPubOptions options;
  char         subject[64], id[64], before[64];
  snprintf(subject, sizeof subject, "%s" SUBJECT_REST, stream);
  snprintf(id, sizeof id, "%s-%llu", stream, (unsigned long long)d->decision_seq);
  snprintf(before, sizeof before, "%s-%llu", stream, (unsigned long long)d->decision_seq - 1);
  natsStatus status = natsMsg_Create(&msg, subject, NULL, (const char *)d, sizeof *d);
  if (status == NATS_OK) status = natsMsgHeader_Set(msg, "Tf-Writer", WRITER);
  if (status == NATS_OK) status = natsMsgHeader_Set(msg, "Content-Type", CONTENT_TYPE);
  if (status == NATS_OK) status = jsPubOptions_Init(&options);
  options.MsgId = id;
  if (d->decision_seq > 1) options.ExpectLastMsgId = before;
  return status == NATS_OK ? js_PublishMsgAsync(js, &msg, &options) : status;
}

static void run_libnats(sink_end_t *end, const char *stream, uint64_t record_cnt,
                        void (*begin)(void)) {
  natsConnection *nc;
  jsCtx          *js;
  jsStreamConfig  config;
  tf_decision_t   d = decision;
  char            subjects[64];
  const char     *subject = subjects;
  snprintf(subjects, sizeof subjects, "%s.>", stream);
  check(natsConnection_ConnectTo(&nc, end->url), "connect");
  check(natsConnection_JetStream(&js, nc, NULL), "JetStream");
  check(jsStreamConfig_Init(&config), "stream");
  config.Name        = stream;
  config.Subjects    = &subject;
  config.SubjectsLen = 1;
  check(js_AddStream(NULL, js, &config, NULL, NULL), "stream");
  begin();
  for (d.decision_seq = 1; d.decision_seq <= record_cnt; d.decision_seq++)
    check(publish(js, stream, &d), "publish");
  check(js_PublishAsyncComplete(js, NULL), "acknowledgements");
  jsCtx_Destroy(js);
  natsConnection_Destroy(nc);
}

static void run_hiredis(sink_end_t *end, const char *stream, uint64_t record_cnt,
                        void (*begin)(void)) {
  redisContext *c = redisConnect("127.0.0.1", end->port);
  tf_decision_t d = decision;
  must(c && !c->err, "hiredis");
  begin();
  for (uint64_t seq = 1; seq <= record_cnt;) {
    uint32_t n = 0;
    for (; n < PIPELINE && seq <= record_cnt; n++, seq++) {
      d.decision_seq = seq;
      redisAppendCommand(c, "XADD %s %llu-0 record %b writer " WRITER, stream,
                         (unsigned long long)seq, &d, sizeof d);
    }
    while (n--) {
      redisReply *reply = NULL;
      must(redisGetReply(c, (void **)&reply) == REDIS_OK && reply->type == REDIS_REPLY_STRING,
           "XADD");
      freeReplyObject(reply);
    }
  }
  redisFree(c);
}

static void count_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  if (message->err) sink_end_die("kafka", rd_kafka_err2str(message->err));
  ++*(uint64_t *)opaque;
}

/* The sink's message: its key, its headers. False: there is no room now. */
static bool produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, const char *stream,
                    const tf_decision_t *d) {
  char               key[64], subject[64];
  int                key_cnt = snprintf(key, sizeof key, "%s-", stream), seq_at = key_cnt;
  unsigned long long seq         = d->decision_seq;
  int                subject_cnt = snprintf(subject, sizeof subject, "%s" SUBJECT_REST, stream);
  key_cnt += snprintf(key + seq_at, sizeof key - (size_t)seq_at, "%llu", seq);
  const rd_kafka_vu_t parts[] = {
      {RD_KAFKA_VTYPE_RKT,       .u.rkt = topic                                        },
      {RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0                                            },
      {RD_KAFKA_VTYPE_MSGFLAGS,  .u.i = RD_KAFKA_MSG_F_COPY                            },
      {RD_KAFKA_VTYPE_KEY,       .u.mem = {key, (size_t)key_cnt}                       },
      {RD_KAFKA_VTYPE_VALUE,     .u.mem = {(void *)(uintptr_t)d, sizeof *d}            },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"tf-seq", key + seq_at, key_cnt - seq_at}},
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"tf-subject", subject, subject_cnt}      },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"content-type", CONTENT_TYPE, -1}        },
  };
  rd_kafka_error_t *refused = rd_kafka_produceva(rk, parts, TF_ARRAY_CNT(parts));
  if (refused) rd_kafka_error_destroy(refused);
  return !refused;
}

static void run_librdkafka(sink_end_t *end, const char *stream, uint64_t record_cnt,
                           void (*begin)(void)) {
  char             why[256];
  uint64_t         delivered = 0;
  tf_decision_t    d         = decision;
  rd_kafka_conf_t *conf      = rd_kafka_conf_new();
  rd_kafka_conf_set_dr_msg_cb(conf, count_delivered);
  rd_kafka_conf_set_opaque(conf, &delivered);
  rd_kafka_conf_set_log_cb(conf, NULL);
  must(!rd_kafka_conf_set(conf, "bootstrap.servers", end->url + strlen("kafka://"), why,
                          sizeof why) &&
           !rd_kafka_conf_set(conf, "enable.idempotence", "true", why, sizeof why) &&
           !rd_kafka_conf_set(conf, "linger.ms", "0", why, sizeof why),
       "librdkafka");
  rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  if (!rk) sink_end_die("librdkafka", why);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, stream, NULL);
  begin();
  for (d.decision_seq = 1; d.decision_seq <= record_cnt;) {
    bool is_taken = produce(rk, topic, stream, &d);
    if (!is_taken || d.decision_seq % PIPELINE == 0) rd_kafka_poll(rk, is_taken ? 0 : 1);
    d.decision_seq += is_taken;
  }
  while (delivered < record_cnt) rd_kafka_poll(rk, 10);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
}

static const sink_peer_t peers[] = {
    {"http",      "POST and recv, 256 records",     false, run_posts,      NULL          },
    {"journal",   "write(), 8 KiB",                 false, run_file,       NULL          },
    {"kafka",     "librdkafka, idempotent",         false, run_librdkafka, NULL          },
    {"nats",      "js_PublishMsgAsync, chained",    false, run_libnats,    NULL          },
    {"redis",     "hiredis, XADD 64 at a time",     false, run_hiredis,    NULL          },
    {"stdout",    "write() of ready lines, 64 KiB", true,  run_lines,      line_bytes    },
    {"tcp",       "write(), 64 records a frame",    true,  run_frames,     frame_bytes   },
    {"udp",       "sendmmsg, 64 datagrams",         true,  run_datagrams,  datagram_bytes},
    {"unix",      "write(), 64 records a frame",    true,  run_frames,     frame_bytes   },
    {"websocket", "write() of ready frames",        true,  run_frames,     message_bytes },
};

const sink_peer_t *sink_peer_of(const char *type) {
  for (uint32_t i = 0; i < TF_ARRAY_CNT(peers); i++)
    if (!strcmp(peers[i].type, type)) return &peers[i];
  return NULL;
}
