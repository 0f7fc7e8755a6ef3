/* Events out of a NATS JetStream stream, or out of one partition of it, each message once and in order.
 *
 * A connection asks about the stream, then makes a consumer of its own that begins behind what was seen, and pulls:
 *
 *   IDLE --retry_ns--> DIALING --> ASKING (STREAM.INFO) --> MAKING (CONSUMER.CREATE) --> READING
 *    ^------------------------------- trouble -----------------------------------------------+
 *
 * The consumer acknowledges nothing and keeps nothing: where we are is the stream's sequence number of the newest
 * message in the inbox (position), ours to remember, so a server that forgets its consumers costs nothing. What a
 * message says of itself is checked: the consumer numbers its deliveries without holes (one that is missing was lost
 * on the way), the stream's number rises, the subject is of our partition. Pulls ask for at most PULL_MAX messages
 * ahead; while the inbox is full no more is pulled, nor is the socket read, so what waits here is one message and one
 * read of the socket.
 *
 * Once in a while the stream and the consumer are asked how they stand, in turn: whether anything was removed that was
 * not read yet, how many messages wait, and whether the server still knows of our pulls; an answer that does not come
 * ends the connection. Without a partition the numbers of what comes show what was removed, exactly. A removed
 * message's own partition is not known, so of a partition gaps counts all messages that were removed beyond where the
 * consumer had looked while ours waited: at most so many were ours.
 *
 * A stream that ends before what was seen of it, or was made at another time, was set back: it is read from its
 * beginning, and what a sink of ours had written there before is known by its ids (reading.h). */
#include <string.h>
#include <time.h>

#include "broker/nats_link.h"
#include "broker/nats_look.h"
#include "broker/nats_reply.h"
#include "broker/peer.h"
#include "broker/reach.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "source/reading.h"
#include "tf/io.h"
#include "tf/partition.h"

#define STREAM_CHARS_MAX 64u
#define SUBJECT_BYTES    256u
#define PULL_MAX         1024u /* messages asked for and not here yet */
#define LOOK_NS          (500 * TF_NS_PER_MS)
#define STALE_LOOKS_MAX  4u /* looks at a consumer that says otherwise than we, and nothing comes */
#define WAIT_NS          (50 * TF_NS_PER_MS) /* of one pass; close waits for it */
#define ANSWER_NS_MAX    (15 * TF_NS_PER_SEC)
#define FORGOTTEN_NS                                                                               \
  "60000000000" /* the server drops a consumer that nobody pulls from for so long */

/* A server may be seconds away. */
static const tf_nats_limits_t limits = {
    .connect_ms = 10000, .ping_ms = 10000, .payload_bytes_max = TF_NATS_GUARD_PAYLOAD_BYTES_MAX};

typedef enum phase { PHASE_IDLE, PHASE_DIALING, PHASE_ASKING, PHASE_MAKING, PHASE_READING } phase_t;

typedef struct nats {
  tf_reading_t       reading;
  tf_nats_link_t     link;
  phase_t            phase;
  bool               asks; /* an answer is awaited, until deadline_ns */
  tf_nats_ask_t      ask;
  uint64_t           now_ns, deadline_ns, look_ns;
  bool               has_position, was_missing;
  char               created[40];           /* of the stream that the position is one of */
  char               filter[SUBJECT_BYTES]; /* "": all of the stream */
  char               consumer[TF_NATS_CONSUMER_BYTES];
  uint64_t           consumer_seq; /* of the last delivery */
  uint64_t           seen_seq;     /* of the stream: all up to here was delivered, or is not ours */
  uint32_t           pulled_cnt;   /* asked for and not here yet */
  uint64_t           look_seq;     /* consumer_seq at the last look */
  uint32_t           stale_cnt;
  bool               was_behind; /* when last heard of, messages of ours waited in the stream */
  natsMsg           *held;       /* the inbox had no room for it */
  tf_nats_delivery_t held_as;
  char               reply[TF_NATS_REPLY_BYTES_MAX + TF_BYTES_PAD];
} nats_t;

