// The device over the CUDA runtime: see device.h. A run is a stream of the highest priority with one kernel in it.
#include "tickfuse_gpu/device.h"

#include <cstring>
#include <cuda_runtime.h>
#include <pthread.h>
#include <vector>

#include "gpu/kernels.h"
#include "gpu/loop.h"

extern "C" {
#include "core/error.h"
}

struct device_run {
  cudaStream_t stream;
};

const char *const device_program = "tickfuse-gpu";

namespace {

int          opened = -1;
uint64_t     memory_left_bytes;
cudaStream_t copies;

// What went wrong, in this project's words. The first three leave the process as it was; anything that a kernel did stays
// with the context for good (CUDA Runtime API, "Error handling": errors 700 and on).
tf_err_t wrong(cudaError_t error, const char *what) {
  const char *name = cudaGetErrorName(error), *text = cudaGetErrorString(error);
  switch (error) {
  case cudaSuccess: return TF_OK;
  case cudaErrorNoDevice:
  case cudaErrorInvalidDevice:
    return TF_ERR(E_GPU_NO_DEVICE, "%s: %s (%s); see nvidia-smi -L and CUDA_VISIBLE_DEVICES", what,
                  text, name);
  case cudaErrorInsufficientDriver:
  case cudaErrorStubLibrary:
  case cudaErrorSystemDriverMismatch:
  case cudaErrorCompatNotSupportedOnDevice: {
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    if (driver == 0)
      return TF_ERR(E_GPU_DRIVER, "%s: no NVIDIA driver is loaded (%s); see nvidia-smi", what,
                    name);
    return TF_ERR(E_GPU_DRIVER,
                  "%s: the driver serves CUDA up to %d.%d, this worker was built with %d.%d (%s)",
                  what, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10,
                  name);
  }
  case cudaErrorMemoryAllocation: return TF_ERR(E_GPU_MEMORY, "%s: %s (%s)", what, text, name);
  default: return TF_ERR(E_GPU_DEVICE, "%s: %s (%s, %d)", what, text, name, (int)error);
  }
}

// The current device is a thread's own.
tf_err_t mine(const char *what) { return wrong(cudaSetDevice(opened), what); }

tf_err_t attribute(int *value, cudaDeviceAttr which, uint32_t idx) {
  return wrong(cudaDeviceGetAttribute(value, which, (int)idx), "a device's attributes");
}

// Blocks of a cluster that may be asked for. 8 are portable; a GPU with clusters usually allows 16.
uint32_t cluster_max(uint32_t idx, uint32_t capability_major) {
  int has = 0;
  if (cudaDeviceGetAttribute(&has, cudaDevAttrClusterLaunch, (int)idx) != cudaSuccess || !has)
    return 1;
  return capability_major == 9 || capability_major == 10 ? 16 : 8;
}

} // namespace

extern "C" uint64_t device_patience(void) { return 1; }

extern "C" void device_versions(device_versions_t *versions) {
  int driver = 0, runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = 0;
  *versions = {(uint32_t)driver, (uint32_t)runtime};
}

extern "C" tf_err_t device_cnt(uint32_t *cnt) {
  int      found = 0;
  tf_err_t err   = wrong(cudaGetDeviceCount(&found), "looking for devices");
  if (!err && found == 0) err = wrong(cudaErrorNoDevice, "looking for devices");
  *cnt = err ? 0 : (uint32_t)found;
  return err;
}

extern "C" tf_err_t device_describe(uint32_t idx, device_info_t *info) {
  *info = device_info_t{};
  cudaDeviceProp p;
  tf_err_t       err     = wrong(cudaGetDeviceProperties(&p, (int)idx), "a device's properties");
  int            threads = 0, shared = 0;
  if (!err) err = attribute(&threads, cudaDevAttrMaxThreadsPerBlock, idx);
  if (!err) err = attribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, idx);
  if (err) return err;
  snprintf(info->name, sizeof info->name, "%s", p.name);
  snprintf(info->pci, sizeof info->pci, "%08x:%02x:%02x.0", (unsigned)p.pciDomainID,
           (unsigned)p.pciBusID, (unsigned)p.pciDeviceID);
  info->capability_major = (uint32_t)p.major;
  info->capability_minor = (uint32_t)p.minor;
  info->l2_bytes         = (uint64_t)p.l2CacheSize;
  info->limits           = {.sm_cnt           = (uint32_t)p.multiProcessorCount,
                            .cluster_max      = cluster_max(idx, (uint32_t)p.major),
                            .thread_max       = (uint32_t)threads,
                            .shared_bytes_max = (uint32_t)shared,
                            .memory_bytes     = p.totalGlobalMem};
  size_t free_bytes = 0, total_bytes = 0;
  err = wrong(cudaSetDevice((int)idx), "a device's memory");
  if (!err) err = wrong(cudaMemGetInfo(&free_bytes, &total_bytes), "a device's memory");
  info->memory_free_bytes = free_bytes;
  return err;
}

