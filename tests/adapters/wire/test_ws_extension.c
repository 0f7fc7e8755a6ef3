/* permessage-deflate in the handshake: answers and offers, right and wrong. */
#include "wire/ws_extension.h"

#include <stdio.h>
#include <string.h>

#include "cmocka_tf.h"

static tf_http_head_t head;

/* lines: the extension headers, "\n" between several. */
static void read_head(const char *lines) {
  char   text[4096];
  size_t used;
  int    at = snprintf(text, sizeof text, "HTTP/1.1 101 x\r\n");
  for (const char *p = lines; p && *p;) {
    const size_t cnt = strcspn(p, "\n");
    at += snprintf(text + at, sizeof text - (size_t)at, "Sec-WebSocket-Extensions: %.*s\r\n",
                   (int)cnt, p);
    p += cnt + (p[cnt] == '\n');
  }
  at += snprintf(text + at, sizeof text - (size_t)at, "\r\n");
  tf_http_head_init(&head, TF_HTTP_RESPONSE);
  assert_int_equal(tf_http_head_feed(&head, (const uint8_t *)text, (size_t)at, &used),
                   TF_HTTP_DONE);
}

static void a_client_takes_only_an_answer_to_its_offer(void **state) {
  (void)state;
#define PMD "permessage-deflate"
  static const tf_ws_deflate_params_t plain = {.client_max_window_bits = 15}, bare = {0},
                                      small = {.server_max_window_bits     = 10,
                                               .client_max_window_bits     = 9,
                                               .server_no_context_takeover = true};
  static const struct {
    const char                   *answer, *fault; /* fault NULL: taken; "": none was in use */
    const tf_ws_deflate_params_t *offer;
    tf_ws_deflate_params_t        agreed;
  } cases[] = {
  /* clang-format off */
      {"", "", &plain, {0}},
      {PMD, NULL, &plain, {false, false, 15, 15}},
      {"Permessage-Deflate ; Server_No_Context_Takeover", NULL, &plain, {true, false, 15, 15}},
      {PMD "; client_no_context_takeover", NULL, &plain, {false, true, 15, 15}},
      {PMD "; server_max_window_bits=8", NULL, &plain, {false, false, 8, 15}},
      {PMD "; server_max_window_bits=15; client_max_window_bits=15", NULL, &plain, {false, false, 15, 15}},
      {PMD ";client_max_window_bits=\"8\"", NULL, &plain, {false, false, 15, 8}},
      {" , " PMD " ,", NULL, &plain, {false, false, 15, 15}},
      {PMD "; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9", NULL, &small, {true, false, 10, 9}},
      {PMD "; server_no_context_takeover; server_max_window_bits=9", NULL, &small, {true, false, 9, 15}},
      {PMD "; server_max_window_bits=7", "8 to 15", &plain, {0}},
      {PMD "; server_max_window_bits=16", "8 to 15", &plain, {0}},
      {PMD "; server_max_window_bits=08", "8 to 15", &plain, {0}},
      {PMD "; server_max_window_bits=x", "8 to 15", &plain, {0}},
      {PMD "; server_max_window_bits=100", "8 to 15", &plain, {0}},
      {PMD "; server_max_window_bits", "8 to 15", &plain, {0}},
      {PMD "; client_max_window_bits", "without a number", &plain, {0}},
      {PMD "; client_max_window_bits=7", "8 to 15", &plain, {0}},
      {PMD "; client_max_window_bits=16", "8 to 15", &plain, {0}},
      {PMD "; client_max_window_bits=10", "not offered", &bare, {0}},
      {PMD "; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=10", "not offered", &small, {0}},
      {PMD "; server_max_window_bits=10", "not granted", &small, {0}},
      {PMD "; server_no_context_takeover", "larger server window", &small, {0}},
      {PMD "; server_no_context_takeover; server_max_window_bits=11", "larger server window", &small, {0}},
      {PMD "; server_max_window_bits=9; server_max_window_bits=9", "twice", &plain, {0}},
      {PMD "; client_max_window_bits=9; client_max_window_bits=9", "twice", &plain, {0}},
      {PMD "; server_no_context_takeover; server_no_context_takeover", "twice", &plain, {0}},
      {PMD "; client_no_context_takeover=1", "a value", &plain, {0}},
      {PMD "; server_no_context_takeover=\"\"", "malformed", &plain, {0}},
      {PMD "; unknown", "has not", &plain, {0}},
      {PMD ", " PMD, "twice", &plain, {0}},
      {PMD "\n" PMD, "twice", &plain, {0}},
      {"x-webkit-deflate-frame", "not offered", &plain, {0}},
      {PMD ", x", "not offered", &plain, {0}},
      {PMD, "not offered", NULL, {0}},
      {PMD ";", "malformed", &plain, {0}},
      {PMD " x", "malformed", &plain, {0}},
      {PMD "; =9", "malformed", &plain, {0}},
      {PMD "; server_max_window_bits=", "malformed", &plain, {0}},
      {PMD "; server_max_window_bits=\"9", "malformed", &plain, {0}},
      {PMD "; server_max_window_bits=\"1 0\"", "malformed", &plain, {0}},
      {PMD "; a=b c", "malformed", &plain, {0}},
      {"@", "malformed", &plain, {0}},
      {" \n" PMD, "malformed", &plain, {0}},
  /* clang-format on */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    bool                   accepted;
    tf_ws_deflate_params_t agreed;
    read_head(cases[i].answer);
    const char *fault = tf_ws_extension_check(&head, cases[i].offer, &accepted, &agreed);
    if (cases[i].fault && cases[i].fault[0]) {
      if (!fault || !strstr(fault, cases[i].fault))
        print_error("\"%s\": %s\n", cases[i].answer, fault ? fault : "taken");
      assert_non_null(fault);
      assert_non_null(strstr(fault, cases[i].fault));
      continue;
    }
    if (fault) print_error("\"%s\": %s\n", cases[i].answer, fault);
    assert_null(fault);
    assert_int_equal(accepted, cases[i].fault == NULL);
    if (accepted) assert_memory_equal(&agreed, &cases[i].agreed, sizeof agreed);
  }
}

