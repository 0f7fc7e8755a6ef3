#include "source/event_post.h"

#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/secret.h"
#include "feed/name_index.h"
#include "http/guard.h"
#include "source/json_lines.h"
#include "wire/ws.h"

#define HOST_BYTES   256u
#define BEARER       "bearer "
#define BEARER_BYTES (sizeof BEARER - 1)

static const char *const reasons[] = {
#define REASON(id, name, text) name,
    TF_REJECTS(REASON)
#undef REASON
};

/* ---- answers ---- */

static void say(tf_event_post_answer_t *a, int status, bool closes) {
  a->status     = status;
  a->closes     = closes;
  a->is_busy    = false;
  a->ticket     = 0;
  a->body_cnt   = 0;
  a->headers[0] = '\0';
}

void tf_event_post_refuse(tf_event_post_answer_t *a, int status, bool closes, const char *why) {
  say(a, status, closes);
  a->body_cnt = (size_t)snprintf(a->body, sizeof a->body, "{\"error\":\"%s\"}\n", why);
  if (status == 401)
    snprintf(a->headers, sizeof a->headers, "WWW-Authenticate: Bearer\r\n");
  else if (status == 405)
    snprintf(a->headers, sizeof a->headers, "Allow: POST\r\n");
  else if (status == 409 || status == 429 || status == 503)
    snprintf(a->headers, sizeof a->headers, "Retry-After: 1\r\n");
}

static bool refuse(tf_event_post_answer_t *a, int status, const char *why) {
  tf_event_post_refuse(a, status, true, why);
  return false;
}

/* ---- heads ---- */

/* A header's value as text; "" where there is none, several, or it is too long. */
static const char *text_of(const tf_http_head_t *head, const char *name, char *buf, size_t cap) {
  const char *value;
  int         cnt = tf_http_head_get(head, name, &value);
  buf[0]          = '\0';
  if (cnt < 0 || (size_t)cnt >= cap) return buf;
  memcpy(buf, value, (size_t)cnt);
  buf[cnt] = '\0';
  return buf;
}

static bool has(const tf_http_head_t *head, const char *name) {
  const char *value;
  return tf_http_head_get(head, name, &value) != -1;
}

static bool shows_token(const tf_event_post_t *post, const tf_http_head_t *head) {
  const char *value;
  int         cnt = tf_http_head_get(head, "authorization", &value);
  if (cnt < (int)BEARER_BYTES || strncasecmp(value, BEARER, BEARER_BYTES) != 0) return false;
  return tf_secret_equal(post->token, post->token_bytes, value + BEARER_BYTES,
                         (size_t)cnt - BEARER_BYTES);
}

typedef enum { TYPE_OTHER, TYPE_LINES, TYPE_DOCUMENT } body_type_t;

static body_type_t type_of(const tf_http_head_t *head) {
  char   text[128];
  size_t cnt = strcspn(text_of(head, "content-type", text, sizeof text), "; \t");
  if (cnt == 20 && strncasecmp(text, "application/x-ndjson", cnt) == 0) return TYPE_LINES;
  if (cnt == 16 && strncasecmp(text, "application/json", cnt) == 0) return TYPE_DOCUMENT;
  return TYPE_OTHER;
}

static bool is_gzip(const tf_http_head_t *head) {
  char text[32];
  return strcasecmp(text_of(head, "content-encoding", text, sizeof text), "gzip") == 0;
}

static bool is_known_coding(const tf_http_head_t *head) {
  char text[32];
  return !has(head, "content-encoding") || is_gzip(head) ||
         strcasecmp(text_of(head, "content-encoding", text, sizeof text), "identity") == 0;
}

/* A web page that somebody visits must not speak for them: neither by another name of this machine nor, where no token is
 * asked for, at all. */
