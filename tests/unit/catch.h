#pragma once

// Debian 12 has Catch2 2, Debian 13 has 3.
#ifdef CLAIMFS_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
