/* What POST /v1/events is answered, without sockets; and what it stands on: arrays as lines, rates, keys seen of late. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.h"
#include "source/event_post.h"
#include "source/json_lines.h"

#define TOKEN      "s3cret-token"
#define BODY_MAX   4096u
#define EVENTS_MAX 8u
#define SEC        TF_NS_PER_SEC
#define TRADE                                                                                      \
  "{\"instrument\":\"BTC.DESK\",\"kind\":\"trade\",\"side\":\"buy\",\"price\":\"1.5\",\"qty\":2}"
#define HOST "Host: 127.0.0.1:8091\r\n"
#define AUTH "Authorization: Bearer " TOKEN "\r\n"
#define TYPE "Content-Type: application/x-ndjson\r\n"
#define GOOD "POST /v1/events HTTP/1.1\r\n" HOST AUTH TYPE

static tf_event_post_t       *post;
static tf_inbox_t            *inbox;
static void                  *inbox_memory;
static tf_intake_config_t     config;
static char                   token_path[64];
static tf_http_head_t         head;
static tf_event_post_answer_t answer;
static char                   body[BODY_MAX + TF_BYTES_PAD];
static uint64_t               now_ns;
static const char *const      patterns[] = {"*.DESK"};

static void start(bool with_token, bool is_loopback) {
  config = (tf_intake_config_t){.name              = "desk",
                                .listen            = "127.0.0.1:8091",
                                .message_bytes_max = BODY_MAX,
                                .rate_max          = 10,
                                .events_max        = EVENTS_MAX,
                                .patterns          = patterns,
                                .pattern_cnt       = 1,
                                .token_file        = with_token ? token_path : NULL};
  now_ns = 1000 * SEC;
  inbox  = tf_inbox_init(inbox_memory, tf_inbox_capacity_for(BODY_MAX));
  post   = calloc(1, sizeof *post);
  assert_int_equal(tf_event_post_init(post, &config, inbox, is_loopback), TF_OK);
}

static int begin(void **state) {
  (void)state;
  strcpy(token_path, "/tmp/test_post_token_XXXXXX");
  int fd = mkstemp(token_path);
  assert_true(fd >= 0 && write(fd, TOKEN "\n", sizeof TOKEN) == sizeof TOKEN);
  close(fd);
  inbox_memory = aligned_alloc(128, tf_inbox_bytes(tf_inbox_capacity_for(BODY_MAX)));
  start(true, true);
  return 0;
}

static int end(void **state) {
  (void)state;
  tf_event_post_fini(post);
  free(post);
  free(inbox_memory);
  unlink(token_path);
  return 0;
}

static bool judge(const char *text) {
  size_t used;
  char   request[1024];
  snprintf(request, sizeof request, "%s\r\n", text);
  tf_http_head_init(&head, TF_HTTP_REQUEST);
  assert_int_equal(tf_http_head_feed(&head, (const uint8_t *)request, strlen(request), &used),
                   TF_HTTP_DONE);
  now_ns += SEC; /* a full bucket */
  return tf_event_post_judge(post, &head, 7, now_ns, &answer);
}

static int status_of(const char *text) { return judge(text) ? 0 : answer.status; }

/* The answer to a whole request. */
static int ask_bytes(const char *text, const void *bytes, size_t cnt) {
  assert_int_equal(status_of(text), 0);
  memset(body, ' ', sizeof body);
  memcpy(body, bytes, cnt);
  tf_event_post_take(post, &head, body, cnt, 55, now_ns, &answer);
  answer.body[answer.body_cnt] = '\0';
  return answer.status;
}
static int ask(const char *text, const char *content) {
  return ask_bytes(text, content, strlen(content));
}

/* The engine takes what waits; the message is in m. */
static bool engine_takes(tf_inbox_message_t *m, char *text, size_t cap) {
  if (!tf_inbox_peek(inbox, m)) return false;
  snprintf(text, cap, "%.*s", (int)m->bytes_cnt, m->bytes);
  tf_inbox_drop(inbox);
  return true;
}

/* ---- heads ---- */

static void a_good_head_is_let_through(void **state) {
  (void)state;
  assert_int_equal(status_of(GOOD), 0);
  assert_int_equal(status_of("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nauthorization: "
                             "bearer " TOKEN
                             "\r\ncontent-type: Application/JSON; charset=utf-8\r\n"),
                   0);
  assert_int_equal(status_of(GOOD "Content-Encoding: gzip\r\n"), 0);
  assert_int_equal(status_of(GOOD "Content-Encoding: identity\r\n"), 0);
  assert_int_equal(status_of(GOOD "Idempotency-Key: 7c1\r\n"), 0);
}

