/* Limits at n - 1, n and n + 1, and what we write: vectors of RFC 6455 and round trips. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "wire/ws.h"
#include "ws_script.h"

static uint32_t fixed_key(void *self) { return *(uint32_t *)self; }
static uint32_t rfc_key;

static uint8_t stream[SCRIPT_BYTES_MAX];

/* With guard bytes behind the assembly memory that must stay as they are. */
typedef struct guarded {
  tf_ws_t  ws;
  ws_log_t log;
  uint8_t *assembly;
  size_t   assembly_cnt;
} guarded_t;

#define GUARD_BYTES 64

static void start(guarded_t *g, tf_ws_config_t config) {
  memset(g, 0, sizeof *g);
  g->log.ws       = &g->ws;
  g->assembly_cnt = tf_ws_assembly_bytes(config.message_bytes_max);
  g->assembly     = malloc(g->assembly_cnt + GUARD_BYTES);
  memset(g->assembly + g->assembly_cnt, 0xD7, GUARD_BYTES);
  config.random                 = (tf_ws_random_t){&rfc_key, fixed_key};
  const tf_ws_handler_t handler = script_handler(&g->log);
  assert_int_equal(tf_ws_init(&g->ws, &config, &handler, g->assembly), 0);
}

static void stop(guarded_t *g) {
  for (size_t i = 0; i < GUARD_BYTES; i++) assert_int_equal(g->assembly[g->assembly_cnt + i], 0xD7);
  script_check_counts(&g->ws);
  free(g->assembly);
}

static void expect(const char *script, tf_ws_config_t config, tf_ws_fault_t fault,
                   uint64_t message_cnt) {
  for (int role = 0; role < 2; role++) {
    const size_t cnt      = script_encode(script, role == TF_WS_SERVER, stream);
    const size_t pieces[] = {0, 1, 7, cnt > 1 ? cnt - 1 : 0};
    for (size_t i = 0; i < TF_ARRAY_CNT(pieces); i++) {
      guarded_t g;
      config.role = (tf_ws_role_t)role;
      start(&g, config);
      script_feed(&g.ws, stream, cnt, 0, pieces[i]);
      if (g.ws.fault != fault || g.ws.counts.messages != message_cnt)
        print_error("%s: fault %s, %llu messages\n", script,
                    tf_ws_fault_name((tf_ws_fault_t)g.ws.fault),
                    (unsigned long long)g.ws.counts.messages);
      assert_int_equal(g.ws.fault, fault);
      assert_int_equal(g.ws.counts.messages, message_cnt);
      stop(&g);
    }
  }
}

static void a_message_over_the_byte_limit_is_refused(void **state) {
  (void)state;
  const tf_ws_config_t config = {.message_bytes_max = 300};
  expect("T:*299", config, TF_WS_FAULT_NONE, 1);
  expect("T:*300 T:*300", config, TF_WS_FAULT_NONE, 2);
  expect("T:*301", config, TF_WS_FAULT_MESSAGE_BYTES, 0);
  expect("T:*300 B:*301", config, TF_WS_FAULT_MESSAGE_BYTES, 1);
  expect("t:*150 c:*150 C:", config, TF_WS_FAULT_NONE, 1);
  expect("t:*150 C:*151", config, TF_WS_FAULT_MESSAGE_BYTES, 0);
  expect("t:*150 c:*150 C:x", config, TF_WS_FAULT_MESSAGE_BYTES, 0);
  expect("T:*299 t:*1 C:*299 T:*300", config, TF_WS_FAULT_NONE, 3);
  const tf_ws_config_t small = {.message_bytes_max = 1};
  expect("T:a P:*125 T:b", small, TF_WS_FAULT_NONE, 2);
  expect("T:ab", small, TF_WS_FAULT_MESSAGE_BYTES, 0);
}

static void the_limit_is_enforced_before_any_payload_comes(void **state) {
  (void)state;
  static const uint8_t head[] = {0x82, 0x7E, 0x01, 0x2D}; /* 301 bytes to come */
  guarded_t            g;
  start(&g, (tf_ws_config_t){.message_bytes_max = 300});
  assert_int_equal(script_feed(&g.ws, head, sizeof head, 0, 0), E_WIRE_WS_LIMIT);
  assert_int_equal(tf_ws_fault_close_code((tf_ws_fault_t)g.ws.fault), 1009);
  stop(&g);
}

