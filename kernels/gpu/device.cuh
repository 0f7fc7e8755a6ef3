/* CUDA's words, as device functions here use them: the only file that includes CUDA's headers. Without nvcc the same names stand
 * for fibers of one CPU thread (tests/cuda_on_cpu), and whoever includes this file compiles as C++17 with either.
 *
 *   team     the threads of a block                 rank, size, barrier, dynamic shared memory
 *   warp     32 of them in step                     shuffles, votes, sums, products of matrices
 *   cluster  blocks that reach each other's shared memory; one block where there are none
 *   grid     all blocks: they meet in the card's memory alone
 *
 * Every thread of a team (a warp, a cluster) calls its collective functions together. A loop that waits for memory to change
 * calls tf_pause in each round, and is bounded (tf_wait_t).
 *
 * Sums of floats are made in the order that the source says: compile with -fmad=false, and say tf_fma where one is meant. */
#ifndef TF_GPU_DEVICE_CUH
#define TF_GPU_DEVICE_CUH

#include "op/small_float.h"
#include "tf/mailbox.h"

#define TF_WARP_SIZE 32u

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define TF_DEVICE        static __device__ __forceinline__
#define TF_DEVICE_MEMBER __device__ __forceinline__
#define TF_UNROLL        _Pragma("unroll")
#define TF_FULL_WARP     0xffffffffu
#define TF_WHERE_PARAM
#define TF_WHERE_LAST_PARAM

/* ---- team ---- */

TF_DEVICE uint32_t tf_team_rank() { return threadIdx.x; }
TF_DEVICE uint32_t tf_team_size() { return blockDim.x; }
TF_DEVICE void     tf_team_barrier() { __syncthreads(); }
/* id 1 .. 15; thread_cnt: of those that come, a multiple of 32. */
TF_DEVICE void tf_team_barrier_of(uint32_t id, uint32_t thread_cnt) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(thread_cnt) : "memory");
}
/* The dynamic shared memory, at a multiple of 128. */
TF_DEVICE uint8_t *tf_team_shared() {
  extern __shared__ __align__(128) uint8_t tf_team_shared_bytes[];
  return tf_team_shared_bytes;
}

/* ---- grid and cluster ---- */

TF_DEVICE uint32_t tf_grid_rank() { return blockIdx.x; }
TF_DEVICE uint32_t tf_grid_size() { return gridDim.x; }

#if __CUDA_ARCH__ >= 900
TF_DEVICE uint32_t tf_cluster_size() {
  uint32_t cnt;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(cnt));
  return cnt;
}
TF_DEVICE uint32_t tf_cluster_rank() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
TF_DEVICE void tf_cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
}
/* What lies at p of this block's shared memory, in that of the cluster's block rank: a generic address. */
template <typename T> TF_DEVICE T *tf_cluster_peer(T *p, uint32_t rank) {
  uint64_t address;
  asm("mapa.u64 %0, %1, %2;" : "=l"(address) : "l"((uint64_t)p), "r"(rank));
  return (T *)address;
}
#else
TF_DEVICE uint32_t                 tf_cluster_size() { return 1; }
TF_DEVICE uint32_t                 tf_cluster_rank() { return 0; }
TF_DEVICE void                     tf_cluster_barrier() { __syncthreads(); }
template <typename T> TF_DEVICE T *tf_cluster_peer(T *p, uint32_t) { return p; }
#endif

/* ---- warp ---- */

TF_DEVICE void     tf_warp_barrier() { __syncwarp(); }
TF_DEVICE uint32_t tf_warp_shuffle(uint32_t x, uint32_t lane) {
  return __shfl_sync(TF_FULL_WARP, x, (int)lane);
}
TF_DEVICE float tf_warp_shuffle(float x, uint32_t lane) {
  return __shfl_sync(TF_FULL_WARP, x, (int)lane);
}
TF_DEVICE uint32_t tf_warp_shuffle_xor(uint32_t x, uint32_t mask) {
  return __shfl_xor_sync(TF_FULL_WARP, x, (int)mask);
}
TF_DEVICE float tf_warp_shuffle_xor(float x, uint32_t mask) {
  return __shfl_xor_sync(TF_FULL_WARP, x, (int)mask);
}
TF_DEVICE double tf_warp_shuffle_xor(double x, uint32_t mask) {
  return __shfl_xor_sync(TF_FULL_WARP, x, (int)mask);
}
TF_DEVICE uint32_t tf_warp_ballot(bool vote) { return __ballot_sync(TF_FULL_WARP, vote); }

