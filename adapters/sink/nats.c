/* NATS JetStream, each record once and in order whatever breaks. A record is a message of the stream with
 *
 *   Nats-Msg-Id                 STREAM-SEQUENCE: two of one id within the stream's duplicate_window are one
 *   Tf-Writer                   which process wrote it, by a number of chance: an end of the stream that
 *                               another wrote, with numbers that we have on the way, ends the sink. So that it is
 *                               looked at, an id that was taken when we used it first ends the connection, and
 *                               is another's whoever wrote what stands behind it
 *   Nats-Expected-Last-Msg-Id   the id of the record before: the server takes it behind that one only
 *   Nats-Expected-Last-Sequence instead, on the first of a connection: the stream's last sequence as it was
 *                               read just before. The server forgets the last id with its restart, if that
 *                               is older than the window (nats-server 2.9.10; docs/adr/0049)
 *
 * So the messages form a chain: what is sent twice or out of its turn is refused, without regard to any
 * window, and an acknowledgement of one is one of all before it. A connection begins with reading the
 * stream's last message, whose id says where to go on. Any trouble ends the connection.
 *
 * An engine of a group has ids STREAM-SEQUENCE.EPOCH, and begins its epoch by a message of its own to STREAM.epoch, behind the
 * epoch that began last and whatever else is written meanwhile: what a predecessor has on the way expects an id of its own epoch before
 * it, and is refused. Each message carries the epoch, and whoever finds a later one at the tail is fenced off for good (docs/adr/0059).
 *
 * The stream is this sink's alone. Subjects are those of sink/subject.h, for consumers to filter by. The order is the
 * stream's, over all of them. */
#include <string.h>

#include "broker/nats_link.h"
#include "broker/nats_look.h"
#include "broker/nats_reply.h"
#include "broker/text.h"
#include "core/error.h"
#include "sink/broker.h"
#include "sink/encode.h"
#include "sink/subject.h"
#include "tf/io.h"

#define STREAM_CHARS_MAX 64u
#define SUBJECT_BYTES    256u
#define BUFFERED_MAX                                                                               \
  (1 << 20) /* bytes that libnats may hold for the socket before no more is sent */
#define FLIGHT_CNT    TF_EGRESS_WINDOW
#define HEADERS_MAX   5u
#define LINE_BYTES    768u /* HPUB, a subject, a reply's, two numbers */
#define HEADERS_BYTES 1024u

TF_STATIC_ASSERT(TF_SUBJECT_BYTES + TF_NATS_INBOX_BYTES + 24 + 64 <= LINE_BYTES, "a line has room");
TF_STATIC_ASSERT(HEADERS_MAX * 48 + 2 * TF_NATS_ID_BYTES + 128 <= HEADERS_BYTES,
                 "headers have room");

typedef enum phase {
  PHASE_IDLE,    /* until retry_ns */
  PHASE_DIALING, /* libnats connects */
  PHASE_ASKING,  /* about the stream, and its last message */
  PHASE_READY
} phase_t;

/* What an engine of a group asks for once it knows the stream. */
typedef enum step {
  STEP_NONE,
  STEP_EPOCH, /* the epoch that began last */
  STEP_BEGIN, /* our own was sent */
  STEP_RECORD /* the last record */
} step_t;

typedef struct nats {
  tf_broker_t    broker;
  tf_nats_link_t link;
  phase_t        phase;
  tf_nats_ask_t  ask;
  uint64_t       now_ns, deadline_ns; /* of the answer, or of the next acknowledgement */
  uint32_t       connection;
  uint64_t       tail_seq, acked_seq;
  uint64_t       stream_seq; /* of the stream's last message when the tail was read */
  char           writer[TF_BROKER_WRITER_BYTES]; /* ours */
  uint64_t taken_seq; /* of ours, which somebody else had used when we used it first; 0: none */
  bool     is_tail_foreign;
  bool     is_fenced;                /* off: the stream is a later epoch's */
  step_t   step;                     /* of an engine of a group */
  uint64_t sent_seq, again_seq;      /* the highest ever sent, and on earlier connections */
  uint64_t chain_seq;                /* of the record sent last; 0: none on this connection yet */
  uint64_t flight_seqs[FLIGHT_CNT];  /* by token % FLIGHT_CNT */
  uint64_t flight_head, flight_tail; /* tokens: of the next sent, and of the oldest not acked */
  uint8_t *encoded;                  /* one record */
  char     reply[TF_NATS_REPLY_BYTES_MAX + TF_BYTES_PAD];
} nats_t;

