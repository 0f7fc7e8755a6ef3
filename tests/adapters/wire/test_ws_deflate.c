/* permessage-deflate on a stream: messages deflated by zlib itself and by hand, both roles, every
 * segmentation, every limit. */
#include "wire/ws_deflate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cmocka_tf.h"
#include "core/arena.h"
#include "wire/ws.h"
#include "ws_script.h"

#define MESSAGE_MAX 262144u
#define STREAM_MAX  (1u << 20)

static const tf_ws_deflate_config_t largest = {
    .tx_window_bits_max = 15, .tx_mem_level = 9, .tx_level = 6};
static const tf_ws_deflate_params_t defaults = {.server_max_window_bits = 15,
                                                .client_max_window_bits = 15};

static uint8_t stream[STREAM_MAX];
static size_t  stream_cnt;

typedef struct end {
  tf_ws_t         ws;
  tf_ws_deflate_t deflate;
  ws_log_t        log;
  uint8_t        *memory, *assembly;
  uint32_t        key_state;
} end_t;

static uint32_t counting_key(void *self) {
  uint32_t *n = self;
  return 0x01020304u * ++*n;
}

static void start(end_t *e, tf_ws_role_t role, const tf_ws_deflate_params_t *params, size_t max) {
  memset(e, 0, sizeof *e);
  e->memory   = malloc(tf_ws_deflate_bytes(&largest));
  e->assembly = malloc(tf_ws_assembly_bytes(max));
  e->log.ws   = &e->ws;
  assert_int_equal(tf_ws_deflate_init(&e->deflate, &largest, e->memory), 0);
  assert_int_equal(tf_ws_deflate_start(&e->deflate, role == TF_WS_SERVER, params), 0);
  const tf_ws_config_t config = {
      .role              = role,
      .message_bytes_max = max,
      .deflate           = &e->deflate,
      .random            = {&e->key_state, counting_key}
  };
  const tf_ws_handler_t handler = script_handler(&e->log);
  assert_int_equal(tf_ws_init(&e->ws, &config, &handler, e->assembly), 0);
}

static void stop(end_t *e) {
  free(e->memory);
  free(e->assembly);
}

/* --- a sender of its own --- */

static void put_frame(unsigned b0, const uint8_t *payload, size_t cnt, bool masked) {
  static const uint8_t key[4] = {0x5A, 0x01, 0xC3, 0xFF};
  uint8_t             *p      = stream + stream_cnt;
  const unsigned       mask   = masked ? 0x80 : 0;
  *p++                        = (uint8_t)b0;
  if (cnt < 126) {
    *p++ = (uint8_t)(mask | cnt);
  } else {
    const int length_bytes = cnt < 65536 ? 2 : 8;
    *p++                   = (uint8_t)(mask | (cnt < 65536 ? 126 : 127));
    for (int i = length_bytes - 1; i >= 0; i--) *p++ = (uint8_t)((uint64_t)cnt >> (8 * i));
  }
  if (masked) {
    memcpy(p, key, 4);
    p += 4;
  }
  for (size_t i = 0; i < cnt; i++) *p++ = payload[i] ^ (masked ? key[i % 4] : 0);
  stream_cnt = (size_t)(p - stream);
}

/* zlib's own deflate of a message, without the tail; returns the bytes in out. */
static size_t deflate_message(z_stream *z, const void *bytes, size_t cnt, uint8_t *out,
                              size_t cap) {
  z->next_in   = (Bytef *)(uintptr_t)bytes;
  z->avail_in  = (unsigned)cnt;
  z->next_out  = out;
  z->avail_out = (unsigned)cap;
  assert_int_equal(deflate(z, Z_SYNC_FLUSH), Z_OK);
  assert_true(z->avail_out > 0);
  return cap - z->avail_out - 4;
}

/* --- vectors --- */

typedef struct vector {
  const char *name, *frames; /* "c1 07 hex...": the first byte of a frame and its payload in hex */
  const char *seen;
  tf_ws_fault_t fault;
} vector_t;

