#include "tls_certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "tf/base.h"

static char directory[64];
static char paths[64][160];
static int  path_cnt;

static void remove_files(void) {
  for (int i = 0; i < path_cnt; i++) unlink(paths[i]);
  rmdir(directory);
}

const char *cert_path(const char *name) {
  if (!directory[0]) {
    strcpy(directory, "/tmp/tf_certs_XXXXXX");
    TF_ASSERT(mkdtemp(directory));
    atexit(remove_files);
  }
  char path[160];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  for (int i = 0; i < path_cnt; i++) {
    if (strcmp(paths[i], path) == 0) return paths[i];
  }
  TF_ASSERT(path_cnt < (int)TF_ARRAY_CNT(paths));
  return strcpy(paths[path_cnt++], path);
}

static void extend(X509 *x509, X509V3_CTX *ctx, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
  TF_ASSERT(extension && X509_add_ext(x509, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

static void add_san_with_nul(X509 *x509, const char *name) {
  char           dns[128];
  const int      cnt   = snprintf(dns, sizeof dns, "%s%c.evil.test", name, 0);
  GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
  GENERAL_NAME  *one   = GENERAL_NAME_new();
  ASN1_STRING   *text  = ASN1_IA5STRING_new();
  TF_ASSERT(names && one && text && ASN1_STRING_set(text, dns, cnt) == 1);
  GENERAL_NAME_set0_value(one, GEN_DNS, text);
  sk_GENERAL_NAME_push(names, one);
  TF_ASSERT(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1);
  GENERAL_NAMES_free(names);
}

static void add_unknown_critical(X509 *x509) {
  ASN1_OBJECT       *oid   = OBJ_txt2obj("1.2.3.4.5.6.7", 1);
  ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2);
  X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
  TF_ASSERT(extension && X509_add_ext(x509, extension, -1) == 1);
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(value);
  ASN1_OBJECT_free(oid);
}

cert_t cert_make(const cert_spec_t *spec, const cert_t *issuer) {
  static long   serial = 1000;
  cert_t        cert   = {.x509 = X509_new(),
                          .key =
                     spec->rsa_bits ? EVP_RSA_gen((unsigned)spec->rsa_bits) : EVP_EC_gen("P-256")};
  const cert_t *signer = issuer ? issuer : &cert;
  const EVP_MD *digest = spec->digest ? spec->digest : EVP_sha256();
  X509V3_CTX    ctx;
  X509_NAME    *name = X509_get_subject_name(cert.x509);
  TF_ASSERT(cert.x509 && cert.key);
  X509_set_version(cert.x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
  X509_gmtime_adj(X509_getm_notBefore(cert.x509), spec->from_s ? spec->from_s : -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert.x509), spec->until_s ? spec->until_s : 86400);
  char      cn[128];
  const int cn_cnt = snprintf(cn, sizeof cn, "%s%c.evil.test", spec->cn, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn,
                             spec->cn_nul ? cn_cnt : (int)strlen(spec->cn), -1, 0);
  X509_set_issuer_name(cert.x509, X509_get_subject_name(signer->x509));
  X509_set_pubkey(cert.x509, cert.key);
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, signer->x509, cert.x509, NULL, NULL, 0);
  const char *basic = spec->ca ? "critical,CA:TRUE" : "CA:FALSE";
  extend(cert.x509, &ctx, NID_basic_constraints, spec->basic ? spec->basic : basic);
  if (!spec->ca)
    extend(cert.x509, &ctx, NID_ext_key_usage, spec->usage ? spec->usage : "serverAuth");
  if (spec->san) extend(cert.x509, &ctx, NID_subject_alt_name, spec->san);
  if (spec->permitted) extend(cert.x509, &ctx, NID_name_constraints, spec->permitted);
  if (spec->excluded) extend(cert.x509, &ctx, NID_name_constraints, spec->excluded);
  if (spec->key_usage) extend(cert.x509, &ctx, NID_key_usage, spec->key_usage);
  if (spec->san_nul) add_san_with_nul(cert.x509, spec->san_nul);
  if (spec->unknown_critical) add_unknown_critical(cert.x509);
  TF_ASSERT(X509_sign(cert.x509, signer->key, digest) > 0);
  return cert;
}

void cert_free(cert_t *cert) {
  X509_free(cert->x509);
  EVP_PKEY_free(cert->key);
}

const char *cert_write_chain(const char *name, const cert_t *const *chain, int cnt) {
  const char *path = cert_path(name);
  FILE       *file = fopen(path, "w");
  TF_ASSERT(file);
  for (int i = 0; i < cnt; i++) TF_ASSERT(PEM_write_X509(file, chain[i]->x509) == 1);
  TF_ASSERT(fclose(file) == 0);
  return path;
}

const char *cert_write_key(const char *name, const cert_t *cert) {
  const char *path = cert_path(name);
  FILE       *file = fopen(path, "w");
  TF_ASSERT(file && PEM_write_PrivateKey(file, cert->key, NULL, NULL, 0, NULL, NULL) == 1);
  TF_ASSERT(fclose(file) == 0);
  return path;
}