/* ---- asking about the stream ---- */

static void disconnect(nats_t *n) {
  if (n->phase == PHASE_READY) n->broker.counts.disconnects++;
  tf_nats_link_hang_up(&n->link);
  n->again_seq   = n->sent_seq;
  n->phase       = PHASE_IDLE;
  n->deadline_ns = UINT64_MAX;
  n->chain_seq   = 0;
  n->step        = STEP_NONE;
  n->flight_tail = n->flight_head; /* in doubt; the next tail settles it */
}

#define TROUBLE(n, ...)                                                                            \
  do {                                                                                             \
    disconnect(n);                                                                                 \
    tf_broker_trouble(&(n)->broker, (n)->now_ns, __VA_ARGS__);                                     \
  } while (0)

static void request(nats_t *n, tf_nats_ask_t ask, const char *body) {
  static const char *const calls[] = {
      [TF_NATS_INFO] = "INFO", [TF_NATS_CREATE] = "CREATE", [TF_NATS_GET] = "MSG.GET"};
  char subject[SUBJECT_BYTES], reply[TF_NATS_INBOX_BYTES + 8];
  snprintf(subject, sizeof subject, "$JS.API.STREAM.%s.%s", calls[ask], n->broker.config->stream);
  snprintf(reply, sizeof reply, "%sask", n->link.inbox);
  n->ask         = ask;
  n->phase       = PHASE_ASKING;
  n->deadline_ns = n->now_ns + TF_BROKER_ANSWER_NS_MAX;
  natsStatus status =
      natsConnection_PublishRequest(n->link.nc, subject, reply, body, (int)strlen(body));
  if (status != NATS_OK) TROUBLE(n, "%s: %s", subject, natsStatus_GetText(status));
}

static void create_stream(nats_t *n) {
  const tf_sink_config_t *config = n->broker.config;
  char                    body[512], keep[24] = "-1";
  if (config->stream_keep)
    snprintf(keep, sizeof keep, "%llu", (unsigned long long)config->stream_keep);
  snprintf(body, sizeof body,
           "{\"name\":\"%s\",\"subjects\":[\"%s.>\"],\"retention\":\"limits\",\"storage\":\"file\","
           "\"discard\":\"old\",\"num_replicas\":1,\"max_consumers\":-1,\"max_bytes\":-1,"
           "\"max_age\":0,\"max_msgs\":%s}",
           config->stream, config->stream, keep);
  request(n, TF_NATS_CREATE, body);
}

static void ready(nats_t *n, uint64_t tail_seq) {
  n->tail_seq = n->acked_seq = tail_seq;
  n->is_tail_foreign         = false;
  n->phase                   = PHASE_READY;
  n->step                    = STEP_NONE;
  n->deadline_ns             = UINT64_MAX;
  n->connection++;
  tf_broker_ready(&n->broker, tail_seq);
}

/* ---- epochs of a group: which has begun, ours begins, the last record ---- */

static void ask_for(nats_t *n, step_t step, const char *subjects) {
  char body[SUBJECT_BYTES];
  snprintf(body, sizeof body, "{\"last_by_subj\":\"%s.%s\"}", n->broker.config->stream, subjects);
  n->step = step;
  request(n, TF_NATS_GET, body);
}

static void ask_for_record(nats_t *n) {
  char subjects[32];
  snprintf(subjects, sizeof subjects, "%s.>", tf_subject_kind(n->broker.config->shape.carries));
  ask_for(n, STEP_RECORD, subjects);
}

static natsStatus set_epoch(const nats_t *n, natsMsg *msg) {
  char number[16];
  if (!n->broker.config->is_fenced) return NATS_OK;
  snprintf(number, sizeof number, "%u", n->broker.config->epoch);
  return natsMsgHeader_Set(msg, TF_NATS_EPOCH, number);
}

