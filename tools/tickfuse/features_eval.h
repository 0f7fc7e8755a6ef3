/* `tickfuse features eval`: a replay that stops at the feature rows. */
#ifndef TICKFUSE_FEATURES_EVAL_H
#define TICKFUSE_FEATURES_EVAL_H

int features_eval(int argc, char **argv);

#endif
