/* Records by POST to a URL, in batches, in order, each batch until it is answered: a batch whose answer says 2xx
 * is acked, and only then the next leaves. One connection, kept alive.
 *
 *   POST /target HTTP/1.1
 *   Content-Type: application/x-ndjson            records one behind the other (sink/encode.h)
 *   Idempotency-Key: NAME-FIRST-LAST              sequences; the same when the batch is sent again
 *   Tickfuse-Epoch: 7
 *   Tickfuse-Timestamp: 1786790400                seconds since 1970
 *   Tickfuse-Signature: sha256=HEX                with sign_file: HMAC-SHA-256 under its line, of
 *                                                 TIMESTAMP "." IDEMPOTENCY-KEY "." BODY
 *   Authorization: Bearer TOKEN                   with token_file
 *
 * A receiver gets every record at least once, and once if it keeps the last sequence, or the keys.
 *
 *   answer                         what follows
 *   2xx                            acked
 *   408 425 429 5xx, cut, silence  the same batch again, after a growing wait, or Retry-After if that is longer
 *   413                            again in halves
 *   3xx, other 4xx                 refused: again after REFUSED_NS. Nothing is dropped for it, since what is
 *                                  refused is the endpoint or the key, not one record; what waits meanwhile is
 *                                  the policy's. A redirect is not followed: it would carry the token away.
 *
 * A batch that is sent again ends with the same record (again_seq), so that its key is the same.
 *
 * Egress thread. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/secret.h"
#include "sink/broker.h"
#include "sink/encode.h"
#include "sink/http_link.h"
#include "wire/hmac_sha256.h"
#include "wire/http.h"

#define BATCH_MAX      256u
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define SIGNED_BYTES   256u /* what stands before the body in what is signed */
#define HEAD_BYTES     4096u
#define ANSWER_BYTES   65536u /* of a body that is read to its end; beyond it the connection goes */
#define ANSWER_NS_MAX  (10 * TF_NS_PER_SEC)
#define REFUSED_NS     (30 * TF_NS_PER_SEC)
#define SECRET_BYTES   513u
#define KEY_BYTES      160u

typedef enum phase { PHASE_IDLE, PHASE_DIALING, PHASE_READY } phase_t;
typedef enum reading { READING_NOTHING, READING_HEAD, READING_BODY } reading_t;

typedef struct http {
  tf_broker_t    broker;
  tf_http_link_t link;
  phase_t        phase;
  uint64_t       now_ns, deadline_ns;
  uint32_t       connection;
  uint64_t       acked_seq, told_seq;
  char           sign[SECRET_BYTES], token[SECRET_BYTES];
  /* the batch: being filled, or on the way */
  uint32_t cnt, cnt_max;
  uint64_t first_seq, last_seq, begun_ns;
  uint64_t again_seq; /* a batch that was on the way ended with this one; 0: none */
  size_t   body_cnt, out_cnt, out_at;
  /* the answer */
  reading_t      reading;
  uint32_t       interim_cnt;
  bool           closes; /* the connection ends with this answer */
  tf_http_head_t head;
  tf_http_body_t body;
  uint8_t        answer[ANSWER_BYTES + TF_BYTES_PAD];
  uint8_t       *body_out; /* SIGNED_BYTES, then the body */
  char          *out;      /* the whole request: HEAD_BYTES more than a body */
} http_t;

static size_t body_bytes_max(const tf_sink_config_t *config) {
  return BODY_BYTES_MAX + tf_encode_bytes_max(&config->shape, config->format);
}

static size_t state_bytes(const tf_sink_config_t *config) {
  return sizeof(http_t) + SIGNED_BYTES + HEAD_BYTES + 2 * body_bytes_max(config);
}

/* ---- open ---- */

static void outlet_close(void *self) {
  http_t *h = self;
  tf_http_link_fini(&h->link);
  tf_secret_wipe(h->sign, sizeof h->sign);
  tf_secret_wipe(h->token, sizeof h->token);
}

