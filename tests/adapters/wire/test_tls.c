/* Our client against our server over buffers: every segmentation, every refusal, every end. */
#include "wire/tls.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/arena.h"
#include "core/error.h"
#include "tf/io.h"
#include "tls_certs.h"
#include "wire/tls_pool.h"

#define TX_BYTES (256u << 10)

typedef struct pair {
  tf_tls_ctx_t client_ctx, server_ctx;
  tf_tls_t     client, server;
  uint8_t      client_tx[TX_BYTES], server_tx[TX_BYTES];
  uint8_t      to_client[TX_BYTES], to_server[TX_BYTES]; /* plaintext that arrived */
  size_t       to_client_cnt, to_server_cnt;
  tf_err_t     client_err, server_err;
  char         client_text[1024];
} pair_t;

static pair_t pair;
static bool   openssl_records; /* which record layer the client receives through */

/* Hands what from has ready to to, in pieces; reads all of it. */
static void carry(tf_tls_t *from, tf_tls_t *to, size_t piece, uint8_t *plain, size_t *plain_cnt,
                  tf_err_t *err) {
  size_t         cnt;
  const uint8_t *tx = tf_tls_tx(from, &cnt);
  if (cnt > piece) cnt = piece;
  uint8_t *block = malloc(cnt);
  memcpy(block, tx, cnt);
  tf_tls_tx_sent(from, cnt);
  tf_tls_feed(to, block, cnt);
  int n;
  while ((n = tf_tls_read(to, plain + *plain_cnt, TX_BYTES - *plain_cnt)) > 0)
    *plain_cnt += (size_t)n;
  if (n < 0) *err = n;
  free(block);
}

static size_t waiting(const tf_tls_t *tls) {
  size_t cnt;
  tf_tls_tx(tls, &cnt);
  return cnt;
}

/* Until both sides have nothing more to say. */
static void settle(pair_t *p, size_t piece) {
  while (waiting(&p->client) || waiting(&p->server)) {
    if (waiting(&p->client))
      carry(&p->client, &p->server, piece, p->to_server, &p->to_server_cnt, &p->server_err);
    if (waiting(&p->server)) {
      carry(&p->server, &p->client, piece, p->to_client, &p->to_client_cnt, &p->client_err);
      if (p->client_err && !p->client_text[0]) strcpy(p->client_text, tf_error_text());
    }
  }
}

static void start(pair_t *p, const char *host, const char *ca, bool insecure, const char *cert,
                  const char *key) {
  const tf_tls_client_config_t config = {
      .ca_file = ca, .insecure = insecure, .openssl_records = openssl_records};
  memset(p, 0, sizeof *p);
  assert_int_equal(tf_tls_ctx_init_client(&p->client_ctx, &config), 0);
  assert_int_equal(tf_tls_ctx_init_server(&p->server_ctx, cert, key), 0);
  assert_int_equal(tf_tls_init(&p->client, &p->client_ctx, host, p->client_tx, TX_BYTES), 0);
  assert_int_equal(tf_tls_init(&p->server, &p->server_ctx, NULL, p->server_tx, TX_BYTES), 0);
}

/* A server that offers what ours would not: OpenSSL without its guards. */
static void start_lax(pair_t *p, const char *ca, const char *cert, const char *key,
                      void (*weaken)(SSL_CTX *)) {
  const tf_tls_client_config_t config  = {.ca_file = ca};
  SSL_CTX                     *ssl_ctx = SSL_CTX_new(TLS_server_method());
  memset(p, 0, sizeof *p);
  SSL_CTX_set_security_level(ssl_ctx, 0);
  assert_int_equal(SSL_CTX_use_certificate_chain_file(ssl_ctx, cert), 1);
  assert_int_equal(SSL_CTX_use_PrivateKey_file(ssl_ctx, key, SSL_FILETYPE_PEM), 1);
  if (weaken) weaken(ssl_ctx);
  p->server_ctx = (tf_tls_ctx_t){.ssl_ctx = ssl_ctx, .role = TF_TLS_SERVER};
  assert_int_equal(tf_tls_ctx_init_client(&p->client_ctx, &config), 0);
  assert_int_equal(tf_tls_init(&p->client, &p->client_ctx, "a.test", p->client_tx, TX_BYTES), 0);
  assert_int_equal(tf_tls_init(&p->server, &p->server_ctx, NULL, p->server_tx, TX_BYTES), 0);
}