static void a_head_that_is_not_for_us_is_refused_with_the_reason(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int         status;
  } bad[] = {
      {"POST /v1/events HTTP/1.1\r\n" AUTH TYPE,                                         400},
      {"POST /v1/events HTTP/1.1\r\nHost: evil.example\r\n" AUTH TYPE,                   421},
      {"POST /v1/events HTTP/1.1\r\n" HOST TYPE,                                         401},
      {"POST /v1/events HTTP/1.1\r\n" HOST TYPE "Authorization: Bearer s3cret-toke\r\n", 401},
      {"POST /v1/events HTTP/1.1\r\n" HOST TYPE "Authorization: Bearer " TOKEN "x\r\n",  401},
      {"POST /v1/events HTTP/1.1\r\n" HOST TYPE "Authorization: Basic " TOKEN "\r\n",    401},
      {"POST /v1/events HTTP/1.1\r\n" HOST TYPE "Authorization: Bearer\r\n",             401},
      {GOOD AUTH,                                                                        401}, /* two */
      {"GET /v1/events HTTP/1.1\r\n" HOST AUTH,                                          405},
      {"POST /v1/event HTTP/1.1\r\n" HOST AUTH TYPE,                                     404},
      {"POST /v1/events/ HTTP/1.1\r\n" HOST AUTH TYPE,                                   404},
      {"POST /v1/events?x=1 HTTP/1.1\r\n" HOST AUTH TYPE,                                404},
      {"POST /v1/events HTTP/1.1\r\n" HOST AUTH,                                         415},
      {"POST /v1/events HTTP/1.1\r\n" HOST AUTH "Content-Type: text/plain\r\n",          415},
      {"POST /v1/events HTTP/1.1\r\n" HOST AUTH "Content-Type: application/jsonx\r\n",   415},
      {GOOD "Content-Encoding: br\r\n",                                                  415},
      {GOOD "Content-Encoding: gzip, gzip\r\n",                                          415},
      {GOOD "Idempotency-Key: \r\n",                                                     400},
      {GOOD "Idempotency-Key: a\r\nIdempotency-Key: b\r\n",                              400},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    if (status_of(bad[i].text) != bad[i].status) fail_msg("%s: %d", bad[i].text, answer.status);
    assert_true(answer.closes); /* its body is not read */
    assert_int_equal(answer.ticket, 0);
    assert_null(memmem(answer.body, answer.body_cnt, TOKEN, 8));
  }
}

static void a_key_has_its_length(void **state) {
  (void)state;
  char text[512];
  for (int cnt = TF_EVENT_POST_KEY_BYTES_MAX - 1; cnt <= (int)TF_EVENT_POST_KEY_BYTES_MAX + 1;
       cnt++) {
    snprintf(text, sizeof text, GOOD "Idempotency-Key: %0*d\r\n", cnt, 7);
    assert_int_equal(status_of(text), cnt <= (int)TF_EVENT_POST_KEY_BYTES_MAX ? 0 : 400);
  }
}

static void without_a_token_web_pages_may_not_speak(void **state) {
  (void)state;
  end(state);
  begin(state);
  tf_event_post_fini(post);
  free(post);
  start(false, true);
  assert_int_equal(status_of("POST /v1/events HTTP/1.1\r\n" HOST TYPE), 0);
  assert_int_equal(status_of("POST /v1/events HTTP/1.1\r\n" HOST TYPE "Origin: null\r\n"), 403);
}

static void from_elsewhere_a_token_is_wanted(void **state) {
  (void)state;
  tf_event_post_t *other = calloc(1, sizeof *other);
  config.token_file      = NULL;
  assert_int_equal(tf_event_post_init(other, &config, inbox, false), E_SOURCE_CONFIG);
  config.token_file = token_path;
  chmod(token_path, 0644);
  assert_int_equal(tf_event_post_init(other, &config, inbox, false), E_FEED_KEY);
  assert_null(strstr(tf_error_text(), TOKEN));
  chmod(token_path, 0600);
  assert_int_equal(tf_event_post_init(other, &config, inbox, false), TF_OK);
  tf_event_post_fini(other);
  free(other);
}