static tf_err_t outlet_open(void *self, const tf_sink_config_t *config) {
  http_t *h = self;
  memset(h, 0, sizeof *h);
  h->link.fd = h->link.wake_fd = -1;
  h->body_out                  = (uint8_t *)self + sizeof *h;
  h->out                       = (char *)h->body_out + SIGNED_BYTES + body_bytes_max(config);
  h->cnt_max = config->batch_max && config->batch_max < BATCH_MAX ? config->batch_max : BATCH_MAX;
  tf_broker_init(&h->broker, config);
  tf_err_t err = tf_broker_want(config, "url", config->url, "https://example.net/decisions");
  if (!err) err = tf_http_link_init(&h->link, config);
  if (!err && config->token_file && !h->link.url.is_tls && strcmp(h->link.url.host, "127.0.0.1"))
    err = TF_ERR(E_SINK_CONFIG, "sink %s: token_file: a token goes over https only", config->name);
  if (!err && config->sign_file) err = tf_secret_read(config->sign_file, h->sign, sizeof h->sign);
  if (!err && config->token_file)
    err = tf_secret_read(config->token_file, h->token, sizeof h->token);
  if (err) outlet_close(h);
  return err;
}

/* ---- connections ---- */

/* The batch goes back to egress, which offers its records again; if it was on the way it keeps its end. */
static void disconnect(http_t *h) {
  if (h->phase == PHASE_READY) h->broker.counts.disconnects++;
  if (h->reading == READING_HEAD) h->again_seq = h->last_seq;
  tf_http_link_hang_up(&h->link);
  h->phase   = PHASE_IDLE;
  h->reading = READING_NOTHING;
  h->cnt     = 0;
}

#define TROUBLE(h, ...)                                                                            \
  do {                                                                                             \
    disconnect(h);                                                                                 \
    tf_broker_trouble(&(h)->broker, (h)->now_ns, __VA_ARGS__);                                     \
  } while (0)

/* The server ended an idle connection, as it may at any time: another one, at once. */
static void renew(http_t *h) {
  disconnect(h);
  h->broker.trouble.retry_ns = h->now_ns;
}

static void dial(http_t *h) {
  tf_http_link_dial(&h->link, h->now_ns);
  h->phase = PHASE_DIALING;
}

static void go_on_dialing(http_t *h) {
  if (tf_http_link_step(&h->link, h->now_ns)) {
    TROUBLE(h, "%s", tf_error_text());
    return;
  }
  if (h->link.phase != TF_HTTP_LINK_OPEN) return;
  h->phase = PHASE_READY;
  h->connection++;
  tf_broker_ready(&h->broker, 0);
}

/* ---- requests ---- */

/* Signs what precedes the body, which is written before it, and the body. */
static void sign(http_t *h, const char *timestamp, const char *key, char line[96]) {
  char    before[SIGNED_BYTES];
  uint8_t mac[TF_SHA256_BYTES];
  int     cnt = snprintf(before, sizeof before, "%s.%s.", timestamp, key);
  TF_ASSERT(cnt > 0 && (size_t)cnt < sizeof before);
  uint8_t *text = h->body_out + SIGNED_BYTES - cnt;
  memcpy(text, before, (size_t)cnt);
  tf_hmac_sha256(h->sign, strlen(h->sign), text, (size_t)cnt + h->body_cnt, mac);
  int at = snprintf(line, 96, "Tickfuse-Signature: sha256=");
  for (size_t i = 0; i < sizeof mac; i++)
    at += snprintf(line + at, 96 - (size_t)at, "%02x", mac[i]);
}

