/* POST /v1/events, what is asked and what is answered, without sockets: a head in, then the body, and out come an answer
 * and, where there is something to take, a message in the inbox.
 *
 *   head --> judge: method, path, Host, token, rate, types --> refused: answered at once, the body is not read
 *   body --> take: inflate, lines, each line's own verdict (feed/event_line.h), key --> inbox --> ticket
 *
 * The answer to a message that was put into the inbox is 200 once it was taken (tf_inbox_taken reached its ticket): the
 * engine has it, and its capture's ring too. Which lines are good is said beforehand by the pure function that the feed
 * itself decides by; what only the engine can know, whether it has room for another instrument, is in its counters.
 *
 *   200  taken                                {"accepted":n,"rejected_cnt":m,"rejected":[{"line":k,"reason":..,"key":..}, ..]}
 *   202  in the inbox for TF_EVENT_POST_TAKEN_NS_MAX, and not taken yet: the same body
 *   400  malformed, or no line of it is good: nothing was taken
 *   401 token, 403 a web page's, 404, 405, 409 the same key is under way, 413, 415, 421 Host, 422 another body under
 *   this key, 429 rate, 503 the inbox is full
 *
 * Idempotency-Key: a body that comes again under its key within the window (seen.h) is answered as it was, with
 * "repeated":true, and not taken again. The window is this process's: a restart forgets it.
 *
 * One thread, the intake's. May allocate at init only. */
#ifndef TF_SOURCE_EVENT_POST_H
#define TF_SOURCE_EVENT_POST_H

#include "feed/event_line.h"
#include "source/intake.h"
#include "source/rate.h"
#include "source/seen.h"
#include "wire/gzip.h"
#include "wire/http.h"

#define TF_EVENT_POST_TARGET "/v1/events"
/* Of a connection (http.c): a head from its first byte, a body from its head, an answer that is to be taken, silence between requests. */
#define TF_EVENT_POST_HEAD_NS_MAX      (2 * TF_NS_PER_SEC)
#define TF_EVENT_POST_BODY_NS_MAX      (10 * TF_NS_PER_SEC)
#define TF_EVENT_POST_ANSWER_NS_MAX    (10 * TF_NS_PER_SEC)
#define TF_EVENT_POST_IDLE_NS_MAX      (60 * TF_NS_PER_SEC)
#define TF_EVENT_POST_TAKEN_NS_MAX     (5 * TF_NS_PER_SEC)
#define TF_EVENT_POST_ANSWER_BYTES_MAX 8192u
#define TF_EVENT_POST_LINES_TOLD_MAX   64u /* bad lines that an answer names; all are counted */
#define TF_EVENT_POST_KEY_BYTES_MAX    128u
#define TF_EVENT_POST_TOKEN_BYTES_MAX  256u

typedef struct tf_event_post_answer {
  int      status;
  bool     closes;   /* the connection cannot go on behind it */
  bool     is_busy;  /* the inbox was full */
  uint64_t ticket;   /* of tf_inbox_taken: the answer holds from there on; 0: at once */
  size_t   body_cnt; /* JSON */
  char     headers[128];
  char     body[TF_EVENT_POST_ANSWER_BYTES_MAX];
} tf_event_post_answer_t;

typedef struct tf_post {
  const tf_intake_config_t *config;
  tf_inbox_t               *inbox;
  bool                      is_loopback; /* the listener's */
  size_t                    token_bytes; /* 0: none is asked for */
  char                      token[TF_EVENT_POST_TOKEN_BYTES_MAX + 1];
  uint64_t                  put_cnt;   /* messages, all of them ours */
  uint64_t                  put_bytes; /* of them */
  uint64_t                  seed;      /* of keys' hashes */
  uint8_t                  *gzip_memory;
  char                     *inflated; /* message_bytes_max + TF_BYTES_PAD */
  tf_gzip_t                 gzip;
  tf_event_line_t           line;
  tf_event_line_reader_t    reader;
  tf_rate_t                 rate;
  tf_seen_t                 seen;
} tf_event_post_t;

/* config: kept. post: zeroed memory of the caller's. What reading the token's file gives, E_CORE_NO_MEMORY,
 * E_SOURCE_CONFIG: no token, and others than this machine can reach it. */
tf_err_t tf_event_post_init(tf_event_post_t *post, const tf_intake_config_t *config,
                            tf_inbox_t *inbox, bool is_loopback);
void     tf_event_post_fini(tf_event_post_t *post); /* accepts a zeroed one */

/* False: answer has the refusal. address: a hash of where it comes from. */
bool tf_event_post_judge(tf_event_post_t *post, const tf_http_head_t *head, uint64_t address,
                         uint64_t now_ns, tf_event_post_answer_t *answer);

/* The whole body, which may be written to; TF_BYTES_PAD readable bytes follow. recv_ns: wall time. */
void tf_event_post_take(tf_event_post_t *post, const tf_http_head_t *head, char *body,
                        size_t body_cnt, uint64_t recv_ns, uint64_t now_ns,
                        tf_event_post_answer_t *answer);

/* An answer of one sentence. */
void tf_event_post_refuse(tf_event_post_answer_t *answer, int status, bool closes, const char *why);

/* Has it been taken? */
TF_INLINE bool tf_event_post_is_taken(const tf_event_post_t *post, uint64_t ticket) {
  return tf_inbox_taken(post->inbox) >= ticket;
}

#endif