static void an_address_has_so_many_requests_a_second(void **state) {
  (void)state;
  assert_true(judge(GOOD));
  for (int i = 1; i < 10; i++) assert_true(tf_event_post_judge(post, &head, 7, now_ns, &answer));
  assert_false(tf_event_post_judge(post, &head, 7, now_ns, &answer));
  assert_int_equal(answer.status, 429);
  assert_non_null(strstr(answer.headers, "Retry-After: 1"));
  assert_true(tf_event_post_judge(post, &head, 8, now_ns, &answer)); /* another */
  assert_true(tf_event_post_judge(post, &head, 7, now_ns + SEC / 10, &answer));
  assert_false(tf_event_post_judge(post, &head, 7, now_ns + SEC / 10, &answer));
}

/* ---- bodies ---- */

static void lines_are_told_apart_and_the_good_ones_taken(void **state) {
  (void)state;
  tf_inbox_message_t m;
  char               text[BODY_MAX];
  const char *content = "\n" TRADE "\nrubbish\n\n{\"instrument\":\"X.OTHER\",\"kind\":\"trade\","
                        "\"side\":\"buy\",\"price\":1,\"qty\":1}\n" TRADE "\n";
  assert_int_equal(ask(GOOD, content), 200);
  assert_string_equal(answer.body,
                      "{\"accepted\":2,\"rejected_cnt\":2,\"rejected\":[{\"line\":3,\"reason\":"
                      "\"syntax\",\"key\":\"\"},{\"line\":5,\"reason\":\"instrument\",\"key\":"
                      "\"instrument\"}]}\n");
  assert_int_equal(answer.ticket, 1);
  assert_false(answer.closes);
  assert_false(tf_event_post_is_taken(post, answer.ticket));
  assert_true(engine_takes(&m, text, sizeof text));
  assert_true(tf_event_post_is_taken(post, answer.ticket));
  assert_string_equal(text, content); /* the feed judges again, and counts */
  assert_int_equal(m.recv_ns, 55);
  assert_int_equal(m.kind, TF_FRAME_TEXT);
  assert_string_equal(m.target, "/v1/events");
}

static void of_nothing_good_nothing_is_taken(void **state) {
  (void)state;
  assert_int_equal(ask(GOOD, "rubbish\n{}\n"), 400);
  assert_non_null(strstr(answer.body, "\"accepted\":0,\"rejected_cnt\":2"));
  assert_int_equal(ask(GOOD, "\n \n"), 400);
  assert_int_equal(ask(GOOD, TRADE "x"), 400);
  assert_int_equal(
      ask(GOOD, "{\"instrument\":\"A.DESK\",\"kind\":\"control\",\"command\":\"halt\"}"), 400);
  assert_non_null(strstr(answer.body, "\"reason\":\"ignored\",\"key\":\"kind\""));
  assert_int_equal(tf_inbox_waiting(inbox), 0);
}

static void a_document_is_an_object_or_an_array(void **state) {
  (void)state;
  static const char                       document[] =
      "POST /v1/events HTTP/1.1\r\n" HOST AUTH "Content-Type: application/json\r\n";
  tf_inbox_message_t                      m;
  char                                    text[BODY_MAX];
  assert_int_equal(ask(document, " [\n " TRADE " ,\n\t" TRADE "\n]\n"), 200);
  assert_true(strncmp(answer.body, "{\"accepted\":2,", 14) == 0);
  assert_true(engine_takes(&m, text, sizeof text));
  assert_int_equal(ask(document,
                       "{\n\"instrument\":\"B.DESK\",\n\"kind\":\"trade\",\"side\":\"buy\","
                       "\n\"price\":1,\"qty\":1}"),
                   200);
  assert_int_equal(ask(document, "[" TRADE), 400);
  assert_int_equal(ask(document, "[]"), 400);
  assert_int_equal(ask(document, TRADE TRADE), 400);
}

static void the_number_of_lines_is_bounded(void **state) {
  (void)state;
  char text[BODY_MAX] = "";
  for (uint32_t i = 0; i < EVENTS_MAX; i++) strcat(text, "{}\n");
  assert_int_equal(ask(GOOD, text), 400); /* as many as may be */
  strcat(text, "{}\n");
  assert_int_equal(ask(GOOD, text), 413);
}

