/* And its predictions. */
#include "json_paths_swar_names.h"

#include "../../adapters/wire/json_steps.c"
