/* One model, many lanes: each thread with its own scratch gets the bits that one alone gets. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <string.h>

#include "model/execute.h"
#include "model/shapes.h"

enum { ROWS = 64, ROUNDS = 200, THREADS = 4, WIDTH = 24 };

typedef struct lane {
  const tf_plan_t *plan;
  const float     *rows;
  const float     *wanted;
  uint32_t         first;
  uint32_t         wrong_cnt;
  pthread_t        thread;
} lane_t;

static void *run_lane(void *context) {
  lane_t *lane    = context;
  void   *scratch = aligned_alloc(64, lane->plan->scratch_bytes);
  for (uint32_t i = 0; i < ROUNDS * ROWS; i++) {
    uint32_t r = (lane->first + i) % ROWS;
    float    out;
    tf_execute_row(lane->plan, scratch, lane->rows + r * WIDTH, &out);
    lane->wrong_cnt += memcmp(&out, &lane->wanted[r], sizeof out) != 0;
  }
  free(scratch);
  return NULL;
}

static void lanes_that_share_a_model_get_the_same_bits(void **state) {
  (void)state;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  tf_plan_t  *plan;
  uint64_t    seed = 3;
  float       rows[ROWS * WIDTH], wanted[ROWS];
  lane_t      lanes[THREADS];
  assert_int_equal(tf_shapes_mlp(graph, "mlp", (uint32_t[]){WIDTH, 32, 1}, 3, 1), TF_OK);
  assert_int_equal(tf_plan_new(graph, tf_isa_best(), &plan), TF_OK);
  tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
  void *scratch = aligned_alloc(64, plan->scratch_bytes);
  for (int r = 0; r < ROWS; r++) tf_execute_row(plan, scratch, rows + r * WIDTH, &wanted[r]);
  for (uint32_t i = 0; i < THREADS; i++) {
    lanes[i] = (lane_t){.plan = plan, .rows = rows, .wanted = wanted, .first = i * 7};
    assert_int_equal(pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(lanes[i].thread, NULL);
    assert_int_equal(lanes[i].wrong_cnt, 0);
  }
  free(scratch);
  tf_plan_delete(plan);
  tf_graph_fini(graph);
  free(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lanes_that_share_a_model_get_the_same_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