extern "C" tf_err_t device_open(uint32_t idx, uint64_t memory_bytes) {
  opened            = (int)idx;
  memory_left_bytes = memory_bytes;
  tf_err_t err      = mine("opening the device");
  if (!err)
    err = wrong(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking), "a stream for copies");
  return err;
}

extern "C" void device_close(void) {
  if (opened >= 0) cudaDeviceReset();
  opened = -1;
}

extern "C" tf_err_t device_memory(const char *what, uint64_t bytes, void **at) {
  tf_err_t err = mine(what);
  if (err) return err;
  if (bytes > memory_left_bytes)
    return TF_ERR(E_GPU_MEMORY, "%s: %llu bytes, and %llu are left of what this worker may use",
                  what, (unsigned long long)bytes, (unsigned long long)memory_left_bytes);
  err = wrong(cudaMalloc(at, bytes ? bytes : 1), what);
  if (!err) err = wrong(cudaMemset(*at, 0, bytes), what);
  if (!err) memory_left_bytes -= bytes;
  return err;
}

extern "C" tf_err_t device_share(void *host, uint64_t bytes, void **at) {
  tf_err_t err = mine("sharing memory");
  if (!err)
    err = wrong(cudaHostRegister(host, bytes, cudaHostRegisterMapped | cudaHostRegisterPortable),
                "sharing memory (see ulimit -l)");
  if (!err) err = wrong(cudaHostGetDevicePointer(at, host, 0), "sharing memory");
  return err;
}

static tf_err_t copy(void *to, const void *from, uint64_t bytes, cudaMemcpyKind kind,
                     const char *what) {
  tf_err_t err = mine(what);
  if (!err) err = wrong(cudaMemcpyAsync(to, from, bytes, kind, copies), what);
  if (!err) err = wrong(cudaStreamSynchronize(copies), what);
  return err;
}

extern "C" tf_err_t device_write(void *to, const void *from, uint64_t bytes) {
  return copy(to, from, bytes, cudaMemcpyHostToDevice, "copying to the device");
}

extern "C" tf_err_t device_read(void *to, const void *from, uint64_t bytes) {
  return copy(to, from, bytes, cudaMemcpyDeviceToHost, "copying from the device");
}

// All blocks of a launch wait for one another: they are there together, or the launch fails.
static tf_err_t launch(const tf_card_program_t *program, const tf_card_args_t *args,
                       const void *kernel, cudaStream_t stream) {
  cudaLaunchAttribute attributes[2];
  cudaLaunchConfig_t  config = {};
  config.gridDim             = dim3(program->block_cnt);
  config.blockDim            = dim3(program->thread_cnt);
  config.dynamicSmemBytes    = tf_loop_shared_bytes(program);
  config.stream              = stream;
  config.attrs               = attributes;
  tf_err_t err = wrong(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            (int)tf_loop_shared_bytes(program)),
                       "a kernel's shared memory");
  if (program->cluster_size > 1) {
    if (!err && program->cluster_size > 8)
      err = wrong(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
                  "a kernel's cluster");
    attributes[config.numAttrs].id               = cudaLaunchAttributeClusterDimension;
    attributes[config.numAttrs].val.clusterDim.x = program->cluster_size;
    attributes[config.numAttrs].val.clusterDim.y = 1;
    attributes[config.numAttrs].val.clusterDim.z = 1;
    config.numAttrs++;
  }
  if (program->block_cnt > program->cluster_size) {
    attributes[config.numAttrs].id              = cudaLaunchAttributeCooperative;
    attributes[config.numAttrs].val.cooperative = 1;
    config.numAttrs++;
  }
  void *params[] = {const_cast<tf_card_args_t *>(args)};
  if (!err) err = wrong(cudaLaunchKernelExC(&config, kernel, params), "starting a kernel");
  return err;
}

extern "C" tf_err_t device_start(const tf_card_program_t *program, const tf_card_args_t *args,
                                 device_run_t **run) {
  const void *kernel = reinterpret_cast<const void *>(tf_card_kernel(program));
  if (!kernel)
    return TF_ERR(E_MODEL_UNSUPPORTED, "this build has no kernel of kind %u", program->kind);
  int           least = 0, greatest = 0;
  device_run_t *made = new device_run_t{};
  tf_err_t      err  = mine("starting a kernel");
  if (!err) err = wrong(cudaDeviceGetStreamPriorityRange(&least, &greatest), "a stream");
  if (!err)
    err = wrong(cudaStreamCreateWithPriority(&made->stream, cudaStreamNonBlocking, greatest),
                "a stream");
  if (!err) err = launch(program, args, kernel, made->stream);
  if (err) {
    if (made->stream) cudaStreamDestroy(made->stream);
    delete made;
    return err;
  }
  *run = made;
  return TF_OK;
}