static void more_bad_lines_than_are_told_are_counted(void **state) {
  (void)state;
  char text[BODY_MAX] = "";
  config.events_max   = 1000;
  for (uint32_t i = 0; i < 2 * TF_EVENT_POST_LINES_TOLD_MAX; i++)
    strcat(text, "{\"instrument\":7}\n");
  assert_int_equal(ask(GOOD, text), 400);
  assert_non_null(strstr(answer.body, "\"rejected_cnt\":128"));
  uint32_t told = 0;
  for (const char *at = answer.body; (at = strstr(at, "{\"line\":")) != NULL; at++) told++;
  assert_int_equal(told, TF_EVENT_POST_LINES_TOLD_MAX);
  assert_int_equal(answer.body[answer.body_cnt - 2], '}');
}

static size_t gzipped(const void *bytes, size_t cnt, uint8_t *to, size_t cap) {
  z_stream z = {.next_in   = (Bytef *)(uintptr_t)bytes,
                .avail_in  = (uInt)cnt,
                .next_out  = to,
                .avail_out = (uInt)cap};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return z.total_out;
}

static void a_gzip_body_is_inflated_as_far_as_a_body_may_be_long(void **state) {
  (void)state;
  static uint8_t packed[BODY_MAX];
  static char    plain[BODY_MAX + 2];
  const char    *gzip = GOOD "Content-Encoding: gzip\r\n";
  for (size_t cnt = BODY_MAX - 1; cnt <= BODY_MAX + 1; cnt++) {
    memset(plain, ' ', sizeof plain);
    memcpy(plain, TRADE, sizeof TRADE - 1);
    size_t n = gzipped(plain, cnt, packed, sizeof packed);
    assert_int_equal(ask_bytes(gzip, packed, n), cnt <= BODY_MAX ? 200 : 413);
    tf_inbox_message_t m;
    char               text[8];
    while (engine_takes(&m, text, sizeof text)) assert_int_equal(m.bytes_cnt, cnt);
  }
  size_t n = gzipped(TRADE, sizeof TRADE - 1, packed, sizeof packed);
  assert_int_equal(ask_bytes(gzip, packed, n - 1), 400);
  packed[n / 2] ^= 4;
  assert_int_equal(ask_bytes(gzip, packed, n), 400);
  assert_int_equal(ask_bytes(gzip, TRADE, sizeof TRADE - 1), 400);
}

static void a_full_inbox_is_answered_503_and_nothing_is_remembered(void **state) {
  (void)state;
  static char big[BODY_MAX];
  const char *keyed = GOOD "Idempotency-Key: k\r\n";
  memset(big, ' ', sizeof big);
  memcpy(big, TRADE, sizeof TRADE - 1);
  while (ask_bytes(GOOD, big, sizeof big) == 200) continue;
  assert_int_equal(answer.status, 503);
  assert_true(answer.is_busy && !answer.closes);
  assert_non_null(strstr(answer.headers, "Retry-After"));
  assert_int_equal(ask_bytes(keyed, big, sizeof big), 503);
  tf_inbox_message_t m;
  char               text[8];
  while (engine_takes(&m, text, sizeof text)) continue;
  assert_int_equal(ask_bytes(keyed, big, sizeof big), 200);
  assert_null(strstr(answer.body, "repeated"));
}

static void what_comes_again_under_its_key_is_not_taken_twice(void **state) {
  (void)state;
  tf_inbox_message_t m;
  char               text[256];
  const char        *keyed = GOOD "Idempotency-Key: order-7\r\n";
  assert_int_equal(ask(keyed, TRADE), 200);
  assert_int_equal(ask(keyed, TRADE), 409); /* the engine has it not yet */
  assert_true(engine_takes(&m, text, sizeof text));
  assert_int_equal(ask(keyed, TRADE), 200);
  assert_non_null(strstr(answer.body, "\"accepted\":1,\"rejected_cnt\":0,\"repeated\":true"));
  assert_int_equal(answer.ticket, 0);
  assert_int_equal(ask(keyed, TRADE "\n" TRADE), 422);
  assert_int_equal(tf_inbox_waiting(inbox), 0);
  assert_int_equal(ask(GOOD "Idempotency-Key: order-8\r\n", TRADE), 200);
  assert_int_equal(tf_inbox_waiting(inbox), 1);
  now_ns += TF_SEEN_NS;
  assert_int_equal(ask(keyed, TRADE), 200); /* forgotten */
  assert_null(strstr(answer.body, "repeated"));
}

