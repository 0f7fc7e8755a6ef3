/* `tickfuse doctor CONFIG`, of a config's group: does its store answer, how soon, and does it refuse a swap behind another revision than its
 * own? Changes nothing there. Control plane. */
#ifndef TICKFUSE_DOCTOR_GROUP_H
#define TICKFUSE_DOCTOR_GROUP_H

#include "boot/config.h"
#include "doctor.h"

/* False: the config names no group, and there is no finding. */
bool doctor_group_examine(const tf_config_t *config, doctor_finding_t *finding);

#endif
