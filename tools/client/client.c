#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/error.h"
#include "tf/reader.h" /* tf_stream_clock_ns */

/* A source that is polled: so often without a pause (some 5 us), then with one that doubles. */
#define SPINS        256u
#define PAUSE_NS_MIN (50 * TF_NS_PER_US)
#define PAUSE_NS_MAX TF_NS_PER_MS

/* What options had in version 1.0: a smaller struct_bytes is no struct of ours. */
#define OPTIONS_BYTES_MIN 64u

static const tf_client_source_t *const sources[] = {
    &tf_client_source_shm, &tf_client_source_journal, &tf_client_source_unix,
    &tf_client_source_tcp, &tf_client_source_tls,     &tf_client_source_udp,
    &tf_client_source_ws,  &tf_client_source_wss};

static tf_client_kind_t next_of(tf_client_t *client, tf_client_message_t *message) {
  if (TF_UNLIKELY(client->is_ended))
    return tf_client_say(client, message, TF_CLIENT_END, client->end_reason, 0);
  tf_client_kind_t kind = client->source->next(client, message);
  message->kind         = kind;
  return kind;
}

tf_client_kind_t tf_client_next(tf_client_t *client, tf_client_message_t *message) {
  if (TF_LIKELY(!client->has_stash)) return next_of(client, message);
  client->has_stash = false;
  *message          = client->stash;
  return (tf_client_kind_t)message->kind;
}

uint32_t tf_client_read(tf_client_t *client, void *records, uint32_t record_bytes,
                        uint32_t record_cap, tf_client_message_t *message) {
  uint8_t *target = records;
  uint32_t cnt    = 0;
  message->kind   = TF_CLIENT_IDLE;
  while (cnt < record_cap && tf_client_next(client, message) == TF_CLIENT_RECORD) {
    TF_ASSERT(record_bytes == message->record_bytes);
    memcpy(target + (size_t)cnt * record_bytes, message->record, record_bytes);
    cnt++;
  }
  return cnt;
}

/* ---- waiting ---- */

/* Returns when a look is worth while, at deadline_ns at the latest. */
static void pause_until(const tf_client_t *client, uint64_t deadline_ns, uint32_t look_cnt,
                        uint64_t *pause_ns) {
  uint64_t now_ns = tf_stream_clock_ns();
  if (now_ns >= deadline_ns) return;
  uint64_t left_ns = deadline_ns - now_ns;
  if (!client->source->is_polled) {
    struct pollfd   waits = {.fd = client->poll_fd, .events = POLLIN};
    struct timespec left  = {.tv_sec  = (time_t)(left_ns / TF_NS_PER_SEC),
                             .tv_nsec = (long)(left_ns % TF_NS_PER_SEC)};
    ppoll(&waits, 1, deadline_ns == UINT64_MAX ? NULL : &left, NULL);
  } else if (look_cnt < SPINS) {
    tf_spin_pause();
  } else {
    uint64_t ns = *pause_ns < left_ns ? *pause_ns : left_ns;
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
    if (*pause_ns < PAUSE_NS_MAX) *pause_ns *= 2;
  }
}

bool tf_client_wait(tf_client_t *client, uint64_t timeout_ns) {
  uint64_t deadline_ns, pause_ns = PAUSE_NS_MIN;
  if (__builtin_add_overflow(tf_stream_clock_ns(), timeout_ns, &deadline_ns))
    deadline_ns = UINT64_MAX;
  for (uint32_t look_cnt = 0; !client->has_stash; look_cnt++) {
    client->has_stash = next_of(client, &client->stash) != TF_CLIENT_IDLE;
    if (client->has_stash || tf_stream_clock_ns() >= deadline_ns) break;
    pause_until(client, deadline_ns, look_cnt, &pause_ns);
  }
  return client->has_stash;
}

int tf_client_fd(const tf_client_t *client) {
  return client->source->is_polled ? -1 : client->poll_fd;
}

/* ---- messages ---- */

tf_client_kind_t tf_client_say(tf_client_t *client, tf_client_message_t *message,
                               tf_client_kind_t kind, uint32_t reason, uint64_t seq) {
  *message = (tf_client_message_t){.kind    = kind,
                                   .reason  = reason,
                                   .seq     = seq,
                                   .carries = client->carries,
                                   .epoch   = client->epoch};
  client->counts.heartbeats += kind == TF_CLIENT_HEARTBEAT;
  client->counts.ups += kind == TF_CLIENT_UP;
  client->counts.downs += kind == TF_CLIENT_DOWN;
  if (kind == TF_CLIENT_END) {
    client->is_ended   = true;
    client->end_reason = reason;
  }
  return kind;
}

