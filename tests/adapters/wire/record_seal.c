#include "record_seal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "tf/base.h"

static void expand(const sealer_t *s, const char *label, uint8_t *out, size_t cnt) {
  uint8_t info[64] = {0, (uint8_t)cnt, (uint8_t)(6 + strlen(label))};
  memcpy(info + 3, "tls13 ", 6);
  memcpy(info + 9, label, strlen(label));
  int          mode     = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const char  *digest   = s->secret_cnt == 48 ? "SHA384" : "SHA256";
  EVP_KDF     *kdf      = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *ctx      = EVP_KDF_CTX_new(kdf);
  OSSL_PARAM   params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)s->secret,
                                          s->secret_cnt),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 10 + strlen(label)),
        OSSL_PARAM_construct_end(),
  };
  TF_ASSERT(EVP_KDF_derive(ctx, out, cnt, params) == 1);
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
}

static void derive(sealer_t *s) {
  expand(s, "key", s->key, s->key_cnt);
  expand(s, "iv", s->iv, sizeof s->iv);
  s->seq = 0;
}

void sealer_init(sealer_t *s, uint16_t suite, const uint8_t *secret) {
  *s = (sealer_t){.suite      = suite,
                  .key_cnt    = suite == 0x1301 ? 16 : 32,
                  .secret_cnt = suite == 0x1302 ? 48 : 32};
  memcpy(s->secret, secret, s->secret_cnt);
  derive(s);
}

void sealer_update_key(sealer_t *s) {
  uint8_t next[48];
  expand(s, "traffic upd", next, s->secret_cnt);
  memcpy(s->secret, next, s->secret_cnt);
  derive(s);
}

size_t sealer_seal(sealer_t *s, const uint8_t *inner, size_t cnt, uint8_t *out) {
  const EVP_CIPHER *cipher = s->suite == 0x1301   ? EVP_aes_128_gcm()
                             : s->suite == 0x1302 ? EVP_aes_256_gcm()
                                                  : EVP_chacha20_poly1305();
  EVP_CIPHER_CTX   *ctx    = EVP_CIPHER_CTX_new();
  const size_t      sealed = cnt + 16;
  uint8_t           nonce[12];
  int               n;
  memcpy(nonce, s->iv, sizeof nonce);
  for (int i = 0; i < 8; i++) nonce[11 - i] ^= (uint8_t)(s->seq >> (8 * i));
  s->seq++;
  out[0] = 23;
  out[1] = out[2] = 3;
  out[3]          = (uint8_t)(sealed >> 8);
  out[4]          = (uint8_t)sealed;
  TF_ASSERT(EVP_EncryptInit_ex(ctx, cipher, NULL, s->key, nonce) == 1);
  TF_ASSERT(EVP_EncryptUpdate(ctx, NULL, &n, out, 5) == 1);
  TF_ASSERT(EVP_EncryptUpdate(ctx, out + 5, &n, inner, (int)cnt) == 1);
  TF_ASSERT(EVP_EncryptFinal_ex(ctx, out + 5 + cnt, &n) == 1);
  TF_ASSERT(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + 5 + cnt) == 1);
  EVP_CIPHER_CTX_free(ctx);
  return 5 + sealed;
}
