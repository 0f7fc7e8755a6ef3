/* The device under a worker's feet: as little of one as the worker needs, so that all else of it is C that knows no CUDA.
 *
 *   device_cuda.cu      the CUDA runtime
 *   device_on_cpu.c     tests/cuda_on_cpu: the kernels' own sources, run on the CPU by a thread a launch
 *
 * One device a process: device_open chooses it. Memory of the device is had before the first launch and given back after
 * the last: while a kernel runs that does not end, only device_write, device_read, device_start of a second kernel,
 * device_look and what is about graphs are allowed, and none of them waits for the first one. Any thread may call them, one at a time each run.
 *
 * Failures are E_GPU_*; after E_GPU_DEVICE the process can do nothing more with the device, and ends. */
#ifndef TICKFUSE_GPU_DEVICE_H
#define TICKFUSE_GPU_DEVICE_H

#include "gpu/card_graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DEVICE_NAME_BYTES 64
#define DEVICE_PCI_BYTES  32

typedef struct device_info {
  char     name[DEVICE_NAME_BYTES];
  char     pci[DEVICE_PCI_BYTES]; /* "00000000:1B:00.0", what nvidia-smi says; empty: none */
  uint32_t capability_major, capability_minor;
  uint64_t memory_free_bytes;
  uint64_t l2_bytes;
  tf_card_limits_t limits; /* memory_bytes: all there is */
} device_info_t;

typedef struct device_versions {
  uint32_t driver, runtime; /* 13000: 13.0; 0: none */
} device_versions_t;

typedef struct device_run device_run_t; /* one kernel on its way */

extern const char *const device_program; /* what this program calls itself */

/* By how much longer than a card's its kernels may take before they hang: 1 of a card. */
uint64_t device_patience(void);

void device_versions(device_versions_t *versions);
/* The devices that this process may see (CUDA_VISIBLE_DEVICES). E_GPU_DRIVER; E_GPU_NO_DEVICE: there is not one. */
tf_err_t device_cnt(uint32_t *cnt);
tf_err_t device_describe(uint32_t idx, device_info_t *info);

/* From here on the process uses this one. memory_bytes: what device_memory may give in all. */
tf_err_t device_open(uint32_t idx, uint64_t memory_bytes);
void     device_close(void); /* after the last run has ended; accepts that nothing was opened */

/* Zeroed, of the device, aligned to 256. what: names it in errors. E_GPU_MEMORY says what is left. */
tf_err_t device_memory(const char *what, uint64_t bytes, void **at);
/* The host's memory, whole pages, as the device addresses it, until device_close. */
tf_err_t device_share(void *host, uint64_t bytes, void **at);

tf_err_t device_write(void *to, const void *from, uint64_t bytes);
tf_err_t device_read(void *to, const void *from, uint64_t bytes);

/* What a kernel is launched with: a program's shape, and args, which are copied. E_MODEL_UNSUPPORTED: this build has no
 * kernel of that kind. */
tf_err_t device_start(const tf_card_program_t *program, const tf_card_args_t *args,
                      device_run_t **run);
/* *is_over: the kernel has returned. E_GPU_DEVICE: it, or another one of this process, has broken the device. */
tf_err_t device_look(device_run_t *run, bool *is_over);
void     device_forget(device_run_t *run); /* one that is over; accepts NULL */

/* A program of kind TF_CARD_GRAPH: its parts captured, to be launched as often as wanted. program: the host's copy of what lies at args->program;
 * args are copied, but for node. May be called while others are launched. E_MODEL_UNSUPPORTED, E_CORE_NO_MEMORY, E_GPU_*. */
typedef struct device_graph device_graph_t;
tf_err_t device_capture(const tf_card_program_t *program, const tf_card_graph_args_t *args,
                        device_graph_t **graph);
/* Returns at once. A graph's launches run one behind the other; one thread launches. */
tf_err_t device_launch(device_graph_t *graph, tf_card_graph_part_t part);
/* *is_over: all that was launched of it has ended. Else as device_look. */
tf_err_t device_graph_look(device_graph_t *graph, bool *is_over);
void     device_drop(device_graph_t *graph); /* one that is over; accepts NULL */

#ifdef __cplusplus
}
#endif

#endif
