#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "wire/tls.h"
#include "wire/tls_pool.h"

#define SAN_BYTES_MAX 4096

/* "DNS:localhost,IP:127.0.0.1" in OpenSSL's notation, whose separators a name may not hold. */
static tf_err_t subject_alt_names(char *text, size_t cap, const char *const *hosts,
                                  size_t host_cnt) {
  size_t at = 0;
  for (size_t i = 0; i < host_cnt; i++) {
    uint8_t    address[16];
    const bool ip =
        inet_pton(AF_INET, hosts[i], address) == 1 || inet_pton(AF_INET6, hosts[i], address) == 1;
    for (const char *p = hosts[i]; *p; p++) {
      const bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
      if (!letter && !(*p >= '0' && *p <= '9') && !strchr(ip ? ".:" : "-.*_", *p))
        return TF_ERR(E_CORE_ARGUMENT, "%s is neither a host name nor an address", hosts[i]);
    }
    if (!hosts[i][0] || at + strlen(hosts[i]) + 6 > cap)
      return TF_ERR(E_CORE_ARGUMENT, "an empty host name, or too many for a certificate");
    at +=
        (size_t)snprintf(text + at, cap - at, "%s%s:%s", i ? "," : "", ip ? "IP" : "DNS", hosts[i]);
  }
  return host_cnt ? 0 : TF_ERR(E_CORE_ARGUMENT, "a certificate needs at least one host");
}

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
  const bool      ok        = extension && X509_add_ext(cert, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *alt_names, unsigned days) {
  X509V3_CTX ctx;
  uint64_t   serial = 0;
  X509_NAME *name   = X509_get_subject_name(cert);
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
  return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
         X509_set_version(cert, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
         X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, 0, NULL) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    (const unsigned char *)"tickfuse self-signed", -1, -1,
                                    0) == 1 &&
         X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
         add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(cert, &ctx, NID_key_usage, "critical,digitalSignature") &&
         add_extension(cert, &ctx, NID_ext_key_usage, "serverAuth") &&
         add_extension(cert, &ctx, NID_subject_key_identifier, "hash") &&
         add_extension(cert, &ctx, NID_subject_alt_name, alt_names) &&
         X509_sign(cert, key, EVP_sha256()) > 0;
}

/* A new file, or an old one of ours made empty; mode before content, so that a key is never
 * readable by others. */
static FILE *open_pem(const char *path, mode_t mode) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return NULL;
  FILE *file = fchmod(fd, mode) == 0 ? fdopen(fd, "w") : NULL;
  if (!file) close(fd);
  return file;
}

static tf_err_t write_files(const char *cert_path, const char *key_path, X509 *cert,
                            EVP_PKEY *key) {
  FILE *file = open_pem(key_path, 0600);
  bool  ok   = file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
  if (file && fclose(file) != 0) ok = false;
  if (!ok) return TF_ERR(E_FILE_WRITE, "key file %s: %s", key_path, strerror(errno));
  file = open_pem(cert_path, 0644);
  ok   = file && PEM_write_X509(file, cert) == 1;
  if (file && fclose(file) != 0) ok = false;
  if (!ok) return TF_ERR(E_FILE_WRITE, "certificate file %s: %s", cert_path, strerror(errno));
  return 0;
}

tf_err_t tf_tls_self_signed(const char *cert_path, const char *key_path, const char *const *hosts,
                            size_t host_cnt, unsigned days) {
  char     alt_names[SAN_BYTES_MAX];
  tf_err_t err = subject_alt_names(alt_names, sizeof alt_names, hosts, host_cnt);
  if (err) return err;
  if (days == 0 || days > 36500)
    return TF_ERR(E_CORE_ARGUMENT, "a certificate for %u days; allowed are 1 to 36500", days);
  tf_tls_pool_install(); /* before OpenSSL's first allocation, which may be the next line's */
  ERR_clear_error();
  EVP_PKEY *key  = EVP_EC_gen("P-256");
  X509     *cert = X509_new();
  if (key && cert && fill(cert, key, alt_names, days))
    err = write_files(cert_path, key_path, cert, key);
  else
    err = TF_ERR(E_WIRE_TLS, "a self-signed certificate: %s",
                 ERR_reason_error_string(ERR_get_error()));
  ERR_clear_error();
  X509_free(cert);
  EVP_PKEY_free(key);
  return err;
}
