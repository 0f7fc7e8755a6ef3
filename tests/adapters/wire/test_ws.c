#include "wire/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "ws_script.h"

static uint32_t counting_key(void *self) {
  uint32_t *n = self;
  return 0x01020304u * ++*n;
}
static uint32_t key_state;

static uint8_t *assembly;
static uint8_t  stream[SCRIPT_BYTES_MAX];

static void start(tf_ws_t *ws, tf_ws_role_t role, ws_log_t *log) {
  const tf_ws_config_t config = {
      .role = role, .message_bytes_max = SCRIPT_BYTES_MAX, .random = {&key_state, counting_key}
  };
  const tf_ws_handler_t handler = script_handler(log);
  memset(log, 0, sizeof *log);
  log->ws = ws;
  assert_int_equal(tf_ws_init(ws, &config, &handler, assembly), 0);
}

typedef struct ws_case {
  const char   *name;
  const char   *sent;
  const char   *seen; /* NULL: the same as sent */
  tf_ws_fault_t fault;
  int           roles; /* 0: both; 1: client only; 2: server only */
} ws_case_t;

static void run_once(const ws_case_t *c, tf_ws_role_t role, size_t bytes_cnt, const char *expected,
                     size_t first_cnt, size_t piece_cnt) {
  tf_ws_t  ws;
  ws_log_t log;
  start(&ws, role, &log);
  const tf_err_t err = script_feed(&ws, stream, bytes_cnt, first_cnt, piece_cnt);
  if (ws.fault != c->fault || strcmp(log.text, expected) != 0)
    print_error("%s as %s, first piece %zu, pieces of %zu:\n fault %s, expected %s\n saw      %s\n "
                "expected %s\n",
                c->name, role == TF_WS_CLIENT ? "client" : "server", first_cnt, piece_cnt,
                tf_ws_fault_name((tf_ws_fault_t)ws.fault), tf_ws_fault_name(c->fault), log.text,
                expected);
  assert_int_equal(ws.fault, c->fault);
  assert_string_equal(log.text, expected);
  assert_int_equal(err != 0, c->fault != TF_WS_FAULT_NONE);
  assert_int_equal(ws.state == TF_WS_FAILED, c->fault != TF_WS_FAULT_NONE);
  assert_int_equal(ws.counts.bytes_rx, bytes_cnt);
  script_check_counts(&ws);
}

/* Whole, byte by byte, in odd chops, and cut in two at every position (of long streams: at every
 * position near both ends). */
static void run_case(const ws_case_t *c) {
  static char expected[SCRIPT_LOG_BYTES];
  script_normalise(c->seen ? c->seen : c->sent, expected, sizeof expected);
  for (int role = 0; role < 2; role++) {
    if (c->roles && c->roles != role + 1) continue;
    const size_t cnt = script_encode(c->sent, role == TF_WS_SERVER, stream);
    run_once(c, (tf_ws_role_t)role, cnt, expected, 0, 0);
    run_once(c, (tf_ws_role_t)role, cnt, expected, 0, 997);
    if (cnt < 8192) run_once(c, (tf_ws_role_t)role, cnt, expected, 0, 1);
    for (size_t cut = 1; cut < cnt; cut++) {
      if (cut > 40 && cnt > 700 && cnt - cut > 40) cut = cnt - 40;
      run_once(c, (tf_ws_role_t)role, cnt, expected, cut, 0);
    }
  }
}

static void run_table(const ws_case_t *cases, size_t cnt) {
  for (size_t i = 0; i < cnt; i++) run_case(&cases[i]);
}

#define RUN_TABLE(cases) run_table(cases, TF_ARRAY_CNT(cases))

static void framing_carries_every_length_form(void **state) {
  (void)state;
  static const ws_case_t cases[] = {
      {"1.1 text lengths",   "T: T:*1 T:*124 T:*125 T:*126 T:*127 T:*128 T:hello", NULL, 0, 0},
      {"1.1 text 65535",     "T:*65535 T:x",                                       NULL, 0, 0},
      {"1.1 text 65536",     "T:*65536 T:x",                                       NULL, 0, 0},
      {"1.1 text 65537",     "T:a T:*65537 T:x",                                   NULL, 0, 0},
      {"1.2 binary lengths", "B: B:#ff B:*125 B:*126 B:*127 B:*128 B:#00fe",       NULL, 0, 0},
      {"1.2 binary 65535",   "B:*65535",                                           NULL, 0, 0},
      {"1.2 binary 65536",   "B:*65536",                                           NULL, 0, 0},
      {"many in one",        "T:a B:b T:c T: B: T:defg P: T:h O: T:i",             NULL, 0, 0},
      {"nothing",            "",                                                   NULL, 0, 0},
  };
  RUN_TABLE(cases);
}

