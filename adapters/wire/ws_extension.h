/* permessage-deflate in the handshake's Sec-WebSocket-Extensions (RFC 6455 9.1, RFC 7692 7.1): what
 * a client offers, whether an answer fits the offer, which of a client's offers a server takes.
 *
 * Strict: an unknown, repeated or malformed parameter, or a window outside 8 to 15 bits, makes an
 * answer wrong, and an offer one that is passed over for the next in the client's list. Control
 * plane; no memory of its own. */
#ifndef WIRE_WS_EXTENSION_H
#define WIRE_WS_EXTENSION_H

#include "wire/http.h"
#include "wire/ws_deflate.h"

#define TF_WS_EXTENSION_CHARS 192 /* of an offer or answer of ours, NUL included */

/* As an offer, params names what goes into it: a flag, and of a window 0 for "say nothing";
 * client_max_window_bits 15 goes without a number and lets the server choose. */

/* Writes the header's value, NUL-terminated, to text. Returns its length. */
size_t tf_ws_extension_offer(const tf_ws_deflate_params_t *offer, char text[TF_WS_EXTENSION_CHARS]);

/* Reads a server's answer to the offer (NULL: none was made). NULL, with *accepted saying whether
 * the extension is in use and *agreed how; otherwise what is wrong. */
const char *tf_ws_extension_check(const tf_http_head_t *head, const tf_ws_deflate_params_t *offer,
                                  bool *accepted, tf_ws_deflate_params_t *agreed);

/* Chooses the first offer in a client's request that fits ours: the largest windows that we take
 * and use, and flags that we insist on. NULL, with *accepted, and if so *agreed and the answer's
 * value; otherwise what is malformed in the request (400). */
const char *tf_ws_extension_choose(const tf_http_head_t *head, const tf_ws_deflate_params_t *ours,
                                   bool *accepted, tf_ws_deflate_params_t *agreed,
                                   char answer[TF_WS_EXTENSION_CHARS]);

#endif