static size_t hex_bytes(const char *hex, size_t cnt, uint8_t *out) {
  for (size_t i = 0; i + 1 < cnt; i += 2) {
    const char pair[3] = {hex[i], hex[i + 1], 0};
    out[i / 2]         = (uint8_t)strtoul(pair, NULL, 16);
  }
  return cnt / 2;
}

static void encode_vector(const char *frames, bool masked) {
  stream_cnt = 0;
  while (*frames) {
    const size_t cnt = strcspn(frames, " ");
    uint8_t      bytes[512];
    const size_t n = hex_bytes(frames, cnt, bytes);
    put_frame(bytes[0], bytes + 1, n - 1, masked);
    frames += cnt + (frames[cnt] == ' ');
  }
}

static void check_stream(const char *name, tf_ws_role_t role, const tf_ws_deflate_params_t *params,
                         size_t max, const char *expected, tf_ws_fault_t fault, size_t first,
                         size_t piece) {
  static end_t e;
  start(&e, role, params, max);
  const tf_err_t err = script_feed(&e.ws, stream, stream_cnt, first, piece);
  if (e.ws.fault != fault || strcmp(e.log.text, expected))
    print_error("%s, role %d, first %zu, pieces %zu: %s\n saw %s\n not %s\n", name, role, first,
                piece, tf_ws_fault_name((tf_ws_fault_t)e.ws.fault), e.log.text, expected);
  assert_int_equal(e.ws.fault, fault);
  assert_int_equal(err != 0, fault != TF_WS_FAULT_NONE);
  assert_string_equal(e.log.text, expected);
  script_check_counts(&e.ws);
  stop(&e);
}

static void vectors_mean_the_same_in_both_roles_at_every_split(void **state) {
  (void)state;
  static char           expected[SCRIPT_LOG_BYTES];
  static const vector_t vectors[] = {
  /* clang-format off */
      /* RFC 7692 section 7.2.3.1 to 7.2.3.5 */
      {"one block", "c1f248cdc9c90700", "T:Hello", 0},
      {"fragments", "41f248cd 80c9c90700", "T:Hello", 0},
      {"context", "c1f248cdc9c90700 c1f200110000", "T:Hello T:Hello", 0},
      {"stored", "c1000500faff48656c6c6f00", "T:Hello", 0},
      {"final bit", "c1f348cdc9c9070000", "T:Hello", 0},
      {"two blocks", "c1f24805000000ffffcac9c90700", "T:Hello", 0},
      {"empty message", "c100", "T:", 0},
      {"empty fragments", "4100 00 80", "T:", 0},
      {"empty frames around", "41 00f248cd 00 00c9c907 8000", "T:Hello", 0},
      {"ping between", "41f248cd 8970696e67 80c9c90700", "P:ping T:Hello", 0},
      {"uncompressed too", "c1f248cdc9c90700 8148656c6c6f c2f200110000", "T:Hello T:Hello B:Hello", 0},
      {"final bit, then context", "c1f348cdc9c9070000 c1f200110000", "T:Hello T:Hello", 0},
      {"final stored block as the tail", "c1f248cdc9c90704 c1f200110000", "T:Hello T:Hello", 0},
      /* what is not allowed */
      {"RSV1 on a continuation", "41f248cd c0c9c90700", "", TF_WS_FAULT_RSV},
      {"RSV1 on a ping", "c970", "", TF_WS_FAULT_RSV},
      {"RSV2", "a1", "", TF_WS_FAULT_RSV},
      {"RSV1 and RSV3", "d1", "", TF_WS_FAULT_RSV},
      {"RSV1 on a reserved opcode", "c3", "", TF_WS_FAULT_RSV},
      {"no payload", "c1", "", TF_WS_FAULT_INFLATE_CUT},
      {"tail left on", "c1f248cdc9c907000000ffff", "", TF_WS_FAULT_INFLATE_CUT},
      {"cut in a block", "c1f248cd", "", TF_WS_FAULT_INFLATE_CUT},
      {"block type 3", "c107", "", TF_WS_FAULT_INFLATE_DATA},
      {"stored with wrong complement", "c1000500fafe48656c6c6f00", "", TF_WS_FAULT_INFLATE_DATA},
      {"distance before the beginning", "c1f200110000", "", TF_WS_FAULT_INFLATE_DATA},
      {"over-subscribed tree", "c104e09324499224499200", "", TF_WS_FAULT_INFLATE_DATA},
      {"too many length symbols", "c1edffffffffffffff", "", TF_WS_FAULT_INFLATE_DATA},
      {"not UTF-8", "c1faff1f00", "", TF_WS_FAULT_UTF8},
      {"not UTF-8 in binary", "c2faff1f00", "B:#ffff", 0},
      {"UTF-8 cut by the end", "c17ad40400", "", TF_WS_FAULT_UTF8},
  /* clang-format on */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(vectors); i++) {
    const vector_t *v = &vectors[i];
    for (int role = 0; role < 2; role++) {
      encode_vector(v->frames, role == TF_WS_SERVER);
      script_normalise(v->seen, expected, sizeof expected);
      for (size_t cut = 0; cut < stream_cnt; cut++)
        check_stream(v->name, (tf_ws_role_t)role, &defaults, MESSAGE_MAX, expected, v->fault, cut,
                     0);
      check_stream(v->name, (tf_ws_role_t)role, &defaults, MESSAGE_MAX, expected, v->fault, 0, 1);
    }
  }
}

