/* The config's peers: section as the feature compiler wants them, and whether its feeds bring those that the features
 * turned out to read (ADR 0023); likewise its universe: section (ADR 0039). Control plane. */
#ifndef TF_BOOT_PEER_CONFIG_H
#define TF_BOOT_PEER_CONFIG_H

#include "boot/config.h"
#include "stage/feature_plan.h"

/* E_CONFIG_VALUE, with file:line:column: a name given twice, what is no instrument's name, too many. */
tf_err_t tf_peer_config_list(const tf_config_t *config,
                             tf_feature_peer_t peers[TF_FEATURE_PLAN_PEERS_MAX], uint32_t *cnt);

/* Borrows the config's names. E_CONFIG_VALUE, with file:line:column, for what is no instrument's name, or
 * of no feed. */
tf_err_t tf_peer_config_universe(const tf_config_t *config, tf_feature_universe_t *universe);

/* E_CONFIG_VALUE for a peer that no feed brings; a config without feeds takes what its inputs hold. */
tf_err_t tf_peer_config_check(const tf_config_t *config, const tf_feature_plan_t *plan);

#endif