/* c += a b: a 16 x 16, b 16 x 8, c 16 x 8, fragments as PTX has them for mma.m16n8k16 (tf_mma_* below say where what lies). */
TF_DEVICE void tf_mma_fp16(float c[4], const uint32_t a[4], const uint32_t b[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
TF_DEVICE void tf_mma_bf16(float c[4], const uint32_t a[4], const uint32_t b[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* ---- numbers ---- */

TF_DEVICE float    tf_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
TF_DEVICE float    tf_from_fp16(uint16_t x) { return __half2float(__ushort_as_half(x)); }
TF_DEVICE uint16_t tf_to_fp16(float x) { return __half_as_ushort(__float2half_rn(x)); }
TF_DEVICE float    tf_from_bf16(uint16_t x) { return tf_bf16_value(x); }
TF_DEVICE uint16_t tf_to_bf16(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }
/* c + the four products of signed bytes. */
TF_DEVICE int32_t tf_dot4(uint32_t a, uint32_t b, int32_t c) {
  return __dp4a((int32_t)a, (int32_t)b, c);
}
/* The low and the high two of four signed bytes as two fp16 each, exactly: 1024 + (x + 128) has the byte in its low bits. Made where
 * they are used: else the compiler makes them of weights that stay in registers once and for all, and has no registers for that. */
TF_DEVICE void tf_fp16_of_int8(uint32_t bytes, uint32_t *low, uint32_t *high) {
  asm volatile("" : "+r"(bytes));
  uint32_t biased = bytes ^ 0x80808080u;
  uint32_t two    = __byte_perm(biased, 0x64646464u, 0x4140),
           more   = __byte_perm(biased, 0x64646464u, 0x4342);
  uint32_t minus  = 0x64806480u; /* 1152 twice */
  asm("sub.f16x2 %0, %1, %2;" : "=r"(*low) : "r"(two), "r"(minus));
  asm("sub.f16x2 %0, %1, %2;" : "=r"(*high) : "r"(more), "r"(minus));
}

/* ---- memory that others change ---- */

/* Single accesses, ordered by nothing but themselves. system: the host's memory too; else the card's, or a peer's shared. */
TF_DEVICE uint64_t tf_load_system(const uint64_t *p) {
  uint64_t x;
  asm volatile("ld.relaxed.sys.b64 %0, [%1];" : "=l"(x) : "l"(p) : "memory");
  return x;
}
TF_DEVICE void tf_store_system(uint64_t *p, uint64_t x) {
  asm volatile("st.relaxed.sys.b64 [%0], %1;" ::"l"(p), "l"(x) : "memory");
}
TF_DEVICE void tf_store_system(uint32_t *p, uint32_t x) {
  asm volatile("st.relaxed.sys.b32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
}
TF_DEVICE uint32_t tf_load_card(const uint32_t *p) {
  uint32_t x;
  asm volatile("ld.relaxed.gpu.b32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
  return x;
}
TF_DEVICE void tf_store_card(uint32_t *p, uint32_t x) {
  asm volatile("st.relaxed.gpu.b32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
}
/* Between blocks: what a thread (and whom it met at a barrier) wrote before add_release is seen behind an acquire that sees the sum. */
TF_DEVICE void tf_add_release(uint32_t *p, uint32_t x) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
}
TF_DEVICE uint32_t tf_load_acquire_card(const uint32_t *p) { /* pairs with: tf_add_release */
  uint32_t x;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
  return x;
}

/* For what others wrote, or will read, behind a packet: between a thread's packet and its plain accesses. */
TF_DEVICE void tf_fence_card() { __threadfence(); }

TF_DEVICE void     tf_pause() {}
TF_DEVICE uint64_t tf_device_clock_ns() {
  uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

#else /* the CPU */

#include <time.h>

#include "cuda_on_cpu/cuda_on_cpu.h"

#define TF_DEVICE        static inline
#define TF_DEVICE_MEMBER inline
#define TF_UNROLL
/* Where a collective function was called from, for the text of a launch that hangs. */
#define TF_WHERE_LAST_PARAM const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define TF_WHERE_PARAM      , TF_WHERE_LAST_PARAM
#define TF_WHERE_(what)     (cuda_on_cpu_where_t{what, file, line})

TF_DEVICE uint32_t tf_team_rank() { return cuda_on_cpu_self()->thread; }
TF_DEVICE uint32_t tf_team_size() { return cuda_on_cpu_self()->thread_cnt; }
TF_DEVICE void     tf_team_barrier(TF_WHERE_LAST_PARAM) {
      cuda_on_cpu_barrier(0, tf_team_size(), TF_WHERE_("team barrier"));
}
TF_DEVICE void tf_team_barrier_of(uint32_t id, uint32_t thread_cnt TF_WHERE_PARAM) {
  cuda_on_cpu_barrier(id, thread_cnt, TF_WHERE_("named barrier"));
}
TF_DEVICE uint8_t *tf_team_shared() { return cuda_on_cpu_self()->shared; }

TF_DEVICE uint32_t tf_grid_rank() { return cuda_on_cpu_self()->block; }
TF_DEVICE uint32_t tf_grid_size() { return cuda_on_cpu_self()->block_cnt; }
TF_DEVICE uint32_t tf_cluster_size() { return cuda_on_cpu_self()->cluster_size; }
TF_DEVICE uint32_t tf_cluster_rank() { return tf_grid_rank() % tf_cluster_size(); }
TF_DEVICE void     tf_cluster_barrier(TF_WHERE_LAST_PARAM) {
      cuda_on_cpu_cluster_barrier(TF_WHERE_("cluster barrier"));
}
template <typename T> TF_DEVICE T *tf_cluster_peer(T *p, uint32_t rank) {
  TF_ASSERT(rank < tf_cluster_size());
  size_t at = (size_t)((const uint8_t *)p - tf_team_shared());
  return (T *)(void *)(cuda_on_cpu_shared_of(tf_grid_rank() - tf_cluster_rank() + rank) + at);
}

TF_DEVICE void tf_warp_barrier(TF_WHERE_LAST_PARAM) {
  cuda_on_cpu_exchange(NULL, 0, TF_WHERE_("warp barrier"));
}
TF_DEVICE uint32_t tf_warp_shuffle(uint32_t x, uint32_t lane TF_WHERE_PARAM) {
  return cuda_on_cpu_exchange(&x, 1, TF_WHERE_("shuffle"))[lane % TF_WARP_SIZE][0];
}
TF_DEVICE float tf_warp_shuffle(float x, uint32_t lane TF_WHERE_PARAM) {
  return tf_float_of_bits(tf_warp_shuffle(tf_float_bits(x), lane, file, line));
}
TF_DEVICE uint32_t tf_warp_shuffle_xor(uint32_t x, uint32_t mask TF_WHERE_PARAM) {
  return tf_warp_shuffle(x, (tf_team_rank() ^ mask) % TF_WARP_SIZE, file, line);
}
TF_DEVICE float tf_warp_shuffle_xor(float x, uint32_t mask TF_WHERE_PARAM) {
  return tf_warp_shuffle(x, (tf_team_rank() ^ mask) % TF_WARP_SIZE, file, line);
}
TF_DEVICE double tf_warp_shuffle_xor(double x, uint32_t mask TF_WHERE_PARAM) {
  uint32_t words[2];
  memcpy(words, &x, sizeof x);
  memcpy(
      &x,
      cuda_on_cpu_exchange(words, 2, TF_WHERE_("shuffle"))[(tf_team_rank() ^ mask) % TF_WARP_SIZE],
      sizeof x);
  return x;
}
TF_DEVICE uint32_t tf_warp_ballot(bool vote TF_WHERE_PARAM) {
  uint32_t                   word = vote, votes = 0;
  const cuda_on_cpu_words_t *all = cuda_on_cpu_exchange(&word, 1, TF_WHERE_("vote"));
  for (uint32_t i = 0; i < TF_WARP_SIZE; i++) votes |= all[i][0] << i;
  return votes;
}

TF_DEVICE float    tf_fma(float a, float b, float c) { return fmaf(a, b, c); }
TF_DEVICE float    tf_from_fp16(uint16_t x) { return tf_fp16_value(x); }
TF_DEVICE uint16_t tf_to_fp16(float x) { return tf_fp16_of(x); }
TF_DEVICE float    tf_from_bf16(uint16_t x) { return tf_bf16_value(x); }
TF_DEVICE uint16_t tf_to_bf16(float x) { return tf_bf16_of(x); }
TF_DEVICE int32_t  tf_dot4(uint32_t a, uint32_t b, int32_t c) {
   for (uint32_t i = 0; i < 32; i += 8) c += (int8_t)(a >> i) * (int8_t)(b >> i);
  return c;
}
TF_DEVICE void tf_fp16_of_int8(uint32_t bytes, uint32_t *low, uint32_t *high) {
  uint32_t x[4];
  for (uint32_t i = 0; i < 4; i++) x[i] = tf_fp16_of((float)(int8_t)(bytes >> 8 * i));
  *low  = x[0] | x[1] << 16;
  *high = x[2] | x[3] << 16;
}

/* Row r of a lies in lanes of group r % 8 (lane / 4), column k in those of k % 8 / 2 (lane % 4); b's column n in group n, its row
 * k likewise; c's row r in group r % 8, its column n in n / 2. The products are summed by k, which the card does not promise. */
template <float (*VALUE)(uint16_t)>
TF_DEVICE void tf_mma_(float c[4], const uint32_t a[4], const uint32_t b[2] TF_WHERE_PARAM) {
  const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  uint32_t       lane = tf_team_rank() % TF_WARP_SIZE, group = lane / 4, quarter = lane % 4;
  const cuda_on_cpu_words_t *all = cuda_on_cpu_exchange(words, 6, TF_WHERE_("mma"));
  for (uint32_t k = 0; k < 16; k++) {
    uint32_t in_quarter = k % 8 / 2, upper = k / 8, shift = k % 2 * 16;
    for (uint32_t i = 0; i < 4; i++) {
      uint32_t n = quarter * 2 + i % 2;
      c[i] += VALUE((uint16_t)(all[group * 4 + in_quarter][i / 2 + 2 * upper] >> shift)) *
              VALUE((uint16_t)(all[n * 4 + in_quarter][4 + upper] >> shift));
    }
  }
}
TF_DEVICE void tf_mma_fp16(float c[4], const uint32_t a[4], const uint32_t b[2] TF_WHERE_PARAM) {
  tf_mma_<tf_from_fp16>(c, a, b, file, line);
}
TF_DEVICE void tf_mma_bf16(float c[4], const uint32_t a[4], const uint32_t b[2] TF_WHERE_PARAM) {
  tf_mma_<tf_from_bf16>(c, a, b, file, line);
}

/* pairs with: the worker's host threads, which stand for the other side of the bus */
TF_DEVICE uint64_t tf_load_system(const uint64_t *p) { return tf_load_acquire(p); }
TF_DEVICE void     tf_store_system(uint64_t *p, uint64_t x) { tf_store_release(p, x); }
TF_DEVICE void     tf_store_system(uint32_t *p, uint32_t x) { tf_store_release_u32(p, x); }
TF_DEVICE uint32_t tf_load_card(const uint32_t *p) { return *p; }
TF_DEVICE void     tf_store_card(uint32_t *p, uint32_t x) { *p = x; }
TF_DEVICE void     tf_add_release(uint32_t *p, uint32_t x) { *p += x; }
/* pairs with: tf_add_release, of a fiber of the same thread */
TF_DEVICE uint32_t tf_load_acquire_card(const uint32_t *p) { return *p; }

TF_DEVICE void tf_fence_card() {} /* fibers of one thread */

TF_DEVICE void     tf_pause() { cuda_on_cpu_pause(); }
TF_DEVICE uint64_t tf_device_clock_ns() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * TF_NS_PER_SEC + (uint64_t)now.tv_nsec;
}

#endif

/* ---- made of these, on either side ---- */

TF_DEVICE uint32_t tf_warp_lane() { return tf_team_rank() % TF_WARP_SIZE; }
TF_DEVICE uint32_t tf_warp_rank() { return tf_team_rank() / TF_WARP_SIZE; }
TF_DEVICE uint32_t tf_warp_cnt() { return tf_team_size() / TF_WARP_SIZE; }
TF_DEVICE bool     tf_warp_all(bool vote) { return tf_warp_ballot(vote) == 0xffffffffu; }
TF_DEVICE bool     tf_warp_any(bool vote) { return tf_warp_ballot(vote) != 0; }

/* By halves, the same in every lane: ((x0 + x16) + (x8 + x24)) + ... */
template <typename T> TF_DEVICE T tf_warp_sum(T x) {
  for (uint32_t mask = TF_WARP_SIZE / 2; mask; mask /= 2) x += tf_warp_shuffle_xor(x, mask);
  return x;
}
TF_DEVICE float tf_warp_max(float x) {
  for (uint32_t mask = TF_WARP_SIZE / 2; mask; mask /= 2) {
    float other = tf_warp_shuffle_xor(x, mask);
    if (other > x) x = other;
  }
  return x;
}

TF_DEVICE uint32_t tf_warp_min(uint32_t x) {
  for (uint32_t mask = TF_WARP_SIZE / 2; mask; mask /= 2) {
    uint32_t other = tf_warp_shuffle_xor(x, mask);
    if (other < x) x = other;
  }
  return x;
}

/* A wait that ends: by what is waited for, by the word that tells all blocks to leave, or by its bound, and then that word is set.
 *   tf_wait_t wait = tf_wait_of(...);
 *   while (!there) if (!tf_wait_on(&wait)) return false; */
typedef struct tf_wait {
  uint32_t *leave; /* in the card's memory; not 0: leave */
  uint32_t  polls_left;
} tf_wait_t;

#define TF_WAIT_POLLS_A_LOOK 256u /* at the word */
#define TF_WAIT_GIVEN_UP     2u   /* what the word becomes */

TF_DEVICE tf_wait_t tf_wait_of(uint32_t *leave, uint32_t polls_max) {
  tf_wait_t wait = {leave, polls_max};
  return wait;
}
TF_DEVICE bool tf_wait_on(tf_wait_t *wait) {
  tf_pause();
  if (wait->polls_left == 0) {
    tf_store_card(wait->leave, TF_WAIT_GIVEN_UP);
    return false;
  }
  return --wait->polls_left % TF_WAIT_POLLS_A_LOOK || tf_load_card(wait->leave) == 0;
}

#endif
