/* Redis Streams: XADD under ids of our own, SEQUENCE-0, which Redis takes in rising order only. So an entry
 * cannot be there twice, whatever was sent twice, and how long ago.
 *
 * Nor can one be missing: the records of a batch go in one MULTI/EXEC, which Redis does as a whole or
 * not at all (a reply of OOM in its middle ends all of it), and no batch is sent before the one in
 * front of it was answered. A larger batch is what a longer way to Redis asks for.
 *
 * The key is made by the first entry and by no other (NOMKSTREAM, Redis 6.2): a key that went away is found by
 * the next XADD, and told.
 *
 * The tail is XINFO STREAM's last-generated-id, which outlives that consumers delete or trim
 * entries (XREVRANGE's answer does not). Any trouble ends the connection; the next one begins by reading
 * the tail. An entry on top that is not ours, such as one that XADD * made, is refused by name: its id is
 * a time, and would hide all that is to come (docs/adr/0049).
 *
 * Behind the record each entry has a field `writer`: which process wrote it, by a number of chance. An id that was refused, or a
 * connection that was lost, leaves a batch in doubt; what the key then has in its place is asked for (XRANGE), and an entry of
 * another writer's ends the sink: those records are not ours that arrived.
 *
 * hiredis reads the answers (redis_reply.h); the socket is ours: hiredis' own connect resolves names in the
 * caller's time. Names are resolved on a thread made for it, which ends. Plain TCP: Debian 12's hiredis has no TLS. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/redis_look.h"
#include "broker/redis_place.h"
#include "broker/redis_reply.h"
#include "core/error.h"
#include "core/secret.h"
#include "sink/broker.h"
#include "sink/encode.h"
#include "tf/atomic.h"

#define BATCH_MAX      512u
#define BATCH_BYTES    (256u << 10) /* a batch is closed at this length; one record always fits */
#define COMMAND_BYTES  1024u        /* of one XADD without its record: key, id, MAXLEN */
#define GREETING_BYTES (2 * TF_REDIS_SECRET_BYTES + TF_REDIS_KEY_BYTES_MAX + 512u)
#define READ_BYTES     (64u << 10)
#define CONNECT_NS_MAX (2 * TF_NS_PER_SEC)
#define RESOLVE_NS     TF_NS_PER_MS /* how often the resolver is asked whether it is done */
#define MOVED_IN_A_ROW 4u

typedef enum phase {
  PHASE_IDLE,       /* until retry_ns */
  PHASE_RESOLVING,  /* a thread asks for the name's addresses */
  PHASE_CONNECTING, /* the socket's connect is on the way */
  PHASE_GREETING,   /* AUTH, SELECT, XINFO STREAM, XRANGE were sent */
  PHASE_READY
} phase_t;

/* What the next answer is of. */
typedef enum expect { EXPECT_AUTH, EXPECT_SELECT, EXPECT_TAIL, EXPECT_DOUBT, EXPECT_NONE } expect_t;

typedef struct batch {
  uint32_t cnt;     /* records on the way; 0: none */
  uint32_t awaited; /* answers yet to come: 1, or those of MULTI, each XADD and EXEC */
  bool     is_multi;
  uint64_t last_seq;
  char     refusal[TF_REDIS_TEXT_BYTES]; /* the first error among the answers */
} batch_t;

/* A command as far as it is the same for every record. */
typedef struct xadd {
  char   bytes[COMMAND_BYTES];
  size_t cnt;
} xadd_t;