static bool is_for_us(const tf_event_post_t *post, const tf_http_head_t *head,
                      tf_event_post_answer_t *a) {
  char host[HOST_BYTES];
  text_of(head, "host", host, sizeof host);
  if (host[0] == '\0') return refuse(a, 400, "one Host header is needed");
  if (post->is_loopback && !tf_http_guard_is_loopback(host))
    return refuse(a, 421, "this listener is on loopback and answers to localhost only");
  if (post->token_bytes == 0 && has(head, "origin"))
    return refuse(a, 403, "a web page may not post here: no token is asked for");
  return true;
}

bool tf_event_post_judge(tf_event_post_t *post, const tf_http_head_t *head, uint64_t address,
                         uint64_t now_ns, tf_event_post_answer_t *a) {
  if (!tf_rate_take(&post->rate, address, now_ns))
    return refuse(a, 429, "too many requests of this address");
  if (!is_for_us(post, head, a)) return false;
  if (post->token_bytes > 0 && !shows_token(post, head))
    return refuse(a, 401, "the token is missing or another: Authorization: Bearer TOKEN");
  if (strcmp(head->target, TF_EVENT_POST_TARGET) != 0)
    return refuse(a, 404, "not here; there is POST " TF_EVENT_POST_TARGET);
  if (strcmp(head->method, "POST") != 0) return refuse(a, 405, "only POST is served here");
  if (type_of(head) == TYPE_OTHER)
    return refuse(a, 415, "Content-Type must be application/x-ndjson or application/json");
  if (!is_known_coding(head))
    return refuse(a, 415, "Content-Encoding may be gzip, identity or absent");
  if (has(head, "idempotency-key")) {
    char key[TF_EVENT_POST_KEY_BYTES_MAX + 1];
    if (text_of(head, "idempotency-key", key, sizeof key)[0] == '\0')
      return refuse(a, 400, "Idempotency-Key must be one text of 1 to 128 characters");
  }
  return true;
}

/* ---- bodies ---- */

static bool is_wanted(const tf_event_post_t *post, const char *name) {
  const tf_intake_config_t *c = post->config;
  if (c->pattern_cnt == 0) return true;
  for (uint32_t i = 0; i < c->pattern_cnt; i++)
    if (tf_name_index_matches(c->patterns[i], name)) return true;
  return false;
}

/* What the feed will say of the line. */
static void judge_line(tf_event_post_t *post, const char *bytes, size_t cnt) {
  tf_event_line_t *l = &post->line;
  tf_event_line_read(&post->reader, bytes, cnt, l);
  if (l->verdict != TF_VERDICT_DATA || is_wanted(post, l->name)) return;
  l->verdict = TF_VERDICT_REJECTED;
  l->reject  = TF_REJECT_INSTRUMENT;
  snprintf(l->word, sizeof l->word, "instrument");
}

typedef struct tally {
  uint64_t good, bad;
  size_t   told_cnt; /* bytes of the answer's body so far */
} tally_t;

/* Room for the answer's end is kept. */
#define END_BYTES 128u

static void tell_bad_line(tf_event_post_t *post, tf_event_post_answer_t *a, tally_t *t,
                          uint64_t line_no) {
  const tf_event_line_t *l = &post->line;
  if (t->bad++ >= TF_EVENT_POST_LINES_TOLD_MAX) return;
  bool is_ignored = l->verdict == TF_VERDICT_IGNORED;
  int  cnt        = snprintf(a->body + t->told_cnt, sizeof a->body - t->told_cnt - END_BYTES,
                             "%s{\"line\":%llu,\"reason\":\"%s\",\"key\":\"%s\"}", t->bad > 1 ? "," : "",
                             (unsigned long long)line_no, is_ignored ? "ignored" : reasons[l->reject],
                     is_ignored ? "kind" : l->word);
  t->told_cnt += (size_t)cnt;
}
TF_STATIC_ASSERT(TF_EVENT_POST_LINES_TOLD_MAX * 100 + 2 * END_BYTES <
                     TF_EVENT_POST_ANSWER_BYTES_MAX,
                 "a bad line's row has at most 100 bytes");

