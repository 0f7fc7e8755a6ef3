/* What keys of a reach (tf/broker.h) contradict one another, whichever broker it is. Pure: secrets and certificates may come later. */
#ifndef TF_BROKER_REACH_H
#define TF_BROKER_REACH_H

#include "tf/broker.h"

/* *key names the one that is wrong. is_tls: the url asks for it. E_BROKER_CONFIG. */
tf_err_t tf_reach_check(const tf_broker_config_t *reach, bool is_tls, const char **key);

/* E_BROKER_CONFIG where it has no url or no stream, without which nothing can be looked at. */
tf_err_t tf_reach_want(const tf_broker_config_t *reach);

#endif
