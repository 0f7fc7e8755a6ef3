#include "device_kernels.h"

#include "gpu/device.cuh"

static device_args_t *of(void *args) { return static_cast<device_args_t *>(args); }

void kernel_reverse(void *p) {
  device_args_t *args   = of(p);
  float         *shared = reinterpret_cast<float *>(tf_team_shared());
  uint32_t       rank = tf_team_rank(), size = tf_team_size();
  shared[rank] = static_cast<float>(rank);
  if (args->stage) tf_team_barrier();
  args->out[tf_grid_rank() * size + rank] = shared[size - 1 - rank];
}

void kernel_warp(void *p) {
  device_args_t *args = of(p);
  uint32_t       rank = tf_team_rank(), lane = tf_warp_lane();
  float         *out = args->out + 6 * rank;
  out[0]             = tf_warp_sum(static_cast<float>(rank));
  out[1]             = tf_warp_max(static_cast<float>(lane ^ 5));
  out[2]             = static_cast<float>(tf_warp_shuffle(rank, 7));
  out[3]             = static_cast<float>(tf_warp_shuffle_xor(rank, 16));
  out[4]             = static_cast<float>(tf_warp_ballot(lane < 3));
  out[5]             = static_cast<float>(tf_warp_all(lane < 32) + 2 * tf_warp_any(rank == 40) +
                              4 * tf_warp_all(lane > 0));
}

void kernel_mma(void *p) {
  device_args_t *args = of(p);
  uint32_t       lane = tf_warp_lane(), group = lane / 4, quarter = lane % 4;
  uint32_t       a[4], b[2];
  float          c[4] = {0, 0, 0, 0};
  for (uint32_t i = 0; i < 4; i++) {
    const uint16_t *two = args->a + (group + i % 2 * 8) * 16 + i / 2 * 8 + quarter * 2;
    a[i]                = two[0] | static_cast<uint32_t>(two[1]) << 16;
  }
  for (uint32_t i = 0; i < 2; i++) {
    const uint16_t *two = args->b + (i * 8 + quarter * 2) * 8 + group;
    b[i]                = two[0] | static_cast<uint32_t>(two[8]) << 16;
  }
  if (args->stage)
    tf_mma_bf16(c, a, b);
  else
    tf_mma_fp16(c, a, b);
  for (uint32_t i = 0; i < 4; i++) args->out[(group + i / 2 * 8) * 8 + quarter * 2 + i % 2] = c[i];
}

void kernel_peers(void *p) {
  device_args_t *args = of(p);
  uint32_t      *mine = reinterpret_cast<uint32_t *>(tf_team_shared());
  uint32_t       rank = tf_team_rank(), peers = tf_cluster_size();
  tf_cluster_barrier(); /* nobody writes into a block that has not begun */
  if (rank < peers) tf_cluster_peer(mine, rank)[tf_cluster_rank()] = tf_grid_rank();
  tf_cluster_barrier();
  if (rank < peers) args->out[tf_grid_rank() * peers + rank] = static_cast<float>(mine[rank]);
}

void kernel_named(void *p) {
  device_args_t *args   = of(p);
  float         *shared = reinterpret_cast<float *>(tf_team_shared());
  uint32_t       rank = tf_team_rank(), half = tf_team_size() / 2, first = rank / half * half;
  for (uint32_t round = 0; round < 1 + 2 * (rank / half);
       round++) { /* one half goes round more often */
    shared[rank] = static_cast<float>(rank + round);
    tf_team_barrier_of(1 + rank / half, half);
    args->out[rank] = shared[first + (rank + 1) % half];
    tf_team_barrier_of(1 + rank / half, half);
  }
}

void kernel_hang(void *) {
  if (tf_grid_rank() == 1 && tf_team_rank() == 3) return;
  tf_team_barrier();
}

void kernel_turns(void *p) {
  device_args_t *args = of(p);
  if (tf_team_rank() == 0) {
    tf_wait_t wait = tf_wait_of(&args->leave, 1u << 20);
    while (tf_load_acquire_card(&args->counter) != tf_grid_size() - 1 - tf_grid_rank())
      if (!tf_wait_on(&wait)) return;
    args->out[tf_grid_rank()] = static_cast<float>(args->counter);
    tf_add_release(&args->counter, 1);
  }
  tf_team_barrier();
}

void kernel_bounded(void *p) {
  device_args_t *args  = of(p);
  uint32_t       polls = 0;
  tf_wait_t      wait  = tf_wait_of(&args->leave, args->stage);
  if (tf_team_rank()) return;
  while (tf_wait_on(&wait)) polls++;
  args->out[0] = static_cast<float>(polls);
}

void kernel_numbers(void *p) {
  device_args_t *args = of(p);
  for (uint32_t x = tf_team_rank(); x < 256; x += tf_team_size()) {
    uint32_t low, high;
    tf_fp16_of_int8(x | (x ^ 1) << 8 | (255 - x) << 16 | 0x80000000u, &low, &high);
    float *out = args->out + 5 * x;
    out[0]     = tf_from_fp16(static_cast<uint16_t>(low));
    out[1]     = tf_from_fp16(static_cast<uint16_t>(low >> 16));
    out[2]     = tf_from_fp16(static_cast<uint16_t>(high));
    out[3]     = tf_from_fp16(static_cast<uint16_t>(high >> 16));
    out[4]     = static_cast<float>(tf_dot4(x * 0x01010101u, 0x80ff0102u, 7));
  }
}
