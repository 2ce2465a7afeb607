#include "cli/claim_word.h"

#include <cerrno>

namespace claimfs::cli {

using volumes::Kind;
using volumes::ObjectKey;

Outcome<ObjectKey> claim_key(const std::string& word) {
  const auto slash = word.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == word.size() ||
      word.find('/', slash + 1) != std::string::npos)
    return fail(ExitStatus::Usage, "error: \"" + word + "\" is not NAMESPACE/CLAIM");
  return ObjectKey{Kind::PersistentVolumeClaim, word.substr(0, slash), word.substr(slash + 1)};
}

Outcome<volumes::Claim> claim_of(Context& context, const ObjectKey& key) {
  const auto object = context.store->get(key);
  if (object) return volumes::Claim::from(*object);
  if (object.error().code != ENOENT) return tl::unexpected(failure_of(object.error()));
  return fail(ExitStatus::Failed, "Error from server (NotFound): persistentvolumeclaims \"" +
                                      key.name + "\" not found");
}

}  // namespace claimfs::cli
