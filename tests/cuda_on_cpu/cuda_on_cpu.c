#include "cuda_on_cpu/cuda_on_cpu.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (256u << 10)
#else
#define STACK_BYTES (128u << 10)
#endif

#define WARP        CUDA_ON_CPU_WARP
#define FREE_TO_RUN UINT32_MAX /* a fiber that waits for nothing */
#define AT_WARP     (UINT32_MAX - 1)
#define AT_CLUSTER  (UINT32_MAX - 2)
#define ENDED       (UINT32_MAX - 3)
#define IDLE_ROUNDS 256u
#define IDLE_NS     20000

typedef struct fiber {
  cuda_on_cpu_self_t  self;
  void               *stack_pointer;
  const void         *stack; /* its lowest byte; the host's: where AddressSanitizer says */
  size_t              stack_bytes;
  uint32_t            waits_at; /* a barrier's id, or a word from above */
  cuda_on_cpu_where_t where;
} fiber_t;

/* A warp's exchange. Its two buffers are used in turn: a thread is at most one exchange ahead of another one. */
typedef struct warp {
  uint32_t            arrived, turn;
  cuda_on_cpu_words_t words[2][WARP];
} warp_t;

typedef struct block {
  uint8_t *shared;
  uint32_t arrived[CUDA_ON_CPU_BARRIER_CNT];
  warp_t   warps[CUDA_ON_CPU_THREAD_MAX / WARP];
} block_t;

typedef struct machine {
  const cuda_on_cpu_launch_t *launch;
  fiber_t                    *fibers;
  uint32_t                    fiber_cnt;
  block_t                    *blocks;
  uint32_t                   *cluster_arrived;
  uint32_t                   *ready; /* fibers that may go on, in no order */
  uint32_t                    ready_cnt, ended_cnt;
  uint32_t                    pauses, idle_rounds; /* since a fiber came further */
  uint64_t                    random;
  fiber_t                    *now;
  fiber_t                     host; /* the thread that launched */
  bool                        failed;
  char                        text[CUDA_ON_CPU_TEXT_BYTES];
} machine_t;

static _Thread_local machine_t *machine;
static _Thread_local char       last_text[CUDA_ON_CPU_TEXT_BYTES];

/* ---- switching stacks ---- */

/* Keeps what the ABI says a call keeps on the stack, and goes on with another stack. */
void cuda_on_cpu_switch_(void **from, void *to);
#if !defined(__x86_64__)
#error "fibers are written for x86-64, as tf/mailbox.h"
#endif
__asm__(".text\n"
        ".globl cuda_on_cpu_switch_\n"
        ".type cuda_on_cpu_switch_, @function\n"
        "cuda_on_cpu_switch_:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size cuda_on_cpu_switch_, . - cuda_on_cpu_switch_\n");
#define SAVED_WORDS 6

static void go_to(fiber_t *target) {
  fiber_t *from = machine->now;
  if (target == from) return;
  machine->now = target;
#ifdef HAS_ASAN
  void *fake = NULL;
  __sanitizer_start_switch_fiber(from->waits_at == ENDED ? NULL : &fake, target->stack,
                                 target->stack_bytes);
  cuda_on_cpu_switch_(&from->stack_pointer, target->stack_pointer);
  __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#else
  cuda_on_cpu_switch_(&from->stack_pointer, target->stack_pointer);
#endif
}

/* ---- whose turn it is ---- */

static uint64_t draw(machine_t *m) { /* xorshift64* */
  m->random ^= m->random >> 12;
  m->random ^= m->random << 25;
  m->random ^= m->random >> 27;
  return m->random * UINT64_C(0x2545f4914f6cdd1d);
}

static void make_ready(fiber_t *f) {
  f->waits_at                          = FREE_TO_RUN;
  machine->ready[machine->ready_cnt++] = (uint32_t)(f - machine->fibers);
}