static void the_default_limit_is_four_mebibytes(void **state) {
  (void)state;
  static const uint8_t allowed[]   = {0x82, 0x7F, 0, 0, 0, 0, 0, 0x40, 0, 0};
  static const uint8_t forbidden[] = {0x82, 0x7F, 0, 0, 0, 0, 0, 0x40, 0, 1};
  guarded_t            g;
  start(&g, (tf_ws_config_t){0});
  assert_int_equal(script_feed(&g.ws, allowed, sizeof allowed, 0, 0), 0);
  stop(&g);
  start(&g, (tf_ws_config_t){0});
  assert_int_equal(script_feed(&g.ws, forbidden, sizeof forbidden, 0, 0), E_WIRE_WS_LIMIT);
  stop(&g);
}

static void more_fragments_than_allowed_are_refused(void **state) {
  (void)state;
  const tf_ws_config_t config = {.message_bytes_max = 300, .fragments_max = 4};
  expect("t: c: C:", config, TF_WS_FAULT_NONE, 1);
  expect("t: c: P: c: P: C:", config, TF_WS_FAULT_NONE, 1);
  expect("t: c: c: c: C:", config, TF_WS_FAULT_FRAGMENTS, 0);
  expect("t: c: c: C: t: c: c: C: T:", config, TF_WS_FAULT_NONE, 3);
  expect("t: C:", (tf_ws_config_t){.fragments_max = 1}, TF_WS_FAULT_FRAGMENTS, 0);
}

static void a_flood_of_empty_fragments_ends_at_the_default_limit(void **state) {
  (void)state;
  guarded_t g;
  start(&g, (tf_ws_config_t){.message_bytes_max = 300});
  for (unsigned i = 0; i < 2 * TF_WS_FRAGMENTS_MAX_DEFAULT; i++)
    memcpy(stream + 2 * i, i ? "\x00\x00" : "\x01\x00", 2);
  assert_int_equal(tf_ws_feed(&g.ws, stream, 2 * TF_WS_FRAGMENTS_MAX_DEFAULT), 0);
  assert_int_equal(tf_ws_feed(&g.ws, stream + 2, 1), E_WIRE_WS_LIMIT);
  assert_int_equal(g.ws.counts.frames_data, TF_WS_FRAGMENTS_MAX_DEFAULT);
  stop(&g);
}

static void arguments_out_of_range_are_refused(void **state) {
  (void)state;
  tf_ws_t               ws;
  ws_log_t              log;
  uint8_t               memory[64 + TF_BYTES_PAD];
  const tf_ws_handler_t handler = script_handler(&log);
  tf_ws_config_t        config  = {.role = TF_WS_SERVER, .message_bytes_max = 64};
  assert_int_equal(tf_ws_init(&ws, &config, &handler, NULL), E_CORE_ARGUMENT);
  assert_int_equal(tf_ws_init(&ws, &config, &(tf_ws_handler_t){0}, memory), E_CORE_ARGUMENT);
  config.role = TF_WS_CLIENT;
  assert_int_equal(tf_ws_init(&ws, &config, &handler, memory), E_CORE_ARGUMENT); /* no random */
  config = (tf_ws_config_t){.role              = TF_WS_SERVER,
                            .message_bytes_max = TF_WS_MESSAGE_BYTES_MAX_LIMIT + 1};
  assert_int_equal(tf_ws_init(&ws, &config, &handler, memory), E_CORE_ARGUMENT);
  config.message_bytes_max = 64;
  assert_int_equal(tf_ws_init(&ws, &config, &handler, memory), 0);
}

static void unchecked_text_goes_out_but_close_reasons_stay_checked(void **state) {
  (void)state;
  guarded_t g;
  start(&g, (tf_ws_config_t){.message_bytes_max = 300, .utf8_unchecked = true});
  size_t cnt = script_encode("T:#ff t:#c3 C:#28", false, stream);
  assert_int_equal(script_feed(&g.ws, stream, cnt, 0, 1), 0);
  assert_int_equal(g.ws.counts.messages, 2);
  cnt = script_encode("X:#03e8ff", false, stream);
  assert_int_equal(script_feed(&g.ws, stream, cnt, 0, 0), E_WIRE_WS_UTF8);
  stop(&g);
}