/* --- messages of every kind, context and window --- */

static uint64_t seed;

static uint32_t next_random(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33);
}

/* Text with repeats near and far. */
static size_t make_message(char *text, size_t max) {
  const size_t cnt = next_random() % max, period = 1 + next_random() % 40000;
  const int    kind = (int)(next_random() % 3);
  for (size_t i = 0; i < cnt; i++)
    text[i] =
        i >= period && kind ? text[i - period] : (char)('a' + next_random() % (kind ? 26 : 3));
  return cnt;
}

static void messages_come_out_as_zlib_took_them_in(void **state) {
  (void)state;
  static char    text[60000], expected[SCRIPT_LOG_BYTES], script[SCRIPT_LOG_BYTES];
  static uint8_t deflated[70000];
  for (int run = 0; run < 160; run++) {
    seed                      = (uint64_t)run;
    const tf_ws_role_t role   = run & 1 ? TF_WS_SERVER : TF_WS_CLIENT;
    const uint8_t      bits   = (uint8_t)(8 + run / 2 % 8);
    const bool         forget = run & 16;
    z_stream           z      = {0};
    assert_int_equal(deflateInit2(&z, 1 + run % 9, Z_DEFLATED, bits == 8 ? -9 : -bits, 8, 0), Z_OK);
    stream_cnt  = 0;
    size_t at   = 0;
    expected[0] = 0;
    for (int m = 0; m < 6; m++) {
      const size_t cnt = make_message(text, run % 5 ? 3000 : sizeof text);
      size_t       n   = deflate_message(&z, text, cnt, deflated, sizeof deflated);
      if (forget) deflateReset(&z);
      /* In up to three frames. */
      size_t from = 0, first = n ? next_random() % n : 0;
      put_frame(0x42, deflated, first, role == TF_WS_SERVER);
      from = first;
      if (next_random() & 1) {
        const size_t next = (n - from) / 2;
        put_frame(0x00, deflated + from, next, role == TF_WS_SERVER);
        from += next;
      }
      put_frame(0x80, deflated + from, n - from, role == TF_WS_SERVER);
      uint64_t hash = 1469598103934665603u;
      for (size_t i = 0; i < cnt; i++) hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
      if (cnt > 512) {
        at += (size_t)snprintf(expected + at, sizeof expected - at, "B:%zu/%016llx ", cnt,
                               (unsigned long long)hash);
      } else {
        snprintf(script, sizeof script, "B:%.*s", (int)cnt, text);
        script_normalise(script, expected + at, sizeof expected - at);
        at += strlen(expected + at);
      }
    }
    deflateEnd(&z);
    const tf_ws_deflate_params_t params = {.server_max_window_bits     = bits,
                                           .client_max_window_bits     = bits,
                                           .server_no_context_takeover = forget,
                                           .client_no_context_takeover = forget};
    check_stream("whole", role, &params, MESSAGE_MAX, expected, 0, 0, 0);
    check_stream("997", role, &params, MESSAGE_MAX, expected, 0, 0, 997);
    check_stream("3", role, &params, MESSAGE_MAX, expected, 0, 1, 3);
  }
}