static void stop(pair_t *p) {
  tf_tls_fini(&p->client);
  tf_tls_fini(&p->server);
  tf_tls_ctx_fini(&p->client_ctx);
  tf_tls_ctx_fini(&p->server_ctx);
}

static const char *good_cert, *good_key;
static cert_t      root;

static void start_good(pair_t *p) { start(p, "localhost", good_cert, false, good_cert, good_key); }

static cert_t sub_ca(const char *name, const cert_t *issuer, const char *permitted) {
  const cert_spec_t spec = {.cn = name, .ca = true, .permitted = permitted};
  return cert_make(&spec, issuer);
}

static void refuse_leaf(const char *what, const cert_spec_t *spec, const cert_t *issuer,
                        const char *host, const char *word) {
  cert_t        leaf    = cert_make(spec, issuer);
  const cert_t *chain[] = {&leaf};
  const char   *cert    = cert_write_chain("leaf.pem", chain, 1);
  const char   *key     = cert_write_key("leaf.key", &leaf);
  start(&pair, host, cert_path("root.pem"), false, cert, key);
  settle(&pair, SIZE_MAX);
  if (pair.client_err != E_WIRE_TLS_VERIFY || !strstr(pair.client_text, word))
    print_error("%s: %d %s\n", what, pair.client_err, pair.client_text);
  assert_int_equal(pair.client_err, E_WIRE_TLS_VERIFY);
  assert_non_null(strstr(pair.client_text, word));
  assert_non_null(strstr(pair.client_text, host));
  assert_int_equal(pair.client.state, TF_TLS_FAILED);
  assert_int_equal(pair.server.state, TF_TLS_FAILED); /* it was told by an alert */
  assert_int_equal(tf_tls_write(&pair.client, "x", 1), E_WIRE_TLS_VERIFY);
  stop(&pair);
  cert_free(&leaf);
}

