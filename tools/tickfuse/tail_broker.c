#include "tail_broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "source/registry.h"

#define URL_BYTES         1024u
#define STREAM_BYTES      256u
#define MESSAGE_BYTES_MAX (1u << 20)
#define NAP_NS            (200 * TF_NS_PER_US)

struct tf_tail_broker {
  const tf_intake_t *intake;
  void              *state, *memory;
  tf_inbox_t        *inbox;
  bool               holds; /* a message that was handed out lies in the inbox still */
  char               url[URL_BYTES], stream[STREAM_BYTES];
};

static const struct {
  const char *scheme, *intake;
} schemes[] = {
    {"nats://",   "nats" },
    {"tls://",    "nats" }, /* with a stream behind it; without one it is a listener */
    {"kafka://",  "kafka"},
    {"kafkas://", "kafka"},
    {"redis://",  "redis"}
};

/* Behind the servers: "/STREAM"; NULL: there is none. */
static const char *path_of(const char *url) {
  const char *at = url;
  for (const char *next; (next = strstr(at, "://"));) at = next + 3;
  at = strchr(at, '/');
  return at && at[1] ? at : NULL;
}

static const char *intake_name(const char *url) {
  for (size_t i = 0; i < TF_ARRAY_CNT(schemes); i++)
    if (strncmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) == 0) return schemes[i].intake;
  return NULL;
}

bool tf_tail_broker_is(const char *url) {
  bool is_tls = strncmp(url, "tls://", 6) == 0;
  return intake_name(url) && (!is_tls || path_of(url));
}

static const tf_intake_t *find(const char *name) {
  for (uint32_t i = 0; i < tf_intake_cnt; i++)
    if (strcmp(tf_intakes[i]->name, name) == 0) return tf_intakes[i];
  return NULL;
}

/* Cuts "SERVERS/STREAM[/PARTITION]"; what a partition is the intake knows from its url. */
static tf_err_t split(tf_tail_broker_t *b, const char *url) {
  const char *path = path_of(url);
  if (!path || strlen(url) >= URL_BYTES)
    return TF_ERR(E_SOURCE_CONFIG, "\"%.200s\": no stream behind the servers: %.*sHOST:PORT/STREAM",
                  url, (int)(strstr(url, "://") + 3 - url), url);
  size_t stream_cnt = strcspn(path + 1, "/");
  if (stream_cnt == 0 || stream_cnt >= STREAM_BYTES)
    return TF_ERR(E_SOURCE_CONFIG, "\"%.200s\": a stream's name has 1 to %u characters", url,
                  STREAM_BYTES - 1);
  memcpy(b->stream, path + 1, stream_cnt);
  snprintf(b->url, sizeof b->url, "%.*s%s", (int)(path - url), url, path + 1 + stream_cnt);
  return TF_OK;
}

static tf_err_t start(tf_tail_broker_t *b, const tf_intake_config_t *config) {
  uint64_t    capacity = tf_inbox_capacity_for(config->message_bytes_max);
  const char *key;
  tf_err_t    err = b->intake->check(config, &key);
  if (err) return err;
  b->memory = aligned_alloc(TF_LINE_PAIR_BYTES, tf_inbox_bytes(capacity));
  b->state  = calloc(1, b->intake->state_bytes(config));
  if (!b->memory || !b->state) return TF_ERR(E_CORE_NO_MEMORY, "for what a broker sends");
  b->inbox = tf_inbox_init(b->memory, capacity);
  return b->intake->open(b->state, config, b->inbox);
}

static void free_all(tf_tail_broker_t *b) {
  free(b->state);
  free(b->memory);
  free(b);
}

/* The position that reading begins behind. Kafka's is the offset that is wanted next. */
static uint64_t before(const tf_tail_broker_t *b, uint64_t first) {
  return strcmp(b->intake->name, "kafka") == 0 ? first : first - 1;
}

tf_err_t tf_tail_broker_open(const char *url, bool oldest, uint64_t first, const char *token_file,
                             const char *ca_file, tf_tail_broker_t **broker) {
  tf_tail_broker_t *b = calloc(1, sizeof *b);
  if (!b) return TF_ERR(E_CORE_NO_MEMORY, "for a broker's reader");
  tf_err_t err = split(b, url);
  b->intake    = find(intake_name(url));
  if (!err && !b->intake) err = TF_ERR(E_SOURCE_CONFIG, "this build reads no %s", intake_name(url));
  if (!err)
    err = start(b, &(tf_intake_config_t){.name              = "tail",
                                         .url               = b->url,
                                         .stream            = b->stream,
                                         .start             = first    ? TF_INTAKE_BEHIND
                                                              : oldest ? TF_INTAKE_ALL
                                                                       : TF_INTAKE_NEW,
                                         .start_position    = first ? before(b, first) : 0,
                                         .message_bytes_max = MESSAGE_BYTES_MAX,
                                         .token_file        = token_file,
                                         .ca_file           = ca_file});
  if (err)
    free_all(b);
  else
    *broker = b;
  return err;
}

void tf_tail_broker_close(tf_tail_broker_t *b) {
  b->intake->close(b->state);
  free_all(b);
}

bool tf_tail_broker_next(tf_tail_broker_t *b, uint64_t wait_ns, tf_tail_message_t *message) {
  tf_inbox_message_t m;
  if (b->holds) tf_inbox_drop(b->inbox);
  b->holds = tf_inbox_peek(b->inbox, &m);
  for (uint64_t waited_ns = 0; !b->holds && waited_ns < wait_ns; waited_ns += NAP_NS) {
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    b->holds = tf_inbox_peek(b->inbox, &m);
  }
  if (b->holds)
    *message = (tf_tail_message_t){.position  = m.position,
                                   .subject   = m.target,
                                   .bytes     = m.bytes,
                                   .bytes_cnt = m.bytes_cnt,
                                   .is_text   = m.kind == TF_FRAME_TEXT};
  return b->holds;
}

void tf_tail_broker_counts(const tf_tail_broker_t *b, tf_tail_counts_t *counts) {
  tf_intake_counts_t c;
  b->intake->counts(b->state, &c);
  *counts = (tf_tail_counts_t){.gaps = c.gaps, .refused = c.refused, .errors = c.errors};
}
