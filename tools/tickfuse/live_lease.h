/* An engine of a group ends itself when its lease is over: a thread looks at the supervisor's page (boot/lease_page.h) every 5 ms.
 * What it writes in between, the sinks refuse by its epoch. Ends with the supervisor, too. */
#ifndef TICKFUSE_LIVE_LEASE_H
#define TICKFUSE_LIVE_LEASE_H

#include "boot/engine.h"

/* fd: of the page. E_GROUP_LEASE, E_CORE_THREAD. The thread lives as long as the process. */
tf_err_t tf_live_lease_start(int fd, uint32_t partition, uint32_t epoch);

/* Tells the supervisor that the engine lives, and how far it is; nothing where it has none. The thread that waits for the engine. */
void tf_live_lease_tell(const tf_engine_t *engine);

#endif