static const char *stream_of(const nats_t *n) { return n->reading.config.stream; }

static uint64_t position_of(const nats_t *n) { return n->reading.counts.position; }

/* ---- the connection ---- */

static void disconnect(nats_t *n) {
  natsMsg_Destroy(n->held);
  n->held = NULL;
  tf_nats_link_hang_up(&n->link);
  tf_reading_up(&n->reading, false);
  n->phase = PHASE_IDLE;
  n->asks  = false;
}

#define TROUBLE(n, ...)                                                                            \
  do {                                                                                             \
    disconnect(n);                                                                                 \
    tf_reading_trouble(&(n)->reading, (n)->now_ns, __VA_ARGS__);                                   \
  } while (0)

static void request(nats_t *n, const char *subject, const char *inbox, const char *body) {
  char reply[TF_NATS_INBOX_BYTES + 8];
  snprintf(reply, sizeof reply, "%s%s", n->link.inbox, inbox);
  natsStatus status =
      natsConnection_PublishRequest(n->link.nc, subject, reply, body, (int)strlen(body));
  if (status != NATS_OK) TROUBLE(n, "%s: %s", subject, natsStatus_GetText(status));
}

static void ask(nats_t *n, tf_nats_ask_t what, const char *subject, const char *body) {
  n->asks        = true;
  n->ask         = what;
  n->deadline_ns = n->now_ns + ANSWER_NS_MAX;
  request(n, subject, "ask", body);
}

static void ask_stream(nats_t *n) {
  char subject[SUBJECT_BYTES];
  snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", stream_of(n));
  ask(n, TF_NATS_INFO, subject, "");
}

static void ask_consumer(nats_t *n) {
  char subject[SUBJECT_BYTES];
  snprintf(subject, sizeof subject, "$JS.API.CONSUMER.INFO.%s.%s", stream_of(n), n->consumer);
  ask(n, TF_NATS_CONSUMER, subject, "");
}

static void make_consumer(nats_t *n) {
  char subject[SUBJECT_BYTES], body[512 + SUBJECT_BYTES];
  snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s", stream_of(n));
  snprintf(body, sizeof body,
           "{\"stream_name\":\"%s\",\"config\":{\"deliver_policy\":\"by_start_sequence\","
           "\"opt_start_seq\":%llu,\"ack_policy\":\"none\",\"replay_policy\":\"instant\","
           "\"inactive_threshold\":" FORGOTTEN_NS ",\"mem_storage\":true%s%s%s}}",
           stream_of(n), (unsigned long long)n->seen_seq + 1,
           n->filter[0] ? ",\"filter_subject\":\"" : "", n->filter, n->filter[0] ? "\"" : "");
  n->phase = PHASE_MAKING;
  ask(n, TF_NATS_CONSUMER, subject, body);
}

/* ---- where the stream stands ---- */

/* The first time that the stream is seen. */
static void take_start(nats_t *n, const tf_nats_reply_t *info) {
  const tf_intake_config_t *config = &n->reading.config;
  n->has_position                  = true;
  if (config->start == TF_INTAKE_BEHIND)
    n->seen_seq = config->start_position;
  else if (config->start == TF_INTAKE_NEW && !n->was_missing)
    n->seen_seq = info->seq;
  else /* all; or a stream that was made while we waited for it: all of it is new */
    n->seen_seq = info->first_seq ? info->first_seq - 1 : 0;
  tf_reading_moved(&n->reading, n->seen_seq);
}

