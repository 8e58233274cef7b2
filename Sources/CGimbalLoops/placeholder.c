#include "CGimbalLoops.h"