TF_COLD static void tell_who_waits(machine_t *m) {
  size_t at = (size_t)snprintf(m->text, sizeof m->text, "%u of %u threads ended, nobody can go on",
                               m->ended_cnt, m->fiber_cnt);
  const cuda_on_cpu_where_t *before = NULL;
  for (uint32_t i = 0; i < m->fiber_cnt && at < sizeof m->text; i++) {
    const fiber_t *f = &m->fibers[i];
    if (f->waits_at == ENDED) continue;
    bool is_same = before && before->line == f->where.line &&
                   strcmp(before->file, f->where.file) == 0 && f->self.thread > 0;
    before = &f->where;
    if (is_same) continue;
    at += (size_t)snprintf(m->text + at, sizeof m->text - at,
                           "; block %u from thread %u on at %s, %s:%d", f->self.block,
                           f->self.thread, f->where.what, f->where.file, f->where.line);
  }
  m->failed = true;
}

/* Leaves the fiber that runs, which has said what it waits for, or is in the list of those that may go on. */
static void next_turn(void) {
  machine_t *m = machine;
  if (m->ready_cnt == 0) {
    if (m->ended_cnt < m->fiber_cnt) tell_who_waits(m);
    go_to(&m->host);
    return;
  }
  uint32_t idx  = (uint32_t)(draw(m) >> 32) % m->ready_cnt;
  uint32_t next = m->ready[idx];
  m->ready[idx] = m->ready[--m->ready_cnt];
  go_to(&m->fibers[next]);
}

static void fiber_main(void) {
#ifdef HAS_ASAN
  fiber_t *host = &machine->host; /* the first fiber comes from there */
  __sanitizer_finish_switch_fiber(NULL, host->stack ? NULL : &host->stack,
                                  host->stack ? NULL : &host->stack_bytes);
#endif
  machine->launch->kernel(machine->launch->args);
  machine->now->waits_at = ENDED;
  machine->ended_cnt++;
  next_turn();
  abort(); /* nobody goes on with a fiber that ended */
}

static void wait_at(uint32_t what, cuda_on_cpu_where_t where) {
  fiber_t *f  = machine->now;
  f->waits_at = what;
  f->where    = where;
  next_turn();
}

/* ---- what kernels call ---- */

const cuda_on_cpu_self_t *cuda_on_cpu_self(void) { return &machine->now->self; }

uint8_t *cuda_on_cpu_shared_of(uint32_t block) {
  TF_ASSERT(block < machine->launch->grid);
  return machine->blocks[block].shared;
}

static void release(uint32_t first, uint32_t cnt, uint32_t what) {
  for (uint32_t i = first; i < first + cnt; i++)
    if (machine->fibers[i].waits_at == what) make_ready(&machine->fibers[i]);
}

static void came_further(void) { machine->pauses = machine->idle_rounds = 0; }

void cuda_on_cpu_barrier(uint32_t id, uint32_t thread_cnt, cuda_on_cpu_where_t where) {
  const cuda_on_cpu_self_t *self = &machine->now->self;
  TF_ASSERT(id < CUDA_ON_CPU_BARRIER_CNT);
  TF_ASSERT(thread_cnt % WARP == 0 && thread_cnt >= WARP && thread_cnt <= self->thread_cnt);
  uint32_t *arrived = &machine->blocks[self->block].arrived[id];
  came_further();
  if (++*arrived == thread_cnt) {
    *arrived = 0;
    release(self->block * self->thread_cnt, self->thread_cnt, id);
    make_ready(machine->now);
    next_turn();
  } else {
    wait_at(id, where);
  }
}

void cuda_on_cpu_cluster_barrier(cuda_on_cpu_where_t where) {
  const cuda_on_cpu_self_t *self    = &machine->now->self;
  uint32_t                  cluster = self->block / self->cluster_size;
  uint32_t                  cnt     = self->cluster_size * self->thread_cnt;
  came_further();
  if (++machine->cluster_arrived[cluster] == cnt) {
    machine->cluster_arrived[cluster] = 0;
    release(cluster * cnt, cnt, AT_CLUSTER);
    make_ready(machine->now);
    next_turn();
  } else {
    wait_at(AT_CLUSTER, where);
  }
}

const cuda_on_cpu_words_t *cuda_on_cpu_exchange(const uint32_t *words, uint32_t cnt,
                                                cuda_on_cpu_where_t where) {
  const cuda_on_cpu_self_t *self = &machine->now->self;
  TF_ASSERT(cnt <= CUDA_ON_CPU_EXCHANGE_WORDS);
  warp_t              *w    = &machine->blocks[self->block].warps[self->thread / WARP];
  cuda_on_cpu_words_t *both = w->words[w->turn & 1];
  if (cnt) memcpy(both[self->thread % WARP], words, cnt * sizeof *words);
  if (++w->arrived == WARP) {
    w->arrived = 0;
    w->turn++;
    release(self->block * self->thread_cnt + self->thread / WARP * WARP, WARP, AT_WARP);
  } else {
    wait_at(AT_WARP, where);
  }
  return (const cuda_on_cpu_words_t *)both;
}

