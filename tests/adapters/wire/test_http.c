#include "wire/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"

static tf_http_head_t head;

/* Feeds text in two pieces, or byte by byte when cut is SIZE_MAX; each piece in a block of its own
 * size. Returns the outcome and how many bytes were taken. */
static int feed_head(tf_http_kind_t kind, const char *text, size_t cnt, size_t cut, size_t *taken) {
  int rc = TF_HTTP_MORE;
  tf_http_head_init(&head, kind);
  *taken = 0;
  for (size_t at = 0; at < cnt && rc == TF_HTTP_MORE;) {
    size_t   n = cut == SIZE_MAX ? 1 : at < cut ? cut : cnt - at, used;
    uint8_t *piece;
    if (n > cnt - at) n = cnt - at;
    piece = malloc(n);
    memcpy(piece, text + at, n);
    rc = tf_http_head_feed(&head, piece, n, &used);
    free(piece);
    if (rc == TF_HTTP_MORE) assert_int_equal(used, n);
    *taken += used;
    at += n;
  }
  return rc;
}

static void malformed_heads_are_refused_at_every_split(void **state) {
  (void)state;
  static const struct {
    const char    *text;
    size_t         cnt; /* 0: strlen */
    tf_http_kind_t kind;
  } cases[] = {
      {"HTTP/1.1 200 OK\n\n",                    0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\n\r\n",          0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",     0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",      0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",  0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", 0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",       0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",       0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\n: b\r\n\r\n",         0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA\r\n\r\n",           0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA(: b\r\n\r\n",       0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",     27, TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\x1b[0m\r\n\r\n", 0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 200 OK\r\nA: b\x7f\r\n\r\n",    0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 20 OK\r\n\r\n",                 0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 2000 OK\r\n\r\n",               0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 099 OK\r\n\r\n",                0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1 600 OK\r\n\r\n",                0,  TF_HTTP_RESPONSE},
      {"HTTP/1.1  200 OK\r\n\r\n",               0,  TF_HTTP_RESPONSE},
      {"HTTP/2.0 200 OK\r\n\r\n",                0,  TF_HTTP_RESPONSE},
      {"HTTP/1.2 200 OK\r\n\r\n",                0,  TF_HTTP_RESPONSE},
      {"HTTP/0.9 200 OK\r\n\r\n",                0,  TF_HTTP_RESPONSE},
      {"http/1.1 200 OK\r\n\r\n",                0,  TF_HTTP_RESPONSE},
      {"ICY 200 OK\r\n\r\n",                     0,  TF_HTTP_RESPONSE},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n",            0,  TF_HTTP_RESPONSE},
      {"GET / HTTP/1.1\n\n",                     0,  TF_HTTP_REQUEST },
      {"GET /\r\n\r\n",                          0,  TF_HTTP_REQUEST },
      {"GET  / HTTP/1.1\r\n\r\n",                0,  TF_HTTP_REQUEST },
      {"GET / x HTTP/1.1\r\n\r\n",               0,  TF_HTTP_REQUEST },
      {"GET / HTTP/1.1 \r\n\r\n",                0,  TF_HTTP_REQUEST },
      {"GET / HTTP/3.0\r\n\r\n",                 0,  TF_HTTP_REQUEST },
      {"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",         0,  TF_HTTP_REQUEST },
      {" GET / HTTP/1.1\r\n\r\n",                0,  TF_HTTP_REQUEST },
      {"G(T / HTTP/1.1\r\n\r\n",                 0,  TF_HTTP_REQUEST },
      {"GET\t/\tHTTP/1.1\r\n\r\n",               0,  TF_HTTP_REQUEST },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    const size_t cnt = cases[i].cnt ? cases[i].cnt : strlen(cases[i].text);
    size_t       taken;
    for (size_t cut = 1; cut <= cnt; cut++) {
      const int rc = feed_head(cases[i].kind, cases[i].text, cnt, cut, &taken);
      if (rc != E_WIRE_HTTP) print_error("case %zu cut at %zu: %s\n", i, cut, cases[i].text);
      assert_int_equal(rc, E_WIRE_HTTP);
    }
    assert_int_equal(feed_head(cases[i].kind, cases[i].text, cnt, SIZE_MAX, &taken), E_WIRE_HTTP);
  }
}

static void a_folded_header_is_named_in_the_error(void **state) {
  (void)state;
  size_t taken;
  feed_head(TF_HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 30, 30, &taken);
  assert_non_null(strstr(tf_error_text(), "obs-fold"));
}

static void a_response_is_read_at_every_split_and_what_is_glued_behind_is_left(void **state) {
  (void)state;
  static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nUPGRADE:websocket \r\n"
                             "connection: keep-alive,\tUpgrade\r\nX-Empty:\r\nX:  a b\t \r\n\r\n"
                             "\x81\x05hello";
  const size_t      cnt = sizeof text - 1, head_cnt = cnt - 7;
  for (size_t cut = 1; cut <= cnt; cut++) {
    const char *value;
    size_t      taken;
    assert_int_equal(feed_head(TF_HTTP_RESPONSE, text, cnt, cut, &taken), TF_HTTP_DONE);
    assert_int_equal(taken, head_cnt);
    assert_int_equal(head.status, 101);
    assert_string_equal(head.reason, "Switching Protocols");
    assert_int_equal(head.header_cnt, 4);
    assert_int_equal(tf_http_head_get(&head, "upgrade", &value), 9);
    assert_memory_equal(value, "websocket", 9);
    assert_int_equal(tf_http_head_get(&head, "x-empty", &value), 0);
    assert_int_equal(tf_http_head_get(&head, "x", &value), 3);
    assert_memory_equal(value, "a b", 3);
    assert_int_equal(tf_http_head_get(&head, "none", &value), -1);
    assert_true(tf_http_head_has_token(&head, "connection", "upgrade"));
    assert_true(tf_http_head_has_token(&head, "connection", "keep-alive"));
    assert_false(tf_http_head_has_token(&head, "connection", "keep"));
  }
}

static void a_request_is_read_at_every_split(void **state) {
  (void)state;
  static const char text[] =
      "POST /api/v3/depth?symbol=BTCUSDT HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n";
  for (size_t cut = 1; cut < sizeof text; cut++) {
    const char *value;
    size_t      taken;
    assert_int_equal(feed_head(TF_HTTP_REQUEST, text, sizeof text - 1, cut, &taken), TF_HTTP_DONE);
    assert_string_equal(head.method, "POST");
    assert_string_equal(head.target, "/api/v3/depth?symbol=BTCUSDT");
    assert_int_equal(head.minor_version, 0);
    assert_int_equal(tf_http_head_get(&head, "host", &value), -2);
    assert_false(tf_http_head_keep_alive(&head));
  }
}

static void head_limits_hold_at_n_and_n_plus_1(void **state) {
  (void)state;
  static char text[TF_HTTP_HEAD_BYTES_MAX + 64];
  size_t      taken;
  for (int extra = -1; extra <= 1; extra++) {
    const size_t cnt = (size_t)(TF_HTTP_HEAD_BYTES_MAX + extra);
    const int    at  = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nA: ");
    memset(text + at, 'x', sizeof text - (size_t)at);
    memcpy(text + cnt - 4, "\r\n\r\n", 4);
    assert_int_equal(feed_head(TF_HTTP_RESPONSE, text, cnt, 1000, &taken),
                     extra > 0 ? E_WIRE_HTTP : TF_HTTP_DONE);
    if (extra > 0) continue;
    assert_int_equal(taken, cnt);
  }
  for (int header_cnt = 63; header_cnt <= 65; header_cnt++) {
    int at = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < header_cnt; i++)
      at += snprintf(text + at, sizeof text - (size_t)at, "h%d: v\r\n", i);
    at += snprintf(text + at, sizeof text - (size_t)at, "\r\n");
    assert_int_equal(feed_head(TF_HTTP_RESPONSE, text, (size_t)at, SIZE_MAX, &taken),
                     header_cnt > TF_HTTP_HEADERS_MAX ? E_WIRE_HTTP : TF_HTTP_DONE);
  }
}

