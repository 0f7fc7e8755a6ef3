/* The allocation seal of debug builds: malloc and friends are interposed, and abort when called on a
 * thread that has entered its lane. Linked into the dev preset only (TF_ALLOC_SEAL). */
#ifndef TF_CORE_ALLOC_SEAL_H
#define TF_CORE_ALLOC_SEAL_H

#include "tf/base.h"

extern _Thread_local bool tf_alloc_seal_thread; /* written by tf_arena_lane_enter and _leave */

#endif