static void a_server_takes_the_first_offer_that_fits(void **state) {
  (void)state;
  static const tf_ws_deflate_params_t any = {false, false, 15, 15}, small = {true, true, 10, 11};
  static const struct {
    const char                   *offers;
    const tf_ws_deflate_params_t *ours;
    const char                   *answer; /* NULL: none; "!": malformed */
  } cases[] = {
  /* clang-format off */
      {"", &any, NULL},
      {PMD, &any, PMD},
      {PMD "; client_max_window_bits", &any, PMD},
      {PMD "; client_max_window_bits=10", &any, PMD "; client_max_window_bits=10"},
      {PMD "; server_max_window_bits=15", &any, PMD "; server_max_window_bits=15"},
      {PMD "; server_max_window_bits=8", &any, PMD "; server_max_window_bits=8"},
      {PMD "; server_no_context_takeover; client_no_context_takeover", &any, PMD "; server_no_context_takeover; client_no_context_takeover"},
      {PMD "; server_max_window_bits=16, " PMD, &any, PMD},
      {PMD "; server_max_window_bits, " PMD "; server_max_window_bits=9", &any, PMD "; server_max_window_bits=9"},
      {PMD "; mode=1, x-foo; bar=\"baz\", " PMD "; client_no_context_takeover", &any, PMD "; client_no_context_takeover"},
      {PMD "; unknown\n" PMD "; server_no_context_takeover", &any, PMD "; server_no_context_takeover"},
      {"x-webkit-deflate-frame", &any, NULL},
      {PMD "; server_no_context_takeover=1", &any, NULL},
      {PMD, &small, NULL},
      {PMD ", " PMD "; client_max_window_bits", &small, PMD "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11"},
      {PMD "; client_max_window_bits=9; server_max_window_bits=12", &small, PMD "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9"},
      {PMD "; x=", &any, "!"},
      {PMD ", ;", &any, "!"},
      {"\"quoted\"", &any, "!"},
  /* clang-format on */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    bool                   accepted;
    tf_ws_deflate_params_t agreed;
    char                   answer[TF_WS_EXTENSION_CHARS] = "";
    read_head(cases[i].offers);
    const char *fault    = tf_ws_extension_choose(&head, cases[i].ours, &accepted, &agreed, answer);
    const char *expected = cases[i].answer;
    if (expected && expected[0] == '!') {
      assert_non_null(fault);
      continue;
    }
    assert_null(fault);
    if (accepted != (expected != NULL) || (expected && strcmp(answer, expected)))
      print_error("\"%s\": %s\n", cases[i].offers, answer);
    assert_int_equal(accepted, expected != NULL);
    if (!accepted) continue;
    assert_string_equal(answer, expected);
    /* A client that offered as much takes the answer, and both mean the same. */
    tf_ws_deflate_params_t read;
    read_head(answer);
    const tf_ws_deflate_params_t offer = {.client_max_window_bits = 15};
    assert_null(tf_ws_extension_check(&head, &offer, &accepted, &read));
    assert_memory_equal(&read, &agreed, sizeof read);
  }
}

static void an_offer_of_ours_is_an_offer_of_theirs(void **state) {
  (void)state;
  for (unsigned run = 0; run < 4 * 9 * 9; run++) {
    const tf_ws_deflate_params_t offer = {
        .server_no_context_takeover = run & 1,
        .client_no_context_takeover = run & 2,
        .server_max_window_bits     = (uint8_t)(run / 4 % 9 ? 7 + run / 4 % 9 : 0),
        .client_max_window_bits     = (uint8_t)(run / 36 ? 7 + run / 36 : 0)};
    const tf_ws_deflate_params_t any = {false, false, 15, 15};
    char                         text[TF_WS_EXTENSION_CHARS], answer[TF_WS_EXTENSION_CHARS];
    bool                         accepted;
    tf_ws_deflate_params_t       agreed, read;
    const size_t                 cnt = tf_ws_extension_offer(&offer, text);
    assert_int_equal(cnt, strlen(text));
    read_head(text);
    assert_null(tf_ws_extension_choose(&head, &any, &accepted, &agreed, answer));
    assert_true(accepted);
    read_head(answer);
    assert_null(tf_ws_extension_check(&head, &offer, &accepted, &read));
    assert_memory_equal(&read, &agreed, sizeof read);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_client_takes_only_an_answer_to_its_offer),
      cmocka_unit_test(a_server_takes_the_first_offer_that_fits),
      cmocka_unit_test(an_offer_of_ours_is_an_offer_of_theirs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
