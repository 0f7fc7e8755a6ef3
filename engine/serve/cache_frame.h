/* A model's file as the cache keeps it below memory: compressed, and behind a head that tells what it has to be.
 *
 *   8 bytes   "TFMODEL1"
 *   8 bytes   little endian: how many bytes the file has
 *   64 chars  its SHA-256 in hex, small letters
 *   the rest  one zstd frame
 *
 * Unpacking believes nothing of it: the id asked for, the head and the SHA-256 of what comes out have to agree, and
 * nothing beyond the limit is decompressed. Control plane. */
#ifndef TF_SERVE_CACHE_FRAME_H
#define TF_SERVE_CACHE_FRAME_H

#include "tf/model_store.h"

#define TF_CACHE_FRAME_HEAD_BYTES (16 + TF_MODEL_STORE_ID_CHARS)

/* By how much a blob may be longer than its file, where that cannot be compressed. */
#define TF_CACHE_FRAME_ROOM(file_bytes) ((file_bytes) / 128 + 1024)

/* sha256_hex: 65 bytes, closed by NUL. E_CORE_SYSTEM. */
tf_err_t tf_cache_frame_digest(const uint8_t *file, size_t file_bytes, char *sha256_hex);

/* The blob is malloc'd, and the caller's. E_CORE_NO_MEMORY, E_CORE_SYSTEM. */
tf_err_t tf_cache_frame_pack(const uint8_t *file, size_t file_bytes, const char *sha256_hex,
                             uint8_t **blob, size_t *blob_bytes);

/* The file is malloc'd, and the caller's. E_MODEL_CACHE_DAMAGED: it is not that of sha256_hex; E_CORE_NO_MEMORY. */
tf_err_t tf_cache_frame_unpack(const uint8_t *blob, size_t blob_bytes, const char *sha256_hex,
                               size_t file_bytes_max, uint8_t **file, size_t *file_bytes);

#endif