static void frames_match_the_examples_of_the_rfc(void **state) {
  (void)state;
  static const uint8_t key[]      = {0x37, 0xFA, 0x21, 0x3D};
  static const uint8_t masked[]   = {0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D,
                                     0x7F, 0x9F, 0x4D, 0x51, 0x58};
  static const uint8_t unmasked[] = {0x81, 0x05, 'H', 'e', 'l', 'l', 'o'};
  static const uint8_t ping[]     = {0x89, 0x05, 'H', 'e', 'l', 'l', 'o'};
  static const uint8_t part[]     = {0x01, 0x03, 'H', 'e', 'l'};
  static const uint8_t head256[]  = {0x82, 0x7E, 0x01, 0x00};
  static const uint8_t head64k[]  = {0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0};
  uint8_t              buf[64];
  guarded_t            client, server;
  memcpy(&rfc_key, key, 4);
  start(&client, (tf_ws_config_t){.role = TF_WS_CLIENT, .message_bytes_max = 64});
  start(&server, (tf_ws_config_t){.role = TF_WS_SERVER, .message_bytes_max = 64});
  assert_int_equal(tf_ws_write_frame(&client.ws, buf, sizeof buf, TF_WS_TEXT, true, "Hello", 5),
                   sizeof masked);
  assert_memory_equal(buf, masked, sizeof masked);
  assert_int_equal(tf_ws_write_frame(&server.ws, buf, sizeof buf, TF_WS_TEXT, true, "Hello", 5),
                   sizeof unmasked);
  assert_memory_equal(buf, unmasked, sizeof unmasked);
  assert_int_equal(tf_ws_write_frame(&server.ws, buf, sizeof buf, TF_WS_PING, true, "Hello", 5),
                   sizeof ping);
  assert_memory_equal(buf, ping, sizeof ping);
  assert_int_equal(tf_ws_write_frame(&server.ws, buf, sizeof buf, TF_WS_TEXT, false, "Hel", 3),
                   sizeof part);
  assert_memory_equal(buf, part, sizeof part);
  assert_int_equal(tf_ws_write_header(buf, TF_WS_BINARY, true, 256, NULL), sizeof head256);
  assert_memory_equal(buf, head256, sizeof head256);
  assert_int_equal(tf_ws_write_header(buf, TF_WS_BINARY, true, 65536, NULL), sizeof head64k);
  assert_memory_equal(buf, head64k, sizeof head64k);
  stop(&client);
  stop(&server);
}

static void what_one_role_writes_the_other_reads(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 65600};
  static uint8_t      payload[65600], frame[65700];
  for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)(i * 131 >> 3);
  rfc_key = 0x9D3C17E5;
  for (int role = 0; role < 2; role++) {
    for (size_t i = 0; i < TF_ARRAY_CNT(sizes); i++) {
      guarded_t from, to;
      start(&from, (tf_ws_config_t){.role = (tf_ws_role_t)role, .message_bytes_max = 65600});
      start(&to, (tf_ws_config_t){.role = (tf_ws_role_t)!role, .message_bytes_max = 65600});
      const size_t cnt =
          tf_ws_write_frame(&from.ws, frame, sizeof frame, TF_WS_BINARY, true, payload, sizes[i]);
      assert_int_equal(cnt, tf_ws_frame_bytes((tf_ws_role_t)role, sizes[i]));
      assert_int_equal(
          tf_ws_write_frame(&from.ws, frame, cnt - 1, TF_WS_BINARY, true, payload, sizes[i]), 0);
      assert_int_equal(script_feed(&to.ws, frame, cnt, 0, 4099), 0);
      assert_int_equal(to.ws.counts.messages, 1);
      assert_int_equal(to.ws.counts.bytes_framed, cnt);
      ws_log_t              expected = {.ws = &to.ws};
      const tf_ws_handler_t handler  = script_handler(&expected);
      handler.on_message(&expected, TF_WS_BINARY, payload,
                         sizes[i] + TF_BYTES_PAD <= sizeof payload ? sizes[i] : 0);
      if (sizes[i] + TF_BYTES_PAD <= sizeof payload)
        assert_string_equal(to.log.text, expected.text);
      stop(&from);
      stop(&to);
    }
  }
}

