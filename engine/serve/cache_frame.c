#include "serve/cache_frame.h"

#include <openssl/evp.h>
#include <string.h>
#include <zstd.h>

#include "core/error.h"

/* What zstd calls fast: on models' weights, which are noise to it, higher levels gain next to nothing. */
#define ZSTD_LEVEL 1

static const char magic[8] = {'T', 'F', 'M', 'O', 'D', 'E', 'L', '1'};

tf_err_t tf_cache_frame_digest(const uint8_t *file, size_t file_bytes, char *sha256_hex) {
  static const char digits[] = "0123456789abcdef";
  uint8_t           digest[EVP_MAX_MD_SIZE];
  unsigned          digest_bytes = 0;
  if (!EVP_Digest(file, file_bytes, digest, &digest_bytes, EVP_sha256(), NULL))
    return TF_ERR(E_CORE_SYSTEM, "SHA-256 of %zu bytes failed", file_bytes);
  for (unsigned i = 0; i < digest_bytes; i++) {
    sha256_hex[2 * i]     = digits[digest[i] >> 4];
    sha256_hex[2 * i + 1] = digits[digest[i] & 15];
  }
  sha256_hex[TF_MODEL_STORE_ID_CHARS] = '\0';
  return TF_OK;
}

tf_err_t tf_cache_frame_pack(const uint8_t *file, size_t file_bytes, const char *sha256_hex,
                             uint8_t **blob, size_t *blob_bytes) {
  size_t   bound = ZSTD_compressBound(file_bytes);
  uint64_t cnt   = file_bytes;
  uint8_t *made  = ZSTD_isError(bound) ? NULL : malloc(TF_CACHE_FRAME_HEAD_BYTES + bound);
  *blob          = NULL;
  if (!made) return TF_ERR(E_CORE_NO_MEMORY, "compressing a model of %zu bytes", file_bytes);
  memcpy(made, magic, sizeof magic);
  memcpy(made + 8, &cnt, sizeof cnt);
  memcpy(made + 16, sha256_hex, TF_MODEL_STORE_ID_CHARS);
  size_t packed =
      ZSTD_compress(made + TF_CACHE_FRAME_HEAD_BYTES, bound, file, file_bytes, ZSTD_LEVEL);
  if (ZSTD_isError(packed)) {
    free(made);
    return TF_ERR(E_CORE_SYSTEM, "compressing a model: %s", ZSTD_getErrorName(packed));
  }
  *blob_bytes   = TF_CACHE_FRAME_HEAD_BYTES + packed;
  uint8_t *less = realloc(made, *blob_bytes); /* it stays for long, and the bound is generous */
  *blob         = less ? less : made;
  return TF_OK;
}

static tf_err_t check_head(const uint8_t *blob, size_t blob_bytes, const char *sha256_hex,
                           size_t file_bytes_max, uint64_t *file_bytes) {
  if (blob_bytes < TF_CACHE_FRAME_HEAD_BYTES || memcmp(blob, magic, sizeof magic) != 0)
    return TF_ERR(E_MODEL_CACHE_DAMAGED, "%zu bytes that do not begin as a model in a cache does",
                  blob_bytes);
  if (memcmp(blob + 16, sha256_hex, TF_MODEL_STORE_ID_CHARS) != 0)
    return TF_ERR(E_MODEL_CACHE_DAMAGED, "it calls itself %.64s, asked for was %.64s",
                  (const char *)blob + 16, sha256_hex);
  memcpy(file_bytes, blob + 8, sizeof *file_bytes);
  if (*file_bytes == 0 || *file_bytes > file_bytes_max)
    return TF_ERR(E_MODEL_CACHE_DAMAGED, "a model of %llu bytes; 1 to %zu are allowed",
                  (unsigned long long)*file_bytes, file_bytes_max);
  return TF_OK;
}

tf_err_t tf_cache_frame_unpack(const uint8_t *blob, size_t blob_bytes, const char *sha256_hex,
                               size_t file_bytes_max, uint8_t **file, size_t *file_bytes) {
  uint64_t cnt = 0;
  char     found[TF_MODEL_STORE_ID_CHARS + 1];
  *file        = NULL;
  tf_err_t err = check_head(blob, blob_bytes, sha256_hex, file_bytes_max, &cnt);
  if (err) return err;
  uint8_t *made = malloc(cnt);
  if (!made) return TF_ERR(E_CORE_NO_MEMORY, "a model of %llu bytes", (unsigned long long)cnt);
  size_t got = ZSTD_decompress(made, cnt, blob + TF_CACHE_FRAME_HEAD_BYTES,
                               blob_bytes - TF_CACHE_FRAME_HEAD_BYTES);
  if (ZSTD_isError(got) || got != cnt)
    err = TF_ERR(E_MODEL_CACHE_DAMAGED, "it does not decompress to %llu bytes: %s",
                 (unsigned long long)cnt,
                 ZSTD_isError(got) ? ZSTD_getErrorName(got) : "too few came out");
  if (!err) err = tf_cache_frame_digest(made, cnt, found);
  if (!err && memcmp(found, sha256_hex, TF_MODEL_STORE_ID_CHARS) != 0)
    err =
        TF_ERR(E_MODEL_CACHE_DAMAGED, "its SHA-256 is %s, asked for was %.64s", found, sha256_hex);
  if (err) {
    free(made);
    return err;
  }
  *file       = made;
  *file_bytes = cnt;
  return TF_OK;
}