/* ---- what it stands on ---- */

static void arrays_become_lines_in_place(void **state) {
  (void)state;
  static const struct {
    const char *text, *lines; /* NULL: refused */
  } rows[] = {
      {"{\"a\":1}",                 "{\"a\":1}"                 },
      {"\n {\"a\":\n1}\n",          "  {\"a\": 1} "             },
      {"[]",                        "  "                        },
      {"[1,2]",                     " 1\n2 "                    },
      {"[ [1,2] , {\"a\":[3,4]} ]", "  [1,2] \n {\"a\":[3,4]}  "},
      {"[\"],\\\"[\",1]",           " \"],\\\"[\"\n1 "          },
      {"[\"\\\\\",1]",              " \"\\\\\"\n1 "             },
      {"[1",                        NULL                        },
      {"[1}",                       NULL                        },
      {"[1,]",                      NULL                        },
      {"[,1]",                      NULL                        },
      {"[1,,2]",                    NULL                        },
      {"[1]x",                      NULL                        },
      {"[1]]",                      NULL                        },
      {"[\"a",                      NULL                        },
      {"[\"a\nb\"]",                NULL                        },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char text[64];
    strcpy(text, rows[i].text);
    bool is_good = tf_json_lines(text, strlen(text));
    if (is_good != (rows[i].lines != NULL)) fail_msg("%s", rows[i].text);
    if (is_good) assert_string_equal(text, rows[i].lines);
  }
}

static void keys_are_seen_until_they_are_old_or_too_many(void **state) {
  (void)state;
  tf_seen_t *seen = malloc(sizeof *seen);
  tf_seen_init(seen);
  for (uint64_t k = 0; k <= TF_SEEN_MAX; k++) {
    assert_null(tf_seen_find(seen, k * 977, 5));
    tf_seen_add(seen, k * 977, k, k, 5);
    assert_int_equal(tf_seen_find(seen, k * 977, 5)->body, k);
  }
  assert_null(tf_seen_find(seen, 0, 5)); /* one too many came */
  for (uint64_t k = 1; k <= TF_SEEN_MAX; k++)
    assert_int_equal(tf_seen_find(seen, k * 977, 5)->ticket, k);
  assert_non_null(tf_seen_find(seen, 977, 5 + TF_SEEN_NS - 1));
  assert_null(tf_seen_find(seen, 977, 5 + TF_SEEN_NS));
  assert_int_equal(seen->first, seen->end);
  free(seen);
}

static void many_addresses_have_their_own_rates(void **state) {
  (void)state;
  tf_rate_t *rate = malloc(sizeof *rate);
  tf_rate_init(rate, 2);
  for (uint64_t a = 1; a <= 1000; a++) {
    assert_true(tf_rate_take(rate, a, 10 * SEC));
    assert_true(tf_rate_take(rate, a, 10 * SEC));
    assert_false(tf_rate_take(rate, a, 10 * SEC));
  }
  assert_true(tf_rate_take(rate, 500, 10 * SEC + SEC / 2));
  assert_false(tf_rate_take(rate, 500, 10 * SEC + SEC / 2));
  tf_rate_init(rate, 0);
  for (int i = 0; i < 1000; i++) assert_true(tf_rate_take(rate, 1, 10 * SEC));
  free(rate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_good_head_is_let_through),
      TEST(a_head_that_is_not_for_us_is_refused_with_the_reason),
      TEST(a_key_has_its_length),
      TEST(without_a_token_web_pages_may_not_speak),
      TEST(from_elsewhere_a_token_is_wanted),
      TEST(an_address_has_so_many_requests_a_second),
      TEST(lines_are_told_apart_and_the_good_ones_taken),
      TEST(of_nothing_good_nothing_is_taken),
      TEST(a_document_is_an_object_or_an_array),
      TEST(the_number_of_lines_is_bounded),
      TEST(more_bad_lines_than_are_told_are_counted),
      TEST(a_gzip_body_is_inflated_as_far_as_a_body_may_be_long),
      TEST(a_full_inbox_is_answered_503_and_nothing_is_remembered),
      TEST(what_comes_again_under_its_key_is_not_taken_twice),
      cmocka_unit_test(arrays_become_lines_in_place),
      cmocka_unit_test(keys_are_seen_until_they_are_old_or_too_many),
      cmocka_unit_test(many_addresses_have_their_own_rates),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
