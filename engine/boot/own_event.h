/* Events that the engine makes itself: an operator's command, another runtime's answer, what the texts' models said. Each
 * enters the stream at acquire as a message of its own of the source that brings it. acquire's thread. */
#ifndef TF_BOOT_OWN_EVENT_H
#define TF_BOOT_OWN_EVENT_H

#include "tf/source.h"
#include "tf/tap.h"

/* It is received now: what the lane has seen since its cause is in the past. The tap has it before it is published, and it
 * is counted as a replay of the capture counts it. */
void tf_own_event_tell(tf_source_t *source, const tf_tap_t *tap, tf_event_t *e);

/* The same of one whose time stands and that no tap is to see: a recording is read, and makes it again. */
void tf_own_event_publish(tf_source_t *source, tf_event_t *e);

#endif
