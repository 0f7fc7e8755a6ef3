/* A CUDA launch on one thread of the CPU: what device.cuh stands on where nvcc is not, so that the kernels' sources run, and are
 * tested, everywhere. Each thread of each block is a fiber with a stack of its own; a barrier, a warp's exchange and a pause are
 * where one gives way to another. Which one goes on is drawn from the seed, so a barrier that is missing shows as a wrong
 * result on some seed, and the same seed shows it again. Where every fiber waits and none can go on, the launch fails and says who
 * waits where.
 *
 * Not seen: races within a stretch that has no barrier, since fibers do not preempt one another, and the card's weak memory.
 * A block's shared memory begins as garbage of the seed, as a card's does.
 *
 * One launch at a time a thread; other threads may run beside it, and meet it in memory as the host meets a card. */
#ifndef TESTS_CUDA_ON_CPU_H
#define TESTS_CUDA_ON_CPU_H

#include "tf/base.h"

#define CUDA_ON_CPU_WARP           32u
#define CUDA_ON_CPU_THREAD_MAX     1024u /* of a block */
#define CUDA_ON_CPU_BARRIER_CNT    16u   /* named ones of a block; 0: the whole block's */
#define CUDA_ON_CPU_EXCHANGE_WORDS 8u
#define CUDA_ON_CPU_TEXT_BYTES     512u

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cuda_on_cpu_launch {
  uint32_t grid, cluster,
      block;             /* blocks in all, of a cluster; threads of a block, a multiple of 32 */
  uint32_t shared_bytes; /* dynamic, of a block */
  uint64_t seed;
  void (*kernel)(void *args);
  void *args;
} cuda_on_cpu_launch_t;

/* True: every thread of every block came to its end. False: see cuda_on_cpu_text. */
bool cuda_on_cpu_launch(const cuda_on_cpu_launch_t *launch);

/* Of this thread's last launch that failed: who waited where. */
const char *cuda_on_cpu_text(void);

/* ---- for device.cuh: within a kernel ---- */

typedef struct cuda_on_cpu_self {
  uint32_t thread, block;
  uint32_t thread_cnt, block_cnt, cluster_size;
  uint8_t *shared; /* the block's */
} cuda_on_cpu_self_t;

typedef struct cuda_on_cpu_where {
  const char *what, *file;
  int         line;
} cuda_on_cpu_where_t;

const cuda_on_cpu_self_t *cuda_on_cpu_self(void);
uint8_t                  *cuda_on_cpu_shared_of(uint32_t block);

/* Waits for thread_cnt threads of the block at barrier id. */
void cuda_on_cpu_barrier(uint32_t id, uint32_t thread_cnt, cuda_on_cpu_where_t where);
/* Waits for all threads of the cluster. */
void cuda_on_cpu_cluster_barrier(cuda_on_cpu_where_t where);
/* All 32 threads of a warp put down cnt words each and get everybody's: good until the thread's next exchange but one. */
typedef uint32_t           cuda_on_cpu_words_t[CUDA_ON_CPU_EXCHANGE_WORDS];
const cuda_on_cpu_words_t *cuda_on_cpu_exchange(const uint32_t *words, uint32_t cnt,
                                                cuda_on_cpu_where_t where);
/* Somebody else's turn: in every loop that waits for memory to change. */
void cuda_on_cpu_pause(void);

#ifdef __cplusplus
}
#endif

#endif