static void retry_after_is_read_as_number_and_as_date(void **state) {
  (void)state;
  static const struct {
    const char *headers;
    uint32_t    seconds;
    /* clang-format off */
  } cases[] = {
      {"Retry-After: 120", 120},
      {"Retry-After: 0", 0},
      {"Retry-After: 99999999999999", 86400},
      {"Retry-After: 12x", UINT32_MAX},
      {"Retry-After:", UINT32_MAX},
      {"Retry-After: -5", UINT32_MAX},
      {"X: y", UINT32_MAX},
      {"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", UINT32_MAX}, /* no Date to compare with */
      {"Date: Fri, 31 Dec 1999 23:59:00 GMT\r\nRetry-After: Sat, 01 Jan 2000 00:00:30 GMT", 90},
      {"Date: Mon, 28 Feb 2000 23:59:59 GMT\r\nRetry-After: Tue, 29 Feb 2000 00:00:09 GMT", 10},
      {"Date: Tue, 28 Feb 2023 23:59:59 GMT\r\nRetry-After: Wed, 01 Mar 2023 00:00:00 GMT", 1},
      {"Date: Thu, 29 Feb 2024 23:59:59 GMT\r\nRetry-After: Fri, 01 Mar 2024 00:00:00 GMT", 1},
      {"Date: Fri, 01 Mar 2024 00:00:00 GMT\r\nRetry-After: Thu, 29 Feb 2024 23:59:59 GMT", 0},
      {"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nRetry-After: Fri, 01 Jan 2027 00:00:00 GMT", 86400},
      {"Date: Fri, 31 Dec 1999 23:59:00 GMT\r\nRetry-After: Sat, 41 Jan 2000 00:00:30 GMT",
       UINT32_MAX},
      {"Date: Fri, 31 Dec 1999 23:59:00 GMT\r\nRetry-After: Sat, 01 Foo 2000 00:00:30 GMT",
       UINT32_MAX},
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    char   text[512];
    size_t taken;
    int    cnt = snprintf(text, sizeof text, "HTTP/1.1 429 Too Many Requests\r\n%s\r\n\r\n",
                          cases[i].headers);
    assert_int_equal(feed_head(TF_HTTP_RESPONSE, text, (size_t)cnt, SIZE_MAX, &taken),
                     TF_HTTP_DONE);
    assert_int_equal(tf_http_head_retry_after_s(&head), cases[i].seconds);
  }
}

