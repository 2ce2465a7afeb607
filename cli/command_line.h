#pragma once

namespace claimfs::cli {

// The whole program: parses the command line, runs the verb, returns what to exit with. Throws
// nothing.
int run(int count, char** words);

}  // namespace claimfs::cli