static void a_distance_behind_the_context_is_refused(void **state) {
  (void)state;
  /* A message that leans on the one before it, where that one must be forgotten. */
  static const char text[] = "{\"e\":\"trade\",\"p\":\"64000.10\",\"q\":\"0.00100000\",\"m\":true}";
  static uint8_t    deflated[2][200];
  z_stream          z = {0};
  size_t            cnt[2];
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, 0), Z_OK);
  for (int m = 0; m < 2; m++) cnt[m] = deflate_message(&z, text, sizeof text, deflated[m], 200);
  deflateEnd(&z);
  assert_true(cnt[1] < 20);
  for (int forget = 0; forget < 2; forget++) {
    const tf_ws_deflate_params_t params = {.server_max_window_bits     = 15,
                                           .client_max_window_bits     = 15,
                                           .server_no_context_takeover = forget};
    for (size_t piece = 0; piece < 20; piece++) {
      static end_t e;
      stream_cnt = 0;
      for (int m = 0; m < 2; m++) put_frame(0xC2, deflated[m], cnt[m], false);
      start(&e, TF_WS_CLIENT, &params, MESSAGE_MAX);
      script_feed(&e.ws, stream, stream_cnt, 0, piece);
      assert_int_equal(e.ws.fault, forget ? TF_WS_FAULT_INFLATE_DATA : 0);
      assert_int_equal(e.ws.counts.messages, forget ? 1 : 2);
      stop(&e);
    }
  }
}

/* --- limits --- */

/* A message of cnt times the same byte, in one frame. */
static void put_run(size_t cnt, int level) {
  static uint8_t text[STREAM_MAX], deflated[STREAM_MAX / 2];
  z_stream       z = {0};
  memset(text, 'a', cnt);
  assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, -15, 9, 0), Z_OK);
  const size_t n = deflate_message(&z, text, cnt, deflated, sizeof deflated);
  deflateEnd(&z);
  stream_cnt = 0;
  put_frame(0xC1, deflated, n, false);
}

static tf_ws_fault_t fault_of(size_t max, size_t piece) {
  static end_t e;
  start(&e, TF_WS_CLIENT, &defaults, max);
  script_feed(&e.ws, stream, stream_cnt, 0, piece);
  script_check_counts(&e.ws);
  const tf_ws_fault_t fault = (tf_ws_fault_t)e.ws.fault;
  stop(&e);
  return fault;
}

static void the_message_limit_holds_for_what_comes_out(void **state) {
  (void)state;
  static const size_t limits[] = {100, 125, 126, 1000, 65535, 65536};
  for (size_t i = 0; i < TF_ARRAY_CNT(limits); i++) {
    for (int level = 0; level <= 9; level += 9) {
      for (int over = -1; over <= 1; over++) {
        put_run(limits[i] + (size_t)over, level);
        const tf_ws_fault_t expected = over > 0 ? TF_WS_FAULT_MESSAGE_BYTES : TF_WS_FAULT_NONE;
        assert_int_equal(fault_of(limits[i], 0), expected);
        assert_int_equal(fault_of(limits[i], 1), expected);
      }
    }
  }
}