static void take_set_back(nats_t *n, const tf_nats_reply_t *info) {
  tf_log(TF_LOG_WARN, "feed_stream_set_back",
         "feed=%s type=nats stream=%s position=%llu last_seq=%llu created=\"%s\"",
         n->reading.config.name, stream_of(n), (unsigned long long)position_of(n),
         (unsigned long long)info->seq, info->created);
  tf_reading_trouble(&n->reading, n->now_ns,
                     "stream %s ends at %llu, before what was read of it (%llu), or was made anew: "
                     "it is read from its beginning",
                     stream_of(n), (unsigned long long)info->seq,
                     (unsigned long long)position_of(n));
  n->seen_seq = info->first_seq ? info->first_seq - 1 : 0;
  tf_reading_moved(&n->reading, n->seen_seq);
}

/* Messages that nobody has any more, and that we had not read. */
static void take_removed(nats_t *n, const tf_nats_reply_t *info) {
  if (info->first_seq <= n->seen_seq + 1) return;
  tf_reading_gap(&n->reading, n->seen_seq + 1, info->first_seq - 1);
  n->seen_seq = info->first_seq - 1;
}

static void take_stream(nats_t *n, const tf_nats_reply_t *info) {
  bool is_other = n->created[0] && info->created[0] && strcmp(n->created, info->created) != 0;
  if (n->phase == PHASE_READING) {
    if (is_other || info->seq < n->seen_seq)
      TROUBLE(n, "stream %s was set back or made anew under its consumer", stream_of(n));
    else if (n->filter[0] && n->was_behind)
      take_removed(n, info);
    return;
  }
  if (!n->has_position) take_start(n, info);
  if (is_other || info->seq < n->seen_seq) take_set_back(n, info);
  snprintf(n->created, sizeof n->created, "%s", info->created);
  take_removed(n, info);
  make_consumer(n);
}

static void take_consumer(nats_t *n, const tf_nats_reply_t *reply) {
  if (n->phase == PHASE_MAKING) {
    memcpy(n->consumer, reply->consumer, sizeof n->consumer);
    n->phase        = PHASE_READING;
    n->consumer_seq = n->look_seq = 0;
    n->pulled_cnt = n->stale_cnt = 0;
    n->look_ns                   = n->now_ns + LOOK_NS;
    n->was_behind                = reply->pending > 0;
    tf_reading_lag(&n->reading, reply->pending);
    tf_reading_up(&n->reading, true);
    return;
  }
  /* Deliveries and answers come by different ways through the server: only what lasts is wrong. */
  bool agrees  = reply->consumer_seq == n->consumer_seq && (reply->waiting || n->pulled_cnt == 0);
  n->stale_cnt = agrees || n->look_seq != n->consumer_seq ? 0 : n->stale_cnt + 1;
  n->look_seq  = n->consumer_seq;
  if (n->stale_cnt >= STALE_LOOKS_MAX) {
    TROUBLE(n, "the consumer has delivered %llu messages, %llu came, and it knows of %llu pulls",
            (unsigned long long)reply->consumer_seq, (unsigned long long)n->consumer_seq,
            (unsigned long long)reply->waiting);
    return;
  }
  n->was_behind = reply->pending > 0;
  if (n->filter[0] && reply->consumer_seq == n->consumer_seq && reply->seq > n->seen_seq)
    n->seen_seq = reply->seq; /* what lies before was delivered, or is not ours */
  uint64_t under_way =
      reply->consumer_seq > n->consumer_seq ? reply->consumer_seq - n->consumer_seq : 0;
  tf_reading_lag(&n->reading, reply->pending + under_way);
}

static void take_refusal(nats_t *n, const tf_nats_reply_t *reply) {
  if (n->ask == TF_NATS_INFO && reply->err_code == TF_NATS_STREAM_NOT_FOUND) {
    n->was_missing = !n->has_position;
    TROUBLE(n, "there is no stream %s; it is waited for", stream_of(n));
  } else {
    TROUBLE(n, "JetStream refuses%s%s: %u, %u: %s",
            n->phase == PHASE_MAKING ? " a consumer of " : "",
            n->phase == PHASE_MAKING ? n->filter : "", reply->code, reply->err_code, reply->text);
  }
}

