#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "feed/depth_mirror.h"
#include "wire/decimal.h"

static uint64_t rng_state = 0x9e3779b97f4a7c15u;
static uint32_t rng(uint32_t below) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return (uint32_t)(rng_state >> 33) % below;
}

static tf_depth_mirror_t mirror;
static void             *memory;

static void start(uint32_t depth) {
  free(memory);
  memory = aligned_alloc(64, tf_align_up(tf_depth_mirror_bytes(depth), 64));
  tf_depth_mirror_init(&mirror, memory, depth);
}

static void put(bool is_ask, int64_t price, int8_t price_exp, int64_t qty) {
  tf_event_t e    = {.flags = is_ask ? TF_FLAG_SIDE : 0, .price_exp = price_exp, .qty_exp = -8};
  e.u.level.price = price;
  e.u.level.qty   = qty;
  tf_depth_mirror_apply(&mirror, &e);
}

/* The venue's own vector: MINA/GBP, 2026-08-16 (VENUES.md 4). */
static void checksum_of_the_venues_vector_is_its_own(void **state) {
  (void)state;
  static const struct {
    int64_t price, qty;
  } asks[] =
      {
          {288, 3241638964164},
          {289, 1883149589194},
          {290, 174000000000 },
          {294, 174000000000 },
          {296, 174000000000 },
          {299, 184777578386 },
          {301, 174000000000 },
          {303, 174000000000 },
          {304, 184777578386 },
          {309, 184777578386 }
  },
    bids[] = {{286, 7419819125726}, {285, 1883149589194}, {280, 1292563811394}, {279, 147594222688},
              {276, 420774770000},  {273, 184646965000},  {271, 52546740467},   {270, 37037037037},
              {266, 53534461152},   {260, 54769871794}};
  start(25);
  for (int i = 9; i >= 0; i--) put(true, asks[i].price, -4, asks[i].qty);
  for (int i = 0; i < 10; i++) put(false, bids[i].price, -4, bids[i].qty);
  assert_int_equal(tf_depth_mirror_checksum(&mirror), 2570005138u);
  put(true, 400, -4, 5); /* an eleventh does not count */
  put(false, 1, -4, 5);
  assert_int_equal(tf_depth_mirror_checksum(&mirror), 2570005138u);
  put(true, 309, -4, 184777578387);
  assert_int_not_equal(tf_depth_mirror_checksum(&mirror), 2570005138u);
}

static void empty_book_has_the_checksum_of_nothing(void **state) {
  (void)state;
  start(10);
  assert_int_equal(tf_depth_mirror_checksum(&mirror), 0);
  put(false, 5, 0, 0); /* a delete of what is not there */
  assert_int_equal(mirror.sides[0].cnt, 0);
}

static void prices_of_other_exponents_fall_into_their_places(void **state) {
  (void)state;
  start(10);
  put(false, 15, -1, 1);          /* 1.5 */
  put(false, 125, -2, 2);         /* 1.25 */
  put(false, 2, 0, 3);            /* 2 */
  put(false, 1500, -3, 4);        /* 1.500 again */
  put(false, 1, 30, 5);           /* 10^30 */
  put(false, INT64_MAX, -127, 6); /* next to nothing */
  assert_int_equal(mirror.sides[0].cnt, 5);
  const int64_t qtys[] = {6, 2, 4, 3, 5};
  for (int i = 0; i < 5; i++) assert_int_equal(mirror.sides[0].levels[i].qty, qtys[i]);
  put(false, 150, -2, 0);
  assert_int_equal(mirror.sides[0].cnt, 4);
}

/* Against an array that is searched from end to end. */
static void mirror_is_what_a_plain_array_says(void **state) {
  (void)state;
  enum { PRICES = 64, DEPTH = 10 };
  for (int round = 0; round < 200; round++) {
    int64_t qtys[2][PRICES] = {{0}};
    start(DEPTH);
    for (int message = 0; message < 100; message++) {
      for (uint32_t i = rng(8); i > 0; i--) {
        bool    is_ask = rng(2);
        int64_t price = 1 + rng(PRICES - 1), qty = rng(3);
        qtys[is_ask][price] = qty;
        put(is_ask, price, -2, qty);
      }
      for (int s = 0; s < 2; s++) { /* the plain way to cut to the depth */
        uint32_t cnt = 0;
        for (int k = 0; k < PRICES; k++) {
          int64_t *qty = &qtys[s][s == 1 ? k : PRICES - 1 - k];
          if (*qty != 0 && cnt++ >= DEPTH) *qty = 0;
        }
        assert_int_equal(tf_depth_mirror_excess(&mirror, s), cnt > DEPTH ? cnt - DEPTH : 0);
      }
      tf_depth_mirror_cut(&mirror);
      for (int s = 0; s < 2; s++) {
        uint32_t at = mirror.sides[s].cnt;
        for (int k = 0; k < PRICES; k++) {
          int price = s == 1 ? k : PRICES - 1 - k;
          if (qtys[s][price] == 0) continue;
          assert_true(at > 0);
          at--;
          assert_int_equal(mirror.sides[s].levels[at].price, price);
          assert_int_equal(mirror.sides[s].levels[at].qty, qtys[s][price]);
        }
        assert_int_equal(at, 0);
      }
    }
  }
}

