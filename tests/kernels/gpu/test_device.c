/* What stands for a card where there is none: fibers that meet at barriers, in an order that a seed draws. */
#include "cmocka_tf.h"

#include <string.h>

#include "cuda_on_cpu/cuda_on_cpu.h"
#include "device_kernels.h"
#include "op/small_float.h"

#define SEEDS 20u

static bool launch(void (*kernel)(void *), device_args_t *args, uint32_t grid, uint32_t cluster,
                   uint32_t block, uint64_t seed) {
  cuda_on_cpu_launch_t l = {.grid         = grid,
                            .cluster      = cluster,
                            .block        = block,
                            .shared_bytes = 4096,
                            .seed         = seed,
                            .kernel       = kernel,
                            .args         = args};
  return cuda_on_cpu_launch(&l);
}

static bool is_reversed(const float *out, uint32_t size, uint32_t blocks) {
  for (uint32_t i = 0; i < size * blocks; i++)
    if (out[i] != (float)(size - 1 - i % size)) return false;
  return true;
}

static void a_barrier_parts_what_is_written_from_what_is_read(void **state) {
  (void)state;
  float         out[3 * 96];
  device_args_t args = {.out = out, .stage = 1};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    memset(out, 0, sizeof out);
    assert_true(launch(kernel_reverse, &args, 3, 1, 96, seed));
    assert_true(is_reversed(out, 96, 3));
  }
}

static void a_missing_barrier_shows_and_its_seed_shows_it_again(void **state) {
  (void)state;
  float         out[64], again[64];
  device_args_t args = {.out = out};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    args.out = out;
    assert_true(launch(kernel_reverse, &args, 1, 1, 64, seed));
    assert_false(is_reversed(out, 64, 1));
    args.out = again;
    assert_true(launch(kernel_reverse, &args, 1, 1, 64, seed));
    assert_memory_equal(out, again, sizeof out);
  }
}

static void warps_sum_vote_and_shuffle(void **state) {
  (void)state;
  float         out[64 * 6];
  device_args_t args = {.out = out};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    assert_true(launch(kernel_warp, &args, 1, 1, 64, seed));
    for (uint32_t i = 0; i < 64; i++) {
      const float *got = out + (size_t)6 * i;
      assert_true(got[0] == (i < 32 ? 496.0f : 1520.0f));
      assert_true(got[1] == 31.0f);
      assert_true(got[2] == (i < 32 ? 7.0f : 39.0f));
      assert_true(got[3] == (float)(i ^ 16));
      assert_true(got[4] == 7.0f);
      assert_true(got[5] == (i < 32 ? 1.0f : 3.0f));
    }
  }
}

static void a_warp_multiplies_matrices(void **state) {
  (void)state;
  float         out[16 * 8];
  device_args_t args = {.out = out};
  for (args.stage = 0; args.stage < 2; args.stage++) {
    float a[16][16], b[16][8];
    for (uint32_t i = 0; i < 256; i++) { /* small whole numbers: every sum is exact */
      a[i / 16][i % 16] = (float)((int)(i * 7 % 23) - 11);
      args.a[i] = args.stage ? tf_bf16_of(a[i / 16][i % 16]) : tf_fp16_of(a[i / 16][i % 16]);
    }
    for (uint32_t i = 0; i < 128; i++) {
      b[i / 8][i % 8] = (float)((int)(i * 5 % 19) - 9);
      args.b[i]       = args.stage ? tf_bf16_of(b[i / 8][i % 8]) : tf_fp16_of(b[i / 8][i % 8]);
    }
    assert_true(launch(kernel_mma, &args, 1, 1, 32, args.stage));
    for (uint32_t r = 0; r < 16; r++)
      for (uint32_t n = 0; n < 8; n++) {
        float sum = 0;
        for (uint32_t k = 0; k < 16; k++) sum += a[r][k] * b[k][n];
        assert_true(out[r * 8 + n] == sum);
      }
  }
}

static void blocks_of_a_cluster_reach_each_others_shared_memory(void **state) {
  (void)state;
  float         out[12 * 4];
  device_args_t args = {.out = out};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    assert_true(launch(kernel_peers, &args, 12, 4, 32, seed));
    for (uint32_t i = 0; i < 48; i++) assert_true(out[i] == (float)(i / 16 * 4 + i % 4));
  }
}

static void named_barriers_know_nothing_of_one_another(void **state) {
  (void)state;
  float         out[128];
  device_args_t args = {.out = out};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    assert_true(launch(kernel_named, &args, 1, 1, 128, seed));
    for (uint32_t i = 0; i < 64; i++) {
      assert_true(out[i] == (float)((i + 1) % 64));
      assert_true(out[64 + i] == (float)(64 + (i + 1) % 64 + 2));
    }
  }
}

static void a_launch_that_hangs_says_who_waits_where(void **state) {
  (void)state;
  device_args_t args = {.out = NULL};
  assert_false(launch(kernel_hang, &args, 2, 1, 32, 1));
  assert_non_null(strstr(cuda_on_cpu_text(), "33 of 64 threads ended"));
  assert_non_null(strstr(cuda_on_cpu_text(), "block 1 from thread 0 on at team barrier"));
  assert_non_null(strstr(cuda_on_cpu_text(), "device_kernels.cpp:"));
}

static void blocks_meet_in_memory_and_every_wait_is_bounded(void **state) {
  (void)state;
  float         out[9];
  device_args_t args = {.out = out};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    args.counter = 0;
    assert_true(launch(kernel_turns, &args, 9, 1, 32, seed));
    for (uint32_t i = 0; i < 9; i++) assert_true(out[i] == (float)(8 - i));
  }
  for (args.stage = 0; args.stage < 1000; args.stage += 333) {
    assert_true(launch(kernel_bounded, &args, 1, 1, 32, 1));
    assert_true(out[0] == (float)args.stage);
    assert_int_equal(args.leave, 2);
    args.leave = 0;
  }
  args.stage = 100000;
  args.leave = 1; /* seen at the next look */
  assert_true(launch(kernel_bounded, &args, 1, 1, 32, 1));
  assert_true(out[0] <= 256.0f);
}

static void small_numbers_are_converted_exactly(void **state) {
  (void)state;
  float         out[256 * 5];
  device_args_t args = {.out = out};
  assert_true(launch(kernel_numbers, &args, 1, 1, 64, 1));
  for (int i = 0; i < 256; i++) {
    const float *got = out + (size_t)5 * (size_t)i;
    assert_true(got[0] == (float)(int8_t)i);
    assert_true(got[1] == (float)(int8_t)(i ^ 1));
    assert_true(got[2] == (float)(int8_t)(255 - i));
    assert_true(got[3] == -128.0f);
    assert_true(got[4] == (float)(7 + (int8_t)i * (2 + 1 - 1 - 128)));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_barrier_parts_what_is_written_from_what_is_read),
      cmocka_unit_test(a_missing_barrier_shows_and_its_seed_shows_it_again),
      cmocka_unit_test(warps_sum_vote_and_shuffle),
      cmocka_unit_test(a_warp_multiplies_matrices),
      cmocka_unit_test(blocks_of_a_cluster_reach_each_others_shared_memory),
      cmocka_unit_test(named_barriers_know_nothing_of_one_another),
      cmocka_unit_test(a_launch_that_hangs_says_who_waits_where),
      cmocka_unit_test(blocks_meet_in_memory_and_every_wait_is_bounded),
      cmocka_unit_test(small_numbers_are_converted_exactly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
