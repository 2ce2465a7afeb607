#include <iostream>

#include "cli/claim_holders.h"
#include "cli/claim_word.h"
#include "cli/columns.h"
#include "cli/verbs.h"

namespace claimfs::cli {
namespace {

std::string cell(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace

Outcome<ExitStatus> who(Context& context, const std::string& word) {
  const auto key = claim_key(word);
  if (!key) return tl::unexpected(key.error());
  const auto claim = claim_of(context, *key);
  if (!claim) return tl::unexpected(claim.error());
  auto holders = ClaimHolders::look(*context.store);
  if (!holders) return tl::unexpected(failure_of(holders.error()));
  Table table = {{"NODE", "POD", "PID", "COMMAND", "USES"}};
  for (const ClaimHolder& holder : holders->of(claim->metadata)) {
    table.push_back({cell(holder.node), cell(holder.pod), cell(holder.pid), cell(holder.command),
                     holder.use + (holder.what.empty() ? "" : " " + holder.what)});
  }
  if (table.size() > 1)
    std::cout << table_text(table);
  else
    std::cerr << "No users of " << key->name_space << "/" << key->name << ".\n";
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
