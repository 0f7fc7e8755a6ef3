#include "cmocka_tf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "feed/depth_checksum.h"
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

static void start(uint32_t depth, const tf_depth_checksum_t *checksum) {
  free(memory);
  memory = aligned_alloc(64, tf_align_up(tf_depth_mirror_bytes(depth), 64));
  tf_depth_mirror_init(&mirror, memory, depth, checksum);
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
  start(25, &tf_depth_checksum_digits);
  for (int i = 9; i >= 0; i--) put(true, asks[i].price, -4, asks[i].qty);
  for (int i = 0; i < 10; i++) put(false, bids[i].price, -4, bids[i].qty);
  assert_int_equal(tf_depth_checksum(&mirror), 2570005138u);
  put(true, 400, -4, 5); /* an eleventh does not count */
  put(false, 1, -4, 5);
  assert_int_equal(tf_depth_checksum(&mirror), 2570005138u);
  put(true, 309, -4, 184777578387);
  assert_int_not_equal(tf_depth_checksum(&mirror), 2570005138u);
}

static void empty_book_has_the_checksum_of_nothing(void **state) {
  (void)state;
  start(10, &tf_depth_checksum_digits);
  assert_int_equal(tf_depth_checksum(&mirror), 0);
  put(false, 5, 0, 0); /* a delete of what is not there */
  assert_int_equal(mirror.sides[0].cnt, 0);
}

static void prices_of_other_exponents_fall_into_their_places(void **state) {
  (void)state;
  start(10, NULL);
  put(false, 15, -1, 1);          /* 1.5 */
  put(false, 125, -2, 2);         /* 1.25 */
  put(false, 2, 0, 3);            /* 2 */
  put(false, 1500, -3, 4);        /* 1.500 again */
  put(false, 1, 30, 5);           /* 10^30 */
  put(false, INT64_MAX, -127, 6); /* next to nothing */
  assert_int_equal(mirror.sides[0].cnt, 5);
  const int64_t qtys[] = {6, 2, 4, 3, 5};
  for (int i = 0; i < 5; i++)
    assert_int_equal(tf_depth_mirror_at(&mirror, 0, (uint32_t)i)->qty, qtys[i]);
  put(false, 150, -2, 0);
  assert_int_equal(mirror.sides[0].cnt, 4);
}

/* Against an array that is searched from end to end. */
static void mirror_is_what_a_plain_array_says(void **state) {
  (void)state;
  enum { PRICES = 64, DEPTH = 10 };
  for (int round = 0; round < 200; round++) {
    int64_t qtys[2][PRICES] = {{0}};
    start(DEPTH, NULL);
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
          assert_int_equal(tf_depth_mirror_at(&mirror, s, at)->price, price);
          assert_int_equal(tf_depth_mirror_at(&mirror, s, at)->qty, qtys[s][price]);
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
    start(64, NULL);
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
      const tf_depth_level_t *a = tf_depth_mirror_at(&mirror, round & 1, i - 1),
                             *b = tf_depth_mirror_at(&mirror, round & 1, i);
      double x                  = (double)a->price * pow(10, a->price_exp),
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
    start(10, &tf_depth_checksum_pairs);
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
    assert_int_equal(tf_depth_checksum(&mirror), crc);
    assert_int_equal(tf_depth_checksum(&mirror), crc);
  }
}

/* A deep book whose changes come in any order, from the best on, or at the far end, so that ranks move to both sides:
 * against an array by price. */
static void deep_book_is_what_a_plain_array_says(void **state) {
  (void)state;
  enum { PRICES = 1200, DEPTH = 400 };
  static int64_t qtys[2][PRICES];
  for (int round = 0; round < 8; round++) {
    memset(qtys, 0, sizeof qtys);
    start(DEPTH, NULL);
    for (int message = 0; message < 400; message++) {
      uint32_t cnt = 1 + rng(60), price = rng(PRICES), kind = rng(4);
      bool     is_ask = rng(2);
      tf_depth_mirror_begin(&mirror);
      for (uint32_t i = 0; i < cnt; i++) {
        if (kind == 0) price = rng(PRICES);
        if (kind == 1) price = (price + (is_ask ? 1 + rng(3) : PRICES - 1 - rng(3))) % PRICES;
        if (kind == 2) price = is_ask ? PRICES - 1 - rng(40) : rng(40); /* the far end */
        if (kind == 3) price = is_ask ? rng(40) : PRICES - 1 - rng(40);
        int64_t qty         = rng(3);
        qtys[is_ask][price] = qty;
        put(is_ask, price, -2, qty);
      }
      for (int s = 0; s < 2; s++) {
        uint32_t found = 0;
        for (int k = 0; k < PRICES; k++) {
          int64_t *qty = &qtys[s][s == 1 ? k : PRICES - 1 - k];
          if (*qty != 0 && found++ >= DEPTH) *qty = 0;
        }
      }
      tf_depth_mirror_cut(&mirror);
      for (int s = 0; s < 2; s++) {
        uint32_t at = mirror.sides[s].cnt;
        for (int k = 0; k < PRICES; k++) {
          int p = s == 1 ? k : PRICES - 1 - k;
          if (qtys[s][p] == 0) continue;
          assert_true(at > 0);
          at--;
          assert_int_equal(tf_depth_mirror_at(&mirror, s, at)->price, p);
          assert_int_equal(tf_depth_mirror_at(&mirror, s, at)->qty, qtys[s][p]);
        }
        assert_int_equal(at, 0);
      }
    }
  }
}