static void certificates_that_do_not_verify_are_refused_with_their_reason(void **state) {
  (void)state;
  cert_t        bounded = sub_ca("bounded", &root, "permitted;DNS:example.org");
  const cert_t *both[]  = {&root, &bounded};
  cert_write_chain("root.pem", both, 2);
  static const struct {
    const char *what, *host, *word;
    cert_spec_t spec;
    bool        by_bounded;
    /* clang-format off */
  } cases[] = {
      {"expired",
       "a.test", "expired",
       {.cn = "x", .san = "DNS:a.test", .from_s = -7200, .until_s = -3600},
       false},
      {"not yet valid",
       "a.test", "not yet valid",
       {.cn = "x", .san = "DNS:a.test", .from_s = 3600, .until_s = 7200},
       false},
      {"wrong host", "b.test", "ostname mismatch", {.cn = "x", .san = "DNS:a.test"}, false},
      {"common name only", "a.test", "ostname mismatch", {.cn = "a.test"}, false},
      {"parent of the name",
       "a.b.test", "ostname mismatch",
       {.cn = "x", .san = "DNS:b.test"},
       false},
      {"wildcard over two labels",
       "a.b.c.test", "ostname mismatch",
       {.cn = "x", .san = "DNS:*.c.test"},
       false},
      {"partial wildcard",
       "wss.c.test", "ostname mismatch",
       {.cn = "x", .san = "DNS:w*.c.test"},
       false},
      {"address given as a name",
       "127.0.0.1", "IP address mismatch",
       {.cn = "x", .san = "DNS:127.0.0.1"},
       false},
      {"another address",
       "127.0.0.1", "IP address mismatch",
       {.cn = "x", .san = "IP:127.0.0.2"},
       false},
      {"for clients only",
       "a.test", "purpose",
       {.cn = "x", .san = "DNS:a.test", .usage = "clientAuth"},
       false},
      {"outside the issuer's constraint",
       "a.test", "subtree",
       {.cn = "x", .san = "DNS:a.test"},
       true},
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    refuse_leaf(cases[i].what, &cases[i].spec, cases[i].by_bounded ? &bounded : &root,
                cases[i].host, cases[i].word);
  cert_free(&bounded);
}

static void unknown_issuers_are_refused(void **state) {
  (void)state;
  const cert_t *only_root[] = {&root};
  cert_write_chain("root.pem", only_root, 1);
  cert_t            other = sub_ca("another root", NULL, NULL);
  const cert_spec_t spec  = {.cn = "x", .san = "DNS:a.test"};
  refuse_leaf("unknown CA", &spec, &other, "a.test", "unable to get local issuer certificate");
  refuse_leaf("self-signed", &spec, NULL, "a.test", "self-signed certificate");
  cert_free(&other);
}

/* Signatures and keys below security level 2, and chains over the depth. */
static void weak_and_long_chains_are_refused(void **state) {
  (void)state;
  enum { LONG = 11 };
  const cert_t *only_root[] = {&root};
  cert_write_chain("root.pem", only_root, 1);
  const cert_spec_t small = {.cn = "weak CA", .ca = true, .rsa_bits = 1024};
  cert_t            weak  = cert_make(&small, &root);
  const cert_spec_t spec  = {.cn = "x", .san = "DNS:a.test"};
  cert_t            chain[LONG + 1];
  const cert_t     *sent[LONG + 1];
  for (int test = 0; test < 4; test++) {
    static const char *const words[] = {"CA certificate key too weak", "too long", "", "too weak"};
    int                      cnt     = 2;
    chain[1]                         = weak;
    if (test == 1 || test == 2) { /* one over the depth, and just within it */
      static const char *const names[] = {"", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
      const int ca_cnt = test == 1 ? TF_TLS_CHAIN_DEPTH_MAX + 1 : TF_TLS_CHAIN_DEPTH_MAX;
      for (int i = ca_cnt; i >= 1; i--)
        chain[i] = sub_ca(names[i], i == ca_cnt ? &root : &chain[i + 1], NULL);
      cnt = ca_cnt + 1;
    } else if (test == 3) {
      const cert_spec_t sha1 = {.cn = "sha1 CA", .ca = true, .digest = EVP_sha1()};
      chain[1]               = cert_make(&sha1, &root);
    }
    chain[0] = cert_make(&spec, &chain[1]);
    for (int i = 0; i < cnt; i++) sent[i] = &chain[i];
    start_lax(&pair, cert_path("root.pem"), cert_write_chain("leaf.pem", sent, cnt),
              cert_write_key("leaf.key", &chain[0]), NULL);
    settle(&pair, SIZE_MAX);
    if (!strstr(pair.client_text, words[test])) print_error("%s\n", pair.client_text);
    assert_int_equal(pair.client_err, test == 2 ? 0 : E_WIRE_TLS_VERIFY);
    assert_non_null(strstr(pair.client_text, words[test]));
    stop(&pair);
    for (int i = test == 0 ? 0 : cnt - 1; i >= 0; i--) cert_free(&chain[i]);
  }
  cert_free(&weak);
}

static void only_tls_1_1(SSL_CTX *ssl_ctx) {
  SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_1_VERSION);
}
static void only_cbc(SSL_CTX *ssl_ctx) {
  SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(ssl_ctx, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0");
}
static void only_tls_1_2(SSL_CTX *ssl_ctx) {
  SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_2_VERSION);
}
/* A certificate message of more than 64 KiB, yet less than OpenSSL's own 100 KiB. */
static void chatty(SSL_CTX *ssl_ctx) {
  for (int i = 0; i < 230; i++) {
    X509_up_ref(root.x509);
    SSL_CTX_add_extra_chain_cert(ssl_ctx, root.x509);
  }
}

static void old_versions_weak_ciphers_and_endless_handshakes_are_refused(void **state) {
  (void)state;
  static const struct {
    void (*weaken)(SSL_CTX *);
    tf_err_t    err;
    const char *word;
  } cases[] = {
      {only_tls_1_1, E_WIRE_TLS, "alert"           },
      {only_cbc,     E_WIRE_TLS, "alert"           },
      {chatty,       E_WIRE_TLS, "over 65536 bytes"},
      {only_tls_1_2, 0,          ""                },
      {NULL,         0,          ""                },
  };
  const cert_t *only_root[] = {&root};
  cert_write_chain("root.pem", only_root, 1);
  const cert_spec_t spec   = {.cn = "x", .san = "DNS:a.test"};
  cert_t            leaf   = cert_make(&spec, &root);
  const cert_t     *sent[] = {&leaf};
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    start_lax(&pair, cert_path("root.pem"), cert_write_chain("leaf.pem", sent, 1),
              cert_write_key("leaf.key", &leaf), cases[i].weaken);
    settle(&pair, SIZE_MAX);
    if (cases[i].err != pair.client_err || !strstr(pair.client_text, cases[i].word))
      print_error("case %zu: %d %s\n", i, pair.client_err, pair.client_text);
    assert_int_equal(pair.client_err, cases[i].err);
    assert_non_null(strstr(pair.client_text, cases[i].word));
    assert_int_equal(pair.client.state, cases[i].err ? TF_TLS_FAILED : TF_TLS_OPEN);
    stop(&pair);
  }
  cert_free(&leaf);
}