static void take_answer(nats_t *n, const char *bytes, size_t bytes_cnt) {
  tf_nats_reply_t reply;
  if (!n->asks) return; /* of a server that answers what it was not asked */
  n->asks = false;
  if (bytes_cnt <= TF_NATS_REPLY_BYTES_MAX) {
    memcpy(n->reply, bytes, bytes_cnt);
    memset(n->reply + bytes_cnt, 0, TF_BYTES_PAD);
  }
  if (tf_nats_reply_read(n->ask, n->reply, bytes_cnt, &reply) != TF_OK)
    TROUBLE(n, "%s", tf_error_text());
  else if (reply.is_error)
    take_refusal(n, &reply);
  else if (n->ask == TF_NATS_INFO)
    take_stream(n, &reply);
  else
    take_consumer(n, &reply);
}

/* ---- messages ---- */

static void offer(nats_t *n) {
  const char          *id = NULL, *type = NULL;
  uint64_t             record_id = 0;
  tf_reading_message_t message   = {.position  = n->held_as.stream_seq,
                                    .target    = natsMsg_GetSubject(n->held),
                                    .bytes     = natsMsg_GetData(n->held),
                                    .bytes_cnt = (size_t)natsMsg_GetDataLength(n->held)};
  if (natsMsgHeader_Get(n->held, "Nats-Msg-Id", &id) == NATS_OK &&
      tf_nats_reply_seq(id, stream_of(n), &record_id))
    message.record_id = record_id;
  if (natsMsgHeader_Get(n->held, "Content-Type", &type) == NATS_OK) message.content_type = type;
  if (!tf_reading_take(&n->reading, &message, n->now_ns)) return;
  n->seen_seq = message.position;
  tf_reading_lag(&n->reading, n->held_as.pending);
  natsMsg_Destroy(n->held);
  n->held = NULL;
}

/* "EVENTS.events.0003.>": the subject begins as the filter does up to its last dot. */
static bool is_ours(const nats_t *n, const char *subject) {
  size_t chars = strlen(n->filter);
  return chars == 0 || strncmp(subject, n->filter, chars - 1) == 0;
}

/* Takes msg over. */
static void take_delivery(nats_t *n, natsMsg *msg) {
  const char        *reply = natsMsg_GetReply(msg), *subject = natsMsg_GetSubject(msg);
  tf_nats_delivery_t at  = {0};
  const char        *why = NULL;
  if (!reply || !tf_nats_delivery_read(reply, &at))
    why = "a message came that is none of a consumer's";
  else if (at.consumer_seq != n->consumer_seq + 1)
    why = "a delivery was lost on the way";
  else if (at.stream_seq <= n->seen_seq)
    why = "a delivery came out of its order";
  else if (!is_ours(n, subject))
    why = "a message of another subject came";
  if (why) {
    char place[TF_NATS_TEXT_BYTES];
    snprintf(place, sizeof place, "%s: %.80s, number %llu of the stream, %llu of the consumer", why,
             subject, (unsigned long long)at.stream_seq, (unsigned long long)at.consumer_seq);
    natsMsg_Destroy(msg);
    TROUBLE(n, "%s", place);
    return;
  }
  if (!n->filter[0] && at.stream_seq > n->seen_seq + 1)
    tf_reading_gap(&n->reading, n->seen_seq + 1, at.stream_seq - 1);
  n->consumer_seq = at.consumer_seq;
  n->was_behind   = at.pending > 0;
  n->pulled_cnt -= n->pulled_cnt > 0;
  n->held    = msg;
  n->held_as = at;
  offer(n);
}

/* A status in the place of messages: the pull is over. */
static void take_status(nats_t *n, natsMsg *msg) {
  const char *status = NULL, *text = NULL;
  char        why[TF_NATS_TEXT_BYTES];
  (void)natsMsgHeader_Get(msg, "Status", &status);
  (void)natsMsgHeader_Get(msg, "Description", &text);
  snprintf(why, sizeof why, "%.16s %.128s", status ? status : "", text ? text : "");
  natsMsg_Destroy(msg);
  TROUBLE(n, "the consumer ends a pull: %s", why);
}

