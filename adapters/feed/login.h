/* Signatures for venues that want a connection logged in before some channels: HMAC-SHA-256 of a text under
 * the key's secret, as the venue writes it. Nothing here keeps or prints a secret. Pure. */
#ifndef TF_FEED_LOGIN_H
#define TF_FEED_LOGIN_H

#include "feed/text_out.h"
#include "tf/feed.h"

/* In base64, under the secret as it stands (OKX). */
void tf_login_put_base64(tf_text_out_t *t, const tf_feed_key_t *key, const char *text);
/* In lower hexadecimal digits (Deribit). */
void tf_login_put_hex(tf_text_out_t *t, const tf_feed_key_t *key, const char *text);

#endif
