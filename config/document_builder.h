#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/complaint.h"
#include "volumes/object.h"

namespace claimfs::config {

// What a file may ask of us, a document.
inline constexpr size_t kMostBytes = 1 << 20;
inline constexpr int kMostNodes = 10'000;  // maps, lists and values; keys are not counted
inline constexpr int kMostLevels = 64;     // maps and lists inside each other

struct Limits {
  size_t bytes = kMostBytes;
  int nodes = kMostNodes;
};
// Of a backup: all objects of a cluster are one List.
inline constexpr Limits kBackupLimits{.bytes = size_t{1} << 30, .nodes = 100'000'000};

// One document of a file, and where its fields stand.
struct Document {
  volumes::Json value;
  int line = 0;                      // where it begins, from 1
  std::map<std::string, int> lines;  // by path: "spec.capacity.storage", "spec.volumes[0].name"
};

// `text` in double quotes for a message: what would move a terminal's cursor escaped, a long text
// cut.
std::string in_quotes(std::string_view text);

// Thrown where reading on makes no sense; the builder holds the complaint already.
struct DocumentRefused {};

// Puts a document together from what a parser meets, and refuses what is too much, twice there or
// not JSON's to say.
class DocumentBuilder {
 public:
  // Appends to `complaints`, which must outlive the builder.
  DocumentBuilder(std::string file, std::vector<Complaint>& complaints, const Limits& limits);

  void open_map(int line);
  void open_list(int line);
  void close();
  void key(std::string name, int line);
  // `literal` is how a number was written; a quantity (below capacity, requests or limits) stays as
  // it was written.
  void value(volumes::Json value, std::string_view literal, int line);

  bool expects_key() const;
  // Where the value that comes next is said to stand: at its key, if it has one.
  int line_of_next(int line) const;

  void complain(int line,
                std::string what);  // the document is refused; reading goes on, to find the rest
  [[noreturn]] void refuse(int line, std::string what);

  Document take();

 private:
  struct Open {
    volumes::Json* container;
    std::string path;  // empty at the root; kNoPath where it became too long to keep
    bool has_path;
    std::string key;
    int key_line = 0;
    bool has_key = false;
    bool holds_quantities = false;
  };

  volumes::Json& place(volumes::Json value, int line);
  void open(volumes::Json container, int line);
  std::string next_path() const;
  bool next_has_path() const;

  const std::string file_;
  const Limits limits_;
  std::vector<Complaint>& complaints_;
  const size_t complaints_before_;
  Document document_;
  std::vector<Open> open_;
  int nodes_ = 0;
};

}  // namespace claimfs::config
