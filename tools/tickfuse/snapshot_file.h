/* Snapshots as files (boot/snapshot_store.h): the newest under its name, the one before it with .1 behind. Each is a sealed file
 * (file/sealed.h), written beside its place and renamed into it: whatever happens on the way, the name has a whole one. A name is a
 * path. The snapshots' thread and the control plane; no state. */
#ifndef TICKFUSE_SNAPSHOT_FILE_H
#define TICKFUSE_SNAPSHOT_FILE_H

#include "boot/snapshot_store.h"

tf_snapshot_store_t tickfuse_snapshot_files(void);

#endif
