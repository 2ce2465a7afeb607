# Most of what the compiler reads is the same few headers: they are read once for all the files of a target. Sources
# include what they use as if this were not so, which a build with -DCLAIMFS_PCH=OFF proves.
set(CLAIMFS_STANDARD_HEADERS
    <algorithm> <array> <atomic> <cerrno> <charconv> <chrono> <cstdint> <cstring> <filesystem> <functional> <map>
    <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread> <utility> <vector> <tl/expected.hpp>)
set(CLAIMFS_PCH_OPTIONS
    # So that ccache can compare what is in them.
    -fpch-preprocess
    # Of a header that is precompiled gcc forgets that it is the system's, and what it suspects the standard library of
    # after inlining is mostly wrong.
    -Wno-error=array-bounds -Wno-error=maybe-uninitialized -Wno-error=restrict -Wno-error=stringop-overflow
    -Wno-error=stringop-overread)

# claimfs_precompiled(target headers…): the standard library's, and these.
function(claimfs_precompiled target)
  if(CLAIMFS_PCH)
    target_precompile_headers(${target} PRIVATE ${CLAIMFS_STANDARD_HEADERS} ${ARGN})
    target_compile_options(${target} PRIVATE ${CLAIMFS_PCH_OPTIONS})
  endif()
endfunction()

# claimfs_same_precompiled(target users…): those of that target, whose options must be the same.
function(claimfs_same_precompiled target)
  if(CLAIMFS_PCH)
    foreach(user IN LISTS ARGN)
      target_precompile_headers(${user} REUSE_FROM ${target})
      target_compile_options(${user} PRIVATE ${CLAIMFS_PCH_OPTIONS})
    endforeach()
  endif()
endfunction()