static void masking_is_the_same_at_every_length_and_phase(void **state) {
  (void)state;
  static const uint8_t key[4] = {0x12, 0x00, 0xAB, 0xFF};
  uint8_t              source[40], target[40];
  for (unsigned i = 0; i < sizeof source; i++) source[i] = (uint8_t)(i * 77);
  for (size_t cnt = 0; cnt <= sizeof source; cnt++) {
    for (size_t phase = 0; phase < 9; phase++) {
      memset(target, 0x55, sizeof target);
      tf_ws_mask(target, source, cnt, key, phase);
      for (size_t i = 0; i < sizeof target; i++)
        assert_int_equal(target[i], i < cnt ? source[i] ^ key[(phase + i) % 4] : 0x55);
    }
  }
}

static void the_newest_ping_is_answered_once(void **state) {
  (void)state;
  guarded_t g;
  uint8_t   buf[200];
  start(&g, (tf_ws_config_t){.role = TF_WS_CLIENT, .message_bytes_max = 64});
  rfc_key = 0;
  assert_int_equal(tf_ws_write_pong(&g.ws, buf, sizeof buf), 0);
  size_t cnt = script_encode("P:old T:x P:newest", false, stream);
  script_feed(&g.ws, stream, cnt, 0, 0);
  assert_int_equal(tf_ws_write_pong(&g.ws, buf, 5), 0); /* does not fit: stays pending */
  cnt = tf_ws_write_pong(&g.ws, buf, sizeof buf);
  assert_int_equal(cnt, 2 + 4 + 6);
  assert_memory_equal(buf, "\x8A\x86\0\0\0\0newest", cnt);
  assert_int_equal(tf_ws_write_pong(&g.ws, buf, sizeof buf), 0);
  assert_int_equal(g.ws.counts.pings, 2);
  stop(&g);
}

static void frames_that_the_protocol_forbids_are_not_written(void **state) {
  (void)state;
  guarded_t g;
  uint8_t   buf[256], payload[126] = {0};
  start(&g, (tf_ws_config_t){.role = TF_WS_SERVER, .message_bytes_max = 64});
  assert_int_equal(tf_ws_write_frame(&g.ws, buf, sizeof buf, TF_WS_PING, true, payload, 126), 0);
  assert_int_equal(tf_ws_write_frame(&g.ws, buf, sizeof buf, TF_WS_PING, false, payload, 1), 0);
  assert_int_equal(tf_ws_write_frame(&g.ws, buf, sizeof buf, TF_WS_CLOSE, true, NULL, 0), 0);
  assert_int_equal(tf_ws_write_frame(&g.ws, buf, sizeof buf, (tf_ws_opcode_t)3, true, NULL, 0), 0);
  assert_int_equal(tf_ws_write_frame(&g.ws, buf, sizeof buf, TF_WS_TEXT, true, buf, SIZE_MAX), 0);
  assert_int_equal(tf_ws_write_close(&g.ws, buf, sizeof buf, 1006, NULL), 0);
  assert_int_equal(tf_ws_write_close(&g.ws, buf, sizeof buf, 1000, "bye"), 2 + 2 + 3);
  assert_int_equal(tf_ws_write_close(&g.ws, buf, sizeof buf, 1000, NULL), 0);
  assert_int_equal(tf_ws_write_frame(&g.ws, buf, sizeof buf, TF_WS_TEXT, true, NULL, 0), 0);
  stop(&g);
}