static void request(http_t *h) {
  const tf_sink_config_t *config = h->broker.config;
  char                    lines[HEAD_BYTES / 2], key[KEY_BYTES], timestamp[24], signature[96] = "";
  char                    host[TF_HTTP_LINK_HOST_BYTES + 2];
  bool                    is_v6 = strchr(h->link.url.host, ':') != NULL;
  snprintf(host, sizeof host, is_v6 ? "[%s]" : "%s", h->link.url.host);
  snprintf(timestamp, sizeof timestamp, "%llu",
           (unsigned long long)(tf_clock_wall_ns() / TF_NS_PER_SEC));
  snprintf(key, sizeof key, "%.100s-%llu-%llu", config->name, (unsigned long long)h->first_seq,
           (unsigned long long)h->last_seq);
  if (h->sign[0]) sign(h, timestamp, key, signature);
  int cnt =
      snprintf(lines, sizeof lines,
               "Content-Type: %s\r\nIdempotency-Key: %s\r\n"
               "Tickfuse-Epoch: %u\r\nTickfuse-Timestamp: %s\r\n%s%s%s%s%s",
               tf_encode_content_type(config->format), key, config->epoch, timestamp, signature,
               h->sign[0] ? "\r\n" : "", h->token[0] ? "Authorization: Bearer " : "", h->token,
               h->token[0] ? "\r\n" : "");
  TF_ASSERT(cnt > 0 && (size_t)cnt < sizeof lines);
  tf_http_request_t r       = {.method   = "POST",
                               .host     = host,
                               .port     = h->link.url.has_port ? h->link.url.port : NULL,
                               .target   = h->link.url.target,
                               .headers  = lines,
                               .body     = (const char *)h->body_out + SIGNED_BYTES,
                               .body_cnt = h->body_cnt};
  int               out_cnt = tf_http_request_write(h->out, HEAD_BYTES + h->body_cnt, &r);
  tf_secret_wipe(lines, sizeof lines);
  if (out_cnt < 0) {
    TROUBLE(h, "%s", tf_error_text());
    return;
  }
  h->out_cnt     = (size_t)out_cnt;
  h->out_at      = 0;
  h->interim_cnt = 0;
  h->reading     = READING_HEAD;
  h->deadline_ns = h->now_ns + ANSWER_NS_MAX;
  tf_http_head_init(&h->head, TF_HTTP_RESPONSE);
}

static bool is_out(const http_t *h) { return h->out_at == h->out_cnt; }

static void write_out(http_t *h) {
  while (h->phase == PHASE_READY && h->reading != READING_NOTHING && !is_out(h)) {
    int n = tf_http_link_write(&h->link, h->out + h->out_at, h->out_cnt - h->out_at);
    if (n < 0) TROUBLE(h, "%s", tf_error_text());
    if (n <= 0) return;
    h->out_at += (size_t)n;
    h->broker.counts.bytes += (uint64_t)n;
  }
}

/* ---- answers ---- */

static void accept_batch(http_t *h) {
  h->acked_seq = h->last_seq;
  h->again_seq = 0;
  h->cnt       = 0;
  tf_broker_delivered(&h->broker);
}

static void retry_not_before(http_t *h, uint64_t until_ns) {
  if (h->broker.trouble.retry_ns < until_ns) h->broker.trouble.retry_ns = until_ns;
}

static void take_refusal(http_t *h) {
  uint16_t    status     = h->head.status;
  uint32_t    after_s    = tf_http_head_retry_after_s(&h->head);
  uint32_t    cnt        = h->cnt;
  const char *location   = NULL;
  int         where_cnt  = tf_http_head_get(&h->head, "location", &location);
  bool        is_passing = status == 408 || status == 425 || status == 429 || status >= 500;
  if (status >= 300 && status < 400 && where_cnt > 0)
    TROUBLE(h, "POST %s: %u to %.*s: redirects are not followed, set url to it", h->link.url.target,
            status, where_cnt < 200 ? where_cnt : 200, location);
  else
    TROUBLE(h, "POST %s: %u %.60s", h->link.url.target, status, h->head.reason);
  if (status == 413 && cnt > 1) {
    h->cnt_max   = cnt / 2;
    h->again_seq = 0;
  } else if (!is_passing) {
    retry_not_before(h, h->now_ns + REFUSED_NS);
  }
  if (is_passing && after_s != UINT32_MAX) retry_not_before(h, h->now_ns + after_s * TF_NS_PER_SEC);
}