/* Prices of all exponents within reach of each other, and some that are not, against an array kept by their value. */
static void ranks_are_those_of_the_values(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    double   values[64];
    uint32_t cnt = 0;
    start(64);
    for (int i = 0; i < 64; i++) {
      int     exp   = (int)rng(5) - (round % 3 == 0 ? 4 : 1);
      int64_t price = 1 + rng(999);
      if (round % 10 == 9 && i == 40) { /* no key of it fits beside the others */
        price = INT64_MAX;
        exp   = 20;
      }
      double value    = (double)price * pow(10, exp);
      bool   is_known = false;
      for (uint32_t k = 0; k < cnt; k++) is_known |= fabs(values[k] - value) < value * 1e-12;
      put(round & 1, price, (int8_t)exp, 1);
      if (!is_known) values[cnt++] = value;
    }
    const tf_depth_side_t *side = &mirror.sides[round & 1];
    assert_int_equal(side->cnt, cnt);
    for (uint32_t i = 1; i < cnt; i++) {
      const tf_depth_level_t *a = &side->levels[i - 1], *b = &side->levels[i];
      double                  x = (double)a->price * pow(10, a->price_exp),
             y                  = (double)b->price * pow(10, b->price_exp);
      assert_true(round & 1 ? x > y : x < y);
    }
  }
}

/* Texts are those that tf_decimal_format makes, which writes digit by digit; twice, the second time as kept. */
static void checksum_of_pairs_is_over_the_texts_as_sent(void **state) {
  (void)state;
  for (int round = 0; round < 3000; round++) {
    char   text[8192];
    size_t at = 0;
    start(10);
    for (int side = 0; side < 2; side++) {
      int64_t    qty   = (int64_t)(((uint64_t)rng(1u << 31) << 31 | rng(1u << 31)) >> rng(62)) + 1;
      int64_t    price = (int64_t)(((uint64_t)rng(1u << 31) << 31 | rng(1u << 31)) >> rng(62)) + 1;
      char       decimal[TF_DECIMAL_TEXT_BYTES];
      int8_t     price_exp = (int8_t) - (int)rng(20), qty_exp = (int8_t) - (int)rng(20);
      tf_event_t e = {.flags = side ? TF_FLAG_SIDE : 0, .price_exp = price_exp, .qty_exp = qty_exp};
      e.u.level.price = price;
      e.u.level.qty   = qty;
      tf_depth_mirror_apply(&mirror, &e);
      if (side) text[at++] = ':';
      at += tf_decimal_format(price, price_exp, decimal);
      memcpy(text + at - strlen(decimal), decimal, strlen(decimal));
      text[at++] = ':';
      at += tf_decimal_format(qty, qty_exp, decimal);
      memcpy(text + at - strlen(decimal), decimal, strlen(decimal));
    }
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)text, (uInt)at);
    assert_int_equal(tf_depth_mirror_checksum_pairs(&mirror, 25), crc);
    assert_int_equal(tf_depth_mirror_checksum_pairs(&mirror, 25), crc);
  }
}

static int tear_down(void **state) {
  (void)state;
  free(memory);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checksum_of_the_venues_vector_is_its_own),
      cmocka_unit_test(empty_book_has_the_checksum_of_nothing),
      cmocka_unit_test(prices_of_other_exponents_fall_into_their_places),
      cmocka_unit_test(mirror_is_what_a_plain_array_says),
      cmocka_unit_test(ranks_are_those_of_the_values),
      cmocka_unit_test(checksum_of_pairs_is_over_the_texts_as_sent),
  };
  return cmocka_run_group_tests(tests, NULL, tear_down);
}
