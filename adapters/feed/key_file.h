/* Credentials from a file that only its owner may read: refused otherwise, with the remedy. Their memory
 * is locked, left out of core dumps, and wiped when they are let go. Nothing here, and nobody who gets
 * a key, prints any of it.
 *
 * The file's lines are `id: TEXT`, `secret: TEXT`, `passphrase: TEXT` (the last may be left out) in any
 * order, `#` comments and empty lines. Control plane. */
#ifndef FEED_KEY_FILE_H
#define FEED_KEY_FILE_H

#include "tf/feed.h"

#define TF_KEY_FILE_BYTES_MAX 4096u

/* The key is the caller's until tf_key_file_release. E_FEED_KEY, E_CORE_NO_MEMORY, E_CORE_SYSTEM (it
 * cannot be locked: the message says which limit). Errors name the file and line, never what is in it. */
tf_err_t tf_key_file_load(const char *path, tf_feed_key_t **key);
void     tf_key_file_release(tf_feed_key_t *key); /* NULL is accepted */

#endif
