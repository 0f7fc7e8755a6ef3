/* A client of ours and servers that nobody should trust: certificates that must be refused, each for
 * its own reason, and servers that speak TLS badly. The server is OpenSSL with its guards off, or
 * bytes by hand. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "tls_certs.h"
#include "wire/tls.h"

#define TX_BYTES (64u << 10)

typedef struct rig {
  tf_tls_ctx_t ctx;
  tf_tls_t     client;
  SSL_CTX     *server_ctx;
  SSL         *server;
  uint8_t      tx[TX_BYTES], plain[TX_BYTES];
  size_t       plain_cnt, rx_cnt; /* what the client got: plaintext, ciphertext */
  tf_err_t     err;
  char         text[1024];
} rig_t;

static rig_t  rig;
static cert_t root;

/* --- the rig --- */

static void to_client(rig_t *r, const void *bytes, size_t cnt) {
  uint8_t *block = malloc(cnt ? cnt : 1); /* nothing behind it */
  memcpy(block, bytes, cnt);
  r->rx_cnt += cnt;
  tf_tls_feed(&r->client, block, cnt);
  int n;
  while ((n = tf_tls_read(&r->client, r->plain + r->plain_cnt, sizeof r->plain - r->plain_cnt)) > 0)
    r->plain_cnt += (size_t)n;
  if (n < 0 && !r->err) {
    r->err = n;
    snprintf(r->text, sizeof r->text, "%s", tf_error_text());
  }
  free(block);
}

static void to_server(rig_t *r) {
  size_t         cnt;
  const uint8_t *tx = tf_tls_tx(&r->client, &cnt);
  if (r->server && cnt) BIO_write(SSL_get_rbio(r->server), tx, (int)cnt);
  tf_tls_tx_sent(&r->client, cnt);
}

static bool from_server(rig_t *r) {
  char      *bytes;
  const long cnt = BIO_get_mem_data(SSL_get_wbio(r->server), &bytes);
  if (cnt > 0) to_client(r, bytes, (size_t)cnt);
  (void)BIO_reset(SSL_get_wbio(r->server));
  return cnt > 0;
}

static void settle(rig_t *r) {
  uint8_t bytes[4096];
  for (int i = 0; i < 32; i++) {
    to_server(r);
    if (SSL_is_init_finished(r->server))
      SSL_read(r->server, bytes, sizeof bytes);
    else
      SSL_do_handshake(r->server);
    if (!from_server(r)) return;
  }
}

static void start_client(rig_t *r, const char *host, const char *ca) {
  const tf_tls_client_config_t config = {.ca_file = ca};
  memset(r, 0, sizeof *r);
  assert_int_equal(tf_tls_ctx_init_client(&r->ctx, &config), 0);
  assert_int_equal(tf_tls_init(&r->client, &r->ctx, host, r->tx, TX_BYTES), 0);
}

/* A server with this chain, leaf first, that does not look at what it serves. */
static void start(rig_t *r, const char *host, const cert_t *const *chain, int cnt) {
  start_client(r, host, cert_path("root.pem"));
  r->server_ctx = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_security_level(r->server_ctx, 0);
  SSL_CTX_set_min_proto_version(r->server_ctx, TLS1_VERSION);
  assert_int_equal(SSL_CTX_use_certificate(r->server_ctx, chain[0]->x509), 1);
  assert_int_equal(SSL_CTX_use_PrivateKey(r->server_ctx, chain[0]->key), 1);
  for (int i = 1; i < cnt; i++) {
    X509_up_ref(chain[i]->x509);
    assert_int_equal(SSL_CTX_add_extra_chain_cert(r->server_ctx, chain[i]->x509), 1);
  }
}