typedef struct redis {
  tf_broker_t       broker;
  tf_redis_place_t  home, place; /* the config's; where the next connection goes (MOVED) */
  uint32_t          moved_cnt;
  phase_t           phase;
  int               fd;
  uint64_t          deadline_ns; /* of what is waited for; UINT64_MAX: of nothing */
  tf_redis_reader_t reader;
  expect_t          expects[EXPECT_NONE];
  uint32_t          expect_cnt, expect_at;
  batch_t           batch;
  uint32_t          connection;
  uint64_t          tail_seq, acked_seq;
  char              writer[TF_BROKER_WRITER_BYTES]; /* ours */
  uint64_t          doubt_from, doubt_to; /* sequences of a batch that was not answered; 0: none */
  bool              is_tail_foreign;

  pthread_t        resolver;
  struct addrinfo *addresses; /* what it found */
  int              resolve_error;
  uint64_t         resolved; /* it sets this last, with release */

  uint32_t batch_max;
  size_t   out_at, out_end, out_cap;
  char    *out;     /* commands not yet written */
  uint8_t *encoded; /* one record */
  bool     has_key; /* it is there: an XADD that finds it gone is to make none */
  xadd_t   xadd_new, xadd;
} redis_t;

/* ---- commands ---- */

static void put(redis_t *r, const void *bytes, size_t cnt) {
  TF_ASSERT(cnt <= r->out_cap - r->out_end);
  memcpy(r->out + r->out_end, bytes, cnt);
  r->out_end += cnt;
}

static size_t bulk_head(char *text, char mark, size_t n) {
  return (size_t)sprintf(text, "%c%zu\r\n", mark, n);
}

static void put_head(redis_t *r, char mark, size_t n) {
  char text[24];
  put(r, text, bulk_head(text, mark, n));
}

static void put_bulk(redis_t *r, const void *bytes, size_t cnt) {
  put_head(r, '$', cnt);
  put(r, bytes, cnt);
  put(r, "\r\n", 2);
}

static void put_command(redis_t *r, uint32_t word_cnt, const char *const *words) {
  put_head(r, '*', word_cnt);
  for (uint32_t i = 0; i < word_cnt; i++) put_bulk(r, words[i], strlen(words[i]));
}

static const char *field_of(tf_sink_format_t format) {
  static const char *const fields[TF_FORMAT_CNT] = {
      [TF_FORMAT_BINARY] = "record", [TF_FORMAT_JSON] = "json", [TF_FORMAT_CBOR] = "cbor"};
  return fields[format];
}

static void put_record(redis_t *r, const tf_out_t *out) {
  const tf_sink_config_t *config = r->broker.config;
  char                    id[32];
  int           id_chars = snprintf(id, sizeof id, "%llu-0", (unsigned long long)out->seq);
  size_t        bytes    = tf_encode(config, out->record, out->late, r->encoded);
  const char   *field    = field_of(config->format);
  const xadd_t *xadd     = r->has_key || r->batch.cnt ? &r->xadd : &r->xadd_new;
  put(r, xadd->bytes, xadd->cnt);
  put_bulk(r, id, (size_t)id_chars);
  put_bulk(r, field, strlen(field));
  put_bulk(r, r->encoded, bytes);
  put_bulk(r, TF_REDIS_WRITER, strlen(TF_REDIS_WRITER));
  put_bulk(r, r->writer, strlen(r->writer));
  r->broker.counts.bytes += bytes;
}

