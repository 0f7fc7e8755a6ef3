#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "wire/gzip.h"

#define ROOM 65536u

static tf_gzip_t gzip;
static uint8_t   memory[1 << 16] __attribute__((aligned(16)));
static uint8_t   packed[ROOM * 2], out[ROOM + 1];

static int set_up(void **state) {
  (void)state;
  assert_true(tf_gzip_bytes() <= sizeof memory);
  assert_int_equal(tf_gzip_init(&gzip, memory), TF_OK);
  return 0;
}

/* zlib's own writer is what the bytes come from: a member with its header and trailer. */
static size_t pack(const void *bytes, size_t cnt, int level) {
  z_stream z = {0};
  assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in   = (Bytef *)(uintptr_t)bytes;
  z.avail_in  = (uInt)cnt;
  z.next_out  = packed;
  z.avail_out = sizeof packed;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return z.total_out;
}

static tf_gzip_status_t take(size_t cnt, size_t room, size_t *out_cnt) {
  memset(out, 0xa5, sizeof out);
  tf_gzip_status_t status = tf_gzip_take(&gzip, packed, cnt, out, room, out_cnt);
  assert_int_equal(out[room], 0xa5); /* never behind the room */
  return status;
}

static void a_member_comes_out_as_it_went_in_message_after_message(void **state) {
  (void)state;
  static uint8_t text[ROOM];
  uint64_t       rng = 88172645463325252u;
  for (int run = 0; run < 300; run++) {
    size_t cnt = run * 219 % ROOM;
    for (size_t i = 0; i < cnt; i++) {
      rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
      text[i] = run & 1 ? (uint8_t)rng : "0123456789.,[]"[rng % 14];
    }
    size_t out_cnt;
    assert_int_equal(take(pack(text, cnt, run % 10), ROOM, &out_cnt), TF_GZIP_OK);
    assert_int_equal(out_cnt, cnt);
    assert_memory_equal(out, text, cnt);
  }
}

static void the_room_is_the_bound_to_the_byte(void **state) {
  (void)state;
  static const char zeros[4000];
  size_t            out_cnt, cnt = pack(zeros, sizeof zeros, 9);
  assert_int_equal(take(cnt, sizeof zeros - 1, &out_cnt), TF_GZIP_FULL);
  assert_int_equal(out_cnt, 0);
  assert_int_equal(take(cnt, sizeof zeros, &out_cnt), TF_GZIP_OK);
  assert_int_equal(take(cnt, sizeof zeros + 1, &out_cnt), TF_GZIP_OK);
  assert_int_equal(out_cnt, sizeof zeros);
}

static void a_bomb_becomes_no_more_than_it_may(void **state) {
  (void)state;
  static const char zeros[8 << 20];
  size_t            out_cnt, cnt = pack(zeros, sizeof zeros, 9);
  assert_true(cnt < 10000);
  assert_int_equal(take(cnt, ROOM, &out_cnt), TF_GZIP_FULL);
}

static void what_is_no_whole_member_is_bad_wherever_it_breaks(void **state) {
  (void)state;
  static const char text[] = "{\"ping\":1618678073643}";
  size_t            out_cnt, cnt = pack(text, sizeof text - 1, 6);
  for (size_t cut = 0; cut < cnt; cut++) assert_int_equal(take(cut, ROOM, &out_cnt), TF_GZIP_BAD);
  assert_int_equal(take(cnt + 1, ROOM, &out_cnt), TF_GZIP_BAD); /* a byte behind it */
  for (size_t at = cnt - 8; at < cnt; at++) {                   /* checksum and length */
    packed[at] ^= 1;
    assert_int_equal(take(cnt, ROOM, &out_cnt), TF_GZIP_BAD);
    packed[at] ^= 1;
  }
  packed[0] ^= 1; /* not gzip */
  assert_int_equal(take(cnt, ROOM, &out_cnt), TF_GZIP_BAD);
  packed[0] ^= 1;
  assert_int_equal(take(cnt, ROOM, &out_cnt), TF_GZIP_OK); /* none of it is remembered */
  assert_int_equal(out_cnt, sizeof text - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_member_comes_out_as_it_went_in_message_after_message, set_up),
      cmocka_unit_test_setup(the_room_is_the_bound_to_the_byte, set_up),
      cmocka_unit_test_setup(a_bomb_becomes_no_more_than_it_may, set_up),
      cmocka_unit_test_setup(what_is_no_whole_member_is_bad_wherever_it_breaks, set_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
