/* Levels by id: a table against a list that is searched from end to end. */
#include "cmocka_tf.h"

#include <stdlib.h>

#include "feed/level_ids.h"

#define CAP    37u
#define OWNERS 3u

static tf_level_ids_t ids;
static void          *memory;

static int setup(void **state) {
  (void)state;
  memory = aligned_alloc(64, tf_align_up(tf_level_ids_bytes(CAP, OWNERS), 64));
  tf_level_ids_init(&ids, memory, CAP, OWNERS);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(memory);
  return 0;
}

static void as_many_as_there_is_room_for_and_no_more(void **state) {
  (void)state;
  for (uint32_t i = 0; i < CAP; i++) {
    assert_int_equal(ids.cnt, i);
    assert_non_null(tf_level_ids_add(&ids, i % OWNERS, i));
  }
  assert_null(tf_level_ids_add(&ids, 0, CAP));
  assert_int_equal(ids.cnt, CAP);
  assert_non_null(tf_level_ids_find(&ids, 0, 0));
  tf_level_ids_drop(&ids, tf_level_ids_find(&ids, 0, 0));
  assert_non_null(tf_level_ids_add(&ids, 1, CAP));
  assert_null(tf_level_ids_add(&ids, 1, CAP + 1));
}

static void one_id_of_two_instruments_is_two_levels(void **state) {
  (void)state;
  tf_level_ids_add(&ids, 0, 7)->price = 10;
  tf_level_ids_add(&ids, 1, 7)->price = 20;
  assert_null(tf_level_ids_find(&ids, 2, 7));
  assert_int_equal(tf_level_ids_find(&ids, 0, 7)->price, 10);
  assert_int_equal(tf_level_ids_find(&ids, 1, 7)->price, 20);
  tf_level_ids_forget(&ids, 0);
  assert_null(tf_level_ids_find(&ids, 0, 7));
  assert_int_equal(tf_level_ids_find(&ids, 1, 7)->price, 20);
  assert_int_equal(ids.cnt, 1);
}

typedef struct {
  uint64_t id;
  int64_t  price;
  uint32_t owner;
} known_t;

static void any_order_of_steps_leaves_what_a_list_has(void **state) {
  (void)state;
  known_t  list[CAP];
  uint32_t cnt = 0;
  srand(7);
  for (uint32_t step = 0; step < 20000; step++) {
    uint32_t owner = (uint32_t)rand() % OWNERS, i = 0;
    uint64_t id =
        UINT64_C(8796000000) + (uint64_t)(rand() % 30) * 1024; /* ids that fall together */
    while (i < cnt && (list[i].id != id || list[i].owner != owner)) i++;
    tf_level_id_t *row = tf_level_ids_find(&ids, owner, id);
    assert_int_equal(row != NULL, i < cnt);
    if (row != NULL) assert_int_equal(row->price, list[i].price);
    if (rand() % 60 == 0) {
      tf_level_ids_forget(&ids, owner);
      for (i = 0; i < cnt;)
        if (list[i].owner == owner)
          list[i] = list[--cnt];
        else
          i++;
    } else if (row != NULL && rand() % 2) {
      tf_level_ids_drop(&ids, row);
      list[i] = list[--cnt];
    } else if (row == NULL) {
      row = tf_level_ids_add(&ids, owner, id);
      assert_int_equal(row != NULL, cnt < CAP);
      if (row == NULL) continue;
      row->price  = step;
      list[cnt++] = (known_t){id, step, owner};
    }
    assert_int_equal(ids.cnt, cnt);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(as_many_as_there_is_room_for_and_no_more, setup, teardown),
      cmocka_unit_test_setup_teardown(one_id_of_two_instruments_is_two_levels, setup, teardown),
      cmocka_unit_test_setup_teardown(any_order_of_steps_leaves_what_a_list_has, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
