#pragma once

// The one place that says which of libfuse's interfaces is used.
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 18)
#include <fuse_lowlevel.h>