/* A head is complete. */
static void take_head(http_t *h) {
  uint16_t status = h->head.status;
  if (status < 200) {
    if (status == 101 || ++h->interim_cnt > TF_HTTP_INTERIM_MAX)
      TROUBLE(h, "POST %s: %u in place of an answer", h->link.url.target, status);
    else
      tf_http_head_init(&h->head, TF_HTTP_RESPONSE);
    return;
  }
  if (status >= 300) {
    take_refusal(h);
    return;
  }
  if (!is_out(h)) {
    TROUBLE(h, "POST %s: %u before all of the request was sent", h->link.url.target, status);
    return;
  }
  h->closes = !tf_http_head_keep_alive(&h->head);
  accept_batch(h);
  int more   = tf_http_body_init(&h->body, &h->head, "POST", h->answer, ANSWER_BYTES);
  h->reading = more == TF_HTTP_DONE ? READING_NOTHING : READING_BODY;
  if (more < 0 || (h->closes && more == TF_HTTP_DONE)) {
    h->reading = READING_NOTHING;
    renew(h);
  }
}

/* What the body says does not matter; where it ends does. One without end costs the connection. */
static size_t take_body(http_t *h, const uint8_t *bytes, size_t cnt) {
  size_t used = 0;
  int    more = tf_http_body_feed(&h->body, bytes, cnt, &used);
  if (more == TF_HTTP_MORE) return used;
  h->reading = READING_NOTHING;
  if (more < 0 || h->closes) renew(h);
  return used;
}

static void take(http_t *h, const uint8_t *bytes, size_t cnt) {
  while (cnt > 0 && h->phase == PHASE_READY) {
    size_t used = 0;
    if (h->reading == READING_NOTHING) {
      TROUBLE(h, "POST %s: bytes behind the answer", h->link.url.target);
      return;
    }
    if (h->reading == READING_BODY) {
      used = take_body(h, bytes, cnt);
    } else {
      int more = tf_http_head_feed(&h->head, bytes, cnt, &used);
      if (more < 0) TROUBLE(h, "POST %s: %s", h->link.url.target, tf_error_text());
      if (more == TF_HTTP_DONE) take_head(h);
    }
    bytes += used;
    cnt -= used;
  }
}

static void read_in(http_t *h) {
  uint8_t bytes[TF_TLS_RECORD_BYTES_MAX];
  for (uint32_t i = 0; i < 16 && h->phase == PHASE_READY; i++) {
    int n = tf_http_link_read(&h->link, bytes, sizeof bytes);
    if (n < 0) TROUBLE(h, "%s", tf_error_text());
    if (n > 0) take(h, bytes, (size_t)n);
    if (n == 0 && h->link.is_ended && h->reading == READING_HEAD)
      TROUBLE(h, "POST %s: the connection ended before an answer", h->link.url.target);
    else if (n == 0 && h->link.is_ended)
      renew(h);
    if (n <= 0) return;
  }
}

/* ---- the thread ---- */

static void pump(http_t *h) {
  if (h->phase == PHASE_IDLE && h->now_ns >= h->broker.trouble.retry_ns) dial(h);
  if (h->phase == PHASE_DIALING) go_on_dialing(h);
  if (h->phase != PHASE_READY) return;
  write_out(h);
  read_in(h);
  if (h->phase == PHASE_READY && h->reading != READING_NOTHING && h->now_ns >= h->deadline_ns)
    TROUBLE(h, "POST %s: no answer in %u s", h->link.url.target,
            (unsigned)(ANSWER_NS_MAX / TF_NS_PER_SEC));
}

/* An acknowledgement is of its connection (egress.h): it is told before that connection's end is. */
static void tell(http_t *h, tf_outlet_view_t *view) {
  bool is_news = h->acked_seq != h->told_seq;
  h->told_seq  = h->acked_seq;
  *view        = (tf_outlet_view_t){.phase      = h->phase == PHASE_READY || is_news ? TF_OUTLET_READY
                                                  : h->phase == PHASE_DIALING ? TF_OUTLET_CONNECTING
                                                                              : TF_OUTLET_DOWN,
                                    .connection = h->connection,
                                    .acked_seq  = h->acked_seq};
}

static void outlet_poll(void *self, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  http_t *h = self;
  h->now_ns = now_ns;
  pump(h);
  if (wait_ns > 0 && h->phase != PHASE_IDLE && h->acked_seq == h->told_seq) {
    tf_http_link_wait(&h->link, h->reading != READING_NOTHING && !is_out(h), wait_ns);
    pump(h);
  }
  tell(h, view);
}

