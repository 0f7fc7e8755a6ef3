/* The device that is this CPU: the kernels' own sources by tests/cuda_on_cpu, a thread a launch. Its memory is the host's,
 * and what a device can suffer it suffers where TICKFUSE_GPU_FAULTS says so (device_faults.def). */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/isa.h"
#include "cuda_on_cpu/cuda_on_cpu.h"
#include "faults/faults.h"
#include "gpu/kernels.h"
#include "gpu/loop.h"
#include "tickfuse_gpu/device.h"

#define ALIGN        256u
#define MEMORY_BYTES (UINT64_C(1) << 30)
#define SHARED_BYTES (227u << 10) /* an H100's, so that the same programs are made */
#define PIECES_MAX   16
#define FROZEN_US    1000
#define SEED         1u
#define PATIENCE     60u

enum {
#define F(id, name, kind, text) FAULT_##id,
#include "tickfuse_gpu/device_faults.def"
#undef F
  FAULT_CNT
};

static const fault_row_t fault_rows[FAULT_CNT] = {
#define F(id, name, kind, text) {name, FAULT_##kind, text},
#include "tickfuse_gpu/device_faults.def"
#undef F
};

struct device_run {
  tf_card_program_t program;
  tf_card_args_t    args;
  pthread_t         thread;
  bool              is_mute;
  bool              is_right; /* by the thread, before is_over */
  uint64_t          is_over;  /* by the thread */
  uint64_t          is_still; /* by the thread that froze it */
  char              text[CUDA_ON_CPU_TEXT_BYTES];
};

const char *const device_program = "tickfuse-gpu-on-cpu";

static faults_t faults;
static uint64_t memory_left_bytes;
static void    *pieces[PIECES_MAX];
static int      piece_cnt;

static tf_err_t read_faults(void) {
  const char *list = getenv("TICKFUSE_GPU_FAULTS");
  if (faults.rows) return TF_OK;
  faults_init(&faults, fault_rows, FAULT_CNT, SEED);
  return list ? faults_parse(&faults, device_program, list) : TF_OK;
}

/* Fibers of one thread, of a core that others want too. */
uint64_t device_patience(void) {
  return faults.cnt[FAULT_PATIENCE] ? faults.cnt[FAULT_PATIENCE] : PATIENCE;
}

void device_versions(device_versions_t *versions) { *versions = (device_versions_t){0, 0}; }

/* The devices that CUDA_VISIBLE_DEVICES leaves, up to the first that there is not: how many. number: of the one at idx. */
static uint32_t visible_of(const char *list, uint32_t idx, uint32_t *number) {
  const uint64_t all = faults.cnt[FAULT_DEVICES] ? faults.cnt[FAULT_DEVICES] : 1;
  uint32_t       cnt = 0;
  if (!list) {
    if (number) *number = idx;
    return (uint32_t)all;
  }
  for (char *end; *list; list = end + (*end == ',')) {
    const unsigned long at = strtoul(list, &end, 10);
    if (end == list || at >= all) return cnt;
    if (cnt++ == idx && number) *number = (uint32_t)at;
  }
  return cnt;
}

tf_err_t device_cnt(uint32_t *cnt) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  *cnt                = 0;
  tf_err_t err        = read_faults();
  if (err) return err;
  if (faults.cnt[FAULT_DRIVER])
    return TF_ERR(E_GPU_DRIVER, "looking for devices: no driver, as the faults want it");
  if (visible && *visible == '\0')
    return TF_ERR(E_GPU_NO_DEVICE, "looking for devices: CUDA_VISIBLE_DEVICES hides all of them");
  *cnt = visible_of(visible, UINT32_MAX, NULL);
  return *cnt ? TF_OK
              : TF_ERR(E_GPU_NO_DEVICE, "looking for devices: CUDA_VISIBLE_DEVICES is %s", visible);
}

tf_err_t device_describe(uint32_t idx, device_info_t *info) {
  uint32_t cnt, number = 0;
  tf_err_t err = device_cnt(&cnt);
  if (err) return err;
  if (idx >= cnt) return TF_ERR(E_GPU_NO_DEVICE, "device %u of %u", idx, cnt);
  visible_of(getenv("CUDA_VISIBLE_DEVICES"), idx, &number);
  *info = (device_info_t){
      .memory_free_bytes = MEMORY_BYTES,
      .limits            = {.sm_cnt           = 8,
                            .cluster_max      = 8,
                            .thread_max       = CUDA_ON_CPU_THREAD_MAX,
                            .shared_bytes_max = SHARED_BYTES,
                            .memory_bytes     = MEMORY_BYTES}
  };
  if (faults.cnt[FAULT_CROWDED]) info->limits.sm_cnt = (uint32_t)faults.cnt[FAULT_CROWDED];
  snprintf(info->name, sizeof info->name, "this CPU (%s)", tf_isa_name(tf_isa_best()));
  if (faults.cnt[FAULT_DEVICES])
    snprintf(info->name, sizeof info->name, "this CPU (%s), device %u", tf_isa_name(tf_isa_best()),
             number);
  const char *pci = getenv("TICKFUSE_GPU_PCI"); /* as if it were a card there: for NVML */
  snprintf(info->pci, sizeof info->pci, "%s", pci ? pci : "");
  return TF_OK;
}