static void the_ratio_is_held_once_a_message_is_long(void **state) {
  (void)state;
  put_run(TF_WS_DEFLATE_RATIO_FREE_BYTES - 1, 9);
  assert_int_equal(fault_of(STREAM_MAX, 0), 0);
  put_run(TF_WS_DEFLATE_RATIO_FREE_BYTES, 9);
  assert_int_equal(fault_of(STREAM_MAX, 0), 0);
  put_run(TF_WS_DEFLATE_RATIO_FREE_BYTES + 1, 9);
  assert_int_equal(fault_of(STREAM_MAX, 0), TF_WS_FAULT_INFLATE_RATIO);
  assert_int_equal(fault_of(STREAM_MAX, 1), TF_WS_FAULT_INFLATE_RATIO);
  /* Exactly at 200 times the frame: a run, and empty stored blocks of 5 bytes to give it weight. */
  for (int over = -1; over <= 1; over++) {
    bool found = false;
    for (size_t wire = 800; wire < 805 && !found; wire++) {
      put_run(wire * TF_WS_DEFLATE_RATIO_MAX + (size_t)over, 9);
      const size_t n = stream_cnt - 4; /* its header has four bytes */
      found          = (wire - n) % 5 == 0;
      if (!found) continue;
      static uint8_t payload[1000];
      memcpy(payload, stream + 4, n);
      for (size_t at = n; at < wire; at += 5) memcpy(payload + at, "\0\0\xff\xff", 5);
      stream_cnt = 0;
      put_frame(0xC1, payload, wire, false);
      const tf_ws_fault_t expected = over > 0 ? TF_WS_FAULT_INFLATE_RATIO : TF_WS_FAULT_NONE;
      assert_int_equal(fault_of(STREAM_MAX, 0), expected);
      assert_int_equal(fault_of(STREAM_MAX, 7), expected);
    }
    assert_true(found);
  }
}

static void a_frame_too_long_to_deflate_from_is_refused_by_its_header(void **state) {
  (void)state;
  for (int over = -1; over <= 1; over++) {
    const size_t cnt = tf_ws_deflate_bound(1000) + (size_t)over;
    stream_cnt       = 0;
    static uint8_t zeros[2000];
    put_frame(0xC1, zeros, cnt, false);
    stream_cnt = 4; /* the header alone */
    assert_int_equal(fault_of(1000, 0), over > 0 ? TF_WS_FAULT_MESSAGE_BYTES : TF_WS_FAULT_NONE);
  }
}

/* --- writing --- */

static void what_one_role_deflates_the_other_inflates(void **state) {
  (void)state;
  static end_t   client, server;
  static char    text[60000];
  static uint8_t frame[90000];
  seed = 99;
  for (int run = 0; run < 64; run++) {
    const tf_ws_deflate_params_t params = {
        .server_no_context_takeover = run & 1,
        .client_no_context_takeover = run & 2,
        .server_max_window_bits     = (uint8_t)(8 + run % 8),
        .client_max_window_bits     = (uint8_t)(15 - run / 8),
    };
    start(&client, TF_WS_CLIENT, &params, MESSAGE_MAX);
    start(&server, TF_WS_SERVER, &params, MESSAGE_MAX);
    size_t wire = 0, plain = 0;
    for (int m = 0; m < 12; m++) {
      end_t *from = m & 1 ? &client : &server, *to = m & 1 ? &server : &client;
      size_t cnt = make_message(text, m % 6 ? 2000 : sizeof text);
      if (m == 2) cnt = TF_WS_DEFLATE_MESSAGE_BYTES_MIN - 1;
      if (m == 3) cnt = TF_WS_DEFLATE_MESSAGE_BYTES_MIN;
      if (m == 4) cnt = 0;
      const size_t need = tf_ws_message_bytes(&from->ws, cnt);
      assert_int_equal(tf_ws_write_message(&from->ws, frame, need - 1, TF_WS_BINARY, text, cnt), 0);
      memset(frame + need, 0xA5, 8);
      const size_t n = tf_ws_write_message(&from->ws, frame, need, TF_WS_BINARY, text, cnt);
      assert_true(n > 0 && n <= need);
      assert_memory_equal(frame + need, "\xA5\xA5\xA5\xA5\xA5\xA5\xA5\xA5", 8);
      assert_int_equal(frame[0] >> 4, cnt >= TF_WS_DEFLATE_MESSAGE_BYTES_MIN ? 0xC : 0x8);
      to->log.cnt = 0;
      assert_int_equal(script_feed(&to->ws, frame, n, 0, 1 + (size_t)m * 100), 0);
      static char expected[140000];
      uint64_t    hash = 1469598103934665603u;
      for (size_t i = 0; i < cnt; i++) hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
      if (cnt > 512) {
        snprintf(expected, sizeof expected, "B:%zu/%016llx ", cnt, (unsigned long long)hash);
        assert_string_equal(to->log.text, expected);
      }
      wire += n;
      plain += cnt;
    }
    assert_true(wire < plain);
    assert_int_equal(client.ws.counts.messages + server.ws.counts.messages, 12);
    stop(&client);
    stop(&server);
  }
}