static natsStatus send_epoch(nats_t *n, uint64_t last_seq) {
  const tf_sink_config_t *config = n->broker.config;
  char     subject[SUBJECT_BYTES], reply[TF_NATS_INBOX_BYTES + 8], text[TF_NATS_ID_BYTES];
  natsMsg *msg = NULL;
  snprintf(subject, sizeof subject, "%s.epoch", config->stream);
  snprintf(reply, sizeof reply, "%sask", n->link.inbox);
  natsStatus status = natsMsg_Create(&msg, subject, reply, "", 0);
  snprintf(text, sizeof text, "%s-epoch.%u", config->stream, config->epoch);
  if (status == NATS_OK) status = natsMsgHeader_Set(msg, "Nats-Msg-Id", text);
  snprintf(text, sizeof text, "%llu", (unsigned long long)last_seq);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence", text);
  if (status == NATS_OK) status = set_epoch(n, msg);
  if (status == NATS_OK) status = natsConnection_PublishMsg(n->link.nc, msg);
  natsMsg_Destroy(msg);
  return status;
}

/* Behind the epoch that began last, as STREAM.epoch's message number last_seq says; 0: none has. */
static void begin_epoch(nats_t *n, uint64_t last_seq) {
  n->step           = STEP_BEGIN;
  n->ask            = TF_NATS_PUBLISH;
  n->deadline_ns    = n->now_ns + TF_BROKER_ANSWER_NS_MAX;
  natsStatus status = send_epoch(n, last_seq);
  if (status != NATS_OK)
    TROUBLE(n, "%s.epoch: %s", n->broker.config->stream, natsStatus_GetText(status));
}

static void take_step(nats_t *n, const tf_nats_reply_t *reply) {
  const tf_sink_config_t *config  = n->broker.config;
  bool                    is_none = reply->is_error && reply->err_code == TF_NATS_MESSAGE_NOT_FOUND;
  uint64_t                seq     = n->acked_seq;
  if (reply->is_error && !is_none) {
    TROUBLE(n, "JetStream refuses epoch %u: %u, %u: %s", config->epoch, reply->code,
            reply->err_code, reply->text);
  } else if (reply->epoch > config->epoch) {
    disconnect(n);
    n->is_fenced = true;
  } else if (n->step == STEP_EPOCH && reply->epoch < config->epoch) {
    begin_epoch(n, reply->seq);
  } else if (n->step == STEP_BEGIN) {
    n->stream_seq = reply->seq;
    ask_for_record(n);
  } else if (n->step == STEP_EPOCH) {
    ask_for_record(n);
  } else if (is_none || tf_nats_reply_seq(reply->message_id, config->stream, &seq)) {
    ready(n, seq);
  } else {
    TROUBLE(n, "a message of stream %s is not this sink's (Nats-Msg-Id \"%s\")", config->stream,
            reply->message_id);
  }
}

static void ask_for_tail(nats_t *n, const tf_nats_reply_t *info) {
  char body[48];
  if (!info->keeps) {
    TROUBLE(
        n,
        "stream %s drops what its consumers took, and with it what was sent last: its retention "
        "must be \"limits\"",
        n->broker.config->stream);
    return;
  }
  n->stream_seq = info->seq;
  if (n->broker.config->is_fenced) {
    ask_for(n, STEP_EPOCH, "epoch");
    return;
  }
  if (info->seq == 0) {
    ready(n, 0);
    return;
  }
  snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)info->seq);
  request(n, TF_NATS_GET, body);
}

static void take_tail(nats_t *n, const tf_nats_reply_t *reply) {
  const char *stream = n->broker.config->stream;
  uint64_t    seq    = 0;
  if (!tf_nats_reply_seq(reply->message_id, stream, &seq)) {
    TROUBLE(n,
            "the last message of stream %s, number %llu, is not this sink's (Nats-Msg-Id \"%s\"): "
            "give the sink a stream of its own",
            stream, (unsigned long long)n->stream_seq, reply->message_id);
    return;
  }
  ready(n, seq);
  /* The last may be ours again, behind one that is not: the server takes it by the id before it, whose ever that is. */
  n->is_tail_foreign = (n->taken_seq && n->taken_seq <= seq) ||
                       (reply->writer[0] && strcmp(reply->writer, n->writer) != 0);
  n->taken_seq = 0;
}