tf_client_kind_t tf_client_say_lost(tf_client_t *client, tf_client_message_t *message,
                                    uint32_t reason, uint64_t from, uint64_t to, uint64_t cnt) {
  tf_client_say(client, message, TF_CLIENT_LOST, reason, 0);
  message->lost_from = from;
  message->lost_to   = to;
  message->lost_cnt  = cnt;
  client->counts.losses++;
  client->counts.lost += cnt;
  return TF_CLIENT_LOST;
}

void tf_client_set_error(tf_client_t *client, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(client->error, sizeof client->error, fmt, args);
  va_end(args);
}

/* ---- what is known ---- */

uint32_t tf_client_version(void) { return TF_CLIENT_VERSION; }

void tf_client_counts(const tf_client_t *client, tf_client_counts_t *counts) {
  *counts = client->counts;
}

const char *tf_client_error(const tf_client_t *client) { return client->error; }

uint32_t tf_client_record_bytes(const tf_client_t *client) { return client->record_bytes; }

const char *tf_client_reason_text(uint32_t reason) {
  switch (reason) {
  case TF_CLIENT_REASON_NONE: return "none";
  case TF_CLIENT_REASON_DROPPED: return "dropped by the queue's policy";
  case TF_CLIENT_REASON_HISTORY: return "older than what can be had";
  case TF_CLIENT_REASON_CLOSED: return "closed in order";
  case TF_CLIENT_REASON_SLOW: return "too slow for the listener";
  case TF_CLIENT_REASON_TOKEN: return "wrong or missing token";
  case TF_CLIENT_REASON_PROTOCOL: return "not this protocol";
  case TF_CLIENT_REASON_FULL: return "the listener has all the clients that it takes";
  case TF_CLIENT_REASON_TIMEOUT: return "no answer in time";
  case TF_CLIENT_REASON_OVERRUN: return "fell behind: overwritten";
  case TF_CLIENT_REASON_MISSING: return "skipped by the source";
  case TF_CLIENT_REASON_DAMAGED: return "damaged in the file";
  case TF_CLIENT_REASON_RESTARTED: return "the sequence begins anew";
  case TF_CLIENT_REASON_DISCONNECTED: return "disconnected";
  case TF_CLIENT_REASON_SILENT: return "no sign of life";
  case TF_CLIENT_REASON_FILE_END: return "end of the file";
  case TF_CLIENT_REASON_ABSENT: return "not there";
  default: return "unknown";
  }
}

static void put_text(char *to, size_t to_bytes, const char *text, size_t text_bytes) {
  size_t cnt = strnlen(text, text_bytes);
  if (cnt >= to_bytes) cnt = to_bytes - 1;
  memcpy(to, text, cnt);
  to[cnt] = 0;
}

void tf_client_name_put(tf_client_t *client, uint32_t id, int32_t price_exp, const char *name,
                        size_t name_bytes) {
  if (id >= TF_FRAME_LABEL_ID && id - TF_FRAME_LABEL_ID < TF_LABELS_MAX)
    put_text(client->labels[id - TF_FRAME_LABEL_ID], TF_LABEL_BYTES, name, name_bytes);
  if (id >= TF_CLIENT_INSTRUMENTS_MAX) return;
  tf_client_name_t *row = &client->names[id];
  put_text(row->name, sizeof row->name, name, name_bytes);
  row->price_exp = price_exp;
  if (id >= client->name_cnt) client->name_cnt = id + 1;
}

static const char *name_of(const tf_client_t *client, uint32_t id, int *price_exp) {
  *price_exp = INT8_MIN;
  if (client->source->name) return client->source->name(client, id, price_exp);
  if (id >= client->name_cnt || !client->names[id].name[0]) return NULL;
  *price_exp = client->names[id].price_exp;
  return client->names[id].name;
}

const char *tf_client_instrument_name(const tf_client_t *client, uint32_t id) {
  int price_exp;
  return name_of(client, id, &price_exp);
}

int tf_client_instrument_price_exp(const tf_client_t *client, uint32_t id) {
  int price_exp;
  name_of(client, id, &price_exp);
  return price_exp;
}

const char *tf_client_label(const tf_client_t *client, uint32_t label) {
  return label < TF_LABELS_MAX && client->labels[label][0] ? client->labels[label] : NULL;
}

uint32_t tf_client_instrument_cnt(const tf_client_t *client) {
  int      price_exp;
  uint32_t cnt = client->name_cnt;
  while (client->source->name && client->source->name(client, cnt, &price_exp)) cnt++;
  return cnt;
}

/* ---- open and close ---- */

