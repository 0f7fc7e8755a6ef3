/* `features list` and `indicator list`: what there is, with groups. */
#ifndef TICKFUSE_FEATURES_LIST_H
#define TICKFUSE_FEATURES_LIST_H

/* argv[0] is "list"; command is what it is called under. Returns the exit code. */
int features_list(const char *command, int argc, char **argv);

#endif