extern "C" tf_err_t device_look(device_run_t *run, bool *is_over) {
  tf_err_t err = mine("looking at a kernel");
  if (err) return err;
  cudaError_t error = cudaStreamQuery(run->stream);
  *is_over          = error != cudaErrorNotReady;
  return *is_over ? wrong(error, "a running kernel") : TF_OK;
}

extern "C" void device_forget(device_run_t *run) {
  if (!run) return;
  cudaStreamDestroy(run->stream);
  delete run;
}

// ---- graphs ----

struct device_graph {
  cudaStream_t    stream;
  cudaGraphExec_t parts[TF_CARD_GRAPH_PART_CNT]; // null: a part without kernels
};

// The nodes of a part into the stream, which records them. Nothing here allocates on the device, waits, or touches another stream.
static tf_err_t record(const tf_card_program_t *program, const tf_card_graph_args_t *args,
                       const std::vector<tf_card_graph_node_t> &nodes, cudaStream_t stream) {
  const void          *kernel   = reinterpret_cast<const void *>(tf_card_kernel(program));
  tf_card_graph_args_t all      = *args;
  void                *params[] = {&all};
  tf_err_t             err      = TF_OK;
  for (size_t i = 0; i < nodes.size() && !err; i++) {
    all.node = nodes[i];
    err      = wrong(cudaLaunchKernel(kernel, dim3(nodes[i].block_cnt), dim3(nodes[i].thread_cnt),
                                      params, 0, stream),
                     "recording a kernel");
  }
  return err;
}

static tf_err_t capture(const tf_card_program_t *program, const tf_card_graph_args_t *args,
                        tf_card_graph_part_t part, cudaStream_t stream, cudaGraphExec_t *exec) {
  std::vector<tf_card_graph_node_t> nodes(tf_card_graph_nodes(program, part, nullptr));
  if (nodes.empty()) return TF_OK;
  tf_card_graph_nodes(program, part, nodes.data());
  cudaGraph_t graph = nullptr;
  // of this thread alone: another one may be launching
  tf_err_t err =
      wrong(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "a graph's capture");
  if (err) return err;
  err                     = record(program, args, nodes, stream);
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  if (!err) err = wrong(ended, "a graph's capture");
  if (!err) err = wrong(cudaGraphInstantiate(exec, graph, 0), "a graph");
  if (graph) cudaGraphDestroy(graph);
  if (!err) err = wrong(cudaGraphUpload(*exec, stream), "a graph's upload");
  if (!err) err = wrong(cudaStreamSynchronize(stream), "a graph's upload");
  return err;
}

extern "C" tf_err_t device_capture(const tf_card_program_t    *program,
                                   const tf_card_graph_args_t *args, device_graph_t **graph) {
  if (!tf_card_kernel(program))
    return TF_ERR(E_MODEL_UNSUPPORTED, "this build has no kernel of kind %u", program->kind);
  int             least = 0, greatest = 0;
  device_graph_t *made = new device_graph_t{};
  tf_err_t        err  = mine("a graph");
  if (!err) err = wrong(cudaDeviceGetStreamPriorityRange(&least, &greatest), "a stream");
  if (!err)
    err = wrong(cudaStreamCreateWithPriority(&made->stream, cudaStreamNonBlocking, greatest),
                "a stream");
  for (int part = 0; part < TF_CARD_GRAPH_PART_CNT && !err; part++)
    err = capture(program, args, static_cast<tf_card_graph_part_t>(part), made->stream,
                  &made->parts[part]);
  if (err) {
    char text[TF_ERROR_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", tf_error_text());
    device_drop(made);
    return TF_ERR(err, "%s", text);
  }
  *graph = made;
  return TF_OK;
}

extern "C" tf_err_t device_launch(device_graph_t *graph, tf_card_graph_part_t part) {
  if (!graph->parts[part]) return TF_OK;
  return wrong(cudaGraphLaunch(graph->parts[part], graph->stream), "launching a graph");
}

extern "C" tf_err_t device_graph_look(device_graph_t *graph, bool *is_over) {
  const cudaError_t error = cudaStreamQuery(graph->stream);
  *is_over                = error != cudaErrorNotReady;
  return *is_over ? wrong(error, "a graph that was launched") : TF_OK;
}

extern "C" void device_drop(device_graph_t *graph) {
  if (!graph) return;
  for (cudaGraphExec_t exec : graph->parts)
    if (exec) cudaGraphExecDestroy(exec);
  if (graph->stream) cudaStreamDestroy(graph->stream);
  delete graph;
}
