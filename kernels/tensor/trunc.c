/* a without its fraction: a cast to an integer. */
#include "tensor/pointwise.h"

TF_POINTWISE(trunc, 1, trunc(a), truncf(a))