static void pings_and_pongs_come_at_their_place(void **state) {
  (void)state;
  /* clang-format off */
  static const ws_case_t cases[] = {
      {"2.1 empty", "P:", NULL, 0, 0},
      {"2.2 text", "P:hello", NULL, 0, 0},
      {"2.3 not UTF-8", "P:#00fffefdfcfb00ff", NULL, 0, 0},
      {"2.4 125 bytes", "P:*125", NULL, 0, 0},
      {"2.5 126 bytes", "P:*126", "", TF_WS_FAULT_CONTROL_LENGTH, 0},
      {"2.5 pong of 126 bytes", "T:a O:*126", "T:a", TF_WS_FAULT_CONTROL_LENGTH, 0},
      {"2.7 pong", "O:", NULL, 0, 0},
      {"2.8 pong with payload", "O:unasked", NULL, 0, 0},
      {"2.9 pong then ping", "O:unasked P:now", NULL, 0, 0},
      {"2.10 ten pings", "P:0 P:1 P:2 P:3 P:4 P:5 P:6 P:7 P:8 P:9", NULL, 0, 0},
  };
  /* clang-format on */
  RUN_TABLE(cases);
}

static void reserved_bits_fail_the_stream(void **state) {
  (void)state;
  for (int rsv = 1; rsv <= 7; rsv++) {
    static const int first[] = {0x81, 0x82, 0x89, 0x8A, 0x88, 0x80, 0x01};
    for (size_t f = 0; f < TF_ARRAY_CNT(first); f++) {
      char      sent[64];
      ws_case_t c = {"3 reserved bits", sent, "T:before", TF_WS_FAULT_RSV, 0};
      snprintf(sent, sizeof sent, "T:before R:%02x80 T:after P:", first[f] | rsv << 4);
      run_case(&c);
    }
  }
}

static void reserved_opcodes_fail_the_stream(void **state) {
  (void)state;
  for (int opcode = 3; opcode < 16; opcode++) {
    if (opcode >= 8 && opcode <= 10) continue;
    char      sent[64];
    ws_case_t c = {"4 reserved opcode", sent, "T:before", TF_WS_FAULT_OPCODE, 0};
    snprintf(sent, sizeof sent, "T:before R:%02x00 P:", 0x80 | opcode);
    run_case(&c);
    snprintf(sent, sizeof sent, "T:before R:%02x05aabbccddee P:", opcode);
    run_case(&c);
  }
}

static void fragments_make_one_message(void **state) {
  (void)state;
  /* clang-format off */
  static const ws_case_t cases[] = {
      {"5.1 fragmented ping", "p:frag C:ment", "", TF_WS_FAULT_CONTROL_FRAGMENTED, 0},
      {"5.2 fragmented pong", "o:frag C:ment", "", TF_WS_FAULT_CONTROL_FRAGMENTED, 0},
      {"fragmented close", "x: C:", "", TF_WS_FAULT_CONTROL_FRAGMENTED, 0},
      {"5.3 two fragments", "t:frag C:ment", "T:fragment", 0, 0},
      {"5.6 ping between", "t:frag P:ping C:ment", "P:ping T:fragment", 0, 0},
      {"5.9 continuation of nothing", "C:x T:hello", "", TF_WS_FAULT_CONTINUATION, 0},
      {"5.10 after a message", "T:a C:x T:hello", "T:a", TF_WS_FAULT_CONTINUATION, 0},
      {"5.12 unfinished continuation", "c:x T:hello", "", TF_WS_FAULT_CONTINUATION, 0},
      {"5.15 continuation behind the end", "t:a C:b c:c T:d C:e", "T:ab", TF_WS_FAULT_CONTINUATION,
       0},
      {"5.16 repeated", "c:f t:f C:f", "", TF_WS_FAULT_CONTINUATION, 0},
      {"5.18 two beginnings", "t:frag T:ment", "", TF_WS_FAULT_INTERLEAVED, 0},
      {"binary within text", "t:frag B:ment", "", TF_WS_FAULT_INTERLEAVED, 0},
      {"5.19 pings between five", "t:f1 c:f2 P:p1 c:f3 c:f4 P:p2 C:f5", "P:p1 P:p2 T:f1f2f3f4f5", 0,
       0},
      {"binary fragments", "b:#00 c:#ff c: C:#80 T:x", "B:#00ff80 T:x", 0, 0},
      {"empty fragments", "t: c: C: b: C:", "T: B:", 0, 0},
      {"10 auto-fragmentation", "t:*1300 c:*1300 c:*1300 C:*7", "T:*3907", 0, 0},
      {"control frames of all kinds between", "t:a P:1 O:2 c:b P: C:c", "P:1 O:2 P: T:abc", 0, 0},
  };
  /* clang-format on */
  RUN_TABLE(cases);
}