/* A market that only falls, then only rises: each side loses at one end what it gets at the other, so that its ranks
 * come to the ends of their room. */
static void market_that_runs_away_stays_in_its_room(void **state) {
  (void)state;
  enum { DEPTH = 20, STEPS = 4000 };
  start(DEPTH, NULL);
  for (int64_t step = 0; step < 2 * STEPS; step++) {
    int64_t low = step < STEPS ? 10000 - step : 10000 - 2 * STEPS + step;
    tf_depth_mirror_begin(&mirror);
    for (int s = 0; s < 2; s++) {
      int64_t first = low + 100 * s; /* its levels are at first .. first + DEPTH - 1 */
      for (int64_t k = 0; k < DEPTH; k++) put(s, first + k, -2, first + k);
      put(s, first - 1, -2, 0);
      put(s, first + DEPTH, -2, 0);
    }
    tf_depth_mirror_cut(&mirror);
    for (int s = 0; s < 2; s++) {
      assert_int_equal(mirror.sides[s].cnt, DEPTH);
      for (uint32_t i = 0; i < DEPTH; i++) {
        int64_t price = low + 100 * s + (s == 1 ? DEPTH - 1 - i : i);
        assert_int_equal(tf_depth_mirror_at(&mirror, s, i)->price, price);
        assert_int_equal(tf_depth_mirror_at(&mirror, s, i)->qty, price);
      }
    }
  }
}

static char *put_odd(char *to, const tf_depth_level_t *level, bool is_ask) {
  return to + sprintf(to, "%c%" PRId64 "/%" PRId64, is_ask ? 'a' : 'b', level->price, level->qty);
}

/* Without a power, as venues of checksums write. */
static size_t put_plain(char *to, int64_t mantissa, int8_t exp) {
  size_t bytes = tf_decimal_format(mantissa, exp > 0 ? 0 : exp, to);
  for (; exp > 0; exp--) to[bytes++] = '0';
  return bytes;
}

static uint32_t checksum_by_text(const tf_depth_checksum_t *c) {
  static char text[2 * TF_DEPTH_CHECKSUM_LEVELS_MAX * (TF_DEPTH_TEXT_BYTES_MAX + 1)];
  size_t      at = 0;
  for (uint32_t i = 0; i < 2 * c->level_cnt; i++) {
    int      s     = c->by_turns ? (int)(i % 2) : i < c->level_cnt;
    uint32_t place = c->by_turns ? i / 2 : i % c->level_cnt;
    if (place >= mirror.sides[s].cnt) continue;
    const tf_depth_level_t *level = tf_depth_mirror_at(&mirror, s, mirror.sides[s].cnt - 1 - place);
    if (at > 0 && c->between != 0) text[at++] = c->between;
    if (c->text == TF_DEPTH_TEXT_OWN) {
      at = (size_t)(put_odd(text + at, level, s) - text);
    } else if (c->text == TF_DEPTH_TEXT_DIGITS) {
      at += (size_t)sprintf(text + at, "%" PRId64 "%" PRId64, level->price, level->qty);
    } else {
      at += put_plain(text + at, level->price, level->price_exp);
      text[at++] = ':';
      at += put_plain(text + at, level->qty, level->qty_exp);
    }
  }
  return (uint32_t)crc32(0, (const Bytef *)text, (uInt)at);
}

/* Books that live: what is kept of a level's text must go when its price or quantity is written otherwise. Among the
 * numbers are some that are too long to be kept, and books of them that are too long to be joined. */
static void checksum_of_a_living_book_is_that_of_its_texts(void **state) {
  (void)state;
  static const tf_depth_checksum_t odd = {
      .level_cnt = 25, .text = TF_DEPTH_TEXT_OWN, .between = '|', .by_turns = true, .put = put_odd};
  const tf_depth_checksum_t *all[] = {&tf_depth_checksum_pairs, &tf_depth_checksum_digits, &odd};
  for (int round = 0; round < 90; round++) {
    const tf_depth_checksum_t *c = all[round % 3];
    start(50, c);
    for (int message = 0; message < 60; message++) {
      tf_depth_mirror_begin(&mirror);
      for (uint32_t i = rng(20); i > 0; i--) {
        bool       is_ask = rng(2);
        uint32_t   zeros  = rng(4); /* the same price, written otherwise */
        tf_event_t e      = {.flags = is_ask ? TF_FLAG_SIDE : 0};
        e.u.level.price   = (int64_t)(1 + rng(60)) * (int64_t)tf_decimal_pow10[zeros];
        e.price_exp       = (int8_t) - (int)(2 + zeros);
        e.u.level.qty     = rng(4) == 0 ? 0 : 1 + (int64_t)rng(1u << 30);
        e.qty_exp         = (int8_t) - (int)rng(9);
        if (round % 10 == 9) { /* long ones */
          e.u.level.qty = e.u.level.qty << 30 | 1;
          e.qty_exp     = rng(3) == 0 ? 127 : (int8_t)-30;
          if (round % 20 == 19) e.price_exp = 120;
        }
        tf_depth_mirror_apply(&mirror, &e);
      }
      tf_depth_mirror_cut(&mirror);
      assert_int_equal(tf_depth_checksum(&mirror), checksum_by_text(c));
    }
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
      cmocka_unit_test(deep_book_is_what_a_plain_array_says),
      cmocka_unit_test(market_that_runs_away_stays_in_its_room),
      cmocka_unit_test(checksum_of_a_living_book_is_that_of_its_texts),
  };
  return cmocka_run_group_tests(tests, NULL, tear_down);
}
