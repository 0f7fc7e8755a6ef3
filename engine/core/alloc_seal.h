/* The allocation seal of debug builds: malloc and friends are interposed (or, under a sanitizer, watched), and
 * abort when called on a thread that has entered its lane. In the presets dev, asan and tsan (TF_ALLOC_SEAL). */
#ifndef TF_CORE_ALLOC_SEAL_H
#define TF_CORE_ALLOC_SEAL_H

#include "tf/base.h"

extern _Thread_local bool tf_alloc_seal_thread; /* written by tf_arena_lane_enter and _leave */

#endif
