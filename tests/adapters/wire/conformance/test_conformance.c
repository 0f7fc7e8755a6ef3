/* Runs the conformance table against our endpoint and prints what came of it:
 *
 *   test_conformance [--role client|server] [--tls] [--group G] [--messages N] [--piece N] [-v]
 *
 * Without options both roles run plain and over TLS. --messages is how many of the 1000 messages of
 * a row in groups 9, 12 and 13 are sent: 1000 means the suite as it stands, the default is what
 * every build can afford. Exits 0 if no row failed. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tls_certs.h"
#include "conf_echo.h"
#include "conf_judge.h"
#include "core/error.h"

#define MESSAGES_DEFAULT 6u

typedef struct options {
  const char *group, *id;
  int         role, tls; /* -1: both */
  uint32_t    messages;
  size_t      piece;
  bool        verbose;
} options_t;

static tf_tls_ctx_t client_ctx, server_ctx;
static SSL_CTX     *their_client, *their_server;

static conf_verdict_t run_case(const conf_case_t *c, tf_ws_role_t role, bool tls,
                               const options_t *o, char why[256]) {
  static conf_echo_t echo;
  static conf_side_t side;
  const bool         client = role == TF_WS_CLIENT;
  conf_echo_init(&echo, role, tls ? (client ? &client_ctx : &server_ctx) : NULL, c);
  echo.piece             = o->piece;
  const conf_link_t link = conf_echo_link(&echo);
  conf_side_init(&side, client, &link, tls ? (client ? their_server : their_client) : NULL);
  conf_verdict_t verdict;
  if (c->handshake) {
    conf_side_open(&side, c, 0);
    conf_side_receive(&side, 0);
    if (!echo.upgraded && !echo.ended && c->end == CONF_EOF) conf_echo_eof(&echo);
    verdict = conf_judge_handshake(c, echo.upgraded, echo.refusal, why);
    if (verdict == CONF_OK && echo.upgraded && c->ok[0])
      verdict = conf_play(&side, c, o->messages, 0, why);
  } else if (!conf_side_open(&side, c, 0)) {
    snprintf(why, 256, "no upgrade: %s", echo.refusal ? echo.refusal : "");
    verdict = CONF_FAILED;
  } else {
    verdict = conf_play(&side, c, o->messages, 0, why);
    if (c->end == CONF_EOF) {
      conf_echo_eof(&echo);
      verdict = conf_judge_fault(c, tf_ws_fault_name((tf_ws_fault_t)echo.ws.fault), verdict, why);
    }
  }
  conf_side_fini(&side);
  conf_echo_fini(&echo);
  return verdict;
}

static unsigned run_table(const options_t *o, tf_ws_role_t role, bool tls) {
  const conf_case_t *cases;
  const size_t       cnt  = conf_cases(&cases);
  conf_summary_t     rows = {0};
  for (size_t i = 0; i < cnt; i++) {
    const conf_case_t *c = &cases[i];
    char               group[8], why[256] = "";
    if (o->group && strcmp(conf_group(c, group), o->group) != 0) continue;
    if (o->id && strcmp(c->id, o->id) != 0) continue;
    if (c->roles == CONF_CLIENT && role != TF_WS_CLIENT) continue;
    if (c->roles == CONF_SERVER && role != TF_WS_SERVER) continue;
    const conf_verdict_t verdict = run_case(c, role, tls, o, why);
    conf_count(&rows, c, verdict);
    if (verdict == CONF_FAILED || o->verbose)
      printf("%-10s %-14s %s: %s\n", c->id, conf_verdict_name(verdict), c->what, why);
  }
  char what[96];
  snprintf(what, sizeof what, "tickfuse %s, %s, %u messages a row of 9, 12 and 13",
           role == TF_WS_CLIENT ? "client" : "server", tls ? "TLS" : "plain", o->messages);
  return conf_print(&rows, what);
}

static bool set_up(void) {
  static const char *const     hosts[] = {"localhost"};
  const char                  *cert = cert_path("good.pem"), *key = cert_path("good.key");
  const tf_tls_client_config_t config = {.ca_file = cert};
  if (tf_tls_self_signed(cert, key, hosts, 1, 2) || tf_tls_ctx_init_client(&client_ctx, &config) ||
      tf_tls_ctx_init_server(&server_ctx, cert, key))
    return false;
  their_client = SSL_CTX_new(TLS_client_method());
  their_server = SSL_CTX_new(TLS_server_method());
  return SSL_CTX_use_certificate_chain_file(their_server, cert) == 1 &&
         SSL_CTX_use_PrivateKey_file(their_server, key, SSL_FILETYPE_PEM) == 1;
}

static bool parse(int argc, char **argv, options_t *o) {
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(argv[i], "--tls") || !strcmp(argv[i], "-v")) {
      if (argv[i][1] == 'v')
        o->verbose = true;
      else
        o->tls = 1;
      continue;
    }
    i++;
    if (!strcmp(argv[i - 1], "--role") && (!strcmp(value, "client") || !strcmp(value, "server")))
      o->role = value[0] == 'c' ? TF_WS_CLIENT : TF_WS_SERVER;
    else if (!strcmp(argv[i - 1], "--group") && *value)
      o->group = value;
    else if (!strcmp(argv[i - 1], "--id") && *value)
      o->id = value;
    else if (!strcmp(argv[i - 1], "--messages") && atoi(value) > 0)
      o->messages = (uint32_t)atoi(value);
    else if (!strcmp(argv[i - 1], "--piece"))
      o->piece = strtoul(value, NULL, 10);
    else
      return false;
  }
  return true;
}

int main(int argc, char **argv) {
  options_t o      = {.role = -1, .tls = -1, .messages = MESSAGES_DEFAULT};
  unsigned  failed = 0;
  if (!parse(argc, argv, &o)) {
    fprintf(stderr, "usage: test_conformance [--role client|server] [--tls] [--group G] [--id I] "
                    "[--messages N] [--piece N] [-v]\n");
    return 2;
  }
  if (!set_up()) {
    fprintf(stderr, "%s\n", tf_error_text());
    return 1;
  }
  for (int role = 0; role < 2; role++) {
    for (int tls = 0; tls < 2; tls++) {
      if ((o.role >= 0 && o.role != role) || (o.tls >= 0 && o.tls != tls)) continue;
      failed += run_table(&o, (tf_ws_role_t)role, tls);
    }
  }
  tf_tls_ctx_fini(&client_ctx);
  tf_tls_ctx_fini(&server_ctx);
  SSL_CTX_free(their_client);
  SSL_CTX_free(their_server);
  return failed > 0;
}
