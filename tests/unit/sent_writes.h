#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/nfs/pending_writes.h"

// What PendingWrites sends, as text that a table can hold.
namespace claimfs::tests {

using backends::nfs::PendingWrites;

inline constexpr std::size_t kWriteSize = 8;
inline constexpr PendingWrites::Verifier kBefore = 1, kAfter = 2;  // a restart

inline PendingWrites writes_of(std::size_t write_size) {
  return PendingWrites(std::make_shared<backends::nfs::SpareBuffers>(write_size, 32));
}

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline void write(PendingWrites& writes, std::uint64_t offset, std::string_view text) {
  writes.write(offset, bytes(text));
}

struct Sent {
  std::uint64_t number = 0;
  std::string what;  // "offset:data", and "!" where it is to be stable
};

inline std::optional<Sent> send_one(PendingWrites& writes) {
  const auto write = writes.next_write();
  if (!write) return std::nullopt;
  std::string what = std::to_string(write->offset) + ":";
  for (const std::byte byte : write->data) what += static_cast<char>(byte);
  return Sent{write->number, what + (write->is_stable ? "!" : "")};
}

inline std::vector<Sent> send_all(PendingWrites& writes) {
  std::vector<Sent> all;
  while (auto sent = send_one(writes)) all.push_back(*sent);
  return all;
}

inline std::string text_of(const std::vector<Sent>& all) {
  std::string text;
  for (const Sent& sent : all) text += (text.empty() ? "" : " ") + sent.what;
  return text;
}

inline void answer(PendingWrites& writes, const Sent& sent,
                   PendingWrites::Verifier verifier = kBefore) {
  const std::size_t length = sent.what.size() - sent.what.find(':') - 1;
  const bool is_stable = sent.what.ends_with('!');
  writes.written(
      sent.number,
      {.count = length - (is_stable ? 1 : 0), .is_stable = is_stable, .verifier = verifier});
}

// What a reader of a file sees that is full of dots on the server.
inline std::string seen(const PendingWrites& writes, std::uint64_t begin, std::uint64_t end) {
  std::string contents(end - begin, '.');
  writes.overlay({begin, end}).lay_over(begin, std::as_writable_bytes(std::span(contents)));
  return contents;
}

}  // namespace claimfs::tests
