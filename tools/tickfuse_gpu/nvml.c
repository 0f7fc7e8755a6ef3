#include "tickfuse_gpu/nvml.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

#define LIBRARY        "libnvidia-ml.so.1"
#define DONE           0           /* NVML_SUCCESS */
#define CLOCK_SM       1u          /* NVML_CLOCK_SM */
#define CLOCK_MEMORY   2u          /* NVML_CLOCK_MEM */
#define SENSOR_GPU     0u          /* NVML_TEMPERATURE_GPU */
#define EVENT_XID      UINT64_C(8) /* nvmlEventTypeXidCriticalError */
#define XIDS_A_TELLING 16

/* The parts of NVML's ABI that are used (NVML API Reference Guide, "Device Queries", "Event Handling Methods"). */
typedef void *handle_t;
typedef struct busy {
  unsigned compute_pct, memory_pct;
} busy_t;
typedef struct memory {
  unsigned long long total, free, used;
} memory_t;
typedef struct event {
  handle_t           device;
  unsigned long long type, data;
  unsigned           instance, compute_instance;
} event_t;

/* Found by name; one that an old driver lacks stays NULL, and its figures unknown. */
#define CALLS(X)                                                                                   \
  X(init, "nvmlInit_v2", (void))                                                                   \
  X(shutdown, "nvmlShutdown", (void))                                                              \
  X(by_pci, "nvmlDeviceGetHandleByPciBusId_v2", (const char *, handle_t *))                        \
  X(busy, "nvmlDeviceGetUtilizationRates", (handle_t, busy_t *))                                   \
  X(memory, "nvmlDeviceGetMemoryInfo", (handle_t, memory_t *))                                     \
  X(clock, "nvmlDeviceGetClockInfo", (handle_t, unsigned, unsigned *))                             \
  X(temperature, "nvmlDeviceGetTemperature", (handle_t, unsigned, unsigned *))                     \
  X(power, "nvmlDeviceGetPowerUsage", (handle_t, unsigned *))                                      \
  X(event_set, "nvmlEventSetCreate", (handle_t *))                                                 \
  X(event_register, "nvmlDeviceRegisterEvents", (handle_t, unsigned long long, handle_t))          \
  X(event_wait, "nvmlEventSetWait_v2", (handle_t, event_t *, unsigned))

struct nvml {
  void *library;
#define X(name, symbol, arguments) int(*name) arguments;
  CALLS(X)
#undef X
  handle_t             device, events; /* events: NULL where Xids cannot be had */
  tf_mailbox_device_t *target;
  uint64_t             xid_cnt, xid_last;
  pthread_t            thread;
  pthread_mutex_t      lock; /* of stop */
  pthread_cond_t       woken;
  bool                 stop;
};

static void tell(uint64_t *word, uint64_t value) {
  tf_store_relaxed(word, value); /* relaxed: each word is whole by itself */
}

static void tell_pair(uint64_t *a, uint64_t *b, bool is_known, uint64_t a_value, uint64_t b_value) {
  tell(a, is_known ? a_value : TF_MAILBOX_UNKNOWN);
  tell(b, is_known ? b_value : TF_MAILBOX_UNKNOWN);
}

void nvml_tell_nothing(tf_mailbox_device_t *d) {
  tell_pair(&d->compute_busy_pct, &d->memory_busy_pct, false, 0, 0);
  tell_pair(&d->memory_used_bytes, &d->memory_bytes, false, 0, 0);
  tell_pair(&d->compute_clock_mhz, &d->memory_clock_mhz, false, 0, 0);
  tell_pair(&d->temperature_c, &d->power_mw, false, 0, 0);
  tell_pair(&d->xid_cnt, &d->xid_last, false, 0, 0);
  tell(&d->updated_ns, tf_clock_monotonic_ns());
}

static uint64_t clock_mhz(const nvml_t *n, unsigned which) {
  unsigned mhz;
  return n->clock && n->clock(n->device, which, &mhz) == DONE ? mhz : TF_MAILBOX_UNKNOWN;
}