static void take_refusal(nats_t *n, const tf_nats_reply_t *reply) {
  const tf_sink_config_t *config = n->broker.config;
  if (n->ask == TF_NATS_INFO && reply->err_code == TF_NATS_STREAM_NOT_FOUND) {
    if (config->stream_create)
      create_stream(n);
    else
      TROUBLE(
          n,
          "there is no stream %s: make it with the subjects \"%s.>\", or set stream_create: true",
          config->stream, config->stream);
  } else if (n->ask == TF_NATS_GET && reply->err_code == TF_NATS_MESSAGE_NOT_FOUND) {
    /* Purged, deleted or too old: what was acked stays so, and what a restart needs is elsewhere. */
    ready(n, n->acked_seq);
  } else {
    TROUBLE(n, "JetStream refuses: %u, %u: %s", reply->code, reply->err_code, reply->text);
  }
}

static void take_answer(nats_t *n, const tf_nats_reply_t *reply) {
  if (n->step)
    take_step(n, reply);
  else if (reply->is_error)
    take_refusal(n, reply);
  else if (n->ask == TF_NATS_GET)
    take_tail(n, reply);
  else
    ask_for_tail(n, reply);
}

/* ---- acknowledgements ---- */

static bool is_in_flight(const nats_t *n, uint64_t token) {
  return token - n->flight_tail < n->flight_head - n->flight_tail;
}

/* The token behind the inbox; false: none. */
static bool token_of(const nats_t *n, const char *subject, uint64_t *token) {
  size_t chars = strlen(n->link.inbox);
  char  *end;
  if (strncmp(subject, n->link.inbox, chars) != 0) return false;
  *token = strtoull(subject + chars, &end, 10);
  return end > subject + chars && *end == '\0' && is_in_flight(n, *token);
}

/* All up to it are there. */
static void settle(nats_t *n, uint64_t token) {
  n->acked_seq   = n->flight_seqs[token % FLIGHT_CNT];
  n->flight_tail = token + 1;
  n->deadline_ns =
      n->flight_tail == n->flight_head ? UINT64_MAX : n->now_ns + TF_BROKER_ANSWER_NS_MAX;
  tf_broker_delivered(&n->broker);
}

static void take_ack(nats_t *n, const tf_nats_reply_t *reply, uint64_t token) {
  uint64_t seq = n->flight_seqs[token % FLIGHT_CNT];
  if (reply->is_error) {
    TROUBLE(n, "JetStream refuses %s-%llu: %u, %u: %s", n->broker.config->stream,
            (unsigned long long)seq, reply->code, reply->err_code, reply->text);
    return;
  }
  if (reply->is_duplicate && reply->seq <= n->stream_seq) {
    TROUBLE(n,
            "the id %s-%llu is in the duplicate_window, and its message is in the stream no more "
            "(purged?): it is sent again when the window is over",
            n->broker.config->stream, (unsigned long long)seq);
    return;
  }
  if (reply->is_duplicate && seq > n->again_seq) {
    n->taken_seq = seq;
    TROUBLE(n, "the id %s-%llu was taken when this sink used it first: another process writes here",
            n->broker.config->stream, (unsigned long long)seq);
    return;
  }
  n->broker.counts.already_there += reply->is_duplicate;
  settle(n, token);
}

/* False: it is no answer to that, and the connection has ended. */
static bool read_reply(nats_t *n, tf_nats_ask_t ask, const char *bytes, size_t bytes_cnt,
                       tf_nats_reply_t *reply) {
  if (bytes_cnt <= TF_NATS_REPLY_BYTES_MAX) {
    memcpy(n->reply, bytes, bytes_cnt);
    memset(n->reply + bytes_cnt, 0, TF_BYTES_PAD);
  }
  if (tf_nats_reply_read(ask, n->reply, bytes_cnt, reply) == TF_OK) return true;
  TROUBLE(n, "%s", tf_error_text());
  return false;
}

/* Before libnats, and nearly always of the usual form. */
static void take_acks(nats_t *n) {
  tf_nats_answer_t answer;
  tf_nats_reply_t  reply;
  while (n->phase >= PHASE_ASKING && tf_nats_link_answer(&n->link, &answer)) {
    if (!is_in_flight(n, answer.token)) continue; /* a later one has acked it */
    if (tf_nats_reply_is_ack(answer.bytes, answer.bytes_cnt, n->broker.config->stream))
      settle(n, answer.token);
    else if (read_reply(n, TF_NATS_PUBLISH, answer.bytes, answer.bytes_cnt, &reply))
      take_ack(n, &reply, answer.token);
  }
}