static void text_must_be_utf8_even_across_fragments(void **state) {
  (void)state;
  /* clang-format off */
  static const ws_case_t cases[] = {
      {"6.1 empty fragments", "t: c:middle C:", "T:middle", 0, 0},
      {"6.2 split inside a code point", "t:#cebae1 c:#bdb9cf c:#83cebc C:#ceb5", //
       "T:#cebae1bdb9cf83cebcceb5", 0, 0},
      {"6.2 between", "t:#cebae1bdb9cf83 C:#cebcceb5", "T:#cebae1bdb9cf83cebcceb5", 0, 0},
      {"6.3 invalid", "T:#cebae1bdb9cf83cebcceb5eda080656469746564", "", TF_WS_FAULT_UTF8, 0},
      {"6.3 invalid in a fragment", "t:#cebae1bdb9 c:#cf83cebcceb5eda080 C:#65", "",
       TF_WS_FAULT_UTF8, 0},
      {"6.4 overlong later", "t:#cebae1bdb9cf83cebcceb5 c:#f4908080 C:#65", "", TF_WS_FAULT_UTF8,
       0},
      {"incomplete at the end", "T:#e282 T:a", "", TF_WS_FAULT_UTF8, 0},
      {"incomplete at the end of fragments", "t:#e2 C:#82", "", TF_WS_FAULT_UTF8, 0},
      {"completed by a second message", "T:#e282 T:#ac", "", TF_WS_FAULT_UTF8, 0},
      {"a ping within a code point", "t:#e2 P:#82 C:#82ac", "P:#82 T:#e282ac", 0, 0},
      {"binary need not be", "B:#ff B:#c080 b:#ed C:#a080", "B:#ff B:#c080 B:#eda080", 0, 0},
      {"after a long ASCII run", "T:*300 T:#ff", "T:*300", TF_WS_FAULT_UTF8, 0},
  };
  /* clang-format on */
  RUN_TABLE(cases);
}

/* Group 6.5 to 6.23: by first and last of each form; each as one message and split in fragments. */
static void utf8_forms_are_judged_as_the_standard_does(void **state) {
  (void)state;
  static const struct {
    const char *hex;
    bool        valid;
  } forms[] = {
      {"00",           true },
      {"7f",           true },
      {"c280",         true },
      {"dfbf",         true },
      {"e0a080",       true },
      {"efbfbf",       true },
      {"f0908080",     true },
      {"f48fbfbf",     true },
      {"ed9fbf",       true },
      {"ee8080",       true },
      {"efbfbd",       true },
      {"f4908080",     false},
      {"f7bfbfbf",     false},
      {"f888808080",   false},
      {"fbbfbfbfbf",   false},
      {"fc8480808080", false},
      {"fdbfbfbfbfbf", false},
      {"80",           false},
      {"bf",           false},
      {"80bf",         false},
      {"80bf80bf80bf", false},
      {"c0",           false},
      {"df",           false},
      {"e0",           false},
      {"ef",           false},
      {"f0",           false},
      {"f7",           false},
      {"fe",           false},
      {"ff",           false},
      {"fefeffff",     false},
      {"e080",         false},
      {"f08080",       false},
      {"dfdf",         false},
      {"efbfefbf",     false},
      {"f7bfbf",       false},
      {"c0af",         false},
      {"e080af",       false},
      {"f08080af",     false},
      {"f8808080af",   false},
      {"c1bf",         false},
      {"e09fbf",       false},
      {"f08fbfbf",     false},
      {"c080",         false},
      {"e08080",       false},
      {"f0808080",     false},
      {"eda080",       false},
      {"edadbf",       false},
      {"edae80",       false},
      {"edafbf",       false},
      {"edb080",       false},
      {"edbe80",       false},
      {"edbfbf",       false},
      {"eda080edb080", false},
      {"edafbfedbfbf", false},
      {"efbfbe",       true },
      {"efb790",       true },
      {"f09fbfbe",     true },
      {"f0afbfbf",     true },
      {"f3bfbfbe",     true },
      {"efbbbf",       true },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(forms); i++) {
    const size_t byte_cnt = strlen(forms[i].hex) / 2;
    char         sent[128], seen[64];
    ws_case_t    c = {"6.5 to 6.23", sent, forms[i].valid ? seen : "",
                   forms[i].valid ? TF_WS_FAULT_NONE : TF_WS_FAULT_UTF8, 0};
    snprintf(sent, sizeof sent, "T:#%s", forms[i].hex);
    snprintf(seen, sizeof seen, "T:#%s", forms[i].hex);
    run_case(&c);
    for (size_t cut = 1; cut < byte_cnt; cut++) {
      snprintf(sent, sizeof sent, "t:#%.*s C:#%s", (int)(2 * cut), forms[i].hex,
               forms[i].hex + 2 * cut);
      run_case(&c);
    }
  }
}

