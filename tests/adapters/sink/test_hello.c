/* A client's hello, binary and JSON: every cut of a good one, and everything that is none. */
#include "sink/hello.h"

#include <string.h>

#include "cmocka_tf.h"

static uint8_t    bytes[4096];
static tf_hello_t hello;
static char       why[TF_HELLO_WHY_BYTES];

static size_t make(uint64_t resume_from, uint8_t carries, uint16_t token_bytes) {
  tf_frame_header_t h = {.magic         = TF_FRAME_MAGIC,
                         .kind          = TF_FRAME_HELLO,
                         .version       = TF_FRAME_VERSION,
                         .payload_bytes = (uint32_t)sizeof(tf_frame_hello_t) + token_bytes};
  tf_frame_hello_t  p = {.resume_from = resume_from,
                         .version     = TF_FRAME_VERSION,
                         .token_bytes = token_bytes,
                         .carries     = carries};
  memcpy(bytes, &h, sizeof h);
  memcpy(bytes + sizeof h, &p, sizeof p);
  memset(bytes + sizeof h + sizeof p, 't', token_bytes);
  return sizeof h + sizeof p + token_bytes;
}

static int binary(size_t cnt) {
  why[0] = '\0';
  return tf_hello_read(TF_FORMAT_BINARY, bytes, cnt, &hello, why);
}

static int json(const char *text) {
  why[0] = '\0';
  return tf_hello_read(TF_FORMAT_JSON, (const uint8_t *)text, strlen(text), &hello, why);
}

static void refused_with(int got, const char *text) {
  assert_int_equal(got, -1);
  if (!strstr(why, text)) fail_msg("\"%s\" is not in: %s", text, why);
  for (const char *c = why; *c; c++) assert_true(*c >= ' ' && *c <= '~' && *c != '"');
}

static void a_hello_is_read_whole_and_not_before(void **state) {
  (void)state;
  size_t cnt = make(17, TF_CARRIES_QUOTES, 5);
  for (size_t cut = 0; cut < cnt; cut++) assert_int_equal(binary(cut), 0);
  assert_int_equal(binary(cnt), cnt);
  assert_int_equal(binary(cnt + 100), cnt); /* what follows is not its own */
  assert_int_equal(hello.resume_from, 17);
  assert_int_equal(hello.carries, TF_CARRIES_QUOTES);
  assert_int_equal(hello.token_bytes, 5);
  assert_string_equal(hello.token, "ttttt");
}

static void sizes_hold_exactly(void **state) {
  (void)state;
  static const struct {
    uint16_t token;
    bool     ok;
  } of[] = {
      {0,                            true },
      {TF_FRAME_TOKEN_BYTES_MAX - 1, true },
      {TF_FRAME_TOKEN_BYTES_MAX,     true },
      {TF_FRAME_TOKEN_BYTES_MAX + 1, false}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(of); i++) {
    size_t cnt = make(1, 0, of[i].token);
    if (of[i].ok)
      assert_int_equal(binary(cnt), cnt);
    else
      refused_with(binary(cnt), "token_bytes 513 in a payload of 529");
  }
  for (uint32_t payload = TF_FRAME_HELLO_BYTES_MAX - 1; payload <= TF_FRAME_HELLO_BYTES_MAX + 1;
       payload++) {
    make(1, 0, 0);
    memcpy(bytes + offsetof(tf_frame_header_t, payload_bytes), &payload, sizeof payload);
    if (payload <= TF_FRAME_HELLO_BYTES_MAX)
      assert_int_equal(binary(TF_FRAME_HEADER_BYTES), 0); /* it may still come */
    else
      refused_with(binary(TF_FRAME_HEADER_BYTES), "payload of 1025 bytes; 16 to 1024 are allowed");
  }
  uint32_t small = 15;
  make(1, 0, 0);
  memcpy(bytes + offsetof(tf_frame_header_t, payload_bytes), &small, sizeof small);
  refused_with(binary(TF_FRAME_HEADER_BYTES), "payload of 15 bytes");
}

/* Byte at of a good hello set to value must be refused with text. */
static void a_wrong_byte(size_t at, uint8_t value, const char *text) {
  size_t cnt = make(1, 0, 4);
  bytes[at]  = value;
  refused_with(binary(cnt), text);
}

static void what_is_none_is_refused_at_its_first_wrong_byte(void **state) {
  (void)state;
  memcpy(bytes, "GET / HTTP/1.1\r\n", 16);
  refused_with(binary(1), "does not begin with the four bytes TFF1");
  a_wrong_byte(0, 0, "TFF1");
  a_wrong_byte(3, '2', "TFF1");
  a_wrong_byte(4, TF_FRAME_WELCOME, "frame kind 2; a client begins with 1");
  a_wrong_byte(5, 2, "frame version 2; this listener speaks 1");
  a_wrong_byte(6, 1, "must be 0");                          /* record_cnt */
  a_wrong_byte(12, 1, "must be 0");                         /* crc32c */
  a_wrong_byte(16, 1, "must be 0");                         /* first_seq */
  a_wrong_byte(24, 1, "must be 0");                         /* prev_seq */
  a_wrong_byte(40, 2, "version 2; this listener speaks 1"); /* the hello's own */
  a_wrong_byte(42, 3, "token_bytes 3 in a payload of 20");  /* a byte too few */
  a_wrong_byte(42, 5, "token_bytes 5 in a payload of 20");  /* and too many */
  a_wrong_byte(44, TF_CARRIES_CNT, "carries 4; 0 to 3 are known");
}