static void a_flood_of_key_updates_is_ended_and_a_few_are_not(void **state) {
  (void)state;
  for (int flood = 0; flood < 2; flood++) {
    start_good(&pair);
    settle(&pair, SIZE_MAX);
    for (int i = 0; i < (flood ? 40 : 30); i++) {
      SSL_key_update(pair.server.ssl, SSL_KEY_UPDATE_REQUESTED);
      if (tf_tls_write(&pair.server, "x", 1)) break;
      settle(&pair, SIZE_MAX);
    }
    assert_int_equal(pair.client_err, flood ? E_WIRE_TLS : 0);
    if (flood) assert_non_null(strstr(pair.client_text, "key updates"));
    stop(&pair);
  }
}

static void insecure_must_be_asked_for(void **state) {
  (void)state;
  const cert_spec_t spec    = {.cn = "x", .san = "DNS:other.test"};
  cert_t            leaf    = cert_make(&spec, NULL);
  const cert_t     *chain[] = {&leaf};
  const char       *cert    = cert_write_chain("leaf.pem", chain, 1);
  const char       *key     = cert_write_key("leaf.key", &leaf);
  for (int insecure = 0; insecure < 2; insecure++) {
    start(&pair, "localhost", NULL, insecure, cert, key);
    settle(&pair, SIZE_MAX);
    assert_int_equal(pair.client.state, insecure ? TF_TLS_OPEN : TF_TLS_FAILED);
    stop(&pair);
  }
  cert_free(&leaf);
}