/* A kernel's thread that a device would not hear from again. */
static void stand_still(int number) {
  (void)number;
  for (;;) usleep(FROZEN_US);
}

tf_err_t device_open(uint32_t idx, uint64_t memory_bytes) {
  (void)idx;
  struct sigaction action = {.sa_handler = stand_still};
  sigaction(SIGUSR2, &action, NULL);
  memory_left_bytes = memory_bytes;
  return TF_OK;
}

void device_close(void) {
  while (piece_cnt > 0) free(pieces[--piece_cnt]);
}

tf_err_t device_memory(const char *what, uint64_t bytes, void **at) {
  TF_ASSERT(piece_cnt < PIECES_MAX);
  if (fault_hits(&faults, FAULT_MEMORY)) memory_left_bytes = 0;
  if (bytes > memory_left_bytes)
    return TF_ERR(E_GPU_MEMORY, "%s: %llu bytes, and %llu are left of what this worker may use",
                  what, (unsigned long long)bytes, (unsigned long long)memory_left_bytes);
  *at = aligned_alloc(ALIGN, tf_align_up(bytes + 1, ALIGN));
  if (!*at) return TF_ERR(E_GPU_MEMORY, "%s: %llu bytes", what, (unsigned long long)bytes);
  memset(*at, 0, bytes);
  memory_left_bytes -= bytes;
  pieces[piece_cnt++] = *at;
  return TF_OK;
}

tf_err_t device_share(void *host, uint64_t bytes, void **at) {
  (void)bytes;
  *at = host;
  return TF_OK;
}

tf_err_t device_write(void *to, const void *from, uint64_t bytes) {
  memcpy(to, from, bytes);
  if (fault_hits(&faults, FAULT_COPY)) ((uint8_t *)to)[bytes / 2] ^= 1;
  return TF_OK;
}

tf_err_t device_read(void *to, const void *from, uint64_t bytes) {
  memcpy(to, from, bytes);
  return TF_OK;
}

static void *launch(void *arg) {
  device_run_t              *run = arg;
  const tf_card_program_t   *p   = &run->program;
  const cuda_on_cpu_launch_t all = {.grid         = p->block_cnt,
                                    .cluster      = p->cluster_size,
                                    .block        = p->thread_cnt,
                                    .shared_bytes = tf_loop_shared_bytes(p),
                                    .seed         = SEED,
                                    .kernel       = tf_card_kernel(p),
                                    .args         = &run->args};
  run->is_right                  = run->is_mute || cuda_on_cpu_launch(&all);
  if (!run->is_right) snprintf(run->text, sizeof run->text, "%s", cuda_on_cpu_text());
  while (run->is_mute && !tf_load_acquire_u32(&run->args.control->abort)) /* pairs with: room_end */
    usleep(FROZEN_US);
  tf_store_release(&run->is_over, 1); /* pairs with: device_look */
  return NULL;
}

/* The kernel that serves is the second one: the first gives the known answers. */
static bool is_to_freeze(void) {
  static int starts;
  return ++starts == 2 && (faults.ns[FAULT_FREEZE] || faults.ns[FAULT_STICKY]);
}

static uint64_t freeze_ns(void) {
  return faults.ns[FAULT_FREEZE] ? faults.ns[FAULT_FREEZE] : faults.ns[FAULT_STICKY];
}

static void *freeze(void *arg) {
  device_run_t *run = arg;
  usleep((useconds_t)(freeze_ns() / TF_NS_PER_US));
  pthread_kill(run->thread, SIGUSR2);
  tf_store_release(&run->is_still, 1); /* pairs with: device_look */
  return NULL;
}

/* The greatest byte of the first weights: the top bit of a float's exponent is in it, or an int8's sign. */
static void flip(const tf_card_program_t *slot) {
  ((uint8_t *)(uintptr_t)tf_card_image(slot))[slot->image_bytes / 2 | 1] ^= 0x40;
}

