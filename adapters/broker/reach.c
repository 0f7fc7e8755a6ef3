#include "broker/reach.h"

#include "core/error.h"

static tf_err_t check_login(const tf_broker_config_t *c, const char **key) {
  *key = "user";
  if (c->user && !c->password_file && !c->token_file)
    return TF_ERR(E_BROKER_CONFIG, "a user is given, and no file with its password");
  *key = "password_file";
  if (c->password_file && c->token_file)
    return TF_ERR(E_BROKER_CONFIG,
                  "password_file and token_file are both given; one of them is wanted");
  if (c->password_file && !c->user)
    return TF_ERR(E_BROKER_CONFIG, "a password is given, and no user whose it is");
  return TF_OK;
}

tf_err_t tf_reach_check(const tf_broker_config_t *c, bool is_tls, const char **key) {
  tf_err_t err = check_login(c, key);
  if (err) return err;
  *key = c->cert_file ? "cert_file" : "tls_key_file";
  if (!c->cert_file != !c->tls_key_file)
    return TF_ERR(E_BROKER_CONFIG, "cert_file and tls_key_file belong together");
  *key = c->ca_file ? "ca_file" : "cert_file";
  if (!is_tls && (c->ca_file || c->cert_file))
    return TF_ERR(E_BROKER_CONFIG, "it is of TLS, and \"%.200s\" asks for none", c->url);
  return TF_OK;
}

tf_err_t tf_reach_want(const tf_broker_config_t *c) {
  if (c->url && c->stream) return TF_OK;
  return TF_ERR(E_BROKER_CONFIG, "no %s is given", c->url ? "stream" : "address");
}
