/* A file's name outlasts a loss of power only once its folder was written too: after it was made, or renamed. Control plane and writers'
 * threads. */
#ifndef ADAPTERS_FILE_FOLDER_H
#define ADAPTERS_FILE_FOLDER_H

#include "tf/err.h"

/* The folder that path lies in, to the disk. E_FILE_OPEN, E_FILE_WRITE: what path names is as it was left. */
tf_err_t tf_folder_sync(const char *path);

#endif
