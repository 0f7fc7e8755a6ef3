#include "cmocka_tf.h"

#include "core/error.h"
#include "stage/runner.h"

#define A TF_STAGE_ACQUIRE
#define L TF_STAGE_LANE
#define E TF_STAGE_EMIT
#define H TF_STAGE_ASSIST

static void legal_cuts_are_after_acquire_and_after_decide(void **state) {
  (void)state;
  static const struct {
    uint32_t stages[TF_THREADS_MAX];
    uint32_t cnt;
    bool     ok;
  } rows[] = {
      {{A | L | E},    1, true },
      {{A, L | E},     2, true },
      {{A | L, E},     2, true },
      {{A, L, E},      3, true },
      {{A | L | E, H}, 2, true },
      {{A, L, E, H},   4, true },
      {{A | L | H, E}, 2, false},
      {{H},            1, false},
      {{A | L},        1, false},
      {{L | E},        1, false},
      {{A | E, L},     2, false},
      {{E, L, A},      3, false},
      {{L, A, E},      3, false},
      {{A | L | E, E}, 2, false},
      {{A, A, L | E},  3, false},
      {{0},            0, false},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_runner_thread_t threads[TF_THREADS_MAX] = {0};
    for (uint32_t t = 0; t < rows[i].cnt; t++) threads[t].stages = rows[i].stages[t];
    tf_err_t err = tf_runner_check(threads, rows[i].cnt);
    assert_int_equal(err, rows[i].ok ? TF_OK : E_BOOT_TOPOLOGY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(legal_cuts_are_after_acquire_and_after_decide),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