static void configs_and_windows_out_of_range_are_refused(void **state) {
  (void)state;
  static uint8_t         memory[1 << 20];
  tf_ws_deflate_t        d;
  tf_ws_deflate_config_t c = largest;
  for (int v = 7; v <= 16; v++) {
    c.tx_window_bits_max = (uint8_t)v;
    assert_int_equal(tf_ws_deflate_init(&d, &c, memory), v < 9 || v > 15 ? E_CORE_ARGUMENT : 0);
    c              = largest;
    c.tx_mem_level = (uint8_t)(v - 7);
    assert_int_equal(tf_ws_deflate_init(&d, &c, memory), v == 7 ? E_CORE_ARGUMENT : 0);
    c = largest;
  }
  assert_int_equal(tf_ws_deflate_init(&d, &c, memory), 0);
  tf_ws_deflate_params_t p = defaults;
  for (int v = 7; v <= 16; v++) {
    p.server_max_window_bits = (uint8_t)v;
    assert_int_equal(tf_ws_deflate_start(&d, false, &p), v < 8 || v > 15 ? E_CORE_ARGUMENT : 0);
  }
}

/* zlib gets no byte from anywhere but the connection's memory, in each shape of it. */
static void *inflate_and_deflate_sealed(void *arg) {
  end_t *e = arg;
  tf_arena_lane_enter();
  const tf_ws_deflate_params_t params = defaults;
  bool                         ok     = tf_ws_deflate_start(&e->deflate, false, &params) == 0;
  for (size_t at = 0; at < stream_cnt; at += 100)
    ok = ok && tf_ws_feed(&e->ws, stream + at, stream_cnt - at < 100 ? stream_cnt - at : 100) == 0;
  static uint8_t frame[90000];
  static char    text[60000];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('0' + i * i % 10);
  ok = ok && tf_ws_write_message(&e->ws, frame, sizeof frame, TF_WS_TEXT, text, sizeof text) > 0;
  return ok ? e : NULL;
}

static void a_stream_calls_no_malloc(void **state) {
  (void)state;
  static end_t e;
  pthread_t    thread;
  void        *done;
  put_run(50000, 6);
  start(&e, TF_WS_CLIENT, &defaults, MESSAGE_MAX);
  tf_arena_seal_all();
  assert_int_equal(pthread_create(&thread, NULL, inflate_and_deflate_sealed, &e), 0);
  pthread_join(thread, &done);
  tf_arena_unseal_all();
  assert_ptr_equal(done, &e);
  assert_int_equal(e.ws.counts.messages_inflated, 1);
  assert_int_equal(e.ws.counts.inflated_bytes, 50000);
  stop(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors_mean_the_same_in_both_roles_at_every_split),
      cmocka_unit_test(messages_come_out_as_zlib_took_them_in),
      cmocka_unit_test(a_distance_behind_the_context_is_refused),
      cmocka_unit_test(the_message_limit_holds_for_what_comes_out),
      cmocka_unit_test(the_ratio_is_held_once_a_message_is_long),
      cmocka_unit_test(a_frame_too_long_to_deflate_from_is_refused_by_its_header),
      cmocka_unit_test(what_one_role_deflates_the_other_inflates),
      cmocka_unit_test(configs_and_windows_out_of_range_are_refused),
      cmocka_unit_test(a_stream_calls_no_malloc),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