/* --- bodies --- */

typedef struct body_case {
  const char *text; /* head and body */
  const char *body; /* NULL: refused */
  bool        eof;  /* the peer closes behind it */
  const char *method;
  size_t      bytes_max; /* 0: 64 */
  const char *left;      /* what is not taken */
} body_case_t;

static void run_body(const body_case_t *c, size_t cut) {
  const size_t   cnt = strlen(c->text), bytes_max = c->bytes_max ? c->bytes_max : 64;
  size_t         used, at;
  tf_http_body_t body;
  int            rc = feed_head(TF_HTTP_RESPONSE, c->text, cnt, cnt, &at);
  assert_int_equal(rc, TF_HTTP_DONE);
  uint8_t *bytes = malloc(bytes_max + TF_BYTES_PAD);
  rc             = tf_http_body_init(&body, &head, c->method, bytes, bytes_max);
  while (rc == TF_HTTP_MORE && at < cnt) {
    const size_t n     = cnt - at < cut ? cnt - at : cut;
    uint8_t     *piece = malloc(n);
    memcpy(piece, c->text + at, n);
    rc = tf_http_body_feed(&body, piece, n, &used);
    free(piece);
    at += used;
    if (rc == TF_HTTP_MORE) assert_int_equal(used, n);
  }
  if (rc == TF_HTTP_MORE && c->eof) rc = tf_http_body_eof(&body);
  if (rc != (c->body ? TF_HTTP_DONE : E_WIRE_HTTP)) print_error("%zu: %s\n", cut, c->text);
  assert_int_equal(rc, c->body ? TF_HTTP_DONE : E_WIRE_HTTP);
  if (c->body) {
    assert_int_equal(body.bytes_cnt, strlen(c->body));
    assert_memory_equal(body.bytes, c->body, body.bytes_cnt);
    assert_string_equal(c->text + at, c->left ? c->left : "");
  }
  free(bytes);
}

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

