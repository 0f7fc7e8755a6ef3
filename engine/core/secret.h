/* A secret by file: one line, of a file that nobody else may read. Control plane. */
#ifndef TF_CORE_SECRET_H
#define TF_CORE_SECRET_H

#include <stddef.h>

#include "tf/err.h"

#define TF_SECRET_BYTES_MAX 4096 /* of cap */

/* The line without its end, always NUL-terminated; "" on failure. E_FILE_OPEN: not there, a link, no regular file; E_FEED_KEY: its mode lets
 * others read it, or it is no single line of 1 to cap - 1 characters. No error quotes what is in the file. */
tf_err_t tf_secret_read(const char *path, char *line, size_t cap);
/* Are they the same? Takes as long for any guess of a length. */
bool tf_secret_equal(const char *secret, size_t secret_bytes, const char *guess,
                     size_t guess_bytes);
/* Of a file that a library reads by itself: the same errors, its content not looked at. */
tf_err_t tf_secret_check(const char *path);
/* Memory that held one; not left out by the compiler. */
void tf_secret_wipe(void *secret, size_t bytes);

#endif