static void arguments_and_files_that_cannot_work_are_refused(void **state) {
  (void)state;
  tf_tls_ctx_t           ctx;
  tf_tls_client_config_t config = {.ca_file = "/nonexistent/ca.pem"};
  assert_int_equal(tf_tls_ctx_init_client(&ctx, &config), E_FILE_OPEN);
  config.ca_file = good_key; /* no certificate in it */
  assert_int_equal(tf_tls_ctx_init_client(&ctx, &config), E_WIRE_TLS);
  tf_tls_ctx_fini(&ctx);
  assert_int_equal(tf_tls_ctx_init_server(&ctx, good_cert, "/nonexistent/key.pem"), E_WIRE_TLS);
  cert_t      other = sub_ca("other", NULL, NULL);
  const char *key   = cert_write_key("other.key", &other);
  assert_int_equal(tf_tls_ctx_init_server(&ctx, good_cert, key), E_WIRE_TLS);
  cert_free(&other);
  config.ca_file = good_cert;
  tf_tls_t tls;
  char     host[300];
  memset(host, 'h', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  assert_int_equal(tf_tls_ctx_init_client(&ctx, &config), 0);
  assert_int_equal(tf_tls_init(&tls, &ctx, NULL, pair.client_tx, TX_BYTES), E_CORE_ARGUMENT);
  assert_int_equal(tf_tls_init(&tls, &ctx, "", pair.client_tx, TX_BYTES), E_CORE_ARGUMENT);
  assert_int_equal(tf_tls_init(&tls, &ctx, host, pair.client_tx, TX_BYTES), E_CORE_ARGUMENT);
  assert_int_equal(tf_tls_init(&tls, &ctx, "h", pair.client_tx, 100), E_CORE_ARGUMENT);
  tf_tls_fini(&tls);
  tf_tls_ctx_fini(&ctx);
}

/* Each piece size is a handshake, data both ways, and a clean end both ways. */
static void any_segmentation_gives_the_same_stream(void **state) {
  (void)state;
  static const size_t pieces[] = {1, 2, 3, 4, 5, 6, 7, 13, 64, 255, 997, 4096, 16384, SIZE_MAX};
  static const size_t sizes[]  = {1, 230, 16383, 16384, 16385, 50000};
  static uint8_t      text[50000];
  static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]", "::1"};
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 31 >> 2);
  for (size_t i = 0; i < TF_ARRAY_CNT(pieces); i++) {
    start(&pair, hosts[i % 4], good_cert, false, good_cert, good_key);
    settle(&pair, pieces[i]);
    assert_int_equal(pair.client.state, TF_TLS_OPEN);
    assert_int_equal(pair.server.state, TF_TLS_OPEN);
    size_t       total = 0;
    const size_t n     = pieces[i] < 5 ? 3 : TF_ARRAY_CNT(sizes);
    for (size_t s = 0; s < n; s++) {
      assert_int_equal(tf_tls_write(&pair.client, text, sizes[s]), 0);
      settle(&pair, pieces[i]);
      assert_int_equal(tf_tls_write(&pair.server, text, sizes[s]), 0);
      settle(&pair, pieces[i]);
      assert_memory_equal(pair.to_client + total, text, sizes[s]);
      assert_memory_equal(pair.to_server + total, text, sizes[s]);
      total += sizes[s];
    }
    assert_int_equal(pair.to_client_cnt, total);
    assert_int_equal(pair.to_server_cnt, total);
    char what[64];
    tf_tls_describe(&pair.client, what, sizeof what);
    assert_non_null(strstr(what, "TLSv1.3"));
    tf_tls_shutdown(&pair.client);
    tf_tls_shutdown(&pair.client);
    assert_int_equal(tf_tls_write(&pair.client, "x", 1), E_WIRE_TLS);
    settle(&pair, pieces[i]);
    assert_int_equal(pair.server.state, TF_TLS_CLOSED);
    tf_tls_shutdown(&pair.server);
    settle(&pair, pieces[i]);
    assert_int_equal(pair.client.state, TF_TLS_CLOSED);
    assert_int_equal(tf_tls_eof(&pair.client), 0);
    assert_int_equal(tf_tls_eof(&pair.server), 0);
    assert_int_equal(pair.client_err | pair.server_err, 0);
    stop(&pair);
  }
}

static void a_cut_stream_is_told_from_a_closed_one_at_every_byte(void **state) {
  (void)state;
  start_good(&pair);
  settle(&pair, SIZE_MAX);
  assert_int_equal(tf_tls_eof(&pair.server), E_WIRE_TLS_TRUNCATED);
  stop(&pair);
  for (int to_client = 0; to_client < 2; to_client++) {
    tf_tls_t *from = to_client ? &pair.server : &pair.client;
    tf_tls_t *to   = to_client ? &pair.client : &pair.server;
    size_t    all  = 1;
    for (size_t cut = 0; cut <= all; cut++) {
      start_good(&pair);
      settle(&pair, SIZE_MAX);
      tf_tls_write(from, "last words", 10);
      tf_tls_shutdown(from);
      all          = waiting(from);
      tf_err_t err = 0;
      if (cut) carry(from, to, cut, pair.to_client, &pair.to_client_cnt, &err);
      assert_int_equal(err, 0);
      assert_int_equal(tf_tls_eof(to), cut == all ? 0 : E_WIRE_TLS_TRUNCATED);
      stop(&pair);
    }
    assert_true(all > 30);
  }
}

