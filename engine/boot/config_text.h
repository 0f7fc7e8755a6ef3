/* A config file's bytes, read whole and looked at before any parser sees them. Refused: more than
 * 1 MiB, not a regular file, byte order marks, NUL and other control bytes, broken UTF-8, line
 * breaks other than LF and CRLF, and the characters that reorder text on a screen (what a reviewer
 * sees must be what the engine reads). Private to engine/boot. */
#ifndef TF_BOOT_CONFIG_TEXT_H
#define TF_BOOT_CONFIG_TEXT_H

#include "boot/config_pool.h"
#include "boot/config_report.h"

#define TF_CONFIG_TEXT_BYTES_MAX (1024u * 1024)

/* Reads path into the pool. NULL with an error reported: E_CONFIG_FILE, E_CORE_NO_MEMORY. */
const char *tf_config_text_read(tf_config_pool_t *pool, tf_config_errors_t *errors, uint32_t source,
                                const char *path, size_t *text_cnt);

/* The checks above over bytes already in memory; label is the error's place, to which ":line:col"
 * is added if with_line. False: reported (E_CONFIG_SYNTAX; one error, the first). */
bool tf_config_text_check(tf_config_errors_t *errors, uint32_t source, const char *label,
                          bool with_line, const char *text, size_t text_cnt);

#endif
