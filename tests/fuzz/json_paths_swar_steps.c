/* And its predictions. */
#include "../../adapters/wire/json_steps.c"
#include "json_paths_swar_names.h"