static void an_end_during_the_handshake_is_an_error(void **state) {
  (void)state;
  start_good(&pair);
  assert_int_equal(tf_tls_eof(&pair.client), E_WIRE_TLS);
  assert_non_null(strstr(tf_error_text(), "handshake"));
  stop(&pair);
}

/* Both ways: to the server through OpenSSL's record layer, to the client through ours. */
static void a_flipped_bit_in_any_byte_ends_the_stream(void **state) {
  (void)state;
  for (int to_client = 0; to_client < 2; to_client++) {
    tf_tls_t *from = to_client ? &pair.server : &pair.client;
    size_t    all  = 1;
    for (size_t at = 0; at < all; at++) {
      start_good(&pair);
      settle(&pair, SIZE_MAX);
      tf_tls_write(from, "first", 5);
      const size_t first = waiting(from);
      tf_tls_write(from, "second", 6);
      all = waiting(from) - first;
      from->tx[from->tx_at + first + at] ^= 0x10;
      settle(&pair, SIZE_MAX);
      const tf_err_t err = to_client ? pair.client_err : pair.server_err;
      /* A flip in the length may make the record longer, then it never becomes whole. */
      if (at == 3 || at == 4)
        assert_true(err == E_WIRE_TLS || tf_tls_eof(to_client ? &pair.client : &pair.server) < 0);
      else
        assert_int_equal(err, E_WIRE_TLS);
      /* What came before is delivered, nothing else. */
      assert_int_equal(to_client ? pair.to_client_cnt : pair.to_server_cnt, 5);
      stop(&pair);
    }
  }
}

static void garbage_instead_of_tls_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "HTTP/1.1 400 Bad Request\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\x15\x03\x03\x00\x02\x02\x28xxxxxxxx", "\x16\x03\x03\xff\xff xxxxxxxxxx"};
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    uint8_t plain[64];
    start_good(&pair);
    tf_tls_feed(&pair.client, (const uint8_t *)texts[i], 14);
    assert_int_equal(tf_tls_read(&pair.client, plain, sizeof plain), E_WIRE_TLS);
    assert_int_equal(tf_tls_read(&pair.client, plain, sizeof plain), E_WIRE_TLS);
    tf_tls_feed(&pair.client, (const uint8_t *)texts[i], 5); /* still harmless */
    stop(&pair);
  }
}

static void a_full_send_buffer_takes_nothing(void **state) {
  (void)state;
  static uint8_t text[TX_BYTES];
  start_good(&pair);
  assert_int_equal(tf_tls_write_room(&pair.client), 0);
  assert_int_equal(tf_tls_write(&pair.client, "x", 1), E_WIRE_TLS); /* not open yet */
  settle(&pair, SIZE_MAX);
  const size_t room = tf_tls_write_room(&pair.client);
  assert_in_range(room, TX_BYTES - 5000, TX_BYTES - 1);
  assert_int_equal(tf_tls_write(&pair.client, text, room + 1), E_IO_SEND_FULL);
  assert_int_equal(waiting(&pair.client), 0);
  assert_int_equal(tf_tls_write(&pair.client, text, room), 0);
  assert_int_equal(tf_tls_write(&pair.client, text, 16384), E_IO_SEND_FULL);
  while (tf_tls_write_room(&pair.client) > 0)
    assert_int_equal(tf_tls_write(&pair.client, text, 1), 0);
  assert_true(TX_BYTES - waiting(&pair.client) >= 256); /* for alerts and key updates */
  tf_tls_shutdown(&pair.client);
  settle(&pair, 1000);
  assert_true(pair.to_server_cnt >= room);
  assert_int_equal(pair.server.state, TF_TLS_CLOSED);
  stop(&pair);
}

