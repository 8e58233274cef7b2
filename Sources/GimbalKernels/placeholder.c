#include "GimbalKernels.h"
