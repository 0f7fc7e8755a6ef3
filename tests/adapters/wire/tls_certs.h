/* Certificates for tests, good and bad in every way that a client must refuse, made in memory with
 * OpenSSL and written as PEM files under one temporary directory. */
#ifndef TESTS_TLS_CERTS_H
#define TESTS_TLS_CERTS_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

typedef struct cert {
  X509     *x509;
  EVP_PKEY *key;
} cert_t;

typedef struct cert_spec {
  const char   *cn;
  const char   *san;             /* OpenSSL's notation; NULL: none */
  const char   *usage;           /* extended key usage; NULL: serverAuth */
  const char   *permitted;       /* name constraints of a CA; NULL: none */
  const EVP_MD *digest;          /* NULL: SHA-256 */
  long          from_s, until_s; /* relative to now; both 0: an hour ago to tomorrow */
  int           rsa_bits;        /* 0: EC P-256 */
  bool          ca;
  bool          cn_nul;           /* a NUL and more behind the common name */
  const char   *san_nul;          /* a DNS name with a NUL and ".evil.test" behind it */
  const char   *excluded;         /* name constraints of a CA, the other way */
  const char   *basic;            /* basic constraints; NULL: by ca */
  const char   *key_usage;        /* NULL: none */
  bool          unknown_critical; /* an extension that nobody knows, critical */
} cert_spec_t;

/* issuer NULL: self-signed. Aborts the test on failure. */
cert_t cert_make(const cert_spec_t *spec, const cert_t *issuer);
void   cert_free(cert_t *cert);

/* The directory, made on first use; files in it are removed at exit. */
const char *cert_path(const char *name);
/* Writes certificates one behind the other to cert_path(name). */
const char *cert_write_chain(const char *name, const cert_t *const *chain, int cnt);
const char *cert_write_key(const char *name, const cert_t *cert);

#endif