static void bad_utf8_fails_before_its_frame_is_whole(void **state) {
  (void)state;
  tf_ws_t  ws;
  ws_log_t log;
  for (int role = 0; role < 2; role++) {
    start(&ws, (tf_ws_role_t)role, &log);
    const size_t cnt = script_encode("T:#cebaf4908080616263646566", role == TF_WS_SERVER, stream);
    const size_t head_cnt = role == TF_WS_SERVER ? 6 : 2;
    assert_int_equal(script_feed(&ws, stream, head_cnt + 3, 0, 1), 0);
    assert_int_equal(script_feed(&ws, stream + head_cnt + 3, 1, 0, 0), E_WIRE_WS_UTF8);
    assert_true(head_cnt + 4 < cnt);
  }
}

static void close_frames_are_checked_and_end_the_stream(void **state) {
  (void)state;
  /* clang-format off */
  static const ws_case_t cases[] = {
      {"7.1.1 data behind", "T:a X:#03e8 T:b", "T:a X:#03e8", 0, 0},
      {"7.1.2 second close", "X:#03e8 X:#03e8", "X:#03e8", 0, 0},
      {"7.1.3 ping behind", "X:#03e8 P:", "X:#03e8", 0, 0},
      {"7.1.4 text behind", "X: T:b", "X:", 0, 0},
      {"7.1.5 within a fragmented message", "t:a X:#03e8 C:b", "X:#03e8", 0, 0},
      {"garbage behind", "X:#03e8 R:ffffffff", "X:#03e8", 0, 0},
      {"7.3.1 no payload", "X:", NULL, 0, 0},
      {"7.3.2 one byte", "X:a", "", TF_WS_FAULT_CLOSE_PAYLOAD, 0},
      {"7.3.3 two bytes", "X:#03e8", NULL, 0, 0},
      {"7.3.4 reason", "X:#03e848656c6c6f", NULL, 0, 0},
      {"7.3.5 longest",
       "X:#" /* 2 + 123 bytes */
       "03e861616161616161616161616161616161616161616161616161616161616161616161616161616161616161"
       "616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161"
       "6161616161616161616161616161616161616161616161616161616161616161", NULL, 0, 0},
      {"7.3.6 too long", "X:*126", "", TF_WS_FAULT_CONTROL_LENGTH, 0},
      {"7.5 reason not UTF-8", "X:#03e8cebaedb080", "", TF_WS_FAULT_UTF8, 0},
      {"reason cut inside a code point", "X:#03e8e282", "", TF_WS_FAULT_UTF8, 0},
  };
  /* clang-format on */
  RUN_TABLE(cases);
  static const int valid[]   = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
  static const int invalid[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                1016, 1100, 2000, 2999, 5000, 65535};
  for (size_t i = 0; i < TF_ARRAY_CNT(valid) + TF_ARRAY_CNT(invalid); i++) {
    const bool good = i < TF_ARRAY_CNT(valid);
    const int  code = good ? valid[i] : invalid[i - TF_ARRAY_CNT(valid)];
    char       sent[64];
    ws_case_t  c = {"7.7 to 7.13", sent, good ? NULL : "",
                   good ? TF_WS_FAULT_NONE : TF_WS_FAULT_CLOSE_CODE, 0};
    snprintf(sent, sizeof sent, "X:#%04x", (unsigned)code);
    run_case(&c);
    snprintf(sent, sizeof sent, "X:#%04x6f6b", (unsigned)code);
    run_case(&c);
  }
}

