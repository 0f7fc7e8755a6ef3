/* What NVIDIA's management library says of the device, into the mailbox (tf_mailbox_device_t), by a thread of its own: its calls
 * take milliseconds at times. The library is loaded where it is (libnvidia-ml.so.1, part of the driver), and is not needed to
 * build. Where it, or one figure, is not there, the words say TF_MAILBOX_UNKNOWN. */
#ifndef TICKFUSE_GPU_NVML_H
#define TICKFUSE_GPU_NVML_H

#include "tf/mailbox.h"

#define NVML_TELL_NS (500 * TF_NS_PER_MS)

typedef struct nvml nvml_t;

/* pci: of the device, as the driver writes it; empty: no such device. NULL where there is no library: nothing is lost but
 * figures. target is written once before the return, and outlives the thread. */
nvml_t *nvml_start(const char *pci, tf_mailbox_device_t *target);
void    nvml_stop(nvml_t *nvml); /* accepts NULL */
/* All of target's figures unknown as of now: what a worker writes besides is shown where there is no library, too. */
void nvml_tell_nothing(tf_mailbox_device_t *target);

#endif