static const tf_client_source_t *source_of(const char *url) {
  for (size_t i = 0; i < TF_ARRAY_CNT(sources); i++)
    if (strncmp(url, sources[i]->scheme, strlen(sources[i]->scheme)) == 0) return sources[i];
  return NULL;
}

/* Of a later version's struct: what it says beyond ours must be nothing. */
static tf_err_t options_take(tf_client_options_t *options, const tf_client_options_t *given) {
  *options = (tf_client_options_t)TF_CLIENT_OPTIONS;
  if (!given) return TF_OK;
  if (given->struct_bytes < OPTIONS_BYTES_MIN || given->struct_bytes > 4096)
    return TF_ERR(E_CORE_ARGUMENT,
                  "options.struct_bytes is %zu: begin with TF_CLIENT_OPTIONS (%zu bytes)",
                  given->struct_bytes, sizeof *options);
  for (size_t i = sizeof *options; i < given->struct_bytes; i++)
    if (((const uint8_t *)given)[i])
      return TF_ERR(E_CORE_ARGUMENT,
                    "options say what this library, version %d.%d, does not know: take a newer one",
                    TF_CLIENT_VERSION_MAJOR, TF_CLIENT_VERSION_MINOR);
  size_t bytes = given->struct_bytes < sizeof *options ? given->struct_bytes : sizeof *options;
  memcpy(options, given, bytes);
  if (options->carries >= TF_CARRIES_CNT)
    return TF_ERR(E_CORE_ARGUMENT, "options.carries is %u: 0 to %d are allowed", options->carries,
                  TF_CARRIES_CNT - 1);
  return TF_OK;
}

static tf_err_t client_init(tf_client_t *client, const char *url,
                            const tf_client_options_t *options) {
  client->poll_fd = -1;
  tf_err_t err    = options_take(&client->options, options);
  if (err) return err;
  if (!client->options.timeout_ns) client->options.timeout_ns = TF_CLIENT_TIMEOUT_NS_DEFAULT;
  if (strlen(url) >= sizeof client->url)
    return TF_ERR(E_CORE_ARGUMENT, "a URL of %zu bytes: at most %u are allowed", strlen(url),
                  TF_CLIENT_URL_BYTES_MAX - 1);
  memcpy(client->url, url, strlen(url) + 1);
  const tf_client_source_t *source = source_of(url);
  if (!source)
    return TF_ERR(
        E_CORE_ARGUMENT,
        "\"%.100s\": shm:NAME, unix:/PATH, tcp://HOST:PORT, tls://HOST:PORT, "
        "ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, udp://GROUP:PORT and journal:FILE are "
        "known",
        url);
  client->carries = client->options.carries;
  client->names   = calloc(TF_CLIENT_INSTRUMENTS_MAX, sizeof *client->names);
  client->state   = aligned_alloc(64, tf_align_up(source->state_bytes, 64));
  client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (!client->names || !client->state)
    return TF_ERR(E_CORE_NO_MEMORY, "%zu KiB for a handle", source->state_bytes >> 10);
  if (client->poll_fd < 0) return TF_ERR(E_CORE_SYSTEM, "epoll_create1: %s", strerror(errno));
  memset(client->state, 0, source->state_bytes);
  client->source = source;
  return source->open(client, client->url + strlen(source->scheme));
}

/* The first message, which must be UP, unless the source need not be there. */
static tf_err_t client_begin(tf_client_t *client) {
  bool later = client->options.flags & TF_CLIENT_OPEN_LATER;
  if (later) return TF_OK;
  if (!tf_client_wait(client, client->options.timeout_ns + TF_NS_PER_SEC))
    return TF_ERR(E_IO_SYSTEM, "no answer");
  if (client->stash.kind == TF_CLIENT_UP) return TF_OK;
  return TF_ERR(E_IO_SYSTEM, "%s", client->error);
}

tf_client_t *tf_client_open(const char *url, const tf_client_options_t *options, char *error,
                            size_t error_bytes) {
  tf_client_t *client = aligned_alloc(64, tf_align_up(sizeof(tf_client_t), 64));
  tf_err_t     err    = TF_OK;
  if (client) {
    memset(client, 0, sizeof *client);
    err = client_init(client, url, options);
    if (!err) err = client_begin(client);
  }
  if (client && !err) {
    client->options.token_file = client->options.ca_file = client->options.key_file = NULL;
    return client;
  }
  if (error_bytes)
    snprintf(error, error_bytes, "%.200s: %s", url, client ? tf_error_text() : "no memory");
  tf_client_close(client);
  return NULL;
}

void tf_client_close(tf_client_t *client) {
  if (!client) return;
  if (client->source) client->source->close(client);
  if (client->poll_fd >= 0) close(client->poll_fd);
  free(client->names);
  free(client->state);
  free(client);
}