static void headers_that_the_suite_never_tests_fail_too(void **state) {
  (void)state;
  /* clang-format off */
  static const ws_case_t cases[] = {
      {"masked from a server", "T:a R:818000000000", "T:a", TF_WS_FAULT_MASKED, 1},
      {"masked ping from a server", "R:898000000000", "", TF_WS_FAULT_MASKED, 1},
      {"masked and too long: the mask comes first", "R:89fe", "", TF_WS_FAULT_MASKED, 1},
      {"unmasked from a client", "T:a R:810161", "T:a", TF_WS_FAULT_UNMASKED, 2},
      {"unmasked close from a client", "R:8800", "", TF_WS_FAULT_UNMASKED, 2},
      {"16-bit length of 0", "R:817e0000", "", TF_WS_FAULT_LENGTH_FORM, 1},
      {"16-bit length of 125", "T:a R:827e007d T:b", "T:a", TF_WS_FAULT_LENGTH_FORM, 1},
      {"16-bit length of 125, masked", "R:82fe007d", "", TF_WS_FAULT_LENGTH_FORM, 2},
      {"64-bit length of 0", "R:827f0000000000000000", "", TF_WS_FAULT_LENGTH_FORM, 1},
      {"64-bit length of 65535", "R:827f000000000000ffff", "", TF_WS_FAULT_LENGTH_FORM, 1},
      {"64-bit length of 65535, masked", "R:82ff000000000000ffff", "", TF_WS_FAULT_LENGTH_FORM, 2},
      {"top bit", "R:827f8000000000000001", "", TF_WS_FAULT_LENGTH_TOP_BIT, 1},
      {"top bit, masked", "R:82ff80", "", TF_WS_FAULT_LENGTH_TOP_BIT, 2},
      {"2^63 - 1", "R:827f7fffffffffffffff", "", TF_WS_FAULT_MESSAGE_BYTES, 1},
      {"2^64 - 14: header and length wrap", "R:827ffffffffffffffff2", "",
       TF_WS_FAULT_LENGTH_TOP_BIT, 1},
      {"2^32 + 5", "R:827f0000000100000005", "", TF_WS_FAULT_MESSAGE_BYTES, 1},
      {"2^32 + 5 behind a fragment", "t:abc R:807f0000000100000005", "", TF_WS_FAULT_MESSAGE_BYTES,
       1},
  };
  /* clang-format on */
  RUN_TABLE(cases);
}

static void rejected_bytes_and_frames_are_counted_under_their_fault(void **state) {
  (void)state;
  tf_ws_t  ws;
  ws_log_t log;
  start(&ws, TF_WS_CLIENT, &log);
  const size_t good_cnt = script_encode("T:abc t:de P:x", false, stream);
  const size_t cnt      = script_encode("T:abc t:de P:x R:c101ff T:later", false, stream);
  assert_int_equal(script_feed(&ws, stream, cnt, good_cnt + 1, 0), E_WIRE_WS_PROTOCOL);
  assert_int_equal(script_feed(&ws, stream, 5, 0, 0), E_WIRE_WS_PROTOCOL);
  assert_int_equal(ws.counts.bytes_framed, good_cnt);
  assert_int_equal(ws.counts.bytes_rejected[TF_WS_FAULT_RSV], cnt - good_cnt + 5);
  assert_int_equal(ws.counts.frames_data, 2);
  assert_int_equal(ws.counts.frames_control, 1);
  assert_int_equal(ws.counts.frames_rejected[TF_WS_FAULT_RSV], 1);
  assert_int_equal(ws.counts.messages, 1);
  script_check_counts(&ws);

  start(&ws, TF_WS_CLIENT, &log);
  const size_t close_cnt = script_encode("X:#03e9", false, stream);
  assert_int_equal(script_feed(&ws, stream, close_cnt, 0, 0), 0);
  assert_int_equal(script_feed(&ws, stream, 3, 0, 1), 0);
  assert_int_equal(ws.counts.bytes_rejected[TF_WS_FAULT_AFTER_CLOSE], 3);
  assert_int_equal(ws.peer_close_code, 1001);
}