/* On a thread of its own, so that its first call, its tickets and a key update are under the seal.
 * */
static void *read_and_write_sealed(void *arg) {
  static uint8_t text[230], plain[TF_TLS_RECORD_BYTES_MAX];
  (void)arg;
  tf_arena_lane_enter();
  for (int i = 0; i < 1000; i++) {
    size_t         cnt;
    const uint8_t *tx = tf_tls_tx(&pair.server, &cnt);
    tf_tls_feed(&pair.client, tx, cnt); /* at first the server's tickets */
    const int n = tf_tls_read(&pair.client, plain, sizeof plain);
    TF_ASSERT(i < 2 ? n >= 0 : n == sizeof text);
    TF_ASSERT(tf_tls_read(&pair.client, plain, sizeof plain) == 0);
    tf_tls_tx_sent(&pair.server, cnt);
    if (i == 500) TF_ASSERT(SSL_key_update(pair.server.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
    TF_ASSERT(tf_tls_write(&pair.server, text, sizeof text) == 0);
    if (i >= 500) { /* the client's answer to the update goes out with its next record */
      TF_ASSERT(tf_tls_write(&pair.client, text, sizeof text) == 0);
      tx = tf_tls_tx(&pair.client, &cnt);
      tf_tls_feed(&pair.server, tx, cnt);
      TF_ASSERT(tf_tls_read(&pair.server, plain, sizeof plain) == sizeof text);
      TF_ASSERT(tf_tls_read(&pair.server, plain, sizeof plain) == 0);
      tf_tls_tx_sent(&pair.client, cnt);
    }
  }
  tf_tls_shutdown(&pair.client);
  tf_arena_lane_leave();
  static tf_tls_pool_counts_t counts;
  counts = tf_tls_pool_counts();
  return &counts;
}

static void an_open_stream_calls_no_malloc(void **state) {
  (void)state;
  pthread_t thread;
  void     *counts;
  assert_true(tf_tls_pool_install());
  start_good(&pair);
  while (pair.server.state != TF_TLS_OPEN) { /* leave the tickets unsent */
    carry(&pair.client, &pair.server, SIZE_MAX, pair.to_server, &pair.to_server_cnt,
          &pair.server_err);
    if (pair.server.state != TF_TLS_OPEN)
      carry(&pair.server, &pair.client, SIZE_MAX, pair.to_client, &pair.to_client_cnt,
            &pair.client_err);
  }
  assert_true(waiting(&pair.server) > 100);
  tf_arena_seal_all();
  assert_int_equal(pthread_create(&thread, NULL, read_and_write_sealed, NULL), 0);
  assert_int_equal(pthread_join(thread, &counts), 0);
  tf_arena_unseal_all();
  const tf_tls_pool_counts_t *pool = counts;
  assert_int_equal(pool->missed, 0);
  assert_true(pool->served > 4000);
  assert_int_equal(pair.client.post_handshake_cnt, 2 + 1); /* two tickets, one update */
  stop(&pair); /* gives back what the other thread took */
}

static void a_self_signed_certificate_is_for_its_hosts_and_its_key_is_private(void **state) {
  (void)state;
  static const char *const bad[] = {"a.test,DNS:b.test"};
  struct stat              st;
  assert_int_equal(stat(good_key, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_int_equal(tf_tls_self_signed(cert_path("x.pem"), cert_path("x.key"), bad, 1, 1),
                   E_CORE_ARGUMENT);
  assert_int_equal(tf_tls_self_signed(cert_path("x.pem"), cert_path("x.key"), NULL, 0, 1),
                   E_CORE_ARGUMENT);
  static const char *const hosts[] = {"a.test"};
  assert_int_equal(tf_tls_self_signed(cert_path("x.pem"), cert_path("x.key"), hosts, 1, 0),
                   E_CORE_ARGUMENT);
  assert_int_equal(tf_tls_self_signed("/nonexistent/x.pem", cert_path("x.key"), hosts, 1, 1),
                   E_FILE_WRITE);
  start(&pair, "elsewhere.test", good_cert, false, good_cert, good_key);
  settle(&pair, SIZE_MAX);
  assert_int_equal(pair.client_err, E_WIRE_TLS_VERIFY);
  assert_non_null(strstr(pair.client_text, "elsewhere.test"));
  stop(&pair);
}

static void both_record_layers_read_what_openssl_writes_in_each_suite(void **state) {
  (void)state;
  static const char *const names[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                      "TLS_CHACHA20_POLY1305_SHA256"};
  static uint8_t           text[40000];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 7 >> 1);
  for (int layer = 0; layer < 2; layer++) {
    openssl_records = layer;
    for (size_t i = 0; i < TF_ARRAY_CNT(names); i++) {
      start_good(&pair);
      SSL_set_ciphersuites(pair.server.ssl, names[i]);
      settle(&pair, 1000);
      assert_int_equal(pair.client.record.cipher != NULL, !layer);
      char what[64];
      tf_tls_describe(&pair.client, what, sizeof what);
      assert_non_null(strstr(what, names[i]));
      for (int update = 0; update < 4; update++) {
        pair.to_client_cnt = pair.to_server_cnt = 0;
        assert_int_equal(tf_tls_write(&pair.server, text, sizeof text), 0);
        settle(&pair, 777);
        assert_int_equal(pair.to_client_cnt, sizeof text);
        assert_memory_equal(pair.to_client, text, sizeof text);
        assert_int_equal(tf_tls_write(&pair.client, text, sizeof text), 0);
        settle(&pair, 777);
        assert_memory_equal(pair.to_server, text, sizeof text);
        SSL_key_update(pair.server.ssl,
                       update & 1 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
      }
      assert_int_equal(pair.client_err | pair.server_err, 0);
      assert_int_equal(pair.client.post_handshake_cnt, 2 + 3);
      assert_int_equal(pair.server.post_handshake_cnt, 1); /* the answer to the one that asked */
      tf_tls_shutdown(&pair.server);
      settle(&pair, 1);
      assert_int_equal(pair.client.state, TF_TLS_CLOSED);
      stop(&pair);
    }
  }
  openssl_records = false;
}

static int set_up(void **state) {
  (void)state;
  static const char *const hosts[] = {"localhost", "127.0.0.1", "::1"};
  good_cert                        = cert_path("good.pem");
  good_key                         = cert_path("good.key");
  root                             = sub_ca("test root", NULL, NULL);
  return tf_tls_self_signed(good_cert, good_key, hosts, 3, 2);
}

static int tear_down(void **state) {
  (void)state;
  cert_free(&root);
  return 0;
}

int main(void) {
  if (!tf_tls_pool_install()) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(certificates_that_do_not_verify_are_refused_with_their_reason),
      cmocka_unit_test(unknown_issuers_are_refused),
      cmocka_unit_test(weak_and_long_chains_are_refused),
      cmocka_unit_test(old_versions_weak_ciphers_and_endless_handshakes_are_refused),
      cmocka_unit_test(a_flood_of_key_updates_is_ended_and_a_few_are_not),
      cmocka_unit_test(insecure_must_be_asked_for),
      cmocka_unit_test(arguments_and_files_that_cannot_work_are_refused),
      cmocka_unit_test(an_end_during_the_handshake_is_an_error),
      cmocka_unit_test(a_cut_stream_is_told_from_a_closed_one_at_every_byte),
      cmocka_unit_test(a_flipped_bit_in_any_byte_ends_the_stream),
      cmocka_unit_test(garbage_instead_of_tls_is_refused),
      cmocka_unit_test(a_full_send_buffer_takes_nothing),
      cmocka_unit_test(a_self_signed_certificate_is_for_its_hosts_and_its_key_is_private),
      cmocka_unit_test(any_segmentation_gives_the_same_stream),
      cmocka_unit_test(both_record_layers_read_what_openssl_writes_in_each_suite),
      cmocka_unit_test(an_open_stream_calls_no_malloc),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
