/* A management library that knows one card, at the PCI address of the test, and figures that the test can tell again. Its
 * functions have NVML's names and arguments; a power sensor it has not. */
#include <string.h>

#define DONE      0
#define NOT_FOUND 6
#define TIMEOUT   10
#define NO_SENSOR 3

static int card, set, told_xid;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, void **device);
int nvmlDeviceGetUtilizationRates(void *device, unsigned busy[2]);
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long memory[3]);
int nvmlDeviceGetClockInfo(void *device, unsigned which, unsigned *mhz);
int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *celsius);
int nvmlDeviceGetPowerUsage(void *device, unsigned *mw);
int nvmlEventSetCreate(void **events);
int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *events);
int nvmlEventSetWait_v2(void *events, void *event, unsigned timeout_ms);

int nvmlInit_v2(void) { return DONE; }
int nvmlShutdown(void) { return DONE; }

int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, void **device) {
  if (strcmp(pci, "00000000:1b:00.0") != 0) return NOT_FOUND;
  *device = &card;
  return DONE;
}

int nvmlDeviceGetUtilizationRates(void *device, unsigned busy[2]) {
  busy[0] = 97, busy[1] = 12;
  return device == &card ? DONE : NOT_FOUND;
}

int nvmlDeviceGetMemoryInfo(void *device, unsigned long long memory[3]) {
  memory[0] = 80ull << 30, memory[1] = 78ull << 30, memory[2] = 2ull << 30;
  return device == &card ? DONE : NOT_FOUND;
}

int nvmlDeviceGetClockInfo(void *device, unsigned which, unsigned *mhz) {
  *mhz = which == 1 ? 1980 : which == 2 ? 2619 : 0;
  return device == &card ? DONE : NOT_FOUND;
}

int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *celsius) {
  *celsius = 41;
  return device == &card && sensor == 0 ? DONE : NOT_FOUND;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *mw) {
  (void)device, (void)mw;
  return NO_SENSOR;
}

int nvmlEventSetCreate(void **events) {
  *events = &set;
  return DONE;
}

int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *events) {
  return device == &card && types == 8 && events == &set ? DONE : NOT_FOUND;
}

/* Two Xids, the first time; another kind of event between them. */
int nvmlEventSetWait_v2(void *events, void *event, unsigned timeout_ms) {
  static const unsigned long long told[][2] = {
      {8, 31},
      {1, 0 },
      {8, 79}
  };
  struct {
    void              *device;
    unsigned long long type, data;
    unsigned           instance, compute_instance;
  } out = {&card, 0, 0, 0, 0};
  if (events != &set || timeout_ms != 0 || told_xid == 3) return TIMEOUT;
  out.type = told[told_xid][0];
  out.data = told[told_xid++][1];
  memcpy(event, &out, sizeof out);
  return DONE;
}