static void whole_messages_are_not_copied_and_cut_ones_are(void **state) {
  (void)state;
  tf_ws_t  ws;
  ws_log_t log;
  start(&ws, TF_WS_CLIENT, &log);
  size_t cnt = script_encode("T:*230 T:*230 B:*70000 T:", false, stream);
  assert_int_equal(script_feed(&ws, stream, cnt, 0, 0), 0);
  assert_int_equal(ws.counts.messages, 4);
  assert_int_equal(ws.counts.messages_assembled, 0);
  cnt = script_encode("T:*230 T:*230 T:*230", false, stream);
  assert_int_equal(script_feed(&ws, stream, cnt, cnt / 2, 0), 0);
  assert_int_equal(ws.counts.messages_assembled, 1);
  assert_int_equal(ws.counts.messages, 7);
}

static void a_stop_within_a_callback_is_the_last_callback(void **state) {
  (void)state;
  for (int role = 0; role < 2; role++) {
    for (int piece = 0; piece < 2; piece++) {
      tf_ws_t  ws;
      ws_log_t log;
      start(&ws, (tf_ws_role_t)role, &log);
      log.stop_after        = 2;
      const size_t seen_cnt = script_encode("T:a T:b", role == TF_WS_SERVER, stream);
      const size_t cnt      = script_encode("T:a T:b T:c P: X:", role == TF_WS_SERVER, stream);
      assert_int_equal(script_feed(&ws, stream, cnt, 0, (size_t)piece), 0);
      assert_string_equal(log.text, "T:61 T:62 ");
      assert_int_equal(ws.state, TF_WS_STOPPED);
      assert_int_equal(ws.counts.bytes_rejected[TF_WS_FAULT_STOPPED], cnt - seen_cnt);
      assert_int_equal(tf_ws_eof(&ws), 0);
      script_check_counts(&ws);
    }
  }
}

static void the_end_of_the_transport_is_told_apart(void **state) {
  (void)state;
  static const struct {
    const char   *sent;
    size_t        cut; /* bytes left out at the end */
    tf_ws_fault_t fault;
  } cases[] = {
      {"T:abc",         1, TF_WS_FAULT_EOF_MID_FRAME  },
      {"T:abc",         4, TF_WS_FAULT_EOF_MID_FRAME  },
      {"t:abc",         0, TF_WS_FAULT_EOF_MID_MESSAGE},
      {"t:abc P:",      1, TF_WS_FAULT_EOF_MID_FRAME  },
      {"T:abc",         0, TF_WS_FAULT_EOF_NO_CLOSE   },
      {"",              0, TF_WS_FAULT_EOF_NO_CLOSE   },
      {"T:abc X:#03e8", 1, TF_WS_FAULT_EOF_MID_FRAME  },
      {"T:abc X:#03e8", 0, TF_WS_FAULT_NONE           },
      {"R:ff",          0, TF_WS_FAULT_RSV            }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_ws_t  ws;
    ws_log_t log;
    start(&ws, TF_WS_CLIENT, &log);
    const size_t cnt = script_encode(cases[i].sent, false, stream) - cases[i].cut;
    script_feed(&ws, stream, cnt, 0, 0);
    assert_int_equal(tf_ws_eof(&ws) != 0, cases[i].fault != TF_WS_FAULT_NONE);
    assert_int_equal(ws.fault, cases[i].fault);
    assert_int_equal(tf_ws_error(&ws) != 0, cases[i].fault != TF_WS_FAULT_NONE);
    script_check_counts(&ws);
  }
}

int main(void) {
  assembly                        = malloc(tf_ws_assembly_bytes(SCRIPT_BYTES_MAX));
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_that_the_suite_never_tests_fail_too),
      cmocka_unit_test(reserved_bits_fail_the_stream),
      cmocka_unit_test(reserved_opcodes_fail_the_stream),
      cmocka_unit_test(close_frames_are_checked_and_end_the_stream),
      cmocka_unit_test(text_must_be_utf8_even_across_fragments),
      cmocka_unit_test(utf8_forms_are_judged_as_the_standard_does),
      cmocka_unit_test(bad_utf8_fails_before_its_frame_is_whole),
      cmocka_unit_test(rejected_bytes_and_frames_are_counted_under_their_fault),
      cmocka_unit_test(a_stop_within_a_callback_is_the_last_callback),
      cmocka_unit_test(the_end_of_the_transport_is_told_apart),
      cmocka_unit_test(framing_carries_every_length_form),
      cmocka_unit_test(pings_and_pongs_come_at_their_place),
      cmocka_unit_test(fragments_make_one_message),
      cmocka_unit_test(whole_messages_are_not_copied_and_cut_ones_are),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  free(assembly);
  return failed;
}