static void connect_server(rig_t *r) {
  r->server = SSL_new(r->server_ctx);
  SSL_set_bio(r->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(r->server);
  settle(r);
}

static void stop(rig_t *r) {
  tf_tls_fini(&r->client);
  tf_tls_ctx_fini(&r->ctx);
  SSL_free(r->server);
  SSL_CTX_free(r->server_ctx);
}

static void expect(const char *what, tf_err_t err, const char *word) {
  if (rig.err != err || !strstr(rig.text, word))
    print_error("%s: %d \"%s\", not %d \"%s\"\n", what, rig.err, rig.text, err, word);
  assert_int_equal(rig.err, err);
  assert_non_null(strstr(rig.text, word));
  if (err) assert_int_equal(rig.client.state, TF_TLS_FAILED);
}

/* --- certificates --- */

static const cert_spec_t good_leaf = {.cn = "x", .san = "DNS:a.test"};

typedef struct cert_case {
  const char *what, *host, *word; /* word NULL: it verifies */
  cert_spec_t leaf;
  cert_spec_t ca; /* cn NULL: the root signs the leaf itself */
} cert_case_t;

static void each_bad_certificate_is_refused_for_its_own_reason(void **state) {
  (void)state;
  /* clang-format off */
  static const cert_case_t cases[] = {
      {"good", "a.test", NULL, {.cn = "x", .san = "DNS:a.test"}, {0}},
      {"good among many names", "c.test", NULL, {.cn = "x", .san = "DNS:a.test,DNS:b.test,DNS:c.test"}, {0}},
      {"good in other case", "A.TeSt", NULL, {.cn = "x", .san = "DNS:a.test"}, {0}},
      {"good wildcard", "w.c.test", NULL, {.cn = "x", .san = "DNS:*.c.test"}, {0}},
      {"good address", "127.0.0.1", NULL, {.cn = "x", .san = "IP:127.0.0.1"}, {0}},
      {"good IPv6 address", "::1", NULL, {.cn = "x", .san = "IP:::1"}, {0}},
      {"good behind a CA", "a.test", NULL, {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true}},
      {"good within a constraint", "a.test", NULL, {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .permitted = "permitted;DNS:test"}},
      {"expired", "a.test", "certificate has expired", {.cn = "x", .san = "DNS:a.test", .from_s = -7200, .until_s = -1}, {0}},
      {"not yet valid", "a.test", "not yet valid", {.cn = "x", .san = "DNS:a.test", .from_s = 60, .until_s = 7200}, {0}},
      {"behind an expired CA", "a.test", "certificate has expired", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .from_s = -7200, .until_s = -60}},
      {"behind a CA that is not yet valid", "a.test", "not yet valid", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .from_s = 60, .until_s = 7200}},
      {"another host", "b.test", "ostname mismatch", {.cn = "x", .san = "DNS:a.test"}, {0}},
      {"a longer host", "xa.test", "ostname mismatch", {.cn = "x", .san = "DNS:a.test"}, {0}},
      {"the host in the common name alone", "a.test", "ostname mismatch", {.cn = "a.test"}, {0}},
      {"NUL in a DNS name", "a.test", "ostname mismatch", {.cn = "x", .san_nul = "a.test"}, {0}},
      {"NUL in the common name", "a.test", "ostname mismatch", {.cn = "a.test", .cn_nul = true}, {0}},
      {"a wildcard for the name itself", "c.test", "ostname mismatch", {.cn = "x", .san = "DNS:*.c.test"}, {0}},
      {"a wildcard for everything", "a.test", "ostname mismatch", {.cn = "x", .san = "DNS:*"}, {0}},
      {"a wildcard in the middle", "w.x.test", "ostname mismatch", {.cn = "x", .san = "DNS:w.*.test"}, {0}},
      {"an address as DNS name", "127.0.0.1", "IP address mismatch", {.cn = "x", .san = "DNS:127.0.0.1"}, {0}},
      {"another address", "127.0.0.1", "IP address mismatch", {.cn = "x", .san = "IP:127.0.0.2"}, {0}},
      {"a name where an address is due", "::1", "IP address mismatch", {.cn = "x", .san = "DNS:localhost"}, {0}},
      {"an e-mail address", "a.test", "ostname mismatch", {.cn = "x", .san = "email:x@a.test"}, {0}},
      {"for clients only", "a.test", "purpose", {.cn = "x", .san = "DNS:a.test", .usage = "clientAuth"}, {0}},
      {"for signing code only", "a.test", "purpose", {.cn = "x", .san = "DNS:a.test", .usage = "codeSigning"}, {0}},
      {"a critical extension that nobody knows", "a.test", "unhandled critical", {.cn = "x", .san = "DNS:a.test", .unknown_critical = true}, {0}},
      {"RSA of 1024 bits", "a.test", "key too weak", {.cn = "x", .san = "DNS:a.test", .rsa_bits = 1024}, {0}},
      {"behind RSA of 1024 bits", "a.test", "key too weak", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .rsa_bits = 1024}},
      {"behind a SHA-1 signature", "a.test", "too weak", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .digest = NULL}},
      {"behind a leaf", "a.test", "nvalid CA", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .basic = "CA:FALSE"}},
      {"behind a CA that may not sign", "a.test", "", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .key_usage = "critical,cRLSign"}},
      {"outside what its CA may name", "a.test", "permitted subtree", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .permitted = "permitted;DNS:example.org"}},
      {"inside what its CA must not name", "a.test", "excluded subtree", {.cn = "x", .san = "DNS:a.test"}, {.cn = "i", .ca = true, .excluded = "excluded;DNS:a.test"}},
  };
  /* clang-format on */
  unsigned refused = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    const cert_case_t *c       = &cases[i];
    cert_spec_t        ca_spec = c->ca;
    cert_t             ca      = {0};
    if (strstr(c->what, "SHA-1")) ca_spec.digest = EVP_sha1();
    if (ca_spec.cn) ca = cert_make(&ca_spec, &root);
    cert_t        leaf    = cert_make(&c->leaf, ca_spec.cn ? &ca : &root);
    const cert_t *chain[] = {&leaf, &ca};
    start(&rig, c->host, chain, ca_spec.cn ? 2 : 1);
    connect_server(&rig);
    expect(c->what, c->word ? E_WIRE_TLS_VERIFY : 0, c->word ? c->word : "");
    if (!c->word) assert_int_equal(rig.client.state, TF_TLS_OPEN);
    if (c->word) assert_non_null(strstr(rig.text, c->host));
    refused += c->word != NULL;
    assert_int_equal(rig.plain_cnt, 0);
    stop(&rig);
    cert_free(&leaf);
    if (ca_spec.cn) cert_free(&ca);
  }
  assert_true(refused >= 20);
}

