#include "cli/command_line.h"

int main(int count, char** words) { return claimfs::cli::run(count, words); }