static void a_json_hello_says_what_it_wants(void **state) {
  (void)state;
  static const char whole[] =
      "{\"type\":\"hello\",\"resume_from\":17,\"token\":\"s3cret\",\"carries\":\"events\"}\n";
  for (size_t cut = 0; cut + 1 < sizeof whole; cut++)
    assert_int_equal(tf_hello_read(TF_FORMAT_JSON, (const uint8_t *)whole, cut, &hello, why), 0);
  assert_int_equal(json(whole), sizeof whole - 1);
  assert_int_equal(hello.resume_from, 17);
  assert_int_equal(hello.carries, TF_CARRIES_EVENTS);
  assert_string_equal(hello.token, "s3cret");
  assert_true(json("{\"type\":\"hello\"}\n") > 0);
  assert_true(hello.resume_from == TF_FRAME_RESUME_NEXT);
  assert_int_equal(hello.carries, TF_HELLO_CARRIES_ANY);
  assert_int_equal(hello.token_bytes, 0);
  assert_true(json("{\"type\":\"hello\",\"resume_from\":\"oldest\"}\n") > 0);
  assert_true(hello.resume_from == TF_FRAME_RESUME_OLDEST);
  assert_true(json("{\"type\":\"hello\",\"resume_from\":\"next\"}\r\n") > 0);
  assert_true(hello.resume_from == TF_FRAME_RESUME_NEXT);
}

static void json_that_is_no_hello_is_refused_and_not_quoted(void **state) {
  (void)state;
  refused_with(json("TFF1"), "does not begin with {");
  refused_with(json("{\"type\":\"hello\",\"token\":\"s3cret\" oops}\n"), "wrong at byte");
  assert_null(strstr(why, "s3cret"));
  refused_with(json("{\"type\":\"hello\",\"type\":\"hello\"}\n"), "no JSON object");
  refused_with(json("{\"type\":\"hi\"}\n"), "type hello");
  refused_with(json("{\"type\":1}\n"), "type hello");
  refused_with(json("{}\n"), "type hello");
  refused_with(json("{\"type\":\"hello\",\"resume_from\":-1}\n"), "resume_from is a number from 0");
  refused_with(json("{\"type\":\"hello\",\"resume_from\":1.5}\n"), "resume_from");
  refused_with(json("{\"type\":\"hello\",\"resume_from\":\"last\"}\n"), "resume_from");
  refused_with(json("{\"type\":\"hello\",\"resume_from\":18446744073709551616}\n"), "no JSON");
  refused_with(json("{\"type\":\"hello\",\"token\":7}\n"), "token is a text");
  refused_with(json("{\"type\":\"hello\",\"carries\":\"orders\"}\n"),
               "carries is decisions, events");
  refused_with(json("{\"type\":\"hello\",\"resume\\u0022\":1}\n"), "key resume? is not known");
  refused_with(json("{\"type\":\"hello\",\"token\":\"a\\u0000b\"}\n"), "no JSON object");
}

static void a_json_line_has_its_limit(void **state) {
  (void)state;
  for (int over = -1; over <= 1; over++) {
    size_t cnt = (size_t)((int)TF_FRAME_HELLO_BYTES_MAX + over);
    memset(bytes, ' ', cnt);
    memcpy(bytes, "{\"type\":\"hello\"}", 16);
    bytes[cnt - 1] = '\n';
    int got        = tf_hello_read(TF_FORMAT_JSON, bytes, cnt, &hello, why);
    if (over <= 0)
      assert_int_equal(got, cnt);
    else
      refused_with(got, "no line feed in 1024 bytes");
  }
  for (uint32_t token = TF_FRAME_TOKEN_BYTES_MAX - 1; token <= TF_FRAME_TOKEN_BYTES_MAX + 1;
       token++) {
    char text[1024];
    int  cnt =
        snprintf(text, sizeof text, "{\"type\":\"hello\",\"token\":\"%0*d\"}\n", (int)token, 0);
    if (token <= TF_FRAME_TOKEN_BYTES_MAX)
      assert_int_equal(json(text), cnt);
    else
      refused_with(json(text), "token is a text of at most 512 bytes");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_hello_is_read_whole_and_not_before),
      cmocka_unit_test(sizes_hold_exactly),
      cmocka_unit_test(what_is_none_is_refused_at_its_first_wrong_byte),
      cmocka_unit_test(a_json_hello_says_what_it_wants),
      cmocka_unit_test(json_that_is_no_hello_is_refused_and_not_quoted),
      cmocka_unit_test(a_json_line_has_its_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