static void a_leaf_that_is_not_what_the_root_signed_is_refused(void **state) {
  (void)state;
  const cert_spec_t other_spec = {.cn = "test root", .ca = true}; /* the root's name, another key */
  cert_t            impostor   = cert_make(&other_spec, NULL);
  for (int test = 0; test < 3; test++) {
    static const char *const words[] = {"signature failure", "self-signed", "local issuer"};
    const cert_spec_t        spec    = {.cn = "x", .san = "DNS:a.test"};
    const cert_spec_t        unknown = {.cn = "unknown root", .ca = true};
    cert_t                   strange = cert_make(&unknown, NULL);
    cert_t        leaf    = cert_make(&spec, test == 0 ? &impostor : test == 1 ? NULL : &strange);
    const cert_t *chain[] = {&leaf};
    start(&rig, "a.test", chain, 1);
    connect_server(&rig);
    expect(words[test], E_WIRE_TLS_VERIFY, words[test]);
    stop(&rig);
    cert_free(&leaf);
    cert_free(&strange);
  }
  cert_free(&impostor);
}

static void a_chain_holds_at_8_and_not_at_9(void **state) {
  (void)state;
  for (int cnt = TF_TLS_CHAIN_DEPTH_MAX - 1; cnt <= TF_TLS_CHAIN_DEPTH_MAX + 1; cnt++) {
    cert_t        certs[TF_TLS_CHAIN_DEPTH_MAX + 2];
    const cert_t *chain[TF_TLS_CHAIN_DEPTH_MAX + 2];
    for (int i = cnt; i >= 0; i--) {
      char              name[16];
      const cert_spec_t ca = {.cn = name, .ca = true};
      snprintf(name, sizeof name, "CA %d", i);
      certs[i] = cert_make(i == 0 ? &good_leaf : &ca, i == cnt ? &root : &certs[i + 1]);
      chain[i] = &certs[i];
    }
    start(&rig, "a.test", chain, cnt + 1);
    connect_server(&rig);
    const bool over = cnt > TF_TLS_CHAIN_DEPTH_MAX;
    expect("chain", over ? E_WIRE_TLS_VERIFY : 0, over ? "too long" : "");
    stop(&rig);
    for (int i = 0; i <= cnt; i++) cert_free(&certs[i]);
  }
}

/* --- protocol --- */

