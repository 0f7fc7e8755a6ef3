/* The registry on disk: DIR/NAME/VERSION.safetensors, VERSION a number without leading zeros; beside a file there may be
 * VERSION.sha256, whose first 64 characters then have to be the file's SHA-256 in hex, as sha256sum writes it.
 *
 * A version is put there whole (written elsewhere, then renamed) and never changed. Control plane. */
#ifndef TF_SERVE_MODELS_DIR_H
#define TF_SERVE_MODELS_DIR_H

#include "tf/err.h"

#define TF_MODELS_DIR_VERSION_MAX  999999999u
#define TF_MODELS_DIR_VERSIONS_MAX 4096u /* of a model; more are refused */
#define TF_MODELS_DIR_PATH_BYTES   1280
#define TF_MODELS_DIR_SHA256_CHARS 64

/* The versions that are there, ascending, in numbers (cap of them). E_FILE_OPEN; E_MODEL_VERSION: there are none, or
 * more than TF_MODELS_DIR_VERSIONS_MAX. */
tf_err_t tf_models_dir_list(const char *dir, const char *name, uint32_t *numbers, uint32_t cap,
                            uint32_t *cnt);

/* The newest, where number is 0; else number, which has to be there: E_MODEL_VERSION names those that are. */
tf_err_t tf_models_dir_find(const char *dir, const char *name, uint32_t number, uint32_t *found);

void tf_models_dir_path(const char *dir, const char *name, uint32_t number,
                        char path[TF_MODELS_DIR_PATH_BYTES]);

/* What the file beside that of path says, as far as it goes, in small letters. False: there is none. */
bool tf_models_dir_sha256(const char *path, char sha256_hex[TF_MODELS_DIR_SHA256_CHARS + 1]);

/* Is sha256_hex what the pin (NULL: none) and the file beside it (if there is one) say? E_MODEL_PIN. */
tf_err_t tf_models_dir_check_pin(const char *path, const char *sha256_hex, const char *pin);

#endif
