#include "backends/nfs/files_ahead.h"

#include <algorithm>

namespace claimfs::backends::nfs {

namespace {

void give_up(const AheadPiece& piece) {
  piece.ticket()->is_given_up.store(true, std::memory_order_release);
}

}  // namespace

FileAhead::FileAhead(std::shared_ptr<FilesAhead> all, const FileHandle& handle, std::uint64_t size)
    : all_(std::move(all)), handle_(handle), file_size_(size) {}

FileAhead::~FileAhead() {
  drop_all();
  all_->remove(handle_);
}

void FileAhead::drop_all() {
  for (const auto& piece : pieces_) give_up(*piece);
  pieces_.clear();
  sequence_.lost();
}

void FileAhead::drop() {
  std::scoped_lock lock(mutex_);
  drop_all();
}

void FileAhead::told(const Attributes& attributes) {
  std::scoped_lock lock(mutex_);
  file_size_ = static_cast<std::uint64_t>(attributes.size);
  for (const auto& piece : pieces_) piece->must_be(stamp_of(attributes));
}

void FileAhead::answered(Clock::duration after) {
  std::scoped_lock lock(mutex_);
  sequence_.answered(after);
}

// One that begins there, and does not end before: unless the file does.
std::shared_ptr<AheadPiece> FileAhead::take_out(const Request& request) {
  const auto at = std::ranges::find(pieces_, request.offset,
                                    [](const auto& piece) { return piece->part().offset; });
  if (at == pieces_.end()) return nullptr;
  std::shared_ptr<AheadPiece> found = std::move(*at);
  pieces_.erase(at);
  const AheadPiece::Part& part = found->part();
  const bool is_enough = part.size >= request.size || part.offset + part.size >= file_size_;
  if (is_enough && found->writes() == request.writes && !found->has_failed()) return found;
  give_up(*found);
  return nullptr;
}

FileAhead::Reading FileAhead::read(const Request& request) {
  using Found = ReadSequence::Found;
  Reading reading;
  std::scoped_lock lock(mutex_);
  reading.found = take_out(request);
  const Found found = !reading.found             ? Found::Nothing
                      : reading.found->is_here() ? Found::Here
                                                 : Found::OnItsWay;
  const ReadSequence::Ahead ahead = sequence_.read(request.offset, request.size, found);
  if (!ahead.goes_on) drop_all();
  for (std::uint64_t at = ahead.begin; at < std::min(ahead.end, file_size_); at += request.size) {
    const AheadPiece::Part part{at, std::min<std::uint64_t>(request.size, file_size_ - at)};
    if (part.size > all_->memory()->most_of_piece() || !all_->memory()->reserve(part.size)) {
      sequence_.asked_only_to(at);
      break;
    }
    auto ticket = std::make_shared<Ticket>();
    ticket->identity = request.opener;
    if (request.soft_deadline) ticket->deadline = Clock::now() + *request.soft_deadline;
    pieces_.push_back(
        std::make_shared<AheadPiece>(part, std::move(ticket), request.writes, all_->memory()));
    reading.to_ask.push_back(pieces_.back());
  }
  return reading;
}

std::shared_ptr<FileAhead> FilesAhead::add(const FileHandle& handle, std::uint64_t size) {
  auto file = std::make_shared<FileAhead>(shared_from_this(), handle, size);
  files_.with([&](auto& files) { files[handle].push_back(file); });
  count_.fetch_add(1);
  return file;
}

void FilesAhead::remove(const FileHandle& handle) {
  files_.with([&](auto& files) {
    const auto found = files.find(handle);
    if (found == files.end()) return;  // another that ends has swept
    std::erase_if(found->second, [](const auto& file) { return file.expired(); });
    if (found->second.empty()) files.erase(found);
  });
  count_.fetch_sub(1);
}

void FilesAhead::for_each(const FileHandle& handle,
                          const std::function<void(FileAhead&)>& act) const {
  if (count_.load() == 0) return;
  // One of these may be the last to hold it: its end is not under the lock.
  std::vector<std::shared_ptr<FileAhead>> there;
  files_.with([&](const auto& files) {
    const auto found = files.find(handle);
    if (found == files.end()) return;
    for (const auto& file : found->second)
      if (auto held = file.lock()) there.push_back(std::move(held));
  });
  for (const auto& file : there) act(*file);
}

}  // namespace claimfs::backends::nfs