/* "*N XADD key [NOMKSTREAM] [MAXLEN ~ n]": the same before every id. */
static void lay_out(xadd_t *xadd, const tf_sink_config_t *config, bool creates) {
  char        limit[24] = "";
  const char *words[]   = {"XADD", config->stream, "NOMKSTREAM", "MAXLEN", "~", limit};
  uint32_t    skipped   = (creates ? 1u << 2 : 0) | (config->stream_keep ? 0 : 7u << 3);
  size_t      word_cnt  = 5 + TF_ARRAY_CNT(words) - (size_t)__builtin_popcount(skipped);
  snprintf(limit, sizeof limit, "%llu", (unsigned long long)config->stream_keep);
  xadd->cnt = bulk_head(xadd->bytes, '*', word_cnt);
  for (uint32_t i = 0; i < TF_ARRAY_CNT(words); i++)
    if (!(skipped >> i & 1))
      xadd->cnt += (size_t)snprintf(xadd->bytes + xadd->cnt, sizeof xadd->bytes - xadd->cnt,
                                    "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
}

/* ---- one connection ---- */

/* Ends the connection, if there is one; what was on the way is in doubt, and the next tail settles it. */
static void disconnect(redis_t *r) {
  if (r->phase == PHASE_READY) r->broker.counts.disconnects++;
  if (r->batch.cnt) r->doubt_from = r->acked_seq + 1, r->doubt_to = r->batch.last_seq;
  if (r->fd >= 0) close(r->fd);
  tf_secret_wipe(r->out, r->phase == PHASE_GREETING ? r->out_end : 0);
  tf_redis_reply_fini(&r->reader);
  r->fd          = -1;
  r->phase       = PHASE_IDLE;
  r->deadline_ns = UINT64_MAX;
  r->out_at = r->out_end = 0;
  r->expect_cnt = r->expect_at = 0;
  r->batch.cnt                 = 0;
}

#define TROUBLE(r, now_ns, ...)                                                                    \
  do {                                                                                             \
    disconnect(r);                                                                                 \
    tf_broker_trouble(&(r)->broker, (now_ns), __VA_ARGS__);                                        \
  } while (0)

static void *resolve(void *self) {
  redis_t              *r     = self;
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  char                  service[16];
  snprintf(service, sizeof service, "%d", r->place.port);
  r->resolve_error = getaddrinfo(r->place.host, service, &hints, &r->addresses);
  tf_store_release(&r->resolved, 1); /* pairs with: take_address */
  return NULL;
}

static void start_resolving(redis_t *r, uint64_t now_ns) {
  tf_store_release(&r->resolved, 0); /* pairs with: take_address, this same thread */
  int err = pthread_create(&r->resolver, NULL, resolve, r);
  if (err)
    TROUBLE(r, now_ns, "%s: a thread to resolve it: %s", r->place.host, strerror(err));
  else
    r->phase = PHASE_RESOLVING;
}

static void start_connecting(redis_t *r, uint64_t now_ns, const struct addrinfo *at) {
  const int one = 1;
  r->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
  if (r->fd < 0 || (connect(r->fd, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS)) {
    TROUBLE(r, now_ns, "connect %s:%d: %s", r->place.host, r->place.port, strerror(errno));
    return;
  }
  (void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  r->phase       = PHASE_CONNECTING;
  r->deadline_ns = now_ns + CONNECT_NS_MAX;
}

static void take_address(redis_t *r, uint64_t now_ns) {
  if (!tf_load_acquire(&r->resolved)) return; /* pairs with: resolve */
  (void)pthread_join(r->resolver, NULL);
  r->phase = PHASE_IDLE;
  if (r->resolve_error) {
    TROUBLE(r, now_ns, "%s: %s", r->place.host, gai_strerror(r->resolve_error));
    return;
  }
  start_connecting(r, now_ns, r->addresses);
  freeaddrinfo(r->addresses);
}

static void expect(redis_t *r, expect_t what) { r->expects[r->expect_cnt++] = what; }

static tf_err_t put_auth(redis_t *r) {
  const tf_sink_config_t *config = r->broker.config;
  char                    password[TF_REDIS_SECRET_BYTES];
  const char *named[] = {"AUTH", config->user, password}, *unnamed[] = {"AUTH", password};
  tf_err_t    err = tf_secret_read(config->password_file, password, sizeof password);
  if (!err && config->user) put_command(r, 3, named);
  if (!err && !config->user) put_command(r, 2, unnamed);
  tf_secret_wipe(password, sizeof password);
  expect(r, EXPECT_AUTH);
  return err;
}

static void greet(redis_t *r, uint64_t now_ns) {
  int       refused = 0;
  socklen_t bytes   = sizeof refused;
  if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &refused, &bytes) != 0) refused = errno;
  if (refused) {
    TROUBLE(r, now_ns, "connect %s:%d: %s", r->place.host, r->place.port, strerror(refused));
    return;
  }
  if (tf_peer_is_self(r->fd)) {
    TROUBLE(r, now_ns, "%s:%d: nobody listens there: the connection was to itself", r->place.host,
            r->place.port);
    return;
  }
  char        number[16];
  const char *select[] = {"SELECT", number};
  const char *tail[]   = {"XINFO", "STREAM", r->broker.config->stream};
  snprintf(number, sizeof number, "%d", r->place.db);
  if (tf_redis_reply_init(&r->reader) ||
      (r->broker.config->password_file && put_auth(r) != TF_OK)) {
    TROUBLE(r, now_ns, "%s", tf_error_text());
    return;
  }
  if (r->place.db) {
    put_command(r, 2, select);
    expect(r, EXPECT_SELECT);
  }
  put_command(r, 3, tail);
  expect(r, EXPECT_TAIL);
  if (r->doubt_to) {
    char        from[24], to[24];
    const char *doubt[] = {"XRANGE", r->broker.config->stream, from, to};
    snprintf(from, sizeof from, "%llu", (unsigned long long)r->doubt_from);
    snprintf(to, sizeof to, "%llu", (unsigned long long)r->doubt_to);
    put_command(r, 4, doubt);
    expect(r, EXPECT_DOUBT);
  }
  r->reader.own_writer = r->writer;
  r->is_tail_foreign   = false;
  r->phase             = PHASE_GREETING;
  r->deadline_ns       = now_ns + TF_BROKER_ANSWER_NS_MAX;
}

/* ---- answers ---- */

/* What an operator may do about an error that Redis names. */
static const char *remedy_of(const char *error) {
  static const struct {
    const char *code, *remedy;
  } remedies[] = {
      {"NOAUTH",    "; give password_file, and user if it is not the default one"        },
      {"WRONGPASS", "; is password_file the one of this user?"                           },
      {"NOPERM",    "; its user needs XADD, XINFO, XRANGE, MULTI, EXEC and SELECT"       },
      {"READONLY",  "; this is a replica: name the primary in url"                       },
      {"OOM",       "; Redis' maxmemory is reached: raise it, or set stream_keep"        },
      {"MISCONF",   "; Redis cannot save to its disk"                                    },
      {"WRONGTYPE", "; give the sink a key of its own in stream"                         },
      {"MOVED",     "; more than a few moves in a row: name a node of the cluster in url"},
  };
  for (uint32_t i = 0; i < TF_ARRAY_CNT(remedies); i++)
    if (!strncmp(error, remedies[i].code, strlen(remedies[i].code))) return remedies[i].remedy;
  return "";
}

/* "MOVED 3999 10.0.0.7:6381": the next connection goes there. */
static bool follow(redis_t *r, const char *error) {
  unsigned slot;
  int      at = 0, port;
  if (sscanf(error, "MOVED %u %n", &slot, &at) != 1 || at == 0) return false;
  const char *colon = strrchr(error + at, ':');
  size_t      chars = colon ? (size_t)(colon - (error + at)) : 0;
  if (chars == 0 || chars >= TF_REDIS_HOST_BYTES || sscanf(colon, ":%d", &port) != 1) return false;
  if (port < 1 || port > 65535 || r->moved_cnt == MOVED_IN_A_ROW) return false;
  memcpy(r->place.host, error + at, chars);
  r->place.host[chars] = '\0';
  r->place.port        = port;
  r->moved_cnt++;
  return true;
}

static void refused(redis_t *r, uint64_t now_ns, const char *command, const char *error) {
  char text[TF_REDIS_TEXT_BYTES];
  snprintf(text, sizeof text, "%s", error);
  disconnect(r);
  if (follow(r, text)) {
    r->broker.trouble.retry_ns = now_ns;
    return;
  }
  tf_broker_trouble(&r->broker, now_ns, "%s: %s%s", command, text, remedy_of(text));
  r->place     = r->home;
  r->moved_cnt = 0;
}

static bool is_ours(const char *field) {
  for (int i = 0; i < TF_FORMAT_CNT; i++)
    if (!strcmp(field, field_of((tf_sink_format_t)i))) return true;
  return false;
}

static void become_ready(redis_t *r) {
  r->phase       = PHASE_READY;
  r->deadline_ns = UINT64_MAX;
  r->moved_cnt   = 0;
  r->doubt_from = r->doubt_to = 0;
  r->connection++;
  tf_broker_ready(&r->broker, r->tail_seq);
}

static void take_tail(redis_t *r, uint64_t now_ns, const tf_redis_reply_t *reply) {
  const tf_redis_tail_t *tail = &reply->tail;
  bool is_new = reply->kind == TF_REDIS_ERROR && !strncmp(reply->text, "ERR no such key", 15);
  if (reply->kind == TF_REDIS_ERROR && !is_new) {
    refused(r, now_ns, "XINFO STREAM", reply->text);
    return;
  }
  if (!is_new && (!tail->has_last_id || tail->last_id_bad)) {
    TROUBLE(r, now_ns, "XINFO STREAM: an answer without a last-generated-id");
    return;
  }
  if (tail->last_id_minor || (tail->has_entry && !is_ours(tail->first_field))) {
    TROUBLE(
        r, now_ns,
        "the entry %llu-%llu on top of key \"%s\" is not tickfuse's (its first field is \"%s\"); "
        "give the sink a key of its own in stream, or delete this one",
        (unsigned long long)tail->last_id, (unsigned long long)tail->last_id_minor,
        r->broker.config->stream, tail->first_field);
    return;
  }
  r->tail_seq = r->acked_seq = is_new ? 0 : tail->last_id;
  r->has_key                 = !is_new;
  if (r->doubt_to == 0) become_ready(r);
}

/* Behind the tail: whoever wrote up to there is among these. */
static void take_doubt(redis_t *r, uint64_t now_ns, const tf_redis_reply_t *reply) {
  if (reply->kind == TF_REDIS_ARRAY) {
    r->is_tail_foreign = reply->foreign_cnt > 0;
    become_ready(r);
  } else {
    refused(r, now_ns, "XRANGE",
            reply->kind == TF_REDIS_ERROR ? reply->text : "an answer of another kind");
  }
}

static void take_greeting(redis_t *r, uint64_t now_ns, const tf_redis_reply_t *reply) {
  expect_t what = r->expects[r->expect_at++];
  if (what == EXPECT_TAIL)
    take_tail(r, now_ns, reply);
  else if (what == EXPECT_DOUBT)
    take_doubt(r, now_ns, reply);
  else if (reply->kind != TF_REDIS_STATUS)
    refused(r, now_ns, what == EXPECT_AUTH ? "AUTH" : "SELECT",
            reply->kind == TF_REDIS_ERROR ? reply->text : "an answer of another kind");
}

/* Of a record by itself an id comes; of several OK, QUEUED for each, and EXEC's array of ids. */
static void take_batch(redis_t *r, uint64_t now_ns, const tf_redis_reply_t *reply) {
  batch_t *batch   = &r->batch;
  bool     is_last = --batch->awaited == 0;
  bool     good    = !is_last ? reply->kind == TF_REDIS_STATUS
                     : !batch->is_multi
                         ? reply->kind == TF_REDIS_BULK
                         : reply->kind == TF_REDIS_ARRAY && reply->element_cnt == batch->cnt;
  if ((reply->error_cnt || reply->nil_cnt || !good) && !batch->refusal[0])
    snprintf(batch->refusal, sizeof batch->refusal, "%s",
             reply->error_cnt ? reply->text
             : reply->nil_cnt ? "the key is not there any more"
                              : "an answer of another kind than asked for");
  if (!is_last) return;
  if (batch->refusal[0]) {
    refused(r, now_ns, "XADD", batch->refusal);
    return;
  }
  r->has_key     = true;
  r->acked_seq   = batch->last_seq;
  batch->cnt     = 0;
  r->deadline_ns = UINT64_MAX;
  tf_broker_delivered(&r->broker);
}

static void take_answers(redis_t *r, uint64_t now_ns) {
  tf_redis_reply_t reply;
  int              got = 1;
  while (r->phase >= PHASE_GREETING && (got = tf_redis_reply_next(&r->reader, &reply)) > 0) {
    if (r->expect_at < r->expect_cnt)
      take_greeting(r, now_ns, &reply);
    else if (r->batch.cnt)
      take_batch(r, now_ns, &reply);
    else
      TROUBLE(r, now_ns, "an answer to nothing that was asked");
  }
  if (got < 0) TROUBLE(r, now_ns, "%s", tf_error_text());
}

/* ---- the socket ---- */

static void receive(redis_t *r, uint64_t now_ns) {
  char    bytes[READ_BYTES];
  ssize_t got = recv(r->fd, bytes, sizeof bytes, 0);
  if (got > 0) {
    if (tf_redis_reply_feed(&r->reader, bytes, (size_t)got) != TF_OK)
      TROUBLE(r, now_ns, "%s", tf_error_text());
    else
      take_answers(r, now_ns);
  } else if (got == 0) {
    TROUBLE(r, now_ns, "%s:%d closed the connection", r->place.host, r->place.port);
  } else if (errno != EAGAIN && errno != EINTR) {
    TROUBLE(r, now_ns, "%s:%d: %s", r->place.host, r->place.port, strerror(errno));
  }
}

static void transmit(redis_t *r, uint64_t now_ns) {
  if (r->fd < 0 || r->phase < PHASE_GREETING || r->out_at == r->out_end) return;
  ssize_t sent = send(r->fd, r->out + r->out_at, r->out_end - r->out_at, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    TROUBLE(r, now_ns, "%s:%d: %s", r->place.host, r->place.port, strerror(errno));
    return;
  }
  r->out_at += sent > 0 ? (size_t)sent : 0;
  if (r->out_at < r->out_end) return;
  tf_secret_wipe(r->out, r->phase == PHASE_GREETING ? r->out_end : 0);
  r->out_at = r->out_end = 0;
}

/* For how long there is nothing to do but for the socket. */
static uint64_t idle_ns(const redis_t *r, uint64_t now_ns, uint64_t wait_ns) {
  if (r->phase == PHASE_IDLE) return tf_broker_wait(wait_ns, now_ns, r->broker.trouble.retry_ns);
  if (r->phase == PHASE_RESOLVING && wait_ns > RESOLVE_NS) wait_ns = RESOLVE_NS;
  return tf_broker_wait(wait_ns, now_ns, r->deadline_ns);
}

static void outlet_poll(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  redis_t *r = state;
  if (r->phase == PHASE_IDLE && now_ns >= r->broker.trouble.retry_ns) start_resolving(r, now_ns);
  if (r->phase == PHASE_RESOLVING) take_address(r, now_ns);
  bool  writes = r->phase == PHASE_CONNECTING || r->out_at < r->out_end;
  short events = tf_peer_wait(r->fd, writes, idle_ns(r, now_ns, wait_ns));
  if (r->phase == PHASE_CONNECTING && events) greet(r, now_ns);
  if (r->phase >= PHASE_GREETING && events & (POLLIN | POLLERR | POLLHUP)) receive(r, now_ns);
  transmit(r, now_ns);
  if (r->batch.cnt && r->deadline_ns == UINT64_MAX)
    r->deadline_ns = now_ns + TF_BROKER_ANSWER_NS_MAX;
  if (r->fd >= 0 && now_ns >= r->deadline_ns)
    TROUBLE(r, now_ns, "%s:%d: no answer in time", r->place.host, r->place.port);
  view->phase           = r->phase == PHASE_READY  ? TF_OUTLET_READY
                          : r->phase == PHASE_IDLE ? TF_OUTLET_DOWN
                                                   : TF_OUTLET_CONNECTING;
  view->connection      = r->connection;
  view->tail_seq        = r->tail_seq;
  view->acked_seq       = r->acked_seq;
  view->is_tail_foreign = r->is_tail_foreign;
}

static uint32_t outlet_send(void *state, const tf_out_t *outs, uint32_t n) {
  redis_t                *r      = state;
  const tf_sink_config_t *config = r->broker.config;
  const size_t room = COMMAND_BYTES + tf_encode_bytes_max(&config->shape, config->format);
  static const char *const multi[] = {"MULTI"}, *const exec[] = {"EXEC"};
  if (r->phase != PHASE_READY || r->batch.cnt || n == 0) return 0;
  if (n > r->batch_max) n = r->batch_max;
  r->batch = (batch_t){.is_multi = n > 1};
  if (n > 1) put_command(r, 1, multi);
  while (r->batch.cnt < n && r->out_end + room + COMMAND_BYTES <= r->out_cap) {
    put_record(r, &outs[r->batch.cnt]);
    r->batch.last_seq = outs[r->batch.cnt++].seq;
  }
  if (n > 1) put_command(r, 1, exec);
  r->batch.awaited = n > 1 ? r->batch.cnt + 2 : 1;
  return r->batch.cnt;
}

static void outlet_flush(void *state, uint64_t now_ns) { transmit(state, now_ns); }

static const tf_outlet_counts_t *outlet_counts(const void *state) {
  return &((const redis_t *)state)->broker.counts;
}

static void outlet_close(void *state) {
  redis_t *r = state;
  if (r->phase == PHASE_RESOLVING) {
    (void)pthread_join(r->resolver, NULL);
    if (!r->resolve_error) freeaddrinfo(r->addresses);
  }
  disconnect(r);
}

/* ---- open ---- */

static tf_err_t check(const tf_sink_config_t *config, tf_redis_place_t *home) {
  tf_err_t err = tf_broker_want(config, "url", config->url, "url: \"redis://127.0.0.1:6379\"");
  if (!err) err = tf_broker_want(config, "stream", config->stream, "stream: decisions");
  if (!err) err = tf_redis_place_parse(config->url, home);
  return err ? err : tf_redis_place_check(config->stream, config->user, config->password_file);
}

static size_t encoded_bytes(const tf_sink_config_t *config) {
  return tf_encode_bytes_max(&config->shape, config->format);
}

static size_t out_bytes(const tf_sink_config_t *config) {
  return BATCH_BYTES + GREETING_BYTES + 2 * COMMAND_BYTES + encoded_bytes(config);
}

static size_t outlet_bytes(const tf_sink_config_t *config) {
  return sizeof(redis_t) + out_bytes(config) + encoded_bytes(config);
}

static tf_err_t outlet_open(void *state, const tf_sink_config_t *config) {
  redis_t         *r = state;
  tf_redis_place_t home;
  tf_err_t         err = check(config, &home);
  memset(r, 0, sizeof *r);
  r->fd = -1;
  tf_broker_init(&r->broker, config);
  if (err) return tf_error_add(err, "sink %s", config->name);
  r->home = r->place = home;
  r->batch_max = config->batch_max && config->batch_max < BATCH_MAX ? config->batch_max : BATCH_MAX;
  r->deadline_ns = UINT64_MAX;
  r->out         = (char *)(r + 1);
  r->out_cap     = out_bytes(config);
  r->encoded     = (uint8_t *)r->out + r->out_cap;
  lay_out(&r->xadd_new, config, true);
  lay_out(&r->xadd, config, false);
  return tf_broker_writer(config, r->writer);
}

extern const tf_outlet_t tf_redis_outlet; /* for tests and benches that drive it by themselves */
const tf_outlet_t        tf_redis_outlet = {.state_bytes = outlet_bytes,
                                            .open        = outlet_open,
                                            .poll        = outlet_poll,
                                            .send        = outlet_send,
                                            .flush       = outlet_flush,
                                            .counts      = outlet_counts,
                                            .close       = outlet_close,
                                            .keeps_tail  = true};

TF_EGRESS_SINK(redis, "Redis Streams, exactly once; url: the server, stream: the key",
               tf_redis_outlet, TF_BROKER_POLICIES, TF_OVERFLOW_SPILL, TF_BROKER_CARRIES,
               "url stream stream_keep user password_file ca_file spool spool_max batch linger",
               tf_redis_look);