static void the_close_handshake_goes_through_its_states(void **state) {
  (void)state;
  uint8_t   buf[256];
  guarded_t g;
  start(&g, (tf_ws_config_t){.role = TF_WS_SERVER, .message_bytes_max = 64});
  assert_int_equal(tf_ws_write_close(&g.ws, buf, sizeof buf, 1001, NULL), 4);
  assert_int_equal(g.ws.state, TF_WS_CLOSE_SENT);
  size_t cnt = script_encode("T:late X:#03e9 T:later", true, stream);
  assert_int_equal(script_feed(&g.ws, stream, cnt, 0, 0), 0);
  assert_string_equal(g.log.text, "T:6c617465 X:03e9 ");
  assert_int_equal(g.ws.state, TF_WS_CLOSED);
  assert_int_equal(tf_ws_eof(&g.ws), 0);
  stop(&g);

  start(&g, (tf_ws_config_t){.role = TF_WS_SERVER, .message_bytes_max = 64});
  cnt = script_encode("X:", true, stream);
  script_feed(&g.ws, stream, cnt, 0, 0);
  assert_int_equal(g.ws.state, TF_WS_CLOSE_RECEIVED);
  assert_int_equal(g.ws.peer_close_code, TF_WS_CLOSE_NO_STATUS);
  assert_int_equal(tf_ws_write_close_answer(&g.ws, buf, sizeof buf), 2);
  assert_memory_equal(buf, "\x88\x00", 2);
  assert_int_equal(g.ws.state, TF_WS_CLOSED);
  stop(&g);
}

static void a_violation_is_answered_with_its_code_and_told_in_words(void **state) {
  (void)state;
  static const struct {
    const char *sent;
    int         code;
    const char *word;
  } cases[] = {
      {"R:c180",   1002, "rsv"          },
      {"T:#ff",    1007, "utf8"         },
      {"T:*65",    1009, "message_bytes"},
      {"t: c: C:", 1008, "fragments"    }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    guarded_t g;
    uint8_t   buf[256];
    start(&g, (tf_ws_config_t){.role = TF_WS_SERVER, .message_bytes_max = 64, .fragments_max = 2});
    const size_t cnt = script_encode(cases[i].sent, true, stream);
    assert_true(script_feed(&g.ws, stream, cnt, 0, 0) < 0);
    assert_true(tf_ws_error(&g.ws) < 0);
    assert_non_null(strstr(tf_error_text(), cases[i].word));
    assert_true(tf_ws_write_close_answer(&g.ws, buf, sizeof buf) > 4);
    assert_int_equal(buf[0], 0x88);
    assert_int_equal(buf[2] << 8 | buf[3], cases[i].code);
    assert_int_equal(tf_ws_write_close_answer(&g.ws, buf, sizeof buf), 0);
    stop(&g);
  }
}

static void a_long_close_reason_is_cut_between_code_points(void **state) {
  (void)state;
  char      reason[200];
  uint8_t   buf[256];
  guarded_t g;
  start(&g, (tf_ws_config_t){.role = TF_WS_SERVER, .message_bytes_max = 64});
  memset(reason, 'x', sizeof reason);
  memcpy(reason + 122, "\xE2\x82\xAC", 4);
  const size_t cnt = tf_ws_write_close(&g.ws, buf, sizeof buf, 1000, reason);
  assert_int_equal(cnt, 2 + 2 + 122);
  stop(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_over_the_byte_limit_is_refused),
      cmocka_unit_test(the_limit_is_enforced_before_any_payload_comes),
      cmocka_unit_test(the_default_limit_is_four_mebibytes),
      cmocka_unit_test(more_fragments_than_allowed_are_refused),
      cmocka_unit_test(a_flood_of_empty_fragments_ends_at_the_default_limit),
      cmocka_unit_test(arguments_out_of_range_are_refused),
      cmocka_unit_test(frames_that_the_protocol_forbids_are_not_written),
      cmocka_unit_test(unchecked_text_goes_out_but_close_reasons_stay_checked),
      cmocka_unit_test(frames_match_the_examples_of_the_rfc),
      cmocka_unit_test(what_one_role_writes_the_other_reads),
      cmocka_unit_test(masking_is_the_same_at_every_length_and_phase),
      cmocka_unit_test(the_newest_ping_is_answered_once),
      cmocka_unit_test(the_close_handshake_goes_through_its_states),
      cmocka_unit_test(a_violation_is_answered_with_its_code_and_told_in_words),
      cmocka_unit_test(a_long_close_reason_is_cut_between_code_points),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
