#include "core/walk.h"

#include "cmocka_tf.h"

#define CAP 5u

static const uint64_t ENTRIES[CAP] = {10, 11, 12, 13, 14};

static void a_ring_is_saved_oldest_first_and_loaded_where_it_was(void **state) {
  (void)state;
  for (uint32_t head = 0; head < CAP; head++)
    for (uint32_t cnt = 0; cnt <= CAP; cnt++) {
      uint64_t  entries[CAP], bytes[CAP], back[CAP] = {0};
      tf_walk_t count = tf_walk_count(), save = tf_walk_save(bytes, sizeof bytes);
      memcpy(entries, ENTRIES, sizeof entries);
      tf_walk_ring(&count, entries, 8, CAP, head, cnt);
      tf_walk_ring(&save, entries, 8, CAP, head, cnt);
      assert_int_equal(count.bytes, cnt * 8);
      assert_int_equal(save.bytes, cnt * 8);
      for (uint32_t i = 0; i < cnt; i++) assert_int_equal(bytes[i], ENTRIES[(head + i) % CAP]);
      tf_walk_t load = tf_walk_load(bytes, cnt * 8);
      tf_walk_ring(&load, back, 8, CAP, head, cnt);
      assert_false(load.is_short);
      for (uint32_t i = 0; i < CAP; i++)
        assert_int_equal(back[(head + i) % CAP], i < cnt ? ENTRIES[(head + i) % CAP] : 0);
    }
}

static void a_ring_of_no_such_places_is_refused_and_nothing_is_written(void **state) {
  (void)state;
  static const uint32_t NO_PLACES[][2] = {
      {CAP,        1         },
      {0,          CAP + 1   },
      {UINT32_MAX, 0         },
      {0,          UINT32_MAX}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(NO_PLACES); i++) {
    uint64_t  into[CAP] = {0};
    tf_walk_t w         = tf_walk_load(ENTRIES, sizeof ENTRIES);
    tf_walk_ring(&w, into, 8, CAP, NO_PLACES[i][0], NO_PLACES[i][1]);
    assert_true(w.is_short);
    for (uint32_t k = 0; k < CAP; k++) assert_int_equal(into[k], 0);
  }
}

static void a_ring_that_is_left_keeps_its_room(void **state) {
  (void)state;
  uint64_t       bytes[CAP] = {0}, entries[CAP], word = 7;
  tf_walk_ring_t later[2];
  tf_walk_t      w = tf_walk_save(bytes, sizeof bytes);
  memcpy(entries, ENTRIES, sizeof entries);
  w.later = later;
  tf_walk_ring(&w, entries, 8, CAP, 3, 4);
  tf_walk(&w, &word, sizeof word);
  assert_false(w.is_short);
  assert_int_equal(w.bytes, sizeof bytes);
  assert_int_equal(bytes[0], 0);
  assert_int_equal(bytes[4], 7);
  assert_ptr_equal(later[0].to, bytes);
  assert_int_equal(later[0].head, 3);
  assert_int_equal(later[0].cnt, 4);
  tf_walk_ring(&w, entries, 8, CAP, 0, 1); /* there is no more */
  assert_true(w.is_short);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ring_is_saved_oldest_first_and_loaded_where_it_was),
      cmocka_unit_test(a_ring_of_no_such_places_is_refused_and_nothing_is_written),
      cmocka_unit_test(a_ring_that_is_left_keeps_its_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
