/* `tickfuse doctor CONFIG`: the ends of a config, what its feeds of events come from and where its sinks go. Each broker and HTTP
 * server is dialed as its keys say and asked how its stream stands; each listener's address is tried. All at once, each step of one
 * within five seconds. Nothing is changed there. */
#ifndef TICKFUSE_DOCTOR_ENDS_H
#define TICKFUSE_DOCTOR_ENDS_H

#include "boot/config.h"
#include "doctor.h"

#define DOCTOR_ENDS_MAX 96u /* feeds and sinks of a config */

/* A finding each, source.NAME or sink.NAME; returns how many. findings: room for DOCTOR_ENDS_MAX. */
uint32_t doctor_ends_examine(const tf_config_t *config, doctor_finding_t *findings);

#endif
