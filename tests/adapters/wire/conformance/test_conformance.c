/* Runs the conformance table against our endpoint and prints what came of it:
 *
 *   test_conformance [--role client|server] [--tls] [--group G] [--messages N] [--piece N] [-v]
 *   test_conformance --split [--stride N] [...]
 *
 * Without options both roles run plain and over TLS. --messages is how many of the 1000 messages of
 * a row in groups 9, 12 and 13 are sent: 1000 means the suite as it stands, the default is what
 * every build can afford. --split runs each row of at most 900 bytes once for every byte that its
 * stream can be cut at, or every Nth (TLS: a few rows, cut in the ciphertext), which must change nothing.
 * Exits 0 if no row failed. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tls_certs.h"
#include "conf_echo.h"
#include "conf_judge.h"
#include "core/error.h"

#define MESSAGES_DEFAULT  6u
#define SPLIT_BYTES_MAX   900u
#define SPLIT_EVENTS_MAX  256u
#define SPLIT_MESSAGE_MAX ((size_t)256 << 10) /* little memory to make and drop 190,000 times */

typedef struct options {
  const char *group, *id;
  int         role, tls; /* -1: both */
  uint32_t    messages;
  size_t      piece, cut, stride;
  bool        verbose, split;
} options_t;

static tf_tls_ctx_t client_ctx, server_ctx;
static SSL_CTX     *their_client, *their_server;

/* What a run left behind. */
typedef struct outcome {
  size_t       fed, event_cnt;
  conf_event_t events[SPLIT_EVENTS_MAX];
} outcome_t;

static conf_verdict_t run_case(const conf_case_t *c, tf_ws_role_t role, bool tls,
                               const options_t *o, outcome_t *out, char why[256]) {
  static conf_echo_t echo;
  static conf_side_t side;
  const bool         client = role == TF_WS_CLIENT;
  conf_echo_init(&echo, role, tls ? (client ? &client_ctx : &server_ctx) : NULL, c);
  echo.piece             = o->piece;
  echo.cut               = o->cut;
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
  out->fed       = echo.fed;
  out->event_cnt = side.event_cnt < SPLIT_EVENTS_MAX ? side.event_cnt : SPLIT_EVENTS_MAX;
  if (out->event_cnt) memcpy(out->events, side.events, out->event_cnt * sizeof *out->events);
  conf_side_fini(&side);
  conf_echo_fini(&echo);
  return verdict;
}

static bool is_for(const conf_case_t *c, const options_t *o, tf_ws_role_t role) {
  char group[8];
  if (o->group && strcmp(conf_group(c, group), o->group) != 0) return false;
  if (o->id && strcmp(c->id, o->id) != 0) return false;
  return c->roles == CONF_BOTH || (c->roles == CONF_CLIENT) == (role == TF_WS_CLIENT);
}

/* A handshake each run: only rows that hold every kind of frame, and a compressed message. */
static bool is_split_in_tls(const conf_case_t *c) {
  return strstr(c->what, "all kinds in chops of 13") || strcmp(c->id, "5.6") == 0 ||
         strcmp(c->what, "deflate: a ping between") == 0;
}

static unsigned run_splits(const options_t *given, tf_ws_role_t role, bool tls) {
  static outcome_t   whole, cut;
  const conf_case_t *cases;
  const size_t       cnt     = conf_cases(&cases);
  unsigned           streams = 0, cuts = 0, failed = 0;
  options_t          o = *given;
  for (size_t i = 0; i < cnt; i++) {
    conf_case_t        small    = cases[i];
    const conf_case_t *c        = &small;
    char               why[256] = "";
    if (small.message_max == 0) small.message_max = SPLIT_MESSAGE_MAX;
    if (c->bulk.letter || !is_for(c, &o, role) || (tls && !is_split_in_tls(c))) continue;
    o.cut                        = 0;
    const conf_verdict_t verdict = run_case(c, role, tls, &o, &whole, why);
    if (!tls && whole.fed > SPLIT_BYTES_MAX) continue;
    streams++;
    for (o.cut = 1; o.cut < whole.fed; o.cut += o.stride, cuts++) {
      char why_cut[256] = "";
      if (run_case(c, role, tls, &o, &cut, why_cut) == verdict &&
          cut.event_cnt == whole.event_cnt &&
          (whole.event_cnt == 0 ||
           memcmp(cut.events, whole.events, whole.event_cnt * sizeof *whole.events) == 0))
        continue;
      printf("%-10s cut at %zu of %zu: %s, whole: %s\n", c->id, o.cut, whole.fed, why_cut, why);
      failed++;
      break;
    }
  }
  printf("%s, %s: %u streams, %u cuts, %u differ\n", role == TF_WS_CLIENT ? "client" : "server",
         tls ? "TLS" : "plain", streams, cuts, failed);
  return failed;
}

static unsigned run_table(const options_t *o, tf_ws_role_t role, bool tls) {
  static outcome_t   outcome;
  const conf_case_t *cases;
  const size_t       cnt  = conf_cases(&cases);
  conf_summary_t     rows = {0};
  for (size_t i = 0; i < cnt; i++) {
    const conf_case_t *c        = &cases[i];
    char               why[256] = "";
    if (!is_for(c, o, role)) continue;
    const conf_verdict_t verdict = run_case(c, role, tls, o, &outcome, why);
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
    bool       *flag  = !strcmp(argv[i], "-v")        ? &o->verbose
                        : !strcmp(argv[i], "--split") ? &o->split
                                                      : NULL;
    if (flag) *flag = true;
    if (!strcmp(argv[i], "--tls")) o->tls = 1;
    if (flag || !strcmp(argv[i], "--tls")) continue;
    i++;
    if (!strcmp(argv[i - 1], "--role") && (!strcmp(value, "client") || !strcmp(value, "server")))
      o->role = value[0] == 'c' ? TF_WS_CLIENT : TF_WS_SERVER;
    else if (!strcmp(argv[i - 1], "--group") && *value)
      o->group = value;
    else if (!strcmp(argv[i - 1], "--id") && *value)
      o->id = value;
    else if (!strcmp(argv[i - 1], "--messages") && atoi(value) > 0)
      o->messages = (uint32_t)atoi(value);
    else if (!strcmp(argv[i - 1], "--stride") && atoi(value) > 0)
      o->stride = (size_t)atoi(value);
    else if (!strcmp(argv[i - 1], "--piece"))
      o->piece = strtoul(value, NULL, 10);
    else
      return false;
  }
  return true;
}

int main(int argc, char **argv) {
  options_t o      = {.role = -1, .tls = -1, .messages = MESSAGES_DEFAULT, .stride = 1};
  unsigned  failed = 0;
  if (!parse(argc, argv, &o)) {
    fprintf(stderr, "usage: test_conformance [--role client|server] [--tls] [--group G] [--id I] "
                    "[--messages N] [--piece N] [--split [--stride N]] [-v]\n");
    return 2;
  }
  if (!set_up()) {
    fprintf(stderr, "%s\n", tf_error_text());
    return 1;
  }
  for (int role = 0; role < 2; role++) {
    for (int tls = 0; tls < 2; tls++) {
      if ((o.role >= 0 && o.role != role) || (o.tls >= 0 && o.tls != tls)) continue;
      failed += o.split ? run_splits(&o, (tf_ws_role_t)role, tls)
                        : run_table(&o, (tf_ws_role_t)role, tls);
    }
  }
  tf_tls_ctx_fini(&client_ctx);
  tf_tls_ctx_fini(&server_ctx);
  SSL_CTX_free(their_client);
  SSL_CTX_free(their_server);
  return failed > 0;
}