/* False: more lines than a message may hold. */
static bool judge_lines(tf_event_post_t *post, const char *bytes, size_t cnt,
                        tf_event_post_answer_t *a, tally_t *t) {
  const char *line, *counted = bytes;
  size_t      line_bytes, at = 0;
  uint64_t    line_no = 1;
  *t                  = (tally_t){0};
  while (tf_event_line_next(bytes, cnt, &at, &line, &line_bytes)) {
    for (; counted < line; counted++) line_no += *counted == '\n';
    if (t->good + t->bad == post->config->events_max) return false;
    judge_line(post, line, line_bytes);
    if (post->line.verdict == TF_VERDICT_DATA)
      t->good++;
    else
      tell_bad_line(post, a, t, line_no);
  }
  return true;
}

/* The rows of bad lines lie at the body's beginning already. */
static void tell_tally(tf_event_post_answer_t *a, const tally_t *t, int status, bool is_repeated) {
  char head[END_BYTES];
  int cnt = snprintf(head, sizeof head, "{\"accepted\":%llu,\"rejected_cnt\":%llu,%s\"rejected\":[",
                     (unsigned long long)(status < 300 ? t->good : 0), (unsigned long long)t->bad,
                     is_repeated ? "\"repeated\":true," : "");
  say(a, status, false);
  memmove(a->body + cnt, a->body, t->told_cnt);
  memcpy(a->body, head, (size_t)cnt);
  a->body_cnt = (size_t)cnt + t->told_cnt;
  memcpy(a->body + a->body_cnt, "]}\n", 3);
  a->body_cnt += 3;
}

static uint64_t hash_of(uint64_t seed, const char *bytes, size_t cnt) {
  uint64_t hash = tf_hash_fold(seed, cnt), word;
  for (; cnt >= sizeof word; cnt -= sizeof word, bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = tf_hash_fold(hash, word);
  }
  word = 0;
  memcpy(&word, bytes, cnt);
  return tf_hash_fold(hash, word);
}

/* Came it before under its key? Then answer says what becomes of it. */
static bool is_repeat(tf_event_post_t *post, uint64_t key, uint64_t body, uint64_t now_ns,
                      const tally_t *t, tf_event_post_answer_t *a) {
  const tf_seen_entry_t *before = tf_seen_find(&post->seen, key, now_ns);
  if (!before) return false;
  if (before->body != body)
    tf_event_post_refuse(a, 422, false, "another body came under this Idempotency-Key");
  else if (!tf_event_post_is_taken(post, before->ticket))
    tf_event_post_refuse(a, 409, false, "what came under this Idempotency-Key is under way");
  else
    tell_tally(a, t, 200, true);
  return true;
}

/* Body as it is read. NULL: answer says why not. */
static char *unpacked(tf_event_post_t *post, const tf_http_head_t *head, char *body, size_t *cnt,
                      tf_event_post_answer_t *a) {
  if (is_gzip(head)) {
    size_t room = post->config->message_bytes_max, out_cnt;
    switch (tf_gzip_take(&post->gzip, body, *cnt, post->inflated, room, &out_cnt)) {
    case TF_GZIP_OK: break;
    case TF_GZIP_FULL:
      tf_event_post_refuse(a, 413, false, "the body is too long inflated");
      return NULL;
    default: tf_event_post_refuse(a, 400, false, "the body is no gzip member"); return NULL;
    }
    body = post->inflated;
    *cnt = out_cnt;
    memset(body + out_cnt, 0, TF_BYTES_PAD);
  }
  if (type_of(head) == TYPE_DOCUMENT && !tf_json_lines(body, *cnt)) {
    tf_event_post_refuse(a, 400, false, "the body is neither an object nor an array of them");
    return NULL;
  }
  return body;
}