static void take_message(nats_t *n, const char *subject, const char *bytes, size_t bytes_cnt) {
  tf_nats_reply_t reply;
  uint64_t        token  = 0;
  bool            is_ack = token_of(n, subject, &token);
  if (!is_ack && n->phase != PHASE_ASKING) return; /* of a token that a later one has acked */
  if (!read_reply(n, is_ack ? TF_NATS_PUBLISH : n->ask, bytes, bytes_cnt, &reply)) return;
  if (is_ack)
    take_ack(n, &reply, token);
  else
    take_answer(n, &reply);
}

static void take_messages(nats_t *n) {
  bool no_responders = false;
  take_acks(n);
  for (natsMsg *msg; n->phase >= PHASE_ASKING;) {
    msg = tf_nats_link_next(&n->link, &no_responders);
    if (msg && !no_responders)
      take_message(n, natsMsg_GetSubject(msg), natsMsg_GetData(msg),
                   (size_t)natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
    if (no_responders)
      TROUBLE(n, "nobody answers for stream %s: is JetStream enabled, and has the stream a leader?",
              n->broker.config->stream);
    else if (!msg)
      break;
  }
}

/* ---- sending ---- */

typedef struct header {
  const char *name, *value;
  size_t      name_cnt, value_cnt;
} header_t;

/* One record on its way; its bytes are in encoded. */
typedef struct message {
  char     subject[TF_SUBJECT_BYTES], reply[TF_NATS_INBOX_BYTES + TF_TEXT_U64_CHARS];
  char     id[TF_NATS_ID_BYTES], before[TF_NATS_ID_BYTES], epoch[16];
  header_t headers[HEADERS_MAX];
  uint32_t header_cnt;
  size_t   subject_cnt, reply_cnt, bytes;
} message_t;

/* The epoch is part of a group's ids: what a predecessor sends is then no duplicate, which would be acknowledged, and
 * expects an id before it that is not the last. */
static size_t put_id(const nats_t *n, uint64_t seq, char id[TF_NATS_ID_BYTES]) {
  const tf_sink_config_t *config = n->broker.config;
  size_t                  at     = tf_text_put(id, 0, config->stream);
  at                             = tf_text_put_u64(id, tf_text_put(id, at, "-"), seq);
  if (!config->is_fenced) return at;
  return tf_text_put_u64(id, tf_text_put(id, at, "."), config->epoch);
}

static void add_header(message_t *m, const char *name, const char *value, size_t value_cnt) {
  m->headers[m->header_cnt++] = (header_t){name, value, strlen(name), value_cnt};
}

static void message_of(nats_t *n, const tf_out_t *out, message_t *m) {
  const tf_sink_config_t *config = n->broker.config;
  const char             *type   = tf_encode_content_type(config->format);
  m->header_cnt                  = 0;
  m->bytes                       = tf_encode(config, out->record, out->late, n->encoded);
  m->subject_cnt                 = tf_subject(config, out->record, m->subject);
  m->reply_cnt = tf_text_put_u64(m->reply, tf_text_put(m->reply, 0, n->link.inbox), n->flight_head);
  add_header(m, "Nats-Msg-Id", m->id, put_id(n, out->seq, m->id));
  if (n->chain_seq)
    add_header(m, "Nats-Expected-Last-Msg-Id", m->before, put_id(n, n->chain_seq, m->before));
  else
    add_header(m, "Nats-Expected-Last-Sequence", m->before,
               tf_text_put_u64(m->before, 0, n->stream_seq));
  if (config->is_fenced)
    add_header(m, TF_NATS_EPOCH, m->epoch, tf_text_put_u64(m->epoch, 0, config->epoch));
  add_header(m, TF_NATS_WRITER, n->writer, strlen(n->writer));
  add_header(m, "Content-Type", type, strlen(type));
}

static natsStatus publish_by_libnats(nats_t *n, const message_t *m) {
  natsMsg   *msg = NULL;
  natsStatus status =
      natsMsg_Create(&msg, m->subject, m->reply, (const char *)n->encoded, (int)m->bytes);
  for (uint32_t i = 0; i < m->header_cnt && status == NATS_OK; i++)
    status = natsMsgHeader_Set(msg, m->headers[i].name, m->headers[i].value);
  if (status == NATS_OK) status = natsConnection_PublishMsg(n->link.nc, msg);
  natsMsg_Destroy(msg);
  return status;
}

#define HEADERS_BEGIN "NATS/1.0\r\n"

static size_t headers_bytes(const message_t *m) {
  size_t cnt = strlen(HEADERS_BEGIN) + 2;
  for (uint32_t i = 0; i < m->header_cnt; i++)
    cnt += m->headers[i].name_cnt + m->headers[i].value_cnt + 4;
  return cnt;
}

static size_t put_headers(const message_t *m, char *out, size_t at) {
  at = tf_text_put(out, at, HEADERS_BEGIN);
  for (const header_t *h = m->headers; h < m->headers + m->header_cnt; h++) {
    at = tf_text_put(out, tf_text_put_bytes(out, at, h->name, h->name_cnt), ": ");
    at = tf_text_put(out, tf_text_put_bytes(out, at, h->value, h->value_cnt), "\r\n");
  }
  return tf_text_put(out, at, "\r\n");
}

/* HPUB SUBJECT REPLY HEADER-BYTES ALL-BYTES, the headers, the record, where libnats would allocate and copy each header
 * (docs/adr/0061). NATS_INSUFFICIENT_BUFFER: not now. */
static natsStatus publish_by_hand(nats_t *n, const message_t *m) {
  size_t headers = headers_bytes(m), all = headers + m->bytes;
  if ((int64_t)all > natsConnection_GetMaxPayload(n->link.nc)) return NATS_MAX_PAYLOAD;
  char *out = tf_nats_link_room(&n->link, LINE_BYTES + all + 3);
  if (!out) return NATS_INSUFFICIENT_BUFFER;
  size_t at = tf_text_put(out, 0, "HPUB ");
  at        = tf_text_put(out, tf_text_put_bytes(out, at, m->subject, m->subject_cnt), " ");
  at        = tf_text_put(out, tf_text_put_bytes(out, at, m->reply, m->reply_cnt), " ");
  at        = tf_text_put(out, tf_text_put_u64(out, at, headers), " ");
  at        = tf_text_put(out, tf_text_put_u64(out, at, all), "\r\n");
  at        = put_headers(m, out, at);
  at        = tf_text_put_bytes(out, at, n->encoded, m->bytes);
  tf_nats_link_put(&n->link, tf_text_put(out, at, "\r\n"));
  return NATS_OK;
}

/* All of a connection's in the same way: their order is the chain's. */
static natsStatus publish(nats_t *n, const tf_out_t *out) {
  const tf_sink_config_t *config = n->broker.config;
  message_t               m;
  size_t                  most =
      LINE_BYTES + HEADERS_BYTES + tf_encode_bytes_max(&config->shape, config->format) + 3;
  message_of(n, out, &m);
  natsStatus status =
      tf_nats_link_writes(&n->link, most) ? publish_by_hand(n, &m) : publish_by_libnats(n, &m);
  n->broker.counts.bytes += status == NATS_OK ? m.bytes : 0;
  return status;
}

static uint32_t outlet_send(void *state, const tf_out_t *outs, uint32_t n_outs) {
  nats_t  *n    = state;
  uint32_t sent = 0;
  if (n->phase != PHASE_READY || natsConnection_Buffered(n->link.nc) > BUFFERED_MAX) return 0;
  for (; sent < n_outs && n->flight_head - n->flight_tail < FLIGHT_CNT; sent++) {
    natsStatus status = publish(n, &outs[sent]);
    if (status == NATS_INSUFFICIENT_BUFFER) break;
    if (status != NATS_OK) {
      TROUBLE(n, "publishing: %s", natsStatus_GetText(status));
      return sent;
    }
    if (n->flight_head == n->flight_tail) n->deadline_ns = n->now_ns + TF_BROKER_ANSWER_NS_MAX;
    n->flight_seqs[n->flight_head++ % FLIGHT_CNT] = n->chain_seq = outs[sent].seq;
    if (outs[sent].seq > n->sent_seq) n->sent_seq = outs[sent].seq;
  }
  return sent;
}

static void outlet_flush(void *state, uint64_t now_ns) {
  nats_t *n = state;
  n->now_ns = now_ns;
  if (n->phase == PHASE_READY) (void)tf_nats_link_wait(&n->link, 0);
}

static void outlet_poll(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  nats_t *n = state;
  n->now_ns = now_ns;
  if (n->is_fenced) {
    view->phase = TF_OUTLET_FAILED;
    (void)TF_ERR(
        E_SINK_FENCED,
        "stream %s: a later epoch than %u has begun on it: another engine has the partition",
        n->broker.config->stream, n->broker.config->epoch);
    return;
  }
  if (n->phase == PHASE_IDLE && now_ns >= n->broker.trouble.retry_ns) {
    tf_nats_link_dial(&n->link);
    n->phase = PHASE_DIALING;
  }
  uint64_t until_ns = n->phase == PHASE_IDLE ? n->broker.trouble.retry_ns : n->deadline_ns;
  tf_nats_link_state_t link =
      tf_nats_link_wait(&n->link, tf_broker_wait(wait_ns, now_ns, until_ns));
  if (n->phase == PHASE_DIALING && link == TF_NATS_LINK_UP) request(n, TF_NATS_INFO, "");
  take_messages(n);
  if (n->phase != PHASE_IDLE && link == TF_NATS_LINK_DOWN) TROUBLE(n, "%s", n->link.text);
  if (n->phase >= PHASE_ASKING && now_ns >= n->deadline_ns)
    TROUBLE(n, "JetStream has not answered for %llu s",
            (unsigned long long)(TF_BROKER_ANSWER_NS_MAX / TF_NS_PER_SEC));
  view->phase           = n->phase == PHASE_READY  ? TF_OUTLET_READY
                          : n->phase == PHASE_IDLE ? TF_OUTLET_DOWN
                                                   : TF_OUTLET_CONNECTING;
  view->connection      = n->connection;
  view->tail_seq        = n->tail_seq;
  view->is_tail_foreign = n->is_tail_foreign;
  view->acked_seq       = n->acked_seq;
}

static const tf_outlet_counts_t *outlet_counts(const void *state) {
  return &((const nats_t *)state)->broker.counts;
}

/* ---- open, close ---- */

static bool is_stream_name(const char *text) {
  for (; *text; text++)
    if (!(*text >= 'A' && *text <= 'Z') && !(*text >= 'a' && *text <= 'z') &&
        !(*text >= '0' && *text <= '9') && *text != '_' && *text != '-')
      return false;
  return true;
}

static tf_err_t check(const tf_sink_config_t *config) {
  tf_err_t err = tf_broker_want(config, "url", config->url, "url: \"nats://127.0.0.1:4222\"");
  if (!err) err = tf_broker_want(config, "stream", config->stream, "stream: DECISIONS");
  if (err) return err;
  if (strlen(config->stream) > STREAM_CHARS_MAX || !is_stream_name(config->stream))
    return TF_ERR(E_SINK_CONFIG, "stream: \"%s\": at most %u letters, digits, _ and - are allowed",
                  config->stream, STREAM_CHARS_MAX);
  return TF_OK;
}

static size_t outlet_bytes(const tf_sink_config_t *config) {
  return sizeof(nats_t) + tf_encode_bytes_max(&config->shape, config->format);
}

static tf_err_t outlet_open(void *state, const tf_sink_config_t *config) {
  nats_t *n = state;
  memset(n, 0, sizeof *n);
  tf_broker_init(&n->broker, config);
  n->encoded     = (uint8_t *)(n + 1);
  n->deadline_ns = UINT64_MAX;
  tf_err_t err   = tf_broker_writer(config, n->writer);
  if (!err) err = check(config);
  if (!err) err = tf_nats_link_init(&n->link, &n->broker.reach);
  n->link.takes_answers = true;
  return err ? tf_error_add(err, "sink %s", config->name) : TF_OK;
}

static void outlet_close(void *state) {
  nats_t *n = state;
  tf_nats_link_fini(&n->link);
  nats_ReleaseThreadMemory();
}

extern const tf_outlet_t tf_nats_outlet; /* for tests and benches that drive it by themselves */
const tf_outlet_t        tf_nats_outlet = {.state_bytes = outlet_bytes,
                                           .open        = outlet_open,
                                           .poll        = outlet_poll,
                                           .send        = outlet_send,
                                           .flush       = outlet_flush,
                                           .counts      = outlet_counts,
                                           .close       = outlet_close,
                                           .keeps_tail  = true};

TF_EGRESS_SINK(nats, "NATS JetStream, exactly once; url: the servers, stream: its name",
               tf_nats_outlet, TF_BROKER_POLICIES, TF_OVERFLOW_SPILL, TF_BROKER_CARRIES,
               "url stream stream_create stream_keep user password_file token_file ca_file "
               "cert_file tls_key_file spool spool_max batch linger",
               tf_nats_look);