static void weak_parameters_find_no_agreement(void **state) {
  (void)state;
  static const struct {
    const char *what, *ciphers;
    int         version;
    bool        taken;
  } cases[] = {
      {"TLS 1.0",         "ALL:@SECLEVEL=0",                                    TLS1_VERSION,   false},
      {"TLS 1.1",         "ALL:@SECLEVEL=0",                                    TLS1_1_VERSION, false},
      {"CBC and SHA-1",   "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",                 TLS1_2_VERSION, false},
      {"CBC and SHA-256", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0",              TLS1_2_VERSION, false},
      {"no encryption",   "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",                   TLS1_2_VERSION, false},
      {"anonymous",       "AECDH-AES128-SHA:ADH-AES128-GCM-SHA256:@SECLEVEL=0", TLS1_2_VERSION, false},
      {"CAMELLIA",        "ECDHE-ECDSA-CAMELLIA128-SHA256:@SECLEVEL=0",         TLS1_2_VERSION, false},
      {"CCM of 8",        "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0",                TLS1_2_VERSION, false},
      {"GCM",             "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0",          TLS1_2_VERSION, true },
      {"ChaCha20",        "ECDHE-ECDSA-CHACHA20-POLY1305:@SECLEVEL=0",          TLS1_2_VERSION, true },
  };
  cert_t        leaf    = cert_make(&good_leaf, &root);
  const cert_t *chain[] = {&leaf};
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    start(&rig, "a.test", chain, 1);
    SSL_CTX_set_min_proto_version(rig.server_ctx, cases[i].version);
    SSL_CTX_set_max_proto_version(rig.server_ctx, cases[i].version);
    assert_int_equal(SSL_CTX_set_cipher_list(rig.server_ctx, cases[i].ciphers), 1);
    connect_server(&rig);
    expect(cases[i].what, cases[i].taken ? 0 : E_WIRE_TLS, cases[i].taken ? "" : "alert");
    stop(&rig);
  }
  cert_free(&leaf);
}

/* Alerts come before anything else of the server's; each names itself in the error. */
static void each_alert_ends_the_handshake(void **state) {
  (void)state;
  for (int level = 1; level <= 2; level++) {
    for (int description = 0; description < 256; description++) {
      const uint8_t alert[] = {21, 3, 3, 0, 2, (uint8_t)level, (uint8_t)description};
      start_client(&rig, "a.test", cert_path("root.pem"));
      to_server(&rig);
      to_client(&rig, alert, sizeof alert);
      /* A warning alone leaves the handshake waiting, and the end of the transport ends it. */
      if (!rig.err) rig.err = tf_tls_eof(&rig.client);
      assert_int_equal(rig.err, E_WIRE_TLS);
      assert_int_not_equal(rig.client.state, TF_TLS_OPEN);
      stop(&rig);
    }
  }
}

static void garbage_records_in_the_handshake_end_it(void **state) {
  (void)state;
  for (int type = 0; type < 256; type++) {
    for (int cut = 0; cut < 2; cut++) {
      uint8_t record[5 + 40];
      memset(record, 0x41, sizeof record);
      record[0] = (uint8_t)type;
      record[1] = 3, record[2] = 3, record[3] = 0, record[4] = cut ? 0 : 40;
      start_client(&rig, "a.test", cert_path("root.pem"));
      to_server(&rig);
      for (int i = 0; i < 64 && !rig.err; i++) to_client(&rig, record, cut ? 5 : sizeof record);
      if (!rig.err) rig.err = tf_tls_eof(&rig.client);
      assert_int_equal(rig.err, E_WIRE_TLS);
      stop(&rig);
    }
  }
}

static void open_good(rig_t *r, int version) {
  static cert_t leaf;
  if (!leaf.x509) leaf = cert_make(&good_leaf, &root);
  const cert_t *chain[] = {&leaf};
  start(r, "a.test", chain, 1);
  SSL_CTX_set_min_proto_version(r->server_ctx, version);
  SSL_CTX_set_max_proto_version(r->server_ctx, version);
  connect_server(r);
  assert_int_equal(r->client.state, TF_TLS_OPEN);
}

static void renegotiation_is_not_done(void **state) {
  (void)state;
  open_good(&rig, TLS1_2_VERSION);
  SSL_renegotiate(rig.server); /* sends a HelloRequest */
  SSL_do_handshake(rig.server);
  settle(&rig);
  SSL_write(rig.server, "after", 5);
  settle(&rig);
  /* OpenSSL answers with a warning that it will not, and the stream goes on or ends; it never
   * starts over. */
  assert_true(rig.client.state != TF_TLS_HANDSHAKE);
  assert_int_equal(SSL_num_renegotiations(rig.client.ssl), 0);
  stop(&rig);
}