static void take_message(nats_t *n, natsMsg *msg) {
  const char *subject = natsMsg_GetSubject(msg);
  size_t      chars   = strlen(n->link.inbox);
  bool        is_ask  = strncmp(subject, n->link.inbox, chars) == 0;
  if (!is_ask && n->phase == PHASE_READING) {
    take_delivery(n, msg);
  } else if (is_ask && !strcmp(subject + chars, "pull")) {
    take_status(n, msg);
  } else {
    if (is_ask) take_answer(n, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
  }
}

static void take_messages(nats_t *n) {
  bool no_responders = false;
  while (n->phase >= PHASE_ASKING && !n->held) {
    natsMsg *msg = tf_nats_link_next(&n->link, &no_responders);
    if (no_responders) {
      natsMsg_Destroy(msg);
      TROUBLE(n, "nobody answers for stream %s: is JetStream enabled, and has it a leader?",
              stream_of(n));
    } else if (msg) {
      take_message(n, msg);
    } else {
      break;
    }
  }
}

static void pull(nats_t *n) {
  char subject[SUBJECT_BYTES], body[32];
  if (n->pulled_cnt > PULL_MAX / 2) return;
  snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream_of(n), n->consumer);
  snprintf(body, sizeof body, "{\"batch\":%u}", PULL_MAX - n->pulled_cnt);
  n->pulled_cnt = PULL_MAX;
  request(n, subject, "pull", body);
}

/* ---- the thread ---- */

/* In turn the stream and the consumer. */
static void look(nats_t *n) {
  if (n->asks || n->now_ns < n->look_ns) return;
  n->look_ns = n->now_ns + LOOK_NS;
  if (n->ask == TF_NATS_CONSUMER)
    ask_stream(n);
  else
    ask_consumer(n);
}