/* clang-format off */
static const body_case_t body_cases[] = {
    {OK "Content-Length: 5\r\n\r\nhello", "hello", false, "GET", 0, NULL},
    {OK "Content-Length: 5\r\n\r\nhelloHTTP/1.1", "hello", false, "GET", 0, "HTTP/1.1"},
    {OK "Content-Length: 0\r\n\r\nx", "", false, "GET", 0, "x"},
    {OK "Content-Length: 5\r\n\r\nhell", NULL, true, "GET", 0, NULL},
    {OK "Content-Length: 5\r\n\r\n", "", false, "HEAD", 0, NULL},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", false, "GET", 0, NULL},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", false, "GET", 0, NULL},
    {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", NULL, false, "GET", 0, NULL},
    {OK "Content-Length: 5, 5\r\n\r\nhello", NULL, false, "GET", 0, NULL},
    {OK "Content-Length: +5\r\n\r\nhello", NULL, false, "GET", 0, NULL},
    {OK "Content-Length: -1\r\n\r\nhello", NULL, false, "GET", 0, NULL},
    {OK "Content-Length:\r\n\r\nhello", NULL, false, "GET", 0, NULL},
    {OK "Content-Length: 18446744073709551617\r\n\r\nx", NULL, false, "GET", 0, NULL},
    {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL, false, "GET", 0,
     NULL},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {OK "Transfer-Encoding: identity\r\n\r\n", NULL, false, "GET", 0, NULL},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL, false,
     "GET", 0, NULL},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {OK "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", NULL, false, "GET", 0, NULL},
    {OK "Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", "hi", false, "GET", 0, NULL},
    {OK "\r\nuntil the end", "until the end", true, "GET", 0, NULL},
    {OK "Content-Length: 3\r\n\r\nabc", "abc", false, "GET", 4, NULL},
    {OK "Content-Length: 4\r\n\r\nabcd", "abcd", false, "GET", 4, NULL},
    {OK "Content-Length: 5\r\n\r\nabcde", NULL, false, "GET", 4, NULL},
    {OK "\r\nabcd", "abcd", true, "GET", 4, NULL},
    {OK "\r\nabcde", NULL, true, "GET", 4, NULL},
    {CHUNKED "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", "abcd", false, "GET", 4, NULL},
    {CHUNKED "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", NULL, false, "GET", 4, NULL},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\nnext", "hello", false, "GET", 0, "next"},
    {CHUNKED "5;a=b; c=\"d\"\r\nhello\r\n6 \r\n world\r\n0;x\r\nT: 1\r\nU: 2\r\n\r\n",
     "hello world", false, "GET", 0, NULL},
    {CHUNKED "00005\r\nhello\r\n000\r\n\r\n", "hello", false, "GET", 0, NULL},
    {CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", false,
     "GET", 0, NULL},
    {CHUNKED "5\r\nhello\r\n", NULL, true, "GET", 0, NULL},
    {CHUNKED "5\r\nhello\r\n0\r\n", NULL, true, "GET", 0, NULL},
    {CHUNKED "5\nhello\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "5\r\nhello0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "5\r\nhello!\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "\r\nhello\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED ";x\r\nhello\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "-5\r\nhello\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "g\r\nhello\r\n0\r\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "ffffffffffffffff\r\nx", NULL, false, "GET", 0, NULL},
    {CHUNKED "10000000000000005\r\nhello", NULL, false, "GET", 0, NULL},
    {CHUNKED "5\r\nhello\r\n0\r\nT: 1\n\r\n", NULL, false, "GET", 0, NULL},
    {CHUNKED "5\r\nhello\r\n0\r\n\rx", NULL, false, "GET", 0, NULL},
};
/* clang-format on */

static void bodies_end_where_their_length_says_at_every_split(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(body_cases); i++) {
    for (size_t cut = 1; cut < 24; cut++) run_body(&body_cases[i], cut);
    run_body(&body_cases[i], SIZE_MAX);
  }
}

static void endless_chunk_extensions_and_trailers_are_refused(void **state) {
  (void)state;
  static uint8_t filler[65536], bytes[16 + TF_BYTES_PAD];
  size_t         used, taken;
  tf_http_body_t body;
  memset(filler, 'x', sizeof filler);
  static const char *const begins[] = {"1;", "0\r\nT: "};
  static const size_t      limits[] = {TF_HTTP_CHUNK_LINE_BYTES_MAX, TF_HTTP_HEAD_BYTES_MAX};
  for (size_t i = 0; i < 2; i++) {
    feed_head(TF_HTTP_RESPONSE, CHUNKED, strlen(CHUNKED), SIZE_MAX, &taken);
    assert_int_equal(tf_http_body_init(&body, &head, "GET", bytes, 16), TF_HTTP_MORE);
    assert_int_equal(tf_http_body_feed(&body, (const uint8_t *)begins[i], strlen(begins[i]), &used),
                     TF_HTTP_MORE);
    assert_int_equal(tf_http_body_feed(&body, filler, limits[i] - 8, &used), TF_HTTP_MORE);
    assert_int_equal(tf_http_body_feed(&body, filler, 16, &used), E_WIRE_HTTP);
  }
}

/* --- writing --- */