void tf_event_post_take(tf_event_post_t *post, const tf_http_head_t *head, char *body,
                        size_t body_cnt, uint64_t recv_ns, uint64_t now_ns,
                        tf_event_post_answer_t *a) {
  char     key_text[TF_EVENT_POST_KEY_BYTES_MAX + 1];
  uint64_t key = 0, body_hash = 0;
  tally_t  tally;
  body = unpacked(post, head, body, &body_cnt, a);
  if (!body) return;
  if (!judge_lines(post, body, body_cnt, a, &tally)) {
    tf_event_post_refuse(a, 413, false, "more events than a request may bring");
    return;
  }
  if (tally.good == 0) {
    tell_tally(a, &tally, 400, false);
    return;
  }
  if (text_of(head, "idempotency-key", key_text, sizeof key_text)[0] != '\0') {
    key       = hash_of(post->seed, key_text, strlen(key_text));
    body_hash = hash_of(post->seed, body, body_cnt);
    if (is_repeat(post, key, body_hash, now_ns, &tally, a)) return;
  }
  const tf_inbox_message_t message = {.recv_ns   = recv_ns,
                                      .bytes_cnt = (uint32_t)body_cnt,
                                      .kind      = TF_FRAME_TEXT,
                                      .target    = TF_EVENT_POST_TARGET,
                                      .bytes     = body};
  if (!tf_inbox_put(post->inbox, &message)) {
    tf_event_post_refuse(a, 503, false, "the engine does not keep up: its inbox is full");
    a->is_busy = true;
    return;
  }
  post->put_cnt++;
  post->put_bytes += body_cnt;
  if (key_text[0] != '\0') tf_seen_add(&post->seen, key, body_hash, post->put_cnt, now_ns);
  tell_tally(a, &tally, 200, false);
  a->ticket = post->put_cnt;
}

/* ---- lifetime ---- */

static tf_err_t read_token(tf_event_post_t *post) {
  const tf_intake_config_t *c = post->config;
  if (!c->token_file && !post->is_loopback)
    return TF_ERR(E_SOURCE_CONFIG,
                  "feed %s: token_file is wanted where listen (%s) can be reached from elsewhere",
                  c->name, c->listen);
  if (!c->token_file) return TF_OK;
  tf_err_t err = tf_secret_read(c->token_file, post->token, sizeof post->token);
  if (err) return tf_error_add(err, "reading token_file of feed %s", c->name);
  post->token_bytes = strlen(post->token);
  return TF_OK;
}

tf_err_t tf_event_post_init(tf_event_post_t *post, const tf_intake_config_t *config,
                            tf_inbox_t *inbox, bool is_loopback) {
  post->config      = config;
  post->inbox       = inbox;
  post->is_loopback = is_loopback;
  tf_err_t err      = read_token(post);
  if (err) return err;
  post->gzip_memory = aligned_alloc(TF_LINE_BYTES, tf_align_up(tf_gzip_bytes(), TF_LINE_BYTES));
  post->inflated    = malloc((size_t)config->message_bytes_max + TF_BYTES_PAD);
  if (!post->gzip_memory || !post->inflated)
    return TF_ERR(E_CORE_NO_MEMORY, "feed %s: no memory for what it inflates", config->name);
  err = tf_gzip_init(&post->gzip, post->gzip_memory);
  if (err) return err;
  post->seed = (uint64_t)tf_ws_random_system(NULL) << 32 | tf_ws_random_system(NULL);
  tf_event_line_reader_init(&post->reader);
  tf_rate_init(&post->rate, config->rate_max);
  tf_seen_init(&post->seen);
  return TF_OK;
}

void tf_event_post_fini(tf_event_post_t *post) {
  tf_secret_wipe(post->token, sizeof post->token);
  free(post->gzip_memory);
  free(post->inflated);
  post->gzip_memory = NULL;
  post->inflated    = NULL;
}
