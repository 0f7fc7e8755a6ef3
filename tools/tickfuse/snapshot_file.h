/* Snapshots as files (boot/snapshot_store.h): the newest under its name, the one before it with .1 behind. Each is a sealed file
 * (file/sealed.h), written beside its place (.next) and renamed into it when it is whole, so there is to be room for three: whatever
 * happens on the way, both names have a whole one, and while one cannot be written the two stay. Last their folder is synced: a snapshot
 * that was put is there after a loss of power too. A name is a path. The snapshots' thread and the control plane; no state. */
#ifndef TICKFUSE_SNAPSHOT_FILE_H
#define TICKFUSE_SNAPSHOT_FILE_H

#include "boot/snapshot_store.h"

tf_snapshot_store_t tickfuse_snapshot_files(void);

#endif