static void what_would_smuggle_headers_in_is_not_written(void **state) {
  (void)state;
  char buf[1024];
  /* clang-format off */
  static const tf_http_request_t bad[] = {
      {.method = "GET", .host = "h\r\nX: y", .target = "/"},
      {.method = "GET", .host = "", .target = "/"},
      {.method = "GET", .host = "h/x", .target = "/"},
      {.method = "GET", .host = "h", .target = "/a b"},
      {.method = "GET", .host = "h", .target = "/\r\nX: y"},
      {.method = "GET", .host = "h", .target = "x"},
      {.method = "GE T", .host = "h", .target = "/"},
      {.method = "", .host = "h", .target = "/"},
      {.method = "GET", .host = "h", .target = "/", .port = "80\r\n"},
      {.method = "GET", .host = "h", .target = "/", .port = ""},
      {.method = "GET", .host = "h", .target = "/", .port = "123456"},
      {.method = "GET", .host = "h", .target = "/", .headers = "X: y"},
      {.method = "GET", .host = "h", .target = "/", .headers = "X: y\n"},
      {.method = "GET", .host = "h", .target = "/", .headers = "\r\n"},
      {.method = "GET", .host = "h", .target = "/", .headers = "X: y\r\n\r\n"},
      {.method = "GET", .host = "h", .target = "/", .headers = "Host: y\r\n"},
      {.method = "GET", .host = "h", .target = "/", .headers = "content-length: 1\r\n"},
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    assert_int_equal(tf_http_request_write(buf, sizeof buf, &bad[i]), E_WIRE_HTTP);
  assert_int_equal(tf_http_answer_write(buf, sizeof buf, 200, "a\r\nb", NULL, true, "", 0),
                   E_WIRE_HTTP);
  assert_int_equal(tf_http_answer_write(buf, sizeof buf, 101, NULL, NULL, true, "", 0),
                   E_WIRE_HTTP);
}

static void what_we_write_we_read_and_nothing_is_written_past_the_end(void **state) {
  (void)state;
  char                    buf[512];
  size_t                  taken;
  const char             *value;
  const tf_http_request_t request = {.method   = "POST",
                                     .host     = "api.example.com",
                                     .port     = "8443",
                                     .target   = "/x?y=1",
                                     .headers  = "X-Key: abc\r\nAccept: */*\r\n",
                                     .body     = "{}",
                                     .body_cnt = 2};
  const int               cnt     = tf_http_request_write(buf, sizeof buf, &request);
  assert_int_equal(feed_head(TF_HTTP_REQUEST, buf, (size_t)cnt, SIZE_MAX, &taken), TF_HTTP_DONE);
  assert_int_equal(taken, cnt - 2);
  assert_int_equal(tf_http_head_get(&head, "host", &value), 20);
  assert_memory_equal(value, "api.example.com:8443", 20);
  assert_int_equal(tf_http_head_get(&head, "content-length", &value), 1);
  assert_true(tf_http_head_get(&head, "user-agent", &value) > 8);
  for (size_t cap = 0; cap < (size_t)cnt; cap += 3) {
    char *small = malloc(cap ? cap : 1);
    assert_int_equal(tf_http_request_write(small, cap, &request), E_WIRE_HTTP);
    free(small);
  }
  const int answer_cnt = tf_http_answer_write(buf, sizeof buf, 429, "text/plain",
                                              "Retry-After: 7\r\n", false, "slow down", 9);
  assert_int_equal(feed_head(TF_HTTP_RESPONSE, buf, (size_t)answer_cnt, SIZE_MAX, &taken),
                   TF_HTTP_DONE);
  assert_int_equal(head.status, 429);
  assert_string_equal(head.reason, "Too Many Requests");
  assert_false(tf_http_head_keep_alive(&head));
  assert_int_equal(tf_http_head_retry_after_s(&head), 7);
  assert_memory_equal(buf + taken, "slow down", 9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(malformed_heads_are_refused_at_every_split),
      cmocka_unit_test(a_folded_header_is_named_in_the_error),
      cmocka_unit_test(head_limits_hold_at_n_and_n_plus_1),
      cmocka_unit_test(endless_chunk_extensions_and_trailers_are_refused),
      cmocka_unit_test(what_would_smuggle_headers_in_is_not_written),
      cmocka_unit_test(bodies_end_where_their_length_says_at_every_split),
      cmocka_unit_test(a_response_is_read_at_every_split_and_what_is_glued_behind_is_left),
      cmocka_unit_test(a_request_is_read_at_every_split),
      cmocka_unit_test(retry_after_is_read_as_number_and_as_date),
      cmocka_unit_test(what_we_write_we_read_and_nothing_is_written_past_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