/* A head that announces more than a record may hold, in the open stream of either version: 256 bytes
 * above the plaintext (RFC 8446 5.2), 320 in OpenSSL before (RFC 5246 allows 2048). */
static void a_record_of_16_KiB_and_one_is_refused(void **state) {
  (void)state;
  for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
    const size_t most = version == TLS1_3_VERSION ? 16384 + 256 : 16384 + 320;
    for (size_t over = 0; over < 2; over++) {
      const size_t  cnt    = most + over;
      const uint8_t head[] = {23, 3, 3, (uint8_t)(cnt >> 8), (uint8_t)cnt};
      open_good(&rig, version);
      to_client(&rig, head, sizeof head);
      if (over)
        expect("16 KiB and one", E_WIRE_TLS, "");
      else
        assert_int_equal(rig.err, 0); /* it waits for the rest */
      stop(&rig);
    }
  }
}

static void empty_records_without_end_are_refused(void **state) {
  (void)state;
  open_good(&rig, TLS1_2_VERSION);
  int sent = 0;
  for (; sent < 1000 && !rig.err; sent++) {
    const uint8_t empty[] = {23, 3, 3, 0, 0};
    to_client(&rig, empty, sizeof empty);
  }
  assert_int_equal(rig.err, E_WIRE_TLS);
  assert_true(sent <= 64);
  stop(&rig);
}

/* The fatal alerts of an open stream, sealed, and an end of the transport, are no clean end. */
static void an_end_without_close_notify_is_a_loss(void **state) {
  (void)state;
  for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
    for (int clean = 0; clean < 2; clean++) {
      open_good(&rig, version);
      SSL_write(rig.server, "last", 4);
      settle(&rig);
      assert_int_equal(rig.plain_cnt, 4);
      if (clean) {
        SSL_shutdown(rig.server);
        from_server(&rig);
      }
      assert_int_equal(tf_tls_eof(&rig.client), clean ? 0 : E_WIRE_TLS_TRUNCATED);
      stop(&rig);
    }
  }
}

/* A handshake of 65536 bytes is taken, one more is not: certificates are added until the flight is
 * longer, then its bytes are dealt out. */
static void a_handshake_holds_64_KiB_and_not_a_byte_more(void **state) {
  (void)state;
  cert_t        leaf    = cert_make(&good_leaf, &root);
  const cert_t *chain[] = {&leaf};
  bool          under = false, over = false;
  for (int extra = 150; extra < 240; extra += 5) {
    start(&rig, "a.test", chain, 1);
    SSL_CTX_set_max_proto_version(rig.server_ctx, TLS1_2_VERSION);
    for (int i = 0; i < extra; i++) {
      X509_up_ref(root.x509);
      SSL_CTX_add_extra_chain_cert(rig.server_ctx, root.x509);
    }
    connect_server(&rig);
    assert_true(rig.client.handshake_rx_bytes <= TF_TLS_HANDSHAKE_BYTES_MAX);
    if (rig.err) {
      expect("over", E_WIRE_TLS, "over 65536 bytes");
      assert_int_equal(rig.client.handshake_rx_bytes, TF_TLS_HANDSHAKE_BYTES_MAX);
      over = true;
    } else {
      assert_int_equal(rig.client.state, TF_TLS_OPEN);
      under = true;
    }
    stop(&rig);
  }
  assert_true(under && over);
  cert_free(&leaf);
}

static int set_up(void **state) {
  (void)state;
  const cert_spec_t spec = {.cn = "test root", .ca = true};
  root                   = cert_make(&spec, NULL);
  const cert_t *only[]   = {&root};
  cert_write_chain("root.pem", only, 1);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_bad_certificate_is_refused_for_its_own_reason),
      cmocka_unit_test(a_leaf_that_is_not_what_the_root_signed_is_refused),
      cmocka_unit_test(a_chain_holds_at_8_and_not_at_9),
      cmocka_unit_test(weak_parameters_find_no_agreement),
      cmocka_unit_test(each_alert_ends_the_handshake),
      cmocka_unit_test(garbage_records_in_the_handshake_end_it),
      cmocka_unit_test(renegotiation_is_not_done),
      cmocka_unit_test(a_record_of_16_KiB_and_one_is_refused),
      cmocka_unit_test(empty_records_without_end_are_refused),
      cmocka_unit_test(an_end_without_close_notify_is_a_loss),
      cmocka_unit_test(a_handshake_holds_64_KiB_and_not_a_byte_more),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
