/* What POST /v1/events makes of bytes: the head up to the first blank line, then the body. An answer is JSON of a known
 * status whatever comes; what is promised stands in the inbox, and nothing else does. And an array becomes as many lines as it
 * has elements, if it is JSON at all. LIBS: tf_source. */
#include <stdlib.h>
#include <string.h>

#include "source/event_post.h"
#include "source/json_lines.h"
#include "wire/json_array.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define BODY_MAX 8192u

static tf_event_post_t   *post;
static tf_inbox_t        *inbox;
static tf_intake_config_t config = {
    .name = "desk", .listen = "127.0.0.1:0", .message_bytes_max = BODY_MAX, .events_max = 64};

static void start(void) {
  uint64_t capacity = tf_inbox_capacity_for(BODY_MAX);
  void    *memory   = aligned_alloc(TF_LINE_PAIR_BYTES, tf_inbox_bytes(capacity));
  post              = calloc(1, sizeof *post);
  TF_ASSERT(memory && post);
  inbox = tf_inbox_init(memory, capacity);
  TF_ASSERT(tf_event_post_init(post, &config, inbox, true) == TF_OK);
}

static void check_lines(const char *body, size_t cnt) {
  tf_json_t        json = {0};
  tf_json_object_t root = {0};
  tf_json_array_t  array;
  tf_json_value_t  element;
  tf_json_value_t  none[1];
  tf_json_shape_t  shape = {NULL, 0};
  root.shape             = &shape;
  root.values            = none;
  bool   is_json         = tf_json_read(&json, body, cnt, &root) == TF_JSON_OK;
  size_t at = 0, line_bytes, line_cnt = 0, element_cnt = 0;
  if (is_json && json.root_kind == TF_JSON_ARRAY) {
    while (cnt > 0 && *body != '[') body++, cnt--;
    tf_json_array_init(&array, body, cnt);
    while (tf_json_array_next(&array, &element)) element_cnt++;
  }
  char *lines = calloc(1, cnt + TF_BYTES_PAD);
  TF_ASSERT(lines != NULL);
  memcpy(lines, body, cnt);
  bool        is_good = tf_json_lines(lines, cnt);
  const char *line;
  while (is_good && tf_event_line_next(lines, cnt, &at, &line, &line_bytes)) line_cnt++;
  if (is_json && json.root_kind == TF_JSON_ARRAY) TF_ASSERT(is_good && line_cnt == element_cnt);
  if (is_json && json.root_kind == TF_JSON_OBJECT) TF_ASSERT(is_good && line_cnt == 1);
  free(lines);
}

static void check_answer(const tf_event_post_answer_t *a) {
  static const int known[]  = {200, 400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429, 503};
  bool             is_known = false;
  for (size_t i = 0; i < TF_ARRAY_CNT(known); i++) is_known |= a->status == known[i];
  TF_ASSERT(is_known && a->body_cnt > 2 && a->body_cnt <= sizeof a->body);
  tf_json_t        json = {0};
  tf_json_object_t root = {0};
  tf_json_value_t  none[1];
  tf_json_shape_t  shape                               = {NULL, 0};
  char             text[sizeof a->body + TF_BYTES_PAD] = {0};
  root.shape                                           = &shape;
  root.values                                          = none;
  memcpy(text, a->body, a->body_cnt);
  TF_ASSERT(tf_json_read(&json, text, a->body_cnt, &root) == TF_JSON_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static tf_http_head_t         head;
  static tf_event_post_answer_t answer;
  static char                   body[BODY_MAX + TF_BYTES_PAD];
  size_t                        used;
  if (!post) start();
  tf_http_head_init(&head, TF_HTTP_REQUEST);
  if (tf_http_head_feed(&head, bytes, bytes_cnt, &used) != TF_HTTP_DONE) return 0;
  size_t cnt = bytes_cnt - used < BODY_MAX ? bytes_cnt - used : BODY_MAX;
  if (!tf_event_post_judge(post, &head, 1, TF_EVENT_POST_IDLE_NS_MAX, &answer)) {
    check_answer(&answer);
    return 0;
  }
  memset(body, 0, sizeof body);
  memcpy(body, bytes + used, cnt);
  check_lines(body, cnt);
  tf_event_post_take(post, &head, body, cnt, 1, TF_EVENT_POST_IDLE_NS_MAX, &answer);
  check_answer(&answer);
  TF_ASSERT((answer.ticket != 0) == (tf_inbox_waiting(inbox) == 1));
  tf_inbox_message_t m;
  if (tf_inbox_peek(inbox, &m)) {
    TF_ASSERT(answer.status == 200 && m.bytes_cnt <= BODY_MAX);
    tf_inbox_drop(inbox);
  }
  return 0;
}
