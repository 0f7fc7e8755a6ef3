/* The journal's key, from a file that nobody else may read. */
#ifndef ADAPTERS_FILE_JOURNAL_KEY_H
#define ADAPTERS_FILE_JOURNAL_KEY_H

#include "file/journal_format.h"
#include "tf/err.h"

/* The file's bytes, less one newline at the end: TF_JOURNAL_KEY_BYTES_MIN to TF_BLAKE2B_BYTES_MAX of them.
 * E_FILE_OPEN: not there, no regular file, a symbolic link, or of a mode that lets others read it;
 * E_FILE_FORMAT: too short or too long. */
tf_err_t tf_journal_key_load(tf_journal_key_t *key, const char *path);

#endif
