/* And its predictions. */
#include "../../adapters/wire/json_steps.c"
