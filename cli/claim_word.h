#pragma once

#include <string>

#include "cli/context.h"
#include "cli/failure.h"
#include "volumes/claim.h"
#include "volumes/object.h"

namespace claimfs::cli {

// The claim that a word of the command line names, NAMESPACE/CLAIM; a usage error when it is not
// such a word.
Outcome<volumes::ObjectKey> claim_key(const std::string& word);

// It, or kubectl's NotFound.
Outcome<volumes::Claim> claim_of(Context& context, const volumes::ObjectKey& key);

}  // namespace claimfs::cli