static uint32_t outlet_send(void *self, const tf_out_t *outs, uint32_t n) {
  http_t  *h = self;
  uint32_t i = 0;
  while (i < n && h->phase == PHASE_READY && h->reading == READING_NOTHING) {
    if (h->cnt == 0) {
      h->first_seq = outs[i].seq;
      if (outs[i].seq > h->again_seq) h->again_seq = 0;
      h->begun_ns = h->now_ns;
      h->body_cnt = 0;
    }
    h->body_cnt += tf_encode(h->broker.config, outs[i].record, outs[i].late,
                             h->body_out + SIGNED_BYTES + h->body_cnt);
    h->last_seq = outs[i++].seq;
    h->cnt++;
    if (h->cnt == h->cnt_max || h->body_cnt >= BODY_BYTES_MAX || h->last_seq == h->again_seq)
      request(h);
  }
  return i;
}

static void outlet_flush(void *self, uint64_t now_ns) {
  http_t *h = self;
  h->now_ns = now_ns;
  if (h->phase == PHASE_READY && h->reading == READING_NOTHING && h->cnt > 0 && h->again_seq == 0 &&
      now_ns - h->begun_ns >= h->broker.config->linger_ns)
    request(h);
  write_out(h);
}

static const tf_outlet_counts_t *outlet_counts(const void *self) {
  return &((const http_t *)self)->broker.counts;
}

const tf_outlet_t tf_http_outlet = {.state_bytes = state_bytes,
                                    .open        = outlet_open,
                                    .poll        = outlet_poll,
                                    .send        = outlet_send,
                                    .flush       = outlet_flush,
                                    .counts      = outlet_counts,
                                    .close       = outlet_close};

/* ---- for who looks before anything is opened: the server is there, and under TLS the one that is meant ---- */

#define LOOK_WAIT_NS (10 * TF_NS_PER_MS)

static tf_err_t look_by(tf_http_link_t *link, uint64_t until_ns, tf_broker_standing_t *s) {
  tf_err_t err    = TF_OK;
  uint64_t now_ns = tf_clock_monotonic_ns();
  tf_http_link_dial(link, now_ns);
  while (!err && link->phase != TF_HTTP_LINK_OPEN && now_ns < until_ns) {
    tf_http_link_wait(link, false, LOOK_WAIT_NS);
    now_ns = tf_clock_monotonic_ns();
    err    = tf_http_link_step(link, now_ns);
  }
  /* A step that fails leaves its phase in its words alone. */
  bool is_tls = link->phase == TF_HTTP_LINK_TLS || (err && strstr(tf_error_text(), ": TLS: "));
  s->step     = is_tls ? TF_BROKER_TLS : TF_BROKER_REACH;
  if (!err && link->phase != TF_HTTP_LINK_OPEN)
    err = TF_ERR(E_SINK_IO, "%s:%s: no answer in time", link->url.host, link->url.port);
  return err;
}

static tf_err_t look(const tf_broker_config_t *reach, int32_t partition, uint64_t wait_ns_max,
                     tf_broker_standing_t *s) {
  const tf_sink_config_t config   = {.url = reach->url, .ca_file = reach->ca_file};
  const uint64_t         begin_ns = tf_clock_monotonic_ns();
  (void)partition;
  *s                   = (tf_broker_standing_t){.step = TF_BROKER_REACH};
  tf_http_link_t *link = malloc(sizeof *link);
  if (!link) return TF_ERR(E_CORE_NO_MEMORY, "%s", reach->url);
  tf_err_t err = tf_http_link_init(link, &config);
  if (!err) err = look_by(link, begin_ns + wait_ns_max, s);
  if (!err) s->step = TF_BROKER_DONE;
  s->answer_ns = tf_clock_monotonic_ns() - begin_ns;
  tf_http_link_fini(link);
  free(link);
  return err;
}

TF_EGRESS_SINK(http, "batches by POST to a URL, signed, each until it is answered", tf_http_outlet,
               TF_BROKER_POLICIES, TF_OVERFLOW_BLOCK, TF_BROKER_CARRIES,
               "url batch linger sign_file token_file ca_file spool spool_max", look);
