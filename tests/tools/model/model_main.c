/* `tickfuse model ...` alone: what follows "tickfuse model" is given as the arguments. */
int tf_cmd_model(int argc, char **argv);

int main(int argc, char **argv) { return tf_cmd_model(argc, argv); }