tf_err_t device_start(const tf_card_program_t *program, const tf_card_args_t *args,
                      device_run_t **run) {
  if (!tf_card_kernel(program))
    return TF_ERR(E_MODEL_UNSUPPORTED, "this build has no kernel of kind %u", program->kind);
  device_run_t *r = calloc(1, sizeof *r);
  if (!r) return TF_ERR(E_CORE_NO_MEMORY, "a launch");
  r->program = *program;
  r->args    = *args;
  r->is_mute = fault_hits(&faults, FAULT_MUTE);
  if (fault_hits(&faults, FAULT_FLIP)) flip(args->slots[args->control->slot]);
  if (pthread_create(&r->thread, NULL, launch, r)) {
    free(r);
    return TF_ERR(E_CORE_THREAD, "a launch");
  }
  pthread_t freezer;
  if (is_to_freeze() && !pthread_create(&freezer, NULL, freeze, r)) pthread_detach(freezer);
  *run = r;
  return TF_OK;
}

tf_err_t device_look(device_run_t *run, bool *is_over) {
  if (faults.ns[FAULT_STICKY] && tf_load_acquire(&run->is_still)) /* pairs with: freeze */
    return TF_ERR(E_GPU_DEVICE, "a running kernel: broken, as the faults want it");
  *is_over = tf_load_acquire(&run->is_over); /* pairs with: launch */
  return *is_over && !run->is_right ? TF_ERR(E_GPU_DEVICE, "a running kernel: %s", run->text)
                                    : TF_OK;
}

void device_forget(device_run_t *run) {
  if (!run) return;
  pthread_join(run->thread, NULL);
  free(run);
}

/* ---- graphs: a launch has ended when it returns ---- */

struct device_graph {
  tf_card_entry_t       kernel;
  tf_card_graph_args_t  args;
  tf_card_graph_node_t *nodes[TF_CARD_GRAPH_PART_CNT];
  uint32_t              cnt[TF_CARD_GRAPH_PART_CNT];
  bool                  is_mute;
  uint64_t still_ns; /* from then on nothing is launched, or an error comes; 0: never */
};

static tf_err_t list_nodes(device_graph_t *g, const tf_card_program_t *program) {
  for (tf_card_graph_part_t part = 0; part < TF_CARD_GRAPH_PART_CNT; part++) {
    g->cnt[part]   = tf_card_graph_nodes(program, part, NULL);
    g->nodes[part] = calloc(g->cnt[part] + 1, sizeof **g->nodes);
    if (!g->nodes[part]) return TF_ERR(E_CORE_NO_MEMORY, "%u nodes of a graph", g->cnt[part]);
    tf_card_graph_nodes(program, part, g->nodes[part]);
  }
  return TF_OK;
}

tf_err_t device_capture(const tf_card_program_t *program, const tf_card_graph_args_t *args,
                        device_graph_t **graph) {
  device_graph_t *g = calloc(1, sizeof *g);
  if (!g) return TF_ERR(E_CORE_NO_MEMORY, "a graph");
  g->kernel    = tf_card_kernel(program);
  g->args      = *args;
  g->is_mute   = fault_hits(&faults, FAULT_MUTE);
  tf_err_t err = list_nodes(g, program);
  if (err) {
    device_drop(g);
    return err;
  }
  if (fault_hits(&faults, FAULT_FLIP)) flip(args->program);
  if (is_to_freeze()) g->still_ns = tf_clock_monotonic_ns() + freeze_ns();
  *graph = g;
  return TF_OK;
}

static bool is_still(const device_graph_t *g) {
  return g->still_ns && tf_clock_monotonic_ns() >= g->still_ns;
}

tf_err_t device_launch(device_graph_t *g, tf_card_graph_part_t part) {
  bool     is_over;
  tf_err_t err = device_graph_look(g, &is_over);
  if (g->is_mute || is_still(g)) return err;
  for (uint32_t i = 0; i < g->cnt[part] && !err; i++) {
    tf_card_graph_args_t       args = g->args;
    const cuda_on_cpu_launch_t all  = {.grid    = g->nodes[part][i].block_cnt,
                                       .cluster = 1,
                                       .block   = g->nodes[part][i].thread_cnt,
                                       .seed    = SEED,
                                       .kernel  = g->kernel,
                                       .args    = &args};
    args.node                       = g->nodes[part][i];
    if (!cuda_on_cpu_launch(&all))
      err = TF_ERR(E_GPU_DEVICE, "a graph that was launched: %s", cuda_on_cpu_text());
  }
  return err;
}

tf_err_t device_graph_look(device_graph_t *g, bool *is_over) {
  *is_over = !g->is_mute && !is_still(g);
  return faults.ns[FAULT_STICKY] && is_still(g)
             ? TF_ERR(E_GPU_DEVICE, "a graph that was launched: broken, as the faults want it")
             : TF_OK;
}

void device_drop(device_graph_t *g) {
  if (!g) return;
  for (int part = 0; part < TF_CARD_GRAPH_PART_CNT; part++) free(g->nodes[part]);
  free(g);
}