/* The inbox is full: nothing is read meanwhile, so no answer can be late either. */
static void retry_held(nats_t *n) {
  offer(n);
  if (!n->held) return;
  (void)tf_peer_wait(-1, false, TF_READING_FULL_NS);
  n->deadline_ns = n->now_ns + ANSWER_NS_MAX;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t wait_ns_of(const nats_t *n) {
  uint64_t until_ns = n->now_ns + WAIT_NS;
  if (n->phase == PHASE_IDLE) until_ns = least(until_ns, n->reading.trouble.retry_ns);
  if (n->phase == PHASE_READING) until_ns = least(until_ns, n->look_ns);
  return until_ns > n->now_ns ? until_ns - n->now_ns : 0;
}

static void pass(nats_t *n) {
  n->now_ns = tf_clock_monotonic_ns();
  if (n->held) retry_held(n);
  if (n->held) return;
  if (n->phase == PHASE_IDLE && n->now_ns >= n->reading.trouble.retry_ns) {
    tf_nats_link_dial(&n->link);
    n->phase = PHASE_DIALING;
  }
  if (n->phase == PHASE_READING) pull(n);
  if (n->phase == PHASE_READING) look(n);
  tf_nats_link_state_t link = tf_nats_link_wait(&n->link, wait_ns_of(n));
  n->now_ns                 = tf_clock_monotonic_ns();
  if (n->phase == PHASE_DIALING && link == TF_NATS_LINK_UP) {
    n->phase = PHASE_ASKING;
    ask_stream(n);
  }
  take_messages(n);
  if (n->phase != PHASE_IDLE && link == TF_NATS_LINK_DOWN) TROUBLE(n, "%s", n->link.text);
  if (n->asks && !n->held && n->now_ns >= n->deadline_ns)
    TROUBLE(n, "JetStream has not answered for %llu s",
            (unsigned long long)(ANSWER_NS_MAX / TF_NS_PER_SEC));
}

static void *run(void *self) {
  nats_t *n = self;
  char    name[16];
  snprintf(name, sizeof name, "tf:%.12s", n->reading.config.name);
  tf_cpu_pin(-1, name);
  while (!tf_reading_stops(&n->reading)) pass(n);
  natsMsg_Destroy(n->held);
  tf_nats_link_fini(&n->link);
  nats_ReleaseThreadMemory();
  return NULL;
}

/* ---- open, close ---- */

static bool is_stream_name(const char *text) {
  return strlen(text) <= STREAM_CHARS_MAX &&
         text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")] ==
             0;
}

static tf_err_t check(const tf_intake_config_t *config, const char **key) {
  *key         = "broker";
  tf_err_t err = tf_reading_want(config, *key, config->url, "\"nats://127.0.0.1:4222\"");
  if (err) return err;
  if (strchr(config->url, '@')) /* a password perhaps: not to be quoted */
    return TF_ERR(E_SOURCE_CONFIG, "an address of NATS holds an @: the user goes into user, the "
                                   "password into password_file");
  if (strncmp(config->url, "nats://", 7) != 0 && strncmp(config->url, "tls://", 6) != 0)
    return TF_ERR(E_SOURCE_CONFIG, "found \"%.200s\", expected nats://HOST:PORT or tls://HOST:PORT",
                  config->url);
  err =
      tf_reach_check(&TF_BROKER_OF(config), true, key); /* a ca_file asks for TLS as tls:// does */
  if (err) return err;
  *key = "stream";
  err  = tf_reading_want(config, *key, config->stream, "EVENTS");
  if (err) return err;
  if (!is_stream_name(config->stream))
    return TF_ERR(E_SOURCE_CONFIG,
                  "stream: \"%s\": at most %u letters, digits, _ and - are allowed", config->stream,
                  STREAM_CHARS_MAX);
  return TF_OK;
}

static void filter_of(const tf_intake_config_t *config, char filter[SUBJECT_BYTES]) {
  filter[0] = '\0';
  if (config->partition_cnt)
    snprintf(filter, SUBJECT_BYTES, "%s.events." TF_PARTITION_FORMAT ".>", config->stream,
             config->partition);
}

static void say(const tf_intake_config_t *config, char *text, size_t cap) {
  char filter[SUBJECT_BYTES];
  filter_of(config, filter);
  snprintf(text, cap, "stream %s of %s%s%s", config->stream, config->url,
           filter[0] ? ", its messages to " : "", filter);
}

static size_t state_bytes(const tf_intake_config_t *config) {
  (void)config;
  return sizeof(nats_t);
}

static tf_err_t nats_open(void *state, const tf_intake_config_t *config, tf_inbox_t *inbox) {
  nats_t     *n = state;
  const char *key;
  tf_err_t    err = check(config, &key);
  if (err) return err;
  memset(n, 0, sizeof *n);
  tf_reading_init(&n->reading, "nats", config, inbox);
  filter_of(config, n->filter);
  err = tf_nats_link_init(&n->link, &n->reading.reach);
  tf_nats_link_limit(&n->link, &limits);
  if (!err) err = tf_reading_start(&n->reading, run, n);
  return err ? tf_error_add(err, "feed %s", config->name) : TF_OK;
}

static void nats_close(void *state) { tf_reading_stop(&((nats_t *)state)->reading); }

static void counts(const void *state, tf_intake_counts_t *counts) {
  tf_reading_counts(&((const nats_t *)state)->reading, counts);
}

extern const tf_intake_t tf_intake_nats;
const tf_intake_t        tf_intake_nats = {
           .name = "nats",
           .help = "a stream of NATS JetStream, or a partition of it; url: the servers, stream: "
                          "its name",
           .keys = "broker stream partitions partition start user password_file token_file ca_file "
                          "cert_file tls_key_file",
           .state_bytes = state_bytes,
           .check       = check,
           .open        = nats_open,
           .close       = nats_close,
           .counts      = counts,
           .say         = say,
           .look        = tf_nats_look};
