/* Our endpoint in a conformance case: adapters/wire as a client or server that echoes each message,
 * answers pings and closes, over memory. */
#ifndef TESTS_CONF_ECHO_H
#define TESTS_CONF_ECHO_H

#include "conf_side.h"
#include "wire/http.h"
#include "wire/tls.h"
#include "wire/ws.h"

typedef struct conf_echo {
  tf_ws_role_t   role;
  bool           over_tls, upgraded, ended;
  const char    *refusal; /* of the handshake: our error text, or the status that we answered */
  char           refusal_text[1024];
  tf_tls_t       tls;
  tf_http_head_t head;
  tf_http_ws_client_t up;
  tf_ws_t             ws;
  tf_ws_deflate_t     deflate;
  uint8_t            *assembly, *deflate_memory, *tls_tx, *frame;
  size_t              frame_cap, message_max;
  uint32_t            key_state, fragments_max;
  bool                offers_deflate;
  conf_bytes_t        out; /* to the scripted side */
  size_t              fed; /* bytes that came */
  size_t              cut; /* where in them one piece ends and the next begins; 0: nowhere */
  size_t piece; /* bytes handed over are cut into such, each with the pad; 0: as they come */
} conf_echo_t;

/* tls NULL: plain. A client has its first bytes in out at once. */
void conf_echo_init(conf_echo_t *e, tf_ws_role_t role, const tf_tls_ctx_t *tls,
                    const conf_case_t *c);
void conf_echo_fini(conf_echo_t *e);
void conf_echo_feed(conf_echo_t *e, const uint8_t *bytes, size_t cnt);
void conf_echo_eof(conf_echo_t *e);

conf_link_t conf_echo_link(conf_echo_t *e);

#endif
