/* The greatest whole number not above a. */
#include "tensor/pointwise.h"

TF_POINTWISE(floor, 1, floor(a), floorf(a))