void cuda_on_cpu_pause(void) {
  if (machine->pauses++ > machine->ready_cnt) { /* all of them wait for the host */
    machine->pauses = 0;
    if (++machine->idle_rounds < IDLE_ROUNDS)
      sched_yield();
    else /* it may want this core */
      nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
  }
  make_ready(machine->now);
  next_turn();
}

/* ---- a launch ---- */

static void begin_fiber(machine_t *m, uint32_t idx, uint8_t *stack) {
  const cuda_on_cpu_launch_t *l     = m->launch;
  fiber_t                    *f     = &m->fibers[idx];
  uint32_t                    block = idx / l->block;
  f->self                           = (cuda_on_cpu_self_t){idx % l->block, block,      l->block,
                                                           l->grid,        l->cluster, m->blocks[block].shared};
  f->stack                          = stack;
  f->stack_bytes                    = STACK_BYTES;
  /* as if fiber_main had been called: its return address would lie at 16 n + 8 */
  void **top = (void **)(void *)(stack + STACK_BYTES) - 2;
  *top       = (void *)(uintptr_t)fiber_main;
  memset(top - SAVED_WORDS, 0, SAVED_WORDS * sizeof *top);
  f->stack_pointer = top - SAVED_WORDS;
  make_ready(f);
}

static void *zeroed(size_t cnt, size_t bytes) {
  void *p = calloc(cnt, bytes);
  TF_ASSERT(p);
  return p;
}

static void begin_block(machine_t *m, block_t *b) {
  size_t bytes = tf_align_up(m->launch->shared_bytes + 1, TF_LINE_PAIR_BYTES);
  b->shared    = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  TF_ASSERT(b->shared);
  for (size_t i = 0; i < bytes; i++) b->shared[i] = (uint8_t)(draw(m) >> 56);
}

bool cuda_on_cpu_launch(const cuda_on_cpu_launch_t *l) {
  TF_ASSERT(!machine && l->block % WARP == 0 && l->block >= WARP);
  TF_ASSERT(l->block <= CUDA_ON_CPU_THREAD_MAX);
  TF_ASSERT(l->cluster >= 1 && l->grid >= 1 && l->grid % l->cluster == 0);
  machine_t *m       = zeroed(1, sizeof *m);
  m->launch          = l;
  m->random          = l->seed * 2 + 1;
  m->fiber_cnt       = l->grid * l->block;
  m->fibers          = zeroed(m->fiber_cnt, sizeof *m->fibers);
  m->ready           = zeroed(m->fiber_cnt, sizeof *m->ready);
  m->blocks          = zeroed(l->grid, sizeof *m->blocks);
  m->cluster_arrived = zeroed(l->grid, sizeof *m->cluster_arrived);
  size_t   bytes     = (size_t)m->fiber_cnt * STACK_BYTES;
  uint8_t *stacks =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TF_ASSERT(stacks != MAP_FAILED);
  machine = m;
  for (uint32_t i = 0; i < l->grid; i++) begin_block(m, &m->blocks[i]);
  for (uint32_t i = 0; i < m->fiber_cnt; i++) begin_fiber(m, i, stacks + (size_t)i * STACK_BYTES);
  m->now = &m->host;
  next_turn();
  bool failed = m->failed;
  if (failed) memcpy(last_text, m->text, sizeof last_text);
  for (uint32_t i = 0; i < l->grid; i++) free(m->blocks[i].shared);
#ifdef HAS_ASAN
  __asan_unpoison_memory_region(stacks, bytes); /* nobody returned from the fibers' first frames */
#endif
  munmap(stacks, bytes);
  free(m->cluster_arrived);
  free(m->blocks);
  free(m->ready);
  free(m->fibers);
  free(m);
  machine = NULL;
  return !failed;
}

const char *cuda_on_cpu_text(void) { return last_text; }