/* What came since the last telling; does not wait. */
static void count_xids(nvml_t *n) {
  event_t event;
  for (int i = 0; i < XIDS_A_TELLING; i++) {
    if (n->event_wait(n->events, &event, 0) != DONE) return;
    if (event.type != EVENT_XID) continue;
    n->xid_cnt++;
    n->xid_last = event.data;
  }
}

static void tell_all(nvml_t *n) {
  tf_mailbox_device_t *d = n->target;
  busy_t               busy;
  memory_t             memory;
  unsigned             number;
  bool                 ok = n->busy && n->busy(n->device, &busy) == DONE;
  tell_pair(&d->compute_busy_pct, &d->memory_busy_pct, ok, ok ? busy.compute_pct : 0,
            ok ? busy.memory_pct : 0);
  ok = n->memory && n->memory(n->device, &memory) == DONE;
  tell_pair(&d->memory_used_bytes, &d->memory_bytes, ok, ok ? memory.used : 0,
            ok ? memory.total : 0);
  tell(&d->compute_clock_mhz, clock_mhz(n, CLOCK_SM));
  tell(&d->memory_clock_mhz, clock_mhz(n, CLOCK_MEMORY));
  ok = n->temperature && n->temperature(n->device, SENSOR_GPU, &number) == DONE;
  tell(&d->temperature_c, ok ? number : TF_MAILBOX_UNKNOWN);
  ok = n->power && n->power(n->device, &number) == DONE;
  tell(&d->power_mw, ok ? number : TF_MAILBOX_UNKNOWN);
  if (n->events) count_xids(n);
  tell_pair(&d->xid_cnt, &d->xid_last, n->events != NULL, n->xid_cnt, n->xid_last);
  tell(&d->updated_ns, tf_clock_monotonic_ns());
}

static void *telling(void *arg) {
  nvml_t *n = arg;
  pthread_mutex_lock(&n->lock);
  while (!n->stop) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + NVML_TELL_NS;
    until.tv_sec += (time_t)(ns / TF_NS_PER_SEC);
    until.tv_nsec = (long)(ns % TF_NS_PER_SEC);
    if (pthread_cond_timedwait(&n->woken, &n->lock, &until) != ETIMEDOUT) continue;
    pthread_mutex_unlock(&n->lock);
    tell_all(n);
    pthread_mutex_lock(&n->lock);
  }
  pthread_mutex_unlock(&n->lock);
  return NULL;
}

static bool find(nvml_t *n, const char *pci) {
  n->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!n->library) return false;
#define X(name, symbol, arguments) *(void **)&n->name = dlsym(n->library, symbol);
  CALLS(X)
#undef X
  if (!n->init || !n->shutdown || !n->by_pci || n->init() != DONE) return false;
  if (n->by_pci(pci, &n->device) == DONE) return true;
  n->shutdown();
  return false;
}

static void find_events(nvml_t *n) {
  if (!n->event_set || !n->event_register || !n->event_wait) return;
  if (n->event_set(&n->events) != DONE ||
      n->event_register(n->device, EVENT_XID, n->events) != DONE)
    n->events = NULL;
}

static bool start_thread(nvml_t *n) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&n->woken, &attr);
  pthread_condattr_destroy(&attr);
  pthread_mutex_init(&n->lock, NULL);
  return pthread_create(&n->thread, NULL, telling, n) == 0;
}

nvml_t *nvml_start(const char *pci, tf_mailbox_device_t *target) {
  nvml_t *n = calloc(1, sizeof *n);
  if (!n) return NULL;
  n->target = target;
  if (pci[0] == '\0' || !find(n, pci)) {
    if (n->library) dlclose(n->library);
    free(n);
    return NULL;
  }
  find_events(n);
  tell_all(n);
  if (start_thread(n)) return n;
  n->shutdown();
  dlclose(n->library);
  free(n);
  return NULL;
}

void nvml_stop(nvml_t *n) {
  if (!n) return;
  pthread_mutex_lock(&n->lock);
  n->stop = true;
  pthread_cond_signal(&n->woken);
  pthread_mutex_unlock(&n->lock);
  pthread_join(n->thread, NULL);
  pthread_cond_destroy(&n->woken);
  pthread_mutex_destroy(&n->lock);
  n->shutdown();
  dlclose(n->library);
  free(n);
}
